"""Trials that are trained more than once: what is shared, carried on, pruned and rewound.

Pruned after training, a trial is a line of trainings (`randstudy.lineage`). A pack trains the
distinct first trainings of its trials side by side, then the distinct second ones, and so on; a
trial ends with its last. What goes from one training to the next are weights, mask and buffers;
optimizer, order and schedule begin anew.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from randstudy import digests
from randstudy.lineage import beginnings
from randstudy.models.program import Program
from randstudy.outcomes import Outcome
from randstudy.pruning import Masks
from randstudy.recorded import final_names
from randstudy.training.first_weights import Drawing, Start, first, redraw, started
from randstudy.training.layout import Layout
from randstudy.training.observation import Observation
from randstudy.training.pack_data import PackData
from randstudy.training.perturbation import Perturbation
from randstudy.training.pruner import Pruner
from randstudy.trials import Trial


@dataclass(frozen=True, eq=False)
class State:
    """One network: weights (D,), mask (D,) or None, buffers path -> shape; a copy of its own."""

    weights: Tensor
    mask: Tensor | None
    buffers: Mapping[str, Tensor]

    @classmethod
    def of(
        cls, row: int, weights: Tensor, mask: Tensor | None, buffers: Mapping[str, Tensor]
    ) -> State:
        """Copy one row of a pack."""
        own = {path: buffer[row].clone() for path, buffer in buffers.items()}
        return cls(weights[row].clone(), None if mask is None else mask[row].clone(), own)


@dataclass(eq=False)
class Line:
    """One training, shared by the trials that have it in common.

    Attributes
    ----------
    trials : that share it; the first stands for all.
    number : which of their trainings it is, from 0.
    before : what the training before it came to; None for the first.
    marks : update of the first training -> the network there, for rounds that rewind to it.
    seconds : each trial's share of the time of the trainings before.
    """

    trials: tuple[Trial, ...]
    number: int = 0
    before: State | None = None
    marks: dict[int, State] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def trial(self) -> Trial:
        """The trial that stands for all."""
        return self.trials[0]

    def ends(self, trial: Trial) -> bool:
        """Tell whether this is the trial's last training."""
        return trial.recipe.pruning.trainings == self.number + 1

    @property
    def goes_on(self) -> bool:
        """Whether another training follows for some trial."""
        return not all(map(self.ends, self.trials))

    @property
    def wanted(self) -> set[int]:
        """Updates whose weights some later round returns to."""
        if self.number:
            return set()
        found = {one.recipe.pruning.rewind_to for one in self.trials if not self.ends(one)}
        return {step for step in found if step is not None}

    def outcomes(self, outcome: Outcome, observe: Observation) -> list[Outcome]:
        """Return the outcomes of trials that end with this training, or because it diverged."""
        lost = outcome.status == "diverged"
        ending = [trial for trial in self.trials if lost or self.ends(trial)]
        return [self._outcome(trial, outcome, observe) for trial in ending]

    def _outcome(self, trial: Trial, outcome: Outcome, observe: Observation) -> Outcome:
        """Return a trial's own outcome from that of a training that it shares."""
        reason, metrics = outcome.reason, outcome.metrics
        if outcome.status == "diverged":
            metrics = dict.fromkeys(final_names(trial.recipe, observe), math.nan)
            total = trial.recipe.pruning.trainings
            reason += f" in training {self.number + 1} of {total}" if total > 1 else ""
        return replace(
            outcome,
            trial=trial.id,
            reason=reason,
            metrics=metrics,
            settings=trial.settings,
            replicates=dict(trial.replicates),
            provenance={**outcome.provenance, **digests.provenance(trial.recipe)},
            seconds=dict(outcome.seconds) | self._spent(outcome.seconds),
        )

    def _spent(self, seconds: Mapping[str, float]) -> dict[str, float]:
        """Return a trial's share of the time so far."""
        return {
            name: self.seconds.get(name, 0.0) + seconds[name] / len(self.trials)
            for name in ("train_seconds", "evaluation_seconds")
        }

    def next(self, outcome: Outcome, state: State) -> list[Line]:
        """Return the trainings that follow this one, which has come to `state`."""
        following: dict[Hashable, list[Trial]] = {}
        for trial in self.trials:
            if not self.ends(trial):
                key = beginnings(trial)[self.number + 1]
                following.setdefault(key, []).append(trial)
        return [
            Line(tuple(some), self.number + 1, state, self.marks, self._spent(outcome.seconds))
            for some in following.values()
        ]


