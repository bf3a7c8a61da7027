"""The main job as a user runs it: the program, on images, with its exit codes, files and ledger."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "examples" / "sample.E01"
EXPECTED = json.loads((ROOT / "examples" / "expected.json").read_text(encoding="utf-8"))


def program(name: str) -> list[str]:
    return [sys.executable, "-c", f"from {name}.cli import main; main()"]


def run(name: str, *arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    package = {"triage": "triage", "custody": "chain_of_custody"}[name]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*program(package), *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
    )


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Case folder of one scan of the sample, with the configuration folder of its key beside it."""
    folder = tmp_path_factory.mktemp("scanned")
    os.environ["HOZEN_CONFIG_HOME"] = str(folder / "config")
    done = run("triage", "scan", SAMPLE, "--case", folder / "c.case", "--jobs", "2")
    assert done.returncode == 3, done.stderr
    return folder / "c.case"


@pytest.fixture
def key_of_scan(scanned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOZEN_CONFIG_HOME", str(scanned.parent / "config"))


def results(case: Path) -> Path:
    return case / "scans" / "1-sample.E01"


def test_everything_planted_is_found_where_it_lies(scanned):
    found = {
        (line["masked"], line["path"], line["container"], line["state"])
        for line in lines(results(scanned) / "findings.jsonl")
    }
    wanted = {(one["masked"], one["path"], one["container"], one["state"]) for one in EXPECTED["expected"]}
    assert wanted - found == set()


def test_nothing_else_is_called_high(scanned):
    wanted = {(one["masked"], one["path"]) for one in EXPECTED["expected"]}
    extra = [
        line
        for line in lines(results(scanned) / "findings.jsonl")
        if line["confidence"] == "high" and (line["masked"], line["path"]) not in wanted
    ]
    assert [(line["path"], line["reason_codes"]) for line in extra] == []


def test_no_place_is_reported_twice(scanned):
    places = [
        (line["offset"], line["container"], line["location"], line["file_offset"], line["hmac"])
        for line in lines(results(scanned) / "findings.jsonl")
    ]
    assert len(places) == len(set(places))
    offsets = [line["offset"] for line in lines(results(scanned) / "findings.jsonl") if line["offset"] is not None]
    assert len(offsets) == len(set(offsets))


def test_findings_have_the_documented_members(scanned):
    line = lines(results(scanned) / "findings.jsonl")[0]
    assert set(line) >= {
        "v", "id", "kind", "masked", "hmac", "confidence", "reasons", "rivals", "layers", "path", "state", "offset",
        "file_offset", "container", "encoding", "times",
    }  # fmt: skip
    assert line["v"] == 1
    assert line["id"] == "F000001"
    assert line["layers"].startswith("e01:sample.E01|gpt:1|ntfs:/")
    assert line["masked"].startswith("********")


def test_what_could_not_be_read_is_said(scanned):
    coverage = lines(results(scanned) / "coverage.jsonl")
    assert [(line["path"], line["kind"], line["reason"]) for line in coverage] == [
        (one["path"], "unreadable", one["reason"]) for one in EXPECTED["must_be_reported_unreadable"]
    ]


def test_the_summary_compares_hashes_and_counts_persons(scanned):
    summary = json.loads((results(scanned) / "summary.json").read_text(encoding="utf-8"))
    assert summary["hashes"]["verdict"] == "match"
    # MD5 as ewfacquire stored it when the sample was made.
    assert summary["hashes"]["md5"] == summary["hashes"]["stored"]["md5"]
    assert summary["persons"]["lower"] == EXPECTED["numbers"]
    assert summary["exit_code"] == 3


def test_no_clear_number_is_written_anywhere(scanned, tmp_path, key_of_scan):
    done = run(
        "triage",
        "reveal",
        "--findings",
        results(scanned) / "findings.jsonl",
        "--reason",
        "test",
        "--out",
        tmp_path / "o",
    )
    assert done.returncode == 0, done.stderr
    values = {line["value"] for line in lines(tmp_path / "o")}
    assert len(values) == EXPECTED["numbers"]
    for path in scanned.rglob("*"):
        if path.is_file():
            content = path.read_bytes().decode("utf-8", "replace")
            assert not [value for value in values if value in content], path


def test_reveal_gives_the_values_that_the_masks_stand_for(scanned, tmp_path, key_of_scan):
    target = tmp_path / "revealed.jsonl"
    done = run(
        "triage", "reveal", "--findings", results(scanned) / "findings.jsonl", "--reason", "本人確認", "--out", target
    )
    assert done.returncode == 0, done.stderr
    revealed = lines(target)
    assert all(line["masked"] == "********" + line["value"][-4:] for line in revealed)
    assert not done.stdout
    log = [json.loads(line) for line in run("custody", "log", scanned, "--json").stdout.splitlines()]
    ends = [entry for entry in log if entry["type"] == "reveal.begin"]
    assert ends[-1]["body"]["reason"] == "本人確認"


def test_reveal_of_one_finding_to_the_terminal(scanned, key_of_scan):
    done = run(
        "triage", "reveal", "--findings", results(scanned) / "findings.jsonl", "--reason", "x", "--id", "F000002"
    )
    assert done.returncode == 0
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["F000002"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--reason", "  "), 2),
        ((), 2),
        (("--reason", "x", "--id", "F999999"), 2),
        (("--reason", "x", "--image", "/nowhere.E01"), 2),
    ],
)
def test_reveal_refuses_without_reason_or_with_wrong_names(scanned, key_of_scan, arguments, code):
    done = run("triage", "reveal", "--findings", results(scanned) / "findings.jsonl", *arguments)
    assert done.returncode == code
    assert not done.stdout


