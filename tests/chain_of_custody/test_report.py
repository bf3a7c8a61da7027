"""The HTML report, opened in a real browser: it verifies itself, and it notices changes of its data."""

import base64
import json
import re
import subprocess
from html.parser import HTMLParser
from unittest import mock

import pytest

from chain_of_custody import checkpoints, clock, entries, init_case, open_case
from chain_of_custody.people import Person
from chain_of_custody.reading import read_entries
from chain_of_custody.verify import verify_case
from tests.chain_of_custody import attacks
from tests.chain_of_custody.test_cli import custody
from tests.chain_of_custody.test_people import public, write_key
from tests.conftest import needs


def browser(path, tmp_path, size=None):
    """The DOM of a page after its script has run, in headless Chromium."""
    done = subprocess.run(
        [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--virtual-time-budget=20000",
            "--dump-dom",
            path.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def verdict(dom):
    return re.search(r'data-verdict="(\w+)"', dom).group(1)


@pytest.fixture
def case_dir(tmp_path):
    path = tmp_path / "case"
    for name, kind in [("rsa", "rsa"), ("ec", "ecdsa")]:
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", tmp_path / name], check=True)
    with init_case(path, actor="yamada", name="事案 <script>alert(1)</script> 𠮷") as case:
        case.add_person(Person("sato", entries.OPERATOR, public(tmp_path / "rsa"), "佐藤", "研究所", "社員証"))
        case.add_person(Person("ito", entries.OPERATOR, public(tmp_path / "ec")))
        case.append("record.seal", {"number": "A-102", "how": "</script><b>x"}, item="PC-1", src="typed")
        with case.action("image", {"path": "disk.E01"}, item="PC-1") as action:
            action.set_result({"write_protection": "software"}, outputs=[entries.FileHash("ab" * 32, 5)])
        checkpoints.make(case)
    for name in ("rsa", "ec"):
        with open_case(path, key=tmp_path / name) as case:
            case.append("note", {"text": name}, src="typed")
    return path


@pytest.fixture
def page(case_dir, tmp_path):
    target = tmp_path / "report.html"
    code, _out, err = custody("report", "--out", target, "--case", case_dir)
    assert code == 0, err
    return target


def test_the_report_is_recorded_with_its_hash(case_dir, page):
    import hashlib

    end = next(entry for entry in read_entries(case_dir) if entry.type == "report.end")
    assert end.outputs[0].sha256 == hashlib.sha256(page.read_bytes()).hexdigest()
    assert end.body["verdict"] == "ok"
    assert verify_case(case_dir).verdict == "ok"
    assert custody("report", "--out", page, "--case", case_dir)[0] == 5
    assert custody("report", "--out", page.with_name("no") / "x", "--case", case_dir)[0] == 5
    assert custody("report", "--out", page.with_name("x"), "--format", "doc", "--case", case_dir)[0] == 2


def test_nothing_outside_is_asked_and_nothing_is_claimed_too_much(page):
    text = page.read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert "https://" not in text.replace("data:", "")
    assert "準拠" not in text
    assert "<script>alert" not in text
    assert text.count("</script>") == 4


@needs("chromium")
def test_the_browser_verifies_it(case_dir, tmp_path):
    from chain_of_custody import report

    target = tmp_path / "ja.html"
    with open_case(case_dir) as case:
        report.write_html(case, target, "ja")
    dom = browser(target, tmp_path)
    assert verdict(dom) == "ok", dom[-2000:]
    assert 'data-ready="yes"' in dom
    for shown in ["A-102", "PC-1", "社員証", "disk.E01", "パスフレーズなし", "未実施"]:
        assert shown in dom
    assert "&lt;script&gt;alert(1)" in dom


def rewritten(page, tmp_path, change):
    """The page with its ledger changed."""
    text = page.read_text(encoding="utf-8")
    start = text.index('id="ledger">') + len('id="ledger">')
    end = text.index("</script>", start)
    data = change(base64.b64decode(text[start:end]))
    target = tmp_path / "changed.html"
    target.write_text(text[:start] + base64.b64encode(data).decode() + text[end:], encoding="utf-8")
    return target


@needs("chromium")
@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"A-102", b"A-103"),
        lambda data: b"".join(data.splitlines(keepends=True)[:3] + data.splitlines(keepends=True)[4:]),
    ],
    ids=["edited", "removed"],
)
def test_changed_data_is_ng_in_the_browser(page, tmp_path, change):
    assert verdict(browser(rewritten(page, tmp_path, change), tmp_path)) == "ng"


