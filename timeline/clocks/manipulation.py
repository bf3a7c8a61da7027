# ruff: noqa: S608 - statements are put together from names of this program
"""Signs that somebody may have changed times, each with its innocent explanations beside it.

No sign is a proof. Each names its records, what it may mean, and what else explains it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from timeline.clocks.result_file import iso_ns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chain_of_custody.errors import Language
    from timeline.clocks.solution import Solution
    from timeline.store import Store

MOST_RECORDS = 20
GAP_S = 3600
SYSTEM_PROGRAMS = (
    "svchost.exe",
    "system",
    "w32tm.exe",
    "vmtoolsd.exe",
    "vboxservice.exe",
    "qemu-ga.exe",
    "wmiprvse.exe",
)

SIGNS: dict[str, tuple[str, str, str, str]] = {
    # name: (what ja, what en, innocent ja, innocent en)
    "set_by_person": (
        "利用者のプログラムによる時計の変更",
        "the clock was set by a person's program",
        "時差のある移動、電池切れの後の手動設定、誤った時計を直した場合にも起こる",
        "also happens when somebody travels, or puts a wrong clock right by hand",
    ),
    "set_back": (
        "時計が戻された",
        "the clock was set back",
        "進んだ時計の自動同期、二重起動の OS(RTC の解釈の違い)でも起こる",
        "also happens when a fast clock is synchronised, or two systems read the hardware clock differently",
    ),
    "unlogged_step": (
        "記録のない時計の変化が推定される",
        "the clock changed without a record of it",
        "監査の設定なし、ログの上書き、電源断と RTC、仮想機械の停止でも起こる",
        "also happens without auditing, when logs roll over, at power loss, when a virtual machine pauses",
    ),
    "uptime_contradicts": (
        "稼働時間の記録と時計の進みが合わない(記録のない変更)",
        "the uptime in the log and the clock disagree: a change without a record",
        "休止・仮想機械の停止を稼働時間に数えない版や、時刻同期の大きな補正でも起こる",
        "also happens where sleep or a pause is not counted as uptime, and after a large synchronisation",
    ),
    "backward_in_log": (
        "追記型の記録の中で時刻が戻っている",
        "times go back inside an append-only log",
        "並行して書かれる記録では約 0.14 % の行に起こる。数秒の戻りは意味を持たない",
        "about 0.14 % of neighbouring records of ordinary logs run back; a few seconds mean nothing",
    ),
    "contradicting_anchor": (
        "他の証拠と矛盾する時刻がある",
        "a time contradicts the other evidence",
        "サーバー側の時計の誤り、キャッシュの古い応答、誤入力でも起こる",
        "also happens with a wrong server clock, an old cached reply, or a typing error",
    ),
    "not_synchronised": (
        "同期していると申告された時計が合っていない",
        "a clock said to be synchronised is off",
        "同期の停止に誰も気付いていない場合が多い",
        "mostly nobody noticed that synchronisation had stopped",
    ),
    "zone_error": (
        "記録の時間帯の申告が誤っている",
        "the declared zone of a source is wrong",
        "書出しの設定や取込みの指定の誤りでも起こる",
        "also happens with a wrong setting at export or import",
    ),
    "log_cleared": (
        "イベントログが消去された",
        "an event log was cleared",
        "保守作業や容量の設定でも行われる",
        "also done in maintenance",
    ),
    "gap_after_clear": (
        "ログの消去の後、記録が長く途切れている",
        "after a log was cleared nothing was written for long",
        "電源断・休止や、記録の少ないログでは通常でも起こる",
        "also happens while the machine was off or asleep, and in a log that is seldom written",
    ),
    "records_missing": (
        "ログの中で記録番号が飛んでいる",
        "record numbers of a log are missing in between",
        "破損した部分を読めなかった場合、書出し時に絞り込んだ場合にも起こる",
        "also happens where a part is damaged and could not be read, or an export was filtered",
    ),
    "si_before_fn": (
        "$SI の作成時刻が $FN より前である",
        "$SI creation is earlier than $FN creation",
        "複製・展開・ボリューム間の移動でも起こる",
        "also left by copying, unpacking and moving between volumes",
    ),
    "before_installation": (
        "OS の導入より前の時刻がある",
        "times before the system was installed",
        "大型の更新は導入日を新しくする。時計が未設定の状態での起動、複製元の時刻の引継ぎでも起こる",
        "a feature update renews the date of installation; also when the clock was not set yet, or times were copied",
    ),
}


@dataclass(frozen=True, slots=True)
class Sign:
    """One sign: its name in SIGNS, the clock it is about, its records, how many there are."""

    name: str
    clock: str
    records: tuple[str, ...]
    total: int

    def words(self, language: Language) -> tuple[str, str]:
        """(what it is, what else explains it)."""
        ja, en, innocent_ja, innocent_en = SIGNS[self.name]
        return (ja, innocent_ja) if language == "ja" else (en, innocent_en)


def signs(solution: Solution) -> Iterator[Sign]:
    """Signs that the solution of the clocks shows."""
    case = solution.case

    def record(source: int, row: int) -> str:
        return case.sources[source].label(row)

    def sign(name: str, clock: str, records: list[str]) -> Sign:
        return Sign(name, clock, tuple(dict.fromkeys(records))[:MOST_RECORDS], len(records))

    for name, view in solution.main.views.items():
        answer = view.answer
        if answer is None:
            continue
        person, back = [], []
        for step in answer.steps:
            where = [record(source, row) for source, row in step.rows.items()]
            program = step.process.replace("/", "\\").rpartition("\\")[2].lower()
            if program and program not in SYSTEM_PROGRAMS:
                person += where
            if step.size_s < -1:
                back += where
        if person:
            yield sign("set_by_person", name, person)
        if back:
            yield sign("set_back", name, back)
        logged = {row for step in answer.steps for row in step.rows.items()}
        breaks = [
            f"≥ {iso_ns(case.origin_ns + round(piece.starts_after * 1e9))}"
            for piece in answer.pieces[1:]
            if np.isfinite(piece.starts_after)
            and not any(abs(view.low[view.first[s] + r] - piece.starts_after) < 86400 for s, r in logged)
        ]
        if breaks:
            yield sign("unlogged_step", name, breaks)
        jumps = [
            record(source, row)
            for source, row in answer.jumps
            if not any((source, row + near) in logged for near in range(-2, 5))
        ]
        if jumps:
            yield sign("backward_in_log", name, jumps)
        gained = [f"{record(source, row)} ({seconds:+.0f} s)" for source, row, seconds in answer.uptime_breaks]
        if gained:
            yield sign("uptime_contradicts", name, gained)
        bad = [
            record(origin.source, origin.row) if origin.source >= 0 else f"readings:{origin.row}"
            for index, origin in enumerate(view.anchors.origin)
            if answer.contradicted[index]
        ]
        if bad:
            yield sign("contradicting_anchor", name, bad)
        if name in solution.main.accused:
            offset = np.nanmedian(answer.best - view.stamps.reading_s)
            yield Sign("not_synchronised", name, (f"{-offset:.1f} s",), 1)
    for index, shift in solution.zone_shifts.items():
        yield Sign("zone_error", case.sources[index].clock, (f"{case.sources[index].file}: {shift / 3600:+.2f} h",), 1)


def store_signs(store: Store) -> Iterator[Sign]:
    """Signs that the events of a store show by themselves."""
    for name, condition in (
        ("log_cleared", "kind IN ('evtx.log_cleared', 'evtx.log_cleared_other')"),
        ("si_before_fn", "kind = 'file.created' AND data LIKE '%si_before_fn%'"),
    ):
        found = list(
            store.rows(f"SELECT id, clock, count(*) OVER () FROM events WHERE {condition} LIMIT {MOST_RECORDS}")
        )
        if found:
            yield Sign(name, str(found[0][1]), tuple(str(row[0]) for row in found), int(found[0][2]))
    for name, sql in (("gap_after_clear", _GAPS), ("records_missing", _MISSING), ("before_installation", _EARLY)):
        by_clock: dict[str, list[str]] = {}
        for event, clock in store.rows(sql):
            by_clock.setdefault(str(clock), []).append(str(event))
        for clock, events in by_clock.items():
            yield Sign(name, clock, tuple(events[:MOST_RECORDS]), len(events))


_CLEARED = "('evtx.log_cleared', 'evtx.log_cleared_other')"
_GAPS = f"""
SELECT id, clock FROM (
  SELECT id, clock, kind, time_ns, lead(time_ns) OVER (PARTITION BY source_id ORDER BY sequence, row) AS after_ns
  FROM events WHERE time_ns IS NOT NULL
  AND source_id IN (SELECT source_id FROM events WHERE kind IN {_CLEARED})
) WHERE kind IN {_CLEARED} AND after_ns::HUGEINT - time_ns > {GAP_S * 1_000_000_000} ORDER BY id LIMIT 1000
"""
_MISSING = """
SELECT id, clock FROM (
  SELECT id, clock, sequence, lag(sequence) OVER (PARTITION BY source_id ORDER BY sequence, row) AS before
  FROM events WHERE parser = 'evtx' AND sequence > 0 AND state = 'live'
) WHERE sequence - before > 1 ORDER BY id LIMIT 1000
"""
_EARLY = """
WITH installed AS (
  SELECT clock, min(time_ns) AS time_ns FROM events WHERE kind = 'system.installed'
  AND time_ns IS NOT NULL GROUP BY clock
)
SELECT e.id, e.clock FROM events e JOIN installed i ON e.clock = i.clock
WHERE e.time_ns < i.time_ns AND (e.kind LIKE 'evtx.%' OR e.kind LIKE 'usn.%') ORDER BY e.id LIMIT 1000
"""
