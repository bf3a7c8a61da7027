"""FAT12/16/32, exFAT, ext2/3/4, ISO 9660 and HFS+ through The Sleuth Kit (`pytsk3`)."""

from __future__ import annotations

import calendar
import threading
import time
from typing import TYPE_CHECKING, Any

import pytsk3

from chain_of_custody.errors import EvidenceError
from preserve import ext, fat
from preserve.file_times import FileTime, unix_time
from preserve.filesystem import ORPHANS, FileEntry, FileId, FileReader, Run, escape_name, join_path
from preserve.image import Problem, Range

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from preserve.image import Image
    from preserve.volumes import Volume

_KINDS: Mapping[int, str] = {
    int(pytsk3.TSK_FS_TYPE_FAT12): "fat12",
    int(pytsk3.TSK_FS_TYPE_FAT16): "fat16",
    int(pytsk3.TSK_FS_TYPE_FAT32): "fat32",
    int(pytsk3.TSK_FS_TYPE_EXFAT): "exfat",
    int(pytsk3.TSK_FS_TYPE_EXT2): "ext2",
    int(pytsk3.TSK_FS_TYPE_EXT3): "ext3",
    int(pytsk3.TSK_FS_TYPE_EXT4): "ext4",
    int(pytsk3.TSK_FS_TYPE_ISO9660): "iso9660",
    int(pytsk3.TSK_FS_TYPE_HFS): "hfs+",
    int(pytsk3.TSK_FS_TYPE_NTFS): "ntfs",
    int(pytsk3.TSK_FS_TYPE_FFS1): "ufs1",
    int(pytsk3.TSK_FS_TYPE_FFS1B): "ufs1",
    int(pytsk3.TSK_FS_TYPE_FFS2): "ufs2",
    int(pytsk3.TSK_FS_TYPE_YAFFS2): "yaffs2",
}
_DELETED = int(pytsk3.TSK_FS_NAME_FLAG_UNALLOC)
_META_DELETED = int(pytsk3.TSK_FS_META_FLAG_UNALLOC)
_META_USED = int(pytsk3.TSK_FS_META_FLAG_USED)
_DIRECTORY_TYPES = {int(pytsk3.TSK_FS_META_TYPE_DIR), int(pytsk3.TSK_FS_META_TYPE_VIRT_DIR)}
_LINK_TYPE = int(pytsk3.TSK_FS_META_TYPE_LNK)
_FILE_TYPE = int(pytsk3.TSK_FS_META_TYPE_REG)
_VIRTUAL_TYPES = {int(pytsk3.TSK_FS_META_TYPE_VIRT), int(pytsk3.TSK_FS_META_TYPE_VIRT_DIR)}
_ATTR_RESIDENT = int(pytsk3.TSK_FS_ATTR_RES)
_ATTR_COMPRESSED = int(pytsk3.TSK_FS_ATTR_COMP)
_ATTR_ENCRYPTED = int(pytsk3.TSK_FS_ATTR_ENC)
_ATTR_SPARSE = int(pytsk3.TSK_FS_ATTR_SPARSE)
_RUN_HOLE = int(pytsk3.TSK_FS_ATTR_RUN_FLAG_SPARSE)
_RUN_FILLER = int(pytsk3.TSK_FS_ATTR_RUN_FLAG_FILLER)
_INDIRECT_TYPES = {int(pytsk3.TSK_FS_ATTR_TYPE_UNIX_INDIR), int(pytsk3.TSK_FS_ATTR_TYPE_UNIX_EXTENT)}
_RESOURCE_FORK = int(pytsk3.TSK_FS_ATTR_TYPE_HFS_RSRC)
_DATA_TYPES = {int(pytsk3.TSK_FS_ATTR_TYPE_DEFAULT), int(pytsk3.TSK_FS_ATTR_TYPE_HFS_DATA)}
_MOST_PROBLEMS = 10_000
_VOLUME_LABEL = b" (Volume Label Entry)"
_EXFAT_SPECIAL = ("/$ALLOC_BITMAP", "/$UPCASE_TABLE", "/$VOLUME_GUID", "/$TEX_FAT")  # names that libtsk gives
_INLINE = 60  # bytes of an ext inode that hold block pointers, or a short link, or inline data


