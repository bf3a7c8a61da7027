"""Which format a file has, by its content; the one place that lists the readers.

```
EVF 09 0d 0a ff 00      E01, split over E01 … ZZZ      preserve.ewf_reader (SMART layout: preserve.libewf)
EVF2, LVF, LEF2         Ex01, L01, Lx01                preserve.libewf
QFI fb, KDMV, vhdx …    qcow2, VMDK, VHD(X), VDI       preserve.virtual_disk
anything else           raw, in one file or split      preserve.raw
```
A file encrypted with age is opened by preserve.age_file and then judged by what is inside.
"""

from __future__ import annotations

import stat
from contextlib import closing
from typing import TYPE_CHECKING

from chain_of_custody.errors import EvidenceError, EvidenceFormatError, UsageError
from chain_of_custody.masking import mask_text
from preserve import age_file, signatures

if TYPE_CHECKING:
    from pathlib import Path

    from preserve.derived import Reader
    from preserve.image import Image
    from preserve.virtual_disk import VirtualDisk

_HEAD = 0x11000  # bytes: up to the Btrfs superblock at 64 KiB


def _unreadable(path: Path, error: OSError) -> EvidenceError:
    name, why = mask_text(str(path)), error.strerror or str(error)
    return EvidenceError(
        f"{name} を読めません: {why}",
        f"{name} cannot be read: {why}",
        hint_ja="ファイルの権限と媒体の接続を確かめてください",
        hint_en="check the permissions of the file and that the medium is attached",
    )


def open_image(path: Path, *, threads: int | None = None) -> Image:
    """See `preserve.image.open_image`."""
    name = mask_text(str(path))
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise UsageError(
            f"{name} がありません",
            f"{name} does not exist",
            hint_ja="パスの綴りを確かめてください",
            hint_en="check the spelling of the path",
        ) from None
    except OSError as error:
        raise _unreadable(path, error) from error
    if stat.S_ISDIR(mode):
        raise UsageError(
            f"{name} はフォルダーです。イメージのファイルを指定してください",
            f"{name} is a directory; name an image file",
            hint_ja="分割イメージでは最初のファイル(.E01、.001)を指定します",
            hint_en="of a split image, name the first file (.E01, .001)",
        )
    if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode) or stat.S_ISCHR(mode)):
        raise UsageError(f"{name} は通常のファイルではありません", f"{name} is not a regular file or a device")
    try:
        return _open(path, threads)
    except OSError as error:
        raise _unreadable(path, error) from error


def _open(path: Path, threads: int | None) -> Image:
    from preserve.derived import FileReader  # noqa: PLC0415
    from preserve.ewf_reader import has_smart_layout  # noqa: PLC0415
    from preserve.raw import RawImage, pieces_of  # noqa: PLC0415 - each reader is loaded when it is needed
    from preserve.virtual_disk import format_of as kind_of_disk  # noqa: PLC0415

    with closing(FileReader(path)) as sealed:
        file = age_file.clear_reader(sealed, name=path.name)
        size = file.size
        head = file.read_at(0, _HEAD)
        tail = file.read_at(max(0, size - 512), 512)
    kind = signatures.container(head)
    if file is not sealed and (kind == "libewf" or (kind == "e01" and has_smart_layout(path))):
        name = mask_text(path.name)
        raise EvidenceFormatError(
            f"{name}: この形式は暗号化したままでは読めません",
            f"{name}: this format cannot be read while encrypted",
            hint_ja="preserve decrypt で復号してから指定してください",
            hint_en="decrypt it first with preserve decrypt",
        )
    if kind == "e01":
        return _open_ewf(path, threads)
    if kind == "libewf":
        from preserve.libewf import LibewfImage  # noqa: PLC0415

        return LibewfImage(path)
    if not size:
        name = mask_text(str(path))
        raise EvidenceFormatError(
            f"{name} は空のファイルです",
            f"{name} is an empty file",
            hint_ja="複製が途中で失敗していないか確かめてください",
            hint_en="check whether the copy of it failed",
        )
    if kind_of_disk(head, tail) is not None:
        return _open_virtual_disk(path)
    image = RawImage(path, pieces_of(path), threads=threads)
    try:
        signatures.refuse_what_is_no_image(image, mask_text(path.name))
    except BaseException:
        image.close()
        raise
    return image


def _open_ewf(path: Path, threads: int | None) -> Image:
    from preserve.ewf_reader import EwfImage, has_smart_layout  # noqa: PLC0415

    if has_smart_layout(path):
        from preserve.libewf import LibewfImage  # noqa: PLC0415

        return LibewfImage(path)
    return EwfImage(path, threads=threads)


def _open_virtual_disk(path: Path) -> VirtualDisk:
    """A virtual disk with its extents and parents, which are looked for beside it."""
    from preserve.derived import FileReader  # noqa: PLC0415
    from preserve.virtual_disk import format_of, open_disk  # noqa: PLC0415

    opened = [FileReader(path)]

    def beside(name: str) -> Reader | None:
        sealed = f"{name}.age"
        place = path.parent / (sealed if not (path.parent / name).exists() else name)
        if not name or name in (".", "..") or not place.is_file():
            return None
        opened.append(FileReader(place))
        return age_file.clear_reader(opened[-1], name=place.name)

    disk_file = age_file.clear_reader(opened[0], name=path.name)
    kind = format_of(disk_file.read_at(0, 4096), disk_file.read_at(max(0, disk_file.size - 512), 512))
    try:
        disk = open_disk(disk_file, f"{kind}:{path.name}", siblings=beside, segments=[path])
    except BaseException as error:
        for one in opened:
            one.close()
        if isinstance(error, EvidenceFormatError):
            name = mask_text(path.name)
            raise EvidenceFormatError(
                f"{name}: {error.ja}", f"{name}: {error.en}", hint_ja=error.hint_ja, hint_en=error.hint_en
            ) from error
        raise
    disk.carry(opened)
    return disk
