"""Where the runs of a study go, and the environment that MLflow is given there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from randstudy.errors import RandstudyError
from randstudy.uris import WEB, misplaced

# MLflow's own defaults block a caller for minutes on a server that is down, and send telemetry.
# Retries are ours: after an error all runs are read again, which a blind retry of "create" cannot.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
}


@dataclass(frozen=True)
class Place:
    """An MLflow tracking URI, and the folder for artifacts unless a server keeps them.

    Attributes
    ----------
    uri : tracking URI, never relative.
    own : our own SQLite file, None when the study names another place.
    artifacts : root folder of artifacts; None where a tracking server decides.
    """

    uri: str
    own: Path | None
    artifacts: Path | None

    def __str__(self) -> str:
        return self.uri

    def artifact_location(self, study: str) -> str | None:
        """Return where the artifacts of a study's experiment go."""
        if self.artifacts is None:
            return None
        return (self.artifacts / quote(study, safe=" ")).as_uri()


def place(store: Path, uri: str | None) -> Place:
    """Resolve the tracking URI of a study; ``mlflow.db`` in the store when it names none.

    Raises
    ------
    RandstudyError
        The URI is relative, names MLflow's retired file store, or holds a password.
    """
    store = store.resolve()
    if uri is None:
        own = store / "mlflow.db"
        return Place(f"sqlite:///{own}", own, store / "mlartifacts")
    problem = misplaced(uri)
    if problem:
        raise RandstudyError(f"tracking.uri: {problem}")
    web = urlsplit(uri).scheme in WEB
    return Place(uri, None, None if web else store / "mlartifacts")
