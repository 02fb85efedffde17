"""Machines of one plugin: each is read, tried again and shown alone."""

import asyncio
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from waiting import until

from gateway.kernel.clock import SystemClock
from gateway.kernel.errors import Invalid, Unavailable
from gateway.kernel.health import Link
from gateway.plugin_api.readings import Reading, Refusal, Source, Sources

ROOT = Path(__file__).parents[2]


@dataclass
class Notebook:
    """Machines that book nothing and remember what was said."""

    said: list = field(default_factory=list)
    refuses: tuple[Refusal, ...] = ()

    def require(self, device: str, inputs: Iterable[str]) -> None:
        for name in inputs:
            if name == "tag/nobody":
                raise Invalid(f"nothing says what {name} of {device} means")

    async def take(self, reading: Reading) -> tuple[Refusal, ...]:
        self.said.append((reading.device, reading.input, reading.value, reading.quality))
        return self.refuses

    async def online(self, device: str, *, online: bool) -> None:
        self.said.append((device, online))


async def works(source: Source) -> None:
    source.link.up()
    await source.reached()
    await asyncio.Event().wait()


async def away(source: Source) -> None:
    source.link.facts["tries"] = source.link.facts.get("tries", 0) + 1
    raise Unavailable("nobody there")


async def broken(source: Source) -> None:
    source.link.facts["tries"] = source.link.facts.get("tries", 0) + 1
    raise ValueError("a bug")


async def test_one_that_is_away_broken_or_not_known_holds_up_no_other():
    clock, book = SystemClock(), Notebook()
    link = Link("plugin:test", clock)
    sources = Sources(book, clock, link, retry_max_s=0.01)
    runs = {"good": (["state"], works), "away": ([], away), "broken": ([], broken), "odd": (["tag/nobody"], works)}
    running = asyncio.create_task(sources.run(runs))
    shown = link.facts
    await until(lambda: "devices" in shown, "the devices")
    await until(lambda: min(shown["devices"][name].get("tries", 0) for name in ("away", "broken")) > 2, "tries")
    states = {name: (one["state"], one["error"]) for name, one in shown["devices"].items()}
    assert states == {
        "good": ("up", None),
        "away": ("down", "nobody there"),
        "broken": ("down", "ValueError: a bug"),
        "odd": ("down", "nothing says what tag/nobody of odd means"),
    }
    assert link.state == "degraded"
    assert link.error == (
        "away: nobody there; broken: ValueError: a bug; odd: nothing says what tag/nobody of odd means"
    )
    assert book.said.count(("away", False)) == 1, "said once, not with each try"
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()


async def test_what_is_the_same_is_told_once_for_each_connection_and_a_refusal_is_shown():
    clock, book = SystemClock(), Notebook(refuses=(Refusal("COUNTER_JUMP", "too many"),))
    totals = {"readings": 10, "refused": 1}
    source = Source("laser-1", book, clock, Link("plugin:test:laser-1", clock), totals)
    for value, quality in ((1, "good"), (1, "good"), (2, "good"), (2, "bad"), (2, "bad")):
        await source.tell_changed("counter/good", value, quality)
    await source.lost()
    await source.lost()
    await source.tell_changed("counter/good", 2, "bad")
    told = [("laser-1", "counter/good", value, quality) for value, quality in ((1, "good"), (2, "good"), (2, "bad"))]
    assert book.said == [*told, ("laser-1", False), told[-1]]
    facts = source.link.facts
    assert (facts["readings"], facts["refused"], facts["last_refused"]["code"]) == (4, 4, "COUNTER_JUMP")
    assert totals == {"readings": 14, "refused": 5}


def test_what_is_heavy_is_imported_only_when_it_is_switched_on():
    """Looking at a plugin, as `plugins list` and `config check` do, costs nothing."""
    look = "import sys, plugins.mcp_server, plugins.modbus, plugins.mtconnect, plugins.opcua_client; "
    look += "print(sorted({'asyncua', 'pymodbus', 'mcp'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"


async def test_without_a_gateway_or_without_machines_it_says_so():
    clock = SystemClock()
    link = Link("plugin:test", clock)
    running = asyncio.create_task(Sources(Notebook(), clock, link, retry_max_s=1).run({}))
    await until(lambda: link.state == "off", "off")
    assert link.error == "no machine is named in its settings"
    running.cancel()
    await asyncio.wait({running})
    with pytest.raises(Unavailable, match="eryxon-gateway run"):
        await Sources(None, clock, link, retry_max_s=1).run({"laser-1": ([], works)})
