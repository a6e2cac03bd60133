"""The laws that every result rests on: trials stand alone, streams are apart, factors are alive."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from catalogue import (
    SmallDigits,
    at_common_steps,
    bits,
    in_order,
    inits,
    moved,
    recipe,
    train,
    trial,
    trial_of,
)
from numpy.typing import NDArray

from randstudy.augment import Augment
from randstudy.design import Trial
from randstudy.errors import DataError
from randstudy.inits import Constant, Init, KaimingNormal, Normal, Orthogonal
from randstudy.models import (
    Cnn,
    DenseNet,
    Linear,
    Mlp,
    Model,
    ResNet,
    ResNet9,
)
from randstudy.noise import Noise
from randstudy.optimizers import Adam, Optimizer, Sgd
from randstudy.outcomes import Outcome
from randstudy.pruning import (
    BernoulliPruning,
    MagnitudePruning,
    Pruning,
    RandomPruning,
    SnipPruning,
)
from randstudy.streams import Key
from randstudy.tasks import Examples, LinearRegression, Sizes, Split, TaskShape
from randstudy.tasks.cifar import Cifar10
from randstudy.tasks.files import read
from randstudy.training import PackRun
from randstudy.training.augmentation import Augmentation
from randstudy.trials import make_trial

MODELS: dict[str, Model] = {
    "linear": Linear(),
    # A single unit: with a dimension of 1, torch's product of a lone pair takes another path.
    "mlp-1": Mlp(widths=(1,)),
    "mlp-7": Mlp(widths=(7,)),
    "mlp-13": Mlp(widths=(13,)),
    "mlp-33": Mlp(widths=(33,)),
    "mlp-128": Mlp(widths=(128,)),
    "mlp-33-7": Mlp(widths=(33, 7)),
    "mlp-13-tanh": Mlp(widths=(13,), activation="tanh"),
    "cnn": Cnn(channels=(3, 8)),
}
BATCHES: tuple[int | str, ...] = (1, 8, 31, 32, "full")
RULES = ("sgd", "adam")
WIDE = (("linear", 8), ("mlp-1", 32), ("mlp-13", 31), ("mlp-33", "full"), ("mlp-128", 32))
"""Shapes that are trained 128 at once."""

SHAPES = list(product(MODELS, BATCHES, RULES))

LAYERED: dict[str, Model] = {
    "mlp-13-batch": Mlp(widths=(13, 13), norm="batch", residual=True, dropout=0.2),
    "mlp-33-gelu": Mlp(widths=(33,), norm="layer", activation="gelu"),
    "cnn-group": Cnn(channels=(2, 4), norm="group", groups=2, dropout=0.2),
    "resnet-8": ResNet(depth=8, width=2, dropout=0.1),
    "resnet9": ResNet9(width=2),
    "densenet": DenseNet(growth=2, layers=(1, 2), bottleneck=True, dropout=0.1),
}
"""What autograd differentiates; every kind of layer has its bits compared in test_models.py."""

SHAPES += [(name, *rest) for name in LAYERED for rest in ((8, "sgd"), (31, "adam"))]
MODELS |= LAYERED

PRUNINGS: tuple[Pruning, ...] = (
    RandomPruning(),
    RandomPruning(rate=0.5),
    BernoulliPruning(rate=0.95),
    MagnitudePruning(rate=0.95),
    SnipPruning(rate=0.5),
)


def combinations() -> list[tuple[Init, Pruning]]:
    """Every registered scheme with every pruning."""
    return list(product(inits(), PRUNINGS))


def optimizer(rule: str, row: int) -> Optimizer:
    """Unequal coefficients for neighbouring rows."""
    decay = (0.0, 1e-3)[row % 2]
    if rule == "sgd":
        return Sgd(momentum=(0.9, 0.5, 0.0)[row % 3], weight_decay=decay)
    return Adam(beta1=(0.9, 0.8)[row % 3 // 2], weight_decay=decay)


def members(model: Model, batch: int | str, rule: str, count: int) -> list[Trial]:
    """Return the trials of one shape: all combinations, then again at the next replicate.

    Learning rate, momentum, decay and clipping differ from row to row; every 11th diverges.
    """
    found = []
    some = combinations()
    for row in range(count):
        init, pruning = some[row % len(some)]
        lr = (0.1, 0.03, 0.01)[row % 3] * (0.1 if rule == "adam" else 1)
        found.append(
            trial(
                row // len(some),
                model=model,
                init=init,
                pruning=pruning,
                optimizer=optimizer(rule, row),
                lr=1e32 if row % 11 == 10 else lr,
                clip_norm=(None, 0.5)[row % 5 // 4],
                batch_size=batch,
                steps=48 if batch == 1 else 26,
            )
        )
    return found


def assert_same(found: Sequence[Outcome], expected: Sequence[Outcome]) -> None:
    """Outcomes agree in every bit that does not depend on when was looked."""
    for one, other in zip(found, expected, strict=True):
        assert bits(one, curves=False) == bits(other, curves=False), one.settings
        here, there = at_common_steps(one, other)
        assert here == there, one.settings


# Law 1: a trial's numbers depend on the trial alone.


@pytest.mark.slow
@pytest.mark.parametrize(("name", "batch", "rule"), SHAPES)
def test_numbers_are_the_same_in_every_pack(name: str, batch: int | str, rule: str) -> None:
    number = SHAPES.index((name, batch, rule))
    wide = 128 if (name, batch) in WIDE else max(45, len(combinations()))
    trials = members(MODELS[name], batch, rule, wide)
    order = list(range(wide))
    random.Random(number).shuffle(order)
    together = train([trials[row] for row in order], every_epochs=None, every_steps=13)
    expected = dict(zip(order, together, strict=True))
    assert {outcome.status for outcome in together} == {"finished", "diverged"}
    # Over all shapes, every combination trains alone several times.
    rows = list(range(len(combinations())))
    first = 2 * number % len(rows)
    rows = rows[first:] + rows[:first]
    start = 0
    for width, threads, every in ((1, 1, 5), (1, 1, 10), (2, 1, 13), (7, 2, 9), (32, 1, 26)):
        some = rows[start : start + width]
        start += width
        apart = train([trials[row] for row in some], threads=threads, every_steps=every)
        assert_same(apart, [expected[row] for row in some])


@pytest.mark.parametrize("batch", [1, 8, 32, "full"])
@pytest.mark.parametrize("widths", [(), (33,), (64, 5)], ids=str)
def test_numbers_of_a_line_are_the_same_in_every_pack(
    widths: tuple[int, ...], batch: int | str
) -> None:
    """One input and one output: the shapes that are hardest to keep apart from their neighbours."""
    model = Mlp(widths=widths) if widths else Linear()
    trials = [
        trial(
            number % 3,
            data=LinearRegression(train=45 + (batch == 32) * 100),
            model=model,
            init=init,
            batch_size=batch,
            optimizer=(Sgd(momentum=0.9), Sgd())[number % 2],
            lr=0.01,
            steps=50,
        )
        for number, init in enumerate(inits())
    ]
    together = train(trials, every_epochs=None, every_steps=10)
    for row, one in enumerate(trials):
        assert_same(train([one], threads=2, every_steps=5), [together[row]])
    for some in (slice(0, 2), slice(1, 4), slice(1, 8)):
        assert_same(train(trials[some][::-1]), together[some][::-1])


def test_every_row_of_wide_packs_has_its_place_in_the_comparison() -> None:
    assert len(combinations()) == len(inits()) * len(PRUNINGS) >= 40
    statuses = [one.recipe.training.lr > 1 for one in members(Linear(), 8, "sgd", 45)]
    assert 0 < sum(statuses) < 10


@dataclass(frozen=True, kw_only=True)
class Photographs(SmallDigits):
    """A few of CIFAR-10's test images, as many as `SmallDigits` has rows."""

    def shape(self) -> TaskShape:
        return Cifar10().shape()

    def examples(self, key: Key) -> Examples:
        records = np.frombuffer(read(Cifar10().files()[-1]), np.uint8).reshape(-1, 3073)[:1797]
        pixels = records[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32) / 255
        return Examples(pixels, records[:, 0].astype(np.int64))


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [ResNet9(width=4), DenseNet(growth=4, layers=(2, 2), dropout=0.1)],
    ids=["resnet9", "densenet"],
)
def test_networks_for_photographs_have_the_same_numbers_in_every_pack(model: Model) -> None:
    try:
        Cifar10().files()
    except DataError as error:
        pytest.skip(f"needs CIFAR-10: {error}")
    fields: dict[str, Any] = {"data": Photographs(), "model": model, "batch_size": 16, "epochs": 1}
    trials = [trial(number, **fields, lr=(0.1, 0.03)[number % 2]) for number in range(9)]
    together = train(trials)
    assert len({outcome.weights_digest for outcome in together}) == 9
    assert_same(train(trials[4:5], threads=2), together[4:5])
    assert_same(train(trials[7:4:-1]), together[7:4:-1])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["mlp-33", "cnn"])
