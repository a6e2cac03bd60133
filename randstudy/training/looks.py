"""Looking at a pack while it trains: when, and what is then written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from randstudy.recipe import Recipe
from randstudy.recorded import weight_names
from randstudy.training.evaluation import Evaluation, Evaluator
from randstudy.training.gradients import GradientLog
from randstudy.training.layout import Layout
from randstudy.training.observation import Observation
from randstudy.training.records import Record
from randstudy.training.selection import Selection
from randstudy.training.watch import LossMeans

Metrics = Mapping[str, Sequence[float]]
"""Name -> P numbers."""


class Looks:
    """Evaluations of a pack for its curves, for selection and at the end; they move no weight.

    Parameters
    ----------
    means, log : what is noted of each update, by the loop.
    selection : None where the trials do not select by validation.
    """

    def __init__(
        self,
        recipe: Recipe,
        observe: Observation,
        layout: Layout,
        evaluator: Evaluator,
        means: LossMeans,
        log: GradientLog,
        selection: Selection | None,
    ) -> None:
        self.observe, self.layout, self.evaluator = observe, layout, evaluator
        self.means, self.log, self.selection = means, log, selection
        self.total, self.steps_per_epoch = recipe.total_steps, recipe.steps_per_epoch
        self.interval = observe.interval(recipe.steps_per_epoch)
        self.reported = 0
        """Step of the last report."""

    @property
    def next_report(self) -> int:
        """The step of the next evaluation for the record."""
        return min((self.reported // self.interval + 1) * self.interval, self.total)

    @property
    def next_check(self) -> int:
        """The step of the next check for selection."""
        if self.selection is None:
            return self.total
        interval = self.selection.interval
        return min((self.selection.checked // interval + 1) * interval, self.total)

    def evaluate(
        self, weights: Tensor, buffers: Mapping[str, Tensor], split: str, *, keep: bool = False
    ) -> Evaluation:
        """Evaluate networks (P, D) on validation or test examples."""
        return self.evaluator(self.layout.views(weights), buffers, split, keep=keep)

    def stopped(
        self, step: int, found: Metrics, weights: Tensor, buffers: Mapping[str, Tensor]
    ) -> list[int]:
        """Select, where it is time to; return the rows whose patience is at its end."""
        if self.selection is None or step != self.next_check:
            return []
        return self.selection.check(step, found, weights, buffers)

    def report(
        self, step: int, found: Metrics, records: Mapping[int, Record], test: Metrics | None
    ) -> None:
        """Write down the curves' next points, for the trials of these rows.

        Parameters
        ----------
        found : metrics on validation examples.
        test : those on test examples, where somebody asked for the best of them.
        """
        metrics = {
            "train_loss": self.means.since_report(),
            **self.log.since_report(),
            **found,
        }
        for row, record in records.items():
            if test is not None:
                record.select(_of(row, test))
            record.report(step, step / self.steps_per_epoch, _of(row, metrics))

    def begin_anew(self, step: int) -> None:
        """Begin the next stretch of the curves."""
        self.reported = step
        self.means.reported()
        self.log.reported()

    def finals(
        self,
        step: int,
        found: Metrics,
        test: Evaluation,
        weights: NDArray[np.float32],
        clips: Sequence[bool],
    ) -> list[dict[str, float]]:
        """Return each trial's final metrics.

        The final train_loss is the mean over the last epoch's batches, however often was reported.

        Parameters
        ----------
        found, test : metrics on validation examples, and what was found on test examples.
        weights : (P, D) on the host.
        clips : which trials have a limit to their gradient.
        """
        metrics = {"train_loss": self.means.final(step), **found, **test.metrics("test")}
        metrics |= self._at_best()
        logged = self.log.metrics(clips)
        return [
            _of(row, metrics) | self._own_weights(one) | logged[row]
            for row, one in enumerate(weights)
        ]

    def _at_best(self) -> dict[str, list[float]]:
        """Return test metrics of the weights that validation chose."""
        if self.selection is None:
            return {}
        chosen = self.selection
        found = self.evaluate(chosen.weights, chosen.buffers, "test").metrics("test")
        metrics = {f"{name}_at_best_validation": values for name, values in found.items()}
        return metrics | {"steps_at_best_validation": [float(step) for step in chosen.steps]}

    def _own_weights(self, row: NDArray[np.float32]) -> dict[str, float]:
        """Return a trial's weights as metrics, where that was asked for."""
        if not self.observe.weights:
            return {}
        pairs = zip(weight_names(self.layout.parameters), row.tolist(), strict=True)
        return {f"weight.{name}": value for name, value in pairs}

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows."""
        for part in (self.means, self.log, self.selection):
            if part is not None:
                part.keep(rows)


def _of(row: int, metrics: Metrics) -> dict[str, float]:
    return {name: values[row] for name, values in metrics.items()}
