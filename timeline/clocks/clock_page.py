"""One page for one clock: what was seen, the offset over time as a chart with its band, anchors, and the sentence."""

from __future__ import annotations

import html
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from chain_of_custody.masking import mask_text
from timeline import times
from timeline.clocks.anchors import SYNCHRONISED_S
from timeline.clocks.manipulation import signs
from timeline.clocks.result_file import iso_ns
from timeline.clocks.wording import MOST_PARTS, court_sentence, piece_offsets, span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chain_of_custody.errors import Language
    from timeline.clocks.evidence import Floats
    from timeline.clocks.solution import ClockView, Solution

MOST_LISTED = 200
WIDTH, HEIGHT, LEFT, BOTTOM = 900, 320, 90, 40
_NAMES = {
    "reading": ("確認時の読取り", "reading at seizure"),
    "exchange": ("通信の応答時刻", "exchange with a server"),
    "aged_reply": ("古い応答(片側)", "cached reply (one side)"),
    "receipt": ("サーバーの受信", "receipt by a server"),
    "link": ("前後の分かる記録", "linked record"),
    "same_event": ("同じ事象の別の記録", "same event in another log"),
    "typed": ("手入力", "typed by hand"),
}


@dataclass(frozen=True, slots=True)
class AnchorLine:
    """One anchor as a reader sees it: bounds of the offset θ in seconds."""

    record: str
    text: str
    kind: str
    reference: str
    low: float
    high: float
    used: bool


def anchor_lines(solution: Solution, view: ClockView) -> list[AnchorLine]:
    """All anchors of a clock, with the record each stands in and whether it was used."""
    lines: list[AnchorLine] = []
    answer, case = view.answer, solution.case
    for index, origin in enumerate(view.anchors.origin):
        stamp = view.anchors.stamp[index]
        reading = float(view.stamps.reading_s[stamp])
        resolution = float(view.stamps.resolution_s[stamp])
        source = case.sources[origin.source] if origin.source >= 0 else None
        lines.append(
            AnchorLine(
                record=source.label(origin.row) if source else f"readings:{origin.row}",
                text=source.texts[origin.row] if source else iso_ns(case.origin_ns + round(reading * 1e9)),
                kind=origin.kind,
                reference=origin.reference,
                low=reading - view.anchors.high[index],
                high=reading + resolution - view.anchors.low[index],
                used=answer is None or not bool(answer.contradicted[index]),
            ),
        )
    return lines


def _points(view: ClockView) -> tuple[Floats, Floats, Floats]:
    """(best true time, lowest, highest offset) of the clock's records, thinned for drawing."""
    answer, stamps = view.answer, view.stamps
    if answer is None:
        return np.zeros(0), np.zeros(0), np.zeros(0)
    use = np.flatnonzero(np.isfinite(answer.low) & np.isfinite(answer.high) & np.isfinite(stamps.reading_s))
    use = use[np.argsort(answer.best[use], kind="stable")]
    if len(use) > 800:
        use = use[np.linspace(0, len(use) - 1, 800).astype(np.int64)]
    low = stamps.reading_s[use] - answer.high[use]
    high = stamps.reading_s[use] + stamps.resolution_s[use] - answer.low[use]
    return answer.best[use], low, high


def charts(solution: Solution, name: str, language: Language) -> str:
    """The offset over the whole time, and over each period between steps in a scale of its own."""
    parts = piece_offsets(solution.main.views[name])
    shown = chart(solution, name, language)
    if 1 < len(parts) <= MOST_PARTS:
        shown += "".join(
            chart(solution, name, language, (first, last)) for first, last, _low, _high in parts if last > first
        )
    return shown


