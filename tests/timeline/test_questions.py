import json

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chain_of_custody.errors import EvidenceError, UsageError
from tests.timeline.builds import NUMBER, asked, built, logs, own_configuration, run
from timeline import questions, store
from timeline.filters import Filter, event_of, moment, span


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    base = tmp_path_factory.mktemp("questions")
    with own_configuration(base / "config"):
        built(base / "a.case", logs(base / "logs"), jobs=1)
    return base / "a.case"


@pytest.fixture
def opened(case):
    with store.open_store(case) as found:
        yield found


def test_filters(case):
    def total(*options):
        return asked("show", "--case", case, *options)["total"]

    assert total() == 14
    assert total("--kind", "file.cre*") == 2
    assert total("--kind", "file.created", "--kind", "file.accessed") == 6
    assert total("--path", "CMD") == 8
    assert total("--path", "100%") == 0
    assert total("--source", "two/body") == 7
    assert total("--text", "HOME") == 14
    assert total("--from", "2023-11-15T07:13:30+09:00") == 6
    assert total("--from", "2023-11-15", "--to", "2023-11-15T07:13:23") == 8
    assert total("--state", "deleted") == 0
    assert total("--host", "nowhere") == 0


def test_show_pages_and_orders(case):
    first = asked("show", "--case", case, "--limit", "3")["events"]
    rest = asked("show", "--case", case, "--limit", "100", "--offset", "3")["events"]
    ids = [one["id"] for one in first + rest]
    assert len(set(ids)) == 14
    assert ids == [one["id"] for one in asked("show", "--case", case, "--newest")["events"]][::-1]
    assert first[0]["datetime"] == "2023-11-15T07:13:20.000000000+09:00"
    assert first[0]["message"] == "accessed: /home/a/=cmd.txt"
    assert isinstance(first[0]["data"], dict)
    printed = run("show", "--case", case, "--limit", "2").stdout
    assert "2023-11-15 07:13:20+09:00" in printed
    assert "S1:" in printed


def test_around(case):
    found = asked("around", "2023-11-15T07:13:30", "--span", "8s", "--case", case)
    assert [one["path"] for one in found["events"]] == ["/home/a/=cmd.txt"] * 4 + ["/home/a/********9018.txt"] * 6
    name = found["events"][0]["id"]
    near = asked("around", name, "--span", "1s", "--case", case)
    assert name in [one["id"] for one in near["events"]]
    assert near["time_ns"] == found["events"][0]["time_ns"]
    assert len(asked("around", name, "--span", "1d", "--limit", "5", "--case", case)["events"]) == 5
    with pytest.raises(UsageError, match="no such event"):
        run("around", "S99:1", "--case", case)


def test_query_reads_and_nothing_else(case, tmp_path):
    answer = asked("query", "SELECT kind, count(*) AS n FROM events GROUP BY kind ORDER BY kind", "--case", case)
    assert answer["rows"][0] == {"kind": "file.accessed", "n": 4}
    part = next((case / "timeline").rglob("*.parquet"))
    before = part.read_bytes()
    for sql in (
        f"COPY (SELECT 1) TO '{tmp_path / 'x.csv'}'",
        f"COPY (SELECT 1) TO '{part}' (FORMAT parquet)",
        "ATTACH ':memory:' AS other",
        "CREATE TABLE t (a INT)",
        "SELECT 1; SELECT 2",
        "SET memory_limit = '100GB'",
        "INSTALL httpfs",
        "PRAGMA database_list",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT nonsense",
        "",
    ):
        with pytest.raises(UsageError):
            run("query", sql, "--case", case)
    assert part.read_bytes() == before
    assert not (tmp_path / "x.csv").exists()


def test_query_is_limited_and_masked(case):
    answer = asked("query", "SELECT row FROM events", "--limit", "3", "--case", case)
    assert len(answer["rows"]) == 3
    assert answer["more"]
    joined = asked("query", f"SELECT '{NUMBER[:6]}' || '{NUMBER[6:]}' AS a, {NUMBER} AS b", "--case", case)
    assert NUMBER not in json.dumps(joined)
    assert NUMBER not in run("query", f"SELECT '{NUMBER[:6]}' || '{NUMBER[6:]}' AS a", "--case", case).stdout
    with pytest.raises(UsageError, match="took longer"):
        run("query", "SELECT count(*) FROM range(100000000000)", "--seconds", "0.3", "--case", case)


