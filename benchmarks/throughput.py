"""How fast are 1,000 trials? Ours against Ray Tune with MLflow, a bare loop, and the arithmetic.

``python -m benchmarks.throughput`` measures everything in one run on one machine, so that ratios
are those of one machine in one state: an MLP 64-128-10 on digits, 10 epochs of batches of 32, SGD
with momentum, evaluated every epoch. Everybody gets the same cores with a thread each. Ours and
the bare loop alternate; ratios are of medians. Leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import limit, ours, peers, serial
from benchmarks.measurements import Measurements
from benchmarks.table import table

PARTS = ("ours", "serial", "peers", "limit", "large")


def main() -> int:
    """Measure, print the table, write JSON; 1 if a bar was missed."""
    options = parser().parse_args()
    cores = os.cpu_count() or 1
    folder = Path(tempfile.mkdtemp(prefix="randstudy-throughput-", dir=options.folder))
    found = Measurements(options.trials)
    machine = describe(cores)
    print(json.dumps(machine), flush=True)
    try:
        measure(found, options, folder, cores)
    finally:
        if options.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder)
    print(table(found))
    if options.out is not None:
        written = {"machine": machine, "load_after": os.getloadavg(), **found.as_dict()}
        options.out.write_text(json.dumps(written, indent=1) + "\n")
    return 0 if all(bar.passed for bar in found.bars()) else 1


def measure(found: Measurements, options: argparse.Namespace, folder: Path, cores: int) -> None:
    """Fill in what was asked for, the quick and often repeated first."""
    wanted = set(options.only)
    overrides = tuple(options.overrides)
    if "limit" in wanted:
        say("matrix products")
        found.limit.append(limit.measure(cores))
    for number in range(options.repeats + 1):
        if "serial" in wanted:
            say(f"bare serial loop, {options.serial_trials} trials")
            found.serial.append(serial.measure(options.serial_trials, cores))
        if "ours" in wanted and number < options.repeats:
            say(f"randstudy run, {options.trials:,} trials")
            run = ours.measure(options.trials, folder / f"ours{number}", cores, overrides)
            found.ours.append(run)
    if "peers" in wanted:
        many = options.peers_trials or 40
        few = options.peers_trials or 12
        say(f"Ray Tune with reuse_actors, {many} trials")
        found.reuse.append(
            peers.measure(many, reuse_actors=True, workers=cores, folder=folder / "reuse")
        )
        say(f"Ray Tune, {few} trials")
        found.plain.append(
            peers.measure(few, reuse_actors=False, workers=cores, folder=folder / "plain")
        )
    if "large" in wanted:
        say(f"randstudy run, {options.large:,} trials")
        found.large.append(ours.measure(options.large, folder / "large", cores, overrides))


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--trials", type=int, default=1000, help="trials of ours (%(default)s)")
    made.add_argument("--large", type=int, default=10_000, help="of the large run (%(default)s)")
    made.add_argument("--repeats", type=int, default=3, help="runs of ours (%(default)s)")
    made.add_argument("--serial-trials", type=int, default=60, help="each time (%(default)s)")
    made.add_argument("--peers-trials", type=int, help="of each peer (40 reused, 12 not)")
    made.add_argument("--only", type=_parts, default=PARTS, help=f"some of {','.join(PARTS)}")
    made.add_argument("--set", action="append", default=[], dest="overrides", metavar="FIELD=VALUE")
    made.add_argument("--folder", type=Path, help="where stores are made (a temporary folder)")
    made.add_argument("--keep", action="store_true", help="keep the stores")
    made.add_argument("--out", type=Path, metavar="FILE.json", help="write everything as JSON")
    return made


def _parts(text: str) -> tuple[str, ...]:
    chosen = tuple(text.split(","))
    if wrong := set(chosen) - set(PARTS):
        raise argparse.ArgumentTypeError(f"{', '.join(wrong)}: not among {', '.join(PARTS)}")
    return chosen


def describe(cores: int) -> dict[str, Any]:
    """Return what the figures hold for."""
    names = ("torch", "ray", "mlflow", "numpy")
    return {
        "cores": cores,
        "machine": platform.machine(),
        "processor": _processor(),
        "python": platform.python_version(),
        **{name: version(name) for name in names},
        "load_before": os.getloadavg(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), "")


def say(line: str) -> None:
    """Tell what is being measured."""
    print(f"… {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
