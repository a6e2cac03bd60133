"""Study files: what they mean, and how they are refused."""

from __future__ import annotations

import contextlib
import json
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from randstudy.design import Design
from randstudy.errors import StudyError
from randstudy.optimizers import Sgd
from randstudy.overrides import override
from randstudy.schema import schema
from randstudy.study import Study
from randstudy.yamlfile import parse

DIGITS = Path(__file__).parents[1] / "studies" / "digits.yaml"

GOOD = """\
data: digits
model: {name: mlp, widths: [16]}
training:
  lr: 0.1
  batch_size: 32
  epochs: 1
factors:
  lr: [0.1, 0.2]
"""


def study(text: str) -> Study:
    return Study.from_document(parse(text, "study.yaml"))


def refusal(text: str) -> list[str]:
    with pytest.raises(StudyError) as caught:
        study(text)
    assert caught.value.exit_code == 2
    return str(caught.value).splitlines()


def training(**fields: Any) -> dict[str, Any]:
    return {"training": {"lr": 0.1, "batch_size": 32, "epochs": 1, **fields}}


# (line of GOOD that is replaced, or 0 to add one; by what; line, field and words of the message)
MALFORMED = [
    (0, "dat: digits", 9, "dat", "did you mean data?"),
    (0, "lr: 0.5", 9, "lr", "belongs under training, as training.lr"),
    (1, "data: digit", 1, "data", "no data is called 'digit'; did you mean digits?"),
    (1, "data: {name: digits, size: 3}", 1, "data.size", "digits has no fields"),
    (1, "data:", 1, "data", "expected the name of one"),
    (2, "model: {name: mlp, width: [16]}", 2, "model.width", "did you mean widths?"),
    (2, "model: {name: mlp, widths: 16}", 2, "model.widths", "write [16]"),
    (2, "model: {name: mlp, widths: [0]}", 2, "model.widths[0]", "0 must be at least 1"),
    (2, "model: {name: mlp, widths: []}", 2, "model.widths", "use the model linear"),
    (2, "model: {name: mlp, widths: [1.5]}", 2, "model.widths[0]", "a whole number, got 1.5"),
    (2, "model: {name: mlp, activation: rleu}", 2, "model.activation", "did you mean relu?"),
    (
        2,
        "model: {name: cnn, channels: [8, 8, 8, 8]}",
        2,
        "model.channels",
        "nothing is left for a pooling",
    ),
    (4, "  lr: fast", 4, "training.lr", "expected a number, got the text 'fast'"),
    (4, "  lr: true", 4, "training.lr", "expected a number, got true"),
    (4, "  lr: 0", 4, "training.lr", "0.0 must be above 0"),
    (4, "  lr: .inf", 4, "training.lr", "must be a finite number"),
    (4, "  lr: '0.1'", 4, "training.lr", "got the text '0.1'"),
    (5, "  batch_size: 0", 5, "training.batch_size", "0 must be at least 1"),
    (5, "  batch_size: ful", 5, "training.batch_size", "did you mean full?"),
    (5, "  batch_size: 32.0", 5, "training.batch_size", "write 32"),
    (5, "  batch_size: 2000", 5, "training.batch_size", "larger than the training set of 1077"),
    (6, "  epochs: 1\n  batchsize: 32", 7, "training.batchsize", "did you mean batch_size?"),
    (6, "  epochs: 1\n  steps: 10", 3, "training", "give either epochs, steps or examples"),
    (6, "  epochs: null", 3, "training", "give either epochs, steps or examples"),
    (6, "  epochs: 1\n  optimizer: sdg", 7, "training.optimizer", "did you mean sgd?"),
    (
        6,
        "  epochs: 1\n  optimizer: {momentum: 1}",
        7,
        "training.optimizer.momentum",
        "at least 0 and below 1",
    ),
    (
        6,
        "  epochs: 1\n  optimizer: {nesterov: true}",
        7,
        "training.optimizer.nesterov",
        "needs a momentum above 0",
    ),
    (
        6,
        "  epochs: 1\n  optimizer: {name: adam, momentum: 0.9}",
        7,
        "training.optimizer.momentum",
        "adam has no",
    ),
    (8, "  - lr", 7, "factors", "expected a mapping such as {batch_size: [16, 32]}"),
    (8, "  lr: [0.1, -1]", 8, "factors.lr[1]", "-1.0 must be above 0"),
    (8, "  lr: []", 8, "factors.lr", "expected a list of levels"),
    (8, "  lr: 0.5", 8, "factors.lr", "write [0.5]"),
    (8, "  lr: [1, 1.0]", 8, "factors.lr[1]", "1.0 is the same level as 1"),
    (8, "  lr: [0.1, 0.1]", 8, "factors.lr[1]", "0.1 is listed twice"),
    (0, "  batch_size: [16, 2000]", 9, "factors.batch_size[1]", "2000 is larger"),
    (0, "  batchsize: [16]", 9, "factors.batchsize", "did you mean batch_size?"),
    (0, "  rate: [0, 1.5]", 9, "factors.rate[1]", "1.5 must be at least 0 and at most 1"),
    (0, "  density: [1, 2]", 9, "factors.density[1]", "2.0 must be at least 0 and at most 1"),
    (0, "  init: [orthogonal, xavier]", 9, "factors.init[1]", "did you mean xavier_normal?"),
    (0, "  beta1: [0.9]", 9, "factors.beta1", "a field of adam, adamw"),
    (0, "  channels: [[8]]", 9, "factors.channels", "which is not the model here; there is"),
    (0, "  training.lr: [0.3]", 9, "factors.training.lr", "sets the same field as lr"),
    (0, "  training: [{lr: 1}]", 9, "factors.training", "is a whole section"),
    (0, "  seed: [1, 2]", 9, "factors.seed", "the study has no field 'seed'"),
    (0, "  widths: [[8], 16]", 9, "factors.widths[1]", "write [16]"),
    (0, "arms: [a]", 9, "arms", "expected a mapping such as"),
    (0, "arms: {a: 1}", 9, "arms.a", "expected a mapping of fields, got 1"),
    (0, "arms: {a: {batch_size: 16}, b: {batch_size: 16}}", 9, "arms.b", "same level as a"),
    (0, "arms: {a: {batch: 16}}", 9, "arms.a.batch", "did you mean batch_size?"),
    (0, "arms: {a: {lr: 1}}", 8, "factors.lr", "sets the same field as arm"),
    (0, "arms: {a: {replicates: 2}, b: {replicates: 2}}", 9, "arms.b", "same level as a"),
    (0, "arms: {a: {}, b: {replicates: 1}}", 9, "arms.b", "same level as a"),
    (0, "arms: {a: {}, b: {replicates: 0}}", 9, "arms.b.replicates", "0 must be at least 1"),
    (0, "arms: {a: {replicates: {}}, b: {}}", 9, "arms.a.replicates", "is empty"),
    (0, "arms: {a: {replicates: {inti: 8}}}", 9, "arms.a.replicates.inti", "did you mean init?"),
    (
        0,
        "arms: {a: {batch_size: 16}, b: {batch_size: full, replicates: {order: 2}}}",
        9,
        "arms.b.replicates.order",
        "no cell of this arm consumes order",
    ),
    (0, "exclude: {lr: 0.1}", 9, "exclude", "expected a list such as"),
    (0, "exclude: [{lr: 0.3}]", 9, "exclude[0].lr", "0.3 is not a level of lr: 0.1, 0.2"),
    (0, "exclude: [{batch_size: 32}]", 9, "exclude[0].batch_size", "is not a factor; there is lr"),
    (0, "exclude: [{lr: 0.1}, {lr: 0.2}]", 9, "exclude", "leaves no cell to train"),
    (0, "exclude: [3]", 9, "exclude[0]", "expected a mapping of factors to levels, got 3"),
    (0, "design: randm", 9, "design", "did you mean random?"),
    (0, "design: [random]", 9, "design", "expected the name of one (crossed, one_at_a_time"),
    (0, "design: random", 9, "design.cells", "is missing: how many points"),
    (0, "design: {cells: 3}", 9, "design", "needs a name; there is crossed"),
    (0, "design: {name: random, cells: 0}", 9, "design.cells", "0 must be at least 1"),
    (0, "design: {name: random, cells: 1000000}", 9, "design.cells", "at most 100000"),
    (0, "design: {name: random, cells: 2, cross: [lr]}", 9, "design.cross", "mean crossed?"),
    (
        0,
        "design: {name: random, cells: 2, crossed: [lrr]}",
        9,
        "design.crossed[0]",
        "did you mean lr?",
    ),
    (0, "design: {name: random, cells: 2, crossed: [lr]}", 9, "design", "has nothing to draw"),
    (0, "design: {name: sobol, cells: 4}", 9, "design.cells", "draws 2 different points, not 4"),
    (0, "design: {name: one_at_a_time, ref: 1}", 9, "design.ref", "did you mean reference?"),
    (
        0,
        "design: {name: one_at_a_time, reference: {lr: 0.3}}",
        9,
        "design.reference.lr",
        "0.3 is no level of lr; it has 0.1, 0.2",
    ),
    (
        0,
        "design: {name: one_at_a_time, reference: {init: normal}}",
        9,
        "design.reference.init",
        "is no factor of this study; there is lr",
    ),
    (8, "  lr: {loguniform: [0.1, 1]}", 8, "factors.lr", "from which crossed draws nothing"),
    (8, "  lr: {logunifrm: [0.1, 1]}", 8, "factors.lr.logunifrm", "did you mean loguniform?"),
    (8, "  lr: {in: init, levels: {a: [1]}}", 8, "factors.lr.in", "'init' is no factor"),
    (8, "  lr: {in: lr, levels: {a: [1]}}", 8, "factors.lr.in", "nested in each other"),
    (8, "  lr: {in: 3, levels: {a: [1]}}", 8, "factors.lr.in", "the name of a factor, got 3"),
    (8, "  lr: {in: init}", 8, "factors.lr.levels", "expected a mapping such as {sgd:"),
    (8, "  lr: {in: init, level: {}, levels: {a: [1]}}", 8, "factors.lr.level", "mean levels?"),
    (
        0,
        "  init: [normal]\n  rate: {in: init, levels: {norml: [0]}}",
        10,
        "factors.rate.levels.norml",
        "'norml' is no level of init; did you mean normal?",
    ),
    (
        0,
        "  init: [normal]\n  rate: {in: init, levels: {normal: 0}}",
        10,
        "factors.rate.levels.normal",
        "expected a list of levels, got 0; write [0]",
    ),
    (
        0,
        "  init: [normal]\n  rate: {in: init, levels: {normal: [0, 0.0]}}",
        10,
        "factors.rate.levels.normal[1]",
        "0.0 is listed twice",
    ),
    (
        0,
        "  init: [normal]\n  rate: {in: init, levels: {normal: [2]}}",
        10,
        "factors.rate.levels.normal[0]",
        "2.0 must be at least 0 and at most 1",
    ),
    (0, "cells: {lr: 1}", 9, "cells", "expected a list such as [{batch_size: 16, lr: 0.1}]"),
    (0, "cells: [{init: normal}]", 9, "cells", "there are no factors; use arms"),
    (0, "replicates: 0", 9, "replicates", "0 must be at least 1"),
    (0, "replicates: many", 9, "replicates", "expected a whole number"),
    (0, "replicates: {first: 3}", 9, "replicates.count", "is missing"),
    (0, "replicates: {count: 3, frist: 3}", 9, "replicates.frist", "did you mean first?"),
    (0, "replicates: {}", 9, "replicates", "is empty"),
    (0, "replicates: {inti: 8}", 9, "replicates.inti", "did you mean init?"),
    (0, "replicates: {init+order: 2, order: 2}", 9, "replicates.order", "order is in two groups"),
    (0, "replicates: {init: 2.5}", 9, "replicates.init", "expected a whole number"),
    (0, "replicates: {mask: 2}", 9, "replicates.mask", "no cell consumes mask"),
    (0, "fixed: [spilt]", 9, "fixed[0]", "did you mean split?"),
    (0, "fixed: split", 9, "fixed", "write [split]"),
    (0, "fixed: [split, split]", 9, "fixed[1]", "split is listed twice"),
    (0, "repeat: 0", 9, "repeat", "0 must be at least 1"),
    (0, "seed: -1", 9, "seed", "-1 must be at least 0"),
    (0, "seed: 1.5", 9, "seed", "expected a whole number"),
    (0, "name: a/b", 9, "name", "'a/b' cannot name a study"),
    (0, "metric: test_acuracy", 9, "metric", "did you mean test_accuracy?"),
    (0, "direction: max", 9, "direction", "did you mean maximize?"),
    (0, "evaluation: {every_epochs: 1, every_steps: 1}", 9, "evaluation", "not both"),
    (0, "evaluation: {every: 1}", 9, "evaluation.every", "did you mean every_steps?"),
    (0, "resources: {gpus: 1.5}", 9, "resources.gpus", "at most 1, or a whole number"),
    (0, "resources: {cpus: 0}", 9, "resources.cpus", "0 must be at least 1"),
    (0, "tracking: {url: x}", 9, "tracking.url", "did you mean uri?"),
    (0, "init: {name: uniform, weight_range: -1}", 9, "init.weight_range", "must be at least 0"),
    (0, "pruning: {density: 0.5, rate: 0.5}", 9, "pruning.rate", "says the same as density"),
]


