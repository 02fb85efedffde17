"""Plugins that misbehave, each in its own way, beside a gateway that is booked on; and what has to be said of each."""

from dataclasses import dataclass, field
from pathlib import Path

HEAD = "import asyncio\nimport time\n\nfrom aiohttp import web\n\nfrom gateway.plugin_api import *\n\n\n"
TAIL = "\n\nplugin = Plugin(Config, build)\n"
RAISES = """def build(context):
    async def run():
        raise ValueError("a bug")
    return Parts(run)
"""
# A bug in what it does with events: it fails on each of them, alone and together.
RAISES_AT_EVENTS = """def build(context):
    async def on_events(events):
        raise ValueError("a bug")
    return Parts(on_events=on_events)
"""
REFUSES = RAISES_AT_EVENTS.replace('ValueError("a bug")', 'Refused("it likes none of them")')
# Two for each event, and hundreds whenever it begins anew.
LEAKS = """KEPT = []

def leak(count):
    KEPT.extend(asyncio.create_task(asyncio.Event().wait()) for _ in range(count))

def build(context):
    async def run():
        leak(500)
        await asyncio.sleep(0.5)
        raise Unavailable("the PLC is away")
    async def on_events(events):
        leak(2 * len(events))
    return Parts(run, on_events=on_events)
"""
BLOCKS = """def stand_still(seconds):
    time.sleep(seconds)

def build(context):
    async def run():
        context.link.up()
        await asyncio.Event().wait()
    async def block(request):
        stand_still(float(request.query["s"]))
        return web.Response(text="awake")
    return Parts(run, (Mount("GET", "/block", block),))
"""


@dataclass(frozen=True)
class Bad:
    """`said`: what its entry in /healthz and in `plugins list` has to hold, its state, and a part of its error; `facts`: names of
    numbers in /healthz that must not be nought.
    """

    name: str
    source: str
    said: tuple[str, str]
    section: str = ""
    facts: tuple[str, ...] = field(default=())

    @property
    def settings(self) -> str:
        return f"[plugins.{self.name}]\nenabled = true\n{self.section}"


BAD = (
    Bad("raises", RAISES, ("down", "ValueError: a bug")),
    Bad("raises_at_events", RAISES_AT_EVENTS, ("down", "ValueError: a bug")),
    Bad("leaks", LEAKS, ("down", "the PLC is away"), facts=("tasks_left_behind",)),
    Bad("wrong_config", BLOCKS, ("down", "unknown key prot; known here: enabled"), section="prot = 1\n"),
    Bad("refuses", REFUSES, ("up", ""), facts=("parked",)),
)
BLOCKING = Bad("blocks", BLOCKS, ("degraded", "it kept everything else waiting for "), facts=("stalls",))


def written(folder: Path) -> Path:
    """All of them, for `[gateway] plugins_dir`."""
    for one in (*BAD, BLOCKING):
        (folder / one.name).mkdir(parents=True)
        (folder / one.name / "__init__.py").write_text(HEAD + one.source + TAIL)
    return folder
