"""Windows event logs: what libevtx and the headers count, the events that matter, and what is damaged."""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING

import pytest

from tests.timeline.parsers.windows_files import content, counts, of_kind, read, real
from timeline.event import Event, Problem
from timeline.kinds import describe
from timeline.kinds.eventlog import BY_EVENT, EVENTS
from timeline.parsers import evt, evtx
from timeline.sources import Context, memory_file

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES = "evtx/samples"


@pytest.mark.parametrize(
    ("name", "records"),
    # libevtx (pyevtx 20260704), number_of_records.
    [
        (f"{SAMPLES}/system.evtx", 1881),
        (f"{SAMPLES}/security.evtx", 2261),
        (f"{SAMPLES}/Security_with_size_t.evtx", 636),
        (f"{SAMPLES}/sysmon.evtx", 358),
        (f"{SAMPLES}/E_Windows_system32_winevt_logs_Microsoft-Windows-CAPI2%4Operational.evtx", 340),
        (f"{SAMPLES}/E_Windows_system32_winevt_logs_Microsoft-Windows-Shell-Core%4Operational.evtx", 1146),
        ("plaso/test_data/evtx/System.evtx", 5009),
    ],
)
def test_one_record_is_one_event(shared_data: Path, name: str, records: int) -> None:
    events, problems = read(evtx, real(shared_data, name))
    assert len(events) == records
    assert problems == []
    assert [event["sequence"] for event in events] == list(range(records))


def test_clock_change_account_and_sleep(shared_data: Path) -> None:
    events, _ = read(evtx, real(shared_data, f"{SAMPLES}/security.evtx"))
    found = counts(events)
    assert (found["evtx.time_changed"], found["evtx.logon"], found["evtx.account_created"]) == (26, 583, 2)
    change = of_kind(events, "evtx.time_changed")[0]
    assert (change["time_ns"], change["time_text"]) == (1_468_016_191_245_000_000, "2016-07-08T22:16:31.2450000Z")
    assert (change["record"], change["host"]) == ("EventRecordID 143", "WIN-03DLIIOFRRA")
    assert change["actor"] == "WORKGROUP\\WIN-03DLIIOFRRA$"
    data = json.loads(change["data"])
    assert (data["PreviousTime"], data["NewTime"]) == ("2016-07-08T18:16:31.108103Z", "2016-07-08T22:16:31.245000Z")
    assert describe("evtx.time_changed", change | data, "ja") == (
        "時計の変更: 2016-07-08T18:16:31.108103Z → 2016-07-08T22:16:31.245000Z "
        "(実行者 WORKGROUP\\WIN-03DLIIOFRRA$、C:\\Program Files\\VMware\\VMware Tools\\vmtoolsd.exe)"
    )
    events, _ = read(evtx, real(shared_data, f"{SAMPLES}/system.evtx"))
    assert counts(events)["evtx.time_changed_kernel"] == 208
    wake = json.loads(of_kind(events, "evtx.wake")[0]["data"])
    assert (wake["SleepTime"], wake["WakeTime"]) == ("2017-07-20T16:22:15.037313Z", "2017-07-23T07:16:52.026599Z")


def test_unnamed_data_and_whole_seconds(shared_data: Path) -> None:
    events, _ = read(evtx, real(shared_data, "plaso/test_data/evtx/System.evtx"))
    asked = of_kind(events, "evtx.shutdown_requested")[0]
    assert asked["actor"] == "NT AUTHORITY\\SYSTEM"
    assert json.loads(asked["data"])["param5"] == "restart"
    # A record of a whole second: the decoder drops the fraction, the header has all 100 ns of it.
    service = of_kind(events, "evtx.service_installed")[0]
    assert (service["time_text"], service["precision_ns"]) == ("2015-06-23T06:01:28.0000000Z", 100)
    assert "written" not in json.loads(service["data"])


def test_sysmon(shared_data: Path) -> None:
    events, _ = read(evtx, real(shared_data, f"{SAMPLES}/sysmon.evtx"))
    first = of_kind(events, "sysmon.process")[0]
    assert (first["path"], first["actor"]) == ("C:\\Windows\\SysWOW64\\PING.EXE", "NT AUTHORITY\\SYSTEM")
    assert counts(events)["sysmon.process"] == 227


def test_damaged_chunks_are_told_and_the_rest_is_read(shared_data: Path) -> None:
    events, problems = read(evtx, real(shared_data, f"{SAMPLES}/sample_with_a_bad_chunk_magic.evtx"))
    # libevtx finds 267 and recovers 163 (some from space that is free); the decoder alone stops at the first bad chunk.
    assert (len(events), len(of_kind(events, "evtx.undecoded"))) == (380, 82)
    told = [(problem.offset, problem.detail) for problem in problems]
    assert (397_312, "a chunk without signature; 15 record headers found and read") in told
    assert (69_632, "5 chunks are all zeros") in told
    lost = of_kind(events, "evtx.undecoded")[0]
    assert lost["record"] == "EventRecordID 47613"
    assert lost["time_ns"] is not None


