"""A small convolutional network over a pack: grouped convolutions, one group a trial."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own name for it)
from torch import Tensor

from randstudy.models import Cnn, Model
from randstudy.models.losses import BatchLoss
from randstudy.models.program import Pass, Weights
from randstudy.tasks import TaskShape


class CnnProgram:
    """`Cnn` over a pack, in blocks of a fixed number of trials on a CPU.

    oneDNN chooses a grouped convolution's kernel by the total number of channels, and kernels
    differ in bits: with the number of groups fixed, the choice no longer depends on the pack.
    Gradients come from autograd, which keeps the groups apart.
    """

    block = 8

    def __init__(self, model: Model, shape: TaskShape, loss: BatchLoss) -> None:
        self.loss = loss
        assert isinstance(model, Cnn)
        self.depth = len(model.channels)

    def outputs(self, weights: Weights, inputs: Tensor, way: Pass) -> Tensor:
        """Return the networks' outputs (P, B, K) for images (P, B, C, H, W)."""
        blocks = [self._forward(block, some) for block, some in self._blocks(weights, inputs)]
        return torch.cat(blocks)

    def gradients(
        self, weights: Weights, inputs: Tensor, targets: Tensor, way: Pass
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return mean batch losses (P,) and gradients by parameter path."""
        losses: list[Tensor] = []
        found: dict[str, list[Tensor]] = {path: [] for path in weights}
        start = 0
        for block, some in self._blocks(weights, inputs):
            leaves = {path: weight.detach().requires_grad_() for path, weight in block.items()}
            with torch.enable_grad():
                outputs = self._forward(leaves, some)
            loss, gradient = self.loss.gradient(
                outputs.detach(), targets[start : start + len(some)]
            )
            start += len(some)
            losses.append(loss)
            parts = torch.autograd.grad(outputs, list(leaves.values()), gradient)
            for path, part in zip(leaves, parts, strict=True):
                found[path].append(part)
        return torch.cat(losses), {path: torch.cat(parts) for path, parts in found.items()}

    def _blocks(self, weights: Weights, inputs: Tensor) -> Iterator[tuple[Weights, Tensor]]:
        """Yield the pack in blocks; whole where there is no oneDNN to outwit."""
        size = self.block if inputs.device.type == "cpu" else len(inputs)
        for start in range(0, len(inputs), size):
            some = slice(start, start + size)
            yield {path: weight[some] for path, weight in weights.items()}, inputs[some]

    def _forward(self, weights: Weights, inputs: Tensor) -> Tensor:
        pack, batch = inputs.shape[:2]
        planes = inputs.transpose(0, 1).flatten(1, 2)
        for layer in range(self.depth):
            weight = weights[f"convs.{layer}.weight"].flatten(0, 1)
            bias = weights[f"convs.{layer}.bias"].flatten(0, 1)
            planes = F.max_pool2d(F.conv2d(planes, weight, bias, padding=1, groups=pack).relu(), 2)
        features = planes.view(batch, pack, -1).transpose(0, 1)
        bias = weights["head.bias"].unsqueeze(1)
        return torch.baddbmm(bias, features, weights["head.weight"].transpose(1, 2))
