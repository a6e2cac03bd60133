"""From a study and its store to the evidence that answers its question."""

from __future__ import annotations

import json
import math
import shlex
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from randstudy import __version__
from randstudy.accounting import Account, account
from randstudy.analysis.compare import Declared
from randstudy.analysis.evidence import Accounts, Evidence
from randstudy.analysis.examples import Examples
from randstudy.analysis.looks import Look
from randstudy.analysis.roles import Roles, selection_of
from randstudy.design import Cell, Design
from randstudy.factors import Factor, level_text, nested_within
from randstudy.frame import Frame, load
from randstudy.handover import FIELD
from randstudy.ledger import Ledger
from randstudy.recipe import Recipe
from randstudy.splits import Splitting
from randstudy.study import Study
from randstudy.targets import targets
from randstudy.tasks import Data

COLLAPSED = 1.5
"""A classifier whose accuracy is no more than this many times chance has collapsed."""

TUNED_BY = (("training", "batch_size"), ("training", "optimizer"), ("model",))
"""Fields whose best learning rate differs from level to level."""

UNASKED = (
    *("name", "question", "replicates", "arms", "repeat", "metric", "direction"),
    *("compare", "evaluation", "resources", "tracking"),
)
"""Fields that a study may change and still ask the same: more replicates, another cadence."""

MOST_PREDICTIONS = 500_000_000
"""Bytes of kept predictions that are read; beyond, the frame alone speaks."""


def gather(study: Study, store: Path) -> Evidence:
    """Return what a store holds on a study's question.

    Raises
    ------
    RandstudyError
        The store is damaged.
    """
    ledger = Ledger(store)
    found = account(study, ledger)
    frame = load(study, store=store, mix=True, provenance=True)
    data = _digest(found, ledger)
    declared = study.compare
    text = "" if declared is None else _asked(study, declared.text)
    return Evidence(
        name=study.name,
        question=study.question,
        frame=frame,
        roles=_roles(study, frame),
        accounts=_accounts(found, frame),
        declared=None
        if declared is None
        else Declared(
            factor=declared.factor,
            reference=_as_in_frame(declared.reference, frame, declared.factor),
            smallest_difference=declared.smallest_difference,
            alpha=declared.alpha,
        ),
        declared_after=0 if declared is None else _seen_before(study, ledger, found),
        looks=earlier(ledger.looks(study.name), text, data),
        comparison=text,
        data=data,
        curves=_curves(frame),
        examples=_examples(study, frame),
        resampled=_resampled(study),
        caveat=_caveat(study),
        minutes_per_replicate=_minutes(study, frame),
        collapse=_collapse(study),
        full_batch=_full_batch(study),
        text=study.text,
        made=_made(study, frame),
        command=_command(study),
    )


def _command(study: Study) -> str:
    """Return what to type to make a study again, overrides included."""
    places = study.document.places.values()
    sources = dict.fromkeys(str(place.file) for place in places if str(place.file)[:5] == "--set")
    overrides = [f"--set {shlex.quote(source.removeprefix('--set '))}" for source in sources]
    return " ".join(("randstudy run", str(study.document.file or study.name), *overrides))


def _asked(study: Study, declaration: str) -> str:
    """Return what a look is at: the declaration, and a digest of all that was held and crossed.

    So a verdict found at one learning rate does not stand at another of the same study.
    """
    resolved = study.resolved()
    kept = {name: value for name, value in resolved.items() if name not in UNASKED}
    text = json.dumps(kept, sort_keys=True, default=str)
    digest = blake2b(text.encode(), digest_size=8, person=b"randstudy.asked").hexdigest()
    return f"{declaration} {digest}"


def earlier(looks: list[Look], comparison: str, data: str) -> tuple[Look, ...]:
    """Return the looks that came before the one at this comparison and data.

    A look at another declaration spent its share too, but decided nothing of this one.
    """
    before: list[Look] = []
    for look in looks:
        if (look.comparison, look.data) == (comparison, data):
            break
        same = look.comparison == comparison
        before.append(look if same else replace(look, verdicts={}, estimates={}))
    return tuple(before)


