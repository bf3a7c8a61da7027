"""Japanese words of the program: one word for one thing, as docs/glossary.ja.md has them, and no half-width marks."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("chain_of_custody", "preserve", "triage", "timeline")
# What other programs and people write, recognised by these modules: not our words.
OTHERS = re.compile(
    r"triage/(labels|running_text|surroundings|evidence|judge|rivals|fixed_width|spreadsheet|tables|words|mynumber|persons)\.py"
    r"|triage/extractors/pieces|chain_of_custody/masking|timeline/(masking|parsers|mapping|clocks/(record_formats|case_writer|store_case))"
)
JAPANESE = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")
SPELLING = {
    r"フォルダ(?![ーァ-ヴ])": "フォルダー",
    r"サーバ(?![ーァ-ヴ])": "サーバー",
    r"ユーザ(?![ーァ-ヴ])": "ユーザー",
    r"メーカ(?![ーァ-ヴ])": "メーカー",
    r"コンピュータ(?![ーァ-ヴ])": "コンピューター",
    r"プリンタ(?![ーァ-ヴ])": "プリンター",
    r"ディスク画像|画像ファイルに保存|画像そのもの|画像・検証": "イメージ",
    r"事件(指紋|フォルダー)": "事案",
    r"走査.{0,20}スキャン|スキャン(結果|報告|の報告|の比較)": "走査",
    r"(?<=[ぁ-んァ-ヴ一-龥]),(?=[ぁ-んァ-ヴ一-龥])": "、",
    r"[ｦ-ﾟ]": "full-width kana",
}


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """Every string that a module may show, with its line; parts that are filled in stand as {}."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if id(node) in documentation or id(node) in inside:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
        elif isinstance(node, ast.JoinedStr):
            yield (
                node.lineno,
                "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values),
            )


def all_strings() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if not OTHERS.match(name):
                for line, value in strings(path):
                    if JAPANESE.search(value):
                        yield f"{name}:{line}", value


def test_one_spelling():
    found = list(all_strings())
    assert len(found) > 2000
    wrong = [
        (where, value[:60], f"→ {right}")
        for where, value in found
        for pattern, right in SPELLING.items()
        if re.search(pattern, value)
    ]
    assert wrong == []


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.ja.md")), ids=lambda path: path.name)
def test_pages_spell_alike(page):
    text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert [found for pattern in SPELLING for found in re.findall(pattern, text)] == []


def test_the_glossary_has_every_term_once():
    rows = re.findall(
        r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", (ROOT / "docs/glossary.ja.md").read_text(), re.MULTILINE
    )
    terms = [row[0].strip() for row in rows[1:] if not row[0].startswith("-")]
    assert len(terms) > 40
    assert len(set(terms)) == len(terms)
    for needed in ("保全", "複製", "原本", "同一性", "検証", "立会人", "走査", "所見", "イメージ", "事案"):
        assert any(needed in term for term in terms), needed


def test_wording_tables_are_toml():
    for path in (ROOT / "triage/templates").glob("*.toml"):
        tomllib.loads(path.read_text(encoding="utf-8"))
