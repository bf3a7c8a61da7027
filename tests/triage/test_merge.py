"""The same bytes found by both passes are one finding; what another file overwrote is not a deleted file's content."""

from __future__ import annotations

from triage.file_pass import FoundNumber, TaskResult
from triage.merge import FilePlace, Piece, RawNumber, merge

NONE: frozenset[int] = frozenset()


def number(hmac="h1", offset=None, container="", confidence="high", location=""):
    return FoundNumber(
        hmac=hmac, masked="********9018", confidence=confidence, reasons=("r",), reason_codes=("label",), rivals=(),
        container=container, location=location, encoding="ascii", byte_offset=offset,
    )  # fmt: skip


TWO_PIECES = (Piece(0, 1000, 500), Piece(500, 9000, 500))


def place(path="/a", state="allocated", pieces=TWO_PIECES):
    return FilePlace(layers=f"raw:x|ntfs:{path}", path=path, state=state, pieces=tuple(pieces))


def raw(offset, file=-1, hmac="h1", state="unallocated", confidence="medium"):
    return RawNumber(offset, file, -1, state, "raw:x", number(hmac, offset, confidence=confidence))


def test_media_offsets_follow_the_pieces():
    one = place()
    assert one.media_offset(0) == 1000
    assert one.media_offset(499) == 1499
    assert one.media_offset(500) == 9000
    assert one.media_offset(1000) is None
    assert place(pieces=()).media_offset(0) is None
    assert place(pieces=(Piece(100, 7, 10),)).media_offset(5) is None


def test_both_passes_at_the_same_bytes_are_one_finding():
    found = merge(
        {7: place()},
        {7: TaskResult(found=(number(offset=10),))},
        [],
        [raw(1010, 7, state="allocated")],
        {1010: 7},
        NONE,
    )
    assert [(one.offset, one.file_offset, one.confidence, one.path) for one in found] == [(1010, 10, "high", "/a")]


def test_the_other_byte_order_of_the_same_digits_is_the_same_finding():
    found = merge(
        {7: place()}, {7: TaskResult(found=(number(offset=10),))}, [], [raw(1009, 7, state="allocated")], {}, NONE
    )
    assert len(found) == 1
    assert len(merge({}, {}, [], [raw(50), raw(51)], {}, NONE)) == 1
    assert len(merge({}, {}, [], [raw(50), raw(52)], {}, NONE)) == 2
    assert len(merge({}, {}, [], [raw(50), raw(51, hmac="h2")], {}, NONE)) == 2


def test_a_document_takes_over_the_places_of_its_number():
    results = {7: TaskResult(found=(number(container="a.zip!/b"),), read_as="document")}
    hits = [raw(1100, 7, state="allocated"), raw(1200, 7, state="allocated"), raw(1300, 7, "h2", state="allocated")]
    found = merge({7: place("/a.zip")}, results, [], hits, {}, NONE)
    assert [(one.container, one.offset, one.copies, one.hmac) for one in found] == [
        ("a.zip!/b", 1100, (1200,), "h1"),
        ("", 1300, (), "h2"),
    ]


def test_text_that_was_read_whole_has_the_last_word():
    places, results = {7: place()}, {7: TaskResult(read_as="text")}
    hit = [raw(1100, 7, state="allocated")]
    assert merge(places, results, [], hit, {}, {7}) == []
    assert len(merge(places, results, [], hit, {}, NONE)) == 1
    # Slack behind the same file is not its content.
    assert len(merge(places, results, [], [raw(1600, 7, state="slack")], {}, {7})) == 1


def test_overwritten_clusters_say_nothing_about_a_deleted_file():
    places = {7: place("/old", "deleted"), 8: place("/new")}
    results = {7: TaskResult(found=(number(offset=10),)), 8: TaskResult(found=(number(offset=10),))}
    found = merge(places, results, [], [], {1010: 8}, NONE)
    assert [(one.path, one.state) for one in found] == [("/new", "allocated")]


def test_a_document_in_a_partly_overwritten_file_is_not_certain():
    mixed = FilePlace(layers="raw:x|ntfs:/old.zip", path="/old.zip", state="deleted", overwritten_bytes=4096)
    found = merge({7: mixed}, {7: TaskResult(found=(number(container="old.zip!/b"),))}, [], [], {}, NONE)
    assert [(one.confidence, one.reason_codes) for one in found] == [("low", ("label", "partly_overwritten"))]


def test_a_name_takes_over_its_place_in_the_metadata():
    found = merge({7: place()}, {}, [(7, number(offset=3))], [raw(4000, -1, state="metadata")], {}, NONE)
    assert [(one.location, one.offset, one.file_offset) for one in found] == [("name", 4000, None)]


def test_raw_findings_keep_state_and_layers():
    found = merge(
        {7: place()}, {}, [], [raw(5), RawNumber(1700, 7, 700, "slack", "raw:x", number(offset=1700))], {}, NONE
    )
    assert [(one.offset, one.state, one.path, one.layers) for one in found] == [
        (5, "unallocated", "", "raw:x"),
        (1700, "slack", "/a", "raw:x|ntfs:/a"),
    ]
