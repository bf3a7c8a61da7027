r"""The SYSTEM hive: devices, drive letters, services, programs seen by ShimCache and BAM, zone, name, shutdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from timeline import times
from timeline.event import Event, Problem
from timeline.stamps import filetime, guid, u16, u32, u64, utf16
from timeline.windows_zones import WINDOWS_ZONES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.hive import Hive, Key

PROPERTIES = "Properties/{83da6326-97a6-4088-9453-a1923f573b29}"
"""DEVPKEY_Device_…Date: 100 install, 101 first install, 102 last arrival, 103 last removal (devpkey.h)."""
PROPERTY_EVENTS = {
    0x64: ("usb.install", "Install Date"),
    0x65: ("usb.first_install", "First Install Date"),
    0x66: ("usb.last_arrival", "Last Arrival Date"),
    0x67: ("usb.last_removal", "Last Removal Date"),
}
BUSES = ("USBSTOR", "USB", "SCSI", "SWD", "WpdBusEnumRoot", "UASPSTOR", "SD", "SDBUS", "1394", "SBP2")
"""Below Enum: where outside devices stand. Of SCSI and USB only what is or carries a disk or a portable device."""
CLASSES = {
    "{53f56307-b6bf-11d0-94f2-00a0c91efb8b}": "disk",
    "{53f5630d-b6bf-11d0-94f2-00a0c91efb8b}": "volume",
    "{a5dcbf10-6530-11d2-901f-00c04fb951ed}": "usb device",
    "{6ac27878-a6fa-4155-ba85-f98f491d4f33}": "portable device",
    "{f33fdc04-d1ac-4e8e-9a30-19bbd4b108ae}": "portable device",
}
"""Interface classes (devguid.h) whose keys are written when a device arrives."""


def current_sets(hive: Hive) -> list[Key]:
    """The control sets, the current one first."""
    sets = [key for key in hive.root.subkeys() if re.fullmatch(r"ControlSet\d{3}", key.name, re.IGNORECASE)]
    select = hive.root.subkey("Select")
    current = select.number("Current") if select is not None else None
    return sorted(sets, key=lambda key: (int(key.name[-3:]) != current, key.name))


def registry_zone(hive: Hive) -> str | None:
    """The machine's zone by its registry: an IANA name; None where the hive does not say.

    Where the name is unknown and there is no summer time it is an offset such as `+09:00`.
    """
    for control_set in current_sets(hive):
        key = control_set.at("Control/TimeZoneInformation")
        if key is None:
            continue
        for name in (key.text("TimeZoneKeyName"), key.text("StandardName")):
            if name in WINDOWS_ZONES:
                return WINDOWS_ZONES[name]
        bias = key.number("Bias")
        start = key.value("DaylightStart")
        if bias is not None and (start is None or not any(start.raw)):
            signed = bias - (1 << 32) if bias & 1 << 31 else bias
            return times.offset_name(-signed) if abs(signed) <= 14 * 60 else None
        return None
    return None


def computer_name(hive: Hive) -> str:
    """The machine's name; empty where the hive does not say."""
    for control_set in current_sets(hive):
        for path in ("Control/ComputerName/ComputerName", "Control/ComputerName/ActiveComputerName"):
            key = control_set.at(path)
            if key is not None and key.text("ComputerName"):
                return key.text("ComputerName")
    return ""


def events(hive: Hive) -> Iterator[Event | Problem]:
    """All events of a SYSTEM hive; what older control sets repeat is told once."""
    seen: set[tuple[object, ...]] = set()
    for control_set in current_sets(hive):
        for event in _of_set(hive, control_set):
            if isinstance(event, Event):
                mark = (event.kind, event.time_text, event.path, event.data.get("device_id"), event.desc)
                if mark in seen:
                    continue
                seen.add(mark)
            yield event
    yield from _mounted_devices(hive)


def _of_set(hive: Hive, control_set: Key) -> Iterator[Event | Problem]:
    yield from _devices(control_set)
    yield from _classes(control_set)
    yield from _machine(hive, control_set)
    yield from _services(control_set)
    yield from _background(control_set)
    yield from _shim_cache(hive, control_set)


# -- devices ----------------------------------------------------------------------------------------------------------


