"""RAR 4 and 5: names and what is locked by this module's own look at the headers, contents through libarchive.

Stored members are ranges of the file. Compressed ones are unpacked by libarchive (`archi`, of the extra `hozen[rar]`);
without it, and for what it cannot unpack (solid RAR 4, older than 2.9), each member is a line of the coverage.

Formats: "RAR 5.0 archive format" (RARLAB), the technical note of RAR 4 that came with UnRAR, libarchive's readers.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import posixpath
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

from triage.extractors import binary
from triage.extractors.fields import Fields
from triage.extractors.model import BytesSource, Child, ExtractionError, LimitReachedError, Problem, member_container
from triage.extractors.tar import RangeSource
from triage.extractors.zip_archive import name_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.extractors.model import Context, Source
    from triage.text import Text

RAR4, RAR5 = b"Rar!\x1a\x07\x00", b"Rar!\x1a\x07\x01\x00"
MAX_UNPACKED_BYTES = 192 << 20
"""libarchive's binding reads the whole file at once: larger ones are only listed, and read where they are stored."""
_LARGEST_HEADER = 2 << 20
_CHUNK = 1 << 20


class Entry(NamedTuple):
    """A member: its data are `packed` bytes at `offset` of the file; `size` is -1 where the archive does not tell."""

    name: str
    offset: int
    packed: int
    size: int
    stored: bool
    encrypted: bool
    folder: bool
    before: bool
    after: bool
    """It begins in the part before, or goes on in the next one."""
    crc32: int | None = None


def matches(head: bytes, _name: str, _size: int) -> bool:
    """The signature."""
    return head.startswith((RAR4, RAR5))


def _locked() -> ExtractionError:
    return ExtractionError(
        "encrypted", "RAR のヘッダーが暗号化されています", "the headers of the RAR archive are encrypted"
    )


def _damaged() -> ExtractionError:
    return ExtractionError("damaged", "RAR のヘッダーが壊れています", "a header of the RAR archive is damaged")


def _entries5(source: Source, context: Context) -> Iterator[Entry]:
    """Members of a RAR 5 archive."""
    position = len(RAR5)
    while position < source.size:
        context.check_time()
        head = source.read_at(position, 4 + 3)
        sizes = Fields(head[4:], 0, _damaged, number_bits=70)
        length = sizes.number()
        data = source.read_at(position + 4 + sizes.at, length) if length <= _LARGEST_HEADER else b""
        checked = head[4 : 4 + sizes.at] + data
        if not length or len(data) < length or zlib.crc32(checked) != int.from_bytes(head[:4], "little"):
            raise _damaged()
        fields = Fields(data, 0, _damaged, number_bits=70)
        kind, flags = fields.number(), fields.number()
        extra = fields.number() if flags & 1 else 0
        packed = fields.number() if flags & 2 else 0
        body = position + 4 + sizes.at + length
        position = body + packed
        if kind == 4:
            raise _locked()
        if kind == 5:
            return
        if kind != 2:
            continue
        what, size = fields.number(), fields.number()
        fields.number()  # attributes
        if what & 2:
            fields.take(4)
        crc32 = int.from_bytes(fields.take(4), "little") if what & 4 else None
        method = fields.number()
        fields.number()  # system
        name = fields.take(fields.number()).decode("utf-8", "replace")
        yield Entry(
            name, body, packed, -1 if what & 8 else size, stored=not method >> 7 & 7,
            encrypted=_has_record(data[len(data) - extra :] if extra else b"", 1), folder=bool(what & 1),
            before=bool(flags & 8), after=bool(flags & 16), crc32=crc32,
        )  # fmt: skip


def _has_record(extra: bytes, wanted: int) -> bool:
    fields = Fields(extra, 0, _damaged, number_bits=70)
    while fields.at < len(extra):
        size = fields.number()
        start = fields.at
        if fields.number() == wanted:
            return True
        fields.at = start + size
    return False


def _entries4(source: Source, context: Context) -> Iterator[Entry]:
    """Members of a RAR 1.5 to 4 archive."""
    position = len(RAR4)
    while position + 7 <= source.size:
        context.check_time()
        head = source.read_at(position, 7)
        kind, flags, length = head[2], int.from_bytes(head[3:5], "little"), int.from_bytes(head[5:7], "little")
        data = source.read_at(position, length)
        right = len(data) == length and zlib.crc32(data[2:]) & 0xFFFF == int.from_bytes(head[:2], "little")
        # The checksum of a block with a comment (old versions) covers only a part of it.
        if length < 7 or not (right or kind in (0x73, 0x75)):
            raise _damaged()
        packed = int.from_bytes(data[7:11], "little") if flags & 0x8000 or kind in (0x74, 0x7A) else 0
        body = position + length
        if kind == 0x73 and flags & 0x80:
            raise _locked()
        if kind == 0x7B:
            return
        if kind == 0x74 and length >= 32:
            size, crc32 = int.from_bytes(data[11:15], "little"), int.from_bytes(data[16:20], "little")
            at = 32
            if flags & 0x100:
                packed |= int.from_bytes(data[32:36], "little") << 32
                size |= int.from_bytes(data[36:40], "little") << 32
                at = 40
            raw = data[at : at + int.from_bytes(data[26:28], "little")]
            yield Entry(
                _name4(raw, unicode=bool(flags & 0x200)), body, packed, size, stored=data[25] == 0x30,
                encrypted=bool(flags & 4), folder=flags & 0xE0 == 0xE0, before=bool(flags & 1), after=bool(flags & 2),
                crc32=crc32,
            )  # fmt: skip
        position = body + packed


