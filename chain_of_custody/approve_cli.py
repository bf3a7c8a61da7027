"""The commands `custody approve request|grant|refuse|list`: two persons for what the policy names (C6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from chain_of_custody import console, options
from chain_of_custody.console import text
from chain_of_custody.errors import UsageError
from chain_of_custody.options import CaseOption, command_help

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from chain_of_custody.approvals import Approvals

approve_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    **command_help(
        "2 人承認: 方針(custody init --policy approve=reveal,…)の操作は、別の人の承認があるときだけできます。",
        "Two persons: what the policy names (custody init --policy approve=reveal,…) needs another person's approval.",
        "custody approve request 11 --why '本人への連絡のため'",
        "custody approve grant 12 --as sato@example.jp --key sato",
    ),
)

WhyOption = Annotated[str, typer.Option("--why", metavar="TEXT", help=text("理由(台帳に残る)", "why (recorded)"))]
NumberArgument = Annotated[
    int | None,
    typer.Argument(
        metavar="N", help=text("申請の項番号(既定: 回答待ちのもの)", "number of the request (default: the open one)")
    ),
]


def _read(case: Path, policy: Any) -> Approvals:  # noqa: ANN401 - Mapping, not imported at start-up
    from chain_of_custody import approvals  # noqa: PLC0415 - `--help` needs no cryptography
    from chain_of_custody.reading import read_entries  # noqa: PLC0415

    return approvals.read(policy, read_entries(case))


@approve_app.command(
    "request",
    **command_help(
        "拒否された操作の承認を申請します(その操作だけ、1 回だけ)。まず操作を試み、拒否の項番号を指定します。",
        "Ask for approval of what was just refused: that act alone, once. Try it first; N is the refusal's entry.",
        "custody approve request 11 --why '本人への連絡のため' --hours 4",
    ),
)
@options.signing
def request(
    work: options.Work,
    why: WhyOption,
    number: Annotated[
        int | None,
        typer.Argument(
            metavar="N",
            help=text("拒否の項番号(既定: 申請していない唯一のもの)", "number of the refusal (default: the open one)"),
        ),
    ] = None,
    hours: Annotated[
        int, typer.Option("--hours", min=1, max=720, help=text("承認後の有効時間", "hours the approval holds"))
    ] = 24,
) -> None:
    """Ask."""
    from chain_of_custody import approvals  # noqa: PLC0415
    from chain_of_custody.masking import mask_text  # noqa: PLC0415

    with work.open() as case:
        known, actor = _read(case.path, case.policy), case.acting_as()
        asked_for = {one.refused for one in known.requests.values()}
        waiting = [seq for seq, one in known.refusals.items() if one.actor == actor and seq not in asked_for]
        number = options.the_only(waiting, number, "申請していない拒否", "refusal without a request")
        problem = known.request_problem(number, actor)
        if problem is not None:
            raise UsageError(
                problem.ja, problem.en, hint_ja="custody log --type refused", hint_en="custody log --type refused"
            )
        refusal = known.refusals[number]
        kind = next(one for one in approvals.kinds() if approvals.type_of(one) == refusal.type)
        body: dict[str, Any] = {
            "kind": kind,
            "act": refusal.act,
            "refused": number,
            "why": mask_text(why),
            "hours": hours,
        }
        entry = case.append("approval.request", body, src="typed")
        needed = kind in known.required
    if work.as_json:
        console.print_json({"request": entry.seq, "kind": kind, "hours": hours, "needed": needed})
        return
    console.say_entry(entry, f"{kind} の承認を申請しました", f"approval of {kind} is asked for", as_json=False)
    out = console.out_console()
    out.print(
        text(
            f"次に: 別の人が custody approve grant {entry.seq}"
            if needed
            else "この事案の方針では、この操作に承認は要りません。",
            f"next: another person runs custody approve grant {entry.seq}"
            if needed
            else "The policy of this case asks for no approval of this.",
        ),
        markup=False,
    )


def _asked_lines(asked: Mapping[str, Any]) -> list[str]:
    """What an approval lets happen, in words."""
    from chain_of_custody import statements  # noqa: PLC0415

    type_name, language = str(asked["type"]), console.language()
    lines = [statements.type_name(type_name, language) + (f" ({asked['item']})" if "item" in asked else "")]
    lines += [f"  {label}: {value}" for label, value in statements.of_body(type_name, asked["body"], language)]
    for name in ("in", "out"):
        lines += [f"  {name} SHA-256 {one['sha256']}" for one in asked.get(name, ())]
    return [statements.visible(line) for line in lines]


def _answer(work: options.Work, number: int | None, type_name: str, why: str) -> None:
    from chain_of_custody import clock  # noqa: PLC0415
    from chain_of_custody.masking import mask_text  # noqa: PLC0415

    with work.open() as case:
        case.permit(type_name)
        asked, now_ns = _read(case.path, case.policy), clock.wall_ns()
        waiting = [one.seq for one in asked.requests.values() if one.state(now_ns) == "open"]
        number = options.the_only(waiting, number, "回答待ちの申請", "open request")
        problem = asked.answer_problem(number, case.acting_as())
        if problem is not None:
            case.append("refused", {"what": type_name, "why": problem.code})
            raise UsageError(problem.ja, problem.en)
        body: dict[str, Any] = {"request": number} | ({"why": mask_text(why)} if why else {})
        entry = case.append(type_name, body, src="typed")
    if work.as_json:
        console.print_json({"entry": entry.seq, "request": number, "type": type_name})
        return
    for line in _asked_lines(asked.requests[number].asked):
        console.out_console().print(line, markup=False)
    if type_name == "approval.grant":
        console.say_entry(entry, f"第 {number} 項の申請を承認しました", f"request {number} is granted", as_json=False)
    else:
        console.say_entry(entry, f"第 {number} 項の申請を拒否しました", f"request {number} is refused", as_json=False)


@approve_app.command(
    "grant",
    **command_help(
        "別の人の申請を承認します(1 回だけ、期限まで有効)。",
        "Approve another person's request (good for one use, until it expires).",
        "custody approve grant 12 --as sato@example.jp --key sato",
    ),
)
@options.signing
def grant(number: NumberArgument = None, *, work: options.Work) -> None:
    """Approve."""
    _answer(work, number, "approval.grant", "")


@approve_app.command(
    "refuse",
    **command_help(
        "別の人の申請を拒否します。",
        "Refuse another person's request.",
        "custody approve refuse 12 --why '目的が広すぎる'",
    ),
)
@options.signing
def refuse(number: NumberArgument = None, *, why: WhyOption, work: options.Work) -> None:
    """Refuse."""
    _answer(work, number, "approval.refuse", why)


_STATES = {
    "open": ("回答待ち", "open"),
    "granted": ("承認済み・未使用", "granted, unused"),
    "used": ("使用済み", "used"),
    "refused": ("拒否", "refused"),
    "expired": ("期限切れ", "expired"),
    "revoked": ("承認者の鍵が失効", "approver's key revoked"),
}


@approve_app.command(
    "list", **command_help("申請と承認の一覧。", "List requests and approvals.", "custody approve list --json")
)
def list_(case: CaseOption = None, as_json: console.JsonOption = False, lang: console.LangOption = None) -> None:
    """List."""
    from chain_of_custody import clock  # noqa: PLC0415

    opened = options.open_named_case(case)
    approvals, now_ns = _read(opened.path, opened.policy), clock.wall_ns()
    rows = [
        {
            "request": one.seq,
            "kind": one.kind,
            "act": one.act,
            "asked": dict(one.asked),
            "why": one.why,
            "actor": one.actor,
            "state": one.state(now_ns),
            "answered_by": one.answered_by,
            "used_by": one.used_by,
        }
        for one in approvals.requests.values()
    ]
    if as_json:
        console.print_json({"policy": sorted(approvals.required), "requests": rows})
        return
    out = console.out_console()
    required = ", ".join(sorted(approvals.required)) or text("なし", "none")
    out.print(f"{text('承認が要る操作', 'needs approval')}: {required}", markup=False)
    for row in rows:
        who = f"{row['actor']} → {row['answered_by'] or '-'}"
        out.print(
            f"{row['request']:>5}  {row['kind']}  {text(*_STATES[str(row['state'])])}  {who}  {row['why']}",
            markup=False,
        )
        for line in _asked_lines(approvals.requests[int(str(row["request"]))].asked):
            out.print(f"       {line}", markup=False)
