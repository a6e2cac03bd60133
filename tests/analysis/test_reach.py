from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks.simulations.reach import CASES
from randstudy.analysis.examples import Examples
from randstudy.analysis.reach import differences, new_data, new_data_interval
from randstudy.errors import RandstudyError


def normal(n, m, seed=1.0, example=1.0, rest=1.0, random=None):
    random = random or np.random.default_rng(0)
    return (
        seed * random.standard_normal((n, 1))
        + example * random.standard_normal((1, m))
        + rest * random.standard_normal((n, m))
    )


def mean_squares(grid):
    n, m = grid.shape
    rows, columns, mean = grid.mean(1), grid.mean(0), grid.mean()
    rest = grid - rows[:, None] - columns + mean
    return (
        m * rows.var(ddof=1),
        n * columns.var(ddof=1),
        (rest**2).sum() / ((n - 1) * (m - 1)),
    )


def test_two_way_random_effects_by_hand():
    grid = normal(6, 50)
    seed, example, rest = mean_squares(grid)
    whole = seed + example - rest
    df = whole**2 / (seed**2 / 5 + example**2 / 49 + rest**2 / (5 * 49))
    found = new_data_interval(grid)
    reach = stats.t.ppf(0.975, df) * math.sqrt(whole / 300)
    assert found.df == pytest.approx(df)
    assert found.estimate == pytest.approx(grid.mean())
    assert (found.low, found.high) == pytest.approx((grid.mean() - reach, grid.mean() + reach))
    assert found.method == "seeds × examples"


def test_neither_source_is_less_than_nothing():
    # Seeds whose means are equal by construction: MS_seed = 0 < MS_rest.
    grid = normal(6, 50, seed=0)
    grid -= grid.mean(1, keepdims=True)
    found = new_data_interval(grid)
    _, example, _ = mean_squares(grid)
    assert (found.high - found.low) / 2 == pytest.approx(
        stats.t.ppf(0.975, 49) * math.sqrt(example / 300)
    )


def test_a_crossing_of_two_streams_by_hand():
    random = np.random.default_rng(4)
    grid = random.standard_normal((4, 1, 1)) + random.standard_normal((1, 5, 1))
    grid = grid + random.standard_normal((1, 1, 60)) + random.standard_normal((4, 5, 60))
    found = new_data_interval(grid)
    # All terms by projections onto axes.
    effects = {}
    for term in [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]:
        part = grid
        for axis in range(3):
            mean = part.mean(axis, keepdims=True)
            part = part - mean if axis in term else mean
        df = math.prod(grid.shape[axis] - 1 for axis in term)
        effects[term] = (part**2).sum() * (grid.size / part.size) / df
    seeds = effects[0,] + effects[1,] - effects[0, 1]
    both = effects[0, 2] + effects[1, 2] - effects[0, 1, 2]
    whole = seeds + effects[2,] - both
    df = whole**2 / (seeds**2 / 3 + effects[2,] ** 2 / 59 + both**2 / (3 * 59))
    reach = stats.t.ppf(0.975, df) * math.sqrt(whole / grid.size)
    assert found.high - found.estimate == pytest.approx(reach)
    assert found.method == "crossed seeds × examples"


@pytest.mark.parametrize(
    ("grid", "note"),
    [
        (np.ones((1, 50)), "fewer than two trainings"),
        (np.ones((0, 50)), "fewer than two trainings"),
        (np.ones((5, 50)), "all values are equal"),
        (np.ones((5, 10)), "fewer than 30 test examples"),
        (np.full((2, 2, 40), np.nan), "crossed trainings are missing"),
    ],
)
def test_no_interval_and_why(grid, note):
    found = new_data_interval(grid)
    assert found.note == note
    assert math.isnan(found.low)
    assert found.method == "none"


def test_seeds_with_gaps_are_left_out():
    grid = normal(6, 50)
    gap = np.vstack([grid, np.full((1, 50), np.nan)])
    assert new_data_interval(gap) == new_data_interval(grid)


def two_levels(orders=1):
    """Levels 1 and 2 of a factor, in two contexts, three seeds; 40 examples of class 0."""
    random = np.random.default_rng(5)
    rows = [
        (rate, width, seed, order)
        for rate in (1, 2)
        for width in (8, 16)
        for seed in range(3)
        for order in range(orders)
    ]
    frame = pd.DataFrame(rows, columns=["rate", "width", "replicate.init", "replicate.order"])
    frame.insert(0, "trial", [f"t{number}" for number in range(len(frame))])
    kept = pd.DataFrame((random.random((len(rows), 40)) < 0.3).astype(np.uint8))
    kept.index = pd.Index(frame["trial"])
    return frame, Examples(kept, np.zeros(40, int))


def test_differences_are_means_over_contexts_by_replicate():
    frame, examples = two_levels()
    layout = examples.layout(frame, factors=["rate", "width"])
    found = differences(layout, examples, "rate", 2, 1)
    wrong = examples.errors().reshape(2, 2, 3, 40)
    assert found == pytest.approx((wrong[0].astype(float) - wrong[1]).mean(0))
    assert differences(layout, examples, "rate", 1, 2) == pytest.approx(-found)


def test_differences_of_crossed_streams_keep_their_axes():
    frame, examples = two_levels(orders=2)
    layout = examples.layout(frame, factors=["rate", "width"])
    found = differences(layout, examples, "rate", 2, 1)
    wrong = examples.errors().reshape(2, 2, 3, 2, 40)
    assert found == pytest.approx((wrong[0].astype(float) - wrong[1]).mean(0))


def test_a_missing_training_takes_its_replicate_along():
    frame, examples = two_levels()
    layout = examples.layout(frame.drop(index=4), factors=["rate", "width"])
    assert differences(layout, examples, "rate", 2, 1).shape == (2, 40)


def test_levels_tested_on_different_examples_are_refused():
    frame, examples = two_levels()
    targets = np.zeros((12, 40), int)
    targets[3, 0] = 1
    other = Examples(examples.predictions, pd.DataFrame(targets, index=examples.trials))
    layout = other.layout(frame, factors=["rate", "width"])
    with pytest.raises(RandstudyError, match="different examples"):
        differences(layout, other, "rate", 2, 1)


def test_accuracy_of_cells_has_both_reaches():
    frame, examples = two_levels()
    table = new_data(frame, examples, factors=["rate", "width"]).set_index("cell")
    right = 1.0 - examples.errors()[:3]
    row = table.loc["rate=1 width=8"]
    assert row["mean"] == pytest.approx(right.mean())
    assert row["low"] == pytest.approx(new_data_interval(right).low)
    reach = stats.t.ppf(0.975, 2) * right.mean(1).std(ddof=1) / math.sqrt(3)
    assert row["seeds_high"] == pytest.approx(right.mean() + reach)
    assert row[["n", "examples"]].tolist() == [3, 40]


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.bound], ids=lambda case: case.setting
)
def test_simulated(case):
    assert case.holds(case.simulate(300, np.random.default_rng(7)), 300)


def test_seeds_alone_miss_new_data_as_often_as_they_were_said_to():
    told = {case.setting: case for case in CASES if case.topic.startswith("seeds-only")}
    for seeds, share in ((8, 0.80), (30, 0.53)):
        case = told[f"two arms, {seeds} seeds, 360 examples"]
        assert case.simulate(400, np.random.default_rng(8)) / 400 == pytest.approx(share, abs=0.08)
