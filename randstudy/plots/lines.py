"""Lines: along training, over the number of seeds one chooses from, over batch sizes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from randstudy.analysis.roles import unit_of
from randstudy.plots.labels import (
    counted,
    counts_axis,
    end_labels,
    numbers,
    reasons,
    sentence,
    signed,
    texts,
    titled,
    value_label,
    without_names,
)
from randstudy.plots.marks import Numbers, band
from randstudy.plots.sheet import axes_for
from randstudy.plots.style import BLUE, INK, PAPER, VERMILLION, Looks, look, styled

MOST_LINES = 8
"""Lines that can still be told apart."""

End = tuple[float, float, str, str]


def _groups(
    table: pd.DataFrame, names: list[str], most: int
) -> tuple[list[tuple[str, pd.DataFrame]], int]:
    """Return the first groups with their labels in the table's order, and how many there are."""
    if not names:
        return [("", table)], 1
    grouped = table.groupby(names, sort=False, dropna=False, observed=True)
    parts = [(" · ".join(map(str, key)), part) for key, part in islice(grouped, most)]
    return parts, grouped.ngroups


def _cells(table: pd.DataFrame, most: int) -> tuple[list[tuple[str, pd.DataFrame]], str]:
    """Return the first cells, shortly labelled, and what is to be said of the labels."""
    parts, count = _groups(table, ["cell"], most)
    head, labels = without_names([label for label, _ in parts])
    told = _joined(f"lines: {head}" if head else "", _left_out(count, most))
    return [(label, part) for label, (_, part) in zip(labels, parts, strict=True)], told


