"""Streams: known answers, golden layouts, independence of the pack, and a statistical battery.

The battery (Knuth, The Art of Computer Programming 2, 3.3.2, and NIST SP 800-22): monobit of each
bit, equidistribution of high and low bytes, Kolmogorov-Smirnov, serial pairs, autocorrelation, and
Wald-Wolfowitz runs, along every coordinate that a draw depends on. Seeds are fixed, so each test
gives the same answer always; the battery is shown to reject generators known to be poor.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator
from itertools import permutations as orders
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats

from randstudy import streams
from randstudy.devicestreams import DeviceStream
from randstudy.streams import STREAMS, Key, handed, key, normal, permutations, site, uniforms, words

LEAST_P = 1e-4
LARGEST_Z = 4.5
PACKAGE = Path(streams.__file__).parent


# Known answers and golden values


# The three vectors of Random123's tests/kat_vectors for philox4x32 with 10 rounds.
KNOWN_ANSWERS = [
    (
        "00000000 00000000 00000000 00000000",
        "00000000 00000000",
        "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
    ),
    (
        "ffffffff ffffffff ffffffff ffffffff",
        "ffffffff ffffffff",
        "408f276d 41c83b0e a20bc7c6 6d5451fd",
    ),
    (
        "243f6a88 85a308d3 13198a2e 03707344",
        "a4093822 299f31d0",
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


def numbers(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "key_words", "answer"), KNOWN_ANSWERS)
def test_known_answers_of_random123(counter: str, key_words: str, answer: str) -> None:
    state = np.zeros((6, 1, 1), np.uint64)
    state[:4, 0, 0] = numbers(counter)
    low, high = numbers(key_words)
    drawn = streams.philox(state, streams.round_keys([Key(high << 32 | low)])[..., None])
    assert [int(word[0, 0]) % 2**32 for word in drawn] == numbers(answer)


def test_the_first_known_answer_through_the_layout() -> None:
    # The other two begin at a block that only a very long draw reaches.
    assert words([Key(0)], site=0, count=4)[0].tolist() == numbers(KNOWN_ANSWERS[0][2])


def reference_block(the_key: int, counter: tuple[int, int, int, int]) -> list[int]:
    """Philox4x32-10 as the paper states it, in Python's own integers."""
    low, high = the_key & 0xFFFFFFFF, the_key >> 32
    x = list(counter)
    for turn in range(10):
        k0, k1 = (low + turn * 0x9E3779B9) % 2**32, (high + turn * 0xBB67AE85) % 2**32
        first, second = x[0] * 0xD2511F53, x[2] * 0xCD9E8D57
        x = [
            (second >> 32) ^ x[1] ^ k0,
            second % 2**32,
            (first >> 32) ^ x[3] ^ k1,
            first % 2**32,
        ]
    return x


def test_counter_words_are_block_sample_step_site() -> None:
    the_key = key(3, "augment", 5)
    drawn = words([the_key], site=40, count=11, sample=50, step=60)[0].tolist()
    expected = [w for block in range(3) for w in reference_block(the_key, (block, 50, 60, 40))]
    assert drawn == expected[:11]


@pytest.mark.parametrize("block", [0, 1, streams.CHUNK - 1, streams.CHUNK, 2 * streams.CHUNK + 5])
def test_blocks_count_on_through_a_long_draw(block: int) -> None:
    keys = [key(3, "mask", replicate) for replicate in range(2)]
    drawn = words(keys, site=40, count=4 * (2 * streams.CHUNK + 6), step=60)
    for row, the_key in zip(drawn, keys, strict=True):
        expected = reference_block(the_key, (block, 0, 60, 40))
        assert row[4 * block : 4 * block + 4].tolist() == expected


def test_golden_keys_and_sites() -> None:
    assert GOLDEN["keys"] == [f"{key(0, stream, 0):016x}" for stream in STREAMS]
    assert GOLDEN["more keys"] == [
        f"{key(*arguments):016x}"
        for arguments in [(0, "init", 1), (1, "init", 0), (2**70, "init", 0), (0, "init", 10**6)]
    ]
    paths = ("layers.0.weight", "layers.0.bias", "head.weight", "permutation", "")
    assert GOLDEN["sites"] == [f"{site(path):08x}" for path in paths]


