from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib

import pytest

from triage.extractors.model import Limits

A, B = "123456789018", "621498320257"
ROSTER = f"個人番号 {A}\n".encode("cp932")


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zip_methods(read, method: int) -> None:
    result = read(zipped({"a.txt": ROSTER, "b/c.txt": B.encode()}, method), "a.zip")
    assert result.problems == []
    assert result.content(container="a.zip!/a.txt") == ROSTER.decode("cp932")
    assert result.content(container="a.zip!/b/c.txt") == B


def local(name: bytes, data: bytes, *, flags: int = 0, descriptor: bool = False, method: int = 8) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(data) + packer.flush() if method == 8 else data
    sizes = (0, 0, 0) if descriptor else (zlib.crc32(data), len(packed), len(data))
    header = struct.pack(
        "<4s5H3I2H", b"PK\x03\x04", 20, flags | (8 if descriptor else 0), method, 0, 0, *sizes, len(name), 0
    )
    tail = struct.pack("<4s3I", b"PK\x07\x08", zlib.crc32(data), len(packed), len(data)) if descriptor else b""
    return header + name + packed + tail


@pytest.mark.parametrize("descriptor", [False, True])
def test_zip_without_its_directory_is_salvaged(read, descriptor: bool) -> None:
    data = local("名簿.txt".encode("cp932"), ROSTER * 100, descriptor=descriptor) + local(b"b.txt", B.encode())
    result = read(data, "a.zip")
    assert result.problems[0].reason == "damaged"
    assert A in result.content(container="a.zip!/名簿.txt")
    assert B in result.content(container="a.zip!/b.txt")


def test_zip_with_a_damaged_directory_is_salvaged(read) -> None:
    data = bytearray(zipped({"a.txt": ROSTER, "b.txt": B.encode()}))
    at = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    data[at : at + 4] = b"XXXX"
    result = read(bytes(data), "a.zip")
    assert A in result.content()
    assert B in result.content()
    assert [problem.reason for problem in result.problems] == ["damaged"]


def test_one_damaged_member_does_not_stop_the_others(read) -> None:
    data = bytearray(zipped({"a.txt": ROSTER * 1000, "b.txt": B.encode(), "c.txt": ROSTER}, zipfile.ZIP_DEFLATED))
    at = data.index(b"a.txt") + 5
    data[at + 3 : at + 30] = bytes(27)
    result = read(bytes(data), "a.zip")
    assert [(problem.reason, problem.container) for problem in result.problems] == [("damaged", "a.zip!/a.txt")]
    assert B in result.content(container="a.zip!/b.txt")
    assert A in result.content(container="a.zip!/c.txt")


def test_a_wrong_checksum_is_said_and_the_content_read(read) -> None:
    data = bytearray(zipped({"a.txt": ROSTER}, zipfile.ZIP_STORED))
    at = data.index(ROSTER)
    data[at] ^= 1
    result = read(bytes(data), "a.zip")
    assert A in result.content()
    assert [problem.reason for problem in result.problems] == ["damaged"]


def test_zip_behind_a_program(read) -> None:
    # A self-extracting archive begins as a program; its zip is found by the walk only where the file begins with it,
    # so here the offsets in the directory are wrong by what stands before the first member.
    data = zipped({"a.txt": ROSTER})
    shifted = data[:0] + local(b"first.txt", b"x", method=0) + data
    assert A in read(shifted, "a.zip").content()


def test_zip64_directory(read) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive, archive.open("a.txt", "w", force_zip64=True) as member:
        member.write(ROSTER)
    data = target.getvalue()
    assert A in read(data, "a.zip").content()


def test_names_in_cp932_and_utf_8(read) -> None:
    info = f"個人番号{A}.txt"
    for name in (info.encode("cp932"), info.encode("utf-8")):
        result = read(local(name, b"x") * 1, "a.zip")
        assert [text.content for text in result.texts if text.kind == "name"] == [info]


