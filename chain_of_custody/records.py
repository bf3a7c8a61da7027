"""What `custody record KIND` asks: the fields of each kind, their checks, and the body of the entry.

```python
body = records.body_of("power", {"state": "on", "decision": "unplugged", "reason": "…", "who": "山田"}, now_ns)
```
All of it is typed by a person and marked so (`src: typed`). Kinds and their names: entries.RECORDS.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from chain_of_custody import entries, ledger
from chain_of_custody.entries import FileHash
from chain_of_custody.errors import LedgerError, UsageError
from chain_of_custody.masking import mask_text
from chain_of_custody.record_fields import FIELDS, Field

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from chain_of_custody.jcs import Json

ATTACHMENTS = "attachments"
LATE_NS = 3600 * 1_000_000_000
"""A statement about something that happened longer ago than this is marked as 事後記録."""


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
