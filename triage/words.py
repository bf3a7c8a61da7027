r"""Words and expressions to search for: what they match in decoded text, and what bytes they are in raw media.

Text is compared after NFKC and case folding, so 「ＡＢＣ」, "abc" and half-width kana meet; between two characters of
Japanese a blank or a line break may stand, as in justified text. For raw bytes each character becomes the alternatives
of its forms (case, width) in one encoding, and YARA's automaton searches all words in all encodings at once.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from chain_of_custody.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be", "cp932", "euc_jp", "iso2022_jp")
MAX_WORDS = 2_000
LEAST_CHARACTERS = 2
MOST_CHARACTERS = 200
_JIS_ON, _JIS_OFF = b"\x1b$", b"\x1b("


@dataclass(frozen=True, slots=True)
class Words:
    """What is searched for. `literal` are words, `expressions` regular expressions over normalised text."""

    literal: tuple[str, ...] = field(default=(), repr=False)
    expressions: tuple[str, ...] = field(default=(), repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, in the order in which hits number them."""
        return (*self.literal, *self.expressions)


class Hit(NamedTuple):
    """One match: the number of the word, and the place in the text or the bytes."""

    word: int
    start: int
    end: int


def normalised(text: str) -> str:
    """The form in which texts are compared."""
    return unicodedata.normalize("NFKC", text).casefold()


def check_words(literal: Sequence[str], expressions: Sequence[str]) -> Words:
    """Refuse what cannot be searched for; raises UsageError with the word's number."""
    if not literal and not expressions:
        raise UsageError(
            "検索する語がありません", "nothing to search for", hint_ja="--word か --regex", hint_en="--word or --regex"
        )
    if len(literal) + len(expressions) > MAX_WORDS:
        raise UsageError(f"検索語が多すぎます(上限 {MAX_WORDS:,})", f"too many words (at most {MAX_WORDS:,})")
    words = tuple(dict.fromkeys(word.strip() for word in literal if word.strip()))
    for number, word in enumerate(words, 1):
        if not LEAST_CHARACTERS <= len(normalised(word)) <= MOST_CHARACTERS:
            raise UsageError(
                f"検索語の長さは {LEAST_CHARACTERS}〜{MOST_CHARACTERS} 文字です({number} 番目)",
                f"word {number}: from {LEAST_CHARACTERS} to {MOST_CHARACTERS} characters",
            )
    for number, expression in enumerate(expressions, 1):
        try:
            if re.compile(expression).match(""):
                raise UsageError(
                    f"空の文字列に一致する正規表現です({number} 番目)", f"expression {number} matches nothing at all"
                )
        except re.error as error:
            raise UsageError(
                f"正規表現の誤り({number} 番目、{error.pos} 文字目): {error.msg}",
                f"expression {number}, character {error.pos}: {error.msg}",
            ) from None
    return Words(words, tuple(expressions))


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in ("W", "F")


def _pattern(word: str) -> str:
    parts = [""]
    before = ""
    for character in normalised(word):
        if character.isspace():
            parts.append(r"\s*")
        else:
            if before and _is_wide(before) and _is_wide(character):
                parts.append(r"\s{0,2}")
            parts.append(re.escape(character))
        before = character
    return "".join(parts)


class TextSearch:
    """All words and expressions over decoded text."""

    def __init__(self, words: Words) -> None:
        patterns = [*(_pattern(word) for word in words.literal), *words.expressions]
        self._patterns = [re.compile(pattern) for pattern in patterns]
        # One look for the first characters of all words is cheaper than a pass for each.
        self._literals = len(words.literal)
        self._starts = re.compile(
            "|".join(sorted({re.escape(normalised(word)[0]) for word in words.literal})) or r"(?!)"
        )

    def hits(self, content: str) -> Iterator[Hit]:
        """Matches in `content`, which is `normalised`."""
        first = 0 if self._starts.search(content) else self._literals
        for number in range(first, len(self._patterns)):
            for match in self._patterns[number].finditer(content):
                yield Hit(number, match.start(), match.end())


# --- raw bytes --------------------------------------------------------------------------------------------------------


