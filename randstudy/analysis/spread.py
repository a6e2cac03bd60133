"""Is it the seed or the test set: what the variance of test error over seeds is made of.

The accuracy of two seeds may differ because one network is better, or because the test set is a
finite sample and each errs on other examples of it. Kept predictions tell these apart (Jordan,
Calibrated Chaos: Variance Between Runs of Neural Network Training is Harmless and Inevitable,
ICLR 2024).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from randstudy.analysis.intervals import LEVEL


@dataclass(frozen=True, kw_only=True)
class Spread:
    """What the variance of test error over seeds is made of, in squared shares of errors.

    Attributes
    ----------
    total : variance of the error over seeds (ddof 1).
    independent : what it would be if seeds erred on each example independently.
    distribution : unbiased variance of the error on unlimited test data; negative by chance.
    low, high : its interval, not below 0.
    """

    total: float
    independent: float
    distribution: float
    low: float
    high: float


def spread(errors: NDArray[np.bool_], level: float = LEVEL) -> Spread:
    """Split the variance of test error over seeds (Jordan, ICLR 2024).

    Parameters
    ----------
    errors : (n, m) whether each of n >= 2 seeds erred on each of m >= 2 test examples.
    """
    n, m = errors.shape
    total = float(errors.mean(1).var(ddof=1))
    share = errors.mean(0)
    return split_variance(
        total, float((share * (1 - share)).sum()) / m**2 * n / (n - 1), n, m, level
    )


def split_variance(total: float, independent: float, n: int, m: int, level: float) -> Spread:
    """Return the parts of a variance.

    independent is (1 / m^2) sum e_i (1 - e_i) with each e_i (1 - e_i) estimated without bias,
    n / (n - 1) times the plug-in; distribution is m / (m - 1) (total - independent). That is the
    component of seeds in the two-way analysis of variance of seeds by examples, so it has the
    interval of Tukey and Williams (Williams, Biometrika, 1962), with the degrees of freedom of the
    examples, which are many, taken as unlimited. A jackknife over seeds covers 81 to 92 %, not 95.
    """
    scale = m / (m - 1)
    tails = (1 - level) / 2, (1 + level) / 2
    ends = [total * (n - 1) / float(special.chdtri(n - 1, tail)) for tail in tails]
    return Spread(
        total=total,
        independent=independent,
        distribution=scale * (total - independent),
        low=max(0.0, scale * (ends[0] - independent)),
        high=max(0.0, scale * (ends[1] - independent)),
    )


def binary_law(error: float, examples: int) -> float:
    """Return the sd of test error that calibrated networks have on two classes, sqrt(e / 2m).

    Jordan (ICLR 2024): in an ensemble that is calibrated, seeds disagree with each other
    as often as with the truth.
    """
    return math.sqrt(error / (2 * examples))


def sd_error(sd: float, n: int) -> float:
    """Return the standard error of an sd of n normal values, sd / sqrt(2 (n - 1))."""
    return sd / math.sqrt(2 * (n - 1))
