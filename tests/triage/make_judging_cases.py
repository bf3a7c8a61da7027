"""Recipe for the judge's cases: labelled My Numbers in every written form, and strings that only look like one.

Everything is made from seeds, so that a failing case can be made again. Each case is (kind, texts, numbers in it).
"""

from __future__ import annotations

import random
import uuid
from typing import TYPE_CHECKING

from stdnum import ean, luhn
from stdnum.jp import cn, in_

from triage.text import Cell, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FAMILY = ["佐藤", "鈴木", "高橋", "田中", "伊藤", "渡辺", "山本", "中村", "小林", "加藤", "曽我部", "御手洗"]
GIVEN = ["太郎", "花子", "一郎", "美咲", "翔太", "陽菜", "健", "さくら", "大輔", "直子"]
WORDS = [
    "会議",
    "資料",
    "案件",
    "確認",
    "お願い",
    "本日",
    "予定",
    "変更",
    "送付",
    "部署",
    "担当",
    "報告",
    "回答",
    "期限",
    "システム",
    "運用",
    "手順",
    "対応",
    "設定",
    "環境",
]


def my_number(rng: random.Random) -> str:
    body = f"{rng.randrange(10**11):011d}"
    return body + in_.calc_check_digit(body)


def any_digits(rng: random.Random, length: int = 12) -> str:
    return "".join(rng.choice("0123456789") for _ in range(length))


def passing(rng: random.Random, make: Callable[[random.Random], str], *, tries: int = 2000) -> str:
    """A string made by `make` that passes the My Number check too: the worst kind of decoy."""
    for _ in range(tries):
        made = make(rng)
        if in_.is_valid(made):
            return made
    raise AssertionError("none passes")


def name(rng: random.Random) -> str:
    return rng.choice(FAMILY) + rng.choice(["", " ", "　"]) + rng.choice(GIVEN)


def birth(rng: random.Random) -> str:
    year, month, day = rng.randrange(1940, 2010), rng.randrange(1, 13), rng.randrange(1, 29)
    return rng.choice(
        [
            f"{year}/{month}/{day}",
            f"{year}年{month}月{day}日",
            f"昭和{rng.randrange(20, 64)}年{month}月{day}日",
            f"{year}-{month:02d}-{day:02d}",
        ]
    )


def prose(rng: random.Random, count: int = 12) -> str:
    return "".join(rng.choice(WORDS) + rng.choice(["の", "を", "と", "、", "。", "は"]) for _ in range(count))


_WIDE = str.maketrans("0123456789", "０１２３４５６７８９")
_KANJI = str.maketrans("0123456789", "〇一二三四五六七八九")
SEPARATORS = [" ", "　", "-", "‐", "–", "—", "−", "－", "ー", "─", ".", "・", "/", "\u00a0", "\t", "_"]


def written(rng: random.Random, digits: str) -> str:
    """One of the written forms that need no label to be read."""
    groups = [digits[:4], digits[4:8], digits[8:]]
    form = rng.randrange(7)
    if form < 2:
        return digits
    if form == 2:
        return digits.translate(_WIDE)
    if form == 3:
        return rng.choice(SEPARATORS).join(groups)
    if form == 4:
        return rng.choice(SEPARATORS).join(groups).translate(_WIDE)
    if form == 5:
        return rng.choice([" ", "-"]).join(groups)
    return "".join(character.translate(_WIDE) if rng.random() < 0.4 else character for character in digits)


def written_after_label(rng: random.Random, digits: str) -> str:
    """Forms that only a label makes readable."""
    groups = [digits[:4], digits[4:8], digits[8:]]
    return rng.choice(
        [
            " ".join(digits),
            "|".join(digits),
            "|" + "|".join(digits) + "|",
            "\n".join(digits),
            "\t".join(digits),
            "][".join(digits),
            digits.translate(_KANJI),
            "　".join(digits.translate(_KANJI)),
            "  ".join(groups),
            " - ".join(groups),
            "\n".join(groups),
            digits[:8] + "\n" + digits[8:],
            digits[:6] + "-" + digits[6:],
            " ".join(digits[place : place + 3] for place in range(0, 12, 3)),
        ],
    )


