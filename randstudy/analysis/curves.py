"""Curves: the mean of a metric along training, and how many steps reach a target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats

from randstudy.analysis.intervals import LEVEL, mean_interval
from randstudy.analysis.joined import CROSSED, crossed
from randstudy.analysis.layout import Layout
from randstudy.analysis.points import Points, points
from randstudy.analysis.roles import default_maximize

COLUMNS = ("cell", "step", "epoch", "n", "mean", "low", "high", "method", "sd", "note")
TARGET_COLUMNS = (
    *("cell", "n", "reached", "median_steps", "low", "high", "mean_steps", "method", "note"),
)


def curves(
    frame: pd.DataFrame,
    curve_frame: pd.DataFrame,
    metric: str,
    *,
    factors: Sequence[str] | None = None,
    replicates: Sequence[str] | None = None,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Return the mean of a metric along training in each cell.

    Only steps at which all finished trainings of the cell have a finite value have a row, so that
    no mean moves because its trainings change. Intervals are pointwise: one may miss at some step.

    Parameters
    ----------
    frame : a row a trial and cell, with the column ``trial``.
    curve_frame : columns trial, step, epoch and a column a metric.
    factors, replicates : see `randstudy.analysis.roles.roles`.

    Returns
    -------
    Columns cell, step, epoch (mean), n, mean, low, high, method (as for
    `randstudy.analysis.intervals.mean_interval`), sd, note.
    """
    laid = points(curve_frame, metric)
    layout = laid.layout(frame, factors=factors, replicates=replicates)
    found, values = _moments(laid, layout, level)
    many = crossed(layout)
    if many.any() and len(found):
        _cross(found, values, layout, many, level)
    found["cell"] = layout.cells["cell"].to_numpy()[found["cell"].to_numpy(np.int64)]
    return found[list(COLUMNS)]


def _moments(
    laid: Points, layout: Layout, level: float
) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Return the moments at each complete step of each cell, and the values behind them.

    Cells are numbers. Values come a step after the other, in the layout's order of trainings.
    """
    row, point = laid.of(layout)
    finite = np.isfinite(laid.value[point])
    row, point = row[finite], point[finite]
    code, steps = pd.factorize(laid.step[point], sort=True)
    key = layout.cell[row] * max(1, len(steps)) + code
    order = np.argsort(key, kind="stable")
    key, point = key[order], point[order]
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    counts = np.diff(starts, append=len(key))
    cell, code = np.divmod(key[starts], max(1, len(steps)))
    whole = counts == np.bincount(layout.cell, minlength=len(layout.cells))[cell]
    point = point[np.repeat(whole, counts)]
    cell, code, n = cell[whole], code[whole], counts[whole]
    values = laid.value[point]
    starts = np.cumsum(n) - n
    table = pd.DataFrame({"cell": cell, "step": np.asarray(steps, np.int64)[code], "n": n})
    table["epoch"] = _means(laid.epoch[point], starts, n)[0]
    return table.assign(**_student(values, starts, n, level)), values


def _sums(values: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.add.reduceat(values, starts) if len(starts) else np.empty(0)
    return found


def _means(
    values: NDArray[np.float64], starts: NDArray[np.int64], n: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the mean of each run, exact where all values are equal, and whether they are."""
    equal = np.ones(len(starts), bool)
    if len(starts):
        equal = np.maximum.reduceat(values, starts) == np.minimum.reduceat(values, starts)
    return np.where(equal, values[starts], _sums(values, starts) / n), equal


def _student(
    values: NDArray[np.float64], starts: NDArray[np.int64], n: NDArray[np.int64], level: float
) -> dict[str, Any]:
    """Return mean, sd and Student t interval of many runs of values, none where all are equal."""
    mean, equal = _means(values, starts, n)
    squares = _sums((values - np.repeat(mean, n)) ** 2, starts)
    sd = np.where(n > 1, np.sqrt(np.where(equal, 0, squares) / np.maximum(n - 1, 1)), np.nan)
    known = (n > 1) & ~equal
    reach = special.stdtrit(np.maximum(n - 1, 1), (1 + level) / 2) * sd / np.sqrt(n)
    reach = np.where(known, reach, np.nan)
    told = np.where(n > 1, "all values are equal", "one training")
    return {
        "mean": mean,
        "sd": sd,
        "low": mean - reach,
        "high": mean + reach,
        "method": np.where(known, "t", "none").astype(object),
        "note": np.where(known, "", told).astype(object),
    }


