"""What the driver's machine and environment say about a study: tags of its run."""

from __future__ import annotations

import contextlib
import getpass
import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version

from randstudy.tracking.records import tags

PACKAGES = ("randstudy", "torch", "ray", "mlflow", "numpy", "pandas", "scipy", "scikit-learn")
SECONDS = 5.0


def provenance(folder: str) -> dict[str, str]:
    """Return versions, git commit of `folder` and hardware of this machine, as tags."""
    found: dict[str, object] = {f"randstudy.version.{name}": _version(name) for name in PACKAGES}
    found["randstudy.version.python"] = platform.python_version()
    found["randstudy.hardware.system"] = f"{platform.system()} {platform.release()}"
    found["randstudy.hardware.processor"] = _processor()
    found["randstudy.hardware.cores"] = os.cpu_count()
    found["randstudy.hardware.memory_bytes"] = _memory()
    found["randstudy.hardware.gpus"] = _said("nvidia-smi", "-L")
    commit = _said("git", "-C", folder, "rev-parse", "HEAD")
    found["mlflow.source.git.commit"] = commit
    if commit:
        found["randstudy.git.changed"] = bool(
            _said("git", "-C", folder, "status", "--porcelain", "-uno")
        )
    found["mlflow.source.name"] = "randstudy"
    found["mlflow.user"] = _user()
    return tags(found)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> int | None:
    with contextlib.suppress(OSError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None


def _user() -> str:
    # Unknown user ids (containers) raise KeyError, from Python 3.13 on OSError.
    with contextlib.suppress(KeyError, OSError):
        return getpass.getuser()
    return ""


def _said(*command: str) -> str:
    """Return what a program prints, nothing where it is missing, fails or hangs."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, check=True, errors="replace"
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
