"""The models as plain torch modules, written from the papers: what the packed ones must equal.

A module's parameters, in torch's own order of registration, are those of the model in its.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from randstudy.models import (
    Cnn,
    Conv1d,
    DenseNet,
    LeNet5,
    Linear,
    Mlp,
    Model,
    Normalised,
    Perceptron,
    ResNet,
    ResNet9,
)
from randstudy.tasks import TaskShape

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}


class Add(nn.Module):
    """x + f(x), or shortcut(x) + f(x)."""

    def __init__(self, inner: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.inner, self.shortcut = inner, shortcut or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = self.shortcut(x) + self.inner(x)
        return added


class Beside(nn.Module):
    """x and f(x), channel behind channel."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.inner(x)], 1)


class Call(nn.Module):
    """A function without parameters."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class LayerNorm(nn.GroupNorm):
    """Layer norm of planes: one group."""

    def __init__(self, channels: int) -> None:
        super().__init__(1, channels)


def norm(model: Normalised, channels: int, places: int) -> list[nn.Module]:
    if model.norm == "none":
        return []
    if model.norm == "group":
        return [nn.GroupNorm(model.groups, channels)]
    if model.norm == "layer":
        return [nn.LayerNorm(channels) if places == 0 else LayerNorm(channels)]
    return [(nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d)[places](channels)]


def plain(model: Model, shape: TaskShape) -> nn.Module:
    """Write a model the plain way."""
    if isinstance(model, Linear):
        return nn.Sequential(nn.Flatten(), nn.LazyLinear(shape.outputs))
    assert isinstance(model, Normalised)
    return BUILDERS[type(model)](model, shape)


def perceptron(model: Perceptron, shape: TaskShape) -> nn.Module:
    layers: list[nn.Module] = [nn.Flatten()]
    below = -1
    for units in model.hidden:
        own = [nn.LazyLinear(units), *norm(model, units, 0), ACTIVATIONS[model.activation]()]
        adds = isinstance(model, Mlp) and model.residual and units == below
        layers += [Add(nn.Sequential(*own))] if adds else own
        below = units
    return nn.Sequential(*layers, nn.LazyLinear(shape.outputs))


def cnn(model: Cnn, shape: TaskShape) -> nn.Module:
    layers: list[nn.Module] = []
    for channels in model.channels:
        conv = nn.LazyConv2d(channels, 3, padding=1, bias=model.norm == "none")
        layers += [conv, *norm(model, channels, 2), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(shape.outputs))


def lenet5(model: LeNet5, shape: TaskShape) -> nn.Module:
    function = ACTIVATIONS[model.activation]
    pool = nn.MaxPool2d if model.pooling == "max" else nn.AvgPool2d
    bias = model.norm == "none"
    return nn.Sequential(
        *[nn.LazyConv2d(6, 5, padding=model.padding, bias=bias), *norm(model, 6, 2)],
        *[function(), pool(2)],
        *[nn.LazyConv2d(16, 5, bias=bias), *norm(model, 16, 2), function(), pool(2)],
        *[nn.Flatten(), nn.LazyLinear(120), function(), nn.Linear(120, 84), function()],
        nn.Linear(84, shape.outputs),
    )


def conv1d(model: Conv1d, shape: TaskShape) -> nn.Module:
    layers: list[nn.Module] = []
    for channels, kernel in zip(model.channels, model.kernels, strict=True):
        conv = nn.LazyConv1d(
            channels, kernel, model.stride, model.padding, bias=model.norm == "none"
        )
        layers += [conv, *norm(model, channels, 1), ACTIVATIONS[model.activation]()]
    return nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(shape.outputs))


def resnet(model: ResNet, shape: TaskShape) -> nn.Module:
    def conv(channels: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
        bias = model.norm == "none"
        made = nn.LazyConv2d(channels, kernel, stride, kernel // 2, bias=bias)
        return [made, *norm(model, channels, 2)]

    def padded(x: Tensor) -> Tensor:
        halved = x[:, :, ::2, ::2]
        return torch.cat([halved, torch.zeros_like(halved)], 1)

    layers: list[nn.Module] = [*conv(model.width), nn.ReLU()]
    for stage in range(3):
        channels = model.width * 2**stage
        for block in range((model.depth - 2) // 6):
            new = stage > 0 and block == 0
            own = [*conv(channels, stride=1 + new), nn.ReLU(), *conv(channels)]
            shortcut: nn.Module = nn.Identity()
            if new:
                by_conv = model.shortcut == "conv"
                shortcut = nn.Sequential(*conv(channels, 1, 2)) if by_conv else Call(padded)
            layers += [Add(nn.Sequential(*own), shortcut), nn.ReLU()]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(shape.outputs)]
    return nn.Sequential(*layers, *head)


def resnet9(model: ResNet9, shape: TaskShape) -> nn.Module:
    def conv(channels: int) -> list[nn.Module]:
        made = nn.LazyConv2d(channels, 3, padding=1, bias=model.norm == "none")
        return [made, *norm(model, channels, 2), nn.ReLU()]

    w = model.width
    return nn.Sequential(
        *conv(w),
        *[*conv(2 * w), nn.MaxPool2d(2), Add(nn.Sequential(*conv(2 * w), *conv(2 * w)))],
        *[*conv(4 * w), nn.MaxPool2d(2)],
        *[*conv(8 * w), nn.MaxPool2d(2), Add(nn.Sequential(*conv(8 * w), *conv(8 * w)))],
        *[nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.LazyLinear(shape.outputs)],
        Call(lambda x: x * model.scale),
    )


def densenet(model: DenseNet, shape: TaskShape) -> nn.Module:
    def conv(below: int, channels: int, kernel: int) -> list[nn.Module]:
        bias = model.norm == "none"
        made = nn.Conv2d(below, channels, kernel, padding=kernel // 2, bias=bias)
        return [*norm(model, below, 2), nn.ReLU(), made]

    channels = 2 * model.growth if model.bottleneck and model.compression < 1 else 16
    layers: list[nn.Module] = [
        nn.LazyConv2d(channels, 3, padding=1, bias=model.norm == "none"),
    ]
    for block, depth in enumerate(model.layers):
        if block:
            fewer = int(channels * model.compression)
            layers += [*conv(channels, fewer, 1), nn.AvgPool2d(2)]
            channels = fewer
        for _ in range(depth):
            own: list[nn.Module] = []
            below = channels
            if model.bottleneck:
                own += conv(channels, 4 * model.growth, 1)
                below = 4 * model.growth
            layers.append(Beside(nn.Sequential(*own, *conv(below, model.growth, 3))))
            channels += model.growth
    layers += [*norm(model, channels, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.LazyLinear(shape.outputs))


BUILDERS: dict[type[Normalised], Callable[..., nn.Module]] = {
    Cnn: cnn,
    Conv1d: conv1d,
    DenseNet: densenet,
    LeNet5: lenet5,
    ResNet: resnet,
    ResNet9: resnet9,
}
BUILDERS |= dict.fromkeys(Perceptron.__subclasses__(), perceptron)
