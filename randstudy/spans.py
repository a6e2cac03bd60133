"""Ranges of numbers that a study draws levels from, as ``{loguniform: [1e-3, 1]}``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from randstudy.expectation import fits, show
from randstudy.fields import Findings
from randstudy.nearest import suggestion
from randstudy.places import FieldPath

KINDS = ("uniform", "loguniform", "integer", "loginteger")
DIGITS = 6
"""Significant digits of a drawn number, so that people can read it and write it again."""


@dataclass(frozen=True)
class Span:
    """Numbers from `low` to `high`, both included, and how they are spread.

    ``uniform`` and ``integer`` are even; ``loguniform`` and ``loginteger`` are even in the
    logarithm. Whole numbers k have the room from k to k + 1.
    """

    kind: str
    low: float
    high: float

    @property
    def whole(self) -> bool:
        """Whether it holds whole numbers only."""
        return "integer" in self.kind

    @property
    def size(self) -> float:
        """How many numbers it holds; infinity for all between two."""
        return self.high - self.low + 1 if self.whole else math.inf

    def at(self, share: float) -> float:
        """Return the number below which a share (0 to 1) of the span lies, to `DIGITS` digits.

        >>> Span("loguniform", 1e-3, 1).at(0.5), Span("integer", 4, 64).at(0.999)
        (0.0316228, 64)
        """
        low, high = self.low, self.high + self.whole
        if self.kind.startswith("log"):
            number = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        else:
            number = low + share * (high - low)
        number = math.floor(number) if self.whole else float(f"{number:.{DIGITS}g}")
        return min(max(number, self.low), self.high)


def read_span(written: Mapping[str, Any], path: FieldPath, found: Findings) -> Span | None:
    """Read ``{kind: [low, high]}``; None with a problem noted."""
    for kind in written:
        if kind not in KINDS:
            found.add((*path, kind), f"no range is called {kind[:60]!r}{suggestion(kind, KINDS)}")
            return None
    if len(written) != 1:
        found.add(path, "expected one range such as {loguniform: [0.001, 1]}, or a list of levels")
        return None
    ((kind, ends),) = written.items()
    problem = _problem(kind, ends)
    if problem:
        found.add((*path, kind), problem)
        return None
    return Span(kind, *ends) if "integer" in kind else Span(kind, float(ends[0]), float(ends[1]))


def _problem(kind: str, ends: Any) -> str:
    """Say what is wrong with the ends of a range, nothing when they are right."""
    wanted = int if "integer" in kind else float
    noun = "whole numbers" if wanted is int else "numbers"
    if not isinstance(ends, list) or len(ends) != 2:
        return f"expected [lowest, highest], two {noun}, got {show(ends)}"
    wrong = [end for end in ends if not fits(wanted, end) or not math.isfinite(end)]
    if wrong:
        return f"expected two {noun}, got {show(wrong[0])}"
    low, high = ends
    if low >= high:
        return f"the lowest, {low:g}, must be below the highest, {high:g}"
    if kind.startswith("log") and low <= 0:
        return f"the lowest is {low:g}; a range in the logarithm must be above 0"
    return ""
