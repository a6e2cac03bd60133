"""The tensor program of somebody's own module: in blocks where it can be, else one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from randstudy.models import Model
from randstudy.models.losses import BatchLoss
from randstudy.models.modules.anatomy import ModuleError, said
from randstudy.models.modules.network import Network
from randstudy.models.modules.packing import alone, obstacle
from randstudy.models.program import BLOCK, Pass, Weights, blocks, one_thread
from randstudy.tasks import TaskShape

Result = tuple[Tensor, dict[str, Tensor]]


class ModuleProgram:
    """A module of somebody's own over a pack.

    Whether passes of a batch size are computed for several trials at once is found out when the
    first one comes (`randstudy.models.modules.packing`). Where not, each trial is computed in plain
    torch, from copies of its own weights: the same numbers in any pack. Both on one thread, as
    nobody knows beforehand which layers differ in bits on two.
    """

    def __init__(self, model: Model, shape: TaskShape, loss: BatchLoss) -> None:
        self.model, self.shape, self.loss = model, shape, loss
        self.network = Network(model, shape)
        self.block = BLOCK if alone(model, shape) is None else 1

    def outputs(self, weights: Weights, inputs: Tensor, way: Pass) -> Tensor:
        """Return the networks' outputs (P, B, K)."""
        self.network.like(inputs)
        factors = self._factors(inputs, way)
        if not self._packed(inputs, way):
            rows = range(len(inputs))
            return torch.stack(
                [self._one(_row(weights, row), inputs, way, factors, row) for row in rows]
            )
        return torch.cat(
            [
                self._several(_rows(weights, some), inputs[some], way.rows(some), factors, some)
                for some in blocks(inputs, self.block)
            ]
        )

    def gradients(
        self, weights: Weights, inputs: Tensor, targets: Tensor, way: Pass
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return mean batch losses (P,) and gradients by parameter path."""
        self.network.like(inputs)
        factors = self._factors(inputs, way)
        if not self._packed(inputs, way):
            return self._gradients_alone(weights, inputs, targets, way, factors)
        losses, parts = [], []
        for some in blocks(inputs, self.block):
            leaves = _leaves(_rows(weights, some))
            with torch.enable_grad():
                outputs = self._several(leaves, inputs[some], way.rows(some), factors, some)
            loss, gradient = self.loss.gradient(outputs.detach(), targets[some])
            losses.append(loss)
            with one_thread():
                parts.append(_pulled(outputs, leaves, gradient))
        found = {path: torch.cat([part[path] for part in parts]) for path in weights}
        return torch.cat(losses), found

    def _gradients_alone(
        self,
        weights: Weights,
        inputs: Tensor,
        targets: Tensor,
        way: Pass,
        factors: Sequence[Tensor],
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Do so trial by trial; only the loss, whose rows are apart, is that of the whole pack."""
        pack = len(inputs)
        kept = [way.buffers[path] for path in self.network.buffers]
        # The silent twin of a lone trial has its numbers, so they are not computed twice.
        twins = pack == 2 and _alike([inputs, targets, *factors, *kept, *weights.values()])
        leaves = [_leaves(_row(weights, row)) for row in range(1 if twins else pack)]
        with torch.enable_grad():
            outputs = [self._one(own, inputs, way, factors, row) for row, own in enumerate(leaves)]
        losses, gradient = self.loss.gradient(
            _widened([one.detach() for one in outputs], pack), targets
        )
        with one_thread():
            parts = [
                _pulled(one, own, gradient[row])
                for row, (one, own) in enumerate(zip(outputs, leaves, strict=True))
            ]
        for buffer in kept if twins else ():
            buffer[1:] = buffer[:1]
        return losses, {path: _widened([part[path] for part in parts], pack) for path in weights}

    def _one(
        self,
        own: Weights,
        inputs: Tensor,
        way: Pass,
        factors: Sequence[Tensor],
        row: int,
    ) -> Tensor:
        """Compute one trial from its own weights."""
        kept = {path: way.buffers[path][row] for path in self.network.buffers}
        with one_thread():
            outputs, after = self.network.one(
                own,
                kept,
                # A copy lies in memory as it would for the trial alone.
                inputs[row].clone(),
                [factor[row].clone() for factor in factors],
                training=way.training,
            )
        self._keep(way, kept, after)
        return outputs

    def _several(
        self,
        weights: Weights,
        inputs: Tensor,
        way: Pass,
        factors: Sequence[Tensor],
        some: slice,
    ) -> Tensor:
        """Compute a block of trials; weights, inputs and pass are its own already."""
        kept = {path: way.buffers[path] for path in self.network.buffers}
        drawn = [factor[some] for factor in factors]
        with one_thread():
            outputs, after = self.network.several(
                weights, kept, inputs, drawn, training=way.training
            )
        self._keep(way, kept, after)
        return outputs

    def _keep(self, way: Pass, kept: Weights, after: Weights) -> None:
        """Let a training pass change the buffers."""
        if way.training:
            with torch.no_grad():
                for path, buffer in kept.items():
                    buffer.copy_(after[path])

    def _factors(self, inputs: Tensor, way: Pass) -> list[Tensor]:
        """Return the pack's factors at each site of a training pass, in the order of the sites."""
        if not way.training:
            return []
        try:
            sites = self.network.sites(inputs.shape[1])
        except Exception as error:
            raise ModuleError(
                f"the model fails on a training batch of {inputs.shape[1]}: {said(error)}; if it "
                "is an epoch's last, training.drop_last: true leaves it out"
            ) from error
        stream = way.dropout
        if stream is None:
            return []
        return [
            stream.factors(site.path, site.shape, site.rate).reshape(len(inputs), *site.broadcast)
            for site in sites
        ]

    def _packed(self, inputs: Tensor, way: Pass) -> bool:
        """Tell whether this pass is computed for several trials at once."""
        if self.block == 1:
            return False
        return obstacle(self.model, self.shape, inputs.shape[1], way.training) is None


def _rows(weights: Weights, some: slice) -> dict[str, Tensor]:
    """Return a block's weights, each in one piece."""
    return {path: weight[some].contiguous() for path, weight in weights.items()}


def _row(weights: Weights, row: int) -> dict[str, Tensor]:
    """Return copies of a trial's weights."""
    return {path: weight[row].clone() for path, weight in weights.items()}


def _alike(tensors: Sequence[Tensor]) -> bool:
    """Tell whether the first two rows of each are equal."""
    return all(torch.equal(tensor[0], tensor[1]) for tensor in tensors)


def _widened(rows: Sequence[Tensor], width: int) -> Tensor:
    """Return rows as one tensor; a single one as often as there are to be."""
    return torch.stack(list(rows) * (width if len(rows) == 1 else 1))


def _leaves(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {path: weight.detach().requires_grad_() for path, weight in weights.items()}


def _pulled(outputs: Tensor, leaves: dict[str, Tensor], gradient: Tensor) -> dict[str, Any]:
    """Return the gradient at each weight from that at the outputs; zero where one is unused."""
    parts = torch.autograd.grad(
        outputs, list(leaves.values()), gradient, allow_unused=True, materialize_grads=True
    )
    return dict(zip(leaves, parts, strict=True))
