"""Logs in CSV or JSON lines whose columns a mapping names: endpoint logs, proxies, outputs of other tools.

The presets of `timeline/presets/` are tried on every text file; a mapping of the examiner's own stands before them:

```python
parser = MappedParser((read_mapping(Path("door.toml")),))
parser.matches(file), parser.parse(file, context)
```
Events: kinds as the mapping says (`op.*`, `web.request`, `dhcp.*`, …). `record` is the number of the row's first line
(header = its own line number) unless the mapping names a column. `data` holds what the mapping names, the kind as
written in `operation`, and the other columns under their own names. A second time of a row, such as a server's
receipt, is an event of its own with the same `record` and its own clock; its `data["of"]` names the row's kind.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from timeline import times
from timeline.event import Event, Problem
from timeline.lines import Lines, Rows, Unread, head_text
from timeline.mapping import Mapping, normal, parse_mapping, presets, read_mapping
from timeline.written_times import Reading, reader, settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from timeline.event import ZoneBasis
    from timeline.mapping import MappedTime, Names
    from timeline.sources import Context, SourceFile

NAME = "mapped"
TEXT = True
_HEADER_ROWS = 1000
_EXPIRY_ROWS = 4096
_PAIR = re.compile(r"([^、,\[\]:：]{1,64})[:：]\[([^\]]*)\]")
_INTEGER = re.compile(r"-?[\d,]{1,26}")


def _has_header(mapping: Mapping, cells: set[str]) -> bool:
    return bool(mapping.header) and all(any(name in cells for name in names) for names in mapping.header)


def _head_rows(text: str, delimiter: str) -> Iterator[set[str]]:
    for line in text.split("\n")[:60]:
        if delimiter in line:
            yield {normal(cell) for cell in line.replace('"', "").rstrip("\r").split(delimiter)}


def first_object(text: str) -> dict[str, object] | None:
    """The JSON object on the first line of a text, flat; where it is cut, its names alone; None where there is none."""
    start = text.lstrip("\ufeff \t\r\n")
    if not start.startswith("{"):
        return None
    line = start.split("\n", 1)[0]
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        # The first object may be longer than the head: its members still stand there by name.
        names = re.findall(r'"([^"\\]{1,64})"\s*:', line)
        return dict.fromkeys(names) if len(line) > 2048 and names else None
    return _flat(found) if isinstance(found, dict) else None


def _flat(value: dict[str, object], prefix: str = "", depth: int = 0) -> dict[str, object]:
    """Nested members under dotted names, at most four deep; what lies deeper stays as it is."""
    flat: dict[str, object] = {}
    for name, member in value.items():
        if isinstance(member, dict) and depth < 4:
            flat |= _flat(member, f"{prefix}{name}.", depth + 1)
        else:
            flat[prefix + name] = member
    return flat


def fits(mapping: Mapping, file: SourceFile) -> bool:
    """Whether a file is one that `mapping` describes, by its first 4096 bytes and its name."""
    text = head_text(file.head)
    if text is None:
        return False
    if mapping.file_name and re.search(mapping.file_name, file.name, re.IGNORECASE) is None:
        return False
    if mapping.format == "jsonl":
        first = first_object(text)
        return first is not None and _has_header(mapping, {normal(name) for name in first})
    if mapping.header:
        return any(_has_header(mapping, cells) for cells in _head_rows(text, mapping.delimiter))
    first_line = next((line for line in text.splitlines() if line.strip()), "")
    return bool(mapping.columns) and first_line.count(mapping.delimiter) >= len(mapping.columns) - 1


class MappedParser:
    """A parser that tries `mappings` in turn."""

    NAME = NAME

    def __init__(self, mappings: tuple[Mapping, ...]) -> None:
        self._mappings = mappings

    def matches(self, file: SourceFile, /) -> bool:
        """See `timeline.parsers`."""
        return self._fitting(file) is not None

    def _fitting(self, file: SourceFile) -> Mapping | None:
        return next((mapping for mapping in self._mappings if fits(mapping, file)), None)

    def parse(self, file: SourceFile, context: Context, /) -> Iterator[Event | Problem]:
        """See `timeline.parsers`."""
        mapping = self._fitting(file)
        if mapping is None:
            yield Problem(file.layer, "unsupported", "no mapping fits")
            return
        yield from parse_with(mapping, file, context)


_declared: list[str] = []
"""TOML texts of the examiner's mappings, in the process that looks which parser reads which file."""


