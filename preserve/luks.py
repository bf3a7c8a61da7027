"""LUKS 1 and 2: a volume encrypted by dm-crypt, opened with a passphrase or a key file.

Formats: "LUKS1 On-Disk Format Specification" 1.2.3, "LUKS2 On-Disk Format Specification" 1.1.1.
AES in XTS and CBC is read; a header may name any cost for its passphrase, so that is bounded.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chain_of_custody.errors import EvidenceFormatError
from preserve.derived import DerivedImage
from preserve.sector_cipher import SectorCipher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from preserve.derived import Reader
    from preserve.image import Image
    from preserve.keys import Keys

MAGIC = b"LUKS\xba\xbe"
_HASHES = ("sha1", "sha224", "sha256", "sha384", "sha512")
_MOST_ITERATIONS = 200_000_000
_MOST_MEMORY_KIB = 4 << 20
_MOST_STRIPES = 4000
_LARGEST_JSON = 4 << 20
_SECTOR = 512


@dataclass(frozen=True, slots=True)
class _Slot:
    """A key slot: how a passphrase becomes a key, and where the master key lies under it."""

    number: str
    kdf: dict[str, Any]
    salt: bytes
    key_size: int
    offset: int
    stripes: int
    af_hash: str
    cipher: str
    area_key_size: int


@dataclass(frozen=True, slots=True)
class _Header:
    """What is needed to unlock a volume; `digests` are (hash, iterations, salt, digest, slots)."""

    version: int
    identifier: str
    cipher: str
    offset: int
    size: int
    sector_size: int
    iv_tweak: int
    slots: list[_Slot]
    digests: list[tuple[str, int, bytes, bytes, frozenset[str]]] = field(default_factory=list)


def _unsupported(ja: str, en: str) -> EvidenceFormatError:
    return EvidenceFormatError(f"LUKS を開けません: {ja}", f"LUKS cannot be opened: {en}")


def _cipher(spec: str, key: bytes, sector_size: int) -> SectorCipher:
    name, _, mode = spec.partition("-")
    chaining, _, iv = mode.partition("-")
    if name != "aes" or chaining not in ("xts", "cbc") or iv not in ("plain", "plain64", "plain64be", "essiv:sha256"):
        raise _unsupported(f"暗号方式 {spec[:40]} は読めません", f"the cipher {spec[:40]} is not read")
    try:
        return SectorCipher(chaining, key, iv=iv, sector_size=sector_size)  # type: ignore[arg-type]  # checked above
    except ValueError as error:
        raise _unsupported("鍵の長さが不正です", "impossible key length") from error


def _header_1(reader: Reader) -> _Header:
    raw = reader.read_at(0, 592)
    if len(raw) < 592:
        raise _unsupported("見出しが切れています", "its header is cut off")
    name, mode, hashed = (raw[at : at + 32].split(b"\0", 1)[0].decode("ascii", "replace") for at in (8, 40, 72))
    payload, key_size = struct.unpack_from(">II", raw, 104)
    digest, salt, iterations = raw[112:132], raw[132:164], int.from_bytes(raw[164:168], "big")
    identifier = raw[168:208].split(b"\0", 1)[0].decode("ascii", "replace")
    slots = []
    for number in range(8):
        active, rounds = struct.unpack_from(">II", raw, 208 + 48 * number)
        slot_salt = raw[216 + 48 * number : 248 + 48 * number]
        offset, stripes = struct.unpack_from(">II", raw, 248 + 48 * number)
        if active == 0x00AC71F3:
            kdf = {"type": "pbkdf2", "hash": hashed, "iterations": rounds}
            slots.append(
                _Slot(
                    str(number), kdf, slot_salt, key_size, offset * _SECTOR, stripes, hashed, f"{name}-{mode}", key_size
                )
            )
    offset = payload * _SECTOR
    numbers = frozenset(slot.number for slot in slots)
    return _Header(
        1,
        identifier,
        f"{name}-{mode}",
        offset,
        reader.size - offset,
        _SECTOR,
        0,
        slots,
        [(hashed, iterations, salt, digest, numbers)],
    )


def _json_2(reader: Reader) -> tuple[dict[str, Any], str]:
    """The metadata of LUKS2, from the first header whose checksum holds, and the volume's identifier."""
    places = [0, *(0x4000 << power for power in range(9))]
    for place in places:
        raw = reader.read_at(place, 4096)
        if raw[:6] not in (MAGIC, b"SKUL\xba\xbe") or raw[6:8] != b"\0\2":
            continue
        (size,) = struct.unpack_from(">Q", raw, 8)
        if not 4096 < size <= _LARGEST_JSON:
            continue
        algorithm = raw[72:104].split(b"\0", 1)[0].decode("ascii", "replace")
        whole = reader.read_at(place, size)
        if algorithm not in _HASHES or len(whole) < size:
            continue
        digest = hashlib.new(algorithm, whole[:448] + bytes(64) + whole[512:]).digest()
        if digest != whole[448 : 448 + len(digest)]:
            continue
        try:
            value = json.loads(whole[4096:].split(b"\0", 1)[0])
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            return value, raw[168:208].split(b"\0", 1)[0].decode("ascii", "replace")
    raise _unsupported("見出しが両方とも壊れています", "both of its headers are damaged")


