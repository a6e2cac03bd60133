"""The studies that come with the project: each loads, has the trials it says, and trains."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from randstudy.design import Design
from randstudy.study import Study
from randstudy.training import PackRun

FOLDER = Path(__file__).parents[1] / "studies"

TRIALS = {
    "digits": 216,
    "init-or-order": 64,
    "gradient-descent": 17,
    "mnist-cnn": 12,
    "null-aa": 24,
    "lucky-seed": 128,
    "seed-or-testset": 160,
}
"""Distinct trials of each study."""

BRIEF = {"seed-or-testset": ["factors.epochs=[1]"]}
"""How the studies that vary the budget are made brief."""


@pytest.fixture(autouse=True)
def few_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """IDX files with few images: the number of trials does not depend on what is in them."""
    folder = tmp_path / "mnist"
    folder.mkdir()
    for stem, count in (("train", 5200), ("t10k", 100)):
        images = np.array([0x803, count, 28, 28], ">u4").tobytes() + bytes(count * 28 * 28)
        labels = np.array([0x801, count], ">u4").tobytes() + bytes(count)
        (folder / f"{stem}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images, 1))
        (folder / f"{stem}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels, 1))
    monkeypatch.setenv("RANDSTUDY_DATA", str(tmp_path))
    monkeypatch.setenv("RANDSTUDY_CACHE", str(tmp_path / "cache"))


def test_every_study_is_listed_here() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(TRIALS)


@pytest.mark.parametrize("name", TRIALS)
def test_a_study_has_the_trials_it_says(name: str) -> None:
    study = Study.load(FOLDER / f"{name}.yaml")
    design = Design(study)
    assert study.name == name
    assert study.question.endswith("?")
    assert len(design) == len(set(design.keys())) == TRIALS[name]


def test_full_batch_without_data_and_init_has_one_training() -> None:
    design = Design(Study.load(FOLDER / "gradient-descent.yaml"))
    assert [len(list(design.trials_of(cell))) for cell in design.cells] == [8, 8, 1]


@pytest.mark.slow
@pytest.mark.parametrize("name", TRIALS)
def test_a_trial_of_every_cell_trains(name: str) -> None:
    study = Study.load(FOLDER / f"{name}.yaml", BRIEF.get(name, ["epochs=null", "steps=3"]))
    design = Design(study)
    for cell in design.cells:
        run = PackRun([next(design.trials_of(cell))])
        run.advance()
        (outcome,) = run.take()
        assert outcome.status == "finished"
        assert np.isfinite(outcome.metrics[study.metric])
