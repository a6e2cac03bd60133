"""What an answer's tables come to, in sentences that are made from their numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from randstudy.analysis.layout import records
from randstudy.analysis.words import (
    capital,
    counted,
    fixed,
    listed,
    number,
    percent,
)

if TYPE_CHECKING:
    from randstudy.analysis.answer import Answer


def luck(answer: Answer) -> list[str]:
    """Say which luck moves trainings of one cell apart."""
    table = answer.variance
    random = (
        table[table["source"].ne("cell") & table["source"].ne("repeat")] if len(table) else table
    )
    if not len(random):
        return ["Nothing that is drawn was varied, so there is no luck to split by source."]
    axes = answer.evidence.axes
    if not random["variance"].notna().any():
        told = next((note for note in random["note"] if note), "too few trainings finished")
        return [capital(f"{told}.")]
    if not (random["variance"] > 0).any():
        return ["No training differs from another of its cell."]
    said = _everywhere(answer, random) if len(axes) == 1 else [_sources(random)]
    if len(axes) == 1 and "+" in axes[0]:
        said.append(
            f"{capital(listed(axes[0].split('+')))} moved together; crossing them, as in "
            "replicates: {init: 8, order: 8}, would tell them apart."
        )
    return said + _noise(answer)


FEW, MENTIONED = 7, 0.02
"""Up to so many sources are all told; of more, interactions only from this share on."""


def _sources(random: pd.DataFrame) -> str:
    """Say the share of each stream and of each interaction, small ones of many together."""
    rows = [row for row in records(random) if math.isfinite(row["share"])]
    told = [row for row in rows if row["order"] == 1 or abs(row["share"]) >= MENTIONED]
    found = [_share(row) for row in (rows if len(rows) <= FEW else told)]
    rest = [] if len(rows) <= FEW else [row["share"] for row in rows if row not in told]
    if rest:
        found.append(f"{percent(math.fsum(rest))} is the other {len(rest)} interactions")
    return f"Of the variance between trainings of one cell, {listed(found)}."


def _share(row: Mapping[str, Any]) -> str:
    """Say one source's share, with its interval."""
    source = str(row["source"]).replace("+", " with ")
    what = f"{source} alone" if row["order"] == 1 else f"the interaction {source}"
    return f"{_percent(row)} is {what}"


def _percent(row: Mapping[str, Any]) -> str:
    ends = ""
    if math.isfinite(row["low"]) and math.isfinite(row["high"]):
        ends = f" ({percent(row['low'])[:-2]} to {percent(row['high'])})"
    return f"{percent(row['share'])}{ends}"


def _everywhere(answer: Answer, random: pd.DataFrame) -> list[str]:
    """Say whether a lucky seed is lucky in every cell or in one."""
    rows = {row["source"]: row for row in records(random)}
    axis, noun = answer.evidence.axes[0], answer.setting.noun
    alone, within = rows.get(axis), rows.get(f"cell × {axis}")
    if alone is None or within is None or not math.isfinite(alone["share"]):
        if len(answer.layout.cells) > 1:
            return [f"All spread between trainings of one cell is luck of the {noun}."]
        return [f"There is one cell, so all spread between its trainings is luck of the {noun}."]
    article = "an" if noun[0] in "aeiou" else "a"
    if not alone["share"] > 0:
        return [
            f"There is no sign that {article} {noun} is lucky in every cell (share "
            f"{_percent(alone)}): luck is in one cell alone."
        ]
    return [
        f"Of the variance between trainings of one cell, {_percent(alone)} is luck that {article} "
        f"{noun} takes into every cell, and {_percent(within)} luck in that cell alone."
    ]


def _noise(answer: Answer) -> list[str]:
    """Say what training the same seeds again comes to, where that was tried."""
    table = answer.variance
    noise = table[table["source"] == "repeat"]
    if not len(noise) or not math.isfinite(noise["sd"].iloc[0]):
        return []
    sd, unit = float(noise["sd"].iloc[0]), answer.evidence.roles.unit
    level = f"{number(unit.scale * sd)} {unit.difference}".strip()
    same = "the same seeds give the same numbers" if sd == 0 else f"an sd of {level}"
    return [f"Training the same seeds again sets the noise floor: {same}."]


