"""How values stand on the page: rounded for reading, exact for scripts, a dash where none is."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from randstudy.analysis.words import MINUS, Quantity, fixed, number

NONE = "–"
"""What stands where there is no number."""

Kind = Literal[
    "value", "difference", "count", "share", "points", "p", "number", "aligned", "minutes", "text"
]


@dataclass(frozen=True)
class Datum:
    """A number: `exact` as Python writes it, `text` as people read it; `id` is unique on a page."""

    id: str
    exact: str
    text: str


def datum(value: Any, kind: Kind, quantity: Quantity, name: str, places: int = 2) -> Datum | None:
    """Return a number ready for the page, None for a missing or infinite one.

    Parameters
    ----------
    value : a number in the units of the table (shares from 0 to 1), or a missing value.
    kind : how it is written; values and differences of the metric in the unit of `quantity`.
    name : its place on the page, as "cells-3-mean".
    places : decimals of a number that is aligned with those above and below it.
    """
    if missing(value) or not math.isfinite(value):
        return None
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    exact = repr(int(value)) if whole or kind == "count" else repr(float(value))
    return Datum(anchor(name), exact, written(float(value), kind, quantity, places))


def places_of(values: Iterable[Any]) -> int:
    """Return the decimals with which the largest of some numbers has three digits.

    >>> places_of([0.0876, 0.036, None]), places_of([-1.0, 1e-15]), places_of([5432.1])
    (4, 2, 0)
    """
    sizes = [abs(one) for one in values if not missing(one) and math.isfinite(one)]
    largest = max(sizes, default=0.0)
    return min(9, max(0, 2 - math.floor(math.log10(largest)))) if largest > 0 else 2


def written(value: float, kind: Kind, quantity: Quantity, places: int = 2) -> str:
    """Write a finite number for reading."""
    if kind in ("value", "difference"):
        return quantity.bare(value)
    if kind == "count":
        return f"{MINUS if value < 0 else ''}{abs(int(value)):,}"
    if kind == "share":
        return fixed(100 * value, 1)
    if kind == "points":
        return fixed(100 * value, 2)
    if kind == "p":
        return "< 0.0001" if value < 1e-4 else number(value, 2)
    if kind == "aligned":
        return fixed(value, places)
    if kind == "minutes":
        return "0" if value == 0 else "< 0.1" if value < 0.1 else number(value, 2)
    return number(value, 3)


def missing(value: Any) -> bool:
    """Tell None, NaN and NA from values; text is always a value."""
    return value is None or (not isinstance(value, str) and bool(pd.isna(value)))


def text(value: Hashable) -> str:
    """Write a factor's level, a name or a remark; a missing one is a dash.

    >>> text(0.5), text(None), text(32), text("full"), text(True)
    ('0.5', '–', '32', 'full', 'true')
    """
    if missing(value):
        return NONE
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value)).lower()
    if isinstance(value, (float, np.floating)):
        return f"{value:g}".replace("-", MINUS)
    return str(value)


def anchor(name: str) -> str:
    """Return a name that HTML takes as an id: no blanks, nothing to be escaped.

    >>> anchor("cells-3-pruning.rate")
    'cells-3-pruning.rate'
    """
    return re.sub(r"[^A-Za-z0-9_.:-]+", "_", name)
