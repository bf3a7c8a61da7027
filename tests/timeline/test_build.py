import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest

import chain_of_custody
from chain_of_custody.entries import parse_line
from chain_of_custody.errors import TargetError, UsageError
from tests.conftest import needs
from tests.preserve import disks
from tests.timeline.builds import NUMBER, asked, built, logs, run
from timeline import build as building
from timeline.build import check_request


def coverage(outcome):
    return [json.loads(line) for line in (outcome.folder / "coverage.jsonl").read_text(encoding="utf-8").splitlines()]


def table(outcome, name):
    return pq.read_table(outcome.folder / name).to_pylist()


def test_a_folder_of_logs(tmp_path):
    outcome = built(tmp_path / "a.case", logs(tmp_path / "logs"))
    assert outcome.exit_code == 0
    assert outcome.folder == tmp_path / "a.case" / "timeline" / "1-logs"
    assert coverage(outcome) == []
    sources = table(outcome, "sources.parquet")
    # Identical files in different folders are both kept.
    assert [(one["source_id"], one["path"], one["rows"]) for one in sources] == [
        (1, "/one/body.txt", 7),
        (2, "/two/body.txt", 7),
    ]
    content = (tmp_path / "logs" / "one" / "body.txt").read_bytes()
    assert {one["sha256"] for one in sources} == {hashlib.sha256(content).hexdigest()}
    files = {one["path"]: one["parsers"] for one in table(outcome, "files.parquet")}
    assert files == {"/one/body.txt": "bodyfile", "/two/body.txt": "bodyfile", "/picture.bin": ""}
    assert outcome.summary["files_not_understood"] == 1
    assert outcome.summary["not_understood_by_ending"] == {"bin": 1}
    assert not (outcome.folder / "state").exists()


def test_no_number_of_a_person_is_written(tmp_path):
    folder = logs(tmp_path / "logs")
    (folder / f"{NUMBER}.evtx").write_bytes(bytes(70_000))
    outcome = built(tmp_path / "a.case", folder)
    assert outcome.exit_code == 3
    for path in (tmp_path / "a.case").rglob("*"):
        if path.is_file():
            assert NUMBER.encode() not in path.read_bytes(), path
        assert NUMBER not in path.name
    for name in ("sources.parquet", "files.parquet"):
        assert NUMBER not in json.dumps(table(outcome, name))


def test_the_ledger_has_beginning_and_end_with_hashes(tmp_path):
    source = logs(tmp_path / "logs") / "one" / "body.txt"
    outcome = built(tmp_path / "a.case", source)
    lines = (tmp_path / "a.case" / "ledger.jsonl").read_bytes().splitlines()
    entries = {entry.type: entry for entry in map(parse_line, lines)}
    begin, end = entries["timeline.begin"], entries["timeline.end"]
    assert begin.body["sources"] == [str(source)]
    assert end.body["status"] == "done"
    assert end.body["events"] == "7"
    assert [one.sha256 for one in end.inputs] == [hashlib.sha256(source.read_bytes()).hexdigest()]
    written = {hashlib.sha256(path.read_bytes()).hexdigest() for path in outcome.folder.rglob("*") if path.is_file()}
    assert written == {one.sha256 for one in end.outputs}


def test_the_same_source_twice_is_read_once_and_said(tmp_path, capsys):
    folder = logs(tmp_path / "logs")
    (tmp_path / "link").symlink_to(folder)
    given = [folder, tmp_path / "link", folder / "one" / "body.txt"]
    assert check_request(given, None) == [folder]
    said = capsys.readouterr().err
    assert said.count("is read once") == 2


