"""Revocation data of a time-stamping authority, from an authority with CRL and OCSP that this test runs over HTTP."""

import datetime as dt
import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from chain_of_custody import checkpoints, init_case, timestamps
from chain_of_custody.verify import verify_case
from tests.chain_of_custody.test_cli import custody
from tests.chain_of_custody.test_timestamps import CONFIG
from tests.conftest import needs

pytestmark = needs("openssl")
NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


def certificate(name, key, issuer, issuer_key, *extensions):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(issuer if issuer is not None else subject, subject, key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256())


def usage(**set_):
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    names += ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: set_.get(name, False) for name in names})


class Authority:
    """A root, a TSA whose certificate names CRL and OCSP addresses, and what they answer."""

    def __init__(self, folder, url):
        self.folder = folder
        self.root_key, self.key, self.responder_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        ca = (x509.BasicConstraints(ca=True, path_length=None), True)
        signing = (usage(key_cert_sign=True, crl_sign=True), True)
        self.root = certificate("Root", self.root_key, None, self.root_key, ca, signing)
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(f"{url}/crl")], None, None, None)
        access = x509.AccessDescription(
            AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(f"{url}/ocsp")
        )
        self.tsa = certificate(
            "TSA",
            self.key,
            self.root.subject,
            self.root_key,
            (x509.BasicConstraints(ca=False, path_length=None), False),
            (usage(digital_signature=True, content_commitment=True), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True),
            (x509.CRLDistributionPoints([point]), False),
            (x509.AuthorityInformationAccess([access]), False),
        )
        self.responder = certificate(
            "OCSP",
            self.responder_key,
            self.root.subject,
            self.root_key,
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False),
        )
        self.revoked_at = None
        self.reason = None
        self.crl_key = self.root_key
        self.ocsp_key = self.responder_key
        self.silent = set()
        (folder / "serial").write_text("01")
        (folder / "config").write_text(CONFIG.format(folder=folder))
        self.pem = folder / "root.pem"
        self.pem.write_bytes(self.root.public_bytes(serialization.Encoding.PEM))
        (folder / "tsa.pem").write_bytes(self.tsa.public_bytes(serialization.Encoding.PEM))
        (folder / "tsa.key").write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )

    def stamp(self, query):
        (self.folder / "q").write_bytes(query)
        files = ["-config", self.folder / "config", "-queryfile", self.folder / "q", "-out", self.folder / "r"]
        subprocess.run(["openssl", "ts", "-reply", *files], check=True, capture_output=True)
        return (self.folder / "r").read_bytes()

    def crl(self):
        builder = x509.CertificateRevocationListBuilder(self.root.subject, NOW - DAY, NOW + DAY)
        if self.revoked_at is not None:
            entry = x509.RevokedCertificateBuilder(self.tsa.serial_number, self.revoked_at)
            if self.reason is not None:
                entry = entry.add_extension(x509.CRLReason(self.reason), critical=False)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self.crl_key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def ocsp(self, request):
        asked = ocsp.load_der_ocsp_request(request)
        assert asked.serial_number == self.tsa.serial_number
        good = self.revoked_at is None
        return (
            ocsp.OCSPResponseBuilder()
            .add_response(
                self.tsa,
                self.root,
                hashes.SHA1(),
                ocsp.OCSPCertStatus.GOOD if good else ocsp.OCSPCertStatus.REVOKED,
                NOW - DAY,
                NOW + DAY,
                self.revoked_at,
                None if good else self.reason,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, self.responder)
            .certificates([self.responder])
            .sign(self.ocsp_key, hashes.SHA256())
            .public_bytes(serialization.Encoding.DER)
        )


