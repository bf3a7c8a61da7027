"""The command `preserve`: images in and out, and what is on them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chain_of_custody import console
from chain_of_custody.console import JsonOption, LangOption, text
from chain_of_custody.masking import mask_text
from chain_of_custody.options import AsOption, CaseOption, KeyOption, PassphraseFileOption, case_for
from preserve.identity_option import IdentityOption

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chain_of_custody.jcs import Json
    from preserve.evidence import Evidence
    from preserve.extract import Extracted
    from preserve.filesystem import FileEntry
    from preserve.image import Image, Problem, UnreadableRange
    from preserve.keys import Keys
    from preserve.verify import Verification

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=text("ディスクイメージの取得・検証・閲覧・抽出。", "Takes, verifies, lists and extracts disk images."),
    epilog=text(
        "例: preserve devices、preserve image /dev/sdb disk.E01",
        "Example: preserve devices, then preserve image /dev/sdb disk.E01",
    ),
)

ImageArgument = Annotated[
    Path,
    typer.Argument(metavar="IMAGE", help=text("イメージ(E01、raw、分割 raw …)", "image (E01, raw, split raw …)")),
]


KeysOption = Annotated[
    Path | None,
    typer.Option(
        "--keys",
        metavar="FILE",
        help=text(
            "暗号化ボリュームの鍵(1 行に 1 つ「ボリュームまたは*:recovery|password|keyfile|startup:値」)",
            "keys of encrypted volumes, one a line: volume-or-*:recovery|password|keyfile|startup:value",
        ),
    ),
]
AskKeyOption = Annotated[
    bool,
    typer.Option(
        "--ask-key", help=text("鍵を画面で尋ねる(表示・記録しない)", "ask for a key (not shown, not recorded)")
    ),
]
InsideOption = Annotated[
    list[str] | None,
    typer.Option(
        "--inside",
        metavar="LAYER",
        help=text(
            "媒体の中の媒体(info の表示名: vss:1、bitlocker、lvm:…。またはイメージファイルのパス。重ねて指定可)",
            "a medium inside, as info names it (vss:1, bitlocker, lvm:…), or an image file's path; repeat to go deeper",
        ),
    ),
]


def _keys_of(keys: Path | None, ask: bool) -> Keys:
    """The keys of the options; raises UsageError."""
    if keys is None and not ask:
        return ()
    from preserve.keys import read_keys  # noqa: PLC0415 - start-up time

    asked: list[str] = []
    if ask:
        import getpass  # noqa: PLC0415

        asked = [getpass.getpass(text("回復キーまたはパスワード: ", "recovery key or password: "))]
    return read_keys(keys, asked)


@app.callback()
def _preserve(lang: LangOption = None) -> None:
    """Options that stand before the command."""


_CONTROLS = {
    code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
    for code in (*range(32), *range(127, 160), 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}


def _shown(value: str) -> str:
    """A text from the evidence as it may be shown: numbers masked, and nothing that steers a terminal."""
    return mask_text(value).translate(_CONTROLS)


def _show_unreadable(ranges: Sequence[UnreadableRange]) -> None:
    for one in ranges[:20]:
        console.notice(
            f"読取不能: {one.offset} から {one.size} バイト({one.reason}): {_shown(one.detail)}",
            f"unreadable: {one.size} bytes at {one.offset} ({one.reason}): {_shown(one.detail)}",
        )
    if len(ranges) > 20:
        console.notice(f"… ほか {len(ranges) - 20} 箇所", f"… and {len(ranges) - 20} more")


def _show_problems(problems: Sequence[Problem]) -> None:
    for one in problems[:50]:
        where, detail = _shown(one.where), _shown(one.detail)
        console.notice(f"注意: {where}: {detail}({one.reason})", f"note: {where}: {detail} ({one.reason})")
    if len(problems) > 50:
        console.notice(f"… ほか {len(problems) - 50} 件", f"… and {len(problems) - 50} more")


def _problem_json(one: Problem) -> dict[str, Any]:
    return {
        "path": mask_text(one.where),
        "kind": one.kind,
        "reason": one.reason,
        "detail": mask_text(one.detail),
        "offset": one.offset,
        "size": one.size,
    }


def _unreadable_json(one: UnreadableRange) -> dict[str, Any]:
    return {"offset": one.offset, "size": one.size, "reason": one.reason, "detail": mask_text(one.detail)}


def _info_json(evidence: Evidence) -> dict[str, Any]:
    image = evidence.image
    volumes = []
    for volume in evidence.volumes:
        fs = evidence.filesystems.get(volume.index)
        volumes.append(
            {
                "layer": volume.layer,
                "offset": volume.offset,
                "size": volume.size,
                "description": volume.description,
                "name": _shown(volume.name),
                "filesystem": None
                if fs is None
                else {"kind": fs.kind, "label": _shown(fs.label), "block_size": fs.block_size, "size": fs.size},
            },
        )
    notes: Mapping[str, str] = getattr(image, "notes", {})
    return {
        "layer": mask_text(image.layer),
        "format": image.layer.partition(":")[0],
        "size": image.size,
        "sector_size": image.sector_size,
        "stored_hashes": dict(image.stored_hashes),
        "segments": [{"name": mask_text(one.name), "size": one.stat().st_size} for one in image.segments],
        "notes": {name: _shown(value) for name, value in notes.items()},
        "format_details": {
            name: getattr(image, name)
            for name in ("media_type", "is_physical", "compression_level", "chunk_size", "is_complete")
            if hasattr(image, name)
        },
        "acquisition_errors": [
            {"offset": one.offset, "size": one.size} for one in getattr(image, "acquisition_errors", ())
        ],
        "repaired": sorted(_shown(one) for one in getattr(image, "repaired", ())),
        "ignored_files": [_shown(one) for one in getattr(image, "ignored", ())],
        "volumes": volumes,
        "outside": [{"offset": one.offset, "size": one.size} for one in evidence.outside],
        "encryption": [
            {"kind": one.kind, "where": mask_text(one.where), "offset": one.offset, "size": one.size}
            for one in evidence.encryption
        ],
        "inside": [
            {
                "name": mask_text(one.layer.removeprefix(f"{image.layer}|")),
                "kind": one.kind,
                "description": _shown(one.description),
                "created_ns": one.created_ns,
                "changed_bytes": None if one.changed is None else sum(part.size for part in one.changed),
            }
            for one in evidence.inner
        ],
        "problems": [_problem_json(one) for one in evidence.problems],
        "unreadable": [_unreadable_json(one) for one in image.unreadable()],
    }


_NOTE_NAMES = {
    "case_number": "事案番号",
    "evidence_number": "証拠番号",
    "description": "説明",
    "examiner": "担当者",
    "notes": "備考",
    "software_version": "取得ソフト",
    "operating_system": "取得時の OS",
    "acquired": "取得日時",
    "system_date": "システム日時",
    "model": "機種",
    "serial_number": "シリアル番号",
}


def _bytes(size: int) -> str:
    power = max(0, (size.bit_length() - 1) // 10) if size else 0
    unit = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")[min(power, 5)]
    return f"{size:,} B" if power == 0 else f"{size:,} B ({size / (1 << 10 * min(power, 5)):.1f} {unit})"


def _print_info(info: Mapping[str, Any]) -> None:
    from rich.table import Table  # noqa: PLC0415 - start-up time
    from rich.text import Text  # noqa: PLC0415

    out = console.out_console()

    def line(ja: str, en: str, value: object) -> None:
        out.print(f"{text(ja, en)}: {_shown(str(value))}", markup=False)

    line("イメージ", "image", info["layer"])
    line("媒体の容量", "size of the medium", f"{_bytes(info['size'])}, {info['sector_size']} B/sector")
    segments = info["segments"]
    names = segments[0]["name"] if len(segments) == 1 else f"{segments[0]['name']} … {segments[-1]['name']}"
    line("ファイル", "files", f"{len(segments)} ({names}; {_bytes(sum(one['size'] for one in segments))})")
    for name, value in info["stored_hashes"].items():
        line(f"記録されたハッシュ {name}", f"stored {name}", value)
    if not info["stored_hashes"]:
        line("記録されたハッシュ", "stored hashes", text("なし", "none"))
    for name, value in info["notes"].items():
        line(_NOTE_NAMES.get(name, name), name.replace("_", " "), value)
    for one in info["acquisition_errors"][:20]:
        line("取得時の読取不能", "not read at acquisition", f"{one['size']} B @ {one['offset']}")
    for one in info["repaired"]:
        line("損傷(読取り可)", "damaged, read all the same", one)
    for one in info["ignored_files"]:
        line("使わないファイル", "file not used", one)
    table = Table(title=text("ボリューム", "volumes"), title_justify="left")
    for ja, en in (
        ("番号", "number"),
        ("位置", "offset"),
        ("容量", "size"),
        ("種類", "type"),
        ("ファイルシステム", "file system"),
    ):
        table.add_column(text(ja, en), justify="right" if en in ("offset", "size") else "left")
    for volume in info["volumes"]:
        fs = volume["filesystem"]
        shown = "-" if fs is None else _shown(f"{fs['kind']} {fs['label']}".strip())
        name = _shown(f"{volume['description']} {volume['name']}".strip())
        cells = (volume["layer"] or "-", str(volume["offset"]), str(volume["size"]), name, shown)
        table.add_row(*(Text(cell) for cell in cells))
    out.print(table)
    for one in info["encryption"]:
        line("暗号化", "encryption", f"{one['kind']} ({one['where']})")
    for one in info["inside"]:
        when = "" if one["created_ns"] is None else f", {_when(one['created_ns'], True)}"
        line("媒体の中の媒体", "medium inside", f"{one['name']}: {one['description']}{when}")


@app.command(
    help=text(
        "イメージの形式・容量・記録されたハッシュ・取得時の記録・ボリューム・暗号化を表示します(事案は作りません)。",
        "Show format, size, stored hashes, acquisition notes, volumes and encryption (no case is made).",
    ),
    epilog=text(
        "例:\n\n    preserve info disk.E01\n\n    preserve info disk.001 --json\n\n"
        "終了コード: 0 / 3 読めない部分あり / 4 読めない",
        "Examples:\n\n    preserve info disk.E01\n\n    preserve info disk.001 --json\n\n"
        "Exit codes: 0 / 3 parts cannot be read / 4 cannot be read at all",
    ),
)
def info(
    image: ImageArgument,
    inside: InsideOption = None,
    keys: KeysOption = None,
    ask_key: AskKeyOption = False,
    identity: IdentityOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Show what an image is and what is on it."""
    from preserve.evidence import open_inside  # noqa: PLC0415 - `--help` must not load numpy and pytsk3

    with open_inside(image, inside or (), keys=_keys_of(keys, ask_key), walk=False) as evidence:
        opened = evidence.image
        facts = _info_json(evidence)
        if as_json:
            console.print_json(facts)
        else:
            _print_info(facts)
            _show_problems(evidence.problems)
            _show_unreadable(opened.unreadable())
        partial = bool(evidence.problems or opened.unreadable())
    raise typer.Exit(console.EXIT_PARTIAL if partial else console.EXIT_OK)


