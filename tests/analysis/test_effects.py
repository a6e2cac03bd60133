"""Effects of factors against statsmodels, hand computation and simulations."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from benchmarks.simulations import variance as simulated
from randstudy.analysis.effects import effects
from randstudy.analysis.importance import importance
from randstudy.analysis.interactions import interactions
from randstudy.errors import RandstudyError

FACTORS = ["a", "b", "c"]


def frame(shape: tuple[int, ...], *, streams: int = 1, seed: int = 0) -> pd.DataFrame:
    """Return a row a training of a factorial, its last `streams` axes replicates."""
    rng = np.random.default_rng(seed)
    count = len(shape) - streams
    values = rng.standard_normal(shape) + rng.standard_normal(shape[-1])
    values = values + rng.standard_normal((shape[0], *(1,) * (len(shape) - 2), shape[-1]))
    place = np.indices(shape).reshape(len(shape), -1)
    columns = dict(zip([*FACTORS[:count], "r", "s"], place, strict=False))
    data = pd.DataFrame(columns).assign(accuracy=values.ravel())
    data["accuracy"] += 0.5 * data["a"]
    return data


def analysed(data: pd.DataFrame, replicates: list[str], **options: int) -> pd.DataFrame:
    names = [name for name in FACTORS if name in data]
    found = effects(data, "accuracy", factors=names, replicates=replicates, **options)
    return found.set_index("term")


def typ_two(data: pd.DataFrame, formula: str) -> pd.DataFrame:
    import statsmodels.formula.api as smf
    from statsmodels.stats.anova import anova_lm

    found = anova_lm(smf.ols(f"accuracy ~ {formula}", data).fit(), typ=2)
    names = [
        " × ".join(part[2:-1] for part in name.split(":")) if name != "Residual" else name
        for name in found.index
    ]
    return found.set_axis(names)


def test_shared_replicates_agree_with_statsmodels_repeated_measures() -> None:
    from statsmodels.stats.anova import AnovaRM

    data = frame((3, 2, 2, 6))
    found = analysed(data, ["r"], order=3)
    expected = AnovaRM(data, "accuracy", "r", within=FACTORS).fit().anova_table
    assert found.index.tolist() == [name.replace(":", " × ") for name in expected.index]
    assert_allclose(found["f"], expected["F Value"])
    assert_allclose(found["p"], expected["Pr > F"])
    assert_allclose(found["df"], expected["Num DF"])
    assert_allclose(found["df_error"], expected["Den DF"])
    assert (found["method"] == "repeated measures").all()


def test_a_paired_comparison_of_two_levels_is_the_paired_t_test() -> None:
    from scipy import stats

    data = frame((2, 9))
    sides = [data.loc[data["a"] == level, "accuracy"].to_numpy() for level in (0, 1)]
    found = analysed(data, ["r"]).loc["a"]
    expected = stats.ttest_rel(*sides)
    assert_allclose(found["f"], expected.statistic**2)
    assert_allclose([found["p"], found["p_corrected"]], expected.pvalue)
    assert found["epsilon"] == 1


@pytest.mark.parametrize("lost", [0, 7], ids=["balanced", "unbalanced"])
def test_independent_rows_agree_with_statsmodels(lost: int) -> None:
    data = frame((3, 2, 2, 5)).drop(index=range(0, 7 * lost, 7))
    expected = typ_two(data, "C(a) * C(b) * C(c)")
    found = analysed(data, [])
    assert len(found) == 6
    for name, row in found.iterrows():
        assert_allclose(row["sum_of_squares"], expected.loc[name, "sum_sq"])
        assert_allclose(row[["f", "p"]].tolist(), expected.loc[name, ["F", "PR(>F)"]].tolist())
        assert row["df"] == expected.loc[name, "df"]
    assert (found["df_error"] == 60 - lost - 12).all()


def test_partial_omega_squared_by_hand() -> None:
    data = frame((3, 2, 4))
    found = analysed(data, []).loc["a"]
    # (SS - df MS_error) / (SS + (n - df) MS_error), the textbook's form.
    error = found["sum_of_squares"] / found["df"] / found["f"]
    above = found["sum_of_squares"] - found["df"] * error
    below = found["sum_of_squares"] + (24 - found["df"]) * error
    assert_allclose(found["omega_squared"], above / below)


def test_gaps_are_type_two_with_replicates_as_blocks() -> None:
    data = frame((3, 2, 2, 6)).drop(index=[1, 20, 44, 45])
    found = analysed(data, ["r"], order=3)
    expected = typ_two(data, "C(r) + C(a) * C(b) * C(c)")
    assert_allclose(found["sum_of_squares"], expected.loc[found.index, "sum_sq"])
    assert_allclose(found["df"], expected.loc[found.index, "df"])
    assert (found["method"] == "type II, replicates as blocks").all()
    assert (found["note"].str.contains("missing")).all()
    # Its error is a's interaction with the replicate, beyond cells and replicates.
    import statsmodels.formula.api as smf

    less = smf.ols("accuracy ~ C(a) * C(b) * C(c) + C(r)", data).fit()
    more = smf.ols("accuracy ~ C(a) * C(b) * C(c) + C(r) * C(a)", data).fit()
    error = (less.ssr - more.ssr) / (less.df_resid - more.df_resid)
    assert_allclose(found.loc["a", "f"], found.loc["a", "sum_of_squares"] / 2 / error)
    assert found.loc["a", "df_error"] == less.df_resid - more.df_resid == 10


def test_one_factor_at_a_time_has_no_interaction() -> None:
    data = frame((3, 3, 6))
    data = data[(data["a"] == 0) | (data["b"] == 0)]
    found = analysed(data, ["r"])
    expected = typ_two(data, "C(r) + C(a) + C(b)")
    assert_allclose(found.loc[["a", "b"], "sum_of_squares"], expected.loc[["a", "b"], "sum_sq"])
    assert np.isnan(found.loc["a × b", "f"])
    assert "not told apart" in found.loc["a × b", "note"]


def test_factors_that_move_together_are_not_told_apart() -> None:
    data = frame((3, 6)).assign(b=lambda rows: rows["a"])
    found = analysed(data, ["r"])
    assert found["f"].isna().all()
    assert found["note"].str.contains("not told apart").all()


def test_crossed_streams_take_the_quasi_f() -> None:
    data = frame((4, 5, 6), streams=2)
    found = analysed(data, ["r", "s"]).loc["a"]
    table = data["accuracy"].to_numpy().reshape(4, 5, 6)
    squares = simulated.anova(table, np.ones((4, 2), bool))
    by_term = dict(zip(squares.terms, squares.squares[list(squares.own)], strict=True))
    one, two, both = by_term[(0, 1)], by_term[(0, 2)], by_term[(0, 1, 2)]
    assert_allclose(found["f"], by_term[(0,)] / max(one + two - both, one, two, both))
    assert found["df_error"] == 3 * 4
    assert found["method"] == "crossed repeated measures"


def test_crossed_streams_with_gaps_use_the_replicates_that_every_cell_has() -> None:
    data = frame((4, 5, 6), streams=2)
    gaps = data.drop(index=[0, 1])
    found = analysed(gaps, ["r", "s"])
    expected = analysed(data[data["r"] > 0], ["r", "s"])
    assert_allclose(found["f"], expected["f"])
    assert "from the complete 4 × 6 of 5 × 6 replicates" in found.loc["a", "note"]


def test_a_cell_that_draws_nothing_stands_at_each_replicate() -> None:
    data = frame((3, 2, 5))
    unused = data["a"] == 2
    data.loc[unused, "accuracy"] = data.loc[unused, "b"] + 0.25
    told = analysed(data.assign(r=data["r"].where(~unused)).drop_duplicates(), ["r"])
    assert_allclose(told["f"], analysed(data, ["r"])["f"])
    assert told.loc["a", "note"].endswith("stand with one training for all of it")


def test_constant_factors_are_told_and_equal_values_have_no_f() -> None:
    data = frame((2, 1, 5))
    found = analysed(data, ["r"])
    assert found.loc["b", "note"] == "one level with finished trainings: nothing to compare"
    assert found.loc["a", "f"] > 0
    equal = analysed(data.assign(accuracy=0.1), ["r"]).loc["a"]
    assert np.isnan(equal["f"])
    assert equal["sum_of_squares"] == 0
    assert "no error to test against" in equal["note"]


def test_one_replicate_has_no_error_term() -> None:
    for replicates in (["r"], []):
        found = analysed(frame((3, 2, 1)), replicates)
        assert found["f"].isna().all()
        assert found["note"].str.contains("one training a cell").all()


def test_nothing_finished_is_an_empty_table() -> None:
    data = frame((3, 5)).assign(accuracy=np.nan)
    assert effects(data, "accuracy", factors=["a"], replicates=["r"]).empty


def test_an_order_below_one_is_refused() -> None:
    with pytest.raises(RandstudyError, match="effects are of 1 factor or more"):
        effects(frame((2, 3)), "accuracy", factors=["a"], order=0)


def test_a_random_search_is_sent_to_importance() -> None:
    rng = np.random.default_rng(0)
    data = pd.DataFrame(rng.random((150, 2)), columns=["a", "b"]).assign(r=0, accuracy=0.5)
    data = pd.concat([data.assign(r=r, accuracy=rng.random(150)) for r in range(3)])
    found = analysed(data, ["r"])
    assert found["f"].isna().all()
    assert found["note"].str.contains("importance").all()
    # The factors on their own are few enough to be tried, and cannot be told apart.
    assert analysed(data, ["r"], order=1)["note"].str.contains("not told apart").all()


@pytest.mark.parametrize("lost", [[], [5]], ids=["complete", "with a gap"])
def test_many_cells_are_tested_in_seconds(lost: list[int]) -> None:
    shape = (8, 8, 8, 4)
    values = np.random.default_rng(0).standard_normal(shape)
    place = np.indices(shape).reshape(4, -1)
    data = pd.DataFrame(dict(zip([*FACTORS, "r"], place, strict=True)))
    data["accuracy"] = values.ravel() + 3 * (data["a"] == 0) * (data["b"] == 0)
    found = analysed(data.drop(index=lost), ["r"])
    assert found.loc["a × b", "p"] < 1e-3
    assert (found["n"] == 2048 - len(lost)).all()
    assert found["p"].notna().all()


@pytest.mark.parametrize(
    "case",
    [case for case in simulated.CASES if case.bound and "effects" in case.topic],
    ids=lambda case: case.setting,
)
def test_null_effects_are_called_effects_no_more_often_than_said(case: simulated.Case) -> None:
    assert case.holds(case.simulate(400, np.random.default_rng(3)), 400)


def test_interactions_by_hand() -> None:
    values = {(0, 0): 1.0, (0, 1): 2.0, (1, 0): 3.0, (1, 1): 8.0}
    luck = [0.0, 1.0, 5.0]
    rows = [
        {"a": a, "b": b, "r": r, "accuracy": values[a, b] + luck[r]}
        for a, b, r in product((0, 1), (0, 1), range(3))
    ]
    found = interactions(
        pd.DataFrame(rows), "a", "b", "accuracy", factors=["a", "b"], replicates=["r"]
    )
    assert_allclose(found["mean"], [3, 4, 5, 10])
    # Row means 1.5 and 5.5, column means 2 and 5, mean 3.5: 1 - 1.5 - 2 + 3.5.
    assert_allclose(found["interaction"], [1, -1, -1, 1])
    assert found["n"].tolist() == [3, 3, 3, 3]


def test_intervals_of_interactions_are_paired() -> None:
    from scipy import stats

    data = frame((2, 3, 8))
    options = {"factors": ["a", "b"], "replicates": ["r"]}
    found = interactions(data, "a", "b", "accuracy", **options)  # type: ignore[arg-type]
    table = data["accuracy"].to_numpy().reshape(2, 3, 8)
    left = table - table.mean(0) - table.mean(1)[:, None] + table.mean((0, 1))
    error = stats.sem(left[1, 2])
    low, high = stats.t.interval(0.95, 7, left[1, 2].mean(), error)
    last = found.iloc[-1]
    assert_allclose([last["interaction_low"], last["interaction_high"]], [low, high])
    low, high = stats.t.interval(0.95, 7, table[1, 2].mean(), stats.sem(table[1, 2]))
    assert_allclose([last["low"], last["high"]], [low, high])


def test_interactions_of_independent_rows_use_welch() -> None:
    data = frame((2, 2, 8))
    found = interactions(data, "a", "b", "accuracy", factors=["a", "b"], replicates=[])
    cells = data["accuracy"].to_numpy().reshape(4, 8)
    # A quarter of the difference of differences.
    contrast = np.array([1, -1, -1, 1]) / 4
    parts = contrast**2 * cells.var(1, ddof=1) / 8
    df = parts.sum() ** 2 / (parts**2 / 7).sum()
    from scipy import stats

    ends = stats.t.interval(0.95, df, contrast @ cells.mean(1), np.sqrt(parts.sum()))
    assert_allclose(found.loc[0, ["interaction_low", "interaction_high"]].tolist(), ends)


def test_interactions_without_some_pair_say_so() -> None:
    data = frame((2, 2, 5))
    data = data[(data["a"] == 0) | (data["b"] == 0)]
    found = interactions(data, "a", "b", "accuracy", factors=["a", "b"], replicates=["r"])
    assert found["interaction"].isna().all()
    assert found["mean"].notna().sum() == 3
    assert found["note"].str.contains("some pairs of levels were not trained").all()


@pytest.mark.parametrize(("a", "b"), [("a", "a"), ("a", "depth")])
def test_interactions_refuse_what_is_no_pair_of_factors(a: str, b: str) -> None:
    with pytest.raises(RandstudyError, match="factor"):
        interactions(frame((2, 2, 3)), a, b, "accuracy", factors=["a", "b"])


def scattered(cells: int, seeds: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return a random search: lr matters, momentum a little, decay not."""
    levels = pd.DataFrame(rng.random((cells, 3)), columns=["lr", "momentum", "decay"])
    data = levels.loc[levels.index.repeat(seeds)].reset_index(drop=True)
    data["r"] = np.tile(np.arange(seeds), cells)
    noise = 0.05 * rng.standard_normal(len(data))
    return data.assign(accuracy=np.sin(3 * data["lr"]) + 0.4 * data["momentum"] + noise)


