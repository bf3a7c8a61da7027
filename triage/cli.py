"""The command `triage`: scan an image, reveal chosen values with a reason."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chain_of_custody import console
from chain_of_custody.console import JsonOption, LangOption, text
from chain_of_custody.errors import EvidenceError, HozenError, UsageError
from chain_of_custody.options import AsOption, CaseOption, KeyOption, PassphraseFileOption, case_for
from preserve.identity_option import IdentityOption
from triage import protection_cli, report_cli, search_cli
from triage.visible import visible

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIDENCES = ("high", "medium", "low")
STATES_JA = {
    "allocated": "現存",
    "deleted": "削除済み",
    "carved": "切り出し",
    "snapshot": "過去の状態",
    "unallocated": "未割当て",
    "slack": "スラック",
    "metadata": "管理情報",
    "outside": "区画の外",
}


def _asked(ask: bool) -> tuple[str, ...]:
    """What is typed at the prompt of `--ask-key`, tried on volumes and documents."""
    if not ask:
        return ()
    secret = console.ask_secret("パスワードまたは回復キー: ", "password or recovery key: ").decode("utf-8")
    return (secret,) if secret else ()


class Confidence(StrEnum):
    """How sure a finding is."""

    high = "high"
    medium = "medium"
    low = "low"


class KnownChoice(StrEnum):
    """What is done with known files."""

    skip = "skip"
    mark = "mark"


class OcrChoice(StrEnum):
    """Which pictures are read."""

    auto = "auto"
    all = "all"
    off = "off"


AskKeyOption = Annotated[
    bool,
    typer.Option(
        "--ask-key",
        help=text(
            "パスワードまたは回復キーを画面で尋ねる(表示・記録しない)",
            "ask for a password or recovery key (not shown, not recorded)",
        ),
    ),
]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=text(
        "ディスクイメージの中のマイナンバー(個人番号)を探します。",
        "Finds My Numbers (個人番号) on disk images.",
    ),
    epilog=text(
        "例: triage scan disk.E01、triage reveal --findings FILE --reason '…'",
        "Example: triage scan disk.E01, then triage reveal --findings FILE --reason '…'",
    ),
)


@app.callback()
def _triage(lang: LangOption = None) -> None:
    """Options that stand before the command."""


@app.command(
    help=text(
        "イメージ全体を走査し、個人番号と YARA の一致を事案フォルダーに記録します。",
        "Scan a whole image; findings, coverage and report go into the case folder.",
    ),
    epilog=text(
        "例:\n\n"
        "    triage scan disk.E01\n\n"
        "    triage scan disk.E01 --case 2026-014.case --rules rules/ --jobs 4\n\n"
        "    triage scan disk.E01 --case 2026-014.case --resume\n\n"
        "終了コード: 0 完了 / 1 保存ハッシュと不一致 / 3 未読部分あり / 4 証拠を読めない / 5 書けない / 130 中断",
        "Examples:\n\n"
        "    triage scan disk.E01\n\n"
        "    triage scan disk.E01 --case 2026-014.case --rules rules/ --jobs 4\n\n"
        "    triage scan disk.E01 --case 2026-014.case --resume\n\n"
        "Exit codes: 0 done / 1 stored hash differs / 3 parts not read / 4 evidence unreadable / 5 cannot write / "
        "130 interrupted",
    ),
)
def scan(
    image: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE…",
            help=text(
                "イメージ(E01, raw, …。複数可)、またはイメージのフォルダー", "images (E01, raw, …), or a folder of them"
            ),
        ),
    ],
    case: CaseOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help=text(
                "結果のフォルダー(新規。既定: 事案の scans/<番号>-<イメージ名>)",
                "folder for the results (new; default: scans/<n>-<image> in the case)",
            ),
        ),
    ] = None,
    rules: Annotated[
        list[Path] | None,
        typer.Option(
            "--rules",
            metavar="FILE.yar|builtin",
            help=text("YARA 規則(複数可。builtin は同梱)", "YARA rules (repeatable; builtin: those that come along)"),
        ),
    ] = None,
    passwords: Annotated[
        Path | None,
        typer.Option(
            "--passwords",
            metavar="FILE",
            help=text(
                "暗号化された文書とボリュームに試すパスワード(1 行に 1 つ)",
                "passwords to try on documents and volumes, one a line",
            ),
        ),
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(
            "--keys",
            metavar="FILE",
            help=text(
                "暗号化ボリュームの鍵(1 行に 1 つ「ボリュームまたは*:recovery|password|keyfile|startup:値」)",
                "keys of encrypted volumes, one a line: volume-or-*:recovery|password|keyfile|startup:value",
            ),
        ),
    ] = None,
    ask_key: AskKeyOption = False,
    known: Annotated[
        list[Path] | None,
        typer.Option(
            "--known",
            metavar="FILE",
            help=text(
                "既知ファイルのハッシュ集(NSRL など。複数可)", "hashes of known files (NSRL and the like; repeatable)"
            ),
        ),
    ] = None,
    known_mode: Annotated[
        KnownChoice,
        typer.Option(
            "--known-mode", help=text("既知のファイルを読まない / 印を付ける", "skip known files, or mark them")
        ),
    ] = KnownChoice.skip,
    ocr: Annotated[
        OcrChoice,
        typer.Option(
            "--ocr",
            help=text(
                "画像の文字を読む: auto=文字がありそうな画像だけ、all=全部、off=読まない(要 hozen[ocr])",
                "read text in pictures: auto = where some is seen, all, off (needs hozen[ocr])",
            ),
        ),
    ] = OcrChoice.auto,
    jobs: Annotated[
        int,
        typer.Option("--jobs", min=1, max=256, help=text("並列数(結果は変わらない)", "processes (same result)")),
    ] = os.cpu_count() or 1,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler",
            metavar="ADDRESS",
            help=text(
                "Dask クラスターで走査する(tls://HOST:PORT または tcp://HOST:PORT。要 hozen[cluster])",
                "scan on a Dask cluster: tls://HOST:PORT or tcp://HOST:PORT (needs hozen[cluster])",
            ),
        ),
    ] = None,
    worker_image: Annotated[
        str,
        typer.Option(
            "--worker-image",
            metavar="PATH",
            help=text(
                "ワーカーから見たイメージ、またはそのフォルダー(既定: 同じパス)",
                "path on the workers of the image, or of its folder (default: the same path)",
            ),
        ),
    ] = "",
    tls_ca: Annotated[
        Path | None,
        typer.Option("--tls-ca", metavar="FILE", help=text("tls:// の認証局", "certificate authority for tls://")),
    ] = None,
    tls_cert: Annotated[
        Path | None,
        typer.Option("--tls-cert", metavar="FILE", help=text("tls:// の証明書", "certificate for tls://")),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option("--tls-key", metavar="FILE", help=text("tls:// の秘密鍵", "private key for tls://")),
    ] = None,
    identity: IdentityOption = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help=text("中断した走査を続ける", "go on with an interrupted scan")),
    ] = False,
    key: KeyOption = None,
    as_id: AsOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Scan images."""
    from preserve import workers  # noqa: PLC0415 - start-up time

    # Children load beside what this process loads.
    workers.warm_up("preserve.isolated", "preserve.ntfs", "triage.file_pass", "triage.judge")
    from preserve.keys import read_keys  # noqa: PLC0415 - start-up time
    from triage import known_files, many_images  # noqa: PLC0415 - start-up time
    from triage import scan as scanning  # noqa: PLC0415 - `--help` must not load numpy and the readers

    images, others = many_images.images_of(image)
    if out is not None and len(images) > 1:
        raise UsageError("--out は 1 つのイメージに限ります", "--out goes with one image only")
    tried = (*scanning.read_passwords(passwords), *_asked(ask_key))
    volume_keys = read_keys(keys, tried)
    options = scanning.ScanOptions(
        out=out,
        rules=tuple(rules or ()),
        passwords=tried,
        keys=volume_keys,
        jobs=jobs,
        resume=resume,
        ocr=ocr.value,
        known=known_files.check_sets(tuple(known or ()), known_mode.value),
    )
    if len(images) == 1:
        scanning.check_request(images[0], rules or [])
    for other in others:
        console.notice(
            f"イメージの名前ではないため走査しません: {other.name}", f"not scanned, no image by its name: {other.name}"
        )
    outcomes: list[Any] = []
    refused: list[HozenError] = []
    cluster: Any = contextlib.nullcontext()
    if scheduler:
        from triage.cluster import Cluster, ClusterOptions  # noqa: PLC0415 - start-up time

        cluster = Cluster(ClusterOptions(scheduler, worker_image, tls_ca, tls_cert, tls_key))
    with (
        cluster as entered,
        case_for(case, images[0], key=key, as_id=as_id, passphrase_file=passphrase_file, tool="triage") as opened,
    ):
        for number, one in enumerate(images, 1):
            if len(images) > 1:
                console.notice(f"[{number}/{len(images)}] {one.name}", f"[{number}/{len(images)}] {one.name}")
            try:
                scanning.check_request(one, rules or [])
                outcomes.append(scanning.scan(one, opened, replace(options, cluster=entered)))
            except EvidenceError as error:
                if len(images) == 1:
                    raise
                # One bad image does not stop the others; it decides the exit code.
                refused.append(error)
                console.notice(error.ja, error.en)
                continue
            if not as_json:
                _print_summary(outcomes[-1])
        persons = many_images.persons_over([outcome.folder for outcome in outcomes]) if len(images) > 1 else {}
    codes = {outcome.exit_code for outcome in outcomes}
    code = 4 if refused else next((one for one in (1, 3) if one in codes), 0)
    if as_json:
        listed = [
            dict(outcome.summary) | {"folder": str(outcome.folder), "report": str(outcome.report)}
            for outcome in outcomes
        ]
        unread = [text(error.ja, error.en) for error in refused]
        whole = {"scans": listed, "persons": dict(persons), "refused": unread, "exit_code": code}
        console.print_json(whole if len(images) > 1 else listed[0])
    elif persons:
        console.out_console().print(
            text(
                f"全イメージで本人の数: {persons['lower']}〜{persons['upper']} 人(推定 {persons['estimate']})",
                f"persons over all images: {persons['lower']} to {persons['upper']} (estimate {persons['estimate']})",
            ),
        )
    raise typer.Exit(code)


