"""A person's key wherever it lies: in a file, in ssh-agent, or on a PKCS#11 token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chain_of_custody import agent, operator_key, pkcs11_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from chain_of_custody.signing import Signer


def open_signer(
    path: Path | None = None,
    passphrase: Callable[[], bytes] | None = None,
    new_passphrase: Callable[[], bytes] | None = None,
) -> Signer:
    """The key that `path` names, unlocked.

    A private key file; a public key file (`.pub`) whose private half ssh-agent holds; a URI `pkcs11:…` of a key on a
    token. Without `path` the operator's own key, made now if there is none (`new_passphrase`: empty = none).
    `passphrase` gives the passphrase of a file or the PIN of a token. Raises KeyAccessError.
    """
    if path is not None and pkcs11_key.is_uri(path):
        return pkcs11_key.open_key(str(path), passphrase)
    if path is not None and path.suffix == ".pub":
        return agent.agent_key(path)
    return operator_key.operator_key(path, passphrase, new_passphrase).key
