"""A person's key on a PKCS#11 token (smart card, HSM, SoftHSM): it signs there and never leaves it.

The key is named by a URI (RFC 7512) where a key file would stand:

`--key 'pkcs11:token=hozen;object=yamada?module-path=/usr/lib/softhsm/libsofthsm2.so'`

The library is named by `module-path` or by $HOZEN_PKCS11_MODULE. The PIN comes from the same place as a passphrase:
asked on the terminal, or the first line of `--passphrase-file`; `pin-source=file:/…` works too, `pin-value` is refused.
Needs the extra `hozen[pkcs11]` (python-pkcs11).
"""

from __future__ import annotations

import hashlib
import os
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from chain_of_custody import signing
from chain_of_custody.errors import KeyAccessError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PREFIX = "pkcs11:"
MODULE_VARIABLE = "HOZEN_PKCS11_MODULE"
_ED25519_PARAMETERS = (bytes.fromhex("06032b6570"), b"\x13\x0cedwards25519")
"""CKA_EC_PARAMS of Ed25519: the OID (PKCS#11 3.0), or the curve's name as a PrintableString (SoftHSM and others)."""
_CURVES: Mapping[bytes, ec.EllipticCurve] = {
    bytes.fromhex("06082a8648ce3d030107"): ec.SECP256R1(),
    bytes.fromhex("06052b81040022"): ec.SECP384R1(),
    bytes.fromhex("06052b81040023"): ec.SECP521R1(),
}


def is_uri(path: Path) -> bool:
    """Whether what stands in place of a key file names a key on a token."""
    return str(path).startswith(PREFIX)


@dataclass(frozen=True, slots=True)
class _Address:
    module: str
    token: str | None
    serial: str | None
    label: str | None
    id: bytes | None
    pin_file: Path | None


def _address(uri: str) -> _Address:
    """What a URI names. Raises KeyAccessError."""
    path, _, query = uri.removeprefix(PREFIX).partition("?")
    named: dict[str, str] = {}
    for part in [*path.split(";"), *query.split("&")]:
        name, equals, value = part.partition("=")
        if part and (not equals or name in named):
            raise _malformed(uri)
        named[name] = value
    if "pin-value" in named:
        raise KeyAccessError(
            "PIN をコマンドラインに書かないでください(pin-value)",
            "a PIN does not belong on a command line (pin-value)",
            hint_ja="端末で入力するか、--passphrase-file で渡してください",
            hint_en="type it on the terminal, or give --passphrase-file",
        )
    known = {"token", "serial", "object", "id", "type", "module-path", "pin-source", "manufacturer", "model"}
    unknown = named.keys() - known - {""}
    if unknown:
        raise _malformed(uri, ", ".join(sorted(unknown)))
    text = {name: urllib.parse.unquote(value) for name, value in named.items()}
    module = text.get("module-path") or os.environ.get(MODULE_VARIABLE, "")
    if not module:
        raise KeyAccessError(
            "PKCS#11 のライブラリが指定されていません",
            "no PKCS#11 library is named",
            hint_ja=f"?module-path=… か環境変数 {MODULE_VARIABLE} で指定してください",
            hint_en=f"name it with ?module-path=… or in {MODULE_VARIABLE}",
        )
    if "object" not in text and "id" not in named:
        raise _malformed(uri, "object, id")
    source = text.get("pin-source")
    return _Address(
        module,
        text.get("token"),
        text.get("serial"),
        text.get("object"),
        urllib.parse.unquote_to_bytes(named["id"]) if "id" in named else None,
        Path(source.removeprefix("file:").removeprefix("//")) if source else None,
    )


