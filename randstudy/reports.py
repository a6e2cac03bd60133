"""Where a study's report lies in a store, and what it was made from."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

STAMP = ".made-from"
"""Names what a report was made from, so that it is made and kept again only when that changes."""

VERDICT = "verdict.md"
"""The verdict's sentences, for MLflow's description of the study."""


def folder_of(study: str, store: Path) -> Path:
    """Return the folder of a study's report, by the study's name."""
    return store / "reports" / quote(study, safe=" ")


def stamp_of(folder: Path) -> str:
    """Return what a report was made from; empty where there is no whole report."""
    try:
        return (folder / STAMP).read_text()
    except OSError:
        return ""
