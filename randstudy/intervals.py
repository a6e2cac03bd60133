"""Mean, sd and 95 % interval of one cell.

How the interval is found depends on which streams moved:

t
    All streams moved together: Student t on n - 1 degrees of freedom.
crossed t
    Two groups of streams were crossed, a x b complete. Trainings that share a stream are not
    independent, so with the mean squares of rows, columns and interaction
    SE^2 = max(MS_a + MS_b - MS_ab, MS_a, MS_b, MS_ab) / (a b), on min(a, b) - 1 degrees of freedom.
none
    Fewer than two trainings, no spread among them, a metric that is not finite, or a crossing of
    three groups or with gaps, for which no sound simple interval exists.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVEL = 0.95
NOWHERE = (math.nan, math.nan)


def mean(values: NDArray[np.float64]) -> float:
    """Return the mean; of equal values exactly that value, NaN for none of them."""
    if not len(values):
        return math.nan
    if (values == values[0]).all():
        return float(values[0])
    with np.errstate(invalid="ignore"):
        return float(values.mean())


def sd(values: NDArray[np.float64]) -> float:
    """Return the sd with ddof 1; exactly 0 for equal values, NaN for n < 2 or infinite values."""
    if len(values) < 2 or not np.isfinite(values).all():
        return math.nan
    return 0.0 if (values == values[0]).all() else float(values.std(ddof=1))


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % Student t interval of the mean of (n,) independent values.

    NaN for n < 2, and without spread: equal values bound the mean by the metric's resolution only.
    """
    return _around(mean(values), sd(values) / math.sqrt(max(len(values), 1)), len(values) - 1)


def crossed_interval(
    values: NDArray[np.float64], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> tuple[float, float]:
    """Return the interval of the grand mean of a complete two-way layout, one value a pair."""
    a, b = int(rows.max()) + 1, int(columns.max()) + 1
    if not _complete(rows, columns) or not sd(values) > 0:
        return NOWHERE
    table = np.empty((a, b))
    table[rows, columns] = values
    grand = mean(values)
    by_row, by_column = table.mean(1) - grand, table.mean(0) - grand
    rest = table - grand - by_row[:, None] - by_column[None, :]
    ms_a = b * float(by_row @ by_row) / (a - 1)
    ms_b = a * float(by_column @ by_column) / (b - 1)
    ms_ab = float((rest**2).sum()) / ((a - 1) * (b - 1))
    squared = max(ms_a + ms_b - ms_ab, ms_a, ms_b, ms_ab) / (a * b)
    return _around(grand, math.sqrt(squared), min(a, b) - 1)


def _complete(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> bool:
    pairs = set(zip(rows.tolist(), columns.tolist(), strict=True))
    return len(pairs) == len(rows) == int((rows.max() + 1) * (columns.max() + 1))


def _around(centre: float, error: float, degrees: int) -> tuple[float, float]:
    if degrees < 1 or not error > 0 or not math.isfinite(error):
        return NOWHERE
    reach = float(stats.t.ppf((1 + LEVEL) / 2, degrees)) * error
    return centre - reach, centre + reach
