"""A pack equals plain training loops, ends as it should, and reports what it says it does."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (torch's own name for it)
from catalogue import SmallDigits, bits, recipe, train, trial
from torch import Tensor, nn

from randstudy import inits, pruning, streams
from randstudy.inits import KaimingNormal, Normal, XavierNormal
from randstudy.models import Cnn, Linear, Mlp, Model
from randstudy.models.losses import TaskLoss
from randstudy.models.program import Pass, program
from randstudy.optimizers import Adam, AdamW, Optimizer, Sgd
from randstudy.outcomes import Outcome
from randstudy.pruning import MagnitudePruning, RandomPruning
from randstudy.streams import Key
from randstudy.tasks import Examples, LinearRegression, TaskShape
from randstudy.training import Observation, PackRun
from randstudy.training.layout import Layout
from randstudy.trials import Trial

# Equal to torch.optim on a torch.nn module that is fed the same draws.


def torch_optimizer(one: Trial, module: nn.Module) -> torch.optim.Optimizer:
    rule, lr = one.recipe.training.optimizer, one.recipe.training.lr
    shared: dict[str, Any] = {"lr": lr, "foreach": True}
    if isinstance(rule, Sgd):
        return torch.optim.SGD(
            module.parameters(),
            momentum=rule.momentum,
            nesterov=rule.nesterov,
            weight_decay=rule.weight_decay,
            **shared,
        )
    assert isinstance(rule, Adam | AdamW)
    kind = torch.optim.AdamW if isinstance(rule, AdamW) else torch.optim.Adam
    shared |= {"betas": (rule.beta1, rule.beta2), "eps": rule.eps}
    return kind(module.parameters(), weight_decay=rule.weight_decay, **shared)


@dataclass
class Plain:
    """What a plain loop came to."""

    digest: str
    losses: list[float]
    weights: Tensor
    test_loss: float
    test_accuracy: float


def plain(one: Trial, module: nn.Module) -> Plain:
    """Train `module` the way that anybody would, on the draws of the trial."""
    training = one.recipe.training
    parameters = one.recipe.model.parameters(one.recipe.data.shape())
    first = inits.initial([one.recipe.init], [one.key("init")], parameters)
    kept = pruning.masks([one.recipe.pruning], [one.key("mask")], parameters, first)
    keeps: list[Tensor | None] = []
    with torch.no_grad():
        for tensor, parameter in zip(module.parameters(), parameters, strict=True):
            value = torch.from_numpy(first[parameter.path][0])
            keep = torch.from_numpy(kept[parameter.path][0]) if parameter.path in kept else None
            tensor.copy_(value if keep is None else value * keep)
            keeps.append(keep)
    examples = one.recipe.data.examples(one.key("data"))
    split = one.recipe.data.split(one.key("split"))
    inputs, targets = torch.tensor(examples.inputs), torch.tensor(examples.targets)
    train_rows = torch.from_numpy(split.train)
    criterion = F.mse_loss if targets.is_floating_point() else F.cross_entropy
    optimizer = torch_optimizer(one, module)
    losses: list[float] = []
    epoch = 0
    while len(losses) < one.recipe.total_steps:
        rows = train_rows
        if training.batch_size != "full":
            order = streams.permutations([one.key("order")], len(rows), epoch=epoch)[0]
            rows = rows[torch.from_numpy(order)]
        epoch += 1
        for batch in rows.split(one.recipe.batch)[: one.recipe.total_steps - len(losses)]:
            optimizer.zero_grad()
            loss = criterion(module(inputs[batch]).squeeze(-1), targets[batch])
            loss.backward()
            for tensor, keep in zip(module.parameters(), keeps, strict=True):
                if keep is not None and tensor.grad is not None:
                    tensor.grad.mul_(keep)
            if training.clip_norm is not None:
                nn.utils.clip_grad_norm_(module.parameters(), training.clip_norm)
            optimizer.step()
            losses.append(loss.item())
    weights = torch.cat([tensor.detach().flatten() for tensor in module.parameters()])
    digest = hashlib.blake2b((weights.numpy() + 0.0).tobytes(), digest_size=16).hexdigest()
    test = torch.from_numpy(split.test)
    with torch.no_grad():
        outputs = module(inputs[test])
        test_loss = criterion(outputs.squeeze(-1), targets[test]).item()
        accuracy = (outputs.argmax(-1) == targets[test]).double().mean().item()
    return Plain(digest, losses, weights, test_loss, accuracy)


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))


OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Sgd(),
    "momentum": Sgd(momentum=0.9),
    "decay": Sgd(momentum=0.9, weight_decay=1e-2),
    "nesterov": Sgd(momentum=0.9, nesterov=True, weight_decay=1e-3),
    "adam": Adam(),
    "adam-decay": Adam(beta1=0.8, beta2=0.95, eps=1e-6, weight_decay=1e-2),
    "adamw": AdamW(),
}


@pytest.mark.parametrize("clip", [None, 0.5])
@pytest.mark.parametrize("rule", OPTIMIZERS)
def test_equal_to_a_plain_loop_bit_for_bit(rule: str, clip: float | None) -> None:
    """Each row has its own lr, pruning and init; the batch of 8 leaves 5 examples at the end."""
    scale = 1.0 if rule in ("sgd", "momentum", "decay", "nesterov") else 0.1
    trials = [
        trial(
            number,
            optimizer=OPTIMIZERS[rule],
            lr=(0.1, 0.03, 0.01)[number % 3] * scale,
            clip_norm=clip,
            init=(XavierNormal(), KaimingNormal())[number % 2],
            pruning=(RandomPruning(), RandomPruning(rate=0.5), MagnitudePruning(rate=0.9))[number],
            batch_size=8,
            epochs=4,
        )
        for number in range(3)
    ]
    for one, outcome in zip(trials, train(trials), strict=True):
        expected = plain(one, perceptron())
        assert outcome.weights_digest == expected.digest, one.settings
        assert outcome.metrics["test_accuracy"] == expected.test_accuracy
        assert outcome.metrics["test_loss"] == pytest.approx(expected.test_loss, rel=1e-6)
        last = np.mean(expected.losses[-one.recipe.steps_per_epoch :])
        assert outcome.metrics["train_loss"] == pytest.approx(last, rel=1e-6)


@pytest.mark.parametrize("batch", [1, 31, 45])
def test_equal_to_a_plain_loop_at_other_batch_sizes(batch: int) -> None:
    one = trial(4, batch_size=batch, steps=50)
    assert train([one, trial(5, batch_size=batch, steps=50)])[0].weights_digest == (
        plain(one, perceptron()).digest
    )


def test_a_full_batch_is_gradient_descent() -> None:
    """No order is drawn: every step sees the training rows as they are."""
    one = trial(2, batch_size="full", optimizer=Sgd(), steps=12)
    assert one.recipe.steps_per_epoch == 1
    expected = plain(one, perceptron())
    (outcome,) = train([one])
    assert outcome.weights_digest == expected.digest
    assert outcome.curves["train_loss"] == pytest.approx(expected.losses, rel=1e-6)


@pytest.mark.parametrize("batch", [8, "full"])
def test_linear_regression_is_trained_on_squared_errors(batch: int | str) -> None:
    one = trial(1, data=LinearRegression(), model=Linear(), batch_size=batch, epochs=3, lr=0.05)
    (outcome,) = train([one])
    expected = plain(one, nn.Linear(1, 1))
    run = PackRun([one])
    run.walk(run.total)
    # A product with a single column takes another path in torch, and rounds its own way.
    torch.testing.assert_close(run.weights[0], expected.weights, rtol=1e-5, atol=1e-6)
    losses = np.reshape(expected.losses, (3, -1)).mean(axis=1)
    assert outcome.curves["train_loss"] == pytest.approx(losses, rel=1e-5)
    assert set(outcome.metrics) == {"train_loss", "validation_loss", "test_loss"}
    assert outcome.metrics["test_loss"] == pytest.approx(expected.test_loss, rel=1e-6)
    assert outcome.predictions is None


def test_a_trained_line_is_the_least_squares_line() -> None:
    data = LinearRegression(noise=0.1)
    fields: dict[str, Any] = {"model": Linear(), "batch_size": "full", "optimizer": Sgd()}
    run = PackRun([trial(data=data, lr=0.1, steps=500, **fields)])
    run.walk(500)
    examples = data.examples(streams.key(0, "data", 0))
    x, y = examples.inputs[:100, 0].astype(np.float64), examples.targets[:100].astype(np.float64)
    assert run.weights[0].tolist() == pytest.approx(np.polyfit(x, y, 1).tolist(), abs=1e-5)


# Gradients.

NETWORKS: dict[str, Model] = {
    "linear": Linear(),
    "mlp": Mlp(widths=(13,)),
    "deep": Mlp(widths=(9, 7, 5), activation="tanh"),
    "cnn": Cnn(channels=(3, 4)),
}

IMAGES = TaskShape((1, 8, 8), 10, "class")
NUMBERS = TaskShape((1, 8, 8), 1, "number")


def single(model: Model, weights: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
    """Return one network's outputs for (B, 1, 8, 8), written the plain way."""
    if isinstance(model, Cnn):
        for layer in range(len(model.channels)):
            weight, bias = weights[f"convs.{layer}.weight"], weights[f"convs.{layer}.bias"]
            inputs = F.max_pool2d(F.relu(F.conv2d(inputs, weight, bias, padding=1)), 2)
        return F.linear(inputs.flatten(1), weights["head.weight"], weights["head.bias"])
    activation = torch.tanh if isinstance(model, Mlp) and model.activation == "tanh" else F.relu
    depth = len(weights) // 2
    values = inputs.flatten(1)
    for layer in range(depth):
        weight, bias = weights[f"layers.{layer}.weight"], weights[f"layers.{layer}.bias"]
        values = F.linear(values, weight, bias)
        values = activation(values) if layer + 1 < depth else values
    return values


