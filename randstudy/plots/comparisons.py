"""What a study declared: differences with their verdicts, and the pairs behind one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from randstudy.analysis.pairs import Pair
from randstudy.analysis.roles import unit_of
from randstudy.errors import RandstudyError
from randstudy.plots.labels import (
    MINUS,
    amount,
    difference_label,
    digits_for,
    margin,
    numbers,
    rows,
    sentence,
    shorten,
    signed,
    texts,
    titled,
    value_label,
)
from randstudy.plots.marks import Numbers, jitter, spans
from randstudy.plots.sheet import axes_for, axes_for_rows
from randstudy.plots.style import BLUE, GREEN, INK, PAPER, VERMILLION, Looks, styled

VERDICTS = {
    "real": ("o", "full"),
    "real but negligible": ("D", "full"),
    "luck": ("o", "none"),
    "not enough seeds": ("s", "none"),
    "withheld": ("X", "full"),
    "exploratory": (".", "full"),
}
"""Marker and fill of each verdict, so that none is told by colour."""

MOST_LINES = 300
"""Pairs drawn as lines; beyond, evenly spaced ones of those sorted by difference."""


@styled
def comparisons(
    table: pd.DataFrame, ax: Axes | None = None, *, metric: str = "", most: int = 40
) -> Axes:
    """Draw differences from the reference with the interval that decides, and the verdicts.

    The thick bar is the 95 % interval, the thin one that at the level which looks and family
    leave; the shade covers the differences that the study called too small to matter.

    Parameters
    ----------
    table : of `randstudy.analysis.compare.compare`.
    """
    if not len(table):
        return sentence(axes_for(ax), "Nothing was compared.")
    shown, scale = table.head(most), unit_of(metric).scale
    ax = axes_for_rows(ax, len(shown), 0.42)
    y = np.arange(len(shown), dtype=np.float64)
    margins = numbers(shown, "smallest_difference", scale)
    known = np.isfinite(margins)
    shade: Looks = {"height": 1.0, "color": GREEN, "alpha": 0.16, "linewidth": 0, "zorder": 0}
    ax.barh(y[known], 2 * margins[known], left=-margins[known], label="_margin", **shade)
    ends = [numbers(shown, name, scale) for name in ("low", "high")]
    decisive = [numbers(shown, name, scale) for name in ("decisive_low", "decisive_high")]
    spans(ax, y, decisive[0], decisive[1], color=BLUE, linewidth=1.2, label="_decisive")
    spans(ax, y, ends[0], ends[1], color=BLUE, linewidth=5, label="_interval", alpha=0.75)
    _verdicts(ax, shown, numbers(shown, "estimate", scale))
    ax.axvline(0, color=INK, linewidth=1)
    rows(ax, _names(shown), len(table) - len(shown))
    ax.set_xlabel(f"level {MINUS} reference, {difference_label(metric)}")
    declared = set(texts(shown, "verdict")) != {"exploratory"}
    told = "thick: 95 % interval; thin: "
    told += (
        "the interval that decides" if declared else "Holm's; not declared, so nothing is decided"
    )
    smallest = np.unique(numbers(shown, "smallest_difference")[known])
    if len(smallest):
        one = f"below {amount(float(smallest[0]), metric)}, " if len(smallest) == 1 else ""
        told += f"; shaded: {one}too small to matter"
    titled(ax, "Differences from the reference", told)
    return ax


def _names(table: pd.DataFrame) -> list[str]:
    """Return "init: orthogonal - xavier_uniform" in two lines."""
    sides = zip(
        texts(table, "factor"), texts(table, "level"), texts(table, "reference"), strict=True
    )
    names = []
    for factor, level, reference in sides:
        first = shorten(level if factor in ("", "cell") else f"{factor}: {level}")
        names.append(f"{first}\n{MINUS} {shorten(reference, 40)}")
    return names


def _verdicts(ax: Axes, table: pd.DataFrame, estimates: Numbers) -> None:
    """Draw each estimate in its verdict's shape, and write the verdict and n beside it."""
    words, pairs, counts = texts(table, "verdict"), numbers(table, "pairs"), texts(table, "n")
    low, notes = numbers(table, "low"), texts(table, "note")
    for y, (word, n, note) in enumerate(zip(words, counts, notes, strict=True)):
        marker, fill = VERDICTS.get(word, (".", "full"))
        face = PAPER if fill == "none" else INK
        looks: Looks = {"marker": marker, "color": INK, "markerfacecolor": face, "markersize": 7}
        if np.isfinite(estimates[y]):
            ax.plot([estimates[y]], [y], label="_estimate", zorder=4, linestyle="none", **looks)
        seeds = ("paired " if pairs[y] > 0 else "") + ("seed" if n == "1" else "seeds")
        missing = f"\nno interval: {shorten(note, 48)}" if np.isnan(low[y]) else ""
        margin(ax, y, f"{word}\n{n} {seeds}{missing}")


