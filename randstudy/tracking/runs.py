"""The runs of one experiment, through MLflow's public client.

A run costs three calls: create with all tags, one batch of parameters and metrics, terminate. A
killed writer leaves a run RUNNING at worst; every write can be done again without adding a row.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag, ViewType
from mlflow.exceptions import MlflowException

from randstudy.tracking.database import prepare
from randstudy.tracking.place import Place
from randstudy.tracking.records import (
    CELL,
    KIND,
    NAME,
    PARENT,
    RECORD,
    TRIAL,
    TRIALS,
    Kind,
    Record,
    Status,
)

PAGE = 5000
RUNNING = "RUNNING"
Key = tuple[str, str]


@dataclass
class Known:
    """A run that MLflow holds, as last read or written."""

    id: str
    tags: dict[str, str]
    status: str
    start: int
    metrics: Mapping[str, float]

    @property
    def key(self) -> Key:
        """Kind and key of the record that it is the run of."""
        kind = self.tags.get(KIND, "")
        keys = {
            "trial": self.tags.get(TRIAL, ""),
            "cell": f"{self.tags.get(CELL, '')} {self.tags.get(TRIALS, '')}",
        }
        return kind, keys.get(kind, "")

    def can_become(self, record: Record) -> bool:
        """Whether the run was begun as `record`, or opened empty when its end was not known."""
        its = self.tags.get(RECORD)
        return its == record.digest or (its is None and not self.metrics)

    def holds(self, digest: str) -> bool:
        """Whether it is complete, and made from what `digest` stands for."""
        return self.status != RUNNING and self.tags.get(RECORD) == digest


class Runs:
    """The active runs of a study's experiment by kind and key; one a key."""

    def __init__(self, place: Place, study: str) -> None:
        if place.own is not None:
            prepare(place.own)
        self._client = MlflowClient(tracking_uri=place.uri)
        self.written = 0
        self.removed = 0
        self.known: dict[Key, Known] = {}
        self._experiment, is_new = self._find(study, place.artifact_location(study))
        if not is_new:
            self._load()

    def _find(self, study: str, location: str | None) -> tuple[str, bool]:
        """Return the experiment's id and whether it was made now."""
        found = self._client.get_experiment_by_name(study)
        if found is None:
            with contextlib.suppress(MlflowException):
                return self._create(study, location), True
            # Another process may have made it in between; if not, the error shows again.
            found = self._client.get_experiment_by_name(study)
            if found is None:
                return self._create(study, location), True
        if found.lifecycle_stage != "active":
            self._client.restore_experiment(found.experiment_id)
        return found.experiment_id, False

    def _create(self, study: str, location: str | None) -> str:
        # The tag opens MLflow's pages of training runs rather than those for language models.
        kind = {"mlflow.experimentKind": "custom_model_development"}
        made: str = self._client.create_experiment(study, artifact_location=location, tags=kind)
        return made

    def _load(self) -> None:
        """Read all runs of ours, and delete all but one of those with the same key."""
        groups: defaultdict[Key, list[Known]] = defaultdict(list)
        for run in self._read():
            known = Known(
                run.info.run_id,
                dict(run.data.tags),
                run.info.status,
                run.info.start_time,
                dict(run.data.metrics),
            )
            if KIND in known.tags:
                groups[known.key].append(known)
        for key, same in groups.items():
            # Which of them is older cannot be told: equal records begin at equal times.
            same.sort(
                key=lambda known: (known.status == RUNNING, RECORD not in known.tags, known.id)
            )
            self.known[key] = same[0]
            for spare in same[1:]:
                self._delete(spare)

    def _read(self) -> Iterator[Run]:
        token: str | None = None
        while True:
            page = self._client.search_runs(
                [self._experiment],
                run_view_type=ViewType.ACTIVE_ONLY,
                max_results=PAGE,
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                return

    def of(self, kind: Kind) -> list[Known]:
        """Return the known runs of a kind."""
        return [known for (its, _), known in self.known.items() if its == kind]

    def write(self, record: Record, parent: str | None) -> Known:
        """Make MLflow hold a complete record: find or create its run, fill it, terminate it."""
        known = self.known.get((record.kind, record.key))
        if known is not None and not known.can_become(record):
            self.delete(known)
            known = None
        if known is None:
            known = self.open(
                record.kind, record.key, record.name, record.start, record.tags, parent
            )
        self._fill(known, record)
        self.end(known, record.status, record.end)
        return known

    def _fill(self, known: Known, record: Record) -> None:
        """Log everything in as few calls as the limits allow; the client splits at 1,000."""
        late = {name: text for name, text in record.tags.items() if known.tags.get(name) != text}
        self._client.log_batch(
            known.id,
            metrics=[Metric(p.metric, p.value, p.time, p.step) for p in record.points],
            params=[Param(name, text) for name, text in record.params.items()],
        )
        # Tags last and apart: with them the record's digest, which vouches for the rest.
        self.tag(known, late)
        known.metrics = {point.metric: point.value for point in record.points}

    def open(
        self,
        kind: Kind,
        key: str,
        name: str,
        start: int,
        tags: Mapping[str, str],
        parent: str | None,
    ) -> Known:
        """Create a run, RUNNING."""
        every = dict(tags) | {NAME: name} | ({PARENT: parent} if parent else {})
        run = self._client.create_run(self._experiment, start_time=start, tags=every)
        known = Known(run.info.run_id, every, RUNNING, start, {})
        self.known[kind, key] = known
        self.written += 1
        return known

    def tag(self, known: Known, tags: Mapping[str, str]) -> None:
        """Set tags, those that differ, in one call."""
        changed = {name: text for name, text in tags.items() if known.tags.get(name) != text}
        if changed:
            batch = [RunTag(name, text) for name, text in changed.items()]
            self._client.log_batch(known.id, tags=batch)
            known.tags |= changed

    def params(self, known: Known, params: Mapping[str, str]) -> None:
        """Log parameters, which may be there already."""
        self._client.log_batch(known.id, params=[Param(*item) for item in params.items()])

    def end(self, known: Known, status: Status, time: int) -> None:
        """Terminate a run."""
        if known.status != status:
            self._client.set_terminated(known.id, status=status, end_time=time)
            known.status = status

    def reopen(self, known: Known) -> None:
        """Mark a run RUNNING again."""
        if known.status != RUNNING:
            self._client.update_run(known.id, status=RUNNING)
            known.status = RUNNING

    def file(self, known: Known, name: str, text: str) -> None:
        """Keep a text as an artifact; one of that name is replaced."""
        self._client.log_text(known.id, text, name)

    def folder(self, known: Known, folder: Path, name: str) -> None:
        """Keep a folder's files as artifacts under a name; files that are there are replaced."""
        self._client.log_artifacts(known.id, str(folder), name)

    def delete(self, known: Known) -> None:
        """Delete a run, which MLflow keeps in its bin."""
        self._delete(known)
        self.known.pop(known.key, None)

    def _delete(self, known: Known) -> None:
        if known.status == RUNNING:
            self.end(known, "KILLED", known.start)
        self._client.delete_run(known.id)
        self.removed += 1