def _header_2(reader: Reader) -> _Header:
    value, identifier = _json_2(reader)
    try:
        segments = sorted(value["segments"].items(), key=lambda one: int(one[0]))
        segment_number, segment = segments[0]
        if len(segments) > 1 or segment["type"] != "crypt":
            raise _unsupported(
                "再暗号化の途中か未知の区画です", "in the middle of re-encryption, or an unknown segment"
            )
        offset = int(segment["offset"])
        size = reader.size - offset if segment["size"] == "dynamic" else int(segment["size"])
        slots = []
        for number, slot in sorted(value["keyslots"].items(), key=lambda one: int(one[0])):
            if slot.get("type") != "luks2":
                continue
            area, af = slot["area"], slot["af"]
            slots.append(
                _Slot(
                    number,
                    dict(slot["kdf"]),
                    base64.b64decode(slot["kdf"]["salt"]),
                    int(slot["key_size"]),
                    int(area["offset"]),
                    int(af["stripes"]),
                    str(af["hash"]),
                    str(area["encryption"]),
                    int(area["key_size"]),
                )
            )
        digests = [
            (
                str(one["hash"]),
                int(one["iterations"]),
                base64.b64decode(one["salt"]),
                base64.b64decode(one["digest"]),
                frozenset(one["keyslots"]),
            )
            for one in value["digests"].values()
            if one.get("type") == "pbkdf2" and segment_number in one["segments"]
        ]
        return _Header(
            2,
            identifier,
            str(segment["encryption"]),
            offset,
            size,
            int(segment.get("sector_size", 512)),
            int(segment.get("iv_tweak", 0)),
            slots,
            digests,
        )
    except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise _unsupported("管理情報が不正です", "its metadata make no sense") from error


def _header(reader: Reader) -> _Header:
    raw = reader.read_at(0, 8)
    header = _header_1(reader) if raw == MAGIC + b"\0\1" else _header_2(reader)
    if header.sector_size not in (512, 1024, 2048, 4096) or not 0 < header.offset <= reader.size:
        raise _unsupported("管理情報が不正です", "its metadata make no sense")
    return header


def _derive(slot: _Slot, secret: bytes) -> bytes:
    """The key of a slot's area from a passphrase. Raises EvidenceFormatError where its cost is beyond all measure."""
    kind = slot.kdf.get("type")
    if not 0 < slot.area_key_size <= 128:
        raise _unsupported("鍵の長さが不正です", "impossible key length")
    if kind == "pbkdf2":
        rounds, hashed = int(slot.kdf["iterations"]), str(slot.kdf["hash"])
        if not 0 < rounds <= _MOST_ITERATIONS or hashed not in _HASHES:
            raise _unsupported("鍵導出の設定が範囲外です", "its key derivation is out of bounds")
        return hashlib.pbkdf2_hmac(hashed, secret, slot.salt, rounds, slot.area_key_size)
    if kind in ("argon2i", "argon2id"):
        from cryptography.hazmat.primitives.kdf import argon2  # noqa: PLC0415 - rare

        time, memory, lanes = (int(slot.kdf[name]) for name in ("time", "memory", "cpus"))
        if not (0 < time <= 10_000 and 8 <= memory <= _MOST_MEMORY_KIB and 0 < lanes <= 64):
            raise _unsupported("鍵導出の設定が範囲外です", "its key derivation is out of bounds")
        derive = getattr(argon2, "Argon2id" if kind == "argon2id" else "Argon2i", None)
        if derive is None:
            raise _unsupported(f"{kind} を計算できません", f"{kind} cannot be computed here")
        key: bytes = derive(
            salt=slot.salt, length=slot.area_key_size, iterations=time, lanes=lanes, memory_cost=memory
        ).derive(secret)
        return key
    raise _unsupported("未知の鍵導出です", "unknown key derivation")


