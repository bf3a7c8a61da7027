"""`triage reveal`: the numbers behind chosen findings, read again from the evidence, with a reason, in the ledger.

Values are stored nowhere. Each is found again where the finding says it lies, and shown only if its HMAC is the one in
the finding: a wrong image, or one that has changed, gives no value instead of a wrong one.
"""

from __future__ import annotations

import hashlib
import hmac
import posixpath
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chain_of_custody import FileHash, console
from chain_of_custody.errors import TargetError, UsageError
from preserve.workers import MEMORY_LIMIT_BYTES, Failure, Pool
from triage import carving
from triage.file_pass import MEMORY_WITH_PICTURES, CarveTask, FilePass, FileTask, PassSettings
from triage.findings import encode_line
from triage.masking import mask_text
from triage.media_visit import visit_media
from triage.mynumber import find_numbers
from triage.raw_pass import Scanner, check_digits
from triage.results import open_results

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from chain_of_custody import Case
    from preserve.image import Image
    from preserve.keys import Keys
    from triage.evidence_map import EvidenceMap

AROUND_BYTES = 512


@dataclass(frozen=True, slots=True)
class RevealRequest:
    """What is asked for, checked: nothing has been read from evidence yet."""

    findings: Path
    lines: tuple[Mapping[str, Any], ...]
    reason: str
    out: Path | None
    image: Path
    case: Path


@dataclass(frozen=True, slots=True)
class _Values:
    """What a child read from one file: (hmac, digits) pairs."""

    digits: Mapping[str, str] = field(repr=False)


def check_request(
    findings: Path,
    reason: str,
    ids: Sequence[str],
    out: Path | None,
    image: Path | None,
    case: Path | None,
) -> RevealRequest:
    """Check everything that can be checked before the ledger is opened; raises UsageError, TargetError."""
    if not reason.strip():
        raise UsageError(
            "理由が空です: 番号は理由なしに表示できません",
            "the reason is empty: numbers are not shown without one",
            hint_ja='--reason "…" に、誰が何のために見るかを書いてください',
            hint_en='say with --reason "…" who looks and what for',
        )
    if not findings.is_file():
        raise UsageError(f"ファイルがありません: {findings}", f"no such file: {findings}")
    if out is not None and (out.exists() or out.is_symlink()):
        raise TargetError(
            f"書き出し先が既にあります: {out}",
            f"the target exists already: {out}",
            hint_ja="別の名前を指定してください(上書きはしません)",
            hint_en="give another name (nothing is overwritten)",
        )
    results = open_results(findings.resolve().parent)
    lines = [line for line in results.findings() if line["kind"] == "my_number"]
    if ids:
        wanted = set(ids)
        lines = [line for line in lines if line["id"] in wanted]
        unknown = sorted(wanted - {line["id"] for line in lines})
        if unknown:
            raise UsageError(
                f"{findings} にない検出 ID: {', '.join(unknown)}",
                f"no such findings in {findings}: {', '.join(unknown)}",
            )
    recorded = results.summary.get("image", {}).get("path", "")
    image_path = image or Path(recorded)
    if not image_path.exists():
        raise UsageError(
            f"イメージが見つかりません: {image_path}",
            f"the image is not there: {image_path}",
            hint_ja="--image で今の場所を指定してください",
            hint_en="say with --image where it lies now",
        )
    return RevealRequest(findings, tuple(lines), reason.strip(), out, image_path, case or case_of(findings))


def case_of(findings: Path) -> Path:
    """The case in which a findings file lies."""
    for folder in findings.resolve().parents:
        if (folder / "ledger.jsonl").is_file():
            return folder
    raise UsageError(
        f"{findings} は事案フォルダーの中にありません",
        f"{findings} lies in no case folder",
        hint_ja="--case で事案フォルダーを指定してください",
        hint_en="give the case folder with --case",
    )


