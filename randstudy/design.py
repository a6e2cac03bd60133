"""From a study to its trials: pure, lazy, ordered, and each trial named by what it is.

A trial's id is the hash of everything that its numbers may depend on, so it is frozen: the format
number, the study's seed, the effective recipe less defaults, the replicate of each stream that the
training consumes, and ``repeat`` where it is not the first.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import blake2b
from itertools import accumulate, islice
from typing import Any, NamedTuple, overload

from randstudy import streams
from randstudy.canonical import canonical_json, minimal
from randstudy.errors import StudyError, at
from randstudy.factors import Combination
from randstudy.fields import FAULT, Findings, section
from randstudy.recipe import Recipe
from randstudy.study import Study
from randstudy.yamlfile import dotted

FORMAT = 1
"""Major version of the study format; it changes when a default or a rule of identity does."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One training.

    Attributes
    ----------
    id : 16 hex digits; equal ids train equal numbers.
    recipe : effective, so fields without effect have their defaults.
    seed : the study's.
    replicates : replicate of each stream that the training consumes.
    repeat : 0 but for further trainings with the same draws.
    """

    id: str
    recipe: Recipe
    seed: int
    replicates: Mapping[str, int]
    repeat: int = 0

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def settings(self) -> str:
        """What the id hashes: canonical JSON, from which `trial_from_settings` makes the trial."""
        head, tail = _frame(self.recipe, self.seed, self.repeat)
        return head + _pairs(sorted(self.replicates)) % self._numbers() + tail

    def key(self, stream: str) -> streams.Key:
        """Return the key of a stream for this trial."""
        return streams.key(self.seed, stream, self.replicates.get(stream, 0))

    def _numbers(self) -> tuple[int, ...]:
        return tuple(self.replicates[stream] for stream in sorted(self.replicates))


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One combination of factor levels, and the effective recipe that it makes."""

    index: int
    levels: Mapping[str, Any]
    label: str
    recipe: Recipe

    def __hash__(self) -> int:
        return hash((self.index, self.label))


class Point(NamedTuple):
    """A trial in its place in the design."""

    cell: Cell
    trial: Trial


class Design(Sequence[Trial]):
    """The trials of a study, cell by cell in the order of the factors as written.

    The last factor moves fastest; within a cell, replicates (the last group fastest), then
    repeats. Within a cell a trial appears once; two cells may share a trial, and then `len` counts
    it in both, as their means do.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self._cells = study.cells

    def __len__(self) -> int:
        return self._length

    @cached_property
    def _length(self) -> int:
        return sum(alike * self._count(one) for one, alike in self._cells.consuming())

    def __iter__(self) -> Iterator[Trial]:
        return (point.trial for point in self.points())

    @overload
    def __getitem__(self, index: int) -> Trial: ...
    @overload
    def __getitem__(self, index: slice) -> list[Trial]: ...
    def __getitem__(self, index: int | slice) -> Trial | list[Trial]:
        """Return the trial at `index` in the order of iteration, or a list of those in a slice."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = index + len(self) if index < 0 else index
        if not 0 <= index < len(self):
            raise IndexError(f"the design has {len(self)} trials")
        number = bisect_right(self._ends, index)
        before = self._ends[number - 1] if number else 0
        combination = self.cells.combinations[number]
        recipe = self._recipe(combination)
        consumed = recipe.streams()
        replicate, repeat = divmod(index - before, self.study.repeat)
        numbers = self.study.replicates.combination(consumed, replicate)
        return self._trial(recipe, dict(zip(sorted(consumed), numbers, strict=True)), repeat)

    @cached_property
    def _ends(self) -> list[int]:
        """Index after the last trial of each cell."""
        return list(accumulate(self._count(one) for one in self.cells.combinations))

    @cached_property
    def cells(self) -> CellSequence:
        """The cells, in order; made when looked at."""
        return CellSequence(self)

    def points(self) -> Iterator[Point]:
        """Yield (cell, trial) in order."""
        for cell in self.cells:
            for trial in self.trials_of(cell):
                yield Point(cell, trial)

    def trials(self) -> Iterator[Trial]:
        """Yield the distinct trials, each where it first appears."""
        seen: set[str] = set()
        for trial in self:
            if trial.id not in seen:
                seen.add(trial.id)
                yield trial

    def trials_of(self, cell: Cell) -> Iterator[Trial]:
        """Yield the trials of one cell."""
        names = sorted(cell.recipe.streams())
        numbers = self.study.replicates.combinations(frozenset(names))
        for (name, repeat), row in zip(
            self._ids(cell.recipe),
            (row for row in numbers for _ in range(self.study.repeat)),
            strict=True,
        ):
            yield Trial(
                id=name,
                recipe=cell.recipe,
                seed=self.study.seed,
                replicates=dict(zip(names, row, strict=True)),
                repeat=repeat,
            )

    def keys(self) -> Iterator[str]:
        """Yield the ids alone, in the order of iteration."""
        for combination in self._cells:
            for name, _ in self._ids(self._recipe(combination)):
                yield name

    def _ids(self, recipe: Recipe) -> Iterator[tuple[str, int]]:
        """Yield (id, repeat) of each trial of a recipe."""
        consumed = recipe.streams()
        pairs = _pairs(sorted(consumed))
        frames = []
        for repeat in range(self.study.repeat):
            head, tail = _frame(recipe, self.study.seed, repeat)
            frames.append((repeat, blake2b(head.encode(), digest_size=8), pairs + tail))
        for numbers in self.study.replicates.combinations(consumed):
            for repeat, begun, rest in frames:
                state = begun.copy()
                state.update((rest % numbers).encode())
                yield state.hexdigest(), repeat

    def _recipe(self, combination: Combination) -> Recipe:
        return self._cells.recipe(combination).effective()

    def _count(self, combination: Combination) -> int:
        """Return how many distinct trainings a cell has."""
        consumed = self._recipe(combination).streams()
        return self.study.replicates.count(consumed) * self.study.repeat

    def _trial(self, recipe: Recipe, replicates: Mapping[str, int], repeat: int) -> Trial:
        return make_trial(recipe, self.study.seed, replicates, repeat)


