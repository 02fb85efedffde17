"""Links are kept running: told once, tried again with jitter, and a bug stops nobody else."""

import asyncio
import contextlib
import itertools
import random
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.kernel import supervise
from gateway.kernel.clock import ManualClock
from gateway.kernel.errors import Unavailable
from gateway.kernel.health import Health, Link
from gateway.kernel.supervise import BACKOFF_CAP_S, STEADY_S, backoff_s, end, keep_running, stop


class Script:
    """A link that does what it is told, one thing a run: an error, or a number of seconds for which it is up."""

    def __init__(self, clock: ManualClock, link: Link, *steps: Exception | float) -> None:
        self._clock = clock
        self._link = link
        self._steps = iter(steps)
        self.began_s: list[float] = []

    async def __call__(self) -> None:
        self.began_s.append(self._clock.monotonic())
        step = next(self._steps, None)
        if isinstance(step, Exception):
            raise step
        if step is not None:
            self._link.up()
            await self._clock.sleep(step)
            raise Unavailable("the line broke")


class Longest(random.Random):
    """Jitter at its upper end."""

    def uniform(self, _a: float, b: float) -> float:
        return b


async def watch(clock, script, link, seconds: float, rng: random.Random | None = None) -> list[dict]:
    with capture_logs() as logs:
        task = asyncio.create_task(keep_running(script, link, clock=clock, rng=rng or Longest()))
        await asyncio.sleep(0)
        await clock.advance(seconds)
        await stop(task, within_s=1)
    return logs


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def link(clock):
    return Health(clock).link("mill")


async def test_a_link_that_is_away_gets_one_warning_and_is_tried_again_with_growing_pauses(clock, link):
    script = Script(clock, link, *(Unavailable("no route") for _ in range(10)))
    logs = await watch(clock, script, link, 100)
    assert [(one["event"], one["log_level"], one["error"]) for one in logs] == [("link.down", "warning", "no route")]
    assert pauses(script.began_s) == [2, 4, 8, 16, 30, 30]
    assert (link.state, link.error) == ("down", "no route")


async def test_when_it_was_up_in_between_the_next_absence_is_told_again(clock, link):
    logs = await watch(clock, Script(clock, link, Unavailable("a"), 5, Unavailable("b")), link, 20)
    assert [one["error"] for one in logs if one["event"] == "link.down"] == ["a", "the line broke"]


async def test_a_bug_gets_a_traceback_and_the_same_restart(clock, link):
    script = Script(clock, link, KeyError("wrong"), ValueError("worse"))
    logs = await watch(clock, script, link, 10)
    assert [(one["event"], one["log_level"], one["exc_info"]) for one in logs] == [("link.failed", "error", True)] * 2
    assert len(script.began_s) == 3
    assert link.error == "ValueError: worse"


async def test_after_a_steady_time_the_pauses_are_short_again(clock, link):
    failures = [Unavailable("away")] * 4
    steady = pauses(await began(clock, link, *failures, STEADY_S + 1, Unavailable("away")))
    assert steady[3:5] == [16, STEADY_S + 1 + 2]


async def test_after_a_short_time_they_are_not(clock, link):
    failures = [Unavailable("away")] * 4
    shaky = pauses(await began(clock, link, *failures, 1.0, Unavailable("away")))
    assert shaky[3:5] == [16, 1 + 30]


async def began(clock, link, *steps) -> list[float]:
    script = Script(clock, link, *steps)
    await watch(clock, script, link, 300)
    return script.began_s


def pauses(began_s: list[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(began_s)]


@given(st.integers(1, 10_000), st.integers(0, 2**32))
def test_jitter_is_full_and_within_its_bounds(failures, seed):
    pause_s = backoff_s(failures, random.Random(seed), base_s=1.0, cap_s=BACKOFF_CAP_S)
    assert 0 <= pause_s <= min(BACKOFF_CAP_S, 2**failures)


def test_jitter_uses_the_whole_range():
    rng = random.Random(1)
    drawn = [backoff_s(20, rng, base_s=1.0, cap_s=30.0) for _ in range(1000)]
    assert min(drawn) < 1
    assert max(drawn) > 29
    assert 13 < sum(drawn) / len(drawn) < 17


async def test_a_run_that_ends_is_not_started_again(clock, link):
    script = Script(clock, link)
    await watch(clock, script, link, 100)
    assert script.began_s == [0]


async def test_stopping_is_no_failure(clock, link):
    script = Script(clock, link, 1000.0)
    assert await watch(clock, script, link, 1) == []
    assert link.state == "up"


async def test_a_task_that_does_not_let_go_is_left_behind_and_named():
    go_on = asyncio.Event()

    async def stubborn() -> None:
        while not go_on.is_set():
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                continue

    task = asyncio.create_task(stubborn(), name="stubborn")
    await asyncio.sleep(0)
    with capture_logs() as logs:
        await supervise.stop(task, within_s=0.02)
    assert logs == [{"event": "task.stuck", "log_level": "error", "task": "stubborn"}]
    go_on.set()
    await task


# ------------------------------------------------------------------ health


async def test_a_link_says_since_when_it_is_what_it_is(clock, link):
    assert (link.state, link.error, link.since) == ("down", "not tried yet", "2026-11-02T07:00:00.000Z")
    await clock.advance(10)
    assert link.down("no route"), "the first failure is news"
    assert link.since == "2026-11-02T07:00:10.000Z"
    await clock.advance(10)
    assert not link.down("refused")
    assert (link.since, link.error) == ("2026-11-02T07:00:10.000Z", "refused")
    assert link.up()
    assert not link.up()
    assert (link.state, link.error, link.since) == ("up", None, "2026-11-02T07:00:20.000Z")
    assert link.degraded("slow")
    assert link.off("not configured")


def test_health_keeps_one_link_of_a_name_and_forgets_on_request(clock):
    health = Health(clock)
    assert health.link("mill") is health.link("mill")
    health.link("saw")
    assert [link.name for link in health] == ["mill", "saw"]
    health.forget("mill")
    health.forget("never there")
    assert [link.name for link in health] == ["saw"]


def test_health_asks_for_problems_when_it_is_asked(clock):
    health = Health(clock)
    found: list[str] = []
    health.watch(lambda: found[0] if found else None)
    assert health.problems() == []
    found.append("the disk is nearly full")
    assert health.problems() == ["the disk is nearly full"]


async def test_a_child_that_hangs_is_killed_also_by_a_task_that_has_been_cancelled():
    child = await asyncio.create_subprocess_exec(
        "sh", "-c", "trap '' TERM; echo; exec sleep 60", stdout=asyncio.subprocess.PIPE
    )
    await child.stdout.readline()  # from here on it does not listen

    async def holds_it() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await end(child, signal.SIGTERM, signal.SIGKILL, each_s=0.2)

    task = asyncio.create_task(holds_it())
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert child.returncode == -signal.SIGKILL
