"""Checks a report in PDF, fail-closed: signatures, the enclosed ledger, the pages, and the case if there is one.

```python
result = report_check.check(Path("report.pdf"), Path("case"))
result.verdict            # "ok", "ng" or "unknown"
```
1. Every signature fits; the last covers the whole file, and what follows an earlier one is a signature alone.
2. Each signing certificate is named by a `report` entry of the enclosed ledger (or of the case, for one added later).
3. The enclosed ledger verifies by itself and gives the verdict that the pages print.
4. The pages, printed again from the enclosed ledger, are byte for byte those of the file.
5. The enclosed ledger is the beginning of the case's, which also holds the hash of this file.
"""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chain_of_custody import checkpoints, entries, ledger, report_facts, report_pdf, tool_identity
from chain_of_custody.entries import FileHash
from chain_of_custody.errors import HozenError, UsageError, VerificationError
from chain_of_custody.report_signature import asn1
from chain_of_custody.statements import visible
from chain_of_custody.timestamps import load_roots, trusted_roots
from chain_of_custody.verify import EXIT_CODES, Finding, Verdict, verify_case

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chain_of_custody.case import Case
    from chain_of_custody.entries import Entry
    from chain_of_custody.errors import Language
    from chain_of_custody.jcs import Json
    from chain_of_custody.report_facts import Made
    from chain_of_custody.report_signature import DocumentSigner
    from chain_of_custody.verify import Severity, Verification

MOST_BYTES = 2**30
"""Larger files are no report; also the bound of all enclosed files together."""
_MOST_FILES = 10_000
_NOT_ENCLOSED = ("attachment", "redacted", "branch")
"""Findings about files that a PDF does not hold: photographs, details, other branches."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature in the file."""

    field: str
    subject: str
    certificate_sha256: str
    named_by: int | None
    """Entry that names the certificate; None: none does."""
    actor: str
    """Who wrote that entry."""
    time: str
    """Signing time as the signer's machine says, or the token's."""
    stamped: bool
    """Whether a time stamp token vouches for `time`."""


@dataclass(slots=True)
class ReportCheck:
    """What was checked and found."""

    path: Path
    sha256: str = ""
    findings: list[Finding] = field(default_factory=list)
    signatures: list[Signature] = field(default_factory=list)
    entry_count: int = 0
    fingerprint: str = ""
    enclosed: Verification | None = None
    pages: str = "not_checked"
    """`same`, `differ`, `other_version` or `not_checked`."""
    case_entries: int | None = None
    """Entries of the case; None where none was compared."""
    recorded_by: int | None = None
    """Entry of the case that holds the hash of this file."""

    @property
    def verdict(self) -> Verdict:
        """`ng` if anything is wrong, else `unknown` if anything cannot be told, else `ok`."""
        severities = {finding.severity for finding in self.findings}
        if "ng" in severities:
            return "ng"
        return "unknown" if "unknown" in severities or not self.entry_count else "ok"

    @property
    def exit_code(self) -> int:
        """0, 1 or 3."""
        return EXIT_CODES[self.verdict]

    def add(self, severity: Severity, code: str, ja: str, en: str, seq: int | None = None) -> None:
        """Note one finding."""
        self.findings.append(Finding(severity, code, seq, ja, en))

    def to_json(self) -> dict[str, Json]:
        """As `custody verify --report FILE --json` prints it."""
        return {
            "verdict": self.verdict,
            "report": str(self.path),
            "sha256": self.sha256,
            "fingerprint": self.fingerprint,
            "entries": self.entry_count,
            "pages": self.pages,
            "case_entries": self.case_entries,
            "recorded_by": self.recorded_by,
            "signatures": [
                {
                    "field": one.field,
                    "subject": one.subject,
                    "certificate_sha256": one.certificate_sha256,
                    "named_by": one.named_by,
                    "actor": one.actor,
                    "time": one.time,
                    "stamped": one.stamped,
                }
                for one in self.signatures
            ],
            "findings": [finding.to_json() for finding in self.findings],
        }


