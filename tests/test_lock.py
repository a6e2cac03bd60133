"""One driver a study; the dead hold nothing."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from randstudy.errors import LedgerError
from randstudy.lock import Holder, holder, lock, lock_path

HOLD = """
import sys, time
from pathlib import Path
from randstudy.lock import lock
with lock(Path(sys.argv[1]), "digits"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path: Path) -> subprocess.Popen[str]:
    """Another process that holds the lock of the study digits."""
    root = Path(__file__).parent.parent
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=root
    )
    assert process.stdout is not None
    with process.stdout as lines:
        assert lines.readline() == "held\n"
    return process


def test_a_second_driver_is_told_who_holds_it(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    try:
        with pytest.raises(LedgerError, match=f"process {other.pid} on .*, since 20"):
            lock(tmp_path, "digits").__enter__()
        held = holder(tmp_path, "digits")
        assert held is not None
        assert held.pid == other.pid
        with lock(tmp_path, "another study"):
            pass
    finally:
        other.kill()
        other.wait()


def test_the_lock_of_a_killed_driver_is_taken_over(
    tmp_path: Path, other: subprocess.Popen[str]
) -> None:
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert holder(tmp_path, "digits") is None
    with lock(tmp_path, "digits") as mine:
        assert mine.pid == os.getpid()
        assert holder(tmp_path, "digits") == mine


def test_the_lock_is_free_after_the_block_and_after_an_error(tmp_path: Path) -> None:
    with lock(tmp_path, "digits"), pytest.raises(LedgerError), lock(tmp_path, "digits"):
        pass
    with pytest.raises(KeyError), lock(tmp_path, "digits"):
        raise KeyError
    assert holder(tmp_path, "digits") is None
    with lock(tmp_path, "digits"):
        pass


def name(store: Path, **changes: object) -> None:
    """Leave a lock file as a driver elsewhere would that has not ended in good order."""
    path = lock_path(store, "digits")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(Holder.here()) | changes))


def test_a_holder_on_another_machine_is_believed(tmp_path: Path) -> None:
    name(tmp_path, host="node7", boot="another boot", pid=1)
    with pytest.raises(LedgerError, match=r"process 1 on node7.*remove .*digits\.json"):
        lock(tmp_path, "digits").__enter__()
    assert holder(tmp_path, "digits") is not None


def test_a_holder_from_before_this_machine_started_again_is_stale(tmp_path: Path) -> None:
    name(tmp_path, boot="an earlier boot", pid=1)
    assert holder(tmp_path, "digits") is None
    with lock(tmp_path, "digits"):
        pass


def test_a_number_used_again_by_a_living_process_does_not_hold(tmp_path: Path) -> None:
    name(tmp_path, pid=os.getppid())
    with lock(tmp_path, "digits") as mine:
        assert mine == replace(mine, pid=os.getpid())


def test_a_torn_name_does_not_lock_out(tmp_path: Path) -> None:
    name(tmp_path)
    path = lock_path(tmp_path, "digits")
    path.write_text(path.read_text()[:20])
    with lock(tmp_path, "digits"):
        pass


def test_any_study_name_makes_one_file_in_the_folder(tmp_path: Path) -> None:
    with lock(tmp_path, "../up/and é"):
        assert [p.parent for p in tmp_path.rglob("*.json")] == [tmp_path / "ledger" / "locks"]


def test_a_store_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    store = tmp_path / "results"
    store.write_text("not a folder")
    with pytest.raises(LedgerError, match=r"cannot write .*--store"):
        lock(store, "digits").__enter__()
