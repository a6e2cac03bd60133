from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from randstudy.analysis import crossings as rooms
from randstudy.analysis.crossings import crossings
from randstudy.errors import RandstudyError

STEPS = np.arange(0, 101, 10)


def study(a, b, shared=True):
    """Curves of cells a and b: (n, steps) each, paired where replicates are shared."""
    values = np.vstack([a, b])
    trials = [f"t{number}" for number in range(len(values))]
    cells = ["a"] * len(a) + ["b"] * len(b)
    seeds = [*range(len(a)), *(np.arange(len(b)) + (0 if shared else len(a)))]
    frame = pd.DataFrame({"trial": trials, "cell": cells, "replicate.init": seeds})
    long = pd.DataFrame({"trial": np.repeat(trials, len(STEPS))})
    long["step"] = np.tile(STEPS, len(values))
    return frame, long.assign(accuracy=values.ravel())


def lines(n, cross, noise, random, slope=0.01):
    """a falls behind b at `cross`; seeds move the difference up and down."""
    shared = random.standard_normal((n, 1))
    base = np.tile(STEPS * 0.02, (n, 1)) + shared
    return base, base + slope * (STEPS - cross) + noise * random.standard_normal((n, 1))


def test_means_that_cross_between_two_evaluations():
    a, b = lines(4, 43, 0.05, np.random.default_rng(0))
    b -= (b - a).mean(0) - 0.01 * (STEPS - 43)  # exactly 43 in the mean
    row = crossings(*study(a, b), "accuracy").iloc[0]
    assert row["step"] == pytest.approx(43)
    assert (row["ahead"], row["crossings"], row["n"]) == ("b", 1, "4")
    # A constant band: mean difference +- t sd / sqrt(n) is zero that much of slope away.
    reach = 3.182446 * (b - a)[:, 0].std(ddof=1) / 2 / 0.01
    assert (row["low"], row["high"]) == pytest.approx((43 - reach, 43 + reach), rel=1e-5)
    assert row["method"] == "paired t, inverted"


def test_the_order_of_a_pair_changes_nothing_but_names():
    frame, long = study(*lines(5, 31, 0.05, np.random.default_rng(1)))
    table = crossings(frame, long, "accuracy", pairs=[("a", "b"), ("b", "a")])
    assert table["ahead"].tolist() == ["b", "b"]
    for name in ("step", "low", "high"):
        assert table[name].iat[0] == pytest.approx(table[name].iat[1])


def test_the_last_of_several_crossings():
    up = np.where(STEPS < 25, -1.0, np.where(STEPS < 45, 1.0, np.where(STEPS < 75, -1.0, 1.0)))
    random = np.random.default_rng(2)
    b = up + 0.1 * random.standard_normal((5, 1))
    row = crossings(*study(np.zeros((5, len(STEPS))), b), "accuracy").iloc[0]
    assert row["crossings"] == 3
    assert 70 < row["low"] < row["step"] < row["high"] < 80


def test_without_common_replicates_welch():
    frame, long = study(*lines(6, 50, 0.01, np.random.default_rng(3)), shared=False)
    row = crossings(frame, long, "accuracy").iloc[0]
    assert row["method"] == "Welch t, inverted"
    assert row["n"] == "6 and 6"
    # The seeds' shared effect is not taken off: nothing is told apart.
    assert (row["low"], row["high"]) == (-math.inf, math.inf)
    assert row["note"] == "not told apart before; not told apart after"


@pytest.mark.parametrize(
    ("b", "note"),
    [
        (np.full((3, len(STEPS)), 2.0), "the means do not cross"),
        (np.zeros((3, len(STEPS))), "the means are equal"),
        (np.full((3, len(STEPS)), math.nan), "no steps in common"),
    ],
)
def test_nothing_crosses(b, note):
    row = crossings(*study(np.zeros((3, len(STEPS))), b), "accuracy").iloc[0]
    assert row["note"] == note
    assert math.isnan(row["step"])
    assert row["method"] == "none"


def test_one_pair_has_a_crossing_without_an_interval():
    row = crossings(*study(STEPS[None] * 0.0, STEPS[None] - 45.0), "accuracy").iloc[0]
    assert row["step"] == 45
    assert math.isnan(row["low"])
    assert row["note"] == "fewer than two trainings in a cell"


def test_crossed_streams_with_a_gap_are_not_taken_for_independent():
    random = np.random.default_rng(4)
    a, b = lines(9, 45, 0.05, random)
    frame, long = study(a, b)
    init, order = np.divmod(np.tile(np.arange(9), 2), 3)
    frame = frame.assign(**{"replicate.init": init, "replicate.order": order})
    whole = crossings(frame, long, "accuracy").iloc[0]
    assert (whole["n"], whole["method"]) == ("3 × 3", "paired crossed t, inverted")
    gap = crossings(frame.drop(index=0), long, "accuracy").iloc[0]
    assert math.isfinite(gap["step"])
    assert math.isnan(gap["low"])
    assert gap["note"] == "crossed trainings are missing"


def test_refusals(monkeypatch):
    frame, long = study(*lines(3, 50, 0.1, np.random.default_rng(5)))
    with pytest.raises(RandstudyError, match="no cell 'c'"):
        crossings(frame, long, "accuracy", pairs=[("a", "c")])
    monkeypatch.setattr(rooms, "MOST_PAIRS", 0)
    with pytest.raises(RandstudyError, match="name pairs"):
        crossings(frame, long, "accuracy")


def test_interval_holds_the_true_crossing_at_few_seeds():
    random = np.random.default_rng(6)
    hits = 0
    for _ in range(300):
        frame, long = study(*lines(4, 52, 0.3, random))
        row = crossings(frame, long, "accuracy").iloc[0]
        # Means that do not cross at all put the crossing outside of what was seen: a miss.
        hits += row["low"] <= 52 <= row["high"]
    assert 0.95 - 0.04 < hits / 300 < 0.95 + 0.04
