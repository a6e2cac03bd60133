"""Aggregate scores of algorithms over a suite of tasks: mean, median, IQM and optimality gap.

The estimates are those of Agarwal et al., "Deep Reinforcement Learning at the Edge of the
Statistical Precipice" (NeurIPS 2021), whose scores are an array (runs, tasks); the intervals are
not. Their percentile bootstrap, runs drawn anew within each task, covers 83 to 88 % instead of 95
at 3 runs a task, 88 to 91 at 5 and 93 at 10 (IQM, 10 and 26 tasks; docs/statistics.md). BCa and
the basic bootstrap do no better, since neither knows that 3 runs show two thirds of the variance;
bootstrap-t covers 93 to 98 %, is a third wider at 3 runs and has no form for the median.

Here the runs of a task are stretched about their mean by sqrt(n / (n - 1)) before they are drawn
(Rao & Wu, JASA 1988). The sd over resamples is the error, and Student t reaches by Satterthwaite's
degrees of freedom, from how much each task moves the aggregate: 93 to 97 % at 3, 5 and 10 runs,
skewed scores and collapsing runs among them, for all four aggregates but the median of skewed
scores (92).

Tasks are taken as given: an interval speaks of new runs on these tasks, not of new tasks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from randstudy.analysis.intervals import LEVEL, equal, quantile
from randstudy.analysis.suites import ASSUMPTIONS, Normalisation, Suite, suites
from randstudy.errors import RandstudyError

GAP = "optimality_gap"
AGGREGATES = ("mean", "median", "iqm", GAP)
BOOTSTRAP = "stratified bootstrap, t"
LEAST_RESAMPLES = 100

CHUNK = 2_000_000
"""Scores that are drawn at a time, 16 MB."""


def aggregate_scores(
    frame: pd.DataFrame,
    score: str | None = None,
    *,
    algorithm: str | None = None,
    task: str | None = None,
    run: str | None = None,
    tasks: Sequence[str] | None = None,
    normalise: Normalisation | None = None,
    maximize: bool | None = None,
    threshold: float = 1.0,
    level: float = LEVEL,
    seed: int = 0,
    resamples: int = 2000,
) -> pd.DataFrame:
    """Aggregate each algorithm's scores over tasks.

    Parameters
    ----------
    frame, score, algorithm, task, run, tasks, normalise, maximize : see
        `randstudy.analysis.suites.suites`; scores of tasks on different scales must be normalised.
    threshold : of the optimality gap, the (normalised) score beyond which more is not better.
    seed, resamples : of the bootstrap.

    Returns
    -------
    Columns algorithm, aggregate, estimate, low, high, runs (a task, in words), tasks, n (scores),
    df, method, assumptions, note. The aggregates are mean and median (over tasks, of the mean
    over runs), iqm (mean of the middle half of all scores; where tasks have unequally many runs
    they weigh equally) and optimality_gap (mean shortfall from the threshold, at least 0; smaller
    is better).
    There is no interval where a task has one run, or where nothing varies.
    """
    if resamples < LEAST_RESAMPLES:
        raise RandstudyError(
            f"{resamples} resamples cannot tell an error; ask for {LEAST_RESAMPLES} or more"
        )
    found = suites(
        frame,
        score,
        algorithm=algorithm,
        task=task,
        run=run,
        tasks=tasks,
        normalise=normalise,
        maximize=maximize,
    )
    rows = [row for one in found for row in _aggregated(one, threshold, level, seed, resamples)]
    names = ["algorithm", "aggregate", "estimate", "low", "high", "runs", "tasks", "n"]
    return pd.DataFrame(rows, columns=[*names, "df", "method", "assumptions", "note"])


def _aggregated(
    suite: Suite, threshold: float, level: float, seed: int, resamples: int
) -> Iterator[dict[str, Any]]:
    """Yield a row an aggregate."""
    threshold *= suite.sign
    estimates, errors, df = np.full((3, len(AGGREGATES)), np.nan)
    why = _unknowable(suite)
    if suite.tasks:
        short = shortfalls(suite, threshold)
        estimates = aggregates(suite, suite.scores[None], short[None])[0]
    if not why:
        errors, df = spread(suite, threshold, seed, resamples)
    for number, name in enumerate(AGGREGATES):
        sign = 1 if name == GAP else suite.sign
        estimate, error = sign * float(estimates[number]), float(errors[number])
        known = error > 0
        reach = quantile(level, float(df[number])) * error if known else math.nan
        told = why or ("" if known else "no spread within any task that it is made of")
        yield {
            "algorithm": suite.algorithm,
            "aggregate": name,
            "estimate": estimate,
            "low": max(estimate - reach, 0.0) if name == GAP else estimate - reach,
            "high": estimate + reach,
            **suite.size,
            "df": float(df[number]) if known else 0.0,
            "method": BOOTSTRAP if known else "none",
            "assumptions": ASSUMPTIONS,
            "note": "; ".join(part for part in (told, suite.note) if part),
        }


def _unknowable(suite: Suite) -> str:
    """Return why nothing can be said of the luck of runs, or ""."""
    if not suite.tasks:
        return "no score"
    single = int((suite.counts == 1).sum())
    if not single:
        return ""
    return f"one run in {single:,} of {len(suite.tasks):,} tasks, which tells nothing of its luck"


def shortfalls(suite: Suite, threshold: float) -> NDArray[np.float64]:
    """Return how far below the threshold each of the (N,) scores is, 0 for those above."""
    found: NDArray[np.float64] = np.maximum(threshold - suite.scores, 0.0)
    return found


def aggregates(
    suite: Suite, scores: NDArray[np.float64], short: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (resamples, 4) aggregates of (resamples, N) scores and shortfalls, as in a suite."""
    means = task_means(suite, scores)
    columns = (means.mean(1), np.median(means, axis=1), iqm(suite, scores))
    return np.stack((*columns, task_means(suite, short).mean(1)), axis=1)


