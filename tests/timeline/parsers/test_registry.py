"""Registry hives: counts of libregf, replay of logs against regipy, and what the keys of each hive say."""

from __future__ import annotations

import hashlib
import lzma
import struct
from typing import TYPE_CHECKING

import pytest

from tests.timeline.parsers.windows_files import content, counts, of_kind, read, real
from timeline import hive_log
from timeline.hive import HiveError, Key, open_hive
from timeline.hives.system import mounted_target, registry_zone, shim_entries
from timeline.parsers import registry
from timeline.sources import Context, SourceFile, memory_file

if TYPE_CHECKING:
    from pathlib import Path

REGIPY = "regipy/regipy_tests/data"
PLASO = "plaso/test_data"


def count(key: Key) -> tuple[int, int]:
    """Keys and values at and below a key."""
    keys, values = 1, len(key.values())
    for inner in key.subkeys():
        more = count(inner)
        keys, values = keys + more[0], values + more[1]
    return keys, values


@pytest.mark.parametrize(
    ("name", "keys_and_values"),
    # libregf (pyregf): a walk over all keys.
    [
        (f"{REGIPY}/NTUSER.DAT.xz", (1812, 4094)),
        (f"{REGIPY}/NTUSER_BAGMRU.DAT.xz", (6279, 15_912)),
        (f"{REGIPY}/SYSTEM.xz", (30_756, 73_456)),
        (f"{REGIPY}/SYSTEM_2.xz", (20_015, 49_779)),
        (f"{PLASO}/NTUSER-WIN7.DAT", (2288, 5470)),
        (f"{PLASO}/NTUSER.DAT", (1127, 5602)),
        (f"{PLASO}/regf/SAM", (76, 84)),
        (f"{PLASO}/regf/UsrClass.dat", (7505, 19_987)),
        (f"{PLASO}/winreg/win10-Amcache.hve", (207, 4188)),
    ],
)
def test_all_keys_and_values_are_found(shared_data: Path, name: str, keys_and_values: tuple[int, int]) -> None:
    assert count(open_hive(real(shared_data, name)).root) == keys_and_values


def with_log(shared_data: Path, change: int | None = None) -> SourceFile:
    hive = content(real(shared_data, f"{REGIPY}/transactions_NTUSER.DAT.xz"))
    log = bytearray(content(real(shared_data, f"{REGIPY}/transactions_ntuser.dat.log1.xz")))
    if change is not None:
        log[change] ^= 1
    return memory_file("NTUSER.DAT", hive, siblings=lambda: [memory_file("ntuser.dat.LOG1", bytes(log))])


def test_logs_are_applied(shared_data: Path) -> None:
    hive = open_hive(with_log(shared_data))
    assert (hive.problems, hive.replayed, hive.complete) == ([], 23, True)
    # The bins as regipy 5.2.0 restores them (`registry-transaction-logs`), byte for byte; the headers differ.
    assert len(hive.data) == 1_048_576
    assert hashlib.sha256(hive.data[4096:]).hexdigest() == REPLAYED_SHA256
    assert count(hive.root) == (3105, 4695)
    events, problems = read(registry, with_log(shared_data))
    assert problems == []
    assert of_kind(events, "registry.replayed")[0]["data"] == {"entries": 23}


REPLAYED_SHA256 = "2414c9b55b5011712c0cc83b0dd9f880304a53d79a06e9fb84ad2cf5be2e6531"


def test_hive_without_its_log_is_incomplete(shared_data: Path) -> None:
    file = real(shared_data, f"{REGIPY}/transactions_NTUSER.DAT.xz")
    events, problems = read(registry, file)
    assert [problem.reason for problem in problems] == ["incomplete"]
    assert "sequence numbers 567 and 566 differ" in problems[0].detail
    assert events
    hive = open_hive(file)
    assert not hive.complete
    assert count(hive.root) == (2590, 4119)


def test_log_that_is_damaged_is_told(shared_data: Path) -> None:
    hive = open_hive(with_log(shared_data, change=600))
    assert not hive.complete
    assert hive.problems[0].reason == "incomplete"
    # Damage in a later entry: those before it are applied.
    part = open_hive(with_log(shared_data, change=-3000))
    assert 0 < part.replayed < 23


