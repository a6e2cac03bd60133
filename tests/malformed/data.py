"""Data files that are damaged, or no such data; settings that do not fit them."""

from __future__ import annotations

import gzip
import io
import lzma
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from randstudy.tasks.cifar import RECORD, TEST, TRAIN
from randstudy.tasks.idx import FILES as IDX
from tests.malformed.case import Case, Files, Make, case

TABLE = "a,b,kind\n" + "".join(f"{n},{n * n}.5,{'xy'[n % 2]}\n" for n in range(30))
PATTERN = np.arange(20) % 2


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    """Return an IDX file of bytes."""
    sizes = np.array(array.shape, ">u4").tobytes()
    return bytes((0, 0, 8, array.ndim)) + sizes + array.tobytes()


def idx_files(changed: dict[str, bytes]) -> Files:
    """Return four small packed IDX files, some of them replaced."""
    found = {}
    for count, (images, labels) in zip((60, 20), IDX.values(), strict=True):
        pixels = np.zeros((count, 28, 28), np.uint8)
        for name, array in ((images, pixels), (labels, np.arange(count, dtype=np.uint8) % 10)):
            found[f"files/{name}.gz"] = gzip.compress(idx_bytes(array), mtime=0)
    return found | {f"files/{name}.gz": content for name, content in changed.items()}


def _idx(name: str, file: str, content: bytes, *said: str) -> Case:
    """Return the case of one of the IDX files holding this."""
    text = "data: {name: mnist, folder: files, validation: 10}  # !"
    return case(name, text, "data", f"{file}.gz: ", *said, files=idx_files({file: content}))


def _cifar(name: str, file: str, content: bytes, *said: str) -> Case:
    """Return the case of one of CIFAR's files holding this."""
    body = np.zeros((10, RECORD), np.uint8).tobytes()
    files = {f"files/{one}": body for one in (*TRAIN, TEST)} | {f"files/{file}": content}
    plain = file.removesuffix(".gz").removesuffix(".xz")
    if plain != file:
        del files[f"files/{plain}"]
    text = "data: {name: cifar10, folder: files, validation: 7}  # !"
    return case(name, text, "data", f"{file}: ", *said, files=files)


def _table(
    name: str, content: str | bytes, *said: str, more: str = "", file: str = "t.csv"
) -> Case:
    """Return the case of a table that holds this; `more` are settings."""
    text = f"data: {{name: table, file: {file}, target: kind{more}}}  # !"
    return case(name, text, "data", *said, files={file: content})


def _settings(name: str, fields: str, field: str, *said: str) -> Case:
    """Return the case of a good table with these settings."""
    text = f"data: {{name: table, {fields}}}  # !"
    return case(name, text, f"data.{field}" if field else "data", *said, files={"t.csv": TABLE})


def _parquet(**columns: Any) -> bytes:
    target = io.BytesIO()
    pq.write_table(pa.table({"kind": ["x", "y"] * 10, **columns}), target)
    return target.getvalue()


def npz_bytes(**changed: Any) -> bytes:
    """Return a .npz file of x (20, 2) and y (20,), with some arrays replaced."""
    target = io.BytesIO()
    np.savez(target, **{"x": np.ones((20, 2)), "y": PATTERN, **changed})
    return target.getvalue()


def _zip(**members: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return target.getvalue()


def _header(shape: tuple[int, ...]) -> bytes:
    """Return a .npy file that says it holds this shape, and holds nothing."""
    target = io.BytesIO()
    told = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(target, told)
    return target.getvalue()


def _npz(name: str, content: bytes, *said: str, more: str = "") -> Case:
    """Return the case of an .npz file that holds this."""
    text = f"data: {{name: npz, file: a.npz{more}}}  # !"
    return case(name, text, "data", *said, files={"a.npz": content})


def _pictures(home: Path) -> None:
    for number in range(6):
        for kind in ("cat", "dog"):
            path = home / "pets" / kind / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (8, 8), 40 * number).save(path)


def _one_class(home: Path) -> None:
    _pictures(home)
    (home / "pets" / "dog").rename(home / "dog")


def _no_image(home: Path) -> None:
    _pictures(home)
    (home / "pets" / "eel").mkdir()


