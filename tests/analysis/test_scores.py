"""Scores over suites of tasks, by hand, by scipy, and where there is nothing to tell."""

import math
import time

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from randstudy.analysis.score_shares import performance_profile, probability_of_improvement
from randstudy.analysis.scores import aggregate_scores
from randstudy.analysis.suites import suites
from randstudy.errors import RandstudyError

GAMES = ["alien", "boxing", "chess"]


@pytest.fixture
def wide() -> pd.DataFrame:
    """Two algorithms, four runs each of three games."""
    scores = [
        [0.1, 0.5, 0.9],
        [0.3, 0.6, 1.2],
        [0.2, 0.4, 1.0],
        [0.2, 0.5, 1.3],
        [0.4, 0.4, 0.8],
        [0.5, 0.3, 0.7],
        [0.6, 0.2, 0.9],
        [0.5, 0.3, 1.2],
    ]
    frame = pd.DataFrame(scores, columns=GAMES)
    frame["algorithm"] = ["a"] * 4 + ["b"] * 4
    frame["run"] = [0, 1, 2, 3] * 2
    return frame


@pytest.fixture
def long(wide: pd.DataFrame) -> pd.DataFrame:
    return wide.melt(["algorithm", "run"], GAMES, var_name="task", value_name="score")


LONG = {"score": "score", "algorithm": "algorithm", "task": "task", "run": "run"}


def test_aggregates_by_hand(long: pd.DataFrame) -> None:
    table = aggregate_scores(long, **LONG).set_index(["algorithm", "aggregate"])
    a = table.loc["a", "estimate"]
    scores = long.loc[long["algorithm"] == "a", "score"]
    assert a["mean"] == pytest.approx((0.2 + 0.5 + 1.1) / 3)
    assert a["median"] == pytest.approx(0.5)
    # Of twelve scores three are cut at either end: 0.3 0.4 0.5 0.5 0.6 0.9 remain.
    assert a["iqm"] == pytest.approx(3.2 / 6)
    assert a["iqm"] == pytest.approx(stats.trim_mean(scores, 0.25), abs=1e-15)
    assert a["optimality_gap"] == pytest.approx((0.8 + 0.5 + 0.025) / 3)
    row = table.loc[("b", "iqm")]
    assert (row["runs"], row["tasks"], row["n"]) == ("4", 3, 12)
    assert (row["method"], row["note"]) == ("stratified bootstrap, t", "")
    assert row["low"] < row["estimate"] < row["high"]
    assert "not a sample of tasks" in row["assumptions"]


def test_iqm_is_scipys_trimmed_mean_whatever_the_size() -> None:
    generator = np.random.default_rng(0)
    for runs, tasks in ((2, 1), (3, 1), (3, 5), (5, 7), (10, 26)):
        scores = pd.DataFrame(generator.normal(size=(runs, tasks)))
        scores.columns = [f"t{number}" for number in range(tasks)]
        table = aggregate_scores(scores, tasks=list(scores.columns), resamples=100)
        found = table.set_index("aggregate").loc["iqm", "estimate"]
        assert found == pytest.approx(stats.trim_mean(scores.to_numpy(), 0.25, axis=None))


def test_wide_and_long_tables_give_the_same(wide: pd.DataFrame, long: pd.DataFrame) -> None:
    one = aggregate_scores(wide, tasks=GAMES, algorithm="algorithm", run="run")
    pd.testing.assert_frame_equal(one, aggregate_scores(long, **LONG))


def test_the_mean_has_nearly_its_closed_interval() -> None:
    scores = np.random.default_rng(3).normal(size=(6, 8)) * np.linspace(1, 2, 8)
    frame = pd.DataFrame(scores, columns=list("abcdefgh"))
    table = aggregate_scores(frame, tasks=list("abcdefgh"), resamples=20_000)
    row = table.set_index("aggregate").loc["mean"]
    parts = scores.var(0, ddof=1) / 6 / 64
    df = parts.sum() ** 2 / (parts**2 / 5).sum()
    reach = stats.t.ppf(0.975, df) * math.sqrt(parts.sum())
    assert row["estimate"] == pytest.approx(scores.mean(), abs=1e-14)
    assert row["high"] - row["estimate"] == pytest.approx(reach, rel=0.02)
    assert row["df"] == pytest.approx(df, rel=0.05)


