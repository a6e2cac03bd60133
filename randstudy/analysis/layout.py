"""A frame laid out as cells by replicates, which is what every analysis starts from.

Streams that always moved together are one axis of replicates. A cell that does not consume an
axis has one training for all of it: that training stands at every place of the axis (so that pairs
can be formed) and is counted once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from randstudy.analysis.roles import REPLICATE, Roles, roles
from randstudy.errors import RandstudyError

UNUSED = -1
"""Code of an axis in a row of a cell that does not consume it."""

MOST_ENTRIES = 50_000_000
"""Largest dense table, 400 MB."""

LARGEST = 1e150
"""Values beyond it have no squares, so no variance; they count as no value."""

ROWS = "row"
"""Name of the axis of a frame without replicates: each row is independent of all others."""

NO_VALUE = "no_value"

MISSING = "(missing)"
"""Level of a factor in rows that have none."""

SELECTION = "mean for selection"
"""Column of each cell's mean of the metric by which nested settings are chosen."""

COUNTS = ("finished", "diverged", "failed", NO_VALUE)


@dataclass(frozen=True, eq=False)
class Axis:
    """Streams that move together. `levels` (k,) are the replicates, in order of appearance."""

    name: str
    columns: tuple[str, ...]
    levels: NDArray[Any]

    def __len__(self) -> int:
        return len(self.levels)


@dataclass(frozen=True, eq=False)
class Layout:
    """The values of one metric, a row a distinct training in a cell.

    Attributes
    ----------
    roles : the columns that it was made from.
    cells : a row a cell in the frame's order: ``cell`` (label), the factors, and the counts
        finished, diverged, failed and no_value (finished without a finite value of the metric);
        where factors are nested, the mean of the metric that chooses among them too.
    axes : the axes of replicates that vary.
    cell : (N,) row of `cells` of each value.
    codes : (N, axes) place on each axis, `UNUSED` where the cell does not consume it.
    values : (N,) finite values of finished trainings, means over repeats.
    repeats : (N,) trainings averaged in each value.
    noise : (N,) variance (ddof 1) over those repeats, NaN for one.
    row : (N,) position in the frame of the (first) row of each value.
    """

    roles: Roles
    cells: pd.DataFrame
    axes: tuple[Axis, ...]
    cell: NDArray[np.int64]
    codes: NDArray[np.int64]
    values: NDArray[np.float64]
    repeats: NDArray[np.int64]
    noise: NDArray[np.float64]
    row: NDArray[np.int64]

    @property
    def paired(self) -> bool:
        """Whether cells can share replicates at all."""
        return not any(axis.name == ROWS for axis in self.axes)

    def rows(self, cell: int) -> NDArray[np.int64]:
        """Return the rows of one cell."""
        start, stop = np.searchsorted(self.cell, [cell, cell + 1])
        return np.arange(start, stop)

    def sample(self, cell: int) -> NDArray[np.float64]:
        """Return the (n,) values of one cell."""
        return self.values[self.rows(cell)]

    def consumed(self, cell: int) -> tuple[int, ...]:
        """Return the axes that a cell's trainings consume and that move within the cell."""
        codes = self.codes[self.rows(cell)]
        return tuple(
            axis
            for axis in range(len(self.axes))
            if len(codes) and (codes[:, axis] != codes[0, axis]).any()
        )

    def grid(self, cell: int) -> NDArray[np.float64]:
        """Return one cell's values over the axes that it consumes, NaN where one is missing.

        (n,) for one axis, (a, b) for two that are crossed; a cell with one value gives (1,).
        """
        rows, axes = self.rows(cell), self.consumed(cell)
        if not axes:
            return self.values[rows]
        codes = [np.unique(self.codes[rows, axis], return_inverse=True)[1] for axis in axes]
        table = np.full([int(code.max()) + 1 for code in codes], np.nan)
        table[tuple(codes)] = self.values[rows]
        return table

    def table(
        self, cells: Sequence[int] | NDArray[np.integer[Any]] | None = None
    ) -> NDArray[np.float64]:
        """Return values as (cells, k1, k2, …) over all axes, NaN where there is none.

        What a cell does not consume is filled with its one training.

        Raises
        ------
        RandstudyError
            The table would have more than `MOST_ENTRIES` entries.
        """
        chosen = np.arange(len(self.cells)) if cells is None else np.asarray(cells, np.int64)
        shape = (len(chosen), *(len(axis) for axis in self.axes))
        if math.prod(shape) > MOST_ENTRIES:
            raise RandstudyError(
                f"{len(chosen):,} cells by {math.prod(shape[1:]):,} replicates are too many to be "
                "compared in one table; select some cells"
            )
        table = np.full(shape, np.nan)
        place = np.full(len(self.cells), UNUSED)
        place[chosen] = np.arange(len(chosen))
        rows = np.flatnonzero(place[self.cell] >= 0)
        used = self.codes[rows] != UNUSED
        for pattern in np.unique(used, axis=0):
            some = rows[(used == pattern).all(1)]
            # Bring the used axes to the front, so that one assignment fills the others.
            order = [0, *(1 + np.flatnonzero(pattern)), *(1 + np.flatnonzero(~pattern))]
            front = (place[self.cell[some]], *self.codes[some][:, pattern].T)
            values = self.values[some].reshape(-1, *(1,) * int((~pattern).sum()))
            table.transpose(order)[front] = values
        return table

    def select(self, cells: Sequence[int]) -> Layout:
        """Return the layout of some cells alone, with only the replicates that they have."""
        chosen = np.sort(np.asarray(cells, np.int64))
        keep = np.isin(self.cell, chosen)
        codes = self.codes[keep].copy()
        axes = []
        for number, axis in enumerate(self.axes):
            used = codes[:, number] != UNUSED
            kept, inverse = np.unique(codes[used, number], return_inverse=True)
            codes[used, number] = inverse
            axes.append(Axis(axis.name, axis.columns, axis.levels[kept]))
        moving = [number for number, axis in enumerate(axes) if len(axis) > 1]
        return Layout(
            self.roles,
            self.cells.iloc[chosen].reset_index(drop=True),
            tuple(axes[number] for number in moving),
            np.searchsorted(chosen, self.cell[keep]),
            codes[:, moving],
            self.values[keep],
            self.repeats[keep],
            self.noise[keep],
            self.row[keep],
        )


