"""What is taken from a running Windows machine, and readers of the outputs.

**Never run on a real Windows**: the parsers were tested on samples of the documented output formats alone.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass

from preserve.live_step import Step

UNTESTED_JA = "Windows の実機では未試験です(出力見本による解析の試験のみ)"
UNTESTED_EN = "untested on real Windows (parsers tested on sample outputs alone)"

STEPS: tuple[Step, ...] = (
    Step("time", "この機器の時刻", "time of this machine", ("w32tm", "/query", "/status", "/verbose")),
    Step("time-zone", "タイムゾーン", "time zone", ("tzutil", "/g")),
    Step("memory", "メモリ", "memory", choices=(("winpmem", ("winpmem",)), ("avml", ("avml",)))),
    Step("processes", "プロセス", "processes", ("tasklist", "/v", "/fo", "csv")),
    Step("sockets", "通信", "connections", ("netstat", "-ano")),
    Step("arp", "ARP", "ARP", ("arp", "-a")),
    Step("routes", "経路", "routes", ("route", "print")),
    Step("addresses", "アドレス", "addresses", ("ipconfig", "/all")),
    Step("users", "ログイン中の利用者", "users logged in", ("quser",)),
    Step("open-files", "共有で開かれたファイル", "files open over shares", ("openfiles", "/query", "/fo", "csv")),
    Step("mounts", "ボリューム", "volumes", ("mountvol",)),
    Step("modules", "ドライバー", "drivers", ("driverquery", "/v", "/fo", "csv")),
    Step("disks", "ディスク", "disks", ("wmic", "diskdrive", "list", "full")),
    Step("encryption", "BitLocker の状態", "BitLocker state", ("manage-bde", "-status")),
    Step(
        "recovery-keys",
        "BitLocker 回復キー",
        "BitLocker recovery keys",
        ("manage-bde", "-protectors", "-get", "C:"),
        needs_authority=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Process:
    """A row of `tasklist /v /fo csv`."""

    name: str
    pid: int
    session: str
    user: str
    title: str


def processes(text: str) -> list[Process]:
    """Rows of `tasklist /v /fo csv` by position (the header is translated). Rows of other shape are left out."""
    rows = csv.reader(io.StringIO(text))
    return [Process(r[0], int(r[1]), r[2], r[6], r[8]) for r in rows if len(r) == 9 and r[1].isdecimal()]


@dataclass(frozen=True, slots=True)
class Connection:
    """A row of `netstat -ano`; `state` is empty for UDP."""

    protocol: str
    local: str
    remote: str
    state: str
    pid: int


def connections(text: str) -> list[Connection]:
    """Rows of `netstat -ano`."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["TCP"] and len(words) == 5 and words[4].isdecimal():
            found.append(Connection("TCP", words[1], words[2], words[3], int(words[4])))
        elif words[:1] == ["UDP"] and len(words) == 4 and words[3].isdecimal():
            found.append(Connection("UDP", words[1], words[2], "", int(words[3])))
    return found


@dataclass(frozen=True, slots=True)
class User:
    """A row of `quser`; `session` is empty for a disconnected one, `current` marks the caller's own (`>`)."""

    name: str
    session: str
    id: int
    state: str
    current: bool


def users(text: str) -> list[User]:
    """Rows of `quser`: name, session name (may be missing), id, state."""
    row = re.compile(r"^(?P<mark>[ >])(?P<name>\S+)\s+(?:(?P<session>\S+)\s+)?(?P<id>\d+)\s+(?P<state>\S+)\s")
    found = []
    for line in text.splitlines():
        match = row.match(line)
        if match:
            one = match.groupdict("")
            found.append(User(one["name"], one["session"], int(one["id"]), one["state"], one["mark"] == ">"))
    return found


def adapters(text: str) -> dict[str, dict[str, list[str]]]:
    """Of `ipconfig /all`: section → label → values (continued lines belong to the label above)."""
    found: dict[str, dict[str, list[str]]] = {}
    section: dict[str, list[str]] = {}
    values: list[str] = []
    for line in text.splitlines():
        if line.strip() and not line[0].isspace():
            section = found.setdefault(line.strip().rstrip(":"), {})
            continue
        label, mark, value = line.partition(" : ") if " : " in line else line.partition(" :")
        if mark and ". " in f"{label} ":
            values = section.setdefault(label.strip(" ."), [])
            values += [value.strip()] if value.strip() else []
        elif line.strip():
            values.append(line.strip())
    return found


def volumes(text: str) -> dict[str, dict[str, str]]:
    """Of `manage-bde -status`: drive letter → label → value (key protectors joined by commas)."""
    found: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    label = ""
    for line in text.splitlines():
        drive = re.match(r"^\S.*?([A-Z]:)(?:\s|$)", line)
        if drive and not line.startswith(("BitLocker", "Copyright")):
            current = found.setdefault(drive[1], {})
            label = ""
        elif found and re.match(r"^ {4}\S[^:]*:", line):
            label, _, value = (part.strip() for part in line.partition(":"))
            current[label] = value
        elif found and label and line.startswith("        ") and line.strip():
            current[label] = ", ".join(filter(None, (current[label], line.strip())))
    return found
