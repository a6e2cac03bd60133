"""Ray Tune runs the packs: the only importer of ray.

Tune is the executor and nothing else. What is done is in the ledger; resuming submits what is
missing as a new Tune run and needs no state of Ray's.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from randstudy.errors import RandstudyError
from randstudy.gate import Gate
from randstudy.header import Resources
from randstudy.ledger import new_attempt
from randstudy.numerics import ENVIRONMENT
from randstudy.scheduling import NO_MORE, WAIT, Mishap, Queue, Work
from randstudy.stopping import Stop

STEP_SECONDS = 2.0
"""Time between a worker's reports: short enough for a live view, long enough to cost nothing."""

RETRIES = 1
"""Times that Tune starts a pack again when its worker died; halves of it are tried after that."""

HOPELESS = 6
"""Packs in a row lost to dead workers, before any was trained, after which a run gives up."""

GATE_SECONDS = 0.05
"""Time between reports of a worker that waits for the others to start."""

SETTINGS = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "TUNE_RESULT_DELIM": "/",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
"""Ray's settings, made before it is imported: token authentication, no telemetry, none of Tune's
own loggers or snapshots (nothing reads them), and our own handling of Ctrl-C."""


def device(resources: Resources) -> str:
    """Return the device that packs train on."""
    return "cuda" if resources.gpus else "cpu"


def threads(resources: Resources) -> int:
    """Return torch's threads in a worker."""
    return max(1, int(resources.cpus))


def stopper(queue: Queue, stop: Stop) -> Any:
    """Make what decides for Tune when an order is closed, and when all is over."""
    from ray import tune

    class GateKeeper(tune.Stopper):
        def __init__(self) -> None:
            self.gate = Gate(queue.workers)

        def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
            self.gate.given = queue.handed_out
            self.gate.reported(trial_id, f"{result['hostname']} {result['pid']}")
            return bool(result["closed"]) and self.gate.open

        def stop_all(self) -> bool:
            return bool(stop)

    return GateKeeper()


@contextlib.contextmanager
def cluster(address: str | None) -> Iterator[Any]:
    """Start Ray on this machine, or join the cluster at `address`; leave it at the end."""
    os.environ.update({name: value for name, value in SETTINGS.items() if name not in os.environ})
    os.environ.update(ENVIRONMENT)
    import ray

    options: dict[str, Any] = {
        "log_to_driver": False,
        "configure_logging": True,
        "logging_level": logging.ERROR,
    }
    if address is None:
        options["include_dashboard"] = False
    else:
        options |= {"address": address, "runtime_env": {"env_vars": ENVIRONMENT}}
    ours = not ray.is_initialized()
    if ours:
        try:
            ray.init(**options)
        except ConnectionError as error:
            raise RandstudyError(f"no Ray cluster answers at {address!r}: {error}") from None
    try:
        yield ray
    finally:
        if ours:
            ray.shutdown()


def workers(ray: Any, resources: Resources) -> int:
    """Return how many packs the cluster trains at once.

    Raises
    ------
    RandstudyError
        when it can never hold one.
    """
    have = ray.cluster_resources()
    room = [
        int(have.get(name, 0) / wanted + 1e-9)
        for name, wanted in (("CPU", resources.cpus), ("GPU", resources.gpus))
        if wanted
    ]
    if min(room, default=0) < 1:
        raise RandstudyError(
            f"a pack asks for {resources.cpus:g} CPUs and {resources.gpus:g} GPUs; the cluster has "
            f"{have.get('CPU', 0):g} CPUs and {have.get('GPU', 0):g} GPUs: lower resources.cpus or "
            "resources.gpus in the study"
        )
    return min(room)


def trainable() -> type:
    """Make the class that Tune runs in its actors."""
    from ray import tune

    class Pack(tune.Trainable):
        """One order after another in the same process; nothing is carried over."""

        def setup(self, config: dict[str, Any]) -> None:
            from randstudy.orders import Order
            from randstudy.worker import Worker

            self.worker = Worker(Order(**config["order"]))
            self.closed: dict[str, Any] | None = None

        def step(self) -> dict[str, Any]:
            if self.closed is not None:
                # The driver keeps us until all workers are up; see `Gate`.
                time.sleep(GATE_SECONDS)
                return dict(self.closed)
            report = self.worker.step(STEP_SECONDS)
            # As text, since Tune flattens nested results on their way to the searcher.
            found = {"closed": report["done"], "report": json.dumps(report)}
            if report["done"]:
                self.closed = found
            return dict(found)

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.setup(new_config)
            return True

        def save_checkpoint(self, checkpoint_dir: str) -> None:
            """Nothing to save: the ledger holds what is done."""

        def load_checkpoint(self, checkpoint: Any) -> None:
            """Nothing to load."""

    return Pack


