"""Amcache.hve: programs and devices that the inventory of Windows knows.

Format: libyal winreg-kb, "AMCache"; ANSSI, "Analysis of the AmCache". A row means that the file was there when the
inventory ran; alone it proves no run.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from timeline import times
from timeline.hives.system import container_id
from timeline.stamps import Stamp, filetime, unix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.event import Event
    from timeline.hive import Hive, Key


def events(hive: Hive) -> Iterator[Event]:
    """Events of both generations of the file."""
    root = hive.root.subkey("Root") or hive.root
    yield from _files(root)
    yield from _programs(root)
    yield from _inventory_files(root)
    yield from _inventory_programs(root)
    yield from _inventory_devices(root)


def _files(root: Key) -> Iterator[Event]:
    r"""Windows 8 and 8.1, early 10: `File\{volume}\{file reference}`."""
    top = root.subkey("File")
    for volume in top.subkeys() if top is not None else ():
        for key in volume.subkeys():
            path = key.text("15")
            digest = key.text("101")
            data = {
                "volume": volume.name.strip("{}"),
                "file_reference": key.name,
                "sha1": digest[4:] if len(digest) == 44 else digest,
                "product": key.text("0"),
                "company": key.text("1"),
                "program_id": key.text("100"),
            }
            size = key.number("6")
            yield filetime(key.written).event(
                "amcache.file", "Key Last Written", record=key.path, path=path, size=size, data=data
            )
            for name, kind, desc in (
                ("11", "amcache.file_modified", "File Modified"),
                ("12", "amcache.file_created", "File Created"),
                ("17", "amcache.file_modified", "File Modified (2)"),
            ):
                value = key.number(name)
                if value:
                    yield filetime(value).event(kind, desc, record=key.path, path=path, size=size, data=data)
            linked = key.number("f")
            if linked:
                yield unix(linked).event(
                    "amcache.linked", "Link Time", record=key.path, path=path, size=size, data=data
                )


def _programs(root: Key) -> Iterator[Event]:
    top = root.subkey("Programs")
    for key in top.subkeys() if top is not None else ():
        data = {"version": key.text("1"), "publisher": key.text("2"), "source": key.text("6"), "program_id": key.name}
        for name, kind, desc in (
            ("a", "amcache.program_installed", "Install Date"),
            ("b", "amcache.program_removed", "Uninstall Date"),
        ):
            value = key.number(name)
            if value:
                yield unix(value).event(kind, desc, record=key.path, path=key.text("0"), data=data)


def _inventory_files(root: Key) -> Iterator[Event]:
    r"""Windows 10 since 1709: `InventoryApplicationFile\name|hash`."""
    top = root.subkey("InventoryApplicationFile")
    for key in top.subkeys() if top is not None else ():
        digest = key.text("FileId")
        data = {
            "sha1": digest[4:] if len(digest) == 44 else digest,
            "product": key.text("ProductName"),
            "company": key.text("Publisher"),
            "version": key.text("Version"),
            "program_id": key.text("ProgramId"),
        }
        path, size = key.text("LowerCaseLongPath"), key.number("Size")
        if size is None and key.text("Size").isdigit():
            size = int(key.text("Size"))
        yield filetime(key.written).event(
            "amcache.file", "Key Last Written", record=key.path, path=path, size=size, data=data
        )
        linked = key.text("LinkDate")
        if linked:
            yield _date(linked).event("amcache.linked", "Link Time", record=key.path, path=path, size=size, data=data)


def _inventory_programs(root: Key) -> Iterator[Event]:
    top = root.subkey("InventoryApplication")
    for key in top.subkeys() if top is not None else ():
        data = {
            "version": key.text("Version"),
            "publisher": key.text("Publisher"),
            "root_folder": key.text("RootDirPath"),
            "program_id": key.name,
        }
        yield filetime(key.written).event(
            "amcache.program", "Key Last Written", record=key.path, path=key.text("Name"), data=data
        )
        installed = key.text("InstallDate")
        if installed:
            # Of the day or the second, in UTC by observation of others; nobody documents it: the zone stays open.
            stamp = _date(installed)
            yield Stamp(stamp.time_ns, stamp.time_text, stamp.precision_ns, None, "none").event(
                "amcache.program_installed", "Install Date", record=key.path, path=key.text("Name"), data=data
            )


def _inventory_devices(root: Key) -> Iterator[Event]:
    for name in ("InventoryDevicePnp", "InventoryDeviceContainer"):
        top = root.subkey(name)
        for key in top.subkeys() if top is not None else ():
            bus = re.match(r"(?:usbstor|usb|swd|uaspstor|scsi|wpdbusenumroot)[/\\]", key.name, re.IGNORECASE)
            if name == "InventoryDevicePnp" and bus is None:
                continue
            data = {
                "model": key.text("Model") or key.text("ModelName"),
                "manufacturer": key.text("Manufacturer"),
                "class": key.text("Class") or key.text("Categories"),
                "friendly_name": key.text("FriendlyName"),
                "container_id": container_id(
                    key.text("ContainerId") or (key.name if name.endswith("Container") else "")
                ),
                "device_id": key.name.replace("/", "\\") if bus is not None else "",
            }
            yield filetime(key.written).event(
                "amcache.device", "Key Last Written", record=key.path, path=key.name.replace("/", "\\"), data=data
            )


def _date(text: str) -> Stamp:
    """`MM/DD/YYYY hh:mm:ss`, or the day alone; UTC for the link time that stands in the program itself."""
    found = re.fullmatch(r"\s*(\d{1,2})/(\d{1,2})/(\d{4})(?: (\d{2}):(\d{2}):(\d{2}))?\s*", text)
    if found is None:
        return Stamp(None, text, times.NS)
    month, day, year, hour, minute, second = (int(part or 0) for part in found.groups())
    precision = times.NS if found[4] is not None else times.DAY
    return Stamp(times.civil(year, month, day, hour, minute, second), text, precision)
