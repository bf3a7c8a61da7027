import contextlib
import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import pytest

from chain_of_custody import cli, console, open_case, signing
from chain_of_custody.reading import read_entries
from tests.chain_of_custody import attacks
from tests.conftest import needs

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, "-c", "import sys; sys.argv[0] = 'custody'; from chain_of_custody.cli import main; main()"]


def custody(*arguments, cwd=None):
    """Exit code, standard output and standard error of `custody ARGUMENTS`, run in this process."""
    words = [str(argument) for argument in arguments]
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(cwd or Path.cwd()),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.object(sys, "argv", ["custody", *words]),
        mock.patch.object(signal, "signal"),
        pytest.raises(SystemExit) as ended,
    ):
        console.run(cli.app)
    return ended.value.code, out.getvalue(), err.getvalue()


def program(*arguments, cwd=None, environment=None, stdin=b""):
    """The same in a process of its own, where the language is that of its command line."""
    done = subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        capture_output=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        input=stdin,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_init_log_verify(tmp_path):
    code, out, err = custody("init", "2026-017", "--name", "ノートPC", "--as", "yamada", cwd=tmp_path)
    assert code == 0, err
    assert "fingerprint: " in out
    assert "made a signing key" in err
    assert "no passphrase" in err
    code, out, _err = custody("log", cwd=tmp_path / "2026-017")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["1", "2"]
    code, out, _err = custody("verify", "2026-017", cwd=tmp_path)
    assert (code, out.splitlines()[-1]) == (0, "verdict: OK")
    code, out, _err = program("verify", "2026-017", "--lang", "ja", cwd=tmp_path)
    assert out.splitlines()[-1] == "検証結果: OK"


def test_json_of_every_command(tmp_path):
    code, out, _err = custody("init", "c", "--json", "--as", "a", "--role", "supervisor", cwd=tmp_path)
    made = json.loads(out)
    assert (code, made["actor"], made["role"], made["key_protection"], made["key_created"]) == (
        0,
        "a",
        "責任者",
        "none",
        True,
    )
    verified = json.loads(custody("verify", "c", "--json", cwd=tmp_path)[1])
    assert verified["verdict"] == "ok"
    assert verified["fingerprint"] == made["fingerprint"]
    lines = custody("log", "c", "--json", cwd=tmp_path)[1].splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["case.open", "session.close"]
    keys = json.loads(custody("keys", "list", "--case", "c", "--json", cwd=tmp_path)[1])
    assert keys["own"]["fingerprint"] == keys["people"][0]["fingerprint"] == made["key"]


def test_verify_says_ng_in_words_and_by_exit_code(case_path):
    attacks.edited_line(case_path)
    code, out, _err = custody("verify", case_path)
    assert code == 1
    assert "[NG] entry 2: the signature does not fit" in out
    assert out.splitlines()[-1].startswith("verdict: NG")
    code, out, _err = custody("verify", case_path, "--json")
    assert code == 1
    assert json.loads(out)["counts"]["ng"] >= 2


def test_verify_cannot_tell_after_a_crash(case_path):
    with (case_path / "ledger.jsonl").open("ab") as file:
        file.write(b"torn")
    code, out, _err = program("verify", case_path, "--lang", "ja")
    assert code == 3
    assert "判定できません" in out
    assert "異常終了" in out


def test_filters_of_the_log(case_path):
    def types(*arguments):
        code, out, err = custody("log", case_path, "--json", *arguments)
        assert code == 0, err
        return [json.loads(line)["type"] for line in out.splitlines()]

    assert types("--type", "verify") == ["verify.begin", "verify.end"]
    assert types("--type", "note", "--last", "1") == ["note"]
    assert types("--item", "PC-1") == ["note"]
    assert types("--actor", "nobody") == []
    middle = list(read_entries(case_path))[4].ts
    assert types("--until", middle) == ["case.open", "note", "session.close", "session.open", "verify.begin"]
    assert types("--since", middle)[0] == "verify.begin"
    assert custody("log", case_path, "--since", "yesterday")[0] == 2


