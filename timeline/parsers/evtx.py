"""Windows event logs (EVTX): one record, one event, in batches of Arrow columns.

The records are decoded by the Rust crate `evtx`; the frame around them is checked here: every chunk of 64 KiB is asked
for its signature and checksums, its record headers are counted, and the numbers are compared with what came out. What
was zeroed, cut off or could not be decoded is a Problem that names offset and record numbers.

Format: libyal "Windows XML Event Log (EVTX) format"; [MS-EVEN6].
"""

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from chain_of_custody.masking import mask_text
from timeline import times
from timeline.binxml.records import UNKNOWN, RecordDecoder, Row, Trial, names_hold
from timeline.binxml.values import whole_number
from timeline.event import COLUMNS, MOST_DATA_BYTES, Event, Problem, data_json
from timeline.kinds.eventlog import BY_EVENT, EventKind
from timeline.masking import TEXTS, mask_column, mask_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from timeline.sources import Context, SourceFile

NAME = "evtx"
SIGNATURE = b"ElfFile\0"
CHUNK_SIGNATURE = b"ElfChnk\0"
SIGNATURES = (SIGNATURE, CHUNK_SIGNATURE)
NAMES = re.compile(r".*\.evtx")
RECORD_SIGNATURE = b"**\0\0"
HEADER_BYTES = 4096
CHUNK_BYTES = 65_536
RECORDS_OFFSET = 512
"""Of the first record in a chunk."""
CHUNKS_AT_ONCE = 16
BATCH_EVENTS = 8192
HOLE = (1 << 64) - 2
"""Record id given to what stands in for a hole."""
_RECORD = struct.Struct("<4sIQQ")
_ZEROS = bytes(CHUNK_BYTES)
_TEXT = r'"((?:[^"\\]|\\.)*)"'
_USUAL = re.compile(
    r'\{"Event":\{(?:"#attributes":\{[^{}]*\},)?"System":\{"Provider":\{"#attributes":\{([^{}]*)\}\},'
    r'"EventID":(\d{1,5}),"Version":\d+,"Level":(\d{1,3}),"Task":\d+,"Opcode":\d+,"Keywords":"[^"]*",'
    r'"TimeCreated":\{"#attributes":\{"SystemTime":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})Z"\}\},"EventRecordID":\d+,'
    r'"Correlation":(?:null|\{"#attributes":\{[^{}]*\}\}),'
    r'"Execution":\{"#attributes":\{"ProcessID":(\d{1,10}),"ThreadID":\d+[^{}]*\}\},'
    rf'"Channel":{_TEXT},"Computer":{_TEXT},'
    r'"Security":(?:null|\{"#attributes":\{"UserID":"([^"\\]*)"\}\})\},"EventData":'
)
"""The JSON of a record up to its data, as the decoder writes it for all but few providers."""
_FILETIME_MIN = times.FILETIME_EPOCH - (1 << 63) // 100
_FILETIME_MAX = times.FILETIME_EPOCH + (1 << 63) // 100


def matches(file: SourceFile) -> bool:
    """The signature of the file, or of a chunk where the header is lost."""
    return file.head[:8] in SIGNATURES or (
        file.name.lower().endswith(".evtx") and file.size >= HEADER_BYTES and not any(file.head[:8])
    )


def promises(file: SourceFile) -> bool:
    """The name promises an event log, whatever is in it."""
    return file.name.lower().endswith(".evtx") or file.head[:8] in SIGNATURES


RecordHeader = tuple[int, int, int, int]


@dataclass(slots=True)
class _Chunk:
    """A chunk and the record headers found in it: (record id, FILETIME written, offset, size)."""

    offset: int
    raw: bytes
    headers: list[RecordHeader]
    repaired: bool = False
    whole: bool = False
    """Nothing is wrong with it: its checksums are right and its records lie without gaps."""


