"""What is written down about each trial of a pack while it trains."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from randstudy.outcomes import Outcome
from randstudy.trials import Trial


@dataclass(kw_only=True)
class Record:
    """The growing record of one trial; `finish` or `diverge` turns it into an outcome."""

    trial: Trial
    provenance: Mapping[str, str]
    steps: list[int] = field(default_factory=list)
    epochs: list[float] = field(default_factory=list)
    curves: dict[str, list[float]] = field(default_factory=dict)
    train_seconds: float = 0.0
    evaluation_seconds: float = 0.0

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
        weights: NDArray[np.float32],
        *,
        predictions: NDArray[np.uint8] | None,
        logits: NDArray[np.float32] | None,
    ) -> Outcome:
        """Close a trial that reached its budget.

        One whose last update made it non-finite shows so only now; it diverged at its last step.
        """
        broken = [name for name, value in metrics.items() if not math.isfinite(value)]
        if broken:
            return self.diverge(step, f"non-finite {broken[0]}", metrics)
        return self._outcome(
            "finished",
            "",
            step,
            metrics,
            predictions=predictions,
            logits=logits,
            # Adding zero makes -0.0 and 0.0 one: their difference never reaches an output.
            digest=hashlib.blake2b((weights + 0.0).tobytes(), digest_size=16).hexdigest(),
        )

    def diverge(self, step: int, reason: str, metrics: Mapping[str, float]) -> Outcome:
        """Close a trial that diverged after `step` updates; its final metrics are all NaN."""
        return self._outcome("diverged", reason, step, dict.fromkeys(metrics, math.nan))

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
            },
        )