def declare(files: Sequence[Path]) -> list[str]:
    """Try the mappings in `files` before the presets; their texts, for `Context.options["mappings"]`.

    Raises UsageError.
    """
    texts = []
    for path in files:
        read_mapping(path)
        texts.append(path.read_text(encoding="utf-8"))
    _declared[:] = texts
    return texts


@lru_cache(maxsize=8)
def _parser(texts: tuple[str, ...]) -> MappedParser:
    own = tuple(parse_mapping(text, f"--mapping {number}") for number, text in enumerate(texts, 1))
    return MappedParser((*own, *presets()))


def matches(file: SourceFile) -> bool:
    """Text whose header row, or first JSON object, is that of a mapping of the examiner's or of a preset."""
    if not _declared and b"," not in file.head and b"{" not in file.head:
        return False
    return _parser(tuple(_declared)).matches(file)


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """Events of each row; mappings in `context.options["mappings"]` (TOML texts) come before the presets."""
    given = context.options.get("mappings")
    texts = tuple(str(one) for one in given) if isinstance(given, list | tuple) else ()
    return _parser(texts).parse(file, context)


class _Row:
    """Turns the cells of one row, by normalised column name, into events."""

    def __init__(self, mapping: Mapping, context: Context) -> None:
        self._mapping = mapping
        self._context = context
        self._readers: list[tuple[MappedTime, Callable[[str], Reading]]] = [
            (one, reader(one.form)) for one in mapping.times
        ]
        named = {name for names in mapping.data.values() for name in names}
        for names in (mapping.actor, mapping.host, mapping.path, mapping.bytes, mapping.record, *mapping.path_parts):
            named |= set(names)
        for one in mapping.times:
            named |= {name for names in one.columns for name in names}
            named |= {*one.zone_column, *one.clock_column, *one.desc_column}
        self._named = named | set(mapping.pairs) if mapping.data else named

    def first(self, cells: dict[str, str], names: Names) -> str:
        """The first of the alternatives that is not empty."""
        for name in names:
            value = cells.get(name, "")
            if value not in self._mapping.empty:
                return value
        return ""

    def kind(self, cells: dict[str, str]) -> str:
        """Kind of a row: the first of its kind columns whose value is known, else by pattern, else the default."""
        mapping = self._mapping
        for name in mapping.kind_columns:
            value = cells.get(name, "")
            if value and (known := mapping.kind_values.get(normal(value))):
                return known
        for pattern, kind in mapping.kind_patterns:
            if any(pattern.search(cells.get(name, "")) for name in mapping.kind_columns):
                return kind
        return mapping.kind_default

    def events(
        self, cells: dict[str, str], shown: dict[str, str], number: int, sequence: int
    ) -> tuple[list[Event], bool]:
        """Events of a row, and whether all its times could be read. `shown`: column names as the file has them."""
        mapping = self._mapping
        for column in mapping.pairs:
            if column in cells:
                for name, value in _PAIR.findall(cells[column]):
                    cells.setdefault(f"{column}.{normal(name)}", value)
        kind = self.kind(cells)
        data = self._data(cells, shown)
        size = _whole(self.first(cells, mapping.bytes)) if mapping.bytes else None
        path = self._path(cells)
        actor, host = self.first(cells, mapping.actor), self.first(cells, mapping.host)
        record = self.first(cells, mapping.record) or str(number)
        events, readable = [], True
        for one, read in self._readers:
            parts = [self.first(cells, names) for names in one.columns]
            text = " ".join(parts).strip()
            if not text and one.optional:
                continue
            reading = read(text)
            readable = readable and reading.ns is not None
            clock = self._clock(one, cells)
            ns, zone, basis = self._settled(one, cells, reading, clock)
            own = {**data, "of": kind} if one.kind and mapping.kind_columns else data
            events.append(
                Event(
                    time_ns=ns,
                    time_text=text,
                    precision_ns=reading.precision_ns,
                    zone=zone,
                    zone_basis=basis,
                    kind=one.kind or kind,
                    desc=self.first(cells, one.desc_column) or one.desc,
                    record=record,
                    sequence=sequence,
                    actor=actor,
                    host=host,
                    path=path,
                    bytes=size,
                    data=own,
                    clock=clock,
                )
            )
        return events, readable

    def _clock(self, one: MappedTime, cells: dict[str, str]) -> str:
        if not one.clock_column:
            return one.clock
        value = self.first(cells, one.clock_column)
        return f"{one.clock or 'server:'}{value}" if value else one.clock.rstrip(":")

    def _settled(
        self, one: MappedTime, cells: dict[str, str], reading: Reading, clock: str
    ) -> tuple[int | None, str | None, ZoneBasis]:
        zone, basis = one.zone, one.zone_basis
        if one.zone_column:
            written = self.first(cells, one.zone_column)
            zone, basis = (written if written and times.is_zone(written) else None), "format"
        return settle(
            reading, self._context, zone=zone, basis="format" if basis == "format" else "declared", clock=clock
        )

    def _path(self, cells: dict[str, str]) -> str:
        if self._mapping.path_parts:
            parts = [self.first(cells, names) for names in self._mapping.path_parts]
            return "/".join(part.replace("\\", "/").removeprefix("./").strip("/") for part in parts if part)
        return self.first(cells, self._mapping.path)

    def _data(self, cells: dict[str, str], shown: dict[str, str]) -> dict[str, object]:
        mapping = self._mapping
        data: dict[str, object] = {"mapping": mapping.name, **mapping.constants}
        for name, names in mapping.data.items():
            value = self.first(cells, names)
            if value:
                number = _whole(value) if name in mapping.numbers else None
                data[name] = number if number is not None else value
        if mapping.rest:
            for name, value in cells.items():
                if name not in self._named and name in shown and value not in mapping.empty:
                    data.setdefault(shown[name], value)
        return data


