"""Results of other people's code, as files and experiments that look like theirs."""

import gzip
import math
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from randstudy.analysis.cells import cells
from randstudy.analysis.compare import compare
from randstudy.errors import RandstudyError
from randstudy.sources import last, melt_arms, metric_table, metrics_matching, read

THEIRS = pytest.mark.filterwarnings(
    "ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning"
)
"""MLflow uses what SQLAlchemy 2.1 deprecates; it is theirs to mend."""


@pytest.fixture(scope="module")
def wide() -> pd.DataFrame:
    """100 seeds by 38 metrics, of which one has two gaps and one never moves."""
    values = np.random.default_rng(0).normal(0.9, 0.02, (100, 38))
    frame = pd.DataFrame(values, columns=[f"acc_{number:02d}" for number in range(38)])
    frame.loc[[3, 5], "acc_07"] = np.nan
    frame["acc_09"] = 0.5
    frame.insert(0, "seed", range(100))
    return frame


def test_a_wide_table_needs_only_the_names_of_its_columns(
    wide: pd.DataFrame, tmp_path: Path
) -> None:
    wide.to_csv(tmp_path / "wide.csv", index=False)
    start = time.perf_counter()
    frame = read(str(tmp_path / "wide.csv"))
    metrics = metrics_matching(frame, ["acc_*"])
    table = metric_table(frame, metrics, replicates=["seed"]).set_index("metric")
    assert time.perf_counter() - start < 5
    assert len(metrics) == len(table) == 38
    first = wide["acc_00"]
    low, high = stats.t.interval(0.95, 99, first.mean(), stats.sem(first))
    row = table.loc["acc_00"]
    assert (row["n"], row["missing"], row["method"], row["note"]) == (100, 0, "t", "")
    assert row["mean"] == pytest.approx(first.mean(), abs=1e-14)
    assert row["sd"] == pytest.approx(first.std(ddof=1), abs=1e-14)
    assert (row["low"], row["high"]) == pytest.approx((low, high), abs=1e-12)
    assert row["median"] == pytest.approx(first.median())
    assert row["iqm"] == pytest.approx(stats.trim_mean(first, 0.25))
    assert (row["least"], row["most"]) == (first.min(), first.max())
    assert (table.loc["acc_07", "n"], table.loc["acc_07", "missing"]) == (98, 2)
    flat = table.loc["acc_09"]
    assert (flat["mean"], flat["sd"], flat["note"]) == (0.5, 0.0, "all 100 values are equal")
    assert math.isnan(flat["low"])


def test_metrics_are_named_or_matched(wide: pd.DataFrame) -> None:
    frame = wide.assign(odd=1.0, name="x", good=True, **{"acc[1]": 2.0})
    assert metrics_matching(frame, ["acc_3?", "odd", "acc_02"]) == [
        "acc_02",
        *(f"acc_{number}" for number in range(30, 38)),
        "odd",
    ]
    assert metrics_matching(frame, ["acc[1]"]) == ["acc[1]"]
    for pattern, told in {
        "acc_3": r"no column 'acc_3'; did you mean acc_\d\d",
        "accs*": "no column of numbers matches 'accs\\*'; did you mean acc",
        "name": "'name' does not hold numbers",
        "nam*": r"matches 'nam\*' holds numbers \(name\)",
        "good": "'good' does not hold numbers",
    }.items():
        with pytest.raises(RandstudyError, match=told):
            metrics_matching(frame, [pattern])


def test_a_table_of_cells_and_metrics(wide: pd.DataFrame) -> None:
    frame = wide.assign(lr=np.repeat([0.1, 0.2], 50), seed=np.tile(range(50), 2))
    table = metric_table(frame, ["acc_00", "acc_01"], factors=["lr"], replicates=["seed"])
    assert list(table["metric"]) == ["acc_00"] * 2 + ["acc_01"] * 2
    assert list(table["lr"]) == [0.1, 0.2] * 2
    assert table["mean"][1] == pytest.approx(wide["acc_00"][50:].mean())
    assert metric_table(frame, []).empty