def searcher(
    queue: Queue,
    order: Callable[[Work], Mapping[str, Any]],
    told: Callable[[Work, Mapping[str, Any]], None],
    stop: Stop,
    deaths: dict[str, str],
) -> Any:
    """Wrap the queue as Tune's search algorithm: ask becomes suggest, tell its callbacks.

    `deaths` holds what Ray said of workers that died, by Tune's id.
    """
    from ray.tune.search import Searcher

    class AskTell(Searcher):
        def __init__(self) -> None:
            super().__init__(metric="closed", mode="max")
            self.given: dict[str, Work] = {}

        def suggest(self, trial_id: str) -> Any:
            work = NO_MORE if stop else queue.ask()
            if work == NO_MORE:
                return Searcher.FINISHED
            if work == WAIT:
                return None
            assert isinstance(work, Work)
            self.given[trial_id] = work
            return {"order": dict(order(work))}

        def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
            if not result.get("closed"):
                told(self.given[trial_id], json.loads(result["report"]))

        def on_trial_complete(
            self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
        ) -> None:
            work = self.given.pop(trial_id, None)
            if work is None:
                return
            if error or result is None or not result.get("closed"):
                if not stop:
                    lost(queue, work, deaths.pop(trial_id, ""), stop)
                return
            report = json.loads(result["report"])
            told(work, report)
            settle(queue, work, report, stop)

        def save(self, checkpoint_path: str) -> None:
            """Nothing to save: the ledger holds what is done."""

        def restore(self, checkpoint_path: str) -> None:
            """Nothing to restore."""

    return AskTell()


def lost(queue: Queue, work: Work, said: str, stop: Stop) -> None:
    """Tell the queue of a dead worker; stop where no worker has lived to train anything."""
    last = said.strip().splitlines()[-1] if said.strip() else "killed, crashed or out of memory"
    message = f"the worker process died {RETRIES + 1} times: {last}"
    queue.mishap(work.number, Mishap(new_attempt(), "infrastructure", message, said))
    if queue.stillborn >= HOPELESS:
        stop.fatal = f"no worker can train anything here: {message}"


def settle(queue: Queue, work: Work, report: Mapping[str, Any], stop: Stop) -> None:
    """Tell the queue what became of work that came back."""
    if "fatal" in report:
        stop.fatal = str(report["fatal"])
    elif "mishap" in report:
        queue.mishap(work.number, Mishap(**report["mishap"]), report["committed"])
    elif work.kind == "calibrate":
        queue.calibrated(work.number, int(report["width"]))
    else:
        queue.trained(work.number)


def execute(
    queue: Queue,
    *,
    resources: Resources,
    order: Callable[[Work], Mapping[str, Any]],
    told: Callable[[Work, Mapping[str, Any]], None],
    stop: Stop,
) -> None:
    """Train what the queue hands out until it has no more, or `stop` is set.

    Parameters
    ----------
    order : makes the plain values that a worker is sent (`worker.Order`).
    told : hears of every report, in the driver's thread.
    """
    from ray import tune

    scratch = Path(tempfile.mkdtemp(prefix="randstudy-tune-"))
    # Ray reports each death on the console; ours is one line a trial that is given up.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    deaths: dict[str, str] = {}
    gate = stopper(queue, stop)

    class Coroner(tune.Callback):
        def on_trial_recover(
            self, iteration: int, trials: list[Any], trial: Any, **info: Any
        ) -> None:
            gate.gate.lost(trial.trial_id)

        def on_trial_error(
            self, iteration: int, trials: list[Any], trial: Any, **info: Any
        ) -> None:
            with contextlib.suppress(OSError, TypeError):
                deaths[trial.trial_id] = Path(trial.error_file).read_text()
            gate.gate.lost(trial.trial_id)

    try:
        tuner = tune.Tuner(
            tune.with_resources(trainable(), {"cpu": resources.cpus, "gpu": resources.gpus}),
            tune_config=tune.TuneConfig(
                search_alg=searcher(queue, order, told, stop, deaths),
                num_samples=-1,
                reuse_actors=True,
                max_concurrent_trials=queue.workers,
            ),
            run_config=tune.RunConfig(
                name="packs",
                storage_path=str(scratch),
                verbose=0,
                callbacks=[Coroner()],
                stop=gate,
                failure_config=tune.FailureConfig(max_failures=RETRIES),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        )
        tuner.fit()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