def _roles(study: Study, frame: Frame) -> Roles:
    if study.metric not in frame.columns:
        # Nothing has finished, so no outcome brought the metric along.
        frame[study.metric] = math.nan
    return Roles(
        metric=study.metric,
        factors=tuple(axis.name for axis in study.axes),
        replicates=tuple(str(name) for name in frame.columns if name.startswith("replicate.")),
        cell="cell",
        status="status",
        repeat="repeat" if "repeat" in frame.columns else None,
        trial="trial",
        maximize=study.direction == "maximize",
        nested=tuple((axis.name, axis.nested_in) for axis in study.axes if axis.nested_in),
        selection=selection_of(study.metric, [str(name) for name in frame.columns]),
    )


def _accounts(found: Account, frame: Frame) -> Accounts:
    """Count distinct trials: one that stands in two cells was trained once."""
    ends = frame.drop_duplicates("trial")["status"].value_counts()
    return Accounts(
        planned=found.planned,
        finished=int(ends.get("finished", 0)),
        diverged=int(ends.get("diverged", 0)),
        failed=len(found.failed),
        left=len(found.missing),
        stale=len(found.stale),
    )


def _as_in_frame(level: object, frame: Frame, factor: str) -> object:
    """Return a level as the frame's column holds it: numbers, or text."""
    return level if pd.api.types.is_numeric_dtype(frame[factor]) else level_text(level)


def _digest(found: Account, ledger: Ledger) -> str:
    """Return a digest of the outcomes of a design: which trials, and what they came to."""
    index = ledger.index()
    ids = sorted(trial.id for trial in (*found.done, *found.stale, *found.reobserve))
    hashed = blake2b(digest_size=16, person=b"randstudy.look")
    for trial in ids:
        hashed.update(f"{trial} {index[trial].result}\n".encode())
    return hashed.hexdigest()


def _seen_before(study: Study, ledger: Ledger, found: Account) -> int:
    """Return how many outcomes of the design were there before the comparison was declared."""
    assert study.compare is not None
    index = ledger.index()
    since = [
        attempt for attempt, text in ledger.plans(study.name) if _declares(text, study.compare.text)
    ]
    trials = (*found.done, *found.stale, *found.reobserve)
    if not since:
        return len(trials)
    return sum(index[trial.id].attempt < min(since) for trial in trials)


def _declares(plan: str, comparison: str) -> bool:
    """Tell whether a plan in the ledger declared the same comparison."""
    written = json.loads(plan).get("compare")
    if not written:
        return False
    text = {**written, "reference": level_text(written["reference"])}
    return bool(text == json.loads(comparison))


def _curves(frame: Frame) -> Callable[[], pd.DataFrame] | None:
    return (lambda: frame.curves) if len(frame) else None


def _examples(study: Study, frame: Frame) -> Callable[[], Examples] | None:
    """Return how to read the kept predictions, None where there are none to read."""
    sizes = {cell.recipe.sizes.test for cell in _data_cells(study)}
    size = len(frame) * max(sizes, default=0)
    kept = study.evaluation.predictions and study.metric == "test_accuracy"
    if not kept or not len(frame) or len(sizes) != 1 or size > MOST_PREDICTIONS:
        return None

    def read() -> Examples:
        predictions = frame.predictions
        known = targets(study, predictions.index)
        logits = _logits(frame, predictions.index) if study.evaluation.logits else None
        common = known.common(predictions.index)
        if common is not None:
            return Examples(predictions, common, logits)
        rows = pd.DataFrame(known.rows(predictions.index), index=predictions.index)
        return Examples(predictions, rows, logits)

    return read


def _logits(frame: Frame, trials: pd.Index[str]) -> NDArray[np.float32] | None:
    """Return the kept logits in the order of the predictions; None where a trial kept none."""
    kept = frame.logits
    rows = pd.Index(kept.trials).get_indexer(trials)
    return None if (rows < 0).any() or not len(rows) else kept.values[rows]


def _data_cells(study: Study) -> list[Cell]:
    """Return a cell for each data set and way to split it; none where training is handed over."""
    found: dict[tuple[Data, Splitting], Cell] = {}
    if FIELD in study.base:
        return []
    varied = _varies(study.axes, "data") or _varies(study.axes, "split")
    for cell in Design(study).cells:
        found.setdefault((cell.recipe.data, cell.recipe.split), cell)
        if not varied:
            break
    return list(found.values())


