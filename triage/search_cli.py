"""The commands `triage search` and `triage rules`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from chain_of_custody import console
from chain_of_custody.console import JsonOption, LangOption, text
from chain_of_custody.errors import TargetError, UsageError
from chain_of_custody.options import AsOption, CaseOption, KeyOption, PassphraseFileOption, case_for
from preserve.identity_option import IdentityOption

MOST_PLACES = 20


def _lines(file: Path) -> list[str]:
    try:
        return [line for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"語のファイルを読めません(UTF-8、1 行に 1 つ): {file}",
            f"cannot read the file of words (UTF-8, one a line): {file}",
        ) from error


def search(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help=text("イメージ", "image"))],
    word: Annotated[
        list[str] | None, typer.Option("--word", metavar="TEXT", help=text("語(複数可)", "word (repeatable)"))
    ] = None,
    words: Annotated[
        Path | None,
        typer.Option("--words", metavar="FILE", help=text("語のファイル(1 行に 1 つ)", "words, one a line")),
    ] = None,
    regex: Annotated[
        list[str] | None,
        typer.Option(
            "--regex",
            metavar="EXPR",
            help=text("正規表現(正規化した文字列に対して。複数可)", "expression over normalised text (repeatable)"),
        ),
    ] = None,
    passwords: Annotated[
        Path | None,
        typer.Option("--passwords", metavar="FILE", help=text("パスワード", "passwords to try, one a line")),
    ] = None,
    keys: Annotated[
        Path | None, typer.Option("--keys", metavar="FILE", help=text("ボリュームの鍵", "keys of encrypted volumes"))
    ] = None,
    pictures: Annotated[
        bool,
        typer.Option("--ocr", help=text("画像の文字も読む(要 hozen[ocr])", "read pictures, too (needs hozen[ocr])")),
    ] = False,
    jobs: Annotated[int, typer.Option("--jobs", min=1, max=256, help=text("並列数", "processes"))] = os.cpu_count()
    or 1,
    identity: IdentityOption = None,
    case: CaseOption = None,
    key: KeyOption = None,
    as_id: AsOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Search for words."""
    from preserve.keys import read_keys  # noqa: PLC0415 - start-up time
    from triage import scan as scanning  # noqa: PLC0415 - start-up time
    from triage import search as searching  # noqa: PLC0415 - start-up time
    from triage.words import check_words  # noqa: PLC0415 - start-up time

    wanted = check_words([*(word or ()), *(_lines(words) if words else ())], regex or ())
    scanning.check_request(image, [])
    tried = scanning.read_passwords(passwords)
    options = searching.SearchOptions(wanted, tried, read_keys(keys, tried), "auto" if pictures else "off", jobs)
    with case_for(case, image, key=key, as_id=as_id, passphrase_file=passphrase_file, tool="triage") as opened:
        outcome = searching.search(image, opened, options)
    if as_json:
        console.print_json(outcome.summary | {"folder": str(outcome.folder)})
        raise typer.Exit(outcome.exit_code)
    from rich.table import Table  # noqa: PLC0415 - start-up time
    from rich.text import Text  # noqa: PLC0415 - start-up time

    from triage.visible import visible  # noqa: PLC0415 - start-up time

    table = Table()
    table.add_column(text("語", "word"))
    table.add_column(text("件数", "hits"), justify="right")
    for line in outcome.summary["words"]:
        table.add_row(Text(visible(line["word"], max_chars=80)), str(line["hits"]))
    console.out_console().print(table)
    outside = outcome.summary.get("scope", {}).get("outside", 0)
    if outside:
        console.notice(
            f"調査の範囲(第 {outcome.summary['scope']['entry']} 項)の外の {outside} 件は、数えただけで保存していません",
            f"{outside} hits outside the scope (entry {outcome.summary['scope']['entry']}) were counted, not stored",
        )
    if outcome.summary["coverage_lines"]:
        count = outcome.summary["coverage_lines"]
        console.notice(f"読めなかった部分: {count} 件(coverage.jsonl)", f"not fully read: {count} (coverage.jsonl)")
    console.out_console().print(f"{text('結果', 'results')}: {outcome.folder}", markup=False)
    raise typer.Exit(outcome.exit_code)


