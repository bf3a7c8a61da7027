"""CSV and JSON lines that no mapping knows, where one column is a time beyond doubt.

Only files that were given as such or lie in a given folder are read, never files of an image: tables of all sorts lie
on disks, and their dates are not events. A column counts as the time where its name says so and each of its first rows
holds a time of day in one unambiguous form; `03/04/2026` is not: a mapping must say which is the month.
Kind `log.record`; all columns stay in `data` under their own names, and `data["time_column"]` names the one taken.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from timeline.event import Event, Problem
from timeline.lines import head_text
from timeline.mapping import MappedTime, Mapping, normal
from timeline.parsers import mapped
from timeline.written_times import reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.sources import Context, SourceFile

NAME = "table"
TEXT = True
_TIME_NAMES = frozenset(
    [
        "日時",
        "発生日時",
        "記録日時",
        "検知日時",
        "アクセス日時",
        "操作日時",
        "ログ日時",
        "タイムスタンプ",
        "時刻",
        "timestamp",
        "datetime",
        "date_time",
        "@timestamp",
        "time",
        "eventtime",
        "event_time",
        "timecreated",
        "time_generated",
        "timegenerated",
        "created_at",
        "createdat",
        "logged_at",
        "ts",
        "starttime",
        "start_time",
        "creationtime",
        "creation_time",
        "date/time",
    ]
)
_FORMS = ("iso", "%d/%b/%Y:%H:%M:%S %z", "rfc2822", "%Y年%m月%d日 %H時%M分%S秒", "%Y%m%d%H%M%S", "%Y%m%d %H:%M:%S")
_EPOCHS = ((10, "epoch_s"), (13, "epoch_ms"), (16, "epoch_us"), (19, "epoch_ns"))
_YEARS_NS = (631_152_000 * 10**9, 4_102_444_800 * 10**9)  # 1990 to 2100: a number outside is no time of a log
_JUDGED_ROWS = 20
_ACTORS = ("ユーザー名", "ユーザー", "user", "username", "user_name")
_HOSTS = ("コンピュータ名", "端末名", "pc名", "host", "hostname", "computer", "computername")
_PATHS = ("ファイル名", "ファイルパス", "path", "filepath", "file_path", "filename", "url")


def _form(values: list[str]) -> str:
    """The one form in which all values are times with a time of day; empty where there is none."""
    digits = {len(value.partition(".")[0]) for value in values}
    if len(digits) == 1 and all(value.replace(".", "", 1).isdecimal() for value in values):
        for length, form in _EPOCHS:
            if digits == {length}:
                read = reader(form)
                inside = [read(value).ns for value in values]
                if all(ns is not None and _YEARS_NS[0] < ns < _YEARS_NS[1] for ns in inside):
                    return form
    for form in _FORMS:
        read = reader(form)
        readings = [read(value) for value in values]
        if all(one.ns is not None and one.precision_ns < 86_400 * 10**9 for one in readings):
            return form
    return ""


def _guess(file: SourceFile) -> Mapping | None:
    """A mapping for the file, where its time column is beyond doubt."""
    if not file.layer.startswith(("file:", "folder:")):
        return None
    text = head_text(file.head)
    if text is None:
        return None
    first = mapped.first_object(text)
    if first is not None:
        return _guess_objects(text)
    lines = [line.rstrip("\r") for line in text.split("\n") if line.strip()]
    for at, line in enumerate(lines[:20]):
        for delimiter in (",", "\t", ";"):
            if line.count(delimiter) < 2:
                continue
            names = [cell.strip().strip('"') for cell in line.split(delimiter)]
            normals = [normal(name) for name in names]
            columns = [n for n, name in enumerate(normals) if name in _TIME_NAMES]
            if not columns or len(set(normals)) != len(normals):
                continue
            rows = [row.split(delimiter) for row in lines[at + 1 : at + 1 + _JUDGED_ROWS]]
            values = [row[columns[0]].strip().strip('"') for row in rows if len(row) > columns[0]]
            if values and len(values) == len(rows) and (form := _form(values)):
                return _mapping("csv", delimiter, names, names[columns[0]], form)
    return None


def _guess_objects(text: str) -> Mapping | None:
    rows = []
    for line in islice((line for line in text.split("\n") if line.strip()), _JUDGED_ROWS):
        found = mapped.first_object(line)
        if found is None:
            return None
        rows.append({normal(name): value for name, value in found.items()})
    for name in rows[0]:
        if name.rpartition(".")[2] not in _TIME_NAMES:
            continue
        values = [mapped.cell_text(row.get(name)) for row in rows]
        if all(values) and (form := _form(values)):
            return _mapping("jsonl", ",", [name], name, form)
    return None


def _mapping(form: str, delimiter: str, names: list[str], column: str, time_form: str) -> Mapping:
    return Mapping(
        name="table",
        format=form,
        delimiter=delimiter,
        header=tuple((normal(name),) for name in names if normal(name)),
        times=(MappedTime(columns=((normal(column),),), form=time_form, desc=column),),
        actor=_ACTORS,
        host=_HOSTS,
        path=_PATHS,
        constants={"time_column": column},
    )


def matches(file: SourceFile) -> bool:
    """A file given as such, not known to a mapping or another parser of text, whose time column is beyond doubt."""
    if b"," not in file.head and b"\t" not in file.head and b";" not in file.head:
        return False
    from timeline.parsers import journal_export, plaso_json, unified_log  # noqa: PLC0415 - they know their own better

    others = (mapped, plaso_json, journal_export, unified_log)
    return not any(other.matches(file) for other in others) and _guess(file) is not None


def promises(file: SourceFile) -> bool:
    """A guess promises nothing."""
    del file
    return False


def parse(file: SourceFile, context: Context) -> Iterator[Event | Problem]:
    """An event for each row."""
    mapping = _guess(file)
    if mapping is None:
        yield Problem(file.layer, "unsupported", "no column is a time beyond doubt")
        return
    yield from mapped.parse_with(mapping, file, context)
