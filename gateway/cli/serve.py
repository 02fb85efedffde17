"""`run` and `demo`: the gateway as a whole."""

import asyncio
import contextlib
import resource
from collections.abc import Callable, Coroutine
from typing import Any

import click
import structlog

from gateway import app
from gateway.cli.leaf import Place, leaf
from gateway.kernel import logs
from gateway.settings import secret_values, unused

DEMO_PORT = 8080
OTHER_FILES = 200  # besides connections: database, logs, broker, cloud


log = structlog.get_logger(__name__)


@click.command()
@leaf
def run(place: Place) -> None:
    """Serve, until SIGTERM or Ctrl-C."""
    settings = place.settings()
    tail = logs.Tail()
    logs.configure(settings.log.level, settings.log.format, tail, secret_values(settings))
    for warning in unused(settings):
        log.warning("settings.unused", what=warning)

    _allow_files(settings.limits.connections + OTHER_FILES)

    def announce(gateway: app.Gateway) -> None:
        click.echo(f"ready: {', '.join(gateway.urls)}")

    runs: Callable[[Coroutine[Any, Any, None]], None] = asyncio.run
    with contextlib.suppress(ImportError):
        from uvloop import run as runs  # noqa: PLC0415 -- quicker where it is there
    runs(app.serve(settings, announce=announce, source=(place.config, place.data), tail=tail))


@click.command()
@click.option("--port", default=DEMO_PORT, show_default=True, help="Of the REST API.")
@click.option("--minutes", type=float, help="End by itself after so many.")
@leaf
def demo(place: Place, port: int, minutes: float | None) -> int:
    """A small factory, a cloud that goes away and comes back, and the gateway between them."""
    from gateway.demo.run import main  # noqa: PLC0415 -- the stand-in cloud is for this only

    logs.configure("warning")
    return main(port, place.data, minutes)


def _allow_files(wanted: int) -> None:
    """A connection is an open file, and many systems give a program 1,024 of them unless it asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
