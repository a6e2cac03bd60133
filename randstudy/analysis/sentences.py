"""Verdicts in plain sentences, made from the numbers of `randstudy.analysis.compare`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from randstudy.analysis.power import growth
from randstudy.analysis.roles import Roles
from randstudy.analysis.words import (
    Quantity,
    capital,
    counted,
    duration,
    level_name,
    spelled,
)

STREAMS = frozenset({"init", "order", "mask", "augment", "dropout", "noise", "label"})
"""Streams whose replicates are tested on the same examples."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What sentences need to know beside a row of numbers.

    Attributes
    ----------
    quantity : how values are written.
    maximize : whether larger is better.
    noun : what is counted: "seed", "order seed", "run".
    reach : what the interval is about: "new seeds on this test set".
    caveat : "lr 0.1 for both, untuned", or empty.
    minutes_per_replicate : what one more replicate of the study takes; NaN where unknown.
    """

    quantity: Quantity
    maximize: bool = True
    noun: str = "seed"
    reach: str = "new seeds on this test set"
    caveat: str = ""
    minutes_per_replicate: float = math.nan


def noun_of(axes: Sequence[str]) -> str:
    """Return what replicates are called: seeds when init and order move, else by their streams."""
    streams = {stream for axis in axes for stream in axis.split("+")}
    if not streams or streams == {"row"}:
        return "run"
    if len(streams) > 1 or not streams & {"init", "order", "split", "mask", "data", "augment"}:
        return "seed"
    return f"{next(iter(streams))} seed"


def reach_of(axes: Sequence[str], metric: str = "") -> str:
    """Say what replicates that move these streams generalise to."""
    streams = {stream for axis in axes for stream in axis.split("+")}
    if "data" in streams:
        return "new seeds and new data"
    if "split" in streams:
        return "new seeds and splits of this data set"
    noun = noun_of(axes)
    if not streams or not streams <= STREAMS:
        return f"new {noun}s like these"
    split = next((one for one in ("validation", "train") if metric.startswith(one)), "test")
    return f"new {noun}s on this {split} set"


def sentence(row: Mapping[str, Any], setting: Setting) -> str:
    """Return a comparison's verdict as one or two sentences."""
    writers = {
        "real": _real,
        "real but negligible": _negligible,
        "luck": _luck,
        "not enough seeds": _open,
        "withheld": _withheld,
        "exploratory": _exploratory,
    }
    text = " ".join(writers[row["verdict"]](row, setting).split())
    tuned = row.get("tuned") or ""
    return text if tuned in text else f"{text} {capital(tuned)}."


def _names(row: Mapping[str, Any]) -> tuple[str, str]:
    factor = row["factor"]
    return level_name(factor, row["level"]), level_name(factor, row["reference"])


def _basis(row: Mapping[str, Any], setting: Setting, low: float, high: float) -> str:
    """Return what stands in brackets: interval, n, family, look, caveat."""
    what = setting.quantity
    parts = [f"95 % interval {what.interval(low, high)}", _count(row, setting)]
    if row["family"] > 1:
        parts.append(f"Holm over {row['family']}")
    parts += _caveat(row, setting)
    return "; ".join(parts)


def _caveat(row: Mapping[str, Any], setting: Setting) -> list[str]:
    """Say how the levels were tuned, or what a comparison leaves open; nothing where neither is."""
    told = row.get("tuned") or setting.caveat
    return [told] if told else []


def _count(row: Mapping[str, Any], setting: Setting) -> str:
    """Say how many replicates there are."""
    if not row["pairs"]:
        return f"{row['n']} {setting.noun}s, unpaired"
    if "×" in row["n"]:
        return f"{row['n']} crossed {setting.noun}s"
    return counted(int(row["pairs"]), f"paired {setting.noun}")


def _sides(row: Mapping[str, Any], maximize: bool) -> tuple[str, str, int]:
    """Return winner, loser, and the sign that makes the winner's lead positive."""
    level, reference = _names(row)
    ahead = (row["estimate"] > 0) == maximize
    sign = 1 if row["estimate"] > 0 else -1
    return (level, reference, sign) if ahead else (reference, level, sign)


