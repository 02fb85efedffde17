"""`uns watch`: the namespace live in a terminal, as lines where there is none."""

import asyncio
import contextlib
import secrets
import shutil
import signal
import sys
import time
from datetime import UTC, datetime

import click
from pydantic import TypeAdapter, ValidationError

from gateway.admin.socket import NotRunning
from gateway.cli.leaf import Place, leaf
from gateway.kernel.clock import zulu
from gateway.kernel.errors import Unavailable
from gateway.kernel.supervise import first
from gateway.settings import Settings
from gateway.uns.client import connected
from gateway.uns.packets import Address
from gateway.uns.topics import Topics
from gateway.uns.viewing import viewing
from gateway.uns.watch import Seen, Tree, plain, said
from gateway.values import Filter

REDRAW_S = 0.5
AGAIN_S = 1.0
_TOP, _LINE_END, _REST = "\x1b[H", "\x1b[K\n", "\x1b[J"  # what a terminal is told


@click.command()
@click.argument("topic", required=False)
@leaf
def watch(place: Place, topic: str | None) -> int:
    """The namespace as it changes, until Ctrl-C. TOPIC is an MQTT filter; without it everything of this site."""
    settings = place.settings()
    wanted = _filter(topic) if topic is not None else f"{Topics.of(settings, settings.gateway.id).root}/#"
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_Watch(settings, wanted, as_json=place.as_json).run(place))
    return 0


def _filter(topic: str) -> str:
    """Raises UsageError with how one looks."""
    try:
        return TypeAdapter(Filter).validate_python(topic)
    except ValidationError as exc:
        raise click.UsageError(str(exc.errors()[0]["ctx"]["error"])) from None


class _Watch:
    def __init__(self, settings: Settings, wanted: str, *, as_json: bool) -> None:
        self._address = _address(settings)
        self._wanted = wanted
        self._drawing = sys.stdout.isatty() and not as_json
        self._tree = Tree()
        self._trouble = ""

    async def run(self, place: Place) -> None:
        """Raises NotRunning when there is no broker at the start; one that goes later is waited for."""
        await first(self._listen_on(place), _asked_to_end(), *([self._draw()] if self._drawing else []))

    async def _listen_on(self, place: Place) -> None:
        was_there = False
        while True:
            try:
                async with connected(self._address, f"watch-{secrets.token_hex(4)}") as session:
                    await session.subscribe(self._wanted)
                    was_there, self._trouble = True, ""
                    async with contextlib.aclosing(session.received()) as words:
                        async for topic, payload in words:
                            self._show(place, topic, self._tree.take(topic, payload, time.monotonic()))
            except Unavailable as exc:
                if not was_there:
                    raise NotRunning(exc.message) from exc
                if not self._drawing and not self._trouble:
                    click.echo(f"eryxon-gateway: {exc.message}: trying again", err=True)
                self._trouble = exc.message
                await asyncio.sleep(AGAIN_S)

    def _show(self, place: Place, topic: str, seen: Seen | None) -> None:
        """As a line; a topic that was taken back says null."""
        if self._drawing:
            return
        told = {"at": zulu(datetime.now(UTC)), "topic": topic, "payload": seen and seen.payload}
        told |= {"count": seen.count if seen else 0, "quality": seen and seen.quality}
        place.show(told, f"{plain(topic)} {said(seen.payload) if seen else '-'}")

    async def _draw(self) -> None:
        click.echo(_TOP + _REST, nl=False)
        while True:
            width, height = shutil.get_terminal_size()
            lines = self._tree.lines(time.monotonic(), width, height - 1)
            if self._trouble:
                lines[-1] = plain(self._trouble)[:width]
            click.echo(_TOP + "".join(line + _LINE_END for line in lines) + _REST, nl=False)
            await asyncio.sleep(REDRAW_S)


async def _asked_to_end() -> None:
    """Ctrl-C, also where whoever started us ignores it: scripts do that with what they run in the background."""
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    await asked.wait()


def _address(settings: Settings) -> Address:
    """Raises StartupError; NotRunning when no broker has run yet."""
    try:
        return viewing(settings)
    except Unavailable as exc:
        raise NotRunning(exc.message) from exc
