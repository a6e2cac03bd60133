"""Wide tables: many metrics of one training, or many arms of one replicate, a column each."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import pandas as pd

from randstudy.errors import RandstudyError
from randstudy.nearest import suggestion

ROW = "row"
WILD = frozenset("*?[")


def metrics_matching(frame: pd.DataFrame, patterns: Sequence[str]) -> list[str]:
    """Return columns of numbers by names or shell patterns as ``acc*``, in the table's order.

    A column that stands there under the very name is taken by it, whatever it has of ``*?[``.

    Raises
    ------
    RandstudyError
        A name or pattern that no column has, with the nearest; a named column without numbers.
    """
    numbers = {str(name) for name in frame.columns if _numeric(frame[name])}
    known = [str(name) for name in frame.columns]
    chosen: set[str] = set()
    for pattern in patterns:
        if pattern in known:
            if pattern not in numbers:
                raise RandstudyError(f"column {pattern!r} does not hold numbers")
            chosen.add(pattern)
            continue
        found = {name for name in numbers if fnmatchcase(name, pattern)}
        if not found:
            raise RandstudyError(_unknown(pattern, known, numbers))
        chosen |= found
    return [name for name in known if name in chosen]


def _unknown(pattern: str, known: Sequence[str], numbers: set[str]) -> str:
    if not WILD & set(pattern):
        ordered = [name for name in known if name in numbers]
        return f"the table has no column {pattern!r}{suggestion(pattern, ordered)}"
    text = [name for name in known if fnmatchcase(name, pattern)]
    if text:
        return f"no column that matches {pattern!r} holds numbers ({', '.join(text[:3])})"
    ordered = [name for name in known if name in numbers]
    return f"no column of numbers matches {pattern!r}{suggestion(pattern.strip('*?'), ordered)}"


def _numeric(column: pd.Series[Any]) -> bool:
    """Tell whether a column holds numbers; True and False are none."""
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def melt_arms(
    frame: pd.DataFrame,
    columns: Sequence[str],
    metric: str,
    *,
    replicate: str | None = None,
    keep: Sequence[str] = (),
    arm: str = "arm",
) -> pd.DataFrame:
    """Turn a table with a column an arm and a row a replicate into one with a row a training.

    Parameters
    ----------
    columns : the arms, names or patterns as for `metrics_matching`.
    metric : what the values are called from now on, as "accuracy".
    replicate : the column that numbers replicates; without one ``row``, the place in the table.
        Values of a row are a pair only if they shared it: seed, split, fold.
    keep : other columns that go with each value, as a data set.
    arm : what the factor is called.

    Returns
    -------
    Columns of `keep`, the replicate, `arm`, `metric`; rows arm by arm.

    Raises
    ------
    RandstudyError
        A column that is not there, an arm without numbers, or two columns of one name.
    """
    known = [str(name) for name in frame.columns]
    for name in (*keep, *([replicate] if replicate else [])):
        if name not in known:
            raise RandstudyError(f"the table has no column {name!r}{suggestion(name, known)}")
    arms = metrics_matching(frame, columns)
    if len(arms) < 2:
        raise RandstudyError("arms are compared with each other: name two columns or more")
    number = replicate or ROW
    left = frame[list(keep)].reset_index(drop=True)
    left[number] = frame[replicate].to_numpy() if replicate else range(len(frame))
    names = [*left.columns, arm, metric]
    if len(set(names)) < len(names) or set(arms) & set(left.columns):
        raise RandstudyError(f"{', '.join(names)}: a column cannot be two of these")
    return pd.concat(
        [left.assign(**{arm: name}).assign(**{metric: frame[name].to_numpy()}) for name in arms],
        ignore_index=True,
    )
