"""The fields of each kind of record, in the order in which they are asked: what `custody record --list` shows.

A table without logic; `records` checks what people answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

FieldKind = Literal["text", "code", "time", "choice", "hash"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field: `text` is free (possible My Numbers are masked), `code` a number or serial kept as typed."""

    name: str
    ja: str
    en: str
    required: bool = False
    kind: FieldKind = "text"
    choices: tuple[tuple[str, str, str], ...] = ()
    """(value, Japanese, English) of a `choice`."""


def _text(name: str, ja: str, en: str) -> Field:
    return Field(name, ja, en)


def _need(name: str, ja: str, en: str) -> Field:
    return Field(name, ja, en, required=True)


def _choice(name: str, ja: str, en: str, *choices: tuple[str, str, str]) -> Field:
    """One that must be chosen, by (value, Japanese, English)."""
    return Field(name, ja, en, required=True, kind="choice", choices=choices)


def _time(name: str, ja: str, en: str, *, required: bool = False) -> Field:
    return Field(name, ja, en, required=required, kind="time")


def _code(name: str, ja: str, en: str, *, required: bool = False) -> Field:
    return Field(name, ja, en, required=required, kind="code")


def _hash(name: str, ja: str, en: str) -> Field:
    return Field(name, ja, en, kind="hash")


AT = _time("at", "行われた時刻", "when it happened")
NOTE = _text("note", "備考", "remarks")

