"""Places and decoys in words and layouts that the judge was not made with: what an outsider would test it on.

Labels of real forms (源泉徴収票, 支払調書, 社会保険), of programs and of English letters; layouts in which label and
number lie apart; contacts, calendars, settings, logs; and decoys that stand in the same company: numbers of meetings,
cases, samples, shipments. Nothing here may be used to choose words or weights: what is missed is mended by a rule that
holds for more than the words of this file.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import corpus_documents as documents
from corpus_decoys import DecoyKind
from corpus_numbers import FULLWIDTH, grouped, person
from corpus_places import PlaceKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from corpus_places import Confidence, Planter, Rows

LABELS = (
    "個人番号（１２桁）", "マイナンバー（個人番号）", "マイNo.", "ﾏｲﾅﾝﾊﾞｰ(本人)", "●個人番号", "MYNUMBER", "my_number",
    "kojin_bango", "KojinBangou", "kojin-no", "従業員個人番号", "被扶養者 個人番号", "届出人の個人番号",
    "Individual Number", "My Number (Kojin Bango)", "マイナンバ－", "個人番号欄", "＜個人番号＞", "妻 マイナンバー",
    "個人番号（国民年金第３号被保険者）", "支払を受ける者の個人番号", "個人番号又は法人番号",
    "④個人番号［基礎年金番号］",
    "１．個人番号", "personal_number", "employee.myNumber", "MY NO", "マイナンバー番号", "本人マイナンバー",
    "個　人　番　号", "個人番号(ハイフンなし)", "Mynumber", "個人番号１", "受取人個人番号", "相続人の個人番号",
)  # fmt: skip
JOINTS = (": ", "：", " ", "\u3000", " = ", "=", "→", "は", "\t", " … ", "（", "「", " - ", "#")
SHAPES: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("plain", str),
    ("blanks", lambda d: grouped(d, " ")),
    ("hyphens", lambda d: grouped(d, "-")),
    ("dots", lambda d: grouped(d, ".")),
    ("wide", lambda d: d.translate(FULLWIDTH)),
    ("wide, wide blanks", lambda d: grouped(d, "\u3000").translate(FULLWIDTH)),
    ("wide, long vowel marks", lambda d: grouped(d, "ー").translate(FULLWIDTH)),
    ("thin spaces", lambda d: grouped(d, "\u2009")),
    ("bullets", lambda d: grouped(d, "•")),
    ("non-breaking hyphens", lambda d: grouped(d, "\u2011")),
    ("half-width middle dots", lambda d: grouped(d, "･")),
    ("boxes", "│".join),
    ("bars", "|".join),
    ("brackets", lambda d: "".join(f"[{one}]" for one in d)),
    ("commas", ",".join),
)


def labelled(planter: Planter) -> None:
    """Each label with each joint and shape in turn, in one text per encoding."""
    turn = planter.rng.randrange(1000)
    for encoding in ("utf-8", "cp932", "utf-16", "euc_jp"):
        lines, planted = [], []
        for name in LABELS:
            turn += 1
            shape, write = SHAPES[turn % len(SHAPES)]
            joint = JOINTS[turn * 7 % len(JOINTS)]
            digits = planter.number()
            line = f"{name}{joint}{write(digits)}\r\n"
            try:
                line.encode(encoding)
            except UnicodeEncodeError:
                line = f"{name}{joint}{grouped(digits, ' ')}\r\n"
                shape = "blanks"
            try:
                line.encode(encoding)
            except UnicodeEncodeError:
                continue
            lines += [line, planter.prose(3)]
            planted.append((digits, f"unseen {name}{joint.strip()} {shape}"))
        path = planter.put("覚書", "txt", "".join(lines).encode(encoding))
        for digits, written in planted:
            planter.note(digits, path, written=written, encoding=encoding, minimum="medium")


def _text(stem: str, ending: str, encoding: str, text: str, values: Sequence[str], written: str,
          minimum: Confidence = "medium") -> Callable[[Planter], None]:  # fmt: skip
    def make(planter: Planter) -> None:
        path = planter.put(stem, ending, text.encode(encoding))
        for digits in values:
            planter.note(digits, path, written=written, encoding=encoding, minimum=minimum)

    return make


def withholding(planter: Planter) -> None:
    """A 源泉徴収票 as text copied from a PDF: persons, employer and money in one stream."""
    who, one = planter.staff(1)[0]
    two, three = planter.number(), planter.number()
    text = (
        "令和６年分　給与所得の源泉徴収票\r\n支払　住所又は居所\r\nを受　" + who.address + "\r\nける者\r\n"
        f"(受給者番号) {planter.numbers.digits(8)}\r\n(個人番号)　{grouped(one, ' ')}\r\n(役職名)\r\n"
        f"氏名 (フリガナ)\r\n{who.name}\r\n種別　支払金額　給与所得控除後の金額　源泉徴収税額\r\n"
        f"給料・賞与　{planter.rng.randrange(3000, 9000)},000　{planter.rng.randrange(1000, 5000)},000　123,400\r\n"
        f"源泉・特別控除対象配偶者　(フリガナ)　氏名 {person(planter.rng).name}\r\n区分　　個人番号 {two}\r\n"
        f"控除対象扶養親族 1 (フリガナ) 氏名 {person(planter.rng).name} 区分 個人番号 {grouped(three, '-')}\r\n"
        f"支払者　個人番号又は法人番号　{planter.numbers.corporate()}　(右詰で記載してください。)\r\n"
        "住所(居所)又は所在地\r\n"
    )
    _text("源泉", "txt", "cp932", text, (one, two, three), "withholding record as text")(planter)


def payment_record(planter: Planter) -> None:
    """A 支払調書 as a sheet: the same label for a person's number and for a company's."""
    who, digits = planter.staff(1)[0]
    rows: Rows = [
        ["令和６年分 報酬、料金、契約金及び賞金の支払調書"],
        ["支払を受ける者", "住所(居所)又は所在地", "", who.address],
        ["", "氏名又は名称", "", who.name, "個人番号又は法人番号"],
        ["", "", "", "", digits],
        ["区分", "細目", "支払金額", "源泉徴収税額"],
        ["原稿料", "", 250000, 25525],
        ["支払者", "氏名又は名称", "(株)春野製作所", "個人番号又は法人番号", planter.numbers.corporate()],
    ]
    path = planter.put("調書", "xlsx", documents.xlsx([("調書", rows)]))
    planter.note(digits, path, written="payment record, label above", minimum="medium")


def dependants(planter: Planter) -> None:
    """A 扶養控除等申告書: own number, the spouse's, and children's below a header row, in boxes and in cells."""
    staff = planter.staff(5)
    rows: Rows = [
        ["令和７年分　給与所得者の扶養控除等（異動）申告書"],
        ["あなたの氏名", staff[0][0].name, "あなたの個人番号"],
    ]
    rows += [["", "", *staff[0][1]], ["区分", "氏名", "個人番号", "あなたとの続柄", "生年月日"]]
    for (who, digits), kin in zip(staff[1:], ("妻", "長男", "長女", "母"), strict=True):
        rows.append(["", who.name, grouped(digits, "-"), kin, who.birth])
    values = [digits for _, digits in staff]
    path = planter.put("マル扶", "xlsx", documents.xlsx([("申告書", rows)]))
    for digits in values:
        planter.note(digits, path, written="dependants' form", minimum="medium")


def insurance(planter: Planter) -> None:
    """Social insurance: one field for either number, the employment insurance's numbers beside it."""
    text, values = "健康保険・厚生年金保険 被保険者資格取得届\r\n", []
    for index in range(6):
        who, digits = planter.staff(1)[0]
        pension = planter.numbers.digits(10)
        text += (
            f"①被保険者整理番号 {index + 1:03d}　②氏名 {who.name}　③生年月日 {who.birth}　④種別 1　⑤取得区分 1\r\n"
            f"⑥個人番号［基礎年金番号］ {digits if index % 3 else pension}　⑦取得年月日 070401\r\n"
        )
        values += [digits] if index % 3 else []
    text += f"1.個人番号 {grouped(number := planter.number(), '-')}  2.被保険者番号 5012-345678-9  3.取得区分 2\r\n"
    _text("資格取得", "txt", "utf-8-sig", text, (*values, number), "social insurance form")(planter)


