"""Functions of one's own as parts: their settings, what they are handed, and the laws they obey."""

from __future__ import annotations

import copy
import math
import pickle
import random
from typing import Any

import numpy as np
import pytest
import someones
import torch
import torch.nn.functional as F  # noqa: N812 (torch's own name for it)
from catalogue import bits, moved, recipe, train, trial

from randstudy import streams
from randstudy.augment import Augment
from randstudy.canonical import complete, minimal
from randstudy.design import Design
from randstudy.errors import DataError, RandstudyError, StudyError
from randstudy.fields import FAULT, Findings, read, settings
from randstudy.inits import Init
from randstudy.losses import CrossEntropy, Loss, SquaredError
from randstudy.metrics import metric_named
from randstudy.models import Model
from randstudy.models.losses import TaskLoss, batch_loss
from randstudy.own.augmentation import OwnChange
from randstudy.parts import Part
from randstudy.pruning import Pruning
from randstudy.registry import written_name
from randstudy.streams import GlobalDrawError, Key
from randstudy.study import Study
from randstudy.tasks import Data, LinearRegression, Sizes, TaskShape
from randstudy.training.own_augmentation import OwnInputs
from randstudy.trials import trial_from_settings

DIGITS = TaskShape((1, 8, 8), 10, "class")


def part(kind: type[Part], name: str, **fields: Any) -> Any:
    """Read a part as a study file would name it."""
    found = Findings()
    made = read(kind, {"name": f"someones:{name}", **fields}, ("here",), found)
    assert made is not FAULT, found.entries
    return made


def refusal(kind: type[Part], name: str, **fields: Any) -> str:
    found = Findings()
    read(kind, {"name": f"someones:{name}", **fields}, ("here",), found)
    (entry,) = found.entries
    return entry.message


# A signature is a grammar


def test_parameters_become_fields_with_their_types_bounds_and_meanings() -> None:
    one = part(Data, "blobs", spread=1)
    spread = settings(type(one))["spread"]
    assert (one.classes, one.n, one.spread) == (3, 60, 1.0)
    assert type(one.spread) is float
    assert (spread.doc, spread.default) == ("sd around each centre", 0.5)
    assert refusal(Data, "blobs", spread=0) == "0.0 must be above 0"
    assert refusal(Data, "blobs", clases=2) == (
        "someones:blobs has no such field; did you mean classes?"
    )
    assert "expected a whole number" in refusal(Data, "blobs", n=3.5)
    assert part(Model, "perceptron", widths=[4, 4]).widths == (4, 4)
    assert "expected relu or silu" in refusal(Model, "perceptron", act="gelu")
    assert part(Data, "parabola", n=12).n == 12


def test_what_is_handed_over_is_no_field() -> None:
    assert [*settings(type(part(Model, "Net")))] == ["width", "rate"]
    assert [*settings(type(part(Loss, "focal")))] == ["gamma"]
    assert "rng" not in settings(type(part(Data, "blobs")))


def test_the_same_function_is_the_same_part_and_finds_itself_again() -> None:
    one, other = part(Loss, "focal", gamma=3), part(Loss, "focal", gamma=3.0)
    assert (type(one), one) == (type(other), other)
    assert written_name(type(one)) == "someones:focal"
    assert minimal(one) == {"name": "someones:focal", "gamma": 3.0}
    assert minimal(part(Loss, "focal", gamma=2)) == "someones:focal"
    assert complete(part(Loss, "focal")) == {"name": "someones:focal", "gamma": 2.0}
    assert pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == one


def test_a_function_that_was_written_anew_is_another_part(monkeypatch: pytest.MonkeyPatch) -> None:
    before = type(part(Loss, "focal"))

    def focal(outputs: Any, targets: Any, power: float = 1.0) -> Any:
        return outputs

    monkeypatch.setattr(someones, "focal", focal)
    after = type(part(Loss, "focal"))
    assert [*settings(before)] == ["gamma"]
    assert [*settings(after)] == ["power"]


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        (Model, "unsaid", "the parameter width needs an annotation"),
        (Model, "odd", "the parameter kind2 is a dict"),
        (Model, "taken", "the parameter parameters needs another name"),
        (Model, "mistold", "the default 'wide' of width is not what its annotation says"),
        (Loss, "short", "takes 1 arguments by position; a function for a loss is handed 2"),
        (Model, "DIGITS", "cannot be imported"),
        (Model, "np", "is not a part of kind model"),
    ],
)
def test_a_function_that_cannot_be_a_part_is_told_why(
    kind: type[Part], name: str, message: str
) -> None:
    assert message in refusal(kind, name)


