"""The two stories, told by the tool: a copy of 0 bytes and its opposite with the clock set in between; two people and a
camera that is 11 minutes off. Traces for and against stand beside, and no trace decides."""

import json
from datetime import timedelta

import pytest

from chain_of_custody import console
from tests.timeline.clocks import small_case
from tests.timeline.clocks.small_case import FILE, true
from tests.timeline.clocks.test_clock_commands import ROOT, run
from timeline.clocks import read_case, solve
from timeline.clocks.traces import add_traces
from timeline.clocks.verdicts import file_name, judge_all, rules

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SIZE = 482_117
ZERO, WHOLE = f"FileCopy,E:\\{FILE},0,0,リムーバブル", f"FileCopy,E:\\{FILE},{SIZE},{SIZE},リムーバブル"
ALERT = f"PC01,COPY,{FILE},{SIZE}"
INCIDENT = [{"id": "警報1", "source": "alerts.csv", "record": 2}]


def alarm(folder, *, operations, media=(), stick="stick1"):
    """A case with one alert at minute 700."""
    small_case.write(
        folder,
        incidents=INCIDENT,
        operations=operations,
        alerts=[(700.2, ALERT)],
        media=media,
        media_of={"警報1": stick},
    )
    return folder


def told(*command, lang="ja"):
    """What the tool says in a language (a process chooses it once, at its start)."""
    before = console.language()
    console.set_language(lang)
    try:
        return run(*command)
    finally:
        console.set_language(before)


def verdict(folder, lang="ja"):
    return told("verdict", "--clock-case", folder, lang=lang)


OTHER = "0|/stick1/readme.txt|5|r/rrwxrwxrwx|0|0|9|1|1|1|1"


def test_zero_bytes_are_no_copy_in_the_words_of_the_tool(tmp_path):
    folder = alarm(tmp_path / "c", operations=[(700, 5, ZERO)], media=[OTHER])
    said = verdict(folder)
    assert said.startswith("■ 警報1: 書込みの記録は認められない(この警報について、下に挙げた記録の範囲で)")
    for words in (
        "露見: 警報 alerts.csv:2", "推定: この事象に当たる操作の記録 1 行", "原因追究: 書込み 0 バイト",
        "- 操作ログの書込バイト数が 0 である [op2.csv:3]", "確認: 規則 nothing-written(第 2 版)",
        "この判定を変え得るもの: 書込バイト数が 0 でない未着の記録", "次に保全するもの: 警報の規則(判定条件)の設定を保全する",
    ):  # fmt: skip
        assert words in said
    assert said in (ROOT / "docs" / "clocks.ja.md").read_text(encoding="utf-8")
    assert verdict(folder, "en") in (ROOT / "docs" / "clocks.md").read_text(encoding="utf-8")


def test_the_opposite_is_a_copy(tmp_path):
    said = verdict(alarm(tmp_path / "c", operations=[(700, 5, WHOLE)], media=[OTHER]), "en")
    assert said.startswith("# 警報1: copied: according to the records the whole of the file was written")
    assert "preserve next: " in said


