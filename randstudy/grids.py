"""Which combinations of levels a design has: factors crossed, or taken together as listed."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from randstudy.factors import Combination, Factor

MOST_ROWS = 100_000
"""Combinations that are listed rather than crossed; they are held in memory."""


@dataclass(frozen=True)
class Grid:
    """Factors that are taken together, and the combinations of their levels that there are.

    Grids are crossed with each other; a grid of one factor with all its levels is that factor
    crossed with all others.

    Attributes
    ----------
    axes : indices of the factors among all of the study, in order.
    rows : for each combination the index of the level of each of `axes`.
    """

    axes: tuple[int, ...]
    rows: tuple[Combination, ...]

    def column(self, axis: int) -> list[int]:
        """Return the level of one factor in each row."""
        place = self.axes.index(axis)
        return [row[place] for row in self.rows]


@dataclass(frozen=True)
class Nest:
    """One factor within another: which of its levels there are at each level of the other."""

    inner: int
    outer: int
    levels: Mapping[int, Sequence[int]]


def whole(axis: int, factor: Factor) -> Grid:
    """Return the grid of one factor that is crossed with all others."""
    return Grid((axis,), tuple((number,) for number in range(len(factor.levels))))


def crossed(axes: Sequence[Factor]) -> tuple[Grid, ...]:
    """Return a grid a factor: every combination of levels."""
    return tuple(whole(index, axis) for index, axis in enumerate(axes))


def with_joint(axes: Sequence[Factor], joint: Iterable[Grid]) -> tuple[Grid, ...]:
    """Return these grids and one for each factor that none of them takes, by first factor."""
    listed = list(joint)
    taken = {axis for grid in listed for axis in grid.axes}
    free = [whole(index, axis) for index, axis in enumerate(axes) if index not in taken]
    return tuple(sorted([*free, *listed], key=lambda grid: grid.axes))


def one_at_a_time(chosen: Sequence[int], axes: Sequence[Factor], reference: Combination) -> Grid:
    """Return the reference, then each other level of each factor with all else at the reference."""
    others = (
        (*reference[:place], number, *reference[place + 1 :])
        for place, axis in enumerate(chosen)
        for number in range(len(axes[axis].levels))
        if number != reference[place]
    )
    return Grid(tuple(chosen), (reference, *others))


def nested(nests: Sequence[Nest], axes: Sequence[Factor]) -> list[Grid]:
    """Return a grid for each family of nested factors, rows in the order of the factors.

    Parameters
    ----------
    nests : outer ones before those within them.

    Raises
    ------
    OverflowError
        A family has more than `MOST_ROWS` combinations.
    """
    families: dict[int, list[Nest]] = defaultdict(list)
    root: dict[int, int] = {}
    for nest in nests:
        root[nest.inner] = root.get(nest.outer, nest.outer)
        families[root[nest.inner]].append(nest)
    return [_family(first, some, axes) for first, some in families.items()]


def _family(first: int, nests: Sequence[Nest], axes: Sequence[Factor]) -> Grid:
    rows: list[dict[int, int]] = [{first: number} for number in range(len(axes[first].levels))]
    for nest in nests:
        every = (
            {**row, nest.inner: level} for row in rows for level in nest.levels[row[nest.outer]]
        )
        rows = list(itertools.islice(every, MOST_ROWS + 1))
        if len(rows) > MOST_ROWS:
            raise OverflowError(f"{axes[first].name} and what is nested in it")
    together = tuple(sorted(rows[0]))
    return Grid(together, tuple(sorted(tuple(row[axis] for axis in together) for row in rows)))


def comparable(
    axis: int, level: int, reference: int, grids: Sequence[Grid], within: Iterable[int] = ()
) -> bool:
    """Tell whether some cells of two levels differ in nothing but the factor.

    Parameters
    ----------
    within : factors that are nested in it, which may differ too.
    """
    grid = next(one for one in grids if axis in one.axes)
    place = grid.axes.index(axis)
    apart = {axis, *within}
    kept = [number for number, one in enumerate(grid.axes) if one not in apart]
    sides = [
        {tuple(row[number] for number in kept) for row in grid.rows if row[place] == one}
        for one in (level, reference)
    ]
    return not sides[0].isdisjoint(sides[1])
