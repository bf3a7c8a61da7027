"""The Ed25519 key of a session: made in memory, never written, wiped when the session ends.

```python
key = new_session_key()
key.public                # 32 bytes
key.sign(b"payload")      # 64 bytes; RFC 8032, so every implementation gives the same
key.wipe()
```
libsodium (PyNaCl) signs in two thirds of OpenSSL's time, and a ledger signs twice an entry; where it is missing,
OpenSSL does it. Either way the private half lies in C memory, outside Python's objects, and is overwritten when it is
given up.
"""

from __future__ import annotations

import importlib
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class SessionKey(Protocol):
    """What signs entries: a key in memory, or one that ssh-agent holds."""

    def sign(self, data: bytes, /) -> bytes:
        """The 64 bytes of an Ed25519 signature."""
        ...


class NewSessionKey(SessionKey, Protocol):
    """A key that was just made; `public` is the 32 bytes of its public half."""

    public: bytes

    def wipe(self) -> None:
        """Overwrite the private half; the key signs no more."""
        ...


class OpenSslKey:
    """A key in OpenSSL's memory, which it overwrites when it frees it."""

    def __init__(self, key: Ed25519PrivateKey | None = None) -> None:
        self._key: Ed25519PrivateKey | None = key or Ed25519PrivateKey.generate()
        self.public = self._key.public_key().public_bytes_raw()

    def sign(self, data: bytes) -> bytes:
        """The 64 bytes of an Ed25519 signature. Raises ValueError after `wipe`."""
        if self._key is None:
            raise ValueError("the key was wiped")
        return self._key.sign(data)

    def wipe(self) -> None:
        """Give up the key."""
        self._key = None


class SodiumKey:
    """A key in a buffer of libsodium's C interface. Raises ImportError or AttributeError where PyNaCl lacks that."""

    def __init__(self) -> None:
        # Not the public interface of PyNaCl, which keeps private keys in Python's bytes, that nothing can overwrite.
        module = importlib.import_module("nacl._sodium")
        self._ffi, self._lib = module.ffi, module.lib
        public = self._ffi.new("unsigned char[32]")
        self._private: Any = self._ffi.new("unsigned char[64]")
        self._wipe = self._lib.sodium_memzero
        self._lib.crypto_sign_keypair(public, self._private)
        self.public = bytes(self._ffi.buffer(public))

    def sign(self, data: bytes) -> bytes:
        """The 64 bytes of an Ed25519 signature. Raises ValueError after `wipe`."""
        if self._private is None:
            raise ValueError("the key was wiped")
        size = len(data)
        signed = self._ffi.new("unsigned char[]", 64 + size)
        self._lib.crypto_sign(signed, self._ffi.NULL, data, size, self._private)
        return bytes(self._ffi.buffer(signed, 64))

    def wipe(self) -> None:
        """Overwrite the private half."""
        private, self._private = self._private, None
        if private is not None:
            self._wipe(private, 64)

    def __del__(self) -> None:
        # A session that nobody closed.
        if getattr(self, "_private", None) is not None:
            self.wipe()


def new_session_key() -> NewSessionKey:
    """A fresh key, in the faster of the two libraries that is there."""
    try:
        return SodiumKey()
    except (ImportError, AttributeError):
        return OpenSslKey()
