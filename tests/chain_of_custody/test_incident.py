"""What was done with one number, what the incident was, and tables over many cases."""

from __future__ import annotations

import csv
import hashlib
import json

import pytest

from chain_of_custody import FileHash, init_case, open_case
from chain_of_custody.about import digits_of
from chain_of_custody.errors import UsageError
from chain_of_custody.reading import read_entries
from chain_of_custody.verify import verify_case
from tests.chain_of_custody.test_cli import custody

ASKED, OTHER = "123456789018", "621498320257"


@pytest.fixture
def case_dir(tmp_path):
    """Scan 1 has the number twice and another once, scan 2 only the other; reveals and reports of both."""
    path = tmp_path / "case"
    with init_case(path, actor="yamada") as case:
        hashes = []
        for number, digits in ((1, (ASKED, OTHER, ASKED)), (2, (OTHER,))):
            folder = path / "scans" / f"{number}-d.E01"
            folder.mkdir(parents=True)
            lines = [{"id": f"F{place:06d}", "hmac": case.number_hmac(one)} for place, one in enumerate(digits, 1)]
            data = "".join(json.dumps(line) + "\n" for line in lines).encode()
            (folder / "findings.jsonl").write_bytes(data)
            digest = FileHash(hashlib.sha256(data).hexdigest(), len(data))
            hashes.append(digest)
            with case.action("scan", {"image": "d.E01"}) as action:
                results = {"results": f"scans/{number}-d.E01", "files": ["findings.jsonl"]}
                action.set_result(results, outputs=[digest])
        for ids in (["F000002"], ["F000003", "F000002"], []):
            with case.action("reveal", {"reason": "確認", "findings_sha256": hashes[0].sha256, "ids": ids}):
                pass
        for digest in hashes:
            with case.action("report", {}, inputs=[digest]):
                pass
    return path


def about(case_dir, tmp_path, number=ASKED):
    (tmp_path / "number.txt").write_text(f"{number[:4]}-{number[4:8]} {number[8:]}\n", encoding="utf-8")
    arguments = ("about", "--number-file", str(tmp_path / "number.txt"), "--case", str(case_dir))
    code, out, _ = custody(*arguments, "--json")
    return code, json.loads(out)


def test_every_action_on_the_number_and_no_other(case_dir, tmp_path):
    code, answer = about(case_dir, tmp_path)
    assert code == 0
    assert [(one["action"], one["results"], one["findings"]) for one in answer["actions"]] == [
        ("scan", "scans/1-d.E01", ["F000001", "F000003"]),
        ("reveal", "scans/1-d.E01", ["F000003"]),
        ("reveal", "scans/1-d.E01", ["F000001", "F000003"]),
        ("report", "scans/1-d.E01", ["F000001", "F000003"]),
    ]
    assert len(about(case_dir, tmp_path, OTHER)[1]["actions"]) == 7
    assert about(case_dir, tmp_path, "987654321093")[1]["actions"] == []


def test_it_is_recorded_without_number_or_hmac(case_dir, tmp_path):
    about(case_dir, tmp_path)
    ledger = (case_dir / "ledger.jsonl").read_text(encoding="utf-8")
    with open_case(case_dir) as case:
        assert case.number_hmac(ASKED) not in ledger
    assert ASKED not in ledger
    assert [entry.type for entry in read_entries(case_dir)][-4:-2] == ["session.open", "about.begin"]
    assert verify_case(case_dir).verdict == "ok"


def test_findings_that_are_gone_or_altered_are_told(case_dir, tmp_path):
    path = case_dir / "scans" / "2-d.E01" / "findings.jsonl"
    path.write_bytes(path.read_bytes() + b"\n")
    assert about(case_dir, tmp_path)[0] == 3
    path.unlink()
    code, answer = about(case_dir, tmp_path)
    assert code == 3
    assert len(answer["unknown"]) == 1
    assert len(answer["actions"]) == 4


def test_the_number_is_asked_for_never_named(case_dir, tmp_path):
    assert custody("about", "--case", str(case_dir))[0] == 2
    assert custody("about", "--number", "--case", str(case_dir))[0] == 2  # no terminal
    (tmp_path / "n").write_text("12345678901")
    code, out, error = custody("about", "--number-file", str(tmp_path / "n"), "--case", str(case_dir))
    assert code == 2
    assert "12345678901" not in out + error
    # Full-width digits with a hyphen; written as escapes, to be told from ASCII ones.
    assert digits_of("\uff11\uff12\uff13\uff14-56789018") == ASKED
    with pytest.raises(UsageError):
        digits_of("x" * 12)


GOOD = ("--place", "企業", "--threat", "insider", "--difficulty", "低", "--stage", "use", "--grounds", "F000001 E3")


def test_classification_and_tables(tmp_path):
    cases = tmp_path / "cases"
    for name in ("a", "b", "c"):
        init_case(cases / name, actor="yamada").close()
    for name in ("a", "b"):
        assert custody("classify", *GOOD, "--case", str(cases / name))[0] == 0
    # The last one counts.
    changed = [*GOOD[:3], "hacking", *GOOD[4:]]
    assert custody("classify", *changed, "--case", str(cases / "b"))[0] == 0
    assert custody("classify", *GOOD[:3], "nothing", *GOOD[4:], "--case", str(cases / "c"))[0] == 2
    code, out, _ = custody("stats", str(cases), "--json")
    result = json.loads(out)
    assert code == 3  # one without
    assert [one["threat"] for one in result["cases"]] == ["insider", "hacking"]
    assert result["tables"][0]["counts"] == [
        {"place": "company", "threat": "hacking", "cases": 1},
        {"place": "company", "threat": "insider", "cases": 1},
    ]
    assert [one.endswith("/c") for one in result["unclassified"]] == [True]
    with open_case(cases / "a") as case:
        sign = {"at": "2015-05-31T23:59:59.000000+09:00", "what": "x"}
        case.append("record.first_sign", sign, src="typed")
    opened = next(iter(read_entries(cases / "b"))).ts[:7]
    target = tmp_path / "cases.csv"
    code, out, _ = custody("stats", str(cases), "--by", "month", "--csv", str(target))
    assert code == 3
    assert "2015-05" in out
    rows = list(csv.DictReader(target.read_text(encoding="utf-8-sig").splitlines()))
    assert [(one["case"][-2:], one["month"], one["month_basis"], one["threat"]) for one in rows] == [
        ("/a", "2015-05", "first_sign", "insider"),
        ("/b", opened, "opened", "hacking"),
        ("/c", "", "", ""),
    ]
    assert custody("stats", str(cases), "--csv", str(target))[0] == 5
    assert custody("stats", str(cases), "--by", "week")[0] == 2
    over = json.loads(custody("stats", str(cases), "--json")[1])["over_time"]
    assert {"period": "2015-05", "threat": "insider", "cases": 1} in over
    assert "2015 " in custody("stats", str(cases))[1]
    code, out, _ = custody("stats", str(cases / "a"), str(cases / "b"))
    assert code == 0
    assert "lack of measures" in out
    assert custody("stats", str(tmp_path / "cases" / "a" / "details"))[0] == 2
    assert verify_case(cases / "a").verdict == "ok"
