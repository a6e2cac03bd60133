"""Every table and sentence of an answer on input that has little or nothing to say.

Warnings are errors here, so a division by zero anywhere fails.
"""

import math
import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from randstudy.analysis import paragraphs
from randstudy.analysis.answer import Answer
from randstudy.analysis.compare import Declared
from randstudy.analysis.evidence import Evidence, accounts_of
from randstudy.analysis.examples import Examples
from randstudy.analysis.layout import lay_out
from randstudy.analysis.roles import Roles
from tests.analysis.frames import one_stream

TABLES = (
    *("cells", "best_of", "compare", "explored", "rank", "rank_stability", "superiority"),
    *("variance", "effects", "power", "stability", "winners", "curves", "gap", "batch_sizes"),
)
PARAGRAPHS = ("luck", "test_set", "winners", "endings", "looks", "methods")

NAN = math.nan


def ragged() -> pd.DataFrame:
    frame = one_stream(
        {"a": [0.1, 0.2, 0.3, 0.4], "b": [0.2, 0.3, 0.5, 0.1], "c": [0.3, 0.6, 0.2, 0.1]}
    )
    return frame.drop(index=[1, 6, 10, 11])


def two_factors(exclude: int) -> pd.DataFrame:
    parts = [
        one_stream({"a": [0.1, 0.4, 0.2], "b": [0.3, 0.3, 0.6]}).assign(lr=lr) for lr in (1, 2)
    ]
    frame = pd.concat(parts, ignore_index=True)
    frame["cell"] = frame["cell"] + " lr=" + frame["lr"].astype(str)
    frame["trial"] = [f"{number:016x}" for number in range(len(frame))]
    return frame[frame["cell"] != f"init=b lr={exclude}"]


def with_status(status: str) -> pd.DataFrame:
    frame = one_stream({"a": [0.1, 0.2], "b": [0.3, 0.4]})
    return frame.assign(status=status)


FRAMES: dict[str, Callable[[], pd.DataFrame]] = {
    "nothing": lambda: one_stream({"a": [0.1], "b": [0.2]}).iloc[:0],
    "one training": lambda: one_stream({"a": [0.5]}),
    "one replicate": lambda: one_stream({"a": [0.5], "b": [0.6], "c": [0.4]}),
    "two replicates": lambda: one_stream({"a": [0.5, 0.6], "b": [0.6, 0.4]}),
    "zero variance": lambda: one_stream({"a": [0.5] * 4, "b": [0.5] * 4}),
    "zero variance in one cell": lambda: one_stream({"a": [0.5] * 4, "b": [0.1, 0.2, 0.3, 0.4]}),
    "a constant difference": lambda: one_stream({"a": [0.1, 0.2, 0.3], "b": [0.2, 0.3, 0.4]}),
    "all diverged": lambda: one_stream({"a": [NAN] * 3, "b": [NAN] * 3}),
    "one arm diverged": lambda: one_stream({"a": [NAN] * 3, "b": [0.1, 0.2, 0.3]}),
    "all failed": lambda: with_status("failed"),
    "missing pairs": ragged,
    "no common replicate": lambda: one_stream(
        {"a": [0.1, 0.2, NAN, NAN], "b": [NAN, NAN, 0.3, 0.5]}
    ),
    "metric without values": lambda: with_status("finished").assign(test_accuracy=NAN),
    "infinite metric": lambda: with_status("finished").assign(
        test_accuracy=[math.inf, 0.1, -math.inf, 0.3]
    ),
    "one cell": lambda: one_stream({"a": [0.1, 0.3, 0.2, 0.6]}),
    "constant factor": lambda: one_stream({"a": [0.1, 0.3, 0.2, 0.6]}).assign(lr=0.1),
    "unbalanced factors": lambda: two_factors(2),
    "balanced factors": lambda: two_factors(0),
    "huge values": lambda: one_stream({"a": [1e300, 2e300, 3e300], "b": [1e300, 5e300, 2e300]}),
    "tiny differences": lambda: one_stream({"a": [1.0, 1.0 + 1e-15, 1.0], "b": [1.0, 1.0, 1.0]}),
}


def answer(frame: pd.DataFrame, *, margin: float | None) -> Answer:
    """An answer with curves and predictions made up to fit the frame."""
    frame = frame.assign(train_loss=0.1, test_loss=0.2)
    factors = tuple(name for name in ("init", "lr") if name in frame.columns)
    roles = Roles(
        metric="test_accuracy",
        factors=factors,
        replicates=("replicate.init", "replicate.order"),
        cell="cell",
        status="status",
        trial="trial",
    )
    finished = frame[frame["status"] == "finished"]["trial"]
    generator = np.random.default_rng(0)
    predictions = pd.DataFrame(
        generator.integers(0, 3, (len(finished), 12)).astype(np.uint8),
        index=pd.Index(finished, name="trial"),
    )
    curves = pd.DataFrame(
        {
            "trial": np.repeat(finished.to_numpy(), 3),
            "step": np.tile([10, 20, 30], len(finished)),
            "epoch": np.tile([1.0, 2.0, 3.0], len(finished)),
            "validation_accuracy": generator.random(3 * len(finished)),
        }
    )
    levels = list(dict.fromkeys(frame["init"]))
    return Answer(
        Evidence(
            name="odd",
            frame=frame,
            roles=roles,
            accounts=accounts_of(lay_out(frame, roles)),
            declared=Declared(factor="init", smallest_difference=margin) if levels else None,
            curves=lambda: curves,
            examples=lambda: Examples(predictions, generator.integers(0, 3, 12)),
            collapse=0.15,
        )
    )


@pytest.mark.parametrize("margin", [None, 0.05])
@pytest.mark.parametrize("name", FRAMES)
def test_every_table_is_made_or_says_why_not(name: str, margin: float | None) -> None:
    told = answer(FRAMES[name](), margin=margin)
    for table in TABLES:
        found = getattr(told, table)
        assert isinstance(found, pd.DataFrame)
        for low, high in (("low", "high"), ("p", "df")):
            if {low, high, "note"} <= set(found.columns) and "verdict" not in found.columns:
                silent = found[found[low].isna() & found["note"].eq("")]
                assert silent.empty, f"{table} does not say why there is no {low}:\n{silent.T}"


@pytest.mark.parametrize("margin", [None, 0.05])
@pytest.mark.parametrize("name", FRAMES)
def test_every_sentence_is_one(name: str, margin: float | None) -> None:
    told = answer(FRAMES[name](), margin=margin)
    said = [told.headline, *told.compare["sentence"], *told.explored["sentence"]]
    for paragraph in PARAGRAPHS:
        said += getattr(paragraphs, paragraph)(told)
    for sentence in said:
        assert not re.search(r"\bnan\b|\binf\b|None|<NA>|  |\b1 seeds\b|\.\.|\(\)", sentence), (
            sentence
        )
        assert sentence.endswith((".", "?")), sentence


@pytest.mark.parametrize("name", ["zero variance", "all diverged", "one replicate", "nothing"])
def test_nothing_is_called_real_without_evidence(name: str) -> None:
    told = answer(FRAMES[name](), margin=0.05)
    assert not set(told.compare["verdict"]) & {"real", "luck", "real but negligible"}