LABELS = [
    "個人番号", "個人番号：", "個人番号:", "個 人 番 号 ", "個　人　番　号：", "マイナンバー:", "マイナンバー　", "マイナンバー（12桁）：", "ﾏｲﾅﾝﾊﾞｰ ", "ﾏｲﾅﾝﾊﾞｰ:",
    "My Number: ", "MyNumber=", "my_number: ", "mynumber\t", "個人番号（マイナンバー）：", "【個人番号】", "個人番号は", "マイナンバーは", "個人番号\n", "個人番号\r\n",
    "マイナンバー\n\n", "kojin_bango=", "kojinBango: ", "Individual Number ", "個人番号カード ", "個⼈番号 ", "ＭｙＮｕｍｂｅｒ：", "まいなんばー：", "個人番号又は法人番号 ",
]  # fmt: skip


def table(
    rows: Sequence[Sequence[str]], *, numeric: Sequence[int] = (), location: str = "", first_row: int = 0
) -> Text:
    content, cells = "", []
    for row, values in enumerate(rows, first_row):
        for column, value in enumerate(values):
            if column:
                content += "\t"
            if value:
                cells.append(Cell(row, column, len(content), len(content) + len(value), column in numeric))
            content += value
        content += "\n"
    return Text(content, "utf-8", "table", location=location, stream="table", cells=tuple(cells))


Case = tuple[str, list[Text], set[str]]


def positives(seed: int, count: int = 40) -> Iterator[Case]:
    """Labelled numbers: every one of them must be found, with confidence high."""
    rng = random.Random(seed)
    for _ in range(count):
        digits = my_number(rng)
        label = rng.choice(LABELS)
        yield "prose", [Text(f"{prose(rng)}\n{label}{written(rng, digits)}\n{prose(rng)}", "utf-8")], {digits}
        digits = my_number(rng)
        yield (
            "prose_form",
            [Text(f"{prose(rng)}\n{rng.choice(LABELS)}{written_after_label(rng, digits)}\n{prose(rng)}", "utf-8")],
            {digits},
        )
        digits = my_number(rng)
        line = (
            f"氏名：{name(rng)} 生年月日：{birth(rng)} 個人番号：{written(rng, digits)} 住所：東京都千代田区霞が関1-2-3"
        )
        yield "one_line", [Text(line, "utf-8", "form")], {digits}
        digits = my_number(rng)
        yield "behind", [Text(f"{prose(rng)}{written(rng, digits)}（マイナンバー）{prose(rng)}", "utf-8")], {digits}
        digits = my_number(rng)
        yield (
            "json",
            [
                Text(
                    '{{"name": "{}", "{}": "{}", "tel": "09012345678"}}'.format(
                        name(rng), rng.choice(["my_number", "myNumber", "kojinBango", "個人番号", "mynumber"]), digits
                    ),
                    "utf-8",
                    "markup",
                )
            ],
            {digits},
        )
        digits = my_number(rng)
        tag = rng.choice(["個人番号", "kojinBango", "MyNumber", "kojin_bango"])
        yield (
            "xml",
            [Text(f'<row><name>{name(rng)}</name><{tag} no="1">{digits}</{tag}></row>', "utf-8", "markup")],
            {digits},
        )
        digits = my_number(rng)
        yield (
            "html",
            [Text(f"<tr><th>個人番号</th><td class='x'>{written(rng, digits)}</td></tr>", "utf-8", "markup")],
            {digits},
        )
        digits = my_number(rng)
        yield (
            "name",
            [
                Text(
                    f"{rng.choice(['マイナンバー', '個人番号', 'mynumber'])}_{rng.choice([digits, '-'.join([digits[:4], digits[4:8], digits[8:]])])}_{rng.choice(FAMILY)}.pdf",
                    "utf-8",
                    "name",
                )
            ],
            {digits},
        )
        digits = my_number(rng)
        noise = "".join(chr(rng.randrange(0x80, 0x2FF)) for _ in range(60))
        yield "raw", [Text(f"{noise}個人番号：{written(rng, digits)}\r\n{noise}", "cp932", "raw")], {digits}
        numbers = [my_number(rng) for _ in range(rng.randrange(1, 12))]
        yield (
            "csv_text",
            [
                Text(
                    "氏名,個人番号,電話番号\r\n"
                    + "".join(f"{name(rng)},{number},090{any_digits(rng, 8)}\r\n" for number in numbers),
                    "cp932",
                )
            ],
            set(numbers),
        )
        numbers = [my_number(rng) for _ in range(rng.randrange(1, 12))]
        header = rng.choice(
            ["個人番号", "マイナンバー", "個人\n番号", "ﾏｲﾅﾝﾊﾞｰ", "my_number", "従業員 個人番号（12桁）"]
        )
        rows = [["社員番号", "氏名", "生年月日", header, "電話番号"]]
        rows += [
            [
                any_digits(rng, 6),
                name(rng),
                birth(rng),
                written(rng, number).replace("\t", " "),
                "03" + any_digits(rng, 8),
            ]
            for number in numbers
        ]
        titles = [["従業員名簿"], ["2024年1月現在"], ["", "作成者", "総務部"]][: rng.randrange(4)]
        yield "table", [table([*titles, *rows])], set(numbers)
        numbers = [my_number(rng) for _ in range(rng.randrange(1, 6))]
        yield "boxes", [table([["氏名", "個人番号"], *[[name(rng), *number] for number in numbers]])], set(numbers)
        digits = my_number(rng)
        yield (
            "key_value",
            [
                table(
                    [
                        ["氏名", name(rng)],
                        ["個人番号", written(rng, digits).replace("\t", " ")],
                        ["電話番号", "03" + any_digits(rng, 8)],
                        ["口座番号", any_digits(rng)],
                    ]
                )
            ],
            {digits},
        )
        numbers = [my_number(rng) for _ in range(rng.randrange(2, 9))]
        yield (
            "numeric",
            [table([["氏名", "マイナンバー"], *[[name(rng), str(int(number))] for number in numbers]], numeric=(1,))],
            {number for number in numbers if not number.startswith("0000")},
        )
        numbers = [my_number(rng) for _ in range(rng.randrange(12, 30))]
        yield "bare_list", [Text("\n".join(numbers) + "\n", "utf-8")], set(numbers)
        numbers = [my_number(rng) for _ in range(rng.randrange(12, 30))]
        yield (
            "bare_column",
            [table([["A", "B"], *[[str(index), number] for index, number in enumerate(numbers)]])],
            set(numbers),
        )
        numbers = [my_number(rng) for _ in range(rng.randrange(2, 6))]
        yield (
            "family",
            [
                Text(
                    "【扶養親族】個人番号\n"
                    + "\n".join(
                        f"{relation} {written(rng, number)}"
                        for relation, number in zip(["配偶者", "長男", "長女", "父", "母"], numbers, strict=False)
                    ),
                    "utf-8",
                    "form",
                )
            ],
            set(numbers),
        )
        numbers = [my_number(rng) for _ in range(rng.randrange(2, 6))]
        yield "enumeration", [Text("個人番号：" + "、".join(numbers), "utf-8")], set(numbers)


