"""Access logs, W3C logs, leases, bodyfiles, mails, plaso's JSON, and tables that no mapping knows."""

from __future__ import annotations

import json

import pytest

from tests.timeline.parsers.reading import parsed, read
from timeline.parsers import bodyfile, dhcpd_leases, mail, plaso_json, table, w3c_log, weblog
from timeline.sources import Context, memory_file

NOVEMBER_2026 = 1_795_478_400 * 10**9


def test_combined_and_squid() -> None:
    text = (
        '192.0.2.1 - taro [24/Nov/2026:09:00:00 +0900] "GET /a?b=\\"c HTTP/1.1" 200 494 "-" "Mozilla/5.0 (x \\"y)"\n'
        '192.0.2.1 - - [24/Nov/2026:09:00:01 +0900] "\\x16\\x03\\x01" 400 -\n'
        "nonsense\n"
        "1795478400.123    250 192.0.2.5 TCP_MISS/200 4512 CONNECT example.com:443 user1 HIER_DIRECT/192.0.2.7 -\n"
    )
    events, problems = read(weblog, text.encode())
    assert [(one.kind, one.time_ns, one.record) for one in events] == [
        ("web.access", NOVEMBER_2026, "1"),
        ("web.access", NOVEMBER_2026 + 10**9, "2"),
        ("log.unparsed", None, "3"),
        ("web.request", NOVEMBER_2026 + 123_000_000, "4"),
    ]
    assert (events[0].actor, events[0].path, events[0].bytes) == ("taro", '/a?b=\\"c', 494)
    assert events[1].data["request"] == "\\x16\\x03\\x01"
    assert (events[3].actor, events[3].bytes, events[3].data["elapsed_ms"]) == ("user1", 4512, 250)
    assert [one.detail for one in problems] == ["not of the log's format, kept without time: 1 lines (line 3)"]


def test_w3c_with_and_without_a_date_and_with_a_second_header() -> None:
    text = (
        "#Software: Microsoft Internet Information Services 10.0\n#Date: 2026-11-24 00:00:00\n"
        "#Fields: time c-ip cs-method cs-uri-stem cs-uri-query cs-username sc-status cs(User-Agent)\n"
        "00:00:01 192.0.2.1 GET /a b=1 taro 200 Mozilla/5.0+(x)\n"
        "#Fields: date time c-ip cs-method cs-uri-stem sc-status sc-bytes\n"
        "2026-11-25 00:00:02 192.0.2.1 PUT /b 201 77\n"
        "short\n"
    )
    events, problems = read(w3c_log, text.encode())
    assert [(one.time_ns, one.path, one.zone) for one in events[:2]] == [
        (NOVEMBER_2026 + 10**9, "/a?b=1", "UTC"),
        (NOVEMBER_2026 + 86_402 * 10**9, "/b", "UTC"),
    ]
    assert events[0].data["date_basis"] == "#Date line"
    assert (events[0].data["agent"], events[0].actor, events[1].bytes) == ("Mozilla/5.0 (x)", "taro", 77)
    assert [one.reason for one in problems] == ["damaged"]
    firewall = b"#Version: 1.5\n#Software: Microsoft Windows Firewall\n#Fields: date time action protocol src-ip\n"
    assert not w3c_log.matches(memory_file("file:pfirewall.log", firewall))


def test_leases() -> None:
    text = (
        "# journal\nlease 192.168.0.5 {\n  starts 2 2026/11/24 00:00:00;\n  ends never;\n  cltt epoch 1700000000; # x\n"
        '  binding state active;\n  hardware ethernet 00:11:22:33:44:55;\n  client-hostname "PC-01";\n}\n'
        "lease 192.168.0.6 {\n  starts 2 2026/11/24 00:00:00;\n"
    )
    events, problems = read(dhcpd_leases, text.encode())
    assert [(one.kind, one.time_ns) for one in events] == [
        ("dhcp.lease", NOVEMBER_2026),
        ("dhcp.contact", 1_700_000_000 * 10**9),
    ]
    assert events[0].data == {"ip": "192.168.0.5", "mac": "00:11:22:33:44:55", "client": "PC-01", "state": "active"}
    assert [one.reason for one in problems] == ["incomplete"]


def test_bodyfile() -> None:
    text = (
        "# Comment\n0|/a|b.txt (deleted)|16-128-1|r/rrw-|0|0|22|1337961583|1337961584|0|1337961585.5\n"
        "0|/a ($FILE_NAME)|16|r/rrw-|0|0|22|0|1337961584|0|0\nbroken\n"
    )
    events, problems = read(bodyfile, text.encode())
    assert [(one.kind, one.time_ns, one.path, one.state) for one in events[:4]] == [
        ("file.accessed", 1_337_961_583 * 10**9, "/a|b.txt", "deleted"),
        ("file.modified", 1_337_961_584 * 10**9, "/a|b.txt", "deleted"),
        ("file.created", 1_337_961_585_500_000_000, "/a|b.txt", "deleted"),
        ("file.name_modified", 1_337_961_584 * 10**9, "/a", ""),
    ]
    assert events[4].kind == "log.unparsed"
    assert [one.reason for one in problems] == ["damaged"]


