"""Shortcuts (LNK): the target's times, its volume, and the machine it lay on.

Format: [MS-SHLLINK]; the tracker block's identifiers: [MS-DLTW], RFC 4122 (a version-1 id holds time and MAC address).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from timeline import stamps
from timeline.event import Event, Problem, bounded
from timeline.shell_items import ShellItem, item_events, parse_list, path_of
from timeline.stamps import ansi, filetime, guid, u16, u32, u64, utf16

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import Context, SourceFile

NAME = "lnk"
HEADER = bytes.fromhex("4c000000 01140200 00000000 c0000000 00000046".replace(" ", ""))
SIGNATURES = (HEADER,)
NAMES = re.compile(r".*\.lnk")
MOST_BYTES = 1 << 24
DRIVES = ("unknown", "no root", "removable", "fixed", "remote", "cd-rom", "ram disk")
UUID_EPOCH = 0x01B21DD213814000
"""100 ns from 1582-10-15 to 1970 (RFC 4122)."""


@dataclass(slots=True)
class Link:
    """What a shortcut says. Times are FILETIME numbers, 0 where unset."""

    created: int = 0
    accessed: int = 0
    modified: int = 0
    size: int = 0
    attributes: int = 0
    path: str = ""
    items: list[ShellItem] = field(default_factory=list)
    drive_type: str = ""
    volume_serial: str = ""
    volume_label: str = ""
    share: str = ""
    description: str = ""
    relative_path: str = ""
    working_folder: str = ""
    arguments: str = ""
    icon: str = ""
    machine: str = ""
    droid_volume: str = ""
    droid_file: str = ""
    birth_volume: str = ""
    birth_file: str = ""
    extra: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    end: int = 0
    """Bytes that the shortcut takes."""

    def fields(self) -> dict[str, object]:
        """What each event of the shortcut says beside its time."""
        last = self.items[-1] if self.items else None
        return {
            "size": self.size or None,
            "drive_type": self.drive_type,
            "volume_serial": self.volume_serial,
            "volume_label": self.volume_label,
            "share": self.share,
            "arguments": self.arguments,
            "working_folder": self.working_folder,
            "relative_path": self.relative_path,
            "description": self.description,
            "machine": self.machine,
            "mac": mac_of(self.droid_file),
            "droid_volume": self.droid_volume,
            "droid_file": self.droid_file,
            "birth_volume": self.birth_volume if self.birth_volume != self.droid_volume else "",
            "birth_file": self.birth_file if self.birth_file != self.droid_file else "",
            "mft": f"{last.mft_entry}-{last.mft_sequence}" if last is not None and last.mft_entry is not None else "",
        }


def matches(file: SourceFile) -> bool:
    """Size and class id of the header."""
    return file.head[:20] == HEADER


def promises(file: SourceFile) -> bool:
    """The name of a shortcut."""
    return file.name.lower().endswith(".lnk") and file.size > 0


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """The three times of the target, and the time in the target's object id."""
    if file.size > MOST_BYTES:
        yield Problem(file.layer, "limit", f"larger than {MOST_BYTES} bytes: not read")
        return
    link = read_link(file.read(MOST_BYTES), context.language)
    yield from link_events(link, "lnk", actor=stamps.user_of(file.path), where=file.name)
    for detail in link.problems:
        yield Problem(file.layer, "damaged", detail)


def link_events(link: Link, prefix: str, *, actor: str = "", where: str = "", sequence: int = 0) -> Iterator[Event]:
    """Events of one shortcut, of whatever file holds it; `prefix` begins their kinds."""
    data = link.fields() | {"link": where}
    given = (("created", link.created), ("accessed", link.accessed), ("modified", link.modified))
    some = False
    for name, value in given:
        if value:
            some = True
            desc = f"Target {name.title()}"
            yield filetime(value).event(
                f"{prefix}.target_{name}", desc, record=where, sequence=sequence, actor=actor, path=link.path,
                size=link.size, data=data,
            )  # fmt: skip
    seen: set[str] = set()
    for label, droid in (("Object Id", link.droid_file), ("Birth Object Id", link.birth_file)):
        ticks = uuid_ticks(droid)
        if ticks is not None and droid not in seen:
            seen.add(droid)
            some = True
            # The time at which the id was made: the start of that machine, not the use of the file.
            yield stamps.Stamp(bounded((ticks - UUID_EPOCH) * 100), str(ticks), 100).event(
                f"{prefix}.object_id", f"{label} Created", record=where, sequence=sequence, actor=actor,
                path=link.path, data=data | {"object_id": droid},
            )  # fmt: skip
    yield from item_events(link.items, record=where, actor=actor, data={"of": link.path})
    if not some:
        yield stamps.Stamp(None, "0", 100).event(
            f"{prefix}.target", "No Time", record=where, sequence=sequence, actor=actor, path=link.path, data=data
        )


def uuid_ticks(identifier: str) -> int | None:
    """100 ns since 1582 in a version-1 id; None for other versions."""
    digits = identifier.strip("{}").replace("-", "")
    if len(digits) != 32 or digits[12] != "1":
        return None
    return int(digits[13:16], 16) << 48 | int(digits[8:12], 16) << 32 | int(digits[:8], 16)


