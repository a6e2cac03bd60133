"""How long does a training pass of each model take a trial, packed and as a plain torch module?

``python -m benchmarks.models [--widths 8 32] [--threads 1]`` prints a table. A pass is forward,
loss and backward on one batch, without the update. Packed and plain passes take turns; times are
medians, and the ratio says how many times as long the plain module takes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator

from randstudy.numerics import prepare_environment

prepare_environment()

import torch  # noqa: E402 (after the environment)
import torch.nn.functional as F  # noqa: E402, N812

from benchmarks.plain_networks import plain  # noqa: E402
from randstudy.models import (  # noqa: E402
    Cnn,
    Conv1d,
    DenseNet,
    LeNet5,
    LeNet300100,
    Mlp,
    Model,
    ResNet,
    ResNet9,
)
from randstudy.models.losses import TaskLoss  # noqa: E402
from randstudy.models.program import Pass, program  # noqa: E402
from randstudy.tasks import TaskShape  # noqa: E402

DIGITS, SIGNALS = (1, 8, 8), (1, 40)
MNIST, CIFAR = (1, 28, 28), (3, 32, 32)
MODELS: dict[str, tuple[Model, tuple[int, ...], int]] = {
    "mlp 128, digits": (Mlp(), DIGITS, 32),
    "mlp 128, batch norm, digits": (Mlp(norm="batch"), DIGITS, 32),
    "mlp 500-500 residual, 40 inputs": (Mlp(widths=(500, 500), residual=True), (40,), 100),
    "lenet_300_100, MNIST": (LeNet300100(), MNIST, 60),
    "lenet5, MNIST": (LeNet5(), MNIST, 32),
    "cnn 8-16, digits": (Cnn(), DIGITS, 32),
    "conv1d, 40 points": (Conv1d(), SIGNALS, 100),
    "resnet 8, digits": (ResNet(depth=8), DIGITS, 32),
    "resnet 8, CIFAR-10": (ResNet(depth=8), CIFAR, 32),
    "resnet9 width 8, CIFAR-10": (ResNet9(width=8), CIFAR, 32),
    "densenet 3x2 growth 6, digits": (DenseNet(growth=6, layers=(2, 2, 2)), DIGITS, 32),
}
"""Name -> model, shape of an input, batch."""


def packed(model: Model, shape: TaskShape, batch: int, width: int) -> Callable[[], None]:
    """Return a training pass of a pack."""
    weights = {
        found.path: torch.randn(width, *found.shape) / found.fan_in**0.5
        for found in model.parameters(shape)
    }
    buffers = {
        found.path: torch.full((width, *found.shape), found.value) for found in model.buffers(shape)
    }
    inputs = torch.randn(width, batch, *shape.inputs)
    targets = torch.randint(0, shape.outputs, (width, batch))
    made, way = program(model, shape, TaskLoss()), Pass(training=True, buffers=buffers)
    return lambda: void(made.gradients(weights, inputs, targets, way))


def alone(model: Model, shape: TaskShape, batch: int) -> Callable[[], None]:
    """Return a training pass of one plain module."""
    module = plain(model, shape)
    inputs = torch.randn(batch, *shape.inputs)
    targets = torch.randint(0, shape.outputs, (batch,))
    module(inputs)

    def step() -> None:
        module.zero_grad()
        torch.autograd.backward(F.cross_entropy(module(inputs), targets))

    return step


def void(_: object) -> None:
    """Forget a result."""


def seconds(step: Callable[[], None]) -> float:
    """Time one pass."""
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def rows(names: list[str], widths: list[int], repeats: int) -> Iterator[str]:
    """Time the models and yield a line each."""
    heads = "".join(f"{f'packed {width}':>12s}{'ratio':>8s}" for width in widths)
    yield f"{'ms a trial and pass':34s}{'batch':>6s}{'plain':>10s}{heads}"
    for name in names:
        model, inputs, batch = MODELS[name]
        shape = TaskShape(inputs, 10, "class")
        single = alone(model, shape, batch)
        packs = [packed(model, shape, batch, width) for width in widths]
        taken: list[list[float]] = [[] for _ in range(1 + len(packs))]
        for repeat in range(repeats + 2):
            for found, step in zip(taken, [single, *packs], strict=True):
                spent = seconds(step)
                if repeat >= 2:  # the first passes prepare kernels and memory
                    found.append(spent)
        one, *several = map(statistics.median, taken)
        each = [spent / width for spent, width in zip(several, widths, strict=True)]
        cells = "".join(f"{1e3 * spent:12.3f}{one / spent:8.2f}" for spent in each)
        yield f"{name:34s}{batch:6d}{1e3 * one:10.3f}{cells}"


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    options.add_argument("--widths", nargs="+", type=int, default=[8, 32])
    options.add_argument("--repeats", type=int, default=15)
    options.add_argument("--threads", type=int, default=1)
    chosen = options.parse_args()
    torch.set_num_threads(chosen.threads)
    for line in rows(chosen.models, chosen.widths, chosen.repeats):
        print(line, flush=True)


if __name__ == "__main__":
    main()
