"""A draft of the report of a leak of My Numbers (漏えい等報告): the nine items, filled with what the scans show.

```python
draft = draft_report([Path("x.case/scans/1-disk.E01")], discovered=date(2026, 11, 20))
write_draft(draft, Path("漏えい等報告-下書き.docx"), language="ja")
```
Only facts that findings and summaries give are filled in, each with its source; everything else stays a question for
a person. The rule, its thresholds and periods come from `templates/breach.toml` or from a file of the same form, and
are printed with name, version and 要確認: this is no legal advice.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from chain_of_custody import incident
from chain_of_custody.errors import Language, UsageError
from chain_of_custody.reading import read_entries
from triage import content_copies
from triage.document import Block, Document, Heading, Paragraph, Table, docx_bytes, html_page
from triage.html_parts import Words, template
from triage.report import (
    hash_verdict,
    image_name,
    lead,
    reason_words,
    state_words,
    time_of,
    version_of,
    write_new,
)
from triage.report_data import PROTECTION_WORDS, Totals, count, person_key, shown
from triage.results import CONFIDENCES, map_of, open_results, text_of
from triage.routes import find_routes, has_timeline, sentences

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from triage.results import ScanResults

MAX_FILES = 20
"""Most files named in the draft, those with most numbers first; the report lists all."""

# Kinds of documents that hold My Numbers by law, looked for in names and places only.
_DOCUMENTS = (
    ("源泉徴収票", "withholding slip"),
    ("支払調書", "payment record"),
    ("法定調書", "statutory record"),
    ("給与支払報告", "salary payment report"),
    ("扶養控除", "declaration of dependants"),
    ("年末調整", "year-end adjustment"),
    ("給与", "payroll"),
    ("雇用保険", "employment insurance"),
    ("健康保険", "health insurance"),
    ("厚生年金", "pension insurance"),
    ("国民年金", "national pension"),
    ("マイナンバー", "My Number"),
    ("個人番号", "My Number (個人番号)"),
    ("通知カード", "notification card"),
    ("名簿", "roster"),
)


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule that the draft follows. Periods count the day of knowing as day 1."""

    name: Words
    version: Words
    persons_over: int
    first_report_days: tuple[int, int]
    final_report_days: int
    final_report_days_improper: int


@dataclass(frozen=True, slots=True)
class Persons:
    """Number of persons over all scans: `certain` of high confidence, `likely` with medium, `possible` with all.

    `one_case` says whether equal numbers of different scans were counted once: the HMACs of two cases cannot be
    compared. Then `certain` is that of the largest case, and the others are sums.
    """

    certain: int
    likely: int
    possible: int
    one_case: bool


@dataclass(slots=True)
class _Facts:
    """What was read from the results of all scans."""

    scans: list[tuple[ScanResults, Totals]] = field(default_factory=list)
    files: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    documents: Counter[Words] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    first_ids: list[str] = field(default_factory=list)
    routes: list[Words] | None = None
    """What the timelines of the cases show of ways out, a sentence each; None where none was built."""
    cases: tuple[Path, ...] = ()
    """Folders of the cases in which the scans lie."""

    def sum(self, part: str) -> int:
        """Number of findings of one confidence over all scans."""
        return sum(totals.of_confidence(part) for _, totals in self.scans)

    @property
    def unread(self) -> Counter[str]:
        """Coverage lines by reason over all scans."""
        unread: Counter[str] = Counter()
        for _, totals in self.scans:
            unread.update(totals.unread)
        return unread


