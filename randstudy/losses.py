"""Losses that a study names; their arithmetic is in `randstudy.models.losses`."""

from __future__ import annotations

from dataclasses import dataclass

from randstudy.parts import Part
from randstudy.tasks import TaskShape


@dataclass(frozen=True, kw_only=True)
class Loss(Part, kind="loss"):
    """What is minimised; the task's own is cross-entropy for classes, squared error for numbers."""

    def misfits(self, shape: TaskShape) -> list[tuple[str, str]]:
        """Return (field, message) where the task forbids it."""
        return []


@dataclass(frozen=True, kw_only=True)
class CrossEntropy(Loss, name="cross_entropy"):
    """Cross-entropy of classes."""

    def misfits(self, shape: TaskShape) -> list[tuple[str, str]]:
        """Classes only."""
        return [] if shape.target == "class" else [("", "needs classes; the task has numbers")]


@dataclass(frozen=True, kw_only=True)
class SquaredError(Loss, name="squared_error"):
    """Squared error of numbers."""

    def misfits(self, shape: TaskShape) -> list[tuple[str, str]]:
        """Numbers only."""
        return [] if shape.target == "number" else [("", "needs numbers; the task has classes")]
