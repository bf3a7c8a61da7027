"""Cards of USB devices: from real hives, and from events that contradict each other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from tests.timeline.parsers.windows_files import content, read, real
from timeline.cli import app
from timeline.parsers import registry, setupapi
from timeline.usb import SLACK_NS, boot_serials, cards, episodes, identity

if TYPE_CHECKING:
    from pathlib import Path

S = 10**9
DISK = r"USBSTOR\Disk&Ven_ACME&Prod_Stick&Rev_1.00\4C530001&0"


def event(kind: str, time_s: float | None, *, path: str = DISK, number: int = 0, **more: Any) -> dict[str, Any]:
    data = more.pop("data", {})
    return {
        "id": f"S1:{number}", "time_ns": None if time_s is None else int(time_s * S), "time_text": str(time_s),
        "zone": "UTC", "kind": kind, "desc": "", "actor": "", "host": "PC1", "path": path, "source": "disk.E01",
        "data": json.dumps(data), **more,
    }  # fmt: skip


def test_names_of_one_device() -> None:
    nested = r"SWD\WPDBUSENUM\_??_USBSTOR#Disk&Ven_Generic&Prod_Flash_Disk&Rev_8.07#99E2116A&0#{53f56307-b6bf-11d0-94f2-00a0c91efb8b}"
    assert identity(nested) == ("USBSTOR", "Disk&Ven_Generic&Prod_Flash_Disk&Rev_8.07", "99E2116A&0")
    assert identity(r"USB\VID_0781&PID_5530\2006") == ("USB", "VID_0781&PID_5530", "2006")
    assert identity(r"SWD\WPDBUSENUM\{fc416b61-6437-11ea-bd0c-a483e7c21469}#000000000C900000") == (
        "SWD", "WPDBUSENUM", "{fc416b61-6437-11ea-bd0c-a483e7c21469}#000000000C900000",
    )  # fmt: skip
    assert identity(r"C:\Windows\notepad.exe") is None
    assert identity("") is None


def test_devices_of_a_real_machine(shared_data: Path) -> None:
    rows: list[dict[str, Any]] = []
    for parser, name in (
        (registry, "regipy/regipy_tests/data/SYSTEM_WIN_10_1709.xz"),
        (setupapi, "plaso/test_data/setupapi.dev.log"),
    ):
        events, _ = read(parser, real(shared_data, name))
        rows += [one | {"id": f"{parser.NAME}:{n}", "source": name} for n, one in enumerate(events)]
    found = {card.serial: card for card in cards(rows)}
    assert set(found) == {
        "99E2116A", "MSFT30160087320341700000F9", "MSFT30313735303835343230333437", "200608767007B7C08A6A",
    }  # fmt: skip
    cruzer = found["200608767007B7C08A6A"]
    assert (cruzer.vendor, cruzer.product, cruzer.vid, cruzer.pid) == ("SanDisk", "Cruzer", "0781", "5530")
    # USB, USBSTOR and WPDBUSENUM are one device by its container.
    assert len(cruzer.instances) == 3
    (connection,) = cruzer.connections
    assert {moment.source for moment in connection.moments} == {"registry: first install", "registry: last arrival"}
    (removal,) = cruzer.removals
    assert removal.time_ns is not None
    assert removal.time_ns // S == 1_584_455_025
    assert cruzer.contradictions == []
    # The serial of a disk behind UASP stands in its USB name; Windows numbers the SCSI one.
    ssd = found["MSFT30313735303835343230333437"]
    assert (ssd.vendor, ssd.product, ssd.serial_made_up) == ("SanDisk", "Extreme SSD", False)
    assert [moment.zone for moment in found["99E2116A"].first_install] == [None]


def test_drives_users_and_files() -> None:
    volume = "{2b8dca72-672e-11e7-bce1-806e6f6e6963}"
    rows = [
        event("usb.first_install", 1000),
        event("registry.mounted_device", 2000, path="\\DosDevices\\E:", data={"device_id": DISK, "drive": "E:"}),
        event("registry.mounted_device", 2000, path=f"\\??\\Volume{volume}", data={"device_id": DISK, "volume": volume}),
        event("registry.mount_point", 3000, path=volume, data={"volume": volume}, actor="taro"),
        event(
            "usb.readyboost", 1500, path="_??_USBSTOR#Disk&Ven_ACME&Prod_Stick&Rev_1.00#4C530001&0#{53f5}DATA_123",
            data={"volume_serial": "1234-ABCD", "volume_label": "DATA"},
        ),
        event("jumplist.used", 4000, path="E:\\plan.docx", data={"volume_serial": "1234-ABCD", "drive_type": "removable"}),
        event("lnk.target_created", 4000, path="E:\\other.txt", data={"volume_serial": "9999-0000", "drive_type": "removable"}),
        event("shellbag.key", 4100, path="E:\\folder"),
        event("lnk.target_created", 4000, path="E:\\fixed.txt", data={"drive_type": "fixed"}),
    ]  # fmt: skip
    (card,) = cards(rows)
    assert (card.drives, card.volumes, card.users) == (["E:"], [volume], ["taro"])
    assert (card.labels, card.volume_serials) == (["DATA"], ["1234-ABCD"])
    assert [(seen.path, seen.basis) for seen in card.files] == [
        ("E:\\plan.docx", "volume serial"), ("E:\\folder", "drive"),
    ]  # fmt: skip
    assert card.files_total == 2


def test_contradictions() -> None:
    setup = event("device.setup", 5000, number=2, desc="Section Start")
    rows = [
        event("usb.first_install", 1000, number=1),
        setup,
        event("usb.last_arrival", 9000, number=3),
        event("evtx.device_connected", 20_000, number=4),
        event("evtx.device_connected", 500, number=5),
    ]
    (card,) = cards(rows)
    told = [one.en for one in card.contradictions]
    assert told[0].startswith("first installation differs: registry 1970-01-01T00:16:40+00:00, setup log")
    assert "after the registry's last arrival 1970-01-01T02:30:00+00:00" in told[1]
    assert "before the first installation" in told[2]
    assert [one.events for one in card.contradictions] == [("S1:1", "S1:2"), ("S1:3", "S1:4"), ("S1:1", "S1:5")]
    # A local time of unknown zone, nine hours off, is no contradiction; nine hours and eight minutes are one.
    for seconds, expected in ((1000 + 9 * 3600, 0), (1000 + 9 * 3600 + 480, 1)):
        local = event("device.setup", seconds, desc="Section Start", zone=None)
        (card,) = cards([event("usb.first_install", 1000), local])
        assert len(card.contradictions) == expected


def test_letter_of_two_devices() -> None:
    other = r"USBSTOR\Disk&Ven_ACME&Prod_Stick&Rev_1.00\OTHER1&0"
    rows = [
        event("registry.mounted_device", 1, path="E", data={"device_id": DISK, "drive": "E:"}),
        event("registry.mounted_device", 1, path="E", data={"device_id": other, "drive": "E:"}),
    ]
    assert [one.contradictions[0].en for one in cards(rows)] == [
        "drive E: is assigned to several devices: 4C530001, OTHER1"
    ] * 2


def test_same_serial_on_two_hosts_is_two_cards() -> None:
    rows = [event("usb.first_install", 1), event("usb.first_install", 2, host="PC2")]
    assert [card.host for card in cards(rows)] == ["PC1", "PC2"]


def test_episodes_join_steps_of_one_connection() -> None:
    (card,) = cards(
        [
            event("usb.last_arrival", 1000),
            event("evtx.device_connected", 1000 + SLACK_NS // S),
            event("evtx.device_started", 5000),
        ]
    )
    assert [len(one.moments) for one in episodes(card.connected)] == [2, 1]


def test_partition_event_gives_serials_and_removal() -> None:
    boot = bytearray(512)
    boot[3:11] = b"NTFS    "
    boot[0x48:0x50] = bytes.fromhex("ae d1 a3 2c 00 00 00 00")
    assert boot_serials({"Vbr0": boot.hex()}) == ["2CA3-D1AE"]
    rows = [
        event("evtx.disk_partition", 100, data={"ParentId": DISK, "Capacity": 64 * S, "Vbr0": boot.hex()}),
        event("evtx.disk_partition", 9000, data={"ParentId": DISK, "Capacity": 0}),
    ]
    (card,) = cards(rows)
    assert (card.capacity_bytes, card.volume_serials) == (64 * S, ["2CA3-D1AE"])
    assert ([one.time_ns for one in card.connected], [one.time_ns for one in card.disconnected]) == (
        [100 * S], [9000 * S],
    )  # fmt: skip


# Files of a build stay open until their source is let go; the warning is not about this command.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_command(shared_data: Path, tmp_path: Path) -> None:
    windows = tmp_path / "win" / "Windows" / "System32" / "config"
    windows.mkdir(parents=True)
    (windows / "SYSTEM").write_bytes(content(real(shared_data, "regipy/regipy_tests/data/SYSTEM_WIN_10_1709.xz")))
    run = CliRunner()
    built = run.invoke(app, ["build", str(tmp_path / "win"), "--case", str(tmp_path / "a.case"), "--jobs", "1"])
    assert built.exit_code == 3, built.output  # the hive's log is missing
    shown = run.invoke(app, ["usb", "--case", str(tmp_path / "a.case"), "--json", "--serial", "200608767007B7C08A6A"])
    assert shown.exit_code == 0, shown.output
    (card,) = json.loads(shown.stdout)["devices"]
    assert card["host"] == "DESKTOP-2KGM189"
    assert card["removals"][0]["datetime"] == "2020-03-17 23:23:45.504+09:00"
    human = run.invoke(app, ["usb", "--case", str(tmp_path / "a.case")])
    assert human.exit_code == 0
    assert "200608767007B7C08A6A" in human.stdout
    assert "registry: last removal" in human.stdout
