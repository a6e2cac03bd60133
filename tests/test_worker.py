"""A worker in this process: it commits before it reports, and says what went wrong."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from catalogue import SmallDigits, bits, in_order, train, trial
from numpy.typing import NDArray

from randstudy.errors import DataError
from randstudy.inits import KaimingUniform, Uniform
from randstudy.ledger import Ledger
from randstudy.models import Mlp, Model, Parameter
from randstudy.models.dense import DenseProgram
from randstudy.models.losses import BatchLoss
from randstudy.models.program import Pass, Weights
from randstudy.orders import Order, places
from randstudy.outcomes import Failure
from randstudy.packs import shape_of
from randstudy.scheduling import NO_MORE, Mishap, Queue, Work
from randstudy.streams import Key
from randstudy.tasks import Examples, TaskShape
from randstudy.trials import Trial
from randstudy.worker import Worker, free_memory, out_of_memory

CAPACITY = 6
"""Trials that `Cramped` holds at once."""


class CrampedProgram(DenseProgram):
    """A network whose gradients do not fit for more than a few trials."""

    def __init__(self, model: Model, shape: TaskShape, loss: BatchLoss) -> None:
        super().__init__(Mlp(widths=(5,)), shape, loss)

    def gradients(
        self, weights: Weights, inputs: torch.Tensor, targets: torch.Tensor, way: Pass
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        if len(inputs) > CAPACITY:
            raise torch.OutOfMemoryError(f"tried to allocate room for {len(inputs)} trials")
        return super().gradients(weights, inputs, targets, way)


@dataclass(frozen=True, kw_only=True)
class Cramped(Model):
    """A model of somebody's own that runs out of memory above `CAPACITY` trials."""

    program = "test_worker:CrampedProgram"

    def parameters(self, shape: TaskShape) -> tuple[Parameter, ...]:
        return Mlp(widths=(5,)).parameters(shape)


@dataclass(frozen=True, kw_only=True)
class Unreadable(SmallDigits):
    """Data of somebody's own whose files are gone."""

    def examples(self, key: Key) -> Examples:
        raise DataError("digits.bin: no such file")