def lay_out(frame: pd.DataFrame, roles: Roles) -> Layout:
    """Lay out a frame.

    Raises
    ------
    RandstudyError
        Two rows are the same cell and replicate with different values, and no column says that
        they are repeats: a factor or replicate column was probably not named.
    """
    frame = _without_gaps(frame, roles)
    cell, cells = _cells(frame, roles)
    metric = frame[roles.metric].to_numpy(np.float64, na_value=np.nan)
    finite = np.abs(metric) <= LARGEST
    status = (
        frame[roles.status].astype(str).to_numpy()
        if roles.status
        else np.where(finite, "finished", NO_VALUE)
    )
    status = np.where((status == "finished") & ~finite, NO_VALUE, status)
    for name in COUNTS:
        marked = (status == name) if name != "failed" else ~np.isin(status, [*COUNTS[:2], NO_VALUE])
        cells[name] = np.bincount(cell[marked & (cell >= 0)], minlength=len(cells))
    if roles.nested and roles.selection in frame.columns:
        cells[SELECTION] = _means(frame[roles.selection], cell, status == "finished", len(cells))
    axes, codes = _axes(frame, roles)
    kept = (status == "finished") & (cell >= 0)
    _refuse_gaps(cells, axes, cell[kept], codes[kept])
    rows = np.flatnonzero(kept)
    return _merged(roles, cells, axes, cell[kept], codes[kept], metric[kept], rows)


