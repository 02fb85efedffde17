"""One plugin at work: run, run again, given up, ended, with every task that came from its code.

Tasks remember who made them: a task is made in the context of the one that makes it, and that context names the plugin.
"""

import asyncio
import random
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Sequence
from contextvars import Context as Variables
from contextvars import ContextVar
from typing import Any, TypeVar

import structlog
from aiohttp import web

from gateway.kernel.clock import Clock
from gateway.kernel.errors import Unavailable
from gateway.kernel.health import Link
from gateway.kernel.supervise import keep_running

CRASHES_MAX, CRASHES_S = 5, 600.0  # so many within that time: it is not started again by itself
CANCEL_MAX_S = 0.5  # in which a cancelled task has to end; then it is closed under its own feet
ENDED_AT_ONCE = 50  # tasks, before somebody else may run: thousands at once would be a pause of the loop
NAMES_MAX = 5  # of tasks, in one line of the log

log = structlog.get_logger(__name__)

T = TypeVar("T")
Run = Callable[[], Awaitable[None]]
_AT_WORK: ContextVar["Supervised | None"] = ContextVar(
    "plugin", default=None
)  # whose code runs: a context knows no instances


class Supervised:
    """`runs` go on side by side: when one ends, the others are ended and all begin again as `keep_running` has it."""

    def __init__(self, name: str, runs: Sequence[Run], link: Link, clock: Clock, rng: random.Random) -> None:
        self._name = name
        self._runs = runs
        self._link = link
        self._clock = clock
        self._rng = rng
        self._tasks: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
        self._crashed_s: list[float] = []
        self._given_up = False

    async def run(self) -> None:
        """Until it is stopped, has ended by itself, or is given up; may then be run again. Never raises what is the plugin's."""
        _AT_WORK.set(self)
        self._crashed_s, self._given_up = [], False
        await keep_running(self._once, self._link, clock=self._clock, rng=self._rng)

    def handler(self, handle: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Callable[..., Any]:
        """A route of the plugin: what it leaves running is the plugin's as well."""

        async def handled(request: web.Request) -> web.StreamResponse:
            if self._given_up:
                raise Unavailable(f"{self._link.name} is not running: {self._link.error}")
            before = _AT_WORK.set(self)
            try:
                return await _orderly(handle(request))
            finally:
                _AT_WORK.reset(before)

        return handled

    async def _once(self) -> None:
        if not self._runs:
            self._link.up()
            return
        mains = [asyncio.create_task(_orderly(run()), name=self._link.name) for run in self._runs]
        try:
            done, _ = await asyncio.wait(mains, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _to_its_end(self._clear(mains))
        failed = next((exc for task in done if (exc := _failure(task)) is not None), None)
        if failed is None:
            self._link.off("it has ended by itself")
        elif isinstance(failed, Unavailable):
            raise failed
        else:
            self._crashed(failed)

    def _crashed(self, exc: BaseException) -> None:
        """Raises it, unless that was once too often. Who cannot reach somebody has not crashed."""
        now_s = self._clock.monotonic()
        self._crashed_s = [at_s for at_s in self._crashed_s if now_s - at_s < CRASHES_S] + [now_s]
        if len(self._crashed_s) < CRASHES_MAX:
            raise exc
        self._given_up = True
        log.error("plugin.given_up", link=self._link.name, exc_info=exc)
        why = f"it failed {CRASHES_MAX} times within {CRASHES_S / 60:.0f} minutes and is not started again"
        then = f"Once that is mended: eryxon-gateway plugins restart {self._name}"
        self._link.down(f"{why}: {type(exc).__name__}: {exc}. {then}")

    async def _clear(self, mains: Sequence[asyncio.Task[None]]) -> None:
        """First its own runs, in whose power it is to end what they began; then what they have left behind."""
        await _ended(mains)
        left = [task for task in self._tasks if not task.done() and task is not asyncio.current_task()]
        left = [task for task in left if task not in mains]
        if left:
            names = [task.get_name() for task in left[:NAMES_MAX]]
            log.warning("plugin.tasks_left_behind", link=self._link.name, count=len(left), tasks=names)
            self._link.facts["tasks_left_behind"] = self._link.facts.get("tasks_left_behind", 0) + len(left)
        for task in await _ended([*left, *mains]):
            log.error("task.stuck", link=self._link.name, task=task.get_name())

    def made(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)


def remembering(
    loop: asyncio.AbstractEventLoop,
    made: Coroutine[Any, Any, T] | Generator[Any, None, T],
    *,
    context: Variables | None = None,
    **more: Any,
) -> asyncio.Task[T]:
    """The loop's task factory while plugins run."""
    task: asyncio.Task[T] = asyncio.Task(made, loop=loop, context=context, **more)
    owner = _AT_WORK.get() if context is None else context.get(_AT_WORK)
    if owner is not None:
        owner.made(task)
    return task


async def _orderly(running: Awaitable[T]) -> T:
    """What would end more than the plugin is an error of the plugin's."""
    try:
        return await running
    except SystemExit as exc:
        raise RuntimeError(f"it called sys.exit({exc.code!r})") from exc
    except asyncio.CancelledError as exc:
        this = asyncio.current_task()
        if this is not None and this.cancelling():
            raise
        raise RuntimeError("it ended with a cancellation that nobody had asked for") from exc


def _failure(task: asyncio.Task[Any]) -> BaseException | None:
    return RuntimeError("its own code has cancelled it") if task.cancelled() else task.exception()


async def _ended(tasks: Iterable[asyncio.Task[Any]]) -> list[asyncio.Task[Any]]:
    """Cancel and wait; who catches that is closed. Those that are there after that, too."""
    tasks = [*tasks]
    for end in (_cancel, _close):
        alive = [task for task in tasks if not task.done()]
        for start in range(0, len(alive), ENDED_AT_ONCE):
            for task in alive[start : start + ENDED_AT_ONCE]:
                end(task)
            await asyncio.sleep(0)
        if alive:
            await asyncio.wait(alive, timeout=CANCEL_MAX_S)
    for task in tasks:
        if task.done():
            _failure(task)  # looked at: else asyncio complains of it, somewhere, some time
    return [task for task in tasks if not task.done()]


async def _to_its_end(clearing: Coroutine[Any, Any, None]) -> None:
    """Also when we are cancelled meanwhile: that comes after it."""
    task = asyncio.create_task(clearing)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()


def _close(task: asyncio.Task[Any]) -> None:
    """As if it had been thrown away: GeneratorExit is raised where it waits, then its end is a cancelled one."""
    coroutine = task.get_coro()
    if coroutine is not None and hasattr(coroutine, "close"):
        try:
            coroutine.close()
        except RuntimeError as exc:  # it will not hear of that either
            log.warning("plugin.task_not_closed", task=task.get_name(), error=str(exc))
    task.cancel()
