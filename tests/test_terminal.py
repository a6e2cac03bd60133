"""An answer as lines of text: the right numbers, n and method, in a hundred columns."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from randstudy import terminal
from randstudy.analysis.answer import Answer
from randstudy.analysis.cells import cells
from randstudy.analysis.layout import lay_out
from randstudy.analysis.looks import Look
from randstudy.analysis.roles import roles
from tests.analysis.answers import answer_of
from tests.analysis.frames import crossed, one_stream

NONE = "–"


def frame(accuracies: Sequence[float], *, cell: str = "all", **columns: Any) -> pd.DataFrame:
    """A cell, a replicate a row; NaN is a diverged trial."""
    made = one_stream({cell: accuracies}).drop(columns=["cell", "init"])
    return made.assign(cell=cell, **columns)


def table(data: pd.DataFrame, factors: Sequence[str] = (), width: int = 100, **options: Any) -> str:
    metric = options.pop("metric", "test_accuracy")
    layout = lay_out(data, roles(data, metric, factors=factors))
    return terminal.cells(cells(layout, **options), layout.roles, width)


def row(text: str, first: str) -> list[str]:
    """The words of the only line that begins so."""
    table = text[text.rindex("\n---") :]
    (line,) = [line for line in table.splitlines() if line.startswith(first)]
    return line.split()


def simulated(n: int = 8, lead: float = 0.01, sd: float = 0.004, seed: int = 3) -> pd.DataFrame:
    """Two levels of which the second leads; their replicates are shared."""
    noise = np.random.default_rng(seed).normal(0, sd, (2, n))
    return one_stream({"xavier": (0.9 + noise[0]).tolist(), "he": (0.9 + lead + noise[1]).tolist()})


NOISE = 0.9 + np.random.default_rng(2).normal(0, 0.01, (3, 8))


def check(text: str, width: int = 100) -> None:
    """No line is too long, none holds a missing value or ends in blanks."""
    for line in text.splitlines():
        assert len(line) <= width, line
        assert line == line.rstrip()
        assert not re.search(r"\bnan\b|<NA>|None|\binf\b", line), line


# Cells.


def test_a_cells_row_has_its_n_mean_sd_and_interval_in_percent() -> None:
    # t(0.975, 2) = 4.302653, so the half-width is 4.302653 * 1 / sqrt(3) = 2.484 points.
    both = pd.concat(
        [
            frame([0.91, 0.92, 0.93], cell="a", batch_size=32),
            frame([math.nan], cell="b", batch_size=128),
        ]
    )
    text = table(both, ["batch_size"])
    lines = text.splitlines()
    assert lines[0] == "test_accuracy (%) by cell"
    heading = ["batch_size", "n", "mean", "sd", "95", "%", "interval", "diverged"]
    assert lines[2].split() == heading
    assert row(text, "32 ") == ["32", "3", "92.00", "1.00", "89.52", "to", "94.48", "0"]
    assert row(text, "128 ") == ["128", "0", NONE, NONE, NONE, "1"]
    check(text)


def test_the_method_and_every_missing_interval_are_explained() -> None:
    parts = [
        frame([0.91, 0.92, 0.93], cell="a"),
        frame([math.nan], cell="b"),
        frame([0.9], cell="c"),
        frame([0.5, 0.5], cell="d"),
        frame([0.6, 0.6], cell="e"),
    ]
    notes = table(pd.concat(parts)).splitlines()[-4:]
    assert notes == [
        "95 % interval: Student t over n distinct finished trainings.",
        "– in 2 cells: all 2 values are equal.",
        "– in 1 cell: no training.",
        "– in 1 cell: one training.",
    ]


def test_crossed_streams_are_said_to_be() -> None:
    grid = np.arange(9.0).reshape(3, 3) ** 2 / 100
    text = table(crossed({0.1: grid}), ["lr"])
    assert "95 % interval where streams are crossed: Student t, the mean squares" in text
    assert "Student t over n distinct" not in text
    gap = table(crossed({0.1: np.where(grid == 0.01, np.nan, grid)}), ["lr"])
    assert "– in 1 cell: 1 of 9 crossed trainings is missing." in gap


def test_a_loss_has_no_unit_and_as_many_digits_as_its_interval_needs() -> None:
    losses = one_stream({"a": [0.2500, 0.2501, 0.2502]}, metric="test_loss")
    text = table(losses, ["init"], metric="test_loss")
    assert text.startswith("test_loss by cell\n")
    assert row(text, "a ")[1:] == ["3", "0.25010", "0.00010", "0.24985", "to", "0.25035", "0"]


def test_columns_of_counts_are_there_only_when_something_happened() -> None:
    quiet = table(frame([0.9, 0.8]))
    for name in ("failed", "no_value", "collapsed"):
        assert name not in quiet
    loud = frame([0.9, 0.8, 0.1, math.nan])
    loud.loc[0, "status"] = "failed"
    text = table(loud, collapse=0.15)
    heading = text.splitlines()[2].split()
    counts = dict(zip(heading[::-1], row(text, "all ")[::-1], strict=False))
    assert {name: counts[name] for name in ("diverged", "collapsed", "failed")} == {
        "diverged": "1",
        "collapsed": "1",
        "failed": "1",
    }


def test_no_cell_makes_an_empty_table() -> None:
    text = table(frame([0.9]).iloc[:0])
    assert text.startswith("test_accuracy (%) by cell")
    assert "95 % interval:" not in text
    check(text)


@pytest.mark.parametrize("count", [1, 4, 12])
@pytest.mark.parametrize("width", [80, 100])
def test_the_table_fits_whatever_the_factors(count: int, width: int) -> None:
    names = [f"training.optimizer.factor_number_{index}" for index in range(count)]
    levels = dict.fromkeys(names, "a_rather_long_level_of_this_factor")
    label = " ".join(f"{name}={level}" for name, level in levels.items())
    text = table(frame([0.5, 0.75], cell=label, **levels), names, width)
    assert max(map(len, text.splitlines()[:6])) <= width
    assert "62.50" in text


def test_a_long_label_loses_its_middle() -> None:
    text = table(frame([0.5, 0.75], cell="start" + "-" * 100 + "end"))
    label = row(text, "start")[0]
    assert label.startswith("start-")
    assert label.endswith("-end")
    assert ".." in label


def test_diverged_and_failed_trials_are_counted_and_not_averaged() -> None:
    data = frame([0.8, 0.9, math.nan, 0.1])
    data.loc[3, "status"] = "failed"
    words = row(table(data), "all ")
    assert words[1:3] == ["2", "85.00"]
    assert words[-2:] == ["1", "1"]


def test_repeats_of_a_training_are_not_replicates() -> None:
    once = frame([0.8, 0.9])
    repeated = pd.concat([once.assign(repeat=number) for number in range(3)], ignore_index=True)
    assert row(table(repeated), "all ") == row(table(once), "all ")


def test_crossed_streams_are_not_taken_for_independent_trainings() -> None:
    # Pure row effects: the 64 trainings hold no more than 8 draws.
    rows = np.linspace(0.1, 0.8, 8)
    grid = crossed({0.1: rows[:, None] + np.zeros((8, 8))})
    words, alone = row(table(grid, ["lr"]), "0.1 "), row(table(frame(rows.tolist())), "all ")
    assert (words[1], alone[1]) == ("64", "8")
    assert words[4:7] == alone[4:7]


# The verdict.


def test_the_verdict_is_question_headline_and_sentences_within_the_width() -> None:
    found = answer_of(simulated(), "init", question="Which scheme?", smallest_difference=0.002)
    text = terminal.verdict(found)
    assert text.startswith("Which scheme?\n\nReal.\n\n[real] he beats xavier by ")
    assert "(95 % interval " in text
    assert "; 8 paired seeds) for new seeds" in text.replace("\n", " ")
    assert "This is look 1 at the comparison; it spends 0.04 of the error rate of 0.05." in text
    check(text)


def test_an_answer_without_a_declaration_has_no_verdict() -> None:
    found = answer_of(simulated(), "init", declare=False)
    text = terminal.verdict(found)
    assert text == "No comparison was declared, so there is no verdict: all of this is exploratory."
    shown = terminal.compare(found)
    assert "Exploratory: no verdicts" in shown
    assert "Holm" not in shown
    assert "beats xavier" not in shown


def test_an_earlier_look_is_told_with_what_it_found() -> None:
    look = Look(
        number=1,
        comparison="",
        data="before",
        n="4",
        verdicts={"he": "not enough seeds"},
        estimates={"he": 0.01},
    )
    text = terminal.verdict(answer_of(simulated(), "init", looks=(look,), declared_after=2))
    assert "This is look 2 at the comparison; it spends 0.005 of the error rate of 0.05." in text
    assert "Look 1 (n = 4) found he: not enough seeds." in text
    assert "was declared when 2 outcomes were already there" in text


def test_the_table_behind_the_verdict_has_the_rows_numbers() -> None:
    found = answer_of(simulated(), "init")
    (numbers,) = found.compare.to_dict("records")
    words = row(terminal.compare(found), "init ")
    what = found.setting.quantity
    assert words[:4] == ["init", "he", "xavier", what.bare(numbers["estimate"])]
    assert " ".join(words[4:7]) == what.interval(numbers["low"], numbers["high"])
    assert words[7] == "8"
    assert float(words[8]) == pytest.approx(numbers["p"], abs=5e-5)
    assert float(words[9]) == pytest.approx(numbers["p_holm"], abs=5e-5)
    assert float(words[10]) == pytest.approx(numbers["g"], abs=5e-3)
    assert float(words[11]) == pytest.approx(numbers["superiority"], abs=5.1e-3)
    check(terminal.compare(found))


def test_p_values_of_a_family_stand_beside_holms() -> None:
    levels = {name: row.tolist() for name, row in zip("abc", NOISE, strict=True)}
    found = answer_of(one_stream(levels), "init")
    lines = [line.split() for line in terminal.compare(found).splitlines()[-2:]]
    for words, numbers in zip(lines, found.compare.to_dict("records"), strict=True):
        assert numbers["p_holm"] > numbers["p"] + 0.01
        assert float(words[8]) == pytest.approx(numbers["p"], abs=5e-5)
        assert float(words[9]) == pytest.approx(numbers["p_holm"], abs=5e-5)


@pytest.mark.parametrize(("p", "text"), [(0.00001, "<.0001"), (0.05, ".0500"), (1.0, "1")])
def test_a_p_value_has_four_decimals(p: float, text: str) -> None:
    assert terminal._p(p) == text
    assert terminal._p(math.nan) == NONE


# Variance and power.


def test_the_variance_has_sentences_numbers_and_method() -> None:
    generator = np.random.default_rng(0)
    streams = generator.normal(0, 0.01, (8, 1)) + generator.normal(0, 0.02, (1, 8))
    found = answer_of(crossed({0.1: 0.9 + streams + generator.normal(0, 0.004, (8, 8))}), "lr")
    text = terminal.variance(found)
    assert text.startswith("Of the variance between trainings of one cell, ")
    assert row(text, "init × order ")[-1] == "64"
    share = float(found.variance.set_index("source").loc["order", "share"])
    assert f"{100 * share:.0f} %" in " ".join(row(text, "order "))
    assert row(text, "order ")[-1] == "8"
    assert "Method: " in text
    check(text)


@pytest.mark.parametrize(
    ("levels", "sentence"),
    [
        ({"a": [0.5] * 4, "b": [0.5] * 4}, "No training differs from another of its cell."),
        ({"a": [0.9], "b": [0.8]}, "Each cell has one training, so no luck can be seen."),
    ],
)
def test_where_nothing_moved_the_variance_says_so(
    levels: dict[str, list[float]], sentence: str
) -> None:
    text = terminal.variance(answer_of(one_stream(levels), "init"))
    assert sentence in text
    check(text)


def test_the_sizes_are_those_of_the_table_and_the_designs_stand_in_full() -> None:
    found = answer_of(simulated(), "init", smallest_difference=0.002, minutes_per_replicate=0.5)
    text = terminal.power(found)
    paired, unpaired = (line.split() for line in text.splitlines()[2:4])
    assert paired[:4] == ["he", "against", "xavier", "paired"]
    assert unpaired[3] == "unpaired"
    numbers = found.power.iloc[0]
    assert paired[5] == "8"
    assert paired[7] == "0.2"
    assert paired[8:10] == [f"{numbers['to_detect']:,}", f"{numbers['needed']:,}"]
    assert " ".join(paired[10:13]) == f"{numbers['needed_low']:,} to {numbers['needed_high']:,}"
    assert paired[13] == f"{numbers['planned']:,}"
    assert float(paired[14].replace(",", "")) == pytest.approx(numbers["minutes"], rel=0.05)
    assert "in points." in text
    check(text)


def test_sizes_without_a_smallest_difference_say_what_is_missing() -> None:
    text = terminal.power(answer_of(simulated(), "init"))
    assert text.endswith("Nobody said which difference matters.")
    assert row(text, "he against xavier  paired")[-6:] == [NONE] * 6
    check(text)


def test_nothing_compared_is_nothing_to_plan_for() -> None:
    text = terminal.power(answer_of(one_stream({"a": [0.9, 0.8]}), "init"))
    assert text == "Nothing was compared, so there is nothing to plan for."


AWKWARD: dict[str, Answer] = {
    "one training": answer_of(one_stream({"a": [0.9], "b": [0.8]}), "init"),
    "all diverged": answer_of(one_stream({"a": [math.nan] * 2, "b": [math.nan] * 2}), "init"),
    "all equal": answer_of(one_stream({"a": [0.5] * 3, "b": [0.5] * 3}), "init"),
    "one level": answer_of(one_stream({"a": [0.5, 0.6]}), "init"),
    "empty": answer_of(one_stream({"a": [0.5]}).iloc[:0], "init", declare=False),
    "long names": answer_of(
        one_stream({"x" * 60: [0.5, 0.6, 0.8], "y" * 60: [0.5, 0.7, 0.7]}, factor="f" * 60),
        "f" * 60,
        smallest_difference=0.0001,
        minutes_per_replicate=1e4,
    ),
}


@pytest.mark.parametrize("name", AWKWARD)
@pytest.mark.parametrize("kind", ["compare", "variance", "power", "verdict"])
def test_every_text_holds_for_awkward_answers(kind: str, name: str) -> None:
    text = getattr(terminal, kind)(AWKWARD[name])
    assert text
    check(text)


# Long names of levels.

TICKET = "magnitude(rate=0.8,when=trained,each_round=true,rewind_to={},scope=global,biases=true)"


def test_where_levels_of_one_part_do_not_fit_what_they_share_is_left_out() -> None:
    names = [TICKET.format(10), TICKET.format(100), "random"]
    told = terminal.laid_out([["pruning", *names]], [["n", "8", "8", "8"]], 40)
    shown = ["magnitude(rewind_to=10)", "magnitude(rewind_to=100)", "random"]
    assert [line.split()[0] for line in told.splitlines()[2:]] == shown


def test_a_level_is_told_from_the_reference_beside_it() -> None:
    columns = [["level", TICKET.format(100)], ["against", TICKET.format(10)]]
    last = terminal.laid_out(columns, [["n", "8"]], 80).splitlines()[-1]
    assert last.split() == ["magnitude(rewind_to=100)", "magnitude(rewind_to=10)", "8"]


def test_levels_that_fit_stand_in_full() -> None:
    names = [TICKET.format(10), TICKET.format(100)]
    told = terminal.laid_out([["pruning", *names]], [["n", "8", "8"]])
    assert [line.split()[0] for line in told.splitlines()[2:]] == names


def test_each_method_of_a_variance_says_which_sources_it_is_of() -> None:
    generator = np.random.default_rng(0)
    cells = {rate: rate + generator.normal(0, 0.02, (4, 4)) for rate in (0.1, 0.2)}
    text = terminal.variance(answer_of(crossed(cells), "lr"))
    assert text.count("Method: ") == 1
    (told,) = re.findall(r"Method: .*", text.replace("\n", " "))
    assert "ANOVA (cell)" in told
    assert "ANOVA, generalised interval (init" in told
