"""Points of a study's factors: drawn, made readable, and told apart."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from randstudy.schemes import Drawn
from randstudy.spans import Span

Point = tuple[Any, ...]
"""Of each factor a number from its span, or the index of one of its levels."""

_PATIENCE = 64
"""Draws a wanted point after which a study is told that there are no more."""


def points(scheme: Drawn, seed: int, factors: Mapping[str, Span | int]) -> list[Point]:
    """Return distinct points in the order in which they are drawn.

    A point that was drawn before is drawn again instead, so there are as many as asked for where
    there are as many at all. A Latin hypercube has one draw a slice: it leaves such points out.

    Parameters
    ----------
    factors : full name of a field -> its span, or its number of levels.
    """
    count = most = scheme.cells
    if scheme.nests:
        most = (_PATIENCE * scheme.cells) + 1024
    found: dict[Point, None] = {}
    while True:
        found = dict.fromkeys(_drawn(scheme, seed, factors, count))
        if len(found) >= min(scheme.cells, _distinct(factors)) or count >= most:
            return list(found)[: scheme.cells]
        count = min(2 * count, most)


def _drawn(
    scheme: Drawn, seed: int, factors: Mapping[str, Span | int], count: int
) -> Iterator[Point]:
    shares = scheme.shares(seed, [*factors], count).tolist()
    kinds: Sequence[Span | int] = [*factors.values()]
    for row in shares:
        yield tuple(_value(kind, share) for kind, share in zip(kinds, row, strict=True))


def _value(kind: Span | int, share: float) -> Any:
    return math.floor(share * kind) if isinstance(kind, int) else kind.at(share)


def _distinct(factors: Mapping[str, Span | int]) -> float:
    """Return how many points there are at all."""
    return math.prod(one if isinstance(one, int) else one.size for one in factors.values())
