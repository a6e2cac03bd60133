from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks.simulations.stability import CASES
from randstudy.analysis.examples import Examples
from randstudy.analysis.spread import binary_law, sd_error, split_variance, spread
from randstudy.analysis.stability import COLUMNS, stability


def study(predicted, targets, cells=None, **columns):
    """A frame and its predictions: predicted is (trials, examples)."""
    predicted = np.asarray(predicted, np.uint8)
    trials = [f"t{number}" for number in range(len(predicted))]
    frame = pd.DataFrame({"trial": trials, "cell": cells or ["all"] * len(trials)} | columns)
    kept = pd.DataFrame(predicted, index=pd.Index(trials, name="trial"))
    return frame, Examples(kept, targets)


def one(*arguments, **columns):
    table = stability(*study(*arguments, **columns))
    assert list(table.columns) == list(COLUMNS)
    return table.iloc[0]


def test_by_hand():
    # Three seeds, four examples of class 0: errors per seed 1, 2, 0.
    row = one([[0, 0, 0, 1], [0, 0, 1, 2], [0, 0, 0, 0]], np.zeros(4, int))
    assert row["n"] == 3
    assert row["mean_error"] == pytest.approx(3 / 12)
    # Pairs differ on examples: third 2 of 3 pairs, fourth all three.
    assert row["disagreement"] == pytest.approx((2 / 3 + 3 / 3) / 4)
    # Votes: 000, 000, 010 -> right; 1, 2, 0 tied three ways -> right a third of the time.
    assert row["ensemble_error"] == pytest.approx((2 / 3) / 4)
    assert row["ensemble_gain"] == pytest.approx(3 / 12 - 2 / 12)
    assert row["sd"] == pytest.approx(np.std([0.25, 0.5, 0], ddof=1))
    # e = 0, 0, 1/3, 2/3 and e (1 - e) n / (n - 1) = 1/3 twice.
    independent = (1 / 3 + 1 / 3) / 16
    assert row["sd_independent"] == pytest.approx(math.sqrt(independent))
    assert row["variance_distribution"] == pytest.approx(4 / 3 * (0.0625 - independent))
    assert row["sd_binary_law"] == pytest.approx(math.sqrt(0.25 / 8))


def test_against_plain_loops_over_pairs_in_blocks(monkeypatch):
    monkeypatch.setattr("randstudy.analysis.stability.ENTRIES", 300)
    random = np.random.default_rng(3)
    targets = random.integers(0, 4, 50)
    predicted = random.integers(0, 4, (12, 50))
    predicted[:, :35] = targets[:35]
    cells = ["a"] * 5 + ["b"] * 7
    table = stability(*study(predicted, targets, cells)).set_index("cell")
    for cell, rows in (("a", predicted[:5]), ("b", predicted[5:])):
        n = len(rows)
        pairs = [(i, j) for i in range(n) for j in range(i)]
        wrong = rows != targets
        churn = np.mean([(rows[i] != rows[j]).mean() for i, j in pairs])
        phi = np.mean([np.corrcoef(wrong[i], wrong[j])[0, 1] for i, j in pairs])
        assert table.loc[cell, "n"] == n
        assert table.loc[cell, "disagreement"] == pytest.approx(churn)
        assert table.loc[cell, "correlation"] == pytest.approx(phi)
        assert table.loc[cell, "sd"] == pytest.approx(wrong.mean(1).std(ddof=1))


def test_interval_of_disagreement_is_the_jackknife():
    random = np.random.default_rng(8)
    predicted = random.integers(0, 3, (7, 30))

    def churn(rows):
        n = len(rows)
        return np.mean([(rows[i] != rows[j]).mean() for i in range(n) for j in range(i)])

    without = np.array([churn(np.delete(predicted, seed, 0)) for seed in range(7)])
    error = math.sqrt(6 / 7 * ((without - without.mean()) ** 2).sum())
    row = one(predicted, np.zeros(30, int))
    reach = stats.t.ppf(0.975, 6) * error
    assert row["disagreement_low"] == pytest.approx(churn(predicted) - reach)
    assert row["disagreement_high"] == pytest.approx(churn(predicted) + reach)
    two = one(predicted[:2], np.zeros(30, int))
    assert two["disagreement"] == pytest.approx(churn(predicted[:2]))
    assert math.isnan(two["disagreement_low"])


def test_distribution_variance_is_the_seed_component_of_the_two_way_anova():
    random = np.random.default_rng(0)
    wrong = random.random((6, 40)) < random.beta(0.5, 2, 40)
    mean = wrong.mean()
    seeds = 40 * ((wrong.mean(1) - mean) ** 2).sum() / 5
    rest = wrong - wrong.mean(1, keepdims=True) - wrong.mean(0) + mean
    component = (seeds - (rest**2).sum() / (5 * 39)) / 40
    assert spread(wrong).distribution == pytest.approx(component)


