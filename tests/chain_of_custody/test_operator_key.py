import os
import stat
import threading
from pathlib import Path

import pytest

from chain_of_custody import operator_key, signing
from chain_of_custody.errors import KeyAccessError


def test_made_once_at_first_use_without_passphrase():
    first = operator_key.operator_key()
    again = operator_key.operator_key()
    assert (first.created, again.created) == (True, False)
    assert first.key.public_line == again.key.public_line
    assert first.key.protection == "none"
    path = operator_key.default_key_path()
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    public = path.with_name("id_ed25519.pub").read_text()
    assert signing.normal_public_line(public) == first.key.public_line


def test_made_with_passphrase():
    made = operator_key.operator_key(new_passphrase="長い言葉".encode)
    assert made.key.protection == "passphrase"
    with pytest.raises(KeyAccessError):
        operator_key.operator_key()
    opened = operator_key.operator_key(passphrase="長い言葉".encode)
    assert opened.key.public_line == made.key.public_line
    assert opened.key.protection == "passphrase"


def test_first_runs_at_once_end_with_one_key():
    lines = []
    barrier = threading.Barrier(6)

    def run():
        barrier.wait()
        lines.append(operator_key.operator_key().key.public_line)

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines) == 6
    assert len(set(lines)) == 1
    assert not [path for path in operator_key.config_folder().iterdir() if path.name.endswith(".new")]


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({"HOZEN_CONFIG_HOME": "/h", "XDG_CONFIG_HOME": "/x"}, "linux", "/h"),
        ({"XDG_CONFIG_HOME": "/x"}, "linux", "/x/hozen"),
        ({}, "linux", "/home/u/.config/hozen"),
        ({"APPDATA": "/r"}, "win32", "/r/hozen"),
        ({}, "darwin", "/home/u/Library/Application Support/hozen"),
    ],
)
def test_folder_by_platform(monkeypatch, environment, platform, expected):
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/u"))
    assert operator_key.config_folder(environment) == Path(expected)


def test_unwritable_folder_is_named(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HOZEN_CONFIG_HOME", str(tmp_path / "file" / "below"))
    with pytest.raises(KeyAccessError, match="cannot make the key"):
        operator_key.operator_key()


def test_describe_asks_nothing():
    assert operator_key.describe_key().to_json()["exists"] is False
    made = operator_key.operator_key(new_passphrase=lambda: b"x" * 8)
    described = operator_key.describe_key()
    assert described.protection == "passphrase"
    assert described.fingerprint == signing.fingerprint(made.key.public_line)
    operator_key.default_key_path().with_name("id_ed25519.pub").unlink()
    assert operator_key.describe_key().fingerprint is None


def test_default_id_is_a_valid_id(monkeypatch):
    monkeypatch.setattr(operator_key, "user_name", lambda: "山 田,*")
    from chain_of_custody import entries

    assert entries.valid_person_id(operator_key.default_person_id())