FIELDS: Mapping[str, tuple[Field, ...]] = {
    "authority": (
        _need("client", "依頼者", "client"),
        _choice(
            "authority",
            "根拠",
            "authority",
            ("request", "依頼書", "written request"),
            ("consent", "同意書", "consent"),
            ("warrant", "令状・裁判所の命令", "warrant or court order"),
            ("rule", "社内規程", "company rule"),
            ("other", "その他", "other"),
        ),
        _text("document", "文書の名称・番号", "name or number of the document"),
        _text("roles", "体制と連絡先", "roles and contacts"),
        _text("scope", "範囲", "scope"),
    ),
    "scene": (
        AT,
        _need("place", "場所", "place"),
        _choice(
            "power",
            "電源",
            "power",
            ("on", "入", "on"),
            ("off", "切", "off"),
            ("sleep", "スリープ・休止", "asleep"),
            ("unknown", "不明", "unknown"),
        ),
        _text("screen", "画面の表示", "what the screen shows"),
        _text("connections", "接続(ネットワーク・外部媒体・周辺機器)", "connections"),
        _text("seal", "封印・破損", "seals, damage"),
        _text("present", "居合わせた人", "who was present"),
    ),
    "power": (
        AT,
        _need("state", "判断前の電源の状態", "state before"),
        _choice(
            "decision",
            "判断",
            "decision",
            ("kept_on", "通電のまま", "kept on"),
            ("kept_off", "切のまま", "kept off"),
            ("unplugged", "電源コードを抜いた", "plug pulled"),
            ("shut_down", "正常に終了した", "shut down"),
            ("battery_removed", "電池を外した", "battery removed"),
        ),
        _need("reason", "理由", "why"),
        _need("who", "判断した人", "who decided"),
    ),
    "volatile": (
        _need("steps", "取得した順序と時刻", "steps in order, with times"),
        _text("tool", "ツール", "tool"),
        NOTE,
    ),
    "network": (
        _time("at", "遮断した時刻", "when it was isolated", required=True),
        _need("how", "方法", "how"),
        _need("who", "実施した人", "who did it"),
    ),
    "prior": (
        _need("what", "着手前に行われたこと", "what others had done"),
        _text("who", "行った人", "who"),
        _time("at", "行われた時刻", "when"),
    ),
    "clock": (
        _time("shown", "対象機の表示時刻", "time shown by the device", required=True),
        _time("reference", "そのときの基準時刻", "reference time at that moment", required=True),
        _need("source", "基準時刻の出所(NTP、117、電波時計…)", "where the reference comes from"),
        _code("resolution_s", "読取りの分解能(秒)", "resolution of the reading in seconds"),
        _text("zone", "対象機のタイムゾーン設定", "time zone set on the device"),
        _text("clock", "どの時計か(OS、BIOS、カメラ…)", "which clock (OS, BIOS, camera …)"),
        NOTE,
    ),
    "examiner_clock": (
        _time("shown", "作業機の時刻", "time of the examiner's machine", required=True),
        _time("reference", "基準時刻", "reference time", required=True),
        _need("source", "基準時刻の出所", "where the reference comes from"),
    ),
    "item": (
        _need("kind", "種別", "kind"),
        _text("maker", "メーカー", "maker"),
        _code("model", "型番", "model"),
        _code("serial", "製造番号", "serial number"),
        _code("capacity", "容量", "capacity"),
        _text("appearance", "外観・傷", "appearance"),
        _text("owner", "所有者・使用者", "owner, user"),
        _text("found", "所在していた場所", "where it was"),
    ),
    "photo": (
        AT,
        _need("what", "写したもの", "what it shows"),
        _text("who", "撮影者", "who took it"),
    ),
    "seal": (
        AT,
        _code("number", "封印番号", "seal number", required=True),
        _need("how", "封印の方法", "how it is sealed"),
        _text("who", "封印した人", "who sealed it"),
    ),
    "unseal": (
        AT,
        _code("number", "確認した封印番号", "seal number found", required=True),
        _choice(
            "intact",
            "封印の状態",
            "state of the seal",
            ("yes", "異常なし", "intact"),
            ("no", "異常あり", "broken or different"),
        ),
        _text("who", "開封した人", "who opened it"),
        NOTE,
    ),
    "transport": (
        AT,
        _need("from", "出発地", "from"),
        _need("to", "到着地", "to"),
        _need("who", "搬送者", "who"),
        _text("packing", "梱包", "packing"),
        _time("arrived", "到着時刻", "arrived at"),
    ),
    "storage": (
        AT,
        _choice(
            "direction",
            "入出庫",
            "in or out",
            ("in", "入庫", "in"),
            ("out", "出庫", "out"),
        ),
        _need("place", "保管場所", "place"),
        _text("lock", "施錠・鍵の管理", "lock and keys"),
        _need("who", "担当者", "who"),
    ),
    "fallback": (
        _need("instead_of", "本来の方法", "instead of"),
        _need("used", "使った方法", "used"),
        _need("reason", "理由", "why"),
    ),
    "witness": (
        AT,
        _need("who", "立会人", "witness"),
        _text("org", "所属", "organisation"),
        _need("what", "立ち会った内容", "what was witnessed"),
        _text("absent_reason", "立会いがない場合の理由", "why there was none"),
    ),
    "acquisition": (
        _choice(
            "scope",
            "取得の範囲",
            "scope",
            ("logical", "論理", "logical"),
            ("partial", "一部", "partial"),
            ("fast", "ファスト・フォレンジック", "fast forensics"),
        ),
        _need("reason", "物理コピーとしない理由", "why not a physical copy"),
    ),
    "remote": (
        _need("service", "サービス・ログの名称", "service or log"),
        _need("authority", "取得の根拠", "authority"),
        _need("range", "期間・範囲", "range"),
        _text("how", "取得方法(API、管理画面…)", "how (API, console …)"),
        _hash("sha256", "応答の SHA-256", "SHA-256 of the response"),
    ),
    "copy": (
        _need("what", "複製", "which copy"),
        _need("protection", "暗号化・保護", "encryption, protection"),
        _need("place", "保管場所", "where it is kept"),
    ),
    "return": (
        AT,
        _need("what", "返却したもの", "what was returned"),
        _need("to", "受け取った人", "to whom"),
        _text("state", "返却時の状態", "state at return"),
        _text("receipt", "受領書の番号", "receipt"),
    ),
    "dispose": (
        AT,
        _need("what", "廃棄したもの", "what was disposed of"),
        _need("method", "方法", "method"),
        _need("who", "実施した人", "who did it"),
        _text("proof", "証明書・確認方法", "certificate, check"),
    ),
    "exhibit": (
        _code("number", "号証", "exhibit number", required=True),
        _need("title", "標目", "title"),
        _need("author", "作成者", "author"),
        _code("date", "作成年月日", "date"),
        _need("purpose", "立証趣旨", "what it is to prove"),
        _code("original", "原本・写しの別", "original or copy"),
        _code("source", "ページ・行 → 対象物・位置", "page or row → item, offset"),
        _code("page", "ページ・行", "page, row"),
        _code("offset", "対象物の中の位置(バイト)", "offset in the item in bytes"),
        _hash("sha256", "SHA-256", "SHA-256"),
    ),
    "anomaly": (
        AT,
        _need("what", "異常の内容", "what was wrong"),
        _need("action", "対処", "what was done"),
    ),
    "waiver": (
        _code("id", "要件 ID(P1、F3 など)", "requirement (P1, F3 …)", required=True),
        _choice(
            "status",
            "区分",
            "status",
            ("not_done", "未実施", "not done"),
            ("not_applicable", "対象外", "not applicable"),
        ),
        _need("reason", "理由", "why"),
    ),
    "scope": (
        _need("basis", "根拠(依頼・同意・令状)", "basis (request, consent, warrant)"),
        _code("paths", "パス(1 行に 1 つ、* と ?)", "paths, one a line (* and ?)"),
        _time("since", "更新日時がこの時刻以後", "modified not before"),
        _time("until", "更新日時がこの時刻以前", "modified not after"),
        _code("kinds", "種類(mynumber、yara)", "kinds (mynumber, yara)"),
        NOTE,
    ),
    "classify": (
        _choice(
            "place",
            "発生場所",
            "place",
            ("municipality", "自治体", "municipality"),
            ("government", "国の機関", "national body"),
            ("university", "大学・学校", "university or school"),
            ("company", "企業", "company"),
            ("medical", "医療機関", "medical institution"),
            ("individual", "個人", "individual"),
            ("other", "その他", "other"),
        ),
        _choice(
            "threat",
            "脅威の種類",
            "kind of threat",
            ("hacking", "ハッキング", "hacking"),
            ("theft", "盗難", "theft"),
            ("id_fraud", "ID詐称", "identity fraud"),
            ("lax", "対策不備", "lack of measures"),
            ("insider", "内部犯", "insider"),
        ),
        _choice(
            "difficulty",
            "技術的難易度",
            "technical difficulty",
            ("high", "高", "high"),
            ("medium", "中", "medium"),
            ("low", "低", "low"),
        ),
        _choice(
            "stage",
            "ライフサイクルの段階",
            "stage of the life cycle",
            ("collection", "収集", "collection"),
            ("storage", "保管", "storage"),
            ("use", "利用", "use"),
            ("disposal", "廃棄", "disposal"),
            ("unknown", "不明", "unknown"),
        ),
        _code("grounds", "根拠となる検出・事象の ID", "findings and events it rests on", required=True),
        NOTE,
    ),
    "first_sign": (
        _time("at", "兆候の時刻", "when it showed", required=True),
        _need("what", "兆候の内容", "what showed"),
        _text("how", "気付いた方法(警告、申告、外部の指摘…)", "how it was noticed (alert, user, outsider …)"),
        _text("who", "気付いた人", "who noticed"),
        _code("grounds", "根拠となる事象・検出の ID", "events and findings it rests on"),
    ),
    "first_report": (
        _time("at", "報告の時刻", "when it was reported", required=True),
        _need("who", "報告した人", "who reported"),
        _need("to", "報告先", "to whom"),
        _text("how", "方法", "how"),
    ),
    "isolate": (
        _time("at", "措置の時刻", "when it was done", required=True),
        _need("what", "隔離・停止したもの", "what was isolated or stopped"),
        _choice(
            "extent",
            "範囲",
            "extent",
            ("partial", "一部", "a part"),
            ("whole", "全部", "all of it"),
        ),
        _need("how", "方法", "how"),
        _need("who", "実施した人", "who did it"),
        NOTE,
    ),
    "custody": (
        _time("since", "期間の始め", "from", required=True),
        _time("until", "期間の終わり", "until", required=True),
        _need("explanation", "説明", "explanation"),
    ),
}
