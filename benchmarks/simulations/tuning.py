"""Levels at their best setting, chosen on validation by the seeds that compare them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulations.case import Case
from benchmarks.simulations.differences import Simulation, misses
from randstudy.analysis.intervals import mean_interval

SEEDS = 8


def tuned(settings: tuple[int, int], shared: float, *, on_test: bool = False) -> Simulation:
    """Simulate two levels whose settings are all equally good, the hardest case.

    Parameters
    ----------
    settings : of each level.
    shared : correlation of a training's validation and test values, luck of the seed apart.
    on_test : choose by the values that are compared, as nobody should.
    """

    def chosen(k: int, generator: np.random.Generator) -> NDArray[np.float64]:
        training = generator.normal(size=(k, SEEDS)) * np.sqrt(shared)
        noise = generator.normal(size=(2, k, SEEDS)) * np.sqrt(1 - shared)
        validation, test = training + noise
        best = (test if on_test else validation).mean(1).argmax()
        found: NDArray[np.float64] = test[best]
        return found

    def simulate(count: int, generator: np.random.Generator) -> int:
        wrong = 0
        for _ in range(count):
            a, b = (chosen(k, generator) for k in settings)
            wrong += misses(mean_interval(a - b))
        return wrong

    return simulate


def _case(settings: tuple[int, int], shared: float, high: float = 1.0, **how: bool) -> Case:
    where = "on test" if how else f"r = {shared:g}"
    return Case(
        topic="tuned levels",
        setting=f"best of {settings[0]} and of {settings[1]}, {SEEDS} pairs, {where}",
        claim="null called real",
        high=high,
        simulate=tuned(settings, shared, **how),
    )


CASES = (
    *(_case((3, 3), shared, high=0.05) for shared in (0.0, 0.3, 0.6, 0.9)),
    *(_case((5, 1), shared) for shared in (0.0, 0.3, 0.6, 0.9)),
    _case((3, 3), 0.6, on_test=True),
    _case((5, 1), 0.6, on_test=True),
)
