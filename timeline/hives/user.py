"""A user's hives, NTUSER.DAT and UsrClass.dat: what the user opened, ran, typed and connected."""

from __future__ import annotations

import codecs
import re
import struct
from typing import TYPE_CHECKING

from timeline.shell_items import item_events, parse_list, path_of
from timeline.stamps import Stamp, filetime, u32, utf16

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from timeline.event import Event
    from timeline.hive import Hive, Key, Value

EXPLORER = "Software/Microsoft/Windows/CurrentVersion/Explorer"
KNOWN_FOLDERS = {
    "{f38bf404-1d43-42f2-9305-67de0b28fc23}": "%windir%",
    "{1ac14e77-02e7-4e5d-b744-2eb1ae5198b7}": "%windir%\\System32",
    "{d65231b0-b2f1-4857-a4ce-a8e7c6ea7d27}": "%windir%\\SysWOW64",
    "{6d809377-6af0-444b-8957-a3773f02200e}": "%ProgramFiles%",
    "{7c5a40ef-a0fb-4bfc-874a-c0f2e0b9fa8e}": "%ProgramFiles(x86)%",
    "{0139d44e-6afe-49f2-8690-3dafcae6ffb8}": "%ProgramData%\\Microsoft\\Windows\\Start Menu\\Programs",
    "{a77f5d77-2e2b-44c3-a6a2-aba601054a51}": "%APPDATA%\\Microsoft\\Windows\\Start Menu\\Programs",
    "{9e3995ab-1f9c-4f13-b827-48b24b6c7174}": "%APPDATA%\\Microsoft\\Internet Explorer\\Quick Launch\\User Pinned",
    "{b4bfcc3a-db2c-424c-b029-7fe99a87c641}": "%USERPROFILE%\\Desktop",
    "{374de290-123f-4565-9164-39c4925e467b}": "%USERPROFILE%\\Downloads",
}
"""Known folders in the names of UserAssist (KnownFolders.h)."""
DEEPEST_BAG = 64
MOST_BAGS = 100_000


def events(hive: Hive, actor: str) -> Iterator[Event]:
    """All events of a user's hive."""
    root = hive.root
    software = root.subkey("Software")
    explorer = root.at(EXPLORER)
    if explorer is not None:
        yield from _user_assist(explorer, actor)
        yield from _mount_points(explorer, actor)
        yield from _recent_docs(explorer, actor)
        yield from _dialogs(explorer, actor)
        yield from _typed(explorer.subkey("TypedPaths"), None, "registry.typed_path", actor)
        yield from _run_mru(explorer, actor)
        yield from _searches(explorer, actor)
        yield from _open_with(explorer, actor)
    internet = root.at("Software/Microsoft/Internet Explorer")
    if internet is not None:
        yield from _typed(internet.subkey("TypedURLs"), internet.subkey("TypedURLsTime"), "web.typed_url", actor)
    if software is not None:
        yield from run_keys(software, actor)
        yield from _office(software, actor)
        yield from _remote_desktop(software, actor)
        yield from _archivers(software, actor)
    for path in (
        "Software/Microsoft/Windows/Shell/BagMRU",
        "Software/Microsoft/Windows/ShellNoRoam/BagMRU",
        "Local Settings/Software/Microsoft/Windows/Shell/BagMRU",
        "Wow6432Node/Local Settings/Software/Microsoft/Windows/Shell/BagMRU",
    ):
        bags = root.at(path)
        if bags is not None:
            yield from _shell_bags(bags, actor)
    network = root.subkey("Network")
    for key in network.subkeys() if network is not None else ():
        data = {"drive": f"{key.name.upper()}:", "user_name": key.text("UserName")}
        yield filetime(key.written).event(
            "registry.network_drive", "Key Last Written", record=key.path, actor=actor, path=key.text("RemotePath"),
            data=data,
        )  # fmt: skip


# -- programs ---------------------------------------------------------------------------------------------------------


def _user_assist(explorer: Key, actor: str) -> Iterator[Event]:
    top = explorer.subkey("UserAssist")
    for identifier in top.subkeys() if top is not None else ():
        count = identifier.subkey("Count")
        for value in count.values() if count is not None else ():
            name = codecs.decode(value.name, "rot13")
            data: dict[str, object] = {}
            if len(value.raw) == 72:
                data = {"runs": u32(value.raw, 4), "focus_count": u32(value.raw, 8), "focus_ms": u32(value.raw, 12)}
                when = struct.unpack_from("<Q", value.raw, 60)[0]
            elif len(value.raw) == 16:
                # Windows XP counts from 5.
                data = {"runs": max(0, u32(value.raw, 4) - 5)}
                when = struct.unpack_from("<Q", value.raw, 8)[0]
            else:
                continue
            if when or not value.name.startswith("HRZR_PGY"):
                # Without a time: a program that is counted but never ran, as far as this list knows.
                assert count is not None
                yield filetime(when).event(
                    "execution.userassist",
                    "Last Executed",
                    record=count.path,
                    actor=actor,
                    path=_known(name),
                    data=data,
                )


