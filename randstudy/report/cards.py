"""A card for each declared comparison: the verdict, its sentence, and its interval as a strip."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from randstudy.analysis.sentences import Setting
from randstudy.analysis.words import level_name
from randstudy.report.columns import in_unit
from randstudy.report.tables import Entry, column, shown

MOST_CARDS = 24
"""Comparisons that get a card; the files beside the page have them all."""

SHAPES = {
    "real": "disc",
    "real but negligible": "half",
    "luck": "ring",
    "not enough seeds": "question",
    "withheld": "bar",
    "exploratory": "bar",
}
"""Verdict -> the shape that goes with its colour, so that colour is never alone."""

NUMBERS = (
    column("95 % interval", "low", "high", kind="difference"),
    column("n", "n", kind="text"),
    column("p, Holm", "p_holm", kind="p"),
    column("method", "method", kind="text"),
)


@dataclass(frozen=True)
class Strip:
    """An interval drawn on an axis with zero in its middle; places are percent of its width.

    `inner` are the ends of the 95 % interval, `outer` those of the interval that decides, `margin`
    the width of the band around zero that does not matter; `left` and `right` say what the sides
    of zero mean.
    """

    label: str
    left: str
    right: str
    estimate: str = ""
    inner: tuple[str, str, str] | None = None
    outer: tuple[str, str, str] | None = None
    margin: tuple[str, str, str] | None = None


@dataclass(frozen=True)
class Card:
    """One comparison. `shape` and `verdict` stand together; `facts` are (name, entry)."""

    title: str
    verdict: str
    shape: str
    sentence: str
    strip: Strip | None
    facts: tuple[tuple[str, Entry], ...]


def cards(compare: pd.DataFrame, setting: Setting) -> tuple[Card, ...]:
    """Return the cards of a table of declared comparisons with sentences, on a common axis."""
    rows = compare.head(MOST_CARDS).to_dict("records")
    reach = half_width(rows)
    points = in_unit("difference", setting.quantity.unit.difference)
    numbers = (column(points, "estimate", kind="difference"), *NUMBERS)
    table = shown("card", "", compare, numbers, setting.quantity, most=MOST_CARDS)
    return tuple(
        Card(
            title=f"{_level(row, 'level')} against {_level(row, 'reference')}",
            verdict=row["verdict"],
            shape=SHAPES[row["verdict"]],
            sentence=row["sentence"],
            strip=_strip(row, reach, setting),
            facts=tuple(
                (head, entry)
                for (head, _), entry in zip(table.heads, told.entries, strict=True)
                if not entry.empty and entry.parts != ("none",)
            ),
        )
        for row, told in zip(rows, table.rows, strict=True)
    )


def _level(row: Mapping[Any, Any], side: str) -> str:
    return level_name(row["factor"], row[side])


def half_width(rows: Sequence[Mapping[Any, Any]]) -> float:
    """Return how far the common axis reaches on either side of zero, 0 where nothing is known."""
    names = ("estimate", "low", "high", "decisive_low", "decisive_high", "smallest_difference")
    sizes = [abs(row[name]) for row in rows for name in names if math.isfinite(row[name])]
    return 1.06 * max(sizes, default=0.0)


def _strip(row: Mapping[Any, Any], reach: float, setting: Setting) -> Strip | None:
    """Return the strip of one comparison, None where it has no interval."""
    if not math.isfinite(row["low"]) or reach <= 0:
        return None
    level, reference = _level(row, "level"), _level(row, "reference")
    better = (reference, level) if setting.maximize else (level, reference)
    what, margin = setting.quantity, row["smallest_difference"]
    ends = what.interval(row["low"], row["high"])
    return Strip(
        label=f"95 % interval {ends} {what.unit.difference}".rstrip() + " around zero",
        left=f"{better[0]} better",
        right=f"{better[1]} better",
        estimate=_place(row["estimate"], reach),
        inner=_span(row["low"], row["high"], reach),
        outer=_span(row["decisive_low"], row["decisive_high"], reach),
        margin=_span(-margin, margin, reach),
    )


def _span(low: float, high: float, reach: float) -> tuple[str, str, str] | None:
    """Return start, end and width, None where an end is missing."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    return _place(low, reach), _place(high, reach), f"{50 * (high - low) / reach:.2f}%"


def _place(value: float, reach: float) -> str:
    return f"{50 + 50 * value / reach:.2f}%"
