"""Options of the command line that every tool shares: which case, who works, with which key."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chain_of_custody import console
from chain_of_custody.console import text
from chain_of_custody.errors import KeyAccessError, UsageError
from chain_of_custody.masking import mask_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from chain_of_custody.case import Case

CaseOption = Annotated[
    Path | None,
    typer.Option(
        "--case",
        metavar="DIR",
        help=text(
            "事案フォルダー(既定: 現在位置から上で最初のもの)",
            "case folder (default: the nearest one above the current folder)",
        ),
    ),
]
AsOption = Annotated[
    str | None,
    typer.Option("--as", metavar="ID", help=text("誰として作業するか", "id of the person who works")),
]
KeyOption = Annotated[
    Path | None,
    typer.Option(
        "--key",
        metavar="FILE",
        help=text(
            "署名に使う鍵: OpenSSH 秘密鍵、ssh-agent の鍵の .pub、pkcs11: の URI(既定: 設定フォルダーの鍵。初回に作成)",
            "key that signs: an OpenSSH private key, the .pub of one in ssh-agent, a pkcs11: URI (default: the one in "
            "the configuration folder, made at first use)",
        ),
    ),
]
PassphraseFileOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        metavar="FILE",
        help=text("鍵のパスフレーズを 1 行目に書いたファイル", "file whose first line is the passphrase of the key"),
    ),
]


def command_help(ja: str, en: str, *examples: str) -> dict[str, Any]:
    """Help of a command with its examples, in the language of this run: arguments of `app.command`."""
    shown = "\n".join(f"  {example}" for example in examples)
    return {"help": text(ja, en), "epilog": f"\b\n{text('例:', 'Examples:')}\n{shown}"}


def time_given(value: str) -> str:
    """A time that a person typed, as the ledger writes it; without zone it is meant on this machine's clock.

    Raises UsageError.
    """
    from datetime import datetime  # noqa: PLC0415

    try:
        parsed = datetime.fromisoformat(value)
    except ValueError as error:
        raise UsageError(
            f"時刻を読めません: {value}",
            f"not a time: {value}",
            hint_ja="2026-11-24T09:00:00+09:00 の形で指定してください",
            hint_en="write it like 2026-11-24T09:00:00+09:00",
        ) from error
    if parsed.tzinfo is None:
        parsed = parsed.astimezone()
    return parsed.isoformat(timespec="microseconds")


def the_only(numbers: Iterable[int], given: int | None, ja: str, en: str) -> int:
    """`given`, or the one number that is open where none is given. `ja` and `en` say what they are numbers of.

    Raises UsageError.
    """
    if given is not None:
        return given
    known = sorted(numbers)
    if len(known) == 1:
        return known[0]
    raise UsageError(
        f"{ja}がありません" if not known else f"{ja}が {len(known)} 件あります。番号を指定してください",
        f"there is no {en}" if not known else f"there are {len(known)} of them ({en}): say which",
        hint_ja="、".join(map(str, known)),
        hint_en=", ".join(map(str, known)),
    )


def open_named_case(
    case: Path | None,
    *,
    key: Path | None = None,
    as_id: str | None = None,
    passphrase_file: Path | None = None,
) -> Case:
    """The case of a `custody` command: the named folder or the nearest one; never made.

    Raises CaseNotFoundError, LedgerError.
    """
    from chain_of_custody.case import find_case, open_case  # noqa: PLC0415 - `--help` needs no cryptography

    path, _missing = find_case(case, None)
    return open_case(path, key=key, passphrase=passphrase_source(passphrase_file), actor=as_id)


@dataclass(frozen=True, slots=True)
class Work:
    """What the options say that every command has which signs: which case, who works with which key, how to answer."""

    case: Path | None
    as_id: str | None
    key: Path | None
    passphrase_file: Path | None
    as_json: bool

    def open(self) -> Case:
        """The case, see `open_named_case`."""
        return open_named_case(
            self.case,
            key=self.key,
            as_id=self.as_id,
            passphrase_file=self.passphrase_file,
        )


def _options_of_work(
    case: CaseOption = None,
    as_id: AsOption = None,
    key: KeyOption = None,
    passphrase_file: PassphraseFileOption = None,
    as_json: console.JsonOption = False,
    lang: console.LangOption = None,  # noqa: ARG001 - read before the command line is parsed
) -> Work:
    return Work(case, as_id, key, passphrase_file, as_json)


def signing(command: Callable[..., None]) -> Callable[..., None]:
    """A command with --case, --as, --key, --passphrase-file, --json and --lang, which it is given as `work`."""
    common = inspect.signature(_options_of_work, eval_str=True).parameters
    own = inspect.signature(command, eval_str=True)
    kept = [one.replace(kind=one.KEYWORD_ONLY) for name, one in own.parameters.items() if name != "work"]
    parameters = [*kept, *(one.replace(kind=one.KEYWORD_ONLY) for one in common.values())]

    def run(**given: Any) -> None:  # noqa: ANN401 - whatever the options of the command are
        work = _options_of_work(**{name: given.pop(name) for name in common if name in given})
        command(**given, work=work)

    run.__name__, run.__doc__, run.__module__ = command.__name__, command.__doc__, command.__module__
    # typer reads options from signature and annotations.
    run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters} | {"return": None}
    return run


def _from_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            line = file.readline(4096)
    except OSError as error:
        raise UsageError(
            f"パスフレーズのファイルを読めません: {path}: {error.strerror}",
            f"cannot read the passphrase file: {path}: {error.strerror}",
        ) from error
    passphrase = line.rstrip(b"\r\n")
    if not passphrase:
        raise UsageError(f"パスフレーズのファイルが空です: {path}", f"the passphrase file is empty: {path}")
    return passphrase


def on_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def passphrase_source(passphrase_file: Path | None) -> Callable[[], bytes] | None:
    """How to get the passphrase of an existing key: from the file, by asking on a terminal, or not at all."""
    if passphrase_file is not None:
        return lambda: _from_file(passphrase_file)
    if on_terminal():
        return lambda: console.ask_secret("鍵のパスフレーズ: ", "passphrase of the key: ")
    return None


def new_passphrase_source(passphrase_file: Path | None) -> Callable[[], bytes] | None:
    """How to get the passphrase of a key that is made now. Without a terminal and a file: none, no passphrase."""
    if passphrase_file is not None:
        return lambda: _from_file(passphrase_file)
    return _offer_passphrase if on_terminal() else None


def _offer_passphrase() -> bytes:
    from chain_of_custody import operator_key  # noqa: PLC0415 - `--help` needs no cryptography

    console.notice(
        f"署名用の鍵を新しく作ります: {operator_key.default_key_path()}",
        f"A new signing key is made: {operator_key.default_key_path()}",
    )
    for _ in range(3):
        first = console.ask_secret(
            "新しいパスフレーズ(空欄 = なし): ",
            "new passphrase (empty = none): ",
        )
        if not first or first == console.ask_secret("もう一度: ", "again: "):
            return first
        console.notice("一致しません。", "They differ.")
    raise KeyAccessError("パスフレーズが 3 回とも一致しませんでした", "the passphrases differed three times")


def case_for(
    case: Path | None,
    evidence: Path | None,
    *,
    key: Path | None = None,
    as_id: str | None = None,
    passphrase_file: Path | None = None,
    tool: str = "custody",
) -> Case:
    """The case that a command works in: found, or made when there is none; says on standard error what it did.

    Raises UsageError, CaseNotFoundError, LedgerError, KeyAccessError.
    """
    from chain_of_custody import operator_key  # noqa: PLC0415 - `--help` needs no cryptography
    from chain_of_custody.case import find_case, init_case, open_case  # noqa: PLC0415

    path, missing = find_case(case, evidence)
    passphrase = passphrase_source(passphrase_file)
    if not missing:
        opened = open_case(path, key=key, passphrase=passphrase, actor=as_id, tool=tool)
        console.notice(f"事案: {mask_path(path)}", f"case: {mask_path(path)}")
        return opened
    new_key = key is None and not operator_key.default_key_path().exists()
    made = init_case(
        path,
        key=key,
        passphrase=passphrase,
        new_passphrase=new_passphrase_source(passphrase_file),
        actor=as_id,
        name=path.name.removesuffix(".case"),
        tool=tool,
    )
    shown = mask_path(path)
    console.notice(f"事案フォルダーを作りました: {shown}", f"made the case folder: {shown}")
    console.notice(f"  事案の指紋: {made.fingerprint}", f"  fingerprint of the case: {made.fingerprint}")
    if new_key:
        say_new_key(made)
    return made


def say_new_key(case: Case) -> None:
    """Tell on standard error that a key was made, where, and whether it is protected."""
    from chain_of_custody import operator_key  # noqa: PLC0415

    notice, place = case.key_notice(), mask_path(operator_key.default_key_path())
    console.notice(
        f"  署名用の鍵を作りました: {place}({notice.ja})",
        f"  made a signing key: {place} ({notice.en})",
    )
