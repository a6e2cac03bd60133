"""How many seeds: the chance to find a difference, and to name the same winner again."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from randstudy.plots.labels import (
    amount,
    counts_axis,
    end_labels,
    numbers,
    reasons,
    sentence,
    texts,
    titled,
)
from randstudy.plots.marks import band
from randstudy.plots.sheet import axes_for
from randstudy.plots.style import BLUE, INK, SMALL, VERMILLION, Looks, styled


def _percent(ax: Axes) -> None:
    ax.set_ylim(0, 102)
    ax.set_yticks(range(0, 101, 20))
    ax.grid(axis="y", color=INK, alpha=0.15, linewidth=0.6)


@styled
def power(
    curve: pd.DataFrame,
    ax: Axes | None = None,
    *,
    n_now: int | None = None,
    wanted: float | None = None,
    metric: str = "",
    goal: float = 0.8,
) -> Axes:
    """Draw the chance to detect, and to settle, a difference by the number of seeds.

    The band spans the powers at both ends of the pilot sd's own 90 % interval.

    Parameters
    ----------
    curve : of `randstudy.analysis.power.power_curve`.
    n_now : seeds at hand.
    wanted : the difference, in units of the metric.
    goal : chance that is marked.
    """
    n = numbers(curve, "n")
    chance, settled = numbers(curve, "power", 100), numbers(curve, "settled", 100)
    if not np.isfinite(chance).any():
        return sentence(axes_for(ax), "There is no spread to plan from.")
    ax = axes_for(ax, 3.4, 7.8)
    ax.set_xscale("log")
    band(ax, n, numbers(curve, "power_low", 100), numbers(curve, "power_high", 100), BLUE)
    ax.plot(n, chance, color=BLUE, label="_power")
    ax.plot(n, settled, color=VERMILLION, dashes=(4, 2), label="_settled")
    ax.axhline(100 * goal, color=INK, linewidth=1.2, linestyle=":", label="_goal")
    _percent(ax)
    ends = [
        (
            float(n[-1]),
            float(chance[-1]),
            "detects it",
            BLUE,
        )
    ]
    if np.isfinite(settled[-1]):
        ends.append((float(n[-1]), float(settled[-1]), "settles it", VERMILLION))
    end_labels(ax, ends)
    if n_now is not None:
        ax.axvline(n_now, color=INK, linewidth=1, label="_now")
        place: Looks = {"xy": (n_now, 1), "xycoords": ("data", "axes fraction"), "fontsize": SMALL}
        ax.annotate(
            f" now: {n_now:,}", va="top", textcoords="offset points", xytext=(1, 0), **place
        )
    counts_axis(ax.xaxis)
    ax.set_xlabel("n, seeds")
    ax.set_ylabel("chance (%)")
    what = "the difference" if wanted is None else f"a difference of {amount(wanted, metric)}"
    told = (
        "band: the pilot's sd at both ends of its 90 % interval; settles: the interval fits inside "
    )
    told += "± the difference, where the truth is 0"
    titled(ax, f"Chance to detect and to settle {what}", told)
    return ax


@styled
def rank_stability(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how often a study of n other seeds would name the same winner.

    Parameters
    ----------
    table : of `randstudy.analysis.rank.rank_stability`.
    """
    if not len(table):
        return sentence(axes_for(ax), "It takes two cells and two seeds to see a winner change.")
    ax = axes_for(ax, 3.2)
    n, same = numbers(table, "n"), numbers(table, "same_winner", 100)
    ax.set_xscale("log")
    band(ax, n, numbers(table, "low", 100), numbers(table, "high", 100), BLUE)
    ax.plot(n, same, color=BLUE, marker="o", label="_same")
    for x, y in zip(n, same, strict=True):
        place: Looks = {"textcoords": "offset points", "fontsize": SMALL, "ha": "center"}
        ax.annotate(f"{y:.0f}", (x, y), xytext=(0, 6 if y < 92 else -13), **place)
    _percent(ax)
    counts_axis(ax.xaxis, n)
    ax.set_xlabel("n, seeds of the other study")
    ax.set_ylabel("names the same winner (%)")
    told = f"drawn from {np.nanmax(n):,.0f} seeds at hand; band: how exactly this was simulated"
    remark = "; ".join(filter(None, (told, reasons(texts(table, "note")))))
    titled(ax, "Would other seeds name the same winner?", remark)
    return ax
