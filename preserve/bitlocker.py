"""BitLocker and BitLocker To Go, through libbde: unlocked by recovery key, password, startup key or a clear key.

libbde is C code: a volume is tried in a child process first (`preserve.isolated.call`), and opened here only with the
key that worked there.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chain_of_custody.errors import EvidenceFormatError
from preserve.derived import DerivedImage, FileObject

if TYPE_CHECKING:
    from preserve.derived import Reader
    from preserve.image import Image
    from preserve.keys import Keys, VolumeKey

_METHODS = {
    0x8000: "AES-CBC 128 with diffuser",
    0x8001: "AES-CBC 256 with diffuser",
    0x8002: "AES-CBC 128",
    0x8003: "AES-CBC 256",
    0x8004: "AES-XTS 128",
    0x8005: "AES-XTS 256",
}
_PROTECTORS = {0x0000: "clear key", 0x0100: "TPM", 0x0200: "startup key", 0x0500: "TPM and PIN", 0x0800: "recovery key",
               0x2000: "password"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Attempt:
    """What trying the keys gave: `key` is the index of the one that fits, -1 for a clear key, None for none."""

    key: int | None
    method: str
    protectors: tuple[str, ...]
    size: int


def _open(reader: Reader, key: VolumeKey | None) -> Any:  # noqa: ANN401 - the binding has no types
    """The volume of libbde; raises EvidenceFormatError where it is none or damaged."""
    import pybde  # noqa: PLC0415 - loaded only for these volumes

    volume = pybde.volume()
    try:
        if key is not None:
            if key.kind == "recovery":
                volume.set_recovery_password(key.value)
            elif key.kind == "password":
                volume.set_password(key.value)
            elif key.kind == "startup":
                volume.read_startup_key(key.value)
        volume.open_file_object(FileObject(reader))
    except (OSError, ValueError, MemoryError) as error:
        # The message of the library may quote what it was given: it is not passed on.
        raise EvidenceFormatError(
            "BitLocker の管理情報を読めません", "the metadata of the BitLocker volume cannot be read"
        ) from (error if key is None else None)
    return volume


def _is_locked(volume: Any) -> bool:  # noqa: ANN401
    try:
        return bool(volume.is_locked())
    except OSError:
        return True


def attempt(reader: Reader, keys: Keys, layer: str) -> Attempt:
    """Try `keys` on the volume, its clear key first. Raises EvidenceFormatError. To be run in a child process."""
    volume = _open(reader, None)
    method = _METHODS.get(int(volume.get_encryption_method()), "unknown method")
    protectors = tuple(
        sorted(
            {
                _PROTECTORS.get(int(one.get_type()), f"0x{int(one.get_type()):04x}")
                for one in (
                    volume.get_key_protector(index) for index in range(min(volume.number_of_key_protectors, 64))
                )
            }
        )
    )
    if not _is_locked(volume):
        return Attempt(-1, method, protectors, int(volume.get_size()))
    for index, key in enumerate(keys):
        if key.kind == "keyfile" or not key.fits(layer):
            continue
        try:
            volume = _open(reader, key)
        except EvidenceFormatError:
            continue
        if not _is_locked(volume):
            return Attempt(index, method, protectors, int(volume.get_size()))
    return Attempt(None, method, protectors, 0)


class BitLockerImage(DerivedImage):
    """The plain text of a BitLocker volume. libbde is called by one thread at a time."""

    threads = 1

    def __init__(self, volume: Image, key: VolumeKey | None, layer: str) -> None:
        self._handle = _open(volume, key)
        if _is_locked(self._handle):
            raise EvidenceFormatError("BitLocker の鍵が合いません", "the key does not fit the BitLocker volume")
        super().__init__(
            min(int(self._handle.get_size()), volume.size),
            layer,
            sector_size=volume.sector_size,
            segments=volume.segments,
        )
        self._lock = threading.Lock()

    def _read(self, offset: int, size: int) -> bytes:
        with self._lock:
            return bytes(self._handle.read_buffer_at_offset(size, offset))
