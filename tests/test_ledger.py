"""Nothing lost, nothing twice: commits against kills, damage, full disks and duplicates."""

import os
import resource
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from randstudy.errors import LedgerError
from randstudy.ledger import Ledger, new_attempt
from randstudy.outcomes import Failure, Outcome
from randstudy.rows import DIGESTS, to_bytes
from randstudy.sealed import seal


def outcome(number: int = 0, *, evaluations: int = 3, **changes: Any) -> Outcome:
    steps = np.arange(1, evaluations + 1, dtype=np.int64) * 10
    values: dict[str, Any] = {
        "trial": f"{number:016x}",
        "status": "finished",
        "steps": 30,
        "metrics": {"test_accuracy": 0.5 + number / 1000, "test_loss": 1.0},
        "curve_step": steps,
        "curve_epoch": steps / 45,
        "curves": {"train_loss": 1.0 / steps, "validation_loss": 2.0 / steps},
        "predictions": (np.arange(360) % 10).astype(np.uint8),
        "weights_digest": f"{number:032x}",
        "settings": '{"seed":0}',
        "replicates": {"init": number, "order": 3},
        "provenance": {"numerics_class": "cpu-1", "torch": "2.13.0"},
        "seconds": {"train_seconds": 0.25},
    }
    return Outcome(**(values | changes))


def content(found: Outcome) -> dict[str, Any]:
    """Everything in an outcome, arrays as bytes, so that equality means equal bits."""
    exact = {name: struct.pack("d", value) for name, value in found.metrics.items()}
    return vars(found) | {
        "metrics": exact,
        "curve_step": found.curve_step.tobytes(),
        "curve_epoch": found.curve_epoch.tobytes(),
        "curves": {name: curve.tobytes() for name, curve in found.curves.items()},
        "predictions": None if found.predictions is None else found.predictions.tobytes(),
        "logits": None if found.logits is None else (found.logits.shape, found.logits.tobytes()),
    }


def logits(number: int = 0, *, examples: int = 360) -> NDArray[np.float32]:
    """Outputs of ten classes, some of them hard to keep."""
    found = np.random.default_rng(number).normal(size=(examples, 10)).astype(np.float32)
    found[0, :4] = [np.inf, -0.0, 1e-45, np.nan]
    return found


def old(path: Path) -> Path:
    """Write a file anew as it was before logits could be kept."""
    table = pq.read_table(path).drop_columns(["logits", "classes", "outputs"])
    path.unlink()
    return seal(path.parent, "old", ".parquet", to_bytes(table))


def test_outcomes_come_back_as_they_went_in(tmp_path: Path) -> None:
    bare = outcome(
        1,
        evaluations=0,
        status="diverged",
        reason="non-finite loss",
        metrics={},
        curves={},
        predictions=None,
        weights_digest="",
        replicates={},
        provenance={},
        seconds={},
    )
    path = Ledger(tmp_path).commit([outcome(0), bare], attempt="a1")
    back = Ledger(tmp_path).read(path)
    assert [content(found) for found in back] == [content(outcome(0)), content(bare)]


def test_every_bit_of_a_double_is_kept(tmp_path: Path) -> None:
    bits = [0x7FF8000000000000, 0xFFF8000000000123, 0x7FF0000000000000, 0xFFF0000000000000]
    bits += [0x8000000000000000, 0, 1, 0x3FB999999999999A, 0x7FEFFFFFFFFFFFFF]
    values = np.array(bits, np.uint64).view(np.float64)
    given = outcome(
        evaluations=len(bits),
        curves={"train_loss": values, "test_loss": values[::-1]},
        metrics={f"m{index}": float(value) for index, value in enumerate(values)},
    )
    ledger = Ledger(tmp_path)
    ledger.commit([given], attempt="a1")
    (back,) = ledger.outcomes(predictions=True)
    assert content(back) == content(given)
    assert back.curves["train_loss"].view(np.uint64).tolist() == bits


def test_numbers_of_other_widths_are_kept_as_doubles(tmp_path: Path) -> None:
    narrow = outcome(
        steps=np.int64(30),
        metrics={"test_accuracy": np.float32(0.1)},
        curve_step=np.array([10, 20, 30], np.int32),
        curve_epoch=np.array([1, 2, 3]),
        curves={"train_loss": np.array([0.1, 0.2, 0.3], np.float32)[::-1]},
        replicates={"init": np.int64(2)},
    )
    ledger = Ledger(tmp_path)
    ledger.commit([narrow], attempt="a1")
    (back,) = ledger.outcomes()
    assert back.metrics == {"test_accuracy": float(np.float32(0.1))}
    assert back.curves["train_loss"].dtype == np.float64
    assert back.curves["train_loss"].tolist() == narrow.curves["train_loss"].tolist()


