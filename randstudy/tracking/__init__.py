"""MLflow as a mirror of the ledger: a study's runs as the tree study > cell > trial.

The only package that imports MLflow, and only in the exporter's process or inside `sync`; what the
driver calls (`start`, `ui`) does not.

=============  ==================================================================================
records        a run as it should stand, from the ledger alone, so that exporting again is free
trials, cells  the records of trials and cells; `estimates` are the cells' means and intervals
plan           what a study will hold, as it travels to the exporter
runs           the one module that writes to MLflow; `database` makes our own SQLite file
mirror         compares ledger and runs, writes the difference; `session` survives errors
exporter       the process beside training, from the driver's side; `__main__` from its own
=============  ==================================================================================

A run is found by its tags, never by its name or id: ``randstudy.kind`` (study, cell, trial),
``randstudy.study``, ``randstudy.trial``, ``randstudy.cell``, and ``randstudy.record``, a digest of
what it was made from. A complete run whose digest still holds is never touched again; one whose
digest does not is deleted and written anew, since MLflow keeps every row that a run ever had.
"""

from __future__ import annotations

import os
from pathlib import Path

from randstudy.study import Study
from randstudy.tracking.exporter import Exporter, start
from randstudy.tracking.place import ENVIRONMENT
from randstudy.tracking.plan import plan as planned
from randstudy.tracking.report import Report
from randstudy.tracking.server import Command, ui

SYNC_LOCK_SECONDS = 15.0


def sync(study: Study, store: Path) -> Report:
    """Bring MLflow up to date with the ledger, in this process, and wait until it is.

    Half-written runs are completed, duplicates deleted, missing runs made; runs that are complete
    are left alone. Sets MLflow's variables in this process's environment where they are not set.

    Raises
    ------
    RandstudyError
        The study's tracking URI cannot be used. Errors of MLflow are in the report instead.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from randstudy.tracking.session import synchronise

    return synchronise(planned(study), store.resolve(), SYNC_LOCK_SECONDS)


__all__ = ["Command", "Exporter", "Report", "start", "sync", "ui"]
