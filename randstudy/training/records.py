"""What is written down about each trial of a pack while it trains."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from randstudy.outcomes import Outcome
from randstudy.training.phases import Line
from randstudy.trials import Trial

PLAIN = ("train_loss", "validation_loss", "test_loss", "validation_accuracy", "test_accuracy")
"""Final metrics that are finite unless a trial diverged."""


def digest(weights: Sequence[NDArray[np.float32]]) -> str:
    """Return 32 hex digits over a trial's weights and buffers."""
    found = hashlib.blake2b(digest_size=16)
    for array in weights:
        # Adding zero makes -0.0 and 0.0 one: their difference never reaches an output.
        found.update((array + 0.0).tobytes())
    return found.hexdigest()


@dataclass(kw_only=True)
class Record:
    """The growing record of one trial; `finish` or `diverge` turns it into an outcome."""

    line: Line
    provenance: Mapping[str, str]
    steps: list[int] = field(default_factory=list)
    epochs: list[float] = field(default_factory=list)
    curves: dict[str, list[float]] = field(default_factory=dict)
    train_seconds: float = 0.0
    evaluation_seconds: float = 0.0
    measured: dict[str, float] = field(default_factory=dict)
    best_test: dict[str, float] = field(default_factory=dict)
    densities: dict[str, float] = field(default_factory=dict)

    @property
    def trial(self) -> Trial:
        """The trial that this is a training of; others may share it."""
        return self.line.trial

    def report(self, step: int, epoch: float, metrics: Mapping[str, float]) -> None:
        """Add one evaluation."""
        self.steps.append(step)
        self.epochs.append(epoch)
        for name, value in metrics.items():
            self.curves.setdefault(name, []).append(value)

    def finish(
        self,
        step: int,
        metrics: Mapping[str, float],
        weights: Sequence[NDArray[np.float32]],
        *,
        predictions: NDArray[np.uint8] | None,
        logits: NDArray[np.float32] | None,
        examples: int,
        peak_bytes: float,
    ) -> Outcome:
        """Close a trial that reached its end.

        One whose last update made it non-finite shows so only now; it diverged at its last step.

        Parameters
        ----------
        weights : its weights, and then its buffers, flat.
        examples : training examples that it has seen.
        """
        broken = [name for name in PLAIN if not math.isfinite(metrics.get(name, 0.0))]
        if self.train_seconds > 0:
            self.measured["examples_per_second"] = examples / self.train_seconds
        self.measured["peak_memory_bytes"] = peak_bytes
        if broken:
            return self.diverge(step, f"non-finite {broken[0]}")
        return self._outcome(
            "finished",
            "",
            step,
            {**metrics, **self._test_selected(), **self.densities},
            predictions=predictions,
            logits=logits,
            digest=digest(weights),
        )

    def diverge(self, step: int, reason: str) -> Outcome:
        """Close a training that diverged after `step` updates; its trials name their metrics."""
        return self._outcome("diverged", reason, step, {})

    def select(self, found: Mapping[str, float]) -> None:
        """Note a look at test examples."""
        for name, value in found.items():
            better = min if name.endswith("loss") else max
            self.best_test[name] = better(self.best_test.get(name, value), value)

    def _test_selected(self) -> dict[str, float]:
        """Return the best that was seen on test examples, under names that say so."""
        return {f"{name}_test_selected": value for name, value in self.best_test.items()}

    def _outcome(
        self,
        status: str,
        reason: str,
        step: int,
        metrics: Mapping[str, float],
        *,
        predictions: NDArray[np.uint8] | None = None,
        logits: NDArray[np.float32] | None = None,
        digest: str = "",
    ) -> Outcome:
        return Outcome(
            trial=self.trial.id,
            status="finished" if status == "finished" else "diverged",
            reason=reason,
            steps=step,
            metrics=dict(metrics),
            curve_step=np.array(self.steps, np.int64),
            curve_epoch=np.array(self.epochs, np.float64),
            curves={name: np.array(values) for name, values in self.curves.items()},
            predictions=predictions,
            logits=logits,
            weights_digest=digest,
            settings=self.trial.settings,
            replicates=dict(self.trial.replicates),
            provenance=self.provenance,
            seconds={
                "train_seconds": self.train_seconds,
                "evaluation_seconds": self.evaluation_seconds,
                **self.measured,
            },
        )
