"""Ranks and how far luck moves them."""

import math

import numpy as np
import pytest

from randstudy.analysis.rank import rank, rank_stability
from tests.analysis.frames import crossed, one_stream


def test_a_clear_winner_is_the_winner_of_every_resampling() -> None:
    frame = one_stream({"a": [0.1, 0.2, 0.3], "b": [0.8, 0.9, 0.7], "c": [0.4, 0.5, 0.45]})
    table = rank(frame, "test_accuracy", factors=["init"])
    assert table["init"].tolist() == ["b", "c", "a"]
    assert table["p_best"].tolist() == [1.0, 0.0, 0.0]
    assert table[["rank_low", "rank_high"]].to_numpy().tolist() == [[1, 1], [2, 2], [3, 3]]


def test_shared_luck_does_not_move_ranks() -> None:
    luck = np.random.default_rng(0).normal(size=10)
    frame = one_stream({"a": (luck + 0.01).tolist(), "b": luck.tolist()})
    assert rank(frame, "test_accuracy", factors=["init"])["p_best"].iloc[0] == 1.0
    alone = frame.drop(columns=["replicate.init", "replicate.order"])
    assert rank(alone, "test_accuracy", factors=["init"])["p_best"].iloc[0] < 0.7


def test_p_best_is_the_exact_share_of_resamplings() -> None:
    # Two replicates, differences +3 and -1: a wins unless the second is drawn twice.
    frame = one_stream({"a": [3.0, 0.0], "b": [0.0, 1.0]})
    found = rank(frame, "test_accuracy", factors=["init"], resamples=40_000)
    assert found["init"].iloc[0] == "a"
    assert found["p_best"].iloc[0] == pytest.approx(0.75, abs=0.01)


def test_diverged_cells_come_last_however_good_the_rest() -> None:
    frame = one_stream({"a": [9.0, 9.0, math.nan], "b": [1.0, 2.0, 3.0], "c": [0.0, 0.5, 0.2]})
    table = rank(frame, "test_accuracy", factors=["init"])
    assert table["init"].tolist() == ["b", "c", "a"]
    assert table["rank"].tolist() == [1, 2, 3]
    assert table["rank_low"].iloc[2] == 3


def test_losses_rank_from_below() -> None:
    frame = one_stream({"a": [1.0, 1.1], "b": [0.1, 0.2]}, metric="test_loss")
    assert rank(frame, "test_loss", factors=["init"])["init"].tolist() == ["b", "a"]


def test_more_replicates_name_the_winner_more_often() -> None:
    generator = np.random.default_rng(3)
    frame = one_stream(
        {"a": generator.normal(0.3, 1, 60).tolist(), "b": generator.normal(0, 1, 60).tolist()}
    )
    table = rank_stability(frame, "test_accuracy", factors=["init"])
    assert table["n"].tolist() == [1, 2, 3, 5, 8, 13, 21, 34, 55, 60]
    assert table["same_winner"].iloc[-1] > table["same_winner"].iloc[0]
    assert (table["low"] < table["same_winner"]).all()
    again = rank_stability(frame, "test_accuracy", factors=["init"])
    assert again.equals(table)
    other = rank_stability(frame, "test_accuracy", factors=["init"], seed=1)
    assert not other["same_winner"].equals(table["same_winner"])


def test_one_cell_or_replicate_has_no_stability() -> None:
    assert rank_stability(one_stream({"a": [1.0, 2.0]}), "test_accuracy", factors=["init"]).empty
    single = one_stream({"a": [1.0], "b": [2.0]})
    assert rank_stability(single, "test_accuracy", factors=["init"]).empty
    assert (
        rank(single, "test_accuracy", factors=["init"])["note"].iloc[0].startswith("one training")
    )


def test_crossed_streams_are_resampled_each() -> None:
    # A stream that decides alone: with two inits, half of the resamplings hold both.
    first = np.array([[3.0, 3.0], [0.0, 0.0]])
    frame = crossed({0.1: first, 0.2: np.ones((2, 2))})
    found = rank(frame, "test_accuracy", factors=["lr"], resamples=40_000).set_index("lr")
    assert found.loc[0.1, "p_best"] == pytest.approx(0.75, abs=0.01)


def test_nothing_to_rank_is_no_error() -> None:
    frame = one_stream({"a": [math.nan], "b": [math.nan]})
    table = rank(frame, "test_accuracy", factors=["init"])
    assert table["note"].tolist() == ["no training", "no training"]


def test_cells_are_ranked_over_the_replicates_that_they_share() -> None:
    easy = [10.0 * seed for seed in range(8)]
    frame = one_stream({"a": easy, "b": [value + 1 for value in easy]})
    frame = frame[~((frame["init"] == "b") & (frame["replicate.init"] == 7))]
    table = rank(frame, "test_accuracy", factors=["init"])
    assert table["init"].tolist() == ["b", "a"]
    assert table["p_best"].tolist() == [1.0, 0.0]
    assert table["note"].tolist() == ["", "ranked over the replicates that all cells share"]


def test_arms_without_common_replicates_are_resampled_each_on_its_own() -> None:
    frame = one_stream(
        {"a": [1.0, 1.1, 1.2, *[math.nan] * 3], "b": [*[math.nan] * 3, 9.0, 9.1, 9.2]}
    )
    frame = frame[frame["status"] == "finished"]
    table = rank(frame, "test_accuracy", factors=["init"])
    assert (table["init"].iloc[0], table["p_best"].iloc[0], table["method"].iloc[0]) == (
        "b",
        1.0,
        "bootstrap",
    )
    stability = rank_stability(frame, "test_accuracy", factors=["init"])
    assert stability["n"].tolist() == [1, 2, 3]
    assert stability["same_winner"].tolist() == [1.0, 1.0, 1.0]


def test_equal_means_share_a_rank() -> None:
    table = rank(
        one_stream({name: [0.5, 0.7] for name in "abc"}), "test_accuracy", factors=["init"]
    )
    assert table["rank"].tolist() == [1, 1, 1]
    assert table["p_best"].tolist() == pytest.approx([1 / 3] * 3)
