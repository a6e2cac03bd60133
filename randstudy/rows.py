"""Outcomes as rows of one Parquet schema, the same for every study.

Names that differ from study to study (metrics, curves, replicates, timings) are lists beside
lists of values, so any two files can be joined. Curves are flattened, one metric after the other.
Only texts that repeat are stored by dictionary; doubles are stored plainly, bit for bit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from randstudy.outcomes import Outcome, Status
from randstudy.sealed import DamagedError

FORMAT = b"1"
TEXTS = ("trial", "attempt", "status", "reason", "weights_digest", "settings", "provenance")
DIGESTS = ("result", "cadence", "observed", "predicted", "checksum")
NAMED = ("metric", "replicate", "seconds")


def _schema() -> pa.Schema:
    columns = [(name, pa.string()) for name in (*TEXTS, *DIGESTS)]
    columns += [("steps", pa.int64()), ("evaluations", pa.int64())]
    for name in NAMED:
        value = pa.int64() if name == "replicate" else pa.float64()
        columns += [(f"{name}_names", pa.list_(pa.string())), (f"{name}_values", pa.list_(value))]
    columns += [
        ("curve_step", pa.list_(pa.int64())),
        ("curve_epoch", pa.list_(pa.float64())),
        ("curve_names", pa.list_(pa.string())),
        ("curve_values", pa.list_(pa.float64())),
    ]
    fields = [pa.field(name, kind, nullable=False) for name, kind in columns]
    # Columns that came later are nullable: files from before do not have them.
    fields += [
        pa.field("predictions", pa.binary()),
        pa.field("logits", pa.large_binary()),
        pa.field("classes", pa.int64()),
        pa.field("outputs", pa.string()),
    ]
    return pa.schema(fields, metadata={"randstudy.ledger": FORMAT})


SCHEMA = _schema()
KEYS = ["trial", "attempt", "status", "steps", "evaluations", *DIGESTS[:4], "outputs", "provenance"]
REPEATED = ["attempt", "status", "reason", "settings", "provenance"]
REPEATED += [f"{name}_names.list.element" for name in (*NAMED, "curve")]


@dataclass(frozen=True, slots=True)
class Entry:
    """What the index knows of an outcome without reading its numbers.

    Attributes
    ----------
    evaluations : points on its curves.
    result : digest of what the training came to: status, steps and final weights.
    cadence : digest of the steps at which it was evaluated.
    observed : digest of metrics and curves; comparable where `cadence` is equal.
    predicted : digest of the kept predictions, empty when none were kept.
    outputs : digest of the kept logits, empty when none were kept.
    """

    trial: str
    attempt: str
    status: Status
    steps: int
    evaluations: int
    result: str
    cadence: str
    observed: str
    predicted: str
    outputs: str
    provenance: Mapping[str, str]
    file: Path

    @property
    def extras(self) -> tuple[str, ...]:
        """What was kept beyond the metrics of every trial."""
        return tuple(self.provenance.get("kept", "").split())

    @property
    def rank(self) -> tuple[bool, bool, int, int, str, str]:
        """Sort key among outcomes of one trial; the least is the one that counts.

        More observed wins (predictions, then logits, then extras, then evaluations), then the
        smallest attempt id. Trials that are trained again to be looked at more closely always keep
        predictions, and logits and extras that they had, so one study's wishes never undo
        another's.
        """
        seen = (not self.predicted, not self.outputs, -len(self.extras), -self.evaluations)
        return (*seen, self.attempt, self.file.name)


def encode(outcomes: Sequence[Outcome], attempt: str) -> bytes:
    """Return a Parquet file with a row an outcome."""
    rows = [_row(outcome, attempt) for outcome in outcomes]
    columns = [_column(field, [row[field.name] for row in rows]) for field in SCHEMA]
    return to_bytes(pa.Table.from_arrays(columns, schema=SCHEMA))


def to_bytes(table: pa.Table) -> bytes:
    """Return `table` as the bytes of a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", use_dictionary=REPEATED)
    return cast("bytes", sink.getvalue().to_pybytes())


