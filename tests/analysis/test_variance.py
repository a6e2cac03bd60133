"""Components of luck against hand computation, statsmodels and known truth."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from benchmarks.simulations import variance as simulated
from randstudy.analysis.components import anova
from randstudy.analysis.crossed import complete_part, sphericity
from randstudy.analysis.reml import reml
from randstudy.analysis.squares import mean_squares
from randstudy.analysis.variance import variance

NAMES = ("init", "order", "augment")


def frame(table: np.ndarray) -> pd.DataFrame:
    """Return a row a training of a table (cells, k1, …)."""
    place = np.indices(table.shape).reshape(table.ndim, -1)
    columns = {"batch": place[0], "accuracy": table.ravel()}
    columns |= {f"replicate.{name}": code for name, code in zip(NAMES, place[1:], strict=False)}
    return pd.DataFrame(columns)


def split(data: pd.DataFrame, **options: object) -> pd.DataFrame:
    found = variance(data, "accuracy", factors=["batch"], **options)  # type: ignore[arg-type]
    return found.set_index("source")


def drawn(shape: tuple[int, ...], variances: simulated.Variances, seed: int = 0) -> np.ndarray:
    return simulated.table(shape, variances, np.random.default_rng(seed))


def test_a_two_by_two_table_by_hand() -> None:
    # Mean squares 9 (init), 4 (order), 1 (what is left): variances (9-1)/2, (4-1)/2 and 1.
    found = split(frame(np.array([[[1.0, 2.0], [3.0, 6.0]]])))
    assert found.index.tolist() == ["init", "order", "init × order"]
    assert_allclose(found["variance"], [4, 1.5, 1])
    assert_allclose(found["sd"], [2, 1.5**0.5, 1])
    assert_allclose(found["share"], np.array([4, 1.5, 1]) / 6.5)
    assert_allclose(found["total"], np.array([5, 2.5, 1]) / 6.5)
    assert found["df"].tolist() == [1, 1, 1]
    assert found["levels"].tolist() == [2, 2, 4]
    assert found["order"].tolist() == [1, 1, 2]


def test_cells_are_fixed_and_luck_in_one_of_them_is_an_interaction() -> None:
    seeds = np.array([-1.0, 0.0, 1.0])
    everywhere = split(frame(np.stack([5 + seeds, 7 + seeds])))
    assert_allclose(everywhere["share"].loc[["init", "cell × init"]], [1, 0], atol=1e-12)
    # Seed effects of 1 and 0: covariance 0 between the cells, mean variance 1/2 within them.
    single = split(frame(np.stack([5 + seeds, 7 + 0 * seeds])))
    assert_allclose(single["variance"].loc[["init", "cell × init"]], [0, 0.5], atol=1e-12)
    # Cell means 5 and 7 have variance 2, of which a third of 1/2 is luck in the cells.
    assert_allclose(single.loc["cell", "variance"], 2 - 0.5 / 3)
    assert np.isnan(single.loc["cell", "share"])
    assert single.loc["cell", "order"] == 0


def test_mean_squares_are_those_of_statsmodels() -> None:
    import statsmodels.formula.api as smf
    from statsmodels.stats.anova import anova_lm

    data = frame(drawn((3, 5), {(0,): 1, (1,): 1, (0, 1): 1}))
    fitted = smf.ols("accuracy ~ C(batch) + C(r)", data.rename(columns={"replicate.init": "r"}))
    squares = anova_lm(fitted.fit())["mean_sq"]
    found = split(data)
    left = squares["Residual"]
    assert_allclose(found.loc["init", "variance"], (squares["C(r)"] - left) / 3)
    assert_allclose(found.loc["cell × init", "variance"], left)
    assert_allclose(found.loc["cell", "variance"], (squares["C(batch)"] - left) / 5)


TRUE: simulated.Variances = dict(
    zip(
        [(0,), (1,), (2,), (1, 2), (0, 1), (0, 2), (0, 1, 2)],
        [4.0, 0.2, 0.5, 0.3, 0.4, 0.1, 0.3],
        strict=True,
    )
)


def test_shares_alone_add_up_to_one_negatives_included() -> None:
    found = split(frame(drawn((3, 4, 4), TRUE, seed=8)))
    assert (found["variance"] < 0).any()
    assert_allclose(found["share"].sum(), 1)
    own = found["share"]
    with_init = own["init"] + own["init × order"] + own["cell × init"] + own["cell × init × order"]
    assert_allclose(found.loc["init", "total"], with_init)
    assert (found["sd"][found["variance"] < 0] == 0).all()


def test_components_are_unbiased() -> None:
    uses = np.ones((3, 2), bool)
    found = [anova(drawn((3, 4, 4), TRUE, seed=seed), uses) for seed in range(500)]
    runs = np.stack([one.variances for one in found])
    errors = runs.std(0, ddof=1) / np.sqrt(len(runs))
    true = np.array([TRUE[term] for term in found[0].terms])
    assert (np.abs(runs.mean(0) - true) < 3.5 * errors).all()


DIGITS: simulated.Variances = {(1,): 0.08, (2,): 0.56, (1, 2): 0.36}
"""Shares of luck of digits' accuracy in fast training, 16 inits by 16 orders."""


