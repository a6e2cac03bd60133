from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from randstudy.analysis.gap import COLUMNS, gap
from randstudy.errors import RandstudyError


def frame(train, test, cells=None):
    return pd.DataFrame(
        {
            "trial": [f"t{number}" for number in range(len(train))],
            "cell": cells or ["all"] * len(train),
            "status": "finished",
            "replicate.init": range(len(train)),
            "train_loss": train,
            "test_loss": test,
        }
    )


def test_paired_within_each_training():
    train, test = np.array([0.1, 0.2, 0.4]), np.array([0.3, 0.5, 0.5])
    table = gap(frame(train, test))
    assert list(table.columns) == list(COLUMNS)
    low, high = stats.t.interval(0.95, 2, 0.2, stats.sem(test - train))
    row = table.iloc[0]
    assert row[["gap", "low", "high"]].tolist() == pytest.approx([0.2, low, high])
    assert (row["train"], row["test"]) == pytest.approx((0.7 / 3, 1.3 / 3))
    assert (row["n"], row["method"], row["note"]) == (3, "t", "")


def test_trainings_without_both_are_left_out_of_all_means():
    row = gap(frame([0.1, 0.2, math.nan], [0.3, math.nan, 9.0]), "test_loss").iloc[0]
    assert (row["n"], row["train"], row["test"]) == (1, 0.1, 0.3)
    assert row["note"] == "one training"
    assert math.isnan(row["low"])


def test_cells_without_any():
    row = gap(frame([math.nan], [0.3])).iloc[0]
    assert row["n"] == 0
    assert math.isnan(row["gap"])
    assert math.isnan(row["train"])


def test_equal_gaps_have_no_interval():
    row = gap(frame([0.25, 0.5], [0.5, 0.75])).iloc[0]
    assert row["gap"] == 0.25
    assert math.isnan(row["low"])
    assert "equal" in row["note"]


def test_a_metric_that_was_not_measured_on_both_is_refused():
    with pytest.raises(RandstudyError, match="no column 'test_accuracy'"):
        gap(frame([0.1], [0.2]), "accuracy")
