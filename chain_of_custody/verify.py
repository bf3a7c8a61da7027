"""Verification of a case, fail-closed: everything that is wrong is named with its entry, and nothing passes in silence.

```python
result = verify_case(Path("case"))
result.verdict            # "ok", "ng" or "unknown"
for finding in result.findings:
    print(finding.severity, finding.seq, finding.en)
```
`ng`: shown to be wrong. `unknown`: cannot be told (a crash not yet recovered, a clock that jumped). `note`: not wrong,
but a reader should know (an action without end, a removed text).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from chain_of_custody import clock, details, entries, jcs, ledger, lock, merkle, signing
from chain_of_custody.approvals import Approvals
from chain_of_custody.entries import Entry, EntryError
from chain_of_custody.errors import CaseNotFoundError, LedgerError
from chain_of_custody.people import KEY_ENTRIES, People, PeopleHistory
from chain_of_custody.related import Related
from chain_of_custody.signature_pool import Job, SignaturePool, failing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from chain_of_custody.jcs import Json
    from chain_of_custody.ledger import Head
    from chain_of_custody.related import CheckpointState

Severity = Literal["ng", "unknown", "note"]
Verdict = Literal["ok", "ng", "unknown"]
EXIT_CODES: dict[Verdict, int] = {"ok": 0, "ng": 1, "unknown": 3}

_BATCH = 1024
_BATCH_BYTES = 1 << 20
"""Signatures are verified in batches of at most so many entries, or so many bytes and one entry."""
_WAITING = 12
"""So many batches wait at most, which bounds the memory."""
_MOST_FINDINGS = 1000
"""A ruined ledger of a million lines must not fill the memory with findings; the count goes on."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that verification has to say; `seq` is the entry (or line) it concerns, if any."""

    severity: Severity
    code: str
    seq: int | None
    ja: str
    en: str

    def to_json(self) -> dict[str, Json]:
        """As `custody verify --json` prints it."""
        return {"severity": self.severity, "code": self.code, "entry": self.seq, "ja": self.ja, "en": self.en}


@dataclass(slots=True)
class Verification:
    """What was verified and found."""

    case: Path
    findings: list[Finding] = field(default_factory=list)
    entry_count: int = 0
    fingerprint: str = ""
    case_id: str = ""
    name: str = ""
    root: str = ""
    """RFC 6962 root (hex) over all lines."""
    first_ts: str = ""
    last_ts: str = ""
    session_count: int = 0
    origin: str = ""
    policy: dict[str, str] = field(default_factory=dict)
    checkpoints: list[CheckpointState] = field(default_factory=list)
    hashed_files: int = 0
    """Files that were hashed again and fit (`images`)."""
    people: People = field(default_factory=People)
    counts: dict[Severity, int] = field(default_factory=lambda: {"ng": 0, "unknown": 0, "note": 0})

    @property
    def verdict(self) -> Verdict:
        """`ng` if anything is wrong, else `unknown` if anything cannot be told, else `ok`."""
        if self.counts["ng"]:
            return "ng"
        return "unknown" if self.counts["unknown"] or not self.entry_count else "ok"

    @property
    def exit_code(self) -> int:
        """0, 1 or 3."""
        return EXIT_CODES[self.verdict]

    def add(self, severity: Severity, code: str, seq: int | None, ja: str, en: str) -> None:
        """Note one finding."""
        self.counts[severity] += 1
        if len(self.findings) < _MOST_FINDINGS:
            self.findings.append(Finding(severity, code, seq, ja, en))

    def to_json(self) -> dict[str, Json]:
        """As `custody verify --json` prints it."""
        return {
            "verdict": self.verdict,
            "case": str(self.case),
            "case_id": self.case_id,
            "name": self.name,
            "fingerprint": self.fingerprint,
            "entries": self.entry_count,
            "root": self.root,
            "first": self.first_ts,
            "last": self.last_ts,
            "sessions": self.session_count,
            "checkpoints": [
                {
                    "size": state.size,
                    "entry": state.seq,
                    "stamped": state.stamped or None,
                    "judged_by": "token" if state.stamped else "entry",
                    "signed_by": [f"{who} ({role})" for who, role in state.signers],
                }
                for state in self.checkpoints
            ],
            "hashed_files": self.hashed_files,
            "counts": {name: count for name, count in self.counts.items()},  # noqa: C416 - a plain dict of str
            "findings": [finding.to_json() for finding in self.findings],
        }


