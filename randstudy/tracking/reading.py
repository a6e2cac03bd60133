"""An MLflow experiment as a frame, whoever logged it: a row a run that ended."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pandas as pd

from randstudy.errors import RandstudyError
from randstudy.nearest import suggestion
from randstudy.tracking.place import ENVIRONMENT
from randstudy.tracking.records import CELL, KIND, PARENT, TRIAL
from randstudy.uris import redacted

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

PAGE = 5000
ENDS = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "failed"}

THEIRS = "mlflow."
OURS = "randstudy."
REPLICATE = f"{OURS}replicate."
REPEAT = f"{OURS}repeat"
STATUS = f"{OURS}status"

LARGEST = sys.float_info.max
"""What MLflow's databases store for infinity."""


def experiment(name: str, tracking_uri: str | None = None) -> pd.DataFrame:
    """Return the runs of an experiment that ended.

    Parameters
    ----------
    name : the experiment's name or id.
    tracking_uri : a URI, the path of an SQLite file or of an ``mlruns`` folder; when None
        MLflow's own default. Nothing is ever written there.

    Returns
    -------
    Columns trial (the run's id), run (its name), status (FINISHED is finished, FAILED and KILLED
    are failed), then parameters, last values of metrics, and tags but MLflow's own. Text is turned
    into numbers where all of a column are numbers. A metric or tag whose name a column has already
    is called ``metrics.<name>`` or ``tags.<name>``, a parameter ``params.<name>``. Left out and
    told in ``attrs["notes"]``: runs that have not ended, and parents of other runs that have no
    metric. Of an experiment that randstudy wrote only the runs of trials are taken, with their
    own ids, cells, replicates and status; ``attrs["factors"]`` names its factors.

    Raises
    ------
    RandstudyError
        No such experiment, none of its runs ended, or MLflow cannot be reached or read.
    """
    for key, value in ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    uri = _uri(tracking_uri)
    try:
        runs = _runs(uri, name)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise RandstudyError(f"MLflow at {redacted(uri)} cannot be read: {first[:300]}") from error
    ours = [run for run in runs if KIND in run.data.tags]
    if ours:
        return _trials(ours, len(runs) - len(ours), name)
    return _strangers(runs, name)


def _uri(given: str | None) -> str:
    """Return a tracking URI that exists where that can be told: MLflow would make a new database.

    Raises
    ------
    RandstudyError
        There is no such file or folder.
    """
    if given is None:
        import mlflow

        given = str(mlflow.get_tracking_uri())
    parts = urlsplit(given)
    if parts.scheme in ("", "file"):
        path = Path(unquote(parts.path)).absolute()
        if not path.exists():
            raise RandstudyError(f"there is no MLflow store {path}")
        if path.is_file():
            return f"sqlite:///{path}"
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        return path.as_uri()
    if parts.scheme.split("+")[0] == "sqlite":
        path = Path(re.sub(r"^[^:]+:///", "", given).partition("?")[0])
        if not path.is_file():
            raise RandstudyError(
                f"there is no MLflow database {path.absolute()}; say where it is with a tracking "
                "URI"
            )
    return given


def _runs(uri: str, name: str) -> list[Run]:
    from mlflow import MlflowClient

    from randstudy.tracking.session import reach

    reach(uri)
    client = MlflowClient(tracking_uri=uri)
    found: list[Run] = []
    token: str | None = None
    number = _found(client, name).experiment_id
    while True:
        page = client.search_runs(
            [number], max_results=PAGE, page_token=token, order_by=["attributes.start_time ASC"]
        )
        found += page
        token = page.token
        if not token:
            return found


def _found(client: MlflowClient, name: str) -> Experiment:
    """Return the experiment of that name, else of that id."""
    named = client.get_experiment_by_name(name)
    if named is not None:
        return named
    every = list(client.search_experiments())
    for one in every:
        if one.experiment_id == name:
            return one
    known = [one.name for one in every if one.name != "Default"]
    raise RandstudyError(f"MLflow has no experiment {name!r}{suggestion(name, known)}")