def check(path: Path, case: Path | None = None, *, tsa_roots: Sequence[Path] | None = None) -> ReportCheck:
    """Check the report in `path`, and against the case in `case` where one is given; nothing is written there.

    `tsa_roots` are certificates of trusted time-stamping authorities (default: those of the settings). Raises
    UsageError when the file cannot be read.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"大きすぎます: {path}", f"too large for a report: {path}")
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"読めません: {path}: {error.strerror}", f"cannot read {path}: {error.strerror}") from error
    result = ReportCheck(path, hashlib.sha256(data).hexdigest())
    try:
        found = _read(data)
    except _unreadable() as error:
        # A damaged or hostile file makes the PDF reader fail in many ways; all of them mean the same.
        result.add(
            "ng",
            "not_a_report",
            f"hozen の報告書(PDF)として読めません({type(error).__name__})",
            f"cannot be read as a report in PDF ({type(error).__name__})",
        )
        return result
    listed = _ledger(found, result)
    if listed is None:
        return result
    whole = _case_entries(case, found, listed, result)
    _signatures(data, [*listed, *whole], result, tsa_roots)
    _conditions(data, found, result)
    return result


def _unreadable() -> tuple[type[Exception], ...]:
    from pyhanko.pdf_utils.misc import PdfError  # noqa: PLC0415 - 1 s to load
    from pyhanko.sign.validation.errors import SignatureValidationError  # noqa: PLC0415

    common = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, NotImplementedError)
    return (PdfError, SignatureValidationError, RecursionError, zlib.error, AssertionError, OSError, *common)


# --- the enclosed files -----------------------------------------------------------------------------------------------


def _inflated(stream: Any, room: int) -> bytes:  # noqa: ANN401 - pyHanko's own class
    """The bytes of an embedded file, at most `room` of them."""
    raw = bytes(stream.encoded_data)
    filters = stream.get("/Filter")
    if filters is None:
        data = raw
    elif filters == "/FlateDecode" or list(filters) == ["/FlateDecode"]:
        decoder = zlib.decompressobj()
        data = decoder.decompress(raw, room + 1)
        if not decoder.eof and len(data) <= room:
            raise ValueError("a truncated stream")
    else:
        raise ValueError("an unknown filter")
    if len(data) > room:
        raise ValueError("more data than a report holds")
    return data


def _read(data: bytes) -> dict[str, bytes]:
    """The enclosed files by name."""
    from pyhanko.pdf_utils.reader import PdfFileReader  # noqa: PLC0415

    reader = PdfFileReader(io.BytesIO(data), strict=True)
    found: dict[str, bytes] = {}
    room = MOST_BYTES
    associated = reader.root.get("/AF", [])
    for number, specification in enumerate(associated):
        if number >= _MOST_FILES:
            raise ValueError("too many files")
        spec = specification.get_object()
        name = str(spec["/UF"])
        content = _inflated(spec["/EF"]["/F"], room)
        room -= len(content)
        if name in found:
            raise ValueError("a file is enclosed twice")
        found[name] = content
    return found


def _ledger(found: dict[str, bytes], result: ReportCheck) -> list[Entry] | None:
    """Verify the enclosed ledger by itself; its entries."""
    if report_pdf.LEDGER_NAME not in found or report_pdf.FACTS_NAME not in found:
        result.add("ng", "no_ledger", "台帳が添付されていません", "no ledger is enclosed")
        return None
    with tempfile.TemporaryDirectory() as folder:
        case = Path(folder) / "case"
        try:
            _unpack(found, case)
            verification = verify_case(case)
            listed = report_pdf.entries_of(found[report_pdf.LEDGER_NAME])
        except HozenError as error:
            result.add("ng", "ledger", f"添付の台帳: {error.ja}", f"enclosed ledger: {error.en}")
            return None
    result.enclosed, result.fingerprint = verification, verification.fingerprint
    result.entry_count = len(listed)
    for finding in verification.findings:
        if finding.severity == "note" or finding.code in _NOT_ENCLOSED:
            continue
        result.findings.append(
            Finding(
                finding.severity,
                f"ledger_{finding.code}",
                finding.seq,
                f"添付の台帳: {finding.ja}",
                f"enclosed ledger: {finding.en}",
            ),
        )
    return listed


def _unpack(found: dict[str, bytes], case: Path) -> None:
    """Lay the enclosed files out as a case folder."""
    (case / checkpoints.FOLDER).mkdir(parents=True)
    (case / ledger.RECOVERED_NAME).mkdir()
    for name, content in found.items():
        if "/" in name or "\\" in name or name.startswith(".") or "\0" in name or len(name) > 200:
            raise UsageError(f"添付の名前が不正です: {visible(name)}", f"bad name of an enclosed file: {visible(name)}")
        if name in (report_pdf.LEDGER_NAME, *report_pdf.PLAIN_NAMES):
            target = case / name
        elif name.startswith(report_pdf.RECOVERED_PREFIX):
            target = case / ledger.RECOVERED_NAME / name.removeprefix(report_pdf.RECOVERED_PREFIX)
        elif name != report_pdf.FACTS_NAME:
            target = case / checkpoints.FOLDER / name
        else:
            continue
        target.write_bytes(content)


# --- the case ---------------------------------------------------------------------------------------------------------


def _case_entries(case: Path | None, found: dict[str, bytes], listed: list[Entry], result: ReportCheck) -> list[Entry]:
    """Compare with the case's ledger; the entries that came after those enclosed."""
    if case is None:
        return []
    mine = found[report_pdf.LEDGER_NAME]
    data = (case / ledger.LEDGER_NAME).read_bytes()
    data = data[: data.rfind(b"\n") + 1]
    lines, other = mine.splitlines(), data.splitlines()
    result.case_entries = len(other)
    if lines[:1] != other[:1]:
        result.add("ng", "other_case", "別の事案の報告書です", "a report of another case")
        return []
    differing = next((i for i, (one, two) in enumerate(zip(lines, other, strict=False), 1) if one != two), None)
    if differing is not None:
        result.add(
            "ng",
            "ledger_differs",
            f"添付の台帳と事案の台帳が第 {differing} 項から違います",
            f"the enclosed ledger and the case's differ from entry {differing} on",
            differing,
        )
        return []
    if len(other) < len(lines):
        result.add(
            "ng",
            "case_shorter",
            f"事案の台帳が報告書より短く、第 {len(other)} 項で終わっています(巻戻しか末尾の削除)",
            f"the case's ledger ends at entry {len(other)}, before the report's (rolled back or cut)",
        )
        return []
    later = report_pdf.entries_of(b"".join(line + b"\n" for line in other[len(lines) :]))
    ends = [entry for entry in later if entry.type == "report.end"]
    for entry in ends:
        if any(file.sha256 == result.sha256 for file in entry.outputs):
            result.recorded_by = entry.seq
    if result.recorded_by is None:
        begun = [entry.seq for entry in listed if entry.type == "report.begin"]
        done = any(entry.body.get("begin") == begun[-1] and entry.outputs for entry in ends) if begun else False
        severity: Severity = "ng" if done else "unknown"
        result.add(
            severity,
            "not_recorded",
            "この文書の SHA-256 は台帳にありません" + ("(台帳には別のハッシュが記録されています)" if done else ""),
            "the ledger does not hold the SHA-256 of this file" + (" but another one" if done else ""),
        )
    return later


