"""What tables come to in sentences: true to their numbers, in grammar for none, one and many."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from randstudy.analysis import paragraphs
from randstudy.analysis.answer import Answer
from randstudy.analysis.evidence import Accounts
from randstudy.analysis.looks import Look
from randstudy.analysis.words import percent
from tests.analysis.answers import answer_of, with_predictions
from tests.analysis.frames import crossed, one_stream

KINDS: dict[str, Callable[[Answer], list[str]]] = {
    name: getattr(paragraphs, name)
    for name in ("luck", "test_set", "winners", "endings", "looks", "methods")
}
ILL_FORMED = re.compile(r"nan|\binf\b|<NA>|None|\b1 seeds|\b1 trainings|  | \.|\.\.|\(\)|-\d")


def noise(shape: tuple[int, ...], sd: float = 0.01, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0, sd, shape)


def seeds(n: int = 8, levels: str = "ab", **options: Any) -> Answer:
    values = {name: 0.9 + row for name, row in zip(levels, noise((len(levels), n)), strict=True)}
    return answer_of(one_stream({k: v.tolist() for k, v in values.items()}), "init", **options)


def predicted(levels: Mapping[str, float], n: int = 8, examples: int = 200) -> Answer:
    """Trainings that err independently, with these accuracies."""
    generator = np.random.default_rng(1)
    skill = np.repeat(list(levels.values()), n)[:, None]
    right = generator.random((len(levels) * n, examples)) < skill
    frame, known = with_predictions(one_stream({level: [0.0] * n for level in levels}), right)
    return answer_of(frame, "init", examples=lambda: known)


# Which luck.


def test_crossed_streams_are_told_with_their_shares_and_intervals() -> None:
    grid = 0.9 + noise((8, 1), 0.01) + noise((1, 8), 0.02, 1) + noise((8, 8), 0.004, 2)
    found = answer_of(crossed({0.1: grid}), "lr")
    (said,) = paragraphs.luck(found)
    for row in found.variance.to_dict("records"):
        share, low, high = (percent(row[name]) for name in ("share", "low", "high"))
        what = f"{row['source']} alone" if row["order"] == 1 else f"the interaction {row['source']}"
        assert f"{share} ({low.removesuffix(' %')} to {high}) is {what}" in said
    assert said.count(" is ") == 3


def test_seeds_that_moved_together_are_said_to_have_and_how_to_part_them() -> None:
    first, second = paragraphs.luck(seeds())
    assert "luck that a seed takes into every cell, and " in first
    assert second.startswith("Init and order moved together; crossing them, as in replicates: {")


def test_a_seed_that_is_lucky_everywhere_is_told_from_one_that_is_lucky_once() -> None:
    shared = noise((12,), 0.02)
    alike = {k: (0.9 + shared + noise((12,), 0.001, s)).tolist() for k, s in (("a", 1), ("b", 2))}
    (said, _) = paragraphs.luck(answer_of(one_stream(alike), "init"))
    shares = [int(share) for share in re.findall(r"(−?\d+) % \(", said.replace("−", "-"))]
    assert shares[0] > 95
    assert shares[1] < 5


def test_one_cell_is_said_to_be_one() -> None:
    found = answer_of(one_stream({"a": [0.9, 0.8, 0.7]}), "init")
    assert paragraphs.luck(found)[0].startswith("There is one cell, so all spread between its")


def test_runs_of_several_cells_are_not_said_to_be_of_one() -> None:
    frame = one_stream({"a": [0.9, 0.8, 0.7], "b": [0.8, 0.9, 0.6]})
    said = paragraphs.luck(
        answer_of(frame.drop(columns=["replicate.init", "replicate.order"]), "init")
    )
    assert said == ["All spread between trainings of one cell is luck of the run."]


EQUAL = "No training differs from another of its cell."
SINGLE = "Each cell has one training, so no luck can be seen."


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"a": [0.5] * 4, "b": [0.5] * 4}, EQUAL),
        ({"a": [0.9], "b": [0.8]}, SINGLE),
        ({"a": [0.9]}, SINGLE),
    ],
)
def test_where_nothing_moved_that_is_all_that_is_said(
    values: Mapping[str, list[float]], sentence: str
) -> None:
    assert paragraphs.luck(answer_of(one_stream(values), "init")) == [sentence]


@pytest.mark.parametrize(
    ("jitter", "said"),
    [(0.0, "the same seeds give the same numbers"), (0.004, "an sd of 0.283 points")],
)
def test_repeats_set_the_noise_floor(jitter: float, said: str) -> None:
    frame = one_stream({"a": [0.9, 0.8, 0.7], "b": [0.8, 0.9, 0.6]}).assign(repeat=0)
    again = frame.assign(repeat=1, test_accuracy=frame["test_accuracy"] + jitter)
    found = answer_of(pd.concat([frame, again], ignore_index=True), "init")
    assert paragraphs.luck(found)[-1] == (
        f"Training the same seeds again sets the noise floor: {said}."
    )


# The test set.


def test_independent_errors_explain_the_spread_of_accuracies() -> None:
    found = predicted({"a": 0.9, "b": 0.8})
    said = paragraphs.test_set(found)
    assert len(said) == 2
    for row, text in zip(found.stability.to_dict("records"), said, strict=True):
        assert text.startswith(f"In {row['cell']}, accuracy varies between seeds with an sd of")
        assert f"an sd of {100 * row['sd']:.2f} points" in text
        assert "independent errors on 200 test examples" in text
        assert f"would make {100 * row['sd_independent']:.2f}, and " in text
        assert text.endswith("; n = 8.")


def test_a_single_cell_needs_no_name() -> None:
    (said,) = paragraphs.test_set(predicted({"a": 0.9}))
    assert said.startswith("Accuracy varies between seeds")


def test_many_cells_are_summed_up() -> None:
    levels = {f"level{number}": 0.9 for number in range(8)}
    (said,) = paragraphs.test_set(predicted(levels))
    assert re.match(r"In \d of 8 cells seeds differ by more than independent errors", said)


def test_without_predictions_nothing_is_said_of_the_test_set() -> None:
    assert paragraphs.test_set(seeds()) == []
    assert paragraphs.winners(seeds()) == []


def test_the_lead_of_the_best_of_equal_seeds_is_luck_of_the_draw() -> None:
    found = predicted({"a": 0.9, "b": 0.9}, n=10)
    (said,) = paragraphs.winners(found)
    table = found.winners
    rows = table[table["k"] == table["k"].max()]
    chosen, other, mean = (rows[name].mean() for name in ("chosen_half", "other_half", "mean"))
    assert said.startswith(f"On average over 2 cells, the best of {table['k'].max()} seeds on one")
    assert f"{100 * chosen:.2f} % there and {100 * other:.2f} % on the other half" in said
    assert f"where the mean seed scores {100 * mean:.2f} %: " in said
    assert f"{100 * max(0, (other - mean) / (chosen - mean)):.0f} % of its lead is left" in said
    assert chosen > max(other, mean)


def test_the_best_seed_of_one_cell_needs_no_average() -> None:
    (said,) = paragraphs.winners(predicted({"a": 0.9}, n=5))
    assert said.startswith("The best of 5 seeds on one half of the test set scores ")


# What became of the trainings.


@pytest.mark.parametrize(
    ("planned", "said"),
    [
        (0, "No trainings were planned: 0 finished,"),
        (1, "1 training was planned: 1 finished,"),
        (1200, "1,200 trainings were planned: 1,200 finished,"),
    ],
)
def test_the_count_of_trainings_agrees_with_its_verb(planned: int, said: str) -> None:
    accounts = Accounts(planned=planned, finished=planned, diverged=0, failed=0, left=0)
    (first,) = paragraphs.endings(seeds(accounts=accounts))
    assert first.startswith(said)
    assert first.endswith("0 diverged, 0 failed, 0 left.")


def test_divergence_and_collapse_name_the_cell_that_has_most() -> None:
    nan = math.nan
    values = {"a": [0.9, nan, 0.1], "b": [nan, nan, 0.8], "c": [0.9, 0.8, 0.7]}
    _, diverged, collapsed = paragraphs.endings(
        answer_of(one_stream(values), "init", collapse=0.15)
    )
    assert diverged == "3 trainings in 2 cells diverged, most in init=b (2)."
    assert collapsed == (
        "1 training in 1 cell finished no better than about chance, most in init=a (1)."
    )


# Looks.


def look(number: int, verdicts: Mapping[str, str]) -> Look:
    return Look(
        number=number,
        comparison="",
        data=f"data {number}",
        n="4",
        verdicts=dict(verdicts),
        estimates=dict.fromkeys(verdicts, 0.01),
    )


def test_without_a_declaration_no_look_is_told() -> None:
    assert paragraphs.looks(seeds(declare=False)) == []


def test_the_first_look_says_what_it_spends() -> None:
    assert paragraphs.looks(seeds()) == [
        "This is look 1 at the comparison; it spends 0.04 of the error rate of 0.05."
    ]


def test_later_looks_spend_less_and_tell_the_earlier() -> None:
    earlier = (look(1, {"b": "not enough seeds"}), look(2, {"b": "luck"}))
    assert paragraphs.looks(seeds(looks=earlier)) == [
        "This is look 3 at the comparison; it spends 0.0025 of the error rate of 0.05.",
        "Look 1 (n = 4) found b: not enough seeds.",
        "Look 2 (n = 4) found b: luck.",
    ]


def test_a_look_at_another_declaration_is_said_to_have_been_one() -> None:
    said = paragraphs.looks(seeds(looks=(look(1, {}),)))
    assert said[1:] == ["Look 1 (n = 4) was at another declaration."]


def test_of_a_look_at_somebodys_table_nothing_is_told_but_what_it_spent() -> None:
    unknown = Look(number=0, comparison="", data="", n="", verdicts={}, estimates={})
    assert paragraphs.looks(seeds(looks=(unknown,))) == [
        "This is look 2 at the comparison; it spends 0.005 of the error rate of 0.05."
    ]


@pytest.mark.parametrize(("count", "said"), [(1, "1 outcome was"), (7, "7 outcomes were")])
def test_a_late_declaration_is_said_to_be(count: int, said: str) -> None:
    first = paragraphs.looks(seeds(declared_after=count))[0]
    assert first == (
        f"This comparison was declared when {said} already there: take its verdict with that in "
        "mind."
    )


# For a paper.


def test_the_methods_name_sizes_test_margin_and_versions() -> None:
    (said,) = paragraphs.methods(
        seeds(smallest_difference=0.005, made={"randstudy": "0.1", "torch": "2.8", "device": "cpu"})
    )
    assert said == (
        "We trained 2 configurations with 8 seeds each (init and order varied together), 16 "
        "finished trainings in all. We report means of test_accuracy with 95 % Student t intervals "
        "over seeds. Levels of init were compared with a by paired t tests over 8 seeds with Holm's"
        " correction over 1, at alpha = 0.04 of 0.05, spent at look 1. Differences within ±0.5 "
        "points were declared negligible beforehand. Trained and analysed with randstudy 0.1 and "
        "torch 2.8."
    )


def test_the_methods_of_a_crossed_design_say_so() -> None:
    (said,) = paragraphs.methods(answer_of(crossed({0.1: 0.9 + noise((4, 5))}), "lr"))
    assert "We trained 1 configuration with 4 × 5 crossed seeds (init; order varied)" in said
    assert "over the mean squares of the crossed streams" in said
    assert "compared" not in said


def test_diverged_trainings_are_in_the_methods() -> None:
    frame = one_stream({"a": [0.9, math.nan, 0.7], "b": [0.8, 0.9, 0.6]})
    (said,) = paragraphs.methods(answer_of(frame, "init"))
    assert "with 2 to 3 seeds each" in said
    assert "5 finished trainings in all; 1 training diverged." in said


# All of them.

nan = math.nan
ANSWERS: dict[str, Answer] = {
    "seeds": seeds(),
    "two seeds": seeds(2),
    "one seed": seeds(1),
    "three levels": seeds(5, "abc", smallest_difference=0.01),
    "undeclared": seeds(declare=False),
    "all diverged": answer_of(one_stream({"a": [nan, nan], "b": [nan, nan]}), "init"),
    "equal": answer_of(one_stream({"a": [0.5] * 3, "b": [0.5] * 3}), "init"),
    "empty": answer_of(one_stream({"a": [0.5]}).iloc[:0], "init", declare=False),
    "crossed": answer_of(crossed({lr: 0.9 + noise((3, 4), seed=3) for lr in (0.1, 0.2)}), "lr"),
    "unlike": answer_of(one_stream({"a": [0.9, 0.8, 0.7], "b": [0.8]}), "init"),
    "predictions": predicted({"a": 0.9, "b": 0.8}, n=5),
    "perfect": predicted({"a": 1.0, "b": 1.0}, n=3),
    "one training with predictions": predicted({"a": 0.9, "b": 0.8}, n=1),
}


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_paragraph_is_well_formed(kind: str, name: str) -> None:
    for said in KINDS[kind](ANSWERS[name]):
        assert not ILL_FORMED.search(said), said
        assert said.endswith(".")
        assert said[0].isupper() or said[0].isdigit()
        assert said.count("(") == said.count(")")
