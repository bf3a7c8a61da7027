"""The one place, beside each `cli.py`, that prints: language, tables, progress, errors and exit codes of all tools.

Results go to standard output, everything else (progress, notices, errors) to standard error, so that `--json` output
can be piped. Each tool's `main` is `run(app)`.

```python
from chain_of_custody import console

say = console.text("画像を読みました", "image read")   # the language of this run
console.run(app)                                        # handles --lang, errors, Ctrl-C and exit codes
```
"""

from __future__ import annotations

import getpass
import json
import locale
import os
import signal
import sys
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, cast

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from chain_of_custody.errors import HozenError, Language, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import PurePath
    from types import FrameType

    from chain_of_custody.entries import Entry

EXIT_OK = 0
EXIT_NG = 1
EXIT_USAGE = 2
EXIT_PARTIAL = 3
EXIT_EVIDENCE = 4
EXIT_WRITE = 5
EXIT_FAULT = 70
"""The program itself failed (sysexits.h: EX_SOFTWARE); never confused with a verdict on evidence."""
EXIT_INTERRUPTED = 130
FILE_COLUMNS = 240
"""Width of tables that go into a file or a pipe, in characters."""


def _language_of(arguments: Sequence[str], environment: Mapping[str, str]) -> Language:
    """Language of a run: `--lang` anywhere on the command line, else the locale, else English."""
    for position, argument in enumerate(arguments):
        if argument == "--":
            break
        value = ""
        if argument == "--lang" and position + 1 < len(arguments):
            value = arguments[position + 1]
        elif argument.startswith("--lang="):
            value = argument.partition("=")[2]
        if value in ("ja", "en"):
            return cast("Language", value)
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if environment.get(name):
            return "ja" if environment[name].lower().startswith("ja") else "en"
    if sys.platform == "win32":
        # Windows sets none of these; getlocale() there gives 'Japanese_Japan'.
        return "ja" if (locale.getlocale()[0] or "").lower().startswith("ja") else "en"
    return "en"


_USAGE_ERRORS: tuple[type[Exception], ...] = tuple(
    one for one in typer.BadParameter.__mro__ if one.__name__ in ("UsageError", "ClickException")
)
"""What the parser of the command line raises; typer brings its own copy of click and names only this one of them."""

_language: Language = _language_of(sys.argv[1:], os.environ)


def language() -> Language:
    """Language of this run."""
    return _language


def set_language(value: Language) -> None:
    """Set the language of this run (for tests and for library users)."""
    global _language  # noqa: PLW0603 - one process serves one user in one language
    _language = value


def text(ja: str, en: str) -> str:
    """Of two wordings of the same message, the one in the language of this run."""
    return ja if _language == "ja" else en


def _check_lang(value: str | None) -> str | None:
    if value not in (None, "ja", "en"):
        raise typer.BadParameter(text("ja か en を指定してください", "give ja or en"))
    return value