def test_wrong_requests(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        check_request([tmp_path / "none"], None)
    with pytest.raises(UsageError, match="unknown time zone"):
        check_request([tmp_path], "Mars/Olympus")
    folder = logs(tmp_path / "logs")
    (tmp_path / "out").mkdir()
    with pytest.raises(TargetError, match="exists already"):
        built(tmp_path / "a.case", folder, out=tmp_path / "out")
    with pytest.raises(UsageError, match="no interrupted build"):
        built(tmp_path / "a.case", folder, resume=True)


def test_a_name_that_promises_a_format_is_a_coverage_line(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "System.evtx").write_bytes(bytes(70_000))
    outcome = built(tmp_path / "a.case", folder)
    assert outcome.exit_code == 3
    (line,) = coverage(outcome)
    assert line["where"] == "folder:logs|/System.evtx"
    assert line["reason"] == "damaged"


def test_a_file_that_is_still_written_to_is_said(tmp_path, monkeypatch):
    path = logs(tmp_path / "logs") / "one" / "body.txt"
    from timeline import reading
    from timeline.found_files import FoundFile, Place
    from timeline.sources import Context

    real = reading.read_events

    def growing(*arguments):
        real(*arguments)
        with path.open("a", encoding="utf-8") as file:
            file.write("0|/late|1|-|0|0|1|1|1|1|1\n")

    monkeypatch.setattr(reading, "read_events", growing)
    (tmp_path / "events").mkdir()
    job = reading.Job(1, FoundFile("/one/body.txt", path.stat().st_size, local=str(path)), "bodyfile")
    place = Place(None, 0, "folder:logs", "", str(tmp_path / "logs"))
    result = reading.FilePass()(reading.ReadTask(1, place, (job,), str(tmp_path / "events" / "a.parquet"), Context()))
    assert result.jobs[0].rows == 7
    assert result.jobs[0].changed
    assert [one.reason for one in result.jobs[0].problems] == ["incomplete"]


def test_a_parser_that_fails_costs_only_its_file(tmp_path, monkeypatch):
    from timeline import reading, rows
    from timeline.event import Event
    from timeline.sources import Context, memory_file

    class Broken:
        NAME = "broken"

        def matches(self, _file):
            return True

        def parse(self, _file, _context):
            yield Event(
                time_ns=1, time_text="1", precision_ns=1, zone=None, zone_basis="none", kind="file.created", desc="x"
            )
            raise KeyError(NUMBER)

    found = rows.Rows(tmp_path / "a.parquet")
    found.begin(1)
    problems = []
    reading.read_events(Broken(), memory_file("a", b"x"), Context(), found, problems)
    assert found.rows_of_source == 1
    assert len(problems) == 1
    assert NUMBER not in problems[0].detail
    assert "KeyError at test_build:" in problems[0].detail


def test_resume_after_kill(tmp_path):
    """The process is killed while it works; `--resume` gives what an undisturbed build gives."""
    folder = tmp_path / "logs"
    for number in range(130):
        (folder / f"{number:03d}").mkdir(parents=True)
        text = "".join(f"0|/home/{number}/{line}|12|-|0|0|5|0|{1_600_000_000 + line}|0|0\n" for line in range(400))
        (folder / f"{number:03d}" / "body.txt").write_text(text, encoding="utf-8")
    case = tmp_path / "a.case"
    chain_of_custody.init_case(case, tool="timeline").close()
    command = [sys.executable, "-m", "timeline.cli", "build", str(folder), "--case", str(case), "--jobs", "1"]
    environment = os.environ | {"PYTHONPATH": str(building.__file__).rpartition("/timeline/")[0]}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    tasks = case / "timeline" / "1-logs" / "state" / "tasks.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (tasks.exists() and tasks.read_text().count("\n") >= 1):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert tasks.exists()
    done_before = tasks.read_text().count("\n")
    (tasks.parent.parent / "events" / "000099.parquet").write_bytes(b"left over")
    outcome = built(case, folder, resume=True)
    assert 1 <= done_before <= 5
    assert outcome.exit_code == 0
    assert outcome.summary["events"] == 130 * 400
    whole = built(tmp_path / "b.case", folder)
    for name, _ in ((part["name"], part) for part in whole.summary["parts"]):
        assert (outcome.folder / name).read_bytes() == (whole.folder / name).read_bytes()
    assert [one["sha256"] for one in table(outcome, "sources.parquet")] == [
        one["sha256"] for one in table(whole, "sources.parquet")
    ]
    shutil.rmtree(outcome.folder)


def test_numbers_of_sources_go_on(tmp_path):
    folder = logs(tmp_path / "logs")
    built(tmp_path / "a.case", folder / "one")
    second = built(tmp_path / "a.case", folder / "two", jobs=2)
    assert second.folder.name == "2-two"
    assert second.summary["first_source_id"] == 2
    assert asked("show", "--case", tmp_path / "a.case")["total"] == 14


def test_a_source_built_again_counts_once(tmp_path):
    folder = logs(tmp_path / "logs")
    built(tmp_path / "a.case", folder)
    built(tmp_path / "a.case", folder)
    found = asked("show", "--case", tmp_path / "a.case")
    assert found["total"] == 14
    assert {one["source_id"] for one in found["events"]} == {3, 4}


@needs("mkfs.ext4", "debugfs")
def test_an_ext4_image_with_all_its_times(tmp_path):
    image = tmp_path / "disk.dd"
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "a.txt").write_text("x", encoding="utf-8")
    (tree / "gone.txt").write_text("y", encoding="utf-8")
    with image.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-I", "256", "-d", str(tree), str(image)], check=True)
    for command in (
        "set_inode_field /a.txt mtime @1700000000",
        "set_inode_field /a.txt mtime_extra 0x75bcd14",
        "rm gone.txt",
    ):
        subprocess.run(["debugfs", "-w", "-R", command, str(image)], check=True, capture_output=True)
    outcome = built(tmp_path / "a.case", image)
    assert outcome.exit_code == 0
    found = asked("show", "--case", tmp_path / "a.case", "--path", "a.txt", "--kind", "file.modified")["events"]
    assert [(one["time_ns"], one["precision_ns"], one["zone"]) for one in found] == [
        (1_700_000_000 * 10**9 + 0x75BCD14 // 4, 1, "UTC")
    ]
    assert found[0]["layer"].startswith("raw:disk.dd|ext4")


@needs("mkfs.vfat", "mcopy")
def test_fat_keeps_local_time_and_its_precision(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "A.TXT").write_text("x", encoding="utf-8")
    moment = 1_700_000_001
    os.utime(tree / "A.TXT", (moment, moment))
    image = disks.fat(tmp_path / "disk.dd", 16, tree)
    outcome = built(tmp_path / "a.case", image)
    assert outcome.exit_code == 0
    found = {one["kind"]: one for one in asked("show", "--case", tmp_path / "a.case", "--path", "A.TXT")["events"]}
    modified, accessed = found["file.modified"], found["file.accessed"]
    assert (modified["zone"], modified["zone_basis"], modified["precision_ns"]) == (None, "none", 2 * 10**9)
    assert accessed["precision_ns"] == 86_400 * 10**9
    assert modified["datetime"].endswith("-00:00")
    with_zone = built(tmp_path / "b.case", image, zone="Asia/Tokyo")
    assert with_zone.exit_code == 0
    again = {one["kind"]: one for one in asked("show", "--case", tmp_path / "b.case", "--path", "A.TXT")["events"]}
    assert again["file.modified"]["time_ns"] == modified["time_ns"] - 9 * 3600 * 10**9
    assert again["file.modified"]["zone_basis"] == "declared"
    # A date alone is never shifted.
    assert again["file.accessed"]["time_ns"] == accessed["time_ns"]
    assert again["file.accessed"]["zone"] is None


def test_an_empty_file_and_an_unknown_one(tmp_path):
    (tmp_path / "empty.log").touch()
    assert built(tmp_path / "a.case", tmp_path / "empty.log").exit_code == 3
    (tmp_path / "odd.bin").write_bytes(bytes(range(256)) * 100)
    outcome = built(tmp_path / "b.case", tmp_path / "odd.bin")
    assert outcome.exit_code == 0
    assert outcome.summary["files_not_understood"] == 1


def test_command_line(tmp_path):
    folder = logs(tmp_path / "logs")
    result = run("build", folder, "--case", tmp_path / "a.case")
    assert result.exit_code == 0
    assert "events: 14" in result.stdout
    assert "bodyfile" in result.stdout
    assert asked("build", folder, "--case", tmp_path / "a.case")["events"] == 14


def test_apfs_gives_the_times_of_its_files(tmp_path, shared_data):
    built(tmp_path / "a.case", shared_data / "dfvfs" / "test_data" / "apfs.raw", jobs=1)
    query = "SELECT path, kind, precision_ns, zone FROM events WHERE path = '/passwords.txt' AND parser = 'filesystem'"
    rows = asked("query", query, "--case", tmp_path / "a.case")["rows"]
    assert {row["kind"] for row in rows} == {"file.created", "file.modified", "file.changed", "file.accessed"}
    assert {(row["precision_ns"], row["zone"]) for row in rows} == {(1, "UTC")}
