"""The HTML report, opened in a real browser: it verifies itself, and it notices changes of its data."""

import base64
import json
import re
import subprocess

import pytest

from chain_of_custody import checkpoints, entries, init_case, open_case
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
