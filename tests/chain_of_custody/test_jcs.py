import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from chain_of_custody import jcs

text = st.text(st.characters(exclude_categories=["Cs"]))
integers = st.integers(-jcs.MAX_INTEGER, jcs.MAX_INTEGER)
values = st.recursive(
    st.none() | st.booleans() | integers | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_same_bytes_as_rfc8785_and_back(value):
    data = jcs.dumps(value)
    assert data == rfc8785.dumps(value)
    assert jcs.loads(data) == value


@given(values)
def test_another_notation_of_the_same_value_is_refused(value):
    loose = json.dumps(value, ensure_ascii=True, indent=1).encode()
    if loose != jcs.dumps(value):
        with pytest.raises(jcs.NotCanonicalError):
            jcs.loads(loose)


def test_keys_beyond_the_basic_plane_are_sorted_as_utf16():
    # U+1F600 is D83D DE00 in UTF-16 and so comes before U+FB33; by code points it would come after.
    assert jcs.dumps({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b'{"b":1,"a":2}',
        b'{"a": 1}',
        b'{"a":1.0}',
        b'{"a":1e3}',
        b'{"a":-0}',
        b'{"a":01}',
        b'{"a":9007199254740992}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":"\\u3042"}',
        b'{"a":"\\/"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xff"}',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":1}\n',
        b' {"a":1}',
        b'{"a":1}x',
        b"",
        b"[" * 100_000 + b"]" * 100_000,
        b"[" * 70 + b"]" * 70,
        b'{"a":"\x01"}',
        b"1.5",
        b"[1.5]",
        b"[1,-2.5]",
        b'{"a":[1E5]}',
        b'{"1:23":4.5}',
        b'{"a":1e+20}',
        b'{"a":18446744073709551616}',
        b'{"a":-9007199254740992}',
        '{"\ufb33":1,"\U0001f600":2}'.encode(),
    ],
)
def test_refused(data):
    with pytest.raises(jcs.NotCanonicalError):
        jcs.loads(data)


@pytest.mark.parametrize("value", [1.5, float("nan"), 2**53, -(2**53), "\ud800", {"a": {1, 2}}, b"x"])
def test_values_that_have_no_form(value):
    with pytest.raises(jcs.NotCanonicalError):
        jcs.dumps({"a": value})


def test_depth_is_counted_not_guessed():
    assert jcs.loads(b"[" + b",".join([b"{}"] * 500) + b"]") == [{}] * 500
    assert jcs.loads(b"[" * 60 + b"]" * 60)


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    "value",
    [
        {"a": datetime(2026, 1, 1, tzinfo=UTC)},
        {"a": UUID(int=1)},
        {"a": {1, 2}},
        {"a": [1, 1.0]},
        {"a": float("nan")},
        {"a": -0.0},
        {"a": b"x"},
        {"a": object()},
    ],
)
def test_what_only_one_encoder_knows_is_refused(value):
    with pytest.raises(jcs.NotCanonicalError):
        jcs.normalise(value)


def test_what_comes_back_is_what_a_reader_gets():
    body = {"b": ("x", Text("y")), "a": {"c": [True, None, 7]}}
    data, value = jcs.normalise(body)
    assert data == b'{"a":{"c":[true,null,7]},"b":["x","y"]}'
    assert value == {"a": {"c": [True, None, 7]}, "b": ["x", "y"]}
    assert type(value["b"][1]) is str
    plain = {"list": [1]}
    _data, value = jcs.normalise(plain)
    plain["list"].append(2)
    assert value == {"list": [1]}


@given(
    st.recursive(values | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_both_ways_to_read_agree(value):
    """Whatever text JSON can give: the fast way says yes only where the slow one does, with the same value."""
    for text in (
        json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")),
        json.dumps(value, ensure_ascii=True, separators=(",", ":")),
    ):
        data = text.encode("utf-8", "surrogatepass")
        fast = jcs._loads_fast(data)
        if fast is not None:
            assert jcs._canonical(jcs._parse(data)) == data
            assert repr(jcs._parse(data)) == repr(fast)
