"""File systems on a volume: every file of them, live or deleted, and its content.

```python
fs = open_filesystem(volume, problems)
for entry in fs.walk():
    reader = fs.open(entry.id)
    first = reader.read_at(0, 4096)
```
NTFS is parsed here (`preserve.ntfs`), APFS by libfsapfs (`preserve.apfs`), all others by The Sleuth Kit
(`preserve.tsk`): FAT12/16/32, exFAT, ext2/3/4, ISO 9660, HFS+. Both libraries are C code; a hostile image may crash
them. Whoever must survive that runs the walk in a child process (`preserve.evidence.open_evidence` does, with
`isolate=True`): entries and ids are picklable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from preserve.file_times import FileTime as FileTime  # noqa: PLC0414, TC001 - a part of what this module offers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from preserve.image import Problem, Range
    from preserve.volumes import Volume

FileId = tuple[int, int, int, int, int]
"""(volume index, inode, sequence number, attribute type, attribute id): names one stream of one file; picklable."""
FileKind = Literal["file", "directory", "stream", "symlink", "special", "metadata"]

ORPHANS = "/$OrphanFiles"
"""Folder under which files are listed whose own folder is not known any more (the name The Sleuth Kit uses)."""
LONGEST_PATH = 32_767
"""Characters; the longest path Windows can name. Longer ones are shortened in the middle."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a file: bytes `file_offset … + size` of it lie at `offset` of the MEDIA (None: a hole of zeros)."""

    file_offset: int
    offset: int | None
    size: int


@dataclass(slots=True)
class FileEntry:
    """One name of one stream of one file.

    `path` is '/'-separated with streams after ':' and names that are not UTF-8 percent-escaped, when `path_bytes` holds
    the bytes. `on_disk` says that the bytes at `runs` are the content (not resident, compressed or encrypted).
    `resident_offset` is the place in the media of content that lies in the file's own record. `valid_size` bytes were
    written; what follows up to `size` reads as zeros. Hard links are entries with the same `id`. `unsupported` is
    non-empty where the content cannot be read and says why; `name_only` marks a name whose content is gone. Of the runs
    of a deleted file, `reallocated_bytes` belong to live files now, so that what is read there is not its content.
    """

    id: FileId
    volume: int
    path: str
    kind: FileKind
    state: Literal["allocated", "deleted"]
    size: int
    runs: tuple[Run, ...] = ()
    on_disk: bool = False
    resident: bool = False
    compressed: bool = False
    encrypted: bool = False
    sparse: bool = False
    resident_offset: int | None = None
    times: Mapping[str, FileTime] = ()  # type: ignore[assignment]
    path_bytes: bytes | None = None
    valid_size: int = 0
    unsupported: str = ""
    name_only: bool = False
    reallocated_bytes: int = 0


class FileReader(Protocol):
    """The content of one stream."""

    @property
    def size(self) -> int:
        """Bytes of content."""

    def read_at(self, offset: int, size: int, /) -> bytes:
        """Read `size` bytes at `offset`, fewer only at the end. Raises EvidenceError where the content is damaged."""


class FileSystem(Protocol):
    """A file system. `kind` is its name, `offset` and `size` are bytes of the medium, `layer` as `ntfs`."""

    kind: str
    layer: str
    block_size: int
    offset: int
    size: int
    label: str
    problems: list[Problem]

    def walk(self) -> Iterator[FileEntry]:
        """Every file: live ones, deleted names, files found only by their inode, alternate streams."""

    def open(self, file_id: FileId) -> FileReader:
        """The content of a stream. Raises EvidenceError where there is no such file or it cannot be read."""

    def metadata(self) -> Sequence[Range]:
        """Ranges of the medium that hold the file system's own structures beside what `walk` lists."""


def escape_name(raw: bytes) -> tuple[str, bool]:
    """A name as text, and whether it had to be escaped: bytes that are not UTF-8, '/' and NUL become %XX.

    A name with an escape also has its '%' escaped, so that the bytes can be had back.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    if text and "/" not in text and "\0" not in text:
        return text, False
    parts = []
    for character in raw.replace(b"%", b"%25").decode("utf-8", "surrogateescape"):
        if "\udc80" <= character <= "\udcff":
            parts.append(f"%{ord(character) - 0xDC00:02X}")
        else:
            parts.append("%2F" if character == "/" else "%00" if character == "\0" else character)
    return "".join(parts), True


def join_path(folder: str, name: str) -> str:
    """`folder/name`; a path longer than any system can name is shortened in the middle."""
    path = f"{folder}/{name}" if folder != "/" else f"/{name}"
    if len(path) <= LONGEST_PATH:
        return path
    return f"{path[: LONGEST_PATH // 2]}/…/{path[-LONGEST_PATH // 4 :].partition('/')[2] or name}"


def open_filesystem(volume: Volume, problems: list[Problem]) -> FileSystem | None:
    """The file system of a volume, or None; what is damaged is appended to `problems`."""
    from preserve import apfs, ntfs, tsk  # noqa: PLC0415 - pytsk3 and numpy are loaded when they are needed

    found = ntfs.open_ntfs(volume, problems)
    if found is not None:
        return found
    if apfs.has_container(volume):
        return apfs.open_apfs(volume, problems)
    return tsk.open_tsk(volume, problems)
