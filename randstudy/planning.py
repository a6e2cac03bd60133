"""What a study would train, and what that takes, before anything is trained."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from randstudy import execution
from randstudy.accounting import Account, account
from randstudy.analysis.looks import spent
from randstudy.analysis.words import listed
from randstudy.calibrations import Calibrations
from randstudy.design import Design, Trial
from randstudy.estimates import cell_points, disk_bytes, trial_points
from randstudy.factors import ARM, factor_named
from randstudy.handover import FIELD, HandedRecipe
from randstudy.ledger import Ledger
from randstudy.lineage import families, rows, trainings
from randstudy.packs import USUAL, PackShape, fixed_width, shape_of, widest
from randstudy.progress import duration
from randstudy.pruning import removed_whole
from randstudy.registry import written_name
from randstudy.schemes import Drawn, OneAtATime
from randstudy.study import Study

MOST_LAYERS = 3
"""Layers that pruning empties are named up to so many."""


def sign_flip_floor(alpha: float) -> int:
    """Return the fewest pairs with which a two-sided paired sign-flip test can reach alpha.

    No p of n pairs is below 2 / 2^n.

    >>> sign_flip_floor(0.05), sign_flip_floor(0.05 / 45)
    (6, 11)
    """
    return math.ceil(math.log2(2 / alpha))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The size of a study.

    Attributes
    ----------
    design : how the cells were chosen, in words.
    trials, cells, packs : of the whole design; packs by measured, given or assumed widths.
    done, left : trials that the ledger holds, and that a run would train.
    mlflow_runs, mlflow_metrics : rows that the whole study comes to in MLflow.
    disk_bytes : what the trials that are left add to the store, about.
    seconds, accelerator_hours : what is left takes, if measured.
    """

    name: str
    question: str
    design: str
    trials: int
    cells: int
    packs: int
    done: int
    left: int
    stale: int
    failed: int
    mlflow_runs: int
    mlflow_metrics: int
    disk_bytes: int
    workers: int
    widths: dict[str, int]
    measured: bool
    seconds: float | None
    accelerator_hours: float | None
    notes: tuple[str, ...]
    resolved: dict[str, Any]

    def plain(self) -> dict[str, Any]:
        """Return the plan as plain values."""
        return asdict(self)

    def text(self) -> str:
        """Return the plan for people."""
        packed = "known" if self.measured else "widths assumed; --measure times them"
        lines = [
            self.question or self.name,
            "",
            *(f"  {name} = {value}" for name, value in flat(self.resolved)),
            "",
            f"cells   {self.cells:,} ({self.design})",
            f"trials  {self.trials:,} ({self.done:,} done, {self.left:,} to train)",
            f"packs   {self.packs:,} on {self.workers} workers ({packed})",
            *(f"          {width:4d} a pack  {shape}" for shape, width in self.widths.items()),
            f"MLflow  {self.mlflow_runs:,} runs, {self.mlflow_metrics:,} metric values",
            f"disk    about {self.disk_bytes / 1e6:,.1f} MB more",
        ]
        if self.seconds is not None:
            lines.append(f"time    about {duration(self.seconds)}, start-up apart")
        if self.accelerator_hours is not None:
            lines.append(f"        {self.accelerator_hours:.2f} accelerator-hours")
        return "\n".join([*lines, *(f"note    {note}" for note in self.notes)])


