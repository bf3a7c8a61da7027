from __future__ import annotations

import base64
import hashlib
import http.server
import json
import re
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from chain_of_custody.errors import TargetError, UsageError
from tests.chromium import dump_dom
from tests.conftest import needs
from tests.triage.make_results import make_results
from triage.report import hash_verdict, lead, render, write_report
from triage.report_data import Totals, bilingual, count, jst, masked_of
from triage.results import ResultFormatError, open_results
from triage.visible import visible

if TYPE_CHECKING:
    from pathlib import Path

MD5 = "098f6bcd4621d373cade4e832627b4f6"


def lines_of(folder: Path, name: str = "findings.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]


def attribute(document: str, name: str) -> str:
    found = re.search(rf'<section id="explorer"[^>]* data-{name}="([^"]*)"', document)
    assert found, f"the page's script did not run (no data-{name})"
    return found[1]


def rows_of(document: str) -> list[str]:
    """Text of each row that is in the document."""
    grid = document[document.index('id="spacer"') : document.index('id="empty"')]
    return [re.sub(r"<[^>]+>", " ", row) for row in grid.split('class="row"')[1:]]


# ---- what goes into the page ----


def test_page_has_everything_inline_and_names_its_script_by_hash(tmp_path: Path) -> None:
    page = write_report(make_results(tmp_path / "s", findings=3)).read_text(encoding="utf-8")
    script = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    style = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert len(script) == len(style) == 1
    for kind, text in (("script", script[0]), ("style", style[0])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in page
    assert "default-src 'none'" in page
    assert not re.search(r"(?:src|href|action)\s*=\s*[\"']?(?:https?:)?//", page)
    assert "url(" not in page
    assert " style=" not in page  # an inline style would be refused by the policy


def test_page_holds_no_hmac_and_no_clear_number(tmp_path: Path) -> None:
    folder = make_results(tmp_path / "s", findings=60, yara=2, coverage=4, hostile=True)
    page = write_report(folder).read_text(encoding="utf-8")
    for line in lines_of(folder):
        assert line.get("hmac", "-no-") not in page
        assert line.get("hmac", "-no-")[:32] not in page
    assert "123456789018" not in page
    assert "６２１４－９８３２－０２５７" not in page
    assert "********9018" in page
    assert "＊＊＊＊－＊＊＊＊－０２５７" in page


def test_numbers_in_every_free_text_are_masked(tmp_path: Path) -> None:
    number = "123456789018"
    folder = make_results(
        tmp_path / "s",
        findings=1,
        coverage=1,
        summary={
            "operator": number,
            "image": {"path": f"/{number}/{number}.E01", "format": number, "size": 1 << 20},
            "notes": [f"{number} / {number}"],
            "rejected": {number: 1},
            "tool": {"version": number},
            "started": number,
            "volumes": [{"layer": number, "filesystem": number, "offset": 0, "size": 512}],
            "case": {"id": number, "fingerprint": number},
            "unreadable": [{"offset": 0, "size": 1, "reason": number}],
        },
    )
    finding = lines_of(folder)[0]
    for key in ("path", "container", "location", "layers", "encoding", "id", "masked", "state"):
        finding[key] = number
    finding |= {"reasons": [number], "rivals": [number], "times": {number: {"ns": None, "raw": number}}}
    yara = {"v": 1, "kind": "yara", "id": number, "rule": number, "tags": [number], "meta": {number: number}}
    yara |= {"strings": [{"id": number, "offset": 1}], "path": number, "state": "allocated"}
    (folder / "findings.jsonl").write_text(json.dumps(finding) + "\n" + json.dumps(yara) + "\n", encoding="utf-8")
    dark = {"path": number, "reason": number, "detail": number, "container": number, "layers": number}
    (folder / "coverage.jsonl").write_text(json.dumps(dark) + "\n", encoding="utf-8")
    page = render(
        open_results(folder),
        custody={"case_id": number, "operator": {"name": number}, "notices": [(number, number)], "fingerprint": number},
    )
    assert number not in page
    assert page.count("********9018") > 30


def test_hostile_names_cannot_leave_their_place(tmp_path: Path) -> None:
    page = write_report(make_results(tmp_path / "s", findings=10, hostile=True)).read_text(encoding="utf-8")
    assert page.lower().count("</script>") == 2
    assert "\u202e" not in page
    assert "\x00" not in page
    assert "‹U+202E›" in page
    assert "half‹U+D800›surrogate" in page


def test_names_in_the_summary_are_escaped(tmp_path: Path) -> None:
    folder = make_results(
        tmp_path / "s",
        findings=1,
        summary={
            "image": {"name": "<b>\u202e</b>\"'{{data}}.E01", "size": 1 << 20},
            "operator": "<i>x",
            "volumes": [{"layer": '"><script>1', "filesystem": "</svg>", "offset": 0, "size": 1 << 20}],
        },
    )
    page = render(open_results(folder), custody={"case_id": "<u>"})
    static = page[page.index("<body>") : page.index('<script type="application/json"')]
    assert "&lt;b&gt;‹U+202E›&lt;/b&gt;&quot;&#x27;{{data}}.E01" in static
    for bad in ("<i>x", '"><script>', "</svg></text>", "<u>"):
        assert bad not in static


def test_page_says_what_it_does_not_prove(tmp_path: Path) -> None:
    page = write_report(make_results(tmp_path / "s", findings=0)).read_text(encoding="utf-8")
    assert "個人番号が存在しないことを示すものではない" in page
    assert "This does not show that there is none." in page
    assert "findings.jsonl は特定個人情報として扱う" in page
    assert "鍵は人ではない" in page
    assert "要確認" in page
    assert "contains no personal data" not in page
    assert "個人情報を含まない" not in page


def test_counts_come_from_the_findings_not_from_the_summary(tmp_path: Path) -> None:
    folder = make_results(tmp_path / "s", findings=200, summary={"persons": {"lower": 1, "upper": 2}})
    high = {line["hmac"] for line in lines_of(folder) if line["confidence"] == "high"}
    everything = {line["hmac"] for line in lines_of(folder)}
    page = write_report(folder).read_text(encoding="utf-8")
    assert f"{len(high):,} – {len(everything):,} <small>" in page
    assert "summary.json の本人の数(1–2)は" in page


def test_agreeing_summary_brings_no_notice(tmp_path: Path) -> None:
    page = write_report(make_results(tmp_path / "s", findings=20)).read_text(encoding="utf-8")
    assert "と合わない" not in page


def test_more_findings_than_the_page_takes(tmp_path: Path) -> None:
    folder = make_results(tmp_path / "s", findings=100, yara=5)
    page = render(open_results(folder), custody={}, max_rows=90)
    data = json.loads(re.findall(r'id="data">(.*?)</script>', page, re.DOTALL)[0])
    wanted = sum(line.get("confidence") == "high" for line in lines_of(folder))
    assert len(data["rows"]["id"]) + len(data["yara"]) == 90
    assert data["rows"]["confidence"].count(0) == wanted
    assert len(data["yara"]) == 5
    assert "105 件のうち 90 件" in page
    assert '<span class="value">100 <small>' in page  # the count is of all


def test_summary_may_be_missing(tmp_path: Path) -> None:
    folder = make_results(tmp_path / "s", findings=5)
    (folder / "summary.json").unlink()
    (folder / "coverage.jsonl").unlink()
    page = write_report(folder).read_text(encoding="utf-8")
    assert "照合の記録なし" in page
    assert "100 %" not in page


def test_nearly_all_is_never_shown_as_all(tmp_path: Path) -> None:
    size = 1 << 40
    read = {"read": {"unreadable_bytes": 1}}
    page = write_report(make_results(tmp_path / "s", findings=1, size=size, summary=read)).read_text(encoding="utf-8")
    assert "99.99 % <small>" in page


@pytest.mark.parametrize(("language", "title"), [("ja", '<html lang="ja">'), ("en", '<html lang="en">')])
def test_first_language(tmp_path: Path, language: Any, title: str) -> None:
    page = write_report(make_results(tmp_path / "s", findings=1), language=language).read_text(encoding="utf-8")
    assert title in page
    assert "個人番号走査報告書" in page
    assert "My Number scan report" in page


def test_facts_of_the_case(tmp_path: Path) -> None:
    notices = [("鍵に合言葉がない", "the key has no passphrase")]
    custody = {"case_id": "C-77", "fingerprint": "ab" * 32, "operator": "田中", "entry": 12, "notices": notices}
    page = write_report(make_results(tmp_path / "s", findings=1), custody=custody).read_text(encoding="utf-8")
    for words in ("C-77", "ab" * 32, "田中", "第 12 項から", "鍵に合言葉がない", "the key has no passphrase"):
        assert words in page


# ---- what goes wrong ----


def test_existing_report_is_kept(tmp_path: Path) -> None:
    folder = make_results(tmp_path / "s", findings=1)
    (folder / "report.html").write_text("kept", encoding="utf-8")
    with pytest.raises(TargetError, match="exists already"):
        write_report(folder)
    assert (folder / "report.html").read_text(encoding="utf-8") == "kept"
    assert write_report(folder, target=tmp_path / "other.html") == tmp_path / "other.html"


def test_missing_target_folder(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="cannot be written"):
        write_report(make_results(tmp_path / "s", findings=1), target=tmp_path / "no" / "x.html")


def test_not_a_scan(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a folder of scan results"):
        write_report(tmp_path)


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        (b'{"v":1,"id":"F000002","ki', r"findings\.jsonl:2: cannot be read \(JSON\)"),
        (b"[1]\n", r"findings\.jsonl:2: cannot be read \(JSON\)"),
        (b"[" * 100_000 + b"\n", r"findings\.jsonl:2"),
        (b'{"v":1,"kind":"other"}\n', r"findings\.jsonl:2: cannot be read \(kind\)"),
        (b'{"v":1,"kind":"my_number","confidence":"certain"}\n', r"findings\.jsonl:2: cannot be read \(confidence\)"),
        (b'{"v":2,"kind":"my_number"}\n', r"findings\.jsonl:2: format version '2'"),
    ],
)
def test_damaged_findings_are_an_error_with_the_line(tmp_path: Path, broken: bytes, what: str) -> None:
    folder = make_results(tmp_path / "s", findings=1)
    with (folder / "findings.jsonl").open("ab") as file:
        file.write(broken)
    with pytest.raises(ResultFormatError, match=what):
        write_report(folder)
    assert not (folder / "report.html").exists()


def test_error_does_not_quote_the_line(tmp_path: Path) -> None:
    folder = make_results(tmp_path / "s", findings=0)
    (folder / "findings.jsonl").write_bytes(b'{"value":"123456789018"\n')
    with pytest.raises(ResultFormatError) as caught:
        write_report(folder)
    assert "123456789018" not in str(caught.value) + caught.value.ja
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("summary", ["[]", "{", '{"v": 9}'])
def test_damaged_summary(tmp_path: Path, summary: str) -> None:
    folder = make_results(tmp_path / "s", findings=1)
    (folder / "summary.json").write_text(summary, encoding="utf-8")
    with pytest.raises(ResultFormatError, match=r"summary\.json"):
        write_report(folder)


def test_odd_shapes_do_not_stop_the_report(tmp_path: Path) -> None:
    folder = make_results(tmp_path / "s", findings=1, summary={"image": 3, "hashes": [], "read": "x", "volumes": {}})
    odd = {"v": 1, "kind": "my_number", "confidence": "low", "hmac": 5, "reasons": "x", "times": [], "offset": -4}
    odd |= {"copies": ["1", None, 7], "masked": None, "path": None, "state": "elsewhere", "layers": 4}
    with (folder / "findings.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(odd) + "\n")
    page = write_report(folder).read_text(encoding="utf-8")
    assert "elsewhere" in page
    assert "1 件の所見には番号を区別する値がなく" in page


# ---- words ----


@pytest.mark.parametrize(
    ("hashes", "unread", "word"),
    [
        ({"md5": MD5, "stored": {"md5": MD5.upper()}, "verdict": "match"}, 0, "保存値と一致"),
        (
            {"md5": MD5, "stored": {"md5": MD5}, "verdict": "match"},
            1024,
            "読取不能 1,024 バイト(ゼロ埋め)を除き、保存値と一致",
        ),
        ({"md5": MD5, "stored": {"md5": "0" * 32}, "verdict": "mismatch"}, 0, "保存値と不一致"),
        ({"md5": MD5, "stored": {}, "verdict": "nothing_to_compare"}, 0, "照合できる値なし"),
        ({"md5": MD5, "stored": {"md5": MD5}, "verdict": "partial"}, 512, "照合できず(読めない範囲あり)"),
        ({}, 0, "照合の記録なし"),
        # A verdict that the values beside it do not bear out is never repeated.
        ({"md5": MD5, "stored": {"md5": "0" * 32}, "verdict": "match"}, 0, "要確認: 判定と値が合わない"),
        ({"md5": MD5, "stored": {}, "verdict": "match"}, 0, "要確認: 判定と値が合わない"),
        ({"md5": MD5, "stored": {"sha1": "0" * 40}, "verdict": "match"}, 0, "要確認: 判定と値が合わない"),
        ({"md5": MD5, "stored": {"md5": MD5}, "verdict": "mismatch"}, 0, "要確認: 判定と値が合わない"),
        ({"md5": MD5, "stored": {"md5": MD5}, "verdict": "nothing_to_compare"}, 0, "要確認: 判定と値が合わない"),
        ({"md5": MD5, "stored": {"md5": MD5}, "verdict": "identical"}, 0, "要確認: 判定と値が合わない"),
    ],
)
def test_verdict(hashes: dict[str, Any], unread: int, word: str) -> None:
    verdict = hash_verdict({"hashes": hashes, "read": {"unreadable_bytes": unread}})
    assert verdict.word[0] == word
    if word == "保存値と一致":
        assert "MD5" in verdict.sentence[0]
        assert "原本媒体との同一性は、取得時の記録による" in verdict.sentence[0]


def test_lead_of_one() -> None:
    totals = Totals(cells={("high", "deleted"): 1}, persons={b"x": [1, 0]}, unread={"damaged": 1})
    ja, en = lead({"read": {"unreadable_bytes": 1}}, totals)
    assert ja == (
        "読めた範囲から、個人番号と判定した箇所(確度「高」)が 1 件、異なる番号にして 1 個見つかった。"
        "読めなかったもの 1 件と、媒体の読めない 1 バイトの中身については、何も言えない。"
    )
    assert en == (
        "In what could be read, 1 place holds what was judged to be a My Number with high confidence: 1 distinct number."
        " Nothing can be said about what 1 thing not fully read and 1 unreadable byte of the medium may hold."
    )


def test_person_counts_once_with_the_best_confidence(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    lines = [("low", "aa"), ("high", "aa"), ("medium", "bb"), ("low", "bb"), ("low", "cc")]
    (folder / "findings.jsonl").write_text(
        "".join(
            json.dumps({"v": 1, "kind": "my_number", "confidence": level, "hmac": tail * 32, "state": "slack"}) + "\n"
            for level, tail in lines
        ),
        encoding="utf-8",
    )
    totals = count(open_results(folder))
    assert [totals.distinct(best=0), totals.distinct(best=1), totals.distinct(best=2), totals.distinct()] == [
        1,
        1,
        1,
        3,
    ]


@pytest.mark.parametrize(
    ("text", "halves"),
    [
        ("日本語 / English", ("日本語", "English")),
        ("「A / B」の列 / column “A / B”", ("「A / B」の列", "column “A / B”")),
        ("one wording", ("one wording", "one wording")),
        ("a / b / c", ("a / b / c", "a / b / c")),
    ],
)
def test_bilingual(text: str, halves: tuple[str, str]) -> None:
    assert bilingual(text) == halves


@pytest.mark.parametrize(
    ("ns", "precision", "zone", "text"),
    [
        (0, 1_000_000_000, True, "1970-01-01 09:00:00 +09:00"),
        (1_774_000_000_123_456_700, 100, True, "2026-03-20 18:46:40.1234567 +09:00"),
        (1_774_000_000_123_456_700, 2_000_000_000, False, "2026-03-20 09:46:40"),
        (1_774_000_000_120_000_000, 10_000_000, False, "2026-03-20 09:46:40.12"),
        (-1, 1, True, "1970-01-01 08:59:59.999999999 +09:00"),
    ],
)
def test_jst(ns: int, precision: int, zone: bool, text: str) -> None:
    assert jst(ns, precision_ns=precision, zone=zone) == text


def test_times_beyond_the_calendar_fall_back_to_the_record(tmp_path: Path) -> None:
    folder = make_results(tmp_path / "s", findings=1)
    line = lines_of(folder)[0] | {"times": {"modified": {"ns": 10**30, "raw": "0x7FFF", "precision_ns": 100}}}
    (folder / "findings.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    assert "0x7FFF" in write_report(folder).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("********9018", "********9018"),
        ("123456789018", "********9018"),
        ("1234-5678-9018", "********9018"),
        (None, ""),
    ],
)
def test_masked_number_never_shows_more_than_four_digits(given: str | None, shown: str) -> None:
    assert masked_of({"masked": given}) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("給与台帳　2026.xlsx", "給与台帳　2026.xlsx"),
        ("a\u202eb", "a‹U+202E›b"),
        ("\x1b[2J\r\n", "‹U+001B›[2J‹U+000D›‹U+000A›"),
        ("\ud800", "‹U+D800›"),
        ("\ue000外字", "‹U+E000›外字"),
        ("葛\U000e0100飾", "葛\U000e0100飾"),  # a variant of a kanji, as in names: drawn, not hidden
        ("x" * 5000, "x" * 4096 + "…(+904)"),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


# ---- the page in a browser ----


@needs("chromium")
def test_filter_in_the_address(tmp_path: Path) -> None:
    folder = make_results(tmp_path / "s", findings=5_000, yara=40, coverage=320, hostile=True)
    page = write_report(folder)
    wanted = [
        line["id"]
        for line in lines_of(folder)
        if line["kind"] == "my_number"
        and line["confidence"] == "high"
        and line["state"] in ("deleted", "slack")
        and "扶養" in line["path"] + line["container"]
    ]
    fragment = f"q={quote('扶養')}&confidence=high&state=deleted,slack&lang=en&sort=-offset&id={wanted[0]}"
    document = dump_dom(page, fragment, profile=tmp_path / "p")
    assert attribute(document, "total") == "5000"
    assert attribute(document, "shown") == str(len(wanted)) != "0"
    rows = rows_of(document)
    assert 5 < len(rows) <= len(wanted)
    assert all("扶養" in row and "High" in row for row in rows)
    assert '<html lang="en"' in document
    assert f"Details {wanted[0]}" in document
    assert "240 of 240 twelve-digit values of the column pass" in document


@needs("chromium")
def test_hundred_thousand_findings(tmp_path: Path) -> None:
    folder = make_results(tmp_path / "s", findings=5_000, coverage=1_000)
    lines = (folder / "findings.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    with (folder / "findings.jsonl").open("w", encoding="utf-8") as file:
        for number in range(100_000):
            file.write(lines[number % 5_000].replace(f'"F{number % 5_000 + 1:06d}"', f'"F{number + 1:06d}"', 1))
    page = write_report(folder)
    assert page.stat().st_size < 16 << 20
    document = dump_dom(page, "sort=-masked", profile=tmp_path / "p")
    assert attribute(document, "shown") == attribute(document, "total") == "100000"
    rows = rows_of(document)
    assert 10 < len(rows) < 60  # only what is seen is in the document
    tails = [re.findall(r"\*{8}(\d{4})", row)[0] for row in rows]
    assert tails == sorted(tails, reverse=True)


@needs("chromium")
@pytest.mark.parametrize(
    ("fragment", "total", "words"),
    [
        ("lang=en", "0", "Nothing was found in what was read. This does not show that there is nothing."),
        ("view=coverage&lang=ja", "2", "パスワード付き zip"),
    ],
)
def test_no_findings(tmp_path: Path, fragment: str, total: str, words: str) -> None:
    page = write_report(make_results(tmp_path / "s", findings=0, coverage=2, seed=4))
    document = dump_dom(page, fragment, profile=tmp_path / "p")
    assert attribute(document, "total") == total
    assert words in document


@needs("chromium")
def test_hostile_names_run_nothing_and_ask_for_nothing(tmp_path: Path) -> None:
    asked: list[str] = []

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        folder = make_results(tmp_path / "s", findings=8, hostile=True)
        lines = lines_of(folder)
        lines[0] |= {"path": f'<img src="{url}/a">', "container": f"<script src={url}/b></script>"}
        lines[1] |= {"reasons": [f"<iframe src={url}/c> / <object data={url}/d>"], "location": f"url({url}/e)"}
        lines[2] |= {"layers": f'e01:"><link rel=stylesheet href={url}/f>'}
        (folder / "findings.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        log = tmp_path / "net.json"
        page = write_report(folder)
        document = dump_dom(page, f"id={lines[1]['id']}", profile=tmp_path / "p", options=(f"--log-net-log={log}",))
        server.shutdown()
    assert asked == []
    assert attribute(document, "total") == "8"
    assert "<title>個人番号走査報告書" in document
    assert "owned</title>" not in document
    requested = set(re.findall(r'"url":"([a-z]+:[^"]*)"', log.read_text(encoding="utf-8", errors="replace")))
    assert not [address for address in requested if "127.0.0.1" in address]


@needs("chromium")
@pytest.mark.parametrize("view", ["files", "persons", "yara"])
def test_grouped_views(tmp_path: Path, view: str) -> None:
    folder = make_results(tmp_path / "s", findings=400, yara=7)
    lines = [line for line in lines_of(folder) if line["kind"] == "my_number"]
    groups = {
        "files": {(line["layers"], line["path"]) for line in lines},
        "persons": {line["hmac"] for line in lines},
        "yara": set(range(7)),
    }
    document = dump_dom(write_report(folder), f"view={view}", profile=tmp_path / "p")
    assert attribute(document, "total") == str(len(groups[view]))
    assert len(rows_of(document)) > 5


@needs("chromium", "pdftotext")
def test_printing_shows_the_filtered_rows(tmp_path: Path) -> None:
    import subprocess

    from tests.chromium import OPTIONS

    folder = make_results(tmp_path / "s", findings=300)
    page = write_report(folder)
    wanted = [line["id"] for line in lines_of(folder) if line["confidence"] == "medium"]
    target = tmp_path / "x.pdf"
    options = [*OPTIONS, f"--user-data-dir={tmp_path / 'p'}", f"--print-to-pdf={target}"]
    subprocess.run(
        ["chromium", *options, f"{page.as_uri()}#confidence=medium"], check=True, capture_output=True, timeout=100
    )
    text = subprocess.run(["pdftotext", "-layout", target, "-"], check=True, capture_output=True, timeout=30).stdout
    assert re.findall(r"F\d{6}", text.decode("utf-8")) == wanted
