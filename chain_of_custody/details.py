"""Texts kept outside the ledger: `details/<sha256>.json`, salted, so that one can be removed without breaking a line.

The file is canonical JSON `{"salt": …, "text": …}` (or `"data"`, base64, for what is no UTF-8); its name is the SHA-256
of its bytes. The salt keeps the hash in the ledger from confirming a guess about a removed text.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import TYPE_CHECKING

from chain_of_custody import jcs, ledger

if TYPE_CHECKING:
    from pathlib import Path

    from chain_of_custody.jcs import Json

FOLDER = "details"


def encode(data: bytes) -> bytes:
    """The bytes of a details file for `data`, with a fresh salt of 32 bytes."""
    members: dict[str, Json] = {"salt": base64.b64encode(secrets.token_bytes(32)).decode("ascii")}
    try:
        members["text"] = data.decode("utf-8")
    except UnicodeDecodeError:
        members["data"] = base64.b64encode(data).decode("ascii")
    return jcs.dumps(members)


def write(case: Path, data: bytes) -> str:
    """Write a details file into the case; its SHA-256. Raises OSError."""
    content = encode(data)
    sha256 = hashlib.sha256(content).hexdigest()
    folder = case / FOLDER
    folder.mkdir(exist_ok=True)
    ledger.write_new_file(folder / f"{sha256}.json", content)
    return sha256


def read(case: Path, sha256: str) -> bytes | None:
    """What was given to `write`; None where the file was removed. Raises ValueError if it is not what it was."""
    try:
        content = (case / FOLDER / f"{sha256}.json").read_bytes()
    except FileNotFoundError:
        return None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError("a details file was altered")
    members = jcs.loads(content)
    if not isinstance(members, dict):
        raise TypeError("a details file is no object")
    if "text" in members:
        return str(members["text"]).encode("utf-8")
    return base64.b64decode(str(members["data"]))