MOST_PLACES = 15
"""Lines of the printed list of places; the report has all."""


def _print_summary(outcome: Any) -> None:  # noqa: ANN401 - ScanOutcome, which is not imported here at start-up
    from rich.table import Table  # noqa: PLC0415 - start-up time
    from rich.text import Text  # noqa: PLC0415 - start-up time

    summary: Mapping[str, Any] = outcome.summary
    out = console.out_console()
    places = Table(title=text("個人番号の所在", "where My Numbers lie"), title_justify="left")
    for ja, en in (
        ("状態", "state"),
        ("場所", "place"),
        ("例", "example"),
        ("高", "high"),
        ("中", "medium"),
        ("低", "low"),
    ):
        places.add_column(text(ja, en), overflow="fold", justify="right" if en in CONFIDENCES else "left")
    listed = outcome.places[:MOST_PLACES]
    for place in listed:
        counts = [str(place.counts[confidence] or "") for confidence in CONFIDENCES]
        # A Text, not a string: a name with brackets must not be taken for markup.
        state = text(STATES_JA.get(place.state, place.state), place.state)
        places.add_row(state, Text(visible(place.path, max_chars=160)), place.example, *counts)
    if listed:
        out.print(places)
    if len(outcome.places) > len(listed):
        rest = len(outcome.places) - len(listed)
        out.print(text(f"ほか {rest} か所(報告書に全件)", f"and {rest} more places (all in the report)"))
    counts = summary["counts"]["by_confidence"]
    out.print(
        text(
            f"所見: 高 {counts['high']}、中 {counts['medium']}、低 {counts['low']}",
            f"findings: high {counts['high']}, medium {counts['medium']}, low {counts['low']}",
        ),
    )
    persons = summary["persons"]
    out.print(
        text(
            f"本人の数: {persons['lower']}〜{persons['upper']} 人(異なる番号の数。推定 {persons['estimate']})",
            f"persons: {persons['lower']} to {persons['upper']} (distinct numbers; estimate {persons['estimate']})",
        ),
    )
    if summary["counts"]["by_kind"]["yara"]:
        out.print(f"YARA: {summary['counts']['by_kind']['yara']}")
    if summary["coverage_lines"]:
        out.print(
            text(
                f"読めなかった部分: {summary['coverage_lines']} 件(coverage.jsonl と報告書に一覧)",
                f"not fully read: {summary['coverage_lines']} (listed in coverage.jsonl and in the report)",
            ),
        )
    unread = sum(count for why, count in summary["pictures"].items() if why not in ("read", "no_text", "too_small"))
    if unread:
        out.print(
            text(
                f"文字を読んでいない画像: {unread} 件(coverage.jsonl の kind=picture)",
                f"pictures whose text was not read: {unread} (kind=picture in coverage.jsonl)",
            ),
        )
    for note in summary["notes"]:
        out.print(f"- {note[console.language()]}", markup=False)
    out.print(f"{text('報告書', 'report')}: {outcome.report}", markup=False)
    out.print(
        text(
            "次に: 報告書を開く。番号の確認は triage reveal(理由が必要)。",
            "next: open the report; to see values: triage reveal, with a reason.",
        ),
        markup=False,
    )


