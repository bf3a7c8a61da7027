"""The case: a folder with a signed ledger. The library's main entrance.

```python
from chain_of_custody import FileHash, init_case, open_case

init_case(Path("case"), name="2026-017").close()
with open_case(Path("case"), tool="preserve") as case:
    case.append("note", {"text": "電源断で受領"}, src="typed")
    with case.action("verify", {"image": "disk.E01"}) as action:     # verify.begin is on disk before the block runs
        action.set_result({"equal": "yes"}, outputs=[FileHash("…64 hex…", 1024)])
```
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chain_of_custody import (
    agent,
    approvals,
    clock,
    details,
    entries,
    jcs,
    ledger,
    operator_key,
    secret,
    session_key,
    sessions,
    signers,
    signing,
    tool_identity,
)
from chain_of_custody.entries import Entry, EntryError, FileHash
from chain_of_custody.errors import CaseNotFoundError, KeyAccessError, LedgerError, UsageError
from chain_of_custody.masking import mask_text
from chain_of_custody.people import (
    KEY_NAMESPACE,
    People,
    Person,
    person_of,
    person_to_json,
    read_history,
    read_people,
    rotation_statement,
)
from chain_of_custody.reading import read_entries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

    from chain_of_custody.entries import Source
    from chain_of_custody.errors import Language
    from chain_of_custody.jcs import Json
    from chain_of_custody.ledger import Recovery, Tail
    from chain_of_custody.people import PeopleHistory
    from chain_of_custody.session_key import NewSessionKey, SessionKey
    from chain_of_custody.signing import Signer

SESSION_HOURS = 24
VERIFY_SCRIPT = "verify.sh"
README_NAME = "README-検証.txt"
SIGNERS_NAME = "allowed_signers"
REVOKED_NAME = "revoked_keys"
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_HASH = re.compile(r"[0-9a-f]{32,128}")


@dataclass(frozen=True, slots=True)
class KeyNotice:
    """What a report says of the operator's key."""

    actor: str
    role: str
    fingerprint: str
    """`SHA256:…` of the public key."""
    protection: str
    """`none`, `passphrase`, `agent` or `token`."""
    ja: str
    en: str


PROTECTION_TEXT: Mapping[str, tuple[str, str]] = {
    "none": ("作業者の鍵にパスフレーズなし", "the operator's key has no passphrase"),
    "passphrase": ("作業者の鍵はパスフレーズで保護", "the operator's key is protected by a passphrase"),
    "agent": ("作業者の鍵は ssh-agent にある", "the operator's key is held by ssh-agent"),
    "token": ("作業者の鍵はトークンにある", "the operator's key is on a token"),
}


@dataclass(slots=True)
class Session:
    """A session key in memory, and until when it may sign."""

    id: str
    key: SessionKey
    auth: Mapping[str, Json]
    sig: str
    not_after_ns: int
    opened: bool = False
    """Whether the entry that authorises it is in the ledger."""
    shared: bool = False
    """Whether other commands go on using it, so that it is not closed here."""
    frame: _Frame | None = field(default=None, repr=False)


def new_session(
    signer: Signer,
    fingerprint: str,
    actor: str,
    role: str,
    hours: float = SESSION_HOURS,
    key: NewSessionKey | None = None,
) -> Session:
    """A session for `actor`, authorised by the person's key for the case with this fingerprint (empty: being made)."""
    key = key if key is not None else session_key.new_session_key()
    now = clock.now()
    not_after = entries.moment_of(now.ts) + timedelta(hours=hours)
    auth: dict[str, Json] = {
        "case": fingerprint,
        "session": secrets.token_hex(16),
        "key": base64.b64encode(key.public).decode("ascii"),
        "actor": actor,
        "role": role,
        "not_after": not_after.isoformat(timespec="microseconds"),
    }
    sig = signer.sign(jcs.dumps(auth), signing.SESSION_NAMESPACE)
    lifetime_ns = int(hours * 3600 * 1_000_000_000)
    return Session(str(auth["session"]), key, auth, sig, now.time_ns + lifetime_ns)


def _give_up(key: SessionKey) -> None:
    if isinstance(key, session_key.SodiumKey | session_key.OpenSslKey):
        key.wipe()


class Action:
    """What runs between `<kind>.begin` and `<kind>.end`; `set_result` says what the end entry holds."""

    def __init__(self, begin: Entry) -> None:
        self.begin = begin
        self._result: dict[str, Json] = {}
        self._inputs: tuple[FileHash, ...] = ()
        self._outputs: tuple[FileHash, ...] = ()
        self._status: str = "done"

    def set_result(
        self,
        body: Mapping[str, Json],
        *,
        outputs: Sequence[FileHash] = (),
        status: Literal["done", "partial"] = "done",
        inputs: Sequence[FileHash] = (),
    ) -> None:
        """Body, files and status of the end entry; a later call replaces an earlier one."""
        self._result = dict(body)
        self._outputs = tuple(outputs)
        self._inputs = tuple(inputs)
        self._status = status


