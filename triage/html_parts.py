"""Small pieces of HTML for pages in two languages. Everything that comes in as text goes out escaped.

Pages carry each wording twice, in elements of the classes `ja` and `en`; the style sheet shows one of them.
"""

from __future__ import annotations

import base64
import hashlib
import html
from importlib import resources
from typing import TYPE_CHECKING

from triage.report_data import shown
from triage.results import int_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Words = tuple[str, str]
"""The same in Japanese and in English, plain text."""

NOTHING = '<span class="muted">—</span>'


def escape(text: str) -> str:
    """`text` as it may stand in an element or a quoted attribute."""
    return html.escape(text, quote=True)


def both(ja: str, en: str) -> str:
    """One wording in each language."""
    return f'<span class="ja" lang="ja">{escape(ja)}</span><span class="en" lang="en">{escape(en)}</span>'


def datum(value: object) -> str:
    """A value that is shown already (masked, visible): apart from the text around it whatever its direction."""
    text = text_of(value)
    return f'<bdi dir="ltr">{escape(text)}</bdi>' if text else NOTHING


def hash_value(value: object) -> str:
    """A hash in hexadecimal. Anything else (a result file that was tampered with) goes through the masks."""
    text = text_of(value)
    if not text:
        return NOTHING
    is_hash = len(text) >= 32 and all(character in "0123456789abcdefABCDEF" for character in text)
    return f'<span class="hash">{escape(text.lower() if is_hash else shown(text))}</span>'


def number(value: object) -> str:
    """A whole number with thousands separated, or a dash."""
    whole = int_of(value)
    return NOTHING if whole is None else f'<span class="num">{whole:,}</span>'


def facts(pairs: Iterable[tuple[Words, str]], style: str = "facts") -> str:
    """Names (plain) and values (HTML) as a list of definitions."""
    rows = "".join(f"<dt>{both(*name)}</dt><dd>{value}</dd>" for name, value in pairs)
    return f'<dl class="{style}">{rows}</dl>'


def table(
    head: Sequence[Words],
    rows: Iterable[Sequence[str]],
    *,
    right: Sequence[int] = (),
    foot: Sequence[str] = (),
    style: str = "plain",
) -> str:
    """A table of cells of HTML; the columns in `right` hold numbers. Without `head` there is no head row."""
    styles = [' class="right"' if column in right else "" for column in range(32)]

    def line(cells: Sequence[str], tag: str) -> str:
        return f"<tr>{''.join(f'<{tag}{styles[n]}>{cell}</{tag}>' for n, cell in enumerate(cells))}</tr>"

    top = f"<thead>{line([both(*words) for words in head], 'th')}</thead>" if head else ""
    end = f"<tfoot>{line(foot, 'td')}</tfoot>" if foot else ""
    body = "".join(line(cells, "td") for cells in rows)
    return f'<div class="scroll"><table class="{style}">{top}<tbody>{body}</tbody>{end}</table></div>'


def section(anchor: str, title: Words, body: str, note: str = "") -> str:
    """A section with its heading; `note` is HTML beside it."""
    beside = f"<p>{note}</p>" if note else ""
    return f'<section id="{anchor}"><header><h2>{both(*title)}</h2>{beside}</header>{body}</section>'


def card(title: Words, body: str) -> str:
    """A box with a heading."""
    return f'<div class="card"><h3>{both(*title)}</h3>{body}</div>'


def human_size(size: int) -> str:
    """A size in binary units, three digits; the exact number stands elsewhere."""
    if size < 1024:
        return f"{size} B"
    value = float(size)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        value /= 1024
        if value < 1023.5:
            return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
    return f"{value / 1024:.3g} PiB"


def template(name: str) -> str:
    """A file of `triage/templates`, with the line ends that a browser sees (a hash in the policy is over those)."""
    text = resources.files("triage").joinpath("templates", name).read_text(encoding="utf-8")
    return text.replace("\r\n", "\n")


def csp_hash(text: str) -> str:
    """Base64 SHA-256 of an inline script or style, as Content-Security-Policy wants it."""
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def fill(name: str, values: Mapping[str, str]) -> str:
    """The template `name` with each `{{key}}` replaced once; values are never searched for keys."""
    first, *pieces = template(name).split("{{")
    parts = [first]
    for piece in pieces:
        key, _, rest = piece.partition("}}")
        parts += [values[key], rest]
    return "".join(parts)
