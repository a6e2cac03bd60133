"""What a study will hold once it is done, as plain values that travel to the exporter as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from randstudy.design import Design
from randstudy.study import Study
from randstudy.tracking.records import digest, level, params, tags

RECIPE = ("seed", "train", "data", "model", "init", "pruning", "training", "metric", "direction")
UNTOLD = ("name", "question", "tracking")


@dataclass(frozen=True)
class PlannedTrial:
    """A trial's id and the replicate of each stream that it consumes."""

    id: str
    replicates: Mapping[str, int]
    repeat: int = 0


@dataclass(frozen=True)
class PlannedCell:
    """A cell, its levels by factor as written, and its trials."""

    label: str
    levels: Mapping[str, Any]
    trials: tuple[PlannedTrial, ...]

    @property
    def members(self) -> str:
        """Return the digest of the cell's trial ids: more replicates make another cell run."""
        return digest(sorted(trial.id for trial in self.trials))


@dataclass(frozen=True)
class Plan:
    """A study as the mirror needs it.

    Attributes
    ----------
    study : its name, and the experiment's.
    metric, direction : what cells are compared by.
    seed : the study seed.
    params : resolved fields of the study, dotted, as text; what its trials have in common.
    tags : what else there is to say, and may change from run to run.
    text : the study file as it was read; empty for a study made in Python.
    resolved : every field of the study, as JSON.
    uri : tracking URI as the study has it.
    folder : where the driver works; its git commit is noted.
    """

    study: str
    metric: str
    direction: str
    seed: int
    params: Mapping[str, str]
    tags: Mapping[str, str]
    text: str
    resolved: str
    uri: str | None
    folder: str
    cells: tuple[PlannedCell, ...]

    def to_json(self) -> str:
        """Return the plan as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        fields = json.loads(text)
        cells = tuple(
            PlannedCell(
                cell["label"],
                cell["levels"],
                tuple(PlannedTrial(**trial) for trial in cell["trials"]),
            )
            for cell in fields.pop("cells")
        )
        return cls(**fields, cells=cells)


def plan(study: Study) -> Plan:
    """Return what the mirror needs to know of a study.

    Fields of the recipe are parameters, which MLflow never lets change; the others (replicates,
    factors, cadence, resources) may change from one run to the next, so they are tags.
    """
    resolved = study.resolved()
    design = Design(study)
    cells = tuple(
        PlannedCell(
            cell.label,
            dict(cell.levels),
            tuple(
                PlannedTrial(trial.id, dict(trial.replicates), trial.repeat)
                for trial in design.trials_of(cell)
            ),
        )
        for cell in design.cells
    )
    told = {
        f"randstudy.{name}": level(value)
        for name, value in resolved.items()
        if name not in (*RECIPE, *UNTOLD) and value not in ({}, [])
    }
    return Plan(
        study=study.name,
        metric=study.metric,
        direction=study.direction,
        seed=study.seed,
        params=params(dict(_flat({name: resolved[name] for name in RECIPE if name in resolved}))),
        tags=tags({"mlflow.note.content": study.question, **told}),
        text=study.text,
        resolved=json.dumps(resolved, indent=2),
        uri=study.tracking.uri,
        folder=os.getcwd(),
        cells=cells,
    )


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted field, value) of nested mappings; a part's name stands at the part itself."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}".removesuffix(".name"), value
