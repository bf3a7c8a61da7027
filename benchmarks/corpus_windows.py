"""Places of programs and of Windows: browsers, notes, the clipboard, memory in files, packed files, more images.

Databases are made by SQLite, images by qemu-img; what no free program writes is made by the format's own description.
"""

from __future__ import annotations

import base64
import json
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import corpus_documents as documents
from corpus_disks import DiskFile
from corpus_media import NAME, floppy
from corpus_numbers import grouped, person
from corpus_places import PlaceKind, RawPiece, Truth, labelled_text, roster, sheet_rows

sys.path.append(str(Path(__file__).resolve().parents[1]))

from tests.rar_writer import rar4, rar5  # writers that the tests share
from tests.xpress_encoder import huffman, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from corpus_places import Planter

PROFILE = "/Users/soumu/AppData/Local"


def _noted(planter: Planter, path: str, values: Sequence[str], written: str, *, minimum: str = "high",
           container: str = "", state: str = "allocated") -> None:  # fmt: skip
    for digits in values:
        planter.note(digits, path, container=container, state=state, written=written, minimum=minimum)  # type: ignore[arg-type]


def _base(statements: Sequence[tuple[str, Sequence[object]]], *, log: bool = False) -> tuple[bytes, bytes]:
    """A database made by SQLite and its write-ahead log (only with `log`: what is not in the database yet)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.db"
        database = sqlite3.connect(path)
        database.execute("PRAGMA secure_delete=0")
        if log:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA wal_autocheckpoint=0")
        for statement, values in statements:
            database.execute(statement, values)
            database.commit()
        pair = path.read_bytes(), Path(f"{path}-wal").read_bytes() if log else b""
        database.close()
        return pair


def form_history(planter: Planter) -> None:
    """What Firefox and Chromium keep of forms: name of the field beside the value."""
    one, two = planter.number(), planter.number()
    fox, _ = _base((
        ("CREATE TABLE moz_formhistory (id INTEGER PRIMARY KEY, fieldname TEXT, value TEXT, timesUsed INTEGER)", ()),
        ("INSERT INTO moz_formhistory VALUES (1,'email','emi@example.jp',3)", ()),
        ("INSERT INTO moz_formhistory VALUES (2,'kojin_bango',?,1)", (one,)),
    ))  # fmt: skip
    chrome, _ = _base((
        ("CREATE TABLE autofill (name VARCHAR, value VARCHAR, value_lower VARCHAR, date_created, count)", ()),
        ("INSERT INTO autofill VALUES ('tel','0312345678','0312345678',1733000000,1)", ()),
        ("INSERT INTO autofill VALUES ('mynumber',?,?,1733000001,1)", (two, two)),
    ))  # fmt: skip
    _noted(planter, planter.put("formhistory", "sqlite", fox), [one], "form history", minimum="medium")
    _noted(planter, planter.put("Web Data", "db", chrome), [two], "autofill", minimum="medium")


def downloads(planter: Planter) -> None:
    """Names of files that a browser downloaded."""
    digits = planter.number()
    target = rf"C:\Users\soumu\Downloads\個人番号_{digits}.pdf"
    data, _ = _base((
        ("CREATE TABLE downloads (id INTEGER PRIMARY KEY, target_path VARCHAR, tab_url VARCHAR, total_bytes)", ()),
        ("INSERT INTO downloads VALUES (1,?,'https://mail.example/',120000)", (target,)),
    ))  # fmt: skip
    _noted(planter, planter.put("History", "db", data), [digits], "download's name", minimum="medium")


def write_ahead_log(planter: Planter) -> None:
    """Rows that are only in the write-ahead log yet."""
    staff = planter.staff(10)
    statements = [("CREATE TABLE member (id INTEGER PRIMARY KEY, 氏名 TEXT, 個人番号 TEXT)", ())]
    statements += [("INSERT INTO member (氏名, 個人番号) VALUES (?,?)", (who.name, digits)) for who, digits in staff]
    data, log = _base(statements, log=True)
    path = planter.put("member", "db", data)
    planter.files.append(DiskFile(f"{path}-wal", log))
    _noted(planter, f"{path}-wal", [digits for _, digits in staff], "write-ahead log", minimum="low")


def dropped_table(planter: Planter) -> None:
    """Pages of a table that was dropped."""
    staff = planter.staff(60)
    statements = [("CREATE TABLE gone (id INTEGER PRIMARY KEY, 氏名 TEXT, 個人番号 TEXT)", ())]
    statements += [("INSERT INTO gone (氏名, 個人番号) VALUES (?,?)", (who.name, digits)) for who, digits in staff]
    data, _ = _base([*statements, ("CREATE TABLE kept (a)", ()), ("DROP TABLE gone", ())])
    values = [digits for _, digits in staff if digits.encode() in data]
    _noted(planter, planter.put("旧人事", "db", data), values, "dropped table", minimum="low")


def notes(planter: Planter) -> None:
    """Sticky notes, a tab of Notepad that was never saved and typed on since, the clipboard's history."""
    one, two, three, four = (planter.number() for _ in range(4))
    sticky, _ = _base((
        ("CREATE TABLE Note (Text TEXT, WindowPosition TEXT, Id TEXT)", ()),
        ("INSERT INTO Note VALUES (?,'x','6f1c')", (rf"\id=6f1c-22 自分のマイナンバー {grouped(one, ' ')}",)),
    ))  # fmt: skip
    folder = f"{PROFILE}/Packages/Microsoft.MicrosoftStickyNotes_8wekyb3d8bbwe/LocalState"
    _noted(planter, planter.put("plum", "sqlite", sticky, folder=folder), [one], "sticky note", minimum="medium")

    def chars(text: str) -> bytes:
        return bytes((len(text),)) + text.encode("utf-16-le")

    data = b"NP\0\0\x01\0\0\x01\0\0\x01\0" + chars(f"メモ\r個人番号:{two}\r") + b"\x01" + bytes(4)
    at = len(f"メモ\r個人番号:{two}\r")
    for step, letter in enumerate(f"妻のマイナンバー {three}"):
        data += bytes((at + step, 0)) + chars(letter) + bytes(4)
    folder = f"{PROFILE}/Packages/Microsoft.WindowsNotepad_8wekyb3d8bbwe/LocalState/TabState"
    _noted(planter, planter.put("3f2a", "bin", data, folder=folder), [two, three], "Notepad tab")
    copied = base64.b64encode(f"個人番号 {four}".encode()).decode()
    payload = json.dumps([{"content": copied, "formatName": "Text"}]).encode()
    clip, _ = _base((
        ("CREATE TABLE ActivityOperation (Id BLOB, ClipboardPayload BLOB)", ()),
        ("INSERT INTO ActivityOperation VALUES (x'01',?)", (payload,)),
    ))  # fmt: skip
    _noted(
        planter,
        planter.put("ActivitiesCache", "db", clip, folder=f"{PROFILE}/ConnectedDevicesPlatform"),
        [four],
        "clipboard",
    )