def test_golden_words() -> None:
    keys = [key(0, "init", 0), key(0, "init", 1)]
    drawn = words(keys, site=site("layers.0.weight"), count=6)
    assert GOLDEN["words"] == [" ".join(f"{word:08x}" for word in row) for row in drawn]
    drawn = words(keys, site=site("a"), count=6, sample=7, step=8)
    assert GOLDEN["words at"] == [" ".join(f"{word:08x}" for word in row) for row in drawn]


def test_golden_uniforms_and_normals() -> None:
    drawn = uniforms([key(0, "init", 0)], site=site("layers.0.weight"), count=4)[0]
    assert GOLDEN["uniforms"] == [value.hex() for value in drawn.tolist()]
    # The quantile function is scipy's, so its last digits are not ours to freeze.
    np.testing.assert_allclose(normal(drawn), GOLDEN["normals"], rtol=1e-13)


def test_golden_permutations() -> None:
    keys = [key(0, "order", 0), key(0, "order", 1)]
    for epoch in (0, 1):
        assert GOLDEN["permutations"][epoch] == permutations(keys, 10, epoch=epoch).tolist()


def test_golden_handed_streams() -> None:
    given = handed(0, "augment", 0)
    assert GOLDEN["handed"] == given.integer
    assert GOLDEN["handed numpy"] == given.numpy().integers(2**32, size=2).tolist()


# Layouts


@pytest.mark.parametrize("count", [0, 1, 3, 4, 1437, 4 * streams.CHUNK + 9])
def test_a_row_is_the_same_alone_and_in_any_pack(count: int) -> None:
    keys = [key(4, "init", replicate) for replicate in range(7)]
    pack = words(keys, site=5, count=count)
    assert pack.shape == (7, count)
    assert pack.dtype == np.uint32
    for row in (0, 3, 6):
        np.testing.assert_array_equal(words([keys[row]], site=5, count=count)[0], pack[row])
    turned = [keys[row] for row in (6, 2, 2, 0)]
    np.testing.assert_array_equal(words(turned, site=5, count=count), pack[[6, 2, 2, 0]])


def test_a_permutation_is_the_same_alone_and_in_any_pack() -> None:
    keys = [key(4, "order", replicate) for replicate in range(64)]
    pack = permutations(keys, 1437, epoch=3)
    for row in (0, 31, 63):
        np.testing.assert_array_equal(permutations([keys[row]], 1437, epoch=3)[0], pack[row])


def test_a_shorter_draw_is_a_prefix() -> None:
    keys = [key(4, "mask", 2)]
    long = words(keys, site=5, count=100_000)
    for count in (1, 2, 5, 65_535, 65_537):
        np.testing.assert_array_equal(words(keys, site=5, count=count)[0], long[0, :count])


def test_uniforms_are_exact_and_inside_the_open_interval() -> None:
    keys = [key(4, "init", 0)]
    drawn = uniforms(keys, site=5, count=1000)
    np.testing.assert_array_equal(
        drawn * 2.0**32 - 0.5, words(keys, site=5, count=1000).astype(np.float64)
    )
    # The ends, reached by the smallest and the largest word.
    assert (0 + 0.5) * 2.0**-32 > 0
    assert (0xFFFFFFFF + 0.5) * 2.0**-32 < 1
    assert np.isfinite(normal(np.array([0.5 * 2.0**-32, 1 - 0.5 * 2.0**-32]))).all()


def test_a_normal_does_not_depend_on_its_neighbours() -> None:
    drawn = uniforms([key(4, "init", 0)], site=5, count=1001)[0]
    together = normal(drawn)
    alone = [normal(drawn[index : index + 1])[0] for index in range(1001)]
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(normal(drawn[::-3]), together[::-3])


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"step": -1}, "step"),
        ({"step": 2**32}, "step"),
        ({"site": -1}, "site"),
        ({"sample": 2**32}, "sample"),
        ({"count": 2**35}, "count"),
        ({"count": -8}, "count"),
    ],
)
def test_what_does_not_fit_the_counter_is_refused(change: dict[str, int], names: str) -> None:
    with pytest.raises(ValueError, match=names):
        words([key(0, "init", 0)], **{"site": 1, "count": 1, **change})