def test_the_seed_is_alive_and_repeats(long: pd.DataFrame) -> None:
    first, again, other = (aggregate_scores(long, **LONG, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert (first["estimate"] == other["estimate"]).all()
    assert (first["low"] != other["low"]).all()
    assert first["low"].to_numpy() == pytest.approx(other["low"].to_numpy(), abs=0.02)


def test_an_algorithm_does_not_depend_on_the_others(long: pd.DataFrame) -> None:
    both = aggregate_scores(long, **LONG)
    alone = aggregate_scores(long[long["algorithm"] == "b"], **LONG)
    pd.testing.assert_frame_equal(both[4:].reset_index(drop=True), alone)


def test_tasks_with_unequal_runs_weigh_equally(long: pd.DataFrame) -> None:
    gone = (long["algorithm"] == "a") & (long["task"] == "alien") & (long["run"] > 1)
    table = aggregate_scores(long[~gone], **LONG).set_index(["algorithm", "aggregate"])
    row = table.loc[("a", "mean")]
    assert row["estimate"] == pytest.approx((0.2 + 0.5 + 1.1) / 3)
    assert (row["runs"], row["n"]) == ("2 to 4", 10)
    # Two of ten are cut at either end: a fifth of the weight, which is 0.1 and a fifth of 0.3
    # below, 1.3 1.2 and two fifths of 1.0 above.
    middle = (0.8 * 0.3 / 6 + (0.4 + 0.5 + 0.5 + 0.6 + 0.9) / 12 + 0.6 * 1.0 / 12) / 0.6
    assert table.loc[("a", "iqm"), "estimate"] == pytest.approx(middle)
    holes = long.assign(score=long["score"].mask(gone))
    told = aggregate_scores(holes, **LONG).set_index(["algorithm", "aggregate"]).loc[("a", "mean")]
    assert told["note"] == "2 of 12 scores are missing"
    assert (told["estimate"], told["low"]) == (row["estimate"], row["low"])


def test_what_has_no_interval_says_why(long: pd.DataFrame) -> None:
    one = long[(long["run"] == 0) | (long["task"] != "chess")]
    table = aggregate_scores(one, **LONG)
    assert table["low"].isna().all()
    assert set(table["note"]) == {"one run in 1 of 3 tasks, which tells nothing of its luck"}
    flat = aggregate_scores(long.assign(score=long["task"].map(len) / 7), **LONG)
    assert flat["low"].isna().all()
    assert set(flat["note"]) == {"no spread within any task that it is made of"}
    enough = aggregate_scores(long, **LONG, threshold=-1.0).set_index("aggregate")
    gap = enough.loc["optimality_gap"].iloc[0]
    assert (gap["estimate"], gap["method"]) == (0.0, "none")
    # One score below the threshold: a gap cannot be negative, whatever its error.
    close = aggregate_scores(long, **LONG, threshold=0.15).set_index("aggregate")
    gap = close.loc["optimality_gap"].iloc[0]
    assert gap["estimate"] == pytest.approx(0.05 / 12)
    assert gap["low"] == 0
    assert gap["high"] == pytest.approx(stats.t.ppf(0.975, 3) * 0.05 / 12 + 0.05 / 12, rel=0.05)
    none = aggregate_scores(long.assign(score=np.nan), **LONG)
    assert none["estimate"].isna().all()
    assert none["note"].str.startswith("no score; 12 of 12").all()
    assert aggregate_scores(long[:0], **LONG).empty
    assert performance_profile(long[:0], taus=[0.5], **LONG).empty
    assert performance_profile(long.assign(score=np.nan), **LONG).empty


def test_tasks_without_a_run_and_runs_that_failed_are_told(long: pd.DataFrame) -> None:
    less = long[(long["algorithm"] == "b") | (long["task"] != "chess")]
    table = aggregate_scores(less, **LONG)
    assert table["note"][0].startswith("no score in 1 of 3 tasks (chess), so it is not on a par")
    assert table["note"][7] == ""
    pair = probability_of_improvement(less, **LONG).iloc[0]
    assert pair["tasks"] == 2
    assert "1 of 3 tasks have runs of one of them only" in pair["note"]
    failed = long.assign(status=np.where(long["run"] == 3, "failed", "finished"))
    table = aggregate_scores(failed, **LONG)
    assert table["note"][0] == "3 failed or diverged runs are left out"
    assert table["runs"][0] == "3"
    apart = less[(less["algorithm"] == "b") == (less["task"] == "chess")]
    assert math.isnan(probability_of_improvement(apart, **LONG)["probability"][0])


def test_scores_are_normalised(long: pd.DataFrame) -> None:
    ends = {"alien": (0.0, 2.0), "boxing": (0.5, 1.0), "chess": (1.0, 3.0)}
    found = aggregate_scores(long, **LONG, normalise=ends)["estimate"][0]
    assert found == pytest.approx((0.1 + 0.0 + 0.05) / 3)
    columns = long.assign(
        random=long["task"].map(lambda name: ends[name][0]),
        human=long["task"].map(lambda name: ends[name][1]),
    )
    by_columns = aggregate_scores(columns, **LONG, normalise=("random", "human"))
    assert by_columns["estimate"][0] == found
    by_b = aggregate_scores(long, **LONG, normalise="b")["estimate"]
    assert by_b[0] == pytest.approx((0.2 / 0.5 + 0.5 / 0.3 + 1.1 / 0.9) / 3)
    assert by_b[4] == pytest.approx(1)
    for normalise, told in (
        ("c", "no algorithm 'c'"),
        ({"alien": (0.0, 1.0)}, "task 'boxing' has no scores"),
        (ends | {"chess": (1.0, 1.0)}, "'chess' cannot be normalised"),
        (("random", "humans"), "no column 'random'"),
    ):
        with pytest.raises(RandstudyError, match=told):
            aggregate_scores(long, **LONG, normalise=normalise)


def test_smaller_may_be_better(long: pd.DataFrame) -> None:
    losses = long.rename(columns={"score": "loss"})
    names = LONG | {"score": "loss"}
    up = aggregate_scores(long, **LONG).set_index(["algorithm", "aggregate"])
    down = aggregate_scores(losses, **names).set_index(["algorithm", "aggregate"])
    assert down.loc[("a", "iqm"), "estimate"] == pytest.approx(up.loc[("a", "iqm"), "estimate"])
    assert down.loc[("a", "iqm"), "low"] < down.loc[("a", "iqm"), "estimate"]
    # Shortfall is now what is above the threshold: 0.2 and 0.3 of the twelve.
    assert down.loc[("a", "optimality_gap"), "estimate"] == pytest.approx(0.5 / 12)
    better = probability_of_improvement(long, **LONG)["probability"][0]
    worse = probability_of_improvement(losses, **names)["probability"][0]
    assert better + worse == pytest.approx(1)
    profile = performance_profile(losses, taus=[0.35], **names)
    below = (
        long[long["algorithm"] == "a"].groupby("task")["score"].apply(lambda s: (s < 0.35).mean())
    )
    assert profile["share"][0] == pytest.approx(below.mean())


def test_improvement_is_the_mean_of_mann_whitney(long: pd.DataFrame) -> None:
    row = probability_of_improvement(long, **LONG).iloc[0]
    shares = []
    for _, some in long.groupby("task"):
        a, b = (some.loc[some["algorithm"] == name, "score"] for name in "ab")
        shares.append(stats.mannwhitneyu(a, b).statistic / 16)
    assert shares[0] == 0
    assert row["probability"] == pytest.approx(np.mean(shares))
    assert (row["algorithm_x"], row["algorithm_y"], row["runs"]) == ("a", "b", "4 and 4")
    assert (row["tasks"], row["n"], row["method"]) == (3, 24, "stratified, logit t")
    assert 0 < row["low"] < row["probability"] < row["high"] < 1


def test_improvement_in_one_task_has_delongs_error() -> None:
    generator = np.random.default_rng(5)
    a, b = generator.normal(0.5, 1, 12), generator.normal(0, 1, 9)
    frame = pd.DataFrame({"who": ["a"] * 12 + ["b"] * 9, "t": [*a, *b]})
    row = probability_of_improvement(frame, tasks=["t"], algorithm="who").iloc[0]
    wins = (a[:, None] > b).astype(float)
    parts = np.array([wins.mean(1).var(ddof=1) / 12, wins.mean(0).var(ddof=1) / 9])
    df = parts.sum() ** 2 / (parts**2 / [11, 8]).sum()
    p = wins.mean()
    reach = stats.t.ppf(0.975, df) * math.sqrt(parts.sum()) / (p * (1 - p))
    ends = [1 / (1 + math.exp(-(math.log(p / (1 - p)) + end))) for end in (-reach, reach)]
    assert (row["low"], row["high"]) == pytest.approx(ends, abs=1e-12)


def test_one_that_always_wins_is_bounded_by_its_pairs() -> None:
    frame = pd.DataFrame(
        {"who": list("aaabbb"), "s": [4.0, 5, 6, 1, 2, 3], "t": [2.0, 2, 2, 1, 1, 1]}
    )
    row = probability_of_improvement(frame, tasks=["s", "t"], algorithm="who").iloc[0]
    assert (row["probability"], row["high"], row["method"]) == (1, 1, "Clopper-Pearson")
    assert row["low"] == pytest.approx(0.025 ** (1 / 6))
    ties = frame.assign(s=1.0, t=2.0)
    even = probability_of_improvement(ties, tasks=["s", "t"], algorithm="who").iloc[0]
    assert even["probability"] == 0.5
    assert even["low"] < 0.2


def test_profiles_count_scores_beyond_tau(long: pd.DataFrame) -> None:
    table = performance_profile(long, taus=[0.0, 0.5, 9.0], **LONG)
    assert list(table["tau"]) == [0.0, 0.5, 9.0] * 2
    assert list(table["share"][:3]) == pytest.approx([1, (0 + 0.25 + 1) / 3, 0])
    assert table["low"][0] == pytest.approx(0.025 ** (1 / 12))
    assert table["method"][0] == "Clopper-Pearson"
    assert ((table["low"] <= table["share"]) & (table["share"] <= table["high"])).all()
    every = performance_profile(long, **LONG)
    assert len(every) == 2 * 51
    assert (every.groupby("algorithm")["share"].diff().dropna() <= 0).all()
    single = performance_profile(long[long["run"] == 0], taus=[0.45], **LONG)
    assert set(single["method"]) == {"Clopper-Pearson"}


def test_scores_of_every_run_are_there() -> None:
    frame = pd.DataFrame({"s": [1.0, np.nan, 3.0], "t": [4.0, 5.0, 6.0]})
    [suite] = suites(frame, tasks=["s", "t"])
    assert suite.scores.tolist() == [1, 3, 4, 5, 6]
    assert suite.counts.tolist() == [2, 3]
    assert suite.of("t").tolist() == [4, 5, 6]
    assert (suite.algorithm, suite.runs, suite.balanced) == ("all", "2 to 3", False)


def test_tables_that_do_not_fit(long: pd.DataFrame, wide: pd.DataFrame) -> None:
    for options, told in (
        ({"score": "scores", "task": "task"}, "no column 'scores'; did you mean score"),
        ({"score": "algorithm", "task": "task"}, "'algorithm' does not hold numbers"),
        ({"score": "score"}, "name the columns of score and task"),
        ({"score": "score", "task": "task", "run": "run"}, "has several scores"),
        (LONG | {"resamples": 10}, "10 resamples cannot tell an error"),
    ):
        with pytest.raises(RandstudyError, match=told):
            aggregate_scores(long, **options)
    with pytest.raises(RandstudyError, match="no column 'chest'; did you mean chess"):
        aggregate_scores(wide, tasks=["alien", "chest"])


def test_a_hundred_runs_of_thirty_eight_tasks_take_seconds() -> None:
    names = [f"t{number}" for number in range(38)]
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 38)), columns=names)
    frame["who"] = np.repeat(["a", "b"], 100)
    start = time.perf_counter()
    aggregate_scores(frame, tasks=names, algorithm="who")
    probability_of_improvement(frame, tasks=names, algorithm="who")
    performance_profile(frame, tasks=names, algorithm="who")
    assert time.perf_counter() - start < 10
