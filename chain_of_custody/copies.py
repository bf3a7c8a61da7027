"""Verified copies of each content, as the entries tell: what requirement A3 and the policy `copies=N` count.

A copy is a target that was written and read back (or verified later) and equalled what was read from the source. Copies
are counted per content, by the hash of what was read: two images of one disk are two copies of it, two images of two
disks are one of each; one target verified twice is one copy, a run that failed or differed is none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chain_of_custody.entries import Entry
    from chain_of_custody.jcs import Json

_COPYING = ("image", "export", "clone")


@dataclass(slots=True)
class Copy:
    """One target that holds a content."""

    place: str
    """Path of the target, or serial number and path of a medium."""
    seq: int
    """The entry that ended the writing."""
    item: str | None
    is_verified: bool


@dataclass(slots=True)
class Content:
    """What was copied, by the hash of what was read."""

    hash: str
    """`sha256:…`, or the strongest algorithm that was computed."""
    copies: dict[str, Copy] = field(default_factory=dict)
    first_seq: int = 0
    """The first entry that ended a copy of it."""
    item: str | None = None

    @property
    def verified(self) -> list[Copy]:
        """Copies that were shown to be equal."""
        return [copy for copy in self.copies.values() if copy.is_verified]


def _texts(value: Json) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _object(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _strongest(hashes: Mapping[str, Json]) -> str:
    for name in ("sha256", "sha512", "sha3_256", "blake3", "sha1", "md5"):
        if hashes.get(name):
            return f"{name}:{hashes[name]}"
    return ""


def _name(path: str) -> str:
    return PureWindowsPath(path).name if "\\" in path else PurePosixPath(path).name


def _is_image(name: str, place: str) -> bool:
    """Whether a verified image is this target: `disk.E01` is where `…/disk` or `…/disk.E01` was written."""
    target = _name(place)
    return name == target or name.rpartition(".")[0] == target


class Copies:
    """Collects copies while entries are read in order."""

    def __init__(self) -> None:
        self.contents: dict[str, Content] = {}
        self._begun: dict[int, Entry] = {}

    def add(self, entry: Entry) -> None:
        """Take one entry into account."""
        kind, _, half = entry.type.rpartition(".")
        if kind in _COPYING and half == "begin":
            self._begun[entry.seq] = entry
        elif kind in _COPYING and half == "end":
            begin = self._begun.pop(_number(entry.body.get("begin")), None)
            if begin is not None and entry.body.get("status") in ("done", "partial"):
                self._copied(kind, begin, entry)
        elif entry.type == "verify.end":
            self._verified(entry)

    def _copied(self, kind: str, begin: Entry, end: Entry) -> None:
        content = _strongest(_object(end.body.get("hashes")))
        if not content:
            return
        if kind == "clone":
            device = _object(_object(begin.body.get("auto")).get("device"))
            places = [" ".join(str(device[name]) for name in ("serial", "path") if device.get(name)) or f"{end.seq}"]
            read_back = True
        else:
            places = _texts(begin.body.get("targets"))
            read_back = _object(begin.body.get("settings")).get("verify") is True
        known = self.contents.setdefault(content, Content(content, first_seq=end.seq, item=end.item))
        for place in places:
            equal = read_back and end.body.get("is_equal") is True
            known.copies[place] = Copy(place, end.seq, end.item, is_verified=equal)

    def _verified(self, entry: Entry) -> None:
        """A later verification: a copy that was not read back yet is now shown equal, one that differs is lost."""
        verdict, name = entry.body.get("verdict"), str(entry.body.get("image", ""))
        found = {f"{kind}:{value}" for kind, value in _object(entry.body.get("hashes")).items()}
        for content in self.contents.values():
            for copy in content.copies.values():
                if not _is_image(name, copy.place):
                    continue
                if verdict == "mismatch":
                    copy.is_verified = False
                elif verdict == "match" and content.hash in found:
                    copy.is_verified = True

    def of_item(self, item: str | None) -> Iterator[Content]:
        """The contents of one item; of all with None."""
        for content in self.contents.values():
            if item is None or any(copy.item == item for copy in content.copies.values()):
                yield content


def _number(value: Json) -> int:
    return value if isinstance(value, int) else 0
