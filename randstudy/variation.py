"""Reading ``factors`` and ``arms`` of a study against the base that they change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from randstudy.canonical import canonical_json
from randstudy.expectation import is_part, members, show
from randstudy.factors import ARM, Change, Factor, Level, level_text, read_level
from randstudy.fieldnames import Field, UnknownFieldError, catalog, resolve, standing_part
from randstudy.fields import Findings
from randstudy.parts import Part
from randstudy.places import FieldPath
from randstudy.recipe import Recipe
from randstudy.replicates import Replicates, read_replicates


class Variation:
    """Factors and arms as written, the parts they choose, and the fields that these have.

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
        self.known = catalog(Recipe, self._chosen())
        self.supplied: set[tuple[str, ...]] = set()
        """Paths of the fields that factors or arms set, also where a level is wrong."""

    def axes(self) -> tuple[Factor, ...]:
        """Return arms (if any) and factors in the order written; problems go to `found`."""
        axes = [axis for axis in (self._arms(), *self._factors()) if axis is not None]
        owners: dict[tuple[str, ...], str] = {}
        for axis in axes:
            for target in sorted(axis.targets):
                if target in owners:
                    where = ("arms",) if axis.name == ARM else ("factors", axis.name)
                    message = f"sets the same field as {owners[target]}; keep one of them"
                    self.found.add(where, message)
                owners[target] = axis.name
        return tuple(axes)

    def _mapping(self, value: Mapping[str, Any], key: str, like: str) -> dict[str, Any]:
        """Return a mapping of the study, empty when it is wrong."""
        written = value.get(key, {})
        if isinstance(written, dict):
            return written
        self.found.add((key,), f"expected {like}, got {show(written)}")
        return {}

    def _chosen(self) -> dict[str, list[type[Part]]]:
        """Return the classes of part that stand in each part's field in some cell."""
        parts = {
            name: entries[0]
            for name, entries in catalog(Recipe).items()
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
            if _resolved(name, names) == part and isinstance(levels, list):
                return True, levels
        bundles = [arm for arm in self.arms.values() if isinstance(arm, dict)]
        set_by_arms = [
            level
            for arm in bundles
            for name, level in arm.items()
            if _resolved(name, names) == part
        ]
        return bool(bundles) and len(set_by_arms) == len(self.arms), set_by_arms

    def _factors(self) -> Iterator[Factor | None]:
        for name, written in self.factors.items():
            path: FieldPath = ("factors", name)
            fields = self._fields(name, path)
            if not fields:
                continue
            if not isinstance(written, list) or not written:
                hint = f"; write [{written}]" if isinstance(written, int | float | str) else ""
                self.found.add(path, f"expected a list of levels, got {show(written)}{hint}")
                continue
            levels = [
                read_level(fields, level, (*path, index), self.found)
                for index, level in enumerate(written)
            ]
            yield self._distinct(name, levels, path, fields)

    def _arms(self) -> Factor | None:
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
            fields = self._fields(key, (*path, key))
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

    def _fields(self, name: str, path: FieldPath) -> tuple[Field, ...]:
        """Return the fields that a factor's name stands for, or none with a problem noted."""
        try:
            fields = tuple(self.known[resolve(name, self.known)])
        except UnknownFieldError as error:
            self.found.add(path, stranger(name, self.known) or str(error))
            return ()
        if not (is_part(fields[0].setting.kind) or _is_leaf(fields[0].setting.kind)):
            inner = [full for full in self.known if full.startswith(f"{fields[0].dotted}.")]
            self.found.add(path, f"is a whole section; vary its fields: {', '.join(inner)}")
            return ()
        self.supplied |= {entry.target for entry in fields}
        return fields


def _is_leaf(kind: Any) -> bool:
    """Tell whether a field takes a plain value rather than a section."""
    return not any(hasattr(one, "__dataclass_fields__") for one in members(kind))


def stranger(name: str, known: Iterable[str]) -> str | None:
    """Say which parts have a field that none of the chosen parts has, None if none has it."""
    everything = catalog(Recipe)
    full = _resolved(name, list(everything))
    if full is None:
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