class CellSequence(Sequence[Cell]):
    """The cells of a design, each made when looked at."""

    def __init__(self, design: Design) -> None:
        self._design = design

    @cached_property
    def combinations(self) -> Sequence[Combination]:
        """The combinations of levels, without those excluded."""
        cells = self._design.study.cells
        return list(cells) if cells.exclusions else _Product(self._design)

    def __len__(self) -> int:
        return len(self.combinations)

    def __iter__(self) -> Iterator[Cell]:
        for index, combination in enumerate(self._design.study.cells):
            yield self._cell(index, combination)

    @overload
    def __getitem__(self, index: int) -> Cell: ...
    @overload
    def __getitem__(self, index: slice) -> list[Cell]: ...
    def __getitem__(self, index: int | slice) -> Cell | list[Cell]:
        """Return the cell at `index`, or a list of those in a slice."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = index + len(self) if index < 0 else index
        return self._cell(index, self.combinations[index])

    def _cell(self, index: int, combination: Combination) -> Cell:
        cells = self._design.study.cells
        return Cell(
            index=index,
            levels=cells.levels(combination),
            label=cells.label(combination),
            recipe=self._design._recipe(combination),
        )


def make_trial(
    recipe: Recipe, seed: int, replicates: Mapping[str, int], repeat: int = 0
) -> Trial:
    """Return the trial of an effective recipe, with its id."""
    unnamed = Trial(id="", recipe=recipe, seed=seed, replicates=replicates, repeat=repeat)
    name = blake2b(unnamed.settings.encode(), digest_size=8).hexdigest()
    return Trial(id=name, recipe=recipe, seed=seed, replicates=replicates, repeat=repeat)


def trial_from_settings(settings: str) -> Trial:
    """Make a trial again from its settings; fields outside the identity have their defaults.

    Raises
    ------
    StudyError
        When the settings are of another format, or were not written by `Trial.settings`.
    """
    plain = json.loads(settings)
    if plain.get("format") != FORMAT:
        raise at(None, None, "format", f"expected {FORMAT}, got {plain.get('format')!r}")
    found = Findings()
    recipe = section(Recipe, plain["recipe"], ("recipe",), found)
    if recipe is FAULT:
        first = found.entries[0]
        raise at(None, None, dotted(first.path), first.message)
    return make_trial(recipe, plain["seed"], plain["replicates"], plain.get("repeat", 0))