def reveal(request: RevealRequest, case: Case, *, passwords: tuple[str, ...] = (), keys: Keys = ()) -> int:
    """Read the values, write them to `request.out` or standard output, record it; returns the exit code (0 or 3).

    Raises EvidenceError, TargetError, LedgerError.
    """
    digest = hashlib.sha256(request.findings.read_bytes()).hexdigest()
    begin = {
        "reason": request.reason,
        "findings_sha256": digest,
        "ids": [str(line["id"]) for line in request.lines],
        "image": mask_text(str(request.image)),
        "target": mask_text(str(request.out)) if request.out else "",
    }
    with case.action("reveal", begin) as action:
        reader = _Reader(request.image, case.secret(), passwords, keys)
        revealed = reader.read(request.lines)
        text = "".join(encode_line(line) for line in revealed)
        outputs = []
        if request.out is not None:
            outputs = [_write(request.out, text)]
        missing = [str(line["id"]) for line in revealed if line["value"] is None]
        action.set_result(
            {"revealed": str(len(revealed) - len(missing)), "unreadable": missing},
            outputs=outputs,
            status="partial" if missing else "done",
        )
    if request.out is None:
        console.write_text(text)
    for identifier in missing:
        console.notice(
            f"{identifier}: 証拠から読み直せませんでした",
            f"{identifier}: could not be read again from the evidence",
        )
    return console.EXIT_PARTIAL if missing else console.EXIT_OK


def _write(out: Path, text: str) -> FileHash:
    data = text.encode("utf-8", "backslashreplace")
    try:
        with out.open("xb") as file:
            file.write(data)
    except OSError as error:
        raise TargetError(
            f"書き込めません: {out}: {error.strerror}", f"cannot write {out}: {error.strerror}"
        ) from error
    return FileHash(hashlib.sha256(data).hexdigest(), len(data))


def _carve_task(evidence: EvidenceMap, number: int, container: str) -> CarveTask | None:
    """The task that reads a carved file again, by the name that it has in its finding; None for all other names."""
    place = carving.place_of(container)
    if place is None:
        return None
    offset, kind = place
    for part in evidence.ranges_without_file:
        if part.offset <= offset < part.offset + part.size:
            return CarveTask(number, offset, part.offset + part.size - offset, kind)
    return None


class _FileReader:
    """Work of the child: everything found in one file, by HMAC."""

    def __init__(self, settings: PassSettings) -> None:
        self._pass = FilePass(settings)

    def __call__(self, task: FileTask | CarveTask) -> _Values:
        read = self._pass.read_carved(task)[0] if isinstance(task, CarveTask) else self._pass.read_file(task)
        verdicts = read.verdicts
        return _Values({self._pass.number_hmac(judged.digits): judged.digits for judged in verdicts.judged})


def _start_reader(settings: PassSettings) -> Callable[[FileTask | CarveTask], _Values]:
    return _FileReader(settings)


