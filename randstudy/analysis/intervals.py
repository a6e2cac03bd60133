"""Means and their intervals.

How the interval of a mean is found depends on which streams moved:

t
    All streams moved together: Student t on n - 1 degrees of freedom.
crossed t
    Streams were crossed. Trainings that share a stream are not independent, so the error comes
    from the mean squares of streams and interactions (`randstudy.analysis.squares`).
none
    Fewer than two trainings, no spread among them, or a crossing with gaps.

Student t is used at every n: in simulations it covers at least as well as the bias-corrected and
accelerated bootstrap at n = 20 and 30 for every distribution tried (docs/statistics.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from randstudy.analysis.squares import squared_error

LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate with its uncertainty.

    Attributes
    ----------
    estimate : NaN where there is nothing to estimate from.
    low, high : NaN where there is no interval; `note` says why.
    error : standard error, NaN likewise.
    df : degrees of freedom, 0 where there are none.
    n : values behind it.
    constant : whether there are two values or more and all are equal: no error, but no interval.
    """

    estimate: float
    low: float = math.nan
    high: float = math.nan
    error: float = math.nan
    df: float = 0.0
    n: int = 0
    method: str = "none"
    note: str = ""
    constant: bool = False

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return math.isfinite(self.error)

    def at(self, level: float) -> tuple[float, float]:
        """Return the ends at another level."""
        if not self.known:
            return math.nan, math.nan
        reach = quantile(level, self.df) * self.error
        return self.estimate - reach, self.estimate + reach


@lru_cache(maxsize=4096)
def quantile(level: float, df: float) -> float:
    """Return how many standard errors a two-sided Student t interval reaches."""
    return float(special.stdtrit(df, (1 + level) / 2))


def around(
    estimate: float, error: float, df: float, n: int, method: str, level: float = LEVEL
) -> Interval:
    """Return the Student t interval around an estimate."""
    reach = quantile(level, df) * error
    return Interval(
        estimate=estimate,
        low=estimate - reach,
        high=estimate + reach,
        error=error,
        df=df,
        n=n,
        method=method,
    )


def equal(values: NDArray[np.float64], scale: float = 0.0) -> bool:
    """Tell whether values are all the same but for rounding.

    `scale` is the size of the numbers that they were made from, as differences of larger ones.
    """
    first = values.flat[0]
    return bool((np.abs(values - first) <= 1e-13 * max(abs(first), scale)).all())


def mean(values: NDArray[np.float64]) -> float:
    """Return the mean; of equal values exactly that value, NaN for none of them."""
    if not values.size:
        return math.nan
    return float(values.flat[0]) if equal(values) else float(values.mean())


def sd(values: NDArray[np.float64]) -> float:
    """Return the sd with ddof 1; exactly 0 for equal values, NaN for fewer than two."""
    if values.size < 2:
        return math.nan
    return 0.0 if equal(values) else float(values.std(ddof=1))


def mean_interval(
    grid: NDArray[np.float64], level: float = LEVEL, *, scale: float = 0.0
) -> Interval:
    """Return the interval of the mean of a grid of trainings.

    Parameters
    ----------
    grid : (n,) independent values, or (k1, k2, …) of crossed streams; NaN where one is missing,
        which is left out of a single axis and leaves a crossing without an interval.
    level : share of such intervals that hold the true mean.
    scale : see `equal`.
    """
    present = grid[np.isfinite(grid)]
    n = int(present.size)
    if grid.ndim > 1 and n < grid.size:
        gaps = grid.size - n
        told = f"{gaps:,} of {grid.size:,} crossed trainings {'is' if gaps == 1 else 'are'} missing"
        return Interval(estimate=mean(present), n=n, note=told)
    if n < 2:
        return Interval(estimate=mean(present), n=n, note="one training" if n else "no training")
    if equal(present, scale):
        told = f"all {n:,} values are equal"
        return Interval(estimate=float(present[0]), n=n, note=told, constant=True)
    squared, df = squared_error(present if grid.ndim == 1 else grid)
    method = "t" if grid.ndim == 1 else "crossed t"
    return around(mean(present), math.sqrt(squared), df, n, method, level)


def share_interval(hits: float, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Return the Clopper-Pearson interval of a share (Biometrika, 1934).

    `hits` may be fractional, where ties count half. (0, 1) for n = 0.
    """
    if n == 0:
        return 0.0, 1.0
    tail = (1 - level) / 2
    low = 0.0 if hits <= 0 else float(special.betaincinv(hits, n - hits + 1, tail))
    high = 1.0 if hits >= n else float(special.betaincinv(hits + 1, n - hits, 1 - tail))
    return low, high


def trimmed_interval(values: NDArray[np.float64], level: float = LEVEL) -> Interval:
    """Return the interquartile mean of (n,) values, a mean trimmed by a quarter at either end.

    The interval is that of Tukey & McLaughlin (Sankhya A, 1963) with Yuen's error (Biometrika,
    1974): squared, the sum of squares of the winsorised values over h (h - 1), where h values are
    left; Student t on h - 1 degrees of freedom.
    """
    n = len(values)
    cut = n // 4
    kept = n - 2 * cut
    ordered = np.sort(values)
    middle = ordered[cut : n - cut] if n else ordered
    centre = mean(middle)
    if kept < 2:
        return Interval(estimate=centre, n=n, note="too few trainings")
    winsorised = sd(np.clip(ordered, ordered[cut], ordered[n - cut - 1]))
    if winsorised == 0:
        return Interval(estimate=centre, n=n, note="no spread")
    error = winsorised * math.sqrt((n - 1) / (kept * (kept - 1)))
    return around(centre, error, kept - 1, n, "Tukey-McLaughlin", level)
