"""Findings of a scan as a table for other programs: CSV, XLSX or JSON, masked like the report.

```python
export_findings(Path("x.case/scans/1-disk.E01"), Path("findings.xlsx"), language="ja")
```
An export holds no HMAC (it is handled like the number); equal numbers carry the same running number, which is that of
the report. Text from evidence never becomes a formula: in CSV a cell that a spreadsheet could calculate gets an
apostrophe in front, in XLSX all text is typed as text.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Literal

from chain_of_custody.errors import Language, TargetError, UsageError
from triage.lifecycle import STAGE_WORDS
from triage.report import CONFIDENCE_WORDS, hash_verdict, image_name, reason_words, state_words, time_of, version_of
from triage.report_data import PROTECTION_WORDS, bilingual, count, jst, masked_of, person_key, shown, words_of
from triage.results import int_of, list_of, map_of, open_results, text_of
from triage.rivals import RIVALS
from triage.spreadsheet import Workbook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from triage.report_data import Totals
    from triage.results import ScanResults
    from triage.spreadsheet import Cell

Format = Literal["csv", "xlsx", "json"]
FORMATS: tuple[Format, ...] = ("csv", "xlsx", "json")

# What a spreadsheet may take for the beginning of a formula, in both widths.
_FORMULA_STARTS = tuple("=+-@＝＋－＠\t\r\n")
_MAX_OFFSETS = 50
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: `rows` findings, and the file's size in bytes and SHA-256."""

    path: Path
    rows: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class _Column:
    key: str
    ja: str
    en: str
    width: int


_COLUMNS = (
    _Column("id", "所見ID", "Finding", 10),
    _Column("kind", "種類", "Kind", 11),
    _Column("confidence", "確度", "Confidence", 9),
    _Column("masked", "個人番号(下4桁)", "My Number (last four)", 16),
    _Column("person", "番号#", "Number #", 9),
    _Column("path", "場所", "Path", 60),
    _Column("container", "格納先", "Container", 30),
    _Column("location", "中の位置", "Within", 16),
    _Column("state", "状態", "State", 16),
    _Column("offset", "媒体上の位置(バイト)", "Offset in the media (bytes)", 18),
    _Column("offset_hex", "媒体上の位置(16進)", "Offset in the media (hex)", 18),
    _Column("file_offset", "ファイル内の位置(バイト)", "Offset in the file (bytes)", 16),
    _Column("copies", "別の位置", "Also at", 20),
    _Column("encoding", "符号化", "Encoding", 10),
    _Column("modified", "更新時刻", "Modified", 30),
    _Column("created", "作成時刻", "Created", 30),
    _Column("accessed", "アクセス時刻", "Accessed", 30),
    _Column("changed", "管理情報変更時刻", "Metadata changed", 30),
    _Column("reasons", "判定の理由", "Reasons", 60),
    _Column("rivals", "ほかの読み方", "Other readings", 30),
    _Column("stage", "段階", "Stage", 12),
    _Column("protection", "保護", "Protection", 24),
    _Column("same_content", "同じ内容のファイル(他)", "Other files of the same content", 14),
    _Column("content_sha256", "ファイルの SHA-256", "SHA-256 of the file", 30),
    _Column("rule", "YARA 規則", "YARA rule", 24),
    _Column("tags", "タグ", "Tags", 16),
    _Column("layers", "読み取りの層", "Layers", 60),
)
_COVERAGE_COLUMNS = (
    _Column("reason", "理由", "Reason", 24),
    _Column("path", "場所", "Path", 60),
    _Column("container", "格納先", "Container", 30),
    _Column("detail", "内容", "Detail", 50),
    _Column("offset", "媒体上の位置(バイト)", "Offset in the media (bytes)", 18),
    _Column("size", "大きさ(バイト)", "Size (bytes)", 16),
    _Column("layers", "読み取りの層", "Layers", 60),
)


def export_findings(
    scan_dir: Path,
    target: Path,
    *,
    file_format: Format | None = None,
    language: Language = "ja",
) -> Exported:
    """Write all findings of a scan to a new file.

    `file_format` comes from the suffix of `target` if not given. XLSX and JSON also hold a summary and what was not
    read; CSV is the one table of findings (UTF-8 with a byte order mark, as spreadsheets expect it). Raises UsageError,
    ResultFormatError, TargetError.
    """
    chosen = file_format or _format_of(target)
    results = open_results(scan_dir)
    export = _Export(results, count(results), language)
    writers: dict[Format, Callable[[IO[bytes]], int]] = {
        "csv": export.csv,
        "xlsx": export.xlsx,
        "json": export.json,
    }
    rows = _write(target, writers[chosen])
    with target.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Exported(target, rows, target.stat().st_size, digest)


def _format_of(target: Path) -> Format:
    for name in FORMATS:
        if target.suffix.lower() == f".{name}":
            return name
    raise UsageError(
        f"{target}: 形式が分かりません",
        f"{target}: unknown format",
        hint_ja="名前の末尾を .csv、.xlsx、.json のどれかにしてください",
        hint_en="let the name end in .csv, .xlsx or .json",
    )


