"""Keys for encrypted volumes: the file that `--keys` names, and passwords tried on every volume.

```
# one a line: which volume, what kind, the value; without a volume the key is tried on all
*:recovery:111111-222222-333333-444444-555555-666666-777777-888888
gpt:3:password:correct horse battery staple
password:another one
keyfile:/media/usb/luks.key
startup:/media/usb/3FDE.BEK
```
Values are secrets: they are in no log, no exception and no ledger; `repr` hides them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from chain_of_custody.errors import UsageError
from chain_of_custody.masking import mask_text

if TYPE_CHECKING:
    from collections.abc import Iterable

KeyKind = Literal["recovery", "password", "keyfile", "startup"]
_LINE = re.compile(r"^(?:(\*|[a-z]+:[^:]+):)?(" + "|".join(get_args(KeyKind)) + r"):(.*)$")
_RECOVERY = re.compile(r"^\d{6}(?:-\d{6}){7}$")
_MOST_KEYS = 10_000
_LARGEST_FILE = 8 << 20  # bytes of a key file, as cryptsetup reads at most


@dataclass(frozen=True, slots=True)
class VolumeKey:
    """One key. `volume` is a layer such as `gpt:3`, or `*`; `data` holds the content of a key file."""

    kind: KeyKind
    volume: str = "*"
    value: str = field(default="", repr=False)
    data: bytes = field(default=b"", repr=False)

    def fits(self, layer: str) -> bool:
        """Whether the key is meant for the volume with the chain of layers `layer`."""
        return self.volume == "*" or self.volume in layer.split("|")

    @property
    def secret(self) -> bytes:
        """The key as bytes: the content of a key file, or the text in UTF-8."""
        return self.data or self.value.encode("utf-8", "surrogateescape")


Keys = tuple[VolumeKey, ...]


def parse_keys(lines: Iterable[str], *, name: str = "") -> Keys:
    """The keys of a file's lines. Raises UsageError, which names the line and never what stands in it."""
    keys: list[VolumeKey] = []
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip("\r\n")
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if _RECOVERY.match(line.strip()):
            keys.append(VolumeKey("recovery", value=line.strip()))
            continue
        match = _LINE.match(line)
        if match is None or not match[3]:
            raise UsageError(
                f"鍵のファイル {name} の {number} 行目が読めません",
                f"line {number} of the key file {name} cannot be read",
                hint_ja="「ボリューム:種類:値」の形で書いてください(例: *:recovery:111111-…、gpt:3:password:…)",
                hint_en="write volume:kind:value (for example *:recovery:111111-…, gpt:3:password:…)",
            )
        volume, kind, value = match[1] or "*", match[2], match[3]
        data = _content(Path(value), name, number) if kind in ("keyfile", "startup") else b""
        keys.append(VolumeKey(kind, volume, value, data))  # type: ignore[arg-type]  # one of KeyKind by the pattern
        if len(keys) > _MOST_KEYS:
            raise UsageError(f"鍵が多すぎます: {name}", f"too many keys: {name}")
    return tuple(dict.fromkeys(keys))


def _content(path: Path, name: str, number: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise UsageError(
            f"鍵のファイル {name} の {number} 行目のファイルを読めません: {error.strerror}",
            f"the file named in line {number} of the key file {name} cannot be read: {error.strerror}",
        ) from error
    if not data or len(data) > _LARGEST_FILE:
        raise UsageError(
            f"鍵のファイル {name} の {number} 行目のファイルは空か大きすぎます",
            f"the file named in line {number} of the key file {name} is empty or too large",
        )
    return data


def read_keys(file: Path | None, passwords: Iterable[str] = ()) -> Keys:
    """The keys in `file` and `passwords`, which are tried on every volume. Raises UsageError."""
    keys: Keys = ()
    if file is not None:
        name = mask_text(str(file))
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"鍵のファイルを読めません(UTF-8): {name}", f"cannot read the key file (UTF-8): {name}"
            ) from error
        keys = parse_keys(text.splitlines(), name=name)
    more = [VolumeKey("recovery" if _RECOVERY.match(one) else "password", value=one) for one in passwords]
    return tuple(dict.fromkeys((*keys, *more)))
