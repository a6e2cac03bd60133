"""Drawn designs: the same points for the same file, spread as promised, and apart from trials."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from randstudy import streams
from randstudy.design import Design
from randstudy.errors import StudyError
from randstudy.fields import Findings
from randstudy.sampling import points
from randstudy.schemes import Drawn, LatinHypercube, Random, Sobol, read_scheme
from randstudy.spans import Span, read_span
from randstudy.study import Study

LR = {"loguniform": [0.001, 1]}
NAMES = ("random", "latin_hypercube", "sobol")


def study(design: Any, factors: dict[str, Any], **fields: Any) -> Study:
    training = {"lr": 0.1, "batch_size": 32, "epochs": 1}
    return Study.from_mapping(
        {"training": training, "design": design, "factors": factors, **fields}
    )


def labels(made: Study) -> list[str]:
    return [cell.label for cell in Design(made).cells]


def drawn(name: str, cells: int, **factors: Any) -> list[str]:
    return labels(study({"name": name, "cells": cells}, factors))


# These points are frozen: a change of any changes people's studies.
GOLDEN = {
    "random": [
        "lr=0.0448428 batch_size=24 init=normal",
        "lr=0.00111297 batch_size=41 init=normal",
        "lr=0.028235 batch_size=42 init=orthogonal",
    ],
    "latin_hypercube": [
        "lr=0.745449 batch_size=15 init=orthogonal",
        "lr=0.0445686 batch_size=46 init=normal",
        "lr=0.011884 batch_size=25 init=normal",
    ],
    "sobol": [
        "lr=0.00285264 batch_size=7 init=orthogonal",
        "lr=0.0902083 batch_size=29 init=normal",
        "lr=0.507278 batch_size=14 init=orthogonal",
    ],
}


@pytest.mark.parametrize("name", NAMES)
def test_points_are_golden(name: str) -> None:
    factors = {"lr": LR, "batch_size": {"loginteger": [4, 64]}, "init": ["normal", "orthogonal"]}
    found = drawn(name, 4, **factors)
    assert (len(found), found[:3]) == (4, GOLDEN[name])
    in_full = {"training.lr": LR, **{key: factors[key] for key in ("batch_size", "init")}}
    assert [label.replace("training.", "") for label in drawn(name, 4, **in_full)] == found


@pytest.mark.parametrize("name", ["random", "sobol"])
def test_more_cells_keep_the_earlier_ones(name: str) -> None:
    factors = {"lr": LR, "batch_size": {"integer": [4, 7]}, "momentum": [0, 0.5]}
    every = drawn(name, 100, **factors)
    assert len(set(every)) == 100
    for cells in (1, 2, 3, 31, 32, 33, 99):
        assert drawn(name, cells, **factors) == every[:cells]


def test_another_factor_leaves_random_draws_of_the_first_alone() -> None:
    alone = [label.split()[0] for label in drawn("random", 9, lr=LR)]
    beside = [label.split()[0] for label in drawn("random", 9, lr=LR, momentum=[0, 0.5])]
    assert alone == beside


@pytest.mark.parametrize("name", NAMES)
def test_another_seed_draws_other_points(name: str) -> None:
    design = {"name": name, "cells": 8}
    first, second = (set(labels(study(design, {"lr": LR}, seed=seed))) for seed in (0, 1))
    assert not first & second


@pytest.mark.parametrize("name", NAMES)
def test_replicates_and_arms_move_no_point(name: str) -> None:
    design = {"name": name, "cells": 5}
    arms = {"a": {"init": "normal"}, "b": {"init": "orthogonal"}}
    plain = labels(study(design, {"lr": LR}))
    made = study(design, {"lr": LR}, arms=arms, replicates=3)
    assert labels(made) == [f"arm={arm} {label}" for arm in "ab" for label in plain]
    assert len(Design(made)) == 30


@pytest.mark.parametrize("scheme", [Random(cells=4), LatinHypercube(cells=4), Sobol(cells=4)])
def test_draws_share_no_key_with_a_trial_or_with_each_other(scheme: Drawn) -> None:
    keys = {streams.key(0, name, number) for name in streams.STREAMS for number in range(100)}
    names = ["training.lr", "init", "model.widths", "pruning"]
    own = [streams.design_key(0, f"{scheme.name} {name}") for name in names]
    assert not keys & {*own}
    assert len({*own}) == len(own)
    shares = scheme.shares(0, names, 64)
    assert shares.shape == (64, len(names))
    assert ((shares > 0) & (shares < 1)).all()
    assert np.unique(shares.round(9)).size > 64 * len(names) - 3


def test_a_negative_seed_has_no_key() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        streams.design_key(-1, "random training.lr")


@pytest.mark.parametrize("count", [1, 5, 20])
def test_a_latin_hypercube_takes_each_slice_once(count: int) -> None:
    shares = LatinHypercube(cells=count).shares(3, ["a", "b", "c"], count)
    assert (np.sort(np.floor(shares * count), axis=0) == np.arange(count)[:, None]).all()
    if count == 20:
        assert abs(np.corrcoef(shares.T)[0, 1]) < 0.7


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_sobol_points_are_a_net(seed: int) -> None:
    shares = Sobol(cells=16).shares(seed, ["a", "b"], 16)
    for rows, columns in ((16, 1), (8, 2), (4, 4), (2, 8), (1, 16)):
        boxes = np.floor(shares * [rows, columns]) @ [columns, 1]
        assert sorted(boxes) == [*range(16)]


def test_sobol_points_are_uniform_over_seeds() -> None:
    first = np.array([Sobol(cells=1).shares(seed, ["a"], 1)[0, 0] for seed in range(400)])
    counts = np.bincount((first * 10).astype(int), minlength=10)
    assert ((counts - 40) ** 2 / 40).sum() < 27.9  # chi-squared on 9 degrees of freedom, p = .001


def test_random_points_fill_a_range_evenly_in_the_logarithm() -> None:
    values = [
        point[0] for point in points(Random(cells=2000), 0, {"lr": Span("loguniform", 1e-3, 1)})
    ]
    counts = np.bincount([int(3 + math.log10(value)) for value in values], minlength=3)
    assert ((counts - 2000 / 3) ** 2 / (2000 / 3)).sum() < 13.8  # two degrees of freedom, p = .001


@given(
    kind=st.sampled_from(["uniform", "loguniform"]),
    ends=st.tuples(st.floats(1e-8, 1e8), st.floats(1e-8, 1e8)).filter(lambda e: e[0] < e[1]),
    share=st.floats(0, 1),
)
def test_numbers_stay_within_their_range_and_are_short(
    kind: str, ends: tuple[float, float], share: float
) -> None:
    found = Span(kind, *ends).at(share)
    assert ends[0] <= found <= ends[1]
    assert found in ends or found == float(f"{found:.6g}")


@pytest.mark.parametrize("kind", ["integer", "loginteger"])
def test_whole_numbers_reach_both_ends(kind: str) -> None:
    span = Span(kind, 2, 5)
    found = [span.at(share) for share in np.linspace(0, 1, 1000).tolist()]
    assert all(type(value) is int for value in found)
    assert sorted(set(found)) == [2, 3, 4, 5]
    assert all(low <= high for low, high in pairwise(found))
    shares = [found.count(value) / 1000 for value in (2, 3, 4, 5)]
    even = [0.25] * 4
    logs = [math.log((k + 1) / k) / math.log(3) for k in (2, 3, 4, 5)]
    assert shares == pytest.approx(even if kind == "integer" else logs, abs=0.002)


def test_equal_points_are_drawn_again() -> None:
    sizes = {"a": 3, "b": 3}
    for scheme in (Random(cells=9), Sobol(cells=9)):
        assert sorted(points(scheme, 0, sizes)) == [(i, j) for i in range(3) for j in range(3)]
    hypercube = points(LatinHypercube(cells=9), 0, sizes)
    assert len(hypercube) == len(set(hypercube)) < 9


def test_a_design_says_when_there_are_not_so_many_points() -> None:
    with pytest.raises(StudyError, match="draws 2 different points, not 4; ask for fewer"):
        drawn("random", 4, lr=[0.1, 0.2])


def test_listed_factors_may_be_crossed_with_the_points() -> None:
    design = {"name": "sobol", "cells": 4, "crossed": ["init"]}
    factors = {"init": ["normal", "orthogonal"], "lr": LR}
    made = study(design, factors, compare={"factor": "init"})
    found = labels(made)
    assert len(found) == 8
    assert [one.split()[1] for one in found[:4]] == [one.split()[1] for one in found[4:]]
    assert Study.from_mapping(made.resolved()).cells.size == 8


def test_excluded_points_are_left_out() -> None:
    every = drawn("random", 20, lr=LR, init=["normal", "orthogonal"])
    made = study(
        {"name": "random", "cells": 20},
        {"lr": LR, "init": ["normal", "orthogonal"]},
        exclude=[{"init": "normal"}],
    )
    assert labels(made) == [label for label in every if "orthogonal" in label]


def test_points_change_by_set() -> None:
    written = {
        "training": {"lr": 0.1, "batch_size": 32, "epochs": 1},
        "design": {"name": "random", "cells": 3},
        "factors": {"lr": LR},
    }
    more = Study.from_mapping(written, ["design.cells=5"])
    assert len(Design(more)) == 5
    assert labels(more)[:3] == labels(Study.from_mapping(written))
    other = Study.from_mapping(written, ["design={name: sobol, cells: 4}"])
    assert labels(other) == drawn("sobol", 4, lr=LR)
    listed = Study.from_mapping(written, ["design=crossed", "factors.lr=[0.1, 0.2]"])
    assert labels(listed) == ["lr=0.1", "lr=0.2"]
    wide = Study.from_mapping(written, ["factors.lr={uniform: [1, 2]}"])
    assert all(1 <= cell.levels["lr"] <= 2 for cell in Design(wide).cells)
    with pytest.raises(StudyError, match="is varied by the factor lr"):
        Study.from_mapping(written, ["lr=0.2"])


def test_a_scheme_that_is_wrong_is_none() -> None:
    found = Findings()
    assert read_scheme("randon", found) is None
    assert read_scheme(None, Findings()) is not None
    assert "did you mean random?" in found.entries[0].message
    assert read_span({"uniform": [0, 1]}, (), Findings()) == Span("uniform", 0.0, 1.0)


def test_people_bring_their_own() -> None:
    made = study(
        {"name": "tests.test_sampling:Corners", "cells": 4}, {"lr": LR, "momentum": [0, 0.9]}
    )
    assert labels(made) == ["lr=0.001 momentum=0", "lr=0.001 momentum=0.9", "lr=1.0 momentum=0",
                            "lr=1.0 momentum=0.9"]  # fmt: skip


class Corners(Drawn):
    """All corners of the box, in order."""

    def shares(self, seed: int, names: Any, count: int) -> Any:
        """Return the binary digits of the point's number."""
        number = np.arange(count)[:, None] >> np.arange(len(names))[::-1] & 1
        return np.clip(number, 1e-9, 1 - 1e-9)
