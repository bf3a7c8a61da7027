import json
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from chain_of_custody import verify_case
from chain_of_custody.errors import HozenError
from chain_of_custody.reading import read_entries
from tests.conftest import needs
from tests.preserve.disks import fat, run, write_tree
from tests.preserve.ewf_make import make
from tests.preserve.test_ewf_reader import DATA
from tests.preserve.test_ntfs import IMAGE

NUMBER = "123456789018"


def preserve(*arguments, cwd=None):
    code = "from preserve.cli import main\nif __name__ == '__main__': main()"
    return subprocess.run(
        [sys.executable, "-c", code, *(str(one) for one in arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=cwd,
        check=False,
    )


def inside(*arguments):
    """The same in this process (faster), for commands that start no child; results as of `subprocess.run`."""
    from typer.testing import CliRunner

    from preserve.cli import app

    result = CliRunner().invoke(app, [str(one) for one in arguments])
    code = result.exception.exit_code if isinstance(result.exception, HozenError) else result.exit_code
    return SimpleNamespace(returncode=code, stdout=result.stdout, stderr=f"{result.stderr}{result.exception or ''}")


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    """A FAT volume with a My Number in a name and in a label."""
    folder = tmp_path_factory.mktemp("marked")
    tree = write_tree(folder / "tree", {f"/pay/{NUMBER}.txt": b"content", "/plain.txt": b"plain"})
    return fat(folder / "disk.dd", 16, tree)


def test_info():
    done = inside("info", IMAGE, "--json")
    assert done.returncode == 0
    facts = json.loads(done.stdout)
    assert facts["format"] == "e01"
    assert facts["size"] == 12 << 20
    assert facts["stored_hashes"]["md5"]
    assert facts["notes"]["description"] == "NTFS test volume"
    assert facts["volumes"][0]["filesystem"]["kind"] == "ntfs"
    assert facts["volumes"][0]["filesystem"]["label"] == "保全テスト"


def test_info_in_words_and_both_languages():
    english, japanese = inside("info", IMAGE), preserve("info", IMAGE, "--lang", "ja")
    assert "stored md5" in english.stdout
    assert "記録されたハッシュ md5" in japanese.stdout
    assert "保全テスト" in japanese.stdout


def test_info_and_list_make_no_case(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    inside("info", IMAGE)
    inside("list", IMAGE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [("directory", None, 2), ("empty.dd", b"", 4), ("text.E01", b"text\n" * 99, 4), ("blank.dd", bytes(1 << 20), 3)],
)
def test_exit_codes_of_bad_input(tmp_path, name, data, code):
    path = tmp_path / name
    if data is None:
        path.mkdir()
    else:
        path.write_bytes(data)
    done = preserve("info", path)
    assert done.returncode == code
    assert code == 3 or name in done.stderr
    assert "Traceback" not in done.stderr


def test_list_deleted():
    done = inside("list", IMAGE, "--deleted", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["state"] for line in lines} == {"deleted"}
    assert "/old folder/inner/deep.txt" in {line["path"] for line in lines}
    assert lines[0]["layers"].startswith("e01:ntfs.E01|ntfs:/")


@needs("mkfs.vfat", "mcopy")
def test_list_masks_names_and_offers_an_id(marked):
    for extra in ([], ["--json"]):
        done = preserve("list", marked, *extra)
        assert done.returncode == 0
        assert NUMBER not in done.stdout + done.stderr
        assert "********9018" in done.stdout
        if not extra:
            assert re.search(r"\*{8}9018\.txt  \[id:0-\d+-0-1-0\]", done.stdout)


@needs("mkfs.ext4")
def test_names_cannot_steer_the_terminal(tmp_path):
    tree = write_tree(tmp_path / "tree", {"/red\x1b[31m\u202etxt": b"x"})
    run("mkfs.ext4", "-q", "-d", tree, tmp_path / "disk.dd", "4M")
    done = preserve("list", tmp_path / "disk.dd")
    assert "\x1b" not in done.stdout
    assert "/red\\x1b[31m\\u202etxt" in done.stdout


@needs("mkfs.vfat", "mcopy")
def test_extract_is_recorded_hashed_and_prints_masked_names(marked, tmp_path):
    listed = preserve("list", marked, "--json").stdout.splitlines()
    entry = next(line for line in map(json.loads, listed) if line["path"].endswith("9018.txt"))
    done = preserve(
        "extract", marked, f"id:{entry['id']}", "/plain.txt", "--out", tmp_path / "out", "--case", tmp_path / "case"
    )
    assert done.returncode == 0, done.stderr
    assert NUMBER not in done.stdout + done.stderr
    assert (tmp_path / f"out/volume/pay/{NUMBER}.txt").read_bytes() == b"content"
    assert NUMBER not in (tmp_path / "out/extracted.jsonl").read_text(encoding="utf-8")
    assert NUMBER not in (tmp_path / "case/ledger.jsonl").read_text(encoding="utf-8")
    types = [one.type for one in read_entries(tmp_path / "case")]
    assert types[-3:-1] == ["extract.begin", "extract.end"]
    end = next(one for one in read_entries(tmp_path / "case") if one.type == "extract.end")
    assert end.outputs[0].sha256 == end.body["manifest"]["sha256"]
    assert verify_case(tmp_path / "case").verdict == "ok"
    again = preserve("extract", marked, "/plain.txt", "--out", tmp_path / "out", "--case", tmp_path / "case")
    assert again.returncode == 5
    assert "not empty" in again.stderr


def test_extract_what_is_not_there(tmp_path):
    done = inside("extract", IMAGE, "/nothing.txt", "--out", tmp_path / "out", "--case", tmp_path / "case")
    assert done.returncode == 2
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "case").exists()


def test_verify_match_ng_and_nothing(tmp_path):
    case = ("--case", tmp_path / "case")
    good = tmp_path / "good"
    good.mkdir()
    first = make(DATA).write(good)[0]
    done = inside("verify", first, *case, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "match"
    made = make(DATA)
    made.break_at("chunk:0", 1000)
    bad = tmp_path / "bad"
    bad.mkdir()
    assert inside("verify", made.write(bad, "other")[0], *case).returncode == 1
    raw = tmp_path / "disk.dd"
    raw.write_bytes(DATA)
    done = inside("verify", raw, *case)
    assert (done.returncode, "nothing to compare with" in done.stdout) == (3, True)
    done = inside("verify", raw, *case)
    assert done.returncode == 0
    assert "ledger #" in done.stdout
    raw.write_bytes(b"?" + DATA[1:])
    done = preserve("verify", raw, *case, "--lang", "ja")
    assert done.returncode == 1
    assert "一致しません" in done.stdout
    assert verify_case(tmp_path / "case").verdict == "ok"


@pytest.mark.parametrize("command", ["info", "verify", "list", "extract"])
def test_help_shows_examples(command):
    assert f"preserve {command} disk" in inside(command, "--help").stdout


def test_help_in_japanese():
    assert "例" in preserve("extract", "--help", "--lang", "ja").stdout


def test_help_loads_nothing_heavy():
    code = (
        "import sys, preserve.cli; print([m for m in ('numpy', 'pytsk3', 'pyewf', 'cryptography') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
