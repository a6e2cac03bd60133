"""How often intervals of shares of luck hold, and how often null factors are called effects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from benchmarks.simulations.case import Case
from randstudy.analysis.components import Components, anova
from randstudy.analysis.effects import repeated_measures
from randstudy.analysis.factorial import Factorial
from randstudy.analysis.reml import reml
from randstudy.analysis.shares import generalised, pivots, share_coefficients
from randstudy.analysis.squares import Term
from randstudy.analysis.typetwo import own_error, type_two

Variances = Mapping[Term, float]
Draw = Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float64]]

BATCH = 200
GAPS = 6


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    return rng.standard_normal(shape)


def heavy(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Student t on 5 degrees of freedom, variance 1."""
    return np.asarray(rng.standard_t(5, shape) * np.sqrt(3 / 5))


def table(
    shape: tuple[int, ...], variances: Variances, rng: np.random.Generator, draw: Draw = normal
) -> NDArray[np.float64]:
    """Return trainings (cells, k1, …) with known components."""
    values = np.zeros(shape)
    for term, variance in variances.items():
        own = tuple(k if axis in term else 1 for axis, k in enumerate(shape))
        values = values + np.sqrt(variance) * draw(rng, own)
    return values


def two_streams(share: float) -> Variances:
    """Return variances of init, order and their interaction: a share, and the rest halved."""
    rest = (1 - share) / 2
    return {(1,): share, (2,): rest, (1, 2): rest}


def cells_and_stream(share: float) -> Variances:
    return {(0,): 2.0, (1,): share, (0, 1): 1 - share}


def truth(variances: Variances, total: bool) -> float:
    """Return the true share of the first stream."""
    luck = {term: variance for term, variance in variances.items() if term != (0,)}
    mine = sum(v for term, v in luck.items() if (1 in term if total else term == (1,)))
    return mine / sum(luck.values())


def covered(
    count: int,
    rng: np.random.Generator,
    *,
    shape: tuple[int, ...],
    variances: Variances,
    total: bool = False,
    draw: Draw = normal,
    estimate: Callable[[NDArray[np.float64], np.random.Generator], Components] | None = None,
) -> int:
    """Count intervals of the first stream's share that hold the true one."""
    aim, hits = truth(variances, total), 0
    uses = np.ones((shape[0], len(shape) - 1), bool)
    waiting: dict[tuple[float, ...], list[Components]] = {}
    for number in range(count):
        values = table(shape, variances, rng, draw)
        found = anova(values, uses) if estimate is None else estimate(values, rng)
        alike = waiting.setdefault(tuple(found.df), [])
        alike.append(found)
        if len(alike) == BATCH or number == count - 1:
            hits += sum(_holding(group, aim, total) for group in waiting.values())
            waiting.clear()
    return hits


def _holding(group: list[Components], aim: float, total: bool) -> int:
    """Count intervals that hold, of components with the same degrees of freedom."""
    first = group[0]
    alone, whole, luck = share_coefficients(first)
    above = (whole if total else alone)[first.terms.index((1,))]
    squares = np.stack([one.squares for one in group])
    low, high = generalised(squares, pivots(first), above, luck)
    return int(((low <= aim) & (aim <= high)).sum())


def with_gaps(values: NDArray[np.float64], rng: np.random.Generator) -> Components:
    """Return components of one cell's table after some trainings are lost."""
    codes = np.indices(values.shape[1:]).reshape(values.ndim - 1, -1).T
    kept = rng.permutation(len(codes))[GAPS:]
    return reml(values.ravel()[kept], np.zeros(len(kept), np.int64), codes[kept])[0]


def false_alarms(
    count: int,
    rng: np.random.Generator,
    *,
    levels: tuple[int, ...],
    streams: tuple[int, ...],
    variances: Variances,
    column: str = "p",
    term: int = 0,
    unequal: float = 1.0,
) -> int:
    """Count null terms called effects at .05; the last level's luck is `unequal` times as wide."""
    plan = _plan(levels)
    scale = np.ones((*levels, *(1 for _ in streams)))
    scale[-1] = unequal
    hits = 0
    for _ in range(count):
        values = table((*levels, *streams), variances, rng) * scale
        rows = repeated_measures(values.reshape(-1, *streams), plan)
        hits += bool(rows[term][column] <= 0.05)
    return hits


