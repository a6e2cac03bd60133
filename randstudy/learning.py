"""How weights are found: rule, rate, batches, budget, and selection by validation. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from randstudy.cadence import interval
from randstudy.models import Parameter
from randstudy.optimizers import Optimizer, Sgd
from randstudy.parts import Range
from randstudy.schedules import Constant, Schedule
from randstudy.tasks import TaskShape

LR_BATCH = 256
"""Batch at which Goyal et al. (2017) scale linearly from."""


@dataclass(frozen=True, kw_only=True)
class Stopping:
    """Selection by validation: the best weights are kept, and training may end early.

    Its cadence decides numbers, so it is part of the trial, unlike that of `evaluation`.
    """

    metric: Annotated[Literal["validation_loss", "validation_accuracy"], "what is to improve"] = (
        "validation_loss"
    )
    patience: Annotated[
        int | None,
        Range(least=1),
        "checks without improvement after which training ends; null: never",
    ] = None
    min_delta: Annotated[float, Range(least=0), "smallest change that counts as improvement"] = 0.0
    every_epochs: Annotated[int | None, Range(least=1), "epochs between checks; default 1"] = None
    every_steps: Annotated[int | None, Range(least=1), "updates between checks"] = None

    def effective(self, steps_per_epoch: int) -> Stopping:
        """Return it with its interval in whole epochs where it is so many, the default left out."""
        epochs, rest = divmod(self.interval(steps_per_epoch), steps_per_epoch)
        if rest:
            return replace(self, every_epochs=None, every_steps=self.interval(steps_per_epoch))
        return replace(self, every_epochs=None if epochs == 1 else epochs, every_steps=None)

    def interval(self, steps_per_epoch: int) -> int:
        """Return the number of updates between checks."""
        return interval(self.every_epochs, self.every_steps, steps_per_epoch)

    def problems(self) -> list[tuple[str, str]]:
        """Say that one cadence is enough."""
        both = self.every_epochs and self.every_steps
        return [("", "give every_epochs or every_steps, not both")] if both else []

    def misfits(self, shape: TaskShape) -> list[tuple[str, str]]:
        """Say where there is nothing to select by."""
        if "accuracy" in self.metric and shape.target != "class":
            return [("metric", "only tasks with classes have an accuracy")]
        return []


@dataclass(frozen=True, kw_only=True)
class Training:
    """How the weights are found. Give one of `epochs`, `steps` and `examples`."""

    optimizer: Annotated[Optimizer, "the update rule"] = field(default_factory=Sgd)
    lr: Annotated[float, Range(above=0), "learning rate, before schedule and scaling"]
    schedule: Annotated[Schedule, "shape of the learning rate through training"] = field(
        default_factory=Constant
    )
    lr_scaling: Annotated[
        Literal["none", "linear", "sqrt"], "how the learning rate grows with the batch"
    ] = "none"
    lr_batch: Annotated[int, Range(least=1), "batch at which a scaled rate is `lr`"] = LR_BATCH
    batch_size: Annotated[
        int | Literal["full"], Range(least=1), "examples a batch; full is gradient descent"
    ]
    sampling: Annotated[
        Literal["shuffle", "replacement", "sequential"],
        "each epoch in a new order, draws with replacement, or always the same order",
    ] = "shuffle"
    drop_last: Annotated[bool, "leave out an epoch's last batch where it is smaller"] = False
    accumulate: Annotated[int, Range(least=1), "batches whose gradients make one update"] = 1
    epochs: Annotated[int | None, Range(least=1), "passes over the training set"] = None
    steps: Annotated[int | None, Range(least=1), "updates of the weights"] = None
    examples: Annotated[int | None, Range(least=1), "training examples seen, rounded up"] = None
    stopping: Annotated[Stopping | None, "selection by validation; null is none"] = None
    clip_norm: Annotated[
        float | None, Range(above=0), "largest 2-norm of a trial's gradient; null is no clipping"
    ] = None
    clip_value: Annotated[
        float | None, Range(above=0), "largest absolute value in a gradient; null is no clipping"
    ] = None
    loss_bound: Annotated[
        float | None, Range(above=0), "batch loss above which a trial counts as diverged"
    ] = None
    freeze: Annotated[Literal["none", "all_but_last"], "layers that keep their first weights"] = (
        "none"
    )

    def frozen(self, parameters: Sequence[Parameter]) -> int:
        """Return how many of a network's parameters, from the first, are not trained."""
        if self.freeze == "none":
            return 0
        return max(place for place, one in enumerate(parameters) if one.role == "weight")

    def problems(self) -> list[tuple[str, str]]:
        """Return what is wrong with these fields among themselves."""
        budgets = (self.epochs, self.steps, self.examples)
        found = []
        if sum(one is not None for one in budgets) != 1:
            found.append(("", "give either epochs, steps or examples"))
        stopping = [] if self.stopping is None else self.stopping.problems()
        return found + [(f"stopping{dot(name)}", message) for name, message in stopping]


def dot(name: str) -> str:
    """Prefix a sub-field with a dot, or return nothing for the part itself."""
    return f".{name}" if name else ""
