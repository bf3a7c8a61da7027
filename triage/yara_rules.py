"""Users' YARA rules: compiled with clear errors, matched in bounded time and memory, remembered without matched bytes.

```python
rules = compile_rules([Path("rules/")])                 # .yar and .yara files, or folders of them
found = rules.match(BytesSource(data), name="a.docm")   # found.matches, found.problems
```
`Rules` holds source text, so that it can be handed to a worker process, which compiles it once. Of a match only the
rule, its tags and meta data, and names and offsets of its strings are kept: what matched may be personal data.

Rules may use the external variables `filename`, `filepath`, `extension`, `filetype` and `owner`, as is common in
public rule sets (the last two are always empty here). `include` reaches files below the folder that was given, or
below the folder of the file that was given, and nowhere else.
"""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol

from chain_of_custody.errors import TargetError, UsageError
from triage.extractors.model import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SUFFIXES = (".yar", ".yara")
BUILT_IN = Path(__file__).parent / "rules"
"""Rules that come along: My Number words and forms, ways out, common droppers (examples)."""
BUILT_IN_NAME = "builtin"
"""What stands for them behind `--rules`."""
WINDOW_BYTES = 32 << 20
"""Sources larger than this are matched in windows of this size."""
OVERLAP_BYTES = 1 << 20
"""What two windows share, so that a string on the border is seen whole."""
SECONDS = 60.0
"""For one source, all its windows together."""
MAX_MATCHES = 1_000
"""Most matching rules kept for one source."""
MAX_STRINGS = 200
"""Most offsets kept for one matching rule; the number of all is kept too."""
MAX_RULE_BYTES = 16 << 20
"""Most source text of one set of rules, with everything included."""
MAX_INCLUDES = 1_000

_EXTERNALS = {"filename": "", "filepath": "", "extension": "", "filetype": "", "owner": ""}
# yara-python: "line 3: …" for the text that was handed over, "lib/x.yar(3): …" for an included one.
_PLACE = re.compile(r"\A(?:line (?P<line>\d+)|(?P<file>.*?)\((?P<at>\d+)\)): (?P<message>.*)\Z", re.DOTALL)
_INCLUDE = re.compile(r'^[ \t]*include[ \t]+"([^"\n]*)"', re.MULTILINE)


class Reader(Protocol):
    """What rules are matched against: sized, readable at any offset."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    def read_at(self, offset: int, size: int, /) -> bytes:
        """Up to `size` bytes from `offset`; short only at the end."""


@dataclass(frozen=True, slots=True)
class Match:
    """One rule that matched one source. `strings` holds (name, offset in the source), at most MAX_STRINGS of them."""

    rule: str
    tags: tuple[str, ...]
    meta: Mapping[str, str | int | bool]
    strings: tuple[tuple[str, int], ...]
    strings_total: int

    def to_json(self) -> dict[str, Any]:
        """The match as it stands in a line of findings."""
        return {
            "rule": self.rule,
            "tags": list(self.tags),
            "meta": dict(self.meta),
            "strings": [{"id": name, "offset": offset} for name, offset in self.strings],
            "strings_total": self.strings_total,
        }


@dataclass(frozen=True, slots=True)
class RuleMatches:
    """What the rules said of one source, and what they could not say."""

    matches: tuple[Match, ...]
    problems: tuple[Problem, ...]


@dataclass(slots=True)
class _Seen:
    """One rule's match over the windows so far."""

    tags: tuple[str, ...]
    meta: dict[str, str | int | bool]
    strings: set[tuple[int, str]] = field(default_factory=set)
    total: int = 0


@dataclass(frozen=True, slots=True)
class Rules:
    """A set of rules as text: picklable, comparable, compiled once in each process.

    `files` holds (name, text) of each rule file, `includes` (name of the rule file, name as written, text) of each
    file that one of them includes, in the order in which compiling asks for them.
    """

    files: tuple[tuple[str, str], ...]
    includes: tuple[tuple[str, str, str], ...] = ()

    @property
    def sha256(self) -> str:
        """SHA-256 over names and texts of all files, each preceded by its length: names the set in the ledger."""
        digest = hashlib.sha256()
        for parts in (*self.files, *self.includes):
            for part in parts:
                encoded = part.encode("utf-8", "surrogatepass")
                digest.update(len(encoded).to_bytes(8, "big") + encoded)
        return digest.hexdigest()

    def names(self) -> list[str]:
        """Identifiers of all rules, in the order of the files."""
        return [rule.identifier for rule in _compiled(self)]

    def match(self, data: bytes | bytearray | memoryview | Reader, *, name: str = "", path: str = "") -> RuleMatches:
        """Match all rules against one source.

        `name` and `path` are what rules see as `filename`, `extension` and `filepath`. A source of more than
        WINDOW_BYTES is matched in overlapping windows; then conditions on `filesize` or on positions speak of a
        window, which is said in `problems`, like a time that ran out and matches beyond what is kept.
        """
        search = _Search(_compiled(self), _externals(name, path))
        if isinstance(data, bytes | bytearray | memoryview):
            search.run(((0, data),))
        else:
            search.run(_windows(data), windowed=data.size > WINDOW_BYTES)
        return search.result()


def compile_rules(paths: Sequence[Path]) -> Rules:
    """Read rule files and folders (all .yar and .yara below them, sorted) and check that they compile.

    Raises UsageError with file and line for a rule that does not compile, a file that is not UTF-8 text, an include
    that leaves its folder, or where there is no rule file at all.
    """
    import yara  # noqa: PLC0415 - only where rules are used

    chosen = [BUILT_IN if str(path) == BUILT_IN_NAME and not path.exists() else path for path in paths]
    found = [(root, file) for path in chosen for root, file in _rule_files(path)]
    names = _names([file for _, file in found])
    files: list[tuple[str, str]] = []
    includes: list[tuple[str, str, str]] = []
    size = 0
    for name, (root, file) in zip(names, found, strict=True):
        text = _read(file)
        loader = _Loader(name, root, file)
        try:
            yara.compile(sources={name: text}, include_callback=loader, externals=_EXTERNALS)
        except yara.Error as error:
            raise loader.error or _compile_error(loader, str(error), text) from None
        files.append((name, text))
        includes += loader.loaded
        size += len(text) + sum(len(item[2]) for item in loader.loaded)
        if size > MAX_RULE_BYTES:
            raise UsageError(
                f"{file}: YARA 規則が全体で {MAX_RULE_BYTES:,} 文字を超えます",
                f"{file}: the YARA rules exceed {MAX_RULE_BYTES:,} characters altogether",
                hint_ja="使う規則だけを指定してください",
                hint_en="name only the rules to be used",
            )
    return Rules(tuple(files), tuple(includes))


def describe(rules: Rules) -> list[dict[str, Any]]:
    """Name, tags and meta data of each rule, in the order of the files."""
    return [{"rule": rule.identifier, "tags": list(rule.tags), "meta": _meta(rule.meta)} for rule in _compiled(rules)]


def copy_built_in(folder: Path) -> list[Path]:
    """Copy the built-in rules into `folder`, to be changed there; raises TargetError where a file exists already."""
    copied = []
    for file in sorted(BUILT_IN.glob("*.yar")):
        target = folder / file.name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as out:
                out.write(file.read_bytes())
        except OSError as error:
            raise TargetError(
                f"書けません: {target}: {error.strerror}",
                f"cannot write {target}: {error.strerror}",
                hint_ja="別のフォルダーを指定してください(上書きはしません)",
                hint_en="name another folder (nothing is overwritten)",
            ) from error
        copied.append(target)
    return copied


class _Loader:
    """Answers the include statements of one rule file, and remembers what it gave."""

    def __init__(self, name: str, root: Path, file: Path) -> None:
        self.file = file
        self.loaded: list[tuple[str, str, str]] = []
        self.error: UsageError | None = None
        self._name = name
        self._root = root.resolve()
        # Where each including file lies, under the name by which yara speaks of it.
        self._places = {"": file}

    def __call__(self, requested: str, including: str | None, _namespace: str) -> str | None:
        """Text of an included file; None, after `error` is set, where it must not or cannot be read."""
        place = self._places.get(including or "", self.file)
        target = (place.parent / requested.replace("\\", "/")).resolve()
        if not target.is_relative_to(self._root):
            where = f"{place}:{_include_line(place, requested)}"
            self.error = UsageError(
                f"{where}: include は規則のフォルダーの外を指せません: {requested}",
                f"{where}: include must not leave the folder of the rules: {requested}",
                hint_ja=f"{self._root} の下に置いてください",
                hint_en=f"put it below {self._root}",
            )
            return None
        if len(self.loaded) >= MAX_INCLUDES:
            self.error = UsageError(f"{place}: include が多すぎます", f"{place}: too many includes")
            return None
        try:
            text = _read(target)
        except UsageError as error:
            self.error = error
            return None
        self._places[requested] = target
        self.loaded.append((self._name, requested, text))
        return text

    def place(self, name: str | None) -> Path:
        """The file that yara means by `name`."""
        return self._places.get(name or "", self.file)


