"""A process that verifies Ed25519 signatures, started by `signature_pool` by its path; it imports nothing of hozen.

It reads batches from standard input and answers each on standard output. A batch is a count (4 bytes, big-endian) and
for each signature 32 bytes of key, 64 of signature, a length (4 bytes), the message; the answer a byte each, 1 = fits.

Which signatures fit: RFC 8032 §5.1.7 as OpenSSL and ssh-keygen apply it, so that `verify.sh` never says anything else.
`S` must be below the order of the group, and `[S]B - [k]A` must encode to the very bytes of `R` (no factor 8).
libsodium (PyNaCl), twice as fast, refuses some of these in addition (keys and `R` of small order, keys that are not in
reduced form), so its yes is enough and its no is asked again of OpenSSL. Without PyNaCl, or with a libsodium that
multiplies by the cofactor and so would say yes where OpenSSL says no, OpenSSL decides alone.
"""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    Check = Callable[[bytes, bytes, bytes], bool]

_TORSION = (
    # A key, and a signature whose R has a part of order 8: fits only if both sides are multiplied by the cofactor.
    bytes.fromhex("7767a3242dc9b58bbc68488c1265cc6cc5f26c6f3c88a5d55e901b0734dca572"),
    bytes.fromhex(
        "6999d5cb5126005c325892f1c6eab824b310708befff12fbaf45dda050cb12f0"
        "e46ee97e5a1a899065aaa1e82a6b568fef191d65d80956a0a2182e8ab3985a01",
    ),
    b"cofactor",
)


def openssl_fits(key: bytes, signature: bytes, message: bytes) -> bool:
    """OpenSSL's verdict on an Ed25519 signature; a key that is no point fits nothing."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _libsodium() -> Check | None:
    """The check of libsodium, where PyNaCl is installed and its yes is one of OpenSSL's."""
    try:
        from nacl.bindings import crypto_sign_open  # noqa: PLC0415 - may be missing
        from nacl.exceptions import CryptoError  # noqa: PLC0415
    except ImportError:
        return None

    def check(key: bytes, signature: bytes, message: bytes) -> bool:
        try:
            crypto_sign_open(signature + message, key)
        except (CryptoError, ValueError, TypeError):
            return False
        return True

    return None if check(*_TORSION) else check


_fast_fits = _libsodium()


def fits(key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether `signature` (64 bytes) over `message` is by the Ed25519 key `key` (32 bytes), by the rule above."""
    if len(signature) != 64:
        return False
    if _fast_fits is not None and _fast_fits(key, signature, message):
        return True
    return openssl_fits(key, signature, message)


def _exactly(source: BinaryIO, size: int) -> bytes:
    data = source.read(size)
    if len(data) != size:
        raise EOFError
    return data


def _verify_batch(source: BinaryIO) -> bytes:
    answer = bytearray()
    for _ in range(struct.unpack(">I", _exactly(source, 4))[0]):
        key, signature, size = struct.unpack(">32s64sI", _exactly(source, 100))
        answer.append(fits(key, signature, _exactly(source, size)))
    return bytes(answer)


def serve(source: BinaryIO, target: BinaryIO) -> None:
    """Answer batches until the input ends."""
    try:
        while True:
            target.write(_verify_batch(source))
            target.flush()
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
