"""Modules of somebody's own as models: what is found out about them, and the laws."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import mirror
import numpy as np
import pytest
import someones
import torch
import torch.nn.functional as F  # noqa: N812 (torch's own name for it)
from catalogue import SmallDigits, at_common_steps, bits, moved, train, trial
from numpy.typing import NDArray
from torch import nn

import randstudy
from randstudy import streams
from randstudy.design import Trial
from randstudy.devicestreams import DeviceStream
from randstudy.errors import RandstudyError, StudyError
from randstudy.inits import Constant, ModuleInit, Orthogonal, initial
from randstudy.ledger import Ledger
from randstudy.models import Model
from randstudy.models.modules.dropping import Recording, Replacing
from randstudy.optimizers import Sgd
from randstudy.planning import plan
from randstudy.pruning import GraspPruning, MagnitudePruning, SnipPruning, SynflowPruning
from randstudy.registry import part_named
from randstudy.running import Options, run
from randstudy.study import Study
from randstudy.tasks import Digits
from randstudy.training import PackRun
from randstudy.training.dropping import DropoutDraws

SHAPE = Digits().shape()
PACKED, ALONE = ("Net", "Plain", "perceptron"), ("Recurrent", "Branching")


def model(name: str, **fields: Any) -> Any:
    return part_named(Model, f"someones:{name}")(**fields)


def network_of(pack: PackRun) -> Any:
    program: Any = pack.program
    return program.network


# What a module is made of


def test_parameters_have_torchs_fans_and_the_roles_of_their_layers() -> None:
    found = {one.path: one for one in model("Net").parameters(SHAPE)}
    assert [*found] == [name for name, _ in someones.Net((1, 8, 8), 10).named_parameters()]
    assert {path: one.role for path, one in found.items()} == {
        "conv.weight": "weight",
        "conv.bias": "bias",
        "norm.weight": "scale",
        "norm.bias": "shift",
        "head.weight": "weight",
        "head.bias": "bias",
    }
    for path, tensor in (("conv.weight", (4, 1, 3, 3)), ("head.weight", (10, 64))):
        fans = nn.init._calculate_fan_in_and_fan_out(torch.empty(tensor))
        assert (found[path].fan_in, found[path].fan_out) == fans
        bias = found[path.replace("weight", "bias")]
        assert (bias.fan_in, bias.fan_out) == fans


def test_only_buffers_that_training_changes_are_a_trials_own() -> None:
    found = {one.path: (one.shape, one.value) for one in model("Net").buffers(SHAPE)}
    assert found == {
        "norm.running_mean": ((4,), 0.0),
        "norm.running_var": ((4,), 1.0),
        "norm.num_batches_tracked": ((), 0.0),
    }
    assert [one.path for one in model("Tied").buffers(SHAPE)] == ["seen"]


def test_shared_frozen_and_unused_parameters() -> None:
    paths = [one.path for one in model("Tied").parameters(SHAPE)]
    assert paths == [
        "unused",
        "first.weight",
        "first.bias",
        "middle.weight",
        "middle.bias",
        "prelu.weight",
    ]


def test_dropout_is_consumed_where_anything_is_dropped() -> None:
    assert trial(model=model("Net")).replicates.keys() >= {"dropout"}
    assert "dropout" not in trial(model=model("Net", rate=0.0)).replicates
    assert "dropout" not in trial(model=model("Plain")).replicates


def test_lazy_modules_are_finished_first() -> None:
    found = {one.path: one.shape for one in model("Lazy").parameters(SHAPE)}
    assert found["layers.1.weight"] == (8, 64)


def test_looking_at_a_module_draws_nothing() -> None:
    before = streams.global_state()
    model("Net", width=5).parameters(SHAPE)
    model("Net", width=5).alone(SHAPE)
    assert streams.global_state() == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Noisy", "model: draws from a global generator while training"),
        ("Remembering", "model: changes its attribute passes in training"),
        ("Narrow", r"model: returns \(2, 8\) for 2 examples .*; \(2, 10\) would be right"),
        ("Failing", "model: fails while training on 2 examples of .*: RuntimeError: "),
        ("no_module", "model: made a str, not a torch.nn.Module"),
        ("breaking", "model: cannot be built .*: RuntimeError: no such luck"),
    ],
)
def test_a_module_that_cannot_be_trained_is_refused_when_the_study_is_read(
    name: str, message: str
) -> None:
    training = {"lr": 0.1, "batch_size": 8, "epochs": 1}
    with pytest.raises(StudyError, match=message):
        Study.from_mapping({"model": f"someones:{name}", "training": training})


# In packs, or alone


def test_what_vmap_carries_is_packed_and_the_rest_says_why_not() -> None:
    assert {name: model(name).alone(SHAPE) for name in PACKED} == dict.fromkeys(PACKED)
    assert "torch.vmap does not carry it" in model("Recurrent").alone(SHAPE)
    assert "data-dependent control flow" in model("Branching").alone(SHAPE)


@pytest.mark.parametrize("name", [*PACKED, *ALONE, "Tied", "Lazy"])
def test_a_trial_depends_on_itself_alone(name: str) -> None:
    trials = [trial(number, model=model(name)) for number in range(11)]
    expected = [bits(outcome) for outcome in train(trials, logits=True)]
    for rows, threads in (([6], 2), ([10, 3, 0], 1), ([*range(10, 0, -1)], 2)):
        found = train([trials[row] for row in rows], threads=threads, logits=True)
        assert [bits(one) for one in found] == [expected[row] for row in rows]


def test_activations_that_break_packs_at_odd_sizes_still_obey() -> None:
    chosen = model("perceptron", act="silu", widths=(13, 7))
    assert chosen.alone(SHAPE) is None
    assert "place in the pack" in chosen.alone(SHAPE, (8, 7))
    trials = [trial(number, model=chosen, batch_size=7) for number in range(9)]
    expected = [bits(outcome) for outcome in train(trials)]
    for rows in ([8], [5, 1], [7, 6, 5, 4, 3, 2, 1, 0]):
        assert [bits(one) for one in train([trials[row] for row in rows])] == [
            expected[row] for row in rows
        ]


def test_evaluating_more_often_changes_nothing() -> None:
    one = trial(model=model("Net"))
    (often,), (seldom,) = train([one], every_steps=1), train([one])
    assert bits(often, curves=False) == bits(seldom, curves=False)
    assert at_common_steps(often, seldom)[0] == at_common_steps(often, seldom)[1]


def test_every_stream_of_a_module_is_alive() -> None:
    one = trial(model=model("Net"))
    before = train([one])[0].weights_digest
    for stream in one.replicates:
        assert train([moved(one, stream, 5)])[0].weights_digest != before, stream


def test_every_setting_of_a_module_is_alive() -> None:
    before = train([trial(model=model("Net"))])[0].weights_digest
    for fields in ({"width": 5}, {"rate": 0.5}):
        assert train([trial(model=model("Net", **fields))])[0].weights_digest != before


@pytest.mark.parametrize("name", ["Net", "Recurrent"])
@pytest.mark.parametrize(
    "method", [MagnitudePruning, SnipPruning, GraspPruning, SynflowPruning], ids=lambda m: m.name
)
def test_modules_are_pruned_as_others_are(method: Any, name: str) -> None:
    pruning = method(rate=0.5)
    trials = [trial(number, model=model(name), pruning=pruning) for number in range(3)]
    together = train(trials)
    assert [one.metrics["density"] for one in together] == pytest.approx([0.5] * 3, abs=0.02)
    assert bits(train(trials[1:2])[0]) == bits(together[1])


# The same numbers as a plain loop of torch's


class Loop:
    """A plain training loop of a module, fed a trial's weights, batches and draws."""

    def __init__(self, one: Trial, module: nn.Module) -> None:
        self.trial, self.module = one, module
        recipe = one.recipe
        keys = [one.key("init")]
        first = initial([recipe.init], keys, recipe.model.parameters(recipe.data.shape()))
        with torch.no_grad():
            for path, parameter in module.named_parameters():
                if path in first:
                    parameter.copy_(torch.from_numpy(first[path][0]))
        examples = recipe.data.examples(one.key("data"))
        self.inputs, self.targets = map(torch.from_numpy, (examples.inputs, examples.targets))
        self.split = recipe.data.split(one.key("split"))
        stream = DeviceStream([one.key("dropout")], torch.device("cpu"))
        self.draws = DropoutDraws(stream, recipe.batch)

    def weights(self) -> NDArray[np.float32]:
        """Train; return all trained parameters in one row."""
        recipe = self.trial.recipe
        trained = [one for one in self.module.parameters() if one.requires_grad]
        optimizer = torch.optim.SGD(trained, lr=recipe.training.lr, momentum=0.9, foreach=True)
        self.module.train()
        for step in range(recipe.total_steps):
            inputs, targets = self.batch(step)
            optimizer.zero_grad()
            with Replacing(self.factors(step, inputs)):
                outputs = self.module(inputs)
            F.cross_entropy(outputs, targets).backward()
            optimizer.step()
        return torch.cat([one.detach().flatten() for one in trained]).numpy()

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        recipe = self.trial.recipe
        epoch, place = divmod(step, recipe.steps_per_epoch)
        train_rows = self.split.train
        order = streams.permutations([self.trial.key("order")], len(train_rows), epoch=epoch)[0]
        rows = train_rows[order][place * recipe.batch : (place + 1) * recipe.batch]
        return self.inputs[rows], self.targets[rows]

    def factors(self, step: int, inputs: torch.Tensor) -> list[torch.Tensor]:
        """Return what this step's calls of dropout multiply by."""
        recording, buffers = Recording(), [one.clone() for one in self.module.buffers()]
        with torch.no_grad(), recording:
            self.module(inputs)
        for buffer, before in zip(self.module.buffers(), buffers, strict=True):
            buffer.copy_(before)
        at = self.draws.of(step)
        return [
            at.factors(site.path, site.shape, site.rate)[0].reshape(site.broadcast)
            for site in recording.sites
        ]


