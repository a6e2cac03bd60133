"""Augmentation of a pack's inputs, every example by its own draws."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from randstudy import streams
from randstudy.augment import Augment
from randstudy.devicestreams import DeviceStream, below

SITE = streams.site("augment")

CROP, TRANSLATE, CUTOUT, FLIP = 0, 2, 4, 6
"""First of the words of each operation: one for rows and one for columns, and one for the flip;
one is to spare."""

WORDS = 8


class Augmentation:
    """What `Augment` asks for, one operation after the other.

    The words of an example are the same whichever operations are in use.
    """

    def __init__(self, augment: Augment, stream: DeviceStream) -> None:
        self.augment = augment
        self.stream = stream

    def __call__(
        self, inputs: Tensor, samples: Tensor, occurrence: Tensor | None, epoch: int
    ) -> Tensor:
        """Return other inputs (P, B, C, …) for examples (P, B) of the data set."""
        words = self.stream.sample_words(
            SITE, samples=samples, occurrence=occurrence, epoch=epoch, count=WORDS
        )
        augment, drawn = self.augment, words.view(-1, WORDS)
        found = inputs.flatten(0, 1)
        if augment.crop:
            found = cut(found, augment.crop, augment.crop_fill, drawn[:, CROP : CROP + 2])
        if augment.flip:
            found = mirrored(found, drawn[:, FLIP])
        if augment.translate:
            found = cut(found, augment.translate, "zero", drawn[:, TRANSLATE : TRANSLATE + 2])
        if augment.cutout:
            found = holed(found, augment.cutout, drawn[:, CUTOUT : CUTOUT + 2])
        return found.view(inputs.shape)

    def keep(self, rows: Tensor) -> None:
        """Keep only these trials."""
        self.stream.keep(rows)


def cut(inputs: Tensor, margin: int, fill: str, words: Tensor) -> Tensor:
    """Return a random piece, of the old size, of each input (N, C, …) with a margin around it.

    A signal's one axis uses the second of the two words (N, 2), as an image's columns do.
    """
    sides = inputs.shape[2:]
    margins = [margin] * (2 * len(sides))
    padded = pad(inputs, margins, mode="constant" if fill == "zero" else "reflect")
    first, place = _zero(inputs, padded), _zero(inputs, padded)
    for axis, wide in enumerate(padded.shape[2:]):
        word = words[:, axis - len(sides)]
        first = first * wide + below(word, 2 * margin + 1).to(first.dtype)
        along = torch.arange(sides[axis], dtype=place.dtype, device=place.device)
        place = (place * wide).unsqueeze(-1) + along
    planes = torch.arange(len(padded) * padded.shape[1], dtype=first.dtype, device=first.device)
    starts = planes * math.prod(padded.shape[2:]) + first.repeat_interleave(inputs.shape[1])
    # One long row of places to add to, which is several times as fast as axes of a few pixels.
    index = starts[:, None] + place.flatten()
    return padded.view(-1).index_select(0, index.view(-1)).view(inputs.shape)


def mirrored(inputs: Tensor, words: Tensor) -> Tensor:
    """Return inputs (N, C, …) of which half, by chance, are turned around in their last axis."""
    turned = below(words, 2).bool().view(-1, *[1] * (inputs.dim() - 1))
    return torch.where(turned, inputs.flip(-1), inputs)


def holed(inputs: Tensor, side: int, words: Tensor) -> Tensor:
    """Return inputs (N, C, …) with zeros around a random place, as far as they reach."""
    sides = inputs.shape[2:]
    hole: Tensor | None = None
    for axis, wide in enumerate(sides):
        first = below(words[:, axis - len(sides), None], wide) - side // 2
        place = torch.arange(wide, device=inputs.device)
        part = ((place >= first) & (place < first + side)).view(
            -1, 1, *[wide if one == axis else 1 for one in range(len(sides))]
        )
        hole = part if hole is None else hole & part
    assert hole is not None, "inputs have axes: checked when the study was read"
    return inputs.masked_fill(hole, 0.0)


def _zero(inputs: Tensor, padded: Tensor) -> Tensor:
    """Return 0 as an index into `padded`, of half the size where that is enough."""
    kind = torch.int32 if padded.numel() < 2**31 else torch.int64
    return torch.zeros((), dtype=kind, device=inputs.device)
