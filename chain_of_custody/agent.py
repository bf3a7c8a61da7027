"""A client of ssh-agent: sign with keys it holds (also those of tokens), and hand it a session key for a limited time.

The protocol is that of OpenSSH (draft-miller-ssh-agent). On Windows the agent is the pipe of the OpenSSH service.
"""

from __future__ import annotations

import base64
import os
import socket
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization

from chain_of_custody import signing
from chain_of_custody.errors import KeyAccessError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_LIST, _LISTED = 11, 12
_SIGN, _SIGNED = 13, 14
_ADD_CONSTRAINED, _REMOVE, _SUCCESS = 25, 18, 6
_LIFETIME = 1
_RSA_SHA512 = 4
_PIPE = r"\\.\pipe\openssh-ssh-agent"
_MOST = 256 * 1024


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def available() -> bool:
    """Whether an agent can be asked."""
    return sys.platform == "win32" or bool(os.environ.get("SSH_AUTH_SOCK"))


def _no_agent(error: OSError | None = None) -> KeyAccessError:
    why = f": {error.strerror}" if error is not None else ""
    return KeyAccessError(
        f"ssh-agent に接続できません{why}",
        f"cannot reach ssh-agent{why}",
        hint_ja="eval $(ssh-agent) で起動するか、鍵ファイルを --key で指定してください",
        hint_en="start it with eval $(ssh-agent), or give a key file with --key",
    )


def _ask(request: bytes) -> bytes:
    """One request and its answer. Raises KeyAccessError."""
    framed = _string(request)
    try:
        if sys.platform == "win32":
            with Path(_PIPE).open("r+b", buffering=0) as pipe:
                pipe.write(framed)
                return _answer(pipe.read)
        path = os.environ.get("SSH_AUTH_SOCK")
        if not path:
            raise _no_agent()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            # A token may wait for a touch.
            connection.settimeout(120)
            connection.connect(path)
            connection.sendall(framed)
            return _answer(connection.recv)
    except OSError as error:
        raise _no_agent(error) from error


def _answer(read: Callable[[int], bytes]) -> bytes:
    def exactly(size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = read(size - len(data))
            if not part:
                raise ConnectionError(0, "the agent closed the connection")
            data += part
        return data

    size = int(struct.unpack(">I", exactly(4))[0])
    if not 0 < size <= _MOST:
        raise ConnectionError(0, "a malformed answer")
    return exactly(size)


def _blob(public_line: str) -> bytes:
    return base64.b64decode(public_line.split()[1])


def held_keys() -> list[str]:
    """`<algorithm> <base64>` of the keys that the agent holds. Raises KeyAccessError."""
    answer = _ask(bytes([_LIST]))
    if answer[:1] != bytes([_LISTED]):
        return []
    count = int(struct.unpack(">I", answer[1:5])[0])
    lines, position = [], 5
    for _ in range(min(count, 1000)):
        size = int(struct.unpack(">I", answer[position : position + 4])[0])
        blob = answer[position + 4 : position + 4 + size]
        position += 4 + size
        position += 4 + int(struct.unpack(">I", answer[position : position + 4])[0])
        kind = blob[4 : 4 + int(struct.unpack(">I", blob[:4])[0])].decode("ascii", "replace")
        lines.append(f"{kind} {base64.b64encode(blob).decode('ascii')}")
    return lines


def sign(public_line: str, data: bytes) -> bytes:
    """The agent's signature over `data` in SSH wire form (algorithm, blob). Raises KeyAccessError."""
    flags = _RSA_SHA512 if public_line.startswith("ssh-rsa ") else 0
    answer = _ask(bytes([_SIGN]) + _string(_blob(public_line)) + _string(data) + struct.pack(">I", flags))
    if answer[:1] != bytes([_SIGNED]):
        raise KeyAccessError(
            "ssh-agent が署名しませんでした(鍵がないか、期限切れか、拒否されました)",
            "ssh-agent did not sign (key not there, expired or refused)",
        )
    return answer[5 : 5 + int(struct.unpack(">I", answer[1:5])[0])]


@dataclass(frozen=True, slots=True)
class AgentKey:
    """A person's key that ssh-agent holds."""

    public_line: str
    protection: signing.Protection = "agent"

    def sign(self, message: bytes, namespace: str) -> str:
        """An armored SSHSIG over `message`."""
        made = sign(self.public_line, signing.data_to_sign(message, namespace))
        armored = signing.seal(self.public_line, namespace, made)
        signing.verify(armored, message, namespace, self.public_line)
        return armored


def agent_key(public_file: Path) -> AgentKey:
    """The key of an OpenSSH public key file, if the agent holds it. Raises KeyAccessError."""
    try:
        line = signing.normal_public_line(public_file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, signing.SignatureError) as error:
        raise KeyAccessError(f"公開鍵を読めません: {public_file}", f"cannot read {public_file}") from error
    if line not in held_keys():
        raise KeyAccessError(
            f"ssh-agent に {public_file} の鍵がありません",
            f"ssh-agent does not hold the key of {public_file}",
            hint_ja="ssh-add で登録してください",
            hint_en="add it with ssh-add",
        )
    return AgentKey(line)


# --- session keys -----------------------------------------------------------------------------------------------------


def lend(key: Ed25519PrivateKey, comment: str, seconds: int) -> str:
    """Hand a key to the agent for a limited time; its public line. Raises KeyAccessError."""
    public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    private = key.private_bytes(
        serialization.Encoding.Raw,
        serialization.PrivateFormat.Raw,
        serialization.NoEncryption(),
    )
    request = (
        bytes([_ADD_CONSTRAINED])
        + _string(b"ssh-ed25519")
        + _string(public)
        + _string(private + public)
        + _string(comment.encode("utf-8"))
        + bytes([_LIFETIME])
        + struct.pack(">I", seconds)
    )
    if _ask(request)[:1] != bytes([_SUCCESS]):
        raise KeyAccessError("ssh-agent が鍵を受け取りませんでした", "ssh-agent did not take the key")
    return signing.public_line_of(key.public_key())


def sign_raw_ed25519(public_line: str, data: bytes) -> bytes:
    """The 64 bytes of an Ed25519 signature over `data` itself. Raises KeyAccessError."""
    made = sign(public_line, data)
    kind = made[4 : 4 + int(struct.unpack(">I", made[:4])[0])]
    signature = made[8 + len(kind) :]
    if kind != b"ssh-ed25519" or len(signature) != 64:
        raise KeyAccessError("ssh-agent の署名が不正です", "a malformed signature from ssh-agent")
    return signature


def take_back(public_line: str) -> None:
    """Remove a key from the agent; one that is gone already is fine. Raises KeyAccessError without an agent."""
    _ask(bytes([_REMOVE]) + _string(_blob(public_line)))