def test_interval_is_the_chi_square_interval_of_the_total_less_independent_errors():
    random = np.random.default_rng(1)
    wrong = random.random((9, 200)) < np.linspace(0.05, 0.3, 9)[:, None]
    found = spread(wrong)
    ends = [8 * found.total / stats.chi2.ppf(p, 8) for p in (0.975, 0.025)]
    assert found.low == pytest.approx(200 / 199 * (ends[0] - found.independent))
    assert found.high == pytest.approx(200 / 199 * (ends[1] - found.independent))
    assert found.low < found.distribution < found.high


def test_independent_errors_leave_nothing_to_the_distribution():
    # Jordan's estimator is unbiased: over many studies without better seeds its mean is zero.
    random = np.random.default_rng(2)
    share = random.beta(0.3, 2, 100)
    found = [spread(random.random((4, 100)) < share) for _ in range(2000)]
    raw = np.array([part.distribution for part in found])
    assert abs(raw.mean()) < 4 * raw.std() / math.sqrt(2000)
    assert np.mean([p.independent for p in found]) == pytest.approx(
        (share * (1 - share)).sum() / 100**2, rel=0.02
    )


@pytest.mark.parametrize(
    ("sd", "independent", "distribution"), [(0.56, 0.22, 0.52), (0.15, 0.145, 0.033)]
)
def test_published_resnet9_figures(sd, independent, distribution):
    # Jordan (ICLR 2024), CIFAR-10, 10,000 test images, 60,000 runs, in %, at 4 and at 64 epochs.
    whole = math.hypot(independent, distribution)
    assert whole == pytest.approx(sd, abs=0.005)
    parts = split_variance((whole / 100) ** 2, (independent / 100) ** 2, 60_000, 10_000, 0.95)
    assert 100 * math.sqrt(parts.distribution) == pytest.approx(distribution, rel=1e-3)
    assert 0 < parts.low < parts.distribution < parts.high


def test_published_binary_law():
    # 94.42 % after 64 epochs: the law gives 0.167 %, the sd was 0.15 %.
    assert 100 * binary_law(1 - 0.9442, 10_000) == pytest.approx(0.167, abs=0.0005)


def test_published_errors_of_sds():
    # Summers & Dinneen's reproduction, n = 100: sds of 0.22 and 0.26 are given as +- 0.01-0.02.
    assert round(sd_error(0.22, 100), 2) == 0.02
    assert round(sd_error(0.26, 100), 2) == 0.02
    assert sd_error(1.0, 9) == 0.25


def test_seeds_that_err_alike():
    row = one([[0, 1, 0]] * 3, np.zeros(3, int))
    assert row["note"] == "no spread"
    assert row["sd"] == 0
    assert row["sd_independent"] == 0
    assert math.isnan(row["distribution_low"])
    assert row["disagreement"] == 0
    assert row["correlation"] == pytest.approx(1)
    assert row["ensemble_gain"] == pytest.approx(0)


def test_one_training_and_perfect_ones():
    row = one([[0, 1, 0]], np.zeros(3, int))
    assert row["note"] == "one training"
    assert row["mean_error"] == pytest.approx(1 / 3)
    assert math.isnan(row["sd"])
    assert math.isnan(row["disagreement"])
    row = one([[0, 0], [0, 0]], np.zeros(2, int))
    assert math.isnan(row["correlation"])
    assert row["ensemble_error"] == 0


def test_cells_without_predictions_keep_their_row():
    frame, examples = study([[0, 1]], np.zeros(2, int))
    frame = pd.concat([frame, pd.DataFrame({"trial": ["z"], "cell": ["empty"]})])
    row = stability(frame, examples).iloc[1]
    assert (row["cell"], row["n"], row["note"]) == ("empty", 0, "no predictions")


def test_crossed_trainings_get_no_interval():
    columns = {"replicate.init": [0, 0, 1, 1], "replicate.order": [0, 1, 0, 1]}
    row = one(np.triu(np.ones((4, 4))), np.zeros(4, int), **columns)
    assert "not independent" in row["note"]
    assert math.isnan(row["distribution_high"])
    assert row["sd"] > 0


def test_different_test_sets_have_errors_but_nothing_example_by_example():
    targets = pd.DataFrame([[0, 0, 1], [1, 0, 0]], index=["t0", "t1"])
    row = one([[0, 0, 0], [0, 0, 1]], targets)
    assert row["mean_error"] == pytest.approx((1 / 3 + 2 / 3) / 2)
    assert math.isnan(row["disagreement"])
    assert math.isnan(row["sd_distribution"])
    assert "different examples" in row["note"]
    same = pd.DataFrame([[0, 0, 1]] * 2, index=["t0", "t1"])
    assert one([[0, 0, 0], [0, 0, 1]], same)["disagreement"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("case", [case for case in CASES if case.bound], ids=lambda c: c.setting)
def test_simulated(case):
    assert case.holds(case.simulate(400, np.random.default_rng(11)), 400)
