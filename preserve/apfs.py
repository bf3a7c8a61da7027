"""APFS, through libfsapfs: the live files of all volumes of a container.

Where a container has more than one volume, paths begin with the name of theirs. Volumes under FileVault stay locked
and are said; deleted files and APFS snapshots are not listed (their bytes are searched as raw data). libfsapfs is C
code: `preserve.isolated` walks in a child process first.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from chain_of_custody.errors import EvidenceError
from preserve.derived import FileObject
from preserve.file_times import FileTime
from preserve.filesystem import FileEntry, FileId, FileKind, FileReader, Run, escape_name, join_path
from preserve.image import Problem, Range

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from preserve.volumes import Volume

_MOST_VOLUMES = 100
_MOST_EXTENTS = 1_000_000
_MOST_ENTRIES = 50_000_000
_DATA, _ATTRIBUTE = 1, 2
_FOLDER, _FILE, _LINK = 0o4, 0o10, 0o12
_KINDS: dict[int, FileKind] = {_FOLDER: "directory", _FILE: "file", _LINK: "symlink"}
_SPARSE = 1
_HIDDEN_ATTRIBUTES = ("com.apple.decmpfs", "com.apple.fs.symlink", "com.apple.quarantine")
_RESOURCE_FORK = "com.apple.ResourceFork"


def has_container(volume: Volume) -> bool:
    """Whether an APFS container begins here."""
    return volume.read_at(32, 4) == b"NXSB"


class ApfsFileSystem:
    """The volumes of an APFS container; implements `preserve.filesystem.FileSystem`."""

    kind = "apfs"
    layer = "apfs"

    def __init__(self, volume: Volume, where: str, problems: list[Problem]) -> None:
        import pyfsapfs  # noqa: PLC0415 - loaded only for these volumes

        self.volume = volume
        self.problems = problems
        self.block_size = int.from_bytes(volume.read_at(36, 4), "little")
        self.offset = volume.offset
        self._where = where
        self._lock = threading.Lock()
        self._container = pyfsapfs.container()
        try:
            self._container.open_file_object(FileObject(volume))
            self.size = min(int(self._container.get_size()), volume.size)
            count = min(int(self._container.number_of_volumes), _MOST_VOLUMES)
            self._volumes = [self._container.get_volume(index) for index in range(count)]
            self._names = [str(one.get_name() or f"volume {index + 1}") for index, one in enumerate(self._volumes)]
        except (OSError, ValueError, MemoryError) as error:
            raise EvidenceError("APFS を開けません", "the APFS container cannot be opened") from error
        self.label = ", ".join(self._names)

    def _is_locked(self, index: int) -> bool:
        try:
            return bool(self._volumes[index].is_locked())
        except OSError:
            return True

    def walk(self) -> Iterator[FileEntry]:
        """See `FileSystem.walk`."""
        for index, name in enumerate(self._names):
            where = f"{self._where}|apfs"
            if self._is_locked(index):
                detail = f"APFS volume {name!r}: FileVault, locked; it cannot be unlocked here"
                self.problems.append(Problem(where, "encrypted", detail, self.offset, self.size))
                continue
            try:
                yield from self._walk_volume(index)
            except (OSError, ValueError, MemoryError):
                detail = f"APFS volume {name!r}: its files can be listed in part only"
                self.problems.append(Problem(where, "damaged", detail, self.offset, self.size))

    def _walk_volume(self, index: int) -> Iterator[FileEntry]:
        prefix = f"/{escape_name(self._names[index].encode())[0]}" if len(self._names) > 1 else ""
        root = self._volumes[index].get_root_directory()
        stack: list[tuple[Any, str]] = [(root, prefix or "/")]
        seen: set[int] = set()
        count = 0
        while stack:
            folder, path = stack.pop()
            number = int(folder.get_identifier())
            if number in seen:
                continue
            seen.add(number)
            yield from self._entries(index, folder, path)
            for at in range(int(folder.number_of_sub_file_entries)):
                count += 1
                if count > _MOST_ENTRIES:
                    self.problems.append(Problem(self._where, "limit", "APFS: too many files"))
                    return
                try:
                    child = folder.get_sub_file_entry(at)
                    name = escape_name(str(child.get_name() or "").encode("utf-8", "surrogatepass"))[0]
                    below = join_path(path, name)
                    if child.get_file_mode() >> 12 == _FOLDER:
                        stack.append((child, below))
                    else:
                        yield from self._entries(index, child, below)
                except (OSError, ValueError) as error:
                    if len(self.problems) < 1000:
                        detail = f"a file cannot be read: {type(error).__name__}"
                        self.problems.append(Problem(f"{self._where}|apfs:{path}", "damaged", detail))

    def _entries(self, index: int, file: Any, path: str) -> Iterator[FileEntry]:  # noqa: ANN401
        """A file with its extended attributes as streams."""
        kind = _KINDS.get(int(file.get_file_mode()) >> 12, "special")
        number, volume = int(file.get_identifier()), self.volume.index
        size = int(file.get_size()) if kind == "file" else 0
        attributes = [
            file.get_extended_attribute(at) for at in range(min(int(file.number_of_extended_attributes), 1000))
        ]
        times = {
            name: FileTime(int(value), str(value), 1, zone_known=True)
            for name, value in (
                ("created", file.get_creation_time_as_integer()),
                ("modified", file.get_modification_time_as_integer()),
                ("changed", file.get_inode_change_time_as_integer()),
                ("accessed", file.get_access_time_as_integer()),
            )
            if value
        }
        entry = FileEntry(
            (volume, number, index, _DATA, 0),
            volume,
            path,
            kind,
            "allocated",
            size,
            times=times,
            valid_size=size,
        )
        entry.compressed = any(one.get_name() == "com.apple.decmpfs" for one in attributes)
        if kind == "file" and not entry.compressed:
            entry.runs = self._runs(file, size)
            entry.on_disk = bool(entry.runs)
            entry.sparse = any(run.offset is None for run in entry.runs)
        yield entry
        for at, one in enumerate(attributes):
            name, length = str(one.get_name()), int(one.get_size())
            if name in _HIDDEN_ATTRIBUTES or not length or (entry.compressed and name == _RESOURCE_FORK):
                continue
            shown = "rsrc" if name == _RESOURCE_FORK else escape_name(name.encode())[0]
            yield FileEntry(
                (volume, number, index, _ATTRIBUTE, at),
                volume,
                f"{path}:{shown}",
                "stream",
                "allocated",
                length,
                times=times,
                valid_size=length,
            )

    def _runs(self, file: Any, size: int) -> tuple[Run, ...]:  # noqa: ANN401
        runs = []
        at = 0
        for number in range(min(int(file.number_of_extents), _MOST_EXTENTS)):
            place, length, flags = (int(value) for value in file.get_extent(number))
            if at >= size or length <= 0:
                break
            is_hole = bool(flags & _SPARSE)
            if not is_hole and not 0 <= place < self.volume.size:
                break
            kept = length if is_hole else min(length, self.volume.size - place)
            runs.append(Run(at, None if is_hole else self.offset + place, kept))
            at += length
        return tuple(runs)

    def open(self, file_id: FileId) -> FileReader:
        """See `FileSystem.open`."""
        _, number, index, kind, attribute = file_id
        with self._lock:
            try:
                file = self._volumes[index].get_file_entry_by_identifier(number)
                found = file if kind == _DATA else file.get_extended_attribute(attribute)
                return _ApfsReader(found, int(found.get_size()), self._lock)
            except (OSError, ValueError, IndexError) as error:
                raise EvidenceError(f"ファイル {number} を開けません", f"file {number} cannot be opened") from error

    def metadata(self) -> Sequence[Range]:
        """See `FileSystem.metadata`: the container's first block; its other structures lie anywhere."""
        return [Range(self.offset, self.block_size)]


class _ApfsReader:
    """Content of one stream; libfsapfs is called by one thread at a time."""

    def __init__(self, handle: Any, size: int, lock: threading.Lock) -> None:  # noqa: ANN401
        self._handle = handle
        self.size = size
        self._lock = lock

    def read_at(self, offset: int, size: int, /) -> bytes:
        """See `FileReader.read_at`."""
        size = max(0, min(size, self.size - offset))
        if not size:
            return b""
        with self._lock:
            try:
                return bytes(self._handle.read_buffer_at_offset(size, offset))
            except (OSError, ValueError) as error:
                raise EvidenceError("内容を読めません", "its content cannot be read") from error


def open_apfs(volume: Volume, problems: list[Problem]) -> ApfsFileSystem | None:
    """The APFS container on a volume; None where there is none, or none that opens."""
    if not has_container(volume):
        return None
    where = f"{volume.image.layer}|{volume.layer}" if volume.layer else volume.image.layer
    try:
        return ApfsFileSystem(volume, where, problems)
    except EvidenceError as error:
        problems.append(Problem(f"{where}|apfs", "damaged", error.en, volume.offset, volume.size))
        return None
