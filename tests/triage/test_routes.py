"""Traces of a way out: read from a timeline that `timeline build` made of an endpoint log and a browser history."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

import pytest

from timeline.cli import main as timeline
from triage import routes
from triage.cli import main as triage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOG = """端末名,ユーザー名,発生日時,受信日時,種別,ファイル名,読込バイト数,書込バイト数,ドライブ種別
PC-1,sato,2026/10/01 10:00:00,2026/10/01 10:00:05,FileCopy,C:\\給与\\台帳.xlsx,120000,120000,リムーバブル
PC-1,sato,2026/10/01 11:00:00,2026/10/01 11:00:05,FileOpen,C:\\給与\\台帳.xlsx,120000,0,固定ディスク
"""


def run(program: Callable[[], None], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["tool", *arguments])
    with pytest.raises(SystemExit) as stopped:
        program()
    return int(stopped.value.code or 0)


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOZEN_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "op.csv").write_bytes(LOG.encode("cp932"))
    database = sqlite3.connect(folder / "History")
    database.executescript(
        """
        CREATE TABLE meta(key, value); INSERT INTO meta VALUES('version', '56');
        CREATE TABLE urls(id INTEGER PRIMARY KEY, url, title, visit_count, typed_count, last_visit_time, hidden);
        CREATE TABLE visits(id INTEGER PRIMARY KEY, url, visit_time, from_visit, transition, segment_id, visit_duration);
        CREATE TABLE downloads(id INTEGER PRIMARY KEY, target_path, start_time, end_time, received_bytes, total_bytes,
          state, tab_url, referrer);
        CREATE TABLE downloads_url_chains(id, chain_index, url);
        INSERT INTO urls VALUES(1, 'https://mail.google.com/mail/u/0/', 'Gmail', 1, 0, 13430000000000000, 0);
        INSERT INTO urls VALUES(2, 'https://evilmail.google.com.example/', 'x', 1, 0, 13430000000000000, 0);
        INSERT INTO visits VALUES(1, 1, 13430000000000000, 0, 0, 0, 0);
        INSERT INTO visits VALUES(2, 2, 13430000000000000, 0, 0, 0, 0);
        """
    )
    database.commit()
    database.close()
    made = tmp_path / "c"
    assert run(timeline, monkeypatch, "build", str(folder), "--case", str(made), "--tz", "Asia/Tokyo") in (0, 3)
    return made


def test_each_trace_under_its_route(case: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = {one.route.code: one for one in routes.find_routes(case)}
    assert {code: one.total for code, one in found.items() if one.total} == {"copy": 1, "webmail": 1}
    assert found["webmail"].traces[0].path == "https://mail.google.com/mail/u/0/"
    assert found["copy"].traces[0].to_json()["time"] == "2026-10-01T10:00:00+09:00"
    out = tmp_path / "routes.json"
    assert (
        run(
            triage, monkeypatch, "routes", "--case", str(case), "--out", str(out), "--from", "2026-10-01T10:30:00+09:00"
        )
        == 0
    )
    listed = json.loads(out.read_text(encoding="utf-8"))["routes"]
    assert [one["total"] for one in listed if one["code"] == "copy"] == [0]
    assert '"form":"routes"' in (case / "ledger.jsonl").read_text(encoding="utf-8")
    assert run(triage, monkeypatch, "routes", "--case", str(case), "--out", str(out)) == 5


def test_without_a_timeline_the_command_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "ledger.jsonl").touch()
    assert run(triage, monkeypatch, "routes", "--case", str(tmp_path / "e"), "--lang", "en") == 2
    assert "timeline build" in capsys.readouterr().err
