"""The strings that the cells of a workbook share, in bounded memory."""

from __future__ import annotations

from array import array

MAX_STRINGS = 8_000_000
MAX_BYTES = 64 << 20
"""Strings beyond this are not kept; `lost` counts them, so that it can be said."""


class SharedStrings:
    """Strings as UTF-8 behind one another, found by number."""

    def __init__(self) -> None:
        self._blob = bytearray()
        self._ends = array("Q")
        self.lost = 0

    def add(self, text: bytes) -> None:
        """Append the next string, in UTF-8."""
        if len(self._ends) >= MAX_STRINGS or len(self._blob) + len(text) > MAX_BYTES:
            self.lost += 1
            text = b""
            if len(self._ends) >= MAX_STRINGS:
                return
        self._blob += text
        self._ends.append(len(self._blob))

    def __getitem__(self, number: int) -> str:
        if not 0 <= number < len(self._ends):
            return ""
        start = self._ends[number - 1] if number else 0
        return self._blob[start : self._ends[number]].decode("utf-8", "replace")
