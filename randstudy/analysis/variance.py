"""Which luck: how much of the variance of trainings each source of randomness brings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from randstudy.analysis.components import (
    CELL,
    REPEAT,
    Components,
    Noise,
    anova,
    one_way,
)
from randstudy.analysis.crossed import complete_part
from randstudy.analysis.intervals import LEVEL
from randstudy.analysis.layout import UNUSED, Layout, layout_of
from randstudy.analysis.reml import MOST_ROWS, reml
from randstudy.analysis.shares import generalised, pivots, share_coefficients
from randstudy.analysis.squares import Term

COLUMNS = (
    *("source", "order", "variance", "sd", "share", "low", "high"),
    *("total", "total_low", "total_high", "levels", "df", "method", "note"),
    *("variance_low", "variance_high", "n", "cells"),
)
NUMBERS = ("share", "low", "high", "total", "total_low", "total_high")


def variance(
    data: pd.DataFrame | Layout,
    metric: str | None = None,
    *,
    factors: Sequence[str] | None = None,
    replicates: Sequence[str] | None = None,
    maximize: bool | None = None,
    seed: int = 0,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Split the variance of trainings into its sources.

    Luck is what differs between trainings of one cell: all variance but the cell's own. A source's
    *share* is the part of it that the source brings alone, its *total* adds every interaction
    that contains it: what is seen when that source alone is varied. Shares alone add up to one;
    totals count interactions more than once. Small shares may come out negative, and are shown so.
    With several cells, ``init`` is what a seed brings in every cell, ``cell × init`` what it brings
    in some cells beyond that.

    Parameters
    ----------
    data : a row a trial, or a layout of it.
    metric, factors, replicates, maximize : see `randstudy.analysis.roles.roles`.
    seed : of the points at which intervals are computed; the same seed gives the same intervals.
    level : of the intervals.

    Returns
    -------
    A row a source: source, order (streams and cell in it; 0 for ``cell``, which is no luck and has
    no share), variance (squared units of the metric) and sd (0 where the variance is negative),
    share and total with intervals, levels, df, method, note, the interval of the variance, n
    (distinct trainings) and cells (that consume the source). ``repeat`` is the noise floor, where
    trials were trained again with the same seeds; without it, noise is part of the interaction of
    everything.

    Notes
    -----
    Complete tables: method of moments (`randstudy.analysis.components`) with generalised intervals
    (`randstudy.analysis.shares`), which suppose normal effects, alike in all cells. With gaps: REML
    (`randstudy.analysis.reml`) up to `MOST_ROWS` trainings, beyond that the method of moments on a
    complete part. A stream's variance is found in the cells that consume it.

    Raises
    ------
    RandstudyError
        See `randstudy.analysis.layout.layout_of`.
    """
    layout = layout_of(data, metric, factors=factors, replicates=replicates, maximize=maximize)
    found, notes = _components(layout)
    names = [*(axis.name for axis in layout.axes)]
    if found is None:
        return pd.DataFrame([_nothing(names, notes, len(layout.values))], columns=list(COLUMNS))
    rows = _rows(layout, found, names, seed, level)
    for row in rows:
        row["note"] = "; ".join(part for part in (row["note"], *notes) if part)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _nothing(names: Sequence[str], notes: Sequence[str], n: int) -> dict[str, Any]:
    """Return the row that says why there is nothing to split."""
    row: dict[str, Any] = dict.fromkeys(COLUMNS, math.nan)
    source = " × ".join(names) or "all"
    told = {"method": "none", "note": "; ".join(notes), "order": max(len(names), 1)}
    return row | {"source": source, "levels": 0, "n": n, "cells": 0} | told


def _components(layout: Layout) -> tuple[Components | None, list[str]]:
    """Return the components of a layout, and what has to be said about them."""
    noise = _noise(layout)
    present = np.unique(layout.cell)
    notes = []
    if not layout.axes or len(layout.values) < 2:
        return None, ["each cell has one training, so no luck can be seen"]
    if absent := len(layout.cells) - len(present):
        notes.append(f"{absent:,} of {len(layout.cells):,} cells have no finished training")
    if not layout.paired or _unshared(layout):
        return _nested(layout, noise, notes)
    uses = np.zeros((len(layout.cells), len(layout.axes)), bool)
    np.logical_or.at(uses, layout.cell, layout.codes != UNUSED)
    lucky = np.flatnonzero(uses.any(1))
    if alone := len(present) - len(lucky):
        notes.append(
            f"{alone:,} {'cell draws' if alone == 1 else 'cells draw'} nothing and "
            f"{'is' if alone == 1 else 'are'} left out"
        )
    table = layout.table(lucky)
    if np.isfinite(table).all():
        return anova(table, uses[lucky], noise), notes
    return _with_gaps(layout, table, uses[lucky], lucky, noise, notes)


def _noise(layout: Layout) -> Noise | None:
    """Return the pooled variance of repeats; None where nothing was repeated."""
    many = layout.repeats > 1
    if not many.any():
        return None
    df = layout.repeats[many] - 1
    square = float((layout.noise[many] * df).sum()) / int(df.sum())
    return Noise(square, int(df.sum()), float((1 / layout.repeats).mean()))


def _unshared(layout: Layout) -> bool:
    """Tell whether no two cells have a replicate of the one axis in common."""
    if len(layout.axes) != 1 or len(np.unique(layout.cell)) < 2:
        return False
    return len(np.unique(layout.codes)) == len(layout.values)