def test_zeroed_span_and_cut_off_file(shared_data: Path) -> None:
    raw = bytearray(content(real(shared_data, f"{SAMPLES}/security.evtx")))
    raw[4096 + 65_536 : 4096 + 2 * 65_536] = bytes(65_536)
    events, problems = read(evtx, memory_file("Security.evtx", bytes(raw)))
    assert len(events) < 2261
    assert [(one.offset, one.size, one.detail) for one in problems] == [(69_632, 65_536, "1 chunks are all zeros")]
    events, problems = read(evtx, memory_file("Security.evtx", bytes(raw[: 4096 + 65_536 * 3 + 30_000])))
    assert {one.detail.partition(" chunks that")[2] for one in problems} >= {" the header counts are cut off"}
    assert any("cut off after 30000 of 65536 bytes" in one.detail for one in problems)


def test_hole_inside_a_chunk_costs_the_hole_alone(shared_data: Path) -> None:
    raw = bytearray(content(real(shared_data, f"{SAMPLES}/security.evtx")))
    whole, _ = read(evtx, memory_file("Security.evtx", bytes(raw)))
    raw[4096 + 20_000 : 4096 + 22_000] = bytes(2000)
    events, problems = read(evtx, memory_file("Security.evtx", bytes(raw)))
    told = [one.detail for one in problems]
    assert "no record where one should be; read on behind it" in told
    lost = len(whole) - len(events)
    assert 0 < lost < 8
    after = [event["record"] for event in events]
    assert whole[-1]["record"] == after[-1]


def test_changed_checksum_is_told(shared_data: Path) -> None:
    raw = bytearray(content(real(shared_data, f"{SAMPLES}/security.evtx")))
    raw[4096 + 1000] ^= 1
    _, problems = read(evtx, memory_file("Security.evtx", bytes(raw)))
    assert any("checksum of a chunk is wrong" in one.detail for one in problems)


def test_time_of_1601_stays_without_reading(shared_data: Path) -> None:
    raw = bytearray(content(real(shared_data, f"{SAMPLES}/security.evtx"))[: 4096 + 65_536])
    struct.pack_into("<H", raw, 42, 1)
    struct.pack_into("<Q", raw, 4096 + 512 + 16, 1)
    struct.pack_into("<I", raw, 124, zlib.crc32(raw[:120]))
    events, _ = read(evtx, memory_file("Security.evtx", bytes(raw)))
    # The header's time differs from the event's own: the event's counts, the other is kept.
    assert json.loads(events[0]["data"])["written"] == "1"
    assert events[0]["time_text"] == "2016-07-08T18:12:51.681640Z"


def test_table_is_whole() -> None:
    kinds = {}
    for row in EVENTS:
        assert row[2] not in kinds or kinds[row[2]] == row[6:]
        kinds[row[2]] = row[6:]
        for number in row[1]:
            assert BY_EVENT[row[0], number].kind == row[2]
    assert len(BY_EVENT) == sum(len(row[1]) for row in EVENTS)
    wanted = {
        4624, 4625, 4634, 4647, 4648, 4672, 6416, 4616, 1102, 4688, 4689, 4778, 4779, 5140, 5145, 4698, 4663, 4656, 4720,
    }  # fmt: skip
    assert wanted <= {number for _, number in BY_EVENT}


def test_legacy_log(shared_data: Path) -> None:
    events, problems = read(evt, real(shared_data, "plaso/test_data/SysEvent.Evt"))
    # libevt: 6,063 records and 438 recovered ones; one of these is a torn copy of record 1572 without its end.
    assert len(events) == 6500
    assert [one.detail[:43] for one in problems] == [
        "1 places look like records and are none",
        "the log was open when it was copied (header",
    ]
    by_number = {event["sequence"]: event for event in events}
    assert by_number[1573]["time_ns"] == 1_312_045_186_000_000_000
    assert by_number[1573]["host"] == "WKS-WINXP32BIT"
    assert counts(events)["evtx.log_started"] == 24
    # The record that runs over the end of the ring.
    assert by_number[1572]["data"]["event_id"] == 40_960


def test_legacy_security_events_have_kinds() -> None:
    strings = "Administrator\0DOMAIN\0(0x0)\0002\0".encode("utf-16-le")
    names = "Security\0PC\0".encode("utf-16-le")
    size = 56 + len(names) + len(strings)
    size += -size % 4 + 4
    body = struct.pack("<I4sIIIIHHHHIIIIII", size, b"LfLe", 7, 10, 10, 528, 8, 4, 2, 0, 0, 56 + len(names), 0, 0, 0, 0)
    record = (body + names + strings).ljust(size - 4, b"\0") + size.to_bytes(4, "little")
    header = struct.pack("<I4s10I", 48, b"LfLe", 1, 1, 48, 48 + size, 8, 7, 65_536, 0, 0, 48)
    found = list(evt.parse(memory_file("SecEvent.Evt", header + record), Context()))
    assert len(found) == 1
    assert isinstance(found[0], Event)
    assert (found[0].kind, found[0].actor, found[0].host) == ("evtx.logon", "DOMAIN\\Administrator", "PC")
    cut = list(evt.parse(memory_file("SecEvent.Evt", header + record[:-8]), Context()))
    assert [type(one) for one in cut] == [Problem, Problem]
