"""Which streams move with which replicate, as the study's ``replicates`` and ``fixed`` say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Annotated, Any

from randstudy.expectation import show
from randstudy.fields import FAULT, Findings, read, section
from randstudy.nearest import suggestion
from randstudy.parts import Range
from randstudy.places import FieldPath
from randstudy.streams import STREAMS

MOST = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Count:
    """Replicates ``first``, ``first + 1``, … of a group of streams."""

    count: Annotated[int, Range(least=1, most=MOST), "how many replicates"]
    first: Annotated[int, Range(least=0, most=MOST), "number of the first replicate"] = 0


@dataclass(frozen=True)
class Group:
    """Streams that move together through replicates ``first`` to ``first + count - 1``."""

    streams: tuple[str, ...]
    count: int
    first: int = 0

    @property
    def varies(self) -> bool:
        """Whether it differs from holding its streams at replicate 0."""
        return self.count > 1 or self.first > 0


@dataclass(frozen=True)
class Replicates:
    """Groups of streams, crossed; streams in no group stay at replicate 0."""

    groups: tuple[Group, ...]
    named: bool = False
    """Whether the study names the streams of each group, rather than moving all of them."""
    at: FieldPath = field(default=("replicates",), compare=False)
    """Where the study says so: for all cells, or for those of one arm."""

    @property
    def moved(self) -> list[tuple[list[str], int, int]]:
        """Plain values that are equal where the same streams move through the same replicates."""
        moving = [group for group in self.groups if group.varies]
        return sorted((sorted(group.streams), group.first, group.count) for group in moving)

    @property
    def varied(self) -> frozenset[str]:
        """The streams that are not held at replicate 0."""
        return frozenset(name for group in self.groups if group.varies for name in group.streams)

    @property
    def size(self) -> int:
        """Number of combinations for a training that consumes every stream."""
        return math.prod(group.count for group in self.groups)

    def count(self, consumed: Set[str]) -> int:
        """Return how many distinct replicates a training has that consumes these streams."""
        return math.prod(group.count for group in self._moving(consumed))

    def combinations(self, consumed: Set[str]) -> Iterator[tuple[int, ...]]:
        """Yield the replicate of each consumed stream, streams sorted by name.

        Groups are crossed in the order in which they are written, the last fastest.
        """
        moving = self._moving(consumed)
        order = sorted(consumed)
        place = {stream: i for i, group in enumerate(moving) for stream in group.streams}
        places = [place.get(stream, len(moving)) for stream in order]
        ranges = [range(group.first, group.first + group.count) for group in moving]
        for combination in _crossed(ranges):
            numbers = (*combination, 0)
            yield tuple([numbers[i] for i in places])

    def combination(self, consumed: Set[str], index: int) -> tuple[int, ...]:
        """Return the one at `index` of `combinations`."""
        numbers: dict[str, int] = {}
        for group in reversed(self._moving(consumed)):
            index, offset = divmod(index, group.count)
            numbers |= dict.fromkeys(group.streams, group.first + offset)
        return tuple(numbers.get(stream, 0) for stream in sorted(consumed))

    def _moving(self, consumed: Set[str]) -> list[Group]:
        return [group for group in self.groups if not consumed.isdisjoint(group.streams)]


def _crossed(ranges: Sequence[range]) -> Iterator[tuple[int, ...]]:
    """Yield what itertools.product does, without holding the ranges in memory."""
    if not ranges:
        yield ()
        return
    *slower, fastest = ranges
    for head in _crossed(slower):
        for number in fastest:
            yield (*head, number)


def read_replicates(
    value: Any, fixed: Sequence[str], path: FieldPath, found: Findings
) -> Replicates | None:
    """Read ``8``, ``{first: 100, count: 8}`` or ``{init: 8, order+augment: 4}``; None if wrong."""
    if not isinstance(value, dict) or ("count" in value or "first" in value):
        count = _count(value, path, found)
        free = tuple(stream for stream in STREAMS if stream not in fixed)
        if count is None:
            return None
        return Replicates((Group(free, count.count, count.first),), at=path)
    if not value:
        found.add(path, "is empty; write a number, or streams as in {init: 8, order: 8}")
        return None
    return _groups(value, fixed, path, found)


def _groups(
    value: Mapping[str, Any], fixed: Sequence[str], path: FieldPath, found: Findings
) -> Replicates | None:
    """Read groups of streams."""
    groups: list[Group] = []
    seen: dict[str, str] = {}
    before = len(found.entries)
    for name, item in value.items():
        inner = (*path, name)
        streams = tuple(stream.strip() for stream in name.split("+"))
        for stream in streams:
            problem = _refusal(stream, fixed, seen)
            if problem:
                found.add(inner, problem)
            seen[stream] = name
        count = _count(item, inner, found)
        if count is not None:
            groups.append(Group(streams, count.count, count.first))
    clean = len(found.entries) == before
    return Replicates(tuple(groups), named=True, at=path) if clean else None


def _refusal(stream: str, fixed: Sequence[str], seen: Mapping[str, str]) -> str | None:
    """Say why a stream cannot be varied here."""
    if stream not in STREAMS:
        return f"no stream is called {stream!r}{suggestion(stream, STREAMS)}"
    if stream in fixed:
        return f"{stream} is also held by fixed; leave it out of one of them"
    return f"{stream} is in two groups" if stream in seen else None


def _count(value: Any, path: FieldPath, found: Findings) -> Count | None:
    """Read a number of replicates, or where they start and how many they are."""
    if isinstance(value, dict):
        result = section(Count, value, path, found, lead="a count of replicates")
    elif isinstance(value, int) and not isinstance(value, bool):
        bounds = Range(least=1, most=MOST)
        number = read(int, value, path, found, bounds=bounds)
        result = FAULT if number is FAULT else Count(count=number)
    else:
        expected = "a whole number, {first, count}, or streams as in {init: 8, order: 8}"
        result = found.add(path, f"expected {expected}, got {show(value)}")
    return None if result is FAULT else result


def read_fixed(value: Any, path: FieldPath, found: Findings) -> tuple[str, ...]:
    """Read the list of streams that are held at replicate 0."""
    names = read(tuple[str, ...], value, path, found)
    if names is FAULT:
        return ()
    for index, name in enumerate(names):
        if name not in STREAMS:
            found.add((*path, index), f"no stream is called {name!r}{suggestion(name, STREAMS)}")
        elif name in names[:index]:
            found.add((*path, index), f"{name} is listed twice")
    return tuple(names)