def test_columns_of_arms_become_a_factor() -> None:
    scores = pd.DataFrame({"fold": [4, 2, 7], "ours": [3.0, 5.0, 4.0], "theirs": [2.0, 3.0, 3.5]})
    long = melt_arms(scores, ["ours", "theirs"], "accuracy", replicate="fold")
    assert list(long.columns) == ["fold", "arm", "accuracy"]
    assert list(long["arm"]) == ["ours"] * 3 + ["theirs"] * 3
    found = compare(long, "accuracy", factor="arm", factors=["arm"], replicates=["fold"])
    assert found["pairs"][0] == 3
    assert abs(found["estimate"][0]) == pytest.approx((1 + 2 + 0.5) / 3)
    assert list(melt_arms(scores, ["ours", "theirs"], "y")["row"]) == [0, 1, 2] * 2
    kept = melt_arms(scores, ["*s"], "y", keep=["fold"])
    assert list(kept.columns) == ["fold", "row", "arm", "y"]
    for columns, metric, told in (
        (["ours"], "y", "two columns or more"),
        (["ours", "their"], "y", "did you mean theirs"),
        (["ours", "theirs"], "arm", "cannot be two of these"),
    ):
        with pytest.raises(RandstudyError, match=told):
            melt_arms(scores, columns, metric)


@pytest.fixture
def long() -> pd.DataFrame:
    generator = np.random.default_rng(1)
    rows = [
        (lr, init, seed, 0.9 + 0.1 * lr + 0.01 * generator.normal())
        for lr in (0.1, 0.3)
        for init in ("he", "xavier")
        for seed in range(6)
    ]
    return pd.DataFrame(rows, columns=["lr", "init", "seed", "acc"])


@pytest.mark.parametrize("name", ["r.csv", "r.csv.gz", "r.tsv", "r.parquet", "semicolons.csv"])
def test_a_long_table_reads_alike_in_every_format(
    long: pd.DataFrame, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    if name.endswith("parquet"):
        long.to_parquet(path)
    elif name.startswith("semi"):
        long.to_csv(path, sep=";", decimal=",", encoding="utf-8-sig", index=False)
    else:
        long.to_csv(path, sep="\t" if name.endswith("tsv") else ",")
    frame = read(str(path))
    pd.testing.assert_frame_equal(frame, long, check_dtype=False)
    assert frame.attrs == {"kind": "trials", "origin": "table", "notes": ()}
    found = cells(frame, "acc", factors=["lr", "init"], replicates=["seed"])
    assert list(found["n"]) == [6] * 4
    assert found["mean"][0] == pytest.approx(long["acc"][:6].mean())


def test_words_for_how_a_training_ended() -> None:
    from randstudy.sources.status import with_status

    frame = pd.DataFrame({"status": ["OK", "crashed", "NaN", "RUNNING"], "acc": [1.0, 2, 3, 4]})
    found, notes = with_status(frame)
    assert list(found["status"]) == ["finished", "failed", "diverged"]
    assert notes == ("1 training had not ended; left out",)
    assert cells(found, "acc")["n"][0] == 1
    # Words that mean something else must not turn every row into a failure.
    odd, notes = with_status(frame.assign(status=["single", "married", "single", "ok"]))
    assert "status" not in odd
    assert "'single' is no end of a training" in notes[0]
    assert cells(odd, "acc")["n"][0] == 4


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"\n\n", "is empty"),
        ("a.csv", b"acc,seed\n", "holds no rows"),
        ("a.csv", "acc,größe\n1,2\n".encode("latin-1"), "not UTF-8"),
        ("a.csv", b"acc,seed\n1,2\n1,2,3,4\n", "not a table"),
        ("a.csv", b"acc,seed,acc\n1,2,3\n", "'acc' stands there twice"),
        ("a.csv.gz", b"acc,seed\n1,2\n", "cannot be read"),
        ("a.csv.gz", gzip.compress(b"acc,seed\n1,2\n" * 99)[:-12], "cannot be read"),
        ("a.parquet", b"acc,seed\n1,2\n", "no Parquet file"),
        ("a.xlsx", b"PK", "are read from .csv, .tsv"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RandstudyError, match=told) as caught:
        read(str(tmp_path / name))
    assert name in str(caught.value)


