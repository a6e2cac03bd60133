"""Words for how a training ended, turned into finished, diverged and failed."""

from __future__ import annotations

import pandas as pd

MEANINGS = {
    "finished": (
        "finished",
        "ok",
        "success",
        "successful",
        "succeeded",
        "complete",
        "completed",
        "done",
    ),
    "diverged": ("diverged", "nan"),
    "failed": (
        *("failed", "failure", "crashed", "killed", "error", "errored", "preempted", "aborted"),
        *("cancelled", "canceled", "timeout", "stopped"),
    ),
    "running": ("running", "pending", "queued", "scheduled", "preempting"),
}
"""What words mean, in whatever case."""

AS_READ = "status_as_read"
"""Name that a status column gets whose words are not known."""


def word(text: object) -> str | None:
    """Return finished, diverged, failed or running for a word, None for one that is not known."""
    folded = str(text).strip().casefold()
    return next((meaning for meaning, words in MEANINGS.items() if folded in words), None)


def with_status(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return a table whose column status has our words, and what there is to say about that.

    Rows of trainings that still ran are left out. A column status with other words is renamed, so
    that no analysis takes its rows for failures.
    """
    if "status" not in frame.columns:
        return frame, ()
    words = {text: word(text) for text in frame["status"].dropna().unique()}
    strange = [str(text) for text, known in words.items() if known is None]
    if strange or frame["status"].isna().any():
        why = f"{strange[0]!r} is no end of a training" if strange else "some rows have none"
        return frame.rename(columns={"status": AS_READ}), (
            f"column status was renamed {AS_READ}: {why}, so every row counts as finished",
        )
    found = frame.assign(status=frame["status"].map(words).astype("str"))
    return without_running(found)


def without_running(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Leave out rows whose training still ran, whose numbers are not its last."""
    running = frame["status"] == "running"
    count = int(running.sum())
    if not count:
        return frame, ()
    told = f"{count:,} {'training' if count == 1 else 'trainings'} had not ended; left out"
    return frame[~running].reset_index(drop=True), (told,)
