"""Running studies for real: Ray Tune, packs, ledger and MLflow together, in this process."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import mirror
import pandas as pd
import pytest
from runs import trained, values

import randstudy
from randstudy.errors import LedgerError, RandstudyError
from randstudy.ledger import Ledger
from randstudy.lock import lock
from randstudy.planning import plan
from randstudy.study import Study

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray")]

SMALL: dict[str, Any] = {
    "name": "small",
    "model": "linear",
    "training": {"lr": 0.1, "batch_size": 256, "epochs": 2},
    "factors": {"init": ["xavier_uniform", "orthogonal"], "lr": [0.1, 0.01]},
    "replicates": 3,
    "fixed": ["split"],
    "tracking": {"enabled": False},
}


def study(**changes: Any) -> Study:
    return Study.from_mapping(SMALL | changes)


@pytest.fixture(scope="module")
def once(ray: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train the small study once; tests that change the store take a copy."""
    store = tmp_path_factory.mktemp("once")
    result, printed = trained(study(), store)
    assert (result.exit_code, result.trained) == (0, 12)
    assert "12 of 12 trials to train" in printed
    return store


@pytest.fixture
def held(once: Path, tmp_path: Path) -> Path:
    """Return a store that already holds the small study."""
    return Path(shutil.copytree(once, tmp_path / "held"))


def test_a_study_is_trained_once_and_then_not_again(held: Path) -> None:
    again, printed = trained(study(), held)
    assert (again.exit_code, again.trained) == (0, 0)
    assert "Ray" not in printed


def test_more_replicates_and_levels_train_exactly_what_is_new(held: Path) -> None:
    before = set(Ledger(held).index())
    more, _ = trained(study(replicates=5), held)
    assert more.trained == 4 * 2
    wider = study(replicates=5, factors=SMALL["factors"] | {"lr": [0.1, 0.01, 0.3]})
    assert trained(wider, held)[0].trained == 2 * 5
    assert before < set(Ledger(held).index())
    fewer, _ = trained(study(replicates=2), held)
    assert fewer.trained == 0
    assert len(randstudy.load(study(replicates=2), store=held)) == 8


def test_packs_of_any_size_and_any_threads_give_the_same_frame(once: Path, tmp_path: Path) -> None:
    expected = values(study(), once)
    trained(study(), tmp_path / "alone", pack_size=1)
    trained(study(resources={"cpus": 2}), tmp_path / "five", pack_size=5)
    for name in ("alone", "five"):
        pd.testing.assert_frame_equal(expected, values(study(), tmp_path / name), check_exact=True)


def test_a_trial_that_raises_fails_alone_and_is_tried_again_on_request(tmp_path: Path) -> None:
    one = study(init="raising:Raises", factors={"init.bad": [False, True]}, replicates=2)
    result, _ = trained(one, tmp_path)
    assert (result.exit_code, result.trained) == (1, 2)
    assert {failure.kind for failure in result.failures} == {"error"}
    assert all("raising.py" in failure.traceback for failure in result.failures)
    counts = randstudy.load(one, store=tmp_path)["status"].value_counts()
    assert dict(counts) == {"finished": 2, "failed": 2}
    again, printed = trained(one, tmp_path)
    assert (again.exit_code, again.failures) == (1, [])
    assert "to train" not in printed
    retried, _ = trained(one, tmp_path, retry_failed=True)
    assert len(retried.failures) == 2


def test_a_worker_that_dies_takes_no_other_trial_with_it(tmp_path: Path) -> None:
    one = study(init="raising:Kills", factors={"init.bad": [False, True]}, replicates=1)
    result, _ = trained(one, tmp_path, pack_size=2)
    assert (result.exit_code, result.trained) == (1, 1)
    assert {failure.kind for failure in result.failures} == {"infrastructure"}
    index = Ledger(tmp_path).index()
    assert [entry.status for entry in index.values()] == ["finished"]


def test_diverged_trials_are_final_and_counted(tmp_path: Path) -> None:
    one = study(factors={"lr": [0.1, 1e38]}, model={"name": "mlp", "widths": [8]})
    result, printed = trained(one, tmp_path)
    assert (result.exit_code, result.diverged) == (0, 3)
    assert "3 diverged" in printed
    assert trained(one, tmp_path)[0].trained == 0


