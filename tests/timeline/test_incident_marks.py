"""First sign, report and isolation on the timeline: in the report, in the viewer's answer, and on its page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from chain_of_custody.case import init_case, open_case
from tests.chromium import Browser
from tests.conftest import needs
from timeline import incident_marks
from timeline.build import BuildOptions, build
from timeline.event_report import write_report
from timeline.filters import Filter
from timeline.store import open_store
from timeline.viewer import Viewer

if TYPE_CHECKING:
    from pathlib import Path

NUMBER = "621498320257"  # a valid test number
HEADER = "端末名,ユーザー名,発生日時,受信日時,種別,ファイル名,読込バイト数,書込バイト数,ドライブ種別"


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """Events from 09:00 to 17:00; a sign and an isolation inside, the report before, one isolation after."""
    lines = [f"PC-1,tanaka,2026/11/24 {hour:02d}:00:00,,FileOpen,E:\\a.xlsx,1,0,固定" for hour in range(9, 18)]
    (tmp_path / "op2.csv").write_bytes("\r\n".join([HEADER, *lines]).encode("cp932"))
    with init_case(tmp_path / "a.case") as made:
        build([tmp_path / "op2.csv"], made, BuildOptions(zone="Asia/Tokyo"))
    # After the build: the timeline shows what the ledger holds when it is looked at.
    with open_case(tmp_path / "a.case") as made:
        for kind, body in (
            ("isolate", {"at": "2026-11-25T09:00:00.000000+09:00", "what": f"全台 {NUMBER}", "extent": "whole"}),
            ("first_sign", {"at": "2026-11-24T10:00:00.000000+09:00", "what": "<b>警告"}),
            ("first_report", {"at": "2026-11-24T08:00:00.000000+09:00", "to": "責任者", "who": "田中"}),
            ("network", {"at": "2026-11-24T03:30:00.000000+00:00", "how": "抜線", "who": "佐藤"}),
        ):
            made.append(f"record.{kind}", body, src="typed")
    return tmp_path / "a.case"


def test_they_are_read_from_the_ledger_in_order_with_spans(case: Path, tmp_path: Path) -> None:
    found = incident_marks.of_case(case)
    assert [one.type for one in found] == [
        "record.first_report", "record.first_sign", "record.network", "record.isolate",
    ]  # fmt: skip
    assert found[0].in_words("en")[2] == ("−2 h 0 min 0 s", "", "")
    assert found[2].in_words("ja")[2] == ("2 時間 30 分 0 秒", "4 時間 30 分 0 秒", "")
    assert found[3].in_words("en")[2][2] == "20 h 30 min 0 s"
    assert incident_marks.of_case(tmp_path) == []


@pytest.mark.parametrize("language", ["ja", "en"])
def test_the_report_shows_them_with_the_times_between(case: Path, tmp_path: Path, language: str) -> None:
    with open_store(case) as store, open_case(case) as opened:
        write_report(opened, store, Filter(), tmp_path / "r.html", language=language)  # type: ignore[arg-type]
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    table = page[page.index('<table class="incident">') :].partition("</table>")[0]
    text = re.sub(r"<[^>]+>", " ", table)
    assert "2026-11-24 12:30:00" in text
    assert ("2 時間 30 分 0 秒" if language == "ja" else "2 h 30 min 0 s") in text
    assert page.count('<g class="moment">') == 2  # sign and network
    assert ("2 件の時刻" if language == "ja" else "2 of the recorded moments") in page
    assert "&lt;b&gt;警告" in page
    assert NUMBER not in page


def test_a_report_without_them_says_nothing_of_them(tmp_path: Path) -> None:
    (tmp_path / "op2.csv").write_bytes(f"{HEADER}\r\nPC-1,t,2026/11/24 09:00:00,,FileOpen,E:\\a,1,0,固定".encode())
    with init_case(tmp_path / "b.case") as made:
        build([tmp_path / "op2.csv"], made, BuildOptions())
        with open_store(tmp_path / "b.case") as store:
            write_report(made, store, Filter(), tmp_path / "r.html")
    assert "incident" not in re.sub(r"<style>.*?</style>", "", (tmp_path / "r.html").read_text(), flags=re.DOTALL)


@needs("chromium")
def test_the_page_has_them_in_chart_and_side(case: Path, tmp_path: Path) -> None:
    with open_store(case) as store, Viewer(store, "事案") as viewer:
        viewer.start()
        with Browser(profile=tmp_path / "profile", width=1360, height=860) as browser:
            browser.open(viewer.url)
            browser.wait("document.body && document.body.dataset.started")
            browser.wait("document.querySelectorAll('#svg .moment').length === 2")
            side = browser.evaluate("document.querySelector('#marks').textContent")
            assert "最初の兆候" in side
            assert "2 時間 30 分 0 秒" in side
            browser.evaluate("document.querySelector('#language').click()")
            browser.wait("document.querySelector('#marks').textContent.includes('first sign')")
            assert browser.errors == []
            browser.picture(tmp_path / "page.png")
        viewer.stop()
