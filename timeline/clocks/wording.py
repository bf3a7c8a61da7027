"""What is said about a clock, a record or an order, in Japanese and English: for a reader who was not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from timeline.clocks.result_file import iso_ns

if TYPE_CHECKING:
    from chain_of_custody.errors import Language
    from timeline.clocks.pairs import OrderAnswer
    from timeline.clocks.solution import ClockView, Solution


MOST_PARTS = 6


def span(seconds: float) -> str:
    """A duration with a unit that fits: 0.35 s, 42 s, 11 min 3 s, 9 h 0 min, 3.2 d."""
    value = abs(seconds)
    if value < 10:
        return f"{value:.2f} s"
    if value < 120:
        return f"{value:.1f} s"
    if value < 7200:
        return f"{int(value) // 60} min {int(value) % 60} s"
    if value < 2 * 86400:
        return f"{int(value) // 3600} h {int(value) % 3600 // 60} min"
    return f"{value / 86400:.1f} d"


def _span_ja(seconds: float) -> str:
    value = abs(seconds)
    if value < 120:
        return f"{value:.2f} 秒" if value < 10 else f"{value:.1f} 秒"
    if value < 7200:
        return f"{int(value) // 60} 分 {int(value) % 60} 秒"
    if value < 2 * 86400:
        return f"{int(value) // 3600} 時間 {int(value) % 3600 // 60} 分"
    return f"{value / 86400:.1f} 日"


def offset_words(low: float, high: float, language: Language) -> str:
    """The offset interval in words: fast (the clock showed more than true time) or slow."""
    if language == "ja":
        if low >= 0:
            return f"標準時より {_span_ja(low)}〜{_span_ja(high)} 進んでいた"
        if high <= 0:
            return f"標準時より {_span_ja(high)}〜{_span_ja(low)} 遅れていた"
        return f"標準時との差が {_span_ja(low)}(遅れ)〜{_span_ja(high)}(進み)の間にあった"
    if low >= 0:
        return f"was {span(low)} to {span(high)} fast"
    if high <= 0:
        return f"was {span(high)} to {span(low)} slow"
    return f"was between {span(low)} slow and {span(high)} fast"


def offset_range(solution: Solution, view: ClockView) -> tuple[float, float] | None:
    """(lowest, highest) offset over the clock's known records, seconds; None where nothing is known."""
    answer = view.answer
    if answer is None:
        return None
    stamps = view.stamps
    known = np.isfinite(answer.low) & np.isfinite(answer.high) & ~answer.freed & (answer.segment >= 0)
    if not known.any():
        return None
    low = stamps.reading_s[known] - answer.high[known]
    high = stamps.reading_s[known] + stamps.resolution_s[known] - answer.low[known]
    del solution
    return float(low.min()), float(high.max())


def piece_offsets(view: ClockView) -> list[tuple[float, float, float, float]]:
    """(first, last true time, lowest, highest offset) of each stretch between steps and breaks, in seconds."""
    answer = view.answer
    if answer is None:
        return []
    stamps = view.stamps
    known = np.flatnonzero(np.isfinite(answer.low) & np.isfinite(answer.high) & (answer.segment >= 0) & ~answer.freed)
    known = known[np.argsort(answer.best[known], kind="stable")]
    if not len(known):
        return []
    low = stamps.reading_s[known] - answer.high[known]
    high = stamps.reading_s[known] + stamps.resolution_s[known] - answer.low[known]
    middle, width = (low + high) / 2, float(np.median(high - low))
    cuts = np.flatnonzero(np.abs(np.diff(middle)) > max(5 * width, 5.0)) + 1
    return [
        (
            float(answer.best[known[run[0]]]),
            float(answer.best[known[run[-1]]]),
            float(low[run].min()),
            float(high[run].max()),
        )
        for run in np.split(np.arange(len(known)), cuts)
    ]


def _day(solution: Solution, seconds: float) -> str:
    """A true time in Japan, to the minute."""
    text = iso_ns(solution.case.origin_ns + round(seconds * 1e9) + 9 * 3600 * 1_000_000_000)
    return f"{text[:10]} {text[11:16]} JST"