class _Reader:
    """Finds values again."""

    def __init__(self, image: Path, secret: bytes, passwords: tuple[str, ...], keys: Keys) -> None:
        self._image = image
        self._keys = keys
        self._secret = secret
        self._passwords = passwords

    def read(self, lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The same lines with `value` (12 ASCII digits, None where it was not found again) and whole paths."""
        done: dict[int, dict[str, Any]] = {}
        for evidence, numbers in visit_media(self._image, lines, keys=self._keys):
            self._medium(evidence, [(number, lines[number]) for number in numbers], done)
        return [done.get(number, {**line, "value": None}) for number, line in enumerate(lines)]

    def _medium(
        self, evidence: EvidenceMap, asked: Sequence[tuple[int, Mapping[str, Any]]], done: dict[int, dict[str, Any]]
    ) -> None:
        """Read the lines of one medium."""
        lines = [line for _, line in asked]
        entries: dict[str, int] = {}
        for index, entry in enumerate(evidence.entries):
            entries.setdefault("-".join(map(str, entry.id)), index)
        values: list[str | None] = [self._at_place(evidence.image, line) for line in lines]
        unread: dict[int, list[int]] = defaultdict(list)
        carved: dict[int, CarveTask] = {}
        for number, line in enumerate(lines):
            owner = entries.get(line.get("file_id", ""))
            if values[number] is None and line["state"] in ("carved", "snapshot") and not line["path"]:
                task = _carve_task(evidence, len(evidence.entries) + number, str(line["container"]))
                if task is not None:
                    carved[task.number] = task
                    unread[task.number].append(number)
            if values[number] is None and owner is not None:
                values[number] = self._in_name(posixpath.basename(evidence.entries[owner].path), line)
                if values[number] is None:
                    unread[owner].append(number)
        self._in_files(evidence, unread, lines, values, carved)
        for (number, line), value in zip(asked, values, strict=True):
            done[number] = self._line(evidence, entries.get(line.get("file_id", "")), line, value)

    def _fits(self, digits: str, line: Mapping[str, Any]) -> bool:
        computed = hmac.new(self._secret, digits.encode("ascii"), hashlib.sha256).hexdigest()
        return hmac.compare_digest(computed, str(line["hmac"]))

    def _at_place(self, image: Image, line: Mapping[str, Any]) -> str | None:
        """The number whose first digit lies at the finding's offset on the media."""
        offset = line.get("medium_offset") if line.get("medium") else line.get("offset")
        if not isinstance(offset, int) or not 0 <= offset < image.size:
            return None
        start = max(0, offset - AROUND_BYTES)
        data = np.frombuffer(image.read_at(start, 2 * AROUND_BYTES), np.uint8)
        for _, offsets, digits in Scanner().scan(data, 0, len(data), base=start):
            near = (np.abs(offsets - offset) <= 1) & check_digits(digits)
            for row in digits[near]:
                value = "".join(map(str, row.tolist()))
                if self._fits(value, line):
                    return value
        return None

    def _in_name(self, name: str, line: Mapping[str, Any]) -> str | None:
        for one in (name, name.replace("_", "、")):
            for written in find_numbers(one):
                if self._fits(written.digits, line):
                    return written.digits
        return None

    def _in_files(
        self,
        evidence: EvidenceMap,
        in_files: Mapping[int, Sequence[int]],
        lines: Sequence[Mapping[str, Any]],
        values: list[str | None],
        carved: Mapping[int, CarveTask],
    ) -> None:
        """Take files apart again, as the scan did, and look for the wanted HMACs."""
        files = {file.number: file for file in evidence.files}
        recipe = evidence.evidence.recipe
        tasks: list[FileTask | CarveTask] = [
            FileTask(index, files[index].file_id, files[index].name, files[index].size, visible=False)
            for index in in_files
            if index in files
        ]
        tasks += carved.values()
        in_pictures = any(lines[number].get("encoding") == "ocr" for numbers in in_files.values() for number in numbers)
        settings = PassSettings(
            recipe or self._image, self._secret, self._passwords, ocr="all" if in_pictures else "off"
        )
        memory = MEMORY_WITH_PICTURES if in_pictures else MEMORY_LIMIT_BYTES
        with Pool(_start_reader, settings, 1, memory_bytes=memory) as pool:
            for task, outcome in pool.run(tasks):
                if isinstance(outcome, Failure):
                    continue
                for number in in_files[task.number]:
                    values[number] = outcome.digits.get(str(lines[number]["hmac"]))

    def _line(
        self,
        evidence: EvidenceMap,
        index: int | None,
        line: Mapping[str, Any],
        value: str | None,
    ) -> dict[str, Any]:
        shown = {**line, "value": value}
        if index is not None:
            path = evidence.entries[index].path
            shown |= {"path": path, "layers": line["layers"].removesuffix(line["path"]) + path}
        return shown
