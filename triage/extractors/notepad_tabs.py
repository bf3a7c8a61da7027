"""Tabs of the Notepad of Windows 11 (`LocalState/TabState/*.bin`): text that was never saved, as it was typed.

The file holds the text at the last time the tab was written out, then one record for each change since: position,
characters taken away, characters put in. The changes are carried out, so that a number typed digit by digit is whole.

Format: notes of the reverse engineers (ogmini "Notepad-Tabstate-Buffer", Nordgaren "tabstate-util").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from triage.extractors import binary
from triage.extractors.fields import Fields
from triage.extractors.model import ExtractionError
from triage.extractors.pieces import prose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.extractors.model import Child, Context, Problem, Source
    from triage.text import Text

MAX_BYTES = 16 << 20
_MAX_CHANGES = 200_000


def matches(head: bytes, name: str, _size: int) -> bool:
    """Whether it begins with the letters NP, a zero and a known kind, in a file with the name of a tab."""
    return head.startswith(b"NP\x00") and head[3:4] in (b"\x00", b"\x01") and name.lower().endswith(".bin")


def _text(fields: Fields) -> str:
    return fields.take(2 * fields.number()).decode("utf-16-le", "replace")


def _damaged() -> ExtractionError:
    return ExtractionError("damaged", "メモ帳のタブが壊れています", "the Notepad tab is damaged")


def _content(fields: Fields, *, saved: bool) -> tuple[str, str]:
    """Path of the saved file ("" for none) and the text at the last time it was written out."""
    path = ""
    if saved:
        path = _text(fields)
        fields.number()  # size of the file
        fields.take(2)  # encoding, line ends
        fields.number()  # time
        fields.take(32)  # SHA-256
        fields.take(1)
    fields.take(1)
    fields.number()  # selection
    fields.number()
    fields.take(3)  # line wrap, right to left, control characters
    fields.take(fields.number())  # further options
    text = _text(fields)
    fields.take(1)  # whether there is more than the file has
    fields.take(4)  # CRC-32
    return path, text


def _changed(fields: Fields, text: str, context: Context) -> str:
    """`text` after the changes that follow."""
    codes = list(text)
    for count in range(_MAX_CHANGES):
        if fields.at >= len(fields.data):
            break
        if count % 256 == 0:
            context.check_time()
        place = fields.number()
        gone, added = fields.number(), fields.number()
        if place > len(codes) or gone > len(codes) - place:
            raise _damaged()
        codes[place : place + gone] = fields.take(2 * added).decode("utf-16-le", "replace")
        fields.take(4)  # CRC-32
    return "".join(codes)


def extract(source: Source, context: Context) -> Iterator[Text | Problem | Child]:
    """The text as it stood last, and as it stood before where that differs."""
    data = source.read_at(0, MAX_BYTES)
    context.spend(len(data))
    fields = Fields(data, 3, _damaged, number_bits=63)
    kind = fields.take(1)[0]
    try:
        path, text = _content(fields, saved=kind == 1)
        # The names of what was open tell as much as the text.
        yield from prose([path + "\n", text], source.container, "tab", encoding="utf-16-le")
        now = _changed(fields, text, context)
    except ExtractionError as error:
        yield from binary.extract(source, context)
        yield error.problem(source.container)
        return
    if now != text:
        yield from prose([now], source.container, "tab, changed", location="unsaved", encoding="utf-16-le")
