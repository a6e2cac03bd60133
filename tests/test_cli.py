"""The command as people call it: output, exit codes, JSON."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from randstudy.cli import main
from randstudy.frame import load
from randstudy.ledger import Ledger
from randstudy.study import Study
from tests.test_looking import fill

STUDY = """\
name: small
model: linear
training: {lr: 0.1, batch_size: 256, epochs: 2}
factors:
  init: [xavier_uniform, orthogonal]
replicates: 3
fixed: [split]
tracking: {enabled: false}
evaluation: {predictions: false}
compare: {factor: init, smallest_difference: 0.005}
"""

STUDIES = ("plan", "run", "status", "frame", "schema", "ui", "forget")
TABLES = ("cells", "compare", "variance", "power")
ANSWERS = (*TABLES, "report", "analyze")


@pytest.fixture
def study(tmp_path: Path) -> str:
    path = tmp_path / "small.yaml"
    path.write_text(STUDY)
    return str(path)


@pytest.fixture
def store(tmp_path: Path) -> str:
    return str(tmp_path / "store")


def test_help_is_quick_and_names_every_command() -> None:
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "randstudy", "--help"], capture_output=True, text=True
        )
        seconds.append(time.perf_counter() - began)
    for command in (*STUDIES, *ANSWERS):
        assert f"    {command} " in done.stdout
    # A loose guard only: the figure of half a second is the benchmark's, on an idle machine.
    assert min(seconds) < 2


def test_plan_counts_and_writes_nothing(
    study: str, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", study, "--store", store, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {name: found[name] for name in ("trials", "cells", "packs", "done", "left")} == {
        "trials": 6,
        "cells": 2,
        "packs": 1,
        "done": 0,
        "left": 6,
    }
    assert not Path(store).exists()


def test_plan_for_people_shows_defaults_and_floors(
    study: str, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", study, "--store", store, "--pack-size", "2"]) == 0
    printed = capsys.readouterr().out
    assert "training.optimizer.momentum = 0.0" in printed
    assert "packs   3 on" in printed
    assert "a paired sign-flip test cannot reach 0.04 below n = 6" in printed
    assert main(["plan", study, "--store", store, "--set", "compare=null"]) == 0
    assert "a paired sign-flip test cannot reach 0.05 below n = 6" in capsys.readouterr().out


def test_plan_measures_on_request(
    study: str, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", study, "--store", store, "--measure", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["measured"]
    assert 0 < found["seconds"] < 60
    assert found["accelerator_hours"] is None
    assert [path.name for path in Path(store).iterdir()] == ["calibrations.json"]


def test_set_is_as_if_written_in_the_file(
    study: str, store: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    written = tmp_path / "written.yaml"
    written.write_text(
        STUDY.replace("lr: 0.1", "lr: 0.5").replace("replicates: 3", "replicates: 4")
    )
    changed = Study.load(study, ["lr=0.5", "replicates=4"])
    assert Study.load(written).resolved() == changed.resolved()
    assert main(["plan", study, "--store", store, "--set", "replicates=4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trials"] == 8


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "learning=1"], "learning"),
        (["--set", "batch_size=5000"], "larger than the training set of 1077"),
        (["--set", "pruning.rate=1.5"], "pruning.rate"),
        (["--set", "momentun=0.9"], "momentum"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "run", "status", *TABLES])
def test_bad_input_is_one_message_and_code_2(
    command: str,
    arguments: list[str],
    said: str,
    study: str,
    store: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([command, study, "--store", store, *arguments]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert "Traceback" not in captured.err
    assert not Path(store).exists()


def test_a_missing_file_is_said_plainly(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "nowhere.yaml"]) == 2
    assert "nowhere.yaml" in capsys.readouterr().err


@pytest.mark.parametrize("size", ["0", "-1", "many", "1.5"])
def test_pack_size_is_a_count_or_auto(size: str, study: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["plan", study, f"--pack-size={size}"])
    assert stopped.value.code == 2


def test_schema_is_a_json_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert "replicates" in json.loads(capsys.readouterr().out)["properties"]


def test_ui_without_runs_says_what_makes_them(
    study: str, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ui", study, "--store", store]) == 2
    assert "randstudy run" in capsys.readouterr().err


def test_forgetting_an_unknown_trial_forgets_nothing(
    study: str, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["forget", study, "0" * 16, "--store", store]) == 2
    assert "not in the ledger" in capsys.readouterr().err


@pytest.fixture
def answered(study: str, store: str) -> str:
    """The store with every trial of the study in its ledger."""
    fill(Path(store), Study.load(study))
    return store


def strict(text: str) -> dict[str, Any]:
    """Read JSON as its standard has it, without NaN and infinities."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    found: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return found


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("cells", ["test_accuracy (%) by cell", "Student t over n distinct finished trainings"]),
        ("compare", ["[", "3 paired seeds", "This is look 1 at the comparison", "p   Holm"]),
        ("variance", ["Of the variance between trainings of one cell", "Method: ANOVA"]),
        ("power", ["orthogonal", "  paired  ", "  unpaired  ", "0.5"]),
    ],
)
def test_an_answer_for_people(
    command: str, said: list[str], study: str, answered: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, study, "--store", answered]) == 0
    printed = capsys.readouterr().out
    for words in said:
        assert words in printed.replace("\n", " ")
    assert max(map(len, printed.splitlines())) <= 100


