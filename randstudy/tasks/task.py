"""What every data set offers, and the values it is offered in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from randstudy.parts import Part
from randstudy.streams import Key


@dataclass(frozen=True)
class TaskShape:
    """What a model must fit: shape of one input, number of outputs, and what is predicted."""

    inputs: tuple[int, ...]
    outputs: int
    target: Literal["class", "number"]


@dataclass(frozen=True)
class Sizes:
    """Examples in each split."""

    train: int
    validation: int
    test: int

    @property
    def total(self) -> int:
        """All examples."""
        return self.train + self.validation + self.test


@dataclass(frozen=True, eq=False)
class Examples:
    """All examples of a data set: inputs (N, *shape) float32, targets (N,) int64 or float32.

    Arrays may be read-only memory maps shared by the processes of a node.
    """

    inputs: NDArray[np.float32]
    targets: NDArray[np.int64] | NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Split:
    """Row numbers (int64) of the examples in each split; disjoint.

    Only a bootstrap sample holds a row more than once, and only to train on.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Data(Part, kind="data"):
    """A data set with train, validation and test; selection never reads test."""

    @property
    def standardized(self) -> bool:
        """Whether each trial centres and scales inputs by the statistics of its training rows."""
        return False

    @property
    def standardized_target(self) -> bool:
        """Whether numbers to be predicted are centred and scaled likewise."""
        return False

    @property
    def own_table(self) -> bool:
        """Whether trials of unequal splits hold unequal numbers, each in a table of its own."""
        return self.standardized or self.standardized_target

    def shape(self) -> TaskShape:
        """Return the shape that models must fit."""
        raise NotImplementedError

    def sizes(self) -> Sizes:
        """Return the number of examples a split, cheaply: no more than a file's header is read."""
        raise NotImplementedError

    def examples(self, key: Key) -> Examples:
        """Return all examples; `key` of the data stream matters only where it is consumed."""
        raise NotImplementedError

    def targets(self, key: Key) -> NDArray[np.int64] | NDArray[np.float32]:
        """Return the targets of all examples, without their inputs where that is cheaper."""
        return self.examples(key).targets

    def split(self, key: Key) -> Split:
        """Return the rows of each split; `key` of the split stream likewise."""
        raise NotImplementedError

    def digest(self) -> str:
        """Return 32 hex digits over the examples as files or package hold them (provenance)."""
        raise NotImplementedError

    def pooled(self) -> Self:
        """Return the data set with the settings of its own split at their defaults.

        A scheme that splits all examples anew asks for this, as those settings then do nothing.
        """
        return self

    def located(self) -> Self:
        """Return the data set with its files named so that any process of the node finds them."""
        return self