RANGES = """\
training: {lr: 0.1, batch_size: 32, epochs: 1}
design: {name: random, cells: 4}
factors:
  FACTOR
"""
CELLS = """\
training: {lr: 0.1, batch_size: 32, epochs: 1}
cells:
  - {lr: 0.1, init: normal}
  - CELL
"""


@pytest.mark.parametrize(
    ("factor", "field", "message"),
    [
        ("lr: {uniform: [1]}", "lr.uniform", "expected [lowest, highest], two numbers, got a list"),
        ("lr: {uniform: 1}", "lr.uniform", "expected [lowest, highest], two numbers, got 1"),
        ("lr: {uniform: [a, 1]}", "lr.uniform", "expected two numbers, got the text 'a'"),
        ("lr: {uniform: [1, .inf]}", "lr.uniform", "expected two numbers, got inf"),
        ("lr: {uniform: [1, 1]}", "lr.uniform", "the lowest, 1, must be below the highest, 1"),
        ("lr: {uniform: [0.1, 1], integer: [1, 2]}", "lr", "expected one range"),
        ("lr: {}", "lr", "expected one range"),
        ("lr: {loguniform: [0, 1]}", "lr.loguniform", "must be above 0"),
        ("lr: {uniform: [0, 1]}", "lr.uniform", "0.0 must be above 0"),
        ("momentum: {uniform: [0, 1]}", "momentum.uniform", "1.0 must be at least 0 and below 1"),
        ("batch_size: {integer: [1, 2.5]}", "batch_size.integer", "two whole numbers, got 2.5"),
        (
            "batch_size: {uniform: [4, 64]}",
            "batch_size.uniform",
            "expected a whole number or full, got 4.0; {integer: [lowest, highest]} draws whole",
        ),
        ("init: {uniform: [0, 1]}", "init.uniform", "expected the name of one"),
        ("lr: {in: init, levels: {a: [1]}}", "lr", "is nested, which goes with crossed factors"),
        ("batch_size: {integer: [16, 4000]}", "batch_size", "is larger than the training set"),
    ],
)
def test_a_malformed_range_is_refused(factor: str, field: str, message: str) -> None:
    (problem,) = refusal(RANGES.replace("FACTOR", factor))[:1]
    assert problem.startswith(f"study.yaml:4: factors.{field}: ")
    assert message in problem