def test_stats_and_sources(case):
    found = asked("stats", "--case", case)
    assert found["events"] == 14
    assert dict(found["by_kind"])["file.created"] == 2
    assert found["by_year"] == [[2023, 14]]
    listed = asked("sources", "--case", case)
    assert [one["rows"] for one in listed["sources"]] == [7, 7]
    assert "folder:logs" in run("sources", "--case", case).stdout
    assert "14" in run("stats", "--case", case).stdout


def test_questions_leave_no_trace(case):
    before = {path: path.read_bytes() for path in case.rglob("*") if path.is_file()}
    run("show", "--case", case)
    run("stats", "--case", case)
    assert {path: path.read_bytes() for path in case.rglob("*") if path.is_file()} == before


def test_a_cut_part_is_left_out_and_said(tmp_path, capsys):
    outcome = built(tmp_path / "a.case", logs(tmp_path / "logs"))
    part = next((outcome.folder / "events").iterdir())
    part.write_bytes(part.read_bytes()[:-9])
    result = run("show", "--case", tmp_path / "a.case")
    assert result.exit_code == 3
    listed = asked("sources", "--case", tmp_path / "a.case")
    assert listed["coverage"][0]["detail"] == "this part of the store is not whole"
    del capsys


def test_a_newer_store_is_refused(tmp_path):
    outcome = built(tmp_path / "a.case", logs(tmp_path / "logs"))
    manifest = outcome.folder / "manifest.json"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace('"v": 1', '"v": 2'), encoding="utf-8")
    with pytest.raises(EvidenceError, match="newer version"):
        store.open_store(tmp_path / "a.case")
    with pytest.raises(UsageError, match="no timeline"):
        store.open_store(tmp_path / "none.case")


def test_corrections_join_at_view_time(case, tmp_path):
    first = 1_700_000_000 * 10**9
    band = {
        "clock": ["source:logs"],
        "from_ns": [first],
        "to_ns": [first + 10 * 10**9],
        "low_from_ns": [3600 * 10**9],
        "high_from_ns": [3602 * 10**9],
        "low_to_ns": [3600 * 10**9],
        "high_to_ns": [3602 * 10**9],
        "status": ["estimated"],
        "ground": ["F6"],
    }
    target = case / "timeline" / store.CORRECTIONS
    pq.write_table(pa.table(band), target)
    try:
        with store.open_store(case) as found:
            rows = list(
                found.rows(
                    "SELECT time_ns, earliest_ns, latest_ns, corrected_status FROM events_corrected ORDER BY time_ns, id"
                )
            )
            assert len(rows) == 14
            assert rows[0] == (first, first - 3602 * 10**9, first + 10**9 - 3600 * 10**9, "estimated")
            assert rows[-1] == (first + 10 * 10**9, None, None, "unknown")
    finally:
        target.unlink()
    with store.open_store(case) as found:
        assert {row[0] for row in found.rows("SELECT corrected_status FROM events_corrected")} == {"unknown"}


def test_typed_times_and_names():
    assert moment("2023-11-15", "Asia/Tokyo") == 1_699_974_000 * 10**9
    assert moment("2023-11-15", "Asia/Tokyo", upper=True) == (1_699_974_000 + 86_400) * 10**9
    assert moment("2023-11-15T00:00:00Z", "Asia/Tokyo") == 1_700_006_400 * 10**9
    assert span("90s") == 90 * 10**9
    assert span("1.5h") == 5400 * 10**9
    assert event_of("S12:345") == (12, 345)
    assert event_of("2023-11-15") is None
    for wrong in ("yesterday", "2023-13-01"):
        with pytest.raises(UsageError):
            moment(wrong, "UTC")
    with pytest.raises(UsageError):
        span("long")


def test_memory_and_swap_are_bounded(opened):
    assert opened.connection.execute("SELECT current_setting('memory_limit')").fetchone()[0] == "1.3 GiB"
    assert str(opened.spill).startswith(str(opened.home))
    opened.lock()
    with pytest.raises(duckdb.Error):
        opened.connection.execute("SET memory_limit = '9GB'")
    assert questions.count(opened, Filter()) == 14
