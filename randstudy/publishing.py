"""Making a study's report: the page, its figures and tables, in a folder of the store."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from randstudy import __version__
from randstudy.analysis.answer import Answer
from randstudy.analysis.layout import records
from randstudy.looking import answer
from randstudy.reports import STAMP, VERDICT, stamp_of
from randstudy.sealed import replace
from randstudy.study import Study


@dataclass(frozen=True)
class Publication:
    """A report and the answer that it tells."""

    answer: Answer
    page: Path


def publish(study: Study, store: Path, folder: Path) -> Publication:
    """Write a study's report; nothing is written where it already tells the same outcomes.

    Raises
    ------
    RandstudyError
        The store is damaged, or the folder cannot be written.
    """
    from randstudy import report

    found = answer(study, store)
    stamp, page = _stamp(found, study), folder / "report.html"
    if stamp_of(folder) != stamp or not page.exists():
        (folder / STAMP).unlink(missing_ok=True)
        page = report.publish(found, folder)
        replace(folder / VERDICT, _verdict(found).encode())
        replace(folder / STAMP, stamp.encode())
    return Publication(found, page)


def _verdict(found: Answer) -> str:
    """Return question, headline and sentences as Markdown."""
    sentences = [f"- {row['sentence']}" for row in records(found.compare)]
    parts = [found.evidence.question, f"**{found.headline}**", "\n".join(sentences)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _stamp(found: Answer, study: Study) -> str:
    """Return a digest of outcomes, looks, study file and the version that tells of them."""
    evidence = found.evidence
    looks = [f"{look.number} {look.attempt}" for look in evidence.looks]
    parts = (__version__, evidence.data, evidence.comparison, study.text, *looks)
    text = "\n".join((*parts, str(evidence.accounts), evidence.question))
    return blake2b(text.encode(), digest_size=16).hexdigest()
