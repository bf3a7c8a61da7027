"""The report as one HTML file that verifies its own ledger in the reader's browser, offline.

The page holds the whole ledger; its tables are made from that ledger by the page's script, after the script has
verified chain, signatures, authorisations and checkpoint roots with the browser's own cryptography. What the program
found when the page was made stands beside it. No address outside is ever asked (Content-Security-Policy).
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from importlib import resources
from typing import TYPE_CHECKING

from chain_of_custody import (
    clock,
    entries,
    exhibits,
    guideline,
    incident,
    ledger,
    report_clocks,
    report_facts,
    statements,
)
from chain_of_custody.case import PROTECTION_TEXT
from chain_of_custody.entries import FileHash
from chain_of_custody.errors import LedgerError, TargetError
from chain_of_custody.reading import read_entries
from chain_of_custody.verify import verify_case

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from chain_of_custody.case import Case
    from chain_of_custody.errors import Language
    from chain_of_custody.jcs import Json
    from chain_of_custody.verify import Verification

_WORDS: dict[str, tuple[str, str]] = {
    "torn": ("台帳の末尾が行として完結していません", "the end of the ledger is no whole line"),
    "form": ("正準形の項ではありません", "not an entry in canonical form"),
    "sequence": ("項番号が続いていません(削除・挿入・入替え)", "out of sequence (removed, inserted or swapped)"),
    "chain": ("前の行のハッシュと一致しません", "does not carry the hash of the line before it"),
    "auth": ("作業を承認した署名が合いません", "the session is not authorised by a person of the case"),
    "session": ("有効な作業の中で書かれていません", "not written in a valid session"),
    "signature": ("署名が内容と合いません", "the signature does not fit the content"),
    "root": ("チェックポイントの値が一致しません", "the checkpoint's root does not fit"),
    "entry": ("第 {} 項", "entry {}"),
    "fact": ("項目", "fact"),
    "value": ("内容", "value"),
    "name": ("事案名", "name"),
    "caseId": ("事案 ID", "case id"),
    "fingerprint": ("事案の指紋(紙と照合)", "fingerprint (compare with paper)"),
    "rootWord": ("台帳全体のマークル根", "Merkle root of the ledger"),
    "count": ("項数", "entries"),
    "span": ("期間", "period"),
    "policy": ("方針", "policy"),
    "protection": ("作業者の鍵の保護", "protection of the operator's key"),
    "made": ("作成時({})の custody verify:", "custody verify when this was made ({}):"),
    "id": ("ID", "id"),
    "role": ("役割", "role"),
    "person": ("所属・氏名", "organisation, name"),
    "key": ("鍵の指紋", "fingerprint of the key"),
    "identified": ("本人確認の方法", "how identified"),
    "notIdentified": ("未実施", "not done"),
    "validity": ("鍵の状態", "key"),
    "revoked": ("{} 以後失効", "revoked since {}"),
    "replaced": ("{} に交換", "replaced {}"),
    "valid": ("有効", "valid"),
    "typed": ("手入力", "typed"),
    "late": ("事後記録", "recorded later"),
    "input": ("入力", "in"),
    "output": ("出力", "out"),
    "time": ("時刻", "time"),
    "who": ("人", "who"),
    "what": ("内容", "what"),
    "item": ("対象物", "item"),
    "content": ("記録", "record"),
    "hashes": ("SHA-256", "SHA-256"),
    "requirement": ("要件", "requirement"),
    "status": ("区分", "status"),
    "grounds": ("根拠・理由", "grounds"),
    "done": guideline.STATUS_TEXT["done"],
    "notDone": guideline.STATUS_TEXT["not_done"],
    "notApplicable": guideline.STATUS_TEXT["not_applicable"],
    "open": guideline.STATUS_TEXT["open"],
    "sheet": ("対象物 {}", "item {}"),
    "sheetEntries": ("この対象物についての {} 項", "{} entries about this item"),
    "origin": ("台帳の名前", "origin"),
    "protectionWord": ("書込み防止", "write protection"),
    "rootShort": ("マークル根", "Merkle root"),
    "signers": ("署名した人", "signed by"),
    "stamps": ("タイムスタンプ", "time stamp"),
    "outOf": ("出庫", "out of storage"),
    "length": ("長さ", "length"),
    "hours": ("{} 時間", "{} hours"),
    "explained": ("説明", "explanation"),
    "unexplained": ("説明の記録なし", "no explanation recorded"),
    "happened": ("行われた時刻", "happened"),
    "recorded": ("記録した時刻", "recorded"),
    "none": ("なし", "none"),
    "unclassified": ("事案の分類は記録されていません。", "The incident has not been classified."),
    "noCourse": (
        "最初の兆候・報告・隔離の措置は記録されていません。",
        "No first sign, report or step of isolation is recorded.",
    ),
    "recordedIn": ("記録した項", "recorded in"),
}
_VERDICTS = {
    "ok": (
        "このページに含まれる台帳は、この場で検証して OK でした。",
        "The ledger in this page verifies, here and now.",
    ),
    "ng": (
        "改変または不整合があります。このページの内容を信用しないでください。",
        "Altered or inconsistent: do not rely on this page.",
    ),
    "unknown": ("このブラウザーでは判定できません。", "This browser cannot tell."),
}
_LABELS = {"ok": ("OK", "OK"), "ng": ("NG", "NG"), "unknown": ("判定できません", "cannot tell")}
_SEVERITIES = {"ng": ("NG", "NG"), "unknown": ("判定不能", "cannot tell"), "note": ("注記", "note")}
_LIMITS = (
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
        "このページが確かめるのは中のデータで、ページ自身の正しさではありません。verify.sh などでも確かめてください。",
        "This page proves its data, not itself: verify with verify.sh or custody verify too.",
    ),
    (
        "イメージそのものは含まれません。イメージのハッシュを計算し直し、上の表と比べてください。",
        "Images are not in this page: hash them again and compare with the table.",
    ),
)


def _texts(language: Language) -> dict[str, object]:
    pick = 0 if language == "ja" else 1
    texts: dict[str, object] = {name: pair[pick] for name, pair in _WORDS.items()}
    texts["lang"] = language
    texts["verdicts"] = {name: pair[pick] for name, pair in _VERDICTS.items()}
    texts["labels"] = {name: pair[pick] for name, pair in _LABELS.items()}
    texts["protections"] = {name: pair[pick] for name, pair in PROTECTION_TEXT.items()}
    texts["severities"] = {name: pair[pick] for name, pair in _SEVERITIES.items()}
    texts["types"] = {name: (one.ja if pick == 0 else one.en) for name, one in entries.TYPES.items()}
    texts["roles"] = {name: (name if pick == 0 else english) for name, english in entries.ROLES.items()}
    texts["statements"] = statements.tables(language)
    texts["courseHeads"] = [pair[pick] for pair in incident.HEADS]
    texts["superseded"] = incident.SUPERSEDED[pick]
    texts["exhibitHeads"] = [pair[pick] for pair in exhibits.HEADS]
    texts["exhibitStates"] = {state: pair[pick] for state, pair in exhibits.STATES.items()}
    texts["requirements"] = [
        {"id": one.id, "name": one.ja if pick == 0 else one.en, "types": list(one.types)}
        for one in guideline.REQUIREMENTS
    ]
    return texts


def _embedded(value: object) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


def _csp_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def page(
    lines: bytes,
    verification: Verification,
    language: Language,
    title: str,
    findings: Sequence[Mapping[str, Json]] | None = None,
) -> str:
    """The HTML of the report over these ledger bytes; `findings` (default: all) are those that it lists."""
    templates = resources.files("chain_of_custody") / "templates"
    style = (templates / "report.css").read_text(encoding="utf-8")
    script = (templates / "report.js").read_text(encoding="utf-8")
    pick = 0 if language == "ja" else 1

    def words(ja: str, en: str) -> str:
        return html.escape((ja, en)[pick])

    found = {
        "verdict": verification.verdict,
        "time": clock.now().ts,
        "findings": [finding.to_json() for finding in verification.findings]
        if findings is None
        else [dict(finding) for finding in findings],
    }
    sources = f"script-src '{_csp_hash(script)}'; style-src '{_csp_hash(style)}'"
    policy = f"default-src 'none'; {sources}; base-uri 'none'; form-action 'none'"
    sections = (
        ("facts", "事案", "Case"),
        ("incident", "事案の分類と経過", "The incident: class and course"),
        ("people", "人と鍵", "People and keys"),
        ("images", "イメージ・検証とハッシュ", "Images, verifications, hashes"),
        ("checkpoints", "チェックポイントとタイムスタンプ", "Checkpoints and time stamps"),
        ("anomalies", "異常・拒否・失敗", "Anomalies, refusals, failures"),
        ("gaps", "保管者のいない期間", "Spans without a custodian"),
        ("late", "事後記録", "Recorded later"),
        ("coverage", "要件ごとの実施状況", "Requirements"),
        ("timeline", "取扱いの時系列", "Timeline of custody"),
        ("exhibits", "証拠説明書", "List of exhibits"),
        ("sheets", "対象物ごとの記録", "Entries by item"),
    )
    links = "".join(f'<a href="#s-{name}">{words(ja, en)}</a>' for name, ja, en in sections)
    bodies = "".join(f'<h2 id="s-{name}">{words(ja, en)}</h2>\n<div id="{name}"></div>\n' for name, ja, en in sections)
    edition = f'<p class="soft">{words(guideline.EDITION_JA, guideline.EDITION_EN)}</p>\n'
    bodies = bodies.replace('<div id="coverage"></div>\n', f'{edition}<div id="coverage"></div>\n')
    limits = "".join(f"<li>{words(ja, en)}</li>" for ja, en in _LIMITS)
    return f"""<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<style>{style}</style>