def test_threads_change_nothing(name: str, threads: int) -> None:
    trials = members(MODELS[name], 8, "sgd", 16)
    assert [bits(o) for o in train(trials, threads=threads)] == [
        bits(o) for o in train(trials, threads=3 - threads)
    ]


@pytest.mark.parametrize("name", ["mlp-13", "cnn"])
@pytest.mark.parametrize("batch", [8, "full"])
def test_slices_of_time_change_nothing(name: str, batch: int | str) -> None:
    trials = members(MODELS[name], batch, "adam", 12)
    whole = train(trials)
    run = PackRun(trials)
    sliced, slices = [], 0
    while not run.done:
        run.advance(0.0)
        slices += 1
        sliced += run.take()
    assert slices >= 26
    assert [bits(o) for o in in_order(sliced, trials)] == [bits(o) for o in whole]


def test_packs_that_take_turns_in_one_process_change_nothing() -> None:
    groups = [members(MODELS[name], 8, "sgd", 12) for name in ("mlp-13", "cnn", "mlp-128")]
    runs = [PackRun(group) for group in groups]
    found: list[list[Outcome]] = [[] for _ in runs]
    while not all(run.done for run in runs):
        for run, outcomes in zip(runs, found, strict=True):
            run.advance(0.0)
            outcomes += run.take()
    for group, outcomes in zip(groups, found, strict=True):
        assert [bits(o) for o in in_order(outcomes, group)] == [bits(o) for o in train(group)]


