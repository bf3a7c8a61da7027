"""The places where My Numbers are planted: one named kind each, with what a perfect finder reports there.

`KINDS` lists them all on one screen at the end of the file. A kind is a function that puts one file (or one raw piece
of media) on the planter's disk and notes each number in it.
"""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import corpus_documents as documents
from corpus_disks import DiskFile, How, Kind
from corpus_numbers import FULLWIDTH, KANJI, Numbers, Person, grouped, is_valid, person

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Confidence = Literal["high", "medium", "low"]
RawPlace = Literal["unallocated", "slack", "gap", "log_file", "mft_slack"]
Rows = list[list[str | int | float]]
FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")

SENTENCES = (
    "平素より大変お世話になっております。",
    "標記の件について、下記のとおりご連絡いたします。",
    "年末調整の書類は今月末までに総務部へ提出してください。",
    "添付の資料をご確認のうえ、ご返信をお願いいたします。",
    "次回の定例会議は第二会議室で行います。",
    "経費精算の締め切りは毎月二十五日です。",
    "税理士からの指摘を受けて、様式を一部改めました。",
    "書類は鍵のかかる棚に保管し、用が済んだら裁断します。",
    "担当者が不在の場合は代表電話までご連絡ください。",
    "健康診断の結果は本人に直接お渡しします。",
    "住所が変わった方は変更届を出してください。",
    "前回の議事録に誤りがありましたので訂正します。",
    "ご不明な点がございましたら遠慮なくお問い合わせください。",
    "社会保険の手続きには一週間ほどかかります。",
    "新しい様式は共有フォルダーに置いてあります。",
    "なお、本件は社外秘の扱いとさせていただきます。",
)
FOLDERS = (
    "/Users/soumu/Documents",
    "/Users/soumu/Documents/人事",
    "/Users/soumu/Documents/給与/2024年",
    "/Users/soumu/Documents/税務/法定調書",
    "/Users/soumu/Desktop",
    "/Users/soumu/Desktop/作業中",
    "/Users/soumu/Downloads",
    "/Users/keiri/Documents/取引先",
    "/Users/keiri/AppData/Local/Temp",
    "/共有/総務/保管",
)
WRITTEN: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("12 digits", str),
    ("4-4-4 space", lambda d: grouped(d, " ")),
    ("4-4-4 hyphen", lambda d: grouped(d, "-")),
    ("4-4-4 full-width hyphen", lambda d: grouped(d, "－")),
    ("4-4-4 U+2010", lambda d: grouped(d, "‐")),
    ("4-4-4 U+2212", lambda d: grouped(d, "−")),
    ("4-4-4 U+2013", lambda d: grouped(d, "–")),
    ("4-4-4 U+3000", lambda d: grouped(d, "\u3000")),
    ("4-4-4 U+00A0", lambda d: grouped(d, "\u00a0")),
    ("4-4-4 dot", lambda d: grouped(d, ".")),
    ("full-width", lambda d: d.translate(FULLWIDTH)),
    ("full-width 4-4-4 hyphen", lambda d: grouped(d, "－").translate(FULLWIDTH)),
    ("full-width 4-4-4 U+3000", lambda d: grouped(d, "\u3000").translate(FULLWIDTH)),
    ("digits apart by spaces", " ".join),
)
ENCODINGS = ("utf-8", "utf-8-sig", "cp932", "euc_jp", "iso2022_jp", "utf-16", "utf-16-be", "utf-16-le")
"""`utf-16` has a byte order mark, the other two have none."""


