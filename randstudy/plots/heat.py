"""Tables as coloured fields with their numbers in them."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from randstudy.analysis.layout import Layout
from randstudy.analysis.roles import unit_of
from randstudy.plots.labels import (
    counted,
    difference_label,
    digits_for,
    numbers,
    plural,
    reasons,
    sentence,
    shorten,
    signed,
    texts,
    titled,
    without_names,
)
from randstudy.plots.marks import Numbers
from randstudy.plots.sheet import axes_for, figure_of
from randstudy.plots.style import DIVERGING, INK, SMALL, Looks, styled, text_on

MOST_FIELDS = 12
"""Rows and columns of a table whose numbers can still be read."""

MOST_NAMED = 40
"""Rows that can still be named."""

MOST_ROWS, MOST_COLUMNS = 100, 150
"""Fields that a figure has room for; of more, evenly spaced ones are drawn."""


def _fields(ax: Axes, values: Numbers, middle: float, reach: float) -> AxesImage:
    """Draw fields coloured by their distance from the middle."""
    limits: Looks = {"vmin": middle - reach, "vmax": middle + reach}
    image = ax.imshow(values, cmap=DIVERGING, aspect="auto", interpolation="none", **limits)
    for side in ax.spines.values():
        side.set_visible(False)
    ax.tick_params(length=0)
    return image


def _print(ax: Axes, image: AxesImage, values: Numbers, words: Sequence[Sequence[str]]) -> None:
    """Print a text in each field, black or white, whichever can be read there."""
    for row, column in np.ndindex(values.shape):
        color = INK
        if np.isfinite(values[row, column]):
            color = text_on(image.cmap(image.norm(values[row, column])))
        looks: Looks = {"ha": "center", "va": "center", "fontsize": SMALL}
        ax.text(column, row, words[row][column], color=color, **looks)


def _reach(values: Numbers) -> float:
    """Return the largest distance from zero, 1 where there is none."""
    found = np.abs(values[np.isfinite(values)]).max(initial=0)
    return float(found) if found > 0 else 1.0


@styled
def interactions(
    table: pd.DataFrame,
    ax: Axes | None = None,
    *,
    metric: str = "",
    pair: tuple[str, str] | None = None,
) -> Axes:
    """Draw what two factors do together beyond what each does alone, with the means below.

    Parameters
    ----------
    table : of `randstudy.analysis.interactions.interactions`.
    pair : the two factors, where the table has several pairs; the first when None.
    """
    if not len(table):
        return sentence(axes_for(ax), "There are no two factors to set against each other.")
    first = table.iloc[0]
    a, b = pair or (str(first["factor_a"]), str(first["factor_b"]))
    table = table[(table["factor_a"] == a) & (table["factor_b"] == b)]
    if not len(table):
        return sentence(axes_for(ax), f"The table does not set {a} against {b}.")
    scale = unit_of(metric).scale
    levels = [list(dict.fromkeys(table[name])) for name in ("level_a", "level_b")]
    beyond, sure = _square(table, levels, "interaction", scale), _sure(table, levels)
    means = _square(table, levels, "mean", scale)
    ax = axes_for(ax, 1.4 + 0.5 * max(len(levels[0]), 2))
    image = _fields(ax, beyond, 0, _reach(beyond))
    if max(beyond.shape) <= MOST_FIELDS:
        digits = digits_for(_reach(beyond))
        words = [
            [
                f"{signed(x, digits)}{'*' if told else ''}\n({mean:.{digits}f})"
                for x, mean, told in zip(*row, strict=True)
            ]
            for row in zip(beyond, means, sure, strict=True)
        ]
        _print(ax, image, beyond, words)
    else:
        _bar(ax, image, f"interaction, {difference_label(metric)}")
    ax.set_xticks(range(len(levels[1])), [shorten(one, 20) for one in levels[1]])
    ax.set_yticks(range(len(levels[0])), [shorten(one, 24) for one in levels[0]])
    ax.set_xlabel(b)
    ax.set_ylabel(a)
    told = f"{difference_label(metric)} beyond the sum of both effects, means in brackets; "
    told += counted(numbers(table, "n"))
    told += "; *: the 95 % interval excludes 0" if sure.any() else ""
    titled(ax, f"{a} × {b}", "; ".join(filter(None, (told, reasons(texts(table, "note"))))))
    return ax


def _square(
    table: pd.DataFrame, levels: Sequence[Sequence[Any]], name: str, scale: float
) -> Numbers:
    """Return a column as (levels of a, levels of b), NaN where there is no row."""
    found = np.full((len(levels[0]), len(levels[1])), np.nan)
    row, column = (
        pd.Index(known).get_indexer(pd.Index(table[side]))
        for known, side in zip(levels, ("level_a", "level_b"), strict=True)
    )
    found[row, column] = numbers(table, name, scale)
    return found


def _sure(table: pd.DataFrame, levels: Sequence[Sequence[Any]]) -> np.ndarray[Any, Any]:
    """Tell where the interval of the interaction excludes zero."""
    if "interaction_low" not in table.columns:
        return np.zeros((len(levels[0]), len(levels[1])), bool)
    low = _square(table, levels, "interaction_low", 1)
    return np.asarray(low * _square(table, levels, "interaction_high", 1) > 0)


def _bar(ax: Axes, image: AxesImage, label: str) -> None:
    """Draw the scale of colours."""
    bar = figure_of(ax).colorbar(image, ax=ax, label=label, pad=0.02)
    bar.outline.set_visible(False)


@styled
def superiority(matrix: pd.DataFrame, ax: Axes | None = None, *, n: int | None = None) -> Axes:
    """Draw how often the cell of a row beats that of a column.

    Parameters
    ----------
    matrix : of `randstudy.analysis.superiority.superiority`.
    n : seeds behind each number.
    """
    count = min(len(matrix), MOST_FIELDS)
    if count < 2:
        return sentence(axes_for(ax), "It takes two cells for one to beat the other.")
    values = matrix.iloc[:count, :count].to_numpy(np.float64)
    ax = axes_for(ax, 1.6 + 0.36 * count)
    image = _fields(ax, values, 0.5, 0.5)
    words = [[f"{x:.2f}" if x == x else "" for x in row] for row in values]
    _print(ax, image, values, words)
    head, names = without_names([*matrix.index[:count]])
    letters = ascii_uppercase[:count]
    labels = [
        f"{shorten(name, 44)}  ({letter})" for letter, name in zip(letters, names, strict=True)
    ]
    ax.set_yticks(range(count), labels)
    ax.set_xticks(range(count), [*letters])
    ax.set_xlabel("cell of the column, lettered as the rows")
    told = f"rows: {head}; " if head else ""
    told += "share of seeds, ties count half" + ("" if n is None else f"; n = {n:,} seeds")
    left_out = len(matrix) - count
    told += f"; the first {count} cells, {left_out:,} more are left out" if left_out else ""
    titled(ax, "P(row better than column)", told)
    return ax


@styled
def seeds(
    data: Layout | Any,
    ax: Axes | None = None,
    *,
    metric: str = "",
    names: Sequence[Any] | None = None,
) -> Axes:
    """Draw each training's distance from its cell's mean: a seed lucky everywhere is a column.

    Parameters
    ----------
    data : a layout, or values (cells, seeds) with NaN where one is missing.
    names : of the cells; those of the layout when None.
    """
    if isinstance(data, Layout):
        metric = metric or data.roles.metric
        if len(data.cells) == 1 and len(data.axes) == 2:
            return _crossed(data, ax, metric)
        names = list(data.cells["cell"]) if names is None else names
        axes = " × ".join(axis.name for axis in data.axes)
        values = data.table().reshape(len(data.cells), -1)
    else:
        values, axes = np.asarray(data, np.float64), "seed"
    if values.size == 0 or not np.isfinite(values).any():
        return sentence(axes_for(ax), "There is no finished training.")
    values = _centred(values) * unit_of(metric).scale
    ax = axes_for(ax, 1.5 + 0.2 * min(max(len(values), 4), 26))
    shown = values[np.ix_(_spaced(len(values), MOST_ROWS), _spaced(values.shape[1], MOST_COLUMNS))]
    image = _fields(ax, shown, 0, _reach(values))
    # Where some are left out, places still are numbers of cells and replicates.
    image.set_extent((-0.5, values.shape[1] - 0.5, len(values) - 0.5, -0.5))
    if names is not None and len(names) <= MOST_NAMED:
        head, names = without_names(names)
        ax.set_yticks(range(len(names)), [shorten(name, 48) for name in names])
        ax.set_ylabel(head)
    else:
        ax.set_ylabel(f"{len(values):,} cells")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel(f"replicate ({axes})")
    _bar(ax, image, difference_label(metric))
    told = f"{plural(len(values), 'cell')} × {plural(values.shape[1], 'seed')}"
    if shown.size < values.size:
        told += f", {shown.shape[0]} × {shown.shape[1]} of them, evenly spaced, are drawn"
    told += "; a column of one colour is a seed that is lucky (or unlucky) everywhere"
    titled(ax, "Each training against its cell's mean", told)
    return ax


def _crossed(layout: Layout, ax: Axes | None, metric: str) -> Axes:
    """Draw the one cell of two crossed streams as a table of them."""
    values = layout.table()[0]
    if not np.isfinite(values).any():
        return sentence(axes_for(ax), "There is no finished training.")
    values = _centred(values.reshape(1, -1)).reshape(values.shape) * unit_of(metric).scale
    ax = axes_for(ax, 4.2, 6)
    image = _fields(ax, values, 0, _reach(values))
    rows, columns = (axis.name for axis in layout.axes)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    ax.set_ylabel(f"replicate ({rows})")
    ax.set_xlabel(f"replicate ({columns})")
    _bar(ax, image, difference_label(metric))
    told = f"n = {' × '.join(map(str, values.shape))} seeds; a row of one colour is a lucky {rows},"
    titled(ax, "Each training against the mean of all", f"{told} a column a lucky {columns}")
    return ax


def _spaced(count: int, most: int) -> NDArray[np.int64]:
    """Return all places, or `most` evenly spaced ones with the first and the last."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)


def _centred(values: Numbers) -> Numbers:
    """Return values less the mean of their row; rows without a value stay NaN."""
    known = np.isfinite(values)
    counts = known.sum(1, keepdims=True)
    sums = np.where(known, values, 0).sum(1, keepdims=True)
    means = np.divide(sums, counts, out=np.zeros(sums.shape), where=counts > 0)
    return np.where(known, values - means, np.nan)