def test_looking_changes_nothing() -> None:
    trials = members(MODELS["mlp-33"], 31, "sgd", 12)
    always = train(trials, every_epochs=None, every_steps=1)
    never = train(trials, every_epochs=None, every_steps=10_000, predictions=False)
    for one, other in zip(always, never, strict=True):
        assert one.weights_digest == other.weights_digest
        assert bits(replace(one, predictions=None), curves=False) == bits(other, curves=False)
        assert len(one.curve_step) == one.steps
    assert all(other.predictions is None for other in never)


def test_a_repeat_has_another_id_and_the_same_numbers() -> None:
    trials = [trial(3, repeat=repeat) for repeat in range(3)]
    assert len({one.id for one in trials}) == 3
    first, *others = [bits(outcome) for outcome in train(trials)]
    assert others == [first, first]


Undo = Callable[[], object]


def spent() -> Undo:
    random.seed(1)
    np.random.seed(2)  # noqa: NPY002 (the global generator is the point)
    torch.manual_seed(3)
    torch.rand(1000), np.random.rand(1000), random.random()  # noqa: NPY002
    return lambda: None


def doubled() -> Undo:
    torch.set_default_dtype(torch.float64)
    return lambda: torch.set_default_dtype(torch.float32)


def coarse() -> Undo:
    torch.set_float32_matmul_precision("medium")
    return lambda: torch.set_float32_matmul_precision("highest")


def flushed() -> Undo:
    torch.set_flush_denormal(True)
    return lambda: torch.set_flush_denormal(False)


def cast() -> Undo:
    torch.set_autocast_enabled("cpu", True)
    return lambda: torch.set_autocast_enabled("cpu", False)


def without_onednn() -> Undo:
    torch.backends.mkldnn.set_flags(False)
    return lambda: torch.backends.mkldnn.set_flags(True)


def without_gradients() -> Undo:
    torch.set_grad_enabled(False)
    return lambda: torch.set_grad_enabled(True)


def raising() -> Undo:
    before = np.seterr(all="raise", under="ignore")
    return lambda: np.seterr(**before)


def changed_environment() -> Undo:
    os.environ["PYTHONHASHSEED"] = "5"
    torch.set_num_threads(2)
    return lambda: os.environ.pop("PYTHONHASHSEED")


DISTURBANCES = (
    spent,
    doubled,
    coarse,
    flushed,
    cast,
    without_onednn,
    without_gradients,
    raising,
    changed_environment,
)


@contextmanager
def disturbed(disturb: Callable[[], Undo]) -> Iterator[None]:
    undo = disturb()
    try:
        yield
    finally:
        undo()


@pytest.mark.parametrize("disturb", DISTURBANCES, ids=lambda disturb: disturb.__name__)
@pytest.mark.parametrize("name", ["mlp-13", "cnn"])
def test_what_else_ran_in_the_process_changes_nothing(
    name: str, disturb: Callable[[], Undo]
) -> None:
    trials = members(MODELS[name], 8, "adam", 8)
    expected = [bits(outcome) for outcome in train(trials)]
    with disturbed(disturb):
        assert [bits(outcome) for outcome in train(trials)] == expected


