"""doc of Word 97 to 2003: the text of all stories through the piece table (MS-DOC 2.4.1, 2.9.38, 2.9.177)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from triage.extractors.model import ExtractionError
from triage.extractors.pieces import Prose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.extractors.compound import Compound
    from triage.extractors.model import Problem
    from triage.text import Text

# Paragraph, line, page, column; cell end; field braces; anchors of pictures, notes and comments.
_CHARACTERS = {
    0x0D: "\n",
    0x0B: "\n",
    0x0C: "\n",
    0x0E: "\n",
    0x07: "\t",
    0x13: " ",
    0x14: " ",
    0x15: "",
    0x01: "",
    0x02: "",
    0x05: "",
    0x08: "",
    0x1E: "-",
    0x1F: "",
    0xA0: "\u00a0",
}


def _pieces(table: bytes, offset: int, size: int) -> list[tuple[int, int, bool]]:
    """Pieces as (offset in WordDocument, characters, one byte a character)."""
    clx = table[offset : offset + size]
    at = 0
    while at < len(clx) and clx[at] == 1:
        at += 3 + struct.unpack_from("<H", clx, at + 1)[0]
    if at + 5 > len(clx) or clx[at] != 2:
        raise ExtractionError("damaged", "文書の構成表が壊れています", "the piece table is damaged")
    length = struct.unpack_from("<I", clx, at + 1)[0]
    plc = clx[at + 5 : at + 5 + length]
    count = (len(plc) - 4) // 12
    pieces: list[tuple[int, int, bool]] = []
    for index in range(count):
        start, end = struct.unpack_from("<II", plc, 4 * index)
        where = struct.unpack_from("<I", plc, 4 * (count + 1) + 8 * index + 2)[0]
        if end < start:
            continue
        narrow = bool(where & 0x40000000)
        place = where & 0x3FFFFFFF
        pieces.append((place // 2 if narrow else place, end - start, narrow))
    return pieces


def document(compound: Compound) -> Iterator[Text | Problem]:
    """Body, notes, headers and comments in the order of the file; the end of a table's row is a line end."""
    stream = compound.read("WordDocument")
    if len(stream) < 0x1AA:
        raise ExtractionError("damaged", "文書のヘッダーが壊れています", "the document's header is damaged")
    magic, version = struct.unpack_from("<HH", stream)
    flags = struct.unpack_from("<H", stream, 0x0A)[0]
    if flags & 0x0100:
        raise ExtractionError("encrypted", "Word 文書が暗号化されています", "the Word document is encrypted")
    if magic != 0xA5EC or version < 0xC0:
        # Word 6 and 95: text lies in one piece; the search over the stream finds it.
        raise ExtractionError("unsupported", "Word 95 以前の構造は未対応です", "the layout of Word 95 is not supported")
    offset, size = struct.unpack_from("<II", stream, 0x1A2)
    table = compound.read("1Table" if flags & 0x0200 else "0Table")
    prose = Prose(compound.source.container, "WordDocument", location="WordDocument", encoding="utf-16-le")
    for place, count, narrow in _pieces(table, offset, size):
        compound.context.check_time()
        raw = stream[place : place + count * (1 if narrow else 2)]
        text = raw.decode("cp1252" if narrow else "utf-16-le", "replace")
        yield from prose.add(text.replace("\x07\x07", "\n").translate(_CHARACTERS))
    yield from prose.finish()
