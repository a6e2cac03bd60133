"""The numeric environment is set before torch loads, checked, and written down."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from catalogue import train, trial

from randstudy import __version__
from randstudy.numerics import (
    ENVIRONMENT,
    NUMERICS_VERSION,
    configure,
    numerics_class,
    prepare_environment,
    versions,
)


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh process that has none of `ENVIRONMENT` but what is given."""
    clean = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_torch_loaded_without_the_environment_is_refused() -> None:
    done = python("import torch\nimport randstudy.training")
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert "RandstudyError: torch was imported before randstudy.training" in last
    assert "MKL_CBWR=AVX2" in last


def test_torch_loaded_with_the_environment_is_welcome() -> None:
    done = python("import torch\nimport randstudy.training", **ENVIRONMENT)
    assert done.returncode == 0, done.stderr


def test_another_code_path_is_put_right_before_torch_loads() -> None:
    code = "import os, randstudy.training; print(os.environ['MKL_CBWR'])"
    done = python(code, MKL_CBWR="COMPATIBLE")
    assert done.stdout.strip() == ENVIRONMENT["MKL_CBWR"]


def test_another_code_path_is_refused_after_torch_was_loaded() -> None:
    done = python("import torch, randstudy.training", **(ENVIRONMENT | {"MKL_CBWR": "SSE4_2"}))
    assert done.returncode != 0
    assert "start Python with MKL_CBWR=AVX2" in done.stderr


def test_this_process_is_in_order() -> None:
    prepare_environment()
    assert ENVIRONMENT.items() <= dict(os.environ).items()


def test_configuring_undoes_what_changes_bits() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_float32_matmul_precision("medium")
        torch.set_flush_denormal(True)
        torch.set_autocast_enabled("cpu", True)
        torch.backends.mkldnn.set_flags(False)
        configure("cpu", 2)
        assert torch.get_num_threads() == 2
        assert torch.get_float32_matmul_precision() == "highest"
        assert not torch.is_autocast_enabled("cpu")
        assert torch.backends.mkldnn.is_available() == torch.backends.mkldnn.enabled
        assert (torch.tensor([1e-40]) * 0.5).item() > 0
    finally:
        torch.set_num_threads(before)


def test_a_class_names_all_that_bits_depend_on() -> None:
    name = numerics_class("cpu")
    for part in (torch.__version__, torch.backends.cpu.get_cpu_capability(), "cpu-"):
        assert part in name
    if torch.backends.mkl.is_available():
        assert "mkl-AVX2" in name


def test_versions_stand_beside_every_outcome() -> None:
    found = versions()
    assert found["randstudy"] == __version__
    assert found["numerics"] == NUMERICS_VERSION
    assert torch.__version__.startswith(found["torch"].split("+")[0])
    (outcome,) = train([trial()])
    assert found.items() <= dict(outcome.provenance).items()
    assert outcome.provenance["numerics_class"] == numerics_class("cpu")


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_are_no_part_of_the_class(threads: int) -> None:
    (outcome,) = train([trial()], threads=threads)
    assert outcome.provenance["numerics_class"] == numerics_class("cpu")