def english(planter: Planter) -> None:
    """Letters in English."""
    texts = (
        "Hi Ken,\n\nmy My Number is {h}, please register it in the payroll system.\n\nBest,\nEmi\n",
        "Dear HR,\n\nPlease find below what you asked for.\n\nIndividual Number: {p}\nDate of birth: 1988-04-02\n",
        "For the year-end adjustment: Name: Sato Emi / My Number: {b} / Dependants: none\n",
        "Attached is a copy of my Individual Number Card. The number on it is {b}.\n",
        "Spouse's My Number (12 digits)\n{p}\n\nThanks.\n",
        "mynumber {p} / wife {q}\n",
    )
    for text in texts:
        one, two = planter.number(), planter.number()
        filled = text.format(h=grouped(one, "-"), p=one, b=grouped(one, " "), q=two)
        values = [one, two] if "{q}" in text else [one]
        data = documents.mail("payroll", filled, transfer=planter.rng.choice(("7bit", "base64", "quoted-printable")))
        path = planter.put("mail", "eml", data)
        for digits in values:
            planter.note(digits, path, written="English letter", minimum="medium" if digits == one else "low")


def bare_columns(planter: Planter) -> None:
    """Rows without any header: names, dates, money and a column that always passes; and lists of numbers only."""
    for count, separator, encoding in (
        (12, ",", "cp932"),
        (40, "\t", "utf-16"),
        (25, ";", "utf-8"),
        (30, "|", "euc_jp"),
    ):
        rows = planter.staff(count)
        text = "".join(
            separator.join((str(index), who.name, who.birth.replace("-", "/"), digits, str(index * 1000))) + "\r\n"
            for index, (who, digits) in enumerate(rows)
        )
        path = planter.put("dump", "txt", text.encode(encoding))
        for _, digits in rows:
            planter.note(digits, path, written=f"bare rows by {separator!r}", encoding=encoding, minimum="medium")


