"""Columns of a table in a CSV or Parquet file: numbers or text, every value there."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from randstudy.errors import DataError
from randstudy.tasks.files import read, told

PARQUET = (".parquet", ".pq")
ABSENT = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
"""How files write a value that is not there, in small letters."""

Columns = Mapping[str, NDArray[Any]]
"""Column -> (N,) float64, bool, or text (dtype object)."""

REMEDY = "write it again"
FILL = "fill it in, or drop the row or the column"


def columns(path: Path, header: bool) -> Columns:
    """Return the columns of a file, in its order.

    Text files may be packed (.gz, .xz). Commas, semicolons, tabs or blanks separate their values,
    whichever their first line has; with semicolons a comma may be decimal. Without `header` the
    columns are c1, c2, and so on.

    Raises
    ------
    DataError : naming file, line and column of what cannot be read as a table.
    """
    if path.is_dir():
        raise DataError(f"{path}: is a folder; name a file in it")
    found = _parquet(path) if path.suffix.lower() in PARQUET else _text(path, header)
    if not found or not len(next(iter(found.values()))):
        raise DataError(f"{path}: holds no rows")
    return found


def _parquet(path: Path) -> Columns:
    import pyarrow
    import pyarrow.parquet

    try:
        with told(path, REMEDY):
            table = pyarrow.parquet.ParquetFile(path).read()
    except pyarrow.ArrowException as error:
        raise DataError(f"{path}: not a whole Parquet file ({error}); {REMEDY}") from error
    _unique(path, table.column_names)
    return {name: _arrow(path, name, table.column(name)) for name in table.column_names}


def _arrow(path: Path, name: str, column: Any) -> NDArray[Any]:
    """Return one column of a Parquet file."""
    import pyarrow.types as types

    kind = column.type
    if types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if column.null_count:
        row = next(i for i, value in enumerate(column) if not value.is_valid)
        raise DataError(f"{path}: column {name!r} has no value in row {row + 1:,}; {FILL}")
    if types.is_boolean(kind):
        return np.array(column.to_pylist(), bool)
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return np.array(column.to_pylist(), np.float64)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return np.array(column.to_pylist(), object)
    raise DataError(f"{path}: column {name!r} holds {kind}, neither numbers nor text; drop it")


def _text(path: Path, header: bool) -> Columns:
    """Return the columns of a text file."""
    with told(path, REMEDY):
        text = read(path, remedy=REMEDY).decode("utf-8-sig")
    if "\0" in text:
        raise DataError(f"{path}: holds zero bytes, so it is no table of text; {REMEDY}")
    separator = _separator(text)
    try:
        rows, lines = _rows(text, separator)
    except csv.Error as error:
        raise DataError(f"{path}: not a table ({error}); {REMEDY}") from error
    if not rows:
        raise DataError(f"{path}: is empty")
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(rows[0]):
            raise DataError(
                f"{path}: line {line:,} has {len(row)} values where line {lines[0]} has "
                f"{len(rows[0])}; every line needs as many"
            )
    names = rows.pop(0) if header else [f"c{i + 1}" for i in range(len(rows[0]))]
    lines = lines[1:] if header else lines
    _unique(path, names)
    cells = zip(*rows, strict=True) if rows else ([] for _ in names)
    comma = separator == ";"
    return {
        name: _column(path, name, cell, lines, comma)
        for name, cell in zip(names, cells, strict=True)
    }


def _separator(text: str) -> str | None:
    """Return what stands between values in the first line that says something; None is blanks."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return next((mark for mark in (";", "\t", ",") if mark in first), None)


def _rows(text: str, separator: str | None) -> tuple[list[list[str]], list[int]]:
    """Return the rows that are not blank, without blanks around values, and their lines."""
    if separator is None:
        split = [(line.split(), number) for number, line in enumerate(text.splitlines(), 1)]
    else:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        split = [([value.strip() for value in row], reader.line_num) for row in reader]
    kept = [(row, line) for row, line in split if any(row)]
    return [row for row, _ in kept], [line for _, line in kept]


def _unique(path: Path, names: Sequence[str]) -> None:
    """Every column needs a name, and no two the same."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{path}: column {twice[0]!r} stands there twice; rename one")
    if "" in names:
        place = list(names).index("") + 1
        raise DataError(f"{path}: column {place} has no name; name it in the first line")


def _column(
    path: Path, name: str, cells: Sequence[str], lines: Sequence[int], comma: bool
) -> NDArray[Any]:
    """Return numbers if every cell is one, else text."""
    for cell, line in zip(cells, lines, strict=True):
        if cell.casefold() in ABSENT:
            value = f"no value ({cell!r})" if cell else "no value"
            raise DataError(f"{path}: line {line:,}: column {name!r} has {value}; {FILL}")
    try:
        numbers = [float(cell.replace(",", ".")) if comma else float(cell) for cell in cells]
    except ValueError:
        return np.array(cells, object)
    return np.array(numbers, np.float64)
