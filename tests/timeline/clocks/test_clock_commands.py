"""The commands, as the pages show them: outside a case, and on the timeline of a case."""

import csv
import hashlib
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chain_of_custody import open_case
from chain_of_custody.errors import EvidenceError, TargetError, UsageError
from chain_of_custody.reading import read_entries
from chain_of_custody.report import write_html
from chain_of_custody.report_clocks import clock_lines, section
from tests.timeline.clocks.simulated import clock_cases, documents
from timeline import cli
from timeline.clocks import solve
from timeline.clocks.statements import statements
from timeline.clocks.store_case import case_of_store
from timeline.store import open_store
from timeline.viewer import Viewer

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def run(*arguments, code=0):
    result = CliRunner().invoke(cli.app, [str(one) for one in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def clock_case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clocks") / "clock-case"
    return folder, clock_cases.write_case(folder, "incidents", 3, "judge")


@pytest.fixture(scope="module")
def case(tmp_path_factory, clock_case):
    """A case whose timeline was built of an operation log, alerts and a browser's exchanges."""
    import os

    folder = tmp_path_factory.mktemp("case")
    evidence = folder / "evidence"
    evidence.mkdir()
    for name in ("op2.csv", "alerts.csv", "http.jsonl"):
        (evidence / name).write_bytes((clock_case[0] / name).read_bytes())
    environment = os.environ | {"HOZEN_CONFIG_HOME": str(folder / "configuration"), "PYTHONPATH": str(ROOT)}
    for module, *arguments in (
        ("chain_of_custody", "init", folder / "demo.case"),
        ("timeline", "build", evidence, "--case", folder / "demo.case", "--host", "PC01", "--tz", "Asia/Tokyo"),
    ):
        command = [sys.executable, "-m", f"{module}.cli", *map(str, arguments)]
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120)
    return folder / "demo.case", folder / "configuration"


def blocks(page):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines() if line]


