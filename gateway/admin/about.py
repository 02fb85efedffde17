"""What runs here, and under which licences."""

import asyncio
import json
import platform
import re
import sqlite3
from importlib import metadata, resources
from typing import Any

from gateway import __version__
from gateway.admin import plugins
from gateway.admin.box import Arguments, Box

OURS = "eryxon-gateway"
UNKNOWN = "?"
LICENCE_MAX_CHARACTERS = 60  # some packages have all of it in that field
_VENDOR = "static/vendor/VENDOR.json"


async def about(box: Box, given: Arguments) -> dict[str, Any]:
    """version, python, sqlite, gateway, plugins; packages and files: [{name, version, licence}]."""
    return {
        "version": __version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "gateway": box.settings.gateway.id,
        "plugins": await plugins.listed(box, given),
        "packages": await asyncio.to_thread(_packages),
        "files": await asyncio.to_thread(_files),
    }


def distributions() -> dict[str, metadata.Distribution]:
    """What is installed, by the name that indexes know it by. Of two of one name the first on the path runs."""
    found: dict[str, metadata.Distribution] = {}
    for one in metadata.distributions():
        if one.name:
            found.setdefault(normal(one.name), one)
    return dict(sorted(found.items()))


def normal(name: str) -> str:
    """As an index spells it: `Ruamel.YAML` and `ruamel_yaml` are one package."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _packages() -> list[dict[str, str]]:
    """What is installed beside us."""
    return [
        {"name": one.name, "version": one.version, "licence": licence(one)}
        for name, one in distributions().items()
        if name != OURS
    ]


def licence(one: metadata.Distribution) -> str:
    """As the package says it: an expression of SPDX, or words; UNKNOWN when it says nothing."""
    told = one.metadata
    short = [told[name] for name in ("License-Expression", "License") if name in told]
    classes = [text.rpartition(" :: ")[2] for text in told.get_all("Classifier") or () if text.startswith("License ::")]
    said = next((text for text in short if text and len(text) <= LICENCE_MAX_CHARACTERS), None)
    return said or ", ".join(classes) or UNKNOWN


def _files() -> list[dict[str, str]]:
    """The browser libraries; none where set-up could not fetch them."""
    file = resources.files("gateway.screens").joinpath(_VENDOR)
    if not file.is_file():
        return []
    listed = json.loads(file.read_text(encoding="utf-8"))["files"]
    found = {
        one["package"]: {"name": one["package"], "version": one["version"], "licence": one["licence"]} for one in listed
    }
    return [found[name] for name in sorted(found)]
