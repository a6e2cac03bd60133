"""A folder of small data files, the same for the whole suite."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from datafiles import write_all


@pytest.fixture(scope="session")
def data_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = write_all(tmp_path_factory.mktemp("data"))
    shutil.copytree(home, home / "copy")
    return home


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def places(data_files: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests of other folders look for the files of whoever runs them."""
    monkeypatch.setenv("RANDSTUDY_DATA", str(data_files))
    monkeypatch.setenv("RANDSTUDY_CACHE", str(prepared))
