"""Hard negatives: numbers that look like My Numbers and are none, each kind named.

A random number of twelve digits passes the check of a My Number with probability 0.1, so columns of order numbers and
logs hold passing ones by the dozen. In letters, which hold one to three numbers each, they were picked to pass.
`DECOYS` lists all kinds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import corpus_documents as documents
from corpus_numbers import FULLWIDTH, grouped, is_valid, person
from corpus_places import RawPiece

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from corpus_places import Planter, Rows

LAWS = (
    "個人番号利用事務等実施者は、個人番号の漏えいを防ぐために必要な措置を講じなければならない。",
    "マイナンバーカードは、表面に氏名、住所、生年月日、性別及び顔写真が表示される。",
    "個人番号(マイナンバー)は12桁の番号であり、原則として生涯変わらない。",
)


def column(header: str, draw: Callable[[Planter], str], *, ending: str = "csv") -> Callable[[Planter, int], None]:
    """A table with a column of such numbers under its own header."""

    def make(planter: Planter, count: int) -> None:
        values = [draw(planter) for _ in range(count)]
        names = [person(planter.rng).name for _ in values]
        if ending == "csv":
            lines = [f"No,氏名,{header},金額"]
            lines += [
                f"{row},{name},{value},{planter.rng.randrange(1000, 90000)}"
                for row, (name, value) in enumerate(zip(names, values, strict=True), 1)
            ]
            data = "".join(f"{line}\r\n" for line in lines).encode("cp932")
        else:
            rows: Rows = [["氏名", header]]
            rows += [[name, value] for name, value in zip(names, values, strict=True)]
            data = documents.xlsx([("一覧", rows)]) if ending == "xlsx" else documents.xls([("一覧", rows)])
        path = planter.put("一覧", ending, data)
        for value in values:
            planter.bait(_digits(value), path)

    return make


def numeric_column(header: str) -> Callable[[Planter, int], None]:
    """A workbook with such numbers stored as numbers."""

    def make(planter: Planter, count: int) -> None:
        values = [planter.numbers.digits(12, first=str(planter.rng.randrange(1, 10))) for _ in range(count)]
        rows: Rows = [["取引先", header]]
        rows += [[person(planter.rng).name, int(value)] for value in values]
        path = planter.put("一覧", "xlsx", documents.xlsx([("一覧", rows)], formats="0"))
        for value in values:
            planter.bait(value, path)

    return make


def prose(
    before: str, draw: Callable[[Planter], str], after: str = "", *, mention: bool = False
) -> Callable[[Planter, int], None]:
    """Running text with such numbers after other words; `mention`: the text speaks of My Numbers in general."""

    def make(planter: Planter, count: int) -> None:
        while count > 0:
            values = [draw(planter) for _ in range(min(count, planter.rng.randrange(1, 4)))]
            count -= len(values)
            text = ""
            for value in values:
                text += planter.prose(2)
                if mention:
                    text += planter.rng.choice(LAWS) + "\r\n" + planter.prose(3)
                text += f"{before}{value}{after}\r\n"
            path = planter.put("案内", "txt", text.encode("cp932" if planter.rng.random() < 0.5 else "utf-8"))
            for value in values:
                planter.bait(_digits(value), path)

    return make


def lines(
    ending: str, line: Callable[[Planter], tuple[str, str]], *, head: str = "", encoding: str = "utf-8"
) -> Callable[[Planter, int], None]:
    """A file of lines; each is made together with the digits in it."""

    def make(planter: Planter, count: int) -> None:
        made = [line(planter) for _ in range(count)]
        text = head + "".join(f"{each}\n" for each, _ in made)
        path = planter.put("data", ending, text.encode(encoding))
        for _, digits in made:
            planter.bait(digits, path)

    return make


def _digits(value: str) -> str:
    """The digits of a written number, in ASCII."""
    back = str.maketrans("０１２３４５６７８９", "0123456789")
    return "".join(each for each in value.translate(back) if each.isascii() and each.isdigit())


def _passing(planter: Planter) -> str:
    """Twelve digits that pass by chance."""
    return planter.numbers.digits(12, passing=True)


def _any(planter: Planter) -> str:
    """Twelve digits."""
    return planter.numbers.digits(12)


def _long(count: int) -> Callable[[Planter], str]:
    """A longer number, at least one window of which passes."""

    def draw(planter: Planter) -> str:
        while True:
            digits = planter.numbers.digits(count)
            if any(is_valid(digits[start : start + 12]) for start in range(count - 11)):
                return digits

    return draw


def _float(planter: Planter) -> tuple[str, str]:
    digits = _any(planter)
    return f"{planter.rng.randrange(10)}.{digits}", digits


def _fraction(planter: Planter) -> tuple[str, str]:
    digits = _any(planter)
    return f"x = -0.{digits}e-{planter.rng.randrange(1, 9):02d};", digits


def _amount(planter: Planter) -> tuple[str, str]:
    digits = planter.numbers.digits(12, first=str(planter.rng.randrange(1, 10)))
    return f"total {int(digits):,} JPY ({digits})", digits


def _hexadecimal(planter: Planter) -> tuple[str, str]:
    digits = _any(planter)
    return f"0x{digits}, sha1 {planter.rng.getrandbits(96):024x}{digits}{planter.rng.getrandbits(16):04x}", digits


def _hex_dump(planter: Planter) -> tuple[str, str]:
    digits = _any(planter)
    pairs = " ".join(digits[start : start + 2] for start in range(0, 12, 2))
    return f"{planter.rng.getrandbits(32) & ~15:08x}: {digits[:4]} {digits[4:8]} {digits[8:]} {pairs}  ......", digits


def _uuid(planter: Planter) -> tuple[str, str]:
    value = planter.numbers.uuid()
    return f"{{{value}}}", value[-12:]


def _log(planter: Planter) -> tuple[str, str]:
    digits = _any(planter)
    when = f"2025-01-{planter.rng.randrange(1, 29):02d}T09:30:{planter.rng.randrange(60):02d}Z"
    return f"{when} INFO req_id={digits} status=200", digits


def _stamp(planter: Planter) -> tuple[str, str]:
    digits = planter.numbers.timestamp()
    return f"{digits} backup job finished, next {int(digits) + 100}", digits


def _source(planter: Planter) -> tuple[str, str]:
    digits = planter.numbers.digits(12, first=str(planter.rng.randrange(1, 10)))
    return f"    {{ {digits}LL, {planter.rng.randrange(1 << 31)}u }},  /* coefficient */", digits


def _man(planter: Planter) -> tuple[str, str]:
    digits = _any(planter)
    return f".TP\n.B \\-\\-magic={digits}\nSet the magic value; the default is {planter.rng.randrange(4096)}.", digits


def _json(planter: Planter) -> tuple[str, str]:
    digits = planter.numbers.digits(12, first="1")
    return json.dumps(
        {"order_id": int(digits), "sku": planter.numbers.jan(), "user": planter.rng.randrange(9999)}
    ), digits


def _mac(planter: Planter) -> tuple[str, str]:
    digits = _any(planter)
    return f"eth0 {':'.join(digits[start : start + 2] for start in range(0, 12, 2))} up {digits}", digits


def _coordinates(planter: Planter) -> tuple[str, str]:
    digits = planter.numbers.digits(12)
    return f"35.{digits} 139.{planter.rng.randrange(10**12):012d}", digits


def _shortened(planter: Planter) -> tuple[str, str]:
    digits = _any(planter)
    return f"https://shop.example/item/{digits}?ref={planter.rng.getrandbits(40):010x}", digits


def _bytes_table(planter: Planter) -> tuple[str, str]:
    digits = _any(planter)
    return "static const char t[] = { " + ", ".join(digits) + " };", digits


def serials(planter: Planter, count: int) -> None:
    """Consecutive serial numbers: one in ten passes, evenly."""
    first = int(planter.numbers.digits(12, first="4"))
    values = [str(first + step * 10) for step in range(count)]
    text = "シリアル番号\r\n" + "".join(f"{value}\r\n" for value in values)
    path = planter.put("機器台帳", "csv", text.encode("cp932"))
    for value in values:
        planter.bait(value, path)


def zeros(planter: Planter, count: int) -> None:
    """Twelve zeros, which pass, in many writings."""
    text = "".join(
        planter.rng.choice(("000000000000", "0000 0000 0000", "0000-0000-0000", "０００００００００００００"[:12]))
        + "\r\n"
        for _ in range(count)
    )
    path = planter.put("初期値", "txt", text.encode("cp932"))
    for _ in range(count):
        planter.bait("000000000000", path)


def template(planter: Planter, count: int) -> None:
    """Forms with an example number beside the words 個人番号 and 記入例: samples, not somebody's number."""
    for _ in range(max(1, count // 8)):
        digits = planter.rng.choice(("123456789018", "123456789012", "111111111111", "000000000000", "999999999999"))
        text = (
            "【記入例・見本】 給与所得者の扶養控除等(異動)申告書\r\n"
            f"個人番号(例): {grouped(digits, ' ')}\r\n"
            "※ この番号は見本です。実際には通知カードに記載された12桁の番号を記入してください。\r\n"
        )
        path = planter.put("記入例", "txt", (text + planter.prose(20)).encode("cp932"))
        planter.bait(digits, path)


def blank_form(planter: Planter, count: int) -> None:
    """Empty forms full of the right words, with form numbers and print dates."""
    for _ in range(max(1, count // 8)):
        digits = planter.numbers.timestamp(passing=True)
        text = f"個人番号 □□□□ □□□□ □□□□\r\n氏名\r\n住所\r\n(印刷日時 {digits})\r\n"
        path = planter.put("様式", "txt", (text + planter.prose(25)).encode("cp932"))
        planter.bait(digits, path)


def beside_empty_column(planter: Planter, count: int) -> None:
    """A roster whose column 個人番号 is empty, beside a column of member numbers."""
    values = [planter.numbers.digits(12, passing=planter.rng.random() < 0.15) for _ in range(count)]
    text = ["氏名,個人番号,会員番号", *(f"{person(planter.rng).name},,{value}" for value in values)]
    path = planter.put("会員", "csv", "".join(f"{line}\r\n" for line in text).encode("cp932"))
    for value in values:
        planter.bait(value, path)


def masked_column(planter: Planter, count: int) -> None:
    """A roster whose numbers are masked already, beside other numbers of twelve digits."""
    values = [_any(planter) for _ in range(count)]
    text = ["氏名,個人番号,管理番号"]
    text += [f"{person(planter.rng).name},********{value[:4]},{value}" for value in values]
    path = planter.put("提出済", "csv", "".join(f"{line}\r\n" for line in text).encode("cp932"))
    for value in values:
        planter.bait(value, path)


def wrong_check(planter: Planter, count: int) -> None:
    """Test data: a column 個人番号 of random numbers none of which passes."""
    values = [planter.numbers.digits(12, passing=False) for _ in range(count)]
    text = ["氏名,個人番号", *(f"{person(planter.rng).name},{value}" for value in values)]
    path = planter.put("テスト用ダミー", "csv", "".join(f"{line}\r\n" for line in text).encode("cp932"))
    for value in values:
        planter.bait(value, path)


def binary(planter: Planter, count: int) -> None:
    """Digits in a program file between bytes that are no text."""
    data = b""
    values = [_any(planter) for _ in range(count)]
    for value in values:
        data += planter.rng.randbytes(90) + b"\0" + value.encode() + b"\0"
    path = planter.put("module", "dll", b"MZ\x90\0" + data)
    for value in values:
        planter.bait(value, path)


def utf16_strings(planter: Planter, count: int) -> None:
    """Digits in UTF-16LE strings of a program's resources."""
    values = [_any(planter) for _ in range(count)]
    data = b"".join(f"ProductId\0{value}\0\0".encode("utf-16-le") for value in values)
    path = planter.put("resource", "bin", planter.rng.randbytes(256) + b"\0" + data)
    for value in values:
        planter.bait(value, path)


def sqlite_orders(planter: Planter, count: int) -> None:
    """A database of orders."""
    values = [planter.numbers.digits(12, first="2") for _ in range(count)]
    create = ["CREATE TABLE orders (id INTEGER PRIMARY KEY, order_no TEXT, serial INTEGER)"]
    rows = [(value, int(value)) for value in values]
    data = documents.sqlite(create, [("INSERT INTO orders (order_no, serial) VALUES (?, ?)", rows)])
    path = planter.put("注文", "sqlite", data)
    for value in values:
        planter.bait(value, path)


def pdf_statement(planter: Planter, count: int) -> None:
    """A PDF of invoices: registration numbers, order numbers, customers' numbers."""
    values = [_any(planter) for _ in range(count)]
    text = [
        f"伝票番号 {value}  登録番号 T{planter.numbers.corporate()}  数量 {planter.rng.randrange(99)}"
        for value in values
    ]
    path = planter.put("請求書", "pdf", documents.pdf(text))
    for value in values:
        planter.bait(value, path)


def docx_letter(planter: Planter, count: int) -> None:
    """Letters that speak of My Numbers and quote an inquiry number."""
    for _ in range(-(-count // 4)):
        value = grouped(_passing(planter), "-")
        text = [["マイナンバー制度に関するお知らせ"], [LAWS[1]], [LAWS[2]], [planter.rng.choice(LAWS)]]
        text.append([planter.rng.choice(("お問い合わせ番号 ", "伝票番号 ", "受付番号 ")), value])
        path = planter.put("お知らせ", "docx", documents.docx(text))
        planter.bait(_digits(value), path)


def random_under_label(planter: Planter, count: int) -> None:
    """A column 個人番号 of random numbers, as anonymised and test data have it: one in ten passes by chance."""
    values = [planter.numbers.digits(12) for _ in range(max(count, 40))]
    text = ["氏名,個人番号,備考", *(f"{person(planter.rng).name},{value},ダミー" for value in values)]
    path = planter.put("疎通試験", "csv", "".join(f"{line}\r\n" for line in text).encode("cp932"))
    for value in values:
        planter.bait(value, path)


def small_tables(planter: Planter, count: int) -> None:
    """Tables of two or three rows under a vague header, all passing."""
    for _ in range(-(-count // 3)):
        values = [_passing(planter) for _ in range(planter.rng.randrange(2, 4))]
        header = planter.rng.choice(("番号", "コード", "ID", "No.", "管理番号", "受注番号"))
        text = [f"{header},品名,数量", *(f"{value},部品,{planter.rng.randrange(1, 99)}" for value in values)]
        path = planter.put("部品", "csv", "".join(f"{line}\r\n" for line in text).encode("cp932"))
        for value in values:
            planter.bait(value, path)


NEAR = (
    "個人番号の提出は不要です。受付番号は {} です。",
    "マイナンバーカードの製造番号: {}",
    "個人番号利用事務 管理番号 {}",
    "個人番号カード交付申請 整理番号 {}",
    "マイナンバー関係書類は簡易書留 {} で返送しました。",
    "マイナンバーの取扱いについて(文書番号 {})",
    "源泉徴収票は伝票番号 {} の荷物に同封しました。",
    "特定個人情報の廃棄記録 証明書番号 {}",
    "マイナポータルの問い合わせ番号:{}",
    "個人番号を記載した封筒のお問い合わせ番号 {}",
)


def near_label(planter: Planter, count: int) -> None:
    """Another number right beside the words 個人番号 or マイナンバー, and named as what it is."""
    for _ in range(count):
        value = _passing(planter)
        written = planter.rng.choice((value, grouped(value, "-"), grouped(value, " ")))
        text = planter.prose(4) + planter.rng.choice(NEAR).format(written) + "\r\n" + planter.prose(4)
        path = planter.put("連絡", "txt", text.encode(planter.rng.choice(("cp932", "utf-8"))))
        planter.bait(value, path)


def handling_record(planter: Planter, count: int) -> None:
    """The record of who handled My Numbers: the right words in its title, reference numbers and times in columns."""
    values = [(planter.numbers.timestamp(), _any(planter)) for _ in range(-(-count // 2))]
    lines_ = ["特定個人情報(個人番号)取扱記録簿", "日時,取扱者,管理番号,内容"]
    lines_ += [f"{when},{person(planter.rng).name},{value},個人番号の確認" for when, value in values]
    path = planter.put("取扱記録", "csv", "".join(f"{line}\r\n" for line in lines_).encode("cp932"))
    for when, value in values:
        planter.bait(when, path)
        planter.bait(value, path)


def flags(planter: Planter, count: int) -> None:
    """JSON with a key about My Numbers that holds none, beside an order number."""
    values = [planter.numbers.digits(12, passing=planter.rng.random() < 0.3, first="3") for _ in range(count)]
    text = "".join(
        json.dumps(
            {"my_number_submitted": True, "個人番号提出": "済", "order_id": value, "seq": int(value)},
            ensure_ascii=False,
        )
        + "\n"
        for value in values
    )
    path = planter.put("状態", "jsonl", text.encode())
    for value in values:
        planter.bait(value, path)


def survey(ending: str) -> Callable[[Planter, int], None]:
    """Answers to twelve questions, a digit in each cell."""

    def make(planter: Planter, count: int) -> None:
        answers = ["".join(planter.rng.choices("12345", k=12)) for _ in range(count)]
        head = ["回答者", *(f"問{number}" for number in range(1, 13))]
        if ending == "csv":
            text = [",".join(head), *(f"{row},{','.join(answer)}" for row, answer in enumerate(answers, 1))]
            data = "".join(f"{line}\r\n" for line in text).encode("cp932")
        else:
            rows: Rows = [list(head)]
            rows += [[row, *map(int, answer)] for row, answer in enumerate(answers, 1)]
            data = documents.xlsx([("回答", rows)])
        path = planter.put("アンケート", ending, data)
        for answer in answers:
            planter.bait(answer, path)

    return make


def triples(planter: Planter, count: int) -> None:
    """Three numbers of four digits in a line: years, amounts, readings."""
    text = "拠点 4月 5月 6月\r\n"
    values = []
    for _ in range(count):
        three = [f"{planter.rng.randrange(1000, 9999)}" for _ in range(3)]
        values.append("".join(three))
        text += f"第{planter.rng.randrange(1, 40)}営業所 {' '.join(three)}\r\n"
    path = planter.put("実績", "txt", text.encode("cp932"))
    for value in values:
        planter.bait(value, path)


def triples_xlsx(planter: Planter, count: int) -> None:
    """The same in three cells."""
    rows: Rows = [["拠点", "4月", "5月", "6月"]]
    values = []
    for _ in range(count):
        three = [planter.rng.randrange(1000, 9999) for _ in range(3)]
        values.append("".join(map(str, three)))
        rows.append([f"第{planter.rng.randrange(1, 40)}営業所", *three])
    path = planter.put("実績", "xlsx", documents.xlsx([("実績", rows)]))
    for value in values:
        planter.bait(value, path)


def touching_letters(planter: Planter) -> tuple[str, str]:
    """A part number with letters at both ends."""
    digits = _passing(planter)
    return (
        f"SKU {planter.rng.choice('ABCDEFGH')}{digits}{planter.rng.choice('XYZ')}-{planter.rng.randrange(10)}",
        digits,
    )


def international(planter: Planter) -> str:
    """A phone number with the code of Japan: twelve digits."""
    return "+" + planter.numbers.digits(12, passing=True, first=planter.rng.choice(("8190", "8180", "8170", "8150")))


def stamped_names(planter: Planter, count: int) -> None:
    """Files named by the time at which they were made."""
    for _ in range(count):
        value = planter.numbers.timestamp(passing=planter.rng.random() < 0.3)
        path = planter.put(f"IMG_{value}", "txt", planter.prose(30).encode("cp932"))
        planter.bait(value, path)


def message_headers(planter: Planter, count: int) -> None:
    """Mails whose identifiers consist of digits, about My Numbers in general."""
    for _ in range(-(-count // 3)):
        value = _passing(planter)
        message = documents.mail("マイナンバー制度のご案内", planter.prose(5) + LAWS[2] + "\r\n")
        path = planter.put("案内", "eml", message.replace(b"Message-ID: <", f"Message-ID: <{value}.".encode()))
        planter.bait(value, path)


def checker_source(planter: Planter, count: int) -> None:
    """Source code and tests of a My Number checker: its examples are nobody's numbers."""
    for _ in range(-(-count // 8)):
        values = [planter.numbers.my_number() for _ in range(4)]
        text = '"""個人番号(マイナンバー)の検査用数字を確かめる。"""\n\nimport pytest\n\n\ndef test_valid() -> None:\n'
        text += "".join(f'    assert is_valid_my_number("{value}")\n' for value in values)
        path = planter.put("test_mynumber", "py", text.encode())
        for value in values:
            planter.bait(value, path)


def deleted_orders(planter: Planter, count: int) -> None:
    """A deleted list of orders."""
    values = [_any(planter) for _ in range(count)]
    text = "注文番号,金額\r\n" + "".join(f"{value},{planter.rng.randrange(9999)}\r\n" for value in values)
    path = planter.put("旧受注", "csv", text.encode("cp932"), how="deleted")
    for value in values:
        planter.bait(value, path)


def raw_text(planter: Planter, count: int) -> None:
    """Letters with order numbers in free clusters."""
    for _ in range(-(-count // 4)):
        value = _passing(planter)
        text = planter.prose(6) + f"ご注文番号 {grouped(value, '-')}\r\n" + planter.prose(6)
        planter.raw.append(RawPiece("unallocated", text.encode("cp932"), 0, None))
        planter.bait(value, "")


def raw_digits(planter: Planter, count: int) -> None:
    """Digits between random bytes in free clusters."""
    for _ in range(-(-count // 20)):
        values = [_any(planter) for _ in range(20)]
        data = b"".join(planter.rng.randbytes(120) + b"\0" + value.encode() + b"\0" for value in values)
        planter.raw.append(RawPiece("unallocated", data, 0, None))
        for value in values:
            planter.bait(value, "")


def raw_column(planter: Planter, count: int) -> None:
    """Rows of a list of orders in a free cluster, header gone."""
    for _ in range(-(-count // 40)):
        values = [_any(planter) for _ in range(40)]
        data = "".join(f"{value},{planter.rng.randrange(99999)},済\r\n" for value in values).encode("cp932")
        planter.raw.append(RawPiece("unallocated", data, 0, None))
        for value in values:
            planter.bait(value, "")


@dataclass(frozen=True, slots=True)
class DecoyKind:
    """A kind of decoy; `share` is how many are planted, relative to the others."""

    name: str
    make: Callable[[Planter, int], None]
    share: int = 2


DECOYS: tuple[DecoyKind, ...] = (
    DecoyKind("column 注文番号", column("注文番号", _any), 4),
    DecoyKind("column 会員番号 xlsx", column("会員番号", _any, ending="xlsx"), 4),
    DecoyKind("column 管理番号 xls", column("管理番号", _any, ending="xls")),
    DecoyKind("column 伝票番号 numeric", numeric_column("伝票番号"), 4),
    DecoyKind("column 追跡番号", column("追跡番号", lambda p: p.numbers.tracking()), 4),
    DecoyKind("column お問い合わせ番号 4-4-4", column("お問い合わせ番号", lambda p: grouped(_any(p), "-")), 4),
    DecoyKind("column 運転免許証番号", column("運転免許証番号", lambda p: p.numbers.licence()), 4),
    DecoyKind("column 運転免許証番号 xlsx", column("免許証番号", lambda p: p.numbers.licence(), ending="xlsx")),
    DecoyKind("column 法人番号", column("法人番号", lambda p: p.numbers.corporate())),
    DecoyKind("column 登録番号 T13", column("登録番号", lambda p: "T" + p.numbers.corporate())),
    DecoyKind("column 商品コード", column("商品コード", _any), 4),
    DecoyKind("column JAN", column("JANコード", lambda p: p.numbers.jan())),
    DecoyKind("column UPC", column("UPC", lambda p: p.numbers.upc())),
    DecoyKind("column 日時", column("受付日時", lambda p: p.numbers.timestamp()), 4),
    DecoyKind("column 口座番号", column("口座番号", lambda p: p.numbers.digits(7))),
    DecoyKind("column 基礎年金番号", column("基礎年金番号", lambda p: p.numbers.digits(10))),
    DecoyKind("column 住民票コード", column("住民票コード", lambda p: p.numbers.digits(11))),
    DecoyKind("column 雇用保険 4-6-1", column("被保険者番号", lambda p: _employment(p))),  # noqa: PLW0108
    DecoyKind("column カード番号", column("カード番号", lambda p: grouped16(p.numbers.card()))),
    DecoyKind("column 電話", column("電話", lambda p: p.numbers.phone())),
    DecoyKind("beside an empty column 個人番号", beside_empty_column, 4),
    DecoyKind("beside masked numbers", masked_column, 4),
    DecoyKind("column 個人番号, none passes", wrong_check),
    DecoyKind("text 注文番号", prose("ご注文番号: ", _passing), 4),
    DecoyKind(
        "text 追跡番号", prose("追跡番号は ", lambda p: grouped(p.numbers.tracking(passing=True), "-"), " です。"), 4
    ),
    DecoyKind("text 免許証番号", prose("運転免許証 第", lambda p: p.numbers.licence(passing=True), "号"), 4),
    DecoyKind("text 伝票番号 full-width", prose("伝票番号 ", lambda p: _passing(p).translate(FULLWIDTH))),
    DecoyKind("text 受付番号, My Numbers mentioned", prose("受付番号:", _passing, mention=True), 4),
    DecoyKind(
        "text お客様番号, My Numbers mentioned",
        prose("お客様番号 ", lambda p: grouped(_passing(p), " "), mention=True),
        4,
    ),
    DecoyKind("text 口座番号 4-4-4", prose("振込口座 ", lambda p: grouped(_passing(p), " "))),
    DecoyKind("text ライセンスキー", prose("ライセンスキー ", lambda p: grouped(_passing(p), "-"))),
    DecoyKind("text 法人番号, My Numbers mentioned", prose("法人番号 ", lambda p: p.numbers.corporate(), mention=True)),
    DecoyKind("text UPC", prose("UPC ", lambda p: p.numbers.upc(passing=True))),
    DecoyKind("text ISBN and JAN", prose("JAN ", lambda p: p.numbers.jan())),
    DecoyKind("text card", prose("カード番号 ", lambda p: grouped16(p.numbers.card()))),
    DecoyKind("text 14 digits", prose("取引番号 ", _long(14))),
    DecoyKind("text 20 digits", prose("受付番号 ", _long(20))),
    DecoyKind("docx letter, My Numbers mentioned", docx_letter),
    DecoyKind("pdf invoices", pdf_statement),
    DecoyKind("sqlite orders", sqlite_orders, 4),
    DecoyKind("floats", lines("dat", _float), 4),
    DecoyKind("float constants in source", lines("c", _fraction)),
    DecoyKind("amounts", lines("txt", _amount)),
    DecoyKind("hexadecimal", lines("txt", _hexadecimal), 4),
    DecoyKind("hex dump", lines("txt", _hex_dump)),
    DecoyKind("uuid", lines("reg", _uuid, head="Windows Registry Editor Version 5.00\n\n"), 4),
    DecoyKind("log", lines("log", _log), 4),
    DecoyKind("log utf-16", lines("log", _log, encoding="utf-16")),
    DecoyKind("timestamps", lines("log", _stamp), 4),
    DecoyKind("source code", lines("c", _source)),
    DecoyKind("digits of an array in source", lines("c", _bytes_table)),
    DecoyKind("man page", lines("1", _man, head=".TH TOOL 1\n.SH OPTIONS\n")),
    DecoyKind("json orders", lines("json", _json)),
    DecoyKind("mac addresses", lines("txt", _mac)),
    DecoyKind("coordinates", lines("csv", _coordinates)),
    DecoyKind("links", lines("html", _shortened)),
    DecoyKind("serial numbers", serials, 4),
    DecoyKind("zeros", zeros, 4),
    DecoyKind("template with an example", template),
    DecoyKind("blank form", blank_form),
    DecoyKind("program file", binary),
    DecoyKind("utf-16 resources", utf16_strings),
    DecoyKind("column 個人番号, random", random_under_label),
    DecoyKind("small tables, all pass", small_tables),
    DecoyKind("right beside the words 個人番号", near_label, 4),
    DecoyKind("record of handling My Numbers", handling_record),
    DecoyKind("json flags about My Numbers", flags),
    DecoyKind("survey csv", survey("csv"), 4),
    DecoyKind("survey xlsx", survey("xlsx"), 4),
    DecoyKind("three numbers of four digits", triples, 4),
    DecoyKind("three cells of four digits", triples_xlsx),
    DecoyKind("touching letters", lines("txt", touching_letters)),
    DecoyKind("column 電話 +81", column("電話", international)),
    DecoyKind("text phone +81", prose("TEL ", international)),
    DecoyKind("file names with times", stamped_names, 1),
    DecoyKind("message identifiers", message_headers),
    DecoyKind("source code of a checker", checker_source),
    DecoyKind("deleted list of orders", deleted_orders),
    DecoyKind("unallocated letters", raw_text),
    DecoyKind("unallocated digits in noise", raw_digits, 4),
    DecoyKind("unallocated list of orders", raw_column, 4),
)


def _employment(planter: Planter) -> str:
    """An employment-insurance number: 4-6-1."""
    digits = planter.numbers.digits(11)
    return f"{digits[:4]}-{digits[4:10]}-{digits[10]}"


def grouped16(digits: str) -> str:
    """Sixteen digits in four groups."""
    return "-".join(digits[start : start + 4] for start in range(0, 16, 4))


def plant_decoys(planter: Planter, count: int, kinds: Sequence[DecoyKind] = DECOYS) -> None:
    """Plant at least `count` decoys over all `kinds`."""
    shares = sum(kind.share for kind in kinds)
    for kind in kinds:
        planter.kind = kind.name
        have = len(planter.decoys)
        wanted = -(-count * kind.share // shares)
        kind.make(planter, wanted)
        if len(planter.decoys) - have < min(1, wanted):
            raise AssertionError(f"{kind.name}: nothing was planted")
