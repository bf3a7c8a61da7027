"""Which requirements of practice a case covers: per ID done, not done (with the reason) or not applicable.

The IDs follow the contents of the 証拠保全ガイドライン, 7th edition (デジタル・フォレンジック研究会).
Nothing here says that a case conforms to the guideline: it lists, per requirement, the entries that speak for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from chain_of_custody.copies import Copies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from chain_of_custody.copies import Content
    from chain_of_custody.entries import Entry

EDITION_JA = "証拠保全ガイドライン第7版の目次による区分(適合を示すものではありません)"
EDITION_EN = "numbered after the contents of the 証拠保全ガイドライン, 7th edition (no statement of conformity)"

Status = Literal["done", "not_done", "not_applicable", "open"]
STATUS_TEXT: Mapping[Status, tuple[str, str]] = {
    "done": ("実施", "done"),
    "not_done": ("未実施", "not done"),
    "not_applicable": ("対象外", "not applicable"),
    "open": ("未実施(理由の記録なし)", "not done (no reason recorded)"),
}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement: how it is named, which entries show it, and the command that fills it."""

    id: str
    ja: str
    en: str
    why_ja: str
    why_en: str
    command: str
    types: tuple[str, ...]
    per_item: bool = False


@dataclass(slots=True)
class Coverage:
    """What a case has for one requirement."""

    requirement: Requirement
    status: Status
    entries: list[int] = field(default_factory=list)
    reason: str = ""
    typed: bool = False
    """Whether it rests on statements of a person alone."""


REQUIREMENTS: Sequence[Requirement] = (
    Requirement(
        "P1",
        "体制・役割・連絡先・権限",
        "roles and authority",
        "根拠のない取得は後から争われます",
        "without authority the result is disputed later",
        "custody record authority",
        ("record.authority",),
    ),
    Requirement(
        "P2",
        "資器材の選定・動作確認",
        "tools selected and checked",
        "その日その機器で正しく動くことを示します",
        "shows that the tool works on this machine today",
        "preserve selftest",
        ("selftest.end",),
    ),
    Requirement(
        "P5",
        "作業機の時計",
        "the examiner's clock",
        "台帳の時刻はこの時計によります",
        "the times in the ledger are those of this clock",
        "custody record examiner_clock --ntp ntp.nict.jp",
        ("record.examiner_clock", "stamp"),
    ),
    Requirement(
        "F1",
        "発見時の状態",
        "state when found",
        "触る前の状態は一度しか残せません。まず撮影します",
        "the untouched state can be kept once only; photos first",
        "custody record scene",
        ("record.scene",),
        per_item=True,
    ),
    Requirement(
        "F3",
        "揮発性の順序",
        "order of volatility",
        "電源を切ると失われる情報があります(RFC 3227)",
        "some information is lost with power (RFC 3227)",
        "custody record volatile",
        ("record.volatile", "live.end"),
        per_item=True,
    ),
    Requirement(
        "F4",
        "ネットワーク遮断の時刻",
        "when the network was cut",
        "遠隔での消去や漏えいの継続を止めます",
        "stops remote wiping and a leak that goes on",
        "custody record network",
        ("record.network",),
        per_item=True,
    ),
    Requirement(
        "F2",
        "電源の扱い",
        "power decision",
        "再起動・終了で証拠が変わります。判断と理由を残します",
        "a restart changes evidence: decision and reason",
        "custody record power",
        ("record.power",),
        per_item=True,
    ),
    Requirement(
        "F5",
        "着手済み作業の引継ぎ",
        "what others already touched",
        "先に触られた痕跡を区別するため",
        "to tell their traces from those of the incident",
        "custody record prior",
        ("record.prior",),
        per_item=True,
    ),
    Requirement(
        "F6",
        "対象機の時刻と標準時の差",
        "clock of the device",
        "ずれを記録しないと時系列の時刻を確定できません",
        "without the offset no time on it can be fixed",
        "custody record clock",
        ("record.clock",),
        per_item=True,
    ),
    Requirement(
        "T1",
        "対象物の識別",
        "identification of the item",
        "取り違えを防ぎます",
        "prevents mixing up items",
        "custody record item",
        ("record.item",),
        per_item=True,
    ),
    Requirement(
        "A8",
        "写真・動画",
        "photographs",
        "文章より先に写真",
        "before words",
        "custody record photo --file FILE",
        ("record.photo",),
        per_item=True,
    ),
    Requirement(
        "T2",
        "封印・梱包・搬送",
        "seals and transport",
        "途中で触られていないことを示します",
        "shows that nobody touched it on the way",
        "custody record seal",
        ("record.seal", "record.transport"),
        per_item=True,
    ),
    Requirement(
        "T3",
        "保管場所・鍵・入出庫",
        "storage",
        "保管者のいない期間をなくします",
        "leaves no time without custodian",
        "custody record storage",
        ("record.storage",),
        per_item=True,
    ),
    Requirement(
        "P4",
        "複製先媒体の無データ化の確認",
        "target medium wiped and checked",
        "前の事案のデータが混ざらないことを示します",
        "shows that nothing of an earlier case is mixed in",
        "preserve wipe-check",
        ("wipe_check.end",),
    ),
    Requirement(
        "A1",
        "書込み防止",
        "write protection",
        "原本を変えないため",
        "keeps the original as it is",
        "preserve image",
        ("image.begin",),
        per_item=True,
    ),
    Requirement(
        "A2",
        "物理コピー(または理由)",
        "physical copy, or why not",
        "論理取得では削除データが失われます",
        "a logical copy loses deleted data",
        "preserve image",
        ("image.end", "record.acquisition"),
        per_item=True,
    ),
    Requirement(
        "A3",
        "複製2本以上",
        "two copies",
        "解析用が壊れても原本に戻らずに済みます",
        "a broken working copy does not send you back to the original",
        "preserve image",
        ("image.end",),
        per_item=True,
    ),
    Requirement(
        "A4",
        "同一性の検証",
        "identity verified",
        "作成時・受渡し時・解析の前後に",
        "at creation, at transfer, before and after analysis",
        "preserve verify IMAGE",
        ("verify.end",),
        per_item=True,
    ),
    Requirement(
        "A5",
        "読取エラーの記録",
        "read errors",
        "読めなかった範囲を隠さない",
        "what could not be read is said",
        "preserve image",
        ("image.end",),
        per_item=True,
    ),
    Requirement(
        "A6",
        "立会人",
        "witness",
        "第三者の署名は後からの書換えを防ぎます",
        "a third party's signature stops later rewriting",
        "custody cosign",
        ("cosigned", "record.witness"),
    ),
    Requirement(
        "A7",
        "作業内容の記録",
        "work record",
        "自動で記録されます",
        "written automatically",
        "(自動 / automatic)",
        ("session.open", "case.open"),
    ),
    Requirement(
        "P3",
        "代替機・代替ツール・代替手段",
        "fallbacks",
        "別の方法を使った理由を残します",
        "why another method was used",
        "custody record fallback",
        ("record.fallback",),
    ),
    Requirement(
        "A9",
        "複製の取扱い",
        "handling of copies",
        "複製も漏えいします",
        "copies leak too",
        "custody record copy",
        ("record.copy", "record.dispose", "encrypt.end"),
    ),
    Requirement(
        "H1",
        "受渡し",
        "transfer",
        "渡した物と受け取った物が同じことを両者が署名します",
        "both sign that what was given is what was received",
        "custody transfer offer",
        ("transfer.accept",),
    ),
    Requirement(
        "R2",
        "ログ・クラウドの取得",
        "logs and cloud data",
        "機器の外の記録は先に消えます",
        "records outside the device vanish first",
        "custody record remote",
        ("record.remote",),
    ),
    Requirement(
        "R1",
        "第三者が再現・検証できる",
        "a third party can check it",
        "相手方が自分で確かめられるように",
        "so that the other side can check for itself",
        "custody pack",
        ("pack.end",),
    ),
)
"""All requirements, in the order of practice."""

