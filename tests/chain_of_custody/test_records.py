import hashlib
import io
import json
import sys

import pytest

from chain_of_custody import entries, guideline, init_case, open_case, options, record_fields, records
from chain_of_custody.errors import UsageError
from chain_of_custody.reading import read_entries
from chain_of_custody.verify import verify_case
from tests.chain_of_custody.test_cli import custody

NOW = entries.time_ns_of("2026-11-24T12:00:00.000000+09:00")
FILLED = {"text": "x", "code": "123456789018", "time": "2026-11-24T11:59:00.000000+09:00", "hash": "AB" * 32}


def filled(kind):
    return {
        field.name: field.choices[0][0] if field.choices else FILLED[field.kind] for field in record_fields.FIELDS[kind]
    }


def test_every_kind_has_fields_and_a_type():
    assert record_fields.FIELDS.keys() == entries.RECORDS.keys()
    for kind in entries.RECORDS:
        assert f"record.{kind}" in entries.TYPES
        body = records.body_of(kind, filled(kind), NOW)
        assert set(filled(kind)) <= set(body)
        names = [field.name for field in record_fields.FIELDS[kind]]
        assert len(names) == len(set(names))


@pytest.mark.parametrize("kind", sorted(entries.RECORDS))
def test_required_fields_and_unknown_ones(kind):
    for field in record_fields.FIELDS[kind]:
        given = {name: value for name, value in filled(kind).items() if name != field.name}
        if field.required:
            with pytest.raises(UsageError, match=f"{kind} needs {field.name}"):
                records.body_of(kind, given, NOW)
        else:
            assert field.name not in records.body_of(kind, given, NOW)
    with pytest.raises(UsageError, match="no such field"):
        records.body_of(kind, {**filled(kind), "colour": "red"}, NOW)


@pytest.mark.parametrize(("name", "value"), [("power", "maybe"), ("at", "yesterday"), ("place", 1.5), ("place", ["x"])])
def test_values_that_do_not_fit(name, value):
    with pytest.raises(UsageError):
        records.body_of("scene", {**filled("scene"), name: value}, NOW)


def test_choices_are_taken_in_both_languages():
    for value in ("on", "入", "ON"):
        assert records.body_of("scene", {**filled("scene"), "power": value}, NOW)["power"] == "on"


def test_the_offset_of_a_clock_is_computed():
    body = records.body_of(
        "clock",
        {"shown": "2026-11-24T11:00:00.500000+09:00", "reference": "2026-11-24T02:03:10.000000+00:00", "source": "NTP"},
        NOW,
    )
    assert body["offset_ns"] == str(-189_500_000_000)


def test_what_is_recorded_later_is_marked():
    early = {**filled("power"), "at": "2026-11-24T09:00:00.000000+09:00"}
    assert records.body_of("power", early, NOW)["late"] == "yes"
    assert "late" not in records.body_of("power", filled("power"), NOW)


def test_free_text_is_masked_and_serial_numbers_are_kept():
    body = records.body_of("item", {"kind": "PC 123456789018", "serial": "123456789018"}, NOW)
    assert body == {"kind": "PC ********9018", "serial": "123456789018"}


@pytest.fixture
def case_dir(tmp_path):
    path = tmp_path / "case"
    init_case(path, actor="yamada").close()
    return path


def last(path, back=2):
    return list(read_entries(path))[-back]


def test_record_on_the_command_line(case_dir, tmp_path):
    photo = tmp_path / "front.jpg"
    photo.write_bytes(b"\xff\xd8 picture")
    code, out, err = custody(
        "record",
        "seal",
        "--item",
        "PC-1",
        "--field",
        "number=A-102",
        "--field",
        "how=封印シール",
        "--file",
        photo,
        "--json",
        cwd=case_dir,
    )
    assert code == 0, err
    entry = last(case_dir)
    digest = hashlib.sha256(photo.read_bytes()).hexdigest()
    assert (entry.type, entry.item, entry.src) == ("record.seal", "PC-1", "typed")
    assert entry.body["files"] == [{"name": "front.jpg", "sha256": digest}]
    assert entry.outputs[0].sha256 == digest
    assert (case_dir / "attachments" / digest).read_bytes() == photo.read_bytes()
    assert json.loads(out)["entry"] == entry.seq
    assert verify_case(case_dir).verdict == "ok"


