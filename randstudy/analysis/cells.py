"""Each cell on its own: how many finished, what they came to, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from randstudy.analysis.intervals import (
    LEVEL,
    around,
    mean_interval,
    sd,
    share_interval,
    trimmed_interval,
)
from randstudy.analysis.layout import Layout, layout_of
from randstudy.analysis.pairs import corrected, split_axis

NUMBERS = ("n", "mean", "sd", "low", "high", "method", "note")
SPREAD = ("median", "q25", "q75", "least", "most", "iqm", "iqm_low", "iqm_high")
SHARES = ("finished", "diverged", "diverged_low", "diverged_high", "collapsed", "failed")

BEST_OF = (1, 2, 3, 5, 10, 20, 50, 100)
"""How many seeds people choose the best of."""


def cells(
    data: pd.DataFrame | Layout,
    metric: str | None = None,
    *,
    factors: Sequence[str] | None = None,
    replicates: Sequence[str] | None = None,
    maximize: bool | None = None,
    level: float = LEVEL,
    collapse: float | None = None,
    resampled: float | None = None,
) -> pd.DataFrame:
    """Sum up a metric in each cell, in the frame's order of cells.

    Parameters
    ----------
    data : a row a trial, or a layout of it.
    metric, factors, replicates, maximize : see `randstudy.analysis.roles.roles`.
    level : of the intervals.
    collapse : finished trainings no better than this count as collapsed (an accuracy near chance);
        missing where it is not given.
    resampled : test over training examples, where a stream splits one data set anew; without it
        such cells have no interval (`randstudy.analysis.pairs.corrected`).

    Returns
    -------
    Columns cell, the factors, then n (distinct finished trainings, repeats averaged), mean, sd
    (ddof 1), low, high, method and note (why there is no interval; `randstudy.analysis.intervals`);
    median, quartiles, least, most; the interquartile mean with its interval; and the counts
    finished, diverged (with the Clopper-Pearson interval of its share), collapsed, failed and
    no_value (finished without a finite value, left out of n).
    """
    layout = layout_of(data, metric, factors=factors, replicates=replicates, maximize=maximize)
    rows = [
        _cell(layout, number, level, collapse, resampled)
        | _counts(layout.cells.iloc[number], level)
        for number in range(len(layout.cells))
    ]
    names = [*NUMBERS, *SPREAD, *SHARES, "no_value"]
    found = pd.DataFrame(rows, columns=names)
    found["collapsed"] = found["collapsed"].astype("Int64")
    left = layout.cells[["cell", *layout.roles.factors]].reset_index(drop=True)
    return pd.concat([left, found], axis=1)


def _cell(
    layout: Layout, number: int, level: float, collapse: float | None, resampled: float | None
) -> dict[str, Any]:
    """Return the numbers of one cell's values."""
    grid = layout.grid(number)
    values = grid[np.isfinite(grid)]
    axes = layout.consumed(number)
    whole_split = split_axis(layout)
    split = axes.index(whole_split) if whole_split in axes else None
    whole = corrected(mean_interval(grid, level), grid, split, resampled)
    middle = trimmed_interval(values, level)
    quartiles = np.quantile(values, [0, 0.25, 0.5, 0.75, 1]) if len(values) else [math.nan] * 5
    least, q25, median, q75, most = (float(one) for one in quartiles)
    collapsed: Any = pd.NA
    if collapse is not None:
        collapsed = int(_no_better(values, collapse, layout.roles.maximize).sum())
    # Crossed or resampled trainings are not independent, and no interval of a trimmed mean allows
    # for that.
    alone = grid.ndim == 1 and split is None
    ends = (middle.low, middle.high) if alone else (math.nan, math.nan)
    return {
        "n": whole.n,
        "mean": whole.estimate,
        "sd": sd(values),
        "low": whole.low,
        "high": whole.high,
        "method": whole.method,
        "note": whole.note,
        "median": median,
        "q25": q25,
        "q75": q75,
        "least": least,
        "most": most,
        "iqm": middle.estimate,
        "iqm_low": ends[0],
        "iqm_high": ends[1],
        "collapsed": collapsed,
    }


