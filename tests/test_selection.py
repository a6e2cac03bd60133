"""Selection by validation, early ends, divergence with a reason, and the log of gradients."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from catalogue import SmallDigits, bits, recipe, train, trial
from numpy.typing import NDArray

from randstudy import streams
from randstudy.inits import Constant
from randstudy.models import Linear, Mlp
from randstudy.optimizers import Sgd
from randstudy.outcomes import Outcome
from randstudy.recipe import Stopping
from randstudy.streams import Key
from randstudy.tasks import Examples, LinearRegression
from randstudy.training import PackRun


def stopped(patience: int | None = 2, **fields: Any) -> Stopping:
    return Stopping(**({"patience": patience, "every_steps": 3} | fields))


def plain_rule(values: list[float], patience: int | None, delta: float) -> tuple[int, int]:
    """Return the check at which training ends and the best one, by the rule as people state it."""
    best, at, waited = float("inf"), 0, 0
    for check, value in enumerate(values):
        if value < best - delta:
            best, at, waited = value, check, 0
        else:
            waited += 1
        if patience is not None and waited >= patience:
            return check, at
    return len(values) - 1, at


@pytest.mark.parametrize("patience", [1, 2, 4, None])
@pytest.mark.parametrize("delta", [0.0, 0.02])
@pytest.mark.parametrize("metric", ["validation_loss", "validation_accuracy"])
def test_training_ends_where_validation_stops_improving(
    patience: int | None, delta: float, metric: str
) -> None:
    rule = stopped(patience, min_delta=delta, metric=metric)
    fields: dict[str, Any] = {"steps": 90, "lr": 0.5, "optimizer": Sgd()}
    (whole,) = train([trial(**fields)], every_epochs=None, every_steps=3)
    (found,) = train([trial(stopping=rule, **fields)], every_epochs=None, every_steps=3)
    sign = -1 if metric == "validation_accuracy" else 1
    last, best = plain_rule((sign * whole.curves[metric]).tolist(), patience, delta)
    assert found.steps == whole.curve_step[last]
    assert found.metrics["steps_at_best_validation"] == whole.curve_step[best]
    for name, curve in found.curves.items():
        assert curve.tolist() == whole.curves[name][: last + 1].tolist(), name
    (until,) = train([trial(**(fields | {"steps": int(whole.curve_step[best])}))])
    for kind in ("test_loss", "test_accuracy"):
        assert found.metrics[f"{kind}_at_best_validation"] == until.metrics[kind]
    if last == len(whole.curve_step) - 1:
        assert found.weights_digest == whole.weights_digest


def test_stopped_trials_leave_the_others_alone() -> None:
    """Rows go at different checks, and the record of those that stay does not show it."""
    trials = [
        trial(number, stopping=stopped(1 + number % 4), lr=(0.5, 0.2, 1e32)[number % 3], steps=60)
        for number in range(12)
    ]
    together = train(trials, every_epochs=None, every_steps=7)
    assert len({outcome.steps for outcome in together}) > 3
    assert {outcome.status for outcome in together} == {"finished", "diverged"}
    for one, outcome in zip(trials, together, strict=True):
        assert bits(train([one], every_epochs=None, every_steps=7)[0]) == bits(outcome)
    other = train(trials, every_epochs=None, every_steps=1000)
    for one, two in zip(together, other, strict=True):
        assert bits(one, curves=False) == bits(two, curves=False)


def test_the_final_loss_is_that_of_the_epoch_in_which_training_ends() -> None:
    """An epoch here has six updates; checks every three end it in the middle or at its end."""
    for number in range(6):
        one = trial(number, stopping=stopped(1), steps=60, lr=0.5)
        (found,) = train([one], every_epochs=None, every_steps=1)
        first = (found.steps - 1) // 6 * 6
        losses = found.curves["train_loss"][first : found.steps]
        assert found.metrics["train_loss"] == pytest.approx(float(losses.mean()), rel=1e-6)


def test_selection_never_looks_at_test_examples() -> None:
    """With other test labels the same step is chosen and the same weights are kept."""

    class Permuted(SmallDigits):
        def examples(self, key: Key) -> Examples:
            found = super().examples(key)
            test = self.split(streams.key(0, "split", 0)).test
            targets = found.targets.copy()
            targets[test] = (targets[test] + 1) % 10
            return Examples(found.inputs, targets)

    rule = stopped(2)
    plain, other = (
        train([trial(data=data, stopping=rule, steps=60, lr=0.5)])[0]
        for data in (SmallDigits(), Permuted())
    )
    assert plain.steps == other.steps
    assert plain.weights_digest == other.weights_digest
    key = "test_accuracy_at_best_validation"
    assert plain.metrics["steps_at_best_validation"] == other.metrics["steps_at_best_validation"]
    assert plain.metrics[key] != other.metrics[key]


def test_test_selected_figures_say_so_and_flatter() -> None:
    one = trial(steps=60, lr=0.5)
    (plain,) = train([one], every_epochs=None, every_steps=3)
    (found,) = train([one], every_epochs=None, every_steps=3, test_selected=True)
    assert not any("test_selected" in name for name in plain.metrics)
    assert found.metrics["test_accuracy_test_selected"] >= found.metrics["test_accuracy"]
    assert found.metrics["test_loss_test_selected"] <= found.metrics["test_loss"]
    rest = {n: v for n, v in found.metrics.items() if not n.endswith("_test_selected")}
    assert bits(replace(found, metrics=rest)) == bits(plain)
    best = max(
        train([trial(steps=step, lr=0.5)])[0].metrics["test_accuracy"] for step in range(3, 61, 3)
    )
    assert found.metrics["test_accuracy_test_selected"] == best


def test_own_metrics_stand_beside_the_others() -> None:
    names = ("test_selection:largest", "test_selection:wrong")
    (found,) = train([trial()], metrics=names)
    assert found.metrics["test_wrong"] == pytest.approx(1 - found.metrics["test_accuracy"])
    assert len(found.curves["validation_largest"]) == len(found.curve_step)
    assert found.status == "finished"


def largest(outputs: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
    return float(np.abs(outputs).max())


def wrong(outputs: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
    return float((outputs.argmax(1) != targets).mean())


# Divergence.


def test_a_bound_on_the_loss_ends_a_trial_at_the_step() -> None:
    fields: dict[str, Any] = {"lr": 3.0, "optimizer": Sgd(), "steps": 40}
    (whole,) = train([trial(**fields)], every_epochs=None, every_steps=1)
    losses = whole.curves["train_loss"]
    bound = float(np.sort(losses)[-3])
    (found,) = train([trial(loss_bound=bound, **fields)])
    assert (found.status, found.reason) == ("diverged", f"loss above {bound:g}")
    assert found.steps == int(np.argmax(losses > bound))
    (calm,) = train([trial(loss_bound=float(losses.max()) + 1, **fields)])
    assert calm.weights_digest == whole.weights_digest


def test_a_gradient_that_overflows_is_found_at_its_step() -> None:
    """The loss is still finite there: only the gradient is not."""

    class Steep(LinearRegression):
        def examples(self, key: Key) -> Examples:
            found = super().examples(key)
            return Examples(found.inputs * np.float32(1e20), found.targets)

    data = Steep(train=16, validation=4, test=4)
    one = trial(data=data, model=Linear(), lr=1e-30, batch_size=4, init=Constant(weight=0.05))
    found: Outcome = train([one])[0]
    assert (found.status, found.reason, found.steps) == ("diverged", "non-finite gradient", 0)


def test_reasons_are_told_apart() -> None:
    from randstudy.recipe import Training
    from randstudy.training.watch import Watch

    limits = (None, 5.0, None, 5.0, None)
    trainings = [Training(lr=1, batch_size=1, epochs=1, loss_bound=bound) for bound in limits]
    watch = Watch(trainings, torch.device("cpu"))
    fine = torch.ones(5, 3)
    broken = fine.clone()
    broken[2, 1] = torch.inf
    watch.add(torch.tensor([1.0, 6.0, 1.0, 1.0, 6.0]), fine)
    watch.add(torch.tensor([torch.nan, 1.0, 1.0, torch.inf, 6.0]), broken)
    assert watch.diverged(12) == {
        0: (11, "non-finite loss"),
        1: (10, "loss above 5"),
        2: (11, "non-finite gradient"),
        3: (11, "non-finite loss"),
    }


# Gradients.


def norms_by_hand(one: Any, steps: int) -> NDArray[np.float64]:
    """Return the 2-norms of the gradients of a plain SGD run, from its own weights."""
    run, found = PackRun([one]), []
    for _ in range(steps):
        before = run.weights[0].double()
        run.walk(1)
        found.append(float((run.weights[0].double() - before).norm()) / one.recipe.training.lr)
    return np.array(found)


def test_norms_of_gradients_are_those_of_the_steps() -> None:
    one = trial(model=Mlp(widths=(9,)), optimizer=Sgd(), steps=20, lr=0.1)
    (found,) = train([one], every_epochs=None, every_steps=5, gradient_norms="layers")
    norms = norms_by_hand(one, 20)
    expected = {"mean": norms.mean(), "min": norms.min(), "max": norms.max()}
    for kind, value in expected.items():
        assert found.metrics[f"gradient_norm_{kind}"] == pytest.approx(value, rel=1e-4)
    assert found.curves["gradient_norm"] == pytest.approx(norms.reshape(4, 5).mean(1), rel=1e-4)
    layers = [name for name in found.metrics if name.startswith("gradient_norm_mean.")]
    assert layers == [
        f"gradient_norm_mean.layers.{i}.{role}" for i in (0, 1) for role in ("weight", "bias")
    ]
    (plain,) = train([one], every_epochs=None, every_steps=5)
    assert plain.weights_digest == found.weights_digest
    assert not any(name.startswith("gradient") for name in plain.metrics)


def test_the_share_of_clipped_steps() -> None:
    one = trial(model=Mlp(widths=(9,)), optimizer=Sgd(), steps=20, lr=0.01)
    norms = norms_by_hand(one, 20)
    limit = float(np.median(norms))
    clipped, free, by_value = (
        train([trial(model=Mlp(widths=(9,)), optimizer=Sgd(), steps=20, lr=0.01, **limits)])[0]
        for limits in ({"clip_norm": limit}, {"clip_norm": 1e9}, {"clip_value": 1e-6})
    )
    assert 0 < clipped.metrics["clipped_share"] < 1
    assert free.metrics["clipped_share"] == 0
    assert by_value.metrics["clipped_share"] == 1
    assert "clipped_share" not in train([one])[0].metrics


def test_logs_are_the_same_in_every_pack() -> None:
    trials = [
        trial(
            number,
            clip_norm=(None, 0.3)[number % 2],
            clip_value=(None, 0.05, 0.2)[number % 3],
            lr=1e32 if number == 5 else 0.1,
        )
        for number in range(9)
    ]
    observe: dict[str, Any] = {"gradient_norms": "layers", "every_steps": 4, "every_epochs": None}
    together = train(trials, **observe)
    for one, outcome in zip(trials, together, strict=True):
        assert bits(train([one], **observe)[0]) == bits(outcome)


def test_frozen_layers_keep_their_first_weights() -> None:
    model = Mlp(widths=(9, 7))
    for rule in (Sgd(momentum=0.9, weight_decay=0.1), Sgd()):
        run = PackRun([trial(model=model, freeze="all_but_last", optimizer=rule)])
        first = run.layout.views(run.weights.clone())
        run.walk(12)
        for path, now in run.layout.views(run.weights).items():
            assert torch.equal(now, first[path]) == (not path.startswith("layers.2")), path


def test_frozen_trials_are_trials_of_their_own() -> None:
    assert recipe(freeze="all_but_last").effective() != recipe().effective()
    (frozen,) = train([trial(freeze="all_but_last")], gradient_norms="layers")
    names = [name for name in frozen.metrics if name.startswith("gradient_norm_max.")]
    assert names == ["gradient_norm_max.layers.1.weight", "gradient_norm_max.layers.1.bias"]


def test_measurements_stand_beside_the_results() -> None:
    (found,) = train([trial()])
    assert found.seconds["examples_per_second"] > 0
    assert found.seconds["peak_memory_bytes"] > 1e7
    assert found.longest == max(found.seconds["train_seconds"], found.seconds["evaluation_seconds"])
