"""The pages say what the code does: tables, examples, links and the names of tests."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from randstudy.cli import parser
from randstudy.design import Design
from randstudy.schema import schema
from randstudy.starting import start
from randstudy.streams import STREAMS
from randstudy.study import Study
from randstudy.yamlfile import parse

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BASE = {"training": {"lr": 0.1, "batch_size": 32, "epochs": 1}}
TRIALS = re.compile(r"# (\d+) trials")


@pytest.fixture(autouse=True)
def my_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the training that the pages speak of: what `randstudy new my-first` writes."""
    start("my-first", tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("my_first", None)


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def every(language: str) -> list[Any]:
    return [
        pytest.param(text, id=f"{page.stem}-{number}")
        for page in PAGES
        for number, text in enumerate(blocks(page, language))
    ]


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tables", ROOT / "docs" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_are_those_of_the_code(tables: ModuleType) -> None:
    page = tables.PAGE.read_text()
    assert tables.rewritten(page) == page, "run: python docs/tables.py"
    assert sorted(found[0] for found in tables.TABLE.findall(page)) == sorted(tables.tables())


def fields(plain: Any) -> Iterator[str]:
    """Yield the name of every field and part in a JSON Schema."""
    if isinstance(plain, dict):
        yield from plain.get("properties", {})
        if "const" in plain:
            yield plain["const"]
        for inner in plain.values():
            yield from fields(inner)
    elif isinstance(plain, list):
        for inner in plain:
            yield from fields(inner)


def test_every_field_and_part_of_the_schema_is_on_the_page(tables: ModuleType) -> None:
    page = tables.PAGE.read_text()
    # `name` stands in every part, `count` and `first` in the text on replicates.
    named = {re.sub(r"[`*]", "", cell) for cell in re.findall(r"^\| ([`*\w]+) \|", page, re.M)}
    missing = set(fields(schema())) - named - {"name", "count", "first"}
    assert len(named) > 40
    assert not missing


@pytest.mark.parametrize("text", every("yaml"))
def test_an_example_is_a_study_of_as_many_trials_as_it_says(text: str) -> None:
    value = parse(text).value
    study = Study.from_mapping(value if "train" in value else BASE | value)
    said = TRIALS.search(text)
    if said is not None:
        assert len(Design(study)) == int(said[1])
    else:
        assert len(Design(study)) > 0


def test_the_study_of_the_readme_is_the_one_that_make_study_runs() -> None:
    (text,) = blocks(ROOT / "README.md", "yaml")
    shown = Study.from_document(parse(text, "digits.yaml"))
    run = Study.load(ROOT / "studies" / "digits.yaml")
    assert json.dumps(shown.resolved()) == json.dumps(run.resolved())


@pytest.mark.parametrize("text", every("python"))
def test_python_examples_import_what_is_there(text: str) -> None:
    tree = ast.parse(text)
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    found: dict[str, Any] = {}
    exec(compile(ast.Module(imports, []), "example", "exec"), found)
    assert len(found) > 1


def test_the_readme_knows_every_command() -> None:
    page = (ROOT / "README.md").read_text()
    (commands,) = (action.choices for action in parser()._actions if action.choices)
    assert commands
    assert [name for name in commands if f"`randstudy {name}" not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    broken = [
        target
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text)
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert not broken


def test_every_stream_has_its_rows() -> None:
    page = (ROOT / "docs" / "streams.md").read_text()
    assert [stream for stream in STREAMS if f"`{stream}`" not in page] == []


def test_every_site_that_the_code_names_has_its_row() -> None:
    called = [
        node
        for path in sorted((ROOT / "randstudy").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "site"
    ]
    literal = [node.args[0].value for node in called if isinstance(node.args[0], ast.Constant)]
    _, _, text = (ROOT / "docs" / "streams.md").read_text().partition("## Layouts")
    rows = [line.split("|")[3:4] for line in text.split("\n## ")[0].splitlines()]
    named = set(re.findall(r"`([^`]+)`", str(rows)))
    assert len(set(literal)) > 5
    assert set(literal) - named == set()


def test_every_room_of_the_package_is_on_the_page() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    table = re.findall(r"^\| (`.*?) \|", page, re.M)
    named = {name.strip("/").removesuffix(".py") for name in re.findall(r"`([\w./]+)`", str(table))}
    there = {path.stem for path in (ROOT / "randstudy").iterdir() if path.suffix in ("", ".py")}
    rooms = {name for name in there if not name.startswith("__")}
    assert len(rooms) > 50
    assert rooms - named == set()
    assert {one for one in named if "/" not in one} - rooms - {"__main__"} == set()


def test_every_test_named_with_the_laws_is_there() -> None:
    items = re.findall(r"^- \[(tests/\S+?)\]\(.*?\)((?:.|\n  )*)", laws(), re.M)
    absent = [
        f"{file}: {name}"
        for file, text in items
        for name in re.findall(r"`(test_\w+)`", text)
        if f"def {name}(" not in (ROOT / file).read_text()
    ]
    assert len(items) > 10
    assert not absent


def test_each_law_names_a_test() -> None:
    _, *sections = laws().split("\n## ")
    assert [section[0] for section in sections] == list("1234567")
    assert [section[0] for section in sections if "- [tests/" not in section] == []


def laws() -> str:
    return (ROOT / "docs" / "laws.md").read_text()
