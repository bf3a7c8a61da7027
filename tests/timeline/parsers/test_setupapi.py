"""Logs of device installation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.timeline.parsers.windows_files import content, counts, of_kind, read, real
from timeline.parsers import setupapi
from timeline.sources import Context, memory_file

if TYPE_CHECKING:
    from pathlib import Path

LOG = "plaso/test_data/setupapi.dev.log"


def test_sections(shared_data: Path) -> None:
    events, problems = read(setupapi, real(shared_data, LOG))
    # 194 headings `>>>  [`, 194 ends, 12 boot sessions by grep.
    assert problems == []
    assert len(events) == 2 * 194 + 12
    assert counts(events)["device.setup"] == 10
    stick = next(event for event in events if "99E2116A" in event["path"])
    assert (stick["time_text"], stick["time_ns"], stick["zone"], stick["zone_basis"]) == (
        "2016/11/22 23:50:30.938", 1_479_858_630_938_000_000, None, "none",
    )  # fmt: skip
    end = next(event for event in events if event["desc"] == "Section End" and "ISATAP_0" in event["path"])
    assert (end["data"]["exit_status"], end["data"]["description"]) == ("SUCCESS", "Microsoft ISATAP Adapter")


def test_zone_that_is_declared(shared_data: Path) -> None:
    context = Context(zone="+09:00", zone_basis="declared")
    events, _ = read(setupapi, real(shared_data, LOG), context)
    boot = of_kind(events, "system.boot_session")[0]
    assert (boot["time_ns"], boot["zone"]) == (1_448_215_083_498_000_000 - 9 * 3600 * 10**9, "+09:00")


def test_log_that_ends_within_a_section(shared_data: Path) -> None:
    raw = content(real(shared_data, LOG))
    cut = raw[: raw.rfind(b"<<<  Section end")]
    _, problems = read(setupapi, memory_file("setupapi.dev.log", cut))
    assert [problem.reason for problem in problems] == ["incomplete"]


def test_log_of_xp() -> None:
    text = (
        "[SetupAPI Log]\r\nOS Version = 5.1.2600 Service Pack 3\r\n"
        "[2009/08/04 15:11:05 1080.6 Driver Install]\r\n"
        "#-019 Searching for hardware ID(s): usbstor\\diskhp______v100w___________1024,usbstor\\diskhp______v100w\r\n"
        "#-166 Device install function: DIF_SELECTBESTCOMPATDRV.\r\n"
        "[2009/08/04 15:12:00 1080.7]\r\n#W001 nothing\r\n"
    )
    events, problems = read(setupapi, memory_file("setupapi.log", text.encode()))
    assert problems == []
    assert [(event["time_text"], event["kind"], event["path"]) for event in events] == [
        ("2009/08/04 15:11:05", "device.setup", r"usbstor\diskhp______v100w___________1024"),
        ("2009/08/04 15:12:00", "setupapi.section", ""),
    ]
