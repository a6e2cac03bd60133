"""A training of somebody's own, in numpy alone and outside the package, run as a study for real."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mirror
import pandas as pd
import pytest
from runs import trained, values

import randstudy
from randstudy import Study, execution
from randstudy.design import Design
from randstudy.errors import RandstudyError
from randstudy.ledger import Ledger
from randstudy.planning import plan

pytestmark = pytest.mark.slow

SOURCE = '''
"""Softmax regression in numpy, as somebody would write it who never heard of randstudy."""

import os
import signal

import numpy as np


def data():
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, 12), np.linspace(-1, 1, 12)), -1).reshape(-1, 2)
    return grid, (grid[:, 0] * grid[:, 1] > 0).astype(int)


def train(trial, streams, report):
    inputs, classes = data()
    hidden = streams["init"].numpy().normal(size=(2, trial["width"]))
    outputs = np.zeros((trial["width"], 2))
    orders = streams["order"].numpy()
    answers = np.eye(2)[classes]
    for epoch in range(1, trial.epochs + 1):
        for batch in np.array_split(orders.permutation(len(inputs)), 9):
            features = np.maximum(inputs[batch] @ hidden, 0)
            powers = np.exp(features @ outputs)
            errors = powers / powers.sum(1, keepdims=True) - answers[batch]
            outputs -= trial.lr * features.T @ errors / len(batch)
        predicted = (np.maximum(inputs @ hidden, 0) @ outputs).argmax(1)
        report(step=9 * epoch, epoch=epoch, validation_accuracy=(predicted == classes).mean())
    return {"test_accuracy": (predicted == classes).mean(), "predictions": predicted}


def misbehaves(trial, streams, report):
    streams.together
    report(step=1, train_loss=1.0)
    if trial.how == "raises":
        raise ArithmeticError("not to my taste")
    if trial.how == "kills":
        os.kill(os.getpid(), signal.SIGKILL)
    if trial.how == "diverges":
        report(step=2, train_loss=float("nan"))
    return {"test_loss": 1.0}


def resumes(trial, streams, report):
    state = trial.checkpoint_folder / "weights.npy"
    crashed = state.exists()
    weights = np.load(state) if crashed else streams.together.numpy().normal(size=3)
    for step in range(4 if crashed else 1, 7):
        weights *= 0.5
        report(step=step, train_loss=abs(weights).sum())
        if step == 3:
            np.save(state, weights)
            if trial.power_cut:
                os.kill(os.getpid(), signal.SIGKILL)
    return {"test_loss": abs(weights).sum()}
'''


@pytest.fixture(scope="module", autouse=True)
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Start Ray once, and put the training where only its own folder knows of it."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_softmax.py").write_text(SOURCE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        with execution.cluster(None):
            yield folder


FACTORS: dict[str, Any] = {"lr": [0.1, 0.5], "width": [4, 16]}


def study(**changes: Any) -> Study:
    fields: dict[str, Any] = {
        "name": "own",
        "train": {
            "function": "own_softmax:train",
            "parameters": {"lr": 0.1, "width": 8, "epochs": 3},
        },
        "metric": "test_accuracy",
        "factors": FACTORS,
        "replicates": {"init": 2, "order": 2},
        "compare": {"factor": "width"},
    }
    return Study(**(fields | changes))


def acting(function: str, parameter: str, levels: list[Any], **changes: Any) -> Study:
    return study(
        train={"function": f"own_softmax:{function}", "parameters": {parameter: levels[0]}},
        metric="test_loss",
        factors={parameter: levels},
        compare=None,
        **({"tracking": {"enabled": False}, "replicates": 2} | changes),
    )


@pytest.fixture(scope="module")
def once(own: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train the study once, with MLflow and the report."""
    store = tmp_path_factory.mktemp("once")
    result, _ = trained(study(), store, report=True)
    assert (result.exit_code, result.trained, result.diverged) == (0, 16, 0)
    assert result.publication is not None, result.unpublished
    assert result.mirror is not None
    assert (result.mirror.mirrored, result.mirror.behind) == (16, 0)
    return store