@pytest.fixture
def authority(tmp_path):
    """The authority; its address is `authority.url`."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self, data):
            if self.path in made.silent:
                self.send_error(503)
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self):
            self.answer(made.crl())

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(made.ocsp(body) if self.path == "/ocsp" else made.stamp(body))

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    folder = tmp_path / "authority"
    folder.mkdir()
    made = Authority(folder, f"http://127.0.0.1:{server.server_port}")
    made.url = f"http://127.0.0.1:{server.server_port}/tsa"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def case_dir(tmp_path):
    with init_case(tmp_path / "case", actor="yamada") as case:
        checkpoints.make(case)
    return tmp_path / "case"


def stamp(case_dir, authority, *more):
    return custody("stamp", "--tsa", authority.url, "--tsa-root", authority.pem, "--case", case_dir, "--json", *more)


def found(case_dir, authority):
    return {(one.severity, one.code) for one in verify_case(case_dir, tsa_roots=[authority.pem]).findings}


def files(case_dir, ending):
    return list((case_dir / "checkpoints").glob(f"*.{ending}"))


def test_chain_crl_and_ocsp_are_fetched_and_kept(case_dir, authority):
    code, out, err = stamp(case_dir, authority)
    assert code == 0, err
    material = json.loads(out)["body"]["material"]
    assert [one["kind"] for one in material] == ["pem", "ocsp", "crl"]
    assert material[2]["url"].endswith("/crl")
    result = verify_case(case_dir, tsa_roots=[authority.pem])
    assert (result.verdict, result.findings) == ("ok", [])
    (crl,) = files(case_dir, "crl")
    shown = subprocess.run(
        ["openssl", "crl", "-inform", "DER", "-in", crl, "-CAfile", authority.pem, "-noout"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "verify OK" in shown.stderr
    (chain,) = files(case_dir, "pem")
    assert chain.read_text().count("BEGIN CERTIFICATE") == 2


@pytest.mark.parametrize("ending", ["crl", "ocsp", "pem"])
def test_what_was_kept_and_is_altered_or_gone_is_ng(case_dir, authority, ending):
    assert stamp(case_dir, authority)[0] == 0
    (file,) = files(case_dir, ending)
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert found(case_dir, authority) == {("ng", "stamp")}
    file.unlink()
    assert found(case_dir, authority) == {("ng", "stamp")}


def test_a_certificate_that_was_revoked_stamps_nothing(case_dir, authority):
    authority.revoked_at = NOW - DAY / 2
    code, _out, err = stamp(case_dir, authority)
    assert (code, "is revoked" in err) == (1, True)
    assert files(case_dir, "tsr") == []
    authority.revoked_at, authority.reason = NOW + DAY / 2, x509.ReasonFlags.key_compromise
    assert stamp(case_dir, authority)[0] == 1
    authority.reason = x509.ReasonFlags.superseded
    assert stamp(case_dir, authority)[0] == 0
    assert found(case_dir, authority) == set()


def test_a_crl_that_came_later_counts_in_verification(case_dir, authority, tmp_path, monkeypatch):
    """Whoever writes the entry by hand cannot make a revoked certificate count."""
    authority.revoked_at = NOW - DAY / 2
    monkeypatch.setattr(timestamps, "revoked_before", lambda statuses, time_ns: None)
    assert stamp(case_dir, authority)[0] == 0
    monkeypatch.undo()
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert found(case_dir, authority) == {("ng", "revocation")}


@pytest.mark.parametrize("which", ["crl", "ocsp"])
def test_revocation_data_signed_by_others_are_not_kept(case_dir, authority, which):
    if which == "crl":
        authority.crl_key = authority.key
    else:
        extension = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)
        authority.responder = certificate(
            "OCSP", authority.responder_key, authority.root.subject, authority.key, extension
        )
    code, out, _err = stamp(case_dir, authority)
    assert code == 0
    body = json.loads(out)["body"]
    assert len(body["material"]) == 2
    assert "signed by the issuer" in body["revocation_failed"][0]
    assert found(case_dir, authority) == {("note", "no_revocation")}


def test_what_cannot_be_had_is_said(case_dir, authority):
    authority.silent = {"/crl", "/ocsp"}
    code, _out, err = stamp(case_dir, authority)
    assert (code, err.count("no revocation data from")) == (0, 2)
    assert found(case_dir, authority) == {("note", "no_revocation")}


def test_carried_by_hand(case_dir, authority, tmp_path):
    query, response, crl = tmp_path / "q.tsq", tmp_path / "r.tsr", tmp_path / "tsa.crl"
    assert custody("stamp", "--query", query, "--case", case_dir)[0] == 0
    response.write_bytes(authority.stamp(query.read_bytes()))
    crl.write_bytes(authority.crl())
    # A further checkpoint meanwhile: the response still finds the one that it is about.
    assert custody("checkpoint", "--case", case_dir)[0] == 0
    common = ("--response", response, "--tsa-root", authority.pem, "--case", case_dir, "--no-fetch")
    (tmp_path / "rubbish").write_bytes(b"rubbish")
    assert custody("stamp", *common, "--revocation", tmp_path / "rubbish")[0] == 2
    code, _out, err = custody("stamp", *common, "--revocation", crl)
    assert code == 0, err
    assert "PEM, CRL" in err
    assert found(case_dir, authority) == set()
    pem = tmp_path / "pem.crl"
    pem.write_bytes(x509.load_der_x509_crl(crl.read_bytes()).public_bytes(serialization.Encoding.PEM))
    assert custody("stamp", *common, "--revocation", pem)[0] == 0


def test_a_policy_names_the_authority(tmp_path, authority):
    case_dir = tmp_path / "strict"
    other = tmp_path / "other.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    other.write_bytes(certificate("Other", key, None, key).public_bytes(serialization.Encoding.PEM))
    assert custody("init", case_dir, "--policy", f"tsa={other}")[0] == 0
    assert custody("checkpoint", "--case", case_dir)[0] == 0
    assert stamp(case_dir, authority)[0] == 2
    right = tmp_path / "right"
    assert custody("init", right, "--policy", f"tsa={authority.pem}", "--policy", "stamp=required")[0] == 0
    assert custody("checkpoint", "--case", right)[0] == 0
    assert found(right, authority) == {("unknown", "waiting")}
    assert stamp(right, authority)[0] == 0
    assert found(right, authority) == set()
    assert {one.code for one in verify_case(right, tsa_roots=[other]).findings} == {"no_tsa_root"}
    assert custody("init", tmp_path / "bad", "--policy", "tsa=nothing")[0] == 2
