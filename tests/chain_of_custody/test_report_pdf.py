"""The report as a PDF: what it holds and shows, that texts stay texts, signatures, and every attack on it."""

import hashlib
import io
import json
import re
import subprocess
import zlib

import pypdfium2
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from chain_of_custody import (
    FileHash,
    checkpoints,
    entries,
    init_case,
    open_case,
    report_check,
    report_pdf,
    report_signature,
)
from chain_of_custody.people import Person
from chain_of_custody.reading import read_entries
from tests.chain_of_custody import attacks
from tests.chain_of_custody.test_cli import custody
from tests.chain_of_custody.test_people import public, write_key
from tests.chain_of_custody.test_timestamps import Authority, serving
from tests.conftest import needs

HOSTILE = '#import "x.typ": * $x^2$ @ref <label> *b* _i_ `raw` \\ #panic("x") // c /* */ = h + - #{sys.inputs}'
MY_NUMBER = "123456789018"


@pytest.fixture
def case_dir(tmp_path):
    path = tmp_path / "case"
    witness = write_key(tmp_path / "witness")
    with init_case(path, actor="yamada", name="2026-017 𠮷田商事") as case:
        case.add_person(Person("suzuki", entries.WITNESS, public(witness), "鈴木", "法律事務所", "名刺"))
        case.append("note", {"text": HOSTILE}, src="typed", item="PC-1")
        case.append("record.seal", {"number": "A-102", "how": "封印シール"}, item="PC-1", src="typed")
        with case.action("image", {"source": "/dev/sdb", "auto": {"protection": "software"}}, item="PC-1") as action:
            action.set_result(
                {"hashes": {"sha256": "5f" * 32}, "result": {"ja": "一致", "en": "equal"}, "is_equal": True},
                outputs=[FileHash("ab" * 32, 5)],
            )
        checkpoints.make(case)
    return path


@pytest.fixture
def pdf(case_dir, tmp_path):
    target = tmp_path / "report.pdf"
    code, _out, err = custody("report", "--out", target, "--case", case_dir)
    assert code == 0, err
    return target


def text_of(data):
    document = pypdfium2.PdfDocument(data)
    text = "".join(page.get_textpage().get_text_bounded() for page in document)
    document.close()
    return text.replace("\u200b", "").replace("\r\n", "\n")


def flat(text):
    return re.sub(r"\s", "", text)


def codes(result):
    return {(finding.severity, finding.code) for finding in result.findings}


# --- what it holds ----------------------------------------------------------------------------------------------------


def test_it_is_pdf_a_3_with_the_ledger_inside(case_dir, pdf):
    from pyhanko.pdf_utils.reader import PdfFileReader

    reader = PdfFileReader(io.BytesIO(pdf.read_bytes()))
    metadata = reader.root["/Metadata"].data.decode("utf-8")
    assert re.search(r"pdfaid:part>3<|pdfaid:part=\"3\"", metadata)
    assert re.search(r"pdfaid:conformance>B<|pdfaid:conformance=\"B\"", metadata)
    (intent,) = reader.root["/OutputIntents"]
    intent = intent.get_object()
    assert intent["/S"] == "/GTS_PDFA1"
    assert intent["/DestOutputProfile"].data
    found = {str(one.get_object()["/UF"]): one.get_object() for one in reader.root["/AF"]}
    assert {"ledger.jsonl", "head", "allowed_signers", "revoked_keys", "verify.sh", "report.json"} <= found.keys()
    assert len([name for name in found if name.startswith("0000")]) == 2
    ledger = found["ledger.jsonl"]["/EF"]["/F"].data
    assert found["ledger.jsonl"]["/AFRelationship"] == "/Source"
    assert (case_dir / "ledger.jsonl").read_bytes().startswith(ledger)
    assert ledger.count(b"\n") >= 9
    assert "/Encrypt" not in reader.trailer
    for font in {str(one) for one in re.findall(rb"/BaseFont/([\w+-]+)", pdf.read_bytes())}:
        assert "+" in font  # every font is embedded as a subset


def test_all_texts_stay_texts_and_the_words_are_there(case_dir, pdf):
    shown = flat(text_of(pdf.read_bytes()))
    assert flat(HOSTILE) in shown
    for word in ["A-102", "PC-1", "𠮷田商事", "Verdict on the ledger: OK", "5f5f5f5f 5f5f5f5f", "not done", "typed"]:
        assert flat(word) in shown, word
    assert "準拠" not in shown
    for command in ["custody verify --report", "pdfsig FILE.pdf", "pdfdetach -saveall"]:
        assert flat(command) in shown


