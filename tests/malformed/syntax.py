"""Files that are no study, or no YAML as randstudy reads it."""

from __future__ import annotations

from pathlib import Path

from tests.malformed.case import STUDY, Case, case, raw

GOOD = "training: {lr: 0.1, batch_size: 32, epochs: 1}\n"
LAUGHS = "a: &a [lol, lol]\n" + "".join(
    f"{new}: &{new} [*{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


def _folder(home: Path) -> None:
    (home / STUDY).mkdir()


def _near(home: Path) -> None:
    (home / "smal.yaml").write_text(GOOD)


def _unreadable(home: Path) -> None:
    (home / STUDY).symlink_to(home / STUDY)


SYNTAX = [
    raw("empty", "", 1, "", "is empty", "at least a training section"),
    raw("comments alone", "# nothing\n\n# here\n", 1, "", "is empty"),
    raw("null", "null\n", 1, "", "is empty"),
    raw("a list at the top", "- training: {lr: 0.1}\n", 1, "", "a study is a mapping of fields"),
    raw("text alone", "train it, please\n", 1, "", "a study is a mapping of fields"),
    raw("a tab", "training:\n\tlr: 0.1\n", 2, "", "is indented with a tab; YAML wants spaces"),
    raw("a colon in text", f"{GOOD}question: why: because\n", 2, "", "needs quotes"),
    raw(
        "an open bracket", "training: {lr: 0.1\n", 2, "", "is not YAML", "flow mapping from line 1"
    ),
    raw("an open quote", f"{GOOD}name: 'mine\n", 3, "", "is not YAML", "scalar from line 2"),
    raw("crooked indentation", "training:\n    lr: 0.1\n  epochs: 1\n", 3, "", "is not YAML"),
    raw("an unknown escape", f'{GOOD}name: "a\\qb"\n', 2, "", "is not YAML", "escape"),
    raw("a key twice", f"{GOOD}seed: 1\nseed: 2\n", 3, "seed", "written twice", "on line 2"),
    raw("an inner key twice", "training: {lr: 1, lr: 2}\n", 1, "training.lr", "written twice"),
    raw("an anchor", f"{GOOD}factors: &all {{lr: [1]}}\n", 2, "factors", "anchors (&) are not"),
    raw("an alias", f"{GOOD}seed: *one\n", 2, "seed", "*one is an alias; write the value out"),
    raw("a merged key", f"{GOOD}<<: *one\n", 2, "<<", "*one is an alias"),
    raw("a billion laughs", LAUGHS, 1, "a", "anchors (&) are not used"),
    raw("a Python object", "seed: !!python/object/apply:os.system [ls]\n", 1, "seed", "the tag"),
    raw("a tag of one's own", f"{GOOD}seed: !secret 3\n", 2, "seed", "the tag !secret is not used"),
    raw("a second document", f"{GOOD}---\n{GOOD}", 2, "", "a second document starts here"),
    raw("a key that is a list", f"{GOOD}? [1, 2]\n: 3\n", 2, "", "a key must be plain text"),
    raw("another YAML", "%YAML 3.0\n---\nseed: 1\n", 1, "", "is not YAML"),
    raw("Latin-1", f"{GOOD}question: größer?\n".encode("latin-1"), 2, "", "is not UTF-8"),
    raw("UTF-16", GOOD.encode("utf-16"), 1, "", "is not UTF-8 text; save the file as UTF-8"),
    raw("bytes of nothing", GOOD.encode() + b"\0\0", 2, "", "holds a control character"),
    raw("a bell", f"{GOOD}name: \a\n", 2, "", "holds a control character"),
    raw("a picture", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 1, "", "is not UTF-8"),
    raw("half a character", f'{GOOD}name: "\\ud800"\n', 2, "", "is not YAML"),
    raw(
        "an escape", f'{GOOD}"\\e[2Jmodle": mlp\n', 2, "\\x1b[2Jmodle", "a study has no such field"
    ),
    raw("a list a hundred thousand deep", f"seed: {'[' * 100_000}", 1, "seed", "20 deep"),
    raw("mappings a hundred thousand deep", "a: {" * 100_000, 1, "a", "20 deep"),
    raw("blocks a hundred thousand deep", "- " * 100_000, 1, "", "nested more than 20 deep"),
    raw("ten megabytes", b"key: 1\n" * 1_500_000, None, "", "is larger than 1,000,000 bytes"),
    raw(
        "thirty thousand keys",
        "".join(f"k{n}: 1\n" for n in range(30_000)),
        1,
        "k0",
        "a study has no such field",
    ),
    raw("a long key", f"{'k' * 900_000}: 1\n", 1, "", "is not YAML"),
    raw("a longer key", f"? {'k' * 900_000}\n: 1\n", 1, f"{'k' * 200}…", "no such field"),
    raw(
        "a text of a megabyte",
        f"{GOOD}name: {'n' * 900_000}\n",
        2,
        "name",
        "cannot name a study",
        "at most 100",
    ),
    raw(
        "half a million values",
        f"{GOOD}fixed: [{'1,' * 450_000}]\n",
        2,
        "fixed",
        "holds more than 100,000 values",
    ),
    Case(name="a folder", study=None, field="", said=("Is a directory",), make=_folder),
    Case(
        name="no file",
        study=None,
        field="",
        said=("there is no such file; did you mean smal.yaml?",),
        make=_near,
    ),
    Case(name="a link to itself", study=None, field="", said=("cannot be read",), make=_unreadable),
]

SETS = [
    case("no value", "", "", "write field=value, as in --set training.lr=0.05", sets=("lr",)),
    case("no field", "", "", "write field=value", sets=("=1",)),
    case("a field that is not there", "", "", "did you mean", sets=("momentun=1",)),
    case("an open list", "", "", "is not YAML", sets=("widths=[64",)),
    case("an alias set", "", "", "is an alias", sets=("seed=*a",)),
    case("a deep value", "", "[0]", "20 deep", sets=(f"seed={'[' * 5000}",)),
    case("a wrong type set", "", "training.lr", "got the text 'fast'", sets=("lr=fast",)),
    case("a path with a hole", "", "", "no field", sets=("training..lr=1",)),
]
