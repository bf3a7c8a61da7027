"""Each format of a clock case, with texts as the programs write them; hostile lines keep their place."""

import json

import numpy as np
import pytest

from timeline.clocks.evidence import Source
from timeline.clocks.record_formats import (
    READERS,
    Zone,
    http_date,
    iso_time,
    local_time,
    locale_step,
    read_source,
    wall_time,
)

NS = 1_000_000_000
MARCH = 1_772_323_200  # 2026-03-01T00:00:00Z


def read(tmp_path, form, content, *, zone="+09:00", order="append", encoding="cp932", origin=MARCH * NS):
    path = tmp_path / "source"
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    source, problems = Source("source", form, "pc", zone, order), []
    read_source(path, source, origin, problems)
    return source, problems


def test_ccas_two_digit_years_and_time_before_date(tmp_path):
    text = "コンピュータ名,ユーザー名,表示名,記録時刻,記録年月日,種別,内容\r\nPC,u,名,09:00:01,26/03/01,LOGON,x\r\n"
    source, problems = read(tmp_path, "ccas", text)
    assert source.names == [2]
    assert source.reading_s.tolist() == [1.0]
    assert source.resolution_s.tolist() == [1.0]
    assert problems == []


def test_op2_counts_receipts_and_duplicates(tmp_path):
    head = "端末名,ユーザー名,発生日時,受信日時,種別,ファイル名,読込バイト数,書込バイト数,ドライブ種別\r\n"
    line = "PC,u,2026/03/01 09:00:00,{},FileCopy,E:\\a.xlsx,10,,リムーバブル\r\n"
    text = head + line.format("2026/03/01 09:00:07") + line.format("2026/03/01 09:20:00")
    source, _ = read(tmp_path, "op2", text, zone="UTC")
    assert source.reading_s.tolist() == [32400.0, 32400.0]
    assert [one[1] for one in source.receipts] == [7.0, 1200.0]  # the receipt is always in Japan time
    assert source.duplicates.tolist() == [0, 0]
    assert (source.operations[0].bytes_read, source.operations[0].bytes_written) == (10, None)


def test_dvr_alerts_combined_and_squid(tmp_path):
    dvr, _ = read(tmp_path, "dvr", "番号,カメラ,日時,イベント\r\n1,C1,2026/03/01 09:00:05,動体検知\r\n")
    alerts, _ = read(
        tmp_path,
        "alerts",
        '警報番号,検知日時,端末名,内容,ファイル,サイズ\r\n1,2026/03/01 09:00:06,PC,COPY,a,"1,024"\r\n',
    )
    combined, _ = read(
        tmp_path, "combined", '10.0.0.1 - - [01/Mar/2026:09:00:07 +0900] "GET / HTTP/1.1" 200 5 "-" "x"\n', zone=None
    )
    squid, _ = read(tmp_path, "squid", f"{MARCH + 8}.250    87 10.0.0.5 TCP_MISS/200 5 GET http://x/ - DIRECT/- -\n")
    assert [dvr.reading_s[0], alerts.reading_s[0], combined.reading_s[0], squid.reading_s[0]] == [5.0, 6.0, 7.0, 8.25]
    assert alerts.alerts[0].size == 1024
    assert squid.resolution_s[0] == pytest.approx(0.001)
    assert not combined.zone_free


def test_rfc3164_over_new_year_counts_years_backwards(tmp_path):
    text = "Dec 31 23:59:59 h a: x\nJan  1 00:00:01 h a: y\n"
    new_year = 1_767_225_600  # 2026-01-01T00:00:00Z
    source, _ = read(tmp_path, "rfc3164", text, zone="UTC", origin=(new_year + 40 * 86400) * NS)
    assert (source.reading_s + 40 * 86400).tolist() == [-1.0, 1.0]


def test_the_29th_of_february_is_in_a_leap_year(tmp_path):
    source, _ = read(tmp_path, "rfc3164", "Feb 29 00:00:00 h a: x\n", zone="UTC", origin=MARCH * NS)
    assert source.reading_s[0] == 1_709_164_800 - MARCH  # 2024


def test_http_reply_age_and_resolution(tmp_path):
    value = {
        "url": "https://WWW.example.jp/x", "request_time": "2026-03-01T00:00:01.250Z",
        "response_time": "2026-03-01T00:00:01.500Z", "status": 200,
        "headers": {"Date": "Sun, 01 Mar 2026 00:00:02 GMT", "age": "7"},
    }  # fmt: skip
    source, _ = read(tmp_path, "http", json.dumps(value) + "\n", order="none")
    reply = source.replies[0]
    assert (reply.host, reply.date_s, reply.age) == ("www.example.jp", 2.0, True)
    assert source.reading_s[0] == 1.25
    assert reply.response_s == pytest.approx(1.501)


