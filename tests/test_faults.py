"""Nothing lost, nothing twice: the command is killed, interrupted and started again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import mirror
import pandas as pd
import pytest
from runs import unmeasured

import randstudy
from randstudy.ledger import Ledger

pytestmark = pytest.mark.slow

STUDY = """\
name: faults
model: {name: mlp, widths: [32]}
training: {lr: 0.05, epochs: 3}
factors:
  batch_size: [32, 64]
  init: [xavier_uniform, orthogonal]
replicates: 6
fixed: [split]
"""
TRIALS, CELLS = 24, 4

MOMENTS = (4.0, 7.0, 8.0, 9.0, 10.5)
"""Seconds after which a driver is killed: while Ray starts, calibrates, trains, mirrors."""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study") / "faults.yaml"
    path.write_text(STUDY)
    return path


def start(study: Path, store: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "randstudy", "run", str(study), "--store", str(store)]
    return subprocess.Popen(
        [*command, "--pack-size", "2", "--no-report", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(study: Path, store: Path) -> str:
    """Run to the end; return what was printed."""
    process = start(study, store)
    printed, _ = process.communicate(timeout=240)
    assert process.returncode == 0, printed
    return printed


def values(study: Path, store: Path) -> pd.DataFrame:
    frame = pd.DataFrame(randstudy.load(study, store=store))
    return unmeasured(frame)


def committed(store: Path) -> int:
    return len(Ledger(store).index(skip_damaged=True))


def wait_for(condition: object, process: subprocess.Popen[str], seconds: float = 120) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)


@pytest.fixture(scope="module")
def undisturbed(study: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    store = tmp_path_factory.mktemp("undisturbed")
    finish(study, store)
    return values(study, store)


def assert_whole(study: Path, store: Path, undisturbed: pd.DataFrame) -> None:
    """Every trial once in the ledger, once in MLflow, none RUNNING, and the same numbers."""
    ledger = Ledger(store)
    assert len(ledger.index()) == TRIALS
    assert ledger.findings() == []
    assert set(mirror.trials(store)) == set(ledger.index())
    assert set(mirror.trials(store).values()) == {1}
    assert mirror.statuses(store, "trial") == {"FINISHED": TRIALS}
    assert mirror.statuses(store, "cell") == {"FINISHED": CELLS}
    assert mirror.statuses(store, "study") == {"FINISHED": 1}
    pd.testing.assert_frame_equal(values(study, store), undisturbed, check_exact=True)


def test_a_driver_killed_at_five_moments_loses_nothing(
    study: Path, tmp_path: Path, undisturbed: pd.DataFrame
) -> None:
    held = 0
    for moment in MOMENTS:
        process = start(study, tmp_path)
        # The clock alone would miss the training on a slower machine: later kills wait for it.
        wait_for(lambda goal=held: committed(tmp_path) > goal, process, seconds=moment)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        now = committed(tmp_path)
        assert now >= held
        held = now
    printed = finish(study, tmp_path)
    assert_whole(study, tmp_path, undisturbed)
    assert f"{TRIALS} of {TRIALS} trials are in the ledger" in printed


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_a_stopped_run_ends_cleanly_and_says_how_to_go_on(
    number: signal.Signals, code: int, study: Path, tmp_path: Path, undisturbed: pd.DataFrame
) -> None:
    process = start(study, tmp_path)
    wait_for(lambda: committed(tmp_path) > 0, process)
    process.send_signal(number)
    asked = time.monotonic()
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == code, printed
    assert time.monotonic() - asked < 30
    assert "to go on: randstudy run" in printed
    assert 0 < committed(tmp_path) < TRIALS
    finish(study, tmp_path)
    assert_whole(study, tmp_path, undisturbed)


def test_a_full_disk_stops_the_run_and_names_the_path(study: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small file system needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this sandbox mounts nothing")
    try:
        process = start(study, disk, "--set", "tracking.enabled=false")
        printed, _ = process.communicate(timeout=240)
        assert process.returncode == 1, printed
        assert str(disk / "ledger") in printed
        assert committed(disk) < TRIALS
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
