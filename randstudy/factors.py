"""Factors and levels: what a study varies, and what each level sets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from randstudy.canonical import canonical_json, minimal
from randstudy.fieldnames import Field, place
from randstudy.fields import FAULT, Findings, aliases, read
from randstudy.places import FieldPath
from randstudy.recipe import Recipe
from randstudy.replicates import Replicates

ARM = "arm"
"""Name of the factor whose levels are the study's arms."""

Combination = tuple[int, ...]
"""Index of a level for each factor."""


@dataclass(frozen=True)
class Change:
    """A field set to a plain value, and where the study says so."""

    target: tuple[str, ...]
    value: Any
    at: FieldPath


@dataclass(frozen=True)
class Level:
    """One level of a factor: as written, as compared, and what it sets."""

    written: Any
    identity: str
    changes: tuple[Change, ...]
    replicates: Replicates | None = None
    """Those of the cells of an arm that sets them, in place of the study's."""


@dataclass(frozen=True)
class Factor:
    """A named axis of the design."""

    name: str
    levels: tuple[Level, ...]
    fields: tuple[Field, ...] = ()
    """The field that is varied, for each class that has it; none for arms."""

    @property
    def targets(self) -> frozenset[tuple[str, ...]]:
        """The paths that some level sets."""
        return frozenset(change.target for level in self.levels for change in level.changes)

    @property
    def sets_replicates(self) -> bool:
        """Whether the cells of some level have replicates of their own."""
        return any(level.replicates is not None for level in self.levels)


def level_text(written: Any) -> str:
    """Write a level for a label.

    >>> level_text({"name": "normal", "sd": 0.1}), level_text([64, 64]), level_text(None)
    ('normal(sd=0.1)', '[64,64]', 'null')
    """
    if isinstance(written, str):
        return written
    if isinstance(written, dict):
        fields = {key: value for key, value in written.items() if key != "name"}
        inner = ",".join(f"{key}={level_text(value)}" for key, value in fields.items())
        return f"{written.get('name', '')}({inner})"
    return json.dumps(written, separators=(",", ":"))


def read_level(
    fields: Sequence[Field], written: Any, path: FieldPath, found: Findings
) -> Level | None:
    """Read one level by the type of any class that has the field; None with a problem noted."""
    attempts: list[Findings] = []
    for entry in fields:
        attempt = Findings()
        kind, default = entry.setting.kind, entry.setting.default
        value = read(kind, written, path, attempt, bounds=entry.setting.bounds, default=default)
        # What is missing in a level may be set by another factor; the cells will tell.
        if value is FAULT and not all(finding.missing for finding in attempt.entries):
            attempts.append(attempt)
            continue
        plain = written
        if entry.alias is not None:
            value = plain = aliases(entry.owner)[entry.alias](value)[1]
        known = written if value is FAULT else minimal(value, kind)
        identity = canonical_json({"level": known})
        return Level(written, identity, (Change(entry.target, plain, path),))
    found.entries += attempts[0].entries
    return None


def changed(base: Mapping[str, Any], changes: Iterable[Change]) -> dict[str, Any]:
    """Return `base` with changes made, whole parts before their fields.

    A change to a field that the part in place does not have is left out: there it has no effect.
    """
    tree = dict(base)
    for change in sorted(changes, key=lambda one: len(one.target)):
        place(tree, Recipe, change.target, change.value)
    return tree