def read_table(path: Path, content: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """Read `columns` (None is all) of a file's content; null in those that it is too old to have.

    Raises
    ------
    DamagedError
        The content is no Parquet file of this format.
    """
    try:
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            found = (file.schema_arrow.metadata or {}).get(b"randstudy.ledger")
            if found != FORMAT:
                raise DamagedError(
                    f"{path}: written in ledger format {(found or b'unknown').decode()}, this "
                    f"randstudy reads format {FORMAT.decode()}; read it with the version it is from"
                )
            table = file.read(columns=None if columns is None else list(columns), use_threads=False)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DamagedError(f"{path}: not a readable Parquet file ({error})") from error
    for field in SCHEMA:
        wanted = field.nullable and (columns is None or field.name in columns)
        if wanted and field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table


def entries(path: Path, content: bytes) -> list[Entry]:
    """Read the key columns of a file."""
    rows = read_table(path, content, KEYS).to_pylist()
    for row in rows:
        row["provenance"] = _parsed(row["provenance"])
        row["outputs"] = row["outputs"] or ""
    return [Entry(**row, file=path) for row in rows]


def decode(
    path: Path,
    content: bytes,
    wanted: set[tuple[str, str]] | None,
    *,
    predictions: bool,
    logits: bool,
) -> Iterator[Outcome]:
    """Yield the outcomes of a file with `wanted` (trial, attempt), None for all of them.

    Raises
    ------
    DamagedError
        A row does not have the checksum that it was written with.
    """
    unread = {name for name, read in (("predictions", predictions), ("logits", logits)) if not read}
    table = read_table(path, content, [name for name in SCHEMA.names if name not in unread])
    columns = {name: _read_column(table.column(name)) for name in table.column_names}
    seen: set[tuple[str, str]] = set()
    for row in range(table.num_rows):
        key = (columns["trial"][row], columns["attempt"][row])
        if key in seen or (wanted is not None and key not in wanted):
            continue
        seen.add(key)
        outcome = _outcome({name: column[row] for name, column in columns.items()})
        predicted, outputs = columns["predicted"][row], columns["outputs"][row] or ""
        digests = _digests(outcome, key[1], predicted, outputs)
        if (
            digests["checksum"] != columns["checksum"][row]
            or _predicted(outcome) not in ("", predicted)
            or _outputs(outcome) not in ("", outputs)
        ):
            raise DamagedError(f"{path}: row {row} (trial {key[0]}) fails its checksum")
        yield outcome


def _row(outcome: Outcome, attempt: str) -> dict[str, Any]:
    curves = [np.asarray(curve, np.float64) for curve in outcome.curves.values()]
    predicted, outputs = _predicted(outcome), _outputs(outcome)
    row: dict[str, Any] = {
        "trial": outcome.trial,
        "attempt": attempt,
        "status": outcome.status,
        "reason": outcome.reason,
        "weights_digest": outcome.weights_digest,
        "settings": outcome.settings,
        "provenance": _canonical(outcome.provenance),
        "steps": outcome.steps,
        "evaluations": len(outcome.curve_step),
        "curve_step": outcome.curve_step,
        "curve_epoch": outcome.curve_epoch,
        "curve_names": list(outcome.curves),
        "curve_values": np.concatenate(curves) if curves else np.empty(0),
        "predictions": None if outcome.predictions is None else outcome.predictions.tobytes(),
        "logits": None if outcome.logits is None else outcome.logits.tobytes(),
        "classes": None if outcome.logits is None else outcome.logits.shape[1],
        "outputs": outputs or None,
    }
    for name, kept, dtype in (
        ("predictions", outcome.predictions, np.uint8),
        ("logits", outcome.logits, np.float32),
    ):
        if kept is not None and kept.dtype != dtype:
            raise ValueError(f"trial {outcome.trial}: {name} are {kept.dtype}")
    for curve in (*curves, outcome.curve_epoch):
        if curve.shape != (len(outcome.curve_step),):
            raise ValueError(f"trial {outcome.trial}: curves of unequal length")
    maps = (outcome.metrics, outcome.replicates, outcome.seconds)
    for name, mapping in zip(NAMED, maps, strict=True):
        row[f"{name}_names"] = list(mapping)
        row[f"{name}_values"] = list(mapping.values())
    return row | _digests(outcome, attempt, predicted, outputs)


def _outcome(row: Mapping[str, Any]) -> Outcome:
    curves = row["curve_values"].reshape(len(row["curve_names"]), row["evaluations"])
    kept, logits = row.get("predictions"), row.get("logits")
    return Outcome(
        trial=row["trial"],
        status=row["status"],
        reason=row["reason"],
        steps=row["steps"],
        metrics=_pairs(row, "metric"),
        curve_step=row["curve_step"],
        curve_epoch=row["curve_epoch"],
        curves=dict(zip(row["curve_names"], curves, strict=True)),
        predictions=None if kept is None else np.frombuffer(kept, np.uint8),
        logits=None
        if logits is None
        else np.frombuffer(logits, np.float32).reshape(-1, row["classes"]),
        weights_digest=row["weights_digest"],
        settings=row["settings"],
        replicates=_pairs(row, "replicate"),
        provenance=dict(_parsed(row["provenance"])),
        seconds=_pairs(row, "seconds"),
    )


def _pairs(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    return dict(zip(row[f"{name}_names"], row[f"{name}_values"].tolist(), strict=True))


def _column(field: pa.Field, values: list[Any]) -> pa.Array:
    """Make a column; numbers go in as arrays, so that every bit of a double is kept."""
    if not pa.types.is_list(field.type) or pa.types.is_string(field.type.value_type):
        return pa.array(values, field.type)
    dtype = np.int64 if pa.types.is_integer(field.type.value_type) else np.float64
    arrays = [np.asarray(value, dtype) for value in values]
    offsets = np.cumsum([0, *(len(array) for array in arrays)], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.concatenate(arrays)))


def _read_column(column: pa.ChunkedArray) -> Sequence[Any]:
    """Return a column's rows: text and integers as Python's, lists of numbers as arrays."""
    if not pa.types.is_list(column.type) or pa.types.is_string(column.type.value_type):
        return cast("list[Any]", column.to_pylist())
    rows: list[NDArray[Any]] = []
    for chunk in column.chunks:
        values = chunk.values.to_numpy()
        ends = chunk.offsets.to_numpy()
        rows += [values[a:b] for a, b in pairwise(ends.tolist())]
    return rows


def _digests(outcome: Outcome, attempt: str, predicted: str, outputs: str) -> dict[str, str]:
    """Return the row's digests; the checksum covers all of the row.

    Predictions and logits are covered by their digests; a row without logits has the checksum that
    it had before there were any.
    """
    head = [outcome.trial, outcome.status, int(outcome.steps)]
    step = np.asarray(outcome.curve_step, np.int64)
    curves = [np.asarray(curve, np.float64) for curve in outcome.curves.values()]
    seen = [_doubles(outcome.metrics), np.asarray(outcome.curve_epoch, np.float64), *curves]
    digests = {
        "result": _digest([*head, outcome.weights_digest]),
        "cadence": _digest(step),
        "observed": _digest([list(outcome.metrics), list(outcome.curves)], *seen),
        "predicted": predicted,
    }
    maps = (outcome.replicates, outcome.seconds, outcome.provenance)
    rest = [outcome.reason, outcome.settings, [list(m) for m in maps[:2]], _canonical(maps[2])]
    rest += [outputs] if outputs else []
    integers = np.array([*outcome.replicates.values(), *step], np.int64)
    numbers = (integers, _doubles(outcome.seconds))
    digests["checksum"] = _digest([attempt, *digests.values(), *rest], *numbers)
    return digests


def _predicted(outcome: Outcome) -> str:
    return "" if outcome.predictions is None else _digest(outcome.predictions)


def _outputs(outcome: Outcome) -> str:
    logits = outcome.logits
    return "" if logits is None else _digest([*logits.shape], logits.ravel())


def _doubles(mapping: Mapping[str, float]) -> NDArray[np.float64]:
    return np.fromiter(mapping.values(), np.float64)


def _digest(head: Any, *arrays: NDArray[Any]) -> str:
    """Return 16 hex digits over an array, or over JSON values followed by arrays."""
    if isinstance(head, np.ndarray):
        return hashlib.blake2b(head.tobytes(), digest_size=8).hexdigest()
    hashed = hashlib.blake2b(json.dumps(head).encode(), digest_size=8)
    for array in arrays:
        hashed.update(len(array).to_bytes(8, "little") + array.tobytes())
    return hashed.hexdigest()


def _canonical(provenance: Mapping[str, str]) -> str:
    return json.dumps(dict(provenance), sort_keys=True)


@lru_cache(maxsize=256)
def _parsed(text: str) -> dict[str, str]:
    """Parse provenance once for the many rows that share it."""
    return cast("dict[str, str]", json.loads(text))
