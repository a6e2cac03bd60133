"""Compaction: many small outcome files joined into few, so that a large store reads fast."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from randstudy.rows import read_table, to_bytes
from randstudy.sealed import seal, unseal

LARGE_BYTES = 32 * 2**20


def join(paths: Sequence[Path]) -> Path:
    """Join files of one folder; the joined file is durable before the others are removed."""
    table = pa.concat_tables([read_table(path, unseal(path)) for path in paths])
    joined = seal(paths[0].parent, "joined", ".parquet", to_bytes(_distinct(table)))
    for path in paths:
        if path != joined:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
    return joined


def batches(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Group files, two or more together, so that what is joined fits in memory with ease.

    Files of `LARGE_BYTES` or more are left as they are.
    """
    batch: list[Path] = []
    size = 0
    for path in paths:
        weight = path.stat().st_size
        if weight >= LARGE_BYTES:
            continue
        if batch and size + weight > 2 * LARGE_BYTES:
            if len(batch) > 1:
                yield batch
            batch, size = [], 0
        batch.append(path)
        size += weight
    if len(batch) > 1:
        yield batch


def _distinct(table: pa.Table) -> pa.Table:
    """Drop rows that are in `table` already, left by a compaction that was killed."""
    seen: dict[str, int] = {}
    for row, checksum in enumerate(table.column("checksum").to_pylist()):
        seen.setdefault(checksum, row)
    return table if len(seen) == table.num_rows else table.take(pa.array(list(seen.values())))
