"""Counter-based streams of randomness: the only module that may seed or draw.

A stream is named (`STREAMS`), and its key is a hash of (study seed, stream, replicate). A draw is a
pure function of that key and of where the draw is used::

    word = Philox4x32-10(key, counter = (block, sample, step, site))

``block`` counts groups of four words within one draw, ``sample`` is a row of the data set or 0,
``step`` an epoch or an optimiser step, ``site`` a hash of the module path that uses the draw. So no
draw depends on what was drawn before it, on the pack, or on the process.

The generator is Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy
as 1, 2, 3" (SC 2011), and passes the known-answer vectors published with it. Layouts and constants
here are frozen: changing any of them changes every trial.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, NewType

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

STREAMS: tuple[str, ...] = (
    "split",
    "data",
    "init",
    "order",
    "augment",
    "dropout",
    "noise",
    "label",
    "mask",
)

Key = NewType("Key", int)
"""64 bits that select one stream at one replicate of one study."""

Words = NDArray[np.uint32]

ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
LOW = 0xFFFFFFFF

# Six 64-bit buffers of this many counters stay in a core's second-level cache; fewer counters
# would spend the time on calls instead.
CHUNK = 16384


def key(seed: int, stream: str, replicate: int) -> Key:
    """Return the key of a stream: 64 bits of BLAKE2b over (seed, stream, replicate).

    Parameters
    ----------
    seed : the study's seed, any integer from 0; 0 is a seed like any other.
    stream : one of `STREAMS`.
    replicate : from 0; 0 is a replicate like any other.
    """
    return Key(_hash(b"randstudy.stream", seed, stream, replicate))


def design_key(seed: int, name: str) -> Key:
    """Return the key from which a study draws points of a factor; no trial's stream shares its bits.

    Parameters
    ----------
    seed : the study's seed.
    name : what is drawn, as "random training.lr".
    """
    if seed < 0:
        raise ValueError(f"seed is {seed}; it must be at least 0")
    text = f"{int(seed)}\0{name}".encode()
    drawn = blake2b(text, digest_size=8, person=b"randstudy.design").digest()
    return Key(int.from_bytes(drawn))


def site(path: str) -> int:
    """Return the 32-bit site of a module path or other name of the place that uses a draw."""
    return int.from_bytes(blake2b(path.encode(), digest_size=4, person=b"randstudy.site").digest())


def words(keys: Sequence[Key], *, site: int, count: int, sample: int = 0, step: int = 0) -> Words:
    """Draw `count` 32-bit words for each key.

    Word ``i`` is word ``i % 4`` of block ``i // 4``, so a shorter draw is a prefix of a longer one.

    Returns
    -------
    (P, count) uint32 for P keys; each row depends on its own key alone.
    """
    for name, value in (("site", site), ("sample", sample), ("step", step)):
        _check_word(name, value)
    blocks = -(-count // 4)
    _check_word("count", blocks)
    out = np.empty((len(keys), blocks, 4), np.uint32)
    low, high = _key_words(keys)
    rows = max(1, CHUNK // max(blocks, 1))
    buffers = np.empty((6, CHUNK), np.uint64)
    for row in range(0, len(keys), rows):
        for block in range(0, blocks, CHUNK):
            part = out[row : row + rows, block : block + CHUNK]
            state = buffers[:, : part.shape[0] * part.shape[1]].reshape(6, *part.shape[:2])
            state[0] = np.arange(block, block + part.shape[1], dtype=np.uint64)
            state[1], state[2], state[3] = sample, step, site
            _philox(state, low[row : row + rows], high[row : row + rows])
            for word in range(4):
                part[:, :, word] = state[word]
    return np.ascontiguousarray(out.reshape(len(keys), 4 * blocks)[:, :count])


def uniforms(
    keys: Sequence[Key], *, site: int, count: int, sample: int = 0, step: int = 0
) -> NDArray[np.float64]:
    """Draw (P, count) float64 in the open interval (0, 1): (word + 0.5) / 2**32, exactly."""
    drawn = words(keys, site=site, count=count, sample=sample, step=step).astype(np.float64)
    drawn += 0.5
    drawn *= 2.0**-32
    return drawn


def normal(uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return standard normals by the inverse distribution function, one for each uniform."""
    from scipy.special import ndtri

    drawn: NDArray[np.float64] = ndtri(uniform)
    return drawn