def _write(target: Path, write: Callable[[IO[bytes]], int]) -> int:
    """Fill a new file; it is removed again if that fails, whatever the reason."""
    try:
        file = target.open("xb")
    except FileExistsError:
        raise TargetError(
            f"{target}: すでにあります(上書きしません)",
            f"{target}: exists already (nothing is overwritten)",
            hint_ja="別の名前を指定してください",
            hint_en="give another name",
        ) from None
    except OSError as error:
        raise _unwritable(target, error) from None
    done = False
    try:
        with file:
            rows = write(file)
            file.flush()
            os.fsync(file.fileno())
        done = True
    except OSError as error:
        raise _unwritable(target, error) from None
    finally:
        if not done:
            target.unlink(missing_ok=True)
    return rows


def _unwritable(target: Path, error: OSError) -> TargetError:
    return TargetError(
        f"{target}: 書き込めません({error.strerror})",
        f"{target}: cannot be written ({error.strerror})",
    )


def formula_safe(text: str) -> str:
    """`text` as a CSV cell that no spreadsheet calculates: with an apostrophe in front where it could."""
    return f"'{text}" if text.lstrip(" \u3000").startswith(_FORMULA_STARTS) else text


class _Export:
    """One export: rows and the three ways to write them."""

    def __init__(self, results: ScanResults, totals: Totals, language: Language) -> None:
        self._results = results
        self._totals = totals
        self._side = 0 if language == "ja" else 1

    def csv(self, file: IO[bytes]) -> int:
        """The table of findings; returns the number of rows."""
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="", write_through=True)
        writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
        writer.writerow(self._head(_COLUMNS))
        rows = 0
        for row in self._findings():
            writer.writerow([formula_safe(cell) if isinstance(cell, str) else cell for cell in row.values()])
            rows += 1
        text.flush()
        text.detach()
        return rows

    def xlsx(self, file: IO[bytes]) -> int:
        """A workbook: summary, findings, what was not read."""
        names = (("概要", "所見", "読めなかったもの"), ("Summary", "Findings", "Not read"))[self._side]
        with Workbook(file) as book:
            head = (("項目", "値"), ("Item", "Value"))[self._side]
            book.add_sheet(
                names[0], head, [(key[self._side], value) for key, value in self._summary()], widths=(30, 90)
            )
            rows = book.add_sheet(
                names[1],
                self._head(_COLUMNS),
                (tuple(row.values()) for row in self._findings()),
                widths=[column.width for column in _COLUMNS],
            )
            book.add_sheet(
                names[2],
                self._head(_COVERAGE_COLUMNS),
                (tuple(row.values()) for row in self._coverage()),
                widths=[column.width for column in _COVERAGE_COLUMNS],
            )
        return rows

    def json(self, file: IO[bytes]) -> int:
        """One JSON object: `v`, `summary`, `findings`, `coverage`; a finding on each line."""

        def put(text: str) -> None:
            file.write(text.encode("utf-8", "replace"))

        summary = {key[1]: value for key, value in self._summary()}
        put(f'{{"v":1,"summary":{json.dumps(summary, ensure_ascii=False)},\n"findings":[')
        rows = -1
        for rows, row in enumerate(self._findings()):
            put((",\n" if rows else "\n") + json.dumps(_without_empty(row), ensure_ascii=False))
        put('],\n"coverage":[')
        for number, row in enumerate(self._coverage()):
            put((",\n" if number else "\n") + json.dumps(_without_empty(row), ensure_ascii=False))
        put("]}\n")
        return rows + 1

    def _head(self, columns: Sequence[_Column]) -> list[str]:
        return [column.en if self._side else column.ja for column in columns]

    def _findings(self) -> Iterator[dict[str, Cell]]:
        for finding in self._results.findings():
            person = self._totals.persons.get(person_key(finding) or b"")
            level = CONFIDENCE_WORDS.get(text_of(finding.get("confidence")))
            offset = int_of(finding.get("offset"))
            times = map_of(finding.get("times"))
            stage = text_of(map_of(finding.get("stage")).get("code"))
            content = text_of(finding.get("content_sha256"))
            copies = [offset for offset in map(int_of, list_of(finding.get("copies"))) if offset is not None]
            if finding["kind"] == "yara":
                strings = map(map_of, list_of(finding.get("strings")))
                copies = [place for place in (int_of(item.get("offset")) for item in strings) if place is not None]
            yield {
                "id": shown(finding.get("id")),
                "kind": "YARA" if finding["kind"] == "yara" else ("個人番号", "My Number")[self._side],
                "confidence": level[self._side] if level else "",
                "masked": masked_of(finding),
                "person": person[0] if person else None,
                "path": shown(finding.get("path")),
                "container": shown(finding.get("container")),
                "location": shown(finding.get("location")),
                "state": state_words(text_of(finding.get("state")))[self._side],
                "offset": offset,
                "offset_hex": "" if offset is None else f"0x{offset:X}",
                "file_offset": int_of(finding.get("file_offset")),
                "copies": self._offsets(copies),
                "encoding": shown(finding.get("encoding")),
                **{name: self._time(times.get(name)) for name in ("modified", "created", "accessed", "changed")},
                "reasons": "; ".join(self._half(reason) for reason in list_of(finding.get("reasons"))),
                "rivals": "; ".join(self._rival(code) for code in list_of(finding.get("rivals"))),
                "stage": STAGE_WORDS[stage][self._side] if stage in STAGE_WORDS else "",
                "protection": "; ".join(
                    PROTECTION_WORDS[code][self._side]
                    for code in list_of(finding.get("protection"))
                    if code in PROTECTION_WORDS
                ),
                "same_content": max(len(self._totals.same_content.get(content, ())) - 1, 0) if content else None,
                # A hash has runs of digits that only look like a number.
                "content_sha256": content if SHA256.fullmatch(content) else "",
                "rule": shown(finding.get("rule")),
                "tags": ", ".join(shown(tag) for tag in list_of(finding.get("tags"))),
                "layers": shown(finding.get("layers")),
            }

    def _coverage(self) -> Iterator[dict[str, Cell]]:
        for line in self._results.coverage():
            yield {
                "reason": reason_words(line.get("reason"))[self._side],
                "path": shown(line.get("path")),
                "container": shown(line.get("container")),
                "detail": self._half(line.get("detail")),
                "offset": int_of(line.get("offset")),
                "size": int_of(line.get("size")),
                "layers": shown(line.get("layers")),
            }

    def _summary(self) -> Iterator[tuple[tuple[str, str], Cell]]:
        summary, totals = self._results.summary, self._totals
        hashes = map_of(summary.get("hashes"))
        case = map_of(summary.get("case"))
        yield ("イメージ", "Image"), image_name(summary)
        yield ("大きさ(バイト)", "Size (bytes)"), int_of(map_of(summary.get("image")).get("size"))
        for name, word in (("sha256", "SHA-256"), ("md5", "MD5")):
            yield (word, word), shown(hashes.get(name)) if len(text_of(hashes.get(name))) < 32 else hashes[name]
        yield ("ハッシュ値の照合", "Hash comparison"), hash_verdict(summary).word[self._side]
        yield ("事案", "Case"), shown(case.get("id"))
        yield ("走査開始", "Scan started"), time_of(summary.get("started"))
        yield ("走査終了", "Scan finished"), time_of(summary.get("finished"))
        yield ("ツール", "Tool"), f"hozen triage {version_of(summary)}"
        yield ("所見(個人番号)", "Findings (My Numbers)"), totals.findings
        for name, words in CONFIDENCE_WORDS.items():
            yield (f"うち確度「{words[0]}」", f"of confidence {name}"), totals.of_confidence(name)
        yield ("所見(YARA)", "Findings (YARA)"), totals.yara
        yield ("本人の数 下限(確度「高」の異なる番号)", "Persons, lower bound"), totals.distinct(best=0)
        yield ("本人の数 上限(全確度の異なる番号)", "Persons, upper bound"), totals.distinct()
        yield ("読めなかったもの", "Not or not fully read"), sum(totals.unread.values())
        for note in list_of(summary.get("notes")):
            yield ("注記", "Note"), words_of(note)[self._side]
        yield (
            ("取扱い", "Handling"),
            (
                "個人番号は下4桁だけを示す。ファイル名などに氏名があり得る。"
                "見つからなかったことは、存在しないことを示さない。"
                if self._side == 0
                else "Of a My Number only the last four digits are shown. File names may name people. That something "
                "was not found does not show that it is not there."
            ),
        )

    def _half(self, text: object) -> str:
        return bilingual(shown(text))[self._side]

    def _rival(self, code: object) -> str:
        words = RIVALS.get(text_of(code))
        return words[self._side] if words else shown(code)

    def _offsets(self, offsets: Sequence[int]) -> str:
        text = " ".join(str(offset) for offset in offsets[:_MAX_OFFSETS])
        more = len(offsets) - _MAX_OFFSETS
        return f"{text} …(+{more})" if more > 0 else text

    def _time(self, value: object) -> str:
        """A time of a file in JST; with the zone unknown as it was recorded, and saying so."""
        time = map_of(value)
        ns = time.get("ns")
        known = bool(time.get("zone_known", True))
        text = shown(time.get("raw"))
        if isinstance(ns, int) and not isinstance(ns, bool):
            with suppress(OverflowError):
                text = jst(ns, precision_ns=int_of(time.get("precision_ns")) or 1, zone=known)
        if not text:
            return ""
        return text if known else f"{text} ({('時間帯不明', 'zone unknown')[self._side]})"


def _without_empty(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value not in ("", None)}
