"""JSON of any kind: read with bounded work, or refused with one kind of error."""

import json
import math
import os

import pytest

from drumjax.system.strict_json import MAX_BYTES, MAX_DEPTH, JsonError, parse_json, read_json, to_strict_json


@pytest.mark.parametrize("value", [{}, [1, 2.5, "ä", None, True], {"a": [{"b": -(2**63)}]}, 2**63 - 1])
def test_what_is_written_is_read(tmp_path, value):
    (tmp_path / "x.json").write_text(to_strict_json(value, indent=1))
    assert read_json(tmp_path / "x.json") == parse_json(to_strict_json(value).encode()) == value
    assert to_strict_json(value) == json.dumps(value)


def test_what_is_no_number_of_json_is_written_as_null():
    assert to_strict_json({"nll": [math.nan, {"x": math.inf}], "y": (1.0, -math.inf)}) == (
        '{"nll": [null, {"x": null}], "y": [1.0, null]}'
    )


def test_not_finite_numbers_of_other_programs_are_read():
    assert parse_json('{"loss": Infinity, "best": 1e999}') == {"loss": math.inf, "best": math.inf}


def test_depth_has_a_limit():
    assert parse_json("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert len(parse_json("[" + "[]," * 500 + "{}]")) == 501  # much, not deep
    for text in ('[{"a":' * (MAX_DEPTH // 2) + "[]" + "}]" * (MAX_DEPTH // 2), "[" * 500 + "]" * 500, "[" * 100_000):
        with pytest.raises(JsonError, match="nested too deeply"):
            parse_json(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        ('"' + "x" * 100, "no JSON"),
        (str(2**63), "a number too large"),
        ("9" * 5000, "a number too large"),
        ("-" + "9" * 1_000_000, "a number too large"),
    ],
)
def test_what_is_refused(text, why):
    with pytest.raises(JsonError, match=why) as caught:
        parse_json(text)
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


def test_files_that_are_refused(tmp_path):
    with (tmp_path / "large").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    os.mkfifo(tmp_path / "pipe")
    for name, why in (("large", "bytes"), ("pipe", "not a regular file"), ("", "not a regular file")):
        with pytest.raises(JsonError, match=why):
            read_json(tmp_path / name)
    with pytest.raises(OSError, match="missing"):
        read_json(tmp_path / "missing")
