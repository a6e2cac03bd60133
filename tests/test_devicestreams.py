"""Draws on the device: the words of `streams`, golden layouts, chances and quantiles."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats

from randstudy import devicestreams, streams
from randstudy.devicestreams import DeviceStream, below, kept, normals, quantiles
from randstudy.streams import Key, key, site, words

# Against the host's words, which are held to the published known answers.


def host_halves(
    the_key: Key, *, site: int, count: int, sample: int, step: int
) -> NDArray[np.int16]:
    drawn = words([the_key], site=site, count=-(-count // 2), sample=sample, step=step)[0]
    return drawn.view(np.int16)[:count]


def stream_of(trials: int, name: str = "dropout") -> tuple[list[Key], DeviceStream]:
    keys = [key(9, name, replicate) for replicate in range(trials)]
    return keys, DeviceStream(keys)


@pytest.mark.parametrize("steps", [range(4), range(7, 8), range(2**32 - 2, 2**32)], ids=str)
@pytest.mark.parametrize(("rows", "count"), [(1, 1), (3, 8), (5, 33), (2, 2000), (1, 150_000)])
def test_step_halves_are_the_words_of_step_and_row(steps: range, rows: int, count: int) -> None:
    keys, stream = stream_of(3)
    drawn = stream.step_halves(0xFFFFFFFE, steps=steps, rows=rows, count=count)
    assert drawn.dtype == torch.int16
    assert drawn.shape == (3, len(steps), rows, count)
    for trial, place in ((0, 0), (2, len(steps) - 1)):
        for row in (0, rows - 1):
            expected = host_halves(
                keys[trial], site=0xFFFFFFFE, count=count, sample=row, step=steps[place]
            )
            np.testing.assert_array_equal(drawn[trial, place, row].numpy(), expected)


def test_sample_words_are_the_words_of_example_and_epoch() -> None:
    keys, stream = stream_of(4, "augment")
    samples = torch.tensor([[5, 70_000, 5], [0, 1, 2], [9, 8, 7], [3, 3, 3]])
    drawn = stream.sample_words(6, samples=samples, occurrence=None, epoch=11, count=7)
    assert drawn.shape == (4, 3, 7)
    for trial in range(4):
        for place, sample in enumerate(samples[trial].tolist()):
            expected = words([keys[trial]], site=6, count=7, sample=sample, step=11)[0]
            assert drawn[trial, place].tolist() == expected.tolist()


@pytest.mark.parametrize("times", [0, 1, 4095])
def test_an_occurrence_begins_at_a_block_of_its_own(times: int) -> None:
    _, stream = stream_of(1, "noise")
    drawn = stream.sample_halves(
        6, samples=torch.tensor([[8]]), occurrence=torch.tensor([[times]]), epoch=2, count=10
    )
    state = np.zeros((6, 1, 2), np.uint64)
    state[0] = [[times << 20, (times << 20) + 1]]
    state[1], state[2], state[3] = 8, 2, 6
    four = streams.philox(state, streams.round_keys([key(9, "noise", 0)])[..., None])
    expected = np.stack([word.astype(np.uint32)[0] for word in four], axis=1).reshape(-1)
    np.testing.assert_array_equal(drawn[0, 0].numpy(), expected.view(np.int16)[:10])


def test_torch_computes_the_same_words() -> None:
    """The accelerator's arithmetic, on counters of all 32 bits."""
    counters = words([key(0, "init", 0)], site=1, count=6 * 700).reshape(6, 7, 100)
    state = counters.astype(np.uint64)
    rounds = streams.round_keys([key(3, "init", replicate) for replicate in range(7)])[..., None]
    there = devicestreams.philox(
        torch.from_numpy(state.astype(np.int64)), torch.from_numpy(rounds.view(np.int64))
    )
    here = streams.philox(state, rounds)
    for one, other in zip(here, there, strict=True):
        assert (one % 2**32).tolist() == (other % 2**32).tolist()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_draws_the_same() -> None:
    keys, here = stream_of(5)
    there = DeviceStream(keys, "cuda")
    samples = torch.arange(15).view(5, 3)
    drawn = [
        stream.sample_halves(
            3, samples=samples.to(stream.device), occurrence=None, epoch=1, count=999
        )
        for stream in (here, there)
    ]
    assert torch.equal(drawn[0], drawn[1].cpu())
    assert torch.equal(normals(drawn[0]), normals(drawn[1]).cpu())


def test_a_trial_draws_the_same_alone_and_in_any_pack() -> None:
    keys, stream = stream_of(40)
    pack = stream.step_halves(2, steps=range(5), rows=13, count=77)
    for row in (0, 17, 39):
        alone = DeviceStream([keys[row]]).step_halves(2, steps=range(5), rows=13, count=77)
        assert torch.equal(alone[0], pack[row])
    stream.keep(torch.tensor([39, 3, 3]))
    assert len(stream) == 3
    left = stream.step_halves(2, steps=range(5), rows=13, count=77)
    assert torch.equal(left, pack[[39, 3, 3]])


def test_pieces_of_the_cache_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    _, stream = stream_of(6)
    samples = torch.arange(60).view(6, 10) * 31
    times = samples % 3
    whole = stream.sample_halves(2, samples=samples, occurrence=times, epoch=4, count=100)
    for size in (1, 14, 50, 300):
        stream.at_once = size
        pieces = stream.sample_halves(2, samples=samples, occurrence=times, epoch=4, count=100)
        assert torch.equal(pieces, whole)


