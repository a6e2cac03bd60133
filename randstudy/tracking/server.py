"""The command that shows a study's runs in MLflow's own pages."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from randstudy.errors import RandstudyError
from randstudy.study import Study
from randstudy.tracking.place import ENVIRONMENT, place
from randstudy.uris import WEB

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Command:
    """A program to run: its arguments, whole environment, and the page that it serves."""

    argv: tuple[str, ...]
    env: dict[str, str]
    url: str


def ui(store: Path, study: Study | None = None, *, port: int = 5000) -> Command:
    """Return the command that serves the runs of a store, or of a study that names its place.

    The server listens on this machine only, and has one worker: MLflow's default of four is slower
    for one person, and its job runners take two gigabytes.

    Raises
    ------
    RandstudyError
        There is nothing to serve: no run yet, or a server already does.
    """
    where = place(store, study.tracking.uri if study else None)
    if where.uri.split(":")[0] in WEB:
        raise RandstudyError(f"the study is tracked by a server: open {where.uri} in a browser")
    if where.own is not None and not where.own.exists():
        raise RandstudyError(f"{where.own} is not there yet; `randstudy run` makes it")
    argv = (sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port))
    env = ENVIRONMENT | dict(os.environ)
    # By environment, not argument: any user of the machine may read the arguments of a process.
    env |= {
        "MLFLOW_BACKEND_STORE_URI": where.uri,
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": str(where.artifacts),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    return Command((*argv, "--workers", "1"), env, f"http://{HOST}:{port}")
