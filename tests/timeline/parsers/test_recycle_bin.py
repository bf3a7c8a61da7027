"""The recycle bin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.timeline.parsers.windows_files import content, read, real
from timeline.parsers import recycle_bin
from timeline.sources import memory_file

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "plaso/test_data/recycler"


def test_both_versions(shared_data: Path) -> None:
    (event,), problems = read(recycle_bin, real(shared_data, f"{FOLDER}/$I103S5F.jpg"))
    assert problems == []
    assert (event["path"], event["bytes"], event["time_text"]) == (
        r"C:\Users\random\Downloads\bunnies.jpg", 222_255, "131117098656180000",
    )  # fmt: skip
    assert event["data"] == {
        "index_file": "$I103S5F.jpg", "content_file": "$R103S5F.jpg", "content_there": False,
    }  # fmt: skip
    (event,), _ = read(recycle_bin, real(shared_data, f"{FOLDER}/$II3DF3L.zip"))
    assert (event["time_ns"], event["bytes"]) == (1_331_585_398_633_000_000, 724_919)


def test_info2(shared_data: Path) -> None:
    events, _ = read(recycle_bin, real(shared_data, f"{FOLDER}/INFO2"))
    assert [event["record"] for event in events] == ["INFO2 1", "INFO2 2", "INFO2 3", "INFO2 4"]
    assert events[0]["path"] == r"C:\Documents and Settings\Mr. Evil\Desktop\lalsetup250.exe"
    assert events[0]["time_ns"] == 1_093_450_705_237_000_000
    raw = bytearray(content(real(shared_data, f"{FOLDER}/INFO2")))
    raw[20] = 0
    events, problems = read(recycle_bin, memory_file("INFO2", bytes(raw[:-100])))
    assert events[0]["data"]["removed_from_bin"] is True
    assert [problem.detail for problem in problems] == ["the last record is cut off"]


def test_user_by_the_folder(shared_data: Path) -> None:
    raw = content(real(shared_data, f"{FOLDER}/$I103S5F.jpg"))
    (event,), _ = read(recycle_bin, memory_file("/$Recycle.Bin/S-1-5-21-1-2-3-1001/$I103S5F.jpg", raw))
    assert event["actor"] == "S-1-5-21-1-2-3-1001"
    _, problems = read(recycle_bin, memory_file("$I103S5F.jpg", raw[:60]))
    assert problems[0].detail == "cut off within the path"