def _known(name: str) -> str:
    found = re.match(r"(?:UEME_\w+:)?(\{[0-9A-Fa-f-]{36}\})", name)
    folder = KNOWN_FOLDERS.get(found[1].lower()) if found is not None else None
    plain = re.sub(r"^UEME_\w+:", "", name) or name
    return folder + plain[38:] if folder is not None else plain


def run_keys(software: Key, actor: str) -> Iterator[Event]:
    """Programs that start by themselves; `software` is the key that holds `Microsoft`."""
    for prefix in ("", "Wow6432Node/"):
        for name in ("Run", "RunOnce", "RunOnceEx", "RunServices", "Policies/Explorer/Run"):
            key = software.at(f"{prefix}Microsoft/Windows/CurrentVersion/{name}")
            for value in key.values() if key is not None else ():
                assert key is not None
                yield filetime(key.written).event(
                    "registry.run_key", "Key Last Written", record=key.path, actor=actor, path=value.text,
                    data={"name": value.name},
                )  # fmt: skip


# -- lists of what was used last --------------------------------------------------------------------------------------


def _ordered(key: Key) -> list[Value]:
    """Values of a list in the order of last use, where the key keeps one."""
    values = {value.name: value for value in key.values()}
    order = values.get("MRUListEx")
    if order is not None:
        names = [str(number) for (number,) in struct.iter_unpack("<I", order.raw[: len(order.raw) & ~3])]
        names = names[: names.index(str(0xFFFFFFFF))] if str(0xFFFFFFFF) in names else names
    else:
        names = list(values["MRUList"].text) if "MRUList" in values else []
    found = [values[name] for name in dict.fromkeys(names) if name in values]
    rest = [value for name, value in values.items() if name not in ("MRUListEx", "MRUList", "") and value not in found]
    return found + [value for value in rest if re.fullmatch(r"\d+|[a-z]", value.name)]


def _list_event(key: Key, kind: str, actor: str, name_of: Callable[[Value], str], **data: object) -> Iterator[Event]:
    """One event for a list: the time of the key is that of the entry used last; the others stand in `data`."""
    names = [name for name in (name_of(value) for value in _ordered(key)) if name]
    if names:
        yield filetime(key.written).event(
            kind, "Key Last Written", record=key.path, actor=actor, path=names[0],
            data=data | {"earlier": names[1:101], "entries": len(names)},
        )  # fmt: skip


def _items(key: Key, actor: str, content: Callable[[Value], bytes]) -> Iterator[Event]:
    """The times in the shell items of a list's entries."""
    for value in _ordered(key):
        items = parse_list(content(value))
        yield from item_events(items, record=f"{key.path}\\{value.name}", actor=actor, data={"of": path_of(items)})


def _recent_docs(explorer: Key, actor: str) -> Iterator[Event]:
    top = explorer.subkey("RecentDocs")
    if top is not None:
        for key in (top, *top.subkeys()):
            extension = "" if key is top else key.name
            yield from _list_event(key, "registry.recent_docs", actor, lambda v: utf16(v.raw), extension=extension)
            yield from _items(key, actor, lambda value: value.raw[2 * len(utf16(value.raw)) + 2 :])


def _dialogs(explorer: Key, actor: str) -> Iterator[Event]:
    """Files chosen in dialogs to open and save, and the programs that showed them."""
    dialogs = explorer.subkey("ComDlg32")
    if dialogs is None:
        return
    lists: dict[str, Callable[[Value], str]] = {
        "OpenSavePidlMRU": lambda v: path_of(parse_list(v.raw)),
        "OpenSaveMRU": lambda v: v.text,
    }
    for name, name_of in lists.items():
        top = dialogs.subkey(name)
        for key in (top, *top.subkeys()) if top is not None else ():
            yield from _list_event(key, "registry.open_save", actor, name_of, extension="" if key is top else key.name)
        if name == "OpenSavePidlMRU" and top is not None:
            for key in (top, *top.subkeys()):
                yield from _items(key, actor, lambda value: value.raw)
    for name in ("LastVisitedPidlMRU", "LastVisitedPidlMRULegacy", "LastVisitedMRU"):
        visited = dialogs.subkey(name)
        if visited is not None:
            yield from _list_event(visited, "registry.last_visited", actor, _last_visited)
            if name != "LastVisitedMRU":
                yield from _items(visited, actor, lambda value: value.raw[2 * len(utf16(value.raw)) + 2 :])


