"""The viewer: what it refuses, what it answers against the store itself, and the page in a real browser."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from chain_of_custody.case import init_case, open_case
from chain_of_custody.reading import read_entries
from tests.chromium import Browser
from tests.conftest import needs
from timeline.build import BuildOptions, build
from timeline.marks import Notebook
from timeline.store import open_store
from timeline.view_index import Series, build_index
from timeline.viewer import Viewer, _ticks, kind_label

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NUMBER = "123456789018"  # a valid test number
HEADER = "端末名,ユーザー名,発生日時,受信日時,種別,ファイル名,読込バイト数,書込バイト数,ドライブ種別"


def _log(rows: int) -> bytes:
    lines = [HEADER]
    for n in range(rows):
        stamp = f"2026/11/{1 + n // 100 % 28:02d} {9 + n % 9:02d}:{n % 60:02d}:00"
        name = f"E:\\顧客\\<b>名簿_{n}.xlsx" if n != 7 else f"E:\\{NUMBER}.xlsx"
        lines.append(
            f"PC-{n % 2},tanaka,{stamp},{stamp[:-2]}07,{('FileCopy', 'FileOpen')[n % 2]},{name},{n},0,リムーバブル"
        )
    return "\r\n".join(lines).encode("cp932")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("viewer")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOZEN_CONFIG_HOME", str(folder / "config"))
        logs = folder / "logs"
        logs.mkdir()
        (logs / "op2.csv").write_bytes(_log(400))
        (logs / "auth.log").write_text(
            "2026-11-04T12:00:00+09:00 srv sshd[1]: Accepted password for root from 192.0.2.1 port 1 ssh2\n"
            "1980-01-01T00:00:00+09:00 srv sshd[1]: Failed password for root from 192.0.2.1 port 1 ssh2\n",
            encoding="utf-8",
        )
        with init_case(folder / "a.case", name="事案 2026-014") as made:
            build([logs], made, BuildOptions())
        yield folder / "a.case"


@pytest.fixture
def viewer(case: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Viewer]:
    monkeypatch.setenv("HOZEN_CONFIG_HOME", str(case.parent / "config"))
    with (
        open_store(case) as store,
        open_case(case) as opened,
        Viewer(store, "事案 2026-014", notebook=Notebook(opened)) as made,
    ):
        made.start()
        yield made
        made.stop()


def _ask(
    viewer: Viewer, path: str, *, method: str = "GET", body: Any = None, **headers: str
) -> tuple[int, Any, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", viewer.port, timeout=20)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        sent.setdefault("Content-Type", "application/json")
    connection.request(method, path, json.dumps(body) if body is not None else None, sent)
    reply = connection.getresponse()
    raw = reply.read()
    connection.close()
    content: Any = json.loads(raw) if "json" in reply.headers["Content-Type"] else raw.decode()
    return reply.status, content, dict(reply.headers)


def test_only_the_token_its_host_and_its_own_page_are_answered(viewer: Viewer) -> None:
    root = f"/{viewer.token}/"
    assert len(viewer.token) >= 43
    assert viewer.url.startswith("http://127.0.0.1:")
    status, page, headers = _ask(viewer, root)
    assert (status, headers["Cache-Control"], headers["Referrer-Policy"]) == (200, "no-store", "no-referrer")
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert " style=" not in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert _ask(viewer, "/")[0] == 404
    assert _ask(viewer, f"/{viewer.token[:-1]}x/api/meta")[0] == 404
    assert _ask(viewer, root + "../../etc/passwd")[0] == 404
    for name, value in (("Host", "evil.example"), ("Origin", "http://evil.example"), ("Sec_Fetch_Site", "cross-site")):
        assert _ask(viewer, root + "api/meta", **{name: value})[0] == 403
    assert _ask(viewer, root + "api/note", method="POST", body={"id": "S1:0"}, Origin="http://evil.example")[0] == 403
    assert _ask(viewer, root + "api/note", method="POST", body={"id": "S1:0"}, Content_Type="text/plain")[0] == 415
    assert _ask(viewer, root + "api/note?id=S1:0")[0] == 404  # nothing is written by GET
    for bad in ("api/view?from=x", "api/view?kind={}", "api/view?zone=Mars", "api/event?id=S9:9", "api/nothing"):
        assert _ask(viewer, root + bad)[0] in (400, 404), bad


def test_counts_are_those_of_the_store(viewer: Viewer) -> None:
    meta = viewer.answer("meta", {})
    assert meta["events"] == 802
    kinds = dict(viewer.store.rows("SELECT kind, count(*) FROM events GROUP BY kind"))
    got = viewer.answer("view", {"bins": "57"})
    assert got["total"] == 802
    assert dict(map(tuple, got["facets"]["kind"])) == kinds
    assert sum(sum(row) for row in got["bins"]) == 802
    middle = "1793577600000000000"
    chosen = {"kind": '["op.file_copy","auth.logon"]', "host": '["PC-0"]', "from": middle}
    got = viewer.answer("view", {**chosen, "bins": "40"})
    (wanted,) = next(
        viewer.store.rows(
            f"SELECT count(*) FROM events WHERE kind IN ('op.file_copy', 'auth.logon') AND host = 'PC-0' AND time_ns >= {middle}"
        )
    )
    assert (got["total"], sum(sum(row) for row in got["bins"])) == (wanted, wanted)
    assert wanted > 10
    rows = viewer.answer("rows", {**chosen, "at": "5", "n": "7"})["rows"]
    expected = viewer.store.rows(
        "SELECT id FROM events WHERE kind IN ('op.file_copy', 'auth.logon') AND host = 'PC-0' "
        f"AND time_ns >= {middle} ORDER BY time_ns, source_id, row LIMIT 7 OFFSET 5"
    )
    assert [row["id"] for row in rows] == [name for (name,) in expected]
    place = viewer.answer("place", {**chosen, "ns": rows[3]["ns"]})["at"]
    assert viewer.answer("rows", {**chosen, "at": str(place), "n": "1"})["rows"][0]["ns"] == rows[3]["ns"]


def test_a_search_is_whole_and_its_rows_are_right(viewer: Viewer) -> None:
    import time

    deadline = time.monotonic() + 20
    while (got := viewer.answer("view", {"q": "名簿_12"}))["searched"] < 1:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    (wanted,) = next(
        viewer.store.rows("SELECT count(*) FROM events WHERE path LIKE '%名簿_12%' OR data LIKE '%名簿_12%'")
    )
    assert got["total"] == wanted > 10
    rows = viewer.answer("rows", {"q": "名簿_12", "n": "100"})["rows"]
    assert all("名簿_12" in row["text"] for row in rows)
    assert len(rows) == wanted


def test_numbers_are_masked_and_markup_is_text(viewer: Viewer) -> None:
    rows = viewer.answer("rows", {"n": "500"})["rows"] + viewer.answer("rows", {"n": "500", "at": "500"})["rows"]
    assert NUMBER not in json.dumps(rows)
    masked = next(row for row in rows if "********9018" in row["text"])
    assert NUMBER not in json.dumps(viewer.answer("event", {"id": masked["id"]}))


def test_notes_are_signed_entries_and_can_be_taken_back(viewer: Viewer, case: Path) -> None:
    name = viewer.answer("rows", {"n": "1", "at": "3"})["rows"][0]["id"]
    root = f"/{viewer.token}/api/note"
    status, got, _ = _ask(viewer, root, method="POST", body={"id": name, "text": f"確認 {NUMBER}"})
    assert (status, got["marks"][name]["note"]) == (200, "確認 ********9018")
    entry = list(read_entries(case))[-1]
    assert (entry.type, entry.body["timeline"]["event"]) == ("note", name)
    assert "端末操作ログ" in entry.body["timeline"]["said"] or "サーバー" in entry.body["timeline"]["said"]
    assert _ask(viewer, root, method="POST", body={"id": "S77:1", "text": "x"})[0] == 400
    assert _ask(viewer, root, method="POST", body={"id": name, "text": "x" * 5000})[0] == 400
    status, got, _ = _ask(viewer, root, method="POST", body={"id": name, "marked": False})
    assert (status, got["marks"]) == (200, {})
    assert [one.body["timeline"]["marked"] for one in read_entries(case) if one.type == "note"][-2:] == [True, False]


def test_a_store_outside_a_case_takes_no_notes(viewer: Viewer) -> None:
    with Viewer(viewer.store, "x", index=viewer.index) as other:
        other.start()
        body = {"id": viewer.answer("rows", {"n": "1"})["rows"][0]["id"], "text": "x"}
        assert _ask(other, f"/{other.token}/api/note", method="POST", body=body)[0] == 403
        assert other.answer("meta", {})["notes"] is False
        other.stop()


def test_the_sorted_file_is_made_once_for_a_state(viewer: Viewer, case: Path) -> None:
    files = list((case / "timeline" / ".view").iterdir())
    before = [(one.name, one.stat().st_mtime_ns) for one in files]
    build_index(viewer.store)
    assert [(one.name, one.stat().st_mtime_ns) for one in (case / "timeline" / ".view").iterdir()] == before
    assert len(before) == 1


def test_series_counts_like_a_plain_loop() -> None:
    generator = np.random.default_rng(1)
    times = np.sort(generator.integers(0, 10_000, 5000))
    cells = generator.integers(0, 40, 5000).astype(np.uint16)
    series = Series(times, cells, 40)
    chosen = generator.random(40) < 0.3
    low, high = series.span(1234, 8765)
    plain = [n for n in range(5000) if 1234 <= times[n] < 8765 and chosen[cells[n]]]
    assert series.chosen_at(chosen, low, high, 0, 10_000) == plain
    assert series.chosen_at(chosen, low, high, 100, 25) == plain[100:125]
    counts = series.counts_before(high) - series.counts_before(low)
    assert int(counts[chosen].sum()) == len(plain)
    edges = np.linspace(1234, 8765, 31).astype(np.int64)
    binned = series.binned(edges, np.where(chosen, np.arange(40) % 3, -1), 3)
    for at in range(30):
        for family in range(3):
            inside = [n for n in plain if edges[at] <= times[n] < edges[at + 1] and cells[n] % 3 == family]
            assert binned[at][family] == len(inside)


@pytest.mark.parametrize(
    ("seconds", "label"), [(1, "."), (90, ":"), (3600, ":"), (86_400, ":"), (864_000, "-"), (10**8, "-"), (10**9, "20")]
)
def test_ticks_are_few_and_inside(seconds: int, label: str) -> None:
    first = 1_700_000_123 * 10**9
    found = _ticks(first, first + seconds * 10**9, "Asia/Tokyo")
    assert 2 <= len(found) <= 20
    assert all(first <= int(one[0]) < first + seconds * 10**9 for one in found)
    assert any(label in one[1] for one in found)


def test_kinds_have_short_names() -> None:
    assert kind_label("auth.logon", "ja") == "SSH ログイン"
    assert kind_label("op.file_copy", "en") == "copy recorded"
    assert kind_label("nobody.knows", "en") == "nobody.knows"


@needs("chromium")
def test_the_page_by_keys_and_mouse(viewer: Viewer, case: Path, tmp_path: Path) -> None:
    with Browser(profile=tmp_path / "profile", width=1360, height=860) as browser:
        browser.open(viewer.url)
        browser.wait("document.body && document.body.dataset.started")
        text = "document.querySelector('#total').textContent"
        assert browser.evaluate(text).startswith("801")  # the clock of 1980 lies outside the first view …
        assert "1 件" in browser.evaluate("document.querySelector('#outside').textContent")  # … and is told
        browser.press("0")
        browser.wait(f"{text}.startsWith('802')")
        browser.press("z")
        browser.wait(f"{text}.startsWith('801')")
        browser.wait("document.querySelectorAll('.row:not(.wait)').length > 10")
        assert browser.evaluate("document.querySelectorAll('.row b').length") == 0  # <b> in a name is text
        browser.press("j")
        browser.press("j")
        browser.press("Enter")
        browser.wait("!document.querySelector('#detail').hidden")
        assert "原本表記" in browser.evaluate("document.querySelector('#detail').textContent")
        browser.press("m")
        browser.wait("document.querySelector('.row.marked')")
        browser.press("Escape")
        browser.press("/")
        browser.type("sshd")
        browser.press("Enter")
        browser.wait(f"{text}.startsWith('1 ') || {text}.startsWith('1件') || {text}.startsWith('1 件')")
        browser.press("Escape")
        browser.evaluate("document.querySelector('#q').value = ''; document.querySelector('#search').requestSubmit()")
        browser.wait(f"{text}.startsWith('801')")
        box = browser.evaluate("JSON.stringify(document.querySelector('#plot').getBoundingClientRect())")
        plot = json.loads(box)
        y = plot["y"] + 40
        browser.drag((plot["x"] + plot["width"] * 0.3, y), (plot["x"] + plot["width"] * 0.5, y))
        browser.wait(f"!{text}.startsWith('80')")
        browser.evaluate("document.querySelector('[data-facet=kind] input[type=checkbox]').click()")
        browser.wait("document.querySelector('[data-facet=kind] header button')")
        browser.evaluate("document.querySelector('#language').click()")
        browser.wait(f"{text}.includes('events')")
        assert browser.errors == []
        assert all(one.startswith((viewer.url, "data:")) for one in browser.requests), browser.requests
    marked = [one for one in read_entries(case) if one.type == "note" and one.body["timeline"]["marked"]]
    assert marked


@needs("chromium")
@pytest.mark.parametrize(("width", "phone", "dark"), [(390, True, False), (820, False, True), (1600, False, False)])
def test_nothing_sticks_out_at_any_width(viewer: Viewer, tmp_path: Path, width: int, phone: bool, dark: bool) -> None:
    with Browser(profile=tmp_path / "profile", width=width, height=800, phone=phone, dark=dark) as browser:
        browser.open(viewer.url)
        browser.wait("document.body && document.body.dataset.started")
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
        assert browser.evaluate("document.documentElement.dataset.theme") == ("dark" if dark else "light")
        assert browser.errors == []
