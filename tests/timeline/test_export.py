import csv
import json
import re
import subprocess

import openpyxl
import pyarrow.parquet as pq
import pytest

from chain_of_custody.entries import parse_line
from chain_of_custody.errors import TargetError, UsageError
from tests.conftest import needs
from tests.timeline.builds import built, logs, own_configuration, run
from timeline import kinds
from timeline.event import Event
from timeline.rows import Rows
from timeline.store import open_store

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}[+-]\d\d:\d\d")


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    base = tmp_path_factory.mktemp("export")
    with own_configuration(base / "config"):
        built(base / "a.case", logs(base / "logs"), jobs=1)
    return base / "a.case"


@pytest.fixture(autouse=True)
def _key_of_the_case(request, monkeypatch):
    if "case" in request.fixturenames:
        monkeypatch.setenv("HOZEN_CONFIG_HOME", str(request.getfixturevalue("case").parent / "config"))


def exported(case, tmp_path, format_, *options):
    target = tmp_path / f"out.{format_}"
    assert run("export", "--format", format_, "--out", target, "--case", case, *options).exit_code == 0
    return target


def test_csv(case, tmp_path):
    with exported(case, tmp_path, "csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 14
    assert {"datetime", "message", "timestamp_desc", "source", "kind", "path"} <= set(rows[0])
    assert all(RFC3339.fullmatch(row["datetime"]) for row in rows)
    assert [row["datetime"] for row in rows] == sorted(row["datetime"] for row in rows)
    assert rows[0]["datetime"] == "2023-11-15T07:13:20.000000000+09:00"
    assert rows[0]["path"] == "/home/a/=cmd.txt"


def test_jsonl_and_zone(case, tmp_path):
    lines = exported(case, tmp_path, "jsonl", "--tz", "America/New_York").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 14
    assert rows[0]["datetime"] == "2023-11-14T17:13:20.000000000-05:00"
    assert isinstance(rows[0]["data"], dict)
    assert rows[0]["message"] == "accessed: /home/a/=cmd.txt"


def test_timesketch(case, tmp_path):
    with exported(case, tmp_path, "timesketch-csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["timestamp"] == "1700000000000000"
    assert rows[0]["datetime"] == "2023-11-14T22:13:20.000000+00:00"
    assert all(row["message"] and row["timestamp_desc"] for row in rows)
    lines = exported(case, tmp_path, "timesketch-jsonl").read_text(encoding="utf-8").splitlines()
    first = json.loads(lines[0])
    assert first["timestamp"] == 1_700_000_000_000_000
    assert {"message", "datetime", "timestamp_desc"} <= set(first)


def test_l2tcsv(case, tmp_path):
    with exported(case, tmp_path, "l2tcsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "date",
        "time",
        "timezone",
        "MACB",
        "source",
        "sourcetype",
        "type",
        "user",
        "host",
        "short",
        "desc",
        "version",
        "filename",
        "inode",
        "notes",
        "format",
        "extra",
    ]
    assert (rows[0]["date"], rows[0]["time"], rows[0]["timezone"], rows[0]["MACB"]) == (
        "11/14/2023",
        "22:13:20",
        "UTC",
        ".A..",
    )


@needs("mactime")
def test_bodyfile_is_what_mactime_reads(case, tmp_path):
    target = exported(case, tmp_path, "bodyfile", "--source", "one/body")
    assert all(line.count("|") == 10 for line in target.read_text(encoding="utf-8").splitlines())
    shown = subprocess.run(
        ["mactime", "-b", str(target), "-d", "-z", "UTC"], capture_output=True, text=True, check=True, encoding="utf-8"
    ).stdout.splitlines()[1:]
    assert len([line for line in shown if "=cmd.txt" in line and " 2023 " in line]) == 4
    assert any(line.startswith("Tue Nov 14 2023 22:13:20,5,.a..") for line in shown)


def test_xlsx(case, tmp_path):
    book = openpyxl.load_workbook(exported(case, tmp_path, "xlsx"))
    rows = list(book.active.iter_rows(values_only=True))
    assert len(rows) == 15
    assert rows[0][0] == "datetime"
    assert rows[1][0] == "2023-11-15T07:13:20.000000000+09:00"


def chosen_folder(tmp_path):
    (tmp_path / "chosen").mkdir()
    return tmp_path / "chosen"


def test_parquet_is_sorted(case, tmp_path):
    found = pq.read_table(exported(case, tmp_path, "parquet")).to_pylist()
    assert len(found) == 14
    assert [row["time_ns"] for row in found] == sorted(row["time_ns"] for row in found)
    chosen = pq.read_table(exported(case, chosen_folder(tmp_path), "parquet", "--kind", "file.created")).to_pylist()
    assert [row["kind"] for row in chosen] == ["file.created"] * 2


def test_nothing_is_overwritten_and_the_ledger_has_it(case, tmp_path):
    target = exported(case, tmp_path, "csv")
    before = target.read_bytes()
    with pytest.raises(TargetError, match="exists already"):
        run("export", "--out", target, "--case", case)
    assert target.read_bytes() == before
    with pytest.raises(UsageError, match="unknown format"):
        run("export", "--format", "odt", "--out", tmp_path / "x", "--case", case)
    ends = [
        entry
        for entry in map(parse_line, (case / "ledger.jsonl").read_bytes().splitlines())
        if entry.type == "export.end" and entry.body["status"] == "done"
    ]
    assert ends[-1].body["rows"] == "14"
    assert ends[-1].outputs[0].size == len(before)
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def made(tmp_path, *events):
    """A store that holds just these events."""
    outcome = built(tmp_path / "m.case", logs(tmp_path / "logs"), jobs=1)
    part = next((outcome.folder / "events").iterdir())
    rows = Rows(part)
    rows.begin(1)
    for one in events:
        rows.add(one)
    digest, size = rows.close()
    manifest = json.loads((outcome.folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["parts"] = [{"name": f"events/{part.name}", "sha256": digest, "size": size}]
    (outcome.folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return tmp_path / "m.case"


def event(**more):
    fields = {"time_ns": 1, "time_text": "1", "precision_ns": 1, "zone": "UTC", "zone_basis": "format", "desc": "x"}
    return Event(**(fields | {"kind": "file.created"} | more))


def test_cells_that_a_spreadsheet_would_run_are_guarded(tmp_path):
    case = made(
        tmp_path,
        event(actor="=1+1", host="@x", path="-2", desc="+3", record="\tx", time_text="=5", time_ns=None),
        event(kind="made.up", path="plain", time_ns=None, time_text="?"),
    )
    with exported(case, tmp_path, "csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert (rows[0]["actor"], rows[0]["host"], rows[0]["path"]) == ("'=1+1", "'@x", "'-2")
    assert (rows[0]["timestamp_desc"], rows[0]["record"], rows[0]["time_text"]) == ("'+3", "'\tx", "'=5")
    assert rows[0]["datetime"] == ""
    assert rows[1]["message"] == "made.up: plain"
    result = run("export", "--format", "timesketch-csv", "--out", tmp_path / "t.csv", "--case", case)
    assert "2 events have no time" in result.stdout


def test_times_at_the_ends_of_the_range(tmp_path):
    ends = (-(1 << 63), (1 << 63) - 1, 0, 4_294_967_295 * 10**9)
    case = made(tmp_path, *(event(time_ns=ns, time_text=str(ns)) for ns in ends))
    with exported(case, tmp_path, "csv", "--tz", "UTC").open(encoding="utf-8", newline="") as file:
        rows = [row["datetime"] for row in csv.DictReader(file)]
    assert rows[1:3] == ["1970-01-01T00:00:00.000000000+00:00", "2106-02-07T06:28:15.000000000+00:00"]
    assert rows[0].startswith("1677-09-2") or rows[0] == ""
    assert len(rows) == 4


def test_sql_and_python_say_the_same_sentence(tmp_path):
    data = {"reasons": ["A", "B"], "flag": True, "n": 5, "text": 'q"uote'}
    listed = sorted(kinds.sentences())
    case = made(
        tmp_path,
        *(event(kind=kind, path="/p", actor="a", bytes=7, record="r", data=data) for kind in [*listed, "odd.kind"]),
    )
    with open_store(case) as store:
        for language in ("ja", "en"):
            said = kinds.sentence_sql([*listed, "odd.kind"], language)
            for kind, text, path, actor, host, size, record, json_text in store.rows(
                f"SELECT kind, {said}, path, actor, host, bytes, record, data FROM events"
            ):
                columns = {"path": path, "actor": actor, "host": host, "bytes": size, "record": record}
                assert text == kinds.sentence(kind, columns, json_text, language), kind