def _name4(raw: bytes, *, unicode: bool) -> str:
    """A name of RAR 4: in the system's code page, then (behind a NUL) what of it differs in UTF-16."""
    plain, _, packed = raw.partition(b"\0")
    if unicode and packed:
        return _unpacked_name(plain, packed).replace("\\", "/")
    for encoding in ("utf-8", "cp932"):
        try:
            return plain.decode(encoding).replace("\\", "/")
        except UnicodeDecodeError:
            continue
    return plain.decode("cp932", "replace").replace("\\", "/")


def _unpacked_name(plain: bytes, packed: bytes) -> str:
    high, at, flags, bits = packed[0], 1, 0, 0
    codes: list[int] = []
    while at < len(packed) and len(codes) < 1024:
        if not bits:
            flags, bits = packed[at], 8
            at += 1
        bits -= 2
        kind = flags >> bits & 3
        piece = packed[at : at + 2]
        if kind == 0 and piece:
            codes.append(piece[0])
            at += 1
        elif kind == 1 and piece:
            codes.append(high << 8 | piece[0])
            at += 1
        elif kind == 2 and len(piece) == 2:
            codes.append(int.from_bytes(piece, "little"))
            at += 2
        elif kind == 3 and piece:
            at += 1
            count = (piece[0] & 0x7F) + 2
            add = 0
            if piece[0] & 0x80:
                add = packed[at] if at < len(packed) else 0
                at += 1
            same = plain[len(codes) : len(codes) + count]
            codes += [high << 8 | (byte + add & 0xFF) for byte in same] if piece[0] & 0x80 else same
    return b"".join(code.to_bytes(2, "little") for code in codes).decode("utf-16-le", "replace")


def is_unpacked_here() -> bool:
    """Whether the library that unpacks is there."""
    return importlib.util.find_spec("archi") is not None


def extract(source: Source, context: Context) -> Iterator[Text | Problem | Child]:
    """Names, then stored members, then what libarchive unpacks."""
    packed: list[Entry] = []
    walk = _entries5 if source.read_at(0, len(RAR5)) == RAR5 else _entries4
    try:
        for entry in walk(source, context):
            context.count_member()
            container = member_container(source, entry.name)
            yield from name_text(container, entry.name)
            if entry.folder or not (entry.packed or entry.size):
                continue
            if entry.encrypted:
                yield Problem("encrypted", "パスワードで暗号化されています", "encrypted with a password", container)
            elif entry.before or entry.after:
                yield Problem(
                    "unsupported", "分割 RAR の続きが別のファイルにあります",
                    "it continues in another part of the archive", container,
                )  # fmt: skip
            elif entry.stored and entry.packed:
                last = posixpath.basename(entry.name)
                yield Child(RangeSource(source, entry.offset, entry.packed, last, container))
            elif entry.packed:
                packed.append(entry)
    except ExtractionError as error:
        if isinstance(error, LimitReachedError):
            raise
        yield error.problem(source.container)
        if error.reason == "damaged" and not context.seen_raw:
            yield from binary.extract(source, context)
    if packed:
        yield from _unpacked(source, context, packed)


def _unpacked(source: Source, context: Context, entries: list[Entry]) -> Iterator[Problem | Child]:
    """Compressed members, in the order of the archive; what does not come out is said."""
    reason = ""
    if not is_unpacked_here():
        reason = "圧縮された RAR の展開には hozen[rar] が必要です / unpacking compressed RAR needs hozen[rar]"
    elif source.size > MAX_UNPACKED_BYTES:
        reason = "大きすぎる RAR は展開しません / the RAR archive is too large to be unpacked"
    wanted = {entry.name: entry for entry in entries}
    if not reason:
        archi: Any = importlib.import_module("archi")
        data = source.read_at(0, source.size)
        context.spend(len(data))
        reason = "この RAR の圧縮方式は展開できません / this method of RAR cannot be unpacked"
        try:
            for member in archi.Archive(io.BytesIO(data)):
                context.check_time()
                name = str(member.filename)
                entry = wanted.get(name)
                if entry is None:
                    continue
                yield from _member(source, context, entry, member)
                del wanted[name]
        except archi.Error:
            pass  # each member that did not come is said below
    ja, _, en = reason.partition(" / ")
    for entry in wanted.values():
        yield Problem("unsupported", ja, en, member_container(source, entry.name))


def _member(source: Source, context: Context, entry: Entry, member: Any) -> Iterator[Problem | Child]:  # noqa: ANN401 - libarchive's entry
    """One member, as far as it comes out."""
    archi: Any = importlib.import_module("archi")
    container = member_container(source, entry.name)
    allowed = min(
        context.limits.memory_bytes * 4, max(context.limits.ratio_free_bytes, context.limits.ratio * entry.packed)
    )
    parts: list[bytes] = []
    size = 0
    error: ExtractionError | None = None
    try:
        while chunk := bytes(member.read(_CHUNK)):
            context.spend(len(chunk))
            size += len(chunk)
            parts.append(chunk)
            if size > allowed:
                error = LimitReachedError(
                    f"RAR のメンバーは先頭{allowed:,}バイトだけ読みました",
                    f"only the first {allowed:,} bytes of a member of the RAR archive were read",
                )
                break
    except archi.Error:
        error = ExtractionError("damaged", "圧縮データが壊れています", "compressed data is damaged")
    content = b"".join(parts)
    if content:
        yield Child(BytesSource(content, posixpath.basename(entry.name), container))
    if error is not None:
        yield error.problem(container)
    elif entry.crc32 is not None and zlib.crc32(content) != entry.crc32:
        yield Problem("damaged", "チェックサムが一致しません", "the checksum does not match", container)
