"""`support-bundle`: how the box is, for somebody who helps, without what is made on it."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import click

from gateway.admin import client
from gateway.admin.socket import NotRunning
from gateway.cli.doctor import config_of, looked
from gateway.cli.leaf import Place, leaf
from gateway.kernel.clock import SystemClock
from gateway.kernel.connection import READER_PRAGMAS, connect
from gateway.kernel.disk import write_whole
from gateway.kernel.errors import StorageFailed
from gateway.settings import Settings
from gateway.support import files as bundle
from gateway.support.files import CONTENTS, Inside, Seen
from gateway.support.redaction import words_in


@click.command("support-bundle")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="The zip; named after gateway and time."
)
@leaf
def support_bundle(place: Place, output: Path | None) -> None:
    """Write a zip with settings, versions, findings, log and figures: no rows, keys, PINs or names."""
    settings = place.settings()
    found = asyncio.run(_files(settings, config_of(place)))
    file = output or Path(bundle.name(settings.gateway.id, SystemClock().now()))
    try:
        write_whole(file.absolute(), bundle.packed(found))
    except OSError as exc:
        raise StorageFailed(f"{file} cannot be written ({exc.strerror}): name another with --output") from exc
    click.echo(found[CONTENTS], err=True)
    place.show({"file": str(file), "files": {name: len(text.encode()) for name, text in found.items()}}, str(file))


async def _files(settings: Settings, config: Path | None) -> dict[str, str]:
    try:
        found: dict[str, str] = await client.ask(settings.data_dir, "support.files", {})
    except NotRunning:
        seen = Seen(settings, await looked(settings, config))
        return bundle.files(seen, _inside(settings, seen))
    return found


def _inside(settings: Settings, seen: Seen) -> Inside | None:
    """Of a database that nobody serves; None when there is none, or it cannot be read: doctor.json says why."""
    path = settings.data_dir / "gateway.sqlite"
    if not path.exists():
        return None
    with contextlib.suppress(sqlite3.Error), contextlib.closing(connect(path, READER_PRAGMAS, mode="ro")) as connection:
        return bundle.inside(connection, words_in(bundle.told(seen)))
    return None
