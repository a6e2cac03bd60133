"""Tables as the page shows them: the main columns, intervals in one, notes below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from randstudy.analysis.words import MINUS, Quantity, counted
from randstudy.report.values import NONE, Datum, Kind, datum, missing, places_of, text

MOST_ROWS = 40
"""Rows of a table that the page shows; the files beside it have them all."""

MOST_LETTERS = 28
"""Letters of a text that stays on one line."""


@dataclass(frozen=True)
class Column:
    """A column of the page, made from one column of a table, or from two: an interval's ends."""

    head: str
    sources: tuple[str, ...]
    kind: Kind = "number"


@dataclass(frozen=True)
class Entry:
    """One field: a text, a number, or two numbers that are an interval."""

    kind: Kind
    parts: tuple[Datum | str, ...]
    why: str = ""

    @property
    def long(self) -> bool:
        """Whether it is a text that needs several lines."""
        return isinstance(self.parts[0], str) and len(self.parts[0]) > MOST_LETTERS

    @property
    def empty(self) -> bool:
        """Whether there is nothing but a dash."""
        return self.parts == (NONE,)


@dataclass(frozen=True)
class Row:
    """A row; `mark` refers to the note below the table, and is empty where there is none."""

    entries: tuple[Entry, ...]
    mark: str


@dataclass(frozen=True)
class Table:
    """A table for the page. `notes` are (mark, text); `left` tells what is not shown."""

    id: str
    title: str
    heads: tuple[tuple[str, bool], ...]
    rows: tuple[Row, ...]
    notes: tuple[tuple[str, str], ...] = ()
    method: str = ""
    left: str = ""
    files: tuple[str, ...] = field(default=())


def column(head: str, *sources: str, kind: Kind = "number") -> Column:
    """Return a column: one source for a value, two for the ends of an interval."""
    return Column(head, sources, kind)


def shown(
    name: str,
    title: str,
    frame: pd.DataFrame,
    columns: Sequence[Column],
    quantity: Quantity,
    *,
    files: Sequence[str] = (),
    most: int = MOST_ROWS,
    order: str = "",
    part: str = "",
) -> Table:
    """Return the first rows of a table for the page.

    Parameters
    ----------
    name : of the table; ids are name-index-column, where index is that of `frame`.
    title : caption.
    frame : a row an entry; the columns ``method`` and ``note``, where there are any, go below the
        table, the method only if all rows agree on it (else it is one more column).
    columns : what is shown, without those that the table lacks.
    quantity : writes the metric.
    files : where all columns are; the table of the same name if empty.
    part : sets tables that show other columns of the same rows apart.
    order : says which rows are shown when there are more than `most`: "by rank".
    """
    methods = _methods(frame)
    kept = [one for one in columns if all(source in frame.columns for source in one.sources)]
    if len(methods) > 1:
        kept.append(column("method", "method", kind="text"))
    notes = _Notes()
    first = frame.head(most)
    places = [_places(one, first) for one in kept]
    rows = tuple(
        _row(f"{name}-{number}", one, [*zip(kept, places, strict=True)], quantity, notes)
        for number, one in zip(first.index, first.to_dict("records"), strict=True)
    )
    hidden = len(frame) - len(rows)
    paths = tuple(files) or (f"tables/{name}.csv",)
    left = f"{counted(hidden, 'more row')}{f' {order}' if order else ''} in {paths[0]}."
    return Table(
        id=f"table-{name}{part}",
        title=title,
        heads=tuple((one.head, one.kind != "text") for one in kept),
        rows=rows,
        notes=tuple(notes.marks.items()),
        method=methods[0] if len(methods) == 1 else "",
        left=left if hidden else "",
        files=paths,
    )


def _places(one: Column, frame: pd.DataFrame) -> int:
    if one.kind != "aligned":
        return 0
    return places_of(value for source in one.sources for value in frame[source])


class _Notes:
    """Notes below a table in order of appearance, each once: text by mark."""

    def __init__(self) -> None:
        self.marks: dict[str, str] = {}
        self._known: dict[str, str] = {}

    def mark(self, note: str) -> str:
        """Return the mark of a note: a, b, …, z, aa, ab."""
        if not note:
            return ""
        if note not in self._known:
            mark = _letters(len(self._known))
            self._known[note] = mark
            self.marks[mark] = note
        return self._known[note]


def _letters(count: int) -> str:
    """Write 0 as a, 25 as z, 26 as aa."""
    letters = ""
    count += 1
    while count:
        count, rest = divmod(count - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return letters


def _methods(frame: pd.DataFrame) -> list[str]:
    if "method" not in frame.columns:
        return []
    found = dict.fromkeys(str(one) for one in frame["method"] if not missing(one) and one)
    return [] if list(found) == ["none"] else list(found)


def _row(
    place: str,
    values: dict[Any, Any],
    columns: Sequence[tuple[Column, int]],
    quantity: Quantity,
    notes: _Notes,
) -> Row:
    note = values.get("note", "")
    note = "" if missing(note) else str(note)
    entries = [_entry(place, values, one, places, quantity, note) for one, places in columns]
    return Row(tuple(entries), notes.mark(note))


def _entry(
    place: str, values: dict[Any, Any], one: Column, places: int, quantity: Quantity, note: str
) -> Entry:
    if one.kind == "text":
        return Entry("text", (text(values[one.sources[0]]),))
    parts = [
        _open(values[name]) or datum(values[name], one.kind, quantity, f"{place}-{name}", places)
        for name in one.sources
    ]
    found = tuple(part for part in parts if part is not None)
    if len(found) < len(parts) or not any(isinstance(part, Datum) for part in found):
        return Entry(one.kind, (NONE,), note)
    return Entry(one.kind, found)


def _open(value: Any) -> str:
    """Return the end of an interval that is open, "" for any other."""
    if isinstance(value, float) and math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    return ""
