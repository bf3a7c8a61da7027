"""The commands of `triage` that turn results into documents: `report`, `breach-report`, `diff`."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chain_of_custody import console
from chain_of_custody.console import JsonOption, LangOption, text
from chain_of_custody.errors import TargetError, UsageError
from chain_of_custody.options import AsOption, CaseOption, KeyOption, PassphraseFileOption, case_for
from preserve.identity_option import IdentityOption

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from chain_of_custody.case import Case

_RESULT_FILES = ("findings.jsonl", "coverage.jsonl", "summary.json")

ScanArgument = Annotated[
    Path,
    typer.Argument(
        metavar="SCAN",
        help=text("走査結果のフォルダー(scans/<番号>-<イメージ名>)", "folder of scan results (scans/<n>-<image>)"),
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the program `triage`."""
    app.command(
        help=text(
            "走査の報告書(HTML)や表(CSV、XLSX、JSON)を書き出します。個人番号は下4桁だけを示します。",
            "Write the report of a scan (HTML) or its tables (CSV, XLSX, JSON), masked.",
        ),
        epilog=text("例:\n\n", "Examples:\n\n")
        + "    triage report 2026-014.case/scans/1-disk.E01 --out findings.xlsx\n\n"
        + "    triage report 2026-014.case/scans/1-disk.E01 --out report-en.html --lang en",
    )(report)
    app.command(
        "breach-report",
        help=text(
            "漏えい等報告の下書き(九項目)を書き出します。所見から分かる事実だけを埋め、残りは問いとして残します。",
            "Draft the report of a leak (nine items): facts from the findings, the rest as questions.",
        ),
        epilog=text("例:\n\n", "Example:\n\n")
        + "    triage breach-report 2026-014.case/scans/1-disk.E01 --discovered 2026-11-20 --out draft.docx",
    )(breach_report)
    app.command(
        help=text(
            "二つの走査の違いを示します。",
            "Show what changed between two scans.",
        ),
        epilog=text("例:\n\n", "Example:\n\n")
        + "    triage diff 2026-014.case/scans/1-disk.E01 2026-014.case/scans/2-disk.E01 --out diff.html",
    )(diff)


def report(
    scan: ScanArgument,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="FILE",
            help=text("書き出し先(新規)。.html .csv .xlsx .json", "new file: .html .csv .xlsx .json"),
        ),
    ],
    identity: IdentityOption = None,
    case: CaseOption = None,
    key: KeyOption = None,
    as_id: AsOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Write one scan as a page or a table."""
    from triage.results import open_results  # noqa: PLC0415 - start-up time

    open_results(scan)
    _check_target(out, (".html", ".csv", ".xlsx", ".json"))

    def write() -> Mapping[str, str]:
        if out.suffix.lower() == ".html":
            from triage.report import write_report  # noqa: PLC0415 - start-up time

            write_report(scan, target=out, language=console.language())
            return {}
        from triage.exports import export_findings  # noqa: PLC0415 - start-up time

        return {"rows": str(export_findings(scan, out, language=console.language()).rows)}

    with case_for(
        case or _case_of(scan), None, key=key, as_id=as_id, passphrase_file=passphrase_file, tool="triage"
    ) as opened:
        _recorded(opened, "findings", (scan,), out, write, as_json=as_json)


def breach_report(
    scans: Annotated[
        list[Path],
        typer.Argument(metavar="SCAN…", help=text("走査結果のフォルダー(複数可)", "folders of scan results")),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FILE", help=text("書き出し先(新規)。.docx .html", "new file: .docx .html")),
    ],
    discovered: Annotated[
        str | None,
        typer.Option(
            "--discovered",
            metavar="YYYY-MM-DD",
            help=text("事態を知った日(期限の計算に使う)", "day on which it became known (for the periods)"),
        ),
    ] = None,
    improper: Annotated[
        bool | None,
        typer.Option(
            "--improper/--not-improper",
            help=text("不正の目的のおそれ(既定: 不明)", "an improper purpose is suspected (default: not known)"),
        ),
    ] = None,
    rule: Annotated[
        Path | None,
        typer.Option(
            "--rule",
            metavar="FILE.toml",
            help=text("従う規則の基準と期間(既定: 同梱)", "thresholds and periods (default: those that come along)"),
        ),
    ] = None,
    identity: IdentityOption = None,
    case: CaseOption = None,
    key: KeyOption = None,
    as_id: AsOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Write the draft."""
    from triage.breach import draft_report, load_rule, write_draft  # noqa: PLC0415 - start-up time

    _check_target(out, (".docx", ".html"))
    draft = draft_report(scans, discovered=_day(discovered), improper=improper, rule=load_rule(rule))

    def write() -> Mapping[str, str]:
        write_draft(draft, out, language=console.language())
        return {}

    with case_for(
        case or _case_of(scans[0]), None, key=key, as_id=as_id, passphrase_file=passphrase_file, tool="triage"
    ) as opened:
        _recorded(opened, "breach_draft", scans, out, write, as_json=as_json)
    console.notice(
        "下書きです。提出の前に、問いに答え、弁護士等の確認を受けてください。",
        "A draft: answer its questions and have a lawyer check it before anything is sent.",
    )


