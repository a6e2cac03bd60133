"""A process seen from outside: its memory, and the files that appear while it runs."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

INTERVAL = 0.05
EXPORTER = b"randstudy.tracking"


@dataclass
class Memory:
    """Resident memory of one process over time: (Unix time, bytes)."""

    samples: list[tuple[float, int]] = field(default_factory=list)

    def growth(self, since: float, until: float = float("inf")) -> int | None:
        """Return the largest sample from `since` to `until` less the first, in bytes."""
        found = [size for at, size in self.samples if since <= at <= until]
        return max(found) - found[0] if found else None

    @property
    def peak(self) -> int | None:
        """The largest sample in bytes; None where the system does not tell (no /proc)."""
        return max((size for _, size in self.samples), default=None)

    @property
    def last_seen(self) -> float | None:
        """The Unix time of the last sample."""
        return self.samples[-1][0] if self.samples else None


@dataclass
class Watched:
    """What was seen of a command: Unix times, memory, and each file's time of last change."""

    launched: float = 0.0
    ended: float = 0.0
    code: int = 0
    driver: Memory = field(default_factory=Memory)
    exporter: Memory = field(default_factory=Memory)
    files: dict[str, float] = field(default_factory=dict)


def watch(command: Sequence[str], folder: Path, pattern: str, log: Path, limit: float) -> Watched:
    """Run `command` to its end, noting the files of `folder` that match `pattern`.

    Raises
    ------
    TimeoutError
        It took longer than `limit` seconds and was asked to stop.
    """
    seen = Watched(launched=time.time())
    exporter: int | None = None
    with open(log, "wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    while process.poll() is None:
        now = time.time()
        if now - seen.launched > limit:
            process.terminate()
            process.wait(60)
            raise TimeoutError(f"{' '.join(command)} took longer than {limit:g} s; see {log}")
        _note(seen.driver, now, process.pid)
        exporter = exporter or _child(process.pid, EXPORTER)
        if exporter is not None:
            _note(seen.exporter, now, exporter)
        for path in folder.glob(pattern):
            if path.name not in seen.files:
                seen.files[path.name] = _changed(path, now)
        time.sleep(INTERVAL)
    seen.ended, seen.code = time.time(), process.returncode
    return seen


def _note(memory: Memory, now: float, process: int) -> None:
    size = resident(process)
    if size:
        memory.samples.append((now, size))


def _changed(path: Path, now: float) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # it was compacted away since it was listed
        return now


def resident(process: int) -> int:
    """Return the bytes of a process in memory; 0 once it has ended, or where there is no /proc."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS")), 0)


def _child(process: int, wanted: bytes) -> int | None:
    """Return the child of a process whose command line names `wanted`."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        for child in children:
            if wanted in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
    except OSError:
        return None
    return None
