"""Which examples an update uses: sampling, smaller last batches, accumulation, budgets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from catalogue import bits, recipe, train, trial

from randstudy.models import Linear
from randstudy.optimizers import Sgd
from randstudy.recipe import Recipe
from randstudy.training import PackRun
from randstudy.training.batches import Batches, occurrences
from randstudy.training.pack_data import PackData
from randstudy.trials import make_trial

TRAIN = 45


def rows_of(step_count: int, number: int = 0, **fields: Any) -> list[list[list[int]]]:
    """Return the places in the training set that each batch of each update uses."""
    one = trial(number, **fields)
    data = PackData([one, one], "cpu")
    places = {row: place for place, row in enumerate(data.rows["train"][0].tolist())}
    batches = Batches([one, one], data, occurrences=False)
    return [
        [[places[row] for row in batch.rows[0].tolist()] for batch in batches.of(step)]
        for step in range(step_count)
    ]


def flat(updates: list[list[list[int]]]) -> list[int]:
    return [place for update in updates for batch in update for place in batch]


def test_a_shuffled_epoch_holds_each_example_once_in_a_new_order() -> None:
    updates = rows_of(12, batch_size=8)
    first, second = flat(updates[:6]), flat(updates[6:])
    assert sorted(first) == sorted(second) == list(range(TRAIN))
    assert first != second
    assert [len(update[0]) for update in updates[:6]] == [8, 8, 8, 8, 8, 5]


def test_a_sequential_epoch_is_always_the_same() -> None:
    updates = rows_of(12, batch_size=8, sampling="sequential")
    assert flat(updates[:6]) == flat(updates[6:]) == list(range(TRAIN))
    assert "order" not in trial(batch_size=8, sampling="sequential").replicates


def test_draws_with_replacement_repeat_and_miss_examples() -> None:
    draws = flat(rows_of(6 * 200, batch_size=8, sampling="replacement", epochs=200))
    counts = np.bincount(draws, minlength=TRAIN)
    assert counts.sum() == 200 * TRAIN
    # Each example is drawn Binomial(9000, 1/45) times: 200 ± 14.
    assert abs(counts - 200).max() < 5 * 14
    assert len(set(draws[:TRAIN])) < TRAIN
    assert draws[:TRAIN] != draws[TRAIN : 2 * TRAIN]
    assert draws != flat(rows_of(6 * 200, 1, batch_size=8, sampling="replacement", epochs=200))


def test_draws_with_replacement_pair_across_batch_sizes() -> None:
    fine = flat(rows_of(9, batch_size=5, sampling="replacement"))
    assert fine == flat(rows_of(3, batch_size=15, sampling="replacement"))


def test_a_smaller_last_batch_can_be_dropped() -> None:
    updates = rows_of(10, batch_size=8, drop_last=True)
    assert [len(update[0]) for update in updates] == [8] * 10
    assert recipe(batch_size=8, drop_last=True).steps_per_epoch == 5
    assert recipe(batch_size=9, drop_last=True).effective() == recipe(batch_size=9).effective()


def test_accumulation_uses_the_same_examples_as_a_larger_batch() -> None:
    fine = rows_of(6, batch_size=4, accumulate=2)
    coarse = rows_of(6, batch_size=8)
    assert [len(update) for update in fine] == [2, 2, 2, 2, 2, 2]
    assert [flat([update]) for update in fine] == [flat([update]) for update in coarse]


@pytest.mark.parametrize("batch_size", [8, 9])
def test_accumulation_takes_the_step_of_the_larger_batch(batch_size: int) -> None:
    """Shares are by examples, so that a small last batch does not count double."""
    common = {"optimizer": Sgd(), "steps": 40}
    fine, coarse = (
        PackRun([trial(batch_size=size, accumulate=times, **common)])
        for size, times in ((batch_size // 2, 2), (batch_size // 2 * 2, 1))
    )
    for run in (fine, coarse):
        run.walk(40)
    assert torch.allclose(fine.weights, coarse.weights, rtol=1e-4, atol=1e-6)
    assert not torch.equal(fine.weights, coarse.weights)


def test_no_update_reaches_over_the_end_of_an_epoch() -> None:
    made = recipe(batch_size=8, accumulate=4)
    assert (made.batches_per_epoch, made.steps_per_epoch) == (6, 2)
    updates = rows_of(4, batch_size=8, accumulate=4)
    assert [len(update) for update in updates] == [4, 2, 4, 2]
    assert sorted(flat(updates[:2])) == list(range(TRAIN))


BUDGETS = [
    ({"epochs": 3}, 18),
    ({"steps": 18}, 18),
    ({"examples": 3 * TRAIN}, 18),
    ({"examples": TRAIN + 1}, 7),
    ({"examples": TRAIN + 9}, 8),
    ({"examples": 3 * 40, "drop_last": True}, 15),
    ({"examples": TRAIN + 17, "accumulate": 2}, 5),
]


@pytest.mark.parametrize(("fields", "steps"), BUDGETS)
def test_a_budget_in_any_unit(fields: dict[str, Any], steps: int) -> None:
    assert recipe(batch_size=8, **fields).total_steps == steps
    (outcome,) = train([trial(batch_size=8, **fields)])
    assert outcome.steps == steps


def test_equal_budgets_are_one_trial() -> None:
    ids = {
        trial(batch_size=8, **fields).id
        for fields in ({"epochs": 3}, {"steps": 18}, {"examples": 3 * TRAIN})
    }
    assert len(ids) == 1
    partly = [trial(batch_size=8, **fields).id for fields in ({"steps": 7}, {"examples": 46})]
    assert len(set(partly)) == 1


def test_the_full_batch_drawn_with_replacement_consumes_the_order() -> None:
    plain, drawn = (
        recipe(batch_size="full", sampling=sampling) for sampling in ("shuffle", "replacement")
    )
    assert "order" not in plain.streams()
    assert "order" in drawn.streams()
    one, other = (
        bits(train([trial(number, batch_size="full", sampling="replacement")])[0])
        for number in (0, 1)
    )
    assert one != other


def test_every_sampling_is_a_different_training() -> None:
    outcomes = [
        train([trial(model=Linear(), sampling=sampling, lr=0.01)])[0].weights_digest
        for sampling in ("shuffle", "replacement", "sequential")
    ]
    assert len(set(outcomes)) == 3


def test_occurrences_count_within_a_row() -> None:
    rows = np.array([[5, 5, 1, 5, 1], [1, 2, 3, 4, 5], [9, 9, 9, 9, 9]])
    assert occurrences(rows).tolist() == [[0, 1, 0, 2, 1], [0] * 5, [0, 1, 2, 3, 4]]


def test_settings_in_two_units_are_refused() -> None:
    for fields in ({"epochs": 1, "steps": 2}, {"steps": 1, "examples": 2}):
        made = Recipe(training=_training(**fields))
        assert made.problems() == [("training", "give either epochs, steps or examples")]


def _training(**fields: Any) -> Any:
    from randstudy.recipe import Training

    return Training(lr=0.1, batch_size=8, **fields)


def test_effective_fields_of_training() -> None:
    """What has no effect is set back, so that equal trainings share a trial."""
    pairs = [
        ({"accumulate": 9}, {"accumulate": 6}),
        ({"lr_batch": 32}, {}),
        ({"lr_scaling": "linear", "lr_batch": 8}, {}),
        ({"batch_size": "full", "sampling": "sequential"}, {"batch_size": "full"}),
    ]
    for one, other in pairs:
        first, second = (
            recipe(**({"batch_size": 8} | fields)).effective() for fields in (one, other)
        )
        assert first == second, (one, other)
        replicates = dict.fromkeys(sorted(first.streams()), 0)
        assert make_trial(first, 0, replicates).id == make_trial(second, 0, replicates).id
