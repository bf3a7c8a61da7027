"""ESE databases: `SRUDB.dat` (what programs sent and received), `WebCacheV01.dat` (Internet Explorer 10 and Edge).

libesedb reads the pages; here the tables are found and their rows read. A database that was open when it was copied is
read as its pages stand: changes that only its log files hold are missing, which a Problem says. Meaning of the tables:
libyal esedb-kb, "System Resource Usage Monitor" and "Internet Explorer WebCache".
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Any, Protocol

from timeline import times
from timeline.event import Event, Problem
from timeline.http_reply import headers_of, reply_fields
from timeline.stamps import filetime, ole, u32, user_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from timeline.sources import Context, SourceFile

NAME = "ese"
NAMES = re.compile(r"srudb\.dat|webcachev\d+\.dat")
MAGIC = bytes.fromhex("efcdab89")
DIRTY = 2
"""JET_dbstateDirtyShutdown: the log files hold changes that the pages do not."""
SRUM_TABLES: dict[str, str] = {
    "{D10CA2FE-6FCF-4F6D-848E-B2E99266FA89}": "srum.application",
    "{973F5D5C-1D90-4944-BE8E-24B94231A174}": "srum.network",
    "{DD6636C4-8929-4683-974E-22C046A43763}": "srum.connected",
    "{D10CA2FE-6FCF-4F6D-848E-B2E99266FA86}": "srum.notification",
    "{7ACBBAA3-D029-4BE4-9A7A-0885927F1D8F}": "srum.vfu",
    "{5C8CF1C7-7257-4F13-B223-970EF5939312}": "srum.timeline",
}
ID_MAP = "SruDbIdMapTable"
MOST_ROWS = 10_000_000
SENT, RECEIVED = "BytesSent", "BytesRecvd"
SKIPPED = ("AutoIncId", "TimeStamp", "AppId", "UserId")


class Table(Protocol):
    """A table as its rows by the names of its columns."""

    name: str

    def rows(self) -> Iterator[Mapping[str, object]]:
        """Rows: numbers, floats, texts or bytes."""


def matches(file: SourceFile) -> bool:
    """The signature of a database, with one of the two names: what is in others is not known here."""
    return file.head[4:8] == MAGIC and NAMES.fullmatch(file.name.lower()) is not None


def promises(file: SourceFile) -> bool:
    """One of the two names."""
    return NAMES.fullmatch(file.name.lower()) is not None and file.size > 0


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """The rows of the tables that are known."""
    import pyesedb  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415 - start-up time

    if u32(file.head, 52) == DIRTY:
        yield Problem(
            file.layer,
            "incomplete",
            "the database was in use when it was copied; changes in its log files are not in it",
        )
    database = pyesedb.file()
    try:
        database.open_file_object(file.open())
        tables = [_EseTable(database.get_table(index)) for index in range(database.number_of_tables)]
    except (OSError, SystemError, MemoryError, RuntimeError) as error:
        yield Problem(file.layer, "damaged", f"cannot be opened: {_words(error)}")
        return
    by_name: dict[str, Table] = {table.name: table for table in tables}
    reader = (
        srum_events(by_name) if file.name.lower().startswith("srudb") else webcache_events(by_name, user_of(file.path))
    )
    try:
        for event in reader:
            yield event
            if context.expired():
                yield Problem(file.layer, "limit", "time is up: the rest was not read")
                return
    except (OSError, SystemError, MemoryError, RuntimeError) as error:
        yield Problem(file.layer, "damaged", f"a table cannot be read to its end: {_words(error)}")
    finally:
        for table in tables:
            for detail in table.problems:
                yield Problem(file.layer, "damaged", detail)


class _EseTable:
    """A table read by libesedb."""

    def __init__(self, table: Any) -> None:  # noqa: ANN401 - libesedb has no types
        self._table = table
        self.name = str(table.name)
        self.problems: list[str] = []

    def rows(self) -> Iterator[Mapping[str, object]]:
        columns = [
            (index, str(column.name), int(column.type))
            for index, column in enumerate(
                self._table.get_column(place) for place in range(self._table.number_of_columns)
            )
        ]
        bad = 0
        for number in range(min(self._table.number_of_records, MOST_ROWS)):
            try:
                record = self._table.get_record(number)
                yield {name: _value(record, index, kind) for index, name, kind in columns}
            except (OSError, SystemError, MemoryError) as error:
                bad += 1
                if bad == 1:
                    self.problems.append(f"table {self.name}: row {number} cannot be read: {_words(error)}")
                if bad > 1000:
                    self.problems.append(
                        f"table {self.name}: more than 1000 rows cannot be read, the rest was left out"
                    )
                    return


def _value(record: Any, index: int, kind: int) -> object:  # noqa: ANN401, PLR0911 - no types in libesedb; one return a type
    """A cell: types by libesedb's numbers (JET_coltyp): 1 bit … 17 unsigned short."""
    raw = record.get_value_data(index)
    if raw is None:
        return None
    if kind == 1:
        return raw != b"\0"
    if kind in (2, 14, 17) or (kind == 15 and len(raw) <= 8):
        return int.from_bytes(raw, "little")
    if kind in (3, 4, 5, 15):
        return int.from_bytes(raw, "little", signed=True)
    if kind in (6, 7) and len(raw) in (4, 8):
        return struct.unpack("<f" if len(raw) == 4 else "<d", raw)[0]
    if kind == 8 and len(raw) == 8:
        # A date is a double (days since 1899) by the format; some programs put a FILETIME there.
        days = struct.unpack("<d", raw)[0]
        return days if 1 < days < 1_000_000 else int.from_bytes(raw, "little")
    if kind in (10, 12):
        try:
            return record.get_value_data_as_string(index)
        except (OSError, UnicodeDecodeError):
            return raw.decode("utf-16-le", "replace").rstrip("\0")
    # Long values lie outside the row.
    if kind in (9, 11) and record.is_long_value(index):
        long = record.get_value_data_as_long_value(index)
        return long.get_data() if long is not None else b""
    return raw


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


