"""Two levels of a factor, side by side: their replicates, paired where they are shared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from randstudy.analysis.intervals import Interval, around, equal, mean_interval, sd
from randstudy.analysis.layout import ROWS, Layout

SPLIT = "replicate.split"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Values of two levels by replicate, each the mean over the cells that have both levels.

    Attributes
    ----------
    level, reference : the levels.
    a, b : of the level and the reference, (n,) or (k1, k2, …); where `paired` the same places are
        the same replicates, and incomplete places are left out of a single axis.
    paired : whether replicates are shared.
    contexts : cells averaged on either side.
    missing : replicates left out because one of their trainings is missing.
    lost : trainings that diverged or finished without a value, on either side.
    difference : the interval of the mean of a - b.
    axes : names of the axes of replicates that move.
    """

    level: Any
    reference: Any
    a: NDArray[np.float64]
    b: NDArray[np.float64]
    paired: bool
    contexts: int
    missing: int
    lost: tuple[int, int]
    difference: Interval
    axes: tuple[str, ...]

    @property
    def differences(self) -> NDArray[np.float64]:
        """Differences by replicate; empty where nothing is paired."""
        return self.a - self.b if self.paired else np.empty(0)

    @property
    def smallest(self) -> int:
        """Replicates of the shortest axis where paired, of the smaller arm where not."""
        if self.paired:
            return min(int(k) for k in self.a.shape)
        return min(self.a.size, self.b.size)

    @property
    def sd(self) -> float:
        """The sd over replicates within an arm: root mean square of both; NaN for too few."""
        squares = [sd(one.ravel()) ** 2 for one in (self.a, self.b) if one.size > 1]
        return math.sqrt(sum(squares) / len(squares)) if squares else math.nan

    @property
    def count(self) -> str:
        """How many replicates there are, as text: "8", "8 x 8", "7 and 9"."""
        if self.paired:
            return " × ".join(f"{k:,}" for k in self.a.shape)
        return f"{self.a.size:,} and {self.b.size:,}"


def pair(
    layout: Layout,
    factor: str,
    level: Any,
    reference: Any,
    *,
    resampled: float | None = None,
) -> Pair:
    """Set two levels of a factor side by side.

    Parameters
    ----------
    factor : a factor's column, or "cell", whose levels are the cells' labels.
    resampled : where an axis of replicates splits one data set anew, test examples over training
        examples; the variance is then corrected (Nadeau & Bengio, Machine Learning, 2003).
    """
    ours, theirs = matching(layout, factor, level, reference)
    chosen = layout.select([*ours, *theirs])
    lost = _lost(layout, ours), _lost(layout, theirs)
    names = tuple(axis.name for axis in chosen.axes)
    order = np.argsort(np.argsort([*ours, *theirs]))
    first, second = order[: len(ours)], order[len(ours) :]
    shared = {"level": level, "reference": reference, "contexts": len(ours), "lost": lost}
    if not chosen.paired:
        a, b = chosen.sample(int(first[0])), chosen.sample(int(second[0]))
        found = welch(*(_rows(chosen, side) for side in (first, second)))
        return Pair(**shared, a=a, b=b, paired=False, missing=0, difference=found, axes=(ROWS,))
    tables = [chosen.table(side).mean(0) for side in (first, second)]
    split = _split_axis(chosen)
    if not np.isfinite(tables[0] + tables[1]).any() and chosen.axes:
        a, b = (_own(table) for table in tables)
        found = welch(*(corrected(mean_interval(one), one, split, resampled) for one in (a, b)))
        return Pair(**shared, a=a, b=b, paired=False, missing=0, difference=found, axes=names)
    return _paired(shared, tables, names, split, resampled)


def _paired(
    shared: dict[str, Any],
    tables: Sequence[NDArray[np.float64]],
    names: tuple[str, ...],
    split: int | None,
    resampled: float | None,
) -> Pair:
    """Return the pair of two tables over the same replicates."""
    a, b = (np.atleast_1d(table) for table in tables)
    missing = int((~np.isfinite(a - b)).sum())
    if a.ndim == 1:
        kept = np.isfinite(a - b)
        a, b = a[kept], b[kept]
    found = mean_interval(a - b)
    found = corrected(found, a - b, split, resampled)
    return Pair(**shared, a=a, b=b, paired=True, missing=missing, difference=found, axes=names)


def matching(
    layout: Layout, factor: str, level: Any, reference: Any
) -> tuple[list[int], list[int]]:
    """Return the cells of two levels that differ in nothing but the factor, in the same order."""
    cells = layout.cells
    others = [name for name in layout.roles.factors if name != factor and factor != "cell"]
    sides: list[dict[Any, int]] = []
    for one in (level, reference):
        rows = np.flatnonzero(same(cells[factor], one))
        keys = [tuple(cells[name].iloc[row] for name in others) for row in rows]
        sides.append(dict(zip(keys, rows.tolist(), strict=True)))
    both = [key for key in sides[0] if key in sides[1]]
    return [sides[0][key] for key in both], [sides[1][key] for key in both]


