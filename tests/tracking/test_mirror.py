"""The tree in MLflow is that of the ledger, once, whatever happened before."""

import math
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from randstudy.analysis.intervals import mean_interval
from randstudy.design import Design
from randstudy.ledger import Ledger
from randstudy.tracking import sync
from tracking.world import Store, failure, outcome, study, value


def test_the_tree_holds_what_the_ledger_holds(store: Store) -> None:
    asked = study(replicates={"init": 2, "order": 2})
    trials = store.train(asked)
    report = sync(asked, store.path)
    assert (report.mirrored, report.behind, report.error, report.done) == (8, 0, "", True)
    store.check_whole(asked)
    first = next(
        run
        for run in store.runs("trial").values()
        if run["tags"]["randstudy.trial"] == trials[1].id
    )
    assert first["params"] == {"batch_size": "16"}
    expected = {
        "randstudy.study": "demo",
        "randstudy.cell": "batch_size=16",
        "randstudy.status": "finished",
        "randstudy.seed": "0",
        "randstudy.steps": "102",
        "randstudy.replicate.init": "0",
        "randstudy.replicate.order": "1",
        "randstudy.weights_digest": trials[1].id * 2,
        "mlflow.runName": first["name"],
    }
    assert expected.items() <= first["tags"].items()
    assert "init=0 order=1" in first["name"]
    assert first["end"] - first["start"] == 2500


def test_the_study_run_says_what_was_run_and_on_what(store: Store) -> None:
    asked = study()
    store.train(asked)
    sync(asked, store.path)
    run, top = store.only("study")
    assert top["params"]["training.lr"] == "0.1"
    assert top["params"]["data"] == "digits"
    assert "training.batch_size" not in top["params"]
    assert top["tags"]["mlflow.note.content"] == asked.question
    assert top["tags"]["randstudy.replicates"] == "2"
    assert top["tags"]["randstudy.version.torch"]
    assert int(top["tags"]["randstudy.hardware.cores"]) >= 1
    [artifacts] = (store.path / "mlartifacts").glob(f"*/{run}/artifacts")
    table = (artifacts / "cells.csv").read_text().splitlines()
    assert len(table) == 3
    assert table[1].startswith("batch_size=16,16,test_accuracy,2,0,0,2,")
    assert '"batch_size"' in (artifacts / "resolved.json").read_text()


def test_cells_hold_mean_sd_and_interval_along_the_curves(store: Store) -> None:
    asked = study(replicates=5, levels=[16])
    trials = store.train(asked)
    sync(asked, store.path)
    _, cell = store.only("cell")
    ends = np.array([value(trial) for trial in trials])
    found = mean_interval(ends)
    points = cell["points"]
    assert points["test_accuracy_mean", 102] == pytest.approx(ends.mean(), abs=1e-15)
    assert points["test_accuracy_sd", 102] == pytest.approx(ends.std(ddof=1), abs=1e-15)
    assert (points["test_accuracy_low", 102], points["test_accuracy_high", 102]) == (
        found.low,
        found.high,
    )
    assert points["validation_accuracy_mean", 34] == pytest.approx(0.5 * ends.mean(), abs=1e-15)
    assert points["train_loss_high", 68] > points["train_loss_mean", 68]
    assert (points["n", 102], points["diverged", 102], points["failed", 102]) == (5, 0, 0)
    assert cell["params"] == {"batch_size": "16"}


def test_exporting_again_changes_no_row(store: Store) -> None:
    asked = study()
    store.train(asked)
    sync(asked, store.path)
    before = store.dump()
    report = sync(asked, store.path)
    assert (report.written, report.removed) == (0, 0)
    assert store.dump() == before


def test_two_databases_get_the_same_rows(store: Store, blank: Path, tmp_path: Path) -> None:
    asked = study()
    store.train(asked)
    other = tmp_path / "other.db"
    other.write_bytes(blank.read_bytes())
    sync(asked, store.path)
    sync(study(tracking={"uri": f"sqlite:///{other}"}), store.path)
    rows = "SELECT key, value, timestamp, step FROM metrics ORDER BY 1, 2, 3, 4"
    with closing(sqlite3.connect(other)) as connection:
        assert connection.execute(rows).fetchall() == store.query(rows)