class _View(pytsk3.Img_Info):  # type: ignore[misc]
    """A volume as The Sleuth Kit reads it; `overlay` replaces its first bytes (a repaired boot sector)."""

    def __init__(self, volume: Image, overlay: dict[int, bytes]) -> None:
        self._volume = volume
        self._overlay = overlay
        super().__init__(url="", type=pytsk3.TSK_IMG_TYPE_EXTERNAL)

    def read(self, offset: int, size: int) -> bytes:
        data = self._volume.read_at(offset, size)
        for at, patch in self._overlay.items():
            if at < offset + size and offset < at + len(patch):
                whole = bytearray(data)
                start, end = max(at, offset), min(at + len(patch), offset + len(data))
                whole[start - offset : end - offset] = patch[start - at : end - at]
                data = bytes(whole)
        return data

    def get_size(self) -> int:
        return self._volume.size

    def close(self) -> None: ...


def open_handle(volume: Image, *, overlay: bytes | dict[int, bytes] = b"") -> Any:  # noqa: ANN401 - pytsk3 has no types
    """A file system handle of The Sleuth Kit. Raises EvidenceError where it sees none."""
    patches = overlay if isinstance(overlay, dict) else {0: overlay} if overlay else {}
    view = _View(volume, patches)
    try:
        fs = pytsk3.FS_Info(view)
    except OSError as error:
        raise EvidenceError(f"ファイルシステムを読めません: {error}", f"no readable file system: {error}") from error
    return _Handle(fs, view)


class _Handle:
    """pytsk3 keeps no reference from the file system to its image; this does."""

    __slots__ = ("fs", "view")

    def __init__(self, fs: Any, view: _View) -> None:  # noqa: ANN401
        self.fs = fs
        self.view = view


def open_meta(handle: Any, inode: int) -> Any:  # noqa: ANN401
    """A file by its inode. Raises EvidenceError."""
    try:
        return handle.fs.open_meta(inode=inode)
    except OSError as error:
        raise EvidenceError(f"inode {inode} を開けません", f"inode {inode} cannot be opened: {error}") from error


def read_file(file: Any, offset: int, size: int, kind: int, attribute_id: int) -> bytes:  # noqa: ANN401
    """Content of one attribute of a file. Raises EvidenceError where it cannot be read."""
    if size <= 0:
        return b""
    try:
        return bytes(file.read_random(offset, size, kind, attribute_id))
    except OSError as error:
        raise EvidenceError("内容を読めません", f"the content cannot be read: {error}") from error


