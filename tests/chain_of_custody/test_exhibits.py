"""証拠説明書: each row with the entries that state its hash, or said to have none."""

import csv
import io
import json

import pypdfium2
import pytest

from chain_of_custody import FileHash, exhibits, init_case, report_check
from chain_of_custody.reading import read_entries
from chain_of_custody.verify import verify_case
from tests.chain_of_custody.test_cli import custody

FOUND, ABSENT = "ab" * 32, "99" * 32


@pytest.fixture
def case_dir(tmp_path):
    path = tmp_path / "case"
    with init_case(path, actor="yamada", name="2026-017") as case, case.action("extract", {"image": "d.E01"}) as action:
        action.set_result({"hashes": {"sha256": "cd" * 32}}, outputs=[FileHash(FOUND, 5)])
    return path


def record(path, number, *, item="PC-1", **fields):
    given = {"number": number, "title": "標目", "author": "田中", "purpose": "複製の事実", **fields}
    words = [word for name, value in given.items() for word in ("--field", f"{name}={value}")]
    code, _out, err = custody("record", "exhibit", "--item", item, *words, "--case", path)
    assert code == 0, err


def test_each_hash_is_looked_up(case_dir):
    record(case_dir, "甲第10号証", sha256=FOUND, page="3ページ 12行", offset="0x1a2b")
    record(case_dir, "甲第2号証", sha256="cd" * 32)
    assert custody("exhibits", "--case", case_dir)[0] == 0
    listed = exhibits.read(list(read_entries(case_dir)))
    assert [(one.number, one.state, one.found_in) for one in listed] == [
        ("甲第2号証", "found", (3,)),
        ("甲第10号証", "found", (3,)),
    ]
    assert (listed[1].page, listed[1].offset, listed[1].item) == ("3ページ 12行", "0x1a2b", "PC-1")
    record(case_dir, "甲第3号証")
    assert custody("exhibits", "--case", case_dir)[0] == 3
    record(case_dir, "乙第1号証", sha256=ABSENT)
    code, out, _err = custody("exhibits", "--case", case_dir)
    assert code == 1
    assert "NOT in the ledger" in out
    # Another list of exhibits is no ground for a hash.
    record(case_dir, "乙第2号証", sha256=ABSENT)
    assert custody("exhibits", "--case", case_dir)[0] == 1
    states = {
        one["number"]: one["state"]
        for one in json.loads(custody("exhibits", "--json", "--case", case_dir)[1])["exhibits"]
    }
    assert states["甲第3号証"] == "no_hash"


def test_the_attached_copy_gives_the_hash(case_dir, tmp_path):
    copy = tmp_path / "a.pdf"
    copy.write_bytes(b"copy")
    words = ["number=1", "title=x", "author=x", "purpose=x"]
    arguments = [word for field in words for word in ("--field", field)]
    assert custody("record", "exhibit", *arguments, "--file", copy, "--case", case_dir)[0] == 0
    (one,) = exhibits.read(list(read_entries(case_dir)))
    assert len(one.sha256) == 64


@pytest.mark.parametrize("ending", ["pdf", "html", "csv"])
def test_documents(case_dir, tmp_path, ending):
    record(case_dir, "甲第1号証", title="=HYPERLINK(1)<b>", sha256=FOUND, purpose='#import "x"')
    target = tmp_path / f"list.{ending}"
    code, out, err = custody("exhibits", "--out", target, "--json", "--case", case_dir)
    assert code == 0, err
    end = next(entry for entry in read_entries(case_dir) if entry.type == "report.end")
    assert end.outputs[0].sha256 == json.loads(out)["sha256"]
    data = target.read_bytes()
    if ending == "csv":
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))
        assert rows[1][1] == "'=HYPERLINK(1)<b>"
        assert rows[1][9] == FOUND
    elif ending == "html":
        assert b"<b>" not in data
        assert "甲第1号証" in data.decode()
    else:
        assert report_check.check(target, case_dir).findings == []
        document = pypdfium2.PdfDocument(target)
        text = document[0].get_textpage().get_text_bounded().replace("\u200b", "")
        document.close()
        assert "HYPERLINK" in text
        assert "甲第1号証" in "".join(text.split())
    assert verify_case(case_dir).verdict == "ok"
    assert custody("exhibits", "--out", target, "--case", case_dir)[0] == 5


def test_usage(case_dir, tmp_path):
    assert custody("exhibits", "--out", tmp_path / "x.docx", "--case", case_dir)[0] == 2
    code, out, _err = custody("exhibits", "--case", case_dir)
    assert code == 0
    assert "No exhibit" in out