def load_rule(path: Path | None = None) -> Rule:
    """The rule of `path`, or the one that comes with the tool. Raises UsageError where the file does not fit."""
    try:
        text = template("breach.toml") if path is None else path.read_text(encoding="utf-8")
        values = tomllib.loads(text)["rule"]
        first, last = values["first_report_days"]
        rule = Rule(
            name=(values["name"], values.get("name_en", values["name"])),
            version=(values["version"], values.get("version_en", values["version"])),
            persons_over=values["persons_over"],
            first_report_days=(first, last),
            final_report_days=values["final_report_days"],
            final_report_days_improper=values["final_report_days_improper"],
        )
    except OSError as error:
        raise UsageError(
            f"{path}: 読めません({error.strerror})",
            f"{path}: cannot be read ({error.strerror})",
        ) from None
    except (ValueError, KeyError, TypeError, UnicodeError) as error:
        raise _bad_rule(path, str(error)) from None
    numbers = (rule.persons_over, *rule.first_report_days, rule.final_report_days, rule.final_report_days_improper)
    if not all(isinstance(number, int) and 0 <= number < 10_000 for number in numbers):
        raise _bad_rule(path, "0–9999")
    return rule


def _bad_rule(path: Path | None, what: str) -> UsageError:
    return UsageError(
        f"{path}: [rule] の形が違います({what})",
        f"{path}: [rule] has not the right form ({what})",
        hint_ja="name、version、persons_over、first_report_days = [3, 5]、final_report_days、"
        "final_report_days_improper を書いてください",
        hint_en="give name, version, persons_over, first_report_days = [3, 5], final_report_days and "
        "final_report_days_improper",
    )


def count_persons(scans: Sequence[tuple[ScanResults, Totals]]) -> Persons:
    """Distinct numbers over scans, as far as they can be compared."""
    cases: dict[str, list[Totals]] = {}
    for number, (results, totals) in enumerate(scans):
        fingerprint = text_of(map_of(results.summary.get("case")).get("fingerprint"))
        # Without a fingerprint nothing says that two scans share a secret.
        cases.setdefault(fingerprint or f"scan {number}", []).append(totals)
    sums = []
    for group in cases.values():
        best: dict[bytes, int] = {}
        for totals in group:
            for key, (_, level) in totals.persons.items():
                best[key] = min(level, best.get(key, level))
        levels = Counter(best.values())
        sums.append((levels[0], levels[0] + levels[1], len(best)))
    if not sums:
        return Persons(0, 0, 0, one_case=True)
    return Persons(
        certain=max(item[0] for item in sums),
        likely=sum(item[1] for item in sums),
        possible=sum(item[2] for item in sums),
        one_case=len(sums) == 1,
    )


def against_threshold(persons: Persons, over: int, *, unread: bool) -> Words:
    """What may be said about "more than `over` persons"."""
    if persons.certain > over:
        return (
            f"確度「高」だけで {persons.certain:,} 人となり、基準({over:,} 人を超える)を上回る",
            f"high confidence alone gives {persons.certain:,}, above the threshold (more than {over:,})",
        )
    if persons.possible > over:
        return _words(
            f"{persons.certain:,}〜{persons.possible:,} 人であり、基準({over:,} 人を超える)をまたぐ。"
            "確度「中」「低」の所見の確認を要する",
            f"{persons.certain:,} to {persons.possible:,}: the interval spans the threshold (more than {over:,}); "
            "findings of medium and low confidence need to be looked at",
        )
    ja = f"数えた範囲では最大 {persons.possible:,} 人で、基準({over:,} 人を超える)以下"
    en = f"at most {persons.possible:,} in what was counted, not above the threshold (more than {over:,})"
    if unread:
        ja += "。ただし読めなかったものの中の番号は数えられていない"
        en += "; numbers in what was not read are not counted"
    return ja, en


def draft_report(
    scan_dirs: Sequence[Path],
    *,
    discovered: date | None = None,
    improper: bool | None = None,
    rule: Rule | None = None,
) -> Document:
    """The draft for one incident from one or more scans.

    `discovered`: the day on which the event became known; `improper`: whether an improper purpose is suspected (None:
    not known). Raises UsageError, ResultFormatError.
    """
    if not scan_dirs:
        raise UsageError("走査結果がありません", "no scan results given")
    facts = _read(scan_dirs)
    return _Draft(facts, discovered, rule or load_rule(), improper=improper).document()


