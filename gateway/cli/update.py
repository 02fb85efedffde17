"""`update`: a newer version on this box, and the way back. `install.sh` calls these verbs in order."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

import click

from gateway import __version__
from gateway.cli.leaf import Place, leaf
from gateway.kernel import logs
from gateway.kernel.clock import SystemClock
from gateway.settings import Settings
from gateway.updates import note as notes
from gateway.updates import steps
from gateway.updates.steps import RolledBack

_MIB = 2**20


@click.group()
def update() -> None:
    """A newer version on this box, and the way back; `install.sh` calls these in order."""


@update.command("try")
@leaf
def try_(place: Place) -> None:
    """Try the new version on a copy of everything, while the other one works: migrated, checked, started, asked, written to,
    ended. The copy is removed.
    """
    from gateway.updates.trial import tried  # noqa: PLC0415 -- the others need no HTTP

    logs.configure("error")
    done = asyncio.run(tried(place.settings(), SystemClock(), started))
    told = {"version": __version__, "schema": {"from": done.schema_from, "to": done.schema_to}, "bytes": done.bytes}
    seconds = {"copy_s": done.copy_s, "migrate_s": done.migrate_s, "start_s": done.start_s}
    same = "the database stays as it is" if done.schema_from == done.schema_to else _changes(done)
    place.show(
        {**told, **seconds},
        f"{__version__} works on a copy of this box ({done.bytes / _MIB:.1f} MiB, copied in {done.copy_s:.1f} s, started and asked "
        f"in {done.start_s:.1f} s): {same}; nothing was changed",
    )


def _changes(done: Any) -> str:
    if done.schema_from is None:
        return "there is no database yet"
    return f"the update brings its database from schema {done.schema_from} to {done.schema_to} in about {done.migrate_s:.1f} s"


@contextlib.asynccontextmanager
async def started(settings: Settings) -> AsyncIterator[tuple[str, str]]:
    """A gateway on these settings that connects to nobody: its address, and an admin key of it."""
    from gateway.app import running  # noqa: PLC0415 -- what `run` is made of takes half a second
    from gateway.web.auth import NewKey  # noqa: PLC0415 -- for this verb only
    from gateway.web.routes import Scope  # noqa: PLC0415 -- for this verb only

    async with running(settings, links=False) as gateway:
        _, key = await gateway.keys.create(NewKey("trial of an update", Scope.ADMIN))
        yield gateway.urls[0], key


@update.command()
@leaf
def begin(place: Place) -> None:
    """Note what stands here and make the copy to go back to; the gateway must not run."""
    logs.configure("error")
    note = steps.begin(place.settings().data_dir, SystemClock())
    there = f"schema {note.schema}, journal {note.head}; the copy to go back to: {note.copy}"
    place.show(note.told(), f"begun: {there if note.copy else 'there is no database yet'}")


@update.command()
@leaf
def confirm(place: Place) -> None:
    """The new version works: the update is over. Of the copies from before updates the newest two stay."""
    logs.configure("error")
    note = steps.confirm(place.settings().data_dir, SystemClock())
    place.show(
        note.told(), f"confirmed: {_versions(note)}; `update rollback` still goes back, with what is booked meanwhile"
    )


@update.command()
@leaf
def rollback(place: Place) -> None:
    """Back to before the last update, with everything that was booked since; the gateway must not run. Start the older version
    afterwards.
    """
    logs.configure("error")
    done = steps.rollback(place.settings().data_dir, SystemClock())
    place.show(_told(done), _plain(done))


@update.command()
@leaf
def status(place: Place) -> None:
    """The last update: when it began, from which version, how it ended; with --json those before it too."""
    data = place.settings().data_dir
    listed = [one.told() for one in notes.all_of(data)]
    last = notes.last(data)
    told = {"version": __version__, "schema": steps.schema(data), "update": listed[0] if listed else None}
    text = "no update of this box is known"
    if last is not None:
        ended = f", {last.state} {last.ended_at}" if last.ended_at else ": neither confirmed nor rolled back"
        copy = f"; the copy to go back to: {last.copy}" if last.copy else ""
        text = f"{_versions(last)}: begun {last.at} at schema {last.schema}{ended}{copy}"
    place.show({**told, "history": listed[1:]}, text)


def _versions(note: notes.Note) -> str:
    return f"from {note.from_ or 'an older version'} to {note.to or 'the next version'}"


def _told(done: RolledBack) -> dict[str, Any]:
    schemas = {"from": done.schema_from, "to": done.schema_to}
    told: dict[str, Any] = {"rolled_back": True, "schema": schemas, "aside": done.aside and str(done.aside)}
    if done.poured is None:
        return {**told, "rows": None, "left": {}, "refused": [], "parked": 0, "missing": None}
    refused = [{"table": table, "id": key, "why": why} for (table, key), why in done.poured.refused.items()]
    found = asdict(done.poured)
    return {**told, **found, "refused": refused, "missing": done.poured.missing()}


def _plain(done: RolledBack) -> str:
    if done.poured is None:
        return "rolled back: the newer version had not changed the database, it stays as it is. Start the older version"
    rows = f"{done.poured.rows} rows, with everything that was booked since the update began"
    lines = [
        f"rolled back from schema {done.schema_from} to {done.schema_to}: {rows}. Start the older version",
        f"what the newer version left: {done.aside}; delete it when nobody needs it any more",
    ]
    missing = done.poured.missing()
    return "\n".join([*lines, f"not here: {missing}"] if missing else lines)
