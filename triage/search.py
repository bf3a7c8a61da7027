"""`triage search`: words and expressions over everything a scan reads: raw media in all encodings, files taken apart.

Results go to `<case>/searches/<n>-<image>/`: `hits.jsonl` (one line a hit, with a few words around it, numbers masked),
`coverage.jsonl` (what was not read), `summary.json` (counts for each word). The words themselves may be personal data:
the ledger names them by number and keeps them in the removable details of a note.
"""

from __future__ import annotations

import json
import posixpath
from collections import Counter
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from chain_of_custody import FileHash, console
from chain_of_custody.errors import EvidenceError, UsageError
from preserve.extents import DELETED, STATES
from preserve.inner import in_files
from preserve.nested import nested_format
from preserve.workers import MEMORY_LIMIT_BYTES, Failure, Pool
from triage import evidence_map, extractors, ocr
from triage.collected import FAILURE_WORDS
from triage.extractors import binary
from triage.extractors.digits import read_everything
from triage.extractors.model import HEAD_SIZE, Context, Limits, Problem
from triage.file_pass import GRACE_SECONDS, MEMORY_WITH_PICTURES, FilePass, FileSource, PassSettings
from triage.findings import CoverageLine, encode_line, write_lines
from triage.masking import mask_text
from triage.nested_media import DEEPEST
from triage.numbered_folders import next_folder
from triage.scope import modified, scope_of
from triage.text import Text
from triage.words import Hit, RawSearch, TextSearch, Words, normalised

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from chain_of_custody import Case
    from preserve.filesystem import FileId
    from preserve.keys import Keys
    from triage.evidence_map import EvidenceMap
    from triage.file_pass import OcrMode

RANGE_BYTES = 64 << 20
OVERLAP_BYTES = 4096
AROUND = 30
"""Characters shown on each side of a hit."""
MOST_HITS = 5_000
"""Hits kept of one word in one file or range; all are counted."""


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """What a search may be asked for."""

    words: Words
    passwords: tuple[str, ...] = field(default=(), repr=False)
    keys: Keys = field(default=(), repr=False)
    ocr: OcrMode = "off"
    jobs: int = 1


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """What each worker needs."""

    settings: PassSettings
    words: Words