def test_a_log_of_a_damaged_ledger_names_the_line(case_path):
    attacks.stripped_signature(case_path)
    code, _out, err = custody("log", case_path)
    assert code == 5
    assert "line 5" in err


@pytest.mark.parametrize("arguments", [("verify",), ("log",)])
def test_no_case_is_exit_2_with_what_to_do(tmp_path, arguments):
    code, _out, err = custody(*arguments, cwd=tmp_path)
    assert code == 2
    assert "custody init DIR" in err
    code, out, _err = custody(*arguments, "nowhere", "--json", cwd=tmp_path)
    assert code == 2
    assert json.loads(out)["error"] == "CaseNotFoundError"


def test_init_refuses_what_it_cannot_use(case_path, tmp_path):
    (tmp_path / "file").write_text("x")
    for arguments, code in [
        ((case_path,), 2),
        ((tmp_path / "file",), 2),
        ((tmp_path / "n", "--role", "boss"), 2),
        ((tmp_path / "n", "--role", "witness"), 2),
        ((tmp_path / "n", "--as", "a b"), 2),
        ((tmp_path / "n", "--key", tmp_path / "none"), 5),
    ]:
        assert custody("init", *arguments)[0] == code, arguments
    assert not (tmp_path / "n").exists()


def test_passphrase_from_a_file(tmp_path):
    secret = tmp_path / "pass"
    secret.write_text("長い言葉\nsecond line\n")
    code, out, err = custody("init", "c", "--passphrase-file", secret, "--json", cwd=tmp_path)
    assert code == 0, err
    assert json.loads(out)["key_protection"] == "passphrase"
    code, out, _err = custody("keys", "list")
    assert "with passphrase" in out
    first = next(read_entries(tmp_path / "c"))
    assert "長い言葉" not in json.dumps(first.to_json(), ensure_ascii=False)
    code, _out, err = custody("init", "d", cwd=tmp_path)
    assert code == 5
    assert "--passphrase-file" in err
    empty = tmp_path / "empty"
    empty.write_text("\n")
    assert custody("init", "d", "--passphrase-file", empty, cwd=tmp_path)[0] == 2
    with open_case(tmp_path / "c", passphrase="長い言葉".encode) as case:
        assert case.key_notice().protection == "passphrase"
        assert len(case.secret()) == 32


