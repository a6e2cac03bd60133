"""Which trials may train together, how much memory they take, and how wide a pack may be."""

from __future__ import annotations

import math
from dataclasses import dataclass

from randstudy.augment import Augment
from randstudy.fields import settings
from randstudy.handover import HandedRecipe, Setup
from randstudy.losses import Loss
from randstudy.models import Model
from randstudy.noise import Noise
from randstudy.optimizers import Adam, AdamW, Optimizer, RmsProp, Sgd
from randstudy.pruning import GraspPruning
from randstudy.recipe import Recipe
from randstudy.splits import Splitting
from randstudy.tasks import Data

WIDEST = 128
"""Widest pack that `auto` considers; where measured, wider ones were no faster a trial."""

USUAL = 32
"""Width of packs that were never timed: about the best where measured, for small networks."""

HANDED = 8
"""Most trials that a worker is given at once for a function of somebody's own."""

MOMENTS: dict[type[Optimizer], int] = {Sgd: 1, Adam: 2, AdamW: 2, RmsProp: 3}
"""Numbers that an update rule keeps for each weight, at most."""

CHUNK = {"cpu": 64, "cuda": 2048}
"""Examples evaluated at once. Fixed for a kind of device: a matrix product's bits may depend on
its number of rows, so the chunk must not depend on the pack."""

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


@dataclass(frozen=True)
class HandedShape:
    """What trials agree in that somebody's own function trains, one after another."""

    function: str

    def __str__(self) -> str:
        return self.function


PackShape = Shape | HandedShape


def fixed_width(shape: PackShape) -> int | None:
    """Return the width of packs that are not to be calibrated, None where they are."""
    return HANDED if isinstance(shape, HandedShape) else None


def shape_of(setup: Setup) -> PackShape:
    """Return what trials of one pack have in common with this one."""
    if isinstance(setup, HandedRecipe):
        return HandedShape(setup.train.function)
    return _program_shape(setup)


def _program_shape(recipe: Recipe) -> Shape:
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


def bytes_per_trial(recipe: Recipe, device: str = "cpu") -> int:
    """Estimate the memory that one more trial adds to a pack on a device, from above.

    Weights, gradient and its pieces, mask, optimizer state, the weights that validation chose;
    activations and their gradients for a batch or an evaluation chunk, and those of the loss; row
    numbers of all splits, and of an epoch in the making; what augmentation, noise and dropout draw.
    """
    shape, sizes = recipe.data.shape(), recipe.sizes
    parameters = recipe.model.parameters(shape)
    size = sum(parameter.size for parameter in parameters)
    moments = MOMENTS.get(type(recipe.training.optimizer), 1)
    moments += recipe.training.stopping is not None
    inputs = math.prod(shape.inputs)
    layers = recipe.model.activations(shape)
    pruning = recipe.pruning
    # A GraSP score keeps what four passes through a batch leave behind.
    scored = 4 * pruning.examples if isinstance(pruning, GraspPruning) and pruning.active else 0
    evaluated = min(CHUNK[device.partition(":")[0]], max(sizes.train, sizes.validation, sizes.test))
    examples = max(recipe.batch, evaluated, scored)
    activations = examples * (inputs + 3 * layers + 3 * shape.outputs)
    rows = 4 * sizes.train + sizes.validation + sizes.test
    # From one training to the next: weights and mask, those that rounds go back to, and what is
    # there of the training that ends while the next one begins.
    carried = 6 + moments if pruning.trainings > 1 else 0
    # A target takes as much as two floats where it is a class.
    table = recipe.data.sizes().total * (inputs + 2) if recipe.data.own_table else 0
    held = (5 + moments + carried) * size + activations + table + _drawn(recipe, size, layers)
    return FLOAT * held + INDEX * rows


def _drawn(recipe: Recipe, size: int, layers: int) -> int:
    """Return the floats that augmentation, noise and dropout take, from above."""
    noise, inputs = recipe.noise, math.prod(recipe.data.shape().inputs)
    streams = recipe.streams()
    total = 2 * recipe.batch * inputs if "augment" in streams else 0
    total += recipe.batch * inputs if noise.inputs else 0
    total += size * (bool(noise.weights) + bool(noise.gradients))
    total += recipe.data.sizes().total if noise.labels else 0
    # Two bytes a unit, drawn for up to 64 steps at once.
    return total + (32 * recipe.batch * layers if "dropout" in streams else 0)


def widest(recipe: Recipe, memory: int, device: str = "cpu") -> int:
    """Return how many trials fit into `memory` bytes of a device, from one to `WIDEST`."""
    return max(1, min(WIDEST, memory // bytes_per_trial(recipe, device)))


def evenly(waiting: int, width: int, workers: int) -> int:
    """Return the size of the next pack so that the last round keeps all workers busy.

    Full packs while there is more than a round of them; then what is left is shared out, but not
    below a quarter of the width, where packing pays less than it costs.
    """
    if waiting >= width * workers:
        return width
    share = math.ceil(waiting / workers)
    return max(1, min(width, waiting, max(share, math.ceil(width / 4))))
