"""The commands `custody transfer offer|accept|refuse`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chain_of_custody import console, options
from chain_of_custody.console import text
from chain_of_custody.errors import UsageError
from chain_of_custody.options import command_help

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chain_of_custody.entries import Entry, FileHash

transfer_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    **command_help(
        "受渡し: 渡す人が申し出て、受け取る人がハッシュを計算し直して受領します。双方が署名します。",
        "Transfer: one offers, the other hashes what arrived and accepts; both sign.",
        "custody transfer offer --to sato --file disk.E01 --item PC-1 --reason 鑑定",
        "custody transfer accept 42 --dir /mnt/usb --keep my-copy --as sato --key sato_key",
    ),
)
FilesOption = Annotated[
    list[Path] | None,
    typer.Option("--file", metavar="FILE", help=text("渡す/受け取ったファイル(複数可)", "file (repeatable)")),
]
NoteOption = Annotated[str, typer.Option("--note", help=text("備考", "remarks"))]
PlaceOption = Annotated[str, typer.Option("--place", help=text("場所", "place"))]
OfferArgument = Annotated[
    int | None,
    typer.Argument(
        metavar="OFFER", help=text("申出の項番号(既定: 未応答のもの)", "number of the offer (default: the open one)")
    ),
]
StateOption = Annotated[str, typer.Option("--state", help=text("状態・封印", "state, seals"))]


def _hash_all(paths: Sequence[Path]) -> list[tuple[Path, FileHash]]:
    from chain_of_custody import transfers  # noqa: PLC0415 - `--help` needs no cryptography

    total = sum(path.stat().st_size for path in paths if path.is_file())
    with console.progress(text("ハッシュ計算", "hashing"), total) as bar:
        return [(path, transfers.hash_file(path, bar.advance)) for path in paths]


def _facts(**given: str) -> dict[str, Any]:
    from chain_of_custody.masking import mask_text  # noqa: PLC0415

    return {name: mask_text(value) for name, value in given.items() if value}


def _say(entry: Entry, ja: str, en: str, *, as_json: bool, **more: Any) -> None:  # noqa: ANN401
    if as_json:
        console.print_json({"entry": entry.seq, "type": entry.type, "body": dict(entry.body), **more})
    else:
        console.out_console().print(text(f"第 {entry.seq} 項: {ja}", f"entry {entry.seq}: {en}"), markup=False)


@transfer_app.command(
    "offer",
    **command_help(
        "渡すものを申し出ます(ファイルはハッシュを計算し、チェックポイントに署名します)。",
        "Offer what is handed over (files are hashed, a checkpoint is signed).",
        "custody transfer offer --to sato --file disk.E01 --file disk.E02 --item PC-1 --reason 鑑定",
    ),
)
@options.signing
def offer(
    to: Annotated[str, typer.Option("--to", metavar="ID", help=text("受け取る人", "who receives"))],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help=text("理由", "why"))],
    files: FilesOption = None,
    item: Annotated[
        str | None, typer.Option("--item", metavar="ID", help=text("対象物番号", "number of the item"))
    ] = None,
    place: PlaceOption = "",
    state: StateOption = "",
    *,
    work: options.Work,
) -> None:
    """Offer."""
    from chain_of_custody import transfers  # noqa: PLC0415

    if not files and item is None:
        raise UsageError("渡すもの(--file か --item)を指定してください", "say what is handed over (--file or --item)")
    hashed = _hash_all(files or [])
    facts = _facts(reason=reason, place=place, state=state)
    with work.open() as opened:
        entry, made = transfers.offer(opened, to, hashed, facts, item=item)
    _say(
        entry,
        f"{to} へ申し出ました。受け取る人: custody transfer accept {entry.seq}",
        f"offered to {to}, who answers with custody transfer accept {entry.seq}",
        as_json=work.as_json,
        checkpoint=made.size,
    )


@transfer_app.command(
    "accept",
    **command_help(
        "受け取ったもののハッシュを計算し直し、一致すれば受領して署名します。",
        "Hash what arrived and, if it is what was offered, accept and sign.",
        "custody transfer accept 42 --dir /mnt/usb --keep my-copy --as sato --key sato_key",
    ),
)
@options.signing
def accept(
    number: OfferArgument = None,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", help=text("受け取ったものがあるフォルダー", "where it arrived")),
    ] = None,
    files: FilesOption = None,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="DIR", help=text("控え(チェックポイント)を写す先", "where your copy goes")),
    ] = None,
    place: PlaceOption = "",
    state: StateOption = "",
    note: NoteOption = "",
    *,
    work: options.Work,
) -> None:
    """Accept."""
    from chain_of_custody import transfers  # noqa: PLC0415

    with work.open() as opened:
        offers = transfers.open_offers(opened.path)
        number = options.the_only(offers, number, "未応答の申出", "open offer")
        sizes = {file.size for file in offers[number].outputs} if number in offers else set()
        paths = list(files or [])
        if folder is not None:
            # Only files of a size that was offered can be what was offered.
            paths += [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size in sizes]
        found = [file for _, file in _hash_all(paths)]
        entry, made = transfers.accept(opened, number, found, _facts(place=place, state=state, note=note))
        if keep is not None:
            transfers.keep_copy(opened.path, made, keep)
    giver = offers[number].actor
    _say(
        entry,
        f"受領しました({len(offers[number].outputs)} 件のハッシュが一致)。{giver} も custody cosign で署名してください",
        f"accepted ({len(offers[number].outputs)} hashes equal); {giver} signs too, with custody cosign",
        as_json=work.as_json,
        checkpoint=made.size,
    )


@transfer_app.command(
    "refuse",
    **command_help(
        "受け取らないことと理由を記録します。",
        "Record that it is not accepted, and why.",
        "custody transfer refuse 42 --why 'ハッシュ不一致' --as sato --key sato_key",
    ),
)
@options.signing
def refuse(
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help=text("理由", "why"))],
    number: OfferArgument = None,
    *,
    work: options.Work,
) -> None:
    """Refuse."""
    from chain_of_custody import transfers  # noqa: PLC0415

    with work.open() as opened:
        number = options.the_only(transfers.open_offers(opened.path), number, "未応答の申出", "open offer")
        entry = transfers.refuse(opened, number, why)
    _say(entry, "受領を拒否しました", "refused", as_json=work.as_json)
