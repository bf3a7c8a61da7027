"""Signatures in a PDF (PAdES B-B, with a time stamp B-T), by pyHanko.

Without a certificate of one's own, a key and a self-issued certificate are made for the one document, and the key is
thrown away. What ties it to the operator is the ledger: the certificate's SHA-256 stands in `report.begin`, in a
session that the operator's key authorised. That works with every kind of key (file, agent, token) and needs no
authority; it says nothing about who the operator is that the ledger does not say.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from chain_of_custody import timestamps
from chain_of_custody.errors import KeyAccessError, LedgerError, UsageError
from chain_of_custody.masking import mask_text
from chain_of_custody.report_facts import Signing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from chain_of_custody.case import Case
    from chain_of_custody.pkcs11_key import TokenKey

FIELD = "hozen-{}"
_DER = serialization.Encoding.DER
YEARS = 10
"""Validity of a self-issued certificate: what counts is the time at which it signed, and the ledger."""


@dataclass(frozen=True, slots=True)
class DocumentSigner:
    """A key that signs documents, with its certificate and the certificates above it."""

    described: Signing
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | TokenKey
    chain: tuple[x509.Certificate, ...] = ()

    def __repr__(self) -> str:
        return f"DocumentSigner({self.described.subject!r})"

    def sign(self, pdf: bytes, number: int, tsa: str = "") -> bytes:
        """The PDF with one more signature, appended: what was there stays byte for byte. Raises LedgerError."""
        from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter  # noqa: PLC0415 - 1 s to load
        from pyhanko.pdf_utils.misc import PdfError  # noqa: PLC0415
        from pyhanko.sign import fields, signers  # noqa: PLC0415
        from pyhanko.sign.general import SigningError  # noqa: PLC0415

        metadata = signers.PdfSignatureMetadata(
            field_name=FIELD.format(number),
            md_algorithm=_digest_for(self.certificate),
            subfilter=fields.SigSeedSubFilter.PADES,
            reason="証拠取扱記録の固定 / custody record",
            name=self.described.subject,
            certify=number == 1,
            # A second person may sign; nothing else may change.
            docmdp_permissions=fields.MDPPerm.FILL_FORMS,
        )
        signer: Any
        if isinstance(self.key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            signer = signers.SimpleSigner(
                signing_cert=asn1([self.certificate])[0],
                signing_key=_asn1_key(self.key),
                cert_registry=_registry(self.chain),
            )
        else:
            signer = _token_signer(self.key, self.certificate, self.chain)
        stamper = _stamper(tsa) if tsa else None
        out = io.BytesIO()
        try:
            writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
            signers.PdfSigner(metadata, signer, timestamper=stamper).sign_pdf(writer, output=out)
        except (PdfError, SigningError, ValueError) as error:
            raise LedgerError(f"PDF に署名できません: {error}", f"cannot sign the PDF: {error}") from error
        return out.getvalue()


def asn1(certificates: Sequence[x509.Certificate]) -> list[Any]:
    """The certificates as pyHanko wants them."""
    from pyhanko.keys import load_certs_from_pemder_data  # noqa: PLC0415

    return [one for cert in certificates for one in load_certs_from_pemder_data(cert.public_bytes(_DER))]


def _digest_for(certificate: x509.Certificate) -> str:
    """A digest as strong as the curve (as ECDSA is used with SSH and TLS)."""
    key = certificate.public_key()
    bits = key.curve.key_size if isinstance(key, ec.EllipticCurvePublicKey) else 256
    return "sha256" if bits <= 256 else "sha384" if bits <= 384 else "sha512"


def _token_signer(key: TokenKey, certificate: x509.Certificate, chain: Sequence[x509.Certificate]) -> Any:  # noqa: ANN401
    from pyhanko.sign import signers  # noqa: PLC0415

    class Signer(signers.Signer):
        """Lets the token sign; the key never leaves it."""

        async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
            """The signature, or as many bytes as one can have at most."""
            return bytes(1024) if dry_run else key.sign_document(data, digest_algorithm)

    made: Any = Signer
    return made(signing_cert=asn1([certificate])[0], cert_registry=_registry(chain))


def _asn1_key(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> Any:  # noqa: ANN401 - asn1crypto has no types
    from pyhanko.keys import load_private_key_from_pemder_data  # noqa: PLC0415

    der = key.private_bytes(_DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return load_private_key_from_pemder_data(der, None)


def _registry(chain: Sequence[x509.Certificate]) -> Any:  # noqa: ANN401
    from pyhanko_certvalidator import registry  # noqa: PLC0415

    store: Any = registry.SimpleCertificateStore  # its constructor has no types
    made = store()
    made.register_multiple(asn1(chain))
    return made


def _stamper(url: str) -> Any:  # noqa: ANN401
    from pyhanko.sign import timestamps as stamping  # noqa: PLC0415

    answers: Any = importlib.import_module("asn1crypto.tsp").TimeStampResp

    class Stamper(stamping.TimeStamper):
        """Asks an authority the way `custody stamp` does."""

        async def async_request_tsa_response(self, req: Any) -> Any:  # noqa: ANN401
            """The answer to one request."""
            return answers.load(timestamps.ask(url, req.dump()))

    made: Any = Stamper
    return made()


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 (hex) of the certificate, as `openssl x509 -fingerprint -sha256` prints it without colons."""
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()