def same(column: pd.Series[Any], level: Any) -> NDArray[np.bool_]:
    """Tell which entries of a factor's column are a level, as number or as text."""
    exact = (column == level).fillna(False).to_numpy(bool)
    return exact if exact.any() else (column.astype(str) == str(level)).to_numpy(bool)


def _lost(layout: Layout, cells: Sequence[int]) -> int:
    return int(layout.cells.iloc[list(cells)][["diverged", "no_value"]].to_numpy().sum())


def _own(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the part of a table whose replicates this side has."""
    if table.ndim == 1:
        return table[np.isfinite(table)]
    for axis in range(table.ndim):
        rest = tuple(other for other in range(table.ndim) if other != axis)
        table = np.compress(np.isfinite(table).any(axis=rest), table, axis=axis)
    return np.squeeze(table) if table.size > 1 else table.reshape(-1)


def _rows(layout: Layout, cells: NDArray[np.intp]) -> Interval:
    """Return the mean over cells of independent rows, with its Welch-Satterthwaite error."""
    parts = [mean_interval(layout.sample(int(cell))) for cell in cells]
    n = sum(part.n for part in parts)
    estimate = float(np.mean([part.estimate for part in parts])) if parts else math.nan
    if not all(part.known for part in parts):
        told = next(part.note for part in parts if not part.known)
        return Interval(estimate=estimate, n=n, note=told)
    squares = np.array([part.error**2 for part in parts]) / len(parts) ** 2
    df = squares.sum() ** 2 / (squares**2 / np.array([part.df for part in parts])).sum()
    return around(estimate, math.sqrt(squares.sum()), float(df), n, "t")


def welch(a: Interval, b: Interval) -> Interval:
    """Return the difference of two independent means (Welch, Biometrika, 1947).

    A side that never varies, or was trained once because it draws nothing, adds no error.
    """
    estimate, n = a.estimate - b.estimate, a.n + b.n
    known = [side for side in (a, b) if side.known]
    if not known or min(a.n, b.n) < 2:
        told = "fewer than two trainings on a side" if min(a.n, b.n) < 2 else "no spread"
        return Interval(estimate=estimate, n=n, note=told)
    squares = [side.error**2 for side in known]
    df = sum(squares) ** 2 / sum(s**2 / side.df for s, side in zip(squares, known, strict=True))
    method = "Welch crossed t" if "crossed" in a.method + b.method else "Welch t"
    told = ", corrected for resampled splits" if "corrected" in a.method + b.method else ""
    return around(estimate, math.sqrt(sum(squares)), df, n, method + told)


def _split_axis(layout: Layout) -> int | None:
    """Return the axis along which data are split anew."""
    return next((i for i, axis in enumerate(layout.axes) if SPLIT in axis.columns), None)


def corrected(
    found: Interval, grid: NDArray[np.float64], split: int | None, resampled: float | None
) -> Interval:
    """Widen an interval where splits resample one data set.

    Trainings on overlapping splits are correlated, which no number of them removes: the variance
    s^2 / n becomes s^2 (1 / n + n_test / n_train) (Nadeau & Bengio, equation 9). Where the split is
    crossed with other streams its factor 1 + k n_test / n_train widens the whole, which is safe.
    """
    if split is None or not found.known:
        return found
    if resampled is None:
        told = "splits resample one data set; say test over training examples to correct for it"
        return Interval(estimate=found.estimate, n=found.n, note=told)
    count = grid.shape[min(split, grid.ndim - 1)]
    error = found.error * math.sqrt(1 + count * resampled)
    method = "corrected resampled t" if grid.ndim == 1 else "crossed t"
    method += "" if grid.ndim == 1 else ", corrected for resampled splits"
    return around(found.estimate, error, found.df, found.n, f"{method}")


def correlation(pair: Pair) -> float:
    """Return r over pairs; NaN where nothing is paired or a side does not vary."""
    if not pair.paired or pair.a.size < 3 or pair.a.ndim > 1:
        return math.nan
    if equal(pair.a) or equal(pair.b):
        return math.nan
    return float(np.corrcoef(pair.a, pair.b)[0, 1])


def hedges_g(pair: Pair) -> float:
    """Return the difference in units of the sd over replicates, corrected for small n.

    Hedges & Olkin (1985): (mean a - mean b) / sqrt((sd_a^2 + sd_b^2) / 2) x (1 - 3 / (4 df - 1)),
    df = n - 1 for pairs and n_a + n_b - 2 otherwise. The sds are those of the arms, not of the
    differences, so that paired and unpaired studies speak of the same effect.
    """
    a, b = pair.a.size, pair.b.size
    if min(a, b) < 2 or not pair.sd > 0:
        return math.nan
    df = a - 1 if pair.paired else a + b - 2
    return float(pair.difference.estimate / pair.sd * (1 - 3 / (4 * df - 1)))