def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help=text("前の走査結果", "results of the earlier scan"))],
    b: Annotated[Path, typer.Argument(metavar="B", help=text("後の走査結果", "results of the later scan"))],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help=text("書き出し先(新規)。.html .json", "new file: .html .json")),
    ] = None,
    identity: IdentityOption = None,
    case: CaseOption = None,
    key: KeyOption = None,
    as_id: AsOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Compare two scans."""
    from triage import diff as diffing  # noqa: PLC0415 - start-up time

    if out is not None:
        _check_target(out, (".html", ".json"))
    compared = diffing.compare(a, b)
    if as_json:
        console.print_json(compared.to_json())
    else:
        from rich.table import Table  # noqa: PLC0415 - start-up time
        from rich.text import Text  # noqa: PLC0415 - start-up time

        table = Table(show_header=False)
        for name, value in diffing.summary_rows(compared):
            table.add_row(Text(text(*name)), Text(text(*value)))
        console.out_console().print(table)
    if out is not None:
        target = out

        def write() -> Mapping[str, str]:
            diffing.write_diff(compared, target, language=console.language())
            return {}

        with case_for(
            case or _case_of(b), None, key=key, as_id=as_id, passphrase_file=passphrase_file, tool="triage"
        ) as opened:
            _recorded(opened, "diff", (a, b), out, write)


def _day(value: str | None) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise UsageError(
            f"日付として読めません: {value}",
            f"not a date: {value}",
            hint_ja="2026-11-20 のように書いてください",
            hint_en="write it as 2026-11-20",
        ) from None


def _check_target(out: Path, suffixes: Sequence[str]) -> None:
    """What can be refused before the ledger is opened."""
    if out.suffix.lower() not in suffixes:
        raise UsageError(
            f"{out}: 形式が分かりません",
            f"{out}: unknown format",
            hint_ja=f"名前の末尾を {' '.join(suffixes)} のどれかにしてください",
            hint_en=f"let the name end in one of {' '.join(suffixes)}",
        )
    if out.exists() or out.is_symlink():
        raise TargetError(
            f"{out}: すでにあります(上書きしません)",
            f"{out}: exists already (nothing is overwritten)",
            hint_ja="別の名前を指定してください",
            hint_en="give another name",
        )


def _case_of(scan: Path) -> Path:
    """The case in which results lie."""
    for folder in scan.resolve().parents:
        if (folder / "ledger.jsonl").is_file():
            return folder
    raise UsageError(
        f"{scan} は事案フォルダーの中にありません",
        f"{scan} lies in no case folder",
        hint_ja="--case で、記録する事案フォルダーを指定してください",
        hint_en="say with --case which case folder records this",
    )


def _recorded(
    case: Case,
    form: str,
    scans: Sequence[Path],
    out: Path,
    write: Callable[[], Mapping[str, str]],
    *,
    as_json: bool = False,
) -> None:
    """Write a document between its two entries in the ledger: what it was made from, and what came out."""
    from chain_of_custody import FileHash  # noqa: PLC0415 - start-up time
    from chain_of_custody.masking import mask_text  # noqa: PLC0415 - start-up time

    names = [one for name in _RESULT_FILES for one in (name, f"{name}.age")]
    inputs = [(scan, name) for scan in scans for name in names if (scan / name).is_file()]
    body = {
        "form": form,
        "made_from": [mask_text(f"{scan.name}/{name}") for scan, name in inputs],
        "target": mask_text(str(out)),
        "language": console.language(),
    }
    with case.action("report", body, inputs=[FileHash.of_file(scan / name) for scan, name in inputs]) as action:
        facts = write()
        made = FileHash.of_file(out)
        action.set_result({"target": mask_text(str(out)), **facts}, outputs=[made])
    if as_json:
        console.print_json({"written": mask_text(str(out)), "sha256": made.sha256, "size": made.size, **facts})
    console.notice(f"書き出しました: {out}", f"written: {out}")
