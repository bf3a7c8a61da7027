"""A working session that spans commands: its key is held by ssh-agent for a limited time.

A responder types a passphrase or touches a token once, at `custody session start`; the commands after it, of all four
tools, sign with the session key that the agent holds. What is kept in the configuration folder is no secret:
`sessions/<fingerprint of the case>.json` names the session, its person and its public key.
"""

from __future__ import annotations

import base64
import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chain_of_custody import agent, clock, entries, jcs, operator_key
from chain_of_custody.errors import KeyAccessError, LedgerError

if TYPE_CHECKING:
    from pathlib import Path

    from chain_of_custody.jcs import Json


@dataclass(frozen=True, slots=True)
class Shared:
    """A session that several commands use."""

    session: str
    actor: str
    role: str
    not_after: str
    public_line: str
    protection: str
    """What guards the person's own key."""

    @property
    def expired(self) -> bool:
        """Whether it may sign no more."""
        return clock.now().time_ns > entries.time_ns_of(self.not_after) - 60_000_000_000

    def sign(self, data: bytes) -> bytes:
        """An Ed25519 signature by the session key. Raises KeyAccessError."""
        return agent.sign_raw_ed25519(self.public_line, data)


def _path(fingerprint: str) -> Path:
    return operator_key.config_folder() / "sessions" / f"{fingerprint}.json"


def find(fingerprint: str) -> Shared | None:
    """The shared session of the case with this fingerprint, if one was started here; it may have expired."""
    try:
        known = json.loads(_path(fingerprint).read_text(encoding="utf-8"))
        shared = Shared(**{name: str(known[name]) for name in Shared.__dataclass_fields__})
        entries.time_ns_of(shared.not_after)
    except (OSError, ValueError, KeyError, TypeError):
        # None was started, or what is left of one cannot be used: commands then open their own.
        return None
    return shared


def usable(fingerprint: str) -> Shared | None:
    """The shared session if it has not expired and the agent holds its key."""
    shared = find(fingerprint)
    if shared is None or shared.expired or not agent.available():
        return None
    try:
        return shared if shared.public_line in agent.held_keys() else None
    except KeyAccessError:
        return None


def keep(fingerprint: str, shared: Shared) -> None:
    """Remember a session that was started. Raises LedgerError."""
    path = _path(fingerprint)
    members: dict[str, Json] = {name: str(getattr(shared, name)) for name in Shared.__dataclass_fields__}
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = path.with_suffix(".new")
        part.write_bytes(jcs.dumps(members))
        part.replace(path)
    except OSError as error:
        raise LedgerError(f"書き込めません: {path}", f"cannot write {path}: {error.strerror}") from error


def forget(fingerprint: str, shared: Shared) -> None:
    """Remove the session's key from the agent and what is kept of it."""
    if agent.available():
        # An agent that is gone took the key with it.
        with contextlib.suppress(KeyAccessError):
            agent.take_back(shared.public_line)
    _path(fingerprint).unlink(missing_ok=True)


def public_line_of_raw(raw: bytes) -> str:
    """`ssh-ed25519 <base64>` of the 32 bytes of a session key."""
    kind = b"ssh-ed25519"
    blob = len(kind).to_bytes(4, "big") + kind + len(raw).to_bytes(4, "big") + raw
    return f"ssh-ed25519 {base64.b64encode(blob).decode('ascii')}"
