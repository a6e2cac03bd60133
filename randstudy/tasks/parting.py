"""Data sets' own splits: the one that files give, and the one that is drawn."""

from __future__ import annotations

import numpy as np

from randstudy.streams import Key, permutations
from randstudy.tasks.task import Sizes, Split

SHARE = 0.2
"""Of the examples of a data set without a split of its own: to validate, and again to test."""


def consecutive(sizes: Sizes) -> Split:
    """Return consecutive rows: train, then validation, then test; nothing is drawn."""
    rows = np.arange(sizes.total, dtype=np.int64)
    train, validation, test = np.split(rows, [sizes.train, sizes.train + sizes.validation])
    return Split(train, validation, test)


def drawn(key: Key, sizes: Sizes) -> Split:
    """Return train in the order of a permutation of all rows, validation and test sorted."""
    rows = permutations([key], sizes.total, epoch=0)[0]
    train, validation, test = np.split(rows, [sizes.train, sizes.train + sizes.validation])
    return Split(train, np.sort(validation), np.sort(test))


def shares(count: int) -> Sizes:
    """Return the sizes of a drawn split of `count` examples: about 60, 20 and 20 in a hundred."""
    part = max(1, round(SHARE * count))
    return Sizes(count - 2 * part, part, part)
