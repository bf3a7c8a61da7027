import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain_of_custody import merkle

# Test vectors of certificate-transparency-go and RFC 6962 implementations: eight leaves and their roots.
LEAVES = [
    bytes.fromhex(text)
    for text in ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def test_roots_of_the_published_vectors():
    tree = merkle.Tree()
    assert tree.root().hex() == hashlib.sha256(b"").hexdigest()
    for leaf, root in zip(LEAVES, ROOTS, strict=True):
        tree.add(merkle.leaf_hash(leaf))
        assert tree.root().hex() == root


def leaves(count):
    return [merkle.leaf_hash(str(number).encode()) for number in range(count)]


@given(st.integers(1, 70), st.data())
def test_inclusion(size, data):
    all_leaves = leaves(size)
    root = merkle.root_of(all_leaves)
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(all_leaves, index)
    assert merkle.root_from_inclusion(all_leaves[index], index, size, proof) == root
    other = data.draw(st.integers(0, size - 1).filter(lambda n: n != index)) if size > 1 else None
    if other is not None:
        assert merkle.root_from_inclusion(all_leaves[index], other, size, proof) != root
    assert merkle.root_from_inclusion(all_leaves[index], index, size, [*proof, proof[0] if proof else root]) != root
    assert merkle.root_from_inclusion(merkle.leaf_hash(b"x"), index, size, proof) != root


@given(st.integers(1, 70), st.data())
def test_consistency(size, data):
    all_leaves = leaves(size)
    old = data.draw(st.integers(1, size))
    old_root, root = merkle.root_of(all_leaves[:old]), merkle.root_of(all_leaves)
    proof = merkle.consistency_proof(all_leaves, old)
    assert merkle.check_consistency(old, old_root, size, root, proof)
    wrong = merkle.leaf_hash(b"other")
    assert not merkle.check_consistency(old, wrong, size, root, proof)
    assert not merkle.check_consistency(old, old_root, size, wrong, proof)
    assert not merkle.check_consistency(old, old_root, size, root, [*proof, wrong])
    if proof:
        assert not merkle.check_consistency(old, old_root, size, root, proof[:-1])
        assert not merkle.check_consistency(old, old_root, size, root, [wrong, *proof[1:]])


def test_outside_the_tree():
    with pytest.raises(IndexError):
        merkle.inclusion_proof(leaves(3), 3)
    with pytest.raises(IndexError):
        merkle.consistency_proof(leaves(3), 4)
    assert merkle.root_from_inclusion(b"", 5, 3, []) is None
    assert not merkle.check_consistency(4, b"", 3, b"", [])
