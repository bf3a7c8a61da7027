"""A small E01 writer for tests, apart from the product's own, that says where each structure lies so it can be broken."""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass, field

CHUNK = 32768


@dataclass
class Made:
    """Segment files as bytes, and (segment, position, size) of named structures (`table:0`, `chunk:5`, …)."""

    segments: list[bytearray] = field(default_factory=list)
    places: dict[str, tuple[int, int, int]] = field(default_factory=dict)

    def write(self, folder, stem="disk"):
        paths = []
        for number, data in enumerate(self.segments, 1):
            path = folder / f"{stem}.E{number:02d}"
            path.write_bytes(data)
            paths.append(path)
        return paths

    def break_at(self, name, offset=0, flip=0xFF):
        segment, position, _ = self.places[name]
        self.segments[segment][position + offset] ^= flip


def _adler(data):
    return struct.pack("<I", zlib.adler32(data))


def stored_stream(data, *, wrong_nlen=False):
    """A zlib stream of stored blocks; with a wrong length complement on request."""
    out = bytearray(b"\x78\x01")
    for at in range(0, len(data), 65535):
        part = data[at : at + 65535]
        nlen = len(part) ^ 0xFFFF ^ (0x0101 if wrong_nlen else 0)
        out += bytes([at + 65535 >= len(data)]) + struct.pack("<HH", len(part), nlen) + part
    return bytes(out) + struct.pack(">I", zlib.adler32(data))


def make(
    data,
    *,
    per_table=4,
    tables_per_segment=100,
    chunk_size=CHUNK,
    sector=512,
    raw_chunks=(),
    special=None,
    header="1\nmain\nc\tn\ta\te\tt\tav\tov\tm\tu\tp\ncase 7\tev 1\t説明 給与\t担当\t\t1\tL\t1700000000\t1700000000\t0\n",
    guid=b"G" * 16,
    table2=True,
    sectors_override=None,
    errors=(),
):
    """An E01 of `data` (a whole number of sectors): `per_table` chunks a table, `tables_per_segment` tables a segment."""
    made = Made()
    chunks = [data[at : at + chunk_size] for at in range(0, len(data), chunk_size)]
    volume = bytearray(1052)
    volume[0] = 1
    struct.pack_into("<III", volume, 4, len(chunks), chunk_size // sector, sector)
    struct.pack_into("<Q", volume, 16, sectors_override if sectors_override is not None else len(data) // sector)
    volume[36] = 3
    volume[52] = 1
    volume[64:80] = guid
    volume[1048:] = _adler(volume[:1048])
    groups = [list(range(at, min(at + per_table, len(chunks)))) for at in range(0, len(chunks), per_table)]
    parts = [groups[at : at + tables_per_segment] for at in range(0, len(groups), tables_per_segment)] or [[]]
    for number, segment_groups in enumerate(parts):
        out = bytearray(b"EVF\x09\x0d\x0a\xff\x00\x01" + struct.pack("<HH", number + 1, 0))

        def section(kind, body, name="", out=out, number=number):
            start = len(out)
            head = (
                kind.encode().ljust(16, b"\0") + struct.pack("<QQ", start + 76 + len(body), 76 + len(body)) + bytes(40)
            )
            out.extend(head + _adler(head) + body)
            made.places[name or kind] = (number, start + 76, len(body))
            made.places[f"{name or kind}:descriptor"] = (number, start, 76)
            return start + 76

        if number == 0:
            section("header2", zlib.compress(b"\xff\xfe" + header.encode("utf-16-le")))
            section("volume", bytes(volume))
        else:
            section("data", bytes(volume))
        for group in segment_groups:
            index = group[0] // per_table
            base = len(out) + 76
            body = bytearray()
            entries = []
            for chunk in group:
                entry = len(body)
                if special and chunk in special:
                    stored = special[chunk]
                    entries.append(entry | 0x80000000)
                elif chunk in raw_chunks:
                    stored = chunks[chunk] + _adler(chunks[chunk])
                    entries.append(entry)
                else:
                    stored = zlib.compress(chunks[chunk], 1)
                    entries.append(entry | 0x80000000)
                made.places[f"chunk:{chunk}"] = (number, base + entry, len(stored))
                body += stored
            section("sectors", bytes(body), f"sectors:{index}")
            head = struct.pack("<IIQI", len(group), 0, base, 0)
            packed = struct.pack(f"<{len(entries)}I", *entries)
            table = head + _adler(head) + packed + _adler(packed)
            section("table", table, f"table:{index}")
            if table2:
                section("table2", table, f"table2:{index}")
        last = number == len(parts) - 1
        if last and errors:
            head = struct.pack("<I", len(errors)) + bytes(512)
            packed = b"".join(struct.pack("<II", first, count) for first, count in errors)
            section("error2", head + _adler(head) + packed + _adler(packed))
        if last:
            section("hash", (md5 := hashlib.md5(data).digest() + bytes(16)) + _adler(md5))
            digest = hashlib.md5(data).digest() + hashlib.sha1(data).digest() + bytes(40)
            section("digest", digest + _adler(digest))
        start = len(out)
        head = (b"done" if last else b"next").ljust(16, b"\0") + struct.pack("<QQ", start, 76) + bytes(40)
        out.extend(head + _adler(head))
        made.segments.append(out)
    return made