@dataclass(frozen=True, slots=True)
class Truth:
    """One planted number and what must be said about it."""

    kind: str
    digits: str = field(repr=False)
    path: str
    """Path in the file system; "" where there is none."""
    container: str
    """Path inside the file, as in findings: `a.zip!/b.csv` without the outer file."""
    state: str
    """allocated, deleted, unallocated, slack, metadata or outside; several that are right are divided by `|`."""
    written: str
    encoding: str
    minimum: Confidence
    offset: int | None = None
    """Byte offset in the media, where the number was written into the finished image."""

    def line(self) -> str:
        """The truth as a JSON line."""
        return json.dumps(asdict(self), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Decoy:
    """A number that is no My Number. `digits` may be longer than twelve: any twelve in a row count as this decoy."""

    kind: str
    digits: str
    path: str
    passing: bool
    """Whether it passes the check of a My Number; of longer ones, whether any twelve in a row do."""

    def line(self) -> str:
        """The decoy as a JSON line."""
        return json.dumps(asdict(self), ensure_ascii=False)


@dataclass(slots=True)
class RawPiece:
    """Bytes for the finished image; `at` is the position of the number in `data`."""

    place: RawPlace
    data: bytes = field(repr=False)
    at: int
    truth: Truth | None
    """None for a decoy."""


class Planter:
    """Collects files, raw pieces and truths for one disk; the seed decides everything."""

    def __init__(self, seed: int, filesystem: Kind) -> None:
        self.filesystem = filesystem
        self.rng = random.Random(f"places {seed} {filesystem}")
        self.numbers = Numbers(self.rng)
        self.files: list[DiskFile] = []
        self.raw: list[RawPiece] = []
        self.truths: list[Truth] = []
        self.decoys: list[Decoy] = []
        self.kind = ""

    def put(
        self,
        stem: str,
        ending: str,
        data: bytes,
        *,
        how: How = "plain",
        folder: str = "",
        stream: str = "",
        raw_name: bytes | None = None,
    ) -> str:
        """Put a file on the disk under a name of its own; its path."""
        parent = folder or self.rng.choice(FOLDERS)
        path = f"{parent}/{stem}_{len(self.files):05d}.{ending}"
        if stream:
            self.files.append(DiskFile(path, self.prose(3).encode("cp932")))
            path = f"{path}:{stream}"
        self.files.append(DiskFile(path, data, how, raw_name))
        return path

    def note(
        self,
        digits: str,
        path: str,
        *,
        container: str = "",
        state: str = "allocated",
        written: str = "12 digits",
        encoding: str = "",
        minimum: Confidence = "high",
    ) -> Truth:
        """Note one planted number."""
        truth = Truth(self.kind, digits, path, container, state, written, encoding, minimum)
        self.truths.append(truth)
        return truth

    def bait(self, digits: str, path: str) -> None:
        """Note one decoy."""
        windows = (digits[start : start + 12] for start in range(len(digits) - 11))
        self.decoys.append(Decoy(self.kind, digits, path, any(map(is_valid, windows))))

    def number(self, first: str = "") -> str:
        """A new number."""
        return self.numbers.my_number(first)

    def staff(self, count: int) -> list[tuple[Person, str]]:
        """Invented persons with their numbers."""
        return [(person(self.rng), self.number()) for _ in range(count)]

    def prose(self, count: int) -> str:
        """`count` lines of office Japanese without any number."""
        return "".join(f"{self.rng.choice(SENTENCES)}\r\n" for _ in range(count))


# --- Plain text -------------------------------------------------------------------------------------------------------


def text_in(encoding: str) -> Callable[[Planter], None]:
    """Text in `encoding`, a labelled number in each written form that the encoding can hold."""

    def make(planter: Planter) -> None:
        lines, planted = [planter.prose(12)], []
        for written, write in WRITTEN:
            digits = planter.number()
            line = f"{person(planter.rng).name} 個人番号:{write(digits)}\r\n"
            try:
                line.encode(encoding)
            except UnicodeEncodeError:
                continue
            lines += [line, planter.prose(2)]
            planted.append((digits, written))
        path = planter.put("控え", "txt", "".join(lines).encode(encoding))
        for digits, written in planted:
            planter.note(digits, path, written=written, encoding=encoding)

    return make


def label(before: str, after: str, *, minimum: Confidence = "high") -> Callable[[Planter], None]:
    """One number in prose with a label before or behind it at some distance."""

    def make(planter: Planter) -> None:
        encoding = planter.rng.choice(("utf-8", "cp932"))
        digits = planter.number()
        written, write = planter.rng.choice(WRITTEN[:3])
        text = planter.prose(15) + f"{before}{write(digits)}{after}\r\n" + planter.prose(10)
        path = planter.put("連絡", "txt", text.encode(encoding))
        planter.note(digits, path, written=written, encoding=encoding, minimum=minimum)

    return make


def number_list(planter: Planter) -> None:
    """Numbers one below the other without a word about what they are: only their check digits tell."""
    staff = planter.staff(25)
    path = planter.put("list", "txt", "".join(f"{digits}\r\n" for _, digits in staff).encode())
    for _, digits in staff:
        planter.note(digits, path, encoding="utf-8", minimum="medium")


def kanji(planter: Planter) -> None:
    """The digits as kanji numerals after a label."""
    digits = planter.number()
    text = planter.prose(15) + f"マイナンバー {digits.translate(KANJI)}\r\n" + planter.prose(3)
    path = planter.put("控え", "txt", text.encode("cp932"))
    planter.note(digits, path, written="kanji", encoding="cp932")


def digit_per_line(planter: Planter) -> None:
    """One digit on each line, as text copied from a form with boxes."""
    digits = planter.number()
    text = planter.prose(15) + "個人番号\r\n" + "".join(f"{digit}\r\n" for digit in digits) + planter.prose(3)
    path = planter.put("フォーム", "txt", text.encode("cp932"))
    planter.note(digits, path, written="one digit per line", encoding="cp932", minimum="medium")


# --- Tables as text ---------------------------------------------------------------------------------------------------


def table(
    separator: str,
    ending: str,
    encoding: str,
    *,
    rows: int = 12,
    quoted: bool = False,
    write: Callable[[str], str] = str,
    header: str = "個人番号",
    minimum: Confidence = "high",
) -> Callable[[Planter], None]:
    """A table of persons with the number in a column; header "" leaves the header line out."""

    def make(planter: Planter) -> None:
        staff = planter.staff(rows)
        cells = [["社員番号", "氏名", header, "住所"]] if header else []
        cells += [[who.staff_number, who.name, write(digits), who.address] for who, digits in staff]
        if quoted:
            cells = [[f'"{cell}"' for cell in row] for row in cells]
        data = "".join(separator.join(row) + "\r\n" for row in cells).encode(encoding)
        path = planter.put("名簿", ending, data)
        for _, digits in staff:
            planter.note(digits, path, encoding=encoding, minimum=minimum, written=f"{ending} cell")

    return make


def csv_digit_per_column(planter: Planter) -> None:
    """Twelve columns of one digit each."""
    staff = planter.staff(10)
    lines = ["氏名,個人番号" + "," * 11] + [f"{who.name},{','.join(digits)}" for who, digits in staff]
    path = planter.put("様式", "csv", "".join(f"{line}\r\n" for line in lines).encode("cp932"))
    for _, digits in staff:
        planter.note(digits, path, written="one digit per cell", encoding="cp932")


def fixed_width(planter: Planter) -> None:
    """Columns by position, the number between blanks, a heading above."""
    staff = planter.staff(12)
    lines = ["番号  氏名            個人番号     生年月日"]
    lines += [f"{who.staff_number} {who.name.ljust(8, '　')} {digits} {who.birth}" for who, digits in staff]
    path = planter.put("帳票", "prn", "".join(f"{line}\r\n" for line in lines).encode("cp932"))
    for _, digits in staff:
        planter.note(digits, path, written="fixed width", encoding="cp932")


def fixed_width_touching(planter: Planter) -> None:
    """Columns by position without blanks: the birth date follows the number at once, as in exports for host systems."""
    staff = planter.staff(12)
    lines = [f"{who.name.ljust(10, '　')}{digits}{who.birth.replace('-', '')}" for who, digits in staff]
    text = "個人番号ファイル 氏名10 個人番号12 生年月日8\r\n" + "".join(f"{line}\r\n" for line in lines)
    path = planter.put("HOST", "dat", text.encode("cp932"))
    for _, digits in staff:
        planter.note(digits, path, written="touching its neighbour", encoding="cp932", minimum="low")


# --- Markup -----------------------------------------------------------------------------------------------------------


def json_file(planter: Planter) -> None:
    """JSON: key in Japanese, key in English, as a number, all of it in escapes, full-width in escapes."""
    staff = planter.staff(5)
    values = [digits for _, digits in staff]
    objects = [
        {"氏名": staff[0][0].name, "個人番号": values[0]},
        {"name": staff[1][0].name, "my_number": values[1]},
        {"name": staff[2][0].name, "myNumber": int(values[2])},
    ]
    text = json.dumps(objects, ensure_ascii=False, indent=1)
    text += "\n" + json.dumps({"個人番号": values[3], "住所": staff[3][0].address})
    text += "\n" + json.dumps({"マイナンバー": grouped(values[4], "－").translate(FULLWIDTH)}) + "\n"
    path = planter.put("export", "json", text.encode())
    forms = ("12 digits", "12 digits", "number, leading zero lost" if values[2][0] == "0" else "number")
    for digits, written in zip(values, (*forms, "label in \\u escapes", "digits in \\u escapes"), strict=True):
        planter.note(digits, path, written=f"JSON {written}", encoding="utf-8")


def xml_file(planter: Planter) -> None:
    """XML as of an electronic declaration: element, attribute, character references."""
    staff = planter.staff(4)
    values = [digits for _, digits in staff]
    references = "".join(f"&#{ord(digit)};" for digit in values[3])
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<申告書 xmlns:gen="urn:example:general">\n'
        f"<個人番号>{values[0]}</個人番号>\n<gen:kojinbango>{values[1]}</gen:kojinbango>\n"
        f'<扶養親族 氏名="{staff[2][0].name}" 個人番号="{values[2]}"/>\n'
        f"<マイナンバー>{references}</マイナンバー>\n</申告書>\n"
    )
    path = planter.put("申告", "xml", text.encode())
    for digits, written in zip(values, ("element", "gen:kojinbango", "attribute", "character references"), strict=True):
        planter.note(digits, path, written=f"XML {written}", encoding="utf-8")