class _Search:
    """Matches one source window by window, within one budget of time."""

    def __init__(self, compiled: Any, externals: Mapping[str, str]) -> None:  # noqa: ANN401 - yara has no types
        self._compiled = compiled
        self._externals = externals
        self._seen: dict[tuple[str, str], _Seen] = {}
        self._problems: list[Problem] = []
        self._too_many = False

    def run(
        self,
        windows: Sequence[tuple[int, bytes | bytearray | memoryview]] | Iterator[tuple[int, bytes]],
        *,
        windowed: bool = False,
    ) -> None:
        """Match each window (offset in the source, bytes)."""
        import yara  # noqa: PLC0415 - only where rules are used

        deadline = time.monotonic() + SECONDS
        for offset, data in windows:
            left = deadline - time.monotonic()
            try:
                # The library takes whole seconds, and 0 would mean no limit.
                matches = [] if left <= 0 else self._match(data, max(1, int(left)))
            except yara.TimeoutError:
                left = 0
            except yara.Error as error:
                self._problem("limit", f"YARA が照合を続けられない: {error}", f"YARA cannot go on matching: {error}")
                return
            if left <= 0:
                self._problem(
                    "limit",
                    f"YARA の照合が {SECONDS:.0f} 秒を超えたため、位置 {offset:,} 以降は照合していない",
                    f"YARA took more than {SECONDS:.0f} s: not matched from offset {offset:,} on",
                )
                return
            self._keep(matches, offset)
            del matches
        if windowed:
            self._problem(
                "limit",
                f"大きいため {WINDOW_BYTES >> 20} MiB ずつ照合した。大きさや位置による YARA の条件は全体には及ばない",
                f"matched in windows of {WINDOW_BYTES >> 20} MiB: conditions of YARA rules on size or position do not "
                "cover the whole",
            )

    def result(self) -> RuleMatches:
        """Everything kept, by rule."""
        if self._too_many:
            self._problem(
                "limit", "YARA の一致が多く、一部だけを記録した", "many YARA matches: only some of them are kept"
            )
        matches = []
        for (_, rule), seen in sorted(self._seen.items()):
            strings = tuple((name, offset) for offset, name in sorted(seen.strings))
            matches.append(Match(rule, seen.tags, seen.meta, strings[:MAX_STRINGS], max(seen.total, len(strings))))
        return RuleMatches(tuple(matches), tuple(self._problems))

    def _match(self, data: bytes | bytearray | memoryview, seconds: int) -> list[Any]:
        matches: list[Any] = self._compiled.match(
            data=data,
            timeout=seconds,
            externals=dict(self._externals),
            # The module `console` would print data of the evidence to standard output.
            console_callback=_say_nothing,
            warnings_callback=self._warned,
        )
        return matches

    def _warned(self, _kind: int, _message: object) -> int:
        import yara  # noqa: PLC0415 - only where rules are used

        # A string occurs more than a million times.
        self._too_many = True
        return int(yara.CALLBACK_CONTINUE)

    def _keep(self, matches: Sequence[Any], base: int) -> None:
        for match in matches:
            key = (match.namespace, match.rule)
            seen = self._seen.get(key)
            if seen is None:
                if len(self._seen) >= MAX_MATCHES:
                    self._too_many = True
                    continue
                seen = self._seen[key] = _Seen(tuple(match.tags), _meta(match.meta))
            for string in match.strings:
                instances = string.instances
                seen.total += len(instances)
                room = 2 * MAX_STRINGS - len(seen.strings)
                seen.strings.update((base + item.offset, string.identifier) for item in instances[: max(room, 0)])

    def _problem(self, reason: Any, ja: str, en: str) -> None:  # noqa: ANN401 - a Literal of the model
        self._problems.append(Problem(reason, ja, en))


