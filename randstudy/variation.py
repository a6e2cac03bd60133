"""What a study varies as written: names resolved against the base, arms and levels read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from randstudy.canonical import canonical_json
from randstudy.expectation import is_part, members, show
from randstudy.factors import ARM, Change, Factor, Level, level_text, read_level
from randstudy.fieldnames import (
    Field,
    UnknownFieldError,
    catalog,
    is_section,
    resolve,
    resolve_field,
    standing_part,
)
from randstudy.fields import Findings
from randstudy.handover import FIELD, grammar
from randstudy.nearest import suggestion
from randstudy.nesting import written_lists
from randstudy.parts import Part
from randstudy.places import FieldPath
from randstudy.recipe import Recipe
from randstudy.replicates import Replicates, read_replicates


class Variation:
    """Factors, arms and cells as written, the parts they choose, and the fields these have.

    `replicates` and `fixed` are the study's, which an arm may replace and must respect.
    """

    def __init__(
        self,
        value: Mapping[str, Any],
        base: Mapping[str, Any],
        found: Findings,
        *,
        replicates: Replicates | None = None,
        fixed: Sequence[str] = (),
    ) -> None:
        self.found = found
        self.base = base
        self.replicates, self.fixed = replicates, fixed
        self.factors = self._mapping(value, "factors", "a mapping such as {batch_size: [16, 32]}")
        self.arms = self._mapping(value, "arms", "a mapping such as {small: {batch_size: 16}}")
        self.cells = self._list(value, "cells")
        self.owner = grammar(base)
        self.known = catalog(self.owner, self._chosen())
        self.supplied: set[tuple[str, ...]] = set()
        """Paths of the fields that factors or arms set, also where a level is wrong."""

    def always_set(self) -> list[str]:
        """Return the names of the fields that every cell sets, arms apart."""
        bundles = [
            {_resolved(name, list(self.known)) or name for name in cell}
            for cell in self.cells
            if isinstance(cell, dict)
        ]
        return [*self.factors, *sorted(set.intersection(*bundles) if bundles else ())]

    def is_absent(self, full: str) -> bool:
        """Tell whether a field belongs to a section that the study's base does without."""
        sections = (name for name in self.known if full.startswith(f"{name}."))
        entries = (self.known[name][0] for name in sections)
        return any(
            type(None) in members(one.setting.kind) and _at(self.base, one.path) is None
            for one in entries
        )

    def _mapping(self, value: Mapping[str, Any], key: str, like: str) -> dict[str, Any]:
        """Return a mapping of the study, empty when it is wrong."""
        written = value.get(key, {})
        if isinstance(written, dict):
            return written
        self.found.add((key,), f"expected {like}, got {show(written)}")
        return {}

    def _list(self, value: Mapping[str, Any], key: str) -> list[Any]:
        """Return a list of the study, empty when it is wrong."""
        written = value.get(key, [])
        if isinstance(written, list):
            return written
        like = "a list such as [{batch_size: 16, lr: 0.1}]"
        self.found.add((key,), f"expected {like}, got {show(written)}")
        return []

    def _chosen(self) -> dict[str, list[type[Part]]]:
        """Return the classes of part that stand in each part's field in some cell."""
        parts = {
            name: entries[0]
            for name, entries in catalog(self.owner).items()
            if any(is_part(kind) for kind in members(entries[0].setting.kind))
        }
        chosen: dict[str, list[type[Part]]] = {}
        for name, entry in parts.items():
            kind = next(one for one in members(entry.setting.kind) if is_part(one))
            everywhere, levels = self._levels_of(name, parts)
            written = levels if everywhere else [_at(self.base, entry.path), *levels]
            classes = [standing_part(kind, entry.setting.default, one) for one in written]
            known = [one for one in classes if one is not None]
            if known:
                chosen[name] = list(dict.fromkeys(known))
        return chosen

    def _levels_of(self, part: str, parts: Iterable[str]) -> tuple[bool, list[Any]]:
        """Return whether each cell sets the part at dotted path `part`, and to what."""
        names = list(parts)
        for name, levels in self.factors.items():
            if _resolved(name, names) == part and isinstance(levels, list | dict):
                return isinstance(levels, list), written_lists(levels)
        everywhere, found = False, []
        for bundles in (list(self.arms.values()), self.cells):
            levels = [
                level
                for one in bundles
                if isinstance(one, dict)
                for name, level in one.items()
                if _resolved(name, names) == part
            ]
            everywhere = everywhere or (bool(levels) and len(levels) == len(bundles))
            found += levels
        return everywhere, found

    def factor(
        self, name: str, written: Any, path: FieldPath, fields: tuple[Field, ...]
    ) -> Factor | None:
        """Read a factor that is a list of levels; None with a problem noted."""
        if not isinstance(written, list) or not written:
            hint = f"; write [{written}]" if isinstance(written, int | float | str) else ""
            self.found.add(path, f"expected a list of levels, got {show(written)}{hint}")
            return None
        levels = [
            read_level(fields, level, (*path, index), self.found)
            for index, level in enumerate(written)
        ]
        return self._distinct(name, levels, path, fields)

    def arm_factor(self) -> Factor | None:
        """Return the arms as one factor, None where there are none."""
        levels: list[Level | None] = []
        for name, bundle in self.arms.items():
            path: FieldPath = ("arms", name)
            if not isinstance(bundle, dict):
                self.found.add(path, f"expected a mapping of fields, got {show(bundle)}")
                continue
            levels.append(self._arm(name, bundle, path))
        return self._distinct(ARM, levels, ("arms",), ()) if levels else None

    def _arm(self, name: str, bundle: Mapping[str, Any], path: FieldPath) -> Level | None:
        """Read one arm; arms are the same level when recipe and replicates are equal."""
        changes: dict[tuple[str, ...], tuple[Change, str]] = {}
        for key, value in bundle.items():
            if key == "replicates":
                continue
            fields = self.fields(key, (*path, key))
            level = read_level(fields, value, (*path, key), self.found) if fields else None
            if level is not None:
                (change,) = level.changes
                if change.target in changes:
                    self.found.add((*path, key), "is set twice in this arm")
                changes[change.target] = (change, level.identity)
        own, at = None, (*path, "replicates")
        if "replicates" in bundle:
            own = read_replicates(bundle["replicates"], self.fixed, at, self.found)
            if own is None:
                return None
        counted = own or self.replicates
        identity = canonical_json(
            {
                "recipe": {".".join(target): known for target, (_, known) in changes.items()},
                "replicates": counted.moved if counted else None,
            }
        )
        return Level(name, identity, tuple(change for change, _ in changes.values()), own)

    def _distinct(
        self, name: str, levels: Sequence[Level | None], path: FieldPath, fields: tuple[Field, ...]
    ) -> Factor | None:
        """Make the factor, unless a level is wrong; two equal levels are a problem."""
        seen: dict[str, Any] = {}
        for index, level in enumerate(levels):
            if level is None:
                continue
            if level.identity in seen:
                where = (*path, level.written if name == ARM else index)
                first, second = level_text(seen[level.identity]), level_text(level.written)
                same = "is listed twice" if first == second else f"is the same level as {first}"
                self.found.add(where, f"{second} {same}")
            seen.setdefault(level.identity, level.written)
        good = tuple(level for level in levels if level is not None)
        return Factor(name, good, fields) if len(good) == len(levels) else None

    def fields(self, name: str, path: FieldPath) -> tuple[Field, ...]:
        """Return the fields that a factor's name stands for, or none with a problem noted."""
        try:
            fields = tuple(self.known[resolve_field(name, self.known)])
        except UnknownFieldError as error:
            self.found.add(path, stranger(name, self.known) or str(error))
            return ()
        if is_section(fields[0]):
            inner = [full for full in self.known if full.startswith(f"{fields[0].dotted}.")]
            self.found.add(path, f"is a whole section; vary its fields: {', '.join(inner)}")
            return ()
        self.supplied |= {entry.target for entry in fields}
        return fields


def stranger(name: str, known: Iterable[str]) -> str | None:
    """Say which parts have a field that none of the chosen parts has, None if none has it."""
    if FIELD in known:
        lead = f"{FIELD}.parameters."
        told = suggestion(name, [key[len(lead) :] for key in known if key.startswith(lead)])
        return f"the study has no field {name[:60]!r}; declare it under {FIELD}.parameters{told}"
    everything = catalog(Recipe)
    full = _resolved(name, list(everything))
    if full is None or full in known:
        return None
    owners = [entry.owner.name for entry in everything[full] if issubclass(entry.owner, Part)]
    part = full.rpartition(".")[0]
    here = [key for key in known if key.startswith(f"{part}.")]
    there = f"there is {', '.join(here)}" if here else "it has no fields"
    return f"{full} is a field of {', '.join(owners)}, which is not the {part} here; {there}"


def _resolved(name: str, known: Sequence[str]) -> str | None:
    try:
        return resolve(name, known)
    except UnknownFieldError:
        return None


def _at(tree: Any, path: Sequence[str]) -> Any:
    """Return what a plain tree holds at a path, None where it holds nothing."""
    for key in path:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree
