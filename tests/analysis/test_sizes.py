"""How many seeds: the field's own figures."""

import math

import pandas as pd
import pytest
from statsmodels.stats.power import TTestIndPower, TTestPower

from randstudy.analysis.compare import compare
from randstudy.analysis.power import power, power_curve
from randstudy.analysis.sizes import (
    detectable,
    paired_power,
    replicates_for,
    replicates_for_superiority,
    replicates_to_settle,
    sd_bounds,
    sd_upper,
    settling_chance,
    unpaired_power,
)
from tests.analysis.frames import one_stream

COHEN = {0.2: (394, 527), 0.3: (176, 235), 0.5: (64, 86), 0.8: (26, 34),
         1.0: (17, 23), 1.2: (12, 16), 1.5: (9, 11), 2.0: (6, 7)}  # fmt: skip
"""Effect size d -> n a group at power .8 and .9, two-sided alpha .05 (Cohen, 1988)."""


@pytest.mark.parametrize("ratio", COHEN)
def test_two_groups_take_what_cohen_says(ratio: float) -> None:
    found = tuple(replicates_for(ratio, paired=False, power=power) for power in (0.8, 0.9))
    assert found == COHEN[ratio]


@pytest.mark.parametrize("n", [2, 5, 20, 200])
@pytest.mark.parametrize("ratio", [0.1, 0.3, 0.6])
def test_power_is_statsmodels(n: int, ratio: float) -> None:
    assert paired_power(n, ratio) == pytest.approx(TTestPower().power(ratio, n, 0.05), abs=1e-6)
    assert unpaired_power(n, ratio) == pytest.approx(
        TTestIndPower().power(ratio, n, 0.05), abs=1e-6
    )


def test_settling_takes_13_44_and_171_pairs() -> None:
    assert [replicates_to_settle(margin, paired=True) for margin in (1, 0.5, 0.25)] == [13, 44, 171]
    assert settling_chance(43, 0.5, paired=True) < 0.8 <= settling_chance(44, 0.5, paired=True)


def test_superiority_takes_29_in_each_arm_and_44_pairs() -> None:
    assert replicates_for_superiority(0.75, paired=False) == 29
    assert replicates_for_superiority(0.75, paired=True) == 44


def test_a_pilot_of_eight_is_planned_at_1_83_times_its_variance() -> None:
    assert sd_upper(1.0, 7) ** 2 == pytest.approx(1.83, abs=0.005)
    low, high = sd_bounds(1.0, 7)
    assert (low**2, high**2) == pytest.approx((7 / 14.0671, 7 / 2.16735), rel=1e-4)


def test_what_is_detectable_is_found_with_the_power_asked_for() -> None:
    for n in (3, 8, 30):
        assert paired_power(n, detectable(n, paired=True)) == pytest.approx(0.8)
        assert unpaired_power(n, detectable(n, paired=False)) == pytest.approx(0.8)
    assert math.isnan(detectable(1, paired=True))


@pytest.mark.parametrize("ratio", [0.0, -1.0, 1e-6])
def test_what_is_out_of_reach_has_no_size(ratio: float) -> None:
    assert replicates_for(ratio, paired=True) is None
    assert replicates_to_settle(ratio, paired=True) is None


def frame() -> pd.DataFrame:
    a = [0.90, 0.91, 0.93, 0.92, 0.90, 0.94, 0.92, 0.91]
    b = [0.91, 0.91, 0.94, 0.93, 0.90, 0.95, 0.94, 0.91]
    return one_stream({"a": a, "b": b})


def test_a_study_plans_from_its_own_pairs() -> None:
    found = compare(frame(), "test_accuracy", factor="init", factors=["init"],
                    smallest_difference=0.005)  # fmt: skip
    table = power(found, minutes_per_replicate=0.5, alpha=0.05).set_index("design")
    sd = found["sd"].iloc[0]
    assert table.loc["paired", "needed"] == replicates_to_settle(0.005 / sd, paired=True)
    assert table.loc["paired", "to_detect"] == replicates_for(0.005 / sd, paired=True)
    assert table.loc["paired", "planned"] > table.loc["paired", "needed"]
    assert table.loc["paired", "minutes"] == 0.5 * (table.loc["paired", "needed"] - 8)
    # Pairs that move together need fewer seeds than two fresh samples would.
    assert table.loc["unpaired", "needed"] > 3 * table.loc["paired", "needed"]
    assert table["needed_low"].lt(table["needed"]).all()
    assert table["needed_high"].gt(table["needed"]).all()


def test_without_a_difference_that_matters_only_the_detectable_is_told() -> None:
    found = compare(frame(), "test_accuracy", factor="init", factors=["init"])
    table = power(found)
    assert table["needed"].isna().all()
    assert table["detectable"].notna().all()
    assert table["note"].eq("nobody said which difference matters").all()


def test_equal_arms_have_no_spread_to_plan_from() -> None:
    flat = one_stream({"a": [0.9] * 4, "b": [0.9] * 4})
    table = power(compare(flat, "test_accuracy", factor="init", factors=["init"]))
    assert table["note"].eq("no spread to plan from").all()


def test_the_curve_of_power_rises_within_its_band() -> None:
    curve = power_curve(1.0, 7, 0.5, paired=True)
    assert curve["power"].is_monotonic_increasing
    assert (curve["power_low"] <= curve["power"]).all()
    assert (curve["power"] <= curve["power_high"]).all()
