"""Study files as plain values that remember their lines: YAML 1.2's core schema, read strictly.

PyYAML follows YAML 1.1, where ``1e-3`` is text and ``no`` is false; here its parser gives events
only, and plain scalars are resolved by the rules of YAML 1.2. Anchors, aliases, tags and duplicate
keys are refused, so that a file says what it seems to say and cannot grow when it is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from randstudy.errors import Problem, StudyError, at
from randstudy.nearest import suggestion

FieldPath = tuple[str | int, ...]

LARGEST_FILE = 1_000_000
DEEPEST = 20
MOST_VALUES = 100_000
MOST_PROBLEMS = 20
LONGEST_NUMBER = 400

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True)
class Place:
    """Where a value was written: a file (or a ``--set`` option) and a line."""

    file: str | None = None
    line: int | None = None


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
    return _compose(text, source)[0]


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
    composer = _Composer(file)
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
    return at(file, number + 1, "", f"is not YAML: {reason}")


class _Composer:
    """Builds plain values from parser events, noting places and collecting problems."""

    def __init__(self, file: str | None) -> None:
        self.file = file
        self.places: dict[FieldPath, Place] = {}
        self.problems: list[Problem] = []

    def document(self, events: Iterator[yaml.Event]) -> Any:
        """Return the value of the only document."""
        value, documents = None, 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._refuse(event, (), "a second document starts here; a study is one")
                    break
                value = self._node(next(events), (), events)
        return value

    def _node(self, event: yaml.Event, path: FieldPath, events: Iterator[yaml.Event]) -> Any:
        """Return the value that starts with `event`."""
        if len(path) > DEEPEST:
            self._refuse(event, path[:1], f"is nested more than {DEEPEST} deep", fatal=True)
        if isinstance(event, yaml.AliasEvent):
            self._refuse(event, path, f"*{event.anchor} is an alias; write the value out")
            return None
        if len(self.places) > MOST_VALUES:
            self._refuse(event, path[:1], f"holds more than {MOST_VALUES:,} values", fatal=True)
        self._plain(event, path)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path, events)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(path, events)
        assert isinstance(event, yaml.ScalarEvent)
        return scalar(event.value) if event.implicit[0] else event.value

    def _mapping(self, path: FieldPath, events: Iterator[yaml.Event]) -> dict[str, Any]:
        """Return a mapping whose keys are kept as text."""
        value: dict[str, Any] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            if not isinstance(event, yaml.ScalarEvent):
                self._refuse(event, path, "a key must be plain text", fatal=True)
            self._plain(event, path)
            key: str = event.value
            inner = (*path, key)
            if key in value:
                first = self.places[inner].line
                self._refuse(event, inner, f"is written twice; the first is on line {first}")
            else:
                self.places[inner] = self._place(event)
            value[key] = self._node(next(events), inner, events)
        return value

    def _list(self, path: FieldPath, events: Iterator[yaml.Event]) -> list[Any]:
        """Return a list."""
        value: list[Any] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            inner = (*path, len(value))
            self.places[inner] = self._place(event)
            value.append(self._node(event, inner, events))
        return value

    def _plain(self, event: Any, path: FieldPath) -> None:
        """Refuse anchors, and tags, which could make text of a number or name a Python class."""
        if event.anchor:
            self._refuse(event, path, "anchors (&) are not used in studies; write values out")
        if event.tag is not None and event.tag != "!":
            self._refuse(event, path, f"the tag {event.tag} is not used in studies; leave it out")

    def _place(self, event: yaml.Event) -> Place:
        return Place(self.file, event.start_mark.line + 1)

    def _refuse(
        self, event: yaml.Event, path: FieldPath, message: str, *, fatal: bool = False
    ) -> None:
        """Note a problem; stop reading when it is `fatal` or there are many."""
        line = event.start_mark.line + 1
        self.problems.append(Problem(message, dotted(path), line, self.file))
        if fatal or len(self.problems) >= MOST_PROBLEMS:
            raise StudyError(*self.problems)


def scalar(text: str) -> Any:
    """Resolve a plain scalar by YAML 1.2's core schema.

    >>> scalar("1e-3"), scalar("no"), scalar("0o17"), scalar("12:30:00")
    (0.001, 'no', 15, '12:30:00')
    """
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if len(text) > LONGEST_NUMBER:
        return text
    if _INT.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text):
        return int(text[2:], 8)
    if _HEX.fullmatch(text):
        return int(text[2:], 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", ""))
    return text


def dotted(path: FieldPath) -> str:
    """Write a path as ``factors.batch_size[2]``; list items count from 0.

    >>> dotted(("factors", "batch_size", 2))
    'factors.batch_size[2]'
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
