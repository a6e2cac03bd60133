"""Cells, a row each: their means, their ranks, how alike their seeds are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from randstudy.analysis.layout import Layout
from randstudy.analysis.roles import unit_of
from randstudy.plots.labels import (
    counted,
    margin,
    numbers,
    percent,
    plural,
    reasons,
    rows,
    sentence,
    shorten,
    texts,
    titled,
    value_label,
)
from randstudy.plots.marks import MOST_POINTS, Numbers, dots, jitter, spans, thinned
from randstudy.plots.sheet import axes_for, axes_for_rows
from randstudy.plots.style import BLUE, INK, PAPER, VERMILLION, Looks, styled

MOST = 40
"""Rows of a chart that can still be read."""


@styled
def cells(
    table: pd.DataFrame,
    ax: Axes | None = None,
    *,
    metric: str = "",
    points: Layout | Mapping[Any, Sequence[float]] | None = None,
    most: int = MOST,
) -> Axes:
    """Draw each cell's mean with its interval, in the table's order.

    Parameters
    ----------
    table : of `randstudy.analysis.cells.cells`.
    points : single trainings to draw behind, as the layout that the table was made from or as
        values by cell; a thousand in all, the extremes always among them.
    most : cells that are drawn.
    """
    if not len(table):
        return sentence(axes_for(ax), "There are no cells.")
    shown, scale = table.head(most), unit_of(metric).scale
    ax = axes_for_rows(ax, len(shown))
    behind = _behind(points, [*shown["cell"]], scale)
    for y, values in enumerate(behind):
        places = y + jitter(len(values), 0.5)
        ax.plot(values, places, "o", color=INK, alpha=0.4, markersize=3, label="_points", mew=0)
    _estimates(ax, shown, "mean", "low", "high", scale)
    rows(ax, [*shown["cell"]], len(table) - len(shown))
    for y, text in enumerate(_told(shown)):
        margin(ax, y, text)
    ax.set_xlabel(value_label(metric))
    trainings = ", each training a small dot" if any(len(one) for one in behind) else ""
    seeds = counted(numbers(table, "n"), "seeds in each cell")
    titled(ax, "Mean of each cell with 95 % interval", f"{seeds}{trainings}")
    return ax


def _behind(
    points: Layout | Mapping[Any, Sequence[float]] | None, labels: Sequence[Any], scale: float
) -> list[Numbers]:
    """Return the single values of each cell, thinned to what a figure holds."""
    if points is None:
        return [np.empty(0)] * len(labels)
    if isinstance(points, Layout):
        place = {label: number for number, label in enumerate(points.cells["cell"])}
        values = [points.sample(place[one]) if one in place else np.empty(0) for one in labels]
    else:
        values = [np.asarray(points.get(one, ()), np.float64) for one in labels]
    return [thinned(one, max(2, MOST_POINTS // len(labels))) * scale for one in values]


def _estimates(
    ax: Axes, table: pd.DataFrame, middle: str, low: str, high: str, scale: float = 1.0
) -> None:
    y = np.arange(len(table), dtype=np.float64)
    ends = numbers(table, low, scale), numbers(table, high, scale)
    spans(ax, y, *ends, color=BLUE, linewidth=2.2)
    dots(ax, numbers(table, middle, scale), y, marker="o", color=BLUE, markersize=6)


def _told(table: pd.DataFrame) -> list[str]:
    """Return what stands beside each row: n where it differs, divergence, a missing interval."""
    n, diverged = numbers(table, "n"), numbers(table, "diverged")
    ended = np.nansum([numbers(table, "finished"), diverged, numbers(table, "no_value")], axis=0)
    low, differs = numbers(table, "low"), len(np.unique(n)) > 1
    found = []
    for row, note in enumerate(texts(table, "note")):
        parts = [f"n = {n[row]:.0f}"] if differs else []
        if diverged[row] > 0:
            share = diverged[row] / ended[row]
            parts.append(f"{diverged[row]:.0f} of {ended[row]:.0f} diverged ({percent(share)})")
        if np.isnan(low[row]) and n[row] > 0:
            parts.append(f"no interval: {note}" if note else "no interval")
        found.append("; ".join(parts))
    return found


@styled
def rank(table: pd.DataFrame, ax: Axes | None = None, *, most: int = MOST) -> Axes:
    """Draw each cell's rank, how far luck moves it, and how often it is the best.

    Parameters
    ----------
    table : of `randstudy.analysis.rank.rank`, best first.
    """
    if not len(table):
        return sentence(axes_for(ax), "There are no cells to rank.")
    shown = table.head(most)
    ax = axes_for_rows(ax, len(shown))
    _estimates(ax, shown, "rank", "rank_low", "rank_high")
    rows(ax, [*shown["cell"]], len(table) - len(shown))
    diverged = numbers(shown, "diverged")
    for y, chance in enumerate(numbers(shown, "p_best")):
        best = f"best in {percent(chance)}" if chance >= 0.005 else ""
        lost = f"{diverged[y]:.0f} diverged" if diverged[y] > 0 else ""
        margin(ax, y, "; ".join(filter(None, (best, lost))))
    ax.set_xlim(0.4, np.nanmax(numbers(shown, "rank_high"), initial=1) + 0.6)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel(f"rank (1 is the best of {plural(len(table), 'cell')})")
    seeds = counted(numbers(table, "n"), "seeds in each cell")
    told = reasons(texts(table, "note"))
    remark = f"{seeds}; bars hold 95 % of resampled ranks; best in 0 % unless said" + (
        f"; {told}" if told else ""
    )
    titled(ax, "Rank of each cell, and how often it comes out best", remark)
    return ax


@styled
def churn(table: pd.DataFrame, ax: Axes | None = None, *, most: int = MOST) -> Axes:
    """Draw how often two seeds of a cell disagree, and what their ensemble gains.

    Parameters
    ----------
    table : of `randstudy.analysis.stability.stability`.
    """
    if not len(table):
        return sentence(axes_for(ax), "There are no predictions to compare.")
    if not np.isfinite(numbers(table, "disagreement")).any():
        told = reasons(texts(table, "note")) or "no predictions"
        return sentence(axes_for(ax), f"No two seeds can be compared: {told}.")
    shown = table.head(most)
    ax = axes_for_rows(ax, len(shown))
    y = np.arange(len(shown), dtype=np.float64)
    pairs, gain = numbers(shown, "disagreement", 100), numbers(shown, "ensemble_gain", 100)
    # One training disagrees with none, and gains nothing by voting alone.
    gain = np.where(np.isfinite(pairs), gain, np.nan)
    spans(ax, y, np.zeros(len(y)), pairs, color=BLUE, linewidth=0.8, alpha=0.5, label="_stem")
    dots(ax, pairs, y, marker="o", color=BLUE, markersize=6, label="_disagreement")
    looks: Looks = {"marker": "D", "color": VERMILLION, "markersize": 6, "markerfacecolor": PAPER}
    dots(ax, gain, y, label="_gain", **looks)
    ax.axvline(0, color=INK, linewidth=0.7)
    rows(ax, [*shown["cell"]], len(table) - len(shown))
    for row, (known, note) in enumerate(zip(pairs, texts(shown, "note"), strict=True)):
        margin(ax, row, "" if np.isfinite(known) else f"no number: {shorten(note, 40)}")
    ax.set_xlabel("share of the test examples (%, points)")
    told = "● two seeds disagree (%);  ◇ the vote of all gains over one (points)\n"
    told += counted(numbers(table, "n"), "seeds in each cell")
    told += f"; {plural(int(np.nanmax(numbers(table, 'examples'))), 'test example')}"
    titled(ax, "How unlike the seeds of a cell are", told)
    return ax
