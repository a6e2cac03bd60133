"""Calibration: the widths it tries, the memory it keeps to, and that it leaves nothing behind."""

from __future__ import annotations

from itertools import pairwise

import pytest
from catalogue import bits, train, trial

from randstudy.models import Cnn, Mlp
from randstudy.packs import WIDEST, bytes_per_trial
from randstudy.training.calibration import NARROW, Calibration, calibrate, seconds_per_trial, widths

ROOM = 1 << 30


@pytest.mark.parametrize("largest", [1, 2, 5, NARROW - 1, NARROW, 100, 128, 1000])
def test_widths_double_up_to_what_fits(largest: int) -> None:
    found = list(widths(largest))
    assert found[0] == min(NARROW, largest)
    assert all(2 * one == other for one, other in pairwise(found))
    assert found[-1] <= largest < 2 * max(found[-1], NARROW)


@pytest.mark.parametrize("fits", [1, 3, NARROW + 1])
def test_a_width_keeps_to_the_memory(fits: int) -> None:
    one = trial()
    memory = fits * bytes_per_trial(one.recipe)
    found = calibrate(one, device="cpu", threads=1, memory=memory)
    assert found.width == min(fits, NARROW)
    assert found.seconds_per_trial > 0


def test_a_small_network_trains_faster_in_packs() -> None:
    one = trial(model=Mlp(widths=(16,)), epochs=50)
    found = calibrate(one, device="cpu", threads=1, memory=ROOM)
    assert isinstance(found, Calibration)
    assert NARROW <= found.width <= WIDEST
    alone = seconds_per_trial(one, 1, device="cpu", threads=1)
    assert found.seconds_per_trial < alone


def test_the_estimate_grows_with_the_budget() -> None:
    short, long = (
        seconds_per_trial(trial(epochs=epochs), 4, device="cpu", threads=1) for epochs in (5, 500)
    )
    assert long > 5 * short


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_budget_of_a_few_steps_can_be_timed(steps: int) -> None:
    assert seconds_per_trial(trial(steps=steps), 2, device="cpu", threads=1) > 0


def test_a_recipe_that_diverges_at_once_can_be_timed() -> None:
    found = calibrate(trial(lr=1e38, epochs=5), device="cpu", threads=1, memory=ROOM)
    assert found.width >= 1


def test_calibration_changes_no_numbers() -> None:
    one = trial(model=Cnn(channels=(3,)))
    before = bits(train([one])[0])
    calibrate(one, device="cpu", threads=2, memory=4 * bytes_per_trial(one.recipe))
    assert bits(train([one])[0]) == before