def test_the_last_estimate_of_the_clocks_stands_in_the_pages(case_dir, tmp_path):
    with open_case(case_dir) as case:
        for minutes in ("9", "11"):
            with case.action("clock", {"operation": "solve"}) as action:
                one = {
                    "sentence_ja": f"{minutes} 分 進んでいたと推定される",
                    "sentence_en": f"was {minutes} min fast",
                    "page": "timeline/clocks/001.html",
                    "sha256": "cd" * 32,
                }
                action.set_result({"clocks": {"camera:3": one}})
    target = tmp_path / "clocks.pdf"
    code, _out, err = custody("report", "--out", target, "--case", case_dir)
    assert code == 0, err
    words = flat(text_of(target.read_bytes()))
    # Every estimate stands in the timeline of custody, the last one in the section on clocks, too.
    assert words.count("was9minfast") == 1
    assert words.count("was11minfast") == 2
    assert words.count("cd" * 32) == 3
    assert custody("verify", case_dir, "--report", target)[0] == 0


def test_hostile_and_endless_texts(tmp_path):
    path = tmp_path / "case"
    texts = [
        "x" * 10_000,
        "漢" * 10_000,
        "\u202egnp.exe\u0007",
        "العربية 😀 \ue000",
        "葛\U000e0100",
        "a\n\n\nb",
        "\\u{0}",
    ]
    with init_case(path, name='"); #panic("' + "長" * 300) as case:
        for text in texts:
            case.append("note", {"text": text}, src="typed", item=text[:200])
        case.append("record.photo", {"what": HOSTILE * 20}, item="P", src="typed")
    for kind, item in [("report", ""), ("sheet", "P"), ("sheet", "x" * 200), ("exhibits", "")]:
        target = tmp_path / f"{kind}{len(item)}.pdf"
        with open_case(path) as case:
            report_pdf.write(case, target, "ja", kind=kind, item=item)
        shown = text_of(target.read_bytes())
        if kind == "report":
            assert flat(shown).count("x") >= 10_000
            assert flat(shown).count("漢") >= 10_000
            for named in ["‹U+202E›", "‹U+0007›", "‹U+1F600›", "‹U+E000›"]:
                assert named in flat(shown)
        if kind == "sheet":
            assert len(pypdfium2.PdfDocument(target)) == 1


def test_a_sheet_is_one_page_whatever_the_ledger_holds(tmp_path):
    path = tmp_path / "case"
    with init_case(path, name="x") as case:
        for number in range(60):
            body = {"number": str(number), "how": "長い説明" * 60}
            case.append("record.seal", body, item="PC-1", src="typed")
            with case.action("verify", {"image": "a"}, item="PC-1") as action:
                action.set_result({"hashes": {"sha256": "5f" * 32, "sha512": "6e" * 64}, "verdict": "match"})
        for kind, body in {
            "scene": {"place": "場" * 300, "power": "on", "screen": "画" * 300, "connections": "接" * 300},
            "item": {"kind": "種" * 300, "maker": "m" * 300, "appearance": "外" * 300},
        }.items():
            case.append(f"record.{kind}", body, item="PC-1", src="typed")
    target = tmp_path / "sheet.pdf"
    assert custody("report", "--out", target, "--sheet", "PC-1", "--case", path)[0] == 0
    assert len(pypdfium2.PdfDocument(target)) == 1
    assert "and 113 more" in text_of(target.read_bytes())
    assert custody("report", "--out", tmp_path / "no.pdf", "--sheet", "PC-9", "--case", path)[0] == 2


def test_the_same_ledger_gives_the_same_bytes(case_dir, pdf):
    found = report_check._read(pdf.read_bytes())
    facts = json.loads(found.pop("report.json"))
    made = report_check.report_facts.made_of(facts)
    first = report_pdf.pages(found, made, "en")
    assert first == report_pdf.pages(dict(reversed(found.items())), made, "en")
    assert pdf.read_bytes().startswith(first)
    assert not pdf.read_bytes().startswith(report_pdf.pages(found, made, "ja"))


def test_numbers_are_masked(tmp_path):
    path = tmp_path / "case"
    with init_case(path, name=f"件 {MY_NUMBER}") as case:
        case.append("note", {"text": f"番号 {MY_NUMBER}"}, src="typed")
    target = tmp_path / "r.pdf"
    with open_case(path) as case:
        report_pdf.write(case, target, "ja")
    shown = flat(text_of(target.read_bytes()))
    assert MY_NUMBER not in shown
    assert shown.count("********9018") >= 3


# --- signatures -------------------------------------------------------------------------------------------------------


