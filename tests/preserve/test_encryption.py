import random
import struct

import pytest

from preserve import open_evidence, open_image
from preserve.encryption import find_encryption


def head(kind):
    disk = bytearray(random.Random(1).randbytes(1 << 21))
    disk[:1024] = bytes(1024)
    if kind == "BitLocker":
        disk[3:11] = b"-FVE-FS-"
        disk[510:512] = b"\x55\xaa"
    elif kind == "BitLocker To Go":
        disk[3:11] = b"MSWIN4.1"
        disk[0x1A8:0x1B8] = bytes.fromhex("3bd66749292ed84a8399f6a339e3d001")
        disk[510:512] = b"\x55\xaa"
    elif kind == "LUKS1":
        disk[:8] = b"LUKS\xba\xbe\x00\x01"
        disk[8:11] = b"aes"
    elif kind == "LUKS2":
        disk[:8] = b"LUKS\xba\xbe\x00\x02"
    elif kind.startswith("FileVault"):
        disk[88:90] = b"CS"
        disk[0x30:0x34] = struct.pack("<I", 512)
    return disk


@pytest.mark.parametrize("kind", ["BitLocker", "BitLocker To Go", "LUKS1", "LUKS2", "FileVault (Core Storage)"])
def test_encryption_is_named(tmp_path, kind):
    path = tmp_path / "disk.dd"
    path.write_bytes(head(kind))
    with open_image(path) as image:
        evidence = open_evidence(image)
    assert [one.kind for one in evidence.encryption] == [kind]
    assert [(one.reason, one.detail.startswith(kind)) for one in evidence.problems] == [("encrypted", True)]


def test_random_throughout_is_said_without_a_name(tmp_path):
    path = tmp_path / "disk.dd"
    path.write_bytes(random.Random(2).randbytes(2 << 20))
    with open_image(path) as image:
        evidence = open_evidence(image)
    assert not evidence.encryption
    assert evidence.problems[0].reason == "encrypted"
    assert "VeraCrypt" in evidence.problems[0].detail


def test_zeros_are_not_encrypted(tmp_path):
    path = tmp_path / "disk.dd"
    path.write_bytes(bytes(2 << 20))
    with open_image(path) as image:
        assert find_encryption(image, "x", 0) is None
        evidence = open_evidence(image)
    assert [one.reason for one in evidence.problems] == ["damaged"]
    assert [(one.offset, one.size) for one in evidence.unallocated] == [(0, 2 << 20)]
