"""The words of the pages, for who has no browser."""

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any


def english(key: str, values: Mapping[str, Any]) -> str:
    """`ops.repair.disk_low.title` with its {names} filled in."""
    found: Any = _words()
    for step in key.split("."):
        found = found[step]
    return str(found).format_map(values)


@cache
def _words() -> dict[str, Any]:
    file = resources.files("gateway.screens").joinpath("static/i18n/en.json")
    words: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return words
