"""Block devices as the system shows them: identity, size, protection, use, what lies on them.

```python
for device in list_devices():
    print(device.path, device.model, device.serial, device.size_bytes, device.in_use)
```
Everything is asked from sysfs, procfs, the udev database and, read-only, the device's own first sectors; nothing is
written, no device is woken by a SMART self-test. What cannot be asked is `None` or "not known", never guessed.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import stat
import struct
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from chain_of_custody.errors import EvidenceError, UsageError
from chain_of_custody.masking import mask_path

if TYPE_CHECKING:
    from collections.abc import Iterator

BLKROSET = 0x125D
BLKROGET = 0x125E
BLKSSZGET = 0x1268
BLKPBSZGET = 0x127B

NOT_KNOWN = "not known"
VERACRYPT = "VeraCrypt: cannot be excluded (it has no signature)"


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition as the kernel or its table has it; offset and size in bytes of the device."""

    name: str
    offset_bytes: int
    size_bytes: int
    description: str = ""


@dataclass(frozen=True, slots=True)
class Device:
    """A block device. Strings are None where the device or the system does not tell; sizes are bytes."""

    path: str
    kind: Literal["disk", "partition", "loop", "optical", "virtual"]
    size_bytes: int
    logical_sector_bytes: int
    physical_sector_bytes: int
    is_read_only: bool
    is_removable: bool
    vendor: str | None = None
    model: str | None = None
    serial: str | None = None
    wwn: str | None = None
    firmware: str | None = None
    transport: str | None = None
    backing_file: str | None = None
    in_use: tuple[str, ...] = ()
    """Why the system uses it: mounted where, swap, part of another device; empty when it is free."""
    partition_table: str | None = None
    """`gpt`, `mbr`, `apm`, `none`, or None where the device could not be read."""
    partitions: tuple[Partition, ...] = ()
    encryption: tuple[str, ...] = ()
    hidden_area: str = NOT_KNOWN
    """HPA and DCO (`preserve.hidden_areas`): `none`, a description of what is hidden, or `not known`."""
    smart: str = NOT_KNOWN
    notes: tuple[str, ...] = field(default_factory=tuple)

    def to_json(self) -> dict[str, Any]:
        """All fields, for `--json` and `disk.json`."""
        return asdict(self)

    @property
    def label(self) -> str:
        """Vendor, model and serial in one line."""
        return " ".join(part for part in (self.vendor, self.model, self.serial) if part) or self.backing_file or "?"


def _text(path: Path) -> str | None:
    try:
        value = path.read_bytes()[:4096].replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return None
    return value or None


def _number(path: Path, default: int = 0) -> int:
    value = _text(path)
    return int(value) if value is not None and value.lstrip("-").isdecimal() else default