class Case:
    """An open case folder. Writing opens a session at the first entry; `close` (or leaving `with`) closes it."""

    def __init__(
        self,
        path: Path,
        first: Entry,
        *,
        key: Path | None = None,
        passphrase: Callable[[], bytes] | None = None,
        new_passphrase: Callable[[], bytes] | None = None,
        actor: str | None = None,
        tool: str = "custody",
    ) -> None:
        self.path = path
        self._first = first
        self._key_path = key
        self._passphrase = passphrase
        self._new_passphrase = new_passphrase
        self._actor = actor
        self._tool_name = tool
        self._ledger = ledger.Ledger(path)
        self._signer: Signer | None = None
        self._session: Session | None = None
        self._secret: bytes | None = None
        self._has_approvals = approvals.POLICY in self.policy
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"Case({str(self.path)!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except LedgerError as unclosed:
            # What was appended is on disk, and verification shows the session without end: the first error counts.
            if error is None:
                raise
            error.add_note(str(unclosed))

    # --- facts --------------------------------------------------------------------------------------------------------

    @property
    def first(self) -> Entry:
        """The first entry, `case.open`."""
        return self._first

    @property
    def case_id(self) -> str:
        """Id of the case, from its first entry."""
        return str(self._first.body["case_id"])

    @property
    def name(self) -> str:
        """The case's name as its maker typed it; empty if none."""
        return str(self._first.body.get("name", ""))

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the first line: what goes on paper."""
        return self._first.sha256

    @property
    def policy(self) -> Mapping[str, str]:
        """Policy of the case, from its first entry."""
        policy = self._first.body["policy"]
        return {str(k): str(v) for k, v in policy.items()} if isinstance(policy, dict) else {}

    @property
    def language(self) -> Language:
        """Language of this run."""
        from chain_of_custody import console  # noqa: PLC0415 - keeps the library free of the command line

        return console.language()

    def people(self) -> People:
        """The people of the case with their roles and keys, as the ledger says now."""
        return read_people(self.path)

    @property
    def signer(self) -> Signer:
        """The operator's key, unlocked (asked for when needed). Raises KeyAccessError. See signers.open_signer."""
        if self._signer is None:
            self._signer = signers.open_signer(self._key_path, self._passphrase, self._new_passphrase)
        return self._signer

    def operator(self) -> Person:
        """The person of the case whose key this is. Raises KeyAccessError for a key that the case does not know."""
        history = read_history(self.path)
        person = history.people.holder(self.signer.public_line, self._actor)
        self._mend_derived(history)
        return person

    def _mend_derived(self, history: PeopleHistory) -> None:
        """Bring `allowed_signers` and `revoked_keys` up to date if a crash left them at an earlier point.

        Files that are neither are left alone: verification shows that somebody changed them.
        """
        people = history.people
        wanted = (people.allowed_signers().encode(), people.revoked_keys().encode())
        try:
            present = tuple((self.path / name).read_bytes() for name in (SIGNERS_NAME, REVOKED_NAME))
            known = {(one.encode(), two.encode()) for one, two in history.earlier}
            mixed = {(one, two) for one, _ in known | {wanted} for _, two in known | {wanted}}
            if present != wanted and present in mixed:
                _replace_file(self.path / SIGNERS_NAME, wanted[0])
                _replace_file(self.path / REVOKED_NAME, wanted[1])
        except OSError:
            # Missing or unreadable files are for verification to report.
            return

    def _write_derived(self) -> None:
        people = self.people()
        try:
            _replace_file(self.path / SIGNERS_NAME, people.allowed_signers().encode())
            _replace_file(self.path / REVOKED_NAME, people.revoked_keys().encode())
        except OSError as error:
            raise LedgerError(
                f"allowed_signers を書き込めません: {self.path}: {error.strerror}",
                f"cannot write allowed_signers in {self.path}: {error.strerror}",
            ) from error

    def key_notice(self) -> KeyNotice:
        """What a report says of the operator's key (for instance that it has no passphrase).

        In a session that spans commands, that of the key which authorised it.
        """
        shared = sessions.usable(self.fingerprint) if self._key_path is None and self._signer is None else None
        if shared is not None and shared.actor in self.people().persons:
            person, protection = self.people().persons[shared.actor], shared.protection
        else:
            person, protection = self.operator(), self.signer.protection
        ja, en = PROTECTION_TEXT[protection]
        return KeyNotice(
            person.id,
            person.role,
            signing.fingerprint(person.key),
            protection,
            ja,
            en,
        )

    # --- writing ------------------------------------------------------------------------------------------------------

    def append(
        self,
        type: str,  # noqa: A002 - the member's name in the format
        body: Mapping[str, Json],
        *,
        item: str | None = None,
        inputs: Sequence[FileHash] = (),
        outputs: Sequence[FileHash] = (),
        src: Source = "auto",
        details: bytes | None = None,
    ) -> Entry:
        """Append one entry; it is signed and on disk when this returns.

        `details` (text or bytes, kept outside the ledger so that it can be removed later) goes to
        `details/<sha256>.json` with a salt. Raises LedgerError when the ledger cannot be written, UsageError when the
        type, the body or the role does not fit.
        """
        draft = _Draft(
            type,
            _masked_texts(body) if src == "typed" else dict(body),
            mask_text(item) if item is not None else None,
            tuple(inputs),
            tuple(outputs),
            src,
            self._write_details(details),
        )
        return self._append(draft)

    @contextmanager
    def action(
        self,
        kind: str,
        body: Mapping[str, Json],
        *,
        item: str | None = None,
        inputs: Sequence[FileHash] = (),
    ) -> Iterator[Action]:
        """Write `<kind>.begin` (on disk before the block runs), run the block, write `<kind>.end`.

        The end says `done` or `partial` (Action.set_result), `failed` with the class of an exception (never its
        words, which may hold what must not be recorded), or `interrupted`. Exceptions go on to the caller.
        """
        begin = self.append(f"{kind}.begin", {**body, "run": self._run()}, item=item, inputs=inputs)
        action = Action(begin)
        try:
            yield action
        except BaseException as error:
            stopped = isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit)
            ending: dict[str, Json] = {
                **action._result,  # noqa: SLF001 - Action and Case are one thing
                "begin": begin.seq,
                "status": "interrupted" if stopped else "failed",
                "error": type(error).__name__,
            }
            try:
                self._end(kind, ending, item, action)
            except LedgerError as unrecorded:
                # The begin without end says that something broke off; why it broke off matters more than this.
                error.add_note(str(unrecorded))
            raise
        self._end(
            kind,
            {**action._result, "begin": begin.seq, "status": action._status},  # noqa: SLF001
            item,
            action,
        )

    def _end(self, kind: str, body: dict[str, Json], item: str | None, action: Action) -> None:
        self.append(f"{kind}.end", body, item=item, inputs=action._inputs, outputs=action._outputs)  # noqa: SLF001

    def _run(self) -> dict[str, Json]:
        return {
            "command": tool_identity.masked_command(),
            "host": operator_key.host_name(),
            "user": operator_key.user_name(),
            "pid": os.getpid(),
        }

    def _write_details(self, data: bytes | None) -> str | None:
        if data is None:
            return None
        try:
            return details.write(self.path, data)
        except OSError as error:
            raise LedgerError(
                f"詳細ファイルを書き込めません: {self.path / details.FOLDER}: {error.strerror}",
                f"cannot write the details file in {self.path / details.FOLDER}: {error.strerror}",
            ) from error

    def _current_session(self) -> Session:
        """The session that signs; a new one when there is none or the old one is about to expire."""
        if self._session is None or clock.wall_ns() > self._session.not_after_ns - 60_000_000_000:
            shared = sessions.usable(self.fingerprint) if self._key_path is None else None
            if shared is not None and self._actor in (None, shared.actor):
                self._session = Session(
                    shared.session,
                    shared,
                    {"actor": shared.actor, "role": shared.role},
                    "",
                    entries.time_ns_of(shared.not_after),
                    opened=True,
                    shared=True,
                )
                return self._session
            person = self.operator()
            self._session = new_session(self.signer, self.fingerprint, person.id, person.role)
        return self._session

    def permit(self, type: str, *, item: str | None = None) -> None:  # noqa: A002 - the member's name in the format
        """Raise UsageError, with the refusal recorded, where the operator's role may not write entries of this type.

        `append` asks the same; this is for what must not even begin (files that would be written first).
        """
        with self._lock:
            self._permit_locked(self._current_session(), _Draft(type, {}, item))

    def _permit_locked(self, session: Session, draft: _Draft) -> None:
        role = str(session.auth["role"])
        entry_type = entries.TYPES.get(draft.type)
        if entry_type is None:
            raise UsageError(f"台帳にない種別です: {draft.type}", f"no such type of entry: {draft.type}")
        if role in entry_type.roles:
            return
        self._append_locked(_Draft("refused", {"what": draft.type, "why": f"role {entries.ROLES[role]}"}, draft.item))
        raise UsageError(
            f"{role}は「{entry_type.ja}」を記録できません",
            f"the role {entries.ROLES[role]} may not record “{entry_type.en}”",
            hint_ja="権限のある人の鍵を --as と --key で指定してください",
            hint_en="give the id and key of a person with that right (--as, --key)",
        )

    def _append(self, draft: _Draft) -> Entry:
        with self._lock:
            return self._append_locked(draft)

    def _append_locked(self, draft: _Draft) -> Entry:
        session = self._current_session()
        self._permit_locked(session, draft)
        written: list[Entry] = []

        def make(tail: Tail) -> ledger.Batch:
            written[:] = self._build(tail, session, self._with_approval(session, draft))
            return ledger.Batch(tuple(written), session.id, session.key.sign)

        try:
            self._ledger.append(make)
        except approvals.NotApprovedError as error:
            asked = approvals.asked_of(draft.type, draft.item, draft.inputs, draft.outputs, draft.body)
            refusal: dict[str, Json] = {
                "what": draft.type,
                "why": "no approval",
                "act": approvals.act_of(asked),
                "asked": asked,
            }
            refused = self._append_locked(_Draft("refused", refusal, draft.item))
            raise approvals.NotApprovedError(error.kind, refused.seq) from None
        session.opened = True
        return written[-1]

    def _with_approval(self, session: Session, draft: _Draft) -> _Draft:
        """`draft` with the leave that the policy asks for; under the ledger's lock, so that none is used twice."""
        if not self._has_approvals:
            return draft
        known = approvals.Approvals(self.policy)
        kind = known.kind_of(draft.type)
        if kind is None:
            return draft
        for entry in read_entries(self.path):
            known.apply(entry)
        if draft.type == "redacted":
            if not known.may_redact(session.id, draft.body):
                raise approvals.NotApprovedError(kind)
            return draft
        asked = approvals.asked_of(draft.type, draft.item, draft.inputs, draft.outputs, draft.body)
        leave = known.usable(draft.type, approvals.act_of(asked), str(session.auth["actor"]), clock.wall_ns())
        if leave is None or self.people().current(leave.answered_by) is None:
            raise approvals.NotApprovedError(kind)
        return replace(draft, body={**draft.body, "approval": leave.grant})

    def acting_as(self) -> str:
        """Id of the person whose session signs."""
        with self._lock:
            return str(self._current_session().auth["actor"])

    def _build(self, tail: Tail, session: Session, draft: _Draft | None) -> list[Entry]:
        """The entries to write: what has to come before `draft` (session, recovery, clock), then `draft`."""
        drafts: list[_Draft] = []
        if not session.opened:
            drafts.append(_Draft("session.open", self._session_body(session)))
        if tail.recovery is not None:
            drafts.append(_recovery_draft(tail.recovery))
        now = clock.now()
        last = tail.last
        step = clock.shift_ns(last, now)
        if step:
            within = last.boot is not None and last.boot == now.boot
            drafts.append(
                _Draft(
                    "clock.changed",
                    {
                        "reason": "set" if within else "before_last_entry",
                        "shift_ns": str(step),
                        "last_ts": last.ts,
                    },
                ),
            )
        if draft is not None:
            drafts.append(draft)
        built: list[Entry] = []
        before, before_sha256 = last, tail.sha256
        for number, one in enumerate(drafts):
            if number:
                now, before_sha256 = _not_before(clock.now(), now), before.sha256
            before = build_entry(before, before_sha256, now, session, one, self._tool_name)
            built.append(before)
        return built

    def _session_body(self, session: Session) -> dict[str, Json]:
        return {
            "auth": session.auth,
            "sig": session.sig,
            "key_protection": self.signer.protection,
            "run": self._run(),
        }

    # --- people and keys ----------------------------------------------------------------------------------------------

    def add_person(self, person: Person) -> Entry:
        """List another person (or a new key for one whose key was revoked); working people can read the secret.

        Raises UsageError when id or key are listed already.
        """
        if mask_text(person.id) != person.id:
            raise UsageError(
                f"ID にマイナンバーは使えません: {mask_text(person.id)}",
                f"an id must not hold a My Number: {mask_text(person.id)}",
            )
        self.permit("key.add")
        try:
            probe = self.people()
            probe._add(person_of(person_to_json(person)), 0)  # noqa: SLF001
        except EntryError as error:
            raise UsageError(error.ja, error.en) from error
        entry = self.append("key.add", {"person": person_to_json(person)}, src="typed")
        self._write_derived()
        self._rewrap()
        return entry

    def rotate_key(self, new: Signer) -> Entry:
        """Replace the operator's own key by `new`; both sign. The session that runs goes on."""
        old, person = self.signer, self.operator()
        if any(period.key == new.public_line for period in self.people().periods):
            raise UsageError("この鍵は登録済みです", "the key is listed already")
        statement = rotation_statement(self.fingerprint, person.id, old.public_line, new.public_line)
        value = self._secret_if_possible()
        body: dict[str, Json] = {
            "id": person.id,
            "old": old.public_line,
            "new": new.public_line,
            "sig_old": old.sign(statement, KEY_NAMESPACE),
            "sig_new": new.sign(statement, KEY_NAMESPACE),
        }
        age = secret.age_recipient_for(new)
        if age:
            body["age"] = age
        entry = self.append("key.rotate", body)
        self._write_derived()
        self._signer = new
        if value is not None:
            self._write_secret(value)
        return entry

    def revoke_key(self, person_id: str, since: str, reason: str) -> Entry:
        """Say that the current key of another person is not trusted since `since` (RFC 3339, six decimals)."""
        self.permit("key.revoke")
        people = self.people()
        period = people.current(person_id)
        if period is None:
            raise UsageError(f"「{person_id}」の有効な鍵がありません", f"{person_id} has no valid key")
        if person_id == self.operator().id:
            raise UsageError(
                "自分の鍵は自分では失効できません",
                "nobody revokes the own key",
                hint_ja="別の人が記録してください。交換なら custody keys rotate",
                hint_en="another listed person does it; to replace a key use custody keys rotate",
            )
        entry = self.append(
            "key.revoke",
            {"id": person_id, "key": period.key, "since": since, "reason": reason},
            src="typed",
        )
        self._write_derived()
        self._rewrap()
        return entry

    def _secret_if_possible(self) -> bytes | None:
        try:
            return self.secret()
        except KeyAccessError:
            # A witness or custodian handles keys without ever being able to read the secret.
            return None

    def _rewrap(self) -> None:
        value = self._secret_if_possible()
        if value is not None:
            self._write_secret(value)

    def _write_secret(self, value: bytes) -> None:
        recipients = self.people().secret_recipients()
        if not recipients:
            return
        try:
            _replace_file(self.path / secret.SECRET_NAME, secret.wrap(value, recipients))
        except OSError as error:
            raise LedgerError(
                f"秘密値を書き込めません: {self.path}: {error.strerror}",
                f"cannot write the case's secret: {self.path}: {error.strerror}",
            ) from error

    # --- the case's secret -------------------------------------------------------------------------------------------

    def secret(self) -> bytes:
        """The 32 bytes that key the HMAC of numbers. Raises KeyAccessError. Never write them anywhere."""
        if self._secret is None:
            path = self.path / secret.SECRET_NAME
            try:
                data = path.read_bytes()
            except OSError as error:
                raise KeyAccessError(
                    f"事案の秘密値を読めません: {path}: {error.strerror}",
                    f"cannot read the case's secret: {path}: {error.strerror}",
                ) from error
            value = secret.unwrap(data, self.signer)
            if secret.commitment(value) != self._first.body.get("secret_check"):
                raise KeyAccessError(
                    f"事案の秘密値が台帳の最初の項と合いません: {path}",
                    f"the case's secret does not fit the first entry of the ledger: {path}",
                )
            self._secret = value
        return self._secret

    def number_hmac(self, digits: str) -> str:
        """HMAC-SHA256 (hex) of 12 ASCII digits with the case's secret."""
        return secret.number_hmac(self.secret(), digits)

    def close(self) -> None:
        """Close the session, if one was opened, and the files."""
        session = self._session
        try:
            if session is not None and session.opened and not session.shared:
                self._session_close(session)
        finally:
            if session is not None and not session.shared:
                _give_up(session.key)
            self._session = None
            self._ledger.close()

    def start_session(self, hours: float) -> sessions.Shared:
        """Start a session that later commands share; ssh-agent holds its key until it ends.

        Raises KeyAccessError without an agent, UsageError when one runs already.
        """
        if sessions.usable(self.fingerprint) is not None:
            raise UsageError(
                "すでに作業中です",
                "a session runs already",
                hint_ja="custody session end で終えてから始めてください",
                hint_en="end it first with custody session end",
            )
        agent.held_keys()
        with self._lock:
            person = self.operator()
            lent = Ed25519PrivateKey.generate()
            session = new_session(
                self.signer, self.fingerprint, person.id, person.role, hours, session_key.OpenSslKey(lent)
            )
            raw = entries.decode_base64(str(session.auth["key"]))
            shared = sessions.Shared(
                session.id,
                person.id,
                person.role,
                str(session.auth["not_after"]),
                sessions.public_line_of_raw(raw),
                self.signer.protection,
            )
            agent.lend(lent, f"hozen {self.name or self.case_id}", int(hours * 3600))
            session.shared = True
            self._ledger.append(
                lambda tail: ledger.Batch(tuple(self._build(tail, session, None)), session.id, session.key.sign),
            )
            session.opened = True
            self._session = session
        sessions.keep(self.fingerprint, shared)
        return shared

    def end_session(self) -> sessions.Shared | None:
        """End the shared session: its closing entry is written, if its key is still there, and the key removed.

        None when no session was started on this machine.
        """
        shared = sessions.find(self.fingerprint)
        if shared is None:
            return None
        if sessions.usable(self.fingerprint) is not None:
            with self._lock:
                self._session = None
                session = self._current_session()
                if session.shared:
                    self._session_close(session)
                    self._session = None
        sessions.forget(self.fingerprint, shared)
        return shared

    def _session_close(self, session: Session) -> None:
        draft = _Draft("session.close", {})

        def make(tail: Tail) -> ledger.Batch:
            return ledger.Batch(tuple(self._build(tail, session, draft)), session.id, session.key.sign)

        self._ledger.append(make)