OTHER_LABELS = [
    "注文番号：", "伝票番号 ", "お問い合わせ番号：", "追跡番号:", "送り状No.", "口座番号　", "商品コード：", "JAN ", "会員番号：", "社員番号:", "受付番号 ", "整理番号：",
    "契約番号：", "顧客コード:", "order_id=", "tracking_number: ", "serial: ", "電話番号：", "基礎年金番号 ", "法人番号 ", "運転免許証番号：", "免許証番号 ", "管理番号：",
    "トランザクションID: ", "シリアル番号：", "証券番号：", "患者ID：", "予約番号 ", "請求書番号：", "登録番号：", "カード番号：", "id: ", "deviceId: ", "申請受付番号 ",
]  # fmt: skip


def licence(rng: random.Random) -> str:
    head = f"{rng.choice([30, 62, 45, 90, 54])}{any_digits(rng, 8)}"
    rest = sum(weight * int(digit) for weight, digit in zip((5, 4, 3, 2, 7, 6, 5, 4, 3, 2), head, strict=True)) % 11
    return head + str(0 if rest <= 1 else 11 - rest) + str(rng.randrange(3))


def tracking(rng: random.Random) -> str:
    body = any_digits(rng, 11)
    return body + str(int(body) % 7)


def timestamp(rng: random.Random) -> str:
    return f"{rng.randrange(1990, 2026)}{rng.randrange(1, 13):02d}{rng.randrange(1, 29):02d}{rng.randrange(24):02d}{rng.randrange(60):02d}"


def card(rng: random.Random) -> str:
    body = "4" + any_digits(rng, 14)
    number = body + luhn.calc_check_digit(body)
    return rng.choice([" ", "-", ""]).join([number[place : place + 4] for place in range(0, 16, 4)])


