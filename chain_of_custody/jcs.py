r"""Canonical JSON (RFC 8785) as `custody/1` uses it: no floats, no integers beyond 2^53 - 1, no lone surrogates.

```python
jcs.dumps({"b": 1, "a": "保全"})      # b'{"a":"\xe4\xbf\x9d\xe5\x85\xa8","b":1}'
jcs.loads(b'{"a":1}')                 # {'a': 1}; anything that is not canonical raises NotCanonicalError
```
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, cast

import orjson
import rfc8785

Json = None | bool | int | str | Sequence["Json"] | Mapping[str, "Json"]

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 64


class NotCanonicalError(ValueError):
    """The bytes are not the canonical form of a value that `custody/1` allows (or the value has no such form)."""


# For keys within the basic plane code-point order is UTF-16 order, and Python's escapes are those of RFC 8785, so the
# C encoder of the standard library gives the same bytes as rfc8785, five times as fast (tests compare the two).
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode
_beyond_basic_plane = re.compile("[\U00010000-\U0010ffff]")


# orjson writes the same bytes, ten times as fast again, but sorts by code points and knows numbers that `custody/1`
# does not; so it decides only where none of that can matter, and never that something is wrong.
_ORJSON_OPTIONS = (
    orjson.OPT_SORT_KEYS
    | orjson.OPT_STRICT_INTEGER
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)
# Also in texts, which costs time only; not the seconds of a time (a digit before the colon ends no member's name).
_looks_like_a_fraction = re.compile(rb"[\[:,]-?[0-9]+[.eE](?<![0-9]:[0-9]{2}\.)").search
_PLAIN_LEAVES = frozenset({str, int, bool, type(None)})


def _integer(digits: str) -> int:
    if len(digits) > 17 or abs(int(digits)) > MAX_INTEGER:
        raise NotCanonicalError("an integer beyond 2^53 - 1 (write it as a string)")
    return int(digits)


def _no_float(_digits: str) -> NoReturn:
    raise NotCanonicalError("a number with fraction or exponent (write it as a string)")


def _no_constant(name: str) -> NoReturn:
    raise NotCanonicalError(f"{name} is no JSON")


_decoder = json.JSONDecoder(parse_int=_integer, parse_float=_no_float, parse_constant=_no_constant)


def _canonical(value: Any) -> bytes:  # noqa: ANN401 - what json gives and takes
    text = _encode(value)
    if not text.isascii() and _beyond_basic_plane.search(text):
        return rfc8785.dumps(value)
    return text.encode("utf-8")


def _depth(data: bytes) -> int:
    """An upper bound of the nesting depth, without recursion."""
    return min(data.count(b"{") + data.count(b"["), MAX_DEPTH + 1)


def _check_depth(value: Json) -> None:
    level: list[Json] = [value]
    for _ in range(MAX_DEPTH):
        following: list[Json] = []
        for item in level:
            if isinstance(item, dict):
                following += item.values()
            elif isinstance(item, list):
                following += item
        if not following:
            return
        level = following
    raise NotCanonicalError(f"nested deeper than {MAX_DEPTH} levels")


def _parse(data: bytes) -> Json:
    try:
        value = _decoder.decode(data.decode("utf-8"))
    except NotCanonicalError:
        raise
    except (ValueError, RecursionError) as error:
        raise NotCanonicalError(f"no JSON in UTF-8: {type(error).__name__}") from error
    if _depth(data) > MAX_DEPTH:
        _check_depth(value)
    return cast("Json", value)


def _within_basic_plane(data: bytes) -> bool:
    # Characters beyond it begin with one of these in UTF-8; written out, it runs at every line.
    return not (b"\xf0" in data or b"\xf1" in data or b"\xf2" in data or b"\xf3" in data or b"\xf4" in data)


def _loads_fast(data: bytes) -> Json:
    """The value whose canonical form is `data`; None where that must be judged by `_parse` (or is `null`)."""
    if not data.startswith((b"{", b"[")):
        return None
    try:
        value = orjson.loads(data)
        if orjson.dumps(value, option=_ORJSON_OPTIONS) != data:
            return None
    except (ValueError, TypeError):
        return None
    if _looks_like_a_fraction(data) or not _within_basic_plane(data) or _depth(data) > MAX_DEPTH:
        return None
    return cast("Json", value)


def _is_plain(value: object) -> bool:
    """Whether `value` is made of nothing but what the standard JSON encoder and orjson write alike."""
    kind = type(value)
    if kind in _PLAIN_LEAVES:
        return True
    if kind is dict:
        return all(type(name) is str and _is_plain(one) for name, one in cast("dict[object, object]", value).items())
    return kind in (list, tuple) and all(_is_plain(one) for one in cast("Sequence[object]", value))


def _normalise_fast(value: Json) -> tuple[bytes, Json] | None:
    try:
        data = orjson.dumps(value, option=_ORJSON_OPTIONS) if _is_plain(value) else b""
    except (TypeError, RecursionError):
        return None
    if not data or not _within_basic_plane(data) or _depth(data) > MAX_DEPTH:
        return None
    return data, cast("Json", orjson.loads(data))


def dumps(value: Json) -> bytes:
    """Canonical bytes of `value`.

    Raises NotCanonicalError for floats, integers beyond 2^53 - 1, lone surrogates and what is no JSON at all.
    """
    return normalise(value)[0]


def normalise(value: Json) -> tuple[bytes, Json]:
    """Canonical bytes of `value` and what they parse to; raises like `dumps`."""
    fast = _normalise_fast(value)
    if fast is not None:
        return fast
    try:
        data = _canonical(value)
    except (ValueError, TypeError, RecursionError, rfc8785.CanonicalizationError) as error:
        raise NotCanonicalError(str(error)) from error
    return data, _parse(data)


def loads(data: bytes) -> Json:
    """The value whose canonical bytes are `data`; anything else raises NotCanonicalError (so no key occurs twice)."""
    fast = _loads_fast(data)
    if fast is not None:
        return fast
    value = _parse(data)
    try:
        again = _canonical(value)
    except (ValueError, RecursionError, rfc8785.CanonicalizationError) as error:
        raise NotCanonicalError(str(error)) from error
    if again != data:
        raise NotCanonicalError("not the canonical form (RFC 8785), or a key occurs twice")
    return value
