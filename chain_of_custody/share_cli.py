"""The commands `custody share split|check|join`: 秘密分散 of a key or of a small bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chain_of_custody import console, options
from chain_of_custody.console import JsonOption, LangOption, text
from chain_of_custody.errors import TargetError, UsageError
from chain_of_custody.options import AsOption, CaseOption, KeyOption, PassphraseFileOption, command_help

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chain_of_custody.jcs import Json

share_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    **command_help(
        "秘密分散(割符): n 個に分け、k 個そろえば元に戻ります。k 個未満からは何も分かりません。",
        "Shares of a secret: any k of n give it back, fewer say nothing about it.",
        "custody share split bundle.zip --threshold 2 --of 3 --out shares",
        "custody share join shares/bundle.zip.1of3 shares/bundle.zip.3of3 --out bundle.zip",
    ),
)

WordsOption = Annotated[
    bool,
    typer.Option(
        "--words", help=text("鍵を語の列(SLIP-39)にする", "a key as words (SLIP-39) for people to write down")
    ),
]


def _absent(paths: Sequence[Path]) -> None:
    for path in paths:
        if path.exists() or path.is_symlink():
            raise TargetError(
                f"既にあります: {path}",
                f"exists already: {path}",
                hint_ja="別の出力先を指定してください(上書きはしません)",
                hint_en="give another place (nothing is overwritten)",
            )


@share_app.command(
    "split",
    **command_help(
        "ファイルまたは事案の秘密値を分散片に分けます。",
        "Split a file, or the secret of the case, into shares.",
        "custody share split bundle.zip --threshold 2 --of 3 --out shares",
        "custody share split --case-secret --words --threshold 2 --of 3 --out shares",
    ),
)
def split(
    threshold: Annotated[
        int, typer.Option("--threshold", min=2, max=32, help=text("復元に要る数", "how many give it back"))
    ],
    of: Annotated[int, typer.Option("--of", min=2, max=32, help=text("分散片の数", "how many there are"))],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help=text("出力先のフォルダー", "folder for the shares"))
    ],
    source: Annotated[Path | None, typer.Argument(metavar="FILE", help=text("分けるファイル", "file to split"))] = None,
    case_secret: Annotated[
        bool,
        typer.Option("--case-secret", help=text("事案の秘密値(照合用の鍵)を分ける", "split the secret of the case")),
    ] = False,
    words: WordsOption = False,
    case: CaseOption = None,
    as_id: AsOption = None,
    key: KeyOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Split."""
    from chain_of_custody import shares  # noqa: PLC0415 - `--help` needs none of it
    from chain_of_custody.entries import FileHash  # noqa: PLC0415
    from chain_of_custody.masking import mask_path  # noqa: PLC0415

    if (source is None) == (not case_secret):
        raise UsageError(
            "ファイルか --case-secret のどちらか一方を指定してください", "name a file or --case-secret, one of them"
        )
    name = source.name if source else "case-secret"
    ending = ".txt" if words or case_secret else ""
    targets = [out / f"{name}.{number}of{of}{ending}" for number in range(1, of + 1)]
    _absent(targets)
    if source is not None and not source.is_file():
        raise UsageError(f"ファイルがありません: {source}", f"no such file: {source}")
    with options.open_named_case(case, key=key, as_id=as_id, passphrase_file=passphrase_file) as opened:
        body: dict[str, Json] = {
            "what": mask_path(name),
            "form": "slip39" if ending else "gf256",
            "threshold": threshold,
            "shares": of,
            "targets": [mask_path(target) for target in targets],
        }
        inputs = [FileHash.of_file(source)] if source and not words else []
        with opened.action("split", body, inputs=inputs) as action:
            out.mkdir(parents=True, exist_ok=True)
            if ending:
                secret = opened.secret() if case_secret or source is None else source.read_bytes()
                lists = shares.split_key(secret, threshold, of)
                for target, mnemonic in zip(targets, lists, strict=True):
                    shares.write_private(target, f"{mnemonic}\n".encode())
            else:
                with console.progress(text("分散", "splitting"), inputs[0].size) as progress:
                    shares.split_file(source or Path(), targets, threshold, advance=progress.advance)
            hashes = [FileHash.of_file(target) for target in targets]
            action.set_result({"files": [target.name for target in targets]}, outputs=hashes)
    if as_json:
        console.print_json({"shares": [str(target) for target in targets], "threshold": threshold})
        return
    shown = console.out_console()
    for target in targets:
        shown.print(str(target), markup=False)
    shown.print(
        text(
            f"{of} 個を別々の人に渡してください(custody transfer offer)。{threshold} 個そろえば誰でも復元できます。",
            f"Give the {of} shares to different people (custody transfer offer); any {threshold} can be joined.",
        ),
        markup=False,
    )