class System:
    """Where the kernel's facts lie; tests point it at a folder of their own."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root

    @property
    def sys_block(self) -> Path:
        """`/sys/class/block`: disks and partitions."""
        return self.root / "sys/class/block"

    def udev(self, numbers: str) -> dict[str, str]:
        """Properties of the device `major:minor` from the udev database; empty where there is none."""
        content = _text_lines(self.root / f"run/udev/data/b{numbers}")
        return dict(line[2:].split("=", 1) for line in content if line.startswith("E:") and "=" in line)

    def mounts(self) -> list[tuple[str, str, bool, str]]:
        """Mounted file systems: `major:minor`, mount point, writable, type."""
        found = []
        for line in _text_lines(self.root / "proc/self/mountinfo"):
            words = line.split(" ")
            if len(words) > 6:
                place = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), words[4])
                kind = line.partition(" - ")[2].split(" ")[0]
                found.append((words[2], place, "rw" in words[5].split(","), kind))
        return found

    def swaps(self) -> list[str]:
        """Device files used as swap."""
        return [line.split()[0] for line in _text_lines(self.root / "proc/swaps")[1:] if line.split()]

    def names(self) -> list[str]:
        """Kernel names of all whole devices."""
        with contextlib.suppress(OSError):
            return sorted(entry.name for entry in self.sys_block.iterdir() if not (entry / "partition").exists())
        return []


def _text_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _transport(real: str, name: str, udev: dict[str, str]) -> str | None:
    for pattern, transport in (
        ("/usb", "USB"),
        ("/nvme", "NVMe"),
        ("/mmc", "SD/MMC"),
        ("/ata", "SATA"),
        ("/virtio", "virtio"),
        ("/sas", "SAS"),
        ("/firewire", "FireWire"),
        ("/iscsi", "iSCSI"),
    ):
        if pattern in real:
            return transport
    if name.startswith("nvme"):
        return "NVMe"
    bus = udev.get("ID_BUS")
    return {"ata": "SATA", "usb": "USB", "scsi": "SCSI"}.get(bus or "", bus)


def _usb_facts(real: Path) -> dict[str, str | None]:
    """Manufacturer, product and serial number of the USB device a disk hangs on."""
    for folder in (real, *real.parents):
        if (folder / "idVendor").exists():
            return {
                "vendor": _text(folder / "manufacturer"),
                "model": _text(folder / "product"),
                "serial": _text(folder / "serial"),
                "id": f"{_text(folder / 'idVendor')}:{_text(folder / 'idProduct')}",
            }
    return {}


def _scsi_serial(device: Path) -> str | None:
    """The unit serial number, SCSI VPD page 80h: four bytes of header, then ASCII."""
    with contextlib.suppress(OSError):
        page = (device / "vpd_pg80").read_bytes()
        if len(page) > 4:
            return page[4 : 4 + int.from_bytes(page[2:4], "big")].decode("ascii", "replace").strip() or None
    return None


def _uses(system: System, name: str, numbers: set[str]) -> list[str]:
    found = [
        f"mounted at {mask_path(place)} ({'read-write' if writable else 'read-only'})"
        for number, place, writable, _ in system.mounts()
        if number in numbers
    ]
    found += [
        f"swap {mask_path(swap)}"
        for swap in system.swaps()
        if Path(swap).name == name or (system.sys_block / name / Path(swap).name).exists()
    ]
    folders = [system.sys_block / name]
    with contextlib.suppress(OSError):
        folders += [entry for entry in (system.sys_block / name).iterdir() if (entry / "partition").exists()]
    for folder in folders:
        with contextlib.suppress(OSError):
            found += [f"part of {holder.name}" for holder in sorted((folder / "holders").iterdir())]
    return found


def device_info(path: Path, *, system: System | None = None, look_inside: bool = True) -> Device:
    """What is known of one block device.

    `look_inside` reads its first sectors (partition table, encryption). Raises EvidenceError where there is no such
    device, UsageError where the system is not Linux or `path` is no block device.
    """
    system = system or System()
    if sys.platform != "linux":
        raise UsageError(
            "装置の情報は Linux でのみ調べられます",
            "devices can only be asked on Linux",
            hint_ja="他の OS ではファイルを読取り元に指定できます",
            hint_en="on other systems a file can be the source",
        )
    try:
        real_path = path.resolve(strict=True)
        status = real_path.stat()
    except OSError as error:
        raise EvidenceError(f"装置がありません: {mask_path(path)}", f"no such device: {mask_path(path)}") from error
    if not stat.S_ISBLK(status.st_mode) and system.root == Path("/"):
        raise UsageError(f"ブロックデバイスではありません: {mask_path(path)}", f"not a block device: {mask_path(path)}")
    return _describe(system, real_path.name, path, look_inside=look_inside)


def _describe(system: System, name: str, path: Path, *, look_inside: bool) -> Device:
    folder = system.sys_block / name
    if not folder.exists():
        raise EvidenceError(f"装置がありません: {mask_path(path)}", f"no such device: {mask_path(path)}")
    real = folder.resolve()
    is_partition = (folder / "partition").exists()
    whole = real.parent if is_partition else real
    device = whole / "device"
    numbers = _text(folder / "dev") or ""
    udev = system.udev(numbers)
    partitions = _kernel_partitions(real)
    all_numbers = {numbers, *(_text(real / one.name / "dev") or "" for one in partitions)} - {""}
    usb = _usb_facts(whole) if "/usb" in str(real) else {}
    logical = _number(whole / "queue/logical_block_size", 512)
    inside = _Inside()
    size = _number(folder / "size") * 512
    if look_inside and size:
        inside = _look_inside(path)
    vendor = _text(device / "vendor") or udev.get("ID_VENDOR") or usb.get("vendor")
    backing = mask_path(_text(folder / "loop/backing_file") or "") or None
    hidden, smart = (_hidden_area(path, real), _smart(path)) if look_inside and not is_partition else (NOT_KNOWN,) * 2
    return Device(
        path=mask_path(path),
        kind="partition" if is_partition else _kind(name, real),
        size_bytes=size,
        logical_sector_bytes=logical,
        physical_sector_bytes=_number(whole / "queue/physical_block_size", logical),
        is_read_only=_number(folder / "ro") == 1,
        is_removable=_number(whole / "removable") == 1 or "/usb" in str(real),
        # "ATA" is what libata puts where a vendor would stand.
        vendor=None if vendor == "ATA" else vendor,
        model=_text(device / "model") or udev.get("ID_MODEL") or _text(device / "name") or usb.get("model"),
        serial=_text(device / "serial")
        or _scsi_serial(device)
        or udev.get("ID_SERIAL_SHORT")
        or usb.get("serial")
        or _text(whole / "serial"),
        wwn=_text(device / "wwid") or _text(whole / "wwid") or udev.get("ID_WWN"),
        firmware=_text(device / "firmware_rev") or _text(device / "rev") or udev.get("ID_REVISION"),
        transport=_transport(str(real), name, udev),
        backing_file=backing,
        in_use=tuple(_uses(system, name, all_numbers)),
        partition_table=inside.table,
        partitions=inside.partitions or tuple(partitions),
        encryption=inside.encryption,
        hidden_area=hidden,
        smart=smart,
        notes=inside.notes,
    )


def _kind(name: str, real: Path) -> Literal["disk", "loop", "optical", "virtual"]:
    if name.startswith("loop"):
        return "loop"
    if name.startswith("sr"):
        return "optical"
    return "virtual" if "/virtual/" in str(real) else "disk"


def _kernel_partitions(real: Path) -> list[Partition]:
    found = []
    with contextlib.suppress(OSError):
        for entry in real.iterdir():
            if (entry / "partition").exists():
                start, size = _number(entry / "start") * 512, _number(entry / "size") * 512
                found.append(Partition(entry.name, start, size))
    return sorted(found, key=lambda one: one.offset_bytes)


@dataclass(frozen=True, slots=True)
class _Inside:
    table: str | None = None
    partitions: tuple[Partition, ...] = ()
    encryption: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def _look_inside(path: Path) -> _Inside:
    """Partition table and encryption by the device's own sectors, read-only."""
    from preserve.encryption import find_encryption  # noqa: PLC0415 - lists without a look inside need none of these
    from preserve.raw import RawImage  # noqa: PLC0415
    from preserve.volumes import open_volumes  # noqa: PLC0415

    try:
        with RawImage(path) as image:
            volumes, _ = open_volumes(image)
            table = "none"
            encryption, partitions = [], []
            for volume in volumes:
                if ":" in volume.layer:
                    table = volume.layer.partition(":")[0]
                    partitions.append(Partition(volume.layer, volume.offset, volume.size, volume.description))
                seen = find_encryption(volume, volume.layer, volume.offset)
                if seen is not None:
                    encryption.append(f"{seen.kind} ({volume.layer})" if volume.layer else seen.kind)
            notes = (VERACRYPT,) if not encryption else ()
            problems = tuple(f"unreadable: {one.size} bytes at {one.offset}" for one in image.unreadable())
            return _Inside(table, tuple(partitions), tuple(encryption), notes + problems)
    except OSError as error:
        return _Inside(notes=(f"cannot be read: {error.strerror}",))


