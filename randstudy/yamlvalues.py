"""Plain values from a YAML parser's events, by YAML 1.2's core schema and nothing more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from randstudy.errors import Problem, StudyError
from randstudy.places import FieldPath, Place, dotted

DEEPEST = 20
MOST_VALUES = 100_000
MOST_PROBLEMS = 20
LONGEST_NUMBER = 400

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class Composer:
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
                break
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

    def _place(self, event: Any) -> Place:
        return Place(self.file, event.start_mark.line + 1)

    def _refuse(
        self, event: yaml.Event, path: FieldPath, message: str, *, fatal: bool = False
    ) -> None:
        """Note a problem; stop reading when it is `fatal` or there are many."""
        line = self._place(event).line
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
