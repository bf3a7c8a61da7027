"""The commands `triage anonymise|copies|surplus`."""
# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chain_of_custody import console, options
from chain_of_custody.console import JsonOption, LangOption, text
from chain_of_custody.errors import TargetError, UsageError
from chain_of_custody.options import AsOption, CaseOption, KeyOption, PassphraseFileOption, case_for, command_help
from preserve.identity_option import IdentityOption

KEY_NAME = "pseudonyms.key.age"


def anonymise(
    findings: Annotated[
        Path, typer.Option("--findings", metavar="FILE", help=text("findings.jsonl", "findings.jsonl of a scan"))
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help=text("出力先(新規)", "new folder"))],
    timeline: Annotated[
        Path | None,
        typer.Option("--timeline", metavar="FILE", help=text("時系列の JSONL", "events of a timeline as JSON lines")),
    ] = None,
    names: Annotated[
        Path | None,
        typer.Option("--names", metavar="FILE", help=text("残ってはならない名前(1 行に 1 つ)", "names that must go")),
    ] = None,
    destroy_key: Annotated[
        bool,
        typer.Option("--destroy-key", help=text("仮名の鍵を残さない(元に戻せない)", "keep no key: cannot be undone")),
    ] = False,
    case: CaseOption = None,
    key: KeyOption = None,
    as_id: AsOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Write a copy without names and numbers."""
    import hashlib
    import secrets

    from chain_of_custody import FileHash
    from chain_of_custody.masking import mask_path
    from chain_of_custody.secret import wrap
    from triage.anonymise import anonymise as make
    from triage.anonymise import read_names
    from triage.reveal import case_of

    if not findings.is_file():
        raise UsageError("findings.jsonl がありません", "there is no such findings file")
    if out.exists():
        raise TargetError(
            f"既にあります: {mask_path(out)}",
            f"exists already: {mask_path(out)}",
            hint_ja="新しいフォルダーを指定してください",
            hint_en="name a new folder",
        )
    with case_for(
        case or case_of(findings), None, key=key, as_id=as_id, passphrase_file=passphrase_file, tool="triage"
    ) as opened:
        source = FileHash(hashlib.sha256(findings.read_bytes()).hexdigest(), findings.stat().st_size)
        with opened.action(
            "anonymise",
            {"out": mask_path(out.absolute()), "key": "destroyed" if destroy_key else "kept"},
            inputs=[source],
        ) as action:
            fresh = secrets.token_bytes(32)
            files = make(findings, timeline, fresh, read_names(names))
            if not destroy_key:
                files[KEY_NAME] = wrap(fresh, opened.people().secret_recipients())
            out.mkdir(parents=True)
            for name, data in files.items():
                (out / name).write_bytes(data)
            hashes = [FileHash(hashlib.sha256(data).hexdigest(), len(data)) for data in files.values()]
            action.set_result({"files": list(files)}, outputs=hashes)
    if as_json:
        console.print_json({"out": str(out), "files": list(files), "key": "destroyed" if destroy_key else KEY_NAME})
        return
    console.out_console().print(
        text(
            f"仮名化した写し: {out}(時刻・大きさ・構造は残ります。匿名と断定はできません)",
            f"pseudonymised copy: {out} (times, sizes and structure stay; it is no proof of anonymity)",
        ),
        markup=False,
    )


def copies(
    identity: IdentityOption = None,
    case: CaseOption = None,
    all_: Annotated[bool, typer.Option("--all", help=text("1 か所だけの内容も", "contents in one place too"))] = False,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Link copies of the same content over the images of a case."""
    from triage.content_copies import copies as find
    from triage.content_copies import scans_of
    from triage.visible import visible

    opened = options.open_named_case(case)
    folders = scans_of(opened.path)
    found = find(folders, fewest=1 if all_ else 2)
    if as_json:
        console.print_json({"scans": [one.name for one in folders], "contents": [one.to_json() for one in found]})
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(title=text("同じ内容の写し", "copies of the same content"), title_justify="left")
    heads = (
        ("SHA-256", "SHA-256"),
        ("人数", "persons"),
        ("イメージ", "image"),
        ("場所", "place"),
        ("保護", "protected"),
    )
    for ja, en in heads:
        table.add_column(text(ja, en), overflow="fold")
    for content in found:
        for number, place in enumerate(sorted(content.places)):
            protected = ", ".join(place.protection) or text("なし", "no")
            first = (content.sha256[:16], str(len(content.numbers))) if not number else ("", "")
            table.add_row(*first, place.scan, Text(visible(place.path, max_chars=160)), protected)
    out = console.out_console()
    out.print(table)
    out.print(text(f"{len(found)} 個の内容", f"{len(found)} contents"), markup=False)


@options.signing
def surplus(
    work: options.Work,
    dispose: Annotated[
        bool, typer.Option("--dispose", help=text("廃棄する(台帳に記録)", "dispose of it (recorded)"))
    ] = False,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help=text("廃棄の理由", "why"))] = "",
) -> None:
    """Count what lies outside the scope, or dispose of it."""
    from triage.surplus import dispose_of, find

    if dispose and not reason.strip():
        raise UsageError("--reason が必要です", "--reason is needed")
    with work.open() as case:
        found = find(case.path)
        entry = dispose_of(case, found, reason.strip()) if dispose and found else None
    if work.as_json:
        listed = [{"file": one.file.as_posix(), "outside": one.outside, "inside": one.inside} for one in found]
        console.print_json({"surplus": listed, "disposed": entry.seq if entry is not None else None})
        return
    out = console.out_console()
    for one in found:
        out.print(
            text(
                f"{one.file.as_posix()}: 範囲外 {one.outside} 件、範囲内 {one.inside} 件",
                f"{one.file.as_posix()}: {one.outside} outside, {one.inside} inside",
            ),
            markup=False,
        )
    if entry is not None:
        console.say_entry(entry, "廃棄しました", "disposed of", as_json=False)
    elif not found:
        out.print(text("範囲外のものはありません", "nothing lies outside"), markup=False)


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command(
        "surplus",
        **command_help(
            "調査の範囲を定める前に保存された範囲外の検出を数え、廃棄します(C5。前後のハッシュを台帳に記録)。",
            "Count, or dispose of, findings outside the scope that were stored before it was set (C5; recorded).",
            "triage surplus --case c.case",
            "triage surplus --dispose --reason '第三者の情報' --case c.case",
        ),
    )(surplus)
    app.command(
        "anonymise",
        **command_help(
            "検出と時系列の仮名化した写しを作ります(番号・名前・パス・ホストを残しません。台帳に記録)。",
            "Write a pseudonymised copy of findings and events: no numbers, names, paths or hosts (recorded).",
            "triage anonymise --findings c.case/scans/1-disk.E01/findings.jsonl --out shared --destroy-key",
        ),
    )(anonymise)
    app.command(
        "copies",
        **command_help(
            "同じ内容のファイルを、事案の全イメージにわたって結び付けます。",
            "Link files of the same content over all images of the case.",
            "triage copies --case c.case",
        ),
    )(copies)
