"""How many replicates a difference takes: exact power of t tests, and of settling a question."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from randstudy.analysis.intervals import quantile

MOST = 1_000_000
"""Replicates beyond which a size is called out of reach."""

Design = str


def paired_power(n: int, ratio: float, alpha: float = 0.05) -> float:
    """Return the power of a two-sided paired t test.

    Parameters
    ----------
    n : pairs.
    ratio : true mean of the differences over their sd.
    """
    return _power(n - 1, ratio * math.sqrt(n), alpha)


def unpaired_power(n: int, ratio: float, alpha: float = 0.05) -> float:
    """Return the power of a two-sided t test of two groups.

    Parameters
    ----------
    n : replicates in each group.
    ratio : true difference of the means over the sd within a group (Cohen's d).
    """
    return _power(2 * n - 2, ratio * math.sqrt(n / 2), alpha)


def _power(df: float, noncentrality: float, alpha: float) -> float:
    if df < 1:
        return 0.0
    bound = quantile(1 - alpha, df)
    upper = float(stats.nct.sf(bound, df, abs(noncentrality)))
    # The far tail: scipy's distribution function loses digits there, and it adds less than 1e-6
    # once the noncentrality is above 3.
    lower = float(stats.nct.cdf(-bound, df, abs(noncentrality))) if noncentrality < 3 else 0.0
    return min(1.0, upper + lower)


def replicates_for(
    ratio: float, *, paired: bool, power: float = 0.8, alpha: float = 0.05
) -> int | None:
    """Return the fewest pairs, or replicates in each group, with which a t test has the power.

    The figures of Cohen (Statistical Power Analysis, 1988) for two groups. None above `MOST`.
    """
    if not ratio > 0:
        return None
    chance = paired_power if paired else unpaired_power
    return fewest(lambda n: chance(n, ratio, alpha) >= power)


def settling_chance(
    n: int, margin: float, *, paired: bool, level: float = 0.95, ratio: float = 0.0
) -> float:
    """Return the chance that the interval of a zero difference lies inside the margin.

    Then the verdict is "luck"; with a difference beyond the margin it is as likely to be "real".

    Parameters
    ----------
    n : pairs, or replicates in each group.
    margin : smallest difference that matters, over the sd of the differences (paired) or the sd
        within a group.
    ratio : test over training examples, where splits resample one data set: the squared error is
        then sd^2 (1 / n + ratio), which no n brings below a floor.
    """
    df = n - 1 if paired else 2 * n - 2
    if df < 1:
        return 0.0
    # Mean and sd are independent: average the normal chance over the sd's distribution.
    sd = _sds(df)
    scale = 1 / math.sqrt((1 if paired else 2) * (1 / n + ratio))
    room = np.maximum(margin * scale - quantile(level, df) * sd, 0.0)
    return float((2 * special.ndtr(room) - 1).mean())


@lru_cache(maxsize=1024)
def _sds(df: int) -> NDArray[np.float64]:
    """Return sample sds of a unit normal at the midpoints of 400 equally likely slices."""
    found: NDArray[np.float64] = np.sqrt(stats.chi2.ppf((np.arange(400) + 0.5) / 400, df) / df)
    return found


def replicates_to_settle(
    margin: float, *, paired: bool, power: float = 0.8, level: float = 0.95, ratio: float = 0.0
) -> int | None:
    """Return the fewest replicates whose interval fits inside the margin with the chance `power`.

    Parameters
    ----------
    margin, ratio : as for `settling_chance`.

    Returns
    -------
    None above `MOST`, or where resampled splits leave it out of reach.
    """
    if not margin > 0:
        return None

    def enough(n: int) -> bool:
        return settling_chance(n, margin, paired=paired, level=level, ratio=ratio) >= power

    return fewest(enough)


def detectable(n: int, *, paired: bool, power: float = 0.8, alpha: float = 0.05) -> float:
    """Return the ratio of difference to sd that n replicates find with the power; NaN below 2."""
    if n < 2:
        return math.nan
    chance = paired_power if paired else unpaired_power
    low, high = 0.0, 1.0
    while chance(n, high, alpha) < power:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if chance(n, middle, alpha) < power else (low, middle)
    return high


def fewest(enough: Callable[[int], bool]) -> int | None:
    """Return the smallest n from 2 to `MOST` that is enough, when more never is less."""
    high = 2
    while not enough(high):
        high *= 2
        if high > MOST:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return max(high, 2)


def sd_bounds(sd: float, df: float, level: float = 0.9) -> tuple[float, float]:
    """Return the interval of a normal sd from its estimate on `df` degrees of freedom."""
    tail = (1 - level) / 2
    return (
        sd * math.sqrt(df / float(stats.chi2.ppf(1 - tail, df))),
        sd * math.sqrt(df / float(stats.chi2.ppf(tail, df))),
    )


def sd_upper(sd: float, df: float, level: float = 0.8) -> float:
    """Return the one-sided upper bound of an sd, on which a new study is planned.

    At 80 % and n = 8 its square is 1.83 times the estimate (Browne, Statistics in Medicine, 1995).
    """
    return sd * math.sqrt(df / float(stats.chi2.ppf(1 - level, df)))


def replicates_for_superiority(
    gamma: float = 0.75, *, paired: bool, alpha: float = 0.05, power: float = 0.95
) -> int:
    """Return the replicates with which P(A > B) = gamma is told from one half, one-sided.

    Unpaired, in each arm, Noether (JASA, 1987) for the Wilcoxon-Mann-Whitney test, as Bouthillier
    et al. (MLSys 2021) use it: 29 at gamma = 0.75. Pairs need more for the sign test: 44.
    """
    reach = float(special.ndtri(1 - alpha) + special.ndtri(power))
    divisor = 4 if paired else 6
    return math.ceil(reach**2 / (divisor * (gamma - 0.5) ** 2))
