"""Frames laid out: what a cell is, what an axis is, what counts once."""

import numpy as np
import pandas as pd
import pytest

from randstudy.analysis.layout import ROWS, lay_out, layout_of
from randstudy.analysis.roles import roles
from randstudy.errors import RandstudyError
from tests.analysis.frames import crossed, one_stream


def test_streams_that_move_together_are_one_axis() -> None:
    layout = layout_of(
        one_stream({"a": [1.0, 2.0], "b": [3.0, 5.0]}), "test_accuracy", factors=["init"]
    )
    assert [axis.name for axis in layout.axes] == ["init+order"]
    assert layout.table().tolist() == [[1.0, 2.0], [3.0, 5.0]]


def test_streams_that_are_crossed_are_two_axes() -> None:
    grid = np.arange(6.0).reshape(2, 3)
    layout = layout_of(crossed({0.1: grid}), "test_accuracy", factors=["lr"])
    assert [(axis.name, len(axis)) for axis in layout.axes] == [("init", 2), ("order", 3)]
    assert (layout.grid(0) == grid).all()


def test_a_stream_that_a_cell_does_not_consume_is_filled_and_counted_once() -> None:
    frame = crossed({0.1: np.arange(4.0).reshape(2, 2)})
    full = pd.DataFrame(
        {"cell": "lr=1", "lr": 1.0, "replicate.init": [0, 1], "replicate.order": pd.NA,
         "test_accuracy": [7.0, 9.0], "status": "finished"}
    )  # fmt: skip
    both = pd.concat([frame.astype({"replicate.order": "Int64"}), full], ignore_index=True)
    layout = layout_of(both, "test_accuracy", factors=["lr"])
    assert layout.table()[1].tolist() == [[7.0, 7.0], [9.0, 9.0]]
    assert layout.grid(1).tolist() == [7.0, 9.0]
    assert len(layout.sample(1)) == 2


def test_repeats_are_averaged_and_tell_the_noise() -> None:
    frame = one_stream({"a": [1.0, 2.0]})
    again = pd.concat([frame.assign(repeat=0), frame.assign(repeat=1)])
    again.loc[again["repeat"] == 1, "test_accuracy"] += 2.0
    layout = layout_of(again, "test_accuracy", factors=["init"])
    assert layout.values.tolist() == [2.0, 3.0]
    assert layout.noise.tolist() == [2.0, 2.0]


def test_the_same_replicate_twice_is_refused() -> None:
    frame = pd.concat([one_stream({"a": [1.0, 2.0]}), one_stream({"a": [1.0, 3.0]})])
    with pytest.raises(RandstudyError, match="same replicate of the cell init=a"):
        layout_of(frame, "test_accuracy", factors=["init"])


def test_equal_rows_are_one_training() -> None:
    frame = pd.concat([one_stream({"a": [1.0, 2.0]})] * 2)
    assert layout_of(frame, "test_accuracy", factors=["init"]).values.tolist() == [1.0, 2.0]


def test_without_replicates_every_row_is_its_own() -> None:
    frame = pd.DataFrame({"lr": [1, 1, 2], "acc": [0.1, 0.2, 0.3]})
    layout = layout_of(frame, "acc", factors=["lr"])
    assert layout.axes[0].name == ROWS
    assert not layout.paired
    assert layout.cells["finished"].tolist() == [2, 1]


def test_what_did_not_finish_is_counted_and_left_out() -> None:
    frame = one_stream({"a": [1.0, np.nan, 3.0], "b": [1.0, 2.0, np.inf]})
    frame.loc[0, "status"] = "failed"
    layout = layout_of(frame, "test_accuracy", factors=["init"])
    counts = layout.cells.set_index("init")[["finished", "diverged", "failed", "no_value"]]
    assert counts.loc["a"].tolist() == [1, 1, 1, 0]
    assert counts.loc["b"].tolist() == [2, 0, 0, 1]
    assert layout.values.tolist() == [3.0, 1.0, 2.0]


