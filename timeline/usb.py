r"""USB storage and portable devices: one card for each, from every source that speaks of it.

```python
for card in cards(rows):                      # rows of the store's `events`, as mappings
    print(card.serial, card.first_install, [moment.time_ns for moment in card.connected])
```
Sources name a device in several ways: `USB\VID_…\SERIAL`, `USBSTOR\Disk&Ven_…\SERIAL&0`, `SWD\WPDBUSENUM\…`, a
volume, a container. Names that share a serial of the device's own, or a container id, on the same host are one device.
A serial that Windows made up (a `&` in second place) identifies a port, not a device; the card says so.

What is compared: first installation by registry and by setup log, the last connection that the registry keeps against
what logs saw later, connections before the first installation, files of the volume used before any connection, and
drive letters that several devices claim. Times of unknown zone are compared up to a shift of whole quarters of an hour.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from timeline import times
from timeline.hives.system import device_fields, instance_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

DEVICE_KINDS = (
    "usb.install", "usb.first_install", "usb.last_arrival", "usb.last_removal", "usb.key_written", "usb.class_written",
    "usb.readyboost", "usb.portable_name", "usb.volume_label", "device.setup", "device.deleted", "amcache.device",
    "evtx.device_recognized", "evtx.device_connected", "evtx.device_removed", "evtx.device_configured",
    "evtx.device_started", "evtx.device_deleted", "evtx.device_installed", "evtx.device_driver_install",
    "evtx.device_service", "evtx.disk_partition", "evtx.disk_seen", "evtx.device_policy",
    "registry.mounted_device", "registry.mount_point",
)  # fmt: skip
"""Events that name a device or a volume of one."""
FILE_KINDS = (
    "lnk.target_created", "lnk.target_modified", "lnk.target_accessed", "lnk.target", "jumplist.used",
    "jumplist.target",
    "jumplist.target_created", "jumplist.target_modified", "jumplist.target_accessed", "shellbag.key", "shellbag.last",
    "registry.recent_docs", "registry.open_save", "office.mru", "office.trusted", "file.recycled",
    "prefetch.volume_created",
)  # fmt: skip
"""Events that may name a file or folder on a device."""
CONNECT = {
    "usb.last_arrival": "registry: last arrival",
    "usb.first_install": "registry: first install",
    "evtx.device_recognized": "Security 6416",
    "evtx.device_connected": "DriverFrameworks-UserMode 2003",
    "evtx.device_configured": "Kernel-PnP 400",
    "evtx.device_started": "Kernel-PnP 410",
    "device.setup": "setupapi log",
    "evtx.disk_seen": "StorageSpaces-Driver 207",
}
"""Events that show a device arriving, and how the card names their source."""
DISCONNECT = {"usb.last_removal": "registry: last removal", "evtx.device_removed": "DriverFrameworks-UserMode 2102"}
USED = ("jumplist.used", "shellbag.key", "shellbag.last", "registry.recent_docs", "registry.open_save", "office.mru")
"""Of FILE_KINDS those whose time is that of a use on this machine."""
MOST_FILES = 1000
SLACK_NS = 120 * times.NS
"""Steps of one connection lie up to two minutes apart."""
QUARTER_NS = 900 * times.NS


@dataclass(frozen=True, slots=True)
class Moment:
    """A time that a source gives, with the event's id; `zone` None: local time of unknown zone."""

    time_ns: int | None
    time_text: str
    zone: str | None
    source: str
    event: str


@dataclass(frozen=True, slots=True)
class Episode:
    """One connection or removal: all moments within SLACK_NS of the one before, each with its source."""

    time_ns: int | None
    zone: str | None
    moments: tuple[Moment, ...]


