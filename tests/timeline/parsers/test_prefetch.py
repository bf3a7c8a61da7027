"""Prefetch files of all versions, beside libscca's reading; the decoder of their compression."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.timeline.parsers.windows_files import content, of_kind, read, real
from timeline.parsers import prefetch
from timeline.sources import memory_file
from timeline.xpress import DecompressionError, decompress

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "plaso/test_data/winprefetch"


@pytest.mark.parametrize(
    ("name", "version", "runs", "times", "serials"),
    # libscca (pyscca): format_version, run_count, last run times, serial numbers of volumes.
    [
        ("CMD.EXE-087B4001.pf", 17, 2, ["130073839092812500"], ["24CB-074B"]),
        ("WUAUCLT.EXE-830BCC14.pf", 23, 25, ["129763198598079963"], ["AC03-6525"] * 5),
        (
            "BYTECODEGENERATOR.EXE-C1E9BCE6.pf", 30, 7,
            ["130761151180911341", "130761151153576520", "130761151055135991", "130761150858427278",
             "130761150798586549", "130761150659066547", "130761150382515193"], ["3E0D-2D25"],
        ),
        ("NOTEPAD.EXE-D8414F97.pf", 30, 2, ["132042381048777787", "132042361808157052"], ["2CA3-D1AE"]),
        ("ONEDRIVE.EXE-7E152375.pf", 30, 2, ["130761150654852771", "130761150286747101"], ["3E0D-2D25"]),
        ("AM_DELTA_PATCH_1.443.990.0.EX-7037CF86.pf", 31, 1, ["134146862246686325"], ["BC1F-1BFC"]),
    ],
)  # fmt: skip
def test_runs_and_volumes(
    shared_data: Path, name: str, version: int, runs: int, times: list[str], serials: list[str]
) -> None:
    events, problems = read(prefetch, real(shared_data, f"{FOLDER}/{name}"))
    assert problems == []
    run = of_kind(events, "execution.prefetch")
    assert [event["time_text"] for event in run] == times
    assert (run[0]["data"]["version"], run[0]["data"]["runs"]) == (version, runs)
    assert [event["data"]["volume_serial"] for event in of_kind(events, "prefetch.volume_created")] == serials
    assert run[0]["path"].rpartition("\\")[2].startswith(name.rpartition("-")[0])


def test_damage_is_told(shared_data: Path) -> None:
    raw = bytearray(content(real(shared_data, f"{FOLDER}/NOTEPAD.EXE-D8414F97.pf")))
    _, problems = read(prefetch, memory_file("NOTEPAD.EXE-D8414F97.pf", bytes(raw[:2000])))
    assert problems[0].detail.startswith("cannot be decompressed")
    plain = content(real(shared_data, f"{FOLDER}/CMD.EXE-087B4001.pf"))
    events, problems = read(prefetch, memory_file("CMD.EXE-087B4001.pf", plain[:9000]))
    assert (len(events), problems[0].detail) == (1, "9000 of 11986 bytes are there")


def test_decompression() -> None:
    # [MS-XCA] 3.2: "abc" 100 times, compressed by Windows.
    table = bytearray(256)
    table[0x30:0x32] = b"\x30\x23"
    table[0x80] = 0x02
    table[0x8F] = 0x20
    raw = bytes(table) + bytes.fromhex("a8dc0000ff2601")
    assert decompress(raw, 300) == b"abc" * 100
    with pytest.raises(DecompressionError):
        decompress(raw[:100], 300)
    with pytest.raises(DecompressionError):
        decompress(bytes(300), 10)
