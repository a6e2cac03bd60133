"""Combinations of levels and the recipes they make, checked before anything starts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING
from functools import cached_property
from typing import Any

from randstudy.errors import RandstudyError
from randstudy.exclusions import Exclusion, excluded
from randstudy.factors import Combination, Factor, changed, level_text
from randstudy.fields import FAULT, Finding, Findings, read, settings
from randstudy.recipe import Recipe
from randstudy.replicates import Replicates

MOST_CHECKED = 10_000
"""Designs with more cells than this are checked level by level and pair by pair."""

_MOST_KEPT = 50_000

# No stream is consumed or left alone because of these, so designs need not look at them to count.
_SILENT = frozenset(
    ("training", name)
    for name in ("lr", "epochs", "steps", "examples", "clip_norm", "clip_value", "loss_bound")
)


class Cells:
    """All combinations of the factors' levels, the last factor fastest, without those excluded.

    Recipes are put together from sections (data, model, …) that are each read once for the levels
    that concern them, so that a cell costs microseconds.
    """

    def __init__(
        self,
        base: Mapping[str, Any],
        axes: Sequence[Factor],
        exclusions: Sequence[Exclusion],
        replicates: Replicates,
    ) -> None:
        self.base = base
        self.axes = tuple(axes)
        self.exclusions = tuple(exclusions)
        self._replicates = replicates
        self._setter = next((i for i, axis in enumerate(axes) if axis.sets_replicates), None)
        self._concern = {
            section: tuple(
                index
                for index, axis in enumerate(self.axes)
                if any(target[0] == section for target in axis.targets)
            )
            for section in settings(Recipe)
        }
        self._read: dict[tuple[str, Combination], tuple[Any, list[Finding]]] = {}

    @property
    def size(self) -> int:
        """Number of combinations, excluded ones too."""
        return math.prod(len(axis.levels) for axis in self.axes)

    def __iter__(self) -> Iterator[Combination]:
        every = itertools.product(*(range(len(axis.levels)) for axis in self.axes))
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
        numbers: list[int] = []
        for axis in reversed(self.axes):
            index, number = divmod(index, len(axis.levels))
            numbers.append(number)
        return tuple(reversed(numbers))

    @cached_property
    def _kept(self) -> list[Combination]:
        return list(iter(self))

    def levels(self, combination: Combination) -> dict[str, Any]:
        """Return factor name -> level as written."""
        pairs = zip(self.axes, combination, strict=True)
        return {axis.name: axis.levels[number].written for axis, number in pairs}

    def label(self, combination: Combination) -> str:
        """Return ``batch_size=32 init=orthogonal``, or ``all`` where nothing is varied."""
        levels = self.levels(combination).items()
        return " ".join(f"{name}={level_text(level)}" for name, level in levels) or "all"

    def recipe(self, combination: Combination) -> Recipe:
        """Return the recipe of a combination known to have no problems."""
        return Recipe(**{name: self._section(name, combination)[0] for name in self._concern})

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
        levels = self.axes[self._setter].levels
        for level in levels:
            own = level.replicates
            yield self._replicates if own is None else own, self.size // len(levels)

    def findings(self, combination: Combination) -> list[Finding]:
        """Return what is wrong with one cell, by path of the field in the recipe."""
        sections = {name: self._section(name, combination) for name in self._concern}
        found = [finding for _, findings in sections.values() for finding in findings]
        if found:
            return found
        recipe = Recipe(**{name: value for name, (value, _) in sections.items()})
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
        first = (0,) * len(self.axes)
        for index, axis in enumerate(self.axes):
            for number in range(len(axis.levels)):
                yield (*first[:index], number, *first[index + 1 :])

    def _pairs(self) -> Iterator[Combination]:
        for i, j in itertools.combinations(range(len(self.axes)), 2):
            sizes = len(self.axes[i].levels), len(self.axes[j].levels)
            for a, b in itertools.product(range(1, sizes[0]), range(1, sizes[1])):
                one = [0] * len(self.axes)
                one[i], one[j] = a, b
                yield tuple(one)

    def consuming(self) -> Iterator[tuple[Combination, int]]:
        """Yield (combination, number of cells with the same streams and replicates as it).

        Together these stand for every cell. Factors that cannot change which streams are consumed,
        or how they move, are not walked through, so this is short for most designs.
        """
        if self.exclusions:
            yield from ((one, 1) for one in self)
            return
        quiet = [axis.targets <= _SILENT and not axis.sets_replicates for axis in self.axes]
        alike = math.prod(
            len(axis.levels) for axis, is_quiet in zip(self.axes, quiet, strict=True) if is_quiet
        )
        walked = [
            range(1 if is_quiet else len(axis.levels))
            for axis, is_quiet in zip(self.axes, quiet, strict=True)
        ]
        yield from ((one, alike) for one in itertools.product(*walked))

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


def read_recipe(tree: Mapping[str, Any]) -> Recipe:
    """Read a plain tree known to have no problems."""
    return Recipe(**{name: read_section(name, tree)[0] for name in settings(Recipe)})


def read_section(name: str, tree: Mapping[str, Any]) -> tuple[Any, list[Finding]]:
    """Read one section of a recipe's plain tree; one that is not there has its defaults."""
    setting = settings(Recipe)[name]
    if name not in tree and setting.default is not MISSING:
        return setting.default, []
    found = Findings()
    value = read(setting.kind, tree.get(name, {}), (name,), found, default=setting.default)
    return (FAULT if found.entries else value), found.entries
