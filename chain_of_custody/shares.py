r"""秘密分散 (割符): a secret in n shares of which any k give it back and k-1 say nothing about it.

Two forms. A **key** (16 to 32 bytes, an even number) becomes n lists of words after SLIP-39, which people can write
down and check. A **file** of any size becomes n share files: Shamir's scheme over GF(2^8), each byte with fresh random
coefficients, so a share is as long as the file and fewer than k are, with certainty and not by effort, uniformly random
bytes (A. Shamir, "How to share a secret", 1979). A share file:

    {"v":1,"set":<hex>,"threshold":k,"shares":n,"index":i,"name":…,"size":…,"salted_sha256":…}\n
    <32 + size bytes: the share of (32 random bytes, content)>
    <32 bytes: SHA-256 of everything before>

The last 32 bytes show that one share is unharmed. `salted_sha256` covers salt and content: with the salt shared out,
too, it tells that the joined content is right and nothing about it before. Index i is the point x = i.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from chain_of_custody.errors import EvidenceError, TargetError, UsageError, VerificationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

SALT_BYTES = 32
MOST_SHARES = 32
MOST_FILE_BYTES = 4 << 30
"""A share is as large as its file: larger things are encrypted, and their key is split."""
_CHUNK = 1 << 20
_HEADER_BYTES = 4096
_TAIL = 32


class ShareError(EvidenceError):
    """A share is damaged, belongs to another set, or too few are there."""


@dataclass(frozen=True, slots=True)
class ShareHeader:
    """The first line of a share file."""

    set_id: str
    threshold: int
    shares: int
    index: int
    name: str
    size: int
    salted_sha256: str


# --- arithmetic in GF(2^8), polynomial x^8+x^4+x^3+x+1 ----------------------------------------------------------------


def _tables() -> tuple[bytes, bytes]:
    exponent, logarithm = bytearray(512), bytearray(256)
    value = 1
    for power in range(255):
        exponent[power] = exponent[power + 255] = value
        logarithm[value] = power
        value ^= (value << 1) ^ (0x11B if value & 0x80 else 0)
        value &= 0xFF
    return bytes(exponent), bytes(logarithm)


_EXPONENT, _LOGARITHM = _tables()


def _product(a: int, b: int) -> int:
    return _EXPONENT[_LOGARITHM[a] + _LOGARITHM[b]] if a and b else 0


def _inverse(a: int) -> int:
    return _EXPONENT[255 - _LOGARITHM[a]]


def _times(factor: int) -> bytes:
    """The table of x -> factor·x, for `bytes.translate`."""
    return bytes(_product(factor, value) for value in range(256))


def _sum(parts: Sequence[bytes]) -> bytes:
    total = 0
    for part in parts:
        total ^= int.from_bytes(part, "little")
    return total.to_bytes(len(parts[0]), "little")


def _weights(points: Sequence[int]) -> list[int]:
    """Lagrange weights at 0 of the polynomial through `points`."""
    weights = []
    for one in points:
        weight = 1
        for other in points:
            if other != one:
                weight = _product(weight, _product(other, _inverse(other ^ one)))
        weights.append(weight)
    return weights


# --- keys as words ----------------------------------------------------------------------------------------------------


def split_key(secret: bytes, threshold: int, shares: int) -> list[str]:
    """Lists of words (SLIP-39, one group, no passphrase). Raises UsageError for sizes that SLIP-39 has not."""
    _check_numbers(threshold, shares, most=16)
    if not 16 <= len(secret) <= 32 or len(secret) % 2:
        raise UsageError(
            "語に分けられるのは 16〜32 バイト(偶数)の鍵だけです",
            "only keys of 16 to 32 bytes, an even number, can become words",
            hint_ja="ファイルとして分けてください(--words を付けない)",
            hint_en="split it as a file (without --words)",
        )
    import shamir_mnemonic  # noqa: PLC0415 - only here

    return list(shamir_mnemonic.generate_mnemonics(1, [(threshold, shares)], secret)[0])


def join_key(words: Sequence[str]) -> bytes:
    """The key behind enough lists of words; raises ShareError and says which list is wrong."""
    import shamir_mnemonic  # noqa: PLC0415 - only here
    from shamir_mnemonic.share import Share  # noqa: PLC0415

    wrong = []
    for number, mnemonic in enumerate(words, 1):
        try:
            Share.from_mnemonic(mnemonic)
        except shamir_mnemonic.MnemonicError:
            wrong.append(number)
    if wrong:
        listed = ", ".join(map(str, wrong))
        raise ShareError(f"誤りのある語の列: {listed} 番目", f"wrong words in list {listed}")
    try:
        return bytes(shamir_mnemonic.combine_mnemonics(list(words)))
    except shamir_mnemonic.MnemonicError as error:
        raise ShareError(f"鍵を復元できません: {error}", f"the key cannot be joined: {error}") from None


def write_private(target: Path, data: bytes) -> None:
    """A new file that only its owner may read; raises TargetError."""
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise TargetError(f"既にあります: {target}", f"exists already: {target}") from None
    except OSError as error:
        raise TargetError(
            f"書けません: {target}: {error.strerror}", f"cannot write {target}: {error.strerror}"
        ) from None


# --- files ------------------------------------------------------------------------------------------------------------


def _check_numbers(threshold: int, shares: int, *, most: int = MOST_SHARES) -> None:
    if not 2 <= threshold <= shares <= most:
        raise UsageError(
            f"分散の数が不正です: {shares} 個のうち {threshold} 個",
            f"not possible: {threshold} of {shares} shares",
            hint_ja=f"2 以上 {most} 以下で、必要数は個数以下にしてください",
            hint_en=f"from 2 to {most}, and the threshold at most the number of shares",
        )


def split_file(
    source: Path,
    targets: Sequence[Path],
    threshold: int,
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> ShareHeader:
    """Write one share to each of `targets`, which must not exist; returns the header of the first.

    Raises UsageError, TargetError, EvidenceError (the source changed or cannot be read).
    """
    _check_numbers(threshold, len(targets))
    try:
        size = source.stat().st_size
        file = source.open("rb")
    except OSError as error:
        raise EvidenceError(
            f"読めません: {source}: {error.strerror}", f"cannot read {source}: {error.strerror}"
        ) from None
    if size > MOST_FILE_BYTES:
        file.close()
        raise UsageError(
            f"大きすぎます({size:,} バイト)",
            f"too large to be split as a whole ({size:,} bytes)",
            hint_ja="preserve encrypt で暗号化し、その鍵を分散してください",
            hint_en="encrypt it with preserve encrypt and split the key",
        )
    salt = secrets.token_bytes(SALT_BYTES)
    digest = hashlib.sha256(salt)
    with file:
        while data := file.read(_CHUNK):
            digest.update(data)
        set_id = secrets.token_hex(8)
        headers = [
            ShareHeader(set_id, threshold, len(targets), index, source.name, size, digest.hexdigest())
            for index in range(1, len(targets) + 1)
        ]
        outputs: list[BinaryIO] = []
        try:
            outputs.extend(target.open("xb") for target in targets)
            file.seek(0)
            _write_shares(file, salt, headers, outputs, advance)
        except BaseException as error:
            # A half-written set is no set: what this run made is taken away again.
            for output, target in zip(outputs, targets, strict=False):
                output.close()
                target.unlink(missing_ok=True)
            if isinstance(error, FileExistsError):
                raise TargetError(f"既にあります: {error.filename}", f"exists already: {error.filename}") from None
            if isinstance(error, OSError):
                raise TargetError(f"書けません: {error.strerror}", f"cannot write: {error.strerror}") from None
            raise
        for output in outputs:
            output.close()
    return headers[0]


def _write_shares(
    file: BinaryIO,
    salt: bytes,
    headers: Sequence[ShareHeader],
    outputs: Sequence[BinaryIO],
    advance: Callable[[int], None],
) -> None:
    first = headers[0]
    sums = [_Summed(output) for output in outputs]
    for header, out in zip(headers, sums, strict=True):
        out.write(_encoded(header))
    tables = [[_times(_power(header.index, degree)) for degree in range(1, first.threshold)] for header in headers]
    left = first.size
    data = salt
    while data:
        random = [secrets.token_bytes(len(data)) for _ in range(first.threshold - 1)]
        for out, powers in zip(sums, tables, strict=True):
            out.write(_sum([data, *(row.translate(power) for row, power in zip(random, powers, strict=True))]))
        advance(len(data))
        data = file.read(min(_CHUNK, left))
        left -= len(data)
    if left or file.read(1):
        raise EvidenceError("分散する間にファイルが変わりました", "the file changed while it was split")
    for out in sums:
        out.finish()


def _power(base: int, exponent: int) -> int:
    value = 1
    for _ in range(exponent):
        value = _product(value, base)
    return value


class _Summed:
    """A file that is hashed as it is written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)

    def finish(self) -> None:
        self._file.write(self._digest.digest())
        self._file.flush()
        os.fsync(self._file.fileno())


