"""Plugins that misbehave, each in its own way, beside a gateway that is booked on; and what has to be said of each."""

from dataclasses import dataclass
from pathlib import Path

HEAD = "import asyncio\nimport time\n\nfrom aiohttp import web\n\nfrom gateway.plugin_api import *\n\n\n"
TAIL = "\n\nplugin = Plugin(Config, build)\n"
# A bug in its run, and one in what it does with events, alone and together: it fails until it is given up.
RAISES = """def build(context):
    async def run():
        await asyncio.sleep(0.3)
        raise ValueError("a bug")
    async def on_events(events):
        raise ValueError("a bug")
    return Parts(run, on_events=on_events)
"""
REFUSES = """def build(context):
    async def on_events(events):
        raise Refused("it likes none of them")
    return Parts(on_events=on_events)
"""
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
    """`said`: its state in /healthz and in `plugins list`, and a part of its error; `facts`: what else has to be in /healthz."""

    name: str
    source: str
    said: tuple[str, str]
    section: str = ""
    facts: tuple[str, ...] = ()

    @property
    def settings(self) -> str:
        return f"[plugins.{self.name}]\nenabled = true\n{self.section}"


BAD = (
    Bad("raises", RAISES, ("down", "ValueError: a bug")),
    Bad("leaks", LEAKS, ("down", "the PLC is away"), facts=("tasks_left_behind",)),
    Bad("wrong_config", BLOCKS, ("down", "unknown key prot; known here: enabled"), section="prot = 1\n"),
    Bad("refuses", REFUSES, ("up", ""), facts=("parked", "parked_because")),
)
BLOCKING = Bad("blocks", BLOCKS, ("degraded", "it kept everything else waiting for "), facts=("stalls",))


def written(folder: Path) -> Path:
    """All of them, for `[gateway] plugins_dir`."""
    for one in (*BAD, BLOCKING):
        (folder / one.name).mkdir(parents=True)
        (folder / one.name / "__init__.py").write_text(HEAD + one.source + TAIL)
    return folder
