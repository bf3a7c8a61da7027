"""What the report page shows of one scan, counted and packed: totals, persons, map, and the rows of its tables.

Rows are packed as columns of small integers over one list of strings (each path, reason or layer occurs once), so
that 100,000 findings stay a few megabytes and a browser filters them at once. Every string has been masked and made
visible before it goes in. The HMAC of a number, which is handled like the number, does not: a finding says only
which other findings of the same page hold the same number, by a running number of the page.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from triage.disk_map import DiskMap
from triage.lifecycle import STAGE_WORDS
from triage.masking import mask_number, mask_text
from triage.results import CONFIDENCES, STATES, int_of, list_of, map_of, text_of
from triage.rivals import RIVALS
from triage.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from triage.results import ScanResults

MAX_ROWS = 200_000
"""Most findings a page carries. Of more than that, those of the highest confidence are in it, and the page says so."""
MAX_COPIES = 200
"""Most further offsets (copies, strings of a YARA match) listed for one finding; the number of all is given."""

JST = timezone(timedelta(hours=9))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BILINGUAL_SEPARATOR = " / "


def shown(value: object) -> str:
    """A string of a result as it may stand on a page: possible My Numbers masked, unseen characters visible."""
    return visible(mask_text(text_of(value)))


def words_of(note: object) -> tuple[str, str]:
    """Japanese and English of a note as it may be shown: {"ja": …, "en": …}, or one string `<ja> / <en>`."""
    if isinstance(note, dict):
        return shown(note.get("ja") or note.get("en")), shown(note.get("en") or note.get("ja"))
    return bilingual(shown(note))


def bilingual(text: str) -> tuple[str, str]:
    """The Japanese and the English half of `<ja> / <en>`; twice the same where there is only one.

    Names inside a half may hold the separator, in both halves alike: so the middle one divides.
    """
    parts = text.split(_BILINGUAL_SEPARATOR)
    if len(parts) % 2:
        return text, text
    middle = len(parts) // 2
    return _BILINGUAL_SEPARATOR.join(parts[:middle]), _BILINGUAL_SEPARATOR.join(parts[middle:])


def jst(ns: int, *, precision_ns: int = 1, zone: bool = True) -> str:
    """`ns` since 1970 UTC as `2026-04-01 12:34:56.123 +09:00`, with no more digits than `precision_ns` carries.

    Without `zone` the clock reading is printed as it stands, with no offset. Raises OverflowError outside the years 1
    to 9999.
    """
    seconds, fraction = divmod(ns, 1_000_000_000)
    moment = _EPOCH + timedelta(seconds=seconds)
    if zone:
        moment = moment.astimezone(JST)
    digits = max(0, 9 - len(str(max(1, precision_ns))) + 1) if precision_ns < 1_000_000_000 else 0
    text = f"{moment:%Y-%m-%d %H:%M:%S}"
    if digits:
        text += f".{fraction:09d}"[: digits + 1]
    return f"{text} +09:00" if zone else text


@dataclass(slots=True)
class Totals:
    """Counts over all findings of a scan, however many of them a page carries."""

    cells: dict[tuple[str, str], int] = field(default_factory=dict)
    """Number of My Number findings by (confidence, state)."""
    yara: int = 0
    without_hmac: int = 0
    persons: dict[bytes, list[int]] = field(default_factory=dict, repr=False)
    """HMAC (first 16 bytes) to [running number of the page, index of its best confidence]."""
    unread: dict[str, int] = field(default_factory=dict)
    """Number of coverage lines by reason."""
    same_content: dict[str, set[str]] = field(default_factory=dict, repr=False)
    """SHA-256 of files with findings to the chains of layers under which that content lies."""
    end: int = 0
    """Largest offset in the media met, plus one."""

    def of_confidence(self, confidence: str) -> int:
        """Number of findings of one confidence."""
        return sum(count for (level, _), count in self.cells.items() if level == confidence)

    def of_state(self, state: str) -> int:
        """Number of findings in one state."""
        return sum(count for (_, place), count in self.cells.items() if place == state)

    @property
    def findings(self) -> int:
        """Number of My Number findings."""
        return sum(self.cells.values())

    @property
    def states(self) -> list[str]:
        """The states met, the known ones first and in their order."""
        met = {state for _, state in self.cells}
        return [state for state in STATES if state in met] + sorted(met - set(STATES))

    def distinct(self, *, best: int | None = None) -> int:
        """Number of distinct numbers; with `best`, of those whose best confidence is CONFIDENCES[best]."""
        if best is None:
            return len(self.persons)
        return sum(1 for _, level in self.persons.values() if level == best)


def count(results: ScanResults) -> Totals:
    """Read everything once and count it."""
    totals = Totals()
    for finding in results.findings():
        totals.end = max(totals.end, (int_of(finding.get("offset")) or 0) + 1)
        if finding["kind"] == "yara":
            totals.yara += 1
            continue
        level = CONFIDENCES.index(finding["confidence"])
        cell = (finding["confidence"], text_of(finding.get("state")) or "outside")
        totals.cells[cell] = totals.cells.get(cell, 0) + 1
        content = text_of(finding.get("content_sha256"))
        if content:
            totals.same_content.setdefault(content, set()).add(text_of(finding.get("layers")))
        key = person_key(finding)
        if key is None:
            totals.without_hmac += 1
            continue
        person = totals.persons.setdefault(key, [len(totals.persons) + 1, level])
        person[1] = min(person[1], level)
    for line in results.coverage():
        reason = text_of(line.get("reason")) or "damaged"
        totals.unread[reason] = totals.unread.get(reason, 0) + 1
    return totals


def facts_of(finding: Mapping[str, Any], totals: Totals) -> list[str]:
    """What else is known of where a finding lies, as "Japanese / English" each: stage, protection, equal files."""
    facts = []
    stage = map_of(finding.get("stage"))
    if text_of(stage.get("code")) in STAGE_WORDS:
        ja, en = STAGE_WORDS[text_of(stage["code"])]
        ground = shown(stage.get("ground"))
        facts.append(f"段階: {ja}(手がかり: {ground}) / stage: {en} (by “{ground}”)")
    recycled = map_of(finding.get("recycled"))
    if recycled:
        where = shown(recycled.get("path"))
        when = _moment(recycled.get("deleted_ns"))
        facts.append(
            f"ごみ箱へ捨てる前: {where}({when} UTC に削除) / before the recycle bin: {where} (deleted {when} UTC)"
        )
    for code in list_of(finding.get("protection")):
        if code in PROTECTION_WORDS:
            ja, en = PROTECTION_WORDS[code]
            facts.append(f"{ja} / {en}")
    equal = len(totals.same_content.get(text_of(finding.get("content_sha256")), ())) - 1
    if equal > 0:
        facts.append(f"同じ内容のファイルが他に {equal} 件 / {equal} other files with the same content")
    return facts


def _moment(nanoseconds: object) -> str:
    """A time in UTC to the second; "?" where none is known."""
    if not isinstance(nanoseconds, int) or not 0 <= nanoseconds < 1 << 62:
        return "?"
    return datetime.fromtimestamp(nanoseconds // 10**9, UTC).strftime("%Y-%m-%d %H:%M:%S")


PROTECTION_WORDS: Mapping[str, tuple[str, str]] = {
    "volume": ("暗号化されたボリュームの中", "inside an encrypted volume"),
    "password": ("パスワードで保護されたファイルの中", "inside a file protected by a password"),
}


def person_key(finding: Mapping[str, Any]) -> bytes | None:
    """What two findings of the same number share: the first 16 bytes of the HMAC. None where there is none."""
    try:
        return bytes.fromhex(finding["hmac"])[:16] or None
    except (KeyError, TypeError, ValueError):
        return None


def masked_of(finding: Mapping[str, Any]) -> str:
    """The masked number, never more than its last four digits even if it came with more."""
    masked = visible(text_of(finding.get("masked")), max_chars=40)
    digits = [position for position, character in enumerate(masked) if character.isdigit()]
    return masked if len(digits) <= 4 else mask_number("".join(masked[position] for position in digits))


class Strings:
    """Strings that occur once each; `add` gives the number of one."""

    def __init__(self) -> None:
        self.values: list[str] = []
        self._shown: dict[str, int] = {}
        self._raw: dict[str, int] = {}

    def add(self, raw: object) -> int:
        """Number of `raw` after masking and making visible."""
        text = text_of(raw)
        number = self._raw.get(text)
        if number is None:
            number = self._raw[text] = self.add_safe(shown(text))
        return number

    def add_safe(self, text: str) -> int:
        """Number of a string that is made by the program or was made safe already."""
        number = self._shown.setdefault(text, len(self.values))
        if number == len(self.values):
            self.values.append(text)
        return number


_COLUMNS = (
    "id", "masked", "person", "confidence", "state", "path", "container", "location", "layers", "offset",
    "file_offset", "encoding", "reasons", "rivals", "times", "copies", "more", "facts",
)  # fmt: skip


class Packed:
    """The tables of the page, as the JSON object the page's script reads (format: `triage/templates/report.js`)."""

    def __init__(self, totals: Totals, disk_map: DiskMap) -> None:
        self._totals = totals
        self._strings = Strings()
        self._lists: dict[tuple[int, ...], int] = {(): 0}
        self._times: dict[str, int] = {}
        self._time_rows: list[list[list[Any]]] = []
        self._halves: dict[str, tuple[int, int]] = {}
        self._masked: dict[str, int] = {}
        self._states = list(STATES)
        self._map = disk_map
        self.rows: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
        self.yara: list[list[Any]] = []
        self.coverage: list[list[Any]] = []

    def add_finding(self, finding: Mapping[str, Any]) -> None:
        """One My Number finding as a row."""
        rows = self.rows
        add = self._strings.add
        person = self._totals.persons.get(person_key(finding) or b"")
        copies = [offset for offset in map(int_of, list_of(finding.get("copies"))) if offset is not None]
        rows["id"].append(_identifier(finding))
        rows["masked"].append(self._number_of(finding))
        rows["person"].append(person[0] if person else 0)
        rows["confidence"].append(CONFIDENCES.index(finding["confidence"]))
        rows["encoding"].append(add(finding.get("encoding")))
        rows["reasons"].append(self._reasons(finding.get("reasons")))
        rows["rivals"].append(self._reasons([_rival(rival) for rival in list_of(finding.get("rivals"))]))
        rows["facts"].append(self._reasons(facts_of(finding, self._totals)))
        rows["location"].append(add(finding.get("location")))
        rows["copies"].append(copies[:MAX_COPIES] or 0)
        rows["more"].append(len(copies) if len(copies) > MAX_COPIES else 0)
        for name, value in zip(
            ("state", "path", "container", "layers", "offset", "file_offset", "times"),
            self._place(finding),
            strict=True,
        ):
            rows[name].append(value)

    def add_yara(self, finding: Mapping[str, Any]) -> None:
        """One YARA match as a row."""
        add = self._strings.add
        strings = [map_of(item) for item in list_of(finding.get("strings"))]
        meta = [f"{key} = {text_of(value)}" for key, value in map_of(finding.get("meta")).items()]
        self.yara.append(
            [
                _identifier(finding),
                add(finding.get("rule")),
                self._list(add(tag) for tag in list_of(finding.get("tags"))),
                self._list(add(line) for line in meta),
                *self._place(finding),
                [[add(item.get("id")), int_of(item.get("offset"))] for item in strings[:MAX_COPIES]],
                max(len(strings), int_of(finding.get("strings_total")) or 0),
            ],
        )

    def add_coverage(self, line: Mapping[str, Any]) -> None:
        """One thing that was not fully read as a row."""
        add = self._strings.add
        self.coverage.append(
            [
                add(line.get("path")),
                add(text_of(line.get("reason")) or "damaged"),
                self._reasons([line["detail"]] if line.get("detail") else []),
                add(line.get("layers")),
                add(line.get("container")),
                int_of(line.get("offset")),
                int_of(line.get("size")),
            ],
        )

    def to_json(self) -> dict[str, Any]:
        """The object to embed."""
        return {
            "v": 1,
            "strings": self._strings.values,
            "lists": [list(numbers) for numbers in self._lists],
            "times": self._time_rows,
            "confidences": list(CONFIDENCES),
            "states": self._states,
            "rows": self.rows,
            "yara": self.yara,
            "coverage": self.coverage,
            "map": {"size": self._map.size, "bin": self._map.bin_size, "bins": self._map.bins},
        }

    def _place(self, finding: Mapping[str, Any]) -> tuple[int, int, int, int, int | None, int | None, int]:
        """State, path, container, layers, offset, offset in the file, times: what both kinds of findings share."""
        path, layers = text_of(finding.get("path")), text_of(finding.get("layers"))
        # Most chains end in the path. Then the part before it is kept, which all files of a volume share.
        whole = bool(path) and layers.endswith(path)
        layer = self._strings.add(layers[: -len(path)] if whole else layers)
        return (
            self._state(finding),
            self._strings.add(path),
            self._strings.add(finding.get("container")),
            layer * 2 + whole,
            int_of(finding.get("offset")),
            int_of(finding.get("file_offset")),
            self._times_of(map_of(finding.get("times"))),
        )

    def _list(self, numbers: Iterable[int]) -> int:
        return self._lists.setdefault(tuple(numbers), len(self._lists))

    def _reasons(self, reasons: object) -> int:
        """Number of a list that holds Japanese and English by turns."""
        numbers: list[int] = []
        for reason in list_of(reasons):
            text = text_of(reason)
            halves = self._halves.get(text)
            if halves is None:
                ja, en = bilingual(shown(text))
                halves = self._halves[text] = (self._strings.add_safe(ja), self._strings.add_safe(en))
            numbers += halves
        return self._list(numbers)

    def _number_of(self, finding: Mapping[str, Any]) -> int:
        raw = text_of(finding.get("masked"))
        number = self._masked.get(raw)
        if number is None:
            number = self._masked[raw] = self._strings.add_safe(masked_of(finding))
        return number

    def _state(self, finding: Mapping[str, Any]) -> int:
        state = text_of(finding.get("state")) or "outside"
        if state not in self._states:
            state = shown(state)
            if state not in self._states:
                self._states.append(state)
        return self._states.index(state)

    def _times_of(self, times: Mapping[str, Any]) -> int:
        key = repr(times)
        number = self._times.get(key)
        if number is None:
            number = self._times[key] = len(self._time_rows)
            self._time_rows.append([_time_row(name, map_of(value)) for name, value in times.items()])
        return number