def trained_weights(one: Trial, beside: int = 2) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Train a trial in a pack; return its row of weights and its buffers."""
    recipe = one.recipe
    others = [moved(one, "order", number) for number in range(1, beside + 1)]
    pack = PackRun([one, *others])
    pack.walk(recipe.total_steps)
    return pack.weights[0].numpy(), {path: found[0] for path, found in pack.buffers.items()}


@pytest.mark.parametrize("name", ["Recurrent", "Branching"])
def test_alone_a_module_has_the_bits_of_a_plain_loop(name: str) -> None:
    one = trial(model=model(name), optimizer=Sgd(momentum=0.9))
    module = getattr(someones, name)(SHAPE.inputs, SHAPE.outputs)
    expected = Loop(one, module).weights()
    found, buffers = trained_weights(one)
    np.testing.assert_array_equal(found, expected)
    for path, buffer in buffers.items():
        assert torch.equal(buffer, module.get_buffer(path).float()), path


@pytest.mark.parametrize("name", ["Net", "Plain", "perceptron"])
def test_in_a_pack_a_module_has_the_numbers_of_a_plain_loop(name: str) -> None:
    one = trial(model=model(name), optimizer=Sgd(momentum=0.9), epochs=3)
    module = getattr(someones, name)(SHAPE.inputs, SHAPE.outputs)
    expected = Loop(one, module).weights()
    found, buffers = trained_weights(one)
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)
    for path, buffer in buffers.items():
        torch.testing.assert_close(buffer, module.get_buffer(path).float(), rtol=1e-4, atol=1e-5)


def test_evaluation_uses_the_running_statistics() -> None:
    one = trial(model=model("Plain"))
    loop = Loop(one, someones.Plain(SHAPE.inputs, SHAPE.outputs))
    loop.weights()
    loop.module.eval()
    rows = loop.split.test
    with torch.no_grad():
        expected = F.cross_entropy(loop.module(loop.inputs[rows]), loop.targets[rows])
    (outcome,) = train([one])
    assert outcome.metrics["test_loss"] == pytest.approx(float(expected), rel=1e-4)


# A module's own init


def test_the_init_module_is_that_of_the_modules_constructor() -> None:
    one = trial(model=model("Net"), init=ModuleInit())
    parameters = one.recipe.model.parameters(SHAPE)
    first = initial([one.recipe.init] * 3, [streams.Key(k) for k in (1, 2, 1)], parameters)
    weight = first["conv.weight"]
    assert np.array_equal(weight[0], weight[2])
    assert not np.array_equal(weight[0], weight[1])
    assert np.abs(first["head.bias"]).max() <= 1 / 8  # as nn.Linear draws it
    assert first["head.bias"].any()
    assert np.all(first["norm.weight"] == 1)


def test_the_init_module_obeys_the_laws() -> None:
    trials = [trial(number, model=model("Net"), init=ModuleInit()) for number in range(3)]
    together = train(trials)
    assert bits(train(trials[2:])[0]) == bits(together[2])
    digests = {one.weights_digest for one in together}
    other_init = train([moved(trials[0], "init", 9)])[0].weights_digest
    study_init = train([trial(model=model("Net"), init=Orthogonal())])[0].weights_digest
    assert len(digests | {other_init, study_init}) == 5


def test_the_init_module_needs_a_module() -> None:
    training = {"lr": 0.1, "batch_size": 8, "epochs": 1}
    with pytest.raises(StudyError, match="init: is for models of one's own"):
        Study.from_mapping({"model": "linear", "init": "module", "training": training})


def test_frozen_parameters_stay_as_the_module_was_built() -> None:
    one = trial(model=model("Tied"), init=Constant(weight=0.1))
    pack = PackRun([one])
    held = network_of(pack).module.frozen.weight.clone()
    pack.walk(one.recipe.total_steps)
    assert torch.equal(network_of(pack).module.frozen.weight, held)
    assert held.abs().max() <= 1 / 4  # as nn.Linear draws it


# A study, for real


STUDY = """
name: theirs
question: does dropout help a small network?
model: {name: "someones:Net", width: 4}
data: catalogue:SmallDigits
init: module
training: {lr: 0.05, batch_size: 16, epochs: 2}
factors:
  model.rate: [0.1, 0.5]
