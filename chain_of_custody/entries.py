r"""One line of the ledger (`custody/1`): its members, the closed list of types, and nothing that touches a file.

A line is `<JCS bytes>\t<base64 of an Ed25519 signature over these bytes>`; see docs/ledger-format.md.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, cast

from chain_of_custody import jcs

if TYPE_CHECKING:
    from pathlib import Path

    from chain_of_custody.jcs import Json

VERSION = 1
NO_PREVIOUS = "0" * 64
MAX_LINE_BYTES = 8 * 1024 * 1024

SUPERVISOR = "責任者"
OPERATOR = "作業者"
WITNESS = "立会人"
CUSTODIAN = "保管者"
RECIPIENT = "受領者"
READER = "閲覧者"
ROLES: Mapping[str, str] = {
    SUPERVISOR: "supervisor",
    OPERATOR: "operator",
    WITNESS: "witness",
    CUSTODIAN: "custodian",
    RECIPIENT: "recipient",
    READER: "reader",
}
"""Role as written in entries, and its English name."""

Source = Literal["auto", "typed"]
BodyKind = Literal["text", "integer", "object", "list"]


class EntryError(ValueError):
    """A line is no valid entry; `ja` and `en` say why."""

    def __init__(self, ja: str, en: str) -> None:
        super().__init__(en)
        self.ja = ja
        self.en = en


@dataclass(frozen=True, slots=True)
class FileHash:
    """Content of a file that went into or came out of an action: SHA-256 (hex) and size in bytes."""

    sha256: str
    size: int

    @classmethod
    def of_file(cls, path: Path) -> FileHash:
        """Read a file once and hash it; raises OSError."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
            return cls(digest.hexdigest(), file.tell())

    def to_json(self) -> dict[str, Json]:
        """The member of `in` and `out`; the size is a string, as all sizes in the ledger."""
        return {"sha256": self.sha256, "size": str(self.size)}


@dataclass(frozen=True, slots=True)
class Tool:
    """The program that wrote an entry; `sha256` as `tool_identity.package_sha256` computes it."""

    name: str
    version: str
    sha256: str

    def to_json(self) -> dict[str, Json]:
        """The member `tool`."""
        return {"name": self.name, "version": self.version, "sha256": self.sha256}


