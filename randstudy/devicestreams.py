"""Streams on the device that trains: the draws of dropout, augmentation and noise.

The same words as in `streams`, in integers that every device computes alike. Where a draw belongs
to an example, the top 12 bits of ``block`` count its occurrences in the epoch::

    by step      (block, row of the batch or 0, step, site)
    by sample    (occurrence << 20 | block, row of the data set, epoch, site)

Chances and normals take 16 bits each, so a word makes two: half ``2 i`` is the low half of word
``i``. A half is a signed 16-bit integer, -32768 to 32767.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from randstudy import streams
from randstudy.streams import CHUNK, LOW, MULTIPLIERS, Key

HALVES = 2**16
"""Values that a half may take: chances and quantiles are this fine."""

OCCURRENCE = 20
"""Place of the occurrence in ``block``: an example has 2**22 words each time it is used."""

OCCURRENCES = 2**12
"""Uses of an example in one epoch that draw apart; the next would draw as the first did."""

ACCELERATED = 2**22
"""Counters at once on an accelerator, which wants much work and has the memory for it."""


class DeviceStream:
    """One stream of each of P trials.

    Row p of every draw depends on key p and the counters alone.

    Parameters
    ----------
    keys : one for each trial.
    device : where counters are and words are wanted.
    """

    def __init__(self, keys: Sequence[Key], device: torch.device | str = "cpu") -> None:
        rounds = streams.round_keys(keys)[..., None, None]
        self.device = torch.device(device)
        self.rounds = torch.from_numpy(rounds.view(np.int64)).to(self.device)
        self.at_once = CHUNK if self.device.type == "cpu" else ACCELERATED

    def __len__(self) -> int:
        return self.rounds.shape[2]

    def step_halves(self, site: int, *, steps: range, rows: int, count: int) -> Tensor:
        """Return (P, len(steps), rows, count) int16 for some rows of a batch at some steps.

        A shorter draw is the beginning of a longer one, in rows and in elements.
        """
        numbers = torch.tensor(list(steps), device=self.device).repeat_interleave(rows)[None, :]
        row = torch.arange(rows, device=self.device).repeat(len(steps))[None, :]
        drawn = self._drawn(_blocks(count, 8), row, numbers, site, first=None)
        return drawn.view(torch.int16)[..., :count].view(len(self), len(steps), rows, count)

    def sample_halves(
        self, site: int, *, samples: Tensor, occurrence: Tensor | None, epoch: int, count: int
    ) -> Tensor:
        """Return (P, B, count) int16 for examples (P, B) used in an epoch.

        ``occurrence`` (P, B) says how often each was used before in the epoch; None is never.
        """
        drawn = self._sampled(site, samples, occurrence, epoch, _blocks(count, 8))
        return drawn.view(torch.int16)[..., :count]

    def sample_words(
        self, site: int, *, samples: Tensor, occurrence: Tensor | None, epoch: int, count: int
    ) -> Tensor:
        """Return (P, B, count) int64 in [0, 2**32) likewise."""
        drawn = self._sampled(site, samples, occurrence, epoch, _blocks(count, 4))
        return drawn.view(torch.int32)[..., :count].to(torch.int64) & LOW

    def keep(self, rows: Tensor) -> None:
        """Keep only the streams of these trials."""
        self.rounds = self.rounds[:, :, rows]

    def _sampled(
        self, site: int, samples: Tensor, occurrence: Tensor | None, epoch: int, blocks: int
    ) -> Tensor:
        if blocks > 1 << OCCURRENCE:
            raise ValueError(f"{4 * blocks} words for one example; there are {4 << OCCURRENCE}")
        first = None if occurrence is None else (occurrence % OCCURRENCES) << OCCURRENCE
        step = torch.full((1, 1), epoch, device=self.device)
        return self._drawn(blocks, samples, step, site, first)

    def _drawn(
        self, blocks: int, sample: Tensor, step: Tensor, site: int, first: Tensor | None
    ) -> Tensor:
        """Return (P, A, 2 * blocks) int64 of two words each, the first in the low half.

        ``sample``, ``step`` and ``first``, the number of the first block, are (P or 1, A or 1). It
        is done in pieces that a core's cache holds: of several trials, or of one trial's rows.
        """
        trials, rows = len(self), max(sample.shape[1], step.shape[1])
        out = torch.empty((trials, rows, blocks, 2), dtype=torch.int64, device=self.device)
        high = min(rows, max(1, self.at_once // max(blocks, 1)))
        wide = min(trials, max(1, self.at_once // max(rows * blocks, 1)))
        buffer = torch.empty((6, wide, high, blocks), dtype=torch.int64, device=self.device)
        number = torch.arange(blocks, device=self.device)
        for trial in range(0, trials, wide):
            for row in range(0, rows, high):
                piece = out[trial : trial + wide, row : row + high]
                # Narrower last pieces are views of the front, so that each stays contiguous.
                state = buffer.view(6, -1)[:, : piece[..., 0].numel()].view(6, *piece.shape[:3])
                at = (slice(trial, trial + wide), slice(row, row + high))
                state[0] = number if first is None else number + _cut(first, at)
                state[1], state[2], state[3] = _cut(sample, at), _cut(step, at), site
                self._write(state, self.rounds[:, :, trial : trial + wide], piece)
        return out.view(trials, rows, 2 * blocks)

    def _write(self, state: Tensor, rounds: Tensor, out: Tensor) -> None:
        """Write the words of counters (P, A, blocks) to `out` (P, A, blocks, 2)."""
        if self.device.type == "cpu":
            # On the same memory, and for few counters in less than half of torch's time.
            c0, c1, c2, c3 = streams.philox(unsigned(state), unsigned(rounds))
            np.bitwise_or(c0, c1 << np.uint64(32), out=unsigned(out)[..., 0])
            np.bitwise_or(c2, c3 << np.uint64(32), out=unsigned(out)[..., 1])
        else:
            w0, w1, w2, w3 = philox(state, rounds)
            torch.bitwise_or(w0, w1 << 32, out=out[..., 0])
            torch.bitwise_or(w2, w3 << 32, out=out[..., 1])


def unsigned(numbers: Tensor) -> NDArray[np.uint64]:
    """Return int64 numbers as numpy's view of them, unsigned."""
    return numbers.numpy().view(np.uint64)


