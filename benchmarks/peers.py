"""Plain Ray Tune with MLflowLoggerCallback: one trial a config, a report an epoch.

``measure`` runs ``python -m benchmarks.peers`` so that Ray's start-up is its own and counted. Left
at Tune's defaults but for what can only help: no console output, no dashboard, no telemetry.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT = 3600.0


@dataclass(frozen=True)
class PeerRun:
    """What was timed.

    Attributes
    ----------
    ended : seconds after launch at which each trial had ended, in order.
    workers : trials trained at once.
    """

    reuse_actors: bool
    workers: int
    total_seconds: float
    ended: tuple[float, ...]

    @property
    def trials(self) -> int:
        """Trials that were trained."""
        return len(self.ended)

    @property
    def seconds_per_trial(self) -> float:
        """Wall seconds a trial, from the end of the first round of all workers to the last end."""
        first = min(self.workers, self.trials - 1) - 1
        return (self.ended[-1] - self.ended[first]) / (self.trials - 1 - first)

    @property
    def startup_seconds(self) -> float:
        """What the run took beyond its trials at that rate: start-up and shutdown."""
        return self.total_seconds - self.seconds_per_trial * self.trials

    def total(self, trials: int) -> float:
        """Extrapolate to the wall seconds of so many trials, as if no trial cost more later.

        That flatters Tune, whose state file and its writing grow with the trials.
        """
        return self.startup_seconds + self.seconds_per_trial * trials


def measure(trials: int, *, reuse_actors: bool, workers: int, folder: Path) -> PeerRun:
    """Run so many trials, at least two, in a fresh process and folder."""
    folder.mkdir(parents=True)
    settings = {
        "RAY_AUTH_MODE": "token",
        "RAY_USAGE_STATS_ENABLED": "0",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONPATH": str(Path(__file__).parent.parent),
    }
    command = [sys.executable, "-m", "benchmarks.peers", str(max(2, trials)), str(folder)]
    command += ["--workers", str(workers), *(["--reuse-actors"] if reuse_actors else [])]
    launched = time.time()
    with open(folder / "log", "wb") as log:
        code = subprocess.run(
            command, stdout=log, stderr=log, env=os.environ | settings, timeout=TIMEOUT, check=False
        ).returncode
    total = time.time() - launched
    if code:
        raise RuntimeError(f"Ray Tune ended with {code}: {(folder / 'log').read_text()[-2000:]}")
    ended = json.loads((folder / "ended.json").read_text())
    return PeerRun(reuse_actors, workers, total, tuple(at - launched for at in ended))


def training(config: dict[str, Any]) -> None:
    """Train one of Tune's trials and report every epoch."""
    import torch
    from ray import tune

    from benchmarks import plain

    torch.set_num_threads(1)
    plain.train(config["seed"], plain.digits(), tune.report)


def run(trials: int, folder: Path, workers: int, reuse_actors: bool) -> list[float]:
    """Run the trials; return the Unix times at which they ended."""
    import ray
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    class Clock(tune.Callback):
        def __init__(self) -> None:
            self.ended: list[float] = []

        def on_trial_complete(
            self, iteration: int, trials: list[Any], trial: Any, **info: Any
        ) -> None:
            self.ended.append(time.time())

    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
    clock = Clock()
    mlflow = MLflowLoggerCallback(
        tracking_uri=f"sqlite:///{folder.resolve()}/mlflow.db", experiment_name="peer"
    )
    found = tune.Tuner(
        tune.with_resources(training, {"cpu": 1}),
        param_space={"seed": tune.grid_search(list(range(trials)))},
        tune_config=tune.TuneConfig(reuse_actors=reuse_actors),
        run_config=tune.RunConfig(
            name="peer",
            storage_path=str(folder.resolve()),
            verbose=0,
            # Callbacks hear of a trial's end in this order: MLflow has it when the clock does.
            callbacks=[mlflow, clock],
        ),
    ).fit()
    if found.num_errors or len(clock.ended) != trials:
        raise SystemExit(f"{found.num_errors} of {trials} trials failed")
    ray.shutdown()
    return clock.ended


def main() -> None:
    """Run in this process and leave the times in the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trials", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--reuse-actors", action="store_true")
    options = parser.parse_args()
    ended = run(options.trials, options.folder, options.workers, options.reuse_actors)
    (options.folder / "ended.json").write_text(json.dumps(ended))


if __name__ == "__main__":
    main()
