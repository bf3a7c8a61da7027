"""Browsers: rows counted by hand with sqlite3, caches beside libmsiecf and plaso."""

from __future__ import annotations

import sqlite3
import struct
from typing import TYPE_CHECKING, Any

import pytest

from tests.timeline.parsers.windows_files import content, counts, of_kind, read, real
from timeline.parsers import chromium, chromium_cache, ese, firefox, firefox_cache, msie_index
from timeline.sources import Context, memory_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DATA = "plaso/test_data"


def test_old_chrome_history(shared_data: Path) -> None:
    file = real(shared_data, f"{DATA}/chrome/History")
    events, problems = read(chromium, file)
    assert problems == []
    with sqlite3.connect(":memory:") as oracle:
        oracle.deserialize(content(file))
        visits = oracle.execute("SELECT count(*) FROM visits").fetchone()[0]
    oracle.close()
    assert counts(events) == {"web.visit": visits, "web.download": 2}
    first = events[0]
    assert (first["path"], first["time_ns"], first["time_text"]) == (
        "http://start.ubuntu.com/10.04/Google/", 1_302_177_791_000_000_000, "12946651391000000",
    )  # fmt: skip
    download = of_kind(events, "web.download")[0]
    assert (download["path"], download["bytes"], download["time_text"], download["precision_ns"]) == (
        "/home/john/Downloads/funcats_scr.exe", 1_132_155, "1306139730", 10**9,
    )  # fmt: skip


def test_chrome_history_and_cookies(shared_data: Path) -> None:
    events, _ = read(chromium, real(shared_data, f"{DATA}/chrome/History-59.0.3071.86"))
    download = of_kind(events, "web.download")[0]
    assert (download["path"], download["bytes"], download["precision_ns"]) == (
        "/home/ubuntu/Downloads/plaso-20171231.1.win32.msi", 3_080_192, 1000,
    )  # fmt: skip
    assert download["data"]["url"].endswith("/win32/plaso-20171231.1.win32.msi")
    events, _ = read(chromium, real(shared_data, f"{DATA}/chrome/Cookies-68.0.3440.106"))
    assert counts(events) == {"web.cookie_created": 5, "web.cookie_used": 5, "web.cookie_expires": 5}


def test_visit_that_was_deleted_leaves_its_address() -> None:
    with sqlite3.connect(":memory:") as made:
        made.executescript(
            "CREATE TABLE urls(id INTEGER PRIMARY KEY, url, title, visit_count, typed_count, last_visit_time, hidden);"
            "CREATE TABLE visits(id INTEGER PRIMARY KEY, url, visit_time, from_visit, transition, visit_duration);"
            "INSERT INTO urls VALUES (1, 'https://a.example/', 'A', 2, 1, 13300000000000000, 0);"
            "INSERT INTO visits VALUES (1, 1, 13200000000000000, 0, 1, 0);"
        )
        raw = made.serialize()
    made.close()
    events, _ = read(chromium, memory_file("/Users/u/AppData/Local/Microsoft/Edge/User Data/Default/History", raw))
    assert [(one["kind"], one["time_text"], one["actor"]) for one in events] == [
        ("web.visit", "13200000000000000", "u"), ("web.last_visit", "13300000000000000", "u"),
    ]  # fmt: skip
    assert events[0]["data"]["browser"] == "Edge"


def test_chrome_cache_ties_two_clocks(shared_data: Path) -> None:
    events, problems = read(chromium_cache, real(shared_data, f"{DATA}/chrome_cache/index"))
    # The index counts 217 entries, as plaso does; data_3 is not among the files.
    assert counts(events)["web.cache_entry"] == 217
    assert [problem.detail for problem in problems] == ["data_3, which holds headers of replies, is not there"]
    replies = of_kind(events, "web.cache_reply")
    assert len(replies) == 53
    first = next(one for one in replies if one["path"].endswith("jquery-mousewheel.js"))
    assert (first["data"]["date"], first["data"]["age"]) == ("Wed, 30 Apr 2014 15:21:48 GMT", "5045")
    assert first["data"]["request_time"] == "2014-04-30T16:45:53.381757000+00:00"
    assert (first["time_ns"], first["data"]["response_time"]) == (
        1_398_876_353_424_303_000, "2014-04-30T16:45:53.424303000+00:00",
    )  # fmt: skip