def in_terminal(arguments, cwd, answers):
    """Run `custody` on a pseudo-terminal, typing each answer when its question appears."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.environ["PYTHONPATH"] = str(ROOT)
        os.execv(sys.executable, [*PROGRAM, *arguments])
    shown = b""
    end = time.monotonic() + 60
    waiting = list(answers)
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                part = os.read(terminal, 4096)
            except OSError:
                break
            if not part:
                break
            shown += part
            if waiting and waiting[0][0] in shown.decode(errors="replace"):
                question, answer = waiting.pop(0)
                time.sleep(0.1)
                os.write(terminal, answer.encode() + b"\n")
                shown = shown.replace(question.encode(), b"<asked>")
    _pid, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown.decode(errors="replace")


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals")
@pytest.mark.parametrize(("typed", "protection"), [("", "none"), ("secret words", "passphrase")])
def test_on_a_terminal_a_passphrase_is_offered(tmp_path, typed, protection):
    answers = [("new passphrase (empty = none): ", typed), *([("again: ", typed)] if typed else [])]
    code, shown = in_terminal(["init", "c"], tmp_path, answers)
    assert code == 0, shown
    assert "secret words" not in shown
    assert next(read_entries(tmp_path / "c")).body["key_protection"] == protection


def test_help_is_in_both_languages_with_examples_and_fast():
    for command in ["init", "log", "verify", "keys", "keys list"]:
        for language, word in [("ja", "例:"), ("en", "Examples:")]:
            code, out, _err = program(
                *command.split(), "--help", "--lang", language, environment={"LC_ALL": f"{language}_XX.UTF-8"}
            )
            assert code == 0
            assert word in out
            assert f"custody {command}" in out
    start = time.perf_counter()
    program("--help")
    assert time.perf_counter() - start < 3


def test_help_loads_nothing_heavy():
    code = (
        "import sys, chain_of_custody.cli, chain_of_custody.options; "
        "print([m for m in ('cryptography', 'pyrage', 'rfc8785', 'chain_of_custody.case') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.strip() == "[]"


@needs("ssh-keygen")
def test_key_files_of_openssh(tmp_path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "pw pw", "-f", tmp_path / "id"], check=True)
    (tmp_path / "pw").write_text("pw pw")
    code, out, err = custody(
        "init", "c", "--key", tmp_path / "id", "--passphrase-file", tmp_path / "pw", "--json", cwd=tmp_path
    )
    assert code == 0, err
    public = (tmp_path / "id.pub").read_text()
    assert json.loads(out)["key"] == signing.fingerprint(public)
    assert custody("verify", "c", cwd=tmp_path)[0] == 0
    assert not (Path(os.environ["HOZEN_CONFIG_HOME"]) / "id_ed25519").exists()


def test_keys_without_case_or_key(tmp_path):
    code, out, _err = custody("keys", cwd=tmp_path)
    assert code == 0
    assert "no key yet" in out
    assert not (Path(os.environ["HOZEN_CONFIG_HOME"]) / "id_ed25519").exists()


def test_case_for_finds_makes_and_tells(tmp_path, monkeypatch, capsys):
    from chain_of_custody.options import case_for

    monkeypatch.chdir(tmp_path)
    (tmp_path / "disk.E01").write_bytes(b"")
    with case_for(None, Path("disk.E01"), tool="triage") as made:
        assert made.path == tmp_path / "disk.E01.case"
    told = capsys.readouterr().err.replace("\n", "")
    assert "made the case folder" in told
    assert "made a signing key" in told
    console.set_language("ja")
    with case_for(made.path, None, tool="triage") as found:
        found.append("note", {})
        assert found.fingerprint == made.fingerprint
    assert "事案: " in capsys.readouterr().err
    assert [entry.tool.name for entry in read_entries(made.path)][-1] == "triage"


@needs("ssh-keygen")
def test_keys_add_rotate_revoke(tmp_path):
    for name in ("witness", "new"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    assert custody("init", "c", "--as", "yamada", "--policy", "witness=required", cwd=tmp_path)[0] == 0
    assert custody("init", "d", "--policy", "x", cwd=tmp_path)[0] == 2
    inside = tmp_path / "c"
    code, out, err = custody(
        "keys",
        "add",
        "suzuki",
        "--role",
        "witness",
        "--public-key",
        tmp_path / "witness.pub",
        "--name",
        "鈴木",
        cwd=inside,
    )
    assert code == 0, err
    assert "compare the fingerprint SHA256:" in out
    assert custody("keys", "add", "x", "--role", "boss", "--public-key", tmp_path / "witness.pub", cwd=inside)[0] == 2
    assert custody("keys", "add", "x", "--role", "reader", "--public-key", tmp_path / "none.pub", cwd=inside)[0] == 2
    code, out, err = custody("keys", "rotate", "--new-key", tmp_path / "new", "--json", cwd=inside)
    assert code == 0, err
    assert json.loads(out)["type"] == "key.rotate"
    code, out, err = custody("keys", "revoke", "suzuki", "--reason", "lost", "--key", tmp_path / "new", cwd=inside)
    assert code == 0, err
    people = json.loads(custody("keys", "list", "--json", cwd=inside)[1])["people"]
    assert [(person["id"], person["valid"]) for person in people] == [("yamada", True), ("suzuki", False)]
    assert "revoked" in custody("keys", cwd=inside)[1]
    assert custody("verify", cwd=inside)[0] == 0
