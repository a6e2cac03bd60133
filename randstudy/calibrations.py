"""Measured pack widths, kept in the store so that a shape is timed once a kind of machine."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from randstudy.header import Resources
from randstudy.packs import PackShape, shape_of
from randstudy.sealed import make_folder, replace
from randstudy.trials import Trial


class Calibrations:
    """Widths and seconds by shape of pack, for one choice of resources on one kind of machine.

    They steer only how fast a study runs, so a file that is missing or unreadable counts as empty.
    """

    def __init__(self, store: Path, resources: Resources) -> None:
        self.path = store / "calibrations.json"
        machine = f"{platform.machine()}-{os.cpu_count()}"
        self.context = f"{machine} cpus={resources.cpus} gpus={resources.gpus:g}"
        self._found = self._load()

    def known(self, trials: Iterable[Trial]) -> dict[PackShape, int]:
        """Return the widths of those shapes of `trials` that were timed before."""
        shapes = {shape_of(trial.setup) for trial in trials}
        return {shape: int(found["width"]) for shape in shapes if (found := self.of(shape))}

    def of(self, shape: PackShape) -> Mapping[str, Any] | None:
        """Return ``width`` and ``seconds_per_trial`` of a shape, or None."""
        found: Mapping[str, Any] | None = self._found.get(self._name(shape))
        return found

    def add(self, shape: PackShape, report: Mapping[str, Any]) -> None:
        """Keep a worker's measurement."""
        self._found[self._name(shape)] = {
            "width": int(report["width"]),
            "seconds_per_trial": float(report["seconds_per_trial"]),
        }
        make_folder(self.path.parent)
        replace(self.path, json.dumps(self._found, indent=1, sort_keys=True).encode())

    def _name(self, shape: PackShape) -> str:
        return f"{self.context}: {shape!r}"

    def _load(self) -> dict[str, Any]:
        try:
            found = json.loads(self.path.read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}
