"""verify.sh: the case is checked without hozen, in an environment that has four programs only."""

import os
import shutil
import subprocess

import pytest

from chain_of_custody import init_case, open_case
from tests.chain_of_custody import attacks
from tests.conftest import needs

pytestmark = needs("sh", "openssl", "sha256sum", "ssh-keygen")

COREUTILS = ["base64", "date", "mktemp", "wc", "rm", "sha256sum", "cat", "cp", "mv", "head", "tail"]
# These can only be seen by reading the JSON as JSON; verify.sh says so in its head.
NEEDS_JSON = {"duplicate_key", "non_canonical_line", "extra_member"}


@pytest.fixture
def bare(tmp_path):
    """A PATH with sh, openssl, ssh-keygen and the coreutils that verify.sh names, and nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for program in ["sh", "openssl", "ssh-keygen", *COREUTILS]:
        (folder / program).symlink_to(shutil.which(program))
    return {"PATH": str(folder)}


def test_ok_with_four_programs_only(case_path, bare):
    code, output = attacks.run_script(case_path, environment=bare)
    assert code == 0, output
    assert "verdict: OK" in output
    assert "entries / 項数:        8" in output


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox", "ksh", "mksh"])
def test_other_shells(case_path, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} not installed")
    command = [shell, "sh"] if shell == "busybox" else [shell]
    done = subprocess.run([*command, case_path / "verify.sh"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_shell_of_32_bits_without_another_cannot_tell(case_path, tmp_path):
    if shutil.which("mksh") is None:
        pytest.skip("mksh not installed")
    script = (case_path / "verify.sh").read_text().replace("in dash bash ksh /bin/sh", "in no-other-shell")
    (case_path / "other.sh").write_text(script)
    mksh = str(shutil.which("mksh"))
    done = subprocess.run([mksh, case_path / "other.sh"], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "32 bits" in done.stdout


def test_the_fingerprint_on_paper(case_path):
    with open_case(case_path) as case:
        fingerprint = case.fingerprint
    assert attacks.run_script(case_path, fingerprint)[0] == 0
    code, output = attacks.run_script(case_path, fingerprint[:-1] + ("0" if fingerprint[-1] != "0" else "1"))
    assert code == 1
    assert "not the one given" in output


@pytest.mark.parametrize("name", sorted(attacks.every()))
def test_each_attack_is_ng(case_path, name):
    attacks.every()[name](case_path)
    code, output = attacks.run_script(case_path)
    assert code == 1, output
    assert "NG" in output


def test_a_crash_is_exit_3(case_path):
    with (case_path / "ledger.jsonl").open("ab") as file:
        file.write(b'{"torn')
    code, output = attacks.run_script(case_path)
    assert code == 3, output
    assert "a crash" in output


def test_missing_tools_and_folders_are_exit_3(case_path, tmp_path, bare):
    (tmp_path / "bin" / "openssl").unlink()
    code, output = attacks.run_script(case_path, environment=bare)
    assert code == 3
    assert "openssl is not installed" in output
    (case_path / "ledger.jsonl").unlink()
    assert attacks.run_script(case_path)[0] == 3


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
@needs("ssh-keygen")
def test_other_kinds_of_keys(tmp_path, kind):
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", tmp_path / "key"], check=True)
    path = tmp_path / "case"
    with init_case(path, key=tmp_path / "key", actor="山田@例え.jp", name="$(echo x) `id` '\"\\") as case:
        case.append("note", {"text": '","seq":99,"prev":"x","session":"y" \\" \t \u2028 $(id)'})
        assert len(case.number_hmac("123456789018")) == 64
    with open_case(path, key=tmp_path / "key") as case:
        assert len(case.number_hmac("123456789018")) == 64
    code, output = attacks.run_script(path)
    assert code == 0, output


def test_no_forbidden_program_is_named(case_path):
    text = (case_path / "verify.sh").read_text()
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    words = set(code.replace("(", " ").replace("|", " ").replace(";", " ").split())
    assert not words & {"sed", "grep", "awk", "xxd", "python", "perl", "jq", "hexdump"}
    assert os.environ.get("PATH")
