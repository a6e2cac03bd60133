"""Two levels of a factor, side by side: their replicates, paired where they are shared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from randstudy.analysis.intervals import Interval, around, equal, mean, mean_interval, sd
from randstudy.analysis.layout import ROWS, Layout

SPLITS = frozenset({"replicate.split", "split", "fold", "cv_fold"})
"""Columns of replicates that are known to split one data set anew."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Values of two levels by replicate.

    Attributes
    ----------
    level, reference : the levels.
    a, b : of the level and the reference. Where `paired`, (n,) or (k1, k2, …) means over the cells
        that have both levels, the same places the same replicates, incomplete places of a single
        axis left out. Otherwise each side's own replicates.
    strata : pairs of samples within which values are comparable: one, or for independent rows one
        for each context.
    paired : whether replicates are shared.
    contexts : cells averaged on either side.
    missing : replicates left out because one of their trainings is missing.
    lost : trainings that diverged or finished without a value, on either side.
    means : of the level and the reference.
    difference : the interval of the mean of a - b.
    axes : names of the axes of replicates that move.
    ratio : test over training examples, where splits resample one data set; else 0.
    """

    level: Any
    reference: Any
    a: NDArray[np.float64]
    b: NDArray[np.float64]
    strata: tuple[tuple[NDArray[np.float64], NDArray[np.float64]], ...]
    paired: bool
    contexts: int
    missing: int = 0
    lost: tuple[int, int]
    means: tuple[float, float]
    difference: Interval
    axes: tuple[str, ...]
    ratio: float = 0.0

    @property
    def differences(self) -> NDArray[np.float64]:
        """Differences by replicate; empty where nothing is paired."""
        return self.a - self.b if self.paired else np.empty(0)

    @property
    def independent(self) -> bool:
        """Whether the values of each side are independent of each other, not crossed."""
        return max(self.a.ndim, self.b.ndim) == 1

    @property
    def smallest(self) -> int:
        """Replicates of the shortest axis of either side."""
        return min(int(k) for side in (self.a, self.b) for k in side.shape)

    @property
    def sd(self) -> float:
        """The sd over replicates within an arm, pooled as a root mean square; NaN for too few."""
        sides = [one for pair in self.strata for one in pair if one.size > 1]
        squares = [sd(one.ravel()) ** 2 for one in sides]
        return math.sqrt(sum(squares) / len(squares)) if squares else math.nan

    @property
    def spread(self) -> float:
        """The sd from which the error grows: of a replicate's difference, or within an arm.

        So that the squared error is spread^2 (1 / n + ratio), twice that where unpaired.
        """
        if not self.difference.known:
            return math.nan
        if not self.paired and self.independent and len(self.strata) == 1:
            return self.sd
        sides = 1 if self.paired else 2
        return self.difference.error / math.sqrt(sides * (1 / self.smallest + self.ratio))

    @property
    def count(self) -> str:
        """How many replicates there are, as text: "8", "8 × 8", "7 and 9"."""
        sides = (self.a,) if self.paired else (self.a, self.b)
        return " and ".join(" × ".join(f"{k:,}" for k in side.shape) for side in sides)


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
    order = np.argsort(np.argsort([*ours, *theirs]))
    sides = order[: len(ours)], order[len(ours) :]
    shared: dict[str, Any] = {
        "level": level,
        "reference": reference,
        "contexts": len(ours),
        "lost": (_lost(layout, ours), _lost(layout, theirs)),
        "axes": tuple(axis.name for axis in chosen.axes),
    }
    if not chosen.paired:
        return _of_rows(shared, chosen, sides)
    tables = [chosen.table(side) for side in sides]
    split = split_axis(chosen)
    if chosen.axes and not np.isfinite(tables[0] + tables[1]).any():
        return _unpaired(shared, tables, split, resampled)
    a, b = (np.atleast_1d(table.mean(0)) for table in tables)
    shared["ratio"] = 0.0 if split is None else resampled or 0.0
    return _paired(shared, a, b, split, resampled)


def _paired(
    shared: dict[str, Any],
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    split: int | None,
    resampled: float | None,
) -> Pair:
    """Return the pair of two tables over the same replicates."""
    missing = int((~np.isfinite(a - b)).sum())
    if a.ndim == 1:
        kept = np.isfinite(a - b)
        a, b = a[kept], b[kept]
    both = np.isfinite(a - b)
    scale = float(np.abs(a[both]).max()) if both.any() else 0.0
    found = corrected(mean_interval(a - b, scale=scale), a - b, split, resampled)
    means = (mean(a[both]), mean(b[both]))
    return Pair(
        **shared,
        a=a,
        b=b,
        strata=((a[both], b[both]),),
        paired=True,
        missing=missing,
        means=means,
        difference=found,
    )


def _unpaired(
    shared: dict[str, Any],
    tables: Sequence[NDArray[np.float64]],
    split: int | None,
    resampled: float | None,
) -> Pair:
    """Return the pair of two sides that share no replicates."""
    grids, parts = [], []
    for table in tables:
        grid, own = _own(table.mean(0), split)
        grids.append(grid)
        parts.append(corrected(mean_interval(grid), grid, own, resampled))
    found = welch(*parts)
    if not any(np.isfinite(grid).any() for grid in grids):
        told = "no replicate is in all cells that are averaged; number seeds alike in all of them"
        found = Interval(estimate=math.nan, note=told)
    a, b = grids
    shared["ratio"] = 0.0 if split is None else resampled or 0.0
    return Pair(
        **shared,
        a=a,
        b=b,
        strata=((a, b),),
        paired=False,
        means=(parts[0].estimate, parts[1].estimate),
        difference=found,
    )


def _of_rows(
    shared: dict[str, Any], layout: Layout, sides: tuple[NDArray[np.intp], NDArray[np.intp]]
) -> Pair:
    """Return the pair of two sides of independent rows, compared within each context."""
    samples = [[layout.sample(int(cell)) for cell in side] for side in sides]
    parts = [_stratified(some) for some in samples]
    a, b = (np.concatenate(some) for some in samples)
    return Pair(
        **{**shared, "axes": (ROWS,)},
        a=a,
        b=b,
        strata=tuple(zip(*samples, strict=True)),
        paired=False,
        means=(parts[0].estimate, parts[1].estimate),
        difference=welch(*parts),
    )


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
    """Tell which entries of a factor's column are a level: equal, or else the same as written."""
    exact: NDArray[np.bool_] = (column == level).fillna(False).to_numpy(bool)
    return exact if exact.any() else np.array([_alike(one, level) for one in column], bool)


