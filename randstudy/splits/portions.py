"""How many examples a setting means, and how they are shared out over classes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]

DEVIATIONS = 6
"""A random sample holds this many standard deviations fewer of a class than expected only about
once in a billion draws."""


def portion(value: float, total: int) -> int:
    """Return how many of `total` examples a setting means: below 1 a share, else a number.

    A share is rounded to the nearest number, halves up.

    >>> portion(0.2, 1797), portion(360, 1797)
    (359, 360)
    """
    return math.floor(value * total + 0.5) if value < 1 else int(value)


def unwhole(name: str, value: float | None) -> list[tuple[str, str]]:
    """Return the problem of a setting that is no share, nor a whole number from 2 up."""
    if value == 1:
        return [(name, "is 1: a share is below 1, a number of examples above; all is null")]
    if value is None or value < 1 or value == int(value):
        return []
    return [(name, f"{value:g} is neither a share below 1 nor a whole number of examples")]


def shared_out(counts: Counts, total: int) -> Counts:
    """Return (K,) numbers in proportion to `counts` with sum `total`, by largest remainders.

    Of equal remainders that of the lower class comes first. No class gives more than it has, as
    long as `total` is at most their sum. Integers all through.
    """
    whole = int(counts.sum())
    found, remainders = np.divmod(counts * total, max(whole, 1))
    order = np.argsort(-remainders, kind="stable")
    found[order[: total - int(found.sum())]] += 1
    return found


def dependable(counts: Counts, drawn: int, *, replacement: bool = False) -> Counts:
    """Return (K,) how many of each class a random sample of `drawn` examples can be counted on for.

    `DEVIATIONS` standard deviations below the mean of the hypergeometric distribution, or of the
    binomial one for draws with replacement; never below 0.
    """
    total = max(2, int(counts.sum()))
    share = counts / total
    variance = drawn * share * (1 - share)
    if not replacement:
        variance *= (total - drawn) / (total - 1)
    least = np.floor(drawn * share - DEVIATIONS * np.sqrt(variance) + 1e-9)
    found: Counts = np.maximum(least, 0).astype(np.int64)
    return found


def profile(counts: Counts, ratio: float) -> Counts:
    """Return (K,) numbers that fall exponentially from the first class to the last.

    ``n_k = floor(n_0 * ratio**(k / (K - 1)))`` (Cui, Jia, Lin, Song & Belongie 2019, "Class-
    balanced loss based on effective number of samples"), with the largest n_0 that asks no class
    for more than its `counts`.
    """
    decline = ratio ** (np.arange(len(counts)) / max(1, len(counts) - 1))
    first = int(np.min(np.floor((counts + 1e-9) / decline)))
    found: Counts = np.floor(first * decline + 1e-9).astype(np.int64)
    return np.minimum(found, counts)


def numbers_of(targets: NDArray[Any], classes: int) -> Counts:
    """Return (K,) how often each class stands in `targets`."""
    return np.bincount(targets.astype(np.int64), minlength=classes).astype(np.int64)
