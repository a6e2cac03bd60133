"""From variances to shares of luck, each with a generalised confidence interval."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from randstudy.analysis.components import Components

DRAWS = 8192
"""Points at which the generalised pivots are taken."""


@lru_cache(maxsize=64)
def _uniforms(count: int, seed: int) -> NDArray[np.float64]:
    """Return (DRAWS, count) points of a Latin hypercube, inside the unit cube."""
    columns = np.tile((np.arange(DRAWS) + 0.5) / DRAWS, (count, 1))
    return np.random.default_rng(seed).permuted(columns, axis=1).T


@lru_cache(maxsize=64)
def _factors(df: tuple[float, ...], pivots: tuple[int, ...], seed: int) -> NDArray[np.float64]:
    freedom = np.array(df)
    uniforms = _uniforms(max(pivots) + 1, seed)[:, list(pivots)]
    return np.asarray(freedom / (2 * special.gammaincinv(freedom / 2, uniforms)), np.float64)


def pivots(components: Components, seed: int = 0) -> NDArray[np.float64]:
    """Return (draws, M) factors df / chi-square: times a mean square, a draw of its expectation."""
    return _factors(tuple(components.df), tuple(components.pivots.tolist()), seed)


def generalised(
    squares: NDArray[np.float64],
    factors: NDArray[np.float64],
    above: NDArray[np.float64],
    below: NDArray[np.float64] | None = None,
    level: float = 0.95,
) -> NDArray[np.float64]:
    """Return generalised confidence intervals of ratios of combinations of expected mean squares.

    Where df MS / E[MS] is chi-square, df MS / chi-square is a generalised pivot of E[MS], and
    quantiles of a function of pivots bound that function (Weerahandi, JASA, 1993; for crossed
    random effects Hamada & Weerahandi, J. Quality Technology, 2000).

    Parameters
    ----------
    squares : (..., M) mean squares, of as many experiments as wanted.
    factors : (draws, M) of `pivots`.
    above, below : (M,) coefficients of the ratio's two parts; below is 1 when None.
    level : of the intervals.

    Returns
    -------
    (2, ...) low and high ends, not cut at 0 or 1.
    """
    weights = (factors * above).T
    drawn = squares @ weights
    if below is not None:
        drawn = drawn / (squares @ (factors * below).T)
    tails = [(1 - level) / 2, (1 + level) / 2]
    return np.asarray(np.quantile(drawn, tails, axis=-1), np.float64)


def share_coefficients(
    components: Components,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return (T, M) coefficients of the terms alone and with interactions, and (M,) of all luck."""
    luck = components.luck
    total = np.stack(
        [components.matrix[components.containing(t) & luck].sum(0) for t in components.terms]
    )
    return components.matrix, total, components.matrix[luck].sum(0)