def hive(planter: Planter) -> None:
    """A registry hive with a value of a program."""
    digits = planter.number()
    cells: list[bytes] = []
    at = 32

    def place(content: bytes) -> int:
        nonlocal at
        size = (len(content) + 4 + 7) & ~7
        cells.append(struct.pack("<i", -size) + content.ljust(size - 4, b"\0"))
        start, at = at, at + size
        return start

    def key(name: str, parent: int, values: int, listed: int, flags: int) -> bytes:
        fields = struct.pack("<HQIIIIIIIII", flags, 0, 0, parent, 0, 0, 2**32 - 1, 2**32 - 1, values, listed, 2**32 - 1)
        return b"nk" + fields + bytes(24) + struct.pack("<HH", len(name), 0) + name.encode()

    root = place(key("ROOT", 2**32 - 1, 0, 2**32 - 1, 0x24))
    content = place(digits.encode("utf-16-le"))
    name = "個人番号".encode("utf-16-le")
    value = place(b"vk" + struct.pack("<HIIIHH", len(name), 24, content, 1, 0, 0) + name)
    place(key("Payroll", root, 1, place(struct.pack("<I", value)), 0x20))
    data = b"regf".ljust(4096, b"\0") + (b"hbin" + bytes(28) + b"".join(cells)).ljust(4096, b"\0")
    _noted(planter, planter.put("NTUSER", "DAT", data), [digits], "registry value")


