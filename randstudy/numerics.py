"""The numerics class: all that the bits of a training may depend on beside the trial itself.

Within one class a trial's numbers are the same alone, in any pack, at any place and on any number
of threads. What it takes on a CPU, found by measurement and held by the tests:

* MKL's results may depend on the alignment of its arguments unless a code path is fixed
  (``MKL_CBWR``) before torch is loaded;
* batched matrix products agree from a width of 2 up, so a lone trial trains beside a silent twin;
* a grouped convolution picks its kernel by the total number of channels, so convolutions run in
  blocks of a fixed number of trials;
* evaluation runs in chunks of a fixed number of examples, whatever the pack.
"""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import version

from randstudy.errors import RandstudyError

NUMERICS_VERSION = "2"
"""Changes when randstudy's own arithmetic changes a bit of any outcome."""

ENVIRONMENT = {"MKL_CBWR": "AVX2", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
"""Set before torch is loaded, in every process that trains."""


def prepare_environment() -> None:
    """Set `ENVIRONMENT`; a no-op where it already holds.

    Raises
    ------
    RandstudyError
        when torch was loaded without it, so that bits could silently differ.
    """
    wrong = {name: value for name, value in ENVIRONMENT.items() if os.environ.get(name) != value}
    if wrong and "torch" in sys.modules:
        wanted = " ".join(f"{name}={value}" for name, value in wrong.items())
        raise RandstudyError(
            f"torch was imported before randstudy.training: import randstudy.training first, "
            f"or start Python with {wanted}"
        )
    os.environ.update(wrong)


def configure(device: str, threads: int) -> None:
    """Fix threads and deterministic kernels for this process, whatever ran in it before."""
    import torch

    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)
    torch.set_autocast_enabled(device.partition(":")[0], False)
    torch.backends.mkldnn.set_flags(True)
    if device != "cpu":
        # On a CPU every operation used here is deterministic as it is, and the switch alone would
        # import torch's compiler, which takes over a second.
        torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False


def numerics_class(device: str) -> str:
    """Name the class of this process's results on `device` ("cpu" or "cuda")."""
    import torch

    if device == "cpu":
        capability = torch.backends.cpu.get_cpu_capability()
        math = f"mkl-{ENVIRONMENT['MKL_CBWR']}" if torch.backends.mkl.is_available() else "no-mkl"
        convolution = "onednn" if torch.backends.mkldnn.is_available() else "native"
        kind = f"cpu-{platform.machine()}-{capability}-{math}-{convolution}"
    else:
        kind = f"cuda-{torch.cuda.get_device_name(device).replace(' ', '_')}"
    return f"{kind}-torch-{torch.__version__}"


def versions() -> dict[str, str]:
    """Return the versions that stand beside every outcome."""
    from randstudy import __version__

    return {
        "randstudy": __version__,
        "numerics": NUMERICS_VERSION,
        "torch": version("torch"),
        "numpy": version("numpy"),
        "python": platform.python_version(),
    }
