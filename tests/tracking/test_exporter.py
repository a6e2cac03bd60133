"""The exporter's process: beside the driver, never in its way, gone when the driver is."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from randstudy.design import Design
from randstudy.errors import RandstudyError
from randstudy.tracking import start, sync
from randstudy.tracking.exporter import environment
from tracking.world import Store, study

DRIVER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from randstudy.tracking import start
from tracking.world import study
exporter = start(study(replicates=10), Path(sys.argv[2]))
print(exporter._process.pid, flush=True)
time.sleep(600)
"""


def wait_for(condition: object, seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether a process that is not our child runs: a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_it_mirrors_what_is_committed_while_it_runs(store: Store) -> None:
    asked = study(replicates=3)
    first, *others = Design(asked)
    store.commit([first])
    exporter = start(asked, store.path)
    wait_for(lambda: exporter.report().mirrored == 1)
    assert not exporter.report().done
    store.commit(others)
    report = exporter.finish(60)
    assert (report.mirrored, report.behind, report.error, report.done) == (6, 0, "", True)
    assert str(report) == f"MLflow holds 6 trials: sqlite:///{store.database}"
    store.check_whole(asked)


def test_a_killed_driver_takes_it_along(store: Store) -> None:
    asked = study(replicates=10)
    store.train(asked)
    here = str(Path(__file__).parent.parent)
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, here, str(store.path)],
        stdout=subprocess.PIPE,
        env=environment(),
    ) as driver:
        assert driver.stdout is not None
        pid = int(driver.stdout.readline())
        wait_for(lambda: len(store.query("SELECT 1 FROM runs")) > 4)
        assert alive(pid)
        os.kill(driver.pid, signal.SIGKILL)
        wait_for(lambda: not alive(pid), 8)
    assert len(store.runs("trial")) < 20
    assert "RUNNING" not in store.statuses()
    assert sync(asked, store.path).mirrored == 20
    store.check_whole(asked)


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A port that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        listener.settimeout(40)
        yield listener


def test_a_dead_server_costs_seconds_and_is_said(store: Store) -> None:
    asked = study(tracking={"uri": f"http://127.0.0.1:{closed_port()}"})
    store.train(asked)
    begun = time.monotonic()
    report = sync(asked, store.path)
    assert time.monotonic() - begun < 5
    assert (report.mirrored, report.behind, report.done) == (0, 4, False)
    assert "Nothing is lost" in str(report)
    exporter = start(asked, store.path)
    report = exporter.finish(40)
    assert (report.behind, report.done) == (4, False)
    assert "MlflowException" in report.error


def test_a_server_that_never_answers_is_left_at_the_time_limit(
    store: Store, silent: socket.socket
) -> None:
    asked = study(tracking={"uri": f"http://127.0.0.1:{silent.getsockname()[1]}"})
    store.train(asked)
    exporter = start(asked, store.path)
    with silent.accept()[0]:
        begun = time.monotonic()
        report = exporter.finish(1)
        assert time.monotonic() - begun < 10
    assert not report.done
    assert "stopped after 1 s" in report.error


def test_a_dead_database_server_costs_seconds(store: Store) -> None:
    asked = study(tracking={"uri": f"postgresql://127.0.0.1:{closed_port()}/mlflow"})
    store.train(asked)
    begun = time.monotonic()
    assert sync(asked, store.path).behind == 4
    assert time.monotonic() - begun < 5


def test_a_store_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "mlflow.db").write_text("no database")
    report = sync(study(), tmp_path / "store")
    assert not report.done
    assert "not a database" in report.error


def test_an_exporter_that_is_killed_does_no_harm(store: Store) -> None:
    exporter = start(study(), store.path)
    exporter._process.kill()
    report = exporter.finish(30)
    assert not report.done
    assert "ended with code -9" in report.error


def test_a_second_exporter_waits_its_turn(store: Store) -> None:
    from randstudy.lock import lock
    from randstudy.tracking.plan import plan
    from randstudy.tracking.session import synchronise

    asked = study()
    store.train(asked)
    with lock(store.path, "demo/mlflow"):
        report = synchronise(plan(asked), store.path, 0.2)
    assert report.behind == 4
    assert "already being run" in report.error
    assert store.query("SELECT 1 FROM runs") == []


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("mlruns", "is not a place for runs"),
        ("file:///tmp/mlruns", "is not a place for runs"),
        ("sqlite:///mlflow.db", "is relative"),
        ("http://me:secret@host:5000", "MLFLOW_TRACKING_PASSWORD"),
    ],
)
def test_a_useless_uri_stops_before_anything_starts(tmp_path: Path, uri: str, said: str) -> None:
    with pytest.raises(RandstudyError, match=said) as refused:
        start(study(tracking={"uri": uri}), tmp_path)
    assert "secret" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_the_driver_imports_no_mlflow() -> None:
    check = (
        "import sys; import randstudy.tracking; "
        "sys.exit(any(name in sys.modules for name in ('mlflow', 'torch', 'ray', 'sqlalchemy')))"
    )
    assert subprocess.run([sys.executable, "-c", check], env=environment()).returncode == 0