@app.command(
    help=text(
        "検出した番号を証拠から読み直して示します(理由が必要。台帳に記録)。",
        "Read found numbers again from the evidence and show them (needs a reason; recorded in the ledger).",
    ),
    epilog=text("例:\n\n", "Example:\n\n")
    + "    triage reveal --findings c.case/scans/1-disk.E01/findings.jsonl --reason '…' --id F000001",
)
def reveal(
    findings: Annotated[
        Path,
        typer.Option("--findings", metavar="FILE", help=text("findings.jsonl", "findings.jsonl of a scan")),
    ],
    reason: Annotated[
        str,
        typer.Option("--reason", metavar="TEXT", help=text("見る理由(台帳に残る)", "why (goes into the ledger)")),
    ],
    ids: Annotated[
        list[str] | None,
        typer.Option("--id", metavar="ID", help=text("検出 ID(複数可。既定: 全部)", "finding ids (default: all)")),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help=text("書き出し先(新規)", "new file to write to")),
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option("--image", metavar="IMAGE", help=text("イメージの今の場所", "where the image lies now")),
    ] = None,
    passwords: Annotated[
        Path | None,
        typer.Option("--passwords", metavar="FILE", help=text("パスワード(1 行に 1 つ)", "passwords, one a line")),
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option("--keys", metavar="FILE", help=text("暗号化ボリュームの鍵", "keys of encrypted volumes")),
    ] = None,
    ask_key: AskKeyOption = False,
    identity: IdentityOption = None,
    case: CaseOption = None,
    key: KeyOption = None,
    as_id: AsOption = None,
    passphrase_file: PassphraseFileOption = None,
    lang: LangOption = None,
) -> None:
    """Show values of findings."""
    from preserve.keys import read_keys  # noqa: PLC0415 - start-up time
    from triage import reveal as revealing  # noqa: PLC0415 - start-up time
    from triage.scan import read_passwords  # noqa: PLC0415 - start-up time

    request = revealing.check_request(findings, reason, ids or [], out, image, case)
    with case_for(
        request.case,
        None,
        key=key,
        as_id=as_id,
        passphrase_file=passphrase_file,
        tool="triage",
    ) as opened:
        tried = (*read_passwords(passwords), *_asked(ask_key))
        raise typer.Exit(revealing.reveal(request, opened, passwords=tried, keys=read_keys(keys, tried)))


