"""The examples of docs/own: each is read as a study, and one of its trials is trained."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from randstudy.design import Design
from randstudy.study import Study
from randstudy.training import Observation, PackRun
from randstudy.yamlfile import parse

PAGES = sorted((Path(__file__).parents[1] / "docs" / "own").glob("*.md"))
KINDS = ["augmentation", "data", "init", "loss", "metric", "model", "pruning-score"]


def block(page: Path, language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)
    return str(found)


def test_each_kind_has_a_page() -> None:
    assert [page.stem for page in PAGES if page.stem in KINDS] == KINDS


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.stem in KINDS], ids=lambda p: p.stem
)
def test_the_example_of_a_page_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(block(page, "python"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    study = Study.from_document(parse(block(page, "yaml"), "mine.yaml"))
    first = next(iter(Design(study).trials()))
    pack = PackRun([first], observe=Observation(metrics=study.evaluation.metrics))
    pack.advance()
    (outcome,) = pack.take()
    assert outcome.status == "finished"
    assert outcome.metrics["test_accuracy"] > 0.75
    assert len(list(Design(study).trials())) >= 3
    del sys.modules["mine"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    assert [one for one in targets if not (page.parent / one).exists()] == []