@pytest.mark.parametrize("total", [False, True])
def test_known_shares_are_found_and_their_intervals_hold(total: bool) -> None:
    hits = simulated.covered(
        400, np.random.default_rng(2), shape=(1, 16, 16), variances=DIGITS, total=total
    )
    assert 0.92 < hits / 400 < 0.98
    shares = pd.DataFrame(
        [split(frame(drawn((1, 16, 16), DIGITS, seed=seed)))["share"] for seed in range(20)]
    )
    assert_allclose(shares.mean(), [0.08, 0.56, 0.36], atol=0.06)


def test_what_one_stream_brings_alone_is_what_the_total_of_the_other_leaves() -> None:
    found = split(frame(drawn((1, 16, 16), DIGITS)))
    assert_allclose(found.loc["init", "total_low"], 1 - found.loc["order", "high"])
    assert_allclose(found.loc["init", "total"], 1 - found.loc["order", "share"])
    assert found.loc["order", "high"] - found.loc["order", "low"] < 0.6


def test_a_total_above_one_by_chance_keeps_its_interval() -> None:
    many = [split(frame(drawn((1, 6, 6), {(1,): 1.0, (1, 2): 0.3}, seed=s))) for s in range(9)]
    above = [found.loc["init"] for found in many if found.loc["init", "total"] > 1]
    assert above
    assert all(row["total_low"] < 1 < row["total_high"] for row in above)
    # With cells by one stream, each source of luck contains it: all of it, by construction.
    single = split(frame(drawn((4, 8), simulated.cells_and_stream(0.4)))).loc["init"]
    assert_allclose(single[["total", "total_low", "total_high"]].astype(float), 1)


def test_the_interval_of_a_variance_is_that_of_chi_square() -> None:
    from scipy import stats

    found = split(frame(drawn((1, 9), {(1,): 1.0})))
    row = found.loc["init"]
    assert_allclose(row["variance_low"], 8 * row["variance"] / stats.chi2.ppf(0.975, 8), rtol=1e-2)
    assert_allclose(row["variance_high"], 8 * row["variance"] / stats.chi2.ppf(0.025, 8), rtol=1e-2)


def test_a_higher_level_is_wider_and_the_same_seed_is_the_same() -> None:
    data = frame(drawn((4, 8), simulated.cells_and_stream(0.4)))
    once, wide = split(data), split(data, level=0.99)
    assert wide.loc["init", "low"] < once.loc["init", "low"]
    assert wide.loc["init", "high"] > once.loc["init", "high"]
    pd.testing.assert_frame_equal(once, split(data))
    assert split(data, seed=1).loc["init", "low"] != once.loc["init", "low"]


def test_one_source_has_all_luck_and_no_interval() -> None:
    found = split(frame(np.array([[1.0, 2.0, 4.0]])))
    assert found.index.tolist() == ["init"]
    assert_allclose(found.loc["init", "variance"], np.var([1, 2, 4], ddof=1))
    assert found.loc["init", "share"] == found.loc["init", "total"] == 1
    assert np.isnan(found.loc["init", "low"])
    assert "only source" in found.loc["init", "note"]