def _last_visited(value: Value) -> str:
    """Program and folder of a dialog."""
    program = utf16(value.raw)
    rest = value.raw[2 * len(program) + 2 :]
    items = parse_list(rest)
    return f"{program} | {path_of(items)}" if items else f"{program} | {utf16(rest)}".rstrip(" |")


def _run_mru(explorer: Key, actor: str) -> Iterator[Event]:
    key = explorer.subkey("RunMRU")
    if key is not None:
        yield from _list_event(key, "registry.run_mru", actor, lambda v: v.text.removesuffix("\\1"))


def _searches(explorer: Key, actor: str) -> Iterator[Event]:
    top = explorer.subkey("WordWheelQuery")
    if top is not None:
        yield from _list_event(top, "registry.search", actor, lambda v: utf16(v.raw))


def _open_with(explorer: Key, actor: str) -> Iterator[Event]:
    """Programs chosen to open files of a kind."""
    top = explorer.subkey("FileExts")
    for extension in top.subkeys() if top is not None else ():
        key = extension.subkey("OpenWithList")
        if key is not None:
            yield from _list_event(key, "registry.open_with", actor, lambda v: v.text, extension=extension.name)


def _archivers(software: Key, actor: str) -> Iterator[Event]:
    """Archives and folders that WinRAR and 7-Zip remember, the last one first."""
    for path in (
        "WinRAR/ArcHistory",
        "WinRAR/DialogEditHistory/ArcName",
        "WinRAR/DialogEditHistory/ExtrPath",
        "WinRAR/DialogEditHistory/ArcFiles",
    ):
        key = software.at(path)
        values = (
            sorted((v for v in key.values() if v.name.isdigit()), key=lambda v: int(v.name)) if key is not None else []
        )
        names = [value.text for value in values if value.text]
        if names:
            assert key is not None
            yield filetime(key.written).event(
                "registry.archive", "Key Last Written", record=key.path, actor=actor, path=names[0],
                data={"program": "WinRAR", "earlier": names[1:101], "entries": len(names)},
            )  # fmt: skip
    for path, name in (
        ("7-Zip/FM", "CopyHistory"),
        ("7-Zip/FM", "FolderHistory"),
        ("7-Zip/Compression", "ArcHistory"),
        ("7-Zip/Extraction", "PathHistory"),
    ):
        key = software.at(path)
        value = key.value(name) if key is not None else None
        names = (
            [one for one in value.raw.decode("utf-16-le", "replace").split("\0") if one] if value is not None else []
        )
        if names:
            assert key is not None
            yield filetime(key.written).event(
                "registry.archive", "Key Last Written", record=f"{key.path}\\{name}", actor=actor, path=names[0],
                data={"program": "7-Zip", "earlier": names[1:101], "entries": len(names)},
            )  # fmt: skip


def _typed(key: Key | None, times_key: Key | None, kind: str, actor: str) -> Iterator[Event]:
    """What was typed into an address bar: one event each where times are kept, else one for the list."""
    if key is None:
        return
    values = sorted(
        (value for value in key.values() if re.fullmatch(r"url\d+", value.name, re.IGNORECASE)),
        key=lambda value: int(value.name[3:]),
    )
    when = {value.name.lower(): value.filetime for value in times_key.values()} if times_key is not None else {}
    timeless = []
    for value in values:
        if when.get(value.name.lower()):
            yield filetime(when[value.name.lower()]).event(
                kind, "Typed", record=f"{key.path}\\{value.name}", actor=actor, path=value.text
            )
        elif value.text:
            timeless.append(value.text)
    if timeless:
        yield filetime(key.written).event(
            kind, "Key Last Written", record=key.path, actor=actor, path=timeless[0],
            data={"earlier": timeless[1:101], "entries": len(timeless)},
        )  # fmt: skip


# -- devices, folders, hosts ------------------------------------------------------------------------------------------


def _mount_points(explorer: Key, actor: str) -> Iterator[Event]:
    top = explorer.subkey("MountPoints2")
    for key in top.subkeys() if top is not None else ():
        if key.name.upper() == "CPC":
            for volume in (inner for part in key.subkeys() for inner in part.subkeys()):
                yield filetime(volume.written).event(
                    "registry.mount_point", "Key Last Written", record=volume.path, actor=actor, path=volume.name,
                    data=_mount_fields(volume.name),
                )  # fmt: skip
            continue
        path = "\\\\" + key.name[2:].replace("#", "\\") if key.name.startswith("##") else key.name
        data = _mount_fields(key.name)
        label = key.text("_LabelFromReg") or key.text("_LabelFromDesktopINI")
        yield filetime(key.written).event(
            "registry.mount_point",
            "Key Last Written",
            record=key.path,
            actor=actor,
            path=path,
            data=data | {"label": label},
        )


