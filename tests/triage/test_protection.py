"""Pseudonymised copies from which nothing can be read, copies linked over images, and a scan of an encrypted image."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import subprocess
import sys
import threading
import time
from functools import lru_cache
from pathlib import Path

import pyrage
import pytest

from chain_of_custody import init_case
from chain_of_custody.masking import mask_text
from chain_of_custody.reading import read_entries
from preserve import age_file, open_image, sealing
from tests.conftest import needs
from triage import anonymise
from triage.cli import main

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "examples" / "sample.E01"
NUMBER = "123456789018"


@lru_cache
def sample_numbers() -> tuple[str, ...]:
    """Numbers with a right check digit that stand as ASCII digits somewhere on the sample's medium."""
    with open_image(SAMPLE) as image:
        data = image.read_at(0, image.size)
    found = {one.decode() for one in re.findall(rb"(?<![0-9])[0-9]{12}(?![0-9])", data)}
    kept = tuple(sorted(one for one in found if mask_text(one) != one))
    assert len(kept) > 20
    return kept


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["triage", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def scan_folder(case: Path, name: str, lines: list[dict[str, object]]) -> Path:
    folder = case / "scans" / name
    folder.mkdir(parents=True)
    text = "".join(json.dumps({"v": 1, "kind": "my_number"} | line, ensure_ascii=False) + "\n" for line in lines)
    (folder / "findings.jsonl").write_text(text, encoding="utf-8")
    return folder / "findings.jsonl"


FINDING = {
    "id": "F000001",
    "masked": "********9018",
    "hmac": "ab" * 32,
    "confidence": "high",
    "reasons": ["そばに氏名がある / a name stands beside it"],
    "reason_codes": ["header"],
    "layers": "e01:山田PC.E01|gpt:1|ntfs:/Users/yamada/社員台帳.xlsx",
    "path": "/Users/yamada/社員台帳.xlsx",
    "state": "allocated",
    "offset": 10,
    "location": "給与!D2",
    "times": {"created": {"ns": 1736469000000000000, "raw": "133809426000000000", "zone_known": True}},
    "content_sha256": "cd" * 32,
}
EVENT = {
    "time_ns": 1736469000000000000,
    "time_text": "2025-01-10 09:30:00",
    "kind": "evtx.logon",
    "actor": "CORP\\yamada",
    "host": "PC-YAMADA",
    "path": "C:\\Users\\yamada\\社員台帳.xlsx",
    "desc": "logon of 山田 太郎",
    "data": {"address": "192.0.2.7", "numbers": [123456789018, 5], "山田": {"name": "山田 太郎"}, "ok": True},
    "番号": NUMBER,
}
SECRETS = ("山田", "yamada", "YAMADA", "Users", "台帳", "給与", "9018", "abab", "cdcd", "CORP", "192.0.2.7", "太郎")


def copy(case: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *more: object) -> tuple[int, str]:
    findings = case / "scans" / "1-a.E01" / "findings.jsonl"
    out = tmp_path / f"out{len(list(tmp_path.glob('out*')))}"
    code = run(monkeypatch, "anonymise", "--findings", findings, "--out", out, *more)
    return code, "".join(one.read_text() for one in sorted(out.glob("*.jsonl")))


def test_nothing_survives_and_equal_texts_stay_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = tmp_path / "case"
    init_case(case, actor="op").close()
    scan_folder(case, "1-a.E01", [FINDING, FINDING | {"id": "F000002", "path": "/Users/yamada/other.txt"}])
    (tmp_path / "t.jsonl").write_text(json.dumps(EVENT, ensure_ascii=False) + "\n", encoding="utf-8")
    (tmp_path / "names").write_text("山田\n太郎\n", encoding="utf-8")
    arguments = ("--timeline", tmp_path / "t.jsonl", "--names", tmp_path / "names")
    code, text = copy(case, monkeypatch, tmp_path, *arguments)
    assert code == 0
    assert [one for one in SECRETS if one in text] == []
    assert NUMBER not in text
    first, second, event = map(json.loads, text.splitlines())
    assert first["number"] == second["number"] != ""
    assert first["path"].rpartition("/")[0] == second["path"].rpartition("/")[0]
    assert first["path"].endswith(".xlsx")
    assert event["time_text"] == "2025-01-10 09:30:00"
    assert event["kind"] == "evtx.logon"
    assert (tmp_path / "out0" / "pseudonyms.key.age").exists()
    # Another run has another key; a destroyed one is nowhere.
    _, other = copy(case, monkeypatch, tmp_path, *arguments, "--destroy-key")
    assert other != text
    assert not list((tmp_path / "out1").glob("*.age"))
    ends = [entry for entry in read_entries(case) if entry.type == "anonymise.end"]
    written = hashlib.sha256((tmp_path / "out1" / "findings.jsonl").read_bytes()).hexdigest()
    assert written in {one.sha256 for one in ends[-1].outputs}
    assert not any(one in (case / "ledger.jsonl").read_text() for one in ("yamada/", "台帳"))


def test_a_name_in_a_code_stops_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = tmp_path / "case"
    init_case(case, actor="op").close()
    scan_folder(case, "1-a.E01", [FINDING | {"state": "yamada"}])
    (tmp_path / "names").write_text("yamada\n", encoding="utf-8")
    code, text = copy(case, monkeypatch, tmp_path, "--names", tmp_path / "names")
    assert (code, text) == (5, "")


def test_a_key_says_what_a_text_is() -> None:
    one, two = anonymise.Pseudonyms(b"1" * 32), anonymise.Pseudonyms(b"2" * 32)
    assert one.of("t", "x") == one.of("t", "x") != two.of("t", "x")
    assert "x" not in repr(one)


def test_copies_over_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = tmp_path / "case"
    init_case(case, actor="op").close()
    scan_folder(case, "1-server.E01", [FINDING, FINDING | {"id": "F000002", "hmac": "ef" * 32}])
    scan_folder(
        case, "2-stick.E01", [FINDING | {"protection": ["password"], "path": "/写し.zip", "container": "a.xlsx"}]
    )
    # Two findings in one file, one of them in its member, are no copies of each other.
    other = FINDING | {"content_sha256": "00" * 32}
    scan_folder(case, "3-other.E01", [other, other | {"id": "F000002", "container": "a.zip!/b.csv"}])
    assert run(monkeypatch, "copies", "--case", case, "--json") == 0
    (content,) = json.loads(capsys.readouterr().out)["contents"]
    assert (content["persons"], content["images"], content["unprotected"]) == (2, 2, 1)
    assert [(one["scan"], one["path"], one["protection"]) for one in content["places"]] == [
        ("1-server.E01", "/Users/yamada/社員台帳.xlsx", []),
        ("2-stick.E01", "/写し.zip", ["password"]),
    ]
    assert run(monkeypatch, "copies", "--case", case, "--all") == 0
    assert "2 contents" in capsys.readouterr().out


def test_a_scan_of_an_encrypted_image_leaves_nothing_clear(tmp_path: Path) -> None:
    """The same findings as of the clear image; no file of the case or of TMPDIR holds bytes of the image's clear text."""
    key = pyrage.x25519.Identity.generate()
    (tmp_path / "key.txt").write_text(f"{key}\n")
    sealed = tmp_path / "sample.E01.age"
    job = sealing.Job(SAMPLE, sealed, sealed.name)
    sealing.encrypt(job, sealing.Lock((str(key.to_public()),)), tmp_path / "m")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    case = tmp_path / "case"
    program = "import os, sys; sys.path.insert(0, sys.argv.pop(1)); from triage.cli import main; main()"
    environment = {
        "TMPDIR": str(temporary),
        "HOZEN_CONFIG_HOME": str(tmp_path / "config"),
        "PATH": "/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
    }
    command = [sys.executable, "-c", program, str(ROOT), "scan", str(sealed), "--case", str(case), "--ocr", "off"]
    refused = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)
    assert refused.returncode == 4, refused.stderr
    command += ["--identity", str(tmp_path / "key.txt"), "--jobs", "2", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=300, check=False)
    assert done.returncode in (0, 3), done.stderr
    summary = json.loads(done.stdout)
    assert summary["persons"]["lower"] > 0
    assert summary["hashes"]["verdict"] == "match"
    findings = next(case.glob("scans/*/findings.jsonl"))
    command = [*command[:4], "reveal", "--findings", str(findings), "--reason", "test", "--identity"]
    shown = subprocess.run(
        [*command, str(tmp_path / "key.txt")], env=environment, capture_output=True, timeout=300, check=False
    )
    assert shown.returncode == 0, shown.stderr
    values = {json.loads(line)["value"] for line in shown.stdout.splitlines()}
    assert len(values) > 50
    head = SAMPLE.read_bytes()[:64]
    for file in (one for place in (case, temporary) for one in place.rglob("*") if one.is_file()):
        data = file.read_bytes()
        assert head not in data
        assert not [value for value in values if value.encode() in data]
    assert not [value for value in values if value.encode() in done.stdout + done.stderr]


