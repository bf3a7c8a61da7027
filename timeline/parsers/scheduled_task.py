r"""Scheduled tasks: XML below `System32\Tasks`, and `.job` files up to XP. Their times are local.

Formats: [MS-TSCH] 2.5 (XML), 2.4 (FIXDLEN_DATA and variable-length data of .JOB).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from timeline import times
from timeline.event import Event, Problem
from timeline.stamps import Stamp, guid, local, u16, u32, utf16

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import Context, SourceFile

NAME = "scheduled_task"
NAMESPACE = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
MOST_BYTES = 1 << 22
SIGNATURES = (
    b"\xff\xfe<\0?\0x\0m\0l\0", b"<?xml", b"\xef\xbb\xbf<?xml", b"<Task ", b"\xff\xfe<\0T\0a\0s\0k\0",
    *(bytes((minor, major, 1, 0)) for major in (4, 5, 6) for minor in range(4)),
)  # fmt: skip
"""Files of tasks have any name: they are known by their first bytes."""


def matches(file: SourceFile) -> bool:
    """The namespace of tasks in the first bytes; of a .job its fixed part and name."""
    head = file.head
    if file.name.lower().endswith(".job") and file.size >= 70:
        return u16(head, 2) == 1 and 70 <= u16(head, 20) < file.size and u16(head, 20) <= u16(head, 22) <= file.size
    plain = head.replace(b"\0", b"")
    return b"schemas.microsoft.com/windows/2004/02/mit/task" in plain and b"<Task" in plain and file.size < MOST_BYTES


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """When a task was registered, begins and ends, and (.job) last ran."""
    raw = file.read(MOST_BYTES)
    if file.name.lower().endswith(".job"):
        yield from _job(file, raw, context)
        return
    try:
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        yield Problem(file.layer, "damaged", f"its text is neither UTF-8 nor UTF-16: {error.reason}")
        return
    # A document type declaration could name entities without end; tasks have none.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        yield Problem(file.layer, "unsupported", "a task with a document type declaration")
        return
    try:
        root = ET.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text))  # noqa: S314 - no declarations, bounded size
    except (ET.ParseError, ValueError) as error:
        yield Problem(file.layer, "damaged", f"its XML cannot be read: {error}")
        return
    yield from _task(file, root, context)


def _child(root: ET.Element, path: str) -> str:
    found = root.find("/".join(NAMESPACE + name for name in path.split("/")))
    return (found.text or "").strip() if found is not None else ""


def _task(file: SourceFile, root: ET.Element, context: Context) -> Iterator[Event]:
    actions = root.find(NAMESPACE + "Actions")
    commands = []
    for action in actions if actions is not None else ():
        command = " ".join(part for part in (_child(action, "Command"), _child(action, "Arguments")) if part)
        commands.append(command or _child(action, "ClassId"))
    name = _child(root, "RegistrationInfo/URI") or file.name
    author = _child(root, "RegistrationInfo/Author")
    data = {
        "command": commands[0] if commands else "",
        "commands": commands[1:11],
        "author": author,
        "run_as": _child(root, "Principals/Principal/UserId") or _child(root, "Principals/Principal/GroupId"),
        "description": _child(root, "RegistrationInfo/Description")[:500],
        "enabled": _child(root, "Settings/Enabled") != "false",
        "hidden": _child(root, "Settings/Hidden") == "true",
    }
    registered = _child(root, "RegistrationInfo/Date")
    if registered:
        yield _stamp(registered, context).event(
            "task.registered", "Registration Date", record=name, actor=author, path=name, data=data
        )
    triggers = root.find(NAMESPACE + "Triggers")
    for number, trigger in enumerate(triggers if triggers is not None else ()):
        for tag, kind, desc in (
            ("StartBoundary", "task.begins", "Start Boundary"),
            ("EndBoundary", "task.ends", "End Boundary"),
        ):
            boundary = _child(trigger, tag)
            if boundary:
                yield _stamp(boundary, context).event(
                    kind, desc, record=name, sequence=number, actor=author, path=name,
                    data=data | {"trigger": trigger.tag.rpartition("}")[2]},
                )  # fmt: skip
    if not registered:
        yield Stamp(None, "", times.NS, None, "none").event(
            "task.defined", "No Time", record=name, actor=author, path=name, data=data
        )


def _stamp(text: str, context: Context) -> Stamp:
    found = times.iso(text)
    if found is None:
        return Stamp(None, text, times.NS, None, "none")
    ns, precision, zone = found
    return Stamp(ns, text, precision, zone, "format") if zone is not None else local(ns, text, precision, context)


def _job(file: SourceFile, raw: bytes, context: Context) -> Iterator[Event | Problem]:
    if len(raw) < 72:
        yield Problem(file.layer, "damaged", "cut off in its fixed part")
        return
    at = u16(raw, 20)
    texts = []
    for _ in range(5):
        count = u16(raw, at)
        texts.append(utf16(raw[at + 2 : at + 2 + 2 * count]))
        at += 2 + 2 * count
    program, arguments, folder, author, comment = texts
    data = {
        "command": f"{program} {arguments}".strip(),
        "working_folder": folder,
        "author": author,
        "description": comment[:500],
        "id": guid(raw[4:20]),
        "exit_code": u32(raw, 40),
        "flags": u32(raw, 48),
    }
    last = raw[52:68]
    if any(last):
        yield local(times.systemtime(last), last.hex(), times.MS, context).event(
            "task.ran", "Last Run", record=file.name, actor=author, path=program, data=data
        )
    place = u16(raw, 22)
    for number in range(min(u16(raw, place), 64)):
        trigger = raw[place + 2 + 48 * number : place + 50 + 48 * number]
        if len(trigger) < 48:
            yield Problem(file.layer, "damaged", "a trigger is cut off")
            return
        hour, minute = u16(trigger, 16), u16(trigger, 18)
        for year_at, kind, desc in ((4, "task.begins", "Start Boundary"), (10, "task.ends", "End Boundary")):
            year, month, day = (u16(trigger, year_at + 2 * index) for index in range(3))
            if year:
                text = f"{year:04d}-{month:02d}-{day:02d} {hour:02d}:{minute:02d}"
                yield local(times.civil(year, month, day, hour, minute), text, 60 * times.NS, context).event(
                    kind, desc, record=file.name, sequence=number, actor=author, path=program, data=data
                )