def _run(*command: str) -> str | None:
    """Output of a helper program; None where it is absent or does not answer in ten seconds."""
    program = shutil.which(command[0], path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        return None
    try:
        return subprocess.run(
            [program, *command[1:]],
            capture_output=True,
            timeout=10,
            check=False,
            stdin=subprocess.DEVNULL,
        ).stdout.decode("utf-8", "replace")
    except (OSError, subprocess.TimeoutExpired):
        return None


def _hidden_area(path: Path, real: Path) -> str:
    if "/ata" not in str(real) and "/usb" not in str(real):
        return NOT_KNOWN
    from preserve.hidden_areas import hidden_areas  # noqa: PLC0415 - lists without a look inside need no ctypes

    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return NOT_KNOWN
    try:
        return hidden_areas(fd)
    finally:
        os.close(fd)


def parse_smartctl(output: str) -> str:
    """One line from `smartctl --json`: verdict, hours, sectors reallocated and pending."""
    try:
        data = json.loads(output)
    except ValueError:
        return NOT_KNOWN
    passed = data.get("smart_status", {}).get("passed")
    if passed is None:
        return NOT_KNOWN
    parts = ["passed" if passed else "FAILED"]
    if "power_on_time" in data:
        parts.append(f"{data['power_on_time'].get('hours')} h on")
    parts += [
        f"{row.get('name')} {row.get('raw', {}).get('value')}"
        for row in data.get("ata_smart_attributes", {}).get("table", [])
        if row.get("id") in (5, 197, 198)
    ]
    nvme = data.get("nvme_smart_health_information_log", {})
    if "media_errors" in nvme:
        parts.append(f"media errors {nvme['media_errors']}")
    return ", ".join(parts)


def _smart(path: Path) -> str:
    # -n standby: a sleeping disk is left asleep.
    output = _run("smartctl", "--json", "-H", "-A", "-n", "standby", str(path))
    return parse_smartctl(output) if output else NOT_KNOWN


def list_devices(*, system: System | None = None, look_inside: bool = True) -> list[Device]:
    """All whole block devices that have a medium; without those of size 0 (empty card readers, free loop devices)."""
    system = system or System()
    if sys.platform != "linux":
        return [device_info(Path("/"), system=system)]  # raises: it says why
    return [
        _describe(system, name, Path("/dev") / name.replace("!", "/"), look_inside=look_inside)
        for name in system.names()
        if _number(system.sys_block / name / "size")
    ]


def whole_device_numbers(device_number: int, *, system: System | None = None) -> Iterator[str]:
    """`major:minor` of a device, of the disk it is a partition of, and of all that those two stand on."""
    system = system or System()
    waiting = [f"{os.major(device_number)}:{os.minor(device_number)}"]
    seen: set[str] = set()
    while waiting:
        numbers = waiting.pop()
        if numbers in seen:
            continue
        seen.add(numbers)
        yield numbers
        folder = system.root / "sys/dev/block" / numbers
        with contextlib.suppress(OSError):
            real = folder.resolve(strict=True)
            if (real / "partition").exists():
                waiting.append(_text(real.parent / "dev") or numbers)
            waiting += [_text(slave / "dev") or numbers for slave in (real / "slaves").iterdir()]


def lies_on(folder: Path, device: Path) -> bool:
    """Whether files in `folder` are stored on the block device `device` (Linux; elsewhere False)."""
    if sys.platform != "linux":
        return False
    own = device.stat().st_rdev
    return f"{os.major(own)}:{os.minor(own)}" in whole_device_numbers(folder.stat().st_dev)


def file_system_of(folder: Path, *, system: System | None = None) -> tuple[str, str]:
    """Mount point and type (`ext4`, `vfat` …) of the file system that holds `folder`; empty where not known."""
    numbers = f"{os.major(folder.stat().st_dev)}:{os.minor(folder.stat().st_dev)}" if hasattr(os, "major") else ""
    best = ("", "")
    resolved = folder.resolve()
    for number, place, _, kind in (system or System()).mounts():
        if number == numbers and resolved.is_relative_to(place) and len(place) >= len(best[0]):
            best = (place, kind)
    return best


# Protection against writing.


def read_only_flag(fd: int) -> bool | None:
    """The kernel's read-only flag of an open device; None where it cannot be asked."""
    value = _ioctl_int(fd, BLKROGET)
    return None if value is None else bool(value)


def set_read_only(fd: int, *, value: bool) -> bool:
    """Set the kernel's read-only flag of an open device; False where that is not allowed."""
    try:
        import fcntl  # noqa: PLC0415 - absent on Windows

        fcntl.ioctl(fd, BLKROSET, struct.pack("i", int(value)))
    except (OSError, ImportError):
        return False
    return True


def _ioctl_int(fd: int, request: int) -> int | None:
    try:
        import fcntl  # noqa: PLC0415 - absent on Windows

        answer = fcntl.ioctl(fd, request, struct.pack("i", 0))
    except (OSError, ImportError):
        return None
    return int(struct.unpack("i", answer[:4])[0])


def sector_sizes(fd: int) -> tuple[int, int]:
    """Logical and physical sector size of an open device in bytes; 512 each where they cannot be asked."""
    return _ioctl_int(fd, BLKSSZGET) or 512, _ioctl_int(fd, BLKPBSZGET) or 512


def is_in_use_exclusively(path: Path) -> bool:
    """Whether the kernel refuses exclusive use of a device: mounted, swap, part of another device."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_EXCL))
    except OSError as error:
        return error.errno == 16  # EBUSY
    return False
