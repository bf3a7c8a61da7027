import subprocess

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa

from chain_of_custody import signing
from chain_of_custody.errors import KeyAccessError
from chain_of_custody.signing import SignatureError
from tests.conftest import needs

KINDS = [
    ("ed25519", []),
    ("rsa", ["-b", "2048"]),
    ("ecdsa", ["-b", "256"]),
    ("ecdsa", ["-b", "384"]),
    ("ecdsa", ["-b", "521"]),
]
NAMESPACE = "custody-session"


def keygen(path, kind, options, passphrase=""):
    subprocess.run(
        [
            "ssh-keygen",
            "-q",
            "-t",
            kind,
            *options,
            "-N",
            passphrase,
            "-C",
            "",
            "-f",
            str(path),
            "-Z",
            "aes256-ctr",
            "-a",
            "2",
        ],
        check=True,
    )
    return path


def ssh_verify(tmp_path, public_line, armor, message, who="w@example.jp"):
    signers, signature = tmp_path / "signers", tmp_path / "sig"
    signers.write_text(f'{who} namespaces="{NAMESPACE}" {public_line}\n')
    signature.write_text(armor)
    done = subprocess.run(
        ["ssh-keygen", "-Y", "verify", "-f", signers, "-I", who, "-n", NAMESPACE, "-s", signature],
        input=message,
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


@needs("ssh-keygen")
@pytest.mark.parametrize(
    ("kind", "options"), KINDS, ids=lambda value: "-".join(value) if isinstance(value, list) else value
)
@pytest.mark.parametrize("passphrase", ["", "秘密の言葉"])
def test_ssh_keygen_and_we_accept_each_other(tmp_path, kind, options, passphrase):
    path = keygen(tmp_path / "key", kind, options, passphrase)
    key = signing.load_private_key(path, passphrase.encode if passphrase else None)
    assert key.protection == ("passphrase" if passphrase else "none")
    public = (tmp_path / "key.pub").read_text().strip()
    assert key.public_line == signing.normal_public_line(public)
    listed = subprocess.run(
        ["ssh-keygen", "-l", "-f", tmp_path / "key.pub"], check=True, capture_output=True, text=True
    )
    assert signing.fingerprint(key.public_line) == listed.stdout.split()[1]
    message = "台帳".encode() * 1000
    for _ in range(8):  # leading zeros in r and s
        armor = key.sign(message, NAMESPACE)
        signing.verify(armor, message, NAMESPACE, key.public_line)
    assert ssh_verify(tmp_path, key.public_line, armor, message)
    assert not ssh_verify(tmp_path, key.public_line, armor, message + b"x")
    if not passphrase:
        theirs = subprocess.run(
            ["ssh-keygen", "-q", "-Y", "sign", "-f", path, "-n", NAMESPACE],
            input=message,
            check=True,
            capture_output=True,
        ).stdout.decode()
        signing.verify(theirs, message, NAMESPACE, key.public_line)


def pair():
    key = signing.FileKey(ed25519.Ed25519PrivateKey.generate(), "none")
    return key, key.sign(b"m", NAMESPACE)


def test_each_bit_of_the_blob_counts():
    key, armor = pair()
    blob = signing.unarmor(armor)
    for position in range(len(blob)):
        for bit in range(8):
            changed = bytearray(blob)
            changed[position] ^= 1 << bit
            with pytest.raises(SignatureError):
                signing.verify(signing.armor(bytes(changed)), b"m", NAMESPACE, key.public_line)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "\n",
        lambda text: text + "x",
        lambda text: text[:-1],
        lambda text: " " + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("-----BEGIN SSH SIGNATURE-----\n", "-----BEGIN SSH SIGNATURE-----\n\n"),
        lambda text: text[:100] + "\n" + text[100:],
        lambda text: text.replace("=", ""),
        lambda text: "",
    ],
)
def test_armor_has_one_form(change):
    key, armor = pair()
    with pytest.raises(SignatureError):
        signing.verify(change(armor), b"m", NAMESPACE, key.public_line)


def test_wrong_message_namespace_and_key():
    key, armor = pair()
    other, _ = pair()
    for arguments in [(b"n", NAMESPACE, key), (b"m", "custody-checkpoint", key), (b"m", NAMESPACE, other)]:
        with pytest.raises(SignatureError):
            signing.verify(armor, arguments[0], arguments[1], arguments[2].public_line)


def test_trailing_data_in_the_blob():
    key, armor = pair()
    with pytest.raises(SignatureError, match="follow"):
        signing.verify(signing.armor(signing.unarmor(armor) + b"\0"), b"m", NAMESPACE, key.public_line)


def test_public_key_lines_have_one_form():
    key, _ = pair()
    assert signing.normal_public_line(key.public_line + " comment here\n") == key.public_line
    algorithm, encoded = key.public_line.split()
    for bad in [
        "",
        "ssh-ed25519",
        f"ssh-rsa {encoded}",
        f"{algorithm} {encoded[:-4]}",
        f"{algorithm} !!!!",
        f"{algorithm} {encoded}AAAA",
    ]:
        with pytest.raises(SignatureError):
            signing.normal_public_line(bad)


def test_unusable_private_keys_are_named(tmp_path):
    path = tmp_path / "key"
    with pytest.raises(KeyAccessError, match="cannot read"):
        signing.load_private_key(path)
    for content in [b"", b"text", b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"]:
        path.write_bytes(content)
        with pytest.raises(KeyAccessError, match="no readable"):
            signing.load_private_key(path)
    for weak, message in [
        (rsa.generate_private_key(65537, 1024), "too weak"),
        (ec.generate_private_key(ec.SECP256K1()), "too weak"),
        (dsa.generate_private_key(2048), "unsupported"),
    ]:
        path.write_bytes(
            weak.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        with pytest.raises(KeyAccessError, match=message):
            signing.load_private_key(path)


@needs("ssh-keygen")
def test_passphrase_missing_or_wrong(tmp_path):
    path = keygen(tmp_path / "key", "ed25519", [], "right")
    with pytest.raises(KeyAccessError, match="needs its passphrase") as caught:
        signing.load_private_key(path)
    assert "--passphrase-file" in caught.value.hint("en")
    with pytest.raises(KeyAccessError, match="wrong passphrase"):
        signing.load_private_key(path, lambda: b"wrong")


def test_repr_shows_no_key():
    key, _ = pair()
    assert "SHA256:" in repr(key)
    assert "Ed25519PrivateKey" not in repr(key)
