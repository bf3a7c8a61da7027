from __future__ import annotations

import os
import subprocess
import sys

import pytest

from chain_of_custody.errors import EvidenceError, UsageError
from preserve import devices
from preserve.devices import System, device_info, list_devices, parse_smartctl
from tests.conftest import needs
from tests.preserve.media import loop, needs_loop

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")


def _write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def usb_stick(tmp_path):
    """A sysfs as it is with a USB stick (sdx, one partition, mounted) and an empty card reader (sdy)."""
    usb = tmp_path / "sys/devices/pci0000:00/0000:00:14.0/usb1/1-2"
    for name, value in (
        ("idVendor", "0781"),
        ("idProduct", "5581"),
        ("manufacturer", "SanDisk"),
        ("serial", "4C53000"),
    ):
        _write(usb / name, value + "\n")
    disk = usb / "1-2:1.0/host0/target0:0:0/0:0:0:0/block/sdx"
    for name, value in (
        ("size", "60063744"),
        ("dev", "8:16"),
        ("ro", "0"),
        ("removable", "1"),
        ("queue/logical_block_size", "512"),
        ("queue/physical_block_size", "4096"),
        ("device/vendor", "SanDisk "),
        ("device/model", "Ultra           "),
        ("device/rev", "1.00"),
        ("sdx1/partition", "1"),
        ("sdx1/start", "2048"),
        ("sdx1/size", "60061696"),
        ("sdx1/dev", "8:17"),
    ):
        _write(disk / name, value + "\n")
    (disk / "device/vpd_pg80").write_bytes(b"\0\x80\0\x084C530001")
    empty = usb / "block/sdy"
    _write(empty / "size", "0\n")
    block = tmp_path / "sys/class/block"
    block.mkdir(parents=True)
    for target in (disk, disk / "sdx1", empty):
        (block / target.name).symlink_to(target)
    _write(tmp_path / "proc/self/mountinfo", r"36 25 8:17 / /media/USB\040A rw,nosuid - vfat /dev/sdx1 rw" + "\n")
    _write(tmp_path / "proc/swaps", "Filename Type Size Used Priority\n")
    _write(tmp_path / "run/udev/data/b8:16", "E:ID_WWN=0x5001\nE:ID_BUS=usb\n")
    return System(tmp_path)


@linux
def test_a_usb_stick(usb_stick):
    (found,) = list_devices(system=usb_stick, look_inside=False)
    assert (found.vendor, found.model, found.serial, found.wwn) == ("SanDisk", "Ultra", "4C530001", "0x5001")
    assert (found.transport, found.is_removable, found.is_read_only) == ("USB", True, False)
    assert found.size_bytes == 60_063_744 * 512
    assert (found.logical_sector_bytes, found.physical_sector_bytes) == (512, 4096)
    assert found.in_use == ("mounted at /media/USB A (read-write)",)
    assert [(one.name, one.offset_bytes) for one in found.partitions] == [("sdx1", 1_048_576)]
    assert found.hidden_area == "not known"


def test_smartctl():
    smart = '{"smart_status":{"passed":false},"power_on_time":{"hours":9},"ata_smart_attributes":{"table":[{"id":5,"name":"Reallocated_Sector_Ct","raw":{"value":12}}]}}'
    assert parse_smartctl(smart) == "FAILED, 9 h on, Reallocated_Sector_Ct 12"
    assert parse_smartctl("no json") == "not known"


@linux
def test_what_is_no_device(tmp_path):
    with pytest.raises(EvidenceError):
        device_info(tmp_path / "missing")
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(UsageError, match="not a block device"):
        device_info(tmp_path / "file")


@needs_loop
def test_a_loop_device_with_luks(tmp_path):
    image = tmp_path / "l.bin"
    image.write_bytes(b"LUKS\xba\xbe\x00\x02" + bytes((1 << 20) - 8))
    with loop(image) as device:
        found = device_info(device)
        assert found.is_read_only
        assert found.backing_file == str(image)
        assert found.encryption == ("LUKS2",)
        fd = os.open(device, os.O_RDONLY)
        try:
            assert devices.read_only_flag(fd) is True
            assert devices.sector_sizes(fd)[0] == 512
        finally:
            os.close(fd)


@needs_loop
@needs("mkfs.ext4", "mount")
def test_a_mounted_source_and_a_target_on_it_are_refused(tmp_path):
    from preserve.acquire import acquire
    from preserve.request import Request, Target, Typed

    image, place = tmp_path / "m.bin", tmp_path / "mnt"
    with image.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    place.mkdir()
    with loop(image) as device:
        subprocess.run(["mount", "-o", "ro,noload", str(device), str(place)], check=True)
        try:
            assert any("mounted at" in use for use in device_info(device).in_use)
            with pytest.raises(UsageError, match="in use"):
                acquire(Request(device, (Target(tmp_path / "a.E01", "e01"),)))
            live = Typed(live_reason="停止できない")
            with pytest.raises(UsageError, match="lies on the source"):
                acquire(Request(device, (Target(place / "a.E01", "e01"),), typed=live))
            result = acquire(Request(device, (Target(tmp_path / "a.E01", "e01"),), typed=live))
            assert result.is_equal
        finally:
            subprocess.run(["umount", str(place)], check=True)
