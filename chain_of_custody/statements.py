"""An entry in words: its members with the names people use for them, safe to print.

```python
for label, value in statements.of(entry, "ja"):
    print(label, value)          # 封印番号 A-102
```
Texts are data: characters that cannot be seen or that turn a line around are written as ‹U+202E›, possible My Numbers
are masked. The script of the HTML report follows the same rules with the same tables (`tables`).
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from chain_of_custody import entries, record_fields, signing
from chain_of_custody.masking import mask_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chain_of_custody.entries import Entry
    from chain_of_custody.errors import Language
    from chain_of_custody.jcs import Json

HIDDEN = ("run", "auth", "sig", "sig_old", "sig_new", "people", "policy", "secret_check", "verify_sh", "origin", "late")
"""Members that say nothing to a reader, or stand elsewhere in a report."""

LONGEST_LIST = 20
"""Members of a list that are shown; the ledger holds all."""

LABELS: Mapping[str, tuple[str, str]] = {
    "act": ("操作のハッシュ", "digest of the act"),
    "approval": ("承認の項", "approved by entry"),
    "asked": ("行おうとした操作", "what was asked"),
    "hours": ("有効時間", "hours"),
    "refused": ("拒否の項", "refused by entry"),
    "request": ("申請の項", "request"),
    "texts": ("対象の SHA-256", "SHA-256 of the texts"),
    "accredited_typed": ("認定の有無(手入力)", "accreditation (typed)"),
    "archive": ("書庫", "archive"),
    "attachments": ("添付", "attachments"),
    "authority": ("発行者・根拠", "authority"),
    "auto": ("自動取得", "read by the program"),
    "backing_file": ("実体のファイル", "backing file"),
    "begin": ("開始の項", "begun by entry"),
    "blocker": ("書込防止装置", "write blocker"),
    "branch": ("保管先", "kept in"),
    "bytes": ("バイト", "bytes"),
    "case_id": ("事案 ID", "case id"),
    "case_number": ("事件番号", "case number"),
    "certificate_sha256": ("証明書の SHA-256", "SHA-256 of the certificate"),
    "changed": ("読取り中に変化", "changed while read"),
    "checks": ("確認項目", "checks"),
    "common": ("共通の項数", "entries in common"),
    "compared": ("比較", "compared"),
    "compression": ("圧縮", "compression"),
    "copy": ("写し", "copy"),
    "countersigns": ("副署する文書の SHA-256", "countersigns the document with SHA-256"),
    "description": ("説明", "description"),
    "details": ("詳細", "details"),
    "device": ("機器", "device"),
    "differing": ("相違", "differing"),
    "direct_reads": ("直接読取り", "direct reads"),
    "document": ("文書", "document"),
    "encryption": ("暗号化", "encryption"),
    "equal": ("一致", "equal"),
    "error": ("誤り", "error"),
    "examiner": ("作業者", "examiner"),
    "file_count": ("ファイル数", "files"),
    "files": ("ファイル", "files"),
    "firmware": ("ファームウェア", "firmware"),
    "first": ("最初の箇所", "first places"),
    "first_non_zero": ("最初の 0 でない位置", "first places that are not zero"),
    "folders": ("フォルダー数", "folders"),
    "format": ("形式", "format"),
    "formats": ("形式", "formats"),
    "fresh_reports": ("この場で作った報告書", "reports made for it"),
    "gen_time": ("刻印時刻", "stamped time"),
    "has_partition_table": ("区画表あり", "has a partition table"),
    "hashes": ("ハッシュ", "hashes"),
    "hidden_area": ("HPA/DCO", "HPA/DCO"),
    "hole_bytes": ("穴(読まずに 0)のバイト数", "bytes of holes, not read"),
    "id": ("ID", "id"),
    "identified_by": ("本人確認の方法", "identified by"),
    "identity": ("確認に入力した S/N", "serial number typed"),
    "image": ("イメージ", "image"),
    "in_use": ("使用中", "in use"),
    "is_blank": ("無データ", "blank"),
    "is_equal": ("一致", "equal"),
    "is_ok": ("正常", "all right"),
    "is_read_only": ("読取り専用", "read-only"),
    "is_removable": ("取外し可能", "removable"),
    "issued": ("証明書", "certificate"),
    "item": ("対象物", "item"),
    "kept_lines": ("残した行数", "lines kept"),
    "key": ("鍵", "key"),
    "key_protection": ("鍵の保護", "protection of the key"),
    "kind": ("種別", "kind"),
    "language": ("言語", "language"),
    "last_ts": ("直前の項の時刻", "time of the entry before"),
    "links": ("リンク数", "links"),
    "live_reason": ("稼働中に取得した理由", "why taken live"),
    "logical_sector_bytes": ("論理セクタ(バイト)", "logical sector in bytes"),
    "manifest": ("目録", "manifest"),
    "members": ("収録数", "members"),
    "method": ("方法", "method"),
    "model": ("型番", "model"),
    "moved_to": ("移した先", "moved to"),
    "name": ("名称", "name"),
    "new": ("新しい鍵", "new key"),
    "non_zero_sectors": ("0 でないセクタ", "sectors that are not zero"),
    "notes": ("備考", "notes"),
    "offer": ("申出の項", "offer"),
    "offset": ("位置", "offset"),
    "offset_ns": ("差(ナノ秒)", "difference in ns"),
    "old": ("前の鍵", "old key"),
    "org": ("所属", "organisation"),
    "ours": ("こちらの末尾", "our head"),
    "padding": ("補った 0 のバイト数", "bytes of padding"),
    "partition_table": ("区画表", "partition table"),
    "partitions": ("区画", "partitions"),
    "path": ("場所", "path"),
    "person": ("人", "person"),
    "physical_sector_bytes": ("物理セクタ(バイト)", "physical sector in bytes"),
    "place": ("場所", "place"),
    "protection": ("書込み防止", "write protection"),
    "read_back": ("読み戻したハッシュ", "hashes read back"),
    "read_only_before": ("読取り専用(接続時)", "read-only when attached"),
    "read_only_set": ("読取り専用(設定した)", "set read-only"),
    "reason": ("理由", "reason"),
    "recomputed_from_target": ("読み戻しで計算したバイト数", "bytes hashed by reading back"),
    "reread_source": ("原本の再読", "source read again"),
    "result": ("結果", "result"),
    "resume": ("再開", "resumed"),
    "retries": ("再試行", "retries"),
    "role": ("役割", "role"),
    "root": ("マークル根", "Merkle root"),
    "scope": ("範囲", "scope"),
    "seconds": ("所要(秒)", "seconds"),
    "sector_size": ("セクタ(バイト)", "sector in bytes"),
    "sectors": ("セクタ数", "sectors"),
    "segment_sizes": ("分割(バイト)", "segments in bytes"),
    "seq": ("項", "entry"),
    "serial": ("製造番号", "serial number"),
    "settings": ("設定", "settings"),
    "sha256": ("SHA-256", "SHA-256"),
    "sheet": ("取扱票", "custody sheet"),
    "shift_ns": ("動いた幅(ナノ秒)", "shift in ns"),
    "signing": ("文書への署名", "signature of the document"),
    "since": ("いつから", "since"),
    "size": ("大きさ", "size"),
    "size_bytes": ("容量(バイト)", "size in bytes"),
    "skipped": ("読めなかったもの", "not read"),
    "skipped_count": ("読めなかった数", "number not read"),
    "smart": ("SMART", "SMART"),
    "source": ("原本", "source"),
    "source_changed": ("再読で変化", "changed when read again"),
    "sources": ("収集元", "sources"),
    "status": ("結末", "status"),
    "subject": ("名義", "subject"),
    "target": ("出力先", "target"),
    "targets": ("出力先", "targets"),
    "text": ("本文", "text"),
    "theirs": ("相手の末尾", "their head"),
    "to": ("相手", "to"),
    "transport": ("接続", "transport"),
    "typed": ("手入力", "typed"),
    "unreadable": ("読取不能", "unreadable"),
    "unreadable_bytes": ("読取不能(バイト)", "unreadable bytes"),
    "vendor": ("メーカー", "vendor"),
    "verdict": ("判定", "verdict"),
    "verified": ("検証", "verified"),
    "verify": ("読み戻し検証", "verified by reading back"),
    "what": ("何を", "what"),
    "who": ("人", "who"),
    "why": ("理由", "why"),
    "witness": ("立会人", "witness"),
    "write_protection": ("書込み防止", "write protection"),
    "wwn": ("WWN", "WWN"),
    "zero_bytes": ("0 のバイト数", "bytes that are zero"),
}
"""Names of members that programs write. Fields of records have theirs in record_fields.FIELDS."""

LABELS_OF_TYPE: Mapping[str, Mapping[str, tuple[str, str]]] = {
    type_: {"size": ("項数", "entries")} for type_ in ("checkpoint", "cosigned", "stamp")
}
"""Members that mean something else in entries of these types."""

VALUES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "status": {
        "done": ("完了", "done"),
        "partial": ("一部未完", "partial"),
        "failed": ("失敗", "failed"),
        "interrupted": ("中断", "interrupted"),
    },
    "protection": {
        "hardware": ("書込防止装置", "write blocker"),
        "software": ("書込防止(ソフトウェア)", "write protection by software"),
        "none": ("なし", "none"),
        "passphrase": ("パスフレーズ", "passphrase"),
        "agent": ("ssh-agent", "ssh-agent"),
        "token": ("トークン", "token"),
    },
    "hidden_area": {"not known": ("不明", "not known"), "none": ("なし", "none")},
    "partition_table": {"none": ("なし", "none")},
    "smart": {"not known": ("不明", "not known")},
    "issued": {"self": ("自己発行", "self-issued"), "given": ("発行済みのもの", "issued by others")},
    "verdict": {
        "ok": ("OK", "OK"),
        "ng": ("NG", "NG"),
        "unknown": ("判定不能", "cannot tell"),
        "match": ("一致", "match"),
        "mismatch": ("不一致", "mismatch"),
        "nothing": ("比較対象なし", "nothing to compare with"),
    },
}
"""Values that programs write, by the name of their member."""
_SAME_VALUES = {"write_protection": "protection", "key_protection": "protection"}

_DIGEST = re.compile(r"[0-9a-f]{32,128}", re.ASCII)
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)\.(\d{6})([+-]\d\d:\d\d)", re.ASCII)
_KEY = re.compile(r"(ssh-|ecdsa-|sk-)[\w@.-]+ [A-Za-z0-9+/]+=*", re.ASCII)
_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp", "Cn"})


def visible(text: str) -> str:
    """`text` with characters that cannot be seen, or that turn a line around, written as ‹U+XXXX›.

    Line breaks stay; a tab becomes a blank.
    """
    if text.isascii() and text.isprintable():
        return text
    parts = []
    for character in text:
        if character == "\t":
            parts.append(" ")
        elif character != "\n" and unicodedata.category(character) in _UNSEEN:
            parts.append(f"‹U+{ord(character):04X}›")
        else:
            parts.append(character)
    return "".join(parts)


def groups(digest: str) -> str:
    """A hash in groups of eight digits: it can break at a line's end, and be read aloud."""
    return " ".join(digest[i : i + 8] for i in range(0, len(digest), 8))


