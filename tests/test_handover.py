"""Studies that hand their training over, as they are read: grammar, identity, provenance."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from randstudy import Study, digests
from randstudy.cli import main
from randstudy.design import Design
from randstudy.errors import RandstudyError, StudyError
from randstudy.handover import HandedRecipe, HandoverError, kind, name_of
from randstudy.packs import HANDED, HandedShape, fixed_width, shape_of
from randstudy.trials import trial_from_settings
from randstudy.yamlfile import parse

SOURCE = """
import handed_part

def train(trial, streams, report):
    return {"test_loss": handed_part.number()}

def other(trial, streams, report):
    return {"test_loss": 1.0}

def two(trial, streams):
    return {}

number = 3
"""

BASE = """\
train: {function: handed_mine:train, parameters: {lr: 0.1, width: 32, decay: null, sizes: [8, 8]}}
metric: test_loss
"""


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Put a training of somebody's own, outside the package, where it can be imported."""
    (tmp_path / "handed_mine.py").write_text(SOURCE)
    (tmp_path / "handed_part.py").write_text("def number():\n    return 0.5\n")
    (tmp_path / "handed_broken.py").write_text("value = 1 / 0\n")
    (tmp_path / "handed_script.py").write_text("import sys\nsys.exit(3)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [one for one in sys.modules if one.startswith("handed_")]:
        del sys.modules[name]


def study(text: str = "", base: str = BASE) -> Study:
    return Study.from_document(parse(base + text, "study.yaml"))


def settings(text: str = "", base: str = BASE) -> list[str]:
    return [trial.settings for trial in Design(study(text, base))]


def test_a_study_of_a_function_alone_needs_no_training_section() -> None:
    one = study("factors: {lr: [0.1, 1], train.parameters.width: [16, 32]}\nreplicates: 3\n")
    design = Design(one)
    assert (len(design), len(design.cells)) == (12, 4)
    first = design[0]
    assert isinstance(first.setup, HandedRecipe)
    assert first.setup.parameters == {"lr": 0.1, "width": 16, "decay": None, "sizes": (8, 8)}
    assert dict(first.replicates) == {"init": 0, "order": 0}
    assert (one.metric, one.direction) == ("test_loss", "minimize")
    assert one.resolved()["train"]["parameters"]["decay"] is None


def test_settings_make_the_same_trial_again() -> None:
    one = study("factors: {decay: [null, 1, 1.0, true, text], sizes: [[1], [2.5, 1]]}\n", """\
train: {function: "handed_mine:train", parameters: {decay: null, sizes: [1.0]}}
metric: test_loss
""")  # fmt: skip
    trials = list(Design(one))
    assert len({trial.id for trial in trials}) == 10
    for trial in trials:
        again = trial_from_settings(trial.settings)
        assert (again.id, again.settings) == (trial.id, trial.settings)
        assert isinstance(again.setup, HandedRecipe)
        assert isinstance(trial.setup, HandedRecipe)
        kinds = [type(value) for value in again.setup.parameters.values()]
        assert again.setup.parameters == trial.setup.parameters
        assert kinds == [type(value) for value in trial.setup.parameters.values()]


def test_the_id_is_function_parameters_streams_and_seed_and_nothing_else() -> None:
    (plain,) = settings()
    assert plain == (
        '{"format":1,"recipe":{"train":{"function":"handed_mine:train","parameters":'
        '{"decay":null,"lr":0.1,"sizes":[8,8],"width":32}}},"replicates":{"init":0,"order":0},'
        '"seed":0}'
    )
    assert Design(study())[0].id == "83ae8c3329349235"
    same = ["name: other\n", "direction: maximize\n", "resources: {cpus: 2}\n", "fixed: [init]\n"]
    assert [settings(text) for text in same] == [[plain]] * len(same)
    streams = BASE.replace("parameters", "streams: [order, init], parameters")
    assert settings(base=streams) == [plain]
    moved = [BASE.replace("0.1", "0.2"), BASE.replace(":train", ":other"), BASE + "seed: 1\n"]
    moved.append(BASE.replace("parameters", "streams: [order], parameters"))
    assert len({plain, *(settings(base=base)[0] for base in moved)}) == 5


def test_the_name_alone_is_a_study_and_a_function_can_be_a_level() -> None:
    plain = "train: handed_mine:train\nmetric: test_loss\n"
    assert settings(base=plain) == settings(
        base="train: {function: handed_mine:train}\nmetric: test_loss\n"
    )
    levels = "factors: {function: ['handed_mine:train', 'handed_mine:other']}\n"
    shapes = {shape_of(trial.setup) for trial in Design(study(levels, plain))}
    assert shapes == {HandedShape("handed_mine:train"), HandedShape("handed_mine:other")}
    assert {fixed_width(shape) for shape in shapes} == {HANDED}


def test_streams_are_crossed_as_in_any_study() -> None:
    one = study("replicates: {init: 3, split: 2}\n", BASE.replace(
        "parameters", "streams: [init, split], parameters"
    ))  # fmt: skip
    assert len(Design(one)) == 6


PARAMETERS = "train.parameters"
MALFORMED = [
    ("train: handed_mine:trian\nmetric: a_loss", "train.function", "did you mean train?"),
    ("train: handed_min:train\nmetric: a_loss", "train.function", "no module 'handed_min'"),
    ("train: handed_mine:two\nmetric: a_loss", "train.function", "(trial, streams, report)"),
    ("train: handed_mine:number\nmetric: a_loss", "train.function", "is no function"),
    ("train: handed_mine\nmetric: a_loss", "train.function", "package.module:function"),
    ("train: handed_broken:f\nmetric: a_loss", "train.function", "ZeroDivisionError"),
    ("train: handed_script:f\nmetric: a_loss", "train.function", "__main__"),
    ("train: null\nmetric: a_loss", "train", "expected a mapping of fields"),
    ("train: [a]\nmetric: a_loss", "train", "expected a mapping of fields"),
    ("train: {}\nmetric: a_loss", "train.function", "is missing"),
    ("train: {function: 3}\nmetric: a_loss", "train.function", "expected text"),
    (BASE.replace("parameters", "stream: [init], parameters"), "train.stream", "mean streams?"),
    (f"{BASE}streams: [init]\n", "streams", "a study has no such field"),
    (f"{BASE}model: mlp\n", "model", "has no effect beside train"),
    (f"{BASE}training: {{lr: 0.1}}\n", "training", "has no effect beside train"),
    (f"{BASE}evaluation: {{every_epochs: 2}}\n", "evaluation.every_epochs", "no effect beside"),
    (BASE.replace("0.1", "{a: 1}"), f"{PARAMETERS}.lr", "a parameter is a number"),
    (BASE.replace("0.1", "[[1]]"), f"{PARAMETERS}.lr", "a parameter is a number"),
    (BASE.replace("0.1", ".nan"), f"{PARAMETERS}.lr", "finite"),
    (BASE.replace("lr", "lambda"), f"{PARAMETERS}.lambda", "Python's own"),
    (BASE.replace("lr", "learning-rate"), f"{PARAMETERS}.learning-rate", "letters, digits"),
    (BASE.replace("lr", "seed"), f"{PARAMETERS}.seed", "of its own"),
    (BASE.replace("parameters", "streams: [inti], parameters"), "train.streams", "mean init?"),
    (BASE.replace("parameters", "streams: [init, init], parameters"), "train.streams", "twice"),
    (BASE.replace("{lr: 0.1, width: 32, decay: null, sizes: [8, 8]}", "3"), PARAMETERS, "{lr: 0.1"),
    (f"{BASE}factors: {{learning_rate: [1]}}\n", "factors.learning_rate", "declare it under train"),
    (f"{BASE}factors: {{batch_size: [1]}}\n", "factors.batch_size", "declare it under train"),
    (f"{BASE}factors: {{width: [1.5]}}\n", "factors.width[0]", "expected a whole number"),
    (f"{BASE}factors: {{lr: [fast]}}\n", "factors.lr[0]", "expected a number"),
    (f"{BASE}factors: {{decay: [.inf, 1]}}\n", "factors.decay[0]", "finite"),
    (f"{BASE}factors: {{lr: [0.1, 0.1]}}\n", "factors.lr[1]", "listed twice"),
    (f"{BASE}arms: {{a: {{widht: 1}}}}\n", "arms.a.widht", "did you mean width?"),
    (f"{BASE}replicates: {{init: 2, mask: 2}}\n", "replicates.mask", "no cell consumes mask"),
    (BASE.replace("metric: test_loss", ""), "metric", "is missing"),
    (BASE.replace("test_loss", "score"), "direction", "maximize"),
]


@pytest.mark.parametrize(("text", "field", "message"), MALFORMED)
def test_malformed_studies_are_refused_with_line_and_field(
    text: str, field: str, message: str, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = own / "study.yaml"
    file.write_text(text)
    assert main(["plan", str(file), "--store", str(own / "store")]) == 2
    said = capsys.readouterr().err
    assert f": {field}: " in said
    assert message in said
    assert said.count("\n") == 1, said
    assert not (own / "store").exists()


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("train: handed_min:train", ["metric", "train.function"]),
        ("train: handed_min:train\nfactors: {lr: [1]}", ["factors.lr", "metric", "train.function"]),
        (f"{BASE}model: mlp\nfactors: {{learning_rate: [1]}}", ["factors.learning_rate", "model"]),
        ("train: handed_min:train\nmetric: 3", ["metric", "train.function"]),
    ],
)
def test_all_that_is_wrong_is_told_at_once(text: str, fields: list[str], own: Path) -> None:
    with pytest.raises(StudyError) as told:
        study("", text)
    assert sorted(one.field for one in told.value.problems) == fields


