"""A clock case as strangers write it: every record answered, everything odd told (exit 3), nothing guessed, no crash."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from chain_of_custody.errors import EvidenceError
from tests.timeline.clocks import small_case
from tests.timeline.clocks.simulated import documents
from timeline import cli

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def solve(folder, out, code=0):
    """The lines of the result."""
    result = CliRunner().invoke(cli.app, ["clock", "solve", str(folder), "--out", str(out), "--lang", "en"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return documents(out), result.output


def moment(text):
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(whole).replace(tzinfo=UTC) + timedelta(microseconds=int(fraction[:6]))


def edit(path, change):
    value = json.loads(path.read_text(encoding="utf-8"))
    changed = change(value)
    path.write_text(json.dumps(value if changed is None else changed), encoding="utf-8")


def test_every_record_of_every_format_has_its_interval(tmp_path):
    truth = small_case.write(
        tmp_path / "c", pairs=[
            {"id": "p", "a": {"source": "ccas.csv", "record": 3}, "b": {"source": "access.log", "record": 2}},
            {"id": "none", "a": {"source": "ccas.csv", "record": 999}, "b": {"source": "access.log", "record": 2}},
        ],
    )  # fmt: skip
    del truth  # the pair without a record is told, so the code is 3
    lines, said = solve(tmp_path / "c", tmp_path / "r.jsonl", code=3)
    assert "case.json:pairs:none: record not found" in said
    assert [one for one in lines if "pair" in one] == [
        {"pair": "p", "order": "before"}, {"pair": "none", "order": "undeterminable"},
    ]  # fmt: skip


def test_the_intervals_hold_the_truth_and_say_their_status(tmp_path):
    truth = small_case.write(tmp_path / "c")
    lines, _ = solve(tmp_path / "c", tmp_path / "r.jsonl")
    assert {(one["source"], one["record"]) for one in lines} == set(truth)
    assert list(lines[0]) == ["source", "record", "earliest", "latest", "best", "status"]
    for one in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", one["earliest"])
        low, high = moment(one["earliest"]), moment(one["latest"])
        assert low <= truth[one["source"], one["record"]] <= high, one
        assert low <= moment(one["best"]) <= high
        limit = 400 if one["source"] == "dvr.csv" else 5
        assert (high - low).total_seconds() < limit, one
        right = one["source"] in ("alerts.csv", "access.log", "squid.log")
        assert one["status"] == ("uncorrected" if right else "corrected")


@pytest.mark.parametrize("member", ["period", "clocks", "http_hosts", "sources", "pairs", "incidents"])
@pytest.mark.parametrize("value", [0, "x", [None], {"a": [1]}], ids=repr)
def test_members_of_another_form_are_told(tmp_path, member, value):
    small_case.write(tmp_path / "c")
    edit(tmp_path / "c" / "case.json", lambda case: case.__setitem__(member, value))
    lines, said = solve(tmp_path / "c", tmp_path / "r.jsonl", code=3)
    assert "note: case.json" in said
    assert bool(lines) == (member != "sources")


def test_without_clocks_nothing_is_held_right(tmp_path):
    small_case.write(tmp_path / "c")
    edit(tmp_path / "c" / "case.json", lambda case: case.pop("clocks") and None)
    lines, _ = solve(tmp_path / "c", tmp_path / "r.jsonl", code=3)
    assert {one["status"] for one in lines if one["source"] in ("access.log", "evtx.jsonl", "squid.log")} == {"unknown"}


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("format", "journald"), ("format", None), ("clock", None), ("clock", "new"), ("order", "sideways"),
        ("zone", "Mars/Phobos"), ("zone", "+99:99"), ("zone", 9), ("file", "../../../etc/passwd"), ("file", "/etc/passwd"),
        ("file", "."), ("file", "\0"), ("file", None), ("file", "gone.csv"),
    ],
)  # fmt: skip
def test_a_source_that_is_not_understood_is_told_and_never_read_from_outside(tmp_path, member, value):
    small_case.write(tmp_path / "c")
    edit(tmp_path / "c" / "case.json", lambda case: case["sources"][0].__setitem__(member, value))
    lines, said = solve(tmp_path / "c", tmp_path / "r.jsonl", code=3)
    assert "note:" in said
    assert "root:" not in said
    assert not any(one["source"] == "ccas.csv" for one in lines) or member in ("clock", "order", "zone")


def test_ids_and_files_that_are_there_twice_count_once(tmp_path):
    pair = {"id": "p", "a": {"source": "ccas.csv", "record": 3}, "b": {"source": "ccas.csv", "record": 2}}
    small_case.write(tmp_path / "c", pairs=[pair, pair])
    edit(tmp_path / "c" / "case.json", lambda case: case["sources"].append(case["sources"][0]))
    lines, said = solve(tmp_path / "c", tmp_path / "r.jsonl", code=3)
    assert [one["order"] for one in lines if "pair" in one] == ["after"]
    assert "there twice" in said
    assert len({(one["source"], one["record"]) for one in lines if "source" in one}) == sum(
        "source" in o for o in lines
    )


GARBAGE = {
    "empty": b"", "nul": bytes(5000), "ff": b"\xff\xfe\xff\n" * 50, "long line": b"A" * 5_000_000, "quotes": b'"' * 2001,
    "blank": b"\r\n" * 300, "deep": b"[" * 100_000, "utf-16": "記録\n".encode("utf-16") * 10, "nan": b"NaN\n" * 3,
}  # fmt: skip


@pytest.mark.parametrize(
    "name", ["ccas.csv", "op2.csv", "messages", "http.jsonl", "evtx.jsonl", "mail.eml", "squid.log"]
)
@pytest.mark.parametrize("label", ["nul", "long line", "deep", "utf-16"])
def test_a_source_of_garbage_is_told(tmp_path, name, label):
    small_case.write(tmp_path / "c")
    (tmp_path / "c" / name).write_bytes(GARBAGE[label])
    lines, said = solve(tmp_path / "c", tmp_path / "r.jsonl", code=3)
    assert f"note: {name}" in said
    assert any(one["status"] == "corrected" for one in lines)


@pytest.mark.parametrize("name", ["readings.json", "links.csv", "usb_media.json", "usb_listing.body"])
@pytest.mark.parametrize("label", GARBAGE)
def test_the_other_files_of_garbage(tmp_path, name, label):
    small_case.write(tmp_path / "c", media=["0|/stick1/a|1|r|0|0|1|1|1|1|1"], media_of={"i": "stick1"})
    (tmp_path / "c" / name).write_bytes(GARBAGE[label])
    out = tmp_path / "r.jsonl"
    if name.endswith(".json"):
        with pytest.raises(EvidenceError, match=r"JSON|大きすぎ"):
            solve(tmp_path / "c", out)
        assert not out.exists()
    else:
        solve(tmp_path / "c", out, code=3)


def test_files_that_may_be_missing(tmp_path):
    small_case.write(tmp_path / "c")
    for name in ("readings.json", "links.csv"):
        (tmp_path / "c" / name).unlink()
    lines, _ = solve(tmp_path / "c", tmp_path / "r.jsonl")
    assert {one["status"] for one in lines if one["source"] == "dvr.csv"} == {"unknown"}


@pytest.mark.parametrize(
    "change",
    [
        {"resolution_s": float("nan")}, {"resolution_s": float("inf")}, {"resolution_s": -1}, {"resolution_s": 0},
        {"resolution_s": "x"}, {"resolution_s": 10**400}, {"shown": 5}, {"shown": ""}, {"clock": None}, {"clock": "other"},
        {"reference": "2026-03-19 23:00:00"},
    ],
    ids=str,
)  # fmt: skip
def test_a_reading_that_cannot_be_used_leaves_its_clock_unknown(tmp_path, change):
    small_case.write(tmp_path / "c")
    edit(tmp_path / "c" / "readings.json", lambda readings: readings[0].update(change))
    lines, said = solve(tmp_path / "c", tmp_path / "r.jsonl", code=3)
    assert "readings.json:0: reading not usable" in said
    assert {one["status"] for one in lines if one["source"] == "dvr.csv"} == {"unknown"}


def test_readings_that_contradict_each_other_widen_the_answer(tmp_path):
    truth = small_case.write(tmp_path / "c")

    def lie(readings):
        readings.append(readings[0] | {"shown": "2026-03-20T07:55:00Z"})

    edit(tmp_path / "c" / "readings.json", lie)
    lines, _ = solve(tmp_path / "c", tmp_path / "r.jsonl")
    for one in lines:
        if one["source"] == "dvr.csv" and one["earliest"]:
            assert moment(one["earliest"]) <= truth["dvr.csv", one["record"]] <= moment(one["latest"])


@pytest.mark.parametrize("year", ["0001", "1601", "1970", "2106", "9999"])
@pytest.mark.parametrize("name", ["ccas.csv", "http.jsonl", "evtx.jsonl", "mail.eml", "access.log"])
def test_times_of_other_centuries_are_not_believed(tmp_path, name, year):
    truth = small_case.write(tmp_path / "c")
    path = tmp_path / "c" / name
    text = path.read_bytes().decode("cp932" if name.endswith("csv") else "utf-8")
    for old, new in (
        (",26/", f",{year[2:]}/"),
        ("2026-", f"{year}-"),
        (" 2026 ", f" {year} "),
        ("/2026:", f"/{year}:"),
    ):
        text = text.replace(old, new, 3)
    path.write_bytes(text.encode("cp932" if name.endswith("csv") else "utf-8"))
    lines, _ = solve(tmp_path / "c", tmp_path / "r.jsonl")
    others = [one for one in lines if one["source"] not in (name, "dvr.csv")]
    for one in others:
        assert one["status"] in ("corrected", "uncorrected")
        assert moment(one["earliest"]) <= truth[one["source"], one["record"]] <= moment(one["latest"])


@pytest.mark.parametrize("end", ["0001-01-02T00:00:00Z", "1601-01-02T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_period_of_another_century(tmp_path, end):
    small_case.write(tmp_path / "c")
    edit(tmp_path / "c" / "case.json", lambda case: case.__setitem__("period", ["0001-01-01T00:00:00Z", end]))
    solve(tmp_path / "c", tmp_path / "r.jsonl", code=3)


def test_the_order_of_a_windows_log_is_that_of_its_record_ids(tmp_path):
    """A log that wrapped has its newer chunks first in the file."""
    truth = small_case.write(tmp_path / "c")
    path = tmp_path / "c" / "evtx.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[25:] + lines[:25]) + "\n")
    found, _ = solve(tmp_path / "c", tmp_path / "r.jsonl")
    for one in found:
        if one["source"] == "evtx.jsonl":
            assert moment(one["earliest"]) <= truth["evtx.jsonl", one["record"]] <= moment(one["latest"])


def test_a_link_tells_the_order_that_intervals_leave_open(tmp_path):
    pairs = [
        {"id": "direct", "a": {"source": "dvr.csv", "record": 4}, "b": {"source": "squid.log", "record": 3}},
        {"id": "by the log", "a": {"source": "dvr.csv", "record": 3}, "b": {"source": "squid.log", "record": 4}},
        {"id": "not led to", "a": {"source": "dvr.csv", "record": 5}, "b": {"source": "squid.log", "record": 4}},
    ]
    small_case.write(tmp_path / "c", pairs=pairs, links=[("dvr.csv", 4, "squid.log", 3, "badge")])
    (tmp_path / "c" / "readings.json").write_text("[]")
    lines, _ = solve(tmp_path / "c", tmp_path / "r.jsonl")
    assert [one["order"] for one in lines if "pair" in one] == ["before", "before", "undeterminable"]


def test_two_deliveries_of_one_line_have_no_order(tmp_path):
    pair = {"id": "p", "a": {"source": "op2.csv", "record": 3}, "b": {"source": "op2.csv", "record": 4}}
    line = "FileCopy,E:\\a.xlsx,10,10,リムーバブル"
    small_case.write(tmp_path / "c", pairs=[pair], operations=[(700, 5, line), (700, 500, line)])
    edit(tmp_path / "c" / "case.json", lambda case: case["sources"][1].__setitem__("order", "append"))
    lines, _ = solve(tmp_path / "c", tmp_path / "r.jsonl")
    assert [one["order"] for one in lines if "pair" in one] == ["undeterminable"]


def test_a_host_with_a_port_is_the_host(tmp_path):
    small_case.write(tmp_path / "c")
    path = tmp_path / "c" / "http.jsonl"
    path.write_text(path.read_text().replace("www.example.jp/", "www.example.jp:443/"))
    lines, _ = solve(tmp_path / "c", tmp_path / "r.jsonl")
    assert {one["status"] for one in lines if one["source"] == "evtx.jsonl"} == {"corrected"}


def test_a_camera_of_unknown_zone_is_unknown_even_where_its_display_was_read_in_utc(tmp_path):
    small_case.write(tmp_path / "c")
    edit(tmp_path / "c" / "case.json", lambda case: case["sources"][2].__setitem__("zone", None))
    lines, _ = solve(tmp_path / "c", tmp_path / "r.jsonl")
    assert {one["status"] for one in lines if one["source"] == "dvr.csv"} == {"unknown"}


def test_a_camera_of_unknown_zone_is_known_by_what_its_display_showed(tmp_path):
    """What was read off the display is in the camera's own zone, whichever that is."""
    truth = small_case.write(tmp_path / "c")
    edit(tmp_path / "c" / "case.json", lambda case: case["sources"][2].__setitem__("zone", None))
    seen = small_case.true(10 * 1440 - 60)
    shown = small_case.wall(seen, -small_case.CAMERA_SLOW_S)
    reference = seen.strftime("%Y-%m-%dT%H:%M:%SZ")
    edit(tmp_path / "c" / "readings.json", lambda one: one[0].update(shown=shown, reference=reference))
    lines, _ = solve(tmp_path / "c", tmp_path / "r.jsonl")
    for one in lines:
        if one["source"] == "dvr.csv":
            assert moment(one["earliest"]) <= truth["dvr.csv", one["record"]] <= moment(one["latest"])
            assert moment(one["latest"]) - moment(one["earliest"]) < timedelta(seconds=400)