def test_places_that_are_not_there(long: pd.DataFrame, tmp_path: Path) -> None:
    long.to_csv(tmp_path / "results.csv")
    with pytest.raises(RandstudyError, match=r"did you mean .*results\.csv"):
        read(str(tmp_path / "result.csv"))
    with pytest.raises(RandstudyError, match="is a folder"):
        read(str(tmp_path))
    with pytest.raises(RandstudyError, match="there is no file"):
        read(str(tmp_path / "no" / "x.csv"))
    with pytest.raises(RandstudyError, match="tracking URI goes with"):
        read(str(tmp_path / "results.csv"), tracking_uri="sqlite:///x")


RUNS = """\
"Name","State","Notes","User","Tags","Created","Runtime","Sweep","lr","model.width","acc","loss","loss__MIN","loss__MAX"
"brisk-sun-5","finished","-","ann","","2024-05-01T10:00:00.000Z","61","","0.1","64","0.93","0.2","0.2","1.5"
"calm-sea-4","finished","-","ann","","2024-05-01T10:00:00.000Z","62","","0.1","64","0.95","0.1","0.1","1.5"
"calm-sea-4","crashed","-","ann","","2024-05-01T10:00:00.000Z","3","","0.1","64","","","",""
"fair-wind-2","killed","-","ann","","2024-05-01T10:00:00.000Z","9","","0.2","64","0.5","0.9","0.9","1.5"
"dark-elm-1","running","-","ann","","2024-05-01T10:00:00.000Z","9","","0.2","64","0.6","0.8","0.8","1.5"
"""


def test_a_wandb_export_of_runs(tmp_path: Path) -> None:
    (tmp_path / "wandb.csv").write_text(RUNS)
    frame = read(str(tmp_path / "wandb.csv"))
    assert frame.attrs["origin"] == "W&B runs"
    assert frame.attrs["notes"] == ("1 training had not ended; left out",)
    assert list(frame["trial"]) == ["brisk-sun-5", "calm-sea-4", "calm-sea-4 #2", "fair-wind-2"]
    assert list(frame["status"]) == ["finished", "finished", "failed", "failed"]
    assert {"lr", "model.width", "acc", "loss", "Created"} <= set(frame.columns)
    assert not {"loss__MIN", "loss__MAX", "State", "Sweep", "Name"} & set(frame.columns)
    found = cells(frame, "acc", factors=["lr"])
    assert list(found["n"]) == [2, 0]
    assert list(found["failed"]) == [1, 1]
    assert found["mean"][0] == pytest.approx(0.94)


def test_a_wandb_export_with_ids_or_strange_states(tmp_path: Path) -> None:
    text = RUNS.replace('"Notes"', '"ID"').replace('"-"', '"x"')
    (tmp_path / "ids.csv").write_text(text.replace('"lr"', '"status"'))
    frame = read(str(tmp_path / "ids.csv"))
    assert list(frame["trial"]) == ["x", "x #2", "x #3", "x #4"]
    assert list(frame["config.status"]) == [0.1, 0.1, 0.1, 0.2]
    assert frame["Name"][0] == "brisk-sun-5"
    (tmp_path / "odd.csv").write_text(RUNS.replace("killed", "asleep"))
    with pytest.raises(RandstudyError, match="State 'asleep'"):
        read(str(tmp_path / "odd.csv"))
    (tmp_path / "young.csv").write_text("\n".join((RUNS.splitlines()[0], RUNS.splitlines()[-1])))
    with pytest.raises(RandstudyError, match="no run of this W&B export has ended"):
        read(str(tmp_path / "young.csv"))


