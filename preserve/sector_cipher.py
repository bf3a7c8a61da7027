"""AES over sectors, many at once: XTS and CBC as disk encryption uses them.

Tweaks and chaining are computed in arrays, so that the cipher itself runs over a whole buffer in one call (AES-NI in
OpenSSL); a call for each sector would cost more than the cipher.
Sources: IEEE 1619-2007 (XTS); dm-crypt of the Linux kernel (plain, plain64, ESSIV).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

if TYPE_CHECKING:
    from numpy.typing import NDArray

Mode = Literal["xts", "cbc"]
IvKind = Literal["plain", "plain64", "plain64be", "essiv:sha256", "null"]
_STEP = 1 << 20  # bytes decrypted at once


def _ecb(key: bytes, data: bytes, *, decrypt: bool) -> NDArray[np.uint64]:
    cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305 - the modes are built from single blocks here
    worker = cipher.decryptor() if decrypt else cipher.encryptor()
    return np.frombuffer(worker.update(data), dtype="<u8").reshape(-1, 2)


class SectorCipher:
    """Decrypts sectors of `sector_size` bytes; the number of a sector makes its tweak or initialisation vector.

    `key` is both halves for XTS. Raises ValueError for a key length that AES does not have.
    """

    def __init__(self, mode: Mode, key: bytes, *, iv: IvKind = "plain64", sector_size: int = 512) -> None:
        self.mode = mode
        self.sector_size = sector_size
        self._iv = iv
        if mode == "xts":
            self._key, self._iv_key = key[: len(key) // 2], key[len(key) // 2 :]
        else:
            self._key = key
            self._iv_key = hashlib.sha256(key).digest() if iv == "essiv:sha256" else b""
        algorithms.AES(self._key)  # checks the length

    def _vectors(self, first: int, count: int, step: int) -> NDArray[np.uint64]:
        """Tweaks or initialisation vectors of the sectors first, first + step …: uint64[count, 2]."""
        numbers = np.arange(count, dtype=np.uint64) * np.uint64(step) + np.uint64(first)
        vectors = np.zeros((count, 2), dtype="<u8")
        match self._iv:
            case "null":
                pass
            case "plain":
                vectors[:, 0] = numbers & np.uint64(0xFFFFFFFF)
            case "plain64be":
                vectors[:, 1] = numbers.byteswap()
            case _:
                vectors[:, 0] = numbers
        if self.mode == "xts" or self._iv == "essiv:sha256":
            return _ecb(self._iv_key, vectors.tobytes(), decrypt=False)
        return vectors

    def decrypt(self, data: bytes, first: int, *, step: int = 1) -> bytes:
        """Decrypt whole sectors, of which the first has the number `first` and each next one `step` more."""
        parts = []
        per_part = _STEP // self.sector_size
        for at in range(0, len(data) // self.sector_size, per_part):
            part = data[at * self.sector_size : (at + per_part) * self.sector_size]
            count = len(part) // self.sector_size
            parts.append(self._part(part[: count * self.sector_size], first + at * step, count, step))
        return b"".join(parts)

    def _part(self, data: bytes, first: int, count: int, step: int) -> bytes:
        blocks = self.sector_size // 16
        vectors = self._vectors(first, count, step)
        cipher = np.frombuffer(data, dtype="<u8").reshape(count, blocks, 2)
        if self.mode == "cbc":
            before = np.empty_like(cipher)
            before[:, 1:] = cipher[:, :-1]
            before[:, 0] = vectors
            return (_ecb(self._key, data, decrypt=True).reshape(cipher.shape) ^ before).tobytes()
        tweaks = np.empty((count, blocks, 2), dtype="<u8")
        low, high = vectors[:, 0].copy(), vectors[:, 1].copy()
        one, top = np.uint64(1), np.uint64(63)
        for block in range(blocks):
            tweaks[:, block, 0], tweaks[:, block, 1] = low, high
            # Multiplication by x in GF(2^128) of IEEE 1619.
            carry = high >> top
            high = (high << one) | (low >> top)
            low = (low << one) ^ (carry * np.uint64(0x87))
        whitened = (cipher ^ tweaks).tobytes()
        return (_ecb(self._key, whitened, decrypt=True).reshape(cipher.shape) ^ tweaks).tobytes()
