"""`run` and `demo`: the gateway as a whole."""

import asyncio
import contextlib
import resource
import signal
import sys
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, TypeVar

import click
import structlog

from gateway import app, error_page, starts
from gateway.cli.leaf import PROBLEM, Place, leaf
from gateway.configuration import Instead
from gateway.error_page import End
from gateway.kernel import logs
from gateway.kernel.errors import GatewayError
from gateway.settings import Settings, Whereabouts, load, secret_values, unused, whereabouts
from gateway.starts import Start, Way

DEMO_PORT = 8080
OTHER_FILES = 200  # besides connections: database, logs, broker, cloud
# Then the start is tried again: a fault that ends by itself must not keep a hall waiting for a minute.
PAGE_LASTS_S = 40.0
NOT_SHOWN = "***"
DIED = "it starts and dies at once, again and again, without saying why; the log has more"
DEFECT = "a defect of the gateway ({}); the log has where"

T = TypeVar("T")

log = structlog.get_logger(__name__)


@click.command()
@leaf
def run(place: Place) -> int:
    """Serve, until SIGTERM or Ctrl-C.

    One that fails five times within two minutes starts with the configuration that worked last, or says on a page what is wrong.
    """
    here = whereabouts(place.config, place.data)
    # Who starts it himself reads the reason where he stands.
    start = None if sys.stderr.isatty() or not starts.counted(here.data_dir) else Start(here.data_dir, here.text)
    logs.configure("info")  # until the settings say otherwise
    signal.signal(signal.SIGTERM, _leave)  # until there is an event loop that hears it
    try:
        failed = _started(place, here, start)
    except SystemExit:
        if start:
            start.ended()
        raise
    if start is None or not failed:
        return 0
    return _told(place, here, start, *failed)


def _started(place: Place, here: Whereabouts, start: Start | None) -> tuple[str, float | None] | None:
    """Serves. In a crash loop: why it does not, and for how many seconds the page says so (None: until somebody changes
    something). Outside of one that is raised.
    """
    if start and start.way is Way.PAGE:
        return start.why or DIED, PAGE_LASTS_S
    settings = None
    try:
        settings = _settings(place, start)
        _serve(place, settings, start)
    except Exception as exc:
        why = exc.message if isinstance(exc, GatewayError) else DEFECT.format(type(exc).__name__)
        if start:
            start.refused(why := _without_secrets(why, here))
        if not start or not start.looping:
            raise
        if not isinstance(exc, GatewayError):
            log.exception("gateway.failed")
        return why, PAGE_LASTS_S if settings else None
    if start:
        start.ended()
    return None


def _settings(place: Place, start: Start | None) -> Settings:
    """Raises StartupError."""
    if start and start.way is Way.LAST_GOOD:
        return load(start.last_good, place.data)
    return place.settings()


def _serve(place: Place, settings: Settings, start: Start | None) -> None:
    tail = logs.Tail()
    logs.configure(settings.log.level, settings.log.format, tail, secret_values(settings))
    for warning in unused(settings):
        log.warning("settings.unused", what=warning)

    _allow_files(settings.limits.connections + OTHER_FILES)

    def announce(gateway: app.Gateway) -> None:
        click.echo(f"ready: {', '.join(gateway.urls)}")
        if start:
            loop = asyncio.get_running_loop()
            loop.call_later(starts.LASTS_S, loop.run_in_executor, None, start.lasted)

    instead = None
    if start and start.way is Way.LAST_GOOD:
        instead = Instead(start.last_good, _in_force_instead(start))
        log.error("gateway.last_good", why=instead.why)
    _looped(app.serve(settings, announce=announce, source=(place.config, place.data), instead=instead, tail=tail))


def _in_force_instead(start: Start) -> str:
    why = f": {start.why}" if start.why else ", and did not say why"
    return f"the last good configuration is in force: with the file as it is the gateway did not stay up{why}"


def _told(place: Place, here: Whereabouts, start: Start, why: str, last_s: float | None) -> int:
    """On a page, until whoever supervises us has a reason to start us again."""

    def changed() -> bool:
        return whereabouts(place.config, place.data).text != here.text

    end = _looped(error_page.shown(here.http, why, changed, last_s))
    if end is End.STOPPED:
        start.ended()
    return PROBLEM if end is End.RETRY else 0


def _looped(main: Coroutine[Any, Any, T]) -> T:
    runs: Callable[[Coroutine[Any, Any, T]], T] = asyncio.run
    with contextlib.suppress(ImportError):
        from uvloop import run as runs  # noqa: PLC0415 -- quicker where it is there
    return runs(main)


def _without_secrets(text: str, here: Whereabouts) -> str:
    """What the file holds as a secret, and whatever looks like one."""
    for secret in sorted(here.secrets, key=len, reverse=True):
        text = text.replace(secret, NOT_SHOWN)
    return logs.without_secrets(text)


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


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