@share_app.command(
    "check",
    **command_help(
        "分散片が壊れていないか、同じ組か、数が足りるかを調べます(復元はしません)。",
        "Check that shares are unharmed, of one set and enough; nothing is joined.",
        "custody share check shares/*",
    ),
)
def check(
    files: Annotated[list[Path], typer.Argument(metavar="SHARE…", help=text("分散片", "shares"))],
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Check shares."""
    from chain_of_custody import shares  # noqa: PLC0415 - `--help` needs none of it
    from chain_of_custody.masking import mask_path  # noqa: PLC0415

    rows = []
    sets: dict[str, set[int]] = {}
    needed = 0
    for file in files:
        try:
            header = shares.check_share(file)
        except shares.ShareError as error:
            rows.append({"file": mask_path(file), "verdict": "ng", "why": text(error.ja, error.en)})
            continue
        sets.setdefault(header.set_id, set()).add(header.index)
        needed = header.threshold
        place = f"{header.index}/{header.shares}"
        rows.append({"file": mask_path(file), "verdict": "ok", "why": f"{header.set_id} {place}"})
    damaged = any(row["verdict"] == "ng" for row in rows)
    enough = len(sets) == 1 and len(next(iter(sets.values()))) >= needed
    if as_json:
        console.print_json({"shares": rows, "enough": enough, "needed": needed})
    else:
        shown = console.out_console()
        for row in rows:
            shown.print(f"{row['verdict'].upper():3} {row['file']}  {row['why']}", markup=False)
        word = text("足りる", "enough") if enough else text("足りない", "not enough")
        shown.print(text(f"復元に {needed} 個必要: {word}", f"{needed} needed: {word}"), markup=False)
    raise typer.Exit(1 if damaged else 0 if enough else 3)


@share_app.command(
    "join",
    **command_help(
        "分散片から元のファイル(または鍵)を復元します。",
        "Join shares into the file, or the key, that was split.",
        "custody share join shares/bundle.zip.1of3 shares/bundle.zip.3of3 --out bundle.zip",
        "custody share join --words shares/case-secret.1of3.txt shares/case-secret.2of3.txt --out secret.key",
    ),
)
def join(
    files: Annotated[list[Path], typer.Argument(metavar="SHARE…", help=text("分散片", "shares"))],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help=text("復元先(新規)", "new file"))],
    words: WordsOption = False,
    case: CaseOption = None,
    as_id: AsOption = None,
    key: KeyOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Join."""
    from chain_of_custody import shares  # noqa: PLC0415 - `--help` needs none of it
    from chain_of_custody.entries import FileHash  # noqa: PLC0415
    from chain_of_custody.masking import mask_path  # noqa: PLC0415

    _absent([out])
    for file in files:
        if not file.is_file():
            raise UsageError(f"ファイルがありません: {file}", f"no such file: {file}")
    with options.open_named_case(case, key=key, as_id=as_id, passphrase_file=passphrase_file) as opened:
        body: dict[str, Json] = {
            "form": "slip39" if words else "gf256",
            "shares": [mask_path(file) for file in files],
            "target": mask_path(out),
        }
        with opened.action("join", body, inputs=[FileHash.of_file(file) for file in files]) as action:
            if words:
                secret = shares.join_key([" ".join(file.read_text(encoding="utf-8").split()) for file in files])
                shares.write_private(out, secret)
            else:
                total = shares.read_header(files[0])[0].size
                with console.progress(text("復元", "joining"), total) as progress:
                    shares.join_file(files, out, advance=progress.advance)
            made = FileHash.of_file(out)
            action.set_result({"target": mask_path(out)}, outputs=[] if words else [made])
    if as_json:
        console.print_json({"file": str(out), "size": made.size} | ({} if words else {"sha256": made.sha256}))
        return
    console.out_console().print(
        text(f"復元しました: {console.mask_path(out)}", f"joined: {console.mask_path(out)}"), markup=False
    )
