"""The threat model's rows: each guarantee has tests of its own, and each attack ends with the words that name it.

The attacks here are those of a person with a keyboard, judged by what `custody verify` prints.
"""

import json
import re
import shutil
from pathlib import Path

import pytest

from chain_of_custody import checkpoints, clock, entries, init_case, ledger, open_case, timestamps
from chain_of_custody.people import Person
from tests.chain_of_custody import attacks
from tests.chain_of_custody.test_cli import custody
from tests.chain_of_custody.test_people import public, write_key
from tests.chain_of_custody.test_timestamps import Authority
from tests.conftest import needs

TESTS = Path(__file__).parent
PAGE = Path(__file__).resolve().parents[2] / "docs" / "threat-model.md"

TESTED_BY = {
    "G1": "test_verify test_each_attack_is_ng_and_named",
    "G2": "test_verify test_each_attack_is_ng_and_named",
    "G3": "test_verify test_each_attack_is_ng_and_named",
    "G4": "test_verify_script test_each_attack",
    "G5": "test_verify test_each_attack_is_ng_and_named",
    "G6": "test_verify test_each_attack_is_ng_and_named",
    "G7": "test_people test_derived_files_left_by_a_crash_are_mended_and_foreign_ones_are_not",
    "G8": "test_verify test_an_altered_verify_script",
    "G9": "test_threat_model test_a_full_rewrite_shows_from_outside_only",
    "G10": "test_case test_a_clock_that_is_set_in_the_middle_is_recorded",
    "G11": "test_ledger test_25_kills_under_four_writers",
    "G12": "test_case test_many_processes_write_one_chain",
    "G13": "test_bundles test_a_redacted_copy_verifies_and_shows_what_is_gone",
    "G14": "test_case test_nothing_private_lies_in_the_case",
    "G15": "test_records test_record_on_the_command_line",
    "G16": "test_verify test_what_even_the_holder_of_the_session_key_cannot_write",
    "G17": "test_checkpoints test_a_folder_rolled_back_whole_is_seen_from_outside_only",
    "G18": "test_checkpoints test_rewriting_after_a_shared_checkpoint_is_seen",
    "G19": "test_checkpoints test_the_witness_policy",
    "G20": "test_people test_what_a_stolen_key_did_since_the_theft_is_to_be_checked",
    "G21": "test_timestamps test_false_dates_around_a_token_are_ng",
    "G22": "test_checkpoints test_images_are_hashed_again",
    "G23": "test_transfers test_forged_answers_are_ng",
    "G24": "test_checkpoints test_what_was_recorded_and_is_altered_or_gone_is_ng",
    "G25": "test_report test_",
    "G26": "test_bundles test_a_diverged_copy_is_kept_whole_and_both_heads_are_named",
    "G27": "test_sessions test_one_session_over_many_commands",
    "G28": "test_copies test_too_few_copies_wait_first_and_are_ng_after_the_next_milestone",
    "G29": "test_receipts test_files_altered_afterwards_and_records_by_hand_are_ng",
    "G30": "test_report_pdf test_a_text_appended_after_signing_is_told",
    "G31": "test_report_pdf test_pages_that_are_not_those_of_the_ledger",
}


