"""Names of people's own code: what they find, and what is said where they find nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from randstudy.errors import RandstudyError
from randstudy.handover import function_named
from randstudy.importing import found
from randstudy.inits import Init
from randstudy.metrics import metric_named
from randstudy.registry import UnknownPartError, part_named, written_name

MODULE = """\
from dataclasses import dataclass

from randstudy.inits import Init


class Family:
    @dataclass(frozen=True, kw_only=True)
    class Inner(Init):
        pass

    def train(trial, streams, report):
        return {}

    def score(outputs, targets):
        return 1.0
"""


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "importing_family.py").write_text(MODULE)
    (tmp_path / "importing_quits.py").write_text("import sys\nsys.exit(3)\n")
    monkeypatch.syspath_prepend(tmp_path)


def test_names_with_dots_are_found_wherever_one_stands() -> None:
    inner = part_named(Init, "importing_family:Family.Inner")
    assert written_name(inner) == "importing_family:Family.Inner"
    assert function_named("importing_family:Family.train") is found("importing_family:Family.train")
    assert found("importing_family:Family").Inner is inner


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("importing_quits:Net", "importing_quits ends the process"),
        ("importing_family:Familly", "did you mean Family?"),
        ("importing_family:Family.trian", "did you mean train?"),
        ("importing_family:Family.Inner.nothing.more", "has no 'Family.Inner.nothing.more'"),
        ("importing_family.py:Family", "without .py; write importing_family:Family"),
        ("importing_famly:Family", "no module 'importing_famly'; a module of your own must lie"),
    ],
)
def test_parts_metrics_and_functions_say_the_same_of_a_name(name: str, message: str) -> None:
    said = set()
    for find in (found, lambda one: part_named(Init, one), function_named, metric_named):
        with pytest.raises((RandstudyError, UnknownPartError)) as told:
            find(name)
        assert message in str(told.value)
        said.add(str(told.value).removeprefix("the metric "))
    assert len(said) == 1
