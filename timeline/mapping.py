"""A mapping: how the columns of a log become events, as a small TOML file that an examiner can write and read.

```toml
name = "door"
format = "csv"                       # or "jsonl"
header = ["カード番号", "日時", ["扉", "ゲート"]]   # a list inside: any one of these names
actor = "カード番号"
[[time]]
column = "日時"                      # or columns = ["日付", "時刻"], joined by a blank
format = "%Y/%m/%d %H:%M:%S"         # timeline.written_times; default "iso"
zone = "+09:00"                      # what the examiner declares; without it: --tz, else unknown
clock = "door:1"                     # a clock of its own; without it the host's
[kind]
column = "区分"
default = "door.record"
values = { "入室" = "door.enter", "退室" = "door.leave" }
[data]
door = ["扉", "ゲート"]
```
Presets for documented products lie in `timeline/presets/`; docs/timeline-logs.md has every member.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from chain_of_custody.errors import UsageError
from timeline import times
from timeline.written_times import FormatError, reader

if TYPE_CHECKING:
    from collections.abc import Mapping as Members
    from pathlib import Path

Names = tuple[str, ...]
"""Alternatives for one column: the first that the file has, or, in a row, the first that is not empty."""


@dataclass(frozen=True, slots=True)
class MappedTime:
    """One time of a row."""

    columns: tuple[Names, ...]
    """The parts of the time, joined by a blank."""
    form: str = "iso"
    zone: str | None = None
    zone_basis: str = "declared"
    """Who says `zone`: `format` in presets whose format fixes it, else `declared`."""
    zone_column: Names = ()
    clock: str = ""
    """Name of the clock; with `clock_column` what stands before the value of that column."""
    clock_column: Names = ()
    kind: str = ""
    """Kind of the event of this time; empty: that of the row."""
    desc: str = ""
    """Which time it is; empty: the name of its column."""
    desc_column: Names = ()
    optional: bool = False
    """An empty cell is no event and no fault."""


@dataclass(frozen=True, slots=True)
class Mapping:
    """A whole mapping; see the module's example."""

    name: str
    title_ja: str = ""
    title_en: str = ""
    format: str = "csv"
    delimiter: str = ","
    encoding: str | None = None
    header: tuple[Names, ...] = ()
    """Columns that the header row must have (each: any of its names). JSONL: members of the first object."""
    columns: Names = ()
    """Names of the columns of a file without header row."""
    file_name: str = ""
    """Regular expression for the file's name, where the content alone does not say what it is."""
    times: tuple[MappedTime, ...] = ()
    actor: Names = ()
    host: Names = ()
    path: Names = ()
    path_parts: tuple[Names, ...] = ()
    """Columns that make the path together: folder, then name."""
    bytes: Names = ()
    record: Names = ()
    kind_columns: Names = ()
    kind_default: str = "log.record"
    kind_values: Members[str, str] = field(default_factory=dict)
    kind_patterns: tuple[tuple[re.Pattern[str], str], ...] = ()
    data: Members[str, Names] = field(default_factory=dict)
    numbers: frozenset[str] = frozenset()
    """Members of `data` that are whole numbers."""
    constants: Members[str, str | int | bool] = field(default_factory=dict)
    rest: bool = True
    """Whether columns that nothing else names go into `data` under their own names."""
    pairs: Names = ()
    """Columns that hold `name:[value]` pairs; each becomes the column `column.name`."""
    empty: frozenset[str] = frozenset({""})
    """Cells that mean nothing, such as `-`."""


def normal(name: str) -> str:
    """A column's name as it is compared: NFKC, without blanks, brackets, quotes and a final stop; any letter case."""
    return unicodedata.normalize("NFKC", name).strip().strip("[]\"'.").strip().casefold()


def _fail(where: str, ja: str, en: str) -> UsageError:
    return UsageError(
        f"対応表 {where}: {ja}",
        f"mapping {where}: {en}",
        hint_ja="docs/timeline-logs.md に書き方があります",
        hint_en="docs/timeline-logs.md tells how to write one",
    )


def _names(value: object, where: str, member: str) -> Names:
    if value is None:
        return ()
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise _fail(where, f"{member} は列名か列名の並びにしてください", f"{member} must be a column or a list of them")
    return tuple(normal(one) for one in listed)


def _text(members: Members[str, object], name: str, where: str, default: str = "") -> str:
    value = members.get(name, default)
    if not isinstance(value, str):
        raise _fail(where, f"{name} は文字列にしてください", f"{name} must be text")
    return value


_TOP = frozenset(
    [
        "name",
        "title",
        "format",
        "delimiter",
        "encoding",
        "header",
        "columns",
        "file_name",
        "time",
        "actor",
        "host",
        "path",
        "path_parts",
        "bytes",
        "record",
        "kind",
        "data",
        "numbers",
        "constants",
        "rest",
        "pairs",
        "empty",
    ]
)
_TIME = frozenset(
    [
        "column",
        "columns",
        "format",
        "zone",
        "zone_basis",
        "zone_column",
        "clock",
        "clock_column",
        "kind",
        "desc",
        "desc_column",
        "optional",
    ]
)
_KIND = frozenset(["column", "default", "values", "patterns"])


def _known(members: Members[str, object], allowed: frozenset[str], where: str) -> None:
    for name in members:
        if name not in allowed:
            raise _fail(where, f"知らない項目です: {name}", f"unknown member: {name}")