def html_file(planter: Planter) -> None:
    """HTML: table, &nbsp; between groups, character references, a digit in each cell, a form field, digits in tags."""
    staff = planter.staff(6)
    values = [digits for _, digits in staff]
    rows = "".join(f"<tr><td>{who.name}</td><td>{digits}</td></tr>\n" for who, digits in staff[:1])
    references = "".join(f"&#x{ord(digit):x};" for digit in values[2])
    spans = "".join(f"<b>{values[5][start : start + 4]}</b>" for start in (0, 4, 8))
    text = (
        '<!DOCTYPE html><html lang="ja"><head><meta charset="utf-8"><title>控え</title></head><body>\n'
        f"<table><tr><th>氏名</th><th>個人番号</th></tr>\n{rows}</table>\n"
        f"<p>個人番号: {grouped(values[1], '&nbsp;')}</p>\n<p>マイナンバー: {references}</p>\n"
        f"<table><tr><td>個人番号</td>{''.join(f'<td>{digit}</td>' for digit in values[3])}</tr></table>\n"
        f'<label>マイナンバー <input type="text" name="mynumber" value="{values[4]}"></label>\n'
        f"<p>個人番号 {spans}</p>\n</body></html>\n"
    )
    path = planter.put("画面", "html", text.encode())
    forms = ("table", "&nbsp;", "character references", "one digit per cell", "form field", "cut by tags")
    for digits, written in zip(values, forms, strict=True):
        planter.note(digits, path, written=f"HTML {written}", encoding="utf-8")


def rtf(style: str) -> Callable[[Planter], None]:
    r"""Rich text in `\uN` or `\'xx` style; one number in ASCII, one in full-width digits."""

    def make(planter: Planter) -> None:
        one, two = planter.number(), planter.number()
        lines = planter.prose(5).split("\r\n")
        lines += [f"個人番号:{grouped(one, '-')}", f"マイナンバー {two.translate(FULLWIDTH)}"]
        path = planter.put("文書", "rtf", documents.rtf(lines, style=style))
        planter.note(one, path, written="RTF 4-4-4 hyphen")
        planter.note(two, path, written="RTF full-width")

    return make


def sql_dump(planter: Planter) -> None:
    """A dump with the column's name far from the values."""
    staff = planter.staff(15)
    values = ",\n".join(f"({who.staff_number},'{who.name}','{digits}')" for who, digits in staff)
    text = f"-- dump\nINSERT INTO `employee` (`id`,`name`,`個人番号`) VALUES\n{values};\n"
    path = planter.put("backup", "sql", text.encode())
    for _, digits in staff:
        planter.note(digits, path, written="SQL value", encoding="utf-8", minimum="medium")


# --- Office documents -------------------------------------------------------------------------------------------------


def docx(place: str) -> Callable[[Planter], None]:
    """A Word document with a number at `place`."""

    def make(planter: Planter) -> None:
        digits = planter.number()
        who = person(planter.rng)
        cut = grouped(digits, "-")
        text = [[line] for line in planter.prose(6).split("\r\n")]
        labelled = f"{who.name} 個人番号:{digits}"
        if place == "text":
            data = documents.docx([*text, [labelled]])
        elif place == "split runs":
            data = documents.docx([*text, ["個人", "番号 ", cut[:2], cut[2:7], cut[7:8], cut[8:]]])
        elif place == "table":
            data = documents.docx(text, table=[["氏名", "個人番号"], [who.name, grouped(digits, " ")]])
        elif place == "digit per cell":
            data = documents.docx(text, table=[["個人番号", *digits]])
        elif place == "comment":
            data = documents.docx(text, comment=labelled)
        elif place == "tracked deletion":
            data = documents.docx(text, deleted=labelled)
        elif place == "text box":
            data = documents.docx(text, text_box=labelled)
        else:
            data = documents.docx(text, header=labelled)
        path = planter.put("文書", "docx", data)
        planter.note(digits, path, written=f"docx {place}")

    return make


def sheet_rows(planter: Planter, write: Callable[[str], str | int | float], first: str = "") -> tuple[Rows, list[str]]:
    """A sheet of ten persons with the number in the third column, and the numbers."""
    staff = [(person(planter.rng), planter.number(first)) for _ in range(10)]
    rows: Rows = [["社員番号", "氏名", "個人番号", "生年月日"]]
    rows += [[who.staff_number, who.name, write(digits), who.birth] for who, digits in staff]
    return rows, [digits for _, digits in staff]


def form_rows(planter: Planter, *, per_cell: bool) -> tuple[Rows, list[str]]:
    """A form: label at the left, value at its right, in one cell or in twelve."""
    who, digits = planter.staff(1)[0]
    rows: Rows = [
        ["令和7年分 給与所得者の扶養控除等(異動)申告書"],
        ["氏名", who.name],
        ["個人番号", *([*digits] if per_cell else [grouped(digits, " ")])],
        ["住所", who.address],
    ]
    return rows, [digits]


def book(ending: str, place: str) -> Callable[[Planter], None]:
    """A workbook of the format `ending` with numbers at `place`."""

    def make(planter: Planter) -> None:
        if place == "numbers without leading zero":
            rows, values = sheet_rows(planter, int, first="0")
        elif place == "numbers":
            rows, values = sheet_rows(planter, int, first="1")
        elif place == "digit per cell":
            rows, values = form_rows(planter, per_cell=True)
        elif place == "form":
            rows, values = form_rows(planter, per_cell=False)
        else:
            rows, values = sheet_rows(planter, str)
        cover: Rows = [["目次"], ["1", "名簿"]]
        spoken: Rows = [["月", "件数"], ["1月", 3], ["2月", 5]]
        if ending == "xls":
            data = documents.xls([("表紙", cover), ("名簿", rows)])
        elif ending == "ods":
            data = documents.ods("名簿", rows)
        elif place == "inline strings":
            data = documents.xlsx_inline("名簿", [[str(cell) for cell in row] for row in rows])
        elif place == "xlsxwriter":
            data = documents.xlsx_xlsxwriter("名簿", rows)
        elif place == "text box":
            values = values[:1]
            data = documents.xlsx_xlsxwriter("集計", spoken, text_box=f"個人番号 {values[0]}")
        elif place == "comment":
            values = values[:1]
            data = documents.xlsx([("集計", spoken)], comment=f"マイナンバーは {grouped(values[0], ' ')}")
        elif place == "hidden sheet":
            data = documents.xlsx([("表紙", cover), ("控", rows)], hidden=("控",))
        else:
            data = documents.xlsx([("表紙", cover), ("名簿", rows)], formats="0")
        path = planter.put("台帳", ending, data)
        for digits in values:
            planter.note(digits, path, written=f"{ending} {place}")

    return make