@cache
def _half_width() -> dict[str, tuple[str, ...]]:
    """Half-width writings of katakana and punctuation, by their normal form."""
    forms: dict[str, list[str]] = {}
    half = [chr(code) for code in range(0xFF61, 0xFFA0)]
    for one in (*half, *(base + mark for base in half for mark in "\uff9e\uff9f")):
        normal = unicodedata.normalize("NFKC", one)
        if len(normal) == 1 and normal != one:
            forms.setdefault(normal, []).append(one)
    return {normal: tuple(found) for normal, found in forms.items()}


def _forms(character: str) -> set[str]:
    """How a character of a normalised word may be written."""
    forms = {character, character.upper(), character.lower()}
    for one in tuple(forms):
        if len(one) == 1 and 0x21 <= ord(one) <= 0x7E:
            forms.add(chr(ord(one) + 0xFEE0))
    forms |= set(_half_width().get(character, ()))
    if character == " ":
        forms.add("\u3000")
    return {form for form in forms if form}


def _bytes_of(form: str, encoding: str) -> bytes:
    encoded = form.encode(encoding)
    if encoding == "iso2022_jp":
        # Only what stands between the escapes; words in ASCII are found as UTF-8.
        if not encoded.startswith(b"\x1b$B") or not encoded.endswith(b"\x1b(B"):
            return b""
        return encoded[3:-3]
    return encoded


def _hex_string(word: str, encoding: str) -> str | None:
    """The word as a YARA hex string; None where the encoding cannot write it."""
    parts = []
    for character in normalised(word):
        codes = set()
        for form in _forms(character):
            try:
                code = _bytes_of(form, encoding)
            except UnicodeEncodeError:
                continue
            if code:
                codes.add(code.hex(" ").upper())
        if not codes:
            return None
        parts.append(codes.pop() if len(codes) == 1 else "( " + " | ".join(sorted(codes)) + " )")
    return "{ " + " ".join(parts) + " }"


class RawSearch:
    """All words, in all encodings, over bytes."""

    def __init__(self, words: Words) -> None:
        import yara  # noqa: PLC0415 - only where words are searched

        rules = []
        self._encodings: dict[str, tuple[int, str]] = {}
        for number, word in enumerate(words.literal):
            seen: set[str] = set()
            strings = []
            for encoding in ENCODINGS:
                value = _hex_string(word, encoding)
                if value is None or value in seen:
                    continue
                seen.add(value)
                name = f"w{number}_{ENCODINGS.index(encoding)}"
                self._encodings[f"${name}"] = (number, encoding)
                strings.append(f"${name} = {value}")
            if strings:
                listed = "\n".join(strings)
                rules.append(f"rule word{number} {{ strings:\n{listed}\ncondition: any of them }}")
        self._rules: Any = yara.compile(source="\n".join(rules)) if rules else None

    def hits(self, data: bytes | memoryview, *, seconds: int = 60) -> list[tuple[Hit, str]]:
        """Matches in `data` with their encoding, by place; raises TimeoutError."""
        if self._rules is None:
            return []
        import yara  # noqa: PLC0415 - loaded by now

        found: dict[tuple[int, int], tuple[Hit, str]] = {}
        try:
            matches = self._rules.match(data=data, timeout=seconds, warnings_callback=lambda *_: yara.CALLBACK_CONTINUE)
        except yara.TimeoutError:
            raise TimeoutError from None
        view = memoryview(data)
        for match in matches:
            for string in match.strings:
                number, encoding = self._encodings[string.identifier]
                for instance in string.instances:
                    start, size = instance.offset, instance.matched_length
                    if encoding == "iso2022_jp" and not _inside_jis(view, start):
                        continue
                    found.setdefault((number, start), (Hit(number, start, start + size), encoding))
        return [found[key] for key in sorted(found, key=lambda key: (key[1], key[0]))]


def _inside_jis(data: memoryview, at: int) -> bool:
    """Whether two-byte mode was switched on before `at`, and not off again."""
    before = bytes(data[max(0, at - 1024) : at])
    return before.rfind(_JIS_ON) > before.rfind(_JIS_OFF)