def normals(halves: Tensor) -> Tensor:
    """Return a standard normal, float32, for each half: one of 65,536 quantiles.

    They reach to 4.3 standard deviations; variance is 1 exactly. A table makes the same bits on
    every device and at every place of a vector, which logarithms and roots do not.
    """
    index = halves.to(torch.int32).bitwise_and_(HALVES - 1)
    return _quantiles_on(str(halves.device)).index_select(0, index.reshape(-1)).view(index.shape)


def kept(halves: Tensor, rate: float) -> Tensor:
    """Return where a unit is kept that is dropped at this rate, rounded to a 65,536th.

    What a rate drops, a larger one drops too.
    """
    return halves >= round(drawn_rate(rate) * HALVES) - HALVES // 2


def drawn_rate(rate: float) -> float:
    """Return the rate that is drawn: rounded to a 65,536th; of a rate above 0, not to 0 nor 1."""
    return min(max(round(rate * HALVES), 1), HALVES - 1) / HALVES if rate > 0 else 0.0


def below(words: Tensor, count: int) -> Tensor:
    """Return int64 in ``range(count)``: the high half of word * count, for count below 2**31."""
    return (words * count) >> 32


@cache
def quantiles() -> NDArray[np.float32]:
    """Return the normal quantile of each half, read as an unsigned number, at unit variance."""
    drawn = streams.normal((np.arange(HALVES) + 0.5) / HALVES)
    drawn /= math.sqrt(float(drawn @ drawn) / HALVES)
    return drawn.astype(np.float32)


@cache
def _quantiles_on(device: str) -> Tensor:
    return torch.from_numpy(quantiles()).to(device)


def _blocks(count: int, each: int) -> int:
    """Return how many blocks hold `count` numbers."""
    return -(-count // each)


def _cut(part: Tensor, at: tuple[slice, slice]) -> Tensor:
    """Return a piece of what is (P or 1, A or 1), as (…, …, 1)."""
    trial, row = (
        slice(None) if size == 1 else some for size, some in zip(part.shape, at, strict=True)
    )
    return part[trial, row, None]


def philox(state: Tensor, rounds: Tensor) -> tuple[Tensor, ...]:
    """Do what `streams.philox` does in signed 64-bit integers, on any device.

    Products wrap at 64 bits, which leaves their low words right; the arithmetic shift copies the
    sign into the high half, which is cleared.
    """
    c0, c1, c2, c3, first, second = state.unbind()
    for low, high in zip(*rounds, strict=True):
        torch.mul(c0, MULTIPLIERS[0], out=first)
        torch.mul(c2, MULTIPLIERS[1], out=second)
        torch.bitwise_right_shift(second, 32, out=c0)
        c0.bitwise_xor_(c1).bitwise_xor_(low).bitwise_and_(LOW)
        torch.bitwise_right_shift(first, 32, out=c2)
        c2.bitwise_xor_(c3).bitwise_xor_(high).bitwise_and_(LOW)
        c1, second = second, c1
        c3, first = first, c3
    return c0, c1, c2, c3
