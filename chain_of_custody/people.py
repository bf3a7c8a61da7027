"""The people of a case: who they are, in which role, with which key and for how long; derived from the ledger alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chain_of_custody import entries, ledger, signing
from chain_of_custody.entries import Entry, EntryError
from chain_of_custody.errors import KeyAccessError, LedgerError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from chain_of_custody.jcs import Json


@dataclass(frozen=True, slots=True)
class Person:
    """A person of the case and one key of theirs."""

    id: str
    role: str
    key: str
    """`<algorithm> <base64>`."""
    name: str = ""
    organisation: str = ""


def _person(value: Json) -> Person:
    if not isinstance(value, dict):
        raise EntryError("people の形が不正です", "malformed people")
    texts = {name: value.get(name, "") for name in ("id", "role", "key", "name", "org")}
    if not all(isinstance(text, str) for text in texts.values()) or not value.keys() <= texts.keys():
        raise EntryError("people の形が不正です", "malformed people")
    known = {name: str(text) for name, text in texts.items()}
    if not entries.valid_person_id(known["id"]) or known["role"] not in entries.ROLES:
        raise EntryError("people の ID か役割が不正です", "a person's id or role is invalid")
    try:
        key = signing.normal_public_line(known["key"])
    except signing.SignatureError as error:
        raise EntryError(f"{known['id']} の{error.ja}", f"{known['id']}: {error.en}") from error
    if key != known["key"]:
        raise EntryError("公開鍵の行が正準形ではありません", "a public key line is not in canonical form")
    return Person(known["id"], known["role"], key, known["name"], known["org"])


@dataclass(slots=True)
class People:
    """Who may sign, at the point of the ledger that was read so far."""

    persons: dict[str, Person] = field(default_factory=dict)

    @classmethod
    def from_first(cls, first: Entry) -> People:
        """The people that `case.open` lists. Raises EntryError."""
        listed = first.body.get("people")
        if not isinstance(listed, list) or not listed:
            raise EntryError("people が空です", "no people")
        people = cls()
        for value in listed:
            person = _person(value)
            if person.id in people.persons or person.key in {p.key for p in people.persons.values()}:
                raise EntryError("ID か鍵が重複しています", "an id or a key occurs twice")
            people.persons[person.id] = person
        return people

    def holder(self, public_line: str, actor: str | None = None) -> Person:
        """The person with this key (and this id, if given). Raises KeyAccessError."""
        for person in self.persons.values():
            if person.key == public_line and actor in (None, person.id):
                return person
        mine = signing.fingerprint(public_line)
        raise KeyAccessError(
            f"この鍵({mine})は{f'「{actor}」の鍵として' if actor else ''}この事案に登録されていません",
            f"this key ({mine}) is not known in this case{f' as the key of {actor}' if actor else ''}",
            hint_ja="登録された人の鍵を --key で指定してください(custody keys で一覧)",
            hint_en="give the key of a listed person with --key (custody keys lists them)",
        )

    def allowed_signers(self) -> str:
        """The file `allowed_signers` of OpenSSH for this ledger."""
        namespaces = f"{signing.SESSION_NAMESPACE},{signing.CHECKPOINT_NAMESPACE}"
        return "".join(f'{person.id} namespaces="{namespaces}" {person.key}\n' for person in self.persons.values())

    def revoked_keys(self) -> str:
        """The file `revoked_keys`: a plain list of public keys, in ledger order."""
        return ""


def read_people(case: Path) -> People:
    """The people as the ledger in `case` says now; signatures are not verified here. Raises LedgerError."""
    try:
        with (case / ledger.LEDGER_NAME).open("rb") as file:
            for line in ledger.lines_of(file):
                return People.from_first(entries.parse_line(line.rstrip(b"\n")))
    except OSError as error:
        raise LedgerError(
            f"台帳を読めません: {case}: {error.strerror}",
            f"cannot read the ledger: {case}: {error.strerror}",
        ) from error
    except EntryError as error:
        raise LedgerError(f"台帳が不正です: {error.ja}", f"the ledger is invalid: {error.en}") from error
    raise LedgerError(f"台帳が空です: {case}", f"the ledger is empty: {case}")


def to_json(person: Person) -> Mapping[str, Json]:
    """The person as `--json` prints it."""
    return {
        "id": person.id,
        "role": person.role,
        "name": person.name,
        "org": person.organisation,
        "key": person.key,
        "fingerprint": signing.fingerprint(person.key),
    }
