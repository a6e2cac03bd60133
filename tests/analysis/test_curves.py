from __future__ import annotations

import math
import time

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from randstudy.analysis.curves import COLUMNS, curves, median_rank, steps_to_target
from randstudy.analysis.intervals import mean_interval
from randstudy.errors import RandstudyError


def study(values, cells=None, steps=None, metric="test_accuracy", **columns):
    """A frame and curves: values is (trials, steps), NaN where a trial was not evaluated."""
    values = np.asarray(values, float)
    count, length = values.shape
    trials = [f"t{number}" for number in range(count)]
    frame = pd.DataFrame({"trial": trials, "cell": cells or ["all"] * count} | columns)
    step = np.tile(np.arange(1, length + 1) * 10 if steps is None else steps, count)
    long = pd.DataFrame({"trial": np.repeat(trials, length), "step": step, "epoch": step / 100})
    return frame, long.assign(**{metric: values.ravel()})


def test_mean_and_student_t_at_each_step():
    values = np.array([[0.1, 0.5], [0.2, 0.5], [0.6, 0.5]])
    table = curves(*study(values), "test_accuracy")
    assert list(table.columns) == list(COLUMNS)
    assert table["step"].tolist() == [10, 20]
    assert table["epoch"].tolist() == [0.1, 0.2]
    low, high = stats.t.interval(0.95, 2, values[:, 0].mean(), stats.sem(values[:, 0]))
    assert table.loc[0, ["mean", "low", "high"]].tolist() == pytest.approx([0.3, low, high])
    assert table.loc[0, "n"] == 3
    assert table.loc[0, "method"] == "t"
    assert table.loc[1, "mean"] == 0.5
    assert table.loc[1, "sd"] == 0
    assert math.isnan(table.loc[1, "low"])
    assert table.loc[1, "note"] == "all values are equal"


def test_only_steps_that_all_finished_trainings_have():
    values = [[1, 2, 3, 4], [1, math.nan, 3, 4], [1, 2, 3, math.nan], [9, 9, 9, 9], [9, 9, 9, 9]]
    cells = ["a", "a", "b", "b", "b"]
    ended = ["finished"] * 4 + ["diverged"]
    table = curves(*study(values, cells, status=ended), "test_accuracy")
    assert table["cell"].tolist() == ["a", "a", "a", "b", "b", "b"]
    assert table["step"].tolist() == [10, 30, 40, 10, 20, 30]
    assert table["mean"].tolist() == [1, 3, 4, 5, 5.5, 6]


def test_rows_of_curves_may_come_in_any_order():
    random = np.random.default_rng(0)
    frame, long = study(random.random((6, 5)), ["a", "b"] * 3)
    shuffled = long.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(
        curves(frame, shuffled, "test_accuracy"), curves(frame, long, "test_accuracy")
    )
    for target in (0.5, 0.9):
        pd.testing.assert_frame_equal(
            steps_to_target(frame, shuffled, "test_accuracy", target),
            steps_to_target(frame, long, "test_accuracy", target),
        )


def test_a_trial_counts_in_every_cell_that_it_stands_in():
    frame, long = study([[1, 2], [3, 4], [5, 6]], ["a", "a", "b"])
    frame = pd.concat([frame, frame.iloc[[0]].assign(cell="b")])
    table = curves(frame, long, "test_accuracy")
    assert table.groupby("cell")["mean"].first().to_dict() == {"a": 2, "b": 3}
    assert table["n"].tolist() == [2, 2, 2, 2]


def test_crossed_streams_have_the_interval_of_cells():
    random = np.random.default_rng(2)
    init, order = np.divmod(np.arange(12), 4)
    values = init[:, None] + random.standard_normal((12, 3))
    rows = random.permutation(12)
    columns = {"replicate.init": init[rows], "replicate.order": order[rows]}
    table = curves(*study(values[rows], **columns), "test_accuracy")
    for number in range(3):
        found = mean_interval(values[:, number].reshape(3, 4))
        row = table.iloc[number]
        assert row["method"] == found.method == "crossed t"
        assert (row["low"], row["high"]) == pytest.approx((found.low, found.high))


def test_a_crossing_with_a_gap_has_no_interval():
    columns = {"replicate.init": [0, 0, 1], "replicate.order": [0, 1, 0]}
    row = curves(*study([[1], [2], [4]], **columns), "test_accuracy").iloc[0]
    assert row["method"] == "none"
    assert "missing" in row["note"]
    assert math.isnan(row["low"])