def test_unsupported_method_is_said(read) -> None:
    data = bytearray(zipped({"a.txt": ROSTER}, zipfile.ZIP_STORED))
    data[8:10] = b"\x61\x00"
    data[data.index(b"PK\x01\x02") + 10 :][:2]
    at = data.index(b"PK\x01\x02") + 10
    data[at : at + 2] = b"\x61\x00"
    (problem,) = read(bytes(data), "a.zip").problems
    assert (problem.reason, problem.container) == ("unsupported", "a.zip!/a.txt")


@pytest.mark.parametrize(
    ("pack", "ending"),
    [
        (lambda data: gzip.compress(data, mtime=0), ".gz"),
        (bz2.compress, ".bz2"),
        (lzma.compress, ".xz"),
        (lambda data: lzma.compress(data, lzma.FORMAT_ALONE), ".lzma"),
    ],
)
@pytest.mark.parametrize("copies", [1, 3])
def test_compressed_files_of_one_and_more_streams(read, pack, ending: str, copies: int) -> None:
    data = pack(ROSTER) * (copies if ending != ".lzma" else 1)
    result = read(data, f"名簿.txt{ending}")
    assert result.problems == []
    (text,) = result.texts
    assert text.container == f"名簿.txt{ending}!/名簿.txt"
    assert text.content.count(A) == (copies if ending != ".lzma" else 1)


def test_zstd(read) -> None:
    zstandard = pytest.importorskip("zstandard")
    data = zstandard.compress(ROSTER) + zstandard.compress(ROSTER)
    assert read(data, "a.txt.zst").content().count(A) == 2


@pytest.mark.parametrize("pack", [lambda data: gzip.compress(data, mtime=0), bz2.compress, lzma.compress])
def test_a_cut_file_gives_what_it_has_and_is_said(read, pack) -> None:
    lines = b"".join(b"%d %s\n" % (number, A.encode()) for number in range(120_000))
    data = pack(lines)
    result = read(data[: len(data) // 2], "a.txt.gz")
    assert [problem.reason for problem in result.problems] == ["damaged"]
    assert A in result.content()


def test_large_members_are_read_through_without_being_held(read) -> None:
    lines = b"".join(b"%d,%d,name\n" % (number, number * 7919) for number in range(60_000))
    data = gzip.compress(lines + ROSTER, 1)
    limits = Limits(memory_bytes=1 << 20)
    result = read(data, "a.csv.gz", limits=limits)
    assert A in result.content()
    assert result.problems == []
    # A zip needs its end first, then goes back to its beginning.
    nested = gzip.compress(zipped({"big.bin": lines, "a.txt": ROSTER}, zipfile.ZIP_STORED), 1)
    result = read(nested, "a.zip.gz", limits=limits)
    assert A in result.content(container="a.zip.gz!/a.zip!/a.txt")
    assert result.problems == []


def tarred(members: dict[str, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=form) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return target.getvalue()


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tar_formats_and_long_names(read, form: int) -> None:
    long = "d/" * 60 + "roster.txt"
    result = read(tarred({"名簿.txt": ROSTER, long: B.encode()}, form), "a.tar")
    assert result.problems == []
    assert A in result.content(container="a.tar!/名簿.txt")
    assert B in result.content(container=f"a.tar!/{long}")


def test_tar_goes_on_after_damage(read) -> None:
    data = bytearray(tarred({"a.txt": b"x" * 600, "b.txt": ROSTER, "c.txt": B.encode()}))
    at = data.index(b"b.txt")
    data[at : at + 512] = b"\xff" * 512
    result = read(bytes(data), "a.tar")
    assert [problem.reason for problem in result.problems] == ["damaged"]
    assert B in result.content(container="a.tar!/c.txt")


def test_tgz(read) -> None:
    data = gzip.compress(tarred({"a.txt": ROSTER}), mtime=0)
    assert A in read(data, "a.tgz").content(container="a.tgz!/a.tar!/a.txt")


@pytest.mark.parametrize("head", [b"Rar!\x1a\x07\x01\x00", b"Rar!\x1a\x07\x00"])
def test_archives_without_sound_headers_are_said_and_searched(read, head: bytes) -> None:
    result = read(head + bytes(100) + b"My Number " + A.encode() + bytes(100))
    assert [(problem.reason, "RAR" in problem.en) for problem in result.problems] == [("damaged", True)]
    assert A in result.content()