def court_sentence(solution: Solution, name: str, language: Language) -> str:
    """The sentence for the court about one clock."""
    view = solution.main.views[name]
    answer = view.answer
    if answer is None:
        if language == "ja":
            return f"時計「{name}」は標準時に合っている(±0.05 秒)との申告に反する記録は認められない。"
        return f"Nothing in the records contradicts the statement that clock “{name}” was right (±0.05 s)."
    found = offset_range(solution, view)
    if found is None:
        if language == "ja":
            return f"時計「{name}」には標準時と結び付く記録がなく、ずれは不明である(0 とはみなさない)。"
        return f"No record ties clock “{name}” to true time: its offset is unknown (not taken as 0)."
    parts = piece_offsets(view)
    used, rejected = int(answer.kept.sum()), int(answer.contradicted.sum())
    steps, breaks = len(answer.steps), max(len(answer.pieces) - 1, 0)
    words = offset_words(*found, language)
    if language == "ja":
        text = (
            f"時計「{name}」は当該期間、{words}と推定される(前提: 進み遅れの率は 100 ppm 以内、"
            f"区間の信頼水準 95 %)。根拠は {used} 件の記録(採用しなかったもの {rejected} 件)。"
        )
        if 1 < len(parts) <= MOST_PARTS:
            listed = "、".join(
                f"{_day(solution, first)}〜{_day(solution, last)} は{offset_words(low, high, language)}"
                for first, last, low, high in parts
            )
            text += f"期間ごとには {listed}。"
        if steps or breaks:
            text += f"時計の変更の記録は {steps} 件、記録のない変化は {breaks} 箇所と推定される。"
        if name in solution.main.accused:
            text += "標準時に合っているとの申告には反する。"
        return text
    text = (
        f"Clock “{name}” {words} during the period (premises: rate within 100 ppm; 95 % interval). "
        f"Grounds: {used} records ({rejected} not used because they contradict the others)."
    )
    if 1 < len(parts) <= MOST_PARTS:
        listed = "; ".join(
            f"{_day(solution, first)} to {_day(solution, last)}: {offset_words(low, high, language)}"
            for first, last, low, high in parts
        )
        text += f" By period: {listed}."
    if steps or breaks:
        text += f" {steps} recorded changes of the clock, {breaks} inferred ones."
    if name in solution.main.accused:
        text += " This contradicts the statement that it was synchronised."
    return text


def clock_lines(solution: Solution, language: Language) -> list[str]:
    """One sentence for each clock."""
    return [court_sentence(solution, name, language) for name in solution.main.views]


_GROUNDS = {
    "intervals": (
        "補正後の区間が重ならない",
        "their corrected intervals are apart",
    ),
    "log": ("同じ追記型の記録の中の順序", "their order in one append-only log"),
    "relative": (
        "二つの時計の相互の関係(標準時との関係は不明)",
        "the relation of the two clocks (their relation to true time is unknown)",
    ),
    "missing": ("記録が見つからない", "a record was not found"),
    "overlap": ("補正後の区間が重なる", "their corrected intervals overlap or are unknown"),
}


def order_sentence(a: str, b: str, answer: OrderAnswer, language: Language) -> str:
    """事象 A は事象 B より前と認められる／前後は確定できない, with the ground."""
    ja, en = _GROUNDS[answer.ground]
    if language == "ja":
        if answer.order == "undeterminable":
            return f"{a} と {b} の前後は確定できない(理由: {ja})。"
        first, second = (a, b) if answer.order == "before" else (b, a)
        return f"{first} は {second} より前と認められる(根拠: {ja})。"
    if answer.order == "undeterminable":
        return f"The order of {a} and {b} cannot be determined ({en})."
    first, second = (a, b) if answer.order == "before" else (b, a)
    return f"{first} was before {second} ({en})."


def interval_text(solution: Solution, source: int, row: int) -> str:
    """Earliest – latest of a record, or unknown."""
    low, high = solution.low[source][row], solution.high[source][row]
    if not (np.isfinite(low) and np.isfinite(high)):
        return "unknown"
    origin = solution.case.origin_ns
    return f"{iso_ns(origin + round(float(low) * 1e9))} – {iso_ns(origin + round(float(high) * 1e9))}"