def shown(text: str) -> str:
    """Free text as it may be shown; a digest stays whole, whatever digits stand in it.

    A time of the ledger loses the fraction that is zero, a public key is named by its fingerprint.
    """
    if _DIGEST.fullmatch(text):
        return groups(text)
    if _TIME.fullmatch(text):
        return moment(text)
    if _KEY.fullmatch(text):
        return signing.fingerprint(text)
    return visible(mask_text(text))


def moment(ts: str) -> str:
    """A time as a person writes it, with its offset; a fraction only where a person gave one."""
    match = _TIME.fullmatch(ts)
    if match is None:
        return visible(ts)
    fraction = "" if match[3] == "000000" else f".{match[3]}"
    return f"{match[1]} {match[2]}{fraction} {match[4]}"


def _pick(pair: tuple[str, str], language: Language) -> str:
    return pair[0] if language == "ja" else pair[1]


def label(name: str, language: Language) -> str:
    """The word for a member that a program wrote; its own name where there is none."""
    return _pick(LABELS[name], language) if name in LABELS else visible(name)


def value(name: str, given: Json, language: Language) -> str:
    """One value in words; empty for null, an empty list and an empty object."""
    if given is None:
        return ""
    if isinstance(given, bool):
        return ("はい" if given else "いいえ") if language == "ja" else ("yes" if given else "no")
    if isinstance(given, str):
        known = VALUES.get(_SAME_VALUES.get(name, name), {}).get(given)
        return _pick(known, language) if known is not None else shown(given)
    if isinstance(given, dict):
        if given.keys() == {"ja", "en"}:
            return shown(str(given[language]))
        parts = [(label(key, language), value(key, one, language)) for key, one in given.items()]
        return "; ".join(f"{one}: {two}" for one, two in parts if two)
    if isinstance(given, list | tuple):
        parts_of_list = [value(name, one, language) for one in given[:LONGEST_LIST]]
        words_of = ("、" if language == "ja" else ", ").join(part for part in parts_of_list if part)
        more = len(given) - LONGEST_LIST
        if more > 0:
            words_of += f" ほか {more} 件" if language == "ja" else f" and {more} more"
        return words_of
    return str(given)


