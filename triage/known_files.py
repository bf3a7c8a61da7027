"""Sets of hashes of known files (NSRL and the like): to be skipped, or marked in the findings.

Read are lists with a hash at the beginning of each line (md5sum, sha256sum), CSV with a header that names columns of
hashes (NSRL RDS, hashdeep), MD5, SHA-1 and SHA-256 together. A known file is known by its whole content alone.

```python
known = KnownFiles((Path("nsrl.txt"),), "skip")
known.match(reader)            # the name of the set, "" for none
```
"""

from __future__ import annotations

import csv
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Literal, Protocol

from chain_of_custody.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

KnownMode = Literal["skip", "mark"]
MOST_HASHES = 5_000_000
"""Of all sets together: each takes about 100 bytes in every process."""
_ALGORITHMS = {16: "md5", 20: "sha1", 32: "sha256"}
_HASH = re.compile(r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{64}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{32})(?![0-9A-Fa-f])")
_COLUMN = re.compile(r"(?i)^\s*\"?(md5|sha-?1|sha-?256)\"?\s*$")


class Reader(Protocol):
    """What is hashed: sized, readable at any offset."""

    @property
    def size(self) -> int:
        """Bytes."""

    def read_at(self, offset: int, size: int, /) -> bytes:
        """Up to `size` bytes from `offset`."""


@dataclass(frozen=True, slots=True)
class KnownFiles:
    """Hash sets by their files, and what is done with files that they hold; picklable, loaded once in each process."""

    paths: tuple[Path, ...]
    mode: KnownMode

    @property
    def sha256(self) -> str:
        """SHA-256 over the hashes of the set files: names the sets in the ledger. Raises UsageError."""
        digest = hashlib.sha256()
        for path in self.paths:
            try:
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
            except OSError as error:
                raise _unreadable(path, error.strerror or "") from error
        return digest.hexdigest()

    def match(self, reader: Reader) -> str:
        """The name of the set that holds the content of `reader`; "" for none. Raises EvidenceError as it reads."""
        hashes = _loaded(self.paths)
        digests = [hashlib.new(_ALGORITHMS[len(one)], usedforsecurity=False) for one in _kinds(self.paths)]
        offset = 0
        while data := reader.read_at(offset, 1 << 20):
            for digest in digests:
                digest.update(data)
            offset += len(data)
        for digest in digests:
            found = hashes.get(digest.digest())
            if found is not None:
                return self.paths[found].name
        return ""


def check_sets(paths: tuple[Path, ...], mode: KnownMode) -> KnownFiles | None:
    """The sets, read once to see that they are some; None for no path. Raises UsageError with file and line."""
    if not paths:
        return None
    _loaded(paths)
    return KnownFiles(paths, mode)


@lru_cache(maxsize=2)
def _loaded(paths: tuple[Path, ...]) -> Mapping[bytes, int]:
    hashes: dict[bytes, int] = {}
    for number, path in enumerate(paths):
        before = len(hashes)
        for one in _hashes(path):
            hashes.setdefault(one, number)
            if len(hashes) > MOST_HASHES:
                raise UsageError(
                    f"既知ファイルのハッシュが多すぎます(上限 {MOST_HASHES:,})",
                    f"too many hashes of known files (at most {MOST_HASHES:,})",
                )
        if len(hashes) == before:
            raise UsageError(
                f"ハッシュがありません: {path}",
                f"no hashes in {path}",
                hint_ja="1 行に 1 つの MD5・SHA-1・SHA-256、または列名のある CSV を指定してください",
                hint_en="give one MD5, SHA-1 or SHA-256 a line, or CSV with names of columns",
            )
    return hashes


@lru_cache(maxsize=2)
def _kinds(paths: tuple[Path, ...]) -> tuple[bytes, ...]:
    """One hash of each length that occurs: only these algorithms are computed."""
    return tuple({len(one): one for one in _loaded(paths)}.values())


def _hashes(path: Path) -> Iterator[bytes]:
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            first = file.readline(1 << 20)
            columns = [number for number, name in enumerate(first.split(",")) if _COLUMN.match(name.strip())]
            if columns:
                for row in csv.reader(file):
                    for column in columns:
                        value = row[column].strip() if column < len(row) else ""
                        if _HASH.fullmatch(value):
                            yield bytes.fromhex(value)
                return
            for line in chain((first,), file):
                found = _HASH.search(line, 0, 4096)
                if found and not line.lstrip().startswith("#"):
                    yield bytes.fromhex(found[0])
    except (OSError, csv.Error) as error:
        raise _unreadable(path, getattr(error, "strerror", None) or type(error).__name__) from error


def _unreadable(path: Path, why: str) -> UsageError:
    return UsageError(f"ハッシュの一覧を読めません: {path}: {why}", f"cannot read the list of hashes {path}: {why}")
