"""All parsers, on one screen.

Each is a module with

- `NAME`: a short name, unique (`mft`, `evtx`), by which coverage and statistics speak of it;
- `matches(file) -> bool`: whether the file is one it reads: cheap, by content first (name and `file.head`);
- `parse(file, context)`: yields `Event`, `Problem`, or `pyarrow.RecordBatch` with the columns of `event.SCHEMA`
  (for formats with very many records). What it cannot read is a Problem, never an exception; one that escapes all the
  same ends the file with a coverage line;
- `promises(file) -> bool` (may be missing): the file's name or signature promises this format, so that its failure is
  a coverage line and exit code 3. Missing: a file that `matches` promises it;
- `SIGNATURES: tuple[bytes, ...]` and `NAMES: re.Pattern[str]` (may be missing): where one of them is there, `matches`
  is asked only for files that begin with a signature or whose name, in lower case, matches the pattern in full. An
  image has a million files: give them where the format allows it;
- `TEXT = True` (may be missing): without `SIGNATURES` and `NAMES`, the parser is asked only for files whose first bytes
  could be text;
- `NUMERIC: frozenset[str]` (may be missing): members of `data` whose integers come from binary fields of the format
  (serial numbers, USNs) and so are never taken for a My Number.

Modules load their heavy libraries inside functions: all parsers are imported in every worker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from timeline.parsers import (
    bodyfile,
    certificate_cache,
    chromium,
    chromium_cache,
    cloud_log,
    dhcpd_leases,
    ese,
    evt,
    evtx,
    firefox,
    firefox_cache,
    fsevents,
    journal,
    journal_export,
    jump_list,
    lnk,
    logfile,
    login_records,
    mail,
    mapped,
    mft,
    msie_index,
    package_log,
    plaso_json,
    prefetch,
    recycle_bin,
    registry,
    scheduled_task,
    setupapi,
    shell_history,
    syslog,
    table,
    unified_log,
    usnjrnl,
    w3c_log,
    weblog,
    windows_activity,
    windows_text_log,
)

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


PARSERS: tuple[Parser, ...] = (
    bodyfile,
    certificate_cache,
    chromium,
    chromium_cache,
    cloud_log,
    dhcpd_leases,
    ese,
    evt,
    evtx,
    firefox,
    firefox_cache,
    fsevents,
    journal,
    journal_export,
    jump_list,
    lnk,
    logfile,
    login_records,
    mail,
    mapped,
    mft,
    msie_index,
    package_log,
    plaso_json,
    prefetch,
    recycle_bin,
    registry,
    scheduled_task,
    setupapi,
    shell_history,
    syslog,
    table,
    unified_log,
    usnjrnl,
    w3c_log,
    weblog,
    windows_activity,
    windows_text_log,
)
