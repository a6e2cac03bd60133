"""Intervals of one cell: how often they hold the true mean or share."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import special

from benchmarks.simulations.case import Case
from randstudy.analysis.intervals import mean_interval, share_interval, trimmed_interval

Draw = Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float64]]

RESAMPLES = 1000

COLLAPSE, GOOD, CHANCE = 0.05, 0.97, 0.1


def collapsing(generator: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Accuracies of which one in twenty fell to chance."""
    good = generator.normal(GOOD, 0.005, shape)
    return np.where(generator.random(shape) < COLLAPSE, CHANCE, good)


DISTRIBUTIONS: dict[str, tuple[Draw, float, float]] = {
    "normal": (lambda g, s: g.normal(size=s), 0.0, 0.93),
    "t with 3 df": (lambda g, s: g.standard_t(3, s), 0.0, 0.93),
    "binomial(360, .97)": (lambda g, s: g.binomial(360, 0.97, s) / 360, 0.97, 0.93),
    "gamma(4)": (lambda g, s: g.gamma(4, size=s), 4.0, 0.925),
    "exponential": (lambda g, s: g.exponential(size=s), 1.0, 0.0),
    "lognormal": (lambda g, s: g.lognormal(size=s), math.exp(0.5), 0.0),
    "5 % collapsed": (collapsing, COLLAPSE * CHANCE + (1 - COLLAPSE) * GOOD, 0.0),
}
"""Name -> how to draw, true mean, smallest coverage that is claimed (0: only tabulated)."""


def covers(draw: Draw, true: float, n: int) -> Callable[[int, np.random.Generator], int]:
    """Return a simulation of Student t intervals; a sample without an interval covers nothing."""

    def simulate(count: int, generator: np.random.Generator) -> int:
        found = [mean_interval(sample) for sample in draw(generator, (count, n))]
        return sum(one.low <= true <= one.high for one in found)

    return simulate


def _means() -> list[Case]:
    return [
        Case(
            topic="mean of a cell",
            setting=f"{name}, n = {n}",
            claim="95 % interval covers",
            low=low,
            high=0.97 if low == 0.93 else 1.0,
            simulate=covers(draw, true, n),
        )
        for name, (draw, true, low) in DISTRIBUTIONS.items()
        for n in (3, 5, 10, 20, 30)
    ]


def bootstrap(draw: Draw, true: float, n: int) -> Callable[[int, np.random.Generator], int]:
    """Return a simulation of the interval that was not chosen: BCa (Efron, JASA, 1987)."""

    def simulate(count: int, generator: np.random.Generator) -> int:
        weights = generator.multinomial(n, np.full(n, 1 / n), size=RESAMPLES) / n
        samples = draw(generator, (count, n))
        return sum(_bca(sample, weights, true) for sample in samples)

    return simulate


def _bca(sample: NDArray[np.float64], weights: NDArray[np.float64], true: float) -> bool:
    """Tell whether the bias-corrected and accelerated interval of a mean holds the truth."""
    means, centre = np.sort(weights @ sample), sample.mean()
    below = (means < centre).mean() + (means == centre).mean() / 2
    bias = special.ndtri(np.clip(below, 1 / RESAMPLES, 1 - 1 / RESAMPLES))
    away = centre - sample
    skew = (away**3).sum() / (6 * (away**2).sum() ** 1.5)
    reach = bias + special.ndtri([0.025, 0.975])
    tails = special.ndtr(bias + reach / (1 - skew * reach))
    places = np.clip(np.round(tails * (RESAMPLES + 1) - 1).astype(int), 0, RESAMPLES - 1)
    return bool(means[places[0]] <= true <= means[places[1]])


def _trimmed(draw: Draw, n: int) -> Callable[[int, np.random.Generator], int]:
    def simulate(count: int, generator: np.random.Generator) -> int:
        found = [trimmed_interval(sample) for sample in draw(generator, (count, n))]
        return sum(one.low <= 0 <= one.high for one in found)

    return simulate


def _shares(share: float, n: int) -> Callable[[int, np.random.Generator], int]:
    def simulate(count: int, generator: np.random.Generator) -> int:
        hits = generator.binomial(n, share, count)
        ends = {int(one): share_interval(int(one), n) for one in set(hits.tolist())}
        return sum(ends[int(one)][0] <= share <= ends[int(one)][1] for one in hits)

    return simulate


CASES: tuple[Case, ...] = (
    *_means(),
    *(
        Case(
            topic="mean of a cell, BCa bootstrap",
            setting=f"{name}, n = {n}",
            claim="95 % interval covers",
            simulate=bootstrap(*DISTRIBUTIONS[name][:2], n),
        )
        for name in ("normal", "t with 3 df", "gamma(4)", "exponential", "lognormal")
        for n in (20, 30)
    ),
    *(
        Case(
            topic="interquartile mean",
            setting=f"{name}, n = {n}",
            claim="95 % interval covers",
            low=0.92 if n > 8 else 0.0,
            simulate=_trimmed(DISTRIBUTIONS[name][0], n),
        )
        for name in ("normal", "t with 3 df")
        for n in (8, 20)
    ),
    *(
        Case(
            topic="share of diverged runs",
            setting=f"share {share}, n = {n}",
            claim="95 % interval covers",
            low=0.95,
            simulate=_shares(share, n),
        )
        for share in (0.05, 0.3)
        for n in (8, 30)
    ),
)
