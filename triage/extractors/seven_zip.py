"""7z: members of solid and plain archives in LZMA, LZMA2, bzip2, deflate or stored, with AES and locked directories.

Written from the format description in the public-domain LZMA SDK (7zFormat.txt). PPMd, BCJ2 and filters for programs
are said as unsupported.
"""

from __future__ import annotations

import hashlib
import lzma
import struct
import zlib
from bz2 import BZ2Decompressor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from triage.extractors.compressed import unzstd
from triage.extractors.model import (
    Child,
    ExtractionError,
    LimitReachedError,
    OutOfOutputError,
    OutOfTimeError,
    Problem,
    member_container,
)
from triage.extractors.solid import SolidMember, divide
from triage.extractors.unpacked import inflated, source_chunks
from triage.extractors.zip_archive import name_text, through

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.extractors.model import Context, Source
    from triage.text import Text

_SIGNATURE = b"7z\xbc\xaf\x27\x1c"
_X86, _X86_NEW, _ZSTD = b"\3\3\1\3", b"\4", b"\4\xf7\x11\1"
_COPY, _LZMA, _LZMA2, _DEFLATE, _BZIP2, _AES = b"\0", b"\3\1\1", b"\x21", b"\4\1\x08", b"\4\2\2", b"\6\xf1\7\1"
_HEADER_BYTES = 64 << 20
_DICTIONARY_BYTES = 64 << 20
_MAX_COUNT = 1 << 20


def matches(head: bytes, _name: str, _size: int) -> bool:
    """The signature."""
    return head.startswith(_SIGNATURE)


def _damaged() -> ExtractionError:
    return ExtractionError("damaged", "7z のヘッダーが壊れています", "the 7z header is damaged")