def _page(planter: Planter) -> tuple[bytes, str]:
    """A page of memory with a labelled number in UTF-16, and the number."""
    digits = planter.number()
    return (bytes(600) + f"{person(planter.rng).name} 個人番号:{digits}\0".encode("utf-16-le")).ljust(
        4096, b"\0"
    ), digits


def hibernation(planter: Planter) -> None:
    """A hibernation file of Windows 10 and a page file with compressed pages, once on a disk."""
    if any(file.path == "/hiberfil.sys" for file in planter.files):
        return
    values, sets = [], b""
    for number in range(8):
        page, digits = _page(planter)
        packed = huffman(page) if number % 2 else plain(page)
        word = 1 | len(packed) << 8 | (2 if number % 2 else 0) << 30
        sets += struct.pack("<IQ", word, (0x100 + number) << 4) + packed
        values.append(digits)
    # As after waking up: a volume with a live one is mounted read-only.
    head = b"WAKE".ljust(24, b"\0") + struct.pack("<I", 4096)
    planter.files.append(DiskFile("/hiberfil.sys", head.ljust(8192, b"\0") + sets))
    # What plain LZXPRESS keeps as literals is found in clear, too.
    _noted(planter, "/hiberfil.sys", values, "hibernation file")
    data = bytearray(planter.rng.randbytes(200_000))
    values = []
    for place in (16_000, 64_016, 128_032):
        page, digits = _page(planter)
        packed = plain(page)
        data[place : place + len(packed)] = packed
        values.append(digits)
    planter.files.append(DiskFile("/pagefile.sys", bytes(data)))
    _noted(planter, "/pagefile.sys", values, "compressed page of a page file")


def rar(planter: Planter) -> None:
    """RAR archives of both generations with a stored roster."""
    for write, stem in ((rar5, "新"), (rar4, "旧")):
        data, values = roster(planter)
        path = planter.put(stem, "rar", write([("読んで.txt", b"x"), ("名簿/一覧.csv", data)]))
        _noted(planter, path, values, f"in rar {stem}", container="名簿/一覧.csv")


def seven_zip(planter: Planter) -> None:
    """A 7z archive by py7zr, where it is there."""
    try:
        import io  # noqa: PLC0415

        import py7zr  # noqa: PLC0415 - a writer that the corpus does without
    except ImportError:
        return
    data, values = roster(planter)
    out = io.BytesIO()
    with py7zr.SevenZipFile(out, "w") as file:
        file.writestr(data, "名簿/一覧.csv")
    _noted(planter, planter.put("束", "7z", out.getvalue()), values, "in 7z", container="名簿/一覧.csv")


def ichitaro(planter: Planter) -> None:
    """The text of an Ichitaro document: UTF-16BE in the stream DocumentText of a compound file."""
    from tests.triage.extractors.compound_file import compound_file  # noqa: PLC0415 - a writer of the tests

    digits = planter.number()
    text = (planter.prose(8) + f"個人番号 {digits}\r" + planter.prose(8)).replace("\r\n", "\r")
    data = compound_file(
        {"DocumentText": b"SsmgV.01" + bytes(30) + text.encode("utf-16-be"), "DocumentViewStyles": bytes(5000)}
    )
    _noted(planter, planter.put("通知", "jtd", data), [digits], "Ichitaro", minimum="medium")


def virtual_disk(form: str) -> Callable[[Planter], None]:
    """A floppy with a roster in an image made by qemu-img, where it is there."""

    def make(planter: Planter) -> None:
        tool = shutil.which("qemu-img")
        if tool is None:
            return
        content, planted = roster(planter)
        with tempfile.TemporaryDirectory() as folder:
            raw, out = Path(folder) / "a.raw", Path(folder) / f"a.{form}"
            raw.write_bytes(floppy(content).ljust(4 << 20, b"\0"))
            subprocess.run(
                [tool, "convert", "-f", "raw", "-O", form, str(raw), str(out)], check=True, capture_output=True
            )
            planter.put("vm", form, out.read_bytes())
        for digits in planted:
            planter.note(digits, f"/{NAME}", encoding="cp932")

    return make