def _diffuse(block: bytes, hashed: str) -> bytes:
    """The diffuser of the anti-forensic splitter: each hash-sized part hashed with its number."""
    size = hashlib.new(hashed).digest_size
    parts = []
    for number, at in enumerate(range(0, len(block), size)):
        part = block[at : at + size]
        parts.append(hashlib.new(hashed, number.to_bytes(4, "big") + part).digest()[: len(part)])
    return b"".join(parts)


def _merge(material: bytes, key_size: int, stripes: int, hashed: str) -> bytes:
    """Undo the anti-forensic splitter."""
    state = bytes(key_size)
    for number in range(stripes):
        part = material[number * key_size : (number + 1) * key_size]
        mixed = (int.from_bytes(state, "big") ^ int.from_bytes(part, "big")).to_bytes(key_size, "big")
        state = mixed if number == stripes - 1 else _diffuse(mixed, hashed)
    return state


def _master_key(reader: Reader, header: _Header, slot: _Slot, secret: bytes) -> bytes | None:
    """The master key under `slot`, or None where `secret` is not its passphrase."""
    if not 0 < slot.key_size <= 128 or not 0 < slot.stripes <= _MOST_STRIPES or slot.af_hash not in _HASHES:
        raise _unsupported("鍵スロットが不正です", "a key slot makes no sense")
    size = -(-slot.key_size * slot.stripes // _SECTOR) * _SECTOR
    area = reader.read_at(slot.offset, size)
    if len(area) < size:
        return None
    material = _cipher(slot.cipher, _derive(slot, secret), _SECTOR).decrypt(area, 0)
    key = _merge(material, slot.key_size, slot.stripes, slot.af_hash)
    for hashed, rounds, salt, digest, slots in header.digests:
        bounded = hashed in _HASHES and 0 < rounds <= _MOST_ITERATIONS
        fits = slot.number in slots and bounded
        if fits and hashlib.pbkdf2_hmac(hashed, key, salt, rounds, len(digest)) == digest:
            return key
    return None


@dataclass(frozen=True, slots=True)
class Unlocked:
    """A volume key that was found: it opens the volume without a derivation in every process."""

    master_key: bytes = field(repr=False)
    description: str = ""


def unlock(reader: Reader, keys: Keys, layer: str) -> Unlocked | None:
    """Try the passphrases and key files of `keys` on all slots; None where none fits. Raises EvidenceError."""
    header = _header(reader)
    _cipher(header.cipher, bytes(64), header.sector_size)  # what cannot be read is said before keys are tried
    for key in keys:
        if key.kind not in ("password", "keyfile") or not key.fits(layer):
            continue
        for slot in header.slots:
            master = _master_key(reader, header, slot, key.secret)
            if master is not None:
                return Unlocked(master, f"LUKS{header.version}, {header.cipher}, key slot {slot.number}")
    return None


class LuksImage(DerivedImage):
    """The plain text of a LUKS volume."""

    def __init__(self, volume: Image, master_key: bytes, layer: str) -> None:
        header = _header(volume)
        super().__init__(
            min(header.size, volume.size - header.offset), layer, sector_size=512, segments=volume.segments
        )
        self._volume = volume
        self._start = header.offset
        self._tweak = header.iv_tweak
        self._cipher = _cipher(header.cipher, master_key, header.sector_size)
        self._size -= self._size % header.sector_size

    def _read(self, offset: int, size: int) -> bytes:
        sector = self._cipher.sector_size
        first = offset // sector * sector
        end = -(-(offset + size) // sector) * sector
        data = self._volume.read_at(self._start + first, end - first)
        step = sector // _SECTOR
        plain = self._cipher.decrypt(data, self._tweak + first // _SECTOR, step=step)
        return plain[offset - first : offset - first + size]

    def unreadable(self) -> Sequence[Any]:
        """See `Image.unreadable`; with what the volume under it could not read, moved to plain offsets."""
        from preserve.image import UnreadableRange, join_ranges  # noqa: PLC0415

        below = [
            UnreadableRange(max(0, one.offset - self._start), one.size, one.reason, one.detail)
            for one in self._volume.unreadable()
            if one.offset + one.size > self._start
        ]
        return join_ranges([*super().unreadable(), *below])
