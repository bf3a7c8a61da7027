"""Endpoint logs and outputs of other tools by mapping, in every encoding and in bad condition."""

from __future__ import annotations

import pytest

from chain_of_custody.errors import UsageError
from tests.timeline.parsers.reading import parsed, read
from timeline.mapping import parse_mapping, presets
from timeline.parsers import mapped
from timeline.sources import Context, memory_file

OP2 = (
    "端末名,ユーザー名,発生日時,受信日時,種別,ファイル名,読込バイト数,書込バイト数,ドライブ種別\r\n"
    "PC-01,tanaka,2026/11/24 09:00:00,2026/11/24 09:11:05,FileCopy,E:\\顧客.xlsx,1200,0,リムーバブル\r\n"
    "PC-01,tanaka,2026/11/24 09:00:02,,FileRead,C:\\a.txt,10,,固定ディスク\r\n"
    "PC-01,,2026/11/24 09:00:03,2026/11/24 09:11:09,AgentStop,,,,\r\n"
)
KEEPER = (
    "[ログ出力日時],2014/01/02 10:00:00\r\n[検索範囲(開始)],2014/01/01\r\n[種別],ファイル操作\r\n\r\n"
    "[名称],[発生日時],[ユーザー名],[ドメイン名],[種別],[区分],[付帯],[内容],[備考]\r\n"
    "PC1,2014/01/01 10:00:01,u1,DOM,ファイル操作,正規,,"
    "操作:[変名]、ファイル名元:[C:\\a.xls]、ドライブ種別元:[固定]、ファイル名先:[D:\\顧客情報一覧.xls]、"
    "ドライブ種別先:[リムーバブル]、アプリ名:[Explorer.exe],サイズ(バイト):[123]\r\n"
)


def test_a_copy_with_no_bytes_written_and_the_time_of_receipt() -> None:
    events, problems = read(mapped, OP2.encode("cp932"))
    assert problems == []
    assert [(one.kind, one.record, one.clock, one.zone, one.zone_basis) for one in events] == [
        ("op.file_copy", "2", "", None, "none"),
        ("op.received", "2", "server:op2", "+09:00", "format"),
        ("op.file_read", "3", "", None, "none"),
        ("op.agent_stop", "4", "", None, "none"),
        ("op.received", "4", "server:op2", "+09:00", "format"),
    ]
    copy, receipt = events[:2]
    assert (copy.bytes, copy.data["bytes_read"], copy.data["bytes_written"]) == (0, 1200, 0)
    assert (copy.data["operation"], copy.data["drive_kind"]) == ("FileCopy", "リムーバブル")
    assert (copy.actor, copy.host, copy.path) == ("tanaka", "PC-01", "E:\\顧客.xlsx")
    # 2026-11-24T09:00:00 read as if UTC, and 09:11:05+09:00.
    assert (copy.time_ns, receipt.time_ns) == (1_795_510_800 * 10**9, 1_795_479_065 * 10**9)
    assert receipt.data["of"] == "op.file_copy"
    assert (events[2].bytes, "bytes_written" in events[2].data) == (None, False)


@pytest.mark.parametrize("encoding", ["cp932", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "euc_jp"])
def test_a_header_block_and_pairs_in_every_encoding(encoding: str) -> None:
    events, problems = read(mapped, KEEPER.encode(encoding))
    assert problems == []
    (one,) = events
    assert (one.kind, one.record, one.path) == ("op.file_rename", "6", "D:\\顧客情報一覧.xls")
    assert one.data["from"] == "C:\\a.xls"
    assert (one.data["drive_kind_from"], one.data["drive_kind"]) == ("固定", "リムーバブル")
    assert (one.data["app"], one.data["size"]) == ("Explorer.exe", 123)


def test_two_digit_years_in_two_columns_and_a_declared_zone() -> None:
    ccas = "コンピュータ名,ユーザー名,表示名,記録時刻,記録年月日,種別,内容\r\nA,b,c,09:10:11,26/11/24,接続,USB 1\r\n"
    events, _ = read(mapped, ccas.encode("cp932"), context=Context(zone="Asia/Tokyo", zone_basis="declared"))
    (one,) = events
    assert (one.kind, one.time_text) == ("op.device_connect", "26/11/24 09:10:11")
    assert (one.time_ns, one.zone, one.zone_basis) == (1_795_479_011 * 10**9, "Asia/Tokyo", "declared")


def test_the_zone_of_the_registry_is_not_lent_to_a_camera() -> None:
    dvr = "番号,カメラ,日時,イベント\r\n1,玄関,2026/11/24 09:00:00,動体検知\r\n"
    context = Context(zone="Asia/Tokyo", zone_basis="registry")
    (one,), _ = read(mapped, dvr.encode("cp932"), context=context)
    assert (one.clock, one.zone, one.kind) == ("camera:玄関", None, "camera.event")


