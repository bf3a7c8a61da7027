"""Character encodings of Japanese text: which one a block is in, and what it says with the byte of each character.

Nothing is guessed from frequencies alone: an encoding is chosen because the bytes are valid in it and mean ordinary
Japanese. `DECODERS` are tolerant: a byte that means nothing becomes U+FFFD, one byte wide, and the rest is read.

Tables behind the names: CP932 as Windows has it (0x817C is U+FF0D); EUC-JP is CP51932 (JIS X 0208 with NEC row 13 and
the IBM extensions, half-width kana by 0x8E) and JIS X 0212 by 0x8F; ISO-2022-JP takes JIS X 0201, 0208 (1978, 1983),
0212 and half-width kana by ESC ( I or SO/SI (CP50220-50222).
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from triage.text import Offsets

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Encoding = Literal[
    "ascii",
    "utf-8",
    "cp932",
    "euc_jp",
    "iso2022_jp",
    "utf-16-le",
    "utf-16-be",
    "utf-32-le",
    "utf-32-be",
]

BOMS: tuple[tuple[bytes, Encoding], ...] = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)

_JIS_ESCAPE = re.compile(rb"\x1b(?:\$\([@BCDOPQ]|\$[@AB]|\([BJIH]|&@)")
_JIS_SHIFT = re.compile(rb"\x1b(?:\$\([@BCDOPQ]|\$[@AB]|\([BJIH]|&@\x1b\$B)|[\x0e\x0f]")
_JIS_RUN = re.compile(rb"(?:[\x21-\x7e]{2})+|[\x00-\xff]")
_HIGH = bytes(byte | 0x80 for byte in range(256))
_KANA = bytes(byte | 0x80 if 0x21 <= byte <= 0x5F else byte for byte in range(256))
_TEXT_CONTROLS = frozenset(b"\t\n\r\x0c\x1a\x1b\x08\x0b\x0e\x0f\x00")
_NO_CONTROLS = bytes(set(range(256)) - (set(range(32)) - _TEXT_CONTROLS) - {0x7F})
"""All bytes but the control characters that text does not have."""


class Decoded(NamedTuple):
    """A decoded block: its characters, and where in the block each one starts (int64[len(content)])."""

    content: str
    starts: NDArray[np.int64]


def jis_to_cp932(pairs: bytes) -> bytes:
    """JIS X 0208 codes (two bytes of 0x21-0x7E each, an even number of bytes) as Shift_JIS."""
    codes = np.frombuffer(pairs, dtype=np.uint8).reshape(-1, 2).astype(np.int32)
    row, cell = codes[:, 0] - 0x21, codes[:, 1]
    lead = (row >> 1) + 0x81
    lead[lead > 0x9F] += 0x40
    even = row & 1 == 0
    trail = np.where(even, cell + 0x1F + (cell >= 0x60), cell + 0x7E)
    return np.stack((lead, trail), axis=1).astype(np.uint8).tobytes()


def _euc_pair(error: UnicodeError) -> tuple[str, int]:
    """What CP51932 has beyond EUC-JP (NEC row 13 and more); else one byte that means nothing."""
    if isinstance(error, UnicodeDecodeError):
        pair = bytes(error.object[error.start : error.start + 2])
        if len(pair) == 2 and 0xA1 <= pair[0] <= 0xFE and 0xA1 <= pair[1] <= 0xFE:
            try:
                return jis_to_cp932(bytes(byte & 0x7F for byte in pair)).decode("cp932"), error.start + 2
            except UnicodeDecodeError:
                pass
        return "�", error.start + 1
    raise error


def _one_byte(error: UnicodeError) -> tuple[str, int]:
    """A byte that means nothing, alone: what follows is read again from the next byte."""
    if isinstance(error, UnicodeDecodeError):
        return "�", error.start + 1
    raise error


codecs.register_error("hozen.euc", _euc_pair)
codecs.register_error("hozen.byte", _one_byte)


def _from_widths(content: str, widths: NDArray[np.int64]) -> Decoded:
    starts = np.zeros(len(content), dtype=np.int64)
    if len(content) > 1:
        np.cumsum(widths[:-1], out=starts[1:])
    return Decoded(content, starts)


def _codes(content: str) -> NDArray[np.uint32]:
    return np.frombuffer(content.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def _in_segments(data: bytes, encoding: str, strict: Callable[[bytes], Decoded]) -> Decoded:
    """Decode what is valid with `strict`, and each byte that is not as U+FFFD."""
    contents: list[str] = []
    starts: list[NDArray[np.int64]] = []
    position = 0
    while position < len(data):
        rest = data[position : position + 65536]
        try:
            rest.decode(encoding)
            end, bad = len(rest), 0
        except UnicodeDecodeError as error:
            end, bad = error.start, 1
            if error.end == len(rest) < len(data) - position and error.start and len(rest) - error.start < 4:
                # Cut by our own slicing: the character continues in the next one.
                bad = 0
        if end:
            decoded = strict(rest[:end])
            contents.append(decoded.content)
            starts.append(decoded.starts + position)
        if bad:
            contents.append("�")
            starts.append(np.array([position + end], dtype=np.int64))
        position += end + bad
    return Decoded("".join(contents), np.concatenate(starts) if starts else np.empty(0, dtype=np.int64))


def _ascii(data: bytes) -> Decoded:
    return Decoded(data.decode("latin-1"), np.arange(len(data), dtype=np.int64))


def _utf_8(data: bytes) -> Decoded:
    def strict(part: bytes) -> Decoded:
        return Decoded(part.decode("utf-8"), np.flatnonzero(np.frombuffer(part, dtype=np.uint8) & 0xC0 != 0x80))

    try:
        return strict(data)
    except UnicodeDecodeError:
        return _in_segments(data, "utf-8", strict)


def _cp932(data: bytes) -> Decoded:
    def strict(part: bytes) -> Decoded:
        content = part.decode("cp932")
        codes = _codes(content)
        single = (codes < 0xA1) | ((codes >= 0xFF61) & (codes <= 0xFF9F)) | ((codes >= 0xF8F0) & (codes <= 0xF8F3))
        return _from_widths(content, np.where(single, 1, 2))

    try:
        return strict(data)
    except UnicodeDecodeError:
        return _in_segments(data, "cp932", strict)


def _euc_jp(data: bytes) -> Decoded:
    content = data.decode("euc_jp", "hozen.euc")
    codes = np.frombuffer(data, dtype=np.uint8)
    if "�" not in content and not (codes == 0x8F).any():
        return _from_widths(content, np.where(_codes(content) < 0x80, 1, 2))
    # Rare: JIS X 0212 or damage. Walk the bytes as the codec did.
    starts: list[int] = []
    position = 0
    for character in content:
        starts.append(position)
        lead = data[position]
        if lead < 0x80 or character == "�":
            position += 1
        else:
            position += 3 if lead == 0x8F else 2
    return Decoded(content, np.asarray(starts, dtype=np.int64))


_Step = tuple[str, int]
"""Characters and the bytes that each of them takes."""


def _jis_pairs(part: bytes) -> list[_Step]:
    """JIS X 0208 in seven bits; control characters in between stand for themselves."""
    steps: list[_Step] = []
    for match in _JIS_RUN.finditer(part):
        run = match[0]
        if len(run) == 1:
            steps.append((run.decode("ascii", "hozen.byte"), 1))
            continue
        content = run.translate(_HIGH).decode("euc_jp", "hozen.euc")
        if len(content) * 2 == len(run):
            steps.append((content, 2))
            continue
        # A code that means nothing: pair by pair.
        for at in range(0, len(run), 2):
            pair = run[at : at + 2].translate(_HIGH).decode("euc_jp", "hozen.euc")
            steps.append((pair if len(pair) == 1 else "�", 2))
    return steps


def _supplementary(part: bytes) -> list[_Step]:
    """JIS X 0212, by way of EUC-JP, pair by pair (rare)."""
    return [
        ((b"\x8f" + part[at : at + 2].translate(_HIGH)).decode("euc_jp", "replace")[:1] or "�", len(part[at : at + 2]))
        for at in range(0, len(part), 2)
    ]


def _jis_steps(part: bytes, charset: bytes, *, shifted: bool) -> list[_Step]:
    if shifted or charset == b"\x1b(I":
        return [(part.translate(_KANA).decode("cp932", "hozen.byte"), 1)]
    if charset in (b"\x1b$B", b"\x1b$@", b"\x1b$(@", b"\x1b$(B", b"\x1b&@\x1b$B"):
        return _jis_pairs(part)
    if charset == b"\x1b$(D":
        return _supplementary(part)
    return [(part.decode("ascii", "hozen.byte"), 1)]


def _iso2022_jp(data: bytes) -> Decoded:
    contents: list[str] = []
    places: list[int] = []
    widths: list[int] = []
    charset = b"\x1b(B"
    shifted = False
    position = 0
    # A newline ends every state: one lost escape costs one line.
    for match in _JIS_SHIFT.finditer(data + b"\x0f"):
        end = match.start()
        while position < end:
            stop = end
            if shifted or charset != b"\x1b(B":
                newline = data.find(b"\n", position, end)
                stop = end if newline < 0 else newline + 1
            at = position
            for content, width in _jis_steps(data[position:stop], charset, shifted=shifted):
                contents.append(content)
                places.append(at)
                widths.append(width)
                at += len(content) * width
            if stop < end or data[stop - 1] == 0x0A:
                charset, shifted = b"\x1b(B", False
            position = stop
        if match[0] == b"\x0e":
            shifted = True
        elif match[0] == b"\x0f":
            shifted = False
        else:
            charset, shifted = match[0], False
        position = match.end()
    lengths = np.fromiter(map(len, contents), dtype=np.int64, count=len(contents))
    within = np.arange(int(lengths.sum()), dtype=np.int64) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    starts = np.repeat(np.asarray(places, dtype=np.int64), lengths) + within * np.repeat(
        np.asarray(widths, dtype=np.int64), lengths
    )
    return Decoded("".join(contents), starts)


def _utf_16(data: bytes, encoding: Literal["utf-16-le", "utf-16-be"]) -> Decoded:
    # surrogatepass keeps a lone surrogate as one character of two bytes; judged as no digit, it does no harm.
    even = data[: len(data) & ~1]
    try:
        content = even.decode(encoding)
    except UnicodeDecodeError:
        units = np.frombuffer(even, dtype="<u2" if encoding == "utf-16-le" else ">u2").astype(np.uint32)
        units[(units >= 0xD800) & (units < 0xE000)] = 0xFFFD
        content = units.astype("<u4").tobytes().decode("utf-32-le")
    if len(content) * 2 == len(even):
        return Decoded(content, np.arange(len(content), dtype=np.int64) * 2)
    return _from_widths(content, np.where(_codes(content) > 0xFFFF, 4, 2))


def _utf_32(data: bytes, encoding: Literal["utf-32-le", "utf-32-be"]) -> Decoded:
    codes = np.frombuffer(data[: len(data) & ~3], dtype="<u4" if encoding == "utf-32-le" else ">u4").astype("<u4")
    codes[(codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))] = 0xFFFD
    return Decoded(codes.tobytes().decode("utf-32-le"), np.arange(len(codes), dtype=np.int64) * 4)


def decode(data: bytes, encoding: Encoding) -> Decoded:
    """Read `data` in `encoding`; bytes that mean nothing in it become U+FFFD."""
    match encoding:
        case "ascii":
            return _ascii(data)
        case "utf-8":
            return _utf_8(data)
        case "cp932":
            return _cp932(data)
        case "euc_jp":
            return _euc_jp(data)
        case "iso2022_jp":
            return _iso2022_jp(data)
        case "utf-16-le" | "utf-16-be":
            return _utf_16(data, encoding)
        case "utf-32-le" | "utf-32-be":
            return _utf_32(data, encoding)


def content_of(data: bytes, encoding: Encoding) -> str:
    """What `data` says, as `decode` reads it, without the places of the characters (faster)."""
    match encoding:
        case "ascii":
            return data.decode("latin-1")
        case "utf-8" | "cp932":
            return data.decode(encoding, "hozen.byte")
        case "euc_jp":
            return data.decode("euc_jp", "hozen.euc")
        case "iso2022_jp" | "utf-16-le" | "utf-16-be" | "utf-32-le" | "utf-32-be":
            return decode(data, encoding).content


def offsets_of(decoded: Decoded, size: int, base: int) -> Offsets:
    """The places of the characters of a block of `size` bytes that lies at byte `base`, as linear pieces."""
    starts = decoded.starts
    if not starts.size:
        return Offsets((0,), (base,), (1,))
    widths = np.diff(starts, append=size)
    changes = np.flatnonzero(widths[1:] != widths[:-1]) + 1
    chars = np.concatenate((np.zeros(1, dtype=np.int64), changes))
    return Offsets(
        tuple(chars.tolist()),
        tuple((starts[chars] + base).tolist()),
        tuple(widths[chars].tolist()),
    )


def is_valid(data: bytes, encoding: Literal["utf-8"]) -> bool:
    """Whether every byte of `data` means something in `encoding` (a character cut at the end is forgiven)."""
    try:
        codecs.getincrementaldecoder(encoding)("strict").decode(data, False)
    except UnicodeDecodeError:
        return False
    return True


def cut_of(data: bytes, encoding: Encoding) -> int:
    """How many bytes at the end of `data` begin a character that is not complete."""
    tail = data[-1:]
    match encoding:
        case "utf-8":
            for back in range(1, min(4, len(data) + 1)):
                byte = data[-back]
                if byte >= 0xC0:
                    need = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
                    return back if back < need else 0
                if byte < 0x80:
                    return 0
            return 0
        case "utf-16-le" | "utf-16-be":
            cut = len(data) & 1
            unit = data[len(data) - cut - 2 : len(data) - cut]
            high = unit[1:] if encoding == "utf-16-le" else unit[:1]
            return cut + 2 if len(unit) == 2 and 0xD8 <= high[0] < 0xDC else cut
        case "utf-32-le" | "utf-32-be":
            return len(data) & 3
        case "cp932" | "euc_jp":
            # Walk from the last byte that certainly starts a character.
            position = len(data)
            while position and data[position - 1] >= 0x80 and len(data) - position < 4096:
                position -= 1
            while position < len(data):
                byte = data[position]
                if encoding == "cp932":
                    width = 2 if 0x81 <= byte <= 0x9F or 0xE0 <= byte <= 0xFC else 1
                else:
                    width = 3 if byte == 0x8F else 2 if byte == 0x8E or byte >= 0xA1 else 1
                if position + width > len(data):
                    return len(data) - position
                position += width
            return 0
        case "ascii" | "iso2022_jp":
            return 1 if encoding == "iso2022_jp" and tail == b"\x1b" else 0


# What the reading of a pair of bytes is worth: ordinary Japanese against what is valid but hardly ever written.
_KANA_AND_MARKS = re.compile("[ぁ-んァ-ヶー、。・「」０-９Ａ-Ｚａ-ｚ（）　－々]")
_HALF_KANA = re.compile("[｡-ﾟ]")
_IMPOSSIBLE_KANA = re.compile("(?<![ｳｶ-ﾄﾊ-ﾎ])ﾞ|(?<![ﾊ-ﾎ])ﾟ|(?<![｡-ﾟ])[ﾞﾟｰ]")
_FOREIGN = re.compile("[Ͱ-ӿ─-╿\ue000-\uf8ff�]")


def _level_one(content: str) -> int:
    """How many kanji of the first level (the everyday ones) `content` has: CP932 0x889F-0x9872."""
    encoded = content.encode("cp932", "ignore")
    codes = np.frombuffer(encoded, dtype=np.uint8)
    # Counted on the lead bytes; a trail byte in the same range is as frequent in both readings.
    return int(((codes >= 0x88) & (codes <= 0x97)).sum())


_ASCII = bytes(range(0x80))
_HIGH_BYTE = re.compile(rb"[\x80-\xff]")
_NOT_EUC = bytes([*range(0x80, 0x8E), *range(0x90, 0xA1), 0xFF])
_SCORED_BYTES = 8192


def _japanese_score(data: bytes, encoding: Literal["cp932", "euc_jp"]) -> float:
    """How much like ordinary Japanese `data` reads, per byte above 0x7F; -inf where much of it means nothing."""
    high = len(data.translate(None, _ASCII)) or 1
    if encoding == "euc_jp" and (len(data) - len(data.translate(None, _NOT_EUC))) * 50 > high:
        return float("-inf")
    content = content_of(data[: len(data) - cut_of(data, encoding)], encoding)
    lost = content.count("�")
    if lost * 50 > high:
        return float("-inf")
    half = len(_HALF_KANA.findall(content))
    score = 2.0 * len(_KANA_AND_MARKS.findall(content)) + _level_one(content) + 0.3 * half
    score -= 3.0 * len(_IMPOSSIBLE_KANA.findall(content)) + 2.0 * len(_FOREIGN.findall(content)) + 5.0 * lost
    return score / high


_MARK_ROWS = (0x03, 0x04, 0x20, 0x21, 0x22, 0x24, 0x25, 0x26, 0x32, 0x33)
"""High bytes of Greek, Cyrillic, general marks, enclosed numbers and units."""
_TEXT_ROWS = bytes([0x30, *range(0x4E, 0xA0), *_MARK_ROWS])
"""High bytes whose characters are text, whatever the low byte."""
_LATIN_LOW = np.zeros(256, dtype=np.bool_)
_LATIN_LOW[[*range(0x20, 0x7F), 9, 10, 13]] = True


def utf_16_of(data: bytes) -> Encoding | None:
    """UTF-16 without a byte-order mark, recognised by the high bytes of its characters; None if it is not."""
    size = len(data) & ~1
    if size < 8:
        return None
    count = size // 2
    candidates: tuple[tuple[Encoding, int], ...] = (("utf-16-le", 1), ("utf-16-be", 0))
    best: tuple[float, Encoding] | None = None
    for encoding, high_index in candidates:
        high = data[high_index:size:2]
        zeros, wide = high.count(0), high.count(0xFF)
        # ASCII letters in pairs look like kanji too: real text of this kind has zeros or kana in its high bytes.
        if (zeros + high.count(0x30) + wide) / count <= 0.1:
            continue
        rows = count - len(high.translate(None, _TEXT_ROWS))
        if (rows + zeros + wide) / count <= 0.92:
            continue
        highs = np.frombuffer(high, dtype=np.uint8)
        lows = np.frombuffer(data[1 - high_index : size : 2], dtype=np.uint8)
        latin = int(np.count_nonzero((highs == 0) & _LATIN_LOW[lows]))
        share = (rows + latin + int(np.count_nonzero((highs == 0xFF) & (lows < 0xF0)))) / count
        if share > 0.92 and (best is None or share > best[0]):
            best = (share, encoding)
    return best[1] if best else None


def looks_like_text(data: bytes) -> bool:
    """Whether a head of bytes is text in any of the encodings: few control characters, valid somewhere."""
    return encoding_of(data) is not None


def encoding_of(data: bytes) -> Encoding | None:
    """The encoding of a block of text, without its byte-order mark being needed; None for what is no text."""
    for mark, marked in BOMS:
        if data.startswith(mark):
            return marked
    if not data:
        return "ascii"
    sample = data[:65536]
    if b"\x00" in sample:
        wide = utf_16_of(sample)
        if wide or sample.count(b"\x00") * 50 > len(sample):
            return wide
    controls = len(sample.translate(None, _NO_CONTROLS))
    if controls * 100 > len(sample):
        # Full-width text in UTF-16 has no zero bytes, but the low bytes of its digits are control characters.
        return utf_16_of(sample)
    if sample.isascii():
        if _JIS_ESCAPE.search(data):
            return "iso2022_jp"
        return "ascii" if data.isascii() else encoding_of_bytes(data)
    return encoding_of_bytes(data)


def encoding_of_bytes(data: bytes) -> Encoding | None:
    """Which of UTF-8, CP932 and EUC-JP `data`, which is not ASCII, is in; None where nothing fits well enough."""
    if is_valid(data, "utf-8"):
        return "utf-8"
    # The first bytes above ASCII tell; a long head without any tells nothing.
    first = _HIGH_BYTE.search(data)
    sample = data[max(0, first.start() - 16) if first else 0 :][:_SCORED_BYTES]
    scores: dict[Literal["cp932", "euc_jp"], float] = {
        "cp932": _japanese_score(sample, "cp932"),
        "euc_jp": _japanese_score(sample, "euc_jp"),
    }
    best = max(scores, key=lambda encoding: scores[encoding])
    if scores[best] > float("-inf"):
        return best
    wide = utf_16_of(sample)
    if wide:
        return wide
    # Damaged or mixed: the encoding in which the fewest bytes mean nothing.
    losses = {encoding: content_of(sample, encoding).count("�") for encoding in ("utf-8", "cp932", "euc_jp")}
    best_loss = min(losses, key=lambda encoding: losses[encoding])
    high = len(sample.translate(None, _ASCII))
    if losses[best_loss] * 3 <= high:
        return best_loss  # type: ignore[return-value]
    return None
