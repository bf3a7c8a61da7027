from __future__ import annotations

import json
import zipfile
from datetime import date
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from chain_of_custody import init_case
from chain_of_custody.errors import TargetError, UsageError
from tests.triage.make_results import make_results
from triage.breach import Persons, against_threshold, count_persons, draft_report, load_rule, write_draft
from triage.document import Document, Heading, Paragraph, Table
from triage.report_data import count
from triage.results import open_results

if TYPE_CHECKING:
    from pathlib import Path

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def text_of_docx(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            ET.fromstring(archive.read(name))  # each part is well-formed
        root = ET.fromstring(archive.read("word/document.xml"))
    return "\n".join("".join(run.text or "" for run in line.iter(f"{W}t")) for line in root.iter(f"{W}p"))


def cells_of(draft: Document, name: str) -> list[str]:
    """The Japanese cells of the row that begins with `name`."""
    for block in draft.blocks:
        if isinstance(block, Table):
            for row in block.rows:
                if row[0][0] == name:
                    return [cell[0] for cell in row]
    raise AssertionError(f"no row {name}")


def minimal(folder: Path, findings: list[tuple[str, str]], fingerprint: str) -> Path:
    folder.mkdir()
    lines = [{"v": 1, "kind": "my_number", "confidence": level, "hmac": number * 32} for level, number in findings]
    (folder / "findings.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    (folder / "summary.json").write_text(json.dumps({"case": {"fingerprint": fingerprint}}), encoding="utf-8")
    return folder


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    return make_results(tmp_path / "s", findings=400, yara=5, coverage=9, hostile=True)


def test_nine_items_in_their_order(scan: Path) -> None:
    draft = draft_report([scan])
    titles = [block.words[0] for block in draft.blocks if isinstance(block, Heading)]
    assert titles == [
        "1. 概要",
        "2. 特定個人情報の項目",
        "3. 本人の数",
        "4. 原因",
        "5. 二次被害またはそのおそれの有無および内容",
        "6. 本人への対応の実施状況",
        "7. 公表の実施状況",
        "8. 再発防止のための措置",
        "9. その他参考となる事項",
    ]
    questions = [block for block in draft.blocks if isinstance(block, Paragraph) and block.style == "question"]
    assert len(questions) >= 18


@pytest.mark.parametrize("suffix", ["docx", "html"])
@pytest.mark.parametrize("language", ["ja", "en"])
def test_written_draft_is_masked_and_careful(scan: Path, tmp_path: Path, suffix: str, language: Any) -> None:
    path = write_draft(draft_report([scan]), tmp_path / f"x.{suffix}", language=language)
    text = text_of_docx(path) if suffix == "docx" else path.read_text(encoding="utf-8")
    assert "123456789018" not in text
    assert "\u202e" not in text
    for line in (scan / "findings.jsonl").read_text(encoding="utf-8").splitlines():
        assert json.loads(line).get("hmac", "no hmac")[:16] not in text
    assert "要確認" in text
    assert ("法的助言ではない" if language == "ja" else "It is no legal advice") in text
    if suffix == "html":
        assert "default-src 'none'" in text
        assert "<b>bold" not in text


def test_dates_count_the_day_of_knowing_as_day_one(scan: Path) -> None:
    draft = draft_report([scan], discovered=date(2026, 11, 20))
    assert cells_of(draft, "知った日")[1] == "2026-11-20"
    assert cells_of(draft, "速報の目安")[1] == "2026-11-22 – 2026-11-24(要確認)"
    assert cells_of(draft, "確報の期限")[1] == "2026-12-19。不正の目的のおそれがあれば 2027-01-18(要確認)"
    improper = draft_report([scan], discovered=date(2026, 11, 20), improper=True)
    assert cells_of(improper, "確報の期限")[1] == "2027-01-18 (要確認)"
    proper = draft_report([scan], discovered=date(2026, 11, 20), improper=False)
    assert cells_of(proper, "確報の期限")[1] == "2026-12-19 (要確認)"


def test_without_a_day_periods_stay_periods(scan: Path) -> None:
    draft = draft_report([scan])
    assert cells_of(draft, "知った日")[1] == "未入力(要記入)"
    assert cells_of(draft, "確報の期限")[1] == "知った日から 30 日、不正の目的のおそれがあれば 60 日(要確認)"


@pytest.mark.parametrize(
    ("persons", "unread", "words"),
    [
        ((101, 101, 101), False, "確度「高」だけで 101 人となり、基準(100 人を超える)を上回る"),
        ((100, 100, 101), False, "100〜101 人であり、基準(100 人を超える)をまたぐ"),
        ((1, 1, 100), False, "数えた範囲では最大 100 人で、基準(100 人を超える)以下"),
        ((0, 0, 0), True, "数えた範囲では最大 0 人で、基準(100 人を超える)以下。ただし読めなかったもの"),
    ],
)
def test_threshold(persons: tuple[int, int, int], unread: bool, words: str) -> None:
    assert against_threshold(Persons(*persons, one_case=True), 100, unread=unread)[0].startswith(words)


def test_persons_over_two_scans_of_one_case_count_once(tmp_path: Path) -> None:
    one = minimal(tmp_path / "1", [("high", "aa"), ("low", "bb"), ("low", "cc")], "f1")
    two = minimal(tmp_path / "2", [("low", "aa"), ("high", "bb"), ("medium", "dd")], "f1")
    scans = [(results, count(results)) for results in map(open_results, (one, two))]
    assert count_persons(scans) == Persons(certain=2, likely=3, possible=4, one_case=True)


def test_persons_over_two_cases_are_not_added_at_the_bottom(tmp_path: Path) -> None:
    one = minimal(tmp_path / "1", [("high", "aa"), ("high", "bb")], "f1")
    two = minimal(tmp_path / "2", [("high", "cc"), ("low", "dd")], "f2")
    scans = [(results, count(results)) for results in map(open_results, (one, two))]
    assert count_persons(scans) == Persons(certain=2, likely=3, possible=4, one_case=False)
    assert "突き合わせられない" in "".join(
        block.words[0] for block in draft_report([one, two]).blocks if isinstance(block, Paragraph)
    )


def test_files_are_counted_by_distinct_numbers(tmp_path: Path) -> None:
    folder = minimal(tmp_path / "1", [], "f1")
    lines = [
        {"v": 1, "kind": "my_number", "confidence": level, "hmac": number * 32, "path": path, "state": "deleted"}
        for level, number, path in [
            ("high", "aa", "/源泉徴収票.pdf"),
            ("high", "aa", "/源泉徴収票.pdf"),
            ("medium", "bb", "/源泉徴収票.pdf"),
            ("low", "cc", "/ほか.pdf"),
        ]
    ]
    (folder / "findings.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    draft = draft_report([folder])
    rows = [row for block in draft.blocks if isinstance(block, Table) and len(block.head) == 4 for row in block.rows]
    assert [(row[1][0], row[3][0]) for row in rows if row[1][0].startswith("/")] == [("/源泉徴収票.pdf", "2")]
    assert cells_of(draft, "名前・場所にある文書の種類")[1] == "源泉徴収票(3)"


def test_own_rule(scan: Path, tmp_path: Path) -> None:
    path = tmp_path / "rule.toml"
    path.write_text(
        '[rule]\nname="新規則"\nversion="2027-04"\npersons_over=1000\nfirst_report_days=[1,2]\n'
        "final_report_days=10\nfinal_report_days_improper=20\n",
        encoding="utf-8",
    )
    draft = draft_report([scan], discovered=date(2027, 1, 31), rule=load_rule(path))
    assert cells_of(draft, "従う規則")[1] == "新規則"
    assert cells_of(draft, "版")[1] == "2027-04"
    assert cells_of(draft, "速報の目安")[1] == "2027-01-31 – 2027-02-01(要確認)"


@pytest.mark.parametrize("text", ["", "[rule]\nname=1", "not toml", "[rule]\npersons_over = -1"])
def test_rule_that_does_not_fit(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rule.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="has not the right form"):
        load_rule(path)


def test_refusals(scan: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no scan results"):
        draft_report([])
    draft = draft_report([scan])
    with pytest.raises(UsageError, match="unknown format"):
        write_draft(draft, tmp_path / "x.pdf")
    (tmp_path / "x.docx").write_text("kept", encoding="utf-8")
    with pytest.raises(TargetError, match="exists already"):
        write_draft(draft, tmp_path / "x.docx")
    with pytest.raises(UsageError, match=r"rule\.toml: cannot be read"):
        load_rule(tmp_path / "rule.toml")


def test_same_input_same_bytes(scan: Path, tmp_path: Path) -> None:
    paths = [write_draft(draft_report([scan]), tmp_path / f"{n}.docx") for n in range(2)]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_class_course_and_copies_of_the_case_stand_in_the_draft(tmp_path: Path) -> None:
    """Two images hold one file, on one of them inside an encrypted archive."""
    case = tmp_path / "case"
    with init_case(case, actor="op") as opened:
        times = {"first_sign": "2026-11-24T09:00:00", "isolate": "2026-11-25T10:30:00"}
        for kind, at in times.items():
            body = {"at": f"{at}.000000+09:00", "what": "<b>共有", "extent": "whole", "how": "停止", "who": "佐藤"}
            opened.append(f"record.{kind}", body, src="typed")
        classes = {"place": "company", "threat": "lax", "difficulty": "low", "stage": "storage", "grounds": "F000001"}
        opened.append("record.classify", classes, src="typed")
    folders = []
    for number, protection in ((1, []), (2, ["password"])):
        line = {
            "v": 1, "id": "F000001", "kind": "my_number", "confidence": "high", "hmac": "a" * 64, "path": f"/{number}.xlsx",
            "state": "allocated", "content_sha256": "5f" * 32, "protection": protection,
        }  # fmt: skip
        folder = case / "scans" / f"{number}-d.E01"
        folder.mkdir(parents=True)
        (folder / "findings.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
        folders.append(folder)
    draft = draft_report(folders)
    assert cells_of(draft, "脅威の種類")[1] == "対策不備"
    assert cells_of(draft, "記録した項")[1] == "第 4 項"
    course = [block for block in draft.blocks if isinstance(block, Table) and block.head[-5:][0][0] == "出来事"]
    assert [row[2][1] for row in course[0].rows] == ["first sign", "step of isolation"]
    assert course[0].rows[1][4] == ("1 日 1 時間 30 分 0 秒", "1 d 1 h 30 min 0 s")
    copies = [block for block in draft.blocks if isinstance(block, Table) and block.head[0][1] == "Content"]
    assert [row[3][1] == "unprotected" for row in copies[0].rows] == [True, False]
    assert copies[0].rows[0][0][0] == "5f" * 8
    for name in ("d.html", "d.docx"):
        write_draft(draft, tmp_path / name)
    page = (tmp_path / "d.html").read_text(encoding="utf-8")
    assert "<b>共有" not in page
    assert "対策不備" in page
    assert "1 日 1 時間 30 分 0 秒" in text_of_docx(tmp_path / "d.docx")
