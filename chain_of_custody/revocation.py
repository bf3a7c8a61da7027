"""Whether a time-stamping authority's certificate had been revoked: CRLs and OCSP responses, kept beside a token.

The certificates of the token name the addresses. What was fetched is stored as it came, with the chain, so that it can
be judged later and offline: `checkpoints/<size>.<token>.<hash>.crl|ocsp|pem`. Only tokens that verified against a
trusted root are asked about, only over HTTP(S), and at most 8 MiB an answer.
"""

from __future__ import annotations

import hashlib
import itertools
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

Kind = Literal["crl", "ocsp", "pem"]
MAX_ANSWER = 8 << 20
MAX_CHAIN = 8


@dataclass(frozen=True, slots=True)
class Material:
    """One thing kept beside a token: a CRL, an OCSP response, or the chain in PEM."""

    kind: Kind
    data: bytes
    url: str = ""

    @property
    def sha256(self) -> str:
        """Hash of the bytes."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True)
class Status:
    """What one CRL or OCSP response says of one certificate of the chain."""

    subject: str
    revoked_at: datetime | None
    is_compromised: bool
    """Whether the reason given is a compromise of the key: then no signature of it counts, whenever made."""


class MaterialError(ValueError):
    """A CRL or OCSP response is malformed or not signed by whom it should; `ja` and `en` say why."""

    def __init__(self, ja: str, en: str) -> None:
        super().__init__(en)
        self.ja = ja
        self.en = en


# --- chain ------------------------------------------------------------------------------------------------------------


def chain_of(carried: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """The certificate that stamped, its issuers, and the trusted root at the end; empty where none can be built."""
    signers = [one for one in (*carried, *roots) if _may_stamp(one)]
    for signer in signers:
        chain = [signer]
        while chain[-1] not in roots and len(chain) < MAX_CHAIN:
            issuer = next((one for one in (*roots, *carried) if one not in chain and _issued(one, chain[-1])), None)
            if issuer is None:
                break
            chain.append(issuer)
        if chain[-1] in roots:
            return chain
    return []


def _may_stamp(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (ValueError, x509.ExtensionNotFound):
        return False
    return ExtendedKeyUsageOID.TIME_STAMPING in usage


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def chain_pem(chain: Sequence[x509.Certificate]) -> bytes:
    """The chain as PEM, the signer's certificate first."""
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain)


# --- fetching ---------------------------------------------------------------------------------------------------------


def _crl_urls(certificate: x509.Certificate) -> Iterator[str]:
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (ValueError, x509.ExtensionNotFound):
        return
    for point in points:
        for name in point.full_name or []:
            if isinstance(name, x509.UniformResourceIdentifier):
                yield name.value


def _ocsp_urls(certificate: x509.Certificate) -> Iterator[str]:
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (ValueError, x509.ExtensionNotFound):
        return
    for description in access:
        if description.access_method == AuthorityInformationAccessOID.OCSP and isinstance(
            description.access_location, x509.UniformResourceIdentifier
        ):
            yield description.access_location.value


def fetch(chain: Sequence[x509.Certificate], *, seconds: float = 15.0) -> tuple[list[Material], list[str]]:
    """CRLs and OCSP responses for each certificate below the root; and the addresses that gave nothing usable."""
    found: list[Material] = []
    failed: list[str] = []
    for certificate, issuer in itertools.pairwise(chain):
        builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1())  # noqa: S303 - RFC 5019
        request = builder.build().public_bytes(serialization.Encoding.DER)
        asked: list[tuple[Kind, str, bytes | None]] = [("ocsp", url, request) for url in _ocsp_urls(certificate)]
        asked += [("crl", url, None) for url in _crl_urls(certificate)]
        for kind, url, body in asked:
            try:
                material = Material(kind, _ask(url, body, seconds), url)
                status_of(material, certificate, issuer)
            except (OSError, MaterialError) as error:
                failed.append(f"{url}: {error}")
            else:
                found.append(material)
    return found, failed


def _ask(url: str, body: bytes | None, seconds: float) -> bytes:
    if not url.startswith(("http://", "https://")):
        raise OSError("not an address of HTTP")
    headers = {"Content-Type": "application/ocsp-request"} if body is not None else {}
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 - the scheme is checked above
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310
            data = answer.read(MAX_ANSWER + 1)
    except (urllib.error.URLError, ValueError) as error:
        raise OSError(str(error)) from error
    if len(data) > MAX_ANSWER:
        raise OSError("the answer is too large")
    return bytes(data)


