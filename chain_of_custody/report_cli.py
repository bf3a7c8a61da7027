"""The commands `custody report` and `custody exhibits`, and what `custody verify --report` prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chain_of_custody import console, options
from chain_of_custody.console import JsonOption, LangOption, text
from chain_of_custody.errors import UsageError
from chain_of_custody.options import AsOption, CaseOption, KeyOption, PassphraseFileOption, command_help

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chain_of_custody.case import Case
    from chain_of_custody.entries import FileHash
    from chain_of_custody.exhibits import Exhibit
    from chain_of_custody.report_signature import DocumentSigner

FORMATS = ("html", "pdf", "case-uco")
_ENDINGS = {".pdf": "pdf", ".jsonld": "case-uco", ".json": "case-uco"}
_VERDICTS = {
    "ok": ("検証結果: OK", "verdict: OK"),
    "ng": ("検証結果: NG(改変または不整合があります)", "verdict: NG (altered or inconsistent)"),
    "unknown": ("検証結果: 判定できません", "verdict: cannot tell"),
}
_SEVERITIES = {"ng": ("NG", "NG"), "unknown": ("判定不能", "cannot tell"), "note": ("注記", "note")}
_PAGES = {
    "same": (
        "添付の台帳から組み直して、1 バイトも違いません",
        "printed again from the enclosed ledger: equal to the byte",
    ),
    "differ": ("添付の台帳から作られるものと違います", "not what the enclosed ledger gives"),
    "other_version": ("再現していません(別の版で作成)", "not printed again (made by another version)"),
    "not_checked": ("確かめていません", "not checked"),
}


def report(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help=text("出力先", "where to write"))],
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="html|pdf|case-uco",
            help=text(
                "形式(既定: 出力先の拡張子、なければ html)", "format (default: by the ending of FILE, else html)"
            ),
        ),
    ] = None,
    sheet: Annotated[
        str | None,
        typer.Option("--sheet", metavar="ITEM", help=text("この対象物の取扱票 1 枚だけ(pdf)", "only its sheet (pdf)")),
    ] = None,
    sign: Annotated[
        list[Path] | None,
        typer.Option(
            "--sign",
            metavar="FILE.p12",
            help=text(
                "署名する証明書(PKCS#12 か pkcs11: の URI、2 つまで。既定: この文書だけの自己発行)",
                "certificate that signs (PKCS#12 or pkcs11: URI, up to two; default: self-issued for this document)",
            ),
        ),
    ] = None,
    sign_passphrase_file: Annotated[
        Path | None,
        typer.Option(
            "--sign-passphrase-file",
            metavar="FILE",
            help=text("PKCS#12 のパスフレーズを 1 行目に書いたファイル", "file whose first line opens the PKCS#12"),
        ),
    ] = None,
    no_sign: Annotated[
        bool, typer.Option("--no-sign", help=text("PDF に署名しない", "leave the PDF unsigned"))
    ] = False,
    tsa: Annotated[
        str,
        typer.Option("--tsa", metavar="URL", help=text("署名にタイムスタンプを付ける局", "authority that stamps it")),
    ] = "",
    countersign: Annotated[
        Path | None,
        typer.Option(
            "--countersign",
            metavar="PDF",
            help=text("この PDF に 2 人目として署名し、出力先に書く", "add a second signature to this PDF"),
        ),
    ] = None,
    case: CaseOption = None,
    as_id: AsOption = None,
    key: KeyOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Write the report."""
    form = "pdf" if countersign is not None else form or _ENDINGS.get(out.suffix.lower(), "html")
    if form not in FORMATS:
        raise UsageError(f"形式は {'、'.join(FORMATS)} です: {form}", f"the format is {', '.join(FORMATS)}: {form}")
    if form != "pdf" and (sheet or sign or tsa or no_sign):
        raise UsageError(
            "--sheet、--sign、--no-sign、--tsa は pdf だけです",
            "--sheet, --sign, --no-sign and --tsa are for pdf",
        )
    if no_sign and (sign or tsa or countersign):
        raise UsageError("--no-sign と署名の指定は同時に使えません", "--no-sign excludes options of signing")
    if len(sign or ()) > 2:
        raise UsageError("署名は 2 つまでです", "two signatures at most")
    with options.open_named_case(case, key=key, as_id=as_id, passphrase_file=passphrase_file) as opened:
        signers: Sequence[DocumentSigner] = ()
        if form == "pdf" and not no_sign:
            signers = _signers(opened, sign or [], sign_passphrase_file)
        written = _write(opened, out, form, sheet or "", signers, tsa, countersign)
    _say(out, written, [one.described.subject for one in signers], as_json=as_json)