@styled
def slopes(
    pair: Pair | Sequence[Any],
    ax: Axes | None = None,
    *,
    metric: str = "",
    names: tuple[str, str] | None = None,
) -> Axes:
    """Draw two levels side by side, a line a replicate.

    Parameters
    ----------
    pair : of `randstudy.analysis.pairs.pair`, or two arrays (n,): reference first, then level.
    names : of reference and level; those of the pair when None.

    Raises
    ------
    RandstudyError
        Two arrays that are not of one length.
    """
    reference, level, paired = _sides(pair)
    if names is None:
        names = ("reference", "level")
        if isinstance(pair, Pair):
            names = (str(pair.reference), str(pair.level))
    if not reference.size or not level.size:
        return sentence(axes_for(ax), "One of the levels has no finished training.")
    scale = unit_of(metric).scale
    ax = axes_for(ax, 3.8, 4.6)
    sides = reference * scale, level * scale
    (_lines if paired else _clouds)(ax, *sides)
    for x, values in enumerate(sides):
        ax.plot([x - 0.12, x + 0.12], [values.mean()] * 2, color=INK, linewidth=3, label="_mean")
        away = 1 if x else -1
        place: Looks = {"xy": (x + 0.12 * away, values.mean()), "textcoords": "offset points"}
        side: Looks = {"xytext": (8 * away, 0), "ha": "left" if x else "right", "va": "center"}
        ax.annotate(f"{values.mean():.4g}", **place, **side)
    ax.set_xlim(-0.6, 1.6)
    ax.set_xticks([0, 1], [shorten(name, 28) for name in names])
    ax.set_ylabel(value_label(metric))
    _remark(ax, *sides, paired, metric)
    return ax


def _sides(pair: Pair | Sequence[Any]) -> tuple[Numbers, Numbers, bool]:
    """Return the values of reference and level, and whether they are pairs."""
    if isinstance(pair, Pair):
        reference, level, paired = pair.b.ravel(), pair.a.ravel(), pair.paired
    else:
        reference, level = (np.asarray(side, np.float64).ravel() for side in pair)
        paired = True
    if not paired:
        return reference[np.isfinite(reference)], level[np.isfinite(level)], False
    if len(reference) != len(level):
        raise RandstudyError(f"pairs need as many values: {len(reference)} and {len(level)}")
    kept = np.isfinite(reference - level)
    return reference[kept], level[kept], True


def _lines(ax: Axes, reference: Numbers, level: Numbers) -> None:
    """Draw a line a pair: solid where it rises, dashed where it falls."""
    order = np.argsort(level - reference, kind="stable")
    if len(order) > MOST_LINES:
        order = order[np.linspace(0, len(order) - 1, MOST_LINES).round().astype(int)]
    for one in order:
        color, line = (BLUE, "-") if level[one] >= reference[one] else (VERMILLION, "--")
        looks: Looks = {"color": color, "linestyle": line, "linewidth": 1, "markersize": 3.5}
        ax.plot([0, 1], [reference[one], level[one]], marker="o", label="_pair", **looks)


def _clouds(ax: Axes, reference: Numbers, level: Numbers) -> None:
    for x, values in enumerate((reference, level)):
        places = x + jitter(len(values), 0.2)
        ax.plot(places, values, "o", color=BLUE, markersize=3.5, alpha=0.6, label="_points")


def _remark(ax: Axes, reference: Numbers, level: Numbers, paired: bool, metric: str) -> None:
    if not paired:
        told = f"{len(reference):,} and {len(level):,} seeds; no lines, for none are shared"
        titled(ax, "Two levels, not paired", told)
        return
    change = level - reference
    up, down = int((change > 0).sum()), int((change < 0).sum())
    unit = f" {unit_of(metric).difference}".rstrip()
    told = f"{len(change):,} paired seeds: {up} rise, {down} fall, {len(change) - up - down} stay\n"
    digits = digits_for(float(np.abs(change).max()))
    titled(ax, "Two levels, a line a seed", f"{told}mean {signed(change.mean(), digits)}{unit}")
