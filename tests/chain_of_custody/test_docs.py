"""The format page says what the program does: its table of types is made from the program, its commands are run."""

import re
import shutil
import subprocess
from pathlib import Path

from chain_of_custody import entries
from tests.conftest import needs

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "ledger-format.md"
SAMPLE = ROOT / "tests" / "data" / "ledger-0.1"


def table_of_types():
    rows = ["| type | 種別 | may be written by | needs |", "|---|---|---|---|"]
    for entry_type in entries.TYPES.values():
        if entry_type.roles == frozenset(entries.ROLES):
            roles = "all"
        else:
            roles = "、".join(role for role in entries.ROLES if role in entry_type.roles)
        needed = ", ".join(f"`{name}` ({kind})" for name, kind in entry_type.required.items()) or "–"
        rows.append(f"| `{entry_type.name}` | {entry_type.ja} / {entry_type.en} | {roles} | {needed} |")
    return "\n".join(rows)


def test_the_table_of_types_is_that_of_the_program():
    text = PAGE.read_text(encoding="utf-8")
    written = text.partition("<!-- types -->\n")[2].partition("\n<!-- /types -->")[0]
    assert written == table_of_types(), "paste this into docs/ledger-format.md:\n" + table_of_types()


def test_the_example_is_line_two_of_the_sample():
    block = PAGE.read_text(encoding="utf-8").partition("```\n{")[2].partition("```")[0]
    joined = "{" + "".join(line.removeprefix(" ") for line in block.splitlines())
    line = (SAMPLE / "ledger.jsonl").read_text(encoding="utf-8").splitlines()[1]
    assert joined == line.replace("\t", "⇥") + "⏎"


@needs("bash", "sha256sum", "openssl", "base64")
def test_the_commands_of_the_example_verify_line_two(tmp_path):
    case = tmp_path / "case"
    shutil.copytree(SAMPLE, case)
    commands = PAGE.read_text(encoding="utf-8").partition("```sh\n")[2].partition("```")[0]
    shown = subprocess.run(["bash", "-c", commands], cwd=case, check=True, capture_output=True, text=True).stdout
    first, second = (entries.parse_line(line.encode()) for line in (case / "ledger.jsonl").read_text().splitlines()[:2])
    assert shown.split()[0] == second.prev == first.sha256
    auth = first.body["auth"]
    key = bytes.fromhex("302a300506032b6570032100") + entries.decode_base64(auth["key"])
    (case / "session.der").write_bytes(key)
    command = re.search(r"`(openssl pkeyutl[^`]*)`", PAGE.read_text(encoding="utf-8")).group(1)
    assert "Success" in subprocess.run(command.split(), cwd=case, check=True, capture_output=True, text=True).stdout


@needs("sh", "openssl", "ssh-keygen")
def test_the_guide_for_lawyers(tmp_path):
    """Commands of the guide in whole blocks are run on the sample; options named in the text exist."""
    text = (ROOT / "docs" / "verifying.ja.md").read_text(encoding="utf-8")
    case = tmp_path / "case"
    shutil.copytree(SAMPLE, case)
    blocks = [block.partition("```")[0].strip() for block in text.split("```sh\n")[1:]]
    assert blocks[0] == "sh verify.sh"
    done = subprocess.run(["sh", "-c", blocks[0]], cwd=case, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.count("検証結果: OK")) == (0, 1), done.stdout
    assert blocks[1] == "custody verify --case ."
    from tests.chain_of_custody.test_cli import custody

    code, out, err = custody("verify", "--case", ".", cwd=case)
    assert code == 0, out + err
    for option in re.findall(r"custody verify (--[a-z-]+)", text):
        assert option in {"--case", "--against", "--images", "--tsa-root", "--report"}
    assert "準拠" not in text
