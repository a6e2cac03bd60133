"""A study that must be refused, and the check that it is: one message, code 2, nothing done."""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from randstudy.cli import main
from randstudy.errors import LONGEST

BASE = {
    "data": "data: digits",
    "model": "model: linear",
    "training": "training: {lr: 0.1, batch_size: 32, epochs: 1}",
    "tracking": "tracking: {enabled: false}",
}
MARK = "# !"
"""Stands behind the line of a study that the message must name."""

STUDY = "small.yaml"
SECONDS = 5.0
MOST = 20_000

Files = Mapping[str, bytes | str]
Make = Callable[[Path], None]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A study, files beside it, and what the message must say of them.

    Attributes
    ----------
    study : what the file holds; None where there is none.
    field : the field that the problem's line of the message names; "" for none.
    said : words of the message.
    line : the line that it names; None for none.
    files : name -> contents of files beside the study.
    make : writes what is more than contents, into the folder of the study.
    sets : what is given by ``--set``.
    """

    name: str
    study: bytes | None
    field: str
    said: tuple[str, ...]
    line: int | None = None
    files: Files = field(default_factory=dict)
    make: Make | None = None
    sets: tuple[str, ...] = ()


def case(
    name: str,
    text: str,
    field: str,
    *said: str,
    files: Files | None = None,
    make: Make | None = None,
    sets: tuple[str, ...] = (),
    train: bool = False,
) -> Case:
    """Return the case of a small good study whose sections `text` replaces, or adds to.

    `text` has `MARK` behind the line to be named; `train` leaves out what a study that hands its
    training over cannot have.
    """
    given = {line.partition(":")[0] for line in text.splitlines()}
    base = [line for key, line in BASE.items() if key not in given and (not train or key > "t")]
    lines = [*text.splitlines(), *base]
    if train:
        lines = [line for line in lines if not line.startswith("training:")]
    marked = [number for number, line in enumerate(lines, 1) if line.endswith(MARK)]
    assert len(marked) <= 1, text
    return Case(
        name=name,
        study="\n".join([*lines, ""]).encode(),
        field=field,
        said=said,
        line=marked[0] if marked else None,
        files=files or {},
        make=make,
        sets=sets,
    )


def raw(name: str, study: str | bytes, line: int | None, field: str, *said: str) -> Case:
    """Return the case of a file that holds just this."""
    content = study.encode() if isinstance(study, str) else study
    return Case(name=name, study=content, field=field, said=said, line=line)


def check(
    one: Case,
    folder: Path,
    patch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> dict[str, str]:
    """Plan and run the study of a case in an empty folder; return what was said to each."""
    home = prepared(one, folder)
    patch.chdir(home)
    patch.setattr(sys, "path", [*sys.path])
    patch.setattr(sys, "dont_write_bytecode", True)
    patch.setenv("RANDSTUDY_CACHE", str(folder / "cache"))
    patch.setenv("HOME", str(folder / "nobody"))
    patch.delenv("RANDSTUDY_DATA", raising=False)
    importlib.invalidate_caches()
    before = contents(folder)
    found = {}
    try:
        for command in ("plan", "run"):
            began = time.process_time()
            options = [part for each in one.sets for part in ("--set", each)]
            code = main([command, STUDY, "--store", str(folder / "store"), *options])
            spent = time.process_time() - began
            captured = capsys.readouterr()
            assert code == 2, (code, captured.err)
            assert captured.out == ""
            assert spent < SECONDS
            found[command] = captured.err
    finally:
        forget_modules(home)
    assert contents(folder) == before, "something was written"
    assert not ray_runs()
    for said in found.values():
        check_message(one, said)
    return found


def prepared(one: Case, folder: Path) -> Path:
    """Write the files of a case; return the folder that the command is given in."""
    home = folder / "here"
    home.mkdir()
    if one.study is not None:
        (home / STUDY).write_bytes(one.study)
    for name, content in one.files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    if one.make is not None:
        one.make(home)
    return home


def check_message(one: Case, said: str) -> None:
    """One of the problems has this place and field; all words are there, and no traceback."""
    assert said.startswith("randstudy: ")
    assert said.endswith("\n")
    assert len(said) < MOST
    assert "Traceback" not in said
    assert all(letter.isprintable() or letter == "\n" for letter in said)
    problems = said.removeprefix("randstudy: ").splitlines()
    line = "" if one.line is None else f":{one.line}"
    source = f"--set {one.sets[0][:LONGEST]}" if one.sets else f"{STUDY}{line}"
    source += "…" if one.sets and len(one.sets[0]) > LONGEST else ""
    lead = f"{source}: {one.field}: " if one.field else f"{source}: "
    meant = [problem for problem in problems if problem.startswith(lead)]
    assert meant, f"{lead!r} starts no line of\n{said}"
    missing = [words for words in one.said if not any(words in problem for problem in meant)]
    assert not missing, f"{missing} not in\n{said}"


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of change of everything in a folder."""
    found = {}
    for root, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(root, name)
            state = path.lstat()
            found[str(path)] = (0 if path.is_dir() else state.st_size, state.st_mtime_ns)
    return found


def forget_modules(home: Path) -> None:
    """Forget what was imported from a folder, so that another case may use its names."""
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(home)):
            del sys.modules[name]


def ray_runs() -> bool:
    """Tell whether Ray was started in this process."""
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())
