from __future__ import annotations

import json
from itertools import cycle, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imil_sim.sessions.strict_json import MOST_DEPTH, JsonFault, parse_json

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
    ("text", "line", "told"),
    [
        ('{"a": 1,\n "b": NaN}', 2, "has NaN"),
        ('["NaN: [ {",\n\n -Infinity]', 3, "has -Infinity"),
        ('{"a": {"b": 1},\n "c": 2,\n "a": 3}', 3, r'key "a" twice'),
        ('[{"a": 1}, {"a": 2},\n {"\\u0061": 1, "a": 2}]', 2, 'key "a" twice'),
        ("[1,\n" + "7" * 1_000_000 + "]", 2, "a number of 1,000,000 digits"),
        ("[0." + "1" * 200 + "]", 1, "a number of 202 digits"),
        ("[1,\n2,\n-1e999]", 3, "-1e999, which is too large"),
        ("\n" + "[" * 100_000, 2, "more than 200 brackets"),
        ('{"a":' * 100_000, 1, "more than 200 brackets"),
        ('{"a": 1,\n}', 2, "is no JSON"),
        ("", 1, "is no JSON"),
        ("[1] [2]", 1, "is no JSON"),
    ],
)
def test_fault_33_what_readers_of_json_differ_about_is_refused_with_its_line(text: str, line: int, told: str) -> None:
    with pytest.raises(JsonFault, match=told) as caught:
        parse_json(text)
    assert caught.value.line == line
    assert len(str(caught.value)) < 200


@given(st.text() | st.text(alphabet='{}[]":,0123456789.eE+-NaInfity \n\\"', max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    line = 1
    try:
        parse_json(text)
    except JsonFault as fault:
        line = fault.line
    assert 1 <= line <= text.count("\n") + 1


steps = st.lists(st.tuples(st.booleans(), st.text(alphabet='[]{}"\\\n a', max_size=9)), min_size=1, max_size=4)


@given(st.integers(MOST_DEPTH - 2, MOST_DEPTH + 3), steps)
def test_fault_33_two_hundred_brackets_deep_is_read_and_no_deeper(depth: int, steps: list[tuple[bool, str]]) -> None:
    """Lists and objects in one another, each on a line of its own, beside a text whose brackets do not count."""
    value: object = 7
    text = "7"
    for is_list, beside in islice(cycle(steps), depth):
        quoted = json.dumps(beside)
        value = [beside, value] if is_list else {"x" + beside: value}
        text = f"[{quoted},\n{text}]" if is_list else f'{{"x{quoted[1:]}:\n{text}}}'
    if depth <= MOST_DEPTH:
        assert parse_json(text) == value
    else:
        with pytest.raises(JsonFault, match=r"^has more than 200 brackets within brackets$") as caught:
            parse_json(text)
        assert caught.value.line == 201


@pytest.mark.parametrize(
    "text", ["[" + "[]," * 999 + "{}]", '["\\\\", ' + '"[{\\"[", ' * 999 + "1]", "[" * 200 + "]" * 200]
)
def test_many_brackets_that_are_not_deep_are_read(text: str) -> None:
    assert parse_json(text) == json.loads(text)


@pytest.mark.parametrize("text", ["]" * 300 + "[" * 300, '"' + "[" * 300, '["\\' + '"[' * 300, "[1}" * 300])
def test_brackets_that_do_not_match_are_no_json(text: str) -> None:
    with pytest.raises(JsonFault, match="is no JSON"):
        parse_json(text)
