from __future__ import annotations

import csv
import errno
import io
import json
import os
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from python_calamine import CalamineWorkbook

from chain_of_custody.errors import TargetError, UsageError
from tests.triage.make_results import make_results
from triage import exports, spreadsheet
from triage.exports import export_findings, formula_safe
from triage.spreadsheet import Workbook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMULA = "=cmd|'/C calc'!A0"


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    folder = make_results(tmp_path / "s", findings=60, yara=3, coverage=5, hostile=True)
    lines = lines_of(folder)
    lines[0] |= {"path": FORMULA, "container": "@SUM(1)", "location": " =1+1", "layers": "_x003D_1+1"}
    lines[1] |= {"offset": 1 << 60}
    (folder / "findings.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return folder


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "findings.jsonl").read_text(encoding="utf-8").splitlines()]


def table_of(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "json"])
def test_no_clear_number_and_no_hmac(scan: Path, tmp_path: Path, suffix: str) -> None:
    made = export_findings(scan, tmp_path / f"x.{suffix}")
    assert made.rows == 63
    content = made.path.read_bytes()
    assert made.size == len(content)
    if suffix == "xlsx":
        with zipfile.ZipFile(made.path) as archive:
            content = b"".join(archive.read(name) for name in archive.namelist())
    text = content.decode("utf-8")
    assert "123456789018" not in text
    assert "６２１４－９８３２－０２５７" not in text
    assert "********9018" in text
    for line in lines_of(scan):
        assert line.get("hmac", "-")[:16] not in text or "hmac" not in line
    assert "\u202e" not in text


def test_csv_never_holds_a_formula(scan: Path, tmp_path: Path) -> None:
    made = export_findings(scan, tmp_path / "x.csv", language="en")
    rows = table_of(made.path)
    assert rows[0][:4] == ["Finding", "Kind", "Confidence", "My Number (last four)"]
    first = dict(zip(rows[0], rows[1], strict=True))
    assert first["Path"] == "'" + FORMULA
    assert first["Container"] == "'@SUM(1)"
    assert first["Within"] == "' =1+1"
    assert not [cell for row in rows for cell in row if cell.lstrip(" \u3000").startswith(tuple("=+-@"))]
    assert made.path.read_bytes().startswith(b"\xef\xbb\xbf")


def test_csv_says_the_same_as_the_findings(scan: Path, tmp_path: Path) -> None:
    rows = table_of(export_findings(scan, tmp_path / "x.csv").path)
    head = rows[0]
    persons: dict[str, str] = {}
    for line, row in zip(lines_of(scan), rows[1:], strict=True):
        cells = dict(zip(head, row, strict=True))
        assert cells["所見ID"] == line["id"]
        assert cells["媒体上の位置(バイト)"] == ("" if line["offset"] is None else str(line["offset"]))
        if line["kind"] == "my_number":
            assert cells["確度"] == {"high": "高", "medium": "中", "low": "低"}[line["confidence"]]
            assert cells["個人番号(下4桁)"] == line["masked"]
            assert persons.setdefault(line["hmac"], cells["番号#"]) == cells["番号#"]
    assert sorted(map(int, persons.values())) == list(range(1, len(persons) + 1))


def test_workbook_opens_in_another_reader(scan: Path, tmp_path: Path) -> None:
    book = CalamineWorkbook.from_path(str(export_findings(scan, tmp_path / "x.xlsx").path))
    assert book.sheet_names == ["概要", "所見", "読めなかったもの"]
    rows = book.get_sheet_by_name("所見").to_python()
    assert len(rows) == 64
    first = dict(zip(rows[0], rows[1], strict=True))
    assert first["場所"] == FORMULA  # as text: the reader would give the value of a formula
    assert first["読み取りの層"] == "_x003D_1+1"
    second = dict(zip(rows[0], rows[2], strict=True))
    assert second["媒体上の位置(バイト)"] == str(1 << 60)  # more digits than a spreadsheet calculates with
    third = dict(zip(rows[0], rows[4], strict=True))
    offset = lines_of(scan)[3]["offset"]
    assert third["媒体上の位置(バイト)"] == (float(offset) if offset is not None else "")
    assert len(book.get_sheet_by_name("読めなかったもの").to_python()) == 6
    summary = dict(book.get_sheet_by_name("概要").to_python()[1:])
    assert summary["所見(個人番号)"] == 60
    assert summary["ハッシュ値の照合"] == "読取不能 1,536 バイト(ゼロ埋め)を除き、保存値と一致"