def test_signed_by_the_operator_and_checked(case_dir, pdf):
    result = report_check.check(pdf, case_dir)
    assert (result.verdict, result.findings, result.pages) == ("ok", [], "same")
    begin = next(entry for entry in read_entries(case_dir) if entry.type == "report.begin")
    (signature,) = result.signatures
    assert (signature.named_by, signature.actor, signature.stamped) == (begin.seq, "yamada", False)
    assert begin.body["signing"][0]["certificate_sha256"] == signature.certificate_sha256
    assert result.recorded_by == begin.seq + 1
    alone = report_check.check(pdf)
    assert (alone.verdict, alone.case_entries) == ("ok", None)
    code, out, _err = custody("verify", "--report", pdf, "--case", case_dir)
    assert code == 0
    assert "equal to the byte" in out
    assert json.loads(custody("verify", "--report", pdf, "--json", cwd=pdf.parent)[1])["verdict"] == "ok"


@needs("pdfsig", "pdfdetach", "openssl", "sh", "ssh-keygen")
def test_common_tools_check_it_as_the_page_says(case_dir, pdf, tmp_path):
    shown = subprocess.run(["pdfsig", pdf], capture_output=True, text=True, check=False).stdout
    assert "Signature is Valid" in shown
    assert "Total document signed" in shown
    assert "ETSI.CAdES.detached" in shown
    fingerprint = report_check.check(pdf).fingerprint
    commands = report_pdf._STEPS[2][2].replace("{fingerprint}", fingerprint).replace("FILE.pdf", str(pdf))
    done = subprocess.run(["sh", "-c", commands], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "検証結果: OK" in done.stdout, done.stdout + done.stderr
    commands = report_pdf._STEPS[3][2].replace("FILE.pdf", pdf.name)
    done = subprocess.run(["sh", "-c", commands], cwd=tmp_path, capture_output=True, text=True, check=False)
    (signature,) = report_check.check(pdf).signatures
    assert signature.certificate_sha256 in done.stdout.lower().replace(":", "")


def test_pyhanko_finds_nothing_changed(pdf):
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation import validate_pdf_signature
    from pyhanko_certvalidator import ValidationContext

    (signature,) = PdfFileReader(io.BytesIO(pdf.read_bytes())).embedded_signatures
    context = ValidationContext(trust_roots=[signature.signer_cert], allow_fetching=False)
    status = validate_pdf_signature(signature, context)
    assert status.bottom_line
    assert status.docmdp_ok


def test_a_witness_countersigns(case_dir, pdf, tmp_path):
    target = tmp_path / "two.pdf"
    arguments = ("report", "--countersign", pdf, "--out", target, "--case", case_dir)
    code, _out, err = custody(*arguments, "--key", tmp_path / "witness")
    assert code == 0, err
    result = report_check.check(target, case_dir)
    assert (result.verdict, result.findings) == ("ok", [])
    assert [one.actor for one in result.signatures] == ["yamada", "suzuki"]
    # Without the case nobody can say whose the second one is.
    assert codes(report_check.check(target)) == {("unknown", "certificate")}
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(pdf.read_bytes() + b"\n% more")
    arguments = ("report", "--countersign", broken, "--out", tmp_path / "no.pdf", "--case", case_dir)
    assert custody(*arguments)[0] == 1
    assert not (tmp_path / "no.pdf").exists()


def pkcs12_file(path, password=b""):
    signer = report_signature.self_issued("弁護士 北", "x", "事務所")
    protection = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"k", signer.key, signer.certificate, None, protection))
    return signer


def test_certificates_of_ones_own_one_or_two(case_dir, tmp_path):
    signers = [pkcs12_file(tmp_path / f"{number}.p12", b"secret" * number) for number in (0, 1)]
    (tmp_path / "pass").write_text("secret\n")
    target = tmp_path / "r.pdf"
    given = ("--sign", tmp_path / "0.p12", "--sign", tmp_path / "1.p12")
    arguments = ("report", "--out", target, *given, "--case", case_dir)
    assert custody(*arguments)[0] == 5
    code, _out, err = custody(*arguments, "--sign-passphrase-file", tmp_path / "pass")
    assert code == 0, err
    result = report_check.check(target, case_dir)
    assert (result.verdict, result.findings) == ("ok", [])
    assert [one.certificate_sha256 for one in result.signatures] == [
        report_signature.fingerprint(signer.certificate) for signer in signers
    ]
    (tmp_path / "no.p12").write_bytes(b"rubbish")
    for bad in ("no.p12", "absent.p12"):
        assert custody("report", "--out", tmp_path / "x.pdf", "--sign", tmp_path / bad, "--case", case_dir)[0] == 5