def _signers(case: Case, files: list[Path], passphrase_file: Path | None) -> list[DocumentSigner]:
    from chain_of_custody import report_signature  # noqa: PLC0415 - `--help` needs no cryptography

    if not files:
        return [report_signature.for_operator(case)]
    passphrase = options.passphrase_source(passphrase_file)
    return [
        report_signature.from_token(str(path), passphrase)
        if str(path).startswith("pkcs11:")
        else report_signature.from_pkcs12(path, passphrase)
        for path in files
    ]


def _write(
    case: Case,
    out: Path,
    form: str,
    sheet: str,
    signers: Sequence[DocumentSigner],
    tsa: str,
    countersign: Path | None,
) -> FileHash:
    if form == "html":
        from chain_of_custody import report as reports  # noqa: PLC0415

        return reports.write_html(case, out, console.language())
    if form == "case-uco":
        from chain_of_custody import case_uco  # noqa: PLC0415

        return case_uco.write(case, out)
    from chain_of_custody import report_check, report_pdf  # noqa: PLC0415

    if countersign is not None:
        return report_check.countersign(case, countersign, out, signers, tsa)
    kind = "sheet" if sheet else "report"
    return report_pdf.write(case, out, console.language(), signers=signers, tsa=tsa, kind=kind, item=sheet).file


def _say(out: Path, written: FileHash, signed_by: list[str], *, as_json: bool) -> None:
    if as_json:
        console.print_json(
            {"report": str(out), "sha256": written.sha256, "size": written.size, "signed_by": signed_by},
        )
        return
    shown = console.out_console()
    shown.print(text(f"報告書: {console.mask_path(out)}", f"report: {console.mask_path(out)}"), markup=False)
    shown.print(f"  SHA-256 {written.sha256}", markup=False)
    for subject in signed_by:
        shown.print(text(f"  署名: {subject}", f"  signed by: {subject}"), markup=False)
    if signed_by:
        shown.print(
            text(
                f"確認: custody verify --report {console.mask_path(out)}",
                f"check: custody verify --report {console.mask_path(out)}",
            ),
            markup=False,
        )
    shown.print(
        text("次に: custody checkpoint(報告の時点を固定します)", "next: custody checkpoint (fixes the state reported)"),
        markup=False,
    )


# --- custody verify --report ------------------------------------------------------------------------------------------


def verify_report(path: Path, case: Path | None, roots: Sequence[Path] | None, *, as_json: bool) -> int:
    """Check a report in PDF, print what was found; the exit code."""
    from chain_of_custody import report_check  # noqa: PLC0415

    result = report_check.check(path, case, tsa_roots=roots)
    if as_json:
        console.print_json(result.to_json())
        return result.exit_code
    out = console.out_console()

    def say(ja: str, en: str) -> None:
        out.print(text(ja, en), markup=False)

    say(f"報告書: {path}", f"report: {path}")
    out.print(f"  SHA-256 {result.sha256}", markup=False)
    for one in result.signatures:
        named = (
            text(f"第 {one.named_by} 項が挙げる証明書", f"certificate named by entry {one.named_by}")
            if one.named_by is not None
            else text("台帳にない証明書", "certificate not in the ledger")
        )
        clock = text("タイムスタンプ", "time stamp") if one.stamped else text("署名者の時計", "the signer's clock")
        say(
            f"署名: {one.subject}、{one.time}({clock})、{named}({one.actor})",
            f"signature: {one.subject}, {one.time} ({clock}), {named} ({one.actor})",
        )
        out.print(f"  SHA-256 {one.certificate_sha256}", markup=False)
    say(
        f"添付の台帳: {result.entry_count} 項、事案の指紋 {result.fingerprint}",
        f"enclosed ledger: {result.entry_count} entries, fingerprint {result.fingerprint}",
    )
    say(f"ページ: {_PAGES[result.pages][0]}", f"pages: {_PAGES[result.pages][1]}")
    if result.case_entries is not None:
        more = result.case_entries - result.entry_count
        where = (
            text(f"第 {result.recorded_by} 項に記録", f"recorded as entry {result.recorded_by}")
            if result.recorded_by
            else text("記録なし", "not recorded")
        )
        say(
            f"事案と比較: 台帳 {result.case_entries} 項(報告の後に {more} 項)、この文書のハッシュは{where}",
            f"compared with the case: {result.case_entries} entries ({more} after the report), this file is {where}",
        )
    else:
        say(
            "事案とは比べていません(--case で指定できます)。指紋は、別に受け取ったものと比べてください。",
            "Not compared with the case (--case). Compare the fingerprint with the one that you were given.",
        )
    for finding in result.findings:
        place = text(f"第 {finding.seq} 項", f"entry {finding.seq}") if finding.seq else text("文書", "document")
        label = text(*_SEVERITIES[finding.severity])
        out.print(f"  [{label}] {place}: {text(finding.ja, finding.en)}", markup=False)
    out.print(text(*_VERDICTS[result.verdict]), markup=False)
    return result.exit_code


