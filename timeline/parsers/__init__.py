"""All parsers, on one screen.

Each is a module with

- `NAME`: a short name, unique (`mft`, `evtx`), by which coverage and statistics speak of it;
- `matches(file) -> bool`: whether the file is one it reads: cheap, by content first (name and `file.head`);
- `parse(file, context)`: yields `Event`, `Problem`, or `pyarrow.RecordBatch` with the columns of `event.SCHEMA`
  (for formats with very many records). It raises nothing for bad input but EvidenceError: what it cannot read is a
  Problem. Whatever else it raises ends as a coverage line, too;
- `promises(file) -> bool` (may be missing): the file's name or signature promises this format, so that its failure is
  a coverage line and exit code 3. Missing: a file that `matches` promises it.

Modules load their heavy libraries inside functions: all parsers are imported in every worker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from timeline.event import Event, Problem
    from timeline.sources import Context, SourceFile


@runtime_checkable
class Parser(Protocol):
    """What the modules below are."""

    NAME: str

    def matches(self, file: SourceFile, /) -> bool:
        """Whether the file is one this parser reads."""
        ...

    def parse(self, file: SourceFile, context: Context, /) -> Iterator[Event | Problem | pa.RecordBatch]:
        """The events of the file."""
        ...


PARSERS: tuple[Parser, ...] = ()
