import json

import pytest

from timeline import event
from timeline.event import MOST_DATA_BYTES, bounded, data_json


def test_times_out_of_64_bits_are_none():
    assert bounded((1 << 63) - 1) == (1 << 63) - 1
    assert bounded(1 << 63) is None
    assert bounded(-(1 << 63) - 1) is None
    assert bounded(None) is None


def test_large_data_is_cut_and_says_what():
    text = data_json({"a": "x" * 20_000, "b": 1, "c": ["y" * 9000]})
    assert len(text.encode()) <= MOST_DATA_BYTES
    value = json.loads(text)
    assert value["b"] == 1
    assert value["cut"] == ["a", "c"]
    assert value["a"].startswith("xxxx")
    assert value["a"].endswith("…")
    assert data_json({}) == "{}"
    assert json.loads(data_json({f"k{n}": "あ" * 100 for n in range(2000)}))["cut"]


def test_schema_has_the_columns_of_an_event():
    assert tuple(event.SCHEMA.names) == event.COLUMNS
    assert event.SCHEMA.field("time_ns").nullable
    assert not event.SCHEMA.field("time_text").nullable
    with pytest.raises(AttributeError):
        _ = event.NOTHING
