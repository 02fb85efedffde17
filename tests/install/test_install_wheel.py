"""The wheel has all that its target needs, and what is installed from it works where there is no clone."""

import contextlib
import json
import os
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import __version__, settings
from gateway.kernel.errors import StartupError
from gateway.screens.assets import Assets

ROOT = Path(__file__).parents[2]
NOBODY = 65534
WAIT_MAX_S = 10


def test_it_carries_everything_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    ours = {str(file.relative_to(ROOT)) for top in ("gateway", "plugins") for file in (ROOT / top).rglob("*.py")}
    sql = {str(file.relative_to(ROOT)) for file in (ROOT / "gateway" / "migrations").glob("*.sql")}
    vendor = json.loads((ROOT / "gateway/screens/static/vendor/VENDOR.json").read_text())["files"]
    browser = {f"gateway/screens/static/vendor/{entry['file']}" for entry in vendor}
    assert len(sql) >= 4
    assert {"swagger-ui-bundle.js", "swagger-ui.css", "LICENSE"} <= {Path(name).name for name in browser}
    assert {"gateway/gateway.toml", "gateway/py.typed"} | ours | sql | browser <= names
    about = {name for name in names if ".dist-info/" in name}
    assert {name.rpartition("/")[2] for name in about} >= {"METADATA", "entry_points.txt", "LICENSE"}
    rest = names - ours - sql - browser - about
    assert {name for name in rest if not name.startswith(("gateway/screens/static/", "plugins/"))} == {
        "gateway/gateway.toml",
        "gateway/py.typed",
        "gateway/runtime.txt",
    }


def test_it_asks_for_what_the_project_asks_for(wheel):
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    with zipfile.ZipFile(wheel) as packed:
        told = packed.read(next(name for name in packed.namelist() if name.endswith("METADATA"))).decode()
    assert f"Version: {__version__}\n" in told
    asked = [line for line in told.splitlines() if line.startswith("Requires-Dist: ") and "extra ==" not in line]
    assert len(asked) == len(wanted["dependencies"])
    assert {line.removeprefix("Provides-Extra: ") for line in told.splitlines() if "Provides-Extra" in line} == set(
        wanted["optional-dependencies"]
    )


def test_its_command_is_there_and_is_not_the_clone(installed, site):
    told = subprocess.run(
        [site / "bin" / "eryxon-gateway", "version"],
        env=installed.environment,
        cwd=installed.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == f"{__version__}\n"
    where = [sys.executable, "-c", "import gateway; print(gateway.__file__)"]
    found = subprocess.run(where, env=installed.environment, cwd=installed.folder, capture_output=True, check=True)
    assert Path(found.stdout.decode().strip()).is_relative_to(site)


def test_init_run_and_import_work_from_it(installed):
    key = installed.call("init", "--config", str(installed.config), "--data", str(installed.data), where=False)
    assert key.code == 0, key.err
    assert installed.config.stat().st_mode & 0o777 == 0o600
    assert "# requests_per_minute = 6000" in installed.config.read_text()  # the template of the wheel
    checked = installed.ok("config", "check")
    assert "warning" not in checked.out + checked.err  # nothing is wrong with what was just written
    installed.environment |= {"GATEWAY_HTTP__PORT": str(installed.port), "GATEWAY_BROKER__MODE": "off"}
    with installed.serving():
        assert installed.get("/readyz")[0] == 200
        assert installed.get("/docs")[0] == 200
        assert installed.get("/docs/swagger-ui-bundle.js")[0] == 200
        build = Assets().build  # of every file of the pages, as they are in the clone
        status, page = installed.get("/terminal/")
        assert (status, f"/static/{build}/terminal/app.js" in page) == (200, True)
        assert installed.get(f"/static/{build}/vendor/lit-html/lit-html.js")[0] == 200
        rows = {"cells": [{"id": "0199a000-0000-7000-8000-000000000001", "name": "Laser", "sequence": 1}]}
        installed.ok("import", "-", stdin=json.dumps(rows))
        assert "Laser" in installed.get("/api-cells", key.last)[1]


def test_the_guide_names_every_file_in_the_data_folder(installed):
    guide = (ROOT / "docs" / "install.md").read_text()
    installed.configure(f'[broker]\nmode = "embedded"\nport = {installed.free_port()}\n')
    with installed.serving():
        ends_s = time.monotonic() + WAIT_MAX_S
        while not (installed.data / "broker").exists():  # the links begin after the first answer
            assert time.monotonic() < ends_s
            time.sleep(0.05)
        found = {file.name for file in installed.data.iterdir()}
    assert {"gateway.sqlite", "lock", "ballast", "admin.sock", "first-admin-key"} <= found
    for name in found:
        assert f"`{name}" in guide, name


# ------------------------------------------------------------------ commands as the service's user, from wherever


@contextlib.contextmanager
def closed(folder: Path) -> Iterator[None]:
    """A folder that we may not look into; root may everything, so it steps back meanwhile."""
    folder.chmod(0)
    if root := os.geteuid() == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o700)


def test_a_command_may_be_given_in_a_folder_that_is_closed_to_its_user(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with closed(tmp_path):
        assert settings.load(environment={}).gateway.id == "gw-1"


def test_a_configuration_that_its_user_may_not_see_is_not_passed_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # whoever tries the gateway in his clone has a gateway.toml there
    hidden = tmp_path / "etc"
    hidden.mkdir()
    monkeypatch.setattr(settings, "CONFIGS", (Path("gateway.toml"), hidden / "gateway.toml"))
    with closed(hidden), pytest.raises(StartupError) as refused:
        settings.load(environment={})
    assert refused.value.message.startswith(f"{hidden}/gateway.toml cannot be looked at (Permission denied)")
