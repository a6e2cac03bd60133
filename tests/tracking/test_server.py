"""MLflow's own server over a store, as `randstudy ui` starts it, read and written by HTTP."""

import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from randstudy.errors import RandstudyError
from randstudy.tracking import sync, ui
from tracking.test_exporter import closed_port
from tracking.world import Store, study


def test_there_must_be_something_to_show(tmp_path: Path) -> None:
    with pytest.raises(RandstudyError, match="randstudy run"):
        ui(tmp_path)
    served = study(tracking={"uri": "http://127.0.0.1:9"})
    with pytest.raises(RandstudyError, match=r"open http://127\.0\.0\.1:9"):
        ui(tmp_path, served)


def test_no_uri_in_the_arguments_and_this_machine_only(store: Store) -> None:
    command = ui(store.path, port=5001)
    assert str(store.path) not in " ".join(command.argv)
    assert command.argv[command.argv.index("--host") + 1] == "127.0.0.1"
    assert command.env["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"


@pytest.mark.slow
def test_a_study_is_mirrored_to_a_server(store: Store, tmp_path: Path) -> None:
    command = ui(store.path, port=closed_port())
    with (
        open(tmp_path / "log", "wb") as log,
        subprocess.Popen(command.argv, env=command.env, stdout=log, stderr=log) as server,
    ):
        try:
            wait_until_up(command.url)
            asked = study(tracking={"uri": command.url})
            store.train(asked)
            report = sync(asked, store.path)
            assert (report.mirrored, report.behind, report.error) == (4, 0, "")
            store.check_whole(asked)
            before = store.dump()
            sync(asked, store.path)
            assert store.dump() == before
        finally:
            server.terminate()
            server.wait(20)


def wait_until_up(url: str, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < end, "the server did not come up"
            time.sleep(0.2)
