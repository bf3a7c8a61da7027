"""tar: members in place, with GNU and PAX long names; after damage the next header is looked for.

POSIX.1-1988 ustar, GNU and PAX. Members are not copied: they are ranges of the archive.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from triage.extractors.model import Child, Problem, member_container
from triage.extractors.zip_archive import name_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.extractors.model import Context, Source
    from triage.text import Text

_BLOCK = 512
_LONG_BYTES = 1 << 16
_ASCII = bytes(range(0x80))


def _checksum_fits(header: bytes) -> bool:
    stored = _number(header[148:156])
    if stored < 0:
        return False
    rest = header[:148] + header[156:]
    total = sum(rest) + 8 * 32
    # Some old programs summed signed bytes.
    return stored in (total, total - 256 * len(rest.translate(None, _ASCII)))


def _number(field: bytes) -> int:
    """An octal number, or GNU's binary one; -1 if it is neither."""
    if field[0] & 0x80:
        return int.from_bytes(bytes((field[0] & 0x7F,)) + field[1:], "big")
    digits = field.strip(b" \0")
    try:
        return int(digits, 8) if digits else 0
    except ValueError:
        return -1


def matches(head: bytes, _name: str, size: int) -> bool:
    """A first header whose checksum fits."""
    return size >= _BLOCK and len(head) >= _BLOCK and head[0] != 0 and _checksum_fits(head[:_BLOCK])


@dataclass(frozen=True, slots=True)
class RangeSource:
    """A range of another source."""

    parent: Source
    offset: int
    size: int
    name: str
    container: str

    def read_at(self, offset: int, size: int, /) -> bytes:
        """Up to `size` bytes from `offset`."""
        if offset >= self.size:
            return b""
        return self.parent.read_at(self.offset + offset, min(size, self.size - offset))


def _name(raw: bytes) -> str:
    for encoding in ("utf-8", "cp932", "euc_jp"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("utf-8", "replace")


def _pax(data: bytes) -> tuple[str | None, int | None]:
    """Path and size from the records of a PAX header."""
    path: str | None = None
    size: int | None = None
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 20)
        if space < 0 or not data[at:space].isdigit():
            break
        length = int(data[at:space])
        key, _, value = data[space + 1 : at + length - 1].partition(b"=")
        if key == b"path":
            path = value.decode("utf-8", "replace")
        elif key in (b"size", b"GNU.sparse.realsize") and value.isdigit():
            size = int(value[:18]) if key == b"size" else size
        if length <= 0:
            break
        at += length
    return path, size


def extract(source: Source, context: Context) -> Iterator[Text | Problem | Child]:
    """Members in their order."""
    position = 0
    long_name: str | None = None
    long_size: int | None = None
    damaged = False
    while position + _BLOCK <= source.size:
        header = source.read_at(position, _BLOCK)
        if len(header) < _BLOCK:
            break
        if not any(header):
            position += _BLOCK
            context.check_time()
            continue
        if not _checksum_fits(header):
            if not damaged:
                yield Problem("damaged", "tar のヘッダーが壊れています", "a tar header is damaged", source.container)
            damaged = True
            position += _BLOCK
            context.check_time()
            continue
        context.count_member()
        kind = header[156:157]
        size = _number(header[124:136])
        size = max(size, 0) if long_size is None else long_size
        body = position + _BLOCK
        position = body + -(-size // _BLOCK) * _BLOCK
        if kind in (b"L", b"K"):
            long_name = _name(source.read_at(body, min(size, _LONG_BYTES)).rstrip(b"\0")) if kind == b"L" else long_name
            continue
        if kind in (b"x", b"g"):
            path, length = _pax(source.read_at(body, min(size, _LONG_BYTES)))
            if kind == b"x":
                long_name, long_size = path or long_name, length
            continue
        prefix = header[345:500].split(b"\0")[0] if header[257:262] == b"ustar" and header[263:265] == b"00" else b""
        name = long_name or _name((prefix + b"/" if prefix else b"") + header[:100].split(b"\0")[0])
        long_name = long_size = None
        container = member_container(source, name)
        yield from name_text(container, name)
        if kind in (b"0", b"\0", b"7", b"S") and size:
            have = min(size, max(source.size - body, 0))
            yield Child(RangeSource(source, body, have, posixpath.basename(name), container))
            if have < size:
                yield Problem("damaged", "tar が途中で切れています", "the tar archive ends early", container)
