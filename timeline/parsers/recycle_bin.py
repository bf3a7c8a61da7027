"""The recycle bin: `$I…` files (Vista and later, versions 1 and 2) and `INFO2` (up to XP).

Format: libyal "Windows Recycle.Bin file formats"; libyal "Windows Recycler INFO2 file format".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from timeline.event import Event, Problem
from timeline.stamps import ansi, filetime, u32, u64, utf16

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import Context, SourceFile

NAME = "recycle_bin"
NAMES = re.compile(r"\$i[0-9a-z]{6}(?:\..*)?|info2")
_SID = re.compile(r"S-1-[0-9-]+")
MOST_BYTES = 1 << 26


def matches(file: SourceFile) -> bool:
    """Name and version; a file may be named alike by chance."""
    name = file.name.lower()
    if name == "info2":
        return u32(file.head, 0) in (4, 5) and u32(file.head, 12) in (280, 800)
    return name.startswith("$i") and 24 < file.size < 1 << 17 and u64(file.head, 0) in (1, 2)


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """One event for each deleted file."""
    sid = _SID.search(file.path)
    actor = sid[0] if sid is not None else ""
    if file.name.lower() == "info2":
        yield from _info2(file, context, actor)
        return
    raw = file.read(1 << 17)
    version, size = u64(raw, 0), u64(raw, 8)
    if version == 1:
        path = utf16(raw[24:544])
        whole = len(raw) >= 544
    else:
        length = u32(raw, 24)
        path = utf16(raw[28 : 28 + 2 * length])
        whole = len(raw) >= 28 + 2 * length
    content = "$R" + file.name[2:]
    kept = file.sibling(content)
    data = {
        "index_file": file.name,
        "content_file": content,
        "content_there": kept is not None if file.siblings() else None,
    }
    yield filetime(u64(raw, 16)).event(
        "file.recycled", "Deletion Time", record=file.name, actor=actor, path=path,
        size=size if size < 1 << 63 else None, data=data,
    )  # fmt: skip
    if not whole:
        yield Problem(file.layer, "damaged", "cut off within the path", len(raw))


def _info2(file: SourceFile, context: Context, actor: str) -> Iterator[Event | Problem]:
    raw = file.read(MOST_BYTES)
    record_bytes = u32(raw, 12)
    if record_bytes not in (280, 800):
        yield Problem(file.layer, "damaged", f"its records claim {record_bytes} bytes", 12, 4)
        return
    for at in range(20, len(raw), record_bytes):
        record = raw[at : at + record_bytes]
        if len(record) < record_bytes:
            yield Problem(file.layer, "damaged", "the last record is cut off", at, len(record))
            return
        short = record[:260]
        # The first letter is zeroed when the file is restored or the bin is emptied.
        gone = short[:1] == b"\0"
        name = utf16(record[280:800]) if record_bytes == 800 else ansi(short[1:] if gone else short, context.language)
        drive = u32(record, 264)
        data = {
            "index": u32(record, 260),
            "drive": f"{chr(65 + drive)}:" if drive < 26 else drive,
            "removed_from_bin": gone,
        }
        yield filetime(u64(record, 268)).event(
            "file.recycled", "Deletion Time", record=f"INFO2 {u32(record, 260)}", sequence=(at - 20) // record_bytes,
            actor=actor, path=name, size=u32(record, 276), data=data,
        )  # fmt: skip
