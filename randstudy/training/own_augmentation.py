"""Somebody's own augmentation of a pack's inputs: called for each trial by itself."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import torch
from torch import Tensor

from randstudy import streams
from randstudy.models.program import one_thread
from randstudy.own.augmentation import OwnChange, changed


class OwnInputs:
    """Hands each trial's batch to a function, with a generator of its own.

    The generator belongs to the trial, the epoch and the rows of the batch, each with how often it
    was used before, so that neither the pack nor anything drawn before has a part in it.
    """

    def __init__(self, change: OwnChange, keys: Sequence[streams.Key]) -> None:
        self.change, self.keys = change, list(keys)

    def __call__(
        self, inputs: Tensor, samples: Tensor, occurrence: Tensor | None, epoch: int
    ) -> Tensor:
        """Return other inputs (P, B, …) for examples (P, B) of the data set."""
        used = samples if occurrence is None else torch.cat([samples, occurrence], 1)
        places = [_named(rows.tobytes()) for rows in used.cpu().numpy()]
        with streams.watched(self.change.name), one_thread():
            found = [
                changed(self.change, one, streams.handed_at(key, epoch, place))
                for one, key, place in zip(inputs, self.keys, places, strict=True)
            ]
        return torch.stack(found)

    def keep(self, rows: Tensor) -> None:
        """Keep only these trials."""
        self.keys = [self.keys[row] for row in rows.tolist()]


def _named(rows: bytes) -> str:
    """Return a name for the rows of a batch."""
    return blake2b(rows, digest_size=8, person=b"randstudy.batch").hexdigest()