def _described(certificate: x509.Certificate, issued: str) -> Signing:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    subject = str(names[0].value) if names else certificate.subject.rfc4514_string()
    return Signing(fingerprint(certificate), mask_text(subject), issued)


def self_issued(actor: str, role: str, case_name: str) -> DocumentSigner:
    """A P-256 key for one document (which every PDF reader can verify) and the certificate that it issues itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, mask_text(f"{actor} ({role})")[:64]),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, (mask_text(case_name) or "hozen")[:64]),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "hozen self-issued, see the enclosed ledger"),
        ],
    )
    now = datetime.now(UTC).replace(microsecond=0)
    usage = dict.fromkeys(
        ("key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign", "encipher_only"),
        False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(secrets.randbits(127) | 1)
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, content_commitment=True, decipher_only=False, **usage),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return DocumentSigner(_described(certificate, "self"), certificate, key)


def for_operator(case: Case) -> DocumentSigner:
    """The self-issued signer of whoever works in this case now. Raises KeyAccessError."""
    notice = case.key_notice()
    return self_issued(notice.actor, notice.role, case.name or case.case_id)


def from_pkcs12(path: Path, passphrase: Callable[[], bytes] | None) -> DocumentSigner:
    """A certificate and key that a person holds, from a PKCS#12 file (.p12, .pfx).

    Raises KeyAccessError, UsageError.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise KeyAccessError(
            f"証明書ファイルを読めません: {path}: {error.strerror}",
            f"cannot read {path}: {error.strerror}",
        ) from error
    try:
        loaded = _load_pkcs12(data, passphrase)
    except ValueError as error:
        raise KeyAccessError(
            f"{path} を開けません(パスフレーズが違うか、PKCS#12 ではありません)",
            f"cannot open {path}: wrong passphrase, or no PKCS#12 file",
            hint_ja="--sign-passphrase-file でパスフレーズのファイルを指定できます",
            hint_en="give the passphrase with --sign-passphrase-file",
        ) from error
    if loaded.cert is None or not isinstance(loaded.key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise UsageError(
            f"{path} に署名用の証明書と鍵(RSA か ECDSA)がありません",
            f"{path} holds no certificate with an RSA or ECDSA key",
        )
    chain = tuple(one.certificate for one in loaded.additional_certs)
    return DocumentSigner(_described(loaded.cert.certificate, "given"), loaded.cert.certificate, loaded.key, chain)


def from_token(uri: str, passphrase: Callable[[], bytes] | None) -> DocumentSigner:
    """A key on a PKCS#11 token with its certificate, which lies on the token too. Raises KeyAccessError, UsageError."""
    from chain_of_custody import pkcs11_key, signing  # noqa: PLC0415 - an optional library

    key = pkcs11_key.open_key(uri, passphrase)
    own: x509.Certificate | None = None
    others: list[x509.Certificate] = []
    for der in key.certificates():
        try:
            certificate = x509.load_der_x509_certificate(der)
            public = certificate.public_key()
        except (ValueError, UnsupportedAlgorithm):
            # What else lies on the token is none of this signature's.
            continue
        if (
            own is None
            and isinstance(public, ec.EllipticCurvePublicKey | rsa.RSAPublicKey)
            and signing.public_line_of(public) == key.public_line
        ):
            own = certificate
        else:
            others.append(certificate)
    if own is None:
        raise UsageError(
            "トークンにこの鍵(RSA か ECDSA)の証明書がありません",
            "the token holds no certificate of this key (RSA or ECDSA)",
        )
    return DocumentSigner(_described(own, "given"), own, key, _above(own, others))


def _above(certificate: x509.Certificate, others: Sequence[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """Those of `others` that lead from `certificate` upwards, by name."""
    chain: list[x509.Certificate] = []
    current = certificate
    while current.issuer != current.subject:
        found = [one for one in others if one.subject == current.issuer and one not in chain]
        if not found:
            break
        current = found[0]
        chain.append(current)
    return tuple(chain)


def _load_pkcs12(data: bytes, passphrase: Callable[[], bytes] | None) -> pkcs12.PKCS12KeyAndCertificates:
    try:
        return pkcs12.load_pkcs12(data, None)
    except ValueError:
        if passphrase is None:
            raise
        return pkcs12.load_pkcs12(data, passphrase())
