"""Designs: counted, ordered, lazy; and ids that never change."""

from __future__ import annotations

import dataclasses
import json
import pickle
import subprocess
import sys
import time
from hashlib import blake2b
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from randstudy import streams
from randstudy.canonical import minimal
from randstudy.design import Design, Trial, trial_from_settings
from randstudy.errors import StudyError
from randstudy.inits import Orthogonal
from randstudy.study import Study
from randstudy.tracking.plan import Plan, plan

DIGITS = Path(__file__).parents[1] / "studies" / "digits.yaml"


def study(**fields: Any) -> Study:
    training = {"lr": 0.1, "batch_size": 32, "epochs": 1, **fields.pop("training", {})}
    return Study.from_mapping({"training": training, **fields})


def only(**fields: Any) -> Trial:
    (trial,) = Design(study(**fields))
    return trial


# These ids are frozen: a change of any is a new major version of the study format.
GOLDEN: list[tuple[dict[str, Any], str]] = [
    ({}, "1b98b613711dd11c"),
    ({"seed": 1}, "508e38a1122adec1"),
    ({"seed": 2**64}, "b2f7213155b110f6"),
    ({"training": {"lr": 1}}, "f84bd5eda8ecfcc0"),
    ({"training": {"lr": 1e-8, "clip_norm": 0.1}}, "4dc933a1f7904952"),
    ({"training": {"batch_size": "full"}}, "7d9ee9b02df066c7"),
    ({"training": {"epochs": None, "steps": 100}}, "b3eb7ff6cdd44b75"),
    (
        {"training": {"optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": True}}},
        "d068bd9b1bd83795",
    ),
    ({"training": {"optimizer": "adam"}}, "53979f0412cee868"),
    ({"training": {"optimizer": {"name": "adamw", "beta1": 0.8}}}, "31c94a611916781a"),
    ({"data": "linear_regression", "model": "linear"}, "f2c61c8a2f1a7fa8"),
    ({"data": {"name": "linear_regression", "noise": 0.5}, "model": "linear"}, "6f737b89df5c8428"),
    ({"model": {"name": "mlp", "widths": [64, 64], "activation": "tanh"}}, "c6de2461d28beda7"),
    ({"model": "cnn"}, "04acedc38067e5d4"),
    ({"model": {"name": "cnn", "channels": [4]}}, "8ce2c07a9b395097"),
    ({"init": "xavier_uniform"}, "461d5903fd89666e"),
    ({"init": "kaiming_normal"}, "b44b3960bbc67036"),
    ({"init": {"name": "orthogonal", "gain": 2}}, "90206c4ea4cc43d4"),
    ({"init": {"name": "normal", "sd": 0.02}}, "e9f87cc287550aea"),
    ({"init": "constant"}, "05b33448ad81e5bf"),
    ({"pruning": {"rate": 0.5}}, "06ed806c32b46ce3"),
    ({"pruning": {"name": "magnitude", "rate": 0.9}}, "8cf274a0d790e56b"),
    ({"replicates": {"first": 7, "count": 1}}, "2beb088fc739ad78"),
    ({"replicates": {"init": {"first": 3, "count": 1}}}, "f6935dbc7cb9e23f"),
]


@pytest.mark.parametrize(("fields", "name"), GOLDEN, ids=[json.dumps(f) for f, _ in GOLDEN])
def test_ids_are_golden(fields: dict[str, Any], name: str) -> None:
    assert only(**fields).id == name


def test_golden_settings() -> None:
    trial = Design(study(init="orthogonal", pruning={"rate": 0.9}, repeat=2, seed=5))[1]
    assert trial.settings == (
        '{"format":1,"recipe":{"init":"orthogonal","pruning":{"name":"random","rate":0.9},'
        '"training":{"batch_size":32,"epochs":1,"lr":0.1}},"repeat":1,'
        '"replicates":{"init":0,"mask":0,"order":0,"split":0},"seed":5}'
    )


