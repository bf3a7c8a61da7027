"""What a file is by its first bytes: the questions that several extractors ask of the same head."""

from __future__ import annotations

from functools import lru_cache

from triage.extractors.encodings import BOMS, content_of, cut_of, encoding_of

ZIP_LOCAL = b"PK\x03\x04"
ZIP_EMPTY = b"PK\x05\x06"
ZIP_SPANNED = b"PK\x07\x08PK\x03\x04"
OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
SQLITE = b"SQLite format 3\x00"

_MEDIA: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (0, b"GIF8", "gif"),
    (0, b"BM", "bmp"),
    (0, b"II*\x00", "tiff"),
    (0, b"MM\x00*", "tiff"),
    (8, b"WEBP", "webp"),
    (4, b"ftyp", "iso-media"),
    (0, b"\x1aE\xdf\xa3", "matroska"),
    (0, b"OggS", "ogg"),
    (0, b"ID3", "mp3"),
    (0, b"fLaC", "flac"),
    (8, b"AVI ", "avi"),
    (8, b"WAVE", "wav"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (0, b"wOFF", "font"),
    (0, b"wOF2", "font"),
    (0, b"OTTO", "font"),
    (0, b"\x00\x01\x00\x00\x00", "font"),
    (0, b"ttcf", "font"),
)
"""Formats whose body is compressed picture, sound or outline: (offset, bytes, name)."""


def media_kind(head: bytes) -> str | None:
    """Name of the picture, sound or font format that `head` begins; None for everything else."""
    for offset, magic, name in _MEDIA:
        if head.startswith(magic, offset):
            # Two letters are too little evidence for a bitmap: its file header has zeros in fixed places.
            return None if name == "bmp" and head[6:10] != b"\x00\x00\x00\x00" else name
    return None


@lru_cache(maxsize=2)
def text_of(head: bytes) -> str | None:
    """What `head` says if it is text in any known encoding, without its byte-order mark; None if it is not text."""
    if head.startswith((ZIP_LOCAL, OLE2, b"%PDF-", SQLITE)) or media_kind(head):
        return None
    # A head cut in the middle of a character must not look damaged.
    encoding = encoding_of(head)
    if encoding is None:
        return None
    for mark, marked in BOMS:
        if marked == encoding and head.startswith(mark):
            head = head[len(mark) :]
            break
    return content_of(head[: len(head) - cut_of(head, encoding)], encoding)