def carved(form: str) -> Callable[[Planter], None]:
    """The clusters of a file whose name and record are gone, in one piece."""

    def make(planter: Planter) -> None:
        who, digits = planter.staff(1)[0]
        values = [digits]
        if form == "pdf":
            data = documents.pdf([f"個人番号 {digits}"])
        elif form == "sqlite":
            data = documents.sqlite(["CREATE TABLE t (個人番号 TEXT)"], [("INSERT INTO t VALUES (?)", [[digits]])])
        elif form == "gz":
            data = documents.gz(f"個人番号 {digits}\r\n".encode("cp932"))
        elif form == "xls":
            rows, values = sheet_rows(planter, str)
            data = documents.xls([("名簿", rows)])
        else:
            data = documents.mail("連絡", f"{who.name}です。個人番号は {digits} です。\r\n")
            data = b"Received: from a by b\r\n" + data
        # The piece is as large as a slot of the free space.
        if len(data) > 8192:
            return
        for number, one in enumerate(values):
            truth = Truth(planter.kind, one, "", "", "carved|unallocated", f"carved {form}", "", "medium")
            planter.raw.append(RawPiece("unallocated", b"" if number else data, 0, truth))

    return make


def journal_name(planter: Planter) -> None:
    """A record of the change journal in free space: a name in UTF-16."""
    digits = planter.number()
    name = f"個人番号_{digits}.xlsx".encode("utf-16-le")
    length = (60 + len(name) + 7) & ~7
    when = 133_000_000_000_000_000
    layout = "<IHHQQQQIIIIHH"
    record = struct.pack(layout, length, 2, 0, 1 << 48 | 70, 5, 4096, when, 258, 0, 0, 32, len(name), 60) + name
    other = struct.pack(layout, 80, 2, 0, 71, 5, 4176, when, 2, 0, 0, 32, 16, 60) + "memo.txt".encode("utf-16-le")
    data = record.ljust(length, b"\0") + other.ljust(80, b"\0")
    at = 60 + 2 * len("個人番号_")
    truth = Truth(planter.kind, digits, "", "", "unallocated", "12 digits", "utf-16-le", "medium")
    planter.raw.append(RawPiece("unallocated", data, at, truth))


def compact(planter: Planter) -> None:
    """A file that CompactOS keeps compressed."""
    text, digits = labelled_text(planter, lines=40)
    path = planter.put("圧縮済", "txt", text, how="wof")
    planter.note(digits, path, written="4-4-4 hyphen", encoding="cp932")


def recycled(planter: Planter) -> None:
    """A folder in the recycle bin with the file that tells where it came from."""
    data, values = roster(planter)
    folder = "/$Recycle.Bin/S-1-5-21-1004336348-1177238915-682003330-1001"
    path = planter.put("$R" + f"{len(planter.files):06d}", "csv", data, folder=folder)
    origin = "C:\\Users\\soumu\\Desktop\\名簿.csv\0"
    about = struct.pack("<QQQI", 2, len(data), 133_000_000_000_000_000, len(origin)) + origin.encode("utf-16-le")
    planter.files.append(DiskFile(path.replace("/$R", "/$I").replace("/$Iecycle", "/$Recycle"), about))
    _noted(planter, path, values, "recycle bin with its origin")


KINDS: tuple[PlaceKind, ...] = (
    PlaceKind("form history of browsers", form_history),
    PlaceKind("downloads of a browser", downloads),
    PlaceKind("sqlite write-ahead log", write_ahead_log),
    PlaceKind("sqlite dropped table", dropped_table),
    PlaceKind("notes, tabs, clipboard", notes),
    PlaceKind("registry hive", hive),
    PlaceKind("hibernation and page file", hibernation, ("ntfs",)),
    PlaceKind("rar", rar),
    PlaceKind("7z", seven_zip),
    PlaceKind("Ichitaro", ichitaro),
    PlaceKind("image in a file vmdk", virtual_disk("vmdk")),
    PlaceKind("image in a file vhdx", virtual_disk("vhdx")),
    *(PlaceKind(f"carved {form}", carved(form)) for form in ("pdf", "sqlite", "gz", "xls", "eml")),
    PlaceKind("name in the change journal", journal_name),
    PlaceKind("CompactOS", compact, ("ntfs",)),
    PlaceKind("recycle bin with its origin", recycled, ("ntfs",)),
)
"""`only` as everywhere: () is every file system."""