def _spoilt(content: bytes) -> Make:
    def make(home: Path) -> None:
        _pictures(home)
        (home / "pets" / "cat" / "3.png").write_bytes(content)

    return make


def _cut(home: Path) -> None:
    _pictures(home)
    path = home / "pets" / "cat" / "3.png"
    path.write_bytes(path.read_bytes()[:45])


def _lost(home: Path) -> None:
    _pictures(home)
    (home / "pets" / "cat" / "9.png").symlink_to(home / "nowhere.png")


def _images(name: str, make: Make | None, *said: str, more: str = "") -> Case:
    text = f"data: {{name: image_folder, images: pets{more}}}  # !"
    return case(name, text, "data", *said, make=make)


TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = (
    name for pair in IDX.values() for name in pair
)
PACKED = gzip.compress(idx_bytes(np.zeros((60, 28, 28), np.uint8)), mtime=0)
HUGE = bytes((0, 0, 8, 3)) + b"\xff" * 12
BOMB = gzip.compress(b"\0" * 50_000_000)

IDX_FILES = [
    _idx("cut in the middle", TRAIN_IMAGES, PACKED[: len(PACKED) // 2], "damaged or cut short"),
    _idx("no end", TRAIN_IMAGES, PACKED[:-3], "damaged or cut short", "download it again"),
    _idx("nothing", TEST_LABELS, b"", "cut short"),
    _idx("a page", TEST_LABELS, b"<html>404</html>", "damaged or cut short (Not a gzipped file"),
    _idx("a flipped sum", TRAIN_IMAGES, PACKED[:-6] + b"\1\1\1\1\1\1", "damaged or cut short"),
    _idx(
        "wrong magic",
        TRAIN_LABELS,
        gzip.compress(b"\x89PNG\r\n\x1a\n"),
        "not an IDX file",
        "89504e47",
    ),
    _idx(
        "images as labels",
        TRAIN_LABELS,
        PACKED,
        "not an IDX file of 1-dimensional bytes: it begins with 00000803, not 00000801",
    ),
    _idx("sizes beyond reason", TRAIN_IMAGES, gzip.compress(HUGE), "4294967295"),
    _idx("a bomb", TRAIN_IMAGES, BOMB, "not an IDX file"),
    _idx(
        "more labels than images",
        TEST_LABELS,
        gzip.compress(idx_bytes(np.zeros(21, np.uint8))),
        "21 labels for the 20 images",
        "do not belong together",
    ),
    _idx(
        "an eleventh class",
        TEST_LABELS,
        gzip.compress(idx_bytes(np.full(20, 10, np.uint8))),
        "has a label 10; labels are 0 to 9",
    ),
    _idx(
        "larger images",
        TEST_IMAGES,
        gzip.compress(idx_bytes(np.zeros((20, 32, 32), np.uint8))),
        "32 x 32 pixels, not 28 x 28",
    ),
    _idx(
        "a body too short",
        TRAIN_IMAGES,
        gzip.compress(idx_bytes(np.zeros((60, 28, 28), np.uint8))[:-1]),
        "where its header states 47040",
    ),
    case("no folder", "data: {name: mnist, folder: nowhere}  # !", "data", "no file", "nowhere"),
    case("a long folder", f"data: {{name: mnist, folder: {'f' * 5000}}}  # !", "data", "too long"),
    case(
        "a stranger's folder",
        "data: {name: mnist, folder: ~nobody-here/a}  # !",
        "data",
        "Write the folder",
    ),
    case("no files", "data: mnist  # !", "data", "randstudy data get mnist", "RANDSTUDY_DATA"),
    case(
        "nothing left to train on",
        "data: {name: mnist, folder: files, validation: 60}  # !",
        "data.validation",
        "60 leaves nothing of 60 training examples",
        files=idx_files({}),
    ),
]

CIFAR = [
    _cifar("a short record", TRAIN[0], b"\0" * (RECORD - 1), "not a whole number of records"),
    _cifar("nothing", TEST, b"", "holds 0 bytes", "download it again"),
    _cifar("a label of 11", TRAIN[2], b"\x0b" + b"\0" * (RECORD - 1), "has a label 11"),
    _cifar("a pickle", TRAIN[1], b"\x80\x04\x95" + b"a" * 100, "not of CIFAR-10's binary version"),
    _cifar("cut", f"{TEST}.xz", lzma.compress(b"\0" * RECORD)[:-9], "damaged or cut short"),
    _cifar("not packed", f"{TEST}.gz", b"\0" * RECORD, "damaged or cut short"),
    case("some files", "data: {name: cifar10, folder: files}  # !", "data", "no file data_batch_2",
         files={f"files/{TRAIN[0]}": b"\0" * RECORD}),
]  # fmt: skip

TABLES = [
    _table("nothing", "", "t.csv: is empty"),
    _table("a header alone", "a,b,kind\n", "t.csv: holds no rows"),
    _table(
        "NaN", TABLE.replace("\n5,", "\nNaN,"), "line 7: column 'a' has no value ('NaN')", "fill"
    ),
    _table("an empty cell", TABLE.replace("\n5,", "\n,"), "line 7: column 'a' has no value; fill"),
    _table(
        "infinity", TABLE.replace("\n5,", "\ninf,"), "column 'a' has no finite number in example 6"
    ),
    _table("beyond float32", TABLE.replace("\n5,", "\n1e39,"), "column 'a' has no finite number"),
    _table(
        "a word", TABLE.replace("\n5,", "\nfive,"), "column 'a' is text", "name it in categorical"
    ),
    _table("a column twice", TABLE.replace("a,b,", "a,a,"), "column 'a' stands there twice"),
    _table("a nameless column", TABLE.replace("a,b,", "a,,"), "column 2 has no name"),
    _table(
        "a short line", TABLE.replace("\n5,25.5,", "\n5,"), "line 7 has 2 values where line 1 has 3"
    ),
    _table(
        "a long line", TABLE.replace("\n5,", "\n5,5,"), "line 7 has 4 values where line 1 has 3"
    ),
    _table("an open quote", TABLE.replace("\n5,", '\n"5,'), "not a table"),
    _table("one class", TABLE.replace(",y", ",x"), "'kind' holds only x", "two or more"),
    _table(
        "a class a row", "a,kind\n" + "".join(f"{n},k{n}\n" for n in range(9)), "9 classes in 9"
    ),
    _table("four rows", "a,kind\n1,x\n2,y\n3,x\n4,y\n", "4 rows, too few to split in three"),
    _table(
        "Latin-1", TABLE.replace("x", "ß").encode("latin-1"), "not UTF-8 (byte", "save it as UTF-8"
    ),
    _table("UTF-16", TABLE.encode("utf-16"), "not UTF-8"),
    _table("zero bytes", b"\0" * 4096, "zero bytes"),
    _table("a picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 99, "not UTF-8"),
    _table(
        "a field of a megabyte", f'a,kind\n"{"1" * 1_000_000}",x\n', "not a table (field larger"
    ),
    _table("no target", TABLE.replace("kind", "sort"), "has no column 'kind'"),
    _table(
        "a cut file", gzip.compress(TABLE.encode())[:-20], "damaged or cut short", file="t.csv.gz"
    ),
    _table("a false file", TABLE, "damaged or cut short (Not a gzipped file", file="t.csv.gz"),
    _table("a cut parquet", _parquet(a=range(20))[:-40], "not a whole Parquet", file="t.parquet"),
    _table("a false parquet", TABLE, "not a whole Parquet file", file="t.parquet"),
    _table("an empty parquet", b"", "not a whole Parquet file", file="t.parquet"),
    _table(
        "a hole in a parquet",
        _parquet(a=[None, *[1.0] * 19]),
        "column 'a' has no value in row 1",
        file="t.parquet",
    ),
    _table(
        "NaN in a parquet",
        _parquet(a=[float("nan"), *[1.0] * 19]),
        "column 'a' has no finite number in example 1",
        file="t.parquet",
    ),
    _table(
        "lists in a parquet",
        _parquet(a=[[1, 2]] * 20),
        "column 'a' holds list",
        "neither numbers nor text; drop it",
        file="t.parquet",
    ),
    _settings(
        "no such file", "file: tt.csv, target: kind", "", "there is no tt.csv", "mean t.csv?"
    ),
    _settings("no target said", "file: t.csv", "target", "is missing: column to predict"),
    _settings("an absolute path", "file: /etc/passwd, target: kind", "file", "write folder: /etc"),
    _settings("a path upwards", "file: ../here/t.csv, target: kind", "file", "says where it lies"),
    _settings("a path home", "file: ~/t.csv, target: kind", "file", "says where it lies"),
    _settings("no name", "file: '', target: kind", "file", "is empty; name the file"),
    _settings("a long folder", f"file: t.csv, folder: {'t' * 5000}, target: kind", "", "too long"),
    _settings("a zero byte", 'file: "t\\0.csv", target: kind', "", "t\\x00.csv"),
    _settings("a long name", f"file: {'t' * 5000}, target: kind", "", "File name too long"),
    _settings("a zero folder", 'file: t.csv, folder: "a\\0", target: kind', "", "a\\x00"),
    _settings(
        "a nobody's home", "file: t.csv, folder: ~nobody-here/a, target: kind", "", "nobody-here"
    ),
    _settings("a folder", "file: ., target: kind", "", "is a folder; name a file in it"),
    _settings("text to count", "file: t.csv, target: kind, task: number", "", "is text ('x')"),
    _settings("whole numbers", "file: t.csv, target: a", "", "say task: class or task: number"),
    _settings("no such column", "file: t.csv, target: b, drop: [knd]", "", "did you mean kind?"),
    _settings("both", "file: t.csv, target: kind, features: [a], drop: [b]", "drop", "not both"),
    _settings("twice", "file: t.csv, target: kind, features: [a, a]", "features", "column twice"),
    _settings("itself", "file: t.csv, target: a, features: [a]", "target", "is no input anyway"),
    _settings("no input", "file: t.csv, target: kind, drop: [a, b]", "", "no column left"),
]

ARRAYS = [
    _npz("nothing", b"", "a.npz: ", "write it again"),
    _npz("cut", npz_bytes()[:-30], "not a whole .npz file"),
    _npz("a page", b"<html>404</html>", "not a whole .npz file"),
    _npz("a flipped byte", npz_bytes()[:200] + b"\xff\xfe" + npz_bytes()[202:], "write it again"),
    _npz("no array", npz_bytes(), "has no array called 'z'", more=", inputs: z"),
    _npz("other lengths", npz_bytes(y=PATTERN[:19]), "x holds 20 examples and y 19"),
    _npz("NaN", npz_bytes(x=np.full((20, 2), np.nan)), "x has no finite number in example 1"),
    _npz("text", npz_bytes(y=np.array(["a"] * 20)), "not plain numbers"),
    _npz("pickles", npz_bytes(y=np.array([{}] * 20)), "not a whole .npz file of plain numbers"),
    _npz("one class", npz_bytes(y=PATTERN * 0), "y holds only 0"),
    _npz("a scalar", npz_bytes(y=np.float64(1)), "y holds no examples"),
    _npz("no examples", npz_bytes(x=np.zeros((0, 2)), y=np.zeros(0)), "holds no examples"),
    _npz("no values", npz_bytes(x=np.zeros((20, 0))), "x has shape (20, 0): no values at all"),
    _npz("one-hot", npz_bytes(y=np.eye(20)), "one target an example"),
    _npz("complex", npz_bytes(x=np.ones((20, 2)) * 1j), "not plain numbers"),
    _npz("another shape", npz_bytes(), "input_shape [7] does not fit", more=", input_shape: [7]"),
    _npz("no .npy within", _zip(x=b"hello", y=b"you"), "a.npz: x is no array"),
    _npz("terabytes claimed", _zip(x=_header((1 << 40, 2)), y=_header((20,))), "a.npz: "),
]

IMAGES = [
    _images("no folder", None, "there is no pets in"),
    _images(
        "a file", lambda home: (home / "pets").write_text("x") and None, "pets: cannot be read"
    ),
    _images("an empty folder", lambda home: (home / "pets").mkdir(), "pets: holds 0 folders"),
    _images("one class", _one_class, "holds 1 folders", "as cat/1.png and dog/1.png"),
    _images("a class without images", _no_image, "eel: holds no image (.png, .jpg)"),
    _images("a cut image", _cut, "3.png: not a whole image", "replace or remove it"),
    _images("text", _spoilt(b"hello"), "3.png: not a whole image"),
    _images("an empty image", _spoilt(b""), "3.png: not a whole image"),
    _images("a lost image", _lost, "9.png"),
]
