"""What a study comes to in MLflow and on disk, estimated before anything is trained. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence

from randstudy.cadence import interval
from randstudy.design import Cell, Trial
from randstudy.handover import HandedRecipe, Setup
from randstudy.recorded import curve_names, final_names
from randstudy.study import Study

PACK_BYTES, TRIAL_BYTES, EVALUATION_BYTES, PREDICTION_BYTES, LOGIT_BYTES = 13_200, 100, 15, 0.5, 3.7
"""Disk taken in the ledger by a pack's file, a trial, an evaluation, a kept prediction or logit."""

RUN_BYTES, METRIC_BYTES = 4_000, 310
"""Disk taken in MLflow by a run with its parameters and tags, and by a metric value; what all these
really were is printed by ``benchmarks/throughput.py``."""

FIGURES = 4
"""Values of a cell's run for each value of its trials: mean, sd and both ends of an interval."""

COUNTS = 3
"""Trials of a cell that trained, diverged and failed."""


def evaluations_of(study: Study, setup: Setup) -> int:
    """Return how often a trial is evaluated on validation examples, 1 where only its code knows."""
    if isinstance(setup, HandedRecipe):
        return 1
    return study.evaluation.evaluations(setup.total_steps, setup.steps_per_epoch)


def trial_points(study: Study, setup: Setup) -> int:
    """Return the metric values that a trial's run holds, if it ends neither early nor diverged.

    A final metric is not kept again where it repeats the end of its curve. The final train_loss
    does where the last point stands for as many updates as an epoch has.
    """
    if isinstance(setup, HandedRecipe):
        return 1
    asked, per_epoch = study.evaluation, setup.steps_per_epoch
    steps = interval(asked.every_epochs, asked.every_steps, per_epoch)
    last_but_one = (evaluations_of(study, setup) - 1) * steps
    repeats = last_but_one == max(0, setup.total_steps - per_epoch)
    return _values(study, setup) + (not repeats)


def cell_points(study: Study, cell: Cell) -> int:
    """Return the metric values of a cell's run, in which final metrics replace ends of curves.

    At most: a number that is the same in all trials has no interval.
    """
    figures = FIGURES if cell.replicates.size > 1 else 1
    return figures * _values(study, cell.setup) + COUNTS


def disk_bytes(study: Study, trials: Sequence[Trial], packs: int) -> int:
    """Estimate the bytes that these trials add to the store."""
    total = float(PACK_BYTES * packs)
    for trial in trials:
        evaluations = evaluations_of(study, trial.setup)
        total += TRIAL_BYTES + EVALUATION_BYTES * evaluations + _kept_bytes(study, trial.setup)
        if study.tracking.enabled:
            total += RUN_BYTES + METRIC_BYTES * trial_points(study, trial.setup)
    return round(total)


def _values(study: Study, setup: Setup) -> int:
    """Return the points of a trial's curves, and the final metrics that have no curve."""
    if isinstance(setup, HandedRecipe):
        return 1
    curves = curve_names(setup, study.evaluation)
    alone = set(final_names(setup, study.evaluation)) - set(curves)
    return evaluations_of(study, setup) * len(curves) + len(alone)


def _kept_bytes(study: Study, setup: Setup) -> float:
    """Estimate the bytes that what is kept of a trial's test examples takes."""
    if isinstance(setup, HandedRecipe):
        return 0.0
    shape = setup.data.shape()
    if shape.target != "class":
        return 0.0
    predictions = PREDICTION_BYTES if study.evaluation.predictions else 0.0
    logits = LOGIT_BYTES * shape.outputs if study.evaluation.logits else 0.0
    return setup.sizes.test * (predictions + logits)
