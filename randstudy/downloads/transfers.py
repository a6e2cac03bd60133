"""One file from the network, going on where an earlier transfer broke off."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from randstudy.downloads.catalogue import Remote

BLOCK = 1 << 16
TRIES = 3
TIMEOUT = 30
"""Seconds without a byte after which a transfer counts as broken off."""


class Progress(Protocol):
    """Is told how far a transfer is."""

    def __call__(self, name: str, done: int, total: int) -> None:
        """Note that `done` of `total` bytes of a file are there."""


class TransferError(Exception):
    """A transfer that did not come to its end."""


class Resuming:
    """A downloader for pooch that keeps what came, and asks only for the rest."""

    def __init__(self, part: Path, file: Remote, progress: Progress) -> None:
        self.part = part
        self.file = file
        self.progress = progress

    def __call__(
        self, url: str, output_file: str, pooch: object, check_only: bool = False
    ) -> bool | None:
        """Download `url` to `output_file`, going on from the kept part.

        Raises
        ------
        TransferError
            The server refused, or the transfer broke off `TRIES` times; what came is kept.
        """
        import requests

        for attempt in range(TRIES):
            try:
                self._transfer(url)
                os.replace(self.part, output_file)
                return None
            except requests.HTTPError as error:
                raise TransferError(f"the server says {error.response.status_code}") from error
            except requests.RequestException as error:
                if attempt == TRIES - 1:
                    raise TransferError(f"broke off ({type(error).__name__})") from error
        return None

    def _transfer(self, url: str) -> None:
        """Append what is missing to the part, or start anew where the server sends all."""
        import requests

        start = self.part.stat().st_size if self.part.exists() else 0
        if start == self.file.size:
            return
        if start > self.file.size:
            start = 0
        # Of compressed transfers no byte range would be one of the file.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
            answer.raise_for_status()
            span = answer.headers.get("Content-Range", "")
            goes_on = answer.status_code == 206 and span.startswith(f"bytes {start}-")
            done = start if goes_on else 0
            total = done + int(answer.headers.get("Content-Length", self.file.size - done))
            if total != self.file.size:
                raise TransferError(f"has {total:,} bytes, not {self.file.size:,}")
            with self.part.open("ab" if goes_on else "wb") as file:
                for block in answer.iter_content(BLOCK):
                    file.write(block)
                    done += len(block)
                    self.progress(self.file.name, done, self.file.size)
        if done < self.file.size:
            raise requests.ConnectionError(f"{done} of {self.file.size} bytes came")


@contextmanager
def bar() -> Iterator[Progress]:
    """Yield a progress that is drawn on standard error, if that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as Drawn

    look = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with Drawn(*look, console=console, disable=not console.is_terminal) as drawn:
        tasks: dict[str, Any] = {}

        def told(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = drawn.add_task(name, total=total)
            drawn.update(tasks[name], completed=done)

        yield told
