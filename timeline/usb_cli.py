"""The command `timeline usb`: one card for each USB storage or portable device."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chain_of_custody import console
from chain_of_custody.console import JsonOption, LangOption, text
from chain_of_custody.options import CaseOption, command_help
from timeline.question_cli import StoreOption, ZoneOption, opened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from timeline.store import Store
    from timeline.usb import Card, Episode, Moment

_COLUMNS = ("id", "time_ns", "time_text", "zone", "kind", "desc", "actor", "host", "path", "source", "data")


def rows_of(store: Store, host: str) -> Iterator[Mapping[str, Any]]:
    """The events that speak of devices or of files that may lie on them."""
    from timeline.usb import DEVICE_KINDS, FILE_KINDS  # noqa: PLC0415 - start-up time

    kinds = [*DEVICE_KINDS, *FILE_KINDS]
    marks = ", ".join("?" for _ in kinds)
    columns = ", ".join(f'"{name}"' for name in _COLUMNS)
    where = f"kind IN ({marks}) AND contains(lower(host), lower(?))"
    sql = f"SELECT {columns} FROM events WHERE {where} ORDER BY source_id, row"  # noqa: S608 - marks and fixed names
    for row in store.rows(sql, [*kinds, host]):
        yield dict(zip(_COLUMNS, row, strict=True))


def usb(
    case: CaseOption = None,
    store: StoreOption = None,
    zone: ZoneOption = "Asia/Tokyo",
    host: Annotated[str, typer.Option("--host", metavar="TEXT", help=text("機器名の一部", "part of the host"))] = "",
    serial: Annotated[
        str, typer.Option("--serial", metavar="TEXT", help=text("シリアル番号の一部", "part of the serial number"))
    ] = "",
    everything: Annotated[
        bool,
        typer.Option("--all", help=text("ハブや入力装置なども含める", "also hubs, keyboards and the like")),
    ] = False,
    json_output: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Show the cards."""
    from timeline.filters import checked_zone  # noqa: PLC0415 - start-up time
    from timeline.usb import cards  # noqa: PLC0415 - start-up time

    checked_zone(zone)
    with opened(case, store) as timeline:
        found = [
            card
            for card in cards(rows_of(timeline, host), everything=everything)
            if serial.casefold() in card.serial.casefold()
        ]
        partial = bool(timeline.damaged)
        corrected = _corrected(timeline, found)
    if json_output:
        console.print_json({"devices": [_as_json(card, zone, corrected) for card in found]})
    else:
        for card in found:
            _print_card(card, zone, corrected)
        console.out_console().print(
            text(f"機器 {len(found)} 台", f"{len(found)} devices" if len(found) != 1 else "1 device")
        )
    if partial:
        raise typer.Exit(console.EXIT_PARTIAL)


def _when(moment_ns: int | None, known: bool, written: str, zone: str) -> str:
    from timeline import times  # noqa: PLC0415 - start-up time

    return times.shown(moment_ns, zone, known=known, digits=3).replace("T", " ") or written


def _corrected(store: Store, found: Sequence[Card]) -> Mapping[str, tuple[int, int]]:
    """The true time of every moment of the cards, where the clock was estimated."""
    from timeline.questions import corrected_of  # noqa: PLC0415 - start-up time

    names: list[str] = []
    for card in found:
        moments = (*card.first_install, *card.connected, *card.disconnected, *card.key_times)
        names += [one.event for one in moments] + [one.event for one in card.files]
    return corrected_of(store, names)


def _between(bounds: tuple[int, int] | None, zone: str) -> str:
    """The range of a true time as text; empty where there is none."""
    from timeline import times  # noqa: PLC0415 - start-up time

    if bounds is None:
        return ""
    first, last = (times.shown(one, zone, digits=3).replace("T", " ") for one in bounds)
    return text(f" → 補正後 {first} – {last}", f" → corrected {first} – {last}")


