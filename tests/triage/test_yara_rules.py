from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from chain_of_custody.errors import UsageError
from triage import yara_rules
from triage.yara_rules import compile_rules

if TYPE_CHECKING:
    from pathlib import Path

NUMBER_RULE = r"""
import "console"
rule My_Number : personal jp
{
    meta:
        author = "responder"
        level = 3
        sure = true
    strings:
        $digits = /[0-9]{12}/
        $label = "個人番号"
    condition:
        any of them and console.log("seen ", 1)
}
"""


@dataclass
class Blob:
    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def read_at(self, offset: int, size: int, /) -> bytes:
        return self.data[offset : offset + size]


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_yar", ".yar")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def test_match_keeps_names_and_offsets_but_nothing_that_matched(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rules = compile_rules([write(tmp_path, a_yar=NUMBER_RULE)])
    found = rules.match(b"xx " + "個人番号".encode() + b" 123456789018 621498320257")
    assert [match.to_json() for match in found.matches] == [
        {
            "rule": "My_Number",
            "tags": ["personal", "jp"],
            "meta": {"author": "responder", "level": 3, "sure": True},
            "strings": [
                {"id": "$label", "offset": 3},
                {"id": "$digits", "offset": 16},
                {"id": "$digits", "offset": 29},
            ],
            "strings_total": 3,
        }
    ]
    assert found.problems == ()
    assert "123456789018" not in repr(found) + json.dumps([match.to_json() for match in found.matches])
    out = capfd.readouterr()
    assert (out.out, out.err) == ("", "")  # the module console has no voice here


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, Blob])
def test_every_kind_of_source(tmp_path: Path, kind: type) -> None:
    rules = compile_rules([write(tmp_path, a_yar='rule r { strings: $a = "abc" condition: $a at 2 }')])
    assert [match.strings for match in rules.match(kind(b"xxabc")).matches] == [(("$a", 2),)]


def test_externals(tmp_path: Path) -> None:
    text = 'rule r { condition: filename == "給与.docm" and extension == ".docm" and filepath contains "人事" and owner == "" }'
    rules = compile_rules([write(tmp_path, a_yar=text)])
    assert rules.match(b"", name="給与.docm", path="/人事/給与.docm").matches
    assert not rules.match(b"", name="other.docm", path="/人事/給与.docm").matches
    assert not rules.match(b"", name="half\ud800\0.docm").matches  # and no crash


def test_rules_travel_to_another_process_as_text(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        a_yar='include "lib/one.inc"\nrule a { condition: one }',
        b_yar='include "lib/two.inc"\nrule b { condition: two and not one }',
    )
    write(folder, lib__x="")
    (folder / "lib/one.inc").write_text('rule one { strings: $x = "1" condition: $x }', encoding="utf-8")
    (folder / "lib/two.inc").write_text('include "one.inc"\nrule two { condition: true }', encoding="utf-8")
    rules = compile_rules([folder])
    assert rules.names() == ["one", "a", "one", "two", "b"]
    for path in folder.rglob("*"):
        if path.is_file():
            path.unlink()
    again = pickle.loads(pickle.dumps(rules))
    yara_rules._compiled.cache_clear()
    assert again == rules
    assert again.sha256 == rules.sha256
    assert [match.rule for match in again.match(b"1").matches] == ["a", "one", "one", "two"]
    assert [match.rule for match in again.match(b"2").matches] == ["b", "two"]


def test_hash_names_texts_and_names(tmp_path: Path) -> None:
    one = compile_rules([write(tmp_path / "1", a_yar="rule a { condition: true }")])
    same = compile_rules([write(tmp_path / "2", a_yar="rule a { condition: true }")])
    renamed = compile_rules([write(tmp_path / "3", b_yar="rule a { condition: true }")])
    changed = compile_rules([write(tmp_path / "4", a_yar="rule a { condition: false}")])
    assert one.sha256 == same.sha256
    assert len({one.sha256, renamed.sha256, changed.sha256}) == 3


def test_files_of_one_name_do_not_hide_each_other(tmp_path: Path) -> None:
    folder = write(tmp_path, x__a_yar="rule same { condition: true }", y__a_yar="rule same { condition: true }")
    assert len(compile_rules([folder]).match(b"").matches) == 2


# ---- errors ----


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("rule a\n{\n condition: nothing }\n", 3, 'undefined identifier "nothing"'),
        ("rule a {\n strings:\n  $a = /x(?:y)/\n condition: $a }", 3, "invalid regular expression"),
        ('rule a { strings: $a = "x\n condition: $a }', 2, "unexpected end of file"),
        ("rule a { condition: true }\nrule a { condition: true }", 2, "duplicated identifier"),
        ('import "nosuch"\nrule a { condition: true }', 1, "unknown module"),
    ],
)  # fmt: skip
def test_compile_error_names_file_and_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    folder = write(tmp_path, good_yar="rule g { condition: true }", zbad_yar=text)
    with pytest.raises(UsageError) as caught:
        compile_rules([folder])
    assert caught.value.en.startswith(f"{folder / 'zbad.yar'}:{line}: error in YARA rules: ")
    assert words in caught.value.en
    assert words in caught.value.ja