@pytest.mark.parametrize(
    ("cell", "field", "message"),
    [
        ("{lr: 0.1, init: normal}", "cells[1]", "is the same cell as cells[0]"),
        ("{init: {name: normal}, training.lr: 0.1}", "cells[1]", "is the same cell as cells[0]"),
        ("{lr: -1}", "cells[1].lr", "-1.0 must be above 0"),
        ("{lrr: 1}", "cells[1].lrr", "did you mean lr?"),
        ("{lr: 1, training.lr: 2}", "cells[1].training.lr", "says the same as lr"),
        ("{batch_size: 2000}", "cells[1].batch_size", "is larger than the training set"),
        ("3", "cells[1]", "expected a mapping of fields such as {lr: 0.1}, got 3"),
    ],
)
def test_a_malformed_cell_is_refused(cell: str, field: str, message: str) -> None:
    (problem,) = refusal(CELLS.replace("CELL", cell))
    assert problem.startswith(f"study.yaml:4: {field}: ")
    assert message in problem


def test_cells_have_no_other_design() -> None:
    (problem,) = refusal(CELLS.replace("CELL", "{lr: 1}") + "design: one_at_a_time\n")
    assert problem == "study.yaml:2: cells: are written out, so one_at_a_time chooses nothing"


def test_what_every_cell_sets_cannot_be_set() -> None:
    cells = [{"lr": 0.1}, {"training.lr": 0.2, "init": "normal"}]
    training = {"batch_size": 32, "epochs": 1}
    with pytest.raises(StudyError, match="lr: is missing"):
        Study.from_mapping({"training": training, "cells": [{"lr": 1}, {"init": "normal"}]})
    with pytest.raises(StudyError, match="is set by every one of the cells"):
        Study.from_mapping({"training": training, "cells": cells}, ["lr=3"])
    other = Study.from_mapping({"training": training, "cells": cells}, ["init=orthogonal"])
    assert [type(other.cells.setup(one).init).name for one in other.cells] == [
        "orthogonal",
        "normal",
    ]


