"""How the numbers were made: facts, looks and what they spent."""

from __future__ import annotations

import pandas as pd

from randstudy.analysis.answer import Answer
from randstudy.analysis.compare import Declared
from randstudy.analysis.evidence import Evidence
from randstudy.analysis.looks import spent
from randstudy.analysis.words import listed
from randstudy.report.tables import Table, column, shown

COLUMNS = (
    column("look", "number", kind="count"),
    column("n", "n", kind="text"),
    column("alpha spent", "alpha"),
    column("verdicts", "verdicts", kind="text"),
)


def looks_table(answer: Answer) -> pd.DataFrame:
    """Return the looks at the comparison: number, n, alpha, verdicts; the last is this one."""
    declared, evidence = answer.declared, answer.evidence
    if declared is None:
        return pd.DataFrame(columns=["number", "n", "alpha", "verdicts"])
    compared = answer.compare
    now = {str(row.level): str(row.verdict) for row in compared.itertuples()}
    n = listed(list(dict.fromkeys(map(str, compared["n"])))) if len(compared) else ""
    seen = [(look.n, look.verdicts) for look in evidence.looks] + [(n, now)]
    return pd.DataFrame([_look(number, *one, declared) for number, one in enumerate(seen, 1)])


def _look(number: int, n: str, verdicts: dict[str, str], declared: Declared) -> dict[str, object]:
    told = ", ".join(f"{level}: {verdict}" for level, verdict in verdicts.items())
    return {"number": number, "n": n, "alpha": spent(declared.alpha, number), "verdicts": told}


def looks(answer: Answer) -> Table | None:
    """Return the looks for the page, None without a declared comparison."""
    table = looks_table(answer)
    if not len(table):
        return None
    title = "Looks at this comparison; each spends a part of the error rate."
    return shown("looks", title, table, COLUMNS, answer.setting.quantity)


def facts(evidence: Evidence) -> list[tuple[str, str]]:
    """Return what the outcomes were made with: name, text."""
    return [(str(name), str(value)) for name, value in evidence.made.items() if str(value)]
