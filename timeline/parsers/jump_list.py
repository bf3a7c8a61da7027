"""Jump lists: files that programs listed for their users, with the shortcut of each.

Automatic ones are compound files: a stream of entries (`DestList`) and a shortcut for each; custom ones are rows of
shortcuts. Format: libyal "Windows Jump List format".
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from timeline import stamps
from timeline.event import Event, Problem
from timeline.parsers.lnk import HEADER, Link, link_events, mac_of, read_link
from timeline.stamps import ansi, filetime, guid, u16, u32, u64

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import Context, SourceFile

NAME = "jump_list"
NAMES = re.compile(r".*\.(?:automatic|custom)destinations-ms")
COMPOUND = bytes.fromhex("d0cf11e0a1b11ae1")
MOST_BYTES = 1 << 26
MOST_ENTRIES = 10_000
PROGRAMS = {
    "1b4dd67f29cb1962": "Windows Explorer",
    "f01b4d95cf55d32a": "Windows Explorer",
    "5f7b5f1e01b83767": "Quick Access",
    "7e4dca80246863e3": "Control Panel",
    "9b9cdc69c1c24e2b": "Notepad",
    "918e0ecb43d17e23": "Notepad",
    "12dc1ea8e34b5a6": "Paint",
    "b91050d8b077a4e8": "Windows Media Center",
    "28c8b86deab549a1": "Internet Explorer",
    "5da8f997fd5f9428": "Internet Explorer",
    "9d1f905ce5044aee": "Edge",
    "5d696d521de238c3": "Chrome",
    "5c450709f7ae4396": "Firefox",
    "6824f4a902c78fbd": "Firefox",
    "a7bd71699cd38d1c": "Word 2010",
    "fb3b0dbfee58fac8": "Word",
    "9839aec31243a928": "Excel 2010",
    "b8ab77100df80ab2": "Excel",
    "9c7cc110ff56d1bd": "PowerPoint 2010",
    "d00655d2aa12ff6d": "PowerPoint",
    "bc0c37e84e063727": "Command Prompt",
    "23646679aaccfae0": "Adobe Reader",
    "ff103e2cc310d0d": "Adobe Reader",
    "1bc392b8e104a00e": "Remote Desktop",
    "290532160612e071": "WinRAR",
    "337ed59af273c758": "Sticky Notes",
}
"""Application ids (the name of the file) whose programs are widely known."""


def matches(file: SourceFile) -> bool:
    """By name: both forms are made of general formats."""
    return NAMES.fullmatch(file.name.lower()) is not None


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """An event for each entry's last use, and those of its shortcut."""
    if file.size > MOST_BYTES:
        yield Problem(file.layer, "limit", f"larger than {MOST_BYTES} bytes: not read")
        return
    raw = file.read(MOST_BYTES)
    identifier = file.name.partition(".")[0].lower()
    about = {"application_id": identifier, "program": PROGRAMS.get(identifier, "")}
    actor = stamps.user_of(file.path)
    if raw[:8] == COMPOUND:
        yield from _automatic(file, raw, about, actor, context)
    elif raw:
        yield from _custom(file, raw, about, actor, context)
    else:
        yield Problem(file.layer, "damaged", "empty")


def _automatic(
    file: SourceFile, raw: bytes, about: dict[str, str], actor: str, context: Context
) -> Iterator[Event | Problem]:
    import olefile  # noqa: PLC0415 - start-up time

    try:
        compound = olefile.OleFileIO(io.BytesIO(raw))
        names = [parts[0] for parts in compound.listdir() if len(parts) == 1]
        streams = {name.lower(): compound.openstream(name).read() for name in names[:MOST_ENTRIES]}
    except Exception as error:  # noqa: BLE001 - olefile raises anything on damage; it becomes a coverage line
        yield Problem(file.layer, "damaged", f"its compound file cannot be read: {_words(error)}")
        return
    used: set[str] = set()
    listed = streams.get("destlist")
    if listed is None:
        yield Problem(file.layer, "damaged", "it holds no list of entries")
    else:
        for entry in _entries(listed):
            if isinstance(entry, str):
                yield Problem(file.layer, "damaged", entry)
                continue
            number, when, path, fields = entry
            stream = streams.get(f"{number:x}")
            used.add(f"{number:x}")
            link = read_link(stream, context.language) if stream is not None else Link()
            data = {name: value for name, value in link.fields().items() if value} | about | fields
            yield filetime(when).event(
                "jumplist.used", "Last Used", record=f"DestList {number}", sequence=number, actor=actor,
                path=path if path and not path.startswith("::") else link.path or path, size=link.size or None,
                data=data,
            )  # fmt: skip
            if stream is None:
                yield Problem(file.layer, "damaged", f"entry {number} has no shortcut")
    for name, content in streams.items():
        if content[:20] == HEADER:
            link = read_link(content, context.language)
            for event in link_events(link, "jumplist", actor=actor, where=f"{file.name} {name}"):
                yield _about(event, about | ({} if name in used or listed is None else {"unlisted": "1"}))
            for detail in link.problems:
                yield Problem(file.layer, "damaged", f"shortcut {name}: {detail}")


def _entries(raw: bytes) -> Iterator[tuple[int, int, str, dict[str, object]] | str]:
    """Entries of a DestList as (number, FILETIME of last use, path, fields), or what is wrong."""
    if len(raw) < 32:
        yield "its list of entries is cut off"
        return
    version, count = u32(raw, 0), u32(raw, 4)
    fixed = 114 if version == 1 else 130
    at, found = 32, 0
    while at + fixed <= len(raw) and found < MOST_ENTRIES:
        length = u16(raw, at + fixed - 2)
        end = at + fixed + 2 * length
        if end > len(raw):
            yield "an entry of its list is cut off"
            return
        pinned = u32(raw, at + 108)
        fields: dict[str, object] = {
            "machine": ansi(raw[at + 72 : at + 88]),
            "droid_volume": guid(raw[at + 8 : at + 24]),
            "droid_file": guid(raw[at + 24 : at + 40]),
            "mac": mac_of(guid(raw[at + 24 : at + 40])),
            "pinned": pinned != 0xFFFFFFFF,
        }
        if version > 1:
            fields["uses"] = u32(raw, at + 116)
        path = raw[at + fixed : end].decode("utf-16-le", "replace")
        yield u32(raw, at + 88), u64(raw, at + 100), path, fields
        found += 1
        at = end + (4 if version > 1 else 0)
    if found < count:
        yield f"its list promises {count} entries and holds {found}"


def _custom(
    file: SourceFile, raw: bytes, about: dict[str, str], actor: str, context: Context
) -> Iterator[Event | Problem]:
    at = raw.find(HEADER)
    number = 0
    while at >= 0 and number < MOST_ENTRIES:
        link = read_link(raw[at:], context.language)
        for event in link_events(link, "jumplist", actor=actor, where=f"{file.name} {number}", sequence=number):
            yield _about(event, about)
        for detail in link.problems:
            yield Problem(file.layer, "damaged", f"shortcut {number}: {detail}", at)
        number += 1
        at = raw.find(HEADER, at + max(76, link.end if not link.problems else 76))
    if not number and len(raw) > 24:
        yield Problem(file.layer, "unsupported", "a custom jump list without shortcuts")


def _about(event: Event, about: dict[str, str]) -> Event:
    from dataclasses import replace  # noqa: PLC0415 - one import for one place

    return replace(event, data=dict(event.data) | {name: value for name, value in about.items() if value})


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
