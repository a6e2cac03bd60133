"""Which examples each update of a pack uses, and in what order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from randstudy import streams
from randstudy.training.pack_data import PackData
from randstudy.trials import Trial


@dataclass(frozen=True, eq=False)
class Batch:
    """One batch of every trial.

    Attributes
    ----------
    number : counts the batches of the whole training from 0.
    epoch : counts from 0.
    rows : (P, B) rows of the pack's table.
    occurrence : (P, B), how often each example was used before in this epoch; None where an epoch
        holds each example once at most.
    share : the batch's part of the examples of its update.
    """

    number: int
    epoch: int
    rows: Tensor
    occurrence: Tensor | None
    share: float


class Batches:
    """The batches of a pack, epoch by epoch; all trials have the same numbers of them."""

    def __init__(self, members: Sequence[Trial], data: PackData, *, occurrences: bool) -> None:
        recipe = members[0].recipe
        self.sampling = recipe.training.sampling
        self.ordered = "order" in recipe.streams()
        self.size = recipe.batch
        self.per_epoch = recipe.batches_per_epoch
        self.per_update = recipe.accumulate
        self.updates_per_epoch = recipe.steps_per_epoch
        self.examples = recipe.examples_per_epoch
        self.keys = [trial.key("order") for trial in members]
        self.data = data
        self.epoch = -1
        self.counting = occurrences and (self.sampling == "replacement" or data.repeats)
        self.rows = data.rows["train"]
        self.occurrence: Tensor | None = None

    def of(self, step: int) -> Iterator[Batch]:
        """Yield the batches of update `step`, counted from 0."""
        epoch, place = divmod(step, self.updates_per_epoch)
        if epoch != self.epoch:
            self._draw(epoch)
        first = place * self.per_update
        last = min(first + self.per_update, self.per_epoch)
        used = min(last * self.size, self.examples) - first * self.size
        for index in range(first, last):
            part = slice(index * self.size, min((index + 1) * self.size, self.examples))
            yield Batch(
                number=epoch * self.per_epoch + index,
                epoch=epoch,
                rows=self.rows[:, part],
                occurrence=None if self.occurrence is None else self.occurrence[:, part],
                share=(part.stop - part.start) / used,
            )

    def examples_by(self, step: int) -> int:
        """Return how many examples `step` updates use."""
        epochs, updates = divmod(step, self.updates_per_epoch)
        return epochs * self.examples + min(updates * self.per_update * self.size, self.examples)

    def _draw(self, epoch: int) -> None:
        """Set each trial's examples of an epoch in their order."""
        self.epoch = epoch
        rows = self.data.rows["train"]
        if self.ordered:
            count = rows.shape[1]
            drawn = (
                streams.choices(self.keys, count, epoch=epoch)
                if self.sampling == "replacement"
                else streams.permutations(self.keys, count, epoch=epoch)
            )
            rows = rows.gather(1, torch.from_numpy(drawn).to(rows.device))
        self.rows = rows
        if self.counting:
            found = occurrences(rows.cpu().numpy())
            self.occurrence = torch.from_numpy(found).to(rows.device)

    def keep(self, rows: Tensor) -> None:
        """Keep only these trials, in this order; the data are told by their owner."""
        self.keys = [self.keys[row] for row in rows.tolist()]
        self.rows = self.rows[rows]
        self.occurrence = None if self.occurrence is None else self.occurrence[rows]


def occurrences(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (P, n): how often each number stood earlier in its own row.

    >>> occurrences(np.array([[7, 3, 7, 7, 3]])).tolist()
    [[0, 0, 1, 2, 1]]
    """
    order = rows.argsort(axis=1, kind="stable")
    ranked = np.take_along_axis(rows, order, 1)
    places = np.broadcast_to(np.arange(rows.shape[1]), rows.shape)
    new = np.ones_like(rows, dtype=bool)
    new[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
    starts = np.maximum.accumulate(np.where(new, places, 0), axis=1)
    found = np.empty_like(rows)
    np.put_along_axis(found, order, places - starts, 1)
    return found
