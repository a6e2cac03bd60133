"""A study: one question, read from a YAML file or made in Python, checked and frozen."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from randstudy.canonical import complete, minimal
from randstudy.cells import Cells, read_setup
from randstudy.comparison import Declaration
from randstudy.exclusions import Exclusion
from randstudy.factors import Factor, changed
from randstudy.grids import Grid
from randstudy.handover import name_of
from randstudy.header import (
    Direction,
    Evaluation,
    Resources,
    Tracking,
    default_direction,
    default_metric,
)
from randstudy.overrides import override
from randstudy.reading import read_study
from randstudy.replicates import Replicates
from randstudy.schemes import Scheme
from randstudy.yamlfile import Document, read


@dataclass(frozen=True, init=False)
class Study:
    """What is asked, varied, held fixed and recorded.

    ``Study(data="digits", training={...}, factors={...}, replicates=8)`` takes the fields of a
    study file; `load` reads such a file, and `from_mapping` one mapping.

    Attributes
    ----------
    base : the sections of the recipe as written (plain values); factors change it.
    factors : factor name as written -> its levels as written: a list, a range, or nested lists.
    arms : arm name -> the fields that it sets, and ``replicates`` where it has its own.
    scheme : how cells are chosen from the factors.
    listed : cells that are written out one by one, as written; then there are no factors.
    exclude : cells that are left out, as written.
    axes : factors with their levels, drawn ones too; arms come first, as the factor ``arm``.
    grids : which levels of `axes` stand together; grids are crossed.
    exclusions : `exclude` as indices into `axes`.
    replicates, fixed, repeat : how often, and with which streams moving, each cell is trained
        whose arm says nothing else; a cell of the design knows its own.
    metric, direction : what is compared, and which way is better.
    compare : the comparisons that were declared, None where none was.
    document : the text that it was read from, with the place of every value.
    """

    name: str
    question: str
    seed: int
    base: Mapping[str, Any]
    factors: Mapping[str, Any]
    arms: Mapping[str, Mapping[str, Any]]
    scheme: Scheme
    listed: Sequence[Mapping[str, Any]]
    exclude: Sequence[Mapping[str, Any]]
    axes: tuple[Factor, ...]
    grids: tuple[Grid, ...]
    exclusions: tuple[Exclusion, ...]
    replicates: Replicates
    fixed: tuple[str, ...]
    repeat: int
    metric: str
    direction: Direction
    compare: Declaration | None
    evaluation: Evaluation
    resources: Resources
    tracking: Tracking
    document: Document = field(repr=False, compare=False)

    def __init__(self, *, overrides: Sequence[str] = (), **written: Any) -> None:
        """Make a study of the fields that a study file has, by the same rules.

        Parts may be given as instances, code of one's own as functions and classes, lists as
        tuples, numbers as numpy scalars.

        Raises
        ------
        StudyError
            With every problem's field.
        HandoverError
            A function was given that workers cannot import.
        """
        document = override(Document(plain_values(written)), overrides)
        vars(self).update(_read(document))

    @classmethod
    def load(cls, path: Path | str, overrides: Sequence[str] = ()) -> Study:
        """Read and check a study file; `overrides` are ``field=value`` strings.

        Raises
        ------
        StudyError
            With every problem's file, line and field.
        """
        return cls.from_document(override(read(path), overrides))

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], overrides: Sequence[str] = ()) -> Study:
        """Make a study of one mapping with the fields of a study file."""
        return cls.from_document(override(Document(plain_values(mapping)), overrides))

    @classmethod
    def from_document(cls, document: Document) -> Study:
        """Check a document and make its study."""
        study = cls.__new__(cls)
        vars(study).update(_read(document))
        return study

    @property
    def text(self) -> str:
        """The study file's text; empty for a study made in Python."""
        return self.document.text

    @cached_property
    def cells(self) -> Cells:
        """The combinations of levels, and their recipes."""
        return Cells(self.base, self.axes, self.exclusions, self.replicates, self.grids)

    def resolved(self) -> dict[str, Any]:
        """Return the study as plain nested values with every default filled in.

        A field that every cell takes from a factor or arm stands there only.
        """
        counted = [one.at for one, _ in self.cells.replications()]
        replicates = {"replicates": self.document.value.get("replicates", 1)}
        return {
            "name": self.name,
            "question": self.question,
            "seed": self.seed,
            **self._resolved_base(),
            "factors": dict(self.factors),
            "arms": dict(self.arms),
            "design": minimal(self.scheme),
            **({"cells": list(self.listed)} if self.listed else {}),
            "exclude": list(self.exclude),
            **(replicates if self.replicates.at in counted else {}),
            "fixed": list(self.fixed),
            "repeat": self.repeat,
            "metric": self.metric,
            "direction": self.direction,
            "compare": None if self.compare is None else dataclasses.asdict(self.compare),
            "evaluation": complete(self.evaluation),
            "resources": dataclasses.asdict(self.resources),
            "tracking": dataclasses.asdict(self.tracking),
        }

    def _resolved_base(self) -> dict[str, Any]:
        """Return the recipe's sections, less what every level of some factor sets."""
        always = [
            target
            for axis in self.axes
            for target in axis.targets
            if all(target in {one.target for one in level.changes} for level in axis.levels)
        ]
        # The first cell's levels stand in for required fields until they are taken out again.
        first = next(iter(self.cells))
        levels = [axis.levels[number] for axis, number in zip(self.axes, first, strict=True)]
        stand_in = [one for level in levels for one in level.changes if one.target in always]
        tree = complete(read_setup(changed(self.base, stand_in)))
        for target in always:
            _remove(tree, target)
        return tree if isinstance(tree, dict) else {}


def _read(document: Document) -> dict[str, Any]:
    """Check a document; return the fields of its study."""
    reading = read_study(document)
    header, declared = reading.header, reading.compare
    named = header.metric or (declared.metric if declared else None)
    metric = named or default_metric(reading.targets)
    return {
        **{name: getattr(header, name) for name in ("name", "question", "seed", "repeat")},
        **{name: getattr(header, name) for name in ("evaluation", "resources", "tracking")},
        "base": reading.cells.base,
        "factors": document.value.get("factors", {}),
        "arms": document.value.get("arms", {}),
        "scheme": reading.scheme,
        "listed": document.value.get("cells", []),
        "exclude": document.value.get("exclude", []),
        "axes": reading.cells.axes,
        "grids": reading.cells.grids,
        "exclusions": reading.cells.exclusions,
        "replicates": reading.replicates,
        "fixed": reading.fixed,
        "metric": metric,
        "direction": header.direction or default_direction(metric),
        "compare": None if declared is None else replace(declared, metric=metric),
        "document": document,
    }


def plain_values(value: Any) -> Any:
    """Turn what Python code writes into what a study file would hold."""
    if isinstance(value, type) or inspect.isroutine(value):
        return name_of(value)
    if dataclasses.is_dataclass(value):
        return complete(value)
    if isinstance(value, Mapping):
        return {str(key): plain_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple | range):
        return [plain_values(item) for item in value]
    if hasattr(value, "tolist"):  # a numpy scalar or array
        return value.tolist()
    return value


def _remove(tree: Any, path: Sequence[str]) -> None:
    """Take a path out of nested mappings, if it is there."""
    *way, last = path
    for key in way:
        tree = tree.get(key, {})
    tree.pop(last, None)
