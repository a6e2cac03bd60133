"""Tables and sentences of an answer as lines of text."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from randstudy.analysis import paragraphs
from randstudy.analysis.answer import Answer
from randstudy.analysis.layout import records
from randstudy.analysis.levels import differing
from randstudy.analysis.roles import Roles
from randstudy.analysis.words import Quantity, capital, counted, fixed, listed, number, percent

NARROWEST = 7
NONE = "–"
LEGEND = (
    "finds: the difference that the present n finds with a chance of 80 %. find, settle: "
    "replicates with which a t test finds the wanted difference, and with which the question is "
    "settled either way, at the same chance. plausibly: at the ends of the sd's 90 % interval. "
    "plan: at its upper 80 % bound. minutes: from n to settle, on this machine."
)
WIDTH = 100

Column = list[str]
"""A heading and its entries."""


def laid_out(left: Sequence[Column], right: Sequence[Column], width: int = WIDTH) -> str:
    """Lay columns out in at most `width` characters: labels left, numbers right.

    Labels are shortened where they do not fit.
    """
    room = width - sum(max(map(len, column)) + 2 for column in right)
    fitted = _fit(left, room + 2)
    lines = []
    for row in range(len((*left, *right)[0])):
        head = "  ".join(column[row].ljust(max(map(len, column))) for column in fitted)
        tail = "  ".join(column[row].rjust(max(map(len, column))) for column in right)
        lines.append(f"{head}  {tail}".rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


def _fit(columns: Sequence[Column], room: int) -> list[Column]:
    """Shorten the widest columns until all fit, each followed by two spaces.

    What levels of one part have in common goes first; then names lose their middle.
    """
    widths = [max(map(len, column)) for column in columns]
    if sum(widths) + 2 * len(widths) > room:
        # Of all columns together: a level and its reference stand side by side.
        short = iter(differing([entry for _, *entries in columns for entry in entries]))
        columns = [[head, *(next(short) for _ in entries)] for head, *entries in columns]
        widths = [max(map(len, column)) for column in columns]
    while sum(widths) + 2 * len(widths) > room and max(widths, default=0) > NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return [
        [_shortened(entry, width) for entry in column]
        for column, width in zip(columns, widths, strict=True)
    ]


def _shortened(entry: str, width: int) -> str:
    """Leave out the middle: names of levels tend to differ at either end."""
    if len(entry) <= width:
        return entry
    front = (width - 2) // 2
    return f"{entry[:front]}..{entry[len(entry) - (width - 2 - front) :]}"


def _level(level: object) -> str:
    return f"{level:g}" if isinstance(level, float) else str(level)


def _bounds(table: pd.DataFrame, what: Quantity, low: str = "low", high: str = "high") -> Column:
    pairs = zip(table[low], table[high], strict=True)
    return ["95 % interval", *(NONE if math.isnan(a) else what.interval(a, b) for a, b in pairs)]


def _quantity(roles: Roles, widths: pd.Series[Any]) -> Quantity:
    return Quantity.of(roles.unit, widths.tolist())


def _labels(table: pd.DataFrame, names: Sequence[str], room: int) -> list[Column]:
    """Return a column a factor, or the cells' labels where factors are too many to fit."""
    if not names or len(names) * (NARROWEST + 2) > room + 2:
        names = ["cell"]
    return [[name, *(_level(level) for level in table[name])] for name in names]


def cells(table: pd.DataFrame, roles: Roles, width: int = WIDTH) -> str:
    """Write a table of `randstudy.analysis.cells.cells`, with how its intervals were found."""
    what = _quantity(roles, table["high"] - table["low"])
    unit = f" ({what.unit.name})" if what.unit.name else ""
    right = [["n", *(f"{n:,}" for n in table["n"])]]
    right += [[name, *(what.bare(value) for value in table[name])] for name in ("mean", "sd")]
    right.append(_bounds(table, what))
    for name in ("diverged", "collapsed", "no_value", "failed"):
        counts = table[name].fillna(0).astype(int)
        if counts.any() or name == "diverged":
            right.append([name, *(f"{count:,}" for count in counts)])
    room = width - sum(max(map(len, column)) + 2 for column in right)
    left = _labels(table, roles.factors, room)
    body = laid_out(left, right, width)
    return "\n".join((f"{roles.metric}{unit} by cell", "", body, "", *_notes(table)))