def test_factors_vary_the_settings_of_functions() -> None:
    study = Study.from_mapping(
        {
            "model": "someones:perceptron",
            "data": "someones:blobs",
            "training": {"lr": 0.1, "batch_size": 8, "epochs": 1},
            "factors": {"model.widths": [[4], [8, 8]], "data.spread": [0.5, 1.0]},
            "replicates": {"init": 2, "data": 3},
        }
    )
    trials = list(Design(study).trials())
    assert len(trials) == 2 * 2 * 2 * 3
    assert {one.recipe.model.widths for one in trials} == {(4,), (8, 8)}  # type: ignore[attr-defined]
    assert all(trial_from_settings(one.settings) == one for one in trials)


# Data


def test_data_that_draw_consume_their_stream_and_are_split_by_the_study() -> None:
    data = part(Data, "blobs")
    assert data.streams() == {"data", "split"}
    assert (data.shape(), data.sizes()) == (TaskShape((2,), 3, "class"), Sizes(36, 12, 12))
    one, again, other = (data.examples(Key(key)) for key in (1, 1, 2))
    np.testing.assert_array_equal(one.inputs, again.inputs)
    assert not np.array_equal(one.inputs, other.inputs)
    assert (one.inputs.dtype, one.targets.dtype) == (np.float32, np.int64)


def test_data_may_bring_their_own_split() -> None:
    data = part(Data, "parabola")
    assert data.streams() == frozenset()
    assert (data.shape(), data.sizes()) == (TaskShape((1,), 1, "number"), Sizes(40, 10, 8))
    split = data.split(Key(0))
    assert [len(rows) for rows in (split.train, split.validation, split.test)] == [40, 10, 8]
    assert data.digest() != part(Data, "parabola", n=41).digest()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ragged", r"inputs of shape \(5, 2\) and targets of shape \(4,\)"),
        ("unseeded", "draws from a global generator"),
    ],
)
def test_data_that_are_not_whole_are_refused_when_the_study_is_read(
    name: str, message: str
) -> None:
    with pytest.raises(StudyError, match=message):
        Study.from_mapping({"data": f"someones:{name}", "training": BUDGET})


BUDGET = {"lr": 0.1, "batch_size": 4, "epochs": 1}


def test_sizes_must_not_depend_on_draws() -> None:
    with pytest.raises(DataError, match="sizes must not depend on what is drawn"):
        part(Data, "growing").examples(Key(5))


# Inits and pruning


def test_an_init_is_handed_shapes_fans_and_draws() -> None:
    from randstudy.inits import initial

    parameters = recipe().model.parameters(DIGITS)
    keys = [Key(1), Key(2), Key(1)]
    first = initial([part(Init, "laplace", gain=2)] * 3, keys, parameters)
    weights, biases = first["layers.0.weight"], first["layers.0.bias"]
    assert np.array_equal(weights[0], weights[2])
    assert not np.array_equal(weights[0], weights[1])
    assert weights.std() == pytest.approx(2 / 8, rel=0.03)
    assert not biases.any()
    shared = initial([part(Init, "shared")], [Key(1)], parameters)
    assert np.all(shared["layers.0.bias"] == 0.125)
    assert np.abs(shared["layers.0.weight"]).max() <= 0.125


def test_an_init_that_draws_elsewhere_fails() -> None:
    with pytest.raises(RandstudyError, match="draws from a global generator"):
        part(Init, "global_init").first(recipe().model.parameters(DIGITS)[0], [Key(0)])


def test_a_score_ranks_weights() -> None:
    method = part(Pruning, "far_from_median", rate=0.5)
    parameter = recipe().model.parameters(DIGITS)[0]
    weights = np.linspace(-1, 3, parameter.size, dtype=np.float32)
    ranks = method.ranks(Key(0), parameter, weights)
    assert np.array_equal(np.argsort(ranks), np.argsort(np.abs(weights - np.median(weights))))
    assert (method.streams(), part(Pruning, "coin", rate=0.5).streams()) == (set(), {"mask"})
    assert part(Pruning, "coin").streams() == set()


# Losses


def random_outputs(trials: int = 3, batch: int = 5, classes: int = 10) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(trials, batch, classes, generator=generator)