@dataclass(slots=True)
class _Session:
    """A session as its opening entry authorises it."""

    key: bytes
    person_key: str
    actor: str
    role: str
    not_after_ns: int
    opened_by: int
    closed_by: int | None = None
    last_ns: int = 0


@dataclass(slots=True)
class _Open:
    """A begin entry that still waits for its end."""

    seq: int
    kind: str


class _Reader:
    """Walks the ledger once, entry by entry, and collects what it finds."""

    def __init__(
        self,
        case: Path,
        result: Verification,
        submit: Callable[[list[Job]], None],
        related: Related,
    ) -> None:
        self.case = case
        self.related = related
        self.result = result
        self.tree = merkle.Tree()
        self.sessions: dict[str, _Session] = {}
        self.previous_hash = entries.NO_PREVIOUS
        self.previous: Entry | None = None
        self.jump_at: tuple[int, str, int] | None = None
        self.begun: dict[int, _Open] = {}
        self.details: dict[str, int] = {}
        self.recovered: dict[str, int] = {}
        self.script: str | None = None
        self.approvals = Approvals({})
        self.history: PeopleHistory | None = None
        self._submit = submit
        self._batch: list[Job] = []
        self._batch_bytes = 0

    def ng(self, code: str, seq: int | None, ja: str, en: str) -> None:
        self.result.add("ng", code, seq, ja, en)

    # --- one line -----------------------------------------------------------------------------------------------------

    def line(self, line: bytes, number: int) -> None:
        """Check one whole line (without newline); `number` counts lines from 1."""
        self.tree.add(merkle.leaf_hash(line))
        self.related.after_line(self.tree)
        line_hash = hashlib.sha256(line).hexdigest()
        try:
            entry = entries.parse_line(line)
        except EntryError as error:
            self.ng("line", number, error.ja, error.en)
            self.previous_hash = line_hash
            self.previous = None
            return
        self._chain(entry, number)
        if number == 1:
            self._first(entry, line_hash)
        elif entry.type == "case.open":
            self.ng("second_case_open", entry.seq, "case.open が 2 度あります", "a second case.open")
        if entry.type in ("case.open", "session.open"):
            self._session_open(entry, line_hash if number == 1 else None)
        self._signed(entry)
        self._clock(entry)
        self._pairs(entry)
        if entry.type in KEY_ENTRIES:
            self._keys(entry)
        unapproved = self.approvals.apply(entry)
        if unapproved is not None:
            self.ng(unapproved.code, entry.seq, unapproved.ja, unapproved.en)
        self.related.entry(entry, self.result)
        if entry.details is not None:
            self.details[entry.details] = entry.seq
        if entry.type == "ledger.recovered":
            for file in entry.outputs:
                self.recovered[file.sha256] = entry.seq
        self.previous_hash = line_hash
        self.previous = entry
        self.result.last_ts = entry.ts

    def _chain(self, entry: Entry, number: int) -> None:
        expected = self.previous.seq + 1 if self.previous is not None else number
        if entry.seq != expected:
            self.ng(
                "sequence",
                entry.seq,
                f"第 {expected} 項があるべき所に第 {entry.seq} 項があります(削除・挿入・入替え)",
                f"entry {entry.seq} stands where entry {expected} should (removed, inserted or swapped)",
            )
        if entry.prev != self.previous_hash:
            self.ng(
                "chain",
                entry.seq,
                "前の行のハッシュと一致しません(前の行が書き換え・削除・入替え)",
                "does not carry the hash of the line before it (that line was edited, removed or swapped)",
            )

    def _first(self, entry: Entry, line_hash: str) -> None:
        result = self.result
        result.fingerprint, result.first_ts = line_hash, entry.ts
        if entry.type != "case.open":
            self.ng("no_case_open", entry.seq, "1 行目が case.open ではありません", "the first line is no case.open")
            return
        result.case_id = str(entry.body["case_id"])
        result.name = str(entry.body.get("name", ""))
        result.origin = str(entry.body["origin"])
        policy = entry.body["policy"]
        result.policy = {str(k): str(v) for k, v in policy.items()} if isinstance(policy, dict) else {}
        self.approvals = Approvals(result.policy)
        self.script = str(entry.body["verify_sh"]) if "verify_sh" in entry.body else None
        try:
            result.people = People.from_first(entry)
            self.history = PeopleHistory(result.people)
        except EntryError as error:
            self.ng("people", entry.seq, error.ja, error.en)

    # --- sessions and signatures --------------------------------------------------------------------------------------

    def _session_open(self, entry: Entry, first_hash: str | None) -> None:
        auth, sig = entry.body["auth"], entry.body["sig"]
        key = ledger.session_public_key(entry)
        if not isinstance(auth, dict) or auth.keys() != {"case", "session", "key", "actor", "role", "not_after"}:
            self.ng("auth", entry.seq, "body.auth の項目が不正です", "body.auth is malformed")
            return
        if entry.session in self.sessions:
            self.ng("session_reused", entry.seq, "セッション ID が再使用されています", "the session id is used again")
            return
        wanted_case = "" if first_hash is not None else self.result.fingerprint
        same = {"session": entry.session, "actor": entry.actor, "role": entry.role, "case": wanted_case}
        for name, value in same.items():
            if auth[name] != value:
                self.ng(
                    "auth",
                    entry.seq,
                    f"セッションの承認が別の {name} のものです",
                    f"the session's authorisation is for another {name}",
                )
                return
        try:
            not_after_ns = entries.time_ns_of(str(auth["not_after"]))
        except ValueError:
            self.ng("auth", entry.seq, "body.auth の not_after が不正です", "not_after in body.auth is malformed")
            return
        if key is None:
            self.ng("auth", entry.seq, "セッションの公開鍵が不正です", "the session's public key is malformed")
            return
        person = self.result.people.period_at(entry.actor, entry.role, entry.time_ns)
        if person is None:
            self.ng(
                "unknown_person",
                entry.seq,
                f"「{entry.actor}」({entry.role})は、この時点でこの事案の有効な鍵を持つ人ではありません",
                f"{entry.actor} ({entries.ROLES[entry.role]}) is no person of this case with a valid key at that time",
            )
            return
        try:
            signing.verify(str(sig), jcs.dumps(auth), signing.SESSION_NAMESPACE, person.key)
        except signing.SignatureError as error:
            self.ng(
                "session_signature",
                entry.seq,
                f"セッションを承認した署名が「{entry.actor}」の鍵と合いません: {error.ja}",
                f"the signature that authorises the session is not by the key of {entry.actor}: {error.en}",
            )
            return
        self.sessions[entry.session] = _Session(
            key,
            person.key,
            entry.actor,
            entry.role,
            not_after_ns,
            entry.seq,
        )

    def _signed(self, entry: Entry) -> None:
        session = self.sessions.get(entry.session)
        if session is None:
            self.ng(
                "no_session",
                entry.seq,
                "承認されたセッションのものではありません(署名を確かめられません)",
                "belongs to no authorised session (its signature cannot be trusted)",
            )
            return
        if (entry.actor, entry.role) != (session.actor, session.role):
            self.ng(
                "actor",
                entry.seq,
                "作業者か役割がセッションと一致しません",
                "actor or role differ from those of the session",
            )
        if entry.time_ns > session.not_after_ns:
            self.ng("expired", entry.seq, "期限の切れたセッションで書かれています", "written after its session expired")
        if session.closed_by is not None:
            self.ng(
                "after_close",
                entry.seq,
                f"第 {session.closed_by} 項で終えたセッションで書かれています",
                f"written in a session that entry {session.closed_by} closed",
            )
        if entry.role not in entries.TYPES[entry.type].roles:
            self.ng(
                "role",
                entry.seq,
                f"{entry.role}には「{entries.TYPES[entry.type].ja}」の権限がありません",
                f"the role {entries.ROLES[entry.role]} may not record “{entries.TYPES[entry.type].en}”",
            )
        if entry.type == "session.close":
            session.closed_by = entry.seq
        session.last_ns = entry.time_ns
        self._batch.append(Job(entry.seq, session.key, entry.signature, entry.payload))
        self._batch_bytes += len(entry.payload)
        if len(self._batch) >= _BATCH or self._batch_bytes > _BATCH_BYTES:
            self.flush()

    def _keys(self, entry: Entry) -> None:
        if self.history is None:
            return
        try:
            self.history.apply(entry)
        except EntryError as error:
            self.ng("key", entry.seq, error.ja, error.en)
            return
        if entry.type != "key.revoke":
            return
        key, since_ns = str(entry.body["key"]), entries.time_ns_of(str(entry.body["since"]))
        for session in self.sessions.values():
            if session.person_key != key:
                continue
            # The session may go on no longer than its key; what it wrote since the key was lost is in doubt.
            session.not_after_ns = min(session.not_after_ns, entry.time_ns)
            if session.last_ns >= since_ns:
                self.result.add(
                    "unknown",
                    "doubtful",
                    session.opened_by,
                    f"要確認: この作業は、第 {entry.seq} 項で {entry.body['since']} 以後失効とされた鍵によるものです",
                    f"to be checked: by a key that entry {entry.seq} revokes since {entry.body['since']}",
                )

    def flush(self) -> None:
        """Send the signatures collected so far to be verified."""
        if self._batch:
            self._submit(self._batch)
            self._batch = []
            self._batch_bytes = 0

    # --- time ---------------------------------------------------------------------------------------------------------

    def _clock(self, entry: Entry) -> None:
        if self.jump_at is not None:
            at, session, step = self.jump_at
            if entry.type != "ledger.recovered" or entry.session != session:
                self.jump_at = None
                if entry.type != "clock.changed" or entry.session != session:
                    self._unexplained_jump(at, step)
        before = self.previous
        if before is None:
            return
        step = clock.shift_ns(before, entry)
        if step and entry.type != "clock.changed":
            if entry.type in ("session.open", "ledger.recovered"):
                # The writer records the change right after these.
                self.jump_at = (entry.seq, entry.session, step)
            else:
                self._unexplained_jump(entry.seq, step)

    def _unexplained_jump(self, seq: int, step_ns: int) -> None:
        seconds = step_ns / 1e9
        self.result.add(
            "unknown",
            "clock",
            seq,
            f"時計が {seconds:+.3f} 秒動いていますが、clock.changed の記録がありません",
            f"the clock moved by {seconds:+.3f} s and no clock.changed entry explains it",
        )

    # --- begin and end ------------------------------------------------------------------------------------------------

    def _pairs(self, entry: Entry) -> None:
        kind, _, half = entry.type.rpartition(".")
        if kind not in entries.ACTIONS or half not in ("begin", "end"):
            return
        if half == "begin":
            self.begun[entry.seq] = _Open(entry.seq, kind)
            return
        begin = self.begun.pop(int(str(entry.body["begin"])), None)
        if begin is None or begin.kind != kind:
            self.ng("end", entry.seq, "対応する開始の項がありません", "ends an action that no entry began")

    # --- after the last line ------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """What can only be said at the end."""
        self.flush()
        if self.jump_at is not None:
            self._unexplained_jump(self.jump_at[0], self.jump_at[2])
        for begin in self.begun.values():
            self.result.add(
                "note",
                "no_end",
                begin.seq,
                f"「{entries.ACTIONS[begin.kind][0]}」が開始されたまま終了の記録がありません",
                f"“{entries.ACTIONS[begin.kind][1]}” was begun and no end is recorded",
            )
        for session in self.sessions.values():
            if session.closed_by is None:
                self.result.add(
                    "note",
                    "session_open",
                    session.opened_by,
                    "この項で始めた作業は終了の記録がありません",
                    "the session that this entry opened was never closed",
                )
        self._derived_files()
        self._script()
        self._details_files()
        self._recovered_files()
        self.result.entry_count = self.tree.size
        self.related.finish(self.result)
        self.result.session_count = len(self.sessions)

    def _derived_files(self) -> None:
        people = self.result.people
        wanted = {"allowed_signers": people.allowed_signers(), "revoked_keys": people.revoked_keys()}
        stale = {
            "allowed_signers": {one for one, _ in self.history.earlier} if self.history is not None else set(),
            "revoked_keys": {two for _, two in self.history.earlier} if self.history is not None else set(),
        }
        for name, text in wanted.items():
            try:
                present = (self.case / name).read_bytes()
            except OSError as error:
                why = error.strerror
                self.ng("derived", None, f"{name} を読めません: {why}", f"cannot read {name}: {why}")
                continue
            if present == text.encode("utf-8"):
                continue
            if present in {old.encode("utf-8") for old in stale[name]}:
                self.result.add(
                    "unknown",
                    "derived_stale",
                    None,
                    f"{name} が最新の鍵の記録より古い状態です(異常終了の跡。次の記録で直ります)",
                    f"{name} is older than the newest key entry (a crash; the next entry mends it)",
                )
                continue
            self.ng(
                "derived",
                None,
                f"{name} が台帳から作られるものと一致しません",
                f"{name} is not what follows from the ledger",
            )

    def _script(self) -> None:
        if self.script is None:
            return
        try:
            same = hashlib.sha256((self.case / "verify.sh").read_bytes()).hexdigest() == self.script
        except OSError:
            self.result.add("note", "script_missing", None, "verify.sh がありません", "verify.sh is missing")
            return
        if not same:
            self.ng("script", None, "verify.sh が書き換えられています", "verify.sh was altered")

    def _details_files(self) -> None:
        folder = self.case / details.FOLDER
        for sha256, seq in self.details.items():
            try:
                content = (folder / f"{sha256}.json").read_bytes()
            except OSError:
                self.result.add(
                    "note", "redacted", seq, "詳細は墨消しされています", "the details were removed (redacted)"
                )
                continue
            if hashlib.sha256(content).hexdigest() != sha256:
                self.ng("details", seq, "詳細ファイルが書き換えられています", "the details file was altered")
        for path in _files_in(folder):
            if path.name.removesuffix(".json") not in self.details:
                self._unnamed(path)

    def _recovered_files(self) -> None:
        folder = self.case / ledger.RECOVERED_NAME
        for sha256, seq in self.recovered.items():
            try:
                content = (folder / sha256).read_bytes()
            except OSError:
                self.ng("recovered", seq, "復旧時に移したデータがありません", "the bytes moved at recovery are gone")
                continue
            if hashlib.sha256(content).hexdigest() != sha256:
                self.ng(
                    "recovered", seq, "復旧時に移したデータが書き換えられています", "the recovered bytes were altered"
                )
        for path in _files_in(folder):
            if path.name not in self.recovered:
                self._unnamed(path)

    def _unnamed(self, path: Path) -> None:
        name = path.relative_to(self.case).as_posix()
        self.result.add(
            "note", "unnamed_file", None, f"台帳にないファイル: {name}", f"a file that no entry names: {name}"
        )