def _rival(code: object) -> str:
    """A rival reading in words; a code that this version does not know stands as it is."""
    words = RIVALS.get(text_of(code))
    return _BILINGUAL_SEPARATOR.join(words) if words else text_of(code)


def _identifier(finding: Mapping[str, Any]) -> str:
    """The finding's id; one of the usual form is too short to hold a number and is taken as it is."""
    text = text_of(finding.get("id"))
    return text if len(text) < 10 and text.isascii() and text.isalnum() else shown(text)


def _time_row(name: str, value: Mapping[str, Any]) -> list[Any]:
    """[name, text, is the zone known, raw text, milliseconds for sorting or None, precision in ns]."""
    ns, precision = value.get("ns"), int_of(value.get("precision_ns")) or 1
    raw = shown(value.get("raw"))
    known = bool(value.get("zone_known", True))
    if isinstance(ns, int) and not isinstance(ns, bool):
        try:
            text = jst(ns, precision_ns=precision, zone=known)
        except OverflowError:
            text = raw
        return [shown(name), text, int(known), raw, ns // 1_000_000, precision]
    return [shown(name), raw, int(known), raw, None, precision]


def _chosen(results: ScanResults, totals: Totals, max_rows: int) -> Iterator[tuple[dict[str, Any], bool]]:
    """Each finding with whether it goes onto the page: high first, then YARA, medium, low, until the page is full."""
    room, quota = max_rows, {}
    for name in ("high", "yara", "medium", "low"):
        quota[name] = min(room, totals.yara if name == "yara" else totals.of_confidence(name))
        room -= quota[name]
    for finding in results.findings():
        name = "yara" if finding["kind"] == "yara" else finding["confidence"]
        quota[name] -= 1
        yield finding, quota[name] >= 0


def pack(results: ScanResults, totals: Totals, *, max_rows: int = MAX_ROWS) -> tuple[Packed, DiskMap]:
    """Read everything a second time, into the tables and the map of the page.

    The map holds all findings; the tables at most `max_rows`, and as many lines of the coverage.
    """
    size = int_of(map_of(results.summary.get("image")).get("size")) or totals.end
    disk_map = DiskMap(size)
    packed = Packed(totals, disk_map)
    for finding, wanted in _chosen(results, totals, max_rows):
        is_yara = finding["kind"] == "yara"
        disk_map.add(
            int_of(finding.get("offset")),
            text_of(finding.get("state")) or "outside",
            3 if is_yara else CONFIDENCES.index(finding["confidence"]),
        )
        if wanted and is_yara:
            packed.add_yara(finding)
        elif wanted:
            packed.add_finding(finding)
    for item in map(map_of, list_of(results.summary.get("unreadable"))):
        disk_map.add_unreadable(int_of(item.get("offset")) or 0, int_of(item.get("size")) or 0)
    for number, line in enumerate(results.coverage()):
        if number < max_rows:
            packed.add_coverage(line)
    return packed, disk_map
