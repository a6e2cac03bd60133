"""The ``compare:`` block: what it means, how it is refused, and that it changes no training."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from randstudy.comparison import Declaration
from randstudy.design import Design
from randstudy.errors import StudyError
from randstudy.schema import schema
from randstudy.study import Study
from randstudy.yamlfile import parse

NORMAL = {"name": "normal", "sd": 0.1}


def written(**changes: Any) -> dict[str, Any]:
    return {
        "name": "small",
        "training": {"lr": 0.1, "epochs": 2, "batch_size": 32},
        "factors": {"pruning.rate": [0.0, 0.5], "init": ["orthogonal", NORMAL]},
        "replicates": 3,
    } | changes


def declared(overrides: tuple[str, ...] = (), **changes: Any) -> Declaration:
    found = Study.from_mapping(written(**changes), overrides).compare
    assert found is not None
    return found


def refusal(**changes: Any) -> str:
    with pytest.raises(StudyError) as caught:
        Study.from_mapping(written(**changes))
    return str(caught.value)


def test_the_first_level_is_the_reference_and_the_studys_metric_is_compared() -> None:
    assert declared(compare={"factor": "init"}) == Declaration(
        factor="init",
        reference="orthogonal",
        metric="test_accuracy",
        smallest_difference=None,
        alpha=0.05,
    )


def test_nothing_is_declared_unless_it_is_written() -> None:
    assert Study.from_mapping(written()).compare is None
    assert Study.from_mapping(written(compare=None)).compare is None


def test_everything_may_be_said() -> None:
    compare = {
        "factor": "pruning.rate",
        "reference": 0.5,
        "metric": "test_loss",
        "smallest_difference": 0.01,
        "alpha": 0.1,
    }
    assert declared(compare=compare) == Declaration(**compare)


@pytest.mark.parametrize("name", ["pruning.rate", "rate"])
def test_a_factor_may_be_named_by_the_end_of_its_field(name: str) -> None:
    assert declared(compare={"factor": name}).factor == "pruning.rate"


@pytest.mark.parametrize("name", ["lr", "training.lr"])
def test_a_factor_is_called_as_the_study_calls_it(name: str) -> None:
    found = declared(factors={"lr": [0.1, 0.2]}, compare={"factor": name})
    assert found.factor == "lr"


@pytest.mark.parametrize("reference", [NORMAL, dict(reversed(NORMAL.items())), "normal(sd=0.1)"])
def test_a_reference_may_be_a_level_with_fields(reference: Any) -> None:
    assert declared(compare={"factor": "init", "reference": reference}).reference == NORMAL


@pytest.mark.parametrize(
    ("levels", "reference", "found"),
    [
        ([0.0, 0.5], 0, 0.0),
        ([0.0, 0.5], "0.5", 0.5),
        ([0.0, 0.5], None, 0.0),
    ],
)
def test_a_reference_may_be_written_as_number_or_text(
    levels: list[float], reference: Any, found: float
) -> None:
    compare = {"factor": "rate", "reference": reference}
    assert declared(factors={"pruning.rate": levels}, compare=compare).reference == found


def test_null_is_a_reference_where_it_is_a_level() -> None:
    factors = {"clip_norm": [1.0, None]}
    compare = {"factor": "clip_norm"}
    assert declared(factors=factors, compare=compare).reference == 1.0
    assert declared(factors=factors, compare=compare | {"reference": None}).reference is None


def test_arms_are_compared_like_any_factor() -> None:
    arms = {"small": {"batch_size": 16, "lr": 0.1}, "large": {"batch_size": 64, "lr": 0.2}}
    found = declared(factors={}, arms=arms, compare={"factor": "arm", "reference": "large"})
    assert (found.factor, found.reference) == ("arm", "large")


def test_the_metric_may_be_named_by_study_and_comparison_alike() -> None:
    compare = {"factor": "init", "metric": "test_loss"}
    made = Study.from_mapping(written(compare=compare))
    assert made.metric == "test_loss"
    assert made.direction == "minimize"
    assert declared(metric="test_loss", compare=compare).metric == "test_loss"
    assert declared(metric="test_loss", compare={"factor": "init"}).metric == "test_loss"


@pytest.mark.parametrize(
    ("compare", "message"),
    [
        ("init", "compare: expected a mapping such as {factor: init}, got the text 'init'"),
        (["init"], "compare: expected a mapping such as {factor: init}, got a list"),
        (False, "compare: expected a mapping such as {factor: init}, got"),
        ({}, "compare.factor: is missing"),
        ({"factor": 3}, "compare.factor: expected text, got 3"),
        ({"factor": "int"}, "'int' is no factor of this study; did you mean init?"),
        ({"factor": "lr"}, "'lr' is no factor of this study; there is pruning.rate, init"),
        (
            {"factor": "init", "reference": "normal"},
            "compare.reference: normal is no level of init; it has orthogonal, normal(sd=0.1)",
        ),
        ({"factor": "rate", "reference": 0.4}, "0.4 is no level of pruning.rate; it has 0.0, 0.5"),
        (
            {"factor": "init", "refrence": 1},
            "compare.refrence: a comparison has no such field; did you mean reference?",
        ),
        ({"factor": "init", "margin": 1}, "compare.margin: a comparison has no such field"),
        ({"factor": "init", "alpha": 0}, "compare.alpha: 0.0 must be above 0 and at most 0.5"),
        ({"factor": "init", "alpha": 0.51}, "compare.alpha: 0.51 must be above 0 and at most 0.5"),
        ({"factor": "init", "smallest_difference": 0}, "smallest_difference: 0.0 must be above 0"),
        ({"factor": "init", "smallest_difference": -0.1}, "-0.1 must be above 0"),
        ({"factor": "init", "smallest_difference": "x"}, "expected a number or null, got the text"),
        (
            {"factor": "init", "metric": "test_acuracy"},
            "compare.metric: 'test_acuracy' is no metric of a class task; did you mean test_acc",
        ),
    ],
)
def test_a_wrong_comparison_is_refused_with_its_field_and_what_would_be_right(
    compare: Any, message: str
) -> None:
    assert message in refusal(compare=compare)


def test_half_is_the_largest_alpha() -> None:
    assert declared(compare={"factor": "init", "alpha": 0.5}).alpha == 0.5


def test_one_level_cannot_be_compared() -> None:
    said = refusal(factors={"init": ["orthogonal"]}, compare={"factor": "init"})
    assert "compare.factor: init has one level, so there is nothing to compare" in said


def test_a_study_that_varies_nothing_cannot_compare() -> None:
    said = refusal(factors={}, compare={"factor": "init"})
    assert "'init' is no factor of this study; this study varies none" in said


def test_study_and_comparison_may_not_name_two_metrics() -> None:
    said = refusal(metric="test_loss", compare={"factor": "init", "metric": "test_accuracy"})
    assert "compare.metric: test_accuracy is not the study's metric, test_loss" in said


def test_every_problem_is_told_with_its_line() -> None:
    text = (
        "training: {lr: 0.1, epochs: 1, batch_size: 8}\n"
        "factors: {init: [orthogonal, normal]}\n"
        "compare:\n"
        "  factor: init\n"
        "  reference: uniform\n"
        "  metrics: test_loss\n"
        "replicates: 0\n"
    )
    with pytest.raises(StudyError) as caught:
        Study.from_document(parse(text, "study.yaml"))
    places = [
        re.match(r"study\.yaml:(\d+): ([\w.]+):", one) for one in str(caught.value).split("\n")
    ]
    assert [one.groups() for one in places if one] == [
        ("5", "compare.reference"),
        ("6", "compare.metrics"),
        ("7", "replicates"),
    ]


def test_a_comparison_may_be_set_on_the_command_line() -> None:
    assert declared(("compare.factor=init",)).reference == "orthogonal"
    assert declared(("compare={factor: rate, reference: 0.5}",)).reference == 0.5
    changed = declared(
        ("compare.reference=0.5", "compare.smallest_difference=0.01"),
        compare={"factor": "pruning.rate", "alpha": 0.1},
    )
    assert (changed.reference, changed.smallest_difference, changed.alpha) == (0.5, 0.01, 0.1)
    assert Study.from_mapping(written(compare={"factor": "init"}), ["compare=null"]).compare is None


@pytest.mark.parametrize("setting", ["compare.factor=intt", "compare={factor: intt}"])
def test_a_wrong_setting_is_refused_by_its_own_text(setting: str) -> None:
    with pytest.raises(StudyError, match=re.escape(f"--set {setting}: compare.factor: 'intt' is")):
        Study.from_mapping(written(), [setting])


def test_what_is_compared_changes_no_trial() -> None:
    plain = [trial.id for trial in Design(Study.from_mapping(written())).trials()]
    compare = {"factor": "init", "metric": "test_loss", "alpha": 0.01, "smallest_difference": 1.0}
    assert [
        one.id for one in Design(Study.from_mapping(written(compare=compare))).trials()
    ] == plain
    # Golden: these ids never change.
    assert len(plain) == 12
    assert (plain[0], plain[-1]) == ("073fe486e9512b65", "420cee6543b1c753")


def test_a_resolved_study_declares_the_same() -> None:
    made = Study.from_mapping(written(compare={"factor": "rate", "reference": 0.5}))
    resolved = made.resolved()
    assert resolved["compare"] == {
        "factor": "pruning.rate",
        "reference": 0.5,
        "metric": "test_accuracy",
        "smallest_difference": None,
        "alpha": 0.05,
    }
    assert json.loads(json.dumps(resolved)) == resolved
    assert declared(compare=resolved["compare"]) == made.compare
    assert Study.from_mapping(written()).resolved()["compare"] is None


@pytest.mark.parametrize("levels", [[1.0, None], [None, 1.0]])
def test_a_null_reference_survives_being_resolved(levels: list[float | None]) -> None:
    factors = {"clip_norm": levels}
    compare = {"factor": "clip_norm", "reference": None}
    made = Study.from_mapping(written(factors=factors, compare=compare))
    again = Study.from_mapping(written(factors=factors, compare=made.resolved()["compare"]))
    assert again.compare == made.compare
    assert made.compare is not None
    assert made.compare.reference is None


def test_declarations_have_one_text_however_they_are_written() -> None:
    by_level = declared(compare={"factor": "init", "reference": NORMAL})
    by_text = declared(compare={"reference": "normal(sd=0.1)", "factor": "init", "alpha": 0.05})
    assert by_level.text == by_text.text
    texts = {
        declared(compare={"factor": "init"} | change).text
        for change in (
            {},
            {"reference": NORMAL},
            {"alpha": 0.1},
            {"metric": "test_loss"},
            {"smallest_difference": 0.1},
        )
    }
    assert len(texts) == 5


def test_the_schema_knows_the_fields_of_a_comparison() -> None:
    found = json.dumps(schema()["properties"]["compare"])
    for field in ("factor", "reference", "metric", "smallest_difference", "alpha"):
        assert f'"{field}"' in found
