from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import special

from randstudy.analysis.calibration import COLUMNS, calibration, confidence, difficulty
from randstudy.analysis.examples import Examples
from randstudy.errors import RandstudyError


def study(predicted, targets, cells=None, logits=None):
    predicted = np.asarray(predicted, np.uint8)
    trials = [f"t{number}" for number in range(len(predicted))]
    frame = pd.DataFrame({"trial": trials, "cell": cells or ["all"] * len(trials)})
    kept = pd.DataFrame(predicted, index=pd.Index(trials, name="trial"))
    return frame, Examples(kept, targets, logits)


def test_difficulty_counts_distinct_trainings():
    frame, examples = study([[0, 1], [0, 2], [1, 1]], np.array([0, 1]))
    twice = pd.concat([frame, frame.iloc[[0]].assign(cell="other")])
    table = difficulty(twice, examples)
    assert table["share_right"].tolist() == pytest.approx([2 / 3, 2 / 3])
    assert table["label"].tolist() == [0, 1]
    assert table["n"].tolist() == [3, 3]
    assert table["low"].isna().all()
    alone = difficulty(frame, examples)
    assert alone["low"].tolist() == pytest.approx([0.094299] * 2, abs=1e-6)
    assert alone["high"].tolist() == pytest.approx([0.991596] * 2, abs=1e-6)


def test_difficulty_of_differing_examples_is_not_told():
    targets = pd.DataFrame([[0, 1], [1, 0]], index=["t0", "t1"])
    frame, examples = study([[0, 1], [0, 1]], targets)
    assert difficulty(frame, examples).empty
    assert calibration(frame, examples).empty


def test_vote_shares_by_hand():
    # Four seeds, two examples, classes 0 and 1: shares (3/4, 1/4) true 0, and (1/2, 1/2) true 1.
    table = calibration(*study([[0, 0], [0, 0], [0, 1], [1, 1]], np.array([0, 1])), bins=4)
    assert list(table.columns) == list(COLUMNS)
    assert table["predicted_low"].tolist() == [0.25, 0.5, 0.75]
    assert table["predicted_high"].tolist() == [0.5, 0.75, 1]
    assert table["predicted"].tolist() == [0.25, 0.5, 0.75]
    assert table["observed"].tolist() == [0, 0.5, 1]
    assert table["count"].tolist() == [1, 2, 1]
    assert table["n"].tolist() == [4, 4, 4]
    # Clopper-Pearson of 0 of 1, 1 of 2 and 1 of 1.
    assert table["observed_low"].tolist() == pytest.approx([0, 0.012579, 0.025], abs=1e-6)
    assert table["observed_high"].tolist() == pytest.approx([0.975, 0.987421, 1], abs=1e-6)


def test_calibrated_votes_are_found_calibrated():
    random = np.random.default_rng(0)
    chance = random.random(20_000)
    votes = random.random((200, 20_000)) < chance
    table = calibration(*study(votes, (random.random(20_000) < chance).astype(int)))
    assert len(table) == 10
    assert table["observed"].to_numpy() == pytest.approx(table["predicted"].to_numpy(), abs=0.03)
    # And labels turned round are not.
    turned = calibration(*study(votes, (random.random(20_000) > chance).astype(int)))
    assert turned["observed"].iloc[-1] < 0.1


def test_cells_keep_to_themselves():
    table = calibration(*study([[0], [1]], np.array([0]), ["a", "b"]))
    found = table.set_index(["cell", "predicted"])["observed"].to_dict()
    assert found == {("a", 1): 1, ("a", 0): 0, ("b", 0): 1, ("b", 1): 0}


def test_confidence_by_hand():
    logits = np.log([[[0.9, 0.1], [0.6, 0.4]], [[0.8, 0.2], [0.3, 0.7]]])
    predicted = logits.argmax(2)
    row = confidence(*study(predicted, np.array([0, 1]), logits=logits)).iloc[0]
    # Each probability is alone in its bin: |0.9 - 1|, |0.6 - 0|, |0.8 - 1|, |0.7 - 1|.
    singles = np.array([(0.1 + 0.6) / 2, (0.2 + 0.3) / 2])
    assert row["ece"] == pytest.approx(singles.mean())
    reach = 12.706205 * singles.std(ddof=1) / math.sqrt(2)
    assert row["ece_high"] == pytest.approx(singles.mean() + reach)
    assert row["nll"] == pytest.approx(-np.log([0.9, 0.4, 0.8, 0.7]).mean())
    assert row["accuracy"] == 0.75
    assert row["confidence"] == pytest.approx(0.75)
    assert (row["n"], row["method"]) == (2, "t")


def test_confidence_that_is_earned_has_a_small_error():
    random = np.random.default_rng(1)
    logits = 2 * random.standard_normal((3, 5000, 4))
    chance = special.softmax(logits, 2)
    draws = (chance.cumsum(2) < random.random((3, 5000, 1))).sum(2)
    targets = pd.DataFrame(draws, index=["t0", "t1", "t2"])
    frame, examples = study(logits.argmax(2), targets, logits=logits)
    earned = confidence(frame, examples)["ece"].iloc[0]
    bold = Examples(examples.predictions, targets, 5 * logits)
    assert earned < 0.03
    assert confidence(frame, bold)["ece"].iloc[0] > 0.15


def test_confidence_needs_logits_and_trainings():
    frame, examples = study([[0]], np.array([0]))
    with pytest.raises(RandstudyError, match="no logits"):
        confidence(frame, examples)
    with_logits = Examples(examples.predictions, examples.targets, np.zeros((1, 1, 2)))
    row = confidence(frame.assign(status="failed"), with_logits).iloc[0]
    assert row["n"] == 0
    assert math.isnan(row["nll"])
