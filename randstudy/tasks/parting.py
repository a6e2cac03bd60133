"""Data sets' own splits: the one that files give, and the one that is drawn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from randstudy.streams import Key, permutations
from randstudy.tasks.task import Sizes, Split

SHARE = 0.2
"""Of the examples of a data set without a split of its own: to validate, and again to test."""


def consecutive(sizes: Sizes) -> Split:
    """Return consecutive rows: train, then validation, then test; nothing is drawn."""
    return cut(np.arange(sizes.total, dtype=np.int64), sizes)


def drawn(key: Key, sizes: Sizes) -> Split:
    """Return train in the order of a permutation of all rows, validation and test sorted."""
    return cut(permutations([key], sizes.total, epoch=0)[0], sizes)


def cut(rows: NDArray[np.int64], sizes: Sizes) -> Split:
    """Return the first rows to train in their order, the next to validate, the last to test."""
    train, validation, test = np.split(rows, [sizes.train, sizes.train + sizes.validation])
    return Split(train, np.sort(validation), np.sort(test))


def shares(count: int) -> Sizes:
    """Return the sizes of a drawn split of `count` examples: about 60, 20 and 20 in a hundred."""
    part = max(1, round(SHARE * count))
    return Sizes(count - 2 * part, part, part)
