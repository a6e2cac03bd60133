"""Reading ``cells``: combinations of fields that are written out one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from randstudy.expectation import show
from randstudy.factors import UNSET, Combination, Factor, Level, read_level
from randstudy.fieldnames import Field
from randstudy.fields import Findings
from randstudy.places import FieldPath


def read_cells(
    written: Sequence[Any],
    fields_of: Callable[[str, FieldPath], tuple[Field, ...]],
    found: Findings,
) -> tuple[list[Factor], tuple[Combination, ...]]:
    """Return the fields that cells set, as factors, and each cell's levels of them.

    A factor has the name under which its field stands in the first cell that has it. A cell that
    says nothing of a field has it as the rest of the study says.
    """
    named: dict[str, str] = {}
    levels: dict[str, dict[str, Level]] = {}
    fields: dict[str, tuple[Field, ...]] = {}
    cells: list[dict[str, str]] = []
    for index, one in enumerate(written):
        path: FieldPath = ("cells", index)
        if not isinstance(one, dict):
            found.add(path, f"expected a mapping of fields such as {{lr: 0.1}}, got {show(one)}")
            continue
        cell: dict[str, str] = {}
        for key, value in one.items():
            entries = fields_of(key, (*path, key))
            level = read_level(entries, value, (*path, key), found) if entries else None
            if level is None:
                continue
            name = named.setdefault(entries[0].dotted, key)
            if name in cell:
                found.add((*path, key), f"says the same as {name}; give one")
            fields[name] = entries
            cell[name] = level.identity
            levels.setdefault(name, {}).setdefault(level.identity, level)
        if cell in cells:
            found.add(path, f"is the same cell as cells[{cells.index(cell)}]")
        cells.append(cell)
    return _factors(cells, levels, fields)


def _factors(
    cells: Sequence[Mapping[str, str]],
    levels: Mapping[str, Mapping[str, Level]],
    fields: Mapping[str, tuple[Field, ...]],
) -> tuple[list[Factor], tuple[Combination, ...]]:
    factors, places = [], {}
    for name, known in levels.items():
        every = [*known.values()]
        places[name] = {identity: number for number, identity in enumerate(known)}
        if any(name not in cell for cell in cells):
            places[name][UNSET.identity] = len(every)
            every.append(UNSET)
        factors.append(Factor(name, tuple(every), fields[name]))
    rows = tuple(
        tuple(places[name][cell.get(name, UNSET.identity)] for name in levels) for cell in cells
    )
    return factors, rows
