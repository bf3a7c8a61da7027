"""PST and OST of Outlook through libpff: every item's properties, bodies and attachments, orphaned items included.

Layout: MS-PST; the library takes the nodes apart and undoes the "compressible encryption". All items are walked alike
(mail, contacts, notes, appointments), since a number may stand in any text property.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from triage.extractors import binary
from triage.extractors.encodings import content_of, encoding_of
from triage.extractors.model import BytesSource, Child, LimitReachedError, Problem, member_container
from triage.extractors.pieces import prose
from triage.extractors.zip_archive import name_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.extractors.model import Context, Source
    from triage.text import Text

MAX_DEPTH = 24
"""Folders in folders and messages in messages."""
MAX_ATTACHMENT_BYTES = 64 << 20
_TEXT_ANSI, _TEXT_WIDE = 0x001E, 0x001F
_BODY, _HTML = 0x1000, 0x1013
# Properties that repeat others or are names of classes and addresses of servers.
_DULL = frozenset({0x001A, 0x0E1D, 0x3FF8, 0x3FFA, 0x1035, 0x1042})


def matches(head: bytes, _name: str, _size: int) -> bool:
    """The signature `!BDN`; PAB files carry the same and are told as damaged if they cannot be opened."""
    return head[:4] == b"!BDN"


class _File:
    """A source as the file object from which the library reads."""

    def __init__(self, source: Source, context: Context) -> None:
        self._source = source
        self._context = context
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        self._context.check_time()
        data = self._source.read_at(self._position, self._source.size if size < 0 else size)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> None:
        self._position = (0, self._position, self._source.size)[whence] + offset

    def tell(self) -> int:
        return self._position

    def get_offset(self) -> int:
        return self._position

    def get_size(self) -> int:
        return self._source.size


def extract(source: Source, context: Context) -> Iterator[Text | Problem | Child]:
    """Items folder by folder, then items that no folder names any more."""
    import pypff  # noqa: PLC0415 - only where there is a store

    store = pypff.file()
    try:
        store.open_file_object(_File(source, context))
    except OSError:
        yield Problem("damaged", "PST/OST を開けません", "the PST or OST cannot be opened", source.container)
        yield from binary.extract(source, context)
        return
    try:
        root = _ask(store.get_root_folder)
        if root is None:
            yield Problem("damaged", "最上位のフォルダーがありません", "there is no root folder", source.container)
        else:
            yield from _Walk(source, context).folder(root, "", 0)
        for number in range(_ask(store.get_number_of_orphan_items) or 0):
            orphan = _ask(store.get_orphan_item, number)
            if orphan is None:
                yield _lost(source.container, f"orphan {number + 1}")
            else:
                yield from _Walk(source, context).item(orphan, f"orphan {number + 1}", 1)
    finally:
        store.close()


def _ask(call: Any, *arguments: Any) -> Any:  # noqa: ANN401 - foreign functions
    """What the library says; None where it cannot."""
    try:
        return call(*arguments)
    except (OSError, ValueError, OverflowError, MemoryError):
        return None  # MemoryError is what the library says of an item of a type that it does not know


def _lost(container: str, where: str) -> Problem:
    return Problem("damaged", "項目を読めません", "an item cannot be read", container, where)


class _Walk:
    """One walk through items in items."""

    def __init__(self, source: Source, context: Context) -> None:
        self._source = source
        self._context = context

    def folder(self, folder: Any, where: str, depth: int) -> Iterator[Text | Problem | Child]:  # noqa: ANN401
        """The folder's own texts, its items, then its folders."""
        self._context.count_member()
        if depth > MAX_DEPTH:
            yield self._too_deep(where)
            return
        yield from self._texts(folder, where)
        yield from self._each(folder, "message", where, depth)
        yield from self._each(folder, "folder", where, depth)

    def item(self, item: Any, where: str, depth: int) -> Iterator[Text | Problem | Child]:  # noqa: ANN401
        """The item's own texts, then its attachments and the messages in them."""
        self._context.count_member()
        if depth > MAX_DEPTH:
            yield self._too_deep(where)
            return
        yield from self._texts(item, where)
        # Attachments give no reference to the message inside them; among the sub items it is there.
        for number in range(_ask(getattr(item, "get_number_of_attachments", int)) or 0):
            attachment = _ask(item.get_attachment, number)
            label = f"{where}/attachment {number + 1}"
            if attachment is None:
                yield _lost(self._source.container, label)
            else:
                yield from self._attachment(attachment, label, depth)

    def _each(self, folder: Any, kind: str, where: str, depth: int) -> Iterator[Text | Problem | Child]:  # noqa: ANN401
        count = _ask(getattr(folder, f"get_number_of_sub_{kind}s"))
        if count is None:
            yield _lost(self._source.container, f"{where}/{kind}")
        for number in range(count or 0):
            below = _ask(getattr(folder, f"get_sub_{kind}"), number)
            name = (_ask(getattr(below, "get_name", str)) if kind == "folder" else "") or f"{kind} {number + 1}"
            label = f"{where}/{name}"
            if below is None:
                yield _lost(self._source.container, label)
            elif kind == "folder":
                yield from self.folder(below, label, depth + 1)
            else:
                yield from self.item(below, label, depth + 1)

    def _too_deep(self, where: str) -> Problem:
        return LimitReachedError(
            f"入れ子の上限({MAX_DEPTH}段)に達しました", f"nesting limit of {MAX_DEPTH} levels reached"
        ).problem(self._source.container, where)

    def _texts(self, item: Any, where: str) -> Iterator[Text | Problem | Child]:  # noqa: ANN401
        lines: list[str] = []
        bodies: list[str] = []
        sets = _ask(item.get_number_of_record_sets)
        if sets is None and hasattr(item, "get_number_of_attachments"):
            yield _lost(self._source.container, where)  # a folder without properties is a search folder: nothing lost
        for number in range(sets or 0):
            records = _ask(item.get_record_set, number)
            if records is None:
                yield _lost(self._source.container, where)
                continue
            for index in range(records.get_number_of_entries()):
                entry = _ask(records.get_entry, index)
                kind = entry.get_value_type() if entry is not None else None
                if kind not in (_TEXT_ANSI, _TEXT_WIDE) or entry.get_entry_type() in _DULL:
                    continue
                data = _ask(entry.get_data) or b""
                self._context.spend(len(data))
                text = _string(data, wide=kind == _TEXT_WIDE)
                (bodies if entry.get_entry_type() == _BODY else lines).append(f"{text}\n")
        container = self._source.container
        yield from prose(lines, container, f"{where} properties", location=where, kind="form")
        yield from prose(bodies, container, f"{where} body", location=where)
        html = _ask(getattr(item, "get_html_body", lambda: None))
        if html:
            yield from self._member(html, f"{where}/body.html")
        elif not bodies:
            rtf = _ask(getattr(item, "get_rtf_body", lambda: None))
            if rtf:
                yield from self._member(rtf, f"{where}/body.rtf")

    def _attachment(self, attachment: Any, where: str, depth: int) -> Iterator[Text | Problem | Child]:  # noqa: ANN401
        yield from self._texts(attachment, where)
        size = _ask(attachment.get_size) or 0
        name = _ask(getattr(attachment, "get_long_filename", lambda: None)) or where.rpartition("/")[2]
        if size > MAX_ATTACHMENT_BYTES:
            yield Problem(
                "limit",
                f"大きすぎる添付ファイルのため読んでいません({size:,} バイト)",
                f"an attachment of {size:,} bytes was not read",
                self._source.container,
                where,
            )
        elif size:
            data = _ask(attachment.read_buffer, size)
            if data is None:
                yield _lost(self._source.container, where)
            else:
                yield from self._member(data, f"{where}/{name}")
        for number in range(_ask(attachment.get_number_of_sub_items) or 0):
            below = _ask(attachment.get_sub_item, number)
            if below is not None:
                yield from self.item(below, f"{where}/{number + 1}", depth + 1)

    def _member(self, data: bytes, path: str) -> Iterator[Text | Child]:
        self._context.spend(len(data))
        container = member_container(self._source, path.lstrip("/"))
        name = path.rpartition("/")[2]
        yield from name_text(container, name)
        yield Child(BytesSource(data, name, container))


def _string(data: bytes, *, wide: bool) -> str:
    if wide:
        return data.decode("utf-16-le", "replace").rstrip("\0")
    return content_of(data, encoding_of(data) or "cp932").rstrip("\0")
