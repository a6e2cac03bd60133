"""Levels at their best: chosen on validation, never on test, and said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from randstudy.analysis.compare import compare
from randstudy.analysis.layout import Layout, lay_out
from randstudy.analysis.roles import Roles, selection_of
from randstudy.analysis.tuning import tuned, within

# What each setting comes to on validation and on test: the best on test is never the best on
# validation.
MEANS = {
    ("sgd", 0.1): (0.90, 0.80),
    ("sgd", 0.3): (0.85, 0.95),
    ("adam", 0.001): (0.70, 0.97),
    ("adam", 0.003): (0.88, 0.84),
    ("adam", 0.01): (0.87, 0.99),
}
SEEDS = 6


def frame(
    means: dict[tuple[str, float], tuple[float, float]] | None = None, **shift: float
) -> pd.DataFrame:
    """Return a training a seed, setting and init scheme; orthogonal adds `shift` to validation."""
    rows: list[dict[str, Any]] = []
    for (optimizer, lr), (validation, test) in (means or MEANS).items():
        for init in ("normal", "orthogonal"):
            more = shift.get(f"{optimizer}{lr}", 0.0) if init == "orthogonal" else 0.0
            for seed in range(SEEDS):
                luck = 0.01 * np.sin(12.9 * seed + 3 * lr)
                rows.append(
                    {
                        "optimizer": optimizer,
                        "lr": lr,
                        "init": init,
                        "replicate.init": seed,
                        "status": "finished",
                        "validation_accuracy": validation + more + luck,
                        "test_accuracy": test + luck,
                    }
                )
    return pd.DataFrame(rows)


def layout(table: pd.DataFrame, **roles: Any) -> Layout:
    given = {
        "metric": "test_accuracy",
        "factors": ("optimizer", "lr", "init"),
        "replicates": ("replicate.init",),
        "status": "status",
        "nested": (("lr", "optimizer"),),
        "selection": "validation_accuracy",
    }
    return lay_out(table, Roles(**{**given, **roles}))


def row(table: pd.DataFrame, **roles: Any) -> dict[str, Any]:
    (found,) = compare(layout(table, **roles), factor="optimizer").to_dict("records")
    return {str(name): value for name, value in found.items()}


def test_each_level_has_the_setting_that_is_best_on_validation() -> None:
    found = row(frame())
    assert (found["mean_level"], found["mean_reference"]) == pytest.approx((0.84, 0.80), abs=0.01)
    assert (
        found["tuned"]
        == "lr tuned on validation within each level (0.003 of 3; 0.1 of 2, more settings flatter)"
    )
    assert (found["pairs"], found["contexts"], found["n"]) == (SEEDS, 2, "6")


def test_the_comparison_is_that_of_the_chosen_cells_by_hand() -> None:
    table = frame()
    sides = [
        table[(table["optimizer"] == optimizer) & (table["lr"] == lr)]
        .groupby("replicate.init")["test_accuracy"]
        .mean()
        for optimizer, lr in (("adam", 0.003), ("sgd", 0.1))
    ]
    found = row(table)
    expected = stats.ttest_rel(*sides)
    assert found["p"] == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval()
    assert (found["low"], found["high"]) == pytest.approx((interval.low, interval.high))


def test_test_values_choose_nothing() -> None:
    table = frame()
    turned = table.assign(test_accuracy=1 - table["test_accuracy"])
    assert row(turned)["tuned"] == row(table)["tuned"]
    better = table.assign(validation_accuracy=1 - table["validation_accuracy"])
    assert "(0.001 of 3; 0.3 of 2, more settings flatter)" in row(better)["tuned"]


def test_a_setting_is_judged_over_all_other_factors() -> None:
    found = row(frame(**{"sgd0.3": 0.11}))
    assert "0.3 of 2" in found["tuned"]
    assert found["mean_reference"] == pytest.approx(0.95, abs=0.01)
    assert "0.1 of 2" in row(frame(**{"sgd0.3": 0.09}))["tuned"]


def test_smaller_losses_are_better() -> None:
    table = frame()
    table["test_loss"] = 1 - table["test_accuracy"]
    table["validation_loss"] = 1 - table["validation_accuracy"]
    by_loss = {"metric": "test_loss", "selection": "validation_loss", "maximize": False}
    assert row(table, **by_loss)["tuned"] == row(table)["tuned"]
    # An accuracy chosen by loss: larger accuracies and smaller losses are better.
    assert row(table, selection="validation_loss")["tuned"] == row(table)["tuned"]
    assert Roles(metric="test_accuracy", selection="validation_loss").tuned_upwards is False
    assert Roles(metric="test_accuracy", selection="validation_accuracy").tuned_upwards is True
    turned = Roles(metric="test_x", selection="validation_x", maximize=False)
    assert turned.tuned_upwards is False


def test_of_equal_settings_the_first_wins() -> None:
    means = {("sgd", 0.3): (0.5, 0.1), ("sgd", 0.1): (0.5, 0.2), ("adam", 0.01): (0.5, 0.3)}
    table = frame(means)
    table["validation_accuracy"] = 0.5
    assert "(0.01 of 1; 0.3 of 2, more settings flatter)" in row(table)["tuned"]


def test_a_setting_that_diverged_loses_to_one_that_did_not() -> None:
    table = frame()
    one = (table["lr"] == 0.1) & (table["init"] == "normal") & (table["replicate.init"] == 2)
    table.loc[one, "status"] = "diverged"
    table.loc[one, ["validation_accuracy", "test_accuracy"]] = np.nan
    found = row(table)
    assert "0.3 of 2" in found["tuned"]
    assert found["verdict"] != "withheld"


def test_where_all_settings_diverged_the_verdict_is_withheld() -> None:
    table = frame()
    table.loc[table["optimizer"] == "sgd", "status"] = "diverged"
    one_left = (table["lr"] == 0.3) & (table["replicate.init"] == 0)
    table.loc[one_left, "status"] = "finished"
    found = row(table)
    assert "0.3 of 2" in found["tuned"]
    assert found["verdict"] == "withheld"
    assert "of those of sgd diverged" in found["note"]


def test_a_setting_beside_fewer_other_levels_loses() -> None:
    table = frame(**{"sgd0.3": 0.5})
    table = table[~((table["lr"] == 0.3) & (table["init"] == "normal"))]
    assert "0.1 of 2" in row(table)["tuned"]


def test_settings_of_several_nested_factors_are_chosen_together() -> None:
    table = pd.concat([frame().assign(momentum=0.0), frame().assign(momentum=0.9)])
    table["validation_accuracy"] += 0.06 * (table["momentum"] == 0.9) * (table["lr"] == 0.3)
    nested = (("lr", "optimizer"), ("momentum", "lr"))
    factors = ("optimizer", "lr", "momentum", "init")
    found = row(table.reset_index(drop=True), nested=nested, factors=factors)
    told = "lr and momentum tuned on validation within each level (0.003, 0 of 6; 0.3, 0.9 of 4"
    assert found["tuned"] == f"{told}, more settings flatter)"


def test_a_level_without_the_nested_factor_has_one_setting() -> None:
    table = frame()
    table = table[(table["optimizer"] == "sgd") | (table["lr"] == 0.01)]
    table.loc[table["optimizer"] == "adam", "lr"] = np.nan
    assert "(none of 1; 0.1 of 2, more settings flatter)" in row(table)["tuned"]


def test_what_is_nested_elsewhere_is_averaged_as_ever() -> None:
    found = compare(layout(frame()), factor="init").to_dict("records")[0]
    assert (found["tuned"], found["contexts"]) == ("", 5)
    plain = compare(layout(frame(), nested=()), factor="init").to_dict("records")[0]
    assert plain["estimate"] == found["estimate"]


def test_without_a_validation_metric_the_first_setting_stands_untuned() -> None:
    found = row(frame().drop(columns="validation_accuracy"))
    told = "lr as listed first, untuned: no validation metric to choose by (0.001 of 3; 0.1 of 2)"
    assert found["tuned"] == told
    assert found["tuned"] == row(frame(), selection=None)["tuned"]
    plain = layout(frame())
    assert tuned(plain, "init").layout is plain


def test_a_frame_knows_what_is_nested() -> None:
    table = frame()
    told = pd.DataFrame(table)
    told.attrs = {}
    object.__setattr__(told, "nested", {"lr": "optimizer"})
    found = compare(told, "test_accuracy", factor="optimizer", factors=["optimizer", "lr", "init"])
    assert found["tuned"][0].endswith("(0.003 of 3; 0.1 of 2, more settings flatter)")


def test_choosing_on_the_compared_metric_is_said() -> None:
    found = row(frame(), metric="validation_accuracy")
    assert "lr tuned on the metric compared, so flattered, within each level" in found["tuned"]


@pytest.mark.parametrize(
    ("metric", "columns", "found"),
    [
        ("test_accuracy", ("validation_loss", "validation_accuracy"), "validation_accuracy"),
        ("test_accuracy", ("validation_loss",), "validation_loss"),
        ("train_loss", ("validation_loss", "test_loss"), "validation_loss"),
        ("steps_to_target", ("validation_loss",), "validation_loss"),
        ("validation_accuracy", ("validation_loss", "validation_accuracy"), "validation_accuracy"),
        ("test_accuracy", ("test_loss", "test_accuracy"), None),
    ],
)
def test_the_metric_that_chooses_is_never_of_test(
    metric: str, columns: tuple[str, ...], found: str | None
) -> None:
    assert selection_of(metric, columns) == found


def test_as_many_settings_flatter_nobody() -> None:
    table = frame()
    found = row(table[table["lr"] != 0.01].reset_index(drop=True))
    assert found["tuned"] == "lr tuned on validation within each level (0.003 of 2; 0.1 of 2)"


def test_factors_within_others() -> None:
    nested = {"lr": "batch_size", "batch_size": "optimizer", "rate": "init"}
    assert within("optimizer", nested) == ("lr", "batch_size")
    assert within("batch_size", nested) == ("lr",)
    assert within("lr", nested) == ()