@needs("chromium")
def test_a_foreign_session_is_ng_in_the_browser(case_dir, page, tmp_path):
    attacks.foreign_person(case_dir)
    foreign = (case_dir / "ledger.jsonl").read_bytes()
    assert verdict(browser(rewritten(page, tmp_path, lambda _data: foreign), tmp_path)) == "ng"


@needs("chromium")
def test_a_changed_script_does_not_run(page, tmp_path):
    text = page.read_text(encoding="utf-8")
    target = tmp_path / "evil.html"
    target.write_text(text.replace('"use strict";', '"use strict";document.title="evil";', 1), encoding="utf-8")
    assert verdict(browser(target, tmp_path)) == "unknown"


def test_the_page_speaks_of_all_types(page):
    text = page.read_text(encoding="utf-8")
    texts = json.loads(re.search(r'id="texts">(.*?)</script>', text, re.DOTALL).group(1))
    assert texts["types"].keys() == entries.TYPES.keys()
    assert len(texts["requirements"]) == 26


def test_write_key_makes_usable_keys(tmp_path):
    assert public(write_key(tmp_path / "k")).startswith("ssh-ed25519 ")


class Tables(HTMLParser):
    """Cells of the tables of a page, by the id of the section they stand in."""

    def __init__(self):
        super().__init__()
        self.found, self.section, self.row, self.cell = {}, "", None, None

    def handle_starttag(self, tag, attributes):
        names = dict(attributes)
        if tag == "div" and names.get("id"):
            self.section = names["id"]
        if tag == "tr":
            self.row = []
        if tag == "td":
            self.cell = ""
        if tag == "div" and self.cell:
            self.cell += "\n"
        if tag == "span" and "tag" in names.get("class", "") and self.cell is not None:
            self.cell += "|"

    def handle_endtag(self, tag):
        if tag == "td":
            self.row.append(self.cell)
            self.cell = None
        if tag == "tr" and self.row:
            self.found.setdefault(self.section, []).append(self.row)

    def handle_data(self, data):
        if self.cell is not None:
            self.cell += data


