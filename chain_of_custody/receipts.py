"""返却: the owner's receipt, signed with a key of theirs or by hand on paper.

```
custody-receipt/1
事案 / case: 5f0c…                       fingerprint of the case
対象物 / item: PC-1
返却したもの / returned: ノートPC
受け取った人 / received by: 山田 太郎
時刻 / at: 2026-11-24T17:00:00.000000+09:00
状態 / state: 封印なし、外観に異常なし
上記のものを受け取りました。 / I have received the above.
```
The owner signs these bytes (`ssh-keygen -Y sign -n custody-receipt -f KEY receipt.txt`), or prints and signs them and
gives back a scan. Statement and signature (or scan) are kept in `attachments/`; verification checks them again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chain_of_custody import records, signing
from chain_of_custody.errors import UsageError, VerificationError
from chain_of_custody.masking import mask_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from chain_of_custody.case import Case
    from chain_of_custody.entries import Entry
    from chain_of_custody.jcs import Json

NAMESPACE = "custody-receipt"
_FIRST = "custody-receipt/1"
_LAST = "上記のものを受け取りました。 / I have received the above."
_LABELS = {
    "case": "事案 / case",
    "item": "対象物 / item",
    "what": "返却したもの / returned",
    "to": "受け取った人 / received by",
    "at": "時刻 / at",
    "state": "状態 / state",
}


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the owner confirms."""

    case: str
    """Fingerprint of the case."""
    item: str
    what: str
    to: str
    at: str
    """RFC 3339 with offset and six decimals."""
    state: str = ""

    def to_bytes(self) -> bytes:
        """The text that is signed."""
        lines = [f"{label}: {getattr(self, name)}" for name, label in _LABELS.items()]
        return "\n".join([_FIRST, *lines, _LAST, ""]).encode("utf-8")


def draft(case: Case, *, item: str, what: str, to: str, at: str, state: str = "") -> Receipt:
    """A receipt to be signed; free texts are masked like in a record. Raises UsageError."""
    texts = {name: mask_text(text.strip()) for name, text in (("what", what), ("to", to), ("state", state))}
    item = mask_text(item)
    for name, text in (("item", item), ("at", at), *texts.items()):
        if "\n" in text or (not text and name != "state"):
            raise UsageError(
                f"受領書の項目が空か複数行です: {name}", f"a field of the receipt is empty or has lines: {name}"
            )
    return Receipt(case.fingerprint, item, texts["what"], texts["to"], at, texts["state"])


def parse(data: bytes) -> Receipt:
    """The receipt in a file. Raises ValueError unless it is exactly what `Receipt.to_bytes` writes."""
    lines = data.decode("utf-8").split("\n")
    values = {}
    for (name, label), line in zip(_LABELS.items(), lines[1:], strict=False):
        values[name] = line.removeprefix(f"{label}: ")
    if len(values) != len(_LABELS):
        raise ValueError("a receipt has eight lines")
    receipt = Receipt(**values)
    if receipt.to_bytes() != data:
        raise ValueError("not a receipt as custody writes it")
    return receipt


def keep(
    case: Case,
    statement: Path,
    *,
    signature: Path | None = None,
    owner_key: Path | None = None,
    scan: Path | None = None,
    now_ns: int,
) -> Entry:
    """Record the return with the owner's signature: by a key (`signature`, `owner_key`), or on paper (`scan`).

    Raises UsageError, VerificationError when the signature does not fit, LedgerError.
    """
    item, receipt = _read(case, statement)
    case.permit("record.return", item=item)
    proof: dict[str, Json] = {}
    files = [statement]
    if signature is not None and owner_key is not None:
        proof["key"] = _checked(statement.read_bytes(), signature, owner_key)
        files.append(signature)
    elif scan is not None:
        files.append(scan)
    else:
        raise UsageError(
            "署名(--signature と --owner-key)か、署名済みの紙の画像(--scan)が必要です",
            "give a signature (--signature and --owner-key) or a scan of the signed paper (--scan)",
        )
    members: dict[str, Json] = {"what": receipt.what, "to": receipt.to, "at": receipt.at}
    if receipt.state:
        members["state"] = receipt.state
    body = records.body_of("return", members, now_ns)
    hashes, names = records.attach(case.path, files)
    proof["statement"] = hashes[0].sha256
    proof["signature" if "key" in proof else "scan"] = hashes[1].sha256
    body |= {"signed": proof, "files": names}
    return case.append("record.return", body, item=item, outputs=hashes, src="typed")


def _read(case: Case, statement: Path) -> tuple[str, Receipt]:
    try:
        receipt = parse(statement.read_bytes())
    except OSError as error:
        raise UsageError(f"読めません: {statement}", f"cannot read {statement}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"受領書ではありません: {statement}", f"not a receipt: {statement}: {error}") from error
    if receipt.case != case.fingerprint:
        raise UsageError("別の事案の受領書です", "the receipt is of another case")
    return receipt.item, receipt


def _checked(statement: bytes, signature: Path, owner_key: Path) -> str:
    """The owner's key, after the signature was checked."""
    try:
        key = signing.normal_public_line(owner_key.read_text(encoding="utf-8"))
        armored = signature.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"読めません: {error}", f"cannot read: {error}") from error
    except signing.SignatureError as error:
        raise UsageError(f"{owner_key}: {error.ja}", f"{owner_key}: {error.en}") from error
    try:
        signing.verify(armored, statement, NAMESPACE, key)
    except signing.SignatureError as error:
        raise VerificationError(
            f"所有者の署名が受領書と合いません: {error.ja}",
            f"the owner's signature does not fit the receipt: {error.en}",
        ) from error
    return key


def fault(entry: Entry, attachments: Path, fingerprint: str) -> tuple[str, str] | None:
    """Why the owner's signature of a `record.return` does not hold, in Japanese and English; None if it does.

    Attached files that are gone or altered are reported by whoever checks attachments; here they only prove nothing.
    """
    signed = entry.body.get("signed")
    if not isinstance(signed, dict):
        return None
    listed = {file.sha256 for file in entry.outputs}
    try:
        statement = _attached(attachments, signed, "statement", listed)
        receipt = parse(statement)
        proof = _attached(attachments, signed, "signature" if "key" in signed else "scan", listed)
        if "key" in signed:
            signing.verify(proof.decode("ascii"), statement, NAMESPACE, str(signed["key"]))
    except OSError:
        return None
    except ValueError as error:
        ja = error.ja if isinstance(error, signing.SignatureError) else "受領書か署名の形が不正です"
        return f"返却の受領書の署名が合いません: {ja}", f"the owner's signature of the return does not fit: {error}"
    said = {"what": receipt.what, "to": receipt.to, "at": receipt.at, "state": receipt.state}
    if (receipt.case, receipt.item) != (fingerprint, entry.item) or any(
        str(entry.body.get(name, "")) != text for name, text in said.items()
    ):
        return "返却の受領書が記録と違います", "the receipt says something else than the record of the return"
    return None


def _attached(attachments: Path, signed: Mapping[str, Json], name: str, listed: set[str]) -> bytes:
    sha256 = str(signed.get(name))
    if sha256 not in listed:
        raise ValueError(f"the entry attaches no {name}")
    return (attachments / sha256).read_bytes()