class Phases:
    """The trainings of a pack, one rank of them after the other."""

    def __init__(self, trials: Sequence[Trial], observe: Observation) -> None:
        self.observe = observe
        self.total = max(trial.recipe.pruning.trainings for trial in trials)
        self.number = 0
        self.marks: list[int] = []
        shared: dict[Hashable, list[Trial]] = {}
        for place, trial in enumerate(trials):
            key = beginnings(trial)[0] if self.total > 1 else place
            shared.setdefault(key, []).append(trial)
        self.waiting = [Line(tuple(some)) for some in shared.values()]

    def begin(self) -> list[Line]:
        """Return the lines to be trained now; what follows them gathers for the next call."""
        lines, self.waiting = self.waiting, []
        self.number = lines[0].number
        self.marks = sorted({step for line in lines for step in line.wanted})
        return lines

    def next_mark(self, step: int, total: int) -> int:
        """Return the next update whose weights are wanted, or the last."""
        return next((mark for mark in self.marks if mark > step), total)

    def close(self, line: Line, outcome: Outcome, state: State | None) -> list[Outcome]:
        """Take back a training that ended; return the outcomes of trials that end with it.

        Parameters
        ----------
        state : what it came to; None where it diverged or nothing follows.
        """
        if state is not None and outcome.status == "finished":
            self.waiting += line.next(outcome, state)
        return line.outcomes(outcome, self.observe)


def begin(
    lines: Sequence[Line],
    layout: Layout,
    program: Program,
    data: PackData,
    perturbation: Perturbation,
) -> Start:
    """Return where the trainings of a rank of lines begin."""
    members = [line.trial for line in lines]
    drawing = Drawing(members, layout, program, data)
    pruner = Pruner(members, layout, program, data, perturbation)
    return following(lines, drawing, pruner) if lines[0].number else first(drawing, pruner)


def following(lines: Sequence[Line], drawing: Drawing, pruner: Pruner) -> Start:
    """Prune what was trained, rewind or redraw it, and begin the next training."""
    stages = [line.trial.recipe.pruning.stages()[line.number - 1] for line in lines]
    before = [line.before for line in lines]
    layout = drawing.layout
    trained = layout.views(torch.stack([one.weights for one in before if one]).cpu())
    buffers = _stacked([one.buffers for one in before if one])
    own = {path: values.numpy() for path, values in trained.items()}
    pruned = pruner(stages, own, buffers, _kept(before, layout))
    kept: list[State] = []
    for line, stage, one in zip(lines, stages, before, strict=True):
        assert one is not None
        kept.append(one if stage.rewind_to is None else line.marks.get(stage.rewind_to, one))
    weights = layout.views(torch.stack([one.weights for one in kept]).cpu())
    carried = {path: values.numpy() for path, values in weights.items()}
    buffers = _stacked([one.buffers for one in kept])
    anew = [row for row, stage in enumerate(stages) if stage.reinit]
    redraw(drawing, carried, anew)
    if anew:
        for path, fresh in drawing.buffers().items():
            buffers[path][anew] = fresh[anew]
    return started(drawing, carried, buffers, pruned, stages)


def _stacked(buffers: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return path -> (P, *shape) from the buffers of P networks."""
    return {path: torch.stack([one[path] for one in buffers]) for path in buffers[0]}


def _kept(before: Sequence[State | None], layout: Layout) -> Masks | None:
    """Return what earlier rounds kept, path -> (P, *shape); None where there were none."""
    found = [None if one is None else one.mask for one in before]
    if all(mask is None for mask in found):
        return None
    rows = [torch.ones(layout.size) if mask is None else mask.cpu() for mask in found]
    views = layout.views(torch.stack(rows))
    return {path: values.numpy() > 0 for path, values in views.items()}
