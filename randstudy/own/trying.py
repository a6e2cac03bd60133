"""People's functions of tensors, tried on made-up examples before any training."""

from __future__ import annotations

import torch
from torch import Tensor

from randstudy.models.modules.anatomy import example, said
from randstudy.models.own_loss import OwnBatchLoss
from randstudy.own.augmentation import OwnChange, changed
from randstudy.own.functions import OwnPart
from randstudy.streams import GlobalDrawError, Key, handed_at, watched
from randstudy.tasks import TaskShape

TRIED = 4
"""Examples on which a function is tried."""


def loss_problem(loss: OwnPart, shape: TaskShape) -> str:
    """Say what is wrong with a loss, or return nothing."""
    outputs = torch.linspace(-1, 1, TRIED * shape.outputs).reshape(TRIED, -1).requires_grad_()
    targets = torch.arange(TRIED) % shape.outputs
    if shape.target == "number":
        targets = torch.linspace(0, 1, TRIED)
    try:
        with watched(loss.name):
            each = OwnBatchLoss(loss).called(outputs, targets)
    except GlobalDrawError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 (somebody's function may raise anything)
        return f"fails on {TRIED} made-up examples: {said(error)}"
    if not isinstance(each, Tensor) or tuple(each.shape) != (TRIED,):
        found = tuple(each.shape) if isinstance(each, Tensor) else type(each).__name__
        return f"returns {found} for {TRIED} examples; a loss for each, ({TRIED},), would be right"
    if not each.requires_grad:
        return "returns losses through which torch finds no gradient"
    return ""


def augmentation_problem(change: OwnChange, shape: TaskShape) -> str:
    """Say what is wrong with an augmentation, or return nothing."""
    try:
        with watched(change.name):
            changed(change, example(shape, TRIED), handed_at(Key(0), "trying"))
    except GlobalDrawError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 (somebody's function may raise anything)
        return f"fails on {TRIED} made-up examples: {said(error)}"
    return ""
