"""Windows Timeline, notifications, tasks, logs of cloud clients and of protection."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tests.timeline.parsers.windows_files import counts, of_kind, read, real
from timeline.parsers import cloud_log, scheduled_task, windows_activity, windows_text_log
from timeline.sources import Context, memory_file

if TYPE_CHECKING:
    from pathlib import Path

DATA = "plaso/test_data"


def test_windows_timeline(shared_data: Path) -> None:
    events, problems = read(windows_activity, real(shared_data, f"{DATA}/windows/ActivitiesCache.db"))
    assert problems == []
    # By hand: 112 rows of Activity, 79 with an end.
    assert counts(events) == {"activity.start": 112, "activity.end": 79, "activity.changed": 224}
    used = next(one for one in events if one["data"].get("active_seconds"))
    assert (used["time_text"], used["data"]["program"], used["data"]["active_seconds"]) == (
        "1532520288", "Microsoft.SkyDrive.Desktop", 3,
    )  # fmt: skip


def test_notifications(shared_data: Path) -> None:
    events, problems = read(windows_activity, real(shared_data, f"{DATA}/windows/wpndatabase.db"))
    assert problems == []
    assert counts(events)["notification.arrived"] == 6
    first = of_kind(events, "notification.arrived")[0]
    assert (first["time_text"], first["data"]["text"]) == (
        "132521874959025799", "Setting up a device | We're setting up 'PCI Device'.",
    )  # fmt: skip


def test_google_drive_log(shared_data: Path) -> None:
    events, problems = read(cloud_log, real(shared_data, f"{DATA}/gdrive_synclog/sync_log.log"))
    assert problems == []
    # grep -c '^20..-..-.. ..:..:..,... [-+]' gives 2,190.
    assert len(events) == 2190
    assert (events[0]["time_text"], events[0]["zone"], events[0]["time_ns"]) == (
        "2018-01-24 18:25:08,454 -0800", "-08:00", 1_516_847_108_454_000_000,
    )  # fmt: skip


def test_onedrive_log(shared_data: Path) -> None:
    events, problems = read(cloud_log, real(shared_data, f"{DATA}/skydriveerr.log"))
    assert problems == []
    assert len(events) == 19
    assert events[0]["data"]["local_zone"] == "+02:00"
    assert (events[1]["time_text"], events[1]["zone"], events[1]["time_ns"]) == (
        "07-25-13,16:03:24.649", "UTC", 1_374_768_204_649_000_000,
    )  # fmt: skip
    found = list(cloud_log.parse(memory_file("SyncEngine.odlgz", b"EBFGONED" + bytes(300)), Context()))
    assert [getattr(one, "reason", "") for one in found] == ["unsupported"]


def test_firewall_log(shared_data: Path) -> None:
    events, problems = read(windows_text_log, real(shared_data, f"{DATA}/windows_firewall.log"))
    assert problems == []
    assert len(events) == 15
    first = events[0]
    assert (first["time_text"], first["zone"], first["bytes"], first["path"]) == (
        "2005-04-11 08:05:57", None, 78, "123.156.78.255:137",
    )  # fmt: skip
    assert first["data"]["action"] == "DROP"


def test_antivirus_log(shared_data: Path) -> None:
    events, problems = read(windows_text_log, real(shared_data, f"{DATA}/AccessProtectionLog.txt"))
    assert problems == []
    assert len(events) == 14
    assert (events[0]["time_text"], events[0]["time_ns"], events[0]["actor"]) == (
        "9/27/2013 2:42:26 PM", 1_380_292_946_000_000_000, "SOMEDOMAIN\\someUser",
    )  # fmt: skip


def test_date_that_may_be_day_or_month_is_not_guessed() -> None:
    line = "3/4/2013\t10:00:00\tBlocked\tD\\u\tC:\\a.exe\tC:\\b.exe\trule\taction\r\n"
    events, problems = read(windows_text_log, memory_file("AccessProtectionLog.txt", line.encode()))
    assert [event["time_ns"] for event in events] == [None]
    assert problems[0].reason == "incomplete"
    both = (line + line.replace("3/4/", "25/4/")).encode()
    events, problems = read(windows_text_log, memory_file("AccessProtectionLog.txt", both))
    assert problems == []
    assert events[0]["time_ns"] == 1_364_983_200_000_000_000
    japanese = "2013/09/27\t14:42:26\t遮断\tD\\u\tC:\\a.exe\tC:\\b.exe\t規則\t動作\r\n".encode("cp932")
    events, _ = read(windows_text_log, memory_file("AccessProtectionLog.txt", japanese))
    assert (events[0]["time_ns"], events[0]["data"]["status"]) == (1_380_292_946_000_000_000, "遮断")


TASK = """<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Date>2026-11-01T09:30:00.123</Date><Author>PC\\taro</Author><URI>\\Copy</URI></RegistrationInfo>
  <Triggers><CalendarTrigger><StartBoundary>2026-11-02T03:00:00+09:00</StartBoundary></CalendarTrigger></Triggers>
  <Actions><Exec><Command>robocopy</Command><Arguments>C:\\data E:\\ /e</Arguments></Exec></Actions>
</Task>"""


def test_task_in_xml() -> None:
    raw = TASK.encode("utf-16")
    events, problems = read(scheduled_task, memory_file("/Windows/System32/Tasks/Copy", raw))
    assert problems == []
    assert [(one["kind"], one["time_text"], one["zone"]) for one in events] == [
        ("task.registered", "2026-11-01T09:30:00.123", None), ("task.begins", "2026-11-02T03:00:00+09:00", "+09:00"),
    ]  # fmt: skip
    assert (events[0]["actor"], events[0]["data"]["command"]) == ("PC\\taro", "robocopy C:\\data E:\\ /e")
    _, problems = read(scheduled_task, memory_file("Copy", raw[: len(raw) // 2 * 2 - 40]))
    assert problems[0].reason == "damaged"
    bomb = TASK.replace("<Task ", "<!DOCTYPE x [<!ENTITY a 'b'>]><Task ").encode()
    _, problems = read(scheduled_task, memory_file("Copy", bomb.replace(b"UTF-16", b"UTF-8")))
    assert problems[0].reason == "unsupported"


def test_job_of_xp() -> None:
    texts = b"".join(
        struct.pack("<H", len(one) + 1) + one.encode("utf-16-le") + b"\0\0"
        for one in ("C:\\a.exe", "/x", "", "Brian", "")
    )
    last = struct.pack("<8H", 2013, 8, 6, 24, 12, 42, 0, 112)
    fixed = struct.pack("<HH", 0x0601, 1) + bytes(16) + struct.pack("<HH", 70, 70 + len(texts)) + bytes(28) + last
    trigger = struct.pack("<HH", 48, 0) + struct.pack("<9H", 2013, 7, 12, 0, 0, 0, 15, 42, 0) + bytes(26)
    raw = fixed + b"\0\0" + texts + struct.pack("<H", 1) + trigger
    events, problems = read(scheduled_task, memory_file("a.job", raw))
    assert problems == []
    assert [(one["kind"], one["time_ns"], one["zone"]) for one in events] == [
        ("task.ran", 1_377_348_120_112_000_000, None), ("task.begins", 1_373_643_720_000_000_000, None),
    ]  # fmt: skip
    assert events[0]["data"]["command"] == "C:\\a.exe /x"
