"""Locked Office documents (MS-OFFCRYPTO 2.3.4): opened where one of the given passwords fits, said as locked else.

Agile encryption (Office 2010 and later) and standard encryption (Office 2007).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import struct
from typing import TYPE_CHECKING, NamedTuple

from triage.extractors.model import ExtractionError, LimitReachedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.extractors.model import Context

_SPIN_LIMIT = 10_000_000
_SEGMENT_BYTES = 4096
_KEY_BLOCK = bytes.fromhex("146e0be7abacd0d6")
_INPUT_BLOCK = bytes.fromhex("fea7d2763b4b9e79")
_VALUE_BLOCK = bytes.fromhex("d7aa0f6d3061344e")
_HASHES = {"SHA1": "sha1", "SHA256": "sha256", "SHA384": "sha384", "SHA512": "sha512"}
_ELEMENT = re.compile(rb"<(?:\w+:)?(keyData|encryptedKey)\s([^>]*?)/?>")
_ATTRIBUTE = re.compile(rb"(\w+)\s*=\s*\"([^\"]*)\"")


def _locked() -> ExtractionError:
    return ExtractionError("encrypted", "Office 文書が暗号化されています", "the office document is encrypted")


def _cbc(key: bytes, vector: bytes, data: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415 - only when needed

    decryptor = Cipher(algorithms.AES(key), modes.CBC(vector)).decryptor()
    return decryptor.update(data[: len(data) & ~15]) + decryptor.finalize()


def _ecb(key: bytes, data: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415 - only when needed

    decryptor = Cipher(algorithms.AES(key), modes.ECB()).decryptor()  # noqa: S305 - the format's own mode
    return decryptor.update(data[: len(data) & ~15]) + decryptor.finalize()


class _Agile(NamedTuple):
    """One of the two elements of the agile description."""

    salt: bytes
    hash_name: str
    key_bytes: int
    block_bytes: int
    spin: int
    values: dict[str, bytes]


def _agile(attributes: bytes) -> _Agile:
    found = {key.decode("ascii", "replace"): value for key, value in _ATTRIBUTE.findall(attributes)}

    def number(name: str, default: int = 0) -> int:
        raw = found.get(name, b"")
        return int(raw) if raw.isdigit() and len(raw) < 10 else default

    def raw(name: str) -> bytes:
        try:
            return base64.b64decode(found.get(name, b""))
        except binascii.Error:
            return b""

    hash_name = _HASHES.get(found.get("hashAlgorithm", b"").decode("ascii", "replace").replace("-", ""), "")
    if not hash_name or found.get("cipherAlgorithm") != b"AES" or b"CBC" not in found.get("cipherChaining", b""):
        raise ExtractionError("encrypted", "この暗号方式は未対応です", "this encryption method is not supported")
    names = ("encryptedVerifierHashInput", "encryptedVerifierHashValue", "encryptedKeyValue")
    if number("spinCount") > _SPIN_LIMIT:
        raise LimitReachedError("鍵導出が重すぎます", "the key derivation is too costly")
    return _Agile(
        raw("saltValue"),
        hash_name,
        number("keyBits") // 8,
        number("blockSize", 16),
        number("spinCount"),
        {name: raw(name) for name in names},
    )


def _spun(hash_name: str, salt: bytes, password: str, spin: int, context: Context) -> bytes:
    value = hashlib.new(hash_name, salt + password.encode("utf-16-le")).digest()
    for start in range(0, spin, 1 << 14):
        context.check_time()
        for count in range(start, min(start + (1 << 14), spin)):
            value = hashlib.new(hash_name, struct.pack("<I", count) + value).digest()
    return value


def _agile_key(info: bytes, context: Context) -> tuple[bytes, _Agile]:
    """The key of the package and its description; raises `ExtractionError` where no password fits."""
    elements = {name: _agile(attributes) for name, attributes in _ELEMENT.findall(info)}
    if b"keyData" not in elements or b"encryptedKey" not in elements:
        raise _locked()
    lock = elements[b"encryptedKey"]
    vector = lock.salt.ljust(lock.block_bytes, b"\x36")[: lock.block_bytes]
    for password in context.passwords:
        base = _spun(lock.hash_name, lock.salt, password, lock.spin, context)

        def opened(block: bytes, name: str, base: bytes = base) -> bytes:
            key = hashlib.new(lock.hash_name, base + block).digest().ljust(lock.key_bytes, b"\x36")[: lock.key_bytes]
            return _cbc(key, vector, lock.values[name])

        check = hashlib.new(lock.hash_name, opened(_INPUT_BLOCK, "encryptedVerifierHashInput")).digest()
        expected = opened(_VALUE_BLOCK, "encryptedVerifierHashValue")[: len(check)]
        if hmac.compare_digest(check, expected):
            return opened(_KEY_BLOCK, "encryptedKeyValue")[: lock.key_bytes], elements[b"keyData"]
    raise _locked()


def _standard_key(info: bytes, context: Context) -> bytes:
    """The key of a package in standard encryption; raises `ExtractionError` where no password fits."""
    header_size = struct.unpack_from("<I", info, 8)[0]
    header = info[12 : 12 + header_size]
    if len(header) < 32:
        raise _locked()
    _, _, algorithm, _, key_bits = struct.unpack_from("<5I", header)
    if algorithm not in (0x660E, 0x660F, 0x6610) or key_bits not in (128, 192, 256):
        raise ExtractionError("encrypted", "この暗号方式は未対応です", "this encryption method is not supported")
    verifier = info[12 + header_size :]
    salt_size = struct.unpack_from("<I", verifier)[0]
    salt, clear, _, check = (
        verifier[4 : 4 + salt_size],
        verifier[4 + salt_size : 20 + salt_size],
        verifier[20 + salt_size : 24 + salt_size],
        verifier[24 + salt_size : 56 + salt_size],
    )
    for password in context.passwords:
        base = _spun("sha1", salt, password, 50_000, context)
        final = hashlib.sha1(base + bytes(4), usedforsecurity=False).digest()
        inner, outer = (
            hashlib.sha1(
                bytes(byte ^ pad for byte, pad in zip(final.ljust(64, b"\0"), bytes((pad,)) * 64, strict=True)),
                usedforsecurity=False,
            ).digest()
            for pad in (0x36, 0x5C)
        )
        key = (inner + outer)[: key_bits // 8]
        expected = hashlib.sha1(_ecb(key, clear), usedforsecurity=False).digest()
        if hmac.compare_digest(expected, _ecb(key, check)[:20]):
            return key
    raise _locked()


def opened_package(info: bytes, package: bytes, context: Context) -> bytes:
    """The document inside an EncryptedPackage stream; raises `ExtractionError` where it stays locked or is damaged."""
    if len(info) < 12 or len(package) < 8 or not context.passwords:
        raise _locked()
    size = struct.unpack_from("<Q", package)[0]
    body = package[8:]
    try:
        if info[:4] == b"\x04\x00\x04\x00":
            key, description = _agile_key(info[8:], context)
            clear = b"".join(_segments(body, key, description))
        elif struct.unpack_from("<H", info, 2)[0] == 2:
            clear = _ecb(_standard_key(info, context), body)
        else:
            raise ExtractionError("encrypted", "この暗号方式は未対応です", "this encryption method is not supported")
    except (ValueError, struct.error):
        raise ExtractionError("damaged", "暗号化情報が壊れています", "the encryption information is damaged") from None
    context.spend(len(clear))
    return clear[:size]


def _segments(body: bytes, key: bytes, description: _Agile) -> Iterator[bytes]:
    for number, start in enumerate(range(0, len(body), _SEGMENT_BYTES)):
        vector = hashlib.new(description.hash_name, description.salt + struct.pack("<I", number)).digest()
        vector = vector.ljust(description.block_bytes, b"\x36")[: description.block_bytes]
        yield _cbc(key, vector, body[start : start + _SEGMENT_BYTES])
