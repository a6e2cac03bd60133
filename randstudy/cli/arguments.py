"""What the commands have in common: a study, a store, and fields that are set."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from randstudy.study import Study


def command(commands: Any, name: str, text: str, function: Any) -> argparse.ArgumentParser:
    """Add a command that takes a study, a store and overrides."""
    found: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    found.set_defaults(command=function)
    found.add_argument("study", metavar="STUDY", type=Path, help="a study file")
    folder = "folder of the ledger (default: %(default)s)"
    found.add_argument("--store", type=Path, default=Path("results"), metavar="DIR", help=folder)
    found.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        dest="overrides",
        help="set a field of the study, as if written in the file; repeatable",
    )
    return found


def named(options: argparse.Namespace) -> tuple[Study, Path]:
    """Return the study and the store that were named."""
    from randstudy.study import Study

    return Study.load(options.study, options.overrides), options.store.resolve()
