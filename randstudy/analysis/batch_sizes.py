"""Steps to a target by batch size, and where larger batches stop to pay."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, stats

from randstudy.analysis.curves import reached_by
from randstudy.analysis.intervals import LEVEL
from randstudy.analysis.points import points
from randstudy.analysis.roles import default_maximize
from randstudy.errors import RandstudyError
from randstudy.nearest import suggestion

PERFECT, MAXIMUM = -0.8, -0.2
"""Slopes of log steps over log batch size at which a regime ends.

Perfect scaling has slope -1 (twice the batch, half the steps), a batch beyond use slope 0 (Shallue
et al., Measuring the Effects of Data Parallelism, JMLR 2019). Where steps follow S = S_min (1 +
B_c / B) (McCandlish et al., 2018) the slope is -B_c / (B + B_c), so -0.8 is at a quarter of the
critical batch size and -0.2 at four times it. Doubling the batch saves 43 and 13 % of steps there.
"""

REGIMES = ("perfect scaling", "diminishing returns", "maximum useful batch")

COLUMNS = (
    *("batch_size", "steps", "low", "high", "n", "reached", "examples", "slope", "regime"),
    *("method", "note", "slope_low", "slope_high", "cell"),
)


def batch_sizes(
    frame: pd.DataFrame,
    curve_frame: pd.DataFrame,
    metric: str,
    target: float,
    *,
    factor: str = "batch_size",
    full: int | None = None,
    factors: Sequence[str] | None = None,
    replicates: Sequence[str] | None = None,
    maximize: bool | None = None,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Return the steps to a target by batch size, one line of them for each level of all else.

    Regimes are only as good as the tuning: at one learning rate for all batch sizes the useful
    batch looks smaller than it is.

    Parameters
    ----------
    target, maximize : see `randstudy.analysis.curves.steps_to_target`.
    factor : the column of batch sizes.
    full : training examples, which is the batch size called "full".

    Returns
    -------
    Columns batch_size, steps (the median) with its interval low and high, n, reached, examples
    (steps x batch size), slope (of log steps over log batch size, least squares over a batch size
    and its neighbours), regime (by `PERFECT` and `MAXIMUM`; "" where there is no slope), method,
    note, slope_low and slope_high (from the ends of the intervals of steps, so at least as wide as
    they need be), cell, and the other factors.

    Raises
    ------
    RandstudyError
        The frame has no such factor.
    """
    if factors is None:
        factors = getattr(frame, "factors", ()) or (factor,)
    if factor not in factors:
        raise RandstudyError(f"{factor!r} is no factor here{suggestion(factor, factors, most=12)}")
    laid = points(curve_frame, metric)
    layout = laid.layout(
        frame, factors=factors, replicates=replicates, ended=("finished", "diverged")
    )
    better = default_maximize(metric) if maximize is None else maximize
    table = reached_by(laid, layout, target, better, level).drop(columns="mean_steps")
    sizes = _sizes(layout.cells[factor], full)
    others = [name for name in layout.roles.factors if name != factor]
    table = table.rename(columns={"median_steps": "steps"})
    table = table.assign(batch_size=sizes, examples=table["steps"] * sizes)
    table = pd.concat([table, layout.cells[others]], axis=1)
    lines = table.groupby(others, sort=False, dropna=False) if others else [(0, table)]
    found = [_scaled(line.sort_values("batch_size", kind="stable")) for _, line in lines]
    whole = pd.concat(found, ignore_index=True) if found else table.assign(**_NOTHING)
    return whole[[*COLUMNS, *others]]


_NOTHING: dict[str, Any] = {"slope": math.nan, "slope_low": math.nan, "slope_high": math.nan}
_NOTHING["regime"] = ""


def _sizes(levels: pd.Series[Any], full: int | None) -> NDArray[np.float64]:
    """Return batch sizes as numbers, NaN for "full" of an unknown number of examples."""
    numbers = pd.to_numeric(levels.astype(str), errors="coerce").to_numpy(np.float64, copy=True)
    numbers[(levels.astype(str) == "full").to_numpy()] = math.nan if full is None else full
    return numbers


def _scaled(line: pd.DataFrame) -> pd.DataFrame:
    """Return a line of ascending batch sizes with slopes and regimes."""
    size, steps, low, high = (
        line[name].to_numpy(np.float64) for name in ("batch_size", "steps", "low", "high")
    )
    slopes = np.full((len(line), 3), np.nan)
    usable = np.flatnonzero(np.isfinite(size) & np.isfinite(steps) & (size > 0) & (steps > 0))
    for place, row in enumerate(usable):
        near = usable[max(0, place - 1) : place + 2]
        weights = _slope_weights(np.log(size[near]))
        if weights is not None:
            slopes[row] = _slope(weights, steps[near], low[near], high[near])
    regimes = [regime(slope) for slope in slopes[:, 0]]
    notes = [
        _told(note, one, ends, number)
        for note, one, ends, number in zip(line["note"], regimes, slopes[:, 1:], size, strict=True)
    ]
    return line.assign(
        slope=slopes[:, 0],
        slope_low=slopes[:, 1],
        slope_high=slopes[:, 2],
        regime=regimes,
        note=notes,
    )