class _Reader:
    """The header, byte by byte."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        data = self._data[self._at : self._at + size]
        if len(data) < size:
            raise _damaged()
        self._at += size
        return data

    def rest_size(self) -> int:
        """How many bytes are left."""
        return len(self._data) - self._at

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(self.rest_size())

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        """A number whose first byte tells by its leading ones how many bytes follow."""
        first = self.byte()
        value = 0
        mask = 0x80
        for index in range(8):
            if not first & mask:
                return value | (first & (mask - 1)) << (8 * index)
            value |= self.byte() << (8 * index)
            mask >>= 1
        return value

    def count(self) -> int:
        """A number of things, of which a sane archive has not too many."""
        value = self.number()
        if value > _MAX_COUNT:
            raise _damaged()
        return value

    def bits(self, count: int) -> list[bool]:
        raw = self.take(-(-count // 8))
        return [bool(raw[index // 8] & 0x80 >> index % 8) for index in range(count)]

    def optional_bits(self, count: int) -> list[bool]:
        return [True] * count if self.byte() else self.bits(count)

    def digests(self, count: int) -> list[int | None]:
        defined = self.optional_bits(count)
        return [struct.unpack("<I", self.take(4))[0] if known else None for known in defined]

    def expect(self, kind: int) -> None:
        if self.byte() != kind:
            raise _damaged()

    def skip_to(self, kind: int) -> None:
        """Over attributes that are not used, to `kind`."""
        while (found := self.byte()) != kind:
            if found == 0:
                raise _damaged()
            self.take(self.number())


@dataclass(slots=True)
class _Folder:
    """Streams that are packed together: coders from the one that gives the output to the one that is fed."""

    coders: list[tuple[bytes, bytes]] = field(default_factory=list)
    simple: bool = True
    packed: int = 1
    outputs: int = 1
    main: int = 0
    size: int = 0
    """Bytes of the output."""
    crc: int | None = None
    offset: int = 0
    packed_size: int = 0
    members: list[tuple[int, int | None]] = field(default_factory=list)
    """Size and CRC-32 of each member, in order."""


def _folder(reader: _Reader) -> _Folder:
    folder = _Folder()
    inputs = outputs = 0
    for _ in range(min(reader.count(), 32)):
        flags = reader.byte()
        method = reader.take(flags & 0x0F)
        streams_in = streams_out = 1
        if flags & 0x10:
            streams_in, streams_out = reader.count(), reader.count()
        properties = reader.take(reader.count()) if flags & 0x20 else b""
        folder.coders.append((method, properties))
        folder.simple &= streams_in == streams_out == 1
        inputs += streams_in
        outputs += streams_out
    pairs = [(reader.count(), reader.count()) for _ in range(outputs - 1)]
    folder.packed = inputs - len(pairs)
    if folder.packed > 1:
        for _ in range(min(folder.packed, 64)):
            reader.count()
    folder.outputs = outputs
    if not folder.simple or folder.packed != 1:
        folder.simple = False
        return folder
    # Follow the chain from the output that no other coder takes; input and output i belong to coder i here.
    feeds = dict(pairs)
    at = next((index for index in range(outputs) if index not in feeds.values()), 0)
    folder.main = at
    chain = [at]
    while at in feeds and len(chain) <= outputs:
        at = feeds[at]
        chain.append(at)
    if sorted(chain) != list(range(outputs)):
        raise _damaged()
    folder.coders = [folder.coders[index] for index in chain]
    return folder


def _streams(reader: _Reader) -> list[_Folder]:
    """Pack info, folders and substreams."""
    folders: list[_Folder] = []
    position = 32
    packed: list[int] = []
    kind = reader.byte()
    if kind == 6:
        position += reader.number()
        count = reader.count()
        reader.skip_to(9)
        packed = [reader.number() for _ in range(count)]
        _skip_digests(reader, count)
        kind = reader.byte()
    if kind == 7:
        reader.expect(0x0B)
        count = reader.count()
        if reader.byte():
            raise ExtractionError(
                "unsupported", "7z の外部ヘッダーは未対応です", "external 7z headers are not supported"
            )
        folders = [_folder(reader) for _ in range(count)]
        reader.expect(0x0C)
        for folder in folders:
            folder.size = [reader.number() for _ in range(folder.outputs)][folder.main]
        kind = reader.byte()
        if kind == 0x0A:
            for folder, crc in zip(folders, reader.digests(count), strict=True):
                folder.crc = crc
            kind = reader.byte()
        if kind:
            raise _damaged()
        kind = reader.byte()
    at = 0
    for folder in folders:
        folder.offset = position + sum(packed[:at])
        folder.packed_size = sum(packed[at : at + folder.packed])
        at += folder.packed
    _members(reader, folders, kind)
    if kind == 8:
        reader.expect(0)
    elif kind:
        raise _damaged()
    return folders


def _skip_digests(reader: _Reader, count: int) -> None:
    kind = reader.byte()
    if kind == 0x0A:
        reader.digests(count)
        kind = reader.byte()
    if kind:
        raise _damaged()


def _members(reader: _Reader, folders: list[_Folder], kind: int) -> None:
    """How the output of each folder divides into members."""
    counts = [1] * len(folders)
    if kind != 8:
        for folder in folders:
            folder.members = [(folder.size, folder.crc)]
        return
    kind = reader.byte()
    if kind == 0x0D:
        counts = [reader.count() for _ in folders]
        kind = reader.byte()
    sizes: list[list[int]] = []
    for folder, count in zip(folders, counts, strict=True):
        own = [reader.number() for _ in range(count - 1)] if kind == 9 and count else []
        if count:
            own.append(max(folder.size - sum(own), 0))
        sizes.append(own)
    if kind == 9:
        kind = reader.byte()
    unknown = sum(count for folder, count in zip(folders, counts, strict=True) if count != 1 or folder.crc is None)
    digests: list[int | None] = [None] * unknown
    while kind:
        if kind == 0x0A:
            digests = reader.digests(unknown)
        else:
            reader.take(reader.count())
        kind = reader.byte()
    left = iter(digests)
    for folder, own in zip(folders, sizes, strict=True):
        if len(own) == 1 and folder.crc is not None:
            folder.members = [(own[0], folder.crc)]
        else:
            folder.members = [(size, next(left, None)) for size in own]


def _names(reader: _Reader) -> list[tuple[str, bool]]:
    """Name of each entry, and whether it has content."""
    count = reader.count()
    names = [""] * count
    empty = [False] * count
    while kind := reader.byte():
        data = _Reader(reader.take(min(reader.number(), _HEADER_BYTES)))
        if kind == 0x0E:
            empty = data.bits(count)
        elif kind == 0x11 and data.byte() == 0:
            raw = data.rest()
            names = [name.decode("utf-16-le", "replace") for name in _split_names(raw)][:count]
            names += [""] * (count - len(names))
    return list(zip(names, [not is_empty for is_empty in empty], strict=True))


def _split_names(raw: bytes) -> Iterator[bytes]:
    start = 0
    for at in range(0, len(raw) - 1, 2):
        if raw[at] == raw[at + 1] == 0:
            yield raw[start:at]
            start = at + 2


def _key(password: str, power: int, salt: bytes) -> bytes:
    """7-Zip's derivation: SHA-256 over 2^power copies of salt, password and counter."""
    secret = salt + password.encode("utf-16-le")
    if power == 0x3F:
        return (secret + bytes(32))[:32]
    digest = hashlib.sha256()
    step = 1 << 10
    for start in range(0, 1 << power, step):
        end = min(start + step, 1 << power)
        digest.update(b"".join([secret + struct.pack("<Q", number) for number in range(start, end)]))
    return digest.digest()


