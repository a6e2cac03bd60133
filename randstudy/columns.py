"""From rows of a design and records of the ledger to typed columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from randstudy.canonical import minimal
from randstudy.design import trial_from_settings
from randstudy.errors import RandstudyError
from randstudy.factors import Factor, level_text
from randstudy.outcomes import Outcome
from randstudy.streams import STREAMS

TEXT: Any = pd.Series(["text"]).dtype


@dataclass(frozen=True, slots=True)
class Row:
    """What the design says of a row; cell and levels are missing for a trial outside of it."""

    cell: str | None
    levels: Mapping[str, Any]
    trial: str
    replicates: Mapping[str, int]
    repeat: int


@dataclass(frozen=True, slots=True)
class Record:
    """An outcome without its curves and predictions."""

    status: str
    metrics: Mapping[str, float]
    seconds: Mapping[str, float]
    steps: int
    reason: str
    settings: str
    replicates: Mapping[str, int]
    provenance: Mapping[str, str]

    @classmethod
    def of(cls, outcome: Outcome) -> Record:
        """Keep what a row needs."""
        return cls(*(getattr(outcome, name) for name in cls.__slots__))


def columns(
    rows: Sequence[Row],
    records: Mapping[str, Record],
    axes: Sequence[Factor],
    streams: Collection[str],
    *,
    repeats: bool,
) -> dict[str, pd.Series[Any]]:
    """Return the frame's columns by name; a row without a record is a failed trial's."""
    held = [records.get(row.trial) for row in rows]
    found = {
        "trial": pd.Series([row.trial for row in rows], dtype=TEXT),
        "cell": pd.Series([row.cell for row in rows], dtype=TEXT),
        "status": pd.Series([r.status if r else "failed" for r in held], dtype=TEXT),
    }
    for axis in axes:
        found[axis.name] = _level_column(axis, [row.levels.get(axis.name, pd.NA) for row in rows])
    for stream in (name for name in STREAMS if name in streams):
        numbers = [row.replicates.get(stream, pd.NA) for row in rows]
        found[f"replicate.{stream}"] = pd.Series(numbers, dtype="Int64")
    if repeats or any(row.repeat for row in rows):
        found["repeat"] = pd.Series([row.repeat for row in rows], dtype="int64")
    for kind in ("metrics", "seconds"):
        maps = [getattr(record, kind) if record else {} for record in held]
        for name in sorted({name for values in maps for name in values}):
            numbers = [values.get(name, np.nan) for values in maps]
            found[name] = pd.Series(numbers, dtype="float64")
    return found


def provenance_columns(
    rows: Sequence[Row], records: Mapping[str, Record], attempts: Mapping[str, str]
) -> dict[str, pd.Series[Any]]:
    """Return the columns that say how and where each outcome came to be."""
    held = [records.get(row.trial) for row in rows]
    found = {
        "attempt": pd.Series([attempts.get(row.trial) for row in rows], dtype=TEXT),
        "steps": pd.Series([r.steps if r else pd.NA for r in held], dtype="Int64"),
        "reason": pd.Series([r.reason if r else None for r in held], dtype=TEXT),
    }
    for name in sorted({name for record in held if record for name in record.provenance}):
        texts = [record.provenance.get(name) if record else None for record in held]
        found[f"provenance.{name}"] = pd.Series(texts, dtype=TEXT)
    return found


def stranger(trial: str, record: Record, axes: Sequence[Factor]) -> Row:
    """Return the row of a trial that the design does not have.

    It is in no cell; its levels are the values of the factors' fields in its own recipe, missing
    where it has no such field (or its parts are not here to be asked).
    """
    try:
        known = trial_from_settings(record.settings)
    except (RandstudyError, KeyError, ValueError):
        return Row(None, {}, trial, record.replicates, 0)
    levels = {axis.name: _value(known.setup, axis) for axis in axes}
    return Row(None, levels, trial, known.replicates, known.repeat)


def _value(setup: Any, axis: Factor) -> Any:
    """Return the value of the field that a factor varies, as a study would write it."""
    if not axis.fields or axis.fields[0].alias is not None:
        return pd.NA
    value = setup
    for name in axis.fields[0].target:
        if not hasattr(value, name):
            return pd.NA
        value = getattr(value, name)
    return minimal(value, axis.fields[0].setting.kind)


def _level_column(axis: Factor, values: Sequence[Any]) -> pd.Series[Any]:
    """Return a factor's column: numbers where all levels are numbers, else text.

    The type depends on the levels of the design, not on which of them were trained.
    """
    missing = any(value is pd.NA for value in values)
    present = [value for value in values if value is not pd.NA]
    written = [level.written for level in axis.levels if level.is_set]
    kinds = {type(value) for value in (*written, *present)}
    if kinds == {bool}:
        return pd.Series(values, dtype="boolean" if missing else "bool")
    if kinds == {int}:
        return pd.Series(values, dtype="Int64" if missing else "int64")
    if kinds <= {int, float}:
        numbers = [np.nan if value is pd.NA else float(value) for value in values]
        return pd.Series(numbers, dtype="float64")
    texts = [None if value is pd.NA else level_text(value) for value in values]
    return pd.Series(texts, dtype=TEXT)
