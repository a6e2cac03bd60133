"""The errors that a person can put right."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LONGEST = 200
"""Characters of a field's name that are shown; a file may hold any key."""


def _legible(text: str) -> str:
    """Write out what a file may hold and a terminal would obey, such as escapes."""
    return "".join(one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in text)


class RandstudyError(Exception):
    """Anything that ends a command with one clear message and no traceback."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a study file: what, where, and what would be right."""

    message: str
    field: str = ""
    line: int | None = None
    file: str | None = None

    def __str__(self) -> str:
        """Render as ``file:line: field: message``, leaving out what is not known."""
        where = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        field = f"{self.field[:LONGEST]}…" if len(self.field) > LONGEST else self.field
        return _legible(": ".join(part for part in (where, field, self.message) if part))


class StudyError(RandstudyError):
    """A study that cannot be run as written; nothing has started."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class DataError(RandstudyError):
    """A data file that is missing or damaged."""


class LedgerError(RandstudyError):
    """A store that cannot be read or written as asked."""

    exit_code = 1


def at(file: Path | str | None, line: int | None, field: str, message: str) -> StudyError:
    """Make the error for a single problem."""
    return StudyError(Problem(message, field, line, None if file is None else str(file)))