replicates: 3
evaluation: {metrics: ["someones:log_odds"]}
"""


@pytest.mark.slow
@pytest.mark.usefixtures("ray")
def test_a_plain_module_with_batch_norm_and_dropout_runs_as_a_study(tmp_path: Path) -> None:
    file = tmp_path / "theirs.yaml"
    file.write_text(STUDY)
    study, store = Study.load(file), tmp_path / "store"
    result = run(study, store, Options(report=False), io.StringIO())
    assert (result.exit_code, result.trained) == (0, 6)
    frame = randstudy.load(study, store=store)
    assert list(frame["status"]) == ["finished"] * 6
    assert frame["test_log_odds"].notna().all()
    assert set(mirror.trials(store)) == set(Ledger(store).index())
    assert mirror.statuses(store, "trial") == {"FINISHED": 6}
    again = run(study, store, Options(report=False), io.StringIO())
    assert (again.exit_code, again.trained) == (0, 0)


def test_a_plan_says_which_model_trains_alone(tmp_path: Path) -> None:
    training = {"lr": 0.1, "batch_size": 8, "epochs": 1}
    study = Study.from_mapping({"model": "someones:Recurrent", "training": training})
    (note,) = [
        note
        for note in plan(study, tmp_path, pack_size=None, measure=False).notes
        if "one by one" in note
    ]
    assert "someones:Recurrent" in note
    assert "torch.vmap does not carry it" in note


def test_small_digits_are_the_same_for_modules_as_for_others() -> None:
    assert trial(model=model("Net")).recipe.data == SmallDigits()


class Counted:
    """Counts the forward passes of a module."""

    def __init__(self, module: nn.Module) -> None:
        self.passes = 0
        module.register_forward_hook(self.count)

    def count(self, *_: Any) -> None:
        self.passes += 1


def test_the_silent_twin_of_a_lone_trial_costs_nothing_where_trials_are_computed_alone() -> None:
    pack = PackRun([trial(model=model("Branching"))])
    counted = Counted(network_of(pack).module)
    pack.walk(5)
    assert counted.passes == 5 + 1  # and one that looks for dropout


def test_a_batch_that_a_module_cannot_take_is_told() -> None:
    one = trial(model=model("Recurrent"), batch_size=44)  # 45 examples: the last batch has 1
    with pytest.raises(RandstudyError, match=r"training batch of 1: .*drop_last: true"):
        train([one])
    assert train([trial(model=model("Recurrent"), batch_size=44, drop_last=True)])
