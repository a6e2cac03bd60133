"""Comparisons of two arms or more: false alarms, families, looks, resampled splits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.simulations.case import Case
from randstudy.analysis.intervals import Interval, mean_interval
from randstudy.analysis.looks import spent
from randstudy.analysis.pairs import corrected, welch
from randstudy.analysis.superiority import paired_superiority, sign_flip_p, unpaired_superiority
from randstudy.analysis.verdicts import decisive_alphas, verdict

Simulation = Callable[[int, np.random.Generator], int]


def p_of(found: Interval) -> float:
    """Return the two-sided p of an interval's estimate being zero."""
    return float(2 * stats.t.sf(abs(found.estimate) / found.error, found.df))


def misses(found: Interval, true: float = 0.0) -> bool:
    """Tell whether an interval leaves out the truth."""
    return not found.low <= true <= found.high


def crossed(k: int, share: float, *, axes: int = 2, naive: bool = False) -> Simulation:
    """Simulate null differences over crossed streams, each main effect holding a share."""

    def simulate(count: int, generator: np.random.Generator) -> int:
        wrong = 0
        for _ in range(count):
            grid = generator.normal(size=(k,) * axes) * np.sqrt(1 - axes * share)
            for axis in range(axes):
                shape = [k if one == axis else 1 for one in range(axes)]
                grid = grid + np.sqrt(share) * generator.normal(size=shape)
            wrong += misses(mean_interval(grid.ravel() if naive else grid))
        return wrong

    return simulate


def resampled(splits: int, tested: float, *, naive: bool = False) -> Simulation:
    """Simulate null differences over random splits of one data set of 1,000 examples."""

    def simulate(count: int, generator: np.random.Generator) -> int:
        n, wrong = 1000, 0
        size = round(tested * n)
        for _ in range(count):
            examples = generator.normal(size=n)
            rows = generator.random((splits, n)).argpartition(size, axis=1)[:, :size]
            means = examples[rows].mean(1)
            found = mean_interval(means)
            ratio = tested / (1 - tested)
            wrong += misses(found if naive else corrected(found, means, 0, ratio))
        return wrong

    return simulate


def family(levels: int, n: int) -> Simulation:
    """Simulate null levels that share a reference; count families with any level called real."""

    def simulate(count: int, generator: np.random.Generator) -> int:
        wrong = 0
        for _ in range(count):
            arms = generator.normal(size=(levels + 1, n)) + generator.normal(size=n)
            found = [mean_interval(arm - arms[0]) for arm in arms[1:]]
            p = [p_of(one) for one in found]
            alphas = decisive_alphas(p, 0.05)
            wrong += any(one <= alpha for one, alpha in zip(p, alphas, strict=True))
        return wrong

    return simulate


def false_luck(levels: int, n: int, margin: float) -> Simulation:
    """Simulate levels that truly differ by the margin; count families with any called luck."""

    def simulate(count: int, generator: np.random.Generator) -> int:
        wrong = 0
        for _ in range(count):
            arms = generator.normal(size=(levels + 1, n))
            arms[1:] += margin
            found = [mean_interval(arm - arms[0]) for arm in arms[1:]]
            p = [p_of(one) for one in found]
            for one, own, alpha in zip(found, p, decisive_alphas(p, 0.05), strict=True):
                word = verdict(*one.at(1 - alpha), margin, rejected=own <= alpha)
                if word in ("luck", "real but negligible"):
                    wrong += 1
                    break
        return wrong

    return simulate


def looks(sizes: tuple[int, ...], *, ignored: bool = False) -> Simulation:
    """Simulate a null difference that is looked at after each extension."""

    def simulate(count: int, generator: np.random.Generator) -> int:
        wrong = 0
        for _ in range(count):
            values = generator.normal(size=sizes[-1])
            wrong += any(
                p_of(mean_interval(values[:n])) <= (0.05 if ignored else spent(0.05, number))
                for number, n in enumerate(sizes, 1)
            )
        return wrong

    return simulate


