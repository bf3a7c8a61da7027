"""The commands `custody record` and `custody next`: what people state, and what is still missing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chain_of_custody import console, options
from chain_of_custody.console import JsonOption, LangOption, text
from chain_of_custody.errors import UsageError
from chain_of_custody.options import CaseOption, command_help

if TYPE_CHECKING:
    from chain_of_custody.case import Case
    from chain_of_custody.entries import Entry
    from chain_of_custody.record_fields import Field

SHORT_TEXT = 500
"""Notes longer than this many characters are kept in `details/`."""


def _as_in_the_ledger(item: str | None) -> str | None:
    from chain_of_custody.masking import mask_text  # noqa: PLC0415 - `--help` needs none of it

    return mask_text(item) if item is not None else None


ItemOption = Annotated[
    str | None,
    typer.Option("--item", metavar="ID", help=text("対象物番号", "number of the item"), callback=_as_in_the_ledger),
]


def _read_fields(source: str) -> dict[str, Any]:
    try:
        data = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
        fields = json.loads(data)
    except OSError as error:
        raise UsageError(
            f"読めません: {source}: {error.strerror}", f"cannot read {source}: {error.strerror}"
        ) from error
    except ValueError as error:
        raise UsageError(f"JSON ではありません: {source}", f"not JSON: {source}") from error
    if not isinstance(fields, dict):
        raise UsageError(f"JSON のオブジェクトではありません: {source}", f"not a JSON object: {source}")
    return fields


def _ask(kind: str) -> dict[str, Any]:
    """Guided prompts on a terminal, one for each field."""
    from chain_of_custody import entries, record_fields  # noqa: PLC0415 - `--help` needs no cryptography

    console.notice(
        f"{entries.RECORDS[kind][0]} を記録します。必須は *、空欄で飛ばします。",
        f"Recording: {entries.RECORDS[kind][1]}. * must be answered, empty skips.",
    )
    given: dict[str, Any] = {}
    for field in record_fields.FIELDS[kind]:
        while True:
            answer = _ask_one(field)
            if answer or not field.required:
                break
        if answer:
            given[field.name] = answer
    return given


def _ask_one(field: Field) -> str:
    mark = " *" if field.required else ""
    choices = ""
    if field.choices:
        choices = " [" + " / ".join(f"{value}={text(ja, en)}" for value, ja, en in field.choices) + "]"
    elif field.kind == "time":
        choices = text(" [2026-11-24T09:00 か now]", " [2026-11-24T09:00 or now]")
    return console.ask(f"{field.ja}{choices}{mark}: ", f"{field.en}{choices}{mark}: ").strip()


def _with_times(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    """Times as people type them become times as the ledger writes them."""
    from chain_of_custody import clock, record_fields  # noqa: PLC0415

    times = {field.name for field in record_fields.FIELDS[kind] if field.kind == "time"}
    return {
        name: (clock.now().ts if value == "now" else options.time_given(str(value)))
        if name in times and value
        else value
        for name, value in given.items()
    }


@options.signing
def record(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=text("種類(--list で一覧)", "kind (see --list)"))] = "",
    item: ItemOption = None,
    fields: Annotated[
        str | None,
        typer.Option("--fields", metavar="FILE|-", help=text("項目の JSON", "JSON with the fields")),
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option("--field", metavar="NAME=VALUE", help=text("項目(複数可)", "one field (repeatable)")),
    ] = None,
    files: Annotated[
        list[Path] | None,
        typer.Option("--file", metavar="FILE", help=text("添付(写真など。無加工で保管)", "file to keep unedited")),
    ] = None,
    note: Annotated[
        str | None,
        typer.Option("--text", help=text("note の本文", "text of a note")),
    ] = None,
    details: Annotated[
        bool,
        typer.Option("--details", help=text("本文を墨消しできる形で保管", "keep the text where it can be redacted")),
    ] = False,
    ntp: Annotated[
        str | None,
        typer.Option(
            "--ntp",
            metavar="SERVER",
            help=text("examiner_clock: 時刻サーバーと比べる", "examiner_clock: compare with a time server"),
        ),
    ] = None,
    show_kinds: Annotated[bool, typer.Option("--list", help=text("種類と項目の一覧", "list kinds and fields"))] = False,
    *,
    work: options.Work,
) -> None:
    """Record what a person states."""
    from chain_of_custody import clock, entries, records  # noqa: PLC0415

    if show_kinds:
        _list_kinds(as_json=work.as_json)
        return
    if kind != "note" and kind not in entries.RECORDS:
        raise UsageError(
            f"記録の種類がありません: {kind or '(指定なし)'}",
            f"no such kind of record: {kind or '(none given)'}",
            hint_ja="custody record --list で一覧を表示します",
            hint_en="custody record --list shows them",
        )
    with work.open() as opened:
        if ntp is not None:
            entry = _measured(opened, kind, ntp)
        elif kind == "note":
            entry = _note(opened, note, item, files or [], details=details)
        else:
            opened.permit(f"record.{kind}", item=item)
            given = _given(kind, fields, field or [])
            body = records.body_of(kind, _with_times(kind, given), clock.now().time_ns)
            hashes, names = records.attach(opened.path, files or [])
            if names:
                body["files"] = names
            entry = opened.append(f"record.{kind}", body, item=item, outputs=hashes, src="typed")
    _say(entry, as_json=work.as_json)


def _measured(case: Case, kind: str, server: str) -> Entry:
    """The examiner's own clock against a time server: read by the machine, so marked `auto`."""
    from chain_of_custody import clock, sntp  # noqa: PLC0415

    if kind != "examiner_clock":
        raise UsageError("--ntp は examiner_clock だけの指定です", "--ntp is for examiner_clock only")
    case.permit("record.examiner_clock")
    found = sntp.ask(server)
    body = {
        "shown": clock.text_of(found.local_ns),
        "reference": clock.text_of(found.reference_ns),
        "source": f"NTP {server} ({found.address})",
        "offset_ns": str(found.offset_ns),
        "delay_ns": str(found.delay_ns),
        "uncertainty_ns": str(found.uncertainty_ns),
        "stratum": str(found.stratum),
        "samples": str(found.samples),
    }
    console.notice(
        f"作業機の時計は標準時より {found.offset_ns / 1e9:+.4f} 秒(± {found.uncertainty_ns / 1e9:.4f} 秒)",
        f"this machine's clock is {found.offset_ns / 1e9:+.4f} s against standard time "
        f"(± {found.uncertainty_ns / 1e9:.4f} s)",
    )
    return case.append("record.examiner_clock", body)


