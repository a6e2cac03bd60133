"""From a study to its trials: pure, lazy, countable and ordered."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from itertools import accumulate
from typing import Any, NamedTuple, overload

from randstudy.cells import Cells
from randstudy.factors import Combination
from randstudy.handover import Setup
from randstudy.recipe import Recipe
from randstudy.replicates import Replicates
from randstudy.study import Study
from randstudy.trials import FORMAT, Trial, frame, make_trial, pairs, trial_from_settings

__all__ = ["FORMAT", "Cell", "Design", "Point", "Trial", "make_trial", "trial_from_settings"]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One combination of factor levels, the effective recipe that it makes, and its replicates."""

    index: int
    levels: Mapping[str, Any]
    label: str
    setup: Setup
    replicates: Replicates

    def __hash__(self) -> int:
        return hash((self.index, self.label))

    @property
    def recipe(self) -> Recipe:
        """The recipe of trainings by randstudy itself, which are not handed over."""
        assert isinstance(self.setup, Recipe), "a training that is handed over has no recipe"
        return self.setup


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
        self._combinations = study.cells

    def __len__(self) -> int:
        return self._length

    @cached_property
    def _length(self) -> int:
        return sum(alike * self._count(one) for one, alike in self._combinations.consuming())

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
        cell = self.cells[number]
        consumed = cell.setup.streams()
        replicate, repeat = divmod(index - before, self.study.repeat)
        numbers = cell.replicates.combination(consumed, replicate)
        named = dict(zip(sorted(consumed), numbers, strict=True))
        return make_trial(cell.setup, self.study.seed, named, repeat)

    @cached_property
    def _ends(self) -> list[int]:
        """Index after the last trial of each cell."""
        return list(accumulate(self._count(one) for one in self._combinations))

    @cached_property
    def cells(self) -> CellSequence:
        """The cells, in order; made when looked at."""
        return CellSequence(self._combinations)

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
        names = sorted(cell.setup.streams())
        numbers = cell.replicates.combinations(frozenset(names))
        for (name, repeat), row in zip(
            self._ids(cell.setup, cell.replicates),
            (row for row in numbers for _ in range(self.study.repeat)),
            strict=True,
        ):
            yield Trial(
                id=name,
                setup=cell.setup,
                seed=self.study.seed,
                replicates=dict(zip(names, row, strict=True)),
                repeat=repeat,
            )

    def keys(self) -> Iterator[str]:
        """Yield the ids alone, in the order of iteration."""
        for combination in self._combinations:
            setup = self._combinations.setup(combination).effective()
            for name, _ in self._ids(setup, self._combinations.replicates(combination)):
                yield name

    def _ids(self, setup: Setup, replicates: Replicates) -> Iterator[tuple[str, int]]:
        """Yield (id, repeat) of each trial of a recipe."""
        consumed = setup.streams()
        middle = pairs(sorted(consumed))
        frames = []
        for repeat in range(self.study.repeat):
            head, tail = frame(setup, self.study.seed, repeat)
            frames.append((repeat, blake2b(head.encode(), digest_size=8), middle + tail))
        for numbers in replicates.combinations(consumed):
            for repeat, begun, rest in frames:
                state = begun.copy()
                state.update((rest % numbers).encode())
                yield state.hexdigest(), repeat

    def _count(self, combination: Combination) -> int:
        """Return how many distinct trainings a cell has."""
        consumed = self._combinations.setup(combination).effective().streams()
        return self._combinations.replicates(combination).count(consumed) * self.study.repeat


class CellSequence(Sequence[Cell]):
    """The cells of a study, each made when looked at."""

    def __init__(self, combinations: Cells) -> None:
        self._combinations = combinations

    def __len__(self) -> int:
        return len(self._combinations)

    def __iter__(self) -> Iterator[Cell]:
        return (self._cell(index, one) for index, one in enumerate(self._combinations))

    @overload
    def __getitem__(self, index: int) -> Cell: ...
    @overload
    def __getitem__(self, index: slice) -> list[Cell]: ...
    def __getitem__(self, index: int | slice) -> Cell | list[Cell]:
        """Return the cell at `index`, or a list of those in a slice."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = index + len(self) if index < 0 else index
        return self._cell(index, self._combinations.at(index))

    def _cell(self, index: int, combination: Combination) -> Cell:
        return Cell(
            index=index,
            levels=self._combinations.levels(combination),
            label=self._combinations.label(combination),
            setup=self._combinations.setup(combination).effective(),
            replicates=self._combinations.replicates(combination),
        )
