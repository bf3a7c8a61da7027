"""A BitLocker volume around the bytes of a file system, as Windows 10 lays it out; libbde is the judge that it is one.

Format: "BitLocker Drive Encryption (BDE) format specification" of libbde. AES-XTS 128; protectors: password, recovery
key, or a clear key (protection suspended).
"""

from __future__ import annotations

import functools
import hashlib
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

GUID = bytes.fromhex("3bd66749292ed84a8399f6a339e3d001")
TIME = 133_500_000_000_000_000
HEADER = 8192  # bytes at the start that are moved to behind the metadata
METHOD = 0x8004
VMK, FVEK, CLEAR = (bytes(range(at, at + 32)) for at in (1, 65, 129))
PASSWORD = "correct horse"
RECOVERY = "-".join(f"{(1111 * group + 7) * 11:06d}" for group in range(1, 9))


def entry(entry_type, value_type, data):
    return struct.pack("<HHHH", 8 + len(data), entry_type, value_type, 1) + data


def wrapped(key, inner, method, number, entry_type=0):
    """A key under another: AES-CCM over an entry that holds it."""
    nonce = struct.pack("<QI", TIME, number)
    sealed = AESCCM(key, 16).encrypt(nonce, entry(0, 1, struct.pack("<I", method) + inner), None)
    return entry(entry_type, 5, nonce + sealed[-16:] + sealed[:-16])


@functools.cache
def stretched(initial, salt):
    last = bytes(32)
    for count in range(0x100000):
        last = hashlib.sha256(last + initial + salt + struct.pack("<Q", count)).digest()
    return last


def protector(kind, number):
    """A volume master key entry under a protector of `kind`."""
    salt = bytes([number]) * 16
    if kind == "clear":
        code, parts = 0x0000, entry(0, 1, struct.pack("<I", 0x2002) + CLEAR) + wrapped(CLEAR, VMK, 0x2003, number)
    else:
        if kind == "password":
            code = 0x2000
            initial = hashlib.sha256(hashlib.sha256(PASSWORD.encode("utf-16-le")).digest()).digest()
        else:
            code = 0x0800
            halves = struct.pack("<8H", *(int(group) // 11 for group in RECOVERY.split("-")))
            initial = hashlib.sha256(halves).digest()
        key = stretched(initial, salt)
        parts = entry(0, 3, struct.pack("<I", 0x1000) + salt + wrapped(VMK, key, 0x2003, number + 50))
        parts += wrapped(key, VMK, 0x2003, number)
    return entry(2, 8, bytes([number]) * 16 + struct.pack("<QHH", TIME, 0, code) + parts)


def sealed_sectors(data, first):
    parts = []
    for at in range(0, len(data), 512):
        tweak = struct.pack("<QQ", first + at // 512, 0)
        worker = Cipher(algorithms.AES(FVEK), modes.XTS(tweak)).encryptor()
        parts.append(worker.update(data[at : at + 512]))
    return b"".join(parts)


def volume(plain, protectors):
    """A BitLocker volume with the bytes of `plain`; what lies under its metadata (at 1, 2 and 3 MiB) is lost."""
    size = len(plain)
    places = (1 << 20, 2 << 20, 3 << 20)
    moved = (1 << 20) + 65536
    disk = bytearray(sealed_sectors(plain, 0))
    disk[moved : moved + HEADER] = sealed_sectors(plain[:HEADER], moved // 512)
    entries = b"".join(protector(kind, number) for number, kind in enumerate(protectors, 1))
    entries += wrapped(VMK, FVEK, METHOD, 99, entry_type=3)
    entries += entry(7, 2, "HOZEN test\0".encode("utf-16-le"))
    entries += entry(15, 15, struct.pack("<QQ", moved, HEADER))
    whole = 48 + len(entries)
    metadata = struct.pack("<IIII", whole, 1, 48, whole) + bytes(range(16)) + struct.pack("<IIQ", 200, METHOD, TIME)
    for place in places:
        head = b"-FVE-FS-" + struct.pack("<HHHHQII", (64 + whole) >> 4, 2, 4, 4, size, 0, HEADER // 512)
        head += struct.pack("<QQQQ", *places, moved)
        block = (head + metadata + entries).ljust(65536, b"\0")
        disk[place : place + 65536] = block
    boot = bytearray(512)
    boot[:11] = b"\xeb\x58\x90-FVE-FS-"
    struct.pack_into("<HBHBHHBHHHI", boot, 11, 512, 8, 0, 0, 0, 0, 0xF8, 0, 63, 255, 0)
    struct.pack_into("<Q", boot, 40, size // 512)
    boot[160:176] = GUID
    struct.pack_into("<QQQ", boot, 176, *places)
    boot[510:512] = b"\x55\xaa"
    disk[:512] = boot
    return bytes(disk)