def _devices(control_set: Key) -> Iterator[Event]:
    enum = control_set.subkey("Enum")
    for bus in BUSES:
        top = enum.subkey(bus) if enum is not None else None
        if top is None:
            continue
        for device in top.subkeys():
            if bus == "SWD" and device.name.upper() != "WPDBUSENUM":
                continue
            if bus == "SCSI" and not device.name.lower().startswith(("disk&", "cdrom&")):
                continue
            for instance in device.subkeys():
                yield from _device(control_set.name, bus, device, instance)


def device_fields(bus: str, device: str, serial: str) -> dict[str, object]:
    """Vendor, product, revision, serial, or VID and PID, from the two parts of an instance path."""
    found: dict[str, object] = {"device_id": f"{bus}\\{device}\\{serial}", "bus": bus}
    for name, prefix in (("vendor", "Ven_"), ("product", "Prod_"), ("revision", "Rev_")):
        part = re.search(rf"(?:^|&){prefix}([^&]*)", device, re.IGNORECASE)
        if part is not None and part[1]:
            found[name] = part[1].replace("_", " ").strip()
    for name in ("VID", "PID", "MI"):
        part = re.search(rf"(?:^|&){name}_([0-9A-Fa-f]+)", device)
        if part is not None:
            found[name.lower()] = part[1].upper()
    # A '&' in second place: Windows made the serial up, the device has none of its own.
    found["serial"] = serial
    if len(serial) > 1 and serial[1] == "&":
        found["serial_made_up"] = True
    elif bus in ("USBSTOR", "UASPSTOR"):
        found["serial"] = re.sub(r"&\d+$", "", serial)
    return found


def _device(set_name: str, bus: str, device: Key, instance: Key) -> Iterator[Event]:
    data = device_fields(bus, device.name, instance.name) | {
        "friendly_name": _plain(instance.text("FriendlyName")),
        "description": _plain(instance.text("DeviceDesc")),
        "service": instance.text("Service"),
        "container_id": container_id(instance.text("ContainerID")),
        "parent_id_prefix": instance.text("ParentIdPrefix"),
        "control_set": set_name,
    }
    path = str(data["device_id"])
    yield filetime(instance.written).event(
        "usb.key_written", "Key Last Written", record=instance.path, path=path, data=data
    )
    properties = instance.at(PROPERTIES)
    if properties is None:
        return
    for prop in properties.subkeys():
        try:
            known = PROPERTY_EVENTS.get(int(prop.name, 16))
        except ValueError:
            continue
        if known is None:
            continue
        # Windows 8 and later: the default value; Windows 7: a key 00000000 with the value Data.
        inner = prop.subkey("00000000")
        value = (inner.value("Data") if inner is not None else None) or prop.value("")
        if value is not None and len(value.raw) == 8 and value.filetime:
            yield filetime(value.filetime).event(known[0], known[1], record=prop.path, path=path, data=data)


def container_id(text: str) -> str:
    """The id of the box that holds several devices; empty for the one that stands for the machine itself."""
    return "" if text.startswith("{00000000-0000-0000") else text.lower()


def _plain(text: str) -> str:
    """A text of an INF file, without the reference in front: `@disk.inf,%disk_devdesc%;Disk drive`."""
    return text.rpartition(";")[2] if text.startswith("@") else text


def _classes(control_set: Key) -> Iterator[Event]:
    top = control_set.at("Control/DeviceClasses")
    for identifier, name in CLASSES.items():
        key = top.subkey(identifier) if top is not None else None
        for device in key.subkeys() if key is not None else ():
            path = instance_path(device.name)
            bus = path.partition("\\")[0].upper()
            if bus not in ("USBSTOR", "USB", "UASPSTOR", "SWD", "WPDBUSENUMROOT", "STORAGE", "SCSI"):
                continue
            data: dict[str, object] = {"interface": name, "device_id": path, "control_set": control_set.name}
            parts = path.split("\\")
            if len(parts) == 3:
                data = device_fields(*parts) | data
            yield filetime(device.written).event(
                "usb.class_written", "Key Last Written", record=device.path, path=path, data=data
            )


def instance_path(link: str) -> str:
    r"""`##?#USBSTOR#Disk&Ven_X#serial#{class}` and its like as an instance path `USBSTOR\Disk&Ven_X\serial`."""
    text = re.sub(r"^(?:##\?#|\\\?\?\\|_\?\?_|\\\\\?\\)", "", link)
    text = re.sub(r"#\{[0-9a-fA-F-]{36}\}.*$", "", text)
    if text.upper().startswith("STORAGE#VOLUME#"):
        inner = re.sub(r"^STORAGE#Volume#(?:_\?\?_)?", "", text, flags=re.IGNORECASE)
        return "\\".join(inner.split("#")[:3]) if inner.upper().startswith(("USBSTOR", "SCSI", "UASP")) else text
    return "\\".join(text.split("#"))


