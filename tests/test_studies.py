"""The studies that come with the project: each loads, has the trials it says, and trains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from datafiles import write_idx, write_signals

from randstudy.design import Design
from randstudy.study import Study
from randstudy.training import Observation, PackRun

FOLDER = Path(__file__).parents[1] / "studies"

TRIALS = {
    "digits": 216,
    "init-or-order": 64,
    "gradient-descent": 17,
    "mnist-cnn": 12,
    "null-aa": 24,
    "lucky-seed": 128,
    "seed-or-testset": 160,
    "sgd-noise": 2400,
    "explode": 80,
    "input-noise": 100,
    "init-depth": 15,
    "which-luck": 512,
    "batch-size": 96,
    "keskar": 10,
    "crop-noise": 18,
    "densenet-digits": 15,
    "prune-mnist1d": 90,
    "lottery-lenet": 35,
}
"""Distinct trials of each study."""

BRIEF = {
    "seed-or-testset": ["factors.epochs=[1]"],
    "sgd-noise": ["examples=null", "steps=3"],
    "explode": ["steps=3"],
    "input-noise": ["steps=3"],
    "prune-mnist1d": ["steps=3"],
    "lottery-lenet": ["steps=3"],
}
"""How studies are made brief whose budget is not in epochs, or is varied."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that studies read, with fewer examples than the real ones."""
    made = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for name in ("mnist", "fashion-mnist"):
        write_idx(made / name, rng, train=10_600, test=100)
    write_signals(made / "mnist1d", rng, train=400, test=100)
    return made


@pytest.fixture(autouse=True)
def few_examples(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANDSTUDY_DATA", str(folder))
    monkeypatch.setenv("RANDSTUDY_CACHE", str(folder / "cache"))


def test_every_study_is_listed_here() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(TRIALS)


@pytest.mark.parametrize("name", TRIALS)
def test_a_study_has_the_trials_it_says(name: str) -> None:
    study = Study.load(FOLDER / f"{name}.yaml")
    design = Design(study)
    assert study.name == name
    assert study.question.endswith("?")
    # Two arms of one study share their dense trials.
    assert len(set(design.keys())) == TRIALS[name] <= len(design)


def test_full_batch_without_data_and_init_has_one_training() -> None:
    design = Design(Study.load(FOLDER / "gradient-descent.yaml"))
    assert [len(list(design.trials_of(cell))) for cell in design.cells] == [8, 8, 1]


@pytest.mark.slow
@pytest.mark.parametrize("name", TRIALS)
def test_a_trial_of_every_cell_trains(name: str) -> None:
    budget = BRIEF.get(name, ["epochs=null", "steps=3"])
    study = Study.load(FOLDER / f"{name}.yaml", budget)
    observe = Observation(
        every_epochs=None,
        every_steps=1000,
        gradient_norms=study.evaluation.gradient_norms,
        weights=study.evaluation.weights,
        test_selected=study.evaluation.test_selected,
    )
    for cell in Design(study).cells:
        run = PackRun([next(Design(study).trials_of(cell))], observe=observe)
        run.advance()
        (outcome,) = run.take()
        assert outcome.status == "finished"
        assert np.isfinite(outcome.metrics[study.metric])