def _ends(row: Mapping[str, Any], sign: int, low: str = "low", high: str = "high") -> Any:
    """Return the ends of an interval of the lead."""
    return (row[low], row[high]) if sign > 0 else (-row[high], -row[low])


def _real(row: Mapping[str, Any], setting: Setting) -> str:
    winner, loser, sign = _sides(row, setting.maximize)
    lead = setting.quantity.difference(abs(row["estimate"]))
    basis = _basis(row, setting, *_ends(row, sign))
    first = f"{winner} beats {loser} by {lead} ({basis}) for {setting.reach}."
    return f"{first} {_earlier(row)} {_new_data(row, setting, sign)}"


def _earlier(row: Mapping[str, Any]) -> str:
    return "This was decided at an earlier look." if row["note"].startswith("decided") else ""


def _new_data(row: Mapping[str, Any], setting: Setting, sign: int) -> str:
    """Say what becomes of a real difference on new data."""
    low, high = row.get("new_data_low", math.nan), row.get("new_data_high", math.nan)
    if not (math.isfinite(low) and math.isfinite(high)):
        told = row.get("new_data_note", "")
        return f"Nothing is said about new data: {told}." if told else ""
    ends = setting.quantity.interval(*_ends(row, sign, "new_data_low", "new_data_high"))
    if low * high > 0 and low * row["estimate"] > 0:
        return f"It holds on new data too ({ends})."
    return f"On new data ({ends}) this is not established."


def _negligible(row: Mapping[str, Any], setting: Setting) -> str:
    winner, loser, sign = _sides(row, setting.maximize)
    basis = _basis(row, setting, *_ends(row, sign))
    margin = setting.quantity.margin(row["smallest_difference"])
    lead = setting.quantity.difference(abs(row["estimate"]))
    return (
        f"{winner} beats {loser} by {lead} ({basis}), which is less than the {margin} you "
        f"said {_matter(margin)}: real, but negligible. {_earlier(row)}"
    )


def _matter(margin: str) -> str:
    """Agree with "0.5 points", "1 point" or a number without a unit."""
    return "matter" if margin.endswith("s") else "matters"


def _luck(row: Mapping[str, Any], setting: Setting) -> str:
    level, reference = _names(row)
    what = setting.quantity
    margin = what.margin(row["smallest_difference"])
    parts = [what.interval(row["low"], row["high"]), _count(row, setting)]
    parts += [f"Holm over {row['family']}"] if row["family"] > 1 else []
    parts += _caveat(row, setting)
    return (
        f"{reference} and {level} differ by less than the {margin} you said "
        f"{_matter(margin)} ({'; '.join(parts)}). {_choosing(row)} {_earlier(row)}"
    )


def _choosing(row: Mapping[str, Any]) -> str:
    """Say what choosing the better would be: luck, or of no use where one is a little better."""
    if row["low"] * row["high"] > 0:
        return "Whichever is better, it is too little to matter by your own measure."
    return "Choosing the better would be choosing luck."


def _open(row: Mapping[str, Any], setting: Setting) -> str:
    level, reference = _names(row)
    few = int(row["smallest_n"])
    if few == 0:
        return f"{level} cannot be told from {reference}: {row['note'] or 'no training'}."
    who = f"{spelled(few)} {setting.noun}{'' if few == 1 else 's'}"
    if not math.isfinite(row["low"]):
        return f"{who} cannot tell {level} from {reference}: {row['note'] or 'no interval'}."
    told = f"{who} cannot tell: {_range(row, setting, level, reference)}."
    if row["note"]:
        told += f" {capital(row['note'])}."
    return f"{told} {_settling(row, setting)}"


def _range(row: Mapping[str, Any], setting: Setting, level: str, reference: str) -> str:
    """Say what the interval leaves possible: costs and gains, or only one of them."""
    what = setting.quantity
    low, high = (row["low"], row["high"]) if setting.maximize else (-row["high"], -row["low"])
    low, high = what.possible(low), what.possible(high)
    against = f"against {reference}"
    if low < 0 < high:
        cost, gain = what.difference(-low), what.bare(high)
        return f"{level} may cost {cost} {against} or gain {gain}"
    verb, near, far = ("gain", low, high) if low >= 0 else ("cost", -high, -low)
    return f"{level} may {verb} {what.bare(near)} to {what.difference(far)} {against}"


