"""Losses that a study names; their arithmetic is in `randstudy.models.losses`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from randstudy.parts import Part, Range
from randstudy.tasks import TaskShape


@dataclass(frozen=True, kw_only=True)
class Loss(Part, kind="loss"):
    """What is minimised; the task's own is cross-entropy for classes, squared error for numbers."""

    @property
    def usual(self) -> bool:
        """Whether this is what tasks minimise anyway, so that naming it changes nothing."""
        return False

    def misfits(self, shape: TaskShape) -> list[tuple[str, str]]:
        """Return (field, message) where the task forbids it."""
        return []


@dataclass(frozen=True, kw_only=True)
class CrossEntropy(Loss, name="cross_entropy"):
    """Cross-entropy of classes, perhaps with smoothed targets (Szegedy et al. 2016)."""

    label_smoothing: Annotated[
        float, Range(least=0, below=1), "share of each target that is spread over all classes"
    ] = 0.0

    @property
    def usual(self) -> bool:
        """Without smoothing it is the task's own."""
        return self.label_smoothing == 0

    def misfits(self, shape: TaskShape) -> list[tuple[str, str]]:
        """Classes only."""
        return [] if shape.target == "class" else [("", "needs classes; the task has numbers")]


@dataclass(frozen=True, kw_only=True)
class SquaredError(Loss, name="squared_error"):
    """Squared error of numbers."""

    @property
    def usual(self) -> bool:
        """It is the task's own."""
        return True

    def misfits(self, shape: TaskShape) -> list[tuple[str, str]]:
        """Numbers only."""
        return [] if shape.target == "number" else [("", "needs numbers; the task has classes")]
