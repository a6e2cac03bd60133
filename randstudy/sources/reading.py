"""One way in for results of any origin."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from randstudy.errors import RandstudyError
from randstudy.sources import wandb
from randstudy.sources.status import with_status
from randstudy.sources.tables import table

MLFLOW = "mlflow:"


def read(place: str, *, tracking_uri: str | None = None) -> pd.DataFrame:
    """Return the trials, or curves, that a place holds.

    Parameters
    ----------
    place : a file (.csv, .csv.gz, .tsv, .parquet), or ``mlflow:`` and an experiment's name or id.
    tracking_uri : where the MLflow experiment is: a URI, or the path of an SQLite file; when None
        MLflow's own default (MLFLOW_TRACKING_URI).

    Returns
    -------
    A frame with the columns of the table, and ``attrs``: ``kind`` ("trials" or "curves"),
    ``origin`` ("table", "W&B runs", "W&B chart", "MLflow") and ``notes``, sentences about what was
    left out or renamed. Exports of W&B are known by their columns (`randstudy.sources.wandb`). A
    column status holds finished, diverged and failed.

    Raises
    ------
    RandstudyError
        Nothing there, nothing that can be read, or no rows.
    """
    if place.startswith(MLFLOW):
        from randstudy.tracking.reading import experiment

        return experiment(place.removeprefix(MLFLOW).strip(), tracking_uri)
    if tracking_uri is not None:
        raise RandstudyError(f"a tracking URI goes with {MLFLOW}EXPERIMENT, not with {place}")
    frame = table(Path(place))
    if wandb.is_chart(frame):
        return wandb.curves(frame)
    if wandb.is_runs(frame):
        return wandb.runs(frame)
    if wandb.is_script(frame):
        return wandb.script(frame)
    frame, notes = with_status(frame)
    frame.attrs = {"kind": "trials", "origin": "table", "notes": notes}
    return frame
