"""Make `sample.E01`: the disk of an invented office laptop, with synthetic My Numbers in places where they hide.

    python examples/make_sample.py [FOLDER]

Needs mkntfs, ntfs-3g (FUSE) and ewfacquire, and the packages openpyxl, python-docx and reportlab. The clear numbers
come from the seed below and stand nowhere else; `expected.json` lists what must be found, masked. The content is the
same on every run; a few time stamps inside NTFS' own metadata and in the E01 header are those of the run.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "benchmarks"))

import corpus_disks as disks  # noqa: E402 - the folder of the generator is no package
import corpus_documents as documents  # noqa: E402
from corpus_numbers import FULLWIDTH, Numbers, Person, grouped, mask, person  # noqa: E402

SEED = 20250110
DISK_SIZE = 24 * disks.MIB
PARTITION_OFFSET = disks.MIB
PARTITION_SIZE = 22 * disks.MIB
HOME = "/Users/soumu"


@dataclass(frozen=True, slots=True)
class Expected:
    """One number that must be found: where, in which state, and what may be shown of it."""

    masked: str
    path: str
    container: str
    state: str
    place: str
    confidence: str
    """The least confidence a good judge gives it."""


class Sample:
    """Collects the files of the laptop and what must be found in them."""

    def __init__(self) -> None:
        self.rng = random.Random(SEED)
        self.numbers = Numbers(self.rng)
        self.files: list[disks.DiskFile] = []
        self.expected: list[Expected] = []

    def put(self, path: str, data: bytes, how: disks.How = "plain") -> None:
        """Put one file on the disk."""
        self.files.append(disks.DiskFile(path, data, how))

    def expect(
        self,
        digits: str,
        path: str,
        place: str,
        *,
        container: str = "",
        state: str = "allocated",
        confidence: str = "high",
    ) -> None:
        """Note one number that must be found."""
        self.expected.append(Expected(mask(digits), path, container, state, place, confidence))

    def staff(self, count: int) -> list[tuple[Person, str]]:
        """Invented employees with their synthetic numbers."""
        return [(person(self.rng), self.numbers.my_number()) for _ in range(count)]


def payroll(sample: Sample) -> None:
    """What the payroll clerk keeps: workbook, roster, form, letter."""
    staff = sample.staff(8)
    path = f"{HOME}/Documents/給与/扶養控除等申告書.xlsx"
    rows: list[list[str | int | float]] = [["社員番号", "氏名", "生年月日", "個人番号", "提出日"]]
    rows += [[who.staff_number, who.name, who.birth, number, "2025-01-10"] for who, number in staff]
    spouse, spouse_number = person(sample.rng), sample.numbers.my_number("0")
    hidden: list[list[str | int | float]] = [
        ["続柄", "氏名", "マイナンバー"],
        ["配偶者", spouse.name, int(spouse_number)],
    ]
    sample.put(path, documents.xlsx([("令和7年分", rows), ("控", hidden)], hidden=("控",), formats="0"))
    for _, number in staff:
        sample.expect(number, path, "xlsx, column under a header")
    sample.expect(spouse_number, path, "xlsx, hidden sheet, stored as a number that lost its leading zero")

    staff = sample.staff(6)
    path = f"{HOME}/Documents/給与/社員台帳.csv"
    lines = ["社員番号,氏名,電話,個人番号,住所"]
    lines += [f"{who.staff_number},{who.name},{sample.numbers.phone()},{number},{who.address}" for who, number in staff]
    sample.put(path, "".join(f"{line}\r\n" for line in lines).encode("cp932"))
    for _, number in staff:
        sample.expect(number, path, "CSV in CP932, column under a header")

    who, number = sample.staff(1)[0]
    path = f"{HOME}/Documents/給与/源泉徴収票_控.pdf"
    sample.put(
        path,
        documents.pdf(
            ["令和6年分 給与所得の源泉徴収票", f"支払を受ける者 氏名 {who.name}"], boxed=[("個人番号", number)]
        ),
    )
    sample.expect(number, path, "PDF, one digit in each box")

    who, number = sample.staff(1)[0]
    path = f"{HOME}/Documents/入社手続きのお願い.docx"
    cut = grouped(number, "-")
    sample.put(
        path,
        documents.docx(
            [
                ["入社手続きについて"],
                [f"{who.name} 様のマイナンバーは ", cut[:6], cut[6:9], cut[9:], " と伺っております。"],
            ],
            table=[["氏名", "雇用保険被保険者番号"], [who.name, "5012-345678-9"]],
        ),
    )
    sample.expect(number, path, "docx, number cut into runs")


def mail_and_archives(sample: Sample) -> None:
    """A mail with an attachment, a zip from a colleague, and a zip that is locked."""
    body_person, body_number = sample.staff(1)[0]
    attached = sample.staff(3)
    path = f"{HOME}/AppData/Local/Mail/個人番号のご連絡.eml"
    csv = "氏名,個人番号\r\n" + "".join(f"{who.name},{number}\r\n" for who, number in attached)
    sample.put(
        path,
        documents.mail(
            "個人番号のご連絡",
            f"総務部御中\r\n{body_person.name}です。個人番号は{grouped(body_number, '-')}です。\r\n"
            "家族の分は添付のとおりです。\r\n",
            charset="iso-2022-jp",
            transfer="7bit",
            attachments=[("家族.csv", csv.encode("cp932"))],
        ),
    )
    sample.expect(body_number, path, "mail body in ISO-2022-JP")
    for _, number in attached:
        sample.expect(
            number, path, "mail attachment in base64, CSV in CP932", container="個人番号のご連絡.eml!/家族.csv"
        )

    staff = sample.staff(2)
    path = f"{HOME}/Downloads/支払調書.zip"
    memo = "".join(f"{who.name} 個人番号:{grouped(number, ' ').translate(FULLWIDTH)}\r\n" for who, number in staff)
    inner = documents.zip_file([("税理士報酬/マイナンバー控.txt", memo.encode("cp932"))], cp932=True)
    sample.put(
        path, documents.zip_file([("令和6年/支払調書一式.zip", inner), ("readme.txt", b"see zip\r\n")], cp932=True)
    )
    for _, number in staff:
        sample.expect(
            number,
            path,
            "zip in zip, CP932 names, full-width digits",
            container="支払調書.zip!/令和6年/支払調書一式.zip!/税理士報酬/マイナンバー控.txt",
        )
    locked = "氏名,個人番号\r\n" + "".join(f"{who.name},{number}\r\n" for who, number in sample.staff(2))
    sample.put(f"{HOME}/Downloads/locked.zip", documents.zip_encrypted("名簿.csv", locked.encode("cp932"), "mihon2025"))


def hidden_places(sample: Sample) -> None:
    """Deleted, resident, stream, compressed, unallocated."""
    staff = sample.staff(40)
    path = f"{HOME}/Desktop/個人番号一覧_提出用.csv"
    lines = ["No,氏名,個人番号,備考"]
    lines += [f"{row},{who.name},{number},{who.address}" for row, (who, number) in enumerate(staff, 1)]
    sample.put(path, "".join(f"{line}\r\n" for line in lines).encode("cp932"), "deleted")
    for _, number in staff:
        sample.expect(number, path, "deleted CSV, content intact", state="deleted")

    who, number = sample.staff(1)[0]
    path = f"{HOME}/Desktop/付箋.txt"
    sample.put(path, f"{who.name}さん マイナンバー {grouped(number, ' ')}\r\n".encode(), "deleted")
    sample.expect(number, path, "deleted file whose content lies in its MFT record", state="deleted")

    who, number = sample.staff(1)[0]
    path = f"{HOME}/Documents/メモ.txt"
    sample.put(path, f"扶養の件。{who.name} 個人番号 {number}\r\n".encode("utf-16"))
    sample.expect(number, path, "resident text in UTF-16LE")

    who, number = sample.staff(1)[0]
    sample.put(f"{HOME}/Documents/議事録.txt", "議題: 年末調整の準備\r\n".encode())
    path = f"{HOME}/Documents/議事録.txt:memo"
    sample.put(path, f"個人番号 {grouped(number, '-')}({who.name})\r\n".encode("cp932"))
    sample.expect(number, path, "alternate data stream")

    staff = sample.staff(30)
    path = f"{HOME}/Documents/保管/給与支払報告書.txt"
    lines = [f"{row:03d} {who.name} 個人番号 {number} {who.address}" for row, (who, number) in enumerate(staff, 1)]
    sample.put(path, "".join(f"{line}\r\n" for line in lines).encode("cp932"), "compressed")
    for _, number in staff:
        sample.expect(number, path, "file compressed by NTFS")

    staff = sample.staff(5)
    text = "年末調整の下書き(未提出)\r\n"
    text += "".join(f"氏名:{who.name} 個人番号:{grouped(number, '-')} 住所:{who.address}\r\n" for who, number in staff)
    text += "以上、扶養控除等申告書より転記。\r\n" * 40
    sample.put(f"{HOME}/Documents/下書き.txt", text.encode("cp932"), "overwritten")
    for _, number in staff:
        sample.expect(number, "", "unallocated clusters of a file whose MFT record was used again", state="unallocated")


def decoys(sample: Sample) -> None:
    """Numbers that are no My Numbers; many pass the check of one."""
    rng, numbers = sample.rng, sample.numbers
    lines = ["注文番号,商品コード(JAN),数量,受注日時,追跡番号,取引先法人番号"]
    lines += [
        f"{numbers.digits(12, passing=rng.random() < 0.2)},{numbers.jan()},{rng.randrange(1, 20)},"
        f"{numbers.timestamp(passing=rng.random() < 0.2)},{numbers.tracking(passing=rng.random() < 0.2)},"
        f"{numbers.corporate()}"
        for _ in range(60)
    ]
    sample.put(f"{HOME}/Documents/受注/受注一覧.csv", "".join(f"{line}\r\n" for line in lines).encode("cp932"))
    licence_rows: list[list[str | int | float]] = [["氏名", "運転免許証番号", "有効期限"]]
    licence_rows += [[person(rng).name, numbers.licence(passing=rng.random() < 0.3), "2028-04-01"] for _ in range(20)]
    sample.put(f"{HOME}/Documents/車両/運転者台帳.xlsx", documents.xlsx([("運転者", licence_rows)]))
    log = [f"{numbers.timestamp(passing=rng.random() < 0.2)} sync: session {numbers.uuid()} ok" for _ in range(80)]
    sample.put(f"{HOME}/AppData/Local/Sync/sync.log", "".join(f"{line}\r\n" for line in log).encode())
    sample.put(f"{HOME}/AppData/Local/Sync/state.bin", b"000000000000" * 400 + bytes(range(256)) * 8)
    code = "".join(
        f"    0x{rng.getrandbits(48):012x}, {rng.random():.12f}, /* {rng.getrandbits(32)} */\r\n" for _ in range(60)
    )
    sample.put(f"{HOME}/Documents/ツール/table.c", f"static const double T[] = {{\r\n{code}}};\r\n".encode())
    sample.put(
        f"{HOME}/Documents/給与/記入例.txt",
        "【見本】個人番号欄の書き方\r\n例: 123456789012 (12桁の数字を左詰めで記入)\r\n法人番号 "
        f"{numbers.corporate()} の記入は不要です。\r\n".encode("cp932"),
    )


def build(folder: Path) -> None:
    """Make sample.E01 and expected.json in `folder`."""
    sample = Sample()
    payroll(sample)
    mail_and_archives(sample)
    hidden_places(sample)
    decoys(sample)
    with tempfile.TemporaryDirectory(prefix="sample-") as work:
        partition = Path(work) / "windows.ntfs"
        disk = Path(work) / "sample.dd"
        disks.make_ntfs(
            partition, PARTITION_SIZE, sample.files, serial=0x20250110_5A3C7E91, label="Windows", start_sector=2048
        )
        disks.assemble(
            disk,
            DISK_SIZE,
            [disks.Partition("ntfs", partition, PARTITION_OFFSET, PARTITION_SIZE)],
            scheme="gpt",
            serial=0x20250110,
        )
        for old in folder.glob("sample.E01"):
            old.unlink()
        subprocess.run(
            [
                "ewfacquire", "-u", "-q", "-c", "best", "-f", "encase6", "-S", "1500000", "-t", str(folder / "sample"),
                "-C", "HOZEN-SAMPLE", "-E", "1", "-D", "invented office laptop, synthetic numbers", "-e", "hozen",
                "-N", "examples/make_sample.py", "-m", "fixed", "-M", "physical", "-d", "sha1", str(disk),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
    listed = {
        "image": "sample.E01",
        "note": "Synthetic numbers of invented persons, masked; the clear ones follow from the seed of make_sample.py.",
        "must_be_reported_unreadable": [{"path": f"{HOME}/Downloads/locked.zip", "reason": "encrypted"}],
        "numbers": len(sample.expected),
        "expected": [
            {
                "masked": each.masked,
                "path": each.path,
                "container": each.container,
                "state": each.state,
                "place": each.place,
                "confidence_at_least": each.confidence,
            }
            for each in sample.expected
        ],
    }
    (folder / "expected.json").write_text(json.dumps(listed, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
