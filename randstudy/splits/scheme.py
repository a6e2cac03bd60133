"""What every way of splitting a data set offers, and what of the training part is kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from randstudy import streams
from randstudy.errors import RandstudyError
from randstudy.parts import Part, Range
from randstudy.splits.portions import Counts, numbers_of, portion, profile, unwhole
from randstudy.streams import Key
from randstudy.tasks import Data, Sizes, Split


@dataclass(frozen=True, kw_only=True)
class Splitting(Part, kind="split"):
    """A way to split a data set, and what of its training part is kept.

    A subclass says what the whole parts are: `whole`, `draw`, `dependable`, `misfits_whole`. Sizes
    never depend on the replicate, so that trials of one study fit into one pack.
    """

    train_size: Annotated[
        float | None,
        Range(above=0),
        "training examples kept: below 1 a share, else a number; null: all",
    ] = None
    imbalance: Annotated[
        float | None,
        Range(above=0, most=1),
        "examples of the last class over those of the first, exponential between; null: as it is",
    ] = None

    def whole(self, data: Data) -> Sizes:
        """Return the examples in each part before any of the training part is left out."""
        raise NotImplementedError

    def draw(self, data: Data, seed: int, replicate: int) -> Split:
        """Return the rows of each part before any of the training part is left out."""
        raise NotImplementedError

    def dependable(self, data: Data) -> Counts:
        """Return (K,) how many examples of each class every whole training part holds."""
        raise NotImplementedError

    def misfits_whole(self, data: Data) -> list[tuple[str, str]]:
        """Return (field, message) where the whole parts cannot be made of this data."""
        return []

    @property
    def even(self) -> bool:
        """Whether a kept part of the training examples has the classes' proportions."""
        return self.imbalance is not None

    def redraws(self, data: Data) -> bool:
        """Tell whether another replicate tests on other examples of the same data."""
        return "split" in self.streams()

    def streams(self) -> frozenset[str]:
        """What is kept is drawn."""
        kept = self.train_size is not None or self.imbalance is not None
        return frozenset({"split"}) if kept else frozenset()

    def consumes(self, data: Data) -> frozenset[str]:
        """Return the streams that data and split consume together."""
        return (data.streams() - {"split"}) | self.streams()

    def of(self, data: Data) -> Data:
        """Return the data set without settings that this scheme leaves without effect."""
        return data.pooled()

    def problems(self) -> list[tuple[str, str]]:
        """A number of examples is whole."""
        return unwhole("train_size", self.train_size)

    def misfits(self, data: Data) -> list[tuple[str, str]]:
        """Return (field, message) where the scheme cannot split this data."""
        return self.misfits_whole(data) or self._misfits_kept(data)

    def sizes(self, data: Data) -> Sizes:
        """Return the number of examples in each part, equal for all replicates."""
        whole = self.whole(data)
        if self.imbalance is not None:
            whole = replace(whole, train=int(self._profile(data).sum()))
        if self.train_size is not None:
            whole = replace(whole, train=portion(self.train_size, whole.train))
        return whole

    def rows(self, data: Data, seed: int, replicate: int) -> Split:
        """Return the rows of each part at a replicate of the `split` stream.

        Raises
        ------
        RandstudyError
            A training part drew fewer of a class than could be expected; about once in a billion.
        """
        split = self.draw(data, seed, replicate)
        if self.train_size is None and self.imbalance is None:
            return split
        kept = self._order(data, split.train, streams.key(seed, "split", replicate))
        return replace(split, train=kept[: self.sizes(data).train])

    def _order(self, data: Data, train: NDArray[np.int64], key: Key) -> NDArray[np.int64]:
        """Return training rows in the order in which they are kept, so that sizes nest."""
        words = streams.words([key], site=streams.site("split.kept"), count=len(train))[0]
        shuffled = train[np.argsort(words, kind="stable")]
        if not self.even:
            return shuffled
        classes = data.targets(streams.key(0, "data", 0))[shuffled].astype(np.int64)
        present = numbers_of(classes, data.shape().outputs)
        wanted = present if self.imbalance is None else self._profile(data)
        if (present < wanted).any():
            few = int(np.argmax(present < wanted))
            raise RandstudyError(
                f"this split drew {present[few]} training examples of class {few}, fewer than "
                f"the {wanted[few]} that imbalance {self.imbalance} asks for; split by `stratified`"
            )
        return _evenly(shuffled, classes, wanted)

    def _profile(self, data: Data) -> Counts:
        """Return (K,) examples of each class that imbalance keeps."""
        assert self.imbalance is not None
        return profile(self.dependable(data), self.imbalance)

    def _misfits_kept(self, data: Data) -> list[tuple[str, str]]:
        if self.imbalance is not None:
            message = unknown_classes(data)
            if message:
                return [("imbalance", message)]
            kept = self._profile(data)
            if (kept < 1).any():
                few = int(np.argmin(kept))
                there = self.dependable(data)
                return [
                    (
                        "imbalance",
                        f"{self.imbalance:g} leaves class {few} without a training example (every "
                        f"split has at least {int(there.min())} of each class); give a larger one",
                    )
                ]
        if self.train_size is None:
            return []
        whole = replace(self, train_size=None).sizes(data).train
        if 1 <= portion(self.train_size, whole) <= whole:
            return []
        return [("train_size", f"{self.train_size:g} of {whole} training examples is no part")]


def unknown_classes(data: Data) -> str | None:
    """Say why the classes of a data set's examples cannot be counted beforehand, if they cannot."""
    if data.shape().target != "class":
        return f"{data.name} has no classes"
    if "data" in data.streams():
        return f"{data.name} draws its examples anew, so that its classes cannot be counted"
    return None


def class_counts(data: Data) -> Counts:
    """Return (K,) how many examples of each class a data set has, all parts together."""
    return _counts(data, data.digest())


@lru_cache(maxsize=64)
def _counts(data: Data, _digest: str) -> Counts:
    return numbers_of(data.targets(streams.key(0, "data", 0)), data.shape().outputs)


def _evenly(
    rows: NDArray[np.int64], classes: NDArray[np.int64], wanted: Counts
) -> NDArray[np.int64]:
    """Return the first `wanted` rows of each class, spread so that every prefix has their shares.

    The j-th of n rows of a class stands at (j + 1/2) / n; classes at one place in their order.
    """
    found, places, labels = [], [], []
    for label, count in enumerate(wanted.tolist()):
        own = rows[classes == label][:count]
        found.append(own)
        places.append((np.arange(count) + 0.5) / max(1, count))
        labels.append(np.full(count, label))
    order = np.lexsort((np.concatenate(labels), np.concatenate(places)))
    return np.concatenate(found)[order]