def _as_json(card: Card, zone: str, corrected: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    shown = asdict(card)
    for name in ("first_install", "connected", "disconnected", "connections", "removals", "key_times", "files"):
        for one in shown[name]:
            one["datetime"] = _when(one["time_ns"], one["zone"] is not None, one.get("time_text", ""), zone)
            first = one["moments"][0]["event"] if one.get("moments") else one.get("event", "")
            one["earliest_ns"], one["latest_ns"] = corrected.get(first, (None, None))
    return shown


def _episodes(found: Sequence[Episode], zone: str, corrected: Mapping[str, tuple[int, int]]) -> list[str]:
    """One line for each connection or removal: when it began, and the sources that show it."""
    lines = []
    for one in found:
        sources: dict[str, list[str]] = {}
        for moment in one.moments:
            sources.setdefault(moment.source, []).append(moment.event)
        named = "; ".join(f"{source} [{', '.join(events[:3])}]" for source, events in sources.items())
        known = _between(corrected.get(one.moments[0].event), zone)
        lines.append(f"{_when(one.time_ns, one.zone is not None, one.moments[0].time_text, zone)}{known}  {named}")
    return lines


def _lines(moments: Sequence[Moment], zone: str, corrected: Mapping[str, tuple[int, int]]) -> list[str]:
    """One line a moment."""
    found = [
        f"{_when(one.time_ns, one.zone is not None, one.time_text, zone)}{_between(corrected.get(one.event), zone)}"
        f"  {one.source}  [{one.event}]"
        for one in moments
    ]
    return list(dict.fromkeys(found))


def _print_card(card: Card, zone: str, corrected: Mapping[str, tuple[int, int]]) -> None:
    from rich.table import Table  # noqa: PLC0415 - start-up time
    from rich.text import Text  # noqa: PLC0415 - start-up time

    title = " ".join(part for part in (card.vendor, card.product, card.revision) if part) or " / ".join(card.names[:1])
    table = Table(
        title=Text(f"{title or card.serial}"), title_justify="left", show_header=False, box=None, pad_edge=False
    )
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")

    def row(ja: str, en: str, values: Sequence[str] | str) -> None:
        shown = [values] if isinstance(values, str) else list(values)
        if any(shown):
            # Texts, not strings: brackets in names must not be taken for markup.
            table.add_row(Text(text(ja, en)), Text("\n".join(_visible(one) for one in shown if one)))

    made_up = text("(Windows が付けた番号。機器固有ではない)", "(made up by Windows, not the device's own)")
    row("シリアル番号", "serial", f"{card.serial} {made_up}" if card.serial_made_up else card.serial)
    row("VID/PID", "VID/PID", f"{card.vid}:{card.pid}" if card.vid else "")
    row("表示名", "names", card.names)
    row("コンピューター", "host", card.host)
    row("容量", "capacity", f"{card.capacity_bytes:,}" if card.capacity_bytes else "")
    row("初回導入", "first install", _lines(card.first_install, zone, corrected))
    row("接続", "connected", _episodes(card.connections, zone, corrected))
    row("取り外し", "disconnected", _episodes(card.removals, zone, corrected))
    row("キーの書き込み", "key written", _lines(card.key_times, zone, corrected)[-3:])
    row("ドライブ文字", "drive letters", ", ".join(card.drives))
    row("ボリューム", "volumes", card.volumes)
    row("ボリュームシリアル", "volume serials", ", ".join(card.volume_serials))
    row("ボリューム名", "labels", ", ".join(card.labels))
    row("利用者", "users", ", ".join(card.users))
    seen = [
        f"{_when(one.time_ns, one.zone is not None, '', zone)}  {one.path}  ({_basis(one.basis)}) [{one.event}]"
        for one in card.files[:20]
    ]
    if card.files_total > 20:
        seen.append(
            text(f"… 計 {card.files_total} 件(--json で全件)", f"… {card.files_total} in all (--json lists them)")
        )
    row("機器上のファイル", "files on it", seen)
    row("矛盾", "contradictions", [text(one.ja, one.en) for one in card.contradictions])
    row("資料", "sources", card.sources)
    said = console.out_console()
    said.print(table)
    said.print()


def _basis(basis: str) -> str:
    return {
        "volume serial": text("ボリュームシリアル一致", "volume serial"),
        "volume label": text("ボリューム名一致", "volume label"),
        "drive": text("ドライブ文字のみ一致", "drive letter alone"),
    }.get(basis, basis)


def _visible(value: str) -> str:
    """One line without control characters, which could move a terminal's cursor."""
    return "".join(one if one.isprintable() else "�" for one in value)[:600]


def register(app: typer.Typer) -> None:
    """Add the command to `timeline`."""
    app.command(
        **command_help(
            "USB ストレージ・携帯機器ごとに、接続・取り外し・利用者・ファイルと矛盾を示します。",
            "Show each USB storage or portable device: connections, users, files, contradictions.",
            "timeline usb --case 2026-014.case",
            "timeline usb --serial 200608767007B7C08A6A --json",
        ),
    )(usb)
