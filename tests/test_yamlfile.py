"""The YAML that study files are written in."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from randstudy.errors import StudyError
from randstudy.places import dotted
from randstudy.yamlfile import Document, parse, parse_value, read


def refusal(text: str) -> str:
    with pytest.raises(StudyError) as caught:
        parse(text, "x.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        ("-.5", -0.5),
        ("12", 12),
        ("+12", 12),
        ("0o17", 15),
        ("017", 17),
        ("0x1F", 31),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2020-01-01", "2020-01-01"),
        ("0b11", "0b11"),
        ("'3'", "3"),
        ('"true"', "true"),
        ("[1, a, 2.5]", [1, "a", 2.5]),
        ("{a: 1}", {"a": 1}),
        ("-.inf", float("-inf")),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    found = parse_value(text, "--set x")
    assert found == value
    assert type(found) is type(value)


def test_every_key_and_item_has_its_line() -> None:
    document = parse("a: 1\nb:\n  c: [1,\n    2]\n  d:\n    - x: 1\n      y: 2\n")
    assert document.line(("a",)) == 1
    assert document.line(("b", "c", 0)) == 3
    assert document.line(("b", "c", 1)) == 4
    assert document.line(("b", "d", 0, "y")) == 7
    assert document.line(("b", "d", 0, "nothing")) == 6
    assert document.line(("nothing",)) is None


def test_a_document_made_in_python_has_no_lines() -> None:
    assert Document({"a": 1}).line(("a",)) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "x.yaml:3: a: is written twice; the first is on line 1"),
        ("a:\n  b: 1\n  b: 2\n", "x.yaml:3: a.b: is written twice"),
        ("a: &x [1]\n", "x.yaml:1: a: anchors (&) are not used"),
        ("a: 1\nb: *x\n", "x.yaml:2: b: *x is an alias"),
        ("a:\n\tb: 1\n", "x.yaml:2: is indented with a tab"),
        ("a: 1\nb: c: d\n", "x.yaml:2: is not YAML: mapping values are not allowed"),
        ("a: [1\n", "is not YAML"),
        ("- 1\n", "x.yaml:1: a study is a mapping"),
        ("just text\n", "x.yaml:1: a study is a mapping"),
        ("", "x.yaml:1: is empty"),
        ("# only a comment\n", "x.yaml:1: is empty"),
        ("a: 1\n---\nb: 1\n", "x.yaml:2: a second document"),
        ("a: !!str 1\n", "x.yaml:1: a: the tag"),
        ("a: !!python/object/apply:os.system [ls]\n", "x.yaml:1: a: the tag"),
        ("? [1]\n: 2\n", "x.yaml:1: a key must be plain text"),
        ("a: 1\nb: \x01\n", "x.yaml:2: holds a control character"),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_its_line(text: str, expected: str) -> None:
    assert expected in refusal(text)


def test_all_duplicates_are_told_at_once() -> None:
    assert len(refusal("a: 1\na: 2\nb: 1\nb: 2\n").splitlines()) == 2


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 400_000,
        "a: [" + "*x," * 300_000 + "]",
        "a: [" + "1," * 450_000 + "]",
        "a: &a [x,x]\n" + "".join(f"b{i}: &b{i} [*a,*a]\n" for i in range(1000)),
    ],
    ids=["nesting", "aliases", "values", "bomb"],
)
def test_hostile_files_are_refused_quickly(text: str) -> None:
    start = time.perf_counter()
    assert "x.yaml:1: a" in refusal(text)
    assert time.perf_counter() - start < 5


def test_a_number_too_long_for_a_number_is_text() -> None:
    assert parse_value("9" * 5000, "") == "9" * 5000


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    large, latin, folder = tmp_path / "large.yaml", tmp_path / "latin.yaml", tmp_path / "folder"
    large.write_bytes(b"a" * 10_000_000)
    latin.write_bytes("a: 1\nquestion: größer?\n".encode("latin-1"))
    folder.mkdir()
    cases = {
        large: "large.yaml: is larger than 1,000,000 bytes",
        latin: "latin.yaml:2: is not UTF-8",
        folder: "folder: cannot be read: Is a directory",
        tmp_path / "larg.yaml": "there is no such file; did you mean large.yaml?",
        tmp_path / "no" / "such.yaml": "the folder",
    }
    for path, expected in cases.items():
        with pytest.raises(StudyError) as caught:
            read(path)
        assert expected in str(caught.value)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: 1\n", encoding="utf-8-sig")
    assert read(path).value == {"a": 1}


def test_paths_are_written_dotted() -> None:
    assert dotted(("exclude", 1, "init")) == "exclude[1].init"
