"""A folder of small data files, the same for the whole suite."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from files import write_all


@pytest.fixture(scope="session", autouse=True)
def data_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    home = tmp_path_factory.mktemp("data")
    write_all(home)
    shutil.copytree(home, home / "copy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RANDSTUDY_DATA", str(home))
        patch.setenv("RANDSTUDY_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