def test_keys_refuse_what_is_not_a_stream() -> None:
    with pytest.raises(ValueError, match="no stream is called 'shuffle'; there are split, data"):
        key(0, "shuffle", 0)
    with pytest.raises(ValueError, match="seed is -1"):
        key(-1, "init", 0)
    with pytest.raises(ValueError, match="replicate is -2"):
        handed(0, "init", -2)


# Streams for people's own code


def test_handed_streams_start_afresh_and_differ() -> None:
    given = handed(0, "augment", 3)
    assert 0 <= given.integer < 2**63
    assert given == handed(0, "augment", 3)
    first, again = given.numpy().random(5), given.numpy().random(5)
    np.testing.assert_array_equal(first, again)
    mine, twin = given.torch(), given.torch()
    assert mine.initial_seed() == given.integer
    assert torch.equal(torch.rand(5, generator=mine), torch.rand(5, generator=twin))
    grid = list(product(range(3), STREAMS, range(20)))
    assert len({handed(*place).integer for place in grid}) == len(grid)


def test_handed_streams_leave_the_global_generators_alone() -> None:
    before, state = torch.get_rng_state(), np.random.get_state(legacy=False)  # noqa: NPY002
    torch.rand(3, generator=handed(0, "noise", 0).torch())
    handed(0, "noise", 0).numpy().random(3)
    assert torch.equal(torch.get_rng_state(), before)
    after = np.random.get_state(legacy=False)  # noqa: NPY002
    np.testing.assert_equal(after, state)


def test_handed_streams_share_no_bits_with_the_streams_themselves() -> None:
    for replicate in range(50):
        assert handed(0, "init", replicate).integer not in (
            key(0, "init", replicate),
            key(0, "init", replicate) >> 1,
        )


# Independence


def test_no_two_keys_are_equal() -> None:
    seeds = [*range(12), 112, 2**31, 2**64, 2**64 + 1]
    grid = list(product(seeds, STREAMS, [*range(150), 2**40]))
    assert len({key(*place) for place in grid}) == len(grid)


def test_seed_and_replicate_do_not_add_up() -> None:
    # The classic mistake: seed + replicate, so that neighbours share almost everything.
    for total in range(1, 20):
        assert len({key(seed, "order", total - seed) for seed in range(total + 1)}) == total + 1


def test_zero_is_a_seed_and_a_replicate_like_any_other() -> None:
    zero = words([key(0, "order", 0)], site=1, count=1000)
    others = [(0, 1), (1, 0), (1, 1)]
    for seed, replicate in others:
        other = words([key(seed, "order", replicate)], site=1, count=1000)
        assert (zero == other).sum() <= 1
    np.testing.assert_array_equal(zero, words([key(0, "order", 0)], site=1, count=1000))
    assert key(0, "order", 0) != 0


def test_neighbours_share_no_permutation() -> None:
    keys = [key(0, "order", replicate) for replicate in range(200)]
    drawn = np.concatenate([permutations(keys, 20, epoch=epoch) for epoch in range(10)])
    assert len(np.unique(drawn, axis=0)) == len(drawn) == 2000


def test_permutations_are_permutations() -> None:
    for n in (0, 1, 2, 20, 1437):
        drawn = permutations([key(0, "order", r) for r in range(3)], n, epoch=1)
        assert drawn.dtype == np.int64
        np.testing.assert_array_equal(np.sort(drawn, axis=1), np.tile(np.arange(n), (3, 1)))


def test_all_permutations_of_four_are_equally_frequent() -> None:
    keys = [key(0, "order", replicate) for replicate in range(600)]
    drawn = np.concatenate([permutations(keys, 4, epoch=epoch) for epoch in range(20)])
    code = drawn @ np.array([64, 16, 4, 1])
    counts = [(code == np.dot(order, [64, 16, 4, 1])).sum() for order in orders(range(4))]
    assert sum(counts) == 12_000
    assert stats.chisquare(counts).pvalue > LEAST_P