def test_fewer_rows_or_elements_are_the_beginning_of_more() -> None:
    _, stream = stream_of(3)
    more = stream.step_halves(2, steps=range(4, 9), rows=32, count=100)
    fewer = stream.step_halves(2, steps=range(6, 8), rows=5, count=9)
    assert torch.equal(fewer, more[:, 2:4, :5, :9])


def test_an_example_too_large_for_the_counter_is_refused() -> None:
    _, stream = stream_of(1)
    with pytest.raises(ValueError, match="4194308 words for one example; there are 4194304"):
        stream.sample_words(
            1,
            samples=torch.zeros(1, 1, dtype=torch.int64),
            occurrence=None,
            epoch=0,
            count=2**22 + 1,
        )


# What is made of them


def test_quantiles_are_those_of_a_normal_distribution() -> None:
    table = quantiles().astype(np.float64)
    assert abs(table.mean()) < 1e-12
    assert table.var() == pytest.approx(1, abs=1e-8)
    assert np.mean(table**4) == pytest.approx(3, rel=5e-4)
    assert table.max() == -table.min() == pytest.approx(4.325, abs=1e-3)
    assert (np.diff(table) > 0).all()
    np.testing.assert_allclose(table, stats.norm.ppf((np.arange(65536) + 0.5) / 65536), rtol=2e-5)


def test_normals_are_normal_and_the_same_at_every_place() -> None:
    _, stream = stream_of(1, "noise")
    halves = stream.step_halves(1, steps=range(1), rows=1, count=2**17)[0, 0, 0]
    drawn = normals(halves)
    assert drawn.dtype == torch.float32
    assert stats.kstest(drawn.numpy(), "norm").pvalue > 1e-4
    assert abs(np.corrcoef(drawn[0::2], drawn[1::2])[0, 1]) * 2**8 < 4.5
    assert torch.equal(normals(halves[3:1000:7]), drawn[3:1000:7])
    assert normals(halves[5:6]).item() == drawn[5].item()


@pytest.mark.parametrize("rate", [0.0, 1e-5, 0.1, 0.5, 0.99])
def test_units_are_kept_at_their_rate(rate: float) -> None:
    every = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16)
    assert kept(every, rate).double().mean().item() == 1 - round(rate * 65536) / 65536
    _, stream = stream_of(1)
    drawn = kept(stream.step_halves(1, steps=range(64), rows=32, count=64), rate).double()
    sd = (rate * (1 - rate) / drawn.numel()) ** 0.5
    assert abs(drawn.mean().item() - (1 - rate)) <= 4.5 * sd + 1e-5


def test_a_larger_rate_drops_what_a_smaller_one_drops() -> None:
    _, stream = stream_of(1)
    halves = stream.step_halves(1, steps=range(1), rows=32, count=64)
    stay = [kept(halves, rate) for rate in (0.1, 0.5, 0.9, 0.99999999)]
    for less, more in pairwise(stay):
        assert not (more & ~less).any()
    assert stay[-1].double().mean() < 0.01


@pytest.mark.parametrize("count", [1, 2, 3, 28, 2**31 - 1])
def test_below_is_uniform(count: int) -> None:
    ends = below(torch.tensor([0, 2**32 - 1]), count)
    assert ends.tolist() == [0, count - 1]
    if count < 100:
        drawn = torch.from_numpy(words([key(0, "augment", 0)], site=1, count=40_000)[0].astype(int))
        counts = np.bincount(below(drawn, count).numpy(), minlength=count)
        assert count == 1 or stats.chisquare(counts).pvalue > 1e-4


# Frozen: a change here is a new major version of the study format.


def test_golden_halves() -> None:
    stream = DeviceStream([key(0, "dropout", 0)])
    drawn = stream.step_halves(site("layers.0"), steps=range(5, 7), rows=2, count=6)
    assert drawn[0].tolist() == GOLDEN["step halves"]
    # Row 0 draws the words that dropout without rows of a batch would.
    host = words([key(0, "dropout", 0)], site=site("layers.0"), count=3, step=5)[0]
    assert [f"{word:08x}" for word in host] == GOLDEN["step words"]
    again = DeviceStream([key(0, "noise", 0)]).sample_halves(
        site("noise.inputs"),
        samples=torch.tensor([[3, 3]]),
        occurrence=torch.tensor([[0, 1]]),
        epoch=2,
        count=5,
    )
    assert again[0].tolist() == GOLDEN["sample halves"]


def test_golden_quantiles() -> None:
    table = quantiles()
    found = hashlib.blake2b(table.tobytes(), digest_size=8).hexdigest()
    assert found == GOLDEN["quantiles"]
    assert [value.hex() for value in table[[0, 1000, 40_000]].tolist()] == GOLDEN["some quantiles"]


GOLDEN: dict[str, Any] = {
    "step halves": [
        [[-15761, 32250, -9869, 25074, -7160, 19633], [-30826, 8562, -16513, 25235, -9801, -7060]],
        [[24814, -9434, -29567, 6108, 9285, -1374], [30797, 15244, -16738, 6719, -9482, 21164]],
    ],
    "step words": ["7dfac26f", "61f2d973", "4cb1e408"],
    "sample halves": [[20642, 28911, -15110, -15077, 833], [29268, 13392, 25851, -31357, -7688]],
    "quantiles": "7013eb3e874e925f",
    "some quantiles": ["-0x1.14cc320000000p+2", "-0x1.14e1760000000p+1", "0x1.1efc000000000p-2"],
}
