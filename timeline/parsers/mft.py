"""NTFS $MFT in bulk: all times of $STANDARD_INFORMATION and of every $FILE_NAME, live and deleted records alike.

Kinds: `file.created|modified|changed|accessed` ($SI) and `file.name_created|…` ($FN). `data` of $SI rows: `lsn`,
`links`, `dos_flags` and, only where they hold, `si_before_fn` (created earlier by $SI than by every $FN: setting a time
back leaves this, and so do copying, unpacking and moving between volumes), `whole_seconds` (a time of $SI with no
fraction of a second: set by a program, or copied from a medium that keeps no more), `resident`, `directory`.
Of $FN rows: `namespace`, `parent` (record-sequence).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from timeline.event import COLUMNS, Problem, schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

    from preserve.mft_table import MftTable
    from timeline.event import Event
    from timeline.sources import Context, SourceFile

NAME = "mft"
SIGNATURES = (b"FILE",)
NUMERIC = frozenset({"lsn", "usn"})

_EPOCH = 116_444_736_000_000_000
_LAST_FILETIME = _EPOCH + ((1 << 63) - 1) // 100
_FIRST_FILETIME = _EPOCH - (1 << 63) // 100
_ATTRIBUTES_AT_ONCE = 50_000
_KINDS = (
    "file.created",
    "file.modified",
    "file.changed",
    "file.accessed",
    "file.name_created",
    "file.name_modified",
    "file.name_changed",
    "file.name_accessed",
)
_DESCRIPTIONS = (
    "$SI created",
    "$SI modified",
    "$SI changed",
    "$SI accessed",
    "$FN created",
    "$FN modified",
    "$FN changed",
    "$FN accessed",
)
_SPACES = ("POSIX", "Win32", "DOS", "Win32+DOS")


def matches(file: SourceFile) -> bool:
    """A record of the size that its own header states, with room for its fixups; never the mirror."""
    if "mftmirr" in file.name.lower():
        return False
    return record_size(file.head) != 0


def record_size(head: bytes) -> int:
    """Bytes of one record of a table that begins with `head`; 0 where it is no $MFT."""
    if head[:4] != b"FILE" or len(head) < 48:
        return 0
    size = int.from_bytes(head[28:32], "little")
    fixups, count = int.from_bytes(head[4:6], "little"), int.from_bytes(head[6:8], "little")
    fits = size in (1024, 2048, 4096) and 40 <= fixups < 512 and count in (size // 512 + 1, 2)
    return size if fits else 0


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem | pa.RecordBatch]:
    """Rows of a bare $MFT file."""
    from preserve.mft_table import read_table  # noqa: PLC0415 - numpy code that few files need

    del context  # times are UTC by the format
    size = record_size(file.head)
    count = int.from_bytes(file.head[6:8], "little")
    table = read_table(file.read_at, file.size, record_size=size, sector_size=size // max(1, count - 1))
    yield from problems(table, file.layer, cut=file.size % size)
    yield from batches(table)


def problems(table: MftTable, where: str, *, cut: int = 0) -> Iterator[Problem]:
    """What of a table could not be read."""
    for numbers, words in ((table.torn, "damaged file records"), (table.odd, "file records with misplaced attributes")):
        if numbers:
            shown = ", ".join(str(one) for one in numbers[:10]) + (" …" if len(numbers) > 10 else "")
            yield Problem(where, "damaged", f"{len(numbers)} {words}: {shown}")
    if table.missing:
        yield Problem(where, "damaged", f"{table.missing} file records of $MFT are missing")
    if cut:
        yield Problem(where, "incomplete", f"the last {cut} bytes are no whole record: the file is cut off")


def batches(
    table: MftTable, *, only: NDArray[np.bool_] | None = None, state_of_all: str = ""
) -> Iterator[pa.RecordBatch]:
    """Four rows for each $STANDARD_INFORMATION and each $FILE_NAME, in order of the records; unset times give none.

    `only` chooses records; `state_of_all` is said of every row instead of live or deleted.
    """
    names, records = table.names, table.records
    paths = table.paths()
    best = table.best_names()
    rows = _rows(table)
    if only is not None:
        rows = rows[only[rows[:, 0]]]
    states = [state_of_all] * 2 if state_of_all else ["live", "deleted"]
    si_texts, fn_texts = _si_data(table), _fn_data(table)
    state = np.where(records.in_use, 0, 1)
    sizes = _sizes(table)
    for start in range(0, len(rows), _ATTRIBUTES_AT_ONCE):
        part = rows[start : start + _ATTRIBUTES_AT_ONCE]
        record, name = part[:, 0], part[:, 1]
        is_name = name >= 0
        times = np.where(is_name[:, None], names.times[name], records.times[record])
        shown = np.where(is_name, name, best[record])
        path_of = [paths[one] if one >= 0 else "" for one in shown.tolist()]
        numbers, sequences = records.number[record].tolist(), records.sequence[record].tolist()
        for place, one in enumerate(shown.tolist()):
            if one < 0:
                path_of[place] = f"/$OrphanFiles/OrphanFile-{numbers[place]}"
        labels = [
            f"MFT {number}-{sequence} {'$FN' if fn else '$SI'}"
            for number, sequence, fn in zip(numbers, sequences, is_name.tolist(), strict=True)
        ]
        data = [fn_texts[n] if n >= 0 else si_texts[r] for r, n in zip(record.tolist(), name.tolist(), strict=True)]
        yield _batch(
            times, is_name, path_of, labels, data, records.number[record], state[record], sizes[record], states
        )


def _rows(table: MftTable) -> NDArray[np.int64]:
    """(place in records, place in names or -1) of each attribute with times, by record, $SI first."""
    records, names = table.records, table.names
    owner = table.index_of(names.owner)
    kept = np.flatnonzero(owner >= 0)
    standard = np.flatnonzero(records.has_times)
    first = np.stack([standard, np.full(len(standard), -1)], axis=1)
    second = np.stack([owner[kept], kept], axis=1)
    rows = np.concatenate([first, second])
    return rows[np.lexsort((rows[:, 1], rows[:, 0]))]


def _sizes(table: MftTable) -> NDArray[np.int64]:
    """Bytes of the unnamed stream of each record; -1 where it has none."""
    streams = table.streams
    sizes = np.full(len(table.records.number), -1, dtype=np.int64)
    owner = table.index_of(streams.owner)
    plain = np.array([not text for text in streams.text], dtype=bool) & (streams.kind == 0x80) & (owner >= 0)
    sizes[owner[plain]] = streams.size[plain]
    return sizes


def _si_data(table: MftTable) -> list[str]:
    records, names, streams = table.records, table.names, table.streams
    count = len(records.number)
    owner = table.index_of(names.owner)
    kept = owner >= 0
    first_name = np.full(count, np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(first_name, owner[kept], names.times[kept, 0])
    before = records.has_times & (records.times[:, 0] > 0) & (records.times[:, 0] < first_name)
    before &= first_name != np.iinfo(np.uint64).max
    whole = ((records.times[:, :3] % 10_000_000 == 0) & (records.times[:, :3] > 0)).any(axis=1)
    resident = np.zeros(count, dtype=bool)
    of = table.index_of(streams.owner)
    there = (streams.place >= 0) & (streams.kind == 0x80) & (of >= 0)
    resident[of[there]] = True
    bits = before * 1 + whole * 2 + resident * 4 + records.is_directory * 8
    words = [
        "".join(
            f',"{word}":true'
            for bit, word in ((1, "si_before_fn"), (2, "whole_seconds"), (4, "resident"), (8, "directory"))
            if one & bit
        )
        for one in range(16)
    ]
    return [
        f'{{"lsn":{lsn},"links":{links},"dos_flags":{flags}{words[one]}}}'
        for lsn, links, flags, one in zip(
            records.lsn.tolist(), records.links.tolist(), records.flags.tolist(), bits.tolist(), strict=True
        )
    ]


def _fn_data(table: MftTable) -> list[str]:
    names = table.names
    return [
        f'{{"namespace":"{_SPACES[space] if space < 4 else space}","parent":"{parent}-{sequence}"}}'
        for space, parent, sequence in zip(
            names.space.tolist(), names.parent.tolist(), names.parent_sequence.tolist(), strict=True
        )
    ]


def _batch(
    times: NDArray[np.uint64],
    is_name: NDArray[np.bool_],
    paths: list[str],
    labels: list[str],
    data: list[str],
    numbers: NDArray[np.int64],
    state: NDArray[np.int64],
    sizes: NDArray[np.int64],
    states: list[str],
) -> pa.RecordBatch:
    import pyarrow as pa  # noqa: PLC0415 - start-up time

    count = len(times)
    flat = times.reshape(-1)
    kept = flat != 0
    source = np.repeat(np.arange(count, dtype=np.int32), 4)[kept]
    column = np.tile(np.arange(4, dtype=np.int32), count)[kept] + np.where(is_name[source], 4, 0).astype(np.int32)
    flat = flat[kept]
    fits = (flat <= _LAST_FILETIME) & (flat >= _FIRST_FILETIME)
    ns = (np.where(fits, flat, _EPOCH).astype(np.int64) - _EPOCH) * 100
    total = len(flat)

    def coded(codes: NDArray[Any], values: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
        return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(values, pa.string()))

    def constant(value: str) -> Any:  # noqa: ANN401
        return coded(np.zeros(total, dtype=np.int32), [value])

    size = sizes[source]
    columns = {
        "time_ns": pa.array(ns, mask=~fits),
        "time_text": pa.array(flat).cast(pa.string()),
        "precision_ns": pa.array(np.full(total, 100, dtype=np.int64)),
        "zone": constant("UTC"),
        "zone_basis": constant("format"),
        "kind": coded(column, _KINDS),
        "desc": coded(column, _DESCRIPTIONS),
        "record": coded(source, labels),
        "sequence": pa.array(numbers[source]),
        "actor": constant(""),
        "host": constant(""),
        "path": coded(source, paths),
        "bytes": pa.array(size, mask=size < 0),
        "data": coded(source, data),
        "clock": constant(""),
        "state": coded(state[source], states),
    }
    fields = [pa.field(name, columns[name].type, nullable=schema().field(name).nullable) for name in COLUMNS]
    # Every other text is made of numbers of the format; paths are masked where the rows are written.
    done = ",".join(name for name in COLUMNS if name != "path")
    return pa.RecordBatch.from_arrays(
        [columns[name] for name in COLUMNS], schema=pa.schema(fields, metadata={"masked": done})
    )
