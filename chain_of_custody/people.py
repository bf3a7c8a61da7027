"""The people of a case: who they are, in which role, with which key and for how long; derived from the ledger alone.

`case.open` lists the first people; `key.add`, `key.rotate` and `key.revoke` change the list.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from chain_of_custody import entries, jcs, ledger, signing
from chain_of_custody.entries import Entry, EntryError
from chain_of_custody.errors import KeyAccessError, LedgerError

if TYPE_CHECKING:
    from pathlib import Path

    from chain_of_custody.jcs import Json

KEY_ENTRIES = ("key.add", "key.rotate", "key.revoke")
KEY_NAMESPACE = "custody-key"


@dataclass(frozen=True, slots=True)
class Person:
    """A person of the case with their newest key."""

    id: str
    role: str
    key: str
    """`<algorithm> <base64>`."""
    name: str = ""
    organisation: str = ""
    identified_by: str = ""
    """How the person was identified (本人確認の方法), as typed; empty: not done."""
    age: str = ""
    """age recipient (age1…) for keys that age cannot encrypt to."""


@dataclass(frozen=True, slots=True)
class KeyPeriod:
    """One key of a person and the time in which it counts, in nanoseconds UTC (None: open)."""

    id: str
    role: str
    key: str
    after_ns: int | None
    before_ns: int | None = None
    revoked: bool = False
    revoked_by: int | None = None
    """`seq` of the key.revoke entry."""


def person_to_json(person: Person) -> dict[str, Json]:
    """The member of `people` and of `key.add`; empty texts are left out."""
    members: dict[str, Json] = {"id": person.id, "role": person.role, "key": person.key}
    optional = {
        "name": person.name,
        "org": person.organisation,
        "identified_by": person.identified_by,
        "age": person.age,
    }
    members.update({name: text for name, text in optional.items() if text})
    return members


def person_of(value: Json) -> Person:
    """The person in a member of `people` or `key.add`. Raises EntryError."""
    names = ("id", "role", "key", "name", "org", "identified_by", "age")
    if not isinstance(value, dict) or not value.keys() <= set(names):
        raise EntryError("人の項目の形が不正です", "a person is malformed")
    texts = {name: value.get(name, "") for name in names}
    if not all(isinstance(text, str) for text in texts.values()):
        raise EntryError("人の項目の形が不正です", "a person is malformed")
    known = {name: str(text) for name, text in texts.items()}
    if not entries.valid_person_id(known["id"]) or known["role"] not in entries.ROLES:
        raise EntryError("人の ID か役割が不正です", "a person's id or role is invalid")
    _check_key(known["id"], known["key"])
    return Person(
        known["id"],
        known["role"],
        known["key"],
        known["name"],
        known["org"],
        known["identified_by"],
        known["age"],
    )


def _check_key(person_id: str, line: str) -> None:
    try:
        normal = signing.normal_public_line(line)
    except signing.SignatureError as error:
        raise EntryError(f"{person_id} の鍵: {error.ja}", f"key of {person_id}: {error.en}") from error
    if normal != line:
        raise EntryError("公開鍵の行が正準形ではありません", "a public key line is not in canonical form")


def rotation_statement(fingerprint: str, person_id: str, old: str, new: str) -> bytes:
    """What the old and the new key sign when one takes the place of the other."""
    return jcs.dumps({"case": fingerprint, "id": person_id, "old": old, "new": new})


def _second(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).strftime("%Y%m%d%H%M%SZ")


@dataclass(slots=True)
class People:
    """Who may sign, at the point of the ledger that was read so far."""

    persons: dict[str, Person] = field(default_factory=dict)
    periods: list[KeyPeriod] = field(default_factory=list)
    """All keys that were ever listed, in ledger order."""
    fingerprint: str = ""
    revoked: list[str] = field(default_factory=list)

    @classmethod
    def from_first(cls, first: Entry) -> People:
        """The people that `case.open` lists. Raises EntryError."""
        listed = first.body.get("people")
        if not isinstance(listed, list) or not listed:
            raise EntryError("people が空です", "no people")
        people = cls(fingerprint=first.sha256)
        for value in listed:
            people._add(person_of(value), None)
        return people

    def _add(self, person: Person, after_ns: int | None) -> None:
        if person.id in self.persons and self.current(person.id) is not None:
            raise EntryError(f"ID {person.id} は登録済みです", f"the id {person.id} is listed already")
        if any(period.key == person.key for period in self.periods):
            raise EntryError("この鍵は登録済みです", "the key is listed already")
        self.persons[person.id] = person
        self.periods.append(KeyPeriod(person.id, person.role, person.key, after_ns))

    def current(self, person_id: str) -> KeyPeriod | None:
        """The key of this person that counts now; None if there is none (any more)."""
        for period in reversed(self.periods):
            if period.id == person_id and period.before_ns is None:
                return period
        return None

    def apply(self, entry: Entry) -> None:
        """Take a `key.*` entry into account. Raises EntryError when it does not hold."""
        if entry.type == "key.add":
            self._add(person_of(entry.body["person"]), entry.time_ns)
        elif entry.type == "key.rotate":
            self._rotate(entry)
        elif entry.type == "key.revoke":
            self._revoke(entry)

    def _rotate(self, entry: Entry) -> None:
        texts = {name: str(entry.body[name]) for name in ("id", "old", "new", "sig_old", "sig_new")}
        period = self.current(texts["id"])
        if period is None or period.key != texts["old"]:
            raise EntryError("交換される鍵が現在の鍵ではありません", "the key to be replaced is not the current one")
        if entry.actor != texts["id"]:
            raise EntryError("鍵は本人だけが交換できます", "only the person may rotate the key")
        _check_key(texts["id"], texts["new"])
        if any(known.key == texts["new"] for known in self.periods):
            raise EntryError("この鍵は登録済みです", "the key is listed already")
        statement = rotation_statement(self.fingerprint, texts["id"], texts["old"], texts["new"])
        for which in ("old", "new"):
            try:
                signing.verify(texts[f"sig_{which}"], statement, KEY_NAMESPACE, texts[which])
            except signing.SignatureError as error:
                raise EntryError(
                    f"鍵交換の署名(sig_{which})が不正です: {error.ja}",
                    f"the signature {which} of the rotation is invalid: {error.en}",
                ) from error
        self._end(period, entry.time_ns)
        age = str(entry.body.get("age", ""))
        self.persons[texts["id"]] = replace(self.persons[texts["id"]], key=texts["new"], age=age)
        self.periods.append(KeyPeriod(texts["id"], period.role, texts["new"], entry.time_ns))

    def _revoke(self, entry: Entry) -> None:
        person_id, key = str(entry.body["id"]), str(entry.body["key"])
        if entry.actor == person_id:
            raise EntryError("失効は別の人が記録します", "a key is revoked by another person")
        try:
            since_ns = entries.time_ns_of(str(entry.body["since"]))
        except ValueError as error:
            raise EntryError("since の時刻が不正です", "since is no time") from error
        found = [period for period in self.periods if period.id == person_id and period.key == key]
        if not found or found[0].revoked:
            raise EntryError("失効させる鍵が登録されていません", "the key to revoke is not listed (or revoked already)")
        period = found[0]
        before_ns = since_ns if period.before_ns is None else min(since_ns, period.before_ns)
        self._end(period, before_ns, revoked_by=entry.seq)
        self.revoked.append(key)

    def _end(self, period: KeyPeriod, before_ns: int, *, revoked_by: int | None = None) -> None:
        place = self.periods.index(period)
        self.periods[place] = replace(
            period,
            before_ns=before_ns,
            revoked=revoked_by is not None,
            revoked_by=revoked_by,
        )

    def period_at(self, person_id: str, role: str, time_ns: int) -> KeyPeriod | None:
        """The key with which this person could sign in this role at this time; None if there was none."""
        found = None
        for period in self.periods:
            if (
                period.id == person_id
                and period.role == role
                and (period.after_ns is None or time_ns >= _floor(period.after_ns))
                and (period.before_ns is None or time_ns <= period.before_ns)
            ):
                found = period
        return found

    def holder(self, public_line: str, actor: str | None = None) -> Person:
        """The person whose current key this is (with this id, if given). Raises KeyAccessError."""
        for person in self.persons.values():
            if person.key == public_line and actor in (None, person.id) and self.current(person.id) is not None:
                return person
        mine = signing.fingerprint(public_line)
        who_ja, who_en = (f"「{actor}」の鍵として", f" as the key of {actor}") if actor else ("", "")
        raise KeyAccessError(
            f"この鍵({mine})は{who_ja}この事案に登録されていないか、失効しています",
            f"this key ({mine}) is not known in this case{who_en}, or no longer valid",
            hint_ja="登録された人の鍵を --key で指定してください(custody keys で一覧)",
            hint_en="give the key of a listed person with --key (custody keys lists them)",
        )

    def allowed_signers(self) -> str:
        """The file `allowed_signers` of OpenSSH for this ledger."""
        namespaces = f"{signing.SESSION_NAMESPACE},{signing.CHECKPOINT_NAMESPACE}"
        lines = []
        for period in self.periods:
            options = f'namespaces="{namespaces}"'
            if period.after_ns is not None:
                options += f',valid-after="{_second(period.after_ns)}"'
            if period.before_ns is not None:
                # OpenSSH's times have no fractions, and valid-before excludes its second: the next one.
                options += f',valid-before="{_second(period.before_ns + 1_000_000_000)}"'
            lines.append(f"{period.id} {options} {period.key}\n")
        return "".join(lines)

    def revoked_keys(self) -> str:
        """The file `revoked_keys`: a plain list of public keys, in ledger order (`ssh-keygen -r` accepts it)."""
        return "".join(f"{key}\n" for key in self.revoked)

    def secret_recipients(self) -> list[str]:
        """To whom the case's secret is encrypted: everybody who may work on evidence and whose key age can use."""
        working = entries.TYPES["scan.begin"].roles
        recipients = []
        for person in self.persons.values():
            if person.role not in working or self.current(person.id) is None:
                continue
            if person.age:
                recipients.append(person.age)
            elif person.key.startswith(("ssh-ed25519 ", "ssh-rsa ")):
                recipients.append(person.key)
        return recipients


