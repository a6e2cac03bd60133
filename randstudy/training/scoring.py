"""Scores of some of a pack's networks, by methods that take a pass through them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from randstudy.models.losses import batch_loss
from randstudy.models.program import Pass, Program, program
from randstudy.pruning import GraspPruning, ScoredPruning, SnipPruning, SynflowPruning
from randstudy.training.layout import Arrays, padded
from randstudy.training.memory import AT_ONCE
from randstudy.training.pack_data import PackData
from randstudy.training.perturbation import Perturbation
from randstudy.training.scores import (
    EverythingKept,
    ScoredExamples,
    SumOfOutputs,
    gradient_flow,
    sensitivity,
    synaptic_flow,
)
from randstudy.trials import Trial


class Scoring:
    """Computes scores; a network's are the same bits in any pack."""

    def __init__(
        self,
        members: Sequence[Trial],
        program: Program,
        data: PackData,
        perturbation: Perturbation,
    ) -> None:
        recipe = members[0].recipe
        self.model, self.loss = recipe.model, batch_loss(recipe.loss)
        self.program, self.data, self.perturbation = program, data, perturbation

    @cached_property
    def flow(self) -> Program:
        """The networks with the sum of their outputs in the place of a loss."""
        return program(self.model, self.data.shape, SumOfOutputs())

    def __call__(
        self, kind: ScoredPruning, rows: list[int], weights: Arrays, buffers: Mapping[str, Tensor]
    ) -> dict[str, NDArray[np.float32]]:
        """Return path -> (n, *shape) scores.

        Parameters
        ----------
        kind : the method; its rates do not matter.
        rows : the n rows of the pack that are scored.
        weights : path -> (n, *shape), on the host.
        buffers : path -> (P, *shape) of the whole pack, on the device.
        """
        parts = []
        for start in range(0, len(rows), AT_ONCE):
            places = list(range(start, min(start + AT_ONCE, len(rows))))
            found = self._some(kind, places, rows, weights, buffers)
            parts.append({path: one[: len(places)].cpu().numpy() for path, one in found.items()})
        return {path: np.concatenate([part[path] for part in parts]) for path in parts[0]}

    def _some(
        self,
        kind: ScoredPruning,
        places: list[int],
        rows: list[int],
        weights: Arrays,
        buffers: Mapping[str, Tensor],
    ) -> dict[str, Tensor]:
        """Score the networks at these places among those asked for, and silent twins."""
        device = torch.device(self.data.device)
        places = padded(places, self.program.block, device)
        members = torch.tensor([rows[place] for place in places], device=device)
        own = {path: torch.from_numpy(one[places]).to(device) for path, one in weights.items()}
        way = Pass(
            training=True,
            # Copies: a training pass writes to its buffers.
            buffers={path: buffer[members] for path, buffer in buffers.items()},
            dropout=EverythingKept(len(places), next(iter(own.values()))),
        )
        if isinstance(kind, SynflowPruning):
            inputs, _ = self.data.batch(self.data.rows["train"][members, :1])
            return synaptic_flow(self.flow, own, inputs, way)
        assert isinstance(kind, SnipPruning | GraspPruning)
        batch = self._examples(members, kind.examples)
        if isinstance(kind, SnipPruning):
            return sensitivity(self.program, own, batch, way)
        return gradient_flow(self.program, self.loss, own, batch, way, kind.temperature)

    def _examples(self, members: Tensor, most: int) -> ScoredExamples:
        """Return each trial's own training examples."""
        rows = self.data.spaced(most)
        told = self.perturbation.targets(self.data.targets[rows], self.data.samples(rows))
        inputs, _ = self.data.batch(rows[members])
        return ScoredExamples(inputs, told[members])