CHART = """\
"Step","a - b - acc","a - b - acc__MIN","a - b - acc__MAX","c - acc","c - acc__MIN","c - _step"
"0","0.1","0.1","0.1","","","0"
"10","0.5","0.5","0.5","0.4","0.4","10"
"20","0.9","0.9","0.9","","","20"
"""


def test_a_wandb_export_of_a_chart(tmp_path: Path) -> None:
    (tmp_path / "chart.csv").write_text(CHART)
    frame = read(str(tmp_path / "chart.csv"))
    assert (frame.attrs["kind"], frame.attrs["origin"]) == ("curves", "W&B chart")
    expected = pd.DataFrame(
        {
            "trial": ["a - b"] * 3 + ["c"],
            "step": [0, 10, 20, 10],
            "acc": [0.1, 0.5, 0.9, 0.4],
        }
    )
    pd.testing.assert_frame_equal(frame, expected, check_dtype=False)
    ends = last(frame)
    assert ends.attrs["kind"] == "trials"
    assert list(ends["acc"]) == [0.9, 0.4]
    assert list(ends["step"]) == [20, 10]
    assert cells(ends, "acc")["n"][0] == 2


def test_a_chart_over_something_else_and_a_table_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "epochs.csv").write_text(CHART.replace("Step", "epoch").replace("_step", "loss"))
    frame = read(str(tmp_path / "epochs.csv"))
    assert list(frame.columns) == ["trial", "step", "acc", "loss"]
    assert frame.attrs["notes"] == ("step is the chart's epoch",)
    (tmp_path / "plain.csv").write_text("seed,top - 1,top - 5\n0,0.7,0.9\n1,0.8,0.95\n")
    assert read(str(tmp_path / "plain.csv")).attrs["kind"] == "trials"
    (tmp_path / "twice.csv").write_text("Step,a - acc\n1,0.5\n1,0.6\n")
    with pytest.raises(RandstudyError, match="several values of a run at the same Step"):
        read(str(tmp_path / "twice.csv"))


def test_the_table_that_wandbs_guide_writes(tmp_path: Path) -> None:
    pd.DataFrame(
        {
            "summary": [
                {"acc": 0.9, "loss": -math.inf, "_runtime": 5},
                {"acc": math.nan, "loss": 0.5, "lr": 1},
            ],
            "config": [{"lr": 0.1, "note": "at: nan, ok"}, {"lr": 0.2, "note": ""}],
            "name": ["calm", "calm"],
        }
    ).to_csv(tmp_path / "project.csv")
    frame = read(str(tmp_path / "project.csv"))
    assert list(frame.columns) == ["trial", "lr", "note", "acc", "loss", "summary.lr"]
    assert list(frame["trial"]) == ["calm", "calm #2"]
    assert list(frame["loss"]) == [-math.inf, 0.5]
    assert list(frame["acc"].isna()) == [False, True]
    assert list(frame["note"]) == ["at: nan, ok", ""]
    assert frame.attrs["notes"] == ("the export has no states: every run counts as finished",)
    (tmp_path / "bad.csv").write_text("name,summary,config\na,{},exit()\n")
    with pytest.raises(RandstudyError, match=r"'exit\(\)' is no dictionary"):
        read(str(tmp_path / "bad.csv"))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with the experiments of other people, logged by plain MLflow code."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    import mlflow

    path = tmp_path_factory.mktemp("theirs") / "their.db"
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{path}")
    mlflow.create_experiment("sweep", artifact_location=path.parent.as_uri())
    mlflow.set_experiment("sweep")
    with mlflow.start_run(run_name="parent"):
        mlflow.log_param("lr", "0.1,0.2")
        for lr in (0.1, 0.2):
            for seed in range(3):
                with mlflow.start_run(nested=True, run_name=f"lr {lr}"):
                    mlflow.log_params({"lr": lr, "seed": seed, "opt": "sgd", "acc": "top-1"})
                    for step in range(3):
                        mlflow.log_metric("acc", lr + seed + step, step=step)
                    mlflow.log_metric("bound", math.inf if seed else -math.inf)
                    mlflow.set_tag("who", "ann")
    client = mlflow.MlflowClient()
    lost, running = (client.create_run("1").info.run_id for _ in range(2))
    client.log_param(lost, "lr", 0.2)
    client.set_terminated(lost, "FAILED")
    client.log_metric(running, "acc", 99.0)
    client.create_experiment("empty")
    bare = client.create_experiment("bare")
    client.set_terminated(client.create_run(bare).info.run_id)
    mlflow.set_tracking_uri(before)
    return path


