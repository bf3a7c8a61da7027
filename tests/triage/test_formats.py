"""The documented formats of result files are the ones that are written, and old samples stay readable."""

from __future__ import annotations

import json
import re
from pathlib import Path

from triage.findings import CoverageLine, Finding, encode_line, numbered, write_lines
from triage.results import open_results

ROOT = Path(__file__).resolve().parents[2]
FOLDER_PAGE = (ROOT / "docs" / "case-folder.md").read_text(encoding="utf-8")
SAMPLE = ROOT / "tests" / "data" / "findings-1"


def documented_members() -> set[str]:
    table = FOLDER_PAGE.partition("### findings.jsonl")[2].partition("### coverage.jsonl")[0]
    return {name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}


def test_every_member_of_a_finding_is_documented():
    number = Finding("my_number", "allocated", "raw:x", "/a", copies=(1,), file_id="0-1-1-128-0",
                     content_sha256="0", known="n", medium="raw:x|luks", recycled={"path": "C:\\a", "deleted_ns": 1}).to_json("F000001")  # fmt: skip
    match = Finding("yara", "allocated", "raw:x", "/a", rule="r").to_json("F000002")
    assert (set(number) | set(match)) == documented_members()


def test_the_example_of_the_page_has_the_members_in_order():
    example = json.loads(re.search(r"```json\n(.*?)\n```", FOLDER_PAGE, re.DOTALL)[1])
    written = Finding("my_number", "deleted", "", "", file_id="x").to_json("F000001")
    assert list(example) == list(written)


def test_coverage_members_are_documented():
    page = FOLDER_PAGE.partition("### coverage.jsonl")[2].partition("### summary.json")[0]
    assert set(CoverageLine("", "damaged", "").to_json()) <= set(re.findall(r"`(\w+)`", page))


def test_findings_are_numbered_by_place():
    later = Finding("my_number", "allocated", "raw:x", "/a", offset=200)
    nowhere = Finding("my_number", "allocated", "raw:x", "/b")
    first = Finding("my_number", "allocated", "raw:x", "/c", offset=5)
    assert [(line["id"], line["path"]) for line in numbered([nowhere, later, first])] == [
        ("F000001", "/c"),
        ("F000002", "/a"),
        ("F000003", "/b"),
    ]


def test_results_are_never_written_over_a_file(tmp_path):
    write_lines(tmp_path / "f", [{"a": "ア"}])
    assert (tmp_path / "f").read_text(encoding="utf-8") == '{"a":"ア"}\n' == encode_line({"a": "ア"})
    try:
        write_lines(tmp_path / "f", [])
    except FileExistsError:
        return
    raise AssertionError("overwritten")


def test_a_result_of_version_1_stays_readable():
    results = open_results(SAMPLE)
    found = list(results.findings())
    assert [line["id"] for line in found] == [f"F{number:06d}" for number in range(1, len(found) + 1)]
    assert {line["kind"] for line in found} == {"my_number", "yara"}
    assert results.summary["hashes"]["verdict"] == "match"
    assert [line["reason"] for line in results.coverage()] == ["encrypted"]
