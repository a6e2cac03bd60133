"""Where the values of a study were written."""

from __future__ import annotations

from dataclasses import dataclass

FieldPath = tuple[str | int, ...]
"""Keys and list indices from the top of a study to a value."""


@dataclass(frozen=True)
class Place:
    """Where a value was written: a file (or a ``--set`` option) and a line."""

    file: str | None = None
    line: int | None = None


def dotted(path: FieldPath) -> str:
    """Write a path as ``factors.batch_size[2]``; list items count from 0.

    >>> dotted(("factors", "batch_size", 2))
    'factors.batch_size[2]'
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