def negatives(seed: int, count: int = 40) -> Iterator[Case]:
    """No My Numbers: nothing in them may be called high (or medium)."""
    rng = random.Random(seed)

    def grouped(digits: str) -> str:
        return rng.choice(
            [digits, "-".join([digits[:4], digits[4:8], digits[8:]]), " ".join([digits[:4], digits[4:8], digits[8:]])]
        )

    for _ in range(count):
        yield (
            "other_label",
            [
                Text(
                    f"{prose(rng)}\n{rng.choice(OTHER_LABELS)}{grouped(passing(rng, any_digits))}\n{prose(rng)}",
                    "utf-8",
                )
            ],
            set(),
        )
        header = rng.choice(
            [
                "注文番号",
                "伝票番号",
                "商品コード",
                "JAN",
                "会員番号",
                "社員番号",
                "追跡番号",
                "口座番号",
                "受付番号",
                "シリアルNo",
                "管理番号",
                "order_id",
                "お客様番号",
                "TEL",
            ]
        )
        rows = [
            ["氏名", header, "備考"],
            *[
                [name(rng), passing(rng, any_digits) if rng.random() < 0.5 else any_digits(rng), ""]
                for _ in range(rng.randrange(1, 20))
            ],
        ]
        yield "other_header", [table(rows)], set()
        yield "chance_list", [Text("\n".join(any_digits(rng) for _ in range(rng.randrange(30, 200))), "utf-8")], set()
        yield (
            "chance_column",
            [
                table(
                    [
                        ["", rng.choice(["番号", "データ", "値", "X", "備考"])],
                        *[[name(rng), any_digits(rng)] for _ in range(rng.randrange(30, 100))],
                    ]
                )
            ],
            set(),
        )
        yield (
            "licences",
            [
                table(
                    [
                        ["氏名", rng.choice(["運転免許証番号", "番号"])],
                        *[[name(rng), licence(rng)] for _ in range(rng.randrange(20, 60))],
                    ]
                )
            ],
            set(),
        )
        yield "licence", [Text(f"運転免許証 番号 第 {passing(rng, licence)} 号", "utf-8")], set()
        yield (
            "parcels",
            [
                Text(
                    "\n".join(f"{name(rng)}様 {grouped(tracking(rng))} 配達完了" for _ in range(rng.randrange(10, 60))),
                    "utf-8",
                )
            ],
            set(),
        )
        yield (
            "timestamps",
            [Text("\n".join(f"{timestamp(rng)} INFO started {rng.randrange(100)}" for _ in range(50)), "utf-8")],
            set(),
        )
        yield "timestamp", [Text(f"backup_{passing(rng, timestamp)}.tar.gz", "utf-8", "name")], set()
        yield (
            "jan",
            [
                table(
                    [
                        ["商品名", "JAN", "数量"],
                        *[
                            [rng.choice(WORDS), (body := "49" + any_digits(rng, 10)) + ean.calc_check_digit(body), "3"]
                            for _ in range(30)
                        ],
                    ]
                )
            ],
            set(),
        )
        yield (
            "corporate",
            [
                Text(
                    "\n".join(
                        f"株式会社{rng.choice(WORDS)} T{cn.calc_check_digit(body)}{body}"
                        for body in [any_digits(rng, 12) for _ in range(20)]
                    ),
                    "utf-8",
                )
            ],
            set(),
        )
        yield (
            "corporate_cut",
            [
                Text(
                    "\n".join(
                        f"法人番号 {rng.randrange(1, 10)}-{number[:4]}-{number[4:8]}-{number[8:]}"
                        for number in [passing(rng, any_digits) for _ in range(5)]
                    ),
                    "utf-8",
                )
            ],
            set(),
        )
        yield "cards", [Text("\n".join(f"カード {card(rng)} 有効期限 12/27" for _ in range(30)), "utf-8")], set()
        yield (
            "phones",
            [
                Text(
                    "\n".join(
                        f"{name(rng)} 090-{any_digits(rng, 4)}-{any_digits(rng, 4)} +81-90-{any_digits(rng, 4)}-{any_digits(rng, 4)} 8190{any_digits(rng, 8)}"
                        for _ in range(40)
                    ),
                    "utf-8",
                )
            ],
            set(),
        )
        yield (
            "floats",
            [
                Text(
                    "\n".join(
                        f"{rng.random():.12f} {rng.randrange(1000)}.{any_digits(rng)} {any_digits(rng)}.{any_digits(rng, 2)}1"
                        for _ in range(40)
                    ),
                    "utf-8",
                )
            ],
            set(),
        )
        yield "hex", [Text(" ".join(f"{rng.getrandbits(48):012x}" for _ in range(400)), "utf-8")], set()
        yield (
            "hex_dump",
            [
                Text(
                    "\n".join(
                        f"{place:08x}  " + " ".join(f"{rng.getrandbits(8):02x}" for _ in range(16))
                        for place in range(0, 640, 16)
                    ),
                    "utf-8",
                )
            ],
            set(),
        )
        yield (
            "uuid",
            [
                Text(
                    "\n".join(
                        str(uuid.UUID(int=rng.getrandbits(128)))[:24] + passing(rng, any_digits) for _ in range(20)
                    ),
                    "utf-8",
                )
            ],
            set(),
        )
        yield (
            "url",
            [
                Text(
                    "\n".join(
                        f"https://example.co.jp/items/{passing(rng, any_digits)}?ref={any_digits(rng)}"
                        for _ in range(10)
                    ),
                    "utf-8",
                )
            ],
            set(),
        )
        yield (
            "code",
            [
                Text(
                    "\n".join(
                        f"    const long SEED_{index} = {passing(rng, any_digits)}L; // {any_digits(rng, 5)}"
                        for index in range(5)
                    ),
                    "utf-8",
                    "markup",
                )
            ],
            set(),
        )
        yield (
            "code_plain",
            [Text("\n".join(f"    x{index} = {any_digits(rng)};" for index in range(40)), "utf-8", "markup")],
            set(),
        )
        yield (
            "serial",
            [table([["No", "コード"], *[[str(index), f"{402100000000 + index * 7}"] for index in range(100)]])],
            set(),
        )
        yield (
            "lone_raw",
            [
                Text(
                    "".join(chr(rng.randrange(0x20, 0x7F)) for _ in range(40))
                    + f" {passing(rng, any_digits)} "
                    + "".join(chr(rng.randrange(0x20, 0x7F)) for _ in range(40)),
                    "ascii",
                    "raw",
                )
            ],
            set(),
        )
        yield "lone", [Text(f"{prose(rng)} {passing(rng, any_digits)} {prose(rng)}", "utf-8")], set()
        yield "zeros", [Text("000000000000 " * 30 + "\n個人番号 000000000000", "utf-8")], set()
        yield (
            "sample",
            [Text(f"【記入例】\n氏名 番号 太郎\n個人番号 {grouped(my_number(rng))}\n", "utf-8", "form")],
            set(),
        )
        yield (
            "amount",
            [
                Text(
                    f"合計 ¥{passing(rng, any_digits)} / {passing(rng, any_digits)}円 / {passing(rng, any_digits)} bytes",
                    "utf-8",
                )
            ],
            set(),
        )
        yield "invented", [table([["氏名", "個人番号"], *[[name(rng), any_digits(rng)] for _ in range(40)]])], set()
        yield (
            "json_other",
            [
                Text(
                    "\n".join(
                        f'{{"orderId": "{passing(rng, any_digits)}", "userId": {any_digits(rng)}, "ts": {timestamp(rng)}}}'
                        for _ in range(5)
                    ),
                    "utf-8",
                    "markup",
                )
            ],
            set(),
        )
        yield (
            "talk",
            [
                Text(
                    f"マイナンバー制度のご案内。お問い合わせは受付番号 {passing(rng, any_digits)} をお伝えください。",
                    "utf-8",
                )
            ],
            set(),
        )
        yield (
            "row_other",
            [table([["氏名", name(rng)], ["注文番号", passing(rng, any_digits)], ["お届け先", "東京都"]])],
            set(),
        )
        yield (
            "matrix",
            [Text("\n".join(" ".join(any_digits(rng, 4) for _ in range(8)) for _ in range(20)), "utf-8")],
            set(),
        )
        yield (
            "man_page",
            [
                Text(
                    f"       The offset is {passing(rng, any_digits)} and the size {any_digits(rng)}.\n       See also foo(1).",
                    "utf-8",
                )
            ],
            set(),
        )
