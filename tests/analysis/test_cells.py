"""Cells on their own: numbers, counts, and the best of k."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from randstudy.analysis.cells import best_of, cells
from tests.analysis.frames import crossed, one_stream


def test_numbers_of_one_cell() -> None:
    # t(0.975, 2) = 4.302653, so the half-width is 4.302653 * 0.01 / sqrt(3).
    (row,) = cells(one_stream({"a": [0.91, 0.92, 0.93]}), "test_accuracy").to_dict("records")
    assert (row["n"], row["mean"], row["median"]) == (3, pytest.approx(0.92), 0.92)
    assert row["sd"] == pytest.approx(0.01)
    assert row["high"] - row["mean"] == pytest.approx(0.0248414, abs=1e-7)
    assert (row["method"], row["note"], row["diverged"], row["failed"]) == ("t", "", 0, 0)
    assert (row["least"], row["q25"], row["most"]) == (0.91, pytest.approx(0.915), 0.93)


def test_a_cell_without_a_finished_trial_has_no_numbers() -> None:
    (row,) = cells(one_stream({"a": [math.nan] * 2}), "test_accuracy").to_dict("records")
    assert (row["n"], row["diverged"], row["note"]) == (0, 2, "no training")
    assert all(math.isnan(row[name]) for name in ("mean", "sd", "low", "high", "median", "iqm"))
    assert (row["diverged_low"], row["diverged_high"]) == pytest.approx((0.158114, 1.0), abs=1e-6)


def test_a_finished_trial_without_a_value_is_counted_beside() -> None:
    frame = one_stream({"a": [0.8, 0.9, 0.7]})
    frame.loc[2, "test_accuracy"] = math.inf
    (row,) = cells(frame, "test_accuracy").to_dict("records")
    assert (row["n"], row["mean"], row["no_value"]) == (2, pytest.approx(0.85), 1)


def test_crossed_trainings_get_the_crossed_interval_and_no_trimmed_one() -> None:
    grid = np.random.default_rng(0).normal(size=(4, 4))
    (row,) = cells(crossed({0.1: grid}), "test_accuracy").to_dict("records")
    assert (row["n"], row["method"]) == (16, "crossed t")
    assert math.isnan(row["iqm_low"])


def test_collapsed_trainings_are_counted_by_the_bound() -> None:
    frame = one_stream({"a": [0.1, 0.12, 0.9], "b": [0.9, 0.91, 0.92]})
    table = cells(frame, "test_accuracy", factors=["init"], collapse=0.15)
    assert table["collapsed"].tolist() == [2, 0]
    assert cells(frame, "test_accuracy", factors=["init"])["collapsed"].isna().all()


def test_cells_keep_the_order_of_the_frame() -> None:
    table = cells(one_stream({"z": [1.0, 2.0], "a": [3.0, 4.0]}), "test_accuracy", factors=["init"])
    assert table["init"].tolist() == ["z", "a"]
    assert table["mean"].tolist() == [1.5, 3.5]


def test_labels_come_from_the_factors_where_there_are_none() -> None:
    frame = pd.DataFrame({"lr": [0.1, 0.1, 0.2], "width": [1, 1, 2], "acc": [1.0, 2.0, 3.0]})
    table = cells(frame, "acc", factors=["lr", "width"])
    assert table["cell"].tolist() == ["lr=0.1 width=1", "lr=0.2 width=2"]
    assert table["n"].tolist() == [2, 1]


@pytest.mark.parametrize("maximize", [True, False])
@pytest.mark.parametrize("lost", [0, 1])
def test_the_best_of_k_is_the_mean_over_all_choices(maximize: bool, lost: int) -> None:
    values = [0.3, 0.9, 0.5, 0.8, 0.7, 0.1]
    frame = one_stream({"a": [*values, *[math.nan] * lost]})
    table = best_of(frame, "test_accuracy", maximize=maximize, sizes=[1, 2, 3])
    best, worst = (max, -math.inf) if maximize else (min, math.inf)
    for row in table.to_dict("records"):
        pool = [*values, *[worst] * lost]
        choices = [best(some) for some in itertools.combinations(pool, row["k"])]
        assert row["expected"] == pytest.approx(np.mean(choices))
        assert row["n"] == 6 + lost
    assert table["k"].tolist() == ([1, 2, 3] if not lost else [2, 3])


def test_the_best_of_one_is_the_mean_with_its_interval() -> None:
    frame = one_stream({"a": np.random.default_rng(3).normal(size=12).tolist()})
    whole = cells(frame, "test_accuracy").iloc[0]
    one = best_of(frame, "test_accuracy").iloc[0]
    assert (one["expected"], one["low"], one["high"]) == pytest.approx(
        (whole["mean"], whole["low"], whole["high"])
    )


def test_the_best_of_many_has_no_interval() -> None:
    frame = one_stream({"a": list(np.linspace(0, 1, 10))})
    table = best_of(frame, "test_accuracy").set_index("k")
    assert table.loc[5, "note"] == ""
    assert table.loc[10, "note"] == "k is more than half of n"
    assert math.isnan(table.loc[10, "low"])
    assert table.loc[10, "expected"] == pytest.approx(1.0)


def test_cells_over_resampled_splits_are_corrected_or_have_no_interval() -> None:
    frame = one_stream({"a": [0.9, 0.8, 0.7, 0.85]}).rename(
        columns={"replicate.order": "replicate.split"}
    )
    (bare,) = cells(frame, "test_accuracy").to_dict("records")
    assert math.isnan(bare["low"])
    assert "test over training" in bare["note"]
    (row,) = cells(frame, "test_accuracy", resampled=0.25).to_dict("records")
    error = row["sd"] * math.sqrt(1 / 4 + 0.25)
    assert row["high"] - row["mean"] == pytest.approx(3.1824463 * error)