def with_change(number: int, written: str) -> str:
    lines = GOOD.splitlines()
    if number:
        lines[number - 1] = written
    else:
        lines.append(written)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(("number", "change", "line", "field", "message"), MALFORMED)
def test_a_malformed_study_is_refused_with_file_line_and_field(
    number: int, change: str, line: int, field: str, message: str
) -> None:
    problems = refusal(with_change(number, change))
    assert len(problems) == 1, problems
    assert problems[0].startswith(f"study.yaml:{line}: {field}: ")
    assert message in problems[0]


def test_the_malformed_studies_are_malformed_by_their_change_alone() -> None:
    assert len(Design(study(GOOD))) == 2
    assert len(MALFORMED) >= 40


def test_every_problem_is_told_at_once_in_the_order_of_the_file() -> None:
    problems = refusal("data: digit\ntraining: {lr: x, batch_sise: 3}\nfactors: {momentun: [1]}\n")
    assert [one.split(": ")[1] for one in problems] == [
        "data",
        "training.lr",
        "training.batch_sise",
        "training.batch_size",
        "factors.momentun",
    ]


def test_a_problem_of_some_cells_names_the_first_of_them() -> None:
    base = "training:\n  lr: 0.1\n  epochs: 1\n  batch_size: 200\n"
    text = base + "factors:\n  data: [digits, {name: linear_regression, train: 150}]\n"
    (problem,) = refusal(text)
    assert problem.startswith("study.yaml:4: training.batch_size: 200 is larger")
    assert "(in the cell data=linear_regression(train=150))" in problem