def simple_entry(headers: bytes, key: bytes = b"1/0/https://a.example/x.png") -> bytes:
    info = (
        struct.pack("<IIQQI", 40 + len(headers), 3, 13_300_000_000_000_000, 13_300_000_000_500_000, len(headers))
        + headers
    )
    end = bytes.fromhex("d8410d97456ffaf4")
    body = b"PNG!"
    return (
        bytes.fromhex("305c72a71b6dfbfc") + struct.pack("<IIII", 5, len(key), 1, 0) + key + body
        + end + struct.pack("<IIII", 1, 0, len(body), 0)
        + info + bytes(32) + end + struct.pack("<IIII", 3, 0, len(info), 0)
    )  # fmt: skip


def test_simple_cache() -> None:
    raw = simple_entry(b"HTTP/1.1 200 OK\0Date: Mon, 20 Jun 2022 20:26:40 GMT\0\0")
    (event,), problems = read(chromium_cache, memory_file("a1b2c3d4e5f60718_0", raw))
    assert problems == []
    assert (event["path"], event["bytes"], event["data"]["date"]) == (
        "https://a.example/x.png", 4, "Mon, 20 Jun 2022 20:26:40 GMT",
    )  # fmt: skip
    assert event["data"]["response_time"] == "2022-06-18T04:26:40.500000000+00:00"
    _, problems = read(chromium_cache, memory_file("a1b2c3d4e5f60718_0", raw[:-10]))
    assert problems[0].reason == "damaged"


def test_firefox_3_cache(shared_data: Path) -> None:
    events, _ = read(firefox_cache, real(shared_data, f"{DATA}/firefox_cache/firefox3/_CACHE_001_"))
    # plaso reads 25 entries from it.
    assert counts(events)["web.cache_reply"] == 25
    assert (events[0]["path"], events[0]["time_text"]) == ("http://start.mozilla.org/en-US/", "1399040103")
    assert events[0]["data"]["date"] == "Fri, 02 May 2014 14:15:02 GMT"


def test_firefox_cache2_entry() -> None:
    key = b":https://a.example/counts"
    elements = b"request-method\0GET\0response-head\0HTTP/1.1 200 OK\r\nDate: Sat, 02 May 2015 15:44:38 GMT\r\n\0"
    head = struct.pack(">IIIIIII", 1, 1, 1430581478, 1430581478, 0, 0xFFFFFFFF, len(key))
    raw = b"B" * 80 + bytes(4) + bytes(2) + head + key + b"\0" + elements + struct.pack(">I", 80)
    (event,), _ = read(firefox_cache, memory_file("0FC75AE83A9F7CAEFD982F3A793D9CDE5166ECD2", raw))
    assert (event["path"], event["bytes"], event["data"]["date"]) == (
        "https://a.example/counts", 80, "Sat, 02 May 2015 15:44:38 GMT",
    )  # fmt: skip


def test_firefox_places() -> None:
    with sqlite3.connect(":memory:") as made:
        made.executescript(
            "CREATE TABLE moz_places(id INTEGER PRIMARY KEY, url, title, visit_count, typed, hidden);"
            "CREATE TABLE moz_historyvisits(id INTEGER PRIMARY KEY, from_visit, place_id, visit_date, visit_type);"
            "INSERT INTO moz_places VALUES (1, 'http://news.example/', 'News', 1, 1, 0), (2, 'http://b.example/', 'B', 1, 0, 0);"
            "INSERT INTO moz_historyvisits VALUES (1, 0, 1, 1309518981371935, 2), (2, 1, 2, 1309518991371935, 7);"
        )
        raw = made.serialize()
    made.close()
    events, problems = read(firefox, memory_file("places.sqlite", raw))
    assert problems == []
    assert [(one["path"], one["data"]["transition"], one["time_ns"]) for one in events] == [
        ("http://news.example/", "typed", 1_309_518_981_371_935_000),
        ("http://b.example/", "download", 1_309_518_991_371_935_000),
    ]
    assert events[1]["data"]["from_url"] == "http://news.example/"


