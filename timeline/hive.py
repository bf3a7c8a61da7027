"""A registry hive: keys and values as they stand in the file, after its transaction logs were applied.

```python
hive = open_hive(file)                       # a SourceFile; logs are looked for beside it
hive.key("ControlSet001/Control/TimeZoneInformation").value("TimeZoneKeyName").text
```
Nothing is written; the logs are applied to a copy in memory. A hive that needs its logs and has none is read as it is,
and `hive.problems` says so. Every cell is asked for its size, every list for its members, and no cell of a key is used
twice, so that a damaged hive ends the walk early, with a problem, and never in a loop.

Format: M. Suhanov, "Windows registry file format specification"; libyal "Windows NT Registry File (REGF) format".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from timeline import hive_log
from timeline.event import Problem
from timeline.stamps import u16, u32, u64, utf16

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import SourceFile

SIGNATURE = b"regf"
BASE_BYTES = 4096
MOST_BYTES = 1 << 29
DEEPEST = 128
MOST_SUBKEYS = 1 << 20
MOST_VALUES = 1 << 16
MOST_VALUE_BYTES = 1 << 24
NO_CELL = 0xFFFF_FFFF

REG_SZ, REG_EXPAND_SZ, REG_BINARY, REG_DWORD, REG_DWORD_BE, REG_MULTI_SZ, REG_QWORD = 1, 2, 3, 4, 5, 7, 11


class HiveError(ValueError):
    """The file is no hive, or so damaged that it has no root."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a key."""

    name: str
    kind: int
    raw: bytes

    @property
    def text(self) -> str:
        """As text; the first string of several; empty where it is none."""
        if self.kind in (REG_SZ, REG_EXPAND_SZ, REG_MULTI_SZ) or self.kind & 0xFFF == 0x12:
            return utf16(self.raw)
        return ""

    @property
    def texts(self) -> list[str]:
        """Strings of a REG_MULTI_SZ."""
        return [one for one in self.raw.decode("utf-16-le", "replace").split("\0") if one]

    @property
    def number(self) -> int | None:
        """As a number; None where it is none."""
        if self.kind == REG_DWORD_BE and len(self.raw) >= 4:
            return int.from_bytes(self.raw[:4], "big")
        if self.kind in (REG_DWORD, REG_QWORD) and len(self.raw) in (4, 8):
            return int.from_bytes(self.raw, "little")
        return None

    @property
    def filetime(self) -> int:
        """The first 8 bytes as a number; 0 where there are fewer."""
        return u64(self.raw, 0) if len(self.raw) >= 8 else 0


@dataclass(slots=True)
class Hive:
    """A hive in memory."""

    data: bytes
    where: str
    problems: list[Problem] = field(default_factory=list)
    replayed: int = 0
    """Log entries that were applied."""
    complete: bool = True
    """False where the hive needed a log that was not there or did not fit."""
    _said: set[str] = field(default_factory=set)

    @property
    def written(self) -> int:
        """FILETIME at which the hive itself was last written."""
        return u64(self.data, 12)

    @property
    def file_name(self) -> str:
        """The end of the path that the hive had, as its header keeps it."""
        return utf16(self.data[48:112])

    @property
    def root(self) -> Key:
        """The root key. Raises HiveError."""
        key = self._key(u32(self.data, 36), "", frozenset())
        if key is None:
            raise HiveError(f"{self.where}: no root key")
        return key

    def key(self, path: str) -> Key | None:
        """The key at `path`, '/'-separated, letter case does not count."""
        key: Key | None = self.root
        for name in path.split("/"):
            key = key.subkey(name) if key is not None else None
        return key

    def problem(self, offset: int, detail: str) -> None:
        """Note damage, each kind of it once, so that a ruined hive does not give a million lines."""
        if detail not in self._said and len(self._said) < 64:
            self._said.add(detail)
            self.problems.append(Problem(self.where, "damaged", detail, offset))

    def cell(self, offset: int) -> bytes:
        """The content of a cell; empty where there is none."""
        if offset == NO_CELL:
            return b""
        at = BASE_BYTES + offset
        size = int.from_bytes(self.data[at : at + 4], "little", signed=True) if at + 4 <= len(self.data) else 0
        if size == 0 or abs(size) > len(self.data) - at:
            self.problem(at, "a cell lies outside the hive")
            return b""
        return self.data[at + 4 : at + abs(size)]

    def _key(self, offset: int, parent_path: str, above: frozenset[int]) -> Key | None:
        raw = self.cell(offset)
        if raw[:2] != b"nk" or len(raw) < 76:
            self.problem(BASE_BYTES + offset, "a key is damaged")
            return None
        if offset in above or len(above) > DEEPEST:
            self.problem(BASE_BYTES + offset, "a key is its own ancestor, or lies too deep")
            return None
        name_raw = raw[76 : 76 + u16(raw, 72)]
        name = name_raw.decode("latin-1") if u16(raw, 2) & 0x20 else name_raw.decode("utf-16-le", "replace")
        path = f"{parent_path}\\{name}" if parent_path else name
        return Key(self, raw, name, path if above else "", above | {offset})

    def list_members(self, offset: int, depth: int = 0) -> Iterator[int]:
        """Offsets of the keys in a list of subkeys."""
        raw = self.cell(offset)
        kind, count = raw[:2], u16(raw, 2)
        if kind in (b"lf", b"lh"):
            step = 8
        elif kind == b"li" or (kind == b"ri" and depth < 4):
            step = 4
        else:
            self.problem(BASE_BYTES + offset, "a list of keys is damaged")
            return
        if 4 + count * step > len(raw):
            self.problem(BASE_BYTES + offset, "a list of keys is longer than its cell")
            count = (len(raw) - 4) // step
        for place in range(4, 4 + count * step, step):
            if kind == b"ri":
                yield from self.list_members(u32(raw, place), depth + 1)
            else:
                yield u32(raw, place)


