"""Plain text: whatever is text in a known encoding and no other extractor's format, tables by delimiter included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from triage.extractors import binary, delimited
from triage.extractors.blocks import BLOCK_BYTES, blocks
from triage.extractors.markup import has_escapes, unescape
from triage.sniff import text_of
from triage.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.extractors.model import Child, Context, Problem, Source


def matches(head: bytes, _name: str, _size: int) -> bool:
    """Anything that is text."""
    return text_of(head) is not None


def extract(source: Source, context: Context) -> Iterator[Text | Problem | Child]:
    """The text in pieces with the place of each character; tables with their cells."""
    layout = delimited.layout_of(source.read_at(0, BLOCK_BYTES))
    if layout is not None:
        yield from delimited.rows(source, context, layout)
        return
    characters = 0
    for block in blocks(source, context):
        if has_escapes(block.content):
            # Source text and property files write Japanese as \\uXXXX.
            text = unescape(block).text(
                "markup", source.container, stream="text", first_char=characters - block.overlap
            )
            if text:
                yield text
        elif block.holds_number():
            yield Text(
                block.content,
                block.encoding,
                "prose",
                source.container,
                stream="text",
                offsets=block.offsets(),
                first_char=characters - block.overlap,
                overlap=block.overlap,
            )
        characters += len(block.content) - block.overlap
        if "\x00" in block.content:
            # UTF-16 appended to an 8-bit file, as some shells do.
            yield from binary.wide_runs(block.data, block.base, source.container)