SAME: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"data": "digits"}),
    ({}, {"data": {"name": "digits"}, "model": {"name": "mlp", "widths": [128]}}),
    ({}, {"init": "kaiming_uniform", "pruning": {"name": "random", "rate": 0}}),
    ({}, {"pruning": {"name": "magnitude", "rate": 0.0}}),
    ({}, {"pruning": {"density": 1}}),
    ({}, {"pruning": {"rate": -0.0}}),
    ({}, {"training": {"optimizer": "sgd"}}),
    ({}, {"training": {"optimizer": {"name": "sgd", "momentum": 0, "nesterov": False}}}),
    ({}, {"training": {"optimizer": {"weight_decay": 0}, "steps": None, "clip_norm": None}}),
    ({}, {"name": "other", "question": "?", "metric": "test_loss", "direction": "maximize"}),
    ({}, {"evaluation": {"every_steps": 3}, "resources": {"cpus": 2}, "fixed": ["split"]}),
    ({}, {"tracking": {"enabled": False}, "factors": {"lr": [0.1]}}),
    ({}, {"factors": {"init": [{"name": "kaiming_uniform"}], "data": ["digits"]}}),
    ({"init": "orthogonal"}, {"init": Orthogonal()}),
    ({"init": "orthogonal"}, {"init": {"name": "orthogonal", "gain": 1}}),
    ({"training": {"lr": 1}}, {"training": {"lr": 1.0}}),
    ({"training": {"clip_norm": 2}}, {"training": {"clip_norm": 2.0}}),
    ({"pruning": {"rate": 0.9}}, {"pruning": {"density": 0.1}}),
    ({"pruning": {"rate": 0.7}}, {"factors": {"density": [0.3]}}),
    ({"training": {"batch_size": "full"}}, {"training": {"batch_size": 1077}}),
    ({"training": {"epochs": 2}}, {"training": {"epochs": None, "steps": 68}}),
    (
        {"training": {"batch_size": "full"}},
        {"training": {"batch_size": 1077}, "replicates": {"order": {"first": 0, "count": 1}}},
    ),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_trains_the_same_has_the_same_id(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert only(**one) == only(**other)


def test_what_trains_otherwise_has_another_id() -> None:
    names = [name for _, name in GOLDEN]
    assert len(set(names)) == len(names)


def test_ids_do_not_depend_on_the_order_of_a_file_or_on_the_process() -> None:
    code = (
        "from randstudy.design import Design; from randstudy.study import Study\n"
        "from randstudy.yamlfile import parse\n"
        "text = open({path!r}).read()\n"
        "if {turned}: import yaml; text = yaml.safe_dump(yaml.safe_load(text), sort_keys=True)\n"
        "print(*sorted(Design(Study.from_document(parse(text))).keys()))"
    )
    printed = set()
    for seed, turned in (("0", False), ("1", True), ("4242", True)):
        script = code.format(path=str(DIGITS), turned=turned)
        run = [sys.executable, "-c", script]
        done = subprocess.run(
            run, check=True, capture_output=True, text=True, env={"PYTHONHASHSEED": seed}
        )
        printed.add(done.stdout)
    assert printed == {" ".join(sorted(Design(Study.load(DIGITS)).keys())) + "\n"}


def test_the_main_study_is_ordered_with_the_last_factor_fastest() -> None:
    design = Design(Study.load(DIGITS))
    assert len(design) == len(list(design)) == 216
    labels = [cell.label for cell in design.cells]
    assert labels[:4] == [
        "batch_size=16 init=xavier_uniform pruning.rate=0",
        "batch_size=16 init=xavier_uniform pruning.rate=0.5",
        "batch_size=16 init=xavier_uniform pruning.rate=0.9",
        "batch_size=16 init=kaiming_normal pruning.rate=0",
    ]
    points = list(design.points())
    assert [point.cell.index for point in points] == [i // 8 for i in range(216)]
    assert [point.trial.replicates["init"] for point in points[:9]] == [*range(8), 0]
    assert {point.trial.replicates["split"] for point in points} == {0}
    assert dict(points[-1].cell.levels) == {
        "batch_size": 64,
        "init": "orthogonal",
        "pruning.rate": 0.9,
    }


DESIGNS = [
    {},
    {"replicates": 3, "repeat": 2},
    {"replicates": {"init": 2, "order+mask": 3}, "factors": {"rate": [0, 0.5]}},
    {"replicates": 4, "factors": {"batch_size": ["full", 16], "init": ["constant", "normal"]}},
    {
        "factors": {"lr": [1, 2, 3], "init": ["normal", "orthogonal"]},
        "exclude": [{"lr": 2}, {"lr": 3, "init": "normal"}],
        "replicates": 2,
    },
    {"arms": {"a": {"replicates": 3}, "b": {"replicates": {"first": 2, "count": 2}}}, "repeat": 2},
    {
        "arms": {"a": {}, "b": {"batch_size": "full"}, "c": {"replicates": {"order": 5}}},
        "factors": {"lr": [1, 2], "init": ["normal", "constant"]},
        "exclude": [{"arm": "b", "lr": 2}],
        "replicates": 2,
    },
    {
        "design": {"name": "one_at_a_time", "reference": {"lr": 2}},
        "factors": {"lr": [1, 2, 3], "init": ["normal", "constant"], "batch_size": [16, "full"]},
        "replicates": {"init": 2, "order": 2},
        "arms": {"a": {"replicates": 3}, "b": {"rate": 0.5}},
    },
    {
        "design": {"name": "sobol", "cells": 8, "crossed": ["batch_size"]},
        "factors": {
            "lr": {"loguniform": [0.001, 1]},
            "batch_size": ["full", 16],
            "init": ["constant", "normal"],
        },
        "replicates": 2,
    },
    {
        "factors": {
            "lr": {"in": "batch_size", "levels": {"16": [0.1, 0.2], "full": [0.4, 0.2, 0.8]}},
            "init": ["constant", "normal"],
            "batch_size": [16, "full", 32],
            "momentum": {"in": "lr", "levels": {"0.2": [0, 0.9]}},
        },
        "exclude": [{"lr": 0.2, "init": "normal"}],
        "replicates": {"init": 2, "order": 3},
    },
    {
        "arms": {"a": {"batch_size": 16}, "b": {"batch_size": "full", "replicates": 3}},
        "factors": {"lr": {"in": "arm", "levels": {"a": [0.1, 0.2], "b": [0.4]}}},
        "replicates": 2,
    },
    {
        "cells": [{}, {"lr": 1, "init": "constant"}, {"optimizer": "adam", "beta1": 0.8}],
        "arms": {"a": {"batch_size": 16}, "b": {"batch_size": "full"}},
        "replicates": {"init": 2, "order": 2},
    },
]


@pytest.mark.parametrize("fields", DESIGNS)
def test_a_resolved_study_has_the_same_design(fields: dict[str, Any]) -> None:
    made = study(**fields)
    again = Study.from_mapping(json.loads(json.dumps(made.resolved())))
    assert [cell.label for cell in Design(again).cells] == [c.label for c in Design(made).cells]
    assert list(Design(again).keys()) == list(Design(made).keys())
    assert pickle.loads(pickle.dumps(made)).cells.size == made.cells.size


@pytest.mark.parametrize("fields", DESIGNS)
def test_length_order_indices_and_keys_agree(fields: dict[str, Any]) -> None:
    design = Design(study(**fields))
    every = list(design)
    assert len(design) == len(every)
    assert [design[i] for i in range(len(design))] == every
    assert design[-1] == every[-1]
    assert design[1:3] == every[1:3]
    assert list(design.keys()) == [trial.id for trial in every]
    assert [point.trial for point in design.points()] == every
    assert list(design.cells) == [design.cells[i] for i in range(len(design.cells))]
    for cell in design.cells:
        names = [trial.id for trial in design.trials_of(cell)]
        assert len(set(names)) == len(names)
    with pytest.raises(IndexError):
        design[len(design)]
    with pytest.raises(IndexError):
        design.cells[len(design.cells)]


@pytest.mark.parametrize("fields", DESIGNS)
def test_a_trial_survives_its_settings_and_pickling(fields: dict[str, Any]) -> None:
    for trial in Design(study(**fields)):
        again = trial_from_settings(trial.settings)
        assert again == trial
        assert again.settings == trial.settings
        assert pickle.loads(pickle.dumps(trial)) == trial
        assert hash(again) == hash(trial)
        plain = json.loads(trial.settings)
        assert trial.settings == json.dumps(plain, sort_keys=True, separators=(",", ":"))


@pytest.mark.parametrize("fields", [f for f, _ in GOLDEN])
def test_settings_hold_the_minimal_recipe(fields: dict[str, Any]) -> None:
    trial = only(**fields)
    assert json.loads(trial.settings)["recipe"] == minimal(trial.recipe)
    assert blake2b(trial.settings.encode(), digest_size=8).hexdigest() == trial.id


def labels(**fields: Any) -> list[str]:
    return [cell.label for cell in Design(study(**fields)).cells]


def test_one_at_a_time_leaves_the_reference_in_one_place() -> None:
    factors = {"lr": [0.1, 0.2, 0.3], "init": ["normal", "orthogonal"]}
    assert labels(design="one_at_a_time", factors=factors) == [
        *("lr=0.1 init=normal", "lr=0.2 init=normal", "lr=0.3 init=normal"),
        "lr=0.1 init=orthogonal",
    ]
    named = {"name": "one_at_a_time", "reference": {"training.lr": 0.2, "init": "orthogonal"}}
    assert labels(design=named, factors=factors) == [
        *("lr=0.2 init=orthogonal", "lr=0.1 init=orthogonal", "lr=0.3 init=orthogonal"),
        "lr=0.2 init=normal",
    ]


NESTED = {
    "optimizer": [{"name": "sgd", "momentum": 0.9}, "adam"],
    "lr": {"in": "optimizer", "levels": {"sgd": [0.1, 0.3], "adam": [0.001, 0.003]}},
}


def test_a_nested_factor_has_levels_of_its_own_for_each_level() -> None:
    assert labels(factors=NESTED) == [
        "optimizer=sgd(momentum=0.9) lr=0.1",
        "optimizer=sgd(momentum=0.9) lr=0.3",
        "optimizer=adam lr=0.001",
        "optimizer=adam lr=0.003",
    ]
    beside = {**NESTED, "init": ["normal", "orthogonal"]}
    assert len(labels(factors=beside)) == 8
    assert len(labels(factors=beside, exclude=[{"lr": 0.3}])) == 6


def test_a_level_that_a_nested_factor_does_not_list_leaves_the_field_alone() -> None:
    momentum = {"in": "optimizer", "levels": {"sgd": [0.5, 0.9]}}
    factors = {"optimizer": ["sgd", "adam"], "momentum": momentum}
    made = study(factors=factors)
    assert labels(factors=factors) == [
        *("optimizer=sgd momentum=0.5", "optimizer=sgd momentum=0.9"),
        "optimizer=adam",
    ]
    assert [cell.levels.get("momentum") for cell in Design(made).cells] == [0.5, 0.9, None]
    assert Design(made)[2] == only(training={"optimizer": "adam"})


def test_factors_are_nested_in_nested_ones() -> None:
    factors = {
        "momentum": {"in": "lr", "levels": {"0.2": [0, 0.5]}},
        "lr": {"in": "batch_size", "levels": {"16": [0.1, 0.2], "32": [0.2]}},
        "batch_size": [16, 32],
    }
    assert sorted(labels(factors=factors)) == [
        "lr=0.1 batch_size=16",
        "momentum=0 lr=0.2 batch_size=16",
        "momentum=0 lr=0.2 batch_size=32",
        "momentum=0.5 lr=0.2 batch_size=16",
        "momentum=0.5 lr=0.2 batch_size=32",
    ]


def test_listed_cells_set_what_they_say_and_no_more() -> None:
    cells = [{"lr": 0.2, "init": "normal"}, {}, {"optimizer": {"name": "adam", "beta1": 0.8}}]
    assert labels(cells=cells) == ["lr=0.2 init=normal", "base", "optimizer=adam(beta1=0.8)"]
    assert Design(study(cells=cells))[1] == only()
    first = only(training={"lr": 0.2}, init="normal")
    assert Design(study(cells=cells))[0] == first
    longer = study(cells=cells, arms={"a": {"batch_size": 16}, "b": {"batch_size": "full"}})
    assert len(Design(longer).cells) == 6


def test_a_section_gives_way_to_a_field_of_its_name() -> None:
    fields: dict[str, Any] = {"data": "linear_regression", "model": "linear"}
    made = study(**fields, factors={"noise": [0.5, 2.0]}, exclude=[{"noise": 2}])
    assert Design(made)[0] == only(
        **{**fields, "data": {"name": "linear_regression", "noise": 0.5}}
    )
    written = {"training": {"lr": 0.1, "batch_size": 32, "epochs": 1}, **fields}
    again = Study.from_mapping(written, ["noise=0.5"])
    assert Design(again)[0] == Design(made)[0]


def test_a_section_that_may_be_nothing_has_levels() -> None:
    made = study(factors={"stopping": [None, {"patience": 3}]})
    first, second = Design(made)
    assert first == only()
    assert second == only(training={"stopping": {"patience": 3}})


def test_fields_that_draw_nothing_are_not_walked_through_to_count() -> None:
    levels = [{"name": "cosine", "warmup": i} for i in range(2000)]
    made = study(factors={"schedule": levels, "stopping.patience": [*range(1, 2000)]},
                 training={"stopping": {"patience": 1}}, replicates=3)  # fmt: skip
    assert len(list(made.cells.consuming())) == 1
    assert len(Design(made)) == 2000 * 1999 * 3


def test_settings_of_another_format_are_refused() -> None:
    plain = json.loads(only().settings)
    with pytest.raises(StudyError, match="expected 1, got 2"):
        trial_from_settings(json.dumps({**plain, "format": 2}))
    with pytest.raises(StudyError, match=r"recipe\.optimiser"):
        trial_from_settings(json.dumps({**plain, "recipe": {"optimiser": "sgd"}}))


def test_cells_share_trials_where_a_level_has_no_effect() -> None:
    design = Design(study(factors={"pruning": ["random", "magnitude"], "rate": [0, 0.5]}))
    assert len(design) == 4
    assert len(list(design.trials())) == 3
    ids = [trial.id for trial in design]
    assert ids[0] == ids[2]


def test_replicates_of_unconsumed_streams_are_no_part_of_a_trial() -> None:
    design = Design(study(replicates=4, factors={"batch_size": ["full", 16]}, init="constant"))
    first = [trial for trial in design if trial.recipe.training.batch_size == "full"]
    assert [trial.replicates for trial in first] == [{"split": i} for i in range(4)]
    fixed = Design(
        study(replicates=4, factors={"batch_size": ["full", 16]}, init="constant", fixed=["split"])
    )
    assert [len(list(fixed.trials_of(cell))) for cell in fixed.cells] == [1, 4]
    assert len(fixed) == 5


def test_more_replicates_or_levels_only_add_trials() -> None:
    few = set(Design(study(replicates=8, factors={"lr": [0.1, 0.2]})).keys())
    more = set(Design(study(replicates=10, factors={"lr": [0.1, 0.2]})).keys())
    wider = set(Design(study(replicates=8, factors={"lr": [0.2, 0.3, 0.1]})).keys())
    assert few < more
    assert (len(more - few), len(wider - few)) == (4, 8)
    assert few < wider


def test_repeats_are_trials_of_their_own_with_the_same_draws() -> None:
    plain, again = Design(study(repeat=2))
    assert plain == only()
    assert plain.id != again.id
    assert plain.key("init") == again.key("init")


def test_keys_are_those_of_seed_stream_and_replicate() -> None:
    trial = Design(study(seed=3, replicates=5))[4]
    assert trial.key("init") == streams.key(3, "init", 4)
    assert trial.key("mask") == streams.key(3, "mask", 0)
    keys = {t.key(name) for t in Design(study(replicates=5)) for name in t.replicates}
    assert len(keys) == 15


def test_the_fields_of_a_trial_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        only().seed = 3  # type: ignore[misc]


def test_a_million_trials_are_counted_and_begun_at_once() -> None:
    factors = {"lr": [0.1 + 0.001 * i for i in range(50)], "batch_size": [*range(1, 21)]}
    by_replicates = study(factors=factors, replicates=1000)
    factors["rate"] = [i / 1000 for i in range(1000)]
    by_cells = study(factors=factors)
    for made in (by_replicates, by_cells):
        start = time.perf_counter()
        design = Design(made)
        assert len(design) == 1_000_000
        assert len(list(islice(design, 10))) == 10
        assert time.perf_counter() - start < 3
    start = time.perf_counter()
    assert sum(1 for _ in islice(Design(by_replicates).keys(), 50_000)) == 50_000
    assert time.perf_counter() - start < 1


@settings(max_examples=40, deadline=None)
@given(
    lr=st.floats(1e-12, 1e12),
    rate=st.floats(0, 1),
    batch=st.integers(1, 1077) | st.just("full"),
    widths=st.lists(st.integers(1, 9999), min_size=1, max_size=3),
    seed=st.integers(0, 2**80),
    replicate=st.integers(0, 2**31 - 1),
)
def test_any_trial_survives_its_settings(
    lr: float, rate: float, batch: int | str, widths: list[int], seed: int, replicate: int
) -> None:
    trial = only(
        training={"lr": lr, "batch_size": batch},
        pruning={"rate": rate},
        model={"name": "mlp", "widths": widths},
        seed=seed,
        replicates={"first": replicate, "count": 1},
    )
    assert trial_from_settings(trial.settings) == trial


@pytest.mark.parametrize("fields", DESIGNS)
def test_the_mirror_plans_the_trials_of_the_design(fields: dict[str, Any]) -> None:
    design = Design(study(**fields))
    planned = plan(design.study)
    assert [trial.id for cell in planned.cells for trial in cell.trials] == list(design.keys())
    replicates = [trial.replicates for cell in planned.cells for trial in cell.trials]
    assert replicates == [trial.replicates for trial in design]
    assert Plan.from_json(planned.to_json()) == planned


def test_different_levels_give_different_ids() -> None:
    lrs = sorted({0.1, 0.2, 0.1 + 2**-56 * 4, 1e-300, 1e300})
    names = list(Design(study(factors={"lr": lrs})).keys())
    assert all(one != other for one, other in pairwise(names))