def false_alarms_with_gaps(
    count: int, rng: np.random.Generator, *, variances: Variances, lost: int
) -> int:
    """Count the same of 3 x 3 cells by 8 seeds after some trainings are lost."""
    plan = _plan((3, 3))
    hits = 0
    for _ in range(count):
        values = table((3, 3, 8), variances, rng)
        kept = np.sort(rng.permutation(values.size)[lost:])
        a, b, seed = (code.ravel()[kept] for code in np.indices(values.shape))
        cell, left, blocks = 3 * a + b, values.ravel()[kept], seed[:, None]
        squares = type_two(left, cell, plan, blocks)
        error = own_error(left, cell, plan.codes[cell][:, [0]], blocks)
        if squares is None or error is None:
            raise ValueError("too many columns")
        f = squares[0][0] / squares[0][1] / error.square
        hits += bool(special.fdtrc(squares[0][1], error.df, f) <= 0.05)
    return hits


def _plan(levels: tuple[int, ...]) -> Factorial:
    codes = np.indices(levels).reshape(len(levels), -1).T
    names = tuple("abcdef"[: len(levels)])
    terms = tuple(t for size in (1, 2) for t in combinations(range(len(levels)), size))
    return Factorial(names, (), codes, levels, terms, np.arange(len(codes)))


def _shares() -> list[Case]:
    cases = []
    for total in (False, True):
        for share in (0.0, 0.05, 0.1, 0.3, 0.6):
            variances = two_streams(share)
            aim = truth(variances, total)
            kind = "total share" if total else "share"
            cases.append(
                Case(
                    topic=f"interval of a {kind} of luck",
                    setting=f"8 × 8 streams, normal, true {kind} {aim:.3g}",
                    claim="coverage of 95 %",
                    low=0.93,
                    high=0.97,
                    simulate=partial(covered, shape=(1, 8, 8), variances=variances, total=total),
                )
            )
    return cases


def _other_shares() -> list[Case]:
    settings: list[tuple[str, bool, partial[int]]] = [
        (
            "9 cells × 8 seeds, normal, true share 0.3",
            True,
            partial(covered, shape=(9, 8), variances=cells_and_stream(0.3)),
        ),
        (
            "9 cells × 8 seeds, normal, true share 0",
            True,
            partial(covered, shape=(9, 8), variances=cells_and_stream(0.0)),
        ),
        (
            "4 × 4 streams, normal, true share 0.3",
            False,
            partial(covered, shape=(1, 4, 4), variances=two_streams(0.3)),
        ),
        (
            "8 × 8 streams, Student t on 5, true share 0.3",
            False,
            partial(covered, shape=(1, 8, 8), variances=two_streams(0.3), draw=heavy),
        ),
        (
            f"8 × 8 streams less {GAPS} trainings, REML, normal, true share 0.3",
            False,
            partial(covered, shape=(1, 8, 8), variances=two_streams(0.3), estimate=with_gaps),
        ),
    ]
    return [
        Case(
            topic="interval of a share of luck",
            setting=setting,
            claim="coverage of 95 %",
            low=0.93 if bound else 0.0,
            high=0.97 if bound else 1.0,
            simulate=simulate,
        )
        for setting, bound, simulate in settings
    ]


SHARED: Variances = {(2,): 0.4, (0, 2): 0.2, (1, 2): 0.2, (0, 1, 2): 0.2}
"""Luck of a seed everywhere, in a level of either factor, and in a cell."""

CROSSED: Variances = {(2,): 0.3, (3,): 0.2, (0, 2): 0.15, (0, 3): 0.15, (0, 1, 2, 3): 0.2}
"""The same for two crossed streams."""


def _alarms() -> list[Case]:
    seeds = partial(false_alarms, levels=(3, 3), streams=(8,), variances=SHARED)
    many = partial(false_alarms, levels=(10, 2), streams=(8,), variances=SHARED, unequal=4.0)
    crossed = partial(false_alarms, levels=(3, 2), streams=(8, 8), variances=CROSSED)
    gaps = partial(false_alarms_with_gaps, variances=SHARED, lost=GAPS)
    cautious = partial(many, column="p_corrected")
    settings: list[tuple[str, bool, partial[int]]] = [
        ("a factor, 3 × 3 cells, 8 shared seeds", True, seeds),
        ("an interaction, 3 × 3 cells, 8 shared seeds", True, partial(seeds, term=2)),
        (f"a factor, 3 × 3 cells, 8 shared seeds less {GAPS} trainings", True, gaps),
        ("a factor, one of 10 levels 4 times as wide, p", False, many),
        ("a factor, one of 10 levels 4 times as wide, p_corrected", True, cautious),
        ("a factor, 3 × 2 cells, 8 × 8 crossed streams", True, crossed),
    ]
    return [
        Case(
            topic="F test of effects",
            setting=setting,
            claim="false alarms at .05",
            high=0.05 if bound else 1.0,
            simulate=simulate,
        )
        for setting, bound, simulate in settings
    ]


CASES: tuple[Case, ...] = (*_shares(), *_other_shares(), *_alarms())
