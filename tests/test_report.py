"""The page: every number exact and named, every study, however poor, told in sentences."""

from __future__ import annotations

import io
import math
import re
import time
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from by_hand import MARGIN, ByHand

from randstudy import execution
from randstudy.analysis.answer import Answer
from randstudy.analysis.compare import Declared
from randstudy.analysis.evidence import Accounts, Evidence
from randstudy.analysis.examples import Examples
from randstudy.analysis.layout import lay_out
from randstudy.analysis.looks import Look
from randstudy.analysis.roles import roles, unit_of
from randstudy.analysis.words import Quantity
from randstudy.errors import DataError, RandstudyError
from randstudy.evidence import gather
from randstudy.report import page, publish
from randstudy.report.cards import MOST_CARDS
from randstudy.report.material import material
from randstudy.report.page import compose
from randstudy.report.publication import parquet
from randstudy.report.tables import MOST_ROWS, column, shown
from randstudy.report.values import datum, text
from randstudy.running import Options, run
from randstudy.study import Study

DIGITS = Path(__file__).parent.parent / "studies" / "digits.yaml"
VOID = {"meta", "link", "br", "hr", "img", "input"}
MEGABYTE = 1_000_000


class Page(HTMLParser):
    """What a page holds: ids, numbers by id, text, links; refuses tags that do not match."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.html = html
        self.ids: list[str] = []
        self.numbers: dict[str, float] = {}
        self.shown: dict[str, str] = {}
        self.tags: list[str] = []
        self.links: list[str] = []
        self.titles: list[str] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self._number = ""
        self.feed(html)
        self.close()
        assert not self._open, f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.tags.append(tag)
        if tag not in VOID:
            self._open.append(tag)
        if (name := told.get("id")) is not None:
            self.ids.append(name)
        for link in ("href", "src", "xlink:href"):
            if link in told:
                self.links.append(told[link] or "")
        if "title" in told:
            self.titles.append(told["title"] or "")
        if tag == "data":
            assert told["id"], "a number without a name"
            self._number = told["id"]
            self.numbers[self._number] = float(told["value"] or "nothing")
            self.shown[self._number] = ""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        assert self._open.pop() == tag, f"</{tag}> closes something else"
        if tag == "data":
            self._number = ""

    def handle_data(self, data: str) -> None:
        if self._number:
            self.shown[self._number] += data
        if self._open and self._open[-1] not in ("style", "title"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def checked(answer: Answer, *, drawn: bool = False) -> Page:
    """Return an answer's page after what holds for every page was held against it.

    Drawing takes most of the time, so most tests do without figures.
    """
    html = page(answer) if drawn else compose(material(answer), {})
    found = Page(html)
    assert len(found.ids) == len(set(found.ids))
    assert all(math.isfinite(value) for value in found.numbers.values())
    missing = re.search(r"\b(nan|None|NaN|NA|NaT|inf)\b", found.text)
    assert not missing, found.text[max(0, missing.start() - 60) : missing.end() + 60]
    assert all(link.startswith(("#", "data:")) for link in found.links)
    assert "@import" not in html
    assert "url(http" not in html
    assert "script" not in found.tags
    assert len(html) < 5 * MEGABYTE
    for anchor in (link for link in found.links if link.startswith("#")):
        assert anchor[1:] in found.ids
    return found


def trials(
    levels: dict[str, list[Any]],
    replicates: int = 6,
    *,
    metric: str = "test_accuracy",
    spread: float = 0.01,
    noise: int = 0,
) -> pd.DataFrame:
    """Return a crossed frame; the k-th level of a factor is worth k points."""
    random = np.random.default_rng(noise)
    grid = [levels[name] for name in levels]
    index = list(np.ndindex(*(len(one) for one in grid), replicates))
    rows = []
    for place in index:
        cell = {name: grid[number][place[number]] for number, name in enumerate(levels)}
        value = 0.8 + 0.01 * sum(place[:-1]) + spread * random.standard_normal()
        rows.append(cell | {"replicate.init": place[-1], metric: value})
    frame = pd.DataFrame(rows)
    frame["status"] = "finished"
    frame.insert(0, "trial", [f"{number:016x}" for number in range(len(frame))])
    return frame


def evidence(
    frame: pd.DataFrame,
    *,
    metric: str = "test_accuracy",
    factors: tuple[str, ...] = ("init",),
    declare: bool = True,
    **more: Any,
) -> Evidence:
    """Return evidence on a frame; its first factor is declared, with half a point that matters."""
    part = roles(frame, metric, factors=factors)
    counts = lay_out(frame, part).cells[["finished", "diverged", "failed", "no_value"]].sum()
    accounts = Accounts(
        planned=len(frame),
        finished=int(counts["finished"]),
        diverged=int(counts["diverged"]),
        failed=int(counts["failed"] + counts["no_value"]),
        left=0,
    )
    told: dict[str, Any] = {
        "name": "small",
        "frame": frame,
        "roles": part,
        "accounts": accounts,
        "question": "Does the init matter?",
        "declared": Declared(factor=factors[0], smallest_difference=0.005) if declare else None,
        "text": "name: small\n",
        "made": {"randstudy": "0.1.0"},
        "command": "randstudy run small.yaml",
    }
    return Evidence(**(told | more))


INITS = {"init": ["a", "b", "c"]}


def with_predictions(frame: pd.DataFrame, count: int = 60) -> Examples:
    """Return ten-class predictions of which about nine in ten are right."""
    random = np.random.default_rng(5)
    targets = random.integers(0, 10, count).astype(np.uint8)
    wrong = random.random((len(frame), count)) < 0.1
    predicted = np.where(wrong, (targets + 1) % 10, targets).astype(np.uint8)
    index = pd.Index(frame["trial"], name="trial")
    return Examples(pd.DataFrame(predicted, index=index), targets)


def curves_of(frame: pd.DataFrame, steps: int = 5) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {
                "trial": frame["trial"],
                "step": 10 * step,
                "epoch": float(step),
                "validation_accuracy": frame["test_accuracy"] * (1 - 0.5**step),
            }
        )
        for step in range(1, steps + 1)
    ]
    return pd.concat(parts, ignore_index=True)


def whole() -> Evidence:
    """Return evidence with everything: two factors, curves and predictions."""
    frame = trials(INITS | {"lr": [0.1, 0.2]})
    return evidence(
        frame,
        factors=("init", "lr"),
        curves=lambda: curves_of(frame),
        examples=lambda: with_predictions(frame),
    )


def test_the_page_of_a_whole_study_tells_question_verdict_and_how_it_was_made() -> None:
    one = replace(whole(), text="name: small\nfactors: {lr: [0.1, 0.2]}\n")
    answer = Answer(one)
    found = checked(answer, drawn=True)
    assert found.tags.count("figure") == found.tags.count("figcaption") > 5
    assert found.text.index("Does the init matter?") < found.text.index(answer.headline)
    for sentence in answer.compare["sentence"]:
        assert sentence in found.text
    for told in ("randstudy run small.yaml", "factors: {lr: [0.1, 0.2]}", "randstudy 0.1.0"):
        assert told in found.text
    order = ["verdict", "luck", "cells", "curves", "interactions", "power", "endings", "made"]
    assert [name for name in found.ids if name in order] == order


def test_every_number_is_the_tables_number_to_the_last_bit() -> None:
    answer = Answer(whole())
    found = checked(answer)
    seen = set()
    for name, value in found.numbers.items():
        table, row, source = name.split("-", 2)
        if table in ("accounts", "looks", "card"):
            continue
        frame = getattr(answer, table)
        if source in ("rank", "rank_low", "rank_high", "p_best") and table == "cells":
            frame = frame[["cell"]].merge(answer.rank, on="cell", how="left")
        assert value == float(frame.loc[int(row), source]), name
        seen.add(table)
    assert seen >= {"compare", "explored", "cells", "variance", "effects", "power", "stability"}


def test_numbers_are_rounded_for_reading_and_shown_with_their_interval_and_n() -> None:
    found = checked(Answer(evidence(trials({"init": ["a", "b"]}))))
    shown_value = float(found.shown["cells-0-mean"])
    assert shown_value == pytest.approx(100 * found.numbers["cells-0-mean"], abs=0.005)
    for end in ("low", "high", "n"):
        assert f"cells-0-{end}" in found.numbers


@pytest.mark.parametrize("count", [0, 1, 2])
def test_grammar_holds_for_none_one_and_many_left(count: int) -> None:
    one = evidence(trials(INITS))
    accounts = replace(one.accounts, planned=18 + count, left=count)
    found = checked(Answer(replace(one, accounts=accounts)))
    told = {0: "", 1: "1 planned training is missing", 2: "2 planned trainings are missing"}[count]
    assert told in found.text
    assert ("withheld" in found.text) == (count > 0)
    assert ("accounts-0-left" in found.numbers) == (count > 0)


@pytest.mark.parametrize(("rows", "told"), [(40, ""), (41, "1 more row "), (42, "2 more rows ")])
def test_a_long_table_says_how_many_rows_are_left(rows: int, told: str) -> None:
    table = shown(
        "cells",
        "Cells.",
        pd.DataFrame({"mean": np.arange(rows) / 100.0}),
        [column("mean", "mean", kind="value")],
        Quantity(unit_of("test_accuracy")),
        order="by rank",
    )
    assert len(table.rows) == MOST_ROWS == 40
    assert table.left == (f"{told}by rank in tables/cells.csv." if told else "")


def test_a_comparison_declared_late_is_said_to_be() -> None:
    one = evidence(trials(INITS))
    assert (
        "declared when 1 outcome was already there"
        in checked(Answer(replace(one, declared_after=1))).text
    )
    assert (
        "declared when 7 outcomes were already there"
        in checked(Answer(replace(one, declared_after=7))).text
    )
    assert "already there" not in checked(Answer(one)).text


def test_looks_are_listed_with_what_they_spent() -> None:
    look = Look(
        number=1,
        comparison="x",
        data="y",
        n="4",
        verdicts={"b": "luck", "c": "not enough seeds"},
        estimates={"b": 0.0, "c": 0.01},
    )
    found = checked(Answer(evidence(trials(INITS), looks=(look,))))
    assert found.numbers["looks-0-alpha"] == pytest.approx(0.04)
    assert found.numbers["looks-1-alpha"] == pytest.approx(0.005)
    assert "b: luck, c: not enough seeds" in found.text


def test_nothing_that_a_study_says_becomes_markup() -> None:
    evil = "<script>alert('x')</script>"
    frame = trials({f"{evil}.rate": ["a", evil, '"><img src=http://x>']})
    one = evidence(
        frame,
        factors=(f"{evil}.rate",),
        name=evil,
        question=f"Is {evil} alive & well?",
        text=f"question: {evil}\n",
        command=f"randstudy run '{evil}'",
        made={evil: evil},
        caveat=evil,
    )
    found = checked(Answer(one), drawn=True)
    assert evil in found.text
    assert "<script" not in found.html
    assert "<img" not in found.html


def test_without_a_declared_comparison_there_is_no_verdict_and_differences_come_first() -> None:
    found = checked(Answer(evidence(trials(INITS), declare=False)))
    assert not [name for name in found.numbers if name.startswith(("card-", "compare-"))]
    assert "exploratory: no verdicts" in found.text
    assert found.ids.index("explored") < found.ids.index("luck")
    assert "explored-1-estimate" in found.numbers


def one_replicate() -> Evidence:
    return evidence(trials(INITS, replicates=1))


def zero_variance() -> Evidence:
    return evidence(trials(INITS, spread=0.0))


def all_equal() -> Evidence:
    return evidence(trials(INITS).assign(test_accuracy=0.9))


def all_diverged() -> Evidence:
    return evidence(trials(INITS).assign(test_accuracy=np.nan, status="diverged"))


def some_diverged() -> Evidence:
    frame = trials(INITS)
    frame.loc[:3, "test_accuracy"] = np.nan
    frame.loc[:3, "status"] = "diverged"
    return evidence(frame, collapse=0.15)


def missing_pairs() -> Evidence:
    return evidence(trials(INITS).drop(index=[0, 2, 7]).reset_index(drop=True))


def no_value() -> Evidence:
    frame = trials(INITS)
    frame.loc[[1, 8], "test_accuracy"] = [np.nan, np.inf]
    return evidence(frame)


def one_cell() -> Evidence:
    return evidence(trials({"init": ["a"]}), factors=("init",))


def no_factors() -> Evidence:
    frame = trials({"init": ["a"]}).drop(columns="init")
    return replace(
        evidence(trials(INITS), declare=False), frame=frame, roles=roles(frame, "test_accuracy")
    )


def no_replicates() -> Evidence:
    return evidence(trials(INITS).drop(columns=["replicate.init", "trial", "status"]))


def unbalanced() -> Evidence:
    frame = trials(INITS | {"lr": [0.1, 0.2]})
    return evidence(frame.drop(index=[0, 5, 6, 7, 8, 30]), factors=("init", "lr"))


def constant_factor() -> Evidence:
    return evidence(trials({"lr": [0.1], "init": ["a", "b"]}), factors=("lr", "init"))


def all_failed() -> Evidence:
    return evidence(trials(INITS).assign(test_accuracy=np.nan, status="failed"))


def a_loss() -> Evidence:
    frame = trials(INITS, metric="test_loss", spread=1e-5)
    return evidence(frame, metric="test_loss", question="")


def mixed_levels() -> Evidence:
    frame = trials({"batch_size": [32, "full", 8]})
    return evidence(frame, factors=("batch_size",))


def crossed_streams() -> Evidence:
    frame = pd.concat(
        [trials(INITS, noise=number).assign(**{"replicate.order": number}) for number in range(4)],
        ignore_index=True,
    )
    frame["trial"] = [f"{number:016x}" for number in range(len(frame))]
    return evidence(frame)


def crossed_with_gaps() -> Evidence:
    full = crossed_streams()
    return replace(full, frame=full.frame.drop(index=[3, 11]).reset_index(drop=True))


def without_targets() -> Evidence:
    def refuse() -> Examples:
        raise DataError("mnist: not under ~/data")

    return evidence(trials(INITS), examples=refuse)


POOR = (
    *(one_replicate, zero_variance, all_equal, all_diverged, some_diverged, missing_pairs),
    *(no_value, one_cell, no_factors, no_replicates, unbalanced, constant_factor),
    *(all_failed, a_loss, mixed_levels, crossed_streams, crossed_with_gaps, without_targets),
)


@pytest.mark.parametrize("drawn", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("poor", POOR, ids=lambda one: one.__name__)
def test_poor_studies_have_a_page_without_a_single_missing_number(
    poor: Callable[[], Evidence], drawn: bool
) -> None:
    found = checked(Answer(poor()), drawn=drawn)
    assert "Which luck matters" in found.text
    assert "For a paper's methods section" in found.text


def test_a_study_without_any_training_is_told_what_to_do() -> None:
    nothing = evidence(trials(INITS).iloc[:0])
    with pytest.raises(RandstudyError, match=r"no training to report on; .* randstudy run small"):
        page(Answer(nothing))


def test_a_number_that_is_not_there_has_its_reason_in_the_row_and_below() -> None:
    found = checked(Answer(one_replicate()))
    assert "cells-0-mean" in found.numbers
    assert "cells-0-low" not in found.numbers
    assert "one training" in found.titles
    assert "one training" in found.text


def test_many_comparisons_get_so_many_cards_and_a_sentence() -> None:
    levels = [f"v{number}" for number in range(MOST_CARDS + 3)]
    found = checked(Answer(evidence(trials({"init": levels}, replicates=3))))
    assert found.tags.count("article") == MOST_CARDS
    assert "2 more comparisons in tables/compare.csv." in found.text


@pytest.mark.parametrize(
    ("value", "exact", "written"),
    [
        (0.97216, "0.97216", "97.22"),
        (np.float64(0.1), "0.1", "10.00"),
        (-0.00001, "-1e-05", "0.00"),
        (0, "0", "0.00"),
    ],
)
def test_a_number_is_exact_for_scripts(value: float, exact: str, written: str) -> None:
    found = datum(value, "value", Quantity(unit_of("test_accuracy")), "a b-<0>")
    assert found is not None
    assert (found.id, found.exact, found.text) == ("a_b-_0_", exact, written)


@pytest.mark.parametrize("value", [None, np.nan, pd.NA, np.inf, -np.inf])
def test_what_is_no_number_is_none(value: Any) -> None:
    assert datum(value, "number", Quantity(unit_of("loss")), "x") is None


def test_levels_are_written_as_the_study_has_them() -> None:
    assert [text(one) for one in (0.5, 32, "full", True, None, np.nan, -1.0)] == [
        *("0.5", "32", "full", "true", "–", "–", "−1")
    ]


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_report_is_published_whole_with_the_same_bytes_and_replaces_an_earlier_one(
    tmp_path: Path,
) -> None:
    path = publish(Answer(whole()), tmp_path / "one")
    publish(Answer(whole()), tmp_path / "two")
    first, second = files(tmp_path / "one"), files(tmp_path / "two")
    assert path == tmp_path / "one" / "report.html"
    assert first == second
    (tmp_path / "two" / "tables" / "mine.txt").write_text("mine")
    publish(Answer(one_replicate()), tmp_path / "two")
    after = set(files(tmp_path / "two"))
    gone = {"tables/stability.csv", "tables/curves.csv", "figures/curves.svg"}
    assert gone <= set(first) - after, "an earlier report's files are left"
    assert {"tables/mine.txt", "tables/cells.csv", "figures/cells.svg"} <= after
    assert {"report.html", "frame.parquet", "tables/cells.csv", "tables/compare.csv"} <= set(first)
    named = set(re.findall(r"tables/\w+\.csv", first["report.html"].decode()))
    assert named <= set(first)
    answer = Answer(whole())
    again = pd.read_csv(tmp_path / "one" / "tables" / "cells.csv")
    assert again["mean"].tolist() == answer.cells["mean"].tolist()
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "one" / "frame.parquet"),
        answer.evidence.frame,
        check_dtype=False,
    )


def test_a_frame_with_levels_of_several_types_becomes_parquet() -> None:
    frame = trials({"batch_size": [32, "full", None]})
    again = pd.read_parquet(io.BytesIO(parquet(frame)))
    assert again["batch_size"].dropna().unique().tolist() == ["32", "full"]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """Train studies/digits.yaml, all 216 trials of it."""
    store = tmp_path_factory.mktemp("digits")
    declared = ["compare.factor=init", f"compare.smallest_difference={MARGIN}"]
    study = Study.load(DIGITS, [*declared, "tracking.enabled=false"])
    with execution.cluster(None):
        result = run(study, store, Options(), io.StringIO())
    assert (result.exit_code, result.trained) == (0, 216)
    return gather(study, store)


@pytest.mark.slow
def test_every_number_on_digits_is_the_one_worked_out_by_hand(digits: Evidence) -> None:
    found = checked(Answer(digits), drawn=True)
    assert digits.curves is not None
    assert digits.examples is not None
    examples = digits.examples()
    frame = pd.DataFrame(digits.frame)
    seconds = float(frame[["train_seconds", "evaluation_seconds"]].sum().sum())
    workers = Study.load(DIGITS).resources.workers_here
    targets = np.asarray(examples.targets)
    minutes = seconds / 60 / 8 / workers
    hand = ByHand(frame, digits.curves(), examples.predictions, targets, minutes).numbers()
    assert found.numbers.keys() == hand.keys()
    off = {
        name: (value, hand[name])
        for name, value in found.numbers.items()
        if value != pytest.approx(hand[name], **tolerance(name))
    }
    assert not off
    assert len(hand) > 900
    for name, value in found.numbers.items():
        assert rounds(found.shown[name], value), (name, value, found.shown[name])


def tolerance(name: str) -> dict[str, float]:
    """Return how near a number has to be: exact but for rounding, unless it is a simulation."""
    table, _, column_of = name.split("-", 2)
    if table == "variance" and column_of.endswith(("low", "high")):
        return {"abs": 0.012}
    if column_of == "detectable":
        return {"rel": 1e-6}
    return {"rel": 1e-9, "abs": 1e-12}


def rounds(shown_text: str, value: float) -> bool:
    """Tell whether a text is a number or percentage rounded to the places that it shows."""
    plain = shown_text.replace(",", "").replace("−", "-")
    if plain.startswith("< "):
        return value < float(plain[2:])
    places = len(plain.partition(".")[2])
    return any(abs(scale * value - float(plain)) <= 0.5000001 * 10**-places for scale in (1, 100))


@pytest.mark.slow
def test_the_verdicts_on_digits_say_the_numbers_worked_out_by_hand(digits: Evidence) -> None:
    answer = Answer(digits)
    for row, sentence in enumerate(answer.compare["sentence"]):
        pairs = answer.compare.iloc[row]
        for end in (pairs["low"], pairs["high"]):
            assert f"{abs(100 * end):.2f}" in sentence
        assert "0.5 points" in sentence


@pytest.mark.slow
def test_a_hundred_thousand_trials_are_reported_in_a_minute() -> None:
    frame = trials({"a": list(range(10)), "b": list(range(10))}, replicates=1000)
    one = evidence(frame, factors=("a", "b"), curves=lambda: curves_of(frame, steps=50))
    start = time.monotonic()
    checked(Answer(one), drawn=True)
    assert time.monotonic() - start < 60


@pytest.mark.slow
def test_twelve_thousand_cells_make_a_small_page() -> None:
    frame = trials({"a": list(range(125)), "b": list(range(100))}, replicates=4)
    found = checked(Answer(evidence(frame, factors=("a", "b"))), drawn=True)
    assert "12,460 more rows by rank in tables/cells.csv." in found.text
    assert len(found.html) < 2 * MEGABYTE
