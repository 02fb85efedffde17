"""`export`, `import`: whole tables out and in, piece by piece, whether the gateway runs or not."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import IO, Any, BinaryIO, Self

import click

from gateway.admin import client
from gateway.admin.socket import NotRunning
from gateway.admin.transfer import importing
from gateway.cli.leaf import Place, boxed, leaf
from gateway.cli.written import written
from gateway.kernel.errors import StartupError
from gateway.settings import Settings
from gateway.transfer.commands import laid_down
from gateway.transfer.export import FORMATS, Exports

CHUNK_BYTES = 256 * 1024
TOLD_EVERY_S = 5.0  # where there is no terminal
STREAM = "-"


@click.command()
@click.option("--entities", default="full", show_default=True, help="Tables with commas between, or `all`, or `full`.")
@click.option("--format", "format_", type=click.Choice(FORMATS), default="json", show_default=True)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    default=STREAM,
    show_default=True,
    help="A file, which is there whole or not at all; - is stdout.",
)
@leaf
def export(place: Place, entities: str, format_: str, output: Path) -> None:
    """Write tables as they stand at one moment; `import` reads them."""
    try:
        with _written(output) as file:
            size = asyncio.run(_export(place.settings(), entities, format_, file))
    except BrokenPipeError:
        raise  # whoever reads has enough
    except OSError as exc:
        raise StartupError(f"{output} cannot be written: {exc}") from exc
    if str(output) != STREAM:
        place.show({"file": str(output), "bytes": size}, f"written: {output}, {size} bytes")


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@click.option("--dry-run", is_flag=True, help="See whether all of it can be written, and leave everything as it is.")
@leaf
def import_(place: Place, file: Path, *, dry_run: bool) -> None:
    """Bring rows in, by table, with their ids; may be repeated. JSON, a CSV file named after its table, or a zip of those."""
    try:
        with _opened(file) as stream:
            answer = asyncio.run(_import(place.settings(), file, stream, dry_run=dry_run))
    except OSError as exc:
        raise StartupError(f"{file} cannot be read: {exc}") from exc
    done = "would be written" if dry_run else "written"
    lines = [
        f"{table}: {one['written']} {done}, {one['unchanged']} unchanged" for table, one in answer["tables"].items()
    ]
    lines += [f"{table}: not kept by this version" for table in answer["not_kept"]]
    place.show(answer, "\n".join(lines) or "nothing in it")


# ------------------------------------------------------------------ out


async def _export(settings: Settings, entities: str, format_: str, file: IO[bytes]) -> int:
    size = 0
    async with AsyncExitStack() as stack:
        try:
            chunks = await stack.enter_async_context(client.exported(settings.data_dir, entities, format_))
        except NotRunning:
            box = await stack.enter_async_context(boxed(settings))
            made = await Exports(box.db, box.clock, settings.site.enterprise, settings.site.tenant_id).open(
                entities, format_
            )
            chunks = await stack.enter_async_context(contextlib.aclosing(made.chunks))
        async for chunk in chunks:
            file.write(chunk)
            size += len(chunk)
    return size


@contextlib.contextmanager
def _written(output: Path) -> Iterator[IO[bytes]]:
    """Beside its place until it is whole and on the disk, so that a half one never has its name."""
    if str(output) == STREAM:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with written(output) as file:
        yield file


# ------------------------------------------------------------------ in


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    if str(file) == STREAM:
        yield sys.stdin.buffer
        return
    with file.open("rb") as stream:
        yield stream


async def _import(settings: Settings, file: Path, stream: BinaryIO, *, dry_run: bool) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        sending = client.imported(settings.data_dir, _chunks(stream), file.name, dry_run=dry_run)
        try:
            told = await stack.enter_async_context(sending)
        except NotRunning:
            box = await stack.enter_async_context(boxed(settings))
            path = file
            if str(file) == STREAM:
                path = await stack.enter_async_context(laid_down(_chunks(stream), box.db.room))
            told = importing(box, path, file.name, dry_run=dry_run)
        return await _followed(told)


async def _chunks(stream: BinaryIO) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(stream.read, CHUNK_BYTES):
        yield chunk


async def _followed(told: AsyncIterator[dict[str, Any]]) -> dict[str, Any]:
    """The answer; on the way to it how far it is, on stderr."""
    with _Shown() as shown:
        async for one in told:
            if "answer" in one:
                answer: dict[str, Any] = one["answer"]
                return answer
            if one["total"]:
                shown.at(one["table"], one["rows"], one["total"])
    raise StartupError("the gateway broke off: its log says why")


class _Shown:
    """A bar on a terminal, elsewhere a line now and then."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._bar: Any = None  # click has no public name for it
        self._told_s = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._stack.close()

    def at(self, table: str, rows: int, total: int) -> None:
        if sys.stderr.isatty():
            self._bar = self._bar or self._stack.enter_context(
                click.progressbar(length=total, show_pos=True, file=sys.stderr)
            )
            self._bar.label = table
            self._bar.update(rows - self._bar.pos)
        elif time.monotonic() - self._told_s >= TOLD_EVERY_S:
            self._told_s = time.monotonic()
            click.echo(f"{table}: {rows} of {total} rows", err=True)
