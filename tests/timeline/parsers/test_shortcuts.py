"""Shortcuts and jump lists, beside liblnk's and plaso's reading of the same files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.timeline.parsers.windows_files import content, counts, of_kind, read, real
from timeline.parsers import jump_list, lnk
from timeline.shell_items import parse_list, path_of
from timeline.sources import memory_file

if TYPE_CHECKING:
    from pathlib import Path

DATA = "plaso/test_data"
AUTOMATIC = f"{DATA}/automaticDestinations-ms/1b4dd67f29cb1962.automaticDestinations-ms"
CUSTOM = f"{DATA}/customDestinations-ms/5afe4de1b92fc382.customDestinations-ms"


def test_shortcut(shared_data: Path) -> None:
    events, problems = read(lnk, real(shared_data, f"{DATA}/NeroInfoTool.lnk"))
    assert problems == []
    # liblnk: created and modified 2009-06-05 20:13:20, accessed 2010-01-29 21:30:11.332156 (9), serial 0x70ecfa33.
    # plaso finds 5 file entries with three times each in its list of shell items.
    assert len(events) == 4 + 15
    assert [(event["kind"], event["time_text"]) for event in events[:4]] == [
        ("lnk.target_created", "128887064000000000"),
        ("lnk.target_accessed", "129092742113321569"),
        ("lnk.target_modified", "128887064000000000"),
        ("lnk.object_id", "134840917378401717"),
    ]
    assert events[0]["time_ns"] == 1_244_232_800_000_000_000
    assert events[0]["path"] == r"C:\Program Files (x86)\Nero\Nero 9\Nero InfoTool\InfoTool.exe"
    data = events[0]["data"]
    assert (data["volume_serial"], data["volume_label"], data["drive_type"]) == ("70EC-FA33", "OS", "fixed")
    assert (data["machine"], data["mac"]) == ("win-3qmdjgkf3g9", "70:5a:b6:16:a5:f3")
    assert data["droid_file"] == "{958705b5-0d19-11df-9fe4-705ab616a5f3}"


def test_shortcut_without_local_path(shared_data: Path) -> None:
    events, _ = read(lnk, real(shared_data, f"{DATA}/example.lnk"))
    assert {event["path"] for event in events} == {r"%windir%\system32\migwiz\migwiz.exe"}
    assert events[0]["time_ns"] == 1_247_527_742_849_131_000


def test_shortcut_that_is_cut_off_says_so(shared_data: Path) -> None:
    raw = content(real(shared_data, f"{DATA}/NeroInfoTool.lnk"))
    events, problems = read(lnk, memory_file("a.lnk", raw[:1000]))
    assert counts(events)["lnk.target_created"] == 1
    assert [problem.detail for problem in problems] == ["its description is cut off"]


def test_automatic_jump_list(shared_data: Path) -> None:
    events, problems = read(jump_list, real(shared_data, AUTOMATIC))
    assert problems == []
    # plaso: 7 entries of the list, 21 times of shortcuts.
    found = counts(events)
    assert (found["jumplist.used"], found["jumplist.target_created"], found["jumplist.object_id"]) == (7, 7, 7)
    first = of_kind(events, "jumplist.used")[0]
    assert (first["path"], first["time_text"], first["record"]) == (
        r"C:\Users\bperry\Downloads", "130853359640343008", "DestList 7",
    )  # fmt: skip
    assert first["data"]["machine"] == "student-pc1"
    assert first["data"]["program"] == "Windows Explorer"


def test_custom_jump_list(shared_data: Path) -> None:
    events, problems = read(jump_list, real(shared_data, CUSTOM))
    assert problems == []
    assert counts(events)["jumplist.target_created"] == 9
    assert events[0]["path"] == r"C:\Windows\System32\GettingStarted.exe"


def test_jump_list_without_a_shortcut_is_told(shared_data: Path) -> None:
    raw = content(real(shared_data, AUTOMATIC))
    _, problems = read(jump_list, memory_file("1b4dd67f29cb1962.automaticDestinations-ms", raw[:2000]))
    assert problems
    assert {problem.reason for problem in problems} == {"damaged"}


def test_path_of_shell_items() -> None:
    drive = b"\x19\x00\x2fE:\\" + bytes(19)
    name = "計画.docx".encode("cp932") + b"\0"
    body = b"\x32\0" + (1234).to_bytes(4, "little") + bytes.fromhex("6d511234") + b"\x20\0" + name
    file = (len(body) + 2).to_bytes(2, "little") + body
    items = parse_list(drive + file + b"\0\0")
    assert path_of(items) == "E:\\計画.docx"
    assert (items[1].size, items[1].kind) == (1234, "file")
    assert path_of(parse_list(drive + b"\0\0")) == "E:\\"