# --- custody exhibits -------------------------------------------------------------------------------------------------


def exhibits(
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help=text("出力先(.pdf、.html、.csv)", "where to write (.pdf, .html, .csv)")
        ),
    ] = None,
    case: CaseOption = None,
    as_id: AsOption = None,
    key: KeyOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Show or write the list of exhibits."""
    from chain_of_custody import exhibits as lists  # noqa: PLC0415
    from chain_of_custody.case import find_case  # noqa: PLC0415
    from chain_of_custody.reading import read_entries  # noqa: PLC0415

    if out is not None and out.suffix.lower() not in (".pdf", ".html", ".csv"):
        raise UsageError(f"拡張子は .pdf、.html、.csv です: {out}", f"the ending is .pdf, .html or .csv: {out}")
    path, _missing = find_case(case, None)
    listed = lists.read(list(read_entries(path)))
    written = None
    if out is not None:
        with options.open_named_case(case, key=key, as_id=as_id, passphrase_file=passphrase_file) as opened:
            written = _write_exhibits(opened, out, listed)
    if as_json:
        found = [one.to_json() for one in listed]
        console.print_json({"exhibits": found, "out": str(out) if out else None, "sha256": written and written.sha256})
    else:
        _print_exhibits(listed, out, written)
    states = {one.state for one in listed}
    raise typer.Exit(console.EXIT_NG if "absent" in states else console.EXIT_PARTIAL if "no_hash" in states else 0)


def _write_exhibits(case: Case, out: Path, listed: Sequence[Exhibit]) -> FileHash:
    from chain_of_custody import exhibits as lists  # noqa: PLC0415
    from chain_of_custody import report_pdf, report_signature, statements  # noqa: PLC0415
    from chain_of_custody.report_pdf import write_recorded  # noqa: PLC0415

    language = console.language()
    form = out.suffix.lower()[1:]
    if form == "pdf":
        signers = [report_signature.for_operator(case)]
        return report_pdf.write(case, out, language, signers=signers, kind="exhibits").file
    body = {"format": form, "language": language, "kind": "exhibits"}
    content = (
        lists.to_csv(listed, language)
        if form == "csv"
        else lists.to_html(listed, language, statements.shown(case.name or case.case_id), case.fingerprint)
    )
    return write_recorded(case, out, content, body)


def _print_exhibits(listed: Sequence[Exhibit], out: Path | None, written: FileHash | None) -> None:
    shown = console.out_console()
    for one in listed:
        shown.print(f"{one.number}  {one.title}  {one.page} {one.item} {one.offset}".rstrip(), markup=False)
        shown.print(f"    {one.check(console.language())}  {one.sha256}".rstrip(), markup=False)
    if not listed:
        shown.print(
            text(
                "証拠説明書の記録がありません。custody record exhibit で記録します。",
                "No exhibit is recorded; record one with custody record exhibit.",
            ),
            markup=False,
        )
    if written is not None and out is not None:
        shown.print(
            text(f"証拠説明書: {console.mask_path(out)}", f"list of exhibits: {console.mask_path(out)}"), markup=False
        )
        shown.print(f"  SHA-256 {written.sha256}", markup=False)


def add_to(app: typer.Typer) -> None:
    """Put the commands into the program."""
    app.command(
        "report",
        **command_help(
            "証拠取扱報告書を作ります。html: 台帳を含み、開いたブラウザーの中で自分を検証。"
            "pdf: 台帳を添付した署名付き PDF/A-3。case-uco: CASE/UCO の JSON-LD。",
            "The chain of custody report. html: holds the ledger and verifies itself in the browser. "
            "pdf: signed PDF/A-3 with the ledger enclosed. case-uco: JSON-LD in CASE/UCO.",
            "custody report --out report.html",
            "custody report --out report.pdf --lang ja",
            "custody report --out PC-1.pdf --sheet PC-1",
            "custody report --out report.pdf --sign my.p12 --tsa http://tsa.example/",
            "custody report --countersign report.pdf --out report2.pdf --as suzuki --key witness_key",
            "custody report --out case.jsonld --format case-uco",
        ),
    )(report)
    app.command(
        "exhibits",
        **command_help(
            "証拠説明書(号証、標目、作成者、立証趣旨、ハッシュ)を表示または作成し、各ハッシュが台帳にあるかを確かめます。"
            "終了コード: 0 すべてあり、1 台帳にないものあり、3 ハッシュの記入なし。",
            "Show or write the list of exhibits, and look up each hash in the ledger. "
            "Exit codes: 0 all there, 1 one is not in the ledger, 3 one has no hash.",
            "custody record exhibit --item PC-1 --fields exhibit.json",
            "custody exhibits",
            "custody exhibits --out exhibits.pdf --lang ja",
        ),
    )(exhibits)