class Key:
    """A key of a hive."""

    __slots__ = ("_above", "_hive", "_raw", "_subkeys", "name", "path")

    def __init__(self, hive: Hive, raw: bytes, name: str, path: str, above: frozenset[int]) -> None:
        self._hive = hive
        self._raw = raw
        self.name = name
        self.path = path
        """From below the root, '\\'-separated."""
        self._above = above
        self._subkeys: list[Key] | None = None

    @property
    def written(self) -> int:
        """FILETIME of the last change to the key or to its list of values or subkeys."""
        return u64(self._raw, 4)

    @property
    def class_name(self) -> str:
        """The class of the key; empty for nearly all."""
        return self._hive.cell(u32(self._raw, 48))[: u16(self._raw, 74)].decode("utf-16-le", "replace")

    def subkeys(self) -> list[Key]:
        """The keys below, in the order of the hive."""
        if self._subkeys is None:
            self._subkeys = []
            if u32(self._raw, 20):
                seen: set[int] = set()
                for offset in self._hive.list_members(u32(self._raw, 28)):
                    if offset in seen or len(seen) >= MOST_SUBKEYS:
                        self._hive.problem(BASE_BYTES + offset, "a list of keys names a key twice")
                        continue
                    seen.add(offset)
                    key = self._hive._key(offset, self.path, self._above)  # noqa: SLF001 - one thing in two classes
                    if key is not None:
                        self._subkeys.append(key)
        return self._subkeys

    def subkey(self, name: str) -> Key | None:
        """The key of that name below this one; letter case does not count."""
        wanted = name.casefold()
        return next((key for key in self.subkeys() if key.name.casefold() == wanted), None)

    def at(self, path: str) -> Key | None:
        """The key at `path` below this one, '/'-separated."""
        key: Key | None = self
        for name in path.split("/"):
            key = key.subkey(name) if key is not None else None
        return key

    def values(self) -> list[Value]:
        """All values, in the order of the hive."""
        count = u32(self._raw, 36)
        if not count:
            return []
        listed = self._hive.cell(u32(self._raw, 40))
        if count > MOST_VALUES or count * 4 > len(listed):
            self._hive.problem(0, "a list of values is longer than its cell")
            count = min(MOST_VALUES, len(listed) // 4)
        found = (self._value(u32(listed, 4 * place)) for place in range(count))
        return [value for value in found if value is not None]

    def value(self, name: str) -> Value | None:
        """The value of that name; letter case does not count; "" is the default value."""
        wanted = name.casefold()
        return next((value for value in self.values() if value.name.casefold() == wanted), None)

    def text(self, name: str) -> str:
        """The text of a value; empty where there is none."""
        value = self.value(name)
        return value.text if value is not None else ""

    def number(self, name: str) -> int | None:
        """The number of a value; None where there is none."""
        value = self.value(name)
        return value.number if value is not None else None

    def _value(self, offset: int) -> Value | None:
        raw = self._hive.cell(offset)
        if raw[:2] != b"vk" or len(raw) < 20:
            self._hive.problem(BASE_BYTES + offset, "a value is damaged")
            return None
        name_raw = raw[20 : 20 + u16(raw, 2)]
        name = name_raw.decode("latin-1") if u16(raw, 16) & 1 else name_raw.decode("utf-16-le", "replace")
        size = u32(raw, 4)
        if size & 0x8000_0000:
            data = raw[8 : 8 + min(size & 0x7FFF_FFFF, 4)]
        elif size > MOST_VALUE_BYTES:
            self._hive.problem(BASE_BYTES + offset, "a value is longer than any hive holds")
            data = b""
        else:
            data = self._content(u32(raw, 8), size) if size else b""
        return Value(name, u32(raw, 12), data)

    def _content(self, offset: int, size: int) -> bytes:
        raw = self._hive.cell(offset)
        if size > 16_344 and raw[:2] == b"db":
            listed = self._hive.cell(u32(raw, 4))
            count = min(u16(raw, 2), len(listed) // 4, -(-size // 16_344))
            raw = b"".join(self._hive.cell(u32(listed, 4 * place))[:16_344] for place in range(count))
        if len(raw) < size:
            self._hive.problem(BASE_BYTES + offset, "the content of a value is cut off")
        return raw[:size]


def open_hive(file: SourceFile) -> Hive:
    """A hive with its logs applied. Raises HiveError where it is none, EvidenceError where it cannot be read."""
    if file.size > MOST_BYTES:
        raise HiveError(f"{file.layer}: larger than {MOST_BYTES} bytes")
    data = file.read(MOST_BYTES)
    if data[:4] != SIGNATURE or len(data) < BASE_BYTES + 32:
        raise HiveError(f"{file.layer}: no hive")
    problems: list[Problem] = []
    result = hive_log.apply(data, _logs(file))
    if result.needed and not result.complete:
        problems.append(
            Problem(file.layer, "incomplete", f"the hive has changes that only its logs hold: {result.reason}")
        )
    elif result.reason:
        problems.append(Problem(file.layer, "damaged", result.reason))
    if u32(result.data, 40) + BASE_BYTES > len(result.data):
        problems.append(Problem(file.layer, "damaged", "the hive is cut off", len(result.data)))
    return Hive(result.data, file.layer, problems, result.applied, not result.needed or result.complete)


def _logs(file: SourceFile) -> list[bytes]:
    found = (file.sibling(file.name + ending) for ending in (".LOG1", ".LOG2", ".LOG"))
    return [log.read(MOST_BYTES) for log in found if log is not None and log.size >= 512]