def _nested(
    layout: Layout, noise: Noise | None, notes: list[str]
) -> tuple[Components | None, list[str]]:
    """Return the components of trainings that are independent between cells."""
    cells, cell = np.unique(layout.cell, return_inverse=True)
    if len(cell) == len(cells):
        return None, [*notes, "each cell has one training, so no luck can be seen"]
    if layout.paired:
        notes.append("no two cells share a replicate, so luck everywhere cannot be told apart")
        return one_way(layout.values, cell, (0, 1), noise), notes
    notes.append("no column numbers the replicates, so all luck is one source")
    return one_way(layout.values, cell, (1,), noise), notes


def _with_gaps(
    layout: Layout,
    table: NDArray[np.float64],
    uses: NDArray[np.bool_],
    lucky: NDArray[np.intp],
    noise: Noise | None,
    notes: list[str],
) -> tuple[Components | None, list[str]]:
    """Return components by REML, or from a complete part of the table."""
    rows = np.isin(layout.cell, lucky)
    gaps = f"{int(np.isnan(table).sum()):,} of {table.size:,} places have no training"
    if rows.sum() <= MOST_ROWS and _spread(layout.values[rows], layout.cell[rows]):
        try:
            cell, codes = layout.cell[rows], layout.codes[rows]
            found, aliased = reml(layout.values[rows], cell, codes, noise)
        except np.linalg.LinAlgError:
            gaps += ", REML found no maximum"
        else:
            hidden = [_source(term, [axis.name for axis in layout.axes]) for term in aliased]
            also = [f"not told from higher interactions: {', '.join(hidden)}"] if hidden else []
            return found, [*notes, f"{gaps}: intervals are approximate", *also]
    kept = complete_part(table)
    if kept is None:
        return None, [*notes, f"{gaps}, and no part of the table is complete"]
    part = table[np.ix_(*kept)]
    shape = " × ".join(f"{k:,}" for k in part.shape)
    left = " × ".join(f"{k:,}" for k in table.shape)
    told = f"{gaps}: from the complete {shape} of {left} cells and replicates"
    return anova(part, uses[kept[0]], noise), [*notes, told]


def _spread(values: NDArray[np.float64], cell: NDArray[np.int64]) -> bool:
    """Tell whether values differ within some cell."""
    first = np.searchsorted(cell, cell)
    return bool((values != values[first]).any())


def _source(term: Term, names: Sequence[str]) -> str:
    """Return what a term is called: "init", "init × order", "cell × init", "repeat"."""
    if term == REPEAT:
        return "repeat"
    return " × ".join("cell" if axis == 0 else names[axis - 1] for axis in term)


def _rows(
    layout: Layout, found: Components, names: Sequence[str], seed: int, level: float
) -> list[dict[str, Any]]:
    """Return a row a source."""
    known = bool((found.df > 0).all())
    factors = pivots(found, seed) if known else np.full((2, len(found.df)), math.nan)
    alone, total, all_luck = share_coefficients(found)
    luck = float(all_luck @ found.squares)
    rows = []
    for number, term in enumerate(found.terms):
        row: dict[str, Any] = dict.fromkeys(NUMBERS, math.nan)
        row |= _variance(found, number, factors, level)
        row |= {"source": _source(term, names), "method": found.method, "note": ""}
        row |= {"order": _order(term), "n": len(layout.values), "cells": found.cells[number]}
        row["levels"] = _levels(layout, term, found.cells[number])
        if term != CELL and luck > 0:
            ends = (alone[number], total[number])
            for name, above in zip(("share", "total"), ends, strict=True):
                row[name] = float(above @ found.squares) / luck
                low, high = generalised(found.squares, factors, above, all_luck, level)
                prefix = "" if name == "share" else "total_"
                row[f"{prefix}low"], row[f"{prefix}high"] = float(low), float(high)
        rows.append(row | _told(row, found, number, luck, known))
    return rows


def _variance(
    found: Components, number: int, factors: NDArray[np.float64], level: float
) -> dict[str, Any]:
    """Return a source's variance with its interval."""
    row = found.matrix[number]
    low, high = generalised(found.squares, factors, row, level=level)
    value = float(found.variances[number])
    ends = {"variance_low": float(low), "variance_high": float(high)}
    told = {"variance": value, "sd": math.sqrt(max(value, 0.0))}
    return told | ends | {"df": float(found.df[found.own[number]])}


def _told(
    row: dict[str, Any], found: Components, number: int, luck: float, known: bool
) -> dict[str, Any]:
    """Return method and note, without intervals where they would say nothing."""
    term = found.terms[number]
    none = {"low": math.nan, "high": math.nan, "total_low": math.nan, "total_high": math.nan}
    touching = found.containing(term)
    behind = (found.matrix[touching] != 0).any(0)
    if not (found.squares[behind] > 0).any():
        none |= {"variance_low": math.nan, "variance_high": math.nan}
        told = "repeats are equal" if term == REPEAT else "moving it changed nothing"
        return none | {"note": told}
    if term == CELL:
        return {"note": "not luck: what the factors explain has no share of it"}
    if not luck > 0:
        return none | {"note": "variances sum to less than zero: too few replicates for shares"}
    if found.luck.sum() == 1:
        return none | {"note": "the only source there is: all luck is its by construction"}
    if not known:
        return none | {"note": "too few trainings beyond the effects for an interval"}
    told = ""
    if found.cells[number] < max(found.cells):
        told = f"in the {found.cells[number]:,} of {max(found.cells):,} cells that consume it"
    return {"note": told, "method": f"{row['method']}, generalised interval"}


def _order(term: Term) -> int:
    if term == CELL:
        return 0
    return max(len(term), 1)


def _levels(layout: Layout, term: Term, cells: int) -> int:
    """Return how many effects of a source were seen."""
    if term == REPEAT:
        return int(layout.repeats.max())
    return math.prod(cells if axis == 0 else len(layout.axes[axis - 1]) for axis in term)
