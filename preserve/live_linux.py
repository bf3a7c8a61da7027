"""What is taken from a running Linux machine, most volatile first, and the reads of procfs that need no program."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from preserve.live_step import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PROC = Path("/proc")


def _content(*names: str) -> Iterator[bytes]:
    for name in names:
        with contextlib.suppress(OSError), (PROC / name).open("rb") as file:
            yield f"== /proc/{name}\n".encode()
            while piece := file.read(1 << 16):
                yield piece


def _processes() -> Iterator[bytes]:
    """Tab-separated: pid, ppid, uid, start (clock ticks after boot), exe, cwd, command line."""
    yield b"pid\tppid\tuid\tstart_ticks\texe\tcwd\tcmdline\n"
    for place in _pids():
        with contextlib.suppress(OSError, IndexError):
            # The name in parentheses may hold anything: what follows the last ")" is fixed (proc_pid_stat(5)).
            rest = (place / "stat").read_bytes().rpartition(b")")[2].split()
            command = (place / "cmdline").read_bytes()[:65536].replace(b"\0", b" ").strip()
            command = command.replace(b"\t", b" ").replace(b"\n", b"\\n") or b"[kernel]"
            fields = [place.name.encode(), rest[1], str(place.stat().st_uid).encode(), rest[19]]
            yield b"\t".join([*fields, _link(place / "exe"), _link(place / "cwd"), command]) + b"\n"


def _open_files() -> Iterator[bytes]:
    """Per process: number of open files by kind, and the regular ones, deleted ones among them."""
    yield b"pid\tkind\tcount or path\n"
    for place in _pids():
        kinds: Counter[str] = Counter()
        paths: list[bytes] = []
        with contextlib.suppress(OSError):
            for one in (place / "fd").iterdir():
                link = _link(one)
                kind = "file" if link.startswith(b"/") else os.fsdecode(link.partition(b":")[0] or b"?")
                kinds[kind] += 1
                if kind == "file" and not link.startswith(b"/dev/") and len(paths) < 500:
                    paths.append(link)
        for kind, count in sorted(kinds.items()):
            yield f"{place.name}\t{kind}\t{count}\n".encode()
        for link in sorted(set(paths)):
            yield place.name.encode() + b"\tpath\t" + link.replace(b"\n", b"\\n") + b"\n"


def _pids() -> list[Path]:
    return sorted((one for one in PROC.iterdir() if one.name.isdecimal()), key=lambda one: int(one.name))


def _link(path: Path) -> bytes:
    try:
        return os.fsencode(os.readlink(path))  # noqa: PTH115 - the link's bytes, not a path
    except OSError:
        return b"?"


READERS: Mapping[str, Callable[[], Iterator[bytes]]] = {
    "uptime": lambda: _content("uptime", "version", "cmdline", "sys/kernel/hostname", "sys/kernel/random/boot_id"),
    "processes": _processes,
    "sockets": lambda: _content(*(f"net/{one}" for one in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6", "unix"))),
    "arp": lambda: _content("net/arp"),
    "routes": lambda: _content("net/route", "net/ipv6_route"),
    "open_files": _open_files,
    "mounts": lambda: _content("self/mountinfo", "swaps"),
    "modules": lambda: _content("modules", "sys/kernel/tainted"),
    "partitions": lambda: _content("partitions", "mdstat", "crypto"),
}

_LSBLK = "NAME,KNAME,MAJ:MIN,TYPE,SIZE,RO,RM,TRAN,VENDOR,MODEL,SERIAL,WWN,FSTYPE,UUID,PTTYPE,MOUNTPOINT"

STEPS: tuple[Step, ...] = (
    Step("time", "この機器の時刻(UTC)", "time of this machine (UTC)", ("date", "-u", "+%Y-%m-%dT%H:%M:%S.%NZ")),
    Step("time-local", "表示時刻とタイムゾーン", "local time and zone", ("date", "+%Y-%m-%dT%H:%M:%S.%N%:z %Z")),
    Step("time-status", "時刻同期の状態", "synchronisation", ("timedatectl", "show")),
    Step("time-hardware", "ハードウェア時計", "hardware clock", ("hwclock", "--show", "--verbose")),
    Step("boot", "起動からの時間・起動 ID", "time since boot, boot id", reader="uptime"),
    Step(
        "memory",
        "メモリ",
        "memory",
        choices=(("avml", ("avml",)), ("winpmem", ("winpmem",)), ("lmg-dump", ("lmg-dump",))),
    ),
    Step("processes", "プロセス", "processes", reader="processes"),
    Step("processes-ps", "プロセス(ps)", "processes (ps)", ("ps", "-eo", "pid,ppid,user,lstart,tty,stat,args")),
    Step("sockets", "通信", "connections", reader="sockets"),
    Step("sockets-ss", "通信(ss)", "connections (ss)", ("ss", "-tunapo")),
    Step("arp", "ARP", "ARP", reader="arp"),
    Step("neighbours", "近隣(ip)", "neighbours (ip)", ("ip", "neigh", "show")),
    Step("routes", "経路", "routes", reader="routes"),
    Step("addresses", "アドレス(ip)", "addresses (ip)", ("ip", "address", "show")),
    Step("users", "ログイン中の利用者", "users logged in", ("who", "-a")),
    Step("logins", "ログインの履歴", "last logins", ("last", "-n", "200", "-F", "-w")),
    Step("open-files", "開いているファイル(概要)", "open files (summary)", reader="open_files"),
    Step("mounts", "マウント・スワップ", "mounts, swap", reader="mounts"),
    Step("modules", "カーネルモジュール", "kernel modules", reader="modules"),
    Step("disks", "ディスク・区画", "disks, partitions", reader="partitions"),
    Step("disks-lsblk", "ディスク(lsblk)", "disks (lsblk)", ("lsblk", "-J", "-b", "-o", _LSBLK)),
    # Without --showkeys the kernel replaces key material with zeros (dmsetup(8)).
    Step("encryption", "暗号化の状態(鍵なし)", "encryption (no keys)", ("dmsetup", "table", "--target", "crypt")),
    # Exit code 2: none found (blkid(8)).
    Step("encryption-luks", "LUKS の区画", "LUKS partitions", ("blkid", "-t", "TYPE=crypto_LUKS"), fine=(0, 2)),
    Step(
        "recovery-keys",
        "暗号化の鍵",
        "encryption keys",
        ("dmsetup", "table", "--target", "crypt", "--showkeys"),
        needs_authority=True,
    ),
)
