"""The scope of a case over events: outside nothing is stored, shown, exported, reported or asked for (C5)."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from chain_of_custody.case import init_case, open_case
from chain_of_custody.reading import read_entries
from chain_of_custody.scope import Scope, expression, of_entries, scope_of
from chain_of_custody.verify import verify_case
from tests.chain_of_custody.test_records import filled
from timeline import scoping
from timeline.build import BuildOptions, build
from timeline.event_report import write_report
from timeline.export import export
from timeline.filters import Filter
from timeline.store import open_store
from timeline.view_index import build_index

ROOT = Path(__file__).resolve().parents[2]
HEADER = "端末名,ユーザー名,発生日時,受信日時,種別,ファイル名,読込バイト数,書込バイト数,ドライブ種別"
PATHS = ("E:\\顧客\\a.xlsx", "E:\\顧客 控え\\b.xlsx", "C:\\Users\\tanaka\\私用\\c.txt", "E:\\顧客\\古い\\d.xlsx", "")
HOUR_NS = 3_600_000_000_000
NINE_NS = 1_795_478_400_000_000_000  # date -d 2026-11-24T09:00:00+09:00 +%s


def lines() -> bytes:
    rows = [
        f"PC-1,tanaka,2026/11/24 {9 + hour:02d}:00:00,2026/11/24 {9 + hour:02d}:00:30,FileOpen,{path},1,0,固定"
        for hour, path in enumerate(PATHS)
    ]
    return "\r\n".join([HEADER, *rows]).encode("cp932")


@pytest.fixture
def case(tmp_path: Path) -> Path:
    (tmp_path / "op2.csv").write_bytes(lines())
    init_case(tmp_path / "a.case").close()
    return tmp_path / "a.case"


def scoped(case: Path, **fields: str) -> None:
    with open_case(case) as opened:
        opened.append("record.scope", {"basis": "同意書", **fields}, src="typed")


def built(case: Path) -> dict:
    with open_case(case) as opened:
        return dict(build([case.parent / "op2.csv"], opened, BuildOptions(zone="Asia/Tokyo")).summary)


def paths(case: Path) -> list[str]:
    with open_store(case) as store:
        return [row[0] for row in store.rows("SELECT DISTINCT path FROM events ORDER BY path")]


INSIDE = [
    pytest.param({"paths": "/顧客"}, ["E:\\顧客\\a.xlsx", "E:\\顧客\\古い\\d.xlsx"], id="folder"),
    pytest.param({"paths": "E:\\顧客\\*.xlsx"}, ["E:\\顧客\\a.xlsx", "E:\\顧客\\古い\\d.xlsx"], id="drive"),
    pytest.param({"paths": "/顧客 ??/*;/nothing.[ab]"}, ["E:\\顧客 控え\\b.xlsx"], id="patterns"),
    pytest.param({"since": "2026-11-24T10:30:00.000000+09:00"}, ["", PATHS[2], PATHS[3]], id="since"),
    pytest.param({"until": "2026-11-24T09:30:00.000000+09:00"}, [PATHS[0]], id="until"),
    pytest.param({"paths": "/顧客", "since": "2026-11-24T10:30:00.000000+09:00"}, [PATHS[3]], id="both"),
    pytest.param({"kinds": "mynumber"}, [], id="kind"),
    pytest.param({"kinds": "mynumber, event"}, sorted(PATHS), id="kinds"),
]


@pytest.mark.parametrize(("fields", "wanted"), INSIDE)
def test_a_build_stores_what_is_inside_and_counts_the_rest(
    case: Path, fields: dict[str, str], wanted: list[str]
) -> None:
    whole = built(case)
    assert whole["scope"] is None
    scoped(case, **fields)
    (case.parent / "op2.csv").write_bytes(lines())
    summary = built(case)
    assert summary["scope"]["entry"] > 1
    assert summary["events"] + summary["scope"]["outside"] == whole["events"]
    assert paths(case) == sorted(wanted)
    folder = min((case / "timeline").glob("2-*"))
    with open_store(None, folder=folder) as store:  # the build alone, without the case and its scope
        assert sorted(row[0] for row in store.rows("SELECT DISTINCT path FROM events")) == sorted(wanted)


@pytest.mark.parametrize(("fields", "wanted"), INSIDE)
def test_what_was_stored_before_is_shown_no_more(
    case: Path, fields: dict[str, str], wanted: list[str], tmp_path: Path
) -> None:
    """show, query and stats read the view `events`; export, report and the viewer are asked themselves."""
    whole = built(case)["events"]
    scoped(case, **fields)
    assert paths(case) == sorted(wanted)
    with open_store(case) as store:
        count = next(store.rows("SELECT count(*) FROM events"))[0]
        assert store.outside() == whole - count
        assert len(build_index(store)) == count
        done = export(store, Filter(), "jsonl", tmp_path / "e.jsonl", language="ja", zone="Asia/Tokyo", corrected=False)
        shown = [json.loads(line) for line in (tmp_path / "e.jsonl").read_text(encoding="utf-8").splitlines()]
        assert done.rows == count == len(shown)
        assert {one.get("path", "") for one in shown} == set(wanted)
        if wanted:
            with open_case(case) as opened:
                write_report(opened, store, Filter(), tmp_path / "r.html")
            page = (tmp_path / "r.html").read_text(encoding="utf-8")
            assert ("私用" in page) == (PATHS[2] in wanted)
            assert (f"外の事象 {whole - count:,} 件" in page) == (whole > count)


@pytest.mark.parametrize(
    "scope",
    [
        Scope(1, ("/顧客", "/a.b(c)'d/x-y[1]{2}^$+|\\*")),
        Scope(1, since_ns=NINE_NS, until_ns=NINE_NS + HOUR_NS),
        Scope(1, ("*",), since_ns=0),
        Scope(1, kinds=frozenset({"yara"})),
    ],
)
def test_the_three_ways_of_asking_agree(scope: Scope) -> None:
    """Python, Arrow and SQL, over names that mean something to one of them."""
    import duckdb
    import pyarrow as pa

    names = [*PATHS, "/a.b(c)'d/x-y[1]{2}^$+|/z", "/aXb(c)'d/x-y[1]{2}^$+|/z", "c:/顧客", "/顧客\n/x", "顧客", None]
    times = [None, -1, 0, NINE_NS - 1, NINE_NS, NINE_NS + HOUR_NS, NINE_NS + HOUR_NS + 1]
    both = [(name, ns) for name in names for ns in times]
    table = pa.table(
        {"path": pa.array([one for one, _ in both]), "time_ns": pa.array([two for _, two in both], pa.int64())}
    )
    wanted = [(name, ns) for name, ns in both if scope.holds("event", name or "", ns)]
    by_arrow = [tuple(row.values()) for row in scoping.inside(scope, table).to_pylist()]
    connection = duckdb.connect()
    connection.register("rows", table)
    text = f"SELECT coalesce(path, '') AS path, time_ns FROM rows WHERE {scope.event_condition()}"
    by_sql = sorted(connection.execute(text).fetchall(), key=repr)
    assert by_arrow == wanted
    held = [(name or "", ns) for name, ns in wanted if name is not None or not scope.paths]
    assert by_sql == sorted(held, key=repr)


def test_patterns_and_the_newest_scope() -> None:
    assert expression("C:\\Users\\*\\給与?.xlsx") == r"C:/Users/.*/給与.\.xlsx(/.*)?"
    assert of_entries([]) is None


def test_the_newest_counts_and_a_folder_without_case_has_none(case: Path, tmp_path: Path) -> None:
    scoped(case, paths="/a")
    scoped(case, paths="/b\n/c; /d", kinds="yara、event")
    found = scope_of(case)
    assert found is not None
    assert (found.paths, found.kinds) == (("/b", "/c", "/d"), {"yara", "event"})
    assert scope_of(tmp_path) is None
    assert "paths" in filled("scope")


def test_what_was_stored_before_is_disposed_of_with_proof(case: Path) -> None:
    """The other rows keep their names; the bytes of those outside are in no file of the case."""
    built(case)
    with open_store(case) as store:
        build_index(store)
        before = {row[1]: row[0] for row in store.rows("SELECT id, path FROM events")}
    scoped(case, paths="/顧客")
    wanted = ("E:\\顧客\\a.xlsx", "E:\\顧客\\古い\\d.xlsx")
    listed = json.loads(timeline("surplus", "--case", case, "--json")[1])
    assert listed["disposed"] is None
    assert timeline("surplus", "--dispose", "--case", case)[0] == 2
    code, out, error = timeline("surplus", "--dispose", "--reason", "第三者", "--case", case, "--json")
    assert code == 0, error
    assert json.loads(out)["outside"] == listed["outside"] > 0
    with open_store(case) as store:
        assert store.outside() == 0
        assert not store.damaged
        after = {row[1]: row[0] for row in store.rows("SELECT id, path FROM events")}
    assert after == {path: before[path] for path in wanted}
    with open_store(None, folder=min((case / "timeline").glob("1-*"))) as store:
        assert {row[0] for row in store.rows("SELECT path FROM events")} == set(wanted)
        assert store.builds[0].manifest["events"] == sum(1 for _ in store.rows("SELECT 1 FROM events"))
    entry = [one for one in read_entries(case) if one.type == "record.dispose"][-1]
    for line in entry.body["files"]:
        path = case / line["name"]
        now = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None
        assert now == line.get("after")
        assert line["before"] != now
    assert sum(int(line["removed"]) for line in entry.body["files"]) == listed["outside"]
    assert not [one for one in case.rglob("*") if one.suffix == ".kept"]
    assert json.loads(timeline("surplus", "--case", case, "--json")[1])["outside"] == 0
    assert verify_case(case).verdict == "ok"


def timeline(*arguments: object) -> tuple[int, str, str]:
    """`timeline` as a program, in this process's configuration."""
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from timeline.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout, done.stderr
