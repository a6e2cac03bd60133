"""Which of many continuous factors matter: permutation importance of a random forest."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from randstudy.analysis.intervals import LEVEL, mean_interval
from randstudy.analysis.layout import Layout, layout_of

COLUMNS = ("factor", "importance", "low", "high", "r_squared", "n", "method", "note")

TREES = 100
SPLITS = 5
"""Splits of the cells where there are too few replicates to refit on each."""

LEAST_CELLS = 20
FEWEST_REPLICATES = 3
MOST_REPLICATES = 20
MOST_CELLS = 1000
"""Cells in a fit; of more, as many are drawn for each."""

HELD_OUT = 0.3
PERMUTATIONS = 5
POOR = 0.3
FEW_LEVELS = 6


def importance(
    data: pd.DataFrame | Layout,
    metric: str | None = None,
    *,
    factors: Sequence[str] | None = None,
    replicates: Sequence[str] | None = None,
    maximize: bool | None = None,
    seed: int = 0,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Rank factors with many levels by how much a forest's predictions need them.

    A random forest predicts the metric of held-out cells from their factors; a factor's importance
    is how much the R-squared of that drops when its values are shuffled among them (Breiman,
    Machine Learning, 2001). Where factors move together they share importance.

    Parameters
    ----------
    data : a row a trial, or a layout of it.
    metric, factors, replicates, maximize : see `randstudy.analysis.roles.roles`.
    seed : of forests, splits and shuffles; the same seed gives the same numbers.
    level : of the intervals.

    Returns
    -------
    A row a factor, the most important first: factor, importance (drop of R-squared; may be
    negative), low and high, r_squared (held out, mean over fits), n (fits), method, note. With 3
    replicates or more a fit is a replicate, its trainings and other cells held out, so the interval
    speaks of new seeds on new splits of these cells; with fewer it is a split of the cells, and the
    interval only tells how far the split matters. At most `MOST_REPLICATES` fits of `MOST_CELLS`.
    """
    layout = layout_of(data, metric, factors=factors, replicates=replicates, maximize=maximize)
    names = list(layout.roles.factors)
    columns = [_numbers(layout.cells[name]) for name in names]
    moving = [number for number, one in enumerate(columns) if len(np.unique(one)) > 1]
    cells = len(np.unique(layout.cell))
    if not moving or cells < LEAST_CELLS:
        told = f"{cells:,} cells: a forest wants {LEAST_CELLS} or more"
        return _without(names, told if moving else "no factor varies")
    drops, squares, method = _fits(layout, np.stack([columns[one] for one in moving], 1), seed)
    if not len(squares):
        return _without(names, "the metric does not vary between cells")
    rows = [_row(names[one], drops[:, place], squares, level) for place, one in enumerate(moving)]
    for row, one in zip(rows, moving, strict=True):
        row |= {"method": method, "note": _note(columns[one], float(squares.mean()), row)}
    rows.sort(key=lambda row: -row["importance"])
    constant = [name for number, name in enumerate(names) if number not in moving]
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    rest = _without(constant, "one level: nothing to shuffle")
    return pd.concat([found, rest], ignore_index=True) if constant else found


def _without(names: Sequence[str], told: str) -> pd.DataFrame:
    """Return rows without numbers, and why."""
    empty = dict.fromkeys(COLUMNS, math.nan)
    rows = [empty | {"factor": name, "n": 0, "method": "none", "note": told} for name in names]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _numbers(column: pd.Series[Any]) -> NDArray[np.float64]:
    """Return a factor as numbers: itself, or the number of its level in order of appearance."""
    if pd.api.types.is_numeric_dtype(column) and column.notna().all():
        return column.to_numpy(np.float64)
    return np.asarray(pd.factorize(column, use_na_sentinel=False)[0], np.float64)


def _fits(
    layout: Layout, levels: NDArray[np.float64], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], str]:
    """Return (fits, factors) drops and (fits,) held-out R-squared, and what a fit is."""
    rng = np.random.default_rng(seed)
    samples, method = _samples(layout, rng)
    drops, squares = [], []
    for cells, values in samples:
        found = _fit(levels[cells], values, rng)
        if found is not None:
            drops.append(found[0])
            squares.append(found[1])
    return np.array(drops), np.array(squares), method


def _samples(
    layout: Layout, rng: np.random.Generator
) -> tuple[Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]], str]:
    """Return the cells and values that each fit sees."""
    block = np.unique(layout.codes, axis=0, return_inverse=True)[1].reshape(-1)
    counts = np.bincount(block) if layout.paired and len(block) else np.zeros(0, np.int64)
    full = np.flatnonzero(counts >= LEAST_CELLS)[:MOST_REPLICATES]
    if len(full) >= FEWEST_REPLICATES:
        rows = (_drawn(np.flatnonzero(block == one), rng) for one in full)
        return ((layout.cell[row], layout.values[row]) for row in rows), "forest a replicate, t"
    counts = np.bincount(layout.cell, minlength=len(layout.cells))
    present = np.flatnonzero(counts)
    means = (
        np.bincount(layout.cell, layout.values, minlength=len(counts))[present] / counts[present]
    )
    picks = (_drawn(np.arange(len(present)), rng) for _ in range(SPLITS))
    return ((present[pick], means[pick]) for pick in picks), "forest a split of cells, t"


def _drawn(rows: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    return rows if len(rows) <= MOST_CELLS else rng.choice(rows, MOST_CELLS, replace=False)


def _fit(
    levels: NDArray[np.float64], values: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.float64], float] | None:
    """Return each factor's drop of the held-out R-squared, and that; None for equal values."""
    from sklearn.ensemble import RandomForestRegressor

    order = rng.permutation(len(values))
    count = max(int(HELD_OUT * len(values)), 2)
    held, kept = order[:count], order[count:]
    spread = ((values[held] - values[held].mean()) ** 2).sum()
    forest = RandomForestRegressor(TREES, random_state=int(rng.integers(2**31)))
    forest.fit(levels[kept], values[kept])
    shuffled = [levels[held]]
    for factor in range(levels.shape[1]):
        for _ in range(PERMUTATIONS):
            moved = levels[held].copy()
            moved[:, factor] = rng.permutation(moved[:, factor])
            shuffled.append(moved)
    if (values[held] == values[held][0]).all():
        return None
    predicted = forest.predict(np.concatenate(shuffled)).reshape(len(shuffled), count)
    squares = 1 - ((predicted - values[held]) ** 2).sum(1) / spread
    drops = squares[0] - squares[1:].reshape(levels.shape[1], PERMUTATIONS).mean(1)
    return drops, float(squares[0])


def _row(
    name: str, drops: NDArray[np.float64], squares: NDArray[np.float64], level: float
) -> dict[str, Any]:
    """Return a factor's row."""
    found = mean_interval(drops, level)
    return {
        "factor": name,
        "importance": found.estimate,
        "low": found.low,
        "high": found.high,
        "r_squared": float(squares.mean()),
        "n": found.n,
    }


def _note(column: NDArray[np.float64], r_squared: float, row: dict[str, Any]) -> str:
    """Say what speaks against reading an importance."""
    told = []
    if r_squared < POOR:
        told.append("the forest predicts poorly, so importances say little")
    if len(np.unique(column)) < FEW_LEVELS:
        told.append("few levels: effects says more")
    if not math.isfinite(row["low"]):
        told.append("no spread between fits")
    return "; ".join(told)
