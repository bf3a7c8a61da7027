"""Lines and rows of text logs: which encoding, bounded lines, CSV rows, and what could not be read as such.

```python
lines = Lines(file)
for number, text in lines:          # numbers count from 1
    ...
problems = lines.problems(file.layer)
```
The encoding is exact where a byte order mark or a strict decoding of the whole file proves it; where neither UTF-8 nor
cp932 fits throughout, each line is decoded on its own and `problems()` says how many fitted nothing.
"""

from __future__ import annotations

import codecs
import csv
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from timeline.event import Event, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import SourceFile

Basis = Literal["declared", "bom", "nul", "decoded", "ascii", "mixed"]

MOST_LINE_BYTES = 16 << 20
"""Longer lines are cut, and the coverage says so."""
_CHUNK_BYTES = 1 << 20
_JUDGED_BYTES = 64 << 20  # of a file without a byte order mark; what comes later is judged as it is read
_MOST_RECORD_LINES = 1000  # a quoted CSV field may hold line ends; an unclosed quote must not swallow a file
_MOST_RECORD_CHARS = 1 << 20
_CSV_FIELD_CHARS = 131_072  # csv.field_size_limit() as Python sets it

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True, slots=True)
class Encoding:
    """A Python codec name and how it was found.

    `declared`: a person says so; `bom`: a byte order mark; `nul`: every second byte is NUL; `decoded`: all judged bytes
    fit this encoding and no earlier one; `ascii`: nothing but ASCII; `mixed`: no encoding fits, lines are judged alone.
    """

    name: str
    basis: Basis

    @property
    def unit(self) -> int:
        """Bytes of a code unit."""
        return 2 if self.name.startswith("utf-16") else 1


def _by_mark(head: bytes) -> Encoding | None:
    for mark, name in _BOMS:
        if head.startswith(mark):
            return Encoding(name, "bom")
    pairs = head[: len(head) & ~1]
    if len(pairs) >= 8:
        # Log lines hold many ASCII characters even in Japanese: separators, digits of the time, line ends.
        units, even, odd = len(pairs) // 2, pairs[0::2].count(0), pairs[1::2].count(0)
        if odd * 8 >= units and even * 32 <= units:
            return Encoding("utf-16-le", "nul")
        if even * 8 >= units and odd * 32 <= units:
            return Encoding("utf-16-be", "nul")
    return None


def detect(file: SourceFile, declared: str | None = None) -> Encoding:
    """Encoding of a text file. Raises EvidenceError where the file cannot be read."""
    if declared:
        mark = _by_mark(file.head)
        if mark is not None and mark.name.removesuffix("-sig") == codecs.lookup(declared).name:
            return Encoding(mark.name, "declared")
        return Encoding(codecs.lookup(declared).name, "declared")
    return _by_mark(file.head) or _by_decoding(file)


def _by_decoding(file: SourceFile) -> Encoding:
    candidates = {name: codecs.getincrementaldecoder(name)("strict") for name in ("utf-8", "cp932", "euc_jp")}
    ascii_only = True
    at, end = 0, min(file.size, _JUDGED_BYTES)
    while at < end and candidates:
        chunk = file.read_at(at, min(_CHUNK_BYTES, end - at))
        if not chunk:
            break
        at += len(chunk)
        if ascii_only and chunk.isascii():
            continue
        ascii_only = False
        for name in tuple(candidates):
            try:
                # An unfinished last character is only wrong where the whole file was judged.
                candidates[name].decode(chunk, at >= file.size)
            except UnicodeDecodeError:
                del candidates[name]
    if ascii_only:
        return Encoding("utf-8", "ascii")
    for name in ("utf-8", "cp932", "euc_jp"):
        if name in candidates:
            return Encoding(name, "decoded")
    return Encoding(_by_most_lines(file.read_at(0, _CHUNK_BYTES)), "mixed")


def _by_most_lines(sample: bytes) -> str:
    """The encoding that most lines with more than ASCII fit; UTF-8 where two fit as many."""
    lines = [line for line in sample.split(b"\n") if not line.isascii()]
    return max(("utf-8", "cp932"), key=lambda name: sum(_fits(line, name) for line in lines))


def _fits(line: bytes, name: str) -> bool:
    try:
        line.decode(name)
    except UnicodeDecodeError:
        return False
    return True


