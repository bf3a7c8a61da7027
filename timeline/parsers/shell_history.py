"""Commands that a person typed, where the shell kept their times: bash, zsh, fish; times in UTC.

Formats: bash with HISTTIMEFORMAT set writes `#SECONDS` before each command (bash(1), HISTORY); zsh with
EXTENDED_HISTORY `: SECONDS:ELAPSED;COMMAND`, a backslash at a line's end going on (zshoptions(1)); fish a YAML list
with `when:`. Kind `shell.command`; commands without a time are kept without one. The order of the file is that of
writing: shells that ran at once append when they end.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from timeline.event import Event, Problem, bounded
from timeline.lines import Lines, head_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import Context, SourceFile

NAME = "shell_history"
TEXT = True
_BASH = re.compile(r"#(\d{9,11})")
_ZSH = re.compile(r": (\d{9,11}):(\d+);(.*)", re.DOTALL)
_MOST_COMMAND = 4000


def _shell(file: SourceFile) -> str:
    """Which shell wrote the file; empty where it is none, or one without times."""
    head = file.head
    if b"#1" not in head and b": 1" not in head and b"- cmd: " not in head:
        return ""
    text = head_text(head) or ""
    lines = text.split("\n")
    if text.startswith("- cmd: ") and "\n  when: " in text:
        return "fish"
    if any(_ZSH.fullmatch(line) for line in lines[:5]):
        return "zsh"
    stamps = sum(1 for line in lines if _BASH.fullmatch(line))
    named = "history" in file.name.lower()
    if stamps and (named or (stamps >= 2 and _BASH.fullmatch(lines[0]))):
        return "bash"
    return ""


def matches(file: SourceFile) -> bool:
    """Times as one of the shells writes them."""
    return bool(_shell(file))


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """An event for each command."""
    shell = _shell(file)
    lines = Lines(file)
    commands = {"bash": _bash, "zsh": _zsh, "fish": _fish}.get(shell, _bash)(lines)
    user = _user(file.path)
    for sequence, (number, stamp, command, more) in enumerate(commands, 1):
        yield Event(
            time_ns=bounded(int(stamp) * 10**9) if stamp else None, time_text=stamp, precision_ns=10**9, zone="UTC",
            zone_basis="format", kind="shell.command", desc="command entered", record=str(number), sequence=sequence,
            actor=user, host=context.host, path=command[:_MOST_COMMAND], data={"shell": shell, **more},
        )  # fmt: skip
        if sequence % 4096 == 0 and context.expired():
            yield Problem(file.layer, "limit", f"time limit at line {number}")
            break
    yield from lines.problems(file.layer)


def _user(path: str) -> str:
    found = re.search(r"(?:^|/)(?:home|Users)/([^/]+)/", path)
    return found[1] if found else "root" if "/root/" in path else ""


_Command = tuple[int, str, str, dict[str, object]]


def _bash(lines: Lines) -> Iterator[_Command]:
    stamp, start, timed = "", 0, False
    command: list[str] = []
    for number, text in lines:
        if found := _BASH.fullmatch(text):
            if command:
                yield start, stamp, "\n".join(command), {}
            stamp, start, command, timed = found[1], number, [], True
        elif not timed:
            # Before the first time: each line is a command, or a part of one; nothing tells.
            yield number, "", text, {}
        elif len(command) < 1000:
            command.append(text)
    if command:
        yield start, stamp, "\n".join(command), {}


def _zsh(lines: Lines) -> Iterator[_Command]:
    waiting: tuple[int, str, str, dict[str, object]] | None = None
    for number, text in lines:
        found = _ZSH.fullmatch(text)
        if found is None:
            if waiting is None:
                yield number, "", text, {}
            elif len(waiting[2]) < _MOST_COMMAND:
                waiting = (*waiting[:2], f"{waiting[2]}\n{text}", waiting[3])
            continue
        if waiting is not None:
            yield waiting
        waiting = (number, found[1], found[3], {"elapsed_s": int(found[2])} if len(found[2]) < 19 else {})
    if waiting is not None:
        yield waiting


def _fish(lines: Lines) -> Iterator[_Command]:
    start, command, stamp = 0, "", ""
    for number, text in lines:
        if text.startswith("- cmd: "):
            if start:
                yield start, stamp, command, {}
            start, command, stamp = number, text[7:], ""
        elif (found := re.fullmatch(r"  when: (\d{9,11})", text)) is not None:
            stamp = found[1]
    if start:
        yield start, stamp, command, {}
