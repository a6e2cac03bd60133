"""Running a study from a script or a notebook, with the result that the command would have."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from randstudy.errors import RandstudyError
from randstudy.frame import Frame, load
from randstudy.running import Options, Stale
from randstudy.running import run as train
from randstudy.study import Study


def run(
    study: Study | str | Path,
    *,
    store: str | Path = "results",
    overrides: Sequence[str] = (),
    pack_size: int | None = None,
    address: str | None = None,
    stale: Stale = "refuse",
    retry_failed: bool = False,
    report: bool = False,
    quiet: bool | None = None,
) -> Frame:
    """Train what the ledger lacks of a study, and return the frame: a row a trial.

    Rows whose ``status`` is failed have no numbers; ``randstudy status`` and the store say why.

    Parameters
    ----------
    study : the study, or its file.
    store : folder of the ledger.
    overrides : ``field=value`` as for ``--set``; only with a file.
    pack_size, address, stale, retry_failed : as the options of ``randstudy run``.
    report : make the report, too.
    quiet : print no progress; None is quiet in a notebook.

    Raises
    ------
    StudyError
        The study cannot be run as written; nothing has started.
    RandstudyError
        Outcomes are stale and `stale` does not say what to do, or the run could not go on.
    KeyboardInterrupt
        It was interrupted; what had ended is in the store, and another call goes on.
    """
    _importable()
    if not isinstance(study, Study):
        study = Study.load(study, overrides)
    elif overrides:
        raise RandstudyError("overrides go with a study's file; this study is made already")
    options = Options(
        pack_size=pack_size,
        address=address,
        stale=stale,
        retry_failed=retry_failed,
        report=report,
    )
    folder = Path(store).resolve()
    found = train(study, folder, options, _progress(quiet))
    if found.stop.signal == signal.SIGINT:
        raise KeyboardInterrupt
    if found.stop.signal is not None or found.stop.fatal:
        raise RandstudyError(found.stop.fatal or "stopped by SIGTERM; run again to go on")
    return load(study, store=folder)


def _progress(quiet: bool | None) -> TextIO:
    """Return where progress is written."""
    silent = "ipykernel" in sys.modules if quiet is None else quiet
    return io.StringIO() if silent else sys.stderr


def _importable() -> None:
    """Let the driver find modules where the workers will: last, in the folder of the command."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