@pytest.mark.parametrize("page", ["clocks.md", "clocks.ja.md"])
def test_the_commands_of_the_page_run(page, clock_case, case, tmp_path, monkeypatch):
    (tmp_path / "clock-case").symlink_to(clock_case[0])
    (tmp_path / "demo.case").symlink_to(case[0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOZEN_CONFIG_HOME", str(case[1]))
    lines = blocks(page)
    assert len(lines) >= 9
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "timeline"
        run(*arguments)
    assert {one.name for one in tmp_path.iterdir()} >= {"result.jsonl"}


def test_solve_answers_every_record_pair_and_incident(clock_case, tmp_path):
    folder, truth = clock_case
    run("clock", "solve", folder, "--out", tmp_path / "result.jsonl")
    lines = documents(tmp_path / "result.jsonl")
    records = [one for one in lines if "source" in one]
    assert {(one["source"], str(one["record"])) for one in records} == set(truth.times)
    assert {one["pair"] for one in lines if "pair" in one} == set(truth.pairs)
    incidents = {one["incident"]: one for one in lines if "incident" in one}
    assert {name: one["verdict"] for name, one in incidents.items()} == truth.verdicts
    zero = next(name for name, way in truth.ways.items() if way == "zero")
    assert incidents[zero]["reasons"][0] == "zero_bytes_written"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", records[0]["earliest"])
    with pytest.raises(TargetError):  # results are never overwritten
        run("clock", "solve", folder, "--out", tmp_path / "result.jsonl")


def test_a_folder_that_is_no_case_is_an_error_and_a_broken_source_exit_3(clock_case, tmp_path):
    with pytest.raises(EvidenceError):
        run("clock", "solve", tmp_path, "--out", tmp_path / "r.jsonl")
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in clock_case[0].iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    (broken / "http.jsonl").write_bytes(b"\xff not json\n" * 3)
    run("clock", "solve", broken, "--out", tmp_path / "r.jsonl", code=3)


def test_export_and_solve_give_the_same_clock(case, tmp_path, monkeypatch):
    monkeypatch.setenv("HOZEN_CONFIG_HOME", str(case[1]))
    run("clock", "export", tmp_path / "exported", "--case", case[0])
    inside = json.loads(run("clock", "explain", "host:PC01", "--case", case[0], "--json"))
    outside = json.loads(run("clock", "explain", "host:PC01", "--clock-case", tmp_path / "exported", "--json"))
    assert inside["offset_s"] == pytest.approx(outside["offset_s"], abs=0.5)


def test_a_reading_in_the_ledger_moves_the_clock(case, monkeypatch):
    monkeypatch.setenv("HOZEN_CONFIG_HOME", str(case[1]))
    run("clock", "anchor", "S2:0", "--earliest", "2026-01-01T00:00:00Z", "--latest", "2026-12-31T00:00:00Z",
        "--why", "test", "--case", case[0])  # fmt: skip
    solved = json.loads(run("clock", "solve", "--case", case[0], "--json"))
    assert solved["bands"] > 10
    assert "host:PC01" in solved["clocks"]
    shown = json.loads(
        run("query", "SELECT count(*) AS n FROM events_corrected WHERE corrected_status = 'estimated'", "--case",
            case[0], "--json"),
    )  # fmt: skip
    assert int(re.search(r"\d+", json.dumps(shown["rows"])).group()) > 500


def test_verdicts_of_a_case_say_their_records_and_what_next(case, monkeypatch):
    monkeypatch.setenv("HOZEN_CONFIG_HOME", str(case[1]))
    found = json.loads(run("verdict", "--all", "--case", case[0], "--json"))
    assert {one["verdict"] for one in found} >= {"not_copied", "copied", "undetermined"}
    zero = next(one for one in found if any(reason["reason"] == "zero_bytes_written" for reason in one["reasons"]))
    assert zero["verdict"] == "not_copied"
    assert re.match(r"S\d+:\d+", zero["reasons"][0]["records"][0])
    assert zero["would_change_it"]
    assert zero["preserve_next"]


def test_help_is_quick():
    code = "import time,sys;t=time.perf_counter();import timeline.clock_cli;print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False"


def test_times_stand_side_by_side_and_sort_by_either(case, tmp_path, monkeypatch):
    monkeypatch.setenv("HOZEN_CONFIG_HOME", str(case[1]))
    monkeypatch.setenv("COLUMNS", "220")
    run("clock", "solve", "--case", case[0])
    asked = ("--kind", "op.file_open", "--limit", "50", "--case", case[0])
    recorded = json.loads(run("show", "--corrected", *asked, "--json"))["events"]
    assert [one["time_ns"] for one in recorded] == sorted(one["time_ns"] for one in recorded)
    for one in recorded:
        shown = one["corrected"]
        assert shown["recorded"] == one["time_text"]
        assert shown["certainty"] in ("推定", "estimated")
        amount, width = (float(part.strip(" s")) for part in shown["amount"].split("±"))
        middle = (one["earliest_ns"] + one["latest_ns"]) / 2e9
        assert middle - (one["time_ns"] + one["precision_ns"] / 2) / 1e9 == pytest.approx(amount, abs=0.01)
        assert (one["latest_ns"] - one["earliest_ns"]) / 2e9 == pytest.approx(width, abs=0.01)
    by_true = json.loads(run("show", "--by", "corrected", *asked, "--json"))["events"]
    earliest = [one["earliest_ns"] for one in by_true]
    assert earliest == sorted(earliest)
    page = run("show", "--corrected", "--lang", "en", *asked)
    for head in ("as recorded / clock", "read as UTC", "correction ± width / certainty", "ground / what"):
        assert head in page
    first = by_true[7]["corrected"]["earliest"]
    later = json.loads(run("show", "--by", "corrected", "--from", first, *asked, "--json"))["events"]
    assert all(one["latest_ns"] >= by_true[7]["earliest_ns"] for one in later)
    # The clock was slow then: by the time as recorded the event itself would lie before its true one.
    assert by_true[7]["time_ns"] < by_true[7]["earliest_ns"]
    assert by_true[7]["id"] in {one["id"] for one in later}
    with pytest.raises(UsageError):
        run("show", "--by", "reading", *asked)


def test_the_viewer_shows_both_times_side_by_side(case, monkeypatch):
    monkeypatch.setenv("HOZEN_CONFIG_HOME", str(case[1]))
    run("clock", "solve", "--case", case[0])
    with open_store(case[0]) as store, Viewer(store, "t") as viewer:
        assert viewer.answer("meta", {})["corrected"] is True
        rows = viewer.answer("rows", {"zone": "Asia/Tokyo", "lang": "ja", "n": "200"})["rows"]
        known = [one for one in rows if one["corrected"]]
        assert len(known) > 100
        for one in known[:20]:
            asked = {"id": one["id"], "zone": "Asia/Tokyo"}
            alone = viewer.answer("event", asked)["corrected"]
            first, last = one["corrected"].split(" – ")
            assert alone["earliest"].replace("T", " ")[:23] == first
            assert alone["latest"].replace("T", " ")[:23].endswith(last)
            assert re.fullmatch(r"[+-][0-9]+\.[0-9]{3} s ± [0-9]+\.[0-9]{3} s", one["amount"]), one["amount"]


@pytest.mark.parametrize("form", ["csv", "jsonl", "timesketch-csv", "timesketch-jsonl", "xlsx"])
def test_exports_carry_both_times(case, tmp_path, monkeypatch, form):
    monkeypatch.setenv("HOZEN_CONFIG_HOME", str(case[1]))
    run("clock", "solve", "--case", case[0])
    out = tmp_path / f"out.{form}"
    run("export", "--format", form, "--corrected", "--out", out, "--case", case[0])
    wanted = {"corrected_earliest", "corrected_latest", "corrected_status", "corrected_ground", "correction_s",
              "correction_width_s", "clock", "time_text"}  # fmt: skip
    if form == "xlsx":
        openpyxl = pytest.importorskip("openpyxl", reason="reads what xlsxwriter wrote")
        book = openpyxl.load_workbook(out, read_only=True)
        assert wanted <= set(next(book.active.iter_rows(values_only=True)))
        book.close()
        return
    text = out.read_text(encoding="utf-8")
    rows = documents(out) if form.endswith("jsonl") else list(csv.DictReader(text.splitlines()))
    assert wanted <= set(rows[0])
    known = [one for one in rows if one["corrected_status"] == "estimated"]
    assert len(known) > 300
    assert all(float(one["correction_width_s"]) > 0 for one in known)


def test_the_page_of_a_clock_is_reached_from_the_report(case, tmp_path, monkeypatch):
    """The report reads the ledger alone: the sentence, the page's place in the case folder, and its SHA-256."""
    monkeypatch.setenv("HOZEN_CONFIG_HOME", str(case[1]))
    run("clock", "solve", "--case", case[0])
    page = case[0] / "timeline" / "clocks" / "001.html"
    digest = hashlib.sha256(page.read_bytes()).hexdigest()
    with open_case(case[0], tool="custody") as opened:
        write_html(opened, tmp_path / "report.html", "ja")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"<td>timeline/clocks/001.html<br><code>{digest}</code></td>" in text
    assert "時計「host:PC01」は当該期間" in text
    (line,) = (one for one in clock_lines((case[0] / "ledger.jsonl").read_bytes()) if one.name == "host:PC01")
    assert line.sentence_en.startswith("Clock “host:PC01” was")
    # Another set of bytes: neither entries that are none, nor estimates without sentences, make a section.
    assert section(b'{"type":"clock.end"\n{"type":"clock.end","body":{"clocks":[1]}}\n[]\n', "en") == ""


def test_the_view_says_what_was_found_out_of_every_record(case, monkeypatch):
    """Lines that the store joins are never narrower than the solution, and at most a second wider."""
    monkeypatch.setenv("HOZEN_CONFIG_HOME", str(case[1]))
    run("clock", "solve", "--case", case[0])
    with open_store(case[0]) as store:
        made = case_of_store(store, statements(read_entries(case[0])))
        found = {
            str(one[0]): one[1:]
            for one in store.rows(
                "SELECT id, earliest_ns, latest_ns FROM events_corrected WHERE earliest_ns IS NOT NULL"
            )
        }
    solution = solve(made.case)
    compared = 0
    for one in solution.records():
        name = str(one.record)
        if one.earliest_ns is None:
            assert name not in found
            continue
        earliest, latest = found[name]
        assert earliest <= one.earliest_ns + 2_000_000
        assert latest >= one.latest_ns - 2_000_000
        assert one.earliest_ns - earliest < 1_000_000_000
        assert latest - one.latest_ns < 1_000_000_000
        compared += 1
    assert compared > 400
