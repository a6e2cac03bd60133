"""What a pack starts from: first weights, masks and buffers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from randstudy import inits, streams
from randstudy.models import Parameter
from randstudy.models.program import Pass, Program
from randstudy.pruning import Masks, Pruning, RandomPruning, density
from randstudy.training.layout import Layout
from randstudy.training.lsuv import rescale
from randstudy.training.pack_data import PackData
from randstudy.training.pruner import Pruned, Pruner
from randstudy.trials import Trial


@dataclass(eq=False)
class Start:
    """Where the training of a pack begins.

    Attributes
    ----------
    weights : (P, D), zero where the mask is.
    masks : path -> (P, *shape), what is kept; empty where no trial is pruned.
    mask : (P, D) of 0 and 1, None where no trial is pruned.
    buffers : path -> (P, *shape).
    broken : row -> why a trial cannot be trained.
    prunings : what was done to each row.
    """

    weights: Tensor
    masks: Masks
    mask: Tensor | None
    buffers: dict[str, Tensor]
    broken: dict[int, str]
    prunings: Sequence[Pruning]
    parameters: Sequence[Parameter]

    def densities(self, row: int) -> dict[str, float]:
        """Return the fraction of weights kept, in all and by parameter, where a row is pruned."""
        if not self.prunings[row].active:
            return {}
        own = {path: kept[row] for path, kept in self.masks.items()}
        return density(own, self.prunings[row], self.parameters)


class Drawing:
    """Draws first weights on the host, row by row, the same bits in any pack."""

    def __init__(
        self,
        members: Sequence[Trial],
        layout: Layout,
        program: Program,
        data: PackData,
    ) -> None:
        self.members, self.layout, self.program = members, layout, program
        self.data, self.device = data, data.device

    def buffers(self) -> dict[str, Tensor]:
        """Return path -> (P, *shape) of buffers that have seen nothing."""
        model, width = self.members[0].recipe.model, len(self.members)
        return {
            buffer.path: torch.full((width, *buffer.shape), buffer.value, device=self.device)
            for buffer in model.buffers(self.data.shape)
        }

    def weights(self, *, again: bool = False) -> dict[str, NDArray[np.float32]]:
        """Return path -> (P, *shape); `again` draws a second, independent time."""
        schemes = [trial.recipe.init for trial in self.members]
        keys = [trial.key("init") for trial in self.members]
        if again:
            keys = [streams.again(key) for key in keys]
        found = inits.initial(schemes, keys, self.layout.parameters)
        way = Pass(buffers=self.buffers())
        rescale(schemes, found, self.layout.parameters, self.data, self.program, way)
        return found


def first(drawing: Drawing, pruner: Pruner) -> Start:
    """Draw weights, and prune those trials that are pruned at init."""
    buffers, weights = drawing.buffers(), drawing.weights()
    prunings = [trial.recipe.pruning for trial in drawing.members]
    now = [one if one.when == "init" else RandomPruning() for one in prunings]
    pruned = pruner(now, weights, buffers)
    redraw(drawing, weights, [row for row, one in enumerate(now) if one.active and one.reinit])
    return started(drawing, weights, buffers, pruned, now)


def redraw(drawing: Drawing, weights: Mapping[str, NDArray[np.float32]], rows: list[int]) -> None:
    """Draw the weights of some rows anew, in place."""
    if rows:
        for path, found in drawing.weights(again=True).items():
            weights[path][rows] = found[rows]


def started(
    drawing: Drawing,
    weights: Mapping[str, NDArray[np.float32]],
    buffers: dict[str, Tensor],
    pruned: Pruned,
    prunings: Sequence[Pruning],
) -> Start:
    """Ship what was drawn or carried on to the device."""
    layout, width = drawing.layout, len(drawing.members)
    shipped = layout.stack(weights, width).to(drawing.device)
    mask: Tensor | None = None
    if pruned.masks:
        mask = layout.stack(pruned.masks, width, missing=1.0).to(drawing.device)
        # Adding zero turns the -0.0 of a removed negative weight into 0.0.
        shipped.mul_(mask).add_(0.0)
    return Start(shipped, pruned.masks, mask, buffers, pruned.broken, prunings, layout.parameters)
