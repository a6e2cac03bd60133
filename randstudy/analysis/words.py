"""Numbers as people write them: units, signs, counts and plurals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from randstudy.analysis.roles import Unit

_SMALL = (
    *("no", "one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)
MINUS = "−"


def number(value: float, digits: int = 3) -> str:
    """Write a number with so many significant digits and a true minus sign.

    >>> number(0.00123456), number(-12.0), number(1234567.0)
    ('0.00123', '−12', '1,234,567')
    """
    if not math.isfinite(value):
        return "–"
    size = abs(value)
    if size >= 10**digits:
        text = f"{size:,.0f}"
    elif size == 0:
        text = "0"
    else:
        places = max(0, digits - 1 - math.floor(math.log10(size)))
        text = f"{size:,.{places}f}" if places <= 9 else f"{size:.{digits - 1}e}"
        text = text.replace("-", MINUS)
        if places <= 9 and "." in text:
            text = text.rstrip("0").rstrip(".") or "0"
    return (MINUS if value < 0 and text != "0" else "") + text


def fixed(value: float, places: int) -> str:
    """Write a number with so many decimals and a true minus sign; never minus zero.

    >>> fixed(-0.004, 2), fixed(-1.5, 2)
    ('0.00', '−1.50')
    """
    if not math.isfinite(value):
        return "–"
    text = f"{abs(value):,.{places}f}"
    return (MINUS if value < 0 and float(text.replace(",", "")) != 0 else "") + text


@dataclass(frozen=True)
class Quantity:
    """Writes values and differences of one metric.

    `digits` decimals are those in which its smallest interval still shows two digits.
    """

    unit: Unit
    digits: int = 2

    @classmethod
    def of(cls, unit: Unit, widths: Sequence[float]) -> Quantity:
        """Return the quantity that shows the narrowest of these widths (metric units)."""
        finite = [abs(w) * unit.scale for w in widths if math.isfinite(w) and w != 0]
        if unit.scale == 100:
            return cls(unit, 2 if not finite or min(finite) >= 0.02 else 3)
        if not finite:
            return cls(unit, 4)
        return cls(unit, min(9, max(0, 1 - math.floor(math.log10(min(finite))))))

    def bare(self, value: float) -> str:
        """Write a value or difference without its unit."""
        return fixed(value * self.unit.scale, self.digits)

    def difference(self, value: float) -> str:
        """Write a difference with its unit: "0.62 points"."""
        return f"{self.bare(value)} {self.unit.difference}".rstrip()

    def possible(self, value: float) -> float:
        """Return the end of an interval of differences, or the largest that there can be."""
        return max(-self.unit.widest, min(self.unit.widest, value))

    def margin(self, value: float) -> str:
        """Write a number that somebody chose, with its unit and no more digits than it has."""
        text = number(value * self.unit.scale, 6)
        noun = self.unit.difference
        if noun == "points" and text == "1":
            noun = "point"
        return f"{text} {noun}".rstrip()

    def value(self, value: float) -> str:
        """Write a value with its unit: "97.22 %"."""
        return f"{self.bare(value)} {self.unit.name}".rstrip()

    def interval(self, low: float, high: float) -> str:
        """Write both ends of an interval: "0.31 to 0.93"."""
        return f"{self.bare(low)} to {self.bare(high)}"


def counted(count: int, noun: str, plural: str = "") -> str:
    """Write a count with its noun: "no seeds", "1 seed", "8 seeds", "1,077 seeds".

    >>> counted(1, "seed"), counted(2, "seed"), counted(0, "entry", "entries")
    ('1 seed', '2 seeds', 'no entries')
    """
    several = plural or f"{noun}s"
    return f"{'no' if count == 0 else f'{count:,}'} {noun if count == 1 else several}"


def spelled(count: int) -> str:
    """Write a count that begins a sentence: words to twelve, then digits.

    >>> spelled(8), spelled(44)
    ('Eight', '44')
    """
    return _SMALL[count].capitalize() if 0 <= count < len(_SMALL) else f"{count:,}"


def percent(share: float, places: int = 0) -> str:
    """Write a share in percent.

    >>> percent(0.563)
    '56 %'
    """
    return f"{fixed(100 * share, places)} %" if math.isfinite(share) else "–"


def listed(items: Sequence[str], last: str = "and") -> str:
    """Join words: "a", "a and b", "a, b and c"; "nothing" for none.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    if not items:
        return "nothing"
    if len(items) == 1:
        return items[0]
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def level_name(factor: str, level: Any) -> str:
    """Name a level in a sentence: numbers need their factor's name, words speak for themselves.

    >>> level_name("batch_size", 32), level_name("init", "orthogonal")
    ('batch_size 32', 'orthogonal')
    """
    text = f"{level:g}" if isinstance(level, float) else str(level)
    if isinstance(level, str) and not level.replace(".", "").isdigit():
        return f"{factor} {text}" if text in ("full", "none", "null", "auto") else text
    return f"{factor} {text}"


def capital(sentence: str) -> str:
    """Begin a sentence with a capital, unless it begins with a field's name."""
    first = sentence.split(" ", 1)[0]
    if "_" in first or "." in first.rstrip(".") or "(" in first:
        return sentence
    return sentence[:1].upper() + sentence[1:]


def duration(minutes: float) -> str:
    """Write minutes as people say them.

    >>> duration(0.3), duration(3.2), duration(90)
    ('under a minute', 'about 3 minutes', 'about 1.5 hours')
    """
    if not math.isfinite(minutes):
        return "an unknown time"
    if minutes < 0.75:
        return "under a minute"
    if minutes < 90:
        return f"about {counted(round(minutes), 'minute')}"
    hours = minutes / 60
    if hours < 48:
        return f"about {number(hours, 2)} hours"
    return f"about {number(hours / 24, 2)} days"