def _given(kind: str, fields: str | None, pairs: list[str]) -> dict[str, Any]:
    given = _read_fields(fields) if fields is not None else {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"--field は NAME=VALUE の形です: {pair}", f"--field takes NAME=VALUE: {pair}")
        given[name] = value
    if not given and fields is None and options.on_terminal():
        return _ask(kind)
    return given


def _note(case: Case, note: str | None, item: str | None, files: list[Path], *, details: bool) -> Entry:
    from chain_of_custody import records  # noqa: PLC0415
    from chain_of_custody.masking import mask_text  # noqa: PLC0415

    if note is None and options.on_terminal():
        note = console.ask("本文: ", "text: ")
    if not note:
        raise UsageError("本文がありません(--text)", "no text (--text)")
    hashes, names = records.attach(case.path, files)
    body: dict[str, Any] = {"files": names} if names else {}
    shown = mask_text(note)
    kept = shown.encode("utf-8") if details or len(shown) > SHORT_TEXT else None
    if kept is None:
        body["text"] = shown
    return case.append("note", body, item=item, outputs=hashes, src="typed", details=kept)


def _say(entry: Entry, *, as_json: bool) -> None:
    if as_json:
        console.print_json({"entry": entry.seq, "type": entry.type, "sha256": entry.sha256, "body": dict(entry.body)})
        return
    late = text("(事後記録)", " (recorded later)") if entry.body.get("late") else ""
    console.out_console().print(
        text(f"第 {entry.seq} 項に手入力として記録しました{late}", f"recorded as entry {entry.seq}, typed{late}"),
        markup=False,
    )