def write_draft(draft: Document, target: Path, *, language: Language = "ja") -> Path:
    """Write the draft as .docx or .html, by the suffix of `target`. Raises UsageError, TargetError."""
    suffix = target.suffix.lower()
    if suffix == ".docx":
        write_new(target, docx_bytes(draft, language))
    elif suffix in (".html", ".htm"):
        write_new(target, html_page(draft, language).encode("utf-8", "replace"))
    else:
        raise UsageError(
            f"{target}: 形式が分かりません",
            f"{target}: unknown format",
            hint_ja="名前の末尾を .docx か .html にしてください",
            hint_en="let the name end in .docx or .html",
        )
    return target


def _read(scan_dirs: Sequence[Path]) -> _Facts:
    facts = _Facts()
    persons: dict[tuple[str, str, str], set[bytes]] = {}
    for folder in scan_dirs:
        results = open_results(folder)
        facts.scans.append((results, count(results)))
        image = image_name(results.summary)
        for finding in results.findings():
            if finding["kind"] == "yara":
                facts.rules[shown(finding.get("rule"))] += 1
                continue
            if finding["confidence"] == "low":
                continue
            place = (image, shown(finding.get("path")), text_of(finding.get("state")))
            persons.setdefault(place, set()).add(person_key(finding) or b"")
            if finding["confidence"] == "high" and len(facts.first_ids) < 3:
                facts.first_ids.append(shown(finding.get("id")))
            words = f"{place[1]} {shown(finding.get('container'))} {shown(finding.get('location'))}"
            facts.documents.update(kind for kind in _DOCUMENTS if kind[0] in words)
    facts.files.update({place: len(keys) for place, keys in persons.items()})
    cases = dict.fromkeys(
        parent for folder in scan_dirs for parent in folder.resolve().parents if (parent / "ledger.jsonl").is_file()
    )
    facts.cases = tuple(cases)
    built = [case for case in cases if has_timeline(case)]
    if built:
        facts.routes = [words for case in built for words in sentences(find_routes(case))]
    return facts


