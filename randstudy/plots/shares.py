"""Where variance comes from, and which examples are hard."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from randstudy.analysis.roles import unit_of
from randstudy.plots.labels import (
    amount,
    counted,
    margin,
    numbers,
    reasons,
    rows,
    sentence,
    texts,
    titled,
)
from randstudy.plots.marks import dots, spans
from randstudy.plots.sheet import axes_for, axes_for_rows
from randstudy.plots.style import BLUE, INK, PAPER, VERMILLION, Looks, styled

BINS = 20


@styled
def variance(table: pd.DataFrame, ax: Axes | None = None, *, metric: str = "") -> Axes:
    """Draw how much of the luck each source brings: alone, and with its interactions.

    Estimates may be negative where a share is small, and are drawn so. What the factors explain is
    no luck and stands in the remark.

    Parameters
    ----------
    table : of `randstudy.analysis.variance.variance`.
    """
    shares, totals = (numbers(table, name, 100) for name in ("share", "total"))
    known = np.isfinite(shares) | np.isfinite(totals)
    if not known.any():
        told = reasons(texts(table, "note")) or "no source of randomness was varied"
        return sentence(axes_for(ax), f"There is no variance to split: {told}.")
    shown = table[known]
    ax = axes_for_rows(ax, len(shown), 0.42)
    y = np.arange(len(shown), dtype=np.float64)
    _side(ax, shown, y - 0.14, ("share", "low", "high"), BLUE, "o", "_share")
    with_all = ("total", "total_low", "total_high")
    _side(ax, shown, y + 0.14, with_all, VERMILLION, "s", "_total")
    ax.axvline(0, color=INK, linewidth=1)
    rows(ax, texts(shown, "source"))
    unit = unit_of(metric)
    for row, sd in enumerate(numbers(shown, "sd", unit.scale)):
        margin(ax, row, f"sd {sd:.3g} {unit.difference}".strip() if np.isfinite(sd) else "")
    ax.set_xlabel("share of the variance between trainings of a cell (%)")
    n = counted(numbers(shown, "n"), "trainings") if "n" in shown.columns else ""
    remark = "● alone;  □ with its interactions;  bars: 95 % intervals"
    said = (remark, n, _factors(table, metric), reasons(texts(shown, "note")))
    remark = "; ".join(filter(None, said))
    titled(ax, "Which luck: the share of each source", remark)
    return ax


def _factors(table: pd.DataFrame, metric: str) -> str:
    """Say how far the factors move the mean, which is no luck."""
    sd = numbers(table[table["source"] == "cell"], "sd")
    known = sd[np.isfinite(sd)]
    return f"means of cells differ by an sd of {amount(known[0], metric)}" if len(known) else ""


def _side(
    ax: Axes,
    table: pd.DataFrame,
    y: NDArray[np.float64],
    names: tuple[str, str, str],
    color: str,
    marker: str,
    label: str,
) -> None:
    middle, low, high = (numbers(table, name, 100) for name in names)
    spans(ax, y, low, high, color=color, linewidth=2)
    face = color if marker == "o" else PAPER
    dots(ax, middle, y, marker=marker, color=color, markerfacecolor=face, markersize=6, label=label)


@styled
def difficulty(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how many test examples are right for which share of the trainings.

    Parameters
    ----------
    table : of `randstudy.analysis.calibration.difficulty`.
    """
    shares = numbers(table, "share_right", 100)
    shares = shares[np.isfinite(shares)]
    if not len(shares):
        return sentence(axes_for(ax), "No predictions were kept.")
    ax = axes_for(ax, 3.2)
    bars: Looks = {"color": BLUE, "edgecolor": PAPER, "linewidth": 0.5, "label": "_examples"}
    ax.hist(shares, bins=np.linspace(0, 100, BINS + 1).tolist(), **bars)
    ax.set_yscale("symlog", linthresh=10)
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    ax.set_xlabel("share of the trainings that are right (%)")
    ax.set_ylabel("test examples")
    always, never = int((shares == 100).sum()), int((shares == 0).sum())
    trainings = counted(numbers(table, "n"), "trainings")
    told = f"{len(shares):,} test examples, {trainings}: {always:,} always right, {never:,} never"
    titled(ax, "How hard the test examples are", told)
    return ax
