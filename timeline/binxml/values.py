"""Values of binary XML by their type numbers, and the texts that are made of them, each once.

Types: [MS-EVEN6] 2.2.12 (ValueType); how a value is written is as the general reader (Rust crate `evtx`) writes it.
"""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from chain_of_custody.masking import mask_text
from timeline import times
from timeline.masking import mask_value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MOST_KEPT = 20_000
"""Texts of one type, heads of one layout; then they are forgotten."""
_LARGEST_KEPT = 1024  # bytes of a value whose text is kept

NULL, STRING, BINARY_XML, STRINGS = 0, 1, 0x21, 0x81
FILETIME = 0x11
FIRST_TIME, LAST_TIME = times.FILETIME_EPOCH, times.FILETIME_EPOCH + (1 << 63) // 100 - 1
"""FILETIME of 1970 and of the last moment that fits 64 bits of nanoseconds."""


class Strange(Exception):  # noqa: N818 - no error: another reader takes over
    """Something that is left to the general reader."""


def _string(raw: bytes) -> str:
    if len(raw) % 2:
        raise Strange
    text = raw.decode("utf-16-le")
    return text.partition("\0")[0]


def _strings(raw: bytes) -> list[str]:
    if not raw or raw[-2:] != b"\0\0" or len(raw) % 2:
        raise Strange
    return raw.decode("utf-16-le")[:-1].split("\0")


def _whole(size: int, *, signed: bool = False) -> Callable[[bytes], int]:
    def read(raw: bytes) -> int:
        if len(raw) != size:
            raise Strange
        return int.from_bytes(raw, "little", signed=signed)

    return read


def _bool(raw: bytes) -> bool:
    if raw not in (b"\0\0\0\0", b"\1\0\0\0"):
        raise Strange
    return raw[0] == 1


def _binary(raw: bytes) -> str:
    if not raw:
        raise Strange
    return raw.hex().upper()


def _guid(raw: bytes) -> str:
    if len(raw) != 16:
        raise Strange
    first, second, third = struct.unpack_from("<IHH", raw)
    return f"{first:08X}-{second:04X}-{third:04X}-{raw[8:10].hex().upper()}-{raw[10:].hex().upper()}"


def _hex(*sizes: int) -> Callable[[bytes], str]:
    def read(raw: bytes) -> str:
        if len(raw) not in sizes:
            raise Strange
        return hex(int.from_bytes(raw, "little"))

    return read


def _filetime(raw: bytes) -> str:
    if len(raw) != 8:
        raise Strange
    return created_text(int.from_bytes(raw, "little")) + "Z"


def created_text(ticks: int) -> str:
    """A FILETIME with the six decimals that the general reader writes. Raises Strange outside 1970 to 2262."""
    if not FIRST_TIME <= ticks <= LAST_TIME:
        raise Strange
    seconds, rest = divmod(ticks - times.FILETIME_EPOCH, 10_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC).isoformat()[:19]}.{rest // 10:06d}"


def _systemtime(raw: bytes) -> str:
    if len(raw) != 16:
        raise Strange
    year, month, _, day, hour, minute, second, milli = struct.unpack("<8H", raw)
    if not (1601 <= year <= 9999 and 1 <= month <= 12 and 1 <= day <= 28 and milli < 1000):
        raise Strange
    if hour > 23 or minute > 59 or second > 59:
        raise Strange
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}.{milli:03d}000Z"


def _sid(raw: bytes) -> str:
    if len(raw) < 8 or len(raw) != 8 + 4 * raw[1]:
        raise Strange
    parts = struct.unpack_from(f"<{raw[1]}I", raw, 8)
    return "-".join(map(str, ("S", raw[0], int.from_bytes(raw[2:8], "big"), *parts)))


def _null(raw: bytes) -> None:
    del raw


READERS: dict[int, Callable[[bytes], object]] = {
    NULL: _null,
    STRING: _string,
    3: _whole(1, signed=True),
    4: _whole(1),
    5: _whole(2, signed=True),
    6: _whole(2),
    7: _whole(4, signed=True),
    8: _whole(4),
    9: _whole(8, signed=True),
    10: _whole(8),
    13: _bool,
    14: _binary,
    15: _guid,
    16: _hex(4, 8),
    FILETIME: _filetime,
    18: _systemtime,
    19: _sid,
    20: _hex(4),
    21: _hex(8),
    STRINGS: _strings,
}
"""Value types that are understood: number of the type -> its value from its bytes. Raises Strange, UnicodeError."""