@pytest.mark.parametrize("n", [3, 8, 31])
def test_every_value_is_as_likely_at_every_position(n: int) -> None:
    keys = [key(1, "order", replicate) for replicate in range(4000)]
    drawn = permutations(keys, n, epoch=2)
    counts = np.array([np.bincount(column, minlength=n) for column in drawn.T])
    expected = len(keys) / n
    # Rows and columns of the table are fixed sums, hence the factor and the degrees of freedom.
    statistic = ((counts - expected) ** 2 / expected).sum() * (n - 1) / n
    assert stats.chi2.sf(statistic, (n - 1) ** 2) > LEAST_P
    assert stats.chi2.cdf(statistic, (n - 1) ** 2) > LEAST_P


def correlations(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standardised correlation of each pair of rows."""
    r = np.asarray(np.corrcoef(rows))
    return r[np.triu_indices(len(rows), 1)] * math.sqrt(rows.shape[1])


ROWS: dict[str, Callable[[], NDArray[np.float64]]] = {
    "streams": lambda: uniforms([key(0, name, 0) for name in STREAMS], site=1, count=2**15),
    "replicates": lambda: uniforms([key(0, "init", r) for r in range(60)], site=1, count=2**12),
    "seeds": lambda: uniforms([key(s, "init", 0) for s in range(60)], site=1, count=2**12),
    "epochs": lambda: np.concatenate(
        [uniforms([key(0, "init", 0)], site=1, count=2**12, step=step) for step in range(60)]
    ),
    "layers": lambda: np.concatenate(
        [
            uniforms([key(0, "init", 0)], site=site(f"layers.{layer}.weight"), count=2**12)
            for layer in range(60)
        ]
    ),
    "permutations": lambda: permutations(
        [key(0, "order", r) for r in range(60)], 2**12, epoch=0
    ).astype(np.float64),
}


@pytest.mark.parametrize("what", ROWS)
def test_no_two_rows_are_correlated(what: str) -> None:
    z = correlations(ROWS[what]())
    assert np.abs(z).max() < LARGEST_Z
    # All together: neither too large nor too small.
    spread = float(np.sum(z**2))
    assert min(stats.chi2.sf(spread, z.size), stats.chi2.cdf(spread, z.size)) > LEAST_P


def flipped(one: NDArray[np.uint32], other: NDArray[np.uint32]) -> float:
    """Return the standardised share of bits that differ, expected to be a half."""
    bits = np.unpackbits((one ^ other).view(np.uint8))
    return (float(bits.mean()) - 0.5) * 2 * math.sqrt(bits.size)


def test_a_neighbour_flips_half_of_the_bits() -> None:
    count = 2**12

    def draw(
        seed: int = 0, stream: str = "init", replicate: int = 0, **at: int
    ) -> NDArray[np.uint32]:
        return words([key(seed, stream, replicate)], **{"site": 1, "count": count, **at})

    here = draw()
    neighbours = {f"replicate {r}": draw(replicate=r) for r in (1, 2, 256, 65536)}
    neighbours |= {f"seed {s}": draw(seed=s) for s in (1, 2, 256)}
    neighbours |= {f"step {2**bit}": draw(step=2**bit) for bit in range(32)}
    neighbours |= {f"sample {2**bit}": draw(sample=2**bit) for bit in range(32)}
    neighbours |= {f"site {1 ^ 2**bit}": draw(site=1 ^ 2**bit) for bit in range(32)}
    neighbours |= {stream: draw(stream=stream) for stream in STREAMS if stream != "init"}
    found = {name: flipped(here, there) for name, there in neighbours.items()}
    assert max(map(abs, found.values())) < LARGEST_Z, found


def test_each_bit_of_the_key_flips_half_of_the_bits() -> None:
    the_key = key(0, "init", 0)
    here = words([the_key], site=1, count=2**12)
    keys = [Key(the_key ^ 1 << bit) for bit in range(64)]
    there = words(keys, site=1, count=2**12)
    assert max(abs(flipped(here[0], row)) for row in there) < LARGEST_Z


# The battery


LENGTH = 2**16
ROW = np.arange(LENGTH, dtype=np.uint32)


def along_samples() -> NDArray[np.uint32]:
    drawn = [words([key(0, "augment", 0)], site=1, count=32, sample=s) for s in range(2**11)]
    return np.concatenate(drawn, axis=1).reshape(-1)


def along_sites() -> NDArray[np.uint32]:
    places = [site(f"layers.{layer}.weight") for layer in range(2**11)]
    drawn = [words([key(0, "init", 0)], site=place, count=32) for place in places]
    return np.concatenate(drawn, axis=1).reshape(-1)


def as_words(halves: torch.Tensor) -> NDArray[np.uint32]:
    """Two halves are a word again."""
    return halves.numpy().reshape(-1).view(np.uint32)


def along_steps() -> NDArray[np.uint32]:
    stream = DeviceStream([key(0, "dropout", 0)])
    return as_words(stream.step_halves(1, steps=range(LENGTH), rows=1, count=2).contiguous())


def along_rows() -> NDArray[np.uint32]:
    stream = DeviceStream([key(0, "dropout", 0)])
    return as_words(stream.step_halves(1, steps=range(1), rows=LENGTH, count=2).contiguous())


def along_occurrences() -> NDArray[np.uint32]:
    stream = DeviceStream([key(0, "noise", 0)])
    times = torch.arange(LENGTH // 32)[None, :]
    drawn = stream.sample_words(
        1, samples=torch.full_like(times, 7), occurrence=times, epoch=2, count=32
    )
    return drawn.numpy().astype(np.uint32).reshape(-1)


ALONG: dict[str, Callable[[], NDArray[np.uint32]]] = {
    "elements": lambda: words([key(0, "init", 0)], site=1, count=LENGTH)[0],
    "replicates": lambda: words([key(0, "init", r) for r in range(LENGTH)], site=1, count=1)[:, 0],
    "seeds": lambda: words([key(s, "init", 0) for s in range(LENGTH)], site=1, count=1)[:, 0],
    "samples": along_samples,
    "sites": along_sites,
    "steps": along_steps,
    "rows of a batch": along_rows,
    "occurrences": along_occurrences,
}


def monobit(drawn: NDArray[np.uint32]) -> float:
    """Each of the 32 bits is set half of the time."""
    ones = np.array([np.count_nonzero(drawn >> bit & 1) for bit in range(32)])
    statistic = float((((ones - drawn.size / 2) ** 2) / (drawn.size / 4)).sum())
    return float(stats.chi2.sf(statistic, 32))


def equidistribution(drawn: NDArray[np.uint32]) -> float:
    """The bytes at either end are uniform."""
    ends = (drawn >> 24, drawn & 255)
    return min(float(stats.chisquare(np.bincount(end, minlength=256)).pvalue) for end in ends)


def kolmogorov_smirnov(drawn: NDArray[np.uint32]) -> float:
    return float(stats.kstest((drawn + 0.5) * 2.0**-32, "uniform").pvalue)


def serial_pairs(drawn: NDArray[np.uint32]) -> float:
    """Neighbours that do not overlap fill the cells of a square, at the high and the low bits."""
    found = []
    for digits in (drawn >> 28, drawn & 15):
        cells = np.bincount(digits[::2] * 16 + digits[1::2], minlength=256)
        found.append(float(stats.chisquare(cells).pvalue))
    return min(found)


def autocorrelation(drawn: NDArray[np.uint32]) -> float:
    """Ljung-Box over lags 1 to 64."""
    x = drawn / 2.0**32 - 0.5
    n = x.size
    r = np.array([x[:-lag] @ x[lag:] for lag in range(1, 65)]) / (x @ x)
    statistic = n * (n + 2) * float((r**2 / (n - np.arange(1, 65))).sum())
    return float(stats.chi2.sf(statistic, 64))


def runs(drawn: NDArray[np.uint32]) -> float:
    """Wald-Wolfowitz: the number of runs above and below the middle."""
    above = drawn >= 2**31
    n, m = int(above.sum()), int((~above).sum())
    if n * m == 0:
        return 0.0
    count = 1 + int((above[1:] != above[:-1]).sum())
    mean = 1 + 2 * n * m / (n + m)
    variance = (mean - 1) * (mean - 2) / (n + m - 1)
    return float(2 * stats.norm.sf(abs(count - mean) / math.sqrt(variance)))


BATTERY = (monobit, equidistribution, kolmogorov_smirnov, serial_pairs, autocorrelation, runs)


@pytest.mark.parametrize("along", ALONG)
def test_battery(along: str) -> None:
    drawn = ALONG[along]()
    assert drawn.shape == (LENGTH,)
    found = {test.__name__: test(drawn) for test in BATTERY}
    assert min(found.values()) > LEAST_P, found


def congruential() -> Iterator[int]:
    """RANDU, the textbook's bad example."""
    state = 1
    while True:
        state = state * 65539 % 2**31
        yield state << 1


def sluggish() -> NDArray[np.uint32]:
    """Perfectly uniform, each number slightly drawn to the one before."""
    x = ALONG["elements"]() / 2.0**32
    return ((stats.rankdata(x + 0.05 * np.roll(x, 1)) - 0.5) / LENGTH * 2**32).astype(np.uint32)


POOR: dict[str, Callable[[], NDArray[np.uint32]]] = {
    "randu": lambda: np.fromiter(congruential(), np.uint32, LENGTH),
    "counter": lambda: ROW << np.uint32(16),
    "biased bit": lambda: ALONG["elements"]() | ROW % 50 // 49,
    "sticky": lambda: np.repeat(ALONG["elements"]()[::32], 32),
    "sluggish": sluggish,
}


@pytest.mark.parametrize("poor", POOR)
def test_battery_rejects(poor: str) -> None:
    drawn = POOR[poor]()
    assert min(test(drawn) for test in BATTERY) < LEAST_P


@pytest.mark.parametrize("test", BATTERY)
def test_every_test_of_the_battery_rejects_something(
    test: Callable[[NDArray[np.uint32]], float],
) -> None:
    assert min(test(make()) for make in POOR.values()) < LEAST_P


def test_words_of_one_block_are_independent() -> None:
    drawn = uniforms([key(0, "init", 0)], site=1, count=2**16).reshape(-1, 4)
    assert np.abs(correlations(np.ascontiguousarray(drawn.T))).max() < LARGEST_Z


def test_normals_are_normal() -> None:
    drawn = normal(uniforms([key(0, "init", 0)], site=1, count=LENGTH)[0])
    assert stats.kstest(drawn, "norm").pvalue > LEAST_P


# The only module that may seed or draw


DRAWING = """
default_rng RandomState SeedSequence manual_seed manual_seed_all set_rng_state fork_rng rand
randn randint randperm rand_like randn_like randint_like bernoulli multinomial poisson Generator
uniform_ normal_ bernoulli_ random_ exponential_ geometric_ cauchy_ log_normal_ trunc_normal_
kaiming_uniform_ kaiming_normal_ xavier_uniform_ xavier_normal_ orthogonal_ dropout dropout1d
dropout2d dropout3d alpha_dropout rvs random_state
"""
LIBRARIES = frozenset({"np", "numpy", "torch", "scipy"})


TORCH = frozenset({"torch", "nn", "functional", "F"})
"""Whose dropout draws; that of a model or a pass is a setting or a stream."""


def last_name(node: ast.expr) -> str:
    """Return what stands before the dot of an attribute, less what stands before its own."""
    return getattr(node, "id", getattr(node, "attr", ""))


def code_of(source: str) -> Iterator[ast.AST]:
    """Yield all nodes but those of annotations, which name a generator and make none."""
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        yield node
        types = (getattr(node, "annotation", None), getattr(node, "returns", None))
        waiting += [child for child in ast.iter_child_nodes(node) if child not in types]


def draws_of(source: str) -> list[str]:
    """Return what in a module's code seeds or draws."""
    found = []
    for node in code_of(source):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.split(".")[-1] == "random"]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            names = {alias.name for alias in node.names}
            if module.split(".")[-1] == "random" or (
                module.split(".")[0] in LIBRARIES and names & {*DRAWING.split(), "random"}
            ):
                found.append(module)
        elif isinstance(node, ast.Attribute):
            owner = last_name(node.value)
            if (
                (node.attr in DRAWING.split() and "dropout" not in node.attr)
                or (owner in LIBRARIES and node.attr in ("random", "normal"))
                or (owner in TORCH and "dropout" in node.attr)
            ):
                found.append(f"{owner}.{node.attr}")
        elif isinstance(node, ast.keyword) and node.arg in ("random_state", "generator"):
            found.append(node.arg)
    return found


