"""What a page is put together from: sections of paragraphs, figures and tables."""

from __future__ import annotations

from dataclasses import dataclass

from randstudy.report.figures import Drawing
from randstudy.report.tables import Table


@dataclass(frozen=True)
class Part:
    """Paragraphs, then figures, then tables, under a heading of their own if there is a title.

    `small` figures stand side by side where there is room.
    """

    title: str = ""
    paragraphs: tuple[str, ...] = ()
    drawings: tuple[Drawing, ...] = ()
    tables: tuple[Table, ...] = ()
    small: bool = False


@dataclass(frozen=True)
class Section:
    """A chapter of the page; `tag` is said beside its heading."""

    id: str
    title: str
    parts: tuple[Part, ...]
    tag: str = ""