def permutations(keys: Sequence[Key], n: int, *, epoch: int) -> NDArray[np.int64]:
    """Return (P, n) int64: for each key a permutation of ``range(n)`` for this epoch.

    Sorts unique 64-bit numbers (32 random bits, then the index), so that any sorting algorithm
    gives the same bits. Two equal words (probability about n**2 / 2**33 that there is such a pair)
    are put in order of index.
    """
    _check_word("n", n)
    drawn = words(keys, site=site("permutation"), count=n, step=epoch).astype(np.uint64)
    drawn <<= np.uint64(32)
    drawn |= np.arange(n, dtype=np.uint64)
    drawn.sort(axis=1)
    drawn &= np.uint64(LOW)
    return drawn.view(np.int64)


def choices(keys: Sequence[Key], n: int, *, epoch: int) -> NDArray[np.int64]:
    """Return (P, n) int64: for each key n draws with replacement from ``range(n)`` for this epoch.

    The high half of word * n: a number's chance is off by at most n / 2**32 of itself.
    """
    _check_word("n", n)
    drawn = words(keys, site=site("choice"), count=n, step=epoch).astype(np.uint64)
    drawn *= np.uint64(n)
    drawn >>= np.uint64(32)
    return drawn.view(np.int64)


def step_words(
    keys: Sequence[Key],
    *,
    site: int,
    count: int,
    steps: range,
    device: torch.device | str = "cpu",
) -> torch.Tensor:
    """Draw words for several steps at once on the device that trains; equal to `words` bit for bit.

    Returns
    -------
    (P, len(steps), count) int64 tensor of values in [0, 2**32).
    """
    import torch

    _check_word("site", site)
    for step in (steps[0], steps[-1]) if steps else ():
        _check_word("step", step)
    blocks = -(-count // 4)
    rows = len(keys) * len(steps)
    low, high = (
        torch.from_numpy(half.astype(np.int64)).to(device).repeat_interleave(len(steps), dim=0)
        for half in _key_words(keys)
    )
    step_of_row = torch.tensor(list(steps), dtype=torch.int64, device=device).repeat(len(keys))
    out = torch.empty((rows, blocks, 4), dtype=torch.int64, device=device)
    # An accelerator wants all the work at once, a CPU as much as its cache holds.
    at_once = max(1, CHUNK // max(blocks, 1)) if out.device.type == "cpu" else max(1, rows)
    buffers = torch.empty((6, at_once, blocks), dtype=torch.int64, device=device)
    for row in range(0, rows, at_once):
        part = slice(row, row + at_once)
        state = buffers[:, : min(at_once, rows - row)]
        state[0] = torch.arange(blocks, device=device)
        state[1] = 0
        state[2] = step_of_row[part, None]
        state[3] = site
        _philox_torch(state, low[part], high[part])
        out[part] = state[:4].permute(1, 2, 0)
    return out.reshape(len(keys), len(steps), 4 * blocks)[:, :, :count]


@dataclass(frozen=True)
class HandedStream:
    """A stream for people's own code, in the form that the code takes.

    Each call starts the stream afresh: two generators from one handed stream draw the same numbers.

    Attributes
    ----------
    integer : from 0 to 2**63 - 1. For libraries that take 32 bits use ``integer % 2**32``.
    """

    integer: int

    def numpy(self) -> np.random.Generator:
        """Return a numpy generator (Philox4x64-10 keyed by `integer`)."""
        return np.random.Generator(np.random.Philox(key=self.integer))

    def torch(self, device: torch.device | str = "cpu") -> torch.Generator:
        """Return a torch generator; the same seed draws other numbers on another kind of device."""
        import torch

        return torch.Generator(device=device).manual_seed(self.integer)


def handed(seed: int, stream: str, replicate: int) -> HandedStream:
    """Return a stream for code that draws its own numbers; arguments as for `key`.

    It shares no bits with what randstudy draws from the stream of that name.
    """
    return HandedStream(_hash(b"randstudy.handed", seed, stream, replicate) >> 1)


def handed_at(key: Key, *place: int | str) -> HandedStream:
    """Return a stream for people's own code that is called at one place of a training.

    Parameters
    ----------
    key : that of the stream in the trial's replicate.
    place : where the draws are used, such as a parameter's path or a number of a batch.
    """
    text = "\0".join([str(int(key)), *(str(part) for part in place)])
    digest = blake2b(text.encode(), digest_size=8, person=b"randstudy.place").digest()
    return HandedStream(int.from_bytes(digest) >> 1)


@contextmanager
def global_generators(stream: HandedStream) -> Iterator[None]:
    """Let code draw from the global generators of Python, numpy and torch as if from `stream`.

    For code of others that takes no generator, such as the constructors of ``torch.nn``. The states
    found are put back at the end.
    """
    import torch

    python, device = random.getstate(), torch.get_rng_state()
    host = np.random.get_state()  # noqa: NPY002 (what other people's code draws from)
    random.seed(stream.integer)
    np.random.seed(stream.integer % 2**32)  # noqa: NPY002 (the same)
    torch.default_generator.manual_seed(stream.integer)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(host)  # noqa: NPY002 (the same)
        torch.set_rng_state(device)


def global_state() -> tuple[bytes, str]:
    """Return the state of the global generators; it changes when something draws from them."""
    import torch

    host = np.random.get_state()  # noqa: NPY002 (what other people's code draws from)
    return torch.get_rng_state().numpy().tobytes(), repr((random.getstate(), host))


def _hash(purpose: bytes, seed: int, stream: str, replicate: int) -> int:
    """Hash to 64 bits; numbers in decimal, parts separated by a byte that none of them contains."""
    if stream not in STREAMS:
        raise ValueError(f"no stream is called {stream!r}; there are {', '.join(STREAMS)}")
    for name, value in (("seed", seed), ("replicate", replicate)):
        if value < 0:
            raise ValueError(f"{name} is {value}; it must be at least 0")
    text = f"{int(seed)}\0{stream}\0{int(replicate)}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8, person=purpose).digest())


def _check_word(name: str, value: int) -> None:
    if not 0 <= value <= LOW:
        raise ValueError(f"{name} is {value}; it must be from 0 to {LOW}")


def _key_words(keys: Sequence[Key]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the low and the high 32 bits of each key, both (P, 1)."""
    both = np.array(keys, dtype=np.uint64).reshape(-1, 1)
    return both & np.uint64(LOW), both >> np.uint64(32)


def _philox(state: NDArray[np.uint64], low: NDArray[np.uint64], high: NDArray[np.uint64]) -> None:
    """Turn counters into words in place.

    Parameters
    ----------
    state : (6, rows, blocks); the first four are counter words, the last two are scratch.
    low, high : (rows, 1) key words.
    """
    c0, c1, c2, c3, first, second = state
    mask, half = np.uint64(LOW), np.uint64(32)
    multipliers = [np.uint64(value) for value in MULTIPLIERS]
    for turn in range(ROUNDS):
        k0 = (low + np.uint64(turn * WEYL[0])) & mask
        k1 = (high + np.uint64(turn * WEYL[1])) & mask
        np.multiply(c0, multipliers[0], out=first)
        np.multiply(c2, multipliers[1], out=second)
        np.right_shift(second, half, out=c0)
        c0 ^= c1
        c0 ^= k0
        np.bitwise_and(second, mask, out=c1)
        np.right_shift(first, half, out=c2)
        c2 ^= c3
        c2 ^= k1
        np.bitwise_and(first, mask, out=c3)


def _philox_torch(state: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> None:
    """Do what `_philox` does in signed 64-bit integers, on any device.

    Products wrap at 64 bits, which leaves their low words right; the arithmetic shift copies the
    sign into the high half, which the mask takes away.
    """
    import torch

    c0, c1, c2, c3, first, second = state.unbind()
    for turn in range(ROUNDS):
        torch.mul(c0, MULTIPLIERS[0], out=first)
        torch.mul(c2, MULTIPLIERS[1], out=second)
        torch.bitwise_right_shift(second, 32, out=c0)
        c0.bitwise_and_(LOW).bitwise_xor_(c1).bitwise_xor_((low + turn * WEYL[0]) & LOW)
        torch.bitwise_and(second, LOW, out=c1)
        torch.bitwise_right_shift(first, 32, out=c2)
        c2.bitwise_and_(LOW).bitwise_xor_(c3).bitwise_xor_((high + turn * WEYL[1]) & LOW)
        torch.bitwise_and(first, LOW, out=c3)
