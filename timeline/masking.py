"""My Numbers hidden in columns of events, before they are written: looked for in bulk, judged one by one.

Every run of 12 digits with a right check digit is masked, as everywhere else that shows or logs text. A time text that
was read as a time is left: it is the source's own time, and never a number of a person.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from chain_of_custody.masking import check_digit_passes, mask_number, mask_text

if TYPE_CHECKING:
    from collections.abc import Collection

# As `chain_of_custody.masking`, in RE2's words: 12 decimal digits of any script, each parted by at most one mark.
TWELVE_DIGITS = r"\p{Nd}(?:[\s\p{Z}\-‐-―−ー－ｰ_.．・,，]?\p{Nd}){11}"

_ESCAPES = re.compile(r"\\[bfnrtu]")

TEXTS = ("time_text", "zone", "kind", "desc", "record", "actor", "host", "path", "clock")
"""Columns of plain text; `data` is JSON and masked inside."""


def mask_value(value: object, numeric: Collection[str] = (), key: str = "") -> Any:  # noqa: ANN401 - JSON
    """A JSON value with its strings and whole numbers masked; members named in `numeric` keep their integers."""
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        digits = str(abs(value))
        hidden = len(digits) == 12 and key not in numeric and check_digit_passes(digits)
        return mask_number(digits) if hidden else value
    if isinstance(value, float):
        shown = repr(value)
        return value if mask_text(shown) == shown else mask_text(shown)
    if isinstance(value, dict):
        return {mask_text(str(name)): mask_value(one, numeric, str(name)) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [mask_value(one, numeric, key) for one in value]
    return mask_text(str(value))


def mask_json(text: str, numeric: Collection[str] = ()) -> str:
    """JSON text with its values masked; text that is no JSON is masked as such."""
    # Without escapes that could part or hide digits, a text in which nothing looks like a number holds none.
    if not _ESCAPES.search(text.replace("\\\\", "")) and mask_text(text) == text:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return mask_text(text)
    return json.dumps(mask_value(value, numeric), ensure_ascii=False, separators=(",", ":"))


def mask_column(column: Any, mask: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    """An Arrow array of strings (plain or dictionary-encoded) with `mask` applied to values that hold 12 digits."""
    import pyarrow as pa  # noqa: PLC0415 - start-up time
    import pyarrow.compute as pc  # noqa: PLC0415 - start-up time

    if pa.types.is_dictionary(column.type):
        hidden = mask_column(column.dictionary, mask)
        return column if hidden is column.dictionary else pa.DictionaryArray.from_arrays(column.indices, hidden)
    found = pc.match_substring_regex(column, TWELVE_DIGITS)
    if not pc.any(found).as_py():
        return column
    places = pc.indices_nonzero(found)
    masked = pa.array([mask(value) for value in column.take(places).to_pylist()], type=column.type)
    return pc.replace_with_mask(column, pc.fill_null(found, fill_value=False), masked)
