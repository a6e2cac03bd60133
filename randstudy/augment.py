"""Augmentation: training inputs that change from epoch to epoch."""

from __future__ import annotations

from dataclasses import dataclass

from randstudy.tasks import TaskShape


@dataclass(frozen=True, kw_only=True)
class Augment:
    """What is done to each training input when it is used; evaluation sees inputs as they are."""

    def streams(self) -> frozenset[str]:
        """Return the streams that are consumed."""
        return frozenset()

    def misfits(self, shape: TaskShape) -> list[tuple[str, str]]:
        """Return (field, message) where the data's shape forbids it."""
        return []

    def effective(self) -> Augment:
        """Return it with fields that have no effect set back to their defaults."""
        return self
