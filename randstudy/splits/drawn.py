"""Splits that pool all examples of a data set and draw train, validation and test from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from randstudy import streams
from randstudy.parts import Range
from randstudy.splits.portions import (
    Counts,
    dependable,
    portion,
    shared_out,
    unwhole,
)
from randstudy.splits.scheme import Splitting, class_counts, unknown_classes
from randstudy.tasks import Data, Sizes, Split
from randstudy.tasks.parting import cut


@dataclass(frozen=True, kw_only=True)
class Drawn(Splitting):
    """Pools all examples; those that neither validate nor test train."""

    validation: Annotated[
        float, Range(above=0), "examples to validate: below 1 a share, else a number"
    ] = 0.2
    test: Annotated[float, Range(above=0), "examples to test: below 1 a share, else a number"] = 0.2

    def streams(self) -> frozenset[str]:
        """The split is drawn."""
        return frozenset({"split"})

    def problems(self) -> list[tuple[str, str]]:
        """Numbers of examples are whole, and shares leave something to train on."""
        found = super().problems()
        found += unwhole("validation", self.validation) + unwhole("test", self.test)
        if not found and self.validation < 1 and self.test < 1 and self.validation + self.test >= 1:
            both = f"{self.validation:g} and {self.test:g}"
            found.append(("validation", f"with test these are {both}: nothing is left to train on"))
        return found

    def whole(self, data: Data) -> Sizes:
        """Return the settings as numbers of this data set's examples."""
        total = data.sizes().total
        validation, test = portion(self.validation, total), portion(self.test, total)
        return Sizes(total - validation - test, validation, test)

    def misfits_whole(self, data: Data) -> list[tuple[str, str]]:
        """Every part needs an example."""
        sizes = self.whole(data)
        for name in ("validation", "test"):
            if getattr(sizes, name) < 1:
                share = f"{getattr(self, name):g} of {data.sizes().total} examples is none"
                return [(name, share)]
        if sizes.train < 1:
            held = f"{sizes.validation} to validate and {sizes.test} to test"
            return [("", f"{held} leave nothing of {data.sizes().total} examples to train on")]
        return []

    def dependable(self, data: Data) -> Counts:
        """Return what a random sample can be counted on for."""
        return dependable(class_counts(data), self.whole(data).train)


@dataclass(frozen=True, kw_only=True)
class RandomSplit(Drawn, name="random"):
    """A permutation of all examples, cut in three, whatever their classes."""

    def draw(self, data: Data, seed: int, replicate: int) -> Split:
        """Return train in the permutation's order, validation and test sorted."""
        sizes = self.whole(data)
        rows = streams.permutations([streams.key(seed, "split", replicate)], sizes.total, epoch=0)
        return cut(rows[0], sizes)


@dataclass(frozen=True, kw_only=True)
class Stratified(Drawn, name="stratified"):
    """As random, but each part has the proportions of the classes, by largest remainders."""

    @property
    def even(self) -> bool:
        """A part of the training examples has these proportions too."""
        return True

    def misfits_whole(self, data: Data) -> list[tuple[str, str]]:
        """Every class needs an example to train on."""
        message = unknown_classes(data)
        if message:
            return [("", f"{message}; split: random takes no heed of them")]
        found = super().misfits_whole(data)
        if found:
            return found
        train = self.dependable(data)
        if (train < 1).any():
            few = int(np.argmin(train))
            there = int(class_counts(data)[few])
            return [("", f"class {few} has {there} examples, which leaves none to train on")]
        return []

    def dependable(self, data: Data) -> Counts:
        """Return the training examples of each class, the same in every split."""
        validation, test = self._parts(data)
        return class_counts(data) - validation - test

    def draw(self, data: Data, seed: int, replicate: int) -> Split:
        """Return train in the permutation's order, validation and test sorted."""
        sizes = self.whole(data)
        key = streams.key(seed, "split", replicate)
        rows = streams.permutations([key], sizes.total, epoch=0)[0]
        classes = data.targets(streams.key(0, "data", 0))[rows].astype(np.int64)
        validation, test = self._parts(data)
        place = np.empty(len(rows), np.int64)
        for label in range(len(test)):
            own = np.flatnonzero(classes == label)
            place[own] = np.arange(len(own))
        tests = place < test[classes]
        validates = ~tests & (place < (test + validation)[classes])
        train = rows[~tests & ~validates]
        return Split(train, np.sort(rows[validates]), np.sort(rows[tests]))

    def _parts(self, data: Data) -> tuple[Counts, Counts]:
        """Return (K,) how many examples of each class validate, and how many test."""
        sizes, counts = self.whole(data), class_counts(data)
        test = shared_out(counts, sizes.test)
        return shared_out(counts - test, sizes.validation), test


