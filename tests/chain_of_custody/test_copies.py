"""Copies are counted by content and target, and the policy `copies=N` is held against that count."""

import pytest

from chain_of_custody import checkpoints, guideline, init_case, open_case
from chain_of_custody.copies import Copies
from chain_of_custody.reading import read_entries
from chain_of_custody.verify import verify_case

DISK = "sha256:" + "ab" * 32


@pytest.fixture
def case_dir(tmp_path):
    init_case(tmp_path / "case", actor="yamada", policy={"copies": "2"}).close()
    return tmp_path / "case"


def image(path, *targets, content="ab" * 32, equal=True, read_back=True, status="done", item="PC-1", kind="image"):
    begin = {"targets": list(targets), "settings": {"verify": read_back}, "auto": {"protection": "hardware"}}
    with open_case(path) as case, case.action(kind, begin, item=item) as action:
        action.set_result({"hashes": {"sha256": content, "md5": "00" * 16}, "is_equal": equal}, status=status)


def verified(path, name, content="ab" * 32, verdict="match"):
    with open_case(path) as case, case.action("verify", {"image": name}, item=name) as action:
        action.set_result({"image": name, "hashes": {"sha256": content}, "verdict": verdict})


def counted(path):
    found = Copies()
    for entry in read_entries(path):
        found.add(entry)
    return {content.hash: len(content.verified) for content in found.contents.values()}


def finding(path):
    return next((one for one in verify_case(path).findings if one.code == "copies"), None)


def a3(path, item=None):
    return next(one for one in guideline.coverage(read_entries(path), item=item) if one.requirement.id == "A3")


def test_two_targets_of_one_run_are_two_copies(case_dir):
    image(case_dir, "/mnt/a/disk", "/mnt/b/disk")
    assert counted(case_dir) == {DISK: 2}
    assert finding(case_dir) is None
    assert (a3(case_dir).status, verify_case(case_dir).verdict) == ("done", "ok")


def test_two_runs_over_two_disks_are_one_copy_of_each(case_dir):
    image(case_dir, "/mnt/a/disk1", item="PC-1")
    image(case_dir, "/mnt/a/disk2", content="cd" * 32, item="PC-2")
    assert counted(case_dir) == {DISK: 1, "sha256:" + "cd" * 32: 1}
    assert (a3(case_dir).status, a3(case_dir, "PC-1").status) == ("open", "open")
    result = verify_case(case_dir)
    assert (result.verdict, sum(one.code == "copies" for one in result.findings)) == ("unknown", 2)
    image(case_dir, "/mnt/b/disk1", item="PC-1")
    assert (a3(case_dir).status, a3(case_dir, "PC-1").status) == ("open", "done")


def test_what_does_not_count(case_dir):
    image(case_dir, "/mnt/a/one", equal=False, status="partial")
    image(case_dir, "/mnt/a/two", read_back=False)
    with pytest.raises(ValueError, match="x"), open_case(case_dir) as case, case.action("image", {"targets": ["/x"]}):
        raise ValueError("x")
    verified(case_dir, "two.E01", content="ef" * 32)
    verified(case_dir, "other.E01")
    assert counted(case_dir) == {DISK: 0}
    verified(case_dir, "two.E01")
    verified(case_dir, "two.E01")
    assert counted(case_dir) == {DISK: 1}
    image(case_dir, "/mnt/b/three.raw", kind="export")
    assert counted(case_dir) == {DISK: 2}
    verified(case_dir, "three.raw", verdict="mismatch")
    assert counted(case_dir) == {DISK: 1}


def test_a_clone_counts_by_the_medium(case_dir):
    begin = {"image": "/x/disk.E01", "auto": {"device": {"serial": "S1", "path": "/dev/sdb"}}}
    for _ in range(2):
        with open_case(case_dir) as case, case.action("clone", begin) as action:
            action.set_result({"hashes": {"sha256": "ab" * 32}, "is_equal": True})
    assert counted(case_dir) == {DISK: 1}


def test_too_few_copies_wait_first_and_are_ng_after_the_next_milestone(case_dir):
    image(case_dir, "/mnt/a/disk")
    assert finding(case_dir).severity == "unknown"
    assert "waiting: 1 verified copies" in finding(case_dir).en
    with open_case(case_dir) as case:
        checkpoints.make(case)
    assert finding(case_dir).severity == "unknown"
    with open_case(case_dir) as case:
        checkpoints.make(case)
    found = finding(case_dir)
    assert (found.severity, "requires 2" in found.en, "方針(copies=2)" in found.ja) == ("ng", True, True)
    image(case_dir, "/mnt/b/disk")
    assert finding(case_dir) is None


def test_too_few_copies_when_the_original_goes_back_are_ng(case_dir):
    image(case_dir, "/mnt/a/disk")
    with open_case(case_dir) as case:
        case.append("record.return", {"what": "PC", "to": "owner"}, item="PC-1", src="typed")
    assert finding(case_dir).severity == "ng"


def test_write_protection_and_identity_rest_on_what_imaging_recorded(case_dir):
    image(case_dir, "/mnt/a/disk")
    verified(case_dir, "disk.E01", verdict="mismatch")
    found = {one.requirement.id: one.status for one in guideline.coverage(read_entries(case_dir))}
    assert (found["A1"], found["A4"]) == ("done", "open")
    verified(case_dir, "disk.E01")
    found = {one.requirement.id: one.status for one in guideline.coverage(read_entries(case_dir))}
    assert found["A4"] == "done"
