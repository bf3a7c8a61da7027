"""$MFT, $UsnJrnl, $LogFile and folder indexes: rows against the walk of the volume, `fls`, and plaso's own artefact."""

import json
import struct
import subprocess
from pathlib import Path

import pytest

from preserve import open_image
from preserve.ntfs import open_ntfs
from preserve.volumes import open_volumes
from tests.conftest import needs
from tests.timeline.builds import asked, built
from timeline.event import Problem
from timeline.parsers import logfile, mft, usnjrnl
from timeline.sources import Context, local_file, memory_file
from timeline.times import filetime

IMAGE = Path(__file__).resolve().parents[2] / "data" / "preserve" / "ntfs.E01"


@pytest.fixture(scope="module")
def table():
    with open_image(IMAGE) as image:
        filesystem = next(one for one in (open_ntfs(part, []) for part in open_volumes(image)[0]) if one is not None)
        return filesystem.read_table(0, filesystem.record_count * 1024)


def rows(parser, file):
    found = list(parser.parse(file, Context()))
    problems = [one for one in found if isinstance(one, Problem)]
    return [row for one in found if not isinstance(one, Problem) for row in one.to_pylist()], problems


def test_a_bare_mft(table):
    file = memory_file("/$MFT", table)
    assert mft.matches(file)
    found, problems = rows(mft, file)
    assert problems == []
    first = found[0]
    # mkntfs leaves the times in $STANDARD_INFORMATION of $MFT itself unset: zero is no time.
    assert first["kind"] == "file.name_created"
    assert first["record"] == "MFT 0-1 $FN"
    assert found[4]["kind"] == "file.created"
    assert first["path"] == "/$MFT"
    assert first["zone_basis"] == "format"
    for row in found:
        assert row["time_ns"] == filetime(int(row["time_text"]))
        assert json.loads(row["data"])
    assert not mft.matches(memory_file("/$MFTMirr", table))