def test_the_digests_of_a_row_are_golden(tmp_path: Path) -> None:
    """Changed, they would make every store there is look damaged: that is a new format."""
    ledger = Ledger(tmp_path)
    path = ledger.commit([outcome(7)], attempt="a1")
    (row,) = pq.read_table(path).to_pylist()
    assert {name: row[name] for name in DIGESTS} == {
        "result": "e7c8f38398bb6370",
        "cadence": "7b97239e4487362c",
        "observed": "8f0f6a683fc2c328",
        "predicted": "23f0f5e7dced608a",
        "checksum": "52099c7000145600",
    }


def test_the_digests_of_a_row_with_logits_are_golden(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    kept = np.arange(360 * 3, dtype=np.float32).reshape(360, 3) / 7
    path = ledger.commit([outcome(7, logits=kept)], attempt="a1")
    (row,) = pq.read_table(path).to_pylist()
    assert row["classes"] == 3
    assert (row["outputs"], row["checksum"]) == ("c78d0d44c67159ac", "860d3840c53c70db")


def test_logits_come_back_when_asked_for(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    given = [outcome(0, logits=logits()), outcome(1), outcome(2, logits=logits()[:0])]
    path = ledger.commit(given, attempt="a1")
    assert [content(found) for found in ledger.read(path)] == [content(one) for one in given]
    assert [content(found) for found in ledger.outcomes(predictions=True, logits=True)] == [
        content(one) for one in given
    ]
    plain = list(ledger.outcomes(predictions=True))
    assert {found.logits for found in plain} == {None}
    entries = ledger.index()
    assert [bool(entries[one.trial].outputs) for one in given] == [True, False, True]
    with pytest.raises(ValueError, match="logits are float64"):
        ledger.commit([outcome(0, logits=logits().astype(np.float64))], attempt="a2")


def test_changed_logits_fail_their_checksum(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    path = ledger.commit([outcome(0, logits=logits())], attempt="a1")
    table = pq.read_table(path)
    other = pa.array([np.roll(logits(), 1).tobytes()], pa.large_binary())
    changed = table.set_column(table.column_names.index("logits"), table.field("logits"), other)
    path.unlink()
    seal(path.parent, "a1", ".parquet", to_bytes(changed))
    assert len(list(Ledger(tmp_path).outcomes())) == 1
    with pytest.raises(LedgerError, match="fails its checksum"):
        list(Ledger(tmp_path).outcomes(logits=True))


def test_files_from_before_logits_are_read_and_joined_with_new_ones(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    path = old(ledger.commit([outcome(0)], attempt="a1"))
    assert "outputs" not in pq.read_schema(path).names
    (back,) = ledger.read(path)
    assert content(back) == content(outcome(0))
    assert Ledger(tmp_path).index()[outcome(0).trial].outputs == ""
    ledger.commit([outcome(1, logits=logits())], attempt="a2")
    (joined,) = ledger.compact(most_files=1)
    expected = [content(outcome(0)), content(outcome(1, logits=logits()))]
    assert sorted(map(str, map(content, Ledger(tmp_path).read(joined)))) == sorted(
        map(str, expected)
    )


def test_files_of_different_metrics_join_in_one_schema(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    one = ledger.commit([outcome(0)], attempt="a1")
    two = ledger.commit([outcome(1, metrics={"other": 1.0}, predictions=None)], attempt="a2")
    assert pq.read_schema(one).equals(pq.read_schema(two), check_metadata=True)


def test_the_index_reads_a_file_once_and_sees_new_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    read_bytes = Path.read_bytes

    def counted(path: Path) -> bytes:
        opened.append(path)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", counted)
    ledger = Ledger(tmp_path)
    assert ledger.index() == {}
    first = ledger.commit([outcome(0)], attempt="a1")
    assert set(ledger.index()) == {outcome(0).trial}
    second = Ledger(tmp_path).commit([outcome(1)], attempt="a2")
    entry = ledger.index()[outcome(1).trial]
    assert opened == [first, second]
    assert (entry.attempt, entry.file, entry.status, entry.evaluations) == (
        "a2",
        second,
        "finished",
        3,
    )
    assert entry.provenance["numerics_class"] == "cpu-1"


def test_a_commit_of_nothing_or_of_a_trial_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0 outcomes"):
        Ledger(tmp_path).commit([], attempt="a1")
    with pytest.raises(ValueError, match="2 outcomes of 1 trials"):
        Ledger(tmp_path).commit([outcome(0), outcome(0)], attempt="a1")
    with pytest.raises(ValueError, match="unequal length"):
        Ledger(tmp_path).commit([outcome(0, curve_epoch=np.zeros(2))], attempt="a1")
    assert Ledger(tmp_path).index() == {}


def test_the_same_commit_twice_is_one_file(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    assert ledger.commit([outcome(0)], attempt="a1") == ledger.commit([outcome(0)], attempt="a1")
    assert len(list(ledger.outcomes())) == 1


def test_among_duplicates_more_evaluations_then_the_smallest_attempt_count(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for attempt in ("a2", "a1", "a3"):
        ledger.commit([outcome(0, seconds={"train_seconds": 1.0})], attempt=attempt)
    assert ledger.index()[outcome(0).trial].attempt == "a1"
    ledger.commit([outcome(0, evaluations=5)], attempt="a9")
    assert ledger.index()[outcome(0).trial].attempt == "a9"
    ledger.commit([outcome(0, evaluations=2, logits=logits())], attempt="b1")
    assert ledger.index()[outcome(0).trial].attempt == "b1"
    ledger.commit([outcome(0, evaluations=9, predictions=None, logits=logits())], attempt="b2")
    assert ledger.index()[outcome(0).trial].attempt == "b1"
    assert len(list(ledger.outcomes())) == 1
    assert ledger.findings() == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights_digest": "f" * 32}, "different results, in one numerics class"),
        (
            {"weights_digest": "f" * 32, "provenance": {"numerics_class": "gpu"}},
            "in different numerics classes",
        ),
        ({"metrics": {"test_accuracy": 0.25, "test_loss": 1.0}}, "different metrics"),
        ({"predictions": np.zeros(360, np.uint8)}, "different predictions"),
        ({"logits": logits(1)}, "different logits"),
    ],
)
def test_contradictions_are_findings(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    ledger = Ledger(tmp_path)
    ledger.commit([outcome(0, logits=logits()), outcome(1, logits=logits())], attempt="a1")
    ledger.commit([outcome(0, **change), outcome(1, predictions=None)], attempt="a2")
    (finding,) = ledger.findings()
    assert finding.trial == outcome(0).trial
    assert message in str(finding)
    assert "a1, a2" in str(finding)


def test_forgotten_outcomes_do_not_count_until_trained_again(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.commit([outcome(0), outcome(1)], attempt="a1")
    ledger.forget([outcome(0).trial], "a bug in my model")
    assert set(ledger.index()) == {outcome(1).trial}
    assert [found.trial for found in Ledger(tmp_path).outcomes()] == [outcome(1).trial]
    ledger.commit([outcome(0, weights_digest="e" * 32)], attempt="a2")
    assert ledger.index()[outcome(0).trial].attempt == "a2"
    assert ledger.findings() == []
    with pytest.raises(LedgerError, match="no outcome to forget for: beef"):
        ledger.forget([outcome(1).trial, "beef"], "typo")
    assert outcome(1).trial in ledger.index()


def test_failures_come_back_in_order(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    failures = [
        Failure(
            attempt=name,
            trials=("00", "01"),
            kind="error",
            message="boom",
            traceback="Traceback …\n",
            unix_time=1.5,
            provenance={"host": "n1"},
        )
        for name in ("a1", "a2")
    ]
    for failure in reversed(failures):
        ledger.fail(failure)
    assert Ledger(tmp_path).failures() == failures


@pytest.mark.parametrize("place", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_flipped_byte_is_named_and_the_rest_stays_readable(tmp_path: Path, place: float) -> None:
    Ledger(tmp_path).commit([outcome(0)], attempt="a1")
    path = Ledger(tmp_path).commit([outcome(1)], attempt="a2")
    damaged = bytearray(path.read_bytes())
    damaged[int(place * len(damaged))] ^= 0x10
    path.write_bytes(damaged)
    check_damage(tmp_path, path)


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_named_and_the_rest_stays_readable(tmp_path: Path, kept: float) -> None:
    Ledger(tmp_path).commit([outcome(0)], attempt="a1")
    path = Ledger(tmp_path).commit([outcome(1)], attempt="a2")
    os.truncate(path, int(kept * path.stat().st_size))
    check_damage(tmp_path, path)


def check_damage(store: Path, path: Path) -> None:
    ledger = Ledger(store)
    for read in (ledger.index, lambda: list(ledger.outcomes()), ledger.findings):
        with pytest.raises(LedgerError, match=path.name) as error:
            read()
        assert "run again" in str(error.value)
    assert set(ledger.damaged()) == {path}
    assert set(ledger.index(skip_damaged=True)) == {outcome(0).trial}
    (back,) = ledger.outcomes(predictions=True, skip_damaged=True)
    assert content(back) == content(outcome(0))
    (aside,) = ledger.set_aside()
    assert aside.exists()
    assert not path.exists()
    assert set(ledger.index()) == {outcome(0).trial}


def test_damage_after_the_index_was_read_is_found_when_the_numbers_are(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    path = ledger.commit([outcome(0)], attempt="a1")
    ledger.index()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(LedgerError, match=path.name):
        list(ledger.outcomes())
    assert list(ledger.outcomes(skip_damaged=True)) == []


def test_a_damaged_tombstone_or_a_stray_file_is_not_overlooked(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    path = ledger.commit([outcome(0)], attempt="a1")
    tomb = ledger.forget([outcome(0).trial], "mistake")
    tomb.write_text("{}")
    with pytest.raises(LedgerError, match=tomb.name):
        Ledger(tmp_path).index()
    tomb.unlink()
    path.rename(path.with_name("results.parquet"))
    with pytest.raises(LedgerError, match="not a name that randstudy gives"):
        Ledger(tmp_path).index()


COMMIT_AND_DIE = """
import os, signal, sys
from pathlib import Path
from tests.test_ledger import outcome
from randstudy.ledger import Ledger

fatal, before = int(sys.argv[2]), sys.argv[3] == "before"
calls = 0

def fragile(name):
    call = getattr(os, name)
    def step(*arguments, **options):
        global calls
        calls += 1
        if calls == fatal and before:
            os.kill(os.getpid(), signal.SIGKILL)
        if calls == fatal and name == "write":
            call(arguments[0], arguments[1][:100])
            os.kill(os.getpid(), signal.SIGKILL)
        result = call(*arguments, **options)
        if calls == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    setattr(os, name, step)

for name in ("open", "write", "fsync", "rename", "close"):
    fragile(name)
Ledger(Path(sys.argv[1])).commit([outcome(0), outcome(1)], attempt="a1")
os._exit(0)
"""


def test_a_kill_between_any_two_steps_leaves_all_or_nothing(tmp_path: Path) -> None:
    """Steps: open, write, fsync, close, rename, then open, fsync, close of the folder."""
    seen = []
    for fatal, moment in [(n, "before") for n in (1, 2, 3, 5, 6)] + [(2, "within"), (5, "within")]:
        store = tmp_path / f"{fatal}-{moment}"
        (store / "ledger" / "outcomes").mkdir(parents=True)
        died = subprocess.run(
            [sys.executable, "-c", COMMIT_AND_DIE, str(store), str(fatal), moment],
            cwd=Path(__file__).parent.parent,
            check=False,
        )
        assert died.returncode == -signal.SIGKILL
        ledger = Ledger(store)
        seen.append(len(ledger.index()))
        kept = [content(found) for found in ledger.outcomes(predictions=True)]
        assert kept == [content(outcome(0)), content(outcome(1))][: seen[-1]]
        ledger.commit([outcome(0), outcome(1)], attempt="a2")
        assert len(ledger.index()) == 2
        assert ledger.findings() == []
    assert seen == [0, 0, 0, 0, 2, 0, 2]


COMMIT_ON_A_FULL_DISK = """
import sys
from pathlib import Path
from tests.test_ledger import outcome, limit_file_size
from randstudy.errors import LedgerError
from randstudy.ledger import Ledger

limit_file_size(2000)
try:
    Ledger(Path(sys.argv[1])).commit([outcome(0)], attempt="a1")
except LedgerError as error:
    print(error)
"""


def limit_file_size(size: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_a_full_disk_names_the_path_and_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMMIT_ON_A_FULL_DISK, str(tmp_path)],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"cannot write {tmp_path}/ledger/outcomes/a1-" in done.stdout
    assert "Make room" in done.stdout
    assert list((tmp_path / "ledger" / "outcomes").iterdir()) == []
    Ledger(tmp_path).commit([outcome(0)], attempt="a1")
    assert len(Ledger(tmp_path).index()) == 1


def test_a_store_that_is_a_file_is_one_clear_error(tmp_path: Path) -> None:
    store = tmp_path / "results"
    store.write_text("not a folder")
    with pytest.raises(LedgerError, match=r"cannot write .*results"):
        Ledger(store).commit([outcome(0)], attempt="a1")
    with pytest.raises(LedgerError, match=r"cannot read .*results"):
        Ledger(store).index()


def test_compaction_keeps_every_outcome_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for number in range(12):
        ledger.commit([outcome(number)], attempt=f"a{number:02}")
    ledger.commit([outcome(3, weights_digest="d" * 32)], attempt="b1")
    ledger.forget([outcome(5).trial], "mistake")
    before = [content(found) for found in ledger.outcomes(predictions=True)]
    findings = [str(finding) for finding in ledger.findings()]
    assert ledger.compact() == []
    (joined,) = ledger.compact(most_files=10)
    assert ledger.compact(most_files=0) == []
    assert list((tmp_path / "ledger" / "outcomes").iterdir()) == [joined]
    for reader in (ledger, Ledger(tmp_path)):
        assert [content(found) for found in reader.outcomes(predictions=True)] == before
        assert [str(finding) for finding in reader.findings()] == findings
    assert len(before) == 11
    assert len(findings) == 1


def test_a_compaction_killed_before_the_removal_counts_nothing_twice(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    paths = [ledger.commit([outcome(number)], attempt=f"a{number}") for number in range(4)]
    kept = {path: path.read_bytes() for path in paths}
    ledger.compact(most_files=1)
    for path, data in kept.items():
        path.write_bytes(data)
    assert len(list(Ledger(tmp_path).outcomes())) == 4
    assert Ledger(tmp_path).findings() == []
    (joined,) = ledger.compact(most_files=1)
    assert len(ledger.read(joined)) == 4
    assert len(list((tmp_path / "ledger" / "outcomes").iterdir())) == 1


def test_a_reader_survives_compaction_under_its_hands(tmp_path: Path) -> None:
    writer = Ledger(tmp_path)
    for number in range(6):
        writer.commit([outcome(number)], attempt=f"a{number}")
    reading = Ledger(tmp_path).outcomes()
    trials = [next(reading).trial]
    writer.compact(most_files=2)
    trials += [found.trial for found in reading]
    assert trials == [outcome(number).trial for number in range(6)]


def test_compaction_leaves_damaged_files_where_they_are(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    paths = [ledger.commit([outcome(number)], attempt=f"a{number}") for number in range(4)]
    paths[2].write_bytes(b"torn")
    ledger.compact(most_files=1)
    assert set(Ledger(tmp_path).damaged()) == {paths[2]}
    assert len(Ledger(tmp_path).index(skip_damaged=True)) == 3


def test_old_unfinished_files_are_swept_and_young_ones_left(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    path = ledger.commit([outcome(0)], attempt="a1")
    old, young = (path.with_name(f".{name}.part") for name in ("old", "young"))
    for part in (old, young):
        part.write_bytes(b"half")
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    ledger.compact()
    assert not old.exists()
    assert young.exists()
    assert len(ledger.index()) == 1


def test_plans_are_kept_and_an_unchanged_one_is_not_repeated(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    assert ledger.plan("a/b study") is None
    first = ledger.write_plan("a/b study", "8 trials")
    assert ledger.write_plan("a/b study", "8 trials") == first
    time.sleep(0.002)
    assert ledger.write_plan("a/b study", "10 trials") != first
    assert Ledger(tmp_path).plan("a/b study") == "10 trials"


def test_attempts_sort_by_time_and_are_unique() -> None:
    names = []
    for _ in range(5):
        names.append(new_attempt())
        time.sleep(0.002)
    assert names == sorted(names)
    assert {len(name) for name in names} == {20}
    assert len({new_attempt() for _ in range(1000)}) == 1000


def test_a_newer_format_is_refused_by_name(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    path = ledger.commit([outcome(0)], attempt="a1")
    table = pq.read_table(path).replace_schema_metadata({"randstudy.ledger": "2"})
    path.unlink()
    newer = seal(path.parent, "a1", ".parquet", to_bytes(table))
    with pytest.raises(LedgerError, match=rf"{newer.name}: written in ledger format 2"):
        Ledger(tmp_path).index()


@pytest.mark.slow
def test_ten_thousand_outcomes_are_indexed_in_seconds(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    size = 32
    for start in range(0, 10_000, size):
        batch = [outcome(number, evaluations=10) for number in range(start, start + size)]
        ledger.commit(batch, attempt=f"{start:08}")
    began = time.perf_counter()
    assert len(Ledger(tmp_path).index()) >= 10_000
    assert time.perf_counter() - began < 10
