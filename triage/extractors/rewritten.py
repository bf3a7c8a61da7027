"""Text whose written form differs from its bytes (entities, escapes, tags): pieces copied or put in their place.

Each character of the result keeps the place of the character it was made from, so a number written as
`&#x31;&#x32;…` still has its bytes in the file. Places are worked out only for blocks that can hold a number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from triage.extractors.digits import holds_number
from triage.extractors.encodings import Decoded, offsets_of
from triage.text import Cell, Text, TextKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from triage.extractors.blocks import Block


class Rewriter:
    """Builds the new text of one block."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._parts: list[str] = []
        self._sources: list[tuple[int, int]] = []
        self.length = 0
        """Characters put so far."""

    def copy(self, low: int, high: int) -> None:
        """Take over the characters `low` to `high` of the block."""
        if high > low:
            self._parts.append(self._block.content[low:high])
            self._sources.append((low, high))
            self.length += high - low

    def put(self, text: str, at: int) -> None:
        """Put `text` where the block's character `at` stood."""
        if text:
            self._parts.append(text)
            self._sources.append((at, -len(text)))
            self.length += len(text)

    def content(self) -> str:
        """The new text so far."""
        return "".join(self._parts)

    def text(
        self,
        kind: TextKind,
        container: str,
        *,
        stream: str = "",
        first_char: int = 0,
        cells: Iterable[tuple[int, int, int, int]] = (),
    ) -> Text | None:
        """The new text with its places; None if it can hold no number."""
        content = self.content()
        if not holds_number(content):
            return None
        block = self._block
        if container:  # no place in the file to speak of
            return Text(
                content,
                block.encoding,
                kind,
                container,
                stream=stream,
                cells=tuple(Cell(*cell) for cell in cells),
                first_char=first_char,
            )
        decoded = block.decoded()
        starts = np.append(decoded.starts, len(block.data))
        places = [
            starts[low:high] if high >= 0 else np.repeat(starts[low : low + 1], -high) for low, high in self._sources
        ]
        new = Decoded(content, np.concatenate(places))
        return Text(
            content,
            block.encoding,
            kind,
            container,
            stream=stream,
            cells=tuple(Cell(*cell) for cell in cells),
            offsets=offsets_of(new, len(block.data), block.base),
            first_char=first_char,
        )