@pytest.mark.parametrize("function", [curves, lambda *rest: steps_to_target(*rest, 0.5)])
def test_nothing_to_read(function):
    frame, long = study([[0.1]])
    assert function(frame, long[:0], "test_accuracy").get("n", pd.Series([0])).sum() == 0
    assert function(frame.assign(status="failed"), long, "test_accuracy")["n"].sum() == 0
    nothing = long.assign(test_accuracy=math.nan)
    table = function(frame, nothing, "test_accuracy")
    assert not np.isfinite(table.select_dtypes("float")).any(axis=None)


def test_what_is_wrong_with_curves_is_said():
    frame, long = study([[0.1, 0.2]])
    with pytest.raises(RandstudyError, match="test_accuracy"):
        curves(frame, long, "test_acuracy")
    with pytest.raises(RandstudyError, match="trial t0 has two points at step 10"):
        curves(frame, pd.concat([long, long[:1]]), "test_accuracy")


REACHED = [1, 2, 3, 4, 5, 6, 7]
"""Steps, in tens, at which seven trainings first reach 0.9."""


def climbing(first, length=10):
    steps = np.arange(1, length + 1)
    return np.where(steps >= np.asarray(first, float)[:, None], 0.95, 0.1)


def test_median_steps_with_the_binomial_interval():
    row = steps_to_target(*study(climbing(REACHED)), "test_accuracy", 0.9).iloc[0]
    assert (row["n"], row["reached"]) == (7, 7)
    assert row["median_steps"] == 40
    assert row["mean_steps"] == 40
    # n = 7: first and last value cover 1 - 2 / 2^7.
    assert (row["low"], row["high"]) == (10, 70)
    assert row["method"] == "order statistics, 98.4 %"


def test_the_first_time_counts_and_not_the_last():
    values = [[0.1, 0.95, 0.2, 0.95]]
    row = steps_to_target(*study(values), "test_accuracy", 0.95).iloc[0]
    assert row["median_steps"] == 20
    assert "too few" in row["note"]


def test_losses_reach_their_target_from_above():
    frame, long = study([[0.9, 0.4, 0.2]], metric="test_loss")
    assert steps_to_target(frame, long, "test_loss", 0.4)["median_steps"].tolist() == [20]
    found = steps_to_target(frame, long, "test_loss", 0.4, maximize=True)
    assert found["median_steps"].tolist() == [10]


def test_censored_trainings_are_slower_than_all_others():
    first = [1, 2, 3, 4, 5, math.inf, math.inf]
    status = ["finished"] * 6 + ["diverged"]
    table = steps_to_target(*study(climbing(first), status=status), "test_accuracy", 0.9)
    row = table.iloc[0]
    assert (row["n"], row["reached"], row["median_steps"]) == (7, 5, 40)
    assert math.isnan(row["mean_steps"])
    assert (row["low"], row["high"]) == (10, math.inf)


def test_a_training_that_diverged_after_the_target_had_reached_it():
    row = steps_to_target(*study(climbing([3]), status=["diverged"]), "test_accuracy", 0.9).iloc[0]
    assert row["reached"] == 1


def test_no_median_where_half_are_censored():
    first = [1, 2, 3, 4, *[math.inf] * 4]
    row = steps_to_target(*study(climbing(first)), "test_accuracy", 0.9).iloc[0]
    assert math.isnan(row["median_steps"])
    assert row["low"] == 10
    assert "no more than half" in row["note"]


def test_median_ranks_are_those_of_the_binomial_table():
    # Conover (1999): n = 6 needs the extremes (96.9 %), n = 10 ranks 2 and 9 (97.9 %).
    assert median_rank(5)[0] == 0
    assert median_rank(6) == (1, pytest.approx(0.96875))
    assert median_rank(10) == (2, pytest.approx(0.978516))
    for n in range(6, 200):
        rank, covers = median_rank(n)
        assert covers >= 0.95 > 1 - 2 * stats.binom.cdf(rank, n, 0.5)


def test_crossed_trainings_have_no_binomial_interval():
    init, order = np.divmod(np.arange(9), 3)
    columns = {"replicate.init": init, "replicate.order": order}
    row = steps_to_target(*study(climbing([4] * 9), **columns), "test_accuracy", 0.9).iloc[0]
    assert row["median_steps"] == 40
    assert math.isnan(row["low"])
    assert "not independent" in row["note"]


def test_many_curves_take_no_loop_over_trials():
    trials, length = 20_000, 50
    values = np.random.default_rng(0).random((trials, length))
    cells = np.repeat([f"c{number}" for number in range(100)], trials // 100).tolist()
    frame, long = study(values, cells)
    start = time.perf_counter()
    assert len(curves(frame, long, "test_accuracy")) == 100 * length
    assert len(steps_to_target(frame, long, "test_accuracy", 0.9)) == 100
    assert time.perf_counter() - start < 5
