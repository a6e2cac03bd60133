"""What a study declares that it will compare, before its numbers are seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from randstudy.canonical import canonical_json
from randstudy.expectation import show
from randstudy.factors import Factor, factor_named, level_text, nested_within
from randstudy.fields import FAULT, Findings, section, settings
from randstudy.grids import Grid, comparable
from randstudy.nearest import suggestion
from randstudy.parts import Range
from randstudy.places import FieldPath

PATH: FieldPath = ("compare",)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The declared family: each level of one factor against a reference, on one metric."""

    factor: Annotated[str, "factor whose levels are compared, averaged over all others"]
    metric: Annotated[str | None, "the one primary metric; default: the study's"] = None
    smallest_difference: Annotated[
        float | None, Range(above=0), "smallest difference that matters, in units of the metric"
    ] = None
    alpha: Annotated[
        float, Range(above=0, most=0.5), "chance to call any difference real when none is"
    ] = 0.05


@dataclass(frozen=True, kw_only=True)
class Declaration(Comparison):
    """A comparison together with the level that the others are held against, as written."""

    reference: Any

    @property
    def text(self) -> str:
        """The same for the same declaration, however it was written."""
        return canonical_json(
            {
                "factor": self.factor,
                "metric": self.metric,
                "reference": level_text(self.reference),
                "smallest_difference": self.smallest_difference,
                "alpha": self.alpha,
            }
        )


def read_comparison(
    value: Any,
    axes: Sequence[Factor],
    grids: Sequence[Grid],
    metric: str | None,
    found: Findings,
) -> Declaration | None:
    """Read ``compare:``; None where there is none or it has a problem.

    Parameters
    ----------
    grids : which levels of the factors stand together.
    metric : the study's, where it names one.
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        found.add(PATH, f"expected a mapping such as {{factor: init}}, got {show(value)}")
        return None
    read = _fields(value, found)
    if read is None:
        return None
    if read.metric and metric and read.metric != metric:
        message = f"{read.metric} is not the study's metric, {metric}; a study has one"
        found.add((*PATH, "metric"), message)
    axis = factor_named(read.factor, axes)
    if axis is None:
        names = [one.name for one in axes]
        told = suggestion(read.factor, names) if names else "; this study varies none"
        found.add((*PATH, "factor"), f"{read.factor!r} is no factor of this study{told}")
        return None
    if len(axis.levels) < 2:
        found.add((*PATH, "factor"), f"{axis.name} has one level, so there is nothing to compare")
        return None
    if axis.nested_in is not None:
        told = f"its levels are chosen on validation where {axis.nested_in} is compared"
        found.add((*PATH, "factor"), f"{axis.name} is nested in {axis.nested_in}; {told}")
        return None
    first = next(level.written for level in axis.levels if level.is_set)
    chosen = _reference(value.get("reference", first), axis, found)
    if chosen is not FAULT:
        _check_pairs(axis, chosen, axes, grids, found)
    named = replace(read, factor=axis.name)
    return None if chosen is FAULT else Declaration(**vars(named), reference=chosen)


def _fields(value: Mapping[str, Any], found: Findings) -> Comparison | None:
    """Read all but the reference, which may be a level of any kind."""
    known = settings(Comparison)
    for key in value:
        if key not in (*known, "reference"):
            told = suggestion(key, [*known, "reference"])
            found.add((*PATH, key), f"a comparison has no such field{told}")
    written = {key: one for key, one in value.items() if key in known}
    read = section(Comparison, written, PATH, found)
    return None if read is FAULT else read


def _check_pairs(
    axis: Factor, reference: Any, axes: Sequence[Factor], grids: Sequence[Grid], found: Findings
) -> None:
    """Refuse a comparison of levels that no two cells have with all else alike."""
    names = [one.name for one in axes]
    within = [names.index(name) for name in nested_within(axis.name, axes)]
    number = next(i for i, level in enumerate(axis.levels) if level.written is reference)
    for other, level in enumerate(axis.levels):
        if other == number or not level.is_set:
            continue
        if not comparable(names.index(axis.name), other, number, grids, within):
            sides = f"{level_text(level.written)} and {level_text(reference)}"
            told = (
                f"no two cells differ in {axis.name} alone ({sides}); cross it with the others "
                "(design: {…, crossed: […]}), or name bundles of fields as arms and compare arm"
            )
            found.add((*PATH, "factor"), told)
            return


def _reference(written: Any, axis: Factor, found: Findings) -> Any:
    """Return the level that is written; null is the first where the factor has no such level."""
    there = [level.written for level in axis.levels if level.is_set]
    for level in there:
        if level == written or level_text(level) == level_text(written):
            return level
    if written is None:
        return there[0]
    told = ", ".join(level_text(level) for level in there)
    message = f"{level_text(written)} is no level of {axis.name}; it has {told}"
    return found.add((*PATH, "reference"), message)