RESAMPLING = ("analysis", "plots")
"""Rooms that resample or jitter finished numbers, by generators of their own; training reaches
neither (tests/test_imports.py)."""

MODULES = sorted(
    path.relative_to(PACKAGE).as_posix()
    for path in PACKAGE.rglob("*.py")
    if path.name != "streams.py" and path.relative_to(PACKAGE).parts[0] not in RESAMPLING
)


@pytest.mark.parametrize("module", MODULES)
def test_no_other_module_seeds_or_draws(module: str) -> None:
    assert draws_of((PACKAGE / module).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import random",
        "from random import shuffle",
        "import numpy as np\nnp.random.seed(0)",
        "from numpy.random import default_rng",
        "import torch\ntorch.manual_seed(0)",
        "import torch\ntorch.nn.init.kaiming_uniform_(w)",
        "w.normal_()",
        "import torch.nn.functional as F\nF.dropout(x, 0.5)",
        "import torch\ntorch.nn.functional.dropout2d(x)",
        "import torch\ntorch.normal(0, 1, (3,))",
        "train_test_split(x, random_state=0)",
        "def f(x: torch.Generator) -> None:\n    torch.Generator()",
    ],
)
def test_the_check_sees_a_draw(source: str) -> None:
    assert draws_of(source)


def test_the_check_sees_this_module() -> None:
    assert draws_of((PACKAGE / "streams.py").read_text(encoding="utf-8"))


