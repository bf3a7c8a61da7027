"""Session keys sign like RFC 8032 says, in either library, and are gone when the session ends."""

import importlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from chain_of_custody import init_case, session_key
from chain_of_custody.session_key import OpenSslKey, SodiumKey, new_session_key
from chain_of_custody.verify import verify_case
from tests.chain_of_custody import attacks

sodium = pytest.importorskip("nacl.bindings", reason="PyNaCl not installed")


def test_both_libraries_give_the_same_bytes():
    key = SodiumKey()
    same = OpenSslKey(Ed25519PrivateKey.from_private_bytes(bytes(key._ffi.buffer(key._private, 32))))
    assert key.public == same.public
    for data in (b"", b"a", "保全".encode() * 1000):
        assert key.sign(data) == same.sign(data)
        Ed25519PublicKey.from_public_bytes(key.public).verify(key.sign(data), data)


def test_a_wiped_key_is_overwritten_and_signs_no_more():
    key = SodiumKey()
    buffer = key._private
    ffi = key._ffi
    assert bytes(ffi.buffer(buffer, 32)) != bytes(32)
    key.wipe()
    assert bytes(ffi.buffer(buffer, 64)) == bytes(64)
    key.wipe()
    for wiped in (key, OpenSslKey()):
        wiped.wipe()
        with pytest.raises(ValueError, match="wiped"):
            wiped.sign(b"x")


def test_a_key_that_nobody_gave_up_is_overwritten_too():
    key = SodiumKey()
    buffer, ffi = key._private, key._ffi
    del key
    assert bytes(ffi.buffer(buffer, 64)) == bytes(64)


def test_the_key_is_gone_when_the_case_is_closed(tmp_path):
    case = init_case(tmp_path / "case", actor="a")
    key = case._session.key
    case.append("note", {})
    case.close()
    with pytest.raises(ValueError, match="wiped"):
        key.sign(b"x")


def test_without_pynacl_openssl_signs(tmp_path, monkeypatch):
    plain = importlib.import_module

    def missing(name, package=None):
        if name.startswith("nacl"):
            raise ImportError(name)
        return plain(name, package)

    monkeypatch.setattr(session_key.importlib, "import_module", missing)
    assert isinstance(new_session_key(), OpenSslKey)
    case = init_case(tmp_path / "case", actor="a")
    assert isinstance(attacks.stolen_key(case), Ed25519PrivateKey)
    with case:
        case.append("note", {})
    assert verify_case(tmp_path / "case").verdict == "ok"