def _whole(text: str) -> int | None:
    """A whole number, with or without commas, that fits 64 bits."""
    stripped = text.strip()
    if _INTEGER.fullmatch(stripped) is None:
        return None
    digits = stripped.replace(",", "")
    value = int(digits) if digits.lstrip("-").isdecimal() else None
    return value if value is not None and abs(value) < 1 << 63 else None


def parse_with(mapping: Mapping, file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """Events of each row of a file that `mapping` describes."""
    lines = Lines(file, mapping.encoding)
    if mapping.format == "jsonl":
        yield from _parse_jsonl(mapping, lines, file, context)
        return
    rows = Rows(lines, mapping.delimiter)
    columns: list[str] = list(mapping.columns)
    shown = {name: name for name in columns}
    row, unread = _Row(mapping, context), Unread()
    sequence = before = unreadable = 0
    first_unreadable = 0
    for number, cells, text in rows:
        if not columns:
            normals = [normal(cell) for cell in cells]
            if _has_header(mapping, set(normals)):
                columns = normals
                shown = {name: cell.strip().strip("[]") for name, cell in zip(normals, cells, strict=True) if name}
            else:
                before += 1
                if before > _HEADER_ROWS:
                    yield Problem(file.layer, "damaged", f"no header row in {_HEADER_ROWS} rows")
                    return
            continue
        if sequence % _EXPIRY_ROWS == 0 and context.expired():
            yield Problem(file.layer, "limit", f"time limit at line {number}")
            break
        sequence += 1
        if len(cells) * 2 < len(columns) and len(cells) < len(columns) - 1:
            yield unread.event(number, text, sequence)
            continue
        events, readable = row.events(dict(zip(columns, cells, strict=False)), shown, number, sequence)
        if not readable:
            unreadable += 1
            first_unreadable = first_unreadable or number
        yield from events
    if not columns:
        yield Problem(file.layer, "damaged", "no header row")
    yield from rows.problems(file.layer)
    yield from _ending(lines, unread, file, unreadable, first_unreadable)


def _parse_jsonl(mapping: Mapping, lines: Lines, file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    row, unread = _Row(mapping, context), Unread()
    sequence = unreadable = first_unreadable = 0
    for number, text in lines:
        if not text.strip():
            continue
        if sequence % _EXPIRY_ROWS == 0 and context.expired():
            yield Problem(file.layer, "limit", f"time limit at line {number}")
            break
        sequence += 1
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            yield unread.event(number, text, sequence)
            continue
        flat = _flat(found)
        shown = {normal(name): name for name in flat}
        cells = {normal(name): cell_text(value) for name, value in flat.items()}
        events, readable = row.events(cells, shown, number, sequence)
        if not readable:
            unreadable += 1
            first_unreadable = first_unreadable or number
        yield from events
    yield from _ending(lines, unread, file, unreadable, first_unreadable)


def cell_text(value: object) -> str:
    """A member of a JSON object as the text of a cell."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _ending(lines: Lines, unread: Unread, file: SourceFile, unreadable: int, first: int) -> Iterator[Problem]:
    yield from lines.problems(file.layer)
    yield from unread.problems(file.layer, lines)
    if unreadable:
        detail = f"{unreadable} rows with a time that cannot be read, kept without it (first: line {first})"
        yield Problem(file.layer, "damaged", detail)