@pytest.mark.parametrize("classes", [10, 40])
@pytest.mark.parametrize("share", [0.1, 0.9])
def test_smoothed_cross_entropy_is_torchs(share: float, classes: int) -> None:
    outputs = random_outputs(classes=classes)
    targets = torch.arange(15).reshape(3, 5) % classes
    loss = batch_loss(CrossEntropy(label_smoothing=share))
    losses, gradient = loss.gradient(outputs, targets)
    for row in range(3):
        leaf = outputs[row].clone().requires_grad_()
        expected = F.cross_entropy(leaf, targets[row], label_smoothing=share)
        expected.backward()
        torch.testing.assert_close(losses[row], expected.detach(), rtol=1e-6, atol=1e-7)
        torch.testing.assert_close(gradient[row], leaf.grad, rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(loss.examples(outputs, targets).mean(1), losses)


def test_a_loss_that_says_nothing_new_is_the_tasks_own() -> None:
    assert isinstance(batch_loss(CrossEntropy()), TaskLoss)
    assert trial(loss=CrossEntropy()).id == trial().id
    line = {"data": LinearRegression(), "model": recipe().model}
    assert trial(loss=SquaredError(), **line).id == trial(**line).id
    assert trial(loss=CrossEntropy(label_smoothing=0.1)).id != trial().id


def test_an_own_loss_has_the_gradient_of_torch() -> None:
    outputs, targets = random_outputs(), torch.arange(15).reshape(3, 5) % 10
    losses, gradient = batch_loss(part(Loss, "focal", gamma=1)).gradient(outputs, targets)
    for row in range(3):
        leaf = outputs[row].clone().requires_grad_()
        mean = someones.focal(leaf, targets[row], gamma=1.0).mean()
        mean.backward()
        assert torch.equal(losses[row], mean.detach())
        assert leaf.grad is not None
        assert torch.equal(gradient[row], leaf.grad)


def test_an_own_loss_of_numbers_is_handed_one_number_an_example() -> None:
    outputs, targets = random_outputs(classes=1), torch.zeros(3, 5)
    losses, gradient = batch_loss(part(Loss, "huber")).gradient(outputs, targets)
    assert (losses.shape, gradient.shape) == ((3,), (3, 5, 1))
    expected = F.huber_loss(outputs[1, :, 0], targets[1])
    torch.testing.assert_close(losses[1], expected)


def test_a_loss_that_draws_on_larger_batches_alone_is_found_out_as_it_does() -> None:
    Study.from_mapping({"loss": "someones:moody", "training": BUDGET})
    with pytest.raises(GlobalDrawError, match="moody draws from a global generator"):
        train([trial(loss=part(Loss, "moody"))])
    loss = batch_loss(part(Loss, "moody"))
    with pytest.raises(GlobalDrawError):
        loss.examples(random_outputs(), torch.zeros(3, 5, dtype=torch.int64))


def test_an_augmentation_that_draws_is_found_out_as_it_does() -> None:
    inputs = OwnInputs(part(OwnChange, "global_jitter"), [Key(1), Key(2)])
    with pytest.raises(GlobalDrawError, match="global_jitter"):
        inputs(torch.zeros(2, 3, 1, 8, 8), torch.zeros(2, 3, dtype=torch.int64), None, 0)


def test_a_metric_that_draws_is_found_out_as_it_does() -> None:
    metric = metric_named("someones:moody_metric")
    with pytest.raises(GlobalDrawError, match="someones:moody_metric"):
        metric(np.zeros((5, 10), np.float32), np.zeros(5, int))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"loss": "someones:averaged"}, r"loss: returns \(\) for 4 examples"),
        ({"loss": "someones:undifferentiable"}, "torch finds no gradient"),
        ({"loss": "someones:huber"}, "loss: fails on 4 made-up examples: "),
        ({"augment": {"own": "someones:global_jitter"}}, "augment.own: .*global generator"),
        ({"augment": {"own": "someones:halved"}}, r"returns \(2, 1, 8, 8\) for inputs of shape"),
        ({"init": "someones:transposed"}, r"init: .*returns .* for the weight layers.* of shape"),
        ({"init": "someones:unbounded"}, "init: returns numbers .* that are not finite"),
        ({"init": "someones:global_init"}, "init: .*global generator"),
        ({"pruning": {"name": "someones:total", "rate": 0.5}}, r"pruning: .*not an array of shape"),
        ({"pruning": {"name": "someones:relative", "rate": 0.5}}, "pruning: .*that are not$"),
        ({"evaluation": {"metrics": ["someones:each_margin"]}}, r"s\[0\]: .*an array of shape \("),
        ({"evaluation": {"metrics": ["someones:division"]}}, "raised ZeroDivisionError: nothing"),
        ({"evaluation": {"metrics": ["someones:moody_metric"]}}, "global generator"),
        ({"evaluation": {"metrics": ["accuracy"]}}, "there already, as validation_accuracy"),
    ],
)
def test_a_wrong_function_is_refused_when_the_study_is_read(
    fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(StudyError, match=message):
        Study.from_mapping({**fields, "training": BUDGET})


# What is handed over


def test_streams_handed_to_functions_are_frozen() -> None:
    assert (
        streams.handed_at(streams.key(0, "init", 0), "layers.0.weight").integer
        == 8986697901777986029
    )
    assert streams.handed_at(streams.key(0, "augment", 1), 3, "rows").integer == 5416152638292959574


def test_places_keys_and_purposes_share_no_stream() -> None:
    keys = [streams.key(0, name, number) for name in ("init", "mask") for number in range(9)]
    places = [("weight",), ("bias",), (0, "rows"), (1, "rows"), ()]
    found = {streams.handed_at(key, *place).integer for key in keys for place in places}
    assert len(found | {streams.handed(0, "init", 0).integer}) == len(keys) * len(places) + 1


def test_global_generators_are_put_back() -> None:
    before = streams.global_state()
    drawn = []
    for _ in range(2):
        with streams.global_generators(streams.handed_at(Key(3), "here")):
            drawn.append((random.random(), np.random.random(), float(torch.rand(()))))  # noqa: NPY002
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) == 3
    assert streams.global_state() == before
    random.seed(1)
    assert streams.global_state() != before
    assert streams.drawn_since(before)
    assert streams.drawn_since(before[:2])
    assert not streams.drawn_since(())
    random.setstate(before[0])  # type: ignore[arg-type]
    assert streams.global_state() == before


