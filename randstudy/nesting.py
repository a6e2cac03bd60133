"""Reading nested factors: levels of their own for each level of another factor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from randstudy.expectation import show
from randstudy.factors import UNSET, Factor, Level, factor_named, level_text, read_level
from randstudy.fieldnames import Field
from randstudy.fields import Findings
from randstudy.nearest import suggestion
from randstudy.places import FieldPath

KEYS = ("in", "levels")


def is_nested(written: Any) -> bool:
    """Tell whether a factor is written as ``{in: optimizer, levels: {sgd: [0.1], …}}``."""
    return isinstance(written, dict) and any(key in written for key in KEYS)


def written_lists(written: Any) -> list[Any]:
    """Return all levels that a factor has as written, nested ones too; none for a range."""
    if not is_nested(written):
        return written if isinstance(written, list) else []
    lists = written.get("levels")
    every = lists.values() if isinstance(lists, dict) else ()
    return [level for some in every if isinstance(some, list) for level in some]


class NestedFactor:
    """A nested factor whose own levels are read, and whose outer factor is still to be found."""

    def __init__(
        self, name: str, outer: str, factor: Factor, lists: Mapping[str, Sequence[int]]
    ) -> None:
        self.name, self.outer, self.factor = name, outer, factor
        self.lists = lists
        """Level of the outer factor as written -> indices of levels."""

    @classmethod
    def read(
        cls, name: str, written: Mapping[str, Any], fields: tuple[Field, ...], found: Findings
    ) -> NestedFactor | None:
        """Read ``{in: outer, levels: {level of outer: [levels]}}``; None with a problem noted."""
        path: FieldPath = ("factors", name)
        before = len(found.entries)
        for key in written:
            if key not in KEYS:
                found.add((*path, key), f"a nested factor has no such field{suggestion(key, KEYS)}")
        outer, lists = written.get("in"), written.get("levels")
        if not isinstance(outer, str):
            found.add((*path, "in"), f"expected the name of a factor, got {show(outer)}")
        if not isinstance(lists, dict) or not lists:
            like = "a mapping such as {sgd: [0.1, 0.3], adam: [0.001, 0.003]}"
            found.add((*path, "levels"), f"expected {like}, got {show(lists)}")
            return None
        levels: dict[str, Level] = {}
        places = {
            key: _list(some, (*path, "levels", key), fields, levels, found)
            for key, some in lists.items()
        }
        if len(found.entries) > before:
            return None
        factor = Factor(name, tuple(levels.values()), fields, nested_in=outer)
        return cls(name, str(outer), factor, places)

    def within(
        self, axes: Sequence[Factor], found: Findings
    ) -> tuple[Factor, dict[int, list[int]]]:
        """Return the factor and its levels at each level of its outer factor, by index.

        A level of the outer factor that is not listed leaves the field as it is.
        """
        path: FieldPath = ("factors", self.name, "levels")
        outer = factor_named(self.outer, axes)
        assert outer is not None, "looked up before"
        chosen: dict[int, list[int]] = {}
        for key, places in self.lists.items():
            number = _level(key, outer)
            if number is None:
                texts = [level_text(level.written) for level in outer.levels if level.is_set]
                told = suggestion(key, texts)
                found.add((*path, key), f"{key[:60]!r} is no level of {outer.name}{told}")
            elif number in chosen:
                found.add(
                    (*path, key), f"{level_text(outer.levels[number].written)} is there twice"
                )
            else:
                chosen[number] = list(places)
        levels = self.factor.levels
        if len(chosen) < len(outer.levels):
            levels = (*levels, UNSET)
            rest = (number for number in range(len(outer.levels)) if number not in chosen)
            chosen |= {number: [len(levels) - 1] for number in rest}
        return Factor(self.name, levels, self.factor.fields, nested_in=outer.name), chosen


def _list(
    written: Any,
    path: FieldPath,
    fields: Sequence[Field],
    levels: dict[str, Level],
    found: Findings,
) -> list[int]:
    """Read the levels at one level of the outer factor; return their places among all `levels`."""
    if not isinstance(written, list) or not written:
        hint = f"; write [{written}]" if isinstance(written, int | float | str) else ""
        found.add(path, f"expected a list of levels, got {show(written)}{hint}")
        return []
    places: list[int] = []
    for index, one in enumerate(written):
        level = read_level(fields, one, (*path, index), found)
        if level is None:
            continue
        place = [*levels].index(level.identity) if level.identity in levels else len(levels)
        if place in places:
            found.add((*path, index), f"{level_text(one)} is listed twice")
        levels.setdefault(level.identity, level)
        places.append(place)
    return places


def _level(key: str, outer: Factor) -> int | None:
    """Return the level that a key of text means: as it is written, or by its name alone."""
    texts = [level_text(level.written) if level.is_set else None for level in outer.levels]
    if key in texts:
        return texts.index(key)
    names = [
        level.written.get("name") if isinstance(level.written, dict) else None
        for level in outer.levels
    ]
    return names.index(key) if names.count(key) == 1 else None
