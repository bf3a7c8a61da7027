"""What `custody record KIND` asks: the fields of each kind, their checks, and the body of the entry.

```python
body = records.body_of("power", {"state": "on", "decision": "unplugged", "reason": "…", "who": "山田"}, now_ns)
```
All of it is typed by a person and marked so (`src: typed`). Kinds and their names: entries.RECORDS.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from chain_of_custody import entries, ledger
from chain_of_custody.entries import FileHash
from chain_of_custody.errors import LedgerError, UsageError
from chain_of_custody.masking import mask_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from chain_of_custody.jcs import Json

FieldKind = Literal["text", "code", "time", "choice", "hash"]
ATTACHMENTS = "attachments"
LATE_NS = 3600 * 1_000_000_000
"""A statement about something that happened longer ago than this is marked as 事後記録."""


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


AT = Field("at", "行われた時刻", "when it happened", kind="time")
PLACE = _text("place", "場所", "place")
NOTE = _text("note", "備考", "remarks")

FIELDS: Mapping[str, tuple[Field, ...]] = {
    "authority": (
        _need("client", "依頼者", "client"),
        Field(
            "authority",
            "根拠",
            "authority",
            required=True,
            kind="choice",
            choices=(
                ("request", "依頼書", "written request"),
                ("consent", "同意書", "consent"),
                ("warrant", "令状・裁判所の命令", "warrant or court order"),
                ("rule", "社内規程", "company rule"),
                ("other", "その他", "other"),
            ),
        ),
        _text("document", "文書の名称・番号", "name or number of the document"),
        _text("roles", "体制と連絡先", "roles and contacts"),
        _text("scope", "範囲", "scope"),
    ),
    "scene": (
        AT,
        _need("place", "場所", "place"),
        Field(
            "power",
            "電源",
            "power",
            required=True,
            kind="choice",
            choices=(
                ("on", "入", "on"),
                ("off", "切", "off"),
                ("sleep", "スリープ・休止", "asleep"),
                ("unknown", "不明", "unknown"),
            ),
        ),
        _text("screen", "画面の表示", "what the screen shows"),
        _text("connections", "接続(ネットワーク・外部媒体・周辺機器)", "connections"),
        _text("seal", "封印・破損", "seals, damage"),
        _text("present", "居合わせた人", "who was present"),
    ),
    "power": (
        AT,
        _need("state", "判断前の電源の状態", "state before"),
        Field(
            "decision",
            "判断",
            "decision",
            required=True,
            kind="choice",
            choices=(
                ("kept_on", "通電のまま", "kept on"),
                ("kept_off", "切のまま", "kept off"),
                ("unplugged", "電源コードを抜いた", "plug pulled"),
                ("shut_down", "正常に終了した", "shut down"),
                ("battery_removed", "電池を外した", "battery removed"),
            ),
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
        Field("at", "遮断した時刻", "when it was isolated", required=True, kind="time"),
        _need("how", "方法", "how"),
        _need("who", "実施した人", "who did it"),
    ),
    "prior": (
        _need("what", "着手前に行われたこと", "what others had done"),
        _text("who", "行った人", "who"),
        Field("at", "行われた時刻", "when", kind="time"),
    ),
    "clock": (
        Field("shown", "対象機の表示時刻", "time shown by the device", required=True, kind="time"),
        Field("reference", "そのときの基準時刻", "reference time at that moment", required=True, kind="time"),
        _need("source", "基準時刻の出所(NTP、117、電波時計…)", "where the reference comes from"),
        Field("resolution_s", "読取りの分解能(秒)", "resolution of the reading in seconds", kind="code"),
        _text("zone", "対象機のタイムゾーン設定", "time zone set on the device"),
        _text("clock", "どの時計か(OS、BIOS、カメラ…)", "which clock (OS, BIOS, camera …)"),
        NOTE,
    ),
    "examiner_clock": (
        Field("shown", "作業機の時刻", "time of the examiner's machine", required=True, kind="time"),
        Field("reference", "基準時刻", "reference time", required=True, kind="time"),
        _need("source", "基準時刻の出所", "where the reference comes from"),
    ),
    "item": (
        _need("kind", "種別", "kind"),
        _text("maker", "メーカ", "maker"),
        Field("model", "型番", "model", kind="code"),
        Field("serial", "製造番号", "serial number", kind="code"),
        Field("capacity", "容量", "capacity", kind="code"),
        _text("appearance", "外観・傷", "appearance"),
        _text("owner", "所有者・使用者", "owner, user"),
        _text("found", "所在していた場所", "where it was"),
    ),
    "photo": (AT, _need("what", "写したもの", "what it shows"), _text("who", "撮影者", "who took it")),
    "seal": (
        AT,
        Field("number", "封印番号", "seal number", required=True, kind="code"),
        _need("how", "封印の方法", "how it is sealed"),
        _text("who", "封印した人", "who sealed it"),
    ),
    "unseal": (
        AT,
        Field("number", "確認した封印番号", "seal number found", required=True, kind="code"),
        Field(
            "intact",
            "封印の状態",
            "state of the seal",
            required=True,
            kind="choice",
            choices=(("yes", "異常なし", "intact"), ("no", "異常あり", "broken or different")),
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
        Field("arrived", "到着時刻", "arrived at", kind="time"),
    ),
    "storage": (
        AT,
        Field(
            "direction",
            "入出庫",
            "in or out",
            required=True,
            kind="choice",
            choices=(("in", "入庫", "in"), ("out", "出庫", "out")),
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
        Field(
            "scope",
            "取得の範囲",
            "scope",
            required=True,
            kind="choice",
            choices=(
                ("logical", "論理", "logical"),
                ("partial", "一部", "partial"),
                ("fast", "ファスト・フォレンジック", "fast forensics"),
            ),
        ),
        _need("reason", "物理コピーとしない理由", "why not a physical copy"),
    ),
    "remote": (
        _need("service", "サービス・ログの名称", "service or log"),
        _need("authority", "取得の根拠", "authority"),
        _need("range", "期間・範囲", "range"),
        _text("how", "取得方法(API、管理画面…)", "how (API, console …)"),
        Field("sha256", "応答の SHA-256", "SHA-256 of the response", kind="hash"),
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
        Field("number", "号証", "exhibit number", required=True, kind="code"),
        _need("title", "標目", "title"),
        _need("author", "作成者", "author"),
        Field("date", "作成年月日", "date", kind="code"),
        _need("purpose", "立証趣旨", "what it is to prove"),
        Field("original", "原本・写しの別", "original or copy", kind="code"),
        Field("source", "ページ・行 → 対象物・位置", "page or row → item, offset", kind="code"),
        Field("page", "ページ・行", "page, row", kind="code"),
        Field("offset", "対象物の中の位置(バイト)", "offset in the item in bytes", kind="code"),
        Field("sha256", "SHA-256", "SHA-256", kind="hash"),
    ),
    "anomaly": (AT, _need("what", "異常の内容", "what was wrong"), _need("action", "対処", "what was done")),
    "waiver": (
        Field("id", "要件 ID(P1、F3 など)", "requirement (P1, F3 …)", required=True, kind="code"),
        Field(
            "status",
            "区分",
            "status",
            required=True,
            kind="choice",
            choices=(("not_done", "未実施", "not done"), ("not_applicable", "対象外", "not applicable")),
        ),
        _need("reason", "理由", "why"),
    ),
    "custody": (
        Field("since", "期間の始め", "from", required=True, kind="time"),
        Field("until", "期間の終わり", "until", required=True, kind="time"),
        _need("explanation", "説明", "explanation"),
    ),
}
"""Fields of each kind of record, in the order in which they are asked."""


def _value(field: Field, given: Json) -> str:
    if not isinstance(given, str | int) or isinstance(given, bool):
        raise UsageError(f"{field.ja}({field.name})は文字列です", f"{field.en} ({field.name}) is a text")
    text = str(given).strip()
    if field.kind == "time":
        try:
            entries.time_ns_of(text)
        except ValueError as error:
            raise UsageError(
                f"{field.ja}({field.name})の時刻を読めません: {text}",
                f"{field.en} ({field.name}) is no time: {text}",
                hint_ja="2026-11-24T09:00:00+09:00 の形で指定してください",
                hint_en="write it like 2026-11-24T09:00:00+09:00",
            ) from error
    elif field.kind == "choice":
        for value, ja, en in field.choices:
            if text.lower() in (value, ja, en.lower()):
                return value
        allowed_ja = "、".join(f"{value}({ja})" for value, ja, _ in field.choices)
        allowed_en = ", ".join(value for value, _, _ in field.choices)
        raise UsageError(
            f"{field.ja}({field.name})は次のいずれかです: {allowed_ja}",
            f"{field.en} ({field.name}) is one of: {allowed_en}",
        )
    elif field.kind == "hash":
        text = text.lower()
        if len(text) != 64 or not set(text) <= set("0123456789abcdef"):
            raise UsageError(f"{field.ja}は 64 桁の 16 進数です", f"{field.en} has 64 hexadecimal digits")
    elif field.kind == "text":
        text = mask_text(text)
    return text


def body_of(kind: str, given: Mapping[str, Json], now_ns: int) -> dict[str, Json]:
    """The checked body of a record; times must be RFC 3339 with offset and six decimals. Raises UsageError."""
    fields = FIELDS[kind]
    unknown = given.keys() - {field.name for field in fields}
    if unknown:
        known = ", ".join(field.name for field in fields)
        raise UsageError(
            f"{kind} にない項目です: {', '.join(sorted(unknown))}",
            f"no such field of {kind}: {', '.join(sorted(unknown))}",
            hint_ja=f"使える項目: {known}",
            hint_en=f"fields: {known}",
        )
    body: dict[str, Json] = {}
    for field in fields:
        value = _value(field, given.get(field.name, "")) if given.get(field.name) not in (None, "") else ""
        if value:
            body[field.name] = value
        elif field.required:
            raise UsageError(
                f"{kind} には {field.ja}({field.name})が必要です",
                f"{kind} needs {field.name} ({field.en})",
            )
    at = body.get("at")
    if isinstance(at, str) and now_ns - entries.time_ns_of(at) > LATE_NS:
        body["late"] = "yes"
    if "shown" in body and "reference" in body:
        shown, reference = (entries.time_ns_of(str(body[name])) for name in ("shown", "reference"))
        body["offset_ns"] = str(shown - reference)
    return body


def attach(case: Path, files: list[Path]) -> tuple[list[FileHash], list[Json]]:
    """Copy files (photos, scans) unedited into `attachments/<sha256>`; their hashes, and names for the body.

    Raises UsageError when a file cannot be read, LedgerError when the copy cannot be written.
    """
    hashes: list[FileHash] = []
    names: list[Json] = []
    for path in files:
        try:
            if path.stat().st_size > 512 * 2**20:
                raise UsageError(f"512 MiB を超えています: {path}", f"larger than 512 MiB: {path}")
            data = path.read_bytes()
        except OSError as error:
            raise UsageError(
                f"読めません: {path}: {error.strerror}", f"cannot read {path}: {error.strerror}"
            ) from error
        digest = hashlib.sha256(data).hexdigest()
        target = case / ATTACHMENTS / digest
        try:
            target.parent.mkdir(exist_ok=True)
            if not target.exists():
                ledger.write_new_file(target, data)
        except OSError as error:
            raise LedgerError(
                f"書き込めません: {target}: {error.strerror}",
                f"cannot write {target}: {error.strerror}",
            ) from error
        hashes.append(FileHash(digest, len(data)))
        names.append({"name": mask_text(path.name), "sha256": digest})
    return hashes, names
