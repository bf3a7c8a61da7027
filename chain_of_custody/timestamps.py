"""RFC 3161 time stamps on checkpoints: a token shows that a checkpoint existed at a time that a third party states.

Which authorities are trusted is a setting: PEM certificates in `<configuration folder>/tsa-roots/`, or given by option.
Whether an authority is accredited (認定) is what a person states, never what a token says.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from chain_of_custody import checkpoints, ledger, operator_key, revocation
from chain_of_custody.errors import LedgerError, UsageError, VerificationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chain_of_custody.case import Case
    from chain_of_custody.entries import Entry
    from chain_of_custody.jcs import Json

ROOTS_NAME = "tsa-roots"
SETTINGS_NAME = "tsa.json"
MAX_ANSWER = 1 << 20


@dataclass(frozen=True, slots=True)
class Token:
    """What a response says, before or after its verification."""

    gen_time_ns: int
    gen_time: str
    """RFC 3339 with offset and six decimals."""
    policy: str
    authority: str
    """Subject of the certificate that signed, as the token carries it; empty if it carries none."""


class TokenError(ValueError):
    """A response is malformed, or does not verify; `ja` and `en` say why."""

    def __init__(self, ja: str, en: str) -> None:
        super().__init__(en)
        self.ja = ja
        self.en = en


def trusted_roots(given: Sequence[Path] | None = None) -> list[Path]:
    """The certificate files that are trusted: those given, else those of the settings."""
    if given:
        return list(given)
    folder = operator_key.config_folder() / ROOTS_NAME
    return sorted([*folder.glob("*.pem"), *folder.glob("*.crt")]) if folder.is_dir() else []


def load_roots(paths: Sequence[Path]) -> list[x509.Certificate]:
    """The certificates in PEM files. Raises UsageError."""
    certificates: list[x509.Certificate] = []
    for path in paths:
        try:
            certificates += x509.load_pem_x509_certificates(path.read_bytes())
        except (OSError, ValueError) as error:
            raise UsageError(
                f"TSA のルート証明書を読めません: {path}",
                f"cannot read the certificate of a time-stamping authority: {path}",
            ) from error
    return list(dict.fromkeys(certificates))


def settings() -> dict[str, Any]:
    """`tsa.json` of the configuration folder: url, accredited, source, date. Raises UsageError."""
    path = operator_key.config_folder() / SETTINGS_NAME
    if not path.exists():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"TSA の設定を読めません: {path}", f"cannot read the settings {path}") from error
    if not isinstance(value, dict):
        raise UsageError(f"TSA の設定の形が不正です: {path}", f"malformed settings: {path}")
    return value


def query(message: bytes) -> bytes:
    """A DER request for a token over `message` (SHA-256, nonce, certificates wanted)."""
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder  # noqa: PLC0415 - used for stamping only

    request = TimestampRequestBuilder(data=message, hash_algorithm=HashAlgorithm.SHA256).build()
    return bytes(request.as_bytes())


def ask(url: str, request: bytes, *, seconds: float = 30.0) -> bytes:
    """Send a request to an authority over HTTP; the response in DER. Raises UsageError."""
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"TSA の URL は http か https です: {url}", f"the URL of an authority is http or https: {url}")
    message = urllib.request.Request(  # noqa: S310 - the scheme is checked above
        url,
        data=request,
        headers={"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(message, timeout=seconds) as answer:  # noqa: S310
            data = answer.read(MAX_ANSWER + 1)
    except (OSError, urllib.error.URLError, ValueError) as error:
        raise UsageError(
            f"TSA から応答がありません: {url}: {error}",
            f"no answer from the authority {url}: {error}",
            hint_ja="つながらない場合は --query で要求をファイルに出し、別の機器で取得して --response で登録できます",
            hint_en="offline: write the request with --query, get the response elsewhere, give it with --response",
        ) from error
    if len(data) > MAX_ANSWER:
        raise UsageError(f"TSA の応答が大きすぎます: {url}", f"the answer of {url} is too large")
    return bytes(data)


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def read_token(response: bytes) -> Token:
    """What a response says, unverified. Raises TokenError."""
    from rfc3161_client import decode_timestamp_response  # noqa: PLC0415

    try:
        decoded = decode_timestamp_response(response)
        info = decoded.tst_info
        moment = info.gen_time
    except (ValueError, TypeError) as error:
        token = _read_with_openssl(response)
        if token is None:
            raise TokenError("タイムスタンプの応答を読めません", "not a time stamp response") from error
        return token
    return Token(_ns(moment), _rfc3339(moment), info.policy.dotted_string, _authority(decoded))


def _authority(decoded: Any) -> str:  # noqa: ANN401 - the library's own class
    for der in decoded.signed_data.certificates:
        try:
            certificate = x509.load_der_x509_certificate(der)
            usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except (ValueError, x509.ExtensionNotFound):
            continue
        if ExtendedKeyUsageOID.TIME_STAMPING in usage:
            return certificate.subject.rfc4514_string()
    return ""


def _ns(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000


def _read_with_openssl(response: bytes) -> Token | None:
    """The same by `openssl ts`: it reads tokens whose certificates are not in DER order."""
    shown = _openssl(["-reply", "-text", "-in", "{response}"], {"response": response})
    if shown is None:
        return None
    facts = dict(line.split(": ", 1) for line in shown.splitlines() if ": " in line)
    text = facts.get("Time stamp", "").removesuffix(" GMT")
    for form in ("%b %d %H:%M:%S.%f %Y", "%b %d %H:%M:%S %Y"):
        try:
            moment = datetime.strptime(" ".join(text.split()), form).replace(tzinfo=UTC)
        except ValueError:
            continue
        return Token(_ns(moment), _rfc3339(moment), facts.get("Policy OID", ""), facts.get("TSA", ""))
    return None


def _openssl(arguments: list[str], files: dict[str, bytes]) -> str | None:
    """Output of `openssl ts …` with files put where `{name}` stands; None when it fails or is not installed."""
    if shutil.which("openssl") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            (Path(folder) / name).write_bytes(data)
        words = [
            str(Path(folder) / word[1:-1]) if word.startswith("{") and word.endswith("}") else word
            for word in arguments
        ]
        try:
            done = subprocess.run(
                ["openssl", "ts", *words],
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=60,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
    return done.stdout if done.returncode == 0 else None


def verify_token(response: bytes, message: bytes, roots: Sequence[x509.Certificate]) -> Token:
    """What a response says, after its signature, chain and message were verified. Raises TokenError."""
    import rfc3161_client  # noqa: PLC0415

    token = read_token(response)
    try:
        decoded = rfc3161_client.decode_timestamp_response(response)
        builder = rfc3161_client.VerifierBuilder(roots=list(roots), intermediates=[])
        builder.build().verify_message(decoded, message)
    except (rfc3161_client.VerificationError, ValueError, TypeError) as error:
        if _verified_by_openssl(response, message, roots):
            return token
        raise TokenError(
            f"タイムスタンプを検証できません: {error}",
            f"the time stamp does not verify: {error}",
        ) from error
    return token


def _verified_by_openssl(response: bytes, message: bytes, roots: Sequence[x509.Certificate]) -> bool:
    files = {"data": message, "response": response, "roots": revocation.chain_pem(roots)}
    shown = _openssl(["-verify", "-data", "{data}", "-in", "{response}", "-CAfile", "{roots}"], files)
    # openssl accepts a response whose status is "granted with modifications" or altered; the status must be 0.
    status = _openssl(["-reply", "-text", "-in", "{response}"], files)
    return shown is not None and status is not None and "Status: Granted." in status


def name_of(size: int, sha256: str) -> str:
    """File name of a token: several authorities may stamp one checkpoint."""
    return f"{size:09d}.{sha256[:16]}.tsr"


def material_name(size: int, token_sha256: str, kind: str, sha256: str) -> str:
    """File name of a CRL, OCSP response or chain that is kept beside a token."""
    return f"{size:09d}.{token_sha256[:16]}.{sha256[:16]}.{kind}"


def allowed_roots(roots: Sequence[Path], policy: Mapping[str, str]) -> list[x509.Certificate]:
    """The certificates in these files; with a policy `tsa=…`, those of them that it names. Raises UsageError."""
    certificates = load_roots(roots)
    wanted = policy.get("tsa")
    if wanted is None:
        return certificates
    return [one for one in certificates if one.fingerprint(hashes.SHA256()).hex() in wanted.split(",")]


def carried_certificates(response: bytes) -> list[x509.Certificate]:
    """The certificates inside a token; none where only openssl can read it."""
    from rfc3161_client import decode_timestamp_response  # noqa: PLC0415

    found = []
    try:
        carried = decode_timestamp_response(response).signed_data.certificates
    except (ValueError, TypeError):
        return []
    for der in carried:
        with contextlib.suppress(ValueError):
            found.append(x509.load_der_x509_certificate(der))
    return found


def revoked_before(statuses: Sequence[revocation.Status], gen_time_ns: int) -> revocation.Status | None:
    """The status that makes a token worthless: revoked when it was made, or its key compromised whenever."""
    for status in statuses:
        if status.revoked_at is not None and (status.is_compromised or _ns(status.revoked_at) <= gen_time_ns):
            return status
    return None


def attach(
    case: Case,
    checkpoint_file: Path,
    response: bytes,
    roots: Sequence[Path],
    facts: dict[str, Json],
    *,
    given: Sequence[revocation.Material] = (),
    fetch: bool = False,
) -> Entry:
    """Keep a token beside its checkpoint and record it; verified first where roots are configured.

    `given` are CRLs and OCSP responses brought by hand; with `fetch` those that the certificates name are fetched too.
    Raises VerificationError when the token does not fit or its certificate was revoked, LedgerError, UsageError.
    """
    case.permit("stamp")
    checkpoint = checkpoints.read(checkpoint_file)
    message = checkpoint.to_bytes()
    trusted = allowed_roots(roots, case.policy)
    if roots and not trusted:
        raise UsageError(
            "方針(tsa)が定める TSA のルート証明書が設定にありません",
            "no configured certificate is of an authority that the policy (tsa) names",
        )
    try:
        token = verify_token(response, message, trusted) if roots else _matching_token(response, message)
    except TokenError as error:
        raise VerificationError(error.ja, error.en) from error
    kept, failed = _material(response, trusted, token, given, fetch=fetch)
    sha256 = hashlib.sha256(response).hexdigest()
    folder = case.path / checkpoints.FOLDER
    files = {name_of(checkpoint.size, sha256): response}
    files |= {material_name(checkpoint.size, sha256, one.kind, one.sha256): one.data for one in kept}
    for name, data in files.items():
        try:
            if not (folder / name).exists():
                ledger.write_new_file(folder / name, data)
        except OSError as error:
            raise LedgerError(
                f"書き込めません: {folder / name}: {error.strerror}",
                f"cannot write {folder / name}: {error.strerror}",
            ) from error
    body: dict[str, Json] = {
        "size": str(checkpoint.size),
        "sha256": sha256,
        "gen_time": token.gen_time,
        "policy": token.policy,
        "authority": token.authority,
        "verified": "yes" if roots else "no",
        **facts,
    }
    if kept:
        body["material"] = [
            {"kind": one.kind, "sha256": one.sha256, **({"url": one.url} if one.url else {})} for one in kept
        ]
    if failed:
        body["revocation_failed"] = list(failed)
    return case.append("stamp", body)


def _material(
    response: bytes,
    trusted: Sequence[x509.Certificate],
    token: Token,
    given: Sequence[revocation.Material],
    *,
    fetch: bool,
) -> tuple[list[revocation.Material], list[str]]:
    """The chain of a verified token and what is known of its revocation; and the addresses that gave nothing."""
    chain = revocation.chain_of(carried_certificates(response), trusted)
    if not chain:
        if given:
            raise UsageError(
                "TSA のルートが未設定か証明書の連鎖が作れないため、失効情報を登録できません",
                "revocation data need a token that verifies against a configured root",
            )
        return [], []
    found: list[revocation.Material] = list(given)
    failed: list[str] = []
    if fetch:
        fetched, failed = revocation.fetch(chain)
        found += fetched
    for material in found:
        try:
            revoked = revoked_before(revocation.statuses(material, chain), token.gen_time_ns)
        except revocation.MaterialError as error:
            raise VerificationError(error.ja, error.en) from error
        if revoked is not None:
            raise VerificationError(
                f"TSA の証明書は失効しています: {revoked.subject}({revoked.revoked_at})",
                f"the certificate of the authority is revoked: {revoked.subject} ({revoked.revoked_at})",
            )
    return [revocation.Material("pem", revocation.chain_pem(chain)), *found], failed


def _matching_token(response: bytes, message: bytes) -> Token:
    """What a response says, unverified, if it is about `message` at all."""
    token = read_token(response)
    if not _imprint_fits(response, message):
        raise TokenError("別のデータへのタイムスタンプです", "it stamps other data")
    return token


def fitting_checkpoint(case: Path, response: bytes) -> Path | None:
    """The checkpoint of this case that a response is about, the newest first; None if there is none."""
    for path in sorted((case / checkpoints.FOLDER).glob("[0-9]*.txt"), reverse=True):
        if _imprint_fits(response, checkpoints.read(path).to_bytes()):
            return path
    return None


def _imprint_fits(response: bytes, message: bytes) -> bool:
    from rfc3161_client import decode_timestamp_response  # noqa: PLC0415

    try:
        imprint = decode_timestamp_response(response).tst_info.message_imprint
    except (ValueError, TypeError):
        # Only openssl can read it; without roots nothing more can be said.
        return True
    digests = (hashlib.sha256(message), hashlib.sha384(message), hashlib.sha512(message))
    return bytes(imprint.message) in {digest.digest() for digest in digests}