class TskFileSystem:
    """A file system that The Sleuth Kit reads; implements `preserve.filesystem.FileSystem`."""

    def __init__(
        self,
        volume: Volume,
        handle: Any,  # noqa: ANN401 - pytsk3 has no types
        where: str,
        problems: list[Problem],
        overlay: dict[int, bytes],
    ) -> None:
        self.volume = volume
        self.problems = problems
        self.where = where
        self._handle = handle
        self._fs = handle.fs
        self._lock = threading.RLock()
        info = self._fs.info
        self.kind = _KINDS.get(int(info.ftype), f"type {int(info.ftype)}")
        self.layer = self.kind
        self._unit = self.block_size = int(info.block_size)  # libtsk counts FAT in sectors
        self.offset = volume.offset
        self.size = min(int(info.block_count) * self._unit, volume.size)
        self.label = ""
        self._metadata: list[Range] = []
        self._fat: fat.FatLayout | None = None
        self._ext: ext.ExtLayout | None = None
        if self.kind.startswith(("fat", "exfat")):
            self._fat = fat.parse_layout(overlay.get(0) or volume.read_at(0, 512))
            if self._fat is not None:
                self.block_size = self._fat.cluster_size
                self.size = min(self._fat.size or self.size, volume.size)
        elif self.kind.startswith("ext"):
            self._ext = ext.parse_layout(volume, overlay)
            if self._ext is not None:
                self.label = self._ext.label

    def walk(self) -> Iterator[FileEntry]:
        """See `FileSystem.walk`."""
        self._metadata.clear()
        root = int(self._fs.info.root_inum)
        seen_folders = {root}
        seen: set[int] = {root}
        stack: list[tuple[int, str, bytes | None, bool]] = [(root, "/", None, False)]
        first = self._open(root)
        if first is not None:
            yield from self._entries(first, "/", None, deleted=False)
        while stack:
            inode, folder, folder_bytes, deleted = stack.pop()
            for file, name in self._list(inode, folder):
                raw = bytes(name.name)
                if raw in (b".", b"..", b""):
                    continue
                shown, escaped = escape_name(raw)
                path = join_path(folder, shown)
                path_bytes = None
                if escaped or folder_bytes is not None:
                    path_bytes = (
                        (folder_bytes if folder_bytes is not None else folder.encode()).rstrip(b"/") + b"/" + raw
                    )
                number = int(name.meta_addr)
                meta = file.info.meta
                if self._fat is not None and raw.endswith(_VOLUME_LABEL):
                    self.label = raw.removesuffix(_VOLUME_LABEL).decode("cp932", "replace").strip()
                    continue
                gone = deleted or bool(int(name.flags) & _DELETED)
                if meta is None:
                    yield self._name_only(number, path, path_bytes)
                    continue
                kind = int(meta.type)
                if kind in _VIRTUAL_TYPES and kind not in _DIRECTORY_TYPES:
                    yield from self._entries(file, path, path_bytes, deleted=False, virtual=True)
                    continue
                reused = gone and not int(meta.flags) & _META_DELETED and not self.kind.startswith(("fat", "exfat"))
                if reused:
                    yield self._name_only(number, path, path_bytes)
                    continue
                seen.add(number)
                is_orphans = kind in _VIRTUAL_TYPES
                if is_orphans and self.kind.startswith("ext"):
                    continue  # the walk over all inodes finds what is listed there, and more
                if not is_orphans:
                    yield from self._entries(file, path, path_bytes, deleted=gone)
                if kind in _DIRECTORY_TYPES and number not in seen_folders:
                    seen_folders.add(number)
                    stack.append((number, path, path_bytes, gone or is_orphans))
        if self.kind.startswith("ext"):
            yield from self._inode_walk(seen)

    def _open(self, inode: int) -> Any:  # noqa: ANN401
        try:
            return self._fs.open_meta(inode=inode)
        except OSError:
            return None

    def _list(self, inode: int, folder: str) -> Iterator[tuple[Any, Any]]:
        """Files of a folder with their names; a damaged folder ends early and is a problem."""
        try:
            directory = self._fs.open_dir(inode=inode)
        except OSError as error:
            self._problem(folder, f"the folder cannot be read: {error}")
            return
        iterator = iter(directory)
        while True:
            try:
                file = next(iterator)
            except StopIteration:
                return
            except OSError as error:
                self._problem(folder, f"the folder is damaged: {error}")
                return
            if file.info.name is not None:
                yield file, file.info.name

    def _problem(self, path: str, detail: str) -> None:
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(Problem(f"{self.where}|{self.layer}:{path}", "damaged", detail))
        elif len(self.problems) == _MOST_PROBLEMS:
            self.problems.append(Problem(f"{self.where}|{self.layer}", "limit", "more damaged folders and files"))

    def _inode_walk(self, seen: set[int]) -> Iterator[FileEntry]:
        """Files that no folder names: deleted ones, by their inodes."""
        info = self._fs.info
        for number in range(int(info.first_inum), int(info.last_inum) + 1):
            if number in seen:
                continue
            try:
                file = self._fs.open_meta(inode=number)
                meta = file.info.meta
                flags = int(meta.flags)
                if not flags & _META_USED or int(meta.type) in _VIRTUAL_TYPES:
                    continue
            except OSError:
                continue
            deleted = bool(flags & _META_DELETED)
            if not deleted and number < 11:
                # Reserved inodes: the journal, room for descriptors.
                for attribute in self._attributes(file, f"inode {number}"):
                    self._metadata += [
                        Range(run.offset, run.size) for run in self._runs(attribute) if run.offset is not None
                    ]
                continue
            yield from self._entries(file, f"{ORPHANS}/OrphanFile-{number}", None, deleted=deleted)

    def _name_only(self, number: int, path: str, path_bytes: bytes | None) -> FileEntry:
        index = self.volume.index
        entry = FileEntry((index, number, 0, 0, 0), index, path, "file", "deleted", 0, path_bytes=path_bytes)
        entry.times = {}
        entry.name_only = True
        return entry

    def _entries(
        self,
        file: Any,  # noqa: ANN401
        path: str,
        path_bytes: bytes | None,
        *,
        deleted: bool,
        virtual: bool = False,
    ) -> Iterator[FileEntry]:
        """The entries of one file: its content and its other streams."""
        meta = file.info.meta
        index, number, sequence = self.volume.index, int(meta.addr), int(meta.seq)
        kind_number = int(meta.type)
        kind: Any = "special"
        if kind_number in _DIRECTORY_TYPES:
            kind = "directory"
        elif kind_number == _FILE_TYPE:
            kind = "file"
        elif kind_number == _LINK_TYPE:
            kind = "symlink"
        special = self._fat is not None and self._fat.exfat and path in _EXFAT_SPECIAL
        if virtual or special or (self.kind == "hfs+" and 2 < number < 16):
            kind = "metadata"
        deleted = deleted or bool(int(meta.flags) & _META_DELETED)
        state: Any = "deleted" if deleted else "allocated"
        times = self._times(meta)
        found = False
        for attribute in self._attributes(file, path):
            info = attribute.info
            attribute_kind, flags = int(info.type), int(info.flags)
            runs = self._runs(attribute) if not flags & _ATTR_RESIDENT else ()
            if attribute_kind in _INDIRECT_TYPES:
                if not deleted:
                    self._metadata += [Range(run.offset, run.size) for run in runs if run.offset is not None]
                continue
            if attribute_kind not in _DATA_TYPES and attribute_kind != _RESOURCE_FORK:
                continue
            size = int(info.size)
            suffix = ":rsrc" if attribute_kind == _RESOURCE_FORK else ""
            if suffix and not size:
                continue
            entry = FileEntry(
                (index, number, sequence, attribute_kind, int(info.id)),
                index,
                path + suffix,
                "stream" if suffix else kind,
                state,
                size if kind != "directory" else 0,
                runs,
                times=times,
                path_bytes=path_bytes,
                valid_size=size,
            )
            entry.resident = bool(flags & _ATTR_RESIDENT)
            entry.compressed = bool(flags & _ATTR_COMPRESSED)
            entry.encrypted = bool(flags & _ATTR_ENCRYPTED)
            entry.sparse = bool(flags & _ATTR_SPARSE) or any(run.offset is None for run in runs)
            inline = self._inline(number, size, runs)
            if inline is not None:
                entry.resident, entry.sparse, entry.runs = True, False, ()
                entry.resident_offset = self.offset + inline
            entry.on_disk = not (entry.resident or entry.compressed or entry.encrypted or kind == "directory")
            found = found or not suffix
            yield entry
        if not found:
            entry = FileEntry((index, number, sequence, 0, 0), index, path, kind, state, 0, path_bytes=path_bytes)
            entry.times = times
            entry.name_only = kind == "file"
            yield entry

    def _inline(self, inode: int, size: int, runs: tuple[Run, ...]) -> int | None:
        """Byte in the volume of content that lies in an ext inode (short links, inline data); None for all others."""
        if self._ext is None or not 0 < size <= _INLINE or any(run.offset is not None for run in runs):
            return None
        place = self._ext.inode_offset(inode)
        raw = self.volume.read_at(place, 128) if place is not None else b""
        if place is None or len(raw) < 128:
            return None
        is_link = int.from_bytes(raw[:2], "little") >> 12 == 0xA
        blocks = int.from_bytes(raw[28:32], "little")
        is_inline = bool(int.from_bytes(raw[32:36], "little") & 0x10000000)
        return place + 40 if is_inline or (is_link and not blocks) else None

    def _attributes(self, file: Any, path: str) -> list[Any]:  # noqa: ANN401
        try:
            return list(file)
        except OSError as error:
            self._problem(path, f"its content cannot be located: {error}")
            return []

    def _runs(self, attribute: Any) -> tuple[Run, ...]:  # noqa: ANN401
        runs = []
        block, base, limit, size = self._unit, self.offset, self.volume.size, int(attribute.info.size)
        for run in attribute:
            first, length = int(run.offset) * block, int(run.len) * block
            if int(run.flags) & _RUN_FILLER:
                continue
            if int(run.flags) & _RUN_HOLE:
                if first < size:
                    runs.append(Run(first, None, length))
                continue
            place = int(run.addr) * block
            if place >= limit or length <= 0:
                continue
            runs.append(Run(first, base + place, min(length, limit - place)))
        return tuple(runs)

    def _times(self, meta: Any) -> Mapping[str, FileTime]:  # noqa: ANN401
        inode = int(meta.addr)
        if self._fat is not None:
            times = self._fat.times(self.volume, inode)
            if times is not None:
                return times
        fine = self.kind == "ext4" and self._ext is not None and self._ext.inode_size > 128
        precision = 1 if fine else 1_000_000_000
        times = {
            "modified": unix_time(int(meta.mtime), int(meta.mtime_nano), precision),
            "accessed": unix_time(int(meta.atime), int(meta.atime_nano), precision),
            "changed": unix_time(int(meta.ctime), int(meta.ctime_nano), precision),
            "created": unix_time(int(meta.crtime), int(meta.crtime_nano), precision),
        }
        if self.kind == "iso9660" or self._fat is not None:
            times = {name: _wall_time(one) for name, one in times.items()}
        if self._ext is not None and int(meta.flags) & _META_DELETED:
            place = self._ext.inode_offset(inode)
            raw = self.volume.read_at(place + 20, 4) if place is not None else b""
            times["deleted"] = unix_time(int.from_bytes(raw, "little"), 0, 1_000_000_000)
        return {name: one for name, one in times.items() if one.ns is not None}

    def open(self, file_id: FileId) -> FileReader:
        """See `FileSystem.open`."""
        _, number, _, kind, attribute_id = file_id
        with self._lock:
            file = open_meta(self._handle, number)
            if self._ext is not None:
                content = int(file.info.meta.size)
                inline = self._inline(number, content, ()) if not self._has_blocks(file) else None
                if inline is not None:
                    return _InlineReader(self.volume.read_at(inline, content))
            size = next(
                (
                    int(one.info.size)
                    for one in self._attributes(file, f"inode {number}")
                    if int(one.info.type) == kind and int(one.info.id) == attribute_id
                ),
                None,
            )
        if size is None:
            raise EvidenceError(f"inode {number} に内容がありません", f"inode {number} holds no such content")
        return _TskReader(self, file, size, kind, attribute_id)

    def _has_blocks(self, file: Any) -> bool:  # noqa: ANN401
        runs = (run for one in self._attributes(file, "") if not int(one.info.flags) & _ATTR_RESIDENT for run in one)
        return any(not int(run.flags) & (_RUN_HOLE | _RUN_FILLER) for run in runs)

    def metadata(self) -> Sequence[Range]:
        """See `FileSystem.metadata`."""
        found = list(self._metadata)
        layout = self._fat or self._ext
        if layout is not None:
            found += layout.metadata(self.offset)
        elif self.kind == "iso9660":
            found.append(Range(self.offset, 17 * 2048))  # system area and primary descriptor
        elif self.kind == "hfs+":
            found.append(Range(self.offset, 1536))  # boot blocks and volume header, with its copy at the end
            found.append(Range(self.offset + self.volume.size - 1024, 512))
        return found