@pytest.mark.parametrize(("line", "wanted"), [(ZERO, "not_copied"), (WHOLE, "copied")])
@pytest.mark.parametrize("step_s", [-5400, 5400])
def test_a_clock_that_is_set_between_changes_nothing(tmp_path, line, wanted, step_s):
    """After minute 690 the computer's clock is set: by their texts alert and line lie an hour and a half apart."""
    folder = alarm(tmp_path / "c", operations=[(700, 5, line)], media=[OTHER])
    moved = small_case.PC_FAST_S + step_s
    path = folder / "op2.csv"
    text = path.read_bytes().decode("cp932")
    text = text.replace(small_case.wall(true(700), small_case.PC_FAST_S) + ",", small_case.wall(true(700), moved) + ",")
    path.write_bytes(text.encode("cp932"))
    data = {
        "PreviousTime": small_case.iso(true(690), small_case.PC_FAST_S), "NewTime": small_case.iso(true(690), moved),
        "ProcessName": "C:\\Windows\\System32\\rundll32.exe",
    }  # fmt: skip
    events = [json.loads(one) for one in (folder / "evtx.jsonl").read_text().splitlines()]
    for one in events[24:]:  # one event every 30 minutes
        at = true(30 * (one["Event"]["System"]["EventRecordID"] - 100))
        one["Event"]["System"]["TimeCreated"]["#attributes"]["SystemTime"] = small_case.iso(at, moved)
        one["Event"]["System"]["EventRecordID"] += 1
    change = small_case.event(124, true(690), "Microsoft-Windows-Security-Auditing", 4616, data)
    change["Event"]["System"]["TimeCreated"]["#attributes"]["SystemTime"] = small_case.iso(true(690), moved)
    lines = [json.dumps(one) for one in [*events[:24], change, *events[24:]]]
    (folder / "evtx.jsonl").write_text("\n".join(lines) + "\n")
    exchanges = [json.loads(one) for one in (folder / "http.jsonl").read_text().splitlines()]
    for number, one in enumerate(exchanges):
        if number >= 7:
            one["request_time"] = small_case.iso(true(100 * number), moved)
            one["response_time"] = small_case.iso(true(100 * number), moved + 0.2)
    (folder / "http.jsonl").write_text("".join(json.dumps(one) + "\n" for one in exchanges))
    for name in ("ccas.csv", "messages"):  # logs that end before the clock is set
        kept = (folder / name).read_bytes().splitlines(keepends=True)[: 11 if name == "ccas.csv" else 6]
        (folder / name).write_bytes(b"".join(kept))
    (answer,) = judge_all(solve(read_case(folder)))
    assert answer.verdict == wanted
    assert "clock_step_between" in answer.reasons


def hashes(tmp_path, on_stick):
    mark = "d41d8cd98f00b204e9800998ecf8427e"
    listing = [f"{on_stick}|/stick1/{FILE}|5|r/rrwxrwxrwx|0|0|{SIZE}|0|0|0|0"]
    folder = alarm(tmp_path / "c", operations=[(700, 5, f"FileCopy,E:\\{FILE},,,リムーバブル")], media=listing)
    host = tmp_path / "host.body"
    host.write_text(f"{mark}|/pc/Users/tanaka/Documents/{FILE}|9|r/rrwxrwxrwx|0|0|{SIZE}|0|0|0|0\n", encoding="utf-8")
    return json.loads(run("verdict", "--clock-case", folder, "--host-listing", host, "--json"))[0]


def test_the_same_content_on_the_stick_speaks_for_a_copy(tmp_path):
    answer = hashes(tmp_path, "d41d8cd98f00b204e9800998ecf8427e")
    assert answer["verdict"] == "copied"
    assert [(one["trace"], one["way"], one["records"]) for one in answer["traces"]] == [
        ("content_same", "for", ["usb_listing.body:1"]),
    ]  # fmt: skip


def test_a_file_of_that_name_with_other_content_is_another_file(tmp_path):
    answer = hashes(tmp_path, "0cc175b9c0f1b6a831c399e269772661")
    assert answer["verdict"] == "undetermined"
    assert [(one["trace"], one["way"]) for one in answer["traces"]] == [("content_differs", "against")]


class Rows:
    """A store that has these events."""

    def __init__(self, events):
        self.events = events

    def rows(self, sql, parameters):
        kinds = parameters[:-1]
        for kind, path, data, at in self.events:
            if any(kind == one or (one.endswith("*") and kind.startswith(one[:-1])) for one in kinds):
                ns = round((at + timedelta(seconds=small_case.PC_FAST_S)).timestamp() * 1e9)
                yield (f"S9:{kind}", kind, path, json.dumps(data), "pc", ns, 1_000_000_000)
        assert "time_ns" in sql