def _cross(
    found: pd.DataFrame,
    values: NDArray[np.float64],
    layout: Layout,
    many: NDArray[np.bool_],
    level: float,
) -> None:
    """Replace the intervals of cells whose streams were crossed."""
    n = found["n"].to_numpy()
    ends = np.cumsum(n)
    cells = found["cell"].to_numpy(np.int64)
    rows = np.flatnonzero(many[cells]).tolist()
    names = ["low", "high", "method", "note"]
    told = []
    for row in rows:
        cell = int(cells[row])
        axes = list(layout.consumed(cell))
        codes = layout.codes[layout.rows(cell)][:, axes]
        grid = np.full([len(layout.axes[axis]) for axis in axes], np.nan)
        grid[tuple(codes.T)] = values[ends[row] - n[row] : ends[row]]
        for axis in range(grid.ndim):
            rest = tuple(other for other in range(grid.ndim) if other != axis)
            grid = np.compress(np.isfinite(grid).any(axis=rest), grid, axis=axis)
        one = mean_interval(grid, level)
        told.append([one.low, one.high, one.method, one.note])
    for position, name in enumerate(names):
        column = found[name].to_numpy(copy=True)
        column[rows] = [one[position] for one in told]
        found[name] = column


def steps_to_target(
    frame: pd.DataFrame,
    curve_frame: pd.DataFrame,
    metric: str,
    target: float,
    *,
    factors: Sequence[str] | None = None,
    replicates: Sequence[str] | None = None,
    maximize: bool | None = None,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Return how many steps each cell's trainings take to reach a target for the first time.

    Steps are those of evaluations, so they are late by up to one interval between them. Trainings
    that end, or diverge, before they reach it are censored: they count as slower than all others.

    Parameters
    ----------
    target : value of the metric that is reached from below, or from above where smaller is better.
    maximize : whether larger values are better; told by the metric's name when None.

    Returns
    -------
    Columns cell, n, reached (a count), median_steps (NaN where fewer than half reached it), low
    and high: the interval of the median by order statistics, free of any distribution (binomial,
    Conover, Practical Nonparametric Statistics, 1999, section 3.2); high is inf where so many were
    censored that nothing bounds it; mean_steps, only if all reached; method, note.
    """
    laid = points(curve_frame, metric)
    layout = laid.layout(
        frame, factors=factors, replicates=replicates, ended=("finished", "diverged")
    )
    better = default_maximize(metric) if maximize is None else maximize
    return reached_by(laid, layout, target, better, level)


def reached_by(
    laid: Points, layout: Layout, target: float, maximize: bool, level: float
) -> pd.DataFrame:
    """Return `steps_to_target` of a layout of the points' trials."""
    steps = first_steps(laid, target, maximize)[layout.values.astype(np.int64)]
    steps = steps[np.lexsort((steps, layout.cell))]
    many = crossed(layout)
    rows = []
    for number, label in enumerate(layout.cells["cell"]):
        row = median_of_sorted(steps[layout.rows(number)], level)
        if many[number]:
            row |= {"low": math.nan, "high": math.nan, "method": "none", "note": CROSSED}
        rows.append({"cell": label} | row)
    return pd.DataFrame(rows, columns=list(TARGET_COLUMNS))


def first_steps(laid: Points, target: float, maximize: bool) -> NDArray[np.float64]:
    """Return (trials,) the first step at which each trial reaches a target, inf for never."""
    there = np.flatnonzero(laid.value >= target if maximize else laid.value <= target)
    trial = laid.trial[there]
    new = np.diff(trial, prepend=-1) > 0
    found = np.full(len(laid.trials), np.inf)
    found[trial[new]] = laid.step[there[new]]
    return found


def median_of_sorted(steps: NDArray[np.float64], level: float = LEVEL) -> dict[str, Any]:
    """Return the row of (n,) ascending steps, inf for those that never reached the target."""
    n = len(steps)
    reached = int(np.isfinite(steps).sum())
    row: dict[str, Any] = {"n": n, "reached": reached, "median_steps": math.nan}
    row |= {"low": math.nan, "high": math.nan, "mean_steps": math.nan, "method": "none"}
    if n == 0:
        return row | {"note": "no curves"}
    told = []
    middle = steps[(n - 1) // 2], steps[n // 2]
    if math.isfinite(middle[1]):
        row["median_steps"] = float(sum(middle) / 2)
    else:
        told.append("no more than half reached the target")
    if reached == n:
        row["mean_steps"] = float(steps.mean())
    rank, covers = median_rank(n, level)
    if rank == 0:
        told.append("too few trainings for an interval")
    elif reached >= rank:
        row |= {"low": float(steps[rank - 1]), "high": float(steps[n - rank])}
        row["method"] = f"order statistics, {100 * covers:.1f} %"
    else:
        told.append("too few reached the target for an interval")
    return row | {"note": "; ".join(told)}


@lru_cache(maxsize=4096)
def median_rank(n: int, level: float = LEVEL) -> tuple[int, float]:
    """Return the rank from either end that bounds a median, 0 for none, and what that covers."""
    rank = int(stats.binom.ppf((1 - level) / 2, n, 0.5))
    covers = 1 - 2 * float(stats.binom.cdf(rank - 1, n, 0.5))
    return rank, covers