LangOption = Annotated[
    str | None,
    typer.Option(
        "--lang",
        metavar="ja|en",
        callback=_check_lang,
        help=text("表示言語(既定はロケールに従う)", "language of messages (default: from the locale)"),
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", help=text("結果を JSON で標準出力に出す", "write the result as JSON to standard output")),
]


def out_console() -> Console:
    """A rich console on standard output, made now so that redirection in tests is seen."""
    is_terminal = sys.stdout.isatty()
    # Tables in a file or a pipe keep a row on one line; nobody sees their edge.
    width = None if is_terminal or os.environ.get("COLUMNS") else FILE_COLUMNS
    return Console(file=sys.stdout, highlight=False, soft_wrap=not is_terminal, width=width)


def error_console() -> Console:
    """A rich console on standard error."""
    return Console(file=sys.stderr, highlight=False, soft_wrap=not sys.stderr.isatty())


def print_json(value: Any) -> None:  # noqa: ANN401 - whatever json can write
    """One JSON document on standard output, with Japanese as such."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def say_entry(entry: Entry, ja: str, en: str, *, as_json: bool) -> None:
    """What was recorded: the entry as JSON, or its number and one sentence."""
    if as_json:
        print_json({"entry": entry.seq, "type": entry.type, "sha256": entry.sha256, "body": dict(entry.body)})
    else:
        out_console().print(text(f"第 {entry.seq} 項: {ja}", f"entry {entry.seq}: {en}"), markup=False)


def print_json_line(value: Any) -> None:  # noqa: ANN401 - whatever json can write
    """One JSON document on one line of standard output (JSON Lines)."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def write_text(value: str) -> None:
    """A result that is text already, on standard output."""
    sys.stdout.write(value)


def print_text(value: str) -> None:
    """Text on standard output as it is."""
    sys.stdout.write(value)


def mask_path(path: PurePath | str) -> str:
    """A path as it may be shown."""
    from chain_of_custody import masking  # noqa: PLC0415 - `--help` needs none of it

    return masking.mask_path(path)


def notice(ja: str, en: str) -> None:
    """One line for the user on standard error, in the language of this run."""
    error_console().print(text(ja, en), markup=False)


def ask_secret(ja: str, en: str) -> bytes:
    """What a person types at a terminal, not shown (only where there is a terminal)."""
    return getpass.getpass(text(ja, en), stream=sys.stderr).encode("utf-8")


def ask(ja: str, en: str) -> str:
    """What a person types at a terminal; empty at the end of input."""
    sys.stderr.write(text(ja, en))
    sys.stderr.flush()
    return sys.stdin.readline().rstrip("\n")


def fail(error: HozenError, *, as_json: bool = False) -> NoReturn:
    """Print `error` with its hint and exit with its code. Numbers that were typed into an option are masked."""
    from chain_of_custody.masking import mask_text  # noqa: PLC0415 - needed when something went wrong only

    message = mask_text(error.message(_language))
    hint = mask_text(error.hint(_language) or "")
    if as_json:
        print_json(
            {"error": type(error).__name__, "message": message, "hint": hint},
        )
    console = error_console()
    console.print(f"{text('エラー', 'error')}: {message}", markup=False)
    if hint:
        console.print(f"  → {hint}", markup=False)
    sys.exit(error.exit_code)


def _without_language(arguments: Sequence[str]) -> list[str]:
    """The command line without `--lang ja|en`, which was read before and may stand anywhere, behind any command."""
    kept: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            return [*kept, argument, *rest]
        if argument in ("--lang=ja", "--lang=en"):
            continue
        if argument == "--lang":
            value = next(rest, None)
            if value not in ("ja", "en"):  # left for the parser, which says what is wrong
                kept += [argument] if value is None else [argument, value]
            continue
        kept.append(argument)
    return kept


def run(app: Callable[..., Any]) -> NoReturn:
    """Run a typer application as a program: errors become messages and exit codes, Ctrl-C and SIGTERM exit 130."""
    stopped = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        raise KeyboardInterrupt

    # A stop from outside (kill, a closing session) leaves the same resumable state as Ctrl-C.
    signal.signal(signal.SIGTERM, stop)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where a shell has it ignored
        signal.signal(signal.SIGINT, stop)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # Names on evidence may hold what the terminal cannot show; that must never end a run.
            stream.reconfigure(errors="backslashreplace")
    sys.argv[1:] = _without_language(sys.argv[1:])
    try:
        # Not standalone: errors of usage are told in the same form and language as all others.
        code = app(standalone_mode=False)
    except HozenError as error:
        fail(error, as_json="--json" in sys.argv)
    except _USAGE_ERRORS as error:
        _fail_usage(error, as_json="--json" in sys.argv)
    except typer.Abort:
        notice("中断しました。", "Interrupted.")
        sys.exit(EXIT_INTERRUPTED)
    except KeyboardInterrupt:
        notice("中断しました。", "Interrupted.")
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader of a pipe went away (| head): not an error of the evidence.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_OK)
    except Exception as error:  # noqa: BLE001 - the last resort: a fault of the program itself
        _report_fault(error)
        sys.exit(EXIT_FAULT)
    except BaseException as error:
        # A library in Rust that is stopped while it loads gives a panic of its own instead of the interruption.
        if type(error).__name__ != "PanicException":
            raise
        if not stopped:
            _report_fault(error)
            sys.exit(EXIT_FAULT)
        notice("中断しました。", "Interrupted.")
        sys.exit(EXIT_INTERRUPTED)
    sys.exit(code if isinstance(code, int) else EXIT_OK)


