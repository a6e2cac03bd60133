"""Verdicts in sentences: the numbers are the row's, the grammar holds, nothing is left out."""

from __future__ import annotations

import doctest
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from randstudy.analysis import sentences
from randstudy.analysis.compare import compare
from randstudy.analysis.layout import layout_of, records
from randstudy.analysis.looks import Look
from randstudy.analysis.roles import unit_of
from randstudy.analysis.sentences import (
    headline,
    noun_of,
    reach_of,
    sentence,
    setting_of,
)
from randstudy.analysis.words import Quantity
from tests.analysis.frames import crossed, one_stream

Told = list[tuple[dict[str, Any], str]]

ORDINARY = re.compile(r"nan|inf\b|<NA>|None|\b1 seeds|\b1 pairs|  | \.|\.\.|\(\)|-\d|\( | \)|;\)")
"""What no sentence may hold: missing values, false plurals, stray spaces, hyphens for minus."""


def scores(n: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """n numbers with mean 0 and sd 1."""
    found = stats.norm.ppf((np.arange(n) + 0.5) / n)
    return np.asarray(found / found.std(ddof=1))


def spread(half: float, n: int) -> float:
    """The sd of n differences whose 95 % interval reaches `half` to either side."""
    return float(half * math.sqrt(n) / stats.t.ppf(0.975, n - 1))


def pairs(
    differences: Mapping[Any, tuple[float, float]],
    n: int,
    *,
    reference: Any,
    factor: str = "init",
    metric: str = "test_accuracy",
) -> pd.DataFrame:
    """A frame in which each level has that mean difference and half-width of its interval."""
    base = 0.9 + 0.01 * np.sin(np.arange(n))
    levels = {
        level: (base + mean + spread(half, n) * scores(n)).tolist()
        for level, (mean, half) in differences.items()
    }
    return one_stream({reference: base.tolist()} | levels, factor=factor, metric=metric)


def tell(
    frame: pd.DataFrame,
    *,
    metric: str = "test_accuracy",
    factor: str = "init",
    caveat: str = "",
    minutes: float = math.nan,
    extra: Mapping[str, Any] | None = None,
    **options: Any,
) -> Told:
    """Compare the levels of a frame's one factor; return rows with their sentences."""
    layout = layout_of(frame, metric, factors=[factor])
    table = compare(layout, factor=factor, **options)
    setting = setting_of(
        layout.roles,
        [axis.name for axis in layout.axes],
        (table["high"] - table["low"]).tolist(),
        caveat=caveat,
        minutes_per_replicate=minutes,
    )
    rows = [row | dict(extra or {}) for row in records(table)]
    told = [(row, sentence(row, setting)) for row in rows]
    for _, text in told:
        assert not ORDINARY.search(text), text
        assert text.endswith(".")
        assert text.count("(") == text.count(")")
    return told


def only(told: Told) -> tuple[dict[str, Any], str]:
    (found,) = told
    return found


def points(value: float) -> str:
    return Quantity(unit_of("test_accuracy")).bare(value)


# The three models.


def test_a_real_difference_reads_like_the_model() -> None:
    others = dict.fromkeys(("Orthogonal", "Uniform", "Normal"), (0.0, 0.01))
    frame = pairs({"Kaiming": (0.0062, 0.0031)} | others, 8, reference="Xavier")
    new = {"new_data_low": -0.001, "new_data_high": 0.013, "new_data_note": ""}
    told = tell(frame, extra=new)
    assert told[0][1] == (
        "Kaiming beats Xavier by 0.62 points (95 % interval 0.31 to 0.93; 8 paired seeds; Holm over"
        " 4) for new seeds on this test set. On new data (−0.10 to 1.30) this is not established."
    )
    assert [row["verdict"] for row, _ in told] == ["real"] + ["not enough seeds"] * 3


def test_luck_reads_like_the_model() -> None:
    frame = pairs({64: (0.00025, 0.00235)}, 44, reference=32, factor="batch_size")
    row, text = only(
        tell(frame, factor="batch_size", smallest_difference=0.005, caveat="at lr = 0.1, untuned")
    )
    assert row["verdict"] == "luck"
    assert text == (
        "batch_size 32 and batch_size 64 differ by less than the 0.5 points you said matter (−0.21 "
        "to 0.26; 44 paired seeds; at lr = 0.1, untuned). Choosing the better would be choosing "
        "luck."
    )


def test_not_enough_seeds_reads_like_the_model() -> None:
    frame = pairs({0.5: (-0.0025, 0.0065)}, 8, reference=0.0, factor="pruning.rate")
    row, text = only(tell(frame, factor="pruning.rate", smallest_difference=0.005, minutes=0.2))
    needed, low, high, more = (
        int(row[name]) for name in ("needed", "needed_low", "needed_high", "more")
    )
    assert low < needed < high
    assert more == needed - 8
    assert text == (
        "Eight seeds cannot tell: pruning.rate 0.5 may cost 0.90 points against pruning.rate 0 or "
        f"gain 0.40. Settling 0.5 points needs about {needed} (plausibly {low} to {high}): {more} "
        f"more pairs, about {round(0.2 * more)} minutes."
    )


# Which way is better.


@pytest.mark.parametrize("lead", [0.006, -0.006])
def test_the_larger_accuracy_beats_the_smaller(lead: float) -> None:
    row, text = only(tell(pairs({"b": (lead, 0.002)}, 8, reference="a")))
    names = ("b", "a") if lead > 0 else ("a", "b")
    assert text.startswith("{} beats {} by 0.60 points".format(*names))
    assert "95 % interval 0.40 to 0.80" in text
    assert math.copysign(1, row["estimate"]) == math.copysign(1, lead)


@pytest.mark.parametrize("lead", [0.006, -0.006])
def test_the_smaller_loss_beats_the_larger(lead: float) -> None:
    frame = pairs({"b": (lead, 0.002)}, 8, reference="a", metric="test_loss")
    _, text = only(tell(frame, metric="test_loss"))
    names = ("a", "b") if lead > 0 else ("b", "a")
    assert text.startswith("{} beats {} by 0.0060 (95 % interval 0.0040 to 0.0080".format(*names))


@pytest.mark.parametrize(
    ("metric", "estimate", "said"),
    [
        ("test_accuracy", -0.002, "b may cost 0.50 points against a or gain 0.10"),
        ("test_accuracy", 0.002, "b may cost 0.10 points against a or gain 0.50"),
        ("test_loss", 0.002, "b may cost 0.0050 against a or gain 0.0010"),
        ("test_loss", -0.002, "b may cost 0.0010 against a or gain 0.0050"),
    ],
)
def test_cost_and_gain_are_the_ends_that_the_level_would_pay_or_win(
    metric: str, estimate: float, said: str
) -> None:
    frame = pairs({"b": (estimate, 0.003)}, 8, reference="a", metric=metric)
    _, text = only(tell(frame, metric=metric))
    assert said in text


@pytest.mark.parametrize(
    ("estimate", "said"),
    [(0.0031, "b may gain 0.01 to 0.61 points"), (-0.0031, "b may cost 0.01 to 0.61 points")],
)
def test_an_interval_on_one_side_that_does_not_decide_says_so(estimate: float, said: str) -> None:
    # The first look decides at .04, where this interval holds zero.
    row, text = only(tell(pairs({"b": (estimate, 0.003)}, 8, reference="a")))
    assert row["verdict"] == "not enough seeds"
    assert said in text
    assert "The 95 % interval alone excludes 0, but not at the level" in text


# Every verdict, and its numbers.


@pytest.mark.parametrize(
    ("half", "margin", "verdict"),
    [
        (0.002, None, "real"),
        (0.002, 0.004, "real"),
        (0.002, 0.01, "real but negligible"),
        (0.005, 0.01, "luck"),
        (0.005, 0.004, "not enough seeds"),
        (0.005, None, "not enough seeds"),
    ],
)
def test_the_numbers_in_the_sentence_are_those_of_the_row(
    half: float, margin: float | None, verdict: str
) -> None:
    frame = pairs({"b": (0.004, half)}, 20, reference="a")
    row, text = only(tell(frame, smallest_difference=margin))
    assert row["verdict"] == verdict
    low, high = points(row["low"]), points(abs(row["high"]))
    assert high in text
    assert low.removeprefix("−") in text
    if verdict.startswith("real"):
        assert f"by {points(row['estimate'])} points" in text
    if margin and verdict != "real":
        assert f"{100 * margin:g} point" in text
    if verdict != "not enough seeds":
        assert f"{low} to {high}; 20 paired seeds)" in text


def test_real_but_negligible_names_the_margin_and_the_lead() -> None:
    _, text = only(tell(pairs({"b": (0.002, 0.001)}, 20, reference="a"), smallest_difference=0.01))
    assert text == (
        "b beats a by 0.20 points (95 % interval 0.10 to 0.30; 20 paired seeds), which is less than"
        " the 1 point you said matters: real, but negligible."
    )


def test_a_margin_without_a_unit_is_one_number() -> None:
    frame = pairs({"b": (0.0, 0.002)}, 20, reference="a", metric="test_loss")
    _, text = only(tell(frame, metric="test_loss", smallest_difference=0.02))
    assert "less than the 0.02 you said matters (−0.0020 to 0.0020; 20 paired seeds)" in text


def test_without_a_smallest_difference_luck_is_never_said() -> None:
    row, text = only(tell(pairs({"b": (0.0002, 0.0010)}, 30, reference="a")))
    assert row["verdict"] == "not enough seeds"
    assert "luck" not in text
    bound = 100 * max(-row["decisive_low"], row["decisive_high"])
    assert f"Any difference is below {bound:.2f} points" in text
    assert "depends on the smallest difference that matters, which nobody said" in text


def test_a_withheld_verdict_says_why() -> None:
    frame = one_stream({"a": [0.9, 0.8, math.nan], "b": [0.7, 0.8, 0.9]})
    row, text = only(tell(frame))
    assert row["verdict"] == "withheld"
    assert text.startswith("No verdict on b against a: 0 of the trainings of b and 1 of those of a")


def test_equal_values_withhold_and_say_that_nothing_moved() -> None:
    row, text = only(tell(one_stream({"a": [0.5] * 5, "b": [0.5] * 5})))
    assert row["verdict"] == "withheld"
    assert "every pair is exactly equal: the level may have no effect at all" in text


def test_an_exploratory_comparison_gets_numbers_and_no_verdict_words() -> None:
    frame = pairs({"b": (-0.006, 0.002)}, 8, reference="a")
    _, text = only(tell(frame, declared=False))
    assert text == (
        "b against a: −0.60 points (95 % interval −0.80 to −0.40; 8 paired seeds), exploratory."
    )
    for word in ("beats", "real", "luck", "cannot tell"):
        assert word not in text


def test_an_exploratory_comparison_of_single_trainings_says_why_there_is_no_interval() -> None:
    _, text = only(tell(one_stream({"a": [0.9], "b": [0.8]}), declared=False))
    assert text == "b against a: one training."


def test_a_single_replicate_cannot_tell() -> None:
    frame = one_stream({"a": [0.9, 0.8], "b": [0.7]})
    row, text = only(tell(frame, smallest_difference=0.01))
    assert row["verdict"] == "not enough seeds"
    assert text == "One seed cannot tell b from a: one training."


def test_no_replicate_at_all_is_said_without_counting_it() -> None:
    frame = one_stream({"a": [0.9, 0.8], "b": [0.7, 0.8]})
    frame.loc[frame["init"] == "b", "status"] = "failed"
    row, text = only(tell(frame))
    assert row["smallest_n"] == 0
    assert text == "b cannot be told from a: no training."


# How replicates are counted.


def test_crossed_streams_are_counted_by_axis() -> None:
    generator = np.random.default_rng(3)
    grid = generator.normal(0.9, 0.001, (6, 5))
    told = tell(
        crossed({0.1: grid, 0.2: grid + generator.normal(0.03, 0.001, (6, 5))}), factor="lr"
    )
    assert "6 × 5 crossed seeds)" in only(told)[1]


def test_too_few_crossed_streams_are_counted_by_the_shorter_axis() -> None:
    generator = np.random.default_rng(4)
    grids = {lr: generator.normal(0.9, 0.02, (6, 5)) for lr in (0.1, 0.2)}
    row, text = only(tell(crossed(grids), factor="lr", smallest_difference=0.01))
    assert text.startswith("Five seeds cannot tell: ")
    assert f"{int(row['more'])} more of each stream" in text


def test_arms_without_common_replicates_are_said_to_be_unpaired() -> None:
    frame = pairs({"b": (0.05, 0.002)}, 16, reference="a")
    seed = frame["replicate.init"]
    frame = frame[((frame["init"] == "a") & (seed < 7)) | ((frame["init"] == "b") & (seed >= 7))]
    row, text = only(tell(frame))
    assert row["n"] == "9 and 7"
    assert "; 9 and 7 seeds, unpaired)" in text


def test_rows_without_replicates_are_runs_and_more_are_counted_per_arm() -> None:
    frame = pairs({"b": (0.001, 0.02)}, 8, reference="a")
    frame = frame.drop(columns=["replicate.init", "replicate.order"])
    row, text = only(tell(frame, smallest_difference=0.01))
    assert text.startswith("Eight runs cannot tell: ")
    assert f"{int(row['more']):,} more per arm." in text


def test_one_missing_pair_is_not_counted() -> None:
    frame = pairs({"b": (0.006, 0.002)}, 9, reference="a").iloc[:-1]
    assert "; 8 paired seeds)" in only(tell(frame))[1]


@pytest.mark.parametrize(
    ("axes", "noun", "reach"),
    [
        (["init+order"], "seed", "new seeds on this test set"),
        (["init", "order"], "seed", "new seeds on this test set"),
        (["init"], "init seed", "new init seeds on this test set"),
        (["mask"], "mask seed", "new mask seeds on this test set"),
        (["dropout"], "seed", "new seeds on this test set"),
        (["split"], "split seed", "new seeds and splits of this data set"),
        (["split+init+order"], "seed", "new seeds and splits of this data set"),
        (["data+init"], "seed", "new seeds and new data"),
        (["row"], "run", "new runs like these"),
        ([], "run", "new runs like these"),
    ],
)
def test_the_reach_follows_from_the_streams_that_move(
    axes: Sequence[str], noun: str, reach: str
) -> None:
    assert noun_of(axes) == noun
    assert reach_of(axes) == reach


# New data.


@pytest.mark.parametrize(
    ("lead", "new", "said"),
    [
        (0.006, (0.001, 0.011), "It holds on new data too (0.10 to 1.10)."),
        (-0.006, (-0.011, -0.001), "It holds on new data too (0.10 to 1.10)."),
        (0.006, (-0.001, 0.013), "On new data (−0.10 to 1.30) this is not established."),
        (-0.006, (-0.013, 0.001), "On new data (−0.10 to 1.30) this is not established."),
    ],
)
def test_what_is_said_of_new_data_is_told_from_the_winners_side(
    lead: float, new: tuple[float, float], said: str
) -> None:
    extra = {"new_data_low": new[0], "new_data_high": new[1], "new_data_note": ""}
    _, text = only(tell(pairs({"b": (lead, 0.002)}, 8, reference="a"), extra=extra))
    assert text.endswith(f"for new seeds on this test set. {said}")


def test_without_predictions_nothing_is_said_of_new_data_and_why() -> None:
    nothing = {"new_data_low": math.nan, "new_data_high": math.nan}
    extra = nothing | {"new_data_note": "no predictions were kept"}
    _, text = only(tell(pairs({"b": (0.006, 0.002)}, 8, reference="a"), extra=extra))
    assert text.endswith("Nothing is said about new data: no predictions were kept.")


# Settling.


def test_a_question_out_of_reach_is_said_to_be() -> None:
    frame = pairs({"b": (0.0, 0.2)}, 8, reference="a")
    row, text = only(tell(frame, smallest_difference=1e-5))
    assert pd.isna(row["needed"])
    assert "Settling 0.001 points is out of reach: it needs more than a million seeds." in text


def test_enough_seeds_that_did_not_decide_were_unlucky() -> None:
    before = Look(number=1, comparison="", data="", n="8", verdicts={}, estimates={})
    frame = pairs({"b": (0.001, 0.00085)}, 60, reference="a")
    row, text = only(tell(frame, smallest_difference=0.0021, looks=[before]))
    assert row["verdict"] == "not enough seeds"
    assert row["more"] == 0
    assert "there are as many, so the difference may lie near that margin." in text


def test_time_is_said_only_where_it_is_known() -> None:
    frame = pairs({"b": (0.0, 0.006)}, 8, reference="a")
    row, timed = only(tell(frame, smallest_difference=0.005, minutes=60.0))
    assert f"about {int(row['more'])} hours." in timed
    _, silent = only(tell(frame, smallest_difference=0.005))
    assert silent.endswith(f"{int(row['more'])} more pairs.")


# In short.


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Nothing was compared."),
        (["not enough seeds"], "Not enough seeds."),
        (["luck", "luck"], "Luck, in both comparisons."),
        (["real"] * 3, "Real, in all 3 comparisons."),
        (["real", "luck", "real"], "2 of 3 comparisons real, 1 luck."),
    ],
)
def test_the_headline_counts_each_verdict(words: list[str], said: str) -> None:
    assert headline([{"verdict": word} for word in words]) == said


