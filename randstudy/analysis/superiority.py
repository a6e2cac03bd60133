"""How often one arm beats another, and whether signs could have fallen so by chance."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from randstudy.analysis.intervals import LEVEL, quantile, share_interval
from randstudy.analysis.layout import Layout

MEANINGFUL = 0.75
"""Bouthillier et al. (MLSys 2021): P(A > B) must be able to reach this to matter."""

EXACT_PAIRS, DRAWN_PAIRS, DRAWN = 16, 64, 20_000
"""Sign flips are all enumerated up to 16 pairs, 65,536 of them; up to 64 pairs 20,000 are drawn;
beyond, their sum is as good as normal."""


def paired_superiority(
    a: NDArray[np.float64], b: NDArray[np.float64], *, maximize: bool, level: float = LEVEL
) -> tuple[float, float, float]:
    """Return P(A beats B) over pairs with its Clopper-Pearson interval; ties count half."""
    n = len(a)
    if not n:
        return math.nan, math.nan, math.nan
    difference = a - b if maximize else b - a
    wins = float((difference > 0).sum() + 0.5 * (difference == 0).sum())
    return wins / n, *share_interval(wins, n, level)


def unpaired_superiority(
    a: NDArray[np.float64], b: NDArray[np.float64], *, maximize: bool, level: float = LEVEL
) -> tuple[float, float, float]:
    """Return P(A beats B) over all pairs of independent trainings, ties counted half.

    The interval is Brunner & Munzel's (Biometrical Journal, 2000) on the logit scale; when one arm
    always wins it has no width there, and the Clopper-Pearson interval of the smaller arm stands
    in.
    """
    n, m = len(a), len(b)
    if not n or not m:
        return math.nan, math.nan, math.nan
    if not maximize:
        a, b = -a, -b
    both = stats.rankdata(np.concatenate((a, b)))
    first, second = both[:n] - stats.rankdata(a), both[n:] - stats.rankdata(b)
    share = float(first.mean() / m)
    if min(n, m) < 2 or share in (0.0, 1.0):
        return share, *share_interval(share * min(n, m), min(n, m), level)
    parts = np.array([first.var(ddof=1) / m**2 / n, second.var(ddof=1) / n**2 / m])
    if not parts.sum() > 0:
        return share, *share_interval(share * min(n, m), min(n, m), level)
    df = parts.sum() ** 2 / (parts**2 / np.array([n - 1, m - 1])).sum()
    error = math.sqrt(parts.sum()) / (share * (1 - share))
    reach, logit = quantile(level, float(df)) * error, math.log(share / (1 - share))
    return share, _expit(logit - reach), _expit(logit + reach)


def _expit(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value > -700 else 0.0


def sign_flip_p(differences: NDArray[np.float64], seed: int = 0) -> float:
    """Return the two-sided p of a mean difference when signs are as likely either way.

    Exact up to 16 pairs (Fisher, The Design of Experiments, 1935), by 20,000 draws up to 64,
    counting the observed signs as one of them, and by the normal limit of the flipped sum beyond.
    It assumes no distribution, but cannot fall below 2 / 2^n.
    """
    n = len(differences)
    if n < 1 or not np.isfinite(differences).all():
        return math.nan
    if n <= EXACT_PAIRS:
        bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        signs = 1.0 - 2.0 * bits
        extra = 0
    elif n > DRAWN_PAIRS:
        scale = math.sqrt(float(differences @ differences))
        return float(2 * stats.norm.sf(abs(differences.sum()) / scale)) if scale > 0 else 1.0
    else:
        signs = np.random.default_rng(seed).choice([-1.0, 1.0], (DRAWN, n))
        extra = 1
    sums = np.abs(signs @ differences)
    # Sums of the same numbers in another order may differ in the last bits.
    as_far = sums >= abs(differences.sum()) - 1e-12 * float(np.abs(differences).sum())
    return float((as_far.sum() + extra) / (len(sums) + extra))


def superiority(layout: Layout) -> pd.DataFrame:
    """Return P(row beats column) for each two cells, over shared replicates or else all pairs.

    Index and columns are the cells' labels; the diagonal is missing. Trainings without a value
    (diverged, failed) take no part.
    """
    count = len(layout.cells)
    labels = pd.Index(layout.cells["cell"], name="cell")
    found = np.full((count, count), np.nan)
    samples = [layout.sample(number) for number in range(count)]
    table = layout.table().reshape(count, -1) if layout.paired and count else None
    sign = 1 if layout.roles.maximize else -1
    for row in range(count):
        for column in range(row + 1, count):
            share = _share(table, samples, row, column)
            found[row, column] = share if sign > 0 else 1 - share
            found[column, row] = 1 - found[row, column]
    return pd.DataFrame(found, index=labels, columns=labels)


def _share(
    table: NDArray[np.float64] | None, samples: list[NDArray[np.float64]], row: int, column: int
) -> float:
    """Return how often the values of one cell exceed those of another, ties half."""
    if table is not None:
        both = np.isfinite(table[row]) & np.isfinite(table[column])
        if both.any():
            difference = table[row][both] - table[column][both]
            return float(((np.sign(difference) + 1) / 2).mean())
    return unpaired_superiority(samples[row], samples[column], maximize=True)[0]
