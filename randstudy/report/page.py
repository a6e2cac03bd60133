"""The page itself: the parts put into one HTML text that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from randstudy.analysis import paragraphs
from randstudy.analysis.answer import Answer
from randstudy.analysis.words import counted
from randstudy.report.cards import MOST_CARDS, cards
from randstudy.report.contents import Contents
from randstudy.report.figures import Drawing, drawings
from randstudy.report.making import facts, looks
from randstudy.report.material import Material, material


def page(answer: Answer) -> str:
    """Return an answer as one HTML text: no file, network or script is needed to read it."""
    found = material(answer)
    return compose(found, drawings(found))


def compose(found: Material, drawn: Mapping[str, Drawing]) -> str:
    """Return the page of material whose figures are drawn."""
    answer, evidence = found.answer, found.answer.evidence
    compared = found.tables["compare"]
    contents = Contents(found, drawn)
    hidden = len(compared) - MOST_CARDS
    return _template().render(
        style=_style(),
        question=evidence.question.strip() or evidence.name,
        name=evidence.name,
        metric=evidence.roles.metric,
        accounts=_accounts(answer),
        headline=answer.headline,
        cards=cards(compared, answer.setting) if len(compared) else (),
        more_cards=f"{counted(hidden, 'more comparison')} in tables/compare.csv."
        if hidden > 0
        else "",
        margin=_margin(answer),
        looks_told=found.told(paragraphs.looks),
        verdict=contents.verdict(),
        sections=contents.sections(),
        looks=looks(answer),
        facts=facts(evidence),
        evidence=evidence,
        late=evidence.declared_after > 0,
        methods=" ".join(found.told(paragraphs.methods)),
    )


def _accounts(answer: Answer) -> list[tuple[str, str, int]]:
    """Return what became of the planned trainings: id, word, count."""
    accounts = answer.evidence.accounts
    names = ("planned", "finished", "diverged", "failed", "left")
    return [(f"accounts-0-{name}", name, getattr(accounts, name)) for name in names]


def _margin(answer: Answer) -> str:
    """Return the smallest difference that matters as text, empty where nobody said."""
    declared = answer.declared
    if declared is None or declared.smallest_difference is None:
        return ""
    return answer.setting.quantity.margin(declared.smallest_difference)


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("randstudy.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html")


@cache
def _style() -> Any:
    return resources.files("randstudy.report").joinpath("page.css").read_text("utf-8")
