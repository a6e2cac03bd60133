"""Which cell is best, and how often another handful of seeds would say so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from randstudy.analysis.intervals import share_interval
from randstudy.analysis.layout import Layout, layout_of

RESAMPLES = 2000
MOST_DRAWS = 5_000_000
"""Resampled means in all: with thousands of cells there are fewer resamplings."""

RANKS = ("mean", "rank", "rank_low", "rank_high", "p_best", "diverged", "n", "method", "note")

SIZES = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89)


def rank(
    data: pd.DataFrame | Layout,
    metric: str | None = None,
    *,
    factors: Sequence[str] | None = None,
    replicates: Sequence[str] | None = None,
    maximize: bool | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> pd.DataFrame:
    """Rank cells by their means, best first, with how far luck moves the ranks.

    Replicates are resampled with replacement, the same ones in all cells that share them, and
    cells ranked anew each time. Where some cells lack a replicate, all are ranked over those that
    they share, as comparisons are; cells that share none are resampled each on its own. Cells with
    diverged trainings come last, by the share of them.

    Returns
    -------
    Columns cell, the factors, mean, rank, rank_low and rank_high (central 95 % of resampled ranks),
    p_best (share of resamplings that name the cell the winner; equal means share it), diverged,
    n, method, note.
    """
    layout = layout_of(data, metric, factors=factors, replicates=replicates, maximize=maximize)
    left = layout.cells[["cell", *layout.roles.factors]].copy()
    if left.empty:
        return left.reindex(columns=[*left.columns, *RANKS])
    means = np.array([_mean(layout.sample(cell)) for cell in range(len(left))])
    worst, shared = _worst(layout), _shared(layout)
    ranked = means if shared is None else _row_means(shared)
    badness = _badness(ranked, layout.roles.maximize)
    order = np.lexsort((badness, worst))
    left["mean"] = means
    drawn = _drawn(layout, shared, resamples, np.random.default_rng(seed))
    ranks = _ranks(_badness(drawn, layout.roles.maximize), worst)
    left["rank"] = _ranks(badness[None], worst)[0]
    low, high = np.quantile(ranks, [0.025, 0.975], axis=0, method="nearest")
    left["rank_low"], left["rank_high"] = low.astype(int), high.astype(int)
    first = ranks == ranks.min(1, keepdims=True)
    left["p_best"] = (first / first.sum(1, keepdims=True)).mean(0)
    left["diverged"] = layout.cells["diverged"]
    left["n"] = np.bincount(layout.cell, minlength=len(left))
    left["method"] = "bootstrap" if shared is None else "paired bootstrap"
    left["note"] = np.where(left["n"] < 2, "one training: its luck is not seen", "")
    if shared is not None and (left["n"] > 0).any():
        few = left["n"] > np.isfinite(shared).reshape(len(left), -1).sum(1)
        told = "ranked over the replicates that all cells share"
        left["note"] = left["note"].where(~few | left["note"].ne(""), told)
    left.loc[left["n"] == 0, ["note"]] = "no training"
    return left.iloc[order].reset_index(drop=True)


def rank_stability(
    data: pd.DataFrame | Layout,
    metric: str | None = None,
    *,
    factors: Sequence[str] | None = None,
    replicates: Sequence[str] | None = None,
    maximize: bool | None = None,
    sizes: Sequence[int] = SIZES,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> pd.DataFrame:
    """Return how often a study of another n replicates would name the same winner.

    n replicates are drawn with replacement from those at hand, as often as `resamples`.

    Returns
    -------
    Columns n (up to the present number and that number itself), same_winner, low, high
    (Clopper-Pearson over the draws: how exactly this was simulated), method, note. Empty with
    fewer than two cells or replicates.
    """
    layout = layout_of(data, metric, factors=factors, replicates=replicates, maximize=maximize)
    names = ["n", "same_winner", "low", "high", "method", "note"]
    shared = _shared(layout)
    present = _present(layout, shared)
    if len(layout.cells) < 2 or present < 2 or not len(layout.values):
        return pd.DataFrame(columns=names)
    table = rank(layout, seed=seed, resamples=1)
    winner = int(layout.cells.index[layout.cells["cell"] == table["cell"].iloc[0]][0])
    rows: list[dict[str, Any]] = []
    for n in sorted({size for size in sizes if size < present} | {present}):
        drawn = _drawn(layout, shared, resamples, np.random.default_rng(seed), n)
        ranks = _ranks(_badness(drawn, layout.roles.maximize), _worst(layout))
        first = ranks == ranks.min(1, keepdims=True)
        share = float((first / first.sum(1, keepdims=True))[:, winner].mean())
        low, high = share_interval(share * resamples, resamples)
        row = {"n": n, "same_winner": share, "low": low, "high": high}
        told = "at the present number replicates drawn twice make it pessimistic"
        rows.append(row | {"method": "bootstrap", "note": told if n == present else ""})
    return pd.DataFrame(rows, columns=names)


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else np.nan


def _badness(means: NDArray[np.float64], maximize: bool) -> NDArray[np.float64]:
    """Return what to sort by, least first; a cell without a value is worse than all others.

    Rounded to twelve digits of the largest: sums of the same numbers in another order are ties.
    """
    signed = -means if maximize else means
    size = float(np.abs(signed[np.isfinite(signed)]).max(initial=0.0)) or 1.0
    found: NDArray[np.float64] = np.where(np.isnan(signed), np.inf, np.round(signed / size, 12))
    return found


def _worst(layout: Layout) -> NDArray[np.float64]:
    """Return each cell's share of trainings that diverged or have no value."""
    cells = layout.cells
    lost = (cells["diverged"] + cells["no_value"]).to_numpy(np.float64)
    ended = lost + cells["finished"].to_numpy(np.float64)
    found: NDArray[np.float64] = np.zeros_like(lost)
    np.divide(lost, ended, out=found, where=ended > 0)
    return found


