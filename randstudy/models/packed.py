"""The tensor program of any `Network`: its forward function over a pack, and autograd."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from randstudy.models.forward import Network
from randstudy.models.losses import BatchLoss
from randstudy.models.model import Model
from randstudy.models.pack_layers import PackLayers
from randstudy.models.program import BLOCK, Pass, Weights, blocks, one_thread
from randstudy.tasks import TaskShape


class PackedProgram:
    """A network over a pack; with convolutions, in blocks of a fixed number of trials on a CPU.

    oneDNN chooses a grouped convolution's kernel by the total number of channels and by the number
    of threads, and kernels differ in bits. With `BLOCK` groups on one thread, the choice depends
    on neither the pack nor the machine's share. Autograd keeps the trials apart.
    """

    def __init__(self, model: Model, shape: TaskShape, loss: BatchLoss) -> None:
        assert isinstance(model, Network)
        self.model, self.loss = model, loss
        self.classes = shape.outputs
        self.convolves = any(len(found.shape) > 2 for found in model.parameters(shape))
        self.block = BLOCK if self.convolves else 1

    def outputs(self, weights: Weights, inputs: Tensor, way: Pass) -> Tensor:
        """Return the networks' outputs (P, B, K) for inputs (P, B, *shape)."""
        found = []
        with self._threads(inputs):
            for some in blocks(inputs, BLOCK if self.convolves else len(inputs)):
                mine = {path: weight[some] for path, weight in weights.items()}
                found.append(self._forward(mine, inputs[some], way.rows(some)))
        return torch.cat(found)

    def gradients(
        self, weights: Weights, inputs: Tensor, targets: Tensor, way: Pass
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return mean batch losses (P,) and gradients by parameter path."""
        losses: list[Tensor] = []
        found: dict[str, list[Tensor]] = {path: [] for path in weights}
        with self._threads(inputs):
            for some in blocks(inputs, BLOCK if self.convolves else len(inputs)):
                leaves = {
                    path: weight[some].detach().requires_grad_() for path, weight in weights.items()
                }
                with torch.enable_grad():
                    outputs = self._forward(leaves, inputs[some], way.rows(some))
                loss, gradient = self.loss.gradient(outputs.detach(), targets[some])
                losses.append(loss)
                parts = torch.autograd.grad(outputs, list(leaves.values()), gradient)
                for path, part in zip(leaves, parts, strict=True):
                    found[path].append(part)
        return torch.cat(losses), {path: torch.cat(parts) for path, parts in found.items()}

    def _forward(self, weights: Weights, inputs: Tensor, way: Pass) -> Tensor:
        return self.model.forward(PackLayers(weights, way), inputs, self.classes)

    def _threads(self, inputs: Tensor) -> AbstractContextManager[None]:
        """Convolve on one thread of a CPU."""
        alone = self.convolves and inputs.device.type == "cpu"
        return one_thread() if alone else nullcontext()
