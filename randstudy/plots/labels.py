"""Words in figures: units, counts, short names, and labels that stay out of each other's way."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator
from numpy.typing import NDArray

from randstudy.analysis.roles import unit_of
from randstudy.errors import RandstudyError
from randstudy.nearest import suggestion
from randstudy.plots.sheet import figure_of
from randstudy.plots.style import INK, SMALL, Looks

LONGEST = 56
"""Characters of a label; longer ones lose their middle."""

MOST_TICKS = 12

MINUS = "\N{MINUS SIGN}"


def numbers(table: pd.DataFrame, name: str, scale: float = 1.0) -> NDArray[np.float64]:
    """Return a column as finite numbers or NaN, times `scale`.

    Raises
    ------
    RandstudyError
        The table has no such column, so it is of another kind.
    """
    if name not in table.columns:
        known = [str(column) for column in table.columns]
        raise RandstudyError(f"the table has no column {name!r}{suggestion(name, known, most=12)}")
    column = pd.to_numeric(table[name], errors="coerce")
    values = column.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    values[~np.isfinite(values)] = np.nan
    return values * scale


def texts(table: pd.DataFrame, name: str) -> list[str]:
    """Return a column as text, "" where the table lacks it or an entry."""
    if name not in table.columns:
        return [""] * len(table)
    return ["" if pd.isna(one) else str(one) for one in table[name]]


def value_label(metric: str) -> str:
    """Return a metric in words with its unit: "test accuracy (%)"."""
    unit = unit_of(metric).name
    words = metric.replace("_", " ") or "value"
    return f"{words} ({unit})" if unit else words


def difference_label(metric: str) -> str:
    """Return what a difference is of, with its unit: "test accuracy (points)"."""
    unit = unit_of(metric).difference
    words = metric.replace("_", " ") or "value"
    return f"{words} ({unit})" if unit else words


def amount(value: float, metric: str) -> str:
    """Return a difference in words: "0.5 points"."""
    unit = unit_of(metric)
    return f"{value * unit.scale:.3g} {unit.difference}".strip()


def signed(value: float, digits: int = 2) -> str:
    """Return a number with its sign; "" for NaN."""
    if np.isnan(value):
        return ""
    text = f"{value:+.{digits}f}"
    return text.replace("-", MINUS) if float(text) else text[1:]


def counted(ns: Iterable[float], what: str = "seeds") -> str:
    """Return how many: "n = 8 seeds", "n = 3 to 8 seeds"."""
    found = [int(n) for n in ns if n == n]
    if not found:
        return f"n = 0 {what}"
    low, high = min(found), max(found)
    if high == 1:
        first, *rest = what.split(" ")
        what = " ".join([first.removesuffix("s"), *rest])
    return f"n = {low:,} {what}" if low == high else f"n = {low:,} to {high:,} {what}"


def shorten(label: Any, most: int = LONGEST) -> str:
    """Return a label without its middle where it is too long, both ends being what tells."""
    text = str(label)
    half = (most - 1) // 2
    return text if len(text) <= most else f"{text[:half]}…{text[-half:]}"


def without_names(labels: Sequence[Any]) -> tuple[str, list[str]]:
    """Return what all labels name, and the labels without it.

    >>> without_names(["init=zeros lr=1", "init=ones lr=1"])
    ('init · lr', ['zeros · 1', 'ones · 1'])
    """
    written = [str(label) for label in labels]
    parts = [[part.partition("=") for part in label.split(" ")] for label in written]
    heads = {tuple(name for name, _, _ in part) for part in parts}
    if len(heads) != 1 or not all(sign for part in parts for _, sign, _ in part):
        return "", written
    return " · ".join(heads.pop()), [" · ".join(one for _, _, one in part) for part in parts]


def percent(share: float) -> str:
    """Return a share in words: "45 %"."""
    return f"{100 * share:.0f} %"


def plural(count: int, what: str) -> str:
    """Return a count in words: "1 cell", "27 cells"."""
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def digits_for(reach: float) -> int:
    """Return the decimals that show values up to `reach` to three figures."""
    return int(np.clip(2 - np.floor(np.log10(reach)), 0, 6)) if reach > 0 else 2


def sentence(ax: Axes, text: str) -> Axes:
    """Say in empty axes why there is nothing in them."""
    ax.set_axis_off()
    told = textwrap.fill(text, 70)
    ax.text(0.5, 0.5, told, transform=ax.transAxes, ha="center", va="center", style="italic")
    return ax


def titled(ax: Axes, title: str, remark: str = "") -> None:
    """Put a title above the axes, and below it, smaller, what has to be said."""
    told = "\n".join(textwrap.fill(line, 100) for line in remark.split("\n"))
    lines = told.count("\n") + 1 if told else 0
    ax.set_title(title, loc="left", pad=6 + 11 * lines)
    if told:
        place: Looks = {"xy": (0, 1), "xycoords": "axes fraction", "textcoords": "offset points"}
        ax.annotate(told, xytext=(0, 4), va="bottom", ha="left", fontsize=SMALL, **place)


def reasons(notes: Iterable[str], most: int = 2) -> str:
    """Return the first few different notes as one remark."""
    found = list(dict.fromkeys(note for note in notes if note))
    told = "; ".join(found[:most])
    return told if len(found) <= most else f"{told}; …"


def margin(ax: Axes, y: float, text: str) -> None:
    """Write beside a row, to the right of the axes."""
    if text:
        place: Looks = {"xy": (1.015, y), "xycoords": ("axes fraction", "data")}
        ax.annotate(text, va="center", ha="left", fontsize=SMALL, annotation_clip=False, **place)


def rows(ax: Axes, labels: Sequence[Any], left_out: int = 0) -> None:
    """Name the rows of a chart at 0, 1, … from the top, and say how many more there are."""
    head, names = without_names(labels)
    ax.set_yticks(range(len(labels)), [shorten(name) for name in names])
    if head:
        place: Looks = {"xy": (0, 1), "xycoords": "axes fraction", "textcoords": "offset points"}
        looks: Looks = {"fontsize": SMALL, "style": "italic"}
        ax.annotate(head, xytext=(-6, 4), ha="right", va="bottom", **looks, **place)
    ax.set_ylim(len(labels) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color=INK, alpha=0.15, linewidth=0.6)
    if left_out:
        place = {"xy": (0, 0), "xycoords": "axes fraction", "textcoords": "offset points"}
        told = f"… and {left_out:,} more"
        ax.annotate(told, xytext=(-4, 2), ha="right", va="bottom", fontsize=SMALL, **place)
        ax.set_ylim(len(labels) + 0.3, -0.6)


def apart(places: Sequence[float], gap: float) -> NDArray[np.float64]:
    """Move places (0 to 1) as far as it takes for neighbours to be `gap` apart."""
    order = np.argsort(places, kind="stable")
    found = np.asarray(places, np.float64)[order]
    gap = min(gap, 1 / max(len(found) - 1, 1))
    for i in range(1, len(found)):
        found[i] = max(found[i], found[i - 1] + gap)
    top = 1.0
    for i in range(len(found) - 1, -1, -1):
        found[i] = min(found[i], top)
        top = found[i] - gap
    moved = np.empty_like(found)
    moved[order] = found
    return moved


def end_labels(ax: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Name lines at their right ends: x, y, text and colour of each."""
    ax.autoscale_view()
    to_axes = ax.transData + ax.transAxes.inverted()
    places = [float(to_axes.transform((x, y))[1]) for x, y, _, _ in ends]
    height = ax.get_window_extent().height / figure_of(ax).dpi * 72
    moved = apart(np.clip(places, 0, 1).tolist(), 1.25 * SMALL / max(height, 1))
    for (x, y, text, color), place in zip(ends, moved, strict=True):
        ax.annotate(
            shorten(text, 44),
            xy=(x, y),
            xytext=(1.03, float(place)),
            textcoords="axes fraction",
            va="center",
            fontsize=SMALL,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.7, "relpos": (0, 0.5)},
        )


def counts_axis(axis: Axis, at: Iterable[float] = ()) -> None:
    """Write a logarithmic axis of counts with plain numbers: at a few places, or 1, 2, 5, 10, …"""
    places = sorted({place for place in at if place == place})
    few = 0 < len(places) <= MOST_TICKS
    axis.set_major_locator(FixedLocator(places) if few else LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
