"""The custody sheet (様式) of one item: what the ledger says of it, field by field, short enough for one page.

Fields as joined in practice: case, item, state when found, work, copies and hashes, seals, storage, hand-overs, return.
Every value names the entry it comes from; what nobody recorded is said to be missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chain_of_custody import statements
from chain_of_custody.entries import ROLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chain_of_custody.entries import Entry
    from chain_of_custody.errors import Language
    from chain_of_custody.jcs import Json

LONGEST = 110
"""Characters of one value; the entry that is named beside it holds the rest."""
MOST_ROWS = 7
"""Rows of a table in a sheet."""

_MOVES = ("record.seal", "record.unseal", "record.transport", "record.storage", "record.return", "record.dispose")
_TRANSFERS = ("transfer.offer", "transfer.accept", "transfer.refuse")


@dataclass(frozen=True, slots=True)
class Value:
    """One field of the form; `seq` is the entry it comes from (0: nobody recorded it)."""

    label: str
    text: str = ""
    seq: int = 0
    typed: bool = False

    def to_json(self) -> dict[str, Json]:
        """As the template takes it."""
        return {"label": self.label, "text": self.text, "seq": self.seq, "typed": self.typed}


@dataclass(slots=True)
class Sheet:
    """The form of one item."""

    item: str
    groups: list[tuple[str, list[Value]]] = field(default_factory=list)
    copies: list[list[str]] = field(default_factory=list)
    """What, algorithm and digest, result, entry."""
    moves: list[list[str]] = field(default_factory=list)
    """Time, what, who and where, entry."""
    more_copies: int = 0
    more_moves: int = 0

    def to_json(self) -> dict[str, Json]:
        """As the template takes it."""
        return {
            "item": self.item,
            "groups": [{"title": title, "fields": [one.to_json() for one in values]} for title, values in self.groups],
            "copies": [list(row) for row in self.copies],
            "moves": [list(row) for row in self.moves],
            "more_copies": self.more_copies,
            "more_moves": self.more_moves,
        }


def items_of(entries: Sequence[Entry]) -> list[str]:
    """All items that entries name, in the order in which they turn up."""
    return list(dict.fromkeys(entry.item for entry in entries if entry.item))


def short(text: str, seq: int, language: Language) -> str:
    """`text` cut to what a form has room for."""
    flat = " ".join(text.split())
    if len(flat) <= LONGEST:
        return flat
    return flat[:LONGEST] + (f"…(続きは第 {seq} 項)" if language == "ja" else f"… (more in entry {seq})")


def minute(ts: str) -> str:
    """A time of the ledger as a person writes it: to the second, with its offset."""
    return f"{ts[:10]} {ts[11:19]} {ts[-6:]}" if len(ts) >= 25 else ts


class _Writer:
    """Finds what the entries of one item say and words it."""

    def __init__(self, entries: Sequence[Entry], item: str, language: Language) -> None:
        self.language = language
        self.all = entries
        self.mine = [entry for entry in entries if entry.item == item]
        self.begins = {entry.seq: entry for entry in self.mine if entry.type.endswith(".begin")}

    def t(self, ja: str, en: str) -> str:
        return ja if self.language == "ja" else en

    def last(self, kind: str, *, anywhere: bool = False) -> Entry | None:
        found = [entry for entry in (self.all if anywhere else self.mine) if entry.type == kind]
        return found[-1] if found else None

    def stated(self, entry: Entry, name: str) -> str:
        """One member of the body in words."""
        body = {name: entry.body[name]} if name in entry.body else {}
        words = dict(statements.of_body(entry.type, body, self.language))
        return next(iter(words.values()), "")

    def value(self, label: str, entry: Entry | None, *names: str, text: str = "") -> Value:
        if entry is None:
            return Value(label)
        shown = text or " / ".join(filter(None, (self.stated(entry, name) for name in names)))
        if not shown:
            return Value(label)
        return Value(label, short(shown, entry.seq, self.language), entry.seq, typed=entry.src == "typed")


def _object(given: Json) -> dict[str, Json]:
    return given if isinstance(given, dict) else {}


def _texts(given: Json) -> list[str]:
    return [str(one) for one in given] if isinstance(given, list | tuple) else []


def _device(begin: Entry | None, name: str) -> str:
    device = _object(_object(begin.body.get("auto")).get("device")) if begin is not None else {}
    return str(device.get(name) or "")


def sheet(entries: Sequence[Entry], item: str, language: Language, case_name: str) -> Sheet:
    """The form of `item` as these entries say."""
    writer = _Writer(entries, item, language)
    made = Sheet(item)
    made.groups = [
        _case_group(writer, case_name),
        _item_group(writer),
        _found_group(writer),
        _work_group(writer),
        _rest_group(writer),
    ]
    copies, moves = _copies(writer), _moves(writer)
    made.copies, made.more_copies = copies[:MOST_ROWS], max(0, len(copies) - MOST_ROWS)
    made.moves, made.more_moves = moves[-MOST_ROWS:], max(0, len(moves) - MOST_ROWS)
    return made


def _case_group(writer: _Writer, case_name: str) -> tuple[str, list[Value]]:
    authority, t = writer.last("record.authority", anywhere=True), writer.t
    return t("事件", "Case"), [
        Value(t("事件番号・名称", "case"), short(statements.shown(case_name), 1, writer.language), 1),
        writer.value(t("依頼者", "client"), authority, "client"),
        writer.value(t("根拠", "authority"), authority, "authority", "document"),
    ]


def _item_group(writer: _Writer) -> tuple[str, list[Value]]:
    record, t = writer.last("record.item"), writer.t
    begin = writer.last("image.begin")

    def either(label: str, name: str, asked: str) -> Value:
        typed = writer.value(label, record, name)
        if typed.text or begin is None or not _device(begin, asked):
            return typed
        return Value(label, short(statements.shown(_device(begin, asked)), begin.seq, writer.language), begin.seq)

    return t("対象物", "Item"), [
        writer.value(t("種別", "kind"), record, "kind"),
        either(t("メーカー", "maker"), "maker", "vendor"),
        either(t("型番", "model"), "model", "model"),
        either(t("製造番号", "serial number"), "serial", "serial"),
        either(t("容量", "capacity"), "capacity", "size"),
        writer.value(t("外観・傷", "appearance"), record, "appearance"),
        writer.value(t("所有者・使用者", "owner, user"), record, "owner"),
        writer.value(t("所在", "where it was"), record, "found"),
    ]


def _found_group(writer: _Writer) -> tuple[str, list[Value]]:
    t = writer.t
    scene, power, network = (writer.last(f"record.{kind}") for kind in ("scene", "power", "network"))
    clock, prior, volatile = (writer.last(f"record.{kind}") for kind in ("clock", "prior", "volatile"))
    difference = ""
    if clock is not None and "offset_ns" in clock.body:
        seconds = int(str(clock.body["offset_ns"])) / 1e9
        difference = t(
            f"表示 − 基準 = {seconds:+.3f} 秒({writer.stated(clock, 'source')})",
            f"shown − reference = {seconds:+.3f} s ({writer.stated(clock, 'source')})",
        )
    return t("発見時の状態", "State when found"), [
        writer.value(t("時刻・場所", "time, place"), scene, "at", "place"),
        writer.value(t("電源・画面", "power, screen"), scene, "power", "screen"),
        writer.value(t("接続・封印", "connections, seals"), scene, "connections", "seal"),
        writer.value(t("電源の判断", "power decision"), power, "decision", "reason", "who"),
        writer.value(t("ネットワーク遮断", "network cut"), network, "at", "how", "who"),
        writer.value(t("時計の差", "clock offset"), clock, text=difference),
        writer.value(t("着手済み作業", "done before"), prior, "what", "who"),
        writer.value(t("揮発性情報", "volatile data"), volatile, "steps", "tool"),
    ]


def _work_group(writer: _Writer) -> tuple[str, list[Value]]:
    t = writer.t
    begin, end = writer.last("image.begin"), writer.last("image.end")
    witness, wiped = writer.last("record.witness"), writer.last("wipe_check.end", anywhere=True)
    typed = _object(begin.body.get("typed")) if begin is not None else {}
    auto = _object(begin.body.get("auto")) if begin is not None else {}
    settings = _object(begin.body.get("settings")) if begin is not None else {}
    protection = statements.value(
        "protection",
        auto.get("protection", begin.body.get("protection") if begin is not None else None),
        writer.language,
    )
    if end is not None and not protection:
        protection = statements.value("protection", end.body.get("write_protection"), writer.language)
    blocker = statements.value("", typed.get("blocker"), writer.language)
    if blocker:
        protection += t(f"、装置 {blocker}(手入力)", f", device {blocker} (typed)")
    span = minute(begin.ts) if begin is not None else ""
    if begin is not None and end is not None:
        span += f" – {minute(end.ts)}"
    unread = _object(end.body.get("unreadable")) if end is not None else {}
    sectors = str(unread.get("sectors", "")) if unread else ""
    unread_text = (
        (t(f"{sectors} セクタ", f"{sectors} sectors") if sectors != "0" else t("なし", "none")) if sectors else ""
    )
    form = t("、", ", ").join(
        filter(
            None,
            (
                statements.value("", settings.get("formats"), writer.language),
                t("圧縮 ", "compression ") + str(settings["compression"]) if settings.get("compression") else "",
                t("分割 ", "segments ") + ", ".join(_texts(settings.get("segment_sizes"))) + " B"
                if settings.get("segment_sizes")
                else "",
            ),
        ),
    )
    targets = statements.value("", begin.body.get("targets") if begin is not None else None, writer.language)
    return t("保全作業", "Acquisition"), [
        writer.value(t("開始 – 終了", "begin – end"), begin, text=span),
        writer.value(
            t("作業者", "operator"),
            begin,
            text=t(f"{begin.actor}({begin.role})", f"{begin.actor} ({ROLES[begin.role]})") if begin is not None else "",
        ),
        writer.value(t("立会人", "witness"), witness, "who", "org", "absent_reason"),
        writer.value(t("書込み防止", "write protection"), begin, text=protection),
        writer.value(
            t("ツール・版", "tool, version"),
            begin,
            text=f"{begin.tool.name} {begin.tool.version}" if begin is not None else "",
        ),
        writer.value(t("形式・圧縮・分割", "format"), begin, text=form),
        writer.value(t("複製先", "target"), begin, text=targets),
        writer.value(t("複製先の無データ化", "target blank"), wiped, "result"),
        writer.value(t("読取不能", "unreadable"), end, text=unread_text),
        writer.value(t("結果", "result"), end, "result"),
    ]


def _rest_group(writer: _Writer) -> tuple[str, list[Value]]:
    t = writer.t
    photos = [entry for entry in writer.mine if entry.type == "record.photo"]
    anomalies = [entry for entry in writer.mine if entry.type == "record.anomaly"]
    copy = writer.last("record.copy")
    shots = t("、", ", ").join(writer.stated(entry, "what") for entry in photos[:4])
    files = sum(len(entry.outputs) for entry in photos)
    shown = t(f"{files} 枚: {shots}", f"{files}: {shots}") if photos else ""
    wrong = "; ".join(
        " → ".join(filter(None, (writer.stated(entry, "what"), writer.stated(entry, "action")))) for entry in anomalies
    )
    return t("写真・異常・保管", "Photos, anomalies, keeping"), [
        writer.value(t("写真・動画", "photographs"), photos[-1] if photos else None, text=shown),
        writer.value(t("異常と対処", "anomalies"), anomalies[-1] if anomalies else None, text=wrong),
        writer.value(t("複製の保護・保管", "protection of copies"), copy, "protection", "place"),
    ]


def _copies(writer: _Writer) -> list[list[str]]:
    rows = []
    for entry in writer.mine:
        if entry.type not in ("image.end", "clone.end", "collect.end", "verify.end"):
            continue
        begin = writer.begins.get(int(str(entry.body["begin"])))
        result = writer.stated(entry, "result") or writer.stated(entry, "verdict") or writer.stated(entry, "status")
        kind = {
            "image.end": writer.t("原本(読取り時)", "source as read"),
            "clone.end": writer.t("媒体への複製", "clone"),
            "collect.end": writer.t("収集", "collection"),
            "verify.end": writer.t("検証", "verification"),
        }[entry.type]
        when = minute(entry.ts if begin is None else begin.ts)
        hashes = _object(entry.body.get("hashes"))
        rows += [
            [kind, f"{algorithm.upper()} {statements.groups(str(digest))}", result, str(entry.seq), when]
            for algorithm, digest in hashes.items()
        ]
        rows += [
            [
                writer.t("出力ファイル", "file written"),
                f"SHA-256 {statements.groups(file.sha256)}",
                f"{file.size:,} B",
                str(entry.seq),
                when,
            ]
            for file in entry.outputs
        ]
    return rows


def _moves(writer: _Writer) -> list[list[str]]:
    rows = []
    for entry in writer.mine:
        if entry.type not in (*_MOVES, *_TRANSFERS):
            continue
        body = {name: value for name, value in entry.body.items() if name != "at"}
        stated = [f"{label} {text}" for label, text in statements.of_body(entry.type, body, writer.language)]
        when = str(entry.body.get("at") or entry.ts)
        name = statements.type_name(entry.type, writer.language)
        who = f"{entry.actor}: " if entry.type in _TRANSFERS else ""
        rows.append(
            [
                minute(when),
                name,
                short(who + writer.t("、", ", ").join(stated), entry.seq, writer.language),
                str(entry.seq),
            ]
        )
    return rows
