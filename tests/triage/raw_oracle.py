"""A slow, exact reading of the raw pass's grammar, byte by byte, to compare the fast one with.

It shares no code and no tables with `triage.raw_pass`: digits and separators are written here as the characters that
they are, and encoded. Only what no codec gives (bytes inside other encodings, escape sequences) stands as bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

NAMES = (
    "ascii",
    "utf-16-le",
    "utf-16-be",
    "utf-8 full-width",
    "cp932 full-width",
    "euc-jp full-width",
    "iso-2022-jp full-width",
    "utf-16-le full-width",
    "utf-16-be full-width",
)
FULL_WIDTH = "０１２３４５６７８９"
PLAIN = " -./"
DASHES = "－−　ー─" + "".join(map(chr, range(0x2010, 0x2016)))
JAPANESE = "−　ー‐―"  # the five that JIS X 0208 has, by the names of EUC-JP


def encoded(characters: str, codec: str) -> list[bytes]:
    return [character.encode(codec) for character in characters]


def jis(characters: str) -> list[bytes]:
    return [bytes(byte & 0x7F for byte in character.encode("euc-jp")) for character in characters]


ALONE = encoded(PLAIN, "ascii")
UTF8 = encoded(DASHES, "utf-8")
CP932 = encoded("－　ー‐―", "cp932")
EUC = encoded(JAPANESE, "euc-jp")
JIS = jis(JAPANESE)
UTF16 = encoded(PLAIN + "\u00a0" + DASHES, "utf-16-le")
UTF16_BE = encoded(PLAIN + "\u00a0" + DASHES, "utf-16-be")
NO_BREAK = encoded("\u00a0", "utf-8")
KANJI_IN, KANJI_OUT = (b"\x1b$B", b"\x1b$@"), (b"\x1b(B", b"\x1b(J")


@dataclass(frozen=True)
class Form:
    digits: list[bytes]
    short: list[bytes]
    long: list[bytes]


FORMS = {
    "ascii": Form(
        encoded("0123456789", "ascii"),
        ALONE + UTF8 + CP932 + EUC + NO_BREAK,
        [b"&nbsp;", *(into + one + out for into in KANJI_IN for one in JIS for out in KANJI_OUT)],
    ),
    "utf-16-le": Form(encoded("0123456789", "utf-16-le"), UTF16, []),
    "utf-16-be": Form(encoded("0123456789", "utf-16-be"), UTF16_BE, []),
    "utf-8 full-width": Form(encoded(FULL_WIDTH, "utf-8"), ALONE + UTF8 + NO_BREAK, [b"&nbsp;"]),
    "cp932 full-width": Form(encoded(FULL_WIDTH, "cp932"), ALONE + CP932, []),
    "euc-jp full-width": Form(encoded(FULL_WIDTH, "euc-jp"), ALONE + EUC, []),
    "iso-2022-jp full-width": Form(
        jis(FULL_WIDTH),
        JIS + ALONE,
        [out + one + into for out in KANJI_OUT for one in ALONE for into in (*KANJI_IN, b"")]
        + [one + into for one in ALONE for into in KANJI_IN],
    ),
    "utf-16-le full-width": Form(encoded(FULL_WIDTH, "utf-16-le"), UTF16, []),
    "utf-16-be full-width": Form(encoded(FULL_WIDTH, "utf-16-be"), UTF16_BE, []),
}


class Reading:
    """One buffer read in one encoding."""

    def __init__(self, data: bytes, form: Form) -> None:
        self.data = data
        self.form = form
        self.width = len(form.digits[0])
        self.value = {digit: value for value, digit in enumerate(form.digits)}
        self.places = {at for at in range(len(data) - self.width + 1) if data[at : at + self.width] in self.value}

    def digit(self, at: int) -> str:
        return str(self.value[self.data[at : at + self.width]])

    def group(self, at: int) -> tuple[str, int] | None:
        """Four digits from `at`, and where they end."""
        places = [at + number * self.width for number in range(4)]
        if all(place in self.places for place in places):
            return "".join(map(self.digit, places)), at + 4 * self.width
        return None

    def grouped(self, at: int) -> str | None:
        if at - self.width in self.places:
            return None
        ways = [("", at)]
        for number in range(3):
            between = [b""] if number == 0 else [b"", *self.form.short, *self.form.long]
            ways = [
                (digits + more[0], more[1])
                for digits, place in ways
                for separator in between
                if self.data.startswith(separator, place) and (more := self.group(place + len(separator)))
            ]
        whole = [digits for digits, end in ways if end not in self.places]
        return whole[0] if whole else None

    def chained(self, at: int) -> str | None:
        before = [at - self.width]
        before += [
            at - len(separator) - self.width
            for separator in self.form.short
            if self.data.startswith(separator, at - len(separator)) and at >= len(separator)
        ]
        if any(place in self.places for place in before):
            return None
        digits, place = self.digit(at), at + self.width
        while len(digits) <= 12:
            following = [place + len(s) for s in (b"", *self.form.short) if self.data.startswith(s, place)]
            following = [next_place for next_place in following if next_place in self.places]
            if not following:
                break
            digits += self.digit(following[0])
            place = following[0] + self.width
        return digits if len(digits) == 12 else None


def candidates(data: bytes) -> set[tuple[str, int, str]]:
    """(encoding, offset, digits) of everything the grammar holds."""
    found = set()
    for name, form in FORMS.items():
        reading = Reading(data, form)
        for at in reading.places:
            found.update((name, at, digits) for digits in (reading.grouped(at), reading.chained(at)) if digits)
    return found