def _notes(table: pd.DataFrame) -> list[str]:
    methods = set(table["method"])
    notes = []
    if "t" in methods:
        notes.append("95 % interval: Student t over n distinct finished trainings.")
    if "crossed t" in methods:
        notes.append(
            "95 % interval where streams are crossed: Student t, the mean squares of the streams\n"
            "and of their interaction; degrees of freedom: the fewest replicates less one."
        )
    reasons = {str(note): int(count) for note, count in table["note"].value_counts().items()}
    for note, count in reasons.items():
        if note:
            notes.append(f"{NONE} in {counted(count, 'cell')}: {note}.")
    return notes


def verdict(answer: Answer, width: int = WIDTH) -> str:
    """Write the declared comparisons: verdicts, then their sentences."""
    lines = [answer.evidence.question, ""] if answer.evidence.question else []
    lines.append(answer.headline)
    for row in records(answer.compare):
        lines += ["", wrapped(f"[{row['verdict']}] {row['sentence']}", width)]
    told = paragraphs.looks(answer)
    if told:
        lines += ["", *(wrapped(one, width) for one in told)]
    return "\n".join(lines)


def closing(answer: Answer, width: int = WIDTH) -> str:
    """Write what a run ends with: the verdict, or where none was declared, which luck there is."""
    if answer.declared is not None:
        return verdict(answer, width)
    told = [*paragraphs.luck(answer), *paragraphs.test_set(answer), *paragraphs.winners(answer)]
    question = [answer.evidence.question] if answer.evidence.question else []
    return "\n\n".join([*question, *(wrapped(one, width) for one in told)])


def compare(answer: Answer, width: int = WIDTH) -> str:
    """Write verdicts, the numbers behind them, and what else the frame suggests."""
    parts = [verdict(answer, width)]
    for title, table in (("", answer.compare), ("Exploratory: no verdicts", answer.explored)):
        if len(table):
            parts.append(
                "\n".join(line for line in (title, _compared(answer, table, width)) if line)
            )
    return "\n\n".join(parts)


def _compared(answer: Answer, table: pd.DataFrame, width: int) -> str:
    what = answer.setting.quantity
    unit = f" ({what.unit.difference})" if what.unit.difference else ""
    left = [
        ["factor", *map(str, table["factor"])],
        ["level", *map(_level, table["level"])],
        ["against", *map(_level, table["reference"])],
    ]
    declared = table["verdict"].ne("exploratory").any()
    adjusted = [["Holm", *map(_p, table["p_holm"])]] if declared else []
    right = [
        [f"difference{unit}", *map(what.bare, table["estimate"])],
        _bounds(table, what),
        ["n", *map(str, table["n"])],
        ["p", *map(_p, table["p"])],
        *adjusted,
        ["g", *(fixed(value, 2) for value in table["g"])],
        ["P(beats)", *(fixed(value, 2) for value in table["superiority"])],
    ]
    return laid_out(left, right, width)


def _p(value: float) -> str:
    if math.isnan(value):
        return NONE
    return "<.0001" if value < 0.0001 else f"{value:.4f}".lstrip("0") if value < 1 else "1"


def variance(answer: Answer, width: int = WIDTH) -> str:
    """Write which luck there is, in sentences and numbers."""
    table = answer.variance
    lines = [wrapped(one, width) for one in paragraphs.luck(answer)]
    if not len(table):
        return "\n".join(lines)
    scale = answer.evidence.roles.unit.scale
    right = [
        ["sd", *(number(scale * value) for value in table["sd"])],
        ["share", *map(percent, table["share"])],
        ["95 % interval", *_shares(table, "low", "high")],
        ["total", *map(percent, table["total"])],
        ["95 % interval", *_shares(table, "total_low", "total_high")],
        ["levels", *map(str, table["levels"])],
    ]
    body = laid_out([["source", *map(str, table["source"])]], right, width)
    body += _by_cell(answer, width)
    notes = [capital(f"{note}.") for note in dict.fromkeys(table["note"]) if note]
    told = [_methods(table), *notes]
    return "\n".join([*lines, "", body, "", *(wrapped(one, width) for one in told)])


def _methods(table: pd.DataFrame) -> str:
    """Write the method, and of which sources it is where there are several."""
    sources: dict[str, list[str]] = {}
    for source, method in zip(table["source"], table["method"], strict=True):
        sources.setdefault(method, []).append(str(source))
    if len(sources) == 1:
        return f"Method: {next(iter(sources))}."
    told = (f"{method} ({listed(some)})" for method, some in sources.items())
    return f"Method: {'; '.join(told)}."