def _time(value: object, where: str) -> MappedTime:
    if not isinstance(value, dict):
        raise _fail(where, "time は表にしてください", "time must be a table")
    _known(value, _TIME, where)
    if ("column" in value) == ("columns" in value):
        raise _fail(
            where, "time に column か columns の一方を書いてください", "time needs column or columns, one of them"
        )
    parts = [value["column"]] if "column" in value else value["columns"]
    if not isinstance(parts, list) or not parts:
        raise _fail(where, "columns は列名の並びにしてください", "columns must be a list of columns")
    form = _text(value, "format", where, "iso")
    try:
        reader(form)
    except FormatError as error:
        raise _fail(where, f"時刻の書式を読めません: {error}", f"not a format of times: {error}") from error
    zone = value.get("zone")
    if zone is not None and not (isinstance(zone, str) and times.is_zone(zone)):
        raise _fail(where, f"時間帯を知りません: {zone}", f"unknown zone: {zone}")
    first = parts[0]
    return MappedTime(
        columns=tuple(_names(part, where, "columns") for part in parts),
        form=form,
        zone=zone,
        zone_basis=_text(value, "zone_basis", where, "declared"),
        zone_column=_names(value.get("zone_column"), where, "zone_column"),
        clock=_text(value, "clock", where),
        clock_column=_names(value.get("clock_column"), where, "clock_column"),
        kind=_text(value, "kind", where),
        desc=_text(value, "desc", where) or (first if isinstance(first, str) else str(first[0])),
        desc_column=_names(value.get("desc_column"), where, "desc_column"),
        optional=bool(value.get("optional", False)),
    )


def parse_mapping(text: str, where: str) -> Mapping:
    """A mapping from its TOML text; `where` names it in messages. Raises UsageError."""
    try:
        members = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _fail(where, f"TOML として読めません: {error}", f"not TOML: {error}") from error
    _known(members, _TOP, where)
    form = _text(members, "format", where, "csv")
    if form not in ("csv", "jsonl"):
        raise _fail(where, "format は csv か jsonl です", "format is csv or jsonl")
    listed_times = members.get("time")
    if not isinstance(listed_times, list) or not listed_times:
        raise _fail(where, "[[time]] がありません", "there is no [[time]]")
    kind = members.get("kind", {})
    _known(kind, _KIND, where)
    header = members.get("header", [])
    encoding = members.get("encoding")
    if encoding is not None:
        try:
            "".encode(encoding)
        except (LookupError, TypeError) as error:
            raise _fail(where, f"文字コードを知りません: {encoding}", f"unknown encoding: {encoding}") from error
    title = members.get("title", {})
    delimiter = _text(members, "delimiter", where, ",")
    if len(delimiter) != 1:
        raise _fail(where, "delimiter は 1 文字です", "delimiter is one character")
    try:
        patterns = tuple(
            (re.compile(one["match"], re.IGNORECASE), str(one["kind"])) for one in kind.get("patterns", [])
        )
        re.compile(_text(members, "file_name", where))
    except (re.error, KeyError, TypeError) as error:
        raise _fail(where, f"正規表現を読めません: {error}", f"not a regular expression: {error}") from error
    return Mapping(
        name=_text(members, "name", where) or where,
        title_ja=title.get("ja", ""),
        title_en=title.get("en", ""),
        format=form,
        delimiter=delimiter,
        encoding=encoding,
        header=tuple(_names(one, where, "header") for one in header),
        columns=_names(members.get("columns"), where, "columns"),
        file_name=_text(members, "file_name", where),
        times=tuple(_time(one, where) for one in listed_times),
        actor=_names(members.get("actor"), where, "actor"),
        host=_names(members.get("host"), where, "host"),
        path=_names(members.get("path"), where, "path"),
        path_parts=tuple(_names(one, where, "path_parts") for one in members.get("path_parts", [])),
        bytes=_names(members.get("bytes"), where, "bytes"),
        record=_names(members.get("record"), where, "record"),
        kind_columns=_names(kind.get("column"), where, "kind.column"),
        kind_default=str(kind.get("default", "log.record")),
        kind_values={normal(value): str(one) for value, one in kind.get("values", {}).items()},
        kind_patterns=patterns,
        data={str(key): _names(value, where, f"data.{key}") for key, value in members.get("data", {}).items()},
        numbers=frozenset(members.get("numbers", [])),
        constants=dict(members.get("constants", {})),
        rest=bool(members.get("rest", True)),
        pairs=_names(members.get("pairs"), where, "pairs"),
        empty=frozenset({"", *members.get("empty", [])}),
    )


def read_mapping(path: Path) -> Mapping:
    """The mapping in a file. Raises UsageError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"対応表を読めません: {path}: {error.strerror}", f"cannot read the mapping: {path}: {error.strerror}"
        ) from error
    except UnicodeDecodeError as error:
        raise _fail(path.name, "UTF-8 ではありません", "it is not UTF-8") from error
    return parse_mapping(text, path.name)


@cache
def presets() -> tuple[Mapping, ...]:
    """The mappings that come with the program, those with most required columns first."""
    folder = resources.files("timeline") / "presets"
    found = [
        parse_mapping(one.read_text(encoding="utf-8"), one.name)
        for one in folder.iterdir()
        if one.name.endswith(".toml")
    ]
    return tuple(sorted(found, key=lambda mapping: (-len(mapping.header), mapping.name)))
