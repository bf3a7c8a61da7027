"""Commands of `preserve` that take and give images and collect evidence; `register(app)` adds them to the tool."""
# ruff: noqa: PLC0415 - options are parameters; what a command needs is loaded when it runs

from __future__ import annotations

import re
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from chain_of_custody import console
from chain_of_custody.console import JsonOption, text
from chain_of_custody.errors import InterruptedRunError, UsageError, VerificationError
from chain_of_custody.options import AsOption, CaseOption, KeyOption, PassphraseFileOption, case_for
from preserve.watcher import Watcher

if TYPE_CHECKING:
    from preserve.acquire import Request, Result, Target
    from preserve.devices import Device
    from preserve.watcher import Phase

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_PHASES = {
    "recheck": ("書込み済みの確認", "checking what is there"),
    "read": ("読取り", "reading"),
    "rescue": ("読取不能箇所の救出", "rescuing"),
    "hash": ("ハッシュ計算", "hashing"),
    "verify": ("検証(読戻し)", "verifying"),
    "reread": ("読取り元の再読取り", "reading the source again"),
    "write": ("書込み", "writing"),
    "check": ("確認", "checking"),
}


def parse_size(value: str) -> int:
    """Bytes of `2GiB`, `650MB`, `1048576`; all units are powers of 1024. Raises UsageError."""
    match = re.fullmatch(r"(\d+)\s*([kKmMgGtT]?)(?:i?[bB])?", value.strip())
    if match is None or int(match[1]) == 0:
        raise UsageError(
            f"大きさとして読めません: {value}",
            f"not a size: {value}",
            hint_ja="例: 2GiB、650MiB",
            hint_en="for example: 2GiB, 650MiB",
        )
    return int(match[1]) * _UNITS[match[2].lower()]


class _Bars(Watcher):
    """Shows each phase of a run as a line of progress on standard error."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._task: console.ProgressTask | None = None

    def phase(self, name: Phase, total_bytes: int) -> None:
        self._stack.close()
        self._stack = ExitStack()
        words = text(*_PHASES[name])
        if not sys.stderr.isatty():
            console.notice(f"{_PHASES[name][0]} …", f"{_PHASES[name][1]} …")
        self._task = self._stack.enter_context(console.progress(words, total_bytes))

    def advance(self, size_bytes: int) -> None:
        if self._task is not None:
            self._task.advance(size_bytes)

    def notice(self, ja: str, en: str) -> None:
        console.notice(ja, en)

    def close(self) -> None:
        self._stack.close()


def _size(size: int) -> str:
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.2f} TiB"


def _line(ja: str, en: str) -> None:
    console.out_console().print(text(ja, en), markup=False)


# preserve devices


def devices(
    device: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DEVICE]…", help=text("調べる装置(既定: すべて)", "devices to ask (default: all)")),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List block devices: identity, size, protection, use, partitions, encryption."""
    from preserve.devices import device_info, list_devices

    found = [device_info(one) for one in device] if device else list_devices()
    if as_json:
        console.print_json([one.to_json() for one in found])
        return
    for one in found:
        _show_device(one)
    if not found:
        _line("装置がありません。", "No devices.")


def _show_device(one: Device) -> None:
    _line(
        f"{one.path}  {one.label}  {_size(one.size_bytes)}({one.size_bytes:,} バイト)",
        f"{one.path}  {one.label}  {_size(one.size_bytes)} ({one.size_bytes:,} bytes)",
    )
    unknown = text("不明", "not known")
    rows = [
        (text("接続", "transport"), one.transport or unknown),
        (text("メーカ", "vendor"), one.vendor or unknown),
        (text("型番", "model"), one.model or unknown),
        ("S/N", one.serial or unknown),
        ("WWN", one.wwn or unknown),
        (
            text("セクタ(論理/物理)", "sector (logical/physical)"),
            f"{one.logical_sector_bytes} / {one.physical_sector_bytes}",
        ),
        (
            text("書込み", "writing"),
            text("禁止(読取専用フラグ)", "refused (read-only flag)")
            if one.is_read_only
            else text("可能(書込防止なし)", "POSSIBLE (no write protection)"),
        ),
        (text("使用中", "in use"), "; ".join(one.in_use) or text("いいえ", "no")),
        (
            text("パーティション", "partitions"),
            (one.partition_table and f"{one.partition_table}, {len(one.partitions)}") or unknown,
        ),
        (text("暗号化", "encryption"), ", ".join((*one.encryption, *one.notes)) or text("署名なし", "no signature")),
        ("HPA/DCO", one.hidden_area),
        ("SMART", one.smart),
    ]
    for name, value in rows:
        _line(f"    {name}: {value}", f"    {name}: {value}")


# preserve image

FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format", metavar="e01|raw", help=text("形式(既定: 名前の末尾から)", "format (default: by the name)")
    ),
]
CompressionOption = Annotated[
    str,
    typer.Option("--compression", metavar="fast|best|none", help=text("E01 の圧縮", "compression of E01")),
]
HashOption = Annotated[
    list[str] | None,
    typer.Option(
        "--hash",
        metavar="md5|sha1|sha256|sha512|blake3",
        help=text("ハッシュ(複数可、既定: md5 sha256)", "hash (repeatable; default: md5 sha256)"),
    ),
]
SegmentOption = Annotated[
    str | None,
    typer.Option(
        "--segment-size",
        metavar="SIZE",
        help=text("分割サイズ(既定: E01 は 2GiB、raw は分割なし)", "segment size (default: E01 2GiB, raw one file)"),
    ),
]
AlsoOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--also", metavar="TARGET2", help=text("同時に書く二つ目以降の書込み先", "further target, written at once")
    ),
]
NoVerifyOption = Annotated[
    bool, typer.Option("--no-verify", help=text("読戻し検証を省く", "do not read the target back"))
]


def _targets(target: Path, also: list[Path] | None, wanted: str | None) -> tuple[Target, ...]:
    from preserve.acquire import Target, format_of

    if wanted not in (None, "e01", "raw"):
        raise UsageError(
            f"使えない形式です: {wanted}", f"no such format: {wanted}", hint_ja="e01 か raw", hint_en="e01 or raw"
        )
    first = Target(target, wanted if wanted in ("e01", "raw") else format_of(target))  # type: ignore[arg-type]
    if first.format == "e01" and target.suffix == "":
        first = Target(target.with_name(target.name + ".E01"), "e01")
    return (first, *(Target(one, format_of(one, first.format)) for one in also or []))