def _ranks(badness: NDArray[np.float64], worst: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return (draws, cells) ranks from 1; the fewest diverged come first, equal means share one."""
    levels = np.unique(worst, return_inverse=True)[1]
    found = np.empty(badness.shape, np.int64)
    before = 0
    for level in range(levels.max() + 1 if len(levels) else 0):
        cells = np.flatnonzero(levels == level)
        part = badness[:, cells]
        ordered = np.sort(part, axis=1)
        for row in range(len(part)):
            found[row, cells] = before + 1 + np.searchsorted(ordered[row], part[row])
        before += len(cells)
    return found


def _shared(layout: Layout) -> NDArray[np.float64] | None:
    """Return (cells, k1, k2, …) values at the replicates that all cells share, NaN elsewhere.

    Cells with nothing to compare (no value, or trainings that diverged) are not asked. None where
    replicates are not shared.
    """
    if not (layout.paired and layout.axes):
        return None
    table = layout.table()
    asked = np.isfinite(table).any(axis=tuple(range(1, table.ndim))) & (_worst(layout) == 0)
    if not asked.any():
        asked = np.isfinite(table).any(axis=tuple(range(1, table.ndim)))
    common = np.isfinite(table[asked]).all(0)
    return np.where(common, table, np.nan) if asked.any() and common.any() else None


def _row_means(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each cell's mean over what it has; NaN for nothing."""
    flat = table.reshape(len(table), -1)
    present = np.isfinite(flat)
    sums, counts = np.where(present, flat, 0.0).sum(1), present.sum(1)
    found: NDArray[np.float64] = np.full(len(flat), np.nan)
    np.divide(sums, counts, out=found, where=counts > 0)
    return found


def _present(layout: Layout, shared: NDArray[np.float64] | None) -> int:
    """Return the replicates of the shortest axis, or of the smallest cell where none is shared."""
    if shared is not None:
        there = np.asarray(np.isfinite(shared).any(0), np.bool_)
        axes = range(there.ndim)
        others = [tuple(one for one in axes if one != axis) for axis in axes]
        return min(int(there.any(axis=rest).sum()) for rest in others)
    counts = np.bincount(layout.cell, minlength=len(layout.cells))
    return int(counts.min()) if len(counts) else 0


def _drawn(
    layout: Layout,
    shared: NDArray[np.float64] | None,
    resamples: int,
    generator: np.random.Generator,
    n: int | None = None,
) -> NDArray[np.float64]:
    """Return (resamples, cells) means of n replicates (as many as there are) drawn anew."""
    cells = len(layout.cells)
    resamples = max(1, min(resamples, MOST_DRAWS // max(cells, 1)))
    if shared is not None:
        return _drawn_together(shared, resamples, generator, n)
    found = np.full((resamples, cells), np.nan)
    for cell in range(cells):
        values = layout.sample(cell)
        if len(values):
            picked = generator.integers(0, len(values), (resamples, n or len(values)))
            found[:, cell] = values[picked].mean(1)
    return found


def _drawn_together(
    shared: NDArray[np.float64], resamples: int, generator: np.random.Generator, n: int | None
) -> NDArray[np.float64]:
    """Draw replicates of each axis, the same for all cells; means are over what was drawn."""
    there = np.asarray(np.isfinite(shared).any(0), np.bool_)
    weights = np.ones((resamples, 1))
    for axis in range(there.ndim):
        rest = tuple(one for one in range(there.ndim) if one != axis)
        open_places: NDArray[np.bool_] = np.atleast_1d(there.any(axis=rest))
        k = int(open_places.sum())
        own = np.zeros((resamples, len(open_places)))
        own[:, open_places] = generator.multinomial(n or k, np.full(k, 1 / k), size=resamples)
        weights = (weights[:, :, None] * own[:, None, :]).reshape(resamples, -1)
    table = shared.reshape(len(shared), -1)
    present = np.isfinite(table)
    sums = weights @ np.where(present, table, 0.0).T
    counts = weights @ present.T.astype(np.float64)
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