def _masked_texts(body: Mapping[str, Json]) -> dict[str, Json]:
    """What a person typed, without My Numbers. Hashes and counts of nanoseconds are no texts and stay as they are."""

    def masked(name: str, value: Json) -> Json:
        if isinstance(value, str):
            exempt = name.endswith("_ns") or _HASH.fullmatch(value) is not None
            return value if exempt else mask_text(value)
        if isinstance(value, dict):
            return {key: masked(key, one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [masked(name, one) for one in value]
        return value

    return {name: masked(name, value) for name, value in body.items()}


@dataclass(frozen=True, slots=True)
class _Draft:
    """An entry without the members that only the moment of writing gives."""

    type: str
    body: dict[str, Json]
    item: str | None = None
    inputs: tuple[FileHash, ...] = ()
    outputs: tuple[FileHash, ...] = ()
    src: Source = "auto"
    details: str | None = None


def _recovery_draft(recovery: Recovery) -> _Draft:
    body: dict[str, Json] = {"kept_lines": str(recovery.kept_lines)}
    if recovery.moved is not None:
        body["moved_to"] = f"{ledger.RECOVERED_NAME}/{recovery.moved.sha256}"
    if recovery.head_damaged:
        body["head"] = "damaged"
    return _Draft("ledger.recovered", body, outputs=(recovery.moved,) if recovery.moved is not None else ())


def _not_before(reading: clock.Reading, before: clock.Reading) -> clock.Reading:
    """Entries of one batch are written at one moment: a clock that is set just then is noticed by the next batch."""
    return reading if clock.shift_ns(before, reading) == 0 else before


def build_entry(
    previous: Entry | None,
    previous_sha256: str,
    now: clock.Reading,
    session: Session,
    draft: _Draft,
    tool_name: str,
) -> Entry:
    """The signed entry that follows `previous`, whose line has this hash. Raises UsageError when the body fits none.

    Most members are the same in all entries of a session, so their canonical text is kept; tests compare the result
    with what a reader of the line makes of it.
    """
    frame = session.frame
    if frame is None or frame.tool_name != tool_name or frame.boot_id != now.boot:
        frame = session.frame = _Frame.of(session, tool_name, now.boot)
    seq = previous.seq + 1 if previous is not None else 1
    try:
        body, normal = jcs.normalise(draft.body)
        optional = entries.optional_members(draft.details, draft.inputs, draft.item, draft.outputs)
        middle = f'"mono_ns":"{now.mono_ns}"{optional.after_mono},"prev":"{previous_sha256}"'
        end = f'"src":"{draft.src}"{frame.tool},"ts":"{now.ts}","type":"{draft.type}","v":1}}'
        payload = b"".join(
            (
                frame.actor,
                body,
                f'{frame.boot}{optional.before_mono},{middle}{frame.role},"seq":{seq}{frame.session},{end}'.encode(),
            ),
        )
        if body.count(b"{") + body.count(b"[") >= jcs.MAX_DEPTH:
            jcs.loads(payload)
        assert isinstance(normal, dict)
        entries.check_body(entries.TYPES[draft.type], normal)
    except jcs.NotCanonicalError as error:
        raise UsageError(f"台帳に書けない値です: {error}", f"a value that the ledger cannot hold: {error}") from error
    except EntryError as error:
        raise UsageError(error.ja, error.en) from error
    if len(payload) + 89 > entries.MAX_LINE_BYTES:
        raise UsageError("1 項が長すぎます(8 MiB まで)", "the entry is too long (8 MiB at most)")
    return Entry(
        seq=seq,
        prev=previous_sha256,
        ts=now.ts,
        time_ns=now.time_ns,
        mono_ns=now.mono_ns,
        boot=now.boot,
        session=session.id,
        actor=str(session.auth["actor"]),
        role=str(session.auth["role"]),
        type=draft.type,
        item=draft.item,
        inputs=draft.inputs,
        outputs=draft.outputs,
        tool=frame.tool_member,
        src=draft.src,
        body=normal,
        details=draft.details,
        payload=payload,
        signature=session.key.sign(payload),
    )


@dataclass(frozen=True, slots=True)
class _Frame:
    """Canonical text of the members that all entries of a session share, in the places where they stand."""

    tool_name: str
    boot_id: str | None
    tool_member: entries.Tool
    actor: bytes
    boot: str
    role: str
    session: str
    tool: str

    @classmethod
    def of(cls, session: Session, tool_name: str, boot: str | None) -> _Frame:
        def member(name: str, value: Json) -> str:
            return f',"{name}":{jcs.dumps(value).decode()}'

        tool = tool_identity.tool(tool_name)
        return cls(
            tool_name,
            boot,
            tool,
            b'{"actor":' + jcs.dumps(session.auth["actor"]) + b',"body":',
            member("boot", boot) if boot is not None else "",
            member("role", session.auth["role"]),
            member("session", session.id),
            member("tool", tool.to_json()),
        )


# --- making, opening, finding -----------------------------------------------------------------------------------------


def init_case(
    path: Path,
    *,
    key: Path | None = None,
    passphrase: Callable[[], bytes] | None = None,
    new_passphrase: Callable[[], bytes] | None = None,
    actor: str | None = None,
    role: str = entries.OPERATOR,
    name: str = "",
    origin: str | None = None,
    policy: Mapping[str, str] | None = None,
    tool: str = "custody",
) -> Case:
    """Make a case in `path` (a new or empty folder) and return it open, its first session running.

    `actor` is the person's id (default `user@host`), `role` one of entries.ROLES. The key is the operator's own
    unless `key` names another; it is made at first use. Raises UsageError when the folder is a case or not empty,
    LedgerError when it cannot be written, KeyAccessError.
    """
    actor = actor if actor is not None else operator_key.default_person_id()
    if not entries.valid_person_id(actor) or mask_text(actor) != actor:
        raise UsageError(
            f"使えない ID です: {mask_text(actor)}",
            f"not usable as an id: {mask_text(actor)}",
            hint_ja="空白と * ? ! , \" ' \\ { } # を含まない 64 文字以内にしてください",
            hint_en="use at most 64 characters, no blanks, none of * ? ! , \" ' \\ { } #",
        )
    if role not in entries.TYPES["case.open"].roles:
        raise UsageError(f"{role}は事案を開始できません", f"the role {role} cannot open a case")
    check_policy(policy or {})
    _check_new_folder(path)
    signer = signers.open_signer(key, passphrase, new_passphrase)
    try:
        path.mkdir(parents=True, exist_ok=True)
        first = _write_new_case(
            path,
            signer,
            actor=actor,
            role=role,
            name=name,
            origin=origin,
            policy=dict(policy or {}),
            tool=tool,
        )
    except OSError as error:
        raise LedgerError(
            f"事案フォルダーを作れません: {path}: {error.strerror}",
            f"cannot make the case folder {path}: {error.strerror}",
            hint_ja="空き容量と書込み権限を確かめてください",
            hint_en="check free space and permission",
        ) from error
    case = Case(path, first[0], key=key, passphrase=passphrase, actor=actor, tool=tool)
    case._signer = signer  # noqa: SLF001
    case._session = first[1]  # noqa: SLF001
    return case


def check_policy(policy: Mapping[str, str]) -> None:
    """Raise UsageError for a policy that nothing would enforce."""
    for name, value in policy.items():
        known = (
            (name in ("witness", "stamp") and value in ("required", "none"))
            or (name == "copies" and value.isascii() and value.isdecimal() and 0 < int(value) < 100)
            or (name == approvals.POLICY and approvals.is_policy(value))
            or (name == "tsa" and all(_FINGERPRINT.fullmatch(one) for one in value.split(",")))
        )
        if not known:
            raise UsageError(
                f"未知の方針です: {name}={value}",
                f"unknown policy: {name}={value}",
                hint_ja="witness=required、stamp=required、copies=N、approve=reveal,…、tsa=FILE(ルート証明書)のいずれかです",
                hint_en="it is witness=required, stamp=required, copies=N, approve=reveal,… or tsa=FILE (root)",
            )


def _check_new_folder(path: Path) -> None:
    if path.is_dir():
        if (path / ledger.LEDGER_NAME).exists():
            raise UsageError(f"すでに事案フォルダーです: {path}", f"already a case: {path}")
        replaced = (secret.SECRET_NAME, SIGNERS_NAME, REVOKED_NAME, VERIFY_SCRIPT, README_NAME)
        leftovers = {ledger.HEAD_NAME, ledger.LOCK_NAME, ledger.LEDGER_NAME + ".new", *replaced}
        leftovers |= {_part_of(path / name).name for name in replaced}
        # A run that was killed while it made the case leaves some of these and no ledger; it can be made again.
        if {child.name for child in path.iterdir()} - leftovers:
            raise UsageError(
                f"空のフォルダーではありません: {path}",
                f"the folder is not empty: {path}",
                hint_ja="新しいフォルダーか空のフォルダーを指定してください",
                hint_en="name a new or an empty folder",
            )
    elif path.exists():
        raise UsageError(f"フォルダーではありません: {path}", f"not a folder: {path}")


def _write_new_case(
    path: Path,
    signer: Signer,
    *,
    actor: str,
    role: str,
    name: str,
    origin: str | None,
    policy: dict[str, str],
    tool: str,
) -> tuple[Entry, Session]:
    session = new_session(signer, "", actor, role)
    value = secret.new_secret()
    case_id = secrets.token_hex(16)
    age = secret.age_recipient_for(signer)
    body: dict[str, Json] = {
        "auth": session.auth,
        "sig": session.sig,
        "case_id": case_id,
        "origin": mask_text(origin) if origin is not None else f"hozen.invalid/case/{case_id}",
        "people": [person_to_json(Person(actor, role, signer.public_line, age=age))],
        "policy": dict(policy),
        "secret_check": secret.commitment(value),
        "verify_sh": hashlib.sha256(_template(VERIFY_SCRIPT)).hexdigest(),
        "key_protection": signer.protection,
        "run": {
            "command": tool_identity.masked_command(),
            "host": operator_key.host_name(),
            "user": operator_key.user_name(),
            "pid": os.getpid(),
        },
    }
    if name:
        body["name"] = mask_text(name)
    first = build_entry(None, entries.NO_PREVIOUS, clock.now(), session, _Draft("case.open", body), tool)
    wrapped = secret.wrap(value, [age or signer.public_line])
    _replace_file(path / secret.SECRET_NAME, wrapped)
    known = People.from_first(first)
    _replace_file(path / SIGNERS_NAME, known.allowed_signers().encode())
    _replace_file(path / REVOKED_NAME, known.revoked_keys().encode())
    _replace_file(path / VERIFY_SCRIPT, _template(VERIFY_SCRIPT), mode=0o755)
    _replace_file(path / README_NAME, _template("README.txt"))
    ledger.create(path, first, session.id, session.key.sign)
    session.opened = True
    return first, session


def _template(name: str) -> bytes:
    return (resources.files("chain_of_custody") / "templates" / name).read_bytes()


def _part_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")


def _replace_file(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    part = _part_of(path)
    part.unlink(missing_ok=True)
    ledger.write_new_file(part, data)
    part.chmod(mode)
    part.replace(path)


def _case_open(line: bytes) -> Entry:
    if not line.endswith(b"\n"):
        raise EntryError("1 行目が途中で切れています", "the first line is cut short")
    entry = entries.parse_line(line[:-1])
    if entry.type != "case.open" or entry.seq != 1:
        raise EntryError("1 行目が case.open ではありません", "the first line is no case.open")
    return entry


def read_first(path: Path) -> Entry:
    """The first entry of the case in `path`. Raises CaseNotFoundError or LedgerError."""
    file = path / ledger.LEDGER_NAME
    try:
        with file.open("rb") as opened:
            line = next(ledger.lines_of(opened), b"")
    except FileNotFoundError as error:
        raise CaseNotFoundError(
            f"事案フォルダーではありません(ledger.jsonl なし): {path}",
            f"not a case (no ledger.jsonl): {path}",
            hint_ja="custody init DIR で作るか、--case で事案フォルダーを指定してください",
            hint_en="make one with custody init DIR, or name the folder with --case",
        ) from error
    except OSError as error:
        raise LedgerError(
            f"台帳を読めません: {file}: {error.strerror}", f"cannot read the ledger: {file}: {error.strerror}"
        ) from error
    try:
        return _case_open(line)
    except EntryError as error:
        raise LedgerError(
            f"台帳の 1 行目が不正です: {file}: {error.ja}",
            f"the first line of the ledger is invalid: {file}: {error.en}",
            hint_ja="custody verify で確かめてください",
            hint_en="run custody verify",
        ) from error


def open_case(
    path: Path,
    *,
    key: Path | None = None,
    passphrase: Callable[[], bytes] | None = None,
    actor: str | None = None,
    tool: str = "custody",
) -> Case:
    """Open the case in `path`; nothing is written until the first `append` or `action`.

    Raises CaseNotFoundError when `path` is no case, LedgerError when its ledger cannot be read.
    """
    return Case(path, read_first(path), key=key, passphrase=passphrase, actor=actor, tool=tool)


def _nearest_case(start: Path) -> Path | None:
    for folder in (start, *start.parents):
        if (folder / ledger.LEDGER_NAME).is_file():
            return folder
    return None


def find_case(option: Path | None, evidence: Path | None, *, cwd: Path | None = None) -> tuple[Path, bool]:
    """Which folder is the case, and whether it has still to be made.

    The folder of the option; else the nearest parent of the current folder that holds `ledger.jsonl`; else
    `<evidence>.case` in the current folder. Raises UsageError when the evidence lies inside another case, and
    CaseNotFoundError when there is neither a case nor evidence to name one after.
    """
    here = (cwd if cwd is not None else Path.cwd()).resolve()
    if option is not None:
        chosen = here / option
    else:
        nearest = _nearest_case(here)
        if nearest is not None:
            chosen = nearest
        elif evidence is not None:
            chosen = here / f"{evidence.name}.case"
        else:
            raise CaseNotFoundError(
                f"事案フォルダーが見つかりません({here} とその上位に ledger.jsonl なし)",
                f"no case found (no ledger.jsonl in {here} or above)",
                hint_ja="--case で指定するか、custody init DIR で作ってください",
                hint_en="name one with --case, or make one with custody init DIR",
            )
    if evidence is not None:
        holder = _nearest_case((here / evidence).resolve().parent)
        if holder is not None and holder != chosen.resolve():
            raise UsageError(
                f"{evidence} は別の事案 {holder} の中にあります(選ばれた事案: {chosen})",
                f"{evidence} lies inside another case, {holder} (the chosen case: {chosen})",
                hint_ja=f"--case {holder} を指定するか、イメージを外へ写してください",
                hint_en=f"give --case {holder}, or copy the image out of it",
            )
    return chosen, not (chosen / ledger.LEDGER_NAME).is_file()
