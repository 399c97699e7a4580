from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imil_sim.sessions.untrusted import JsonFault, parse_json

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(plain, st.sampled_from([None, 1]))
def test_what_a_writer_of_json_writes_is_read_back(value: object, indent: int | None) -> None:
    assert parse_json(json.dumps(value, indent=indent)) == value
    assert parse_json(json.dumps(value, ensure_ascii=False)) == value


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"a": 1,\n "b": NaN}', 2),
        ('["NaN: [ {",\n\n -Infinity]', 3),
        ('{"a": {"b": 1},\n "c": "}",\n "a": 3}', 3),
        ('[{"a": 1}, {"a": 2},\n {"\\u0061": 1, "a": 2}]', 2),
        ("[1,\n" + "7" * 1_000_000 + "]", 2),
        ("\n" + "[" * 100_000, 2),
        ('{"a":' * 100_000, 1),
        ('{"a": 1,\n}', 2),
        ("", 1),
        ("[1] [2]", 1),
    ],
)
def test_fault_33_what_readers_of_json_differ_about_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(JsonFault, match=rf"line {line}\b") as caught:
        parse_json(text)
    assert len(str(caught.value)) < 200


@given(st.text() | st.text(alphabet='{}[]":,0123456789.eE+-NaInfity \n\\"', max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(JsonFault):
        json.dumps(parse_json(text))


@pytest.mark.parametrize("depth", [200, 210, 5000])
def test_fault_33_two_hundred_brackets_deep_is_read_and_no_deeper(depth: int) -> None:
    text = "[" * depth + "]" * depth
    if depth <= 200:
        assert parse_json(text) == json.loads(text)
    else:
        with pytest.raises(JsonFault):
            parse_json(text)
