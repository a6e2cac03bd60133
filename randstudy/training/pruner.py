"""Masks of a pack, at init or between trainings, whatever their methods need to see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from randstudy import pruning
from randstudy.models.program import Program
from randstudy.pruning import Masks, Pruning, ScoredPruning
from randstudy.training.layout import Arrays, Layout
from randstudy.training.pack_data import PackData
from randstudy.training.perturbation import Perturbation
from randstudy.training.scoring import Scoring
from randstudy.trials import Trial

SCORELESS = "non-finite pruning score"


@dataclass
class Pruned:
    """Masks by path, (P, *shape) each, empty if no trial prunes; and row -> why it cannot go on."""

    masks: Masks
    broken: dict[int, str] = field(default_factory=dict)


class Pruner:
    """Prunes a pack as its trials' methods say; these may differ from row to row."""

    def __init__(
        self,
        members: Sequence[Trial],
        layout: Layout,
        program: Program,
        data: PackData,
        perturbation: Perturbation,
    ) -> None:
        self.keys = [trial.key("mask") for trial in members]
        self.parameters = layout.parameters
        self.scoring = Scoring(members, program, data, perturbation)

    def __call__(
        self,
        prunings: Sequence[Pruning],
        weights: Arrays,
        buffers: Mapping[str, Tensor],
        before: Masks | None = None,
    ) -> Pruned:
        """Prune once.

        Parameters
        ----------
        prunings : what is done to each of the P members now.
        weights, buffers : path -> (P, *shape), on the host and on the device.
        before : what earlier rounds kept.
        """
        # Those that rank by themselves, the others being left as they are.
        plain = [_unpruned(one) if _scored(one) else one for one in prunings]
        found = Pruned(pruning.masks(plain, self.keys, self.parameters, weights, before=before))
        kinds: dict[Pruning, list[int]] = {}
        for row, one in enumerate(prunings):
            if _scored(one):
                kinds.setdefault(_unpruned(one), []).append(row)
        for rows in kinds.values():
            self._score(prunings, rows, weights, buffers, before, found)
        for row, one in enumerate(prunings):
            if one.active and one.on_empty == "error":
                own = {path: kept[row] for path, kept in found.masks.items()}
                for path in pruning.emptied(own, self.parameters)[:1]:
                    found.broken.setdefault(row, f"pruning emptied {path}")
        return found

    def _score(
        self,
        prunings: Sequence[Pruning],
        rows: list[int],
        weights: Arrays,
        buffers: Mapping[str, Tensor],
        before: Masks | None,
        found: Pruned,
    ) -> None:
        """Add the masks of rows whose methods have equal settings but for their rates."""
        kind = prunings[rows[0]]
        assert isinstance(kind, ScoredPruning)
        own = {path: values[rows] for path, values in weights.items()}
        kept = {path: values[rows] for path, values in (before or {}).items()}
        keys = [self.keys[row] for row in rows]
        for power in kind.passes:
            shown = {path: one * kept[path] if path in kept else one for path, one in own.items()}
            scores = self.scoring(kind, rows, shown, buffers)
            found.broken |= {rows[place]: SCORELESS for place in _without_numbers(scores)}
            now = [partway(prunings[row], power) for row in rows]
            kept = pruning.masks(now, keys, self.parameters, own, scores=scores, before=kept)
        for path, values in kept.items():
            if path not in found.masks:
                shape = (len(prunings), *values.shape[1:])
                whole = np.ones(shape, np.bool_)
                found.masks[path] = before[path].copy() if before and path in before else whole
            found.masks[path][rows] = values


def partway(one: Pruning, power: float) -> Pruning:
    """Return a pruning at a power of its final density."""
    if power == 1:
        return one
    output = None if one.output_rate is None else 1 - (1 - one.output_rate) ** power
    return replace(one, rate=1 - (1 - one.rate) ** power, output_rate=output)


def _scored(one: Pruning) -> bool:
    return isinstance(one, ScoredPruning) and one.active


def _unpruned(one: Pruning) -> Pruning:
    return replace(one, rate=0.0, output_rate=None)


def _without_numbers(scores: Mapping[str, NDArray[np.float32]]) -> list[int]:
    """Return the places of networks with a score that is not finite."""
    finite = [np.isfinite(one).reshape(len(one), -1).all(1) for one in scores.values()]
    return [int(place) for place in np.flatnonzero(~np.logical_and.reduce(finite))]
