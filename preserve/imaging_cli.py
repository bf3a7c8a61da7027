"""Commands of `preserve` that take and give images and collect evidence; `register(app)` adds them to the tool."""
# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

import re
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chain_of_custody import console
from chain_of_custody.console import JsonOption, LangOption, text
from chain_of_custody.errors import InterruptedRunError, UsageError, VerificationError
from chain_of_custody.masking import mask_path, mask_text
from chain_of_custody.options import AsOption, CaseOption, KeyOption, PassphraseFileOption, case_for, command_help
from preserve.identity_option import IdentityOption
from preserve.watcher import Watcher

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from preserve.acquire import Result
    from preserve.devices import Device
    from preserve.request import Request, Target
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
            f"大きさとして読めません: {mask_text(value)}",
            f"not a size: {mask_text(value)}",
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


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
    lang: LangOption = None,
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


def _in_japanese(words: str) -> str:
    """The fixed phrases of a device's description in the language of this run."""
    from preserve.devices import NOT_KNOWN, VERACRYPT

    if words.startswith("HPA: "):
        parts = re.sub(
            r"(\d+) sectors hidden \((\d+) of (\d+) visible\)", r"\1 セクタが隠されている(\3 中 \2 が見える)", words
        )
        return text(parts.replace("none", "なし").replace(NOT_KNOWN, "不明"), words)
    fixed = {NOT_KNOWN: "不明", "none": "なし", VERACRYPT: "VeraCrypt は排除できません(署名がないため)"}
    return text(fixed.get(words, words), words)


