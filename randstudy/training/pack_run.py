"""The loop: a pack trained from its first draw to its outcomes."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from randstudy import inits, pruning, streams
from randstudy.models.losses import batch_loss
from randstudy.models.program import Pass, program
from randstudy.numerics import configure, numerics_class, versions
from randstudy.outcomes import Outcome
from randstudy.training.evaluation import Evaluation, evaluate
from randstudy.training.layout import Layout
from randstudy.training.pack_data import PackData
from randstudy.training.records import Record
from randstudy.training.updates import Clipping, update_rule
from randstudy.trials import Trial

NARROWEST = 2
"""Batched matrix products of width 1 take another path and other bits; see `numerics`."""

CHECK_EVERY = {"cpu": 1, "cuda": 32}
"""Steps between looks for non-finite losses. A look waits for a GPU; what a trial did after the
step at which it diverged is dropped, so the number changes no outcome."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What is looked at while training; it changes no trial's numbers.

    Evaluation on validation examples every so many epochs or steps, and at the end.
    """

    every_epochs: int | None = 1
    every_steps: int | None = None
    predictions: bool = True
    logits: bool = False

    def interval(self, steps_per_epoch: int) -> int:
        """Return the number of steps between evaluations."""
        if self.every_steps is not None:
            return self.every_steps
        return (self.every_epochs or 1) * steps_per_epoch


class PackRun:
    """Trials that agree in shapes, batch size, kind of optimizer and budget, trained together.

    Parameters
    ----------
    trials : the P trials; they may differ in init, pruning, rates and replicates.
    device : "cpu" or a CUDA device.
    threads : torch's threads in this process; they change no bit.
    observe : when to evaluate and what to keep.

    Call `advance` until `done`; `take` hands over outcomes as trials end.
    """

    def __init__(
        self,
        trials: Sequence[Trial],
        *,
        device: str = "cpu",
        threads: int = 1,
        observe: Observation | None = None,
    ) -> None:
        configure(device, threads)
        recipe = trials[0].recipe
        self.device = torch.device(device)
        self.total = recipe.total_steps
        self.steps_per_epoch = recipe.steps_per_epoch
        self.batch = recipe.batch
        self.ordered = "order" in recipe.streams()
        self.observe = observe or Observation()
        self.interval = self.observe.interval(self.steps_per_epoch)
        provenance = {
            "numerics_class": numerics_class(device),
            "data_digest": recipe.data.digest(),
            **versions(),
        }
        self.records = [Record(trial=trial, provenance=provenance) for trial in trials]
        self.step = 0
        self._ended: list[Outcome] = []
        shape = recipe.data.shape()
        self.program = program(recipe.model, shape, batch_loss(recipe.loss))
        self.layout = Layout(recipe.model.parameters(shape))
        rows = torch.tensor(self._padded(list(range(len(trials)))))
        self.members = [trials[row] for row in rows.tolist()]
        self.data = PackData(self.members, device)
        self._draw_weights()
        trainings = [trial.recipe.training for trial in self.members]
        self.update = update_rule(trainings, self.weights)
        self.clipping = Clipping(trainings, self.weights, self.layout)
        zeros = torch.zeros(len(rows), dtype=torch.float64, device=self.device)
        self.loss_sum, self.last_epoch_sum = zeros, zeros.clone()
        self.reported = 0
        self.unchecked: list[Tensor] = []

    @property
    def done(self) -> bool:
        """Whether every trial has ended."""
        return not self.records

    @property
    def alive(self) -> int:
        """Trials still training."""
        return len(self.records)

    def take(self) -> list[Outcome]:
        """Hand over the outcomes of trials that ended since the last call."""
        ended, self._ended = self._ended, []
        return ended

    @torch.no_grad()
    def advance(self, seconds: float = math.inf) -> None:
        """Train for about `seconds`, or to the end; an epoch's evaluation is not cut short."""
        stop = time.monotonic() + seconds
        while not self.done:
            self._train_to(min(self._next_event(), self.total), stop)
            if self.step == self._next_event() or self.step == self.total:
                self._report()
            if time.monotonic() >= stop:
                return

    def walk(self, steps: int) -> None:
        """Take some steps without reporting: for timing only."""
        with torch.no_grad():
            for _ in range(min(steps, self.total - self.step)):
                if not self.done:
                    self._one_step()

    def wait(self) -> None:
        """Wait for the device to finish what it was given: for timing only."""
        self.loss_sum.tolist()

    def look(self) -> Evaluation:
        """Evaluate on validation examples without reporting: for timing only."""
        found = self._evaluate("validation")
        found.loss.tolist()
        return found

    def _next_event(self) -> int:
        """Return the step of the next evaluation."""
        return min((self.reported // self.interval + 1) * self.interval, self.total)

    def _padded(self, rows: list[int]) -> list[int]:
        """Add silent twins of the first row, up to a width that keeps the bits."""
        block = self.program.block if self.device.type == "cpu" else 1
        width = max(NARROWEST, math.ceil(len(rows) / block) * block)
        return rows + rows[:1] * (width - len(rows))

    def _draw_weights(self) -> None:
        """Draw first weights and masks on the host, and ship them."""
        recipes = [trial.recipe for trial in self.members]
        parameters = self.layout.parameters
        first = inits.initial(
            [recipe.init for recipe in recipes],
            [trial.key("init") for trial in self.members],
            parameters,
        )
        kept = pruning.masks(
            [recipe.pruning for recipe in recipes],
            [trial.key("mask") for trial in self.members],
            parameters,
            first,
        )
        width = len(self.members)
        self.weights = self.layout.stack(first, width).to(self.device)
        self.mask: Tensor | None = None
        if kept:
            self.mask = self.layout.stack(kept, width, missing=1.0).to(self.device)
            # Adding zero turns the -0.0 of a removed negative weight into 0.0.
            self.weights.mul_(self.mask).add_(0.0)

    def _train_to(self, event: int, stop: float) -> None:
        """Take steps until `event`, the end of all trials, or the time is up."""
        began, width = time.monotonic(), max(1, self.alive)
        while self.step < event and not self.done:
            self._one_step()
            if time.monotonic() >= stop:
                break
        spent = (time.monotonic() - began) / width
        for record in self.records:
            record.train_seconds += spent

    def _one_step(self) -> None:
        place = self.step % self.steps_per_epoch
        if place == 0:
            self._draw_epoch(self.step // self.steps_per_epoch)
        rows = self.epoch_rows[:, place * self.batch : (place + 1) * self.batch]
        inputs, targets = self.data.batch(rows)
        weights = self.layout.views(self.weights)
        losses, gradients = self.program.gradients(weights, inputs, targets, Pass(training=True))
        gradient = self.layout.flatten(gradients)
        if self.mask is not None:
            gradient.mul_(self.mask)
        self.clipping.apply(gradient)
        self.update.apply(self.weights, gradient, self.step + 1)
        self._account(losses)

    def _draw_epoch(self, epoch: int) -> None:
        """Set each trial's order of its training rows."""
        rows = self.data.rows["train"]
        if self.ordered:
            keys = [trial.key("order") for trial in self.members]
            orders = streams.permutations(keys, rows.shape[1], epoch=epoch)
            rows = rows.gather(1, torch.from_numpy(orders).to(self.device))
        self.epoch_rows = rows

    def _account(self, losses: Tensor) -> None:
        """Add the batch losses (P,) of the step just taken; look for non-finite ones."""
        self.loss_sum += losses
        if self.step >= self.total - self.steps_per_epoch:
            self.last_epoch_sum += losses
        self.step += 1
        self.unchecked.append(losses)
        if len(self.unchecked) >= CHECK_EVERY[self.device.type]:
            self._check()

    def _check(self) -> None:
        """Let trials whose loss turned non-finite leave the pack."""
        if not self.unchecked:
            return
        finite = torch.stack(self.unchecked).isfinite()
        first = self.step - len(self.unchecked)
        self.unchecked = []
        if bool(finite.all()):
            return
        broken = (~finite[:, : self.alive]).cpu().numpy()
        at = {row: first + int(broken[:, row].argmax()) for row in range(self.alive)}
        leaving = {row: at[row] for row in range(self.alive) if broken[:, row].any()}
        names = [f"{split}_{kind}" for split in ("validation", "test") for kind in self._kinds()]
        for row, step in leaving.items():
            outcome = self.records[row].diverge(
                step, "non-finite loss", dict.fromkeys(["train_loss", *names], 0.0)
            )
            self._ended.append(outcome)
        self._keep([row for row in range(self.alive) if row not in leaving])

    def _kinds(self) -> tuple[str, ...]:
        """Return the kinds of metric of this task."""
        return ("loss", "accuracy") if self.data.shape.target == "class" else ("loss",)

    def _keep(self, rows: list[int]) -> None:
        """Drop all other trials from the pack, changing no bit of these."""
        self.records = [self.records[row] for row in rows]
        if not rows:
            return
        kept = self._padded(rows)
        self.members = [self.members[row] for row in kept]
        index = torch.tensor(kept, device=self.device)
        self.weights = self.weights[index]
        self.mask = None if self.mask is None else self.mask[index]
        self.loss_sum, self.last_epoch_sum = self.loss_sum[index], self.last_epoch_sum[index]
        self.epoch_rows = self.epoch_rows[index]
        for part in (self.data, self.update, self.clipping):
            part.keep(index)

    def _report(self) -> None:
        """Evaluate on validation examples; at the end, on test examples too, and close."""
        self._check()
        if self.done:
            return
        began = time.monotonic()
        metrics = {"train_loss": (self.loss_sum / (self.step - self.reported)).tolist()}
        metrics |= self._evaluate("validation").metrics("validation")
        epoch = self.step / self.steps_per_epoch
        for row, record in enumerate(self.records):
            record.report(self.step, epoch, {name: found[row] for name, found in metrics.items()})
        self.loss_sum = torch.zeros_like(self.loss_sum)
        self.reported = self.step
        last = self.step == self.total
        test = self._evaluate("test", logits=self.observe.logits) if last else None
        spent = (time.monotonic() - began) / self.alive
        for record in self.records:
            record.evaluation_seconds += spent
        if test is not None:
            self._finish(metrics | test.metrics("test"), test)

    def _evaluate(self, split: str, *, logits: bool = False) -> Evaluation:
        weights = self.layout.views(self.weights)
        return evaluate(self.program, weights, self.data, split, logits=logits)

    def _finish(self, metrics: dict[str, list[float]], test: Evaluation) -> None:
        """Close all trials that reached the budget.

        The final train_loss is the mean over the last epoch's batches, however often was reported.
        """
        window = min(self.steps_per_epoch, self.total)
        metrics["train_loss"] = (self.last_epoch_sum / window).tolist()
        weights = self.weights.cpu().numpy()
        predictions = _host(test.predictions if self.observe.predictions else None)
        logits = _host(test.logits)
        for row, record in enumerate(self.records):
            outcome = record.finish(
                self.step,
                {name: found[row] for name, found in metrics.items()},
                weights[row],
                predictions=None if predictions is None else predictions[row],
                logits=None if logits is None else logits[row],
            )
            self._ended.append(outcome)
        self.records = []


def _host(kept: Tensor | None) -> NDArray[Any] | None:
    """Return an array of what is kept of each trial, if anything is."""
    return None if kept is None else kept.cpu().numpy()