def test_set(answer: Answer) -> list[str]:
    """Say how much of the spread between seeds is the finite test set (Jordan, ICLR 2024)."""
    table = answer.stability
    if not len(table):
        return []
    known = table[table["sd"].notna() & table["sd_independent"].notna()]
    if not len(known):
        return []
    rows = records(known)
    said = []
    for row in rows if len(rows) <= 6 else []:
        where = "" if len(rows) == 1 else f"In {row['cell']}, "
        true = 100 * row["sd_distribution"] if math.isfinite(row["sd_distribution"]) else math.nan
        left = (
            f"{fixed(true, 2)} points would be left on unlimited test data"
            if true > 0
            else "nothing measurable would be left on unlimited test data"
        )
        ends = ""
        if math.isfinite(row["distribution_low"]) and math.isfinite(row["distribution_high"]):
            low, high = (100 * row[f"distribution_{end}"] for end in ("low", "high"))
            ends = f" (95 % interval {fixed(low, 2)} to {fixed(high, 2)})"
        text = (
            f"{where}accuracy varies between seeds with an sd of {fixed(100 * row['sd'], 2)} "
            f"points; independent errors on {row['examples']:,} test examples alone would make "
            f"{fixed(100 * row['sd_independent'], 2)}, and {left}{ends}; n = {row['n']}."
        )
        said.append(capital(text))
    if len(rows) > 6:
        found = int((known["distribution_low"] > 0).sum())
        said.append(
            f"In {found:,} of {counted(len(rows), 'cell')} seeds differ by more than "
            "independent errors on the finite test set would make them (95 % interval above zero)."
        )
    return said


def winners(answer: Answer) -> list[str]:
    """Say what becomes of the best seed on examples that did not choose it."""
    table = answer.winners
    if not len(table):
        return []
    known = table[table["chosen_half"].notna() & table["other_half"].notna()]
    if not len(known):
        return []
    k = int(known["k"].max())
    rows = known[known["k"] == k]
    chosen, other, mean = (
        float(rows[name].mean()) for name in ("chosen_half", "other_half", "mean")
    )
    where = f"On average over {counted(len(rows), 'cell')}, the" if len(rows) > 1 else "The"
    said = (
        f"{where} best of {k:,} seeds on one half of the test set scores {percent(chosen, 2)} "
        f"there and {percent(other, 2)} on the other half, where the mean seed scores "
        f"{percent(mean, 2)}"
    )
    if chosen > mean:
        kept = max(0.0, (other - mean) / (chosen - mean))
        if len(rows) == 1 and math.isfinite(rows["kept_share"].iloc[0]):
            kept = max(0.0, float(rows["kept_share"].iloc[0]))
        said += f": {percent(kept)} of its lead is left, the rest was luck of the examples"
    return [f"{said}."]


def endings(answer: Answer) -> list[str]:
    """Say what became of all planned trainings."""
    accounts = answer.evidence.accounts
    # A table of somebody else's has no plan: it is all that there is.
    there = "planned" if answer.evidence.command else "in the table"
    said = [
        f"{counted(accounts.planned, 'training')} {_was(accounts.planned)} {there}: "
        f"{accounts.finished:,} finished, {accounts.diverged:,} diverged, {accounts.failed:,} "
        f"failed, {accounts.left:,} left.",
        *stale(answer),
    ]
    cells = answer.cells
    for name, text in (
        ("diverged", "diverged"),
        ("collapsed", "finished no better than about chance"),
        ("no_value", "finished without a finite value of the metric"),
    ):
        counts = cells[name].fillna(0).astype(int)
        where = cells[counts > 0]
        if len(where):
            worst = cells.iloc[int(counts.to_numpy().argmax())]
            count = int(counts.sum())
            said.append(
                f"{counted(count, 'training')} in {counted(len(where), 'cell')} {text}, most in "
                f"{worst['cell']} ({int(counts.max()):,})."
            )
    return [capital(one) for one in said]


