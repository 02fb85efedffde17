"""A fresh box opens what docs/install.md says, and nothing else; each step opens exactly what its line says."""

import asyncio
import re
import stat
import time
from pathlib import Path

import pytest
from namespace import EVERYWHERE, LAN, LOOPBACK, alone
from program import Program

from gateway.admin import client

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| `(\d+)/(tcp|udp)` \| `([\d.]+)` \| (.+?) \|", re.MULTILINE)
ALWAYS, TLS, DEVICE, OPCUA = "always", "after `tls init`", "after `uns devices add`", "with `[plugins.opcua_mirror]`"
WAIT_MAX_S = 60
MACHINE = '\n[[uns.device]]\nid = "laser-1"\ncells = ["Laser"]\n'
PLUGINS = "\n[plugins.opcua_mirror]\nenabled = true\n\n[plugins.mcp_server]\nenabled = true\n"


def documented(*steps: str) -> set[tuple[str, str, int]]:
    _, _, section = (ROOT / "docs" / "install.md").read_text().partition("### Ports")
    rows = ROW.findall(section.partition("\n#")[0])
    assert {step for *_, words in rows for step in (ALWAYS, TLS, DEVICE, OPCUA) if words.startswith(step)} >= {*steps}
    return {(kind, address, int(port)) for port, kind, address, words in rows if words.startswith(steps)}


@pytest.fixture
def box(tmp_path):
    """Installed, never started, alone in its network."""
    with alone() as network:
        program = Program.at(tmp_path)
        program.within = network.within
        yield program, network


def up(program: Program, *links: str) -> dict:
    """Wait until these links are up; all of them, asked through the socket in the data folder, which needs no network."""
    ends_s = time.monotonic() + WAIT_MAX_S
    while True:
        told = asyncio.run(client.ask(program.data, "status", {}))["links"]
        waiting = {name: told.get(name) for name in links if told.get(name, {}).get("state") != "up"}
        if not waiting:
            return told
        assert time.monotonic() < ends_s, waiting
        time.sleep(0.1)


def opens(network, *steps: str) -> None:
    """Exactly what the table says, as the kernel has it and as somebody finds it who tries every port."""
    wanted = documented(*steps)
    ends_s = time.monotonic() + WAIT_MAX_S
    while network.bound() != wanted and time.monotonic() < ends_s:  # what was just asked for is being opened, or closed
        time.sleep(0.05)
    assert network.bound() == wanted
    assert network.scanned(LAN) == {port for _, address, port in wanted if address == EVERYWHERE}
    assert network.scanned(LOOPBACK) == {port for _, address, port in wanted if address in (EVERYWHERE, LOOPBACK)}


def test_a_fresh_box_has_one_key_and_each_step_opens_exactly_what_the_table_says(box):
    program, network = box
    said = program.ok("init", "--data", str(program.data), "--json").json
    assert re.fullmatch(r"ery_live_[0-9a-f]{32}", said["key"])
    assert stat.S_IMODE(program.config.stat().st_mode) == 0o600
    assert stat.S_IMODE(program.data.stat().st_mode) == 0o700  # so nobody else gets at what is in it
    with program.serving():
        links = up(program, "broker", "uns")
        opens(network, ALWAYS)
        assert links["cloud"]["state"] == "off"
        assert not any(name.startswith("plugin:") for name in links)
        assert [(one["name"], one["kind"]) for one in program.ok("keys", "list", "--json").json] == [
            ("first admin", "api")
        ]
        files = {path.name for path in program.data.iterdir()}
    # `init` has shown the key, and nobody has asked for the others
    assert not {"first-admin-key", "tls", "plugins"} & files
    assert network.bound() == set()  # nothing is left behind
    program.ok("tls", "init")
    program.config.write_text(program.config.read_text() + MACHINE)
    with program.serving():
        up(program, "broker", "uns")
        opens(network, ALWAYS, TLS)  # a device that has no password is nobody yet
        program.ok("uns", "devices", "add", "laser-1")
        opens(network, ALWAYS, TLS, DEVICE)
        program.ok("uns", "devices", "remove", "laser-1")
        opens(network, ALWAYS, TLS)
    program.config.write_text(program.config.read_text() + PLUGINS)
    with program.serving():
        up(program, "broker", "uns", "plugin:opcua_mirror", "plugin:mcp_server")
        opens(network, ALWAYS, TLS, OPCUA)
