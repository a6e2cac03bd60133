"""How much memory a pack may take before it trains, and how much it took at most."""

from __future__ import annotations

import contextlib
from pathlib import Path

import torch

AT_ONCE = 8
"""Networks that are looked at or scored together before they train, so that the outputs and second
derivatives of a wide pack need little memory."""

_RESET_PEAK = "5"
"""What the kernel takes in /proc/self/clear_refs as the order to forget the process's peak."""


def reset_peak(device: torch.device) -> None:
    """Forget the peak so far, where the system can."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text(_RESET_PEAK)


def peak_bytes(device: torch.device) -> float:
    """Return the most bytes at once since `reset_peak`.

    On a GPU those of torch's tensors; on a CPU the resident size of the whole worker, NaN where
    the system does not tell.
    """
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    with contextlib.suppress(OSError, IndexError, ValueError):
        lines = Path("/proc/self/status").read_text().splitlines()
        peak = next((line for line in lines if line.startswith("VmHWM:")), "")
        return float(peak.split()[1]) * 1024
    return float("nan")