@dataclass(frozen=True, slots=True)
class SearchTask:
    """A file to be taken apart (`file_id`), or a range of the medium (`offset`, `size`, own part `core`)."""

    number: int
    file_id: FileId | None
    name: str
    offset: int = 0
    size: int = 0
    core: int = 0
    visible: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Found:
    """One hit: `offset` counts in the file's content or, for ranges, on the medium; -1 where there is none."""

    word: int
    offset: int
    encoding: str
    container: str
    location: str
    before: str
    text: str
    after: str


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a task gave. `counts` holds (word, hits) of all, also of those beyond MOST_HITS."""

    found: tuple[Found, ...] = ()
    counts: tuple[tuple[int, int], ...] = ()
    problems: tuple[Problem, ...] = ()
    is_image: bool = False


class _SearchPass:
    """The work of one child."""

    def __init__(self, settings: SearchSettings) -> None:
        read_everything()
        self._settings = settings
        self._files = FilePass(settings.settings)
        self._text = TextSearch(settings.words)
        self._raw = RawSearch(settings.words)

    def __call__(self, task: SearchTask) -> SearchResult:
        kept: list[Found] = []
        counts: Counter[int] = Counter()

        def keep(found: Found) -> None:
            counts[found.word] += 1
            if counts[found.word] <= MOST_HITS:
                kept.append(found)

        problems: list[Problem] = []
        is_image = False
        try:
            if task.file_id is None:
                self._range(task, keep)
            else:
                is_image = self._file(task, keep, problems)
        except TimeoutError:
            problems.append(Problem("limit", "検索が時間の上限に達しました", "the search ran out of time"))
        except EvidenceError as error:
            problems.append(Problem("damaged", mask_text(error.ja), mask_text(error.en)))
        return SearchResult(tuple(kept), tuple(sorted(counts.items())), tuple(problems), is_image)

    def _range(self, task: SearchTask, keep: Any) -> None:  # noqa: ANN401 - the closure above
        data = self._files.image.read_at(task.offset, task.size)
        for hit, encoding in self._raw.hits(data):
            if hit.start < task.core:
                keep(_raw_found(data, hit, encoding, task.offset))

    def _file(self, task: SearchTask, keep: Any, problems: list[Problem]) -> bool:  # noqa: ANN401
        assert task.file_id is not None
        reader = self._files.open(task.file_id)
        source = FileSource(reader, task.name)
        head = source.read_at(0, HEAD_SIZE)
        extractor = extractors.extractor_of(head, task.name, source.size)
        if not task.visible:
            # Compressed or in pieces on the medium: its bytes were not seen in order.
            step = RANGE_BYTES - OVERLAP_BYTES
            for start in range(0, max(source.size, 1), step):
                data = source.read_at(start, RANGE_BYTES)
                for hit, encoding in self._raw.hits(data):
                    if hit.start < step:
                        keep(_raw_found(data, hit, encoding, start))
        if extractor in (None, binary):
            return nested_format(reader, head) is not None
        settings = self._settings.settings
        context = Context(
            limits=Limits(seconds=settings.seconds_per_file),
            passwords=settings.passwords,
            ocr=settings.ocr,
            file_seen_raw=True,
        )
        for piece in extractors.extract_all(source, context):
            if isinstance(piece, Problem):
                problems.append(piece)
            elif isinstance(piece, Text):
                for found in self._in_text(piece):
                    keep(found)
        return False

    def _in_text(self, text: Text) -> Iterator[Found]:
        content = normalised(text.content)
        for hit in self._text.hits(content):
            if 0 < hit.end <= text.overlap:
                continue  # seen at the end of the piece before
            offset = -1
            if text.offsets is not None and not text.container and len(content) == len(text.content):
                offset = text.offsets.byte_of(hit.start)
            yield Found(
                hit.word,
                offset,
                text.encoding,
                mask_text(text.container),
                mask_text(text.location),
                *_shown(
                    content[max(0, hit.start - AROUND) : hit.start],
                    content[hit.start : hit.end],
                    content[hit.end : hit.end + AROUND],
                ),
            )


def _shown(before: str, text: str, after: str) -> tuple[str, str, str]:
    """The words around a hit on one line; a number that they make up together is masked."""
    parts = [" ".join(part.split()) for part in (before, text, after)]
    whole = "\x1f".join(parts)
    masked = mask_text(whole.replace("\x1f", ""))
    if masked == whole.replace("\x1f", ""):
        return parts[0], parts[1], parts[2]
    split = [mask_text(part) for part in parts]
    # A number that runs over a border has been masked in the whole only: then the parts say nothing of it.
    if "".join(split) != masked:
        return "…", "…", "…"
    return split[0], split[1], split[2]


def _raw_found(data: bytes, hit: Hit, encoding: str, base: int) -> Found:
    width = 2 if encoding.startswith("utf-16") else 1
    low = max(hit.start - 3 * AROUND, hit.start % width)
    codec = "iso2022_jp" if encoding == "iso2022_jp" else encoding

    def decoded(part: bytes) -> str:
        if codec == "iso2022_jp":
            part = b"\x1b$B" + part
        text = part.decode(codec, "replace")
        return "".join(character if character.isprintable() else " " for character in text)

    around = (
        decoded(data[low : hit.start])[-AROUND:],
        decoded(data[hit.start : hit.end]),
        decoded(data[hit.end : hit.end + 3 * AROUND])[:AROUND],
    )
    return Found(hit.word, base + hit.start, encoding, "", "", *_shown(*around))


def start_search(settings: SearchSettings) -> _SearchPass:
    """What a worker process calls once."""
    return _SearchPass(settings)


# --- the whole search -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SearchOutcome:
    """Where the results lie and what they say in short."""

    folder: Path
    summary: dict[str, Any]
    exit_code: int


def search(image: Path, case: Case, options: SearchOptions) -> SearchOutcome:
    """Search `image` and record it in `case`; raises EvidenceError, TargetError, LedgerError, UsageError."""
    image = image.resolve()
    if not image.exists():
        raise UsageError(f"イメージがありません: {image}", f"no such image: {image}")
    listing = json.dumps(
        {"words": list(options.words.literal), "expressions": list(options.words.expressions)}, ensure_ascii=False
    )
    note = case.append(
        "note",
        {"text": console.text("検索語は details にある", "the words searched for are in the details")},
        details=mask_text(listing).encode(),
    )
    folder = next_folder(case.path / "searches", mask_text(image.name))
    begin = {
        "image": mask_text(str(image)),
        "words": str(len(options.words.literal)),
        "expressions": str(len(options.words.expressions)),
        "words_in": str(note.seq),
        "results": f"searches/{folder.name}",
    }
    with case.action("search", begin, item=mask_text(image.name)) as action:
        folder.mkdir(parents=True)
        outcome = _search(image, case, options, folder)
        names = ("hits.jsonl", "coverage.jsonl", "summary.json")
        action.set_result(
            {"results": f"searches/{folder.name}", "hits": str(outcome.summary["hits"]), "files": list(names)},
            outputs=[FileHash.of_file(folder / name) for name in names],
            status="done" if outcome.exit_code == 0 else "partial",
        )
    return outcome


def _search(image: Path, case: Case, options: SearchOptions, folder: Path) -> SearchOutcome:
    counts: Counter[int] = Counter()
    coverage: set[CoverageLine] = set()
    hits = outside = 0
    with (
        (folder / "hits.jsonl").open("x", encoding="utf-8", newline="\n", errors="backslashreplace") as file,
        evidence_map.walk(image, threads=options.jobs, keys=options.keys) as evidence,
    ):
        limits = scope_of(case.path)
        for line, modified_ns in _Search(case, options, coverage, counts).medium(evidence, 0):
            if limits is not None and not limits.holds("search", line["path"], modified_ns):
                outside += 1
                continue
            hits += 1
            file.write(encode_line({"v": 1, "id": f"H{hits:06d}", **line}))
        size = evidence.image.size
        no_filesystem = not evidence.kinds
    exit_code = 3 if coverage or no_filesystem else 0
    write_lines(folder / "coverage.jsonl", (line.to_json() for line in sorted(coverage)))
    summary: dict[str, Any] = {
        "v": 1,
        "image": {"path": mask_text(str(image)), "name": mask_text(image.name), "size": size},
        "tool": {"name": "hozen", "version": version("hozen")},
        "words": [
            {"number": number, "word": mask_text(word), "hits": counts[number]}
            for number, word in enumerate(options.words.names)
        ],
        "hits": hits,
        "hits_total": sum(counts.values()),
        "coverage_lines": len(coverage),
        "exit_code": exit_code,
    }
    if limits is not None:
        summary["scope"] = {"entry": limits.seq, "outside": outside}
    with (folder / "summary.json").open("x", encoding="utf-8", newline="\n") as file:
        json.dump(summary, file, ensure_ascii=False, indent=1)
        file.write("\n")
    return SearchOutcome(folder, summary, exit_code)


class _Search:
    """One search over a medium and the media inside it."""

    def __init__(self, case: Case, options: SearchOptions, coverage: set[CoverageLine], counts: Counter[int]) -> None:
        self._case = case
        self._options = options
        self._coverage = coverage
        self._counts = counts

    def medium(self, evidence: EvidenceMap, depth: int) -> Iterator[tuple[dict[str, Any], int | None]]:
        """Hits of one medium, then of those inside it; beside each the time of its file's last change (ns UTC)."""
        recipe = evidence.evidence.recipe
        if recipe is None:
            raise UsageError("媒体を開き直せません", "the medium cannot be opened again")
        settings = PassSettings(recipe, b"", self._options.passwords, None, self._options.ocr)
        tasks = list(self._tasks(evidence, settings.seconds_per_file + GRACE_SECONDS))
        reads_pictures = settings.ocr != "off" and ocr.is_installed()
        memory = MEMORY_WITH_PICTURES if reads_pictures else MEMORY_LIMIT_BYTES
        results: dict[int, SearchResult] = {}
        words = console.text("検索", "searching")
        argument = SearchSettings(settings, self._options.words)
        with (
            console.progress(words, len(tasks), unit="items") as progress,
            Pool(start_search, argument, self._options.jobs, memory_bytes=memory) as pool,
        ):
            for task, outcome in pool.run(tasks):
                progress.advance(1)
                if isinstance(outcome, Failure):
                    reason, ja, en = FAILURE_WORDS[outcome.kind]
                    self._line(evidence, task, Problem(reason, ja, en))
                else:
                    results[task.number] = outcome
                    for problem in outcome.problems:
                        self._line(evidence, task, problem)
        for trouble in evidence.problems:
            self._coverage.add(CoverageLine("", trouble.reason, mask_text(trouble.detail), mask_text(trouble.where)))
        for index in evidence.unreadable_files:
            place = evidence.place(index)
            detail = "暗号化または未対応のファイル / encrypted or unsupported file"
            self._coverage.add(CoverageLine(place.path, "encrypted", detail, place.layers))
        yield from self._hits(evidence, tasks, results)
        holders = [
            task.number for task in tasks if task.file_id and task.number in results and results[task.number].is_image
        ]
        if depth < DEEPEST:
            for inner in [*evidence.inner, *in_files(evidence.evidence, holders)]:
                try:
                    with evidence_map.walk_inner(evidence, inner, keys=self._options.keys) as inside:
                        yield from self.medium(inside, depth + 1)
                except EvidenceError as error:
                    self._coverage.add(
                        CoverageLine(
                            "", "damaged", f"{mask_text(error.ja)} / {mask_text(error.en)}", mask_text(inner.layer)
                        )
                    )

    def _tasks(self, evidence: EvidenceMap, seconds: float) -> Iterator[SearchTask]:
        for file in evidence.files:
            yield SearchTask(
                file.number, file.file_id, file.name, size=file.size, visible=file.visible, seconds=seconds
            )
        number = len(evidence.entries)
        ranges = evidence.search_ranges
        spans = [(0, evidence.image.size)] if ranges is None else [(part.offset, part.size) for part in ranges]
        for low, size in spans:
            for offset in range(low, low + size, RANGE_BYTES):
                length = min(RANGE_BYTES + OVERLAP_BYTES, low + size - offset)
                yield SearchTask(number, None, "", offset, length, min(length, RANGE_BYTES), seconds=seconds)
                number += 1

    def _line(self, evidence: EvidenceMap, task: SearchTask, problem: Problem) -> None:
        place = evidence.place(task.number) if task.file_id else None
        self._coverage.add(
            CoverageLine(
                path=place.path if place else "",
                reason=problem.reason,
                detail=f"{problem.ja} / {problem.en}",
                layers=place.layers if place else evidence.layers_at(task.offset),
                container=mask_text(problem.container),
                offset=-1 if place else task.offset,
                size=-1 if place else task.size,
            )
        )

    def _hits(
        self, evidence: EvidenceMap, tasks: Sequence[SearchTask], results: dict[int, SearchResult]
    ) -> Iterator[tuple[dict[str, Any], int | None]]:
        """Hits by place; what was seen both in a file's text and in its raw bytes is one."""
        seen: set[tuple[int, int]] = set()
        # Hits of text without a place of its own: the same word's raw bytes in that file are the same hits.
        loose: Counter[tuple[int, int]] = Counter()
        for task in tasks:
            result = results.get(task.number)
            if result is None or task.file_id is None or not result.found:
                continue
            place = evidence.place(task.number)
            self._counts.update(dict(result.counts))
            for found in result.found:
                offset = place.media_offset(found.offset) if found.offset >= 0 and not found.container else None
                if offset is not None:
                    if (found.word, offset) in seen:
                        self._counts[found.word] -= 1
                        continue
                    seen.add((found.word, offset))
                elif not found.container:
                    loose[found.word, task.number] += 1
                yield (
                    self._hit(found, place.state, place.layers, place.path, offset, place.file_id),
                    modified(place.times),
                )
        for task in tasks:
            result = results.get(task.number)
            if result is None or task.file_id is not None or not result.found:
                continue
            self._counts.update(dict(result.counts))
            offsets = np.array([found.offset for found in result.found], dtype=np.int64)
            located = evidence.extents.locate(offsets)
            owners = evidence.file_numbers(located.entry)
            for at, found in enumerate(result.found):
                if (found.word, found.offset) in seen or (found.word, found.offset - 1) in seen:
                    self._counts[found.word] -= 1
                    continue
                owner = int(owners[at])
                if located.state[at] <= DELETED and loose[found.word, owner] > 0:
                    loose[found.word, owner] -= 1
                    self._counts[found.word] -= 1
                    continue
                state = STATES[located.state[at]]
                place_or_none = evidence.place(owner) if owner >= 0 else None
                layers = place_or_none.layers if place_or_none else evidence.layers_at(found.offset)
                inside = replace(found, offset=int(located.file_offset[at]) if located.state[at] <= DELETED else -1)
                hit = self._hit(
                    inside,
                    state,
                    layers,
                    place_or_none.path if place_or_none else "",
                    found.offset,
                    place_or_none.file_id if place_or_none else "",
                )
                yield hit, modified(place_or_none.times) if place_or_none else None

    def _hit(
        self, found: Found, state: str, layers: str, path: str, offset: int | None, file_id: str
    ) -> dict[str, Any]:
        return {
            "word": found.word,
            "before": found.before,
            "text": found.text,
            "after": found.after,
            "layers": layers,
            "path": path,
            "name": posixpath.basename(path),
            "state": state,
            "offset": offset,
            "file_offset": found.offset if found.offset >= 0 and not found.container else None,
            "container": found.container,
            "location": found.location,
            "encoding": found.encoding,
            "file_id": file_id,
        }
