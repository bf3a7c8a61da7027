"""What a report says, worked out from the entries of a ledger alone, in words of one language.

The PDF prints this; the HTML report works out the same from the ledger it holds (a test compares the two).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from chain_of_custody import entries as entry_forms
from chain_of_custody import exhibits, guideline, incident, merkle, report_clocks, sheets, signing, statements
from chain_of_custody.case import PROTECTION_TEXT
from chain_of_custody.people import KEY_ENTRIES, People

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chain_of_custody.entries import Entry
    from chain_of_custody.errors import Language
    from chain_of_custody.jcs import Json
    from chain_of_custody.verify import Verification

GAP_NS = 24 * 3600 * 1_000_000_000
"""An item that left storage and is not mentioned for longer than this has a gap in custody, as in verification."""
KINDS = ("report", "sheet", "exhibits")
QUIET = ("session.open", "session.close")
IMAGE_TYPES = ("image.end", "clone.end", "collect.end", "verify.end")
_SEVERITIES = {"ng": ("NG", "NG"), "unknown": ("判定不能", "cannot tell"), "note": ("注記", "note")}
_VERDICTS = {"ok": ("OK", "OK"), "ng": ("NG", "NG"), "unknown": ("判定できません", "cannot tell")}


@dataclass(frozen=True, slots=True)
class Signing:
    """A certificate that signs the document, as the ledger and the page name it."""

    certificate_sha256: str
    subject: str
    issued: str
    """`self`: made for this document, named by a signed entry; `given`: the person brought it."""

    def to_json(self) -> dict[str, Json]:
        """The member of `signing` in the body of `report.begin`."""
        return {"certificate_sha256": self.certificate_sha256, "subject": self.subject, "issued": self.issued}


@dataclass(frozen=True, slots=True)
class Made:
    """What cannot be worked out from the ledger: when and by what a report was made, and what was found then."""

    time: str
    hozen: str
    typst: str
    verdict: str
    findings: tuple[Mapping[str, Json], ...] = ()
    signing: tuple[Signing, ...] = ()
    stamped_by: str = ""
    """URL of the authority that stamps the signature; empty: none."""
    kind: str = "report"
    """`report`, `sheet` or `exhibits`."""
    item: str = ""
    """The item of a sheet."""
    withheld: int = 0
    """Findings that are not listed."""

    def to_json(self) -> dict[str, Json]:
        """As `report.json` in the PDF holds it."""
        members: dict[str, Json] = asdict(self)
        members["findings"] = [dict(one) for one in self.findings]
        members["signing"] = [one.to_json() for one in self.signing]
        return members


def made_of(value: Mapping[str, Json]) -> Made:
    """The `Made` in a `report.json`; raises ValueError, KeyError or TypeError for anything else."""
    findings, signed = value["findings"], value["signing"]
    if not isinstance(findings, list) or not isinstance(signed, list):
        raise TypeError("malformed report.json")

    def text(name: str) -> str:
        return str(value[name])

    if text("kind") not in KINDS:
        raise ValueError("unknown kind of document")
    return Made(
        time=text("time"),
        hozen=text("hozen"),
        typst=text("typst"),
        verdict=text("verdict"),
        findings=tuple(dict(one) for one in findings if isinstance(one, dict)),
        signing=tuple(
            Signing(*(str(one[name]) for name in ("certificate_sha256", "subject", "issued")))
            for one in signed
            if isinstance(one, dict)
        ),
        stamped_by=text("stamped_by"),
        kind=text("kind"),
        item=text("item"),
        withheld=int(text("withheld")),
    )


def _clock_rows(listed: Sequence[Entry], language: Language) -> Json:
    """Name, sentence, page and hash of each clock of the latest estimate."""
    estimates = b"\n".join(entry.line for entry in listed if entry.type == "clock.end")
    return [
        [
            statements.shown(one.name),
            statements.shown(one.sentence_ja if language == "ja" else one.sentence_en),
            statements.shown(one.page),
            one.sha256,
        ]
        for one in report_clocks.clock_lines(estimates)
    ]


def findings_of(verification: Verification, begin: Entry, opened_by: int) -> tuple[tuple[Mapping[str, Json], ...], int]:
    """The findings that a report lists, and how many more there are.

    That the report itself (begun by `begin`) and its session (opened by entry `opened_by`) go on is no finding. Late
    entries and gaps have tables of their own.
    """
    kept = [
        finding
        for finding in verification.findings
        if not (finding.code == "no_end" and finding.seq == begin.seq)
        and not (finding.code == "session_open" and finding.seq == opened_by)
        and finding.code not in ("late", "gap")
    ]
    own = len(verification.findings) - len(kept)
    listed = tuple(finding.to_json() for finding in kept[:200])
    return listed, sum(verification.counts.values()) - own - len(listed)


class _Words:
    """The words of one language, and the parts of a report in them."""

    def __init__(self, language: Language) -> None:
        self.language = language

    def t(self, ja: str, en: str) -> str:
        return ja if self.language == "ja" else en

    def pick(self, pair: tuple[str, str]) -> str:
        return self.t(*pair)

    def entry(self, seq: object) -> str:
        return self.t(f"第 {seq} 項", f"entry {seq}")


def tags(entry: Entry, language: Language) -> list[str]:
    """What stands beside the type of an entry."""
    words = _Words(language)
    shown = [words.t("手入力", "typed")] if entry.src == "typed" else []
    return shown + ([words.t("事後記録", "recorded later")] if entry.body.get("late") else [])


def stated(entry: Entry, language: Language) -> str:
    """What an entry states, one member a line."""
    return "\n".join(f"{label}: {value}" for label, value in statements.of(entry, language))


def files(entry: Entry, language: Language) -> list[str]:
    """Hashes that went in and came out."""
    words = _Words(language)
    return [f"{words.t('入力', 'in')} {statements.groups(one.sha256)} ({one.size} B)" for one in entry.inputs] + [
        f"{words.t('出力', 'out')} {statements.groups(one.sha256)} ({one.size} B)" for one in entry.outputs
    ]


def timeline(listed: Sequence[Entry], language: Language) -> list[dict[str, Json]]:
    """One row for each entry but those that only open and close sessions."""
    return [
        {
            "seq": str(entry.seq),
            "time": sheets.minute(entry.ts),
            "who": statements.shown(entry.actor),
            "role": _Words(language).pick((entry.role, entry_forms.ROLES[entry.role])),
            "what": statements.type_name(entry.type, language),
            "tags": list(tags(entry, language)),
            "item": statements.shown(entry.item or ""),
            "text": stated(entry, language),
            "files": list(files(entry, language)),
        }
        for entry in listed
    ]


def anomalies(listed: Sequence[Entry]) -> list[Entry]:
    """Entries that say that something did not go as it should.

    A refusal that its own person took to another for approval is the ordinary way of two persons, and none.
    """
    asked_for = {entry.body.get("refused") for entry in listed if entry.type == "approval.request"}
    return [entry for entry in listed if is_anomaly(entry) and not (entry.type == "refused" and entry.seq in asked_for)]


def is_anomaly(entry: Entry) -> bool:
    """Whether an entry says that something did not go as it should."""
    if entry.type in (
        "record.anomaly",
        "refused",
        "ledger.recovered",
        "clock.changed",
        "transfer.refuse",
        "key.revoke",
    ):
        return True
    if entry.type == "record.unseal":
        return entry.body.get("intact") == "no"
    if entry.type == "verify.end" and entry.body.get("verdict") == "mismatch":
        return True
    return entry.type.endswith(".end") and entry.body.get("status") != "done"


def gaps(listed: Sequence[Entry]) -> list[tuple[Entry, int, Entry | None]]:
    """Spans without a custodian: entry, hours, explanation.

    The entry that took an item out of storage, hours until it is mentioned again, and
    the `record.custody` entry that explains the span, if there is one.
    """
    out_since: dict[str, Entry] = {}
    found: list[tuple[Entry, int]] = []
    explained: list[tuple[int, int, Entry]] = []
    for entry in listed:
        if entry.type == "record.custody" and {"since", "until"} <= entry.body.keys():
            since, until = (entry_forms.time_ns_of(str(entry.body[name])) for name in ("since", "until"))
            explained.append((since, until, entry))
        if entry.item is None:
            continue
        out = out_since.pop(entry.item, None)
        if out is not None and entry.time_ns - out.time_ns > GAP_NS:
            found.append((out, entry.time_ns))
        if entry.type == "record.storage" and entry.body.get("direction") == "out":
            out_since[entry.item] = entry
    return [
        (
            out,
            (until_ns - out.time_ns) // 3_600_000_000_000,
            next((entry for since, until, entry in explained if since <= out.time_ns and until >= until_ns), None),
        )
        for out, until_ns in found
    ]


def people_rows(listed: Sequence[Entry], language: Language) -> list[list[Json]]:
    """Id, role, organisation and name, fingerprint of the key, how identified, state of the key."""
    words = _Words(language)
    people = People.from_first(listed[0])
    persons = dict(people.persons)
    keys = {period.key: people.persons[period.id] for period in people.periods}
    for entry in listed:
        if entry.type in KEY_ENTRIES:
            people.apply(entry)
            persons.update(people.persons)
            keys.update({period.key: people.persons[period.id] for period in people.periods if period.key not in keys})
    rows: list[list[Json]] = []
    times = {entry.time_ns: entry.ts for entry in listed if entry.type == "key.rotate"}
    for period in people.periods:
        person = keys[period.key]
        if period.revoked_by is not None:
            since = str(next(entry.body["since"] for entry in listed if entry.seq == period.revoked_by))
            state = words.t(f"{sheets.minute(since)} 以後失効", f"revoked since {sheets.minute(since)}")
        elif period.before_ns is not None:
            when = sheets.minute(times.get(period.before_ns, ""))
            state = words.t(f"{when} に交換", f"replaced {when}")
        else:
            state = words.t("有効", "valid")
        rows.append(
            [
                statements.shown(person.id),
                words.pick((person.role, entry_forms.ROLES[person.role])),
                statements.shown(" ".join(filter(None, (person.organisation, person.name)))),
                signing.fingerprint(period.key),
                statements.shown(person.identified_by) or words.t("未実施", "not done"),
                state,
            ],
        )
    return rows


def checkpoint_rows(listed: Sequence[Entry], language: Language) -> list[list[Json]]:
    """Size, root, who signed, time stamps: as the entries say (verification judges them)."""
    words = _Words(language)
    found: dict[str, tuple[str, int, list[str], list[str]]] = {}
    for entry in listed:
        size = str(entry.body.get("size", ""))
        if entry.type == "checkpoint":
            found[size] = (str(entry.body["root"]), entry.seq, [], [])
        elif entry.type == "cosigned" and size in found:
            who, role = str(entry.body["who"]), str(entry.body.get("role", ""))
            shown_role = words.pick((role, entry_forms.ROLES.get(role, role)))
            found[size][2].append(statements.shown(f"{who} ({shown_role})"))
        elif entry.type == "stamp" and size in found:
            authority = str(entry.body.get("authority", ""))
            found[size][3].append(statements.shown(f"{sheets.minute(str(entry.body['gen_time']))} {authority}".strip()))
    return [
        [
            size,
            root,
            ", ".join(signers) or words.t("なし", "none"),
            ", ".join(stamps) or words.t("なし", "none"),
            str(seq),
        ]
        for size, (root, seq, signers, stamps) in found.items()
    ]


def image_rows(listed: Sequence[Entry], language: Language) -> list[dict[str, Json]]:
    """What was acquired and verified, with its hashes."""
    begins = {entry.seq: entry for entry in listed if entry.type.endswith(".begin")}
    rows: list[dict[str, Json]] = []
    for entry in listed:
        if entry.type not in IMAGE_TYPES:
            continue
        begin = begins.get(int(str(entry.body["begin"])))
        about = begin.body if begin is not None else {}
        auto = about.get("auto")
        protection = entry.body.get("write_protection") or about.get("protection")
        if not protection and isinstance(auto, dict):
            protection = auto.get("protection")
        names = [
            statements.value("", about.get(name), language) for name in ("source", "image", "path") if about.get(name)
        ]
        hashes = entry.body.get("hashes")
        result = statements.of_body(
            entry.type,
            {name: entry.body[name] for name in ("result", "verdict", "status", "unreadable") if name in entry.body},
            language,
        )
        rows.append(
            {
                "seq": str(entry.seq),
                "time": sheets.minute(entry.ts),
                "what": statements.type_name(entry.type, language),
                "item": statements.shown(entry.item or ""),
                "name": names[0] if names else "",
                "protection": statements.value("protection", protection, language),
                "hashes": [[algorithm.upper(), statements.groups(str(digest))] for algorithm, digest in hashes.items()]
                if isinstance(hashes, dict)
                else [],
                "result": "\n".join(f"{label}: {value}" for label, value in result),
                "files": list(files(entry, language)),
            },
        )
    return rows


def coverage_rows(listed: Sequence[Entry], language: Language, copies: int) -> list[list[Json]]:
    """ID, requirement, status, grounds."""
    words = _Words(language)
    rows: list[list[Json]] = []
    for one in guideline.coverage(listed, copies=copies):
        status = words.pick(guideline.STATUS_TEXT[one.status])
        if one.status == "done" and one.typed:
            status += " " + words.t("手入力", "typed")
        numbers = ("、" if language == "ja" else ", ").join(words.entry(seq) for seq in one.entries[:12])
        if one.status in ("not_done", "not_applicable"):
            grounds = f"{statements.shown(one.reason)} ({numbers})"
        else:
            grounds = numbers if one.status == "done" else ""
        rows.append([one.requirement.id, words.pick((one.requirement.ja, one.requirement.en)), status, grounds])
    return rows


def case_rows(listed: Sequence[Entry], root: str, language: Language) -> list[list[Json]]:
    """Facts of the case: label and value."""
    words, first = _Words(language), listed[0]
    policy = first.body.get("policy")
    shown = ", ".join(f"{name}={value}" for name, value in policy.items()) if isinstance(policy, dict) else ""
    protection = PROTECTION_TEXT.get(str(first.body.get("key_protection", "")), ("", ""))
    return [
        [words.t("事案名", "name"), statements.shown(str(first.body.get("name", "")))],
        [words.t("事案 ID", "case id"), statements.visible(str(first.body["case_id"]))],
        [words.t("台帳の名前", "origin"), statements.visible(str(first.body["origin"]))],
        [words.t("事案の指紋(紙と照合)", "fingerprint (compare with paper)"), statements.groups(first.sha256)],
        [words.t("台帳全体のマークル根", "Merkle root of the ledger"), statements.groups(root)],
        [words.t("項数", "entries"), str(len(listed))],
        [words.t("期間", "period"), f"{sheets.minute(listed[0].ts)} – {sheets.minute(listed[-1].ts)}"],
        [words.t("作業者の鍵の保護", "protection of the operator's key"), words.pick(protection)],
        [words.t("方針", "policy"), statements.shown(shown) or "–"],
    ]


def of(listed: Sequence[Entry], made: Made, language: Language) -> dict[str, Json]:
    """Everything that the template prints."""
    words = _Words(language)
    first = listed[0]
    policy = first.body.get("policy")
    wanted = str(policy.get("copies", "2")) if isinstance(policy, dict) else "2"
    tree = merkle.Tree()
    for entry in listed:
        tree.add(merkle.leaf_hash(entry.line))
    name = str(first.body.get("name", "")) or str(first.body["case_id"])
    facts: dict[str, Json] = {
        "kind": made.kind,
        "lang": language,
        "case_name": statements.shown(name),
        "fingerprint": statements.groups(first.sha256),
        "made": _made_rows(listed, made, words),
        "time_shown": sheets.minute(made.time),
        "entries": len(listed),
        "signing": [one.to_json() for one in made.signing],
    }
    if made.kind == "exhibits":
        facts["heads"] = [words.pick(head) for head in exhibits.HEADS]
        facts["exhibits"] = [one.row(language) for one in exhibits.read(listed)]
        return facts
    items = [made.item] if made.kind == "sheet" else sheets.items_of(listed)
    facts["sheets"] = [sheets.sheet(listed, item, language, name).to_json() for item in items]
    if made.kind == "sheet":
        return facts
    shown = [entry for entry in listed if entry.type not in QUIET]
    course = incident.course(listed)
    facts |= {
        "classified": incident.classified_rows(course, language),
        "course_heads": [words.pick(head) for head in incident.HEADS],
        "course": incident.rows(course, language),
        "clocks": _clock_rows(listed, language),
        "verdict": made.verdict,
        "verdict_label": words.pick(_VERDICTS.get(made.verdict, (made.verdict, made.verdict))),
        "findings": [
            [
                words.pick(_SEVERITIES.get(str(one.get("severity")), ("", ""))),
                words.entry(one["entry"]) if one.get("entry") else words.t("全体", "case"),
                statements.shown(str(one.get(language, ""))),
                str(one.get("severity", "")),
            ]
            for one in made.findings
        ],
        "withheld": made.withheld,
        "case": case_rows(listed, tree.root().hex(), language),
        "people": people_rows(listed, language),
        "checkpoints": checkpoint_rows(listed, language),
        "images": image_rows(listed, language),
        "timeline": timeline(shown, language),
        "anomalies": timeline(anomalies(listed), language),
        "late": [
            [
                str(entry.seq),
                statements.moment(str(entry.body.get("at", ""))),
                sheets.minute(entry.ts),
                statements.type_name(entry.type, language),
                statements.shown(entry.item or ""),
            ]
            for entry in listed
            if entry.body.get("late")
        ],
        "gaps": [
            [
                statements.shown(out.item or ""),
                words.entry(out.seq),
                words.t(f"{hours} 時間", f"{hours} hours"),
                f"{statements.shown(str(why.body.get('explanation', '')))} ({words.entry(why.seq)})"
                if why is not None
                else words.t("説明の記録なし", "no explanation recorded"),
            ]
            for out, hours, why in gaps(listed)
        ],
        "coverage": coverage_rows(listed, language, int(wanted) if wanted.isdecimal() else 2),
        "edition": words.t(guideline.EDITION_JA, guideline.EDITION_EN),
        "heads": [words.pick(head) for head in exhibits.HEADS],
        "exhibits": [one.row(language) for one in exhibits.read(listed)],
    }
    return facts


def _made_rows(listed: Sequence[Entry], made: Made, words: _Words) -> list[list[Json]]:
    tool = listed[-1].tool
    return [
        [words.t("作成時刻", "made at"), sheets.minute(made.time)],
        [words.t("作成したプログラム", "program"), f"hozen {made.hozen} (typst {made.typst})"],
        [words.t("プログラムの SHA-256", "SHA-256 of the program"), statements.groups(tool.sha256)],
        [words.t("根拠とした台帳", "ledger"), words.t(f"第 1 項 – 第 {len(listed)} 項", f"entries 1 to {len(listed)}")],
    ]