def test_training_leaves_the_global_generators_alone() -> None:
    def states() -> list[Any]:
        name, keys, *rest = np.random.get_state()  # noqa: NPY002
        return [name, keys.tolist(), *rest, random.getstate(), torch.get_rng_state().tolist()]

    before = states()
    train([trial(0), trial(1, init=Orthogonal(), pruning=RandomPruning(rate=0.5))])
    assert states() == before


FRESH = """
import json, sys
from catalogue import bits, train
from randstudy.design import trial_from_settings
trials = [trial_from_settings(text) for text in json.load(sys.stdin)]
print(json.dumps([bits(outcome) for outcome in train(trials, threads=2)]))
"""


def test_a_fresh_process_finds_the_same_numbers() -> None:
    trials = [*members(MODELS["mlp-33"], 31, "sgd", 12)]
    environment = {k: v for k, v in os.environ.items() if k not in ("MKL_CBWR",)}
    environment |= {"PYTHONPATH": str(Path(__file__).parent), "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", FRESH],
        input=json.dumps([one.settings for one in reversed(trials)]),
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == [bits(outcome) for outcome in reversed(train(trials))]


class Edge(SmallDigits):
    """One example of one pixel, two classes: small enough to reach infinite weights alive."""

    def streams(self) -> frozenset[str]:
        return frozenset()

    def shape(self) -> TaskShape:
        return TaskShape((1,), 2, "class")

    def sizes(self) -> Sizes:
        return Sizes(1, 1, 1)

    def examples(self, key: Key) -> Examples:
        return Examples(np.ones((3, 1), np.float32), np.zeros(3, np.int64))

    def split(self, key: Key) -> Split:
        train, validation, test = np.arange(3)[:, None]
        return Split(train, validation, test)


def test_infinite_weights_do_not_meet_the_neighbours_coefficients() -> None:
    """A unit that is pushed to minus infinity is dead, its trial goes on: in any company."""

    def edge(number: int, lr: float, **fields: Any) -> Trial:
        fields = {"optimizer": Sgd()} | fields
        model, init = Mlp(widths=(1,)), Normal(sd=8.0)
        return trial(
            number, data=Edge(), model=model, init=init, lr=lr, batch_size="full", steps=4, **fields
        )

    trials = [edge(number, 3e37) for number in range(60)]
    plain = train(trials)
    assert sum(one.status == "finished" for one in plain) > 20
    neighbours = [
        edge(0, 1e-3, optimizer=Sgd(weight_decay=0.1)),
        edge(1, 1e-3, optimizer=Sgd(momentum=0.5)),
        edge(2, 1e-3, clip_norm=0.5),
    ]
    for neighbour in neighbours:
        assert_same(train([*trials, neighbour])[:-1], plain)


# Law 2: streams are independent and alive.


def streaming() -> list[Trial]:
    """Trials that between them consume every stream that there is a use for."""
    classes = trial(
        init=Normal(sd=0.1),
        pruning=RandomPruning(rate=0.5),
        model=Mlp(widths=(20,), dropout=0.5),
        augment=Augment(crop=1),
        noise=Noise(inputs=0.1, labels=0.5),
    )
    numbers = trial(
        data=LinearRegression(train=45),
        model=Mlp(widths=(40,)),
        lr=0.01,
        pruning=RandomPruning(rate=0.3),
    )
    return [classes, numbers]


CONSUMED = [
    pytest.param(one, stream, id=f"{one.recipe.data.name}-{stream}")
    for one in streaming()
    for stream in sorted(one.replicates)
]


def draws(one: Trial) -> dict[str, NDArray[Any]]:
    """Return what a pack of one drew from each stream."""
    run = PackRun([one])
    mask = np.ones_like(run.weights.numpy()) if run.mask is None else run.mask.numpy().copy()
    found = {
        "mask": mask,
        "init": run.weights.numpy().copy(),
        "split": np.concatenate([rows.numpy()[0] for rows in run.data.rows.values()]),
        "data": run.data.inputs.numpy().copy(),
    }
    orders = []
    for _ in range(2):
        run.walk(run.steps_per_epoch)
        rows = run.data.rows["train"][0].tolist()
        orders.append([rows.index(row) for row in run.batches.rows[0].tolist()])
    return found | {"order": np.array(orders)} | disturbances(run)


def disturbances(run: PackRun) -> dict[str, NDArray[Any]]:
    """Return what is drawn for given examples at a given step, from the streams that are in use."""
    disturb, found = run.perturbation, {}
    samples = torch.arange(40).expand(len(run.members), -1)
    ones = torch.ones(*samples.shape, *run.data.shape.inputs)
    for apply in disturb.on_inputs:
        name = "augment" if isinstance(apply, Augmentation) else "noise"
        found[name] = apply(ones, samples, None, 5)[0].numpy()
    if disturb.on_labels is not None:
        found["label"] = disturb.targets(torch.zeros_like(samples), samples)[0].numpy()
    dropout = disturb.dropout(7)
    if dropout is not None:
        found["dropout"] = dropout.factors("layers.0", (9, 20), 0.5)[0].numpy()
    return found


