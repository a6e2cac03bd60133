"""Pruning scores that take a pass through the networks: SNIP, GraSP and SynFlow.

Each takes P networks at once and returns path -> (P, *shape); row p depends on the network p alone.
The lowest scores go first.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from randstudy.models.losses import BatchLoss
from randstudy.models.program import Dropout, Pass, Program, Weights


class EverythingKept:
    """Dropout that drops nothing: scores are those of whole networks."""

    def __init__(self, width: int, like: Tensor) -> None:
        self.width, self.like = width, like

    def factors(self, path: str, shape: tuple[int, ...], rate: float) -> Tensor:
        """Return ones."""
        return self.like.new_ones((self.width, *shape))

    def rows(self, some: slice) -> Dropout:
        """Return the same for some of the trials."""
        return EverythingKept(len(range(self.width)[some]), self.like)


class SumOfOutputs:
    """What synaptic flow differentiates: the sum of all outputs."""

    def examples(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return each example's sum."""
        return outputs.sum(2)

    def gradient(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sums (P,), and ones."""
        return outputs.sum((1, 2)), torch.ones_like(outputs)


@dataclass(frozen=True, eq=False)
class ScoredExamples:
    """The training examples that scores are computed from: (P, B, *shape) and (P, B)."""

    inputs: Tensor
    targets: Tensor


def sensitivity(
    program: Program, weights: Weights, batch: ScoredExamples, way: Pass
) -> dict[str, Tensor]:
    """Return SNIP's |weight * gradient| (Lee, Ajanthan & Torr 2019, eq. 6, not normalised)."""
    _, gradients = program.gradients(weights, batch.inputs, batch.targets, way)
    return {path: (weights[path] * found).abs_() for path, found in gradients.items()}


def gradient_flow(
    program: Program,
    loss: BatchLoss,
    weights: Weights,
    batch: ScoredExamples,
    way: Pass,
    temperature: float,
) -> dict[str, Tensor]:
    """Return weight * (Hessian @ gradient) (Wang, Zhang & Grosse 2020, eq. 8, sign turned).

    Parameters
    ----------
    temperature : outputs are divided by it, where there are classes.
    """
    leaves = {path: weight.detach().clone().requires_grad_() for path, weight in weights.items()}
    ordered = list(leaves.values())
    with torch.enable_grad():
        outputs = program.outputs(leaves, batch.inputs, way)
        if not batch.targets.is_floating_point():
            outputs = outputs * (1 / temperature)
        # Trials are summed, not averaged: each gradient is its own trial's.
        total = (loss.examples(outputs, batch.targets) * (1 / batch.targets.shape[1])).sum()
        first = torch.autograd.grad(total, ordered, create_graph=True)
        along = torch.stack([(one * one.detach()).sum() for one in first]).sum()
        second = torch.autograd.grad(along, ordered, allow_unused=True, materialize_grads=True)
    return {path: weights[path] * one for path, one in zip(leaves, second, strict=True)}


def synaptic_flow(flow: Program, weights: Weights, inputs: Tensor, way: Pass) -> dict[str, Tensor]:
    """Return |weight| * d(sum of outputs)/d|weight| for inputs of 1 (Tanaka et al. 2020, eq. 3).

    In float64, as products over many layers leave the range of float32; each trial's scores are
    divided by their largest.

    Parameters
    ----------
    flow : a program whose loss is `SumOfOutputs`.
    inputs : (P, 1, *shape) of any values, of which only the shape is used.
    """
    positive = {path: weight.double().abs_() for path, weight in weights.items()}
    buffers = {path: buffer.double().abs_() for path, buffer in way.buffers.items()}
    ones = torch.ones_like(inputs, dtype=torch.float64)
    targets = torch.zeros(inputs.shape[:2], dtype=torch.float64, device=inputs.device)
    _, gradients = flow.gradients(positive, ones, targets, Pass(buffers=buffers))
    scores = {path: positive[path] * found for path, found in gradients.items()}
    largest = torch.stack([found.flatten(1).amax(1) for found in scores.values()]).amax(0)
    largest = torch.where(largest > 0, largest, 1.0)
    return {
        path: (found / largest.view(-1, *[1] * (found.dim() - 1))).float()
        for path, found in scores.items()
    }
