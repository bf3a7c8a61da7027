"""Which candidates of the raw pass are worth judging, and the text around them."""

from __future__ import annotations

import random
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.raw_hits import (
    _LABEL_WORDS,
    _LATIN_LABELS,
    CLASSES,
    NEIGHBOURHOOD_BYTES,
    REASONS,
    Collector,
    RawHits,
    Window,
    find_labels,
    select,
    window_text,
)
from triage.raw_pass import ENCODINGS

NUMBER = "123456789018"
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
CODECS = ("utf-8", "cp932", "euc-jp", "iso-2022-jp", "utf-16-le", "utf-16-be")
# Words of which no single one names a number, long enough to be further away than any label is looked for.
PROSE = "申請の書類を確認しました。総務部の担当者から連絡があります。保管の期限は来月です。\n" * 20


class Memory:
    """Media of a few bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read_at(self, offset: int, size: int, /) -> bytes:
        return self.data[offset : offset + size]


def check_digit(body: str) -> int:
    remainder = (
        sum(int(digit) * weight for digit, weight in zip(body, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2), strict=True)) % 11
    )
    return 0 if remainder <= 1 else 11 - remainder


def numbers(seed: int, count: int, *, passing: bool) -> list[str]:
    source = random.Random(seed)
    result = []
    while len(result) < count:
        body = source.choice("3456789") + "".join(source.choice("0123456789") for _ in range(10))
        digit = check_digit(body) if passing else (check_digit(body) + source.randrange(1, 10)) % 10
        result.append(f"{body}{digit}")
    return result


def collected(data: bytes, chunk: int = 1 << 20, **options) -> RawHits:
    collector = Collector(**options)
    for at in range(0, len(data), chunk):
        collector.feed(memoryview(data)[at : at + chunk], at)
    return collector.finish()


def classes(hits: RawHits) -> list[str]:
    return [CLASSES[number] for number in hits.classes.tolist()]


def reasons(hits: RawHits) -> dict[str, int]:
    return {reason: count for reason, count in zip(REASONS, hits.counts.chance, strict=True) if count}


def same(one: RawHits, two: RawHits) -> bool:
    return (one.counts, one.first_dropped) == (two.counts, two.first_dropped) and all(
        np.array_equal(getattr(one, name), getattr(two, name))
        for name in ("offsets", "sizes", "encodings", "classes", "near")
    )


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("label", ["個人番号", "マイナンバー", "特定個人情報", "My Number", "mynumber", "MY_NUMBER"])
@pytest.mark.parametrize("wide", [False, True])
def test_a_label_near_is_evidence_in_every_encoding(codec, label, wide):
    number = NUMBER.translate(FULL_WIDTH) if wide else NUMBER
    data = f"{PROSE}{label}：{number}\n{PROSE}".encode(codec)
    hits = collected(data)
    assert classes(hits) == ["label"]
    behind = f"{PROSE}{number}（{label}）\n{PROSE}".encode(codec)
    assert classes(collected(behind)) == ["label"]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("written", ["{0}{1}{2}", "{0} {1} {2}", "{0}-{1}-{2}"])
def test_a_number_alone_in_text_survives(codec, wide, written):
    number = written.format(NUMBER[:4], NUMBER[4:8], NUMBER[8:])
    data = f"{PROSE}番 {number.translate(FULL_WIDTH) if wide else number}\n{PROSE}".encode(codec)
    hits = collected(data)
    assert classes(hits) == ["lone"]
    assert hits.counts.lone == 1
    assert hits.counts.passing == 1 + reasons(hits).get("mirror", 0)


def test_a_number_alone_in_an_empty_sector_survives():
    assert classes(collected(bytes(1000) + NUMBER.encode() + bytes(1000))) == ["lone"]
    assert classes(collected(NUMBER.encode())) == ["lone"]


def test_far_labels_are_no_evidence():
    text = "個人番号" + "あ" * 500 + NUMBER
    assert classes(collected(text.encode())) == ["lone"]


@pytest.mark.parametrize("codec", ["ascii", "utf-16-le", "utf-16-be"])
def test_a_list_in_which_nearly_all_pass_is_evidence(codec):
    rows = numbers(1, 9, passing=True) + numbers(2, 1, passing=False)
    # Letters touch them: without the list each would be put down to chance.
    hits = collected("".join(f"x{row}y\n" for row in rows).encode(codec))
    assert classes(hits) == ["list"] * 9
    assert hits.near.tolist() == [[10, 9]] * 9


def test_a_list_in_which_one_in_ten_passes_is_chance():
    rows = numbers(1, 20, passing=True) + numbers(2, 180, passing=False)
    random.Random(3).shuffle(rows)
    rows = numbers(4, 6, passing=False) + rows + numbers(5, 6, passing=False)
    hits = collected("\n".join(rows).encode())
    assert classes(hits) == []
    assert hits.counts.candidates == 212
    assert hits.counts.passing == 20
    assert reasons(hits) == {"crowd": 20}
    assert hits.counts.without_evidence() == 20


def test_round_numbers_pass_twice_as_often_by_chance():
    source = random.Random(6)
    rows = [f"{source.randrange(100_000, 1_000_000)}300000" for _ in range(2000)]
    hits = collected("\n".join(rows).encode())
    assert 0.15 < hits.counts.passing / 2000 < 0.22
    assert hits.counts.list == 0
    assert hits.counts.lone <= 5


def test_a_number_beside_a_crowd_survives():
    log = "\n".join(numbers(2, 200, passing=False))
    for text in (f"{log}\n{PROSE}番 {NUMBER} {PROSE}", f"{PROSE}番 {NUMBER} {PROSE}\n{log}"):
        assert classes(collected(text.encode())) == ["lone"]


def test_one_column_in_five_is_a_list():
    columns = [numbers(7 + seed, 100, passing=False) for seed in range(4)] + [numbers(20, 100, passing=True)]
    rows = [",".join(row) for row in zip(*columns, strict=True)]
    counts = collected("\n".join(rows).encode()).counts
    assert counts.list > 90
    assert counts.list + counts.lone == 100


def test_a_label_saves_a_number_in_a_crowd():
    rows = numbers(2, 180, passing=False)
    rows[90] = f"個人番号,{NUMBER}"
    assert classes(collected("\n".join(rows).encode())) == ["label"]


def test_the_same_number_again_and_again_is_no_list():
    hits = collected((f"x{NUMBER}y\n" * 40).encode())
    assert reasons(hits) == {"letters": 40}


def test_neighbours_count_up_to_their_distance():
    rows = [f"x{row}\n".encode() for row in numbers(1, 8, passing=True)]
    gap = b"\n" * (NEIGHBOURHOOD_BYTES - sum(map(len, rows[:4])))
    near = b"".join(rows[:4]) + gap[:-200] + b"".join(rows[4:])
    assert set(classes(collected(near))) == {"list"}
    far = b"".join(rows[:4]) + gap + bytes(200) + b"".join(rows[4:])
    assert classes(collected(far)) == []


def test_zeros_are_dropped():
    hits = collected("個人番号 000000000000 ".encode() * 3)
    assert hits.counts.zeros == 3
    assert hits.counts.candidates == hits.counts.passing == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"id=a{NUMBER} ", "letters"),
        (f"{NUMBER}f", "letters"),
        (f"0.{NUMBER} ", "longer"),
        (f"{NUMBER}.5 ", "longer"),
        (f"12-{NUMBER} ", "longer"),
        ("00f0: 3132 1234 5678 9018 6162", "longer"),
        ("1234 5678 9018 1111 ", "longer"),
        ("123-456-789-018 ", "form"),
        ("1234 56789018 ", "form"),
        ("12.34.56.78.90.18 ", "form"),
        ("time 202601011206 ", "time"),
    ],
)
def test_reasons_of_chance(text, reason):
    # The time happens to have the right check digit.
    data = (PROSE + text + PROSE).encode()
    hits = collected(data)
    assert reasons(hits) == {reason: 1}
    assert hits.counts.passing == 1
    # A label makes each of them worth judging.
    assert classes(collected((PROSE + "マイナンバー " + text + PROSE).encode())) == ["label"]


def test_numbers_in_binary_are_chance():
    source = random.Random(5)
    data = source.randbytes(1000) + b"\x01" + NUMBER.encode() + b"\x01" + source.randbytes(1000)
    assert reasons(collected(data)) == {"binary": 1}
    wide = source.randbytes(1000) + NUMBER.encode("utf-16-le") + b"\x01\x01" + source.randbytes(1000)
    assert reasons(collected(wide)).get("binary") == 1


def test_a_date_behind_a_number_does_not_hide_it():
    assert classes(collected(f"{PROSE}1234 5678 9018 1990/01/01 {PROSE}".encode())) == ["lone"]


def test_kana_of_cp932_and_escapes_are_no_letters():
    assert classes(collected(f"{PROSE}カードア{NUMBER}{PROSE}".encode("cp932"))) == ["lone"]
    assert classes(collected(f"{PROSE}書{NUMBER}{PROSE}".encode("iso-2022-jp"))) == ["lone"]


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_each_utf16_number_is_taken_once(codec):
    # Between Latin letters the bytes read as digits in both orders.
    hits = collected(f"{'plain text ' * 40}: {NUMBER} {'plain text ' * 40}".encode(codec))
    assert [ENCODINGS[number] for number in hits.encodings.tolist()] == [codec]
    assert reasons(hits) == {"mirror": 1}
    wide = collected(f"{'ｐｌａｉｎ' * 40}：{NUMBER.translate(FULL_WIDTH)}：{'ｐｌａｉｎ' * 40}".encode(codec))
    assert [ENCODINGS[number] for number in wide.encodings.tolist()] == [f"{codec} full-width"]


@pytest.mark.parametrize("word", [*_LABEL_WORDS, *_LATIN_LABELS])
def test_every_label_word_is_found(word):
    for codec in CODECS:
        try:
            encoded = word.encode(codec)
        except UnicodeEncodeError:
            continue
        start = 3 if encoded.startswith(b"\x1b") else 0
        for data in (encoded, encoded.upper() if word.isascii() else encoded):
            found = find_labels(np.frombuffer(b"\x00" * 7 + data + b"\x00" * 3, np.uint8))
            assert 7 + start in found.tolist(), codec


def test_labels_in_nothing():
    for size in range(8):
        assert find_labels(np.zeros(size, np.uint8)).tolist() == []


def document(seed: int) -> bytes:
    """Text in many encodings with labelled, listed and lone numbers, noise and emptiness."""
    source = random.Random(seed)
    parts = []
    for _ in range(12):
        codec = source.choice(CODECS)
        rows = numbers(source.randrange(1000), 12, passing=source.random() < 0.7)
        kind = source.randrange(6)
        if kind == 0:
            text = f"{PROSE[:300]}個人番号：{rows[0].translate(FULL_WIDTH)}\n{PROSE[:200]}"
        elif kind == 1:
            text = "\n".join(f"山田,{row}" for row in rows * source.randrange(1, 20))
        elif kind == 2:
            text = f"{PROSE[:500]}{rows[0]} {PROSE[:500]}"
        elif kind == 3:
            text = " ".join(numbers(source.randrange(1000), 60, passing=False) + rows[:6])
        elif kind == 4:
            parts.append(source.randbytes(source.randrange(3000)))
            continue
        else:
            parts.append(bytes(source.randrange(9000)))
            continue
        parts.append(text.encode(codec))
    return b"".join(parts)


@pytest.mark.parametrize("seed", range(4))
def test_result_is_the_same_for_any_pieces(seed):
    data = document(seed)
    whole = collected(data, len(data))
    assert len(whole.offsets)
    for chunk in (100, 511, 512, 513, 1024, 1025, 4096, 10_000):
        assert same(collected(data, chunk), whole), chunk


@pytest.mark.parametrize("border", [4096 - 512, 4096, 4096 + 512])
def test_each_place_at_the_borders_of_pieces(border):
    for place in range(border - 14, border + 3):
        data = b"-" * place + NUMBER.encode() + b"-" * (9000 - place)
        assert collected(data, 4096).offsets.tolist() == [place]


def test_pieces_of_random_sizes():
    data = document(7)
    whole = collected(data)
    source = random.Random(8)
    for _ in range(10):
        collector, at = Collector(), 0
        while at < len(data):
            size = source.choice([1, 63, 511, 700, 5000, 20_000])
            collector.feed(memoryview(data)[at : at + size], at)
            at += size
        assert same(collector.finish(), whole)


@pytest.mark.parametrize("stop", [3000, 20_000, 33_333])
def test_resumed_search_gives_the_same(stop):
    data = document(9) + document(10)
    whole = collected(data)
    first = Collector()
    for at in range(0, stop, 1000):
        first.feed(memoryview(data)[at : at + 1000], at)
    state = {name: values.copy() for name, values in first.state().items()}
    second = Collector()
    second.restore(state)
    assert second.resume_offset <= second.settled <= stop
    for at in range(second.resume_offset, len(data), 700):
        second.feed(memoryview(data)[at : at + 700], at)
    assert same(second.finish(), whole)


def test_resumed_search_knows_the_neighbourhood_before():
    rows = numbers(1, 8, passing=True)
    # The search stops amid the list, just behind a border at which it might start again.
    data = b"-" * 14_384 + b"".join(f"x{row}y".encode().ljust(500, b"-") for row in rows) + b"-" * 20_000
    assert classes(collected(data)) == ["list"] * 8
    first = Collector()
    for at in range(0, 21_200, 100):
        first.feed(memoryview(data)[at : at + 100], at)
    assert 16_384 + 64 < first.settled < 16_884
    second = Collector()
    second.restore(first.state())
    second.feed(memoryview(data)[second.resume_offset :], second.resume_offset)
    assert same(second.finish(), collected(data))


def test_state_holds_no_digits():
    collector = Collector()
    collector.feed(memoryview(document(9)), 0)
    state = collector.state()
    assert set(state) == {"settled", "totals", "offsets", "sizes", "encodings", "classes", "near"}
    assert "123456" not in repr(collector)
    assert "values" not in repr(collector._pending)


def test_limit_is_kept_and_said():
    data = "\n".join(f"個人番号 {row}" for row in numbers(4, 50, passing=True)).encode()
    every = collected(data)
    some = collected(data, 300, limit=20)
    assert some.offsets.tolist() == every.offsets.tolist()[:20]
    assert some.counts.dropped == 30
    assert some.first_dropped == every.offsets[20]
    assert some.counts.label == 50


def test_pieces_must_come_in_order():
    collector = Collector()
    collector.feed(memoryview(bytes(5000)), 0)
    with pytest.raises(ValueError, match="order"):
        collector.feed(memoryview(bytes(5000)), 4000)


def test_a_gap_joins_nothing():
    head, tail = b"x" * 600 + NUMBER[:6].encode(), NUMBER[6:].encode() + b"x" * 600
    collector = Collector()
    collector.feed(memoryview(head), 0)
    collector.feed(memoryview(tail), 100_000)
    assert collector.finish().counts.candidates == 0
    collector = Collector()
    collector.feed(memoryview(f"{PROSE} {NUMBER}".encode()), 0)
    collector.feed(memoryview(f"{NUMBER} {PROSE}".encode()), 1 << 40)
    hits = collector.finish()
    assert hits.offsets.tolist() == [len(f"{PROSE} ".encode()), 1 << 40]


def test_nothing_fed():
    hits = Collector().finish()
    assert hits.offsets.tolist() == []
    assert hits.near.shape == (0, 2)
    assert select(hits, size=0).windows == ()


def test_memory_does_not_grow_with_the_medium():
    data = "\n".join(numbers(2, 20_000, passing=False)).encode()
    collector = Collector()
    collector.feed(memoryview(data), 0)
    collector.feed(memoryview(data), len(data))
    tracemalloc.start()
    for turn in range(2, 8):
        collector.feed(memoryview(data), turn * len(data))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 300_000
    # Where two copies meet, two numbers run into one of 24 digits.
    assert collector.finish().counts.candidates == 8 * 20_000 - 7 * 2


def test_random_bytes_give_nothing():
    assert collected(random.Random(1).randbytes(4 << 20)).counts.passing == 0


# --- windows ----------------------------------------------------------------------------------------------------------


def test_near_hits_share_a_window():
    data = f"{PROSE}個人番号 {NUMBER}、{NUMBER}{PROSE * 3}個人番号 {NUMBER}".encode()
    hits = collected(data)
    selection = select(hits, size=len(data))
    assert [len(window.hits) for window in selection.windows] == [2, 1]
    assert selection.hit_count == 3
    assert selection.beyond == 0
    first, second = selection.windows
    assert first.offset == first.hits[0] - 1024
    assert first.size == first.hits[1] + 12 + 512 - first.offset
    assert second.offset + second.size == len(data)


def test_groups_keep_files_apart_and_wanted_leaves_out():
    data = f"{PROSE}個人番号 {NUMBER}、{NUMBER}".encode()
    hits = collected(data)
    apart = select(hits, size=len(data), groups=np.array([5, 9]))
    assert [window.hits for window in apart.windows] == [(offset,) for offset in hits.offsets.tolist()]
    less = select(hits, size=len(data), wanted=np.array([False, True]))
    assert [window.hits for window in less.windows] == [(int(hits.offsets[1]),)]


def test_long_lists_are_cut_into_bounded_windows():
    data = "\n".join(numbers(4, 20_000, passing=True)).encode()
    selection = select(collected(data), size=len(data))
    assert selection.hit_count == 20_000
    assert max(window.size for window in selection.windows) < 32 << 10


def test_too_many_windows_lose_the_weakest_and_say_so():
    lone, labelled = f"{PROSE}番 {NUMBER} {PROSE}", f"{PROSE}個人番号 {NUMBER} {PROSE}"
    data = (lone * 3 + labelled + lone).encode()
    hits = collected(data)
    selection = select(hits, size=len(data), most_windows=2)
    assert [classes(hits)[hits.offsets.tolist().index(window.hits[0])] for window in selection.windows] == [
        "lone",
        "label",
    ]
    assert selection.windows[0].hits == (int(hits.offsets[0]),)
    assert selection.beyond == 3
    assert selection.counts.lone == 4


def places_are_right(data: bytes, text, base: int, codec: str) -> None:
    """Every character stands in the bytes that its place says."""
    offsets = text.offsets
    for number, character in enumerate(text.content):
        at = offsets.byte_of(number) - base
        assert 0 <= at < len(data)
        if character == "\ufffd":
            continue
        if codec == "iso-2022-jp":
            shifted = bytes(byte | 0x80 for byte in data[at : at + 2])
            assert data[at : at + 1].decode("ascii", "replace") == character or shifted.decode("euc-jp") == character
        else:
            width = len(character.encode(codec))
            assert data[at : at + width].decode(codec) == character


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("wide", [False, True])
def test_window_text_decodes_and_places_every_character(codec, wide):
    number = NUMBER.translate(FULL_WIDTH) if wide else NUMBER
    data = f"{PROSE}マイナンバー：{number} ﾊﾝｶｸ {PROSE}".replace("ﾊﾝｶｸ", "" if "2022" in codec else "ﾊﾝｶｸ").encode(
        codec
    )
    hits = collected(data)
    base = 1 << 33
    for cut in range(6 if "16" not in codec else 1):
        whole = data[cut:]
        window = Window(base + cut, len(whole), ENCODINGS[int(hits.encodings[0])], (base + int(hits.offsets[0]),))

        class Far:
            def read_at(self, offset, size, whole=whole, cut=cut):
                assert (offset, size) == (base + cut, len(whole))
                return whole

        text = window_text(Far(), window)
        assert text.encoding == codec
        assert text.kind == "raw"
        at = text.content.index(number)
        assert text.content[:at].endswith("マイナンバー：")
        assert text.offsets.byte_of(at) == base + int(hits.offsets[0])
        assert text.content.count("\ufffd") <= 1
        places_are_right(whole, text, base + cut, codec)
        assert NUMBER not in repr(text)


def test_windows_of_select_decode():
    data = document(3) + document(4)
    hits = collected(data)
    selection = select(hits, size=len(data))
    assert selection.windows
    for window in selection.windows:
        text = window_text(Memory(data), window)
        places = {text.offsets.byte_of(at) for at in range(len(text.content))}
        assert set(window.hits) <= places


def test_iso2022_window_that_starts_within_kanji():
    encoded = f"{'漢字' * 30}個人番号は{NUMBER.translate(FULL_WIDTH)}です".encode("iso-2022-jp")
    inside = encoded[3 + 21 :]  # an odd place behind the escape sequence
    hits = collected(inside)
    [window] = select(hits, size=len(inside)).windows
    text = window_text(Memory(inside), window)
    assert f"個人番号は{NUMBER.translate(FULL_WIDTH)}です" in text.content
    plain = encoded.replace(b"\x1b(B", b"").replace(b"\x1b$B", b"")  # no escape sequence at all
    hits = collected(plain)
    [window] = select(hits, size=len(plain)).windows
    assert "個人番号は" in window_text(Memory(plain), window).content


@pytest.mark.parametrize("codec", ["cp932", "euc-jp"])
def test_every_double_byte_character_has_its_width(codec):
    characters = []
    for lead in range(0x80, 0x100):
        for trail in range(0x40, 0x100):
            try:
                character = bytes([lead, trail]).decode(codec)
            except UnicodeDecodeError:
                continue
            if len(character) == 1:
                characters.append(bytes([lead, trail]))
    data = b" " + b" ".join(characters)
    text = window_text(Memory(data), Window(0, len(data), f"{codec} full-width", (0,)))
    assert len(text.content) == 2 * len(characters)
    assert [text.offsets.byte_of(at) for at in range(0, len(text.content), 2)] == list(range(0, len(data), 3))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=3000), st.sampled_from(ENCODINGS), st.integers(0, 100))
def test_window_text_takes_any_bytes(data, encoding, hit):
    text = window_text(Memory(data), Window(0, len(data), encoding, (hit,)))
    places = [text.offsets.byte_of(at) for at in range(len(text.content))]
    assert places == sorted(set(places))
    assert not places or 0 <= places[0] <= places[-1] < len(data)
