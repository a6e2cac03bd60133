"""The folder that a report is published in: page, figures, tables and frame."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from randstudy.analysis.answer import Answer
from randstudy.report.figures import drawings
from randstudy.report.making import looks_table
from randstudy.report.material import Material, material
from randstudy.report.page import compose
from randstudy.sealed import replace

OWN = {"figures": (".svg",), "tables": (".csv",)}
"""Folder -> endings of the files in it that are ours to remove."""


def publish(answer: Answer, folder: Path) -> Path:
    """Write an answer's report into a folder and return the path of its page.

    Parameters
    ----------
    answer : what is reported.
    folder : gets report.html, figures/NAME.svg, tables/NAME.csv and frame.parquet. Each
        appears whole; equal answers give equal bytes. Figures and tables of an earlier report
        that this one lacks are removed.

    Raises
    ------
    LedgerError
        A file could not be written.
    """
    found = material(answer)
    drawn = drawings(found)
    files = dict(_tables(found))
    for name, one in drawn.items():
        files[f"figures/{name}.svg"] = one.svg.encode()
    files["frame.parquet"] = parquet(answer.evidence.frame)
    # The page comes last: whoever sees it finds all that it names.
    files["report.html"] = compose(found, drawn).encode()
    for path, content in files.items():
        replace(folder / path, content)
    _remove_others(folder, set(files))
    return folder / "report.html"


def _tables(found: Material) -> Iterator[tuple[str, bytes]]:
    """Yield the path and bytes of each table that has rows."""
    for name, table in [*found.tables.items(), ("looks", looks_table(found.answer))]:
        if len(table):
            square = name == "superiority"
            text = table.to_csv(index=square, lineterminator="\n")
            yield f"tables/{name}.csv", text.encode()


def parquet(frame: pd.DataFrame) -> bytes:
    """Return a frame as Parquet; columns of mixed types, as levels 32 and "full", become text."""
    plain = pd.DataFrame(frame)
    mixed = [
        name
        for name in plain.columns
        if plain[name].dtype == object and plain[name].dropna().map(type).nunique() > 1
    ]
    plain = plain.assign(**{name: plain[name].map(str, na_action="ignore") for name in mixed})
    buffer = io.BytesIO()
    plain.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _remove_others(folder: Path, kept: set[str]) -> None:
    """Remove figures and tables that are not among those just written."""
    for name, endings in OWN.items():
        for path in sorted((folder / name).glob("*")):
            if path.suffix in endings and f"{name}/{path.name}" not in kept:
                path.unlink(missing_ok=True)
