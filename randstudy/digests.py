"""What people's own code said when an outcome was made: digests of its source files.

Code is known by its name in a study, ``package.module:thing``, so its text stands beside an outcome
as provenance: a changed file makes outcomes stale. Free of torch.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import re
import sys
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

NAMED = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
"""How a study names code of somebody's own."""

MOST_FILES = 1000
"""Files that one module is followed into; nobody's own code has more."""

OURS = "randstudy"


def own_modules(value: Any) -> frozenset[str]:
    """Return the modules of the parts and functions from outside randstudy that a recipe names."""
    return frozenset(_modules(value))


def source_digest(value: Any) -> str:
    """Return 16 hex digits over the source of all own code that a recipe names, "" for none.

    The modules named, and what these import from beside themselves; not installed packages.
    """
    modules = sorted(own_modules(value))
    if not modules:
        return ""
    digest = blake2b(digest_size=8, person=b"randstudy.source")
    for module in modules:
        for name, content in sorted(_sources(module).items()):
            digest.update(f"{name}\0".encode() + content)
    return digest.hexdigest()


def provenance(value: Any) -> dict[str, str]:
    """Return ``source_digest`` as provenance; nothing for a recipe of randstudy's own parts."""
    found = source_digest(value)
    return {"source_digest": found} if found else {}


def folders(value: Any) -> tuple[str, ...]:
    """Return the folders that a process must search to import a recipe's own modules."""
    roots = (_root(module) for module in sorted(own_modules(value)))
    return tuple(dict.fromkeys(str(root) for root in roots if root and root not in _installed()))


def _modules(value: Any) -> Iterator[str]:
    """Yield the modules of own code in nested dataclasses."""
    if isinstance(value, str):
        if NAMED.fullmatch(value):
            yield from _named(value.partition(":")[0])
    elif isinstance(value, tuple):
        for item in value:
            yield from _modules(item)
    elif dataclasses.is_dataclass(value):
        owner = type(value)
        yield from _named(owner.__module__)
        # A model names its tensor program by text, perhaps of another module.
        yield from _modules(getattr(owner, "program", None))
        for field in dataclasses.fields(value):
            yield from _modules(getattr(value, field.name))


def _named(module: str) -> Iterator[str]:
    """Yield a module that is somebody's own and has a source."""
    if module.partition(".")[0] not in (OURS, "types") and _origin(module) is not None:
        yield module


def _origin(module: str) -> Path | None:
    """Return the file of a module."""
    loaded = sys.modules.get(module)
    file = getattr(loaded, "__file__", None)
    if loaded is None:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            return None
        file = spec.origin if spec is not None and spec.has_location else None
    return Path(file).resolve() if file else None


def _root(module: str) -> Path | None:
    """Return the folder from which a module is imported."""
    file = _origin(module)
    if file is None:
        return None
    depth = module.count(".") + (file.name == "__init__.py")
    return file.parents[depth]


@lru_cache(maxsize=1)
def _installed() -> frozenset[Path]:
    """Return the folders of Python's own and of installed packages."""
    return frozenset(Path(path).resolve() for path in sysconfig.get_paths().values())


def _sources(module: str) -> dict[str, bytes]:
    """Return relative path -> content of a module's file and of those it imports beside it."""
    file, root = _origin(module), _root(module)
    if file is None or root is None:
        return {}
    top = module.partition(".")[0] if root in _installed() else None
    found: dict[str, bytes] = {}
    waiting = [file]
    while waiting and len(found) < MOST_FILES:
        path = waiting.pop()
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        if name in found:
            continue
        try:
            found[name] = path.read_bytes()
        except OSError:
            continue
        if path.suffix == ".py":
            waiting += _imported(found[name], path, root, top)
    return found


def _imported(content: bytes, path: Path, root: Path, top: str | None) -> list[Path]:
    """Return the files under `root` that a module imports; of the package `top` only, if given."""
    return [
        file
        for name in _names(content, path.relative_to(root).parts[:-1])
        if name[:1] != (OURS,) and top in (None, *name[:1])
        for file in (root.joinpath(*name).with_suffix(".py"), root.joinpath(*name, "__init__.py"))
        if name and file.is_file()
    ]


@lru_cache(maxsize=1024)
def _names(content: bytes, package: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Return the modules that source in `package` may import, and the packages around them."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return ()
    found: dict[tuple[str, ...], None] = {}
    for node in ast.walk(tree):
        named: list[tuple[str, ...]] = []
        if isinstance(node, ast.Import):
            named = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else ()
            stem = above + tuple((node.module or "").split(".") if node.module else ())
            named = [(*stem, alias.name) for alias in node.names]
        for name in named:
            found |= dict.fromkeys(name[:end] for end in range(1, len(name) + 1))
    return tuple(found)
