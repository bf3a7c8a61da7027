# ruff: noqa: E501 - markup is read, and compared with the page, in one piece
"""A report of chosen events for people who were not there: one HTML file with charts, and nothing from outside.

```python
with open_store(case) as store, open_case(case) as opened:
    write_report(opened, store, Filter(kinds=("usb.*",)), Path("report.html"), zone="Asia/Tokyo", language="ja")
```
Beside each other stand what the source recorded (原本表記), what it means under the zone that is named, and, where a
clock was estimated, the corrected time as a range. The page has no script; its policy (`default-src 'none'`) allows its
one style by hash. Every text is masked. Writing it is recorded in the ledger with its SHA-256.
"""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from importlib import resources
from typing import TYPE_CHECKING, Any

from chain_of_custody.entries import FileHash
from chain_of_custody.errors import TargetError, UsageError
from chain_of_custody.masking import mask_text
from timeline import incident_marks, questions, times
from timeline.corrected_times import HEADINGS
from timeline.filters import Filter, event_of
from timeline.kinds import sentence
from timeline.marks import Notebook
from timeline.viewer import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from chain_of_custody.case import Case
    from chain_of_custody.errors import Language
    from timeline.corrected_times import CorrectedTime
    from timeline.incident_marks import IncidentMark
    from timeline.marks import Mark
    from timeline.store import Store

_BINS = 120
_MOST_FAMILIES = 9
_MOST_COVERAGE = 200


@dataclass(frozen=True, slots=True)
class _Words:
    """The language of a report."""

    language: Language

    def __call__(self, ja: str, en: str) -> str:
        return ja if self.language == "ja" else en


def write_report(
    case: Case,
    store: Store,
    wanted: Filter,
    out: Path,
    *,
    zone: str = "Asia/Tokyo",
    language: Language = "ja",
    marked_alone: bool = False,
    title: str = "",
    limit: int = 5000,
) -> dict[str, Any]:
    """Write the report to the new file `out`; what was written, for the caller to tell.

    Raises TargetError where the file exists or cannot be written, UsageError where no event fits.
    """
    if out.exists():
        raise TargetError(f"既にあります: {mask_text(str(out))}", f"exists already: {mask_text(str(out))}")
    marks = Notebook(case).marks()
    rows, total = _chosen(store, wanted, marks, marked_alone=marked_alone, limit=limit)
    if not rows:
        raise UsageError(
            "条件に合う事象がありません",
            "no event fits",
            hint_ja="timeline show で条件を確かめてください"
            if not marked_alone
            else "timeline view でしるしを付けてください",
            hint_en="check the filters with timeline show" if not marked_alone else "mark events in timeline view",
        )
    asked = _conditions(wanted, marked_alone=marked_alone, zone=zone)
    with case.action("report", {"kind": "timeline", "conditions": asked, "events": str(len(rows))}) as action:
        page = render(
            case, store, rows, marks, asked, zone=zone, language=language, title=title, left_out=total - len(rows)
        ).encode("utf-8", "backslashreplace")
        digest = hashlib.sha256(page).hexdigest()
        try:
            with out.open("xb") as file:
                file.write(page)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise TargetError(
                f"書き込めません: {mask_text(str(out))}: {error.strerror}",
                f"cannot write: {mask_text(str(out))}: {error.strerror}",
            ) from error
        action.set_result({"file": mask_text(out.name)}, outputs=[FileHash(digest, len(page))])
    return {"out": mask_text(str(out)), "events": len(rows), "left_out": total - len(rows), "sha256": digest}


def _chosen(
    store: Store, wanted: Filter, marks: Mapping[str, Mark], *, marked_alone: bool, limit: int
) -> tuple[list[dict[str, Any]], int]:
    """Events in order of time (at most `limit`), and how many fit."""
    if not marked_alone:
        return list(questions.events(store, wanted, limit=limit)), questions.count(store, wanted)
    condition, values = wanted.condition()
    names = [where for name in marks if (where := event_of(name)) is not None]
    if not names:
        return [], 0
    listed = ", ".join(f"({source}, {row})" for source, row in names)
    sql = (
        f"SELECT id FROM events WHERE (source_id, row) IN ({listed}) AND {condition} "  # noqa: S608 - whole numbers
        f"ORDER BY {questions.ORDER}"
    )
    found = [questions.event(store, str(one)) for (one,) in store.rows(sql, values)]
    return found[:limit], len(found)


