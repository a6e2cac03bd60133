"""Combinations of levels and the recipes they make, checked before anything starts."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING
from functools import cached_property
from typing import Any

from randstudy.errors import RandstudyError
from randstudy.exclusions import Exclusion, excluded
from randstudy.factors import Combination, Factor, changed, level_text
from randstudy.fields import FAULT, Finding, Findings, read, settings
from randstudy.grids import Grid, crossed
from randstudy.handover import FIELD, Setup, grammar
from randstudy.replicates import Replicates

MOST_CHECKED = 10_000
"""Designs with more cells than this are checked level by level and pair by pair."""

_MOST_KEPT = 50_000

# No stream is consumed or left alone because of these, so designs need not look at them to count.
_SILENT = frozenset({(FIELD, "parameters")}) | frozenset(
    ("training", name)
    for name in (
        *("lr", "schedule", "lr_scaling", "lr_batch", "drop_last", "accumulate"),
        *("epochs", "steps", "examples", "stopping"),
        *("clip_norm", "clip_value", "loss_bound", "freeze"),
    )
)


class Cells:
    """The combinations of levels that a design has, the last factor fastest, less those excluded.

    Grids are crossed, the last fastest; without them every factor is.

    Recipes are put together from sections (data, model, …) that are each read once for the levels
    that concern them, so that a cell costs microseconds.
    """

    def __init__(
        self,
        base: Mapping[str, Any],
        axes: Sequence[Factor],
        exclusions: Sequence[Exclusion],
        replicates: Replicates,
        grids: Sequence[Grid] | None = None,
    ) -> None:
        self.base = base
        self.grammar = grammar(base)
        self.axes = tuple(axes)
        self.grids = crossed(self.axes) if grids is None else tuple(grids)
        written = [axis for grid in self.grids for axis in grid.axes]
        self._order = [written.index(axis) for axis in range(len(self.axes))]
        self._ordered = self._order == [*range(len(self.axes))]
        self.exclusions = tuple(exclusions)
        self._replicates = replicates
        self._setter = next((i for i, axis in enumerate(axes) if axis.sets_replicates), None)
        self._concern = {
            section: tuple(
                index
                for index, axis in enumerate(self.axes)
                if any(target[0] == section for target in axis.targets)
            )
            for section in settings(self.grammar)
        }
        self._read: dict[tuple[str, Combination], tuple[Any, list[Finding]]] = {}

    @property
    def size(self) -> int:
        """Number of combinations, excluded ones too."""
        return math.prod(len(grid.rows) for grid in self.grids)

    def __iter__(self) -> Iterator[Combination]:
        every = map(self._joined, itertools.product(*(grid.rows for grid in self.grids)))
        if not self.exclusions:
            return every
        return (one for one in every if not excluded(one, self.exclusions))

    def __len__(self) -> int:
        return len(self._kept) if self.exclusions else self.size

    def at(self, index: int) -> Combination:
        """Return the combination at `index` in the order of iteration.

        Raises
        ------
        IndexError
            When there are not so many.
        """
        if self.exclusions:
            return self._kept[index]
        if not 0 <= index < self.size:
            raise IndexError(f"the study has {self.size} cells")
        rows: list[Combination] = []
        for grid in reversed(self.grids):
            index, number = divmod(index, len(grid.rows))
            rows.append(grid.rows[number])
        return self._joined(rows[::-1])

    def _joined(self, rows: Sequence[Combination]) -> Combination:
        """Return the combination that a row of each grid makes."""
        levels = tuple(itertools.chain.from_iterable(rows))
        return levels if self._ordered else tuple([levels[place] for place in self._order])

    @cached_property
    def _kept(self) -> list[Combination]:
        return list(iter(self))

    def levels(self, combination: Combination) -> dict[str, Any]:
        """Return factor name -> level as written, less factors that the cell leaves alone."""
        pairs = zip(self.axes, combination, strict=True)
        levels = ((axis.name, axis.levels[number]) for axis, number in pairs)
        return {name: level.written for name, level in levels if level.is_set}

    def label(self, combination: Combination) -> str:
        """Return ``batch_size=32 init=orthogonal``.

        It is ``all`` where nothing is varied, and ``base`` where a cell leaves all as it is.
        """
        levels = self.levels(combination).items()
        text = " ".join(f"{name}={level_text(level)}" for name, level in levels)
        return text or ("base" if self.axes else "all")

    def setup(self, combination: Combination) -> Setup:
        """Return the recipe of a combination known to have no problems."""
        return self.grammar(**{name: self._section(name, combination)[0] for name in self._concern})

    def replicates(self, combination: Combination) -> Replicates:
        """Return the replicates of a cell: those of its arm, or else the study's."""
        if self._setter is None:
            return self._replicates
        own = self.axes[self._setter].levels[combination[self._setter]].replicates
        return self._replicates if own is None else own

    def replications(self) -> Iterator[tuple[Replicates, int]]:
        """Yield replicates and the number of combinations that take them, excluded ones too."""
        if self._setter is None:
            yield self._replicates, self.size
            return
        (grid,) = (one for one in self.grids if self._setter in one.axes)
        counts = Counter(grid.column(self._setter))
        for number, level in enumerate(self.axes[self._setter].levels):
            own, share = level.replicates, self.size // len(grid.rows)
            yield self._replicates if own is None else own, counts[number] * share

    def findings(self, combination: Combination) -> list[Finding]:
        """Return what is wrong with one cell, by path of the field in the recipe."""
        sections = {name: self._section(name, combination) for name in self._concern}
        found = [finding for _, findings in sections.values() for finding in findings]
        if found:
            return found
        recipe = self.grammar(**{name: value for name, (value, _) in sections.items()})
        try:
            problems = recipe.problems()
            if not problems:
                recipe.effective()
        except RandstudyError as error:
            problems = [("data", str(error))]
        return [Finding(tuple(name.split(".")), message) for name, message in problems]

    def sample(self) -> Iterator[Combination]:
        """Yield the cells to check: all, or each level and then pairs of levels, up to a bound."""
        if self.size <= MOST_CHECKED:
            return iter(self)
        chosen = itertools.chain(self._singles(), self._pairs())
        kept = (one for one in chosen if not excluded(one, self.exclusions))
        return itertools.islice(kept, MOST_CHECKED)

    def _singles(self) -> Iterator[Combination]:
        first = [grid.rows[0] for grid in self.grids]
        for index, grid in enumerate(self.grids):
            for row in grid.rows:
                yield self._joined([*first[:index], row, *first[index + 1 :]])

    def _pairs(self) -> Iterator[Combination]:
        for i, j in itertools.combinations(range(len(self.grids)), 2):
            for a, b in itertools.product(self.grids[i].rows[1:], self.grids[j].rows[1:]):
                rows = [grid.rows[0] for grid in self.grids]
                rows[i], rows[j] = a, b
                yield self._joined(rows)

    def consuming(self) -> Iterator[tuple[Combination, int]]:
        """Yield (combination, number of cells with the same streams and replicates as it).

        Together these stand for every cell. Factors that cannot change which streams are consumed,
        or how they move, are not walked through, so this is short for most designs.
        """
        if self.exclusions:
            yield from ((one, 1) for one in self)
            return
        quiet = [self._is_quiet(grid) for grid in self.grids]
        both = list(zip(self.grids, quiet, strict=True))
        alike = math.prod(len(grid.rows) for grid, is_quiet in both if is_quiet)
        walked = (grid.rows[:1] if is_quiet else grid.rows for grid, is_quiet in both)
        yield from ((self._joined(rows), alike) for rows in itertools.product(*walked))

    def _is_quiet(self, grid: Grid) -> bool:
        """Tell whether no row of a grid changes which streams are consumed, or how they move."""
        axes = [self.axes[index] for index in grid.axes]
        silent = all(target[:2] in _SILENT for axis in axes for target in axis.targets)
        return silent and not any(axis.sets_replicates for axis in axes)

    def _section(self, name: str, combination: Combination) -> tuple[Any, list[Finding]]:
        """Return a section of the recipe (or FAULT), and what is wrong with it."""
        key = (name, tuple(combination[index] for index in self._concern[name]))
        if key not in self._read:
            if len(self._read) >= _MOST_KEPT:
                self._read.clear()
            self._read[key] = self._read_section(name, combination)
        return self._read[key]

    def _read_section(self, name: str, combination: Combination) -> tuple[Any, list[Finding]]:
        base = {name: self.base[name]} if name in self.base else {}
        changes = [
            change
            for index in self._concern[name]
            for change in self.axes[index].levels[combination[index]].changes
            if change.target[0] == name
        ]
        return read_section(name, changed(base, changes))


def read_setup(tree: Mapping[str, Any]) -> Setup:
    """Read a plain tree known to have no problems."""
    owner = grammar(tree)
    return owner(**{name: read_section(name, tree)[0] for name in settings(owner)})


def read_section(name: str, tree: Mapping[str, Any]) -> tuple[Any, list[Finding]]:
    """Read one section of a recipe's plain tree; one that is not there has its defaults."""
    setting = settings(grammar(tree))[name]
    if name not in tree and setting.default is not MISSING:
        return setting.default, []
    found = Findings()
    value = read(setting.kind, tree.get(name, {}), (name,), found, default=setting.default)
    return (FAULT if found.entries else value), found.entries
