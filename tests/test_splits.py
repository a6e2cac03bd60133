"""Splits: parts that are disjoint, of known sizes, drawn from their stream, and as promised."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from catalogue import registered
from numpy.typing import NDArray

from randstudy.recipe import Recipe, Training
from randstudy.splits import Bootstrap, Given, KFold, RandomSplit, Splitting, Stratified
from randstudy.splits.portions import portion, profile, shared_out
from randstudy.streams import Key, key
from randstudy.tasks import Data, Digits, Examples, LinearRegression, Sizes, Split, TaskShape

SCHEMES: tuple[Splitting, ...] = (
    Given(),
    Given(train_size=100),
    Given(train_size=0.3),
    Given(imbalance=0.2),
    RandomSplit(),
    RandomSplit(validation=100, test=0.5, train_size=0.25),
    RandomSplit(imbalance=0.5),
    Stratified(),
    Stratified(imbalance=0.1, train_size=0.5),
    Stratified(validation=0.1, test=37, train_size=50),
    KFold(),
    KFold(k=7, validation=100, train_size=0.9),
    KFold(k=3, imbalance=0.3),
    Bootstrap(),
    Bootstrap(train_size=200, validation=0.15, test=0.2),
    Bootstrap(imbalance=0.4),
)


@dataclass(frozen=True, kw_only=True)
class Few(Data):
    """Examples of given classes, the last ones to validate and test."""

    classes: tuple[int, ...]
    held: int = 2

    def shape(self) -> TaskShape:
        return TaskShape((1,), max(self.classes) + 1, "class")

    def sizes(self) -> Sizes:
        return Sizes(len(self.classes) - 2 * self.held, self.held, self.held)

    def examples(self, key: Key) -> Examples:
        targets = np.array(self.classes, np.int64)
        return Examples(np.arange(len(targets), dtype=np.float32)[:, None], targets)

    def split(self, key: Key) -> Split:
        sizes = self.sizes()
        train, validation, test = np.split(
            np.arange(len(self.classes)), [sizes.train, sizes.train + sizes.validation]
        )
        return Split(train, validation, test)

    def digest(self) -> str:
        return repr(self)


@lru_cache
def labels() -> NDArray[Any]:
    return Digits().targets(key(0, "data", 0))


def parts(split: Split) -> tuple[list[int], list[int], list[int]]:
    return split.train.tolist(), split.validation.tolist(), split.test.tolist()


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_parts_are_disjoint_and_of_the_promised_sizes(scheme: Splitting) -> None:
    data = Digits()
    assert scheme.problems() == scheme.misfits(data) == []
    sizes = scheme.sizes(data)
    for replicate in range(8):
        split = scheme.rows(data, 3, replicate)
        train, validation, test = parts(split)
        assert (len(train), len(validation), len(test)) == (
            sizes.train,
            sizes.validation,
            sizes.test,
        )
        assert not set(train) & set(validation)
        assert not set(train) & set(test)
        assert not set(validation) & set(test)
        assert set(train) | set(validation) | set(test) <= set(range(1797))
        repeated = len(set(train)) < len(train)
        assert repeated == isinstance(scheme, Bootstrap)
        assert all(part.dtype == np.int64 for part in (split.train, split.validation, split.test))
        assert parts(scheme.rows(data, 3, replicate)) == (train, validation, test)


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_the_stream_moves_every_drawn_part(scheme: Splitting) -> None:
    data = Digits()
    assert scheme.consumes(data) == {"split"}
    one, other = scheme.rows(data, 0, 0), scheme.rows(data, 0, 1)
    for name in ("train", "validation", "test"):
        assert set(getattr(one, name).tolist()) != set(getattr(other, name).tolist())
    assert parts(scheme.rows(data, 1, 0)) != parts(one)


def test_every_registered_scheme_is_here() -> None:
    assert {type(one) for one in SCHEMES} == {*registered(Splitting).values()}


def test_given_is_the_data_sets_own() -> None:
    assert parts(Given().rows(Digits(), 2, 5)) == parts(Digits().split(key(2, "split", 5)))
    few = Few(classes=(0, 1) * 10)
    assert Given().consumes(few) == frozenset()
    assert not Given().redraws(few)
    assert Given().redraws(Digits())
    # To keep a part of given examples is to draw it; the test examples stay.
    kept = Given(train_size=5)
    assert kept.consumes(few) == {"split"}
    assert not kept.redraws(few)
    one, other = kept.rows(few, 0, 0), kept.rows(few, 0, 1)
    assert set(one.train.tolist()) != set(other.train.tolist())
    assert one.test.tolist() == other.test.tolist() == [18, 19]


def test_drawn_schemes_share_a_replicates_permutation() -> None:
    """So that a study of schemes is paired: as far as sizes allow, the same rows train."""
    given = Given().rows(Digits(), 0, 4)
    assert parts(RandomSplit(validation=360, test=360).rows(Digits(), 0, 4)) == parts(given)
    larger = RandomSplit(validation=100, test=100).rows(Digits(), 0, 4)
    assert larger.train[:1077].tolist() == given.train.tolist()


@pytest.mark.parametrize(
    "scheme", [Given(), RandomSplit(), Stratified(), KFold(), Bootstrap(), Given(imbalance=0.3)]
)
def test_training_sizes_nest(scheme: Splitting) -> None:
    rows = {
        size: replace(scheme, train_size=size).rows(Digits(), 0, 2).train.tolist()
        for size in (10, 0.1, 0.35, 150)
    }
    longest = rows[150] if len(rows[150]) > len(rows[0.35]) else rows[0.35]
    assert all(found == longest[: len(found)] for found in rows.values())
    assert len(rows[10]) == 10
    whole = scheme.rows(Digits(), 0, 2)
    assert set(longest) <= set(whole.train.tolist())
    half = replace(scheme, train_size=0.35).rows(Digits(), 0, 2)
    assert half.validation.tolist() == whole.validation.tolist()
    assert half.test.tolist() == whole.test.tolist()


def test_stratified_parts_have_the_classes_shares() -> None:
    counts = np.bincount(labels())
    scheme = Stratified(train_size=100)
    for replicate in range(4):
        whole = replace(scheme, train_size=None).rows(Digits(), 0, replicate)
        for part in (whole.train, whole.validation, whole.test):
            found = np.bincount(labels()[part], minlength=10)
            assert np.abs(found - counts * len(part) / 1797).max() < 1 + 1e-9
        kept = np.bincount(labels()[scheme.rows(Digits(), 0, replicate).train], minlength=10)
        assert np.abs(kept - counts * 100 / 1797).max() < 1.5


def test_largest_remainders_by_hand() -> None:
    # 7 of (5, 3, 2): quotas 3.5, 2.1, 1.4; the one that is left goes to the largest remainder.
    assert shared_out(np.array([5, 3, 2]), 7).tolist() == [4, 2, 1]
    # Equal remainders: the lower class first.
    assert shared_out(np.array([1, 1, 1, 1]), 2).tolist() == [1, 1, 0, 0]
    assert shared_out(np.array([4, 0, 6]), 10).tolist() == [4, 0, 6]
    assert shared_out(np.array([3, 3]), 0).tolist() == [0, 0]


def test_shares_and_numbers() -> None:
    assert portion(0.5, 5) == 3
    assert portion(0.2, 1797) == 359
    assert portion(1, 1797) == 1
    assert portion(40, 1797) == 40


def test_folds_are_a_partition_and_repetitions_differ() -> None:
    data, scheme = Digits(), KFold(k=5)
    for repetition in range(2):
        folds = [scheme.rows(data, 0, 5 * repetition + fold) for fold in range(5)]
        tested = np.concatenate([fold.test for fold in folds])
        assert len(tested) == len(set(tested.tolist())) == 5 * (1797 // 5)
        left = set(range(1797)) - set(tested.tolist())
        assert len(left) == 1797 % 5
        assert all(left <= set(fold.train.tolist()) for fold in folds)
        validated = np.concatenate([fold.validation for fold in folds])
        assert len(set(validated.tolist())) > len(folds[0].validation)
    first, second = scheme.rows(data, 0, 0), scheme.rows(data, 0, 5)
    assert set(first.test.tolist()) != set(second.test.tolist())


def test_bootstrap_is_drawn_with_replacement_and_tests_on_the_rest() -> None:
    data, drawn = Digits(), 40
    counts = np.zeros(1797)
    for replicate in range(drawn):
        split = Bootstrap().rows(data, 0, replicate)
        found = np.bincount(split.train, minlength=1797)
        counts += found
        assert (found[split.test] == 0).all()
        assert (found[split.validation] == 0).all()
        # 1 - 1/e of the rows are drawn, with standard deviation 0.31 of the root of their number.
        assert (found > 0).mean() == pytest.approx(1 - np.exp(-1), abs=6 * 0.31 / np.sqrt(1797))
    # Each row's count is Poisson with mean 40, nearly; their variance is known to one in 30.
    assert counts.mean() == drawn
    assert counts.var() == pytest.approx(drawn, rel=0.2)


def test_a_sample_that_leaves_out_too_few_is_drawn_again() -> None:
    few = Few(classes=(0, 1) * 4)
    scheme = Bootstrap(validation=1, test=1)
    assert scheme.misfits(few) == []
    splits = [scheme.rows(few, 0, replicate) for replicate in range(300)]
    assert all(len(split.train) == 8 for split in splits)
    assert all(len(split.test) == len(split.validation) == 1 for split in splits)
    # Samples of 8 that leave out one or none come in 0.0024 + 0.067 of all draws.
    assert min(8 - len(set(split.train.tolist())) for split in splits) == 2


def test_imbalance_is_that_of_cui_et_al() -> None:
    counts = np.bincount(labels())
    for replicate in range(3):
        split = Stratified(imbalance=0.1).rows(Digits(), 0, replicate)
        found = np.bincount(labels()[split.train], minlength=10)
        assert found.tolist() == [int(found[0] * 0.1 ** (k / 9) + 1e-9) for k in range(10)]
        assert found[9] / found[0] == pytest.approx(0.1, abs=0.01)
        assert found[0] >= 0.95 * 0.6 * counts[0]
    even = Stratified(imbalance=1.0).rows(Digits(), 0, 0)
    assert len(set(np.bincount(labels()[even.train]).tolist())) == 1


def test_the_profile_by_hand() -> None:
    assert profile(np.array([100, 100, 100]), 0.01).tolist() == [100, 10, 1]
    # The class that has least for its place sets the scale: 40 of the second allow 80 of the first.
    assert profile(np.array([100, 40, 100]), 0.25).tolist() == [80, 40, 20]
    assert profile(np.array([7, 5]), 1.0).tolist() == [5, 5]


def test_less_imbalance_keeps_what_more_keeps() -> None:
    """Within a class the first of one order are kept, so levels nest class by class."""
    mild, strong = (
        set(Stratified(imbalance=ratio).rows(Digits(), 0, 1).train.tolist()) for ratio in (0.5, 0.1)
    )
    last = {row for row in strong if labels()[row] == 9}
    assert last < {row for row in mild if labels()[row] == 9}


def test_given_files_have_exact_class_counts() -> None:
    few = Few(classes=(0,) * 20 + (1,) * 10 + (0, 1, 0, 1))
    assert Given(imbalance=0.5).sizes(few) == Sizes(30, 2, 2)
    assert Given(imbalance=0.2).sizes(few).train == 20 + 4
    split = Given(imbalance=0.2).rows(few, 0, 3)
    assert (split.train < 20).sum() == 20


FAULTS: dict[str, tuple[Splitting, str, str]] = {
    "not whole": (Given(train_size=2.5), "train_size", "neither a share below 1 nor a whole"),
    "more than all": (Given(train_size=1078), "train_size", "1078 of 1077 training examples"),
    "none": (Given(train_size=0.0001), "train_size", "is no part"),
    "nothing left": (RandomSplit(validation=0.5, test=0.5), "validation", "nothing is left"),
    "numbers": (RandomSplit(validation=900, test=897), "", "900 to validate and 897 to test leave"),
    "no test": (RandomSplit(test=0.0001), "test", "0.0001 of 1797 examples is none"),
    "fraction of one": (Stratified(test=1.5), "test", "1.5 is neither"),
    "too many folds": (KFold(k=1798), "k", "1798 folds of 1797 examples"),
    "fold eaten": (KFold(validation=1438), "validation", "leaves a part empty"),
    "out of bag": (Bootstrap(test=0.4), "test", "a bootstrap sample of 1797 leaves out about 660"),
    "rare class": (Stratified(imbalance=0.001), "imbalance", "without a training example"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_cannot_be_split_says_so(name: str) -> None:
    scheme, field, message = FAULTS[name]
    found = scheme.problems() or scheme.misfits(Digits())
    assert [one for one, _ in found] == [field]
    assert message in found[0][1]


@pytest.mark.parametrize("scheme", [Stratified(), RandomSplit(imbalance=0.5)])
def test_numbers_have_no_classes_to_count(scheme: Splitting) -> None:
    ((_, message),) = scheme.misfits(LinearRegression())
    assert "linear_regression has no classes" in message


def test_a_class_too_rare_to_train_on_is_named() -> None:
    few = Few(classes=(0,) * 20 + (1,))
    ((_, message),) = Stratified(validation=0.4, test=0.55).misfits(few)
    assert re.search("class 1 has 1 examples, which leaves none to train on", message)


def test_settings_of_a_split_that_is_not_used_are_no_part_of_a_trial() -> None:
    training = Training(lr=0.1, batch_size=8, epochs=1)
    drawn, given = (
        [
            Recipe(data=Held(held=held), split=scheme, training=training).effective()
            for held in (3, 2)
        ]
        for scheme in (RandomSplit(), Given())
    )
    assert drawn[0] == drawn[1]
    assert given[0] != given[1]
    assert drawn[0].sizes == drawn[1].sizes == Sizes(12, 4, 4)


@dataclass(frozen=True, kw_only=True)
class Held(Few):
    """Twenty examples, of which a setting holds out some."""

    classes: tuple[int, ...] = (0, 1) * 10

    def pooled(self) -> Held:
        return replace(self, held=2)
