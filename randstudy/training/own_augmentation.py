"""Somebody's own augmentation of a pack's inputs: called for each trial by itself."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import torch
from torch import Tensor

from randstudy import streams
from randstudy.models.modules.anatomy import example, said
from randstudy.models.modules.network import one_thread
from randstudy.own.augmentation import OwnChange
from randstudy.tasks import TaskShape

TRIED = 4
"""Examples on which a function is tried before training."""


class OwnInputs:
    """Hands each trial's batch to a function, with a generator of its own.

    The generator belongs to the trial, the epoch and the rows of the batch, so that neither the
    pack nor anything drawn before has a part in it.
    """

    def __init__(self, change: OwnChange, keys: Sequence[streams.Key]) -> None:
        self.change, self.keys = change, list(keys)

    def __call__(
        self, inputs: Tensor, samples: Tensor, occurrence: Tensor | None, epoch: int
    ) -> Tensor:
        """Return other inputs (P, B, …) for examples (P, B) of the data set."""
        places = [_named(rows.tobytes()) for rows in samples.cpu().numpy()]
        with one_thread():
            changed = [
                _changed(self.change, one, streams.handed_at(key, epoch, place))
                for one, key, place in zip(inputs, self.keys, places, strict=True)
            ]
        return torch.stack(changed)

    def keep(self, rows: Tensor) -> None:
        """Keep only these trials."""
        self.keys = [self.keys[row] for row in rows.tolist()]


def problem(change: OwnChange, shape: TaskShape) -> str:
    """Say what is wrong with an augmentation, or return nothing."""
    inputs = example(shape, TRIED)
    try:
        _changed(change, inputs, streams.handed_at(streams.Key(0), "trying"))
    except Exception as error:  # noqa: BLE001 (somebody's function may raise anything)
        return f"fails on {TRIED} made-up examples: {said(error)}"
    return ""


def _changed(change: OwnChange, inputs: Tensor, stream: streams.HandedStream) -> Tensor:
    """Call the function for one trial."""
    found = change.change(inputs.clone(), stream.torch(inputs.device))
    if not isinstance(found, Tensor) or found.shape != inputs.shape:
        what = tuple(found.shape) if isinstance(found, Tensor) else f"a {type(found).__name__}"
        raise ValueError(f"returns {what} for inputs of shape {tuple(inputs.shape)}")
    return found.to(inputs.dtype)


def _named(rows: bytes) -> str:
    """Return a name for the rows of a batch."""
    return blake2b(rows, digest_size=8, person=b"randstudy.batch").hexdigest()
