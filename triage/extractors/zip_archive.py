"""ZIP: the directory, members in every usual method, and what can be saved where the directory is damaged.

Written from PKWARE's APPNOTE 6.3.10 and WinZip's AES note (AE-1, AE-2). Also the container of OOXML and OpenDocument,
which are told apart by their members, not by name.
"""

from __future__ import annotations

import bz2
import hashlib
import hmac
import lzma
import posixpath
import struct
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from triage.extractors.digits import holds_number
from triage.extractors.model import (
    Child,
    ExtractionError,
    LimitReachedError,
    OutOfOutputError,
    OutOfTimeError,
    Problem,
    member_container,
)
from triage.extractors.unpacked import inflated, source_chunks, unpack
from triage.sniff import ZIP_EMPTY, ZIP_LOCAL, ZIP_SPANNED
from triage.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from triage.extractors.model import Context, Source
    from triage.extractors.unpacked import Member

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_NAME_BYTES = 4096
_DIRECTORY_BYTES = 64 << 20
_PART_BYTES = 64 << 20
_KNOWN_METHODS = frozenset((0, 1, 6, 8, 9, 12, 14, 93, 95, 98, 99))


@dataclass(frozen=True, slots=True)
class Entry:
    """One member as the directory (or, when salvaged, its local header) describes it."""

    name: str
    flags: int
    method: int
    crc32: int
    packed_size: int
    size: int
    header_offset: int
    extra: bytes = field(default=b"", repr=False)
    salvaged: bool = False
    dos_time: int = 0

    @property
    def encrypted(self) -> bool:
        """Whether the content needs a password."""
        return bool(self.flags & 0x2041)

    @property
    def is_folder(self) -> bool:
        """Whether this is a folder, which has no content."""
        return self.name.endswith("/") and self.size == 0


def matches(head: bytes, _name: str, _size: int) -> bool:
    """A local header, an empty archive, or the marker of a spanned one at the start."""
    return head.startswith((ZIP_LOCAL, ZIP_EMPTY, ZIP_SPANNED))