def chart(solution: Solution, name: str, language: Language, period: tuple[float, float] | None = None) -> str:
    """The offset over true time as SVG: band, anchors used (dark) and rejected (red).

    `period`: only what lies between two true times (seconds from origin).
    """
    view = solution.main.views[name]
    when, low, high = _points(view)
    if period is not None:
        inside = (when >= period[0]) & (when <= period[1])
        when, low, high = when[inside], low[inside], high[inside]
    if not len(when):
        text = "記録の補正は不能" if language == "ja" else "nothing is known of this clock"
        return f'<svg viewBox="0 0 {WIDTH} 60" role="img"><text x="10" y="35">{text}</text></svg>'
    span_low, span_high = float(np.quantile(low, 0.01)), float(np.quantile(high, 0.99))
    room = max((span_high - span_low) * 0.15, 0.5)
    bottom, top = span_low - room, span_high + room
    first, last = float(when[0]), max(float(when[-1]), float(when[0]) + 1)

    def x(value: float) -> float:
        return round(LEFT + (value - first) / (last - first) * (WIDTH - LEFT - 20), 1)

    def y(value: float) -> float:
        return round(
            (HEIGHT - BOTTOM) - (min(max(value, bottom), top) - bottom) / (top - bottom) * (HEIGHT - BOTTOM - 15), 1
        )

    shapes = []
    # A step must not be drawn as a slope: the band is cut where it jumps.
    cuts = np.flatnonzero(np.abs(np.diff((low + high) / 2)) > np.maximum(5 * np.median(high - low), 5)) + 1
    for run in np.split(np.arange(len(when)), cuts):
        upper = " ".join(f"{x(float(when[i]))},{y(float(high[i]))}" for i in run)
        lower = " ".join(f"{x(float(when[i]))},{y(float(low[i]))}" for i in run[::-1])
        shapes.append(f'<polygon class="band" points="{upper} {lower}"/>')
    for index, line in enumerate(anchor_lines(solution, view)):
        if not (np.isfinite(line.low) and np.isfinite(line.high)) or (index > 600 and line.used):
            continue
        at = (view.anchors.low[index] + view.anchors.high[index]) / 2
        if not first <= at <= last:
            continue
        css = "used" if line.used else "rejected"
        shapes.append(f'<line class="{css}" x1="{x(at)}" x2="{x(at)}" y1="{y(line.low)}" y2="{y(line.high) - 1}"/>')
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        value = bottom + (top - bottom) * share
        sign = "+" if value >= 0 else "-"
        shapes.append(f'<text x="4" y="{y(value) + 4}">{sign}{html.escape(span(value))}</text>')
        shapes.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - 20}" y1="{y(value)}" y2="{y(value)}"/>')
        moment = first + (last - first) * share
        when_text = _jst(solution.case.origin_ns + round(moment * 1e9))
        shapes.append(f'<text x="{min(x(moment) - 34, WIDTH - 72)}" y="{HEIGHT - 12}">{when_text}</text>')
    label = (
        "時計のずれ(縦: 進み+/遅れ-、横: 日本時間)" if language == "ja" else "offset (+ fast, - slow) over time (JST)"
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}"><title>{label}</title>'
        + "".join(shapes)
        + "</svg>"
    )