@lru_cache(maxsize=8)
def head_text(head: bytes) -> str | None:
    """The first bytes of a file as text, whole lines where there are several; None where they are no text.

    Cheap and cached: all parsers that look at text ask it for the same head in turn.
    """
    mark = _by_mark(head)
    if mark is not None:
        text = head[
            len(codecs.BOM_UTF8) if mark.name == "utf-8-sig" else 0 : len(head) & ~1 if mark.unit == 2 else None
        ]
        return _whole_lines(text.decode(mark.name, "replace").lstrip("\ufeff"), full=len(head) >= 4096)
    if not head or head.count(0) > len(head) // 8:
        return None
    for name in ("utf-8", "cp932", "euc_jp"):
        try:
            shown = codecs.getincrementaldecoder(name)("strict").decode(head)
        except UnicodeDecodeError:
            continue
        return _whole_lines(shown, full=len(head) >= 4096)
    # Damaged text, or none: binary content has few lines, and what replaces its bytes is much of it.
    name = _by_most_lines(head)
    lines = [line.decode(name if _fits(line, name) else "utf-8", "replace") for line in head.split(b"\n")]
    shown = "\n".join(lines)
    return None if shown.count("\ufffd") * 10 > len(shown) else _whole_lines(shown, full=len(head) >= 4096)


def _whole_lines(text: str, *, full: bool) -> str:
    cut = text.rfind("\n")
    return text[: cut + 1] if full and cut >= 0 else text


class Lines:
    """The lines of a file, decoded, without their ends. Iterate once; then ask `problems`."""

    def __init__(self, file: SourceFile, declared: str | None = None) -> None:
        self.encoding = detect(file, declared)
        self.unfinished = False
        """The last line has no line end: the log may still be in writing, or was cut."""
        self._file = file
        self._undecodable: list[int] = []
        self._other: list[int] = []
        self._cut: list[int] = []
        self._nul: list[int] = []
        self.number = 0
        """Of the line that came last, from 1."""

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """(number from 1, text) of each line; empty lines too."""
        for raw in self._raw_chunks():
            text = self._whole(raw)
            if text is None:
                for line in self._split(raw):
                    self.number += 1
                    yield self.number, self._clean(self._decode(line))
                continue
            if self.number == 0:
                text = text.removeprefix("\ufeff")
            parts = text.split("\n")
            if parts[-1] == "":
                parts.pop()
            if "\x00" not in text:
                for part in parts:
                    self.number += 1
                    yield self.number, part.removesuffix("\r")
                continue
            for part in parts:
                self.number += 1
                yield self.number, self._clean(part.removesuffix("\r"))

    def _whole(self, raw: bytes) -> str | None:
        """Many lines decoded at once; None where each must be judged alone."""
        if self.encoding.basis == "mixed" and not raw.isascii():
            return None
        try:
            return raw.decode(self.encoding.name)
        except UnicodeDecodeError:
            return None

    def _split(self, raw: bytes) -> list[bytes]:
        if self.encoding.unit == 2:
            end = "\n".encode(self.encoding.name)
            return list(_split_units(raw, end))
        lines = raw.split(b"\n")
        if lines[-1] == b"":
            lines.pop()
        return lines

    def _decode(self, line: bytes) -> str:
        if self.encoding.unit == 1:
            line = line.removesuffix(b"\r")
            # UTF-8 first: its sequences hardly arise by chance, while nearly all of them fit cp932 as other characters.
            for name in ("utf-8", self.encoding.name, "cp932"):
                try:
                    text = line.decode(name)
                except UnicodeDecodeError:
                    continue
                if name != self.encoding.name and not line.isascii():
                    _note(self._other, self.number)
                return text
        else:
            try:
                return line.decode(self.encoding.name).removesuffix("\r")
            except UnicodeDecodeError:
                pass
        _note(self._undecodable, self.number)
        return line.decode(self.encoding.name, "backslashreplace").removesuffix("\r")

    def _clean(self, text: str) -> str:
        if "\x00" in text:
            _note(self._nul, self.number)
            text = text.replace("\x00", "")
        return text

    def _raw_chunks(self) -> Iterator[bytes]:
        """Bytes of whole lines, about a chunk at a time; a line that is too long comes cut, alone."""
        end = "\n".encode("utf-16-le" if self.encoding.name == "utf-16-le" else self.encoding.name.removesuffix("-sig"))
        at, pending = 0, b""
        skipping = False
        while True:
            chunk = self._file.read_at(at, _CHUNK_BYTES)
            at += len(chunk)
            if not chunk:
                break
            if skipping:
                cut = _last_end(chunk, end, first=True)
                if cut < 0:
                    continue
                chunk, skipping = chunk[cut:], False
                if not chunk:
                    continue
            pending += chunk
            cut = _last_end(pending, end)
            if cut > 0:
                yield pending[:cut]
                pending = pending[cut:]
            elif len(pending) > MOST_LINE_BYTES:
                _note(self._cut, self.number + 1)
                yield pending[: MOST_LINE_BYTES & ~1] + end
                pending, skipping = b"", True
        if pending:
            self.unfinished = True
            yield pending

    def problems(self, where: str) -> Iterator[Problem]:
        """What could not be read as text, for the coverage."""
        if self._undecodable:
            detail = f"bytes that are not {self.encoding.name}, shown as \\x.., in {_lines(self._undecodable)}"
            yield Problem(where, "damaged", detail)
        if self._other:
            detail = f"another encoding than the rest ({self.encoding.name}) in {_lines(self._other)}"
            yield Problem(where, "damaged", detail)
        if self._nul:
            yield Problem(where, "damaged", f"NUL bytes, left out, in {_lines(self._nul)}")
        if self._cut:
            detail = f"lines cut after {MOST_LINE_BYTES >> 20} MiB: {_lines(self._cut)}"
            yield Problem(where, "limit", detail)


