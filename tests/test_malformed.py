"""Malformed studies and data files: a clear message and code 2; nothing trained or written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.malformed import data, design, own, recipe, syntax
from tests.malformed.case import STUDY, Case, check, check_message, contents, prepared

ROOT = Path(__file__).parents[1]
TABLES = {
    f"{room.__name__.rpartition('.')[2]} {table.lower()}": cases
    for room in (syntax, design, recipe, own, data)
    for table, cases in vars(room).items()
    if isinstance(cases, list)
}
CASES = {f"{table}: {one.name}": one for table, cases in TABLES.items() for one in cases}


def test_there_are_enough_and_each_has_a_name_of_its_own() -> None:
    assert len(CASES) == sum(len(cases) for cases in TABLES.values()) >= 80


@pytest.mark.parametrize("one", CASES.values(), ids=CASES)
def test_it_is_refused_with_one_clear_message(
    one: Case,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    check(one, tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize(
    "name",
    [
        "syntax syntax: a billion laughs",
        "own parts: a module that ends all",
        "data idx_files: cut in the middle",
    ],
)
def test_the_command_itself_does_so_and_loads_no_ray(
    command: str, name: str, tmp_path: Path
) -> None:
    one = CASES[name]
    home = prepared(one, tmp_path)
    before = contents(tmp_path)
    script = (
        "import sys; from randstudy.cli import main; code = main(sys.argv[1:]); "
        "assert not {'ray', 'mlflow'} & {*sys.modules}; sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", script, command, STUDY, "--store", str(tmp_path / "store")],
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    check_message(one, done.stderr)
    assert contents(tmp_path) == before
