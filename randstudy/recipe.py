"""A recipe: every field that can change a training's numbers, resolved for one cell.

This is the one home of the defaults of training; parts keep theirs in their own class. Torch-free.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, Literal, TypeVar

from randstudy.augment import Augment
from randstudy.inits import Init, KaimingUniform
from randstudy.losses import Loss
from randstudy.models import Mlp, Model, Parameter
from randstudy.noise import Noise
from randstudy.optimizers import Optimizer, Sgd
from randstudy.parts import Range
from randstudy.pruning import Pruning, RandomPruning
from randstudy.schedules import Constant, Schedule
from randstudy.splits import Given, Splitting
from randstudy.tasks import Data, Digits, Sizes

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

    def interval(self, steps_per_epoch: int) -> int:
        """Return the number of updates between checks."""
        return self.every_steps or (self.every_epochs or 1) * steps_per_epoch


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


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Data, split, model, init, pruning, noise and training of one cell."""

    data: Annotated[Data, "what is learned"] = field(default_factory=Digits)
    split: Annotated[Splitting, "which examples train, validate and test"] = field(
        default_factory=Given
    )
    augment: Annotated[Augment, "changes to training inputs"] = field(default_factory=Augment)
    noise: Annotated[Noise, "noise on inputs, weights, gradients and labels"] = field(
        default_factory=Noise
    )
    model: Annotated[Model, "the network"] = field(default_factory=Mlp)
    init: Annotated[Init, "the scheme that draws the first weights"] = field(
        default_factory=KaimingUniform
    )
    pruning: Annotated[Pruning, "weights that are removed and kept at zero"] = field(
        default_factory=RandomPruning
    )
    loss: Annotated[Loss | None, "what is minimised; null is the task's own"] = None
    training: Annotated[Training, "optimizer, learning rate, batch size, budget"]

    @cached_property
    def sizes(self) -> Sizes:
        """Examples that train, validate and test."""
        return self.split.sizes(self.data)

    @cached_property
    def batch(self) -> int:
        """Examples in a full-sized batch."""
        size = self.training.batch_size
        return self.sizes.train if size == "full" else size

    @cached_property
    def batches_per_epoch(self) -> int:
        """Batches in an epoch; the last may be smaller, and is kept unless `drop_last`."""
        train, batch = self.sizes.train, self.batch
        return max(1, train // batch) if self.training.drop_last else math.ceil(train / batch)

    @property
    def smallest_batch(self) -> int:
        """Examples in an epoch's last batch."""
        return self.examples_per_epoch - (self.batches_per_epoch - 1) * self.batch

    @property
    def examples_per_epoch(self) -> int:
        """Examples that an epoch uses."""
        dropping = self.training.drop_last and self.batch <= self.sizes.train
        return self.batches_per_epoch * self.batch if dropping else self.sizes.train

    @property
    def steps_per_epoch(self) -> int:
        """Updates in an epoch."""
        return math.ceil(self.batches_per_epoch / self.accumulate)

    @property
    def total_steps(self) -> int:
        """Updates from first to last, if nothing stops training early."""
        training = self.training
        if training.steps is not None:
            return training.steps
        if training.epochs is not None:
            return training.epochs * self.steps_per_epoch
        assert training.examples is not None, "checked when the study was read"
        epochs, rest = divmod(training.examples, self.examples_per_epoch)
        batches = math.ceil(rest / self.batch)
        return epochs * self.steps_per_epoch + math.ceil(batches / self.accumulate)

    @property
    def accumulate(self) -> int:
        """Batches that make one update; updates do not reach over the end of an epoch."""
        return min(self.training.accumulate, self.batches_per_epoch)

    @property
    def lr_scale(self) -> float:
        """Return the factor on the learning rate that the batch makes."""
        ratio = self.batch * self.accumulate / self.training.lr_batch
        return {"none": 1.0, "linear": ratio, "sqrt": math.sqrt(ratio)}[self.training.lr_scaling]

    def rate(self, step: int) -> float:
        """Return the learning rate of update `step`, counted from 0."""
        factor = self.training.schedule.factor(step, self.total_steps)
        return self.training.lr * self.lr_scale * factor

    def streams(self) -> frozenset[str]:
        """Return the streams that a training by this recipe consumes."""
        sampling, full = self.training.sampling, self.training.batch_size == "full"
        fixed_order = sampling == "sequential" or (sampling == "shuffle" and full)
        order = frozenset() if fixed_order else frozenset({"order"})
        training = self.training
        parts = (self.augment, self.noise, self.init, self.pruning, training.optimizer)
        of_data = self.split.consumes(self.data)
        of_model = self.model.consumes(self.data.shape())
        return order.union(of_data, of_model, *(part.streams() for part in parts))

    def problems(self) -> list[tuple[str, str]]:
        """Return (dotted field, message) for settings that cannot be trained together."""
        parts = {name: getattr(self, name) for name in PARTS}
        parts |= {f"training.{name}": getattr(self.training, name) for name in TRAINING_PARTS}
        found = [
            (f"{path}{dot(name)}", message)
            for path, part in parts.items()
            if part is not None
            for name, message in part.problems()
        ]
        found += self._training_problems()
        return found or self._misfits()

    def _training_problems(self) -> list[tuple[str, str]]:
        """Return what is wrong with the fields of training among themselves."""
        training, found = self.training, []
        if (
            sum(one is not None for one in (training.epochs, training.steps, training.examples))
            != 1
        ):
            found.append(("training", "give either epochs, steps or examples"))
        stopping = training.stopping
        if stopping is not None and stopping.every_epochs and stopping.every_steps:
            found.append(("training.stopping", "give every_epochs or every_steps, not both"))
        return found

    def _misfits(self) -> list[tuple[str, str]]:
        """Return what does not fit the data."""
        shape = self.data.shape()
        checks = {
            "split": self.split.misfits(self.data),
            "augment": self.augment.misfits(shape),
            "noise": self.noise.misfits(shape),
            "loss": [] if self.loss is None else self.loss.misfits(shape),
            "init": self.init.misfits(self.model),
        }
        found = [
            (f"{path}{dot(name)}", text) for path, some in checks.items() for name, text in some
        ]
        if found:
            return found
        train = self.sizes.train
        if self.batch > train:
            message = f"{self.batch} is larger than the training set of {train}; use full"
            found.append(("training.batch_size", message))
        stopping = self.training.stopping
        if stopping is not None and "accuracy" in stopping.metric and shape.target != "class":
            found.append(("training.stopping.metric", "only tasks with classes have an accuracy"))
        unfit = self.model.misfits(self.data)
        found += [(f"model{dot(name)}", message) for name, message in unfit]
        if not unfit:
            pruned = self.pruning.misfits(self.model.parameters(shape), self.total_steps)
            found += [(f"pruning{dot(name)}", message) for name, message in pruned]
        if not unfit and self.smallest_batch < self.model.least_batch(shape):
            message = f"a batch of {self.smallest_batch} has no variance to normalise by"
            found.append(("training.batch_size", f"{message}; see also drop_last"))
        return found

    def effective(self) -> Recipe:
        """Return the recipe with fields that have no effect set back to their defaults.

        Two recipes that train the same numbers then compare equal, and so share their trials.
        """
        parts: dict[str, Any] = {
            name: None if getattr(self, name) is None else getattr(self, name).effective()
            for name in (*PARTS, "augment", "noise")
        }
        parts["data"] = self.split.of(parts["data"])
        if self.loss is not None and self.loss.usual:
            parts["loss"] = None
        return differing(self, parts | {"training": self._effective_training()})

    def _effective_training(self) -> Training:
        training = self.training
        found: dict[str, Any] = {
            name: getattr(training, name).effective() for name in TRAINING_PARTS
        }
        batch, sampling = training.batch_size, training.sampling
        if batch == self.sizes.train and sampling != "replacement":
            found["batch_size"] = batch = "full"
        if batch == "full" and sampling == "sequential":
            found["sampling"] = "shuffle"
        if self.examples_per_epoch == self.sizes.train:
            found["drop_last"] = False
        if self.lr_scale == 1:
            found |= {"lr_scaling": "none", "lr_batch": LR_BATCH}
        found["accumulate"] = self.accumulate
        if training.freeze != "none" and self._one_layer:
            found["freeze"] = "none"
        if training.epochs is None:
            found |= self._budget()
        return differing(training, found)

    @property
    def _one_layer(self) -> bool:
        """Whether the network's last layer is its only one."""
        parameters = self.model.parameters(self.data.shape())
        return sum(parameter.role == "weight" for parameter in parameters) == 1

    def _budget(self) -> dict[str, Any]:
        """Return the same budget in epochs where it is whole, else in steps."""
        epochs, rest = divmod(self.total_steps, self.steps_per_epoch)
        steps = self.total_steps if rest else None
        return {"epochs": None if rest else epochs, "steps": steps, "examples": None}


Owner = TypeVar("Owner", Training, "Recipe")


def differing(owner: Owner, fields: Mapping[str, Any]) -> Owner:
    """Return `owner` with these fields, itself where they are what it has."""
    new = {name: value for name, value in fields.items() if getattr(owner, name) is not value}
    return replace(owner, **new) if new else owner


PARTS = ("data", "split", "model", "init", "pruning", "loss")
TRAINING_PARTS = ("optimizer", "schedule")


MOST_WEIGHTS = 100
"""Networks with more weights than this do not keep them as metrics."""


def weight_names(parameters: Sequence[Parameter]) -> list[str]:
    """Return a name for each weight: its parameter's path, and its place where it is not alone."""
    return [
        parameter.path if parameter.size == 1 else f"{parameter.path}.{place}"
        for parameter in parameters
        for place in range(parameter.size)
    ]


def dot(name: str) -> str:
    """Prefix a sub-field with a dot, or return nothing for the part itself."""
    return f".{name}" if name else ""
