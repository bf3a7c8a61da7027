"""CAB: members stored or in MSZIP (MS-CAB, MS-MCI); LZX and Quantum are said as unsupported."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from triage.extractors.model import ExtractionError, Problem, member_container
from triage.extractors.solid import SolidMember, divide
from triage.extractors.zip_archive import name_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.extractors.model import Child, Context, Source
    from triage.text import Text

_HEADER = struct.Struct("<4s5I2B5H")
_MAX_FILES = 65535


def matches(head: bytes, _name: str, _size: int) -> bool:
    """The signature, with its reserved field."""
    return head.startswith(b"MSCF\0\0\0\0")


class _Folder(NamedTuple):
    """Blocks that are packed together."""

    offset: int
    blocks: int
    method: int


def _damaged() -> ExtractionError:
    return ExtractionError("damaged", "CAB が壊れています", "the cabinet is damaged")


def _text_end(source: Source, offset: int) -> int:
    """Where the zero-terminated string at `offset` ends."""
    data = source.read_at(offset, 1024)
    end = data.find(b"\0")
    if end < 0:
        raise _damaged()
    return offset + end + 1


def _chunks(source: Source, folder: _Folder, reserved: int) -> Iterator[bytes]:
    """The output of a folder, block by block."""
    offset = folder.offset
    window = b""
    for _ in range(folder.blocks):
        head = source.read_at(offset, 8)
        if len(head) < 8:
            raise _damaged()
        _, packed, size = struct.unpack("<IHH", head)
        data = source.read_at(offset + 8 + reserved, packed)
        offset += 8 + reserved + packed
        if len(data) < packed:
            raise _damaged()
        if folder.method == 1:
            if not data.startswith(b"CK"):
                raise _damaged()
            try:
                # Each block is deflate of its own that may refer to the 32 KiB before it.
                data = zlib.decompressobj(-15, zdict=window).decompress(data[2:], 1 << 16)
            except zlib.error:
                raise _damaged() from None
            window = (window + data)[-32768:]
        if len(data) != size:
            raise _damaged()
        yield data


def extract(source: Source, context: Context) -> Iterator[Text | Problem | Child]:
    """Members folder by folder."""
    header = source.read_at(0, _HEADER.size)
    if len(header) < _HEADER.size:
        raise _damaged()
    _, _, _, _, files_at, _, _, _, folder_count, file_count, flags, _, _ = _HEADER.unpack(header)
    at = _HEADER.size
    folder_reserved = block_reserved = 0
    if flags & 4:
        header_reserved, folder_reserved, block_reserved = struct.unpack("<HBB", source.read_at(at, 4).ljust(4, b"\0"))
        at += 4 + header_reserved
    for flag in (1, 2):
        if flags & flag:
            at = _text_end(source, _text_end(source, at))
            yield Problem(
                "unsupported", "CAB が分割されています", "the cabinet continues in another file", source.container
            )
    folders: list[_Folder] = []
    for _ in range(folder_count):
        raw = source.read_at(at, 8)
        if len(raw) < 8:
            raise _damaged()
        offset, blocks, method = struct.unpack("<IHH", raw)
        folders.append(_Folder(offset, blocks, method & 15))
        at += 8 + folder_reserved
    members: list[list[SolidMember]] = [[] for _ in folders]
    at = files_at
    for _ in range(min(file_count, _MAX_FILES)):
        raw = source.read_at(at, 16)
        if len(raw) < 16:
            raise _damaged()
        size, offset, folder, _, _, attributes = struct.unpack("<IIHHHH", raw)
        end = _text_end(source, at + 16)
        name_bytes = source.read_at(at + 16, end - at - 17)
        name = name_bytes.decode("utf-8" if attributes & 0x80 else "cp932", "replace").replace("\\", "/")
        at = end
        context.count_member()
        container = member_container(source, name)
        yield from name_text(container, name)
        if folder < len(folders):
            members[folder].append(SolidMember(name, container, offset, size))
    for folder_info, inside in zip(folders, members, strict=True):
        if folder_info.method > 1:
            for member in inside:
                yield Problem(
                    "unsupported",
                    "CAB のこの圧縮方式は未対応です",
                    "this cabinet method is not supported",
                    member.container,
                )
            continue

        def restart(folder_info: _Folder = folder_info) -> Iterator[bytes]:
            return _chunks(source, folder_info, block_reserved)

        packed = source.size - folder_info.offset
        yield from divide(restart, sorted(inside, key=lambda member: member.offset), context, packed_bytes=packed)