def _decrypted(chunks: Iterator[bytes], properties: bytes, password: str, keys: dict[bytes, bytes]) -> Iterator[bytes]:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415 - only when needed

    if len(properties) < 2:
        raise _damaged()
    power = properties[0] & 0x3F
    salt_size = (properties[0] >> 7 & 1) + (properties[1] >> 4)
    vector_size = (properties[0] >> 6 & 1) + (properties[1] & 15)
    salt = properties[2 : 2 + salt_size]
    vector = properties[2 + salt_size : 2 + salt_size + vector_size]
    if power > 24 and power != 0x3F:
        raise LimitReachedError("7z の鍵導出が重すぎます", "the 7z key derivation is too costly")
    known = bytes((power,)) + salt + password.encode("utf-16-le")
    if known not in keys:
        keys[known] = _key(password, power, salt)
    decryptor = Cipher(algorithms.AES(keys[known]), modes.CBC(vector.ljust(16, b"\0"))).decryptor()
    for chunk in chunks:
        yield decryptor.update(chunk)


def _lzma_chunks(method: bytes, properties: bytes, chunks: Iterator[bytes], *, x86: bool) -> Iterator[bytes]:
    if method == _LZMA:
        if len(properties) < 5 or properties[0] >= 225:
            raise _damaged()
        size = struct.unpack_from("<I", properties, 1)[0]
        code = properties[0]
        filters = [{"id": lzma.FILTER_LZMA1, "dict_size": size, "lc": code % 9, "lp": code // 9 % 5, "pb": code // 45}]
    else:
        if not properties or properties[0] > 40:
            raise _damaged()
        size = 0xFFFFFFFF if properties[0] == 40 else (2 | properties[0] & 1) << (properties[0] // 2 + 11)
        filters = [{"id": lzma.FILTER_LZMA2, "dict_size": size}]
    if size > _DICTIONARY_BYTES:
        raise LimitReachedError("LZMA の辞書が大きすぎます", "the LZMA dictionary is too large")
    filters[0]["dict_size"] = max(size, 4096)
    if x86:
        filters.insert(0, {"id": lzma.FILTER_X86})
    try:
        unpacker = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
    except (lzma.LZMAError, ValueError):
        raise _damaged() from None
    yield from through(unpacker, chunks, to_end=False)


class _Archive:
    """Folders and their decoding."""

    def __init__(self, source: Source, context: Context) -> None:
        self.source = source
        self.context = context
        self.password: str | None = None
        self.keys: dict[bytes, bytes] = {}

    def chunks(self, folder: _Folder, password: str | None) -> Iterator[bytes]:
        """The output of a folder."""
        if not folder.simple:
            raise ExtractionError("unsupported", "7z のこの圧縮方式は未対応です", "this 7z method is not supported")
        chunks = source_chunks(self.source, folder.offset, folder.packed_size)
        for method, properties in reversed(folder.coders):
            if method in (_X86, _X86_NEW):
                # Undone together with the decompression before it.
                continue
            if method == _AES:
                if password is None:
                    raise ExtractionError("encrypted", "7z が暗号化されています", "the 7z archive is encrypted")
                chunks = _decrypted(chunks, properties, password, self.keys)
            elif method in (_LZMA, _LZMA2):
                x86 = any(other in (_X86, _X86_NEW) for other, _ in folder.coders)
                chunks = _lzma_chunks(method, properties, chunks, x86=x86)
            elif method == _ZSTD:
                chunks = unzstd(chunks)
            elif method == _DEFLATE:
                chunks = inflated(chunks)
            elif method == _BZIP2:
                chunks = through(BZ2Decompressor(), chunks, to_end=False)
            elif method != _COPY:
                raise ExtractionError("unsupported", "7z のこの圧縮方式は未対応です", "this 7z method is not supported")
        return _limited(chunks, folder.size)

    def whole(self, folder: _Folder) -> bytes:
        """A small folder, as the packed header is, with the password that fits."""
        passwords: tuple[str | None, ...] = (None,)
        if any(method == _AES for method, _ in folder.coders):
            passwords = self.context.passwords
        for password in passwords:
            parts: list[bytes] = []
            size = 0
            try:
                for chunk in self.chunks(folder, password):
                    self.context.spend(len(chunk))
                    size += len(chunk)
                    if size > _HEADER_BYTES:
                        raise LimitReachedError("7z の目次が大きすぎます", "the 7z directory is too large")
                    parts.append(chunk)
            except (OutOfTimeError, OutOfOutputError):
                raise
            except ExtractionError:
                if password is None:
                    raise
                continue
            data = b"".join(parts)
            fits = data[:1] in (b"\x01", b"\x17") if folder.crc is None else zlib.crc32(data) == folder.crc
            if fits:
                self.password = password
                if password is not None:
                    self.context.opened.add(self.source.container)
                return data
        if passwords == (None,):
            raise _damaged()
        raise ExtractionError("encrypted", "7z の目次が暗号化されています", "the 7z directory is encrypted")

    def password_for(self, folder: _Folder) -> str | None:
        """The password of a folder, tried on its first member; raises `ExtractionError` if none fits."""
        if not any(method == _AES for method, _ in folder.coders):
            return None
        known: tuple[str, ...] = (self.password,) if self.password else ()
        for password in dict.fromkeys((*known, *self.context.passwords)):
            size, crc = next(iter(folder.members), (0, None))
            found = 0
            try:
                for chunk in _limited(self.chunks(folder, password), size):
                    self.context.spend(len(chunk))
                    found = zlib.crc32(chunk, found)
            except (OutOfTimeError, OutOfOutputError):
                raise
            except ExtractionError:
                continue
            if crc is None or found == crc:
                self.context.opened.add(self.source.container)
                return password
        raise ExtractionError("encrypted", "7z が暗号化されています", "the 7z archive is encrypted")


def _limited(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """At most `size` bytes: what block ciphers and unmarked ends add is cut off."""
    for chunk in chunks:
        part = chunk[:size]
        size -= len(part)
        if part:
            yield part
        if size <= 0:
            return


def _header(archive: _Archive) -> _Reader:
    """The header, unpacked if it is packed."""
    start = archive.source.read_at(0, 32)
    if len(start) < 32:
        raise _damaged()
    offset, size, crc = struct.unpack_from("<QQI", start, 12)
    if size > _HEADER_BYTES or 32 + offset + size > archive.source.size:
        raise ExtractionError("damaged", "7z が途中で切れています", "the 7z archive ends early")
    data = archive.source.read_at(32 + offset, size)
    if zlib.crc32(data) != crc:
        raise _damaged()
    for _ in range(4):
        reader = _Reader(data)
        kind = reader.byte() if data else 0
        if kind != 0x17:
            return _Reader(data)
        folders = _streams(reader)
        if not folders:
            raise _damaged()
        data = archive.whole(folders[0])
    raise _damaged()


def extract(source: Source, context: Context) -> Iterator[Text | Problem | Child]:
    """Members in their order, folder by folder."""
    archive = _Archive(source, context)
    reader = _header(archive)
    folders: list[_Folder] = []
    entries: list[tuple[str, bool]] = []
    if reader.rest_size() == 0:
        return
    reader.expect(1)
    while kind := reader.byte():
        if kind == 2:
            while attribute := reader.byte():
                del attribute
                reader.take(reader.count())
        elif kind == 3:
            _streams(reader)
        elif kind == 4:
            folders = _streams(reader)
        elif kind == 5:
            entries = _names(reader)
            break
        else:
            raise _damaged()
    for name, _ in entries:
        context.count_member()
        yield from name_text(member_container(source, name), name)
    filled = iter([name for name, has_content in entries if has_content])
    for folder in folders:
        names = [next(filled, "") for _ in folder.members]
        yield from _folder_members(archive, folder, names)


def _folder_members(archive: _Archive, folder: _Folder, names: list[str]) -> Iterator[Text | Problem | Child]:
    source, context = archive.source, archive.context
    members: list[SolidMember] = []
    position = 0
    for name, (size, crc) in zip(names, folder.members, strict=True):
        members.append(SolidMember(name, member_container(source, name), position, size, crc))
        position += size
    try:
        password = archive.password_for(folder)
        archive.chunks(folder, password)
    except (OutOfTimeError, OutOfOutputError):
        raise
    except ExtractionError as error:
        for member in members:
            yield error.problem(member.container)
        return
    yield from divide(lambda: archive.chunks(folder, password), members, context, packed_bytes=folder.packed_size)
