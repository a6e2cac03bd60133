from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from randstudy.analysis.examples import Examples
from randstudy.analysis.winners import COLUMNS, winners


def study(wrong, cells=None, **columns):
    """A frame and its predictions from (trials, examples) errors."""
    wrong = np.asarray(wrong, np.uint8)
    trials = [f"t{number}" for number in range(len(wrong))]
    frame = pd.DataFrame({"trial": trials, "cell": cells or ["all"] * len(trials)} | columns)
    kept = pd.DataFrame(wrong, index=pd.Index(trials, name="trial"))
    return frame, Examples(kept, np.zeros(wrong.shape[1], int))


def test_all_choices_of_k_by_hand():
    random = np.random.default_rng(0)
    wrong = random.random((6, 30)) < 0.3
    table = winners(*study(wrong), [2, 3], halvings=5, seed=4)
    assert list(table.columns) == list(COLUMNS)
    # The same halves; no ties decide here, for equal ones are averaged below.
    masks = np.random.default_rng(4).random((5, 30)).argsort(1) < 15
    for k, row in zip((2, 3), table.itertuples(), strict=True):
        chosen = [
            max((~wrong[seed, mask]).mean() for seed in some)
            for mask in masks
            for some in combinations(range(6), k)
        ]
        assert row.chosen_half == pytest.approx(np.mean(chosen))
        assert row.mean == pytest.approx((~wrong).mean())
        assert row.n == 6


def test_the_other_half_of_the_chosen_by_hand():
    # Seed 0 errs nowhere, seed 1 on three of six examples, seed 2 everywhere.
    wrong = np.zeros((3, 6), bool)
    wrong[1, :] = [1, 0, 1, 0, 1, 0]
    wrong[2] = True
    row = winners(*study(wrong), [2], halvings=4000).iloc[0]
    # Pairs 0-1, 0-2, 1-2. One half in 20 holds none of seed 1's errors, and ties it with seed 0;
    # another holds all, and ties it with seed 2: half of the time the worse is taken.
    assert row["chosen_half"] == pytest.approx((1 + 1 + 0.5) / 3, abs=0.005)
    assert row["other_half"] == pytest.approx((0.975 + 1 + 0.475) / 3, abs=0.005)


def test_seeds_that_differ_by_luck_keep_nothing():
    random = np.random.default_rng(1)
    share = random.beta(0.2, 2, 400)
    row = winners(*study(random.random((200, 400)) < share), [10]).iloc[0]
    assert row["chosen_half"] > row["mean"] + 0.01
    assert abs(row["kept_share"]) < 0.1
    assert row["low"] < 0 < row["high"]


def test_seeds_that_are_better_keep_their_lead():
    chances = np.linspace(0.05, 0.5, 40)[:, None]
    random = np.random.default_rng(2)
    row = winners(*study(random.random((40, 2000)) < chances), [10]).iloc[0]
    assert row["kept_share"] > 0.97
    assert row["low"] < row["kept_share"] < row["high"] < 1.02


def test_kept_share_is_the_reliability_of_half_of_the_examples():
    # Normal theory: lead kept = v_seed / (v_seed + v_half), whatever k.
    random = np.random.default_rng(3)
    sd, m = 0.02, 400
    chances = 0.3 + sd * random.standard_normal((8000, 1))
    table = winners(*study(random.random((8000, m)) < chances), [2, 20], halvings=20)
    half = 0.3 * 0.7 / (m / 2)
    expected = sd**2 / (sd**2 + half)
    assert table["kept_share"].to_numpy() == pytest.approx(expected, abs=0.05)


def test_jackknife_against_a_plain_one():
    random = np.random.default_rng(5)
    # Distinct chances and many examples, so that no ties are broken at random.
    wrong = random.random((8, 4001)) < np.linspace(0.1, 0.8, 8)[:, None]
    row = winners(*study(wrong), [2], halvings=3, seed=6).iloc[0]
    masks = np.random.default_rng(6).random((3, 4001)).argsort(1) < 2000

    def share(rows):
        leads = np.zeros(2)
        for mask in masks:
            a, b = (~rows[:, mask]).mean(1), (~rows[:, ~mask]).mean(1)
            pairs = list(combinations(range(len(rows)), 2))
            best = [max(pair, key=lambda seed: a[seed]) for pair in pairs]
            leads += np.mean([(a[one], b[one]) for one in best], 0) - (a.mean(), b.mean())
        return leads[1] / leads[0]

    without = np.array([share(np.delete(wrong, seed, 0)) for seed in range(8)])
    error = math.sqrt(7 / 8 * ((without - without.mean()) ** 2).sum())
    assert row["kept_share"] == pytest.approx(share(wrong))
    assert row["high"] - row["kept_share"] == pytest.approx(2.364624 * error, rel=1e-5)


def test_no_interval_where_the_jackknife_fails():
    random = np.random.default_rng(7)
    table = winners(*study(random.random((8, 50)) < 0.3), [2, 3, 8, 9])
    assert table["k"].tolist() == [2, 3, 8]
    assert math.isfinite(table["low"].iloc[0])
    assert table["low"].iloc[1:].isna().all()
    assert table["note"].iloc[1].startswith("k is more than")


def test_the_same_seed_gives_the_same_table():
    found = study(np.random.default_rng(8).random((12, 60)) < 0.3, ["a"] * 6 + ["b"] * 6)
    pd.testing.assert_frame_equal(winners(*found), winners(*found))
    assert not winners(*found, seed=1).equals(winners(*found))


def test_nobody_wins():
    row = winners(*study(np.zeros((8, 20))), [2]).iloc[0]
    assert row["note"] == "all are equally good"
    assert math.isnan(row["kept_share"])
    alike = winners(*study(np.tile([0, 1, 0, 0], (8, 5))), [2]).iloc[0]
    assert alike["note"] == "all are equally good"
    assert winners(*study(np.zeros((1, 20)))).empty


def test_crossed_trainings_have_no_jackknife():
    init, order = np.divmod(np.arange(16), 4)
    wrong = np.random.default_rng(9).random((16, 50)) < 0.3
    columns = {"replicate.init": init, "replicate.order": order}
    row = winners(*study(wrong, **columns), [2]).iloc[0]
    assert math.isnan(row["low"])
    assert "not independent" in row["note"]