def pptx(place: str) -> Callable[[Planter], None]:
    """A slide with a number at `place`."""

    def make(planter: Planter) -> None:
        who, digits = planter.staff(1)[0]
        text = ["年末調整 説明会", planter.rng.choice(SENTENCES)]
        if place == "text":
            data = documents.pptx([*text, f"記入: 個人番号 {grouped(digits, ' ')}"])
        elif place == "table":
            data = documents.pptx(text, table=[["氏名", "個人番号"], [who.name, digits]])
        else:
            data = documents.pptx(text, notes=f"{who.name} マイナンバー {digits}")
        path = planter.put("説明", "pptx", data)
        planter.note(digits, path, written=f"pptx {place}")

    return make


def odt(planter: Planter) -> None:
    """An OpenDocument text: one number in a piece, one cut into spans."""
    one, two = planter.number(), planter.number()
    text = [[line] for line in planter.prose(5).split("\r\n")]
    text += [[f"個人番号:{grouped(one, '-')}"], ["マイナンバー ", two[:3], two[3:8], two[8:]]]
    path = planter.put("文書", "odt", documents.odt(text))
    planter.note(one, path, written="odt text")
    planter.note(two, path, written="odt spans")


def pdf(place: str) -> Callable[[Planter], None]:
    """A PDF with a number at `place`."""

    def make(planter: Planter) -> None:
        who, digits = planter.staff(1)[0]
        lines = ["給与所得の源泉徴収票", *planter.prose(5).split("\r\n")]
        if place == "text":
            data = documents.pdf([*lines, f"氏名 {who.name} 個人番号 {digits}"])
        elif place == "glyph by glyph":
            data = documents.pdf([*lines, f"個人番号 {grouped(digits, ' ')}"], glyph_by_glyph=True)
        elif place == "boxes":
            data = documents.pdf(lines, boxed=[("個人番号", digits)])
        elif place == "full-width, page 3":
            data = documents.pdf([*(lines * 15)[:90], f"マイナンバー:{digits.translate(FULLWIDTH)}"])
        elif place == "embedded font":
            data = documents.pdf_embedded(["Withholding record", f"My Number: {grouped(digits, '-')}"], FONT)
        else:
            data = documents.pdf_form([("Name", "Mihon Taro"), ("My Number", digits)])
        path = planter.put("帳票", "pdf", data)
        planter.note(digits, path, written=f"PDF {place}")

    return make


# --- Containers -------------------------------------------------------------------------------------------------------


def roster(planter: Planter, rows: int = 8, encoding: str = "cp932") -> tuple[bytes, list[str]]:
    """A small CSV with the header 個人番号, and its numbers."""
    staff = planter.staff(rows)
    lines = ["氏名,個人番号"] + [f"{who.name},{digits}" for who, digits in staff]
    return "".join(f"{line}\r\n" for line in lines).encode(encoding), [digits for _, digits in staff]


def container(form: str) -> Callable[[Planter], None]:
    """A roster inside an archive of the given form."""

    def make(planter: Planter) -> None:
        data, values = roster(planter)
        inside = "名簿/2024/個人番号.csv"
        ending = "zip"
        if form == "zip":
            made = documents.zip_file([("readme.txt", b"see the list\n"), (inside, data)])
        elif form == "zip stored":
            made = documents.zip_file([(inside, data)], stored=(inside,))
        elif form == "zip CP932 names":
            made = documents.zip_file([(inside, data)], cp932=True)
        elif form == "zip nested three deep":
            inner = documents.zip_file([(inside, data)], cp932=True)
            middle = documents.zip_file([("二重.zip", inner)], cp932=True)
            made = documents.zip_file([("一重.zip", middle)], cp932=True)
            inside = f"一重.zip!/二重.zip!/{inside}"
        elif form == "docx in zip":
            values = values[:1]
            inside = "送付/文書.docx"
            made = documents.zip_file([(inside, documents.docx([["個人番号 ", values[0][:5], values[0][5:]]]))])
        elif form == "gz":
            ending, inside = "csv.gz", ""
            made = documents.gz(data)
        elif form == "tar":
            ending, made = "tar", documents.tar([("a.txt", b"x"), (inside, data)])
        else:
            compression = form.rpartition(".")[2]
            ending, made = form, documents.tar([("a.txt", b"x"), (inside, data)], compression=compression)
        path = planter.put("送付", ending, made)
        for digits in values:
            planter.note(digits, path, container=inside, written=f"in {form}", encoding="cp932")

    return make


def mail(form: str) -> Callable[[Planter], None]:
    """A message with a number in body, subject or attachment."""

    def make(planter: Planter) -> None:
        who, digits = planter.staff(1)[0]
        body = f"総務部御中\r\n{planter.prose(2)}{who.name}です。個人番号は {grouped(digits, '-')} です。\r\n"
        plain = planter.prose(4)
        inside, values = "", [digits]
        if form == "base64":
            data = documents.mail("ご連絡", body)
        elif form == "quoted-printable":
            full = body.replace(grouped(digits, "-"), grouped(digits, "－").translate(FULLWIDTH))
            data = documents.mail("ご連絡", full, transfer="quoted-printable")
        elif form == "ISO-2022-JP":
            data = documents.mail("ご連絡", body, charset="iso-2022-jp", transfer="7bit")
        elif form == "Shift_JIS base64":
            data = documents.mail("ご連絡", body, charset="cp932")
        elif form == "subject":
            data = documents.mail(f"個人番号 {digits} の件", plain)
        elif form == "HTML part":
            data = documents.mail("ご連絡", plain, html=f"<p>マイナンバー:<br>{grouped(digits, '&nbsp;')}</p>")
        elif form == "nested message":
            inner = documents.mail("転送元", body, charset="iso-2022-jp", transfer="7bit")
            data = documents.mail("Fw: 転送", plain, attachments=[("転送元.eml", inner)])
            inside = "転送元.eml"
        elif form == "xlsx attached":
            rows, values = sheet_rows(planter, str)
            data = documents.mail("名簿", plain, attachments=[("名簿.xlsx", documents.xlsx([("名簿", rows)]))])
            inside = "名簿.xlsx"
        else:
            csv, values = roster(planter)
            packed = documents.zip_file([("家族/名簿.csv", csv)], cp932=True)
            data = documents.mail("名簿", plain, attachments=[("送付.zip", packed)])
            inside = "送付.zip!/家族/名簿.csv"
        path = planter.put("受信", "eml", data)
        for each in values:
            planter.note(each, path, container=inside, written=f"mail {form}")

    return make