@THEIRS
@pytest.mark.slow
def test_an_mlflow_experiment_that_other_code_logged(database: Path) -> None:
    frame = read("mlflow:sweep", tracking_uri=f"sqlite:///{database}")
    assert len(frame) == 7
    assert frame["trial"].is_unique
    assert frame.attrs["notes"] == (
        "1 run has not ended; left out",
        "1 run is a parent of others without a metric; left out",
    )
    assert sorted(frame["status"]) == ["failed"] + ["finished"] * 6
    assert frame["lr"].dtype == np.float64
    assert set(frame["opt"].dropna()) == {"sgd"}
    assert set(frame["acc"].dropna()) == {"top-1"}
    assert "mlflow.runName" not in frame
    assert set(frame["who"].dropna()) == {"ann"}
    # MLflow stores infinity as the largest double.
    assert sorted(set(frame["bound"].dropna())) == [-math.inf, math.inf]
    found = cells(frame, "metrics.acc", factors=["lr"], replicates=["seed"])
    assert list(found["n"]) == [3, 3]
    assert list(found["mean"]) == pytest.approx([3.1, 3.2])
    assert list(found["failed"]) == [0, 1]
    pd.testing.assert_frame_equal(read("mlflow:1", tracking_uri=str(database)), frame)
    bare = read("mlflow:bare", tracking_uri=str(database))
    assert list(bare.columns) == ["trial", "run", "status"]


@THEIRS
@pytest.mark.slow
def test_mlflow_experiments_that_cannot_be_read(database: Path, tmp_path: Path) -> None:
    for name, uri, told in (
        ("sweeps", str(database), "no experiment 'sweeps'; did you mean sweep"),
        ("empty", str(database), "'empty' has no run that ended"),
        ("sweep", str(tmp_path / "no.db"), "there is no MLflow store"),
        ("sweep", f"sqlite:///{tmp_path}/no.db", "there is no MLflow database"),
        ("sweep", "http://127.0.0.1:9", "cannot be read"),
    ):
        with pytest.raises(RandstudyError, match=told):
            read(f"mlflow:{name}", tracking_uri=uri)
    assert not (tmp_path / "no.db").exists()
    (tmp_path / "bad.db").write_bytes(b"hello" * 100)
    with pytest.raises(RandstudyError, match="not a database"):
        read("mlflow:sweep", tracking_uri=str(tmp_path / "bad.db"))


@THEIRS
@pytest.mark.slow
def test_our_own_experiments_are_read_as_trials(database: Path, tmp_path: Path) -> None:
    import shutil

    from tracking.world import Store, study

    from randstudy.design import Design
    from randstudy.frame import load
    from randstudy.tracking import sync

    store = Store(tmp_path / "store")
    store.path.mkdir()
    shutil.copy(database, store.database)
    asked = study(replicates={"init": 2, "order": 2})
    *most, odd = Design(asked).trials()
    store.commit(most)
    store.commit([odd], status="diverged")
    sync(asked, store.path)
    frame = read("mlflow:demo", tracking_uri=str(store.database))
    assert frame.attrs["factors"] == ("batch_size",)
    ours = load(asked, store=store.path)
    shared = ["trial", "cell", "status", "batch_size", "replicate.init", "replicate.order"]
    both = [one.sort_values("trial")[[*shared, "test_accuracy"]] for one in (frame, ours)]
    left, right = (pd.DataFrame(one).reset_index(drop=True) for one in both)
    pd.testing.assert_frame_equal(left, right, check_dtype=False)
    assert list(left["status"]).count("diverged") == 1