def task_means(suite: Suite, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (resamples, T) means over the runs of each task."""
    found: NDArray[np.float64] = np.add.reduceat(scores, suite.starts, axis=1) / suite.counts
    return found


def iqm(suite: Suite, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (resamples,) means of the middle half of scores, each task of equal weight.

    With equally many runs a task it is ``scipy.stats.trim_mean(scores, 0.25)``, which cuts
    floor(N / 4) at either end; the same share of the weight is cut where they are unequal.
    """
    count = scores.shape[1]
    cut = count // 4
    if suite.balanced:
        middle: NDArray[np.float64] = np.sort(scores, axis=1)[:, cut : count - cut].mean(1)
        return middle
    order = np.argsort(scores, axis=1)
    weight = (1 / (len(suite.tasks) * suite.counts))[suite.task][order]
    upto = np.cumsum(weight, axis=1)
    tail = cut / count
    kept = np.maximum(np.minimum(upto, 1 - tail) - np.maximum(upto - weight, tail), 0.0)
    found: NDArray[np.float64] = (kept * np.take_along_axis(scores, order, 1)).sum(1) / kept.sum(1)
    return found


def spread(
    suite: Suite, threshold: float, seed: int, resamples: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (4,) standard errors of the aggregates, 0 where nothing varies, and their df."""
    drawn = list(zip(*_drawn(suite, threshold, seed, resamples), strict=True))
    found, means, short = (np.concatenate(parts) for parts in drawn)
    still = np.array([equal(column) for column in found.T])
    errors = np.where(still, 0.0, found.std(0, ddof=1))
    moved = {name: short if name == GAP else means for name in AGGREGATES}
    df = [_degrees(suite, *both) for both in zip(found.T, moved.values(), strict=True)]
    return errors, np.where(still, np.nan, df)


def _drawn(
    suite: Suite, threshold: float, seed: int, resamples: int
) -> Iterator[tuple[NDArray[np.float64], ...]]:
    """Yield (some, 4) aggregates of resamples, (some, T) means of scores and of shortfalls."""
    generator = np.random.default_rng(seed)
    scores, short = _stretched(suite, suite.scores), _stretched(suite, shortfalls(suite, threshold))
    first, runs = suite.starts[suite.task], suite.counts[suite.task]
    size = max(1, CHUNK // len(scores))
    for start in range(0, resamples, size):
        shape = (min(size, resamples - start), len(scores))
        places = first + (generator.random(shape) * runs).astype(np.int64)
        some, lacking = scores[places], short[places]
        yield aggregates(suite, some, lacking), task_means(suite, some), task_means(suite, lacking)


def _stretched(suite: Suite, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (N,) values moved away from their task's mean, so that resamples vary as runs do."""
    least = np.minimum.reduceat(values, suite.starts)
    still = least == np.maximum.reduceat(values, suite.starts)
    # Of equal values the mean is exactly that value, not a rounded sum.
    centre = np.where(still, least, task_means(suite, values[None])[0])[suite.task]
    stretch = np.sqrt(suite.counts / (suite.counts - 1))[suite.task]
    found: NDArray[np.float64] = centre + stretch * (values - centre)
    return found


def _degrees(suite: Suite, found: NDArray[np.float64], means: NDArray[np.float64]) -> float:
    """Return Satterthwaite's degrees of freedom of an aggregate's error.

    A task's part in the variance is that of its mean times the squared slope of the aggregate on
    it, over resamples: (resamples,) aggregates and (resamples, T) means.
    """
    away, moved = found - found.mean(), means - means.mean(0)
    squares = (moved**2).sum(0)
    slopes = np.divide(away @ moved, squares, out=np.zeros_like(squares), where=squares > 0)
    parts = slopes**2 * squares
    total = parts.sum() ** 2
    return float(max(1.0, total / (parts**2 / (suite.counts - 1)).sum())) if total > 0 else 1.0
