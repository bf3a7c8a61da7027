"""A verdict in words: 露見, 推定, 原因追究, 確認; what would change it, and what to preserve next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from timeline.clocks.verdicts import rules

if TYPE_CHECKING:
    from chain_of_custody.errors import Language
    from timeline.clocks.evidence import ClockCase
    from timeline.clocks.verdicts import IncidentAnswer

MOST_RECORDS = 8
_WAYS = {
    "for": ("複製をうかがわせる", "for a copy"),
    "against": ("複製に反する", "against a copy"),
    "open": ("確かめること", "to be examined"),
}


def next_steps(answer: IncidentAnswer, language: Language) -> list[str]:
    """What to preserve next, for the reasons given and for the verdict."""
    table = rules()["preserve"]
    found = [str(table[reason][language]) for reason in answer.reasons if reason in table]
    return [*found, str(rules()["next"][answer.verdict][language])]


def verdict_json(answer: IncidentAnswer, language: Language) -> dict[str, Any]:
    """The verdict with its reasons, their records, and the words."""
    table = rules()
    return {
        "incident": answer.id,
        "alert": answer.alert,
        "verdict": answer.verdict,
        "words": table["verdict"][answer.verdict][language],
        "rule": answer.rule,
        "rules_version": table["version"],
        "size": answer.size,
        "bytes_written": answer.written,
        "bytes_read": answer.read,
        "reasons": [
            {"reason": one.reason, "words": table["reason"][one.reason][language], "records": list(one.records)}
            for one in answer.grounds
        ],
        "traces": [
            {
                "trace": one.name,
                "way": table["trace"][one.name]["way"],
                "words": table["trace"][one.name][language],
                "records": list(one.records),
                "total": one.total,
            }
            for one in answer.traces
        ],
        "would_change_it": table["change"][answer.verdict][language],
        "preserve_next": next_steps(answer, language),
    }


def verdict_text(answer: IncidentAnswer, case: ClockCase, language: Language) -> str:
    """The verdict as a person reads it."""
    value = verdict_json(answer, language)
    ja = language == "ja"
    row = None if not answer.alert else next((one.row for one in case.incidents if one.id == answer.id), None)
    shown = case.sources[row[0]].texts[row[1]] if row else ""
    size = "?" if answer.size is None else f"{answer.size:,}"
    lines = [
        f"■ {answer.id}: {value['words']}" if ja else f"# {answer.id}: {value['words']}",
        f"  露見: 警報 {answer.alert} {shown}、サイズ {size}"
        if ja
        else f"  revealed by: alert {answer.alert} {shown}, {size} bytes",
        f"  推定: この事象に当たる操作の記録 {len(answer.lines)} 行"
        if ja
        else f"  may belong to it: {len(answer.lines)} lines of the operation log",
        f"  原因追究: 書込み {answer.written:,} バイト、読込み {answer.read:,} バイト"
        if ja
        else f"  examined: {answer.written:,} bytes written, {answer.read:,} bytes read",
    ]
    for reason in value["reasons"]:
        records = ", ".join(reason["records"][:MOST_RECORDS]) + (" …" if len(reason["records"]) > MOST_RECORDS else "")
        lines.append(f"    - {reason['words']}" + (f" [{records}]" if records else ""))
    for trace in value["traces"]:
        records = ", ".join(trace["records"][:MOST_RECORDS]) + (" …" if trace["total"] > MOST_RECORDS else "")
        lines.append(f"    - {_WAYS[trace['way']][0 if ja else 1]}: {trace['words']} [{records}]")
    lines.append(
        f"  確認: 規則 {answer.rule}(第 {value['rules_version']} 版)"
        if ja
        else f"  confirmed by: rule {answer.rule} (version {value['rules_version']})"
    )
    lines.append(
        ("  この判定を変え得るもの: " if ja else "  what would change it: ")
        + ("、" if ja else "; ").join(value["would_change_it"])
    )
    if value["preserve_next"]:
        lines.append(
            ("  次に保全するもの: " if ja else "  preserve next: ")
            + ("。" if ja else "; ").join(value["preserve_next"])
        )
    return "\n".join(lines)
