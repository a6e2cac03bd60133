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
