"""Study files as plain values that remember their lines: YAML 1.2's core schema, read strictly.

PyYAML follows YAML 1.1, where ``1e-3`` is text and ``no`` is false; here its parser gives events
only, and plain scalars are resolved by the rules of YAML 1.2. Anchors, aliases, tags and duplicate
keys are refused, so that a file says what it seems to say and cannot grow when it is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from randstudy.errors import StudyError, at
from randstudy.nearest import suggestion
from randstudy.places import FieldPath, Place
from randstudy.yamlvalues import Composer

LARGEST_FILE = 1_000_000
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Document:
    """A mapping of plain values, and the place of every key and list item in it."""

    value: dict[str, Any]
    file: str | None = None
    text: str = ""
    places: Mapping[FieldPath, Place] = field(default_factory=dict)

    def place(self, path: FieldPath) -> Place:
        """Return where `path` was written, or else the closest thing around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return Place(self.file)

    def line(self, path: FieldPath) -> int | None:
        """Return the line of `path`, counted from 1."""
        return self.place(path).line


def read(path: Path | str) -> Document:
    """Read a study file.

    Raises
    ------
    StudyError
        When the file is missing, too large, not UTF-8, not YAML, or not a mapping.
    """
    return parse(_text(Path(path)), str(path))


def parse(text: str, file: str | None = None) -> Document:
    """Read a study from text; `file` is what errors call it."""
    value, places = _compose(text, file)
    if value is None and not places:
        raise at(file, 1, "", "is empty; a study needs at least a training section")
    if not isinstance(value, dict):
        raise at(file, 1, "", "a study is a mapping of fields, as in `seed: 0`")
    return Document(value, file, text, places)


def parse_value(text: str, source: str) -> Any:
    """Read one YAML value, such as the right side of ``--set``; `source` is what errors name."""
    try:
        return _compose(text, source)[0]
    except StudyError as error:
        raise StudyError(*(replace(one, line=None) for one in error.problems)) from None


def _text(path: Path) -> str:
    """Return the file's text, or say why there is none."""
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise at(path, None, "", f"there is no such file{_neighbour(path)}") from None
    except OSError as error:
        raise at(path, None, "", f"cannot be read: {error.strerror}") from None
    if len(content) > LARGEST_FILE:
        raise at(path, None, "", f"is larger than {LARGEST_FILE:,} bytes; is this a study file?")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise at(path, line, "", "is not UTF-8 text; save the file as UTF-8") from None


def _neighbour(path: Path) -> str:
    """Name the file that was probably meant."""
    try:
        names = sorted(entry.name for entry in path.parent.iterdir() if entry.is_file())
    except OSError:
        return f"; the folder {path.parent} cannot be read either"
    return suggestion(path.name, names)


def _compose(text: str, file: str | None) -> tuple[Any, dict[FieldPath, Place]]:
    """Turn YAML text into plain values and their places."""
    composer = Composer(file)
    try:
        value = composer.document(iter(yaml.parse(text, Loader=_LOADER)))
    except yaml.YAMLError as error:
        raise _syntax(error, text, file) from None
    if composer.problems:
        raise StudyError(*composer.problems)
    return value, composer.places


def _syntax(error: yaml.YAMLError, text: str, file: str | None) -> StudyError:
    """Say in which line YAML went wrong, and the usual reason."""
    if isinstance(error, yaml.reader.ReaderError):
        position = error.position if isinstance(error.position, int) else 0
        line = text.encode().count(b"\n", 0, position) + 1
        return at(file, line, "", "holds a control character, which YAML does not allow")
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return at(file, None, "", f"is not YAML: {error}")
    number = error.problem_mark.line
    lines = text.splitlines()
    written = lines[number] if number < len(lines) else ""
    if "\t" in written[: len(written) - len(written.lstrip())]:
        return at(file, number + 1, "", "is indented with a tab; YAML wants spaces")
    reason = error.problem or "cannot be parsed"
    if "mapping values are not allowed" in reason:
        reason += " (text with a colon in it needs quotes)"
    return at(file, number + 1, "", f"is not YAML: {reason}{_begun(error, number)}")


def _begun(error: yaml.MarkedYAMLError, number: int) -> str:
    """Say what was being read, and where it began, when that is in another line."""
    began = None if error.context_mark is None else error.context_mark.line
    if began is None or began == number or not error.context:
        return ""
    return f" {error.context} from line {began + 1}"
