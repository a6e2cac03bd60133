"""Findings: outcomes of one trial that contradict one another. They are reported, never hidden."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from randstudy.rows import Entry


@dataclass(frozen=True)
class Finding:
    """Outcomes of one trial that should be equal and are not."""

    trial: str
    entries: tuple[Entry, ...]
    message: str

    def __str__(self) -> str:
        attempts = ", ".join(entry.attempt for entry in self.entries)
        return f"trial {self.trial}: {self.message} (attempts {attempts})"


def contradictions(entries: Iterable[Entry]) -> list[Finding]:
    """Return the trials whose outcomes contradict one another, in order of id."""
    by_trial: defaultdict[str, dict[str, Entry]] = defaultdict(dict)
    for entry in entries:
        by_trial[entry.trial].setdefault(entry.attempt, entry)
    return [
        Finding(trial, tuple(group.values()), message)
        for trial, group in sorted(by_trial.items())
        if (message := _contradiction(list(group.values())))
    ]


def _contradiction(group: Sequence[Entry]) -> str:
    """Say in what outcomes of one trial differ that should not; nothing if they agree."""
    if len({entry.result for entry in group}) > 1:
        classes = {entry.provenance.get("numerics_class", "") for entry in group}
        within = "in different numerics classes" if len(classes) > 1 else "in one numerics class"
        return f"trained to different results, {within}"
    by_cadence: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    for entry in group:
        by_cadence[entry.cadence, *entry.extras].add(entry.observed)
    if any(len(observed) > 1 for observed in by_cadence.values()):
        return "equal weights, but different metrics or curves"
    if len({entry.predicted for entry in group if entry.predicted}) > 1:
        return "equal weights, but different predictions"
    if len({entry.outputs for entry in group if entry.outputs}) > 1:
        return "equal weights, but different logits"
    return ""
