"""Office Open XML: which kind of document a package is, its properties, and what is embedded in it.

Element names are those of ECMA-376; namespaces are ignored, so Strict and Transitional read alike.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from triage.extractors import presentationml, spreadsheetml, wordprocessingml, zip_archive
from triage.extractors.model import Child, ExtractionError, OutOfOutputError, OutOfTimeError
from triage.extractors.xml_parts import any_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triage.extractors.model import Problem, Source
    from triage.extractors.zip_archive import Archive
    from triage.text import Text

_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".emf", ".wmf", ".svg", ".fntdata", ".odttf")
_QUIET = ("styles", "fontTable.xml", "settings.xml", "webSettings.xml", "theme", "_rels", "tableStyles.xml")
"""Parts that describe looks and links; they hold no content."""


def parts(archive: Archive, names: list[str], reader: wordprocessingml.PartReader) -> Iterator[Text | Problem]:
    """Each named part by `reader`; what goes wrong in one does not stop the others."""
    for name in names:
        try:
            member = archive.member(name)
            yield from reader(archive, member.source, name)
            if member.error:
                raise member.error
        except (OutOfTimeError, OutOfOutputError):
            raise
        except ExtractionError as error:
            yield error.problem(archive.source.container, name)


def _is_quiet(name: str) -> bool:
    return any(piece.startswith(_QUIET) for piece in name.split("/")[-2:])


def document(archive: Archive) -> Iterator[Text | Problem | Child]:
    """Everything readable in a package: the known parts first, then every other one."""
    names = [entry.name for entry in archive.entries if not entry.is_folder]
    done: set[str] = set()
    for folder, read in (
        ("word/", wordprocessingml.document),
        ("xl/", spreadsheetml.document),
        ("ppt/", presentationml.document),
    ):
        if any(name.startswith(folder) for name in names):
            yield from read(archive, names, done)
    rest = [name for name in names if name not in done]
    xml = [name for name in rest if name.lower().endswith((".xml", ".rels", ".vml", ".fpage")) and not _is_quiet(name)]
    yield from parts(archive, xml, _any_part)
    chosen = set(xml) | {name for name in rest if _is_quiet(name) or name.lower().endswith(_PICTURES)}
    embedded = [archive.names[name] for name in rest if name not in chosen]
    yield from zip_archive.members(archive, embedded)


def _any_part(archive: Archive, source: Source, name: str) -> Iterator[Text | Problem]:
    if name == "[Content_Types].xml":
        return
    yield from any_text(source, archive.context, posixpath.normpath(name), archive.source.container)