def test_reveal_does_not_overwrite(scanned, tmp_path, key_of_scan):
    target = tmp_path / "there"
    target.write_text("mine", encoding="utf-8")
    done = run("triage", "reveal", "--findings", results(scanned) / "findings.jsonl", "--reason", "x", "--out", target)
    assert done.returncode == 5
    assert target.read_text(encoding="utf-8") == "mine"


def test_reveal_from_another_image_gives_nothing(scanned, tmp_path, key_of_scan):
    other = tmp_path / "other.dd"
    other.write_bytes(bytes(25165824))
    done = run("triage", "reveal", "--findings", results(scanned) / "findings.jsonl", "--reason", "x", "--image", other)
    assert done.returncode == 3
    assert {json.loads(line)["value"] for line in done.stdout.splitlines()} == {None}


def test_the_ledger_of_a_scan_verifies(scanned, key_of_scan):
    done = run("custody", "verify", scanned)
    assert done.returncode == 0, done.stdout


def test_results_do_not_depend_on_the_number_of_processes(scanned, tmp_path, key_of_scan):
    done = run("triage", "scan", SAMPLE, "--case", scanned, "--out", tmp_path / "one", "--jobs", "1")
    assert done.returncode == 3, done.stderr
    for name in ("findings.jsonl", "coverage.jsonl"):
        assert (tmp_path / "one" / name).read_bytes() == (results(scanned) / name).read_bytes()


def test_results_are_not_overwritten(scanned, tmp_path, key_of_scan):
    (tmp_path / "there").mkdir()
    done = run("triage", "scan", SAMPLE, "--case", scanned, "--out", tmp_path / "there")
    assert done.returncode == 5
    assert list((tmp_path / "there").iterdir()) == []


