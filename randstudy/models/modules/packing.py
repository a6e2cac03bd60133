"""Whether trials of somebody's module can be computed together, bit for bit as law 1 wants it.

A block of trials with made-up weights and inputs is computed in all its turns, and among twins. A
trial's outputs, gradients and buffers must have the same bits every time, and about those numbers
that it has by itself. The answer depends on module, shapes and numerics class, so it is the same in
every process; where it is no, trials are computed one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from randstudy.models import Model
from randstudy.models.modules.anatomy import said
from randstudy.models.modules.network import Network
from randstudy.models.program import BLOCK, one_thread
from randstudy.tasks import TaskShape

USUAL = 8
"""Examples on which a module is tried before any batch of a study is known."""

TOLERANCE = 1e-3
"""Largest difference from plain torch, relative to the largest number of a result."""


@dataclass(frozen=True, eq=False)
class Case:
    """Arguments of a pass for `BLOCK` trials, and the gradient at its outputs."""

    weights: dict[str, Tensor]
    buffers: dict[str, Tensor]
    inputs: Tensor
    factors: list[Tensor]
    gradient: Tensor

    def rows(self, rows: Sequence[int]) -> Case:
        """Return the case of these trials, in this order."""
        index = list(rows)
        return Case(
            {path: weight[index] for path, weight in self.weights.items()},
            {path: buffer[index] for path, buffer in self.buffers.items()},
            self.inputs[index],
            [factor[index] for factor in self.factors],
            self.gradient[index],
        )


def alone(model: Model, shape: TaskShape, batches: tuple[int, ...] = ()) -> str | None:
    """Say why trials are computed one by one, at all or on batches of these sizes."""
    always = obstacle(model, shape, USUAL, True) or obstacle(model, shape, USUAL, False)
    if always is not None:
        return always
    reasons = {batch: obstacle(model, shape, batch, True) for batch in batches}
    found = {batch: reason for batch, reason in reasons.items() if reason is not None}
    if not found:
        return None
    sizes = " and ".join(map(str, found))
    return f"on batches of {sizes}, {next(iter(found.values()))}"


@lru_cache(maxsize=256)
def obstacle(model: Model, shape: TaskShape, batch: int, training: bool) -> str | None:
    """Say why passes on batches of this size are not computed for several trials at once."""
    network = Network(model, shape)
    with one_thread():
        try:
            case = _case(network, shape, batch, training)
            expected = together(network, case, training)
        except Exception as error:  # noqa: BLE001 (whatever torch or the module may raise)
            return f"torch.vmap does not carry it ({said(error)})"
        if not _near(expected, by_itself(network, case, training), 1 + len(network.buffers)):
            return "torch.vmap gives other numbers than plain torch"
        for rows in (*_turns(), [0] * BLOCK):
            if not _same(expected, together(network, case.rows(rows), training), rows):
                return "its bits depend on a trial's place in the pack"
    return None


def together(network: Network, case: Case, training: bool) -> list[Tensor]:
    """Return outputs, buffers and gradients of a case, computed at once."""
    leaves = {path: weight.clone().requires_grad_() for path, weight in case.weights.items()}
    with torch.enable_grad():
        outputs, buffers = network.several(
            leaves, case.buffers, case.inputs, case.factors, training=training
        )
    return [outputs.detach(), *buffers.values(), *_gradients(outputs, leaves, case.gradient)]


def by_itself(network: Network, case: Case, training: bool) -> list[Tensor]:
    """Return the same for the first trial, computed by itself."""
    leaves = {path: weight[0].clone().requires_grad_() for path, weight in case.weights.items()}
    buffers = {path: buffer[0] for path, buffer in case.buffers.items()}
    factors = [factor[0] for factor in case.factors]
    with torch.enable_grad():
        outputs, after = network.one(leaves, buffers, case.inputs[0], factors, training=training)
    return [outputs.detach(), *after.values(), *_gradients(outputs, leaves, case.gradient[0])]


def _gradients(outputs: Tensor, leaves: dict[str, Tensor], gradient: Tensor) -> list[Tensor]:
    found = torch.autograd.grad(outputs, list(leaves.values()), gradient, allow_unused=True)
    return [one for one in found if one is not None]


def _turns() -> list[list[int]]:
    """Return the block's order turned so that each trial stands at every place once."""
    return [[(place + turn) % BLOCK for place in range(BLOCK)] for turn in range(1, BLOCK)]


def _same(expected: list[Tensor], found: list[Tensor], rows: Sequence[int]) -> bool:
    """Tell whether place p of `found` has the bits of trial rows[p]."""
    index = list(rows)
    return all(torch.equal(one[index], other) for one, other in zip(expected, found, strict=True))


def _near(expected: list[Tensor], alone: list[Tensor], outside: int) -> bool:
    """Tell whether the first trial has about the numbers of plain torch.

    The first `outside` tensors are outputs and buffers, each with a scale of its own; gradients
    share one, as some of them are zero but for rounding.
    """
    largest = [float(one.double().abs().max()) if one.numel() else 0.0 for one in alone]
    scales = [*largest[:outside], *[max(largest[outside:])] * (len(alone) - outside)]
    return all(
        float((one[0].double() - other.double()).abs().max()) <= TOLERANCE * max(1e-6, scale)
        for one, other, scale in zip(expected, alone, scales, strict=True)
        if other.numel()
    )


def _case(network: Network, shape: TaskShape, batch: int, training: bool) -> Case:
    """Make up weights, inputs and draws: any will do that differ from trial to trial."""
    module = network.module
    sites = network.sites(batch) if training else ()
    return Case(
        {path: _varied(module.get_parameter(path).detach()) for path in network.parameters},
        {path: _varied(module.get_buffer(path).float()).abs() for path in network.buffers},
        _waves((batch, *shape.inputs)),
        [
            (_waves(site.shape) > 2 * site.rate - 1).float().reshape(BLOCK, *site.broadcast)
            / max(1 - site.rate, 0.1)
            for site in sites
        ],
        _waves((batch, shape.outputs)),
    )


def _varied(first: Tensor) -> Tensor:
    """Return (BLOCK, *shape): the numbers of a module, moved on and scaled."""
    rows = [first.flatten().roll(7 * row) * (1 + row / 64) for row in range(BLOCK)]
    return torch.stack(rows).reshape(BLOCK, *first.shape)


def _waves(shape: tuple[int, ...]) -> Tensor:
    """Return (BLOCK, *shape) of numbers from -1 to 1."""
    count = BLOCK
    for size in shape:
        count *= size
    return torch.sin(torch.arange(count) * 0.737).reshape(BLOCK, *shape)