def plan(study: Study, store: Path, *, pack_size: int | None, measure: bool) -> Plan:
    """Work out the size of a study; with `measure`, time a few steps of each shape of pack."""
    design = Design(study)
    found = account(study, Ledger(store))
    trials = list(design.trials())
    shapes: dict[PackShape, list[Trial]] = {}
    for trial in trials:
        shapes.setdefault(shape_of(trial.setup), []).append(trial)
    calibrations = Calibrations(store, study.resources)
    timed = _timed(study, shapes, calibrations) if measure else {}
    widths = {
        shape: pack_size or _width(study, shape, some[0], calibrations)
        for shape, some in shapes.items()
    }
    left: dict[PackShape, list[Trial]] = {}
    for trial in found.missing + found.reobserve:
        left.setdefault(shape_of(trial.setup), []).append(trial)

    def packs(some: Mapping[PackShape, list[Trial]]) -> int:
        return sum(math.ceil(rows(families(ours)) / widths[shape]) for shape, ours in some.items())

    workers = study.resources.workers_here
    known = bool(timed) and all(shape in timed for shape in left)
    shares = ((shape, sum(trainings(ours))) for shape, ours in left.items())
    work = sum(timed[shape] * count for shape, count in shares) if known else None
    gpus = study.resources.gpus
    metrics = sum(trial_points(study, trial.setup) for trial in trials)
    metrics += sum(cell_points(study, cell) for cell in design.cells)
    return Plan(
        name=study.name,
        question=study.question,
        design=chosen_by(study),
        trials=len(trials),
        cells=len(design.cells),
        packs=packs(shapes),
        done=len(found.done),
        left=found.left,
        stale=len(found.stale),
        failed=len(found.failed),
        mlflow_runs=(1 + len(design.cells) + len(trials)) if study.tracking.enabled else 0,
        mlflow_metrics=metrics if study.tracking.enabled else 0,
        disk_bytes=disk_bytes(study, found.missing + found.reobserve, packs(left)),
        workers=workers,
        widths={_told(shape, shapes[shape]): width for shape, width in widths.items()},
        measured=bool(pack_size)
        or all(fixed_width(shape) or calibrations.of(shape) for shape in shapes),
        seconds=None if work is None else work / workers,
        accelerator_hours=None if work is None or not gpus else work * gpus / 3600,
        notes=tuple(notes(study, design, found)),
        resolved=study.resolved(),
    )


def _told(shape: PackShape, some: Sequence[Trial]) -> str:
    """Write the shape of some trials, and how often they spend its budget where that is not once.

    Pruning is no part of a shape: trials of any number of rounds train side by side.
    """
    most = len(trainings(some))
    return f"{shape}" + (f", up to {most} trainings a trial" if most > 1 else "")


def _timed(
    study: Study, shapes: dict[PackShape, list[Trial]], calibrations: Calibrations
) -> dict[PackShape, float]:
    """Time each shape on this machine; return seconds of one worker a trial."""
    from randstudy.worker import SHARE, free_memory

    device, threads = execution.device(study.resources), execution.threads(study.resources)
    from randstudy.training.calibration import calibrate

    memory = int(free_memory(device) * SHARE)
    for shape, some in shapes.items():
        if fixed_width(shape) is not None:
            continue  # somebody's own function is not run for timing
        calibrations.add(
            shape, asdict(calibrate(some[0], device=device, threads=threads, memory=memory))
        )
    found = {shape: calibrations.of(shape) for shape in shapes}
    return {shape: float(known["seconds_per_trial"]) for shape, known in found.items() if known}


def _width(study: Study, shape: PackShape, trial: Trial, calibrations: Calibrations) -> int:
    fixed = fixed_width(shape)
    if fixed is not None:
        return fixed
    known = calibrations.of(shape)
    if known:
        return int(known["width"])
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    return min(USUAL, widest(trial.recipe, memory, execution.device(study.resources)))


def chosen_by(study: Study) -> str:
    """Say how cells are chosen: "crossed", "random: 20 points of lr and momentum"."""
    if study.listed:
        return "as listed" if not study.arms else "as listed, for each arm"
    scheme = study.scheme
    if isinstance(scheme, OneAtATime):
        return f"one at a time around {study.cells.label(next(iter(study.cells)))}"
    if isinstance(scheme, Drawn):
        crossed = [factor_named(name, study.axes) for name in scheme.crossed]
        rest = [ARM] * bool(study.arms) + [axis.name for axis in crossed if axis is not None]
        names = [axis.name for axis in study.axes if axis.name not in rest]
        also = f", crossed with {' and '.join(rest)}" if rest else ""
        return f"{scheme.name}: {scheme.cells:,} points of {' and '.join(names)}{also}"
    inner = [f"{axis.name} within {axis.nested_in}" for axis in study.axes if axis.nested_in]
    return ", ".join(["crossed", *inner])