def image(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help=text("装置またはファイル", "device or file"))],
    target: Annotated[
        Path, typer.Argument(metavar="TARGET", help=text("例: d/disk.E01、d/disk.dd", "e.g. d/disk.E01"))
    ],
    also: AlsoOption = None,
    format_: FormatOption = None,
    compression: CompressionOption = "fast",
    hash_: HashOption = None,
    segment_size: SegmentOption = None,
    item: Annotated[str, typer.Option("--item", metavar="ID", help=text("対象物番号", "evidence number"))] = "",
    description: Annotated[str, typer.Option("--description", help=text("説明", "description"))] = "",
    examiner: Annotated[str, typer.Option("--examiner", help=text("作業者の氏名", "name of the examiner"))] = "",
    witness: Annotated[str, typer.Option("--witness", help=text("立会人の氏名", "name of the witness"))] = "",
    case_number: Annotated[str, typer.Option("--case-number", help=text("事件番号", "case number"))] = "",
    notes: Annotated[str, typer.Option("--notes", help=text("備考", "notes"))] = "",
    blocker: Annotated[
        str,
        typer.Option(
            "--blocker", metavar='"MODEL S/N"', help=text("書込防止装置の型番と S/N", "write blocker: model, S/N")
        ),
    ] = "",
    live: Annotated[
        str,
        typer.Option(
            "--live", metavar="REASON", help=text("使用中のまま取得する理由", "image it while in use, because …")
        ),
    ] = "",
    resume: Annotated[
        bool, typer.Option("--resume", help=text("中断した取得の続き", "go on with a run that stopped"))
    ] = False,
    retries: Annotated[
        int,
        typer.Option("--retries", min=0, max=100, help=text("読取不能セクタの再試行回数", "retries of bad sectors")),
    ] = 1,
    reread_source: Annotated[
        bool,
        typer.Option(
            "--reread-source", help=text("読取り元をもう一度読んで比べる", "read the source again and compare")
        ),
    ] = False,
    no_verify: NoVerifyOption = False,
    empty_target: Annotated[
        bool,
        typer.Option(
            "--empty-target", help=text("書込み先の媒体が空でなければ中止", "refuse a target medium with files on it")
        ),
    ] = False,
    case: CaseOption = None,
    as_id: AsOption = None,
    key: KeyOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a hashed, verified image of a disk, a USB stick or a file, to one target or several at once."""
    from preserve.acquire import Request, Typed, acquire, open_source

    _check_compression(compression)
    request = Request(
        source=source,
        targets=_targets(target, also, format_),
        compression=compression,  # type: ignore[arg-type]
        algorithms=tuple(dict.fromkeys(hash_ or ("md5", "sha256"))),
        segment_size=None if segment_size is None else parse_size(segment_size),
        typed=Typed(item, description, examiner, witness, blocker, case_number, notes, live),
        resume=resume,
        retries=retries,
        reread_source=reread_source,
        verify=not no_verify,
        must_be_empty=empty_target,
    )
    bars = _Bars()
    # What makes no sense is refused before a case is made for it.
    opened = open_source(request)
    try:
        _say_protection(opened.protection, direct=opened.source.is_direct, source=source)
        with case_for(case, source, key=key, as_id=as_id, passphrase_file=passphrase_file, tool="preserve") as ledger:
            try:
                result = acquire(request, case=ledger, watcher=bars, opened=opened)
            except KeyboardInterrupt:
                bars.close()
                _interrupted(request)
            finally:
                bars.close()
    finally:
        opened.source.close()
    _report(request, result, as_json=as_json)


def _check_compression(compression: str) -> None:
    if compression not in ("fast", "best", "none"):
        raise UsageError(
            f"使えない圧縮です: {compression}",
            f"no such compression: {compression}",
            hint_ja="fast、best、none のどれか",
            hint_en="one of fast, best, none",
        )


def _say_protection(protection: str, *, direct: bool, source: Path) -> None:
    if protection == "none":
        console.notice(
            f"注意: {source} は書込防止されていません(読取専用では開いています)",
            f"note: {source} is not write-protected (it is opened read-only)",
        )
    elif protection == "software":
        console.notice("書込防止(ソフトウェア): 読取専用フラグ", "write protection (software): the read-only flag")
    if not direct:
        console.notice(
            "注意: 直接読取り(O_DIRECT)ができないため、キャッシュ経由で読みます",
            "note: direct reads (O_DIRECT) are not possible here: reading through the cache",
        )


def _interrupted(request: Request) -> NoReturn:
    raise InterruptedRunError(
        f"中断しました: {request.targets[0].path}",
        f"stopped: {request.targets[0].path}",
        hint_ja="同じコマンドに --resume を付ければ続きから再開します",
        hint_en="the same command with --resume goes on from there",
    )


def _report(request: Request, result: Result, *, as_json: bool) -> None:
    words = result.words
    if as_json:
        console.print_json(
            {
                "size": result.size,
                "sector_size": result.sector_size,
                "hashes": result.hashes,
                "unreadable": [{"offset": offset, "size": size} for offset, size in result.unreadable],
                "unreadable_sectors": result.unreadable_sectors,
                "zero_bytes": result.zero_bytes,
                "padding": result.padding,
                "files": [str(path) for path in (*result.files, *result.sidecars)],
                "result": {"ja": words[0], "en": words[1]},
                "is_equal": result.is_equal if result.checks or result.reread is not None else None,
                "is_resumed": result.is_resumed,
                "recomputed_from_target": result.recomputed_from_target,
                "seconds": round(result.seconds, 3),
            },
        )
    else:
        rate = result.size / max(result.seconds, 1e-9) / (1 << 20)
        _line(f"結果: {words[0]}", f"Result: {words[1]}")
        for name, value in result.hashes.items():
            _line(f"  {name}: {value}", f"  {name}: {value}")
        _line(
            f"  {result.size:,} バイト、{result.seconds:.1f} 秒({rate:,.0f} MiB/s)",
            f"  {result.size:,} bytes, {result.seconds:.1f} s ({rate:,.0f} MiB/s)",
        )
        if result.recomputed_from_target:
            _line(
                f"  うち {result.recomputed_from_target:,} バイトのハッシュは書込み先から再計算",
                f"  hashes of {result.recomputed_from_target:,} bytes of it were computed from the target",
            )
        shown = [str(target.path) for target in request.targets]
        _line(
            f"保存先: {'、'.join(shown)}({len(result.files)} ファイル)",
            f"Written: {', '.join(shown)} ({len(result.files)} files)",
        )
        beside = [str(request.targets[0].sidecar(ending)) for ending in (".json", ".map")]
        _line(
            f"  ハッシュと読取不能箇所: {'、'.join(beside)}",
            f"  hashes and unreadable places: {', '.join(beside)}",
        )
        if result.is_equal:
            _line(
                f"次に: triage scan {shown[0]}",
                f"Next: triage scan {shown[0]}",
            )
    if not result.is_equal:
        json_path = request.targets[0].sidecar(".json")
        raise VerificationError(
            f"NG: {words[0]}",
            f"NG: {words[1]}",
            hint_ja=f"異なる範囲は {json_path} にあります。書込み先を替えて取り直してください",
            hint_en=f"the ranges stand in {json_path}; take the image again onto another medium",
        )
    if result.unreadable:
        sys.exit(console.EXIT_PARTIAL)


def register(app: typer.Typer) -> None:
    """Add the imaging commands to `app`."""
    for function, name, ja, en in _COMMANDS:
        app.command(name, help=text(ja, en))(function)


_COMMANDS: list[tuple[Any, str, str, str]] = [
    (devices, "devices", "接続された装置の一覧(識別情報、書込防止、暗号化)", devices.__doc__ or ""),
    (image, "image", "ディスク・USB メモリ・ファイルをハッシュ付きで複製し、読み戻して検証する", image.__doc__ or ""),
]
