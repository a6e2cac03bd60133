"""How far the mirror got, as values and in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Report:
    """What an export did.

    Attributes
    ----------
    mirrored : trials of the study that MLflow holds as the ledger does.
    behind : trials in the ledger that MLflow is not known to hold.
    written : runs written by this export: trials, cells and the study.
    removed : runs deleted by it: duplicates, and runs that a newer one replaces.
    place : where the runs are, without credentials.
    error : why it is behind; empty when nothing went wrong.
    done : false when it was cut short.
    """

    mirrored: int = 0
    behind: int = 0
    written: int = 0
    removed: int = 0
    place: str = ""
    error: str = ""
    done: bool = True

    def __str__(self) -> str:
        if not self.behind and not self.error and self.done:
            return f"MLflow holds {count(self.mirrored)}: {self.place}"
        lacking = f"behind by {count(self.behind)}" if self.behind else "not complete"
        why = f" ({self.error})" if self.error else ""
        return (
            f"MLflow is {lacking}: {self.place}{why}. Nothing is lost: the ledger holds the "
            "results, and the next run of this study brings MLflow up to date."
        )


def count(trials: int) -> str:
    """Say a number of trials."""
    return f"{trials:,} trial{'' if trials == 1 else 's'}"
