"""`Layers` over the tensors of a pack: what a forward function computes.

Values are (P, B, *units). Between convolutions they are views of (B, P * C, *places), one group of
channels a trial, so turning them costs nothing. Every operation keeps law 1 on a CPU at any width
from 2 up, but for convolutions and group norms, which want blocks (`packed`).
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own name for it)
from torch import Tensor

from randstudy.models.layers import Activation, Norm
from randstudy.models.program import Pass, Weights

EPSILON, MOMENTUM = 1e-5, 0.1
"""torch's own, of every norm and of batch norm's running statistics."""


class PackLayers:
    """The layers of P networks with their weights, for one pass."""

    def __init__(self, weights: Weights, way: Pass) -> None:
        self.weights = weights
        self.way = way

    def linear(self, path: str, values: Tensor, outputs: int) -> Tensor:
        """Return (P, B, outputs) from values of any shape."""
        weight, bias = self.weights[f"{path}.weight"], self.weights[f"{path}.bias"]
        made: Tensor = Product.apply(values.flatten(2), weight, bias)  # type: ignore[no-untyped-call]
        return self._shown(path, made)

    def conv(
        self,
        path: str,
        values: Tensor,
        outputs: int,
        *,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
    ) -> Tensor:
        """Return (P, B, outputs, *places): one grouped convolution for all trials."""
        pack = len(values)
        weight = self.weights[f"{path}.weight"].flatten(0, 1)
        shift = self.weights[f"{path}.bias"].flatten(0, 1) if bias else None
        apply = F.conv2d if values.dim() == 5 else F.conv1d
        made = apply(grouped(values), weight, shift, stride, padding, 1, pack)
        return self._shown(path, apart(made, pack))

    def norm(self, path: str, values: Tensor, kind: Norm, groups: int) -> Tensor:
        """Normalise, scale and shift; a training pass moves batch norm's running statistics."""
        if kind == "none":
            return values
        scale, shift = self.weights[f"{path}.weight"], self.weights[f"{path}.bias"]
        if kind == "batch":
            return self._batch_norm(path, values, scale.flatten(), shift.flatten())
        groups = groups if kind == "group" else 1
        if values.dim() == 3:
            parts = values.unflatten(2, (groups, -1))
            made = F.layer_norm(parts, parts.shape[3:], eps=EPSILON).flatten(2)
            return made * scale.unsqueeze(1) + shift.unsqueeze(1)
        pack = len(values)
        # F.group_norm refuses a single number a group, whose normal form is plain zero.
        made = torch.group_norm(
            grouped(values), pack * groups, scale.flatten(), shift.flatten(), EPSILON, True
        )
        return apart(made, pack)

    def _batch_norm(self, path: str, values: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        pack = len(values)
        mean = self.way.buffers[f"{path}.running_mean"].view(-1)
        variance = self.way.buffers[f"{path}.running_var"].view(-1)
        features = values.dim() == 3
        if features:
            # One row, examples as places: sums over rows depend on the width and on the threads.
            planes = values.transpose(1, 2).reshape(1, -1, values.shape[1])
        else:
            planes = grouped(values)
        training = self.way.training
        made = F.batch_norm(planes, mean, variance, scale, shift, training, MOMENTUM, EPSILON)
        if features:
            return made.view(pack, -1, values.shape[1]).transpose(1, 2)
        return apart(made, pack)

    def activation(self, values: Tensor, kind: Activation) -> Tensor:
        """Apply a function each of whose steps rounds alike at every place of a tensor."""
        if kind == "relu":
            return values.relu()
        return values.tanh() if kind == "tanh" else gelu(values)

    def dropout(self, path: str, values: Tensor, rate: float) -> Tensor:
        """Multiply by the factors that the trials' dropout streams give, while training."""
        if not rate or not self.way.training:
            return values
        assert self.way.dropout is not None, "a training pass with dropout needs its stream"
        return values * self.way.dropout.factors(path, tuple(values.shape[1:]), rate)

    def max_pool(self, values: Tensor, size: int) -> Tensor:
        """Take the largest in each window."""
        pool = F.max_pool2d if values.dim() == 5 else F.max_pool1d
        return apart(pool(grouped(values), size), len(values))

    def mean_pool(self, values: Tensor, size: int) -> Tensor:
        """Take the mean of each window."""
        planes = grouped(values)
        made = F.avg_pool2d(planes, size) if values.dim() == 5 else F.avg_pool1d(planes, size)
        return apart(made, len(values))

    def global_max(self, values: Tensor) -> Tensor:
        """Return (P, B, C). Where several places are largest, the first has the gradient."""
        return values.flatten(3).max(3).values

    def global_mean(self, values: Tensor) -> Tensor:
        """Return (P, B, C)."""
        return values.flatten(3).mean(3)

    def add(self, values: Tensor, others: Tensor) -> Tensor:
        """Add."""
        return values + others

    def concatenate(self, values: Tensor, others: Tensor) -> Tensor:
        """Put channels behind channels."""
        made = torch.cat((values.transpose(0, 1), others.transpose(0, 1)), 2)
        return made.transpose(0, 1)

    def subsample(self, values: Tensor, stride: int, channels: int) -> Tensor:
        """Keep every `stride`-th place, and fill up with channels of zeros."""
        for dimension in range(3, values.dim()):
            values = values[(slice(None),) * dimension + (slice(None, None, stride),)]
        more = channels - values.shape[2]
        filled = F.pad(values.transpose(0, 1), (0, 0) * (values.dim() - 3) + (0, more))
        return filled.transpose(0, 1)

    def scale(self, values: Tensor, factor: float) -> Tensor:
        """Multiply by a number."""
        return values * factor

    def _shown(self, path: str, outputs: Tensor) -> Tensor:
        """Show a layer's outputs to whoever asked for them."""
        if self.way.probe is not None:
            self.way.probe(f"{path}.weight", outputs.detach())
        return outputs


class Product(torch.autograd.Function):
    """x Wᵀ + b for each trial, with gradients in the order of torch's own linear layer."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Return (P, B, K) for features (P, B, D), weight (P, K, D) and bias (P, K)."""
        ctx.save_for_backward(features, weight)
        return torch.baddbmm(bias.unsqueeze(1), features, weight.transpose(1, 2))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        """Return the gradients at features, weight and bias."""
        (gradient,) = gradients
        features, weight = ctx.saved_tensors
        below = torch.bmm(gradient, weight) if ctx.needs_input_grad[0] else None
        return below, torch.bmm(gradient.transpose(1, 2), features), gradient.sum(1)


def grouped(values: Tensor) -> Tensor:
    """Return (B, P * C, *places) from (P, B, C, *places)."""
    return values.transpose(0, 1).flatten(1, 2).contiguous()


def apart(planes: Tensor, pack: int) -> Tensor:
    """Return (P, B, C, *places) from (B, P * C, *places)."""
    batch, channels, *places = planes.shape
    return planes.view(batch, pack, channels // pack, *places).transpose(0, 1)


def gelu(values: Tensor) -> Tensor:
    """Return x Φ(x), exactly; torch's own kernel rounds differently in the tail of a tensor."""
    return values * 0.5 * (torch.erf(values * math.sqrt(0.5)) + 1.0)
