"""Looking again costs: how much of the error rate each look at growing data may spend."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_SHARE = 0.8
"""Share of alpha that the planned look spends; extensions share the rest."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """One look at a comparison, kept so that the next one knows what was spent.

    Attributes
    ----------
    number : 1 for the planned look, 2 for the first extension.
    comparison : digest of what was declared.
    data : digest of the outcomes that it was seen with.
    n : replicates, as text.
    verdicts : comparison -> verdict reached then.
    estimates : comparison -> estimated difference.
    attempt : sorts looks by time.
    """

    number: int
    comparison: str
    data: str
    n: str
    verdicts: dict[str, str]
    estimates: dict[str, float]
    attempt: str = ""


def spent(alpha: float, look: int) -> float:
    """Return what a look spends: 0.8 alpha when planned, 0.2 alpha 2^-j at the j-th extension.

    However often a study is extended, the sum stays below alpha, so that by Bonferroni's
    inequality the chance of ever calling a null difference real does too.
    """
    if look < 1:
        raise ValueError(f"looks are numbered from 1, got {look}")
    if look == 1:
        return FIRST_SHARE * alpha
    return (1 - FIRST_SHARE) * alpha * 2.0 ** -(look - 1)
