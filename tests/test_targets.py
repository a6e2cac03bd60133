"""Targets stand in the order of the kept predictions: accuracies come out exactly."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from randstudy.design import Design
from randstudy.errors import DataError, RandstudyError
from randstudy.frame import Frame, load
from randstudy.ledger import Ledger
from randstudy.study import Study
from randstudy.targets import targets
from randstudy.training import PackRun


def study(**changes: Any) -> Study:
    written: dict[str, Any] = {
        "model": "linear",
        "training": {"lr": 0.1, "batch_size": 128, "epochs": 1},
        "factors": {"init": ["orthogonal", "kaiming_normal"]},
        "replicates": 3,
    }
    return Study.from_mapping(written | changes)


def trained(one: Study, store: Path) -> Frame:
    run = PackRun(list(Design(one).trials()))
    run.advance()
    Ledger(store).commit(run.take(), attempt="a1")
    return load(one, store=store)


@pytest.mark.parametrize(("fixed", "groups"), [(["split"], 1), ([], 3)])
def test_accuracy_by_predictions_is_the_test_accuracy(
    fixed: list[str], groups: int, tmp_path: Path
) -> None:
    one = study(fixed=fixed)
    frame = trained(one, tmp_path)
    predicted = frame.predictions
    found = targets(one)
    assert len(found.groups) == groups
    assert frame["test_accuracy"].nunique() > 1
    right = (predicted == found.rows(predicted.index)).mean(axis=1)
    assert right.tolist() == frame["test_accuracy"].tolist()
    for trial, accuracy in zip(frame["trial"], frame["test_accuracy"], strict=True):
        assert (predicted.loc[trial] == found.of(trial)).mean() == accuracy
    common = found.common(frame["trial"])
    assert (common is None) == (groups > 1)
    one_split = frame.loc[frame["replicate.split"] == 0, "trial"]
    shared = found.common(one_split)
    assert shared is not None
    assert shared.tolist() == found.of(one_split.iloc[0]).tolist()
    assert shared.shape == (360,)


def test_targets_of_some_trials_alone(tmp_path: Path) -> None:
    trials = list(Design(study()).trials())
    found = targets(study(), [trials[1].id, "f" * 16])
    assert list(found.by_trial) == [trials[1].id]
    assert found.rows([]).shape == (0, 0)
    assert found.common([]) is None
    with pytest.raises(RandstudyError, match=f"{trials[0].id} is not among"):
        found.of(trials[0].id)
    with pytest.raises(ValueError, match="read-only"):
        found.of(trials[1].id)[0] = 3


def test_drawn_data_have_targets_by_their_replicate() -> None:
    data = [{"name": "linear_regression", "test": 5}, {"name": "linear_regression", "test": 7}]
    training = {"lr": 0.1, "batch_size": 50, "epochs": 1}
    one = study(factors={"data": data}, replicates={"data": 2, "init": 2}, training=training)
    found = targets(one)
    assert [len(group) for group in found.groups] == [5, 5, 7, 7]
    assert sorted(found.by_trial.values()) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert found.groups[0].tolist() != found.groups[1].tolist()
    assert found.groups[0].dtype == np.float32
    with pytest.raises(RandstudyError, match="5 or 7 examples"):
        found.rows(found.by_trial)


def test_another_seed_has_other_splits() -> None:
    one, other = (targets(study(seed=seed)).groups[0] for seed in (0, 1))
    assert one.tolist() != other.tolist()
    assert len(one) == len(other) == 360


def test_data_that_are_not_here_are_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = study()

    def gone(self: object, key: object) -> None:
        raise DataError("digits: no such file")

    monkeypatch.setattr(type(next(iter(Design(one))).recipe.data), "examples", gone)
    with pytest.raises(DataError, match="no such file"):
        targets(one)


def test_ten_thousand_trials_take_a_moment_and_no_torch() -> None:
    one = study(factors={"lr": [0.1 + 0.001 * i for i in range(100)]}, replicates=100)
    began = time.perf_counter()
    found = targets(one)
    assert len(found.by_trial) == 10_000
    assert len(found.groups) == 100
    assert time.perf_counter() - began < 3
    code = (
        "import sys; from randstudy.study import Study; from randstudy.targets import targets\n"
        "training = {'lr': 0.1, 'batch_size': 32, 'epochs': 1}\n"
        "assert len(targets(Study.from_mapping({'training': training})).groups[0]) == 360\n"
        "assert not {'torch', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