def stale(answer: Answer) -> list[str]:
    """Say how many outcomes are not what the study would train today."""
    count = answer.evidence.accounts.stale
    if not count:
        return []
    return [
        f"{counted(count, 'outcome')} {_was(count)} trained with other data, code or versions than "
        "today's; status says which, and run --retrain-stale trains them again."
    ]


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def looks(answer: Answer) -> list[str]:
    """Say how often the comparison was looked at, and whether it was declared in time."""
    evidence = answer.evidence
    if evidence.declared is None:
        return []
    said = []
    if evidence.declared_after:
        count = counted(evidence.declared_after, "outcome")
        verb = "was" if evidence.declared_after == 1 else "were"
        said.append(
            f"This comparison was declared when {count} {verb} already there: take its verdict "
            "with that in mind."
        )
    number_of = 1 + len(evidence.looks)
    if len(answer.compare) and evidence.accounts.complete:
        alpha = number(float(answer.compare["alpha"].iloc[0]))
        whole = number(evidence.declared.alpha)
        said.append(
            f"This is look {number_of} at the comparison; it spends {alpha} of the error rate of "
            f"{whole}."
        )
    # Of looks at somebody's table nothing is known but that they were.
    for look in (one for one in evidence.looks if one.number):
        verdicts = ", ".join(f"{level}: {word}" for level, word in look.verdicts.items())
        told = f"found {verdicts}" if verdicts else "was at another declaration"
        said.append(f"Look {look.number} (n = {look.n}) {told}.")
    return said


def methods(answer: Answer) -> list[str]:
    """Return sentences ready for a paper's methods section."""
    return [" ".join((_trained(answer), *_compared(answer), *_tools(answer.evidence.made)))]


def _trained(answer: Answer) -> str:
    """Say what was trained, how often, and how means are reported."""
    layout, noun = answer.layout, answer.setting.noun
    ends = answer.evidence.accounts
    crossed = len(layout.axes) > 1
    each = " × ".join(f"{len(axis):,}" for axis in layout.axes) if crossed else _range(answer)
    several = "" if each == "1" else "s"
    lost = f"; {counted(ends.diverged, 'training')} diverged" if ends.diverged else ""
    spread = "the mean squares of the crossed streams" if crossed else f"{noun}s"
    who = "We trained" if answer.evidence.command else "The table holds"
    alone = "" if len(layout.cells) == 1 else " each"
    return (
        f"{who} {counted(len(layout.cells), 'configuration')} with {each}"
        f"{' crossed' if crossed else ''} {noun}{several}{alone}{_drawn(answer)}, "
        f"{counted(ends.finished, 'finished training')} in all{lost}. We report means of "
        f"{answer.evidence.roles.metric} with 95 % Student t intervals over {spread}."
    )


def _range(answer: Answer) -> str:
    """Return how many distinct trainings a cell has: "8" or "1 to 8"."""
    counts = answer.cells["n"]
    if counts.empty:
        return "0"
    least, most = int(counts.min()), int(counts.max())
    return f"{most:,}" if least == most else f"{least:,} to {most:,}"


def _drawn(answer: Answer) -> str:
    """Say which streams a seed moves."""
    axes = [axis for axis in answer.layout.axes if axis.columns]
    if not axes:
        return ""
    names = [listed(axis.name.split("+")) for axis in axes]
    return f" ({'; '.join(names)} varied{' together' if '+' in axes[0].name else ''})"


def _compared(answer: Answer) -> list[str]:
    """Say how the declared family was tested."""
    evidence, declared = answer.evidence, answer.evidence.declared
    known = answer.compare[answer.compare["method"] != "none"]
    if declared is None or not len(known):
        return []
    row, noun = records(known)[0], answer.setting.noun
    several = "" if row["n"] == "1" else "s"
    said = [
        f"Levels of {declared.factor} were compared with {row['reference']} by {row['method']} "
        f"tests over {row['n']} {noun}{several} with Holm's correction over {row['family']}, at "
        f"alpha = {number(row['alpha'])} of {number(declared.alpha)}, spent at look "
        f"{1 + len(evidence.looks)}."
    ]
    if declared.smallest_difference and not evidence.declared_after:
        margin = answer.setting.quantity.margin(declared.smallest_difference)
        said.append(f"Differences within ±{margin} were declared negligible beforehand.")
    return said


def _tools(made: Mapping[str, str]) -> list[str]:
    tools = [f"{name} {made[name]}" for name in ("randstudy", "torch") if name in made]
    return [f"Trained and analysed with {listed(tools)}."] if tools else []