def _floor(time_ns: int) -> int:
    """OpenSSH's times have no fractions: a key counts from the start of the second in which it was listed."""
    return time_ns - time_ns % 1_000_000_000


@dataclass(slots=True)
class PeopleHistory:
    """The people now, and what the derived files were at every earlier point of the ledger."""

    people: People
    earlier: list[tuple[str, str]] = field(default_factory=list)
    """`allowed_signers` and `revoked_keys` before each `key.*` entry."""

    def apply(self, entry: Entry) -> None:
        """Take an entry into account. Raises EntryError."""
        if entry.type in KEY_ENTRIES:
            before = (self.people.allowed_signers(), self.people.revoked_keys())
            self.people.apply(entry)
            self.earlier.append(before)


def read_history(case: Path) -> PeopleHistory:
    """The people as the ledger in `case` says; signatures of entries are not verified here. Raises LedgerError."""
    history: PeopleHistory | None = None
    try:
        with (case / ledger.LEDGER_NAME).open("rb") as file:
            for line in ledger.lines_of(file):
                if history is None:
                    history = PeopleHistory(People.from_first(entries.parse_line(line.rstrip(b"\n"))))
                elif b'"type":"key.' in line and line.endswith(b"\n"):
                    history.apply(entries.parse_line(line[:-1]))
    except OSError as error:
        raise LedgerError(
            f"台帳を読めません: {case}: {error.strerror}",
            f"cannot read the ledger: {case}: {error.strerror}",
        ) from error
    except EntryError as error:
        raise LedgerError(f"台帳が不正です: {error.ja}", f"the ledger is invalid: {error.en}") from error
    if history is None:
        raise LedgerError(f"台帳が空です: {case}", f"the ledger is empty: {case}")
    return history


def read_people(case: Path) -> People:
    """The people now. Raises LedgerError."""
    return read_history(case).people


def to_json(person: Person, people: People) -> dict[str, Json]:
    """The person as `--json` prints it."""
    return {
        **person_to_json(person),
        "fingerprint": signing.fingerprint(person.key),
        "valid": people.current(person.id) is not None,
    }


def sshsig_key(armored: str) -> str:
    """`<algorithm> <base64>` of the key inside an SSHSIG, unverified: to say whose signature it claims to be."""
    blob = signing.unarmor(armored)
    size = int.from_bytes(blob[10:14], "big")
    key = blob[14 : 14 + size]
    kind = key[4 : 4 + int.from_bytes(key[:4], "big")].decode("ascii", "replace")
    return f"{kind} {base64.b64encode(key).decode('ascii')}"
