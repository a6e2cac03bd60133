"""What every test needs before it is imported, and a Ray for those that run studies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import randstudy.training  # noqa: F401 (fixes the numeric environment, so it comes before torch)
from randstudy import execution


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """Start Ray once; runs join it, and workers find what is in this folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        with execution.cluster(None) as started:
            yield started
