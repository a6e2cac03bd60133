"""Downloads, from a server on this machine that can be told to fail as servers do."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from randstudy.cli import main
from randstudy.downloads import COLLECTIONS, Collection, Remote, collection, get, listed
from randstudy.errors import RandstudyError

CONTENT = np.random.default_rng(5).bytes(700_000)


@dataclass
class Served:
    """What the server has and does, and what it was asked.

    `breaks` lists after how many bytes the next answers break off; `ranges` is whether it can send
    a part of a file.
    """

    files: dict[str, bytes]
    ranges: bool = True
    breaks: list[int] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    address: str = ""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, served: Served, *arguments: object) -> None:
        self.served = served
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        span = self.headers.get("Range")
        self.served.asked.append((self.path, span))
        content = self.served.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = int(span.removeprefix("bytes=").rstrip("-")) if span and self.served.ranges else 0
        body = content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        most = self.served.breaks.pop(0) if self.served.breaks else len(body)
        self.wfile.write(body[:most])
        self.close_connection = True

    def log_message(self, *_arguments: object) -> None:
        """Say nothing on standard error."""


@contextmanager
def serving(files: dict[str, bytes], **does: object) -> Iterator[Served]:
    served = Served(files, **does)  # type: ignore[arg-type]
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, served)) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        served.address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()


def remote(served: Served, *, content: bytes = CONTENT, name: str = "a.bin") -> Remote:
    sha256 = hashlib.sha256(content).hexdigest()
    return Remote(name, len(content), sha256, (f"{served.address}/{name}",))


def wanting(*files: Remote) -> Collection:
    return Collection("a", "bytes", "there", files)


def test_a_file_comes_whole_and_is_not_asked_for_again(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    with serving({"/a.bin": CONTENT}) as served:
        wanted = wanting(remote(served))
        folder = get(wanted, tmp_path, lambda *told: seen.append(told))
        assert get(wanted, tmp_path) == folder == tmp_path / "there"
        assert served.asked == [("/a.bin", None)]
    assert (folder / "a.bin").read_bytes() == CONTENT
    assert [path.name for path in folder.iterdir()] == ["a.bin"]
    assert seen[-1] == ("a.bin", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_a_broken_transfer_goes_on_where_it_broke_off(tmp_path: Path) -> None:
    with serving({"/a.bin": CONTENT}, breaks=[300_000, 200_000]) as served:
        get(wanting(remote(served)), tmp_path)
        spans = [span for _, span in served.asked]
    assert spans[0] is None
    starts = [int(span.removeprefix("bytes=")[:-1]) for span in spans[1:] if span]
    assert len(starts) == 2
    assert 0 < starts[0] <= 300_000 < starts[1] <= 500_000
    assert (tmp_path / "there" / "a.bin").read_bytes() == CONTENT


def test_what_came_is_kept_for_the_next_command(tmp_path: Path) -> None:
    with serving({"/a.bin": CONTENT}, breaks=[200_000, 100_000, 100_000]) as served:
        wanted = wanting(remote(served))
        with pytest.raises(RandstudyError, match=r"broke off .*\n.*run this again to go on"):
            get(wanted, tmp_path)
        part = tmp_path / "there" / "a.bin.part"
        there = part.stat().st_size
        assert there > 300_000
        assert part.read_bytes() == CONTENT[:there]
        get(wanted, tmp_path)
        assert served.asked[-1] == ("/a.bin", f"bytes={there}-")
    assert (tmp_path / "there" / "a.bin").read_bytes() == CONTENT
    assert not part.exists()


def test_a_server_that_cannot_send_parts_sends_all(tmp_path: Path) -> None:
    with serving({"/a.bin": CONTENT}, breaks=[300_000], ranges=False) as served:
        get(wanting(remote(served)), tmp_path)
        assert len(served.asked) == 2
    assert (tmp_path / "there" / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("leftover", [b"stale", b"x" * (len(CONTENT) + 5), b"y" * len(CONTENT)])
def test_leftovers_of_another_file_do_no_lasting_harm(tmp_path: Path, leftover: bytes) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "a.bin.part").write_bytes(leftover)
    with serving({"/a.bin": CONTENT}) as served:
        get(wanting(remote(served)), tmp_path)
    assert (folder / "a.bin").read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    with (
        serving({"/a.bin": CONTENT[:-1] + b"?"}) as served,
        pytest.raises(RandstudyError, match=r"/a\.bin: has another checksum") as error,
    ):
        get(wanting(remote(served)), tmp_path)
    assert error.value.exit_code == 2
    assert [*(tmp_path / "there").iterdir()] == []


def test_a_file_that_is_there_is_replaced_only_by_the_right_one(tmp_path: Path) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "a.bin").write_bytes(b"mine")
    with serving({"/a.bin": b"wrong"}) as served:
        wanted = wanting(remote(served))
        with pytest.raises(RandstudyError):
            get(wanted, tmp_path)
        assert (folder / "a.bin").read_bytes() == b"mine"
        served.files["/a.bin"] = CONTENT
        get(wanted, tmp_path)
    assert (folder / "a.bin").read_bytes() == CONTENT


def test_the_next_address_is_tried(tmp_path: Path) -> None:
    with serving({"/a.bin": CONTENT}) as served:
        file = remote(served)
        get(wanting(replace(file, addresses=(f"{served.address}/b", *file.addresses))), tmp_path)
        assert [path for path, _ in served.asked] == ["/b", "/a.bin"]


def test_no_network_is_one_clear_error(tmp_path: Path) -> None:
    with serving({}) as served:
        file = remote(served)
        with pytest.raises(RandstudyError, match="the server says 404"):
            get(wanting(file), tmp_path)
    with pytest.raises(RandstudyError, match="Is there a network"):
        get(wanting(file), tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("a file")
    with serving({"/a.bin": CONTENT}) as served:
        with pytest.raises(RandstudyError, match=f"{tmp_path / 'there'}: cannot be written"):
            get(wanting(remote(served)), tmp_path)
        assert served.asked == []


def packed(members: dict[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return whole.getvalue()


def test_an_archive_is_unpacked_checked_and_removed(tmp_path: Path) -> None:
    members = {"in/a": b"alpha", "in/b": b"beta", "../evil": b"no"}
    archive = packed(members)
    with serving({"/a.tar.gz": archive}) as served:
        file = remote(served, content=archive, name="a.tar.gz")
        named = tuple((n, hashlib.sha256(members[n]).hexdigest()) for n in ("in/a", "in/b"))
        wanted = replace(wanting(file), members=named)
        folder = get(wanted, tmp_path)
        get(wanted, tmp_path)
        assert len(served.asked) == 1
        # A member that was spoilt is had again.
        (folder / "in" / "b").write_bytes(b"spoilt")
        get(wanted, tmp_path)
        assert len(served.asked) == 2
        wrong = replace(wanted, members=(("in/a", "0" * 64),))
        with pytest.raises(RandstudyError, match=r"in/a: not what it should be"):
            get(wrong, tmp_path / "other")
    found = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == {"a": b"alpha", "b": b"beta"}
    assert not list(tmp_path.rglob("evil"))


def test_what_is_to_be_had_by_hand_says_how(tmp_path: Path) -> None:
    with pytest.raises(RandstudyError, match=r"mnist1d cannot be downloaded: .*numpy\.savez"):
        get(collection("mnist1d"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(RandstudyError, match="'mnits'; did you mean mnist"):
        collection("mnits")


def real() -> Path:
    root = Path(__file__).parents[2] / "shared" / "data"
    if not root.is_dir():
        pytest.skip(f"no real data sets in {root}")
    return root


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_the_catalogue_is_true_to_the_real_files(name: str, tmp_path: Path) -> None:
    """The real bytes, from a server on this machine in place of the catalogue's addresses."""
    known = COLLECTIONS[name]
    source = real() / known.folder
    small = [file for file in known.files if file.size < 5_000_000]
    for file in known.files:
        content = (source / file.name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size, file.sha256)
    with serving({f"/{f.name}": (source / f.name).read_bytes() for f in small}) as served:
        files = tuple(replace(f, addresses=(f"{served.address}/{f.name}",)) for f in small)
        folder = get(replace(known, files=files), tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == sorted(f.name for f in small)


def test_data_list_says_where_each_set_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANDSTUDY_DATA", str(tmp_path))
    (tmp_path / "mnist").mkdir()
    for file in COLLECTIONS["mnist"].files:
        (tmp_path / "mnist" / file.name).write_bytes(b"")
    assert main(["data", "list"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert str(tmp_path / "mnist") in lines["mnist"]
    assert "11.6" in lines["mnist"]
    assert "missing: randstudy data get cifar10" in lines["cifar10"]
    assert "with randstudy" in lines["digits"]
    assert "your own" in lines["table"]
    assert {one.name for one in listed()} >= {*COLLECTIONS}


def test_data_get_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving({"/a.bin": CONTENT}) as served:
        monkeypatch.setitem(COLLECTIONS, "a", wanting(remote(served)))
        assert main(["data", "get", "a", "--folder", str(tmp_path)]) == 0
        out, err = capsys.readouterr()
        assert f"a: {tmp_path / 'there'}" in out
        assert f"RANDSTUDY_DATA={tmp_path}" in out
        assert err == ""
        monkeypatch.setenv("RANDSTUDY_DATA", str(tmp_path / "root"))
        assert main(["data", "get", "a"]) == 0
        assert (tmp_path / "root" / "there" / "a.bin").read_bytes() == CONTENT
    assert main(["data", "get", "nothing"]) == 2
    assert "no data set to get is called 'nothing'" in capsys.readouterr().err
