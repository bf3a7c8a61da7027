"""Registry hives: recognised by what their root holds, read after their transaction logs were applied.

A hive that needs its logs and has none is read as it is; that is a Problem of reason `incomplete`. `registry_zone`
gives the machine's zone, for records that have none.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from timeline.event import Event, Problem
from timeline.hive import SIGNATURE, Hive, HiveError, Key, open_hive
from timeline.hives import accounts, amcache, software, system, user
from timeline.hives.system import registry_zone as registry_zone  # noqa: PLC0414 - a part of what this module offers
from timeline.stamps import filetime, user_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import Context, SourceFile

NAME = "registry"
SIGNATURES = (SIGNATURE,)
_OF_MACHINE = ("system", "software", "sam", "security")
NAMES = re.compile("|".join((*_OF_MACHINE, r"ntuser\.dat", r"usrclass\.dat", r"amcache\.hve")))
MOST_KEYS = 2_000_000
_LOG = re.compile(r".*\.(?:log|log1|log2|blf|regtrans-ms)", re.IGNORECASE)


def matches(file: SourceFile) -> bool:
    """The signature of a hive; its logs, which begin alike, are read with it."""
    return file.head[:4] == SIGNATURE and file.size > 4096 and int.from_bytes(file.head[28:32], "little") == 0


def promises(file: SourceFile) -> bool:
    """A signature, save under the name of a log; the names of users' hives, and in `config` those of the machine's."""
    name = file.name.lower()
    if file.head[:4] == SIGNATURE:
        return _LOG.fullmatch(file.name) is None
    of_machine = name in _OF_MACHINE and file.path.lower().endswith(f"/config/{name}")
    return file.size > 0 and (of_machine or (name not in _OF_MACHINE and NAMES.fullmatch(name) is not None))


def kind_of(hive: Hive) -> str:
    """`system`, `software`, `user`, `classes`, `sam`, `security`, `amcache`, or empty for others. Raises HiveError."""
    names = {key.name.casefold() for key in hive.root.subkeys()}
    if "select" in names and any(name.startswith("controlset") for name in names):
        return "system"
    if "local settings" in names:
        return "classes"
    if "software" in names and names & {"control panel", "environment", "console"}:
        return "user"
    if {"microsoft", "classes"} <= names:
        return "software"
    if names == {"sam"}:
        return "sam"
    if "policy" in names:
        return "security"
    inner = hive.root.subkey("Root")
    if inner is not None and {key.name.casefold() for key in inner.subkeys()} & {
        "file", "programs", "inventoryapplicationfile", "inventoryapplication", "inventorydevicepnp",
    }:  # fmt: skip
        return "amcache"
    return "system" if any(re.fullmatch(r"controlset\d{3}", name) for name in names) else ""


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """Events by the kind of hive; `context.options["registry"] = "all"` adds the last-write time of every key."""
    try:
        hive = open_hive(file)
        kind = kind_of(hive)
        host = system.computer_name(hive) if kind == "system" else ""
        actor = user_of(file.path) or (_owner(hive) if kind in ("user", "classes") else "")
        for event in _events(kind, hive, context, actor):
            yield _on(event, host) if host and isinstance(event, Event) and not event.host else event
        if hive.replayed:
            yield filetime(hive.written).event(
                "registry.replayed", "Hive Last Written", record=hive.file_name, path=file.path,
                data={"entries": hive.replayed},
            )  # fmt: skip
        if context.options.get("registry") == "all":
            yield from _all_keys(hive, context)
    except HiveError as error:
        yield Problem(file.layer, "damaged", str(error))
        return
    yield from hive.problems


def _on(event: Event, host: str) -> Event:
    from dataclasses import replace  # noqa: PLC0415 - one import for one place

    return replace(event, host=host)


def _owner(hive: Hive) -> str:
    """The account by the path that the hive's own header keeps."""
    found = re.search(r"(?:Users|Settings)\\([^\\]+)\\", hive.file_name, re.IGNORECASE)
    return found[1] if found is not None else ""


def _events(kind: str, hive: Hive, context: Context, actor: str) -> Iterator[Event | Problem]:
    if kind == "system":
        yield from system.events(hive)
    elif kind == "software":
        yield from software.events(hive, context)
    elif kind in ("user", "classes"):
        yield from user.events(hive, actor)
    elif kind == "sam":
        yield from accounts.events(hive)
    elif kind == "amcache":
        yield from amcache.events(hive)


def _all_keys(hive: Hive, context: Context) -> Iterator[Event | Problem]:
    stack: list[Key] = [hive.root]
    count = 0
    while stack:
        key = stack.pop()
        count += 1
        if count > MOST_KEYS or (count % 1024 == 0 and context.expired()):
            yield Problem(hive.where, "limit", f"key times end after {count} keys")
            return
        yield filetime(key.written).event(
            "registry.key", "Key Last Written", record=key.path, path=key.path or key.name
        )
        stack += reversed(key.subkeys())