def test_repeats_are_the_noise_floor_and_leave_the_interaction() -> None:
    rng = np.random.default_rng(5)
    base = drawn((1, 30, 30), {(1,): 1.0, (2,): 1.0, (1, 2): 0.5})
    parts = [frame(base + 2 * rng.standard_normal(base.shape)).assign(repeat=r) for r in range(3)]
    found = split(pd.concat(parts))
    assert found.index.tolist()[-1] == "repeat"
    assert_allclose(found.loc["repeat", "variance"], 4, rtol=0.1)
    assert found.loc["repeat", "df"] == 2 * 900
    # Left in, a third of 4 would nearly quadruple it.
    assert_allclose(found.loc["init × order", "variance"], 0.5, atol=0.25)
    assert_allclose(found["share"].sum(), 1)


def test_repeats_that_agree_are_exactly_no_noise() -> None:
    base = drawn((1, 4, 4), {(1,): 1.0, (1, 2): 1.0})
    found = split(pd.concat([frame(base).assign(repeat=r) for r in range(2)]))
    assert found.loc["repeat", "variance"] == 0
    assert found.loc["repeat", "share"] == 0
    assert found.loc["repeat", "note"] == "repeats are equal"


def test_a_stream_that_changes_nothing_has_exactly_no_variance() -> None:
    values = np.random.default_rng(0).standard_normal((1, 6, 1)) + np.zeros((1, 6, 5)) + 1000.1
    found = split(frame(values))
    assert (found["variance"].loc[["order", "init × order"]] == 0).all()
    assert found.loc["order", "note"] == "moving it changed nothing"
    assert_allclose(found.loc["init", "share"], 1)


def test_equal_values_have_no_shares_and_say_so() -> None:
    found = split(frame(np.full((3, 4, 4), 0.1)))
    assert (found["variance"] == 0).all()
    assert found["share"].isna().all()
    assert (found["note"] == "moving it changed nothing").all()


def test_a_stream_is_told_from_the_cells_that_consume_it() -> None:
    data = frame(drawn((6, 8, 8), TRUE, seed=2))
    unused = data["batch"] < 2
    data.loc[unused, "replicate.order"] = np.nan
    data = data.drop_duplicates(["batch", "replicate.init", "replicate.order"])
    found, alone = split(data), split(data[data["batch"] >= 2])
    for name in ("order", "init × order", "cell × order", "cell × init × order"):
        assert_allclose(found.loc[name, "variance"], alone.loc[name, "variance"])
        assert found.loc[name, "note"] == "in the 4 of 6 cells that consume it"
    assert found.loc["init", "variance"] != alone.loc["init", "variance"]
    assert found["cells"].loc[["init", "order"]].tolist() == [6, 4]
    assert_allclose(found["share"].sum(), 1)


def test_without_shared_replicates_luck_is_pooled_within_cells() -> None:
    values = np.random.default_rng(4).standard_normal((3, 7)) + np.array([[0.0], [5.0], [9.0]])
    data = frame(values)
    pooled = values.var(axis=1, ddof=1).mean()
    rows = split(data, replicates=[])
    assert_allclose(rows.loc["row", "variance"], pooled)
    assert_allclose(rows.loc["cell", "variance"], values.mean(1).var(ddof=1) - pooled / 7)
    data["replicate.init"] = np.arange(21)
    nested = split(data)
    assert_allclose(nested.loc["cell × init", "variance"], pooled)
    assert "no two cells share a replicate" in nested.loc["cell × init", "note"]


def test_likelihood_agrees_with_moments_on_complete_tables() -> None:
    values = drawn((3, 5, 4), TRUE, seed=1)
    expected = split(frame(values))
    cell, *codes = np.indices(values.shape).reshape(3, -1)
    found, aliased = reml(values.ravel(), cell, np.stack(codes, 1))
    assert not aliased
    assert_allclose(found.variances, expected["variance"], rtol=1e-5)
    squares = mean_squares(values)
    expected = [squares[term][0] for term in found.terms]
    assert_allclose(found.squares[list(found.own)], expected, rtol=1e-5)


