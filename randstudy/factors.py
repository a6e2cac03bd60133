"""Factors and levels: what a study varies, and what each level sets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from randstudy.canonical import canonical_json, minimal
from randstudy.fieldnames import Field, place
from randstudy.fields import FAULT, Findings, aliases, read
from randstudy.handover import grammar
from randstudy.places import FieldPath
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

    @property
    def is_set(self) -> bool:
        """Whether it sets anything: `UNSET` leaves the field as the study's base has it."""
        return bool(self.identity)


UNSET = Level(None, "", ())
"""Stands for a factor in cells that say nothing of it."""


@dataclass(frozen=True)
class Factor:
    """A named axis of the design."""

    name: str
    levels: tuple[Level, ...]
    fields: tuple[Field, ...] = ()
    """The field that is varied, for each class that has it; none for arms."""
    nested_in: str | None = None
    """Name of the factor for each level of which this one has levels of its own."""

    @property
    def targets(self) -> frozenset[tuple[str, ...]]:
        """The paths that some level sets."""
        return frozenset(change.target for level in self.levels for change in level.changes)

    @property
    def sets_replicates(self) -> bool:
        """Whether the cells of some level have replicates of their own."""
        return any(level.replicates is not None for level in self.levels)


def nested_within(name: str, axes: Iterable[Factor]) -> frozenset[str]:
    """Return the factors that are nested in a factor, or in one that is."""
    found: set[str] = set()
    inner = {axis.name: axis.nested_in for axis in axes}
    while True:
        more = {one for one, outer in inner.items() if outer in {name, *found}} - found
        if not more:
            return frozenset(found)
        found |= more


def factor_named(name: str, axes: Iterable[Factor]) -> Factor | None:
    """Return the factor of that name: as the study writes it, its field's, or the end of that."""
    listed = list(axes)
    known = {entry.dotted: axis for axis in listed for entry in axis.fields}
    known |= {axis.name: axis for axis in listed}
    if name not in known:
        ends = {id(axis): axis for full, axis in known.items() if full.endswith(f".{name}")}
        return next(iter(ends.values())) if len(ends) == 1 else None
    return known[name]


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
    found.extend(attempts[0].entries)
    return None


def changed(base: Mapping[str, Any], changes: Iterable[Change]) -> dict[str, Any]:
    """Return `base` with changes made, whole parts before their fields.

    A change to a field that the part in place does not have is left out: there it has no effect.
    """
    tree, owner = dict(base), grammar(base)
    for change in sorted(changes, key=lambda one: len(one.target)):
        place(tree, owner, change.target, change.value)
    return tree
