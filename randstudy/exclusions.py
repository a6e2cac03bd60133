"""Reading ``exclude``: cells that the design leaves out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from randstudy.expectation import show
from randstudy.factors import ARM, Combination, Factor, level_text, read_level
from randstudy.fieldnames import Field, UnknownFieldError, resolve_field
from randstudy.fields import Findings
from randstudy.nearest import suggestion
from randstudy.places import FieldPath

Exclusion = Mapping[int, int]
"""Index of a factor -> index of its level; cells that match every pair are left out."""


def excluded(combination: Combination, exclusions: Sequence[Exclusion]) -> bool:
    """Tell whether a cell is left out.

    >>> excluded((1, 2), [{0: 1, 1: 2}]), excluded((1, 0), [{0: 1, 1: 2}])
    (True, False)
    """
    return any(all(combination[i] == j for i, j in one.items()) for one in exclusions)


def read_exclusions(
    written: Any, axes: Sequence[Factor], known: Mapping[str, Sequence[Field]], found: Findings
) -> tuple[Exclusion, ...]:
    """Read the list of excluded cells; `known` are the fields that names may stand for."""
    if not isinstance(written, list):
        message = "expected a list such as [{batch_size: 16, init: orthogonal}]"
        found.add(("exclude",), f"{message}, got {show(written)}")
        return ()
    entries: list[Exclusion] = []
    for index, one in enumerate(written):
        path: FieldPath = ("exclude", index)
        if isinstance(one, dict) and one:
            entries.append(_exclusion(one, path, axes, known, found))
        else:
            found.add(path, f"expected a mapping of factors to levels, got {show(one)}")
    return tuple(entries)


def _exclusion(
    written: Mapping[str, Any],
    path: FieldPath,
    axes: Sequence[Factor],
    known: Mapping[str, Sequence[Field]],
    found: Findings,
) -> Exclusion:
    """Read one entry."""
    chosen: dict[int, int] = {}
    for name, level in written.items():
        fields = _fields(name, known)
        index = _axis(name, fields, axes)
        if index is None:
            names = [axis.name for axis in axes]
            found.add((*path, name), f"is not a factor{suggestion(name, names)}")
            continue
        number = _match(axes[index], fields, level)
        if number is None:
            every = (one for one in axes[index].levels if one.is_set)
            there = ", ".join(level_text(one.written) for one in every)
            message = f"{level_text(level)} is not a level of {axes[index].name}: {there}"
            found.add((*path, name), message)
        elif index in chosen:
            found.add((*path, name), f"names the factor {axes[index].name} twice")
        else:
            chosen[index] = number
    return chosen


def _fields(name: str, known: Mapping[str, Sequence[Field]]) -> Sequence[Field]:
    """Return the fields that a name stands for, none when it is not a field's name."""
    try:
        return known[resolve_field(name, known)]
    except UnknownFieldError:
        return ()


def _axis(name: str, fields: Sequence[Field], axes: Sequence[Factor]) -> int | None:
    """Return the factor that is meant, by its name or by the field it varies."""
    targets = {field.target for field in fields}
    for index, axis in enumerate(axes):
        if axis.name == name or any(field.target in targets for field in axis.fields):
            return index
    return None


def _match(axis: Factor, fields: Sequence[Field], written: Any) -> int | None:
    """Return the index of the level that is meant."""
    if axis.name == ARM:
        names = [level.written for level in axis.levels]
        return names.index(written) if written in names else None
    level = read_level(fields, written, (), Findings())
    identities = [one.identity for one in axis.levels]
    return identities.index(level.identity) if level and level.identity in identities else None
