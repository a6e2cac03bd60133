"""Whether two factors add up: mean of each pair of levels, and what adding them misses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from randstudy.analysis.intervals import LEVEL, Interval, around, mean_interval
from randstudy.analysis.layout import Layout, layout_of
from randstudy.errors import RandstudyError

COLUMNS = (
    *("factor_a", "level_a", "factor_b", "level_b", "n", "mean", "low", "high", "interaction"),
    *("method", "interaction_low", "interaction_high", "note"),
)


def interactions(
    data: pd.DataFrame | Layout,
    a: str,
    b: str,
    metric: str | None = None,
    *,
    factors: Sequence[str] | None = None,
    replicates: Sequence[str] | None = None,
    maximize: bool | None = None,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Set two factors against each other, averaged over all others.

    Parameters
    ----------
    data : a row a trial, or a layout of it.
    a, b : two factors.
    metric, factors, replicates, maximize : see `randstudy.analysis.roles.roles`.
    level : of the intervals.

    Returns
    -------
    A row a pair of levels: n (replicates; trainings where none are shared), mean with interval low
    and high, and interaction: the mean less what a's and b's levels would give if they added up
    (mean of a's level + mean of b's - mean of all), with its interval, in the metric's units. Both
    are formed within each replicate where cells share them, so luck that all cells share is not in
    the interval of the interaction.

    Raises
    ------
    RandstudyError
        `a` or `b` is no factor, or they are the same.
    """
    layout = layout_of(data, metric, factors=factors, replicates=replicates, maximize=maximize)
    for name in (a, b):
        if name not in layout.roles.factors:
            known = ", ".join(layout.roles.factors) or "none"
            raise RandstudyError(f"{name!r} is no factor here; factors are {known}")
    if a == b:
        raise RandstudyError(f"an interaction is of two factors, not of {a} twice")
    found = [pd.factorize(layout.cells[name], use_na_sentinel=False) for name in (a, b)]
    codes, levels = [one[0] for one in found], [list(one[1]) for one in found]
    member = _members(codes[0] * len(levels[1]) + codes[1], len(levels[0]) * len(levels[1]))
    weights = _additive(member, len(levels[0]), len(levels[1]))
    estimate = _paired if layout.paired else _independent
    means, beyond = estimate(layout, member, level), estimate(layout, weights, level)
    rows = []
    pairs = [(one, two) for one in levels[0] for two in levels[1]]
    for (one, two), mean, rest in zip(pairs, means, beyond, strict=True):
        row = {"factor_a": a, "level_a": one, "factor_b": b, "level_b": two}
        rows.append(row | _row(mean, rest))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(mean: Interval, beyond: Interval) -> dict[str, Any]:
    told = "; ".join(dict.fromkeys(one.note for one in (mean, beyond) if one.note))
    return {
        "n": mean.n,
        "mean": mean.estimate,
        "low": mean.low,
        "high": mean.high,
        "interaction": beyond.estimate,
        "method": mean.method,
        "interaction_low": beyond.low,
        "interaction_high": beyond.high,
        "note": told,
    }


def _members(pair: NDArray[np.intp], pairs: int) -> NDArray[np.float64]:
    """Return (pairs of levels, cells) weights that average the cells of each pair."""
    member = np.zeros((pairs, len(pair)))
    member[pair, np.arange(len(pair))] = 1.0
    counts = member.sum(1, keepdims=True)
    return np.asarray(member / np.where(counts > 0, counts, 1.0), np.float64)


def _additive(member: NDArray[np.float64], rows: int, columns: int) -> NDArray[np.float64]:
    """Return weights of each pair's interaction: it, less row and column means, plus the mean.

    All NaN where some pair of levels has no cell, as nothing then says what adding up would give.
    """
    if not member.any(1).all():
        return np.full_like(member, np.nan)
    grid = member.reshape(rows, columns, -1)
    left = grid - grid.mean(1, keepdims=True) - grid.mean(0, keepdims=True)
    return np.asarray((left + grid.mean((0, 1))).reshape(len(member), -1), np.float64)


def _paired(layout: Layout, weights: NDArray[np.float64], level: float) -> list[Interval]:
    """Return weighted sums of cells, formed within each replicate."""
    table = layout.table()
    return [_within(table, row, level) for row in weights]


def _within(table: NDArray[np.float64], weights: NDArray[np.float64], level: float) -> Interval:
    if not np.isfinite(weights).all():
        return Interval(estimate=math.nan, note="some pairs of levels were not trained")
    used = np.flatnonzero(weights)
    if not len(used):
        return Interval(estimate=math.nan, note="no cell has these levels")
    return mean_interval(np.atleast_1d(np.tensordot(weights[used], table[used], 1)), level)


def _independent(layout: Layout, weights: NDArray[np.float64], level: float) -> list[Interval]:
    """Return weighted sums of cell means, with Welch's error."""
    counts = np.bincount(layout.cell, minlength=len(layout.cells))
    sums = np.bincount(layout.cell, layout.values, minlength=len(counts))
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    left = (layout.values - means[layout.cell]) ** 2
    spread = np.bincount(layout.cell, left, minlength=len(counts)) / np.maximum(counts - 1, 1)
    spread = np.where(counts > 1, spread, np.nan)
    return [_welch(row, means, spread, counts, level) for row in weights]


def _welch(
    weights: NDArray[np.float64],
    means: NDArray[np.float64],
    spread: NDArray[np.float64],
    counts: NDArray[np.int64],
    level: float,
) -> Interval:
    """Return a contrast of independent means (Welch, Biometrika, 1951; Satterthwaite's df)."""
    if not np.isfinite(weights).all():
        return Interval(estimate=math.nan, note="some pairs of levels were not trained")
    used = np.flatnonzero(weights)
    n = int(counts[used].sum())
    if not len(used) or (counts[used] < 1).any():
        return Interval(estimate=math.nan, n=n, note="no training with these levels")
    estimate = float(weights[used] @ means[used])
    if (counts[used] < 2).any():
        return Interval(estimate=estimate, n=n, note="one training in a cell")
    parts = weights[used] ** 2 * spread[used] / counts[used]
    if not parts.sum() > 0:
        return Interval(estimate=estimate, n=n, note="trainings of a cell are all equal")
    df = parts.sum() ** 2 / (parts**2 / (counts[used] - 1)).sum()
    method = "t" if len(used) == 1 else "Welch t"
    return around(estimate, math.sqrt(parts.sum()), float(df), n, method, level)