@pytest.mark.parametrize("command", TABLES)
def test_an_answer_for_programs(
    command: str, study: str, answered: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, study, "--store", answered, "--json"]) == 0
    found = strict(capsys.readouterr().out)
    assert (found["study"], found["metric"]) == ("small", "test_accuracy")
    assert found[command]
    assert all(isinstance(row, dict) for row in found[command])


def test_the_numbers_in_json_are_those_of_the_frame(
    study: str, answered: str, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = load(Study.load(study), store=Path(answered))
    means = frame.groupby("init", sort=False)["test_accuracy"].mean()
    assert main(["cells", study, "--store", answered, "--json"]) == 0
    rows = strict(capsys.readouterr().out)["cells"]
    assert {row["init"]: row["mean"] for row in rows} == pytest.approx(means.to_dict())
    assert [row["n"] for row in rows] == [3, 3]
    assert main(["compare", study, "--store", answered, "--json"]) == 0
    compared = strict(capsys.readouterr().out)
    (row,) = compared["compare"]
    assert row["estimate"] == pytest.approx(means["orthogonal"] - means["xavier_uniform"])
    assert row["low"] < row["estimate"] < row["high"]
    assert (row["factor"], row["level"], row["pairs"]) == ("init", "orthogonal", 3)
    assert row["sentence"].startswith("orthogonal beats xavier_uniform by ")
    assert compared["headline"].lower().startswith(row["verdict"])
    assert {"exploratory", "rank", "rank_stability"} <= set(compared)


def test_what_does_not_exist_is_null_in_json(
    study: str, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    one = ["--set", "replicates=1"]
    fill(Path(store), Study.load(study, ["replicates=1"]))
    for command in TABLES:
        assert main([command, study, "--store", store, "--json", *one]) == 0
        assert strict(capsys.readouterr().out)["study"] == "small"
    assert main(["compare", study, "--store", store, "--json", *one]) == 0
    (row,) = strict(capsys.readouterr().out)["compare"]
    assert (row["low"], row["p"], row["needed"]) == (None, None, None)
    assert row["verdict"] == "not enough seeds"


def test_looking_at_a_verdict_is_recorded_once_whatever_command_looks(
    study: str, answered: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (*TABLES, *TABLES):
        assert main([command, study, "--store", answered]) == 0
    assert len(Ledger(Path(answered)).looks("small")) == 1


@pytest.mark.parametrize("command", TABLES)
def test_an_empty_store_is_one_message_and_writes_nothing(
    command: str, study: str, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, study, "--store", store]) in (1, 2)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("randstudy: no trial of small is in the ledger of")
    assert f"randstudy run {study}" in said.err
    assert not Path(store).exists()


def test_a_damaged_store_is_one_message_that_names_the_file(
    study: str, answered: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = (Path(answered) / "ledger" / "outcomes").iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    assert main(["compare", study, "--store", answered]) == 1
    said = capsys.readouterr().err
    assert path.name in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_run_status_frame_and_forget(
    study: str, store: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "randstudy", "run", study, "--store", store],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert "test_accuracy (%) by cell" in done.stdout
    assert "6 of 6 trials are in the ledger" in done.stdout
    assert main(["status", study, "--store", store, "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)
    assert [counts[name] for name in ("trials", "cells", "done", "left", "failed")] == [
        6,
        2,
        6,
        0,
        0,
    ]
    for name in ("frame.csv", "frame.parquet"):
        out = tmp_path / name
        assert main(["frame", study, "--store", store, "--out", str(out)]) == 0
        assert out.stat().st_size > 0
    capsys.readouterr()
    import pandas as pd

    frame = pd.read_csv(tmp_path / "frame.csv")
    assert list(frame["replicate.init"]) == [0, 1, 2] * 2
    assert main(["frame", study, "--store", store, "--out", str(tmp_path / "frame.txt")]) == 2
    assert main(["forget", study, frame["trial"][0], "--store", store]) == 0
    capsys.readouterr()
    assert main(["status", study, "--store", store, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["left"] == 1
