"""OLE2 compound files: doc, xls, ppt, msg by their streams; locked office files are said; other streams are searched.

The streams of a compound file are fragmented inside it, so that text is whole only when read through it.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from triage.extractors import biff, binary, outlook_message, powerpoint97, word97
from triage.extractors.digits import chains
from triage.extractors.encodings import content_of, encoding_of
from triage.extractors.model import (
    BytesSource,
    Child,
    ExtractionError,
    OutOfOutputError,
    OutOfTimeError,
    Problem,
    member_container,
)
from triage.extractors.office_encryption import opened_package
from triage.extractors.pieces import prose
from triage.extractors.thumbnails import picture_kind
from triage.extractors.zip_archive import name_text
from triage.sniff import OLE2
from triage.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from triage.extractors.model import Context, Source

MAX_STREAM_BYTES = 64 << 20
MAX_STREAMS = 20_000
_PROPERTY_BYTES = 8192
_PROPERTIES = {2: "title", 3: "subject", 4: "author", 5: "keywords", 6: "comments", 8: "last author"}


def matches(head: bytes, _name: str, _size: int) -> bool:
    """The signature of a compound file."""
    return head.startswith(OLE2)


class _File(io.RawIOBase):
    """A source as the file object that olefile reads from."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = (0, self._position, self._source.size)[whence] + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        data = self._source.read_at(self._position, self._source.size if size < 0 else size)
        self._position += len(data)
        return data