@dataclass(frozen=True, kw_only=True)
class KFold(Splitting, name="k_fold"):
    """k folds of equal size: replicate r tests on fold r % k of repetition r // k.

    Examples that fill no fold always train. `validation` examples are taken from those that would
    train: those of the next fold in turn, and so on.
    """

    k: Annotated[int, Range(least=2), "folds"] = 5
    validation: Annotated[
        float, Range(above=0), "of the examples that do not test: below 1 a share, else a number"
    ] = 0.2

    def streams(self) -> frozenset[str]:
        """The folds are drawn."""
        return frozenset({"split"})

    def problems(self) -> list[tuple[str, str]]:
        """Numbers of examples are whole."""
        return super().problems() + unwhole("validation", self.validation)

    def whole(self, data: Data) -> Sizes:
        """Return a fold to test, and the settings' part of the rest to validate."""
        total = data.sizes().total
        test = total // self.k
        validation = portion(self.validation, total - test)
        return Sizes(total - test - validation, validation, test)

    def misfits_whole(self, data: Data) -> list[tuple[str, str]]:
        """Every part needs an example."""
        sizes = self.whole(data)
        if sizes.test < 1:
            return [("k", f"{self.k} folds of {data.sizes().total} examples leave some empty")]
        if sizes.validation < 1 or sizes.train < 1:
            rest = sizes.train + sizes.validation
            return [("validation", f"{self.validation:g} of {rest} examples leaves a part empty")]
        return []

    def dependable(self, data: Data) -> Counts:
        """Return what a random sample can be counted on for."""
        return dependable(class_counts(data), self.whole(data).train)

    def draw(self, data: Data, seed: int, replicate: int) -> Split:
        """Return train in the permutation's order, validation and test sorted."""
        repetition, fold = divmod(replicate, self.k)
        sizes = self.whole(data)
        key = streams.key(seed, "split", repetition)
        rows = streams.permutations([key], sizes.total, epoch=0)[0]
        folded = self.k * sizes.test
        turned = np.roll(rows[:folded], -fold * sizes.test)
        test, others = turned[: sizes.test], np.concatenate([turned[sizes.test :], rows[folded:]])
        train, validation = others[sizes.validation :], others[: sizes.validation]
        return Split(train, np.sort(validation), np.sort(test))


@dataclass(frozen=True, kw_only=True)
class Bootstrap(Drawn, name="bootstrap"):
    """As many draws with replacement as there are examples train; those not drawn are tested on.

    About 37 in a hundred examples are not drawn. `test` of them test and `validation` of them
    validate, the same numbers in every replicate.
    """

    validation: Annotated[
        float, Range(above=0), "examples to validate: below 1 a share of all, else a number"
    ] = 0.1
    test: Annotated[
        float, Range(above=0), "examples to test: below 1 a share of all, else a number"
    ] = 0.2

    def whole(self, data: Data) -> Sizes:
        """Return as many draws as there are examples, and the settings."""
        total = data.sizes().total
        return Sizes(total, portion(self.validation, total), portion(self.test, total))

    def misfits_whole(self, data: Data) -> list[tuple[str, str]]:
        """No more may be asked for than is left out half of the time."""
        found = super().misfits_whole(data)
        sizes = self.whole(data)
        most = int(sizes.train * (1 - 1 / sizes.train) ** sizes.train) if sizes.train else 0
        if not found and sizes.validation + sizes.test > most:
            held = f"{sizes.validation} to validate and {sizes.test} to test"
            left = f"a bootstrap sample of {sizes.train} leaves out about {most}"
            return [("test", f"{held} are too many: {left}")]
        return found

    def dependable(self, data: Data) -> Counts:
        """Return what draws with replacement can be counted on for."""
        return dependable(class_counts(data), self.whole(data).train, replacement=True)

    def draw(self, data: Data, seed: int, replicate: int) -> Split:
        """Return train in the order of its draws, validation and test sorted.

        A sample that leaves out too few is drawn again.
        """
        sizes = self.whole(data)
        key = streams.key(seed, "split", replicate)
        site, attempt = streams.site("split.bootstrap"), 0
        while True:
            train = streams.choices([key], sizes.train, epoch=attempt, site=site)[0]
            left = np.setdiff1d(np.arange(sizes.train, dtype=np.int64), train)
            if len(left) >= sizes.validation + sizes.test:
                break
            attempt += 1
        left = left[streams.permutations([key], len(left), epoch=0)[0]]
        test, validation = left[: sizes.test], left[sizes.test :][: sizes.validation]
        return Split(train, np.sort(validation), np.sort(test))