def test_error_in_an_included_file_names_that_file(tmp_path: Path) -> None:
    folder = write(tmp_path, a_yar='\ninclude "lib/bad.inc"\nrule a { condition: true }')
    (folder / "lib").mkdir()
    (folder / "lib/bad.inc").write_text("\n\n rule x { condition: nope }", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        compile_rules([folder / "a.yar"])
    assert caught.value.en.startswith(f"{folder / 'lib/bad.inc'}:3: error in YARA rules: ")


@pytest.mark.parametrize("target", ["../secret.txt", "sub/../../secret.txt", "/etc/passwd", "link"])
def test_include_stays_below_the_folder_of_the_rules(tmp_path: Path, target: str) -> None:
    folder = write(tmp_path / "rules", a_yar=f'rule x {{ condition: true }}\ninclude "{target}"')
    (tmp_path / "secret.txt").write_text("rule secret { condition: true }", encoding="utf-8")
    (folder / "link").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(UsageError, match="include must not leave") as caught:
        compile_rules([folder])
    assert f"{folder / 'a.yar'}:2: " in caught.value.en


def test_include_may_go_up_inside_the_folder_that_was_given(tmp_path: Path) -> None:
    folder = write(tmp_path, deep__a_yar='include "../lib.inc"\nrule a { condition: lib }')
    (folder / "lib.inc").write_text("rule lib { condition: true }", encoding="utf-8")
    assert compile_rules([folder]).names() == ["lib", "a"]
    with pytest.raises(UsageError, match="include must not leave"):
        compile_rules([folder / "deep/a.yar"])


def test_includes_that_run_in_a_circle(tmp_path: Path) -> None:
    folder = write(tmp_path, a_yar='include "a.yar"\nrule a { condition: true }')
    with pytest.raises(UsageError, match=r"circular|too many includes|depth"):
        compile_rules([folder])


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no YARA rules"):
        compile_rules([tmp_path])
    with pytest.raises(UsageError, match="cannot read YARA rules"):
        compile_rules([tmp_path / "none.yar"])
    with pytest.raises(UsageError, match="cannot read YARA rules"):
        compile_rules([write(tmp_path, a_yar='include "none.inc"')])


def test_rules_that_are_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "a.yar").write_bytes("rule a\n{ // 個人番号\n condition: true }".encode("cp932"))
    with pytest.raises(UsageError, match=r"a\.yar:2: not UTF-8 text"):
        compile_rules([tmp_path])


def test_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "a.yar").write_text("\ufeffrule a { condition: true }", encoding="utf-8")
    assert compile_rules([tmp_path]).names() == ["a"]


def test_too_much_source_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yara_rules, "MAX_RULE_BYTES", 40)
    with pytest.raises(UsageError, match="too big"):
        compile_rules([write(tmp_path / "1", a_yar="rule a { condition: true }" + " " * 40)])
    with pytest.raises(UsageError, match="altogether"):
        compile_rules([write(tmp_path / "2", a_yar="rule a { condition: true }", b_yar="rule b { condition: true }")])


# ---- bounds ----


def test_big_source_is_matched_in_overlapping_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yara_rules, "WINDOW_BYTES", 1000)
    monkeypatch.setattr(yara_rules, "OVERLAP_BYTES", 100)
    rules = compile_rules([write(tmp_path, a_yar='rule r { strings: $a = "needle" condition: $a }')])
    data = bytearray(b"." * 5000)
    offsets = (0, 898, 950, 996, 1795, 2690, 4994)  # on borders and inside overlaps
    for offset in offsets:
        data[offset : offset + 6] = b"needle"
    found = rules.match(Blob(bytes(data)))
    assert [offset for _, offset in found.matches[0].strings] == list(offsets)
    assert [(problem.reason, "windows" in problem.en) for problem in found.problems] == [("limit", True)]
    assert rules.match(Blob(b"." * 1000)).problems == ()
    assert rules.match(Blob(b"")).matches == ()


def test_time_runs_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yara_rules, "SECONDS", 1.0)
    slow = "rule r { condition: for all i in (1..10000000000) : (uint8(i) != 999) }"
    found = compile_rules([write(tmp_path, a_yar=slow)]).match(b"x" * 4096)
    assert found.matches == ()
    assert [(problem.reason, problem.en) for problem in found.problems] == [
        ("limit", "YARA took more than 1 s: not matched from offset 0 on")
    ]


def test_windows_after_the_deadline_are_said_not_to_be_matched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yara_rules, "WINDOW_BYTES", 1000)
    monkeypatch.setattr(yara_rules, "OVERLAP_BYTES", 100)
    clock = iter((0.0, 1.0, 61.0))
    monkeypatch.setattr(yara_rules.time, "monotonic", lambda: next(clock))
    rules = compile_rules([write(tmp_path, a_yar='rule r { strings: $a = "a" condition: $a }')])
    found = rules.match(Blob(b"a" + b"." * 2999))
    assert [match.rule for match in found.matches] == ["r"]
    assert [problem.en for problem in found.problems] == ["YARA took more than 60 s: not matched from offset 900 on"]


def test_many_matches_are_counted_but_not_all_kept(tmp_path: Path) -> None:
    rules = compile_rules([write(tmp_path, a_yar='rule r { strings: $a = "a" condition: $a }')])
    match = rules.match(b"a" * 10_000).matches[0]
    assert len(match.strings) == yara_rules.MAX_STRINGS
    assert match.strings_total == 10_000
    assert [offset for _, offset in match.strings] == list(range(yara_rules.MAX_STRINGS))


def test_more_than_a_million_occurrences_are_said(tmp_path: Path) -> None:
    rules = compile_rules([write(tmp_path, a_yar='rule r { strings: $a = "a" condition: $a }')])
    found = rules.match(b"a" * 1_000_100)
    assert "many YARA matches" in found.problems[0].en


def test_more_matching_rules_than_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yara_rules, "MAX_MATCHES", 3)
    rules = compile_rules([write(tmp_path, a_yar="".join(f"rule r{n} {{ condition: true }}\n" for n in range(9)))])
    found = rules.match(b"")
    assert len(found.matches) == 3
    assert "many YARA matches" in found.problems[0].en