# --- signatures -------------------------------------------------------------------------------------------------------


def _signatures(data: bytes, known: list[Entry], result: ReportCheck, roots: Sequence[Path] | None) -> None:
    named: dict[str, Entry] = {}
    for entry in known:
        signing = entry.body.get("signing")
        if entry.type == "report.begin" and isinstance(signing, list):
            named |= {str(one.get("certificate_sha256")): entry for one in signing if isinstance(one, dict)}
    try:
        found = _validated(data, named, result, roots)
    except _unreadable() as error:
        result.add(
            "ng",
            "signature_unreadable",
            f"署名を読めません({type(error).__name__})",
            f"the signatures cannot be read ({type(error).__name__})",
        )
        return
    if not found:
        result.add("ng", "unsigned", "電子署名がありません", "there is no signature")


def _validated(data: bytes, named: dict[str, Entry], result: ReportCheck, roots: Sequence[Path] | None) -> int:
    from pyhanko.pdf_utils.reader import PdfFileReader  # noqa: PLC0415
    from pyhanko.sign.validation import validate_pdf_signature  # noqa: PLC0415
    from pyhanko.sign.validation.settings import KeyUsageConstraints  # noqa: PLC0415
    from pyhanko_certvalidator import ValidationContext  # noqa: PLC0415

    signatures = list(PdfFileReader(io.BytesIO(data), strict=True).embedded_regular_signatures)
    trusted = asn1(load_roots(trusted_roots(roots)))
    for number, signature in enumerate(signatures, start=1):
        certificate = signature.signer_cert
        status = validate_pdf_signature(
            signature,
            # Which certificate may sign is said by the ledger, not by a list of authorities.
            signer_validation_context=ValidationContext(trust_roots=[certificate], allow_fetching=False),
            ts_validation_context=ValidationContext(trust_roots=trusted, allow_fetching=False),
            key_usage_settings=KeyUsageConstraints(key_usage=set()),
        )
        _judge(signature, status, named, result, is_last=number == len(signatures), has_roots=bool(trusted))
    return len(signatures)


