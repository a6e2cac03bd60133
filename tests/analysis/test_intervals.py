"""Means and their intervals, against scipy and by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from randstudy.analysis.intervals import mean_interval, sd, share_interval, trimmed_interval
from randstudy.analysis.squares import mean_squares

DARWIN = np.array([49.0, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48])
"""Differences in height of Darwin's fifteen pairs of maize (Fisher, 1935), eighths of an inch."""


@pytest.mark.parametrize("n", [2, 5, 30, 200])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_interval_is_scipys(n: int, level: float) -> None:
    values = np.linspace(0.0, 1.0, n) ** 2
    expected = stats.t.interval(level, n - 1, loc=values.mean(), scale=stats.sem(values))
    found = mean_interval(values, level)
    assert (found.low, found.high) == pytest.approx(expected)
    assert (found.n, found.df, found.method) == (n, n - 1, "t")


def test_darwins_maize() -> None:
    # Fisher, The Design of Experiments (1935), section 17: t = 2.148 on 14 degrees of freedom.
    found = mean_interval(DARWIN)
    assert found.estimate / found.error == pytest.approx(2.148, abs=5e-4)
    assert found.df == 14


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        ([], "no training"),
        ([0.5], "one training"),
        ([0.1, 0.1, 0.1], "all 3 values are equal"),
        ([[1.0, 2.0], [3.0, math.nan]], "1 of 4 crossed trainings is missing"),
    ],
)
def test_where_there_is_no_interval_it_says_why(grid: list, said: str) -> None:
    found = mean_interval(np.array(grid))
    assert found.note == said
    assert not found.known
    assert math.isnan(found.low)


def test_equal_values_have_no_spread_exactly() -> None:
    # The float mean of three 0.1 is not 0.1, which would make an sd of 1.7e-17.
    values = np.array([0.1, 0.1, 0.1])
    assert sd(values) == 0.0
    assert mean_interval(values).estimate == 0.1
    sums = np.array([0.1 + 0.2, 0.3, 0.15 + 0.15])
    assert sd(sums) == 0.0


def test_the_crossed_interval_by_hand() -> None:
    # 2 x 2, values 0 1 / 3 6: MS_a = 16, MS_b = 4, MS_ab = 1, SE^2 = 19 / 4, t(0.975, 1) = 12.7062.
    found = mean_interval(np.array([[0.0, 1.0], [3.0, 6.0]]))
    reach = 12.7062047 * math.sqrt(19 / 4)
    assert (found.low, found.high) == pytest.approx((2.5 - reach, 2.5 + reach))
    assert (found.method, found.df) == ("crossed t", 1)


def test_pure_row_effects_leave_as_many_draws_as_rows() -> None:
    rows = np.linspace(0.0, 0.7, 8)
    found, alone = mean_interval(rows[:, None] + np.zeros((8, 8))), mean_interval(rows)
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high))


@pytest.mark.parametrize("shape", [(4,), (3, 5), (2, 3, 4), (2, 2, 2, 3)])
def test_sums_of_squares_add_up(shape: tuple[int, ...]) -> None:
    table = np.random.default_rng(1).normal(size=shape)
    total = ((table - table.mean()) ** 2).sum()
    squares = mean_squares(table)
    assert sum(ms * df for ms, df in squares.values()) == pytest.approx(total)
    assert sum(df for _, df in squares.values()) == table.size - 1


def test_shares_are_scipys() -> None:
    for hits, n in ((0, 8), (3, 8), (8, 8), (17, 60)):
        exact = stats.binomtest(hits, n).proportion_ci(0.95, "exact")
        assert share_interval(hits, n) == pytest.approx((exact.low, exact.high))
    assert share_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("n", [8, 11, 40])
def test_the_interquartile_mean_is_scipys(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    found = trimmed_interval(values)
    assert found.estimate == pytest.approx(stats.trim_mean(values, 0.25))
    # Yuen's test of a sample against its mirror image has twice the mean and the variance.
    yuen = stats.ttest_ind(values, -values, equal_var=False, trim=0.25)
    assert found.error == pytest.approx(math.sqrt(2) * abs(found.estimate / yuen.statistic))


@pytest.mark.parametrize(
    "values", [[], [1.0], [1.0, 2.0, 3.0], [1.0] * 9, [0, 0, 1, 1, 1, 1, 2, 3]]
)
def test_few_values_have_no_interquartile_interval_or_a_finite_one(values: list[float]) -> None:
    found = trimmed_interval(np.array(values, float))
    assert found.known or found.note