def _jst(time_ns: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=time_ns // 1_000_000_000 + 9 * 3600)
    return f"{moment:%m-%d %H:%M}"


_STYLE = """
body{font-family:"Noto Sans JP","Noto Sans CJK JP","Hiragino Sans",Meiryo,sans-serif;max-width:60rem;margin:2rem auto;
padding:0 1rem;color:#1b1f24;line-height:1.7}
h1{font-size:1.4rem}h2{font-size:1.1rem;border-bottom:1px solid #d0d7de;padding-bottom:.2rem}
table{border-collapse:collapse;width:100%;font-size:.85rem}td,th{border:1px solid #d0d7de;padding:.2rem .5rem;
text-align:left;vertical-align:top;word-break:break-all}svg{width:100%;height:auto;font-size:11px}
.band{fill:#8fb8de;stroke:#4f86b8;stroke-width:1.5;opacity:.8}.used{stroke:#20334a;stroke-width:1.2}
.rejected{stroke:#c62828;stroke-width:2}
.grid{stroke:#d0d7de;stroke-width:.6}.no{color:#c62828}.court{background:#f3f6fa;border-left:4px solid #20334a;
padding:.7rem 1rem}@media print{body{margin:0;max-width:none}}
"""


_DRAWING = "<!-- chart -->"


def _shown(time_ns: int) -> str:
    """A time as the other pages show it: Japan, to the millisecond."""
    return times.shown(time_ns, "Asia/Tokyo", digits=3).replace("T", " ")


def page(solution: Solution, name: str, language: Language) -> str:
    """A self-contained HTML page about one clock; what looks like a My Number is masked."""
    view = solution.main.views[name]
    ja = language == "ja"
    # The drawing stays out of the mask: coordinates in a row look like numbers.
    drawn = charts(solution, name, language)
    parts = [
        f'<!doctype html><html lang="{language}"><meta charset="utf-8"><title>{html.escape(name)}</title>',
        f"<style>{_STYLE}</style><h1>{'時計' if ja else 'Clock'}: {html.escape(name)}</h1>",
        f'<p class="court">{html.escape(court_sentence(solution, name, "ja"))}</p>',
        f'<p class="court">{html.escape(court_sentence(solution, name, "en"))}</p>',
        f"<h2>{'ずれの推移' if ja else 'Offset over time'}</h2>{_DRAWING}",
    ]
    parts.append(_seen(solution, name, ja=ja))
    parts.append(_steps(solution, view, ja=ja))
    parts.append(_anchors(solution, view, ja=ja))
    found = [one for one in signs(solution) if one.clock == name]
    if found:
        rows = "".join(
            f"<tr><td>{html.escape(one.words(language)[0])}</td><td>{html.escape(', '.join(one.records))}"
            f"{' …' if one.total > len(one.records) else ''}</td><td>{html.escape(one.words(language)[1])}</td></tr>"
            for one in found
        )
        heads = ("時刻の操作が疑われる点", "記録", "ほかの説明") if ja else ("sign", "records", "innocent explanations")
        parts.append(f"<h2>{heads[0]}</h2><table><tr>{''.join(f'<th>{one}</th>' for one in heads)}</tr>{rows}</table>")
    parts.append(_formula(ja=ja))
    before, _, after = "".join(parts).partition(_DRAWING)
    return mask_text(before) + drawn + mask_text(after) + "</html>\n"


def _seen(solution: Solution, name: str, *, ja: bool) -> str:
    readings = [one for one in solution.case.readings if one.clock == name]
    if not readings:
        text = "確認時の時刻の読取りは記録されていない。" if ja else "No reading at seizure is recorded."
        return f"<p>{text}</p>"
    origin = solution.case.origin_ns
    rows = "".join(
        f"<tr><td>{_shown(origin + round(one.shown_s * 1e9))}</td>"
        f"<td>{_shown(origin + round(one.reference_s * 1e9))}</td>"
        f"<td>{one.shown_s - one.reference_s:+.0f} ± {one.resolution_s + one.reference_resolution_s:g} s</td></tr>"
        for one in readings
    )
    heads = ("表示", "基準", "差") if ja else ("shown", "reference", "difference")
    title = "確認時の読取り" if ja else "Readings at seizure"
    return f"<h2>{title}</h2><table><tr>{''.join(f'<th>{one}</th>' for one in heads)}</tr>{rows}</table>"


def _steps(solution: Solution, view: ClockView, *, ja: bool) -> str:
    answer = view.answer
    if answer is None or not answer.steps:
        return ""
    origin = solution.case.origin_ns
    words = {
        True: ("止まっていた(休止・停止)", "stood still"),
        False: ("設定された", "was set"),
        None: ("不明(両方を考慮)", "unknown (both allowed for)"),
    }
    rows = "".join(
        f"<tr><td>{iso_ns(origin + round(step.old_s * 1e9))}</td><td>{iso_ns(origin + round(step.new_s * 1e9))}</td>"
        f"<td>{step.size_s:+.2f} s</td><td>{words[step.stood_still][0 if ja else 1]}</td>"
        f"<td>{html.escape(step.process or str(step.reason or ''))}</td></tr>"
        for step in answer.steps[:MOST_LISTED]
    )
    heads = (
        ("旧", "新", "変化", "解釈", "プログラム・理由") if ja else ("old", "new", "step", "meaning", "program, reason")
    )
    title = "時計の変更の記録" if ja else "Recorded changes of the clock"
    return f"<h2>{title}</h2><table><tr>{''.join(f'<th>{one}</th>' for one in heads)}</tr>{rows}</table>"


def _anchors(solution: Solution, view: ClockView, *, ja: bool) -> str:
    lines = anchor_lines(solution, view)
    if view.answer is None or not lines:
        return ""
    shown = [one for one in lines if not one.used][:MOST_LISTED]
    shown += [one for one in lines if one.used][: MOST_LISTED - len(shown)]
    return _anchor_table(shown, len(lines), sum(not one.used for one in lines), ja=ja)


def _bound(value: float) -> str:
    return "" if not np.isfinite(value) else f"{value:+.3f}"


def _anchor_table(shown: Sequence[AnchorLine], total: int, rejected: int, *, ja: bool) -> str:
    rows = "".join(
        f"<tr{'' if one.used else ' class=no'}><td>{html.escape(one.record)}</td><td>{html.escape(one.text)}</td>"
        f"<td>{_NAMES.get(one.kind, (one.kind, one.kind))[0 if ja else 1]}</td><td>{html.escape(one.reference)}</td>"
        f"<td>{_bound(one.low)} … {_bound(one.high)}</td>"
        f"<td>{('採用' if one.used else '不採用') if ja else ('used' if one.used else 'rejected')}</td></tr>"
        for one in shown
    )
    heads = (
        ("記録", "原本表記", "種類", "相手の時計", "ずれの範囲(秒)", "扱い")
        if ja
        else ("record", "as recorded", "kind", "other clock", "bounds of the offset (s)", "use")
    )
    title = f"根拠の記録({total} 件、うち不採用 {rejected} 件)" if ja else f"Anchors ({total}, {rejected} rejected)"
    return f"<h2>{title}</h2><table><tr>{''.join(f'<th>{one}</th>' for one in heads)}</tr>{rows}</table>"


def _formula(*, ja: bool) -> str:
    if ja:
        return (
            "<h2>計算の前提</h2><p>真の時刻 t = L − θ(L は時計の表示、θ はずれ)。区間ごとに θ の変化率は 100 ppm 以内。"
            f"同期していると申告された時計の許容差は ±{SYNCHRONISED_S} 秒。各根拠は θ の上下限の不等式であり、"
            "矛盾するものは不採用として残す。再計算の方法は docs/clocks.ja.md、"
            "入力は timeline clock export で書き出せる。</p>"
        )
    return (
        "<h2>Premises</h2><p>True time t = L − θ (L: what the clock showed, θ: its offset). In each segment θ "
        f"changes by at most 100 ppm. A clock declared synchronised is within ±{SYNCHRONISED_S} s. Each anchor is an "
        "inequality on θ; those that contradict the others are kept as rejected. How to recompute: docs/clocks.md; the "
        "input is "
        "written by timeline clock export.</p>"
    )
