"""Dotted field names: which fields the chosen parts have, short names, and setting a field.

A study may write ``batch_size`` for ``training.batch_size`` as long as one field ends so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from randstudy.expectation import is_part, members
from randstudy.fields import Setting, alias_target, aliases, settings
from randstudy.nearest import suggestion
from randstudy.parts import Part
from randstudy.registry import UnknownPartError, part_named

Chosen = Mapping[str, Sequence[type[Part]]]
"""Dotted path of a part -> the classes that some cell has there."""


class UnknownFieldError(LookupError):
    """A field name that fits no field, or more than one; its text says what there is."""


@dataclasses.dataclass(frozen=True)
class Field:
    """A field that can be set: its full name, where it is declared, and the alias if it is one."""

    path: tuple[str, ...]
    setting: Setting
    owner: type
    alias: str | None = None

    @property
    def dotted(self) -> str:
        """The full name, as ``training.optimizer.momentum``."""
        return ".".join(self.path)

    @property
    def target(self) -> tuple[str, ...]:
        """The path of the field itself, also when an alias was written."""
        return (*self.path[:-1], self.setting.name)


def catalog(
    owner: type, chosen: Chosen | None = None, lead: tuple[str, ...] = ()
) -> dict[str, list[Field]]:
    """Return all fields below the dataclass `owner` by full dotted name.

    Where a part stands, its fields are those of the `chosen` classes, or of every registered part
    of the kind when `chosen` says nothing; a name that several classes have lists each.
    """
    found: dict[str, list[Field]] = {}
    for setting in settings(owner).values():
        path = (*lead, setting.name)
        _enter(found, Field(path, setting, owner))
        for inner in _inner(setting, ".".join(path), chosen):
            for name, entries in catalog(inner, chosen, path).items():
                for entry in entries:
                    _enter(found, entry, name)
    for alias in aliases(owner):
        setting = settings(owner)[alias_target(owner, alias)]
        _enter(found, Field((*lead, alias), setting, owner, alias))
    return found


def _enter(found: dict[str, list[Field]], entry: Field, name: str | None = None) -> None:
    entries = found.setdefault(name or entry.dotted, [])
    if entry not in entries:
        entries.append(entry)


def _inner(setting: Setting, dotted: str, chosen: Chosen | None) -> Iterable[type]:
    """Return the dataclasses that may stand in a field."""
    for kind in members(setting.kind):
        if is_part(kind):
            yield from (chosen or {}).get(dotted, tuple(kind.choices.values()))
        elif dataclasses.is_dataclass(kind):
            assert isinstance(kind, type)
            yield kind


def resolve(name: str, known: Iterable[str]) -> str:
    """Return the full name that `name` is, or is the end of.

    >>> resolve("momentum", ["training.lr", "training.optimizer.momentum"])
    'training.optimizer.momentum'

    Raises
    ------
    UnknownFieldError
        When no field, or more than one, ends in `name`.
    """
    names = list(known)
    if name in names:
        return name
    ending = [full for full in names if full.endswith(f".{name}")]
    if len(ending) == 1:
        return ending[0]
    if ending:
        raise UnknownFieldError(f"{name!r} may mean {' or '.join(ending)}; write it in full")
    short = {full.rsplit(".", 1)[-1]: full for full in reversed(names)}
    told = suggestion(name, [*names, *short])
    raise UnknownFieldError(f"the study has no field {name[:60]!r}{told}")


def resolve_field(name: str, known: Mapping[str, Sequence[Field]]) -> str:
    """Return the full name of the field that is meant, as `resolve` does.

    A section gives way to a field of its name elsewhere: ``noise`` may be ``data.noise``.
    """
    if name in known and is_section(known[name][0]):
        elsewhere = [full for full in known if full.endswith(f".{name}")]
        return resolve(name, elsewhere or known)
    return resolve(name, known)


def is_section(field: Field) -> bool:
    """Tell whether a field always holds a mapping of fields that is no part, so has no levels."""
    kinds = members(field.setting.kind)
    plain = [dataclasses.is_dataclass(one) and not is_part(one) for one in kinds]
    return all(plain)


def place(tree: dict[str, Any], owner: type, path: Sequence[str], value: Any) -> bool:
    """Set the field at `path` of a plain tree that describes the dataclass `owner`.

    A part written as its name becomes a mapping when a field of it is set. Nothing is set, and
    False returned, when the part in place has no such field.
    """
    key, *rest = path
    if key != "name" and alias_target(owner, key) not in settings(owner):
        return False
    if not rest:
        target = alias_target(owner, key)
        for other in [name for name in tree if alias_target(owner, name) == target]:
            del tree[other]
        tree[key] = value
        return True
    setting = settings(owner)[key]
    inner = standing(setting, tree.get(key))
    if inner is None:
        return False
    written = tree.get(key)
    branch = {"name": written} if isinstance(written, str) else dict(written or {})
    if not place(branch, inner, rest, value):
        return False
    tree[key] = branch
    return True


def standing(setting: Setting, written: Any) -> type | None:
    """Return the dataclass that a field holds as written, or None when it cannot be told."""
    for kind in members(setting.kind):
        if is_part(kind):
            return standing_part(kind, setting.default, written)
        if dataclasses.is_dataclass(kind):
            assert isinstance(kind, type)
            return kind if written is None or isinstance(written, dict) else None
    return None


def standing_part(kind: type[Part], default: Any, written: Any) -> type[Part] | None:
    """Return the class of the part written in place, the default's when nothing names one."""
    name = written.get("name") if isinstance(written, dict) else written
    if name is None:
        return type(default) if isinstance(default, Part) else None
    if isinstance(name, str) and ":" not in name:  # asking for it would look for a similar one
        return kind.choices.get(name)
    try:
        return part_named(kind, name) if isinstance(name, str) else None
    except UnknownPartError:
        return None
