"""Keys on a PKCS#11 token: SoftHSM in these tests."""

import io
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from chain_of_custody import (
    checkpoints,
    open_case,
    operator_key,
    pkcs11_key,
    report_check,
    report_signature,
    signers,
    signing,
)
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
KINDS = {
    "ecdsa-sha2-nistp256": "p256",
    "ecdsa-sha2-nistp384": "p384",
    "ecdsa-sha2-nistp521": "p521",
    "ssh-rsa": "rsa",
    "ssh-ed25519": "ed",
}


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
        for label, name in (("p256", "secp256r1"), ("p384", "secp384r1"), ("p521", "secp521r1")):
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


# --- PDF reports signed by a token -------------------------------------------------------------------------------------


def certify(label, authority_key, authority):
    """A certificate of the token's key by an authority, put onto the token."""
    key = pkcs11_key.open_key(uri(label), PIN.encode)
    public = serialization.load_ssh_public_key(key.public_line.encode())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"弁護士 {label}")])
    now = datetime.now(UTC)
    usage = dict.fromkeys(
        ("key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign", "encipher_only"), False
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(authority.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(
            x509.KeyUsage(digital_signature=True, content_commitment=True, decipher_only=False, **usage), True
        )
        .sign(authority_key, hashes.SHA256())
    )
    with pkcs11.lib(MODULE).get_token(token_label="hozen").open(rw=True) as session:
        for certificate in (made, authority):
            session.create_object(
                {
                    pkcs11.Attribute.CLASS: pkcs11.ObjectClass.CERTIFICATE,
                    pkcs11.Attribute.CERTIFICATE_TYPE: pkcs11.CertificateType.X_509,
                    pkcs11.Attribute.TOKEN: True,
                    pkcs11.Attribute.LABEL: label,
                    pkcs11.Attribute.SUBJECT: certificate.subject.public_bytes(),
                    pkcs11.Attribute.VALUE: certificate.public_bytes(serialization.Encoding.DER),
                }
            )
    return made


@pytest.fixture(scope="module")
def authority():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=60))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return key, certificate


@needs("pdfsig")
@pytest.mark.parametrize("label", ["p256", "p384", "p521", "rsa"])
def test_a_token_signs_the_pdf_report(token, tmp_path, pin, authority, label):
    certificate = certify(label, *authority)
    case_dir, target = tmp_path / "case", tmp_path / "report.pdf"
    assert custody("init", case_dir)[0] == 0
    arguments = ("report", "--out", target, "--sign", uri(label), "--case", case_dir)
    code, out, err = custody(*arguments, "--sign-passphrase-file", pin)
    assert code == 0, err
    assert f"弁護士 {label}" in out
    result = report_check.check(target, case_dir)
    assert (result.verdict, result.findings) == ("ok", [])
    (signature,) = result.signatures
    assert signature.certificate_sha256 == certificate.fingerprint(hashes.SHA256()).hex()
    shown = subprocess.run(["pdfsig", target], capture_output=True, text=True, check=False).stdout
    assert "Signature is Valid" in shown
    assert "Total document signed" in shown
    (embedded,) = PdfFileReader(io.BytesIO(target.read_bytes())).embedded_signatures
    roots = report_signature.asn1([authority[1]])
    status = validate_pdf_signature(embedded, ValidationContext(trust_roots=roots, allow_fetching=False))
    assert status.bottom_line
    data = bytearray(target.read_bytes())
    data[len(data) // 3] ^= 1
    (tmp_path / "changed.pdf").write_bytes(bytes(data))
    assert report_check.check(tmp_path / "changed.pdf").verdict == "ng"


@needs("pdfsig")
def test_a_token_and_a_file_sign_one_report(token, tmp_path, pin, authority):
    certify("p256", *authority)
    for curve in (ec.SECP384R1(), ec.SECP521R1()):
        key = ec.generate_private_key(curve)
        given = report_signature.self_issued("弁護士 北", "x", "事務所").certificate
        certificate = (
            x509.CertificateBuilder()
            .subject_name(given.subject)
            .issuer_name(given.subject)
            .public_key(key.public_key())
            .serial_number(5)
            .not_valid_before(datetime.now(UTC) - timedelta(days=1))
            .not_valid_after(datetime.now(UTC) + timedelta(days=9))
            .sign(key, hashes.SHA256())
        )
        file = tmp_path / f"{curve.name}.p12"
        file.write_bytes(
            pkcs12.serialize_key_and_certificates(b"k", key, certificate, None, serialization.NoEncryption())
        )
        case_dir, target = tmp_path / f"case-{curve.name}", tmp_path / f"{curve.name}.pdf"
        assert custody("init", case_dir)[0] == 0
        given_signers = ("--sign", uri("p256"), "--sign", file, "--sign-passphrase-file", pin)
        code, _out, err = custody("report", "--out", target, *given_signers, "--case", case_dir)
        assert code == 0, err
        result = report_check.check(target, case_dir)
        assert (result.verdict, len(result.signatures)) == ("ok", 2)
        shown = subprocess.run(["pdfsig", target], capture_output=True, text=True, check=False).stdout
        assert shown.count("Signature is Valid") == 2


def test_a_token_that_cannot_sign_a_pdf_says_why(token, tmp_path, pin):
    assert custody("init", tmp_path / "case")[0] == 0
    for label, words in (("ed", "no certificate of this key (RSA or ECDSA)"), ("absent", "NoSuchKey")):
        arguments = ("--sign", uri(label), "--sign-passphrase-file", pin, "--case", tmp_path / "case")
        code, _out, err = custody("report", "--out", tmp_path / "x.pdf", *arguments)
        assert code in (2, 5)
        assert words in err.replace("\n", " ")
    assert not (tmp_path / "x.pdf").exists()
