"""Words that say what a number is: for a My Number, against it, or that it is only a sample.

The words are written once, in their plain form; the patterns made from them also match full-width and half-width
forms, hiragana for katakana, spaces and line breaks inside a word (個 人 番 号), and the radicals that PDF text
often holds in place of a character (⼈ for 人).

```python
[hit.kind for hit in find_labels("個 人 番 号：")]    # ['number']
label_of_header("会員番号")                           # Label(kind='other', word='会員番号')
```
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Kind = Literal["number", "form", "other", "sample"]
"""number: names the My Number itself; form: a document or topic in which My Numbers stand; other: names another
number; sample: says that values are made up."""

NUMBER_WORDS = (
    "個人番号", "マイナンバー", "マイナンバ", "マイ ナンバー", "my number", "mynumber", "my no", "myno",
    "my num", "個人 No", "個人ナンバー", "コジンバンゴウ", "コジンバンゴー", "kojin bango", "kojin bangou",
    "kojin bangoo", "kojin number", "kojin no", "individual number", "personal number",
    "social security and tax number", "個番", "マイナ番号", "共通番号", "税番号", "本人番号",
    "特定個人識別番号", "個人識別番号", "マイ no",
)  # fmt: skip
FORM_WORDS = (
    "特定個人情報", "通知カード", "源泉徴収票", "支払調書", "扶養控除等", "扶養控除等申告書", "給与支払報告書",
    "資格取得届", "資格喪失届", "法定調書", "第3号被保険者", "被扶養者", "配偶者控除等申告書", "申告特例申請書",
    "番号法", "番号利用法", "マイナポータル", "番号確認書類", "特定個人", "法定調書合計表", "退職所得の受給",
    "個人住民税", "被保険者関係届", "gensen choshu", "fuyo kojo",
)  # fmt: skip
OTHER_WORDS = (
    "法人番号", "法人等番号", "インボイス", "登録番号", "適格請求書", "事業者番号", "会社番号", "運転免許",
    "免許証", "免許番号", "免許", "書留", "特定記録", "レターパック", "ゆうパック", "ゆうメール", "宅急便",
    "宅配便",
    "fedex", "dhl", "ヤマト", "佐川", "クロネコ", "ライセンスキー", "プロダクトキー", "シリアルキー", "認証キー",
    "注文", "受注", "発注", "オーダー", "オーダ", "order", "伝票", "追跡", "問い合わせ", "問合せ", "問合わせ",
    "お問合せ", "送り状", "荷物", "配送", "配達", "出荷", "貨物", "tracking", "waybill", "shipment", "parcel",
    "口座", "銀行", "account", "acct", "商品", "製品", "品番", "型番", "部品", "product", "item", "sku", "jan",
    "ean", "upc", "isbn", "バーコード", "barcode", "電話", "携帯", "tel", "fax", "phone", "ファックス",
    "ファクス", "連絡先", "内線", "会員", "顧客", "お客様", "得意先", "仕入先", "取引先", "取引", "customer",
    "member", "client", "社員", "従業員番号", "職員番号", "職員コード", "従業員コード", "employee id",
    "employee no", "staff", "受付", "受理", "整理番号", "管理番号", "通し番号", "連番", "承認番号", "証書",
    "証券", "契約", "契約者", "contract", "policy", "請求", "invoice", "見積", "納品", "領収", "レシート",
    "receipt", "決済", "transaction", "トランザクション", "txn", "基礎年金", "年金番号", "雇用保険",
    "被保険者番号", "被保険者証", "保険者番号", "保険証", "記号番号", "住民票コード", "在留カード", "旅券",
    "パスポート", "passport", "カード番号", "クレジット", "credit", "card no", "card number", "シリアル",
    "serial", "製造番号", "製番", "ロット", "lot", "機器番号", "端末番号", "imei", "iccid", "timestamp",
    "タイムスタンプ", "日時", "更新日", "作成日", "datetime", "ポイント", "診察券", "患者", "カルテ", "patient",
    "予約", "reservation", "booking", "車台番号", "証明書番号", "学籍", "学生番号", "受験番号", "申請番号",
    "申込", "申請書ID", "施設番号", "店舗", "店番", "支店", "コード番号", "文書番号", "案件", "チケット",
    "ticket", "利用者識別番号", "利用者番号", "利用者ID", "ユーザーID", "user id", "session", "セッション",
    "request id", "trace", "message id", "device id", "asset", "資産番号", "備品", "金額", "合計", "残高",
    "売上", "amount", "total", "balance", "price", "郵便番号", "お届け", "hash", "checksum", "ハッシュ", "size",
    "offset", "メーター", "供給地点", "地点番号", "お客さま", "物件", "地番", "納付番号", "確認番号",
    "収納機関", "指定番号", "レコードID", "record id", "row id", "照会番号", "認証番号", "認証コード",
    "暗証番号", "ライセンス", "license", "licence", "プロダクト", "version", "build", "revision",
)  # fmt: skip
SAMPLE_WORDS = (
    "見本", "記入例", "記載例", "入力例", "サンプル", "sample", "ダミー", "dummy", "テストデータ", "testdata",
    "test data", "架空", "記入見本", "例示", "表示例", "（例）", "例)", "例）", "例:", "例：", "specimen",
)  # fmt: skip

_HALF_WIDTH: dict[str, list[str]] = {}
for _code in range(0xFF66, 0xFF9E):
    for _mark in ("", "\uff9e", "\uff9f"):
        _whole = unicodedata.normalize("NFKC", chr(_code) + _mark)
        if len(_whole) == 1:
            _HALF_WIDTH.setdefault(_whole, []).append(chr(_code) + _mark)
_RADICALS: dict[str, list[str]] = {}
for _code in (*range(0x2E80, 0x2EF4), *range(0x2F00, 0x2FD6)):
    _whole = unicodedata.normalize("NFKC", chr(_code))
    if len(_whole) == 1 and _whole != chr(_code):
        _RADICALS.setdefault(_whole, []).append(chr(_code))
_VARIANTS = {"個": "箇", "号": "號", "証": "證", "申": "", "番": "", "ー": "ｰ－-―—–−─‐", "ヶ": "ケ"}

_CJK_GAP = "[ \\t\\r\\n\u3000\u00a0\u200b]{0,3}"
_LATIN_GAP = "[ _\\-\u3000.]{0,2}"


def _character(character: str) -> str:
    """A pattern for one character in all the ways it is written."""
    if character.isascii():
        if not character.isalnum():
            return re.escape(character)
        wide = chr(ord(character) + 0xFEE0)
        members = {character, character.upper(), wide, wide.upper() if character.isalpha() else wide}
        return f"[{''.join(sorted(members))}]"
    singles = {character, *_RADICALS.get(character, []), *_VARIANTS.get(character, "")}
    if "ァ" <= character <= "ヴ":
        singles.add(chr(ord(character) - 0x60))
    pairs = []
    for half in _HALF_WIDTH.get(character, []):
        if len(half) == 1:
            singles.add(half)
        else:
            pairs.append(half)
    group = "[" + "".join(re.escape(member) for member in sorted(singles)) + "]"
    return f"(?:{group}|{'|'.join(pairs)})" if pairs else group


def _word(word: str) -> str:
    """A pattern for one word with its written variants."""
    parts = []
    for index, character in enumerate(word):
        if character == " ":
            parts.append(_LATIN_GAP)
            continue
        if index and word[index - 1] != " ":
            parts.append("" if character.isascii() and word[index - 1].isascii() else _CJK_GAP)
        parts.append(_character(character))
    pattern = "".join(parts)
    if word[0].isascii():
        # "tel" is no part of "hotel"; camel case and underscores do begin a word.
        first = word[0]
        pattern = f"(?:(?<![A-Za-z])|(?<=[a-z])(?={first.upper()}))" + pattern
    if word[-1].isascii() and word[-1].isalnum() and len(word) <= 6:
        pattern += "(?:(?![A-Za-z])|(?<=[a-z])(?=[A-Z]))"
    return pattern


@dataclass(frozen=True, slots=True)
class Hit:
    """A word found at `content[start:end]`."""

    start: int
    end: int
    kind: Kind
    word: str


class _Finder:
    """Finds many words in one pass.

    A character class picks the places where a word can begin, a small pattern for that character does the rest. One
    alternation of all words costs a hundred times as much: the `re` module tries each of them at each character.
    """

    def __init__(self, kinds: dict[Kind, tuple[str, ...]]) -> None:
        by_first: dict[str, list[tuple[str, Kind]]] = {}
        for kind, words in kinds.items():
            for word in words:
                for first in _first_characters(word):
                    by_first.setdefault(first, []).append((word, kind))
        shared: dict[tuple[tuple[str, Kind], ...], re.Pattern[str]] = {}
        self._patterns: dict[str, re.Pattern[str]] = {}
        self._kinds: dict[str, tuple[Kind, ...]] = {}
        for first, members in by_first.items():
            # The longest word wins, whatever its kind.
            ordered = tuple(sorted(members, key=lambda member: (-len(member[0]), member)))
            if ordered not in shared:
                shared[ordered] = re.compile("|".join(f"({_word(word)})" for word, _ in ordered))
            self._patterns[first] = shared[ordered]
            self._kinds[first] = tuple(kind for _, kind in ordered)
        latin = "".join(first for first in by_first if first.isascii())
        others = "".join(re.escape(first) for first in by_first if not first.isascii())
        upper = "".join(first for first in latin if first.isupper())
        # A Latin word begins after something else than a letter, or as a hump of camel case.
        self._places = re.compile(
            f"[{latin}{others}](?:(?<=[{others}])|(?<![A-Za-z].)|(?<=[a-z][{upper}]))",
            re.DOTALL,
        )

    def find(self, content: str, start: int, end: int) -> list[Hit]:
        """The words in `content[start:end]`, ascending and without overlaps."""
        hits: list[Hit] = []
        after = start
        patterns = self._patterns
        for place in self._places.finditer(content, start, end):
            position = place.start()
            if position < after:
                continue
            match = patterns[content[position]].match(content, position, end)
            if match is not None:
                index = match.lastindex
                assert index is not None
                kind = self._kinds[content[position]][index - 1]
                if kind == "sample" and not _stands_alone(content, position, match.end()):
                    continue
                # Only the word itself is kept, without the blanks inside it: it is printed in reasons.
                word = re.sub(r"\s+", "", unicodedata.normalize("NFKC", match[0]))
                hits.append(Hit(position, match.end(), kind, word))
                after = match.end()
        return hits


_JOINED_BEFORE = re.compile(r"[一-鿿々ァ-ヶーA-Za-z0-9@.\-]\Z")
_JOINED_BEHIND = re.compile(r"[一-鿿々ァ-ヶーA-Za-z]")
_SAMPLE_OF = re.compile(r"データ|番号|用|票|様式|画像|ファイル|です|値|表示|number|data", re.IGNORECASE)


def _stands_alone(content: str, start: int, end: int) -> bool:
    """Whether a word for a sample says so of what stands there: 見本市, サンプル商事 and @shop.example do not."""
    if _JOINED_BEHIND.match(content, end) and not _SAMPLE_OF.match(content, end):
        return False
    before = content[start - 1 : start]
    return not _JOINED_BEFORE.match(before) or before in "票書届号例面紙記載入力"


def _first_characters(word: str) -> set[str]:
    """All characters with which `word` can begin."""
    return set(re.sub(r"\\(.)|[()\[\]?:|]", r"\1", _character(word[0]))) - {"\uff9e", "\uff9f"}


# 「個人番号又は法人番号」 and the like: one field for both, as on 支払調書.
_EITHER = re.compile(
    rf"(?:{_word('個人番号')}[\s（(]*(?:又は|または|若しくは|もしくは|及び|・|/|／|or)[\s]*{_word('法人番号')}[)）]?"
    rf"|{_word('法人番号')}[\s（(]*(?:又は|または|若しくは|もしくは|及び|・|/|／|or)?[\s]*[（(]?{_word('個人番号')}[)）]?)",
)
# 「個人番号［基礎年金番号］」 on forms of social insurance: twelve digits are the My Number, ten the other.
_EITHER_PENSION = re.compile(rf"{_word('個人番号')}\s?[\[［(（〔](?:又は|または)?{_word('基礎年金番号')}[\]］)）〕]")
# Any other word that ends like the name of a number.
_GENERIC = re.compile(
    r"[一-鿿々ァ-ヶーA-Za-z0-9]{1,12}(?:番号|ナンバー|コード|[Nn][Oo]\.?|NO\.?|№|ID|id)\Z|(?:^|[^A-Za-z])(?:[Ii][Dd]|[A-Za-z]{2,20}[_-]?(?:[Ii]d|ID|[Nn]o|NO|[Nn]um|[Nn]umber|[Cc]ode|_cd|CD))\Z",
)
_NEUTRAL = frozenset(
    ["番号", "ナンバー", "no", "no.", "number", "num", "№", "12桁番号", "12桁の番号", "識別番号", "id"]
)


_GLOBAL = _Finder({"number": NUMBER_WORDS, "form": FORM_WORDS})
_ALL = _Finder({"number": NUMBER_WORDS, "form": FORM_WORDS, "other": OTHER_WORDS, "sample": SAMPLE_WORDS})


def find_number_labels(content: str, start: int = 0, end: int | None = None) -> list[Hit]:
    """Words for the My Number and its forms in a whole text."""
    return _GLOBAL.find(content, start, len(content) if end is None else end)


def find_labels(content: str, start: int = 0, end: int | None = None) -> list[Hit]:
    """All words in a window, ascending; a field for 個人番号 or 法人番号 counts as one for the My Number."""
    stop = len(content) if end is None else end
    hits = _ALL.find(content, start, stop)
    for beside, pattern, word in (
        ("法人番号", _EITHER, "個人番号又は法人番号"),
        ("基礎年金", _EITHER_PENSION, "個人番号[基礎年金番号]"),
    ):
        if any(hit.kind == "other" and hit.word == beside for hit in hits):
            for match in pattern.finditer(content, start, stop):
                low, high = match.span()
                hits = [hit for hit in hits if hit.end <= low or hit.start >= high]
                hits.append(Hit(low, high, "number", word))
            hits.sort(key=lambda hit: hit.start)
    return hits


_ANY_SAMPLE = (
    "見本",
    "入例",
    "載例",
    "サンプル",
    "ｻﾝﾌﾟﾙ",
    "ダミー",
    "ﾀﾞﾐｰ",
    "架空",
    "例",
    "テスト",
    "ﾃｽﾄ",
    "ample",
    "ummy",
    "est",
    "specimen",
)


def may_hold_samples(content: str) -> bool:
    """Whether a closer look for words for samples is worth while; cheap."""
    lowered = content.lower()
    # Only the three of them in Latin letters can stand in ASCII text.
    return any(word in lowered for word in (_ANY_SAMPLE[-4:] if content.isascii() else _ANY_SAMPLE))


@dataclass(frozen=True, slots=True)
class Label:
    """What a header cell or a key says. `pure`: hardly anything else stands in the cell."""

    kind: Kind | None
    word: str
    pure: bool = True


_NO_LABEL = Label(None, "")


@lru_cache(maxsize=8192)
def label_of_header(cell: str) -> Label:
    """What a short cell (header, row label) or key names; kind None where it names no number we know of.

    A word for the My Number wins over everything beside it, except that a cell which names another number after it
    (個人番号カード受付番号) is about that other number.
    """
    text = unicodedata.normalize("NFKC", cell).strip()
    if not text or len(text) > 80:
        return _NO_LABEL
    hits = find_labels(text)
    numbers = [hit for hit in hits if hit.kind == "number"]
    others = [hit for hit in hits if hit.kind == "other"]
    squeezed = re.sub(r"[\s_:：＊*()（）「」【】\[\]]+", "", text)
    if any(hit.kind == "sample" for hit in hits) and not numbers:
        return Label("sample", hits[0].word, pure=len(squeezed) <= 12)
    if numbers:
        last = numbers[-1]
        rest = text[last.end :]
        # Text behind the word that ends like the name of a number, with no bracket between: another number.
        after = [hit for hit in others if hit.start >= last.end]
        tail = re.split(r"[（(\[【\s]", rest, maxsplit=1)[0]
        if tail and (
            _GENERIC.search(tail) or (after and "カード" in rest[:4] and after[0].start < last.end + len(tail))
        ):
            return Label("other", squeezed[:20])
        remainder = len(squeezed) - sum(len(re.sub(r"[\s_]+", "", hit.word)) for hit in numbers)
        return Label(
            "number",
            last.word,
            pure=remainder <= 8 and not re.search(r"[票表書簿覧帳]$|一覧|管理|制度|について", squeezed),
        )
    if others:
        return Label("other", others[-1].word)
    if squeezed.lower() in _NEUTRAL:
        return _NO_LABEL
    if _GENERIC.search(squeezed):
        return Label("other", squeezed[:20])
    forms = [hit for hit in hits if hit.kind == "form"]
    return Label("form", forms[0].word, pure=False) if forms else _NO_LABEL
