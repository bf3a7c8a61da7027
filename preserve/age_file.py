"""Files encrypted with age (age-encryption.org/v1), read at any place in memory, never decrypted onto a disk.

```python
sealed = FileReader(Path("disk.E01.age"))      # what lies on the disk
clear = AgeReader(sealed, read_identities(Path("key.txt")), name="disk.E01.age")
clear.read_at(0, 512)                          # decrypts one chunk of 64 KiB
```
Format: C2SP `age.md`. A header of stanzas, each of which holds the file key for one recipient (X25519, scrypt,
ssh-ed25519), and an HMAC over it; then 16 bytes of nonce and chunks of 64 KiB, each sealed with ChaCha20-Poly1305
under a nonce that counts the chunks and marks the last. A changed, moved or cut chunk fails its tag.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import threading
from collections import OrderedDict
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from chain_of_custody.errors import EvidenceError, EvidenceFormatError, KeyAccessError, UsageError
from chain_of_custody.masking import mask_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from preserve.derived import Reader

MAGIC = b"age-encryption.org/v1\n"
CHUNK_BYTES = 65_536
IDENTITY_VARIABLE = "HOZEN_AGE_IDENTITY"
"""Paths of identity files, as in PATH: how child processes learn them. It holds names of files, never keys."""
_TAG_BYTES = 16
_NONCE_BYTES = 16
_MOST_HEADER = 1 << 20  # bytes; a hostile header must not fill the memory
_MOST_STANZAS = 1000
_MOST_WORK = 20  # log2 of the rounds of scrypt: 1 GiB of memory, as much as age itself accepts by default is 22
_WORK = 16
_KEPT_CHUNKS = 32
_KEPT_KEYS = 1024
_X25519_INFO = b"age-encryption.org/v1/X25519"
_SCRYPT_LABEL = b"age-encryption.org/v1/scrypt"
_SSH_INFO = b"age-encryption.org/v1/ssh-ed25519"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_ARGUMENT = re.compile(rb"[\x21-\x7e]+")


class AgeKeyMissingError(EvidenceError):
    """The file is encrypted and none of the given keys opens it."""


class AgeDamagedError(OSError):
    """A chunk of an age file does not authenticate: it was altered, moved or cut off."""


@dataclass(frozen=True, slots=True)
class Stanza:
    """One recipient's part of a header: kind, arguments and body."""

    kind: str
    arguments: tuple[str, ...]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Header:
    """The header of an age file; `size` is its length in bytes, `signed` what the MAC covers."""

    stanzas: tuple[Stanza, ...]
    mac: bytes = field(repr=False)
    signed: bytes = field(repr=False)
    size: int


def is_age(head: bytes) -> bool:
    """Whether a file that begins with `head` is an age file (not armored)."""
    return head.startswith(MAGIC)


def _damaged(name: str, ja: str, en: str) -> EvidenceFormatError:
    shown = mask_text(name)
    return EvidenceFormatError(f"{shown}: age のヘッダーが不正です: {ja}", f"{shown}: damaged age header: {en}")


def _unpadded(text: bytes) -> bytes:
    """Base64 without padding that re-encodes to itself; raises ValueError."""
    data = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    if base64.b64encode(data).rstrip(b"=") != text:
        raise ValueError("not canonical")
    return data


def parse_header(data: bytes, *, name: str = "") -> Header:
    """The header at the start of `data`. Raises EvidenceFormatError."""
    if not is_age(data):
        raise _damaged(name, "age ファイルではありません", "not an age file")
    position = len(MAGIC)
    stanzas: list[Stanza] = []

    def line() -> bytes:
        nonlocal position
        end = data.find(b"\n", position)
        if end < 0:
            raise _damaged(name, "途中で終わっています", "it ends early")
        found = data[position:end]
        position = end + 1
        return found

    try:
        while True:
            start = position
            one = line()
            if one.startswith(b"--- "):
                mac = _unpadded(one[4:])
                if len(mac) != 32 or not stanzas:
                    raise _damaged(name, "MAC か宛先がありません", "no MAC or no recipient")
                return Header(tuple(stanzas), mac, data[: start + 3], position)
            parts = one.split(b" ")
            if parts[0] != b"->" or len(parts) < 2 or not all(_ARGUMENT.fullmatch(part) for part in parts[1:]):
                raise _damaged(name, "宛先の行が読めません", "a line of a recipient cannot be read")
            body = bytearray()
            while True:
                wrapped = line()
                if len(wrapped) > 64:
                    raise _damaged(name, "行が長すぎます", "a line is too long")
                body += _unpadded(wrapped)
                if len(wrapped) < 64:
                    break
            stanzas.append(
                Stanza(parts[1].decode("ascii"), tuple(part.decode("ascii") for part in parts[2:]), bytes(body))
            )
            if len(stanzas) > _MOST_STANZAS:
                raise _damaged(name, "宛先が多すぎます", "too many recipients")
    except ValueError as error:
        raise _damaged(name, "base64 が不正です", "invalid base64") from error


