"""証拠説明書: the list of exhibits, from `record.exhibit` entries, each hash looked up in the ledger.

```python
for exhibit in exhibits.read(entries):
    print(exhibit.number, exhibit.title, exhibit.found_in)     # 甲第1号証 … (3, 9)
```
An exhibit names, for a page or row of what is handed in, the item, the offset in it and the SHA-256 of the data.
"""

from __future__ import annotations

import csv
import html
import io
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from chain_of_custody import statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chain_of_custody.entries import Entry
    from chain_of_custody.errors import Language
    from chain_of_custody.jcs import Json

State = Literal["found", "absent", "no_hash"]
STATES: dict[State, tuple[str, str]] = {
    "found": ("台帳にあり", "in the ledger"),
    "absent": ("台帳にない", "NOT in the ledger"),
    "no_hash": ("ハッシュの記入なし", "no hash given"),
}
HEADS: tuple[tuple[str, str], ...] = (
    ("号証", "exhibit"),
    ("標目", "title"),
    ("原本・写し", "original or copy"),
    ("作成年月日", "date"),
    ("作成者", "author"),
    ("立証趣旨", "what it is to prove"),
    ("ページ・行", "page, row"),
    ("対象物", "item"),
    ("位置", "offset"),
    ("SHA-256", "SHA-256"),
    ("照合", "check"),
    ("項", "entry"),
)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One row of the list."""

    seq: int
    number: str
    title: str
    original: str
    date: str
    author: str
    purpose: str
    page: str
    item: str
    offset: str
    sha256: str
    found_in: tuple[int, ...]
    """Entries, other than lists of exhibits, that state this hash."""
    corrected_by: tuple[int, ...] = ()

    @property
    def state(self) -> State:
        """What the look-up gave."""
        if not self.sha256:
            return "no_hash"
        return "found" if self.found_in else "absent"

    def check(self, language: Language) -> str:
        """The same in words, with the entries."""
        pick = 0 if language == "ja" else 1
        words = STATES[self.state][pick]
        if self.found_in:
            shown = [str(seq) for seq in self.found_in[:4]]
            words += f"(第 {'、'.join(shown)} 項)" if language == "ja" else f" (entry {', '.join(shown)})"
        if self.corrected_by:
            shown = [str(seq) for seq in self.corrected_by]
            words += f"、訂正あり(第 {'、'.join(shown)} 項)" if language == "ja" else f"; see entry {', '.join(shown)}"
        return words

    def row(self, language: Language) -> list[str]:
        """The cells below `HEADS`."""
        cells = [self.number, self.title, self.original, self.date, self.author, self.purpose]
        cells += [self.page, self.item, self.offset, statements.groups(self.sha256)]
        return [*cells, self.check(language), str(self.seq)]

    def to_json(self) -> dict[str, Json]:
        """As `custody exhibits --json` prints it."""
        return {
            "entry": self.seq,
            "number": self.number,
            "title": self.title,
            "original": self.original,
            "date": self.date,
            "author": self.author,
            "purpose": self.purpose,
            "page": self.page,
            "item": self.item,
            "offset": self.offset,
            "sha256": self.sha256,
            "state": self.state,
            "found_in": list(self.found_in),
            "corrected_by": list(self.corrected_by),
        }


def _digests(value: Json) -> Iterable[str]:
    """Every SHA-256 that a body states."""
    if isinstance(value, str):
        if _DIGEST.fullmatch(value):
            yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _digests(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _digests(one)


def _natural(text: str) -> list[tuple[int, int, str]]:
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"([0-9]+)", text) if part]


def read(entries: Sequence[Entry]) -> list[Exhibit]:
    """The list of exhibits in the order of their numbers."""
    stated: dict[str, list[int]] = defaultdict(list)
    corrected: dict[int, list[int]] = defaultdict(list)
    for entry in entries:
        if entry.type == "correct":
            corrected[int(str(entry.body["seq"]))].append(entry.seq)
        if entry.type == "record.exhibit":
            continue
        found = {file.sha256 for file in (*entry.inputs, *entry.outputs)}
        found.update(_digests(dict(entry.body)))
        for digest in found:
            stated[digest].append(entry.seq)
    listed = []
    for entry in entries:
        if entry.type != "record.exhibit":
            continue
        words = {
            name: (statements.shown if name in ("title", "author", "purpose") else statements.visible)(
                " ".join(str(entry.body.get(name, "")).split()),
            )
            for name in (
                "number",
                "title",
                "original",
                "date",
                "author",
                "purpose",
                "source",
                "page",
                "offset",
                "sha256",
            )
        }
        digest = words["sha256"] or (entry.outputs[0].sha256 if len(entry.outputs) == 1 else "")
        listed.append(
            Exhibit(
                entry.seq,
                words["number"],
                words["title"],
                words["original"],
                words["date"],
                words["author"],
                words["purpose"],
                words["page"] or words["source"],
                statements.shown(entry.item or ""),
                words["offset"],
                digest,
                tuple(stated.get(digest, ())),
                tuple(corrected.get(entry.seq, ())),
            ),
        )
    return sorted(listed, key=lambda one: (_natural(one.number), _natural(one.page), one.seq))


def _pick(pairs: Iterable[tuple[str, str]], language: Language) -> list[str]:
    return [pair[0] if language == "ja" else pair[1] for pair in pairs]


def _cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.lstrip()[:1] in tuple("=+-@=+-@") and text.strip() else text


def to_csv(listed: Sequence[Exhibit], language: Language) -> bytes:
    """UTF-8 with a byte order mark, so that spreadsheets read Japanese."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_pick(HEADS, language))
    for one in listed:
        row = one.row(language)
        row[9] = one.sha256
        writer.writerow([_cell(cell) for cell in row])
    return b"\xef\xbb\xbf" + out.getvalue().encode("utf-8")


def to_html(listed: Sequence[Exhibit], language: Language, case: str, fingerprint: str) -> bytes:
    """One page without script, for printing."""
    title = "証拠説明書" if language == "ja" else "List of exhibits"
    heads = "".join(f"<th>{html.escape(head)}</th>" for head in _pick(HEADS, language))
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in one.row(language)) + "</tr>\n" for one in listed
    )
    label = "事案の指紋" if language == "ja" else "fingerprint of the case"
    return f"""<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} {html.escape(case)}</title>
<style>
body{{font:13px/1.6 "Noto Sans JP","Hiragino Sans","Yu Gothic",sans-serif;margin:24px}}
table{{border-collapse:collapse;width:100%}}
th,td{{border:1px solid #999;padding:4px 6px;text-align:left;vertical-align:top;overflow-wrap:anywhere}}
td:nth-child(10){{font-family:monospace;font-size:11px}}
thead{{display:table-header-group}}tr{{break-inside:avoid}}
@page{{size:A4 landscape;margin:12mm}}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{html.escape(case)}<br>{label}: <code>{statements.groups(fingerprint)}</code></p>
<table><thead><tr>{heads}</tr></thead><tbody>
{rows}</tbody></table>
</body>
</html>
""".encode()
