"""Pass 2: files read through the file system and decoded; what the raw bytes on the disk do not show.

Runs inside worker processes (`preserve.workers`): each opens the image for itself, gets tasks and answers with results
that hold masked numbers and HMACs, never digits. Three kinds of tasks: a file with everything inside it, names of
files, and windows of undecoded media around raw hits.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from chain_of_custody.errors import EvidenceError, EvidenceFormatError
from preserve.filesystem import open_filesystem
from preserve.nested import nested_format
from preserve.recipe import Recipe
from preserve.volumes import open_volumes
from triage import carving, extractors
from triage.extractors import binary, memory_files, plain
from triage.extractors.model import HEAD_SIZE, Context, Decision, Limits, Problem
from triage.masking import mask_number, mask_text
from triage.raw_hits import Window, window_text
from triage.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from preserve.filesystem import FileId, FileReader, FileSystem
    from preserve.image import Image
    from triage.judge import Judge, Verdicts
    from triage.known_files import KnownFiles
    from triage.yara_rules import Rules

OcrMode = Literal["auto", "all", "off"]

SECONDS_PER_FILE = 120.0
"""Soft limit for one file with everything inside it: what was found until then is kept."""

SECONDS_PER_FILE_WITH_PICTURES = 900.0
"""The same where pictures are read: a scanned page takes seconds."""

MEMORY_WITH_PICTURES = 4 << 30
"""Address space of a child that reads pictures: the models alone take most of a gibibyte."""

HASHED_BYTES = 4 << 30
"""Largest file that is hashed so that copies of it can be told."""

GRACE_SECONDS = 60.0
"""How much longer a child may take before it is killed: a parser in C does not look at the clock."""


@dataclass(frozen=True, slots=True)
class PassSettings:
    """What every worker needs; travels through a pipe, never through a file."""

    image: Path | Recipe
    secret: bytes = field(repr=False)
    passwords: tuple[str, ...] = field(default=(), repr=False)
    rules: Rules | None = None
    ocr: OcrMode = "off"
    known: KnownFiles | None = None

    @property
    def seconds_per_file(self) -> float:
        """Soft limit for one file."""
        return SECONDS_PER_FILE if self.ocr == "off" else SECONDS_PER_FILE_WITH_PICTURES

    def seconds_for(self, name: str, size: int) -> float:
        """Soft limit for the file `name` of `size` bytes: memory in files gets time by its size."""
        seconds = self.seconds_per_file
        if memory_files.matches(bytes(4), name, size):
            seconds += size / memory_files.BYTES_PER_SECOND
        return seconds


@dataclass(frozen=True, slots=True)
class FileTask:
    """One stream of a file. `visible` says that the raw pass saw its bytes in one piece and in order."""

    number: int
    file_id: FileId
    name: str
    size: int
    visible: bool
    seconds: float = SECONDS_PER_FILE + GRACE_SECONDS


@dataclass(frozen=True, slots=True)
class NameTask:
    """Names of files to be judged: (number of the file's task, path)."""

    number: int
    names: tuple[tuple[int, str], ...] = field(repr=False)
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class WindowTask:
    """Windows of media around raw hits."""

    number: int
    windows: tuple[Window, ...]
    seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class RangeTask:
    """A range of media in no file, for YARA rules: `offset`, `size` in bytes of the media.

    The first `core` bytes are this range's own; the rest overlaps with the next one.
    """

    number: int
    offset: int
    size: int
    core: int
    state: str
    seconds: float = SECONDS_PER_FILE + GRACE_SECONDS


@dataclass(frozen=True, slots=True)
class CarveTask:
    """A sector in no file that begins like a file of `kind`; it may take `size` bytes of the media at most."""

    number: int
    offset: int
    size: int
    kind: str
    seconds: float = SECONDS_PER_FILE + GRACE_SECONDS


AnyTask = FileTask | NameTask | WindowTask | RangeTask | CarveTask


@dataclass(frozen=True, slots=True)
class FoundNumber:
    """A judged number without its digits. `owner` is the window's or name's number, 0 for files."""

    hmac: str
    masked: str
    confidence: str
    reasons: tuple[str, ...]
    reason_codes: tuple[str, ...]
    rivals: tuple[str, ...]
    container: str
    location: str
    encoding: str
    byte_offset: int | None
    owner: int = 0


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What a task gave.

    `read_as` is "text" where the file's own bytes were decoded as plain text, "document" where a parser took it apart,
    "known" where it was skipped, "" where nothing reads it (its raw bytes were searched all the same).
    """

    found: tuple[FoundNumber, ...] = ()
    problems: tuple[Problem, ...] = ()
    rejected: tuple[tuple[str, int], ...] = ()
    labelled_wrong: int = 0
    labelled_rounded: int = 0
    yara: tuple[Mapping[str, Any], ...] = ()
    read_as: str = ""
    decisions: tuple[Decision, ...] = ()
    """One for each picture in the file."""
    carved_bytes: int = 0
    """Size of a carved file; 0 where the candidate was none."""
    image_format: str = ""
    """Set where the file is itself an image of a medium: "e01", "qcow2", "raw" …"""
    opened: tuple[str, ...] = ()
    """Containers in the file that a password opened, "" for the file itself."""
    content_sha256: str = ""
    """Of the file's content (hex), where something was found in it and it is not larger than `HASHED_BYTES`."""
    known: str = ""
    """Name of the hash set that holds the file; where known files are skipped, `read_as` is "known"."""


@dataclass(frozen=True, slots=True)
class FileRead:
    """One file taken apart: `verdicts` hold digits and stay in the process."""

    verdicts: Verdicts = field(repr=False)
    problems: list[Problem]
    decisions: list[Decision]
    read_as: str
    opened: frozenset[str]
    image_format: str = ""


class FileSource:
    """A file of the file system as the extractors see it."""

    container = ""

    def __init__(self, reader: FileReader, name: str) -> None:
        self._reader = reader
        self.name = name
        self.size = reader.size
        self._head: bytes | None = None

    def read_at(self, offset: int, size: int, /) -> bytes:
        """Up to `size` bytes from `offset`. The head is read once: everybody looks at it."""
        if offset + size > HEAD_SIZE and offset + size < self.size:
            return self._reader.read_at(offset, size)
        if self._head is None:
            self._head = self._reader.read_at(0, HEAD_SIZE)
        if offset == 0 and size == HEAD_SIZE:
            return self._head
        end = min(offset + size, self.size)
        return self._head[offset:end] if end <= len(self._head) else self._reader.read_at(offset, size)


class _RangeReader:
    """A range of the media as something to read."""

    def __init__(self, image: Image, offset: int, size: int) -> None:
        self._image = image
        self._offset = offset
        self.size = size

    def read_at(self, offset: int, size: int, /) -> bytes:
        """Up to `size` bytes from `offset` of the range."""
        return self._image.read_at(self._offset + offset, min(size, max(self.size - offset, 0)))


def _new_judge() -> Judge:
    # Its patterns take longer to compile than all else to load; who only hands out tasks needs none of them.
    from triage.judge import Judge  # noqa: PLC0415

    return Judge()


class FilePass:
    """The work of one child: opens the image once, then does tasks."""

    def __init__(self, settings: PassSettings, image: Image | None = None) -> None:
        """`image`: the medium where it is open already; else it is opened as `settings` say."""
        self._settings = settings
        recipe = settings.image if isinstance(settings.image, Recipe) else Recipe(settings.image)
        self._image: Image = recipe.open(threads=1) if image is None else image
        self._volumes, _ = open_volumes(self._image)
        self._filesystems: dict[int, FileSystem] = {}

    def __call__(self, task: AnyTask) -> TaskResult:
        """Do one task."""
        match task:
            case FileTask():
                return self._file(task)
            case NameTask():
                return self._names(task)
            case WindowTask():
                return self._windows(task)
            case RangeTask():
                return self._range(task)
            case CarveTask():
                return self._carve(task)

    @property
    def image(self) -> Image:
        """The medium."""
        return self._image

    def open(self, file_id: FileId) -> FileReader:
        """The content of a stream; raises EvidenceError where it cannot be opened."""
        index = file_id[0]
        if index not in self._filesystems:
            # Opened when a file of it is asked for: a volume that crashes the parser must not stop the others.
            filesystem = open_filesystem(self._volumes[index], [])
            if filesystem is None:
                raise EvidenceFormatError("ファイルシステムを開けません", "the file system cannot be opened")
            self._filesystems[index] = filesystem
        return self._filesystems[index].open(file_id)

    def number_hmac(self, digits: str) -> str:
        """HMAC-SHA256 of the 12 ASCII digits with the secret of the case, in hex."""
        return hmac.new(self._settings.secret, digits.encode("ascii"), hashlib.sha256).hexdigest()

    def read_file(self, task: FileTask) -> FileRead:
        """Everything found in one file, with digits; only `triage reveal` may call this from outside."""
        reader = self.open(task.file_id)
        source = FileSource(reader, task.name)
        judge = _new_judge()
        problems: list[Problem] = []
        decisions: list[Decision] = []
        head = source.read_at(0, HEAD_SIZE)
        extractor = extractors.extractor_of(head, task.name, source.size)
        read_as = "text" if extractor is plain else "" if extractor in (None, binary) else "document"
        context = Context(
            limits=Limits(seconds=self._settings.seconds_for(task.name, task.size)),
            passwords=self._settings.passwords,
            ocr=self._settings.ocr,
            file_seen_raw=task.visible,
        )
        if read_as or not task.visible:
            for piece in extractors.extract_all(source, context):
                if isinstance(piece, Text):
                    judge.feed(piece)
                elif isinstance(piece, Decision):
                    decisions.append(piece)
                else:
                    problems.append(piece)
        is_descriptor = head.startswith(b"# Disk DescriptorFile")  # of a VMDK: a text that names its extents
        image_format = nested_format(reader, head) or "" if not read_as or is_descriptor else ""
        return FileRead(judge.finish(), problems, decisions, read_as, frozenset(context.opened), image_format)

    def _file(self, task: FileTask) -> TaskResult:
        known = ""
        try:
            if self._settings.known is not None:
                known = self._settings.known.match(self.open(task.file_id))
                if known and self._settings.known.mode == "skip":
                    return TaskResult(read_as="known", known=known)
            read = self.read_file(task)
            digest = self._content_sha256(task) if read.verdicts.judged else ""
        except EvidenceError as error:
            return TaskResult(problems=(Problem("damaged", mask_text(error.ja), mask_text(error.en)),))
        problems = read.problems
        matches: Sequence[Mapping[str, Any]] = ()
        if self._settings.rules is not None:
            found = self._settings.rules.match(self.open(task.file_id), name=task.name)
            matches = [match.to_json() for match in found.matches]
            problems += found.problems
        result = self._result([(0, read.verdicts)], problems=problems, yara=matches, read_as=read.read_as)
        return replace(
            result,
            decisions=tuple(read.decisions),
            opened=tuple(sorted(read.opened)),
            content_sha256=digest,
            image_format=read.image_format,
            known=known,
        )

    def _content_sha256(self, task: FileTask) -> str:
        """SHA-256 (hex) of the whole content; "" where it is too large."""
        reader = self.open(task.file_id)
        if reader.size > HASHED_BYTES:
            return ""
        digest = hashlib.sha256()
        offset = 0
        while data := reader.read_at(offset, 1 << 20):
            digest.update(data)
            offset += len(data)
        return digest.hexdigest()

    def _names(self, task: NameTask) -> TaskResult:
        from triage.judge import judge_name  # noqa: PLC0415 - see `_new_judge`

        def judged() -> Iterator[tuple[int, Verdicts]]:
            for owner, name in task.names:
                yield owner, judge_name(name)

        return self._result(judged())

    def _windows(self, task: WindowTask) -> TaskResult:
        def judged() -> Iterator[tuple[int, Verdicts]]:
            for owner, window in enumerate(task.windows):
                judge = _new_judge()
                judge.feed(window_text(self._image, window))
                yield owner, judge.finish()

        return self._result(judged())

    def _result(
        self,
        judged: Iterable[tuple[int, Verdicts]],
        *,
        problems: Sequence[Problem] = (),
        yara: Sequence[Mapping[str, Any]] = (),
        read_as: str = "",
    ) -> TaskResult:
        """The result of a task, without digits; verdicts come with the number of what they belong to."""
        found: list[FoundNumber] = []
        rejected: Counter[str] = Counter()
        wrong = rounded = 0
        for owner, verdicts in judged:
            found += self._masked(verdicts, owner)
            rejected.update(verdicts.rejected)
            wrong += verdicts.labelled_wrong
            rounded += verdicts.labelled_rounded
        return TaskResult(
            found=tuple(found),
            problems=tuple(problems),
            rejected=tuple(sorted(rejected.items())),
            labelled_wrong=wrong,
            labelled_rounded=rounded,
            yara=tuple(yara),
            read_as=read_as,
        )

    def _range(self, task: RangeTask) -> TaskResult:
        if self._settings.rules is None:
            return TaskResult()
        found = self._settings.rules.match(_RangeReader(self._image, task.offset, task.size))
        kept = []
        for match in found.matches:
            value = match.to_json()
            # What starts in the overlap belongs to the next range.
            value["strings"] = [string for string in value["strings"] if string["offset"] < task.core]
            if value["strings"] or not match.strings:
                kept.append(value)
        return self._result((), problems=found.problems, yara=kept)

    def read_carved(self, task: CarveTask) -> tuple[FileRead, int]:
        """Everything found in a carved file, with digits, and its size in bytes (0: it is no file)."""
        size = carving.length(_RangeReader(self._image, task.offset, task.size), task.kind)
        judge = _new_judge()
        problems: list[Problem] = []
        decisions: list[Decision] = []
        context = Context(
            limits=Limits(seconds=self._settings.seconds_per_file),
            passwords=self._settings.passwords,
            ocr=self._settings.ocr,
        )
        if size:
            source = FileSource(_RangeReader(self._image, task.offset, size), carving.name_of(task.offset, task.kind))
            for piece in extractors.extract_all(source, context):
                if isinstance(piece, Text):
                    judge.feed(piece)
                elif isinstance(piece, Decision):
                    decisions.append(piece)
                elif piece.reason in ("encrypted", "limit"):
                    problems.append(piece)  # damage is what carving is about
        return FileRead(judge.finish(), problems, decisions, "document", frozenset(context.opened)), size

    def _carve(self, task: CarveTask) -> TaskResult:
        read, size = self.read_carved(task)
        result = self._result([(0, read.verdicts)], problems=read.problems, read_as="document")
        return replace(result, decisions=tuple(read.decisions), opened=tuple(sorted(read.opened)), carved_bytes=size)

    def _masked(self, verdicts: Verdicts, owner: int = 0) -> Sequence[FoundNumber]:
        return [
            FoundNumber(
                hmac=self.number_hmac(judged.digits),
                masked=mask_number(judged.digits),
                confidence=judged.confidence,
                reasons=tuple(f"{reason.ja} / {reason.en}" for reason in judged.reasons),
                reason_codes=tuple(reason.code for reason in judged.reasons),
                rivals=tuple(judged.rivals),
                container=judged.container,
                location=judged.location,
                encoding=judged.encoding,
                byte_offset=judged.byte_offset,
                owner=owner,
            )
            for judged in verdicts.judged
        ]


def start_pass(settings: PassSettings) -> FilePass:
    """What a worker process calls once (`preserve.workers.Pool`)."""
    return FilePass(settings)
