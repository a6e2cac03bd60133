"""Augmentation, noise and dropout: what is drawn, what it does, and what it is coupled to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from catalogue import bits, moved, train, trial
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from randstudy.augment import Augment
from randstudy.devicestreams import DeviceStream, quantiles
from randstudy.models import Cnn, Linear, Mlp
from randstudy.noise import Noise
from randstudy.optimizers import Sgd
from randstudy.pruning import RandomPruning
from randstudy.streams import Key, key, site, words
from randstudy.tasks import LinearRegression, TaskShape
from randstudy.training import PackRun
from randstudy.training.augmentation import Augmentation
from randstudy.training.dropping import DropoutDraws
from randstudy.training.layout import Layout
from randstudy.training.noise import LabelNoise
from randstudy.training.pack_data import PackData
from randstudy.training.perturbation import Perturbation
from randstudy.trials import Trial

EVERYTHING = {
    "augment": Augment(crop=2, crop_fill="reflect", flip=True, translate=1, cutout=3),
    "noise": Noise(inputs=0.1, weights=0.02, gradients=0.01, labels=0.3),
}


def perturbation(trials: Sequence[Trial]) -> Perturbation:
    shape = trials[0].recipe.data.shape()
    layout = Layout(trials[0].recipe.model.parameters(shape))
    return Perturbation(trials, PackData(trials, "cpu"), layout, "cpu")


def batch(*shape: int) -> Tensor:
    """Numbers that tell their place, none of them zero."""
    return torch.arange(1.0, 1 + int(np.prod(shape))).view(shape)


def test_nothing_is_touched_where_nothing_is_asked_for() -> None:
    none = perturbation([trial(0), trial(1)])
    inputs, samples = batch(2, 3, 1, 8, 8), torch.zeros(2, 3, dtype=torch.int64)
    assert none.inputs(inputs, samples, None, 0) is inputs
    assert none.targets(samples, samples) is samples
    assert none.weights(inputs, 5) is inputs
    assert none.gradient(inputs, 5) is inputs
    assert none.dropout(5) is None
    assert not none.by_sample
    none.keep(torch.tensor([1]))


# Augmentation, against the same said for one example at a time in Python.


def slow_cut(image: NDArray[Any], margin: int, fill: str, drawn: list[int]) -> NDArray[Any]:
    axes = image.ndim - 1
    around = [(0, 0)] + [(margin, margin)] * axes
    padded = np.pad(image, around, mode="constant" if fill == "zero" else "reflect")
    starts = [word * (2 * margin + 1) >> 32 for word in drawn[2 - axes :]]
    pieces = [slice(a, a + side) for a, side in zip(starts, image.shape[1:], strict=True)]
    return padded[(slice(None), *pieces)]


def slow(augment: Augment, image: NDArray[Any], drawn: list[int]) -> NDArray[Any]:
    """Change one image or signal by its words, an operation at a time."""
    axes = image.ndim - 1
    if augment.crop:
        image = slow_cut(image, augment.crop, augment.crop_fill, drawn[0:2])
    if augment.flip and drawn[6] >= 2**31:
        image = image[..., ::-1]
    if augment.translate:
        image = slow_cut(image, augment.translate, "zero", drawn[2:4])
    if augment.cutout:
        image = image.copy()
        centres = [
            word * side >> 32
            for word, side in zip(drawn[6 - axes : 6], image.shape[1:], strict=True)
        ]
        first = [centre - augment.cutout // 2 for centre in centres]
        hole = [slice(max(0, at), max(0, at + augment.cutout)) for at in first]
        image[(slice(None), *hole)] = 0
    return image


AUGMENTS = {
    "crop": Augment(crop=3),
    "crop-reflect": Augment(crop=2, crop_fill="reflect"),
    "flip": Augment(flip=True),
    "translate": Augment(translate=2),
    "cutout": Augment(cutout=4),
    "odd-cutout": Augment(cutout=3),
    "all": EVERYTHING["augment"],
}


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 7, 5), (1, 40), (2, 9)], ids=str)
@pytest.mark.parametrize("name", AUGMENTS)
def test_every_example_is_changed_by_its_own_words(name: str, shape: tuple[int, ...]) -> None:
    augment = AUGMENTS[name]
    assert isinstance(augment, Augment)
    assert not augment.misfits(TaskShape(shape, 10, "class"))
    keys = [key(0, "augment", replicate) for replicate in range(3)]
    inputs = batch(3, 20, *shape)
    samples = torch.arange(60).view(3, 20) * 7
    found = Augmentation(augment, DeviceStream(keys))(inputs, samples, None, 4)
    assert found.shape == inputs.shape
    for row in range(3):
        for place in range(20):
            sample = int(samples[row, place])
            drawn = words([keys[row]], site=site("augment"), count=7, sample=sample, step=4)[0]
            expected = slow(augment, inputs[row, place].numpy(), [int(word) for word in drawn])
            np.testing.assert_array_equal(found[row, place].numpy(), expected)
    assert not torch.equal(found, inputs)
    assert torch.equal(inputs, batch(3, 20, *shape)), "the argument is left alone"


def test_moves_flips_and_holes_are_equally_likely() -> None:
    count = 8000
    keys = [key(3, "augment", 0)]
    inputs = batch(1, 1, 1, 5, 5).expand(1, count, 1, 5, 5)
    samples = torch.arange(count)[None]

    def corner(augment: Augment, y: int, x: int) -> NDArray[Any]:
        found = Augmentation(augment, DeviceStream(keys))(inputs, samples, None, 0)
        return found[0, :, 0, y, x].numpy()

    for augment in (Augment(crop=1), Augment(translate=1)):
        # The middle shows one of the nine pixels around it.
        _, counts = np.unique(corner(augment, 2, 2), return_counts=True)
        assert len(counts) == 9
        assert stats.chisquare(counts).pvalue > 1e-4
    turned = (corner(Augment(flip=True), 0, 0) == 5).sum()
    assert stats.binomtest(int(turned), count).pvalue > 1e-4
    gone = (corner(Augment(cutout=1), 0, 0) == 0).sum()
    assert stats.binomtest(int(gone), count, 1 / 25).pvalue > 1e-4


def test_draws_belong_to_the_example_not_to_the_batch() -> None:
    """Cells of unequal batch sizes see the same example changed alike."""
    one = trial(0, model=Cnn(channels=(3,)), **EVERYTHING)
    there = perturbation([one, trial(1, model=Cnn(channels=(3,)), **EVERYTHING)])
    here = perturbation([one])
    inputs = batch(2, 12, 1, 8, 8)
    samples = torch.arange(24).view(2, 12)
    whole = there.inputs(inputs, samples, None, 3)
    for part in (slice(0, 5), slice(5, 12)):
        found = here.inputs(inputs[:1, part], samples[:1, part], None, 3)
        assert torch.equal(found, whole[:1, part])
    for changed in (
        here.inputs(inputs[:1], samples[:1] + 1, None, 3),
        here.inputs(inputs[:1], samples[:1], None, 4),
        here.inputs(inputs[:1], samples[:1], torch.ones(1, 12, dtype=torch.int64), 3),
    ):
        assert (changed[0] != whole[0]).flatten(1).any(1).all()
    never = torch.zeros(1, 12, dtype=torch.int64)
    assert torch.equal(here.inputs(inputs[:1], samples[:1], never, 3), whole[:1])
    there.keep(torch.tensor([1, 1]))
    left = there.inputs(inputs[[1, 1]], samples[[1, 1]], None, 3)
    assert torch.equal(left, whole[[1, 1]])


def test_an_example_that_is_drawn_twice_in_an_epoch_is_changed_twice() -> None:
    run = PackRun([trial(0, sampling="replacement", batch_size=45, noise=Noise(inputs=1.0))])
    (found,) = run.batches.of(0)
    rows = found.rows[0]
    assert found.occurrence is not None
    twice = (rows == rows[found.occurrence[0].argmax()]).nonzero()[:, 0]
    inputs, _ = run.data.batch(found.rows)
    noisy = run.perturbation.inputs(inputs, found.rows, found.occurrence, 0)
    assert len(twice) > 1
    assert torch.equal(inputs[0, twice[0]], inputs[0, twice[1]])
    assert (noisy[0, twice[0]] != noisy[0, twice[1]]).all()


FLAT = TaskShape((13,), 3, "class")
IMAGE = TaskShape((1, 8, 6), 3, "class")


@pytest.mark.parametrize(
    ("augment", "shape", "field", "message"),
    [
        (Augment(crop=1), FLAT, "crop", "needs images .* inputs here have shape 13"),
        (Augment(flip=True), FLAT, "flip", "needs images"),
        (Augment(crop=6), IMAGE, "crop", "6 is too much for inputs of 8x6; it can be up to 5"),
        (Augment(translate=6), IMAGE, "translate", "it can be up to 5"),
        (Augment(cutout=7), IMAGE, "cutout", "it can be up to 6"),
        (Augment(flip=True), TaskShape((2, 1), 3, "class"), "flip", "their own mirror image"),
    ],
)
def test_augmentations_that_do_not_fit(
    augment: Augment, shape: TaskShape, field: str, message: str
) -> None:
    ((where, text),) = augment.misfits(shape)
    assert where == field
    assert re.search(message, text)


def test_what_is_filled_in_matters_only_where_something_is() -> None:
    assert Augment(crop_fill="reflect").effective() == Augment()
    assert Augment(crop=1, crop_fill="reflect").effective().crop_fill == "reflect"
    assert Augment().streams() == frozenset()
    assert Augment(cutout=1).streams() == {"augment"}


# Noise


def noisy(number: int = 0, **fields: Any) -> Trial:
    return trial(number, noise=Noise(**fields), model=Linear())


def test_noise_on_inputs_has_its_sd_and_each_trial_its_own() -> None:
    sds = (0.5, 2.0)
    found = perturbation([noisy(0, inputs=sd) for sd in sds] + [noisy(1, inputs=0.5)])
    inputs = batch(3, 600, 1, 8, 8) / 1000
    samples = torch.arange(600).expand(3, 600)
    change = (found.inputs(inputs, samples, None, 0).double() - inputs.double()).flatten(1).numpy()
    for row, sd in enumerate(sds):
        assert change[row].std() == pytest.approx(sd, rel=0.02)
        assert stats.kstest(change[row] / sd, "norm").pvalue > 1e-4
    # The same draws at another level, others at another replicate.
    np.testing.assert_allclose(change[1], 4 * change[0], atol=3e-5)
    assert abs(np.corrcoef(change[0], change[2])[0, 1]) * change.shape[1] ** 0.5 < 4.5


def test_noise_on_weights_spares_biases_pruned_weights_and_the_weights_themselves() -> None:
    found = perturbation([noisy(0, weights=0.5), noisy(1, weights=0.5)])
    weights = torch.ones(2, 650)
    mask = torch.ones(2, 650)
    mask[:, :100] = 0
    weights *= mask
    before = weights.clone()
    drawn = found.weights(weights, 7, mask)
    assert torch.equal(weights, before)
    assert (drawn[:, :100] == 0).all()
    assert torch.equal(drawn[:, 640:], weights[:, 640:])
    assert (drawn[:, 100:640] != 1).all()
    assert (drawn[:, 100:640] - 1).std().item() == pytest.approx(0.5, rel=0.1)
    assert not torch.equal(found.weights(weights, 8, mask), drawn)
    # Steps may come in any order, and steps drawn ahead are those drawn alone.
    assert torch.equal(found.weights(weights, 7, mask), drawn)
    alone = perturbation([noisy(1, weights=0.5)])
    assert torch.equal(alone.weights(weights[1:], 7, mask[1:]), drawn[1:])
    found.keep(torch.tensor([1]))
    assert torch.equal(
        found.weights(weights[1:], 8, mask[1:]), alone.weights(weights[1:], 8, mask[1:])
    )


def test_noise_on_gradients_is_another_and_fits_the_columns_that_are_trained() -> None:
    fields = {"weights": 0.5, "gradients": 0.5}
    found = perturbation([noisy(0, **fields), noisy(1, **fields)])
    gradient = torch.zeros(2, 650)
    drawn = found.gradient(gradient, 3)
    assert drawn is gradient
    assert (drawn != 0).float().mean() > 0.999
    assert drawn.std().item() == pytest.approx(0.5, rel=0.1)
    assert torch.equal(found.gradient(torch.zeros(2, 10), 3), drawn[:, -10:])
    assert not torch.equal(found.weights(torch.zeros(2, 650), 3), drawn)


@pytest.mark.parametrize("place", ["weights", "gradients"])
def test_noise_on_parameters_is_the_quantile_of_half_a_word(place: str) -> None:
    found = perturbation([noisy(4, **{place: 0.25})])
    zeros = torch.zeros(1, 650)
    drawn = found.weights(zeros, 6) if place == "weights" else found.gradient(zeros, 6)
    halves = words([key(0, "noise", 4)], site=site(f"noise.{place}"), count=325, step=6)
    expected = quantiles()[halves[0].view(np.uint16)] * np.float32(0.25)
    np.testing.assert_array_equal(drawn[0, :640].numpy(), expected[:640])


def test_a_replaced_label_is_told_by_two_words_of_its_row() -> None:
    found = label_noise([0.3], examples=50)(
        torch.zeros(1, 50, dtype=torch.int64), torch.arange(50)[None]
    )
    chance, drawn = (
        words([key(0, "label", 0)], site=site(f"label.{what}"), count=50)[0].astype(int)
        for what in ("chance", "class")
    )
    expected = np.where(chance < 0.3 * 2**32, 1 + (drawn * 6 >> 32), 0)
    assert found[0].tolist() == expected.tolist()
    assert 0 < (expected > 0).sum() < 30


def label_noise(rates: Sequence[float], examples: int = 20_000, classes: int = 7) -> LabelNoise:
    keys = [key(0, "label", 0)] * len(rates)
    return LabelNoise(keys, rates, examples=examples, classes=classes, device=torch.device("cpu"))


def test_labels_are_replaced_by_another_class_each_as_likely() -> None:
    rows = torch.arange(20_000).expand(3, -1)
    own = rows % 7
    found = label_noise([0.0, 0.2, 1.0])(own, rows)
    assert found.dtype == own.dtype
    assert torch.equal(found[0], own[0])
    assert stats.binomtest(int((found[1] != own[1]).sum()), 20_000, 0.2).pvalue > 1e-4
    assert (found[2] != own[2]).all()
    shifts = np.bincount(((found[2] - own[2]) % 7).numpy(), minlength=7)
    assert shifts[0] == 0
    assert stats.chisquare(shifts[1:]).pvalue > 1e-4


def test_label_noise_nests_in_its_rate_and_belongs_to_the_row() -> None:
    rows = torch.arange(500).expand(3, -1)
    own = torch.zeros_like(rows)
    less, more, most = label_noise([0.1, 0.4, 0.9])(own, rows)
    for one, other in ((less, more), (more, most)):
        assert ((one == 0) | (one == other)).all()
        assert (one != other).any()
    # A smaller data set, another order: the same rows are called the same.
    turned = rows[:1, torch.arange(99, -1, -1)]
    again = label_noise([0.4], examples=100)(own[:1, :100], turned)
    assert torch.equal(again[0], more[turned[0]])


def test_label_noise_is_the_same_whatever_the_split_and_the_pack() -> None:
    """Replicates of the data have tables of their own, which rows of the pack do not show."""
    trials = [noisy(number, labels=0.5) for number in range(2)]
    pack = perturbation(trials)
    assert pack.on_labels is not None
    rows = PackData(trials, "cpu").rows["train"]
    common = sorted(set(rows[0].tolist()) & set(range(int(rows.max()) + 1)))
    where = torch.tensor(common)[None]
    alone = perturbation(trials[:1])
    own = torch.zeros_like(where)
    assert torch.equal(
        alone.targets(own, where), pack.targets(own.expand(2, -1), where.expand(2, -1))[:1]
    )


@pytest.mark.parametrize("field", ["validation_loss", "test_loss"])
def test_evaluation_is_free_of_noise(field: str) -> None:
    """At a learning rate of almost nothing, only training sees what is disturbed."""
    fields: dict[str, Any] = {"model": Linear(), "lr": 1e-30, "epochs": 1}
    plain, other = train([trial(0, **fields)])[0], train([trial(0, **fields, **EVERYTHING)])[0]
    assert plain.metrics[field] == other.metrics[field]
    assert plain.metrics["train_loss"] != other.metrics["train_loss"]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (TaskShape((1,), 1, "number"), "only tasks with classes"),
        (TaskShape((1,), 1, "class"), "one class leaves no other"),
    ],
)
def test_labels_that_cannot_be_replaced(shape: TaskShape, message: str) -> None:
    ((field, text),) = Noise(labels=0.1).misfits(shape)
    assert field == "labels"
    assert message in text
    assert not Noise(inputs=0.1, weights=0.1, gradients=0.1).misfits(shape)


def test_noise_on_inputs_acts_as_ridge() -> None:
    """Bishop (1995), "Training with noise is equivalent to Tikhonov regularization".

    Full gradient descent on inputs with fresh noise of variance s² has the mean of gradient descent
    on the ridge objective with penalty n s² (s² for the mean loss): the slope's expectation is
    Sxy / (Sxx + s²), exactly, at every learning rate that converges.
    """
    sd, data = 0.7, LinearRegression(train=64)
    fields = {"data": data, "model": Linear(), "batch_size": "full", "lr": 0.05, "steps": 300}
    first = trial(0, noise=Noise(inputs=sd), optimizer=Sgd(), **fields)
    trials = [moved(first, "noise", number) for number in range(96)]
    run = PackRun(trials)
    run.walk(300)
    slopes = run.weights[:, 0].double().numpy()
    rows = run.data.rows["train"][0]
    x, y = run.data.inputs[rows, 0].double().numpy(), run.data.targets[rows].double().numpy()
    x, y = x - x.mean(), y - y.mean()
    plain, ridge = (x @ y) / (x @ x), (x @ y) / (x @ x + len(x) * sd**2)
    error = slopes.std(ddof=1) / len(slopes) ** 0.5
    assert error < 0.02
    assert abs(slopes.mean() - ridge) < 4 * error
    assert plain - ridge > 20 * error


# Dropout


def dropout_draws(trials: int = 6, size: int = 8) -> tuple[list[Key], DropoutDraws]:
    keys = [key(1, "dropout", number) for number in range(trials)]
    return keys, DropoutDraws(DeviceStream(keys), size)


def test_factors_are_zero_or_keep_the_mean() -> None:
    _, draws = dropout_draws(4, 64)
    for rate in (0.2, 0.5, 0.9):
        found = draws.of(3).factors("layers.0", (64, 100), rate)
        assert found.shape == (4, 64, 100)
        assert found.dtype == torch.float32
        scale = np.float32(1 / (1 - rate))
        assert set(found.unique().tolist()) == {0.0, float(scale)}
        error = (rate / (1 - rate) / found.numel()) ** 0.5
        assert abs(found.mean().item() - 1) < 4.5 * error


def test_dropout_is_drawn_by_step_path_and_row_of_the_batch() -> None:
    keys, draws = dropout_draws()
    shape = (8, 3, 4)
    found = draws.of(10).factors("a", shape, 0.5)
    assert torch.equal(draws.of(10).factors("a", shape, 0.5), found)
    for other in (draws.of(11).factors("a", shape, 0.5), draws.of(10).factors("b", shape, 0.5)):
        assert not torch.equal(other, found)
    # A smaller batch has the first rows, whether the larger came before or after it.
    _, smaller = dropout_draws(size=2)
    assert torch.equal(smaller.of(10).factors("a", (2, 3, 4), 0.5), found[:, :2])
    assert torch.equal(smaller.of(10).factors("a", shape, 0.5), found)
    assert torch.equal(
        draws.of(9).factors("a", (5, 3, 4), 0.5), smaller.of(9).factors("a", (5, 3, 4), 0.5)
    )
    alone = DropoutDraws(DeviceStream(keys[4:5]), 8)
    assert torch.equal(alone.of(10).factors("a", shape, 0.5), found[4:5])


def test_dropout_of_some_trials_is_theirs() -> None:
    _, draws = dropout_draws()
    found = draws.of(2).factors("a", (8, 5), 0.3)
    part = draws.of(2).rows(slice(2, 6))
    assert torch.equal(part.factors("a", (8, 5), 0.3), found[2:6])
    assert torch.equal(part.rows(slice(1, 3)).factors("a", (8, 5), 0.3), found[3:5])
    ahead = draws.of(3).factors("a", (8, 5), 0.3)
    draws.keep(torch.tensor([5, 0, 0]))
    assert torch.equal(draws.of(3).factors("a", (8, 5), 0.3), ahead[[5, 0, 0]])
    assert torch.equal(
        draws.of(500).factors("a", (8, 5), 0.3)[1], draws.of(500).factors("a", (8, 5), 0.3)[2]
    )


def test_dropout_of_a_model_is_alive_and_the_same_in_any_pack() -> None:
    trials = [trial(number, model=Mlp(widths=(33,), dropout=0.5)) for number in range(3)]
    assert "dropout" in trials[0].replicates
    together = [bits(outcome) for outcome in train(trials)]
    assert [bits(train([one])[0]) for one in trials] == together
    other = moved(trials[0], "dropout", 7)
    assert bits(train([other])[0]) != together[0]


# Law 1, with everything at once; every trial at its own levels.


@pytest.mark.parametrize("model", [Linear(), Cnn(channels=(3,))], ids=lambda model: model.name)
@pytest.mark.parametrize(
    "fields",
    [{"batch_size": 8}, {"batch_size": 8, "sampling": "replacement"}, {"batch_size": "full"}],
    ids=str,
)
def test_disturbed_trials_train_the_same_alone_and_in_any_pack(
    model: Any, fields: dict[str, Any]
) -> None:
    trials = [
        trial(
            number,
            model=model,
            augment=EVERYTHING["augment"],
            noise=Noise(
                inputs=0.1 * (1 + number % 3), weights=0.02, gradients=0.01, labels=0.1 * number
            ),
            pruning=RandomPruning(rate=0.5),
            lr=1e38 if number == 3 else 0.05,
            steps=20,
            **fields,
        )
        for number in range(9)
    ]
    together = [bits(outcome) for outcome in train(trials)]
    assert [one["status"] for one in together].count("diverged") == 1
    turned = [bits(outcome) for outcome in train(trials[::-1], threads=2)]
    assert turned[::-1] == together
    for number in (0, 3, 8):
        assert [bits(outcome) for outcome in train([trials[number]])] == [together[number]]