@dataclass(frozen=True, slots=True)
class EntryType:
    """A type of entry: its names, who may write it, and the members its body must have."""

    name: str
    ja: str
    en: str
    roles: frozenset[str]
    required: Mapping[str, BodyKind] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as read from or written to the ledger."""

    seq: int
    prev: str
    ts: str
    """RFC 3339 with offset and six decimals, as written."""
    time_ns: int
    """`ts` as nanoseconds since 1970-01-01 UTC (precision 1 µs)."""
    mono_ns: int
    boot: str | None
    session: str
    actor: str
    role: str
    type: str
    item: str | None
    inputs: tuple[FileHash, ...]
    outputs: tuple[FileHash, ...]
    tool: Tool
    src: Source
    body: Mapping[str, Json]
    details: str | None
    payload: bytes = field(repr=False)
    """The JCS bytes that are hashed and signed."""
    signature: bytes = field(repr=False)

    @property
    def line(self) -> bytes:
        """The whole line without its newline."""
        return encode_line(self.payload, self.signature)

    @property
    def sha256(self) -> str:
        """Hash of the whole line: the `prev` of the next entry."""
        return hashlib.sha256(self.line).hexdigest()

    def to_json(self) -> Json:
        """The entry as it stands in the ledger."""
        return jcs.loads(self.payload)


# --- the closed list of types -----------------------------------------------------------------------------------------

_WORKING = frozenset({SUPERVISOR, OPERATOR})
_HANDLING = frozenset({SUPERVISOR, OPERATOR, CUSTODIAN})
_RECEIVING = frozenset({SUPERVISOR, OPERATOR, CUSTODIAN, RECIPIENT})
_WITNESSING = frozenset({SUPERVISOR, OPERATOR, CUSTODIAN, WITNESS})
_EVERYBODY = frozenset(ROLES)

ACTIONS: Mapping[str, tuple[str, str]] = {
    "image": ("証拠保全(複製)", "acquisition of an image"),
    "verify": ("同一性の検証", "verification of an image"),
    "extract": ("ファイルの抽出", "extraction of files"),
    "scan": ("マイナンバー走査", "scan for My Numbers"),
    "reveal": ("番号の表示", "reveal of numbers in the clear"),
    "export": ("書き出し", "export"),
    "clone": ("媒体への複製", "clone onto a medium"),
    "wipe": ("媒体の消去", "wiping of a medium"),
    "wipe_check": ("無データ化の確認", "check that a medium is blank"),
    "collect": ("ファイル単位の収集", "collection of files"),
    "live": ("稼働中機器の情報収集", "collection from a running machine"),
    "selftest": ("動作確認", "self-test of the tool"),
    "report": ("報告書の作成", "report"),
    "search": ("語句の検索", "search for words"),
    "yara": ("YARA 走査", "YARA scan"),
    "ocr": ("文字認識", "text recognition"),
    "timeline": ("時系列の作成", "build of a timeline"),
    "clock": ("時計の解析", "analysis of clocks"),
    "verdict": ("持ち出しの判定", "verdict on copies"),
    "breach_report": ("漏えい等報告の下書き", "draft of a breach report"),
    "pack": ("検証用一式の作成", "bundle for the other side"),
    "redact": ("墨消し", "redaction"),
    "split": ("秘密分散", "splitting into shares"),
    "join": ("分散片の復元", "joining of shares"),
    "encrypt": ("暗号化", "encryption"),
    "decrypt": ("復号", "decryption"),
    "backup": ("予備の作成", "backup"),
    "restore": ("予備からの復旧", "restoring from a backup"),
    "about": ("ある番号への操作の照会", "question what was done with a number"),
    "anonymise": ("仮名化した写しの作成", "pseudonymised copy"),
}
"""Kinds of actions; each gives two types, `<kind>.begin` and `<kind>.end`."""

_MANY_ROLES: Mapping[str, frozenset[str]] = {
    # What only reads and proves may be done by everybody who may write at all.
    "verify": _EVERYBODY,
    "selftest": _EVERYBODY,
    "report": _EVERYBODY,
    "pack": _HANDLING,
    "backup": _HANDLING,
    "restore": _HANDLING,
    "encrypt": _HANDLING,
}


RECORDS: Mapping[str, tuple[str, str]] = {
    "authority": ("依頼・根拠・体制", "authority and roles"),
    "scene": ("発見時の状態", "state when found"),
    "power": ("電源の判断", "power decision"),
    "volatile": ("揮発性情報の取得手順", "order of volatility"),
    "network": ("ネットワークの遮断", "network isolation"),
    "prior": ("着手済み作業の引継ぎ", "what others did before"),
    "clock": ("対象機の時刻", "clock of the device"),
    "examiner_clock": ("作業機の時計", "the examiner's own clock"),
    "item": ("対象物の識別", "identification of the item"),
    "photo": ("写真・動画", "photograph or video"),
    "seal": ("封印", "sealing"),
    "unseal": ("開封", "unsealing"),
    "transport": ("搬送", "transport"),
    "storage": ("保管・出庫", "storage in and out"),
    "fallback": ("代替手段", "fallback tool or method"),
    "witness": ("立会い", "witness"),
    "acquisition": ("論理・部分保全の理由", "why not a physical copy"),
    "remote": ("ログ・クラウドの取得", "logs and cloud data"),
    "copy": ("複製の取扱い", "handling of a copy"),
    "return": ("返却", "return to the owner"),
    "dispose": ("廃棄", "disposal"),
    "exhibit": ("証拠説明書", "list of exhibits"),
    "anomaly": ("異常と対処", "anomaly and what was done"),
    "waiver": ("未実施の理由", "why a step was not done"),
    "scope": ("調査の範囲", "scope of the inquiry"),
    "classify": ("事案の分類", "classification of the incident"),
    "first_sign": ("最初の兆候", "first sign"),
    "first_report": ("最初の報告", "first report"),
    "isolate": ("隔離の措置", "step of isolation"),
    "custody": ("保管者の交代のない期間の説明", "explanation of a gap in custody"),
}
"""Kinds of `custody record KIND`; each is the type `record.<kind>`. Their fields: records.py."""

_WITNESS_RECORDS = frozenset({"witness", "photo", "anomaly", "scene"})


def _types() -> dict[str, EntryType]:
    everybody, working = _EVERYBODY, _WORKING
    listed = [
        EntryType(
            "case.open",
            "事案の開始",
            "case opened",
            working,
            {
                "auth": "object",
                "sig": "text",
                "case_id": "text",
                "origin": "text",
                "people": "list",
                "policy": "object",
            },
        ),
        EntryType("session.open", "作業の開始", "session opened", everybody, {"auth": "object", "sig": "text"}),
        EntryType("session.close", "作業の終了", "session closed", everybody),
        EntryType("ledger.recovered", "台帳の復旧", "ledger recovered", everybody, {"kept_lines": "text"}),
        EntryType("clock.changed", "時計の変化", "clock changed", everybody, {"reason": "text"}),
        EntryType("note", "メモ", "note", everybody),
        EntryType("correct", "訂正", "correction", everybody, {"seq": "integer", "text": "text"}),
        EntryType("refused", "拒否", "refused", everybody, {"what": "text", "why": "text"}),
        EntryType("key.add", "人と鍵の登録", "person and key added", working, {"person": "object"}),
        EntryType(
            "key.rotate",
            "鍵の交換",
            "key rotated",
            everybody,
            {"id": "text", "old": "text", "new": "text", "sig_old": "text", "sig_new": "text"},
        ),
        EntryType(
            "key.revoke",
            "鍵の失効",
            "key revoked",
            _WITNESSING,
            {"id": "text", "key": "text", "since": "text", "reason": "text"},
        ),
        EntryType(
            "checkpoint",
            "チェックポイント",
            "checkpoint",
            _RECEIVING,
            {"size": "text", "root": "text", "sha256": "text"},
        ),
        EntryType(
            "cosigned",
            "チェックポイントへの署名",
            "checkpoint signed",
            everybody,
            {"size": "text", "who": "text", "sha256": "text"},
        ),
        EntryType(
            "stamp",
            "タイムスタンプ",
            "time stamp",
            _RECEIVING,
            {"size": "text", "sha256": "text", "gen_time": "text"},
        ),
        EntryType("transfer.offer", "受渡しの申出", "transfer offered", _HANDLING, {"to": "text", "reason": "text"}),
        EntryType("transfer.accept", "受領", "transfer accepted", _RECEIVING, {"offer": "integer"}),
        EntryType("transfer.refuse", "受領の拒否", "transfer refused", _RECEIVING, {"offer": "integer", "why": "text"}),
        EntryType(
            "approval.request",
            "承認の申請",
            "approval asked for",
            _HANDLING,
            {"kind": "text", "act": "text", "refused": "integer", "why": "text", "hours": "integer"},
        ),
        EntryType("approval.grant", "承認", "approval granted", _WITNESSING, {"request": "integer"}),
        EntryType(
            "approval.refuse", "承認の拒否", "approval refused", _WITNESSING, {"request": "integer", "why": "text"}
        ),
        EntryType("redacted", "墨消し", "details redacted", working, {"sha256": "text", "why": "text"}),
        EntryType(
            "merged",
            "分岐した台帳の統合",
            "diverged copy merged",
            working,
            {"ours": "text", "theirs": "text", "common": "text", "branch": "text"},
        ),
    ]
    listed += [
        EntryType(f"record.{kind}", ja, en, _WITNESSING if kind in _WITNESS_RECORDS else _HANDLING)
        for kind, (ja, en) in RECORDS.items()
    ]
    for kind, (ja, en) in ACTIONS.items():
        roles = _MANY_ROLES.get(kind, working)
        listed.append(EntryType(f"{kind}.begin", f"{ja} 開始", f"{en}: begin", roles))
        listed.append(
            EntryType(f"{kind}.end", f"{ja} 終了", f"{en}: end", roles, {"begin": "integer", "status": "text"}),
        )
    return {entry_type.name: entry_type for entry_type in listed}


TYPES: Mapping[str, EntryType] = _types()
"""All types of version 1. An entry of any other type is invalid."""

END_STATUSES = ("done", "partial", "failed", "interrupted")


def check_body(entry_type: EntryType, body: Mapping[str, Json]) -> None:
    """Raise EntryError if a member that this type needs is absent or of another kind."""
    for name, kind in entry_type.required.items():
        value = body.get(name)
        fits = (
            (kind == "text" and isinstance(value, str))
            or (kind == "integer" and isinstance(value, int) and not isinstance(value, bool))
            or (kind == "object" and isinstance(value, Mapping))
            or (kind == "list" and isinstance(value, list | tuple))
        )
        if not fits:
            raise EntryError(
                f"{entry_type.name} の body に {name}({kind})がありません",
                f"the body of {entry_type.name} lacks {name} ({kind})",
            )
    if entry_type.name.endswith(".end") and body["status"] not in END_STATUSES:
        raise EntryError("status の値が不正です", "unknown status")


# --- writing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OptionalMembers:
    """Canonical text of the members that most entries lack, before and after `mono_ns` in the order of names."""

    before_mono: str
    after_mono: str


_NO_OPTIONAL = OptionalMembers("", "")


def optional_members(
    details: str | None,
    inputs: tuple[FileHash, ...],
    item: str | None,
    outputs: tuple[FileHash, ...],
) -> OptionalMembers:
    """`details`, `in`, `item` and `out` as they stand in a payload; raises EntryError for what none may hold."""
    if details is None and item is None and not inputs and not outputs:
        return _NO_OPTIONAL
    given: dict[str, Json] = {}
    if details is not None:
        given["details"] = details
    if inputs:
        given["in"] = [file.to_json() for file in inputs]
    if item is not None:
        given["item"] = item
    if outputs:
        given["out"] = [file.to_json() for file in outputs]
    _optional_text(given, "details", _HEX64)
    _optional_text(given, "item")
    for name in ("in", "out"):
        _files(given, name)

    def texts(*names: str) -> str:
        return "".join(f',"{name}":{jcs.dumps(given[name]).decode()}' for name in names if name in given)

    return OptionalMembers(texts("details", "in", "item"), texts("out"))


# --- reading ----------------------------------------------------------------------------------------------------------

_HEX64 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SESSION = re.compile(r"[0-9a-f]{32}", re.ASCII)
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,19}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d\d:\d\d", re.ASCII)
_PERSON = re.compile(r"[^\s\x00-\x20\x7f*?!,\"'\\{}#]{1,64}")

_NEEDED = frozenset({"v", "seq", "prev", "ts", "mono_ns", "session", "actor", "role", "type", "tool", "src", "body"})
_OPTIONAL = frozenset({"boot", "item", "in", "out", "details"})
_KNOWN = _NEEDED | _OPTIONAL


def valid_person_id(value: str) -> bool:
    r"""Whether `value` can be a person's id: 1-64 characters, no blanks, none of * ? ! , " ' \ { } #."""
    return _PERSON.fullmatch(value) is not None