def test_a_killed_scan_is_resumed_with_the_same_result(scanned, tmp_path, key_of_scan):
    """Killed once there is a state; then resumed."""
    target = tmp_path / "killed"
    process = subprocess.Popen(
        [*program("triage"), "scan", str(SAMPLE), "--case", str(scanned), "--out", str(target), "--jobs", "1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    deadline = time.monotonic() + 60
    while not (target / "state" / "plan.json").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    assert (target / "state").is_dir()
    assert not (target / "findings.jsonl").exists()
    # A torn line at the end of the state, as a kill in the middle of a write leaves it.
    with (target / "state" / "tasks.jsonl").open("a", encoding="utf-8") as file:
        file.write('[3, {"read_as": "te')
    done = run("triage", "scan", SAMPLE, "--case", scanned, "--out", target, "--resume")
    assert done.returncode == 3, done.stderr
    for name in ("findings.jsonl", "coverage.jsonl"):
        assert (target / name).read_bytes() == (results(scanned) / name).read_bytes()
    assert not (target / "state").exists()
    assert run("custody", "verify", scanned).returncode == 0


def test_an_interrupted_scan_exits_130_and_says_how_to_go_on(scanned, tmp_path, key_of_scan):
    target = tmp_path / "stopped"
    process = subprocess.Popen(
        [*program("triage"), "scan", str(SAMPLE), "--case", str(scanned), "--out", str(target), "--jobs", "1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        # A shell that runs the tests in the background lets its children ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no thread runs here
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    deadline = time.monotonic() + 60
    while not (target / "state" / "plan.json").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "--resume" in errors
    log = [json.loads(line) for line in run("custody", "log", scanned, "--json").stdout.splitlines()]
    assert [entry["body"]["status"] for entry in log if entry["type"] == "scan.end"][-1] == "interrupted"


def test_resume_needs_the_same_scan(scanned, tmp_path, key_of_scan):
    target = tmp_path / "state-of-another"
    (target / "state").mkdir(parents=True)
    (target / "state" / "plan.json").write_text('{"image": "x", "size": 1}', encoding="utf-8")
    done = run("triage", "scan", SAMPLE, "--case", scanned, "--out", target, "--resume")
    assert done.returncode == 2
    assert run("triage", "scan", SAMPLE, "--case", scanned, "--out", tmp_path / "nothing", "--resume").returncode == 5


def test_a_new_case_is_made_in_the_current_folder(tmp_path):
    image = tmp_path / "evidence" / "zeros.dd"
    image.parent.mkdir()
    image.write_bytes(bytes(1 << 20))
    work = tmp_path / "work"
    work.mkdir()
    done = run("triage", "scan", image, cwd=work)
    assert done.returncode == 3, done.stderr
    assert (work / "zeros.dd.case" / "ledger.jsonl").is_file()
    assert list(image.parent.iterdir()) == [image]


@pytest.mark.parametrize(
    ("content", "code"),
    [(None, 2), (b"", 4), (b"a text, not an image\n" * 50, 4), (b"PK\x03\x04" + bytes(1000), 4)],
    ids=["directory", "empty", "text", "zip"],
)
def test_what_is_no_image_is_refused_before_a_case_is_made(tmp_path, content, code):
    target = tmp_path / "evidence.E01"
    if content is None:
        target.mkdir()
    else:
        target.write_bytes(content)
    done = run("triage", "scan", target, cwd=tmp_path)
    assert done.returncode == code
    assert "evidence.E01" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["evidence.E01"]


def test_half_an_image_is_read_as_far_as_it_goes(tmp_path):
    half = tmp_path / "half.E01"
    half.write_bytes(SAMPLE.read_bytes()[:100_000])
    done = run("triage", "scan", half, "--case", tmp_path / "c.case", "--json")
    assert done.returncode == 3, done.stderr
    summary = json.loads(done.stdout)
    assert summary["hashes"]["verdict"] in ("partial", "nothing_to_compare")
    assert summary["read"]["unreadable_bytes"] > 0
    coverage = lines(Path(summary["folder"]) / "coverage.jsonl")
    assert any(line["reason"] == "damaged" and line["offset"] is not None for line in coverage)


def test_an_altered_image_is_ng(tmp_path):
    """A raw copy carries no hash; an E01 whose stored MD5 differs from its content does."""
    data = bytearray(SAMPLE.read_bytes())
    # The hash section holds the MD5 in its first 16 bytes, and an adler32 over it that must fit.
    at = data.index(b"hash\x00") + 76
    data[at] ^= 1
    import zlib

    data[at + 32 : at + 36] = zlib.adler32(bytes(data[at : at + 32])).to_bytes(4, "little")
    digest = data.find(b"digest\x00")
    if digest >= 0:
        data[digest + 76] ^= 1
        data[digest + 76 + 76 : digest + 76 + 80] = zlib.adler32(bytes(data[digest + 76 : digest + 152])).to_bytes(
            4, "little"
        )
    altered = tmp_path / "altered.E01"
    altered.write_bytes(data)
    done = run("triage", "scan", altered, "--case", tmp_path / "c.case", "--json")
    assert json.loads(done.stdout)["hashes"]["verdict"] == "mismatch"
    assert done.returncode == 1


@pytest.mark.skipif(not hasattr(os, "geteuid") or shutil.which("mount") is None, reason="needs a POSIX system")
def test_a_full_target_is_said_and_nothing_is_lost(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root for a small file system")
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(small)], check=False).returncode != 0:
        pytest.skip("cannot mount a tmpfs here")
    try:
        done = run("triage", "scan", SAMPLE, "--case", tmp_path / "c.case", "--out", small / "results")
        assert done.returncode == 5, done.stderr
        assert "results" in done.stderr
        assert run("custody", "verify", tmp_path / "c.case").returncode == 0
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_yara_rules_find_files_and_unallocated_space(tmp_path):
    rules = tmp_path / "r.yar"
    rules.write_text('rule office_zip { strings: $a = "[Content_Types].xml" condition: $a }', encoding="utf-8")
    done = run("triage", "scan", SAMPLE, "--case", tmp_path / "c.case", "--rules", rules, "--json")
    assert done.returncode == 3, done.stderr
    summary = json.loads(done.stdout)
    found = [line for line in lines(Path(summary["folder"]) / "findings.jsonl") if line["kind"] == "yara"]
    assert {line["rule"] for line in found} == {"office_zip"}
    assert any(line["path"].endswith("申告書.xlsx") for line in found)
    assert all("value" not in string and "data" not in string for line in found for string in line["strings"])


def test_a_rule_with_an_error_is_named_with_its_line(tmp_path):
    rules = tmp_path / "bad.yar"
    rules.write_text("rule x {\n condition: nonsense }\n", encoding="utf-8")
    done = run("triage", "scan", SAMPLE, "--case", tmp_path / "c.case", "--rules", rules)
    assert done.returncode == 2
    assert "bad.yar" in done.stderr
    assert "2" in done.stderr