def _malformed(uri: str, what: str = "") -> KeyAccessError:
    return KeyAccessError(
        f"PKCS#11 の URI の形が不正です: {uri} {what}".rstrip(),
        f"malformed PKCS#11 URI: {uri} {what}".rstrip(),
        hint_ja="pkcs11:token=ラベル;object=鍵のラベル?module-path=ライブラリ の形で指定してください",
        hint_en="write it like pkcs11:token=LABEL;object=LABEL?module-path=LIBRARY",
    )


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A private key on a token, with an open session."""

    public_line: str
    _session: Any = field(repr=False)
    _private: Any = field(repr=False)
    protection: signing.Protection = "token"

    def sign(self, message: bytes, namespace: str) -> str:
        """An armored SSHSIG over `message`; checked before it is returned. Raises KeyAccessError."""
        import pkcs11  # noqa: PLC0415 - an optional library
        from pkcs11.exceptions import PKCS11Error  # noqa: PLC0415

        data = signing.data_to_sign(message, namespace)
        kind = self.public_line.split()[0]
        try:
            if kind == "ssh-ed25519":
                made = signing.wire_signature(kind, self._private.sign(data, mechanism=pkcs11.Mechanism.EDDSA))
            elif kind == "ssh-rsa":
                made = signing.wire_signature(
                    "rsa-sha2-512",
                    self._private.sign(data, mechanism=pkcs11.Mechanism.SHA512_RSA_PKCS),
                )
            else:
                digest = hashlib.new(signing.digest_of(kind), data).digest()
                both = self._private.sign(digest, mechanism=pkcs11.Mechanism.ECDSA)
                r, s = (int.from_bytes(half, "big") for half in (both[: len(both) // 2], both[len(both) // 2 :]))
                made = signing.wire_ecdsa(kind, r, s)
        except PKCS11Error as error:
            raise _failed("署名できません", "cannot sign", error) from error
        armored = signing.seal(self.public_line, namespace, made)
        try:
            signing.verify(armored, message, namespace, self.public_line)
        except signing.SignatureError as error:
            raise KeyAccessError(
                "トークンの署名が鍵と合いません", "the token's signature does not fit its key"
            ) from error
        return armored

    def sign_document(self, data: bytes, digest: str) -> bytes:
        """A signature as CMS holds it: PKCS#1 v1.5 for RSA, DER for ECDSA; `digest` is `sha256`, `sha384` or `sha512`.

        Raises KeyAccessError, also for kinds of keys that PDF readers do not know (Ed25519).
        """
        import pkcs11  # noqa: PLC0415 - an optional library
        from pkcs11.exceptions import PKCS11Error  # noqa: PLC0415

        kind = self.public_line.split()[0]
        try:
            if kind == "ssh-rsa":
                mechanism = getattr(pkcs11.Mechanism, f"{digest.upper()}_RSA_PKCS")
                return bytes(self._private.sign(data, mechanism=mechanism))
            if kind.startswith("ecdsa-"):
                both = self._private.sign(hashlib.new(digest, data).digest(), mechanism=pkcs11.Mechanism.ECDSA)
                r, s = (int.from_bytes(half, "big") for half in (both[: len(both) // 2], both[len(both) // 2 :]))
                return encode_dss_signature(r, s)
        except PKCS11Error as error:
            raise _failed("署名できません", "cannot sign", error) from error
        raise KeyAccessError(
            f"この種類の鍵は PDF の署名に使えません: {kind}", f"keys of this kind do not sign PDFs: {kind}"
        )

    def certificates(self) -> list[bytes]:
        """The certificates on the token (DER). Raises KeyAccessError."""
        import pkcs11  # noqa: PLC0415
        from pkcs11.exceptions import PKCS11Error  # noqa: PLC0415

        wanted = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.CERTIFICATE}
        try:
            return [bytes(one[pkcs11.Attribute.VALUE]) for one in self._session.get_objects(wanted)]
        except PKCS11Error as error:
            raise _failed("証明書を読めません", "cannot read the certificates", error) from error


def _failed(ja: str, en: str, error: Exception) -> KeyAccessError:
    name = type(error).__name__
    hints = {
        "PinIncorrect": ("PIN が違います", "the PIN is wrong"),
        "PinLocked": ("PIN がロックされています", "the PIN is locked"),
        "PinLenRange": ("PIN の長さが違います", "the PIN has a wrong length"),
        "NoSuchToken": ("トークンがありません。token= のラベルを確かめてください", "no such token; check token="),
        "NoSuchKey": ("鍵がありません。object= のラベルを確かめてください", "no such key; check object="),
        "MultipleTokensReturned": (
            "トークンが複数あります。serial= で選んでください",
            "several tokens; choose by serial=",
        ),
        "MultipleObjectsReturned": ("鍵が複数あります。id= で選んでください", "several keys; choose by id="),
    }
    hint_ja, hint_en = hints.get(name, ("", ""))
    detail = f"{name} {error}".strip()
    return KeyAccessError(
        f"トークン: {ja}({detail})",
        f"token: {en} ({detail})",
        hint_ja=hint_ja,
        hint_en=hint_en,
    )


def _pin(address: _Address, passphrase: Callable[[], bytes] | None) -> str:
    if address.pin_file is not None:
        try:
            with address.pin_file.open("rb") as file:
                line = file.readline(4096)
        except OSError as error:
            raise KeyAccessError(
                f"PIN のファイルを読めません: {address.pin_file}",
                f"cannot read the file with the PIN: {address.pin_file}: {error.strerror}",
            ) from error
        pin = line.rstrip(b"\r\n")
    elif passphrase is not None:
        pin = passphrase()
    else:
        raise signing.PassphraseNeededError(
            "トークンには PIN が必要です",
            "the token needs its PIN",
            hint_ja="--passphrase-file で渡すか、端末から実行してください",
            hint_en="give --passphrase-file, or run from a terminal",
        )
    return pin.decode("utf-8", "replace")


def open_key(uri: str, passphrase: Callable[[], bytes] | None = None) -> TokenKey:
    """The key that a URI names, after login. Raises KeyAccessError."""
    try:
        import pkcs11  # noqa: PLC0415
        from pkcs11.exceptions import PKCS11Error, UserAlreadyLoggedIn  # noqa: PLC0415
    except ImportError as error:
        raise KeyAccessError(
            "PKCS#11 の部品が入っていません",
            "support for PKCS#11 is not installed",
            hint_ja="pip install 'hozen[pkcs11]' で追加するか、ssh-add -s でトークンを ssh-agent に登録してください",
            hint_en="pip install 'hozen[pkcs11]', or hand the token to ssh-agent with ssh-add -s",
        ) from error
    address = _address(uri)
    try:
        library = pkcs11.lib(address.module)
    except (PKCS11Error, RuntimeError, OSError) as error:
        raise KeyAccessError(
            f"PKCS#11 のライブラリを読み込めません: {address.module}",
            f"cannot load the PKCS#11 library {address.module}: {error}",
        ) from error
    try:
        token = library.get_token(
            token_label=address.token,
            token_serial=address.serial.encode() if address.serial else None,
        )
        pin = _pin(address, passphrase)
        try:
            session = token.open(user_pin=pin)
        except UserAlreadyLoggedIn:
            # A process logs in once for all its sessions.
            session = token.open()
        private, public = (
            session.get_key(object_class=kind, label=address.label, id=address.id)
            for kind in (pkcs11.ObjectClass.PRIVATE_KEY, pkcs11.ObjectClass.PUBLIC_KEY)
        )
        return TokenKey(_public_line(public), session, private)
    except PKCS11Error as error:
        raise _failed("鍵を開けません", "cannot open the key", error) from error


def _public_line(public: Any) -> str:  # noqa: ANN401 - python-pkcs11's class
    """The public half as OpenSSH writes it. Raises KeyAccessError for kinds that are not supported."""
    import pkcs11  # noqa: PLC0415

    unsupported = KeyAccessError(
        "トークンのこの種類の鍵は使えません(P-256/384/521、RSA 2048 ビット以上、Ed25519)",
        "a kind of key on the token that is not supported (P-256/384/521, RSA of 2048 bits or more, Ed25519)",
    )
    if public.key_type == pkcs11.KeyType.RSA:
        exponent, modulus = public[pkcs11.Attribute.PUBLIC_EXPONENT], public[pkcs11.Attribute.MODULUS]
        numbers = rsa.RSAPublicNumbers(int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big"))
        key: signing.PublicKey = numbers.public_key()
    elif public.key_type in (pkcs11.KeyType.EC, pkcs11.KeyType.EC_EDWARDS):
        parameters, point = bytes(public[pkcs11.Attribute.EC_PARAMS]), bytes(public[pkcs11.Attribute.EC_POINT])
        try:
            if parameters in _ED25519_PARAMETERS:
                key = ed25519.Ed25519PublicKey.from_public_bytes(_octets(point, (32,)))
            else:
                sizes = (65, 97, 133)
                key = ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[parameters], _octets(point, sizes))
        except (KeyError, ValueError) as error:
            raise unsupported from error
    else:
        raise unsupported
    try:
        return signing.normal_public_line(signing.public_line_of(key))
    except signing.SignatureError as error:
        raise unsupported from error


def _octets(point: bytes, sizes: tuple[int, ...]) -> bytes:
    """The point itself; the standard wraps it into an OCTET STRING, some libraries do not."""
    if len(point) in sizes:
        return point
    header = 3 if len(point) > 2 and point[1] == 0x81 else 2
    return point[header:]
