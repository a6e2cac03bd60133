"""The data set's own split."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from randstudy import streams
from randstudy.splits.portions import Counts, dependable, numbers_of
from randstudy.splits.scheme import Splitting, class_counts
from randstudy.tasks import Data, Sizes, Split


@dataclass(frozen=True, kw_only=True)
class Given(Splitting, name="given"):
    """The data set's own split: by its files, or drawn as it says."""

    def whole(self, data: Data) -> Sizes:
        """Return the data set's own."""
        return data.sizes()

    def draw(self, data: Data, seed: int, replicate: int) -> Split:
        """Return the data set's own."""
        return data.split(streams.key(seed, "split", replicate))

    def dependable(self, data: Data) -> Counts:
        """Return the classes of the training examples: exactly, if no split is drawn."""
        if "split" in data.streams():
            return dependable(class_counts(data), data.sizes().train)
        return _training_counts(data, data.digest())

    def redraws(self, data: Data) -> bool:
        """As the data set does."""
        return "split" in data.streams()

    def consumes(self, data: Data) -> frozenset[str]:
        """Return what the data set itself consumes, and what is drawn of it."""
        return data.streams() | self.streams()

    def of(self, data: Data) -> Data:
        """Every setting of the data set has its effect."""
        return data


@lru_cache(maxsize=64)
def _training_counts(data: Data, _digest: str) -> Counts:
    """Return (K,) the classes of the training examples of a split that is not drawn."""
    train = data.split(streams.key(0, "split", 0)).train
    targets = data.targets(streams.key(0, "data", 0))
    return numbers_of(targets[train], data.shape().outputs)