def test_contradictions_are_flagged(table):
    raw = bytearray(table)
    number = 64  # the first file of the volume
    at = number * 1024
    place = at + int.from_bytes(raw[at + 20 : at + 22], "little") + 24
    old = int.from_bytes(raw[place : place + 8], "little")
    raw[place : place + 8] = (old // 10_000_000 * 10_000_000 - 600_000_000).to_bytes(8, "little")
    found, _ = rows(mft, memory_file("/$MFT", bytes(raw)))
    data = json.loads(next(row["data"] for row in found if row["record"].startswith("MFT 64-")))
    assert data["si_before_fn"]
    assert data["whole_seconds"]


def test_a_cut_mft_says_so(table):
    found, problems = rows(mft, memory_file("/$MFT", table[:70_000]))
    assert found
    assert [one.reason for one in problems] == ["incomplete"]


@needs("fls")
def test_an_image_gives_every_time_that_fls_shows(tmp_path):
    outcome = built(tmp_path / "a.case", IMAGE, jobs=1)
    assert outcome.summary["by_parser"]["mft"]["events"] > 100
    query = "SELECT path, kind, time_ns // 1000000000 AS s FROM events WHERE parser = 'mft'"
    answer = asked("query", query, "--limit", "100000", "--case", tmp_path / "a.case")
    mine = {(row["path"], row["s"]) for row in answer["rows"]}
    body = subprocess.run(
        ["fls", "-r", "-m", "/", "-i", "ewf", str(IMAGE)], capture_output=True, text=True, check=True, encoding="utf-8"
    ).stdout
    compared = 0
    for line in body.splitlines():
        name, *_, accessed, modified, changed, created = line.split("|")[1:]
        name = name.replace("//", "/")
        if "(deleted" in name or "$OrphanFiles" in name or ":" in name or name.endswith("/."):
            continue
        name = name.partition(" ($FILE_NAME)")[0].partition(" -> ")[0]
        if name == "/$MFT":
            continue  # its times are unset; fls shows them as 2076
        for second in (accessed, modified, changed, created):
            assert (name, int(second)) in mine, line
            compared += 1
    assert compared > 100


def test_the_change_journal_of_plaso(shared_data):
    file = local_file(shared_data / "plaso" / "test_data" / "UsnJrnl.raw")
    assert usnjrnl.matches(file)
    found, problems = rows(usnjrnl, file)
    assert problems == []
    # Literals as plaso's own test of this file has them (2015-11-30 21:15:27.2031250 UTC …).
    assert len(found) == 19
    assert found[0]["time_ns"] == 1_448_918_127_203_125_000
    assert [row["kind"] for row in found[:4]] == ["usn.created", "usn.created", "usn.renamed_from", "usn.renamed_to"]
    assert found[3]["path"] == "/first.txt"
    assert [row["sequence"] for row in found] == sorted(row["sequence"] for row in found)


def record(usn, file, parent, name, reason, *, flags=0x20, major=2, time=133_444_736_000_000_000):
    raw = name.encode("utf-16-le")
    if major == 2:
        head, offset = struct.pack("<QQqqIIII", file, parent, usn, time, reason, 0, 0, flags), 60
    else:
        head, offset = struct.pack("<QQQQqqIIII", file, 0, parent, 0, usn, time, reason, 0, 0, flags), 76
    body = head + struct.pack("<HH", len(raw), offset) + raw
    length = 8 + len(body) + 7 & ~7
    return struct.pack("<IHH", length, major, 0) + body + bytes(length - 8 - len(body))


def test_paths_are_those_of_the_time():
    """A folder that was renamed later has its old name in earlier records."""
    folder, file, root = 50 | 1 << 48, 51 | 1 << 48, 5 | 5 << 48
    parts = [
        record(0, folder, root, "old", 0x100, flags=0x10),
        record(100, file, folder, "a.txt", 0x100, major=3),
        record(200, folder, root, "old", 0x1000, flags=0x10),
        record(300, folder, root, "new", 0x2000, flags=0x10),
        record(400, file, folder, "a.txt", 0x80000200),
        record(500, 99 | 1 << 48, 98 | 7 << 48, "b.txt", 0x1),
    ]
    found, problems = rows(usnjrnl, memory_file("/$UsnJrnl:$J", b"".join(parts)))
    assert problems == []
    assert [row["path"] for row in found] == [
        "/old",
        "/old/a.txt",
        "/old",
        "/new",
        "/new/a.txt",
        "/$OrphanFiles/Folder-98-7/b.txt",
    ]
    assert [row["kind"] for row in found][-2:] == ["usn.deleted", "usn.written"]
    assert json.loads(found[4]["data"])["reasons"] == ["FILE_DELETE", "CLOSE"]


def test_the_hole_at_the_start_and_damage(tmp_path):
    path = tmp_path / "$UsnJrnl_$J"
    start = 300 << 20
    with path.open("wb") as file:
        file.seek(start)
        file.write(record(start, 51 | 1 << 48, 5 | 5 << 48, "a.txt", 0x100).ljust(4096, b"\0"))
        file.write(b"\x40\0\0\0garbage!".ljust(4096, b"\xaa"))
        file.write(record(start + 8192, 52 | 1 << 48, 5 | 5 << 48, "b.txt", 0x100))
    source = local_file(path)
    assert usnjrnl.matches(source)
    found, problems = rows(usnjrnl, source)
    assert [row["path"] for row in found] == ["/a.txt", "/b.txt"]
    assert [(one.reason, one.offset) for one in problems] == [("damaged", start + 4096)]


def test_version_4_has_no_time():
    raw = struct.pack("<IHHQQQQqIIIIHH", 80, 4, 0, 51 | 1 << 48, 0, 5 | 5 << 48, 0, 7, 0x1, 0, 0, 1, 16, 0)
    found, _ = rows(usnjrnl, memory_file("/$J", raw + bytes(80 - len(raw))))
    assert [(row["kind"], row["time_ns"], row["time_text"]) for row in found] == [("usn.range", None, "")]


def test_the_log_shows_records_that_are_gone(table):
    page = bytearray(4096)
    page[:8] = b"RCRD" + struct.pack("<HH", 40, 9)
    page[8:16] = (777).to_bytes(8, "little")
    page[40:42] = b"\x07\x07"
    source = bytearray(table[64 * 1024 : 64 * 1024 + 480])
    page[1024 : 1024 + 480] = source
    for sector in range(8):
        tail = 512 * (sector + 1) - 2
        page[42 + 2 * sector : 44 + 2 * sector] = page[tail : tail + 2]
        page[tail : tail + 2] = b"\x07\x07"
    restart = b"RSTR" + bytes(12) + struct.pack("<II", 4096, 4096)
    file = memory_file("/$LogFile", restart.ljust(4096, b"\0") + bytes(page))
    assert logfile.matches(file)
    found = [one for one in logfile.parse(file, Context()) if not isinstance(one, Problem)]
    assert {one.sequence for one in found} == {777}
    assert {one.kind for one in found} >= {"file.created", "file.name_created"}
    page[600] ^= 0  # whole
    page[510] ^= 0xFF
    torn = memory_file("/$LogFile", restart.ljust(4096, b"\0") + bytes(page))
    assert [one.reason for one in logfile.parse(torn, Context()) if isinstance(one, Problem)] == ["damaged"]