@pytest.mark.parametrize(
    ("name", "records"),
    # libmsiecf: items and recovered items.
    [("History.IE5/index.dat", 15 + 2), ("nfury_index.dat", 1027 + 8)],
)
def test_internet_explorer(shared_data: Path, name: str, records: int) -> None:
    events, problems = read(msie_index, real(shared_data, f"{DATA}/msiecf/{name}"))
    assert problems == []
    assert len({event["record"] for event in events}) == records
    visit = next(one for one in events if one["kind"] in ("web.visit", "web.cache_used"))
    assert visit["time_ns"] in (1_440_500_718_512_000_000, 1_289_375_670_092_000_000)


class _Table:
    """A table of an ESE database by its rows."""

    def __init__(self, name: str, rows: list[dict[str, Any]]) -> None:
        self.name = name
        self._rows = rows

    def rows(self) -> Iterator[Mapping[str, object]]:
        yield from self._rows


def test_traffic_of_programs() -> None:
    sid = bytes.fromhex("010500000000000515000000") + struct.pack("<IIII", 1, 2, 3, 1001)
    path = "\\device\\harddiskvolume3\\program files\\cloud\\sync.exe"
    names = [
        {"IdType": 0, "IdIndex": 7, "IdBlob": path.encode("utf-16-le") + b"\0\0"},
        {"IdType": 3, "IdIndex": 9, "IdBlob": sid},
    ]
    row = {
        "AutoIncId": 5, "TimeStamp": 43_800.5, "AppId": 7, "UserId": 9, "InterfaceLuid": 1 << 48,
        "BytesSent": 734_003_200, "BytesRecvd": 1024,
    }  # fmt: skip
    tables = {
        "SruDbIdMapTable": _Table("SruDbIdMapTable", names),
        "{973F5D5C-1D90-4944-BE8E-24B94231A174}": _Table("network", [row]),
    }
    (event,) = ese.srum_events(tables)
    assert (event.kind, event.path, event.actor) == ("srum.network", path, "S-1-5-21-1-2-3-1001")
    assert (event.data["bytes_sent"], event.data["bytes_recvd"], event.bytes) == (734_003_200, 1024, 734_004_224)
    # 43800.5 days after 1899-12-30: 2019-12-01 12:00.
    assert event.time_ns == 1_575_201_600_000_000_000


def test_web_cache_of_internet_explorer() -> None:
    tables = {
        "Containers": _Table("Containers", [{"ContainerId": 2, "Name": "History"}, {"ContainerId": 3, "Name": "Content"}]),
        "Container_2": _Table(
            "Container_2", [{"EntryId": 1, "Url": "Visited: taro@https://a.example/", "AccessedTime": 132_000_000_000_000_000}]
        ),
        "Container_3": _Table(
            "Container_3",
            [{"EntryId": 9, "Url": "https://a.example/x", "SyncTime": 132_000_000_000_000_000, "FileSize": 12,
              "ResponseHeaders": b"HTTP/1.1 200 OK\r\nDate: Sun, 14 Apr 2019 10:40:00 GMT\r\n\r\n"}],
        ),
    }  # fmt: skip
    visit, kept = ese.webcache_events(tables, "")
    assert (visit.kind, visit.actor, visit.path) == ("web.visit", "taro", "https://a.example/")
    assert (kept.kind, kept.bytes, kept.data["date"]) == (
        "web.cache_synchronised", 12, "Sun, 14 Apr 2019 10:40:00 GMT",
    )  # fmt: skip


def test_ese_file_that_is_none() -> None:
    raw = bytes(4) + bytes.fromhex("efcdab89") + bytes(8192)
    found = list(ese.parse(memory_file("SRUDB.dat", raw), Context()))
    assert [getattr(one, "reason", "") for one in found] == ["damaged"]
