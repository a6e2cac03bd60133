"""The verdict on what a study declared, and what else its numbers suggest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from scipy import stats

from randstudy.analysis.intervals import Interval
from randstudy.analysis.layout import Layout, layout_of
from randstudy.analysis.looks import Look, spent
from randstudy.analysis.pairs import Pair, correlation, hedges_g, matching, pair, same
from randstudy.analysis.sizes import replicates_to_settle, sd_bounds
from randstudy.analysis.superiority import paired_superiority, sign_flip_p, unpaired_superiority
from randstudy.analysis.tuning import tuned
from randstudy.analysis.verdicts import decisive_alphas, holm, standing, verdict
from randstudy.errors import RandstudyError

COLUMNS = (
    *("factor", "level", "reference", "estimate", "low", "high", "n", "pairs", "method", "df"),
    *(
        "p",
        "p_holm",
        "family",
        "alpha",
        "decisive_alpha",
        "decisive_low",
        "decisive_high",
        "verdict",
        "note",
    ),
    *("mean_level", "mean_reference", "missing_pairs", "lost", "r", "g", "superiority"),
    *("superiority_low", "superiority_high", "sign_flip_p", "smallest_difference"),
    *("smallest_n", "axes", "ratio", "sd", "sd_arm", "next_alpha"),
    *("needed", "needed_low", "needed_high", "more", "contexts", "tuned"),
)


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What was said before the numbers were seen.

    Attributes
    ----------
    factor : the factor whose levels are compared, averaged over all others.
    reference : the level that the others are compared with; the first when None.
    smallest_difference : that matters, in units of the metric; None where nobody said.
    alpha : chance of calling any null difference of the family real, over all looks.
    """

    factor: str
    reference: Any = None
    smallest_difference: float | None = None
    alpha: float = 0.05


def compare(
    data: pd.DataFrame | Layout,
    metric: str | None = None,
    *,
    factor: str,
    reference: Any = None,
    smallest_difference: float | None = None,
    alpha: float = 0.05,
    declared: bool = True,
    looks: Sequence[Look] = (),
    resampled: float | None = None,
    factors: Sequence[str] | None = None,
    replicates: Sequence[str] | None = None,
    maximize: bool | None = None,
) -> pd.DataFrame:
    """Compare each level of a factor with a reference level.

    Replicates that both levels have are pairs, whatever their correlation; levels without common
    replicates are compared by Welch's test. Values are first averaged over all cells that differ in
    other factors only, so n is the number of replicates. The family is all levels of the factor.
    Of what is nested in the factor each level has the setting that is best on validation
    (`randstudy.analysis.tuning`).

    Parameters
    ----------
    factor, reference, smallest_difference, alpha : see `Declared`.
    declared : False for a comparison that nobody announced: it gets no verdict.
    looks : earlier looks at this comparison with other data, in order; this one spends what
        `randstudy.analysis.looks.spent` leaves it.
    resampled : test over training examples, where a stream splits one data set anew.

    Returns
    -------
    A row a level: estimate (level - reference, units of the metric) with its 95 % interval low and
    high, n, method, df, p, Holm's p; the interval that decides (at the alpha of this look and
    Holm's step); verdict and note; means; missing_pairs and lost (diverged or without a value);
    r over pairs; Hedges g; P(level beats reference) with Clopper-Pearson interval; the exact
    sign-flip p; smallest_n (replicates of the shortest axis or smaller arm), axes (crossed), ratio
    (of resampled splits), sd of a replicate's difference (of an arm where unpaired) and sd_arm; and
    the replicates (on each axis) with which the next look settles smallest_difference at this sd,
    with the range from its 90 % interval, and how many more; and tuned, the settings that were
    chosen for both.

    Raises
    ------
    RandstudyError
        No such factor or level; alpha, smallest_difference or resampled out of bounds.
    """
    _refuse(alpha, smallest_difference, resampled)
    layout = layout_of(data, metric, factors=factors, replicates=replicates, maximize=maximize)
    levels, reference = _levels(layout, factor, reference)
    tuning = tuned(layout, factor)
    layout = tuning.layout
    number = 1 + len(looks)
    share, following = (spent(alpha, number + more) if declared else alpha for more in (0, 1))
    sides = [
        pair(layout, factor, level, reference, resampled=resampled)
        for level in levels
        if matching(layout, factor, level, reference)[0]
    ]
    p = [_p(side.difference) for side in sides]
    adjusted = holm(p)
    alphas = decisive_alphas(p, share) if declared else [share] * len(p)
    rows = []
    for side, one, two, own in zip(sides, p, adjusted, alphas, strict=True):
        row = _numbers(side, layout.roles.maximize) | {
            "factor": factor,
            "p": one,
            "p_holm": two,
            "family": len(sides),
            "alpha": share,
            "tuned": tuning.caveat(side.level, side.reference),
            "smallest_difference": math.nan if smallest_difference is None else smallest_difference,
        }
        row |= _decided(side, row, own, smallest_difference, declared, looks)
        # More replicates are judged at the next look, at what that spends.
        row["next_alpha"] = following * (own / share if own == own else 1 / len(sides))
        row |= _sizes(side, smallest_difference, 1 - row["next_alpha"])
        rows.append(row)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _refuse(alpha: float, margin: float | None, resampled: float | None) -> None:
    """Stop for numbers that no comparison can have."""
    if not 0 < alpha <= 0.5:
        raise RandstudyError(f"alpha is {alpha:g}; it must be above 0 and at most 0.5")
    if margin is not None and not 0 < margin < math.inf:
        raise RandstudyError(f"smallest_difference is {margin:g}; it must be above 0 and finite")
    if resampled is not None and not 0 <= resampled < math.inf:
        raise RandstudyError(f"resampled is {resampled:g}; it must be at least 0 and finite")


