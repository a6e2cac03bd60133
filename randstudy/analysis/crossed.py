"""Crossed tables: effects within them, how alike they move, and what part has no gaps."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

ROUNDING = 1e-13
"""Effects this small beside the largest value are the rounding of sums."""


def effect(table: NDArray[np.float64], term: Iterable[int]) -> NDArray[np.float64]:
    """Return the effects of a term of a complete table, (k, …) with 1 for axes not in it."""
    term = tuple(term)
    rest = tuple(axis for axis in range(table.ndim) if axis not in term)
    found = table.mean(axis=rest, keepdims=True) if rest else table
    for axis in term:
        found = found - found.mean(axis=axis, keepdims=True)
    return found


def sphericity(effects: NDArray[np.float64], p: int, n: int, *, cautious: bool = False) -> float:
    """Return epsilon, the share of degrees of freedom that unequal covariances leave.

    Parameters
    ----------
    effects : (treatments, replicates) interaction effects: rows and columns sum to zero.
    p : degrees of freedom of the treatments.
    n : degrees of freedom of the replicates.
    cautious : never too large on average, which tests need; otherwise nearly free of bias.

    Returns
    -------
    Between 1 / p and 1, which is for covariances that are spherical; NaN for n below 2 or no
    spread. Box's epsilon is tr(S)^2 / (p tr(S^2)) of the covariance S. The cautious estimate puts
    the sample's in (Greenhouse & Geisser, Psychometrika, 1959), the other estimates of the traces
    that are free of bias (Huynh & Feldt, J. Educational Statistics, 1976, corrected by Lecoutre,
    ibid., 1991).
    """
    if n < 2 or not (effects**2).sum() > 0:
        return float("nan")
    small = effects @ effects.T if len(effects) <= effects.shape[1] else effects.T @ effects
    small = small / np.trace(small)
    square = float((small**2).sum())
    above, below = (1.0, p * square) if cautious else (n + 1 - 2 * square, p * (n * square - 1))
    return float(np.clip(above / below, 1 / p, 1.0)) if below > 0 else 1.0


def complete_part(
    table: NDArray[np.float64], hold: Iterable[int] = ()
) -> list[NDArray[np.intp]] | None:
    """Return what to keep of each axis so that no entry is NaN, None if too little is left.

    The slices with the largest share of gaps go first. Every axis of replicates keeps two levels,
    that of cells (the first) one; axes to `hold` keep all.
    """
    kept = [np.arange(k) for k in table.shape]
    free = [axis for axis in range(table.ndim) if axis not in set(hold)]
    gaps = np.isnan(table)
    while gaps.any():
        shares = {axis: gaps.mean(axis=_without(gaps.ndim, axis)) for axis in free}
        worst = max(free, key=lambda axis: (float(shares[axis].max()), -axis))
        stay = shares[worst] < shares[worst].max()
        if stay.sum() < (2 if worst else 1):
            return None
        kept[worst] = kept[worst][stay]
        gaps = np.compress(stay, gaps, axis=worst)
    return kept


def _without(count: int, axis: int) -> tuple[int, ...]:
    return tuple(other for other in range(count) if other != axis)
