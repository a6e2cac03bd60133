"""Which examples train, validate and test: ways of splitting a data set.

Every scheme gives three disjoint lists of rows whose sizes are known beforehand and do not depend
on the replicate, so that trials of one study fit into one pack.
"""

from __future__ import annotations

from dataclasses import dataclass

from randstudy import streams
from randstudy.parts import Part
from randstudy.tasks import Data, Sizes, Split


@dataclass(frozen=True, kw_only=True)
class Splitting(Part, kind="split"):
    """A way to split a data set."""

    def sizes(self, data: Data) -> Sizes:
        """Return the number of examples in each split."""
        raise NotImplementedError

    def rows(self, data: Data, seed: int, replicate: int) -> Split:
        """Return the rows of each split at a replicate of the `split` stream."""
        raise NotImplementedError

    def consumes(self, data: Data) -> frozenset[str]:
        """Return the streams that data and split consume together."""
        return (data.streams() - {"split"}) | self.streams()

    def misfits(self, data: Data) -> list[tuple[str, str]]:
        """Return (field of the split, message) where the scheme cannot split this data."""
        return []


@dataclass(frozen=True, kw_only=True)
class Given(Splitting, name="given"):
    """The data set's own split: by its files, or drawn as it says."""

    def sizes(self, data: Data) -> Sizes:
        """Return the data set's own."""
        return data.sizes()

    def rows(self, data: Data, seed: int, replicate: int) -> Split:
        """Return the data set's own."""
        return data.split(streams.key(seed, "split", replicate))

    def consumes(self, data: Data) -> frozenset[str]:
        """Return what the data set itself consumes."""
        return data.streams()