def mac_of(identifier: str) -> str:
    """The MAC address in a version-1 id; empty for other versions."""
    digits = identifier.strip("{}").replace("-", "")
    if len(digits) != 32 or digits[12] != "1":
        return ""
    return ":".join(digits[20 + 2 * i : 22 + 2 * i] for i in range(6))


def read_link(raw: bytes, language: str = "ja") -> Link:
    """The shortcut at the start of `raw`; what is cut off or damaged stands in `problems`."""
    link = Link(end=len(raw))
    if raw[:20] != HEADER or len(raw) < 76:
        link.problems.append("no shortcut, or cut off in its header")
        return link
    flags = u32(raw, 20)
    link.attributes = u32(raw, 24)
    link.created, link.accessed, link.modified = u64(raw, 28), u64(raw, 36), u64(raw, 44)
    link.size = u32(raw, 52)
    at = 76
    if flags & 1:
        size = u16(raw, at)
        link.items = parse_list(raw[at + 2 : at + 2 + size], language)
        at += 2 + size
    if flags & 2 and not flags & 0x100:
        size = u32(raw, at)
        if 28 <= size <= len(raw) - at:
            _link_info(link, raw[at : at + size], language)
            at += size
        else:
            link.problems.append("its LinkInfo is cut off")
            at = len(raw)
    unicode = bool(flags & 0x80)
    for bit, name in (
        (4, "description"),
        (8, "relative_path"),
        (16, "working_folder"),
        (32, "arguments"),
        (64, "icon"),
    ):
        if flags & bit:
            count = u16(raw, at)
            size = count * (2 if unicode else 1)
            if at + 2 + size > len(raw):
                link.problems.append(f"its {name.replace('_', ' ')} is cut off")
                at = len(raw)
                break
            part = raw[at + 2 : at + 2 + size]
            setattr(link, name, utf16(part) if unicode else ansi(part, language))
            at += 2 + size
    link.end = _extra(link, raw, at, language)
    if not link.path:
        link.path = path_of(link.items) or link.relative_path
    return link


def _link_info(link: Link, info: bytes, language: str) -> None:
    """[MS-SHLLINK] 2.3: volume, local path or share, and the rest of the path."""
    header, flags = u32(info, 4), u32(info, 8)
    suffix = ansi(info[u32(info, 24) :], language)
    if header >= 0x24 and u32(info, 32):
        suffix = utf16(info[u32(info, 32) :])
    if flags & 1:
        volume = info[u32(info, 12) :]
        if len(volume) >= 16:
            link.drive_type = DRIVES[u32(volume, 4)] if u32(volume, 4) < len(DRIVES) else str(u32(volume, 4))
            serial = u32(volume, 8)
            link.volume_serial = f"{serial >> 16:04X}-{serial & 0xFFFF:04X}"
            label_at = u32(volume, 12)
            wide = label_at == 0x14 and len(volume) >= 20
            link.volume_label = utf16(volume[u32(volume, 16) : u32(volume, 0)]) if wide else ansi(
                volume[label_at : u32(volume, 0)], language
            )  # fmt: skip
        base = ansi(info[u32(info, 16) :], language)
        if header >= 0x24 and u32(info, 28):
            base = utf16(info[u32(info, 28) :])
        link.path = base + suffix if base else ""
    if flags & 2:
        network = info[u32(info, 20) :]
        if len(network) >= 20:
            name_at = u32(network, 8)
            link.share = ansi(network[name_at:], language)
            if name_at > 0x14 and len(network) >= 28:
                link.share = utf16(network[u32(network, 20) :])
            if not link.path:
                link.path = f"{link.share}\\{suffix}" if suffix else link.share
            if not link.drive_type:
                link.drive_type = "remote"


def _extra(link: Link, raw: bytes, at: int, language: str) -> int:
    """The blocks behind the strings; where they end."""
    names = {
        0xA0000002: "console", 0xA0000004: "code page", 0xA0000006: "darwin", 0xA0000008: "icon environment",
        0xA000000B: "known folder", 0xA0000005: "special folder", 0xA0000009: "property store", 0xA0000007: "shim",
        0xA000000C: "vista id list", 0xA0000001: "environment", 0xA0000003: "tracker",
    }  # fmt: skip
    while at + 4 <= len(raw):
        size = u32(raw, at)
        if size < 4:
            return at + 4
        if size < 8 or at + size > len(raw):
            link.problems.append("an extra block is cut off")
            return len(raw)
        block = raw[at : at + size]
        kind = u32(block, 4)
        if kind not in names:
            return at
        link.extra.append(names[kind])
        if kind == 0xA0000003 and size >= 0x60:
            link.machine = ansi(block[16:32], language)
            link.droid_volume, link.droid_file = guid(block[32:48]), guid(block[48:64])
            link.birth_volume, link.birth_file = guid(block[64:80]), guid(block[80:96])
        elif kind == 0xA0000001 and size >= 0x314 and not link.path:
            link.path = utf16(block[268:788]) or ansi(block[8:268], language)
        elif kind == 0xA000000C and not link.items:
            link.items = parse_list(block[8:], language)
        at += size
    return at