def type_name(type_: str, language: Language) -> str:
    """What an entry of this type is called."""
    return _pick((entries.TYPES[type_].ja, entries.TYPES[type_].en), language)


def of(entry: Entry, language: Language) -> list[tuple[str, str]]:
    """Label and value of everything that the body of an entry states, in the order of its form."""
    return of_body(entry.type, entry.body, language)


def of_body(type_: str, body: Mapping[str, Json], language: Language) -> list[tuple[str, str]]:
    """The same for a body, or a part of one, of an entry of this type."""
    kind = type_.removeprefix("record.")
    fields = record_fields.FIELDS.get(kind, ()) if type_.startswith("record.") else ()
    stated = []
    for field in fields:
        given = body.get(field.name)
        if given is None:
            continue
        words = {one: (ja, en) for one, ja, en in field.choices}
        if str(given) in words:
            words_of = _pick(words[str(given)], language)
        else:
            # Numbers and serials are kept as they were typed: they identify a thing.
            words_of = visible(str(given)) if field.kind == "code" else value("", given, language)
        stated.append((_pick((field.ja, field.en), language), words_of))
    known = {field.name for field in fields}
    for name, given in body.items():
        if name in known or name in HIDDEN:
            continue
        words_of = value(name, given, language)
        if words_of:
            own = LABELS_OF_TYPE.get(type_, {})
            stated.append((_pick(own[name], language) if name in own else label(name, language), words_of))
    return stated


def tables(language: Language) -> dict[str, object]:
    """The tables behind `of`, for the script of the HTML report."""
    return {
        "hidden": list(HIDDEN),
        "longestList": LONGEST_LIST,
        "labelsOfType": {
            type_: {name: _pick(pair, language) for name, pair in own.items()} for type_, own in LABELS_OF_TYPE.items()
        },
        "labels": {name: _pick(pair, language) for name, pair in LABELS.items()},
        "values": {
            name: {one: _pick(pair, language) for one, pair in words.items()}
            for name, words in {
                **VALUES,
                **{alias: VALUES[target] for alias, target in _SAME_VALUES.items()},
            }.items()
        },
        "fields": {
            f"record.{kind}": [
                [
                    field.name,
                    _pick((field.ja, field.en), language),
                    {one: _pick((ja, en), language) for one, ja, en in field.choices},
                    field.kind == "code",
                ]
                for field in fields
            ]
            for kind, fields in record_fields.FIELDS.items()
        },
        "words": {
            "yes": "はい" if language == "ja" else "yes",
            "no": "いいえ" if language == "ja" else "no",
            "join": "、" if language == "ja" else ", ",
            "more": " ほか {} 件" if language == "ja" else " and {} more",
        },
    }
