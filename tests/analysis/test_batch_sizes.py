from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from randstudy.analysis.batch_sizes import batch_sizes, critical_batch, regime
from randstudy.errors import RandstudyError


def study(steps, seeds=6, spread=0.0, **columns):
    """Trials whose accuracy reaches 0.9 at given steps: batch size to step."""
    frame, long = [], []
    for cell, (size, when) in enumerate(steps):
        for seed in range(seeds):
            trial = f"t{cell}.{seed}"
            row = {"trial": trial, "cell": f"c{cell}", "batch_size": size, "replicate.init": seed}
            frame.append(row | {name: values[cell] for name, values in columns.items()})
            at = when * (1 + spread * (seed - (seeds - 1) / 2))
            long.append((trial, 1, 0.1))
            if math.isfinite(at):
                long.append((trial, round(at), 0.95))
    return pd.DataFrame(frame), pd.DataFrame(long, columns=["trial", "step", "test_accuracy"])


def table(steps, full=None, factors=None, **options):
    return batch_sizes(*study(steps, **options), "test_accuracy", 0.9, full=full, factors=factors)


def test_steps_that_halve_and_then_stay():
    found = table([(8, 8000), (16, 4000), (32, 2000), (64, 1800), (128, 1800), (256, 1800)])
    assert found["batch_size"].tolist() == [8, 16, 32, 64, 128, 256]
    assert found["slope"].iloc[0] == pytest.approx(-1)
    assert found["slope"].iloc[1] == pytest.approx(-1)
    # Around 32: least squares over (-1, 4000), (0, 2000), (1, 1800) in logs of 2.
    assert found["slope"].iloc[2] == pytest.approx(math.log2(1800 / 4000) / 2)
    assert found["slope"].iloc[4] == pytest.approx(0)
    assert found["regime"].tolist() == [
        *["perfect scaling"] * 2,
        "diminishing returns",
        *["maximum useful batch"] * 3,
    ]
    assert found["examples"].tolist()[:2] == [64_000, 64_000]
    assert found["low"].tolist() == found["steps"].tolist()
    assert (found["note"] == "").all()


def test_the_order_of_cells_is_not_that_of_sizes():
    found = table([(64, 1000), (8, 8000), (16, 4000)])
    assert found["batch_size"].tolist() == [8, 16, 64]
    assert found["cell"].tolist() == ["c1", "c2", "c0"]


def test_slopes_that_the_trainings_do_not_settle():
    found = table([(8, 8000), (16, 4000), (32, 2500)], spread=0.1)
    row = found.iloc[1]
    assert row["slope_low"] < row["slope"] < row["slope_high"]
    # Weights of the middle size are zero: its ends do not matter.
    ends = [(found["high"].iloc[2], found["low"].iloc[0]), (found["low"].iloc[2], found["high"][0])]
    high, low = (math.log(a / b) / math.log(4) for a, b in ends)
    assert (row["slope_low"], row["slope_high"]) == pytest.approx((low, high))
    assert "not settled" in row["note"]


def test_full_batches_count_their_examples():
    found = table([("8", 8000), ("full", 500)], full=1077)
    assert found["batch_size"].tolist() == [8, 1077]
    assert found["slope"].iloc[0] == pytest.approx(math.log(500 / 8000) / math.log(1077 / 8))
    unknown = table([("8", 8000), ("full", 500)])
    assert "say how many examples full is" in unknown["note"].iloc[1]
    assert unknown["regime"].tolist() == ["", ""]


def test_batches_that_never_reach_the_target_are_passed_over():
    found = table([(8, 8000), (16, math.inf), (32, 2000)])
    assert found["reached"].tolist() == [6, 0, 6]
    assert math.isnan(found["steps"].iloc[1])
    assert found["regime"].tolist() == ["perfect scaling", "", "perfect scaling"]
    assert "no more than half" in found["note"].iloc[1]