def test_all_streams_in_use_are_varied() -> None:
    assert {stream for one in streaming() for stream in one.replicates} == {
        "split",
        "data",
        "init",
        "order",
        "mask",
        "augment",
        "dropout",
        "noise",
        "label",
    }


@pytest.mark.parametrize(("one", "stream"), CONSUMED)
def test_a_stream_is_alive(one: Trial, stream: str) -> None:
    trials = [one, *(moved(one, stream, number) for number in (1, 2, 3))]
    assert len({each.id for each in trials}) == 4
    outcomes = train(trials)
    assert len({outcome.weights_digest for outcome in outcomes}) == 4
    assert len({outcome.metrics["validation_loss"] for outcome in outcomes}) == 4


@pytest.mark.parametrize(("one", "stream"), CONSUMED)
def test_a_stream_leaves_the_others_draws_alone(one: Trial, stream: str) -> None:
    before, after = draws(one), draws(moved(one, stream, 1))
    assert not np.array_equal(before[stream], after[stream])
    kept = (before["mask"] * after["mask"]).astype(bool)
    for other in set(before) - {stream}:
        if other == "init":
            assert np.array_equal(before[other][kept], after[other][kept])
        else:
            assert np.array_equal(before[other], after[other]), other


@pytest.mark.parametrize("one", streaming(), ids=["classes", "numbers"])
def test_the_seed_of_the_study_moves_every_stream(one: Trial) -> None:
    before, after = draws(one), draws(make_trial(one.recipe, one.seed + 1, one.replicates))
    for stream in one.replicates:
        assert not np.array_equal(before[stream], after[stream]), stream


def test_epochs_have_orders_of_their_own() -> None:
    first, second = draws(trial())["order"]
    assert sorted(first) == sorted(second) == list(range(45))
    assert not np.array_equal(first, second)


def test_the_order_is_the_same_whatever_the_batch_size() -> None:
    assert np.array_equal(draws(trial(batch_size=8))["order"], draws(trial(batch_size=31))["order"])


# Law 3: every effective factor is alive: tests/contract has every part and field of them. Here are
# those that have no effect.


INEFFECTIVE = {
    "pruning of nothing": (
        {"pruning": MagnitudePruning(rate=0.0)},
        {"pruning": RandomPruning(rate=0.0)},
    ),
    "the whole training set": ({"batch_size": 45}, {"batch_size": "full"}),
    "a default that is written out": (
        {"init": KaimingNormal(gain=2**0.5)},
        {"init": KaimingNormal()},
    ),
    "a scale that another field says": (
        {"init": Orthogonal(scale=2.0)},
        {"init": Orthogonal(gain=2.0)},
    ),
}


@pytest.mark.parametrize("case", INEFFECTIVE)
def test_fields_without_effect_change_neither_id_nor_numbers(case: str) -> None:
    """The id is right to leave them out: trained as written, the numbers are the same."""
    written = [recipe(**fields) for fields in INEFFECTIVE[case]]
    assert len({trial_of(made).id for made in written}) == 1
    raw = [make_trial(made, 0, dict.fromkeys(sorted(made.streams()), 0)) for made in written]
    first, second = (train([one])[0] for one in raw)
    if case == "the whole training set":
        # The order within the one batch is all that is left: sums differ in their last bits.
        assert first.metrics == pytest.approx(second.metrics, rel=1e-4)
    else:
        assert bits(first) == bits(second)


@pytest.mark.parametrize(
    ("stream", "fields"),
    [
        ("order", {"batch_size": "full"}),
        ("init", {"init": Constant(weight=0.01)}),
        ("mask", {"pruning": RandomPruning(rate=0.0)}),
        ("mask", {"pruning": MagnitudePruning(rate=0.5)}),
        ("data", {}),
        ("augment", {}),
        ("dropout", {}),
        ("noise", {"noise": Noise(labels=0.1)}),
        ("label", {"noise": Noise(inputs=0.1, weights=0.1, gradients=0.1)}),
    ],
)
def test_an_unconsumed_stream_changes_nothing(stream: str, fields: dict[str, Any]) -> None:
    """A stream that no part declares is not drawn from by anybody."""
    one = trial(**fields)
    assert stream not in one.replicates
    assert bits(train([one])[0]) == bits(train([moved(one, stream, 5)])[0])