def _counts(cell: pd.Series[Any], level: float) -> dict[str, Any]:
    """Return how many trials of a cell came to which end."""
    ended = int(cell["finished"] + cell["diverged"] + cell["no_value"])
    diverged = int(cell["diverged"])
    low, high = share_interval(diverged, ended, level)
    return {
        "finished": int(cell["finished"]),
        "diverged": diverged,
        "diverged_low": low,
        "diverged_high": high,
        "failed": int(cell["failed"]),
        "no_value": int(cell["no_value"]),
    }


def _no_better(values: NDArray[np.float64], bound: float, maximize: bool) -> NDArray[np.bool_]:
    return values <= bound if maximize else values >= bound


def best_of(
    data: pd.DataFrame | Layout,
    metric: str | None = None,
    *,
    factors: Sequence[str] | None = None,
    replicates: Sequence[str] | None = None,
    maximize: bool | None = None,
    sizes: Sequence[int] = BEST_OF,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Return what "the best of k seeds" is expected to come to in each cell.

    The expectation over all choices of k of the n trainings without replacement, exact by order
    statistics (Dodge et al., Show Your Work, EMNLP 2019, in the unbiased form of Tang et al., ACL
    2020), so k goes up to n. Diverged trainings take part as the worst; there is no row where all
    k may have diverged. The interval is Student t on the jackknife error of this L-statistic,
    and is given up to half of the trainings, beyond which the jackknife of a maximum fails.

    Returns
    -------
    Columns cell, k, expected, low, high, n, method, note.
    """
    layout = layout_of(data, metric, factors=factors, replicates=replicates, maximize=maximize)
    rows: list[dict[str, Any]] = []
    for number, label in enumerate(layout.cells["cell"]):
        values = np.sort(layout.sample(number))
        if not layout.roles.maximize:
            values = values[::-1]
        lost = int(layout.cells["diverged"].iloc[number])
        crossed = len(layout.consumed(number)) > 1 or split_axis(layout) is not None
        n = len(values) + lost
        for k in (size for size in sizes if lost < size <= n):
            found = {"cell": label, "k": k, "expected": float(values @ best_weights(n, k)[lost:])}
            found |= _jackknifed(values, lost, k, crossed, level)
            rows.append(found | {"n": n, "method": "order statistics"})
    names = ["cell", "k", "expected", "low", "high", "n", "method", "note"]
    return pd.DataFrame(rows, columns=names)


def _jackknifed(
    values: NDArray[np.float64], lost: int, k: int, crossed: bool, level: float
) -> dict[str, Any]:
    """Return the ends of the interval of an expected best, or why there are none."""
    nothing = {"low": math.nan, "high": math.nan}
    n = len(values) + lost
    if crossed:
        return nothing | {"note": "crossed or resampled trainings are not independent"}
    if 2 * k > n:
        return nothing | {"note": "k is more than half of n"}
    weights = best_weights(n - 1, k)[lost:]
    # Leaving one out, those below it keep their weight and those above take the next lower one.
    below = np.concatenate(([0.0], np.cumsum(values[:-1] * weights)))
    above = np.concatenate((np.cumsum((values[1:] * weights)[::-1])[::-1], [0.0]))
    without = below + above
    m = len(values)
    error = math.sqrt((m - 1) / m * float(((without - without.mean()) ** 2).sum()))
    if not error > 0:
        return nothing | {"note": "no spread"}
    found = around(float(values @ best_weights(n, k)[lost:]), error, m - 1, n, "", level)
    return {"low": found.low, "high": found.high, "note": ""}


@lru_cache(maxsize=512)
def best_weights(n: int, k: int) -> NDArray[np.float64]:
    """Return the chance of each of n ordered values to be the largest of k that are drawn."""
    rank = np.arange(1, n + 1)
    logs = special.gammaln(rank) - special.gammaln(np.maximum(rank - k + 1, 1))
    logs -= special.gammaln(n + 1) - special.gammaln(n - k + 1)
    found: NDArray[np.float64] = np.where(rank >= k, k * np.exp(logs), 0.0)
    return found
