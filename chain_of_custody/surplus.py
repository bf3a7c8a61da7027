"""Disposal of what a case keeps and its scope no longer covers, with proof: the entry first, then the bytes.

```python
dispose(case, "第三者の検出", [Removal(Path("scans/1-a.E01/findings.jsonl"), kept=b"…", count=12)])
```
`record.dispose` names each file with its SHA-256 before and after and the number of things removed, so that a copy held
elsewhere (a backup, the other side's) can be found and disposed of, too. Old bytes are overwritten once and then
unlinked; what a file system or flash medium keeps of them is beyond that, and the entry says so.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chain_of_custody.entries import FileHash
from chain_of_custody.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from chain_of_custody.case import Case
    from chain_of_custody.entries import Entry
    from chain_of_custody.jcs import Json

METHOD = (
    "上書き(0、1 回)のうえ削除。フラッシュ媒体やジャーナルに残る写しは対象外",
    "overwritten with zeros once and removed; copies that flash media or journals keep are not reached",
)
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Removal:
    """A file of the case (path from its folder), what stays of it (None: nothing), and how many things go."""

    path: Path
    kept: Path | None
    count: int


def dispose(case: Case, what: str, reason: str, removals: Sequence[Removal]) -> Entry:
    """Record the disposal and carry it out. `kept` files lie beside the old ones and take their place.

    Raises LedgerError, UsageError (another person's approval is needed); then nothing was removed.
    """
    files: list[Json] = []
    before: list[FileHash] = []
    for one in removals:
        old = FileHash.of_file(case.path / one.path)
        before.append(old)
        line: dict[str, Json] = {"name": one.path.as_posix(), "before": old.sha256, "removed": str(one.count)}
        if one.kept is not None:
            line["after"] = FileHash.of_file(one.kept).sha256
        files.append(line)
    body: dict[str, Json] = {
        "what": what,
        "method": " / ".join(METHOD),
        "who": case.operator().id,
        "proof": reason,
        "files": files,
    }
    entry = case.append("record.dispose", body, inputs=before)
    for one in removals:
        _remove(case.path / one.path, one.kept)
    return entry


def _remove(old: Path, kept: Path | None) -> None:
    try:
        with old.open("r+b") as file:
            left = file.seek(0, os.SEEK_END)
            file.seek(0)
            while left > 0:
                left -= file.write(bytes(min(left, _PIECE)))
            file.flush()
            os.fsync(file.fileno())
        if kept is not None:
            kept.replace(old)
        else:
            old.unlink()
    except OSError as error:
        raise LedgerError(
            f"廃棄を記録しましたが、削除できません: {old.name}: {error.strerror}",
            f"the disposal is recorded, but this cannot be removed: {old.name}: {error.strerror}",
        ) from error
