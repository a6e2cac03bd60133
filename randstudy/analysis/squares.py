"""Mean squares of a complete crossed table, the raw material of every crossed estimate."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Term = tuple[int, ...]
"""Axes that an effect or interaction is of, ascending."""


def mean_squares(table: NDArray[np.float64]) -> dict[Term, tuple[float, int]]:
    """Return (mean square, degrees of freedom) of each non-empty set of axes.

    Parameters
    ----------
    table : (k1, k2, …) complete, one value an entry, every k at least 2.

    Returns
    -------
    Terms from single axes up to the interaction of all; their sums of squares add up to that about
    the grand mean (Searle, Casella & McCulloch, Variance Components, 1992, chapter 4).
    """
    axes = range(table.ndim)
    means: dict[Term, NDArray[np.float64]] = {}
    effects: dict[Term, NDArray[np.float64]] = {}
    found: dict[Term, tuple[float, int]] = {}
    for size in range(table.ndim + 1):
        for term in combinations(axes, size):
            rest = tuple(axis for axis in axes if axis not in term)
            means[term] = table.mean(axis=rest, keepdims=True) if rest else table
            effect = means[term]
            for inner in (one for less in range(size) for one in combinations(term, less)):
                effect = effect - effects[inner]
            effects[term] = effect
            if term:
                degrees = int(np.prod([table.shape[axis] - 1 for axis in term]))
                squares = float((effect**2).sum()) * (table.size / effect.size)
                found[term] = (squares / degrees, degrees)
    return found


def squared_error(table: NDArray[np.float64]) -> tuple[float, int]:
    """Return the squared standard error of a crossed table's grand mean, and degrees of freedom.

    For one axis that is s^2 / n on n - 1. For crossed random axes the ANOVA estimate of the
    variance of the mean is the alternating sum of mean squares over the number of entries: for two
    (MS_a + MS_b - MS_ab) / (k_a k_b). It may be small or negative by chance, so no mean square may
    be larger; degrees of freedom are those of the shortest axis, which keeps false alarms below the
    nominal level.
    """
    squares = mean_squares(table)
    signed = sum((-1) ** (len(term) + 1) * ms for term, (ms, _) in squares.items())
    largest = max([signed, *(ms for ms, _ in squares.values())])
    return largest / table.size, min(table.shape) - 1
