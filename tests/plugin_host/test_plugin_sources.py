"""Plugins of one's own: from a folder, from installed packages, and what is said when there is something wrong with them."""

import sys

import aiohttp
import pytest
from hosted import ON, links, settings
from waiting import until

from gateway.app import running
from gateway.kernel.errors import StartupError
from gateway.plugin_host import host
from gateway.web.auth import NewKey
from gateway.web.routes import Scope

GREETER = """
from .words import WORDS

def build(context):
    async def greet(request):
        return web.Response(text=WORDS)
    (context.folder / "memory").write_text("kept")
    return Parts(mounts=(Mount("GET", "/hello", greet),))

plugin = Plugin(Settings, build)
"""
PLAIN = "plugin = Plugin(Settings, lambda context: Parts())\n"
NONE = "plugin = 7\n"


@pytest.fixture
def own(tmp_path, written):
    """A folder with a plugin of two files."""
    folder = tmp_path / "own"
    written(folder, greeter=GREETER)
    (folder / "greeter" / "words.py").write_text('WORDS = "moin"\n')
    (folder / "notes").mkdir()
    (folder / "readme.txt").write_text("no plugin")
    return folder


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """`installed("dist", "plugin name", "module", source)`: as pip leaves it behind."""
    site = tmp_path / "site-packages"

    def install(dist: str, name: str, module: str, source: str) -> None:
        about = site / f"{dist.replace('-', '_')}-1.2.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.2\n")
        (about / "entry_points.txt").write_text(f"[eryxon_gateway.plugins]\n{name} = {module}:plugin\n")
        (site / f"{module}.py").write_text(
            "from gateway.plugin_api import *\nclass Settings(Config):\n    pass\n" + source
        )
        monkeypatch.delitem(sys.modules, module, raising=False)

    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    return install


async def test_one_from_a_folder_and_one_from_a_package_run(tmp_path, own, installed):
    installed("acme-scales", "scales", "acme_scales", PLAIN)
    sections = {"greeter": ON, "scales": ON}
    made = settings(tmp_path / "data", own, **sections)
    async with running(made) as gateway, aiohttp.ClientSession() as session:
        found = links(gateway)
        await until(lambda: {link.state for link in found.values()} == {"up"}, "both")
        _, key = await gateway.keys.create(NewKey("reader", Scope.READ))
        url = f"http://{gateway.addresses[0]}/plugins/greeter/hello"
        async with session.get(url, headers={"Authorization": f"Bearer {key}"}) as answer:
            assert await answer.text() == "moin"
        rows = {row["name"]: row for row in host.listed(sections, {}, own)}
        assert rows["greeter"]["origin"] == str(own / "greeter")
        assert rows["scales"]["origin"] == "package acme-scales 1.2"
        assert rows["mcp_server"]["origin"] == "shipped"
        assert "notes" not in rows
    memory = tmp_path / "data" / "plugins" / "greeter" / "memory"
    assert memory.read_text() == "kept"
    assert [one.stat().st_mode & 0o777 for one in (memory.parent, memory.parent.parent)] == [0o700, 0o700]


def test_two_of_one_name_are_an_error_that_names_both(own, installed):
    installed("acme-greeter", "greeter", "acme_greeter", PLAIN)
    (one,) = host.wanted({"greeter": ON}, own)
    assert one.error == (
        f'two plugins are called "greeter": {own / "greeter"} and package acme-greeter 1.2. Give one of them another name'
    )


def test_one_called_like_a_shipped_one_is_an_error_too(own, written):
    written(own, mcp_server=PLAIN)
    (one,) = host.wanted({"mcp_server": ON}, own)
    assert f"shipped and {own / 'mcp_server'}" in one.error


def test_what_is_no_plugin(own, written, installed):
    installed("acme-nothing", "nothing", "acme_nothing", NONE)
    installed("acme-broken", "broken", "acme_broken", "import a_library_that_nobody_has\n")
    written(own, seven=NONE, half=GREETER)
    found = {one.name: one.error for one in host.wanted(dict.fromkeys(("nothing", "broken", "seven", "half"), ON), own)}
    assert found["nothing"] == "package acme-nothing 1.2: its `plugin` is no gateway.plugin_api.Plugin but int"
    assert found["broken"].startswith("it cannot be loaded: ModuleNotFoundError")
    assert found["seven"].startswith(f"{own / 'seven'}: its `plugin` is no")
    assert "No module named 'gateway_plugin_half.words'" in found["half"]


def test_a_folder_that_cannot_be_used_is_told(tmp_path, own):
    with pytest.raises(StartupError, match=r"plugins_dir .*/nowhere cannot be read \(No such file or directory\)"):
        host.check({}, tmp_path / "nowhere")
    with pytest.raises(StartupError, match="is no folder"):
        host.check({}, own / "readme.txt")
    host.check({"greeter": ON}, own)
    own.chmod(0o777)
    with pytest.raises(StartupError, match="can be written by everybody, and what is there is run: chmod o-w") as told:
        host.check({"greeter": ON}, own)
    assert 'there is no plugin "greeter"' in told.value.message, "nothing of it was imported"
