"""The report of one scan: `report.html`, a single page that a lawyer and an analyst can both read offline.

```python
write_report(Path("x.case/scans/1-disk.E01"), language="ja")
```
The page is made from `findings.jsonl`, `coverage.jsonl` and `summary.json` alone. It holds both languages, asks for
nothing outside itself (Content-Security-Policy `default-src 'none'`; its one script and one style are named by
hash), and shows no more of a number than its last four digits. Words are chosen so that they claim no more than
what was done (`templates/wording.toml`): what was compared with what, what was not read, what figures do not prove.
"""

from __future__ import annotations

import json
import os
import tomllib
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from chain_of_custody.errors import Language, TargetError
from triage.disk_map import LANE_HEIGHT, DiskMap, draw_lane, draw_unreadable, draw_volume
from triage.evidence import REJECTIONS
from triage.html_parts import (
    Words,
    both,
    card,
    csp_hash,
    datum,
    escape,
    facts,
    fill,
    hash_value,
    human_size,
    number,
    section,
    table,
    template,
)
from triage.report_data import JST, MAX_ROWS, Totals, count, pack, shown, words_of
from triage.results import (
    CONFIDENCES,
    COVERAGE_REASONS,
    PICTURE_WORDS,
    int_of,
    list_of,
    map_of,
    open_results,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from triage.results import ScanResults

CONFIDENCE_WORDS: Mapping[str, Words] = {"high": ("高", "High"), "medium": ("中", "Medium"), "low": ("低", "Low")}
STATE_WORDS: Mapping[str, Words] = {
    "allocated": ("現存ファイル", "Allocated file"),
    "deleted": ("削除済みファイル", "Deleted file"),
    "carved": ("切り出したファイル", "Carved file"),
    "snapshot": ("過去の状態(シャドウコピーなど)", "Snapshot"),
    "unallocated": ("未割当て領域", "Unallocated space"),
    "slack": ("スラック領域", "Slack space"),
    "metadata": ("管理情報", "File-system metadata"),
    "outside": ("区画の外", "Outside any volume"),
}
REASON_WORDS: Mapping[str, Words] = {
    "encrypted": ("暗号化・パスワード保護", "Encrypted or password-protected"),
    "damaged": ("破損", "Damaged"),
    "unsupported": ("未対応の形式", "Format not supported"),
    "limit": ("処理の上限", "Limit of processing reached"),
    "missing_segment": ("分割ファイルの欠落", "Missing segment"),
    "truncated": ("途中で切れている", "Truncated"),
    "checksum": ("検査合計の不一致", "Checksum mismatch"),
    "inflate": ("展開できない", "Does not decompress"),
    "io_error": ("読取エラー", "Read error"),
}
ALGORITHM_NAMES: Mapping[str, str] = {"sha256": "SHA-256", "sha1": "SHA-1", "md5": "MD5"}

_MAX_RANGES = 20
_TOTAL: Words = ("計", "Total")


class Verdict(NamedTuple):
    """What may be said of the hashes: a short word, the sentence behind it, and ok | warn | bad."""

    style: str
    word: Words
    sentence: Words


def write_report(
    scan_dir: Path,
    *,
    custody: Mapping[str, Any] | None = None,
    language: Language = "ja",
    target: Path | None = None,
) -> Path:
    """Write the page for the scan in `scan_dir` and return its path (`report.html` there, or `target`).

    `custody` adds facts of the case that the summary lacks: `case_id`, `fingerprint`, `operator`, `entry` (number of
    the ledger entry that began the scan), `notices` (list of (ja, en) sentences, for instance that the operator's key
    has no passphrase). Raises UsageError where there are no results, ResultFormatError where they cannot be read,
    TargetError where the page exists already or cannot be written.
    """
    path = target or scan_dir / "report.html"
    page = render(open_results(scan_dir), custody=custody or {}, language=language)
    write_new(path, page.encode("utf-8", "replace"))
    return path


def write_new(path: Path, content: bytes) -> None:
    """Write a new file and bring it to the disk; nothing is left of one that could not be written whole.

    Raises TargetError where it exists already or cannot be written.
    """
    try:
        with path.open("xb") as file:
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                path.unlink(missing_ok=True)
                raise
    except FileExistsError:
        raise TargetError(
            f"{path}: すでにあります(上書きしません)",
            f"{path}: exists already (nothing is overwritten)",
            hint_ja="別の出力先を指定するか、既存のファイルを移してください",
            hint_en="name another target or move the existing file",
        ) from None
    except OSError as error:
        raise TargetError(
            f"{path}: 書き込めません({error.strerror})",
            f"{path}: cannot be written ({error.strerror})",
        ) from None


def render(
    results: ScanResults,
    *,
    custody: Mapping[str, Any],
    language: Language = "ja",
    max_rows: int = MAX_ROWS,
) -> str:
    """The page as text. At most `max_rows` findings are listed; counts and map cover all of them."""
    totals = count(results)
    packed, disk_map = pack(results, totals, max_rows=max_rows)
    page = _Page(results.summary, custody, totals, disk_map, max_rows)
    style, script = template("report.css"), template("report.js")
    data = json.dumps(packed.to_json(), ensure_ascii=False, separators=(",", ":"))
    return fill(
        "report.html",
        {
            "language": language,
            "title": escape(f"個人番号走査報告書 / My Number scan report: {page.image_name}"),
            "skip": both("結果の表へ", "To the table of results"),
            "style": style,
            "style_hash": csp_hash(style),
            "script": script,
            "script_hash": csp_hash(script),
            "body": page.body(),
            # Only "<" could end a script element; inside JSON strings it may be written as an escape.
            "data": data.replace("<", "\\u003c"),
        },
    )


@cache
def _wording() -> dict[str, Any]:
    return tomllib.loads(template("wording.toml"))


def hash_verdict(summary: Mapping[str, Any]) -> Verdict:
    """What may be said about the computed and the stored hashes of the image.

    The verdict of the scan is held against the values beside it: one that they do not bear out is shown as such.
    """
    hashes = map_of(summary.get("hashes"))
    stored = {name: text_of(value).lower() for name, value in map_of(hashes.get("stored")).items() if value}
    common = [name for name in stored if hashes.get(name)]
    equal = [name for name in common if text_of(hashes[name]).lower() == stored[name]]
    unread = int_of(map_of(summary.get("read")).get("unreadable_bytes")) or 0
    said = hashes.get("verdict")
    borne_out = {
        None: True,
        "match": bool(common) and equal == common,
        "mismatch": len(equal) < len(common),
        "nothing_to_compare": not common,
        "partial": True,
    }.get(said if isinstance(said, str) else None, False)
    name = said or "not_recorded"
    if not borne_out:
        name = "contradiction"
    elif said == "match" and unread:
        name = "match_except"
    words = _wording()["verdict"][name]
    values = {"unread": f"{unread:,}", "names": ", ".join(ALGORITHM_NAMES.get(item, shown(item)) for item in equal)}
    return Verdict(
        words["style"],
        (words["word_ja"].format(**values), words["word_en"].format(**values)),
        (words["ja"].format(**values), words["en"].format(**values)),
    )


def lead(summary: Mapping[str, Any], totals: Totals) -> Words:
    """The result in one or two sentences, for whoever reads nothing else."""
    high, numbers = totals.of_confidence("high"), totals.distinct(best=0)
    if high:
        ja = (
            f"読めた範囲から、個人番号と判定した箇所(確度「高」)が {high:,} 件、"
            f"異なる番号にして {numbers:,} 個見つかった。"
        )
        en = (
            f"In what could be read, {high:,} {_plural(high, 'place holds', 'places hold')} what was judged to be a "
            f"My Number with high confidence: {numbers:,} distinct {_plural(numbers, 'number', 'numbers')}."
        )
    elif totals.findings:
        ja = (
            f"読めた範囲では、確度「高」の所見はない。確度「中」「低」の所見が {totals.findings:,} 件あり、"
            "人による確認を要する。"
        )
        en = (
            f"In what could be read there is no finding of high confidence. {totals.findings:,} of medium or low "
            "confidence need to be looked at by a person."
        )
    else:
        ja = "読めた範囲からは、個人番号は見つからなかった。個人番号が存在しないことを示すものではない。"
        en = "In what could be read no My Number was found. This does not show that there is none."
    unread = sum(totals.unread.values())
    lost = int_of(map_of(summary.get("read")).get("unreadable_bytes")) or 0
    parts: list[Words] = []
    if unread:
        parts.append(
            (f"読めなかったもの {unread:,} 件", f"{unread:,} {_plural(unread, 'thing', 'things')} not fully read")
        )
    if lost:
        parts.append(
            (f"媒体の読めない {lost:,} バイト", f"{lost:,} unreadable {_plural(lost, 'byte', 'bytes')} of the medium"),
        )
    if parts:
        ja += f"{'と、'.join(part[0] for part in parts)}の中身については、何も言えない。"
        en += f" Nothing can be said about what {' and '.join(part[1] for part in parts)} may hold."
    return ja, en


def state_words(state: str) -> Words:
    """The name of a state; one that this version does not know stands as it is."""
    return STATE_WORDS.get(state) or (shown(state), shown(state))


def reason_words(reason: object) -> Words:
    """The name of a reason for not reading something; an unknown one stands as it is."""
    return REASON_WORDS.get(text_of(reason)) or (shown(reason), shown(reason))


class _Page:
    """The static part of the page, section by section; every method returns HTML in both languages."""

    def __init__(
        self,
        summary: Mapping[str, Any],
        custody: Mapping[str, Any],
        totals: Totals,
        disk_map: DiskMap,
        max_rows: int,
    ) -> None:
        self.summary = summary
        self.custody = custody
        self.totals = totals
        self.map = disk_map
        self.max_rows = max_rows
        self.image = map_of(summary.get("image"))
        self.read = map_of(summary.get("read"))
        self.volumes = [map_of(volume) for volume in list_of(summary.get("volumes"))]
        self.size = int_of(self.image.get("size"))
        self.lost = int_of(self.read.get("unreadable_bytes"))
        self.image_name = image_name(summary)

    def body(self) -> str:
        """All sections in their order."""
        parts = (
            self._top(),
            '<main class="wrap">',
            self._title(),
            self._figures(),
            self._notices(),
            self._evidence(),
            self._coverage(),
            self._places(),
            template("explorer.html"),
            self._limits(),
            self._end(),
            "</main>",
        )
        return "\n".join(parts)

    # ---- head ----

    def _top(self) -> str:
        anchors = (
            ("summary", "要約", "Summary"),
            ("evidence", "証拠と同一性", "Evidence"),
            ("coverage", "読めた範囲", "Coverage"),
            ("map", "媒体上の位置", "Map"),
            ("explorer", "所見", "Findings"),
            ("limits", "証明しないこと", "Limits"),
        )
        links = "".join(f'<a href="#{anchor}">{both(ja, en)}</a>' for anchor, ja, en in anchors)
        return template("top.html").replace("{{links}}", links)

    def _title(self) -> str:
        case = map_of(self.summary.get("case"))
        entry = int_of(self.custody.get("entry"))
        rows = [
            (("事案", "Case"), datum(shown(self.custody.get("case_id") or case.get("id")))),
            (
                ("事案の指紋", "Case fingerprint"),
                hash_value(self.custody.get("fingerprint") or case.get("fingerprint")),
            ),
            (("作業者", "Operator"), datum(operator_of(self.custody.get("operator") or self.summary.get("operator")))),
            (("走査", "Scan"), self._span()),
            (("ツール", "Tool"), datum(f"hozen triage {version_of(self.summary)}".strip())),
        ]
        if entry is not None:
            rows.append((("台帳", "Ledger"), both(f"第 {entry} 項から", f"from entry {entry} on")))
        title = both("個人番号走査報告書", "My Number scan report")
        words = both(*lead(self.summary, self.totals))
        return (
            f'<div class="title" id="summary"><div><h1>{title}</h1><p class="image">{datum(self.image_name)}</p>'
            f'<p class="lead">{words}</p></div>{facts(rows, "stamp")}</div>'
        )

    def _span(self) -> str:
        begin, end = (time_of(self.summary.get(name)) for name in ("started", "finished"))
        return f"{datum(begin)} –<br>{datum(end)}" if begin and end else datum(begin or end)

    def _figures(self) -> str:
        totals = self.totals
        lower, upper = totals.distinct(best=0), totals.distinct()
        persons = f"{lower:,}" if lower == upper else f"{lower:,} – {upper:,}"
        parts = "".join(
            f'<span><span class="dot {name}"></span>{both(*words)} '
            f'<b class="num">{totals.of_confidence(name):,}</b></span>'
            for name, words in CONFIDENCE_WORDS.items()
        )
        if totals.yara:
            parts += f'<span><span class="dot yara"></span>YARA <b class="num">{totals.yara:,}</b></span>'
        verdict = hash_verdict(self.summary)
        unread = sum(totals.unread.values())
        tiles = (
            _figure(
                ("本人の数(異なる番号)", "Persons (distinct numbers)"),
                _value(f"{persons} <small>{both('人', '')}</small>"),
                both(
                    "下限は確度「高」、上限は「低」までの異なる番号の数",
                    "lower: high confidence; upper: all, down to low",
                ),
            ),
            _figure(
                ("所見", "Findings"),
                _value(f"{totals.findings:,} <small>{both('件', '')}</small>") + f'<span class="parts">{parts}</span>',
            ),
            _figure(
                ("読めた割合", "Read"),
                self._read_share(),
                both(f"読めなかったもの {unread:,} 件", f"{unread:,} not or not fully read"),
            ),
            _figure(
                ("ハッシュ値の照合", "Hash comparison"),
                _value(both(*verdict.word), words=True),
                both("詳細は「証拠と同一性」", "details under “Evidence”"),
                verdict.style,
            ),
        )
        return f'<div class="figures">{"".join(tiles)}</div>'

    def _read_share(self) -> str:
        if not self.size or self.lost is None:
            return _value(both("記録なし", "not recorded"), words=True)
        share = 100 * (self.size - min(self.lost, self.size)) / self.size
        # Rounding must never turn "almost all" into "all".
        text = "100" if self.lost == 0 else f"{min(share, 99.99):.2f}"
        return _value(f"{text} % <small>{both('媒体のバイト', 'of the medium')}</small>")

    def _notices(self) -> str:
        notices: list[tuple[str, Words]] = []
        said = map_of(self.summary.get("persons"))
        lower, upper = int_of(said.get("lower")), int_of(said.get("upper"))
        if (lower, upper) not in ((None, None), (self.totals.distinct(best=0), self.totals.distinct())):
            ja = (
                f"summary.json の本人の数({lower}–{upper})は、findings.jsonl から数えた値と合わない。"
                "ファイルを台帳と照合すること。"
            )
            en = (
                f"The number of persons in summary.json ({lower}–{upper}) differs from the count of findings.jsonl. "
                "Compare the files with the ledger."
            )
            notices.append(("bad", (ja, en)))
        if self.totals.without_hmac:
            ja = f"{self.totals.without_hmac:,} 件の所見には番号を区別する値がなく、本人の数に入っていない。"
            en = (
                f"{self.totals.without_hmac:,} findings carry nothing that tells numbers apart and are not in the "
                "number of persons."
            )
            notices.append(("", (ja, en)))
        everything = self.totals.findings + self.totals.yara
        if everything > self.max_rows:
            ja = (
                f"この頁の表には {everything:,} 件のうち {self.max_rows:,} 件(確度の高い順)だけがある。"
                "件数、本人の数、図は全件による。全件は findings.jsonl にある。"
            )
            en = (
                f"The tables of this page hold {self.max_rows:,} of {everything:,} findings, those of highest "
                "confidence first. Counts, persons and map cover all of them; all are in findings.jsonl."
            )
            notices.append(("", (ja, en)))
        notices += [("", words_of(note)) for note in list_of(self.summary.get("notes"))]
        notices += [("", (shown(ja), shown(en))) for ja, en in list_of(self.custody.get("notices"))]
        return "".join(f'<p class="notice {style}">{both(*words)}</p>' for style, words in notices)

    # ---- evidence ----

    def _evidence(self) -> str:
        segments = self.image.get("segments")
        segment_count = len(segments) if isinstance(segments, list) else int_of(segments)
        rows = [
            (("イメージ", "Image"), datum(self.image_name)),
            (("場所", "Path"), datum(shown(self.image.get("path")))),
            (("形式", "Format"), datum(shown(self.image.get("format")))),
            (
                ("大きさ", "Size"),
                datum(f"{self.size:,} B ({human_size(self.size)})" if self.size is not None else ""),
            ),
        ]
        if segment_count:
            rows.append((("分割", "Segments"), number(segment_count)))
        subject = card(("対象", "Subject"), facts(rows) + self._volume_table())
        hashes = card(("ハッシュ値", "Hashes"), self._hashes())
        title = ("証拠と同一性", "Evidence and its identity")
        return section("evidence", title, f'<div class="two">{subject}{hashes}</div>')

    def _hashes(self) -> str:
        hashes = map_of(self.summary.get("hashes"))
        stored = map_of(hashes.get("stored"))
        verdict = hash_verdict(self.summary)
        rows = ""
        for name, shown_name in ALGORITHM_NAMES.items():
            lines = [
                (both(*words), values[name])
                for words, values in ((("今回", "now"), hashes), (("保存値", "stored"), stored))
                if values.get(name)
            ]
            if stored.get(name) and not hashes.get(name):
                lines[0] = (both("保存値(今回は計算していない)", "stored (not computed now)"), stored[name])
            for position, (words, value) in enumerate(lines):
                first = position == 0
                head = f'<th rowspan="{len(lines)}">{shown_name}</th>' if first else ""
                style = ' class="first"' if first else ""
                rows += f'<tr{style}>{head}<td class="which">{words}</td><td>{hash_value(value)}</td></tr>'
        values = f'<div class="scroll"><table class="plain hashes"><tbody>{rows}</tbody></table></div>' if rows else ""
        return (
            f'<p><span class="verdict {verdict.style}">{both(*verdict.word)}</span></p>'
            f'<p class="small muted">{both(*verdict.sentence)}</p>{values}'
        )

    def _volume_table(self) -> str:
        if not self.volumes:
            return ""
        rows = [
            (
                f'<span class="keep">{datum(_volume_name(volume))}</span>',
                datum(shown(volume.get("filesystem"))),
                number(volume.get("offset")),
                datum(_size_text(volume.get("size"))),
            )
            for volume in self.volumes
        ]
        head = (
            ("区画", "Volume"),
            ("ファイルシステム", "File system"),
            ("開始(バイト)", "Offset (bytes)"),
            ("大きさ", "Size"),
        )
        return f"<h3>{both('区画', 'Volumes')}</h3>{table(head, rows, right=(2, 3))}"

    # ---- coverage ----

    def _pictures(self) -> str:
        """What was decided about pictures, where there were any."""
        counts = map_of(self.summary.get("pictures"))
        rows = [
            (both(*words), number(counts[code])) for code, words in PICTURE_WORDS.items() if int_of(counts.get(code))
        ]
        if not rows:
            return ""
        return table((("画像(写真・スキャン)の文字", "Text in pictures"), ("件数", "Count")), rows, right=(1,))

    def _coverage(self) -> str:
        rows = [
            (("媒体から読んだバイト", "Bytes read from the medium"), number(self.read.get("bytes"))),
            (("媒体の読めないバイト", "Unreadable bytes of the medium"), number(self.lost)),
            (("中身まで読んだファイル", "Files read by content"), number(self.read.get("files"))),
            (("一部しか読めなかったファイル", "Files read in part"), number(self.read.get("files_partial"))),
            (("終了の状態", "How it ended"), _exit_words(self.summary.get("exit_code"))),
        ]
        read = card(("読んだ量", "How much was read"), self._bar() + facts(rows) + self._unreadable_ranges())
        unread = self.totals.unread
        reasons = [*COVERAGE_REASONS, *sorted(set(unread) - set(COVERAGE_REASONS))]
        counted = table(
            (("理由", "Reason"), ("件数", "Count")),
            [(both(*reason_words(reason)), number(unread.get(reason, 0))) for reason in reasons],
            right=(1,),
            foot=(both(*_TOTAL), number(sum(unread.values()))),
        )
        not_read = card(("読めなかったもの(理由別)", "Not or not fully read, by reason"), counted + self._pictures())
        rejected = self._rejected()
        if rejected:
            left, right = f'<div class="stacked">{read}{not_read}</div>', rejected
        else:
            left, right = read, not_read
        title = ("読めた範囲、読めなかったもの", "What was read and what was not")
        return section("coverage", title, f'<div class="two">{left}{right}</div>')

    def _bar(self) -> str:
        if not self.size or self.lost is None:
            return ""
        # An unread part stays visible however small it is.
        part = max(100 * min(self.lost, self.size) / self.size, 0.4 if self.lost else 0)
        return (
            '<svg class="share" aria-hidden="true">'
            f'<rect class="read" width="{100 - part:.3f}%" height="12" rx="3"/>'
            f'<rect class="lost" x="{100 - part:.3f}%" width="{part:.3f}%" height="12"/></svg>'
        )

    def _unreadable_ranges(self) -> str:
        ranges = [map_of(item) for item in list_of(self.summary.get("unreadable"))]
        if not ranges:
            return ""
        rows = [
            (number(item.get("offset")), number(item.get("size")), both(*reason_words(item.get("reason"))))
            for item in ranges[:_MAX_RANGES]
        ]
        head = (("位置(バイト)", "Offset (bytes)"), ("長さ(バイト)", "Length (bytes)"), ("理由", "Reason"))
        more = len(ranges) - _MAX_RANGES
        rest = both(f"ほか {more:,} 範囲(summary.json)", f"{more:,} more ranges (summary.json)")
        return (
            f"<h3>{both('媒体の読めない範囲', 'Unreadable ranges of the medium')}</h3>{table(head, rows, right=(0, 1))}"
            + (f'<p class="small muted">{rest}</p>' if more > 0 else "")
        )

    def _rejected(self) -> str:
        rejected = map_of(self.summary.get("rejected"))
        chance = int_of(self.summary.get("chance_candidates"))
        rows = [
            (both(*(REJECTIONS.get(reason) or words_of(reason))), number(found))
            for reason, found in sorted(rejected.items(), key=lambda item: -(int_of(item[1]) or 0))
        ]
        if chance is not None:
            words = both(
                "検査用数字が合うだけで、ほかに根拠のない 12 桁",
                "12 digits with a passing check digit and nothing else to support them",
            )
            rows.insert(0, (words, number(chance)))
        wrong = int_of(self.summary.get("labelled_wrong"))
        if wrong:
            words = both(
                "個人番号の見出しがあるが検査用数字が合わない 12 桁",
                "12 digits labelled as My Numbers whose check digit is wrong",
            )
            rows.append((words, number(wrong)))
        if not rows:
            return ""
        note = both(
            "無作為の 12 桁も、10 回に 1 回は検査用数字が合う。",
            "One in ten random 12-digit strings has a passing check digit.",
        )
        title = ("所見としなかった候補", "Candidates that are not findings")
        return card(title, f'<p class="small muted">{note}</p>{table((), rows, right=(1,))}')

    # ---- where ----

    def _places(self) -> str:
        step = human_size(self.map.bin_size)
        note = both(
            f"左端が媒体の先頭。1 目盛り = {step}", f"The left edge is the start of the medium. One bar = {step}"
        )
        marks = "".join(f"<span>{human_size(size)}</span>" for size in (0, self.map.size // 2, self.map.size))
        scale = (
            f'<div class="lane-row"><span class="gap"></span><div class="scale">{marks}</div>'
            '<span class="gap"></span></div>'
        )
        body = (
            f'<div class="card"><div class="lanes">{"".join(self._lanes())}{scale}</div>'
            f'<div class="legend">{self._legend()}</div>{self._unplaced()}{self._matrix()}</div>'
        )
        return section("map", ("媒体上の位置", "Where on the medium"), body, note)

    def _lanes(self) -> Iterator[str]:
        if self.volumes:
            drawn = "".join(
                draw_volume(
                    self.map,
                    int_of(volume.get("offset")) or 0,
                    int_of(volume.get("size")) or 0,
                    escape(f"{_volume_name(volume)} {shown(volume.get('filesystem'))}".strip()),
                )
                for volume in self.volumes
            )
            yield _lane(("区画", "Volumes"), drawn, f"{len(self.volumes):,}")
        known = [state for state in STATE_WORDS if state in self.map.lanes]
        for state in known + sorted(set(self.map.lanes) - set(known)):
            placed = sum(sum(counts) for counts in self.map.lanes[state].values())
            yield _lane(state_words(state), draw_lane(self.map, state), f"{placed:,}", state)
        if not self.map.lanes:
            yield _lane(("所見", "Findings"), "", "0")
        if self.map.unreadable or self.lost:
            size = human_size(sum(self.map.unreadable.values()) or self.lost or 0)
            yield _lane(("読めない範囲", "Unreadable"), draw_unreadable(self.map), size)

    def _legend(self) -> str:
        items = [
            (name, both(f"確度「{ja}」を含む", f"holds {en.lower()} confidence"))
            for name, (ja, en) in CONFIDENCE_WORDS.items()
        ]
        if self.totals.yara:
            items.append(("yara", both("YARA だけ", "YARA only")))
        items.append(("unread", both("読めない", "unreadable")))
        marks = "".join(f'<span><span class="dot {name}"></span>{words}</span>' for name, words in items)
        tip = both(
            "棒の高さは件数の対数。押すと表を絞り込む。", "Height: logarithm of the count. Click to filter the table."
        )
        return f'{marks}<span class="tip">{tip}</span>'

    def _unplaced(self) -> str:
        if not self.map.unplaced:
            return ""
        words = both(
            f"ほかに {self.map.unplaced:,} 件は、媒体上に一つの位置を持たない"
            "(圧縮・符号化された内容など)ため図にない。",
            f"{self.map.unplaced:,} more have no single place on the medium (compressed or encoded content) and are "
            "not on the map.",
        )
        return f'<p class="small muted">{words}</p>'

    def _matrix(self) -> str:
        totals = self.totals
        if not totals.findings:
            return ""
        rows = [
            (
                both(*state_words(state)),
                *(number(totals.cells.get((name, state), 0)) for name in CONFIDENCES),
                number(totals.of_state(state)),
            )
            for state in totals.states
        ]
        foot = (both(*_TOTAL), *(number(totals.of_confidence(name)) for name in CONFIDENCES), number(totals.findings))
        head = (("状態", "State"), *(CONFIDENCE_WORDS[name] for name in CONFIDENCES), _TOTAL)
        return table(head, rows, right=(1, 2, 3, 4), foot=foot, style="plain matrix")

    # ---- end ----

    def _limits(self) -> str:
        items = "".join(f"<li>{both(words['ja'], words['en'])}</li>" for words in _wording()["limits"])
        title = ("この報告書が証明しないこと", "What this report does not prove")
        return section("limits", title, f'<div class="card limits"><ol>{items}</ol></div>')

    def _end(self) -> str:
        words = both(
            "この頁は findings.jsonl、coverage.jsonl、summary.json から作られ、外部と通信しない。"
            "時刻は日本標準時(+09:00)。件数と位置は、この三つのファイルから誰でも確かめられる。"
            "三つのファイルのハッシュ値は事案の台帳にある。",
            "This page was made from findings.jsonl, coverage.jsonl and summary.json and talks to nothing outside. "
            "Times are Japan Standard Time (+09:00). Anyone can check counts and places against these three files; "
            "their hashes are in the ledger of the case.",
        )
        return f"<footer><p>{words}</p></footer>"


def image_name(summary: Mapping[str, Any]) -> str:
    """Name of the image of a scan, as it may be shown."""
    image = map_of(summary.get("image"))
    return shown(image.get("name") or text_of(image.get("path")).replace("\\", "/").rpartition("/")[2] or "—")


def time_of(value: object) -> str:
    """A time of the summary in JST where it names its zone; as it stands otherwise."""
    text = shown(value)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{moment.astimezone(JST):%Y-%m-%d %H:%M:%S} +09:00" if moment.tzinfo else text


def operator_of(value: object) -> str:
    """Who made the scan, from a name or from an object with name, role, key."""
    if isinstance(value, dict):
        return " ".join(shown(value.get(name)) for name in ("name", "role", "key") if value.get(name))
    return shown(value)


def version_of(summary: Mapping[str, Any]) -> str:
    """Version of the tool that made the scan."""
    tool = summary.get("tool")
    return shown(tool.get("version")) if isinstance(tool, dict) else shown(tool)


def _figure(label: Words, value: str, note: str = "", style: str = "") -> str:
    end = f'<span class="note">{note}</span>' if note else ""
    return f'<div class="figure {style}"><span class="label">{both(*label)}</span>{value}{end}</div>'


def _value(content: str, *, words: bool = False) -> str:
    return f'<span class="value{" words" if words else ""}">{content}</span>'


def _lane(name: Words, drawing: str, total: str, state: str = "") -> str:
    live = f' live" data-lane="{escape(shown(state))}' if state else ""
    return (
        f'<div class="lane-row"><span class="name">{both(*name)}</span>'
        f'<svg class="lane{live}" height="{LANE_HEIGHT}" aria-hidden="true">{drawing}</svg>'
        f'<span class="total">{escape(total)}</span></div>'
    )


def _volume_name(volume: Mapping[str, Any]) -> str:
    """The last layer of a volume's chain ("gpt:2"); its description where there is no chain."""
    return shown(text_of(volume.get("layer")).rpartition("|")[2] or volume.get("description"))


def _plural(amount: int, one: str, many: str) -> str:
    return one if amount == 1 else many


def _size_text(size: object) -> str:
    whole = int_of(size)
    return "" if whole is None else human_size(whole)


def _exit_words(code: object) -> str:
    words = {
        0: ("完了(0)", "complete (0)"),
        3: ("完了、ただし一部は読めず(3)", "complete, but parts were not read (3)"),
        130: ("中断(130)", "interrupted (130)"),
    }
    whole = int_of(code)
    return datum("") if whole is None else both(*words.get(whole, (f"終了コード {whole}", f"exit code {whole}")))