@pytest.mark.parametrize(
    ("text", "kind", "ns", "path"),
    [
        (
            "警報番号,検知日時,端末名,内容,ファイル,サイズ\r\nA1,2026/11/24 09:00:00,PC,COPY,E:\\a,10\r\n",
            "alert.copy", 1_795_510_800 * 10**9, "E:\\a",
        ),
        (
            ("Microsoft DHCP Service Activity Log\r\n\r\nID,Date,Time,Description,IP Address,Host Name,MAC Address\r\n"
            "10,05/11/18,03:14:55,Assign,192.168.0.5,pc.local,001122334455,\r\n"),
            "dhcp.lease", 1_526_008_495 * 10**9, "192.168.0.5",
        ),
        (
            ("date,time,timezone,MACB,source,sourcetype,type,user,host,short,desc,version,filename,inode,notes,format,extra\n"
            "01/22/2012,07:52:33,UTC,M...,LOG,Log File,Content Modification Time,-,h,s,d,2,OS:/a,-,-,text,x: 1\n"),
            "plaso.event", 1_327_218_753 * 10**9, "OS:/a",
        ),
        (
            ("datetime,timestamp_desc,source,source_long,message,parser,display_name,tag\n"
            "2012-01-22T07:52:33.500000+00:00,Creation Time,FILE,NTFS,m,mft,NTFS:\\a,-\n"),
            "plaso.event", 1_327_218_753_500_000_000, "NTFS:\\a",
        ),
        (
            ("Timestamp,RuleTitle,Level,Computer,Channel,EventID,RecordID,Details\n"
            "2026-11-24 09:00:00.123 +09:00,Logon,info,PC1,Sec,4624,77,x\n"),
            "hayabusa.alert", 1_795_478_400_123_000_000, "",
        ),
        (
            ("RecordNumber,EventRecordId,TimeCreated,EventId,Level,Provider,Channel,Computer,Payload\n"
            '1,99,2026-11-24 00:00:00.1234567,4624,Info,P,Security,PC1,"{""a"":1}"\n'),
            "evtx.record", 1_795_478_400_123_456_700, "",
        ),
        (
            "message,datetime,timestamp_desc,data_type\nx,2026-11-24T00:00:00.000001+00:00,Created,a:b\n",
            "timesketch.event", 1_795_478_400_000_001_000, "",
        ),
        (
            ('{"url":"http://a/","request_time":"2026-11-24T00:00:00.1Z","response_time":"2026-11-24T00:00:01Z",'
            '"status":200,"headers":{"date":"Tue, 24 Nov 2026 00:00:00 GMT"}}\n'),
            "web.request", 1_795_478_400_100_000_000, "http://a/",
        ),
        (
            "日時,ユーザー名,URL,送信バイト数,受信バイト数\r\n2026/11/24 09:00:00,u,http://a/,5,7\r\n",
            "web.request", 1_795_510_800 * 10**9, "http://a/",
        ),
    ],
)  # fmt: skip
def test_the_presets(text: str, kind: str, ns: int, path: str) -> None:
    events, problems = read(mapped, text.encode("utf-8"))
    assert problems == []
    assert [(one.kind, one.time_ns, one.path) for one in events] == [(kind, ns, path)]


def test_eight_times_of_mftecmd_and_their_empty_cells() -> None:
    text = (
        "EntryNumber,SequenceNumber,InUse,ParentEntryNumber,ParentPath,FileName,FileSize,Created0x10,Created0x30,"
        "LastModified0x10,LastModified0x30,LastRecordChange0x10,LastRecordChange0x30,LastAccess0x10,LastAccess0x30\n"
        "39,4,True,5,.\\Users,a.txt,12,2026-11-24 00:00:00.0000001,,2026-11-24 00:00:01.0000000,"
        "2026-11-24 00:00:02.0000000,2026-11-24 00:00:03.0000000,,2026-11-24 00:00:04.0000000,\n"
    )
    events, problems = read(mapped, text.encode())
    assert problems == []
    assert [(one.kind, one.time_ns) for one in events if one.time_ns is not None] == [
        ("file.created", 1_795_478_400_000_000_100),
        ("file.modified", 1_795_478_401_000_000_000),
        ("file.changed", 1_795_478_403_000_000_000),
        ("file.accessed", 1_795_478_404_000_000_000),
        ("file.name_modified", 1_795_478_402_000_000_000),
    ]
    assert {one.path for one in events} == {"Users/a.txt"}


