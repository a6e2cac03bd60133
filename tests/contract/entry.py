"""How the suite finds what there is to test, and what a part must bring to be tested."""

from __future__ import annotations

import dataclasses
import importlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from catalogue import is_ours, recipe, registered

import randstudy
from randstudy.expectation import members
from randstudy.fields import settings
from randstudy.parts import Part
from randstudy.recipe import Recipe
from randstudy.schemes import Scheme

ROOT = Path(randstudy.__file__).parent


@dataclass(frozen=True, kw_only=True)
class To:
    """A level of a field, with the settings among which it has an effect."""

    level: Any
    given: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Refused:
    """Settings that do not go together: the field that is named, and some words of the message."""

    given: Mapping[str, Any]
    field: str
    message: str
    recipe: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a part, or a section, brings to the suite.

    Attributes
    ----------
    given : settings with which it does what it is for.
    recipe : the rest of the recipe, as for `catalogue.recipe`.
    levels : field -> another level, which trains other numbers.
    elsewhere : field outside the identity -> another value, which trains the same numbers.
    refused : what `problems` and `misfits` are to find.
    """

    given: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    levels: Mapping[str, Any] = field(default_factory=dict)
    elsewhere: Mapping[str, Any] = field(default_factory=dict)
    refused: Sequence[Refused] = ()

    @property
    def fields(self) -> set[str]:
        """Fields that the entry speaks for."""
        return {*self.levels, *self.elsewhere}


Entries = Mapping[type, Entry | Callable[[], Entry]]


def kinds() -> list[type[Part]]:
    """Return every kind of part that randstudy declares, whichever module it is in."""
    for path in sorted(ROOT.rglob("*.py")):
        if re.search(r"^class .*\bkind=", path.read_text(), re.MULTILINE):
            parts = path.relative_to(ROOT.parent).with_suffix("").parts
            importlib.import_module(".".join(parts).removesuffix(".__init__"))
    return [kind for kind in _below(Part) if is_ours(kind)]


def _below(part: type[Part]) -> Iterator[type[Part]]:
    for each in part.__subclasses__():
        if "choices" in vars(each):
            yield each
        yield from _below(each)


@cache
def slots() -> dict[type, tuple[str, ...]]:
    """Return every kind of part and section of a recipe -> where it stands in it."""
    return dict(_slots(Recipe, ()))


def _slots(owner: type, path: tuple[str, ...]) -> Iterator[tuple[type, tuple[str, ...]]]:
    for name, setting in settings(owner).items():
        for kind in members(setting.kind):
            if isinstance(kind, type) and dataclasses.is_dataclass(kind):
                yield kind, (*path, name)
                if not issubclass(kind, Part):
                    yield from _slots(kind, (*path, name))


def owners() -> list[type]:
    """Return what has fields of its own: every registered part of a recipe, and every section."""
    kinds()  # imports them
    found: list[type] = []
    for kind in slots():
        found += registered(kind).values() if issubclass(kind, Part) else [kind]
    return found


def slot(owner: type) -> tuple[str, ...]:
    """Return where a part or section stands in the recipe."""
    return next(path for kind, path in slots().items() if issubclass(owner, kind))


def missing(entries: Entries) -> list[str]:
    """Say what the suite would not test: kinds without a place, parts and fields without entry."""
    placed = {*slots(), *ELSEWHERE}
    found = [f"kind {kind.kind}: no place" for kind in kinds() if kind not in placed]
    for owner in owners():
        if owner not in entries:
            found.append(f"{owner.__name__}: no entry")
            continue
        there, told = set(settings(owner)), looked_up(entries, owner).fields
        found += [f"{owner.__name__}.{name}: not in its entry" for name in sorted(there - told)]
        found += [f"{owner.__name__}.{name}: no such field" for name in sorted(told - there)]
    strangers = set(entries) - set(owners())
    return found + [f"{owner.__name__}: in the table alone" for owner in strangers]


ELSEWHERE: set[type[Part]] = {Scheme}
"""Kinds whose parts stand in no recipe; each has a test of its own."""

_kept: dict[type, Entry] = {}


def looked_up(entries: Entries, owner: type) -> Entry:
    """Return an entry; those that need data files are made when they are asked for."""
    if owner not in _kept:
        found = entries[owner]
        _kept[owner] = found if isinstance(found, Entry) else found()
    return _kept[owner]


def fields_of(owner: type, given: Mapping[str, Any], rest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `catalogue.recipe` takes for a part, or a section, of these settings."""
    name = slot(owner)[-1]
    own = dict(given) if name == "training" else {name: owner(**given)}
    return {**rest, **own}


def made(owner: type, given: Mapping[str, Any], rest: Mapping[str, Any]) -> Recipe:
    """Return the recipe with a part, or a section, of these settings."""
    return recipe(**fields_of(owner, given, rest))


def pair(entry: Entry, owner: type, name: str) -> tuple[Recipe, Recipe]:
    """Return the recipes without and with the other level of a field."""
    level = entry.levels.get(name, entry.elsewhere.get(name))
    to = level if isinstance(level, To) else To(level=level)
    given, rest = {**entry.given, **to.given}, {**entry.recipe, **to.recipe}
    return made(owner, given, rest), made(owner, {**given, name: to.level}, rest)
