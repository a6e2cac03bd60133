"""The table of cells that ends a run: n, mean, sd and a 95 % interval of one metric.

n counts distinct finished trainings, after repeats of the same training are averaged: they tell
the noise floor, not the spread over seeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from randstudy.errors import RandstudyError
from randstudy.intervals import NOWHERE, crossed_interval, interval, mean, sd

NARROWEST = 7
NONE = "-"


def cells(frame: pd.DataFrame, metric: str, factors: Sequence[str] | None = None) -> pd.DataFrame:
    """Sum up `metric` in each cell, in the frame's order of cells.

    Parameters
    ----------
    frame : a row a trial, as `randstudy.load` returns it.
    metric : name of a metric's column.
    factors : factor columns to repeat in the table; those of the frame when not given.

    Returns
    -------
    Columns cell, the factors, n, mean, sd (ddof 1), low, high, method, diverged, failed; NaN where
    a number does not exist. `method` says how the interval was found (`randstudy.intervals`). A
    metric that is NaN in a finished trial makes its cell's mean NaN.
    """
    if metric not in frame.columns and (frame["status"] == "finished").any():
        raise RandstudyError(f"no metric {metric!r} in the frame; it has {_metrics(frame)}")
    names = list(getattr(frame, "factors", ()) if factors is None else factors)
    rows: list[dict[str, Any]] = []
    for label, cell in frame.groupby("cell", sort=False):
        counts = cell["status"].value_counts()
        row = {"cell": label} | {name: cell[name].iloc[0] for name in names}
        row |= _estimate(cell[cell["status"] == "finished"], metric)
        rows.append(row | {name: int(counts.get(name, 0)) for name in ("diverged", "failed")})
    numbers = ["n", "mean", "sd", "low", "high", "method", "diverged", "failed"]
    return pd.DataFrame(rows, columns=["cell", *names, *numbers])


def _estimate(finished: pd.DataFrame, metric: str) -> dict[str, Any]:
    streams = [name for name in finished.columns if str(name).startswith("replicate.")]
    if "repeat" in finished.columns and len(finished):
        # One row a replicate: repeats differ by the machine's noise only.
        keys = [*streams, "cell"]
        means = finished.groupby(keys, sort=False, dropna=False)[metric]
        finished = means.agg(lambda column: mean(column.to_numpy(np.float64))).reset_index()
    values = (
        finished[metric].to_numpy(np.float64)
        if metric in finished.columns
        else np.empty(0, np.float64)
    )
    groups = _groups(finished, streams)
    if len(groups) <= 1:
        method, bounds = "t", interval(values)
    elif len(groups) == 2:
        method, bounds = "crossed t", crossed_interval(values, *groups)
    else:
        method, bounds = "none", NOWHERE
    if math.isnan(bounds[0]):
        method = "none"
    found = {"n": len(values), "mean": mean(values), "sd": sd(values)}
    return found | {"low": bounds[0], "high": bounds[1], "method": method}


def _groups(rows: pd.DataFrame, streams: Sequence[str]) -> list[NDArray[np.int64]]:
    """Return the replicate code of each row for each group of streams that moved together."""
    found: dict[bytes, NDArray[np.int64]] = {}
    for name in streams:
        # Codes in order of appearance, so streams that move together have equal codes.
        codes = pd.factorize(rows[name])[0].astype(np.int64)
        if len(codes) and codes.max() > 0:
            found.setdefault(codes.tobytes(), codes)
    return list(found.values())


def _metrics(frame: pd.DataFrame) -> str:
    floats = frame.select_dtypes("float").columns
    return ", ".join(name for name in floats if not name.endswith("_seconds")) or "none"


def text(table: pd.DataFrame, metric: str, width: int = 100) -> str:
    """Render a table of `cells` as lines of at most `width` characters, with its methods."""
    fixed = list(table.columns).index("n")
    names = [str(name) for name in table.columns[1:fixed]] or ["cell"]
    numbers = _numbers(table, metric)
    room = width - sum(max(map(len, column)) + 2 for column in numbers)
    if len(names) * (NARROWEST + 2) > room + 2:
        names = ["cell"]
    labels = [[name, *(_level(level) for level in table[name])] for name in names]
    left = _fit(labels, room + 2)
    lines = []
    for row in range(len(table) + 1):
        head = "  ".join(column[row].ljust(max(map(len, column))) for column in left)
        tail = "  ".join(column[row].rjust(max(map(len, column))) for column in numbers)
        lines.append(f"{head}  {tail}".rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join((f"{metric} by cell", "", *lines, "", *_notes(table)))


def _numbers(table: pd.DataFrame, metric: str) -> list[list[str]]:
    """Return the columns right of the labels, each with its heading first."""

    def shown(value: float) -> str:
        if math.isnan(value):
            return NONE
        return f"{value:.4f}" if metric.endswith("accuracy") else f"{value:.4g}"

    bounds = [
        NONE if math.isnan(low) else f"{shown(low)} to {shown(high)}"
        for low, high in zip(table["low"], table["high"], strict=True)
    ]
    columns = [["n", *(str(count) for count in table["n"])]]
    columns += [[name, *(shown(value) for value in table[name])] for name in ("mean", "sd")]
    columns.append(["95 % interval", *bounds])
    for name in ("diverged", "failed"):
        columns.append([name, *(str(count) for count in table[name])])
    return columns


def _fit(columns: list[list[str]], room: int) -> list[list[str]]:
    """Shorten the widest columns until all fit, each followed by two spaces."""
    widths = [max(map(len, column)) for column in columns]
    while sum(widths) + 2 * len(widths) > room and max(widths) > NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return [
        [_shortened(entry, width) for entry in column]
        for column, width in zip(columns, widths, strict=True)
    ]


def _shortened(entry: str, width: int) -> str:
    """Leave out the middle: names of levels tend to differ at either end."""
    if len(entry) <= width:
        return entry
    front = (width - 2) // 2
    return f"{entry[:front]}..{entry[len(entry) - (width - 2 - front) :]}"


def _level(level: object) -> str:
    return f"{level:g}" if isinstance(level, float) else str(level)


def _notes(table: pd.DataFrame) -> list[str]:
    methods = set(cast("list[str]", table["method"].tolist()))
    notes = []
    if methods & {"t"}:
        notes.append("95 % interval: Student t over n distinct finished trainings.")
    if "crossed t" in methods:
        notes.append(
            "95 % interval where two streams are crossed: Student t, the mean squares of both\n"
            "streams and of their interaction; degrees of freedom: the fewer replicates less one."
        )
    if "none" in methods:
        notes.append(
            "- in its place: fewer than two trainings, no spread, or streams crossed three ways\n"
            "or with gaps."
        )
    return notes
