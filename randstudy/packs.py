"""Which trials may train together, how much memory they take, and how wide a pack may be."""

from __future__ import annotations

import math
from dataclasses import dataclass

from randstudy.augment import Augment
from randstudy.fields import settings
from randstudy.losses import Loss
from randstudy.models import Model
from randstudy.noise import Noise
from randstudy.optimizers import Adam, AdamW, Optimizer, Sgd
from randstudy.recipe import Recipe
from randstudy.splits import Splitting
from randstudy.tasks import Data

WIDEST = 128
"""Widest pack that `auto` considers; where measured, wider ones were no faster a trial."""

USUAL = 32
"""Width of packs that were never timed: about the best where measured, for small networks."""

FLOAT, INDEX = 4, 8
"""Bytes of a float32 and of an int64."""


@dataclass(frozen=True)
class Shape:
    """What the trials of a pack agree in; all else may differ from row to row."""

    data: Data
    split: Splitting
    augment: Augment
    noise: tuple[str, ...]
    model: Model
    loss: Loss | None
    optimizer: type[Optimizer]
    branch: tuple[bool, ...]
    batch: int
    sampling: str
    per_epoch: tuple[int, int]
    steps: int
    checks: int | None
    freeze: str

    def __str__(self) -> str:
        rule = self.optimizer.name + (
            " nesterov" if self.optimizer is Sgd and any(self.branch) else ""
        )
        budget = f"batch {self.batch}, {self.steps} steps"
        return f"{self.model.name} on {self.data.name}, {rule}, {budget}"


def shape_of(recipe: Recipe) -> Shape:
    """Return the shape of a recipe's tensor program."""
    training, noise = recipe.training, recipe.noise
    stopping = training.stopping
    return Shape(
        data=recipe.data,
        split=recipe.split,
        augment=recipe.augment,
        noise=tuple(name for name in settings(Noise) if getattr(noise, name)),
        model=recipe.model,
        loss=recipe.loss,
        optimizer=type(training.optimizer),
        branch=training.optimizer.branch,
        batch=recipe.batch,
        sampling=_order(recipe),
        per_epoch=(recipe.examples_per_epoch, recipe.accumulate),
        steps=recipe.total_steps,
        checks=None if stopping is None else stopping.interval(recipe.steps_per_epoch),
        freeze=training.freeze,
    )


def _order(recipe: Recipe) -> str:
    """Return how examples are drawn; where none are, every way is the same."""
    return recipe.training.sampling if "order" in recipe.streams() else "sequential"


def bytes_per_trial(recipe: Recipe) -> int:
    """Estimate the memory that one more trial adds to a pack, from above.

    Weights, gradient and its pieces, mask, optimizer state; activations and their gradients for a
    batch or an evaluation chunk, and those of the loss; row numbers of all splits, and of an epoch
    in the making.
    """
    shape, sizes = recipe.data.shape(), recipe.sizes
    parameters = recipe.model.parameters(shape)
    size = sum(parameter.size for parameter in parameters)
    moments = 2 if isinstance(recipe.training.optimizer, Adam | AdamW) else 1
    inputs = math.prod(shape.inputs)
    # A convolution is applied at every place of its plane, of which the input's is the largest.
    places = math.prod(shape.inputs[1:])
    layers = sum(
        parameter.shape[0] * (places if len(parameter.shape) == 4 else 1)
        for parameter in parameters
        if parameter.role == "weight"
    )
    examples = max(recipe.batch, 64)
    activations = examples * (inputs + 3 * layers + 3 * shape.outputs)
    rows = 4 * sizes.train + sizes.validation + sizes.test
    return FLOAT * ((5 + moments) * size + activations) + INDEX * rows


def widest(recipe: Recipe, memory: int) -> int:
    """Return how many trials fit into `memory` bytes, at least one and at most `WIDEST`."""
    return max(1, min(WIDEST, memory // bytes_per_trial(recipe)))


def evenly(waiting: int, width: int, workers: int) -> int:
    """Return the size of the next pack so that the last round keeps all workers busy.

    Full packs while there is more than a round of them; then what is left is shared out, but not
    below a quarter of the width, where packing pays less than it costs.
    """
    if waiting >= width * workers:
        return width
    share = math.ceil(waiting / workers)
    return max(1, min(width, waiting, max(share, math.ceil(width / 4))))