def _slope_weights(logs: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return what each log of steps weighs in the least-squares slope, None for one size."""
    centred = logs - logs.mean()
    square = float((centred**2).sum())
    return centred / square if square > 0 else None


def _slope(
    weights: NDArray[np.float64],
    steps: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> tuple[float, float, float]:
    """Return a slope, and the least and largest that the intervals of its steps allow."""
    slope = float(weights @ np.log(steps))
    used = weights != 0
    if not (np.isfinite(low[used] + high[used]).all() and (low[used] > 0).all()):
        return slope, math.nan, math.nan
    w, ends = weights[used], np.log([low[used], high[used]])
    least = float(w @ np.where(w > 0, ends[0], ends[1]))
    return slope, least, float(w @ np.where(w > 0, ends[1], ends[0]))


def regime(slope: float) -> str:
    """Return the regime of a slope, "" for none."""
    if math.isnan(slope):
        return ""
    return REGIMES[int(slope > PERFECT) + int(slope > MAXIMUM)]


def _told(note: str, found: str, ends: NDArray[np.float64], size: float) -> str:
    told = [note] if note else []
    if math.isnan(size):
        told.append("batch size unknown: say how many examples full is")
    elif not found:
        told.append("no slope: fewer than two batch sizes reached the target")
    elif np.isnan(ends).any() or any(regime(float(end)) != found for end in ends):
        told.append("regime not settled by these trainings")
    return "; ".join(told)


def critical_batch(table: pd.DataFrame, level: float = LEVEL) -> pd.DataFrame:
    """Fit S = S_min (1 + B_c / B) to steps by batch size, least squares of log steps.

    McCandlish et al., An Empirical Model of Large-Batch Training (2018): B_c, the
    critical batch size, costs twice the steps and twice the examples of either extreme.

    Parameters
    ----------
    table : from `batch_sizes`, for one line of batch sizes.

    Returns
    -------
    One row: critical_batch with its interval low and high (the batch sizes whose best fit is not
    rejected by an F test; 0 or inf where nothing bounds it), minimal_steps, minimal_examples, n
    (batch sizes), method, note.
    """
    size, steps = (table[name].to_numpy(np.float64) for name in ("batch_size", "steps"))
    usable = np.isfinite(size) & np.isfinite(steps) & (size > 0) & (steps > 0)
    size, logs = size[usable], np.log(steps[usable])
    n = len(np.unique(size))
    names = ["critical_batch", "low", "high", "minimal_steps", "minimal_examples", "n"]
    names += ["method", "note"]
    if n < 3:
        nothing = [*[math.nan] * 5, n, "none", "fewer than three batch sizes reached the target"]
        return pd.DataFrame([nothing], columns=names)
    grid = np.linspace(math.log(size.min()) - 9, math.log(size.max()) + 9, 4001)
    cost = _misfit(grid, size, logs)
    best = int(np.argmin(cost))
    around = grid[max(0, best - 1)], grid[min(len(grid) - 1, best + 1)]
    found = optimize.minimize_scalar(
        lambda one: float(_misfit(np.array([one]), size, logs)[0]), bounds=around, method="bounded"
    )
    batch = math.exp(float(found.x))
    least = float((logs - np.log1p(batch / size)).mean())
    df = len(size) - 2
    bound = min(float(found.fun), float(cost[best])) * (1 + stats.f.ppf(level, 1, df) / df)
    inside = np.flatnonzero(cost <= bound)
    ends = (batch, batch) if not len(inside) else (grid[inside[0]], grid[inside[-1]])
    low, high = ends if not len(inside) else (math.exp(ends[0]), math.exp(ends[1]))
    low = 0.0 if len(inside) and inside[0] == 0 else low
    high = math.inf if len(inside) and inside[-1] == len(grid) - 1 else high
    minimal = math.exp(least)
    row = [batch, low, high, minimal, minimal * batch, n, "log least squares, F interval", ""]
    return pd.DataFrame([row], columns=names)


def _misfit(
    log_batch: NDArray[np.float64], size: NDArray[np.float64], logs: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the residual sum of squares at each of (g,) log critical batch sizes."""
    rest = logs - np.log1p(np.exp(log_batch)[:, None] / size)
    found: NDArray[np.float64] = ((rest - rest.mean(1, keepdims=True)) ** 2).sum(1)
    return found
