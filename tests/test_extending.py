"""The parser, the extractor and the type of entry of docs/extending.md, taken from the page and run."""

from __future__ import annotations

import re
import types
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
NUMBER = "123456789018"


def code(name: str) -> str:
    """The block of that name on the page."""
    found = re.search(rf"^```python {name}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert found is not None, name
    return found[1]


def module(name: str) -> types.ModuleType:
    made = types.ModuleType(f"example_{name}")
    exec(compile(code(name), f"docs/extending.md {name}", "exec"), made.__dict__)
    return made


def test_the_parser_reads_its_log_and_says_what_it_could_not():
    from timeline.event import Event, Problem
    from timeline.sources import Context, memory_file

    parser = module("parser")
    file = memory_file("/door.log", b"DOOR1\n1736469730 C-17 in\nnonsense\n1736469999 C-17 out\n")
    assert parser.matches(file)
    assert not parser.matches(memory_file("/door.log", b"other"))
    found = list(parser.parse(file, Context(host="DOOR")))
    events = [one for one in found if isinstance(one, Event)]
    assert [(one.time_ns, one.kind, one.actor, one.host) for one in events] == [
        (1736469730 * 10**9, "door.in", "C-17", "DOOR"),
        (1736469999 * 10**9, "door.out", "C-17", "DOOR"),
    ]
    (problem,) = [one for one in found if isinstance(one, Problem)]
    assert problem.detail == "line 3 is no event"


def test_the_parser_is_used_once_it_is_listed(monkeypatch):
    from timeline import parsers, recognition
    from timeline.sources import memory_file

    parser = module("parser")
    monkeypatch.setattr(parsers, "PARSERS", (*parsers.PARSERS, parser))
    file = memory_file("/door.log", b"DOOR1\n1736469730 C-17 in\n")
    assert any(one is parser and one.matches(file) for one in recognition.modules.PARSERS)


def test_the_extractor_gives_a_number_to_the_judge_and_survives_damage(monkeypatch):
    from triage import extractors
    from triage.extractors.model import BytesSource, Context, Problem
    from triage.text import Text

    extractor = module("extractor")
    monkeypatch.setattr(extractors, "EXTRACTORS", (extractor, *extractors.EXTRACTORS))
    label = f"個人番号 {NUMBER}"
    data = b"LBL1" + bytes([len(label)]) + label.encode("utf-16-le")
    found = list(extractors.extract_all(BytesSource(data + b"\x09ab", "a.lbl"), Context()))
    (text,) = [one for one in found if isinstance(one, Text)]
    assert (text.content, text.location) == (label, "label 1")
    (problem,) = [one for one in found if isinstance(one, Problem)]
    assert problem.en == "label 2 is cut off"
    assert NUMBER not in repr(found)


def test_the_type_of_entry_is_recorded_and_verifies(tmp_path, monkeypatch):
    from chain_of_custody import entries, init_case, record_fields, verify

    space = {"Field": record_fields.Field}
    exec(code("entry"), space)
    monkeypatch.setattr(entries, "RECORDS", {**entries.RECORDS, **space["RECORDS"]})
    monkeypatch.setattr(record_fields, "FIELDS", {**record_fields.FIELDS, **space["FIELDS"]})
    monkeypatch.setattr(entries, "TYPES", entries._types())
    with init_case(tmp_path / "case", actor="yamada") as case:
        entry = case.append("record.safe_key", {"who": "佐藤"}, src="typed")
    assert entries.TYPES[entry.type].en == "key of the safe handed over"
    assert verify.verify_case(tmp_path / "case", processes=1).verdict == "ok"
    monkeypatch.undo()
    # A program that does not know the type says so.
    assert verify.verify_case(tmp_path / "case", processes=1).verdict == "ng"


@pytest.mark.parametrize("name", re.findall(r"`((?:timeline|triage|chain_of_custody)/[^`]+\.py)`", PAGE))
def test_the_modules_that_the_page_names_exist(name):
    assert (Path(__file__).resolve().parents[1] / name).is_file()
