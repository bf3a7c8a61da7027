"""The commands `custody backup` and `custody restore`."""

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

    from chain_of_custody.backup import FileState
    from chain_of_custody.jcs import Json

WORDS = {
    "same": ("同一", "identical"),
    "added": ("追加", "added"),
    "extended": ("追記分を反映", "extended"),
    "rewritten": ("更新", "rewritten"),
    "changed": ("内容が変わっている", "content has changed"),
    "missing": ("無い", "missing"),
    "damaged": ("壊れている", "damaged"),
}


def _total(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _rows(states: Sequence[FileState]) -> list[dict[str, object]]:
    from chain_of_custody.masking import mask_text  # noqa: PLC0415 - `--help` needs none of it

    return [
        {
            "path": mask_text(state.path),
            "verdict": state.verdict,
            "ranges": [{"offset": offset, "size": size} for offset, size in state.ranges],
        }
        for state in states
    ]


def _show(states: Sequence[FileState]) -> None:
    from chain_of_custody.masking import mask_text  # noqa: PLC0415 - `--help` needs none of it

    shown = console.out_console()
    counts: dict[str, int] = {}
    for state in states:
        counts[state.verdict] = counts.get(state.verdict, 0) + 1
        if state.verdict in ("changed", "missing", "damaged"):
            places = ", ".join(f"{offset}+{size}" for offset, size in state.ranges[:5])
            where = text(f"(位置 {places} バイト)", f" (bytes {places})") if places else ""
            shown.print(f"NG {mask_text(state.path)}: {text(*WORDS[state.verdict])}{where}", markup=False)
    listed = ", ".join(f"{text(*WORDS[verdict])} {count}" for verdict, count in sorted(counts.items()))
    shown.print(text(f"ファイル: {listed}", f"files: {listed}"), markup=False)


def backup(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help=text("予備のフォルダー", "folder of the backup"))],
    check: Annotated[
        bool,
        typer.Option("--check", help=text("予備を読み直して確かめるだけ", "only read the backup again and check it")),
    ] = False,
    case: CaseOption = None,
    as_id: AsOption = None,
    key: KeyOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Make, update or check a backup."""
    from chain_of_custody import backup as backups  # noqa: PLC0415 - `--help` needs none of it
    from chain_of_custody.masking import mask_path, mask_text  # noqa: PLC0415

    if check:
        with console.progress(text("照合", "checking"), _total(target)) as progress:
            states = backups.check(target, advance=progress.advance)
        bad = any(state.verdict != "same" for state in states)
        if as_json:
            console.print_json({"backup": str(target), "files": _rows(states), "verdict": "ng" if bad else "ok"})
        else:
            _show(states)
        raise typer.Exit(1 if bad else 0)
    with (
        options.open_named_case(case, key=key, as_id=as_id, passphrase_file=passphrase_file) as opened,
        opened.action("backup", {"target": mask_path(target)}) as action,
    ):
        with console.progress(text("予備", "backup"), _total(opened.path)) as progress:
            identity = {"case_id": opened.case_id, "fingerprint": opened.fingerprint}
            result = backups.backup(opened.path, target, identity, advance=progress.advance)
        suspicious = result.suspicious
        facts: dict[str, Json] = {
            "target": mask_path(target),
            "files": str(len(result.states)),
            "written_bytes": str(result.written_bytes),
            "suspicious": [mask_text(state.path) for state in suspicious[:100]],
            "suspicious_total": str(len(suspicious)),
        }
        outputs = [result.manifest] if result.manifest else []
        action.set_result(facts, outputs=outputs, status="partial" if suspicious else "done")
    if as_json:
        console.print_json(
            {
                "backup": str(target),
                "written_bytes": result.written_bytes,
                "files": _rows(result.states),
                "verdict": "ng" if suspicious else "ok",
            }
        )
    else:
        _show(result.states)
        if suspicious:
            console.notice(
                f"良い写しは残してあります。戻すには: custody restore {target} --mend --case DIR",
                f"The good copies were kept; to put them back: custody restore {target} --mend --case DIR",
            )
    raise typer.Exit(1 if suspicious else 0)


def restore(
    source: Annotated[Path, typer.Argument(metavar="BACKUP", help=text("予備のフォルダー", "folder of the backup"))],
    target: Annotated[
        Path | None, typer.Argument(metavar="DIR", help=text("復旧先(新規)", "new folder to restore into"))
    ] = None,
    mend: Annotated[
        bool,
        typer.Option(
            "--mend",
            help=text("--case の壊れたファイルだけを予備から戻す", "put good copies back for damaged files of --case"),
        ),
    ] = False,
    case: CaseOption = None,
    as_id: AsOption = None,
    key: KeyOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Restore or mend."""
    from chain_of_custody import backup as backups  # noqa: PLC0415 - `--help` needs none of it
    from chain_of_custody.case import find_case, open_case  # noqa: PLC0415
    from chain_of_custody.masking import mask_path, mask_text  # noqa: PLC0415
    from chain_of_custody.options import passphrase_source  # noqa: PLC0415

    if mend == (target is not None):
        raise UsageError(
            "復旧先のフォルダーか --mend のどちらか一方を指定してください", "name a folder to restore into, or --mend"
        )
    if target is not None:
        with console.progress(text("復旧", "restoring"), _total(source)) as progress:
            states = backups.restore(source, target, advance=progress.advance)
        recorded = target
    else:
        path, _ = find_case(case, None)
        with console.progress(text("照合", "comparing"), _total(source)) as progress:
            states = backups.compare(path, source, advance=progress.advance)
        recorded = path
        # A ledger that is damaged cannot record: it is mended first, and the rest between two entries.
        for state in [one for one in states if one.path == "ledger.jsonl" and one.verdict != "same"]:
            backups.mend(path, source, state)
    bad = [state for state in states if state.verdict != "same"]
    with open_case(recorded, key=key, passphrase=passphrase_source(passphrase_file), actor=as_id) as opened:
        body: dict[str, Json] = {
            "source": mask_path(source),
            "mend": mend,
            "files": [mask_text(state.path) for state in bad[:100]],
        }
        with opened.action("restore", body) as action:
            outputs = []
            if mend:
                outputs = [backups.mend(recorded, source, state) for state in bad if state.path != "ledger.jsonl"]
            action.set_result(
                {"files": str(len(states)), "bad": str(len(bad))},
                outputs=outputs,
                status="partial" if bad and not mend else "done",
            )
    if as_json:
        console.print_json({"restored": str(recorded), "files": _rows(states), "verdict": "ng" if bad else "ok"})
    else:
        _show(states)
        if mend and bad:
            console.notice(
                f"{len(bad)} 件を予備から戻しました(元の内容は recovered/ にあります)",
                f"{len(bad)} files were put back from the backup (what was there lies in recovered/)",
            )
    raise typer.Exit(0 if mend or not bad else 3)


def add_to(app: typer.Typer) -> None:
    """Add the commands to `custody`."""
    app.command(
        **command_help(
            "事案の予備(検証済みの写し)を作るか、更新します。中断しても同じコマンドで続きます。",
            "Make or update a verified second copy of the case; an interrupted run is simply repeated.",
            "custody backup /media/backup/2026-014 --case 2026-014.case",
            "custody backup /media/backup/2026-014 --check",
        )
    )(backup)
    app.command(
        **command_help(
            "予備から復旧します。--mend は壊れたファイルだけを戻します。",
            "Restore from a backup; --mend puts back only what is damaged.",
            "custody restore /media/backup/2026-014 2026-014-restored.case",
            "custody restore /media/backup/2026-014 --mend --case 2026-014.case",
        )
    )(restore)