def _varies(axes: tuple[Factor, ...], section: str) -> bool:
    return any(target[0] == section for axis in axes for target in axis.targets)


def _resampled(study: Study) -> float | None:
    """Return what `split` redraws over what it leaves, for the correction of Nadeau and Bengio."""
    measured = "validation" if study.metric.startswith("validation") else "test"
    ratios = [
        0.0 if _drawn_anew(cell) else _redrawn(cell.recipe, measured)
        for cell in _data_cells(study)
        if "split" in cell.recipe.streams()
    ]
    return max(ratios, default=None)


def _drawn_anew(cell: Cell) -> bool:
    """Tell whether the data move together with the split, so that no two splits are of the same."""
    together = [group.streams for group in cell.replicates.groups if "split" in group.streams]
    return "data" in cell.recipe.streams() and any("data" in streams for streams in together)


def _redrawn(recipe: Recipe, measured: str) -> float:
    """Return examples measured over training examples, where another replicate measures others.

    Where it only trains on another part of the training examples, trainings share as much of
    what they learn from as the part is large: the correlation f makes the ratio f / (1 - f).
    """
    split, data = recipe.split, recipe.data
    if split.redraws(data):
        return float(getattr(recipe.sizes, measured) / recipe.sizes.train)
    whole = replace(split, train_size=None, imbalance=None).sizes(data).train
    kept = recipe.sizes.train
    return kept / (whole - kept) if "split" in split.streams() and kept < whole else 0.0


def _caveat(study: Study) -> str:
    """Say that a learning rate was shared by levels that would each want their own."""
    if study.compare is None:
        return ""
    axis = next(one for one in study.axes if one.name == study.compare.factor)
    concerned = any(
        target[: len(field)] == field or target == field[: len(target)]
        for target in axis.targets
        for field in TUNED_BY
    )
    rates = ("training", "lr")
    inner = nested_within(axis.name, study.axes)
    tuned = any(rates in one.targets for one in study.axes if one.name in inner)
    if not concerned or rates in axis.targets or tuned:
        return ""
    if any(rates in one.targets for one in study.axes):
        return "averaged over lr, untuned"
    return f"at lr = {Design(study).cells[0].recipe.training.lr:g}, untuned"


def _minutes(study: Study, frame: Frame) -> float:
    """Return the minutes that one more replicate of every cell takes on this machine."""
    seconds = [name for name in ("train_seconds", "evaluation_seconds") if name in frame.columns]
    once = frame.drop_duplicates("trial")
    total = float(once[seconds].to_numpy(float).sum()) if seconds else math.nan
    counts = [group.count for group in study.replicates.groups if group.varies]
    shortest = min(counts, default=1)
    return total / 60 / shortest / study.resources.workers_here if total else math.nan


def _full_batch(study: Study) -> int | None:
    """Return the size of the training set, where all cells have the same."""
    sizes = {cell.recipe.sizes.train for cell in _data_cells(study)}
    return sizes.pop() if len(sizes) == 1 else None


def _collapse(study: Study) -> float | None:
    """Return the accuracy below which a network has learned nothing, where chance is known."""
    outputs = {cell.recipe.data.shape().outputs for cell in _data_cells(study)}
    if not study.metric.endswith("accuracy") or len(outputs) != 1:
        return None
    return COLLAPSED / outputs.pop()


def _made(study: Study, frame: Frame) -> dict[str, str]:
    """Return how the outcomes were made, a line a fact; several values stand with their counts."""
    names = {
        "provenance.torch": "torch",
        "provenance.numerics": "numerics version",
        "provenance.numerics_class": "numerics class",
        "provenance.device": "device",
        "provenance.data_digest": "data digest",
        "provenance.source_digest": "digest of own code",
    }
    found = {"randstudy": __version__, "study seed": str(study.seed)}
    for column, name in names.items():
        if column in frame.columns:
            counts = Counter(frame[column].dropna())
            several = len(counts) > 1
            found[name] = "; ".join(
                f"{value} ({count:,} trials)" if several else str(value)
                for value, count in counts.most_common()
            )
    return found
