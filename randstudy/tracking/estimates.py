"""Mean, sd and 95 % interval of every metric of a cell, at the end and along its curves."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from randstudy.analysis.intervals import mean, mean_interval, sd
from randstudy.outcomes import Outcome
from randstudy.tracking.plan import PlannedTrial

Trained = tuple[PlannedTrial, Outcome]
Estimate = dict[str, float]


class Replication:
    """How the finished trainings of a cell are replicated: which of them are independent.

    Repeats of one training are averaged first; streams that move together are one group.
    """

    def __init__(self, trials: Sequence[PlannedTrial]) -> None:
        rows = [tuple(sorted(trial.replicates.items())) for trial in trials]
        order = {row: number for number, row in enumerate(dict.fromkeys(rows))}
        self.n = len(order)
        self._row = np.array([order[row] for row in rows], np.int64)
        groups = _groups([dict(row) for row in order])
        self._places = tuple(groups) if len(groups) > 1 else (np.arange(self.n),)
        self._shape = tuple(int(codes.max()) + 1 for codes in self._places)

    def estimate(self, values: NDArray[np.float64]) -> Estimate:
        """Return mean, sd, low and high of (trainings,) values; NaN where one does not exist.

        All four are NaN where a value is not finite.
        """
        if not np.isfinite(values).all():
            return dict.fromkeys(("mean", "sd", "low", "high"), math.nan)
        if len(values) > self.n:
            values = np.array([mean(values[self._row == row]) for row in range(self.n)])
        grid = np.full(self._shape, np.nan)
        grid[self._places] = values
        found = mean_interval(grid)
        return {"mean": found.estimate, "sd": sd(values), "low": found.low, "high": found.high}


def _groups(rows: Sequence[Mapping[str, int]]) -> list[NDArray[np.int64]]:
    """Return the replicate code of each row, for each group of streams that moved together."""
    found: dict[bytes, NDArray[np.int64]] = {}
    for stream in sorted({stream for row in rows for stream in row}):
        codes: dict[int | None, int] = {}
        column = [codes.setdefault(row.get(stream), len(codes)) for row in rows]
        if len(codes) > 1:
            array = np.array(column, np.int64)
            found.setdefault(array.tobytes(), array)
    return list(found.values())


def finals(trained: Sequence[Trained]) -> dict[str, Estimate]:
    """Return the estimate of each final metric that all finished trainings have."""
    replication = Replication([trial for trial, _ in trained])
    names = _common([outcome.metrics for _, outcome in trained])
    return {
        name: replication.estimate(np.array([o.metrics[name] for _, o in trained], np.float64))
        for name in names
    }


def curves(trained: Sequence[Trained]) -> Iterator[tuple[str, int, Estimate]]:
    """Yield (metric, step, estimate) at the steps where every finished training was evaluated.

    So that n is the same all along a curve.
    """
    replication = Replication([trial for trial, _ in trained])
    shared = _common_steps([outcome for _, outcome in trained])
    rows = [np.searchsorted(outcome.curve_step, shared) for _, outcome in trained]
    for name in _common([outcome.curves for _, outcome in trained]):
        values = np.stack(
            [np.asarray(o.curves[name])[row] for (_, o), row in zip(trained, rows, strict=True)]
        )
        for column, step in enumerate(shared.tolist()):
            yield name, int(step), replication.estimate(values[:, column])


def _common(mappings: Sequence[Mapping[str, object]]) -> list[str]:
    """Return the names that are in all mappings, in the order of the first."""
    seen: defaultdict[str, int] = defaultdict(int)
    for mapping in mappings:
        for name in mapping:
            seen[name] += 1
    return [name for name, times in seen.items() if times == len(mappings)]


def _common_steps(outcomes: Sequence[Outcome]) -> NDArray[np.int64]:
    if not outcomes:
        return np.empty(0, np.int64)
    return reduce(np.intersect1d, [outcome.curve_step for outcome in outcomes])


def finite(estimate: Estimate) -> Estimate:
    """Return the numbers of an estimate that exist."""
    return {name: value for name, value in estimate.items() if math.isfinite(value)}