def event(provider, number, record, created, data):
    system = {
        "Provider": {"#attributes": {"Name": provider}},
        "EventID": number,
        "EventRecordID": record,
        "TimeCreated": {"#attributes": {"SystemTime": created}},
    }
    return json.dumps({"Event": {"System": system, "EventData": data}})


def test_evtx_time_changes_and_sleep(tmp_path):
    lines = [
        event("Microsoft-Windows-Security-Auditing", 4616, 7, "2026-03-01T00:00:00.5Z",
              {"PreviousTime": "2026-03-01T01:00:00.0Z", "NewTime": "2026-03-01T00:00:00.5Z", "ProcessName": "x.exe"}),
        event("Microsoft-Windows-Kernel-General", {"#text": 1}, 8, "2026-03-01T00:00:01Z",
              {"OldTime": "2026-03-01T01:00:00.0Z", "NewTime": "2026-03-01T00:00:00.5Z", "Reason": 1}),
        event("Microsoft-Windows-Power-Troubleshooter", 1, 9, "2026-03-01T00:00:02Z",
              {"SleepTime": "2026-03-01T00:00:00Z", "WakeTime": "2026-03-01T00:00:02Z"}),
        "not json",
    ]  # fmt: skip
    source, problems = read(tmp_path, "evtx", "\n".join(lines) + "\n")
    assert source.names[:3] == [7, 8, 9]
    assert [(one.old_s, one.new_s, one.process, one.reason) for one in source.changes] == [
        (3600.0, 0.5, "x.exe", None),
        (3600.0, 0.5, "", 1),
    ]
    assert source.standstills[0].to_s == 2.0
    assert any("not a JSON object" in one.detail for one in problems)


def test_a_change_in_the_words_of_a_locale_gives_the_step():
    data = {"PreviousDate": "8/24/2015", "PreviousTime": "12:14:49 AM", "NewDate": "8/23/2015", "NewTime": "2:14:52 PM"}
    assert locale_step(data, 1_440_364_492.0) == -35_997.0
    assert locale_step({"NewDate": "x", "NewTime": "y"}, 0.0) is None


def test_mail_date_and_first_hop(tmp_path):
    text = (
        "Received: from b by c; Sun, 1 Mar 2026 09:00:20 +0900\r\nReceived: from pc by mail.example.jp\r\n"
        " with ESMTP; Sun, 1 Mar 2026 09:00:10 +0900\r\nDate: Sun, 1 Mar 2026 09:00:05 +0900\r\n\r\nReceived: in body\r\n"
    )
    source, _ = read(tmp_path, "eml", text)
    assert source.names == ["Date"]
    assert source.reading_s.tolist() == [5.0]
    assert source.receipts == [(0, 10.0, "mail:mail.example.jp"), (0, 20.0, "mail:c")]


def test_both_readings_of_a_repeated_hour():
    zone = Zone("America/New_York")
    repeated = 1_793_496_600 - 0  # 2026-11-01 01:30 wall time as if UTC
    first, second = zone.to_utc(repeated)
    assert second - first == 3600
    assert zone.to_utc(repeated + 7200)[1] is None


def test_zones_that_nobody_knows_are_told_and_read_as_utc(tmp_path):
    source, problems = read(
        tmp_path, "dvr", "番号,カメラ,日時,イベント\r\n1,C,2026/03/01 00:00:05,x\r\n", zone="Mars/Base"
    )
    assert source.reading_s.tolist() == [5.0]
    assert source.zone_free
    assert "unknown zone" in problems[0].detail


@pytest.mark.parametrize("form", sorted(READERS))
def test_hostile_bytes_raise_nothing_and_keep_their_place(tmp_path, form):
    junk = (
        b"\xff\xfe\x00\x80,,,,\r\n" + b"a" * 5_000_000 + b'\n"\x00\n{"Event": [1]}\n[[[[\n' + bytes(range(256)) + b"\n"
    )
    source, _ = read(tmp_path, form, junk)
    assert len(source.names) == len(source.reading_s) == len(source.resolution_s) == len(source.duplicates)
    assert not np.isfinite(source.reading_s).any()


def test_times_that_are_none():
    assert local_time("2026/02/30 00:00:00", Zone(None)) is None
    assert wall_time("2026/03/01", "24:00:00") is None
    assert iso_time("2026-03-01T00:00:00.1234567Z") == (MARCH * NS + 123_456_700, pytest.approx(1e-7))
    assert iso_time(7) is None
    assert http_date("Sun, 99 Mar 2026 00:00:00 GMT") is None
