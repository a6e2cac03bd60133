from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from randstudy.analysis.examples import Examples
from randstudy.analysis.joined import blocks, crossed, places
from randstudy.errors import RandstudyError
from randstudy.frame import Frame

PREDICTED = pd.DataFrame(
    np.array([[0, 1, 2], [0, 0, 2], [1, 1, 1]], np.uint8),
    index=pd.Index(["c", "a", "b"], name="trial"),
)
TARGETS = np.array([0, 1, 2])


def frame(**columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame(columns)


def test_errors_by_hand():
    wrong = Examples(PREDICTED, TARGETS).errors()
    assert wrong.tolist() == [[0, 0, 0], [0, 1, 0], [1, 0, 1]]


def test_targets_of_other_splits_are_joined_by_trial():
    # The same predictions, each trial with its own targets, rows in another order.
    targets = pd.DataFrame([[9, 9, 9], [1, 1, 1], [0, 0, 2]], index=["c", "b", "a"])
    wrong = Examples(PREDICTED, targets).errors(np.array([1, 2, 0]))
    assert wrong.tolist() == [[0, 0, 0], [0, 0, 0], [1, 1, 1]]


@pytest.mark.parametrize(
    ("targets", "logits", "told"),
    [
        (np.array([0, 1]), None, "targets are an array of 3"),
        (pd.DataFrame([[0, 1, 2]], index=["a"]), None, "2 trials have no targets"),
        (TARGETS, np.zeros((3, 2, 4)), "should begin with"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(targets, logits, told):
    with pytest.raises(RandstudyError, match=told):
        Examples(PREDICTED, targets, logits)


def test_a_trial_stands_in_several_cells_and_only_finished_ones_count():
    data = frame(
        trial=["a", "b", "a", "c", "x"],
        cell=["one", "one", "two", "two", "two"],
        status=["finished", "finished", "finished", "diverged", "finished"],
        **{"replicate.init": [0, 1, 0, 1, 2]},
    )
    layout = Examples(PREDICTED, TARGETS).layout(data)
    assert layout.sample(0).tolist() == [1, 2]
    assert layout.sample(1).tolist() == [1]  # c diverged, and x has no predictions


def test_repeats_are_not_averaged_but_taken_once():
    data = frame(trial=["c", "a", "b"], cell=["one"] * 3, repeat=[1, 0, 0])
    data["replicate.init"] = [0, 0, 1]
    layout = Examples(PREDICTED, TARGETS).layout(data)
    assert layout.sample(0).tolist() == [1, 2]
    data = data[data["trial"] != "a"]
    assert Examples(PREDICTED, TARGETS).layout(data).sample(0).tolist() == [0, 2]


def test_right_over_a_grid_with_a_gap():
    found = Examples(PREDICTED, TARGETS).right(np.array([[0.0, np.nan], [2.0, 1.0]]))
    assert found.shape == (2, 2, 3)
    assert np.isnan(found[0, 1]).all()
    assert found[1, 0].tolist() == [0, 1, 0]


def test_twice_the_same_trial_is_refused():
    with pytest.raises(RandstudyError, match="comes twice"):
        places(frame(trial=["a"], cell=["one"]), pd.Index(["a", "a"]))


def test_a_frame_without_trials_is_refused():
    with pytest.raises(RandstudyError, match="no column 'trial'"):
        places(frame(cell=["one"]), pd.Index(["a"]))


def test_blocks_hold_whole_cells_and_every_row_once():
    data = frame(trial=list("abcdefg"), cell=["p", "p", "p", "q", "r", "r", "r"])
    layout = places(data, pd.Index(list("abcdefg")))
    found = list(blocks(layout, 4))
    assert [cells.tolist() for cells, _ in found] == [[0, 1], [2]]
    assert [where for _, where in found] == [slice(0, 4), slice(4, 7)]
    assert [cells.tolist() for cells, _ in blocks(layout, 1)] == [[0], [1], [2]]


def test_crossed_tells_cells_apart():
    data = frame(trial=list("abcdef"), cell=["p"] * 4 + ["q"] * 2)
    data["replicate.init"] = [0, 0, 1, 1, 0, 1]
    data["replicate.order"] = [0, 1, 0, 1, 0, 0]
    assert crossed(places(data, pd.Index(list("abcdef")))).tolist() == [True, False]


def test_a_frame_keeps_its_own_factors():
    data = Frame({"trial": ["a", "b"], "rate": [0.0, 0.5], "replicate.init": [0, 1]})
    data.factors = ("rate",)
    layout = Examples(PREDICTED, TARGETS).layout(data)
    assert layout.cells["cell"].tolist() == ["rate=0", "rate=0.5"]
    assert layout.paired
