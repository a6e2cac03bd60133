"""Mean squares of a complete crossed table, the raw material of every crossed estimate."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from randstudy.analysis.crossed import effect

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
    found: dict[Term, tuple[float, int]] = {}
    for size in range(1, table.ndim + 1):
        for term in combinations(range(table.ndim), size):
            own = effect(table, term)
            degrees = int(np.prod([table.shape[axis] - 1 for axis in term]))
            found[term] = (float((own**2).sum()) * (table.size / own.size) / degrees, degrees)
    return found


def guarded(squares: Mapping[Term, float]) -> float:
    """Return the mean square that the error of a mean over crossed random axes comes from.

    The alternating sum of all mean squares, MS_a + MS_b - MS_ab for two axes, is the unbiased
    estimate; it may be small or negative by chance, so no mean square may be larger.
    """
    signed = sum((-1) ** (len(term) + 1) * square for term, square in squares.items())
    return float(max(signed, *squares.values()))


def squared_error(table: NDArray[np.float64]) -> tuple[float, int]:
    """Return the squared standard error of a crossed table's grand mean, and degrees of freedom.

    For one axis that is s^2 / n on n - 1. For crossed random axes the guarded mean square over the
    number of entries; degrees of freedom are those of the shortest axis, which keeps false alarms
    below the nominal level.
    """
    squares = {term: square for term, (square, _) in mean_squares(table).items()}
    return guarded(squares) / table.size, min(table.shape) - 1
