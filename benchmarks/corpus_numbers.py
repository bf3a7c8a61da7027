"""Synthetic My Numbers, invented persons and the numbers that are mistaken for My Numbers, all from a seed.

No number here was ever assigned to anybody on purpose: each is drawn by a pseudo-random generator and given its check
digit by the published formula (総務省令第85号(平26)第5条). The formulas stand here a second time, apart from
`triage.mynumber`, so that the generator does not share an error with what it measures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

FULLWIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
KANJI = str.maketrans("0123456789", "〇一二三四五六七八九")

_SURNAMES = (
    "相沢 青葉 秋津 浅利 綾瀬 石動 稲荷田 岩室 上総 烏丸 海老名 大鳥 小田切 柏原 霞 桐生 久我 黒姫 小諸 西園 榊 桜庭 "
    "佐久間 塩見 白鳥 杉並 瀬名 高遠 滝川 武蔵 田無 千曲 津和野 天童 徳永 鳥羽 中禅寺 名取 南部 日光 根岸 能登 "
    "萩尾 蓮沼 早瀬 日野 平泉 深川 古河 穂高 松代 三浦 水無瀬 村雨 最上 八雲 結城 吉野 若狭 渡良瀬"
)
_GIVEN_NAMES = (
    "葵 明里 歩 郁 伊織 樹 泉 一花 詩織 英介 瑛太 恵美 乙葉 薫 和真 一樹 香澄 要 希 京香 圭 健人 航平 心 小春 沙織 "
    "咲 翔太 慎吾 涼 澄 聡子 大地 拓海 千尋 司 翼 透 直 夏希 凪 信 遥 春樹 光 瞳 文 真 舞 岬 美月 結衣 優 悠人 "
    "陽子 竜 玲 怜央 渉"
)
SURNAMES = _SURNAMES.split()
GIVEN_NAMES = _GIVEN_NAMES.split()


def check_digit(body: str) -> int:
    """Check digit of the 11 digits `body`: left-to-right weights 6 5 4 3 2 7 6 5 4 3 2, modulo 11, 0 where r <= 1."""
    remainder = sum(int(digit) * weight for digit, weight in zip(body, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2), strict=True))
    remainder %= 11
    return 0 if remainder <= 1 else 11 - remainder


def is_valid(digits: str) -> bool:
    """Whether `digits` are twelve digits of which the last is the right check digit."""
    return len(digits) == 12 and digits.isascii() and digits.isdigit() and check_digit(digits[:11]) == int(digits[11])


def mask(digits: str) -> str:
    """The last four digits, the rest as asterisks."""
    return "*" * (len(digits) - 4) + digits[-4:]


class Numbers:
    """Draws numbers, each at most once; `rng` decides all of them."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._drawn: set[str] = set()

    def _new(self, make: Callable[[], str]) -> str:
        while True:
            digits = make()
            if digits not in self._drawn and len(set(digits)) > 4:
                self._drawn.add(digits)
                return digits

    def my_number(self, first: str = "") -> str:
        """A My Number that starts with `first`."""

        def make() -> str:
            body = first + "".join(self._rng.choices("0123456789", k=11 - len(first)))
            return f"{body}{check_digit(body)}"

        return self._new(make)

    def digits(self, count: int, *, passing: bool | None = None, first: str = "") -> str:
        """`count` random digits; of twelve, `passing` chooses whether they pass the check of a My Number."""

        def make() -> str:
            while True:
                digits = first + "".join(self._rng.choices("0123456789", k=count - len(first)))
                if passing is None or is_valid(digits) is passing:
                    return digits

        return self._new(make)

    def licence(self, *, passing: bool | None = None) -> str:
        """A driving-licence number: prefecture 2, year 2, serial 6, check digit, number of reissues."""

        def make() -> str:
            while True:
                body = self._rng.choice(("30", "31", "43", "45", "50", "54", "62", "70", "90"))
                body += f"{self._rng.randrange(100):02d}{self._rng.randrange(1_000_000):06d}"
                weights = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
                remainder = sum(int(d) * w for d, w in zip(body, weights, strict=True)) % 11
                digits = f"{body}{0 if remainder <= 1 else 11 - remainder}{self._rng.choice('0000012')}"
                if passing is None or is_valid(digits) is passing:
                    return digits

        return self._new(make)

    def corporate(self) -> str:
        """A 法人番号: 13 digits, check digit first, 9 - (sum of w*d mod 9), w = 1, 2 alternating from the right."""

        def make() -> str:
            body = "".join(self._rng.choices("0123456789", k=12))
            total = sum(int(d) * (1 + position % 2) for position, d in enumerate(reversed(body)))
            return f"{9 - total % 9}{body}"

        return self._new(make)

    def jan(self) -> str:
        """A JAN-13 article code of a Japanese prefix."""

        def make() -> str:
            body = self._rng.choice(("45", "49")) + "".join(self._rng.choices("0123456789", k=10))
            total = sum(int(d) * (3 if position % 2 else 1) for position, d in enumerate(body))
            return f"{body}{-total % 10}"

        return self._new(make)

    def upc(self, *, passing: bool | None = None) -> str:
        """A UPC-A article code: 12 digits."""

        def make() -> str:
            while True:
                body = "".join(self._rng.choices("0123456789", k=11))
                total = sum(int(d) * (1 if position % 2 else 3) for position, d in enumerate(body))
                digits = f"{body}{-total % 10}"
                if passing is None or is_valid(digits) is passing:
                    return digits

        return self._new(make)

    def card(self) -> str:
        """A 16-digit payment card number with Luhn digit, of a range reserved for tests (4111 11…)."""

        def make() -> str:
            body = "411111" + "".join(self._rng.choices("0123456789", k=9))
            total = 0
            for position, d in enumerate(reversed(body)):
                value = int(d) * (1 if position % 2 else 2)
                total += value - 9 if value > 9 else value
            return f"{body}{-total % 10}"

        return self._new(make)

    def tracking(self, *, passing: bool | None = None) -> str:
        """A 12-digit tracking number: body of eleven digits, modulo 7."""

        def make() -> str:
            while True:
                body = self._rng.choice("1234") + "".join(self._rng.choices("0123456789", k=10))
                digits = f"{body}{int(body) % 7}"
                if passing is None or is_valid(digits) is passing:
                    return digits

        return self._new(make)

    def timestamp(self, *, passing: bool | None = None) -> str:
        """A time as yyyymmddHHMM."""

        def make() -> str:
            while True:
                rng = self._rng
                digits = (
                    f"{rng.randrange(2005, 2027)}{rng.randrange(1, 13):02d}{rng.randrange(1, 29):02d}"
                    f"{rng.randrange(24):02d}{rng.randrange(60):02d}"
                )
                if passing is None or is_valid(digits) is passing:
                    return digits

        return self._new(make)

    def phone(self) -> str:
        """An invented phone number with hyphens, as it is written in Japan."""
        rng = self._rng
        if rng.random() < 0.5:
            return f"0{rng.choice('789')}0-{rng.randrange(10000):04d}-{rng.randrange(10000):04d}"
        return f"03-{rng.randrange(3000, 7000)}-{rng.randrange(10000):04d}"

    def uuid(self) -> str:
        """A random UUID whose last group consists of digits only, as happens once in 281 of them."""
        rng = self._rng
        last = self.digits(12, passing=rng.random() < 0.5)
        return (
            f"{rng.getrandbits(32):08x}-{rng.getrandbits(16):04x}-4{rng.getrandbits(12):03x}-"
            f"{8 + rng.getrandbits(2):x}{rng.getrandbits(12):03x}-{last}"
        )


@dataclass(frozen=True, slots=True)
class Person:
    """An invented person."""

    name: str
    birth: str
    """ISO date."""
    address: str
    staff_number: str


def person(rng: random.Random) -> Person:
    """An invented person, employed by an invented company."""
    return Person(
        name=f"{rng.choice(SURNAMES)} {rng.choice(GIVEN_NAMES)}",
        birth=f"{rng.randrange(1955, 2005)}-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}",
        address=f"瑞穂県春野市{rng.choice('東西南北')}町{rng.randrange(1, 9)}-{rng.randrange(1, 30)}",
        staff_number=f"{rng.randrange(100000):05d}",
    )


def grouped(digits: str, separator: str) -> str:
    """Twelve digits in three groups of four."""
    return separator.join((digits[:4], digits[4:8], digits[8:]))