def _fail_usage(error: Any, *, as_json: bool) -> NoReturn:  # noqa: ANN401 - the parser's own class has no public name
    """Say what is wrong with the command line, and which help tells more; exit code 2."""
    name = type(error).__name__
    if name == "NoArgsIsHelpError":
        error.show()
        sys.exit(EXIT_USAGE)
    english = error.format_message()
    japanese = english
    if name == "NoSuchOption":
        japanese = f"そのオプションはありません: {error.option_name}"
        near = ", ".join(sorted(error.possibilities or ()))
        japanese += f"({near} のことですか)" if near else ""
    elif name == "MissingParameter":
        japanese = f"指定が足りません: {_parameter_name(error)}"
    elif name == "BadParameter":
        japanese = f"{_parameter_name(error)} の値が正しくありません: {_in_japanese(error.message)}"
    elif english.startswith("No such command"):
        japanese = f"そのコマンドはありません: {english.partition(chr(39))[2].partition(chr(39))[0]}"
    elif english.startswith("Got unexpected extra argument"):
        japanese = f"余分な引数があります: {english.rpartition('(')[2].rstrip(').')}"
    elif "requires an argument" in english:
        japanese = f"値が要ります: {getattr(error, 'option_name', '')}"
    context = getattr(error, "ctx", None)
    command = f"{context.command_path if context is not None else Path(sys.argv[0]).name} --help"
    fail(UsageError(japanese, english, hint_ja=command, hint_en=command), as_json=as_json)


def _parameter_name(error: Any) -> str:  # noqa: ANN401 - see above
    """The option or argument that an error is about, as it is typed."""
    if error.param is None:
        return str(error.param_hint or "")
    name = error.param.opts[0]
    return str(name if name.startswith("-") else error.param.metavar or error.param.human_readable_name)


_COERCION = (
    ("valid integer", "整数を指定してください"),
    ("greater than or equal to", "小さすぎます(最小 {})"),
    ("less than or equal to", "大きすぎます(最大 {})"),
)


def _in_japanese(message: str) -> str:
    """What is wrong with a value; the parser says it in English."""
    for words, japanese in _COERCION:
        if words in message:
            return japanese.format(message.rpartition(" ")[2])
    return message


def _report_fault(error: BaseException) -> None:
    """Say where the program failed, without the words of the exception, which may hold content of evidence."""
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames[-6:]))
    notice(
        f"プログラムの誤り({type(error).__name__})。操作は台帳に残っています。この行を開発者に伝えてください: {where}",
        f"A fault of the program ({type(error).__name__}). What was done is in the ledger. Report this line: {where}",
    )


class ProgressTask:
    """One line of progress; `advance(n)` after n units (bytes or items) are done."""

    def __init__(self, progress: Progress | None, task_id: Any) -> None:  # noqa: ANN401 - rich's own id type
        self._progress = progress
        self._task_id = task_id

    def advance(self, amount: int) -> None:
        """Move on by `amount` units."""
        if self._progress is not None:
            self._progress.advance(self._task_id, amount)

    def update(self, *, completed: int | None = None, total: int | None = None, description: str | None = None) -> None:
        """Set position, total or the words in front."""
        if self._progress is not None:
            self._progress.update(self._task_id, completed=completed, total=total, description=description)


@contextmanager
def progress(description: str, total: int | None, *, unit: str = "bytes") -> Iterator[ProgressTask]:
    """Progress with rate and remaining time on standard error; silent where that is no terminal.

    `total` counts bytes (`unit="bytes"`) or items (`unit="items"`).
    """
    if not sys.stderr.isatty():
        yield ProgressTask(None, None)
        return
    columns: list[ProgressColumn] = [TextColumn("{task.description}", markup=False), BarColumn()]
    columns += [DownloadColumn(), TransferSpeedColumn()] if unit == "bytes" else [MofNCompleteColumn()]
    columns.append(TimeRemainingColumn())
    with Progress(*columns, console=error_console(), transient=True) as bar:
        yield ProgressTask(bar, bar.add_task(description, total=total))