def test_each_guarantee_has_a_row_and_a_test():
    rows = re.findall(r"^\| (G\d+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [f"G{number}" for number in range(1, len(rows) + 1)] == list(TESTED_BY)
    for named in TESTED_BY.values():
        module, name = named.split()
        assert f"def {name}" in (TESTS / f"{module}.py").read_text(encoding="utf-8"), named


# --- attacks and the words that name them -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tsa")
    return Authority(folder / "one"), Authority(folder / "two")


class Scene:
    """A case with a witness, a stamped checkpoint that both signed and that was shared, an image, and what follows."""

    def __init__(self, folder, authorities):
        self.folder, (self.tsa, self.other_tsa) = folder, authorities
        self.keys = {name: write_key(folder / name) for name in ("operator", "witness", "sato")}
        self.path, self.image = folder / "case", folder / "disk.E01"
        self.image.write_bytes(b"image" * 100)
        from chain_of_custody.transfers import hash_file

        with init_case(self.path, key=self.keys["operator"], actor="yamada", policy={"witness": "required"}) as case:
            case.add_person(Person("suzuki", entries.WITNESS, public(self.keys["witness"])))
            case.add_person(Person("sato", entries.OPERATOR, public(self.keys["sato"])))
            case.append("note", {"text": "封印番号 A-102"})
            with case.action("image", {"image": "disk.E01"}, item="PC-1") as action:
                action.set_result({"files": ["disk.E01"]}, outputs=[hash_file(self.image)])
            self.made = self.checkpoint(case)
        self.shared = folder / "kept"
        shutil.copytree(self.path / "checkpoints", self.shared)
        self.earlier = folder / "earlier"
        shutil.copytree(self.path, self.earlier)
        with self.open() as case:
            case.append("note", {"text": "later"})
            self.last = self.checkpoint(case)

    def open(self, who="operator"):
        return open_case(self.path, key=self.keys[who])

    def checkpoint(self, case, *, witness=True):
        made, _entry = checkpoints.make(case)
        file = self.path / "checkpoints" / f"{made.stem}.txt"
        timestamps.attach(case, file, self.tsa.reply(timestamps.query(made.to_bytes())), [self.tsa.root], {})
        if witness:
            from chain_of_custody.signing import load_private_key

            armored = load_private_key(self.keys["witness"]).sign(made.to_bytes(), "custody-checkpoint")
            checkpoints.attach(case, made, "suzuki", armored)
        return made

    def stamp_file(self):
        return min((self.path / "checkpoints").glob("*.tsr"))

    def verify(self, *more):
        return custody(
            "verify", self.path, "--tsa-root", self.tsa.root, "--against", self.shared / f"{self.made.stem}.txt", *more
        )


@pytest.fixture
def scene(tmp_path, authorities, monkeypatch):
    monkeypatch.setattr(ledger, "_sync", lambda descriptor: None)
    return Scene(tmp_path, authorities)


def resigned(scene):
    """The operator rewrites what was shared, with the own session key and all that a new folder needs."""
    shutil.rmtree(scene.path)
    with init_case(scene.path, key=scene.keys["operator"], actor="yamada") as case:
        while case.append("note", {"text": "別の話"}).seq < scene.made.size + 2:
            pass


def rolled_back(scene):
    shutil.rmtree(scene.path)
    shutil.copytree(scene.earlier, scene.path)
    (scene.shared / f"{scene.made.stem}.txt").unlink()
    for file in scene.shared.iterdir():
        file.unlink()
    scene.made = scene.last
    (scene.shared / f"{scene.made.stem}.txt").write_bytes(scene.last.to_bytes())


def foreign_witness(scene):
    file = scene.path / "checkpoints" / f"{scene.made.stem}.suzuki.sig"
    from chain_of_custody.signing import load_private_key

    file.write_text(load_private_key(scene.keys["sato"]).sign(scene.made.to_bytes(), "custody-checkpoint"))


def no_witness(scene):
    with scene.open() as case:
        scene.checkpoint(case, witness=False)
        scene.checkpoint(case)


def revoked_writes(scene):
    with scene.open("sato") as stolen:
        stolen.append("note", {"text": "before"})
        with scene.open() as case:
            case.revoke_key("sato", clock.now().ts, "lost")
        stolen.append("note", {"text": "after"})


def back_dated(scene):
    with pytest.MonkeyPatch.context() as patch, scene.open() as case:
        real = clock.time.time_ns
        patch.setattr(clock.time, "time_ns", lambda: real() - 86400 * 10**9)
        case.append("note", {"text": "昨日の作業"})


def swapped_image(scene):
    scene.image.write_bytes(b"other" * 100)


def forged_token(scene):
    data = scene.stamp_file().read_bytes()
    scene.stamp_file().write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def foreign_authority(scene):
    scene.tsa = scene.other_tsa


WORDS = {
    "edited": (lambda scene: attacks.edited_line_of(scene.path, b"A-102"), "the signature does not fit the content"),
    "reordered": (lambda scene: attacks.swapped_pair(scene.path), "removed, inserted or swapped"),
    "removed": (lambda scene: attacks.removed_line(scene.path), "removed, inserted or swapped"),
    "inserted": (lambda scene: attacks.inserted_line(scene.path), "removed, inserted or swapped"),
    "truncated": (lambda scene: attacks.cut_tail(scene.path), "the end of the ledger is cut off"),
    "back-dated": (back_dated, "or back-dated"),
    "re-signed after a shared checkpoint": (resigned, "the checkpoint kept is of another log"),
    "rolled back": (rolled_back, "the ledger was rolled back"),
    "revoked key goes on": (revoked_writes, "written after its session expired"),
    "stripped signature": (lambda scene: attacks.stripped_signature(scene.path), "no signature (no tab)"),
    "foreign signature": (lambda scene: attacks.foreign_session_key(scene.path), "signed by a foreign key"),
    "foreign witness": (foreign_witness, ".suzuki.sig was altered"),
    "duplicate keys": (lambda scene: attacks.duplicate_key(scene.path), "duplicate keys are caught here too"),
    "non-canonical": (lambda scene: attacks.non_canonical_line(scene.path), "not canonical JSON"),
    "forged token": (forged_token, ".tsr was altered"),
    "foreign authority": (foreign_authority, "the time stamp does not verify"),
    "swapped image": (swapped_image, "fits no hash in the ledger (swapped or altered)"),
    "no witness": (no_witness, "no witness signed this checkpoint, though the policy requires it"),
}


# Attacks on other things than the ledger, and faults: where each is tested, and the verdict and words it must end in.
ELSEWHERE = {
    "key outside its window": (
        "test_people test_a_session_opened_with_a_key_that_was_replaced_is_ng",
        "NG",
        "is no person of this case with a valid key at that time",
    ),
    "PDF with appended text": (
        "test_report_pdf test_a_text_appended_after_signing_is_told",
        "NG",
        "something was appended after the last signature",
    ),
    "HTML with edited data": ("test_report test_changed_data_is_ng_in_the_browser", "NG", 'data-verdict="ng"'),
    "every single byte of a case of 200 entries flipped": (
        "test_mutation test_every_single_byte",
        "NG or cannot tell",
        "0 undetected",
    ),
    "clock set back in the middle of a session": (
        "test_case test_a_clock_that_is_set_in_the_middle_is_recorded",
        "OK, recorded",
        "clock.changed",
    ),
    "25 kill -9 under 4 writers": (
        "test_ledger test_25_kills_under_four_writers",
        "OK",
        "every reported entry is there",
    ),
    "tail torn at every offset": (
        "test_ledger test_a_tail_torn_at_every_offset_is_recovered",
        "cannot tell, then OK",
        "ledger.recovered",
    ),
    "full disk": ("test_ledger test_a_really_full_disk", "OK", "cannot write the ledger"),
    "read-only folder": (
        "test_ledger test_a_read_only_folder_is_verified_and_never_written",
        "OK",
        "cannot write the ledger",
    ),
    "killed at each step of making a case": (
        "test_init_kills test_killed_at_each_step",
        "OK",
        "already a case, or made again",
    ),
}


def attack_table():
    """The table of the page, from what the tests check."""
    rows = ["| attack or fault | verdict | words | test |", "|---|---|---|---|"]
    for attack, (_act, words) in WORDS.items():
        rows.append(f"| {attack} | NG | {words} | `test_threat_model` |")
    for attack, (test, verdict, words) in ELSEWHERE.items():
        rows.append(f"| {attack} | {verdict} | {words} | `{test.split()[0]}` |")
    return "\n".join(rows)


def test_the_page_has_the_table_of_attacks():
    page = PAGE.read_text(encoding="utf-8")
    table = page.partition("<!-- attacks -->\n")[2].partition("\n<!-- /attacks -->")[0]
    assert table == attack_table()
    for test, _verdict, _words in ELSEWHERE.values():
        module, name = test.split()
        assert f"def {name}" in (TESTS / f"{module}.py").read_text(encoding="utf-8"), test


@needs("openssl")
@pytest.mark.parametrize("attack", WORDS)
def test_each_attack_ends_in_ng_with_its_words(scene, attack):
    code, out, err = scene.verify("--images", scene.image)
    assert code == 0, out + err
    act, words = WORDS[attack]
    act(scene)
    code, out, _err = scene.verify("--images", scene.image)
    assert (code, words in out.replace("\n", " ")) == (1, True), out
    report = json.loads(scene.verify("--images", scene.image, "--json")[1])
    assert report["verdict"] == "ng"


def test_a_full_rewrite_shows_from_outside_only(tmp_path):
    with init_case(tmp_path / "one", actor="yamada") as case:
        paper = case.fingerprint
    init_case(tmp_path / "two", actor="yamada").close()
    assert custody("verify", tmp_path / "two")[0] == 0
    code, out, _err = custody("verify", tmp_path / "two", "--against", paper)
    assert (code, "the fingerprint is not the one that was kept" in out) == (1, True)
    assert custody("verify", tmp_path / "one", "--against", paper)[0] == 0