def rules(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RULES…", help=text("調べる規則(既定: 同梱の規則)", "rules to check (default: built in)")
        ),
    ] = None,
    copy_to: Annotated[
        Path | None, typer.Option("--copy-to", metavar="DIR", help=text("同梱の規則を写す", "copy the built-in rules"))
    ] = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """List or check rules."""
    from triage import yara_rules  # noqa: PLC0415 - start-up time

    chosen = list(paths or [yara_rules.BUILT_IN])
    compiled = yara_rules.compile_rules(chosen)
    described = yara_rules.describe(compiled)
    if copy_to is not None:
        yara_rules.copy_built_in(copy_to)
    if as_json:
        console.print_json({"sha256": compiled.sha256, "rules": described})
        return
    from rich.table import Table  # noqa: PLC0415 - start-up time
    from rich.text import Text  # noqa: PLC0415 - start-up time

    table = Table()
    for ja, en in (("規則", "rule"), ("タグ", "tags"), ("説明", "description")):
        table.add_column(text(ja, en), overflow="fold")
    for rule in described:
        shown = rule["meta"].get(f"description_{console.language()}") or rule["meta"].get("description", "")
        table.add_row(Text(rule["rule"]), Text(", ".join(rule["tags"])), Text(str(shown)))
    console.out_console().print(table)
    console.out_console().print(f"SHA-256 {compiled.sha256}", markup=False)


def routes(
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.json", help=text("書き出し先(新規)", "new file to write to"))
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help=text("この時刻から", "from this time on"))
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help=text("この時刻まで", "before this time"))
    ] = None,
    case: CaseOption = None,
    key: KeyOption = None,
    as_id: AsOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Traces of a way out."""
    from datetime import datetime  # noqa: PLC0415 - start-up time

    from chain_of_custody.case import find_case  # noqa: PLC0415 - start-up time
    from chain_of_custody.options import time_given  # noqa: PLC0415 - start-up time
    from triage import routes as finding  # noqa: PLC0415 - start-up time

    def ns(value: str | None) -> int | None:
        return None if value is None else int(datetime.fromisoformat(time_given(value)).timestamp()) * 1_000_000_000

    folder, _ = find_case(case, None)
    if out is not None and (out.exists() or out.is_symlink()):
        raise TargetError(f"既にあります: {out}", f"exists already: {out}")
    found = finding.find_routes(folder, from_ns=ns(since), to_ns=ns(until))
    if as_json:
        console.print_json(finding.to_json(found))
    else:
        for sentence in finding.sentences(found):
            console.out_console().print(f"- {text(*sentence)}", markup=False)
            console.out_console().print()
    if out is not None:
        import hashlib  # noqa: PLC0415 - start-up time

        from chain_of_custody import FileHash  # noqa: PLC0415 - start-up time
        from chain_of_custody.masking import mask_path  # noqa: PLC0415 - start-up time

        with case_for(folder, None, key=key, as_id=as_id, passphrase_file=passphrase_file, tool="triage") as opened:
            body = {"form": "routes", "target": mask_path(out), "from": since or "", "to": until or ""}
            with opened.action("report", body) as action:
                data = finding.encoded(found)
                with out.open("xb") as file:
                    file.write(data)
                made = FileHash(hashlib.sha256(data).hexdigest(), len(data))
                action.set_result({"target": mask_path(out)}, outputs=[made])


def register(app: typer.Typer) -> None:
    """Add the commands to `triage`."""
    app.command(
        help=text(
            "外へ出た経路の痕跡(媒体・クラウド・メール・印刷・圧縮)を、事案の時系列から示します。",
            "Show traces of a way out (devices, cloud, mail, print, archives) from the timeline of the case.",
        ),
        epilog=text("例:\n\n", "Examples:\n\n")
        + "    timeline build disk.E01 logs/ --case 2026-014.case\n\n"
        + "    triage routes --case 2026-014.case --from 2026-10-01 --out routes.json",
    )(routes)
    app.command(
        help=text(
            "語や正規表現を、走査と同じ範囲(削除済み・未割当て・文書の中・各文字コード)で検索します。",
            "Search for words and expressions wherever a scan looks: deleted, unallocated, in documents, any encoding.",
        ),
        epilog=text("例:\n\n", "Examples:\n\n")
        + "    triage search disk.E01 --word 山田太郎 --word 極秘 --case 2026-014.case\n\n"
        + "    triage search disk.E01 --words names.txt --regex '[a-z0-9.]+@example\\.com'",
    )(search)
    app.command(
        help=text("YARA 規則の一覧と検査(誤りは行番号つき)。", "List and check YARA rules (errors with line numbers)."),
        epilog=text("例:\n\n", "Examples:\n\n")
        + "    triage rules\n\n    triage rules my-rules/\n\n    triage scan disk.E01 --rules builtin",
    )(rules)