def test_a_field_called_train_elsewhere_keeps_its_short_name() -> None:
    data = {"data": "linear_regression", "training": {"lr": 0.1, "batch_size": 4, "epochs": 1}}
    varied = Study(**data, factors={"train": [20, 40]}, model="linear")
    assert {trial.recipe.sizes.train for trial in Design(varied)} == {20, 40}


def test_set_reaches_parameters() -> None:
    one = Study(train={"function": "handed_mine:train", "parameters": {"lr": 0.1}},
                metric="test_loss", overrides=["lr=3"])  # fmt: skip
    setup = Design(one)[0].setup
    assert isinstance(setup, HandedRecipe)
    assert setup.parameters == {"lr": 3.0}


def test_python_and_file_make_the_same_trials() -> None:
    from handed_mine import train

    written = study("factors: {lr: [0.1, 0.2]}\nreplicates: 4\n")
    parameters = {"lr": 0.1, "width": 32, "decay": None, "sizes": (8, 8)}
    made = Study(
        train={"function": train, "parameters": parameters},
        metric="test_loss",
        factors={"lr": [0.1, 0.2]},
        replicates=4,
    )
    assert list(Design(made).keys()) == list(Design(written).keys())
    plain = Study(train=train, metric="test_loss")
    assert list(Design(plain).keys()) == list(
        Design(study(base="train: handed_mine:train\nmetric: test_loss\n")).keys()
    )


