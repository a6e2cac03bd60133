"""Strict reading of plain values into frozen dataclasses, with every problem collected.

The annotations of a dataclass are its grammar: ``Annotated[float, Range(0, 1), "what it is"]``.
Nothing is coerced but a whole number to a float: text is never a number, true is never 1.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field
from functools import cache
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

from randstudy.errors import RandstudyError
from randstudy.expectation import fits, is_part, members, mismatch, show
from randstudy.nearest import suggestion
from randstudy.parts import Part, Range
from randstudy.places import FieldPath, dotted
from randstudy.registry import UnknownPartError, part_named, written_name

FAULT: Final = object()
"""What `read` returns for a value that has a problem."""


@dataclass(frozen=True)
class Setting:
    """One field of a dataclass: its type, bounds, meaning and default (MISSING if required)."""

    name: str
    kind: Any
    bounds: Range | None
    doc: str
    default: Any
    identity: bool


@dataclass(frozen=True)
class Finding:
    """A problem at a path; `missing` marks a required field that is not there."""

    path: FieldPath
    message: str
    missing: bool = False


MOST_FINDINGS = 200
"""Problems after which nothing more is read: nobody mends more at a time, and each may take
milliseconds to look for what was meant."""


class TooManyFindingsError(RandstudyError):
    """A study with so many problems that reading has stopped; `entries` are those found."""

    def __init__(self, entries: Sequence[Finding]) -> None:
        self.entries = entries
        first = entries[0]
        super().__init__(
            f"{len(entries)} problems and more; the first: {dotted(first.path)}: {first.message}"
        )


@dataclass
class Findings:
    """Problems in the order in which they were found."""

    entries: list[Finding] = field(default_factory=list)

    def add(self, path: FieldPath, message: str, *, missing: bool = False) -> Any:
        """Note a problem and return FAULT.

        Raises
        ------
        TooManyFindingsError
            There are as many as anybody will read.
        """
        self.extend([Finding(path, message, missing)])
        return FAULT

    def extend(self, more: Iterable[Finding]) -> None:
        """Note several problems; raises as `add` does."""
        self.entries.extend(more)
        if len(self.entries) >= MOST_FINDINGS:
            raise TooManyFindingsError(self.entries)


def settings(owner: type) -> dict[str, Setting]:
    """Return the fields of a dataclass by name, in the order in which they are declared."""
    return _settings(owner)


@cache
def _settings(owner: type) -> dict[str, Setting]:
    hints = get_type_hints(owner, include_extras=True)
    return {f.name: _setting(f, hints[f.name]) for f in dataclasses.fields(owner)}


def _setting(declared: dataclasses.Field[Any], hint: Any) -> Setting:
    """Take an annotation apart."""
    extras: tuple[Any, ...] = ()
    if get_origin(hint) is Annotated:
        hint, *rest = get_args(hint)
        extras = tuple(rest)
    bounds = next((extra for extra in extras if isinstance(extra, Range)), None)
    doc = next((extra for extra in extras if isinstance(extra, str)), "")
    make = declared.default_factory
    default = make() if make is not MISSING else declared.default
    identity = bool(declared.metadata.get("identity", True))
    return Setting(declared.name, hint, bounds, doc, default, identity)


def aliases(owner: type) -> dict[str, Any]:
    """Return other spellings of a part's fields: name -> function of the value to (field, value).

    A conversion may refuse nothing: the value is checked against its field's type and bounds first.
    """
    found: dict[str, Any] = getattr(owner, "aliases", {})
    return found


def alias_target(owner: type, name: str) -> str:
    """Return the field that `name` stands for; a field stands for itself."""
    convert = aliases(owner).get(name)
    return name if convert is None else str(convert(0.5)[0])


def read(
    kind: Any,
    value: Any,
    path: FieldPath,
    found: Findings,
    *,
    bounds: Range | None = None,
    default: Any = MISSING,
) -> Any:
    """Read `value` as `kind`, adding what is wrong to `found`.

    Parameters
    ----------
    kind : a type, as annotated: int, float, str, bool, None, Literal, a union of these, object (any
        of these),
        ``tuple[X, ...]``, a dataclass, or a kind of `Part` (written as its name, or a mapping with
        its name and fields).
    value : what YAML gave: None, bool, int, float, str, list or dict.
    path : where the value stands, for `found`.
    bounds : limits of the numbers in the value.
    default : the part that a mapping without a name stands for.

    Returns
    -------
    An instance of `kind`, or FAULT when something was added to `found`.
    """
    alternatives = members(kind)
    chosen = next((one for one in alternatives if fits(one, value)), None)
    if chosen is None:
        return found.add(path, mismatch(alternatives, value))
    if is_part(chosen):
        return _part(chosen, value, path, found, default)
    if dataclasses.is_dataclass(chosen):
        assert isinstance(chosen, type)
        return section(chosen, value, path, found)
    if get_origin(chosen) is tuple:
        items = [
            read(get_args(chosen)[0], item, (*path, index), found, bounds=bounds)
            for index, item in enumerate(value)
        ]
        return FAULT if any(item is FAULT for item in items) else tuple(items)
    return _simple(chosen, value, path, found, bounds)


def _simple(kind: Any, value: Any, path: FieldPath, found: Findings, bounds: Range | None) -> Any:
    """Read a number, text, truth value, null or closed choice whose type fits already."""
    if kind is float:
        try:
            value = float(value) + 0.0  # the sum makes -0.0 the one zero
        except OverflowError:
            value = math.inf
        if not math.isfinite(value):
            return found.add(path, "must be a finite number")
    if kind is object and isinstance(value, float) and not math.isfinite(value):
        return found.add(path, "must be a finite number")
    refusal = bounds.refuses(value) if bounds and kind in (int, float) else None
    return found.add(path, f"{show(value)} must be {refusal}") if refusal else value


def section(
    owner: type, value: Mapping[str, Any], path: FieldPath, found: Findings, *, lead: str = ""
) -> Any:
    """Read a mapping as the dataclass `owner`; `lead` names it in messages about unknown keys."""
    known = settings(owner)
    values: dict[str, Any] = {}
    spelt: dict[str, str] = {}
    for key, item in value.items():
        convert = aliases(owner).get(key)
        name = alias_target(owner, key)
        setting = known.get(name)
        if setting is None:
            values[key] = found.add((*path, key), unknown(key, owner, lead))
            continue
        if name in spelt:
            values[name] = found.add((*path, key), f"says the same as {spelt[name]}; give one")
            continue
        spelt[name] = key
        default = setting.default
        inner = (*path, key)
        read_value = read(setting.kind, item, inner, found, bounds=setting.bounds, default=default)
        if convert is not None and read_value is not FAULT:
            read_value = convert(read_value)[1]
        values[name] = read_value
    for name, setting in known.items():
        if name not in values and setting.default is MISSING:
            message = f"is missing: {setting.doc}" if setting.doc else "is missing"
            values[name] = found.add((*path, name), message, missing=True)
    return FAULT if any(item is FAULT for item in values.values()) else owner(**values)


def unknown(key: str, owner: type, lead: str) -> str:
    """Say that `owner` has no such field, and what it has."""
    names = [*settings(owner), *aliases(owner)]
    if not names:
        return f"{lead or 'this'} has no fields"
    return f"{lead + ' has no such field' if lead else 'no such field'}{suggestion(key, names)}"


def _part(kind: type[Part], value: Any, path: FieldPath, found: Findings, default: Any) -> Any:
    """Read a part from its name or from a mapping."""
    fields = {} if isinstance(value, str) else {k: v for k, v in value.items() if k != "name"}
    owner: type[Part] = type(default)
    if isinstance(value, str) or "name" in value or not isinstance(default, Part):
        name = value if isinstance(value, str) else value.get("name")
        where = path if isinstance(value, str) or name is None else (*path, "name")
        if not isinstance(name, str):
            there = ", ".join(kind.choices) or "none but your own, package.module:function"
            return found.add(where, f"needs a name; there is {there}")
        try:
            owner = part_named(kind, name)
        except UnknownPartError as error:
            return found.add(where, str(error))
    return section(owner, fields, path, found, lead=written_name(owner))
