"""返却 with the owner's signature: by a key and on paper, and what must not pass."""

import json
import shutil
import subprocess

import pytest

from chain_of_custody import init_case, open_case, receipts, signing
from chain_of_custody.reading import read_entries
from chain_of_custody.verify import verify_case
from tests.chain_of_custody.test_cli import custody
from tests.chain_of_custody.test_people import public, write_key
from tests.conftest import needs


@pytest.fixture
def case_dir(tmp_path):
    init_case(tmp_path / "case", actor="yamada").close()
    return tmp_path / "case"


@pytest.fixture
def owner(tmp_path):
    key = write_key(tmp_path / "owner")
    key.with_name("owner.pub").write_text(public(key) + " 所有者\n", encoding="utf-8")
    return key


@pytest.fixture
def receipt(case_dir, tmp_path):
    path = tmp_path / "receipt.txt"
    facts = ("--item", "PC-1", "--what", "ノートPC 1 台", "--to", "山田 太郎", "--state", "異常なし")
    assert custody("receipt", "draft", *facts, "--out", path, "--case", case_dir)[0] == 0
    return path


def sign(key, receipt, namespace=receipts.NAMESPACE):
    path = receipt.with_name("receipt.sig")
    path.write_text(signing.load_private_key(key).sign(receipt.read_bytes(), namespace))
    return path


def keep(case_dir, receipt, *more):
    return custody("receipt", "keep", receipt, *more, "--case", case_dir, "--json")


def codes(case_dir):
    return {(one.severity, one.code) for one in verify_case(case_dir).findings}


@needs("ssh-keygen")
def test_signed_with_ssh_keygen_by_the_owners_key(case_dir, receipt, owner):
    words = receipt.read_text(encoding="utf-8").splitlines()
    assert words[0] == "custody-receipt/1"
    assert words[2:5] == [
        "対象物 / item: PC-1",
        "返却したもの / returned: ノートPC 1 台",
        "受け取った人 / received by: 山田 太郎",
    ]
    owner.chmod(0o600)
    subprocess.run(["ssh-keygen", "-Y", "sign", "-n", "custody-receipt", "-f", owner, receipt], check=True)
    signature = receipt.with_name("receipt.txt.sig")
    code, out, err = keep(case_dir, receipt, "--signature", signature, "--owner-key", owner.with_name("owner.pub"))
    assert code == 0, err
    body = json.loads(out)["body"]
    assert (body["to"], body["signed"]["key"]) == ("山田 太郎", public(owner))
    (entry,) = [one for one in read_entries(case_dir) if one.type == "record.return"]
    assert (entry.item, len(entry.outputs), entry.src) == ("PC-1", 2, "typed")
    assert verify_case(case_dir).verdict == "ok"


def test_signed_on_paper(case_dir, receipt, tmp_path):
    scan = tmp_path / "signed.pdf"
    scan.write_bytes(b"%PDF scan")
    code, out, _err = keep(case_dir, receipt, "--scan", scan)
    assert code == 0
    signed = json.loads(out)["body"]["signed"]
    assert (case_dir / "attachments" / signed["scan"]).read_bytes() == b"%PDF scan"
    assert verify_case(case_dir).verdict == "ok"


def test_what_is_refused_and_leaves_nothing(case_dir, receipt, owner, tmp_path):
    other = write_key(tmp_path / "other")
    (tmp_path / "other.pub").write_text(public(other))
    pub = owner.with_name("owner.pub")
    good = sign(owner, receipt)
    assert keep(case_dir, receipt)[0] == 2
    assert keep(case_dir, receipt, "--signature", good)[0] == 2
    assert keep(case_dir, receipt, "--signature", good, "--owner-key", pub, "--scan", good)[0] == 2
    assert keep(case_dir, receipt, "--signature", good, "--owner-key", tmp_path / "other.pub")[0] == 1
    assert keep(case_dir, receipt, "--signature", tmp_path / "none", "--owner-key", pub)[0] == 2
    assert keep(case_dir, receipt, "--signature", good, "--owner-key", good)[0] == 2
    assert keep(case_dir, tmp_path / "none", "--scan", good)[0] == 2
    assert keep(case_dir, good, "--scan", good)[0] == 2
    wrong = sign(owner, receipt, "custody-checkpoint")
    assert keep(case_dir, receipt, "--signature", wrong, "--owner-key", pub)[0] == 1
    sign(owner, receipt)
    receipt.write_bytes(receipt.read_bytes().replace(b"PC-1", b"PC-2"))
    assert keep(case_dir, receipt, "--signature", good, "--owner-key", pub)[0] == 1
    init_case(tmp_path / "another", actor="sato").close()
    assert keep(tmp_path / "another", receipt, "--scan", good)[0] == 2
    assert not (case_dir / "attachments").exists()
    assert not [one for one in read_entries(case_dir) if one.type == "record.return"]
    facts = ("--item", "PC-1", "--what", "x", "--out", tmp_path / "out", "--case", case_dir)
    assert custody("receipt", "draft", *facts, "--to", "")[0] == 2
    assert custody("receipt", "draft", *facts, "--to", "a\nb")[0] == 2
    assert custody("receipt", "draft", *facts, "--to", "x", "--at", "yesterday")[0] == 2


def test_files_altered_afterwards_and_records_by_hand_are_ng(case_dir, receipt, owner, tmp_path):
    signature = sign(owner, receipt)
    assert keep(case_dir, receipt, "--signature", signature, "--owner-key", owner.with_name("owner.pub"))[0] == 0
    copy = tmp_path / "copy"
    shutil.copytree(case_dir, copy)
    signed = next(one for one in read_entries(copy) if one.type == "record.return").body["signed"]
    (copy / "attachments" / signed["signature"]).write_bytes(b"x")
    assert {("ng", "attachment"), ("ng", "receipt")} <= codes(copy)
    (copy / "attachments" / signed["signature"]).unlink()
    assert ("ng", "attachment") in codes(copy)
    # An operator who writes the entry by hand, with another item, another key, or a signature that is not there.
    entry = next(one for one in read_entries(case_dir) if one.type == "record.return")
    body = dict(entry.body)
    for item, changed, outputs in (
        ("PC-2", body, entry.outputs),
        ("PC-1", {**body, "to": "別人"}, entry.outputs),
        ("PC-1", {**body, "signed": {**signed, "key": public(write_key(tmp_path / f"k{len(body)}"))}}, entry.outputs),
        ("PC-1", {**body, "signed": {"statement": signed["statement"]}}, entry.outputs),
        ("PC-1", body, entry.outputs[:1]),
    ):
        forged = tmp_path / "forged"
        shutil.rmtree(forged, ignore_errors=True)
        shutil.copytree(case_dir, forged)
        with open_case(forged) as case:
            case.append("record.return", changed, item=item, outputs=outputs, src="typed")
        assert codes(forged) == {("ng", "receipt")}, (item, changed)
