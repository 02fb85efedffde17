"""The wheel, built once from nothing but what the image's build gets, and installed outside the clone."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bundles import made_bundle
from program import Program

ROOT = Path(__file__).parents[2]
VENDOR = Path("gateway/screens/static/vendor")


@pytest.fixture(scope="session")
def dockerfile() -> list[tuple[str, str]]:
    """Its instructions in order, continued lines joined: ("FROM", "python:..."), ..."""
    lines = re.sub(r"\\\n\s*", "", (ROOT / "docker" / "Dockerfile").read_text()).splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line and not line.startswith("#")]


@pytest.fixture(scope="session")
def copied(dockerfile) -> set[str]:
    """What the image's build takes from the clone."""
    sources = [words.split()[:-1] for verb, words in dockerfile if verb == "COPY" and not words.startswith("--from")]
    return {name.rstrip("/") for names in sources for name in names}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory, copied) -> Path:
    """Without network: the browser's files are those that `make setup` has fetched."""
    source, made = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in copied:
        found = ROOT / name
        if found.is_dir():
            shutil.copytree(found, source / name, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        else:
            shutil.copy(found, source / name)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", made]
    subprocess.run(build, cwd=source, env={**os.environ, "GATEWAY_ASSETS": "as-is"}, capture_output=True, check=True)
    (wheel,) = made.glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def site(tmp_path_factory, wheel) -> Path:
    """A folder with what pip makes of the wheel."""
    folder = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--no-compile", "-q", "--target", folder]
    subprocess.run([*pip, wheel], capture_output=True, check=True)
    return folder


@pytest.fixture
def installed(tmp_path, site) -> Program:
    """The program of the wheel; the clone is not in its way."""
    program = Program.at(tmp_path)
    program.environment["PYTHONPATH"] = str(site)
    return program


@pytest.fixture(scope="session")
def bundle(tmp_path_factory) -> Path:
    """The folder that is carried to a box, made without network from what set-up fetched."""
    return made_bundle("folder", tmp_path_factory.mktemp("bundle"))
