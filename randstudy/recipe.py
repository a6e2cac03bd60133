"""A recipe: every field that can change a training's numbers, resolved for one cell.

Defaults of training are in `learning`; parts keep theirs in their own class. Torch-free.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, TypeVar

from randstudy.augment import Augment
from randstudy.inits import Init, KaimingUniform
from randstudy.learning import LR_BATCH, Stopping, Training, dot
from randstudy.losses import Loss
from randstudy.models import Mlp, Model
from randstudy.noise import Noise
from randstudy.pruning import Pruning, RandomPruning
from randstudy.splits import Given, Splitting
from randstudy.tasks import Data, Digits, Sizes

__all__ = ["PARTS", "TRAINING_PARTS", "Recipe", "Stopping", "Training", "differing"]


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
    def batch_sizes(self) -> tuple[int, ...]:
        """Examples in an epoch's batches, each size once; the last batch may be smaller."""
        last = self.examples_per_epoch - (self.batches_per_epoch - 1) * self.batch
        return (self.batch,) if last == self.batch else (self.batch, last)

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
        used = min(self.batch * self.accumulate, self.examples_per_epoch)
        ratio = used / self.training.lr_batch
        return {"none": 1.0, "linear": ratio, "sqrt": math.sqrt(ratio)}[self.training.lr_scaling]

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
        found += [(f"training{dot(name)}", text) for name, text in self.training.problems()]
        stopping = self.training.stopping
        if stopping is not None and stopping.patience and self.pruning.rewind_to:
            message = "an update that a training which ends early may never reach; see patience"
            found.append(("pruning.rewind_to", message))
        return found or self._misfits()

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
        schedule = self.training.schedule.misfits(self.total_steps)
        found += [(f"training.schedule{dot(name)}", text) for name, text in schedule]
        train = self.sizes.train
        if self.batch > train:
            message = f"{self.batch} is larger than the training set of {train}; use full"
            found.append(("training.batch_size", message))
        if self.training.stopping is not None:
            unfit = self.training.stopping.misfits(shape)
            found += [(f"training.stopping{dot(name)}", message) for name, message in unfit]
        unfit = self.model.misfits(self.data)
        found += [(f"model{dot(name)}", message) for name, message in unfit]
        if not unfit:
            pruned = self.pruning.misfits(self.model.parameters(shape), self.total_steps)
            found += [(f"pruning{dot(name)}", message) for name, message in pruned]
            unmade = self.init.unmade(self.model.parameters(shape))
            found += [(f"init{dot(name)}", message) for name, message in unmade]
            found += self._batch_misfits(self.model.least_batch(shape))
        if self.training.freeze != "none" and not self.model.layered:
            message = "wants to know which layer is last, which your own module does not tell"
            found.append(("training.freeze", message))
        return found

    def _batch_misfits(self, least: int) -> list[tuple[str, str]]:
        """Return which batches are too small to normalise by their variance."""
        found = []
        whole = self.total_steps >= self.steps_per_epoch
        smallest = self.batch_sizes[-1] if whole else min(self.batch, self.sizes.train)
        if smallest < least:
            message = f"a batch of {smallest} has no variance to normalise by; see also drop_last"
            found.append(("training.batch_size", message))
        scored = self.pruning.scored_examples
        if scored is not None and min(scored, self.sizes.train) < least:
            message = f"a batch of {scored} has no variance to normalise by"
            found.append(("pruning.examples", message))
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
        # Parameters are worked out only where they matter: a design does this for every cell.
        if self.pruning.active and self._layers == 1:
            parts["pruning"] = parts["pruning"].of_one_layer()
        if self.loss is not None and self.loss.usual:
            parts["loss"] = None
        return differing(self, parts | {"training": self._effective_training()})

    @property
    def _layers(self) -> int:
        """Layers with weights."""
        return sum(one.role == "weight" for one in self.model.parameters(self.data.shape()))

    def _effective_training(self) -> Training:
        training = self.training
        found: dict[str, Any] = {
            name: getattr(training, name).effective() for name in TRAINING_PARTS
        }
        batch, sampling = training.batch_size, training.sampling
        if batch == self.sizes.train:
            found["batch_size"] = batch = "full"
        if batch == "full" and sampling == "sequential":
            found["sampling"] = "shuffle"
        if self.examples_per_epoch == self.sizes.train:
            found["drop_last"] = False
        if self.lr_scale == 1:
            found |= {"lr_scaling": "none", "lr_batch": LR_BATCH}
        found["accumulate"] = self.accumulate
        if training.freeze != "none" and not training.frozen(
            self.model.parameters(self.data.shape())
        ):
            found["freeze"] = "none"
        if training.stopping is not None:
            found["stopping"] = training.stopping.effective(self.steps_per_epoch)
        if training.epochs is None:
            found |= self._budget()
        return differing(training, found)

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
