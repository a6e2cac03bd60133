"""Which weights share a rate, and what it is: layer by layer, all together, or by ERK."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from randstudy.pruning.method import Pruning

if TYPE_CHECKING:
    from randstudy.models import Parameter


@dataclass(frozen=True)
class Group:
    """Parameters whose weights are ranked together, and the fraction of them that goes."""

    parameters: tuple[Parameter, ...]
    rate: float


def prunable(pruning: Pruning, parameters: Sequence[Parameter]) -> list[Parameter]:
    """Return what may be pruned: weights, and biases where asked for, but never normalisation."""
    roles = {"weight", "bias"} if pruning.biases else {"weight"}
    return [parameter for parameter in parameters if parameter.role in roles]


def groups(pruning: Pruning, parameters: Sequence[Parameter]) -> Iterator[Group]:
    """Yield the groups of a one-shot pruning; the output layer is apart where its rate is."""
    hidden = layers(prunable(pruning, parameters))
    if pruning.output_rate is not None:
        yield Group(hidden.pop(), pruning.output_rate)
    if pruning.scope == "global" and hidden:
        yield Group(tuple(one for layer in hidden for one in layer), pruning.rate)
    elif pruning.scope == "layer":
        for layer in hidden:
            yield Group(layer, pruning.rate)
    elif hidden:
        densities = erdos_renyi([layer[0] for layer in hidden], 1 - pruning.rate)
        for layer, density in zip(hidden, densities, strict=True):
            yield Group(layer, 1 - density)


def layers(parameters: Sequence[Parameter]) -> list[tuple[Parameter, ...]]:
    """Return each weight with the biases that follow it."""
    found: list[tuple[Parameter, ...]] = []
    for one in parameters:
        if one.role == "weight" or not found:
            found.append((one,))
        else:
            found[-1] += (one,)
    return found


def erdos_renyi(parameters: Sequence[Parameter], density: float) -> list[float]:
    """Return each layer's density by the Erdős–Rényi-kernel rule (Evci et al. 2020).

    Proportional to the sum of the weight's dimensions over their product, such that `density` of
    all weights is kept; layers that would have more than all of their weights stay whole, and the
    others share the rest.

    >>> from randstudy.models import linear_layer
    >>> wide, narrow = linear_layer("a", 784, 300)[0], linear_layer("b", 300, 10)[0]
    >>> [round(kept, 6) for kept in erdos_renyi([wide, narrow], 0.1)]
    [0.088908, 0.99...]
    """
    raw = [sum(parameter.shape) / parameter.size for parameter in parameters]
    whole: set[int] = set()
    while True:
        rest = [i for i in range(len(parameters)) if i not in whole]
        budget = density * sum(p.size for p in parameters) - sum(parameters[i].size for i in whole)
        scale = budget / sum(raw[i] * parameters[i].size for i in rest) if rest else 0.0
        full = {i for i in rest if scale * raw[i] > 1}
        if not full:
            return [1.0 if i in whole else scale * raw[i] for i in range(len(parameters))]
        # As the authors: the layer that overflows most is made whole first.
        whole.add(max(full, key=lambda i: raw[i]))
