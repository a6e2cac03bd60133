"""Functions that train on their own, in this process: what they are given and may say."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from randstudy import Study
from randstudy.design import Design
from randstudy.ledger import Ledger
from randstudy.orders import Order
from randstudy.outcomes import Failure, Outcome
from randstudy.packs import shape_of
from randstudy.scheduling import NO_MORE, Mishap, Queue, Work
from randstudy.streams import handed, handed_together
from randstudy.training.handed_run import CHECKPOINTS, HandedRun
from randstudy.training.reports import ReportError
from randstudy.trials import Trial, trial_from_settings
from randstudy.worker import Worker

SOURCE = '''
import copy, pickle, random, sys, time
import numpy as np
import torch
from randstudy.training.reports import Diverged

def learns(trial, streams, report):
    """Walk towards zero in a shuffled order, as SGD would."""
    weights = streams["init"].numpy().normal(size=trial.width)
    order = streams["order"].numpy()
    for step in range(1, trial.steps + 1):
        weights[order.permutation(trial.width)[:2]] *= 1 - trial.lr
        report(step=step, epoch=step / 10, train_loss=(weights ** 2).mean())
    classes = (weights > 0).astype(int)
    return {"test_loss": (weights ** 2).mean(), "predictions": classes, "fit_seconds": 1.5}

def acts(trial, streams, report):
    streams.together
    what = trial["what"]
    if what == "raise":
        print("about to fail")
        raise ArithmeticError("not to my taste")
    if what == "exit":
        sys.exit(3)
    if what == "nan":
        report(train_loss=1.0)
        report(train_loss=float("nan"))
    if what == "swallowed":
        try:
            report(train_loss=float("inf"))
        except Exception:
            pass
        return {"test_loss": 1.0}
    if what == "given up":
        raise Diverged("loss above 10")
    if what == "returned nan":
        return {"test_loss": np.nan}
    if what == "reported":
        report(test_loss=3.0)
        report({"test_loss": torch.tensor(2.0), "layer-1/norm": np.float32(0.5)})
        return None
    if what == "nothing":
        return None
    if what == "number":
        return 3.0
    if what == "text":
        return {"test_loss": "0.1"}
    if what == "array":
        return {"test_loss": np.zeros(3)}
    if what == "status":
        return {"test_loss": 1.0, "status": 1.0}
    if what == "parameter":
        return {"test_loss": 1.0, "what": 1.0}
    if what == "blank":
        return {"test loss": 1.0}
    if what == "another":
        return {"test_error": 1.0}
    if what == "backwards":
        report(step=2, a_loss=1.0)
        report(step=2, a_loss=1.0)
    if what == "float classes":
        return {"test_loss": 1.0, "predictions": np.zeros(3)}
    if what == "many classes":
        return {"test_loss": 1.0, "predictions": [1, 256]}
    if what == "stranger":
        streams["mask"]
    if what == "misspelt":
        trial.waht
    if what == "subscript":
        trial["waht"]
    if what == "copied":
        other = pickle.loads(pickle.dumps(copy.deepcopy(trial)))
        assert (other.what, other["what"], other.id) == ("copied", "copied", trial.id)
    if what == "closes":
        sys.stdout.close()
        print("still here")
        sys.stderr.write("and here")
    return {"test_loss": 1.0}

def idle(trial, streams, report):
    streams["init"]
    return {"test_loss": 0.0}

def seeds(trial, streams, report):
    number = streams.seed_everything()
    drawn = random.random(), np.random.random(), torch.rand(1).item()
    return {"test_loss": sum(drawn), "number": number % 1000}

def sleeps(trial, streams, report):
    streams.together
    time.sleep(0.3)
    return {"test_loss": trial.threads + torch.get_num_threads()}

def resumes(trial, streams, report):
    """Crash once half-way, at each of the first calls, and go on from the checkpoint."""
    file = trial.checkpoint_folder / "state.npy"
    weights = np.load(file) if file.exists() else streams["init"].numpy().normal(size=4)
    first = int(weights[0]) + 1 if file.exists() else 1
    if not file.exists():
        streams.together
        weights[0] = 0
    for step in range(first, 7):
        weights[0] = step
        weights[1:] *= 0.5
        report(step=step, train_loss=abs(weights[1:]).sum())
        if step == 3:
            np.save(file, weights)
        if step == 4 and trial.crash and first == 1:
            raise RuntimeError("power cut")
    return {"test_loss": abs(weights[1:]).sum()}
'''


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "handed_acts.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    del sys.modules["handed_acts"]


def trials(
    function: str, replicates: Any = 1, factors: Any = None, **parameters: Any
) -> list[Trial]:
    study = Study(
        train={"function": f"handed_acts:{function}", "parameters": parameters},
        metric="test_loss",
        factors=factors or {},
        replicates=replicates,
    )
    # As they come out of another process.
    return [trial_from_settings(one.settings) for one in Design(study)]


def run(some: list[Trial], store: Path, **options: Any) -> list[Outcome]:
    going = HandedRun(some, store=store, metric="test_loss", **options)
    going.advance()
    assert going.done
    assert (going.step, going.total, going.alive) == (len(some), len(some), 0)
    return going.take()


LEARNS: dict[str, Any] = {"lr": 0.1, "width": 6, "steps": 5}


def bits(outcome: Outcome) -> tuple[Any, ...]:
    curves = {name: curve.tobytes() for name, curve in outcome.curves.items()}
    kept = None if outcome.predictions is None else outcome.predictions.tobytes()
    return outcome.status, dict(outcome.metrics), curves, kept, outcome.weights_digest


def test_an_outcome_holds_curves_metrics_predictions_timings_and_provenance(own: Path) -> None:
    (trial,) = trials("learns", **LEARNS)
    (outcome,) = run([trial], own)
    assert (outcome.trial, outcome.status, outcome.steps) == (trial.id, "finished", 5)
    assert outcome.metrics.keys() == {"test_loss"}
    assert outcome.curve_step.tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(outcome.curve_epoch, [0.1, 0.2, 0.3, 0.4, 0.5])
    assert outcome.curves["train_loss"][-1] == outcome.metrics["test_loss"]
    assert outcome.predictions is not None
    assert (outcome.predictions.dtype, outcome.predictions.shape) == (np.uint8, (6,))
    assert outcome.seconds["fit_seconds"] == 1.5
    assert outcome.seconds["train_seconds"] > 0
    assert outcome.settings == trial.settings
    assert len(outcome.provenance["source_digest"]) == 16
    assert run([trial], own, predictions=False)[0].predictions is None


def test_a_trial_has_the_same_numbers_alone_among_others_and_in_any_order(own: Path) -> None:
    some = trials("learns", 3, {"lr": [0.1, 0.5]}, **LEARNS)
    together = {one.trial: bits(one) for one in run(some, own)}
    backwards = {one.trial: bits(one) for one in run(some[::-1], own, threads=2)}
    alone = {one.id: bits(run([one], own)[0]) for one in some}
    assert together == backwards == alone
    assert len({str(one[1]) for one in together.values()}) == len(some) == 6


def test_streams_are_alive_and_shared_between_cells(own: Path) -> None:
    steps = LEARNS | {"steps": 1, "lr": 0.0}
    moved = trials("learns", {"init": 2, "order": 2}, **LEARNS)
    assert len({bits(one)[4] for one in run(moved, own)}) == 4
    still = trials("learns", {"init": 1, "order": 3}, {"lr": [0.0, 0.0001]}, **steps)
    first = [one.curves["train_loss"][0] for one in run(still[:3], own)]
    assert len(set(first)) == 1  # at rate 0 the order has no effect, and the init is the same


def test_streams_are_those_of_the_streams_room() -> None:
    from randstudy.training.reports import Streams

    one = trials("learns", {"init": 4, "order": 3}, **LEARNS)[5]
    streams = Streams(one)
    assert dict(one.replicates) == {"init": 1, "order": 2}
    assert streams["init"] == handed(0, "init", 1)
    assert streams.unasked == ["order"]
    assert streams.together == handed_together(0, {"order": 2, "init": 1})
    assert (streams.unasked, len(streams), list(streams)) == ([], 2, ["init", "order"])


def test_global_generators_are_seeded_where_the_function_asks(own: Path) -> None:
    some = trials("seeds", {"init": 2, "order": 2}, unused=1)
    found = [dict(one.metrics) for one in run(some, own)]
    torch.manual_seed(1)
    again = [dict(one.metrics) for one in run(some[::-1], own)]
    assert found == again[::-1]
    assert len({one["test_loss"] for one in found}) == 4


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("nan", "non-finite train_loss"),
        ("swallowed", "non-finite train_loss"),
        ("returned nan", "non-finite test_loss"),
        ("given up", "loss above 10"),
    ],
)
def test_what_is_not_finite_has_diverged(what: str, reason: str, own: Path) -> None:
    (outcome,) = run(trials("acts", what=what), own)
    assert (outcome.status, outcome.reason) == ("diverged", reason)
    assert np.isnan(outcome.metrics["test_loss"])
    assert outcome.curve_step.tolist() == ([1] if what == "nan" else [])
    assert outcome.weights_digest == ""


def test_the_last_report_stands_for_what_is_not_returned(own: Path) -> None:
    (outcome,) = run(trials("acts", what="reported"), own)
    assert outcome.metrics == {"test_loss": 2.0, "layer-1/norm": 0.5}
    assert outcome.curve_step.tolist() == [1, 2]
    np.testing.assert_array_equal(outcome.curves["layer-1/norm"], [np.nan, 0.5])


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("nothing", "returned no metrics and reported none"),
        ("number", "returned float; return metrics by name"),
        ("text", "test_loss is text"),
        ("array", "test_loss is ndarray, not a number"),
        ("status", "'status' is a column of the frame"),
        ("parameter", "'what' is a column of the frame"),
        ("blank", "'test loss' cannot name a metric"),
        ("another", "the study's metric is test_loss; the function came to test_error"),
        ("backwards", "step 2 comes after step 2"),
        ("float classes", "predictions must be whole numbers"),
        ("many classes", "classes from 0 to 255"),
    ],
)
def test_what_cannot_be_kept_is_an_error_that_says_why(what: str, message: str, own: Path) -> None:
    going = HandedRun(trials("acts", what=what), store=own, metric="test_loss")
    with pytest.raises(ReportError, match=message.replace("(", r"\(")):
        going.advance()
    assert going.done
    assert going.take() == []


@pytest.mark.parametrize(
    ("what", "kind", "message"),
    [
        ("stranger", KeyError, "does not declare the stream 'mask'"),
        ("misspelt", AttributeError, "did you mean what"),
        ("subscript", KeyError, "did you mean what"),
        ("exit", RuntimeError, "ended its process"),
        ("raise", ArithmeticError, "not to my taste"),
    ],
)
def test_errors_come_out_as_they_are(
    what: str, kind: type[Exception], message: str, own: Path
) -> None:
    going = HandedRun(trials("acts", what=what), store=own)
    with pytest.raises(kind, match=message):
        going.advance()


def test_a_stream_that_nobody_asks_for_is_an_error(own: Path) -> None:
    with pytest.raises(ReportError, match=r"declares the streams order .* never asked") as told:
        run(trials("idle"), own)
    assert "streams: [init]}" in str(told.value)


def test_printing_and_closing_the_output_disturbs_nobody(own: Path) -> None:
    (outcome,) = run(trials("acts", what="closes"), own)
    assert outcome.status == "finished"
    assert not sys.stdout.closed


def test_a_function_may_copy_its_trial_and_send_it_to_others(own: Path) -> None:
    (outcome,) = run(trials("acts", what="copied"), own)
    assert outcome.status == "finished"


def test_the_worker_hears_while_a_function_works(own: Path) -> None:
    going = HandedRun(trials("sleeps", 2), store=own, threads=2)
    calls = 0
    while not going.done:
        going.advance(0.05)
        calls += 1
    assert calls > 4
    assert [one.metrics["test_loss"] for one in going.take()] == [4.0, 4.0]


def order(some: list[Trial], store: Path) -> Order:
    return Order(
        number=1,
        kind="train",
        trials=tuple(one.settings for one in some),
        store=str(store),
        device="cpu",
        threads=1,
        share=1.0,
        observe={},
        metric="test_loss",
    )


def work_off(worker: Worker) -> dict[str, Any]:
    report = worker.step(60.0)
    while not report["done"]:
        report = worker.step(60.0)
    return report


def test_one_trial_that_raises_is_given_up_alone(own: Path) -> None:
    levels = ["a", "b", "raise", "c", "d", "exit", "e"]
    some = trials("acts", factors={"what": levels}, what="a")
    failures: list[Failure] = []
    queue = Queue(some, workers=1, width=None, fail=failures.append)
    packs = 0
    while (work := queue.ask()) != NO_MORE:
        assert isinstance(work, Work)
        assert work.kind == "train"
        packs += 1
        report = work_off(Worker(order(list(work.trials), own)))
        if "mishap" in report:
            queue.mishap(work.number, Mishap(**report["mishap"]), report["committed"])
        else:
            queue.trained(work.number)
    assert [one.trials for one in failures] == [(some[2].id,), (some[5].id,)]
    assert {one.kind for one in failures} == {"error"}
    assert "handed_acts.py" in failures[0].traceback
    assert "about to fail" in failures[0].traceback
    assert set(Ledger(own).index()) == {one.id for one in some} - {some[2].id, some[5].id}
    assert (packs, queue.left) == (3, 0)


def test_no_worker_calibrates_by_running_somebodys_function(own: Path) -> None:
    some = trials("acts", 200, what="a")
    queue = Queue(some, workers=2, width=None, fail=print)
    asked = [queue.ask() for _ in range(3)]
    assert [one.kind for one in asked if isinstance(one, Work)] == ["train"] * 3
    few = Queue(some[:1], workers=2, width=None, fail=print)
    assert isinstance(few.ask(), Work)
    assert few.ask() == "wait"
    assert {str(shape_of(one.setup)) for one in some} == {"handed_acts:acts"}


def test_a_checkpoint_is_found_after_a_crash_and_gone_at_the_end(own: Path) -> None:
    store = own / "store"
    (smooth,), (crashing,) = (trials("resumes", crash=crash) for crash in (False, True))
    (expected,) = run([smooth], own)
    report = work_off(Worker(order([crashing], store)))
    assert report["mishap"]["trial"] == crashing.id
    (folder,) = (store / CHECKPOINTS).iterdir()
    assert {path.name for path in folder.iterdir()} == {"state.npy", ".reports.jsonl"}
    with (folder / ".reports.jsonl").open("a") as file:
        file.write('[5, 5.0, {"train_lo')  # as a kill in the midst of a line would leave it
    report = work_off(Worker(order([crashing], store)))
    assert report["committed"] == [crashing.id]
    (outcome,) = Ledger(store).outcomes()
    assert bits(outcome)[:3] == bits(expected)[:3]
    assert outcome.curve_step.tolist() == [1, 2, 3, 4, 5, 6]
    assert list((store / CHECKPOINTS).iterdir()) == []


def test_changed_code_does_not_find_the_checkpoint_of_older_code(own: Path) -> None:
    store = own / "store"
    (crashing,) = trials("resumes", crash=True)
    for _ in range(2):
        assert "mishap" in work_off(Worker(order([crashing], store)))
        with (own / "handed_acts.py").open("a") as file:
            file.write("# changed\n")
    assert len(list((store / CHECKPOINTS).iterdir())) == 2


def test_a_worker_that_comes_after_a_dead_one_trains_only_what_is_left(own: Path) -> None:
    some = trials("learns", 4, **LEARNS)
    first = work_off(Worker(order(some[:2], own)))
    report = work_off(Worker(order(some, own)))
    assert report["committed"] == [one.id for one in some]
    assert list(report["ended"]) == [one.id for one in some[2:]]
    assert report["progress"] == 1.0
    assert len(first["committed"]) == 2
    assert len(list((own / "ledger" / "outcomes").iterdir())) == 2
    again = work_off(Worker(order(some, own)))
    assert (again["ended"], len(again["committed"])) == ({}, 4)