def _conditions(wanted: Filter, *, marked_alone: bool, zone: str) -> dict[str, Any]:
    found: dict[str, Any] = {"zone": zone}
    if wanted.first_ns is not None:
        found["from"] = times.shown(wanted.first_ns, zone, digits=0)
    if wanted.last_ns is not None:
        found["to"] = times.shown(wanted.last_ns, zone, digits=0)
    if wanted.kinds:
        found["kind"] = ", ".join(wanted.kinds)
    for name in ("host", "path", "actor", "words", "source", "parser", "state"):
        value = getattr(wanted, name)
        if value:
            found[name] = mask_text(value)
    if marked_alone:
        found["marks"] = True
    return found


# ---- the page ----


def render(
    case: Case,
    store: Store,
    rows: Sequence[Mapping[str, Any]],
    marks: Mapping[str, Mark],
    asked: Mapping[str, Any],
    *,
    zone: str,
    language: Language,
    title: str = "",
    left_out: int = 0,
) -> str:
    """The report as HTML."""
    say = _Words(language)
    families = _families(rows)
    style = (
        resources.files("timeline")
        .joinpath("templates", "event_report.css")
        .read_text(encoding="utf-8")
        .replace("\r\n", "\n")
    )
    policy = f"default-src 'none'; style-src 'sha256-{_digest(style)}'; base-uri 'none'; form-action 'none'"
    heading = mask_text(title) or say("時系列報告書", "Timeline report")
    corrected = questions.corrected_times(store, rows, zone, say.language)
    moments = incident_marks.of_case(case.path)
    parts = [
        f'<header><p class="case">{_h(mask_text(case.name))}</p><h1>{_h(heading)}</h1>{_facts(case, store, rows, asked, zone, say, left_out)}</header>',
        _how_to_read(rows, say, corrected=bool(corrected)),
        _incident(moments, zone, say),
        (
            f"<section><h2>{say('いつ、何が多かったか', 'When, and how much')}</h2>{_density(rows, families, moments, zone, say)}"
            f'<div class="pair">{_by_kind(rows, say)}{_by_hour(rows, zone, say)}</div></section>'
        ),
        f"<section><h2>{say('事象の一覧', 'The events')}</h2>{_table(rows, families, marks, corrected, zone, say)}</section>",
        _sources(store, rows, say),
        _coverage(store, say),
    ]
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="color-scheme" content="light dark">\n'
        f"<title>{_h(heading)}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n{''.join(parts)}\n</main>\n</body>\n</html>\n"
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _h(value: object) -> str:
    """A text of evidence as HTML: controls made visible, directions of writing kept to themselves."""
    text = "".join(character if character.isprintable() or character == "\n" else "�" for character in str(value))
    return f"<bdi>{escape(text)}</bdi>" if text else ""


