"""A plugin that keeps the event loop for ever: nobody can take it away, but the log says who it is and where."""

import json
import time

from program import ENDS_MAX_S, Program

BUSY = """
import asyncio

from gateway.plugin_api import Config, Parts, Plugin


def spin():
    while True:
        pass


def build(context):
    async def run():
        context.link.up()
        while not (context.folder / "go").exists():
            await asyncio.sleep(0.02)
        spin()

    return Parts(run)


plugin = Plugin(Config, build)
"""


def test_the_log_names_who_never_lets_go(tmp_path):
    program = Program.at(tmp_path)
    (tmp_path / "own" / "busy").mkdir(parents=True)
    (tmp_path / "own" / "busy" / "__init__.py").write_text(BUSY)
    plugins = f'plugins_dir = "{tmp_path}/own"\n'
    program.configure(
        f'{plugins}[http]\nport = {program.port}\n[broker]\nmode = "off"\n[plugins.busy]\nenabled = true\n'
    )
    with program.serving() as process:
        (program.data / "plugins" / "busy" / "go").touch()
        ends_s = time.monotonic() + ENDS_MAX_S
        while "loop.stalled" not in (said := (tmp_path / "log").read_text()):
            assert time.monotonic() < ends_s, said
            time.sleep(0.02)
        process.kill()
        process.wait(ENDS_MAX_S)
    (line,) = [json.loads(line) for line in said.splitlines() if "loop.stalled" in line]
    assert line["owner"] == "busy"
    assert line["at"].startswith(f"{tmp_path}/own/busy/__init__.py:")
    assert line["at"].endswith(" in spin")
