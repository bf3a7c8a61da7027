import hashlib
import random
import shutil
import subprocess
import threading
import zlib
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chain_of_custody.errors import EvidenceFormatError, HozenError
from preserve import open_evidence, open_image, stream
from preserve.ewf_reader import EwfImage
from tests.conftest import needs
from tests.preserve.ewf_make import CHUNK, make, stored_stream


def content(chunks, seed=1, tail=0):
    rng = random.Random(seed)
    parts = []
    for number in range(chunks):
        kind = number % 3
        if kind == 0:
            parts.append(rng.randbytes(CHUNK))
        elif kind == 1:
            parts.append((b"line %d of text\n" % number * 3000)[:CHUNK])
        else:
            parts.append(bytes(CHUNK))
    return b"".join(parts) + rng.randbytes(tail)


DATA = content(23, tail=1536)


def read(image):
    return b"".join(bytes(view) for _, view in stream(image, 3 * CHUNK + 512))


def zeroed(data, *ranges):
    out = bytearray(data)
    for offset, size in ranges:
        out[offset : offset + size] = bytes(size)
    return bytes(out)


def ranges(image):
    return [(one.offset, one.size, one.reason) for one in image.unreadable()]


def test_reads_all_of_it_with_its_facts(tmp_path):
    make(DATA, tables_per_segment=2, raw_chunks=(0, 3, 6)).write(tmp_path)
    with open_image(tmp_path / "disk.E01") as image:
        assert read(image) == DATA
        assert image.size == len(DATA)
        assert image.sector_size == 512
        assert image.layer == "e01:disk.E01"
        assert image.stored_hashes == {"md5": hashlib.md5(DATA).hexdigest(), "sha1": hashlib.sha1(DATA).hexdigest()}
        assert [path.name for path in image.segments] == ["disk.E01", "disk.E02", "disk.E03"]
        assert image.notes["description"] == "説明 給与"
        assert image.notes["acquired"] == "2023-11-14T22:13:20Z"
        assert not image.unreadable()
        assert image.is_complete


@pytest.mark.parametrize("offset", [0, 1, CHUNK - 1, CHUNK, 5 * CHUNK + 77, len(DATA) - 10, len(DATA), len(DATA) + 5])
@pytest.mark.parametrize("size", [0, 1, 100, CHUNK, 2 * CHUNK + 3, 1 << 20])
def test_reads_any_part(tmp_path, offset, size):
    make(DATA, per_table=3).write(tmp_path)
    with open_image(tmp_path / "disk.E01") as image:
        assert image.read_at(offset, size) == DATA[offset : offset + size]


def test_chosen_by_content_not_by_name(tmp_path):
    made = make(DATA)
    path = tmp_path / "evidence.bin"
    path.write_bytes(made.segments[0])
    with open_image(path) as image:
        assert image.layer == "e01:evidence.bin"
        assert read(image) == DATA


def test_a_later_segment_named_finds_the_first(tmp_path):
    make(DATA, tables_per_segment=2).write(tmp_path)
    with open_image(tmp_path / "disk.E02") as image:
        assert read(image) == DATA


def test_missing_segment_is_a_gap_and_the_rest_is_in_its_place(tmp_path):
    paths = make(DATA, tables_per_segment=2).write(tmp_path)
    paths[1].unlink()
    with open_image(paths[0]) as image:
        assert read(image) == zeroed(DATA, (8 * CHUNK, 8 * CHUNK))
        assert ranges(image) == [(8 * CHUNK, 8 * CHUNK, "missing_segment")]
        assert "segment 2 is missing" in image.unreadable()[0].detail


def test_missing_last_segment(tmp_path):
    paths = make(DATA, tables_per_segment=2).write(tmp_path)
    paths[2].unlink()
    with open_image(paths[0]) as image:
        assert read(image) == zeroed(DATA, (16 * CHUNK, len(DATA)))[: len(DATA)]
        assert ranges(image) == [(16 * CHUNK, len(DATA) - 16 * CHUNK, "missing_segment")]
        assert not image.stored_hashes


