"""Numbers as people write them."""

import doctest
import math

import pytest

from randstudy.analysis import words
from randstudy.analysis.roles import Unit, unit_of
from randstudy.analysis.words import (
    MINUS,
    Quantity,
    capital,
    counted,
    duration,
    fixed,
    level_name,
    listed,
    number,
    percent,
    spelled,
)

POINTS = Quantity(unit_of("test_accuracy"))
PLAIN = Quantity(Unit(), 3)


def test_the_examples_in_the_docstrings_are_true() -> None:
    found = doctest.testmod(words)
    assert found.attempted > 5
    assert found.failed == 0


def test_the_minus_sign_is_a_minus_sign() -> None:
    assert MINUS == "\u2212"
    for text in (number(-0.5), fixed(-0.5, 1), POINTS.bare(-0.005), POINTS.interval(-0.01, 0.01)):
        assert text.startswith("\u2212")
        assert "-" not in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (0.1, "0.1"),
        (0.2500, "0.25"),
        (99.96, "100"),
        (999.6, "1,000"),
        (1234.5, "1,234"),
        (0.000012345, "0.0000123"),
        (-1e-12, "−1.00e−12"),
        (math.nan, "–"),
        (math.inf, "–"),
        (-math.inf, "–"),
    ],
)
def test_a_number_has_three_significant_digits_and_no_more_zeros(value: float, text: str) -> None:
    assert number(value) == text


def test_digits_of_a_number_are_as_asked() -> None:
    assert [number(123.456, digits) for digits in (2, 4, 6)] == ["123", "123.5", "123.456"]


@pytest.mark.parametrize("value", [0.001, -0.001, 0.0, -0.0, 0.00499, -0.00499])
def test_what_rounds_to_zero_has_no_sign(value: float) -> None:
    assert fixed(value, 2) == "0.00"


def test_decimals_are_fixed_and_thousands_marked() -> None:
    assert fixed(-1234.5, 1) == "−1,234.5"
    assert fixed(2.0, 0) == "2"
    assert fixed(math.nan, 2) == fixed(math.inf, 2) == "–"


def test_an_accuracy_is_told_in_percent_and_its_differences_in_points() -> None:
    assert POINTS.value(0.97222) == "97.22 %"
    assert POINTS.difference(-0.0062) == "−0.62 points"
    assert POINTS.interval(-0.001, 0.013) == "−0.10 to 1.30"
    assert POINTS.bare(0.0062) == "0.62"


def test_a_loss_has_no_unit_and_nothing_dangling() -> None:
    assert PLAIN.value(0.25) == "0.250"
    assert PLAIN.difference(-0.25) == "−0.250"
    assert PLAIN.margin(0.02) == "0.02"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.005, "0.5 points"), (0.01, "1 point"), (0.02, "2 points"), (0.0025, "0.25 points")],
)
def test_a_margin_is_as_somebody_chose_it(value: float, text: str) -> None:
    assert POINTS.margin(value) == text


@pytest.mark.parametrize(
    ("widths", "digits"),
    [([0.01], 2), ([0.0003], 2), ([0.0001], 3), ([], 2), ([math.nan, 0.0], 2)],
)
def test_points_have_two_decimals_unless_an_interval_needs_three(
    widths: list[float], digits: int
) -> None:
    assert Quantity.of(unit_of("test_accuracy"), widths).digits == digits


@pytest.mark.parametrize(
    ("widths", "digits"),
    [([0.3], 2), ([0.026, 5.0], 3), ([12.0], 0), ([4000.0], 0), ([1e-30], 9), ([], 4), ([0.0], 4)],
)
def test_the_narrowest_interval_still_shows_two_digits(widths: list[float], digits: int) -> None:
    assert Quantity.of(Unit(), widths).digits == digits


@pytest.mark.parametrize(
    ("count", "text"), [(0, "no seeds"), (1, "1 seed"), (2, "2 seeds"), (1077, "1,077 seeds")]
)
def test_counts_agree_with_their_nouns(count: int, text: str) -> None:
    assert counted(count, "seed") == text


def test_an_odd_plural_is_as_given() -> None:
    assert [counted(n, "entry", "entries") for n in (0, 1, 2)] == [
        "no entries",
        "1 entry",
        "2 entries",
    ]


def test_counts_that_begin_a_sentence_are_words_up_to_twelve() -> None:
    assert [spelled(n) for n in (0, 1, 12, 13, 1077)] == ["No", "One", "Twelve", "13", "1,077"]


def test_shares_are_told_in_percent() -> None:
    assert [percent(share) for share in (0.0, 0.563, 1.0, -0.034)] == [
        "0 %",
        "56 %",
        "100 %",
        "−3 %",
    ]
    assert percent(0.5634, 1) == "56.3 %"
    assert percent(math.nan) == "–"


def test_lists_have_one_and() -> None:
    items = ["a", "b", "c", "d"]
    assert [listed(items[:n]) for n in range(5)] == [
        "nothing",
        "a",
        "a and b",
        "a, b and c",
        "a, b, c and d",
    ]
    assert listed(["a", "b"], "or") == "a or b"


@pytest.mark.parametrize(
    ("factor", "level", "text"),
    [
        ("batch_size", 32, "batch_size 32"),
        ("batch_size", "32", "batch_size 32"),
        ("batch_size", "full", "batch_size full"),
        ("lr", 0.1, "lr 0.1"),
        ("pruning.rate", 0.0, "pruning.rate 0"),
        ("pruning", "none", "pruning none"),
        ("nesterov", True, "nesterov True"),
        ("init", "orthogonal", "orthogonal"),
        ("init", "normal(sd=0.1)", "normal(sd=0.1)"),
    ],
)
def test_a_number_needs_its_factors_name_and_a_word_does_not(
    factor: str, level: object, text: str
) -> None:
    assert level_name(factor, level) == text


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("kaiming beats it", "Kaiming beats it"),
        ("xavier_uniform beats it", "xavier_uniform beats it"),
        ("pruning.rate 0.5 costs", "pruning.rate 0.5 costs"),
        ("normal(sd=0.1) beats it", "normal(sd=0.1) beats it"),
        ("luck.", "Luck."),
        ("", ""),
    ],
)
def test_a_sentence_begins_with_a_capital_unless_with_a_field(written: str, text: str) -> None:
    assert capital(written) == text


@pytest.mark.parametrize(
    ("minutes", "text"),
    [
        (0.0, "under a minute"),
        (0.74, "under a minute"),
        (0.75, "about 1 minute"),
        (1.6, "about 2 minutes"),
        (89.6, "about 90 minutes"),
        (90.0, "about 1.5 hours"),
        (120.0, "about 2 hours"),
        (47 * 60.0, "about 47 hours"),
        (72 * 60.0, "about 3 days"),
        (math.nan, "an unknown time"),
        (math.inf, "an unknown time"),
    ],
)
def test_durations_are_as_people_say_them(minutes: float, text: str) -> None:
    assert duration(minutes) == text