BY_ID = {requirement.id: requirement for requirement in REQUIREMENTS}

# What must be true of an entry beyond its type. An image with bad sectors is still an acquisition; a failed one is not.
_ENDED = ("done", "partial")


def _speaks(requirement: Requirement, entry: Entry) -> bool:
    if entry.type not in requirement.types:
        return False
    if entry.type.endswith(".end"):
        return entry.body.get("status") in _ENDED
    if entry.type == "cosigned":
        return entry.body.get("role") == "立会人"
    return True


def _is_protected(entry: Entry) -> bool:
    """Whether imaging recorded that the source could not be written to, or a person stated it of a blocker."""
    auto, typed = entry.body.get("auto"), entry.body.get("typed")
    measured = isinstance(auto, dict) and auto.get("protection") not in (None, "", "none")
    return measured or (isinstance(typed, dict) and bool(typed.get("blocker")))


_TESTS: Mapping[str, Callable[[Entry], bool]] = {
    "P2": lambda entry: entry.body.get("status") == "done",
    "P4": lambda entry: entry.body.get("is_blank") is True,
    "A1": _is_protected,
    # A verification that found a difference was done, and shows no identity.
    "A4": lambda entry: entry.body.get("verdict") == "match",
}


def coverage(entries: Iterable[Entry], *, item: str | None = None, copies: int = 2) -> list[Coverage]:
    """Coverage of every requirement by these entries; with `item`, by those of that item where it matters."""
    found: dict[str, list[Entry]] = {requirement.id: [] for requirement in REQUIREMENTS}
    waivers: dict[str, Entry] = {}
    copied = Copies()
    for entry in entries:
        if entry.type == "record.waiver":
            waivers[str(entry.body.get("id", ""))] = entry
        copied.add(entry)
        for requirement in REQUIREMENTS:
            if requirement.per_item and item is not None and entry.item != item:
                continue
            if _speaks(requirement, entry) and _TESTS.get(requirement.id, _always)(entry):
                found[requirement.id].append(entry)
    result = []
    for requirement in REQUIREMENTS:
        shown = found[requirement.id]
        covered = Coverage(requirement, "done" if shown else "open", [entry.seq for entry in shown])
        if requirement.id == "A3":
            _count_copies(covered, list(copied.of_item(item)), copies)
        covered.typed = bool(shown) and all(entry.src == "typed" for entry in shown)
        waiver = waivers.get(requirement.id)
        if covered.status == "open" and waiver is not None:
            covered.status = "not_applicable" if waiver.body.get("status") == "not_applicable" else "not_done"
            covered.reason = str(waiver.body.get("reason", ""))
            covered.entries = [waiver.seq]
            covered.typed = True
        result.append(covered)
    return result


def _count_copies(covered: Coverage, contents: Sequence[Content], wanted: int) -> None:
    """A3 is done when every content that was copied has so many copies that were shown equal."""
    covered.entries = sorted({copy.seq for content in contents for copy in content.verified})
    enough = bool(contents) and all(len(content.verified) >= wanted for content in contents)
    covered.status = "done" if enough else "open"


def _always(_entry: Entry) -> bool:
    return True