def test_fields_from_a_file_and_from_standard_input(case_dir, tmp_path, monkeypatch):
    fields = {"shown": "2026-11-24T09:00:00+09:00", "reference": "now", "source": "NTP"}
    (tmp_path / "f.json").write_text(json.dumps(fields))
    assert custody("record", "clock", "--fields", tmp_path / "f.json", cwd=case_dir)[0] == 0
    assert last(case_dir).body["shown"] == "2026-11-24T09:00:00.000000+09:00"
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(fields)))
    assert custody("record", "clock", "--fields", "-", cwd=case_dir)[0] == 0
    for content in ["[1]", "{", ""]:
        (tmp_path / "f.json").write_text(content)
        assert custody("record", "clock", "--fields", tmp_path / "f.json", cwd=case_dir)[0] == 2
    assert custody("record", "clock", "--fields", tmp_path / "none", cwd=case_dir)[0] == 2


def test_notes_short_long_and_removable(case_dir):
    assert custody("record", "note", "--text", "番号 123456789018", cwd=case_dir)[0] == 0
    assert last(case_dir).body == {"text": "番号 ********9018"}
    assert custody("record", "note", "--text", "x" * 501, cwd=case_dir)[0] == 0
    assert last(case_dir).details is not None
    assert custody("record", "note", "--text", "氏名", "--details", cwd=case_dir)[0] == 0
    assert last(case_dir).body == {}
    assert custody("record", "note", cwd=case_dir)[0] == 2


@pytest.mark.parametrize(
    "arguments",
    [("nothing",), ("power",), ("power", "--field", "x"), ("photo", "--field", "what=x", "--file", "none.jpg")],
)
def test_wrong_records_change_nothing(case_dir, arguments):
    before = (case_dir / "ledger.jsonl").read_bytes()
    assert custody("record", *arguments, cwd=case_dir)[0] == 2
    assert (case_dir / "ledger.jsonl").read_bytes() == before


def test_the_guided_questions(case_dir, monkeypatch):
    monkeypatch.setattr(options, "on_terminal", lambda: True)
    answers = iter(["now", "on", "", "unplugged", "理由", "山田"])
    monkeypatch.setattr("chain_of_custody.console.ask", lambda ja, en: next(answers, ""))
    answers = iter(["", "on", "unplugged", "", "理由", "山田"])  # a required answer is asked again
    code, _out, err = custody("record", "power", cwd=case_dir)
    assert code == 0, err
    assert last(case_dir).body == {"state": "on", "decision": "unplugged", "reason": "理由", "who": "山田"}


def test_the_list_of_kinds(case_dir):
    listed = json.loads(custody("record", "--list", "--json")[1])
    assert listed.keys() == entries.RECORDS.keys()
    assert "number" in custody("record", "--list")[1]


# --- next -------------------------------------------------------------------------------------------------------------


def steps(path, *arguments):
    code, out, err = custody("next", "--json", *arguments, cwd=path)
    assert code == 0, err
    return {one["id"]: one for one in json.loads(out)["requirements"]}


def test_next_tells_a_newcomer_what_to_do_first(case_dir):
    code, out, _err = custody("next", "--item", "PC-1", cwd=case_dir)
    assert code == 0
    assert " 1. [P1]" in out
    assert "$ custody record scene --item PC-1" in out
    assert "no statement of conformity" in out.replace("\n", " ")
    assert "Never:" in custody("next", cwd=case_dir)[1]
    assert steps(case_dir)["A7"]["status"] == "done"


def test_each_record_fills_its_requirement_for_its_item(case_dir):
    custody("record", "item", "--item", "PC-1", "--field", "kind=PC", cwd=case_dir)
    assert steps(case_dir, "--item", "PC-1")["T1"]["status"] == "done"
    assert steps(case_dir, "--item", "PC-1")["T1"]["typed"] is True
    assert steps(case_dir, "--item", "USB-1")["T1"]["status"] == "open"
    assert steps(case_dir)["T1"]["status"] == "done"


def test_a_waiver_gives_the_reason(case_dir):
    custody(
        "record",
        "waiver",
        "--field",
        "id=F3",
        "--field",
        "status=not_applicable",
        "--field",
        "reason=電源は切れていた",
        cwd=case_dir,
    )
    step = steps(case_dir)["F3"]
    assert (step["status"], step["reason"]) == ("not_applicable", "電源は切れていた")
    assert "電源は切れていた" in custody("next", "--all", cwd=case_dir)[1]


def test_images_count_when_they_were_made(case_dir):
    with open_case(case_dir) as case:
        with case.action("image", {"auto": {"protection": "software"}}, item="PC-1") as action:
            action.set_result({})
        with pytest.raises(ValueError, match="x"), case.action("image", {}, item="PC-1"):
            raise ValueError("x")
    found = steps(case_dir, "--item", "PC-1")
    assert (found["A1"]["status"], found["A2"]["status"], found["A3"]["status"]) == ("done", "done", "open")


def test_no_word_of_conformity():
    text = "".join(requirement.ja + requirement.why_ja for requirement in guideline.REQUIREMENTS)
    assert "準拠" not in text
    assert len(guideline.BY_ID) == len(guideline.REQUIREMENTS) == 26
