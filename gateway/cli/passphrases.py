"""The passphrase for the secrets of a backup: never an argument, which everybody on the machine could read."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from gateway import settings
from gateway.kernel.errors import Invalid

F = TypeVar("F", bound=Callable[..., Any])
_SECRETS = click.option("--with-secrets", is_flag=True, help="The secrets too, under a passphrase.")
_FILE = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Its first line is the passphrase; else GATEWAY_PASSPHRASE, else it is asked for on a terminal.",
)


def with_passphrase(command: F) -> F:
    """Adds `--with-secrets` and `--passphrase-file`."""
    return _SECRETS(_FILE(command))


def passphrase(file: Path | None, *, twice: bool) -> str:
    """Raises Invalid when there is none to be had."""
    if file is not None:
        try:
            found = file.read_text(encoding="utf-8").partition("\n")[0]
        except (OSError, ValueError) as exc:
            raise Invalid(f"{file} cannot be read ({exc})") from exc
        if not found:
            raise Invalid(f"{file} is empty: its first line is the passphrase")
        return found
    if given := settings.passphrase():
        return given
    if not sys.stdin.isatty():
        raise Invalid("there is no passphrase: name a file with --passphrase-file, or set GATEWAY_PASSPHRASE")
    typed: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=twice, err=True)
    return typed
