"""The report of chosen events: what stands in it, what does not, and how it is recorded."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

import pytest

from chain_of_custody.case import Case, init_case
from chain_of_custody.errors import TargetError, UsageError
from chain_of_custody.reading import read_entries
from tests.chromium import Browser
from tests.conftest import needs
from timeline.build import BuildOptions, build
from timeline.event_report import write_report
from timeline.filters import Filter
from timeline.marks import Notebook
from timeline.store import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NUMBER = "621498320257"  # a valid test number
LOG = (
    "端末名,ユーザー名,発生日時,受信日時,種別,ファイル名,読込バイト数,書込バイト数,ドライブ種別\r\n"
    "PC-01,tanaka,2026/11/24 09:00:00,2026/11/24 09:11:05,FileCopy,E:\\<script>顧客.xlsx,1200,0,リムーバブル\r\n"
    f"PC-01,tanaka,2026/13/24 09:00:00,,FileOpen,E:\\{NUMBER}.txt,,,\r\n"
    "PC-01,tanaka,2026/11/24 09:00:02,,FileOpen,E:\\\u202etxt.exe,,,\r\n"
)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[Case, Store]]:
    (tmp_path / "op2.csv").write_bytes(LOG.encode("utf-8"))
    with init_case(tmp_path / "a.case", name=f"事案 {NUMBER}") as case:
        build([tmp_path / "op2.csv"], case, BuildOptions())
        with open_store(tmp_path / "a.case") as store:
            yield case, store


def test_what_was_recorded_stands_beside_what_it_means(opened: tuple[Case, Store], tmp_path: Path) -> None:
    case, store = opened
    outcome = write_report(case, store, Filter(), tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert (outcome["events"], outcome["left_out"]) == (4, 0)
    text = re.sub(r"<[^>]+>", " ", page)
    assert "2026/11/24 09:11:05" in text  # as recorded
    assert "09:11:05" in text
    assert "時間帯不明" in text
    assert "時刻を読めない記録" in text
    assert "読込 1200、書込 0 バイト" in text
    assert "&lt;script&gt;顧客" in page
    assert "<script" not in page
    assert "\u202e" not in page
    assert NUMBER not in page
    assert "********0257" in page
    style = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in page
    assert not re.search(r"(?:src|href|action)=", page)
    assert "url(" not in page
    assert " style=" not in page


def test_it_is_recorded_with_its_hash(opened: tuple[Case, Store], tmp_path: Path) -> None:
    case, store = opened
    outcome = write_report(case, store, Filter(kinds=("op.file_*",)), tmp_path / "r.html", language="en", limit=2)
    entries = list(read_entries(case.path))
    begin, end = entries[-2:]
    assert (begin.type, end.type, end.body["status"]) == ("report.begin", "report.end", "done")
    assert begin.body["conditions"] == {"kind": "op.file_*", "zone": "Asia/Tokyo"}
    raw = (tmp_path / "r.html").read_bytes()
    assert end.outputs[0].sha256 == outcome["sha256"] == hashlib.sha256(raw).hexdigest()
    assert outcome["left_out"] == 1
    assert "1 more events fit and are not in this report" in raw.decode()


def test_nothing_is_overwritten_and_nothing_empty_is_written(opened: tuple[Case, Store], tmp_path: Path) -> None:
    case, store = opened
    before = len(list(read_entries(case.path)))
    (tmp_path / "r.html").write_text("mine", encoding="utf-8")
    with pytest.raises(TargetError):
        write_report(case, store, Filter(), tmp_path / "r.html")
    with pytest.raises(UsageError, match="no event fits"):
        write_report(case, store, Filter(kinds=("usb.*",)), tmp_path / "s.html")
    with pytest.raises(UsageError):
        write_report(case, store, Filter(), tmp_path / "s.html", marked_alone=True)
    assert len(list(read_entries(case.path))) == before
    assert not (tmp_path / "s.html").exists()


def test_marked_events_with_their_notes(opened: tuple[Case, Store], tmp_path: Path) -> None:
    case, store = opened
    (name,) = next(store.rows("SELECT id FROM events WHERE kind = 'op.file_copy'"))
    Notebook(case).write(name, "書込み 0 バイト", marked=True, time_text="2026/11/24 09:00:00", said="…")
    outcome = write_report(case, store, Filter(), tmp_path / "r.html", marked_alone=True)
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert outcome["events"] == 1
    assert "書込み 0 バイト" in page
    assert f"{case.operator().id}" in page


@needs("chromium")
@pytest.mark.parametrize(("width", "phone"), [(390, True), (1280, False)])
def test_the_page_asks_for_nothing_and_fits(
    opened: tuple[Case, Store], tmp_path: Path, width: int, phone: bool
) -> None:
    case, store = opened
    write_report(case, store, Filter(), tmp_path / "r.html")
    with Browser(profile=tmp_path / "profile", width=width, height=900, phone=phone) as browser:
        browser.open((tmp_path / "r.html").as_uri())
        browser.wait("document.readyState === 'complete' && document.querySelector('main')")
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
        assert browser.errors == []
        assert all(one.startswith("file:") for one in browser.requests)