# Frozen: a change here is a new major version of the study format.

GOLDEN: dict[str, Any] = {
    "keys": [
        "2cead92a6cc3756e",
        "e17b07ec921132f6",
        "0e609824ef13eae8",
        "6f0192f00494fe47",
        "0df2ad4cde244a05",
        "3dfd357dcd15162b",
        "5c7740830e9a201e",
        "a428ea7b956969d4",
        "99b9c5ef5fa4ffc1",
    ],
    "more keys": ["8f3548d6e0b7eba5", "afceb45aa671243a", "cb695e8973d46479", "1f9918a8a27572a3"],
    "sites": ["845b6c63", "a431279c", "a8b24193", "0b5f43bf", "99309f51"],
    "words": [
        "ec414716 bc0db8e1 f344175b 77d231ab a9060b42 b77fcfd7",
        "79fb1269 38222f73 9145a520 2125ed18 9332f2c8 06fd7316",
    ],
    "words at": [
        "84aecb31 b8dbeba3 95e920e9 af7245f6 2d777319 90f108d2",
        "a9f6d863 72f0c3bf d2041c33 89063ca8 45f6d926 f75ef0b4",
    ],
    "uniforms": [
        "0x1.d8828e2d00000p-1",
        "0x1.781b71c300000p-1",
        "0x1.e6882eb700000p-1",
        "0x1.df48c6ae00000p-2",
    ],
    "normals": [1.4246517841301842, 0.6267376316211367, 1.6473578177334702, -0.08016992122695088],
    "permutations": [
        [[9, 0, 3, 4, 1, 8, 2, 7, 6, 5], [3, 6, 1, 9, 8, 7, 0, 5, 2, 4]],
        [[8, 9, 3, 6, 7, 4, 0, 5, 1, 2], [4, 3, 9, 0, 1, 6, 8, 5, 7, 2]],
    ],
    "handed": 1651055651720636252,
    "handed numpy": [3474109912, 709440439],
}