def test_chunks_between_two_gaps_have_no_place(tmp_path):
    paths = make(DATA, tables_per_segment=1).write(tmp_path)
    paths[1].unlink()
    paths[3].unlink()
    with open_image(paths[0]) as image:
        assert read(image) == zeroed(DATA, (4 * CHUNK, 12 * CHUNK))
        assert "no certain place" in image.unreadable()[0].detail


def test_segment_of_another_image_is_left_out(tmp_path):
    paths = make(DATA, tables_per_segment=2).write(tmp_path)
    other = make(content(24, seed=9), tables_per_segment=2, guid=b"X" * 16)
    paths[1].write_bytes(other.segments[1])
    with open_image(paths[0]) as image:
        assert ranges(image) == [(8 * CHUNK, 8 * CHUNK, "missing_segment")]
        assert image.ignored == ["disk.E02: belongs to another image (set identifier differs)"]


def test_truncated_file_is_read_up_to_its_end(tmp_path):
    made = make(DATA, per_table=100)
    _, position, size = made.places["chunk:20"]
    path = tmp_path / "disk.E01"
    path.write_bytes(made.segments[0][: position + size // 2])
    with open_image(path) as image:
        assert read(image) == zeroed(DATA, (20 * CHUNK, len(DATA)))[: len(DATA)]
        assert ranges(image) == [(20 * CHUNK, len(DATA) - 20 * CHUNK, "truncated")]


@pytest.mark.parametrize("place", [("table:1", 0), ("table:1", 30), ("table:1", 8)])
def test_bad_table_is_read_from_its_copy(tmp_path, place):
    made = make(DATA)
    made.break_at(*place)
    made.write(tmp_path)
    with open_image(tmp_path / "disk.E01") as image:
        assert read(image) == DATA
        assert not image.unreadable()


def test_both_tables_bad_chunks_are_found_by_walking(tmp_path):
    made = make(DATA, raw_chunks=(4, 5))
    for table in ("table:1", "table2:1"):
        made.break_at(table, 26)
    made.write(tmp_path)
    with open_image(tmp_path / "disk.E01") as image:
        assert read(image) == DATA
        assert not image.unreadable()
        assert "walking the sectors" in next(iter(image.repaired))


@pytest.mark.parametrize("name", ["sectors:2", "table:2", "table2:2"])
def test_a_lost_descriptor_loses_no_chunk(tmp_path, name):
    made = make(DATA)
    made.break_at(f"{name}:descriptor", 20)
    made.write(tmp_path)
    with open_image(tmp_path / "disk.E01") as image:
        assert read(image) == DATA
        assert not image.unreadable()


def test_a_lost_group_is_a_gap_not_a_shift(tmp_path):
    made = make(DATA)
    for name in ("table:2:descriptor", "table2:2:descriptor", "sectors:3:descriptor", "table:3:descriptor"):
        made.break_at(name, 20)
    made.break_at("table2:3", 3)
    made.write(tmp_path)
    with open_image(tmp_path / "disk.E01") as image:
        got = read(image)
        lost = ranges(image)
        assert lost
        assert got == zeroed(DATA, *((offset, size) for offset, size, _ in lost))


def test_bad_checksum_of_a_raw_chunk(tmp_path):
    made = make(DATA, raw_chunks=(6,))
    made.break_at("chunk:6", 1000)
    made.write(tmp_path)
    with open_image(tmp_path / "disk.E01") as image:
        assert read(image) == zeroed(DATA, (6 * CHUNK, CHUNK))
        assert ranges(image) == [(6 * CHUNK, CHUNK, "checksum")]
        _, position, _ = made.places["chunk:6"]
        assert f"disk.E01 at byte {position}" in image.unreadable()[0].detail


def test_chunk_that_does_not_inflate(tmp_path):
    made = make(DATA)
    made.break_at("chunk:7", 0)
    made.break_at("chunk:10", made.places["chunk:10"][2] - 1)
    made.write(tmp_path)
    with open_image(tmp_path / "disk.E01") as image:
        assert read(image) == zeroed(DATA, (7 * CHUNK, CHUNK), (10 * CHUNK, CHUNK))
        assert ranges(image) == [(7 * CHUNK, CHUNK, "inflate"), (10 * CHUNK, CHUNK, "checksum")]


def test_stored_blocks_with_a_wrong_length_complement_are_read(tmp_path):
    chunk = DATA[:CHUNK]
    broken = stored_stream(chunk, wrong_nlen=True)
    with pytest.raises(zlib.error):
        zlib.decompress(broken)
    make(DATA, special={0: broken, 3: stored_stream(DATA[3 * CHUNK : 4 * CHUNK])}).write(tmp_path)
    with open_image(tmp_path / "disk.E01") as image:
        assert read(image) == DATA
        assert "length complement" in next(iter(image.repaired))


def test_a_wrong_length_complement_excuses_no_wrong_content(tmp_path):
    broken = bytearray(stored_stream(DATA[:CHUNK], wrong_nlen=True))
    broken[100] ^= 1
    make(DATA, special={0: bytes(broken)}).write(tmp_path)
    with open_image(tmp_path / "disk.E01") as image:
        assert read(image) == zeroed(DATA, (0, CHUNK))
        assert ranges(image) == [(0, CHUNK, "inflate")]


def test_more_chunks_behind_a_gap_than_the_volume_counts_are_not_placed(tmp_path):
    paths = make(DATA, tables_per_segment=2, sectors_override=10 * CHUNK // 512).write(tmp_path)
    paths[1].unlink()
    with open_image(paths[0]) as image:
        assert read(image) == zeroed(DATA[: 10 * CHUNK], (8 * CHUNK, 2 * CHUNK))
        assert ranges(image) == [(8 * CHUNK, 2 * CHUNK, "missing_segment")]


def test_a_chunk_that_inflates_without_end_stays_small(tmp_path):
    bomb = zlib.compress(bytes(64 << 20))
    make(DATA, special={2: bomb}).write(tmp_path)
    with open_image(tmp_path / "disk.E01") as image:
        assert read(image) == zeroed(DATA, (2 * CHUNK, CHUNK))
        assert [one.reason for one in image.unreadable()] == ["inflate"]


def test_offsets_past_31_bits_are_not_flags(tmp_path):
    import numpy as np

    made = make(DATA)
    made.write(tmp_path)
    with EwfImage(tmp_path / "disk.E01") as image:
        table = replace(image._tables[0], sectors=(0, 1 << 33))
        entries = np.array([0xFFFF0000, 0xFFFF8000, 0x80000100, 0x80008200], dtype="<u4")
        chunks = image._unpack(table, entries)
        assert (chunks.starts - table.base).tolist() == [0x7FFF0000, 0x7FFF8000, 0x80000100, 0x80008200]
        assert chunks.compressed.tolist() == [True, True, False, False]


@pytest.mark.parametrize("cut", [0, 5, 13, 50, 200, 900])
def test_headers_cut_off(tmp_path, cut):
    made = make(DATA)
    path = tmp_path / "disk.E01"
    path.write_bytes(made.segments[0][:cut])
    with pytest.raises(EvidenceFormatError) as caught:
        open_image(path)
    assert "disk.E01" in caught.value.en
    assert caught.value.exit_code == 4


def test_impossible_sizes_are_refused(tmp_path):
    make(DATA, sectors_override=1 << 60).write(tmp_path)
    with pytest.raises(EvidenceFormatError, match="impossible sizes"):
        open_image(tmp_path / "disk.E01")


def test_many_threads_read_the_same(tmp_path):
    make(DATA, per_table=3).write(tmp_path)
    wrong = []
    with open_image(tmp_path / "disk.E01") as image:

        def work(seed):
            rng = random.Random(seed)
            for _ in range(50):
                offset, size = rng.randrange(len(DATA)), rng.randrange(100_000)
                if image.read_at(offset, size) != DATA[offset : offset + size]:
                    wrong.append((offset, size))

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


@needs("ewfacquire")
@pytest.mark.parametrize(
    "form", ["encase1", "encase3", "encase5", "encase6", "encase7", "linen7", "ftk", "smart", "ewfx"]
)
def test_reads_what_ewfacquire_writes(tmp_path, form):
    raw = tmp_path / "source.raw"
    raw.write_bytes(DATA)
    command = ["ewfacquire", "-u", "-f", form, "-c", "fast", "-S", "1048576", "-t", str(tmp_path / "image"), str(raw)]
    subprocess.run(command, check=True, capture_output=True)
    first = next(path for path in sorted(tmp_path.iterdir()) if path.suffix.lower() in (".e01", ".s01"))
    with open_image(first) as image:
        assert read(image) == DATA
        assert image.stored_hashes["md5"] == hashlib.md5(DATA).hexdigest()
        assert not image.unreadable()


def test_sectors_that_were_unreadable_at_acquisition(tmp_path):
    pyewf = pytest.importorskip("pyewf")
    path = make(DATA, errors=[(10, 4), (100, 1)]).write(tmp_path)[0]
    with open_image(path) as image:
        assert [(one.offset, one.size) for one in image.acquisition_errors] == [(5120, 2048), (51_200, 512)]
        problems = open_evidence(image).problems
    assert [(one.offset, one.size) for one in problems[:2]] == [(5120, 2048), (51_200, 512)]
    handle = pyewf.handle()
    handle.open([str(path)])
    assert handle.read_buffer(len(DATA)) == DATA
    handle.close()


@needs("ewfacquire")
def test_japanese_notes_by_ewfacquire(tmp_path):
    raw = tmp_path / "source.raw"
    raw.write_bytes(DATA)
    words = ["-C", "事案 十二", "-D", "説明", "-e", "山田"]
    command = ["ewfacquire", "-u", *words, "-t", str(tmp_path / "image"), str(raw)]
    subprocess.run(command, check=True, capture_output=True, env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"})
    with open_image(tmp_path / "image.E01") as image:
        assert image.notes["case_number"] == "事案 十二"
        assert image.notes["examiner"] == "山田"


def test_reads_real_images_as_libewf_does(shared_data):
    pyewf = pytest.importorskip("pyewf")
    found = sorted(shared_data.rglob("*.E01"))
    assert found
    for path in found:
        handle = pyewf.handle()
        handle.open(pyewf.glob(str(path)))
        expected = handle.read_buffer(handle.get_media_size())
        handle.close()
        with open_image(path) as image:
            assert read(image) == expected
            assert image.stored_hashes["md5"] == hashlib.md5(expected).hexdigest()


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=12),
    cut=st.floats(0.3, 1),
    insert=st.binary(max_size=64),
    drop=st.booleans(),
)
def test_no_damage_makes_it_crash_or_lie(tmp_path_factory, flips, cut, insert, drop):
    data = DATA[: 9 * CHUNK]
    made = make(data, per_table=2, tables_per_segment=2, raw_chunks=(0,))
    folder = tmp_path_factory.mktemp("damaged")
    for number, segment in enumerate(made.segments):
        for place, value in flips:
            segment[int(place * (len(segment) - 1))] = value
        if number == 1:
            segment[100:100] = insert
            del segment[int(cut * len(segment)) :]
    paths = made.write(folder)
    if drop:
        paths[1].unlink()
    try:
        with open_image(paths[0]) as image:
            got = read(image) if image.size <= 1 << 24 else image.read_at(0, 1 << 20)
            lost = bytearray(len(data))
            for one in image.unreadable():
                lost[one.offset : one.offset + one.size] = b"\1" * len(lost[one.offset : one.offset + one.size])
            if image.size == len(data):
                # Whatever is not listed as unreadable is right, whatever is listed is zeros.
                for at in range(0, len(data), CHUNK):
                    part = got[at : at + CHUNK]
                    assert part == (bytes(len(part)) if lost[at] else data[at : at + CHUNK])
    except HozenError:
        pass
    finally:
        shutil.rmtree(folder)