def _alike(level: Any, written: Any) -> bool:
    """Tell whether a level is what somebody wrote: the same text, or the same number."""
    if str(level).lower() == str(written).lower():
        return True
    try:
        return float(level) == float(written)
    except (TypeError, ValueError):
        return False


def _lost(layout: Layout, cells: Sequence[int]) -> int:
    return int(layout.cells.iloc[list(cells)][["diverged", "no_value"]].to_numpy().sum())


def _own(table: NDArray[np.float64], split: int | None) -> tuple[NDArray[np.float64], int | None]:
    """Return the part of a table whose replicates this side has, and where its split axis is."""
    for axis in range(table.ndim):
        rest = tuple(other for other in range(table.ndim) if other != axis)
        table = np.compress(np.isfinite(table).any(axis=rest), table, axis=axis)
    kept = [axis for axis in range(table.ndim) if table.shape[axis] != 1]
    own = kept.index(split) if split in kept else None
    return table.reshape([table.shape[axis] for axis in kept] or [-1]), own


def _stratified(samples: Sequence[NDArray[np.float64]]) -> Interval:
    """Return the mean over contexts of independent rows, with its Welch-Satterthwaite error.

    A context whose rows are all equal adds no error; one with a single row leaves it unknown.
    """
    parts = [mean_interval(sample) for sample in samples]
    n = sum(part.n for part in parts)
    estimate = float(np.mean([part.estimate for part in parts])) if parts else math.nan
    unknown = [part.note for part in parts if not (part.known or part.constant)]
    if unknown:
        told = unknown[0] if len(parts) == 1 else f"{unknown[0]} in one of the cells averaged"
        return Interval(estimate=estimate, n=n, note=told)
    squares = [(part.error / len(parts)) ** 2 for part in parts if part.known]
    if not squares:
        return Interval(estimate=estimate, n=n, note="no spread", constant=True)
    weights = zip(squares, (part.df for part in parts if part.known), strict=True)
    df = sum(squares) ** 2 / sum(square**2 / own for square, own in weights)
    return around(estimate, math.sqrt(sum(squares)), df, n, "t")


def welch(a: Interval, b: Interval) -> Interval:
    """Return the difference of two independent means (Welch, Biometrika, 1947).

    A side whose values are all equal adds no error; one of which the error is unknown leaves that
    of the difference unknown.
    """
    estimate, n = a.estimate - b.estimate, a.n + b.n
    unknown = [side.note for side in (a, b) if not (side.known or side.constant)]
    known = [side for side in (a, b) if side.known]
    if unknown or not known:
        told = unknown[0] if unknown else "no spread"
        return Interval(estimate=estimate, n=n, note=told)
    squares = [side.error**2 for side in known]
    df = sum(squares) ** 2 / sum(s**2 / side.df for s, side in zip(squares, known, strict=True))
    method = "Welch crossed t" if "crossed" in a.method + b.method else "Welch t"
    told = ", corrected for resampled splits" if "corrected" in a.method + b.method else ""
    return around(estimate, math.sqrt(sum(squares)), df, n, method + told)


def split_axis(layout: Layout) -> int | None:
    """Return the axis along which data are split anew."""
    return next((i for i, axis in enumerate(layout.axes) if SPLITS & {*axis.columns}), None)


def corrected(
    found: Interval, grid: NDArray[np.float64], split: int | None, resampled: float | None
) -> Interval:
    """Widen an interval where splits resample one data set.

    Trainings on overlapping splits are correlated, which no number of them removes: the variance
    s^2 / n becomes s^2 (1 / n + n_test / n_train) (Nadeau & Bengio, equation 9). Where the split is
    crossed with other streams its factor 1 + k n_test / n_train widens the whole, which is safe.
    At 0 each split is of data of its own, and there is nothing to correct.
    """
    if split is None or resampled == 0 or not found.known:
        return found
    if resampled is None:
        told = "splits resample one data set; say test over training examples to correct for it"
        return Interval(estimate=found.estimate, n=found.n, note=told)
    count = grid.shape[min(split, grid.ndim - 1)]
    error = found.error * math.sqrt(1 + count * resampled)
    crossed = grid.ndim > 1
    method = "crossed t, corrected for resampled splits" if crossed else "corrected resampled t"
    return around(found.estimate, error, found.df, found.n, method)


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
    df = a - 1 if pair.paired else a + b - 2 * len(pair.strata)
    if df < 1:
        return math.nan
    return float(pair.difference.estimate / pair.sd * (1 - 3 / (4 * df - 1)))