class Unread:
    """Lines of a log that are not of its format: each is kept as an event without time; the coverage counts them."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def event(self, number: int, text: str, sequence: int) -> Event:
        """The line as an event of kind `log.unparsed`."""
        _note(self.numbers, number)
        return Event(
            time_ns=None, time_text="", precision_ns=1_000_000_000, zone=None, zone_basis="none",
            kind="log.unparsed", desc="line", record=str(number), sequence=sequence, data={"text": text[:2000]},
        )  # fmt: skip

    def problems(self, where: str, lines: Lines) -> Iterator[Problem]:
        """One line of coverage for all, and one for a last line that was still being written."""
        numbers = list(self.numbers)
        if numbers and lines.unfinished and numbers[-1] == lines.number:
            numbers.pop()
            detail = f"the last line ({lines.number}) has no end: the log was still being written, or is cut"
            yield Problem(where, "incomplete", detail)
        if numbers:
            yield Problem(where, "damaged", f"not of the log's format, kept without time: {_lines(numbers)}")


def _note(numbers: list[int], number: int) -> None:
    """Add a line number; of very many, the first are kept and the last entry counts."""
    numbers.append(number)


def _lines(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:8]))
    return f"{len(numbers)} lines (line {shown}{', …' if len(numbers) > 8 else ''})"


def _last_end(data: bytes, end: bytes, *, first: bool = False) -> int:
    """Position after the last (or first) line end in `data`; -1 where there is none."""
    if len(end) == 1:
        found = data.find(end) if first else data.rfind(end)
        return found + 1 if found >= 0 else -1
    found = data.find(end) if first else data.rfind(end)
    while found >= 0 and found % 2:
        found = data.find(end, found + 1) if first else data.rfind(end, 0, found + 1)
    return found + 2 if found >= 0 else -1


def _split_units(raw: bytes, end: bytes) -> Iterator[bytes]:
    start = at = 0
    while (found := raw.find(end, at)) >= 0:
        at = found + 1
        if found % 2 == 0:
            yield raw[start:found]
            start = at = found + 2
    if start < len(raw):
        yield raw[start:]


class Rows:
    """CSV rows over lines: each with the number of its first line. A quote that never closes costs one row."""

    def __init__(self, lines: Lines, delimiter: str = ",") -> None:
        self.delimiter = delimiter
        self._lines = iter(lines)
        self._waiting: list[tuple[int, str]] = []
        self._unclosed: list[int] = []

    def __iter__(self) -> Iterator[tuple[int, list[str], str]]:
        """(line number, cells, raw text) of each row that is not empty."""
        while (first := self._next()) is not None:
            number, text = first
            if text.count('"') % 2:
                text = self._joined(number, text)
            if text:
                yield number, self._cells(text), text

    def _next(self) -> tuple[int, str] | None:
        return self._waiting.pop(0) if self._waiting else next(self._lines, None)

    def _joined(self, number: int, text: str) -> str:
        """The record that starts with an open quote: to the line that closes it, else the first line alone."""
        taken: list[tuple[int, str]] = []
        size = len(text)
        while len(taken) < _MOST_RECORD_LINES and size < _MOST_RECORD_CHARS:
            following = self._next()
            if following is None:
                break
            taken.append(following)
            size += len(following[1])
            if following[1].count('"') % 2:
                return "\n".join([text, *(part for _, part in taken)])
        self._waiting = taken + self._waiting
        _note(self._unclosed, number)
        return text

    def _cells(self, text: str) -> list[str]:
        if '"' not in text:
            return text.split(self.delimiter)
        if len(text) > _CSV_FIELD_CHARS:
            before = csv.field_size_limit(len(text))
            try:
                return next(csv.reader((text,), delimiter=self.delimiter))
            finally:
                csv.field_size_limit(before)
        return next(csv.reader(text.splitlines(keepends=True) if "\n" in text else (text,), delimiter=self.delimiter))

    def problems(self, where: str) -> Iterator[Problem]:
        """Quotes that never close, for the coverage."""
        if self._unclosed:
            yield Problem(where, "damaged", f"a quote that never closes in {_lines(self._unclosed)}")
