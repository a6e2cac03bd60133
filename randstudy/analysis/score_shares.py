"""How often one algorithm beats another over a suite of tasks, and how often it beats a score.

Both are means over tasks of a share. Their variances within each task are known in closed form;
Student t on the logit covers 95 to 99 % at 3 to 10 runs a task, where the percentile bootstrap of
Agarwal et al. (NeurIPS 2021) covers 89 to 96 %, and as little as 70 % once one algorithm nearly
always wins (10 and 26 tasks). An interval speaks of new runs on these tasks, not of new tasks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from randstudy.analysis.intervals import LEVEL, equal, quantile, share_interval
from randstudy.analysis.suites import ASSUMPTIONS, Normalisation, Suite, suites

TAUS = 51
"""Thresholds of a profile where none are given."""

Arms = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Scores (n,) and (m,) of two algorithms in one task."""


def probability_of_improvement(
    frame: pd.DataFrame,
    score: str | None = None,
    *,
    algorithm: str,
    task: str | None = None,
    run: str | None = None,
    tasks: Sequence[str] | None = None,
    maximize: bool | None = None,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Return P(X > Y) for each two algorithms: a run of X beats one of Y, averaged over tasks.

    In each task the Mann-Whitney share of all pairs of runs, ties counted half. Only tasks that
    both have take part; no normalisation is needed. The variance in a task is that of the
    placements (DeLong et al., Biometrics 1988; Brunner & Munzel, Biometrical Journal 2000); where
    it cannot be told (one run, or one always better), Clopper-Pearson over as many pairs as the
    smallest arm of a task has runs, times tasks, which holds for unequal tasks too (Hoeffding,
    Annals of Mathematical Statistics 1956).

    Returns
    -------
    Columns algorithm_x, algorithm_y, probability, low, high, runs (of X and of Y), tasks,
    n (scores of both), method, assumptions, note; a row a pair in order of appearance.
    """
    found = suites(
        frame, score, algorithm=algorithm, task=task, run=run, tasks=tasks, maximize=maximize
    )
    pairs = [(x, y) for number, x in enumerate(found) for y in found[number + 1 :]]
    names = ["algorithm_x", "algorithm_y", "probability", "low", "high", "runs", "tasks", "n"]
    rows = [_improvement(x, y, level) for x, y in pairs]
    return pd.DataFrame(rows, columns=[*names, "method", "assumptions", "note"])


def _improvement(x: Suite, y: Suite, level: float) -> dict[str, Any]:
    shared = [name for name in x.tasks if name in set(y.tasks)]
    either = set(x.tasks) | set(y.tasks)
    lost = len(either) - len(shared)
    told = [f"{lost:,} of {len(either):,} tasks have runs of one of them only"] if lost else []
    told += [f"{one.algorithm}: {one.note}" for one in (x, y) if one.note]
    arms = [(x.of(name), y.of(name)) for name in shared]
    share, low, high, method = improvement(arms, level)
    return {
        "algorithm_x": x.algorithm,
        "algorithm_y": y.algorithm,
        "probability": share,
        "low": low,
        "high": high,
        "runs": f"{x.runs} and {y.runs}",
        "tasks": len(shared),
        "n": sum(len(a) + len(b) for a, b in arms),
        "method": method,
        "assumptions": ASSUMPTIONS,
        "note": "; ".join(told),
    }


def improvement(arms: Sequence[Arms], level: float = LEVEL) -> tuple[float, float, float, str]:
    """Return P(X > Y) over tasks, its ends and how they were found, from each task's scores."""
    if not arms:
        return math.nan, math.nan, math.nan, "none"
    placed = [part for a, b in arms for part in _placements(a, b)]
    shares = np.array([part.mean() for part in placed[::2]])
    counts = np.array([len(part) for part in placed])
    variances = np.array([_variance(part) for part in placed])
    floor = len(arms) * int(counts.min())
    error = variances / counts / len(arms) ** 2
    return _share(float(shares.mean()), error, counts - 1, floor, level)


def _placements(a: NDArray[np.float64], b: NDArray[np.float64]) -> Arms:
    """Return (n,) shares of B that each run of A beats, (m,) shares of A that beat each of B."""
    one, other = np.sort(a), np.sort(b)
    beaten = (np.searchsorted(other, a, "left") + np.searchsorted(other, a, "right")) / 2
    beating = (np.searchsorted(one, b, "left") + np.searchsorted(one, b, "right")) / 2
    return beaten / len(b), 1 - beating / len(a)


def _variance(values: NDArray[np.float64]) -> float:
    """Return the variance (ddof 1), exactly 0 for equal values, NaN for one."""
    if len(values) < 2:
        return math.nan
    return 0.0 if equal(values) else float(values.var(ddof=1))


def _share(
    share: float, parts: NDArray[np.float64], df: NDArray[np.int64], floor: int, level: float
) -> tuple[float, float, float, str]:
    """Return a share with its ends, from the parts of its squared error and their df."""
    squared = float(parts.sum())
    if not squared > 0 or not 0 < share < 1:
        return share, *share_interval(share * floor, floor, level), "Clopper-Pearson"
    degrees = squared**2 / float((parts**2 / df).sum())
    reach = quantile(level, degrees) * math.sqrt(squared) / (share * (1 - share))
    logit = math.log(share / (1 - share))
    low, high = (0.5 * (1 + math.tanh((logit + end) / 2)) for end in (-reach, reach))
    return share, low, high, "stratified, logit t"


def performance_profile(
    frame: pd.DataFrame,
    score: str | None = None,
    taus: Sequence[float] | None = None,
    *,
    algorithm: str | None = None,
    task: str | None = None,
    run: str | None = None,
    tasks: Sequence[str] | None = None,
    normalise: Normalisation | None = None,
    maximize: bool | None = None,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Return the share of runs that score better than tau, averaged over tasks.

    The score distribution of Agarwal et al. (section 4.2), pointwise: each interval holds for its
    tau, not for all at once.

    Parameters
    ----------
    taus : 51 from the worst score to the best when None.
    others : see `randstudy.analysis.suites.suites`.

    Returns
    -------
    Columns algorithm, tau, share, low, high, runs, tasks, n, method, assumptions, note.
    """
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
    every = np.concatenate([suite.scores for suite in found]) if found else np.empty(0)
    sign = found[0].sign if found else 1
    if taus is None:
        taus = (sign * np.linspace(every.min(), every.max(), TAUS)).tolist() if every.size else ()
    rows = [row for suite in found for row in _profile(suite, np.asarray(taus, np.float64), level)]
    names = ["algorithm", "tau", "share", "low", "high", "runs", "tasks", "n"]
    return pd.DataFrame(rows, columns=[*names, "method", "assumptions", "note"])


def _profile(suite: Suite, taus: NDArray[np.float64], level: float) -> Iterator[dict[str, Any]]:
    """Yield a row a tau."""
    if not suite.tasks:
        return
    found = share_above(suite, suite.sign * taus, level)
    for tau, (share, low, high, method) in zip(taus, found, strict=True):
        yield {
            "algorithm": suite.algorithm,
            "tau": float(tau),
            "share": share,
            "low": low,
            "high": high,
            **suite.size,
            "method": method,
            "assumptions": ASSUMPTIONS,
            "note": suite.note,
        }


def share_above(
    suite: Suite, taus: NDArray[np.float64], level: float = LEVEL
) -> list[tuple[float, float, float, str]]:
    """Return for each tau the share of scores above it, its ends and how they were found."""
    tasks = [np.sort(suite.of(name)) for name in suite.tasks]
    above = np.array([len(some) - np.searchsorted(some, taus, "right") for some in tasks])
    shares = above / suite.counts[:, None]
    floor = len(tasks) * int(suite.counts.min())
    df = suite.counts - 1
    parts = shares * (1 - shares) / np.where(df > 0, df, np.nan)[:, None] / len(tasks) ** 2
    columns = zip(shares.mean(0), parts.T, strict=True)
    return [_share(float(share), part, df, floor, level) for share, part in columns]