def _list_kinds(*, as_json: bool) -> None:
    from chain_of_custody import entries, record_fields  # noqa: PLC0415

    if as_json:
        console.print_json(
            {
                kind: {
                    "ja": ja,
                    "en": en,
                    "fields": [
                        {
                            "name": field.name,
                            "ja": field.ja,
                            "en": field.en,
                            "required": field.required,
                            "kind": field.kind,
                            "choices": [value for value, _, _ in field.choices],
                        }
                        for field in record_fields.FIELDS[kind]
                    ],
                }
                for kind, (ja, en) in entries.RECORDS.items()
            },
        )
        return
    out = console.out_console()
    out.print(text("note  メモ", "note  a note"), markup=False)
    for kind, (ja, en) in entries.RECORDS.items():
        out.print(f"{kind}  {text(ja, en)}", markup=False)
        for field in record_fields.FIELDS[kind]:
            mark = "*" if field.required else " "
            out.print(f"  {mark} {field.name}: {text(field.ja, field.en)}", markup=False)


def next_steps(
    item: ItemOption = None,
    all_: Annotated[bool, typer.Option("--all", help=text("済んだものも表示", "show what is done too"))] = False,
    guide: Annotated[
        bool,
        typer.Option("--guide", help=text("初めての人のための案内(1 手ずつ)", "guided walk, one step at a time")),
    ] = False,
    checklist: Annotated[
        bool, typer.Option("--checklist", help=text("印刷用の 1 枚(PDF、--out へ)", "one page to print (PDF, --out)"))
    ] = False,
    out_file: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.pdf", help=text("チェックリストの出力先", "checklist"))
    ] = None,
    case: CaseOption = None,
    as_json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Show what the checklist still lacks."""
    from chain_of_custody import guideline  # noqa: PLC0415
    from chain_of_custody.case import find_case, read_first  # noqa: PLC0415
    from chain_of_custody.reading import read_entries  # noqa: PLC0415

    if checklist:
        _checklist(case, out_file)
        return
    path, _missing = find_case(case, None)
    if guide:
        _guide(path, item, as_json=as_json)
        return
    policy = read_first(path).body["policy"]
    wanted = str(policy.get("copies", "2")) if isinstance(policy, dict) else "2"
    covered = guideline.coverage(read_entries(path), item=item, copies=int(wanted))
    if as_json:
        console.print_json(
            {
                "edition": guideline.EDITION_EN,
                "item": item,
                "requirements": [
                    {
                        "id": one.requirement.id,
                        "ja": one.requirement.ja,
                        "en": one.requirement.en,
                        "status": one.status,
                        "entries": one.entries,
                        "typed": one.typed,
                        "reason": one.reason,
                        "command": one.requirement.command,
                    }
                    for one in covered
                ],
            },
        )
        return
    out = console.out_console()
    missing = [one for one in covered if one.status == "open"]
    if len(missing) == len(covered) - 1 and not item:
        _never(out)
    for number, one in enumerate(missing, start=1):
        requirement = one.requirement
        suffix = f" --item {item}" if item and requirement.per_item and "record" in requirement.command else ""
        out.print(f"{number:>2}. [{requirement.id}] {text(requirement.ja, requirement.en)}", markup=False)
        out.print(f"      {text(requirement.why_ja, requirement.why_en)}", markup=False)
        out.print(f"      $ {requirement.command}{suffix}", markup=False)
    if all_:
        for one in covered:
            if one.status != "open":
                shown = text(*guideline.STATUS_TEXT[one.status])
                numbers = ", ".join(str(seq) for seq in one.entries[:8])
                out.print(
                    f"    [{one.requirement.id}] {text(one.requirement.ja, one.requirement.en)}: {shown} "
                    f"{text('第', 'entries')} {numbers} {text('項', '')} {one.reason}".rstrip(),
                    markup=False,
                )
    out.print(
        text(
            f"残り {len(missing)} 件。行わないものは理由を残します: custody record waiver --field id=F3 "
            "--field status=not_applicable --field reason=…",
            f"{len(missing)} left. For what is not done, leave the reason: custody record waiver --field id=F3 "
            "--field status=not_applicable --field reason=…",
        ),
        markup=False,
    )
    out.print(text(guideline.EDITION_JA, guideline.EDITION_EN), markup=False)


def _checklist(case: Path | None, target: Path | None) -> None:
    """Write the page; it needs no case, and names the case where one is given."""
    from chain_of_custody import guide, report_pdf  # noqa: PLC0415
    from chain_of_custody.case import find_case, read_first  # noqa: PLC0415
    from chain_of_custody.masking import mask_path, mask_text  # noqa: PLC0415

    if target is None:
        raise UsageError("--out FILE.pdf を指定してください", "give --out FILE.pdf")
    name = fingerprint = ""
    if case is not None:
        first = read_first(find_case(case, None)[0])
        name, fingerprint = mask_text(str(first.body.get("name", ""))), first.sha256
    report_pdf.write_new(target, guide.checklist_pdf(console.language(), name, fingerprint))
    console.notice(f"書きました: {mask_path(target)}", f"written: {mask_path(target)}")


def _guide(path: Path, item: str | None, *, as_json: bool) -> None:
    """The next step alone, large and plain, with why and what never to do."""
    from chain_of_custody import guide  # noqa: PLC0415
    from chain_of_custody.reading import read_entries  # noqa: PLC0415

    walk = guide.walk(list(read_entries(path)), item)
    step = walk.next
    if as_json:
        console.print_json(
            {
                "state": walk.state,
                "next": step.id if step else None,
                "steps": [{"id": one.id, "done": one.id in walk.done, "command": one.command} for one in walk.steps],
            },
        )
        return
    out = console.out_console()

    def say(line: str = "") -> None:
        out.print(line, markup=False)

    bar = "=" * 64
    say(bar)
    say(text(f"  機器: {guide.STATE_TEXT[walk.state][0]}", f"  machine: {guide.STATE_TEXT[walk.state][1]}"))
    say(bar)
    if step is None:
        say(
            text(
                "\n  初動は終わりました。次は複製です: preserve image",
                "\n  First response is done. Next: preserve image",
            )
        )
        say(text("  残りの記録: custody next", "  what else is missing: custody next"))
        return
    place = walk.steps.index(step) + 1
    more = (
        ""
        if walk.state != "unrecorded"
        else text("(この後は、状態によって変わります)", " (then it depends on the state)")
    )
    say()
    say(f"  【{place}/{len(walk.steps)}】{text(step.ja, step.en)}{more}")
    say()
    say(f"    {text('なぜ', 'why')}: {text(step.why_ja, step.why_en)}")
    say(f"    {text('禁止', 'NEVER')}: {text(step.never_ja, step.never_en)}")
    say()
    suffix = f" --item {item}" if item and not step.once else ""
    say(f"    $ {step.command}{suffix}")
    say()
    say(bar)
    for one in (guide.EMERGENCY, guide.LOCKED):
        say(f"  ! {text(*one)}")
    for ja, en in guide.NEVER:
        say(f"  × {text(ja, en)}")
    say(bar)
    for one_step in walk.steps:
        mark = "x" if one_step.id in walk.done else ">" if one_step is step else " "
        say(f"  [{mark}] {text(one_step.ja, one_step.en)}")
    say(text("\n  終えたら、もう一度: custody next --guide", "\n  when done, again: custody next --guide"))


def _never(out: Any) -> None:  # noqa: ANN401 - a rich console
    """What a responder must not do, said before the first step."""
    for line in (
        text("してはいけないこと:", "Never:"),
        text("  - 対象機を使い続ける、再起動する", "  - go on using or restart the machine"),
        text("  - ウイルス検査や修復を走らせる", "  - run a virus scan or a repair"),
        text("  - 初期化・再インストールする", "  - initialise or reinstall it"),
        text("  - 原本の媒体に書き込む", "  - write to the original medium"),
    ):
        out.print(line, markup=False)


def add_to(app: typer.Typer) -> None:
    """Put the two commands into the program."""
    app.command(
        "record",
        **command_help(
            "人が述べることを記録します(手入力として残ります)。端末では項目を順に尋ねます。",
            "Record what a person states (marked as typed). On a terminal the fields are asked one by one.",
            "custody record --list",
            "custody record power --item PC-1",
            "custody record seal --item PC-1 --field number=A-102 --field how='封印シール'",
            "custody record clock --item PC-1 --fields reading.json --file clock.jpg",
            "custody record examiner_clock --ntp ntp.nict.jp",
            "custody record note --text '所有者から電話'",
        ),
    )(record)
    app.command(
        "next",
        **command_help(
            "この事案・対象物に足りない記録を、行う順に、コマンドとともに示します。",
            "What the checklist still lacks for this case or item, in the order of practice, with the commands.",
            "custody next",
            "custody next --item PC-1 --all",
            "custody next --guide --item PC-1",
            "custody next --checklist --out checklist.pdf",
        ),
    )(next_steps)
