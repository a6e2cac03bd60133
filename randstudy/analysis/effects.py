"""Which factor matters: analysis of variance of a study's factors and their interactions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from randstudy.analysis.crossed import ROUNDING, complete_part, effect, sphericity
from randstudy.analysis.factorial import Factorial, factorial
from randstudy.analysis.layout import UNUSED, Layout, layout_of
from randstudy.analysis.squares import Term, guarded
from randstudy.analysis.typetwo import MOST_COLUMNS, Error, own_error, type_two, within_cells
from randstudy.errors import RandstudyError

COLUMNS = (
    *("term", "order", "df", "df_error", "sum_of_squares", "f", "p", "omega_squared"),
    *("n", "method", "note", "epsilon", "p_corrected"),
)

ALPHA = 0.05

UNEQUAL = "replicates do not move all levels alike: read p_corrected"


def effects(
    data: pd.DataFrame | Layout,
    metric: str | None = None,
    *,
    order: int = 2,
    factors: Sequence[str] | None = None,
    replicates: Sequence[str] | None = None,
    maximize: bool | None = None,
) -> pd.DataFrame:
    """Test each factor, and each interaction of up to `order` factors.

    Parameters
    ----------
    data : a row a trial, or a layout of it.
    order : most factors in an interaction.
    metric, factors, replicates, maximize : see `randstudy.analysis.roles.roles`. Without factors
        the cells are the levels of one.

    Returns
    -------
    A row a term: term, order, df, df_error, sum_of_squares, f, p, omega_squared (partial), n
    (trainings behind it), method, note (why there is no number). One axis of shared replicates has
    epsilon too (Greenhouse & Geisser's) and p_corrected, whose false alarms stay below the nominal
    level where luck moves some levels more than others; p then has up to three times as many.

    Notes
    -----
    What is tested against what:

    repeated measures
        Cells share one axis of replicates, nothing is missing: a term's mean square against that
        of its own interaction with the replicate.
    crossed repeated measures
        Streams are crossed: against the sum of the term's interactions with each stream less that
        with both (Satterthwaite's quasi F), but no less than any of them, on the degrees of
        freedom of the shortest axis.
    within cells
        No replicates are shared: ordinary factorial analysis, against the variance within cells.
    type II, replicates as blocks
        Trainings or cells are missing: what a term explains beyond replicates and all terms that
        do not contain it, against its own interaction with the replicate
        (`randstudy.analysis.typetwo`). Crossed streams with gaps, and tables too large for this:
        the replicates that every cell has.

    Partial omega squared is df (F - 1) / (df (F - 1) + n) (Keren & Lewis, 1979; Olejnik & Algina,
    Psychological Methods, 2003), negative where F is below 1: the variance that a term explains,
    over it and the error that it was tested against.

    Raises
    ------
    RandstudyError
        `order` below 1; see `randstudy.analysis.layout.layout_of`.
    """
    if order < 1:
        raise RandstudyError(f"order is {order}; effects are of 1 factor or more")
    layout = layout_of(data, metric, factors=factors, replicates=replicates, maximize=maximize)
    plan = factorial(layout, order)
    if not len(layout.values):
        return pd.DataFrame(columns=list(COLUMNS))
    rows = _tested(layout, plan) if plan.terms else []
    rows += [_constant(name, len(layout.values)) for name in plan.constant]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _tested(layout: Layout, plan: Factorial) -> list[dict[str, Any]]:
    """Choose the analysis that the design allows."""
    if not (layout.paired and _shared(layout)):
        told = "no two cells share a replicate" if layout.paired else ""
        error = within_cells(layout.values, layout.cell)
        errors = [error] * len(plan.terms)
        return _type_two(layout.values, layout.cell, plan, errors, "within cells", told)
    if not plan.complete:
        return _blocks(layout, plan)
    table = layout.table(plan.cells)
    if np.isfinite(table).all():
        return repeated_measures(table, plan, _filled(layout))
    blocks = _blocks(layout, plan) if len(layout.axes) == 1 else []
    if blocks and all(row["method"] != "none" for row in blocks):
        return blocks
    return _part(table, plan, _filled(layout))


def _blocks(layout: Layout, plan: Factorial) -> list[dict[str, Any]]:
    """Analyse trainings with gaps, a term against its own interaction with the replicate."""
    if len(layout.axes) > 1:
        told = "streams are crossed and cells are missing: no error term is known to hold"
        errors: list[Error | None] = [Error(math.nan, 0)] * len(plan.terms)
        return _type_two(layout.values, layout.cell, plan, errors, "none", told, layout.codes)
    table = layout.table()
    cell, block = np.nonzero(np.isfinite(table))
    values, codes, blocks = table[cell, block], plan.codes[cell], block[:, None]
    errors = [own_error(values, cell, codes[:, list(term)], blocks) for term in plan.terms]
    told = "cells or trainings are missing: F is approximate"
    method = "type II, replicates as blocks"
    return _type_two(values, cell, plan, errors, method, told, blocks)


def _shared(layout: Layout) -> bool:
    """Tell whether some replicate was trained in two cells."""
    rows = layout.codes
    return len(np.unique(rows, axis=0)) < len(rows) and bool(rows.shape[1])


def _filled(layout: Layout) -> str:
    """Say which axes some cells do not consume."""
    names = [
        axis.name for n, axis in enumerate(layout.axes) if (layout.codes[:, n] == UNUSED).any()
    ]
    if not names:
        return ""
    return f"cells that draw no {' or '.join(names)} stand with one training for all of it"


def _part(table: NDArray[np.float64], plan: Factorial, told: str) -> list[dict[str, Any]]:
    """Analyse the replicates that every cell has."""
    gaps = int(np.isnan(table).sum())
    kept = complete_part(table, hold=(0,))
    lost = f"{gaps:,} of {table.size:,} places have no training"
    if kept is None:
        return [
            _row(plan, term, note=f"{lost}, and no replicates are complete") for term in plan.terms
        ]
    part = table[np.ix_(*kept)]
    shape = " × ".join(f"{k:,}" for k in part.shape[1:])
    left = " × ".join(f"{k:,}" for k in table.shape[1:])
    also = f"{lost}: from the complete {shape} of {left} replicates"
    return repeated_measures(part, plan, "; ".join(one for one in (also, told) if one))


def repeated_measures(
    table: NDArray[np.float64], plan: Factorial, told: str = ""
) -> list[dict[str, Any]]:
    """Return a row a term of a complete table.

    `table` (C, k1, …) has its cells in the order of the factorial, the last factor fastest; every
    k is at least 2. `told` is noted in each row.
    """
    streams = table.shape[1:]
    least = (ROUNDING * float(np.abs(table).max())) ** 2
    centred = (table - table.mean()).reshape(*plan.shape, *streams)
    return [_balanced_row(centred, plan, term, least, told) for term in plan.terms]


def _balanced_row(
    table: NDArray[np.float64], plan: Factorial, term: Term, least: float, told: str
) -> dict[str, Any]:
    """Return one term of a complete table."""
    df = plan.df(term)
    square = _mean_square(effect(table, term), table.size, df)
    square = square if square > least else 0.0
    axes = range(len(plan.shape), table.ndim)
    squares: dict[Term, float] = {}
    epsilon = math.nan
    for streams in (one for size in range(1, len(axes) + 1) for one in combinations(axes, size)):
        found = effect(table, (*term, *streams))
        inner = math.prod(table.shape[axis] - 1 for axis in streams)
        value = _mean_square(found, table.size, df * inner)
        squares[streams] = value if value > least else 0.0
        if len(axes) == 1:
            epsilon = sphericity(found.reshape(-1, table.shape[-1]), df, inner, cautious=True)
    error = Error(guarded(squares), df * (min(table.shape[axes.start :]) - 1))
    method = "repeated measures" if len(axes) == 1 else "crossed repeated measures"
    row = _row(plan, term, df, square * df, error, table.size, method, told)
    if math.isfinite(row["f"]) and math.isfinite(epsilon):
        row["epsilon"] = epsilon
        row["p_corrected"] = _p(row["f"], df * epsilon, error.df * epsilon)
        if row["p"] <= ALPHA < row["p_corrected"]:
            row["note"] = "; ".join(one for one in (UNEQUAL, told) if one)
    return row


def _mean_square(found: NDArray[np.float64], size: int, df: int) -> float:
    return float((found**2).sum()) * (size / found.size) / df


def _type_two(
    values: NDArray[np.float64],
    cell: NDArray[np.int64],
    plan: Factorial,
    errors: Sequence[Error | None],
    method: str,
    told: str,
    blocks: NDArray[np.int64] | None = None,
) -> list[dict[str, Any]]:
    """Analyse trainings one by one, each term beyond those that do not contain it."""
    n = len(values)
    found = type_two(values, cell, plan, blocks)
    if found is None or any(error is None for error in errors):
        note = f"gaps and more than {MOST_COLUMNS:,} effects: take a lower order or importance"
        return [_row(plan, term, note=note) for term in plan.terms]
    rows = []
    for term, (squares, df), error in zip(plan.terms, found, errors, strict=True):
        if df < 1:
            note = "moves together with other terms: not told apart"
            rows.append(_row(plan, term, n=n, note=note))
            continue
        note = told
        if df < plan.df(term):
            note = "; ".join(one for one in (told, "some combinations are missing") if one)
        rows.append(_row(plan, term, df, squares, error, n, method, note))
    return rows


def _row(
    plan: Factorial,
    term: Term,
    df: int = 0,
    squares: float = math.nan,
    error: Error | None = None,
    n: int = 0,
    method: str = "none",
    note: str = "",
) -> dict[str, Any]:
    """Return a term's row; a note takes the place of F where there is no error to test against."""
    known = error is not None and error.df > 0 and error.square > 0
    f = squares / df / error.square if error is not None and known else math.nan
    if error is not None and not known and method != "none":
        why = "one training a cell" if error.df < 1 else "replicates do not differ"
        note = "; ".join(one for one in (f"{why}: no error to test against", note) if one)
    gain = df * (f - 1)
    return {
        "term": plan.name(term),
        "order": len(term),
        "df": df,
        "df_error": error.df if error is not None and known else 0,
        "sum_of_squares": squares,
        "f": f,
        "p": _p(f, df, error.df) if error is not None and known else math.nan,
        "omega_squared": gain / (gain + n) if known else math.nan,
        "n": n,
        "method": method if known else "none",
        "note": note,
        "epsilon": math.nan,
        "p_corrected": math.nan,
    }


def _p(f: float, df: float, df_error: float) -> float:
    return float(special.fdtrc(df, df_error, f))


def _constant(name: str, n: int) -> dict[str, Any]:
    """Return the row of a factor with nothing to compare."""
    row: dict[str, Any] = dict.fromkeys(COLUMNS, math.nan)
    told = {"term": name, "order": 1, "df": 0, "df_error": 0, "n": n, "method": "none"}
    return row | told | {"note": "one level with finished trainings: nothing to compare"}