def mbox(planter: Planter) -> None:
    """A mailbox of five messages, a number in each."""
    messages, values = [], []
    for transfer in ("base64", "quoted-printable", "8bit", "base64", "8bit"):
        who, digits = planter.staff(1)[0]
        body = f"{planter.prose(2)}{who.name} マイナンバー {grouped(digits, ' ')}\r\n"
        messages.append(documents.mail("連絡", body, transfer=transfer))
        values.append(digits)
    path = planter.put("Inbox", "mbox", documents.mbox(messages))
    for digits in values:
        planter.note(digits, path, written="mbox message")


def sqlite(form: str) -> Callable[[Planter], None]:
    """A database with numbers as text, as integers, in UTF-16, or in rows that were deleted."""

    def make(planter: Planter) -> None:
        count = 300 if form == "deleted rows" else 12
        staff = planter.staff(count)
        values = [digits for _, digits in staff]
        sort = "INTEGER" if form == "integer" else "TEXT"
        create = [f"CREATE TABLE employee (id INTEGER PRIMARY KEY, 氏名 TEXT, 個人番号 {sort})"]
        if form == "UTF-16":
            create.insert(0, "PRAGMA encoding='UTF-16le'")
        insert = "INSERT INTO employee (氏名, 個人番号) VALUES (?, ?)"
        rows = [(who.name, int(digits) if form == "integer" else digits) for who, digits in staff]
        after = ["DELETE FROM employee WHERE id > 20"] if form == "deleted rows" else []
        path = planter.put("人事", "sqlite", documents.sqlite(create, [(insert, rows)], after=after))
        for number, digits in enumerate(values):
            gone = form == "deleted rows" and number >= 20
            if form == "deleted rows" and not gone:
                continue
            planter.note(digits, path, written=f"SQLite {form}", minimum="low" if gone else "high")
        if form == "deleted rows":
            # SQLite overwrites the start of a freed cell and may defragment pages: what is gone does not count.
            data = planter.files[-1].content()
            planter.truths = [t for t in planter.truths if t.path != path or t.digits.encode() in data]
            kept = {t.digits for t in planter.truths if t.path == path}
            for digits in values[:20]:
                if digits not in kept:
                    planter.note(digits, path, written="SQLite text")

    return make


# --- Places of the file system ----------------------------------------------------------------------------------------


def labelled_text(planter: Planter, encoding: str = "cp932", lines: int = 40) -> tuple[bytes, str]:
    """More text than fits into an MFT record, with one labelled number in it."""
    who, digits = planter.staff(1)[0]
    half = lines // 2
    text = planter.prose(half) + f"氏名:{who.name} 個人番号:{grouped(digits, '-')}\r\n" + planter.prose(half)
    return text.encode(encoding), digits


def stored(how: How, state: str = "allocated", *, lines: int = 40, folder: str = "") -> Callable[[Planter], None]:
    """Text in a file that the file system keeps in a special way."""

    def make(planter: Planter) -> None:
        data, digits = labelled_text(planter, lines=lines)
        place = folder
        if how == "deleted_folder":
            place = f"/Users/soumu/Documents/旧_{len(planter.files):05d}"
        if how == "compressed":
            # A folder of its own: the attribute is inherited from the folder. Long enough to have units that shrink.
            place = "/Users/soumu/Documents/圧縮"
            data = data + planter.prose(600).encode("cp932")
        path = planter.put("資料", "txt", data, how=how, folder=place)
        shown = "" if state == "unallocated" else path
        planter.note(digits, shown, state=state, written="4-4-4 hyphen", encoding="cp932")

    return make


def deleted_office(planter: Planter) -> None:
    """A deleted workbook: found only by who reads deleted files through their decoders."""
    rows, values = sheet_rows(planter, str)
    path = planter.put("削除済", "xlsx", documents.xlsx([("名簿", rows)]), how="deleted")
    for digits in values:
        planter.note(digits, path, state="deleted", written="xlsx")


def stream(planter: Planter) -> None:
    """An alternate data stream of an innocent file."""
    data, digits = labelled_text(planter, lines=2 if planter.rng.random() < 0.5 else 40)
    path = planter.put("議事録", "txt", data, stream="memo")
    planter.note(digits, path, written="4-4-4 hyphen", encoding="cp932")


def resident(planter: Planter) -> None:
    """A file so small that it lies in its MFT record."""
    digits = planter.number()
    path = planter.put("付箋", "txt", f"マイナンバー {digits}\r\n".encode("cp932"))
    planter.note(digits, path, encoding="cp932")


def fragmented(planter: Planter) -> None:
    """A file in four pieces with a number across each border: bytes on the disk never show it whole."""
    values = [planter.number() for _ in range(3)]
    data = b""
    for number, digits in enumerate(values, 1):
        line = f"個人番号:{digits}\r\n".encode("cp932")
        fill = planter.prose(300).encode("cp932")
        # Six digits before the border, six behind it.
        wanted = number * 4096 - len(data) - len(line) + 2 + 6
        data += _cut(fill, wanted) + line
    path = planter.put("断片", "txt", data + _cut(planter.prose(300).encode("cp932"), 3000), how="fragmented")
    for digits in values:
        planter.note(digits, path, written="across a fragment border", encoding="cp932")


def _cut(text: bytes, length: int) -> bytes:
    """`text` in CP932 cut to exactly `length` bytes, ending in a line break and never inside a character."""
    lines = b""
    for line in text.split(b"\r\n"):
        if len(lines) + len(line) + 2 > length - 2:
            break
        lines += line + b"\r\n"
    return lines + b"-" * (length - len(lines) - 2) + b"\r\n"


def fixup(planter: Planter) -> None:
    """A resident file whose digits lie on bytes 510 and 511 of a sector, where NTFS keeps a sequence number."""
    digits = planter.number()
    path = planter.put("境界", "txt", f"個人番号 {digits}".encode("cp932"), how="fixup")
    planter.note(digits, path, encoding="cp932")


def recycled(planter: Planter) -> None:
    """A file in the recycle bin."""
    data, values = roster(planter)
    folder = "/$Recycle.Bin/S-1-5-21-1004336348-1177238915-682003330-1001"
    path = planter.put("$R7QK2Z", "csv", data, folder=folder)
    for digits in values:
        planter.note(digits, path, encoding="cp932")


def deep(planter: Planter) -> None:
    """A file sixty folders deep."""
    data, digits = labelled_text(planter)
    folder = "/深い" + "".join(f"/階層{level:02d}" for level in range(60))
    path = planter.put("底", "txt", data, folder=folder)
    planter.note(digits, path, written="4-4-4 hyphen", encoding="cp932")


def file_name(planter: Planter) -> None:
    """A number in the name of a file whose content is innocent."""
    digits = planter.number()
    path = planter.put(f"マイナンバー_{digits}", "txt", planter.prose(40).encode("cp932"))
    planter.note(digits, path, state="allocated|metadata", written="file name", minimum="medium")


