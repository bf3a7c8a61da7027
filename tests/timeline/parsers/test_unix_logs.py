"""syslog, journal exports, logins, shell histories, packages, the unified log and fsevents."""

from __future__ import annotations

import gzip
import json
import struct

import pytest

from preserve.file_times import FileTime
from tests.conftest import needs
from tests.make_journals import export
from tests.timeline.parsers.reading import parsed, read
from timeline.parsers import (
    fsevents,
    journal_export,
    login_records,
    package_log,
    shell_history,
    syslog,
    unified_log,
)
from timeline.sources import Context, SourceFile, memory_file

NOVEMBER_2026 = 1_795_478_400 * 10**9  # 2026-11-24T00:00:00Z


def test_the_year_of_rfc3164_comes_from_the_time_of_collection() -> None:
    text = (
        "Dec 31 23:59:59 srv sshd[7]: Accepted publickey for root from 192.0.2.1 port 5000 ssh2\n"
        "Jan  1 00:00:01 srv sudo: taro : TTY=pts/0 ; PWD=/home/taro ; USER=root ; COMMAND=/bin/cp a /media/usb\n"
        "Feb 29 00:00:00 srv kernel: [ 1.0] usb 1-2: New USB device found, idVendor=0781, idProduct=5567, bcdDevice= 1.00\n"
        "\tcontinued\n"
    )
    collected = 1_709_251_200 * 10**9  # 2024-03-01
    events, problems = read(syslog, text.encode(), context=Context(collected_ns=collected))
    assert problems == []
    assert [(one.kind, one.time_ns) for one in events] == [
        ("auth.logon", 1_704_067_199 * 10**9),  # 2023
        ("auth.sudo", 1_704_067_201 * 10**9),
        ("usb.connect", 1_709_164_800 * 10**9),
    ]
    assert [one.data["year_inferred"] for one in events] == [2023, 2024, 2024]
    assert events[0].data["year_basis"] == "time of collection 2024-03-01T00:00:00+00:00"
    assert all((one.zone, one.zone_basis) == (None, "none") for one in events)
    assert (events[1].actor, events[1].path, events[1].data["as"]) == ("taro", "/bin/cp a /media/usb", "root")
    assert events[2].data["message"].endswith("\n\tcontinued")


def test_a_file_of_an_image_has_its_own_time_for_the_year() -> None:
    content = b"Nov 24 09:00:00 srv a: x\nNov 24 09:00:01 srv a: y\n"
    file = memory_file("file:syslog", content)
    file.times = {"modified": FileTime(1_479_945_600 * 10**9, "", 1, zone_known=True)}  # 2016-11-24
    events, _ = read(syslog, file, context=Context(collected_ns=NOVEMBER_2026))
    assert [one.data["year_inferred"] for one in events] == [2016, 2016]


def test_without_anything_to_go_by_there_is_no_year() -> None:
    events, problems = read(syslog, b"Nov 24 09:00:00 srv a: x\nNov 24 09:00:01 srv a: y\n")
    assert [(one.time_ns, one.time_text) for one in events] == [(None, "Nov 24 09:00:00"), (None, "Nov 24 09:00:01")]
    assert [one.reason for one in problems] == ["incomplete"]


def test_rfc5424_and_iso_times() -> None:
    text = (
        '<34>1 2026-11-24T09:00:00.123456+09:00 srv su 77 ID47 [a@1 b="c\\]"] \ufeffSuccessful su for root by taro\n'
        "<165>1 - srv app - - - no time\n"
        "2026-11-24T00:00:01.5Z srv sshd[1]: Failed password for invalid user x from 2001:db8::1 port 9 ssh2\n"
    )
    events, _ = read(syslog, text.encode())
    assert [(one.kind, one.time_ns, one.precision_ns, one.zone) for one in events] == [
        ("auth.su", NOVEMBER_2026 + 123_456_000, 1000, "+09:00"),
        ("log.message", None, 10**9, None),
        ("auth.logon_failed", NOVEMBER_2026 + 1_500_000_000, 10**8, "UTC"),
    ]
    assert events[0].data["structured"] == '[a@1 b="c\\]"]'
    assert events[0].data["priority"] == 34
    assert (events[2].actor, events[2].data["address"]) == ("x", "2001:db8::1")


def test_lines_before_the_first_message_are_kept() -> None:
    events, problems = read(
        syslog,
        b"garbage\nNov 24 09:00:00 srv a: x\nNov 24 09:00:01 srv a: y\n",
        context=Context(collected_ns=NOVEMBER_2026),
    )
    assert [one.kind for one in events] == ["log.unparsed", "log.message", "log.message"]
    assert [one.reason for one in problems] == ["damaged"]