def _encoded(header: ShareHeader) -> bytes:
    line: dict[str, Any] = {
        "v": 1,
        "set": header.set_id,
        "threshold": header.threshold,
        "shares": header.shares,
        "index": header.index,
        "name": header.name,
        "size": header.size,
        "salted_sha256": header.salted_sha256,
    }
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def read_header(share: Path) -> tuple[ShareHeader, int]:
    """The header of a share file and the offset of its body; raises ShareError."""
    try:
        with share.open("rb") as file:
            line = file.readline(_HEADER_BYTES)
        value = json.loads(line)
        header = ShareHeader(
            str(value["set"]),
            int(value["threshold"]),
            int(value["shares"]),
            int(value["index"]),
            str(value["name"]),
            int(value["size"]),
            str(value["salted_sha256"]),
        )
        sound = (
            value["v"] == 1
            and line.endswith(b"\n")
            and 2 <= header.threshold <= header.shares <= MOST_SHARES
            and 1 <= header.index <= header.shares
            and 0 <= header.size <= MOST_FILE_BYTES
        )
    except OSError as error:
        raise ShareError(f"読めません: {share}: {error.strerror}", f"cannot read {share}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        raise ShareError(f"分散片ではありません: {share}", f"not a share: {share}")
    return header, len(line)


def check_share(share: Path, *, advance: Callable[[int], None] = lambda _: None) -> ShareHeader:
    """Whether one share is unharmed; raises ShareError with its name where it is not."""
    header, start = read_header(share)
    length = start + SALT_BYTES + header.size
    digest = hashlib.sha256()
    try:
        with share.open("rb") as file:
            left = length
            while left and (data := file.read(min(_CHUNK, left))):
                digest.update(data)
                left -= len(data)
                advance(len(data))
            tail = file.read(_TAIL + 1)
    except OSError as error:
        raise ShareError(f"読めません: {share}: {error.strerror}", f"cannot read {share}: {error.strerror}") from None
    if left or tail != digest.digest():
        raise ShareError(
            f"分散片が壊れているか、書き換えられています: {share}",
            f"the share is damaged or altered: {share}",
            hint_ja="この片を除き、別の片を使ってください",
            hint_en="leave it out and use another one",
        )
    return header


def join_file(
    shares: Sequence[Path],
    target: Path,
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> ShareHeader:
    """Join enough shares into `target`, which must not exist.

    Raises ShareError (damaged, of different sets, too few), VerificationError (the joined content is not the one that
    was split), TargetError.
    """
    headers = [check_share(share) for share in shares]
    first = headers[0]
    by_index: dict[int, Path] = {}
    for header, share in zip(headers, shares, strict=True):
        if header.set_id != first.set_id:
            raise ShareError(f"別の組の分散片です: {share}", f"{share} belongs to another set (not {first.set_id})")
        by_index.setdefault(header.index, share)
    if len(by_index) < first.threshold:
        lacking = sorted(set(range(1, first.shares + 1)) - set(by_index))
        listed = ", ".join(map(str, lacking))
        raise ShareError(
            f"分散片が足りません: {first.threshold} 個必要、{len(by_index)} 個(無いもの: {listed} 番)",
            f"too few shares: {first.threshold} are needed, {len(by_index)} are here (not here: number {listed})",
        )
    points = sorted(by_index)[: first.threshold]
    with ExitStack() as opened:
        files = [opened.enter_context(by_index[point].open("rb")) for point in points]
        try:
            out = target.open("xb")
        except FileExistsError:
            raise TargetError(f"既にあります: {target}", f"exists already: {target}") from None
        except OSError as error:
            raise TargetError(
                f"書けません: {target}: {error.strerror}", f"cannot write {target}: {error.strerror}"
            ) from None
        try:
            with out:
                digest = _write_joined(files, out, first.size, _weights(points), advance)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
    if digest != first.salted_sha256:
        target.unlink()
        raise VerificationError(
            "復元した内容が、分散したときのものと一致しません",
            "what was joined is not what was split",
            hint_ja="別の片の組合せを試してください",
            hint_en="try other shares of the set",
        )
    return first


def _write_joined(
    files: Sequence[BinaryIO], out: BinaryIO, size: int, weights: Sequence[int], advance: Callable[[int], None]
) -> str:
    """Write the content; returns SHA-256 (hex) over salt and content."""
    tables = [_times(weight) for weight in weights]
    digest = hashlib.sha256()
    for file in files:
        file.readline(_HEADER_BYTES)
    left = SALT_BYTES + size
    salt = SALT_BYTES
    while left:
        parts = [file.read(min(_CHUNK, left)) for file in files]
        data = _sum([part.translate(table) for part, table in zip(parts, tables, strict=True)])
        digest.update(data)
        out.write(data[salt:])
        salt = 0
        left -= len(data)
        advance(len(data))
    out.flush()
    os.fsync(out.fileno())
    return digest.hexdigest()
