"""Which Ed25519 signatures fit: those of OpenSSL and ssh-keygen, whatever library is asked first."""

import hashlib
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chain_of_custody import signature_worker
from chain_of_custody.signature_worker import fits, openssl_fits
from tests.conftest import needs

# The curve in affine coordinates (RFC 8032 §5.1), slow and independent of both libraries.
P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def add(one, two):
    (x1, y1), (x2, y2) = one, two
    k = D * x1 * x2 * y1 * y2 % P
    return (x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P, (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P


def times(factor, point):
    result = (0, 1)
    while factor:
        if factor & 1:
            result = add(result, point)
        point = add(point, point)
        factor >>= 1
    return result


def x_of(y):
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P:
        return None
    return x if x % 2 == 0 else P - x


def encode(point):
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


BASE = (x_of(4 * pow(5, -1, P) % P), 4 * pow(5, -1, P) % P)
ORDER_8 = next(
    point for y in range(2, 100) if x_of(y) is not None and times(4, point := times(ORDER, (x_of(y), y))) != (0, 1)
)
SECRET, NONCE = 12345678901234567890, 987654321
KEY = times(SECRET, BASE)


def challenge(r, key, message):
    return int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % ORDER


def signature(r, key, message, nonce=NONCE, secret=SECRET):
    return r + ((nonce + challenge(r, key, message) * secret) % ORDER).to_bytes(32, "little")


def cases():
    r, key, message = encode(times(NONCE, BASE)), encode(KEY), b"message"
    good = signature(r, key, message)
    yield "good", key, good, message, True
    yield "S + L", key, good[:32] + (int.from_bytes(good[32:], "little") + ORDER).to_bytes(32, "little"), message, False
    torn = encode(add(times(NONCE, BASE), ORDER_8))
    yield "R with a part of order 8", key, signature(torn, key, message), message, False
    mixed = encode(add(KEY, ORDER_8))
    texts = [b"%d" % number for number in range(200)]
    hit = next(text for text in texts if challenge(r, mixed, text) % 8 == 0)
    miss = next(text for text in texts if challenge(r, mixed, text) % 8 == 1)
    yield "key with a part of order 8, challenge a multiple of 8", mixed, signature(r, mixed, hit), hit, True
    yield "key with a part of order 8, other challenge", mixed, signature(r, mixed, miss), miss, False
    small = encode(ORDER_8)
    hit = next(text for text in texts if challenge(r, small, text) % 8 == 0)
    yield "key of order 8", small, signature(r, small, hit, secret=0), hit, True
    zero = encode((0, 1))
    yield "R = 0", key, signature(zero, key, message, nonce=0), message, True
    yield "key 0", zero, signature(r, zero, message, secret=0), message, True
    yield "key 0, not reduced", (P + 1).to_bytes(32, "little"), None, message, True
    yield "key that is no point", (2).to_bytes(32, "little"), good, message, None
    yield "empty signature", key, b"", message, False
    yield "short signature", key, good[:63], message, False
    yield "long signature", key, good + b"\0", message, False


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case[0])
def test_the_verdict_is_that_of_openssl(case):
    _name, key, signed, message, wanted = case
    if signed is None:
        signed = signature(encode(times(NONCE, BASE)), key, message, secret=0)
    verdict = openssl_fits(key, signed, message)
    assert fits(key, signed, message) == verdict
    if wanted is not None:
        assert verdict == wanted
    if signature_worker._fast_fits is not None and signature_worker._fast_fits(key, signed, message):
        assert verdict, "a yes of libsodium that is no yes of OpenSSL"


@needs("openssl")
@pytest.mark.parametrize("case", [case for case in cases() if case[2]], ids=lambda case: case[0])
def test_the_verdict_is_that_of_the_openssl_program(case, tmp_path):
    """What `verify.sh` asks."""
    _name, key, signed, message, _wanted = case
    (tmp_path / "key.der").write_bytes(bytes.fromhex("302a300506032b6570032100") + key)
    (tmp_path / "text").write_bytes(message)
    (tmp_path / "sig").write_bytes(signed)
    done = subprocess.run(
        [
            *("openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", tmp_path / "key.der"),
            *("-rawin", "-in", tmp_path / "text", "-sigfile", tmp_path / "sig"),
        ],
        capture_output=True,
        check=False,
    )
    assert (done.returncode == 0) == fits(key, signed, message)


def test_a_libsodium_that_multiplies_by_the_cofactor_is_not_asked(monkeypatch):
    assert not openssl_fits(*signature_worker._TORSION)
    assert not fits(*signature_worker._TORSION)
    bindings = pytest.importorskip("nacl.bindings", reason="PyNaCl not installed")
    monkeypatch.setattr(bindings, "crypto_sign_open", lambda signed, key: signed[64:])
    assert signature_worker._libsodium() is None


def test_the_torsion_vector_fits_with_the_cofactor_only():
    key, signed, message = signature_worker._TORSION
    assert key == encode(KEY)
    r, s = signed[:32], int.from_bytes(signed[32:], "little")
    left = times(s, BASE)
    right = add(add(times(NONCE, BASE), ORDER_8), times(challenge(r, key, message), KEY))
    assert left != right
    assert times(8, left) == times(8, right)


def test_without_pynacl_the_answers_are_the_same(monkeypatch):
    monkeypatch.setattr(signature_worker, "_fast_fits", None)
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    assert fits(public, key.sign(b"x"), b"x")
    assert not fits(public, key.sign(b"x"), b"y")
