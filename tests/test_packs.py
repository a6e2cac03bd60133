"""Which trials share a pack, what a trial weighs, and how packs are cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from catalogue import SmallDigits, recipe, trial
from datafiles import write_rows
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from randstudy.inits import Orthogonal
from randstudy.models import Cnn, Linear, Mlp
from randstudy.optimizers import Adam, AdamW, Sgd
from randstudy.packs import WIDEST, bytes_per_trial, evenly, shape_of, widest
from randstudy.pruning import MagnitudePruning, RandomPruning
from randstudy.recipe import Recipe
from randstudy.tasks import Digits, LinearRegression, Table
from randstudy.training import PackRun

TOGETHER: tuple[dict[str, Any], ...] = (
    {"lr": 0.01},
    {"init": Orthogonal()},
    {"pruning": RandomPruning(rate=0.5)},
    {"pruning": MagnitudePruning(rate=0.9)},
    {"clip_norm": 1.0},
    {"optimizer": Sgd()},
    {"optimizer": Sgd(momentum=0.5, weight_decay=0.1)},
    {"epochs": None, "steps": 12},
)
APART: tuple[dict[str, Any], ...] = (
    {"batch_size": 9},
    {"batch_size": "full"},
    {"epochs": 3},
    {"model": Linear()},
    {"model": Mlp(widths=(127,))},
    {"model": Mlp(activation="tanh")},
    {"data": Digits()},
    {"optimizer": Adam()},
    {"optimizer": AdamW()},
    {"optimizer": Sgd(momentum=0.9, nesterov=True)},
)


@pytest.mark.parametrize("fields", TOGETHER, ids=str)
def test_trials_that_share_a_pack(fields: dict[str, Any]) -> None:
    assert shape_of(recipe(**fields)) == shape_of(recipe())


@pytest.mark.parametrize("fields", APART, ids=str)
def test_trials_that_do_not(fields: dict[str, Any]) -> None:
    assert shape_of(recipe(**fields)) != shape_of(recipe())


def test_a_shape_is_named_for_people() -> None:
    shape = shape_of(recipe(data=Digits(), optimizer=Sgd(momentum=0.9, nesterov=True)))
    assert str(shape) == "mlp on digits, sgd nesterov, batch 8, 270 steps"


def test_a_part_of_ones_own_needs_no_name() -> None:
    assert "on SmallDigits, sgd" in str(shape_of(recipe(data=SmallDigits())))


class Peak(TorchDispatchMode):
    """Follows the bytes of all live tensors that operations made, and their peak."""

    def __init__(self) -> None:
        super().__init__()
        self.live: dict[int, int] = {}
        self.peak = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, torch.Tensor):
                self._follow(tensor.untyped_storage())
        return result

    def _follow(self, storage: torch.UntypedStorage) -> None:
        import weakref

        pointer = storage.data_ptr()
        if pointer not in self.live:
            self.live[pointer] = storage.nbytes()
            weakref.finalize(storage, self.live.pop, pointer, None)
            self.peak = max(self.peak, sum(self.live.values()))


@pytest.mark.parametrize(
    "made",
    [
        recipe(batch_size=32),
        recipe(batch_size="full", optimizer=Adam(), lr=0.001),
        recipe(model=Mlp(widths=(200, 100)), pruning=RandomPruning(rate=0.5)),
        recipe(data=Digits(), batch_size=100, model=Linear()),
        recipe(model=Cnn(), batch_size=32),
    ],
    ids=["mlp", "adam", "deep", "linear", "cnn"],
)
def test_a_trial_takes_no_more_memory_than_estimated(made: Recipe) -> None:
    """The estimate is from above, and not from far above."""

    def peak(width: int) -> int:
        trials = [
            trial(
                number,
                **{k: getattr(made, k) for k in ("data", "model", "pruning")},
                **vars(made.training),
            )
            for number in range(width)
        ]
        with Peak() as follow:
            run = PackRun(trials)
            run.walk(2)
            run.look()
        return follow.peak

    measured = (peak(24) - peak(8)) / 16
    assert measured <= bytes_per_trial(made)
    # Convolutions run in blocks on a CPU, so that their activations do not grow with the pack.
    assert isinstance(made.model, Cnn) or bytes_per_trial(made) <= 12 * measured


def test_more_of_anything_takes_more_memory() -> None:
    base = bytes_per_trial(recipe())
    assert bytes_per_trial(recipe(model=Mlp(widths=(256,)))) > base
    assert bytes_per_trial(recipe(optimizer=Adam(), lr=0.01)) > base
    assert bytes_per_trial(recipe(data=Digits())) > base
    wide = recipe(data=Digits(), batch_size=1000)
    assert bytes_per_trial(wide) > bytes_per_trial(recipe(data=Digits(), batch_size=100))


def test_a_device_that_evaluates_more_at_once_takes_more_memory() -> None:
    """As many examples at once as it evaluates, or as there are."""
    made = recipe(data=LinearRegression(train=5000, validation=50, test=50), model=Mlp(widths=(9,)))
    more = bytes_per_trial(made, "cuda:0") - bytes_per_trial(made)
    layers = made.model.activations(made.data.shape())
    assert more == 4 * (2048 - 64) * (1 + 3 * layers + 3)
    few = recipe(data=LinearRegression(train=50, validation=50, test=50))
    assert bytes_per_trial(few, "cuda") == bytes_per_trial(few)
    assert widest(made, 100 * bytes_per_trial(made), "cuda") < 100


def test_a_table_for_each_trial_is_counted_whatever_it_is_for(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv", np.random.default_rng(5))
    plain = Table(file="rows.csv", folder=str(tmp_path), target="price", features=("a",))

    def size(**settings: bool) -> int:
        return bytes_per_trial(recipe(data=replace(plain, **settings), model=Linear()))

    shared = size(standardize=False)
    assert size(standardize=True) == size(standardize=False, standardize_target=True) > shared


def test_the_widest_pack_fits_the_memory() -> None:
    each = bytes_per_trial(recipe())
    assert widest(recipe(), 0) == 1
    assert widest(recipe(), each - 1) == 1
    assert widest(recipe(), 10 * each) == 10
    assert widest(recipe(), 10 * each - 1) == 9
    assert widest(recipe(), 10**15) == WIDEST


@given(st.integers(1, 3000), st.integers(1, 300), st.integers(1, 40))
def test_packs_are_cut_evenly(waiting: int, width: int, workers: int) -> None:
    sizes = []
    left = waiting
    while left:
        sizes.append(evenly(left, width, workers))
        assert 1 <= sizes[-1] <= min(width, left)
        left -= sizes[-1]
    assert sum(sizes) == waiting
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(
    ("waiting", "width", "workers", "size"),
    [
        (64, 32, 2, 32),
        (40, 32, 2, 20),
        (100, 32, 2, 32),
        (10, 64, 2, 10),
        (33, 64, 4, 16),
        (5, 1, 2, 1),
    ],
)
def test_the_last_round_is_shared_out(waiting: int, width: int, workers: int, size: int) -> None:
    """Full packs before it; not below a quarter of the width in it."""
    assert evenly(waiting, width, workers) == size
