"""The frame: one row a trial and cell, typed, in design order, the same for the same outcomes."""

import csv
import pickle
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from randstudy.analysis.cells import cells
from randstudy.design import Design, Trial
from randstudy.errors import LedgerError, RandstudyError
from randstudy.frame import Frame, load, predictions, write
from randstudy.ledger import Ledger
from randstudy.outcomes import Failure, Outcome
from randstudy.study import Study


def study(**changes: Any) -> Study:
    written: dict[str, Any] = {
        "name": "small",
        "data": "digits",
        "training": {"lr": 0.1, "epochs": 2},
        "factors": {"batch_size": [32, 128], "pruning.rate": [0.0, 0.5]},
        "replicates": 3,
    }
    return Study.from_mapping(written | changes)


def outcome(trial: Trial, **changes: Any) -> Outcome:
    """An outcome with numbers made from the trial's id alone."""
    number = int(trial.id, 16) / 2**64
    values: dict[str, Any] = {
        "trial": trial.id,
        "status": "finished",
        "steps": 20,
        "metrics": {"test_accuracy": number, "test_loss": 1 / (number + 0.1)},
        "curve_step": np.array([10, 20]),
        "curve_epoch": np.array([1.0, 2.0]),
        "curves": {"validation_loss": np.array([number, number / 2])},
        "predictions": np.full(360, int(number * 10), np.uint8),
        "weights_digest": trial.id * 2,
        "settings": trial.settings,
        "replicates": trial.replicates,
        "provenance": {"numerics_class": "cpu", "host": "n1"},
        "seconds": {"train_seconds": 0.5},
    }
    return Outcome(**(values | changes))


def fill(store: Path, trials: Sequence[Trial], *, size: int = 4, **changes: Any) -> None:
    for start in range(0, len(trials), size):
        batch = [outcome(trial, **changes) for trial in trials[start : start + size]]
        Ledger(store).commit(batch, attempt=f"a{start:04}")


def test_a_row_a_trial_with_typed_columns(tmp_path: Path) -> None:
    asked = study()
    fill(tmp_path, list(Design(asked).trials()))
    frame = load(asked, store=tmp_path)
    assert len(frame) == 12
    assert list(frame.columns) == [
        *("trial", "cell", "status", "batch_size", "pruning.rate"),
        *("replicate.split", "replicate.init", "replicate.order", "replicate.mask"),
        *("test_accuracy", "test_loss", "train_seconds"),
    ]
    assert frame["trial"].tolist() == [point.trial.id for point in Design(asked).points()]
    assert frame["cell"].tolist()[::3] == [cell.label for cell in Design(asked).cells]
    assert frame["batch_size"].dtype == np.int64
    assert frame["pruning.rate"].dtype == np.float64
    assert frame["replicate.mask"].dtype == "Int64"
    assert frame["test_accuracy"].dtype == np.float64
    dense = frame["pruning.rate"] == 0
    assert frame.loc[dense, "replicate.mask"].isna().all()
    assert frame.loc[~dense, "replicate.mask"].tolist() == [0, 1, 2] * 2
    assert frame["replicate.init"].tolist() == [0, 1, 2] * 4
    assert not {"attempt", "provenance.host", "repeat"} & set(frame.columns)


def test_equal_outcomes_make_equal_frames_however_they_came(tmp_path: Path) -> None:
    asked = study()
    trials = list(Design(asked).trials())
    fill(tmp_path / "one", trials)
    shuffled = random.Random(5).sample(trials, len(trials))
    fill(tmp_path / "two", shuffled, size=1, seconds={"train_seconds": 9.0})
    fill(tmp_path / "two", trials[:3], size=3)
    Ledger(tmp_path / "two").compact(most_files=3)
    one, two = (load(asked, store=tmp_path / name) for name in ("one", "two"))
    pd.testing.assert_frame_equal(
        one.drop(columns="train_seconds"), two.drop(columns="train_seconds"), check_exact=True
    )
    pd.testing.assert_frame_equal(one.curves, two.curves, check_exact=True)
    pd.testing.assert_frame_equal(one.predictions, two.predictions)


def test_trials_not_trained_have_no_row_and_failed_ones_say_so(tmp_path: Path) -> None:
    asked = study()
    trials = list(Design(asked).trials())
    failure = Failure(
        attempt="f1",
        trials=(trials[0].id, trials[1].id),
        kind="error",
        message="boom",
        traceback="",
        unix_time=0.0,
    )
    Ledger(tmp_path).fail(failure)
    only_failed = load(asked, store=tmp_path)
    assert only_failed["status"].tolist() == ["failed", "failed"]
    fill(tmp_path, trials[1:3])
    nan = {"test_accuracy": float("nan"), "test_loss": float("nan")}
    gone = outcome(trials[3], status="diverged", reason="non-finite loss", metrics=nan)
    Ledger(tmp_path).commit([gone], attempt="d1")
    frame = load(asked, store=tmp_path)
    assert frame["trial"].tolist() == [trial.id for trial in trials[:4]]
    assert frame["status"].tolist() == ["failed", "finished", "finished", "diverged"]
    assert frame["test_accuracy"].isna().tolist() == [True, False, False, True]
    table = cells(frame, asked.metric)
    assert table[["n", "diverged", "failed"]].to_numpy().tolist() == [[2, 0, 1], [0, 1, 0]]
    assert table["batch_size"].tolist() == [32, 32]
    assert load(asked, store=tmp_path / "nowhere").empty