def test_no_cell_is_a_formula(scan: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(export_findings(scan, tmp_path / "x.xlsx").path) as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            assert b"<f>" not in archive.read(name)


def test_json_is_one_object(scan: Path, tmp_path: Path) -> None:
    value = json.loads(export_findings(scan, tmp_path / "x.json", language="en").path.read_text(encoding="utf-8"))
    assert value["v"] == 1
    assert len(value["findings"]) == 63
    assert len(value["coverage"]) == 5
    assert value["findings"][0]["path"] == FORMULA
    assert value["summary"]["Persons, upper bound"] >= value["summary"]["Persons, lower bound"] > 0


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "json"])
def test_empty_scan(tmp_path: Path, suffix: str) -> None:
    folder = make_results(tmp_path / "s", findings=0)
    assert export_findings(folder, tmp_path / f"x.{suffix}").rows == 0


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "json"])
def test_same_input_same_bytes(scan: Path, tmp_path: Path, suffix: str) -> None:
    one = export_findings(scan, tmp_path / f"1.{suffix}")
    assert one.sha256 == export_findings(scan, tmp_path / f"2.{suffix}").sha256


def test_refusals(scan: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown format"):
        export_findings(scan, tmp_path / "x.txt")
    (tmp_path / "x.csv").write_text("kept", encoding="utf-8")
    with pytest.raises(TargetError, match="exists already"):
        export_findings(scan, tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text(encoding="utf-8") == "kept"
    with pytest.raises(TargetError, match="cannot be written"):
        export_findings(scan, tmp_path / "no" / "x.csv")


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "json"])
def test_nothing_is_left_of_an_export_that_failed(scan: Path, tmp_path: Path, suffix: str) -> None:
    with (scan / "findings.jsonl").open("a", encoding="utf-8") as file:
        file.write("{broken\n")
    with pytest.raises(Exception, match="cannot be read"):
        export_findings(scan, tmp_path / f"x.{suffix}")
    assert not (tmp_path / f"x.{suffix}").exists()


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "json"])
def test_nothing_is_left_where_the_disk_is_full(
    scan: Path, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_up(_: object) -> Iterator[dict[str, str]]:
        yield {"id": "F000001"}
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(exports._Export, "_findings", fill_up)
    with pytest.raises(TargetError, match="cannot be written"):
        export_findings(scan, tmp_path / f"x.{suffix}")
    assert not (tmp_path / f"x.{suffix}").exists()


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("=1", "'=1"),
        ("＝1", "'＝1"),
        ("　@x", "'　@x"),
        ("-1", "'-1"),
        ("+81", "'+81"),
        ("/Users", "/Users"),
        ("", ""),
        ("a=1", "a=1"),
    ],
)
def test_formula_safe(text: str, safe: str) -> None:
    assert formula_safe(text) == safe


def test_rows_beyond_a_sheet_go_into_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheet, "MAX_ROWS", 4)
    with (tmp_path / "x.xlsx").open("xb") as file, Workbook(file) as book:
        assert book.add_sheet("a/b", ("n",), [(n,) for n in range(7)]) == 7
        assert book.add_sheet("full", ("n",), [(n,) for n in range(3)]) == 3
    read = CalamineWorkbook.from_path(str(tmp_path / "x.xlsx"))
    assert read.sheet_names == ["a_b", "a_b (2)", "a_b (3)", "full"]
    values = [row[0] for name in read.sheet_names[:3] for row in read.get_sheet_by_name(name).to_python()[1:]]
    assert values == list(range(7))


def test_wide_tables_name_their_last_column() -> None:
    assert [spreadsheet._column(n) for n in (0, 25, 26, 701, 702)] == ["A", "Z", "AA", "ZZ", "AAA"]
