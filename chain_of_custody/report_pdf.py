"""The report as a PDF/A-3 that holds the ledger it speaks of, signed (PAdES).

The pages come from the facts of the ledger by typst, with fonts from packages alone: the same ledger, time and versions
give the same bytes, so that a checker can print them again and compare (report_check).
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import struct
from dataclasses import dataclass
from datetime import UTC
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from chain_of_custody import (
    checkpoints,
    clock,
    entries,
    ledger,
    lock,
    report_facts,
    sheets,
    statements,
    tool_identity,
)
from chain_of_custody.entries import FileHash
from chain_of_custody.errors import LedgerError, TargetError, UsageError
from chain_of_custody.masking import mask_text
from chain_of_custody.report_facts import Made
from chain_of_custody.verify import verify_case

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from chain_of_custody.case import Case
    from chain_of_custody.entries import Entry
    from chain_of_custody.errors import Language
    from chain_of_custody.jcs import Json
    from chain_of_custody.report_signature import DocumentSigner

FACTS_NAME = "report.json"
LEDGER_NAME = ledger.LEDGER_NAME
RECOVERED_PREFIX = f"{ledger.RECOVERED_NAME}-"
PLAIN_NAMES = ("head", "allowed_signers", "revoked_keys", "verify.sh")
"""Files of the case folder that the PDF holds besides the ledger, checkpoints and recovered bytes."""

LIMITS: tuple[tuple[str, str], ...] = (
    (
        "鍵を持つ全員による台帳全体の書換えは、紙に控えた指紋か、相手方が持つチェックポイントと比べて初めて分かります。",
        "A full rewrite by all who hold keys shows only against a fingerprint on paper or a checkpoint kept by others.",
    ),
    (
        "署名は、ある時刻にある鍵で署名されたことを示します。鍵は人ではありません。本人確認の方法は各人の欄にあります。",
        "A signature shows that a key signed; a key is not a person. How each was identified stands with the person.",
    ),
    (
        "「手入力」の内容が事実かどうかは、検証では分かりません。",
        "Whether what was typed is true cannot be verified.",
    ),
    (
        "この文書より後に台帳に加えられた項は、この文書には含まれません。",
        "What was added to the ledger after this document was made is not in it.",
    ),
    (
        "イメージ・写真・詳細(details)そのものは含まれません。イメージはハッシュを計算し直し、上の表と比べてください。",
        "Images, photographs and details are not enclosed: hash the images again and compare with the table.",
    ),
    (
        "取得より前の差替えは、封印・写真・立会いの記録から判断してください。",
        "A swap before acquisition is judged from seals, photographs and witnesses.",
    ),
)
_WORDS: Mapping[str, tuple[str, str]] = {
    "title": ("証拠取扱報告書", "Chain of custody report"),
    "fingerprint": ("事案の指紋", "fingerprint of the case"),
    "verdict": ("台帳の検証結果:", "Verdict on the ledger:"),
    "verdict_note": (
        "第 1 項から第 {n} 項まで、{t} に hozen が検証しました(作成時の結果です)。下の方法で確かめ直してください。",
        "Entries 1 to {n}, verified by hozen at {t}, when this document was made. Check it again as told below.",
    ),
    "none": ("なし", "none"),
    "unrecorded": ("記録なし", "not recorded"),
    "typed": ("手入力", "typed"),
    "number": ("項", "#"),
    "entry": ("項", "entry"),
    "time": ("時刻", "time"),
    "who": ("人", "who"),
    "what": ("作業", "what"),
    "record": ("記録", "record"),
    "item": ("対象物", "item"),
    "case": ("事案", "case"),
    "sheet": ("証拠物取扱票", "Custody sheet"),
    "copies": ("複製・検証", "copies, checks"),
    "hash": ("ハッシュ", "hash"),
    "result": ("結果", "result"),
    "moves": ("封印・保管・受渡し", "seals, storage, hand-overs"),
    "more": ("ほか {} 件(台帳にあります)", "and {} more (in the ledger)"),
    "id": ("ID", "id"),
    "role": ("役割", "role"),
    "person": ("所属・氏名", "organisation, name"),
    "key": ("鍵の指紋", "fingerprint of the key"),
    "identified": ("本人確認の方法", "how identified"),
    "validity": ("鍵の状態", "key"),
    "key_note": (
        "鍵の指紋は ssh-keygen -l の表示と同じです。別の経路で本人に確かめてください。",
        "Fingerprints are as ssh-keygen -l prints them: ask each person for theirs on another way.",
    ),
    "protection": ("書込み防止", "write protection"),
    "size": ("項数", "entries"),
    "root": ("マークル根", "Merkle root"),
    "signers": ("署名した人", "signed by"),
    "stamps": ("タイムスタンプ", "time stamp"),
    "since": ("出庫", "out of storage"),
    "span": ("長さ", "length"),
    "explained": ("説明", "explanation"),
    "requirement": ("要件", "requirement"),
    "status": ("区分", "status"),
    "grounds": ("根拠・理由", "grounds"),
    "subject": ("文書に署名した名義", "signs this document"),
    "issued": ("証明書", "certificate"),
    "certificate": ("証明書の SHA-256", "SHA-256 of the certificate"),
    "signing_note": (
        (
            "自己発行の証明書は、この文書のためだけに作られた鍵のものです。認証局による本人確認はありません。"
            "その SHA-256 は、作業者の鍵で承認された台帳(添付)の最後の項に記録されており、それと一致することで"
            "作業者の署名と分かります。署名の後の変更は、署名の検証で分かります。"
        ),
        (
            "A self-issued certificate belongs to a key made for this document alone; no authority vouches for the "
            "person. Its SHA-256 stands in the last entry of the enclosed ledger, in a session that the operator's key "
            "authorised: that ties the signature to the operator. Changes after signing show when it is verified."
        ),
    ),
    "unsigned_note": (
        "この文書に電子署名はありません。内容は添付の台帳で確かめられます。",
        "This document carries no signature of its own; the enclosed ledger can be verified.",
    ),
    "severity": ("区分", "kind"),
    "where": ("箇所", "where"),
    "happened": ("行われた時刻", "happened"),
    "recorded": ("記録した時刻", "recorded"),
    "h_findings": ("検証で挙がったこと", "What verification found"),
    "h_made": ("この文書について", "This document"),
    "h_check": ("確かめかた", "How to check"),
    "h_incident": ("事案の分類と経過", "The incident: class and course"),
    "unclassified": ("事案の分類は記録されていません。", "The incident has not been classified."),
    "no_course": (
        "最初の兆候・報告・隔離の措置は記録されていません。",
        "No first sign, report or step of isolation is recorded.",
    ),
    "h_clocks": ("時計のずれ", "Clocks"),
    "clocks_note": (
        "台帳に記録した最後の推定です。原本の時刻は変更していません。",
        "The last estimate that the ledger records. No recorded time was changed.",
    ),
    "clock": ("時計", "clock"),
    "estimate": ("推定", "estimate"),
    "clock_page": ("ページ(事案フォルダー内)と SHA-256", "page (in the case folder) and its SHA-256"),
    "h_people": ("人と鍵", "People and keys"),
    "h_images": ("イメージ・検証とハッシュ", "Images, verifications, hashes"),
    "h_checkpoints": ("チェックポイントとタイムスタンプ", "Checkpoints and time stamps"),
    "h_anomalies": ("異常・拒否・失敗", "Anomalies, refusals, failures"),
    "h_gaps": ("保管者のいない期間", "Spans without a custodian"),
    "h_late": ("事後記録", "Recorded later"),
    "h_coverage": ("要件ごとの実施状況", "Requirements"),
    "h_limits": ("検証で分からないこと", "What verification cannot show"),
    "h_timeline": ("取扱いの時系列", "Timeline of custody"),
    "h_exhibits": ("証拠説明書", "List of exhibits"),
    "exhibit_note": (
        "「照合」は、その SHA-256 が同じ台帳の他の項にあるかどうかです。立証趣旨などは手入力です。",
        "The check says whether another entry of the same ledger states this SHA-256. What it is to prove is typed.",
    ),
}
_TITLES: Mapping[str, tuple[str, str]] = {
    "report": _WORDS["title"],
    "sheet": ("証拠物取扱票", "Custody sheet"),
    "exhibits": ("証拠説明書", "List of exhibits"),
}
_STEPS: tuple[tuple[str, str, str], ...] = (
    (
        "hozen で: 署名、文書全体が署名されていること、添付の台帳、ページの再現を確かめます。",
        "With hozen: signature, that it covers the whole file, the enclosed ledger, the pages printed again.",
        "custody verify --report FILE.pdf",
    ),
    (
        (
            "一般の道具で: 最後の署名が「Valid」、かつ「Total document signed」であること。"
            "後者がなければ、署名の後に追記されています。"
        ),
        (
            "With common tools: the last signature is valid and “Total document signed” is shown; without the latter "
            "something was appended after signing."
        ),
        "pdfsig FILE.pdf",
    ),
    (
        "添付の台帳を取り出して検証します(指紋は、別に受け取ったもの)。",
        "Take out the enclosed ledger and verify it (with the fingerprint that you received on another way).",
        (
            "mkdir -p D/checkpoints; pdfdetach -saveall -o D FILE.pdf; mv D/0*.* D/checkpoints; "
            "sh D/verify.sh {fingerprint}"
        ),
    ),
    (
        "署名者の証明書の SHA-256 を、下の表および台帳の最後の report.begin と比べます。",
        "Compare the SHA-256 of the signer's certificate with the table below and the ledger's last report.begin.",
        (
            "pdfsig -dump FILE.pdf; openssl pkcs7 -inform DER -in FILE.pdf.sig0 -print_certs"
            " | openssl x509 -noout -fingerprint -sha256"
        ),
    ),
)


# --- what goes in -----------------------------------------------------------------------------------------------------


def snapshot(case: Path) -> dict[str, bytes]:
    """The ledger and what is needed to verify it, at one moment, under the names that the PDF gives them.

    A checkpoint keeps its name without folder, recovered bytes get a prefix. Raises LedgerError.
    """
    lock_path = case / ledger.LOCK_NAME
    try:
        with contextlib.ExitStack() as stack:
            if lock_path.exists():
                descriptor = os.open(lock_path, os.O_RDWR | getattr(os, "O_BINARY", 0))
                stack.callback(os.close, descriptor)
                stack.enter_context(lock.holding(descriptor, lock_path))
            data = (case / LEDGER_NAME).read_bytes()
            taken = {LEDGER_NAME: data[: data.rfind(b"\n") + 1]}
            for name in PLAIN_NAMES:
                if (case / name).is_file():
                    taken[name] = (case / name).read_bytes()
            for folder, prefix in ((checkpoints.FOLDER, ""), (ledger.RECOVERED_NAME, RECOVERED_PREFIX)):
                root = case / folder
                if root.is_dir():
                    taken |= {
                        prefix + path.name: path.read_bytes()
                        for path in sorted(root.iterdir())
                        if path.is_file() and not path.name.startswith(".")
                    }
    except OSError as error:
        raise LedgerError(f"台帳を読めません: {case}", f"cannot read the ledger: {case}") from error
    return taken


def entries_of(data: bytes) -> list[Entry]:
    """The entries in the bytes of a ledger. Raises LedgerError."""
    try:
        return [entries.parse_line(line) for line in data.splitlines()]
    except entries.EntryError as error:
        raise LedgerError(f"台帳が不正です: {error.ja}", f"the ledger is invalid: {error.en}") from error


# --- fonts ------------------------------------------------------------------------------------------------------------


def _font_file() -> Path:
    import pylopdf_fonts_jp  # noqa: PLC0415 - used for PDFs only

    return pylopdf_fonts_jp.sans_path()


@cache
def _glyphs() -> frozenset[int]:
    """Code points that the font can show (its `cmap`, formats 4 and 12; OpenType 1.9)."""
    data = _font_file().read_bytes()
    (count,) = struct.unpack_from(">H", data, 4)
    tables = {data[12 + 16 * i : 16 + 16 * i]: struct.unpack_from(">II", data, 20 + 16 * i) for i in range(count)}
    start = tables[b"cmap"][0]
    found: set[int] = set()
    for i in range(struct.unpack_from(">H", data, start + 2)[0]):
        at = start + struct.unpack_from(">HHI", data, start + 4 + 8 * i)[2]
        if struct.unpack_from(">H", data, at)[0] == 12:
            for j in range(struct.unpack_from(">I", data, at + 12)[0]):
                first, last, _glyph = struct.unpack_from(">III", data, at + 16 + 12 * j)
                found.update(range(first, last + 1))
    return frozenset(found)


_SELECTORS = (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
_LONG_WORD = 18
"""A word of more characters than this may break anywhere: identifiers, paths and rubbish have no blanks."""


def _shown(text: str) -> str:
    """`text` as the font can print it: other characters as ‹U+XXXX›, and long words with places to break."""
    if text.isascii() and len(text) <= _LONG_WORD:
        return text
    glyphs = _glyphs()
    shown: list[str] = []
    run = 0
    for character in text:
        code = ord(character)
        if character in " \n" or code >= 0x2E80:
            run = 0
        else:
            run += 1
            if run > _LONG_WORD and run % 6 == 1:
                shown.append("\u200b")
        if code in glyphs or character == "\n" or (code in _SELECTORS and shown):
            shown.append(character)
        else:
            shown.append(f"‹U+{code:04X}›")
    return "".join(shown)


def _printable(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, str):
        return _shown(value)
    if isinstance(value, dict):
        return {name: _printable(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(one) for one in value]
    return value


# --- the pages --------------------------------------------------------------------------------------------------------


def typst_version() -> str:
    """Version of the typesetter, as a report names it."""
    return importlib.metadata.version("typst")


def _file(name: str, data: bytes) -> dict[str, Json]:
    try:
        content: Json = data.decode("utf-8")
    except UnicodeDecodeError:
        content = list(data)
    mime = {".txt": "text/plain", ".sh": "text/x-shellscript", ".json": "application/json"}
    described = {
        LEDGER_NAME: "台帳 / ledger",
        FACTS_NAME: "この文書の作成条件 / how this document was made",
        "verify.sh": "検証スクリプト / verifies the ledger",
    }
    ending = name[name.rfind(".") :] if "." in name else ""
    return {
        "name": name,
        "data": content,
        "mime": "application/jsonl" if name == LEDGER_NAME else mime.get(ending, "application/octet-stream"),
        "relationship": "source" if name == LEDGER_NAME else "supplement",
        "description": described.get(name, "検証に使うファイル / needed to verify"),
    }


def _words(language: Language, kind: str, fingerprint: str) -> dict[str, Json]:
    pick = 0 if language == "ja" else 1
    words: dict[str, Json] = {name: pair[pick] for name, pair in _WORDS.items()}
    words["title"] = _TITLES[kind][pick]
    words["limits"] = [pair[pick] for pair in LIMITS]
    words["steps"] = [[step[pick], step[2].replace("{fingerprint}", fingerprint)] for step in _STEPS]
    words["issuers"] = {name: pair[pick] for name, pair in statements.VALUES["issued"].items()}
    words["sign_here"] = list(
        ("作業者(署名)", "立会人(署名)", "受領者・保管者(署名)")
        if language == "ja"
        else ("operator (signature)", "witness (signature)", "recipient, custodian (signature)"),
    )
    return words


@cache
def _fonts() -> Any:  # noqa: ANN401 - typst's own class
    import typst  # noqa: PLC0415 - 35 MB that only PDFs need

    return typst.Fonts(
        include_system_fonts=False,
        include_embedded_fonts=True,
        font_paths=[str(_font_file().parent)],
    )


def pages(taken: Mapping[str, bytes], made: Made, language: Language) -> bytes:
    """The unsigned PDF over these files of a case. The same arguments give the same bytes. Raises LedgerError."""
    import typst  # noqa: PLC0415

    listed = entries_of(taken[LEDGER_NAME])
    facts = report_facts.of(listed, made, language)
    for one in facts["signing"] if isinstance(facts["signing"], list) else []:
        if isinstance(one, dict):
            one["certificate_shown"] = statements.groups(str(one["certificate_sha256"]))
    conditions = {"format": "hozen-report/1", "language": language, **made.to_json()}
    enclosed = [_file(name, data) for name, data in sorted(taken.items())]
    enclosed.append(_file(FACTS_NAME, json.dumps(conditions, ensure_ascii=False, sort_keys=True).encode("utf-8")))
    moment = entries.moment_of(made.time)
    facts["moment"] = list(moment.timetuple()[:6])
    template = (resources.files("chain_of_custody") / "templates" / "report.typ").read_bytes()
    try:
        compiled = typst.Compiler(
            template,
            font_paths=_fonts(),
            sys_inputs={
                "facts": json.dumps(_printable(facts), ensure_ascii=False),
                "words": json.dumps(_printable(_words(language, made.kind, listed[0].sha256)), ensure_ascii=False),
                "files": json.dumps(enclosed, ensure_ascii=False),
            },
        ).compile(format="pdf", pdf_standards=["a-3b"], timestamp=moment.astimezone(UTC).replace(microsecond=0))
    except typst.TypstError as error:
        raise LedgerError(
            f"PDF を組めませんでした: {error.message}",
            f"the PDF could not be set: {error.message}",
        ) from error
    assert isinstance(compiled, bytes)
    return compiled


@dataclass(frozen=True, slots=True)
class Written:
    """A document that was written."""

    file: FileHash
    entry: Entry
    verdict: str
    signed_by: tuple[str, ...]


def write(
    case: Case,
    target: Path,
    language: Language,
    *,
    signers: Sequence[DocumentSigner] = (),
    tsa: str = "",
    kind: str = "report",
    item: str = "",
) -> Written:
    """Write a PDF into the new file `target`, recorded as an action.

    `signers` sign in their order; `tsa` is the URL of an authority that stamps each signature. `kind` is `report`,
    `sheet` (of `item`) or `exhibits`. Raises TargetError, LedgerError, UsageError.
    """
    if target.exists():
        raise TargetError(f"すでにあります: {target}", f"already there: {target}")
    if kind == "sheet" and item not in sheets.items_of(entries_of(snapshot(case.path)[LEDGER_NAME])):
        raise UsageError(f"台帳に対象物「{item}」がありません", f"the ledger names no item {item}")
    signing = tuple(signer.described for signer in signers)
    body: dict[str, Json] = {"format": "pdf", "language": language}
    body |= {"kind": kind} if kind != "report" else {}
    if signing:
        body["signing"] = [one.to_json() for one in signing]
    with case.action("report", body, item=item or None) as action:
        taken = snapshot(case.path)
        verification = verify_case(case.path)
        written_by = entries_of(taken[LEDGER_NAME])
        opened_by = next(one.seq for one in written_by if one.session == action.begin.session)
        listed, withheld = report_facts.findings_of(verification, action.begin, opened_by)
        made = Made(
            time=clock.now().ts,
            hozen=tool_identity.version(),
            typst=typst_version(),
            verdict=verification.verdict,
            findings=tuple(_masked(one) for one in listed),
            signing=signing,
            stamped_by=tsa,
            kind=kind,
            item=item,
            withheld=withheld,
        )
        content = pages(taken, made, language)
        for number, signer in enumerate(signers, start=1):
            content = signer.sign(content, number, tsa)
        write_new(target, content)
        written = FileHash(hashlib.sha256(content).hexdigest(), len(content))
        action.set_result({"verdict": verification.verdict}, outputs=[written])
    return Written(written, action.begin, verification.verdict, tuple(one.subject for one in signing))


def _masked(finding: Mapping[str, Json]) -> dict[str, Json]:
    return {name: mask_text(value) if isinstance(value, str) else value for name, value in finding.items()}


def write_new(target: Path, content: bytes) -> None:
    """Write a new file, synced. Raises TargetError; an existing file is never touched."""
    try:
        ledger.write_new_file(target, content)
    except FileExistsError as error:
        raise TargetError(f"すでにあります: {target}", f"already there: {target}") from error
    except OSError as error:
        target.unlink(missing_ok=True)
        raise TargetError(
            f"書き込めません: {target}: {error.strerror}",
            f"cannot write {target}: {error.strerror}",
        ) from error


def write_recorded(
    case: Case,
    target: Path,
    content: bytes | Callable[[], bytes],
    body: Mapping[str, Json],
    *,
    inputs: Sequence[FileHash] = (),
) -> FileHash:
    """Write a new file as the action `report` with this body; bytes or what makes them. Raises TargetError."""
    if target.exists():
        raise TargetError(f"すでにあります: {target}", f"already there: {target}")
    with case.action("report", body, inputs=inputs) as action:
        data = content if isinstance(content, bytes) else content()
        write_new(target, data)
        written = FileHash(hashlib.sha256(data).hexdigest(), len(data))
        action.set_result({}, outputs=[written])
    return written