def _files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def _snapshot(case: Path) -> tuple[int, tuple[Head | None, Head | None]]:
    """Size of the ledger and its head at one moment: under the lock where that can be had, without writing."""
    path = case / ledger.LOCK_NAME
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        # A copy on read-only media has no writer.
        return (case / ledger.LEDGER_NAME).stat().st_size, ledger.read_heads(case)
    try:
        with contextlib.ExitStack() as stack:
            # Some network shares lock only what may be written; such a copy is read as it is.
            with contextlib.suppress(OSError):
                stack.enter_context(lock.holding(descriptor, path, wait_seconds=20.0))
            return (case / ledger.LEDGER_NAME).stat().st_size, ledger.read_heads(case)
    finally:
        os.close(descriptor)


class _HeadCheck:
    """Compares the ledger with the lines of `head`, as the ledger is read."""

    def __init__(self, heads: tuple[Head | None, Head | None]) -> None:
        self.heads = [head for head in heads if head is not None]
        self.damaged = 2 - len(self.heads)
        self.seen: dict[int, tuple[str, str]] = {}
        self._sizes = {head.size for head in self.heads}

    def line_ends(self, position: int, line: bytes, session: str) -> None:
        """A line ends before byte `position`."""
        if position in self._sizes:
            self.seen[position] = (hashlib.sha256(line).hexdigest(), session)

    def report(self, reader: _Reader, size: int) -> None:
        """Say what the head shows about the end of the ledger."""
        result = reader.result
        if self.damaged:
            result.add(
                "unknown" if self.heads else "ng",
                "head_damaged",
                None,
                f"head の {self.damaged} 行が壊れています",
                f"{self.damaged} of the two lines of head are damaged",
            )
        if not self.heads:
            return
        newest = max(self.heads, key=lambda head: head.size)
        for head in self.heads:
            self._one(reader, head, size)
        if size > newest.size and newest.size in self.seen:
            result.add(
                "unknown",
                "not_recovered",
                None,
                f"台帳が head より {size - newest.size} バイト長く、異常終了の跡があります"
                "(次に custody で記録すると復旧されます)",
                f"the ledger is {size - newest.size} bytes longer than its head says: a crash "
                "(the next entry written by any tool recovers it)",
            )

    def _one(self, reader: _Reader, head: Head, size: int) -> None:
        if size < head.size:
            reader.ng(
                "cut_tail",
                None,
                f"台帳の末尾が切り取られています(head は {head.size} バイト、実際は {size} バイト)",
                f"the end of the ledger is cut off (head says {head.size} bytes, there are {size})",
            )
            return
        sha256, session_id = self.seen.get(head.size, ("", ""))
        if sha256 != head.sha256 or session_id != head.session:
            reader.ng("head", None, "台帳が head と一致しません", "the ledger differs from its head")
            return
        session = reader.sessions.get(head.session)
        if session is None or failing([Job(0, session.key, head.signature, head.signed)]):
            reader.ng("head", None, "head の署名が不正です", "the signature of head is invalid")