def test_log_of_the_old_format() -> None:
    bins = bytearray(8192)
    base = bytearray(4096)
    base[:4] = b"regf"
    struct.pack_into("<II", base, 4, 5, 4)
    struct.pack_into("<I", base, 40, 8192)
    struct.pack_into("<I", base, 508, hive_log.header_checksum(bytes(base)))
    log = bytearray(base[:512])
    struct.pack_into("<II", log, 4, 5, 5)
    struct.pack_into("<I", log, 508, hive_log.header_checksum(bytes(log)))
    log += b"DIRT" + bytes([0b0000_0010, 0b1000_0000])
    log = log.ljust(1024, b"\0") + b"A" * 512 + b"B" * 512
    done = hive_log.apply(bytes(base + bins), [bytes(log)])
    assert (done.needed, done.complete, done.applied) == (True, True, 2)
    assert done.data[4096 + 512 : 4096 + 1024] == b"A" * 512
    assert done.data[4096 + 15 * 512 :] == b"B" * 512
    cut = hive_log.apply(bytes(base + bins), [bytes(log[:-100])])
    assert (cut.complete, cut.reason) == (False, "1 dirty sectors are cut off in its log")


def test_usb_property_times(shared_data: Path) -> None:
    events, problems = read(registry, real(shared_data, f"{REGIPY}/SYSTEM_WIN_10_1709.xz"))
    assert [problem.reason for problem in problems] == ["incomplete"]
    cruzer = {
        event["kind"]: event
        for event in events
        if event["path"] == r"USBSTOR\Disk&Ven_SanDisk&Prod_Cruzer&Rev_1.20\200608767007B7C08A6A&0"
    }
    # regipy's plugin usbstor, which rounds microseconds up: installed 2020-03-17 14:02:38.955490, connected
    # 14:02:38.946628, removed 14:23:45.504690.
    assert cruzer["usb.first_install"]["time_ns"] == 1_584_453_758_955_489_400
    assert cruzer["usb.install"]["time_text"] == "132289273589554894"
    assert cruzer["usb.last_arrival"]["time_ns"] == 1_584_453_758_946_627_200
    assert cruzer["usb.last_removal"]["time_ns"] // 1000 == 1_584_455_025_504_690
    data = cruzer["usb.last_removal"]["data"]
    assert (data["vendor"], data["product"], data["serial"]) == ("SanDisk", "Cruzer", "200608767007B7C08A6A")
    assert cruzer["usb.last_removal"]["host"] == "DESKTOP-2KGM189"
    found = counts(events)
    assert (found["execution.bam"], found["execution.shimcache"]) == (55, 1024)


def test_windows_7_usb_times_and_shimcache(shared_data: Path) -> None:
    events, problems = read(registry, real(shared_data, f"{REGIPY}/SYSTEM.xz"))
    assert problems == []
    stick = next(
        event for event in of_kind(events, "usb.first_install") if event["data"]["serial"] == "AA951D0000007252"
    )
    assert stick["data"]["friendly_name"] == "HP v100w USB Device"
    assert stick["time_ns"] // 10**9 == 1_301_633_558
    shim = of_kind(events, "execution.shimcache")
    assert shim[0]["path"] == "\\??\\C:\\Program Files\\McAfee\\VirusScan Enterprise\\mfeann.exe"
    assert shim[0]["time_ns"] == 1_294_834_080_000_000_000


def test_zone_of_the_registry(shared_data: Path) -> None:
    zones = [
        registry_zone(open_hive(real(shared_data, f"{REGIPY}/{name}.xz")))
        for name in ("SYSTEM", "SYSTEM_2", "SYSTEM_WIN_10_1709")
    ]
    assert zones == ["America/New_York", "America/Los_Angeles", "America/Los_Angeles"]


def test_shimcache_of_windows_8_with_an_empty_first_word(shared_data: Path) -> None:
    events, _ = read(registry, real(shared_data, f"{REGIPY}/SYSTEM_2.xz"))
    first = of_kind(events, "execution.shimcache")[0]
    assert first["path"] == "SYSVOL\\Windows\\System32\\rundll32.exe"
    assert first["data"]["executed_flag"] is True
    assert shim_entries(b"\x12\x34\x56\x78" * 8) == (
        [],
        "unknown layout 78563412 of the application compatibility cache",
    )


def test_user_hive(shared_data: Path) -> None:
    events, problems = read(registry, real(shared_data, f"{PLASO}/NTUSER-WIN7.DAT"))
    assert problems == []
    found = counts(events)
    assert (found["execution.userassist"], found["office.trusted"], found["registry.mount_point"]) == (62 + 26, 3, 4)
    # plaso: 62 with a time, 26 programs that are counted and have none.
    assert sum(event["time_ns"] is not None for event in of_kind(events, "execution.userassist")) == 62
    program = next(event for event in events if event["path"] == "%windir%\\System32\\cmd.exe")
    assert (program["kind"], program["time_ns"], program["actor"]) == (
        "execution.userassist", 1_333_738_474_093_000_000, "nfury",
    )  # fmt: skip
    assert program["data"] == {"runs": 6, "focus_count": 12, "focus_ms": 639_515}
    share = of_kind(events, "registry.mount_point")[0]
    assert (share["path"], share["data"]["label"]) == ("\\\\controller\\home\\nfury", "Home Drive")
    events, _ = read(registry, real(shared_data, f"{PLASO}/regf/NTUSER.DAT"))
    typed = of_kind(events, "web.typed_url")
    assert (typed[0]["path"], typed[0]["time_text"]) == ("http://www.catnews.com/", "131201344709674171")


