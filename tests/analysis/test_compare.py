"""Comparisons: pairing, corrections, families, looks and verdicts."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from randstudy.analysis.compare import compare, explore
from randstudy.analysis.layout import layout_of
from randstudy.analysis.looks import Look, spent
from randstudy.analysis.pairs import pair
from randstudy.analysis.sizes import replicates_to_settle
from randstudy.analysis.superiority import (
    paired_superiority,
    sign_flip_p,
    superiority,
    unpaired_superiority,
)
from randstudy.analysis.verdicts import decisive_alphas, holm, standing, verdict
from randstudy.errors import RandstudyError
from tests.analysis.frames import crossed, one_stream

# Student (Biometrika, 1908): additional hours of sleep by two drugs, ten patients.
SLEEP = {
    "dextro": [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0],
    "laevo": [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
}


def row(frame: pd.DataFrame, **options: Any) -> dict[str, Any]:
    (found,) = compare(frame, "test_accuracy", factor="init", factors=["init"], **options).to_dict(
        "records"
    )
    return {str(name): value for name, value in found.items()}


def test_students_sleep_paired() -> None:
    # As R documents it: t.test(extra ~ group, paired = TRUE): t = 4.0621, df = 9, p = 0.002833,
    # interval 0.7001142 to 2.4598858, mean difference 1.58.
    found = row(one_stream(SLEEP))
    assert found["estimate"] == pytest.approx(1.58)
    assert (found["low"], found["high"]) == pytest.approx((0.7001142, 2.4598858), abs=1e-7)
    assert found["p"] == pytest.approx(0.002833, abs=5e-7)
    assert (found["df"], found["pairs"], found["method"]) == (9, 10, "paired t")


def test_students_sleep_unpaired() -> None:
    # R: t.test(extra ~ group): t = 1.8608, df = 17.776, p = 0.07939,
    # interval -0.2054832 to 3.3654832.
    found = row(one_stream(SLEEP).drop(columns=["replicate.init", "replicate.order"]))
    assert found["df"] == pytest.approx(17.776, abs=5e-4)
    assert found["p"] == pytest.approx(0.07939, abs=5e-6)
    assert (found["low"], found["high"]) == pytest.approx((-0.2054832, 3.3654832), abs=1e-7)
    assert (found["n"], found["pairs"], found["method"]) == ("10 and 10", 0, "Welch t")


def test_arms_without_common_replicates_are_not_paired() -> None:
    frame = one_stream(SLEEP)
    late = frame["init"] == "laevo"
    frame.loc[late, ["replicate.init", "replicate.order"]] += 100
    assert row(frame)["p"] == pytest.approx(0.07939, abs=5e-6)


def test_other_factors_are_averaged_within_a_replicate() -> None:
    frames = [
        one_stream({"a": [1.0, 2.0, 4.0], "b": [2.0, 4.0, 5.0]}).assign(width=1),
        one_stream({"a": [0.0, 0.0, 0.0], "b": [1.0, 0.0, 2.0]}).assign(width=2),
    ]
    both = pd.concat(frames).drop(columns="cell")
    (found,) = compare(both, "test_accuracy", factor="init", factors=["init", "width"]).to_dict(
        "records"
    )
    expected = stats.ttest_1samp([1.0, 1.0, 1.5], 0.0)
    assert (found["pairs"], found["contexts"]) == (3, 2)
    assert found["p"] == pytest.approx(expected.pvalue)


def test_crossed_pairs_use_mean_squares() -> None:
    generator = np.random.default_rng(2)
    first, second = generator.normal(size=(2, 4, 5))
    frame = crossed({0.1: first, 0.2: second})
    (found,) = compare(frame, "test_accuracy", factor="lr", factors=["lr"]).to_dict("records")
    gap = second - first
    rest = gap - gap.mean(1, keepdims=True) - gap.mean(0, keepdims=True) + gap.mean()
    a, b = 5 * gap.mean(1).var(ddof=1), 4 * gap.mean(0).var(ddof=1)
    ab = (rest**2).sum() / 12
    error = math.sqrt(max(a + b - ab, a, b, ab) / 20)
    assert found["high"] - found["estimate"] == pytest.approx(stats.t.ppf(0.975, 3) * error)
    assert (found["n"], found["pairs"], found["method"]) == ("4 × 5", 20, "paired crossed t")
    assert math.isnan(found["superiority_low"])


def test_an_arm_that_draws_nothing_is_held_against_every_replicate() -> None:
    frame = one_stream({"full": [1.0], "mini": [1.5, 2.0, 1.0]})
    frame.loc[0, ["replicate.init", "replicate.order"]] = np.nan
    found = row(frame)
    assert found["p"] == pytest.approx(stats.ttest_1samp([0.5, 1.0, 0.0], 0).pvalue)
    assert found["pairs"] == 3


def test_resampled_splits_are_corrected() -> None:
    values = {"a": [0.0] * 10, "b": [0.3, 0.1, -0.2, 0.4, 0.0, 0.2, 0.5, -0.1, 0.3, 0.1]}
    frame = one_stream(values).rename(columns={"replicate.order": "replicate.split"})
    found = row(frame, resampled=1 / 9)
    gaps = np.array(values["b"])
    error = math.sqrt(gaps.var(ddof=1) * (1 / 10 + 1 / 9))
    assert found["high"] - found["estimate"] == pytest.approx(stats.t.ppf(0.975, 9) * error)
    assert found["method"] == "paired corrected resampled t"
    unknown = row(frame)
    assert unknown["verdict"] == "withheld"
    assert "test over training" in unknown["note"]


def test_missing_pairs_are_left_out_and_told() -> None:
    frame = one_stream({"a": [1.0, 2.0, 3.0, 5.0], "b": [2.0, 3.5, 4.0, 5.5]})
    found = row(frame.drop(index=2))
    assert (found["pairs"], found["missing_pairs"], found["lost"]) == (3, 1, 0)
    assert found["estimate"] == pytest.approx(1.0)


def test_divergence_withholds_the_verdict() -> None:
    found = row(one_stream({"a": [1.0, 2.0, 3.0], "b": [9.0, 9.1, math.nan]}))
    assert found["verdict"] == "withheld"
    assert "1 of the trainings of b and 0 of those of a diverged" in found["note"]


@pytest.mark.parametrize(
    ("b", "word", "said"),
    [
        ([1.0, 2.0, 4.0], "withheld", "every pair is exactly equal"),
        ([1.5, 2.5, 4.5], "withheld", "all 3 values are equal"),
    ],
)
def test_no_spread_gets_no_verdict(b: list[float], word: str, said: str) -> None:
    found = row(one_stream({"a": [1.0, 2.0, 4.0], "b": b}))
    assert found["verdict"] == word
    assert said in found["note"]
    assert math.isnan(found["p"])


def test_one_replicate_is_not_enough() -> None:
    found = row(one_stream({"a": [1.0], "b": [2.0]}), smallest_difference=0.1)
    assert (found["verdict"], found["note"]) == ("not enough seeds", "one training")


def test_holm_is_statsmodels() -> None:
    p = [0.01, 0.04, 0.03, 0.005, 0.5]
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1].tolist())
    assert holm([0.04, math.nan]) == pytest.approx([0.08, math.nan], nan_ok=True)


@pytest.mark.parametrize("seed", range(20))
def test_decisive_intervals_exclude_zero_where_holm_rejects(seed: int) -> None:
    generator = np.random.default_rng(seed)
    p = (generator.random(6) ** 3 / 2).tolist()
    rejected = multipletests(p, alpha=0.05, method="holm")[0]
    alphas = decisive_alphas(p, 0.05)
    assert [one <= alpha for one, alpha in zip(p, alphas, strict=True)] == rejected.tolist()


def test_the_family_is_every_level_but_the_reference() -> None:
    generator = np.random.default_rng(5)
    frame = one_stream({name: generator.normal(size=8).tolist() for name in "abcd"})
    table = compare(frame, "test_accuracy", factor="init", factors=["init"], reference="c")
    assert table["level"].tolist() == ["a", "b", "d"]
    assert table["family"].tolist() == [3, 3, 3]
    expected = multipletests(table["p"], method="holm")[1]
    assert table["p_holm"].tolist() == pytest.approx(expected.tolist())


@pytest.mark.parametrize(
    ("low", "high", "margin", "rejected", "word"),
    [
        (0.1, 0.9, None, True, "real"),
        (0.1, 0.9, 0.5, True, "real"),
        (0.1, 0.4, 0.5, True, "real but negligible"),
        (-0.3, 0.4, 0.5, False, "luck"),
        (-0.3, 0.6, 0.5, False, "not enough seeds"),
        (-0.3, 0.4, None, False, "not enough seeds"),
    ],
)
def test_words(low: float, high: float, margin: float | None, rejected: bool, word: str) -> None:
    assert verdict(low, high, margin, rejected=rejected) == word


def test_looks_spend_alpha_and_never_more() -> None:
    assert spent(0.05, 1) == pytest.approx(0.04)
    assert spent(0.05, 2) == pytest.approx(0.005)
    assert spent(0.05, 3) == pytest.approx(0.0025)
    assert sum(spent(0.05, look) for look in range(1, 60)) == pytest.approx(0.05)
    with pytest.raises(ValueError, match="from 1"):
        spent(0.05, 0)


def test_a_later_look_decides_at_its_own_level() -> None:
    frame = one_stream(SLEEP)
    assert row(frame)["verdict"] == "real"
    before = Look(number=1, comparison="", data="", n="8", verdicts={}, estimates={})
    found = [row(frame, looks=[before] * looks) for looks in (1, 2)]
    # p = 0.0028 lies between what the first and the second extension spend.
    assert [one["verdict"] for one in found] == ["real", "not enough seeds"]
    assert "alone excludes 0" in found[1]["note"]


def test_what_was_decided_stands_while_the_sign_does() -> None:
    assert standing("not enough seeds", [("real", 0.2)], 0.1) == "real"
    assert standing("not enough seeds", [("real", 0.2)], -0.1) == "not enough seeds"
    assert standing("not enough seeds", [("luck", -0.2)], 0.1, 0.5) == "luck"
    assert standing("not enough seeds", [("luck", -0.2)], 0.6, 0.5) == "not enough seeds"
    assert standing("not enough seeds", [("real but negligible", 0.2)], 0.6, 0.5) == "real"
    assert standing("luck", [("real", 0.2)], 0.1) == "luck"
    assert standing("withheld", [("real", 0.2)], 0.1) == "withheld"


def test_effect_size_and_correlation() -> None:
    found = row(one_stream(SLEEP))
    pooled = math.sqrt((np.var(SLEEP["dextro"], ddof=1) + np.var(SLEEP["laevo"], ddof=1)) / 2)
    assert found["g"] == pytest.approx(1.58 / pooled * (1 - 3 / (4 * 9 - 1)))
    assert found["r"] == pytest.approx(0.7951702, abs=1e-7)


def test_superiority_over_pairs_counts_ties_half() -> None:
    share, low, high = paired_superiority(
        np.array([1.0, 2, 3, 3]), np.array([0.0, 2, 1, 4]), maximize=True
    )
    assert share == 0.625
    assert low < 0.625 < high
    lower = paired_superiority(np.array([1.0, 2]), np.array([3.0, 4]), maximize=False)
    assert lower[0] == 1.0


def test_superiority_of_samples_is_mann_whitneys() -> None:
    generator = np.random.default_rng(1)
    a, b = generator.normal(0.7, 1, 12), generator.normal(0, 2, 9)
    share, low, high = unpaired_superiority(a, b, maximize=True)
    assert share == pytest.approx(stats.mannwhitneyu(a, b).statistic / (12 * 9))
    assert low < share < high
    assert unpaired_superiority(a + 99, b, maximize=True)[0] == 1.0


def test_the_matrix_of_superiority_is_its_own_mirror() -> None:
    frame = one_stream({"a": [1.0, 2.0, 3.0], "b": [1.0, 3.0, 5.0], "c": [0.0, 0.0, 9.0]})
    found = superiority(layout_of(frame, "test_accuracy", factors=["init"]))
    assert found.loc["init=b", "init=a"] == pytest.approx(5 / 6)
    mirrored = found.to_numpy() + found.to_numpy().T
    assert mirrored[~np.eye(3, dtype=bool)] == pytest.approx(1.0)


def test_sign_flips_by_hand_and_by_scipy() -> None:
    assert sign_flip_p(np.array([1.0, 2.0, 3.0])) == pytest.approx(2 / 8)
    assert sign_flip_p(np.ones(6)) == pytest.approx(2 / 64)
    gaps = np.array(SLEEP["laevo"]) - np.array(SLEEP["dextro"])
    exact = stats.permutation_test((gaps,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip_p(gaps) == pytest.approx(exact.pvalue)


@pytest.mark.parametrize("n", [16, 17, 64, 65])
def test_sign_flips_agree_where_the_method_changes(n: int) -> None:
    gaps = np.random.default_rng(n).normal(0.4, 1, n)
    assert sign_flip_p(gaps) == pytest.approx(stats.ttest_1samp(gaps, 0).pvalue, abs=0.02)


def test_a_wrong_factor_or_level_is_named() -> None:
    frame = one_stream({"a": [1.0, 2.0], "b": [1.0, 3.0]})
    with pytest.raises(RandstudyError, match="'lr' is no factor here; factors are init"):
        compare(frame, "test_accuracy", factor="lr", factors=["init"])
    with pytest.raises(RandstudyError, match="init has no level 'z' to compare with; it has a, b"):
        compare(frame, "test_accuracy", factor="init", factors=["init"], reference="z")


def test_what_nobody_declared_gets_no_verdict() -> None:
    table = explore(one_stream(SLEEP), "test_accuracy", factors=["init"])
    assert table["verdict"].tolist() == ["exploratory"]
    assert explore(one_stream({"a": [1.0, 2.0]}), "test_accuracy", factors=["init"]).empty


def test_pairs_of_levels_without_a_common_context_are_left_out() -> None:
    frame = pd.concat(
        [
            one_stream({"a": [1.0, 2.0]}).assign(width=1),
            one_stream({"b": [1.0, 2.0]}).assign(width=2),
        ]
    ).drop(columns="cell")
    assert compare(frame, "test_accuracy", factor="init", factors=["init", "width"]).empty


def test_a_pair_knows_its_sides() -> None:
    layout = layout_of(one_stream(SLEEP), "test_accuracy", factors=["init"])
    side = pair(layout, "init", "laevo", "dextro")
    assert side.differences == pytest.approx(np.array(SLEEP["laevo"]) - np.array(SLEEP["dextro"]))
    assert (side.count, side.smallest) == ("10", 10)


def test_independent_rows_are_compared_within_their_contexts() -> None:
    generator = np.random.default_rng(0)
    rows = [
        {"ctx": ctx, "init": arm, "acc": base + lift * (arm == "b") + generator.normal()}
        for ctx, base, lift in (("x", 0.0, 1.0), ("y", 50.0, 3.0))
        for arm in "ab"
        for _ in range(5)
    ]
    frame = pd.DataFrame(rows)
    (found,) = compare(frame, "acc", factor="init", factors=["init", "ctx"]).to_dict("records")
    means = frame.groupby(["init", "ctx"])["acc"].mean().groupby("init").mean()
    assert (found["mean_level"], found["mean_reference"]) == pytest.approx((means["b"], means["a"]))
    assert found["estimate"] == pytest.approx(means["b"] - means["a"])
    assert found["n"] == "10 and 10"
    squares = frame.groupby(["init", "ctx"])["acc"].var(ddof=1) / 5 / 4
    error = math.sqrt(squares.sum())
    assert (found["high"] - found["estimate"]) / error == pytest.approx(
        stats.t.ppf(0.975, found["df"])
    )
    # Pooled over contexts the spread would be that between 0 and 50.
    assert found["sd_arm"] < 2


def test_a_side_of_unknown_error_gets_no_verdict() -> None:
    rows = [("x", "a", 0.0), ("x", "a", 0.1), ("y", "a", 0.2), ("y", "a", 0.1), ("x", "b", 9.0),
            ("y", "b", 5.0), ("y", "b", 5.1)]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["ctx", "init", "acc"])
    (found,) = compare(frame, "acc", factor="init", factors=["init", "ctx"]).to_dict("records")
    assert math.isnan(found["low"])
    assert found["note"] == "one training in one of the cells averaged"
    assert found["verdict"] != "real"


def test_a_constant_side_adds_no_error() -> None:
    frame = one_stream(SLEEP).drop(columns=["replicate.init", "replicate.order"])
    frame.loc[frame["init"] == "dextro", "test_accuracy"] = 1.0
    found = row(frame)
    assert found["p"] == pytest.approx(stats.ttest_1samp(SLEEP["laevo"], 1.0).pvalue)


def test_seeds_needed_are_those_of_the_next_look() -> None:
    found = row(one_stream(SLEEP), smallest_difference=1.0)
    assert found["next_alpha"] == pytest.approx(0.005)
    assert found["needed"] == replicates_to_settle(1.0 / found["sd"], paired=True, level=0.995)
    assert found["sd"] == pytest.approx(np.std(row_gaps(), ddof=1))


def row_gaps() -> np.ndarray:
    return np.array(SLEEP["laevo"]) - np.array(SLEEP["dextro"])


def test_resampled_splits_have_a_floor_that_no_number_of_them_breaks() -> None:
    values = {"a": [0.0] * 10, "b": [0.3, 0.1, -0.2, 0.4, 0.0, 0.2, 0.5, -0.1, 0.3, 0.1]}
    frame = one_stream(values).rename(columns={"replicate.order": "replicate.split"})
    found = row(frame, resampled=1 / 3, smallest_difference=0.05)
    assert found["sd"] == pytest.approx(np.std(values["b"], ddof=1))
    assert pd.isna(found["needed"])
    assert row(frame, resampled=1 / 3, smallest_difference=5.0)["needed"] >= 2


def test_differences_that_differ_by_rounding_are_equal() -> None:
    a = [0.9689, 0.9707, 0.9703]
    found = row(one_stream({"a": a, "b": [value - 0.0001 for value in a]}))
    assert found["verdict"] == "withheld"
    assert math.isnan(found["p"])


def test_a_missing_level_is_a_level() -> None:
    frames = [one_stream({"a": [1.0, 2.0], "b": [2.0, 3.5]}).assign(decay=decay)
              for decay in (math.nan, 0.1)]  # fmt: skip
    frames[0].loc[frames[0]["init"] == "b", "test_accuracy"] += 3.0
    both = pd.concat(frames).drop(columns="cell")
    (found,) = compare(both, "test_accuracy", factor="init", factors=["init", "decay"]).to_dict(
        "records"
    )
    assert (found["contexts"], found["estimate"]) == (2, pytest.approx(2.75))
    table = compare(both, "test_accuracy", factor="decay", factors=["init", "decay"])
    assert table["reference"].tolist() == ["(missing)"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"alpha": 2}, "alpha is 2; it must be above 0"),
        ({"alpha": 0}, "alpha is 0"),
        ({"smallest_difference": -1}, "smallest_difference is -1; it must be above 0"),
        ({"smallest_difference": math.nan}, "smallest_difference is nan"),
        ({"resampled": math.inf}, "resampled is inf"),
    ],
)
def test_numbers_out_of_bounds_are_refused(options: dict, said: str) -> None:
    with pytest.raises(RandstudyError, match=said):
        row(one_stream(SLEEP), **options)


def test_a_reference_may_be_written_as_another_number() -> None:
    frame = one_stream({0.1: [1.0, 2.0], 0.01: [1.0, 3.0]}, factor="lr")
    table = compare(frame, "test_accuracy", factor="lr", factors=["lr"], reference="1e-2")
    assert table["reference"].tolist() == [0.01]
