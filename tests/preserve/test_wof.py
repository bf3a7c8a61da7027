"""Files that CompactOS compresses: chunks of each algorithm, and a real NTFS with the reparse point on it."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess

import pytest

from chain_of_custody.errors import EvidenceError
from preserve import open_evidence, open_image, wof
from tests.conftest import needs
from tests.xpress_encoder import huffman

pytest.importorskip("pyfwnt", reason="libfwnt-python decompresses")

REPARSE = struct.pack("<IHH4I", wof.TAG, 16, 0, 1, 2, 1, wof.XPRESS4K)


class Stored:
    """A compressed stream in memory."""

    def __init__(self, data):
        self.data = data
        self.size = len(data)

    def read_at(self, offset, size):
        return self.data[offset : offset + size]


def stored(content, algorithm):
    size = wof.CHUNK_BYTES[algorithm]
    chunks, ends, total = [], [], 0
    for at in range(0, len(content), size):
        piece = content[at : at + size]
        packed = huffman(piece)
        chunks.append(packed if len(packed) < len(piece) else piece)
        total += len(chunks[-1])
        ends.append(total)
    return struct.pack(f"<{len(ends) - 1}I", *ends[:-1]) + b"".join(chunks)


CONTENT = "".join(f"{number:05d} 1234-5678-9018 MyNumber\r\n" for number in range(900)).encode() + os.urandom(5000)


@pytest.mark.parametrize("algorithm", [wof.XPRESS4K, wof.XPRESS8K, wof.XPRESS16K])
def test_every_chunk_and_what_is_stored(algorithm):
    reader = wof.WofReader(Stored(stored(CONTENT, algorithm)), len(CONTENT), algorithm)
    assert reader.read_at(0, len(CONTENT) + 5) == CONTENT
    assert reader.read_at(12_345, 9_000) == CONTENT[12_345:21_345]
    assert reader.read_at(len(CONTENT), 1) == b""


def test_a_table_that_leads_nowhere_is_damage():
    data = bytearray(stored(CONTENT, wof.XPRESS4K))
    data[:4] = b"\xff\xff\xff\xff"
    reader = wof.WofReader(Stored(bytes(data)), len(CONTENT), wof.XPRESS4K)
    with pytest.raises(EvidenceError, match="chunk 0"):
        reader.read_at(0, 10)


def test_codes_that_are_none_are_damage():
    data = bytearray(stored(CONTENT, wof.XPRESS4K))
    table = (-(-len(CONTENT) // 4096) - 1) * 4
    data[table : table + 256] = bytes(256)
    with pytest.raises(EvidenceError, match="chunk 0"):
        wof.WofReader(Stored(bytes(data)), len(CONTENT), wof.XPRESS4K).read_at(0, 10)


def test_other_reparse_points_are_none_of_it():
    assert wof.algorithm_of(REPARSE) == wof.XPRESS4K
    assert wof.algorithm_of(REPARSE[:12] + struct.pack("<3I", 1, 1, 0)) is None  # in a WIM
    assert wof.algorithm_of(b"\x0c\0\0\xa0" + bytes(30)) is None
    assert wof.algorithm_of(REPARSE[:20]) is None


@needs("mkntfs", "ntfs-3g", "fusermount3")
def test_a_compressed_file_on_ntfs(tmp_path):
    disk, mount = tmp_path / "disk.dd", tmp_path / "mount"
    with disk.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run(["mkntfs", "-F", "-Q", "-q", str(disk)], check=True, capture_output=True)
    mount.mkdir()
    done = subprocess.run(
        ["ntfs-3g", "-o", "streams_interface=windows", str(disk), str(mount)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("FUSE is not allowed here")
    try:
        target = mount / "給与.txt"
        target.touch()
        os.truncate(target, len(CONTENT))
        (mount / f"給与.txt:{wof.STREAM}").write_bytes(stored(CONTENT, wof.XPRESS4K))
        os.setxattr(target, "system.ntfs_reparse_data", REPARSE)
    finally:
        subprocess.run([shutil.which("fusermount3") or "fusermount3", "-u", str(mount)], check=True)
    with open_image(disk) as image:
        evidence = open_evidence(image)
        entry = next(one for one in evidence.entries if one.path == "/給与.txt")
        assert (entry.size, entry.compressed, entry.on_disk, entry.unsupported) == (len(CONTENT), True, False, "")
        reader = evidence.filesystems[entry.volume].open(entry.id)
        assert reader.read_at(0, reader.size) == CONTENT
