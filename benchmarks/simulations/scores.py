"""Scores over suites of tasks: how often intervals of aggregates and of P(X > Y) hold the truth.

Tasks differ in level and in spread. "Skewed" scores grow exponentially over tasks, with gamma
noise in proportion; of "collapsing" runs one in five falls to nearly nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray
from scipy import special

from benchmarks.simulations.case import Case
from randstudy.analysis.intervals import quantile
from randstudy.analysis.score_shares import improvement, share_above
from randstudy.analysis.scores import AGGREGATES, GAP, aggregates, iqm, shortfalls, spread
from randstudy.analysis.suites import Suite

CLAIM = "95 % interval covers"
RESAMPLES = 500
THRESHOLD = 1.0
LARGE = 1_000_000
"""Scores from which the truth of an aggregate is computed."""

Draw = Callable[[np.random.Generator, int, int], NDArray[np.float64]]


def normal(generator: np.random.Generator, runs: int, tasks: int) -> NDArray[np.float64]:
    """Normal scores (tasks, runs); levels from 0.03 to 2, sds from 0.1 to 0.3 in no order."""
    level = np.linspace(0.1, 1.6, tasks) ** 1.5
    sd = np.linspace(0.3, 0.1, tasks)[np.arange(tasks) * 7 % tasks]
    return level[:, None] + sd[:, None] * generator.normal(size=(tasks, runs))


def skewed(generator: np.random.Generator, runs: int, tasks: int) -> NDArray[np.float64]:
    """Gamma scores (tasks, runs); levels from 0.14 to 4.5, each sd three tenths of its level."""
    level = np.exp(np.linspace(-2, 1.5, tasks))[:, None]
    noise = (generator.gamma(2, size=(tasks, runs)) - 2) / np.sqrt(2)
    found: NDArray[np.float64] = level * (1 + 0.3 * noise)
    return found


def collapsing(generator: np.random.Generator, runs: int, tasks: int) -> NDArray[np.float64]:
    """Scores (tasks, runs) of which one in five fell to 0.05, with noise of 0.05."""
    level = np.linspace(0.3, 1.2, tasks)[:, None]
    good = generator.random((tasks, runs)) >= 0.2
    return np.where(good, level, 0.05) + 0.05 * generator.normal(size=(tasks, runs))


DRAWS: dict[str, Draw] = {"normal": normal, "skewed": skewed, "collapsing": collapsing}


def suite(scores: NDArray[np.float64]) -> Suite:
    """Make a suite of (tasks, runs) scores."""
    tasks, runs = scores.shape
    names = tuple(str(number) for number in range(tasks))
    return Suite("x", names, scores.ravel(), np.full(tasks, runs))


@lru_cache(maxsize=64)
def truth(name: str, tasks: int) -> tuple[float, ...]:
    """Return the aggregates of very many runs."""
    many = suite(DRAWS[name](np.random.default_rng(0), LARGE // tasks, tasks))
    return tuple(estimates(many).tolist())


def estimates(drawn: Suite) -> NDArray[np.float64]:
    """Return the (4,) aggregates of a suite."""
    found = aggregates(drawn, drawn.scores[None], shortfalls(drawn, THRESHOLD)[None])
    first: NDArray[np.float64] = found[0]
    return first


def covers(
    name: str, aggregate: str, runs: int, tasks: int, count: int, random: np.random.Generator
) -> int:
    """Count intervals of an aggregate that hold the truth."""
    column = AGGREGATES.index(aggregate)
    true, hits = truth(name, tasks)[column], 0
    for seed in range(count):
        drawn = suite(DRAWS[name](random, runs, tasks))
        estimate = estimates(drawn)[column]
        errors, df = spread(drawn, THRESHOLD, seed, RESAMPLES)
        hits += abs(estimate - true) <= quantile(0.95, df[column]) * errors[column]
    return int(hits)


def percentiles(name: str, runs: int, tasks: int, count: int, random: np.random.Generator) -> int:
    """Count percentile bootstrap intervals of the IQM, as published, that hold the truth."""
    true, hits = truth(name, tasks)[AGGREGATES.index("iqm")], 0
    for _ in range(count):
        scores = DRAWS[name](random, runs, tasks)
        drawn = random.integers(0, runs, (RESAMPLES, tasks, runs))
        again = np.take_along_axis(scores[None], drawn, axis=2).reshape(RESAMPLES, -1)
        low, high = np.quantile(iqm(suite(scores), again), [0.025, 0.975])
        hits += low <= true <= high
    return int(hits)


def beats(shift: float, runs: int, tasks: int, count: int, random: np.random.Generator) -> int:
    """Count intervals of P(X > Y) that hold it; the lead of X moves by 2 sds over tasks."""
    lead = np.linspace(shift - 1, shift + 1, tasks)
    true, hits = float(special.ndtr(lead / np.sqrt(2)).mean()), 0
    for _ in range(count):
        x = random.normal(size=(tasks, runs)) + lead[:, None]
        y = random.normal(size=(tasks, runs))
        _, low, high, _ = improvement(list(zip(x, y, strict=True)))
        hits += low <= true <= high
    return hits


def profiled(tau: float, runs: int, tasks: int, count: int, random: np.random.Generator) -> int:
    """Count intervals of the share of scores beyond tau that hold it; task levels from 0 to 2."""
    level = np.linspace(0, 2, tasks)
    true, hits = float(special.ndtr(level - tau).mean()), 0
    for _ in range(count):
        drawn = suite(random.normal(size=(tasks, runs)) + level[:, None])
        [(_, low, high, _)] = share_above(drawn, np.array([tau]))
        hits += low <= true <= high
    return hits


SIZES = ((3, 10), (3, 26), (5, 10), (10, 10))

ASKED = (
    *(("iqm", name, size) for name in DRAWS for size in SIZES),
    *(("median", name, size) for name in DRAWS for size in ((3, 10), (10, 10))),
    *((aggregate, "skewed", (3, 10)) for aggregate in ("mean", GAP)),
    *((GAP, "normal", size) for size in ((3, 10), (10, 10))),
)

SHORT = {("median", "skewed"), ("iqm", "collapsing"), ("mean", "skewed")}
"""Where the interval covers a little less than it says: 92 % is claimed there, else 94 %."""

CASES: tuple[Case, ...] = (
    *(
        Case(
            topic=f"{aggregate.replace('_', ' ')} of scores",
            setting=f"{name}, {runs} runs × {tasks} tasks",
            claim=CLAIM,
            low=0.92 if (aggregate, name) in SHORT else 0.94,
            high=0.98,
            simulate=partial(covers, name, aggregate, runs, tasks),
        )
        for aggregate, name, (runs, tasks) in ASKED
    ),
    *(
        Case(
            topic="iqm of scores, percentile bootstrap",
            setting=f"{name}, {runs} runs × {tasks} tasks",
            claim=CLAIM,
            simulate=partial(percentiles, name, runs, tasks),
        )
        for name in DRAWS
        for runs, tasks in SIZES
    ),
    *(
        Case(
            topic="P(X > Y) over tasks",
            setting=f"lead {shift} sds, {runs} runs × {tasks} tasks",
            claim=CLAIM,
            low=0.95,
            high=0.99,
            simulate=partial(beats, shift, runs, tasks),
        )
        for shift in (0.0, 2.0)
        for runs, tasks in SIZES
    ),
    *(
        Case(
            topic="performance profile",
            setting=f"tau {tau}, {runs} runs × 10 tasks",
            claim=CLAIM,
            low=0.94,
            simulate=partial(profiled, tau, runs, 10),
        )
        for tau in (1.0, -1.0)
        for runs in (3, 10)
    ),
)