def settings(planter: Planter) -> None:
    """Programs' own files: YAML, INI, environment, logs, scripts, requests."""
    a, b, c, d, e, f, g, h = (planter.number() for _ in range(8))
    who = person(planter.rng).name
    for ending, text, values in (
        (
            "yaml",
            f'employees:\n  - name: {who}\n    my_number: "{a}"\n    dept: 総務\n  - name: B\n    kojin_bango: {b}\n',
            (a, b),
        ),
        ("ini", f"[本人]\r\n氏名={who}\r\n個人番号={c}\r\n", (c,)),
        (
            "log",
            (
                f"2024-12-02 10:22:11,123 INFO  payroll.register user=emi mynumber={d} result=OK\n"
                f"2024-12-02 10:22:12,456 DEBUG sent {{'kojinBango': '{e}', 'kubun': 1}}\n"
            ),
            (d, e),
        ),
        ("http", f"GET /api/v1/employee?id=12&my_number={f}&mode=edit HTTP/1.1\r\nHost: payroll.example\r\n\r\n", (f,)),
        ("js", f"const record = {{ name: '{who}', myNumber: '{g}' }};\n", (g,)),
        ("py", f'PERSON = dict(name="{who}", kojin_bango="{h}")\n', (h,)),
    ):
        _text("conf", ending, "utf-8", text, values, f"settings {ending}")(planter)


