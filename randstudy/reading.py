"""From a document to the fields of a study, with every problem found before anything is refused."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from randstudy.axes import read_axes
from randstudy.cells import Cells, read_section
from randstudy.comparison import Declaration, read_comparison
from randstudy.errors import Problem, RandstudyError, StudyError
from randstudy.exclusions import read_exclusions
from randstudy.factors import Combination
from randstudy.fieldnames import UnknownFieldError, catalog, resolve
from randstudy.fields import (
    FAULT,
    MOST_FINDINGS,
    Finding,
    Findings,
    TooManyFindingsError,
    section,
    settings,
)
from randstudy.handover import FIELD, function_named, grammar, misdeclared, sections
from randstudy.header import Evaluation, Header
from randstudy.metrics import metric_named, metric_problem
from randstudy.nearest import nearest, suggestion
from randstudy.places import FieldPath, dotted
from randstudy.recipe import Recipe
from randstudy.recorded import MOST_WEIGHTS, final_names, parameters
from randstudy.replicates import Replicates, read_fixed, read_replicates
from randstudy.schemes import Scheme, read_scheme
from randstudy.variation import Variation
from randstudy.yamlfile import Document

DESIGN = ("factors", "arms", "design", "cells", "exclude", "replicates", "fixed", "compare")
"""Fields of a study that say what is varied, and what of it is compared."""

MOST_TRIALS = 10**12
MOST_PROBLEMS = 50

_NAME = re.compile(r"\w[\w .+-]{0,99}")


@dataclass(frozen=True)
class Reading:
    """A study that has no problems, taken apart."""

    header: Header
    cells: Cells
    scheme: Scheme
    replicates: Replicates
    fixed: tuple[str, ...]
    compare: Declaration | None
    targets: frozenset[str]


def read_study(document: Document) -> Reading:
    """Check everything that a study says.

    Raises
    ------
    StudyError
        With all problems of one stage (the file's fields, or else its cells), in the file's order.
    """
    try:
        return _read(document)
    except TooManyFindingsError as error:
        _refuse(document, error.entries)
        raise


def _read(document: Document) -> Reading:
    found = Findings()
    value = document.value
    keys = [*settings(Header), *settings(Recipe), FIELD, *DESIGN]
    for key in value:
        if key not in keys:
            found.add((key,), _unknown_key(key, keys))
    if FIELD in value:
        _check_handed(document, found)
    header = _header(document, found)
    fixed = read_fixed(value.get("fixed", []), ("fixed",), found)
    replicates = read_replicates(value.get("replicates", 1), fixed, ("replicates",), found)
    scheme = read_scheme(value.get("design"), found)
    cells = _cells(document, scheme, header.seed, replicates, fixed, found)
    compare = read_comparison(value.get("compare"), cells.axes, cells.grids, header.metric, found)
    if FIELD in value:
        _check_function(value, cells, found)
        if header.metric or compare or not {"metric", "compare"} & value.keys():
            _check_reported(header, compare, found)
    _refuse(document, found.entries)
    assert replicates is not None
    assert scheme is not None
    check_cells(document, cells)
    targets = _check_metrics(cells, header, compare, found)
    _check_replicates(cells, header.repeat, found)
    _refuse(document, found.entries)
    return Reading(header, cells, scheme, replicates, fixed, compare, targets)


def _check_handed(document: Document, found: Findings) -> None:
    """Refuse what has no meaning where the training is handed over."""
    value = document.value
    for path, message in misdeclared(value):
        found.add(path, message)
    asked = value.get("evaluation")
    for key in asked if isinstance(asked, dict) else ():
        if key != "predictions":
            found.add(("evaluation", key), f"has no effect beside {FIELD}: its function reports")
    if any(one.path[0] == FIELD for one in found.entries):
        _refuse(document, found.entries)  # parameters that are not there would be told again


def _check_function(value: Mapping[str, Any], cells: Cells, found: Findings) -> None:
    """Look for the function at once, so that it is told with whatever else is wrong."""
    written = cells.base[FIELD]
    name = written.get("function") if isinstance(written, dict) else None
    path = (FIELD, "function")
    if not isinstance(name, str) or any(path in axis.targets for axis in cells.axes):
        return
    try:
        function_named(name)
    except RandstudyError as error:
        found.add(path, str(error))


def _check_metrics(
    cells: Cells, header: Header, compare: Declaration | None, found: Findings
) -> frozenset[str]:
    """Check the metrics that are named; return what the cells' tasks want to be predicted."""
    setups = [cells.setup(one) for one in cells.sample()]
    recipes = [one for one in setups if isinstance(one, Recipe)]
    if not recipes:
        _check_reported(header, compare, found)
        return frozenset()
    targets = frozenset(one.shape().target for one in {recipe.data for recipe in recipes})
    _try_metrics(recipes, header.evaluation, found)
    known = _known(recipes, header.evaluation, found)
    if compare is not None and compare.metric is not None:
        _check_metric(compare.metric, ("compare", "metric"), targets, known, found)
    if header.metric is not None:
        _check_metric(header.metric, ("metric",), targets, known, found)
    return targets


def _try_metrics(recipes: Sequence[Recipe], evaluation: Evaluation, found: Findings) -> None:
    """Try people's own metrics on made-up outputs for each task."""
    if not evaluation.metrics:
        return
    shapes = dict.fromkeys(one.shape() for one in dict.fromkeys(one.data for one in recipes))
    for index, metric in enumerate(evaluation.metrics):
        problem = next(filter(None, (metric_problem(metric, shape) for shape in shapes)), "")
        if problem:
            found.add(("evaluation", "metrics", index), problem)


def _check_reported(header: Header, compare: Declaration | None, found: Findings) -> None:
    """Check the metric of a training that is handed over: only the function knows what there is."""
    metric = header.metric or (compare.metric if compare else None)
    if metric is None:
        message = "is missing: the name of a number that the function returns or reports"
        found.add(("metric",), f"{message}, such as test_accuracy")
    elif header.direction is None and not metric.endswith(("accuracy", "loss", "error")):
        message = f"is missing: is more {metric} better (maximize) or less (minimize)?"
        found.add(("direction",), message)


def _unknown_key(key: str, keys: list[str]) -> str:
    """Say what a stray key at the top of a study may have meant."""
    try:
        full = resolve(key, catalog(Recipe))
    except UnknownFieldError:
        full = key
    if full != key and nearest(key, keys) is None:
        return f"belongs under {full.rpartition('.')[0]}, as {full}"
    return f"a study has no such field{suggestion(key, keys, most=20)}"


def _header(document: Document, found: Findings) -> Header:
    """Read name, seed, evaluation, … and fill in what depends on the file."""
    written = {key: one for key, one in document.value.items() if key in settings(Header)}
    header = section(Header, written, (), found)
    if header is FAULT:
        return Header()
    assert isinstance(header, Header)
    name = header.name or (Path(document.file).stem if document.file else "study")
    if not _NAME.fullmatch(name):
        allowed = "letters, digits, spaces and _ . + -, at most 100, starting with a letter"
        found.add(("name",), f"{name[:60]!r} cannot name a study; use {allowed}")
    evaluation = header.evaluation
    if evaluation.every_epochs is not None and evaluation.every_steps is not None:
        found.add(("evaluation",), "give every_epochs or every_steps, not both")
    if evaluation.every_epochs is None and evaluation.every_steps is None:
        evaluation = replace(evaluation, every_epochs=1)
    _check_names(evaluation, found)
    for section_name in ("resources", "tracking"):
        for field, message in getattr(header, section_name).problems():
            found.add((section_name, field), message)
    return replace(header, name=name, evaluation=evaluation)


def _check_names(evaluation: Evaluation, found: Findings) -> None:
    """Refuse metrics of one's own that are not there, or are called as another."""
    taken = {"loss": "randstudy's own", "accuracy": "randstudy's own"}
    for index, metric in enumerate(evaluation.metrics):
        path, last = ("evaluation", "metrics", index), metric.rpartition(":")[2]
        if metric in ("loss", "accuracy"):
            found.add(path, f"{metric} is there already, as validation_{metric} and test_{metric}; "
                      "listed here are functions of your own, package.module:function")  # fmt: skip
            continue
        if last in taken:
            found.add(path, f"{last} is the name of {taken[last]} too")
        taken[last] = metric
        try:
            metric_named(metric)
        except RandstudyError as error:
            found.add(path, str(error))


def _cells(
    document: Document,
    scheme: Scheme | None,
    seed: int,
    replicates: Replicates | None,
    fixed: tuple[str, ...],
    found: Findings,
) -> Cells:
    """Read the base recipe and what varies it."""
    base = sections(document.value)
    variation = Variation(document.value, base, found, replicates=replicates, fixed=fixed)
    axes = read_axes(variation, scheme, seed, found)
    written = document.value.get("exclude", [])
    exclusions = read_exclusions(written, axes.factors, variation.known, found)
    for name in settings(grammar(base)):
        _, findings = read_section(name, base)
        found.extend(
            one for one in findings if not (one.missing and one.path in variation.supplied)
        )
    return Cells(base, axes.factors, exclusions, replicates or Replicates(()), axes.grids)


def check_cells(document: Document, cells: Cells) -> None:
    """Raise StudyError when a cell cannot be trained, naming the level that is to blame."""
    seen: Counter[tuple[int, int]] = Counter()
    blamed: dict[tuple[FieldPath, str], tuple[Combination, int | None, int]] = {}
    checked = 0
    for combination in cells.sample():
        checked += 1
        seen.update(enumerate(combination))
        for finding in cells.findings(combination):
            path, axis = _blame(document, cells, combination, finding.path)
            key = (path, finding.message)
            first, _, count = blamed.get(key, (combination, axis, 0))
            blamed[key] = (first, axis, count + 1)
    found = Findings()
    if not checked:
        found.add(("exclude",), "leaves no cell to train")
    for (path, message), (first, axis, count) in blamed.items():
        alike = checked if axis is None else seen[(axis, first[axis])]
        where = "" if count == alike else f" (in the cell {cells.label(first)})"
        found.add(path, message + where)
    _refuse(document, found.entries)


def _blame(
    document: Document, cells: Cells, combination: Combination, path: FieldPath
) -> tuple[FieldPath, int | None]:
    """Return where the study sets the field at `path` of a cell's recipe, and by which factor."""
    causes = [
        (len(change.target), change.at, index)
        for index, number in enumerate(combination)
        for change in cells.axes[index].levels[number].changes
        if path[: len(change.target)] == change.target
    ]
    if causes:
        _, at, index = max(causes, key=lambda cause: cause[0])
        return at, index
    return path, None


def _known(recipes: Sequence[Recipe], evaluation: Evaluation, found: Findings) -> tuple[str, ...]:
    """Return the final metrics that every cell has; only small networks may keep their weights."""
    if evaluation.weights:
        for recipe in {(one.model, one.data.shape()): one for one in recipes}.values():
            size = sum(one.size for one in parameters(recipe))
            if size > MOST_WEIGHTS:
                what = f"{recipe.model.name} has {size:,} weights here"
                message = f"{what}; at most {MOST_WEIGHTS} become metrics"
                found.add(("evaluation", "weights"), message)
                evaluation = replace(evaluation, weights=False)
    common = dict.fromkeys(final_names(recipes[0], evaluation))
    for recipe in recipes[1:]:
        there = set(final_names(recipe, evaluation))
        common = {name: None for name in common if name in there}
    return tuple(common)


def _check_metric(
    metric: str,
    path: FieldPath,
    targets: frozenset[str],
    known: tuple[str, ...],
    found: Findings,
) -> None:
    """Refuse a metric that no trial will have."""
    if metric not in known:
        what = " and ".join(sorted(targets))
        found.add(path, f"{metric!r} is no metric of a {what} task{suggestion(metric, known)}")


def _check_replicates(cells: Cells, repeat: int, found: Findings) -> None:
    """Refuse to vary what no cell consumes, and designs beyond counting."""
    used = list(cells.replications())
    sizes = [(size * repeat * one.size, one.at) for one, size in used]
    total = sum(size for size, _ in sizes)
    if total > MOST_TRIALS:  # said before the cells are walked through
        shown = f"{total:.1e}" if total < 10**300 else "more than 1e300"
        message = f"asks for {shown} trainings; at most {MOST_TRIALS:.0e}"
        found.add(max(sizes, key=lambda size: size[0])[1], message)
        return
    consumed = _consumed(cells, {one.at: one.varied for one, _ in used})
    for replicates in {one.at: one for one, _ in used}.values():
        if replicates.at in consumed:
            _check_idle(replicates, consumed[replicates.at], found)


def _consumed(
    cells: Cells, varied: Mapping[FieldPath, frozenset[str]]
) -> dict[FieldPath, set[str]]:
    """Return the streams that cells consume, by where their replicates are set.

    Ends early when all that are `varied` are found, so the sets are whole where one is not.
    """
    consumed: defaultdict[FieldPath, set[str]] = defaultdict(set)
    for combination, _ in cells.consuming():
        at = cells.replicates(combination).at
        consumed[at] |= cells.setup(combination).effective().streams()
        if all(streams <= consumed.get(at, set()) for at, streams in varied.items()):
            break
    return consumed


def _check_idle(replicates: Replicates, consumed: set[str], found: Findings) -> None:
    """Refuse groups of streams that would move nothing."""
    for group in replicates.groups:
        idle = [stream for stream in group.streams if stream not in consumed]
        useless = idle if replicates.named else len(idle) == len(group.streams)
        if not (group.varies and useless):
            continue
        path = (*replicates.at, *(("+".join(group.streams),) if replicates.named else ()))
        there = ", ".join(sorted(consumed)) or "none"
        which = ", ".join(idle) if replicates.named else "any stream that is not fixed"
        where = " of this arm" if len(replicates.at) > 1 else ""
        found.add(path, f"no cell{where} consumes {which}, so all replicates would be the same "
                  f"training; streams consumed: {there}")  # fmt: skip


def _refuse(document: Document, findings: Sequence[Finding]) -> None:
    """Raise StudyError for what was found, in the order of the file."""
    if not findings:
        return
    problems: dict[Problem, None] = {}
    for finding in findings:
        place = document.place(finding.path)
        field = dotted(finding.path)
        problems[Problem(finding.message, field, place.line, place.file)] = None
    listed = sorted(problems, key=lambda one: one.line if one.line is not None else math.inf)
    if len(listed) > MOST_PROBLEMS:
        count = "" if len(findings) >= MOST_FINDINGS else f"{len(listed) - MOST_PROBLEMS} "
        more = Problem(f"and {count}more problems", file=document.file)
        listed = [*listed[:MOST_PROBLEMS], more]
    raise StudyError(*listed)