def test_a_level_is_to_blame_for_what_it_does_with_another() -> None:
    text = GOOD + "  nesterov: [false, true]\n  momentum: [0, 0.9]\n"
    (problem,) = refusal(text)
    assert problem.startswith("study.yaml:9: factors.nesterov[1]: needs a momentum above 0")
    assert "(in the cell lr=0.1 nesterov=true momentum=0)" in problem
    kept = study(text + "exclude: [{nesterov: true, momentum: 0}]\n")
    assert len(Design(kept).cells) == 6


def test_missing_data_files_are_told_with_the_line_of_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANDSTUDY_DATA", str(tmp_path))
    (problem,) = refusal(GOOD.replace("data: digits", "data: mnist"))
    assert problem.startswith("study.yaml:1: data: ")
    assert str(tmp_path) in problem


def test_a_missing_section_says_what_it_needs() -> None:
    problems = refusal("data: digits\n")
    assert [one.split(": ")[1] for one in problems] == ["training.lr", "training.batch_size"]


def test_a_factor_supplies_what_the_base_leaves_out() -> None:
    made = study("training: {epochs: 1}\nfactors: {lr: [0.1, 0.2], batch_size: [16]}\n")
    assert [cell.recipe.training.lr for cell in Design(made).cells] == [0.1, 0.2]
    assert "lr" not in made.resolved()["training"]


def test_short_names_mean_the_one_field_that_ends_so() -> None:
    for name in ("momentum", "optimizer.momentum", "training.optimizer.momentum"):
        made = Study.from_mapping({**training(), "factors": {name: [0.5]}})
        (cell,) = Design(made).cells
        assert cell.recipe.training.optimizer == Sgd(momentum=0.5)
        assert dict(cell.levels) == {name: 0.5}