def _show_device(one: Device) -> None:
    _line(
        f"{one.path}  {one.label}  {_size(one.size_bytes)}({one.size_bytes:,} バイト)",
        f"{one.path}  {one.label}  {_size(one.size_bytes)} ({one.size_bytes:,} bytes)",
    )
    unknown = text("不明", "not known")
    rows = [
        (text("接続", "transport"), one.transport or unknown),
        (text("メーカー", "vendor"), one.vendor or unknown),
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
        (
            text("暗号化", "encryption"),
            ", ".join(_in_japanese(part) for part in (*one.encryption, *one.notes)) or text("署名なし", "no signature"),
        ),
        ("HPA/DCO", _in_japanese(one.hidden_area)),
        ("SMART", _in_japanese(one.smart)),
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
ItemOption = Annotated[str, typer.Option("--item", metavar="ID", help=text("対象物番号", "evidence number"))]
NoVerifyOption = Annotated[
    bool, typer.Option("--no-verify", help=text("読戻し検証を省く", "do not read the target back"))
]


def _targets(target: Path, also: list[Path] | None, wanted: str | None) -> tuple[Target, ...]:
    from preserve.request import Target, format_of

    if wanted not in (None, "e01", "raw"):
        raise UsageError(
            f"使えない形式です: {mask_text(wanted or '')}",
            f"no such format: {mask_text(wanted or '')}",
            hint_ja="e01 か raw",
            hint_en="e01 or raw",
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
    item: ItemOption = "",
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
    lang: LangOption = None,
) -> None:
    """Make a hashed, verified image of a disk, a USB stick or a file, to one target or several at once."""
    from preserve.acquire import acquire
    from preserve.preflight import check_targets, open_source
    from preserve.request import Request, Typed

    _check_compression(compression)
    request = Request(
        source=source,
        targets=_targets(target, also, format_),
        compression=compression,  # type: ignore[arg-type]
        algorithms=_algorithms(hash_),
        segment_size=None if segment_size is None else parse_size(segment_size),
        typed=Typed(item, description, examiner, witness, blocker, case_number, notes, live),
        resume=resume,
        retries=retries,
        reread_source=reread_source,
        verify=not no_verify,
        must_be_empty=empty_target,
    )
    # What makes no sense is refused before a case is made for it.
    opened = open_source(request)
    try:
        check_targets(request, opened.source.size)
        _say_protection(opened.protection, direct=opened.source.is_direct, source=source)
        with (
            case_for(case, source, key=key, as_id=as_id, passphrase_file=passphrase_file, tool="preserve") as ledger,
            _resumable(request),
            _Bars() as bars,
        ):
            result = acquire(request, case=ledger, watcher=bars, opened=opened)
    finally:
        opened.source.close()
    _report(request, result, as_json=as_json)


def _algorithms(given: list[str] | None) -> tuple[str, ...]:
    """Hashes as asked for, each once; md5 and sha256 by default."""
    return tuple(dict.fromkeys(given or ("md5", "sha256")))


def _check_compression(compression: str) -> None:
    if compression not in ("fast", "best", "none"):
        raise UsageError(
            f"使えない圧縮です: {mask_text(compression)}",
            f"no such compression: {mask_text(compression)}",
            hint_ja="fast、best、none のどれか",
            hint_en="one of fast, best, none",
        )


def _say_protection(protection: str, *, direct: bool, source: Path) -> None:
    if protection == "none":
        console.notice(
            f"注意: {mask_path(source)} は書込防止されていません(読取専用では開いています)",
            f"note: {mask_path(source)} is not write-protected (it is opened read-only)",
        )
    elif protection == "software":
        console.notice("書込防止(ソフトウェア): 読取専用フラグ", "write protection (software): the read-only flag")
    if not direct:
        console.notice(
            "注意: 直接読取り(O_DIRECT)ができないため、キャッシュ経由で読みます",
            "note: direct reads (O_DIRECT) are not possible here: reading through the cache",
        )


@contextmanager
def _resumable(request: Request) -> Iterator[None]:
    """Say how a run goes on that the user stops."""
    try:
        yield
    except KeyboardInterrupt:
        target = mask_path(request.targets[0].path)
        raise InterruptedRunError(
            f"中断しました: {target}",
            f"stopped: {target}",
            hint_ja="同じコマンドに --resume を付ければ続きから再開します",
            hint_en="the same command with --resume goes on from there",
        ) from None


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
                "hole_bytes": result.hole_bytes,
                "padding": result.padding,
                "files": [mask_path(path) for path in (*result.files, *result.sidecars)],
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
        if result.hole_bytes:
            _line(
                f"  うち {result.hole_bytes:,} バイトは読取り元ファイルの穴(スパース)で、読まずにゼロとした",
                f"  {result.hole_bytes:,} bytes of it are holes of the (sparse) source file: not read, zeros",
            )
        if result.recomputed_from_target:
            _line(
                f"  うち {result.recomputed_from_target:,} バイトのハッシュは書込み先から再計算",
                f"  hashes of {result.recomputed_from_target:,} bytes of it were computed from the target",
            )
        shown = [mask_path(target.path) for target in request.targets]
        _line(
            f"保存先: {'、'.join(shown)}({len(result.files)} ファイル)",
            f"Written: {', '.join(shown)} ({len(result.files)} files)",
        )
        beside = [mask_path(request.targets[0].sidecar(ending)) for ending in (".json", ".map")]
        _line(
            f"  ハッシュと読取不能箇所: {'、'.join(beside)}",
            f"  hashes and unreadable places: {', '.join(beside)}",
        )
        if result.is_equal:
            _line(
                f"次に: triage scan {shown[0]}",
                f"Next: triage scan {shown[0]}",
            )
    json_path = mask_path(request.targets[0].sidecar(".json"))
    _end(
        words,
        is_ok=result.is_equal,
        is_partial=bool(result.unreadable),
        hint_ja=f"異なる範囲は {json_path} にあります。書込み先を替えて取り直してください",
        hint_en=f"the ranges stand in {json_path}; take the image again onto another medium",
    )


def _end(words: tuple[str, str], *, is_ok: bool, is_partial: bool = False, hint_ja: str, hint_en: str) -> None:
    """End with the exit code of the verdict: 1 where a comparison failed, 3 where something could not be read."""
    if not is_ok:
        raise VerificationError(f"NG: {words[0]}", f"NG: {words[1]}", hint_ja=hint_ja, hint_en=hint_en)
    if is_partial:
        sys.exit(console.EXIT_PARTIAL)


# preserve export


def export(
    image_path: Annotated[Path, typer.Argument(metavar="IMAGE", help=text("元のイメージ", "image to convert"))],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help=text("例: d/disk.dd", "e.g. d/disk.dd"))],
    also: AlsoOption = None,
    format_: FormatOption = None,
    compression: CompressionOption = "fast",
    hash_: HashOption = None,
    segment_size: SegmentOption = None,
    no_verify: NoVerifyOption = False,
    resume: Annotated[
        bool, typer.Option("--resume", help=text("中断した書き出しの続き", "go on where it stopped"))
    ] = False,
    identity: IdentityOption = None,
    case: CaseOption = None,
    as_id: AsOption = None,
    key: KeyOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Convert an image to another format (E01, raw), verified by reading back."""
    from preserve.export import export as run
    from preserve.request import Request

    _check_compression(compression)
    request = Request(
        source=image_path,
        targets=_targets(target, also, format_),
        compression=compression,  # type: ignore[arg-type]
        algorithms=_algorithms(hash_),
        segment_size=None if segment_size is None else parse_size(segment_size),
        verify=not no_verify,
        resume=resume,
    )
    with (
        case_for(case, image_path, key=key, as_id=as_id, passphrase_file=passphrase_file, tool="preserve") as ledger,
        _resumable(request),
        _Bars() as bars,
    ):
        result = run(request, case=ledger, watcher=bars)
    _report(request, result, as_json=as_json)


# preserve wipe-check


def wipe_check(
    device: Annotated[Path, typer.Argument(metavar="DEVICE", help=text("装置またはファイル", "device or file"))],
    case: CaseOption = None,
    as_id: AsOption = None,
    key: KeyOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Read a whole target medium and prove that it is blank (all zero)."""
    from preserve.wipe import wipe_check as run

    with (
        case_for(case, device, key=key, as_id=as_id, passphrase_file=passphrase_file, tool="preserve") as ledger,
        _Bars() as bars,
    ):
        result = run(device, case=ledger, watcher=bars)
    words = result.words
    if as_json:
        console.print_json(
            {
                "path": result.path,
                "size": result.size,
                "is_blank": result.is_blank,
                "non_zero_sectors": result.non_zero_sectors,
                "first_non_zero": result.non_zero,
                "unreadable": [{"offset": offset, "size": size} for offset, size in result.unreadable],
                "result": {"ja": words[0], "en": words[1]},
                "seconds": round(result.seconds, 3),
            },
        )
    else:
        _line(f"結果: {words[0]}", f"Result: {words[1]}")
        for offset in result.non_zero:
            _line(f"  ゼロでない位置: {offset:,}", f"  not zero at byte {offset:,}")
    _end(
        words,
        is_ok=not result.non_zero_sectors,
        is_partial=bool(result.unreadable),
        hint_ja="媒体を消去してからもう一度確認してください",
        hint_en="wipe the medium and check it again",
    )


