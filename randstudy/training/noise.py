"""Noise on a pack's inputs, parameters and labels, each trial's at its own level."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from randstudy import streams
from randstudy.devicestreams import DeviceStream, normals
from randstudy.streams import Key
from randstudy.training.dropping import Ahead
from randstudy.training.layout import column

INPUTS, WEIGHTS, GRADIENTS = (
    streams.site(f"noise.{place}") for place in ("inputs", "weights", "gradients")
)
CHANCE, CLASS = streams.site("label.chance"), streams.site("label.class")


class InputNoise:
    """Gaussian noise on inputs, by data-set example, occurrence and epoch."""

    def __init__(self, stream: DeviceStream, sds: Sequence[float]) -> None:
        self.stream = stream
        self.sds = column(sds, stream.device)

    def __call__(
        self, inputs: Tensor, samples: Tensor, occurrence: Tensor | None, epoch: int
    ) -> Tensor:
        """Return inputs (P, B, …) with noise, for examples (P, B) of the data set."""
        count = inputs[0, 0].numel()
        halves = self.stream.sample_halves(
            INPUTS, samples=samples, occurrence=occurrence, epoch=epoch, count=count
        )
        # Two roundings, in two operations: one that multiplies and adds may round once or twice.
        drawn = normals(halves).mul_(self.sds[:, :, None])
        return drawn.view(inputs.shape).add_(inputs)

    def keep(self, rows: Tensor) -> None:
        """Keep only these trials."""
        self.stream.keep(rows)
        self.sds = self.sds[rows]


class ParameterNoise:
    """Gaussian noise on a row of numbers a trial, by step and index; never the same twice."""

    def __init__(
        self, stream: DeviceStream, site: int, sds: Sequence[float], where: Tensor
    ) -> None:
        """Add noise to those of D numbers that `where` (D,) is 1 for, and none where it is 0."""
        self.stream = stream
        self.ahead = Ahead(stream, site, rows=1, count=len(where))
        self.sds = column(sds, stream.device)
        self.where = where.to(stream.device)

    def at(self, step: int, columns: int) -> Tensor:
        """Return the noise (P, columns) of the last columns of a row."""
        halves = self.ahead.at(step)[:, 0, -columns:]
        return normals(halves).mul_(self.sds).mul_(self.where[-columns:])

    def keep(self, rows: Tensor) -> None:
        """Keep only these trials."""
        self.stream.keep(rows)
        self.ahead.keep(rows)
        self.sds = self.sds[rows]


class LabelNoise:
    """Symmetric label noise: some labels are another class's, each as likely, all training long.

    By row of the data set, so neither batch, order nor split changes what an example is called;
    what is mislabelled at some rate is so at a higher one, and gets the same class.

    Parameters
    ----------
    keys : of the P trials' label streams.
    rates : chance of each trial's labels to be replaced.
    examples : rows of the data set that may be asked for.
    classes : number of classes, at least 2.
    """

    def __init__(
        self,
        keys: Sequence[Key],
        rates: Sequence[float],
        *,
        examples: int,
        classes: int,
        device: torch.device,
    ) -> None:
        chance = streams.words(keys, site=CHANCE, count=examples)
        drawn = streams.words(keys, site=CLASS, count=examples).astype(np.int64)
        limits = np.array([round(rate * 2**32) for rate in rates])[:, None]
        others = 1 + (drawn * (classes - 1) >> 32)
        shift = np.where(chance.astype(np.int64) < limits, others, 0).astype(np.int32)
        self.classes = classes
        self.shift = torch.from_numpy(shift).to(device)

    def __call__(self, targets: Tensor, samples: Tensor) -> Tensor:
        """Return labels (P, B) for examples (P, B) of the data set whose own are `targets`."""
        return (targets + self.shift.gather(1, samples)) % self.classes

    def keep(self, rows: Tensor) -> None:
        """Keep only these trials."""
        self.shift = self.shift[rows]