_VERDICTS = {
    "match": ("一致しました", "match: the image is what was recorded"),
    "mismatch": ("一致しません(NG)", "NG: the image is not what was recorded"),
    "unreadable": ("読めない部分があり、判定できません", "parts cannot be read, so nothing can be said"),
    "nothing": ("比べる相手がありません(計算したハッシュを記録しました)", "nothing to compare with (hashes recorded)"),
}


@app.command(
    help=text(
        "媒体全体のハッシュを計算し直し、イメージ内と台帳の記録に照らします(台帳に記録)。",
        "Hash the whole medium again and compare with the image's own hashes and the ledger (recorded).",
    ),
    epilog=text(
        "例:\n\n    preserve verify disk.E01\n\n    preserve verify disk.dd --case 2026-014.case\n\n"
        "終了コード: 0 一致 / 1 不一致 / 3 比べる相手がない・読めない部分がある",
        "Examples:\n\n    preserve verify disk.E01\n\n    preserve verify disk.dd --case 2026-014.case\n\n"
        "Exit codes: 0 match / 1 NG / 3 nothing to compare with, or parts unreadable",
    ),
)
def verify(
    image: ImageArgument,
    identity: IdentityOption = None,
    case: CaseOption = None,
    key: KeyOption = None,
    as_id: AsOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Verify an image against what was recorded."""
    from preserve.image import open_image  # noqa: PLC0415 - start-up time
    from preserve.verify import recorded_hashes, verify_image  # noqa: PLC0415

    with (
        open_image(image) as opened,
        case_for(case, image, key=key, as_id=as_id, passphrase_file=passphrase_file, tool="preserve") as kept,
    ):
        name = mask_text(opened.segments[0].name)
        recorded = recorded_hashes(kept.path, opened)
        begin: dict[str, Json] = {"image": name, "path": mask_text(str(image.absolute())), "size": str(opened.size)}
        with kept.action("verify", begin, item=name) as action:
            with console.progress(text("検証", "verifying"), opened.size) as task:
                result = verify_image(opened, recorded, advance=task.advance)
            action.set_result(
                _verify_body(name, result),
                status="done" if result.verdict in ("match", "mismatch") else "partial",
            )
    if as_json:
        console.print_json(_verify_json(opened, result))
    else:
        _print_verify(opened, result)
    raise typer.Exit(result.exit_code)


def _verify_body(name: str, result: Verification) -> dict[str, Json]:
    compared: list[Json] = [
        {"source": one.source, "algorithm": one.algorithm, "expected": one.expected, "equal": one.is_equal}
        for one in result.comparisons
    ]
    unreadable: list[Json] = [
        {"offset": str(one.offset), "size": str(one.size), "reason": one.reason, "detail": mask_text(one.detail)}
        for one in result.unreadable[:100]
    ]
    return {
        "image": name,
        "size": str(result.size),
        "hashes": dict(result.hashes),
        "compared": compared,
        "unreadable": unreadable,
        "unreadable_bytes": str(sum(one.size for one in result.unreadable)),
        "verdict": result.verdict,
    }


def _verify_json(image: Image, result: Verification) -> dict[str, Any]:
    return {
        "image": mask_text(image.layer),
        "size": result.size,
        "hashes": dict(result.hashes),
        "compared": [
            {
                "source": one.source,
                "algorithm": one.algorithm,
                "expected": one.expected,
                "computed": one.computed,
                "equal": one.is_equal,
            }
            for one in result.comparisons
        ],
        "unreadable": [_unreadable_json(one) for one in result.unreadable],
        "verdict": result.verdict,
    }


def _print_verify(image: Image, result: Verification) -> None:
    out = console.out_console()
    out.print(f"{_shown(image.layer)}: {_bytes(result.size)}", markup=False)
    for name, value in result.hashes.items():
        out.print(f"  {name:7}{value}", markup=False)
    for one in result.comparisons:
        mark = text("一致", "equal") if one.is_equal else text("不一致", "DIFFERS")
        shown = "" if one.is_equal else f" ({text('記録', 'recorded')}: {one.expected})"
        out.print(f"  {one.source}: {one.algorithm}: {mark}{shown}", markup=False)
    _show_unreadable(result.unreadable)
    out.print(f"{text('判定', 'verdict')}: {text(*_VERDICTS[result.verdict])}", markup=False)


def _entry_json(evidence: Evidence, entry: FileEntry) -> dict[str, Any]:
    from preserve.evidence import layers_of  # noqa: PLC0415 - start-up time

    path = mask_text(entry.path)
    line: dict[str, Any] = {
        "id": "-".join(str(part) for part in entry.id),
        "path": path,
        "layers": mask_text(layers_of(evidence, entry)),
        "kind": entry.kind,
        "state": entry.state,
        "size": entry.size,
        "name_only": entry.name_only,
        "resident": entry.resident,
        "compressed": entry.compressed,
        "encrypted": entry.encrypted,
        "sparse": entry.sparse,
        "reallocated_bytes": entry.reallocated_bytes,
        "runs": [[run.file_offset, run.offset, run.size] for run in entry.runs],
        "resident_offset": entry.resident_offset,
        "times": {
            name: {"ns": one.ns, "raw": one.raw, "precision_ns": one.precision_ns, "zone_known": one.zone_known}
            for name, one in entry.times.items()
        },
    }
    # The bytes of a name with a number in it would be the number in the clear.
    if entry.path_bytes is not None and path == entry.path:
        line["path_b64"] = base64.b64encode(entry.path_bytes).decode("ascii")
    if entry.unsupported:
        line["unsupported"] = entry.unsupported
    return line


@app.command(
    name="list",
    help=text(
        "イメージ内の全ファイルを表示します。マイナンバーを含む名前は伏せます(事案は作りません)。",
        "List every file on an image; My Numbers in names are masked (no case is made).",
    ),
    epilog=text(
        "例:\n\n    preserve list disk.E01\n\n    preserve list disk.E01 --deleted\n\n"
        "    preserve list disk.E01 --json    (1 行に 1 ファイル)",
        "Examples:\n\n    preserve list disk.E01\n\n    preserve list disk.E01 --deleted\n\n"
        "    preserve list disk.E01 --json    (one file a line)",
    ),
)
def list_(
    image: ImageArgument,
    deleted: Annotated[
        bool,
        typer.Option("--deleted", help=text("削除されたファイルだけ", "only deleted files")),
    ] = False,
    inside: InsideOption = None,
    keys: KeysOption = None,
    ask_key: AskKeyOption = False,
    identity: IdentityOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """List the files on an image."""
    from preserve.evidence import layer_of_volume, open_inside  # noqa: PLC0415 - start-up time

    with open_inside(image, inside or (), keys=_keys_of(keys, ask_key)) as evidence:
        opened = evidence.image
        out = console.out_console()
        volume = -1
        for entry in evidence.entries:
            if deleted and entry.state != "deleted":
                continue
            if as_json:
                console.print_json_line(_entry_json(evidence, entry))
                continue
            if entry.volume != volume:
                volume = entry.volume
                fs = evidence.filesystems.get(volume)
                where = _shown(layer_of_volume(opened, evidence.volumes[volume]))
                out.print(f"# {where}|{fs.layer if fs else '-'}", markup=False)
            flags = "".join(
                mark if is_set else "-"
                for mark, is_set in (
                    (
                        "d" if entry.kind == "directory" else "m" if entry.kind == "metadata" else "s",
                        entry.kind != "file",
                    ),
                    ("*", entry.state == "deleted"),
                    ("r", entry.resident),
                    ("c", entry.compressed),
                    ("e", entry.encrypted),
                )
            )
            modified = entry.times.get("modified") if entry.times else None
            when = _when(modified.ns, modified.zone_known) if modified is not None else " " * 20
            shown = _shown(entry.path)
            entry_id = "-".join(str(part) for part in entry.id)
            name = shown if shown == entry.path else f"{shown}  [id:{entry_id}]"
            out.print(f"{flags} {entry.size:>14} {when} {name}", markup=False)
        _show_problems(evidence.problems)
        _show_unreadable(opened.unreadable())
        partial = bool(evidence.problems or opened.unreadable())
    raise typer.Exit(console.EXIT_PARTIAL if partial else console.EXIT_OK)


def _when(ns: int | None, zone_known: bool) -> str:
    """A time to the second in UTC, or local wall time (without Z) where the zone is not known."""
    import datetime as dt  # noqa: PLC0415 - start-up time

    if ns is None or not -62_135_596_800 <= ns // 1_000_000_000 <= 253_402_300_799:
        return "-" * 20
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=ns // 1_000_000_000)
    return f"{moment:%Y-%m-%dT%H:%M:%S}{'Z' if zone_known else ' '}"


@app.command(
    help=text(
        "ファイルを取り出します(台帳に記録し、ハッシュを付けます)。中身は伏せ字になりません。",
        "Copy files out of an image (recorded and hashed). Their content is not masked.",
    ),
    epilog=text(
        "例:\n\n    preserve extract disk.E01 /Users/user/給与.xlsx --out 抽出\n\n"
        "    preserve extract disk.E01 /Users --out 抽出\n\n"
        "    preserve extract disk.E01 id:0-64-1-128-2 --out 抽出\n\n"
        "終了コード: 0 / 2 そのようなファイルはない / 3 一部を読めない / 5 書けない",
        "Examples:\n\n    preserve extract disk.E01 /Users/user/pay.xlsx --out extracted\n\n"
        "    preserve extract disk.E01 /Users --out extracted\n\n"
        "    preserve extract disk.E01 id:0-64-1-128-2 --out extracted\n\n"
        "Exit codes: 0 / 2 no such file / 3 parts not readable / 5 cannot write",
    ),
)
def extract(
    image: ImageArgument,
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH…",
            help=text("ファイル、フォルダー、または id:…(list に表示)", "files, folders, or id:… as shown by list"),
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", help=text("出力先(新規または空)", "target folder (new or empty)")),
    ],
    inside: InsideOption = None,
    keys: KeysOption = None,
    ask_key: AskKeyOption = False,
    identity: IdentityOption = None,
    case: CaseOption = None,
    key: KeyOption = None,
    as_id: AsOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Copy files out of an image."""
    from preserve import extract as extracting  # noqa: PLC0415 - start-up time
    from preserve.evidence import open_inside  # noqa: PLC0415

    with open_inside(image, inside or (), keys=_keys_of(keys, ask_key)) as evidence:
        opened = evidence.image
        chosen = extracting.choose(evidence, paths)
        extracting.prepare_folder(out)
        with case_for(case, image, key=key, as_id=as_id, passphrase_file=passphrase_file, tool="preserve") as kept:
            name = mask_text(opened.segments[0].name)
            begin: dict[str, Json] = {
                "image": name,
                "path": mask_text(str(image.absolute())),
                "paths": [mask_text(path) for path in paths[:200]],
                "inside": [mask_text(name) for name in inside or ()],
                "files": str(len(chosen)),
                "out": mask_text(str(out.absolute())),
            }
            with kept.action("extract", begin, item=name) as action:
                with console.progress(text("抽出", "extracting"), len(chosen), unit="items") as task:
                    done = extracting.extract(evidence, chosen, out, advance=task.advance, isolate=True)
                _record_extracted(action, done, out / extracting.MANIFEST)
    _print_extracted(done, as_json=as_json)
    _show_problems(evidence.problems)
    raise typer.Exit(console.EXIT_PARTIAL if any(one.problem for one in done) else console.EXIT_OK)


def _record_extracted(action: Any, done: Sequence[Extracted], manifest: Path) -> None:  # noqa: ANN401 - Action
    import hashlib  # noqa: PLC0415 - start-up time

    from chain_of_custody import FileHash  # noqa: PLC0415

    data = manifest.read_bytes()
    whole = FileHash(hashlib.sha256(data).hexdigest(), len(data))
    outputs = [FileHash(one.sha256, one.size) for one in done[:1000]]
    body: dict[str, Json] = {
        "files": str(len(done)),
        # The whole list stands in the manifest, whose hash is the first of the outputs.
        "first": [
            {"path": mask_text(one.layers), "sha256": one.sha256, "size": str(one.size), "problem": one.problem}
            for one in done[:200]
        ],
        "manifest": {"name": manifest.name, "sha256": whole.sha256},
        "problems": str(sum(bool(one.problem) for one in done)),
    }
    status = "partial" if any(one.problem for one in done) else "done"
    action.set_result(body, outputs=[whole, *outputs], status=status)


def _print_extracted(done: Sequence[Extracted], *, as_json: bool) -> None:
    if as_json:
        console.print_json([one.to_json() for one in done])
        return
    out = console.out_console()
    for one in done:
        note = f"  ! {one.problem}" if one.problem else ""
        out.print(f"{one.sha256}  {one.size:>12}  {_shown(one.target)}{note}", markup=False)
    out.print(text(f"{len(done)} ファイルを取り出しました", f"{len(done)} files extracted"), markup=False)


def _register_imaging() -> None:
    """Add the commands that take and give images."""
    from preserve import imaging_cli, live_cli, sealing_cli  # noqa: PLC0415 - it names this tool's own commands, so it comes last

    imaging_cli.register(app)
    sealing_cli.register(app)
    live_cli.register(app)


_register_imaging()


def main() -> None:
    """Entry point of the command `preserve`."""
    console.run(app)