FIXED = {3: 1, 4: 1, 5: 2, 6: 2, 7: 4, 8: 4, 9: 8, 10: 8, 13: 4, 15: 16, 17: 8, 18: 16, 20: 4, 21: 8}
"""Value types of one size, in bytes."""


class Kept(dict[Any, Any]):
    """What was made of values, by their bytes; forgotten when there are too many."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Any) -> Any:  # noqa: ANN401 - whatever `make` takes and gives
        made = self._make(key)
        if len(key) <= _LARGEST_KEPT:
            if len(self) >= MOST_KEPT:
                self.clear()
            self[key] = made
        return made


def _json(value: object) -> str:
    return json.dumps(mask_value(value), ensure_ascii=False)


def _numbered(values: Sequence[str]) -> str:
    """Data without names, as members `param1` and so on."""
    return ",".join(f'"param{number}":{_json(value)}' for number, value in enumerate(values, 1))


def text_of(kind: int) -> Callable[[bytes], str]:
    """The value as JSON."""
    read = READERS[kind]
    return lambda raw: _json(read(raw))


def content_of(kind: int) -> Callable[[bytes], str]:
    """Content of an element that is no `Data`: of an empty text the general reader says that there is none."""
    read = READERS[kind]

    def make(raw: bytes) -> str:
        value = read(raw)
        if value == "":
            if raw:
                raise Strange
            value = None
        return _json(value)

    return make


def params_of(kind: int) -> Callable[[bytes], str]:
    """Data without a name as members `param1` and so on."""
    read = READERS[kind]

    def make(raw: bytes) -> str:
        value = read(raw)
        if value is None:
            return '"param1":""'
        return _numbered(value if isinstance(value, list) else [str(value)])

    return make


def says(value: object) -> str:
    """The value where it is a text that says something, else nothing."""
    return value if isinstance(value, str) and value != "-" else ""


_makers: dict[tuple[Any, ...], Kept] = {}
"""What was made of values, for all logs that this process reads; it holds masked texts alone."""


def maker(of: Callable[..., Callable[[bytes], Any]], *which: int) -> Kept:
    """What `of` gives for these types, once for all: it is asked for each value and keeps what it made."""
    key = (of, *which)
    found = _makers.get(key)
    if found is None:
        found = _makers[key] = Kept(of(*which))
    return found


def _value_of(kind: int, number: int) -> Callable[[bytes], object]:
    """Reads a value, or of a list of texts the one with that number from 1 on."""
    read = READERS[kind]

    def pick(raw: bytes) -> object:
        values = read(raw)
        return values[number - 1] if isinstance(values, list) and number <= len(values) else None

    return pick if number else read


def said_of(kind: int, number: int) -> Callable[[bytes], str]:
    """The value, or one of its texts, where it says something."""
    read = _value_of(kind, number)
    return lambda raw: mask_text(says(read(raw)))


def number_of(kind: int, number: int) -> Callable[[bytes], int | None]:
    """The value, or one of its texts, as a whole number."""
    read = _value_of(kind, number)
    return lambda raw: whole_number(read(raw))


def actor_maker(domain: tuple[int, int], user: tuple[int, int]) -> Kept:
    r"""`Domain\User` of two values, each a type and which of its texts."""
    key = (actor_maker, domain, user)
    found = _makers.get(key)
    if found is None:
        read_domain, read_user = _value_of(*domain), _value_of(*user)

        def make(raw: tuple[bytes, bytes]) -> str:
            of, name = says(read_domain(raw[0])), says(read_user(raw[1]))
            return mask_text(f"{of}\\{name}" if of and name else name)

        found = _makers[key] = Kept(make)
    return found


def whole_number(value: object) -> int | None:
    """A whole number from 0 on, or its decimal digits; else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if 0 <= value < 1 << 63 else None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    return None