def deleted_name(planter: Planter) -> None:
    """A number in the name of a deleted file."""
    digits = planter.number()
    path = planter.put(f"個人番号 {digits}", "txt", planter.prose(40).encode("cp932"), how="deleted")
    planter.note(digits, path, state="deleted|metadata", written="file name", minimum="medium")


def raw_name(planter: Planter) -> None:
    """A file whose name is CP932 on a file system that expects UTF-8."""
    data, digits = labelled_text(planter)
    name = f"給与一覧{len(planter.files):05d}.txt".encode("cp932")
    path = planter.put("x", "txt", data, raw_name=name)
    # Bytes that are no UTF-8 are percent-escaped; some of CP932 happen to be UTF-8 and stay.
    quoted = "".join(
        f"%{ord(each) - 0xDC00:02X}" if "\udc80" <= each <= "\udcff" else each
        for each in name.decode("utf-8", errors="surrogateescape")
    )
    planter.note(digits, path.rpartition("/")[0] + "/" + quoted, written="4-4-4 hyphen", encoding="cp932")


def raw(
    place: RawPlace, state: str, encoding: str = "cp932", *, labelled: bool = True, minimum: Confidence = "high"
) -> Callable[[Planter], None]:
    """A piece of text written into the finished image."""

    def make(planter: Planter) -> None:
        digits = planter.number()
        before = f"氏名:{person(planter.rng).name} 個人番号:" if labelled else "控え "
        after = " 以上\r\n"
        if place == "unallocated":
            before = planter.prose(8) + before
            after += planter.prose(20)
        if place == "log_file":
            before, after = "個人番号_", ".xlsx"
        if place == "mft_slack":
            before, after = "個人番号 ", "\r\n"
        start = before.encode(encoding)
        data = start + (digits + after).encode(encoding)
        truth = Truth(planter.kind, digits, "", "", state, "12 digits", encoding, minimum)
        planter.raw.append(RawPiece(place, data, len(start), truth))

    return make


def raw_column(planter: Planter) -> None:
    """Rows of a CSV in a free cluster, without the header, which was in a cluster that is gone."""
    staff = planter.staff(20)
    text = "".join(f"{who.staff_number},{who.name},{digits},{who.address}\r\n" for who, digits in staff)
    data = text.encode("cp932")
    for number, (_, digits) in enumerate(staff):
        truth = Truth(planter.kind, digits, "", "", "unallocated", "csv cell", "cp932", "medium")
        at = data.index(digits.encode())
        # The piece is written once; the other numbers in it only note where they lie.
        planter.raw.append(RawPiece("unallocated", data if number == 0 else b"", at, truth))


# --- As people really write -------------------------------------------------------------------------------------------

LABELS = (
    "個 人 番 号", "ﾏｲﾅﾝﾊﾞｰ", "Ｍｙ Ｎｕｍｂｅｒ", "個人番号(12桁)", "[マイナンバー]", "個人番号/法人番号",
    "本人確認済 個人番号", "配偶者の個人番号", "扶養親族1 マイナンバー", "MyNumber", "INDIVIDUAL NUMBER (個人番号)",
)  # fmt: skip
HEADERS = (
    "個人番号(配偶者)", "マイナンバー_本人", "kojin_bango", "KOJINBANGO", "個人番号１", "受給者個人番号",
    "個人No(マイナンバー)", "ﾏｲﾅﾝﾊﾞｰ", "個 人 番 号",
)  # fmt: skip
ODD: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("underscores", lambda d: grouped(d, "_")),
    ("slashes", lambda d: grouped(d, "/")),
    ("two spaces", lambda d: grouped(d, "  ")),
    ("tabs", lambda d: grouped(d, "\t")),
    ("space hyphen space", lambda d: grouped(d, " - ")),
    ("full-width full stop", lambda d: grouped(d, "．")),
    ("middle dot", lambda d: grouped(d, "・")),
    ("mixed width", lambda d: d[:4].translate(FULLWIDTH) + d[4:]),
    ("mixed separators", lambda d: f"{d[:4]}-{d[4:8]} {d[8:]}"),
    ("two groups of six", lambda d: f"{d[:6]} {d[6:]}"),
    ("three digits, commas", lambda d: ",".join((d[:3], d[3:6], d[6:9], d[9:]))),
    ("brackets", lambda d: f"「{d}」"),
    ("cut by a line break", lambda d: f"{d[:4]}-{d[4:8]}-\r\n{d[8:]}"),
)


def labels(planter: Planter) -> None:
    """The label as it stands in real forms and mails."""
    lines, planted = [], []
    for name in LABELS:
        digits = planter.number()
        lines += [planter.prose(3), f"{name} {digits}\r\n"]
        planted.append((digits, name))
    path = planter.put("様々", "txt", ("".join(lines) + planter.prose(4)).encode("cp932"))
    for digits, name in planted:
        planter.note(digits, path, written=f"label {name}", encoding="cp932")


def headers(planter: Planter) -> None:
    """Tables with the names that programs give the column."""
    for header in HEADERS:
        rows = planter.staff(5)
        text = f"code,name,{header},flag\r\n"
        text += "".join(f"{who.staff_number},{who.name},{digits},1\r\n" for who, digits in rows)
        path = planter.put("抽出", "csv", text.encode("cp932"))
        for _, digits in rows:
            planter.note(digits, path, written=f"header {header}", encoding="cp932")


def odd_separators(planter: Planter) -> None:
    """Separators that forms and word processors leave behind."""
    lines, planted = [], []
    for name, write in ODD:
        digits = planter.number()
        lines += [planter.prose(3), f"個人番号:{write(digits)}\r\n"]
        planted.append((digits, name))
    path = planter.put("書式", "txt", ("".join(lines) + planter.prose(4)).encode("cp932"))
    for digits, name in planted:
        planter.note(digits, path, written=f"odd: {name}", encoding="cp932", minimum="medium")


def transposed(planter: Planter) -> None:
    """Persons side by side: the label stands in the first cell of the row."""
    staff = planter.staff(6)
    text = "氏名," + ",".join(who.name for who, _ in staff) + "\r\n"
    text += "生年月日," + ",".join(who.birth for who, _ in staff) + "\r\n"
    text += "個人番号," + ",".join(digits for _, digits in staff) + "\r\n"
    path = planter.put("横並び", "csv", text.encode("cp932"))
    for _, digits in staff:
        planter.note(digits, path, written="transposed table", encoding="cp932")


def titled_sheet(planter: Planter) -> None:
    """A sheet as clerks make it: title, note, two rows of header, the number for the person and for the spouse."""
    rows: Rows = [
        ["令和7年 個人番号収集台帳"],
        ["取扱注意"],
        [],
        ["社員", "", "個人番号", ""],
        ["番号", "氏名", "本人", "配偶者"],
    ]
    values = []
    for row in range(12):
        who, digits = planter.staff(1)[0]
        spouse = planter.number() if row % 3 == 0 else ""
        rows.append([who.staff_number, who.name, grouped(digits, " "), spouse or ("未提出" if row % 2 else "")])
        values += [digits, *([spouse] if spouse else [])]
    path = planter.put("収集", "xlsx", documents.xlsx([("台帳", rows)]))
    for digits in values:
        planter.note(digits, path, written="sheet with title rows")


