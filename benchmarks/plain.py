"""The study's training as a competent user writes it in plain PyTorch, one trial at a time.

Whole-tensor batches instead of a DataLoader, one gather an epoch, torch's fused SGD and the loss
summed without leaving torch: the quickest of the usual ways on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

EPOCHS, BATCH, LR, MOMENTUM = 10, 32, 0.1, 0.9
INPUTS, HIDDEN, CLASSES = 64, 128, 10
TRAIN, VALIDATION, TEST = 1077, 360, 360

Metrics = dict[str, float]


@dataclass(frozen=True, eq=False)
class Digits:
    """All examples: inputs float32 (1797, 64) in 0 to 1, targets int64 (1797,)."""

    inputs: Tensor
    targets: Tensor


@cache
def digits() -> Digits:
    """Load scikit-learn's digits, once a process."""
    found = load_digits()
    inputs = torch.tensor(found.data / 16, dtype=torch.float32)
    return Digits(inputs, torch.tensor(found.target))


def network() -> nn.Sequential:
    """Make the perceptron, Xavier-uniform weights and zero biases."""
    made = nn.Sequential(nn.Linear(INPUTS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, CLASSES))
    for name, parameter in made.named_parameters():
        if name.endswith("weight"):
            nn.init.xavier_uniform_(parameter)
        else:
            nn.init.zeros_(parameter)
    return made


def train(seed: int, data: Digits, report: Callable[[Metrics], object] | None = None) -> Metrics:
    """Train one trial; `report` is called with the metrics of every epoch."""
    torch.manual_seed(seed)
    shuffled = torch.randperm(len(data.targets))
    train_rows, validation_rows, test_rows = shuffled.split([TRAIN, VALIDATION, TEST])
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM, fused=True)
    metrics: Metrics = {}
    for epoch in range(EPOCHS):
        rows = train_rows[torch.randperm(TRAIN)]
        total = torch.zeros(())
        batches = zip(data.inputs[rows].split(BATCH), data.targets[rows].split(BATCH), strict=True)
        for steps, (inputs, targets) in enumerate(batches, start=1):  # noqa: B007
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
            total += loss.detach()
        metrics = {"train_loss": total.item() / steps, **evaluate(model, data, validation_rows)}
        if epoch == EPOCHS - 1:
            tested = evaluate(model, data, test_rows)
            metrics |= {name.replace("validation", "test"): tested[name] for name in tested}
        if report is not None:
            report(metrics)
    return metrics


@torch.no_grad()
def evaluate(model: nn.Sequential, data: Digits, rows: Tensor) -> Metrics:
    """Return loss and accuracy on some rows."""
    outputs, targets = model(data.inputs[rows]), data.targets[rows]
    return {
        "validation_loss": functional.cross_entropy(outputs, targets).item(),
        "validation_accuracy": (outputs.argmax(1) == targets).float().mean().item(),
    }