def _wall_time(one: FileTime) -> FileTime:
    """Undo the conversion from local time that libtsk made with the zone of this process."""
    if one.ns is None:
        return one
    seconds, fraction = divmod(one.ns, 1_000_000_000)
    try:
        wall = time.localtime(seconds)
    except (OverflowError, OSError, ValueError):
        return FileTime(None, one.raw, one.precision_ns, zone_known=False)
    raw = time.strftime("%Y-%m-%d %H:%M:%S", wall)
    return FileTime(calendar.timegm(wall) * 1_000_000_000 + fraction, raw, one.precision_ns, zone_known=False)


class _TskReader:
    """Content of one attribute; libtsk is called by one thread at a time."""

    def __init__(self, fs: TskFileSystem, file: Any, size: int, kind: int, attribute_id: int) -> None:  # noqa: ANN401
        self._fs = fs
        self._file = file
        self.size = size
        self._kind = kind
        self._attribute_id = attribute_id

    def read_at(self, offset: int, size: int, /) -> bytes:
        """See `FileReader.read_at`."""
        size = max(0, min(size, self.size - offset))
        with self._fs._lock:  # noqa: SLF001 - the reader is a part of the file system
            return read_file(self._file, offset, size, self._kind, self._attribute_id)


class _InlineReader:
    """Content that lies in an inode."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read_at(self, offset: int, size: int, /) -> bytes:
        """See `FileReader.read_at`."""
        return self._data[max(0, offset) : max(0, offset + size)]


def open_tsk(volume: Volume, problems: list[Problem]) -> TskFileSystem | None:
    """The file system of a volume, from backups of its first sectors where those are damaged; None without one."""
    where = f"{volume.image.layer}|{volume.layer}" if volume.layer else volume.image.layer
    sound: tuple[str, dict[int, bytes]] = ("", {})
    for detail, overlay in (sound, *fat.boot_backups(volume), *ext.superblock_backups(volume)):
        try:
            handle = open_handle(volume, overlay=overlay)
        except EvidenceError:
            continue
        fs = TskFileSystem(volume, handle, where, problems, overlay)
        if not detail and fs.kind.startswith("fat") and fat.parse_layout(volume.read_at(0, 512)) is None:
            continue  # libtsk takes the backup of FAT32 without a word; it must be said, and used for all else
        if detail:
            problems.append(Problem(f"{where}|{fs.layer}", "damaged", detail, volume.offset, 512))
        return fs
    return None
