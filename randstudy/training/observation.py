"""What is looked at while training; it changes no trial's numbers."""

from __future__ import annotations

from dataclasses import dataclass

from randstudy.cadence import interval


@dataclass(frozen=True, kw_only=True)
class Observation:
    """When trials are evaluated on validation examples, and what is kept.

    Attributes
    ----------
    every_epochs, every_steps : evaluate every so many epochs or updates, and at the end.
    predictions, logits : keep the predicted classes, the outputs, of test examples.
    test_selected : evaluate on test examples each time, and keep the best.
    gradient_norms : "none", "total" or "layers".
    weights : keep the final weights, each as a metric.
    metrics : people's own, as ``package.module:function``.
    extras : the last four in words, for the record.
    """

    every_epochs: int | None = 1
    every_steps: int | None = None
    predictions: bool = True
    logits: bool = False
    test_selected: bool = False
    gradient_norms: str = "none"
    weights: bool = False
    metrics: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()

    def interval(self, steps_per_epoch: int) -> int:
        """Return the number of updates between evaluations."""
        return interval(self.every_epochs, self.every_steps, steps_per_epoch)
