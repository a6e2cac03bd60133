"""Code as somebody writes it who never saw randstudy's: named by studies as ``someones:name``."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (torch's own name for it)
from torch import nn

from randstudy.parts import Range


class Net(nn.Module):
    """Convolution, batch norm, dropout of channels and of units, by module and by function."""

    def __init__(self, inputs, outputs, width: int = 4, rate: float = 0.25):
        super().__init__()
        planes, height, side = inputs
        self.conv = nn.Conv2d(planes, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.channels = nn.Dropout2d(rate)
        self.head = nn.Linear(width * (height // 2) * (side // 2), outputs)
        self.rate = rate

    def forward(self, x):
        x = self.channels(self.norm(self.conv(x)).relu())
        x = F.max_pool2d(x, 2).flatten(1)
        return self.head(F.dropout(x, self.rate, self.training))


class Plain(Net):
    """The same without dropout."""

    def __init__(self, inputs, outputs, width: int = 4):
        super().__init__(inputs, outputs, width, rate=0.0)


class Recurrent(nn.Module):
    """Reads an image row by row; vmap cannot carry it."""

    def __init__(self, inputs, outputs, width: int = 6):
        super().__init__()
        self.rows = nn.LSTM(inputs[-1], width, batch_first=True)
        self.norm = nn.BatchNorm1d(width)
        self.head = nn.Linear(width, outputs)

    def forward(self, x):
        return self.head(
            F.dropout(self.norm(self.rows(x.squeeze(1))[0][:, -1]), 0.2, self.training)
        )


class Branching(nn.Module):
    """Goes by what it computes."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.first = nn.Linear(64, 8)
        self.head = nn.Linear(8, outputs)

    def forward(self, x):
        hidden = self.first(x.flatten(1))
        return self.head(hidden if hidden.sum() > 0 else -hidden)


class Tied(nn.Module):
    """Uses one weight twice, lets another untouched, and keeps a third as it was built."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.first = nn.Linear(64, 16)
        self.middle = nn.Linear(16, 16)
        self.again = nn.Linear(16, 16, bias=False)
        self.again.weight = self.middle.weight
        self.frozen = nn.Linear(16, outputs)
        self.frozen.requires_grad_(False)
        self.unused = nn.Parameter(torch.ones(2, 3))
        self.prelu = nn.PReLU()
        self.register_buffer("seen", torch.zeros(()))
        self.register_buffer("table", torch.arange(16.0))

    def forward(self, x):
        if self.training:
            self.seen = self.seen + 1
        x = self.middle(self.first(x.flatten(1)) + self.table / 16)
        return self.frozen(self.prelu(self.again(x)))


class Lazy(nn.Module):
    """Does not know its inputs until it sees them."""

    def __init__(self, outputs):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(outputs)
        )

    def forward(self, x):
        return self.layers(x)


def perceptron(inputs, outputs, widths: list[int] = [8], act: Literal["relu", "silu"] = "relu"):  # noqa: B006
    """Make a perceptron of any depth."""
    sizes = [int(np.prod(inputs)), *widths]
    layers: list[nn.Module] = [nn.Flatten()]
    for size, wider in pairwise(sizes):
        layers += [nn.Linear(size, wider), nn.ReLU() if act == "relu" else nn.SiLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))


class Noisy(Branching):
    def forward(self, x):
        return self.head(torch.randn(len(x), 8) + self.first(x.flatten(1)))


class Remembering(Branching):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.passes = 0

    def forward(self, x):
        self.passes += 1
        return super().forward(x) / self.passes


class Narrow(Branching):
    def forward(self, x):
        return self.first(x.flatten(1))


class Failing(Branching):
    def forward(self, x):
        return self.head(x.flatten(1))


def no_module(inputs, outputs):
    return "a network"


def breaking(inputs, outputs):
    raise RuntimeError("no such luck")


# Data


def blobs(
    rng,
    classes: int = 3,
    n: int = 60,
    spread: Annotated[float, Range(above=0), "sd around each centre"] = 0.5,
):
    """Return points around centres on a circle."""
    labels = np.arange(n) % classes
    angles = labels * 2 * np.pi / classes
    centres = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return centres + spread * rng.normal(size=(n, 2)), labels


def parabola(n=40):
    x = np.linspace(-1, 1, n)
    return {"train": (x, x**2), "validation": (x[::4], x[::4] ** 2), "test": (x[::5], x[::5] ** 2)}


def ragged():
    return np.zeros((5, 2)), np.zeros(4)


def unseeded():
    return np.random.normal(size=(20, 2)), np.arange(20) % 2  # noqa: NPY002


def growing(rng):
    n = int(rng.integers(20, 2000))
    return np.zeros((n, 2)), np.arange(n) % 2


# An init, a pruning score, a loss, a metric, an augmentation


def laplace(shape, fan_in, rng, gain: float = 1.0):
    return rng.laplace(size=shape) * gain / (2 * fan_in) ** 0.5


def shared(shape, uniforms, role):
    return (uniforms - 0.5) / 4 if role == "weight" else np.full(shape, 0.125)


def global_init(shape):
    return np.random.normal(size=shape)  # noqa: NPY002


def transposed(shape):
    return np.zeros(shape[::-1])


def unbounded(shape):
    return np.full(shape, np.inf)


def far_from_median(weights):
    return np.abs(weights - np.median(weights))


def total(weights):
    return weights.sum()


def relative(weights):
    return weights - np.nan


def coin(weights, rng):
    return rng.random(weights.shape)


def focal(outputs, targets, gamma: float = 2.0):
    cost = F.cross_entropy(outputs, targets, reduction="none")
    return (1 - torch.exp(-cost)) ** gamma * cost


def huber(outputs, targets):
    return F.huber_loss(outputs, targets, reduction="none")


def averaged(outputs, targets):
    return F.cross_entropy(outputs, targets)


def undifferentiable(outputs, targets):
    return (outputs.argmax(1) != targets).float()


def moody(outputs, targets):
    cost = F.cross_entropy(outputs, targets, reduction="none")
    return cost * torch.rand(len(cost)) if len(cost) > 4 else cost


def moody_metric(outputs, targets):
    return np.random.rand()  # noqa: NPY002


def each_margin(outputs, targets):
    return np.ptp(outputs, axis=1)


def division(outputs, targets):
    raise ZeroDivisionError("nothing to divide by")


def in_turn(outputs, targets):
    if targets[0] != 0 or targets[1] != 1:
        raise ValueError("one class after the other, please")
    return 1.0


def log_odds(outputs, targets):
    ordered = np.sort(outputs, axis=1)
    return (ordered[:, -1] - ordered[:, -2]).mean()


def jitter(inputs, generator, size: float = 0.1):
    return inputs + size * torch.randn(inputs.shape, generator=generator)


def global_jitter(inputs, generator):
    return inputs + torch.randn(inputs.shape)


def halved(inputs, generator):
    return inputs[:2]


# Functions that cannot be parts


def unsaid(inputs, outputs, width):
    return None


def odd(inputs, outputs, kind2: dict = {}):  # noqa: B006
    return None


def taken(inputs, outputs, parameters: int = 3):
    return None


def mistold(inputs, outputs, width: int = "wide"):  # type: ignore[assignment]
    return None


def short(outputs):
    return None
