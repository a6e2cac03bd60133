"""Design against ledger: what is done, what is left, and what may no longer be trusted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version

from randstudy import digests
from randstudy.design import Design, Trial
from randstudy.errors import RandstudyError
from randstudy.handover import HandedRecipe, Setup
from randstudy.ledger import Ledger
from randstudy.numerics import NUMERICS_VERSION
from randstudy.rows import Entry
from randstudy.study import Study

WATCHED = ("data_digest", "numerics", "torch", "source_digest")
"""Provenance that must be what it would be today; a difference makes an outcome stale."""


@dataclass(frozen=True)
class Account:
    """Every planned trial, in exactly one list.

    Attributes
    ----------
    done : finished or diverged, and trusted.
    stale : done, but with other data, torch, arithmetic or code of the study's own than today's.
    reobserve : done, but looked at less often than is now asked.
    failed : given up because of an error in the study's own parts; only tried again on request.
    missing : everything else.
    """

    done: list[Trial]
    stale: list[Trial]
    reobserve: list[Trial]
    failed: list[Trial]
    missing: list[Trial]
    changes: Mapping[str, str]

    @property
    def planned(self) -> int:
        """Distinct trials of the design."""
        return sum(map(len, (self.done, self.stale, self.reobserve, self.failed, self.missing)))

    @property
    def left(self) -> int:
        """Trials that a run would train."""
        return len(self.missing) + len(self.reobserve)


def account(study: Study, ledger: Ledger) -> Account:
    """Sort the trials of a study's present design by what the ledger knows of them."""
    index = ledger.index()
    errors = {
        trial
        for failure in ledger.failures()
        if failure.kind != "infrastructure"
        for trial in failure.trials
    }
    found = Account([], [], [], [], [], {})
    changes: Counter[str] = Counter()
    wanted: dict[object, Mapping[str, str]] = {}
    known = _Sources()
    for trial in Design(study).trials():
        entry = index.get(trial.id)
        if entry is None:
            (found.failed if trial.id in errors else found.missing).append(trial)
            continue
        watched = known.of(trial.setup)
        if watched not in wanted:
            wanted[watched] = today(trial)
        different = differences(entry, wanted[watched])
        if different:
            changes.update(different)
            found.stale.append(trial)
        elif unseen(study, trial, entry):
            found.reobserve.append(trial)
        else:
            found.done.append(trial)
    lines = {line: f"{count:,} trials" for line, count in sorted(changes.items())}
    return Account(found.done, found.stale, found.reobserve, found.failed, found.missing, lines)


def today(trial: Trial) -> Mapping[str, str]:
    """Return the watched provenance that a training would have now."""
    own = digests.provenance(trial.setup)
    if isinstance(trial.setup, HandedRecipe):
        return {**own, "torch": version("torch")}
    return {
        "data_digest": trial.setup.data.digest(),
        "numerics": NUMERICS_VERSION,
        "torch": version("torch"),
        **own,
    }


class _Sources:
    """What the provenance of a training depends on: its data, and the modules of own code.

    Neighbours in a design have the same recipe, which is looked through once.
    """

    def __init__(self) -> None:
        self._last: Setup | None = None
        self._found: tuple[object, frozenset[str]] = (None, frozenset())

    def of(self, setup: Setup) -> tuple[object, frozenset[str]]:
        """Return a key that is equal where provenance is."""
        if setup is not self._last:
            data = None if isinstance(setup, HandedRecipe) else setup.data
            self._last, self._found = setup, (data, digests.own_modules(setup))
        return self._found


def differences(entry: Entry, wanted: Mapping[str, str]) -> list[str]:
    """Return a line for each watched fact in which an outcome differs from today's."""
    return [
        f"{name}: {entry.provenance.get(name, 'unknown')} -> {value}"
        for name, value in wanted.items()
        if entry.provenance.get(name) != value
    ]


def unseen(study: Study, trial: Trial, entry: Entry) -> bool:
    """Tell whether a finished outcome lacks evaluations or what else is now asked to be kept."""
    if entry.status != "finished" or isinstance(trial.setup, HandedRecipe):
        return False
    recipe, asked = trial.recipe, study.evaluation
    wanted = asked.evaluations(entry.steps, recipe.steps_per_epoch)
    shape = recipe.data.shape()
    classes = shape.target == "class"
    predictions = asked.predictions and classes and shape.outputs <= 256
    return (
        entry.evaluations < wanted
        or (predictions and not entry.predicted)
        or (asked.logits and classes and not entry.outputs)
        or asked.lacks(entry.extras)
    )


def refuse_stale(found: Account) -> None:
    """Stop when outcomes are stale and nobody said what to do about it.

    Raises
    ------
    RandstudyError
        with the differences and both ways on.
    """
    if found.stale:
        lines = "\n".join(f"  {line} ({count})" for line, count in found.changes.items())
        raise RandstudyError(
            f"{len(found.stale):,} outcomes in the ledger were trained with other data, "
            f"code or versions than today's:\n{lines}\n"
            "Add --accept-stale to keep them beside new ones, or --retrain-stale to train them "
            "again."
        )