def _hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - start-up time
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    return HKDF(SHA256(), 32, salt, info).derive(key)


def _unwrap(key: bytes, body: bytes) -> bytes | None:
    """The 16 bytes of the file key sealed in `body`; None where the key does not fit."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305  # noqa: PLC0415

    if len(body) != 16 + _TAG_BYTES:
        return None
    try:
        return ChaCha20Poly1305(key).decrypt(bytes(12), body, None)
    except InvalidTag:
        return None


def _exchange(scalar: bytes, point: bytes) -> bytes | None:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey  # noqa: PLC0415

    try:
        return X25519PrivateKey.from_private_bytes(scalar).exchange(X25519PublicKey.from_public_bytes(point))
    except ValueError:  # a point of small order, or not 32 bytes
        return None


def _public(scalar: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey  # noqa: PLC0415

    return X25519PrivateKey.from_private_bytes(scalar).public_key().public_bytes_raw()


@dataclass(frozen=True, slots=True)
class X25519Identity:
    """An identity of `age-keygen` (AGE-SECRET-KEY-1…)."""

    scalar: bytes = field(repr=False)

    def file_key(self, stanza: Stanza) -> bytes | None:
        """The file key, if the stanza is for this identity."""
        if stanza.kind != "X25519" or len(stanza.arguments) != 1:
            return None
        share = _unpadded(stanza.arguments[0].encode())
        shared = _exchange(self.scalar, share)
        if shared is None:
            return None
        return _unwrap(_hkdf(shared, share + _public(self.scalar), _X25519_INFO), stanza.body)


@dataclass(frozen=True, slots=True)
class SshIdentity:
    """An OpenSSH Ed25519 key; `seed` are its 32 private bytes, `wire` the public key as SSH writes it."""

    seed: bytes = field(repr=False)
    wire: bytes

    def file_key(self, stanza: Stanza) -> bytes | None:
        """The file key, if the stanza is for this key."""
        if stanza.kind != "ssh-ed25519" or len(stanza.arguments) != 2:
            return None
        if _unpadded(stanza.arguments[0].encode()) != hashlib.sha256(self.wire).digest()[:4]:
            return None
        share = _unpadded(stanza.arguments[1].encode())
        scalar = hashlib.sha512(self.seed).digest()[:32]
        shared = _exchange(scalar, share)
        tweaked = None if shared is None else _exchange(_hkdf(b"", self.wire, _SSH_INFO), shared)
        if tweaked is None:
            return None
        return _unwrap(_hkdf(tweaked, share + _public(scalar), _SSH_INFO), stanza.body)


@dataclass(frozen=True, slots=True)
class Passphrase:
    """A passphrase (scrypt)."""

    secret: bytes = field(repr=False)

    def file_key(self, stanza: Stanza) -> bytes | None:
        """The file key, if the passphrase fits; None also where the work asked for is beyond reason."""
        if stanza.kind != "scrypt" or len(stanza.arguments) != 2 or not stanza.arguments[1].isdecimal():
            return None
        work, salt = int(stanza.arguments[1][:4]), _unpadded(stanza.arguments[0].encode())
        if not 1 <= work <= _MOST_WORK or len(salt) != 16:
            return None
        return _unwrap(_scrypt(self.secret, salt, work), stanza.body)


def _scrypt(passphrase: bytes, salt: bytes, work: int) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt  # noqa: PLC0415

    return Scrypt(_SCRYPT_LABEL + salt, 32, 1 << work, 8, 1).derive(passphrase)


Identity = X25519Identity | SshIdentity | Passphrase


def _bech32(text: str) -> bytes:
    """The data of a Bech32 text (BIP 173) of `age-secret-key-`; raises ValueError."""
    lower = text.lower()
    if text not in (lower, text.upper()):
        raise ValueError("mixed case")
    prefix, _, data = lower.rpartition("1")
    values = [_BECH32.index(one) for one in data]
    check = 1
    generators = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
    for value in (*(ord(one) >> 5 for one in prefix), 0, *(ord(one) & 31 for one in prefix), *values):
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate(generators):
            check ^= generator if top >> place & 1 else 0
    if prefix != "age-secret-key-" or check != 1:
        raise ValueError("not an age identity")
    number = 0
    for value in values[:-6]:
        number = number << 5 | value
    spare = len(values[:-6]) * 5 - 256
    if not 0 <= spare < 5 or number & ((1 << spare) - 1):
        raise ValueError("not 32 bytes")
    return (number >> spare).to_bytes(32, "big")


def read_identities(path: Path, passphrase: Callable[[], bytes] | None = None) -> list[Identity]:
    """The identities in a file: of `age-keygen`, an OpenSSH Ed25519 key, or a line `passphrase:…`.

    `passphrase` unlocks an OpenSSH key that has one. Raises KeyAccessError, which never says what stands in the file.
    """
    name = mask_text(str(path))
    try:
        data = path.read_bytes()[: 1 << 20]
    except OSError as error:
        raise KeyAccessError(
            f"鍵のファイルを読めません: {name}: {error.strerror}", f"cannot read the identity file {name}"
        ) from error
    if b"-----BEGIN OPENSSH PRIVATE KEY-----" in data:
        return [_ssh_identity(data, name, passphrase)]
    found: list[Identity] = []
    for raw in data.splitlines():
        line = raw.strip()
        try:
            if line.upper().startswith(b"AGE-SECRET-KEY-1"):
                found.append(X25519Identity(_bech32(line.decode("ascii"))))
            elif line.startswith(b"passphrase:"):
                found.append(Passphrase(raw.rstrip(b"\r\n").partition(b"passphrase:")[2]))
            elif line and not line.startswith(b"#"):
                raise _no_identity(name)
        except ValueError:
            raise _no_identity(name) from None
    if not found:
        raise _no_identity(name)
    return found


def _no_identity(name: str) -> KeyAccessError:
    return KeyAccessError(
        f"age の鍵のファイルではありません: {name}",
        f"not a file of age identities: {name}",
        hint_ja="age-keygen の出力、OpenSSH の Ed25519 秘密鍵、または「passphrase:…」の行を持つファイルです",
        hint_en="it is the output of age-keygen, an OpenSSH Ed25519 private key, or has a line passphrase:…",
    )


def _ssh_identity(data: bytes, name: str, passphrase: Callable[[], bytes] | None) -> SshIdentity:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

    try:
        try:
            key = serialization.load_ssh_private_key(data, None)
        except (ValueError, TypeError):  # a TypeError says that it has a passphrase
            if passphrase is None:
                raise
            key = serialization.load_ssh_private_key(data, passphrase())
    except (ValueError, TypeError) as error:
        raise KeyAccessError(
            f"OpenSSH の鍵を開けません(パスフレーズ付きか、壊れています): {name}",
            f"cannot open the OpenSSH key (it has a passphrase, or is damaged): {name}",
            hint_ja="--passphrase-file を指定するか、パスフレーズのない age の鍵を使ってください",
            hint_en="give --passphrase-file, or use an age identity",
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_identity(name)
    public = key.public_key().public_bytes_raw()
    wire = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + public
    return SshIdentity(key.private_bytes_raw(), wire)


def open_file_key(header: Header, identities: Sequence[Identity], *, name: str = "") -> bytes:
    """The file key, with the MAC of the header checked. Raises AgeKeyMissingError, EvidenceFormatError."""
    if any(stanza.kind == "scrypt" for stanza in header.stanzas) and len(header.stanzas) > 1:
        raise _damaged(name, "scrypt は単独でなければなりません", "scrypt must stand alone")
    for identity in identities:
        for stanza in header.stanzas:
            try:
                key = identity.file_key(stanza)
            except ValueError as error:
                raise _damaged(name, "宛先の引数が不正です", "malformed argument of a recipient") from error
            if key is None:
                continue
            mac = hmac.new(_hkdf(key, b"", b"header"), header.signed, hashlib.sha256).digest()
            if not hmac.compare_digest(mac, header.mac):
                raise _damaged(name, "ヘッダーが改変されています(MAC 不一致)", "the header was altered (MAC)")
            return key
    kinds = ", ".join(sorted({mask_text(stanza.kind)[:40] for stanza in header.stanzas}))
    shown = mask_text(name)
    raise AgeKeyMissingError(
        f"{shown}: 暗号化されており、開ける鍵がありません(宛先: {kinds})",
        f"{shown}: encrypted, and no key fits (recipients: {kinds})",
        hint_ja=f"--identity FILE か環境変数 {IDENTITY_VARIABLE} で鍵を指定してください",
        hint_en=f"give the key with --identity FILE or in the environment variable {IDENTITY_VARIABLE}",
    )


_known_keys: OrderedDict[bytes, bytes] = OrderedDict()
_known_lock = threading.Lock()


def _file_key(header: Header, identities: Sequence[Identity], name: str) -> bytes:
    """The file key; those found are kept in memory, because scrypt takes a second for each time a segment is opened."""
    place = hashlib.sha256(header.signed + header.mac).digest()
    with _known_lock:
        if place in _known_keys:
            return _known_keys[place]
    key = open_file_key(header, identities, name=name)
    with _known_lock:
        _known_keys[place] = key
        while len(_known_keys) > _KEPT_KEYS:
            _known_keys.popitem(last=False)
    return key


class AgeReader:
    """The clear bytes of an age file as a `preserve.derived.Reader`; safe to use from several threads.

    The last chunk is opened at once, so that a file that was cut or lengthened is refused, not read short. Raises
    AgeKeyMissingError without a fitting key, EvidenceFormatError for a damaged header or end; `read_at` raises
    AgeDamagedError (an OSError) for a chunk that does not authenticate.
    """

    def __init__(self, sealed: Reader, identities: Sequence[Identity], *, name: str = "") -> None:
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305  # noqa: PLC0415

        self._sealed, self._name = sealed, name
        header = _read_header(sealed, name)
        nonce = sealed.read_at(header.size, _NONCE_BYTES)
        self._start = header.size + _NONCE_BYTES
        body = sealed.size - self._start
        whole = CHUNK_BYTES + _TAG_BYTES
        self._chunks = max(1, -(-body // whole))
        last = body - (self._chunks - 1) * whole
        if len(nonce) < _NONCE_BYTES or last < _TAG_BYTES or (last == _TAG_BYTES and self._chunks > 1):
            raise _damaged(name, "本体が途中で切れています", "the body is cut short")
        self.size = body - self._chunks * _TAG_BYTES
        key = _file_key(header, identities, name)
        self._cipher = ChaCha20Poly1305(_hkdf(key, nonce, b"payload"))
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()
        try:
            self._chunk(self._chunks - 1)
        except AgeDamagedError as error:
            raise _damaged(name, "末尾が改変されたか、切られています", "its end was altered or cut off") from error

    def __repr__(self) -> str:
        return f"AgeReader({mask_text(self._name)!r}, {self.size} bytes)"

    def _chunk(self, number: int) -> bytes:
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415

        with self._lock:
            if number in self._kept:
                self._kept.move_to_end(number)
                return self._kept[number]
        place = self._start + number * (CHUNK_BYTES + _TAG_BYTES)
        sealed = self._sealed.read_at(place, CHUNK_BYTES + _TAG_BYTES)
        try:
            clear = self._cipher.decrypt(_nonce(number, last=number == self._chunks - 1), sealed, None)
        except InvalidTag as error:
            name = mask_text(self._name)
            raise AgeDamagedError(5, f"{name}: chunk {number} at byte {place} is damaged (authentication)") from error
        with self._lock:
            self._kept[number] = clear
            while len(self._kept) > _KEPT_CHUNKS:
                self._kept.popitem(last=False)
        return clear

    def read_at(self, offset: int, size: int, /) -> bytes:
        """See `preserve.derived.Reader.read_at`."""
        end = min(offset + max(0, size), self.size) if offset >= 0 else offset
        parts: list[bytes] = []
        while offset < end:
            number, inside = divmod(offset, CHUNK_BYTES)
            part = self._chunk(number)[inside : inside + end - offset]
            parts.append(part)
            offset += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _read_header(sealed: Reader, name: str) -> Header:
    """The header, read in growing parts."""
    size = 4096
    while True:
        data = sealed.read_at(0, size)
        try:
            return parse_header(data, name=name)
        except EvidenceFormatError:
            if len(data) < size or size >= _MOST_HEADER:
                raise
            size *= 4


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\1" if last else b"\0")


def passphrase_encrypt(source: BinaryIO, target: BinaryIO, passphrase: bytes) -> None:
    """Encrypt `source` with a passphrase (scrypt, 2^16 rounds) into an age file, in bounded memory."""
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305  # noqa: PLC0415

    key, salt, nonce = secrets.token_bytes(16), secrets.token_bytes(16), secrets.token_bytes(_NONCE_BYTES)
    body = ChaCha20Poly1305(_scrypt(passphrase, salt, _WORK)).encrypt(bytes(12), key, None)

    def plain(data: bytes) -> bytes:
        return base64.b64encode(data).rstrip(b"=")

    signed = MAGIC + b"-> scrypt " + plain(salt) + f" {_WORK}\n".encode() + plain(body) + b"\n---"
    mac = hmac.new(_hkdf(key, b"", b"header"), signed, hashlib.sha256).digest()
    target.write(signed + b" " + plain(mac) + b"\n" + nonce)
    cipher = ChaCha20Poly1305(_hkdf(key, nonce, b"payload"))
    number, here = 0, source.read(CHUNK_BYTES)
    while True:
        after = source.read(CHUNK_BYTES) if len(here) == CHUNK_BYTES else b""
        target.write(cipher.encrypt(_nonce(number, last=not after), here, None))
        if not after:
            return
        number, here = number + 1, after


# --- which keys this run has ------------------------------------------------------------------------------------------


_given: dict[str, list[Identity]] = {}


def offer(identities: Sequence[Path]) -> None:
    """Let this process and its children open age files with the identities in these files. Raises KeyAccessError.

    Children read the files again; their names stand in the environment.
    """
    for path in identities:
        _given[str(path.absolute())] = read_identities(path)
    known = [one for one in os.environ.get(IDENTITY_VARIABLE, "").split(os.pathsep) if one]
    names = dict.fromkeys([*known, *(str(path.absolute()) for path in identities)])
    if any(os.pathsep in name for name in names if name not in known):
        raise UsageError(
            f"鍵のファイル名に「{os.pathsep}」は使えません", f"the path of an identity file holds {os.pathsep!r}"
        )
    if names:
        os.environ[IDENTITY_VARIABLE] = os.pathsep.join(names)


@contextmanager
def offered(identities: Sequence[Path]) -> Iterator[None]:
    """The same as `offer` for the time of a block."""
    before = os.environ.get(IDENTITY_VARIABLE)
    kept = dict(_given)
    try:
        offer(identities)
        yield
    finally:
        _given.clear()
        _given.update(kept)
        if before is None:
            os.environ.pop(IDENTITY_VARIABLE, None)
        else:
            os.environ[IDENTITY_VARIABLE] = before
        with _known_lock:
            _known_keys.clear()


def identities_offered() -> list[Identity]:
    """The identities of this run. Raises KeyAccessError for a file that cannot be read."""
    from pathlib import Path  # noqa: PLC0415 - only for names in the environment

    found: list[Identity] = []
    for name in os.environ.get(IDENTITY_VARIABLE, "").split(os.pathsep):
        if not name:
            continue
        if name not in _given:
            _given[name] = read_identities(Path(name))
        found += _given[name]
    return found


def clear_reader(sealed: Reader, *, name: str) -> Reader:
    """`sealed` itself, or what is inside where it is an age file. Raises as `AgeReader`."""
    if not is_age(sealed.read_at(0, len(MAGIC))):
        return sealed
    return AgeReader(sealed, identities_offered(), name=name)


def read_head(path: Path, size: int) -> bytes:
    """The first bytes of a file, of what is inside where it is an age file. Raises as `AgeReader`, and OSError."""
    from preserve.derived import FileReader  # noqa: PLC0415 - only needed here

    with closing(FileReader(path)) as sealed:
        return clear_reader(sealed, name=path.name).read_at(0, size)


def clear_name(name: str) -> str:
    """`disk.E01` for `disk.E01.age`: what says which segment a file is."""
    return name[:-4] if name.lower().endswith(".age") else name