def markup(planter: Planter) -> None:
    """Web pages and declarations in layouts of their own."""
    a, b, c, d, e, f = (planter.number() for _ in range(6))
    cells = "".join(f"<td class='box'>{digit}</td>" for digit in c)
    text = (
        "<html><head><meta charset=utf-8></head><body>\n"
        f"<dl><dt>氏名</dt><dd>{person(planter.rng).name}</dd><dt>個人番号</dt><dd>{grouped(a, ' ')}</dd></dl>\n"
        f"<div class=row><div class=label>マイナンバー</div><div class=value>{b}</div></div>\n"
        f"<table><tr><th>個人番号</th></tr><tr>{cells}</tr></table>\n"
        f"<input type=hidden name=kojin_no value={d}>\n"
        f"<p>マイナンバー：{grouped(e, chr(0x200B))}</p>\n<span data-mynumber='{f}'>****</span>\n</body></html>\n"
    )
    path = planter.put("page", "htm", text.encode())
    for digits, written in zip((a, b, c, d, e, f), ("dl", "div", "row of boxes", "hidden field", "zero-width spaces",
                                                      "data attribute"), strict=True):  # fmt: skip
        planter.note(digits, path, written=f"HTML, {written}", encoding="utf-8", minimum="medium")
    one, two = planter.number(), planter.number()
    xml = (
        '<?xml version="1.0" encoding="Shift_JIS"?>\r\n<DATA><様式 id="TEG800"><WFF00010><kubun>1</kubun>'
        f"<MyNumber>{one}</MyNumber></WFF00010><届出人><個人番号 type='12'>{two}</個人番号></届出人></様式></DATA>\r\n"
    )
    _text("申請", "xml", "cp932", xml, (one, two), "XML declaration")(planter)


def contacts(planter: Planter) -> None:
    """Contacts, calendars and chats, whose lines are folded at 75 octets."""
    a, b, c, d = (planter.number() for _ in range(4))
    who = person(planter.rng).name
    card = f"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:{who}\r\nTEL:03-1234-5678\r\nNOTE:マイナンバー {a}\r\nEND:VCARD\r\n"
    _text("連絡先", "vcf", "utf-8", card, (a,), "vCard note")(planter)
    event = f"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:20241202T100000Z\r\nSUMMARY:年末調整\r\nDESCRIPTION:個人番号 {b[:7]}\r\n {b[7:]} を転記\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"  # noqa: E501
    _text("予定", "ics", "utf-8", event, (b,), "folded line of a calendar")(planter)
    talk = (
        f"2024/12/02(月)\r\n10:01\t総務\tマイナンバーを送ってください\r\n10:03\t{who}\t{grouped(c, ' ')}\r\n"
        f"10:04\t総務\t確認しました\r\n10:09\t{who}\t妻のマイナンバーは{d}です\r\n"
    )
    _text("LINE", "txt", "utf-8", talk, (c, d), "chat of a phone")(planter)


def tall_headers(planter: Planter) -> None:
    """Workbooks whose header is written downwards, in English, or two rows high; numbers as numbers."""
    for header, write in (("個\n人\n番\n号", str), ("My Number\n(12 digits)", int), ("Individual No.\n個人番号", str),
                          ("マイナンバー", float), ("MYNUMBER", int)):  # fmt: skip
        staff = planter.staff(9)
        rows: Rows = [["社員名簿"], [], ["No", "氏名", header, "入社日"]]
        rows += [[index, who.name, write(digits), who.birth] for index, (who, digits) in enumerate(staff, 1)]
        path = planter.put("名簿2", "xlsx", documents.xlsx([("一覧", rows)]))
        for _, digits in staff:
            planter.note(digits, path, written=f"xlsx header {header!r}", minimum="medium")


def names_of_files(planter: Planter) -> None:
    """Numbers in the names of scans, beside the person's name, with or without a label."""
    for form, written, minimum in (
        ("{n}_{p}", "name and number", "low"), ("通知カード_{h}", "notice card", "low"),
        ("【個人番号】{n} {p}", "label in brackets", "medium"), ("mynumber_{p}_scan", "English label", "medium"),
    ):  # fmt: skip
        digits = planter.number()
        who = person(planter.rng).name.replace(" ", "")
        stem = form.format(n=who, p=digits, h=grouped(digits, "-"))
        path = planter.put(stem, "jpg", planter.rng.randbytes(4000))
        planter.note(digits, path, state="allocated|metadata", written=f"file name: {written}", minimum=minimum)  # type: ignore[arg-type]


def pdf_layouts(planter: Planter) -> None:
    """Labels above, at the right, and a table whose header stands once."""
    a, b = planter.number(), planter.number()
    staff = planter.staff(8)
    lines = ["個人番号届出書", "本人の個人番号(マイナンバー)を記入してください", grouped(a, " "), "",
             "配偶者", f"{b} 個人番号", "", "続柄   氏名         個人番号           提出日"]  # fmt: skip
    lines += [f"子    {who.name}   {grouped(digits, ' ')}   R6.12.2" for who, digits in staff]
    path = planter.put("届出書", "pdf", documents.pdf(lines))
    for digits in (a, b, *(digits for _, digits in staff)):
        planter.note(digits, path, written="PDF layouts", minimum="medium")