def test_the_examples_in_the_docstrings_are_true() -> None:
    found = doctest.testmod(sentences)
    assert found.attempted
    assert found.failed == 0


@pytest.mark.parametrize("seed", range(40))
def test_no_sentence_is_ill_formed_whatever_the_numbers(seed: int) -> None:
    """Frames at random; `tell` holds every sentence against what none may contain."""
    generator = np.random.default_rng(seed)
    n = int(generator.integers(1, 12))
    scale = 10.0 ** generator.uniform(-6, 1)
    values = generator.normal(0, scale, (3, n))
    if seed % 4 == 0:
        values[1, 0] = math.nan
    if seed % 5 == 0:
        values = np.round(values, 0)
    metric = "test_accuracy" if seed % 2 else "test_loss"
    levels = dict(zip((0.1, 0.2, 0.4), values.tolist(), strict=True))
    frame = one_stream(levels, factor="lr", metric=metric)
    margin = None if seed % 3 == 0 else scale
    told = tell(
        frame,
        metric=metric,
        factor="lr",
        smallest_difference=margin,
        declared=bool(seed % 7),
        minutes=0.5,
    )
    assert len(told) == 2


@pytest.mark.parametrize("metric", ["test_accuracy", "test_loss"])
def test_no_difference_of_shares_is_said_to_exceed_what_there_can_be(metric: str) -> None:
    frame = one_stream({"a": [0.1, 0.9], "b": [0.9, 0.3]}, metric=metric)
    row, text = only(tell(frame, metric=metric))
    assert row["low"] < -1
    assert row["high"] > 1
    bounded = "may cost 100.00 points against a or gain 100.00. No difference is ruled out." in text
    assert bounded == (metric == "test_accuracy")
    assert ("Any difference is below" in text) == (metric == "test_loss")
