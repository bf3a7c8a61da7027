"""Sectors that a disk hides from the system: host protected area (HPA) and device configuration overlay (DCO).

Asked with three ATA commands that only read: IDENTIFY DEVICE, READ NATIVE MAX ADDRESS EXT and DEVICE CONFIGURATION
IDENTIFY (T13 ATA8-ACS; GET NATIVE MAX ADDRESS EXT of ACS-3, where that took HPA's place), sent through SCSI's ATA
PASS-THROUGH (16) (T10 SAT-3), as disks on SATA and most USB bridges take them. What does not answer is "not known";
nothing is ever set.
"""

from __future__ import annotations

import ctypes
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

NOT_KNOWN = "not known"

_SG_IO = 0x2285
_TIMEOUT_MS = 5000
_TO_NOWHERE, _FROM_DEVICE = -1, -3
_NON_DATA, _PIO_IN = 3 << 1, 4 << 1  # protocols of ATA PASS-THROUGH
_EXTENDED = 1
_IDENTIFY, _NATIVE_MAX, _ACCESSIBLE_MAX, _CONFIGURATION = 0xEC, 0x27, 0x78, 0xB1
_CONFIGURATION_IDENTIFY = 0xC2
_ATA_ERROR = 0x01


class _SgIo(ctypes.Structure):
    """`struct sg_io_hdr` of Linux (scsi/sg.h)."""

    _fields_ = (
        ("interface_id", ctypes.c_int),
        ("direction", ctypes.c_int),
        ("command_size", ctypes.c_ubyte),
        ("sense_room", ctypes.c_ubyte),
        ("iovec_count", ctypes.c_ushort),
        ("data_size", ctypes.c_uint),
        ("data", ctypes.c_void_p),
        ("command", ctypes.c_void_p),
        ("sense", ctypes.c_void_p),
        ("timeout_ms", ctypes.c_uint),
        ("flags", ctypes.c_uint),
        ("pack_id", ctypes.c_int),
        ("user", ctypes.c_void_p),
        ("status", ctypes.c_ubyte),
        ("masked_status", ctypes.c_ubyte),
        ("message_status", ctypes.c_ubyte),
        ("sense_size", ctypes.c_ubyte),
        ("host_status", ctypes.c_ushort),
        ("driver_status", ctypes.c_ushort),
        ("residual", ctypes.c_int),
        ("duration_ms", ctypes.c_uint),
        ("info", ctypes.c_uint),
    )


def command_block(command: int, *, features: int = 0, reads: bool) -> bytes:
    """ATA PASS-THROUGH (16) for one of the reading commands; `reads` a sector, else it only asks for registers."""
    block = bytearray(16)
    block[0] = 0x85
    block[1] = _PIO_IN if reads else _NON_DATA | _EXTENDED
    # CK_COND: return the registers; with data: from the device, counted in blocks by the sector count.
    block[2] = 0x20 | (0x0E if reads else 0)
    block[4] = features
    block[6] = 1 if reads else 0
    block[13] = 0x40  # LBA
    block[14] = command
    return bytes(block)


def registers(sense: bytes) -> tuple[int, int] | None:
    """LBA and status out of an ATA Status Return descriptor (SAT-3); None where there is none."""
    if len(sense) < 22 or sense[0] & 0x7F not in (0x72, 0x73) or sense[8] != 0x09 or sense[9] < 12:
        return None
    lba = bytes((sense[15], sense[17], sense[19], sense[14], sense[16], sense[18]))
    return int.from_bytes(lba, "little"), sense[21]


def _send(fd: int, block: bytes, size: int) -> tuple[bytes, bytes]:
    """Send a command to an open device; its data and sense. Raises OSError."""
    import fcntl  # noqa: PLC0415 - absent on Windows, where no device is asked

    command = ctypes.create_string_buffer(block, len(block))
    data = ctypes.create_string_buffer(max(size, 1))
    sense = ctypes.create_string_buffer(64)
    request = _SgIo(
        interface_id=ord("S"),
        direction=_FROM_DEVICE if size else _TO_NOWHERE,
        command_size=len(block),
        sense_room=len(sense),
        data_size=size,
        data=ctypes.addressof(data),
        command=ctypes.addressof(command),
        sense=ctypes.addressof(sense),
        timeout_ms=_TIMEOUT_MS,
    )
    fcntl.ioctl(fd, _SG_IO, request)
    if request.host_status:
        raise OSError(5, "the command did not reach the device")
    return data.raw[: max(size - request.residual, 0)] if size else b"", sense.raw[: request.sense_size]


def hidden_areas(fd: int, *, send: Callable[[int, bytes, int], tuple[bytes, bytes]] = _send) -> str:
    """HPA and DCO of an open device: `none`, what is hidden, or `not known`; `send` is replaced in tests."""

    def read(command: int, features: int = 0) -> bytes | None:
        try:
            data, sense = send(fd, command_block(command, features=features, reads=True), 512)
        except (OSError, ImportError):
            return None
        answer = registers(sense)
        failed = (answer is not None and answer[1] & _ATA_ERROR) or (answer is None and sense)
        return None if failed or len(data) < 512 or not any(data) else data

    def ask(command: int) -> int | None:
        try:
            _, sense = send(fd, command_block(command, reads=False), 0)
        except (OSError, ImportError):
            return None
        answer = registers(sense)
        return None if answer is None or answer[1] & _ATA_ERROR else answer[0]

    identity = read(_IDENTIFY)
    if identity is None:
        return NOT_KNOWN
    words = struct.unpack("<256H", identity)
    has_48_bits = words[83] >> 10 & 1
    visible = int.from_bytes(identity[200:208], "little") if has_48_bits else words[60] | words[61] << 16
    highest: int | None
    if words[82] >> 10 & 1:
        highest = ask(_NATIVE_MAX)
    elif words[119] >> 14 == 1 and words[119] >> 8 & 1:
        highest = ask(_ACCESSIBLE_MAX)
    else:
        highest = visible - 1  # a disk without that feature set hides nothing by it
    native = visible if highest is None else highest + 1
    found = [_words("HPA", None if highest is None else native, visible)]
    configured: int | None = native
    if words[83] >> 11 & 1:
        configured = _configured(read(_CONFIGURATION, _CONFIGURATION_IDENTIFY))
    found.append(_words("DCO", configured, native))
    return "none" if found == ["HPA: none", "DCO: none"] else "; ".join(found)


def _configured(data: bytes | None) -> int | None:
    """Sectors that the disk was made with, of DEVICE CONFIGURATION IDENTIFY's data; None where it does not hold."""
    if data is None or data[510] != 0xA5 or sum(data) & 0xFF:
        return None
    return int.from_bytes(data[6:14], "little") + 1


def _words(name: str, whole: int | None, visible: int) -> str:
    if whole is None:
        return f"{name}: {NOT_KNOWN}"
    if whole <= visible:
        return f"{name}: none"
    return f"{name}: {whole - visible} sectors hidden ({visible} of {whole} visible)"
