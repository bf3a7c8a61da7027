"""The guided walk: the recorded state decides the order; the checklist is one page."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from chain_of_custody import guide
from chain_of_custody.case import init_case
from chain_of_custody.reading import read_entries
from tests.conftest import needs


def _walk(case, item=None):
    return guide.walk(list(read_entries(case.path)), item)


@pytest.fixture
def case(tmp_path):
    with init_case(tmp_path / "c") as made:
        yield made


def test_first_of_all_look_and_do_not_touch(case):
    walk = _walk(case)
    assert (walk.state, walk.next.id) == ("unrecorded", "scene")
    assert "mouse" in walk.next.never_en


def test_a_machine_that_is_on_gives_its_volatile_data_before_network_and_power(case):
    case.append("record.scene", {"place": "office", "power": "on"}, src="typed", item="PC-1")
    order = [step.id for step in _walk(case).steps]
    assert order.index("clock") < order.index("live") < order.index("network") < order.index("power")
    for kind in ("photo", "clock", "authority"):
        case.append(f"record.{kind}", {}, src="typed")
    assert _walk(case).next.command == "preserve live --case DIR"


def test_a_machine_that_is_off_is_never_asked_for_volatile_data(case):
    case.append("record.scene", {"place": "office", "power": "off"}, src="typed", item="PC-1")
    walk = _walk(case, "PC-1")
    assert "live" not in [step.id for step in walk.steps]
    case.append("record.waiver", {"id": "A8", "status": "not_done", "reason": "no camera"}, src="typed")
    step = _walk(case, "PC-1").next
    assert (step.id, "switch it on" in step.never_en) == ("power", True)


def test_what_was_done_for_one_item_is_not_done_for_another(case):
    case.append("record.scene", {"place": "office", "power": "off"}, src="typed", item="PC-1")
    assert _walk(case, "PC-2").state == "unrecorded"
    assert _walk(case, "PC-2").next.id == "scene"


@needs("pdfinfo", "pdftotext")
@pytest.mark.parametrize("language", ["ja", "en"])
def test_the_checklist_is_one_page_of_a4_with_every_step(language, tmp_path):
    target = tmp_path / "c.pdf"
    target.write_bytes(guide.checklist_pdf(language, "c" * 40, "0" * 64))
    assert target.read_bytes() == guide.checklist_pdf(language, "c" * 40, "0" * 64)
    info = subprocess.run(
        [str(shutil.which("pdfinfo")), str(target)], capture_output=True, text=True, check=True
    ).stdout
    assert "Pages:           1\n" in info
    assert "(A4)" in info
    shown = subprocess.run(
        [str(shutil.which("pdftotext")), str(target), "-"], capture_output=True, text=True, check=True
    ).stdout
    plain = "".join(shown.split())
    for step in {*guide.ON, *guide.OFF}:
        assert "".join((step.ja if language == "ja" else step.en).split())[:12] in plain