# preserve clone


def clone(
    image_path: Annotated[Path, typer.Argument(metavar="IMAGE", help=text("イメージ", "image"))],
    device: Annotated[
        Path, typer.Argument(metavar="DEVICE", help=text("書き込む媒体(上書きされます)", "medium: OVERWRITTEN"))
    ],
    serial: Annotated[
        str | None,
        typer.Option(
            "--serial",
            metavar="S/N",
            help=text(
                "媒体の S/N(無い装置は容量のバイト数)。既定: 入力を求める",
                "serial number of the medium (its size in bytes where there is none); asked for by default",
            ),
        ),
    ] = None,
    hash_: HashOption = None,
    identity: IdentityOption = None,
    case: CaseOption = None,
    as_id: AsOption = None,
    key: KeyOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Restore an image to a medium, which is overwritten, and verify it by reading back."""
    from preserve.clone import clone as run
    from preserve.devices import device_info

    if serial is None:
        if not sys.stdin.isatty():
            raise UsageError(
                "書き込む媒体の S/N を --serial で指定してください",
                "give the serial number of the medium with --serial",
                hint_ja="preserve devices で確かめられます",
                hint_en="`preserve devices` shows it",
            )
        _show_device(device_info(device))
        console.notice(
            "この媒体の内容はすべて失われます。S/N(無い装置は容量のバイト数)を入力してください。",
            "Everything on this medium will be lost. Type its serial number (its size in bytes where there is none).",
        )
        serial = input("S/N: ").strip()
    with (
        case_for(case, image_path, key=key, as_id=as_id, passphrase_file=passphrase_file, tool="preserve") as ledger,
        _Bars() as bars,
    ):
        result = run(
            image_path,
            device,
            typed_identity=serial,
            algorithms=_algorithms(hash_),
            case=ledger,
            watcher=bars,
        )
    words = result.words
    if as_json:
        console.print_json(
            {
                "size": result.size,
                "device": result.device.to_json(),
                "hashes": result.hashes,
                "read_back": result.read_back,
                "is_equal": result.is_equal,
                "differing": [{"offset": offset, "size": size} for offset, size in result.differing],
                "unreadable": [{"offset": offset, "size": size} for offset, size in result.unreadable],
                "result": {"ja": words[0], "en": words[1]},
                "seconds": round(result.seconds, 3),
            },
        )
    else:
        _line(f"結果: {words[0]}", f"Result: {words[1]}")
        for name, value in result.hashes.items():
            _line(f"  {name}: {value}", f"  {name}: {value}")
    _end(
        words,
        is_ok=result.is_equal,
        is_partial=bool(result.unreadable),
        hint_ja="媒体が壊れているおそれがあります。別の媒体を使ってください",
        hint_en="the medium may be failing: use another one",
    )


# preserve collect


def collect(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE_DIR… TARGET",
            help=text("収集元(複数可)と、最後に書込み先(.zip/.tar)", "sources, then the target (.zip or .tar)"),
        ),
    ],
    reason: Annotated[
        str,
        typer.Option(
            "--reason",
            metavar="TEXT",
            help=text("物理コピーにできない理由(必須)", "why no physical copy can be made (required)"),
        ),
    ] = "",
    item: ItemOption = "",
    case: CaseOption = None,
    as_id: AsOption = None,
    key: KeyOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Collect files and folders where no physical copy can be made: archive and manifest with hashes and times."""
    from preserve.collect import collect as run

    if len(paths) < 2:
        raise UsageError("収集元と書込み先を指定してください", "give at least one source and the target")
    if not reason and sys.stdin.isatty():
        console.notice(
            "物理コピーではなくファイル単位で収集する理由を入力してください。",
            "Say why files are collected instead of a physical copy.",
        )
        reason = input(text("理由: ", "reason: ")).strip()
    if not reason.strip():
        raise UsageError(
            "物理コピーではなくファイル単位で収集する理由を --reason で指定してください",
            "say with --reason why files are collected instead of a physical copy",
        )
    with (
        case_for(case, paths[0], key=key, as_id=as_id, passphrase_file=passphrase_file, tool="preserve") as ledger,
        _Bars() as bars,
    ):
        result = run(paths[:-1], paths[-1], reason=reason, case=ledger, watcher=bars, item=item)
    words = result.words
    if as_json:
        console.print_json(
            {
                "archive": mask_path(result.archive),
                "manifest": mask_path(result.manifest),
                "files": result.files,
                "folders": result.folders,
                "links": result.links,
                "bytes": result.bytes,
                "skipped": [{"path": mask_path(one.path), "reason": one.reason} for one in result.skipped],
                "changed": [mask_path(one) for one in result.changed],
                "result": {"ja": words[0], "en": words[1]},
            },
        )
    else:
        _line(f"結果: {words[0]}", f"Result: {words[1]}")
        for one in result.skipped[:50]:
            shown = mask_path(one.path)
            _line(f"  読取不能: {shown}: {one.reason}", f"  not read: {shown}: {one.reason}")
        archive, manifest = mask_path(result.archive), mask_path(result.manifest)
        _line(f"保存先: {archive}、{manifest}", f"Written: {archive}, {manifest}")
    if not result.is_complete:
        sys.exit(console.EXIT_PARTIAL)


# preserve selftest


def selftest(
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder", metavar="DIR", help=text("使う予定の媒体のフォルダー", "folder on the medium to be used")
        ),
    ] = None,
    case: CaseOption = None,
    as_id: AsOption = None,
    key: KeyOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Check this tool on this machine: read, image and verify a shipped reference image (動作確認)."""
    from preserve.selftest import selftest as run

    with case_for(case, None, key=key, as_id=as_id, passphrase_file=passphrase_file, tool="preserve") as ledger:
        result = run(folder=folder, case=ledger)
    if as_json:
        console.print_json(
            {
                "is_ok": result.is_ok,
                "checks": [
                    {"ja": one.ja, "en": one.en, "is_ok": one.is_ok, "detail": one.detail} for one in result.checks
                ],
            },
        )
    else:
        for one in result.checks:
            mark = "OK" if one.is_ok else f"NG {one.detail}"
            _line(f"{one.ja}: {mark}", f"{one.en}: {mark}")
    _end(
        ("動作確認に失敗しました", "the self-test failed"),
        is_ok=result.is_ok,
        hint_ja="この環境では使わず、別の環境か別のツールを使ってください",
        hint_en="do not use the tool here: take another machine or another tool",
    )


def register(app: typer.Typer) -> None:
    """Add the imaging commands to `app`."""
    for function, name, ja, en in _COMMANDS:
        app.command(name, **command_help(ja, en, *_EXAMPLES[name]))(function)


_COMMANDS: list[tuple[Any, str, str, str]] = [
    (devices, "devices", "接続された装置の一覧(識別情報、書込防止、暗号化)", devices.__doc__ or ""),
    (image, "image", "ディスク・USB メモリ・ファイルをハッシュ付きで複製し、読み戻して検証する", image.__doc__ or ""),
    (export, "export", "イメージを別の形式(E01、raw)に変換し、読み戻して検証する", export.__doc__ or ""),
    (wipe_check, "wipe-check", "書込み先の媒体が無データ(全ゼロ)であることを確認する", wipe_check.__doc__ or ""),
    (clone, "clone", "イメージを媒体に復元し(上書き)、読み戻して検証する", clone.__doc__ or ""),
    (
        collect,
        "collect",
        "物理コピーができないとき、ファイルとフォルダーを時刻・ハッシュ付きで収集する",
        collect.__doc__ or "",
    ),
    (selftest, "selftest", "動作確認: 参照イメージの読取り・作成・検証をこの環境で行う", selftest.__doc__ or ""),
]

_EXAMPLES: dict[str, tuple[str, ...]] = {
    "devices": ("preserve devices", "preserve devices --json"),
    "image": (
        "preserve image /dev/sdb /mnt/evidence/usb.E01 --item USB-1",
        "preserve image /dev/sdb a/usb.E01 --also b/usb.dd --case 2026-017",
    ),
    "export": ("preserve export disk.E01 disk.dd",),
    "wipe-check": ("preserve wipe-check /dev/sdc --case 2026-017",),
    "clone": ("preserve clone disk.E01 /dev/sdc --case 2026-017",),
    "collect": ("preserve collect /srv/share files.zip --reason '共有サーバーを止められない'",),
    "selftest": ("preserve selftest --case 2026-017",),
}
