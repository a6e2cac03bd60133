"""Losses as they come: their means for the record, and who has diverged."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from randstudy.recipe import Training

CHECK_EVERY = {"cpu": 16, "cuda": 32}
"""Updates between looks for divergence. A look waits for a GPU; what a trial did after the update
at which it diverged is dropped, so the number changes no outcome."""


class LossMeans:
    """Mean batch losses since the last report, and over the last epoch.

    Parameters
    ----------
    total, per_epoch : updates in the whole training and in an epoch.
    by_epoch : also begin a window at each epoch, as training may end at any of them.
    """

    def __init__(self, like: Tensor, total: int, per_epoch: int, *, by_epoch: bool) -> None:
        self.since = torch.zeros(len(like), dtype=torch.float64, device=like.device)
        self.window, self.epoch = self.since.clone(), self.since.clone()
        self.steps_since = self.steps_in_window = self.steps_in_epoch = 0
        self.total = total
        self.last = max(0, total - per_epoch)
        self.per_epoch = per_epoch
        self.by_epoch = by_epoch

    def add(self, losses: Tensor, step: int) -> None:
        """Add the losses (P,) of update `step`, counted from 0."""
        self.since += losses
        self.steps_since += 1
        if step == self.last:
            self.window, self.steps_in_window = torch.zeros_like(self.window), 0
        if self.by_epoch and step % self.per_epoch == 0:
            self.epoch, self.steps_in_epoch = torch.zeros_like(self.epoch), 0
        if self.by_epoch:
            self.epoch += losses
            self.steps_in_epoch += 1
        if step >= self.last:
            self.window += losses
            self.steps_in_window += 1

    def since_report(self) -> list[float]:
        """Return the means since the last report."""
        return (self.since / self.steps_since).tolist()

    def reported(self) -> None:
        """Begin anew after a report."""
        self.since, self.steps_since = torch.zeros_like(self.since), 0

    def final(self, step: int) -> list[float]:
        """Return the means at the end, after `step` updates.

        Of as many updates as an epoch has where that was the budget; of the epoch in which
        training ended, as far as it came, where it ended early.
        """
        if step == self.total:
            return (self.window / self.steps_in_window).tolist()
        return (self.epoch / self.steps_in_epoch).tolist()

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows."""
        self.since, self.window = self.since[rows], self.window[rows]
        self.epoch = self.epoch[rows]


class Watch:
    """Finds the update at which a trial diverged, and why."""

    def __init__(self, trainings: Sequence[Training], device: torch.device) -> None:
        limits = [training.loss_bound for training in trainings]
        self.limits = [math.inf if limit is None else limit for limit in limits]
        self.every = CHECK_EVERY[device.type]
        self.bounded = any(limit is not None for limit in limits)
        self.bounds = torch.tensor(self.limits, dtype=torch.float64, device=device)
        self.seen: list[Tensor] = []

    def add(self, losses: Tensor, gradient: Tensor) -> bool:
        """Note the losses (P,) and the gradient (P, D) of an update; tell whether it is time."""
        # A sum is finite if its terms are, but for terms that no training survives.
        self.seen.append(torch.stack([losses, gradient.sum(1)]))
        return len(self.seen) >= self.every

    def diverged(self, step: int) -> dict[int, tuple[int, str]]:
        """Return row -> (updates before it diverged, why), `step` updates having been done."""
        if not self.seen:
            return {}
        seen, first = torch.stack(self.seen), step - len(self.seen)
        self.seen = []
        broken = ~seen.isfinite()
        above = seen[:, 0] > self.bounds if self.bounded else broken[:, 0]
        if not bool(broken.any()) and not (self.bounded and bool(above.any())):
            return {}
        found: dict[int, tuple[int, str]] = {}
        loss, gradient, high = (one.cpu().numpy() for one in (broken[:, 0], broken[:, 1], above))
        for row in range(seen.shape[2]):
            either = loss[:, row] | gradient[:, row] | high[:, row]
            if either.any():
                at = int(either.argmax())
                why = "non-finite loss" if loss[at, row] else "non-finite gradient"
                if not loss[at, row] and high[at, row]:
                    why = f"loss above {self.limits[row]:g}"
                found[row] = (first + at, why)
        return found

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows."""
        self.limits = [self.limits[row] for row in rows.tolist()]
        self.bounds = self.bounds[rows]