# -- SRUM -------------------------------------------------------------------------------------------------------------


def srum_events(tables: Mapping[str, Table]) -> Iterator[Event]:
    """Rows of SRUM: one an hour for each program and user that did something."""
    names = _id_map(tables.get(ID_MAP))
    for name, kind in SRUM_TABLES.items():
        table = tables.get(name)
        for row in table.rows() if table is not None else ():
            stamp_value = row.get("TimeStamp")
            if not isinstance(stamp_value, int | float):
                continue
            sent, received = row.get(SENT), row.get(RECEIVED)
            data: dict[str, object] = {
                _snake(column): value
                for column, value in row.items()
                if column not in SKIPPED and isinstance(value, int | float | str) and value not in (0, "")
            }
            data |= {"application": names.get(_whole(row.get("AppId")), str(row.get("AppId")))}
            path = str(data["application"])
            actor = names.get(_whole(row.get("UserId")), "")
            record = f"{kind.partition('.')[2]} {row.get('AutoIncId')}"
            total = _whole(sent) + _whole(received) if kind == "srum.network" else None
            stamp = ole(float(stamp_value)) if isinstance(stamp_value, float) else filetime(int(stamp_value))
            yield stamp.event(
                kind, "Hour Recorded", record=record, sequence=_whole(row.get("AutoIncId")), actor=actor, path=path,
                size=total, data=data,
            )  # fmt: skip
            started = _whole(row.get("ConnectStartTime"))
            if started:
                yield filetime(started).event(
                    "srum.connect_start", "Connection Started", record=record, sequence=_whole(row.get("AutoIncId")),
                    actor=actor, path=path, data=data,
                )  # fmt: skip


def _id_map(table: Table | None) -> dict[int, str]:
    """Numbers of programs (type 0 to 2: text) and users (type 3: SID)."""
    found: dict[int, str] = {}
    for row in table.rows() if table is not None else ():
        blob, number = row.get("IdBlob"), row.get("IdIndex")
        if isinstance(number, int) and isinstance(blob, bytes):
            sid = row.get("IdType") == 3 and len(blob) >= 8 and len(blob) == 8 + 4 * blob[1]
            found[number] = _sid(blob) if sid else blob.decode("utf-16-le", "replace").rstrip("\0")
    return found


def _sid(raw: bytes) -> str:
    parts = [u32(raw, 8 + 4 * index) for index in range(raw[1])]
    return "-".join(["S", str(raw[0]), str(int.from_bytes(raw[2:8], "big")), *map(str, parts)])


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


# -- WebCache ---------------------------------------------------------------------------------------------------------


def webcache_events(tables: Mapping[str, Table], actor: str) -> Iterator[Event]:
    """Entries of all containers: history, cache, cookies, downloads."""
    containers = tables.get("Containers")
    for container in containers.rows() if containers is not None else ():
        name, number = str(container.get("Name") or "").strip("\0"), _whole(container.get("ContainerId"))
        table = tables.get(f"Container_{number}")
        for row in table.rows() if table is not None else ():
            yield from _entry(row, name, number, actor)


def _entry(row: Mapping[str, object], container: str, number: int, actor: str) -> Iterator[Event]:
    url = str(row.get("Url") or row.get("UrlSchemaType") or "").rstrip("\0")
    found = re.match(r"(?:Visited|Cookie): ?([^@]*)@(.*)|:\d{16}: ?([^@]*)@(.*)", url, re.DOTALL)
    if found is not None:
        actor = found[1] or found[3] or actor
        url = found[2] or found[4] or url
    group = (
        "history" if container.startswith(("History", "MSHist")) else "cookie" if container.startswith("Cookies")
        else "download" if container == "iedownload" else "cache"
    )  # fmt: skip
    headers_raw = row.get("ResponseHeaders")
    status, headers = (
        headers_of(headers_raw) if isinstance(headers_raw, bytes) and headers_raw[:5] == b"HTTP/" else ("", {})
    )
    data: dict[str, object] = {
        "container": container,
        "hits": _whole(row.get("AccessCount")) or None,
        "cache_file": str(row.get("Filename") or "").rstrip("\0"),
        **(reply_fields(status, headers) if status else {}),
    }
    record = f"Container_{number} {row.get('EntryId')}"
    size = _whole(row.get("FileSize")) or None
    kinds = {
        "AccessedTime": ("web.visit" if group == "history" else f"web.{group}_used", "Last Accessed"),
        "CreationTime": (f"web.{group}_created", "Created"),
        "ModifiedTime": (f"web.{group}_modified", "Last Modified"),
        "SyncTime": (f"web.{group}_synchronised", "Synchronised"),
        "ExpiryTime": (f"web.{group}_expires", "Expires"),
    }
    for column, (kind, desc) in kinds.items():
        value = _whole(row.get(column))
        if 0 < value < 0x7FFFFFFFFFFFFFFF and times.filetime(value) is not None:
            # MSHist containers keep the first time of a day in local time; the column says so by its container alone.
            yield filetime(value).event(
                kind,
                desc,
                record=record,
                sequence=_whole(row.get("EntryId")),
                actor=actor,
                path=url,
                size=size,
                data=data,
            )


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