def _by_cell(answer: Answer, width: int) -> str:
    """Write the share of each source alone in each cell by itself, where there are a few cells."""
    table = answer.variance_by_cell
    if not len(table):
        return ""
    alone = table[table["order"] == 1]
    cells = alone["cell"].where(~alone["cell"].duplicated(), "")
    left = [["cell by itself", *map(str, cells)], ["source", *map(str, alone["source"])]]
    right = [
        ["share", *map(percent, alone["share"])],
        ["95 % interval", *_shares(alone, "low", "high")],
    ]
    return "\n\n" + laid_out(left, right, width)


def _shares(table: pd.DataFrame, low: str, high: str) -> list[str]:
    pairs = zip(table[low], table[high], strict=True)
    return [
        NONE if math.isnan(a) or math.isnan(b) else f"{percent(a)[:-2]} to {percent(b)}"
        for a, b in pairs
    ]


def power(answer: Answer, width: int = WIDTH) -> str:
    """Write how many replicates each comparison takes."""
    table = answer.power
    if not len(table):
        return "Nothing was compared, so there is nothing to plan for."
    what = answer.setting.quantity
    unit = f" Differences and sds are in {what.unit.difference}." if what.unit.difference else ""
    scale = what.unit.scale
    right = [
        ["sd", *map(what.bare, table["sd"])],
        ["n", *map(str, table["n"])],
        ["finds", *map(what.bare, table["detectable"])],
        ["wanted", *(number(scale * w, 6) if w > 0 else NONE for w in table["wanted"])],
        ["find", *map(_size, table["to_detect"])],
        ["settle", *map(_size, table["needed"])],
        ["plausibly", *_sizes(table)],
        ["plan", *map(_size, table["planned"])],
        ["minutes", *(number(minutes, 2) for minutes in table["minutes"])],
    ]
    left = [["comparison", *table["comparison"]], ["design", *table["design"]]]
    notes = [note for note in dict.fromkeys(table["note"]) if note]
    lines = [laid_out(left, right, width), "", wrapped(f"{LEGEND}{unit}", width)]
    return "\n".join([*lines, *(capital(f"{note}.") for note in notes)])


def _size(value: Any) -> str:
    return NONE if pd.isna(value) else f"{int(value):,}"


def _sizes(table: pd.DataFrame) -> list[str]:
    pairs = zip(table["needed_low"], table["needed_high"], strict=True)
    return [NONE if pd.isna(a) else f"{_size(a)} to {_size(b)}" for a, b in pairs]


def metrics(table: pd.DataFrame, width: int = WIDTH) -> str:
    """Write a table with a row a metric."""
    names = list(table.columns[: list(table.columns).index("n")])
    left = [[str(name), *(_level(one) for one in table[name])] for name in names]
    right = [["n", *(f"{n:,}" for n in table["n"])]]
    right += [[name, *(number(one, 4) for one in table[name])] for name in ("mean", "sd")]
    pairs = zip(table["low"], table["high"], strict=True)
    ends = (NONE if math.isnan(a) else f"{number(a, 4)} to {number(b, 4)}" for a, b in pairs)
    right.append(["95 % interval", *ends])
    right += [[name, *(number(one, 4) for one in table[name])] for name in ("median", "iqm")]
    right.append(["missing", *(f"{one:,}" for one in table["missing"])])
    notes = [f"{NONE}: {note}." for note in dict.fromkeys(table["note"]) if note]
    return "\n".join([laid_out(left, right, width), "", *notes])


def scores(tables: Mapping[str, pd.DataFrame], width: int = WIDTH) -> str:
    """Write aggregates of a runs x tasks table, and who beats whom."""
    parts = []
    for name, value, labels in (
        ("aggregates", "estimate", ("algorithm", "aggregate")),
        ("improvement", "probability", ("algorithm_x", "algorithm_y")),
    ):
        table = tables.get(name)
        if table is None or not len(table):
            continue
        left = [[label, *map(str, table[label])] for label in labels]
        pairs = zip(table["low"], table["high"], strict=True)
        ends = (NONE if math.isnan(a) else f"{number(a, 4)} to {number(b, 4)}" for a, b in pairs)
        right = [
            [
                "P(x > y)" if value == "probability" else value,
                *(number(one, 4) for one in table[value]),
            ],
            ["95 % interval", *ends],
            ["runs", *map(str, table["runs"])],
            ["tasks", *map(str, table["tasks"])],
        ]
        told = [f"Method: {one}." for one in dict.fromkeys(table["method"])]
        told += [f"{one}." for one in dict.fromkeys(table["note"]) if one]
        lines = [wrapped(one, width) for one in told]
        parts.append("\n".join([laid_out(left, right, width), "", *lines]))
    return "\n\n".join(parts)


def wrapped(text: str, width: int = WIDTH) -> str:
    """Break a sentence into lines."""
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
