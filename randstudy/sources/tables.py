"""Files of results: CSV, TSV, Parquet."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from randstudy.errors import DataError, RandstudyError
from randstudy.nearest import nearest

SEPARATORS = {".csv": ",", ".tsv": "\t"}
PARQUET = (".parquet", ".pq")
ENCODING = "utf-8-sig"
"""UTF-8, with or without the mark that spreadsheets put in front."""


def table(path: Path) -> pd.DataFrame:
    """Return a file's table as it stands, without an unnamed column that only counts rows.

    Raises
    ------
    RandstudyError
        Another kind of file.
    DataError
        A file that is not there, cannot be read, or holds no rows.
    """
    if not path.is_file():
        raise DataError(_missing(path))
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if suffix in PARQUET and not path.name.endswith(".gz"):
        frame = _parquet(path)
    elif suffix in SEPARATORS:
        frame = _text(path, SEPARATORS[suffix])
    else:
        known = ", ".join((*SEPARATORS, *(f"{one}.gz" for one in SEPARATORS), PARQUET[0]))
        raise RandstudyError(f"{path}: results are read from {known}, or mlflow:EXPERIMENT")
    frame = _without_count(frame)
    if frame.empty:
        raise DataError(f"{path} holds no rows")
    return frame


def _missing(path: Path) -> str:
    if path.is_dir():
        return f"{path} is a folder; name a file in it"
    folder = path.parent
    names = [one.name for one in folder.iterdir() if one.is_file()] if folder.is_dir() else []
    close = nearest(path.name, names)
    return f"there is no file {path}" + (f"; did you mean {folder / close}?" if close else "")


def _parquet(path: Path) -> pd.DataFrame:
    from pyarrow import ArrowException

    try:
        frame = pd.read_parquet(path, engine="pyarrow")
    except (ArrowException, OSError) as error:
        raise DataError(f"{path} is no Parquet file, or a damaged one: {error}") from error
    if frame.index.names != [None]:
        frame = frame.reset_index()
    return frame.set_axis([str(name) for name in frame.columns], axis=1)


def _text(path: Path, separator: str) -> pd.DataFrame:
    with _told(path):
        header, separator = _header(path, separator)
        twice = [name for name, count in Counter(header).items() if count > 1 and name]
        if twice:
            raise DataError(f"{path}: column {twice[0]!r} stands there twice; rename one")
        decimal = "," if separator == ";" else "."
        return pd.read_csv(path, sep=separator, encoding=ENCODING, decimal=decimal)


def _header(path: Path, separator: str) -> tuple[list[str], str]:
    """Return the names of the columns, and the separator: some programs write ; or tabs to .csv."""
    opened = gzip.open if path.name.endswith(".gz") else open
    with opened(path, "rt", encoding=ENCODING, newline="") as lines:
        for line in lines:
            if line.strip():
                break
        else:
            raise DataError(f"{path} is empty")
    if separator not in line:
        separator = next((other for other in (";", "\t", ",") if other in line), separator)
    return next(csv.reader([line], delimiter=separator)), separator


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what a text file can be damaged by into errors that name it."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 (byte {error.start:,}); save it as UTF-8, as spreadsheets do on "
            "request"
        ) from error
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path} is empty") from error
    except pd.errors.ParserError as error:
        raise DataError(f"{path} is not a table: {str(error).strip()}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _without_count(frame: pd.DataFrame) -> pd.DataFrame:
    """Drop the index that pandas writes as a first column without a name."""
    first = str(frame.columns[0]) if len(frame.columns) else ""
    if first.startswith("Unnamed: 0") and (frame.iloc[:, 0] == np.arange(len(frame))).all():
        return frame.iloc[:, 1:]
    return frame
