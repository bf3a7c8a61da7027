"""Live collection on this very machine, its bounds and its refusals; the Windows outputs by samples."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from chain_of_custody.case import open_case
from chain_of_custody.errors import UsageError
from chain_of_custody.reading import read_entries
from preserve import live, live_windows
from preserve.live_linux import STEPS
from preserve.live_step import Step
from tests.preserve.test_imaging_cli import preserve

if TYPE_CHECKING:
    from pathlib import Path

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads procfs and sysfs of Linux")
NUMBER = "123456789018"
ACCEPT = ("--accept-footprint", f"test {NUMBER}", "--no-memory")


@pytest.fixture
def case(tmp_path: Path) -> Path:
    return tmp_path / "case"


@linux_only
def test_this_machine_is_collected_in_order_and_every_output_is_in_the_ledger(case):
    marker = subprocess.Popen(["/bin/sh", "-c", f"sleep 60; : {NUMBER}"])
    try:
        done = preserve("live", "--case", str(case), *ACCEPT, "--json", cwd=case.parent)
    finally:
        marker.kill()
        marker.wait()
    assert done.returncode in (0, 3), done.stderr
    end = next(one for one in read_entries(case) if one.type == "live.end")
    commands = end.body["commands"]
    assert [one["step"] for one in commands] == [
        step.name for step in STEPS if not step.needs_authority and step.name != "memory"
    ]
    assert [one["started"] for one in commands] == sorted(one["started"] for one in commands)
    for one in commands:
        if "file" in one:
            data = (case / "live/1" / one["file"]).read_bytes()
            assert (hashlib.sha256(data).hexdigest(), str(len(data))) == (one["sha256"], one["size"])
    # The raw output keeps what was there; the ledger and the screen do not show it.
    processes = next((case / "live/1").glob("*-processes.txt")).read_text(encoding="utf-8")
    assert f"\t/bin/sh -c sleep 60; : {NUMBER}" in processes
    assert f"{os.getpid()}\t" in processes
    assert NUMBER not in (case / "ledger.jsonl").read_text(encoding="utf-8") + done.stdout + done.stderr
    assert int(end.body["footprint"]["written_bytes"]) > len(processes)
    manifest = (case / "live/1" / live.MANIFEST).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in manifest] == commands


@linux_only
def test_the_disk_of_the_machine_is_refused_unless_accepted_and_a_suspect_disk_always(case):
    refused = preserve("live", "--case", str(case), cwd=case.parent)
    assert refused.returncode == 2
    assert "--accept-footprint" in refused.stderr
    assert not (case / "live").exists()
    with pytest.raises(UsageError, match="no such disk"):
        live.check_target(case.parent, ["/dev/no-such-disk"], "x")
    disks = live.disks_below(live._numbers(case.parent))
    if not disks:
        pytest.skip("the temporary folder lies on no disk")
    with pytest.raises(UsageError, match="suspect disk"):
        live.check_target(case, [f"/dev/{min(disks)}"], "accepted")


@linux_only
def test_keys_only_after_authority_and_the_refusal_is_an_entry(case):
    refused = preserve("live", "--case", str(case), *ACCEPT, "--recovery-keys", cwd=case.parent)
    assert refused.returncode == 2
    assert [one.type for one in read_entries(case)][-2] == "refused"
    assert "recovery-keys" not in [step.name for step in live.plan("linux")]
    assert live.plan("linux", keys=True)[-1].argv[-1] == "--showkeys"


@linux_only
def test_time_and_output_of_a_command_are_bounded(tmp_path):
    steps = (
        Step("slow", "", "", ("sh", "-c", "echo begun; sleep 60 & wait")),
        Step("loud", "", "", ("yes",)),
        Step("wrong", "", "", ("sh", "-c", "echo no >&2; exit 7")),
        Step("absent", "", "", ("no-such-program-here",)),
    )
    done = live.collect(tmp_path / "out", steps, live.Limits(seconds=1.0, output_bytes=5000))
    assert [one.outcome for one in done] == ["timeout", "cut", "failed", "absent"]
    assert (tmp_path / "out/01-slow.txt").read_bytes() == b"begun\n"
    assert (tmp_path / "out/02-loud.txt").read_bytes() == b"y\n" * 2500
    assert (done[2].exit_code, (tmp_path / "out/03-wrong.stderr").read_bytes()) == (7, b"no\n")
    assert done[2].stderr_sha256 == hashlib.sha256(b"no\n").hexdigest()


@linux_only
def test_only_the_programs_that_were_brought_run(tmp_path):
    (tmp_path / "tools").mkdir()
    own = tmp_path / "tools/date"
    own.write_text("#!/bin/sh\necho mine\n")
    own.chmod(0o755)
    steps = (Step("a", "", "", ("date",)), Step("b", "", "", ("ps",)))
    done = live.collect(tmp_path / "out", steps, live.Limits(), tools=tmp_path / "tools")
    assert (tmp_path / "out/01-a.txt").read_bytes() == b"mine\n"
    assert done[0].program_sha256 == hashlib.sha256(own.read_bytes()).hexdigest()
    assert done[1].outcome == "absent"


def _tool(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


MEMORY = next(step for step in STEPS if step.name == "memory")


@linux_only
@pytest.mark.parametrize("name", ["avml", "winpmem", "lmg-dump"])
def test_memory_is_taken_by_a_tool_that_was_brought(tmp_path, monkeypatch, name):
    """A stand-in writes where the tool is told to; what it wrote is the result, hashed."""
    monkeypatch.setattr(live.shutil, "disk_usage", lambda _path: live.shutil._ntuple_diskusage(1 << 60, 0, 1 << 60))
    own = _tool(tmp_path / "tools", name, 'printf "EMiL memory" > "$1"; echo said')
    (taken,) = live.collect(tmp_path / "out", [MEMORY], live.Limits(), tools=tmp_path / "tools")
    assert (taken.outcome, taken.file, taken.size_bytes) == ("done", "01-memory.lime", 11)
    assert taken.sha256 == hashlib.sha256(b"EMiL memory").hexdigest()
    assert taken.program_sha256 == hashlib.sha256(own.read_bytes()).hexdigest()
    assert (tmp_path / "out/01-memory.txt").read_bytes() == b"said\n"


@linux_only
def test_memory_without_tool_without_room_and_with_a_tool_that_fails_is_told(tmp_path, monkeypatch):
    (tmp_path / "tools").mkdir()
    (taken,) = live.collect(tmp_path / "a", [MEMORY], live.Limits(), tools=tmp_path / "tools")
    assert taken.outcome == "absent"
    assert "memory was not taken: no tool here (avml, winpmem, lmg-dump)" in taken.detail
    _tool(tmp_path / "tools", "avml", "exit 3")
    with monkeypatch.context() as full:
        full.setattr(live.shutil, "disk_usage", lambda _path: live.shutil._ntuple_diskusage(1 << 40, 1 << 40, 4096))
        (taken,) = live.collect(tmp_path / "b", [MEMORY], live.Limits(), tools=tmp_path / "tools")
    assert taken.outcome == "failed"
    assert "no room" in taken.detail
    assert not list((tmp_path / "b").glob("*.lime"))
    monkeypatch.setattr(live.shutil, "disk_usage", lambda _path: live.shutil._ntuple_diskusage(1 << 60, 0, 1 << 60))
    (taken,) = live.collect(tmp_path / "c", [MEMORY], live.Limits(), tools=tmp_path / "tools")
    assert (taken.outcome, taken.exit_code) == ("failed", 3)


@linux_only
def test_keys_are_taken_after_authority_and_stand_in_their_file_alone(case):
    """Output of `dmsetup table --showkeys` on a LUKS1 mapping; this machine need not know device-mapper."""
    secret = "babe" * 16
    table = f"root: 0 2048 crypt aes-xts-plain64 {secret} 0 8:2 4096"
    tools = case.parent / "tools"
    _tool(tools, "dmsetup", f'case "$*" in *--showkeys*) echo "{table}";; *) echo "root: 0 2048 crypt - 0000";; esac')
    arguments = ("live", "--case", str(case), *ACCEPT, "--recovery-keys", "--tools", str(tools), "--json")
    assert preserve(*arguments, cwd=case.parent).returncode == 2
    assert not (case / "live").exists()
    with open_case(case, key=case.parent / ".config/id_ed25519") as opened:
        given = {"client": "x", "authority": "consent"}
        authority = opened.append("record.authority", given, src="typed")
    done = preserve(*arguments, cwd=case.parent)
    assert done.returncode in (0, 3), done.stderr
    kept = next((case / "live/1").glob("*-recovery-keys.txt"))
    assert kept.read_text() == table + "\n"
    begin = [one for one in read_entries(case) if one.type == "live.begin"][-1]
    assert begin.body["authority"] == str(authority.seq)
    end = [one for one in read_entries(case) if one.type == "live.end"][-1]
    step = next(one for one in end.body["commands"] if one["step"] == "recovery-keys")
    assert step["sha256"] == hashlib.sha256(kept.read_bytes()).hexdigest()
    assert secret not in (case / "ledger.jsonl").read_text() + done.stdout + done.stderr
    elsewhere = [one for one in case.rglob("*") if one.is_file() and one != kept and secret in one.read_text("latin-1")]
    assert not elsewhere
    assert int(end.body["footprint"]["files_written"]) == len(list((case / "live/1").iterdir()))


def test_disks_are_found_through_partitions_and_mappings(tmp_path):
    for place in ("devices/sda/sda1", "devices/dm-0/slaves", "dev/block"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "devices/sda/sda1/partition").write_text("1\n")
    (tmp_path / "devices/dm-0/slaves/sda1").symlink_to(tmp_path / "devices/sda/sda1")
    (tmp_path / "dev/block/253:0").symlink_to(tmp_path / "devices/dm-0")
    assert live.disks_below("253:0", tmp_path) == {"sda"}
    assert live.disks_below("0:40", tmp_path) == set()


# --- Windows, by samples of the documented formats ---------------------------------------------------------------------


def test_tasklist():
    text = (
        '"イメージ名","PID","セッション名","セッション#","メモリ使用量","状態","ユーザー名","CPU 時間","ウィンドウ タイトル"\n'
        '"EXCEL.EXE","4120","Console","1","98,304 K","Running","PC01\\soumu","0:00:12","給与, 1月.xlsx - Excel"\n'
    )
    assert live_windows.processes(text) == [
        live_windows.Process("EXCEL.EXE", 4120, "Console", "PC01\\soumu", "給与, 1月.xlsx - Excel")
    ]


def test_netstat():
    text = (
        "\nActive Connections\n\n  Proto  Local Address          Foreign Address        State           PID\n"
        "  TCP    192.0.2.5:49712        198.51.100.7:443       ESTABLISHED     4120\n"
        "  UDP    [::]:5353              *:*                                    2200\n"
    )
    assert live_windows.connections(text) == [
        live_windows.Connection("TCP", "192.0.2.5:49712", "198.51.100.7:443", "ESTABLISHED", 4120),
        live_windows.Connection("UDP", "[::]:5353", "*:*", "", 2200),
    ]


def test_quser():
    text = (
        " USERNAME              SESSIONNAME        ID  STATE   IDLE TIME  LOGON TIME\n"
        ">soumu                 console             1  Active      none   11/24/2026 9:02 AM\n"
        " keiri                                     2  Disc         1:10  11/24/2026 8:15 AM\n"
    )
    assert live_windows.users(text) == [
        live_windows.User("soumu", "console", 1, "Active", True),
        live_windows.User("keiri", "", 2, "Disc", False),
    ]


def test_ipconfig():
    text = (
        "\nWindows IP Configuration\n\n   Host Name . . . . . . . . . . . . : PC01\n\n"
        "Ethernet adapter Ethernet:\n\n   Physical Address. . . . . . . . . : 00-00-5E-00-53-01\n"
        "   DNS Servers . . . . . . . . . . . : 192.0.2.1\n                                       192.0.2.2\n"
    )
    found = live_windows.adapters(text)
    assert found["Windows IP Configuration"]["Host Name"] == ["PC01"]
    assert found["Ethernet adapter Ethernet"]["DNS Servers"] == ["192.0.2.1", "192.0.2.2"]
    assert found["Ethernet adapter Ethernet"]["Physical Address"] == ["00-00-5E-00-53-01"]


def test_manage_bde():
    text = (
        "BitLocker Drive Encryption: Configuration Tool version 10.0.19041\n"
        "Copyright (C) 2013 Microsoft Corporation. All rights reserved.\n\n"
        "Disk volumes that can be protected with\nBitLocker Drive Encryption:\nVolume C: [Windows]\n[OS Volume]\n\n"
        "    Size:                 237.25 GB\n    BitLocker Version:    2.0\n"
        "    Protection Status:    Protection On\n    Key Protectors:\n        TPM\n        Numerical Password\n"
    )
    assert live_windows.volumes(text) == {
        "C:": {
            "Size": "237.25 GB",
            "BitLocker Version": "2.0",
            "Protection Status": "Protection On",
            "Key Protectors": "TPM, Numerical Password",
        }
    }