def test_traces_are_found_in_true_time_and_decide_nothing(tmp_path):
    folder = alarm(tmp_path / "c", operations=[(700, 5, ZERO)], media=[OTHER])
    solution = solve(read_case(folder))
    (answer,) = judge_all(solution)
    stick = {"drive_type": "removable"}
    events = [
        ("lnk.target_created", f"E:\\{FILE}", stick, true(705)),
        ("lnk.target_created", "E:\\other.txt", stick, true(705)),
        ("jumplist.used", f"C:\\work\\{FILE}", {"drive_type": "fixed"}, true(705)),
        ("shellbag.last", "E:\\x", stick, true(720)),
        ("srum.network", "chrome.exe", {}, true(690)),
        # 12 minutes after the event; by its text 23, and nothing beyond 15 counts
        ("usn.written", f"/work/{FILE}", {}, true(712)),
        ("evtx.device_connected", "USB\\VID_1", {}, true(640)),
        ("evtx.device_connected", "USB\\VID_1", {}, true(900)),
        ("evtx.device_removed", "USB\\VID_1", {}, true(650)),
        ("evtx.log_cleared", "", {}, true(1000)),
        ("evtx.log_cleared", "", {}, true(700 + 3 * 1440)),
    ]
    assert add_traces(Rows(events), solution, [answer]) == 0
    found = {one.name: one.records for one in answer.traces}
    assert found == {
        "opened_from_medium": ("S9:lnk.target_created",), "folder_browsed": ("S9:shellbag.last",),
        "sent_bytes": ("S9:srum.network",),
        "file_created": ("S9:usn.written",), "device_connected": ("S9:evtx.device_connected",),
        "log_cleared": ("S9:evtx.log_cleared",),
        "device_removed_before": ("S9:evtx.device_removed", "S9:evtx.device_connected"),
    }  # fmt: skip
    assert answer.verdict == "not_copied"
    answer.traces.clear()
    add_traces(Rows([one for one in events if one[0] != "evtx.device_removed"]), solution, [answer])
    assert "device_removed_before" not in {one.name for one in answer.traces}
    assert file_name(FILE) == answer.file


def test_every_trace_and_verdict_has_its_words():
    table = rules()
    assert all(
        {"way", "ja", "en"} <= set(one) and one["way"] in ("for", "against", "open") for one in table["trace"].values()
    )
    verdicts = {"copied", "partial", "not_copied", "undetermined"}
    for section in ("verdict", "change", "next"):
        assert set(table[section]) == verdicts
        assert all(one["ja"] and one["en"] for one in table[section].values())


def test_two_people_and_a_camera_eleven_minutes_off(tmp_path):
    """By the camera's texts A came at 10:20, before the theft at 10:25; its clock was 11 minutes slow: A came after."""
    folder = tmp_path / "camera-case"
    two_people(folder)
    out = tmp_path / "result.jsonl"
    run("clock", "solve", folder, "--out", out)
    orders = {one["pair"]: one["order"] for one in map(json.loads, out.read_text().splitlines()) if "pair" in one}
    assert orders == {"A before the register": "after", "B before the register": "before"}
    said = told("clock", "explain", "camera", "--clock-case", folder)
    assert said in (ROOT / "docs" / "clocks.ja.md").read_text(encoding="utf-8")
    assert "遅れていたと推定される" in said
    assert told("clock", "explain", "camera", "--clock-case", folder, lang="en") in (
        ROOT / "docs" / "clocks.md"
    ).read_text(encoding="utf-8")


def two_people(folder):
    """A camera over a door 11 minutes slow; a register whose clock is right; the reading at seizure the same day."""
    folder.mkdir()
    head = "番号,カメラ,日時,イベント\r\n"
    seen = ["2026/03/10 09:05:00", "2026/03/10 10:10:30", "2026/03/10 10:20:00"]
    (folder / "camera.csv").write_bytes(
        (head + "".join(f"{n},C1,{t},人物\r\n" for n, t in enumerate(seen, 1))).encode("cp932")
    )
    at = true(85).timestamp()  # 10:25 in Japan
    (folder / "register.log").write_text(f"{at:.3f} 5 10.0.0.7 OPEN/200 1 POST http://register/ - - -\n")
    described = {
        "period": ["2026-03-10T00:00:00Z", "2026-03-10T06:00:00Z"],
        "clocks": {"camera": {"declared": "unknown"}, "register": {"declared": "synchronised"}},
        "http_hosts": {},
        "sources": [
            {"file": "camera.csv", "format": "dvr", "clock": "camera", "zone": "Asia/Tokyo", "order": "append"},
            {"file": "register.log", "format": "squid", "clock": "register", "zone": "UTC", "order": "append"},
        ],
        "pairs": [
            {"id": f"{who} before the register", "a": {"source": "camera.csv", "record": line},
             "b": {"source": "register.log", "record": 1}}
            for who, line in (("A", 4), ("B", 3))
        ],
        "incidents": [],
    }  # fmt: skip
    (folder / "case.json").write_text(json.dumps(described))
    reading = {"clock": "camera", "shown": "2026-03-10T13:49:00+09:00", "reference": "2026-03-10T14:00:00+09:00",
               "resolution_s": 1, "reference_resolution_s": 1}  # fmt: skip
    (folder / "readings.json").write_text(json.dumps([reading]))
