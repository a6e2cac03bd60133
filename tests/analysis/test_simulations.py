"""Every claim of docs/statistics.md, simulated at small size; in full by benchmarks.statistics."""

import pytest

from benchmarks.simulations.case import Case
from benchmarks.statistics import bounds, cases, hits

COUNT = 300

EVERY = list(cases())
BOUND = [
    pytest.param(module, index, case, id=f"{case.topic}, {case.setting}, {case.claim}")
    for module, index, case in EVERY
    if case.bound
]


@pytest.mark.parametrize(("module", "index", "case"), BOUND)
def test_a_claim_holds(module: str, index: int, case: Case) -> None:
    found, _ = hits(module, index, COUNT)
    assert case.holds(found, COUNT), f"{found} of {COUNT}; {bounds(case)} % are claimed"


@pytest.mark.parametrize(
    ("setting", "least"),
    [
        ("8 × 8, 40% in each stream, naive t", 0.3),
        ("30 splits, 20% tested, naive t", 0.3),
        ("8 to 40 pairs in 5 looks, ignored", 0.08),
    ],
)
def test_what_is_guarded_against_is_real(setting: str, least: float) -> None:
    ((module, index),) = [(m, i) for m, i, case in EVERY if case.setting == setting]
    assert hits(module, index, COUNT)[0] / COUNT > least


def test_a_claim_can_fail() -> None:
    case = Case(topic="", setting="", claim="", low=0.93, high=0.97, simulate=lambda n, g: n)
    assert not case.holds(850, 1000)
    assert not case.holds(1000, 1000)
    assert case.holds(950, 1000)


def test_cases_are_told_apart() -> None:
    names = [(case.topic, case.setting, case.claim) for _, _, case in EVERY]
    assert len(names) == len(set(names))
    assert {module for module, _, _ in EVERY} >= {"means", "differences", "sizes"}