def sparse_column(planter: Planter) -> None:
    """A long roster in which only few have handed in their number."""
    lines = ["社員番号,氏名,個人番号,備考"]
    values = []
    for row in range(200):
        who = person(planter.rng)
        digits = planter.number() if row % 40 == 7 else ""
        lines.append(f"{who.staff_number},{who.name},{digits},{'提出済' if digits else '未提出'}")
        values += [digits] if digits else []
    path = planter.put("提出状況", "csv", "".join(f"{line}\r\n" for line in lines).encode("cp932"))
    for digits in values:
        planter.note(digits, path, written="sparse column", encoding="cp932")


def kept_as_text(planter: Planter) -> None:
    """Tricks that keep the leading zero in a CSV: `="0…"` and an apostrophe."""
    staff = planter.staff(8)
    lines = ["氏名,個人番号"]
    forms = ('="{}"', "'{}")
    lines += [f"{who.name},{forms[row % 2].format(digits)}" for row, (who, digits) in enumerate(staff)]
    path = planter.put("取込用", "csv", "".join(f"{line}\r\n" for line in lines).encode("cp932"))
    for _, digits in staff:
        planter.note(digits, path, written="kept as text", encoding="cp932")


def posted_form(planter: Planter) -> None:
    """What a browser sends and keeps: form data, percent-encoded."""
    one, two = planter.number(), planter.number()
    text = (
        "POST /nenmatsu HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n"
        f"name=%E5%B1%B1%E7%94%B0&kojinBango={one}&%E5%80%8B%E4%BA%BA%E7%95%AA%E5%8F%B7={two}&ok=1\r\n"
    )
    path = planter.put("form", "dat", text.encode())
    planter.note(one, path, written="form data, kojinBango=")
    planter.note(two, path, written="form data, label percent-encoded", minimum="medium")


def chat(planter: Planter) -> None:
    """A chat export: question in one message, number in the next."""
    one, two = planter.number(), planter.number()
    messages = [
        {"from": "A", "text": "マイナンバーを教えてもらえますか?"},
        {"from": "B", "text": f"{grouped(one, ' ')} です"},
        {"from": "A", "text": "ありがとうございます"},
        {"from": "B", "text": f"妻のマイナンバーは{two.translate(FULLWIDTH)}です"},
    ]
    text = "".join(json.dumps(message, ensure_ascii=False) + "\n" for message in messages)
    path = planter.put("chat", "jsonl", text.encode())
    planter.note(one, path, written="chat, asked one message before", encoding="utf-8", minimum="medium")
    planter.note(two, path, written="chat, same message", encoding="utf-8")


def quoted_mail(planter: Planter) -> None:
    """A reply that quotes the number."""
    digits = planter.number()
    quoted = ("お世話になります。", "個人番号は以下です。", f"\u3000{grouped(digits, '-')}", "以上")
    body = "了解しました。\r\n\r\n" + "".join(f"> {line}\r\n" for line in quoted)
    path = planter.put("返信", "eml", documents.mail("Re: 個人番号", body, charset="iso-2022-jp", transfer="7bit"))
    planter.note(digits, path, written="quoted reply")


def disguised(ending: str) -> Callable[[Planter], None]:
    """An office file or archive under a name that says something else."""

    def make(planter: Planter) -> None:
        if ending == "jpg":
            rows, values = sheet_rows(planter, str)
            data = documents.xlsx([("名簿", rows)])
        elif ending == "bak":
            data, values = roster(planter)
        else:
            csv, values = roster(planter)
            data = documents.zip_file([("a/名簿.csv", csv)], cp932=True)
        path = planter.put("IMG", ending, data)
        for digits in values:
            planter.note(digits, path, written=f"named .{ending}")

    return make


def chained(planter: Planter) -> None:
    """A workbook in a zip in a mail in a tar.gz."""
    rows, values = sheet_rows(planter, str)
    packed = documents.zip_file([("名簿.xlsx", documents.xlsx([("名簿", rows)]))], cp932=True)
    message = documents.mail("送付", "添付のとおり", attachments=[("名簿.zip", packed)])
    path = planter.put("控え", "tar.gz", documents.tar([("受信/1.eml", message)], compression="gz"))
    for digits in values:
        planter.note(digits, path, container="受信/1.eml!/名簿.zip!/名簿.xlsx", written="xlsx in zip in mail in tar.gz")


def docx_below(planter: Planter) -> None:
    """A Word table with the label above the number, and a number as a list item."""
    who, one = planter.staff(1)[0]
    two = planter.number()
    table = [["氏名", "生年月日"], [who.name, who.birth], ["個人番号", "続柄"], [grouped(one, " "), "本人"]]
    data = documents.docx([["提出者一覧"], ["マイナンバー:"], [f"・{grouped(two, '-')}"]], table=table)
    path = planter.put("届出", "docx", data)
    planter.note(one, path, written="docx label above")
    planter.note(two, path, written="docx label in the paragraph before")


def pdf_roster(planter: Planter) -> None:
    """A PDF table: the header on the first page only, sixty persons."""
    staff = planter.staff(60)
    lines = ["個人番号一覧", "氏名        個人番号        生年月日"]
    lines += [f"{who.name}  {digits}  {who.birth}" for who, digits in staff]
    path = planter.put("一覧", "pdf", documents.pdf(lines))
    for _, digits in staff:
        planter.note(digits, path, written="PDF table of several pages")


def program_memory(planter: Planter) -> None:
    """Labelled text in UTF-16LE between bytes that are no text, as in a crash dump."""
    digits = planter.number()
    data = (
        planter.rng.randbytes(5000) + b"\0\0" + f"個人番号:{digits}\0".encode("utf-16-le") + planter.rng.randbytes(5000)
    )
    path = planter.put("crash", "dmp", data)
    planter.note(digits, path, written="UTF-16 in a dump", encoding="utf-16-le")


# --- All kinds --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PlaceKind:
    """A kind of place; `only` names the file systems that have it, () all."""

    name: str
    make: Callable[[Planter], None]
    only: Sequence[Kind] = ()


