"""A recipe: every field that can change a training's numbers, resolved for one cell.

This is the one home of the defaults of training; parts keep theirs in their own class. Torch-free.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from randstudy.inits import Init, KaimingUniform
from randstudy.models import Mlp, Model
from randstudy.optimizers import Optimizer, Sgd
from randstudy.parts import Range
from randstudy.pruning import Pruning, RandomPruning
from randstudy.tasks import Data, Digits


@dataclass(frozen=True, kw_only=True)
class Training:
    """How the weights are found. Give `epochs` or `steps`, not both."""

    optimizer: Annotated[Optimizer, "the update rule"] = field(default_factory=Sgd)
    lr: Annotated[float, Range(above=0), "learning rate, constant through training"]
    batch_size: Annotated[
        int | Literal["full"], Range(least=1), "examples a step; full is gradient descent"
    ]
    epochs: Annotated[int | None, Range(least=1), "passes over the training set"] = None
    steps: Annotated[int | None, Range(least=1), "updates of the weights"] = None
    clip_norm: Annotated[
        float | None, Range(above=0), "largest 2-norm of a trial's gradient; null is no clipping"
    ] = None


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Data, model, init, pruning and training of one cell."""

    data: Annotated[Data, "what is learned"] = field(default_factory=Digits)
    model: Annotated[Model, "the network"] = field(default_factory=Mlp)
    init: Annotated[Init, "the scheme that draws the first weights"] = field(
        default_factory=KaimingUniform
    )
    pruning: Annotated[Pruning, "weights removed before training, and kept at zero"] = field(
        default_factory=RandomPruning
    )
    training: Annotated[Training, "optimizer, learning rate, batch size, budget"]

    @property
    def batch(self) -> int:
        """Examples in a full-sized batch."""
        size = self.training.batch_size
        return self.data.sizes().train if size == "full" else size

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch; the last may be smaller, and is kept."""
        return math.ceil(self.data.sizes().train / self.batch)

    @property
    def total_steps(self) -> int:
        """Updates from first to last."""
        if self.training.steps is not None:
            return self.training.steps
        assert self.training.epochs is not None, "checked when the study was read"
        return self.training.epochs * self.steps_per_epoch

    def streams(self) -> frozenset[str]:
        """Return the streams that a training by this recipe consumes."""
        order = frozenset() if self.training.batch_size == "full" else frozenset({"order"})
        parts = (self.data, self.model, self.init, self.pruning, self.training.optimizer)
        return order.union(*(part.streams() for part in parts))

    def problems(self) -> list[tuple[str, str]]:
        """Return (dotted field, message) for settings that cannot be trained together."""
        found: list[tuple[str, str]] = []
        for path in ("data", "model", "init", "pruning"):
            part = getattr(self, path)
            found += [(f"{path}.{name}", message) for name, message in part.problems()]
        found += [
            (f"training.optimizer.{name}", message)
            for name, message in self.training.optimizer.problems()
        ]
        if (self.training.epochs is None) == (self.training.steps is None):
            found.append(("training", "give either epochs or steps"))
        if found:
            return found
        train = self.data.sizes().train
        if self.batch > train:
            found.append(
                (
                    "training.batch_size",
                    f"{self.batch} is larger than the training set of {train}; use full",
                )
            )
        found += [(f"model{dot(name)}", message) for name, message in self.model.misfits(self.data)]
        return found

    def effective(self) -> Recipe:
        """Return the recipe with fields that have no effect set back to their defaults.

        Two recipes that train the same numbers then compare equal, and so share their trials.
        """
        training = self.training
        if training.batch_size == self.data.sizes().train:
            training = replace(training, batch_size="full")
        whole = training.steps is not None and training.steps % self.steps_per_epoch == 0
        if training.steps is not None and whole:
            # The same budget in the other unit.
            epochs = training.steps // self.steps_per_epoch
            training = replace(training, steps=None, epochs=epochs)
        return replace(
            self,
            data=self.data.effective(),
            model=self.model.effective(),
            init=self.init.effective(),
            pruning=self.pruning.effective(),
            training=replace(training, optimizer=training.optimizer.effective()),
        )


def dot(name: str) -> str:
    """Prefix a sub-field with a dot, or return nothing for the part itself."""
    return f".{name}" if name else ""
