"""Looks at a study's verdict: what counts as one, what it spends, and what stands afterwards."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from randstudy.accounting import today
from randstudy.analysis.answer import Answer
from randstudy.analysis.compare import compare
from randstudy.analysis.looks import Look, spent
from randstudy.analysis.paragraphs import endings, stale
from randstudy.analysis.verdicts import Verdict, standing
from randstudy.design import Design, Trial
from randstudy.errors import RandstudyError
from randstudy.evidence import _redrawn, earlier, gather
from randstudy.frame import load
from randstudy.ledger import Ledger, new_attempt
from randstudy.looking import answer, remember
from randstudy.outcomes import Outcome
from randstudy.recipe import Recipe, Training
from randstudy.splits import Given
from randstudy.study import Study
from randstudy.tasks import LinearRegression
from tests.analysis.answers import answer_of
from tests.analysis.frames import one_stream

LEVELS = ("xavier_uniform", "orthogonal")


def study(replicates: Any = 6, **changes: Any) -> Study:
    written: dict[str, Any] = {
        "name": "small",
        "training": {"lr": 0.1, "epochs": 2, "batch_size": 32},
        "factors": {"init": list(LEVELS)},
        "replicates": replicates,
        "fixed": ["split"],
        "compare": {"factor": "init"},
        "evaluation": {"predictions": False},
    }
    return Study.from_mapping(written | changes)


def outcome(trial: Trial, accuracy: float) -> Outcome:
    return Outcome(
        trial=trial.id,
        status="finished" if math.isfinite(accuracy) else "diverged",
        steps=68,
        metrics={"test_accuracy": accuracy, "test_loss": 1 - accuracy},
        curve_step=np.array([34, 68]),
        curve_epoch=np.array([1.0, 2.0]),
        curves={"validation_accuracy": np.array([accuracy / 2, accuracy])},
        weights_digest=trial.id * 2,
        settings=trial.settings,
        replicates=trial.replicates,
        provenance={"numerics_class": "cpu", **today(trial)},
        seconds={"train_seconds": 30.0},
    )


def fill(store: Path, asked: Study, lead: float = 0.01, *, skip: Iterable[str] = ()) -> None:
    """Train what the store lacks: the second level leads by so much, give or take .004."""
    ledger = Ledger(store)
    first = str(asked.axes[0].levels[0].written)
    made = []
    for point in Design(asked).points():
        levels = str(point.cell.label)
        if point.trial.id in ledger.index() or any(name in levels for name in skip):
            continue
        number = max(point.trial.replicates.values())
        shift = 0.0 if first in levels else lead
        wobble = 0.004 * math.sin(12.9 * number + (0 if first in levels else 1))
        made.append(outcome(point.trial, 0.9 + shift + wobble))
    ledger.commit(made, attempt=new_attempt())


def verdicts(found: Answer) -> list[str]:
    return found.compare["verdict"].tolist()


def looks(store: Path) -> list[Look]:
    return Ledger(store).looks("small")


# What is a look.


def test_a_verdict_on_a_complete_plan_is_one_look(tmp_path: Path) -> None:
    fill(tmp_path, study())
    found = answer(study(), tmp_path)
    (look,) = looks(tmp_path)
    row = found.compare.iloc[0]
    assert verdicts(found) == ["real"]
    assert row["alpha"] == pytest.approx(0.04)
    assert (look.number, look.n) == (1, "6")
    assert look.verdicts == {"orthogonal": "real"}
    assert look.estimates == {"orthogonal": row["estimate"]}
    assert look.comparison.startswith(study().compare.text)  # type: ignore[union-attr]


def test_the_same_outcomes_seen_again_are_no_other_look(tmp_path: Path) -> None:
    fill(tmp_path, study())
    first, again = answer(study(), tmp_path), answer(study(), tmp_path)
    assert len(looks(tmp_path)) == 1
    assert again.evidence.looks == ()
    assert first.compare.equals(again.compare)
    Ledger(tmp_path).compact(most_files=1)
    answer(study(), tmp_path)
    assert len(looks(tmp_path)) == 1


def test_more_replicates_are_a_second_look_at_an_eighth_of_the_first(tmp_path: Path) -> None:
    for replicates in (6, 9):
        fill(tmp_path, study(replicates))
        found = answer(study(replicates), tmp_path)
    assert [look.number for look in looks(tmp_path)] == [1, 2]
    assert found.compare["alpha"].tolist() == [pytest.approx(0.005)]
    assert found.compare["n"].tolist() == ["9"]
    # The first data again are the first look still: nothing that came later is held against them.
    before = answer(study(6), tmp_path)
    assert before.compare["alpha"].tolist() == [pytest.approx(0.04)]
    assert len(looks(tmp_path)) == 2


def test_another_declaration_of_the_same_outcomes_is_another_look(tmp_path: Path) -> None:
    fill(tmp_path, study())
    answer(study(), tmp_path)
    found = answer(study(compare={"factor": "init", "smallest_difference": 0.1}), tmp_path)
    assert [look.number for look in looks(tmp_path)] == [1, 2]
    assert found.compare["alpha"].tolist() == [pytest.approx(0.005)]


def test_an_incomplete_plan_gets_no_verdict_and_is_no_look(tmp_path: Path) -> None:
    fill(tmp_path, study(6))
    found = answer(study(7), tmp_path)
    assert verdicts(found) == ["withheld"]
    assert found.compare["note"].tolist() == [
        "2 planned trainings are missing; the verdict waits for the whole plan"
    ]
    assert looks(tmp_path) == []


def test_one_missing_training_is_told_in_the_singular(tmp_path: Path) -> None:
    fill(tmp_path, study(6))
    Ledger(tmp_path).forget([next(iter(Design(study(6)).trials())).id], "for the test")
    (note,) = answer(study(6), tmp_path).compare["note"]
    assert note.startswith("1 planned training is missing;")


@pytest.mark.parametrize(
    "level",
    [
        LEVELS[0],
        LEVELS[1],
    ],
)
def test_a_level_of_which_nothing_is_there_yet_withholds_the_verdict(
    tmp_path: Path, level: str
) -> None:
    fill(tmp_path, study(), skip=[level])
    found = answer(study(), tmp_path)
    assert set(verdicts(found)) <= {"withheld"}
    assert looks(tmp_path) == []


def test_an_empty_store_has_no_answer_and_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(RandstudyError, match=r"no trial of small is in .*; train it with: rands"):
        answer(study(), tmp_path)
    assert not (tmp_path / "ledger" / "looks").exists()


def test_without_a_declaration_nothing_is_a_look(tmp_path: Path) -> None:
    fill(tmp_path, study())
    found = answer(study(compare=None), tmp_path)
    assert found.compare.empty
    assert set(found.explored["verdict"]) == {"exploratory"}
    assert looks(tmp_path) == []


def test_looks_of_one_study_are_not_those_of_another(tmp_path: Path) -> None:
    fill(tmp_path, study())
    answer(study(), tmp_path)
    found = answer(study(name="other"), tmp_path)
    assert found.compare["alpha"].tolist() == [pytest.approx(0.04)]
    assert len(Ledger(tmp_path).looks("other")) == len(looks(tmp_path)) == 1


# What a look spends, and what stands.


def test_all_looks_together_spend_less_than_alpha() -> None:
    shares = [spent(0.05, number) for number in range(1, 40)]
    assert shares[:4] == pytest.approx([0.04, 0.005, 0.0025, 0.00125])
    assert 0.0449999 < sum(shares) < 0.05
    with pytest.raises(ValueError, match="numbered from 1"):
        spent(0.05, 0)


def test_what_was_decided_at_the_first_look_stands_at_the_second(tmp_path: Path) -> None:
    fill(tmp_path, study(6))
    assert verdicts(answer(study(6), tmp_path)) == ["real"]
    # Six more that show nothing: at .005 the twelve decide nothing, but still point the same way.
    fill(tmp_path, study(12), lead=-0.004)
    found = answer(study(12), tmp_path)
    (row,) = found.compare.to_dict("records")
    assert row["p"] > 0.005
    assert row["estimate"] > 0
    assert (row["verdict"], row["note"]) == ("real", "decided at an earlier look")
    assert "This was decided at an earlier look." in row["sentence"]
    assert looks(tmp_path)[1].verdicts == {"orthogonal": "real"}


def test_what_was_decided_falls_when_the_sign_turns(tmp_path: Path) -> None:
    fill(tmp_path, study(6))
    assert verdicts(answer(study(6), tmp_path)) == ["real"]
    fill(tmp_path, study(12), lead=-0.014)
    found = answer(study(12), tmp_path)
    assert found.compare["estimate"].iloc[0] < 0
    assert verdicts(found) == ["not enough seeds"]


def test_what_another_declaration_decided_does_not_stand(tmp_path: Path) -> None:
    wide = {"factor": "init", "smallest_difference": 0.1}
    fill(tmp_path, study(6), lead=0.001)
    assert verdicts(answer(study(6, compare=wide), tmp_path)) == ["luck"]
    narrow = {"factor": "init", "smallest_difference": 0.001}
    found = answer(study(6, compare=narrow), tmp_path)
    assert verdicts(found) == ["not enough seeds"]
    assert found.compare["alpha"].tolist() == [pytest.approx(0.005)]


@pytest.mark.parametrize(
    ("now", "before", "estimate", "stands"),
    [
        ("not enough seeds", [], 1.0, "not enough seeds"),
        ("not enough seeds", [("real", 1.0)], 0.5, "real"),
        ("not enough seeds", [("real", 1.0)], -0.5, "not enough seeds"),
        ("not enough seeds", [("real but negligible", 1.0)], 0.5, "real but negligible"),
        ("not enough seeds", [("luck", 1.0)], -0.5, "luck"),
        ("not enough seeds", [("real", 1.0), ("luck", 0.1)], 0.5, "luck"),
        ("not enough seeds", [("not enough seeds", 1.0), ("withheld", 1.0)], 0.5,
         "not enough seeds"),
        ("not enough seeds", [("real", math.nan)], 0.5, "not enough seeds"),
        ("luck", [("real", 1.0)], 0.5, "luck"),
        ("real", [("luck", 1.0)], 0.5, "real"),
        ("withheld", [("real", 1.0)], 0.5, "withheld"),
    ],
)  # fmt: skip
def test_the_last_decision_stands_until_another_is_made(
    now: Verdict, before: list[tuple[str, float]], estimate: float, stands: str
) -> None:
    assert standing(now, before, estimate, 1.0) == stands


def test_a_look_is_kept_as_it_was(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    first = Look(number=1, comparison="c", data="d", n="6 × 6", verdicts={"b": "real"},
                 estimates={"b": 0.01})  # fmt: skip
    kept = ledger.look("a study", first)
    assert kept.attempt
    assert Ledger(tmp_path).looks("a study") == [kept]
    assert earlier([kept], "c", "d") == ()
    assert earlier([kept], "c", "other data") == (kept,)
    (other,) = earlier([kept], "another comparison", "d")
    assert (other.number, other.n, other.verdicts, other.estimates) == (1, "6 × 6", {}, {})


# When it was declared.


def plan(store: Path, asked: Study) -> None:
    """What a run keeps before it trains."""
    Ledger(store).write_plan(asked.name, json.dumps(asked.resolved(), indent=1))


def test_a_comparison_declared_before_training_is_in_time(tmp_path: Path) -> None:
    plan(tmp_path, study())
    fill(tmp_path, study())
    assert gather(study(), tmp_path).declared_after == 0


def test_outcomes_before_the_first_plan_that_declared_are_counted(tmp_path: Path) -> None:
    plan(tmp_path, study(4, compare=None))
    fill(tmp_path, study(4))
    plan(tmp_path, study(6))
    fill(tmp_path, study(6))
    plan(tmp_path, study(7))
    fill(tmp_path, study(7))
    assert gather(study(7), tmp_path).declared_after == 8
    assert gather(study(7, compare=None), tmp_path).declared_after == 0


def test_a_declaration_that_no_plan_had_came_after_everything(tmp_path: Path) -> None:
    plan(tmp_path, study())
    fill(tmp_path, study())
    late = study(compare={"factor": "init", "smallest_difference": 0.01})
    found = answer(late, tmp_path)
    assert found.evidence.declared_after == 12


# What a comparison leaves open.


@pytest.mark.parametrize(
    ("factor", "levels", "extra", "said"),
    [
        ("batch_size", [32, 64], {}, "at lr = 0.1, untuned"),
        ("optimizer", ["sgd", "adam"], {}, "at lr = 0.1, untuned"),
        ("model", ["linear", "mlp"], {}, "at lr = 0.1, untuned"),
        ("model.widths", [[16], [32]], {}, "at lr = 0.1, untuned"),
        ("momentum", [0.0, 0.9], {}, "at lr = 0.1, untuned"),
        ("init", list(LEVELS), {}, ""),
        ("pruning.rate", [0.0, 0.5], {}, ""),
        ("lr", [0.1, 0.2], {}, ""),
        ("batch_size", [32, 64], {"lr": [0.1, 0.2]}, "averaged over lr, untuned"),
    ],
)
def test_levels_that_would_each_want_their_own_rate_are_said_to_share_one(
    tmp_path: Path, factor: str, levels: list[Any], extra: dict[str, Any], said: str
) -> None:
    asked = study(2, factors={factor: levels, **extra}, compare={"factor": factor})
    fill(tmp_path, asked)
    found = answer(asked, tmp_path)
    assert found.evidence.caveat == said
    assert len(found.compare) == 1


def test_arms_with_rates_of_their_own_were_tuned(tmp_path: Path) -> None:
    arms = {"a": {"batch_size": 16, "lr": 0.1}, "b": {"batch_size": 64, "lr": 0.2}}
    tuned = study(2, factors={}, arms=arms, compare={"factor": "arm"})
    assert gather(tuned, tmp_path).caveat == ""
    same = {name: {"batch_size": arm["batch_size"]} for name, arm in arms.items()}
    untuned = study(2, factors={}, arms=same, compare={"factor": "arm"})
    assert gather(untuned, tmp_path).caveat == "at lr = 0.1, untuned"


TUNED: dict[str, Any] = {
    "factors": {
        "optimizer": ["sgd", "adam"],
        "lr": {"in": "optimizer", "levels": {"sgd": [0.1, 0.3], "adam": [0.001, 0.003, 0.01]}},
    },
    "compare": {"factor": "optimizer"},
}


def fill_tuned(store: Path, asked: Study, best: tuple[float, ...]) -> None:
    """Train all: the best rates lead on validation by .1, and trail on test by as much."""
    made = []
    for cell, trial in Design(asked).points():
        lead = 0.1 * (cell.levels["lr"] in best)
        wobble = 0.004 * math.sin(12.9 * trial.replicates["init"] + cell.index)
        one = outcome(trial, 0.8 - lead + wobble)
        made.append(dataclasses.replace(one, metrics={**one.metrics, "validation_accuracy": lead}))
    Ledger(store).commit(made, attempt=new_attempt())


def test_a_nested_rate_is_tuned_for_each_level_and_the_answer_says_so(tmp_path: Path) -> None:
    asked = study(**TUNED)
    fill_tuned(tmp_path, asked, (0.3, 0.001))
    found = answer(asked, tmp_path)
    (row,) = found.compare.to_dict("records")
    assert found.evidence.caveat == ""
    assert row["mean_reference"] == pytest.approx(0.7, abs=0.01)
    told = "lr tuned on validation within each level (0.001 of 3; 0.3 of 2, more settings flatter)"
    assert row["tuned"] == told
    assert told in row["sentence"]
    assert "untuned" not in row["sentence"]
    assert len(found.cells) == 5
    frame = load(asked, store=tmp_path)
    assert dict(frame.nested) == {"lr": "optimizer"}
    assert compare(frame, "test_accuracy", factor="optimizer")["tuned"][0] == told


def test_a_rate_nested_in_another_factor_is_averaged_untuned(tmp_path: Path) -> None:
    levels = {"xavier_uniform": [0.1], "orthogonal": [0.1, 0.3]}
    factors = {
        "init": list(LEVELS),
        "lr": {"in": "init", "levels": levels},
        "batch_size": [16, 32],
    }
    asked = study(factors=factors, compare={"factor": "batch_size"})
    fill(tmp_path, asked)
    assert gather(asked, tmp_path).caveat == "averaged over lr, untuned"


def test_the_predictions_of_the_chosen_cells_reach_new_data(tmp_path: Path) -> None:
    asked = study(**TUNED, evaluation={"predictions": True})
    made = []
    rng = np.random.default_rng(0)
    for cell, trial in Design(asked).points():
        one = outcome(trial, 0.8 + 0.01 * rng.standard_normal())
        metrics = {**one.metrics, "validation_accuracy": -cell.levels["lr"]}
        predictions = rng.integers(0, 10, 360).astype(np.uint8)
        made.append(dataclasses.replace(one, metrics=metrics, predictions=predictions))
    Ledger(tmp_path).commit(made, attempt=new_attempt())
    (row,) = answer(asked, tmp_path).compare.to_dict("records")
    assert row["new_data_note"] == ""
    assert row["new_data_low"] < row["new_data_high"]


LR = {"loguniform": [0.001, 1]}
MOMENTUM = {"in": "optimizer", "levels": {"sgd": [0, 0.9]}}


@pytest.mark.parametrize(
    "changes",
    [
        {
            "design": "one_at_a_time",
            "factors": {"lr": [0.1, 0.2], "init": list(LEVELS), "batch_size": [16, 32]},
            "compare": {"factor": "lr"},
        },
        {
            "design": {"name": "random", "cells": 10, "crossed": ["init"]},
            "factors": {"lr": LR, "init": list(LEVELS)},
        },
        {"design": {"name": "sobol", "cells": 8}, "factors": {"lr": LR}, "compare": None},
        {"factors": {}, "cells": [{"lr": 0.2}, {}, {"optimizer": "adam"}], "compare": None},
        {
            "factors": {"optimizer": ["sgd", "adam"], "momentum": MOMENTUM},
            "compare": {"factor": "optimizer"},
        },
    ],
)
def test_every_design_has_an_answer(tmp_path: Path, changes: dict[str, Any]) -> None:
    asked = study(4, **changes)
    rng = np.random.default_rng(0)
    made = [outcome(trial, 0.8 + 0.02 * rng.standard_normal()) for trial in Design(asked).trials()]
    Ledger(tmp_path).commit(made, attempt=new_attempt())
    found = answer(asked, tmp_path)
    assert found.evidence.accounts.finished == len(made)
    assert (len(found.cells), len(found.rank)) == (len(Design(asked).cells),) * 2
    assert len(found.compare) == (asked.compare is not None)
    for name in ("explored", "effects", "importance", "interactions", "power", "curves"):
        assert getattr(found, name) is not None


def test_parts_of_the_training_examples_are_corrected_for_what_they_share() -> None:
    """A quarter of them: two trainings share as much, and the test examples are always the same."""
    training = Training(lr=0.01, batch_size=5, epochs=1)
    line = Recipe(data=LinearRegression(train=80), training=training)
    assert _redrawn(line, "test") == 0
    assert _redrawn(replace(line, split=Given(train_size=20)), "test") == 20 / 60
    assert _redrawn(Recipe(training=training), "test") == 360 / 1077
    kept = Recipe(split=Given(train_size=200), training=training)
    assert _redrawn(kept, "validation") == 360 / 200


def test_splits_of_one_data_set_are_corrected_for(tmp_path: Path) -> None:
    varied = study(fixed=[])
    fill(tmp_path, varied, lead=0.005)
    evidence = gather(varied, tmp_path)
    assert evidence.resampled == pytest.approx(360 / 1077)
    row = answer(varied, tmp_path).compare.iloc[0]
    assert row["method"] == "paired corrected resampled t"
    fixed = tmp_path / "fixed"
    fill(fixed, study(), lead=0.005)
    narrow = answer(study(), fixed).compare.iloc[0]
    assert narrow["method"] == "paired t"
    # Nadeau and Bengio: 1/n becomes 1/n + test/train.
    ratio = (row["high"] - row["low"]) / (narrow["high"] - narrow["low"])
    assert ratio == pytest.approx(math.sqrt(1 + 6 * 360 / 1077))


def test_minutes_are_those_of_one_more_replicate_of_every_cell(tmp_path: Path) -> None:
    fill(tmp_path, study())
    workers = study().resources.workers_here
    assert gather(study(), tmp_path).minutes_per_replicate == pytest.approx(2 * 0.5 / workers)


def test_what_was_made_and_how_is_kept(tmp_path: Path) -> None:
    fill(tmp_path, study())
    evidence = gather(study(question="Which scheme?"), tmp_path)
    assert evidence.question == "Which scheme?"
    assert evidence.made["numerics class"] == "cpu"
    assert evidence.accounts.planned == evidence.accounts.finished == 12
    assert evidence.collapse == pytest.approx(0.15)
    assert evidence.full_batch == 1077


def test_a_verdict_that_is_withheld_costs_no_look(tmp_path: Path) -> None:
    diverged = one_stream({"a": [0.9, 0.8], "b": [math.nan, 0.7]})
    remember(answer_of(diverged, "init"), "small", Ledger(tmp_path))
    assert looks(tmp_path) == []
    remember(
        answer_of(one_stream({"a": [0.9, 0.8], "b": [0.6, 0.7]}), "init"), "small", Ledger(tmp_path)
    )
    assert [look.number for look in looks(tmp_path)] == [1]


def test_outcomes_of_other_versions_are_told_beside_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = study()
    fill(tmp_path, asked, lead=0.005)
    assert stale(answer(asked, tmp_path)) == []
    monkeypatch.setattr("randstudy.accounting.NUMERICS_VERSION", "other")
    (said,) = stale(answer(asked, tmp_path))
    count = len(set(Design(asked).keys()))
    assert said.startswith(f"{count} outcomes were trained with other data, code or versions")
    assert said in endings(answer(asked, tmp_path))
