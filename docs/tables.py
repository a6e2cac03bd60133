"""The tables of docs/study-file.md, made from the code: ``python docs/tables.py`` rewrites them.

A table stands between ``<!-- table NAME -->`` and ``<!-- end -->``; ``tests/test_docs.py`` fails
when one is missing or is not what the code says today.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from dataclasses import MISSING
from pathlib import Path

from randstudy.augment import Augment
from randstudy.canonical import minimal
from randstudy.comparison import Comparison
from randstudy.expectation import describe, is_part, members
from randstudy.fields import Setting, alias_target, aliases, settings
from randstudy.header import Evaluation, Header, Resources, Tracking
from randstudy.inits import Init
from randstudy.losses import Loss
from randstudy.models import Model
from randstudy.noise import Noise
from randstudy.optimizers import Optimizer
from randstudy.parts import Part
from randstudy.pruning import Pruning
from randstudy.recipe import Recipe, Stopping, Training
from randstudy.schedules import Schedule
from randstudy.schema import schema
from randstudy.schemes import Scheme
from randstudy.splits import Splitting
from randstudy.tasks import Data

PAGE = Path(__file__).with_name("study-file.md")
TABLE = re.compile(r"<!-- table (\w+) -->\n(.*?)<!-- end -->", re.DOTALL)
DESIGN = ("factors", "arms", "design", "cells", "exclude", "replicates", "fixed", "compare")
SECTIONS: dict[str, type] = {
    "header": Header,
    "recipe": Recipe,
    "augment": Augment,
    "noise": Noise,
    "training": Training,
    "stopping": Stopping,
    "compare": Comparison,
    "evaluation": Evaluation,
    "resources": Resources,
    "tracking": Tracking,
}
KINDS: dict[str, type[Part]] = {
    "scheme": Scheme,
    "data": Data,
    "split": Splitting,
    "model": Model,
    "init": Init,
    "pruning": Pruning,
    "loss": Loss,
    "optimizer": Optimizer,
    "schedule": Schedule,
}


def tables() -> dict[str, str]:
    """Return the text of every table by name."""
    found = {name: _table("field", section(owner)) for name, owner in SECTIONS.items()}
    found["design"] = "| field | meaning |\n|---|---|\n" + "".join(
        f"| `{name}` | {schema()['properties'][name]['description']} |\n" for name in DESIGN
    )
    told = schema()["properties"]["compare"]["properties"]["reference"]["description"]
    found["compare"] += f"| `reference` | a level, as the study writes it | the first | {told} |\n"
    return found | {name: _parts(kind) for name, kind in KINDS.items()}


def rewritten(page: str) -> str:
    """Return the page with every table as it should be."""
    known = tables()
    return TABLE.sub(lambda one: f"<!-- table {one[1]} -->\n{known[one[1]]}<!-- end -->", page)


def section(owner: type) -> Iterator[tuple[str, ...]]:
    """Yield field, type, default and meaning of each field of a dataclass, aliases last."""
    for setting in settings(owner).values():
        yield f"`{setting.name}`", _kind(setting), _default(setting), setting.doc
    for alias in aliases(owner):
        target = settings(owner)[alias_target(owner, alias)]
        yield f"`{alias}`", _kind(target), "", f"another way to give `{target.name}`"


def _parts(kind: type[Part]) -> str:
    """Return the table of all parts of a kind, a row for each and one for each of its fields."""
    rows: list[tuple[str, ...]] = []
    for name, part in kind.choices.items():
        rows.append((f"**{name}**", "", "", (part.__doc__ or "").splitlines()[0]))
        rows += section(part)
    return _table("part, field", rows)


def _table(first: str, rows: Iterator[tuple[str, ...]] | list[tuple[str, ...]]) -> str:
    plain = [(*row[:3], row[3].replace("*", "\\*")) for row in rows]
    lines = [(first, "type", "default", "meaning"), ("---",) * 4, *plain]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |\n" for row in lines)


def _kind(setting: Setting) -> str:
    if any(is_part(one) for one in members(setting.kind)):
        return "a part: its name, or a mapping with name and fields"
    if any(dataclasses.is_dataclass(one) for one in members(setting.kind)):
        return "a mapping, below"
    words = " or ".join(describe(one) for one in members(setting.kind))
    return f"{words}, {setting.bounds}" if setting.bounds else words


def _default(setting: Setting) -> str:
    if setting.default is MISSING:
        return "required"
    plain = minimal(setting.default, setting.kind)
    return (
        "" if plain in ("", {}) else f"`{plain if isinstance(plain, str) else json.dumps(plain)}`"
    )


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text()))
