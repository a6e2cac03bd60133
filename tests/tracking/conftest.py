"""MLflow's database is built once (seconds of migrations) and copied for each test."""

import os
import shutil
from pathlib import Path

import pytest

from randstudy.tracking.place import ENVIRONMENT
from tracking.world import Store


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    os.environ.update(ENVIRONMENT)
    from randstudy.tracking.database import prepare

    path = tmp_path_factory.mktemp("blank") / "mlflow.db"
    prepare(path)
    return path


@pytest.fixture
def store(tmp_path: Path, blank: Path) -> Store:
    made = Store(tmp_path / "store")
    made.path.mkdir()
    shutil.copy(blank, made.database)
    return made


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """MLflow uses what SQLAlchemy 2.1 deprecates; it is theirs to mend."""
    theirs = "ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning"
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings(theirs))
