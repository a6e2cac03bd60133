"""How often an interval for new data holds the difference of two arms on unlimited data.

Two arms answer test examples that most seeds get right: an example's difficulty is the chance that
a seed errs on it, Beta(0.05, 1.2), four in a hundred in the mean. Three examples in ten are of
another difficulty for the other arm, which leaves the arms equally good on unlimited data and apart
on any test set. Seeds are better or worse as a whole, most on the examples in doubt.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulations.case import Case
from randstudy.analysis.intervals import mean_interval
from randstudy.analysis.reach import new_data_interval

DIFFICULTY = (0.05, 1.2)
ALIKE = 0.7
"""Share of examples that are equally hard for both arms."""

SEED = 0.03
"""Sd of a seed's effect on an example in utter doubt."""


def errors(
    difficulty: NDArray[np.float64], effects: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.bool_]:
    """Return (…, m) errors of seeds with `effects` (…) on m examples."""
    doubt = 4 * difficulty * (1 - difficulty)
    chance = difficulty + effects[..., None] * doubt
    return random.random(chance.shape) < chance


def two_arms(
    seeds: tuple[int, ...],
    m: int,
    random: np.random.Generator,
    sd: float = SEED,
    alike: float = ALIKE,
) -> NDArray[np.float64]:
    """Return (*seeds, m) differences of correctness of two arms that are equally good."""
    one = random.beta(*DIFFICULTY, m)
    other = np.where(random.random(m) < alike, one, random.beta(*DIFFICULTY, m))
    arms = [errors(arm, _effects(seeds, random, sd), random) for arm in (one, other)]
    return arms[1].astype(float) - arms[0]


def _effects(seeds: tuple[int, ...], random: np.random.Generator, sd: float) -> NDArray[np.float64]:
    """Return effects of crossed streams: of each alone and of all together, equal variances."""
    count = len(seeds) + (len(seeds) > 1)
    found = random.standard_normal(seeds) if len(seeds) > 1 else np.zeros(seeds)
    for axis, size in enumerate(seeds):
        shape = [size if other == axis else 1 for other in range(len(seeds))]
        found = found + random.standard_normal(shape)
    scaled: NDArray[np.float64] = found * (sd / np.sqrt(count))
    return scaled


def _both(
    seeds: tuple[int, ...],
    m: int,
    count: int,
    random: np.random.Generator,
    sd: float = SEED,
    alike: float = ALIKE,
) -> int:
    found = (new_data_interval(two_arms(seeds, m, random, sd, alike)) for _ in range(count))
    return sum(one.low <= 0 <= one.high for one in found)


def _seeds_only(seeds: tuple[int, ...], m: int, count: int, random: np.random.Generator) -> int:
    found = (mean_interval(two_arms(seeds, m, random).mean(-1)) for _ in range(count))
    return sum(one.low <= 0 <= one.high for one in found)


def _one_arm(n: int, m: int, count: int, random: np.random.Generator) -> int:
    """Count how often the accuracy on unlimited data is held."""
    truth = 1 - DIFFICULTY[0] / sum(DIFFICULTY)
    hits = 0
    for _ in range(count):
        difficulty = random.beta(*DIFFICULTY, m)
        right = ~errors(difficulty, _effects((n,), random, SEED), random)
        found = new_data_interval(right.astype(float))
        hits += found.low <= truth <= found.high
    return hits


SIZES = ((8, 360), (30, 360), (8, 1000))
CLAIM = "coverage of 95 %"

CASES: tuple[Case, ...] = (
    *(
        Case(
            topic="interval for new data",
            setting=f"two arms, {n} seeds, {m} examples",
            claim=CLAIM,
            low=0.93,
            high=0.975,
            simulate=partial(_both, (n,), m),
        )
        for n, m in SIZES
    ),
    Case(
        topic="interval for new data",
        setting="two arms, 8 × 8 crossed seeds, 360 examples",
        claim=CLAIM,
        low=0.93,
        simulate=partial(_both, (8, 8), 360),
    ),
    *(
        Case(
            topic="interval for new data",
            setting=f"two arms, {told}, {n} seeds, {m} examples",
            claim=CLAIM,
            simulate=partial(_both, (n,), m, sd=sd, alike=alike),
        )
        for told, sd, alike in (
            ("all examples equally hard for both", SEED, 1.0),
            ("seeds five times as far apart", 5 * SEED, ALIKE),
        )
        for n, m in ((3, 360), (8, 360), (30, 360))
    ),
    *(
        Case(
            topic="interval for new data",
            setting=f"one arm, {n} seeds, {m} examples",
            claim=CLAIM,
            simulate=partial(_one_arm, n, m),
        )
        for n, m in SIZES
    ),
    *(
        Case(
            topic="seeds-only interval on new data",
            setting=f"two arms, {n} seeds, {m} examples",
            claim=CLAIM,
            simulate=partial(_seeds_only, (n,), m),
        )
        for n, m in SIZES
    ),
)