def _families(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in rows:
        family = str(row["kind"]).partition(".")[0]
        counts[family] = counts.get(family, 0) + 1
    ordered = sorted(counts, key=lambda one: (-counts[one], one))
    return {family: min(at, _MOST_FAMILIES) for at, family in enumerate(ordered)}


def _name(family: str, say: _Words) -> str:
    return say(*FAMILIES.get(family, (family, family)))


def _family(row: Mapping[str, Any], families: Mapping[str, int]) -> int:
    return families[str(row["kind"]).partition(".")[0]]


def _moment(ns: int | None, zone: str, *, known: bool = True, precision_ns: int = 1) -> str:
    if ns is None:
        return ""
    digits = max(0, 9 - (len(str(precision_ns)) - 1))
    text = times.shown(ns, zone, known=known, digits=min(9, digits))
    return f"{text[:10]} {text[11:-6]}"


def _facts(
    case: Case,
    store: Store,
    rows: Sequence[Mapping[str, Any]],
    asked: Mapping[str, Any],
    zone: str,
    say: _Words,
    left_out: int,
) -> str:
    timed = [row["time_ns"] for row in rows if row["time_ns"] is not None]
    names = {
        "from": say("この時刻から", "from"), "to": say("この時刻まで", "to"), "kind": say("種別", "kind"),
        "host": say("機器", "host"), "path": say("パス", "path"), "actor": say("行為者", "actor"),
        "words": say("語", "text"), "source": say("資料", "source"), "parser": say("読み手", "parser"),
        "state": say("状態", "state"), "marks": say("しるしを付けた事象のみ", "marked events alone"),
    }  # fmt: skip
    conditions = "、".join(
        names[name] if value is True else f"{names[name]}: {mask_text(str(value))}"
        for name, value in asked.items()
        if name in names
    )
    span = (
        f"{_moment(min(timed), zone, precision_ns=times.NS)} – {_moment(max(timed), zone, precision_ns=times.NS)}"
        if timed
        else "–"
    )
    made = times.shown(int(datetime.now(UTC).timestamp()) * times.NS, zone, digits=0)
    facts = [
        (say("事象", "Events"), f"{len(rows):,}{say(' 件', '')}"),
        (say("期間", "Span"), f"{span} ({zone})"),
        (say("条件", "Chosen by"), conditions or say("すべて", "everything")),
        (say("作成", "Made"), f"{made} {case.operator().name or case.operator().id}"),
        (say("事案の指紋", "Fingerprint of the case"), case.fingerprint),
    ]
    shown = "".join(f"<dt>{_h(name)}</dt><dd>{_h(value)}</dd>" for name, value in facts)
    missing = (
        f'<p class="warning">{say(f"条件に合う事象のうち {left_out:,} 件は、上限のためこの報告書に載せていません。", f"{left_out:,} more events fit and are not in this report, because of its limit.")}</p>'
        if left_out
        else ""
    )
    scope = store.scope
    outside = store.outside()
    if outside and scope is not None:
        words = say(
            f"調査の範囲(台帳 第 {scope.seq} 項)の外の事象 {outside:,} 件は、この報告書の対象ではありません。",
            f"{outside:,} events outside the scope (entry {scope.seq} of the ledger) are no part of this report.",
        )
        missing += f'<p class="warning">{_h(words)}</p>'
    return f"<dl>{shown}</dl>{missing}"


def _how_to_read(rows: Sequence[Mapping[str, Any]], say: _Words, *, corrected: bool) -> str:
    unknown = sum(1 for row in rows if row["zone"] is None)
    without = sum(1 for row in rows if row["time_ns"] is None)
    lines = [
        say(
            "「原本表記」は資料に記録されたとおりの文字または数値です。「解釈した時刻」は、それを記録の時間帯の下で読み、"
            "表示の時間帯に直したものです。原本表記を書き換えることはありません。",
            "“As recorded” is what the source holds, as text or number. “Read as” is its meaning under the zone of the "
            "record, shown in the zone of this report. What was recorded is never changed.",
        ),
        say(
            "時刻は、それを記録した時計の示した時刻です。時計が正しかったとは限りません。",
            "A time is what the clock that recorded it showed. That clock need not have been right.",
        ),
    ]
    if corrected:
        lines.append(
            say(
                "「補正後」は、時計のずれの推定から求めた真の時刻の範囲(95 %)です。",
                "“Corrected” is the range of the true time (95 %) by the estimate of the clock's error.",
            )
        )
    if unknown:
        lines.append(
            say(
                f"{unknown:,} 件は時間帯が分かりません(?)。書かれた時刻のまま並べており、ほかの事象との前後は確定できません。",
                f"{unknown:,} of the events have no known zone (?). They stand by the time as written; whether they came before or "
                "after others is not settled.",
            )
        )
    if without:
        lines.append(
            say(
                f"{without:,} 件は時刻を読めず、末尾に置いています。",
                f"{without:,} have no readable time and stand last.",
            )
        )
    return f'<section class="read"><h2>{say("読み方", "How to read this")}</h2><ul>{"".join(f"<li>{_h(line)}</li>" for line in lines)}</ul></section>'


def _incident(moments: Sequence[IncidentMark], zone: str, say: _Words) -> str:
    """First sign, report and isolation with the times between them; nothing where nobody recorded any."""
    if not moments:
        return ""
    head = "".join(
        f"<th>{_h(one)}</th>"
        for one in (say("時刻", "time"), *incident_marks.heads(say.language), say("台帳", "ledger"))
    )
    lines = []
    for number, one in enumerate(moments, 1):
        name, said, spans = one.in_words(say.language)
        cells = (_moment(one.ns, zone, precision_ns=times.NS), f"{number}. {name}", said, *spans, f"#{one.seq}")
        lines.append(f"<tr>{''.join(f'<td>{_h(cell)}</td>' for cell in cells)}</tr>")
    words = say(
        f"台帳に人が記録した時刻です。資料の事象ではありません。時刻は {zone} で示します。図の番号は下の表の番号です。",
        f"Times that people recorded in the ledger, not events of a source, shown in {zone}. The chart has their numbers.",
    )
    return (
        f"<section><h2>{say('兆候・報告・隔離', 'Signs, reports, isolation')}</h2><p>{_h(words)}</p>"
        f'<div class="scroll"><table class="incident"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div></section>'
    )


def _incident_lines(
    moments: Sequence[IncidentMark], first: int, last: int, width: int, base: int, say: _Words
) -> tuple[str, str]:
    """The moments that lie within the chart as numbered lines, and what is said of those outside."""
    inside = [(number, one) for number, one in enumerate(moments, 1) if first <= one.ns < last]
    drawn = "".join(
        f'<g class="moment"><title>{escape(one.in_words(say.language)[0])}</title>'
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="10" y2="{base}"/>'
        f'<text x="{x:.1f}" y="9" text-anchor="{"start" if x < width / 2 else "end"}">{number}</text></g>'
        for number, one in inside
        for x in [(one.ns - first) / max(last - first, 1) * width]
    )
    outside = len(moments) - len(inside)
    note = say(
        f"{outside} 件の時刻(兆候・報告・隔離)は、図の期間の外です。",
        f"{outside} of the recorded moments (signs, reports, isolation) lie outside the span of this chart.",
    )
    return drawn, f"<p>{_h(note)}</p>" if outside else ""


def _density(
    rows: Sequence[Mapping[str, Any]],
    families: Mapping[str, int],
    moments: Sequence[IncidentMark],
    zone: str,
    say: _Words,
) -> str:
    """Events over time, stacked by family, with the moments of the incident."""
    timed = [(row["time_ns"], _family(row, families)) for row in rows if row["time_ns"] is not None]
    if not timed:
        return ""
    first, last = min(one[0] for one in timed), max(one[0] for one in timed) + 1
    length = max(last - first, 1)
    counts = [[0] * (_MOST_FAMILIES + 1) for _ in range(_BINS)]
    for ns, family in timed:
        counts[min(_BINS - 1, (ns - first) * _BINS // length)][family] += 1
    most = max(sum(one) for one in counts)
    width, height, base = 960, 190, 160
    step = width / _BINS
    paths = [""] * (_MOST_FAMILIES + 1)
    for at, one in enumerate(counts):
        floor = 0.0
        for family, number in enumerate(one):
            if number:
                tall = number / most * (base - 18)
                x, y = at * step, base - floor - tall
                paths[family] += f"M{x:.1f} {y:.1f}h{step - 0.8:.1f}v{tall:.1f}h{-(step - 0.8):.1f}z"
                floor += tall
    drawn = "".join(f'<path class="f{family}" d="{path}"/>' for family, path in enumerate(paths) if path)
    ticks = "".join(
        f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{base}" y2="{base + 4}"/>'
        f'<text x="{x + (3 if x < 900 else -3):.1f}" y="{height - 10}" text-anchor="{"start" if x < 900 else "end"}">{escape(label)}</text>'
        for x, label in _ticks(first, last, zone, width)
    )
    legend = "".join(
        f'<span><i class="f{place}"></i>{_h(_name(family, say))} {sum(1 for _, one in timed if one == place):,}</span>'
        for family, place in families.items()
        if place < _MOST_FAMILIES
    )
    lines, outside = _incident_lines(moments, first, last, width, base, say)
    label = say(f"{len(timed):,} 件の時間分布", f"{len(timed):,} events over time")
    return (
        f'<figure><figcaption>{legend}</figcaption><svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">'
        f'<line class="grid" x1="0" x2="{width}" y1="18" y2="18"/><text x="0" y="13">{most:,}</text>{drawn}'
        f'<line class="axis" x1="0" x2="{width}" y1="{base}" y2="{base}"/>{ticks}{lines}</svg>{outside}</figure>'
    )


def _ticks(first: int, last: int, zone: str, width: int) -> Iterator[tuple[float, str]]:
    """Five places on the axis with as much of the time as tells them apart."""
    length = last - first
    for part in range(5):
        at = first + length * part // 4 if part < 4 else last - 1
        text = times.shown(at, zone, digits=3)
        shown = (
            text[:10]
            if length > 20 * times.DAY
            else f"{text[:10]} {text[11:16]}"
            if length > times.DAY // 2
            else text[11:19]
        )
        if length < 60 * times.NS:
            shown = text[11:23]
        yield (at - first) / length * width, shown


def _by_kind(rows: Sequence[Mapping[str, Any]], say: _Words) -> str:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["kind"]] = counts.get(row["kind"], 0) + 1
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    most = ordered[0][1]
    lines = "".join(
        f'<tr><td>{_h(_label(kind, say))}<small>{_h(kind)}</small></td><td class="num">{count:,}</td>'
        f'<td class="bar"><svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="f0" width="{max(1.0, count / most * 100):.1f}" height="8"/></svg></td></tr>'
        for kind, count in ordered[:14]
    )
    rest = sum(count for _, count in ordered[14:])
    more = f'<tr><td>{say("そのほか", "others")}</td><td class="num">{rest:,}</td><td></td></tr>' if rest else ""
    return f'<div><h3>{say("種別ごと", "By kind")}</h3><table class="kinds"><tbody>{lines}{more}</tbody></table></div>'


def _label(kind: str, say: _Words) -> str:
    from timeline.viewer import kind_label  # noqa: PLC0415 - the viewer's names of kinds

    return kind_label(kind, say.language)


_WEEK = ("月火水木金土日", ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"])


def _by_hour(rows: Sequence[Mapping[str, Any]], zone: str, say: _Words) -> str:
    """Day of the week and hour, in the zone of the report; events of unknown zone by the time as written."""
    counts = [[0] * 24 for _ in range(7)]
    for row in rows:
        if row["time_ns"] is None:
            continue
        shown = times.shown(row["time_ns"], zone, known=row["zone"] is not None, digits=0)
        day = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=_days(shown))).weekday()
        counts[day][int(shown[11:13])] += 1
    most = max(max(one) for one in counts) or 1
    cell, left, top = 19, 26, 16
    parts = []
    for day in range(7):
        parts.append(
            f'<text x="{left - 8}" y="{top + day * cell + 14}" text-anchor="end">{_WEEK[say.language != "ja"][day]}</text>'
        )
        for hour in range(24):
            number = counts[day][hour]
            level = 0 if not number else 1 + min(4, number * 4 // most)
            parts.append(
                f'<rect class="h{level}" x="{left + hour * cell}" y="{top + day * cell}" width="{cell - 2}" height="{cell - 2}" rx="3">'
                f"<title>{_WEEK[say.language != 'ja'][day]} {hour:02d}:00 {number:,}</title></rect>"
            )
    parts += [f'<text x="{left + hour * cell}" y="11">{hour}</text>' for hour in range(0, 24, 3)]
    width, height = left + 24 * cell, top + 7 * cell
    label = say("曜日と時間帯の分布", "events by day of the week and hour")
    return (
        f"<div><h3>{say('曜日と時間帯', 'By day and hour')} <small>({_h(zone)})</small></h3>"
        f'<svg class="hours" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg></div>'
    )


def _days(shown: str) -> int:
    year, month, day = int(shown[:4]), int(shown[5:7]), int(shown[8:10])
    ns = times.civil(year, month, day)
    return (ns or 0) // times.DAY


_BASIS = {
    "format": ("形式", "format"), "declared": ("申告", "declared"), "registry": ("機器の設定", "registry"), "none": ("不明", "unknown"),
}  # fmt: skip
_STATES = {
    "deleted": ("削除済み", "deleted"),
    "carved": ("断片から復元", "carved"),
    "snapshot": ("シャドウコピー", "shadow copy"),
}


def _table(
    rows: Sequence[Mapping[str, Any]],
    families: Mapping[str, int],
    marks: Mapping[str, Mark],
    corrected: Mapping[str, CorrectedTime],
    zone: str,
    say: _Words,
) -> str:
    head = [
        say("番号", "No."), say("原本表記", "As recorded"), say("解釈した時刻", "Read as"),
        *([say(*HEADINGS["corrected"]), say(*HEADINGS["amount"])] if corrected else []), say("内容", "What"), say("所在", "Where"),
    ]  # fmt: skip
    lines = []
    day = ""
    for number, row in enumerate(rows, 1):
        known = row["zone"] is not None
        shown = _moment(row["time_ns"], zone, known=known, precision_ns=row["precision_ns"] or 1)
        if shown[:10] != day:
            day = shown[:10]
            lines.append(
                f'<tr class="day"><th colspan="{len(head)}">{_h(day) or say("時刻を読めない記録", "records without a readable time")}</th></tr>'
            )
        basis = say(*_BASIS.get(row["zone_basis"], ("", "")))
        read = (
            f"{_h(shown[11:])}{'' if known or not shown else ' ?'}<small>{_h(row['zone'] or say('時間帯不明', 'zone unknown'))} · {_h(basis)}</small>"
            if shown
            else "–"
        )
        said = sentence(row["kind"], row, row["data"], say.language)
        state = f'<span class="tag">{say(*_STATES[row["state"]])}</span> ' if row["state"] in _STATES else ""
        mark = marks.get(row["id"])
        note = (
            f'<p class="note">{_h(mask_text(mark.text)) or say("しるし", "marked")}<small>#{mark.seq} {_h(mark.actor)} {_h(mark.at[:19])}</small></p>'
            if mark
            else ""
        )
        about = [one for one in (row["host"], row["actor"]) if one]
        if row["bytes"] is not None:
            about.append(f"{row['bytes']:,} B")
        cells = [
            f'<td class="num">{number}<small>{_h(row["id"])}</small></td>',
            f'<td class="raw">{_h(mask_text(row["time_text"]))}<small>{_h(row["desc"])} · {_h(row["clock"])}</small></td>',
            f'<td class="when">{read}</td>',
        ]
        if corrected:
            band = corrected[row["id"]]
            between = f"{_h(band.earliest.replace('T', ' '))}<br>{_h(band.latest.replace('T', ' '))}"
            cells += [
                f'<td class="when">{between if band.earliest else say("不明", "unknown")}</td>',
                f'<td class="when">{_h(band.amount)}<small>{_h(band.certainty)} · {_h(band.ground)}</small></td>',
            ]
        cells += [
            f'<td class="what"><i class="f{_family(row, families)}"></i>{state}{_h(said)}<small>{_h(" · ".join(about))}</small>{note}</td>',
            f'<td class="where">{_h(row["layer"])}<small>{say("記録", "record")} {_h(row["record"])}</small></td>',
        ]
        lines.append(f"<tr{' class=marked' if mark else ''}>{''.join(cells)}</tr>")
    top = "".join(f"<th>{_h(one)}</th>" for one in head)
    return f'<div class="scroll"><table class="events"><thead><tr>{top}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def _sources(store: Store, rows: Sequence[Mapping[str, Any]], say: _Words) -> str:
    used = sorted({row["source_id"] for row in rows})
    listed = ", ".join(map(str, used))
    sql = f"SELECT source_id, layer, parser, size, sha256, rows FROM sources WHERE source_id IN ({listed}) ORDER BY source_id"  # noqa: S608
    lines = "".join(
        f'<tr><td class="num">S{one[0]}</td><td>{_h(mask_text(str(one[1])))}</td><td>{_h(one[2])}</td><td class="num">{int(one[3] or 0):,}</td>'
        f'<td class="raw">{_h(one[4] or "–")}</td><td class="num">{int(one[5] or 0):,}</td></tr>'
        for one in store.rows(sql)
    )
    head = (
        say("番号", "No."),
        say("資料", "Source"),
        say("読み手", "Reader"),
        say("バイト", "Bytes"),
        "SHA-256",
        say("記録数", "Records"),
    )
    top = "".join(f"<th>{_h(one)}</th>" for one in head)
    return (
        f'<section><h2>{say("使った資料", "Sources used")}</h2><div class="scroll"><table class="sources"><thead><tr>{top}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div></section>"
    )


def _coverage(store: Store, say: _Words) -> str:
    found = list(store.rows("SELECT place, reason, detail FROM coverage LIMIT ?", [_MOST_COVERAGE + 1]))
    intro = (
        say(
            "時系列の作成で、次の部分は読み取れていません。",
            "These parts were not, or not fully, read when the timeline was built.",
        )
        if found
        else say("読み取れなかった部分の記録はありません。", "Nothing was left unread.")
    )
    lines = "".join(
        f"<tr><td>{_h(mask_text(str(place)))}</td><td>{_h(reason)}</td><td>{_h(mask_text(str(detail)))}</td></tr>"
        for place, reason, detail in found[:_MOST_COVERAGE]
    )
    more = (
        f"<p>{say('以下略(timeline sources で全件)', 'and more (timeline sources lists all)')}</p>"
        if len(found) > _MOST_COVERAGE
        else ""
    )
    table = f'<div class="scroll"><table class="coverage"><tbody>{lines}</tbody></table></div>' if found else ""
    return f"<section><h2>{say('読み取れなかった部分', 'What was not read')}</h2><p>{intro}</p>{table}{more}</section>"
