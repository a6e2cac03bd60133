"""From ranks to masks: what each trial of a pack keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from randstudy.pruning.method import Kept, Pruning, count
from randstudy.pruning.methods import BernoulliPruning, sortable
from randstudy.pruning.ratios import groups, prunable
from randstudy.streams import Key

if TYPE_CHECKING:
    from randstudy.models import Parameter

Masks = dict[str, Kept]
"""Path -> bool, True where kept."""


def masks(
    prunings: Sequence[Pruning],
    keys: Sequence[Key],
    parameters: Sequence[Parameter],
    weights: Mapping[str, NDArray[np.float32]],
    *,
    scores: Mapping[str, NDArray[np.float32]] | None = None,
    before: Mapping[str, Kept] | None = None,
) -> Masks:
    """Return what each trial of a pack keeps after one pruning.

    Parameters
    ----------
    prunings, keys : a method at its rate and a key of the `mask` stream for each of the P trials.
    parameters : the model's.
    weights : path -> (P, *shape) float32.
    scores : path -> (P, *shape) float32, for methods that do not rank by themselves.
    before : path -> (P, *shape) bool, what earlier rounds kept; nothing returns.

    Returns
    -------
    Path of each weight (and bias, where any trial prunes these) -> (P, *shape) bool; empty if no
    trial prunes.
    """
    if not any(pruning.active for pruning in prunings):
        return {}
    found = {
        parameter.path: np.ones((len(prunings), *parameter.shape), np.bool_)
        for parameter in parameters
        if any(parameter in prunable(pruning, [parameter]) for pruning in prunings)
    }
    for path, kept in found.items():
        if before and path in before:
            kept &= before[path]
    for row, pruning in enumerate(prunings):
        if pruning.active:
            own = {path: values[row] for path, values in (scores or weights).items()}
            ready = scores is not None
            for path, kept in _one(pruning, keys[row], parameters, own, found, row, ready).items():
                found[path][row] = kept
    return found


def _one(
    pruning: Pruning,
    key: Key,
    parameters: Sequence[Parameter],
    values: Mapping[str, NDArray[np.float32]],
    before: Mapping[str, Kept],
    row: int,
    scored: bool,
) -> Masks:
    """Return the masks of one trial from its own weights or scores."""
    found: Masks = {}
    for group in groups(pruning, parameters):
        ranks = [
            sortable(values[one.path]) if scored else pruning.ranks(key, one, values[one.path])
            for one in group.parameters
        ]
        alive = np.concatenate([before[one.path][row].reshape(-1) for one in group.parameters])
        kept = pruning.keep(np.concatenate(ranks), group.rate, alive)
        start = 0
        for one in group.parameters:
            found[one.path] = kept[start : start + one.size].reshape(one.shape)
            start += one.size
    return found


def density(
    kept: Mapping[str, Kept], pruning: Pruning, parameters: Sequence[Parameter]
) -> dict[str, float]:
    """Return the fraction kept of what one trial may prune, in all and by parameter."""
    may = prunable(pruning, parameters)
    counts = [int(np.count_nonzero(kept[one.path])) for one in may]
    each = [many / one.size for many, one in zip(counts, may, strict=True)]
    whole = sum(counts) / sum(one.size for one in may)
    return dict(zip(density_names(pruning, parameters), [whole, *each], strict=True))


def density_names(pruning: Pruning, parameters: Sequence[Parameter]) -> list[str]:
    """Return the names under which a trial's densities are reported; none if it is not pruned."""
    if not pruning.active:
        return []
    return ["density", *(f"density.{one.path}" for one in prunable(pruning, parameters))]


def emptied(kept: Mapping[str, Kept], parameters: Sequence[Parameter]) -> list[str]:
    """Return the layers of one trial that lost all their weights."""
    return [
        one.path
        for one in parameters
        if one.role == "weight" and one.path in kept and not kept[one.path].any()
    ]


def removed_whole(pruning: Pruning, parameters: Sequence[Parameter]) -> list[str]:
    """Return the layers that a method is known to empty before anything is scored."""
    if not pruning.active:
        return []
    last = pruning.stages()[-1]
    if isinstance(last, BernoulliPruning):
        certain = [group for group in groups(last, parameters) if group.rate == 1]
        return [one.path for group in certain for one in group.parameters if one.role == "weight"]
    return [
        one.path
        for group in groups(last, parameters)
        for one in group.parameters
        if one.role == "weight"
        and count(group.rate, sum(each.size for each in group.parameters))
        == sum(each.size for each in group.parameters)
    ]
