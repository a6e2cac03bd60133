"""Imports run one way: who may import what, checked on every module."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import randstudy

ROOT = Path(randstudy.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

ONLY_IN = {
    "ray": {"execution.py"},
    "mlflow": {"tracking"},
    "sqlalchemy": {"tracking"},
    "torch": {
        "training",
        "models/program.py",
        "models/losses.py",
        "models/modules",
        "models/own_loss.py",
        "own/augmentation.py",
        "own/trying.py",
        "models/dense.py",
        "models/pack_layers.py",
        "models/packed.py",
        "streams.py",
        "devicestreams.py",
        "numerics.py",
        "worker.py",
    },
    "yaml": {"yamlfile.py", "yamlvalues.py"},
    "rich": {"progress.py", "downloads"},
    "pooch": {"downloads"},
    "requests": {"downloads", "tracking"},
    "PIL": {"tasks/images.py"},
    "sklearn": {"tasks", "analysis/importance.py"},
    "matplotlib": {"plots", "report"},
    "jinja2": {"report"},
}
"""Foreign package -> the rooms (files or folders) that may import it, at any level of a module."""

LAYERS = [
    {
        "errors",
        "outcomes",
        "parts",
        "nearest",
        "streams",
        "devicestreams",
        "places",
        "numerics",
        "sealed",
        "reports",
        "uris",
        "importing",
        "cadence",
        "expectation",
        "yamlvalues",
        "yamlfile",
    },
    {"analysis"},
    {
        "own",
        "tasks",
        "splits",
        "models",
        "inits",
        "pruning",
        "optimizers",
        "schedules",
        "augment",
        "noise",
        "losses",
        "metrics",
        "registry",
    },
    {"learning", "recipe", "recorded", "digests", "handover"},
    {
        "design",
        "study",
        "trials",
        "lineage",
        "packs",
        "orders",
        "replicates",
        "fields",
        "header",
        "comparison",
        "schemes",
        "spans",
        "sampling",
        "grids",
        "axes",
        "canonical",
        "fieldnames",
        "factors",
        "nesting",
        "listing",
        "exclusions",
        "variation",
        "cells",
        "overrides",
        "reading",
        "schema",
    },
    {"rows", "compaction", "findings", "columns"}
    | {"training", "ledger", "frame", "accounting", "scheduling", "lock", "targets", "plots"},
    {"evidence", "terminal", "report", "sources", "downloads"},
    {"looking", "publishing", "analyzing"},
    {"worker", "tracking", "execution", "planning", "estimates"}
    | {"status", "progress", "calibrations"}
    | {"gate", "stopping"},
    {"running"},
    {"closing", "scripting", "starting"},
    {"cli", "__main__", "__init__"},
]
"""A room imports at module level only from its own layer or from those before it."""

UPWARDS = {("sources", "tracking")}
"""Who imports whom from a later layer, in a function."""


@cache
def imports(path: Path, *, top: bool = False) -> frozenset[str]:
    """Return the dotted names that a module imports: all, or those at its top level only."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top else list(ast.walk(tree))
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update({node.module} | {f"{node.module}.{alias.name}" for alias in node.names})
    return frozenset(found)


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("package", ONLY_IN)
def test_a_foreign_package_is_imported_in_its_rooms_only(package: str) -> None:
    importers = {
        str(path.relative_to(ROOT))
        for path in MODULES
        if any(name.split(".")[0] == package for name in imports(path))
    }
    strangers = {
        name
        for name in importers
        if not any(name == home or name.startswith(f"{home}/") for home in ONLY_IN[package])
    }
    assert importers, f"nothing imports {package}: drop it from this table"
    assert not strangers


def upward(*, top: bool) -> set[tuple[str, str]]:
    """Return (module, room of a later layer that it imports)."""
    level = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    return {
        (str(path.relative_to(ROOT)), above)
        for path in MODULES
        for name in imports(path, top=top)
        if name.startswith("randstudy.")
        for above in [name.split(".")[1]]
        if level.get(above, -1) > level[room(path)]
    }


def test_every_room_is_in_one_layer() -> None:
    placed = sorted(name for layer in LAYERS for name in layer)
    assert placed == sorted({room(path) for path in MODULES})


def test_rooms_import_downwards() -> None:
    assert not upward(top=True)


def test_functions_import_upwards_where_it_is_said() -> None:
    assert {(room(ROOT / path), above) for path, above in upward(top=False)} == UPWARDS


def test_training_reaches_neither_ray_nor_mlflow_nor_the_driver() -> None:
    seen: set[str] = set()
    waiting = ["randstudy.training.pack_run", "randstudy.training.calibration"]
    while waiting:
        name = waiting.pop()
        path = ROOT.parent / Path(*name.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if name in seen or not path.exists():
            continue
        seen.add(name)
        waiting += [found for found in imports(path) if found.startswith("randstudy.")]
    rooms = {name.split(".")[1] for name in seen if "." in name}
    assert "inits" in rooms
    assert not rooms & {"execution", "tracking", "running", "cli", "ledger", "frame", "analysis"}


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import randstudy", {"torch", "ray", "mlflow", "pandas", "numpy"}),
        ("import randstudy.cli; randstudy.cli.parser()", {"torch", "ray", "mlflow", "pandas"}),
        ("import randstudy; randstudy.Study", {"torch", "ray", "mlflow"}),
        ("import randstudy; randstudy.load", {"torch", "ray", "mlflow"}),
        ("import randstudy; randstudy.run", {"torch", "ray", "mlflow"}),
        ("import randstudy.handover, randstudy.digests", {"torch", "ray", "mlflow", "pandas"}),
        ("import randstudy.running, randstudy.planning", {"torch", "ray", "mlflow"}),
        ("import randstudy.training", {"ray", "mlflow"}),
        ("import randstudy.worker", {"ray", "mlflow"}),
        ("import randstudy.tracking", {"torch", "ray", "mlflow"}),
        ("import randstudy.analysis.answer", {"torch", "ray", "mlflow", "matplotlib"}),
        ("import randstudy.looking", {"torch", "ray", "mlflow", "matplotlib", "statsmodels"}),
        ("import randstudy.report, randstudy.plots", {"torch", "ray", "mlflow"}),
    ],
)
def test_what_an_import_does_not_load(code: str, absent: set[str]) -> None:
    script = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not absent & set(done.stdout.split())