def test_a_trial_of_two_cells_has_a_row_in_each(tmp_path: Path) -> None:
    factors = {"pruning": ["random", "magnitude"], "rate": [0.0, 0.5]}
    asked = study(factors=factors, training={"lr": 0.1, "epochs": 2, "batch_size": 32})
    points = list(Design(asked).points())
    trials = list(Design(asked).trials())
    assert len(points) == 12
    assert len(trials) == 9
    fill(tmp_path, trials)
    frame = load(asked, store=tmp_path)
    assert len(frame) == 12
    assert frame["cell"].nunique() == 4
    assert len(frame.curves) == 9 * 2
    assert len(frame.predictions) == 9


def test_levels_of_mixed_kinds_are_text(tmp_path: Path) -> None:
    init = ["orthogonal", {"name": "normal", "sd": 0.1}]
    clip: list[float | None] = [None, 1.0]
    asked = study(factors={"batch_size": [32, "full"], "init": init, "clip_norm": clip})
    fill(tmp_path, list(Design(asked).trials()))
    frame = load(asked, store=tmp_path)
    assert list(dict.fromkeys(frame["batch_size"])) == ["32", "full"]
    assert list(dict.fromkeys(frame["init"])) == ["orthogonal", "normal(sd=0.1)"]
    assert list(dict.fromkeys(frame["clip_norm"])) == ["null", "1.0"]
    assert frame.groupby("clip_norm").size().tolist() == [len(frame) // 2] * 2


def test_repeats_have_their_column(tmp_path: Path) -> None:
    asked = study(repeat=2, factors={"batch_size": [32]})
    fill(tmp_path, list(Design(asked).trials()))
    frame = load(asked, store=tmp_path)
    assert frame["repeat"].tolist() == [0, 1] * 3
    assert cells(frame, "test_accuracy")["n"].tolist() == [3]


def test_all_adds_the_trials_of_the_store_that_the_design_lacks(tmp_path: Path) -> None:
    asked = study()
    wider = study(factors={"batch_size": [32, 64, 128], "pruning.rate": [0.0, 0.5]})
    fill(tmp_path, list(Design(wider).trials()))
    assert len(load(asked, store=tmp_path)) == 12
    frame = load(asked, store=tmp_path, all=True)
    assert len(frame) == 18
    extra = frame[12:]
    assert extra["cell"].isna().all()
    assert extra["trial"].is_monotonic_increasing
    assert set(extra["batch_size"]) == {64}
    assert sorted(extra["pruning.rate"]) == [0.0] * 3 + [0.5] * 3
    assert sorted(extra["replicate.init"]) == [0, 0, 1, 1, 2, 2]
    assert len(cells(frame, "test_accuracy")) == 4


def test_provenance_on_request(tmp_path: Path) -> None:
    asked = study()
    fill(tmp_path, list(Design(asked).trials()))
    frame = load(asked, store=tmp_path, provenance=True)
    assert set(frame["attempt"]) == {"a0000", "a0004", "a0008"}
    assert set(frame["provenance.host"]) == {"n1"}
    assert set(frame["steps"]) == {20}
    assert set(frame["reason"]) == {""}


def test_numerics_classes_are_mixed_only_when_asked(tmp_path: Path) -> None:
    asked = study()
    trials = list(Design(asked).trials())
    fill(tmp_path, trials[:8])
    Ledger(tmp_path).commit(
        [outcome(trial, provenance={"numerics_class": "h100"}) for trial in trials[8:]],
        attempt="b1",
    )
    with pytest.raises(RandstudyError, match=r"2 numerics classes.*8 in cpu, 4 in h100.*mix=True"):
        load(asked, store=tmp_path)
    assert len(load(asked, store=tmp_path, mix=True)) == 12


def test_curves_and_predictions_follow_a_selection(tmp_path: Path) -> None:
    asked = study()
    trials = list(Design(asked).trials())
    fill(tmp_path, trials[:6])
    extra = outcome(trials[6], curves={"train_loss": np.array([1.0, 2.0])}, predictions=None)
    Ledger(tmp_path).commit([extra], attempt="b1")
    frame = load(asked, store=tmp_path)
    curves = frame.curves
    assert list(curves.columns) == ["trial", "step", "epoch", "train_loss", "validation_loss"]
    assert curves["trial"].tolist() == [trial.id for trial in trials[:7] for _ in range(2)]
    assert curves["step"].tolist() == [10, 20] * 7
    assert curves["train_loss"].isna().tolist() == [True] * 12 + [False] * 2
    part = frame[frame["pruning.rate"] == 0.5]
    assert isinstance(part, Frame)
    assert set(part.curves["trial"]) == {trial.id for trial in trials[3:6]}
    assert frame.predictions.index.tolist() == [trial.id for trial in trials[:6]]
    assert frame.predictions.shape == (6, 360)
    assert set(frame.predictions.dtypes) == {np.dtype(np.uint8)}
    assert predictions(asked, store=tmp_path).equals(frame.predictions)
    again = pickle.loads(pickle.dumps(part))
    assert again.curves.equals(part.curves)
    assert again.factors == ("batch_size", "pruning.rate")
    assert frame[:0].curves.empty
    assert frame[:0].predictions.empty
    with pytest.raises(RandstudyError, match="lost its column trial"):
        _ = frame[["status"]].curves


def test_predictions_on_different_test_sets_are_not_stacked(tmp_path: Path) -> None:
    asked = study()
    trials = list(Design(asked).trials())
    fill(tmp_path, trials[:1])
    other = outcome(trials[1], predictions=np.zeros(100, np.uint8))
    Ledger(tmp_path).commit([other], attempt="b1")
    with pytest.raises(RandstudyError, match="100 or 360 examples"):
        _ = load(asked, store=tmp_path).predictions


def test_logits_follow_a_selection(tmp_path: Path) -> None:
    asked = study()
    trials = list(Design(asked).trials())
    values = np.random.default_rng(0).normal(size=(3, 360, 10)).astype(np.float32)
    batch = [outcome(trial, logits=kept) for trial, kept in zip(trials, values, strict=False)]
    Ledger(tmp_path).commit(batch[::-1], attempt="a1")
    fill(tmp_path, trials[3:5])
    frame = load(asked, store=tmp_path)
    assert frame.logits.trials == tuple(trial.id for trial in trials[:3])
    np.testing.assert_array_equal(frame.logits.values, values, strict=True)
    part = frame[frame["replicate.init"] == 1]
    assert part.logits.trials == (trials[1].id,)
    np.testing.assert_array_equal(part.logits.values, values[1:2], strict=True)
    assert frame[:0].logits.values.shape == (0, 0, 0)
    Ledger(tmp_path).commit([outcome(trials[5], logits=values[0, :100])], attempt="b1")
    with pytest.raises(RandstudyError, match="100 examples of 10 classes or 360 examples"):
        _ = load(asked, store=tmp_path).logits


def test_a_damaged_store_stops_unless_told_to_skip(tmp_path: Path) -> None:
    asked = study()
    fill(tmp_path, list(Design(asked).trials()))
    path = sorted((tmp_path / "ledger" / "outcomes").iterdir())[0]
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(LedgerError, match=path.name):
        load(asked, store=tmp_path)
    frame = load(asked, store=tmp_path, skip_damaged=True)
    assert len(frame) == 8
    assert frame.curves["trial"].nunique() == 8


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_written_frame_reads_back_to_the_bit(tmp_path: Path, suffix: str) -> None:
    asked = study(factors={"batch_size": [32, "full"], "pruning.rate": [0.0, 0.5]})
    fill(tmp_path, list(Design(asked).trials()))
    frame = load(asked, store=tmp_path)
    path = write(frame, tmp_path / f"frame{suffix}")
    if suffix == ".parquet":
        pd.testing.assert_frame_equal(pd.read_parquet(path), pd.DataFrame(frame))
        return
    with path.open(newline="") as lines:
        back = list(csv.DictReader(lines))
    assert list(back[0]) == list(frame.columns)
    assert [float(row["test_accuracy"]) for row in back] == frame["test_accuracy"].tolist()
    assert [row["trial"] for row in back] == frame["trial"].tolist()


def test_another_suffix_or_an_impossible_path_is_one_clear_error(tmp_path: Path) -> None:
    frame = pd.DataFrame({"trial": ["a"]})
    with pytest.raises(RandstudyError, match=r"\.parquet or \.csv"):
        write(frame, tmp_path / "frame.xlsx")
    (tmp_path / "file").write_text("")
    with pytest.raises(RandstudyError, match=r"cannot write .*frame\.csv"):
        write(frame, tmp_path / "file" / "frame.csv")


def test_a_study_file_is_read_with_overrides(tmp_path: Path) -> None:
    file = tmp_path / "small.yaml"
    file.write_text("data: digits\ntraining: {lr: 0.1, batch_size: 32, epochs: 2}\nreplicates: 2\n")
    asked = Study.load(file, ["lr=0.2"])
    fill(tmp_path, list(Design(asked).trials()))
    assert len(load(file, store=tmp_path)) == 0
    assert len(load(str(file), store=tmp_path, overrides=["lr=0.2"])) == 2
    with pytest.raises(RandstudyError, match="overrides go with a study file"):
        load(asked, store=tmp_path, overrides=["lr=0.2"])
