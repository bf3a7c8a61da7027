import json
import shutil
import zipfile

import pytest

from chain_of_custody import bundles, checkpoints, init_case, open_case
from chain_of_custody.reading import read_entries
from chain_of_custody.verify import verify_case
from tests.chain_of_custody import attacks
from tests.chain_of_custody.test_cli import custody
from tests.conftest import needs


@pytest.fixture
def case_dir(tmp_path):
    path = tmp_path / "case"
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"picture")
    init_case(path, actor="yamada").close()
    custody("record", "note", "--text", "氏名 鈴木", "--details", "--case", path)
    custody("record", "photo", "--field", "what=画面", "--file", photo, "--case", path)
    with open_case(path) as case:
        checkpoints.make(case)
    (path / "scans" / "1").mkdir(parents=True)
    (path / "scans" / "1" / "findings.jsonl").write_text('{"hmac":"x"}\n')
    return path


def codes(path, **arguments):
    return {(finding.severity, finding.code) for finding in verify_case(path, **arguments).findings}


@needs("sh", "openssl", "ssh-keygen")
def test_the_bundle_verifies_with_its_own_script_and_holds_nothing_private(case_dir, tmp_path):
    report = tmp_path / "report.html"
    report.write_text("<p>")
    target = tmp_path / "b.zip"
    code, out, err = custody("pack", "--out", target, "--report", report, "--case", case_dir, "--json")
    assert code == 0, err
    made = json.loads(out)
    with zipfile.ZipFile(target) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "unpacked")
    assert not [name for name in names if "secret" in name or "scans" in name or "lock" in name]
    assert "b/reports/report.html" in names
    unpacked = tmp_path / "unpacked" / "b"
    # The session that packed is open in the copy; everything before is there.
    assert attacks.run_script(unpacked, made["fingerprint"])[0] == 0
    result = verify_case(unpacked, against=made["fingerprint"])
    assert result.verdict == "ok"
    assert codes(unpacked) == {("note", "no_end"), ("note", "session_open")}
    end = next(entry for entry in read_entries(case_dir) if entry.type == "pack.end")
    assert end.outputs[0].sha256 == made["sha256"]
    assert custody("pack", "--out", target, "--case", case_dir)[0] == 5
    assert custody("pack", "--out", tmp_path / "c.zip", "--report", "none", "--case", case_dir)[0] == 2
    assert custody("pack", "--out", tmp_path / "no" / "c.zip", "--case", case_dir)[0] == 5
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]


def test_a_bundle_without_details(case_dir, tmp_path):
    assert custody("pack", "--out", tmp_path / "b.zip", "--no-details", "--no-files", "--case", case_dir)[0] == 0
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert not [name for name in archive.namelist() if "details/" in name or "attachments/" in name]


def test_a_redacted_copy_verifies_and_shows_what_is_gone(case_dir, tmp_path):
    note, photo = (
        next(entry for entry in read_entries(case_dir) if entry.type == kind) for kind in ("note", "record.photo")
    )
    copy = tmp_path / "copy"
    code, _out, err = custody("redact", note.seq, photo.seq, "--out", copy, "--why", "第三者", "--case", case_dir)
    assert code == 0, err
    assert not list((copy / "details").iterdir()) if (copy / "details").exists() else True
    result = verify_case(copy)
    assert result.verdict == "ok"
    assert [(finding.seq, finding.code) for finding in result.findings] == [
        (note.seq, "redacted"),
        (photo.seq, "redacted"),
    ]
    for path in copy.rglob("*"):
        if path.is_file():
            assert "鈴木".encode() not in path.read_bytes()
    assert attacks.run_script(copy)[0] == 0
    # The case itself is whole.
    assert codes(case_dir) == set()
    assert (case_dir / "details" / f"{note.details}.json").exists()
    for arguments in [(1, "--out", tmp_path / "x"), (999, "--out", tmp_path / "x")]:
        assert custody("redact", *arguments, "--why", "x", "--case", case_dir)[0] == 2
    assert custody("redact", note.seq, "--out", copy, "--why", "x", "--case", case_dir)[0] == 5


def test_files_that_vanish_without_record_are_ng(case_dir):
    for path in (case_dir / "attachments").iterdir():
        path.unlink()
    assert ("ng", "attachment") in codes(case_dir)


@pytest.fixture
def diverged(case_dir, tmp_path):
    copy = tmp_path / "usb" / "case"
    shutil.copytree(case_dir, copy)
    with open_case(case_dir) as case:
        case.append("note", {"text": "here"})
    with open_case(copy) as case:
        case.append("note", {"text": "there"})
        checkpoints.make(case)
    return copy


def test_a_diverged_copy_is_kept_whole_and_both_heads_are_named(case_dir, diverged, tmp_path):
    common = bundles.compare(case_dir, diverged).common
    code, out, err = custody("merge", diverged, "--case", case_dir, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["diverged"] is True
    assert found["common"] == common
    branch = case_dir / "branches" / found["theirs"]
    assert (branch / "ledger.jsonl").read_bytes() == (diverged / "ledger.jsonl").read_bytes()
    assert verify_case(case_dir).verdict == "ok"
    kept = max((diverged / "checkpoints").glob("*.txt"))
    # A checkpoint of the other branch is found there.
    assert ("note", "branch") in codes(case_dir, against=kept)
    assert not [code for severity, code in codes(case_dir, against=kept) if severity == "ng"]
    assert custody("merge", diverged, "--case", case_dir)[0] == 2
    (branch / "ledger.jsonl").write_bytes(b"".join(line + b"\n" for line in attacks.lines_of(branch)[:-1]))
    assert ("ng", "branch") in codes(case_dir)
    shutil.rmtree(branch)
    assert ("ng", "branch") in codes(case_dir)


def test_a_copy_that_is_behind_brings_nothing(case_dir, tmp_path):
    copy = tmp_path / "behind"
    shutil.copytree(case_dir, copy)
    with open_case(case_dir) as case:
        case.append("note", {})
    before = (case_dir / "ledger.jsonl").read_bytes()
    code, out, _err = custody("merge", copy, "--case", case_dir)
    assert code == 0
    assert "nothing new" in out
    assert (case_dir / "ledger.jsonl").read_bytes() == before


def test_what_is_no_copy_or_not_valid_is_refused(case_dir, diverged, tmp_path):
    init_case(tmp_path / "other", actor="yamada").close()
    assert custody("merge", tmp_path / "other", "--case", case_dir)[0] == 2
    attacks.edit(
        diverged, len(attacks.lines_of(diverged)), lambda line: line.replace(b'"src":"auto"', b'"src":"typed"')
    )
    assert custody("merge", diverged, "--case", case_dir)[0] == 1
    assert not (case_dir / "branches").exists()


def test_a_bundle_with_a_pdf_report(case_dir, tmp_path):
    target = tmp_path / "b.zip"
    code, _out, err = custody("pack", "--out", target, "--pdf", "--case", case_dir)
    assert code == 0, err
    with zipfile.ZipFile(target) as archive:
        archive.extractall(tmp_path / "unpacked")
    unpacked = tmp_path / "unpacked" / "b"
    code, out, _err = custody("verify", "--report", unpacked / "reports" / "report.pdf", "--case", unpacked)
    assert code == 0, out
    assert "recorded as entry" in out
    assert "pdfsig report.pdf" in (unpacked / "README-検証.txt").read_text(encoding="utf-8")