def word_table(planter: Planter) -> None:
    """A Word table of a family with digits in boxes, one row each."""
    staff = planter.staff(4)
    table = [["氏名", "個人番号", *[""] * 11], *([who.name, *digits] for who, digits in staff)]
    path = planter.put("家族", "docx", documents.docx([["家族の個人番号"]], table=table))
    for _, digits in staff:
        planter.note(digits, path, written="Word table of boxes", minimum="medium")


KINDS: tuple[PlaceKind, ...] = (
    PlaceKind("unseen labels", labelled),
    PlaceKind("unseen 源泉徴収票", withholding),
    PlaceKind("unseen 支払調書", payment_record),
    PlaceKind("unseen 扶養控除等申告書", dependants),
    PlaceKind("unseen 資格取得届", insurance),
    PlaceKind("unseen English letters", english),
    PlaceKind("unseen rows without header", bare_columns),
    PlaceKind("unseen settings and logs", settings),
    PlaceKind("unseen markup", markup),
    PlaceKind("unseen contacts and chats", contacts),
    PlaceKind("unseen headers of workbooks", tall_headers),
    PlaceKind("unseen names of files", names_of_files),
    PlaceKind("unseen pdf layouts", pdf_layouts),
    PlaceKind("unseen table of boxes", word_table),
)


# --- Decoys -----------------------------------------------------------------------------------------------------------

OTHER_HEADERS = (
    "検体番号", "工事番号", "計測ID", "受給者番号", "GTIN", "請求書No", "お客さまコード", "加入者番号", "ETC番号",
    "マイレージ番号", "年金証書番号", "車両管理番号", "Ref No", "AWB", "PO#", "Ticket", "測定値", "SSID", "登録者ID",
    "学籍番号", "図書カード番号", "起案番号", "システムキー", "Employee Key", "Member ID", "Batch", "Reading", "値",
    "code", "シリアルNo", "識別子", "工程", "DeviceKey", "POS番号",
)  # fmt: skip
OTHER_LABELS = (
    "ミーティング ID: ", "会議番号 ", "検体番号 ", "照会ID:", "加入者コード ", "Ref. ", "Confirmation # ", "AWB No. ",
    "お客さまコード:", "サポート番号 ", "工事番号 ", "案内番号:", "Case # ", "登録ID ", "受験ID:", "伝送番号 ",
    "FedEx ",
    "管理No.", "お預り番号 ", "受注No ", "Meeting ID: ", "チャージ番号 ", "Apple ID 注文 ", "ギフト番号:",
)  # fmt: skip