@dataclass(frozen=True, slots=True)
class FileSeen:
    """A file or folder on the device, and why it is thought to lie there: `volume serial`, `volume label`, `drive`."""

    path: str
    basis: str
    kind: str
    time_ns: int | None
    zone: str | None
    actor: str
    event: str


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two sources that cannot both be right, or not as they seem; `ja` and `en` say how."""

    ja: str
    en: str
    events: tuple[str, ...]


@dataclass(slots=True)
class Card:
    """All that is known of one device on one host."""

    host: str
    serial: str = ""
    serial_made_up: bool = False
    vendor: str = ""
    product: str = ""
    revision: str = ""
    vid: str = ""
    pid: str = ""
    names: list[str] = field(default_factory=list)
    instances: list[str] = field(default_factory=list)
    containers: list[str] = field(default_factory=list)
    capacity_bytes: int | None = None
    first_install: list[Moment] = field(default_factory=list)
    connected: list[Moment] = field(default_factory=list)
    disconnected: list[Moment] = field(default_factory=list)
    connections: list[Episode] = field(default_factory=list)
    removals: list[Episode] = field(default_factory=list)
    key_times: list[Moment] = field(default_factory=list)
    drives: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)
    volume_serials: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    files: list[FileSeen] = field(default_factory=list)
    files_total: int = 0
    contradictions: list[Contradiction] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)


def identity(path: str) -> tuple[str, str, str] | None:
    r"""Bus, device and serial of an instance path, also of one inside another (`SWD\WPDBUSENUM\…USBSTOR#…`)."""
    text = path.strip()
    inner = re.search(
        r"(USBSTOR|UASPSTOR|SCSI)#((?:Disk|CdRom|Other)&[^#\\]+)#([^#\\]+)", text, re.IGNORECASE
    ) or re.search(r"(USBSTOR|UASPSTOR|SCSI)[\\#]((?:Disk|CdRom|Other)&[^#\\]+)[\\#]([^#\\]+)", text, re.IGNORECASE)
    if inner is not None:
        return inner[1].upper(), inner[2], inner[3]
    parts = text.split("\\") if re.match(r"[A-Za-z0-9]+\\", text) else instance_path(text).split("\\")
    if len(parts) == 3 and re.fullmatch(r"[A-Za-z0-9]+", parts[0]):
        return parts[0].upper(), parts[1], parts[2]
    return None


def cards(rows: Iterable[Mapping[str, Any]], *, everything: bool = False) -> list[Card]:
    """Cards of the devices in `rows`; storage and portable devices, or all with `everything`.

    Each row holds id, time_ns, time_text, zone, kind, desc, actor, host, path, source and data (JSON text or mapping).
    """
    groups = _Groups()
    volumes: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = []
    files: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = []
    for row in rows:
        data = _data(row)
        if row["kind"] in FILE_KINDS:
            files.append((row, data))
        elif row["kind"] in ("registry.mount_point", "usb.readyboost", "usb.volume_label", "registry.mounted_device"):
            volumes.append((row, data))
            if row["kind"] == "registry.mounted_device" and data.get("device_id"):
                groups.add(row, data)
        else:
            groups.add(row, data)
    found = [_card(members) for members in groups.members()]
    found = [card for card in found if everything or _is_storage(card)]
    _volumes(found, volumes)
    _files(found, files)
    for card in found:
        _compare(card)
    _shared_drives(found)
    return sorted(found, key=lambda card: (_first_ns(card), card.host, card.serial))


def _data(row: Mapping[str, Any]) -> Mapping[str, Any]:
    data = row["data"]
    if isinstance(data, str):
        try:
            data = json.loads(data)
        except ValueError:
            return {}
    return data if isinstance(data, dict) else {}


_Member = tuple["Mapping[str, Any]", "Mapping[str, Any]", tuple[str, str, str]]


class _Groups:
    """Events joined by what names their device: union-find over serials and containers."""

    def __init__(self) -> None:
        self._parent: dict[tuple[str, str, str], tuple[str, str, str]] = {}
        self._events: list[tuple[tuple[str, str, str], _Member]] = []

    def add(self, row: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        """Put an event to its device; events that name none are left out."""
        host = str(row["host"]).casefold()
        path = str(data.get("device_id") or data.get("DeviceId") or data.get("ParentId") or row["path"] or "")
        named = identity(path)
        if named is None:
            return
        key = (host, "serial", _own_serial(named).casefold())
        root = self._root(key)
        container = str(data.get("container_id") or "").casefold()
        outside = (
            named[0] in ("USB", "USBSTOR", "UASPSTOR", "SCSI", "WPDBUSENUMROOT") or named[1].upper() == "WPDBUSENUM"
        )
        if outside and container:
            self._parent[self._root((host, "container", container))] = root
        self._events.append((key, (row, data, named)))

    def _root(self, key: tuple[str, str, str]) -> tuple[str, str, str]:
        self._parent.setdefault(key, key)
        while self._parent[key] != key:
            self._parent[key] = self._parent[self._parent[key]]
            key = self._parent[key]
        return key

    def members(self) -> list[list[_Member]]:
        """The events of each device."""
        found: dict[tuple[str, str, str], list[_Member]] = defaultdict(list)
        for key, member in self._events:
            found[self._root(key)].append(member)
        return list(found.values())


def _own_serial(named: tuple[str, str, str]) -> str:
    """What tells the device: its serial without the number of the unit; where Windows made it up, the whole path."""
    bus, device, serial = named
    if (len(serial) > 1 and serial[1] == "&") or bus not in ("USB", "USBSTOR", "UASPSTOR"):
        return f"{bus}\\{device}\\{serial}"
    return re.sub(r"&\d+$", "", serial)


def _is_storage(card: Card) -> bool:
    text = " ".join(card.instances).upper()
    return any(mark in text for mark in ("USBSTOR\\", "UASPSTOR\\", "WPDBUSENUM", "USBSTOR#")) or (
        "SCSI\\" in text and "USB\\" in text
    )


def _moment(row: Mapping[str, Any], source: str) -> Moment:
    return Moment(row["time_ns"], str(row["time_text"]), row["zone"], source, str(row["id"]))


def _keep(values: list[str], value: object) -> None:
    text = str(value or "").strip()
    if text and text.casefold() not in (one.casefold() for one in values):
        values.append(text)


def _card(members: Sequence[_Member]) -> Card:
    card = Card(host=next((str(row["host"]) for row, _, _ in members if row["host"]), ""))
    for row, data, named in members:
        _describe(card, row, data, named)
        _times(card, row, data)
    for moments in (card.first_install, card.connected, card.disconnected, card.key_times):
        moments.sort(key=lambda one: (one.time_ns is None, one.time_ns or 0))
    card.connections, card.removals = episodes(card.connected), episodes(card.disconnected)
    return card


def episodes(moments: Sequence[Moment]) -> list[Episode]:
    """Moments in order of time, joined where they follow each other within SLACK_NS; unknown zones stay apart."""
    found: list[list[Moment]] = []
    for moment in sorted(moments, key=lambda one: (one.zone is None, one.time_ns is None, one.time_ns or 0)):
        last = found[-1][-1] if found else None
        joined = (
            last is not None
            and (last.zone is None) == (moment.zone is None)
            and last.time_ns is not None
            and moment.time_ns is not None
            and moment.time_ns - last.time_ns <= SLACK_NS
        )
        if joined:
            found[-1].append(moment)
        else:
            found.append([moment])
    return [Episode(group[0].time_ns, group[0].zone, tuple(group)) for group in found]


def _describe(card: Card, row: Mapping[str, Any], data: Mapping[str, Any], named: tuple[str, str, str]) -> None:
    bus, device, serial = named
    _keep(card.instances, "\\".join(named))
    _keep(card.sources, row["source"])
    fields = device_fields(bus, device, serial)
    for name in ("vendor", "product", "revision", "vid", "pid"):
        if not getattr(card, name) and fields.get(name):
            setattr(card, name, str(fields[name]))
    # A SCSI or portable instance is numbered by Windows: the serial of the device stands in its USB names.
    made_up = bool(fields.get("serial_made_up")) or bus not in ("USB", "USBSTOR", "UASPSTOR")
    if not card.serial or (card.serial_made_up and not made_up):
        card.serial, card.serial_made_up = str(fields["serial"]), made_up
    for name in ("friendly_name", "model", "Model", "DeviceDescription", "label"):
        _keep(card.names, data.get(name))
    _keep(card.containers, data.get("container_id"))
    if row["kind"] == "evtx.disk_partition":
        if not card.vendor:
            card.vendor = str(data.get("Manufacturer") or "").strip()
        size = _number(data.get("Capacity"))
        card.capacity_bytes = size or card.capacity_bytes
        for serial_text in boot_serials(data):
            _keep(card.volume_serials, serial_text)
    if row["kind"] == "registry.mounted_device":
        _keep(card.drives, data.get("drive"))
        _keep(card.volumes, data.get("volume"))


def _times(card: Card, row: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    kind = str(row["kind"])
    if kind == "usb.first_install":
        card.first_install.append(_moment(row, "registry: first install"))
    if kind == "device.setup" and row["desc"] == "Section Start" and not card_has(card.first_install, "setupapi log"):
        card.first_install.append(_moment(row, "setupapi log"))
    if kind == "evtx.disk_partition":
        gone = data.get("Capacity") in (0, "0")
        target = card.disconnected if gone else card.connected
        target.append(_moment(row, "Partition 1006"))
    elif kind in DISCONNECT:
        card.disconnected.append(_moment(row, DISCONNECT[kind]))
    elif kind in CONNECT and row["desc"] != "Section End":
        card.connected.append(_moment(row, CONNECT[kind]))
    elif kind in ("usb.key_written", "usb.class_written"):
        card.key_times.append(_moment(row, "registry: key written"))


def card_has(moments: Sequence[Moment], source: str) -> bool:
    """Whether a source is among those of the moments."""
    return any(moment.source == source for moment in moments)


def boot_serials(data: Mapping[str, Any]) -> list[str]:
    """Serials of volumes from the boot sectors that Partition 1006 records (`Vbr0` … as hexadecimal text)."""
    found = []
    for name, value in data.items():
        if re.fullmatch(r"Vbr\d", str(name)) and isinstance(value, str) and re.fullmatch(r"[0-9A-Fa-f]{180,}", value):
            raw = bytes.fromhex(value[: len(value) & ~1])
            place = {b"NTFS    ": 0x48, b"EXFAT   ": 0x64}.get(raw[3:11])
            if place is None:
                place = 0x43 if raw[0x52:0x57] == b"FAT32" else 0x27 if raw[0x36:0x39] == b"FAT" else None
            if place is not None and len(raw) >= place + 4:
                serial = int.from_bytes(raw[place : place + 4], "little")
                found.append(f"{serial >> 16:04X}-{serial & 0xFFFF:04X}")
    return found


def _number(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19 else None


# -- volumes, users, files --------------------------------------------------------------------------------------------


def _volumes(found: Sequence[Card], volumes: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> None:
    """Volumes, labels and users by the volume ids and drive letters that a device is known to have had."""
    for row, data in volumes:
        host = str(row["host"]).casefold()
        for card in found:
            if card.host and host and card.host.casefold() != host:
                continue
            if (
                row["kind"] == "usb.readyboost"
                and card.serial
                and card.serial.casefold() in str(row["path"]).casefold()
            ):
                _keep(card.volume_serials, data.get("volume_serial"))
                _keep(card.labels, data.get("volume_label"))
                _keep(card.sources, row["source"])
            elif row["kind"] == "registry.mount_point" and str(data.get("volume") or "") in card.volumes:
                _keep(card.users, row["actor"])
                _keep(card.labels, data.get("label"))
                _keep(card.sources, row["source"])
            elif row["kind"] == "usb.volume_label" and str(data.get("drive") or "").rstrip("\\") in card.drives:
                _keep(card.labels, data.get("label"))
                _keep(card.sources, row["source"])


def _files(found: Sequence[Card], files: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> None:
    """Files on the device: by the serial of the volume, else by its label, else by the letter of a removable drive."""
    for row, data in files:
        path = str(row["path"])
        serial, label = str(data.get("volume_serial") or ""), str(data.get("volume_label") or "")
        drive = path[:2].upper() if re.match(r"[A-Za-z]:", path) else ""
        fixed = data.get("drive_type") in ("fixed", "remote", "cd-rom")
        for card in found:
            if serial and serial in card.volume_serials:
                basis = "volume serial"
            elif label and not fixed and label in card.labels:
                basis = "volume label"
            elif drive and drive in card.drives and not fixed and not (serial and card.volume_serials):
                basis = "drive"
            else:
                continue
            card.files_total += 1
            _keep(card.users, row["actor"] if basis != "drive" else "")
            if data.get("drive_type") == "removable":
                _keep(card.volume_serials, serial)
            if len(card.files) < MOST_FILES:
                card.files.append(
                    FileSeen(
                        path, basis, str(row["kind"]), row["time_ns"], row["zone"], str(row["actor"]), str(row["id"])
                    )
                )
    for card in found:
        card.files.sort(key=lambda one: (one.time_ns is None, one.time_ns or 0, one.path))


# -- contradictions ---------------------------------------------------------------------------------------------------


def _first_ns(card: Card) -> int:
    known = [one.time_ns for one in (*card.first_install, *card.connected) if one.time_ns is not None]
    return min(known, default=1 << 62)


def _differ(one: Moment, other: Moment) -> bool:
    """Whether two times cannot be the same moment; an unknown zone may be off by whole quarters of an hour."""
    if one.time_ns is None or other.time_ns is None:
        return False
    gap = abs(one.time_ns - other.time_ns)
    if one.zone is not None and other.zone is not None:
        return gap > SLACK_NS
    rest = gap % QUARTER_NS
    return gap > 14 * 4 * QUARTER_NS or min(rest, QUARTER_NS - rest) > SLACK_NS


def _shown(moment: Moment) -> str:
    return times.text(moment.time_ns, digits=0) if moment.zone is not None else f"{moment.time_text} (zone?)"


def _compare(card: Card) -> None:
    registry = [one for one in card.first_install if one.source.startswith("registry")]
    setup = [one for one in card.first_install if one.source == "setupapi log"]
    if registry and setup and _differ(registry[0], setup[0]):
        card.contradictions.append(
            Contradiction(
                f"初回導入が一致しません: レジストリ {_shown(registry[0])}、導入ログ {_shown(setup[0])}",
                f"first installation differs: registry {_shown(registry[0])}, setup log {_shown(setup[0])}",
                (registry[0].event, setup[0].event),
            )
        )
    arrivals = [one for one in card.connected if one.source == "registry: last arrival" and one.time_ns is not None]
    logged = [
        one
        for one in card.connected
        if not one.source.startswith(("registry", "setupapi")) and one.time_ns is not None and one.zone is not None
    ]
    if arrivals and logged:
        last, latest = arrivals[-1], logged[-1]
        assert last.time_ns is not None
        assert latest.time_ns is not None
        if latest.time_ns > last.time_ns + SLACK_NS:
            card.contradictions.append(
                Contradiction(
                    f"レジストリの最終接続 {_shown(last)} より後の接続がログにあります: "
                    f"{latest.source} {_shown(latest)}",
                    f"a log shows a connection after the registry's last arrival {_shown(last)}: "
                    f"{latest.source} {_shown(latest)}",
                    (last.event, latest.event),
                )
            )
    _before_install(card, registry, logged)


def _before_install(card: Card, registry: Sequence[Moment], logged: Sequence[Moment]) -> None:
    first = next((one for one in registry if one.time_ns is not None), None)
    if first is None or first.time_ns is None:
        return
    early = next((one for one in logged if one.time_ns is not None and one.time_ns < first.time_ns - SLACK_NS), None)
    if early is not None:
        card.contradictions.append(
            Contradiction(
                f"初回導入 {_shown(first)} より前の接続がログにあります: {early.source} {_shown(early)}",
                f"a log shows a connection before the first installation {_shown(first)}: "
                f"{early.source} {_shown(early)}",
                (first.event, early.event),
            )
        )
    known = _first_ns(card)
    for seen in card.files:
        if (
            seen.kind in USED
            and seen.basis == "volume serial"
            and seen.zone is not None
            and seen.time_ns is not None
            and seen.time_ns < known - SLACK_NS
        ):
            when = times.text(seen.time_ns, digits=0)
            card.contradictions.append(
                Contradiction(
                    f"最初の接続より前に、この機器のボリュームのファイルが使われています: {when} {seen.path}",
                    f"a file of this device's volume was used before its first connection: {when} {seen.path}",
                    (seen.event,),
                )
            )
            break


def _shared_drives(found: Sequence[Card]) -> None:
    """A letter stands for one device at a time: where several had it, files by letter alone may be another's."""
    owners: dict[tuple[str, str], list[Card]] = defaultdict(list)
    for card in found:
        for drive in card.drives:
            owners[card.host, drive].append(card)
    for (_, drive), those in owners.items():
        if len(those) > 1:
            names = ", ".join(card.serial for card in those)
            for card in those:
                card.contradictions.append(
                    Contradiction(
                        f"ドライブ {drive} は複数の機器に割り当てられています: {names}",
                        f"drive {drive} is assigned to several devices: {names}",
                        (),
                    )
                )