def _line(
    ax: Axes,
    x: Numbers,
    table: pd.DataFrame,
    names: tuple[str, str, str],
    scale: float,
    number: int,
) -> Iterator[tuple[float, float, str]]:
    """Draw one line with its band; give its right end and colour, if it has one."""
    middle, low, high = (numbers(table, name, scale) for name in names)
    looks = look(number)
    band(ax, x, low, high, looks["color"])
    ax.plot(x, middle, label="_line", markersize=4, markevery=max(1, len(x) // 12), **looks)
    known = np.flatnonzero(np.isfinite(middle) & np.isfinite(x))
    if len(known):
        yield float(x[known[-1]]), float(middle[known[-1]]), looks["color"]


def _left_out(count: int, most: int, what: str = "cells") -> str:
    return f"the first {most} of {count:,} {what}" if count > most else ""


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _no_interval(table: pd.DataFrame, name: str = "low") -> str:
    """Say why no point has an interval, where none has."""
    if np.isfinite(numbers(table, name)).any():
        return ""
    return f"no interval: {reasons(texts(table, 'note')) or 'one training'}"


@styled
def curves(
    table: pd.DataFrame,
    metric: str,
    ax: Axes | None = None,
    *,
    by: str = "epoch",
    most: int = MOST_LINES,
) -> Axes:
    """Draw the mean of a metric along training with its pointwise 95 % interval.

    Parameters
    ----------
    table : of `randstudy.analysis.curves.curves`.
    by : "epoch" or "step".
    most : cells that are drawn.
    """
    if not len(table):
        return sentence(
            axes_for(ax), "No cell has a step at which all its trainings were evaluated."
        )
    ax, scale = axes_for(ax, 3.8, 8.4), unit_of(metric).scale
    parts, told = _cells(table, most)
    ends: list[End] = []
    for number, (label, part) in enumerate(parts):
        drawn = _line(ax, numbers(part, by), part, ("mean", "low", "high"), scale, number)
        ends += [(x, y, label, color) for x, y, color in drawn]
    end_labels(ax, ends)
    ax.set_xlabel(by)
    ax.set_ylabel(value_label(metric))
    seeds = counted(numbers(table, "n"), "seeds in each cell")
    remark = _joined(seeds, told, _no_interval(table))
    titled(ax, "Mean along training, band: pointwise 95 % interval", remark)
    return ax


@styled
def best_of(
    table: pd.DataFrame, ax: Axes | None = None, *, metric: str = "", most: int = MOST_LINES
) -> Axes:
    """Draw what the best of k seeds is expected to come to.

    Parameters
    ----------
    table : of `randstudy.analysis.cells.best_of`.
    """
    if not len(table):
        return sentence(axes_for(ax), "There is no training to choose from.")
    ax, scale = axes_for(ax, 3.6, 8.4), unit_of(metric).scale
    parts, lines = _cells(table, most)
    ax.set_xscale("log")
    ends: list[End] = []
    for number, (label, part) in enumerate(parts):
        drawn = _line(ax, numbers(part, "k"), part, ("expected", "low", "high"), scale, number)
        ends += [(x, y, label, color) for x, y, color in drawn]
    end_labels(ax, ends)
    counts_axis(ax.xaxis, numbers(table, "k"))
    ax.set_xlabel("k, seeds to choose from")
    ax.set_ylabel(value_label(metric))
    seeds = counted(numbers(table, "n"), "seeds in each cell")
    missing = "no interval where k is more than half of n"
    known = np.isfinite(numbers(table, "low"))
    told = _no_interval(table) if not known.any() else "" if known.all() else missing
    remark = _joined(seeds, told, lines)
    titled(ax, "Expected best of k seeds, band: 95 % interval", remark)
    return ax


@styled
def winners(
    table: pd.DataFrame,
    ax: Axes | None = None,
    *,
    metric: str = "test_accuracy",
    cell: Any = None,
) -> Axes:
    """Draw how good the best of k seeds is on the examples that chose it, and on others.

    Parameters
    ----------
    table : of `randstudy.analysis.winners.winners`.
    cell : the cell that is drawn; when None the mean over all cells of the table.
    """
    if cell is not None and "cell" in table.columns:
        table = table[table["cell"] == cell]
    if not len(table):
        return sentence(axes_for(ax), "There are too few seeds to choose from.")
    ax, scale = axes_for(ax, 3.4), unit_of(metric).scale
    cells = table["cell"].nunique() if "cell" in table.columns else 1
    sides = {"chosen_half": "on the half that chose it", "other_half": "on the other half"}
    ks, means = _means(table, [*sides, *(["mean"] if "mean" in table.columns else [])], scale)
    ax.set_xscale("log")
    looks: tuple[Looks, ...] = (
        {"color": BLUE, "marker": "o"},
        {"color": VERMILLION, "marker": "s", "dashes": (4, 2)},
    )
    ends: list[End] = []
    for (name, words), line in zip(sides.items(), looks, strict=True):
        ax.plot(ks, means[name], label=f"_{name}", **line)
        ends.append((float(ks[-1]), float(means[name][-1]), words, str(line["color"])))
    if "mean" in means:
        level = float(np.mean(means["mean"]))
        ax.axhline(level, color=INK, linewidth=0.8, linestyle=":", label="_mean")
        ends.append((float(ks[-1]), level, "mean of all seeds", INK))
    end_labels(ax, ends)
    counts_axis(ax.xaxis, numbers(table, "k"))
    ax.set_xlabel("k, seeds to choose from")
    ax.set_ylabel(value_label(metric))
    over = f"mean over {cells:,} cells" if cells > 1 else ""
    remark = _joined(counted(numbers(table, "n"), "seeds in each cell"), over, _kept(table, cells))
    titled(ax, "The lucky seed: best of k on half of the test examples", remark)
    return ax


def _means(
    table: pd.DataFrame, names: list[str], scale: float
) -> tuple[Numbers, dict[str, Numbers]]:
    """Return k, and the mean of columns over the cells that reach the most rows of k."""
    ks = numbers(table, "k")
    found = np.unique(ks[np.isfinite(ks)])
    columns = {name: numbers(table, name, scale) for name in names}
    return found, {
        name: np.array([column[ks == k].mean() for k in found]) for name, column in columns.items()
    }


def _kept(table: pd.DataFrame, cells: int) -> str:
    """Say what share of the lead holds on the other half, for the largest k with an interval."""
    if cells > 1:
        return ""
    low, high = numbers(table, "low", 100), numbers(table, "high", 100)
    known = np.flatnonzero(np.isfinite(low) & np.isfinite(high))
    if not len(known):
        return _no_interval(table)
    row = known[-1]
    kept, k = numbers(table, "kept_share", 100)[row], numbers(table, "k")[row]
    ends = f"{signed(low[row], 0)} to {signed(high[row], 0)} %"
    return f"at k = {k:.0f} it keeps {kept:.0f} % of its lead ({ends})"


@styled
def batch_sizes(table: pd.DataFrame, ax: Axes | None = None, *, most: int = MOST_LINES) -> Axes:
    """Draw steps to the target by batch size, both axes logarithmic, with the regimes.

    The dashed line is perfect scaling from the smallest batch size on: twice the batch, half the
    steps. A filled marker stands where doubling still pays in full, an open one where it pays less,
    a cross where it no longer pays.

    Parameters
    ----------
    table : of `randstudy.analysis.batch_sizes.batch_sizes`.
    """
    if not np.isfinite(numbers(table, "steps")).any():
        return sentence(
            axes_for(ax), "At no batch size did half of the trainings reach the target."
        )
    ax = axes_for(ax, 3.8, 8.4)
    ax.set_xscale("log")
    ax.set_yscale("log")
    others = _others(table)
    parts, count = _groups(table, others, most)
    ends: list[End] = []
    for number, (label, part) in enumerate(parts):
        ends += _scaling(ax, part, label, number, APART ** (number - (len(parts) - 1) / 2))
    end_labels(ax, [end for end in ends if end[2]])
    counts_axis(ax.xaxis, numbers(table, "batch_size"))
    counts_axis(ax.yaxis)
    ax.set_xlabel("batch size (examples)")
    ax.set_ylabel("median steps to the target")
    seeds = counted(numbers(table, "n"), "seeds at each size")
    regimes = "filled: perfect scaling; open: diminishing returns; ×: maximum useful batch"
    names = f"lines, set apart a little: {' · '.join(others)}" if others else ""
    lines = _joined(names, _left_out(count, most, "lines"), _no_interval(table))
    remark = f"{regimes}\n{_joined(seeds, lines)}"
    titled(ax, "Steps to the target with 95 % interval, dashed: perfect scaling", remark)
    return ax


def _others(table: pd.DataFrame) -> list[str]:
    """Return the other factors, which stand after ``cell``."""
    names = [str(name) for name in table.columns]
    return names[names.index("cell") + 1 :] if "cell" in names else []


REGIMES = {"perfect scaling": "full", "diminishing returns": "none"}


APART = 1.025
"""Factor by which lines are moved along batch sizes, where several end at the same evaluations."""


def _scaling(ax: Axes, part: pd.DataFrame, label: str, number: int, moved: float) -> list[End]:
    """Draw one line of batch sizes."""
    size, steps = numbers(part, "batch_size", moved), numbers(part, "steps")
    low, high = numbers(part, "low"), numbers(part, "high")
    known = np.isfinite(size) & np.isfinite(steps)
    if not known.any():
        return []
    looks = look(number)
    color, marker = looks["color"], looks["marker"]
    ax.plot(size[known], steps[known], color=color, linewidth=1, label="_steps")
    sure = known & np.isfinite(low) & np.isfinite(high)
    ax.vlines(size[sure], low[sure], high[sure], color=color, linewidth=1.6, label="_interval")
    for x, y, regime in zip(size, steps, texts(part, "regime"), strict=True):
        if x == x and y == y:
            shape = "x" if regime == "maximum useful batch" else marker
            face = color if REGIMES.get(regime) != "none" else PAPER
            ax.plot([x], [y], marker=shape, color=color, markerfacecolor=face, label="_regime")
    first = np.flatnonzero(known)[0]
    if not number:
        ideal = steps[first] * size[first] / size[known]
        ax.plot(size[known], ideal, color=INK, linewidth=0.7, linestyle="--", label="_ideal")
    last = np.flatnonzero(known)[-1]
    return [(float(size[last]), float(steps[last]), label, color)]