@dataclass(slots=True)
class _Rows:
    """Rows of a batch that is being filled."""

    rows: list[Row] = field(default_factory=list)
    exact: dict[int, tuple[int | None, str, int]] = field(default_factory=dict)
    """Time, text and precision of rows that are not the usual."""
    clear: list[int] = field(default_factory=list)
    """Numbers of rows whose texts are not masked yet."""

    def last(self) -> Row | None:
        """The last row, which the general reader gave, as `RecordDecoder` would give it; None where it cannot be."""
        written, created, kind, identifier, actor, host, path, size, data = self.rows[-1]
        index = len(self.rows) - 1
        if index in self.exact:
            ns, text, precision = self.exact[index]
            if ns is None or precision != 100 or '"written"' in data:
                return None
            written, created = ns // 100 + times.FILETIME_EPOCH, text[:26]
        shown = mask_text(actor), mask_text(host), mask_text(path)
        return (written, created, kind, identifier, *shown, size, mask_json(data))

    def _mask(self, column: list[str], mask: Callable[[str], str]) -> None:
        import pyarrow as pa  # noqa: PLC0415 - start-up time

        texts = pa.array([column[index] for index in self.clear], pa.string())
        hidden = mask_column(texts, mask)
        if hidden is not texts:
            for index, text in zip(self.clear, hidden.to_pylist(), strict=True):
                column[index] = text

    def batch(self, first: int) -> pa.RecordBatch:
        """The rows as columns; `first` is the number of the first one. Times are made here, all at once."""
        import numpy as np  # noqa: PLC0415 - start-up time
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.compute as pc  # noqa: PLC0415

        count = len(self.rows)
        written, created, kind, record, actor, host, path, size, data = map(list, zip(*self.rows, strict=True))
        if self.clear:
            for column, mask in ((actor, mask_text), (host, mask_text), (path, mask_text), (data, mask_json)):
                self._mask(column, mask)
        ticks = np.array(written, np.uint64)
        valid = (ticks > _FILETIME_MIN) & (ticks < _FILETIME_MAX)
        ns = (np.where(valid, ticks, times.FILETIME_EPOCH).astype(np.int64) - times.FILETIME_EPOCH) * 100
        ns[~valid] = 0
        texts = np.char.add(np.datetime_as_string(ns.astype("M8[ns]")).astype("U27"), "Z").tolist()
        differs = ~valid
        said = [index for index, text in enumerate(created) if text]
        own = np.array([created[index] for index in said], "M8[us]").astype(np.int64)
        differs[said] |= own != ns[said] // 1000
        precision = np.full(count, 100, np.int64)
        for index in np.flatnonzero(differs).tolist():
            if index in self.exact:
                continue
            # A forwarded event, or a header that was changed: the event's own time counts, the other is kept.
            data[index] = f'{data[index][:-1]},"written":"{texts[index] if valid[index] else written[index]}"}}'
            read = times.iso(created[index])
            ns[index], valid[index] = (read[0], True) if read is not None else (0, False)
            texts[index], precision[index] = created[index] + "Z", 1000
        for index, (exact_ns, text, exact_precision) in self.exact.items():
            ns[index], valid[index] = exact_ns or 0, exact_ns is not None
            texts[index], precision[index] = text, exact_precision
        zeros = pa.array(np.zeros(count, np.int32))

        def same(value: str) -> pa.Array:
            return pa.DictionaryArray.from_arrays(zeros, pa.array([value], pa.string()))

        def repeating(values: list[str]) -> pa.Array:
            return pa.array(values, pa.string()).dictionary_encode()

        columns = {
            "time_ns": pa.array(ns, pa.int64(), mask=~valid),
            "time_text": pa.array(texts, pa.string()),
            "precision_ns": pa.array(precision),
            "zone": same("UTC"),
            "zone_basis": same("format"),
            "kind": repeating(kind),
            "desc": same("Event Logged"),
            "record": pc.binary_join_element_wise(
                "EventRecordID", pa.array(record, pa.uint64()).cast(pa.string()), " "
            ),
            "sequence": pa.array(np.arange(first, first + count, dtype=np.int64)),
            "actor": repeating(actor),
            "host": repeating(host),
            "path": repeating(path),
            "bytes": pa.array(size, pa.int64()),
            "data": pa.array(data, pa.string()),
            "clock": same(""),
            "state": same(""),
        }
        masked = [name for name in (*TEXTS, "data") if name not in ("time_text", "record")]
        if max(record) < 10**11:
            masked.append("record")
        batch = pa.RecordBatch.from_arrays([columns[name] for name in COLUMNS], names=COLUMNS)
        return batch.replace_schema_metadata({"masked": ",".join(masked)})


