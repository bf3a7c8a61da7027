"""xls, xlsb: sheets through calamine (Rust), which reads a workbook whole: bounded by the size of the file."""

from __future__ import annotations

import datetime
import io
from typing import TYPE_CHECKING

from triage.extractors.model import ExtractionError, LimitReachedError
from triage.extractors.pieces import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.extractors.model import Context, Problem, Source
    from triage.extractors.pieces import CellValue
    from triage.text import Text

MAX_BYTES = 64 << 20
MAX_ROWS = 1 << 20


def cell_value(column: int, value: object) -> CellValue | None:
    """A cell as calamine gives it; None if it is empty. Whole numbers lose the ".0" of their storage."""
    if isinstance(value, str):
        return (column, value, False) if value else None
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, float):
        text = str(int(value)) if value.is_integer() and abs(value) < 1e16 else repr(value)
        return column, text, True
    if isinstance(value, int):
        return column, str(value), True
    if isinstance(value, (datetime.date, datetime.time, datetime.timedelta)):
        return column, str(value), False
    return None


def calamine_sheets(source: Source, context: Context) -> Iterator[Text | Problem]:
    """Every sheet of the workbook in `source`, hidden ones too; raises `ExtractionError` if it cannot be opened."""
    import python_calamine as calamine  # noqa: PLC0415 - only when a workbook is met

    if source.size > MAX_BYTES:
        raise LimitReachedError("ブックが大きすぎます", "the workbook is too large")
    try:
        book = calamine.load_workbook(io.BytesIO(source.read_at(0, source.size)))
    except calamine.PasswordError:
        raise ExtractionError("encrypted", "ブックが暗号化されています", "the workbook is encrypted") from None
    except (calamine.CalamineError, OSError, ValueError) as error:
        raise ExtractionError(
            "damaged",
            f"ブックを開けません({type(error).__name__})",
            f"the workbook cannot be opened ({type(error).__name__})",
        ) from None
    for index, title in enumerate(book.sheet_names):
        context.check_time()
        try:
            sheet = book.get_sheet_by_index(index)
            grid = sheet.to_python(skip_empty_area=True)
        except (calamine.CalamineError, OSError, ValueError) as error:
            yield ExtractionError(
                "damaged",
                f"シートを読めません({type(error).__name__})",
                f"a sheet cannot be read ({type(error).__name__})",
            ).problem(source.container, title)
            continue
        first_row, first_column = sheet.start or (0, 0)
        table = Table(source.container, f"sheet:{title}", location=title)
        for number, row in enumerate(grid[:MAX_ROWS]):
            cells = [
                cell
                for column, value in enumerate(row)
                if (cell := cell_value(first_column + column, value)) is not None
            ]
            if cells:
                yield from table.add(first_row + number, cells)
        yield from table.finish()