def notes(study: Study, design: Design, found: Account) -> list[str]:
    """Return what a reader should know before starting."""
    said = []
    counts = Counter(cell.index for cell, _ in design.points())
    alpha, family = _level(study)
    floor = sign_flip_floor(alpha / family)
    few = [n for n in counts.values() if n < floor]
    if few:
        n = str(min(few)) if min(few) == max(few) else f"{min(few)} to {max(few)}"
        holm = f" after Holm over {family}" if family > 1 else ""
        said.append(
            f"n = {n} in {len(few):,} of {len(counts):,} cells: a paired sign-flip test cannot "
            f"reach {alpha:g}{holm} below n = {floor}"
        )
    if FIELD in study.base:
        said.append(
            "the function alone knows its time, its reports and their disk: left out of these sums"
        )
    said += _emptied(design)
    said += _alone(design)
    if study.compare is None and len(design.cells) > 1:
        said.append("no comparison is declared (compare: …), so the report will give no verdict")
    if found.stale:
        said.append(f"{len(found.stale):,} outcomes are stale: run will ask what to do")
    if found.reobserve:
        said.append(f"{len(found.reobserve):,} trials train again to be looked at more closely")
    if found.failed:
        said.append(f"{len(found.failed):,} trials failed before: run --retry-failed")
    return said


def _alone(design: Design) -> list[str]:
    """Say which models are not computed in packs, and why."""
    recipes = [cell.setup for cell in design.cells if not isinstance(cell.setup, HandedRecipe)]
    models = dict.fromkeys(
        (recipe.model, recipe.data.shape(), recipe.batch_sizes) for recipe in recipes
    )
    reasons = {
        written_name(type(model)): model.alone(shape, batches) for model, shape, batches in models
    }
    return [
        f"trials of {name} are computed one by one, with the same numbers: {reason}"
        for name, reason in reasons.items()
        if reason is not None
    ]


def _emptied(design: Design) -> list[str]:
    """Warn of cells whose pruning is known to leave nothing of some layers."""
    recipes = [cell.setup for cell in design.cells if not isinstance(cell.setup, HandedRecipe)]
    emptied = [
        removed_whole(recipe.pruning, recipe.model.parameters(recipe.data.shape()))
        for recipe in recipes
        if recipe.pruning.active
    ]
    found = list(filter(None, emptied))
    if not found:
        return []
    paths = list(dict.fromkeys(path for some in found for path in some))
    more = len(paths) - MOST_LAYERS
    told = [*paths[:MOST_LAYERS], *([f"{more:,} more"] if more > 0 else [])]
    cells = f"{len(found):,} of {len(design.cells):,} cells"
    return [f"pruning leaves nothing of {listed(told)} in {cells}"]


def _level(study: Study) -> tuple[float, int]:
    """Return what the planned look at the declared family spends, and its size."""
    if study.compare is None:
        return 0.05, 1
    axis = next(one for one in study.axes if one.name == study.compare.factor)
    return spent(study.compare.alpha, 1), len(axis.levels) - 1


def flat(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return (dotted field, value as JSON) of nested values, leaving out empty ones."""
    found: list[tuple[str, str]] = []
    for name, value in tree.items():
        if isinstance(value, dict) and value and name not in ("factors", "arms"):
            found += flat(value, f"{prefix}{name}.")
        elif name in ("factors", "arms") and value:
            found += [(f"{name}.{key}", json.dumps(levels)) for key, levels in value.items()]
        elif value not in ({}, [], "", None):
            found.append((f"{prefix}{name}", json.dumps(value)))
    return found