def single_loss(
    model: Model, weights: Mapping[str, Tensor], inputs: Tensor, targets: Tensor
) -> Tensor:
    outputs = single(model, weights, inputs)
    if targets.is_floating_point():
        return F.mse_loss(outputs.squeeze(-1), targets)
    return F.cross_entropy(outputs, targets)


def problem(
    model: Model, shape: TaskShape, dtype: torch.dtype
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Return weights, inputs (4, 6, 1, 8, 8) and targets (4, 6)."""
    generator = torch.Generator().manual_seed(11)
    layout = Layout(model.parameters(shape))
    flat = torch.randn(4, layout.size, generator=generator, dtype=dtype) / 3
    inputs = torch.rand(4, 6, 1, 8, 8, generator=generator, dtype=dtype)
    if shape.target == "number":
        return layout.views(flat), inputs, torch.randn(4, 6, generator=generator, dtype=dtype)
    return layout.views(flat), inputs, torch.randint(0, 10, (4, 6), generator=generator)


@pytest.mark.parametrize("shape", [IMAGES, NUMBERS], ids=["classes", "numbers"])
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_are_those_of_autograd(name: str, shape: TaskShape) -> None:
    model = NETWORKS[name]
    weights, inputs, targets = problem(model, shape, torch.float32)
    losses, gradients = program(model, shape, TaskLoss()).gradients(
        weights, inputs, targets, Pass(training=True)
    )

    def loss(some: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return single_loss(model, some, x, y)

    expected, values = torch.func.vmap(torch.func.grad_and_value(loss))(weights, inputs, targets)
    torch.testing.assert_close(losses, values)
    assert set(gradients) == set(expected)
    for path, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected[path], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shape", [IMAGES, NUMBERS], ids=["classes", "numbers"])
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_are_those_of_finite_differences(name: str, shape: TaskShape) -> None:
    """In float64, along random directions; independent of autograd."""
    model = NETWORKS[name]
    weights, inputs, targets = problem(model, shape, torch.float64)
    layout = Layout(model.parameters(shape))
    flat = layout.flatten(weights)
    gradient = layout.flatten(
        program(model, shape, TaskLoss()).gradients(weights, inputs, targets, Pass(training=True))[
            1
        ]
    )
    generator = torch.Generator().manual_seed(3)
    for _ in range(5):
        direction = torch.randn(flat.shape, generator=generator, dtype=torch.float64)
        direction /= direction.norm(dim=1, keepdim=True)
        step = 1e-6
        ends = []
        for sign in (1, -1):
            moved = layout.views(flat + sign * step * direction)
            ends.append(
                program(model, shape, TaskLoss()).gradients(
                    moved, inputs, targets, Pass(training=True)
                )[0]
            )
        slope = (ends[0] - ends[1]) / (2 * step)
        torch.testing.assert_close((gradient * direction).sum(1), slope, rtol=1e-5, atol=1e-7)


# Pruned weights.


@pytest.mark.parametrize("rule", ["decay", "nesterov", "adam", "adamw"])
def test_removed_weights_stay_zero(rule: str) -> None:
    prunings = (RandomPruning(rate=0.9), MagnitudePruning(rate=0.5), RandomPruning())
    run = PackRun(
        [
            trial(number, pruning=each, optimizer=OPTIMIZERS[rule], lr=0.01)
            for number, each in enumerate(prunings)
        ]
    )
    assert run.mask is not None
    removed = run.mask == 0
    assert removed[0].sum() > removed[1].sum() > removed[2].sum() == 0
    before = run.weights.clone()
    run.walk(10)
    assert not run.weights[removed].any()
    assert (run.weights[~removed] != before[~removed]).double().mean() > 0.5


# Divergence.


def test_a_diverged_trial_leaves_and_says_when() -> None:
    trials = [trial(number, lr=(0.1, 1e4, 1e30)[number % 3]) for number in range(6)]
    outcomes = train(trials)
    for one, outcome in zip(trials, outcomes, strict=True):
        assert bits(outcome) == bits(train([one])[0])
        if one.recipe.training.lr == 0.1:
            assert outcome.status == "finished"
            assert outcome.reason == ""
            assert outcome.steps == one.recipe.total_steps
            assert len(outcome.weights_digest) == 32
    wild = outcomes[2]
    assert (wild.status, wild.reason) == ("diverged", "non-finite loss")
    assert set(wild.metrics) == set(outcomes[0].metrics)
    assert all(math.isnan(value) for value in wild.metrics.values())
    assert wild.weights_digest == ""
    assert wild.predictions is None


def test_the_step_of_divergence_counts_finished_updates() -> None:
    """At lr 1e30 the first update is wild; the first loss that shows it is the next step's."""
    one = trial(2, lr=1e30)
    (outcome,) = train([one])
    losses = plain(one, perceptron()).losses
    assert math.isfinite(losses[0])
    assert outcome.steps == next(n for n, loss in enumerate(losses) if not math.isfinite(loss))


def test_curves_of_a_diverged_trial_end_before_it_diverged() -> None:
    trials = [trial(number, lr=lr, epochs=3) for number, lr in enumerate((1e30, 0.1))]
    wild, tame = train(trials, every_epochs=None, every_steps=1)
    assert wild.curve_step.tolist() == list(range(1, wild.steps + 1))
    assert tame.curve_step.tolist() == list(range(1, 19))
    assert np.isfinite(wild.curves["train_loss"]).all()


def test_divergence_by_the_very_last_update() -> None:
    """No later batch shows it, but the final evaluation does."""
    trials = [trial(0, lr=1e38, steps=1), trial(1, lr=0.1, steps=1)]
    late, tame = train(trials)
    assert late.status == "diverged"
    assert late.reason.startswith("non-finite validation_loss")
    assert late.steps == 1
    assert all(math.isnan(value) for value in late.metrics.values())
    assert tame.status == "finished"
    assert bits(tame) == bits(train(trials[1:])[0])


def test_a_pack_whose_trials_all_diverge_is_done() -> None:
    run = PackRun([trial(number, lr=1e30) for number in range(5)])
    run.advance()
    assert run.done
    assert run.alive == 0
    assert [outcome.status for outcome in run.take()] == ["diverged"] * 5
    assert run.take() == []


# What is reported, and when.


def test_train_loss_is_the_mean_of_batch_losses_since_the_last_report() -> None:
    one = trial(3, epochs=3)
    losses = plain(one, perceptron()).losses
    (outcome,) = train([one], every_epochs=None, every_steps=4)
    means = [np.mean(losses[start : start + 4]) for start in range(0, 18, 4)]
    assert outcome.curve_step.tolist() == [4, 8, 12, 16, 18]
    assert outcome.curves["train_loss"] == pytest.approx(means, rel=1e-6)
    # The final one is over the last epoch, however often was reported.
    assert outcome.metrics["train_loss"] == pytest.approx(np.mean(losses[-6:]), rel=1e-6)


def test_train_loss_of_less_than_an_epoch_is_over_all_steps() -> None:
    one = trial(3, steps=4)
    losses = plain(one, perceptron()).losses
    assert len(losses) == 4
    assert train([one])[0].metrics["train_loss"] == pytest.approx(np.mean(losses), rel=1e-6)


@pytest.mark.parametrize(
    ("budget", "observe", "steps"),
    [
        ({"epochs": 3}, {}, [6, 12, 18]),
        ({"epochs": 3}, {"every_epochs": 2}, [12, 18]),
        ({"epochs": 3}, {"every_epochs": 5}, [18]),
        ({"epochs": 3}, {"every_epochs": None}, [6, 12, 18]),
        ({"epochs": 1}, {"every_steps": 4}, [4, 6]),
        ({"steps": 7}, {}, [6, 7]),
        ({"steps": 7}, {"every_steps": 7}, [7]),
        ({"steps": 7}, {"every_steps": 3}, [3, 6, 7]),
        ({"steps": 2}, {"every_steps": 1}, [1, 2]),
        ({"steps": 12}, {"every_steps": 6}, [6, 12]),
    ],
)
def test_events(budget: dict[str, int], observe: dict[str, Any], steps: list[int]) -> None:
    (outcome,) = train([trial(**budget)], **observe)
    assert outcome.curve_step.tolist() == steps
    assert outcome.curve_epoch.tolist() == [step / 6 for step in steps]
    assert {len(curve) for curve in outcome.curves.values()} == {len(steps)}
    assert set(outcome.curves) == {"train_loss", "validation_loss", "validation_accuracy"}


def test_final_metrics_are_the_last_of_the_curves_and_the_test_set() -> None:
    one = trial(5)
    (outcome,) = train([one])
    for name in ("validation_loss", "validation_accuracy"):
        assert outcome.metrics[name] == outcome.curves[name][-1]
    assert outcome.predictions is not None
    rows = one.recipe.data.split(one.key("split")).test
    targets = one.recipe.data.examples(one.key("data")).targets[rows]
    assert np.mean(outcome.predictions == targets) == outcome.metrics["test_accuracy"]
    assert outcome.predictions.dtype == np.uint8


def test_predictions_are_kept_only_when_asked_for() -> None:
    assert train([trial()], predictions=False)[0].predictions is None


def test_logits_are_kept_only_when_asked_for() -> None:
    one = trial(3)
    (plain,), (kept,) = train([one]), train([one], logits=True)
    assert plain.logits is None
    assert kept.logits is not None
    assert kept.logits.dtype == np.float32
    assert bits(replace(kept, logits=None)) == bits(plain)
    assert kept.predictions is not None
    assert kept.logits.argmax(1).tolist() == kept.predictions.tolist()
    targets = one.recipe.data.examples(one.key("data")).targets
    tested = torch.from_numpy(targets[one.recipe.data.split(one.key("split")).test])
    loss = F.cross_entropy(torch.from_numpy(kept.logits).double(), tested).item()
    assert loss == pytest.approx(kept.metrics["test_loss"], rel=1e-6)
    assert train([one], logits=True, predictions=False)[0].predictions is None


def test_neither_a_line_nor_a_diverged_trial_has_logits() -> None:
    line = trial(data=LinearRegression(), model=Linear(), lr=0.05)
    assert train([line], logits=True)[0].logits is None
    gone, kept = train([trial(0, lr=1e30), trial(1)], logits=True)
    assert gone.status == "diverged"
    assert gone.logits is None
    assert kept.logits is not None


@pytest.mark.parametrize(
    "model", [Linear(), Mlp(widths=(13,)), Mlp(widths=(33, 7), activation="tanh"), Cnn()]
)
def test_logits_are_the_same_in_every_pack(model: Model) -> None:
    """Law 1, for what nothing but the last bits of an output would show."""
    trials = [
        trial(number, model=model, lr=1e30 if number == 3 else 0.1 / (1 + number), epochs=1)
        for number in range(9)
    ]
    alone = [train([one], logits=True)[0] for one in trials]
    assert sum(one.logits is not None for one in alone) >= 8
    expected = {one.trial: bits(one) for one in alone}
    for pack in (trials, trials[::-1], trials[:2], trials[2:7]):
        assert [bits(one) for one in train(pack, logits=True)] == [expected[one.id] for one in pack]


def test_an_outcome_says_what_it_is() -> None:
    one = trial(2, pruning=RandomPruning(rate=0.5))
    (outcome,) = train([one])
    assert outcome.trial == one.id
    assert outcome.settings == one.settings
    assert outcome.replicates == one.replicates
    assert outcome.provenance["data_digest"] == one.recipe.data.digest()
    assert "torch" in outcome.provenance["numerics_class"]
    assert outcome.seconds["train_seconds"] > 0
    assert outcome.seconds["evaluation_seconds"] > 0


# Selection never reads the test set.


@dataclass(frozen=True, kw_only=True)
class Tampered(SmallDigits):
    """Small digits with the labels or pixels of one split altered."""

    split_name: str = "test"

    def examples(self, key: Key) -> Examples:
        found = super().examples(key)
        rows = getattr(self.split(streams.key(0, "split", 0)), self.split_name)
        found.targets[rows] = (found.targets[rows] + 1) % 10
        found.inputs[rows] = 1 - found.inputs[rows]
        return found


def seen(outcome: Outcome) -> dict[str, Any]:
    """What may steer training or a choice between trials."""
    found = {name: value for name, value in bits(outcome).items() if "test_" not in name}
    return {name: value for name, value in found.items() if name != "predictions"}


def test_the_test_set_changes_no_training_and_no_selection() -> None:
    honest = train([trial()])[0]
    tampered = train([trial(data=Tampered(split_name="test"))])[0]
    assert seen(honest) == seen(tampered)
    assert honest.metrics["test_loss"] != tampered.metrics["test_loss"]


def test_the_validation_set_changes_no_training() -> None:
    honest = train([trial()])[0]
    tampered = train([trial(data=Tampered(split_name="validation"))])[0]
    assert honest.weights_digest == tampered.weights_digest
    assert honest.metrics["test_loss"] == tampered.metrics["test_loss"]
    assert honest.metrics["validation_loss"] != tampered.metrics["validation_loss"]


def test_the_training_set_does_change_it() -> None:
    assert (
        train([trial()])[0].weights_digest
        != train([trial(data=Tampered(split_name="train"))])[0].weights_digest
    )


# A pack of one, and of trials that end together.


def test_a_lone_trial_has_a_silent_twin() -> None:
    run = PackRun([trial()])
    assert len(run.weights) == 2
    assert run.alive == 1
    run.advance()
    assert len(run.take()) == 1


def test_the_last_survivor_trains_on_beside_a_twin() -> None:
    run = PackRun([trial(number, lr=1e30 if number else 0.1) for number in range(5)])
    run.advance(0.0)
    while not run.done and run.alive > 1:
        run.advance(0.0)
    assert len(run.weights) == 2
    run.advance()
    (survivor,) = [outcome for outcome in run.take() if outcome.status == "finished"]
    assert bits(survivor) == bits(train([trial(0, lr=0.1)])[0])


def test_time_is_shared_among_the_trials_of_a_pack() -> None:
    trials = [trial(number, epochs=3) for number in range(8)]
    run = PackRun(trials, observe=Observation())
    run.advance()
    spent = {outcome.seconds["train_seconds"] for outcome in run.take()}
    assert len(spent) == 1


def test_trials_keep_their_own_data() -> None:
    """Rows of unequal data replicates share a table, each with its own part of it."""
    trials = [trial(number, data=LinearRegression(), model=Linear(), lr=0.05) for number in (3, 0)]
    first, second = train(trials)
    assert bits(first) == bits(train(trials[:1])[0])
    assert bits(second) == bits(train(trials[1:])[0])
    assert first.metrics["test_loss"] != second.metrics["test_loss"]
    same_data = replace(trials[0], id="x" * 16)
    assert bits(train([same_data, *trials])[0]) == bits(first)


def test_an_init_that_is_all_zero_still_learns_its_last_biases() -> None:
    """Zero weights have no gradient but in the output's biases: a known answer."""
    run = PackRun([trial(init=Normal(sd=1e-30), optimizer=Sgd(), lr=0.5, steps=1)])
    before = run.weights.clone()
    run.walk(1)
    layout = run.layout.views(run.weights - before)
    assert layout["layers.1.bias"].abs().max() > 1e-3
    assert layout["layers.0.weight"].abs().max() < 1e-20


def test_budgets_in_epochs_and_steps_agree() -> None:
    assert recipe(epochs=2).total_steps == recipe(steps=12).total_steps == 12
    by_epochs, by_steps = train([trial(epochs=2)])[0], train([trial(steps=12)])[0]
    assert bits(by_epochs) == bits(by_steps)
