"""The SOFTWARE hive: installation, networks, programs that start by themselves, programs installed, devices' names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from timeline import times
from timeline.hives.user import run_keys
from timeline.stamps import Stamp, filetime, local, unix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.event import Event
    from timeline.hive import Hive, Key
    from timeline.sources import Context

NETWORK_KINDS = {6: "wired", 23: "vpn", 71: "wireless", 243: "mobile broadband"}


def events(hive: Hive, context: Context) -> Iterator[Event]:
    """All events of a SOFTWARE hive."""
    root = hive.root
    version = root.at("Microsoft/Windows NT/CurrentVersion")
    if version is not None:
        data = {
            "product": version.text("ProductName"),
            "build": version.text("CurrentBuildNumber") or version.text("CurrentBuild"),
            "owner": version.text("RegisteredOwner"),
        }
        installed = version.number("InstallDate")
        if installed:
            yield unix(installed).event("system.installed", "Install Date", record=version.path, data=data)
        exact = version.value("InstallTime")
        if exact is not None and exact.filetime:
            yield filetime(exact.filetime).event("system.installed", "Install Time", record=version.path, data=data)
        networks = version.subkey("NetworkList")
        if networks is not None:
            yield from _networks(networks, context)
        yield from _volume_names(version)
    yield from run_keys(root, "")
    for prefix in ("", "Wow6432Node/"):
        key = root.at(f"{prefix}Microsoft/Windows/CurrentVersion/Uninstall")
        for program in key.subkeys() if key is not None else ():
            name = program.text("DisplayName")
            if name:
                data = {
                    "version": program.text("DisplayVersion"),
                    "publisher": program.text("Publisher"),
                    "install_date": program.text("InstallDate"),
                }
                yield filetime(program.written).event(
                    "registry.program", "Key Last Written", record=program.path, path=name, data=data
                )
    yield from _portable(root)


def _networks(key: Key, context: Context) -> Iterator[Event]:
    """Networks known to the machine. Their dates are SYSTEMTIME in local time."""
    gateways: dict[str, dict[str, object]] = {}
    signatures = key.subkey("Signatures")
    for group in signatures.subkeys() if signatures is not None else ():
        for one in group.subkeys():
            mac = one.value("DefaultGatewayMac")
            gateways[one.text("ProfileGuid").lower()] = {
                "gateway_mac": mac.raw[:6].hex(":") if mac is not None else "",
                "dns_suffix": one.text("DnsSuffix"),
            }
    profiles = key.subkey("Profiles")
    for profile in profiles.subkeys() if profiles is not None else ():
        kind = profile.number("NameType")
        data = {
            "description": profile.text("Description"),
            "type": NETWORK_KINDS.get(kind or 0, kind),
            **gateways.get(profile.name.lower(), {}),
        }
        for value_name, event_kind, desc in (
            ("DateCreated", "network.first_connected", "First Connected"),
            ("DateLastConnected", "network.last_connected", "Last Connected"),
        ):
            value = profile.value(value_name)
            if value is not None and len(value.raw) == 16:
                stamp = local(times.systemtime(value.raw), value.raw.hex(), times.MS, context)
                yield stamp.event(event_kind, desc, record=profile.path, path=profile.text("ProfileName"), data=data)


def _volume_names(version: Key) -> Iterator[Event]:
    """ReadyBoost keeps label and serial of volumes in the names of its keys."""
    emd = version.subkey("EMDMgmt")
    for key in emd.subkeys() if emd is not None else ():
        head, _, serial = key.name.rpartition("_")
        device, _, label = head.rpartition("}")[2].rpartition("_") if "}" in head else head.rpartition("_")
        if not serial.isdigit():
            continue
        number = int(serial)
        data = {
            "volume_serial": f"{number >> 16 & 0xFFFF:04X}-{number & 0xFFFF:04X}",
            "volume_label": label,
            "device": device or head,
        }
        tested = key.value("LastTestedTime")
        stamp: Stamp = filetime(tested.filetime if tested is not None and tested.filetime else key.written)
        yield stamp.event("usb.readyboost", "Last Tested", record=key.path, path=key.name, data=data)


def _portable(root: Key) -> Iterator[Event]:
    """Names that Windows showed for portable devices: mostly the label of the volume."""
    key = root.at("Microsoft/Windows Portable Devices/Devices")
    for device in key.subkeys() if key is not None else ():
        name = device.text("FriendlyName")
        yield filetime(device.written).event(
            "usb.portable_name", "Key Last Written", record=device.path, path=device.name, data={"label": name}
        )
    search = root.at("Microsoft/Windows Search/VolumeInfoCache")
    for volume in search.subkeys() if search is not None else ():
        yield filetime(volume.written).event(
            "usb.volume_label", "Key Last Written", record=volume.path, path=volume.name,
            data={
                "drive": volume.name.upper(),
                "label": volume.text("VolumeLabel"),
                "drive_type": volume.number("DriveType"),
            },
        )  # fmt: skip