def _levels(layout: Layout, factor: str, reference: Any) -> tuple[list[Any], Any]:
    """Return the levels that are compared, and the reference as the frame has it."""
    known = ["cell", *layout.roles.factors]
    if factor not in known:
        raise RandstudyError(f"{factor!r} is no factor here; factors are {', '.join(known[1:])}")
    levels = list(dict.fromkeys(layout.cells[factor].tolist()))
    if reference is None and levels:
        reference = levels[0]
    there = same(pd.Series(levels, dtype=object), reference)
    found = [one for one, chosen in zip(levels, there, strict=True) if chosen]
    if not found:
        told = ", ".join(map(str, levels))
        raise RandstudyError(f"{factor} has no level {reference!r} to compare with; it has {told}")
    return [one for one in levels if one is not found[0] and one != found[0]], found[0]


def _p(found: Interval) -> float:
    """Return the two-sided p of a mean difference of zero."""
    if not found.known:
        return math.nan
    return float(2 * stats.t.sf(abs(found.estimate) / found.error, found.df))


def _numbers(side: Pair, maximize: bool) -> dict[str, Any]:
    """Return what two levels come to, before any decision."""
    found = side.difference
    chance = _chance(side, maximize)
    return {
        "level": side.level,
        "reference": side.reference,
        "estimate": found.estimate,
        "low": found.low,
        "high": found.high,
        "n": side.count,
        "pairs": side.a.size if side.paired else 0,
        "method": ("paired " if side.paired and found.known else "") + found.method,
        "df": found.df,
        "mean_level": side.means[0],
        "mean_reference": side.means[1],
        "missing_pairs": side.missing,
        "lost": sum(side.lost),
        "r": correlation(side),
        "g": hedges_g(side),
        "superiority": chance[0],
        "superiority_low": chance[1],
        "superiority_high": chance[2],
        "sign_flip_p": _signs(side),
        "smallest_n": side.smallest,
        "axes": max(side.a.ndim, side.b.ndim),
        "ratio": side.ratio,
        "sd": side.spread,
        "sd_arm": side.sd,
        "contexts": side.contexts,
    }


def _chance(side: Pair, maximize: bool) -> tuple[float, float, float]:
    """Return P(level beats reference) and its interval.

    Within each stratum, then averaged; an interval only for one stratum of independent values:
    crossed pairs are not independent, and a binomial interval would not hold.
    """
    beats = paired_superiority if side.paired else unpaired_superiority
    found = [beats(a.ravel(), b.ravel(), maximize=maximize) for a, b in side.strata]
    if len(found) == 1 and side.independent:
        return found[0]
    shares = [share for share, _, _ in found]
    return (sum(shares) / len(shares) if shares else math.nan, math.nan, math.nan)


