"""What a pack starts from: first weights, masks and buffers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from randstudy import inits, pruning
from randstudy.models.program import Pass, Program
from randstudy.training.layout import Layout
from randstudy.training.lsuv import rescale
from randstudy.training.pack_data import PackData
from randstudy.trials import Trial


class FirstWeights:
    """Drawn on the host, row by row, and shipped to the device.

    Attributes
    ----------
    weights : (P, D), zero where the mask is.
    mask : (P, D) of 0 and 1, None where no trial prunes.
    buffers : path -> (P, *shape).
    """

    def __init__(
        self,
        members: Sequence[Trial],
        layout: Layout,
        program: Program,
        data: PackData,
        device: torch.device,
    ) -> None:
        recipes = [trial.recipe for trial in members]
        parameters, width = layout.parameters, len(members)
        self.buffers = {
            buffer.path: torch.full((width, *buffer.shape), buffer.value, device=device)
            for buffer in recipes[0].model.buffers(data.shape)
        }
        schemes = [recipe.init for recipe in recipes]
        first = inits.initial(schemes, [trial.key("init") for trial in members], parameters)
        rescale(schemes, first, parameters, data, program, Pass(buffers=self.buffers))
        kept = pruning.masks(
            [recipe.pruning for recipe in recipes],
            [trial.key("mask") for trial in members],
            parameters,
            first,
        )
        self.weights = layout.stack(first, width).to(device)
        self.mask: Tensor | None = None
        if kept:
            self.mask = layout.stack(kept, width, missing=1.0).to(device)
            # Adding zero turns the -0.0 of a removed negative weight into 0.0.
            self.weights.mul_(self.mask).add_(0.0)
