r"""Shell items: the steps of a path as Explorer keeps them in shortcuts, jump lists and the registry.

```python
items = parse_list(raw)                  # an ITEMIDLIST
path_of(items)                           # 'My Computer\\E:\\\\geheim\\plan.docx'
items[-1].mft_entry, items[-1].created   # what Explorer knew of the file when it was shown
```
Format: libyal "Windows Shell Item format"; [MS-SHLLINK] 2.2. Times are DOS times that the shell made from UTC.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from timeline.stamps import Stamp, ansi, dos_utc, guid, u16, u32, u64, utf16

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from timeline.event import Event

MOST_ITEMS = 256

FOLDERS = {
    "20d04fe0-3aea-1069-a2d8-08002b30309d": "My Computer",
    "450d8fba-ad25-11d0-98a8-0800361b1103": "My Documents",
    "208d2c60-3aea-1069-a2d7-08002b30309d": "My Network Places",
    "f02c1a0d-be21-4350-88b0-7367fc96ef3c": "Network",
    "871c5380-42a0-1069-a2ea-08002b30309d": "Internet Explorer",
    "645ff040-5081-101b-9f08-00aa002f954e": "Recycle Bin",
    "59031a47-3f72-44a7-89c5-5595fe6b30ee": "User Files",
    "031e4825-7b94-4dc3-b131-e946b44c8dd5": "Libraries",
    "b4bfcc3a-db2c-424c-b029-7fe99a87c641": "Desktop",
    "26ee0668-a00a-44d7-9371-beb064c98683": "Control Panel",
    "21ec2020-3aea-1069-a2dd-08002b30309d": "Control Panel",
    "5399e694-6ce5-4d6c-8fce-1d8870fdcba0": "Control Panel",
    "679f85cb-0220-4080-b29b-5540cc05aab6": "Quick Access",
    "22877a6d-37a1-461a-91b0-dbda5aaebc99": "Recent Places",
    "018d5c66-4533-4307-9b53-224de2ed1fe6": "OneDrive",
    "088e3905-0323-4b02-9826-5d99428e115f": "Downloads",
    "374de290-123f-4565-9164-39c4925e467b": "Downloads",
    "d3162b92-9365-467a-956b-92703aca08af": "Documents",
    "a8cdff1c-4878-43be-b5fd-f8091c1c60d0": "Documents",
    "24ad3ad4-a569-4530-98e1-ab02f9417aa8": "Pictures",
    "3add1653-eb32-4cb0-bbd7-dfa0abb5acca": "Pictures",
    "1cf1260c-4dd0-4ebb-811f-33c572699fde": "Music",
    "3dfdf296-dbec-4fb4-81d1-6a3438bcf4de": "Music",
    "a0953c92-50dc-43bf-be83-3742fed03c9c": "Videos",
    "f86fa3ab-70d2-4fc7-9c99-fcbf05467f3a": "Videos",
    "0db7e03f-fc29-4dc6-9020-ff41b59e513a": "3D Objects",
    "4336a54d-038b-4685-ab02-99bb52d3fb8b": "Public",
    "f3364ba0-65b9-11ce-a9ba-00aa004ae837": "File System Folder",
}
"""Folders that are objects of the shell, by class id."""
_EXTENSION = b"\x04\x00\xef\xbe"
_LATIN = re.compile(rb"(?:[\x20-\x7e]\x00){3,}")
_CJK = re.compile(rb"(?:[\x20-\x7e]\x00|[\x00-\xff][\x30-\x9f]){3,}")
_STORE = b"1SPS"
"""Begins a property store ([MS-PROPSTORE])."""


@dataclass(frozen=True, slots=True)
class ShellItem:
    """One step of a path. `kind`: root, volume, file, folder, network, uri, device, other."""

    kind: str
    name: str
    modified: Stamp | None = None
    created: Stamp | None = None
    accessed: Stamp | None = None
    size: int | None = None
    mft_entry: int | None = None
    mft_sequence: int | None = None

    def fields(self) -> dict[str, object]:
        """What an event says of it."""
        found: dict[str, object] = {"item": self.kind}
        if self.mft_entry is not None:
            found["mft"] = f"{self.mft_entry}-{self.mft_sequence}"
        if self.size:
            found["size"] = self.size
        return found


def parse_list(raw: bytes, language: str = "ja") -> list[ShellItem]:
    """The items of a list, up to its end mark or to what is damaged."""
    items: list[ShellItem] = []
    at = 0
    while at + 2 <= len(raw) and len(items) < MOST_ITEMS:
        size = u16(raw, at)
        if size < 3 or at + size > len(raw):
            break
        items.append(parse_item(raw[at : at + size], language))
        at += size
    return items


def item_events(items: Sequence[ShellItem], *, record: str, actor: str, data: Mapping[str, object]) -> Iterator[Event]:
    """The times that single steps of a path carry, each with the path up to its step."""
    for place, item in enumerate(items):
        path = path_of(items[: place + 1])
        for name in ("created", "modified", "accessed"):
            stamp: Stamp | None = getattr(item, name)
            if stamp is not None:
                yield stamp.event(
                    f"shellitem.{name}", f"Item {name.title()}", record=record, sequence=place, actor=actor, path=path,
                    data={**item.fields(), **data},
                )  # fmt: skip


def list_bytes(raw: bytes) -> int:
    """How many bytes the list at the start of `raw` takes, with its end mark."""
    at = 0
    while at + 2 <= len(raw) and u16(raw, at) >= 3:
        at += u16(raw, at)
    return min(at + 2, len(raw))


def path_of(items: Sequence[ShellItem]) -> str:
    r"""The path that items form: `My Computer\E:\folder\file`; the drive begins it where there is one."""
    parts: list[str] = []
    for item in items:
        drive = item.kind == "volume" and re.fullmatch(r"[A-Za-z]:\\?", item.name) is not None
        if drive or (item.kind == "network" and item.name.startswith("\\\\")):
            parts = [item.name.rstrip("\\")]
        elif item.name:
            parts.append(item.name.strip("\\"))
    text = "\\".join(parts)
    return text + "\\" if re.fullmatch(r"[A-Za-z]:", text) else text


def parse_item(raw: bytes, language: str = "ja") -> ShellItem:  # noqa: PLR0911 - one return a kind of item
    """One item, its size included. What is not known comes with the text that can be seen in it."""
    if len(raw) < 3:
        return ShellItem("other", "")
    kind = raw[2]
    if kind == 0x1F:
        return _root(raw)
    if kind & 0x70 == 0x20:
        return _volume(raw, language)
    if kind & 0x70 == 0x30:
        return _file(raw, language)
    if kind & 0x70 == 0x40:
        return ShellItem("network", ansi(raw[5:], language))
    if kind == 0x61:
        return _uri(raw, language)
    if kind in (0x70, 0x71) and len(raw) >= 30:
        return ShellItem("root", _folder(guid(raw[14:30])))
    if kind == 0x74 and len(raw) > 14:
        inner = raw[10 : 10 + u16(raw, 4) + 4]
        place = raw.find(b"\x31\0", 8, 32) if raw[6:10] == b"CFSF" else -1
        return _file(raw[place - 2 :], language) if place >= 2 else ShellItem("other", _visible(inner))
    if _EXTENSION in raw:
        found = _file(raw, language)
        return ShellItem(
            "file", found.name, None, found.created, found.accessed, None, found.mft_entry, found.mft_sequence
        )
    return _other(raw)


def _folder(identifier: str) -> str:
    return FOLDERS.get(identifier.strip("{}"), identifier)


def _root(raw: bytes) -> ShellItem:
    if u32(raw, 6) == 0x23A3DFD5 or _STORE in raw:
        # A search or a view of a user's properties: the name stands in its property store.
        return ShellItem("root", _visible(raw[10:]))
    return ShellItem("root", _folder(guid(raw[4:20])) if len(raw) >= 20 else _visible(raw))


def _volume(raw: bytes, language: str) -> ShellItem:
    if raw[2] & 1 and re.match(rb"[A-Za-z]:", raw[3:5]):
        return ShellItem("volume", ansi(raw[3:], language))
    if raw[2] == 0x2E and len(raw) >= 20:
        return ShellItem("root", _folder(guid(raw[4:20])))
    return ShellItem("volume", ansi(raw[3:], language) if raw[2] & 1 else _visible(raw))


def _uri(raw: bytes, language: str) -> ShellItem:
    data_bytes = u16(raw, 4)
    place = 6 + data_bytes if data_bytes else 8
    name = utf16(raw[place:]) if raw[3] & 0x80 else ansi(raw[place:], language)
    return ShellItem("uri", name or _visible(raw))


def _stamp(raw: bytes, at: int) -> Stamp | None:
    date, time = u16(raw, at), u16(raw, at + 2)
    return dos_utc(date, time) if date else None


def _file(raw: bytes, language: str) -> ShellItem:
    """A file or folder: its short name, and what the extension block BEEF0004 adds."""
    wide = bool(raw[2] & 4)
    short = utf16(raw[14:]) if wide else ansi(raw[14:], language)
    kind = "folder" if raw[2] & 1 or u16(raw, 12) & 0x10 else "file"
    modified = _stamp(raw, 8)
    at = raw.find(_EXTENSION)
    if at < 4:
        return ShellItem(kind, short, modified, size=u32(raw, 4))
    block = raw[at - 4 :]
    version = u16(block, 2)
    created, accessed = _stamp(block, 8), _stamp(block, 12)
    place, entry, sequence = 18, None, None
    if version >= 7:
        reference = u64(block, 20)
        if reference and len(block) >= 28:
            entry, sequence = reference & 0xFFFF_FFFF_FFFF, reference >> 48
        place = 36
    place += 2 if version >= 3 else 0
    place += (4 if version >= 9 else 0) + (4 if version >= 8 else 0)
    long = utf16(block[place:]) if version >= 3 else ""
    return ShellItem(kind, long or short, modified, created, accessed, u32(raw, 4), entry, sequence)


def _other(raw: bytes) -> ShellItem:
    signature = u32(raw, 6) if len(raw) >= 10 else 0
    if signature in (0x07192006, 0x10312005):
        # Folders and storages of portable devices (phones, cameras).
        return ShellItem("device", _visible(raw[10:]))
    return ShellItem("other", _visible(raw) or f"[{raw[2]:02x}]")


def _visible(raw: bytes) -> str:
    """The first readable UTF-16 text in bytes of an unknown layout."""
    for found in _LATIN.finditer(raw, 4):
        return found[0].decode("utf-16-le")
    if _STORE not in raw:
        for found in _CJK.finditer(raw, 4):
            text = found[0].decode("utf-16-le", "ignore")
            if found.start() % 2 == 0 and text.isprintable():
                return text
    return ""