def test_journal_export_and_json() -> None:
    events, problems = read(journal_export, export())
    assert problems == []
    assert [one.time_ns for one in events] == [(1_700_000_000 + n) * 10**9 for n in range(40)]
    assert events[1].data["message"] == "message 1 日本語"  # a binary field
    objects = [
        {"__REALTIME_TIMESTAMP": "1700000000000000", "MESSAGE": [104, 105], "_HOSTNAME": "h", "__SEQNUM": "5"},
        {"__REALTIME_TIMESTAMP": "x", "MESSAGE": None},
    ]
    text = "\n".join(json.dumps(one) for one in objects) + "\n{cut"
    events, problems = read(journal_export, text.encode())
    assert [(one.time_ns, one.record) for one in events[:2]] == [(1_700_000_000 * 10**9, "5"), (None, "2")]
    assert (events[0].data["message"], events[0].host) == ("hi", "h")
    assert [one.reason for one in problems] == ["incomplete"]


def test_a_cut_journal_export() -> None:
    events, problems = read(journal_export, export()[:-200])
    assert len(events) == 39
    assert [one.reason for one in problems] == ["incomplete"]


def _utmp(
    kind: int, user: bytes, seconds: int, *, order: str = "<", host: bytes = b"", line: bytes = b"pts/0"
) -> bytes:
    head = struct.pack(order + "h2xi32s4s32s256s", kind, 42, line, b"0", user, host)
    return head + struct.pack(order + "4xiIi", 0, seconds, 5) + bytes([192, 0, 2, 9]) + b"\0" * 32


def test_wtmp_btmp_and_the_clock_set() -> None:
    records = [_utmp(2, b"reboot", 1_700_000_000, line=b"~"), _utmp(7, b"taro", 1_700_000_010, host=b"192.0.2.9")]
    records += [_utmp(4, b"", 1_700_000_020), _utmp(3, b"", 1_699_999_000), b"\xff" * 384]
    content = b"".join(records) + b"\x07"
    events, problems = read(login_records, content, name="wtmp")
    assert [(one.kind, one.time_ns) for one in events] == [
        ("login.boot", 1_700_000_000_000_005_000),
        ("login.session", 1_700_000_010_000_005_000),
        ("login.clock_old", 1_700_000_020_000_005_000),
        ("login.clock_new", 1_699_999_000_000_005_000),
    ]
    assert (events[1].actor, events[1].data["address"]) == ("taro", "192.0.2.9")
    assert [one.reason for one in problems] == ["damaged", "incomplete"]
    events, _ = read(login_records, _utmp(6, b"root", 1_700_000_000), name="btmp")
    assert [one.kind for one in events] == ["login.failed"]


def test_a_clock_of_2106_and_big_endian_records() -> None:
    events, _ = read(login_records, _utmp(7, b"a", 0xFFFF_FFFF), name="wtmp")
    assert events[0].time_ns == 4_294_967_295_000_005_000
    wide = struct.pack(">h2xi32s4s32s256s", 7, 42, b"tty", b"0", b"b", b"") + struct.pack(
        ">4x4xqqq", 0, 1_700_000_000, 5
    )
    wide = wide[:336] + struct.pack(">qqq", 0, 1_700_000_000, 5) + b"\0" * 40
    events, _ = read(login_records, wide, name="wtmp")
    assert (events[0].time_ns, events[0].actor) == (1_700_000_000_000_005_000, "b")


@needs("utmpdump")
def test_utmpdump_reads_the_same(tmp_path: object) -> None:
    import subprocess
    from pathlib import Path

    path = Path(str(tmp_path)) / "wtmp"
    path.write_bytes(_utmp(7, b"taro", 1_700_000_010, host=b"192.0.2.9"))
    said = subprocess.run(["utmpdump", str(path)], capture_output=True, text=True, check=True, timeout=20).stdout
    assert "[taro    ] [pts/0       ] [192.0.2.9" in said
    assert "2023-11-14T22:13:30,000005+00:00" in said


