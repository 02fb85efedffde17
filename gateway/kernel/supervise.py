"""Keeps a link running: the one place that tries again."""

import asyncio
import contextlib
import ctypes
import random
import signal
from collections.abc import Awaitable, Callable, Sequence

import structlog

from gateway.kernel.clock import Clock
from gateway.kernel.errors import StorageFull, Unavailable
from gateway.kernel.health import Link

BACKOFF_BASE_S = 1.0
BACKOFF_CAP_S = 30.0
ROOM_AGAIN_S = 5.0  # a disk that was full takes writes again as soon as somebody has made room
CANCEL_AGAIN_S = 0.5
STEADY_S = 60.0  # a link that ran this long starts over with short pauses
_LIBC = ctypes.CDLL(None)  # loaded here: between fork and exec nothing may be
_PR_SET_PDEATHSIG = 1

log = structlog.get_logger(__name__)


async def keep_running(
    run: Callable[[], Awaitable[None]], link: Link, *, clock: Clock, rng: random.Random, cap_s: float = BACKOFF_CAP_S
) -> None:
    """Run for ever. `Unavailable` is expected: one warning, then quiet, one line when it is back. Anything else is a bug:
    a traceback, and the same restart, because a bug in one link must not stop a bending cell.
    """
    failures = 0
    while True:
        started_s = clock.monotonic()
        full = False
        try:
            return await run()
        except Unavailable as exc:
            full = isinstance(exc, StorageFull)
            if link.down(exc.message):
                log.warning("link.down", link=link.name, error=exc.message)
        except Exception as exc:
            link.down(f"{type(exc).__name__}: {exc}")
            log.exception("link.failed", link=link.name)
        if clock.monotonic() - started_s > STEADY_S:
            failures = 0
        if full:
            await clock.sleep(ROOM_AGAIN_S)
            continue
        failures += 1
        await clock.sleep(backoff_s(failures, rng, base_s=BACKOFF_BASE_S, cap_s=cap_s))


def backoff_s(failures: int, rng: random.Random, *, base_s: float, cap_s: float) -> float:
    """Full jitter: anywhere between nothing and the exponential bound, so that a hundred gateways do not knock at once."""
    return rng.uniform(0, min(cap_s, base_s * 2 ** min(failures, 30)))


async def first(*runs: Awaitable[None]) -> None:
    """Run side by side until one ends, take the others back, and end as it did."""
    tasks: Sequence[asyncio.Future[None]] = [asyncio.ensure_future(run) for run in runs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        while left := [task for task in tasks if not task.done()]:
            for task in left:
                task.cancel()
            # Again, if need be: aiomqtt waits with Python 3.11's wait_for, which may lose a cancellation.
            await asyncio.wait(left, timeout=CANCEL_AGAIN_S)
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def stop(task: asyncio.Task[None], *, within_s: float) -> None:
    """Cancel and wait; a task that does not let go in time is left behind and named."""
    task.cancel()
    _, alive = await asyncio.wait({task}, timeout=within_s)
    if alive:
        log.error("task.stuck", task=task.get_name())


async def end(process: asyncio.subprocess.Process, *signals: int, each_s: float) -> None:
    """Send one after the other until it is gone; also from a task that has been cancelled."""
    for number in signals:
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        with contextlib.suppress(TimeoutError):
            # Not asyncio.timeout: in a cancelled task that of Python 3.11.2, which is Debian 12's, ends as a cancellation.
            await asyncio.wait_for(process.wait(), each_s)


def die_with_parent() -> None:
    """For `preexec_fn`: the kernel ends the child, in order, when we are gone, however that happens."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