def test_impossible_times_are_kept_without_a_time() -> None:
    header, row = OP2.split("\r\n")[:2]
    stamps = [
        "1601/01/01 00:00:00",
        "1980/01/01 00:00:00",
        "2106/02/07 06:28:16",
        "2026/13/24 09:00:00",
        "9999/12/31 00:00:00",
        "x",
    ]
    text = "\r\n".join([header, *(row.replace("2026/11/24 09:00:00", stamp) for stamp in stamps)])
    events, problems = read(mapped, text.encode("cp932"))
    own = [one for one in events if one.kind == "op.file_copy"]
    assert [one.time_text for one in own] == stamps
    # 1601 and 9999 lie outside 64 bits of nanoseconds.
    assert [one.time_ns for one in own] == [None, 315_532_800 * 10**9, 4_294_967_296 * 10**9, None, None, None]
    assert [(one.reason, one.detail) for one in problems] == [
        ("damaged", "4 rows with a time that cannot be read, kept without it (first: line 2)")
    ]


def test_a_log_that_is_still_being_written() -> None:
    events, problems = read(mapped, OP2.encode("cp932") + b"PC-0")
    assert events[-1].kind == "log.unparsed"
    assert events[-1].data["text"] == "PC-0"
    assert [one.reason for one in problems] == ["incomplete"]


def test_nul_bytes_a_stray_quote_and_a_wrong_encoding_lose_no_row() -> None:
    lines = OP2.encode("cp932").split(b"\r\n")
    broken = [
        lines[0],
        lines[1].replace(b"tanaka", b'ta"naka'),
        lines[2].replace(b"C:\\a.txt", b"C:\\\x81 .txt"),
        lines[2].replace(b"tanaka", b"t\0nk"),
        OP2.split("\r\n")[2].replace("C:\\a.txt", "顧客").encode(),
    ]
    events, problems = read(mapped, b"\r\n".join(broken))
    assert [one.kind for one in events] == [
        "op.file_copy",
        "op.received",
        "op.file_read",
        "op.file_read",
        "op.file_read",
    ]
    assert events[2].path == "C:\\\\x81 .txt"
    assert events[3].actor == "tnk"
    assert events[4].path == "顧客"
    said = " / ".join(one.detail for one in problems)
    assert "quote that never closes in 1 lines (line 2)" in said
    assert "shown as \\x.., in 1 lines (line 3)" in said
    assert "NUL bytes" in said


def test_a_line_of_ten_megabytes_is_one_row() -> None:
    row = OP2.split("\r\n")[1].replace("E:\\顧客.xlsx", "x" * 10_000_000)
    events, problems = read(mapped, f"{OP2}{row}\r\n".encode("cp932"))
    assert (len(events[-1].path), problems) == (10_000_000, [])


def test_longer_lines_are_cut_and_the_next_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timeline.lines.MOST_LINE_BYTES", 1 << 20)
    row = OP2.split("\r\n")[1]
    text = OP2 + row.replace("E:\\顧客.xlsx", "x" * 5_000_000) + "\r\n" + row + "\r\n"
    events, problems = read(mapped, text.encode("cp932"))
    assert [one.record for one in events if one.kind == "op.file_copy"] == ["2", "5", "6"]
    assert [one.reason for one in problems] == ["limit"]


DOOR = """
name = "door"
header = ["カード番号", "日時", ["扉", "ゲート"]]
actor = "カード番号"
[[time]]
column = "日時"
format = "%d/%m/%Y %H:%M"
zone = "+09:00"
clock = "door:1"
[kind]
column = "区分"
default = "log.record"
values = { "入室" = "log.record" }
[data]
door = ["扉", "ゲート"]
"""


def test_a_mapping_of_the_examiner_comes_first() -> None:
    text = "カード番号,日時,ゲート,区分\n77,03/04/2026 09:05,北,入室\n"
    file = memory_file("file:door.csv", text.encode())
    assert not mapped.matches(file)
    context = Context(options={"mappings": [DOOR]})
    events, problems = parsed(mapped, file, context)
    assert problems == []
    (one,) = events
    assert (one.time_ns, one.precision_ns) == (1_775_174_700 * 10**9, 60 * 10**9)
    assert (one.clock, one.zone_basis, one.actor, one.data["door"]) == ("door:1", "declared", "77", "北")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (("[[time]]", "[[tme]]"), "tme"),
        (('format = "%d/%m/%Y %H:%M"', 'format = "%H:%M"'), "no whole date"),
        (('zone = "+09:00"', 'zone = "Mars/Base"'), "Mars/Base"),
        (("[kind]", "[kind"), "not TOML"),
        (('name = "door"', 'format = "xml"'), "csv or jsonl"),
    ],
)
def test_a_wrong_mapping_says_what_is_wrong(change: tuple[str, str], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        parse_mapping(DOOR.replace(*change), "door.toml")


def test_every_preset_has_a_title_in_both_languages() -> None:
    assert all(one.title_ja and one.title_en and one.header for one in presets())
    assert len({one.name for one in presets()}) == len(presets())