# The laws


def own(**more: Any) -> dict[str, Any]:
    """Return a recipe of which everything is somebody's own."""
    return {
        "data": part(Data, "blobs"),
        "model": part(Model, "perceptron"),
        "init": part(Init, "laplace"),
        "pruning": part(Pruning, "coin", rate=0.5),
        "loss": part(Loss, "focal"),
        "augment": Augment(own=part(OwnChange, "jitter")),
        **more,
    }


METRICS = ("someones:log_odds",)


def test_a_trial_of_own_parts_depends_on_itself_alone() -> None:
    trials = [trial(number, **own()) for number in range(5)]
    expected = [bits(outcome) for outcome in train(trials, metrics=METRICS)]
    for rows in ([2], [4, 0, 2], [1, 2, 3, 4]):
        found = train([trials[row] for row in rows], threads=2, metrics=METRICS)
        assert [bits(one) for one in found] == [expected[row] for row in rows]


def test_every_stream_of_own_parts_is_alive() -> None:
    one = trial(**own())
    assert set(one.replicates) == {"augment", "data", "init", "mask", "order", "split"}
    before = train([one])[0].weights_digest
    for stream in one.replicates:
        assert train([moved(one, stream, 7)])[0].weights_digest != before, stream


def test_every_setting_of_own_parts_is_alive() -> None:
    before = train([trial(**own())])[0].weights_digest
    levels = {
        "data": part(Data, "blobs", spread=0.7),
        "model": part(Model, "perceptron", act="silu"),
        "init": part(Init, "laplace", gain=2),
        "loss": part(Loss, "focal", gamma=1),
        "augment": Augment(own=part(OwnChange, "jitter", size=0.2)),
    }
    for name, level in levels.items():
        assert train([trial(**own(**{name: level}))])[0].weights_digest != before, name


def test_a_metric_that_fails_in_training_is_nan() -> None:
    name = "someones:in_turn"
    Study.from_mapping({"evaluation": {"metrics": [name]}, "training": BUDGET})
    (outcome,) = train([trial()], metrics=(name,))
    assert math.isnan(outcome.metrics["test_in_turn"])
    assert outcome.weights_digest == train([trial()])[0].weights_digest


def test_an_own_metric_is_that_of_the_outputs() -> None:
    (outcome,) = train([trial()], metrics=METRICS, logits=True)
    assert outcome.logits is not None
    expected = float(someones.log_odds(outcome.logits, None))
    assert outcome.metrics["test_log_odds"] == pytest.approx(expected)
    assert "validation_log_odds" in outcome.curves
