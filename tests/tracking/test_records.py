"""Names, limits and estimates, without MLflow."""

import math

import numpy as np
import pytest

from randstudy.analysis.intervals import mean_interval
from randstudy.design import Design
from randstudy.ledger import new_attempt
from randstudy.tracking.estimates import Replication, curves, finals
from randstudy.tracking.plan import Plan, PlannedTrial, plan
from randstudy.tracking.records import (
    LONGEST_TAG,
    Point,
    key,
    params,
    split_finite,
    tags,
    written_at,
)
from tracking.world import outcome, study


def test_a_plan_survives_its_journey() -> None:
    made = plan(study(replicates={"init": 2, "order": 3}, repeat=2))
    assert Plan.from_json(made.to_json()) == made
    assert sum(len(cell.trials) for cell in made.cells) == 24
    assert made.cells[0].members != made.cells[1].members


def test_the_plan_says_what_is_common_and_what_may_change() -> None:
    made = plan(study(fixed=["split"]))
    assert made.params["training.optimizer"] == "sgd"
    assert made.params["model.widths"] == "[128]"
    assert "replicates" not in made.params
    assert made.tags["randstudy.fixed"] == '["split"]'
    assert made.tags["randstudy.factors"] == '{"batch_size": [16, 32]}'


def test_keys_and_values_fit_mlflow() -> None:
    assert key("init+order(α)=1") == "init_order_α__1"
    assert params({"widths": [1, 2], "name": "x", "none": None}) == {
        "widths": "[1, 2]",
        "name": "x",
        "none": "null",
    }
    cut = tags({"long": "x" * 9000, "empty": "", "zero": 0})
    assert len(cut["long"]) == LONGEST_TAG
    assert cut["long"].endswith("…")
    assert "empty" not in cut
    assert cut["zero"] == "0"


def test_times_are_those_of_the_attempt() -> None:
    assert written_at("0199a0b1c2d3" + "00000000") == 0x0199A0B1C2D3
    assert written_at(new_attempt()) > 1_700_000_000_000
    assert written_at("by-hand") == 1


def test_values_that_are_not_finite_are_noted() -> None:
    points = [Point("a", 1.0, 0, 5), Point("a", -math.inf, 1, 5), Point("b", math.nan, 2, 5)]
    finite, note = split_finite(points)
    assert finite == (points[0],)
    assert note == "a@1=-inf b@2=nan"


def crossed(rows: int, columns: int, repeats: int = 1) -> list[PlannedTrial]:
    return [
        PlannedTrial(f"{i}{j}{r}", {"init": i, "order": j, "mask": j}, r)
        for i in range(rows)
        for j in range(columns)
        for r in range(repeats)
    ]


def test_crossed_streams_are_not_independent_pairs() -> None:
    values = np.array([0.1, 0.2, 0.4, 0.3, 0.9, 0.5])
    found = Replication(crossed(2, 3)).estimate(values)
    expected = mean_interval(values.reshape(2, 3))
    assert expected.method == "crossed t"
    assert (found["low"], found["high"]) == (expected.low, expected.high)


def test_repeats_are_averaged_before_they_count() -> None:
    together = [PlannedTrial(str(i), {"init": i // 2}, i % 2) for i in range(6)]
    found = Replication(together).estimate(np.array([1.0, 3.0, 2.0, 4.0, 6.0, 6.0]))
    assert found["mean"] == pytest.approx(11 / 3)
    assert found["sd"] == pytest.approx(np.std([2, 3, 6], ddof=1))


def test_one_training_has_a_mean_and_no_spread() -> None:
    found = Replication(crossed(1, 1)).estimate(np.array([0.5]))
    assert found["mean"] == 0.5
    assert all(math.isnan(found[name]) for name in ("sd", "low", "high"))


def test_curves_are_averaged_where_all_were_evaluated() -> None:
    trials = list(Design(study(levels=[16])))
    often = outcome(trials[0])
    seldom = outcome(
        trials[1],
        curve_step=np.array([68, 102], np.int64),
        curve_epoch=np.array([2.0, 3.0]),
        curves={"train_loss": np.array([4.0, 5.0])},
        metrics={"test_accuracy": 0.5},
    )
    trained = [
        (PlannedTrial(t.id, t.replicates), o) for t, o in zip(trials, [often, seldom], strict=True)
    ]
    found = {(name, step): estimate["mean"] for name, step, estimate in curves(trained)}
    assert found == {
        ("train_loss", 68): (often.curves["train_loss"][1] + 4) / 2,
        ("train_loss", 102): (often.curves["train_loss"][2] + 5) / 2,
    }
    assert finals(trained).keys() == {"test_accuracy"}
