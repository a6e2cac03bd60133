"""Looking at a study's answer, and remembering that one has."""

from __future__ import annotations

from pathlib import Path

from randstudy.analysis.answer import Answer
from randstudy.analysis.layout import records
from randstudy.analysis.looks import Look
from randstudy.errors import RandstudyError
from randstudy.evidence import gather
from randstudy.ledger import Ledger
from randstudy.study import Study


def answer(study: Study | str | Path, store: str | Path = "results") -> Answer:
    """Return the answer to a study's question, and record the look at its verdicts.

    Only a verdict on a complete plan is a look, and only once for the same outcomes.

    Parameters
    ----------
    study : the study, or its file.
    store : folder that holds the ledger.

    Raises
    ------
    RandstudyError
        The store holds nothing of the study, or is damaged.
    """
    study = study if isinstance(study, Study) else Study.load(study)
    store = Path(store).absolute()
    found = Answer(gather(study, store))
    if found.evidence.frame.empty:
        told = f"train it with: {found.evidence.command} --store {store}"
        raise RandstudyError(f"no trial of {study.name} is in the ledger of {store}; {told}")
    if found.declared is not None and found.evidence.accounts.complete and len(found.compare):
        remember(found, study.name, Ledger(store))
    return found


def remember(found: Answer, study: str, ledger: Ledger) -> None:
    """Record a look, unless it is in the ledger already or nothing was there to be seen."""
    evidence = found.evidence
    if found.compare["verdict"].eq("withheld").all():
        return
    known = {(look.comparison, look.data) for look in ledger.looks(study)}
    if (evidence.comparison, evidence.data) in known:
        return
    rows = records(found.compare)
    ledger.look(
        study,
        Look(
            number=1 + len(evidence.looks),
            comparison=evidence.comparison,
            data=evidence.data,
            n=", ".join(dict.fromkeys(str(row["n"]) for row in rows)),
            verdicts={str(row["level"]): str(row["verdict"]) for row in rows},
            estimates={str(row["level"]): float(row["estimate"]) for row in rows},
        ),
    )