def test_a_part_level_replaces_the_part_and_a_field_level_changes_it() -> None:
    mapping = {
        **training(),
        "init": {"name": "normal", "sd": 0.5},
        "factors": {"init.sd": [0.1, 0.2], "init": ["normal", {"name": "normal", "sd": 9}]},
    }
    cells = Design(Study.from_mapping(mapping)).cells
    assert [cell.recipe.init.sd for cell in cells] == [0.1, 0.1, 0.2, 0.2]  # type: ignore[attr-defined]
    assert cells[1].label == "init.sd=0.1 init=normal(sd=9)"


def test_a_field_that_one_of_the_parts_lacks_has_no_effect_there() -> None:
    factors = {"optimizer": ["sgd", "adam"], "momentum": [0, 0.9]}
    design = Design(Study.from_mapping({**training(), "factors": factors}))
    assert len(design) == 4
    assert len(list(design.trials())) == 3


def test_arms_bundle_fields_and_are_crossed_with_factors() -> None:
    mapping = {
        **training(),
        "arms": {"small": {"batch_size": 16, "lr": 0.1}, "large": {"batch_size": 64, "lr": 0.4}},
        "factors": {"init": ["orthogonal", "normal"]},
        "exclude": [{"arm": "large", "init": "normal"}],
    }
    cells = Design(Study.from_mapping(mapping)).cells
    assert [cell.label for cell in cells] == [
        "arm=small init=orthogonal",
        "arm=small init=normal",
        "arm=large init=orthogonal",
    ]
    assert (cells[2].recipe.training.batch_size, cells[2].recipe.training.lr) == (64, 0.4)


def test_identical_arms_on_other_replicates_are_other_levels() -> None:
    mapping = {
        **training(),
        "arms": {
            "a": {},
            "b": {"replicates": {"first": 100, "count": 2}},
            "c": {"replicates": {"init": 3, "order": 2}},
        },
        "factors": {"init": ["orthogonal", "constant"]},
        "replicates": 2,
        "fixed": ["split"],
    }
    made = Study.from_mapping(mapping)
    counts = {cell.label: list(Design(made).trials_of(cell)) for cell in Design(made).cells}
    assert {label: len(trials) for label, trials in counts.items()} == {
        "arm=a init=orthogonal": 2,
        "arm=a init=constant": 2,
        "arm=b init=orthogonal": 2,
        "arm=b init=constant": 2,
        "arm=c init=orthogonal": 6,
        "arm=c init=constant": 2,
    }
    first = counts["arm=b init=orthogonal"][0]
    assert first.replicates == {"init": 100, "order": 100, "split": 0}
    plain = Study.from_mapping({**mapping, "arms": {}, "replicates": {"first": 100, "count": 2}})
    assert first in list(Design(plain))
    resolved = made.resolved()
    assert resolved["replicates"] == 2
    assert json.loads(json.dumps(resolved)) == resolved
    assert list(Design(Study.from_mapping(resolved))) == list(Design(made))
    assert list(Design(pickle.loads(pickle.dumps(made)))) == list(Design(made))


def test_replicates_stand_with_the_arms_alone_where_all_set_them() -> None:
    arms = {"a": {"replicates": 8}, "b": {"replicates": {"first": 8, "count": 8}}}
    made = Study.from_mapping({**training(), "arms": arms}, ["arms.b.replicates.count=4"])
    assert "replicates" not in made.resolved()
    assert len(Design(made)) == 12
    assert len(Design(Study.from_mapping({**training(), "arms": arms}, ["arms.a={}"]))) == 9
    with pytest.raises(StudyError, match=r"set by every arm; use --set arms\.a\.replicates=…"):
        Study.from_mapping({**training(), "arms": arms}, ["replicates=3"])
    many = {"init": 10**5, "order": 10**5, "split": 10**5}
    with pytest.raises(StudyError, match=r"arms\.b\.replicates: asks for 1\.0e\+15 trainings"):
        Study.from_mapping({**training(), "arms": {"a": {}, "b": {"replicates": many}}})


def test_an_excluded_arm_may_vary_anything() -> None:
    arms = {"a": {}, "b": {"replicates": {"mask": 2}}}
    with pytest.raises(StudyError, match="no cell of this arm consumes mask"):
        Study.from_mapping({**training(), "arms": arms})
    made = Study.from_mapping({**training(), "arms": arms, "exclude": [{"arm": "b"}]})
    assert len(Design(made)) == 1


