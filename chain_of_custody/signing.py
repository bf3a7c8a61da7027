"""Signatures of persons: OpenSSH keys and SSHSIG (`ssh-keygen -Y sign|verify`), without starting ssh-keygen.

```python
key = signing.load_private_key(Path("id_ed25519"))
armor = key.sign(b"text", "custody-session")
signing.verify(armor, b"text", "custody-session", key.public_line)     # raises SignatureError if it does not fit
```
The format is OpenSSH's PROTOCOL.sshsig; armor is accepted only in the form that this module and ssh-keygen write.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from chain_of_custody.errors import KeyAccessError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SESSION_NAMESPACE = "custody-session"
CHECKPOINT_NAMESPACE = "custody-checkpoint"

_BEGIN = "-----BEGIN SSH SIGNATURE-----\n"
_END = "-----END SSH SIGNATURE-----\n"
_MAGIC = b"SSHSIG"
_HASHES = {"sha512": hashlib.sha512, "sha256": hashlib.sha256}
_CURVES: dict[str, tuple[str, type[hashes.HashAlgorithm]]] = {
    "secp256r1": ("ecdsa-sha2-nistp256", hashes.SHA256),
    "secp384r1": ("ecdsa-sha2-nistp384", hashes.SHA384),
    "secp521r1": ("ecdsa-sha2-nistp521", hashes.SHA512),
}

Protection = Literal["none", "passphrase", "agent", "token"]
PrivateKey = ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = ed25519.Ed25519PublicKey | rsa.RSAPublicKey | ec.EllipticCurvePublicKey


class SignatureError(ValueError):
    """A signature is malformed or does not fit; `ja` and `en` say why."""

    def __init__(self, ja: str, en: str) -> None:
        super().__init__(en)
        self.ja = ja
        self.en = en


class PassphraseNeededError(KeyAccessError):
    """The key is protected and nobody gave its passphrase."""


class Signer(Protocol):
    """A person's key that can sign, wherever it lies."""

    @property
    def public_line(self) -> str:
        """`<algorithm> <base64>`: the key as OpenSSH writes it, without comment."""
        ...

    @property
    def protection(self) -> Protection:
        """What guards the key against use by others."""
        ...

    def sign(self, message: bytes, namespace: str) -> str:
        """An armored SSHSIG over `message`."""
        ...


