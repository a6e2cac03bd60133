"""Which trials may train together, how much memory they take, and how wide a pack may be."""

from __future__ import annotations

import math
from dataclasses import dataclass

from randstudy.models import Model
from randstudy.optimizers import Adam, AdamW, Optimizer, Sgd
from randstudy.recipe import Recipe
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
    model: Model
    optimizer: type[Optimizer]
    nesterov: bool
    batch: int
    steps: int

    def __str__(self) -> str:
        rule = self.optimizer.name + (" nesterov" if self.nesterov else "")
        budget = f"batch {self.batch}, {self.steps} steps"
        return f"{self.model.name} on {self.data.name}, {rule}, {budget}"


def shape_of(recipe: Recipe) -> Shape:
    """Return the shape of a recipe's tensor program."""
    optimizer = recipe.training.optimizer
    nesterov = isinstance(optimizer, Sgd) and optimizer.nesterov
    return Shape(
        recipe.data, recipe.model, type(optimizer), nesterov, recipe.batch, recipe.total_steps
    )


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