@dataclass(frozen=True, slots=True)
class _Known:
    """What records of one provider, number, level, process and channel have in common."""

    kind: str
    actor: tuple[tuple[str, str], ...]
    path: tuple[str, ...]
    bytes: str
    prefix: str
    """The beginning of their `data`."""


@cache
def decoder() -> RecordDecoder:
    """What this process has learned of the layouts of records."""
    return RecordDecoder()


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem | pa.RecordBatch]:
    """Every record of every chunk, in the order of the file."""
    state = _Reader(file, context)
    yield from state.read()


class _Reader:
    """One log file while it is read."""

    def __init__(self, file: SourceFile, context: Context) -> None:
        self._file = file
        self._context = context
        self._rows = _Rows()
        self._sequence = 0
        self._problems: list[Problem] = []
        import orjson  # noqa: PLC0415 - start-up time

        self._loads = orjson.loads
        self._decoder = decoder()
        self._known: dict[tuple[str, str, str, str, str], _Known] = {}

    def _problem(self, offset: int, size: int, detail: str, *, limit: bool = False) -> None:
        self._problems.append(Problem(self._file.layer, "limit" if limit else "damaged", detail, offset, size))

    def read(self) -> Iterator[Problem | pa.RecordBatch]:
        """All batches and problems."""
        first = self._first = HEADER_BYTES if self._check_header() else 0
        group: list[_Chunk] = []
        zeroed: list[int] = []
        for offset in range(first, self._file.size, CHUNK_BYTES):
            if self._context.expired():
                self._problem(offset, self._file.size - offset, "time is up: the rest was not read", limit=True)
                break
            raw = self._file.read_at(offset, CHUNK_BYTES)
            if raw == _ZEROS[: len(raw)]:
                zeroed.append(offset)
                continue
            chunk = self._chunk(offset, raw, trailing_zeros=zeroed)
            zeroed = []
            if chunk is not None:
                group.append(chunk)
            if len(group) == CHUNKS_AT_ONCE:
                yield from self._flush(group)
                group = []
        self._end_of_file(zeroed, first)
        yield from self._flush(group)
        if self._rows.rows:
            yield self._rows.batch(self._sequence)
        yield from self._problems

    def _check_header(self) -> bool:
        """Whether the file has a header; notes what it promises."""
        head = self._file.read_at(0, 128)
        self._chunk_count = 0
        if head[:8] == CHUNK_SIGNATURE:
            self._problem(0, 0, "the file header is missing; the file begins with a chunk")
            return False
        if head[:8] != SIGNATURE or len(head) < 128:
            self._problem(0, len(head), "the file header is damaged or zeroed; chunks are looked for all the same")
            return True
        self._chunk_count = int.from_bytes(head[42:44], "little")
        flags, checksum = struct.unpack_from("<II", head, 120)
        if zlib.crc32(head[:120]) != checksum:
            self._problem(0, 128, "checksum of the file header is wrong")
        # Bit 0: the log was open when it was copied; the numbers in the header are then older than the chunks.
        self._dirty = bool(flags & 1)
        return True

    def _chunk(self, offset: int, raw: bytes, *, trailing_zeros: Sequence[int]) -> _Chunk | None:
        if trailing_zeros:
            self._problem(
                trailing_zeros[0], len(trailing_zeros) * CHUNK_BYTES, f"{len(trailing_zeros)} chunks are all zeros"
            )
        whole = len(raw) == CHUNK_BYTES
        if not whole:
            self._problem(offset, len(raw), f"the last chunk is cut off after {len(raw)} of {CHUNK_BYTES} bytes")
            raw = raw.ljust(CHUNK_BYTES, b"\0")
        headers, end, holes = _record_headers(raw)
        fits = whole and not holes and self._checksums_fit(raw)
        if holes:
            raw = _without_holes(raw, holes)
        if raw[:8] != CHUNK_SIGNATURE:
            if not headers:
                if (offset - self._first) // CHUNK_BYTES >= self._chunk_count and RECORD_SIGNATURE not in raw:
                    # Room behind the chunks that the header counts; nothing in it looks like a record.
                    return None
                self._problem(offset, CHUNK_BYTES, "a chunk without signature and without records")
                return None
            self._problem(
                offset, CHUNK_BYTES, f"a chunk without signature; {len(headers)} record headers found and read"
            )
            raw = _with_header(raw, headers, end)
            return _Chunk(offset, raw if names_hold(raw) else _without_names(raw), headers, repaired=True)
        for start, stop in holes:
            self._problem(offset + start, stop - start, "no record where one should be; read on behind it")
        first_id, last_id = struct.unpack_from("<QQ", raw, 24)
        promised = last_id - first_id + 1
        if whole and not holes and headers and 0 < promised < 1 << 20 and promised != len(headers):
            self._problem(offset, CHUNK_BYTES, f"the chunk promises {promised} records and holds {len(headers)}")
        if whole and not holes and not fits:
            # A chunk of a log in use: the checksums are written with the header, later than the records.
            self._problem(offset, CHUNK_BYTES, "checksum of a chunk is wrong; its records are read all the same")
        if not names_hold(raw):
            # The decoder would follow them for ever; without them it looks names up where they stand.
            self._problem(offset, CHUNK_BYTES, "the lists of names of a chunk lead nowhere; it is read without them")
            return _Chunk(offset, _without_names(raw), headers)
        return _Chunk(offset, raw, headers, whole=fits)

    @staticmethod
    def _checksums_fit(raw: bytes) -> bool:
        free = int.from_bytes(raw[48:52], "little")
        if not RECORDS_OFFSET <= free <= CHUNK_BYTES:
            return False
        records = zlib.crc32(raw[RECORDS_OFFSET:free]) == int.from_bytes(raw[52:56], "little")
        return records and zlib.crc32(raw[128:512], zlib.crc32(raw[:120])) == int.from_bytes(raw[124:128], "little")

    def _end_of_file(self, zeroed: Sequence[int], first: int) -> None:
        """Zeros at the end are room that was never used, unless the header counts them as chunks."""
        slots = -(-max(0, self._file.size - first) // CHUNK_BYTES)
        if slots < self._chunk_count:
            missing = self._chunk_count - slots
            self._problem(
                self._file.size, missing * CHUNK_BYTES, f"{missing} chunks that the header counts are cut off"
            )
        lost = [offset for offset in zeroed if (offset - first) // CHUNK_BYTES < self._chunk_count]
        if lost:
            self._problem(lost[0], len(lost) * CHUNK_BYTES, f"{len(lost)} chunks that the header counts are all zeros")

    def _flush(self, group: Sequence[_Chunk]) -> Iterator[Problem | pa.RecordBatch]:
        """The rows of chunks, in the order of the file."""
        host = self._context.host
        found = [self._decoder.rows(chunk.raw, chunk.headers, host) if chunk.whole else [] for chunk in group]
        done = [[row for row in rows if isinstance(row, tuple)] for rows in found]
        rest = [chunk for chunk, own in zip(group, done, strict=True) if len(own) < len(chunk.headers)]
        general = self._general(rest)
        for chunk, rows, own in zip(group, found, done, strict=True):
            if len(own) == len(chunk.headers):
                self._rows.rows += own
            elif general is None:
                # Something is wrong in one of them: each alone, so that the others are whole and the place is known.
                self._single(chunk)
            else:
                self._mixed(chunk, rows, general)
        if len(self._rows.rows) >= BATCH_EVENTS:
            yield self._rows.batch(self._sequence)
            self._sequence += len(self._rows.rows)
            self._rows = _Rows()
        yield from self._problems
        self._problems.clear()

    def _general(self, chunks: Sequence[_Chunk]) -> Iterator[Mapping[str, Any]] | None:
        """The records of chunks as the general reader has them; None where they are not those that the headers name."""
        if not chunks:
            return iter(())
        records, complaints = _decode(chunks)
        wanted = [header[0] for chunk in chunks for header in chunk.headers]
        return None if complaints or [one["event_record_id"] for one in records] != wanted else iter(records)

    def _mixed(self, chunk: _Chunk, rows: Sequence[Row | Trial | None], general: Iterator[Mapping[str, Any]]) -> None:
        """Rows of a chunk of which the general reader has all records, and which this one has in part."""
        own = iter(rows)
        for identifier, written, _, _ in chunk.headers:
            record, row = next(general), next(own, None)
            if isinstance(row, tuple):
                self._rows.rows.append(row)
                continue
            self._add(identifier, written, record, repaired=chunk.repaired)
            if row is not None:
                row.settle(self._rows.last())

    def _single(self, chunk: _Chunk) -> None:
        records, complaints = _decode([chunk])
        written: dict[int, list[int]] = {}
        for identifier, when, *_ in chunk.headers:
            written.setdefault(identifier, []).append(when)
        for record in records:
            identifier = int(record["event_record_id"])
            found = written.get(identifier)
            self._add(identifier, found.pop(0) if found else None, record, repaired=chunk.repaired)
        lost = sorted(identifier for identifier, left in written.items() for _ in left)
        if lost:
            names = ", ".join(map(str, lost[:20])) + (" …" if len(lost) > 20 else "")
            reason = f" ({complaints[0]})" if complaints else ""
            self._problem(chunk.offset, CHUNK_BYTES, f"{len(lost)} records could not be decoded: {names}{reason}")
            self._headers_only(chunk, lost)
        elif complaints:
            self._problem(chunk.offset, CHUNK_BYTES, complaints[0])

    def _headers_only(self, chunk: _Chunk, lost: Sequence[int]) -> None:
        """Of a record that could not be decoded its number and time remain: it is an event all the same."""
        left = list(lost)
        for identifier, when, *_ in chunk.headers:
            if identifier in left:
                left.remove(identifier)
                self._append(
                    identifier,
                    times.filetime(when),
                    str(when),
                    100,
                    EventKind("evtx.undecoded"),
                    {},
                    {"offset": chunk.offset},
                    "",
                    "",
                )

    def _add(self, identifier: int, written: int | None, record: Mapping[str, Any], *, repaired: bool) -> None:
        if repaired or written is None or not self._add_fast(identifier, written, record):
            self._add_any(identifier, written, record, repaired=repaired)

    def _add_fast(self, identifier: int, written: int, record: Mapping[str, Any]) -> bool:
        """A record in the usual layout: its JSON is cut, not parsed, and only known kinds are looked into."""
        try:
            return self._add_usual(identifier, written, record)
        except ValueError:
            # The decoder lets control characters of a damaged template through, and then it is no JSON.
            return False

    def _add_usual(self, identifier: int, written: int, record: Mapping[str, Any]) -> bool:
        json_text: str = record["data"]
        found = _USUAL.match(json_text)
        if found is None:
            return False
        provider, number, level, created, process, channel, host, user = found.groups("")
        members = json_text[found.end() : -2]
        if "\\" in host or '"#' in members or len(members) * 4 > MOST_DATA_BYTES - 1024:
            return False
        key = (provider, number, level, process, channel)
        known = self._known.get(key) or self._learn(key)
        actor, path, size = user, "", None
        data = f'{known.prefix},"user_sid":"{user}"' if user else known.prefix
        if members in ("null", "{}"):
            data += "}"
        elif members[:1] != "{" or members[-1:] != "}":
            return False
        else:
            data = f"{data},{members[1:]}"
            if known.actor or known.path:
                values = self._loads(members)
                for domain_name, user_name in known.actor:
                    name = values.get(user_name)
                    if isinstance(name, str) and name not in ("", "-"):
                        domain = values.get(domain_name) if domain_name else None
                        actor = f"{domain}\\{name}" if isinstance(domain, str) and domain not in ("", "-") else name
                        break
                for one in known.path:
                    value = values.get(one)
                    if isinstance(value, str) and value not in ("", "-"):
                        path = value
                        break
                if known.bytes:
                    size = whole_number(values.get(known.bytes))
        self._rows.clear.append(len(self._rows.rows))
        self._rows.rows.append(
            (written, created, known.kind, identifier, actor, host or self._context.host, path, size, data)
        )
        return True

    def _learn(self, key: tuple[str, str, str, str, str]) -> _Known:
        """What the records that agree in all of `key` have in common."""
        provider, number, level, process, channel = key
        attributes = _loads("{" + provider + "}")
        name = str(attributes.get("Name") or attributes.get("EventSourceName") or "")
        data: dict[str, object] = {"event_id": int(number), "provider": name, "channel": _loads(f'["{channel}"]')[0]}
        if 0 < int(level) < 4:
            data["level"] = int(level)
        if process != "0":
            data["pid"] = int(process)
        if len(self._known) > 10_000:
            self._known.clear()
        kind = BY_EVENT.get((name, int(number)), UNKNOWN)
        pairs = tuple((domain, user or domain) for domain, _, user in (one.partition("|") for one in kind.actor))
        actor = tuple(("" if domain == user else domain, user) for domain, user in pairs)
        self._known[key] = known = _Known(kind.kind, actor, kind.path, kind.bytes, _dumps(data)[:-1])
        return known

    def _add_any(self, identifier: int, written: int | None, record: Mapping[str, Any], *, repaired: bool) -> None:
        event, raw_text = _event(record["data"])
        if event is None:
            ns = times.filetime(written) if written is not None else None
            seen = {"text": raw_text[:2000]}
            self._append(identifier, ns, record["timestamp"][:-4], 100, UNKNOWN, {}, seen, "", "")
            return
        system = event.get("System") or {}
        provider, event_id = _provider_and_id(system)
        kind = BY_EVENT.get((provider, event_id), UNKNOWN)
        values = _values(event)
        text: str = record["timestamp"]
        text = _padded(text)
        created = _attribute(system.get("TimeCreated"), "SystemTime")
        precision = 100
        if written is not None and created[:26] == text[:26]:
            ns = (written - times.FILETIME_EPOCH) * 100 if 0 < written < _FILETIME_MAX else None
        else:
            # A forwarded event, or a header that was changed: the event's own time counts, the other is kept.
            read = times.iso(created)
            ns, precision = (read[0], 1000) if read is not None else (None, 1000)
            values["written"] = text
            text = created
        channel = system.get("Channel")
        data: dict[str, object] = {
            "event_id": event_id,
            "provider": provider,
            "channel": channel if isinstance(channel, str) else "",
        }
        level = system.get("Level")
        if isinstance(level, int) and 0 < level < 4:
            data["level"] = level
        execution = _attribute(system.get("Execution"), "ProcessID")
        if execution:
            data["pid"] = execution
        if repaired:
            data["repaired"] = True
        data.update(values)
        user = _attribute(system.get("Security"), "UserID")
        if user:
            data["user_sid"] = user
        host = system.get("Computer")
        self._append(identifier, ns, text, precision, kind, values, data, host if isinstance(host, str) else "", user)

    def _append(
        self,
        identifier: int,
        ns: int | None,
        text: str,
        precision: int,
        kind: EventKind,
        values: Mapping[str, object],
        data: Mapping[str, object],
        host: str,
        user: str,
    ) -> None:
        rows = self._rows
        rows.clear.append(len(rows.rows))
        rows.exact[len(rows.rows)] = (ns, text, precision)
        actor, path = first_of(values, kind.actor) or user, first_of(values, kind.path)
        size = whole_number(values.get(kind.bytes)) if kind.bytes else None
        rows.rows.append(
            (0, "1970-01-01", kind.kind, identifier, actor, host or self._context.host, path, size, _dumps(data))
        )


def _padded(text: str) -> str:
    """The decoder's time, which drops zeros at the end, with all seven decimals."""
    return f"{text[:19]}.{text[20:].partition('Z')[0] if text[19] == '.' else '':0<7}Z"


def first_of(values: Mapping[str, object], names: Sequence[str]) -> str:
    r"""The first of the named values that says something; `Domain\User` where a name is `domain|user`."""
    for name in names:
        if "|" in name:
            domain, user = (values.get(part) for part in name.split("|"))
            if isinstance(user, str) and user not in ("", "-"):
                return f"{domain}\\{user}" if isinstance(domain, str) and domain not in ("", "-") else user
            continue
        value = values.get(name)
        if isinstance(value, str) and value not in ("", "-"):
            return value
    return ""


def _dumps(data: Mapping[str, object]) -> str:
    import orjson  # noqa: PLC0415 - start-up time

    try:
        raw = orjson.dumps(data)
    except TypeError:
        # A lone surrogate or a number of more than 64 bits.
        return data_json({key: str(value).encode("utf-8", "replace").decode() for key, value in data.items()})
    return raw.decode() if len(raw) <= MOST_DATA_BYTES else data_json(data)


def _loads(text: str) -> Any:  # noqa: ANN401 - JSON
    import orjson  # noqa: PLC0415 - start-up time

    return orjson.loads(text)


def _event(text: str) -> tuple[dict[str, Any] | None, str]:
    try:
        event = _loads(text)["Event"]
    except (ValueError, KeyError, TypeError):
        return None, text
    return (event, text) if isinstance(event, dict) and isinstance(event.get("System"), dict) else (None, text)


def _attribute(node: object, name: str) -> Any:  # noqa: ANN401 - JSON
    if isinstance(node, dict):
        attributes = node.get("#attributes")
        if isinstance(attributes, dict):
            return attributes.get(name) or ""
    return ""


def _provider_and_id(system: Mapping[str, Any]) -> tuple[str, int]:
    attributes = (system.get("Provider") or {}).get("#attributes") or {}
    number = system.get("EventID")
    if isinstance(number, dict):
        number = number.get("#text")
    provider = attributes.get("Name") or attributes.get("EventSourceName") or ""
    if isinstance(number, str) and number.isdigit():
        number = int(number)
    return str(provider), number if isinstance(number, int) else -1


def _values(event: Mapping[str, Any]) -> dict[str, object]:
    """The members of EventData or UserData by name; data without names are `param1`, `param2` and so on."""
    source = event.get("EventData")
    if not isinstance(source, dict):
        source = event.get("UserData")
        if not isinstance(source, dict):
            return {}
        # UserData holds one element of the provider's own that holds the members.
        inner = [value for key, value in source.items() if key != "#attributes" and isinstance(value, dict)]
        source = inner[0] if len(inner) == 1 else source
    values: dict[str, object] = {}
    for name, value in source.items():
        if name == "#attributes":
            continue
        if isinstance(value, dict):
            shown = value.get("#text", value)
            if name == "Data":
                for number, one in enumerate(shown if isinstance(shown, list) else [shown], 1):
                    values[f"param{number}"] = one if isinstance(one, str | int | float | bool) else str(one or "")
            else:
                values[name] = shown if not isinstance(shown, dict) else _flat(shown)
        else:
            values[name] = value
    return values


def _flat(node: Mapping[str, Any], depth: int = 4) -> str:
    """Nested elements as `name=value; …`."""
    parts = []
    for name, value in node.items():
        if name == "#attributes" and isinstance(value, dict):
            parts += [f"{key}={one}" for key, one in value.items() if not str(key).startswith("xmlns")]
        elif isinstance(value, dict) and depth:
            parts.append(f"{name}=({_flat(value, depth - 1)})")
        elif value is not None:
            parts.append(f"{name}={value}")
    return "; ".join(parts)


def _record_headers(raw: bytes) -> tuple[list[RecordHeader], int, list[tuple[int, int]]]:
    """Record headers of a chunk; where they end; spans between them that hold no record."""
    found: list[RecordHeader] = []
    holes: list[tuple[int, int]] = []
    at = RECORDS_OFFSET
    free = int.from_bytes(raw[48:52], "little")
    whole = raw[:8] == CHUNK_SIGNATURE and RECORDS_OFFSET <= free <= CHUNK_BYTES
    end = free if whole else CHUNK_BYTES
    unpack = _RECORD.unpack_from
    while at + 28 <= end:
        signature, size, identifier, written = unpack(raw, at)
        after = at + size
        # The size of a record stands at both of its ends.
        if (
            signature == RECORD_SIGNATURE
            and size >= 28
            and after <= CHUNK_BYTES
            and raw[after - 4 : after] == raw[at + 4 : at + 8]
        ):
            found.append((identifier, written, at, size))
            at = after
            continue
        following = raw.find(RECORD_SIGNATURE, at + 1, end)
        while following >= 0 and not _record_size(raw, following):
            following = raw.find(RECORD_SIGNATURE, following + 1, end)
        if following < 0:
            if whole or any(raw[at : at + 24]):
                holes.append((at, end))
            break
        holes.append((at, following))
        at = following
    return found, at, holes


def _record_size(raw: bytes, at: int) -> int:
    """Size of the record at `at`, whose size stands at both ends; 0 where there is none."""
    if raw[at : at + 4] != RECORD_SIGNATURE:
        return 0
    size = int.from_bytes(raw[at + 4 : at + 8], "little")
    return size if 28 <= size <= CHUNK_BYTES - at and raw[at + size - 4 : at + size] == raw[at + 4 : at + 8] else 0


def _without_holes(raw: bytes, holes: Sequence[tuple[int, int]]) -> bytes:
    """The chunk with each hole made a record that decodes to nothing, so that the decoder reads on behind it."""
    patched = bytearray(raw)
    for start, stop in holes:
        size = stop - start
        if size < 32 or stop == CHUNK_BYTES:
            continue
        patched[start:stop] = _RECORD.pack(RECORD_SIGNATURE, size, HOLE, 1) + bytes(size - 24)
        patched[stop - 4 : stop] = size.to_bytes(4, "little")
    return bytes(patched)


def _without_names(raw: bytes) -> bytes:
    """The chunk without its table of lists of names."""
    return raw[:128] + bytes(256) + raw[384:]


def _with_header(raw: bytes, headers: Sequence[RecordHeader], end: int) -> bytes:
    """The chunk with a header that fits the records found in it; the tables of strings and templates stay."""
    fixed = bytearray(raw)
    fixed[:8] = CHUNK_SIGNATURE
    struct.pack_into("<QQQQIIII", fixed, 8, 1, len(headers), headers[0][0], headers[-1][0], 128, end, end, 0)
    return bytes(fixed)


def _decode(chunks: Sequence[_Chunk]) -> tuple[list[Mapping[str, Any]], list[str]]:
    """The records that the crate decodes from chunks, and what it complained about."""
    from evtx import PyEvtxParser  # noqa: PLC0415 - start-up time

    header = bytearray(HEADER_BYTES)
    header[:8] = SIGNATURE
    count = len(chunks)
    struct.pack_into("<QQQIHHHH", header, 8, 0, count - 1, 1, 128, 1, 3, HEADER_BYTES, count)
    struct.pack_into("<I", header, 124, zlib.crc32(header[:120]))
    records: list[Mapping[str, Any]] = []
    complaints: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            parser = PyEvtxParser(
                io.BytesIO(b"".join([bytes(header), *(chunk.raw for chunk in chunks)])),
                number_of_threads=1,
                skip_errors=True,
            )
            records.extend(one for one in parser.records_json() if one is not None and one["event_record_id"] != HOLE)
        except (RuntimeError, OSError, ValueError) as error:
            complaints.append(_short(str(error)))
        except BaseException as error:  # a panic of the crate is a BaseException of pyo3 and costs one chunk
            if type(error).__name__ != "PanicException":
                raise
            complaints.append("the decoder gave up on this chunk")
    complaints += [_short(str(one.message)) for one in caught]
    return records, complaints


def _short(text: str) -> str:
    return " ".join(text.split())[:200]