def _means(
    column: pd.Series[Any], cell: NDArray[np.int64], ended: NDArray[np.bool_], count: int
) -> NDArray[np.float64]:
    """Return each cell's mean over its finished trainings, NaN where one has no value."""
    rows = np.flatnonzero(ended & (cell >= 0))
    values = column.to_numpy(np.float64, na_value=np.nan)[rows]
    n = np.bincount(cell[rows], minlength=count)
    sums = np.bincount(cell[rows], values, minlength=count)
    found: NDArray[np.float64] = np.full(count, np.nan)
    return np.divide(sums, n, out=found, where=n > 0)


def _cells(frame: pd.DataFrame, roles: Roles) -> tuple[NDArray[np.int64], pd.DataFrame]:
    """Return each row's cell, -1 for none, and the cells in order of appearance."""
    names = list(roles.factors)
    if roles.cell:
        codes, labels = pd.factorize(frame[roles.cell])
        first = pd.Series(np.arange(len(frame))).groupby(codes).first()
        first = first[first.index >= 0]
        cells = frame.iloc[first.to_numpy()][names].reset_index(drop=True)
        cells.insert(0, "cell", np.asarray(labels, dtype=object))
        return np.asarray(codes, np.int64), pd.DataFrame(cells)
    if not names:
        cells = pd.DataFrame({"cell": ["all"]})
        return np.zeros(len(frame), np.int64), cells
    grouped = frame.groupby(names, sort=False, dropna=False, observed=True)
    codes = np.asarray(grouped.ngroup(), np.int64)
    # ngroup counts in order of appearance where groupby does not sort.
    first = pd.Series(np.arange(len(frame))).groupby(codes).first()
    cells = pd.DataFrame(frame.iloc[first.to_numpy()][names].reset_index(drop=True))
    rows = (zip(names, row, strict=True) for row in cells.itertuples(index=False))
    texts = [" ".join(f"{name}={_text(level)}" for name, level in row) for row in rows]
    cells.insert(0, "cell", np.asarray(texts, dtype=object))
    return codes, cells


def _text(level: Any) -> str:
    return f"{level:.12g}" if isinstance(level, float) else str(level)


def _without_gaps(frame: pd.DataFrame, roles: Roles) -> pd.DataFrame:
    """Return the frame with the missing levels of its factors named, since NaN equals nothing."""
    named = {
        name: frame[name].astype(object).where(frame[name].notna(), MISSING)
        for name in roles.factors
        if frame[name].isna().any()
    }
    return frame.assign(**named) if named else frame


def _refuse_gaps(
    cells: pd.DataFrame,
    axes: tuple[Axis, ...],
    cell: NDArray[np.int64],
    codes: NDArray[np.int64],
) -> None:
    """Stop where only some of a cell's trainings have a number on an axis."""
    every = np.bincount(cell, minlength=len(cells))
    for number, axis in enumerate(axes):
        with_number = np.bincount(cell, codes[:, number] != UNUSED, minlength=len(cells))
        mixed = np.flatnonzero((with_number > 0) & (with_number < every))
        if len(mixed):
            label = cells["cell"].iloc[int(mixed[0])]
            raise RandstudyError(
                f"{int(every[mixed[0]] - with_number[mixed[0]])} of {int(every[mixed[0]])} rows of "
                f"the cell {label} have no {axis.name}: number all of them, or none where nothing "
                "is drawn"
            )


