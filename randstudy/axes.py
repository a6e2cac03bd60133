"""From factors, arms and cells as written to the axes of a design and what is crossed with what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from randstudy.expectation import show
from randstudy.factors import (
    ARM,
    Combination,
    Factor,
    Level,
    factor_named,
    level_text,
    read_level,
)
from randstudy.fieldnames import Field
from randstudy.fields import Findings
from randstudy.grids import MOST_ROWS, Grid, Nest, crossed, nested, one_at_a_time, with_joint
from randstudy.listing import read_cells
from randstudy.nearest import suggestion
from randstudy.nesting import NestedFactor, is_nested
from randstudy.places import FieldPath
from randstudy.sampling import points
from randstudy.schemes import Crossed, Drawn, OneAtATime, Scheme
from randstudy.spans import Span, read_span
from randstudy.variation import Variation


@dataclass(frozen=True)
class Axes:
    """Factors, arms first, and the grids that are crossed."""

    factors: tuple[Factor, ...]
    grids: tuple[Grid, ...]


def read_axes(variation: Variation, scheme: Scheme | None, seed: int, found: Findings) -> Axes:
    """Read what a study varies; problems go to `found`, and then the grids say nothing.

    Parameters
    ----------
    scheme : None where the study's could not be read.
    """
    before = len(found.entries)
    arms = variation.arm_factor()
    lead = [] if arms is None else [arms]
    reading = _Reading(variation, scheme, seed, found)
    if variation.cells:
        factors, joint = reading.listed(len(lead))
    else:
        factors, joint = reading.factors(lead)
    factors = [*lead, *factors]
    _refuse_twice(factors, found)
    wrong = len(found.entries) > before
    return Axes(tuple(factors), crossed(factors) if wrong else with_joint(factors, joint))


def _refuse_twice(factors: Sequence[Factor], found: Findings) -> None:
    """Refuse two factors that set one field."""
    owners: dict[tuple[str, ...], str] = {}
    for axis in factors:
        for target in sorted(axis.targets):
            if target in owners:
                where: FieldPath = ("arms",) if axis.name == ARM else ("factors", axis.name)
                message = f"sets the same field as {owners[target]}; keep one of them"
                found.add(where, message)
            owners[target] = axis.name


class _Reading:
    """The factors of one study while they are read."""

    def __init__(
        self, variation: Variation, scheme: Scheme | None, seed: int, found: Findings
    ) -> None:
        self.variation, self.scheme, self.seed, self.found = variation, scheme, seed, found

    def listed(self, lead: int) -> tuple[list[Factor], list[Grid]]:
        """Return the factors that explicit cells make, and the grid of these cells."""
        if self.variation.factors:
            message = "are written out, so there are no factors; use arms for what is crossed"
            self.found.add(("cells",), message)
        if not isinstance(self.scheme, Crossed | None):
            self.found.add(("cells",), f"are written out, so {self.scheme.name} chooses nothing")
        factors, rows = read_cells(self.variation.cells, self.variation.fields, self.found)
        axes = tuple(range(lead, lead + len(factors)))
        return factors, [Grid(axes, rows)] if axes else []

    def factors(self, lead: Sequence[Factor]) -> tuple[list[Factor], list[Grid]]:
        """Return the factors in the order written, and the grids of those taken together."""
        made: dict[str, Factor] = {}
        spans: dict[str, tuple[Span, tuple[Field, ...]]] = {}
        inner: dict[str, NestedFactor] = {}
        wrong = len(self.found.entries)
        for name, written in self.variation.factors.items():
            path: FieldPath = ("factors", name)
            fields = self.variation.fields(name, path)
            if not fields:
                continue
            if is_nested(written):
                nest = self._nested(name, written, fields)
                inner |= {} if nest is None else {name: nest}
            elif isinstance(written, dict):
                span = self._span(written, path, fields)
                spans |= {} if span is None else {name: (span, fields)}
            else:
                factor = self.variation.factor(name, written, path, fields)
                made |= {} if factor is None else {name: factor}
        if len(self.found.entries) > wrong or self.scheme is None:
            return [*made.values()], []
        joint: list[tuple[list[str], tuple[Combination, ...]]] = []
        if isinstance(self.scheme, Drawn):
            joint = self._draw(self.scheme, made, spans)
        nests = self._nests(inner, made, lead)
        order = [made[name] for name in self.variation.factors if name in made]
        place = {axis.name: index for index, axis in enumerate([*lead, *order])}
        grids = [Grid(tuple(place[name] for name in names), rows) for names, rows in joint]
        grids += self._families(nests, place, [*lead, *order])
        if isinstance(self.scheme, OneAtATime) and order:
            grids = [self._around(self.scheme, order, place, [*lead, *order])]
        return order, grids

    # Nested factors.

    def _nested(
        self, name: str, written: dict[str, object], fields: tuple[Field, ...]
    ) -> NestedFactor | None:
        if not isinstance(self.scheme, Crossed | None):
            message = f"is nested, which goes with crossed factors, not with {self.scheme.name}"
            self.found.add(("factors", name), message)
            return None
        return NestedFactor.read(name, written, fields, self.found)

    def _nests(
        self, inner: dict[str, NestedFactor], made: dict[str, Factor], lead: Sequence[Factor]
    ) -> list[tuple[str, str, dict[int, list[int]]]]:
        """Resolve nested factors, outer ones first; they join `made`."""
        found: list[tuple[str, str, dict[int, list[int]]]] = []
        waiting = dict(inner)
        while waiting:
            known = [*lead, *made.values()]
            ready = [n for n, one in waiting.items() if factor_named(one.outer, known) is not None]
            for name in ready:
                factor, chosen = waiting.pop(name).within(known, self.found)
                assert factor.nested_in is not None
                made[name] = factor
                found.append((name, factor.nested_in, chosen))
            if not ready:
                self._homeless(waiting, [axis.name for axis in known])
                break
        return found

    def _homeless(self, waiting: dict[str, NestedFactor], known: list[str]) -> None:
        """Refuse factors that are nested in nothing, or in each other."""
        everything = [*waiting]
        for name, one in waiting.items():
            if one.outer in waiting:
                message = "these are nested in each other, so none of them comes first"
            else:
                others = [other for other in (*known, *everything) if other != name]
                message = (
                    f"{one.outer[:60]!r} is no factor of this study{suggestion(one.outer, others)}"
                )
            self.found.add(("factors", name, "in"), message)

    def _families(
        self,
        nests: list[tuple[str, str, dict[int, list[int]]]],
        place: dict[str, int],
        axes: Sequence[Factor],
    ) -> list[Grid]:
        listed = [Nest(place[name], place[outer], levels) for name, outer, levels in nests]
        try:
            return nested(listed, axes)
        except OverflowError as error:
            message = f"{error} come to more than {MOST_ROWS:,} combinations"
            self.found.add(("factors", nests[-1][0]), message)
            return []

    # Drawn points.

    def _span(
        self, written: dict[str, object], path: FieldPath, fields: tuple[Field, ...]
    ) -> Span | None:
        """Read a range, and see that its field takes such numbers."""
        span = read_span(written, path, self.found)
        if span is None:
            return None
        if not isinstance(self.scheme, Drawn | None):
            message = (
                f"is a range, from which {self.scheme.name} draws nothing; give a list of levels, "
                "or a design that draws, as design: {name: random, cells: 20}"
            )
            self.found.add(path, message)
            return None
        attempts = [Findings() for _ in "ab"]
        ends = [
            read_level(fields, end, (*path, span.kind), attempt)
            for end, attempt in zip((span.low, span.high), attempts, strict=True)
        ]
        if None in ends:
            first = next(attempt for attempt in attempts if attempt.entries).entries[0]
            whole = "; {integer: [lowest, highest]} draws whole numbers"
            hint = whole if "a whole number" in first.message and not span.whole else ""
            self.found.add(first.path, first.message.partition("; write")[0] + hint)
            return None
        return span

    def _draw(
        self,
        scheme: Drawn,
        made: dict[str, Factor],
        spans: dict[str, tuple[Span, tuple[Field, ...]]],
    ) -> list[tuple[list[str], tuple[Combination, ...]]]:
        """Draw points of all factors that are not crossed; those of ranges join `made`."""
        apart = self._apart(scheme, made, spans)
        names = [name for name in self.variation.factors if name not in apart]
        if not names:
            self.found.add(("design",), "has nothing to draw; give factors that are not crossed")
            return []
        kinds = {
            (made[name].fields if name in made else spans[name][1])[0].dotted: (
                len(made[name].levels) if name in made else spans[name][0]
            )
            for name in names
        }
        drawn = points(scheme, self.seed, kinds)
        if scheme.nests and len(drawn) < scheme.cells:
            message = f"draws {len(drawn)} different points, not {scheme.cells}; ask for fewer"
            self.found.add(("design", "cells"), message)
        columns = []
        for name, values in zip(names, zip(*drawn, strict=True), strict=True):
            if name not in made:
                made[name], values = self._of_span(name, values, spans[name][1])
            columns.append(values)
        return [(names, tuple(zip(*columns, strict=True)))]

    def _of_span(
        self, name: str, values: tuple[float, ...], fields: tuple[Field, ...]
    ) -> tuple[Factor, tuple[int, ...]]:
        """Return the factor of drawn numbers, and the level of each point."""
        distinct = {value: number for number, value in enumerate(dict.fromkeys(values))}
        read = [read_level(fields, one, ("factors", name), self.found) for one in distinct]
        levels: list[Level] = [level for level in read if level is not None]
        return Factor(name, tuple(levels), fields), tuple(distinct[value] for value in values)

    def _apart(
        self,
        scheme: Drawn,
        made: dict[str, Factor],
        spans: dict[str, tuple[Span, tuple[Field, ...]]],
    ) -> set[str]:
        """Return the factors that are crossed with the points."""
        apart: set[str] = set()
        every = [*made.values(), *(Factor(name, (), some) for name, (_, some) in spans.items())]
        for index, name in enumerate(scheme.crossed):
            path: FieldPath = ("design", "crossed", index)
            axis = factor_named(name, every)
            if axis is None:
                told = suggestion(name, [one.name for one in every])
                self.found.add(path, f"{name[:60]!r} is no factor of this study{told}")
            elif axis.name in spans:
                self.found.add(path, f"{axis.name} is a range; only listed levels can be crossed")
            else:
                apart.add(axis.name)
        return apart

    # One at a time.

    def _around(
        self,
        scheme: OneAtATime,
        order: Sequence[Factor],
        place: dict[str, int],
        axes: Sequence[Factor],
    ) -> Grid:
        """Return the grid around the reference levels."""
        reference = {axis.name: 0 for axis in order}
        for name, written in scheme.reference.items():
            path: FieldPath = ("design", "reference", name)
            axis = factor_named(name, order)
            if axis is None:
                told = suggestion(name, [one.name for one in order])
                self.found.add(path, f"is no factor of this study{told}")
                continue
            level = read_level(axis.fields, written, path, Findings())
            known = [one.identity for one in axis.levels]
            if level is None or level.identity not in known:
                there = ", ".join(level_text(one.written) for one in axis.levels)
                shown = level_text(written) if written is not None else show(written)
                self.found.add(path, f"{shown} is no level of {axis.name}; it has {there}")
                continue
            reference[axis.name] = known.index(level.identity)
        chosen = [place[axis.name] for axis in order]
        return one_at_a_time(chosen, axes, tuple(reference[axis.name] for axis in order))
