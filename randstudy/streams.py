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
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, NewType

import numpy as np
from numpy.typing import NDArray

from randstudy.errors import RandstudyError

if TYPE_CHECKING:
    import torch


class GlobalDrawError(RandstudyError):
    """A function that draws from a generator that belongs to nobody."""


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
    """Return the key from which a study draws points of a factor; it shares no bits with streams.

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


def again(key: Key) -> Key:
    """Return the key of a second draw from a stream, for weights that are drawn twice."""
    drawn = blake2b(str(int(key)).encode(), digest_size=8, person=b"randstudy.again").digest()
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
    rounds = round_keys(keys)[..., None]
    rows = max(1, CHUNK // max(blocks, 1))
    buffers = np.empty((6, CHUNK), np.uint64)
    for row in range(0, len(keys), rows):
        for block in range(0, blocks, CHUNK):
            part = out[row : row + rows, block : block + CHUNK]
            state = buffers[:, : part.shape[0] * part.shape[1]].reshape(6, *part.shape[:2])
            state[0] = np.arange(block, block + part.shape[1], dtype=np.uint64)
            state[1], state[2], state[3] = sample, step, site
            drawn = philox(state, rounds[:, :, row : row + rows])
            for word in range(4):
                part[:, :, word] = drawn[word]
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


CHOICE = site("choice")
"""Where draws with replacement are used that say nothing else."""


def choices(keys: Sequence[Key], n: int, *, epoch: int, site: int = CHOICE) -> NDArray[np.int64]:
    """Return (P, n) int64: for each key n draws with replacement from ``range(n)`` for this epoch.

    The high half of word * n: a number's chance is off by at most n / 2**32 of itself.
    """
    _check_word("n", n)
    drawn = words(keys, site=site, count=n, step=epoch).astype(np.uint64)
    drawn *= np.uint64(n)
    drawn >>= np.uint64(32)
    return drawn.view(np.int64)


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


def handed_together(seed: int, replicates: Mapping[str, int]) -> HandedStream:
    """Return one stream that moves with each of several, for code that takes a single seed.

    Parameters
    ----------
    seed : as for `key`.
    replicates : replicate of each stream; the order does not matter.
    """
    own = sorted((name, handed(seed, name, number).integer) for name, number in replicates.items())
    text = "\0".join(f"{name}\0{integer}" for name, integer in own)
    digest = blake2b(text.encode(), digest_size=8, person=b"randstudy.joined").digest()
    return HandedStream(int.from_bytes(digest) >> 1)


def seed_globals(stream: HandedStream) -> None:
    """Seed the global generators of Python and numpy, and torch's where it is loaded.

    For people's own code that asks for it; numpy's takes 32 bits.
    """
    random.seed(stream.integer)
    np.random.seed(stream.integer % 2**32)  # noqa: NPY002 (what the code draws from)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(stream.integer)


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


def global_state() -> tuple[object, ...]:
    """Return the state of the global generators; it changes when something draws from them.

    First Python's and numpy's, then those of torch and of CUDA where they are loaded.
    """
    kind, words, *rest = np.random.get_state()  # noqa: NPY002 (what other people's code draws from)
    torch = sys.modules.get("torch")
    tensors = [] if torch is None else [torch.get_rng_state()]
    if torch is not None and torch.cuda.is_initialized():
        tensors += torch.cuda.get_rng_state_all()
    devices = [one.numpy().tobytes() for one in tensors]
    return random.getstate(), kind, np.asarray(words).tobytes(), tuple(rest), *devices


def drawn_since(before: tuple[object, ...]) -> bool:
    """Tell whether the state is another; a library that was loaded since then is looked past."""
    return global_state()[: len(before)] != before


@contextmanager
def watched(name: str) -> Iterator[None]:
    """Refuse draws of somebody's function `name` from global generators: they are no trial's.

    Raises
    ------
    GlobalDrawError : at the end, where the state of a generator has changed.
    """
    before = global_state()
    yield
    if drawn_since(before):
        raise GlobalDrawError(
            f"{name} draws from a global generator, so that its numbers would depend on what ran "
            "before; functions that may draw are handed a generator"
        )


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


def round_keys(keys: Sequence[Key]) -> NDArray[np.uint64]:
    """Return (2, ROUNDS, P), what each round adds to the low and to the high words of P keys."""
    both = np.array(keys, dtype=np.uint64)
    halves = np.stack([both & np.uint64(LOW), both >> np.uint64(32)])[:, None]
    added = np.multiply.outer(np.array(WEYL, np.uint64), np.arange(ROUNDS, dtype=np.uint64))
    rounds: NDArray[np.uint64] = np.bitwise_and(halves + added[:, :, None], np.uint64(LOW))
    return rounds


def philox(state: NDArray[np.uint64], rounds: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], ...]:
    """Return the words 0 to 3 of some counters, each in the low half of 64 bits.

    The high halves of words 1 and 3 are left as they come, since nothing needs them cleared.

    Parameters
    ----------
    state : (6, P, ...): four words of counter, then scratch; it is used up.
    rounds : (2, ROUNDS, P, ...), as `round_keys` has them, with axes of 1 after P.
    """
    c0, c1, c2, c3, first, second = state
    mask, half = np.uint64(LOW), np.uint64(32)
    multipliers = [np.uint64(value) for value in MULTIPLIERS]
    for low, high in zip(*rounds, strict=True):
        np.multiply(c0, multipliers[0], out=first)
        np.multiply(c2, multipliers[1], out=second)
        np.right_shift(second, half, out=c0)
        c0 ^= c1
        c0 ^= low
        c0 &= mask
        np.right_shift(first, half, out=c2)
        c2 ^= c3
        c2 ^= high
        c2 &= mask
        c1, second = second, c1
        c3, first = first, c3
    return c0, c1, c2, c3
