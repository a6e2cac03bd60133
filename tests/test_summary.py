"""The table of cells: right numbers, right n, and silence where there is nothing to say."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from randstudy.errors import RandstudyError
from randstudy.intervals import crossed_interval, interval
from randstudy.summary import cells, text


def frame(
    accuracies: Sequence[float], *, cell: str = "all", status: str = "finished", **columns: Any
) -> pd.DataFrame:
    """A frame of one cell, a replicate a row."""
    count = len(accuracies)
    return pd.DataFrame(
        {
            "trial": [f"{cell}{number:04x}" for number in range(count)],
            "cell": [cell] * count,
            "status": [status] * count,
            "replicate.init": pd.Series(range(count), dtype="Int64"),
            "replicate.order": pd.Series(range(count), dtype="Int64"),
            "test_accuracy": accuracies,
            **columns,
        }
    )


def only(table: pd.DataFrame) -> dict[str, Any]:
    (row,) = table.to_dict("records")
    return {str(name): value for name, value in row.items()}


def test_numbers_of_one_cell() -> None:
    # t(0.975, 2) = 4.302653, so the half-width is 4.302653 * 0.01 / sqrt(3).
    row = only(cells(frame([0.91, 0.92, 0.93]), "test_accuracy"))
    assert row["n"] == 3
    assert row["mean"] == pytest.approx(0.92)
    assert row["sd"] == pytest.approx(0.01)
    assert row["high"] - row["mean"] == pytest.approx(0.0248414, abs=1e-7)
    assert row["mean"] - row["low"] == pytest.approx(0.0248414, abs=1e-7)
    assert (row["method"], row["diverged"], row["failed"]) == ("t", 0, 0)


@pytest.mark.parametrize("n", [2, 5, 30])
def test_the_interval_is_scipys(n: int) -> None:
    values = np.linspace(0.0, 1.0, n) ** 2
    expected = stats.t.interval(0.95, n - 1, loc=values.mean(), scale=stats.sem(values))
    assert interval(values) == pytest.approx(expected)


def test_a_cell_without_a_finished_trial_has_no_numbers() -> None:
    row = only(cells(frame([math.nan, math.nan], status="diverged"), "test_accuracy"))
    assert (row["n"], row["diverged"], row["method"]) == (0, 2, "none")
    assert all(math.isnan(row[name]) for name in ("mean", "sd", "low", "high"))
    bare = frame([0.0], status="failed").drop(columns="test_accuracy")
    assert only(cells(bare, "test_accuracy"))["failed"] == 1


def test_one_training_has_a_mean_and_no_spread() -> None:
    row = only(cells(frame([0.9]), "test_accuracy"))
    assert (row["n"], row["mean"], row["method"]) == (1, 0.9, "none")
    assert all(math.isnan(row[name]) for name in ("sd", "low", "high"))


def test_equal_values_have_sd_zero_exactly_and_no_interval() -> None:
    # The float mean of three 0.1 is not 0.1, which would make an sd of 1.7e-17.
    row = only(cells(frame([0.1, 0.1, 0.1]), "test_accuracy"))
    assert (row["n"], row["mean"], row["sd"], row["method"]) == (3, 0.1, 0.0, "none")
    assert math.isnan(row["low"])


def test_diverged_and_failed_trials_are_counted_and_not_averaged() -> None:
    parts = [frame([0.8, 0.9]), frame([math.nan], status="diverged"), frame([0.0], status="failed")]
    row = only(cells(pd.concat(parts), "test_accuracy"))
    assert (row["n"], row["diverged"], row["failed"]) == (2, 1, 1)
    assert row["mean"] == pytest.approx(0.85)


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_a_finished_trial_without_a_finite_metric_shows(odd: float) -> None:
    row = only(cells(frame([0.8, 0.9, odd]), "test_accuracy"))
    assert row["n"] == 3
    assert not math.isfinite(row["mean"])
    assert math.isnan(row["sd"])
    assert math.isnan(row["low"])


def test_cells_keep_their_order_and_their_levels() -> None:
    both = pd.concat(
        [
            frame([0.9, 0.8], cell="init=xavier", init="xavier"),
            frame([0.7, 0.6], cell="init=he", init="he"),
        ]
    )
    table = cells(both, "test_accuracy", ["init"])
    assert table["cell"].tolist() == ["init=xavier", "init=he"]
    assert table["init"].tolist() == ["xavier", "he"]
    assert table["mean"].tolist() == pytest.approx([0.85, 0.65])


def test_repeats_of_a_training_are_not_replicates() -> None:
    repeated = pd.concat([frame([0.8, 0.9], repeat=0), frame([0.8, 0.9], repeat=1)])
    row = only(cells(repeated, "test_accuracy"))
    assert row["n"] == 2
    assert (row["low"], row["high"]) == pytest.approx(interval(np.array([0.8, 0.9])))


def crossed(values: np.ndarray[Any, np.dtype[np.float64]]) -> pd.DataFrame:
    """A cell whose init and order replicates are crossed, (inits, orders) values."""
    inits, orders = (index.ravel() for index in np.indices(values.shape))
    streams = {"replicate.init": inits, "replicate.order": orders}
    return frame(values.ravel().tolist()).assign(**streams)


def test_crossed_streams_are_not_taken_for_independent_trainings() -> None:
    # Pure row effects: the 64 trainings hold no more than 8 draws.
    rows = np.linspace(0.0, 0.7, 8)
    table = rows[:, None] + np.zeros((8, 8))
    row = only(cells(crossed(table), "test_accuracy"))
    assert (row["n"], row["method"]) == (64, "crossed t")
    assert (row["low"], row["high"]) == pytest.approx(interval(rows))


def test_the_crossed_interval_by_hand() -> None:
    # 2 x 2, values 0 1 / 3 6: MS_a = 16, MS_b = 4, MS_ab = 1, SE^2 = 19 / 4, t(0.975, 1) = 12.7062.
    values = np.array([0.0, 1.0, 3.0, 6.0])
    rows, columns = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    reach = 12.7062047 * math.sqrt(19 / 4)
    assert crossed_interval(values, rows, columns) == pytest.approx((2.5 - reach, 2.5 + reach))


def test_the_crossed_interval_covers() -> None:
    """False alarms of a null stay at or below 5 % (naive pairs: 21 % and more)."""
    generator = np.random.default_rng(7)
    misses, naive = 0, 0
    for _ in range(400):
        scales = generator.normal(size=(8, 1)), generator.normal(size=(1, 8))
        table = 0.45 * scales[0] + 0.45 * scales[1] + 0.77 * generator.normal(size=(8, 8))
        codes = [index.ravel() for index in np.indices((8, 8))]
        low, high = crossed_interval(table.ravel(), codes[0], codes[1])
        misses += not low <= 0 <= high
        low, high = interval(table.ravel())
        naive += not low <= 0 <= high
    assert misses <= 34  # 5 % of 400 and three standard errors
    assert naive > 60


def test_crossings_that_have_no_simple_interval_get_none() -> None:
    full = crossed(np.arange(9.0).reshape(3, 3) ** 2)
    assert only(cells(full, "test_accuracy"))["method"] == "crossed t"
    gap = only(cells(full.iloc[1:], "test_accuracy"))
    assert (gap["n"], gap["method"]) == (8, "none")
    assert math.isnan(gap["low"])
    three = pd.DataFrame(list(itertools.product(range(2), repeat=3)))
    streams = {f"replicate.{name}": three[i] for i, name in enumerate(("init", "order", "mask"))}
    cube = frame(np.arange(8.0).tolist()).assign(**streams)
    assert only(cells(cube, "test_accuracy"))["method"] == "none"


def test_a_stream_that_is_held_or_not_consumed_does_not_cross() -> None:
    one = frame([0.7, 0.8, 0.9])
    one["replicate.order"] = 0
    one["replicate.mask"] = pd.Series([pd.NA] * 3, dtype="Int64")
    assert only(cells(one, "test_accuracy"))["method"] == "t"


def test_an_unknown_metric_is_named_with_what_there_is() -> None:
    with pytest.raises(RandstudyError, match=r"no metric 'accuracy'.*test_accuracy"):
        cells(frame([0.5]), "accuracy")


def test_an_empty_frame_makes_an_empty_table() -> None:
    table = cells(frame([]), "test_accuracy")
    assert table.empty
    assert "test_accuracy by cell" in text(table, "test_accuracy")


def test_the_text_says_n_method_and_four_decimals() -> None:
    both = pd.concat(
        [
            frame([0.91, 0.92, 0.93], cell="a", batch_size=32),
            frame([math.nan], cell="b", batch_size=128, status="diverged"),
        ]
    )
    lines = text(cells(both, "test_accuracy", ["batch_size"]), "test_accuracy").splitlines()
    first = "batch_size  n    mean      sd      95 % interval  diverged  failed"
    assert lines[2].split() == first.split()
    assert lines[4].split() == ["32", "3", "0.9200", "0.0100", "0.8952", "to", "0.9448", "0", "0"]
    assert lines[5].split() == ["128", "0", "-", "-", "-", "1", "0"]
    assert "Student t over n" in lines[-3]
    assert "fewer than two trainings" in lines[-2]


@pytest.mark.parametrize("count", [1, 4, 12])
def test_the_text_fits_in_100_columns_whatever_the_factors(count: int) -> None:
    names = [f"training.optimizer.factor_number_{index}" for index in range(count)]
    levels = dict.fromkeys(names, "a_rather_long_level_of_this_factor")
    label = " ".join(f"{name}={level}" for name, level in levels.items())
    table = cells(frame([0.5, 0.75], cell=label, **levels), "test_accuracy", names)
    lines = text(table, "test_accuracy").splitlines()
    assert max(map(len, lines)) <= 100
    assert any("0.6250" in line for line in lines)
