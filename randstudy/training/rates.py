"""Learning rates of a pack, update by update."""

from __future__ import annotations

from collections.abc import Sequence

from randstudy.recipe import Recipe


class Rates:
    """Each trial's learning rate as its schedule and scaling make it, in float64."""

    def __init__(self, recipes: Sequence[Recipe]) -> None:
        self.heights = [recipe.training.lr * recipe.lr_scale for recipe in recipes]
        self.schedules = [recipe.training.schedule for recipe in recipes]
        self.total = recipes[0].total_steps
        self.constant = all(schedule.flat for schedule in self.schedules)

    def at(self, step: int) -> list[float]:
        """Return the rates of update `step`, counted from 0."""
        factors = {one: one.factor(step, self.total) for one in set(self.schedules)}
        pairs = zip(self.heights, self.schedules, strict=True)
        return [height * factors[schedule] for height, schedule in pairs]

    def keep(self, rows: Sequence[int]) -> None:
        """Keep only these trials, in this order."""
        self.heights = [self.heights[row] for row in rows]
        self.schedules = [self.schedules[row] for row in rows]
