from __future__ import annotations

import gzip
import sqlite3
from typing import TYPE_CHECKING

import pytest

from triage.extractors.sqlite_pages import columns_of

if TYPE_CHECKING:
    from pathlib import Path

A, B = "123456789018", "621498320257"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16le", "utf-16be"])
def test_live_rows_with_their_columns(read, tmp_path: Path, encoding: str) -> None:
    base = sqlite3.connect(tmp_path / "a.db")
    base.execute(f"pragma encoding='{encoding}'")
    base.execute('create table "社員" (id integer primary key, 氏名 text, "個人番号" text, num integer, b blob)')
    packed = gzip.compress(f"個人番号 {A}".encode())
    for row in range(500):
        base.execute(
            "insert into 社員(氏名,個人番号,num,b) values(?,?,?,?)",
            ("山田" * 20, A, int(B), packed if row == 7 else None),
        )
    base.execute("create table keyed (k text primary key, v text) without rowid")
    base.execute("insert into keyed values('個人番号',?)", (B,))
    base.execute("create index names on 社員(個人番号)")
    base.commit()
    base.close()
    result = read((tmp_path / "a.db").read_bytes(), "a.db")
    assert result.problems == []
    cells = result.cells("社員")
    assert [value for row, _, value in cells if row == 0] == ["id", "氏名", "個人番号", "num", "b"]
    assert sum(value == A for _, column, value in cells if column == 2) == 500
    assert sum(value == B for _, column, value in cells if column == 3) == 500
    assert set(result.numeric()) >= {B}
    assert (1, 1, B) in result.cells("keyed")
    assert f"個人番号 {A}" in result.content(container="a.db!/社員/8/b!/b")


def test_rows_on_overflow_pages(read, tmp_path: Path) -> None:
    base = sqlite3.connect(tmp_path / "a.db")
    base.execute("create table t (text)")
    base.execute("insert into t values(?)", ("あ" * 20_000 + f"個人番号 {A}" + "い" * 20_000,))
    base.commit()
    base.close()
    assert f"個人番号 {A}" in read((tmp_path / "a.db").read_bytes()).content("t")


def test_deleted_rows_and_dropped_tables(read, tmp_path: Path) -> None:
    base = sqlite3.connect(tmp_path / "a.db")
    base.execute("pragma secure_delete=off")
    base.execute("create table kept (a text)")
    base.execute("create table dropped (n integer, t text)")
    base.execute("insert into kept values(?)", (f"deleted {A}",))
    base.execute("insert into kept values('stays')")
    base.executemany("insert into dropped values(?, ?)", [(int(B), "x" * 100)] * 200)
    base.commit()
    base.execute("delete from kept where a like 'deleted%'")
    base.execute("drop table dropped")
    base.commit()
    base.close()
    result = read((tmp_path / "a.db").read_bytes())
    raw = [text for text in result.texts if text.stream == "free space"]
    assert any(A in text.content for text in raw)
    text = next(text for text in raw if A in text.content)
    assert result.data[text.offsets.byte_of(text.content.index(A)) :].startswith(A.encode())
    assert B in result.numeric()


def test_write_ahead_log(read, tmp_path: Path) -> None:
    base = sqlite3.connect(tmp_path / "a.db")
    base.execute("pragma journal_mode=wal")
    base.execute("create table t (n integer)")
    base.execute("insert into t values(?)", (int(A),))
    base.commit()
    log = (tmp_path / "a.db-wal").read_bytes()
    main = (tmp_path / "a.db").read_bytes()
    base.close()
    assert A in read(log).numeric()
    assert A not in read(main).content()


def test_damage_is_said_and_the_rest_read(read, tmp_path: Path) -> None:
    base = sqlite3.connect(tmp_path / "a.db")
    base.execute("create table t (a text)")
    base.executemany("insert into t values(?)", [(f"{A} {'x' * 300}",)] * 200)
    base.commit()
    base.close()
    data = bytearray((tmp_path / "a.db").read_bytes())
    data[4096 * 5 : 4096 * 6] = b"\xff" * 4096
    result = read(bytes(data))
    assert [problem.reason for problem in result.problems] == ["damaged"]
    assert len([cell for cell in result.cells("t") if A in cell[2]]) > 150


@pytest.mark.parametrize(
    ("sql", "columns", "rowid"),
    [
        ("CREATE TABLE t (a, b TEXT)", ["a", "b"], -1),
        ('CREATE TABLE "x y" ("個人 番号" TEXT, [b c] INT, `d` REAL)', ["個人 番号", "b c", "d"], -1),
        ("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, n DECIMAL(10,2), UNIQUE (n, id))", ["id", "n"], 0),
        ('CREATE TABLE t (a TEXT, "b c" INTEGER, CONSTRAINT k PRIMARY KEY ("b c"))', ["a", "b c"], 1),
        ("CREATE TABLE t (a INTEGER, b INTEGER, PRIMARY KEY (a, b))", ["a", "b"], -1),
        ("CREATE TABLE [t]( [o] INTEGER NOT NULL PRIMARY KEY, [i] INT, UNIQUE([i]))", ["o", "i"], 0),
        ("CREATE TABLE t (a CHECK (a IN ('x,y', 1)), b)", ["a", "b"], -1),
        ("CREATE VIRTUAL TABLE t USING fts5(body)", ["body"], -1),
        ("", [], -1),
        ("CREATE TABLE t (", [], -1),
    ],
)
def test_columns_of(sql: str, columns: list[str], rowid: int) -> None:
    assert columns_of(sql) == (columns, rowid)