def _axes(frame: pd.DataFrame, roles: Roles) -> tuple[tuple[Axis, ...], NDArray[np.int64]]:
    """Return the axes that vary and each row's place on them."""
    if not roles.replicates:
        # The same training in two rows is one training.
        rows = np.arange(len(frame)) if roles.trial is None else pd.factorize(frame[roles.trial])[0]
        count = np.asarray(rows, np.int64)
        return (Axis(ROWS, (), np.unique(count)),), count[:, None]
    groups: list[tuple[list[str], pd.Series[Any]]] = []
    for name in roles.replicates:
        for place, (group, merged) in enumerate(groups):
            if _together(merged, frame[name]):
                groups[place] = ([*group, name], merged.where(merged.notna(), frame[name]))
                break
        else:
            groups.append(([name], frame[name]))
    axes, codes = [], []
    for group, merged in groups:
        code, levels = pd.factorize(merged)
        if len(levels) > 1:
            name = "+".join(str(column).removeprefix(REPLICATE) for column in group)
            axes.append(Axis(name, tuple(group), np.asarray(levels)))
            codes.append(np.asarray(code, np.int64))
    stacked = np.stack(codes, 1) if codes else np.empty((len(frame), 0), np.int64)
    return tuple(axes), stacked


def _together(one: pd.Series[Any], other: pd.Series[Any]) -> bool:
    """Tell whether two replicate columns hold equal numbers wherever both are consumed."""
    both = (one.notna() & other.notna()).to_numpy()
    if not both.any():
        return False
    return bool((one[both].to_numpy() == other[both].to_numpy()).all())


def _merged(
    roles: Roles,
    cells: pd.DataFrame,
    axes: tuple[Axis, ...],
    cell: NDArray[np.int64],
    codes: NDArray[np.int64],
    values: NDArray[np.float64],
    rows: NDArray[np.int64],
) -> Layout:
    """Sort by cell and replicate, and average the repeats of one training."""
    order = np.lexsort((*codes.T[::-1], cell))
    cell, codes, values, rows = cell[order], codes[order], values[order], rows[order]
    key = np.column_stack((cell, codes))
    new = np.ones(len(key), bool)
    new[1:] = (key[1:] != key[:-1]).any(1)
    starts = np.flatnonzero(new)
    counts = np.diff([*starts, len(key)]).astype(np.int64)
    if (counts > 1).any() and roles.repeat is None:
        _refuse_duplicates(roles, cells, cell, starts, counts, values)
    sums = np.add.reduceat(values, starts) if len(starts) else np.empty(0)
    means = np.where(counts == 1, values[starts] if len(starts) else sums, sums / counts)
    group = np.repeat(np.arange(len(starts)), counts)
    squares = np.bincount(group, (values - means[group]) ** 2, minlength=len(starts))
    noise = np.full(len(starts), np.nan)
    many = counts > 1
    noise[many] = squares[many] / (counts[many] - 1)
    return Layout(
        roles, cells, axes, cell[starts], codes[starts], means, counts, noise, rows[starts]
    )


def _refuse_duplicates(
    roles: Roles,
    cells: pd.DataFrame,
    cell: NDArray[np.int64],
    starts: NDArray[np.int64],
    counts: NDArray[np.int64],
    values: NDArray[np.float64],
) -> None:
    """Stop for several values of one cell and replicate, unless they are all the same."""
    for start, count in zip(starts[counts > 1], counts[counts > 1], strict=True):
        some = values[start : start + count]
        if (some != some[0]).any():
            label = cells["cell"].iloc[int(cell[start])]
            raise RandstudyError(
                f"{count} rows are the same replicate of the cell {label} with different values of "
                f"{roles.metric}: name the column that tells them apart as a factor or a "
                "replicate, or call it repeat if they are trainings with the same seeds"
            )


def layout_of(
    data: pd.DataFrame | Layout,
    metric: str | None = None,
    *,
    factors: Sequence[str] | None = None,
    replicates: Sequence[str] | None = None,
    maximize: bool | None = None,
) -> Layout:
    """Lay out a frame by `randstudy.analysis.roles.roles`; a layout passes through.

    Raises
    ------
    RandstudyError
        A frame without a metric, or roles that do not fit it.
    """
    if isinstance(data, Layout):
        return data
    if metric is None:
        raise RandstudyError("name the metric to analyse: one of the frame's columns of numbers")
    found = roles(data, metric, factors=factors, replicates=replicates, maximize=maximize)
    return lay_out(data, found)


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table's rows as mappings from column to value."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]