def _judge(
    signature: Any,  # noqa: ANN401 - pyHanko's own classes
    status: Any,  # noqa: ANN401
    named: dict[str, Entry],
    result: ReportCheck,
    *,
    is_last: bool,
    has_roots: bool,
) -> None:
    from pyhanko.sign.diff_analysis import ModificationLevel  # noqa: PLC0415
    from pyhanko.sign.validation import SignatureCoverageLevel  # noqa: PLC0415

    where = visible(str(signature.field_name))
    digest = hashlib.sha256(signature.signer_cert.dump()).hexdigest()
    if not (status.intact and status.valid):
        result.add("ng", "signature", f"署名 {where} が合いません(署名の後に変更)", f"signature {where} does not fit")
    if is_last and status.coverage != SignatureCoverageLevel.ENTIRE_FILE:
        result.add(
            "ng",
            "appended",
            f"最後の署名 {where} の後に追記があります(文書全体が署名されていません)",
            f"something was appended after the last signature {where} (it does not cover the whole file)",
        )
    if status.coverage < SignatureCoverageLevel.ENTIRE_REVISION:
        result.add("ng", "coverage", f"署名 {where} の範囲が不正です", f"signature {where} leaves parts uncovered")
    level = status.modification_level
    if not status.docmdp_ok or level not in (ModificationLevel.NONE, ModificationLevel.FORM_FILLING):
        result.add(
            "ng",
            "modified",
            f"署名 {where} の後に、署名以外の変更があります",
            f"something other than signatures was changed after signature {where}",
        )
    entry = named.get(digest)
    if entry is None:
        result.add(
            "ng" if result.case_entries is not None or not result.signatures else "unknown",
            "certificate",
            f"署名 {where} の証明書({digest[:16]}…)を台帳のどの項も挙げていません",
            f"no entry names the certificate of signature {where} ({digest[:16]}…)",
        )
    token = status.timestamp_validity
    if token is not None:
        _judge_token(token, where, result, has_roots=has_roots)
    moment = token.timestamp if token is not None else status.signer_reported_dt
    result.signatures.append(
        Signature(
            where,
            visible(str(signature.signer_cert.subject.native.get("common_name", ""))),
            digest,
            entry.seq if entry is not None else None,
            entry.actor if entry is not None else "",
            moment.isoformat() if moment is not None else "",
            stamped=token is not None,
        ),
    )


def _judge_token(token: Any, where: str, result: ReportCheck, *, has_roots: bool) -> None:  # noqa: ANN401
    if not (token.intact and token.valid):
        result.add(
            "ng", "stamp", f"署名 {where} のタイムスタンプが合いません", f"the time stamp of {where} does not fit"
        )
    elif not has_roots:
        result.add(
            "unknown",
            "no_tsa_root",
            f"署名 {where} のタイムスタンプ: 信頼する認証局が設定されていません(--tsa-root)",
            f"time stamp of {where}: no trusted authority is configured (--tsa-root)",
        )
    elif not token.trusted:
        result.add(
            "ng",
            "stamp",
            f"署名 {where} のタイムスタンプは、信頼する認証局のものではありません",
            f"the time stamp of {where} is by no trusted authority",
        )