def test_shell_bags(shared_data: Path) -> None:
    events, _ = read(registry, real(shared_data, f"{REGIPY}/NTUSER_BAGMRU.DAT.xz"))
    paths = {event["path"] for event in of_kind(events, "shellbag.key")}
    assert {"\\\\wsl$\\Ubuntu\\projects", "\\\\wsl$\\Ubuntu\\home"} <= paths
    folder = next(event for event in of_kind(events, "shellbag.key") if event["path"] == "\\\\wsl$\\Ubuntu\\projects")
    assert (folder["data"]["mft"], folder["actor"]) == ("229377-0", "tony")
    assert len(of_kind(events, "shellbag.key")) == 102
    times = of_kind(events, "shellbag.target_modified")
    assert {event["precision_ns"] for event in times} == {2 * 10**9}


def test_accounts(shared_data: Path) -> None:
    events, _ = read(registry, real(shared_data, f"{PLASO}/regf/SAM"))
    logons = {event["path"]: event for event in of_kind(events, "account.last_logon")}
    assert logons["gold_administrator"]["data"]["logons"] == 4
    assert logons["Administrator"]["data"]["disabled"] is True
    assert logons["Administrator"]["time_ns"] // 10**9 == 1_395_138_047


def test_amcache(shared_data: Path) -> None:
    events, _ = read(registry, real(shared_data, f"{PLASO}/winreg/Amcache.hve"))
    assert counts(events)["amcache.file"] == 1367
    first = of_kind(events, "amcache.file")[0]
    assert first["data"]["sha1"] == "818b581a471c1c6833839d35a9d6f3544f6a9c92"
    events, _ = read(registry, real(shared_data, f"{PLASO}/winreg/win10-Amcache.hve"))
    linked = of_kind(events, "amcache.linked")[0]
    assert (linked["time_text"], linked["bytes"]) == ("02/21/2019 16:00:00", 468_992)


def test_all_keys_on_request(shared_data: Path) -> None:
    file = real(shared_data, f"{PLASO}/regf/SAM")
    events, _ = read(registry, file, Context(options={"registry": "all"}))
    assert counts(events)["registry.key"] == 76


def test_what_mounted_devices_name() -> None:
    assert mounted_target(bytes.fromhex("ae4645df0000504f1f000000")) == {
        "disk_signature": "df4546ae", "partition_offset": 0x1F4F500000,
    }  # fmt: skip
    text = "_??_USBSTOR#Disk&Ven_HP&Prod_v100w&Rev_1024#AA951D0000007252&0#{53f56307-b6bf-11d0-94f2-00a0c91efb8b}"
    found = mounted_target(text.encode("utf-16-le"))
    assert (found["serial"], found["product"]) == ("AA951D0000007252", "v100w")
    gpt = mounted_target(b"DMIO:ID:" + bytes(range(16)))
    assert gpt == {"gpt_partition": "{03020100-0504-0706-0809-0a0b0c0d0e0f}"}


def test_cyclic_and_cut_off_hives_end(shared_data: Path) -> None:
    raw = bytearray(content(real(shared_data, f"{PLASO}/regf/SAM")))
    hive = open_hive(memory_file("SAM", bytes(raw)))
    root_at = struct.unpack_from("<I", raw, 36)[0]
    inner = hive.root.subkeys()[0]
    # The list of the first key's subkeys names the root.
    at = raw.find(inner._raw[:60])
    list_at = 4096 + struct.unpack_from("<I", raw, at + 28)[0] + 4
    struct.pack_into("<I", raw, list_at + 4, root_at)
    damaged = open_hive(memory_file("SAM", bytes(raw)))
    assert count(damaged.root)[0] < 76
    assert any("own ancestor" in problem.detail for problem in damaged.problems)
    with pytest.raises(HiveError):
        count(open_hive(memory_file("SAM", b"regf" + bytes(200))).root)
    cut = open_hive(memory_file("SAM", bytes(raw[:20_000])))
    assert any("cut off" in problem.detail for problem in cut.problems)


def test_logs_are_no_sources_of_their_own(shared_data: Path) -> None:
    log = lzma.decompress((shared_data / f"{REGIPY}/transactions_ntuser.dat.log1.xz").read_bytes())
    assert not registry.matches(memory_file("ntuser.dat.LOG1", log))