def test_a_numpy_function_is_a_study_in_ledger_frame_and_mlflow(once: Path) -> None:
    frame = randstudy.load(study(), store=once)
    assert len(frame) == frame["trial"].nunique() == 16
    assert set(frame["status"]) == {"finished"}
    means = frame.groupby("width")["test_accuracy"].mean()
    assert means[16] > means[4]
    assert frame.groupby(["lr", "width"])["test_accuracy"].nunique().max() > 1
    assert frame.curves.groupby("trial")["validation_accuracy"].count().eq(3).all()
    assert frame.predictions.shape == (16, 144)
    assert set(mirror.trials(once)) == set(Ledger(once).index())
    assert mirror.statuses(once, "trial") == {"FINISHED": 16}
    assert mirror.statuses(once, "cell") == {"FINISHED": 4}


def test_a_second_run_trains_nothing_and_more_replicates_what_is_new(once: Path) -> None:
    again, printed = trained(study(), once)
    assert (again.exit_code, again.trained) == (0, 0)
    assert "Ray" not in printed
    more, _ = trained(study(replicates={"init": 3, "order": 2}), once)
    assert more.trained == 4 * 2


def test_packs_of_one_and_python_give_the_same_frame_as_the_study(
    once: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from own_softmax import train

    parameters = {"lr": 0.1, "width": 8, "epochs": 3}
    made = study(train={"function": train, "parameters": parameters})
    frame = randstudy.run(made, store=tmp_path, pack_size=1, quiet=True)
    assert capsys.readouterr().err == ""
    assert list(frame["trial"]) == [trial.id for trial in Design(study())]
    expected, found = values(study(), once), values(made, tmp_path)
    pd.testing.assert_frame_equal(expected, found, check_exact=True)
    with pytest.raises(RandstudyError, match="made already"):
        randstudy.run(made, store=tmp_path, overrides=["lr=2"])


def test_an_exception_a_kill_and_a_nan_take_no_other_trial_with_them(tmp_path: Path) -> None:
    levels = ["behaves", "raises", "diverges", "kills"]
    one = acting("misbehaves", "how", levels)
    result, printed = trained(one, tmp_path)
    assert (result.exit_code, result.trained, result.diverged) == (1, 4, 2)
    assert sorted(failure.kind for failure in result.failures) == [
        *["error"] * 2,
        *["infrastructure"] * 2,
    ]
    assert any("own_softmax.py" in failure.traceback for failure in result.failures)
    assert "2 diverged" in printed
    frame = randstudy.load(one, store=tmp_path)
    ends = frame.groupby("how")["status"].agg(set)
    assert dict(ends) == {
        "behaves": {"finished"},
        "raises": {"failed"},
        "diverges": {"diverged"},
        "kills": {"failed"},
    }
    assert set(frame.curves["trial"]) == set(frame[frame["status"] != "failed"]["trial"])


def test_a_killed_worker_goes_on_from_the_checkpoint(tmp_path: Path) -> None:
    one = acting("resumes", "power_cut", [False, True])
    result, _ = trained(one, tmp_path)
    assert (result.exit_code, result.trained, result.failures) == (0, 4, [])
    frame = randstudy.load(one, store=tmp_path)
    curves = frame.curves.merge(frame[["trial", "power_cut"]])
    assert curves.groupby("trial")["step"].agg(list).map(tuple).unique().tolist() == [
        (1, 2, 3, 4, 5, 6)
    ]
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_changed_code_makes_outcomes_stale_until_it_is_said_what_to_do(
    own: Path, tmp_path: Path
) -> None:
    one = acting("misbehaves", "how", ["behaves"])
    assert trained(one, tmp_path)[0].trained == 2
    with (own / "own_softmax.py").open("a") as file:
        file.write("# changed\n")
    with pytest.raises(RandstudyError, match=r"source_digest: \w{16} -> \w{16} \(2 trials\)"):
        trained(one, tmp_path)
    planned = plan(one, tmp_path, pack_size=None, measure=True)
    assert (planned.stale, planned.seconds) == (2, None)
    assert trained(one, tmp_path, stale="accept")[0].trained == 0
    assert trained(one, tmp_path, stale="retrain")[0].trained == 2
    assert trained(one, tmp_path)[0].trained == 0
    assert Ledger(tmp_path).findings() == []


def test_what_new_writes_runs_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "randstudy", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    assert command("new", "my-first").returncode == 0
    done = command("run", "my-first.yaml", "--no-report", "--set", "tracking.enabled=false")
    assert done.returncode == 0, done.stderr
    assert "16 of 16 trials are in the ledger" in done.stdout
    monkeypatch.syspath_prepend(str(tmp_path))
    frame = randstudy.load(tmp_path / "my-first.yaml", store=tmp_path / "results")
    assert (frame["test_accuracy"] > 0.85).all()
