"""Keys on a PKCS#11 token: SoftHSM in these tests."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chain_of_custody import checkpoints, open_case, operator_key, pkcs11_key, signers, signing
from chain_of_custody.errors import KeyAccessError
from chain_of_custody.reading import read_entries
from chain_of_custody.verify import verify_case
from tests.chain_of_custody.test_cli import custody
from tests.conftest import needs

pkcs11 = pytest.importorskip("pkcs11", reason="the extra hozen[pkcs11] is not installed")
MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")
MODULE = next((path for path in MODULES if Path(path).exists()), MODULES[0])
pytestmark = needs("softhsm2-util")
PIN = "123456"
ROOT = Path(__file__).resolve().parents[2]
KINDS = {"ecdsa-sha2-nistp256": "p256", "ecdsa-sha2-nistp384": "p384", "ssh-rsa": "rsa", "ssh-ed25519": "ed"}


@pytest.fixture(scope="module")
def token(tmp_path_factory):
    """A token `hozen` with a key of each kind; SoftHSM reads its place from the environment, once per process."""
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    config = folder / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    old = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(config)
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", "hozen", "--pin", PIN, "--so-pin", "0000"],
        check=True,
        capture_output=True,
    )
    with pkcs11.lib(MODULE).get_token(token_label="hozen").open(rw=True, user_pin=PIN) as session:
        for label, name in (("p256", "secp256r1"), ("p384", "secp384r1")):
            parameters = session.create_domain_parameters(
                pkcs11.KeyType.EC,
                {pkcs11.Attribute.EC_PARAMS: pkcs11.util.ec.encode_named_curve_parameters(name)},
                local=True,
            )
            parameters.generate_keypair(label=label, id=label.encode(), store=True)
        session.generate_keypair(pkcs11.KeyType.RSA, 2048, label="rsa", id=b"\xa1", store=True)
        session.generate_keypair(pkcs11.KeyType.RSA, 1024, label="weak", store=True)
        edwards = session.create_domain_parameters(
            pkcs11.KeyType.EC_EDWARDS,
            {pkcs11.Attribute.EC_PARAMS: pkcs11.util.ec.encode_named_curve_parameters("1.3.101.112")},
            local=True,
        )
        edwards.generate_keypair(mechanism=pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN, label="ed", id=b"ed", store=True)
    yield folder
    if old is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = old


@pytest.fixture
def pin(tmp_path):
    path = tmp_path / "pin"
    path.write_text(f"{PIN}\n")
    return path


def uri(label):
    return f"pkcs11:token=hozen;object={label}?module-path={MODULE}"


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_key_signs_as_ssh_does(token, tmp_path, kind):
    key = pkcs11_key.open_key(uri(KINDS[kind]), PIN.encode)
    assert (key.public_line.split()[0], key.protection) == (kind, "token")
    armored = key.sign(b"text", "custody-checkpoint")
    signing.verify(armored, b"text", "custody-checkpoint", key.public_line)
    assert PIN not in repr(key)
    if shutil.which("ssh-keygen"):
        (tmp_path / "sig").write_text(armored)
        (tmp_path / "allowed").write_text(f"me {key.public_line}\n")
        command = ["ssh-keygen", "-Y", "verify", "-f", tmp_path / "allowed", "-I", "me"]
        command += ["-n", "custody-checkpoint", "-s", tmp_path / "sig"]
        subprocess.run(command, input=b"text", check=True, capture_output=True)


def test_a_case_kept_with_a_token(token, tmp_path, pin):
    case_dir = tmp_path / "case"
    key = ("--key", uri("p256"), "--passphrase-file", pin)
    code, out, err = custody("init", case_dir, "--as", "yamada", *key, "--json")
    assert code == 0, err
    assert json.loads(out)["key_protection"] == "token"
    assert custody("record", "note", "--text", "x", "--case", case_dir, *key)[0] == 0
    assert custody("checkpoint", "--case", case_dir, *key)[0] == 0
    first, *rest = read_entries(case_dir)
    assert first.body["key_protection"] == "token"
    assert {entry.body["key_protection"] for entry in rest if entry.type == "session.open"} == {"token"}
    assert verify_case(case_dir).verdict == "ok"
    ledger = (case_dir / "ledger.jsonl").read_text(encoding="utf-8")
    assert f'"{PIN}"' not in ledger
    assert f"={PIN}" not in ledger
    with open_case(case_dir, key=Path(uri("p256")), passphrase=PIN.encode) as case:
        assert len(case.number_hmac("123456789018")) == 64
    assert (
        custody("keys", "rotate", "--new-key", uri("rsa"), "--new-passphrase-file", pin, "--case", case_dir, *key)[0]
        == 0
    )
    assert custody("checkpoint", "--case", case_dir, *key)[0] == 5
    new = ("--key", uri("rsa"), "--passphrase-file", pin)
    assert custody("checkpoint", "--case", case_dir, *new)[0] == 0
    assert verify_case(case_dir).verdict == "ok"


def test_a_witness_with_a_token(token, tmp_path, pin):
    case_dir, public = tmp_path / "case", tmp_path / "witness.pub"
    custody("init", case_dir, "--as", "yamada", "--policy", "witness=required")
    code, out, _err = custody("keys", "public", "--key", uri("ed"), "--passphrase-file", pin)
    assert code == 0
    public.write_text(out)
    assert custody("keys", "add", "suzuki", "--role", "witness", "--public-key", public, "--case", case_dir)[0] == 0
    with open_case(case_dir) as case:
        made, _entry = checkpoints.make(case)
    file = case_dir / "checkpoints" / f"{made.stem}.txt"
    assert custody("cosign", file, "--key", uri("ed"), "--passphrase-file", pin)[0] == 0
    assert verify_case(case_dir).verdict == "ok"


def test_other_ways_to_name_a_key(token, pin, monkeypatch):
    monkeypatch.setenv(pkcs11_key.MODULE_VARIABLE, MODULE)
    assert pkcs11_key.open_key(f"pkcs11:token=hozen;id=%a1?pin-source=file:{pin}").public_line.startswith("ssh-rsa ")
    assert signers.open_signer(Path("pkcs11:object=p256;token=hozen"), PIN.encode).protection == "token"
    described = operator_key.describe_key(Path("pkcs11:object=p256"))
    assert (described.exists, described.protection) == (True, "token")


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("pkcs11:token=hozen;object=none?module-path={module}", "check object="),
        ("pkcs11:token=none;object=p256?module-path={module}", "check token="),
        ("pkcs11:token=hozen;object=weak?module-path={module}", "not supported"),
        ("pkcs11:token=hozen?module-path={module}", "malformed"),
        ("pkcs11:object=a;object=b?module-path={module}", "malformed"),
        ("pkcs11:object=a;colour=red?module-path={module}", "colour"),
        ("pkcs11:nothing", "malformed"),
        ("pkcs11:object=p256", "no PKCS#11 library"),
        ("pkcs11:object=p256?module-path=/nowhere.so", "cannot load"),
        ("pkcs11:token=hozen;object=p256?module-path={module}&pin-value=123456", "does not belong on a command line"),
        ("pkcs11:token=hozen;object=p256?module-path={module}&pin-source=file:/nowhere", "cannot read the file"),
    ],
)
def test_what_cannot_be_opened_says_why(token, named, words, monkeypatch):
    monkeypatch.delenv(pkcs11_key.MODULE_VARIABLE, raising=False)
    with pytest.raises(KeyAccessError) as caught:
        pkcs11_key.open_key(named.format(module=MODULE), PIN.encode)
    shown = f"{caught.value.message('en')} {caught.value.hint('en')}"
    assert words in shown
    assert PIN not in shown.replace(named.format(module=MODULE), "")


def test_a_wrong_pin_and_none(token, tmp_path):
    (tmp_path / "pin").write_text("wrong!\n")
    # A process of its own: within one, a login holds for all sessions.
    command = [sys.executable, "-c", "from chain_of_custody.cli import main; main()", "keys", "public"]
    done = subprocess.run(
        [*command, "--key", uri("p256"), "--passphrase-file", tmp_path / "pin"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert (done.returncode, done.stdout) == (5, "")
    assert "the PIN is wrong" in done.stderr
    assert "wrong!" not in done.stderr
    with pytest.raises(signing.PassphraseNeededError):
        pkcs11_key.open_key(uri("p256"))


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(KeyAccessError, match="not installed") as caught:
        pkcs11_key.open_key(uri("p256"), lambda: b"")
    assert "hozen[pkcs11]" in caught.value.hint("en")
