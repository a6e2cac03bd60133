"""Noise that a study adds to training: to inputs, weights, gradients and labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from randstudy.parts import Range
from randstudy.tasks import TaskShape


@dataclass(frozen=True, kw_only=True)
class Noise:
    """How much noise is added while training; evaluation is free of it.

    Labels are drawn once a trial: each example of a training set is mislabelled with the given
    chance, and every other class is then as likely. The rest is drawn anew at each use.
    """

    inputs: Annotated[float, Range(least=0), "sd of Gaussian noise on training inputs"] = 0.0
    weights: Annotated[
        float, Range(least=0), "sd of Gaussian noise on weights (not biases) in each pass"
    ] = 0.0
    gradients: Annotated[float, Range(least=0), "sd of Gaussian noise on gradients"] = 0.0
    labels: Annotated[
        float, Range(0, 1), "chance of a training label to be replaced by another class's"
    ] = 0.0

    def streams(self) -> frozenset[str]:
        """Return the streams that are consumed."""
        found = {"noise"} if self.inputs or self.weights or self.gradients else set()
        return frozenset(found | ({"label"} if self.labels else set()))

    def misfits(self, shape: TaskShape) -> list[tuple[str, str]]:
        """Return (field, message) where the task forbids it."""
        if not self.labels:
            return []
        if shape.target != "class":
            return [("labels", "only tasks with classes have labels that can be replaced")]
        if shape.outputs < 2:
            return [("labels", "one class leaves no other to replace a label by")]
        return []

    def effective(self) -> Noise:
        """Return it with fields that have no effect set back to their defaults."""
        return self
