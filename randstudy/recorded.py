"""What a training of a recipe writes down, by name: its curves, and its final metrics.

Known before anything is trained, so that a study may name them, a plan may count them, and a trial
that diverged has the columns of one that did not. Torch-free.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from randstudy.models import Model, Parameter
from randstudy.pruning import density_names
from randstudy.recipe import Recipe
from randstudy.tasks import TaskShape

MOST_WEIGHTS = 100
"""Networks with more weights than this do not keep them as metrics."""


class Asked(Protocol):
    """What is to be recorded beyond losses and accuracies: a study's wishes, or a pack's."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """People's own, as ``package.module:function``."""

    @property
    def gradient_norms(self) -> str:
        """How closely: "none", "total" or "layers"."""

    @property
    def test_selected(self) -> bool:
        """Whether the best on test examples is kept."""

    @property
    def weights(self) -> bool:
        """Whether the final weights are kept."""


def curve_names(recipe: Recipe, asked: Asked) -> list[str]:
    """Return the metrics that each evaluation adds a point to."""
    norms = [] if asked.gradient_norms == "none" else ["gradient_norm"]
    validation = [f"validation_{kind}" for kind in _kinds(recipe, asked)]
    return ["train_loss", *norms, *validation]


def final_names(recipe: Recipe, asked: Asked) -> list[str]:
    """Return the final metrics of a trial; where it diverged, each is NaN."""
    training, kinds = recipe.training, _kinds(recipe, asked)
    test = [f"test_{kind}" for kind in kinds]
    found = ["train_loss", *(f"validation_{kind}" for kind in kinds), *test]
    if training.stopping is not None:
        found += [f"{name}_at_best_validation" for name in test]
        found.append("steps_at_best_validation")
    if asked.weights:
        found += [f"weight.{name}" for name in weight_names(parameters(recipe))]
    if training.clip_norm is not None or training.clip_value is not None:
        found.append("clipped_share")
    found += _norm_names(recipe, asked.gradient_norms)
    if asked.test_selected:
        found += [f"{name}_test_selected" for name in test]
    if recipe.pruning.active:
        found += density_names(recipe.pruning, parameters(recipe))
    return found


def parameters(recipe: Recipe) -> Sequence[Parameter]:
    """Return the parameters of a recipe's network."""
    return _parameters(recipe.model, recipe.data.shape())


def weight_names(parameters: Sequence[Parameter]) -> list[str]:
    """Return a name for each weight: its parameter's path, and its place where it is not alone."""
    return [
        parameter.path if parameter.size == 1 else f"{parameter.path}.{place}"
        for parameter in parameters
        for place in range(parameter.size)
    ]


def _kinds(recipe: Recipe, asked: Asked) -> list[str]:
    """Return what is measured on validation and on test examples."""
    known = ["loss", "accuracy"] if recipe.data.shape().target == "class" else ["loss"]
    return known + [name.rpartition(":")[2] for name in asked.metrics]


def _norm_names(recipe: Recipe, detail: str) -> list[str]:
    """Return the names of gradient norms: of the whole, and of each parameter that is trained."""
    if detail == "none":
        return []
    of = [""]
    if detail == "layers":
        whole = parameters(recipe)
        of += [f".{one.path}" for one in whole[recipe.training.frozen(whole) :]]
    return [f"gradient_norm_{kind}{ending}" for ending in of for kind in ("mean", "min", "max")]


@lru_cache(maxsize=256)
def _parameters(model: Model, shape: TaskShape) -> Sequence[Parameter]:
    """Keep what a design's many cells ask for again and again."""
    return model.parameters(shape)