def test_a_line_for_each_level_of_all_else():
    steps = [(8, 8000), (8, 100), (16, 4000), (16, 100)]
    found = table(steps, factors=["batch_size", "lr"], lr=[0.1, 0.5, 0.1, 0.5])
    assert found.groupby("lr")["slope"].first().to_dict() == pytest.approx({0.1: -1, 0.5: 0})


def test_one_batch_size_has_no_slope():
    found = table([(8, 8000)])
    assert found["regime"].tolist() == [""]
    assert "no slope" in found["note"].iloc[0]


def test_a_factor_that_is_not_there():
    frame, long = study([(8, 8000)])
    with pytest.raises(RandstudyError, match="no factor"):
        batch_sizes(frame, long, "test_accuracy", 0.9, factors=["lr"])
    with pytest.raises(RandstudyError, match="no column 'batch_sise'"):
        batch_sizes(frame, long, "test_accuracy", 0.9, factor="batch_sise")


def test_regimes_end_at_a_quarter_and_at_four_times_the_critical_batch():
    def slope(ratio):
        return -1 / (ratio + 1)

    assert regime(slope(0.249)) == "perfect scaling"
    assert regime(slope(0.251)) == regime(slope(3.99)) == "diminishing returns"
    assert regime(slope(4.01)) == "maximum useful batch"
    assert regime(math.nan) == ""


def test_published_mlperf_resnet50():
    # Epochs to target at each batch size; 1,281,167 images.
    epochs = {1632: 35.0, 13056: 45.5, 32768: 56.0, 67840: 85.85}
    steps = [(size, many * 1_281_167 / size) for size, many in epochs.items()]
    found = table(steps)
    assert found["slope"].iloc[0] == pytest.approx(-0.874, abs=0.002)
    assert found["slope"].iloc[3] == pytest.approx(-0.413, abs=0.003)
    assert found["regime"].tolist() == [
        *["perfect scaling"] * 2,
        *["diminishing returns"] * 2,
    ]
    fitted = critical_batch(found).iloc[0]
    # Examples are E_min (1 + B / B_c): about 34 epochs at least, twice that near 45,000.
    assert fitted["minimal_examples"] / 1_281_167 == pytest.approx(34, abs=1.5)
    assert fitted["low"] < 45_000 < fitted["high"]
    assert fitted["low"] > 20_000
    assert fitted["high"] < 100_000


def test_critical_batch_recovers_an_exact_curve():
    sizes = np.array([8.0, 16, 64, 256, 1024])
    exact = pd.DataFrame({"batch_size": sizes, "steps": 500 * (1 + 100 / sizes)})
    row = critical_batch(exact).iloc[0]
    assert row["critical_batch"] == pytest.approx(100, rel=1e-3)
    assert row["minimal_steps"] == pytest.approx(500, rel=1e-3)
    assert row["minimal_examples"] == pytest.approx(50_000, rel=1e-3)
    assert row["low"] <= row["critical_batch"] <= row["high"]


def test_critical_batch_where_nothing_bounds_it():
    sizes = np.array([8.0, 16, 32, 64])
    perfect = pd.DataFrame({"batch_size": sizes, "steps": 8000 / sizes * [1.01, 0.99, 0.99, 1.01]})
    row = critical_batch(perfect).iloc[0]
    assert row["high"] == math.inf
    assert row["low"] > 64
    few = critical_batch(perfect[:2]).iloc[0]
    assert math.isnan(few["critical_batch"])
    assert "fewer than three" in few["note"]


def test_critical_batch_covers():
    random = np.random.default_rng(0)
    sizes = np.array([4.0, 16, 64, 256, 1024])
    hits = 0
    for _ in range(200):
        steps = 500 * (1 + 60 / sizes) * np.exp(0.05 * random.standard_normal(5))
        row = critical_batch(pd.DataFrame({"batch_size": sizes, "steps": steps})).iloc[0]
        hits += row["low"] <= 60 <= row["high"]
    assert 0.95 - 0.05 < hits / 200 <= 0.95 + 0.045
