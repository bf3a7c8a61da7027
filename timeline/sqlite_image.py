"""A SQLite database as it lies in a source: opened from memory, with its write-ahead log applied.

```python
with open_database(file) as database:
    for row in database.rows("SELECT url, title FROM urls"):
        ...
```
Nothing is written, not even beside the source: the bytes are read, the log's committed frames are applied to a copy in
memory (as https://sqlite.org/fileformat2.html#walformat says), and SQLite gets that copy. A hot rollback journal is
applied the other way: it holds the pages before the change that was under way.
"""

from __future__ import annotations

import sqlite3
import struct
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from timeline.event import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from timeline.sources import SourceFile

SIGNATURE = b"SQLite format 3\0"
MOST_BYTES = 1 << 30
MOST_SECONDS = 300.0
JOURNAL = bytes.fromhex("d9d505f920a163d7")


class DatabaseError(ValueError):
    """The file is no database, too large, or too damaged to be opened."""


@dataclass(slots=True)
class Database:
    """A database in memory."""

    connection: sqlite3.Connection
    where: str
    problems: list[Problem] = field(default_factory=list)
    frames: int = 0
    """Pages that came from the write-ahead log."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()

    def tables(self) -> dict[str, list[str]]:
        """Names of tables, with those of their columns."""
        found: dict[str, list[str]] = {}
        for (name,) in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'"):
            if isinstance(name, str):
                quoted = name.replace('"', '""')
                found[name] = [str(row[1]) for row in self.rows(f'PRAGMA table_info("{quoted}")')]
        return found

    def rows(self, query: str) -> Iterator[Sequence[object]]:
        """The rows of a query, up to the first that cannot be read; that is a problem."""
        try:
            yield from self.connection.execute(query)
        except (sqlite3.DatabaseError, OverflowError, UnicodeDecodeError) as error:  # its own messages may be no UTF-8
            self.problems.append(Problem(self.where, "damaged", f"a table cannot be read to its end: {error}"))


def open_database(file: SourceFile) -> Database:
    """The database with its log applied. Raises DatabaseError, EvidenceError."""
    if file.size > MOST_BYTES:
        raise DatabaseError(f"larger than {MOST_BYTES} bytes: not read")
    raw = file.read(MOST_BYTES)
    if raw[:16] != SIGNATURE or len(raw) < 512:
        raise DatabaseError("no database")
    problems: list[Problem] = []
    frames = 0
    log = file.sibling(file.name + "-wal")
    if log is not None and 32 < log.size <= MOST_BYTES:
        raw, frames = apply_log(raw, log.read(MOST_BYTES))
    journal = file.sibling(file.name + "-journal")
    if journal is not None and journal.size > 512 and journal.head[:8] == JOURNAL:
        problems.append(
            Problem(
                file.layer, "incomplete", "a change was under way when it was copied; it is read as far as it was made"
            )
        )
    image = bytearray(raw)
    # Version 2 means "with a write-ahead log", which a database in memory cannot have.
    image[18:20] = b"\x01\x01"
    page = struct.unpack_from(">H", image, 16)[0]
    page = 65_536 if page == 1 else page
    pages = int.from_bytes(image[28:32], "big")
    if page >= 512 and pages * page > len(image) and image[24:28] == image[92:96]:
        problems.append(Problem(file.layer, "damaged", f"{len(image)} of {pages * page} bytes are there", len(image)))
        if pages * page <= MOST_BYTES:
            # SQLite refuses a file that is too short: with zeros for the rest it reads what is there.
            image += bytes(pages * page - len(image))
    connection = sqlite3.connect(":memory:")
    # Texts that are no UTF-8 are not worth the row.
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    try:
        connection.deserialize(bytes(image))
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except (sqlite3.DatabaseError, OverflowError, UnicodeDecodeError) as error:  # its own messages may be no UTF-8
        connection.close()
        raise DatabaseError(f"cannot be opened: {error}") from None
    end = time.monotonic() + MOST_SECONDS
    connection.set_progress_handler(lambda: int(time.monotonic() > end), 100_000)
    return Database(connection, file.layer, problems, frames)


def apply_log(database: bytes, log: bytes) -> tuple[bytes, int]:
    """The database with the committed frames of its write-ahead log, and how many of them there were."""
    if len(log) < 32 or log[:4] not in (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83"):
        return database, 0
    big = log[3] & 1 == 1
    page = int.from_bytes(log[8:12], "big")
    if not 512 <= page <= 65_536 or page & (page - 1):
        return database, 0
    salts = log[16:24]
    sums = _checksum(log[:24], (0, 0), big=big)
    if sums != struct.unpack_from(">II", log, 24):
        return database, 0
    pending: dict[int, int] = {}
    committed: dict[int, int] = {}
    size = 0
    for at in range(32, len(log) - 24 - page + 1, 24 + page):
        number, pages = struct.unpack_from(">II", log, at)
        sums = _checksum(log[at : at + 8], sums, big=big)
        sums = _checksum(log[at + 24 : at + 24 + page], sums, big=big)
        if log[at + 8 : at + 16] != salts or sums != struct.unpack_from(">II", log, at + 16):
            break
        pending[number] = at + 24
        if pages:
            committed |= pending
            pending = {}
            size = pages
    if not size or size * page > MOST_BYTES:
        return database, 0
    image = bytearray(database.ljust(size * page, b"\0")[: size * page])
    for number, at in committed.items():
        if 0 < number <= size:
            image[(number - 1) * page : number * page] = log[at : at + page]
    return bytes(image), len(committed)


def _checksum(data: bytes, start: tuple[int, int], *, big: bool) -> tuple[int, int]:
    first, second = start
    for one, two in struct.iter_unpack(">II" if big else "<II", data):
        first = (first + one + second) & 0xFFFF_FFFF
        second = (second + two + first) & 0xFFFF_FFFF
    return first, second