class _Draft:
    """Puts the facts under the nine items."""

    def __init__(self, facts: _Facts, discovered: date | None, rule: Rule, *, improper: bool | None) -> None:
        self.facts = facts
        self.discovered = discovered
        self.improper = improper
        self.rule = rule
        self.persons = count_persons(facts.scans)
        self.words: dict[str, Any] = tomllib.loads(template("breach.toml"))

    def document(self) -> Document:
        """All of it."""
        fixed = self.words["draft"]
        blocks: list[Block] = [
            Paragraph((fixed["ja"], fixed["en"]), "warning"),
            self._basis(),
            Paragraph((fixed["deadline_ja"], fixed["deadline_en"]), "note"),
        ]
        filled = {1: self._outline, 2: self._items, 3: self._number, 4: self._cause, 9: self._other}
        for number, item in enumerate(self.words["item"], 1):
            blocks.append(Heading(1, (f"{number}. {item['ja']}", f"{number}. {item['en']}")))
            if number in filled:
                blocks += filled[number]()
            blocks += (
                Paragraph(words, "question") for words in zip(item["questions_ja"], item["questions_en"], strict=True)
            )
        title = ("特定個人情報の漏えい等報告(下書き)", "Report of a leak of specific personal information (draft)")
        return Document(title, tuple(blocks))

    def _basis(self) -> Table:
        rule = self.rule
        rows = [
            _row(("従う規則", "Rule"), rule.name, ("設定", "setting")),
            _row(("版", "Version"), rule.version, ("設定", "setting")),
            _row(("知った日", "Day of knowing"), self._day(), ("入力", "typed")),
            _row(
                ("速報の目安", "First report, about"),
                self._span(*rule.first_report_days),
                ("知った日から計算", "computed"),
            ),
            _row(("確報の期限", "Final report, by"), self._final(), ("知った日から計算", "computed")),
            _row(
                ("人数の基準との関係", "Against the threshold of persons"),
                against_threshold(self.persons, rule.persons_over, unread=bool(self.facts.unread)),
                ("所見、設定", "findings, setting"),
            ),
        ]
        return _facts_table(rows)

    def _day(self) -> Words:
        return (
            _same(self.discovered.isoformat()) if self.discovered else ("未入力(要記入)", "not given (to be filled in)")
        )

    def _span(self, first: int, last: int) -> Words:
        if self.discovered is None:
            return (
                f"知った日から {first}〜{last} 日(要確認)",
                f"{first} to {last} days from the day of knowing (要確認)",
            )
        days = f"{_day_number(self.discovered, first)} – {_day_number(self.discovered, last)}"
        return f"{days}(要確認)", f"{days} (要確認)"

    def _final(self) -> Words:
        usual, improper = self.rule.final_report_days, self.rule.final_report_days_improper
        if self.discovered is None:
            return (
                f"知った日から {usual} 日、不正の目的のおそれがあれば {improper} 日(要確認)",
                f"{usual} days from the day of knowing, {improper} with a suspected improper purpose (要確認)",
            )
        early, late = _day_number(self.discovered, usual), _day_number(self.discovered, improper)
        if self.improper is None:
            return (
                f"{early}。不正の目的のおそれがあれば {late}(要確認)",
                f"{early}; {late} with a suspected improper purpose (要確認)",
            )
        return _same(f"{late if self.improper else early} (要確認)")

    # ---- the items that findings speak to ----

    def _outline(self) -> Iterator[Block]:
        rows = []
        for results, totals in self.facts.scans:
            summary = results.summary
            verdict = hash_verdict(summary).word
            rows.append(
                (
                    _same(image_name(summary)),
                    _same(f"{time_of(summary.get('started')) or '—'} (hozen triage {version_of(summary)})"),
                    verdict,
                    lead(summary, totals),
                ),
            )
        yield Table(
            (
                ("イメージ", "Image"),
                ("走査", "Scan"),
                ("ハッシュ値の照合", "Hash comparison"),
                ("結果", "Result"),
            ),
            tuple(rows),
            (3, 4, 4, 9),
        )
        states: Counter[str] = Counter()
        for _, totals in self.facts.scans:
            for (level, state), number in totals.cells.items():
                if level != "low":
                    states[state] += number
        yield from self._course()
        if states:
            yield Paragraph(("確度「高」「中」の所見の場所:", "Places of the findings of high and medium confidence:"))
            rows_by_state = tuple((state_words(state), _same(f"{n:,}")) for state, n in states.most_common())
            yield Table((("状態", "State"), ("件数", "Count")), rows_by_state, (3, 1))

    def _course(self) -> Iterator[Block]:
        """First sign, first report and isolation, as people recorded them in the ledger."""
        rows: list[tuple[Words, ...]] = []
        for case in self.facts.cases:
            found = incident.course(read_entries(case))
            pairs = zip(incident.rows(found, "ja"), incident.rows(found, "en"), strict=True)
            rows += [tuple((str(ja), str(en)) for ja, en in zip(*pair, strict=True)) for pair in pairs]
        if rows:
            yield Paragraph(("検知・報告・隔離の経過(台帳):", "Detection, report and isolation (ledger):"))
            yield Table(incident.HEADS, tuple(rows), (2, 5, 4, 8, 4, 4, 4))
        else:
            yield Paragraph(
                _words(
                    "検知・報告・隔離の時刻は台帳に記録されていない"
                    "(custody record first_sign、first_report、isolate)。",
                    "No times of detection, report or isolation are in the ledger (custody record first_sign, "
                    "first_report, isolate).",
                ),
                "note",
            )

    def _classified(self) -> Iterator[tuple[Words, Words, Words]]:
        for case in self.facts.cases:
            found = incident.course(read_entries(case))
            both = (incident.classified_rows(found, language) for language in ("ja", "en"))
            for ja, en in zip(*both, strict=True):
                yield _row((str(ja[0]), str(en[0])), (str(ja[1]), str(en[1])), ("台帳", "ledger"))

    def _copies(self) -> Iterator[Block]:
        """The same content in several places of the case, protected or not."""
        for case in self.facts.cases:
            found = content_copies.copies(content_copies.scans_of(case))
            rows = []
            for one in found[:MAX_FILES]:
                for number, place in enumerate(sorted(one.places)):
                    words = [PROTECTION_WORDS.get(code, _same(code)) for code in place.protection]
                    protected = ("、".join(word[0] for word in words), ", ".join(word[1] for word in words))
                    rows.append(
                        (
                            _same(one.sha256[:16] if not number else ""),
                            _same(f"{place.scan} {shown(place.path)}"),
                            state_words(place.state),
                            protected if words else ("保護なし", "unprotected"),
                        )
                    )
            if rows:
                yield Paragraph(
                    (
                        f"同じ内容のファイルの写し({len(found):,} 個の内容、SHA-256 の先頭で示す):",
                        f"Copies of files of the same content ({len(found):,} contents, by their SHA-256):",
                    )
                )
                heads = (("内容", "Content"), ("場所", "Place"), ("状態", "State"), ("保護", "Protection"))
                yield Table(heads, tuple(rows), (4, 10, 3, 4))

    def _items(self) -> Iterator[Block]:
        high, medium, low = (self.facts.sum(level) for level in CONFIDENCES)
        examples = ", ".join(self.facts.first_ids)
        source = (f"findings.jsonl({examples} など)", f"findings.jsonl ({examples} …)") if examples else _FINDINGS
        value = (
            f"確度「高」{high:,} 件、「中」{medium:,} 件、「低」{low:,} 件",
            f"{high:,} of high, {medium:,} of medium, {low:,} of low confidence",
        )
        rows = [_row(("個人番号", "My Number"), value, source)]
        if self.facts.documents:
            names = self.facts.documents.most_common()
            rows.append(
                _row(
                    ("名前・場所にある文書の種類", "Kinds of documents, by name or place"),
                    (
                        "、".join(f"{ja}({number:,})" for (ja, _), number in names),
                        ", ".join(f"{en} ({number:,})" for (_, en), number in names),
                    ),
                    ("名前による(中身は要確認)", "by name (contents to be checked)"),
                ),
            )
        yield _facts_table(rows)
        if self.facts.files:
            yield Paragraph(("番号の多いファイル(確度「高」「中」):", "Files with most numbers (high and medium):"))
            rows_by_file = tuple(
                (
                    _same(image),
                    _same(path) if path else ("(ファイルの外)", "(not in a file)"),
                    state_words(state),
                    _same(f"{n:,}"),
                )
                for (image, path, state), n in self.facts.files.most_common(MAX_FILES)
            )
            head = (("イメージ", "Image"), ("場所", "Path"), ("状態", "State"), ("異なる番号", "Distinct numbers"))
            yield Table(head, rows_by_file, (3, 9, 4, 3))
            more = len(self.facts.files) - MAX_FILES
            if more > 0:
                yield Paragraph(
                    (f"ほか {more:,} ファイル(報告書の「ファイル別」)", f"{more:,} more (report, “By file”)"), "note"
                )

    def _number(self) -> Iterator[Block]:
        persons = self.persons
        rows = [
            _row(
                ("下限", "Lower bound"),
                (f"{persons.certain:,} 人", f"{persons.certain:,}"),
                ("確度「高」の異なる番号", "distinct numbers of high confidence"),
            ),
            _row(
                ("推定", "Estimate"),
                (f"{persons.likely:,} 人", f"{persons.likely:,}"),
                ("確度「中」まで", "down to medium"),
            ),
            _row(
                ("上限", "Upper bound"),
                (f"{persons.possible:,} 人", f"{persons.possible:,}"),
                ("確度「低」まで", "down to low"),
            ),
        ]
        yield _facts_table(rows)
        if not persons.one_case:
            yield Paragraph(
                _words(
                    "複数の事案にまたがるため、同じ番号を突き合わせられない。下限は最も多い事案の値、推定と上限は合計。",
                    "The scans belong to several cases, whose numbers cannot be compared: the lower bound is that of "
                    "the largest, estimate and upper bound are sums.",
                ),
                "note",
            )
        yield Paragraph(
            _words(
                "番号の数であり、人の数ではない。誤判定、見本の番号、番号の変更があれば異なる。"
                "読めなかったものの中の番号は、上限にも入っていない。",
                "These are numbers, not people: wrong judgements, sample numbers and changed numbers make a "
                "difference. Numbers in what was not read are not even in the upper bound.",
            ),
            "note",
        )

    def _cause(self) -> Iterator[Block]:
        encrypted = self.facts.unread.get("encrypted", 0)
        readable = self.facts.sum("high")
        rows = [
            _row(
                ("保護なしで読めた所見", "Findings read without a password or key"),
                (f"確度「高」{readable:,} 件", f"{readable:,} of high confidence"),
                ("findings.jsonl(パスワードを与えた走査では要確認)", "findings.jsonl (check if passwords were given)"),
            ),
            _row(
                ("暗号化されて読めなかったもの", "Encrypted and not read"),
                (f"{encrypted:,} 件(番号の有無は不明)", f"{encrypted:,} (whether they hold numbers is unknown)"),
                ("coverage.jsonl", "coverage.jsonl"),
            ),
        ]
        if self.facts.rules:
            names = ", ".join(f"{name} ({number:,})" for name, number in self.facts.rules.most_common(MAX_FILES))
            rows.append(
                _row(
                    ("一致した YARA 規則", "YARA rules that matched"),
                    _same(names),
                    ("一致は、使われたことを示さない", "a match does not show use"),
                ),
            )
        rows += self._classified()
        yield _facts_table(rows)
        yield from self._copies()
        if self.facts.routes is None:
            yield Paragraph(
                _words(
                    "外へ出た経路の痕跡(USB、送信メール、クラウド、印刷)は、時系列がないため確かめていない。"
                    "timeline build イメージとログ --case 事案 を実行してから、この下書きを作り直すこと。",
                    "Traces of a way out (USB, sent mail, cloud, print) were not looked for: there is no timeline. Run "
                    "timeline build IMAGES-AND-LOGS --case CASE and make this draft again.",
                ),
                "note",
            )
            return
        for words in self.facts.routes:
            yield Paragraph(_words(*words))
        yield Paragraph(
            _words(
                "時系列に取り込んだ記録の範囲で認められる痕跡である(triage routes で一件ずつ示す)。"
                "取り込んでいない記録のことは分からない。",
                "Traces within the records that the timeline holds (triage routes lists each). Of records that it does "
                "not hold nothing is known.",
            ),
            "note",
        )

    def _other(self) -> Iterator[Block]:
        rows = [_row(reason_words(reason), _same(f"{n:,}"), _COVERAGE) for reason, n in self.facts.unread.most_common()]
        if rows:
            yield Paragraph(("読めなかったもの:", "Not or not fully read:"))
            yield _facts_table(rows)
        cases = dict.fromkeys(
            shown(map_of(results.summary.get("case")).get("id")) or "—" for results, _ in self.facts.scans
        )
        yield _facts_table([_row(("事案", "Case"), _same(", ".join(cases)), _same("summary.json"))])


_FINDINGS: Words = ("findings.jsonl", "findings.jsonl")
_COVERAGE: Words = ("coverage.jsonl", "coverage.jsonl")


def _words(ja: str, en: str) -> Words:
    return ja, en


def _same(text: str) -> Words:
    return text, text


def _row(name: Words, value: Words, source: Words) -> tuple[Words, Words, Words]:
    return name, value, source


def _facts_table(rows: Sequence[tuple[Words, Words, Words]]) -> Table:
    return Table((("事項", "Item"), ("事実", "Fact"), ("出所", "Source")), tuple(rows), (5, 10, 5), sourced=True)


def _day_number(first: date, number: int) -> str:
    """The day that is number `number` when `first` is day 1."""
    return (first + timedelta(days=number - 1)).isoformat()