def _signs(side: Pair) -> float:
    """Return the sign-flip p, which independent pairs have."""
    return sign_flip_p(side.differences) if side.paired and side.independent else math.nan


def _decided(
    side: Pair,
    row: Mapping[str, Any],
    alpha: float,
    margin: float | None,
    declared: bool,
    looks: Sequence[Look],
) -> dict[str, Any]:
    """Return the decisive interval, the verdict and what there is to say about it."""
    found = side.difference
    low, high = found.at(1 - alpha) if found.known else (math.nan, math.nan)
    decided: dict[str, Any] = {"decisive_alpha": alpha, "note": found.note}
    decided |= {"decisive_low": low, "decisive_high": high}
    if not declared:
        return decided | {"verdict": "exploratory"}
    if sum(side.lost):
        told = _divergence(side)
        return decided | {"verdict": "withheld", "note": told}
    if not found.known:
        few = min(side.a.size, side.b.size) < 2
        told = found.note if few else _equal(side)
        return decided | {"verdict": "not enough seeds" if few else "withheld", "note": told}
    word = verdict(low, high, margin, rejected=bool(row["p"] <= alpha))
    key = str(side.level)
    before = [(one.verdicts[key], one.estimates[key]) for one in looks if key in one.verdicts]
    stands = standing(word, before, found.estimate, margin)
    if stands != word:
        decided["note"] = "decided at an earlier look"
    elif word == "not enough seeds":
        decided["note"] = _nearly(row["low"], row["high"], margin)
    return decided | {"verdict": stands}


def _nearly(low: float, high: float, margin: float | None) -> str:
    """Say why a 95 % interval that looks decisive is not."""
    if low * high > 0:
        return (
            "the 95 % interval alone excludes 0, but not at the level that looks and family leave"
        )
    if margin is not None and -margin < low and high < margin:
        return "the 95 % interval alone is inside the margin, but not at the level that is left"
    return ""


def _divergence(side: Pair) -> str:
    """Say that trainings without a value make means incomparable."""
    level, reference = side.lost
    return (
        f"{level:,} of the trainings of {side.level} and {reference:,} of those of "
        f"{side.reference} diverged or ended without a value, so means of the rest would flatter"
    )


def _equal(side: Pair) -> str:
    """Say why differences have no interval."""
    if side.paired and side.a.size and bool((side.a == side.b).all()):
        return "every pair is exactly equal: the level may have no effect at all"
    return side.difference.note


def _sizes(side: Pair, margin: float | None, level: float) -> dict[str, Any]:
    """Return how many replicates settle the margin, at this sd and at the ends of its interval."""
    nothing: dict[str, Any] = dict.fromkeys(("needed", "needed_low", "needed_high", "more"), pd.NA)
    found = side.difference
    if margin is None or not found.known:
        return nothing
    present, sd = side.smallest, side.spread
    if not sd > 0:
        return nothing
    df = found.df if side.paired or not side.independent else side.a.size + side.b.size - 2

    def size(spread: float) -> Any:
        wanted = replicates_to_settle(
            margin / spread, paired=side.paired, level=level, ratio=side.ratio
        )
        return pd.NA if wanted is None else wanted

    low, high = sd_bounds(sd, df)
    needed = size(sd)
    more = pd.NA if needed is pd.NA else max(0, needed - present)
    return {"needed": needed, "needed_low": size(low), "needed_high": size(high), "more": more}


def explore(
    data: pd.DataFrame | Layout,
    metric: str | None = None,
    *,
    skip: Sequence[str] = (),
    resampled: float | None = None,
    **roles: Any,
) -> pd.DataFrame:
    """Compare every level of every factor with the factor's first, without any verdict.

    Nothing of this was announced, so the intervals are those of single comparisons: with twenty of
    them one excludes zero by luck.
    """
    layout = layout_of(data, metric, **roles)
    tables = [
        compare(layout, factor=factor, declared=False, resampled=resampled)
        for factor in layout.roles.factors
        if factor not in skip and layout.cells[factor].nunique() > 1
    ]
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(COLUMNS))