KINDS: tuple[PlaceKind, ...] = (
    *(PlaceKind(f"text {encoding}", text_in(encoding)) for encoding in ENCODINGS),
    PlaceKind("label 個人番号 before", label("本人の個人番号は", "です。")),
    PlaceKind("label マイナンバー before", label("マイナンバー: ", "")),
    PlaceKind("label My Number before", label("My Number: ", "")),
    PlaceKind("label after", label("", "(個人番号)", minimum="medium")),
    PlaceKind("label on the line above", label("【個人番号】\r\n    ", "")),
    PlaceKind("label three lines above", label("個人番号\r\n氏名欄は別紙\r\n担当確認済\r\n", "", minimum="medium")),
    PlaceKind("label of a form", label("扶養控除等(異動)申告書の控え 本人 ", "", minimum="medium")),
    PlaceKind("no label", label("", "", minimum="low")),
    PlaceKind("list without label", number_list),
    PlaceKind("kanji numerals", kanji),
    PlaceKind("digit per line", digit_per_line),
    PlaceKind("csv cp932", table(",", "csv", "cp932")),
    PlaceKind("csv utf-8-sig quoted", table(",", "csv", "utf-8-sig", quoted=True)),
    PlaceKind("csv 400 rows", table(",", "csv", "cp932", rows=400)),
    PlaceKind("csv 4-4-4", table(",", "csv", "utf-8", write=lambda d: grouped(d, "-"))),
    PlaceKind("csv header マイナンバー", table(",", "csv", "cp932", header="マイナンバー(本人)")),
    PlaceKind("csv header MyNumber", table(",", "csv", "utf-8", header="my_number")),
    PlaceKind("csv without header", table(",", "csv", "cp932", header="", rows=20, minimum="medium")),
    PlaceKind("csv digit per column", csv_digit_per_column),
    PlaceKind("tsv euc_jp", table("\t", "tsv", "euc_jp")),
    PlaceKind("tsv utf-16", table("\t", "txt", "utf-16")),
    PlaceKind("table with bars", table(" | ", "md", "utf-8")),
    PlaceKind("fixed width", fixed_width),
    PlaceKind("fixed width touching", fixed_width_touching),
    PlaceKind("json", json_file),
    PlaceKind("xml", xml_file),
    PlaceKind("html", html_file),
    PlaceKind("rtf \\u", rtf("unicode")),
    PlaceKind("rtf hex", rtf("hex")),
    PlaceKind("sql dump", sql_dump),
    *(
        PlaceKind(f"docx {place}", docx(place))
        for place in (
            "text", "split runs", "table", "digit per cell", "comment", "tracked deletion", "text box", "header",
        )
    ),
    *(
        PlaceKind(f"xlsx {place}", book("xlsx", place))
        for place in (
            "shared strings", "inline strings", "numbers", "numbers without leading zero", "digit per cell", "form",
            "hidden sheet", "comment", "text box", "xlsxwriter",
        )
    ),
    *(PlaceKind(f"pptx {place}", pptx(place)) for place in ("text", "table", "notes")),
    *(
        PlaceKind(f"xls {place}", book("xls", place))
        for place in ("text", "numbers", "numbers without leading zero", "digit per cell")
    ),
    PlaceKind("odt", odt),
    *(PlaceKind(f"ods {place}", book("ods", place)) for place in ("text", "numbers", "digit per cell")),
    *(
        PlaceKind(f"pdf {place}", pdf(place))
        for place in ("text", "glyph by glyph", "boxes", "full-width, page 3", "embedded font", "form field")
    ),
    *(
        PlaceKind(form, container(form))
        for form in (
            "zip", "zip stored", "zip CP932 names", "zip nested three deep", "docx in zip", "gz", "tar", "tar.gz",
            "tar.bz2", "tar.xz",
        )
    ),
    *(
        PlaceKind(f"eml {form}", mail(form))
        for form in (
            "base64", "quoted-printable", "ISO-2022-JP", "Shift_JIS base64", "subject", "HTML part", "nested message",
            "xlsx attached", "zip attached",
        )
    ),
    PlaceKind("mbox", mbox),
    *(PlaceKind(f"sqlite {form}", sqlite(form)) for form in ("text", "integer", "UTF-16", "deleted rows")),
    PlaceKind("resident", resident, ("ntfs",)),
    PlaceKind("ntfs compressed", stored("compressed"), ("ntfs",)),
    PlaceKind("fragmented", fragmented, ("ntfs",)),
    PlaceKind("sparse", stored("sparse"), ("ntfs", "ext4")),
    PlaceKind("alternate data stream", stream, ("ntfs",)),
    PlaceKind("bytes 510-511 of an MFT sector", fixup, ("ntfs",)),
    PlaceKind("recycle bin", recycled),
    PlaceKind("deep folders", deep),
    PlaceKind("file name", file_name),
    PlaceKind("name of a deleted file", deleted_name),
    PlaceKind("name that is not UTF-8", raw_name, ("ext4",)),
    PlaceKind("deleted", stored("deleted", "deleted")),
    PlaceKind("deleted resident", stored("deleted", "deleted", lines=2), ("ntfs",)),
    PlaceKind("deleted with its folder", stored("deleted_folder", "deleted")),
    PlaceKind("deleted xlsx", deleted_office),
    PlaceKind("MFT record used again", stored("overwritten", "unallocated"), ("ntfs",)),
    PlaceKind("unallocated cp932", raw("unallocated", "unallocated")),
    PlaceKind("unallocated utf-16-le", raw("unallocated", "unallocated", "utf-16-le")),
    PlaceKind("unallocated utf-8", raw("unallocated", "unallocated", "utf-8")),
    PlaceKind("unallocated without label", raw("unallocated", "unallocated", labelled=False, minimum="low")),
    PlaceKind("unallocated rows of a csv", raw_column),
    PlaceKind("file slack", raw("slack", "slack")),
    PlaceKind("labels of real forms", labels),
    PlaceKind("headers of real exports", headers),
    PlaceKind("odd separators", odd_separators),
    PlaceKind("transposed table", transposed),
    PlaceKind("xlsx with title rows", titled_sheet),
    PlaceKind("column mostly empty", sparse_column),
    PlaceKind("csv kept as text", kept_as_text),
    PlaceKind("form data of a browser", posted_form),
    PlaceKind("chat", chat),
    PlaceKind("eml quoted reply", quoted_mail),
    *(PlaceKind(f"disguised as .{ending}", disguised(ending)) for ending in ("jpg", "bak", "dat")),
    PlaceKind("chain of four containers", chained),
    PlaceKind("docx label above", docx_below),
    PlaceKind("pdf table", pdf_roster),
    PlaceKind("utf-16 in a dump", program_memory),
    PlaceKind("between partitions", raw("gap", "outside")),
    PlaceKind("$LogFile", raw("log_file", "metadata", "utf-16-le", minimum="medium"), ("ntfs",)),
    PlaceKind("slack of an MFT record", raw("mft_slack", "metadata|slack", "utf-16-le", minimum="medium"), ("ntfs",)),
)  # fmt: skip


def kinds_for(filesystem: Kind) -> list[PlaceKind]:
    """The kinds that `filesystem` can hold."""
    return [kind for kind in KINDS if not kind.only or filesystem in kind.only]