def material_of(data: bytes) -> Material:
    """What a file carried by hand is: a CRL (DER or PEM) or an OCSP response. Raises MaterialError."""
    if data.startswith(b"-----BEGIN X509 CRL"):
        try:
            return Material("crl", x509.load_pem_x509_crl(data).public_bytes(serialization.Encoding.DER))
        except ValueError as error:
            raise MaterialError("CRL を読めません", "not a readable CRL") from error
    for kind, load in (("ocsp", ocsp.load_der_ocsp_response), ("crl", x509.load_der_x509_crl)):
        try:
            load(data)
        except ValueError:
            continue
        return Material("ocsp" if kind == "ocsp" else "crl", data)
    raise MaterialError("CRL でも OCSP 応答でもありません", "neither a CRL nor an OCSP response")


# --- judging ----------------------------------------------------------------------------------------------------------


def statuses(material: Material, chain: Sequence[x509.Certificate]) -> list[Status]:
    """What a CRL or OCSP response says of the certificates of a chain that it is about. Raises MaterialError."""
    reason: MaterialError | None = None
    found = []
    for certificate, issuer in itertools.pairwise(chain):
        try:
            found.append(status_of(material, certificate, issuer))
        except MaterialError as error:
            reason = error
    if not found:
        raise reason or MaterialError("証明書の連鎖がありません", "there is no chain of certificates")
    return found


def status_of(material: Material, certificate: x509.Certificate, issuer: x509.Certificate) -> Status:
    """What a CRL or OCSP response of `issuer` says of `certificate`; raises MaterialError if it says nothing of it."""
    try:
        if material.kind == "crl":
            return _by_crl(x509.load_der_x509_crl(material.data), certificate, issuer)
        return _by_ocsp(ocsp.load_der_ocsp_response(material.data), certificate, issuer)
    except MaterialError:
        raise
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise MaterialError("失効情報を読めません", f"malformed revocation data: {error}") from error


def _by_crl(
    listed: x509.CertificateRevocationList,
    certificate: x509.Certificate,
    issuer: x509.Certificate,
) -> Status:
    key = issuer.public_key()
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        raise MaterialError("CRL の署名鍵が未対応です", "an unsupported kind of key signed the CRL")
    if listed.issuer != issuer.subject or not listed.is_signature_valid(key):
        raise MaterialError("CRL が発行者の署名ではありません", "the CRL is not signed by the issuer")
    entry = listed.get_revoked_certificate_by_serial_number(certificate.serial_number)
    if entry is None:
        return Status(certificate.subject.rfc4514_string(), None, is_compromised=False)
    try:
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        reason = x509.ReasonFlags.unspecified
    return _revoked(certificate, entry.revocation_date_utc, reason)


_COMPROMISED = (x509.ReasonFlags.key_compromise, x509.ReasonFlags.ca_compromise, x509.ReasonFlags.aa_compromise)


def _revoked(certificate: x509.Certificate, moment: datetime | None, reason: x509.ReasonFlags | None) -> Status:
    return Status(certificate.subject.rfc4514_string(), moment, is_compromised=reason in _COMPROMISED)


def _by_ocsp(response: ocsp.OCSPResponse, certificate: x509.Certificate, issuer: x509.Certificate) -> Status:
    if response.response_status != ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise MaterialError("OCSP 応答が成功ではありません", "the OCSP response is no success")
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, response.hash_algorithm)
    wanted = builder.build()
    same = (wanted.serial_number, wanted.issuer_key_hash, wanted.issuer_name_hash)
    if (response.serial_number, response.issuer_key_hash, response.issuer_name_hash) != same:
        raise MaterialError("OCSP 応答が別の証明書のものです", "the OCSP response is about another certificate")
    if not any(_signed(response, one) for one in (issuer, *_responders(response, issuer))):
        raise MaterialError(
            "OCSP 応答の署名が不正です", "the OCSP response is not signed by the issuer or its responder"
        )
    if response.certificate_status == ocsp.OCSPCertStatus.UNKNOWN:
        raise MaterialError("OCSP の状態が不明です", "the OCSP responder does not know the certificate")
    if response.certificate_status == ocsp.OCSPCertStatus.GOOD:
        return Status(certificate.subject.rfc4514_string(), None, is_compromised=False)
    return _revoked(certificate, response.revocation_time_utc, response.revocation_reason)


def _responders(response: ocsp.OCSPResponse, issuer: x509.Certificate) -> Iterator[x509.Certificate]:
    """Certificates in the response that the issuer made for signing such responses."""
    for one in response.certificates:
        try:
            usage = one.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except (ValueError, x509.ExtensionNotFound):
            continue
        if ExtendedKeyUsageOID.OCSP_SIGNING in usage and _issued(issuer, one):
            yield one


def _signed(response: ocsp.OCSPResponse, by: x509.Certificate) -> bool:
    key, algorithm = by.public_key(), response.signature_hash_algorithm
    signature, data = response.signature, response.tbs_response_bytes
    try:
        if isinstance(key, rsa.RSAPublicKey) and algorithm is not None:
            key.verify(signature, data, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
            key.verify(signature, data, ec.ECDSA(algorithm))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, data)
        else:
            return False
    except InvalidSignature:
        return False
    return True