# --- the pages --------------------------------------------------------------------------------------------------------


def _conditions(data: bytes, found: dict[str, bytes], result: ReportCheck) -> None:
    """Print the pages again from what is enclosed, and compare."""
    try:
        facts = json.loads(found[report_pdf.FACTS_NAME])
        language: Language = {"ja": "ja", "en": "en"}[facts["language"]]  # type: ignore[assignment]
        made = report_facts.made_of(facts)
        entries.moment_of(made.time)
    except (ValueError, KeyError, TypeError, AttributeError):
        result.add("ng", "conditions", "report.json の形が不正です", "report.json is malformed")
        return
    if result.enclosed is not None:
        _claimed(made, result)
    shown = [(one.certificate_sha256, one.subject) for one in made.signing]
    if [one.certificate_sha256 for one in result.signatures][: len(shown)] != [digest for digest, _ in shown]:
        result.add(
            "ng",
            "signers",
            "署名した証明書が、ページに書かれたものと違います",
            "signed by other certificates than the pages name",
        )
    last = result.enclosed
    tools = {entry.tool.sha256 for entry in report_pdf.entries_of(found[report_pdf.LEDGER_NAME])[-1:]}
    if made.typst != report_pdf.typst_version() or tools != {tool_identity.package_sha256()} or last is None:
        result.pages = "other_version"
        result.add(
            "note",
            "other_version",
            f"ページの再現はしていません(作成: hozen {visible(made.hozen)}、typst {visible(made.typst)} の別の版)",
            f"the pages were not printed again (made by another version: hozen {visible(made.hozen)}, "
            f"typst {visible(made.typst)})",
        )
        return
    taken = {name: content for name, content in found.items() if name != report_pdf.FACTS_NAME}
    try:
        again = report_pdf.pages(taken, made, language)
    except HozenError as error:
        result.pages = "differ"
        result.add("ng", "pages", f"ページを再現できません: {error.ja}", f"the pages cannot be printed: {error.en}")
        return
    result.pages = "same" if data.startswith(again) else "differ"
    if result.pages == "differ":
        result.add(
            "ng",
            "pages",
            "ページが、添付の台帳から作られるものと違います",
            "the pages are not what the enclosed ledger gives",
        )


def _claimed(made: Made, result: ReportCheck) -> None:
    """The verdict on the pages against that of the enclosed ledger."""
    severities = {finding.severity for finding in result.findings if finding.code.startswith("ledger_")}
    found = "ng" if "ng" in severities else "unknown" if "unknown" in severities else "ok"
    if made.verdict == "ok" and found != "ok":
        result.add(
            "ng",
            "verdict",
            f"ページの検証結果は OK ですが、添付の台帳は {found} です",
            f"the pages say OK, the enclosed ledger is {found}",
        )


def countersign(
    case: Case,
    given: Path,
    target: Path,
    signers: Sequence[DocumentSigner],
    tsa: str,
) -> FileHash:
    """Add signatures to a report that checks out, into the new file `target`, recorded as an action.

    Raises VerificationError when the report is NG, UsageError, TargetError, LedgerError.
    """
    result = check(given, case.path)
    if result.verdict == "ng":
        raise VerificationError(
            f"報告書が検証で NG です: {given}",
            f"the report does not verify: {given}",
            hint_ja=f"custody verify --report {given} で理由を確かめてください",
            hint_en=f"see custody verify --report {given}",
        )
    content = given.read_bytes()
    body: dict[str, Json] = {
        "format": "pdf",
        "countersigns": result.sha256,
        "signing": [signer.described.to_json() for signer in signers],
    }

    def signed() -> bytes:
        done = content
        for number, signer in enumerate(signers, start=len(result.signatures) + 1):
            done = signer.sign(done, number, tsa)
        return done

    return report_pdf.write_recorded(case, target, signed, body, inputs=[FileHash(result.sha256, len(content))])