def test_an_ordinary_study_in_python_is_the_one_of_the_file() -> None:
    fields: dict[str, Any] = {
        "data": "digits",
        "training": {"lr": 0.1, "batch_size": 32, "epochs": 1},
        "factors": {"batch_size": [16, 32]},
        "replicates": 3,
    }
    assert Study(**fields) == Study.from_mapping(fields)
    with pytest.raises(StudyError, match="did you mean factors"):
        Study(**fields, factor={})


def _inner() -> Callable[..., Any]:
    def train(trial: Any, streams: Any, report: Any) -> None: ...

    return train


def test_a_function_that_workers_cannot_import_is_refused() -> None:
    with pytest.raises(HandoverError, match="at the top of a module"):
        name_of(_inner())
    with pytest.raises(HandoverError, match="at the top of a module"):
        Study(train=lambda trial, streams, report: None, metric="a_loss")
    found: dict[str, Any] = {"__name__": "__main__"}
    exec("def train(trial, streams, report): ...", found)
    with pytest.raises(RandstudyError, match="from mine import train"):
        Study(train=found["train"], metric="a_loss")


def test_kinds_follow_defaults() -> None:
    assert [kind(one) for one in (1, 1.0, True, "a", None)] == [int, float, bool, str, object]
    assert kind([1, 2.0]) == tuple[float, ...]
    assert kind([]) == kind([1, "a"]) == tuple[object, ...]


def test_the_source_digest_follows_the_function_and_what_it_imports(own: Path) -> None:
    setup = Design(study())[0].setup
    assert digests.own_modules(setup) == {"handed_mine"}
    assert digests.folders(setup) == (str(own.resolve()),)
    seen = [digests.source_digest(setup)]
    for name in ("handed_mine.py", "handed_part.py"):
        with (own / name).open("a") as file:
            file.write("# changed\n")
        seen.append(digests.source_digest(setup))
    (own / "handed_stranger.py").write_text("")
    assert digests.source_digest(setup) == seen[-1]
    assert len(set(seen)) == 3


def test_parts_of_ones_own_have_a_source_digest_and_others_none(own: Path) -> None:
    (own / "handed_init.py").write_text(
        "from dataclasses import dataclass\nfrom randstudy.inits import Normal\n\n"
        "@dataclass(frozen=True, kw_only=True)\nclass Mine(Normal):\n    pass\n"
    )
    fields: dict[str, Any] = {"training": {"lr": 0.1, "batch_size": 32, "epochs": 1}}
    ours, theirs = (
        Design(Study(**fields, init=init))[0].setup for init in ("normal", "handed_init:Mine")
    )
    assert digests.provenance(ours) == {}
    assert digests.own_modules(theirs) == {"handed_init"}
    assert digests.provenance(theirs).keys() == {"source_digest"}


def test_a_package_is_followed_through_relative_imports(own: Path) -> None:
    package = own / "handed_package"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "inner" / "__init__.py").write_text("")
    (package / "inner" / "deep.py").write_text("from ..near import number\n")
    (package / "near.py").write_text("number = 1\n")
    text = "from .inner.deep import number\ndef train(trial, streams, report): ...\n"
    (package / "mine.py").write_text(text)
    setup = Design(study(base="train: handed_package.mine:train\nmetric: a_loss\n"))[0].setup
    before = digests.source_digest(setup)
    (package / "near.py").write_text("number = 2\n")
    assert digests.source_digest(setup) != before
    assert digests.folders(setup) == (str(own.resolve()),)


def test_new_writes_a_study_that_reads_and_overwrites_nothing(
    own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(own)
    assert main(["new", "handed-first"]) == 0
    assert main(["plan", "handed-first.yaml"]) == 0
    assert "trials  16" in capsys.readouterr().out
    before = {path: path.read_text() for path in own.glob("handed*first*")}
    assert len(before) == 2
    for name in ("handed-first", "json", "../up", "", "9"):
        assert main(["new", name]) == 2
    assert {path: path.read_text() for path in own.glob("handed*first*")} == before
    assert os.listdir(own.parent) == [own.name] or not (own.parent / "up.yaml").exists()