def test_mlflow_holds_each_trial_once_and_nothing_runs(tmp_path: Path) -> None:
    one = study(tracking={"enabled": True}, compare={"factor": next(iter(SMALL["factors"]))})
    result, _ = trained(one, tmp_path, report=True)
    assert result.mirror is not None
    assert result.publication is not None, result.unpublished
    (page,) = (tmp_path / "mlartifacts").rglob("report.html")
    assert page.read_text() == result.publication.page.read_text()
    assert (page.parent / "frame.parquet").exists()
    note = mirror.tags(tmp_path, "study")["mlflow.note.content"]
    assert result.publication.answer.headline in note
    assert (result.mirror.mirrored, result.mirror.behind) == (12, 0)
    assert set(mirror.trials(tmp_path)) == set(Ledger(tmp_path).index())
    assert set(mirror.trials(tmp_path).values()) == {1}
    assert mirror.statuses(tmp_path, "trial") == {"FINISHED": 12}
    assert mirror.statuses(tmp_path, "cell") == {"FINISHED": 4}
    assert mirror.statuses(tmp_path, "study") == {"FINISHED": 1}
    planned = plan(one, tmp_path, pack_size=None, measure=False)
    assert planned.mlflow_runs == 12 + 4 + 1
    assert planned.mlflow_metrics == mirror.metrics(tmp_path)


def test_plan_counts_all_that_a_study_asks_for(tmp_path: Path) -> None:
    one = study(
        tracking={"enabled": True},
        factors={"clip_norm": [None, 0.1], "pruning.rate": [0.0, 0.5]},
        training=SMALL["training"] | {"epochs": 3, "stopping": {"every_epochs": 2}},
        evaluation={"every_steps": 4, "gradient_norms": "layers", "test_selected": True},
        replicates=2,
    )
    trained(one, tmp_path)
    planned = plan(one, tmp_path, pack_size=None, measure=False)
    # A number that is the same in all trials of a cell, as a density is, has no interval there.
    assert 0.95 * planned.mlflow_metrics <= mirror.metrics(tmp_path) <= planned.mlflow_metrics


def test_a_tracker_that_is_down_costs_the_study_nothing(tmp_path: Path) -> None:
    one = study(tracking={"uri": "http://127.0.0.1:9"})
    result, _ = trained(one, tmp_path)
    assert (result.exit_code, result.trained) == (0, 12)
    assert result.mirror is not None
    assert result.mirror.behind == 12


def test_outcomes_of_other_versions_stop_a_run_until_it_is_told(
    held: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("randstudy.accounting.NUMERICS_VERSION", "other")
    with pytest.raises(RandstudyError, match=r"numerics: \d+ -> other \(12 trials\)"):
        trained(study(), held)
    accepted, _ = trained(study(), held, stale="accept")
    assert (accepted.exit_code, accepted.trained) == (0, 0)
    monkeypatch.undo()
    monkeypatch.setattr("randstudy.accounting.version", lambda name: "0.0")
    retrained, _ = trained(study(), held, stale="retrain")
    assert retrained.trained == 12
    assert Ledger(held).findings() == []


def test_asking_for_more_evaluations_looks_again_and_finds_the_same_weights(
    held: Path,
) -> None:
    before = values(study(), held)
    closer = study(evaluation={"every_steps": 1})
    result, _ = trained(closer, held)
    assert result.trained == 12
    assert Ledger(held).findings() == []
    pd.testing.assert_frame_equal(before, values(closer, held), check_exact=True)
    assert len(randstudy.load(closer, store=held).curves) == 12 * 10
    assert trained(closer, held)[0].trained == trained(study(), held)[0].trained == 0


def test_asking_for_logits_looks_again_and_loses_nothing(held: Path) -> None:
    asked = study(evaluation={"logits": True, "every_epochs": 2})
    planned = plan(asked, held, pack_size=None, measure=False)
    assert planned.left == 12
    assert trained(asked, held)[0].trained == 12
    assert Ledger(held).findings() == []
    frame = randstudy.load(asked, store=held)
    assert frame.logits.trials == tuple(frame["trial"])
    assert (frame.logits.values.argmax(2) == frame.predictions.to_numpy()).all()
    # The first study's evaluations were more; trained again for them, trials keep their logits.
    assert trained(study(), held)[0].trained == 12
    assert trained(asked, held)[0].trained == trained(study(), held)[0].trained == 0
    assert len(randstudy.load(asked, store=held).logits.trials) == 12
    assert Ledger(held).findings() == []


def test_a_pack_that_asks_for_more_than_there_is_says_so(tmp_path: Path) -> None:
    with pytest.raises(RandstudyError, match=r"asks for 1000 CPUs .*lower resources\.cpus"):
        trained(study(resources={"cpus": 1000}), tmp_path)


def test_a_second_driver_is_refused_and_told_by_whom(tmp_path: Path) -> None:
    with lock(tmp_path, "small"), pytest.raises(LedgerError, match="process"):
        trained(study(), tmp_path)
