"""SQLite databases from memory, with write-ahead logs, against SQLite itself."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from timeline.sources import memory_file
from timeline.sqlite_image import DatabaseError, apply_log, open_database

if TYPE_CHECKING:
    from pathlib import Path


def with_log(folder: Path) -> tuple[bytes, bytes]:
    """A database and its log, as they lie there while a program has them open: 500 of 1000 rows are in the log alone."""
    path = folder / "History"
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("CREATE TABLE urls(id INTEGER PRIMARY KEY, url TEXT)")
    writer.execute("BEGIN")
    writer.executemany("INSERT INTO urls(url) VALUES (?)", [(f"https://a.example/{n}",) for n in range(500)])
    writer.execute("COMMIT")
    writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for first in range(0, 500, 50):
        writer.execute("BEGIN")
        writer.executemany(
            "INSERT INTO urls(url) VALUES (?)", [(f"https://b.example/{n}",) for n in range(first, first + 50)]
        )
        writer.execute("COMMIT")
    found = path.read_bytes(), path.with_name("History-wal").read_bytes()
    writer.close()
    return found


def test_rows_that_only_the_log_holds(tmp_path: Path) -> None:
    raw, log = with_log(tmp_path)
    file = memory_file("History", raw, siblings=lambda: [memory_file("History-wal", log)])
    with open_database(file) as database:
        assert database.frames > 0
        assert list(database.rows("SELECT count(*), max(url) FROM urls")) == [(1000, "https://b.example/99")]
        assert database.tables() == {"urls": ["id", "url"]}
        assert database.problems == []
    with open_database(memory_file("History", raw)) as database:
        assert list(database.rows("SELECT count(*) FROM urls")) == [(500,)]


def test_log_is_applied_up_to_its_damage(tmp_path: Path) -> None:
    raw, log = with_log(tmp_path)
    _, whole = apply_log(raw, log)
    changed = bytearray(log)
    changed[len(log) // 2] ^= 1
    part, frames = apply_log(raw, bytes(changed))
    assert 0 < frames <= whole
    with open_database(memory_file("History", part)) as database:
        rows = next(database.rows("SELECT count(*) FROM urls"))[0]
    assert 500 < rows < 1000
    assert apply_log(raw, log[:20]) == (raw, 0)
    changed = bytearray(log)
    changed[20] ^= 1
    assert apply_log(raw, bytes(changed)) == (raw, 0)


def test_what_is_no_database() -> None:
    with pytest.raises(DatabaseError):
        open_database(memory_file("History", b"x" * 4096))
    with pytest.raises(DatabaseError):
        open_database(memory_file("History", b"SQLite format 3\0" + bytes(4096)))


def test_cut_off_database_is_told(tmp_path: Path) -> None:
    raw, log = with_log(tmp_path)
    whole, _ = apply_log(raw, log)
    with open_database(memory_file("History", whole[: len(whole) // 2])) as database:
        rows = list(database.rows("SELECT url FROM urls"))
        assert 0 < len(rows) < 1000
        assert {problem.reason for problem in database.problems} == {"damaged"}


def test_nothing_is_written(tmp_path: Path) -> None:
    raw, _ = with_log(tmp_path)
    with open_database(memory_file("History", raw)) as database:
        assert list(database.rows("DELETE FROM urls")) == []
        assert database.problems[0].reason == "damaged"
        assert list(database.rows("SELECT count(*) FROM urls")) == [(500,)]
