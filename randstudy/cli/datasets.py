"""Commands about data sets: data list, data get."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

MEGA = 1e6


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    text = "list data sets, and download those that are to be had"
    top = commands.add_parser("data", help=text, description=text)
    actions = top.add_subparsers(title="actions", metavar="ACTION", required=True)

    text = "list data sets, and where they are"
    listing = actions.add_parser("list", help=text, description=text)
    listing.set_defaults(command=_list)

    text = "download a data set"
    get = actions.add_parser("get", help=text, description=text)
    get.add_argument("name", metavar="NAME", help="as data list names it")
    get.add_argument(
        "--folder",
        type=Path,
        metavar="DIR",
        help="what its folder is put in (default: RANDSTUDY_DATA, else ~/.local/share/randstudy)",
    )
    get.set_defaults(command=_get)


def _list(_options: argparse.Namespace) -> int:
    from randstudy.downloads import listed

    rows = [("name", "what", "MB", "where")]
    for one in listed():
        size = f"{one.size / MEGA:.1f}" if one.size else ""
        rows.append((one.name, one.what, size, one.where))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for name, what, size, where in rows:
        print(f"{name:<{widths[0]}}  {what:<{widths[1]}}  {size:>{widths[2]}}  {where}")
    return 0


def _get(options: argparse.Namespace) -> int:
    from randstudy.downloads import bar, collection, get
    from randstudy.tasks.files import data_root

    usual = data_root()
    root = usual if options.folder is None else options.folder.expanduser().absolute()
    wanted = collection(options.name)
    with bar() as progress:
        folder = get(wanted, root, progress)
    print(f"{wanted.name}: {folder}")
    if root != usual:
        print(f"studies find it there with RANDSTUDY_DATA={root}")
    return 0
