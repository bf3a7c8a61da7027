"""The case's secret: the key of the HMAC that stands in for a My Number. It lies in the case as an age file only.

10^11 candidate numbers are tried in hours by whoever has this key, so it is never in the clear on a disk:
`secret.age` is encrypted to the operator's SSH key (Ed25519, RSA), or, for keys that age cannot use, to an age
identity in the operator's configuration folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Any

from chain_of_custody import operator_key, signing
from chain_of_custody.errors import KeyAccessError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from chain_of_custody.signing import Signer

SECRET_NAME = "secret.age"  # noqa: S105 - the name of a file
_CHECK_TEXT = b"custody/1 secret"


def new_secret() -> bytes:
    """32 random bytes."""
    return secrets.token_bytes(32)


def commitment(secret: bytes) -> str:
    """What `case.open` says of the secret, so that another one in its place is noticed: an HMAC of a fixed text."""
    return hmac.new(secret, _CHECK_TEXT, hashlib.sha256).hexdigest()


def number_hmac(secret: bytes, digits: str) -> str:
    """HMAC-SHA256 (hex) of 12 ASCII digits."""
    return hmac.new(secret, digits.encode("ascii"), hashlib.sha256).hexdigest()


def _age_identity_path(public_line: str) -> Path:
    name = signing.fingerprint(public_line).removeprefix("SHA256:").replace("/", "_")
    return operator_key.config_folder() / "age" / f"{name}.txt"


def _takes_ssh(public_line: str) -> bool:
    return public_line.startswith(("ssh-ed25519 ", "ssh-rsa "))


def recipient_for(signer: Signer) -> str:
    """To whom the secret is encrypted: the key itself, or an age recipient made for it in the configuration folder."""
    import pyrage  # noqa: PLC0415 - loaded only where a secret is wrapped

    if signer.protection in ("none", "passphrase") and _takes_ssh(signer.public_line):
        return signer.public_line
    path = _age_identity_path(signer.public_line)
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            identity = pyrage.x25519.Identity.generate()
            # Another first run may have made it just now.
            with contextlib.suppress(FileExistsError):
                operator_key.write_private_file(path, f"{identity}\n".encode("ascii"))
        return str(_read_identity(path).to_public())
    except OSError as error:
        raise KeyAccessError(
            f"age の鍵を作れません: {path}: {error.strerror}",
            f"cannot make the age identity {path}: {error.strerror}",
        ) from error


def _read_identity(path: Path) -> Any:  # noqa: ANN401 - pyrage ships no types
    import pyrage  # noqa: PLC0415

    return pyrage.x25519.Identity.from_str(path.read_text(encoding="ascii").strip())


def age_recipient_for(signer: Signer) -> str:
    """The age recipient (age1…) to list for a key that age cannot use; empty for a key that it can."""
    recipient = recipient_for(signer)
    return recipient if recipient.startswith("age1") else ""


def wrap(secret: bytes, recipients: Sequence[str]) -> bytes:
    """The age file that holds `secret` for `recipients` (SSH public key lines or age1…)."""
    import pyrage  # noqa: PLC0415

    parsed = [
        pyrage.x25519.Recipient.from_str(text) if text.startswith("age1") else pyrage.ssh.Recipient.from_str(text)
        for text in recipients
    ]
    wrapped: bytes = pyrage.encrypt(secret, parsed)
    return wrapped


def unwrap(data: bytes, signer: Signer) -> bytes:
    """The secret in an age file, opened with the operator's key. Raises KeyAccessError."""
    import pyrage  # noqa: PLC0415

    identities = []
    if isinstance(signer, signing.FileKey) and _takes_ssh(signer.public_line):
        identities.append(pyrage.ssh.Identity.from_buffer(signer.openssh_private_bytes()))
    path = _age_identity_path(signer.public_line)
    try:
        if path.exists():
            identities.append(_read_identity(path))
        if not identities:
            raise KeyAccessError(
                f"この事案の秘密値を開く age の鍵がありません: {path}",
                f"no age identity to open the case's secret: {path}",
                hint_ja="事案を作った設定フォルダーで実行するか、権限を持つ人に再暗号化を頼んでください",
                hint_en="run where the case was made, or ask a person with access to encrypt it to you",
            )
        secret: bytes = pyrage.decrypt(data, identities)
    except (pyrage.DecryptError, pyrage.IdentityError, OSError) as error:
        raise KeyAccessError(
            "事案の秘密値をこの鍵では開けません",
            "this key cannot open the case's secret",
            hint_ja="事案を作った人の鍵を --key で指定してください",
            hint_en="give the key of the person who made the case with --key",
        ) from error
    return secret