def _mounted_devices(hive: Hive) -> Iterator[Event]:
    r"""Drive letters and volume names, with what stands behind them; the time is that of the whole key."""
    key = hive.root.subkey("MountedDevices")
    for value in key.values() if key is not None else ():
        data: dict[str, object] = {"name": value.name, **mounted_target(value.raw)}
        letter = re.fullmatch(r"\\DosDevices\\([A-Za-z]:)", value.name)
        volume = re.search(r"\{[0-9a-fA-F-]{36}\}", value.name)
        if letter is not None:
            data["drive"] = letter[1].upper()
        if volume is not None:
            data["volume"] = volume[0].lower()
        assert key is not None
        yield filetime(key.written).event(
            "registry.mounted_device", "Key Last Written", record="MountedDevices", path=value.name, data=data
        )


def mounted_target(raw: bytes) -> dict[str, object]:
    """What a value of MountedDevices names: an MBR partition, a GPT partition, or a device."""
    if len(raw) == 12:
        return {"disk_signature": f"{u32(raw, 0):08x}", "partition_offset": u64(raw, 4)}
    if raw[:8] == b"DMIO:ID:" and len(raw) >= 24:
        return {"gpt_partition": guid(raw[8:24])}
    text = raw.decode("utf-16-le", "replace").rstrip("\0")
    if text.isprintable() and len(text) > 4:
        path = instance_path(text)
        parts = path.split("\\")
        return {"target": text, **(device_fields(*parts) if len(parts) == 3 else {"device_id": path})}
    return {"raw": raw[:64].hex()}


# -- the machine ------------------------------------------------------------------------------------------------------


def _machine(hive: Hive, control_set: Key) -> Iterator[Event]:
    windows = control_set.at("Control/Windows")
    value = windows.value("ShutdownTime") if windows is not None else None
    if windows is not None and value is not None and value.filetime:
        yield filetime(value.filetime).event("system.shutdown", "Shutdown Time", record=windows.path)
    manager = control_set.at("Control/Session Manager")
    boot = manager.value("BootExecute") if manager is not None else None
    if manager is not None and boot is not None:
        yield filetime(manager.written).event(
            "registry.boot_execute", "Key Last Written", record=manager.path, path="; ".join(boot.texts)
        )
    key = control_set.at("Control/TimeZoneInformation")
    if key is not None:
        data = {
            "zone": registry_zone(hive) or "",
            "windows_zone": key.text("TimeZoneKeyName") or key.text("StandardName"),
            "bias_minutes": _signed(key.number("Bias")),
            "active_bias_minutes": _signed(key.number("ActiveTimeBias")),
        }
        yield filetime(key.written).event("system.time_zone", "Key Last Written", record=key.path, data=data)
    key = control_set.at("Control/ComputerName/ComputerName")
    if key is not None:
        name = key.text("ComputerName")
        yield filetime(key.written).event(
            "system.computer_name", "Key Last Written", record=key.path, host=name, path=name
        )


def _signed(value: int | None) -> int | None:
    return None if value is None else value - (1 << 32) if value & 1 << 31 else value


def _services(control_set: Key) -> Iterator[Event]:
    services = control_set.subkey("Services")
    for key in services.subkeys() if services is not None else ():
        kind = key.number("Type")
        if kind is None:
            continue
        data = {
            "service": key.name,
            "display_name": key.text("DisplayName"),
            "type": kind,
            "start": key.number("Start"),
            "account": key.text("ObjectName"),
            "control_set": control_set.name,
        }
        yield filetime(key.written).event(
            "registry.service", "Key Last Written", record=key.path, path=key.text("ImagePath") or key.name, data=data
        )


def _background(control_set: Key) -> Iterator[Event]:
    """Background and desktop activity moderators: when a user's program last ran."""
    services = control_set.subkey("Services")
    for name in ("bam", "dam"):
        for inner in ("State/UserSettings", "UserSettings"):
            key = services.at(f"{name}/{inner}") if services is not None else None
            for user in key.subkeys() if key is not None else ():
                for value in user.values():
                    if len(value.raw) >= 8 and value.kind == 3 and value.filetime:
                        yield filetime(value.filetime).event(
                            "execution.bam", "Last Executed", record=user.path, actor=user.name, path=value.name,
                            data={"moderator": name},
                        )  # fmt: skip


