"""Reading a clock case folder (case.json, readings.json, links.csv, the sources, usb_listing.body, usb_media.json)."""

from __future__ import annotations

import csv
import json
import math
import re
from typing import TYPE_CHECKING, Any, cast

from chain_of_custody.errors import EvidenceError, EvidenceFormatError
from timeline.clocks.evidence import (
    CaseProblem,
    Clock,
    ClockCase,
    Incident,
    Link,
    MediaFile,
    Order,
    Pair,
    Reading,
    Source,
)
from timeline.clocks.record_formats import Zone, iso_time, local_time, read_source

if TYPE_CHECKING:
    from pathlib import Path

MAX_JSON_BYTES = 64 * 1024 * 1024
MAX_SOURCES = 10_000


def _json(path: Path) -> Any:  # noqa: ANN401 - whatever JSON holds
    """The JSON of a small file. Raises EvidenceError, EvidenceFormatError."""
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise EvidenceFormatError(f"大きすぎます: {path}", f"too large: {path}")
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise EvidenceError(f"読めません: {path}: {error.strerror}", f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise EvidenceFormatError(f"JSON ではありません: {path}", f"not JSON: {path}") from error


def _inside(folder: Path, name: str) -> Path | None:
    """The path of a named file, if it lies inside the folder."""
    path = folder / name
    try:
        return path if path.resolve().is_relative_to(folder.resolve()) and path.is_file() else None
    except (OSError, ValueError):
        return None


def _objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


class _Records:
    """Finds (source index, row) by the names that links and pairs use."""

    def __init__(self, sources: list[Source]) -> None:
        self._files = {source.file: index for index, source in enumerate(sources)}
        self._sources = sources
        self._rows: dict[int, dict[str, int]] = {}

    def find(self, source: object, record: object) -> tuple[int, int] | None:
        index = self._files.get(str(source))
        if index is None:
            return None
        rows = self._rows.get(index)
        if rows is None:
            rows = self._rows[index] = {}
            for row, name in enumerate(self._sources[index].names):
                rows.setdefault(str(name), row)
        row_found = rows.get(str(record).strip())
        return None if row_found is None else (index, row_found)


def _clocks(value: object) -> dict[str, Clock]:
    clocks: dict[str, Clock] = {}
    if isinstance(value, dict):
        for name, given in value.items():
            declared = given.get("declared") if isinstance(given, dict) else given
            clocks[str(name)] = Clock(str(name), "synchronised" if declared == "synchronised" else "unknown")
    return clocks


def _moment(text: object, zone: Zone, resolution_s: float) -> tuple[float, bool] | None:
    """Ns of a time an examiner wrote (with or without offset); whether the offset stood in it."""
    if not isinstance(text, str):
        return None
    iso = iso_time(text, zone)
    if iso is not None:
        return float(iso[0]), bool(re.search(r"(Z|[+-]\d{2}:?\d{2})\s*$", text.strip()))
    local = local_time(text, zone)
    return None if local is None or not math.isfinite(resolution_s) else (float(local[0][0]), False)


def _readings(
    folder: Path, sources: list[Source], clocks: dict[str, Clock], origin_ns: int, problems: list[CaseProblem]
) -> list[Reading]:
    path = folder / "readings.json"
    if not path.is_file():
        return []
    readings = []
    given = _json(path)
    if isinstance(given, dict):
        given = given.get("readings")
    for index, item in enumerate(_objects(given)):
        where = f"readings.json:{index}"
        name = str(item.get("clock"))
        zones = {source.zone for source in sources if source.clock == name and source.zone is not None}
        try:
            zone = Zone(next(iter(zones)) if len(zones) == 1 else None)
            resolutions = [float(item.get(key) or 1) for key in ("resolution_s", "reference_resolution_s")]
        except (ValueError, TypeError):
            zone, resolutions = Zone(None), [1.0, 1.0]
            problems.append(CaseProblem(where, "resolution or zone not readable: 1 s and UTC assumed"))
        shown = _moment(item.get("shown"), zone, resolutions[0])
        reference = _moment(item.get("reference"), Zone(None), resolutions[1])
        if shown is None or reference is None or name not in clocks or not all(r > 0 for r in resolutions):
            problems.append(CaseProblem(where, "reading not usable"))
            continue
        readings.append(
            Reading(
                clock=name,
                shown_s=(shown[0] - origin_ns) / 1e9,
                reference_s=(reference[0] - origin_ns) / 1e9,
                resolution_s=resolutions[0],
                reference_resolution_s=resolutions[1],
                index=index,
            ),
        )
    return readings


def _links(folder: Path, records: _Records, problems: list[CaseProblem]) -> list[Link]:
    path = folder / "links.csv"
    if not path.is_file():
        return []
    links: list[Link] = []
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        try:
            for number, row in enumerate(csv.DictReader(file), start=2):
                before = records.find(row.get("before_source"), row.get("before_record"))
                after = records.find(row.get("after_source"), row.get("after_record"))
                if before is None or after is None:
                    problems.append(CaseProblem(f"links.csv:{number}", "record not found"))
                    continue
                links.append(Link(before, after, str(row.get("basis") or "")))
        except csv.Error as error:
            problems.append(CaseProblem("links.csv", str(error)))
    return links


_BODY_NAME = re.compile(r"^/?([^/]+)/(.*)$")


def _media(path: Path, origin_ns: int, problems: list[CaseProblem]) -> list[MediaFile]:
    """Lines of a TSK bodyfile: MD5|name|inode|mode|UID|GID|size|atime|mtime|ctime|crtime."""
    found: list[MediaFile] = []
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            text = line.rstrip("\r\n")
            if not text or text.startswith("#"):
                continue
            parts = text.split("|")
            if len(parts) < 11:
                problems.append(CaseProblem(f"{path.name}:{number}", "not a bodyfile line"))
                continue
            name = "|".join(parts[1 : len(parts) - 9])
            deleted = bool(re.search(r"\((?:deleted|deleted-realloc)\)\s*$", name)) or "(deleted" in name
            name = re.sub(r"\s*\((?:deleted|deleted-realloc|削除)[^)]*\)\s*$", "", name)
            match = _BODY_NAME.match(name)
            try:
                size, modified, created = int(parts[-5]), float(parts[-3]), float(parts[-1])
            except ValueError:
                problems.append(CaseProblem(f"{path.name}:{number}", "numbers not readable"))
                continue
            if match is None:
                continue
            origin_s = origin_ns / 1e9
            found.append(
                MediaFile(match[1], match[2], size, deleted, modified - origin_s, created - origin_s, number),
            )
    return found


def read_case(folder: Path) -> ClockCase:
    """Read a clock case folder (CLOCK CASE format, docs/clocks.md).

    Raises EvidenceError, EvidenceFormatError where case.json cannot be used at all; everything else is in `problems`.
    """
    described = _json(folder / "case.json")
    if not isinstance(described, dict):
        raise EvidenceFormatError("case.json が想定の形ではありません", "case.json does not have the expected form")
    problems: list[CaseProblem] = []
    period = described.get("period")
    end = iso_time(period[-1]) if isinstance(period, list) and period else None
    if end is None:
        problems.append(CaseProblem("case.json", "period has no readable end: nothing is bounded by the collection"))
    origin_ns = end[0] if end else 0
    clocks = _clocks(described.get("clocks"))
    sources: list[Source] = []
    for item in _objects(described.get("sources"))[:MAX_SOURCES]:
        zone, order = item.get("zone"), item.get("order")
        source = Source(
            file=str(item.get("file")),
            format=str(item.get("format")),
            clock=str(item.get("clock")),
            zone=zone if isinstance(zone, str) and zone else None,
            order=cast("Order", order) if order in ("append", "receipt", "none") else "none",
        )
        clocks.setdefault(source.clock, Clock(source.clock, "unknown"))
        path = _inside(folder, source.file)
        if path is None:
            problems.append(CaseProblem(source.file, "file not found"))
        else:
            try:
                read_source(path, source, origin_ns, problems)
            except OSError as error:
                problems.append(CaseProblem(source.file, f"cannot be read: {error.strerror}"))
        sources.append(source)
    records = _Records(sources)
    hosts = described.get("http_hosts")
    case = ClockCase(
        origin_ns=origin_ns,
        # The text of the end is cut to its resolution: what was collected may be that much later.
        collected_s=end[1] if end else math.inf,
        clocks=clocks,
        http_hosts={str(k).lower(): str(v) for k, v in hosts.items()} if isinstance(hosts, dict) else {},
        sources=sources,
        readings=_readings(folder, sources, clocks, origin_ns, problems),
        links=_links(folder, records, problems),
        pairs=[
            Pair(str(item.get("id")), _found(records, item.get("a")), _found(records, item.get("b")))
            for item in _objects(described.get("pairs"))
        ],
        incidents=[
            Incident(str(item.get("id")), str(item.get("source")), records.find(item.get("source"), item.get("record")))
            for item in _objects(described.get("incidents"))
        ],
        problems=problems,
    )
    listing = folder / "usb_listing.body"
    if listing.is_file():
        case.media = _media(listing, origin_ns, problems)
        case.has_media_listing = True
    if (folder / "usb_media.json").is_file():
        given = _json(folder / "usb_media.json")
        if isinstance(given, dict):
            case.media_of = {str(k): None if v is None else str(v) for k, v in given.items()}
    return case


def add_media(case: ClockCase, listing: Path | None, media: Path | None) -> None:
    """Add a listing of media (bodyfile) and which medium belongs to which incident (JSON) to a case.

    Raises EvidenceError, EvidenceFormatError.
    """
    if listing is not None:
        try:
            case.media = _media(listing, case.origin_ns, case.problems)
        except OSError as error:
            raise EvidenceError(
                f"読めません: {listing}: {error.strerror}", f"cannot read {listing}: {error.strerror}"
            ) from error
        case.has_media_listing = True
    if media is not None:
        given = _json(media)
        if not isinstance(given, dict):
            raise EvidenceFormatError(f"想定の形ではありません: {media}", f"not the expected form: {media}")
        case.media_of = {str(k): None if v is None else str(v) for k, v in given.items()}


def _found(records: _Records, given: object) -> tuple[int, int] | None:
    return records.find(given.get("source"), given.get("record")) if isinstance(given, dict) else None