def test_exclude_may_name_a_factor_otherwise_than_the_factor_does() -> None:
    mapping = {**training(), "factors": {"density": [1, 0.5, 0.1]}}
    made = Study.from_mapping({**mapping, "exclude": [{"pruning.rate": 0.9}]})
    assert [cell.label for cell in Design(made).cells] == ["density=1", "density=0.5"]


def test_defaults_depend_on_the_task() -> None:
    assert (study(GOOD).metric, study(GOOD).direction) == ("test_accuracy", "maximize")
    line = Study.from_mapping({**training(), "data": "linear_regression", "model": "linear"})
    assert (line.metric, line.direction) == ("test_loss", "minimize")
    with pytest.raises(StudyError, match="metric"):
        Study.from_mapping({**training(), "data": "linear_regression", "metric": "test_accuracy"})


def test_the_name_is_the_files_unless_given(tmp_path: Path) -> None:
    path = tmp_path / "seeds.yaml"
    path.write_text(GOOD)
    assert Study.load(path).name == "seeds"
    assert Study.load(path, ["name=other"]).name == "other"


def test_resolved_fills_in_every_default_and_is_plain() -> None:
    made = study(GOOD)
    resolved = made.resolved()
    assert json.loads(json.dumps(resolved)) == resolved
    assert resolved["training"]["optimizer"] == {
        "name": "sgd",
        "momentum": 0.0,
        "nesterov": False,
        "weight_decay": 0.0,
    }
    assert resolved["evaluation"]["every_epochs"] == 1
    assert "lr" not in resolved["training"]


def test_a_study_made_in_python_is_that_of_the_file() -> None:
    mapping = {
        "data": "digits",
        "model": {"name": "mlp", "widths": (16,)},
        "training": {"lr": 0.1, "batch_size": 32, "epochs": 1, "optimizer": Sgd()},
        "factors": {"lr": [0.1, 0.2]},
    }
    made = Study.from_mapping(mapping)
    assert list(Design(made)) == list(Design(study(GOOD)))
    assert made.name == "study"
    with pytest.raises(StudyError, match=r"^training\.lr: expected a number, got the text 'x'$"):
        Study.from_mapping({"training": {"lr": "x", "batch_size": 1, "epochs": 1}})


def test_a_study_can_be_pickled() -> None:
    made = study(GOOD)
    assert list(Design(pickle.loads(pickle.dumps(made)))) == list(Design(made))


@pytest.mark.parametrize(
    "overrides",
    [
        ["training.batch_size=64"],
        ["batch_size=16", "batch_size=64"],
        ["training={lr: 1, epochs: 1, batch_size: 64}"],
        ["batch_size=64", "clip_norm=null"],
    ],
)
def test_set_is_as_if_written_in_the_file(overrides: list[str]) -> None:
    changed = Study.from_document(override(parse(GOOD, "study.yaml"), overrides))
    written = study(GOOD.replace("batch_size: 32", "batch_size: 64"))
    assert list(Design(changed)) == list(Design(written))


def overridden(*overrides: str) -> Study:
    return Study.from_mapping(
        {**training(), "factors": {"init": ["orthogonal", "normal"], "pruning.rate": [0, 0.5]}},
        overrides,
    )