# -- ShimCache --------------------------------------------------------------------------------------------------------


def _shim_cache(hive: Hive, control_set: Key) -> Iterator[Event | Problem]:
    """Programs that the application compatibility cache knows; the time is that of the FILE, not of a run."""
    for path in ("AppCompatCache", "AppCompatibility"):
        key = control_set.at(f"Control/Session Manager/{path}")
        value = key.value("AppCompatCache") if key is not None else None
        if key is None or value is None or len(value.raw) < 16:
            continue
        found, complaint = shim_entries(value.raw)
        for position, (name, modified, executed) in enumerate(found):
            data: dict[str, object] = {"position": position, "control_set": control_set.name}
            if executed is not None:
                data["executed_flag"] = executed
            yield filetime(modified).event(
                "execution.shimcache", "File Modified", record=key.path, sequence=position, path=name, data=data
            )
        if complaint:
            yield Problem(hive.where, "unsupported", f"{key.path}: {complaint}")


ShimEntry = tuple[str, int, bool | None]


def shim_entries(raw: bytes) -> tuple[list[ShimEntry], str]:
    """Entries of an AppCompatCache value as (path, FILETIME of the file, flag "executed" or None); what is amiss.

    Format: libyal winreg-kb, "Application Compatibility Cache".
    """
    signature = u32(raw, 0)
    if signature == 0xDEADBEEF:
        return _shim_xp(raw)
    if signature in (0xBADC0FFE, 0xBADC0FEE):
        return _shim_indexed(raw, header=8 if signature == 0xBADC0FFE else 128, vista=signature == 0xBADC0FFE)
    for header in (0x80, 0x30, 0x34):
        # Windows 8 leaves the first word at 0 or writes the size of the header there.
        if signature in (0, header) and raw[header : header + 4] in (b"00ts", b"10ts"):
            return _shim_tagged(raw, header)
    return [], f"unknown layout {signature:08x} of the application compatibility cache"


def _shim_xp(raw: bytes) -> tuple[list[ShimEntry], str]:
    found: list[ShimEntry] = []
    for at in range(400, 400 + 552 * min(u32(raw, 4), 96), 552):
        if at + 552 > len(raw):
            return found, "the application compatibility cache is cut off"
        found.append((utf16(raw[at : at + 528]), u64(raw, at + 528), None))
    return found, ""


def _shim_indexed(raw: bytes, *, header: int, vista: bool) -> tuple[list[ShimEntry], str]:
    count = u32(raw, 4)
    wide = u32(raw, header + 4) == 0
    size = (32 if wide else 24) if vista else (48 if wide else 32)
    found: list[ShimEntry] = []
    if count > 4096:
        return found, "the application compatibility cache claims too many entries"
    for at in range(header, header + count * size, size):
        if at + size > len(raw):
            return found, "the application compatibility cache is cut off"
        length = u16(raw, at)
        place = u64(raw, at + 8) if wide else u32(raw, at + 4)
        time_at = at + (16 if wide else 8)
        flags = u32(raw, time_at + 8)
        if place + length > len(raw):
            return found, "the application compatibility cache is damaged"
        name = raw[place : place + length].decode("utf-16-le", "replace")
        found.append((name, u64(raw, time_at), bool(flags & 2)))
    return found, ""


def _shim_tagged(raw: bytes, at: int) -> tuple[list[ShimEntry], str]:
    newest = at in (0x30, 0x34)
    found: list[ShimEntry] = []
    while at + 14 <= len(raw):
        tag, size = raw[at : at + 4], u32(raw, at + 8)
        if tag not in (b"00ts", b"10ts") or at + 12 + size > len(raw):
            return found, "the application compatibility cache is damaged"
        body = raw[at + 12 : at + 12 + size]
        length = u16(body, 0)
        name = body[2 : 2 + length].decode("utf-16-le", "replace")
        place = 2 + length
        executed: bool | None = None
        if not newest:
            if tag == b"10ts":
                place += 2 + u16(body, place)
            executed = bool(u32(body, place) & 2)
            place += 8
        found.append((name, u64(body, place), executed))
        at += 12 + size
    return found, ""
