"""Where two mean curves cross: from which step on the one that ends ahead is ahead."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from randstudy.analysis.intervals import LEVEL, mean_interval
from randstudy.analysis.joined import CROSSED
from randstudy.analysis.layout import Layout
from randstudy.analysis.points import Points, points
from randstudy.errors import RandstudyError

COLUMNS = ("a", "b", "step", "low", "high", "n", "method", "note", "ahead", "crossings")

MOST_PAIRS = 5_000

Band = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], str, str, str]
"""Mean difference with its low and high ends at each step, n, method and note."""


def crossings(
    frame: pd.DataFrame,
    curve_frame: pd.DataFrame,
    metric: str,
    *,
    pairs: Sequence[tuple[Any, Any]] | None = None,
    factors: Sequence[str] | None = None,
    replicates: Sequence[str] | None = None,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Return the last step at which the mean curves of two cells cross.

    The interval holds the steps around the crossing at which the Student t interval of the mean
    difference contains zero, interpolated between evaluations: at the true crossing the mean
    difference is zero, so a pointwise interval that holds zero there in 95 % of studies is one for
    the crossing too (Fieller's argument, JRSS B, 1954). Replicates that both cells have are pairs,
    else the interval is Welch's. Unlike a bootstrap it holds its level at few seeds.

    Parameters
    ----------
    pairs : labels of cells; when None all pairs.

    Returns
    -------
    Columns a, b, step (NaN where the means do not cross), low and high (infinite where they are
    never told apart on that side), n, method, note, ahead (the cell with the larger mean after the
    crossing), crossings (how often the means cross in all).

    Raises
    ------
    RandstudyError
        No such cell, or more than `MOST_PAIRS` pairs.
    """
    laid = points(curve_frame, metric)
    layout = laid.layout(frame, factors=factors, replicates=replicates)
    labels = layout.cells["cell"].tolist()
    count = len(labels)
    if pairs is None and count * (count - 1) // 2 > MOST_PAIRS:
        raise RandstudyError(f"{count:,} cells are too many to be crossed two by two; name pairs")
    for label in (one for pair in pairs or () for one in pair if one not in labels):
        raise RandstudyError(f"there is no cell {label!r}")
    chosen = combinations(labels, 2) if pairs is None else pairs
    rows = []
    for a, b in chosen:
        steps, band = _band(laid, layout, labels.index(a), labels.index(b), level)
        rows.append({"a": a, "b": b} | _crossing(steps, band, (a, b)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _band(
    laid: Points, layout: Layout, a: int, b: int, level: float
) -> tuple[NDArray[np.int64], Band]:
    """Return steps that both cells have, and the difference of means there."""
    two = layout.select([a, b])
    order = [0, 1] if a < b else [1, 0]
    both = two.table(order) if two.paired and two.axes else np.full((2, 1), np.nan)
    shared = np.isfinite(both).all(0)
    if shared.any():
        some = both if shared.all() else both[:, shared]
        steps, values = laid.table(some.astype(np.int64))
        if both.ndim > 2 and not shared.all():
            nothing = np.full(len(steps), np.nan)
            told = str(int(shared.sum())), "none", "crossed trainings are missing"
            return steps, (_mean(values[0] - values[1]), nothing, nothing, *told)
        return steps, _paired(values[0] - values[1], level)
    sides = [layout.sample(cell).astype(np.int64) for cell in (a, b)]
    steps, values = laid.table(np.concatenate(sides))
    if any(len(layout.consumed(cell)) > 1 for cell in (a, b)):
        count, note = f"{len(sides[0])} and {len(sides[1])}", CROSSED
        nothing = np.full(len(steps), np.nan)
        means = _mean(values[: len(sides[0])]) - _mean(values[len(sides[0]) :])
        return steps, (means, nothing, nothing, count, "none", note)
    return steps, _welch(values[: len(sides[0])], values[len(sides[0]) :], level)


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = values.mean(0) if len(values) else np.full(values.shape[1], np.nan)
    return found


def _paired(difference: NDArray[np.float64], level: float) -> Band:
    """Return the band of differences over replicates, (n, S) or (k1, k2, …, S)."""
    count = " × ".join(str(k) for k in difference.shape[:-1])
    if difference.ndim > 2:
        found = [mean_interval(difference[..., s], level) for s in range(difference.shape[-1])]
        ends = np.array([(one.estimate, one.low, one.high) for one in found]).reshape(-1, 3).T
        return ends[0], ends[1], ends[2], count, "paired crossed t, inverted", ""
    n = len(difference)
    mean = difference.mean(0)
    if n < 2:
        nothing = np.full(len(mean), np.nan)
        return mean, nothing, nothing, count, "none", "one pair"
    reach = special.stdtrit(n - 1, (1 + level) / 2) * difference.std(0, ddof=1) / math.sqrt(n)
    return mean, mean - reach, mean + reach, count, "paired t, inverted", ""


def _welch(a: NDArray[np.float64], b: NDArray[np.float64], level: float) -> Band:
    """Return the band of two independent groups of curves (Welch, Biometrika, 1947)."""
    count, mean = f"{len(a)} and {len(b)}", _mean(a) - _mean(b)
    if min(len(a), len(b)) < 2:
        nothing = np.full(len(mean), np.nan)
        return mean, nothing, nothing, count, "none", "fewer than two trainings in a cell"
    squares = [one.var(0, ddof=1) / len(one) for one in (a, b)]
    whole = squares[0] + squares[1]
    parts = squares[0] ** 2 / (len(a) - 1) + squares[1] ** 2 / (len(b) - 1)
    df = np.divide(whole**2, parts, out=np.ones(len(mean)), where=parts > 0)
    reach = special.stdtrit(df, (1 + level) / 2) * np.sqrt(whole)
    return mean, mean - reach, mean + reach, count, "Welch t, inverted", ""


def _crossing(steps: NDArray[np.int64], band: Band, cells: tuple[Any, Any]) -> dict[str, Any]:
    """Return the last change of sign of a mean difference, with its interval."""
    mean, low, high, count, method, note = band
    row: dict[str, Any] = {"step": math.nan, "low": math.nan, "high": math.nan, "n": count}
    row |= {"method": "none", "ahead": None, "crossings": 0}
    signs = np.sign(mean)
    moved = np.flatnonzero(signs)
    if not len(moved):
        return row | {"note": "no steps in common" if not len(steps) else "the means are equal"}
    final = signs[moved[-1]]
    row |= {"ahead": cells[0] if final > 0 else cells[1]}
    row["crossings"] = int((np.diff(signs[moved]) != 0).sum())
    before = np.flatnonzero(signs == -final)
    if not len(before):
        return row | {"note": "the means do not cross"}
    row["step"] = _root(steps, mean, int(before[-1]))
    if not np.isfinite(low).any():
        return row | {"note": note}
    # With a + sign at the end: the upper end is below zero before, the lower end above it after.
    early, late = (high, low) if final > 0 else (-low, -high)
    told = []
    under = np.flatnonzero((early < 0) & (steps <= row["step"]))
    over = np.flatnonzero((late > 0) & (steps >= row["step"]))
    row["low"] = _root(steps, early, int(under[-1])) if len(under) else -math.inf
    row["high"] = _root(steps, late, int(over[0]) - 1) if len(over) else math.inf
    if not len(under):
        told.append("not told apart before")
    if not len(over):
        told.append("not told apart after")
    return row | {"method": method, "note": "; ".join(told)}


def _root(steps: NDArray[np.int64], values: NDArray[np.float64], place: int) -> float:
    """Return where a line from one step to the next is zero."""
    if place + 1 >= len(steps):
        return float(steps[place])
    start, end = values[place], values[place + 1]
    share = 0.0 if end == start else -start / (end - start)
    return float(steps[place] + min(max(share, 0.0), 1.0) * (steps[place + 1] - steps[place]))
