"""The versions that set-up installs, beside the ranges that the package states."""

from __future__ import annotations

import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def pins() -> dict[str, str]:
    """Return name -> version of every line of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def stated() -> dict[str, Requirement]:
    """Return what pyproject.toml asks for, to run and to develop."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    return {canonicalize_name(Requirement(one).name): Requirement(one) for one in asked}


def test_every_stated_package_is_pinned_within_its_range() -> None:
    pinned, asked = pins(), stated()
    assert len(asked) > 20
    assert not set(asked) - set(pinned)
    outside = [one for name, one in asked.items() if pinned[name] not in one.specifier]
    assert not outside
