"""Anonymised copies (C7): findings and timeline events with consistent pseudonyms, and nothing else that names anybody.

Nothing is kept because it looks harmless: only members with a closed meaning (states, codes, sizes, times, kinds) stay
as they are, every other text becomes a pseudonym, HMAC-SHA256 under a fresh key. Equal texts have equal pseudonyms, and
paths keep their depth and the type of file. Before the copy gets its name it is searched for what must not be in it.

Times, sizes and structure stay: somebody who knows the case may still recognise it. This is pseudonymised data while
the key exists, and no claim of anonymity in law afterwards.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chain_of_custody.errors import TargetError, UsageError
from triage.findings import encode_line
from triage.results import open_results

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_CODE = re.compile(r"[a-z][a-z0-9_.]{0,40}")
_PLAIN_TIME = re.compile(r"[0-9TZ:.,+\- /]{1,40}")
_SUFFIX = re.compile(r"\.[A-Za-z]{1,5}")
_MOST_LINE = 64 << 20
_SHORTEST = 2  # characters of a text that the copy is searched for; a single one says nothing

FINDING_CODES = ("kind", "confidence", "state", "encoding")
EVENT_CODES = ("kind", "state", "zone_basis", "clock_basis")
EVENT_NUMBERS = ("time_ns", "precision_ns", "bytes", "sequence", "row")


class LeakError(TargetError):
    """Something that must not be in the copy would have been in it; nothing was written."""


@dataclass(slots=True)
class Pseudonyms:
    """Pseudonyms under one key, and the texts that they stand for."""

    key: bytes = field(repr=False)
    met: set[str] = field(default_factory=set, repr=False)

    def of(self, kind: str, text: str) -> str:
        """`kind-0123456789ab`: the same for the same text, whatever the kind of member it stands in."""
        if not text:
            return ""
        self.met.add(text)
        return f"{kind}-{hmac.new(self.key, text.encode('utf-8', 'surrogatepass'), hashlib.sha256).hexdigest()[:16]}"

    def path(self, text: str) -> str:
        """A path with each part replaced; the type of file (`.xlsx`) stays."""
        parts = []
        for part in re.split(r"([/\\|:]+)", text):
            if not part or re.fullmatch(r"[/\\|:]+", part):
                parts.append(part)
                continue
            suffix = part[part.rfind(".") :] if "." in part else ""
            kept = suffix.lower() if _SUFFIX.fullmatch(suffix) else ""
            parts.append(self.of("p", part) + kept)
        if text:
            self.met.add(text)
        return "".join(parts)

    def value(self, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        """A member with an open meaning: texts and numbers inside texts replaced, numbers of size or count kept."""
        if isinstance(value, str):
            return self.of("t", value)
        if isinstance(value, dict):
            return {
                (str(name) if _CODE.fullmatch(str(name)) else self.of("k", str(name))): self.value(one)
                for name, one in value.items()
            }
        if isinstance(value, list):
            return [self.value(one) for one in value]
        # An id in a number may be a My Number, or the number of an account.
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**9:
            return self.of("n", str(value))
        return value if value is None or isinstance(value, bool | int | float) else None


def _code(value: Any) -> str:  # noqa: ANN401
    return value if isinstance(value, str) and (_CODE.fullmatch(value) or (value.isascii() and value.isalpha())) else ""


def _times(value: Any) -> dict[str, Any]:  # noqa: ANN401
    kept: dict[str, Any] = {}
    for name, one in value.items() if isinstance(value, dict) else ():
        if _CODE.fullmatch(name) and isinstance(one, dict):
            kept[name] = {
                part: one.get(part) for part in ("ns", "precision_ns", "zone_known") if _number(one.get(part))
            }
    return kept


def _number(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, int | float)


def finding(line: Mapping[str, Any], names: Pseudonyms) -> dict[str, Any]:
    """One finding as it stands in the copy; masked digits and HMAC are gone, a pseudonym of the HMAC stands for it."""
    new: dict[str, Any] = {"v": line.get("v"), "id": line.get("id") if _is_id(line.get("id")) else ""}
    new |= {name: _code(line.get(name)) for name in FINDING_CODES}
    names.of("number", str(line.get("masked") or ""))
    new["number"] = names.of("number", str(line.get("hmac") or ""))
    for name in ("layers", "path", "container", "medium"):
        new[name] = names.path(str(line.get(name) or ""))
    new["location"] = names.of("t", str(line.get("location") or ""))
    for name in ("offset", "file_offset", "medium_offset"):
        new[name] = line.get(name) if _number(line.get(name)) else None
    new["times"] = _times(line.get("times"))
    new["reason_codes"] = [one for one in map(_code, line.get("reason_codes") or ()) if one]
    stage = line.get("stage")
    new["stage"] = _code(stage.get("code")) if isinstance(stage, dict) else ""
    new["protection"] = [one for one in map(_code, line.get("protection") or ()) if one]
    new["content"] = names.of("content", str(line.get("content_sha256") or ""))
    new["rule"] = names.of("rule", str(line.get("rule") or ""))
    return new


def _is_id(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, str) and re.fullmatch(r"F\d{1,9}", value) is not None


def event(line: Mapping[str, Any], names: Pseudonyms) -> dict[str, Any]:
    """One event of a timeline as it stands in the copy."""
    new: dict[str, Any] = {name: line[name] for name in EVENT_NUMBERS if _number(line.get(name))}
    new |= {name: _code(line[name]) for name in EVENT_CODES if name in line}
    for name, value in line.items():
        if name in new:
            continue
        key = name if _CODE.fullmatch(name) else names.of("k", name)
        if name == "time_text" and isinstance(value, str) and new.get("time_ns") is not None and _is_time(value):
            new[key] = value
        elif name in ("path", "source", "layer") and isinstance(value, str):
            new[key] = names.path(value)
        else:
            new[key] = names.value(value)
    return new


def _is_time(text: str) -> bool:
    return _PLAIN_TIME.fullmatch(text) is not None and re.search(r"\d{9}", text) is None


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(_MOST_LINE), b""), 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except ValueError:
                value = None
            if not isinstance(value, dict):
                raise UsageError(
                    f"{path.name} の {number} 行目が JSON のオブジェクトではありません",
                    f"line {number} of {path.name} is no JSON object",
                )
            yield value


def read_names(path: Path | None) -> tuple[str, ...]:
    """The names in a file, one a line; raises UsageError."""
    if path is None:
        return ()
    try:
        return tuple(line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("名前のファイルを読めません(UTF-8)", "the file of names cannot be read (UTF-8)") from error


def anonymise(findings: Path, timeline: Path | None, key: bytes, given: Iterable[str] = ()) -> dict[str, bytes]:
    """The files of the copy by name. `given` are names that must not be in it, as every text that was replaced.

    Raises UsageError for what cannot be read, LeakError where something would have survived.
    """
    names = Pseudonyms(key)
    files = {
        "findings.jsonl": "".join(
            encode_line(finding(line, names)) for line in open_results(findings.resolve().parent).findings()
        )
    }
    if timeline is not None:
        files["timeline.jsonl"] = "".join(encode_line(event(line, names)) for line in _lines(timeline))
    _search(files, names, given)
    return {name: text.encode("utf-8", "backslashreplace") for name, text in files.items()}


def _search(files: Mapping[str, str], names: Pseudonyms, given: Iterable[str]) -> None:
    """Raise LeakError where a name given, or a text replaced that is not itself a plain word, is in the copy."""
    whole = "\n".join(files.values())
    for name in given:
        if name in whole:
            raise LeakError("与えられた名前が写しに残ります", "one of the given names would be in the copy")
    values = set(re.findall(r'"((?:[^"\\]|\\.)*)"', whole))
    kept = {one for one in values if not re.fullmatch(r"[a-z]+-[0-9a-f]{16}(\.[a-z]{1,5})?", one)}
    risky = {one for one in names.met if len(one) >= _SHORTEST and not _code(one) and not _is_time(one)}
    if risky & kept or any(re.search(r"(?<![0-9a-f])\d{12}(?![0-9a-f])", one) for one in kept):
        raise LeakError("置き換えるべき値が写しに残ります", "a text that had to be replaced would be in the copy")