def moment_of(ts: str) -> datetime:
    """The moment of an RFC 3339 time with offset and six decimals; raises ValueError."""
    if _TIME.fullmatch(ts) is None:
        raise ValueError("not RFC 3339 with offset and six decimals")
    return datetime.fromisoformat(ts)


def time_ns_of(ts: str) -> int:
    """Nanoseconds since 1970 UTC of an RFC 3339 time with offset and six decimals; raises ValueError."""
    if _TIME.fullmatch(ts) is None:
        raise ValueError("not RFC 3339 with offset and six decimals")
    return _second_of(ts[:19] + ts[26:]) * 1_000_000_000 + int(ts[20:26]) * 1000


@lru_cache(maxsize=16)
def _second_of(text: str) -> int:
    """Seconds since 1970 UTC of a time without decimals; many entries are written within one."""
    return int(datetime.fromisoformat(text).timestamp())


def encode_line(payload: bytes, signature: bytes) -> bytes:
    """The line, without newline, that holds `payload` and the session's signature over it."""
    return payload + b"\t" + base64.b64encode(signature)


def decode_base64(value: bytes | str) -> bytes:
    """Standard padded base64 that re-encodes to itself; raises ValueError."""
    raw = value.encode("ascii") if isinstance(value, str) else value
    try:
        data = base64.b64decode(raw, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error
    if base64.b64encode(data) != raw:
        raise ValueError("not the canonical base64 of its value")
    return data


def _no_member(name: str) -> EntryError:
    return EntryError(f"項目 {name} の形が不正です", f"member {name} is malformed")


def _text(members: Mapping[str, Json], name: str, pattern: re.Pattern[str] | None = None) -> str:
    value = members[name]
    if not isinstance(value, str) or (pattern is not None and pattern.fullmatch(value) is None):
        raise _no_member(name)
    return value


def _optional_text(members: Mapping[str, Json], name: str, pattern: re.Pattern[str] | None = None) -> str | None:
    return _text(members, name, pattern) if name in members else None


def _files(members: Mapping[str, Json], name: str) -> tuple[FileHash, ...]:
    if name not in members:
        return ()
    value = members[name]
    if not isinstance(value, list) or not value:
        raise _no_member(name)
    files = []
    for item in value:
        if not isinstance(item, dict) or item.keys() != {"sha256", "size"}:
            raise _no_member(name)
        try:
            files.append(FileHash(_text(item, "sha256", _HEX64), int(_text(item, "size", _DECIMAL))))
        except EntryError as error:
            raise _no_member(name) from error
    return tuple(files)


def _tool(members: Mapping[str, Json]) -> Tool:
    value = members["tool"]
    if not isinstance(value, dict) or value.keys() != {"name", "version", "sha256"}:
        raise _no_member("tool")
    return Tool(_text(value, "name"), _text(value, "version"), _text(value, "sha256", _HEX64))


def parse_payload(payload: bytes, signature: bytes) -> Entry:
    """The entry in `payload`; raises EntryError for everything that version 1 does not allow."""
    try:
        members = jcs.loads(payload)
    except jcs.NotCanonicalError as error:
        raise EntryError(
            f"正準形の JSON ではありません(キーの重複を含む): {error}",
            f"not canonical JSON (duplicate keys are caught here too): {error}",
        ) from error
    return entry_of(members, payload, signature)


def entry_of(members: Json, payload: bytes, signature: bytes) -> Entry:
    """The entry with these `members`, whose canonical bytes are `payload`; raises EntryError."""
    if not isinstance(members, dict):
        raise EntryError("JSON のオブジェクトではありません", "not a JSON object")
    if not _NEEDED <= members.keys() <= _KNOWN:
        odd = sorted((_NEEDED - members.keys()) | (members.keys() - _KNOWN))
        raise EntryError(f"項目の過不足: {', '.join(odd)}", f"missing or unknown members: {', '.join(odd)}")
    version, seq = members["v"], members["seq"]
    if version is not True and version != VERSION:
        raise EntryError(f"未知の版 v={version}", f"unknown version v={version}")
    if not isinstance(seq, int) or isinstance(seq, bool) or seq < 1 or version is True:
        raise _no_member("seq")
    entry_type = TYPES.get(_text(members, "type"))
    if entry_type is None:
        raise EntryError(f"未知の種別 {members['type']}", f"unknown type {members['type']}")
    body = members["body"]
    if not isinstance(body, dict):
        raise _no_member("body")
    check_body(entry_type, body)
    src = members["src"]
    if src not in ("auto", "typed"):
        raise _no_member("src")
    if members["role"] not in ROLES:
        raise _no_member("role")
    ts = _text(members, "ts")
    try:
        time_ns = time_ns_of(ts)
    except (ValueError, OverflowError) as error:
        raise _no_member("ts") from error
    return Entry(
        seq=seq,
        prev=_text(members, "prev", _HEX64),
        ts=ts,
        time_ns=time_ns,
        mono_ns=int(_text(members, "mono_ns", _DECIMAL)),
        boot=_optional_text(members, "boot"),
        session=_text(members, "session", _SESSION),
        actor=_text(members, "actor", _PERSON),
        role=_text(members, "role"),
        type=entry_type.name,
        item=_optional_text(members, "item"),
        inputs=_files(members, "in"),
        outputs=_files(members, "out"),
        tool=_tool(members),
        src=cast("Source", src),
        body=body,
        details=_optional_text(members, "details", _HEX64),
        payload=payload,
        signature=signature,
    )


def parse_line(line: bytes) -> Entry:
    """The entry in `line` (without its newline); the signature is decoded, not verified. Raises EntryError."""
    payload, tab, encoded = line.partition(b"\t")
    if not tab:
        raise EntryError("署名がありません(タブ区切りなし)", "no signature (no tab)")
    try:
        signature = decode_base64(encoded)
    except ValueError as error:
        raise EntryError("署名が正しい base64 ではありません", "the signature is no canonical base64") from error
    if len(signature) != 64:
        raise EntryError("署名が 64 バイトではありません", "the signature has not 64 bytes")
    return parse_payload(payload, signature)
