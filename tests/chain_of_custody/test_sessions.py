"""Sessions that span commands, and keys in ssh-agent: with a real agent."""

import json
import os
import subprocess

import pytest

from chain_of_custody import agent, init_case, open_case, sessions, signing
from chain_of_custody.errors import KeyAccessError
from chain_of_custody.reading import read_entries
from chain_of_custody.verify import verify_case
from tests.chain_of_custody import attacks
from tests.chain_of_custody.test_cli import custody
from tests.conftest import needs

pytestmark = [needs("ssh-agent", "ssh-add"), pytest.mark.skipif(os.name != "posix", reason="an agent on a socket")]


@pytest.fixture
def running_agent(tmp_path_factory, monkeypatch):
    # The path of a socket must be short.
    path = tmp_path_factory.mktemp("a") / "s"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    while not path.exists():
        assert process.poll() is None
    monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
    yield
    process.terminate()
    process.wait()


@pytest.fixture
def case_dir(tmp_path):
    path = tmp_path / "case"
    init_case(path, actor="yamada").close()
    return path


def types(path):
    return [entry.type for entry in read_entries(path)]


@pytest.mark.usefixtures("running_agent")
def test_one_session_over_many_commands(case_dir, tmp_path):
    code, out, err = custody("session", "start", "--hours", "8", "--case", case_dir, "--json")
    assert code == 0, err
    name = json.loads(out)["session"]
    # Without the key file, too: passphrase or token were needed once.
    (sessions.operator_key.default_key_path()).rename(tmp_path / "hidden")
    for number in range(3):
        assert custody("record", "note", "--text", str(number), "--case", case_dir)[0] == 0
    with open_case(case_dir) as case:
        assert (case.key_notice().actor, case.key_notice().protection) == ("yamada", "none")
    assert json.loads(custody("session", "status", "--case", case_dir, "--json")[1])["state"] == "active"
    assert custody("session", "start", "--case", case_dir)[0] == 2
    assert custody("session", "end", "--case", case_dir)[0] == 0
    assert types(case_dir) == ["case.open", "session.close", "session.open", "note", "note", "note", "session.close"]
    assert {entry.session for entry in list(read_entries(case_dir))[2:]} == {name}
    assert agent.held_keys() == []
    assert verify_case(case_dir).verdict == "ok"
    assert attacks.run_script(case_dir)[0] == 0
    assert json.loads(custody("session", "status", "--case", case_dir, "--json")[1])["state"] == "none"
    assert custody("session", "end", "--case", case_dir)[0] == 2
    assert custody("record", "note", "--text", "x", "--key", tmp_path / "hidden", "--case", case_dir)[0] == 0


@pytest.mark.usefixtures("running_agent")
def test_a_session_whose_key_is_gone_or_expired_is_not_used(case_dir):
    assert custody("session", "start", "--case", case_dir)[0] == 0
    subprocess.run(["ssh-add", "-q", "-D"], check=True, stderr=subprocess.DEVNULL)
    assert json.loads(custody("session", "status", "--case", case_dir, "--json")[1])["state"] == "key_gone"
    assert custody("record", "note", "--text", "x", "--case", case_dir)[0] == 0
    assert types(case_dir)[-3:] == ["session.open", "note", "session.close"]
    assert custody("session", "end", "--case", case_dir)[0] == 0
    assert custody("session", "start", "--case", case_dir)[0] == 0
    with open_case(case_dir) as case:
        shared = sessions.find(case.fingerprint)
        old = {name: getattr(shared, name) for name in sessions.Shared.__dataclass_fields__}
        sessions.keep(case.fingerprint, sessions.Shared(**{**old, "not_after": "2020-01-01T00:00:00.000000+09:00"}))
    assert json.loads(custody("session", "status", "--case", case_dir, "--json")[1])["state"] == "expired"
    assert custody("record", "note", "--text", "x", "--case", case_dir)[0] == 0
    assert verify_case(case_dir).verdict == "ok"


def test_without_an_agent(case_dir, monkeypatch):
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    before = (case_dir / "ledger.jsonl").read_bytes()
    code, _out, err = custody("session", "start", "--case", case_dir)
    assert code == 5
    assert "ssh-agent" in err
    monkeypatch.setenv("SSH_AUTH_SOCK", "/nonexistent")
    assert custody("session", "start", "--case", case_dir)[0] == 5
    assert (case_dir / "ledger.jsonl").read_bytes() == before
    assert custody("record", "note", "--text", "x", "--case", case_dir)[0] == 0


@pytest.mark.usefixtures("running_agent")
@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_a_persons_key_in_the_agent(tmp_path, kind):
    path = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path], check=True)
    with init_case(tmp_path / "case", key=path, actor="yamada"):
        pass
    with pytest.raises(KeyAccessError, match="does not hold"):
        agent.agent_key(tmp_path / "id.pub")
    subprocess.run(["ssh-add", "-q", path], check=True, stderr=subprocess.DEVNULL)
    path.unlink()
    held = agent.agent_key(tmp_path / "id.pub")
    signing.verify(held.sign(b"m", "custody-key"), b"m", "custody-key", held.public_line)
    with open_case(tmp_path / "case", key=tmp_path / "id.pub") as case:
        case.append("note", {})
    opened = [entry for entry in read_entries(tmp_path / "case") if entry.type == "session.open"]
    assert opened[0].body["key_protection"] == "agent"
    assert verify_case(tmp_path / "case").verdict == "ok"


def test_a_public_key_file_that_is_none(tmp_path):
    with pytest.raises(KeyAccessError, match="cannot read"):
        agent.agent_key(tmp_path / "none.pub")