def test_set_reaches_every_kind_of_field() -> None:
    assert overridden("seed=3").seed == 3
    assert overridden("every_steps=5").evaluation.every_epochs is None
    assert overridden("resources.gpus=0.5").resources.gpus == 0.5
    assert overridden("optimizer=adam", "beta1=0.8").base["training"]["optimizer"] == {
        "name": "adam",
        "beta1": 0.8,
    }
    assert len(Design(overridden("replicates=3"))) == 12
    assert len(Design(overridden("replicates.init=3", "replicates.order=2"))) == 24
    assert len(Design(overridden("factors.rate=[0.1]"))) == 2
    assert len(Design(overridden("factors={}"))) == 1
    assert len(Design(overridden("factors.batch_size=[8, 16]"))) == 8
    assert len(Design(overridden("exclude=[{rate: 0}]"))) == 2
    assert overridden("lr=1e-3").base["training"]["lr"] == 0.001


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("lr", "--set lr: write field=value"),
        ("=1", "--set =1: write field=value"),
        ("lr=fast", "--set lr=fast: training.lr: expected a number, got the text 'fast'"),
        ("lr=", "--set lr=: training.lr: expected a number, got null"),
        ("lr=[1", "--set lr=[1"),
        ("learning_rate=1", "the study has no field 'learning_rate'"),
        ("momentun=1", "did you mean momentum?"),
        ("beta1=0.5", "is a field of adam, adamw"),
        ("pruning.rate=0.5", "is varied by the factor pruning.rate"),
        ("density=0.5", "is varied by the factor pruning.rate"),
        ("init.gain=2", "is varied by the factor init"),
        ("init=normal", "is varied by the factor init"),
        ("training.batch_size=0", "--set training.batch_size=0: training.batch_size: 0 must be"),
        ("factors.lr=[0.1, x]", "--set factors.lr=[0.1, x]: factors.lr[1]: expected a number"),
        ("batch_size=5000", "--set batch_size=5000: training.batch_size: 5000 is larger"),
    ],
)
def test_a_wrong_set_is_refused_by_its_own_text(written: str, message: str) -> None:
    with pytest.raises(StudyError, match=re.escape(message)):
        overridden(written)


def test_replicates_beyond_counting_are_refused() -> None:
    many = {"init": 10**5, "order": 10**5, "split": 10**5}
    with pytest.raises(StudyError, match="asks for"):
        Study.from_mapping({**training(), "replicates": many})


def test_a_stream_that_no_cell_consumes_cannot_be_varied() -> None:
    full = training(batch_size="full")
    with pytest.raises(StudyError, match="no cell consumes order"):
        Study.from_mapping({**full, "replicates": {"init": 2, "order": 2}})
    Study.from_mapping({**full, "replicates": {"init": 2, "order": 1}})
    Study.from_mapping({**full, "replicates": 8})
    everything = ["split", "init", "order", "data", "augment", "dropout", "noise", "label", "mask"]
    with pytest.raises(StudyError, match="any stream that is not fixed"):
        Study.from_mapping({**full, "replicates": 8, "fixed": everything})


def test_large_designs_are_checked_level_by_level_and_pair_by_pair() -> None:
    factors = {
        "lr": [0.1 + 0.001 * i for i in range(50)],
        "clip_norm": [1 + i for i in range(50)],
        "batch_size": [*range(1, 10), 5000],
    }
    with pytest.raises(StudyError, match=r"factors\.batch_size\[9\]: 5000 is larger"):
        Study.from_mapping({**training(), "factors": factors})


def test_the_schema_knows_every_field_and_refuses_unknown_ones() -> None:
    made = schema()
    json.dumps(made)
    fields = made["properties"]
    assert {"data", "training", "factors", "replicates", "tracking", "seed"} <= set(fields)
    assert made["additionalProperties"] is False
    assert "orthogonal" in fields["init"]["anyOf"][0]["enum"]
    assert fields["training"]["properties"]["lr"]["exclusiveMinimum"] == 0
    assert fields["evaluation"]["properties"]["predictions"]["default"] is True


def test_the_main_study_is_well_formed_by_the_schema_and_the_reader() -> None:
    made = Study.load(DIGITS)
    assert (len(Design(made)), len(Design(made).cells)) == (216, 27)
    known = set(schema()["properties"])
    assert set(made.document.value) <= known


def test_a_study_is_planned_without_torch() -> None:
    code = (
        "import sys; from randstudy.study import Study; from randstudy.design import Design\n"
        f"len(Design(Study.load({str(DIGITS)!r})))\n"
        "assert not {'torch', 'ray', 'mlflow', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


JUNK: list[Any] = [
    None, True, -1, 0.5, float("nan"), 10**400, "", "x", "a:b", [], [[]], [None], {}, {"": 1},
    {"name": None}, {"name": {}}, {"a": [1]}, [{"a": {}}], {"count": None}, {"init+": 1},
]  # fmt: skip


@pytest.mark.parametrize("key", sorted(schema()["properties"]))
def test_no_value_of_a_field_leads_to_anything_but_a_study_or_its_refusal(key: str) -> None:
    studies = 0
    for junk in JUNK:
        with contextlib.suppress(StudyError):
            studies += len(Design(Study.from_mapping({**training(), key: junk}))) >= 1
    assert studies < len(JUNK)