def _mount_fields(name: str) -> dict[str, object]:
    volume = re.search(r"\{[0-9a-fA-F-]{36}\}", name)
    if volume is not None:
        return {"volume": volume[0].lower()}
    if re.fullmatch(r"[A-Za-z]:?", name):
        return {"drive": name[0].upper() + ":"}
    return {"share": "\\\\" + name[2:].replace("#", "\\")} if name.startswith("##") else {}


def _remote_desktop(software: Key, actor: str) -> Iterator[Event]:
    top = software.at("Microsoft/Terminal Server Client")
    if top is None:
        return
    servers = top.subkey("Servers")
    for key in servers.subkeys() if servers is not None else ():
        yield filetime(key.written).event(
            "registry.rdp_server", "Key Last Written", record=key.path, actor=actor, path=key.name,
            data={"user_name": key.text("UsernameHint")},
        )  # fmt: skip
    default = top.subkey("Default")
    if default is not None:
        names = [value.text for value in sorted(default.values(), key=lambda v: v.name) if value.name.startswith("MRU")]
        if names:
            yield filetime(default.written).event(
                "registry.rdp_server", "Key Last Written", record=default.path, actor=actor, path=names[0],
                data={"earlier": names[1:]},
            )  # fmt: skip


def _shell_bags(top: Key, actor: str) -> Iterator[Event]:
    """Folders that Explorer showed: of each its place, when its key was written, and the times kept with the name."""
    count = 0
    stack: list[tuple[Key, list[object]]] = [(top, [])]
    while stack:
        key, above = stack.pop()
        inner = {one.name: one for one in key.subkeys()}
        for position, value in enumerate(_ordered(key)):
            count += 1
            if count > MOST_BAGS:
                return
            items = parse_list(value.raw)
            if not items:
                continue
            chain = [*above, *items]
            path = path_of(chain)  # type: ignore[arg-type]
            own = inner.get(value.name)
            data = items[-1].fields() | {"mru": position, "bag": f"{key.path}\\{value.name}"}
            if own is not None:
                yield filetime(own.written).event(
                    "shellbag.key", "Key Last Written", record=own.path, actor=actor, path=path, data=data
                )
                if len(above) < DEEPEST_BAG:
                    stack.append((own, chain))
            if position == 0:
                # The entry used last gave its key above its time.
                yield filetime(key.written).event(
                    "shellbag.last", "Most Recent Entry", record=key.path, actor=actor, path=path, data=data
                )
            for name in ("created", "modified", "accessed"):
                stamp: Stamp | None = getattr(items[-1], name)
                if stamp is not None:
                    yield stamp.event(
                        f"shellbag.target_{name}", f"Target {name.title()}", record=f"{key.path}\\{value.name}",
                        actor=actor, path=path, data=data,
                    )  # fmt: skip


# -- Office -----------------------------------------------------------------------------------------------------------

_ITEM = re.compile(r"\[F[0-9A-Fa-f]+\](?:\[T([0-9A-Fa-f]{16})\])?(?:\[O[0-9A-Fa-f]+\])?\*(.*)", re.DOTALL)


def _office(software: Key, actor: str) -> Iterator[Event]:
    office = software.at("Microsoft/Office")
    for version in office.subkeys() if office is not None else ():
        if not re.fullmatch(r"\d+\.\d+", version.name):
            continue
        for program in version.subkeys():
            yield from _trust_records(program, actor)
            lists = [program.subkey("File MRU"), program.subkey("Place MRU")]
            users = program.subkey("User MRU")
            for user in users.subkeys() if users is not None else ():
                lists += [user.subkey("File MRU"), user.subkey("Place MRU")]
            for key in lists:
                for value in key.values() if key is not None else ():
                    found = _ITEM.fullmatch(value.text)
                    if found is not None and found[1] and int(found[1], 16):
                        assert key is not None
                        yield filetime(int(found[1], 16)).event(
                            "office.mru" if key.name == "File MRU" else "office.place", "Last Used",
                            record=f"{key.path}\\{value.name}", actor=actor, path=found[2],
                            data={"program": program.name, "version": version.name},
                        )  # fmt: skip


def _trust_records(program: Key, actor: str) -> Iterator[Event]:
    """Documents for which the user left the protected view or enabled content."""
    key = program.at("Security/Trusted Documents/TrustRecords")
    for value in key.values() if key is not None else ():
        if len(value.raw) >= 8 and value.filetime:
            assert key is not None
            enabled = len(value.raw) >= 24 and u32(value.raw, len(value.raw) - 4) == 0x7FFFFFFF
            yield filetime(value.filetime).event(
                "office.trusted", "Document Trusted", record=key.path, actor=actor, path=value.name,
                data={"program": program.name, "macros_enabled": enabled},
            )  # fmt: skip
