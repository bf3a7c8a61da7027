r"""A file that parsers read, wherever it lies: on an image, in a folder, or alone.

```python
file = local_file(Path("logs/System.evtx"))
file.head[:8]                       # b"ElfFile\0"
file.read_at(4096, 512)
log = file.sibling("SYSTEM.LOG1")   # in the same folder; None where there is none
```
"""

from __future__ import annotations

import io
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from preserve.file_times import FileTime
from timeline.event import NO_DATA, State, ZoneBasis

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from chain_of_custody.scope import Scope

HEAD_BYTES = 4096
_BUFFER_BYTES = 1 << 20


class Reader(Protocol):
    """The bytes of a file."""

    @property
    def size(self) -> int:
        """Bytes of content."""

    def read_at(self, offset: int, size: int, /) -> bytes:
        """Read `size` bytes at `offset`, fewer only at the end. Raises EvidenceError where the content is damaged."""


class SourceFile:
    """One file of a source. Its content is opened when it is first asked for."""

    __slots__ = (
        "_at",
        "_head",
        "_open",
        "_reader",
        "_siblings",
        "layer",
        "mount",
        "name",
        "path",
        "size",
        "state",
        "times",
    )

    def __init__(
        self,
        path: str,
        size: int,
        open_reader: Callable[[], Reader],
        *,
        layer: str = "",
        state: State = "live",
        mount: str = "",
        times: Mapping[str, FileTime] | None = None,
        siblings: Callable[[], Sequence[SourceFile]] | None = None,
        at: Callable[[str], SourceFile | None] | None = None,
    ) -> None:
        self.path = path
        """'/'-separated, inside its container; streams stand after ':'."""
        self.name = path.rpartition("/")[2]
        self.layer = layer or path
        """The chain of layers that ends in the path: `e01:disk.E01|gpt:2|ntfs:/Windows/System32/config/SYSTEM`."""
        self.size = size
        self.state: State = state
        self.mount = mount
        """Identity of the image and volume, or of the folder, that the file came from."""
        self.times: Mapping[str, FileTime] = times or {}
        """Times that the file system keeps of the file itself; outside an image the modification time alone."""
        self._open = open_reader
        self._siblings = siblings
        self._at = at
        self._reader: Reader | None = None
        self._head: bytes | None = None

    def __repr__(self) -> str:
        return f"SourceFile({self.layer!r}, {self.size})"

    @property
    def head(self) -> bytes:
        """The first 4096 bytes, or fewer. Raises EvidenceError."""
        if self._head is None:
            self._head = self.read_at(0, HEAD_BYTES)
        return self._head

    def read_at(self, offset: int, size: int) -> bytes:
        """Read `size` bytes at `offset`, fewer only at the end. Raises EvidenceError where the content is damaged."""
        if self._reader is None:
            self._reader = self._open()
        return self._reader.read_at(offset, size)

    def replace_reader(self, reader: Reader) -> None:
        """Read from `reader` from now on: the same content, held where it is read faster."""
        self._reader = reader
        self.size = reader.size

    def read(self, limit_bytes: int) -> bytes:
        """The whole content, or its first `limit_bytes`: compare with `size` to see whether it is whole."""
        return self.read_at(0, min(self.size, limit_bytes))

    def open(self) -> BinaryIO:
        """A seekable file object, buffered, read-only."""
        return io.BufferedReader(_Raw(self), _BUFFER_BYTES)

    def sibling(self, name: str) -> SourceFile | None:
        """The file of that name in the same folder (letter case does not count); None where there is none."""
        wanted = name.casefold()
        return next((one for one in self.siblings() if one.name.casefold() == wanted), None)

    def at(self, path: str) -> SourceFile | None:
        """The file of that path on the same volume, where it is known: those in the root are, such as `/$MFT`."""
        return self._at(path) if self._at is not None else None

    def siblings(self) -> Sequence[SourceFile]:
        """All files in the same folder, this one too; empty where the folder is not known."""
        return self._siblings() if self._siblings is not None else ()


class _Raw(io.RawIOBase):
    """A SourceFile as a raw stream."""

    def __init__(self, file: SourceFile) -> None:
        self._file = file
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: object, /) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        found = self._file.read_at(self._at, len(view))
        view[: len(found)] = found
        self._at += len(found)
        return len(found)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._file.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at


@dataclass(slots=True, kw_only=True)
class Context:
    """What a parser is told beside the file."""

    host: str = ""
    """Name of the machine that the source came from, where it is known."""
    zone: str | None = None
    """Zone of records that have none: `--tz`, else the image's registry; None where nobody knows."""
    zone_basis: ZoneBasis = "none"
    language: str = "ja"
    source: str = ""
    """Name of the source as the user gave it."""
    collected_ns: int | None = None
    """When the source was taken, where it is known (else when it was read): no record is later, save by its clock."""
    deadline: float | None = None
    """`time.monotonic()` at which a parser should stop with a Problem of reason `limit`."""
    scope: Scope | None = None
    """The scope of the case: events outside are counted, not stored."""
    options: Mapping[str, object] = field(default_factory=lambda: NO_DATA)
    """Settings of single parsers by their name, such as the mapping of an endpoint log."""

    def expired(self) -> bool:
        """Whether the time is up."""
        return self.deadline is not None and time.monotonic() > self.deadline


class _LocalReader:
    """A file on this machine, opened read-only."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self.size = os.fstat(self._file.fileno()).st_size

    def read_at(self, offset: int, size: int, /) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)

    def __del__(self) -> None:
        file = getattr(self, "_file", None)  # absent where the file could not be opened
        if file is not None:
            file.close()


class MemoryReader:
    """Bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read_at(self, offset: int, size: int, /) -> bytes:
        """See `Reader.read_at`."""
        return self._data[offset : offset + size]


def memory_file(path: str, data: bytes, *, siblings: Callable[[], Sequence[SourceFile]] | None = None) -> SourceFile:
    """A file whose content is in memory: what was inside another file, or a test."""
    return SourceFile(path, len(data), lambda: MemoryReader(data), siblings=siblings)


def local_file(path: Path, *, root: Path | None = None) -> SourceFile:
    """A file on this machine; below `root` its path is the one inside that folder. Raises OSError."""
    shown = path.relative_to(root).as_posix() if root is not None else path.name

    def siblings() -> list[SourceFile]:
        try:
            return [local_file(one, root=root) for one in sorted(path.parent.iterdir()) if one.is_file()]
        except OSError:
            return []

    def at(wanted: str) -> SourceFile | None:
        if root is None:
            return None
        found = root.joinpath(*[part for part in wanted.split("/") if part not in ("", ".", "..")])
        return local_file(found, root=root) if found.is_file() else None

    found = path.stat()
    return SourceFile(
        f"/{shown}" if root is not None else shown,
        found.st_size,
        lambda: _LocalReader(path),
        times={"modified": FileTime(found.st_mtime_ns, str(found.st_mtime_ns), 1, zone_known=True)},
        layer=f"folder:{root.name}|/{shown}" if root is not None else f"file:{path.name}",
        mount=str(root if root is not None else path.parent),
        siblings=siblings,
        at=at,
    )
