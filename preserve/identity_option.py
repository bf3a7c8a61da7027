"""The option `--identity` of every command that reads images: keys for image files encrypted with age."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chain_of_custody.console import text


def _offer(paths: list[Path] | None) -> list[Path] | None:
    if paths:
        from preserve import age_file  # noqa: PLC0415 - start-up time

        age_file.offer(paths)
    return paths


IdentityOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--identity",
        metavar="FILE",
        callback=_offer,
        help=text(
            "age で暗号化されたイメージの鍵: age-keygen の出力か OpenSSH の Ed25519 鍵"
            "(複数可。環境変数 HOZEN_AGE_IDENTITY でも可)",
            "key of an image encrypted with age: output of age-keygen, or an OpenSSH Ed25519 key "
            "(repeatable; also in the environment variable HOZEN_AGE_IDENTITY)",
        ),
    ),
]
"""Takes effect when it is parsed: images that are opened afterwards, here or in a child process, are decrypted."""