SCATTERED = ["lr", "momentum", "decay"]


@pytest.mark.parametrize(("seeds", "method"), [(3, "forest a replicate, t"), (1, "forest a split")])
def test_importance_finds_what_matters(seeds: int, method: str) -> None:
    data = scattered(120, seeds, np.random.default_rng(0)).assign(width=64)
    options = {"factors": [*SCATTERED, "width"], "replicates": ["r"]}
    found = importance(data, "accuracy", **options)  # type: ignore[arg-type]
    assert found["factor"].tolist() == ["lr", "momentum", "decay", "width"]
    assert found["method"].iloc[0].startswith(method)
    known = found.set_index("factor")
    assert known.loc["lr", "low"] > 0.5
    assert abs(known.loc["decay", "importance"]) < 0.05
    assert known.loc["lr", "r_squared"] > 0.7
    assert known.loc["width", "note"] == "one level: nothing to shuffle"
    pd.testing.assert_frame_equal(found, importance(data, "accuracy", **options))  # type: ignore[arg-type]


def test_importance_warns_of_what_it_cannot_predict() -> None:
    rng = np.random.default_rng(1)
    data = scattered(60, 1, rng).assign(accuracy=rng.standard_normal(60))
    found = importance(data, "accuracy", factors=SCATTERED, replicates=["r"])
    assert found["note"].str.contains("predicts poorly").all()
    assert (found["r_squared"] < 0.3).all()


@pytest.mark.parametrize(
    ("cells", "value", "told"), [(10, None, "10 cells"), (40, 0.5, "does not vary")]
)
def test_importance_without_enough_is_a_note(cells: int, value: float | None, told: str) -> None:
    data = scattered(cells, 1, np.random.default_rng(2))
    data = data if value is None else data.assign(accuracy=value)
    found = importance(data, "accuracy", factors=SCATTERED, replicates=["r"])
    assert found["importance"].isna().all()
    assert found["note"].str.contains(told).all()