def _settling(row: Mapping[str, Any], setting: Setting) -> str:
    """Say how many replicates settle the question and what they cost."""
    margin = row["smallest_difference"]
    if not margin > 0:
        return (
            f"{_bound(row, setting.quantity)} How many {setting.noun}s would settle it depends on "
            "the smallest difference that matters, which nobody said."
        )
    wanted = setting.quantity.margin(margin)
    if pd.isna(row["needed"]):
        if row["ratio"] > 0:
            return f"Settling {wanted} is out of reach: splits of one data set have that in common."
        return f"Settling {wanted} is out of reach: it needs more than a million {setting.noun}s."
    needed, more = int(row["needed"]), int(row["more"])
    ends = [row["needed_low"], row["needed_high"]]
    plausible = " to ".join("over a million" if pd.isna(end) else f"{int(end):,}" for end in ends)
    first = f"Settling {wanted} needs about {needed:,} (plausibly {plausible})"
    if more == 0:
        return f"{first}; there are as many, so the difference may lie near that margin."
    crossed = row["axes"] > 1
    arm = "more of each stream" if crossed else "more pairs" if row["pairs"] else "more per arm"
    cost = setting.minutes_per_replicate * growth(needed - more, needed, int(row["axes"]))
    time = f", {duration(cost)}" if math.isfinite(cost) else ""
    return f"{first}: {more:,} {arm}{time}."


def _bound(row: Mapping[str, Any], what: Quantity) -> str:
    """Say how large the difference may be, if that says more than what kind of number it is."""
    most = max(abs(row["decisive_low"]), abs(row["decisive_high"]))
    if most >= what.unit.widest:
        return "No difference is ruled out."
    return f"Any difference is below {what.difference(most)}."


def _withheld(row: Mapping[str, Any], setting: Setting) -> str:
    level, reference = _names(row)
    return f"No verdict on {level} against {reference}: {row['note'] or 'there is no interval'}."


def _exploratory(row: Mapping[str, Any], setting: Setting) -> str:
    level, reference = _names(row)
    if not math.isfinite(row["low"]):
        return f"{level} against {reference}: {row['note'] or 'no interval'}."
    what = setting.quantity
    ends = what.interval(row["low"], row["high"])
    return (
        f"{level} against {reference}: {what.difference(row['estimate'])} "
        f"(95 % interval {ends}; {_count(row, setting)}), exploratory."
    )


def headline(table: Sequence[Mapping[str, Any]]) -> str:
    """Sum a family of verdicts up in one line.

    >>> headline([{"verdict": "luck"}] * 2), headline([{"verdict": "real"}, {"verdict": "luck"}])
    ('Luck, in both comparisons.', '1 of 2 comparisons real, 1 luck.')
    """
    words = Counter(str(row["verdict"]) for row in table)
    if not words:
        return "Nothing was compared."
    if len(words) == 1:
        many = {1: "", 2: ", in both comparisons"}.get(
            len(table), f", in all {len(table)} comparisons"
        )
        return f"{capital(next(iter(words)))}{many}."
    (first, count), *rest = words.items()
    others = ", ".join(f"{number} {word}" for word, number in rest)
    return f"{count} of {len(table)} comparisons {first}, {others}."


def setting_of(
    roles: Roles,
    axes: Sequence[str],
    widths: Sequence[float],
    *,
    caveat: str = "",
    minutes_per_replicate: float = math.nan,
) -> Setting:
    """Return the setting of a layout's sentences."""
    return Setting(
        quantity=Quantity.of(roles.unit, widths),
        maximize=roles.maximize,
        noun=noun_of(axes),
        reach=reach_of(axes, roles.metric),
        caveat=caveat,
        minutes_per_replicate=minutes_per_replicate,
    )