</head>
<body>
<h1>{words("証拠取扱報告書", "Chain of custody report")}</h1>
<p>{html.escape(title)}</p>
<div id="verdict-box" class="verdict unknown"><b id="verdict" data-verdict="unknown">unknown</b>
<div id="verdict-words">{words("検証しています…", "verifying …")}</div><div id="problems"></div></div>
<noscript><p>{
        words(
            "このページの検証と表示には JavaScript が必要です。または verify.sh で検証してください。",
            "This page needs JavaScript to verify and show its ledger; or use verify.sh.",
        )
    }</p></noscript>
<nav>{links}<a href="#s-limits">{words("検証で分からないこと", "What verification cannot show")}</a></nav>
<div id="made"></div>
{bodies}{report_clocks.section(lines, language)}<h2 id="s-limits">{
        words("検証で分からないこと", "What verification cannot show")
    }</h2>
<ul>{limits}</ul>
<script type="application/json" id="texts">{_embedded(_texts(language))}</script>
<script type="application/json" id="verification">{_embedded(found)}</script>
<script type="text/plain" id="ledger">{base64.b64encode(lines).decode("ascii")}</script>
<script>{script}</script>
</body>
</html>
"""


def write_html(case: Case, target: Path, language: Language) -> FileHash:
    """Write the report into the new file `target`, recorded as an action. Raises TargetError, LedgerError."""
    if target.exists():
        raise TargetError(f"すでにあります: {target}", f"already there: {target}")
    with case.action("report", {"format": "html", "language": language}) as action:
        verification = verify_case(case.path)
        try:
            data = (case.path / ledger.LEDGER_NAME).read_bytes()
        except OSError as error:
            raise LedgerError(f"台帳を読めません: {case.path}", f"cannot read the ledger: {case.path}") from error
        # A line that another writer has just begun is not part of the report.
        data = data[: data.rfind(b"\n") + 1]
        begin = action.begin
        opened_by = next(entry.seq for entry in read_entries(case.path) if entry.session == begin.session)
        findings, _withheld = report_facts.findings_of(verification, begin, opened_by)
        content = page(data, verification, language, statements.shown(case.name or case.path.name), findings).encode(
            "utf-8"
        )
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
        written = FileHash(hashlib.sha256(content).hexdigest(), len(content))
        action.set_result({"verdict": verification.verdict}, outputs=[written])
    return written