@app.command(
    help=text(
        "検出の元のファイルを取り出します(理由が必要。ハッシュとともに台帳に記録)。",
        "Take out the original files behind findings (needs a reason; recorded in the ledger with their hashes).",
    ),
    epilog=text("例:\n\n", "Examples:\n\n")
    + "    triage export --findings c.case/scans/1-disk.E01/findings.jsonl --confidence high --reason '…' --out d\n\n"
    + "    triage export --findings c.case/scans/1-disk.E01/findings.jsonl --path '/Users/*' --reason '…' --out f",
)
def export(
    findings: Annotated[
        Path, typer.Option("--findings", metavar="FILE", help=text("findings.jsonl", "findings.jsonl of a scan"))
    ],
    reason: Annotated[
        str,
        typer.Option("--reason", metavar="TEXT", help=text("取り出す理由(台帳に残る)", "why (goes into the ledger)")),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help=text("出力先(新規)", "new folder"))],
    ids: Annotated[
        list[str] | None, typer.Option("--id", metavar="ID", help=text("検出 ID(複数可)", "finding ids (repeatable)"))
    ] = None,
    confidence: Annotated[
        Confidence | None,
        typer.Option("--confidence", help=text("この確度以上の個人番号", "My Numbers of at least this confidence")),
    ] = None,
    path: Annotated[
        str, typer.Option("--path", metavar="PATTERN", help=text("パスの型(* と ?)", "pattern of paths (* and ?)"))
    ] = "",
    state: Annotated[
        str, typer.Option("--state", metavar="STATE", help=text("allocated、deleted など", "allocated, deleted, …"))
    ] = "",
    image: Annotated[
        Path | None,
        typer.Option("--image", metavar="IMAGE", help=text("イメージの今の場所", "where the image lies now")),
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option("--keys", metavar="FILE", help=text("ボリュームの鍵のファイル", "file of keys for volumes")),
    ] = None,
    identity: IdentityOption = None,
    case: CaseOption = None,
    key: KeyOption = None,
    as_id: AsOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Take out original files."""
    from preserve.keys import read_keys  # noqa: PLC0415 - start-up time
    from triage import originals  # noqa: PLC0415 - start-up time

    choice = originals.Choice(tuple(ids or ()), confidence.value if confidence else "", path, state)
    request = originals.check_request(findings, choice, reason, out, image, case)
    with case_for(request.case, None, key=key, as_id=as_id, passphrase_file=passphrase_file, tool="triage") as opened:
        exported = originals.export(request, opened, keys=read_keys(keys))
    if as_json:
        console.print_json(
            {
                "out": str(out),
                "files": [dict(line) for line in exported.files],
                "without_file": list(exported.without_file),
            }
        )
    else:
        count = len(exported.files)
        console.out_console().print(
            text(f"{count} 個のファイルを {out} に取り出しました", f"{count} files were written to {out}"), markup=False
        )
        for line in exported.files:
            if line["problem"]:
                console.notice(f"{line['target']}: {line['problem']}", f"{line['target']}: {line['problem']}")
        if exported.without_file:
            console.notice(
                f"ファイルの外の検出(取り出していない): {', '.join(exported.without_file[:20])}",
                f"in no file, not taken out: {', '.join(exported.without_file[:20])}",
            )
    raise typer.Exit(console.EXIT_PARTIAL if exported.incomplete else console.EXIT_OK)


report_cli.register(app)
search_cli.register(app)
protection_cli.register(app)


def main() -> None:
    """Entry point of the program `triage`."""
    console.run(app)