def test_lastlog_by_uid() -> None:
    content = b"\0" * 292 * 1000 + struct.pack("<I32s256s", 1_700_000_000, b"pts/1", b"host") + b"\0" * 10
    events, problems = read(login_records, content, name="lastlog")
    assert [(one.record, one.time_ns, one.data["uid"]) for one in events] == [("UID 1000", 1_700_000_000 * 10**9, 1000)]
    assert [one.reason for one in problems] == ["incomplete"]


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        (
            "/home/taro/.bash_history",
            "ls\n#1700000000\ncp a \\\n /media/usb\n#1700000005\nhistory -c\n",
            [(None, "ls"), (1_700_000_000, "cp a \\\n /media/usb"), (1_700_000_005, "history -c")],
        ),
        (
            "/home/taro/.zsh_history",
            ": 1700000000:0;cp a \\\n/media/usb\n: 1700000001:12;make\n",
            [(1_700_000_000, "cp a \\\n/media/usb"), (1_700_000_001, "make")],
        ),
        (
            "/home/taro/.local/share/fish/fish_history",
            "- cmd: ll\n  when: 1700000000\n- cmd: la\n  when: 1700000002\n",
            [(1_700_000_000, "ll"), (1_700_000_002, "la")],
        ),
    ],
)
def test_shell_histories(name: str, text: str, found: list[tuple[int | None, str]]) -> None:
    events, problems = read(shell_history, text.encode(), name=name)
    assert problems == []
    assert [(one.time_ns and one.time_ns // 10**9, one.path) for one in events] == found
    assert {one.actor for one in events} == {"taro"}


def test_dpkg_and_apt() -> None:
    events, _ = read(
        package_log, b"2016-08-06 17:35:39 install base-passwd:amd64 <none> 3.5.33\n2016-08-09 04:57:14 status x\n"
    )
    assert next((one.kind, one.path, one.zone) for one in events) == ("package.install", "base-passwd:amd64", None)
    apt = (
        "\nStart-Date: 2019-07-10  16:38:08\nCommandline: apt install nmap\nRequested-By: taro (1000)\n"
        "Install: nmap:amd64 (7.9)\nEnd-Date: 2019-07-10  16:38:10\n"
    )
    events, problems = read(package_log, apt.encode())
    assert problems == []
    assert [(one.kind, one.actor, one.path) for one in events] == [
        ("package.run", "taro", "apt install nmap"),
        ("package.run_end", "taro", "apt install nmap"),
    ]
    assert events[0].time_ns == 1_562_776_688 * 10**9


def test_the_unified_log_in_its_styles() -> None:
    default = (
        "Timestamp                       Thread     Type        Activity             PID    TTL\n"
        "2026-11-24 09:00:00.123456+0900 0x1a2      Default     0x0                  77     0    sudo: "
        "(libpam) [com.apple.x:cat] hello\nmore\n"
    )
    line_style = "2026-11-24 09:00:00.123456+0900  localhost kernel[0]: (AppleUSB) hello\n"
    one_object = {
        "timestamp": "2026-11-24 09:00:00.123456+0900", "machTimestamp": 5, "eventMessage": "hello", "processID": 7,
        "processImagePath": "/usr/bin/x", "subsystem": "", "eventType": "logEvent",
    }  # fmt: skip
    ndjson = json.dumps(one_object) + "\n" + json.dumps(one_object) + "\n"
    array = "[" + json.dumps(one_object, indent=1) + ",\n" + json.dumps(one_object, indent=1) + "\n]\n"
    for text, count in ((default, 1), (line_style, 1), (ndjson, 2), (array, 2)):
        events, problems = read(unified_log, text.encode())
        assert problems == []
        assert [(one.time_ns, one.zone) for one in events] == [(NOVEMBER_2026 + 123_456_000, "+09:00")] * count
        assert events[0].data["message"].startswith("hello")


def _page(version: int, records: list[tuple[bytes, int, int]]) -> bytes:
    tail = {1: b"", 2: b"\x07" + b"\0" * 7, 3: b"\x07" + b"\0" * 11}[version]
    body = b"".join(path + b"\0" + struct.pack("<QI", number, flags) + tail for path, number, flags in records)
    return f"{version}SLD".encode() + b"\0" * 4 + struct.pack("<I", len(body) + 12) + body


@pytest.mark.parametrize("version", [1, 2, 3])
def test_fsevents_keep_the_order_and_claim_no_time(version: int) -> None:
    pages = _page(version, [(b"Users/a.txt", 5, 0x00800001)]) + _page(
        version, [("Users/顧客.xlsx".encode(), 6, 0x00800008)]
    )
    events, problems = read(fsevents, gzip.compress(pages))
    assert problems == []
    assert [(one.time_ns, one.record, one.path) for one in events] == [
        (None, "5", "/Users/a.txt"),
        (None, "6", "/Users/顧客.xlsx"),
    ]
    assert events[0].data["flags"] == ["created", "is file"]
    events, problems = read(fsevents, gzip.compress(pages, mtime=0)[:-12])
    assert problems[-1].reason == "damaged"


HOSTILE = (
    b"\0" * 5000,
    b"\xff" * 5000,
    b"a" * 100,
    b"{" * 3000,
    b'"' * 3000,
    b",\n" * 3000,
    "あ".encode("utf-16") * 900,
)


@pytest.mark.parametrize("content", HOSTILE)
def test_nothing_breaks_a_parser(content: bytes) -> None:
    from timeline import parsers

    for parser in parsers.PARSERS:
        if "timeline.parsers" not in getattr(parser, "__name__", ""):
            continue
        file: SourceFile = memory_file("file:a.log", content)
        if parser.matches(file):
            parsed(parser, file)
