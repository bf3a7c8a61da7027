"""The SAM hive: local accounts, their last logon, password change and failed logon.

Format of the values F and V: libyal winreg-kb, "Security Account Manager".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from timeline.stamps import filetime, u16, u32, u64

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timeline.event import Event
    from timeline.hive import Hive

_NEVER = 0x7FFFFFFFFFFFFFFF


def events(hive: Hive) -> Iterator[Event]:
    """Four times of each account and that of its name."""
    users = hive.key("SAM/Domains/Account/Users")
    for key in users.subkeys() if users is not None else ():
        fixed, variable = key.value("F"), key.value("V")
        if fixed is None or len(fixed.raw) < 68:
            continue
        text = _texts(variable.raw) if variable is not None else ("", "", "")
        data = {
            "rid": u32(fixed.raw, 48),
            "full_name": text[1],
            "comment": text[2],
            "flags": u16(fixed.raw, 56),
            "disabled": bool(u16(fixed.raw, 56) & 1),
            "failed_logons": u16(fixed.raw, 64),
            "logons": u16(fixed.raw, 66),
        }
        for offset, kind, desc in (
            (8, "account.last_logon", "Last Logon"),
            (24, "account.password_set", "Password Set"),
            (32, "account.expires", "Account Expires"),
            (40, "account.failed_logon", "Last Failed Logon"),
        ):
            value = u64(fixed.raw, offset)
            if 0 < value < _NEVER:
                yield filetime(value).event(kind, desc, record=key.path, actor=text[0], path=text[0], data=data)
    names = hive.key("SAM/Domains/Account/Users/Names")
    for key in names.subkeys() if names is not None else ():
        # The key of the name is written when the account is made or renamed.
        yield filetime(key.written).event("account.name_written", "Key Last Written", record=key.path, path=key.name)


def _texts(raw: bytes) -> tuple[str, str, str]:
    """Name, full name and comment of the value V."""
    found = []
    for place in (12, 24, 36):
        offset, size = u32(raw, place) + 0xCC, u32(raw, place + 4)
        found.append(raw[offset : offset + size].decode("utf-16-le", "replace") if size < 4096 else "")
    return found[0], found[1], found[2]