@needs("openssl")
def test_a_time_stamp_on_the_signature(case_dir, tmp_path):
    one, two = Authority(tmp_path / "one"), Authority(tmp_path / "two")
    target = tmp_path / "r.pdf"
    with serving(one) as url:
        code, _out, err = custody("report", "--out", target, "--tsa", url, "--case", case_dir)
    assert code == 0, err
    result = report_check.check(target, case_dir, tsa_roots=[one.root])
    assert (result.verdict, result.findings) == ("ok", [])
    assert result.signatures[0].stamped
    assert codes(report_check.check(target, case_dir)) == {("unknown", "no_tsa_root")}
    assert codes(report_check.check(target, case_dir, tsa_roots=[two.root])) == {("ng", "stamp")}
    code, _out, _err = custody(
        "report", "--out", tmp_path / "x.pdf", "--tsa", "http://127.0.0.1:9/", "--case", case_dir
    )
    assert code == 2
    assert not (tmp_path / "x.pdf").exists()


def test_unsigned(case_dir, tmp_path):
    target = tmp_path / "r.pdf"
    assert custody("report", "--out", target, "--no-sign", "--case", case_dir)[0] == 0
    assert codes(report_check.check(target, case_dir)) == {("ng", "unsigned")}
    assert "no signature of its own" in text_of(target.read_bytes())


def test_usage(case_dir, pdf, tmp_path):
    for arguments in [
        ("--out", tmp_path / "a.html", "--tsa", "http://x/"),
        ("--out", tmp_path / "a.pdf", "--no-sign", "--tsa", "http://x/"),
        ("--out", tmp_path / "a.pdf", *("--sign", "x.p12") * 3),
    ]:
        assert custody("report", *arguments, "--case", case_dir)[0] == 2
    assert custody("report", "--out", pdf, "--case", case_dir)[0] == 5
    assert custody("report", "--out", tmp_path / "no" / "r.pdf", "--case", case_dir)[0] == 5
    assert custody("verify", "--report", tmp_path / "absent.pdf")[0] == 2


# --- attacks ----------------------------------------------------------------------------------------------------------


def changed(pdf, tmp_path, data):
    target = tmp_path / "changed.pdf"
    target.write_bytes(data)
    return target


def appended(data):
    """An incremental update that draws another text over the first page."""
    from pyhanko.pdf_utils import generic
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    writer = IncrementalPdfFileWriter(io.BytesIO(data))
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    while "/Kids" in page:
        page = page["/Kids"][0].get_object()
    stream = generic.StreamObject(stream_data=b"0 0 m 500 500 l S")
    contents = page.raw_get("/Contents")
    page["/Contents"] = generic.ArrayObject([contents, writer.add_object(stream)])
    writer.update_container(page)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_a_text_appended_after_signing_is_told(case_dir, pdf, tmp_path):
    data = pdf.read_bytes()
    result = report_check.check(changed(pdf, tmp_path, appended(data)), case_dir)
    assert {("ng", "appended"), ("ng", "modified"), ("ng", "not_recorded")} <= codes(result)
    result = report_check.check(changed(pdf, tmp_path, data + b"\n% nothing\n"), case_dir)
    assert ("ng", "appended") in codes(result)
    code, out, _err = custody("verify", "--report", tmp_path / "changed.pdf")
    assert code == 1
    assert "appended after the last signature" in out


@needs("pdfsig")
def test_poppler_alone_would_not_tell_but_the_words_to_look_for_do(pdf, tmp_path):
    target = changed(pdf, tmp_path, appended(pdf.read_bytes()))
    shown = subprocess.run(["pdfsig", target], capture_output=True, text=True, check=False).stdout
    assert "Signature is Valid" in shown
    assert "Not total document signed" in shown


