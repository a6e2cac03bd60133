"""The loop: a pack trained from its first draw to its outcomes."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from randstudy.models.losses import batch_loss
from randstudy.models.program import Pass, program
from randstudy.numerics import configure, numerics_class, versions
from randstudy.outcomes import Outcome
from randstudy.training.batches import Batch, Batches
from randstudy.training.evaluation import Evaluation, Evaluator
from randstudy.training.gradients import Clipping, GradientLog, Norms
from randstudy.training.layout import Layout, padded
from randstudy.training.looks import Looks
from randstudy.training.memory import peak_bytes, reset_peak
from randstudy.training.observation import Observation
from randstudy.training.pack_data import PackData
from randstudy.training.perturbation import Perturbation
from randstudy.training.phases import Line, Phases, State, begin
from randstudy.training.records import Record
from randstudy.training.selection import Selection
from randstudy.training.updates import update_rule
from randstudy.training.watch import LossMeans, Watch
from randstudy.trials import Trial


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
        reset_peak(self.device)
        self.total = recipe.total_steps
        self.steps_per_epoch = recipe.steps_per_epoch
        self.observe = observe or Observation()
        provenance = {
            "numerics_class": numerics_class(device),
            "data_digest": recipe.data.digest(),
            **versions(),
        }
        if self.observe.extras:
            provenance["kept"] = " ".join(self.observe.extras)
        self.provenance = provenance
        self._ended: list[Outcome] = []
        shape = recipe.data.shape()
        self.program = program(recipe.model, shape, batch_loss(recipe.loss))
        self.layout = Layout(recipe.model.parameters(shape))
        self.phases = Phases(trials, self.observe)
        self._begin()

    def _begin(self) -> None:
        """Begin the first training of the trials, or the next of those that have several."""
        lines = self.phases.begin()
        rows = self._padded(list(range(len(lines))))
        self.records = [Record(line=line, provenance=self.provenance) for line in lines]
        self.step = 0
        self.members = [lines[row].trial for row in rows]
        self.data = PackData(self.members, str(self.device))
        broken = self._set_up([lines[row] for row in rows])
        self._mark()
        self._leave({row: (0, why) for row, why in broken.items() if row < self.alive})

    def _set_up(self, lines: Sequence[Line]) -> dict[int, str]:
        """Draw what is drawn before the first update, and make the state of training.

        Returns row -> why for networks that pruning left untrainable.
        """
        recipes = [trial.recipe for trial in self.members]
        trainings = [recipe.training for recipe in recipes]
        self.perturbation = Perturbation(self.members, self.data, self.layout, self.device)
        start = begin(lines, self.layout, self.program, self.data, self.perturbation)
        self.weights, self.mask, self.buffers = start.weights, start.mask, start.buffers
        for row, record in enumerate(self.records):
            record.densities = start.densities(row)
        # Frozen layers are the first ones: what is trained is the tail of each row.
        frozen = trainings[0].frozen(self.layout.parameters)
        self.frozen = self.layout.start(frozen)
        self.batches = Batches(self.members, self.data, occurrences=self.perturbation.by_sample)
        self.update = update_rule(recipes, self._trained(self.weights))
        self.clipping = Clipping(trainings, self.weights)
        self.norms = Norms(self.layout)
        self.log = GradientLog(self.observe.gradient_norms, self.layout, frozen)
        self.watch = Watch(trainings, self.device)
        self.looks = self._looks()
        return start.broken

    def _looks(self) -> Looks:
        recipe = self.members[0].recipe
        selects = recipe.training.stopping is not None
        self.means = LossMeans(self.weights, self.total, self.steps_per_epoch, by_epoch=selects)
        return Looks(
            recipe,
            self.observe,
            self.layout,
            Evaluator(self.program, self.data, self.observe, batch_loss(recipe.loss)),
            self.means,
            self.log,
            Selection(self.members, self.weights, self.buffers) if selects else None,
        )

    @property
    def done(self) -> bool:
        """Whether every trial has ended."""
        return not self.records and not self.phases.waiting

    @property
    def progress(self) -> float:
        """Share of the updates that are done, of all trainings."""
        return (self.phases.number + self.step / self.total) / self.phases.total

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
            if not self.records:
                self._begin()
            mark = self.phases.next_mark(self.step, self.total)
            look = min(self.looks.next_report, self.looks.next_check)
            self._train_to(min(look, mark), stop)
            if self.step == mark:
                self._mark()
            if self.records and self.step == look:
                self._look()
            if time.monotonic() >= stop:
                return

    def walk(self, steps: int) -> None:
        """Take some updates without reporting: for timing only."""
        with torch.no_grad():
            for _ in range(min(steps, self.total - self.step)):
                if self.records:
                    self._one_step()

    def wait(self) -> None:
        """Wait for the device to finish what it was given: for timing only."""
        self.means.since.tolist()

    def look(self) -> Evaluation:
        """Evaluate on validation examples without reporting: for timing only."""
        found = self._evaluate("validation")
        found.loss.tolist()
        return found

    def _padded(self, rows: list[int]) -> list[int]:
        """Add silent twins of the first row, up to a width that keeps the bits."""
        return padded(rows, self.program.block, self.device)

    def _trained(self, rows: Tensor) -> Tensor:
        """Return the columns that are trained, as a view."""
        return rows[:, self.frozen :]

    def _train_to(self, event: int, stop: float) -> None:
        """Take updates until `event`, the end of all trials, or the time is up."""
        began, width = time.monotonic(), max(1, self.alive)
        while self.step < event and self.records:
            self._one_step()
            if time.monotonic() >= stop:
                break
        spent = (time.monotonic() - began) / width
        for record in self.records:
            record.train_seconds += spent

    def _one_step(self) -> None:
        losses, gradient = self._gradient()
        gradient = self._trained(gradient)
        gradient = self.perturbation.gradient(gradient, self.step)
        if self.mask is not None:
            gradient.mul_(self._trained(self.mask))
        self.means.add(losses, self.step)
        due = self.watch.add(losses, gradient)
        each = whole = clipped = None
        if self.clipping.by_norm or self.log.detail != "none":
            each, whole = self.norms(gradient)
        if self.clipping.active:
            clipped = self.clipping.apply(gradient, whole)
        self.log.note(each, whole, clipped)
        self.update.apply(self._trained(self.weights), gradient, self.step + 1)
        self.step += 1
        if due:
            self._check()

    def _gradient(self) -> tuple[Tensor, Tensor]:
        """Return the loss (P,) and gradient (P, D) of an update, over the batches it is made of."""
        losses = gradient = None
        for batch in self.batches.of(self.step):
            loss, part = self._backward(batch)
            if batch.share == 1:
                return loss, part
            loss, part = loss * batch.share, part.mul_(batch.share)
            losses = loss if losses is None else losses.add_(loss)
            gradient = part if gradient is None else gradient.add_(part)
        assert losses is not None
        assert gradient is not None
        return losses, gradient

    def _backward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return mean losses (P,) and gradient (P, D) of one batch."""
        perturbation = self.perturbation
        samples = self.data.samples(batch.rows)
        inputs, targets = self.data.batch(batch.rows)
        inputs = perturbation.inputs(inputs, samples, batch.occurrence, batch.epoch)
        targets = perturbation.targets(targets, samples)
        weights = self.layout.views(perturbation.weights(self.weights, batch.number, self.mask))
        way = Pass(training=True, buffers=self.buffers, dropout=perturbation.dropout(batch.number))
        losses, gradients = self.program.gradients(weights, inputs, targets, way)
        return losses, self.layout.flatten(gradients)

    def _check(self) -> None:
        """Let trials that diverged leave the pack."""
        found = self.watch.diverged(self.step)
        self._leave({row: found[row] for row in sorted(found) if row < self.alive})

    def _leave(self, leaving: Mapping[int, tuple[int, str]]) -> None:
        """Close trials that diverged: row -> the updates before, and why."""
        if not leaving:
            return
        for row, (step, why) in leaving.items():
            record = self.records[row]
            outcome = record.diverge(step, why)
            self._ended += self.phases.close(record.line, outcome, None)
        self._keep([row for row in range(self.alive) if row not in leaving])

    def _mark(self) -> None:
        """Keep the networks of this update that a later round goes back to."""
        for row, record in enumerate(self.records):
            if self.step in record.line.wanted:
                record.line.marks[self.step] = self._state(row)

    def _state(self, row: int) -> State:
        return State.of(row, self.weights, self.mask, self.buffers)

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
        self.buffers = {path: buffer[index] for path, buffer in self.buffers.items()}
        for part in (self.data, self.batches, self.perturbation, self.update, self.clipping):
            part.keep(index)
        self.watch.keep(index)
        self.looks.keep(index)

    def _look(self) -> None:
        """Report, select, and let those trials go that have reached their end."""
        self._check()
        if not self.records:
            return
        began = time.monotonic()
        found = self._evaluate("validation").metrics("validation")
        stopped = self.looks.stopped(self.step, found, self.weights, self.buffers)
        ends = self.step == self.total
        ending = [row for row in range(self.alive) if ends or row in stopped]
        due = self.step == self.looks.next_report
        if due or ending:
            test = self._evaluate("test").metrics("test") if self.observe.test_selected else None
            rows = range(self.alive) if due else ending
            records = {row: self.records[row] for row in rows}
            self.looks.report(self.step, found, records, test)
        if due:
            self.looks.begin_anew(self.step)
        spent = (time.monotonic() - began) / self.alive
        for record in self.records:
            record.evaluation_seconds += spent
        if ending:
            self._finish(ending, found)

    def _evaluate(self, split: str, *, keep: bool = False) -> Evaluation:
        return self.looks.evaluate(self.weights, self.buffers, split, keep=keep)

    def _finish(self, rows: Sequence[int], found: Mapping[str, Sequence[float]]) -> None:
        """Close trials that reached their end, and drop them from the pack."""
        began = time.monotonic()
        test = self._evaluate("test", keep=True)
        weights = self.weights.cpu().numpy()
        finals = self.looks.finals(self.step, found, test, weights, self.clipping.clips)
        buffers = [one.reshape(len(one), -1).cpu().numpy() for one in self.buffers.values()]
        peak = peak_bytes(self.device)
        spent = (time.monotonic() - began) / len(rows)
        for row in rows:
            record = self.records[row]
            record.evaluation_seconds += spent
            outcome = record.finish(
                self.step,
                finals[row],
                [weights[row], *(buffer[row] for buffer in buffers)],
                predictions=test.kept_predictions(row),
                logits=test.kept_logits(row),
                examples=self.batches.examples_by(self.step),
                peak_bytes=peak,
            )
            state = self._state(row) if record.line.goes_on else None
            self._ended += self.phases.close(record.line, outcome, state)
        self._keep([row for row in range(self.alive) if row not in set(rows)])
