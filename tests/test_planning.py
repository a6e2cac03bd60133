"""What is kept of the test examples: asked for by a study, missing in the ledger, and its size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from randstudy.accounting import account
from randstudy.design import Design
from randstudy.ledger import Ledger
from randstudy.planning import plan
from randstudy.study import Study
from randstudy.training import Observation, PackRun

TRIALS = 8


def study(**evaluation: Any) -> Study:
    return Study.from_mapping(
        {
            "model": "linear",
            "training": {"lr": 0.1, "batch_size": 128, "epochs": 2},
            "replicates": TRIALS,
            "evaluation": evaluation,
            "tracking": {"enabled": False},
        }
    )


def train(one: Study, store: Path) -> Path:
    """Train a study as one pack; return the file that it left."""
    keep = Observation(predictions=one.evaluation.predictions, logits=one.evaluation.logits)
    run = PackRun(list(Design(one)), observe=keep)
    run.advance()
    return Ledger(store).commit(run.take(), attempt="a1")


@pytest.mark.parametrize("logits", [False, True])
def test_the_disk_that_plan_foretells_is_what_a_pack_takes(logits: bool, tmp_path: Path) -> None:
    one = study(logits=logits)
    foretold = plan(one, tmp_path, pack_size=TRIALS, measure=False).disk_bytes
    assert train(one, tmp_path).stat().st_size == pytest.approx(foretold, rel=0.1)
    assert plan(one, tmp_path, pack_size=TRIALS, measure=False).disk_bytes == 0


@pytest.mark.parametrize(
    ("had", "asked", "again"),
    [
        ({}, {}, False),
        ({}, {"logits": True}, True),
        ({"logits": True}, {}, False),
        ({"logits": True}, {"logits": True, "predictions": False}, False),
        ({"predictions": False, "logits": True}, {"logits": True}, True),
        ({"predictions": False}, {"predictions": False}, False),
    ],
)
def test_outcomes_that_lack_what_is_now_asked_for_are_observed_again(
    had: dict[str, bool], asked: dict[str, bool], again: bool, tmp_path: Path
) -> None:
    train(study(**had), tmp_path)
    found = account(study(**asked), Ledger(tmp_path))
    assert len(found.reobserve) == (TRIALS if again else 0)
    assert found.planned == TRIALS


def test_a_line_has_no_logits_to_miss(tmp_path: Path) -> None:
    one = Study.from_mapping(
        {
            "data": "linear_regression",
            "model": "linear",
            "training": {"lr": 0.1, "batch_size": 10, "epochs": 1},
            "evaluation": {"logits": True},
        }
    )
    train(one, tmp_path)
    assert account(one, Ledger(tmp_path)).reobserve == []


def pruned(**pruning: Any) -> Study:
    """Return a study of one cell that prunes."""
    return Study.from_mapping(
        {
            "model": {"name": "mlp", "widths": [8, 8, 8]},
            "pruning": {"name": "magnitude", **pruning},
            "training": {"lr": 0.1, "batch_size": 32, "epochs": 2},
        }
    )


def test_every_layer_that_pruning_empties_is_told(tmp_path: Path) -> None:
    notes = plan(pruned(rate=1.0), tmp_path, pack_size=1, measure=False).notes
    layers = "layers.0.weight, layers.1.weight, layers.2.weight and 1 more"
    assert f"pruning leaves nothing of {layers} in 1 of 1 cells" in notes
    one = pruned(rate=0.5, output_rate=1.0)
    notes = plan(one, tmp_path, pack_size=1, measure=False).notes
    assert "pruning leaves nothing of layers.3.weight in 1 of 1 cells" in notes


@pytest.mark.parametrize(("rounds", "told"), [(3, ", up to 4 trainings a trial"), (0, "")])
def test_the_plan_tells_how_often_a_budget_is_spent(rounds: int, told: str, tmp_path: Path) -> None:
    one = pruned(rate=0.5, when="trained", rounds=rounds)
    widths = plan(one, tmp_path, pack_size=1, measure=False).widths
    assert list(widths) == [f"mlp on digits, sgd, batch 32, 68 steps{told}"]