def test_every_changed_byte_is_told(pdf, tmp_path):
    data = pdf.read_bytes()
    for number, position in enumerate(range(0, len(data), len(data) // 40)):
        bad = data[:position] + bytes([data[position] ^ (1 << number % 8)]) + data[position + 1 :]
        assert report_check.check(changed(pdf, tmp_path, bad)).verdict == "ng", position


def test_resigned_by_a_stranger(case_dir, pdf, tmp_path):
    """Same pages, same ledger, but a certificate that no entry names."""
    found = report_check._read(pdf.read_bytes())
    made = report_check.report_facts.made_of(json.loads(found.pop("report.json")))
    stranger = report_signature.self_issued("yamada", "作業者", "2026-017 𠮷田商事")
    forged = stranger.sign(report_pdf.pages(found, made, "en"), 1)
    result = report_check.check(changed(pdf, tmp_path, forged), case_dir)
    assert {("ng", "certificate"), ("ng", "signers"), ("ng", "not_recorded")} <= codes(result)


def test_pages_that_are_not_those_of_the_ledger(case_dir, tmp_path, monkeypatch):
    """The operator himself prints something else and signs it."""
    real = report_pdf.pages

    def other(taken, made, language):
        return real(taken, report_check.report_facts.Made(**{**_fields(made), "verdict": "ng"}), language).replace(
            b"/CreationDate", b"/CreationDatf"
        )

    target = tmp_path / "r.pdf"
    monkeypatch.setattr(report_pdf, "pages", other)
    assert custody("report", "--out", target, "--case", case_dir)[0] == 0
    monkeypatch.undo()
    result = report_check.check(target, case_dir)
    assert ("ng", "pages") in codes(result)
    assert result.pages == "differ"


def _fields(made):
    return {name: getattr(made, name) for name in made.__dataclass_fields__}


def test_pages_that_say_ok_over_a_broken_ledger(case_dir, tmp_path, monkeypatch):
    attacks.edit(case_dir, 4, lambda line: line.replace(b"A-102", b"A-103"))
    from chain_of_custody.verify import Verification

    monkeypatch.setattr(report_pdf, "verify_case", lambda path: Verification(path, entry_count=1))
    target = tmp_path / "r.pdf"
    assert custody("report", "--out", target, "--case", case_dir)[0] == 0
    monkeypatch.undo()
    found = codes(report_check.check(target))
    assert {("ng", "verdict"), ("ng", "ledger_signature"), ("ng", "ledger_chain")} <= found


def test_a_case_that_was_rolled_back_rewritten_or_is_another(case_dir, pdf, tmp_path):
    whole = (case_dir / "ledger.jsonl").read_bytes()
    lines = whole.splitlines(keepends=True)
    (case_dir / "ledger.jsonl").write_bytes(b"".join(lines[:5]))
    assert ("ng", "case_shorter") in codes(report_check.check(pdf, case_dir))
    (case_dir / "ledger.jsonl").write_bytes(whole.replace(b"A-102", b"A-103"))
    result = report_check.check(pdf, case_dir)
    assert ("ng", "ledger_differs") in codes(result)
    assert next(finding.seq for finding in result.findings if finding.code == "ledger_differs") == 4
    init_case(tmp_path / "other").close()
    assert ("ng", "other_case") in codes(report_check.check(pdf, tmp_path / "other"))


def test_a_case_that_does_not_know_the_file_yet(case_dir, pdf):
    listed = (case_dir / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    end = next(i for i, line in enumerate(listed) if b'"report.end"' in line)
    (case_dir / "ledger.jsonl").write_bytes(b"".join(listed[:end]))
    assert codes(report_check.check(pdf, case_dir)) == {("unknown", "not_recorded")}


def test_made_by_another_version(case_dir, pdf, monkeypatch):
    monkeypatch.setattr(report_pdf, "typst_version", lambda: "9.9")
    result = report_check.check(pdf, case_dir)
    assert (result.verdict, result.pages) == ("ok", "other_version")
    assert codes(result) == {("note", "other_version")}


@pytest.mark.parametrize(
    "data",
    [b"", b"%PDF-1.7\n", b"rubbish" * 100, b"%PDF-1.7\n1 0 obj\n<</AF 1 0 R>>\nendobj\ntrailer<</Root 1 0 R>>\n%%EOF"],
)
def test_what_is_no_report(tmp_path, data):
    path = tmp_path / "x.pdf"
    path.write_bytes(data)
    result = report_check.check(path)
    assert result.verdict == "ng"
    assert codes(result) <= {("ng", "not_a_report"), ("ng", "no_ledger")}


def test_a_bomb_inside_is_refused(monkeypatch):
    class Stream(dict):
        encoded_data = zlib.compress(b"\0" * 50_000_000)

    with pytest.raises(ValueError, match="more data"):
        report_check._inflated(Stream({"/Filter": "/FlateDecode"}), 1000)


def test_names_of_enclosed_files_lead_nowhere(tmp_path):
    for name in ("../x", "/etc/x", "a/b", ".hidden", "a\\b"):
        with pytest.raises(Exception, match="bad name"):
            report_check._unpack({name: b""}, tmp_path / hashlib.sha256(name.encode()).hexdigest())


def test_the_program_starts_without_typst_and_pyhanko():
    code = (
        "import sys, chain_of_custody.cli; "
        "print(sorted({'typst', 'pyhanko', 'cryptography', 'asn1crypto'} & set(sys.modules)))"
    )
    import sys

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
