"""A guided walk for the first responder: the next step, from what the ledger already holds; and the one-page checklist.

The order follows the state of the machine: on (volatile data before the power decision), off (never switched on), or
not yet recorded. Each step says what, why, and what never to do. Nothing here asks a network.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from chain_of_custody.entries import Entry
    from chain_of_custody.errors import Language

MachineState = Literal["on", "off", "sleep", "unknown", "unrecorded"]

STATE_TEXT: Mapping[MachineState, tuple[str, str]] = {
    "on": ("電源が入っている", "switched on"),
    "off": ("電源が切れている", "switched off"),
    "sleep": ("スリープ・休止中", "asleep"),
    "unknown": ("電源の状態が不明", "power state not known"),
    "unrecorded": ("まだ記録がありません", "not recorded yet"),
}

NEVER: Sequence[tuple[str, str]] = (
    ("使い続けない・再起動しない", "do not go on using it, do not restart it"),
    ("ウイルス検査・修復をしない", "no virus scan, no repair"),
    ("初期化・再インストールしない", "do not initialise or reinstall it"),
    ("切れている電源を入れない", "do not switch it on when it is off"),
    ("原本の媒体に書き込まない", "do not write to the original medium"),
)


@dataclass(frozen=True, slots=True)
class GuideStep:
    """One step: what to do, why, what never to do, the command, the entry types that show it done."""

    id: str
    ja: str
    en: str
    why_ja: str
    why_en: str
    never_ja: str
    never_en: str
    command: str
    types: tuple[str, ...]
    waived_by: str = ""
    """Id of the requirement whose `record.waiver` counts as an answer."""
    once: bool = False
    """Done once for the case, not for each item."""


@dataclass(frozen=True, slots=True)
class Walk:
    """Where the responder stands: the state of the machine, steps in order, and the ids of those done."""

    state: MachineState
    steps: tuple[GuideStep, ...]
    done: frozenset[str]

    @property
    def next(self) -> GuideStep | None:
        """The first step that is not done; None at the end."""
        return next((step for step in self.steps if step.id not in self.done), None)


SCENE = GuideStep(
    "scene",
    "触らずに見て、写真を撮り、状態を書く(電源・画面・接続・居合わせた人)",
    "look without touching, take photographs, write down the state (power, screen, connections, people)",
    "触る前の状態は一度しか残せません。",
    "the untouched state can be kept only once.",
    "マウスやキーを動かさない。画面を閉じない。",
    "do not move the mouse or press keys; do not close the lid.",
    "custody record scene",
    ("record.scene",),
    "F1",
)
PHOTO = GuideStep(
    "photo",
    "写真を台帳に入れる(画面・正面・背面・ケーブル・銘板)",
    "put the photographs into the ledger (screen, front, back, cables, label)",
    "言葉より写真が確かです。",
    "photographs outweigh words.",
    "写真を加工・上書きしない。",
    "do not edit or overwrite photographs.",
    "custody record photo --field what=画面 --file FILE",
    ("record.photo",),
    "A8",
)
AUTHORITY = GuideStep(
    "authority",
    "依頼者と根拠(依頼書・同意書・令状・規程)を書く",
    "write down who asks for it and by what authority",
    "根拠のない取得は、後で争われます。",
    "without authority the result is disputed later.",
    "同意や命令の範囲を超えない。",
    "do not go beyond what was consented to or ordered.",
    "custody record authority",
    ("record.authority",),
    "P1",
    once=True,
)
PRIOR = GuideStep(
    "prior",
    "すでに誰かが行った操作を聞いて書く",
    "ask what others have already done and write it down",
    "発見後の操作の痕跡を、事件の痕跡と取り違えないため。",
    "so that their traces are not taken for those of the incident.",
    "責めない。記憶のまま、時刻とともに聞く。",
    "do not blame: ask for what they remember, with times.",
    "custody record prior",
    ("record.prior",),
    "F5",
)
CLOCK = GuideStep(
    "clock",
    "画面の時刻と、基準の時刻(117・電波時計・NTP)を同時に書く",
    "write down the time shown and a reference time at the same moment",
    "時計のずれが分からないと、いつの出来事か言えません(無関係の人が逮捕された例があります)。",
    "without the offset nobody can say when things happened (an innocent man was arrested for that).",
    "時計を合わせ直さない。",
    "do not set the clock right.",
    "custody record clock",
    ("record.clock",),
    "F6",
)
VOLATILE = GuideStep(
    "live",
    "電源を切る前に、消える情報を集める(持参した外付け媒体へ)",
    "before power goes, collect what will be lost (onto a medium of your own)",
    "通信・プロセス・暗号化の鍵は、電源を切ると失われます(RFC 3227)。",
    "connections, processes and encryption keys are lost with power (RFC 3227).",
    "対象機のディスクに書かない。ファイルを開いて中を見ない。",
    "do not write to its disk; do not open files to look inside.",
    "preserve live --case DIR",
    ("live.end", "record.volatile"),
    "F3",
)
NETWORK = GuideStep(
    "network",
    "ネットワークから切り離し、その時刻を書く(ケーブルを抜く・機内モード)",
    "cut the network and write down when (pull the cable, flight mode)",
    "遠隔での消去や、続いている漏えいを止めます。",
    "it stops remote wiping and a leak that goes on.",
    "電源は切らない。共有機器ごと止めるときは管理者に確認する。",
    "do not switch it off; ask the administrator before stopping shared equipment.",
    "custody record network",
    ("record.network",),
    "F4",
)
POWER_ON = GuideStep(
    "power",
    "電源をどうするか決め、理由と決めた人を書く(暗号化されていれば、切ると読めなくなることがある)",
    "decide about power; write down why and who decided (an encrypted disk may be unreadable once off)",
    "終了や再起動は、証拠を書き換えます。",
    "shutting down or restarting changes evidence.",
    "通常の終了・再起動を、決める前にしない。",
    "no ordinary shutdown or restart before that decision.",
    "custody record power",
    ("record.power",),
    "F2",
)
POWER_OFF = GuideStep(
    "power",
    "電源は切れたままにし、そのことを書く(バッテリーが外せれば外す)",
    "leave it off and write that down (take the battery out if it comes out)",
    "起動するだけで、数千のファイルの時刻が変わります。",
    "merely starting it changes the times of thousands of files.",
    "電源を入れない。ふたを開けない(起動する機種がある)。",
    "do not switch it on; do not open the lid (some machines start).",
    "custody record power",
    ("record.power",),
    "F2",
)
ITEM = GuideStep(
    "item",
    "番号を付け、種別・メーカー・型番・製造番号・外観を書く(外付け媒体・電源も一緒に)",
    "give it a number; write down kind, maker, model, serial number, looks (media and chargers too)",
    "取り違えを防ぎます。",
    "it prevents mixing up items.",
    "番号を使い回さない。",
    "never use a number twice.",
    "custody record item",
    ("record.item",),
    "T1",
)
SEAL = GuideStep(
    "seal",
    "封印し、封印番号を書く(口・端子・ねじをふさぐ)",
    "seal it and write down the number of the seal (openings, ports, screws)",
    "途中で触られていないことを示します。",
    "it shows that nobody touched it on the way.",
    "封印の番号を書かずに渡さない。",
    "do not hand it over before the seal's number is written down.",
    "custody record seal",
    ("record.seal",),
    "T2",
)
HAND = GuideStep(
    "hand-over",
    "保管場所と、受け渡す相手・時刻を書く",
    "write down where it is kept, or to whom and when it is handed over",
    "誰も持っていない時間があると、その間の改変を疑われます。",
    "any time in nobody's hands gives room for doubt.",
    "机の上や車内に置いたままにしない。",
    "do not leave it on a desk or in a car.",
    "custody record storage",
    ("record.storage", "record.transport", "transfer.offer"),
    "T3",
)
FIX = GuideStep(
    "checkpoint",
    "台帳をここまでで固定する(署名)",
    "fix the ledger so far (signed)",
    "この時点より前が後から変えられていないと示せます。",
    "it shows that nothing before it was changed later.",
    "事案の指紋を控えずに終わらない(紙に書く)。",
    "do not end without the fingerprint of the case on paper.",
    "custody checkpoint",
    ("checkpoint",),
    once=True,
)

BEGINNING = (SCENE, PHOTO)
END = (PRIOR, AUTHORITY, ITEM, SEAL, HAND, FIX)
# A photograph takes seconds; a remote wipe too. The connections are seen only before the cable is pulled, so that the
# collection comes first unless data is being destroyed (said on the page).
ON = (*BEGINNING, CLOCK, AUTHORITY, VOLATILE, NETWORK, POWER_ON, PRIOR, ITEM, SEAL, HAND, FIX)
OFF = (*BEGINNING, POWER_OFF, *END)
ASLEEP = (*BEGINNING, NETWORK, POWER_ON, *END)

EMERGENCY = (
    "消去・暗号化・送信が進行中なら: すぐネットワークを切り、時刻を書く。",
    "If data is being wiped, encrypted or sent right now: cut the network at once and note the time.",
)
LOCKED = (
    "画面がロック中: パスワードを試さない。写真・時刻・ネットワークを済ませ、電源を保って専門家を待つ。",
    "Screen locked: do not try passwords. Photograph, note clock and network, keep power, wait for a specialist.",
)


def machine_state(entries: Iterable[Entry], item: str | None = None) -> MachineState:
    """The power state in the newest `record.scene` (of `item`, or of the whole case)."""
    state: MachineState = "unrecorded"
    for entry in entries:
        if entry.type == "record.scene" and (item is None or entry.item in (item, None)):
            power = str(_fields(entry).get("power", "unknown"))
            state = power if power in ("on", "off", "sleep") else "unknown"  # type: ignore[assignment]
    return state


def _fields(entry: Entry) -> Mapping[str, object]:
    inner = entry.body.get("fields")
    return inner if isinstance(inner, dict) else entry.body


def walk(listed: Sequence[Entry], item: str | None = None) -> Walk:
    """The steps for the recorded state of the machine and which of them the ledger shows as done."""
    state = machine_state(listed, item)
    orders: Mapping[MachineState, tuple[GuideStep, ...]] = {"on": ON, "off": OFF, "unknown": ON, "sleep": ASLEEP}
    steps = orders.get(state, BEGINNING)
    done: set[str] = set()
    for step in steps:
        for entry in listed:
            fits = step.once or item is None or entry.item in (item, None)
            waived = entry.type == "record.waiver" and step.waived_by and _fields(entry).get("id") == step.waived_by
            if fits and (entry.type in step.types or waived):
                done.add(step.id)
    return Walk(state, steps, frozenset(done))


def checklist_pdf(language: Language, name: str = "", fingerprint: str = "") -> bytes:
    """The checklist to print: one page of A4 (PDF). The same arguments give the same bytes."""
    import json  # noqa: PLC0415 - `--help` needs none of this
    from datetime import UTC, datetime  # noqa: PLC0415

    import typst  # noqa: PLC0415

    from chain_of_custody import report_pdf  # noqa: PLC0415

    pick = 0 if language == "ja" else 1

    def lines(steps: Sequence[GuideStep]) -> list[list[str]]:
        return [
            [one.ja, one.why_ja, one.never_ja] if language == "ja" else [one.en, one.why_en, one.never_en]
            for one in steps
        ]

    titles = (
        ("初動チェックリスト(保全)", "First response: checklist"),
        ("してはいけないこと", "Never"),
        ("1. まず(どの状態でも)", "1. First, whatever its state"),
        ("2. 電源が入っているとき(上から順に)", "2. Switched on (in this order)"),
        ("3. 電源が切れているとき", "3. Switched off"),
        ("4. 最後に(どの状態でも)", "4. At the end, whatever its state"),
        ("時刻", "time"),
        ("禁止:", "never:"),
        ("事案", "case"),
        ("対象物番号", "item"),
        ("記入者", "by"),
        ("日付", "date"),
        ("事案の指紋", "fingerprint of the case"),
    )
    facts = {
        "titles": [one[pick] for one in titles],
        "never": [one[pick] for one in NEVER],
        "alerts": [EMERGENCY[pick], LOCKED[pick]],
        "first": lines(BEGINNING),
        "on": lines((CLOCK, VOLATILE, NETWORK, POWER_ON)),
        "off": lines((POWER_OFF,)),
        "last": lines(END),
        "case": name,
        "fingerprint": fingerprint,
        "lang": language,
    }
    template = (resources.files("chain_of_custody") / "templates" / "checklist.typ").read_bytes()
    compiled = typst.Compiler(
        template,
        font_paths=report_pdf._fonts(),  # noqa: SLF001 - one set of fonts for all documents
        sys_inputs={"facts": json.dumps(report_pdf._printable(facts), ensure_ascii=False)},  # noqa: SLF001
    ).compile(format="pdf", pdf_standards=["a-3b"], timestamp=datetime(2000, 1, 1, tzinfo=UTC))
    assert isinstance(compiled, bytes)
    return compiled