def test_diverged_trials_finish_and_their_numbers_are_told_in_a_tag(store: Store) -> None:
    asked = study(replicates=3, levels=[16])
    good, bad, also_good = Design(asked)
    store.commit([good, also_good])
    curve = np.array([2.0, math.inf, math.nan])
    store.commit(
        [bad],
        status="diverged",
        reason="non-finite loss",
        metrics={"test_accuracy": math.nan},
        curves={"train_loss": curve},
    )
    sync(asked, store.path)
    [run] = [r for r in store.runs("trial").values() if r["tags"]["randstudy.trial"] == bad.id]
    assert run["status"] == "FINISHED"
    assert run["tags"]["randstudy.status"] == "diverged"
    assert run["tags"]["randstudy.reason"] == "non-finite loss"
    assert run["points"] == {("train_loss", 34): 2.0}
    assert run["tags"]["randstudy.nonfinite"] == (
        "train_loss@68=inf train_loss@102=nan test_accuracy@102=nan"
    )
    _, cell = store.only("cell")
    assert (cell["points"]["n", 102], cell["points"]["diverged", 102]) == (2, 1)
    mean = (value(good) + value(also_good)) / 2
    assert cell["points"]["test_accuracy_mean", 102] == pytest.approx(mean, abs=1e-15)


def test_failed_trials_are_runs_that_failed_until_they_finish(store: Store) -> None:
    asked = study(replicates=2, levels=[16])
    done, broken = Design(asked)
    store.commit([done])
    Ledger(store.path).fail(failure([done, broken]))
    sync(asked, store.path)
    [run] = [r for r in store.runs("trial").values() if r["status"] == "FAILED"]
    assert run["tags"]["randstudy.trial"] == broken.id
    assert run["tags"]["randstudy.reason"] == "error: ValueError: no"
    assert run["tags"]["randstudy.traceback"].endswith("ValueError: no")
    assert len(run["tags"]["randstudy.traceback"]) == 8000
    assert store.only("cell")[1]["points"]["failed", 102] == 1
    assert store.only("study")[1]["status"] == "FINISHED"
    store.commit([broken])
    sync(asked, store.path)
    store.check_whole(asked)


def test_an_unfinished_study_is_killed_and_goes_on_later(store: Store) -> None:
    asked = study()
    trials = list(Design(asked))
    store.commit(trials[:3])
    sync(asked, store.path)
    root, top = store.only("study")
    assert top["status"] == "KILLED"
    whole, part = sorted(store.runs("cell").items(), key=lambda item: item[1]["name"])
    assert (whole[1]["status"], part[1]["status"]) == ("FINISHED", "KILLED")
    assert part[1]["points"] == {}
    assert part[1]["tags"]["randstudy.n"] == "1"
    assert part[1]["tags"]["randstudy.planned"] == "2"
    assert float(part[1]["tags"]["randstudy.mean"]) == value(trials[2])
    store.commit(trials[3:])
    sync(asked, store.path)
    store.check_whole(asked)
    assert store.only("study")[0] == root
    assert store.runs("cell").keys() == {whole[0], part[0]}


def test_nothing_trained_yet_leaves_a_killed_study(store: Store) -> None:
    sync(study(), store.path)
    assert store.only("study")[1]["status"] == "KILLED"
    assert store.runs("cell") == store.runs("trial") == {}


def test_more_replicates_make_new_cells_and_keep_the_trials(store: Store) -> None:
    few, more = study(replicates=2), study(replicates=3)
    store.train(few)
    sync(few, store.path)
    root, _ = store.only("study")
    cells, trials = store.runs("cell").keys(), store.runs("trial").keys()
    store.commit([trial for trial in Design(more) if trial.replicates["order"] == 2])
    sync(more, store.path)
    store.check_whole(more)
    assert store.only("study")[0] == root
    assert not cells & store.runs("cell").keys()
    assert cells == store.runs("cell", stage="deleted").keys()
    [resolved] = (store.path / "mlartifacts").glob(f"*/{root}/artifacts/resolved.json")
    assert '"replicates": 3' in resolved.read_text()
    assert trials < store.runs("trial").keys()


def test_another_base_makes_a_new_study_run(store: Store) -> None:
    store.train(study())
    sync(study(), store.path)
    old, _ = store.only("study")
    changed = study(training={"lr": 0.2, "epochs": 3})
    store.train(changed)
    sync(changed, store.path)
    new, top = store.only("study")
    assert new != old
    assert top["params"]["training.lr"] == "0.2"
    parents = {cell["tags"]["mlflow.parentRunId"] for cell in store.runs("cell").values()}
    assert parents == {new}


def test_duplicates_are_removed(store: Store) -> None:
    from mlflow import MlflowClient

    asked = study()
    store.train(asked)
    sync(asked, store.path)
    whole = store.runs("trial")
    client = MlflowClient(f"sqlite:///{store.database}")
    run = client.get_run(next(iter(whole)))
    tags = dict(run.data.tags)
    running = client.create_run(run.info.experiment_id, tags=tags).info.run_id
    ended = client.create_run(run.info.experiment_id, tags=tags).info.run_id
    client.set_terminated(ended)
    report = sync(asked, store.path)
    assert report.removed == 2
    kept = store.runs("trial").keys()
    assert len(kept) == 4
    assert running not in kept


