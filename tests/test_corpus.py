"""The corpus generator: the same seed gives the same truth, and the truth is really on the disks it makes."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import needs

pytest.importorskip("docx", reason="the generator writes Word files with python-docx")
pytest.importorskip("openpyxl", reason="the generator writes workbooks with openpyxl")
pytest.importorskip("pptx", reason="the generator writes slides with python-pptx")
pytest.importorskip("reportlab", reason="the generator writes PDF with reportlab")
pytest.importorskip("xlsxwriter", reason="the generator writes workbooks with xlsxwriter")
pytest.importorskip("xlwt", reason="the generator writes Excel 97 files with xlwt")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "examples")]

import corpus  # noqa: E402
import corpus_decoys  # noqa: E402
import corpus_documents as documents  # noqa: E402
import corpus_numbers as numbers  # noqa: E402
import corpus_places  # noqa: E402
import corpus_unseen  # noqa: E402
import make_sample  # noqa: E402
import recall  # noqa: E402

if TYPE_CHECKING:
    from corpus_disks import Kind

NTFS_TOOLS = needs("mkntfs", "ntfs-3g", "fusermount3")


@pytest.fixture(scope="module")
def full_plan() -> corpus_places.Planter:
    return corpus.plan(7, "ntfs", documents=0, decoys=8000)


def test_check_digit_against_published_numbers() -> None:
    assert numbers.is_valid("123456789018")
    assert numbers.is_valid("621498320257")
    assert not numbers.is_valid("123456789012")
    assert not numbers.is_valid("１２３４５６７８９０１８")


def test_numbers_against_stdnum(full_plan: corpus_places.Planter) -> None:
    stdnum = pytest.importorskip("stdnum.jp.in_", reason="python-stdnum is the oracle")
    from stdnum import ean, luhn
    from stdnum.jp import cn

    truths = full_plan.truths + [piece.truth for piece in full_plan.raw if piece.truth]
    assert all(stdnum.is_valid(truth.digits) for truth in truths)
    assert all(decoy.passing == stdnum.is_valid(decoy.digits) for decoy in full_plan.decoys if len(decoy.digits) == 12)
    draw = full_plan.numbers
    for _ in range(200):
        assert cn.is_valid(draw.corporate())
        assert luhn.is_valid(draw.card())
        assert ean.is_valid(draw.jan())
        assert ean.is_valid(draw.upc())


def test_the_corpus_is_as_varied_as_promised(full_plan: corpus_places.Planter) -> None:
    truths = full_plan.truths + [piece.truth for piece in full_plan.raw if piece.truth]
    # 7z and some images need writers that are not everywhere.
    promised = {kind.name for kind in (*corpus.all_kinds("ntfs"), *corpus.MEDIA_KINDS)}
    missing = promised - {truth.kind for truth in truths}
    assert missing <= {"7z", "image in a file vmdk", "image in a file vhdx", "carved xls", "carved sqlite"}
    assert len(promised) > 150
    assert len(full_plan.decoys) > 7000
    kinds = (*corpus_decoys.DECOYS, *corpus_unseen.DECOYS)
    assert {decoy.kind for decoy in full_plan.decoys} == {kind.name for kind in kinds}
    assert sum(decoy.passing for decoy in full_plan.decoys) > 1500
    # No number is planted twice, and none is a decoy as well.
    assert max(Counter(truth.digits for truth in truths).values()) == 1
    assert not {truth.digits for truth in truths} & {decoy.digits for decoy in full_plan.decoys}


def test_names_of_kinds_are_unique() -> None:
    places = [kind.name for kind in (*corpus.all_kinds("ntfs"), *corpus.MEDIA_KINDS)]
    for names in (places, [kind.name for kind in (*corpus_decoys.DECOYS, *corpus_unseen.DECOYS)]):
        assert len(set(names)) == len(names)
    assert set(places) > corpus.RAW_KINDS


def test_same_seed_same_content() -> None:
    one, two, other = (corpus.plan(seed, "ntfs", documents=0, decoys=300) for seed in (3, 3, 4))
    assert one.truths == two.truths
    assert one.decoys == two.decoys
    assert [(file.path, file.how) for file in one.files] == [(file.path, file.how) for file in two.files]
    different = [a.path for a, b in zip(one.files, two.files, strict=True) if a.content() != b.content()]
    # SQLite's logs, 7z and the images of qemu-img hold times and random identifiers of their own.
    assert [path for path in different if not path.endswith(("-wal", ".7z", ".vmdk", ".vhdx"))] == []
    assert {truth.digits for truth in one.truths}.isdisjoint(truth.digits for truth in other.truths)


def test_more_documents_on_demand() -> None:
    planter = corpus.plan(5, "fat32", documents=150, decoys=100)
    assert 150 <= len(planter.files) - len({decoy.path for decoy in planter.decoys if decoy.path}) < 230


def read_disk(image: Path) -> tuple[object, bytes]:
    pytsk3 = pytest.importorskip("pytsk3")
    return pytsk3.FS_Info(pytsk3.Img_Info(str(image)), offset=corpus.GAP), image.read_bytes()


def check_image(made: corpus.Corpus, planter: corpus_places.Planter) -> object:
    """Files read back as planted; raw pieces at the offsets of the truth, in clusters of the state it names."""
    filesystem, media = read_disk(made.image)
    for file in planter.files:
        if file.how not in ("plain", "compressed", "fragmented") or file.raw_name is not None:
            continue
        path, _, stream = file.path.partition(":")
        opened = filesystem.open(path)
        if stream:
            attribute = next(each for each in opened if each.info.name == stream.encode())
            found = opened.read_random(0, attribute.info.size, attribute.info.type, attribute.info.id)
        else:
            found = opened.read_random(0, opened.info.meta.size)
        assert found == file.content(), path
    # What lies in a file that is carved is not there to be read as it is.
    placed = [truth for truth in made.truths if truth.offset is not None and not truth.state.startswith("carved")]
    wanted = corpus.RAW_KINDS & {kind.name for kind in corpus.all_kinds(planter.filesystem)}
    assert {truth.kind for truth in placed} == {kind for kind in wanted if not kind.startswith("carved")}
    for truth in placed:
        size = len(truth.digits.encode(truth.encoding))
        assert media[truth.offset : truth.offset + size].decode(truth.encoding) == truth.digits, truth.kind
    lines = made.image.with_suffix(".truth.jsonl").read_text(encoding="utf-8").splitlines()
    assert [corpus_places.Truth(**json.loads(line)) for line in lines] == list(made.truths)
    return filesystem


def build(folder: Path, filesystem: Kind) -> tuple[corpus.Corpus, corpus_places.Planter]:
    try:
        made = corpus.build(folder, 11, filesystem, decoys=200)
    except RuntimeError as error:
        if "fuse" in str(error).lower():
            pytest.skip(f"FUSE cannot be used here: {error}")
        raise
    return made, made.planter


@NTFS_TOOLS
def test_ntfs_holds_the_truth(tmp_path: Path) -> None:
    made, planter = build(tmp_path, "ntfs")
    filesystem = check_image(made, planter)
    import pytsk3

    media = made.image.read_bytes()
    by_how = {file.how: file for file in planter.files}
    runs = {
        how: [
            (part.addr, part.len)
            for each in filesystem.open(by_how[how].path)
            if each.info.type == 128
            for part in each
        ]
        for how in ("fragmented", "compressed")
    }
    assert len(runs["fragmented"]) >= 4
    assert runs["compressed"][0][1] < len(by_how["compressed"].content()) // 4096
    # Across the border of a fragment and over bytes 510-511 no search of raw media finds the number.
    for how, kind in (("fragmented", "fragmented"), ("fixup", "bytes 510-511 of an MFT sector")):
        digits = [truth.digits.encode() for truth in made.truths if truth.kind == kind]
        assert digits
        assert not [each for each in digits if each in media]
        meta = filesystem.open(by_how[how].path)
        assert all(each in meta.read_random(0, meta.info.meta.size) for each in digits)
    # Deleted files come back by a walk over all records, and only so; the overwritten one by nothing but its clusters.
    deleted = set()
    for number in range(filesystem.info.last_inum):
        try:
            meta = filesystem.open_meta(number)
        except OSError:
            continue
        if int(meta.info.meta.flags) & pytsk3.TSK_FS_META_FLAG_UNALLOC and meta.info.meta.size:
            deleted.add(meta.read_random(0, meta.info.meta.size))
    for file in planter.files:
        if file.how in ("deleted", "deleted_folder"):
            assert file.content() in deleted, file.path
        if file.how == "overwritten":
            assert file.content() not in deleted
            assert file.content() in media


@needs("mke2fs", "debugfs", "dumpe2fs")
def test_ext4_holds_the_truth(tmp_path: Path) -> None:
    made, planter = build(tmp_path, "ext4")
    check_image(made, planter)
    names = [truth.path for truth in made.truths if truth.kind == "name that is not UTF-8"]
    assert re.search(r"/%8B%8B.*\.txt$", names[0])


@needs("mkfs.fat", "mcopy", "mdel", "mrd")
def test_fat32_holds_the_truth(tmp_path: Path) -> None:
    made, planter = build(tmp_path, "fat32")
    check_image(made, planter)


@needs("pdftotext")
@pytest.mark.parametrize("form", [{}, {"glyph_by_glyph": True}])
def test_pdf_can_be_read_by_another_reader(tmp_path: Path, form: dict[str, bool]) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(documents.pdf(["個人番号 123456789018"], **form))
    text = subprocess.run(["pdftotext", "-enc", "UTF-8", path, "-"], capture_output=True, check=True, text=True).stdout
    assert "個人番号 123456789018" in text


def test_locked_zip_opens_with_its_password_only() -> None:
    archive = zipfile.ZipFile(io.BytesIO(documents.zip_encrypted("名簿.csv", b"123456789018", "secret")))
    (member,) = archive.infolist()
    assert archive.read(member, pwd=b"secret") == b"123456789018"
    with pytest.raises(RuntimeError, match="password required"):
        archive.read(member)


@NTFS_TOOLS
@needs("ewfacquire", "ewfverify")
def test_the_sample_can_be_made_again(tmp_path: Path) -> None:
    make_sample.build(tmp_path)
    subprocess.run(["ewfverify", "-q", tmp_path / "sample.E01"], check=True, capture_output=True)
    committed = ROOT / "examples" / "expected.json"
    assert (tmp_path / "expected.json").read_bytes() == committed.read_bytes()


def test_the_sample_is_small_and_its_list_is_masked() -> None:
    assert (ROOT / "examples" / "sample.E01").stat().st_size < 1_000_000
    text = (ROOT / "examples" / "expected.json").read_text(encoding="utf-8")
    assert not re.search(r"\d{12}", text)
    listed = json.loads(text)
    assert listed["numbers"] == len(listed["expected"]) == 101


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "cp932", "euc_jp"])
@pytest.mark.parametrize("written", ["123456789018", "1234-5678-9018", "１２３４　５６７８　９０１８"])
def test_offsets_are_checked_in_every_encoding(encoding: str, written: str) -> None:
    media = b"\0" * 100 + written.encode(encoding) + b"\0" * 500
    assert recall.lies_at(media, 100, "123456789018")
    assert not recall.lies_at(media, 102, "123456789018")
    assert not recall.lies_at(media, 100, "621498320257")


def test_offsets_at_the_end_of_a_sector() -> None:
    whole = b"\0" * 510 + "123456789018".encode("utf-16-be") + b"\0" * 500
    assert recall.lies_at(whole, 510, "123456789018")
    # In an MFT record a sequence number stands where the first two digits were.
    record = b"\0" * 510 + b"\x07\x00" + b"3456789018" + b"\0" * 500
    assert recall.lies_at(record, 510, "123456789018")
    assert not recall.lies_at(record, 510, "621498320257")


def test_recall_counts_hits_misses_and_false_alarms(tmp_path: Path) -> None:
    image = tmp_path / "x.dd"
    image.write_bytes(b"123456789018" + b"\0" * 600)

    def truth(digits: str, kind: str) -> corpus_places.Truth:
        return corpus_places.Truth(kind, digits, "/a.csv", "", "allocated", "12 digits", "utf-8", "high")

    def line(digits: str, confidence: str, state: str = "allocated", offset: int | None = None) -> dict[str, object]:
        return {
            "hmac": digits[::-1], "masked": numbers.mask(digits), "confidence": confidence, "state": state,
            "path": "/a.csv", "container": "", "location": "", "offset": offset, "encoding": "utf-8", "reasons": [],
        }  # fmt: skip

    scanned = recall.Scanned(
        "x", image, [truth("123456789018", "found"), truth("621498320257", "unsure"), truth("100000000005", "missed")],
        [corpus_places.Decoy("orders", "9123456789018", "/b.csv", passing=True)],
        [
            line("123456789018", "high", offset=0), line("123456789018", "low", offset=20),
            line("621498320257", "low", "deleted"), line("912345678901", "medium"),
        ],
        [], lambda digits: digits[::-1], 1.0, 1.0, 1.0, 0,
    )  # fmt: skip
    outcome = recall.Outcome()
    recall.judge(scanned, outcome)
    assert (outcome.total.planted, outcome.total.found, outcome.total.sure, outcome.total.state_right) == (3, 2, 1, 1)
    assert outcome.kinds["missed"].found == 0
    assert outcome.right == {"high": 1, "low": 2}
    assert outcome.false_kinds["medium"] == {"orders": 1}
    assert (outcome.offsets_checked, outcome.offsets_wrong) == (2, 1)
    data, text = recall.report(outcome, [scanned])
    assert data["total"]["found"] == 2
    assert "| missed **miss** | 1 | 0.0 % |" in text
    assert not re.search(r"\d{12}", "\n".join(outcome.notes))