def _strangers(runs: Iterable[Run], name: str) -> pd.DataFrame:
    """Return the frame of runs that other code logged."""
    runs = list(runs)
    parents = {run.data.tags.get(PARENT) for run in runs}
    full = [run for run in runs if run.info.run_id not in parents or run.data.metrics]
    ended = [run for run in full if run.info.status in ENDS]
    notes = _notes(
        {
            "has not ended": len(full) - len(ended),
            "is a parent of others without a metric": len(runs) - len(full),
        }
    )
    _demand(ended, name, notes)
    frame = pd.DataFrame(
        {
            "trial": [run.info.run_id for run in ended],
            "run": [run.info.run_name for run in ended],
            "status": [ENDS[run.info.status] for run in ended],
        }
    )
    tags = [_without(run.data.tags, THEIRS) for run in ended]
    parts = {
        "params": _texts([run.data.params for run in ended]),
        "metrics": _metrics(ended),
        "tags": _texts(tags),
    }
    frame = _joined(frame, parts)
    frame.attrs = {"kind": "trials", "origin": "MLflow", "notes": notes}
    return frame


def _trials(ours: Iterable[Run], others: int, name: str) -> pd.DataFrame:
    """Return the frame of a study's trials, with the columns that `randstudy.load` gives."""
    trials = [run for run in ours if run.data.tags[KIND] == "trial"]
    ended = [run for run in trials if run.info.status in ENDS and STATUS in run.data.tags]
    unended = len(trials) - len(ended)
    notes = _notes({"has not ended": unended, "is not randstudy's": others})
    _demand(ended, name, notes)
    tags = [run.data.tags for run in ended]
    frame = pd.DataFrame(
        {
            "trial": [one.get(TRIAL, "") for one in tags],
            "cell": [one.get(CELL, "") for one in tags],
            "status": [one[STATUS] for one in tags],
        }
    )
    factors = _texts([run.data.params for run in ended])
    own = _texts([{k.removeprefix(OURS): v for k, v in one.items() if _kept(k)} for one in tags])
    if "repeat" in own:
        own["repeat"] = own["repeat"].fillna(0).astype(np.int64)
    frame = _joined(frame, {"params": factors, "tags": own, "metrics": _metrics(ended)})
    named = tuple(factor for factor in factors.columns if factor in frame.columns)
    frame.attrs = {"kind": "trials", "origin": "randstudy", "notes": notes, "factors": named}
    return frame


def _kept(tag: str) -> bool:
    return tag.startswith(REPLICATE) or tag == REPEAT


def _notes(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Say how many runs were left out and why."""
    plural = {"has": "have", "is": "are"}
    told = []
    for why, count in counts.items():
        verb, rest = why.split(" ", 1)
        if count:
            words = f"run {verb}" if count == 1 else f"runs {plural[verb]}"
            told.append(f"{count:,} {words} {rest}; left out")
    return tuple(told)


def _demand(ended: Iterable[Run], name: str, notes: tuple[str, ...]) -> None:
    if not list(ended):
        why = f" ({'; '.join(notes)})" if notes else ""
        raise RandstudyError(f"experiment {name!r} has no run that ended{why}")


def _without(tags: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {key: value for key, value in tags.items() if not key.startswith(prefix)}


def _texts(rows: Iterable[Mapping[str, str]]) -> pd.DataFrame:
    """Return texts a column each, as numbers where all of a column are numbers."""
    return pd.DataFrame(list(rows)).apply(_numbers)


def _numbers(texts: pd.Series[Any]) -> pd.Series[Any]:
    found = pd.to_numeric(texts, errors="coerce")
    return found if bool((found.notna() | texts.isna()).all()) else texts


def _metrics(runs: Iterable[Run]) -> pd.DataFrame:
    """Return the last values of metrics, infinite where a database could not hold infinity."""
    found = pd.DataFrame([dict(run.data.metrics) for run in runs], dtype=np.float64)
    return found.mask(found >= LARGEST, np.inf).mask(found <= -LARGEST, -np.inf)


def _joined(frame: pd.DataFrame, parts: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Put parts beside each other; a name that is taken gets its part in front."""
    taken = Counter(frame.columns)
    named = []
    for part, table in parts.items():
        names = {name: f"{part}.{name}" if taken[name] else str(name) for name in table.columns}
        taken.update(names.values())
        named.append(table.rename(columns=names))
    return pd.concat([frame, *named], axis=1)