class Compound:
    """The streams of a compound file, by path ("WordDocument", "ObjectPool/_1/Package")."""

    def __init__(self, source: Source, context: Context) -> None:
        import olefile  # noqa: PLC0415 - only when a compound file is met

        self.source = source
        self.context = context
        self.cut: list[str] = []
        """Streams of which only the beginning was read."""
        try:
            self._file: Any = olefile.OleFileIO(_File(source), raise_defects=olefile.DEFECT_FATAL)
            self.names = ["/".join(path) for path in self._file.listdir(streams=True, storages=False)][:MAX_STREAMS]
        except (OSError, ValueError, IndexError, KeyError, TypeError, RecursionError) as error:
            raise ExtractionError(
                "damaged",
                f"複合ファイルを開けません({type(error).__name__})",
                f"the compound file cannot be opened ({type(error).__name__})",
            ) from None

    def read(self, name: str, limit: int = MAX_STREAM_BYTES) -> bytes:
        """A stream, at most `limit` bytes of it; raises `ExtractionError` where it cannot be read."""
        try:
            path = name.split("/")
            if self._file.get_size(path) > self.source.size:
                raise ExtractionError("damaged", "ストリームの長さが不正です", "a stream has an impossible length")
            data: bytes = self._file.openstream(path).read(limit + 1)
        except (OSError, ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
            raise ExtractionError(
                "damaged",
                f"ストリームを読めません({type(error).__name__})",
                f"a stream cannot be read ({type(error).__name__})",
            ) from None
        if len(data) > limit:
            self.cut.append(name)
            data = data[:limit]
        self.context.spend(len(data))
        return data

    def properties(self, name: str) -> Iterator[str]:
        """The words of a property set (SummaryInformation and its like)."""
        try:
            values = self._file.getproperties(name.split("/"))
        except (OSError, ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError):
            return
        for key, value in sorted(values.items()):
            if isinstance(value, bytes):
                # The code page that the set declares is often not the one it is in; a thumbnail is in none.
                encoding = encoding_of(value.rstrip(b"\0")) if len(value) <= _PROPERTY_BYTES else None
                value = content_of(value, encoding) if encoding else ""  # noqa: PLW2901 - the same property, decoded
            if isinstance(value, str) and value.strip("\0 "):
                yield f"{_PROPERTIES.get(key, key)}: {value.rstrip(chr(0))}\n"


def remembering(items: Iterator[Text | Problem | Child], seen: set[str]) -> Iterator[Text | Problem | Child]:
    """Pass `items` on and note which twelve-digit strings their texts hold."""
    for item in items:
        if isinstance(item, Text) and len(seen) < 1_000_000:
            seen |= chains(item.content)
        yield item


def leftovers(data: bytes, container: str, stream: str, seen: set[str]) -> Iterator[Text]:
    """Text runs of a stream that hold what its document does not show: deleted, fast-saved, comments."""
    for text in binary.text_runs(data, 0, container, stream=stream):
        if not chains(text.content) <= seen:
            # Offsets here count in the stream, not in the file.
            yield Text(text.content, text.encoding, "raw", container, stream, stream)


def _guarded(
    compound: Compound, read: Callable[[], Iterator[Text | Problem | Child]]
) -> Iterator[Text | Problem | Child]:
    try:
        yield from read()
    except (OutOfTimeError, OutOfOutputError):
        raise
    except ExtractionError as error:
        yield error.problem(compound.source.container)


def extract(source: Source, context: Context) -> Iterator[Text | Problem | Child]:
    """The document by its own reader, then properties, then what other streams hold."""
    compound = Compound(source, context)
    yield from _document(compound)
    for name in dict.fromkeys(compound.cut):
        yield Problem(
            "limit",
            f"ストリームは先頭{MAX_STREAM_BYTES:,}バイトだけ読みました",
            f"only the first {MAX_STREAM_BYTES:,} bytes of a stream were read",
            source.container,
            _shown(name),
        )


def _shown(name: str) -> str:
    """A stream's path without the control characters that begin some names."""
    return "".join(character for character in name if character >= " ")


def _document(compound: Compound) -> Iterator[Text | Problem | Child]:
    source, context = compound.source, compound.context
    names = compound.names
    container = source.container
    lower = {name.lower(): name for name in names}
    if "encryptedpackage" in lower:
        info = compound.read(lower["encryptioninfo"]) if "encryptioninfo" in lower else b""
        clear = opened_package(info, compound.read(lower["encryptedpackage"]), context)
        context.opened.add(container)
        # The document itself: it keeps name and place.
        yield Child(BytesSource(clear, source.name, container))
        return
    seen: set[str] = set()
    main: list[str] = []
    if any(name.startswith("__properties_version1.0") for name in names):
        yield from _guarded(compound, lambda: outlook_message.message(compound))
        return
    if "worddocument" in lower:
        main = [lower["worddocument"]]
        yield from remembering(_guarded(compound, lambda: word97.document(compound)), seen)
    elif "workbook" in lower or "book" in lower:
        main = [lower.get("workbook") or lower["book"]]
        yield from remembering(_guarded(compound, lambda: biff.workbook(compound.read(main[0]), source, context)), seen)
    elif "powerpoint document" in lower:
        main = [lower["powerpoint document"]]
        yield from remembering(_guarded(compound, lambda: powerpoint97.document(compound)), seen)
    lines = [line for name in names if name.rpartition("/")[2].startswith("\x05") for line in compound.properties(name)]
    yield from prose(lines, container, "properties", location="properties", kind="form")
    for name in names:
        context.check_time()
        shown = _shown(name)
        try:
            data = compound.read(name)
        except (OutOfTimeError, OutOfOutputError):
            raise
        except ExtractionError as error:
            yield error.problem(container, shown)
            continue
        if name in main:
            yield from leftovers(data, container, shown, seen)
        elif name.rpartition("/")[2] in ("Package", "CONTENTS", "\x01Ole10Native"):
            context.count_member()
            body = data
            if name.endswith("Ole10Native"):
                body = _native(data)
            yield from name_text(member_container(source, shown), shown)
            yield Child(BytesSource(body, shown.rpartition("/")[2], member_container(source, shown)))
        elif (start := _thumbnail(data)) is not None:
            # Thumbs.db of Windows XP: a picture behind a header of 12, 16 or 24 bytes.
            context.count_member()
            place = f"{shown}.{picture_kind(data[start : start + 8])}"
            yield Child(BytesSource(data[start:], place.rpartition("/")[2], member_container(source, place)))
        else:
            yield from leftovers(data, container, shown, seen)


def _thumbnail(data: bytes) -> int | None:
    """Where in a stream a thumbnail begins; None where it holds none."""
    return next((start for start in (12, 16, 24) if picture_kind(data[start : start + 8]) in ("jpg", "png")), None)


def _native(data: bytes) -> bytes:
    """The file inside an Ole10Native stream: after its size, label, path and temporary path."""
    at = 6
    for _ in range(2):
        end = data.find(b"\0", at)
        if end < 0:
            return data
        at = end + 1
    at += 4
    size = int.from_bytes(data[at : at + 4], "little")
    at += 4 + size
    length = int.from_bytes(data[at : at + 4], "little")
    body = data[at + 4 : at + 4 + length]
    return body or data