MAIL = (
    b"Received: from mx.example.jp (mx.example.jp [192.0.2.1])\r\n\tby in.example.com (Postfix) with ESMTPS id 1\r\n"
    b"\tfor <a@example.com>; Tue, 24 Nov 2026 09:00:07 +0900 (JST)\r\n"
    b"Received: from pc1 ([10.0.0.5]) by mx.example.jp with SMTP; Tue, 24 Nov 2026 00:00:03 GMT\r\n"
    b"From: =?utf-8?b?55Sw5Lit?= <t@example.jp>\r\nTo: a@example.com\r\nSubject: =?utf-8?b?6aGn5a6i?=\r\n"
    b"Date: Tue, 24 Nov 2026 08:49:00 +0900\r\nMessage-ID: <x@pc1>\r\n\r\nFrom here on: body\r\n"
)


def test_a_mail_has_a_clock_for_each_hop() -> None:
    events, problems = read(mail, MAIL)
    assert problems == []
    assert [(one.kind, one.time_ns, one.clock, one.record) for one in events] == [
        ("mail.date", NOVEMBER_2026 - 660 * 10**9, "mail:pc1", "Date"),
        ("mail.received", NOVEMBER_2026 + 3 * 10**9, "server:mx.example.jp", "Received 1"),
        ("mail.received", NOVEMBER_2026 + 7 * 10**9, "server:in.example.com", "Received 2"),
    ]
    assert (events[0].actor, events[0].path, events[0].zone) == ("田中 <t@example.jp>", "顧客", "+09:00")
    assert [one.data["hop"] for one in events[1:]] == [1, 2]


def test_a_sent_mail_is_dated_by_this_machine_and_minus_zero_is_no_zone() -> None:
    events, _ = read(mail, b"From: a@b\r\nDate: Tue, 24 Nov 2026 08:49:00 -0000\r\nSubject: x\r\n\r\n")
    assert [(one.clock, one.zone, one.zone_basis) for one in events] == [("", None, "none")]


def test_mbox_and_emlx() -> None:
    line = b"From t@example.jp Tue Nov 24 09:00:00 2026\n"
    unix = MAIL.replace(b"\r\n", b"\n")
    events, _ = read(mail, line + unix + b"\n" + line + unix)
    second = len(line) + len(unix) + 1
    dates = [one.record for one in events if one.kind == "mail.date"]
    assert dates == ["mail 1 (byte 0) Date", f"mail 2 (byte {second}) Date"]
    events, _ = read(mail, b"612       \n" + MAIL.replace(b"\r\n", b"\n"))
    assert [one.kind for one in events] == ["mail.date", "mail.received", "mail.received"]
    assert not mail.matches(memory_file("file:a.txt", b"To: me\nthis is a note\n"))


def test_plaso_json_keeps_the_raw_precision() -> None:
    rows = [
        {
            "__container_type__": "event", "__type__": "AttributeContainer", "timestamp": 1_795_478_400_123_456,
            "date_time": {"__class_name__": "Filetime", "__type__": "DateTimeValues", "timestamp": 134_399_520_001_234_567},
            "timestamp_desc": "Creation Time", "data_type": "fs:stat:ntfs", "message": "m", "display_name": "NTFS:\\a",
            "parser": "mft",
        },
        {
            "__container_type__": "event", "timestamp": 1_795_478_400_000_000, "message": "n",
            "date_time": {"__class_name__": "FATDateTime", "is_local_time": True, "fat_date_time": 5},
        },
    ]  # fmt: skip
    events, problems = read(plaso_json, "\n".join(json.dumps(row) for row in rows).encode())
    assert problems == []
    assert [(one.time_ns, one.precision_ns, one.zone) for one in events] == [
        (NOVEMBER_2026 + 123_456_700, 100, "UTC"),
        (NOVEMBER_2026, 2 * 10**9, None),
    ]
    array = '{"event_0": ' + json.dumps(rows[0]) + ', "event_1": 1}'
    assert not plaso_json.matches(memory_file("file:x", b'{"a":1}'))
    assert parsed(plaso_json, memory_file("file:x", array.encode()))[0][0].kind in ("plaso.event", "log.unparsed")


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("日時,利用者,内容\n2026/11/24 09:00:00,a,b\n", NOVEMBER_2026 + 9 * 3600 * 10**9),
        ("ts,a,b\n1795478400123,1,2\n", NOVEMBER_2026 + 123_000_000),
        ('{"@timestamp":"2026-11-24T00:00:00Z","a":1}\n', NOVEMBER_2026),
    ],
)
def test_a_table_whose_time_is_beyond_doubt(text: str, ns: int) -> None:
    events, problems = read(table, text.encode())
    assert (problems, [one.time_ns for one in events]) == ([], [ns])


@pytest.mark.parametrize(
    "text", ["time,a,b\n03/04/2026 09:00:00,1,2\n", "日付,a,b\n2026/11/24,1,2\n", "ts,a,b\n5,1,2\n"]
)
def test_a_table_that_leaves_a_doubt_is_not_read(text: str) -> None:
    assert not table.matches(memory_file("file:a.csv", text.encode()))


def test_tables_on_images_are_no_logs() -> None:
    file = memory_file("/Users/a/a.csv", "日時,利用者,内容\n2026/11/24 09:00:00,a,b\n".encode())
    assert not table.matches(file)


def test_a_time_limit_is_a_problem() -> None:
    line = '192.0.2.1 - - [24/Nov/2026:09:00:00 +0900] "GET / HTTP/1.1" 200 4\n'
    _, problems = read(weblog, (line * 5000).encode(), context=Context(deadline=0.0))
    assert [one.reason for one in problems] == ["limit"]
