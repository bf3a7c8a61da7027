"""Reading a clock case folder (case.json, readings.json, links.csv, the sources, usb_listing.body, usb_media.json)."""

from __future__ import annotations

import csv
import json
import math
import re
from dataclasses import replace
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
from timeline.clocks.record_formats import LOCAL_FORMATS, Zone, iso_time, local_time, read_source

if TYPE_CHECKING:
    from pathlib import Path

MAX_JSON_BYTES = 64 * 1024 * 1024
MAX_SOURCES = 10_000
MAX_LINKS = 2_000_000
MAX_LISTED = 1_000_000
LINK_COLUMNS = ("before_source", "before_record", "after_source", "after_record")


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


def _objects(value: object, where: str, problems: list[CaseProblem]) -> list[dict[str, Any]]:
    """The objects of a list; anything else is told."""
    if value is None:
        return []
    if not isinstance(value, list):
        problems.append(CaseProblem(where, "not a list: nothing of it is used"))
        return []
    found = [item for item in value if isinstance(item, dict)]
    if len(found) < len(value):
        problems.append(CaseProblem(where, f"{len(value) - len(found)} items are no objects: left out"))
    return found


def _named(items: list[dict[str, Any]], where: str, problems: list[CaseProblem]) -> list[dict[str, Any]]:
    """Items with an `id`, each id once (the first counts)."""
    seen: set[str] = set()
    kept = []
    for number, item in enumerate(items):
        name = item.get("id")
        if not isinstance(name, str | int) or isinstance(name, bool) or str(name) in seen:
            problems.append(CaseProblem(f"{where}:{number}", "no id, or an id that is there twice: left out"))
            continue
        seen.add(str(name))
        kept.append(item)
    return kept


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


def _clocks(value: object, problems: list[CaseProblem]) -> dict[str, Clock]:
    clocks: dict[str, Clock] = {}
    if not isinstance(value, dict):
        problems.append(CaseProblem("case.json:clocks", "no clocks by name: every clock is taken as unknown"))
        return clocks
    for name, given in value.items():
        declared = given.get("declared") if isinstance(given, dict) else given
        if declared not in ("synchronised", "unknown"):
            problems.append(CaseProblem(f"case.json:clocks:{name}", "declared is neither word: taken as unknown"))
        clocks[str(name)] = Clock(str(name), "synchronised" if declared == "synchronised" else "unknown")
    return clocks


def _known_clock(name: str, where: str, clocks: dict[str, Clock], problems: list[CaseProblem]) -> None:
    if name not in clocks:
        problems.append(CaseProblem(where, f"clock {name[:60]} is not among the clocks: taken as unknown"))
        clocks[name] = Clock(name, "unknown")


def _hosts(value: object, clocks: dict[str, Clock], problems: list[CaseProblem]) -> dict[str, str]:
    hosts: dict[str, str] = {}
    if value is None:
        return hosts
    if not isinstance(value, dict):
        problems.append(CaseProblem("case.json:http_hosts", "not an object: no `Date` is used"))
        return hosts
    for host, clock in value.items():
        if not isinstance(clock, str):
            problems.append(CaseProblem(f"case.json:http_hosts:{host}", "no name of a clock: left out"))
            continue
        _known_clock(clock, f"case.json:http_hosts:{host}", clocks, problems)
        hosts[str(host).lower()] = clock
    return hosts


def _period(value: object, problems: list[CaseProblem]) -> tuple[int, float] | None:
    """(ns, resolution in s) of the end of the period."""
    times = [iso_time(one) for one in value] if isinstance(value, list) and len(value) == 2 else []
    if not times or times[1] is None:
        problems.append(CaseProblem("case.json", "period has no readable end: nothing is bounded by the collection"))
        return None
    if times[0] is None or times[0][0] > times[1][0]:
        problems.append(CaseProblem("case.json", "period begins after its end, or has no readable beginning"))
    return times[1]


_WITH_OFFSET = re.compile(r"(Z|UTC|[+-]\d{2}:?\d{2})\s*$")
LONGEST_RESOLUTION_S = 86_400.0


