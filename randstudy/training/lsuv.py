"""First weights scaled by what they make of training examples (Mishkin & Matas 2016, LSUV).

A layer without a bias is linear in its weight, so one factor gives its outputs the spread that is
wanted. The factors are found from the first layer to the last, on examples that the split alone
decides: nothing is drawn here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from randstudy.inits import Init
from randstudy.models import Parameter
from randstudy.models.program import Pass, Program
from randstudy.training.layout import Arrays
from randstudy.training.memory import AT_ONCE
from randstudy.training.pack_data import PackData

EXAMPLES = 128
"""Examples at most on which a layer's outputs are looked at: the batch of the paper."""


def rescale(
    inits: Sequence[Init],
    weights: Arrays,
    parameters: Sequence[Parameter],
    data: PackData,
    program: Program,
    way: Pass,
) -> None:
    """Scale the weights of the trials whose init asks for it, in place; leave the others' alone.

    Parameters
    ----------
    inits : one for each of the P rows, silent twins among them.
    weights : path -> (P, *shape), on the host.
    parameters : the model's, in the order of its layers.
    way : the pass of an evaluation, with the pack's buffers: normalisation stands at its running
        statistics, and dropout is out of force.
    """
    targets = [init.output_sd() for init in inits]
    rows = data.spaced(EXAMPLES)
    for some in _blocks(len(inits)):
        wanted = targets[some]
        if any(target is not None for target in wanted):
            own = {path: values[some] for path, values in weights.items()}
            inputs, _ = data.batch(rows[some])
            _rescale(wanted, own, parameters, inputs, program, way.rows(some))


def _rescale(
    targets: Sequence[float | None],
    weights: Arrays,
    parameters: Sequence[Parameter],
    inputs: Tensor,
    program: Program,
    way: Pass,
) -> None:
    for parameter in parameters:
        if parameter.role == "weight":
            outputs = _outputs(parameter.path, weights, inputs, program, way)
            values = weights[parameter.path]
            for row, target in enumerate(targets):
                spread = 0.0 if target is None else _spread(outputs[row])
                # A layer that gives nothing cannot be helped by a factor.
                if target is not None and spread > 0:
                    values[row] = values[row].astype(np.float64) * (target / spread)


def _outputs(
    path: str, weights: Arrays, inputs: Tensor, program: Program, way: Pass
) -> list[Tensor]:
    """Return what the layer of this weight gives, (B, *units) for each trial."""
    found: list[Tensor] = []

    def probe(shown: str, outputs: Tensor) -> None:
        if shown == path:
            found.extend(outputs.cpu().double())

    shipped = {name: torch.from_numpy(values).to(inputs.device) for name, values in weights.items()}
    program.outputs(shipped, inputs, replace(way, probe=probe))
    return found


def _spread(outputs: Tensor) -> float:
    """Return the standard deviation over examples and units of one trial, in float64."""
    # Contiguous, as the order of a sum follows the strides, and these the width of the pack.
    return float(np.std(outputs.contiguous().numpy()))


def _blocks(width: int) -> Iterator[slice]:
    """Yield the rows in blocks of `AT_ONCE`; a lone last row stays with those before it."""
    start = 0
    while start < width:
        stop = start + AT_ONCE if width - start - AT_ONCE > 1 else width
        yield slice(start, stop)
        start = stop