# --- wire format ------------------------------------------------------------------------------------------------------


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _mpint(value: int) -> bytes:
    return _string(value.to_bytes(value.bit_length() // 8 + 1, "big") if value else b"")


class _Reader:
    """Reads SSH strings from bytes; raises SignatureError at a wrong length."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def take(self, size: int) -> bytes:
        part = self._data[self._position : self._position + size]
        if len(part) != size:
            raise SignatureError("署名が途中で切れています", "the signature is cut short")
        self._position += size
        return part

    def string(self) -> bytes:
        return self.take(int(struct.unpack(">I", self.take(4))[0]))

    def mpint(self) -> int:
        raw = self.string()
        value = int.from_bytes(raw, "big", signed=True)
        if value < 0 or _mpint(value) != _string(raw):
            raise SignatureError("署名中の整数が正準形ではありません", "an integer in the signature is not canonical")
        return value

    def end(self) -> None:
        if self._position != len(self._data):
            raise SignatureError("署名の後に余分なデータがあります", "data follow the signature")


def armor(blob: bytes) -> str:
    """The armored form of an SSHSIG blob: lines of 70 characters, as ssh-keygen writes it."""
    text = base64.b64encode(blob).decode("ascii")
    lines = "".join(text[i : i + 70] + "\n" for i in range(0, len(text), 70))
    return _BEGIN + lines + _END


def unarmor(text: str) -> bytes:
    """The blob in `text`; raises SignatureError unless `armor(blob) == text`."""
    if not text.startswith(_BEGIN) or not text.endswith(_END):
        raise SignatureError("SSH 署名の形ではありません", "not an armored SSH signature")
    try:
        blob = base64.b64decode(text[len(_BEGIN) : -len(_END)].replace("\n", ""), validate=True)
    except ValueError as error:
        raise SignatureError("SSH 署名の base64 が不正です", "bad base64 in the SSH signature") from error
    if armor(blob) != text:
        raise SignatureError("SSH 署名が正準形ではありません", "the SSH signature is not in canonical form")
    return blob


def _signed_data(message: bytes, namespace: str, hash_name: str) -> bytes:
    digest = _HASHES[hash_name](message).digest()
    return _MAGIC + _string(namespace.encode()) + _string(b"") + _string(hash_name.encode()) + _string(digest)


# --- public keys ------------------------------------------------------------------------------------------------------


def public_line_of(key: PublicKey) -> str:
    """`<algorithm> <base64>` of a public key."""
    return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode("ascii")


def normal_public_line(text: str) -> str:
    """`<algorithm> <base64>` of an OpenSSH public key line with or without comment; raises SignatureError.

    FIDO keys (sk-…) are accepted: their signatures come from ssh-agent or ssh-keygen and are verified here.
    """
    parts = text.split()
    if len(parts) < 2:
        raise SignatureError("OpenSSH の公開鍵の行ではありません", "not an OpenSSH public key line")
    line = " ".join(parts[:2])
    _public_key(line)
    return line


def fingerprint(public_line: str) -> str:
    """`SHA256:…` as `ssh-keygen -l` prints it."""
    digest = hashlib.sha256(base64.b64decode(public_line.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode("ascii").rstrip("=")


@dataclass(frozen=True, slots=True)
class _FidoKey:
    key: PublicKey
    application: bytes


def _canonical_blob(encoded: str) -> bytes:
    blob = base64.b64decode(encoded, validate=True)
    if base64.b64encode(blob).decode("ascii") != encoded:
        raise SignatureError("公開鍵の base64 が正準形ではありません", "the base64 of the public key is not canonical")
    return blob


def _fido_key(algorithm: str, blob: bytes) -> _FidoKey:
    reader = _Reader(blob)
    if reader.string() != algorithm.encode():
        raise SignatureError("公開鍵の種別が一致しません", "the type of the public key does not match")
    raw, application = reader.string(), reader.string()
    reader.end()
    return _FidoKey(ed25519.Ed25519PublicKey.from_public_bytes(raw), application)


def _public_key(line: str) -> PublicKey | _FidoKey:
    algorithm, _, encoded = line.partition(" ")
    try:
        blob = _canonical_blob(encoded)
        if algorithm == "sk-ssh-ed25519@openssh.com":
            return _fido_key(algorithm, blob)
        key = serialization.load_ssh_public_key(line.encode("ascii"))
    except SignatureError:
        raise
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureError("公開鍵を読めません", "the public key cannot be read") from error
    if not isinstance(key, ed25519.Ed25519PublicKey | rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise SignatureError("使えない種類の公開鍵です", "a kind of public key that is not supported")
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
        raise SignatureError("2048 ビット未満の RSA 鍵は使えません", "RSA keys below 2048 bits are not accepted")
    if public_line_of(key) != line:
        raise SignatureError("公開鍵が正準形ではありません", "the public key is not in canonical form")
    return key


# --- verification -----------------------------------------------------------------------------------------------------


def _check(key: PublicKey, algorithm: str, blob: bytes, data: bytes) -> None:
    reader = _Reader(blob)
    if isinstance(key, ed25519.Ed25519PublicKey) and algorithm == "ssh-ed25519":
        key.verify(blob, data)
    elif isinstance(key, rsa.RSAPublicKey) and algorithm in ("rsa-sha2-512", "rsa-sha2-256"):
        chosen = hashes.SHA512() if algorithm == "rsa-sha2-512" else hashes.SHA256()
        key.verify(blob, data, padding.PKCS1v15(), chosen)
    elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm == _CURVES[key.curve.name][0]:
        r, s = reader.mpint(), reader.mpint()
        reader.end()
        key.verify(encode_dss_signature(r, s), data, ec.ECDSA(_CURVES[key.curve.name][1]()))
    else:
        raise SignatureError("署名の方式が鍵と合いません", "the signature's algorithm does not fit the key")


def verify(armored: str, message: bytes, namespace: str, public_line: str) -> None:
    """Raise SignatureError unless `armored` is an SSHSIG over `message` by exactly this key in this namespace."""
    reader = _Reader(unarmor(armored))
    if reader.take(6) != _MAGIC or struct.unpack(">I", reader.take(4))[0] != 1:
        raise SignatureError("SSH 署名の版が不明です", "unknown version of SSH signature")
    key_blob, signed_namespace, reserved = reader.string(), reader.string(), reader.string()
    hash_name, signature = reader.string().decode("ascii", "replace"), reader.string()
    reader.end()
    if base64.b64encode(key_blob).decode("ascii") != public_line.partition(" ")[2]:
        raise SignatureError("別の鍵による署名です", "signed by another key")
    if signed_namespace != namespace.encode() or reserved:
        raise SignatureError("署名の用途(namespace)が違います", "the signature is for another namespace")
    if hash_name not in _HASHES:
        raise SignatureError("未知のハッシュ方式です", "unknown hash algorithm")
    data = _signed_data(message, namespace, hash_name)
    inner = _Reader(signature)
    algorithm, blob = inner.string().decode("ascii", "replace"), inner.string()
    key = _public_key(public_line)
    try:
        if isinstance(key, _FidoKey):
            flags_and_counter = inner.take(5)
            inner.end()
            if algorithm != "sk-ssh-ed25519@openssh.com" or not flags_and_counter[0] & 1:
                raise SignatureError("接触確認のない署名です", "signed without touch of the token")
            data = hashlib.sha256(key.application).digest() + flags_and_counter + hashlib.sha256(data).digest()
            _check(key.key, "ssh-ed25519", blob, data)
        else:
            inner.end()
            _check(key, algorithm, blob, data)
    except InvalidSignature as error:
        raise SignatureError("署名が内容と合いません", "the signature does not fit the content") from error


# --- private keys in files --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FileKey:
    """A private key read from an OpenSSH (or PEM) file."""

    private: PrivateKey
    protection: Protection
    path: Path | None = None

    def __repr__(self) -> str:
        return f"FileKey({fingerprint(self.public_line)})"

    @property
    def public_line(self) -> str:
        """The public half."""
        return public_line_of(self.private.public_key())

    def sign(self, message: bytes, namespace: str) -> str:
        """An armored SSHSIG over `message` (SHA-512)."""
        data = _signed_data(message, namespace, "sha512")
        key = self.private
        if isinstance(key, ed25519.Ed25519PrivateKey):
            algorithm, blob = "ssh-ed25519", key.sign(data)
        elif isinstance(key, rsa.RSAPrivateKey):
            algorithm, blob = "rsa-sha2-512", key.sign(data, padding.PKCS1v15(), hashes.SHA512())
        else:
            algorithm, chosen = _CURVES[key.curve.name]
            r, s = decode_dss_signature(key.sign(data, ec.ECDSA(chosen())))
            return seal(self.public_line, namespace, wire_ecdsa(algorithm, r, s))
        return seal(self.public_line, namespace, wire_signature(algorithm, blob))

    def openssh_private_bytes(self) -> bytes:
        """The private key in the clear, as an OpenSSH file: for age in memory, never for a disk."""
        return self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )


def data_to_sign(message: bytes, namespace: str) -> bytes:
    """What a key outside this process (agent, token) has to sign for an SSHSIG over `message`."""
    return _signed_data(message, namespace, "sha512")


def wire_signature(algorithm: str, blob: bytes) -> bytes:
    """A signature in SSH wire form, as `seal` takes it."""
    return _string(algorithm.encode()) + _string(blob)


def wire_ecdsa(algorithm: str, r: int, s: int) -> bytes:
    """An ECDSA signature in SSH wire form."""
    return wire_signature(algorithm, _mpint(r) + _mpint(s))


def digest_of(algorithm: str) -> str:
    """Name (of hashlib) of the hash that an ECDSA algorithm of SSH signs."""
    return next(chosen().name for name, chosen in _CURVES.values() if name == algorithm)


def seal(public_line: str, namespace: str, signature: bytes) -> str:
    """The armored SSHSIG that holds `signature` (SSH wire form: algorithm, blob) over `data_to_sign`."""
    return armor(
        _MAGIC
        + struct.pack(">I", 1)
        + _string(base64.b64decode(public_line.split()[1]))
        + _string(namespace.encode())
        + _string(b"")
        + _string(b"sha512")
        + _string(signature),
    )


def load_private_key(path: Path, passphrase: Callable[[], bytes] | None = None) -> FileKey:
    """The private key in `path`; `passphrase` is called only for a key that needs one.

    Raises KeyAccessError when the file cannot be read, is no supported key, or the passphrase is missing or wrong.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise KeyAccessError(
            f"鍵ファイルを読めません: {path}: {error.strerror}",
            f"cannot read the key file: {path}: {error.strerror}",
        ) from error
    protection: Protection = "none"
    try:
        try:
            key = _load(data, None)
        except TypeError:
            # cryptography raises TypeError for an encrypted key without a password.
            if passphrase is None:
                raise PassphraseNeededError(
                    f"鍵 {path} にはパスフレーズが必要です",
                    f"the key {path} needs its passphrase",
                    hint_ja="--passphrase-file で渡すか、端末から実行してください",
                    hint_en="give --passphrase-file, or run from a terminal",
                ) from None
            protection = "passphrase"
            key = _load(data, passphrase())
    except (ValueError, UnsupportedAlgorithm) as error:
        if protection == "passphrase":
            raise KeyAccessError(
                f"鍵 {path} を開けません。パスフレーズが違うか、ファイルが壊れています",
                f"cannot unlock the key {path}: wrong passphrase or damaged file",
            ) from error
        raise KeyAccessError(
            f"鍵 {path} は読める OpenSSH 秘密鍵ではありません",
            f"{path} is no readable OpenSSH private key",
            hint_ja="Ed25519、RSA(2048 ビット以上)、ECDSA の秘密鍵ファイルを指定してください",
            hint_en="give an Ed25519, RSA (2048 bits or more) or ECDSA private key file",
        ) from error
    if not isinstance(key, ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise KeyAccessError(f"鍵 {path} は使えない種類です", f"the key {path} is of an unsupported kind")
    if (isinstance(key, rsa.RSAPrivateKey) and key.key_size < 2048) or (
        isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name not in _CURVES
    ):
        raise KeyAccessError(f"鍵 {path} は弱いか未対応です", f"the key {path} is too weak or not supported")
    return FileKey(key, protection, path)


def _load(data: bytes, password: bytes | None) -> object:
    if b"BEGIN OPENSSH PRIVATE KEY" in data:
        return serialization.load_ssh_private_key(data, password)
    return serialization.load_pem_private_key(data, password)
