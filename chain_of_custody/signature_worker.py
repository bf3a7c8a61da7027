"""A process that verifies Ed25519 signatures, started by `signature_pool` by its path; it imports nothing of hozen.

It reads batches from standard input and answers each on standard output. A batch is a count (4 bytes, big-endian) and
for each signature 32 bytes of key, 64 of signature, a length (4 bytes), the message; the answer a byte each, 1 = fits.
"""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

if TYPE_CHECKING:
    from typing import BinaryIO


def _exactly(source: BinaryIO, size: int) -> bytes:
    data = source.read(size)
    if len(data) != size:
        raise EOFError
    return data


def _verify_batch(source: BinaryIO, keys: dict[bytes, Ed25519PublicKey]) -> bytes:
    answer = bytearray()
    for _ in range(struct.unpack(">I", _exactly(source, 4))[0]):
        raw, signature, size = struct.unpack(">32s64sI", _exactly(source, 100))
        message = _exactly(source, size)
        try:
            key = keys.get(raw)
            if key is None:
                key = keys[raw] = Ed25519PublicKey.from_public_bytes(raw)
            key.verify(signature, message)
        except (InvalidSignature, ValueError):
            answer.append(0)
        else:
            answer.append(1)
    return bytes(answer)


def serve(source: BinaryIO, target: BinaryIO) -> None:
    """Answer batches until the input ends."""
    keys: dict[bytes, Ed25519PublicKey] = {}
    try:
        while True:
            target.write(_verify_batch(source, keys))
            target.flush()
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
