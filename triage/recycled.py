r"""Where files in the recycle bin came from: `$R…` holds the content, the `$I…` beside it the path and the time.

```python
bin_ = RecycleBin(evidence)
bin_.origin("/$Recycle.Bin/S-1-5-21-…/$RABC123.xlsx")   # Recycled(path="C:\\Users\\…", deleted_ns=…)
```
Format: libyal "Windows Recycle.Bin file formats", versions 1 (Vista to 8.1) and 2 (10 and 11).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from chain_of_custody.errors import EvidenceError

if TYPE_CHECKING:
    from preserve.evidence import Evidence

_CONTENT = re.compile(r"(.*/\$Recycle\.Bin/[^/]+)/(\$R([^/.]{1,12})(?:\.[^/]*)?)(/.*)?\Z", re.IGNORECASE)
_LARGEST = 1 << 16
_MOST = 200_000
_EPOCH_NS = 11_644_473_600_000_000_000  # from 1601 to 1970


class Recycled(NamedTuple):
    """Path before it was thrown away (with its drive), and when that was, in ns since 1970 UTC (None: not set)."""

    path: str
    deleted_ns: int | None


def parse(data: bytes) -> Recycled | None:
    """What a file `$I…` says; None where it is none."""
    version = int.from_bytes(data[:8], "little")
    if len(data) < 26 or version not in (1, 2):
        return None
    filetime = int.from_bytes(data[16:24], "little")
    # Version 1 keeps room for 260 characters, version 2 says how many there are.
    start, size = (24, 520) if version == 1 else (28, 2 * int.from_bytes(data[24:28], "little"))
    raw = data[start : start + size]
    path = raw.decode("utf-16-le", "replace").partition("\0")[0]
    if not path or not 0 <= filetime < 1 << 63:
        return None
    return Recycled(path, filetime * 100 - _EPOCH_NS if filetime else None)


class RecycleBin:
    """All recycle bins of a medium; `$I…` files are read when the first path asks for them."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._about: dict[str, Recycled] | None = None

    def origin(self, path: str) -> Recycled | None:
        """Where the file at `path` (unmasked) lay before, itself or the folder around it; None for all others."""
        match = _CONTENT.match(path)
        if match is None:
            return None
        if self._about is None:
            self._about = self._read()
        folder, name, _, below = match.groups()
        found = self._about.get(f"{folder}/$I{name[2:]}".casefold())
        if found is None:
            return None
        return found._replace(path=found.path + (below or "").replace("/", "\\"))

    def _read(self) -> dict[str, Recycled]:
        about: dict[str, Recycled] = {}
        evidence = self._evidence
        for entry in evidence.entries:
            folder, _, name = entry.path.rpartition("/")
            if name[:2].casefold() != "$i" or "/$recycle.bin/" not in f"{folder}/".casefold():
                continue
            filesystem = evidence.filesystems.get(entry.volume)
            # Parsers in C work in children only.
            if filesystem is None or filesystem.kind != "ntfs" or entry.name_only or not 24 < entry.size <= _LARGEST:
                continue
            try:
                found = parse(filesystem.open(entry.id).read_at(0, entry.size))
            except EvidenceError:
                continue
            key = entry.path.casefold()
            # A live record is worth more than a deleted one of the same name.
            if found is not None and (key not in about or entry.state == "allocated"):
                about[key] = found
            if len(about) >= _MOST:
                break
        return about
