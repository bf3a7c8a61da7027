"""Confidence: high where something says so, never for what only passes the check digit; columns, streams, windows."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.triage.make_judging_cases import any_digits, my_number, name, negatives, passing, positives, table
from triage.evidence import EVIDENCE
from triage.judge import REJECTIONS, Judge, Verdicts
from triage.text import Cell, Offsets, Text, TextKind

if TYPE_CHECKING:
    from collections.abc import Iterable

VALID = "123456789018"
OTHER = "621498320257"


def judge(*texts: Text) -> Verdicts:
    made = Judge()
    for text in texts:
        made.feed(text)
    return made.finish()


def prose(content: str, kind: TextKind = "prose") -> Verdicts:
    return judge(Text(content, "utf-8", kind))


def codes(verdicts: Verdicts, index: int = 0) -> list[str]:
    return [reason.code for reason in verdicts.judged[index].reasons]


def summary(verdicts: Verdicts) -> list[tuple[str, str]]:
    return [(judged.digits, judged.confidence) for judged in verdicts]


@pytest.mark.parametrize("seed", [11, 12])
def test_every_labelled_number_is_high(seed: int) -> None:
    for kind, texts, numbers in positives(seed, 25):
        verdicts = judge(*texts)
        assert {judged.digits for judged in verdicts} == numbers, (kind, texts[0].content)
        assert {judged.confidence for judged in verdicts} == {"high"}, (kind, texts[0].content)


@pytest.mark.parametrize("seed", [21, 22])
def test_nothing_else_is_high_or_medium(seed: int) -> None:
    low: Counter[str] = Counter()
    for kind, texts, _ in negatives(seed, 40):
        for judged in judge(*texts):
            assert judged.confidence == "low", (kind, judged, texts[0].content)
            low[kind] += 1
    # Low is for numbers that stand alone, for samples, and for labelled columns that pass by chance.
    assert set(low) <= {"lone", "sample", "invented", "parcels"}


def test_reasons_and_words() -> None:
    verdicts = prose("個人番号：1234 5678 9018")
    assert codes(verdicts) == ["label", "grouped", "check_digit"]
    reason = verdicts.judged[0].reasons[0]
    assert reason.ja == "直前に「個人番号」とある"
    assert reason.en == "“個人番号” stands directly before it"


def test_a_check_digit_alone_is_low() -> None:
    assert summary(prose(VALID)) == [(VALID, "low")]
    assert codes(prose(VALID)) == ["check_digit"]


def test_a_record_about_a_person_is_medium() -> None:
    verdicts = prose("山田太郎 1234-5678-9018 昭和55年1月2日生")
    assert summary(verdicts) == [(VALID, "medium")]
    assert codes(verdicts) == ["person_name", "person_birth", "person_record", "grouped", "check_digit"]


def test_a_wrong_check_digit_is_counted_where_it_is_labelled() -> None:
    verdicts = prose("個人番号：123456789019\n個人番号：1234 5678 9017")
    assert len(verdicts) == 0
    assert verdicts.labelled_wrong == 2
    assert prose("注文番号：123456789019").labelled_wrong == 0


def test_rounded_numbers_are_counted() -> None:
    verdicts = judge(table([["氏名", "個人番号"], ["山田", "1.23457E+11"], ["佐藤", VALID]]))
    assert verdicts.labelled_rounded == 1
    assert summary(verdicts) == [(VALID, "high")]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (f"注文番号 {VALID}", "other_label"),
        (f"https://example.jp/{VALID}", "url"),
        (f"0.{VALID}", "decimal"),
        (f"550e8400-e29b-41d4-a716-{VALID}", "uuid"),
        (f"¥{VALID}", "amount"),
        (f"x{VALID}", "word"),
        ("個人番号 000000000000", "trivial"),
        ("カード 1234 5678 9018 1111", "longer_group"),
        ("T7000012050002", "corporate_number"),
    ],
)
def test_what_is_rejected_is_counted_by_reason(content: str, code: str) -> None:
    verdicts = prose(content)
    assert len(verdicts) == 0
    assert dict(verdicts.rejected) == {code: 1}
    assert code in REJECTIONS


def test_a_label_touches_the_digits() -> None:
    assert summary(prose(f"mynumber{VALID}")) == [(VALID, "high")]
    assert summary(prose(f"https://x.jp/?my_number={VALID}")) == [(VALID, "high")]
    assert summary(prose(f"個人番号{VALID}です")) == [(VALID, "high")]


def test_sample_words_lower() -> None:
    assert summary(prose(f"見本 個人番号 {VALID}")) == [(VALID, "low")]
    assert summary(judge(table([["記入例"], ["個人番号"], [VALID]]))) == [(VALID, "low")]


def test_the_same_number_labelled_elsewhere() -> None:
    verdicts = prose(f"個人番号：{VALID}\n\n" + "あ" * 400 + f"\n\n{VALID}")
    assert [judged.confidence for judged in verdicts] == ["high", "high"]
    assert "same_number_labelled" in codes(verdicts, 1)


def test_rivals_are_named() -> None:
    rng = random.Random(9)
    licence = passing(rng, lambda r: "30" + any_digits(r, 10))
    verdicts = prose(f"個人番号：{licence}")
    assert verdicts.judged[0].confidence == "high"
    assert set(verdicts.judged[0].rivals) <= {
        "driving_licence",
        "parcel_tracking",
        "upc",
        "luhn",
        "timestamp",
        "phone_e164",
    }


# Tables


def test_header_over_any_distance_and_pieces() -> None:
    rng = random.Random(5)
    numbers = [my_number(rng) for _ in range(300)]
    judged = Judge()
    judged.feed(table([["名簿"], ["氏名", "マイナンバー"]]))
    for start in range(0, 300, 100):
        rows = [[name(rng), number] for number in numbers[start : start + 100]]
        judged.feed(table(rows, first_row=2 + 1000 * start))
    verdicts = judged.finish()
    assert summary(verdicts) == [(number, "high") for number in numbers]
    assert codes(verdicts)[0] == "header"
    assert verdicts.judged[0].location == "B3"


def test_the_last_header_above_holds() -> None:
    verdicts = judge(table([["個人番号"], [VALID], ["注文番号"], [OTHER]]))
    assert summary(verdicts) == [(VALID, "high")]
    assert dict(verdicts.rejected) == {"other_label": 1}


def test_a_label_to_the_left_over_empty_cells() -> None:
    content = f"個人番号\t\t\t{VALID}"
    cells = (Cell(4, 0, 0, 4), Cell(4, 3, 7, 19))
    verdicts = judge(Text(content, "utf-8", "table", location="給与", cells=cells))
    assert summary(verdicts) == [(VALID, "high")]
    assert verdicts.judged[0].location == "給与!D5"
    assert codes(verdicts)[0] == "row_label"


def test_a_row_of_numbers_behind_one_label() -> None:
    assert summary(judge(table([["", "本人", "妻"], ["個人番号", VALID, OTHER]]))) == [(VALID, "high"), (OTHER, "high")]


def test_header_over_two_rows() -> None:
    assert summary(judge(table([["氏名", "個人"], ["", "番号"], ["山田", VALID]]))) == [(VALID, "high")]


@pytest.mark.parametrize(
    "rows",
    [
        [["個人番号", *VALID], ["氏名", "山田"]],
        [["氏名", "個人番号"], ["山田", *VALID]],
        [["個人番号", "1234", "5678", "9018"]],
        [["個人番号"], *[[digit] for digit in VALID]],
    ],
)
def test_digits_in_boxes(rows: list[list[str]]) -> None:
    assert summary(judge(table(rows))) == [(VALID, "high")]


def test_boxes_need_a_label() -> None:
    assert not judge(table([["氏名", *VALID]])).judged
    assert not judge(table([["個人番号", *VALID, "5"]])).judged
    assert not judge(table([["点数"], *[[digit] for digit in VALID]])).judged


def test_leading_zeros_lost_in_numeric_cells() -> None:
    verdicts = judge(table([["個人番号"], ["23456789013"]], numeric=(0,)))
    assert summary(verdicts) == [("023456789013", "high")]
    assert verdicts.judged[0].form == "lost_zero"
    assert "lost_zero" in codes(verdicts)


def test_a_column_of_eleven_digits_does_not_prove_itself() -> None:
    # 住民票コード have 11 digits and the same kind of check digit.
    rng = random.Random(6)
    short = [number[1:] for number in (my_number(rng) for _ in range(4000)) if number[0] == "0" and number[1] != "0"]
    assert len(short) > 100
    assert not judge(table([["コード一覧"], *[[number] for number in short]], numeric=(0,))).judged


def test_a_column_without_header_proves_itself() -> None:
    rng = random.Random(7)
    numbers = [my_number(rng) for _ in range(20)]
    verdicts = judge(table([[str(place), number] for place, number in enumerate(numbers)]))
    assert {judged.confidence for judged in verdicts} == {"high"}
    assert "column_share" in codes(verdicts)
    assert any("20/20" in reason.ja for reason in verdicts.judged[0].reasons)


def test_a_column_that_passes_under_another_header_is_only_counted() -> None:
    rng = random.Random(8)
    verdicts = judge(table([["会員番号"], *[[my_number(rng)] for _ in range(30)]]))
    assert dict(verdicts.rejected) == {"other_label_all_pass": 30}


def test_made_up_numbers_under_the_right_header() -> None:
    rng = random.Random(9)
    verdicts = judge(table([["個人番号"], *[[any_digits(rng)] for _ in range(200)]]))
    assert not [judged for judged in verdicts if judged.confidence != "low"]
    assert verdicts.labelled_wrong > 150


def test_a_few_typing_errors_do_not_spoil_a_column() -> None:
    rng = random.Random(10)
    numbers = [my_number(rng) for _ in range(40)]
    wrong = [number[:11] + str((int(number[11]) + 1) % 10) for number in numbers[:3]]
    verdicts = judge(table([["氏名", "個人番号"], *[[name(rng), number] for number in [*wrong, *numbers[3:]]]]))
    assert summary(verdicts) == [(number, "high") for number in numbers[3:]]
    assert verdicts.labelled_wrong == 3


def test_numbers_inside_longer_cells() -> None:
    verdicts = judge(table([["備考", "x"], [f"山田様の個人番号は{VALID}です", "1"], [f"注文番号{OTHER}の件", "2"]]))
    assert summary(verdicts) == [(VALID, "high")]


def test_serials_are_no_my_numbers() -> None:
    verdicts = judge(table([["番号"], *[[str(402_100_000_000 + step)] for step in range(0, 400, 2)]]))
    assert not verdicts.judged
    assert set(verdicts.rejected) == {"serial"}


# Pieces, places, windows


def pieces(content: str, size: int, overlap: int) -> Iterable[Text]:
    start = 0
    while start < len(content):
        end = min(start + size, len(content))
        yield Text(content[start:end], "utf-8", stream="s", first_char=start, overlap=overlap if start else 0)
        if end == len(content):
            return
        start = end - overlap


@pytest.mark.parametrize("size", [700, 701, 1024, 3000])
def test_pieces_give_what_the_whole_gives(size: int) -> None:
    rng = random.Random(size)
    lines = []
    numbers = []
    for place in range(120):
        number = my_number(rng)
        numbers.append(number)
        lines.append(
            rng.choice(
                [
                    f"個人番号：{number}",
                    f"マイナンバー {number[:4]}-{number[4:8]}-{number[8:]} {name(rng)}",
                    f"{'あ' * 40} 個人番号 {number}",
                ]
            )
        )
        lines.append(f"注文番号 {my_number(rng)} 電話 03-1234-{place:04d}")
    content = "\n".join(lines)
    whole = [(judged.digits, judged.start, judged.end) for judged in judge(*pieces(content, len(content), 0))]
    cut = [(judged.digits, judged.start, judged.end) for judged in judge(*pieces(content, size, 300))]
    assert [digits for digits, _, _ in whole] == numbers
    assert sorted(cut) == sorted(whole)


def test_a_number_cut_by_the_end_of_a_piece_is_judged_whole() -> None:
    content = f"個人番号：{VALID}1"
    first = Text(content[:-1], "utf-8", stream="s")
    second = Text(content[3:], "utf-8", stream="s", first_char=3, overlap=len(content) - 4)
    assert not judge(first, second).judged
    assert summary(judge(first)) == [(VALID, "high")]


def test_a_label_in_the_text_before() -> None:
    first = Text("個人番号", "utf-8", stream="p")
    second = Text(VALID, "utf-8", stream="p", first_char=5)
    assert summary(judge(first, second)) == [(VALID, "high")]
    assert summary(judge(Text("個人番号", "utf-8", container="a"), Text(VALID, "utf-8", container="b"))) == [
        (VALID, "low")
    ]


def test_byte_offsets() -> None:
    offsets = Offsets(chars=(0, 5), bytes_=(100, 115), widths=(3, 1))
    verdicts = judge(Text(f"個人番号：{VALID}", "utf-8", offsets=offsets, container="a.zip!/b.txt", location="p.1"))
    judged = verdicts.judged[0]
    assert (judged.byte_offset, judged.byte_size) == (115, 12)
    assert (judged.start, judged.end) == (5, 17)
    assert (judged.container, judged.location, judged.encoding) == ("a.zip!/b.txt", "p.1", "utf-8")
    assert prose(f"個人番号：{VALID}").judged[0].byte_offset is None


def raw(content: str, base: int) -> Text:
    return Text(content, "cp932", "raw", offsets=Offsets((0,), (base,), (1,)))


def test_raw_windows() -> None:
    assert summary(judge(raw(f"\x01\x02個人番号：{VALID}\r\n\x03", 0))) == [(VALID, "high")]
    # Beyond the edge more digits may follow.
    assert dict(judge(raw(f"個人番号：{VALID}", 0)).rejected) == {"cut": 1}
    # Nothing around it: a chance hit, as nearly all are.
    assert not judge(raw(f"\x01 {VALID} \x02zz", 0)).judged


def test_overlapping_windows_give_one_finding() -> None:
    first, second = raw(f"xx 個人番号 {VALID} yy", 1000), raw(f"個人番号 {VALID} yy zz", 1003)
    assert len(judge(first, second)) == 1


def test_hits_in_many_windows_are_no_column() -> None:
    # Each window is there because its number passes: that all pass says nothing.
    rng = random.Random(11)
    texts = [raw(f"abc {my_number(rng)} def", place * 1000) for place in range(50)]
    assert not judge(*texts).judged


def test_file_names() -> None:
    assert summary(prose(f"マイナンバー_{VALID}_山田.pdf", "name")) == [(VALID, "high")]
    assert (
        not prose(f"IMG_{VALID}.jpg", "name").judged or prose(f"IMG_{VALID}.jpg", "name").judged[0].confidence == "low"
    )


# Promises of the interface


def test_verdicts_are_the_same_each_time() -> None:
    def run() -> list[object]:
        texts = [text for _, case, _ in positives(31, 3) for text in case]
        verdicts = judge(*texts)
        return [list(verdicts), dict(verdicts.rejected)]

    assert run() == run()


def test_no_digits_in_reprs() -> None:
    verdicts = prose(f"個人番号：{VALID}")
    for shown in (repr(verdicts.judged[0]), repr(verdicts), str(verdicts.judged)):
        assert VALID not in shown
        assert "12345678" not in shown


def test_findings_behave_as_a_sequence() -> None:
    verdicts = prose(f"個人番号：{VALID}、{OTHER}")
    assert len(verdicts) == len(verdicts.judged) == 2
    assert [judged.digits for judged in verdicts.judged[:1]] == [VALID]
    assert verdicts.judged[-1].digits == OTHER
    with pytest.raises(IndexError):
        verdicts.judged[2]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\x00",
        "1",
        "個人番号",
        "１" * 1000,
        "個人番号" * 1000,
        "1-" * 5000,
        "\ud800個人番号\udfff123456789018",
        "<" * 3000 + VALID,
    ],
)
def test_odd_texts_are_survived(content: str) -> None:
    for kind in ("prose", "markup", "raw", "name", "form"):
        prose(content, kind)


def test_text_beside_a_table_is_read_too() -> None:
    content = f"控え\n氏名\t個人番号\n山田\t{VALID}\n\nマイナンバー: {OTHER[:4]} {OTHER[4:8]} {OTHER[8:]}\n"
    cells = (Cell(0, 0, 3, 5), Cell(0, 1, 6, 10), Cell(1, 0, 11, 13), Cell(1, 1, 14, 26))
    verdicts = judge(Text(content, "utf-8", "table", stream="t", cells=cells))
    assert sorted(summary(verdicts)) == [(VALID, "high"), (OTHER, "high")]


def test_a_mail_domain_is_no_sample() -> None:
    assert summary(prose(f"To: keiri@shoji.example\nSubject: 個人番号 {VALID} の件")) == [(VALID, "high")]


def fixed_width(rng: random.Random, numbers: list[str], *, header: bool = False) -> str:
    lines = ["氏名10 個人番号12 生年月日8"] if header else []
    lines += [
        f"{name(rng):　<10}{number}19{rng.randrange(40, 99)}0{rng.randrange(1, 10)}1{rng.randrange(10)}"
        for number in numbers
    ]
    return "\r\n".join(lines) + "\r\n"


def test_fixed_width_records_whose_digits_touch() -> None:
    rng = random.Random(12)
    numbers = [my_number(rng) for _ in range(12)]
    for kind in ("prose", "table"):
        content = fixed_width(rng, numbers)
        cells = (Cell(0, 0, 0, 3),) if kind == "table" else ()
        verdicts = judge(Text(content, "cp932", kind, stream="f", cells=cells))
        assert summary(verdicts) == [(number, "high") for number in numbers]
        assert "fixed_width" in codes(verdicts)
    # Chance: nothing passes in one and the same place of every line.
    assert not prose(fixed_width(rng, [any_digits(rng) for _ in range(200)])).judged
    assert not prose(fixed_width(rng, numbers[:3])).judged


def test_a_merged_header_spans_the_columns_beside_it() -> None:
    rows = [
        ["社員", "", "個人番号"],
        ["番号", "氏名", "本人", "配偶者"],
        ["1", "甲野", VALID, "未提出"],
        ["2", "乙野", "", OTHER],
        ["3", "丙野", "未提出", VALID],
    ]
    assert summary(judge(table(rows))) == [(VALID, "high"), (OTHER, "high"), (VALID, "high")]
    rows[1][3] = "備考"
    assert [confidence for _, confidence in summary(judge(table(rows)))][1] != "high"


def test_programs_that_test_a_check_digit() -> None:
    code = f'import pytest\n\n\ndef test_valid() -> None:\n    assert is_valid_my_number("{VALID}")\n'
    for content in (code, f'expect(validateMyNumber("{VALID}")).toBe(true)', f'check_my_number("{VALID}")'):
        for kind in ("prose", "markup"):
            assert "high" not in [confidence for _, confidence in summary(prose(content, kind))]


@pytest.mark.parametrize(
    "key", ["%E5%80%8B%E4%BA%BA%E7%95%AA%E5%8F%B7", "%8C%C2%90l%94%D4%8D%86".replace("l", "%6C"), "kojinBango"]
)
def test_forms_as_browsers_send_them(key: str) -> None:
    assert summary(prose(f"name=x&{key}={VALID}&ok=1", "markup")) == [(VALID, "high")]


@pytest.mark.parametrize(
    "words",
    [
        "マイナンバー関係書類は簡易書留 {} で返送しました",
        "個人番号利用事務 管理番号 {}",
        "マイナンバーカードの製造番号: {}",
        "ライセンスキー {}",
        "注文受付 {}",
    ],
)
def test_other_numbers_beside_words_for_the_my_number(words: str) -> None:
    assert not prose(words.format("1234-5678-9018")).judged


def test_the_page_on_judging_lists_every_weight_and_reason() -> None:
    page = (Path(__file__).parents[2] / "docs" / "judging.md").read_text("utf-8")
    for _, weight, code, ja, en in EVIDENCE:
        assert f"| `{code}` | {weight:+.1f} | {en} | {ja} |".replace("{word}", "…") in page
    for code, (ja, en) in REJECTIONS.items():
        assert f"| `{code}` | {en} | {ja} |" in page


def test_a_sample_is_told_row_by_row() -> None:
    rows = [["氏名", "個人番号", "備考"], ["甲野", VALID, "ダミー"], ["乙野", OTHER, "見本市南町"]]
    assert summary(judge(table(rows))) == [(VALID, "low"), (OTHER, "high")]


def test_a_json_number_has_lost_its_zero() -> None:
    verdicts = prose('{"name": "甲野", "kojinBango": 23456789013, "tel": 312345678}', "markup")
    assert summary(verdicts) == [("023456789013", "high")]
    assert not prose('{"tel": 23456789013}', "markup").judged


@pytest.mark.parametrize("write", ["[{}]", "|{}", " {} "])
def test_a_digit_of_the_label_is_not_one_of_the_number(write: str) -> None:
    boxes = "".join(write.format(digit) for digit in "123456789018")
    judged = prose(f"控え\n個人番号１{boxes}\n以上\n")
    assert [one.digits for one in judged] == ["123456789018"]


def test_numbers_that_have_a_name_of_their_own() -> None:
    topic = "個人番号の提出がお済みでない方へのご案内です。\n年末調整の書類は総務部へ。\n"
    for called in ("Case # ", "お預り番号 ", "Confirmation # ", "Ref. ", "Meeting ID: "):
        assert [one.confidence for one in prose(f"{topic}{called}1234-5678-9018\n") if one.confidence != "low"] == []
    assert [one.confidence for one in prose(f"{topic}本人 1234-5678-9018\n")] == ["medium"]


def test_one_field_for_two_numbers() -> None:
    judged = prose("⑥個人番号［基礎年金番号］ 123456789018　⑦取得年月日 070401\n")
    assert [one.confidence for one in judged] == ["high"]