@dataclass(frozen=True, kw_only=True)
class Picky(Uniform):
    """An init of somebody's own that fails for wide ranges."""

    def values(self, parameter: Parameter, variates: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.weight_range > 0.5:
            raise ZeroDivisionError("this range is too wide for me")
        return super().values(parameter, variates)


def order(trials: Sequence[Trial], store: Path, **fields: Any) -> Order:
    values: dict[str, Any] = {
        "number": 7,
        "kind": "train",
        "trials": tuple(one.settings for one in trials),
        "store": str(store),
        "device": "cpu",
        "threads": 1,
        "share": 1.0,
        "observe": {},
        "metric": "test_accuracy",
    }
    made = Order(**(values | fields))
    # As it comes out of another process.
    return Order(**json.loads(json.dumps(made.plain())))


def work_off(worker: Worker, seconds: float = 60.0) -> list[dict[str, Any]]:
    """Step until the order is closed; every report is plain values."""
    reports = []
    while not reports or not reports[-1]["done"]:
        reports.append(json.loads(json.dumps(worker.step(seconds))))
    return reports


def test_outcomes_are_those_of_the_pack_and_lie_in_the_store(tmp_path: Path) -> None:
    trials = [trial(number, lr=1e30 if number == 2 else 0.1) for number in range(4)]
    (report,) = work_off(Worker(order(trials, tmp_path)))
    ids = [one.id for one in trials]
    assert report["number"] == 7
    assert sorted(report["committed"]) == sorted(report["ended"]) == sorted(ids)
    assert (report["diverged"], report["pack"], report["progress"]) == (1, 4, 1.0)
    stored = in_order(Ledger(tmp_path).outcomes(predictions=True), trials)
    assert [bits(one) for one in stored] == [bits(one) for one in train(trials)]
    for one in stored:
        if one.status == "finished":
            assert report["ended"][one.trial] == one.metrics["test_accuracy"]


def test_what_a_report_calls_committed_is_in_the_store_already(tmp_path: Path) -> None:
    trials = [trial(number, lr=1e30 if number % 2 else 0.1, epochs=3) for number in range(8)]
    worker = Worker(order(trials, tmp_path))
    done = False
    ended: set[str] = set()
    steps = 0
    while not done:
        worker.flushed = -1e9
        report = worker.step(0.0)
        ended |= set(report["ended"])
        assert set(report["committed"]) == set(Ledger(tmp_path).index())
        assert set(report["committed"]) == ended
        steps += 1
        done = report["done"]
    assert steps > 3
    assert ended == {one.id for one in trials}
    assert len(list(Ledger(tmp_path).outcomes())) == 8


def test_outcomes_wait_for_the_flush_but_are_reported_as_ended(tmp_path: Path) -> None:
    trials = [trial(0), trial(1, lr=1e30)]
    worker = Worker(order(trials, tmp_path))
    reports = work_off(worker, seconds=0.0)
    heard = [name for report in reports for name in report["ended"]]
    assert sorted(heard) == sorted(one.id for one in trials)
    assert reports[0]["committed"] == []
    assert all(0 < report["progress"] <= 1 for report in reports)
    assert len(reports[-1]["committed"]) == 2


def test_a_part_that_raises_is_a_mishap_with_its_traceback(tmp_path: Path) -> None:
    trials = [trial(0, init=Picky()), trial(1, init=Picky(weight_range=0.7))]
    (report,) = work_off(Worker(order(trials, tmp_path)))
    assert report["mishap"]["kind"] == "error"
    assert report["mishap"]["message"] == "ZeroDivisionError: this range is too wide for me"
    assert "test_worker.py" in report["mishap"]["traceback"]
    assert report["committed"] == []
    assert Mishap(**report["mishap"]).attempt


def test_data_that_is_gone_is_a_mishap_that_names_it(tmp_path: Path) -> None:
    (report,) = work_off(Worker(order([trial(data=Unreadable())], tmp_path)))
    assert "digits.bin: no such file" in report["mishap"]["message"]
    assert "fatal" not in report


def test_a_store_that_cannot_be_written_is_fatal(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.write_text("a file where the store's folder should be")
    (report,) = work_off(Worker(order([trial()], store)))
    assert report["done"]
    assert str(store) in report["fatal"]
    assert "mishap" not in report
    assert report["committed"] == []


def test_calibration_reports_a_width_and_commits_nothing(tmp_path: Path) -> None:
    made = order([trial()], tmp_path, kind="calibrate")
    (report,) = work_off(Worker(made))
    assert report["width"] >= 1
    assert report["seconds_per_trial"] > 0
    assert report["committed"] == []
    assert not list(tmp_path.iterdir())


def test_each_worker_is_an_attempt_of_its_own(tmp_path: Path) -> None:
    made = order([trial()], tmp_path)
    assert Worker(made).attempt != Worker(made).attempt


def test_observation_comes_with_the_order(tmp_path: Path) -> None:
    observe = {"every_epochs": None, "every_steps": 3, "predictions": False}
    work_off(Worker(order([trial()], tmp_path, observe=observe)))
    (outcome,) = Ledger(tmp_path).outcomes(predictions=True)
    assert outcome.curve_step.tolist() == [3, 6, 9, 12]
    assert outcome.predictions is None


def test_logits_come_with_the_order(tmp_path: Path) -> None:
    work_off(Worker(order([trial()], tmp_path, observe={"logits": True})))
    (stored,) = Ledger(tmp_path).outcomes(predictions=True, logits=True)
    assert bits(stored) == bits(train([trial()], logits=True)[0])
    assert stored.logits is not None


def test_folders_of_ones_own_parts_are_searched_last(tmp_path: Path) -> None:
    before = list(sys.path)
    try:
        for _ in range(2):
            Worker(order([trial()], tmp_path, paths=(str(tmp_path),)))
        assert sys.path == [*before, str(tmp_path)]
    finally:
        sys.path[:] = before


def run_through(
    queue: Queue, store: Path, handed: list[Work] | None = None
) -> list[dict[str, Any]]:
    """Be the driver of one worker after another until the queue is empty."""
    reports = []
    while isinstance(work := queue.ask(), Work):
        if handed is not None:
            handed.append(work)
        made = order(work.trials, store, number=work.number, kind=work.kind)
        report = work_off(Worker(made))[-1]
        reports.append(report)
        if "mishap" in report:
            queue.mishap(work.number, Mishap(**report["mishap"]), report["committed"])
        elif work.kind == "calibrate":
            queue.calibrated(work.number, report["width"])
        else:
            queue.trained(work.number)
    assert queue.ask() == NO_MORE
    return reports


def test_packs_that_run_out_of_memory_are_halved_until_they_fit(tmp_path: Path) -> None:
    trials = [trial(number, model=Cramped(), lr=0.05) for number in range(40)]
    shape = shape_of(trials[0].recipe)
    failures: list[Failure] = []
    handed: list[Work] = []
    queue = Queue(trials, workers=1, width=None, fail=failures.append, known={shape: 20})
    reports = run_through(queue, tmp_path, handed)
    kinds = [report["mishap"]["kind"] for report in reports if "mishap" in report]
    assert kinds
    assert set(kinds) == {"memory"}
    assert failures == []
    assert queue.left == 0
    assert queue.known[shape] <= CAPACITY
    stored = in_order(Ledger(tmp_path).outcomes(), trials)
    alone = train([trials[3]])[0]
    assert stored[3].weights_digest == alone.weights_digest
    trained = [len(work.trials) for work in handed]
    assert max(trained) == 20
    assert max(trained[-4:]) <= CAPACITY


def test_one_bad_trial_costs_its_neighbours_nothing(tmp_path: Path) -> None:
    ranges = [0.7 if number == 6 else 0.1 for number in range(12)]
    trials = [trial(number, init=Picky(weight_range=some)) for number, some in enumerate(ranges)]
    failures: list[Failure] = []
    queue = Queue(trials, workers=1, width=12, fail=failures.append)
    run_through(queue, tmp_path)
    assert [failure.trials for failure in failures] == [(trials[6].id,)]
    assert "too wide for me" in failures[0].message
    good = [one for one in trials if one is not trials[6]]
    assert [bits(one) for one in in_order(Ledger(tmp_path).outcomes(predictions=True), good)] == [
        bits(one) for one in train(good)
    ]


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (MemoryError(), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 8 bytes"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("forgot something"), False),
    ],
    ids=lambda value: str(value)[:30],
)
def test_running_out_of_memory_is_recognised(error: Exception, is_memory: bool) -> None:
    assert out_of_memory(error) is is_memory


def test_torch_on_a_cpu_is_recognised_too() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 55, dtype=torch.float64)
    assert out_of_memory(caught.value)


def test_free_memory_is_some_of_this_machine() -> None:
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < free_memory("cpu") < whole


def test_an_order_carries_the_folder_that_the_id_leaves_out(tmp_path: Path) -> None:
    from randstudy.tasks import Mnist

    here = Mnist(folder=str(tmp_path))
    assert places(here) == {"folder": str(tmp_path)}
    assert places(SmallDigits()) == {}
    one = trial(init=KaimingUniform())
    assert order([one], tmp_path).trial(one.settings) == one
