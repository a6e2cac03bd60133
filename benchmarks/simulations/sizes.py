"""Numbers of seeds: whether studies of the planned size find what they were planned for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

from benchmarks.simulations.case import Case
from randstudy.analysis.intervals import mean_interval
from randstudy.analysis.sizes import (
    paired_power,
    replicates_for,
    replicates_to_settle,
    sd_upper,
    unpaired_power,
)

Simulation = Callable[[int, np.random.Generator], int]


def grouped(n: int, ratio: float) -> Simulation:
    """Count t tests of two groups that find a true difference of `ratio` sds."""

    def simulate(count: int, generator: np.random.Generator) -> int:
        a = generator.normal(ratio, 1, (count, n))
        b = generator.normal(0, 1, (count, n))
        return int((stats.ttest_ind(a, b, axis=1).pvalue <= 0.05).sum())

    return simulate


def paired(n: int, ratio: float) -> Simulation:
    """Count paired intervals that leave out zero when the truth is `ratio` sds away."""

    def simulate(count: int, generator: np.random.Generator) -> int:
        found = [mean_interval(one) for one in generator.normal(ratio, 1, (count, n))]
        return sum(one.low > 0 or one.high < 0 for one in found)

    return simulate


def settled(n: int, margin: float) -> Simulation:
    """Count intervals of a zero difference that fit inside the margin."""

    def simulate(count: int, generator: np.random.Generator) -> int:
        found = [mean_interval(one) for one in generator.normal(0, 1, (count, n))]
        return sum(-margin < one.low and one.high < margin for one in found)

    return simulate


def piloted(ratio: float, *, upper: bool) -> Simulation:
    """Count pilots of 8 pairs whose planned size truly has a power of .8.

    Planned on the pilot's sd, or on the upper 80 % bound of it.
    """

    def simulate(count: int, generator: np.random.Generator) -> int:
        enough = 0
        for sd in generator.normal(size=(count, 8)).std(1, ddof=1):
            planned = replicates_for(
                ratio / (sd_upper(float(sd), 7) if upper else float(sd)), paired=True
            )
            enough += planned is not None and paired_power(planned, ratio) >= 0.8
        return enough

    return simulate


def pilot_range(ratio: float, low: float, high: float) -> Simulation:
    """Count pilots of 8 pairs whose size, planned on their own sd, has a power in a range."""

    def simulate(count: int, generator: np.random.Generator) -> int:
        inside = 0
        for sd in generator.normal(size=(count, 8)).std(1, ddof=1):
            planned = replicates_for(ratio / float(sd), paired=True)
            inside += planned is not None and low <= paired_power(planned, ratio) <= high
        return inside

    return simulate


def _sizes() -> list[Case]:
    found = []
    for ratio in (0.5, 1.0, 2.0):
        for kind, make, is_paired in (("two groups", grouped, False), ("pairs", paired, True)):
            n = replicates_for(ratio, paired=is_paired) or 0
            # Beyond .8 by what whole numbers of seeds bring.
            told = (paired_power if is_paired else unpaired_power)(n, ratio)
            found.append(
                Case(
                    topic="planned size",
                    setting=f"{kind}, {ratio:g} sd, n = {n}",
                    claim=f"finds it (power {100 * told:.1f} %)",
                    low=round(told - 0.05, 3),
                    high=round(told + 0.05, 3),
                    simulate=make(n, ratio),
                )
            )
    for margin in (1.0, 0.5, 0.25):
        n = replicates_to_settle(margin, paired=True) or 0
        found.append(
            Case(
                topic="settling",
                setting=f"margin {margin:g} sd, {n} pairs",
                claim="interval fits (planned for .8)",
                low=0.75,
                high=0.85,
                simulate=settled(n, margin),
            )
        )
    return found


CASES: tuple[Case, ...] = (
    *_sizes(),
    Case(
        topic="pilot of 8 pairs",
        setting="0.5 sd, planned on the sd itself",
        claim="power reaches .8",
        simulate=piloted(0.5, upper=False),
    ),
    Case(
        topic="pilot of 8 pairs",
        setting="0.5 sd, planned on its upper 80 % bound",
        claim="power reaches .8",
        low=0.78,
        simulate=piloted(0.5, upper=True),
    ),
    Case(
        topic="pilot of 8 pairs",
        setting="0.5 sd, planned on the sd itself",
        claim="power is .44 to .96",
        low=0.75,
        high=0.85,
        simulate=pilot_range(0.5, 0.44, 0.96),
    ),
)