def unpaired(n: int, m: int, ratio: float) -> Simulation:
    """Simulate Welch intervals of two arms whose sds differ by a ratio."""

    def simulate(count: int, generator: np.random.Generator) -> int:
        wrong = 0
        for _ in range(count):
            a, b = generator.normal(size=n), ratio * generator.normal(size=m)
            wrong += misses(welch(mean_interval(a), mean_interval(b)))
        return wrong

    return simulate


def sign_flips(n: int) -> Simulation:
    """Simulate null differences that are skewed but symmetric about zero in sign."""

    def simulate(count: int, generator: np.random.Generator) -> int:
        draws = generator.standard_t(3, (count, n))
        return sum(sign_flip_p(sample) <= 0.05 for sample in draws)

    return simulate


def beats(n: int, shift: float, *, paired: bool) -> Simulation:
    """Simulate the interval of P(A > B) of two normal arms."""
    true = float(stats.norm.cdf(shift / np.sqrt(2)))

    def simulate(count: int, generator: np.random.Generator) -> int:
        hits = 0
        for _ in range(count):
            a: NDArray[np.float64] = generator.normal(shift, 1, n)
            b: NDArray[np.float64] = generator.normal(0, 1, n)
            ask = paired_superiority if paired else unpaired_superiority
            _, low, high = ask(a, b, maximize=True)
            hits += low <= true <= high
        return hits

    return simulate


def _alarms(topic: str, setting: str, simulate: Simulation, *, bound: bool = True) -> Case:
    return Case(
        topic=topic,
        setting=setting,
        claim="null called real",
        high=0.05 if bound else 1.0,
        simulate=simulate,
    )


EXTENDED = (8, 16, 24, 32, 40)

CASES: tuple[Case, ...] = (
    *(
        _alarms(
            "crossed streams",
            f"8 × 8, {share:.0%} in each stream, {'naive t' if naive else 'mean squares'}",
            crossed(8, share, naive=naive),
            bound=not naive,
        )
        for naive in (False, True)
        for share in (0.1, 0.2, 0.4)
    ),
    _alarms("crossed streams", "5 × 5 × 5, 20 % in each stream", crossed(5, 0.2, axes=3)),
    *(
        _alarms(
            "resampled splits",
            f"{splits} splits, {tested:.0%} tested, {'naive t' if naive else 'corrected'}",
            resampled(splits, tested, naive=naive),
            bound=not naive,
        )
        for naive in (False, True)
        for splits, tested in ((10, 0.1), (30, 0.2))
    ),
    *(
        _alarms("family", f"{levels} levels, {n} pairs, Holm", family(levels, n))
        for levels, n in ((4, 8), (9, 8), (9, 30))
    ),
    *(
        Case(
            topic="margin",
            setting=f"{levels} truly at the margin, {n} pairs",
            claim="called luck or negligible",
            high=0.05,
            simulate=false_luck(levels, n, margin),
        )
        for levels, n, margin in ((1, 44, 0.5), (4, 44, 0.5), (4, 171, 0.25))
    ),
    _alarms("looks", "8 to 40 pairs in 5 looks, spending", looks(EXTENDED)),
    _alarms(
        "looks", "8 to 40 pairs in 5 looks, ignored", looks(EXTENDED, ignored=True), bound=False
    ),
    _alarms("looks", "8 to 16 pairs in 2 looks, spending", looks((8, 16))),
    *(
        _alarms("unpaired", f"{n} and {m} runs, sds 1 and {ratio}", unpaired(n, m, ratio))
        for n, m, ratio in ((8, 8, 1), (8, 8, 3), (10, 30, 3), (30, 10, 3))
    ),
    *(_alarms("sign flips", f"t with 3 df, {n} pairs", sign_flips(n)) for n in (8, 16, 30)),
    *(
        Case(
            topic="P(A > B)",
            setting=f"{'pairs' if paired else 'unpaired'}, n = {n}, shift {shift} sd",
            claim="95 % interval covers",
            low=0.93,
            simulate=beats(n, shift, paired=paired),
        )
        for paired in (True, False)
        for n, shift in ((8, 0.0), (8, 1.0), (29, 0.954))
    ),
)
