r"""The operator's own key: made at first use in the user's configuration folder, never in a case.

The folder is `$HOZEN_CONFIG_HOME` where that is set, else `$XDG_CONFIG_HOME/hozen` (default `~/.config/hozen`),
`%APPDATA%\hozen` on Windows, `~/Library/Application Support/hozen` on macOS. It holds `id_ed25519`,
`id_ed25519.pub` and, for keys that age cannot use, an age identity for each.
"""

from __future__ import annotations

import getpass
import os
import re
import secrets
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chain_of_custody import signing
from chain_of_custody.errors import KeyAccessError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chain_of_custody.jcs import Json
    from chain_of_custody.signing import FileKey


def config_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Where the operator's key lies (the folder need not exist yet)."""
    env = os.environ if environment is None else environment
    if env.get("HOZEN_CONFIG_HOME"):
        return Path(env["HOZEN_CONFIG_HOME"])
    if env.get("XDG_CONFIG_HOME"):
        return Path(env["XDG_CONFIG_HOME"]) / "hozen"
    if sys.platform == "win32":
        return Path(env.get("APPDATA") or Path.home() / "AppData" / "Roaming") / "hozen"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "hozen"
    return Path.home() / ".config" / "hozen"


def default_key_path() -> Path:
    """The operator's private key file."""
    return config_folder() / "id_ed25519"


def host_name() -> str:
    """Name of this machine."""
    return socket.gethostname() or "localhost"


def user_name() -> str:
    """Name of the user who runs this process."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        # No entry in the password database and no environment (services, some containers).
        return f"uid-{os.getuid()}" if hasattr(os, "getuid") else "user"


def default_person_id() -> str:
    """`user@host`, the id of the operator in a new case unless another is given."""
    return re.sub(r"[^\w.@+-]", "-", f"{user_name()}@{host_name()}")[:64]


@dataclass(frozen=True, slots=True)
class OperatorKey:
    """An unlocked key of the operator, and whether it was made just now."""

    key: FileKey
    created: bool


def write_private_file(path: Path, data: bytes) -> None:
    """Create `path` readable by its owner alone and on disk when this returns; FileExistsError if it exists."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # A hard link fails where the name exists: two first runs at once end with one key, whole.
        try:
            os.link(part, path)
        except FileExistsError:
            raise
        except OSError:
            # File systems without hard links (FAT, some network shares).
            if path.exists():
                raise FileExistsError(path) from None
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _create(path: Path, passphrase: bytes) -> bool:
    private = Ed25519PrivateKey.generate()
    protection: serialization.KeySerializationEncryption = (
        serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    )
    data = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, protection)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            write_private_file(path, data)
        except FileExistsError:
            return False
        line = signing.public_line_of(private.public_key())
        path.with_name(path.name + ".pub").write_text(f"{line} {default_person_id()}\n", encoding="utf-8")
    except OSError as error:
        raise KeyAccessError(
            f"鍵を作れません: {path}: {error.strerror}",
            f"cannot make the key {path}: {error.strerror}",
            hint_ja="設定フォルダーに書き込めるか確かめるか、--key で鍵を指定してください",
            hint_en="make the configuration folder writable, or give a key with --key",
        ) from error
    return True


def operator_key(
    path: Path | None = None,
    passphrase: Callable[[], bytes] | None = None,
    new_passphrase: Callable[[], bytes] | None = None,
) -> OperatorKey:
    """The operator's key, unlocked; without `path` the default one, made now if there is none.

    `passphrase` is asked for an existing protected key, `new_passphrase` (empty = none) for a key that is made now.
    Raises KeyAccessError.
    """
    created = False
    if path is None:
        path = default_key_path()
        if not path.exists():
            chosen = new_passphrase() if new_passphrase is not None else b""
            created = _create(path, chosen)
            if created and chosen:
                return OperatorKey(signing.load_private_key(path, lambda: chosen), created=True)
    return OperatorKey(signing.load_private_key(path, passphrase), created)


@dataclass(frozen=True, slots=True)
class KeyDescription:
    """What can be said of a key file without unlocking it."""

    path: Path
    exists: bool
    fingerprint: str | None
    protection: signing.Protection | None

    def to_json(self) -> dict[str, Json]:
        """As `custody keys --json` prints it."""
        return {
            "path": str(self.path),
            "exists": self.exists,
            "fingerprint": self.fingerprint,
            "protection": self.protection,
        }


def describe_key(path: Path | None = None) -> KeyDescription:
    """Path, fingerprint and protection of the operator's key; nothing is asked and nothing made.

    Raises KeyAccessError when the file exists and is no readable key.
    """
    path = path if path is not None else default_key_path()
    if str(path).startswith("pkcs11:"):
        # What a token holds is seen only after login.
        return KeyDescription(path, exists=True, fingerprint=None, protection="token")
    if not path.exists():
        return KeyDescription(path, exists=False, fingerprint=None, protection=None)
    try:
        key = signing.load_private_key(path)
    except signing.PassphraseNeededError:
        try:
            line = signing.normal_public_line(path.with_name(path.name + ".pub").read_text(encoding="utf-8"))
            shown: str | None = signing.fingerprint(line)
        except (OSError, UnicodeDecodeError, signing.SignatureError):
            # The public half beside a protected key is a convenience; without it there is no fingerprint to show.
            shown = None
        return KeyDescription(path, exists=True, fingerprint=shown, protection="passphrase")
    return KeyDescription(path, exists=True, fingerprint=signing.fingerprint(key.public_line), protection="none")
