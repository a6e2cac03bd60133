"""The ledger: the durable record of outcomes, failures and what was forgotten.

Everything is a sealed file (`randstudy.sealed`) under ``<store>/ledger``::

    outcomes/   <attempt>-<digest>.parquet   one for each commit, immutable (`randstudy.rows`)
    failures/   <attempt>-<digest>.json      failed attempts: evidence, not outcomes
    forgotten/  <attempt>-<digest>.json      tombstones: (trial, attempt) pairs no longer counted
    plans/<study>/<attempt>-<digest>.txt     what was about to be run
    looks/<study>/<attempt>-<digest>.json    what was seen of the declared comparison, and when
    locks/<study>.json                       who runs it now (`randstudy.lock`)
    damaged/                                 files that were set aside

Readers take the union of the outcome files. Where a trial has several outcomes the one with more
observed counts, then that of the smallest attempt id; the others stay as evidence.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from randstudy.analysis.looks import Look
from randstudy.compaction import batches, join
from randstudy.errors import LedgerError
from randstudy.findings import Finding, contradictions
from randstudy.outcomes import Failure, Outcome
from randstudy.rows import Entry, decode, encode, entries
from randstudy.sealed import LISTINGS, DamagedError, Shelf, make_folder, seal, unseal

ATTEMPT = re.compile(r"[0-9A-Za-z_.]+")
MOST_FILES = 500


def new_attempt() -> str:
    """Return a unique name for an attempt, 20 hex digits that sort by time (milliseconds)."""
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(4).hex()}"


class Ledger:
    """The record in a store. Many processes may commit and read; one at a time should compact."""

    def __init__(self, store: Path) -> None:
        self.folder = store / "ledger"
        self._outcomes = Shelf(self.folder / "outcomes", ".parquet", entries)
        self._failures = Shelf(self.folder / "failures", ".json", _failure)
        self._forgotten = Shelf(self.folder / "forgotten", ".json", _buried)

    def commit(self, outcomes: Sequence[Outcome], *, attempt: str) -> Path:
        """Write outcomes durably as one file; once this returns, they are kept.

        Raises
        ------
        LedgerError
            The file could not be written; none of the outcomes is in the ledger.
        ValueError
            No outcome, a trial twice, or curves of unequal length.
        """
        trials = {outcome.trial for outcome in outcomes}
        if not outcomes or len(trials) != len(outcomes):
            raise ValueError(f"{len(outcomes)} outcomes of {len(trials)} trials in one commit")
        content = encode(outcomes, _checked(attempt))
        return seal(self._outcomes.folder, attempt, ".parquet", content)

    def fail(self, failure: Failure) -> Path:
        """Record a failed attempt durably."""
        content = json.dumps(asdict(failure), sort_keys=True, default=str).encode()
        return seal(self._failures.folder, _checked(failure.attempt), ".json", content)

    def index(self, *, skip_damaged: bool = False) -> dict[str, Entry]:
        """Return the entry that counts for each trial, by id.

        Cheap to call again: a file is read once for the life of this object.

        Raises
        ------
        LedgerError
            A file is damaged (each is named), unless `skip_damaged`.
        """
        found: dict[str, Entry] = {}
        for entry in self._entries(skip_damaged):
            best = found.get(entry.trial)
            if best is None or entry.rank < best.rank:
                found[entry.trial] = entry
        return found

    def outcomes(
        self,
        ids: Iterable[str] | None = None,
        *,
        predictions: bool = False,
        logits: bool = False,
        skip_damaged: bool = False,
    ) -> Iterator[Outcome]:
        """Yield the outcome that counts of each trial, file by file; unknown ids are left out.

        Predictions and logits are read only when asked for.
        """
        left = set(self.index(skip_damaged=skip_damaged)) if ids is None else set(ids)
        for _ in range(LISTINGS):
            wanted: defaultdict[Path, set[tuple[str, str]]] = defaultdict(set)
            for trial, entry in self.index(skip_damaged=skip_damaged).items():
                if trial in left:
                    wanted[entry.file].add((trial, entry.attempt))
            try:
                for path, keys in wanted.items():
                    read = self._read(
                        path, keys, skip_damaged, predictions=predictions, logits=logits
                    )
                    for outcome in read:
                        left.discard(outcome.trial)
                        yield outcome
                return
            except FileNotFoundError:
                # Compacted since the index was made: what is left is in another file now.
                continue
        raise LedgerError(f"{self.folder}: files vanish while they are read; try again")

    def read(self, path: Path) -> list[Outcome]:
        """Return all outcomes of one file, with predictions and logits."""
        return list(decode(path, unseal(path), None, predictions=True, logits=True))

    def failures(self, *, skip_damaged: bool = False) -> list[Failure]:
        """Return the failed attempts in order of their ids."""
        held = self._failures.refresh()
        self._complain(skip_damaged, self._failures)
        return list(held.values())

    def findings(self, *, skip_damaged: bool = False) -> list[Finding]:
        """Return the trials whose outcomes contradict one another, in order of id."""
        return contradictions(self._entries(skip_damaged))

    def forget(self, ids: Iterable[str], reason: str) -> Path:
        """Stop counting the present outcomes of `ids`; the next run trains them again.

        Raises
        ------
        LedgerError
            A trial has no outcome here; then none is forgotten.
        """
        wanted = set(ids)
        pairs = sorted({(e.trial, e.attempt) for e in self._entries(True) if e.trial in wanted})
        unknown = sorted(wanted - {trial for trial, _ in pairs})
        if unknown or not pairs:
            names = ", ".join(unknown) or "no id given"
            raise LedgerError(f"{self.folder}: holds no outcome to forget for: {names}")
        text = json.dumps({"reason": reason, "unix_time": time.time(), "outcomes": pairs})
        return seal(self._forgotten.folder, new_attempt(), ".json", text.encode())

    def damaged(self) -> dict[Path, str]:
        """Return what is wrong with each damaged file."""
        shelves = (self._outcomes, self._failures, self._forgotten)
        found: dict[Path, str] = {}
        for shelf in shelves:
            shelf.refresh()
            found |= shelf.damaged
        return found

    def set_aside(self) -> list[Path]:
        """Move damaged files to ``damaged/``, as evidence; the next run trains what they held."""
        moved = []
        for path in self.damaged():
            target = self.folder / "damaged" / f"{path.parent.name}-{path.name}"
            try:
                make_folder(target.parent)
                os.rename(path, target)
            except OSError as error:
                raise LedgerError(f"cannot move {path}: {error.strerror or error}") from error
            moved.append(target)
        return moved

    def compact(self, *, most_files: int = MOST_FILES) -> list[Path]:
        """Join small outcome files when there are more than `most_files`; return the new files.

        Killed at any point it loses nothing: the joined file is there before the others go, and
        an outcome that is in two files is one outcome.
        """
        for path in self._outcomes.left_behind():
            path.unlink(missing_ok=True)
        if len(self._outcomes.paths()) <= most_files:
            return []
        joined = []
        # A file that vanishes was joined by the driver of another study in this store.
        with contextlib.suppress(FileNotFoundError):
            for batch in batches(list(self._outcomes.refresh())):
                joined.append(join(batch))  # noqa: PERF401 - kept when a later one vanishes
        return joined

    def write_plan(self, study: str, text: str) -> Path:
        """Keep what is about to be run; an unchanged plan is not written again."""
        plans = self._plans(study)
        if self.plan(study) == text:
            return plans.paths()[-1]
        return seal(plans.folder, new_attempt(), ".txt", text.encode())

    def plan(self, study: str) -> str | None:
        """Return the study's last plan, None when it has none."""
        paths = self._plans(study).paths()
        return unseal(paths[-1]).decode() if paths else None

    def plans(self, study: str) -> list[tuple[str, str]]:
        """Return (attempt, text) of all plans of a study, in the order in which they were made."""
        return [
            (path.name.split("-")[0], unseal(path).decode()) for path in self._plans(study).paths()
        ]

    def look(self, study: str, look: Look) -> Look:
        """Record that a comparison was looked at; return the look as it is kept."""
        kept = replace(look, attempt=new_attempt())
        content = json.dumps(asdict(kept), sort_keys=True).encode()
        seal(self._looks(study).folder, kept.attempt, ".json", content)
        return kept

    def looks(self, study: str) -> list[Look]:
        """Return what was seen of a study's comparisons, in order of time."""
        shelf = self._looks(study)
        found = shelf.refresh()
        self._complain(False, shelf)
        return list(found.values())

    def _looks(self, study: str) -> Shelf[Look]:
        folder = self.folder / "looks" / quote(study, safe=" ")
        return Shelf(folder, ".json", lambda path, content: Look(**_record(path, content)))

    def _plans(self, study: str) -> Shelf[str]:
        folder = self.folder / "plans" / quote(study, safe=" ")
        return Shelf(folder, ".txt", lambda _, content: content.decode())

    def _entries(self, skip_damaged: bool) -> Iterator[Entry]:
        files, tombstones = self._outcomes.refresh(), self._forgotten.refresh()
        self._complain(skip_damaged, self._outcomes, self._forgotten)
        buried = set().union(*tombstones.values())
        for held in files.values():
            for entry in held:
                if not buried or (entry.trial, entry.attempt) not in buried:
                    yield entry

    def _read(
        self, path: Path, keys: set[tuple[str, str]], skip_damaged: bool, **kept: bool
    ) -> Iterator[Outcome]:
        try:
            yield from decode(path, unseal(path), keys, **kept)
        except DamagedError as error:
            if not skip_damaged:
                raise _complaint([str(error)]) from error

    def _complain(self, skip: bool, *shelves: Shelf[Any]) -> None:
        problems = [text for shelf in shelves for text in shelf.damaged.values()]
        if problems and not skip:
            raise _complaint(problems)


def _complaint(problems: Sequence[str]) -> LedgerError:
    count = "a file" if len(problems) == 1 else f"{len(problems)} files"
    return LedgerError(
        "\n".join(
            (
                f"{count} of the ledger cannot be counted on:",
                *(f"  {problem}" for problem in problems),
                "Restore from a copy, or move away what is named and run again: only the trials "
                "that it held are trained again, all others are kept.",
            )
        )
    )


def _checked(attempt: str) -> str:
    if not ATTEMPT.fullmatch(attempt):
        raise ValueError(f"attempt {attempt!r} is not a plain name")
    return attempt


def _failure(path: Path, content: bytes) -> Failure:
    record = _record(path, content)
    return Failure(**{**record, "trials": tuple(record["trials"])})


def _buried(path: Path, content: bytes) -> set[tuple[str, str]]:
    return {(trial, attempt) for trial, attempt in _record(path, content)["outcomes"]}


def _record(path: Path, content: bytes) -> Mapping[str, Any]:
    try:
        return dict(json.loads(content))
    except ValueError as error:
        raise DamagedError(f"{path}: not JSON ({error})") from error
