import json

import pyarrow.parquet as pq
import pytest

from timeline import merge
from timeline.event import Event
from timeline.masking import mask_json
from timeline.rows import Rows, batch_of

NUMBER = "123456789018"  # passes the check digit; made for tests


def event(ns, **more):
    fields = {"time_text": str(ns), "precision_ns": 100, "zone": "UTC", "zone_basis": "format", "kind": "file.created"}
    return Event(time_ns=ns, **(fields | {"desc": "x"} | more))


def written(tmp_path, *events, numeric=()):
    rows = Rows(tmp_path / "a.parquet")
    rows.begin(7, host="pc1", numeric=numeric)
    for one in events:
        rows.add(one)
    assert rows.close() is not None
    return pq.read_table(tmp_path / "a.parquet").to_pylist()


def test_rows_are_sorted_and_numbered_as_they_came(tmp_path):
    found = written(tmp_path, event(30), event(None, time_text="?"), event(10), event(20, host="other"))
    assert [row["time_ns"] for row in found] == [10, 20, 30, None]
    assert [row["row"] for row in found] == [2, 3, 0, 1]
    assert [row["host"] for row in found] == ["pc1", "other", "pc1", "pc1"]
    assert {row["source_id"] for row in found} == {7}


def test_numbers_of_persons_are_masked_everywhere(tmp_path):
    full = "１２３４５６７８９０１８"
    one = event(1, path=f"/給与/{NUMBER}.txt", actor=full, record=f"x {NUMBER}", data={"a": NUMBER, "b": [int(NUMBER)]})
    other = event(None, time_text=f"at {NUMBER}")
    found = written(tmp_path, one, other)
    assert NUMBER not in json.dumps(found)
    assert full not in json.dumps(found, ensure_ascii=False)
    assert found[0]["path"] == "/給与/********9018.txt"
    assert json.loads(found[0]["data"]) == {"a": "********9018", "b": ["********9018"]}
    assert found[1]["time_text"] == "at ********9018"
    assert NUMBER.encode() not in (tmp_path / "a.parquet").read_bytes()


def test_a_time_that_was_read_and_named_numbers_stay(tmp_path):
    found = written(tmp_path, event(1, time_text=NUMBER, data={"usn": int(NUMBER)}), numeric={"usn"})
    assert found[0]["time_text"] == NUMBER
    assert json.loads(found[0]["data"])["usn"] == int(NUMBER)
    assert mask_json("no json " + NUMBER) == "no json ********9018"


def test_odd_values_do_not_end_a_run(tmp_path):
    lone = event(1 << 70, path="/a\ud800b", data={"x": "\ud800"}, bytes=1 << 80, sequence=1 << 70)
    found = written(tmp_path, lone)
    assert found[0]["time_ns"] is None
    assert found[0]["time_text"] == str(1 << 70)
    assert "a\\ud800b" in found[0]["path"]
    assert found[0]["bytes"] is None


def test_a_batch_may_come_dictionary_encoded(tmp_path):
    rows = Rows(tmp_path / "a.parquet")
    rows.begin(1)
    batch = batch_of([event(2, path=f"/{NUMBER}"), event(1)])
    encoded = [column.dictionary_encode() if str(column.type) == "string" else column for column in batch.columns]
    rows.add_batch(type(batch).from_arrays(encoded, names=batch.schema.names))
    rows.close()
    assert [row["path"] for row in pq.read_table(tmp_path / "a.parquet").to_pylist()] == ["", "/********9018"]


def test_nothing_is_written_for_nothing(tmp_path):
    rows = Rows(tmp_path / "a.parquet")
    rows.begin(1)
    assert rows.close() is None
    assert list(tmp_path.iterdir()) == []


def test_merge_of_many_runs_is_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(merge, "AT_ONCE", 3)
    parts = []
    for number in range(8):
        rows = Rows(tmp_path / f"{number}.parquet")
        rows.begin(number)
        for step in range(50):
            rows.add(event((step * 7919 + number * 31) % 1000, path=f"/{step}"))
        rows.add(event(None))
        rows.close()
        parts.append(tmp_path / f"{number}.parquet")
    target = tmp_path / "all.parquet"
    assert merge.write_merged(parts, target, tmp_path / "spill") == 8 * 51
    found = pq.read_table(target).to_pylist()
    keys = [(row["time_ns"] is None, row["time_ns"] or 0, row["source_id"], row["row"]) for row in found]
    assert keys == sorted(keys)
    assert len({(row["source_id"], row["row"]) for row in found}) == 408


@pytest.mark.parametrize(
    "value",
    [
        "123456789018",
        "1234 5678 9018",
        "1234\n5678\n9018",
        "１２３４５６７８９０１８",
        "C:\\new\\123456789018",
        123456789018,
    ],
)
def test_numbers_in_json_are_masked_however_they_are_escaped(value: object) -> None:
    for ascii_only in (True, False):
        masked = mask_json(json.dumps({"a": value, "b": [1, {"c": "x"}]}, ensure_ascii=ascii_only))
        assert str(json.loads(masked)["a"]).count("*") + str(json.loads(masked)["a"]).count("＊") == 8
    plain = json.dumps({"path": "C:\\new\\table", "id": "0000-0000-0000", "n": 12})
    assert mask_json(plain) == plain