def verify_case(
    case: Path,
    *,
    against: str | Path | None = None,
    images: Sequence[Path] = (),
    tsa_roots: Sequence[Path] | None = None,
    processes: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Verification:
    """Verify the case in `case` without writing anything.

    `against` is what was kept outside: the fingerprint in hex, or a checkpoint file (signatures beside it are checked).
    `images` are files and folders that are hashed again and compared with what entries state.
    `tsa_roots` are certificates of trusted time-stamping authorities (default: those of the settings).
    `processes` verify the signatures of long ledgers (default: one for each processor);
    `progress` is called with the bytes read so far.
    Raises CaseNotFoundError when there is no ledger, LedgerError when it cannot be read.
    """
    result = Verification(case)
    path = case / ledger.LEDGER_NAME
    if not path.is_file():
        raise CaseNotFoundError(
            f"事案フォルダーではありません(ledger.jsonl なし): {case}",
            f"not a case (no ledger.jsonl): {case}",
            hint_ja="--case で事案フォルダーを指定するか、custody init DIR で作ってください",
            hint_en="name the folder of a case with --case, or make one with custody init DIR",
        )
    try:
        related = Related(case, against, images, tsa_roots)
        _verify(case, result, processes or os.cpu_count() or 1, progress, related)
    except OSError as error:
        raise LedgerError(
            f"事案を読めません: {error.filename or path}: {error.strerror}",
            f"cannot read the case: {error.filename or path}: {error.strerror}",
        ) from error
    order = {"ng": 0, "unknown": 1, "note": 2}
    result.findings.sort(key=lambda finding: (order[finding.severity], finding.seq if finding.seq is not None else 0))
    return result


def _verify(
    case: Path,
    result: Verification,
    processes: int,
    progress: Callable[[int], None] | None,
    related: Related,
) -> None:
    futures: list[Future[list[int]]] = []
    with SignaturePool(processes) as pool:
        reader = _Reader(case, result, lambda batch: futures.append(pool.submit(batch)), related)
        try:
            size, heads = _snapshot(case)
        except FileNotFoundError:
            size, heads = (case / ledger.LEDGER_NAME).stat().st_size, (None, None)
            result.add("ng", "head_missing", None, "head がありません", "head is missing")
        head_check = _HeadCheck(heads)
        position = _read_lines(case, size, reader, head_check, futures, progress)
        reader.finish()
        if position < size:
            torn = size - position
            known = any(head.size == position for head in head_check.heads)
            result.add(
                "unknown" if known else "ng",
                "torn",
                None,
                f"台帳の末尾 {torn} バイトが行として完結していません",
                f"the last {torn} bytes of the ledger are no whole line",
            )
        head_check.report(reader, size)
        _collect(result, futures, 0)
    result.root = reader.tree.root().hex()


def _read_lines(
    case: Path,
    size: int,
    reader: _Reader,
    head_check: _HeadCheck,
    futures: list[Future[list[int]]],
    progress: Callable[[int], None] | None,
) -> int:
    """Feed every whole line of the first `size` bytes to `reader`; the position after the last one."""
    position = 0
    number = 0
    with (case / ledger.LEDGER_NAME).open("rb") as file:
        for raw in ledger.lines_of(file):
            if position + len(raw) > size or not raw.endswith(b"\n"):
                if position + len(raw) < size:
                    reader.ng("line", number + 1, "行が長すぎます(8 MiB まで)", "the line is too long (8 MiB at most)")
                break
            number += 1
            line = raw[:-1]
            reader.line(line, number)
            position += len(raw)
            head_check.line_ends(position, line, reader.previous.session if reader.previous is not None else "")
            if len(futures) > _WAITING:
                _collect(reader.result, futures, _WAITING // 2)
            if progress is not None and number % 1000 == 0:
                progress(position)
    return position


def _collect(result: Verification, futures: list[Future[list[int]]], leave: int) -> None:
    """Take the results of all but the last `leave` batches."""
    while len(futures) > leave:
        for seq in futures.pop(0).result():
            result.add(
                "ng",
                "signature",
                seq,
                "署名が内容と合いません(書き換えられたか、別の鍵による署名)",
                "the signature does not fit the content (edited, or signed by a foreign key)",
            )