def test_runs_deleted_by_hand_are_made_again(store: Store) -> None:
    from mlflow import MlflowClient

    asked = study()
    store.train(asked)
    sync(asked, store.path)
    client = MlflowClient(f"sqlite:///{store.database}")
    client.delete_run(next(iter(store.runs("trial"))))
    client.delete_run(next(iter(store.runs("cell"))))
    sync(asked, store.path)
    store.check_whole(asked)
    experiment = client.get_experiment_by_name("demo")
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)
    sync(asked, store.path)
    store.check_whole(asked)


def test_an_outcome_that_changed_replaces_its_run(store: Store) -> None:
    asked = study(replicates=2, levels=[16])
    first, second = Design(asked)
    store.commit([first, second], metrics={"test_accuracy": 0.1})
    sync(asked, store.path)
    Ledger(store.path).forget([second.id], "a mistake")
    store.commit([second])
    store.commit([first], curve_step=np.arange(4), curves={}, curve_epoch=np.arange(4.0))
    sync(asked, store.path)
    points = {run["tags"]["randstudy.trial"]: run["points"] for run in store.runs("trial").values()}
    assert points[second.id]["test_accuracy", 102] == value(second)
    assert points[first.id] == {
        ("test_accuracy", 102): value(first),
        ("validation_accuracy", 102): value(first),
    }
    _, cell = store.only("cell")
    mean = (value(first) + value(second)) / 2
    assert cell["points"]["test_accuracy_mean", 102] == pytest.approx(mean, abs=1e-15)


def test_a_trial_in_two_cells_is_one_run_and_counts_in_both(store: Store) -> None:
    asked = study(
        training={"lr": 0.1, "epochs": 3, "batch_size": 16},
        factors={"pruning": ["random", "magnitude"]},
        replicates=3,
    )
    assert len(Design(asked)) == 6
    trials = store.train(asked)
    assert len(trials) == 3
    sync(asked, store.path)
    assert len(store.runs("trial")) == 3
    assert [cell["points"]["n", 102] for cell in store.runs("cell").values()] == [3, 3]
    before = store.dump()
    sync(asked, store.path)
    assert store.dump() == before


def half_written(connection: sqlite3.Connection) -> bool:
    return _count(connection, "trial", "NOT IN") > 0


def unterminated(connection: sqlite3.Connection) -> bool:
    return _count(connection, "trial", "IN") > 0


def third_trial(connection: sqlite3.Connection) -> bool:
    return _count(connection, "trial") >= 3


def opened_study(connection: sqlite3.Connection) -> bool:
    return _count(connection, "study") == 1


def filled_cell(connection: sqlite3.Connection) -> bool:
    return _count(connection, "cell", "IN") > 0


def _count(connection: sqlite3.Connection, kind: str, filled: str = "") -> int:
    """Count runs of a kind; with `filled`, RUNNING ones that have (or have no) metrics."""
    sql = (
        "SELECT count(*) FROM runs JOIN tags USING (run_uuid) "
        f"WHERE key = 'randstudy.kind' AND tags.value = '{kind}'"
    )
    if filled:
        sql += f" AND status = 'RUNNING' AND run_uuid {filled} (SELECT run_uuid FROM metrics)"
    [(number,)] = connection.execute(sql).fetchall()
    return int(number)


@pytest.mark.parametrize(
    "moment", [opened_study, half_written, unterminated, third_trial, filled_cell]
)
def test_killed_at_any_moment_the_next_export_puts_it_right(
    store: Store, moment: Callable[[sqlite3.Connection], bool]
) -> None:
    asked = study(replicates=3)
    store.train(asked)
    child = os.fork()
    if child == 0:
        sync(asked, store.path)
        os._exit(0)
    with closing(sqlite3.connect(store.database)) as connection:
        end = time.monotonic() + 30
        while not moment(connection) and time.monotonic() < end:
            time.sleep(0.0002)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the export ended before it could be killed"
    assert "RUNNING" in store.statuses()
    report = sync(asked, store.path)
    assert (report.mirrored, report.behind) == (6, 0)
    store.check_whole(asked)


def test_more_points_than_a_call_takes(store: Store) -> None:
    asked = study(replicates=1, levels=[16])
    [trial] = Design(asked)
    steps = np.arange(1, 1501, dtype=np.int64)
    curve = steps / 1e4
    store.commit(
        [trial], steps=1500, curve_step=steps, curve_epoch=curve, curves={"train_loss": curve}
    )
    sync(asked, store.path)
    run = store.only("trial")[1]
    assert run["rows"] == len(run["points"]) == 1502
    assert outcome(trial).metrics["test_accuracy"] == run["points"]["test_accuracy", 1500]
