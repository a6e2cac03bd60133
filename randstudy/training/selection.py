"""Selection by validation: the best weights so far, and who has stopped improving."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from randstudy.recipe import Stopping
from randstudy.trials import Trial


class Selection:
    """Each trial's best validation check, with copies of its weights and buffers there.

    Nothing here looks at test examples.
    """

    def __init__(
        self, members: Sequence[Trial], weights: Tensor, buffers: Mapping[str, Tensor]
    ) -> None:
        recipe = members[0].recipe
        rules = [trial.recipe.training.stopping for trial in members]
        self.rules: list[Stopping] = [rule for rule in rules if rule is not None]
        assert len(self.rules) == len(rules), "trials of a pack agree in whether they select"
        self.interval = self.rules[0].interval(recipe.steps_per_epoch)
        self.checked = 0
        """Step of the last check."""
        self.best = [math.inf] * len(members)
        self.steps = [0] * len(members)
        self.waited = [0] * len(members)
        self.weights = weights.clone()
        self.buffers = {path: buffer.clone() for path, buffer in buffers.items()}

    def check(
        self,
        step: int,
        metrics: Mapping[str, Sequence[float]],
        weights: Tensor,
        buffers: Mapping[str, Tensor],
    ) -> list[int]:
        """Note a check on validation examples; return the rows whose patience is at its end."""
        self.checked = step
        better = []
        for row, rule in enumerate(self.rules):
            value = metrics[rule.metric][row]
            # Higher accuracies and lower losses are better; inside, lower is.
            value = -value if rule.metric == "validation_accuracy" else value
            improved = value < self.best[row] - rule.min_delta
            if improved:
                better.append(row)
                self.best[row], self.steps[row] = value, step
            self.waited[row] = 0 if improved else self.waited[row] + 1
        if better:
            rows = torch.tensor(better, device=weights.device)
            self.weights[rows] = weights[rows]
            for path, buffer in self.buffers.items():
                buffer[rows] = buffers[path][rows]
        return [row for row, rule in enumerate(self.rules) if self._spent(row, rule)]

    def _spent(self, row: int, rule: Stopping) -> bool:
        return rule.patience is not None and self.waited[row] >= rule.patience

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows."""
        chosen = rows.tolist()
        self.rules = [self.rules[row] for row in chosen]
        self.best = [self.best[row] for row in chosen]
        self.steps = [self.steps[row] for row in chosen]
        self.waited = [self.waited[row] for row in chosen]
        self.weights = self.weights[rows]
        self.buffers = {path: buffer[rows] for path, buffer in self.buffers.items()}