def _segments(folder: Path, lock: sealing.Lock) -> Path:
    """The medium of the sample as three raw segments, encrypted one by one, the clear ones gone."""
    with open_image(SAMPLE) as image:
        size = image.size
        step = -(-size // 3 // 512) * 512
        for number, start in enumerate(range(0, size, step), 1):
            piece = folder / f"d.{number:03d}"
            piece.write_bytes(image.read_at(start, min(step, size - start)))
            sealing.encrypt(sealing.Job(piece, folder / f"{piece.name}.age", piece.name), lock, folder / "m")
            piece.unlink()
    return folder / "d.001.age"


def _alive(group: int) -> list[str]:
    """Processes of a group, by procfs; those that only wait to be reaped have no memory any more."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (place / "stat").read_text().rpartition(")")[2].split()
            if int(fields[2]) == group and fields[0] not in "ZX":
                found.append((place / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


class _Watch(threading.Thread):
    """Looks at every file below some folders again and again while a program runs, and keeps what held a value."""

    def __init__(self, folders: tuple[Path, ...], values: set[bytes]) -> None:
        super().__init__(daemon=True)
        self.folders, self.values = folders, values
        self.found: set[tuple[str, bytes]] = set()
        self.files: set[str] = set()
        self.over = threading.Event()

    def look(self) -> None:
        for file in (one for folder in self.folders for one in folder.rglob("*")):
            with contextlib.suppress(OSError):
                if file.is_file() and file.suffix != ".age":
                    data = file.read_bytes()
                    self.files.add(str(file))
                    self.found |= {(str(file), value) for value in self.values if value in data}

    def run(self) -> None:
        while not self.over.wait(0.05):
            self.look()
        self.look()


@pytest.mark.skipif(sys.platform != "linux", reason="reads procfs of Linux")
@needs("ssh-keygen")
@pytest.mark.parametrize("kind", ["x25519", "ssh-ed25519", "passphrase"])
def test_segments_under_each_kind_of_lock_scan_alike_and_no_file_is_ever_clear(tmp_path: Path, kind: str) -> None:
    """Files are looked at while the scan runs, those that are gone at its end too; no process outlives it."""
    work, sealed = tmp_path / "work", tmp_path / "sealed"
    for folder in (work, sealed, work / "tmp", work / "home"):
        folder.mkdir()
    identity = tmp_path / "identity"
    if kind == "x25519":
        key = pyrage.x25519.Identity.generate()
        identity.write_text(f"{key}\n")
        lock = sealing.Lock((str(key.to_public()),))
    elif kind == "ssh-ed25519":
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", identity], check=True)
        lock = sealing.Lock((identity.with_suffix(".pub").read_text().strip(),))
    else:
        identity.write_text("passphrase:正しい馬\n", encoding="utf-8")
        lock = sealing.Lock(passphrase="正しい馬".encode())
    first = _segments(sealed, lock)
    program = "import os, sys; sys.path.insert(0, sys.argv.pop(1)); from triage.cli import main; main()"
    environment = {
        "TMPDIR": str(work / "tmp"), "HOME": str(work / "home"), "HOZEN_CONFIG_HOME": str(tmp_path / "config"),
        "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8",
    }  # fmt: skip
    head = [sys.executable, "-c", program, str(ROOT)]
    known = {one.encode() for one in sample_numbers()}
    shared = Path("/dev/shm")
    before = set(shared.iterdir()) if shared.is_dir() else set()
    watch = _Watch((work,), known)
    watch.start()
    command = [*head, "scan", str(first), "--case", "case", "--ocr", "off", "--jobs", "2", "--json"]
    with subprocess.Popen(
        [*command, "--identity", str(identity)], cwd=work, env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True,
    ) as running:  # fmt: skip
        out, error = running.communicate(timeout=300)
    watch.over.set()
    watch.join()
    assert running.returncode in (0, 3), error
    summary = json.loads(out)
    assert summary["image"]["size"] > 0
    assert summary["persons"]["lower"] > 0
    assert len(watch.files) > 5
    assert not watch.found
    assert not [value for value in known if value in out + error]
    # Nobody of its group is left, and their memory with them (helpers of multiprocessing take a moment to end).
    deadline = time.monotonic() + 10
    while left := _alive(running.pid):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    if shared.is_dir():
        assert not [one for one in set(shared.iterdir()) - before if any(value in one.read_bytes() for value in known)]


def test_the_watch_would_see_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(f"x{sample_numbers()[0]}")
    watch = _Watch((tmp_path,), {one.encode() for one in sample_numbers()})
    watch.look()
    assert [name for name, _ in watch.found] == [str(tmp_path / "a")]


def test_findings_that_lie_encrypted_are_read_by_who_has_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tables of the clear findings and of the encrypted ones are the same bytes; without a key there are none."""
    case = tmp_path / "case"
    init_case(case, actor="yamada").close()
    key = pyrage.x25519.Identity.generate()
    (tmp_path / "key.txt").write_text(f"{key}\n")
    line = {"id": "F000001", "confidence": "high", "hmac": "a" * 64, "path": "/a.xlsx", "masked": "********9018"}
    clear = scan_folder(case, "1-d.E01", [line])
    (clear.parent / "summary.json").write_text('{"v":1,"case":{"id":"x"}}')
    assert run(monkeypatch, "report", clear.parent, "--out", tmp_path / "clear.csv", "--case", case) in (0, 3)
    lock = sealing.Lock((str(key.to_public()),))
    for name in ("findings.jsonl", "summary.json"):
        path = clear.parent / name
        sealing.encrypt(sealing.Job(path, path.with_name(f"{name}.age"), name), lock, tmp_path / "m")
        path.unlink()
    arguments = ("report", clear.parent, "--out", tmp_path / "sealed.csv", "--case", case)
    assert run(monkeypatch, *arguments) == 4
    assert not (tmp_path / "sealed.csv").exists()
    with age_file.offered([]):
        assert run(monkeypatch, *arguments, "--identity", tmp_path / "key.txt") in (0, 3)
    assert (tmp_path / "sealed.csv").read_bytes() == (tmp_path / "clear.csv").read_bytes()
    assert b"/a.xlsx" in (tmp_path / "clear.csv").read_bytes()
    capsys.readouterr()
    assert run(monkeypatch, "copies", "--case", case, "--all") == 4
    begin = [entry for entry in read_entries(case) if entry.type == "report.begin"][-1]
    assert "1-d.E01/findings.jsonl.age" in begin.body["made_from"]
    assert not [one for one in case.rglob("*") if one.is_file() and b"/a.xlsx" in one.read_bytes()]