def other_headers(planter: Planter, count: int) -> None:
    """Columns of random numbers under names that no list holds; a tenth pass by chance."""
    each = max(3, count // len(OTHER_HEADERS))
    for header in OTHER_HEADERS:
        values = [planter.numbers.digits(12) for _ in range(each)]
        lines = [f"氏名,{header},備考", *(f"{person(planter.rng).name},{value},済" for value in values)]
        path = planter.put("一覧2", "csv", "".join(f"{line}\r\n" for line in lines).encode("cp932"))
        for value in values:
            planter.bait(value, path)


def other_labels(planter: Planter, count: int) -> None:
    """Letters about My Numbers with one passing number of something else in them."""
    for index in range(max(count // 2, len(OTHER_LABELS))):
        value = planter.numbers.digits(12, passing=True)
        shape = (
            str,
            lambda d: grouped(d, " "),
            lambda d: grouped(d, "-"),
            lambda d: " ".join((d[:3], d[3:6], d[6:9], d[9:])),
        )
        label = OTHER_LABELS[index % len(OTHER_LABELS)]
        topic = planter.rng.choice((
            "マイナンバー制度の説明会をオンラインで開催します。", "個人番号の提出がお済みでない方へのご案内です。",
            "年末調整の書類について", "We will talk about the My Number system.", "",
        ))  # fmt: skip
        text = f"{topic}\r\n{planter.prose(2)}{label}{shape[index % 4](value)}\r\n{planter.prose(2)}"
        if index % 2:
            data = documents.mail("ご案内", text)
            path = planter.put("案内", "eml", data)
        else:
            path = planter.put("案内", "txt", text.encode("utf-8"))
        planter.bait(value, path)


def either_field(planter: Planter, count: int) -> None:
    """個人番号又は法人番号 with a company's thirteen digits, 個人番号[基礎年金番号] with ten."""
    for _ in range(count // 4 + 1):
        company, pension = planter.numbers.corporate(), planter.numbers.digits(10)
        text = f"支払者 個人番号又は法人番号 {company}\r\n⑤個人番号［基礎年金番号］ {pension}\r\n住民票コード {planter.numbers.digits(11)}\r\n"  # noqa: E501
        path = planter.put("支払者", "txt", text.encode("cp932"))
        planter.bait(company, path)
        planter.bait(pension, path)


def bare_chance(planter: Planter, count: int) -> None:
    """Rows without a header whose numbers pass only by chance, beside names and birth dates."""
    for _ in range(count // 20 + 1):
        values = [planter.numbers.digits(12) for _ in range(20)]
        text = ""
        for value in values:
            who = person(planter.rng)
            text += f"{who.name},{who.birth},{value},{planter.rng.randrange(9999)}\r\n"
        path = planter.put("dump2", "txt", text.encode("cp932"))
        for value in values:
            planter.bait(value, path)


def few_rows(planter: Planter, count: int) -> None:
    """Three rows with a name each and an unknown key; those that pass do so by chance."""
    for _ in range(count // 3 + 1):
        values = [planter.numbers.digits(12, passing=index == 0) for index in range(3)]
        text = "".join(f"{person(planter.rng).name}\t{value}\r\n" for value in values)
        path = planter.put("三名", "txt", text.encode("utf-8"))
        for value in values:
            planter.bait(value, path)


def beside_number(planter: Planter, count: int) -> None:
    """Rosters with a column 個人番号 that is masked, and another number of twelve digits beside it."""
    for header in ("受付キー", "職員ID", "通番", "システムID"):
        values = [planter.numbers.digits(12) for _ in range(max(10, count // 4))]
        lines = [
            f"氏名,{header},個人番号,確認",
            *(f"{person(planter.rng).name},{value},************,済" for value in values),
        ]
        path = planter.put("収集状況", "csv", "".join(f"{line}\r\n" for line in lines).encode("cp932"))
        for value in values:
            planter.bait(value, path)


def program_data(planter: Planter, count: int) -> None:
    """Identifiers of programs: JSON of a tracker, epoch times with digits behind, CSS and scripts."""
    values = [planter.numbers.digits(12, first="1") for _ in range(count)]
    text = "".join(
        json.dumps({"uid": int(value), "ts": 1733000000 + index, "v": value}) + "\n"
        for index, value in enumerate(values)
    )
    path = planter.put("tracker", "json", text.encode())
    for value in values:
        planter.bait(value, path)


def identity_card(planter: Planter, count: int) -> None:
    """Other numbers of the My Number card: application, receipt, expiry; none is the My Number."""
    for index in range(count):
        value = planter.numbers.digits(12, passing=True)
        label = (
            "マイナンバーカード交付申請 受付番号",
            "マイナポイント申込番号",
            "個人番号カード 照会番号",
            "マイナ保険証 資格確認番号",
        )[index % 4]
        path = planter.put("カード", "txt", f"{planter.prose(1)}{label}:{value}\r\n{planter.prose(1)}".encode("cp932"))
        planter.bait(value, path)


DECOYS: tuple[DecoyKind, ...] = (
    DecoyKind("unseen headers", other_headers, 4),
    DecoyKind("unseen labels in letters about My Numbers", other_labels, 4),
    DecoyKind("unseen either field", either_field),
    DecoyKind("unseen rows without header, by chance", bare_chance, 4),
    DecoyKind("unseen three rows", few_rows, 4),
    DecoyKind("unseen beside masked numbers", beside_number, 2),
    DecoyKind("unseen program data", program_data, 2),
    DecoyKind("unseen numbers of the card", identity_card, 2),
)
