"""`backup`: copies of everything that this box knows."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import click

from gateway.admin import backups, client
from gateway.admin.socket import NotRunning
from gateway.backups.store import Backups
from gateway.cli.leaf import Place, boxed, leaf
from gateway.cli.passphrases import passphrase, with_passphrase
from gateway.cli.written import written
from gateway.kernel.clock import SystemClock
from gateway.kernel.errors import StartupError
from gateway.settings import Settings

FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def backup() -> None:
    """Copies of everything that this box knows."""


@backup.command()
@click.option("--output", type=FILE, help="This file, instead of one in the folder with the others.")
@with_passphrase
@leaf
def create(place: Place, output: Path | None, passphrase_file: Path | None, *, with_secrets: bool) -> None:
    """Make one and prove it, whether the gateway runs or not. In the folder with the others the old ones make room."""
    secret = passphrase(passphrase_file, twice=True) if with_secrets else None
    if output is None:
        made = place.ask("backups.create", passphrase=secret, kept=True)
    else:
        try:
            made = asyncio.run(_fetched(place.settings(), output.absolute(), secret))
        except OSError as exc:
            raise StartupError(f"{output} cannot be written: {exc}") from exc
    place.show(made, f"made and checked: {made['file']}\n{_plain(made)}")


@backup.command("list")
@leaf
def list_(place: Place) -> None:
    """Those in the folder, newest first."""
    told = place.ask("backups.list")
    lines = [f"{one['name']}\n  {one['error'] or _plain(one)}" for one in told["backups"]]
    place.show(told, "\n".join(lines) or f"no backups in {told['folder']}")


@backup.command()
@click.argument("file", type=click.Path(path_type=Path))
@with_passphrase
@leaf
def verify(place: Place, file: Path, passphrase_file: Path | None, *, with_secrets: bool) -> None:
    """Restore it into a folder of its own and look at everything; with the passphrase at its secrets too."""
    from gateway.backups.restore import verify as verified  # noqa: PLC0415 -- paid by who asks for it

    secret = passphrase(passphrase_file, twice=False) if with_secrets else None
    settings = place.settings()
    found = file if file.exists() else Backups(settings, SystemClock()).find(file.name)
    data = settings.data_dir
    told = verified(found, data if data.is_dir() else None, SystemClock(), secret)
    place.show(told, f"sound: {told['file']}\n{_plain(told)}")


async def _fetched(settings: Settings, output: Path, secret: str | None) -> dict[str, Any]:
    """A running gateway may not be allowed to write there: it is fetched from it."""
    given = {"passphrase": secret, "kept": False}
    try:
        made = await client.ask(settings.data_dir, "backups.create", given)
    except NotRunning:
        async with boxed(settings) as box:
            made = await backups.create(box, given)
            try:
                await asyncio.to_thread(_copied, Path(made["file"]), output)
            finally:
                await backups.drop(box, {"name": Path(made["file"]).name})
        return {**made, "file": str(output)}
    name = Path(made["file"]).name
    try:
        with written(output) as file:
            async with client.downloaded(settings.data_dir, name) as chunks:
                async for chunk in chunks:
                    file.write(chunk)
            if file.tell() != made["bytes"]:
                raise StartupError(f"{output} is not whole: make it again")
    finally:
        await client.ask(settings.data_dir, "backups.drop", {"name": name})
    return {**made, "file": str(output)}


def _copied(made: Path, output: Path) -> None:
    with made.open("rb") as source, written(output) as file:
        shutil.copyfileobj(source, file)


def _plain(one: dict[str, Any]) -> str:
    secrets = "with secrets" if one["secrets"] else "without secrets"
    missing = f", {one['files_missing']} files are missing" if one["files_missing"] else ""
    return (
        f"  {one['made_at'][:19]}Z  {one['gateway']}  version {one['version']}  {one['bytes']} bytes  {one['rows']} rows, "
        f"{one['files']} files{missing}, {secrets}; journal {one['journal_head']}, {one['pending']} not sent"
    )