def test_a_selection_keeps_only_the_replicates_it_has() -> None:
    frame = pd.concat([one_stream({"a": [1.0, 2.0, 3.0]}), one_stream({"b": [1.0, 2.0]})])
    layout = layout_of(frame, "test_accuracy", factors=["init"])
    part = layout.select([1])
    assert len(part.axes[0]) == 2
    assert part.table().tolist() == [[1.0, 2.0]]
    assert np.isnan(layout.table()[1, 2])


@pytest.mark.parametrize(
    ("metric", "given", "said"),
    [
        ("test_acuracy", {}, "did you mean test_accuracy"),
        ("test_accuracy", {"factors": ["inti"]}, "no column 'inti'"),
        ("status", {}, "does not hold numbers"),
        ("test_accuracy", {"factors": ["test_accuracy"]}, "cannot be a factor"),
        ("test_accuracy", {"factors": ["cell"]}, "rename the column"),
    ],
)
def test_a_wrong_name_is_refused_with_the_right_one(metric: str, given: dict, said: str) -> None:
    with pytest.raises(RandstudyError, match=said):
        roles(one_stream({"a": [1.0]}), metric, **given)


def test_losses_are_better_when_smaller() -> None:
    frame = one_stream({"a": [1.0]}).rename(columns={"test_accuracy": "test_loss"})
    assert not roles(frame, "test_loss").maximize
    assert roles(one_stream({"a": [1.0]}), "test_accuracy").maximize


def test_a_hundred_thousand_rows_keep_their_order() -> None:
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"lr": np.repeat(np.arange(100), 1000), "seed": np.tile(np.arange(1000), 100)}
    )
    frame["acc"] = frame["lr"] * 1000.0 + frame["seed"]
    mixed = frame.iloc[generator.permutation(len(frame))]
    layout = lay_out(mixed, roles(mixed, "acc", factors=["lr"], replicates=["seed"]))
    first = mixed["lr"].iloc[0]
    assert layout.cells["lr"].iloc[0] == first
    levels = layout.axes[0].levels
    assert (layout.table()[0] == first * 1000.0 + levels).all()


def test_a_training_without_a_number_among_numbered_ones_is_refused() -> None:
    frame = pd.DataFrame(
        {"init": ["a", "a", "b", "b"], "seed": [0, 1, 0, None], "acc": [1.0, 2, 3, 4]}
    )
    with pytest.raises(RandstudyError, match="1 of 2 rows of the cell init=b have no seed"):
        layout_of(frame, "acc", factors=["init"], replicates=["seed"])


def test_streams_join_the_axis_of_whatever_they_moved_with() -> None:
    frame = pd.DataFrame(
        {
            "cell": ["x"] * 2 + ["y"] * 2 + ["z"] * 2,
            "replicate.init": [0, 1, 0, 1, None, None],
            "replicate.order": [None, None, 0, 1, 0, 1],
            "replicate.mask": [None, None, None, None, 0, 1],
            "acc": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        }
    )
    (axis,) = layout_of(frame, "acc").axes
    assert axis.name == "init+order+mask"


def test_the_same_training_in_two_rows_is_one() -> None:
    frame = pd.DataFrame({"trial": ["p", "q"], "acc": [1.0, 2.0]})
    layout = layout_of(pd.concat([frame, frame]), "acc")
    assert layout.values.tolist() == [1.0, 2.0]


def test_statuses_in_other_words_are_no_status() -> None:
    frame = pd.DataFrame({"unit": ["gru", "lstm"], "status": ["COMPLETE"] * 2, "acc": [0.5, 0.6]})
    layout = layout_of(frame, "acc", factors=["unit"])
    assert layout.cells["finished"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("metric", "maximize"),
    [
        *((name, False) for name in ("valLoss", "wer", "test_err", "fid", "steps_to_90")),
        *((name, True) for name in ("accuracy", "auc", "terror_detection_f1", "bleu")),
    ],
)
def test_the_way_is_told_by_the_words_of_a_name(metric: str, maximize: bool) -> None:
    assert roles(pd.DataFrame({metric: [1.0]}), metric).maximize is maximize
