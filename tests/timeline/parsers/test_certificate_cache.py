"""Revocation lists and answers made by OpenSSL, and the Windows cache that fetched them."""

from __future__ import annotations

import struct
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.conftest import needs
from tests.timeline.parsers.reading import parsed, read
from timeline.parsers import certificate_cache
from timeline.sources import memory_file

if TYPE_CHECKING:
    from pathlib import Path

NAME = "7423F88C7F265F0DEFC08EA88C3BDE45_AA1E8580D4EBC816148CE81268683776"
FOLDER = "/Windows/System32/config/systemprofile/AppData/LocalLow/Microsoft/CryptnetUrlCache"
EPOCH = 116_444_736_000_000_000


def metadata(url: str, fetched_s: int, size: int) -> bytes:
    """A member of MetaData as Windows writes it: fixed fields, then the URL in UTF-16."""
    raw = bytearray(116)
    text = url.encode("utf-16-le") + b"\0\0"
    struct.pack_into("<I", raw, 12, len(text))
    struct.pack_into("<Q", raw, 16, EPOCH + fetched_s * 10_000_000)
    struct.pack_into("<Q", raw, 88, EPOCH + (fetched_s - 3600) * 10_000_000)
    struct.pack_into("<I", raw, 112, size)
    return bytes(raw) + text


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A CRL with thisUpdate 2026-03-10T01:02:03Z and an OCSP answer, made by `openssl`."""
    folder: Path = tmp_path_factory.mktemp("ca")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)

    subject = "/C=JP/O=Example/CN=Example CA"
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key",
            "-out", "ca.pem", "-subj", subject, "-days", "3650")  # fmt: skip
    (folder / "ca.cnf").write_text(
        "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ncrlnumber=n\ndefault_md=sha256\ndefault_crl_days=30\n"
        "certificate=ca.pem\nprivate_key=ca.key\n"
    )
    (folder / "index.txt").touch()
    (folder / "n").write_text("01\n")
    openssl("ca", "-config", "ca.cnf", "-gencrl", "-out", "ca.crl", "-crl_lastupdate", "20260310010203Z",
            "-crl_nextupdate", "20260410010203Z")  # fmt: skip
    openssl("crl", "-in", "ca.crl", "-outform", "DER", "-out", "ca.der")
    openssl("ocsp", "-issuer", "ca.pem", "-cert", "ca.pem", "-reqout", "req.der", "-no_nonce")
    openssl("ocsp", "-index", "index.txt", "-rsigner", "ca.pem", "-rkey", "ca.key", "-CA", "ca.pem", "-reqin", "req.der",
            "-respout", "resp.der", "-ndays", "7")  # fmt: skip
    return {name: (folder / name).read_bytes() for name in ("ca.crl", "ca.der", "resp.der")}


@needs("openssl")
@pytest.mark.parametrize("name", ["ca.crl", "ca.der"])
def test_a_list_says_when_it_was_made(authority: dict[str, bytes], name: str) -> None:
    (event,), problems = read(certificate_cache, authority[name], name=f"{FOLDER}/Content/{NAME}")
    assert problems == []
    assert (event.kind, event.time_text, event.time_ns) == (
        "web.crl", "2026-03-10T01:02:03Z", 1_773_104_523_000_000_000,
    )  # fmt: skip
    assert event.clock.startswith("server:")
    assert "Example CA" in event.clock
    assert event.data["next_update"] == "2026-04-10T01:02:03Z"


@needs("openssl")
def test_an_answer_says_when_it_was_made(authority: dict[str, bytes]) -> None:
    (event,), _ = read(certificate_cache, authority["resp.der"], name="a.ocsp")
    assert (event.kind, event.desc) == ("web.ocsp", "producedAt")
    assert event.time_ns is not None
    assert event.time_ns > 1_700_000_000_000_000_000


def test_the_cache_says_when_it_was_fetched() -> None:
    raw = metadata("http://crl.example.jp/ca.crl", 1_773_200_000, 321)
    (event,), _ = read(certificate_cache, raw, name=f"{FOLDER}/MetaData/{NAME}")
    assert (event.kind, event.path, event.bytes) == ("web.certificate_fetch", "http://crl.example.jp/ca.crl", 321)
    assert event.time_ns == 1_773_200_000_000_000_000
    assert event.data["cache_name"] == NAME.lower()


@pytest.mark.parametrize(
    "raw", [b"0", b"0\x80", b"0" * 5000, b"\x30\x84\xff\xff\xff\xff", b"-----BEGIN X509 CRL-----\n!!"]
)
def test_damaged_lists_are_told(raw: bytes) -> None:
    file = memory_file("broken.crl", raw)
    events, problems = parsed(certificate_cache, file)
    assert events == []
    assert [one.reason for one in problems] == ["damaged"]
    # The cache holds certificates too: what is none of this format there is no failure.
    assert parsed(certificate_cache, memory_file(f"{FOLDER}/Content/{NAME}", raw)) == ([], [])
