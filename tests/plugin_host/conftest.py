"""Plugins that are written for a test, where plugins can lie."""

import sys
import textwrap

import pytest

import plugins
from gateway.plugin_host.sources import MODULE

HEAD = """
import asyncio
import time
from aiohttp import web
from gateway.plugin_api import *

class Settings(Config):
    greeting: str = "hello"
    times: int = 1
"""


@pytest.fixture
def written(tmp_path, monkeypatch):
    """`written(folder, name="source", ...)`: each a folder with its `__init__.py`."""

    def write(folder, **sources: str) -> None:
        for name, source in sources.items():
            (folder / name).mkdir(parents=True)
            (folder / name / "__init__.py").write_text(textwrap.dedent(HEAD + source))
            for module in (f"plugins.{name}", MODULE.format(name)):
                monkeypatch.delitem(sys.modules, module, raising=False)

    return write


@pytest.fixture
def shipped(tmp_path, monkeypatch, written):
    """`shipped(name="source", ...)`: as if these were among the shipped ones."""
    folder = tmp_path / "shipped"
    monkeypatch.setattr(plugins, "__path__", [*plugins.__path__, str(folder)])
    return lambda **sources: written(folder, **sources)