def test_likelihood_with_gaps_agrees_with_statsmodels() -> None:
    import statsmodels.formula.api as smf

    data = frame(drawn((1, 8, 8), {(1,): 1.0, (2,): 0.6, (1, 2): 0.5}, seed=6))
    data = data.drop(index=[3, 17, 22, 40, 59]).rename(columns=lambda c: c.split(".")[-1])
    parts = {"init": "0 + C(init)", "order": "0 + C(order)"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = smf.mixedlm("accuracy ~ 1", data, groups=np.ones(len(data)), vc_formula=parts)
        fitted = model.fit(reml=True)
    expected = [*fitted.vcomp, fitted.scale]
    back = data.rename(columns={"init": "replicate.init", "order": "replicate.order"})
    found = split(back)
    assert_allclose(found["variance"], expected, rtol=2e-3)
    assert (found["method"] == "REML, generalised interval").all()
    assert "5 of 64 places have no training" in found.loc["init", "note"]
    assert found.loc["init × order", "df"] == 49 - 5


def test_large_tables_with_gaps_use_a_complete_part_and_say_which() -> None:
    values = drawn((200, 8), {(0,): 1.0, (1,): 0.3, (0, 1): 0.7})
    data = frame(values).drop(index=[5, 85])  # cells 0 and 10
    found = split(data)
    expected = split(frame(np.delete(values, [0, 10], axis=0)))
    assert_allclose(found["variance"], expected["variance"])
    assert "from the complete 198 × 8 of 200 × 8" in found.loc["init", "note"]


def test_the_complete_part_drops_the_worst_slices() -> None:
    table = np.zeros((5, 6))
    table[2, 1:] = np.nan
    table[:, 4] = np.nan
    kept = complete_part(table)
    assert kept is not None
    assert [one.tolist() for one in kept] == [[0, 1, 3, 4], [0, 1, 2, 3, 5]]
    assert complete_part(np.array([[1.0, np.nan], [2.0, 3.0]]), hold=(0,)) is None


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (frame(np.full((3, 1), np.nan)), "no luck can be seen"),
        (frame(np.arange(3.0)[:, None]), "no luck can be seen"),
        (frame(np.array([[1.0, np.nan]])), "no luck can be seen"),
    ],
    ids=["nothing finished", "one replicate", "one training"],
)
def test_without_luck_there_is_a_note_and_no_number(data: pd.DataFrame, told: str) -> None:
    found = variance(data, "accuracy", factors=["batch"])
    assert len(found) == 1
    assert told in found.loc[0, "note"]
    assert np.isnan(found.loc[0, "variance"])


def test_a_cell_where_all_diverged_is_left_out() -> None:
    values = drawn((4, 8), simulated.cells_and_stream(0.4))
    values[2] = np.nan
    found, expected = split(frame(values)), split(frame(np.delete(values, 2, axis=0)))
    assert_allclose(found["variance"], expected["variance"])
    assert "1 of 4 cells have no finished training" in found.loc["init", "note"]


@pytest.mark.parametrize(("cells", "seeds"), [(12_500, 8), (100, 1_000)])
def test_a_hundred_thousand_trainings(cells: int, seeds: int) -> None:
    found = split(frame(drawn((cells, seeds), {(0,): 4.0, (1,): 0.3, (0, 1): 0.7}, seed=9)))
    assert_allclose(found.loc["cell × init", "variance"], 0.7, rtol=0.05)
    assert_allclose(found["share"].sum(), 1)
    assert found.loc["init", "low"] < found.loc["init", "share"] < found.loc["init", "high"]


def test_sphericity_of_known_covariances() -> None:
    rng = np.random.default_rng(0)
    wide = rng.standard_normal((4, 4_000))
    assert sphericity(_centred(wide), 3, 3_999) > 0.99
    # All luck along one contrast of four cells is one degree of freedom, not three.
    line = np.array([[1.0], [-1.0], [0.0], [0.0]]) * rng.standard_normal(50)
    assert_allclose(sphericity(_centred(line), 3, 49), 1 / 3)
    assert_allclose(sphericity(_centred(line), 3, 49, cautious=True), 1 / 3)
    assert np.isnan(sphericity(np.zeros((3, 5)), 2, 4))


def _centred(effects: np.ndarray) -> np.ndarray:
    effects = effects - effects.mean(0)
    return np.asarray(effects - effects.mean(1, keepdims=True))


@pytest.mark.parametrize(
    "case",
    [case for case in simulated.CASES if case.bound and "share" in case.topic],
    ids=lambda case: case.setting,
)
def test_intervals_of_shares_hold_as_often_as_they_say(case: simulated.Case) -> None:
    assert case.holds(case.simulate(200, np.random.default_rng(11)), 200)
