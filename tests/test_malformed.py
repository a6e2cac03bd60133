"""Malformed studies and data files: a clear message and code 2; nothing trained or written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.malformed.case import Case, check
from tests.malformed.syntax import SETS, SYNTAX

CASES = [*SYNTAX, *SETS]


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.name)
def test_it_is_refused_with_one_clear_message(
    one: Case,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    check(one, tmp_path, monkeypatch, capsys)