def _moment(text: object, zone: Zone) -> tuple[float, bool] | None:
    """Ns of a time an examiner wrote (with or without offset); whether the offset stood in it."""
    if not isinstance(text, str):
        return None
    iso = iso_time(text, zone)
    if iso is not None:
        return float(iso[0]), bool(_WITH_OFFSET.search(text))
    local = local_time(text, zone)
    return None if local is None else (float(local[0][0]), False)


def _resolution(value: object) -> float | None:
    """A resolution in seconds; 1 where it is not given, None where it is none."""
    if value is None:
        return 1.0
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 < number <= LONGEST_RESOLUTION_S else None


def _display_zone(sources: list[Source], clock: str) -> str | None:
    """The zone in which a device shows its time: that of its records whose texts carry none, else any declared."""
    own = [source for source in sources if source.clock == clock]
    local = {source.zone for source in own if source.format in LOCAL_FORMATS} or {source.zone for source in own}
    return next(iter(local)) if len(local) == 1 else None


def _readings(
    folder: Path, sources: list[Source], clocks: dict[str, Clock], origin_ns: int, problems: list[CaseProblem]
) -> list[Reading]:
    path = folder / "readings.json"
    if not path.is_file():
        return []
    readings: list[Reading] = []
    given = _json(path)
    if isinstance(given, dict):
        given = given.get("readings")
    for index, item in enumerate(_objects(given, "readings.json", problems)):
        where = f"readings.json:{index}"
        name = str(item.get("clock"))
        try:
            zone = Zone(_display_zone(sources, name))
        except ValueError:
            zone = Zone(None)
        resolutions = [_resolution(item.get(key)) for key in ("resolution_s", "reference_resolution_s")]
        shown, reference = _moment(item.get("shown"), zone), _moment(item.get("reference"), zone)
        if shown is None or reference is None or name not in clocks or None in resolutions:
            problems.append(CaseProblem(where, "reading not usable: clock, times or resolutions"))
            continue
        if shown[1] and not reference[1]:
            problems.append(CaseProblem(where, "reading not usable: the reference has no offset from UTC"))
            continue
        readings.append(
            Reading(
                clock=name,
                shown_s=(shown[0] - origin_ns) / 1e9,
                reference_s=(reference[0] - origin_ns) / 1e9,
                resolution_s=resolutions[0] or 1.0,
                reference_resolution_s=resolutions[1] or 1.0,
                index=index,
                zone_known=shown[1],
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
            rows = csv.DictReader(file)
            missing = [name for name in LINK_COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                problems.append(CaseProblem("links.csv", f"columns missing: {', '.join(missing)}"))
                return []
            for number, row in enumerate(rows, start=2):
                before = records.find(row.get("before_source"), row.get("before_record"))
                after = records.find(row.get("after_source"), row.get("after_record"))
                if before is None or after is None:
                    problems.append(CaseProblem(f"links.csv:{number}", "record not found"))
                    continue
                if before == after:
                    problems.append(CaseProblem(f"links.csv:{number}", "a record cannot be before itself"))
                    continue
                links.append(Link(before, after, str(row.get("basis") or "")[:200]))
                if len(links) >= MAX_LINKS:
                    problems.append(CaseProblem(f"links.csv:{number}", "too many links: the rest was not read"))
                    break
        except csv.Error as error:
            problems.append(CaseProblem("links.csv", str(error)))
    return links


MAX_TOLD = 100


def _whole(text: str) -> int | None:
    """A whole number (or one with a fraction, cut) of at most 18 digits."""
    match = re.fullmatch(r"\s*(-?\d{1,18})(?:\.\d*)?\s*", text)
    return int(match[1]) if match and text.isascii() else None


_BODY_NAME = re.compile(r"^/?([^/]+)/(.*)$")


def _media(path: Path, origin_ns: int, problems: list[CaseProblem]) -> list[MediaFile]:
    """Lines of a TSK bodyfile: MD5|name|inode|mode|UID|GID|size|atime|mtime|ctime|crtime."""
    found: list[MediaFile] = []
    origin_s, told = origin_ns / 1e9, 0

    def tell(number: int, detail: str) -> None:
        nonlocal told
        told += 1
        if told <= MAX_TOLD:
            problems.append(CaseProblem(f"{path.name}:{number}", detail))

    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            text = line.rstrip("\r\n")
            if not text or text.startswith("#"):
                continue
            parts = text.split("|")
            if len(parts) < 11:
                tell(number, "not a bodyfile line")
                continue
            name = "|".join(parts[1 : len(parts) - 9])
            deleted = bool(re.search(r"\((?:deleted|deleted-realloc)\)\s*$", name)) or "(deleted" in name
            name = re.sub(r"\s*\((?:deleted|deleted-realloc|削除)[^)]*\)\s*$", "", name)
            match = _BODY_NAME.match(name)
            numbers = [_whole(part) for part in (parts[-5], parts[-3], parts[-1])]
            if None in numbers:
                tell(number, "numbers not readable")
                continue
            if match is None:
                continue
            if len(found) >= MAX_LISTED:
                tell(number, "too many lines: the rest was not read")
                break
            size, modified, created = (one or 0 for one in numbers)
            found.append(
                MediaFile(
                    match[1],
                    match[2],
                    size,
                    deleted,
                    modified - origin_s,
                    created - origin_s,
                    number,
                    "",
                    _md5(parts[0]),
                ),
            )
    return found


def _md5(text: str) -> str:
    """The hash of a bodyfile's line; the tools write 0 where they made none."""
    text = text.strip().lower()
    return text if re.fullmatch(r"[0-9a-f]{32}", text) and text.strip("0") else ""


def read_case(folder: Path) -> ClockCase:
    """Read a clock case folder (CLOCK CASE format, docs/clocks.md).

    Raises EvidenceError, EvidenceFormatError where case.json cannot be used at all; everything else is in `problems`.
    """
    described = _json(folder / "case.json")
    if not isinstance(described, dict):
        raise EvidenceFormatError("case.json が想定の形ではありません", "case.json does not have the expected form")
    problems: list[CaseProblem] = []
    end = _period(described.get("period"), problems)
    origin_ns = end[0] if end else 0
    clocks = _clocks(described.get("clocks"), problems)
    sources = _sources(folder, described.get("sources"), clocks, origin_ns, problems)
    records = _Records(sources)
    case = ClockCase(
        origin_ns=origin_ns,
        # The text of the end is cut to its resolution: what was collected may be that much later.
        collected_s=end[1] if end else math.inf,
        clocks=clocks,
        http_hosts=_hosts(described.get("http_hosts"), clocks, problems),
        sources=sources,
        readings=_readings(folder, sources, clocks, origin_ns, problems),
        links=_links(folder, records, problems),
        problems=problems,
    )
    _without_ports(case)
    case.pairs = _pairs(described.get("pairs"), records, problems)
    case.incidents = _incidents(described.get("incidents"), records, problems)
    listing = folder / "usb_listing.body"
    if listing.is_file():
        case.media = _media(listing, origin_ns, problems)
        # A listing without a line lists no medium: that a file is not in it says nothing.
        case.has_media_listing = bool(case.media)
        if not case.media:
            problems.append(CaseProblem("usb_listing.body", "no line of a medium: media are taken as not examined"))
    if (folder / "usb_media.json").is_file():
        case.media_of = _media_of(_json(folder / "usb_media.json"), problems)
    return case


def _without_ports(case: ClockCase) -> None:
    """Replies of a host with a port, where `http_hosts` names the host alone."""
    for source in case.sources:
        for index, reply in enumerate(source.replies):
            host = reply.host.rpartition(":")[0]
            if reply.host not in case.http_hosts and host in case.http_hosts:
                source.replies[index] = replace(reply, host=host)


def _sources(
    folder: Path, given: object, clocks: dict[str, Clock], origin_ns: int, problems: list[CaseProblem]
) -> list[Source]:
    """The sources with their records; of a file named twice the first entry counts."""
    if given is None:
        problems.append(CaseProblem("case.json", "no sources"))
    items = _objects(given, "case.json:sources", problems)
    if len(items) > MAX_SOURCES:
        problems.append(CaseProblem("case.json:sources", f"more than {MAX_SOURCES}: the rest was not read"))
    sources: list[Source] = []
    files: set[str] = set()
    for number, item in enumerate(items[:MAX_SOURCES]):
        where = f"case.json:sources:{number}"
        name, zone, order, clock = item.get("file"), item.get("zone"), item.get("order"), item.get("clock")
        if not isinstance(name, str) or not isinstance(clock, str) or name in files:
            problems.append(CaseProblem(where, "no file, no clock, or a file that is there twice: left out"))
            continue
        files.add(name)
        if order not in ("append", "receipt", "none"):
            problems.append(CaseProblem(where, "order is none of the three words: no order is used"))
        if zone is not None and (not isinstance(zone, str) or not zone.strip()):
            problems.append(CaseProblem(where, "zone is no text: taken as not known"))
        _known_clock(clock, where, clocks, problems)
        source = Source(
            file=name,
            format=str(item.get("format")),
            clock=clock,
            zone=zone if isinstance(zone, str) and zone.strip() else None,
            order=cast("Order", order) if order in ("append", "receipt", "none") else "none",
        )
        path = _inside(folder, name)
        if path is None:
            problems.append(CaseProblem(name, "file not found"))
        else:
            try:
                read_source(path, source, origin_ns, problems)
            except OSError as error:
                problems.append(CaseProblem(name, f"cannot be read: {error.strerror}"))
        twice = source.size - len(set(source.names))
        if twice:
            problems.append(CaseProblem(name, f"{twice} records bear a name that is there already"))
        sources.append(source)
    return sources


def _pairs(given: object, records: _Records, problems: list[CaseProblem]) -> list[Pair]:
    pairs: list[Pair] = []
    for item in _named(_objects(given, "case.json:pairs", problems), "case.json:pairs", problems):
        pair = Pair(str(item["id"]), _found(records, item.get("a")), _found(records, item.get("b")))
        if pair.a is None or pair.b is None:
            problems.append(CaseProblem(f"case.json:pairs:{pair.id}", "record not found"))
        pairs.append(pair)
    return pairs


def _incidents(given: object, records: _Records, problems: list[CaseProblem]) -> list[Incident]:
    incidents: list[Incident] = []
    for item in _named(_objects(given, "case.json:incidents", problems), "case.json:incidents", problems):
        at = records.find(item.get("source"), item.get("record"))
        if at is None:
            problems.append(CaseProblem(f"case.json:incidents:{item['id']}", "record not found"))
        incidents.append(Incident(str(item["id"]), str(item.get("source")), at))
    return incidents


def _media_of(given: object, problems: list[CaseProblem]) -> dict[str, str | None]:
    """Incident -> medium (null: not seized)."""
    if not isinstance(given, dict):
        problems.append(CaseProblem("usb_media.json", "not an object: no medium is tied to an incident"))
        return {}
    bad = [name for name, stick in given.items() if stick is not None and not isinstance(stick, str)]
    problems += [CaseProblem(f"usb_media.json:{name}", "no name of a medium: left out") for name in bad]
    return {str(name): stick for name, stick in given.items() if name not in bad}


def add_host_listing(case: ClockCase, listing: Path) -> None:
    """Add the hashes of files on the computer (bodyfile with MD5), to compare the content of copies by.

    Raises EvidenceError.
    """
    from timeline.clocks.verdicts import file_name  # noqa: PLC0415 - only where it is asked for

    try:
        files = _media(listing, case.origin_ns, case.problems)
    except OSError as error:
        raise EvidenceError(
            f"読めません: {listing}: {error.strerror}", f"cannot read {listing}: {error.strerror}"
        ) from error
    found: dict[str, set[str]] = {}
    for one in files:
        if one.md5:
            found.setdefault(file_name(one.path), set()).add(one.md5)
    case.host_content = {name: frozenset(hashes) for name, hashes in found.items()}


def add_media(case: ClockCase, listing: Path | None, media: Path | None) -> None:
    """Add a listing of media (bodyfile) and which medium belongs to which incident (JSON) to a case.

    Raises EvidenceError, EvidenceFormatError.
    """
    if listing is not None:
        try:
            case.media = _media(listing, case.origin_ns, case.problems)
            case.has_media_listing = bool(case.media)
        except OSError as error:
            raise EvidenceError(
                f"読めません: {listing}: {error.strerror}", f"cannot read {listing}: {error.strerror}"
            ) from error
    if media is not None:
        given = _json(media)
        if not isinstance(given, dict):
            raise EvidenceFormatError(f"想定の形ではありません: {media}", f"not the expected form: {media}")
        case.media_of = _media_of(given, case.problems)


def _found(records: _Records, given: object) -> tuple[int, int] | None:
    return records.find(given.get("source"), given.get("record")) if isinstance(given, dict) else None
