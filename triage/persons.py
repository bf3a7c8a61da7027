"""Traces of a person beside a number: a name, a birth date, an address, a place in a family.

They say that a record about a person lies here, not that the number is a My Number; `triage.judge` gives them little
weight, and only together with other evidence.
"""

from __future__ import annotations

import re

# The most frequent family names (about four tenths of the population) and given-name endings.
_FAMILY_NAMES = (
    "佐藤|鈴木|高橋|髙橋|田中|伊藤|渡辺|渡邊|渡邉|山本|中村|小林|加藤|吉田|山田|佐々木|山口|松本|井上|木村|林|斎藤|斉藤|齋藤|齊藤|清水|山崎|山﨑|森|池田|橋本|阿部|"
    "石川|山下|中島|石井|小川|前田|岡田|長谷川|藤田|後藤|近藤|村上|遠藤|青木|坂本|福田|太田|西村|藤井|金子|岡本|藤原|三浦|中野|中川|原田|松田|竹内|小野|田村|中山|"
    "和田|石田|森田|上田|原|内田|柴田|酒井|宮崎|横山|高木|安藤|宮本|大野|小島|谷口|今井|工藤|高田|増田|丸山|杉山|村田|大塚|新井|小山|平野|藤本|河野|上野|野口|武田|"
    "松井|千葉|菅原|岩崎|久保|木下|松尾|佐野|野村|菊地|菊池|渡部|市川|杉本|古川|大西|島田|水野|桜井|櫻井|高野|吉川|山内|西田|飯田|菅野|西川|小松|北村|安田|五十嵐|"
    "川口|平田|関|中田|久保田|服部|東|岩田|土屋|川崎|福島|本田|辻|樋口|秋山|田口|永井|山中|中西|吉村|川上|石原|大橋|松岡|馬場|浜田|森本|星野|矢野|浅野|松下|大島|"
    "望月|片山|荒木|須藤|熊谷|黒田|堀|尾崎|荒井|大久保|早川|野田|松村|小池|川村|内藤|秋元|黒木|石橋"
)
_NAME = re.compile(
    rf"(?<![一-鿿])(?:{_FAMILY_NAMES})[ 　]?[一-鿿々ぁ-んァ-ヶ]{{1,3}}(?![一-鿿])"
    r"|(?<![一-鿿])[一-鿿々]{1,3}[ 　][一-鿿々ぁ-んァ-ヶ]{1,3}(?![一-鿿])"
    r"|(?<![ァ-ヶーｦ-ﾟ])(?:[ァ-ヶー]{2,6}[ 　][ァ-ヶー]{2,6}|[ｦ-ﾟ]{2,9}[ 　][ｦ-ﾟ]{2,9})(?![ァ-ヶーｦ-ﾟ])",
)
_BIRTH = re.compile(
    r"生年月日|誕生日|生まれ|birth|dob(?![a-z])"
    r"|(?:明治|大正|昭和|平成|令和|[MTSHRｍｔｓｈｒＭＴＳＨＲ])[ .]?(?:\d{1,2}|元)"
    r"[年./\-][ ]?\d{1,2}[月./\-][ ]?\d{1,2}"
    r"|(?<!\d)(?:19[2-9]\d|20[0-2]\d)[年./\-][ ]?(?:1[0-2]|0?[1-9])[月./\-][ ]?(?:3[01]|[12]\d|0?[1-9])(?!\d)"
    r"|(?<!\d)19[2-9]\d(?:1[0-2]|0[1-9])(?:3[01]|[12]\d|0[1-9])(?!\d)",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"(?:北海道|東京都|京都府|大阪府|[一-鿿]{2,3}県)[一-鿿ヶケノ]{1,8}[市区町村郡]|[一-鿿]{1,6}[市区][一-鿿]{1,8}(?:町|\d|[０-９])|〒\s?\d{3}|住所|丁目",
)
_FAMILY = re.compile(
    r"続柄|世帯主|(?<![一-鿿])(?:本人|配偶者|長男|長女|次男|二男|次女|二女|三男|三女|養子|妻|夫|子|父|母|祖父|祖母)(?![一-鿿])|扶養親族|同一生計",
)
_NAME_HEADER = re.compile(
    r"氏名|名前|お名前|フリガナ|ふりがな|ﾌﾘｶﾞﾅ|姓名|(?<![a-z])(?:full ?name|name|shimei|kana)(?![a-z])", re.IGNORECASE
)
_BIRTH_HEADER = re.compile(r"生年月日|誕生日|birth|dob|seinengappi", re.IGNORECASE)

NAME, BIRTH, ADDRESS, FAMILY = 1, 2, 4, 8


def traces(around: str) -> int:
    """Bits of what stands in `around`, a line or two beside a number: NAME, BIRTH, ADDRESS, FAMILY."""
    found = 0
    if _BIRTH.search(around):
        found |= BIRTH
    if around.isascii():
        return found
    if _NAME.search(around) or _NAME_HEADER.search(around):
        found |= NAME
    if _ADDRESS.search(around):
        found |= ADDRESS
    if _FAMILY.search(around):
        found |= FAMILY
    return found


def header_traces(header: str) -> int:
    """The same bits for the header of another column of the same table."""
    found = NAME if _NAME_HEADER.search(header) else 0
    if _BIRTH_HEADER.search(header):
        found |= BIRTH
    if "住所" in header or "address" in header.lower():
        found |= ADDRESS
    if "続柄" in header or "続き柄" in header:
        found |= FAMILY
    return found