@needs("chromium")
@pytest.mark.parametrize(("language", "verified"), [("ja", "match"), ("en", "mismatch")])
def test_the_browser_and_the_pdf_say_the_same(tmp_path, language, verified):
    """Two programs, one in JavaScript and one in Python, word the same ledger."""
    from chain_of_custody import report, report_facts

    path = tmp_path / "case"
    day = 86_400_000_000_000
    with init_case(path, actor="yamada", name="名 123456789018 \u202e", policy={"copies": "2"}) as case:
        case.add_person(Person("sato", entries.WITNESS, public(write_key(tmp_path / "w")), "佐藤", "研究所"))
        for body in [
            {"text": "番号 １２３４－５６７８－９０１８ 123456789018 20260000123456789018"},
            {"text": "\u202e\u200b\t\n\ue000 <b> __proto__", "__proto__": "x", "constructor": [], "n": None},
            {"deep": {"a": [1, True, {"ja": "和", "en": "e"}], "b": {}}, "many": [str(n) for n in range(30)]},
            {"time": "2026-11-24T09:00:00.500000+09:00", "hash": "ab" * 32, "key": public(tmp_path / "w")},
        ]:
            case.append("note", body, src="typed", item="PC-1")
        given = {"shown": "2026-11-24T09:00:07.000000+09:00", "reference": "2026-11-24T09:00:00.000000+09:00"}
        for kind, body in {
            "clock": {**given, "source": "NTP", "offset_ns": "7000000000"},
            "power": {"state": "on", "decision": "unplugged", "reason": "r", "who": "w", "late": "yes",
                      "at": "2026-11-20T09:00:00.000000+09:00"},
            "unseal": {"number": "123456789018", "intact": "no"},
            "anomaly": {"what": "a", "action": "b"},
            "waiver": {"id": "F3", "status": "not_applicable", "reason": "電源断 123456789018"},
            "exhibit": {"number": "甲1", "title": "x", "author": "y", "purpose": "z", "sha256": "5f" * 32, "page": "1"},
            "classify": {"place": "company", "threat": "insider", "difficulty": "low", "stage": "use", "grounds": "F1"},
            "network": {"at": "2026-11-22T09:30:00.250000+09:00", "how": "抜線", "who": "佐藤"},
            "first_report": {"at": "2026-11-20T18:00:00.000000+00:00", "who": "田中", "to": "責任者"},
            "isolate": {"at": "2026-11-23T10:00:00.000000+09:00", "what": "全台", "extent": "whole", "how": "遮断",
                        "who": "佐藤", "note": "123456789018"},
        }.items():  # fmt: skip
            case.append(f"record.{kind}", body, src="typed", item="PC-1")
        for at, what in (("2026-11-20T09:00:00.000001+09:00", "誤記"), ("2026-11-21T02:59:59.000000+09:00", "警告")):
            case.append("record.first_sign", {"at": at, "what": what}, src="typed")
        early = {"at": "2026-11-21T01:00:00.000000+09:00", "what": "1 台", "extent": "partial", "how": "x", "who": "y"}
        case.append("record.isolate", early, src="typed")
        for number, status in enumerate(("done", "partial")):
            begin = {
                "source": "/dev/sdb",
                "targets": [f"/a/{number}.E01", f"/b/{number}.E01"],
                "settings": {"verify": True},
                "auto": {"protection": "hardware"},
            }
            with case.action("image", begin, item="PC-2") as action:
                action.set_result(
                    {
                        "hashes": {"md5": "0c" * 16, "sha256": "5f" * 32},
                        "result": {"ja": "一致", "en": "equal"},
                        "is_equal": number == 0,
                    },
                    outputs=[entries.FileHash("ab" * 32, 5)],
                    status=status,
                )
        with case.action("verify", {"image": "1.E01"}) as action:
            action.set_result({"image": "1.E01", "hashes": {"sha256": "5f" * 32}, "verdict": verified})
        case.append("record.storage", {"direction": "out", "place": "棚", "who": "w"}, item="PC-3", src="typed")
    real = clock.now

    def two_days_later():
        return clock.Reading(*_later(real(), 2 * day))

    with mock.patch.object(clock, "now", two_days_later), open_case(path) as case:
        checkpoints.make(case)
        case.append("note", {"text": "back"}, item="PC-3")
    page = tmp_path / "page.html"
    data = (path / "ledger.jsonl").read_bytes()
    page.write_text(report.page(data, verify_case(path), language, "x"), encoding="utf-8")
    dom = browser(page, tmp_path)
    assert verdict(dom) == "ok", re.search(r'id="problems">.*?</div>', dom).group(0)
    parser = Tables()
    parser.feed(dom)
    shown = parser.found
    listed = list(read_entries(path))
    facts = report_facts.of(listed, report_facts.Made("2026-01-01T00:00:00.000000+09:00", "0", "0", "ok"), language)

    def rows(wanted):
        return [
            [
                row["seq"],
                row["time"],
                f"{row['who']}\n{row['role']}",
                " |".join([row["what"], *row["tags"]]),
                row["item"],
                "\n".join(filter(None, [row["text"], *row["files"]])),
            ]
            for row in wanted
        ]

    assert shown["timeline"] == rows(facts["timeline"])
    assert shown["anomalies"] == rows(facts["anomalies"])
    assert len(shown["anomalies"]) >= 3
    for name in ("people", "checkpoints", "gaps", "late", "coverage"):
        assert shown[name] == facts[name], name
    assert len(shown["gaps"]) == 1
    assert shown["incident"] == facts["classified"] + facts["course"]
    assert len(facts["course"]) == 6
    assert [row[1] for row in shown["facts"]] == [row[1] for row in facts["case"]]
    assert [row[:10] for row in shown["exhibits"]] == [row[:10] for row in facts["exhibits"]]
    assert [[row[0], row[1], row[3]] for row in shown["images"]] == [
        [row["seq"], row["time"], row["item"]] for row in facts["images"]
    ]
    for cells, row in zip(shown["images"], facts["images"], strict=True):
        for word in [row["name"], row["protection"], row["result"], *row["files"], *(one for _, one in row["hashes"])]:
            assert word in cells[4]
    text = str([row for row in shown["timeline"] if "9018" in str(row)])
    assert "********9018" in text
    assert "＊＊＊＊－＊＊＊＊－９０１８" in text


def _later(reading, step):
    from datetime import timedelta

    moment = entries.moment_of(reading.ts) + timedelta(microseconds=step // 1000)
    return moment.isoformat(timespec="microseconds"), reading.time_ns + step, reading.mono_ns + step, reading.boot