@lru_cache(maxsize=4)
def _compiled(rules: Rules) -> Any:  # noqa: ANN401 - yara has no types
    """The compiled form, once in each process."""
    import yara  # noqa: PLC0415 - only where rules are used

    waiting = {name: iter([item for item in rules.includes if item[0] == name]) for name, _ in rules.files}

    def include(requested: str, _including: str | None, namespace: str) -> str | None:
        _, expected, text = next(waiting[namespace], ("", "", ""))
        return text if requested == expected else None

    return yara.compile(sources=dict(rules.files), include_callback=include, externals=_EXTERNALS)


def _windows(source: Reader) -> Iterator[tuple[int, bytes]]:
    """Overlapping windows of a source; one window where it is small enough."""
    step = WINDOW_BYTES - OVERLAP_BYTES
    offset = 0
    while True:
        yield offset, source.read_at(offset, WINDOW_BYTES)
        if offset + WINDOW_BYTES >= source.size:
            return
        offset += step


def _externals(name: str, path: str) -> dict[str, str]:
    """Values of the external variables. NUL would cut them short, and halves of surrogates cannot be passed on."""
    values = {"filename": name, "filepath": path, "extension": PurePosixPath(name).suffix}
    clean = {key: value.replace("\0", "").encode("utf-8", "replace").decode("utf-8") for key, value in values.items()}
    return _EXTERNALS | clean


def _meta(meta: Mapping[str, Any]) -> dict[str, str | int | bool]:
    return {key: value if isinstance(value, str | int) else str(value) for key, value in meta.items()}


def _say_nothing(_message: object) -> None:
    pass


def _rule_files(path: Path) -> Iterator[tuple[Path, Path]]:
    """(folder that includes may reach, rule file) for a file or for each rule file below a folder."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        if not files:
            raise UsageError(
                f"{path}: YARA 規則(.yar、.yara)がありません",
                f"{path}: no YARA rules (.yar, .yara) in this folder",
            )
        yield from ((path, file) for file in files)
    else:
        yield path.parent, path


def _names(files: Sequence[Path]) -> list[str]:
    """A name for each file's namespace: its own name, numbered where two are called the same."""
    names: list[str] = []
    for file in files:
        same = sum(1 for name in names if name == file.name or name.endswith(f":{file.name}"))
        names.append(f"{same + 1}:{file.name}" if same else file.name)
    return names


def _read(file: Path) -> str:
    try:
        size = file.stat().st_size
        if size > MAX_RULE_BYTES:
            raise UsageError(
                f"{file}: YARA 規則として大きすぎます({size:,} B)", f"{file}: too big for YARA rules ({size:,} B)"
            )
        content = file.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{file}: YARA 規則を読めません({error.strerror})",
            f"{file}: cannot read YARA rules ({error.strerror})",
        ) from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UsageError(
            f"{file}:{line}: UTF-8 の文字列ではありません",
            f"{file}:{line}: not UTF-8 text",
            hint_ja="UTF-8 で保存し直し、ほかの符号化の文字列は {hex} で書いてください",
            hint_en="save it as UTF-8 and write strings of other encodings as {hex}",
        ) from None


def _include_line(place: Path, requested: str) -> int:
    text = _read(place)
    found = next((match for match in _INCLUDE.finditer(text) if match[1] == requested), None)
    return text[: found.start()].count("\n") + 1 if found else 1


def _compile_error(loader: _Loader, message: str, text: str) -> UsageError:
    found = _PLACE.match(message)
    if found is None:
        return UsageError(
            f"{loader.file}: YARA 規則の誤り: {message}", f"{loader.file}: error in YARA rules: {message}"
        )
    # yara counts the line after the last one, where a string or a comment is never closed.
    line = min(int(found["line"] or found["at"]), text.count("\n") + 1) if found["line"] else int(found["at"])
    place = f"{loader.place(found['file'])}:{line}"
    return UsageError(
        f"{place}: YARA 規則の誤り: {found['message']}",
        f"{place}: error in YARA rules: {found['message']}",
        hint_ja="行を直してから、もう一度実行してください",
        hint_en="correct the line and run again",
    )