def member_name(raw: bytes, flags: int, extra: bytes) -> str:
    """The name of a member: UTF-8 if it says so or reads so, else CP932 as Japanese tools write it, else CP437."""
    for tag, data in _extra_fields(extra):
        # Info-ZIP's Unicode path: valid for this very name only.
        if tag == 0x7075 and len(data) > 5 and struct.unpack_from("<I", data, 1)[0] == zlib.crc32(raw):
            return data[5:].decode("utf-8", "replace")
    if flags & 0x800:
        return raw.decode("utf-8", "replace")
    for encoding in ("utf-8", "cp932", "cp437"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("utf-8", "replace")


def _extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(extra):
        tag, size = struct.unpack_from("<HH", extra, at)
        yield tag, extra[at + 4 : at + 4 + size]
        at += 4 + size


def _wide_sizes(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """Sizes and offset with ZIP64's 8-byte values in place of those that are full."""
    for tag, data in _extra_fields(extra):
        if tag != 1:
            continue
        values = iter(struct.unpack(f"<{len(data) // 8}Q", data[: len(data) // 8 * 8]))
        size = next(values, size) if size == 0xFFFFFFFF else size
        packed = next(values, packed) if packed == 0xFFFFFFFF else packed
        offset = next(values, offset) if offset == 0xFFFFFFFF else offset
    return size, packed, offset


def _directory_place(source: Source) -> tuple[int, int, int, int] | None:
    """Offset, size and number of entries of the central directory, and what stands before the archive; None if lost."""
    tail_size = min(source.size, _END.size + 0xFFFF)
    tail = source.read_at(source.size - tail_size, tail_size)
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0:
        if at + _END.size <= len(tail):
            _, _, _, _, count, size, offset, _ = _END.unpack_from(tail, at)
            end = source.size - tail_size + at
            if end >= 20 and (count == 0xFFFF or size == 0xFFFFFFFF or offset == 0xFFFFFFFF):
                locator = source.read_at(end - 20, 20)
                if locator.startswith(b"PK\x06\x07"):
                    place = struct.unpack_from("<Q", locator, 8)[0]
                    record = source.read_at(place, _END64.size) if place < source.size else b""
                    if record.startswith(b"PK\x06\x06") and len(record) == _END64.size:
                        *_, count, size, offset = _END64.unpack(record)
                        end = place
            shift = end - size - offset
            if shift >= 0 and end - size >= 0:
                return offset + shift, size, count, shift
        at = tail.rfind(b"PK\x05\x06", 0, at)
    return None


def _listed(source: Source, context: Context) -> list[Entry]:
    """Entries of the central directory; raises `ExtractionError` where it is missing or damaged."""
    place = _directory_place(source)
    if place is None:
        raise ExtractionError("damaged", "ZIP の目次がありません", "the zip directory is missing")
    offset, size, _, shift = place
    if size > _DIRECTORY_BYTES:
        raise LimitReachedError("ZIP の目次が大きすぎます", "the zip directory is too large")
    data = source.read_at(offset, size)
    entries: list[Entry] = []
    at = 0
    while at + _CENTRAL.size <= len(data):
        fields = _CENTRAL.unpack_from(data, at)
        if fields[0] != b"PK\x01\x02":
            break
        _, _, _, flags, method, time, date, crc, packed, full, name_size, extra_size, note_size, *_, header = fields
        del date
        start = at + _CENTRAL.size
        raw = data[start : start + name_size]
        extra = data[start + name_size : start + name_size + extra_size]
        full, packed, header = _wide_sizes(extra, full, packed, header)
        entries.append(
            Entry(
                member_name(raw, flags, extra),
                flags,
                method,
                crc,
                packed,
                full,
                header + shift,
                extra,
                dos_time=time,
            )
        )
        context.count_member()
        at = start + name_size + extra_size + note_size
    if at < len(data) and data[at : at + 4] != b"PK\x05\x05":
        raise ExtractionError("damaged", "ZIP の目次が壊れています", "the zip directory is damaged")
    return entries


def _salvaged(source: Source, context: Context) -> Iterator[Entry]:
    """Members found by their local headers, in the order in which they lie."""
    position = 0
    while position < source.size:
        context.check_time()
        block = source.read_at(position, 1 << 20)
        if len(block) < 4:
            return
        at = block.find(ZIP_LOCAL)
        while at >= 0:
            entry, end = _local_entry(source, block, position, at)
            if entry is not None:
                context.count_member()
                yield entry
                at = end - position
                if at >= len(block):
                    break
            at = block.find(ZIP_LOCAL, max(at, 0) if entry is not None else at + 4)
        position += max(len(block) - 3 if at < 0 else at, 1)


def _local_entry(source: Source, block: bytes, base: int, at: int) -> tuple[Entry | None, int]:
    """The member whose local header stands at `block[at:]`, and where it ends; None if that is no header."""
    header = block[at : at + _LOCAL.size]
    if len(header) < _LOCAL.size:
        header = source.read_at(base + at, _LOCAL.size)
        if len(header) < _LOCAL.size:
            return None, 0
    _, version, flags, method, time, _, crc, packed, size, name_size, extra_size = _LOCAL.unpack(header)
    if version & 0xFF > 100 or name_size > _NAME_BYTES or method not in _KNOWN_METHODS:
        return None, 0
    position = base + at
    raw = source.read_at(position + _LOCAL.size, name_size)
    extra = source.read_at(position + _LOCAL.size + name_size, extra_size)
    size, packed, _ = _wide_sizes(extra, size, packed, 0)
    name = member_name(raw, flags, extra)
    entry = Entry(name, flags, method, crc, packed, size, position, extra, salvaged=True, dos_time=time)
    body = position + _LOCAL.size + name_size + extra_size
    return entry, body + packed if body + packed <= source.size else body


def _body(source: Source, entry: Entry) -> tuple[int, int]:
    """Offset and size of the packed bytes of a member."""
    header = source.read_at(entry.header_offset, _LOCAL.size)
    if len(header) < _LOCAL.size or not header.startswith(ZIP_LOCAL):
        raise ExtractionError("damaged", "メンバーのヘッダーがありません", "the member's header is missing")
    name_size, extra_size = struct.unpack_from("<HH", header, 26)
    offset = entry.header_offset + _LOCAL.size + name_size + extra_size
    size = entry.packed_size
    if entry.salvaged and entry.flags & 8 and not size:
        size = source.size - offset
    return offset, min(size, max(source.size - offset, 0))


def _zip_crypto(chunks: Iterator[bytes], password: bytes) -> Iterator[bytes]:
    """Traditional PKWARE encryption undone, without its 12-byte header."""
    table = [0] * 256
    for number in range(256):
        crc = number
        for _ in range(8):
            crc = (crc >> 1) ^ (0xEDB88320 if crc & 1 else 0)
        table[number] = crc
    key0, key1, key2 = 0x12345678, 0x23456789, 0x34567890
    for byte in password:
        key0 = (key0 >> 8) ^ table[(key0 ^ byte) & 0xFF]
        key1 = ((key1 + (key0 & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        key2 = (key2 >> 8) ^ table[(key2 ^ (key1 >> 24)) & 0xFF]
    for chunk in chunks:
        clear = bytearray(len(chunk))
        for index, byte in enumerate(chunk):
            low = key2 | 2
            byte ^= ((low * (low ^ 1)) >> 8) & 0xFF  # noqa: PLW2901 - the cipher's own step
            clear[index] = byte
            key0 = (key0 >> 8) ^ table[(key0 ^ byte) & 0xFF]
            key1 = ((key1 + (key0 & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
            key2 = (key2 >> 8) ^ table[(key2 ^ (key1 >> 24)) & 0xFF]
        yield bytes(clear)


def _without_head(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    for chunk in chunks:
        if size:
            rest = chunk[size:]
            size -= len(chunk) - len(rest)
            if rest:
                yield rest
        else:
            yield chunk


_Opened = tuple["Callable[[], Iterator[bytes]]", int]
"""Starts the decrypted packed bytes, and the method they are packed with."""


def _decrypted(source: Source, entry: Entry, offset: int, size: int, context: Context) -> _Opened:
    """Try each password; raises `ExtractionError` where none fits."""
    aes = next((data for tag, data in _extra_fields(entry.extra) if tag == 0x9901 and len(data) >= 7), None)
    for password in context.passwords:
        for raw in dict.fromkeys((password.encode("utf-8"), password.encode("cp932", "replace"))):
            opened = (
                _aes(source, aes, offset, size, raw)
                if entry.method == 99 and aes
                else _traditional(source, entry, offset, size, raw)
            )
            if opened:
                return opened
    raise ExtractionError("encrypted", "ZIP のメンバーが暗号化されています", "the zip member is encrypted")


def _traditional(source: Source, entry: Entry, offset: int, size: int, password: bytes) -> _Opened | None:
    if entry.flags & 0x2040 or entry.method == 99:
        return None
    header = b"".join(_zip_crypto(iter([source.read_at(offset, 12)]), password))
    check = entry.dos_time >> 8 if entry.flags & 8 else entry.crc32 >> 24
    if len(header) < 12 or header[11] != check & 0xFF:
        return None

    def restart() -> Iterator[bytes]:
        return _without_head(_zip_crypto(source_chunks(source, offset, size), password), 12)

    # One byte of check lets one wrong password in 256 pass: a whole small member proves it.
    if size <= 1 << 20:
        try:
            crc = 0
            for chunk in _methods(entry.method)(restart()):
                crc = zlib.crc32(chunk, crc)
        except ExtractionError:
            return None
        if crc != entry.crc32:
            return None
    return restart, entry.method


def _aes(source: Source, aes: bytes, offset: int, size: int, password: bytes) -> _Opened | None:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415 - only when needed

    key_size = {1: 16, 2: 24, 3: 32}.get(aes[4])
    if key_size is None:
        return None
    salt_size = key_size // 2
    if size < salt_size + 12:
        return None
    salt = source.read_at(offset, salt_size)
    keys = hashlib.pbkdf2_hmac("sha1", password, salt, 1000, 2 * key_size + 2)
    if not hmac.compare_digest(keys[-2:], source.read_at(offset + salt_size, 2)):
        return None

    def restart() -> Iterator[bytes]:
        # CTR with a little-endian counter from 1: the key stream is made block by block with ECB.
        encryptor = Cipher(algorithms.AES(keys[:key_size]), modes.ECB()).encryptor()  # noqa: S305 - WinZip's CTR
        counter = 1
        for chunk in source_chunks(source, offset + salt_size + 2, size - salt_size - 12):
            count = -(-len(chunk) // 16)
            stream = encryptor.update(
                b"".join([number.to_bytes(16, "little") for number in range(counter, counter + count)])
            )
            counter += count
            yield (int.from_bytes(chunk, "big") ^ int.from_bytes(stream[: len(chunk)], "big")).to_bytes(
                len(chunk), "big"
            )

    return restart, struct.unpack_from("<H", aes, 5)[0]


def _bunzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    unpacker = bz2.BZ2Decompressor()
    yield from through(unpacker, chunks)


def _unlzma(chunks: Iterator[bytes]) -> Iterator[bytes]:
    head = b""
    unpacker: lzma.LZMADecompressor | None = None
    for chunk in chunks:
        data = chunk
        if unpacker is None:
            head += chunk
            if len(head) < 9:
                continue
            # Two bytes version, two bytes size of properties, then lc/lp/pb and dictionary size.
            properties, dictionary = head[4], struct.unpack_from("<I", head, 5)[0]
            if properties >= 225:
                raise ExtractionError("damaged", "LZMA の設定値が壊れています", "the LZMA properties are damaged")
            unpacker = lzma.LZMADecompressor(
                lzma.FORMAT_RAW,
                filters=[
                    {
                        "id": lzma.FILTER_LZMA1,
                        "dict_size": min(max(dictionary, 4096), 64 << 20),
                        "lc": properties % 9,
                        "lp": properties // 9 % 5,
                        "pb": properties // 45,
                    }
                ],
            )
            data = head[9:]
        yield from through(unpacker, iter([data]), to_end=False)
        if unpacker.eof:
            return


def through(
    unpacker: bz2.BZ2Decompressor | lzma.LZMADecompressor, chunks: Iterator[bytes], *, to_end: bool = True
) -> Iterator[bytes]:
    """What comes out of `unpacker` in pieces of at most 1 MiB; without `to_end` a stream need not mark its end."""
    for chunk in chunks:
        data = chunk
        while not unpacker.eof:
            try:
                out = unpacker.decompress(data, 1 << 20)
            except (OSError, lzma.LZMAError, ValueError):
                raise ExtractionError("damaged", "圧縮データが壊れています", "compressed data is damaged") from None
            data = b""
            if out:
                yield out
            if unpacker.needs_input:
                break
        if unpacker.eof:
            return
    if to_end and not unpacker.eof:
        raise ExtractionError("damaged", "圧縮データが途中で切れています", "compressed data ends early")


def _unzstd(chunks: Iterator[bytes]) -> Iterator[bytes]:
    from triage.extractors.compressed import unzstd  # noqa: PLC0415 - an optional library stands behind it

    return unzstd(chunks)


def _methods(method: int) -> Callable[[Iterator[bytes]], Iterator[bytes]]:
    """How to unpack `method`; raises `ExtractionError` for one that is not read here."""
    table: dict[int, Callable[[Iterator[bytes]], Iterator[bytes]]] = {
        0: lambda chunks: chunks,
        8: inflated,
        12: _bunzipped,
        14: _unlzma,
        93: _unzstd,
    }
    if method not in table:
        raise ExtractionError(
            "unsupported", f"ZIP の圧縮方式 {method} は未対応です", f"zip method {method} is not supported"
        )
    return table[method]


def open_member(source: Source, entry: Entry, context: Context) -> Member:
    """The content of a member; raises `ExtractionError` where nothing of it can be read."""
    offset, size = _body(source, entry)
    method = entry.method
    packed: Callable[[], Iterator[bytes]]
    if entry.encrypted:
        packed, method = _decrypted(source, entry, offset, size, context)
        context.opened.add(member_container(source, entry.name))
    else:

        def packed() -> Iterator[bytes]:
            return source_chunks(source, offset, size)

    unpacker = _methods(method)
    return unpack(
        lambda: unpacker(packed()),
        context,
        name=posixpath.basename(entry.name),
        container=member_container(source, entry.name),
        packed_bytes=size,
    )


class Archive:
    """A zip file by its directory, or by its local headers where that is damaged (`problem` says so)."""

    def __init__(self, source: Source, context: Context) -> None:
        self.source = source
        self.context = context
        self.problem: Problem | None = None
        try:
            self.entries = _listed(source, context)
        except (OutOfTimeError, OutOfOutputError):
            raise
        except ExtractionError as error:
            self.problem = error.problem(source.container)
            self.entries = list(_salvaged(source, context))
        self.names = {entry.name: entry for entry in self.entries}

    def read(self, name: str) -> bytes:
        """A whole member; raises `ExtractionError` if it is missing, cannot be opened or is too large."""
        data = self.member(name).source.read_at(0, _PART_BYTES + 1)
        if len(data) > _PART_BYTES:
            raise LimitReachedError("部分が大きすぎます", "a part is too large")
        return data

    def member(self, name: str) -> Member:
        """A member by name, small or large; raises `ExtractionError` if it cannot be opened."""
        entry = self.names.get(name)
        if entry is None:
            raise ExtractionError("damaged", "必要な部分がありません", "a needed part is missing")
        return open_member(self.source, entry, self.context)


def name_text(container: str, name: str) -> Iterator[Text]:
    """The name of a member as text, if it can hold a number."""
    if holds_number(name):
        yield Text(name, "", "name", container)


def members(archive: Archive, entries: list[Entry]) -> Iterator[Text | Problem | Child]:
    """Names and contents of `entries`, each problem beside the member it concerns."""
    source, context = archive.source, archive.context
    for entry in entries:
        container = member_container(source, entry.name)
        yield from name_text(container, entry.name)
        if entry.is_folder:
            continue
        try:
            member = open_member(source, entry, context)
        except (OutOfTimeError, OutOfOutputError):
            raise
        except ExtractionError as error:
            yield error.problem(container)
            continue
        yield Child(member.source)
        if member.error is not None:
            yield member.error.problem(container)
        elif not entry.salvaged and member.crc32 not in (None, entry.crc32) and not _is_ae2(entry):
            yield Problem("damaged", "チェックサムが一致しません", "the checksum does not match", container)


def _is_ae2(entry: Entry) -> bool:
    """AE-2 stores no checksum."""
    return entry.method == 99 and entry.crc32 == 0


def extract(source: Source, context: Context) -> Iterator[Text | Problem | Child]:
    """A document in OOXML or OpenDocument by its own reader; any other archive member by member."""
    from triage.extractors import ooxml, opendocument  # noqa: PLC0415 - these read their parts through this module

    archive = Archive(source, context)
    if archive.problem:
        yield archive.problem
    if "[Content_Types].xml" in archive.names:
        yield from ooxml.document(archive)
    elif opendocument.is_document(archive):
        yield from opendocument.document(archive)
    else:
        yield from members(archive, archive.entries)
