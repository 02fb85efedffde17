"""Every setting, command, route, error code and event is found in the docs, with its real default where it has one."""

import inspect
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_origin

import click
import pytest
from pydantic import BaseModel

from gateway import cli
from gateway.api import api_routes
from gateway.kernel import errors
from gateway.outbox.event import EventType
from gateway.sections import Section, Settings
from gateway.settings import _kinds, load
from gateway.web.errors import STATUSES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
TEMPLATE = (ROOT / "config" / "gateway.toml").read_text()
SETTINGS, CLI, API = ((DOCS / name).read_text() for name in ("settings.md", "cli.md", "api.md"))
NOWHERE: Any = None


def sections(kind: type[BaseModel], heading: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """("[http]", Http), ... ("[[uns.device]]", Device): every section with the heading it has in a TOML file."""
    for name, field in kind.model_fields.items():
        for inner in _kinds(field.annotation):
            if issubclass(inner, Section):
                path = f"{heading}.{name}".lstrip(".")
                yield (f"[[{path}]]" if get_origin(field.annotation) is tuple else f"[{path}]"), inner
                yield from sections(inner, path)


SECTIONS = list(sections(Settings))


def keys(kind: type[BaseModel]) -> list[str]:
    """The keys of a section that are no sections themselves."""
    return [
        name
        for name, field in kind.model_fields.items()
        if not any(issubclass(inner, Section) for inner in _kinds(field.annotation))
    ]


def defaults(kind: type[BaseModel]) -> dict[str, Any]:
    """Key -> its default as it would be written; what must be given is not there."""
    needed = {"id": "x", "cells": (), "device": "x", "rule": "gauge"}
    given = {name: needed[name] for name, field in kind.model_fields.items() if field.is_required()}
    shown = json.loads(kind.model_validate(given).model_dump_json())
    return {name: shown[name] for name in keys(kind) if not kind.model_fields[name].is_required()}


# ------------------------------------------------------------------ docs/settings.md


@pytest.mark.parametrize(("heading", "kind"), SECTIONS, ids=[heading for heading, _ in SECTIONS])
def test_every_setting_is_explained_with_its_default(heading, kind):
    found = re.search(rf"^##+ {re.escape(heading)}$(.*?)(?=^##|\Z)", SETTINGS, re.MULTILINE | re.DOTALL)
    assert found, f"no section {heading} in docs/settings.md"
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", found[1], re.MULTILINE))
    assert list(rows) == keys(kind)
    for name, value in defaults(kind).items():
        if name == "kind":  # follows the url
            continue
        assert rows[name] == ("none" if value is None else f"`{json.dumps(value)}`"), name


# ------------------------------------------------------------------ config/gateway.toml


def uncommented() -> str:
    return re.sub(r"^# (?=\w+ = |\[)", "", TEMPLATE, flags=re.MULTILINE)


@pytest.mark.parametrize(("heading", "kind"), SECTIONS, ids=[heading for heading, _ in SECTIONS])
def test_the_template_has_every_key_with_its_default_or_an_example(heading, kind):
    section: Any = tomllib.loads(uncommented())
    for step in heading.strip("[]").split("."):
        section = section[step]
    section = section[0] if isinstance(section, list) else section
    assert [name for name in section if name in keys(kind)] == keys(kind)
    block = re.search(rf"^(?:# )?{re.escape(heading)}.*?(?=^(?:# )?\[|\Z)", TEMPLATE, re.MULTILINE | re.DOTALL)[0]
    examples = set(re.findall(r"^# (\w+) = .*# example", block, re.MULTILINE))
    for name in keys(kind):
        if name not in examples:
            assert section[name] == defaults(kind)[name], name
        else:
            assert name not in defaults(kind) or not defaults(kind)[name] or name == "kind", f"{name} has a default"


def test_the_template_as_it_ships_changes_nothing(tmp_path):
    file = tmp_path / "gateway.toml"
    file.write_text(TEMPLATE)
    empty = tmp_path / "empty.toml"
    empty.write_text("")
    assert load(file, environment={}) == load(empty, environment={})


def test_the_template_with_every_key_switched_on_is_a_configuration(tmp_path):
    file = tmp_path / "gateway.toml"
    file.write_text(uncommented())
    load(file, environment={})


# ------------------------------------------------------------------ docs/cli.md


def commands(group: click.Group, way: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{way}{name} ")
        else:
            yield f"{way}{name}", command


@pytest.mark.parametrize(("name", "command"), list(commands(cli.main)), ids=[name for name, _ in commands(cli.main)])
def test_every_command_is_explained_with_its_options(name, command):
    row = next((line for line in CLI.splitlines() if re.match(rf"\| `{name}(`| )", line)), None)
    assert row, f"{name} is not in docs/cli.md"
    assert command.help
    for option in command.params:
        shared = option.name in ("config", "data", "as_json")
        if isinstance(option, click.Option) and not shared:
            assert option.opts[0] in row, option.opts
        if shared:
            assert option.opts[0] in CLI


# ------------------------------------------------------------------ docs/api.md


FUNCTIONS = [
    line for line in API.splitlines() if line.startswith(("| `/api-", "| `/api/", "| `/plan-mode`", "| `/storage/"))
]


def test_every_route_is_listed_with_its_methods():
    for route in api_routes(Settings(), NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE):
        row = next((line for line in FUNCTIONS if f"`{route.path}`" in line.split("|")[1]), "")
        assert route.method in row.split("|")[2].split(), f"{route.method} {route.path}"
        assert f"`{route.scope.name.lower()}`" in row.split("|")[3], route.path


def test_no_route_is_listed_that_is_not_there():
    listed = {path for line in FUNCTIONS for path in re.findall(r"`(/[^`]+)`", line.split("|")[1])}
    assert listed == {route.path for route in api_routes(Settings(), NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE)}


def test_every_error_code_is_explained():
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.GatewayError)]
    source = "".join(file.read_text() for file in (ROOT / "gateway").rglob("routes.py"))
    codes = {kind.code for kind in kinds} | set(re.findall(r'code="([A-Z_]+)"', source))
    assert len(codes) > 15
    for code in codes:
        assert f"`{code}`" in API, code


def test_every_status_is_explained():
    assert {int(status) for status in re.findall(r"^\| (\d{3}) \|", API, re.MULTILINE)} == STATUSES


def test_every_event_is_named():
    text = API + "".join(file.read_text() for file in DOCS.glob("mqtt.md"))
    words = set(re.findall(r"[a-z_]+(?:\.[a-z_]+)+", text))
    assert {str(kind) for kind in EventType} - words == set()


def test_every_page_is_named():
    pages = "/livez /readyz /healthz /metrics /openapi.json /asyncapi.json /ca.crt /trust /docs".split()
    for page in pages:
        assert f"`{page}`" in API


@pytest.mark.parametrize("file", [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))], ids=lambda file: file.name)
def test_what_a_page_points_to_is_there(file):
    for name in re.findall(r"`((?:docs|config|tests|gateway)/[\w/.-]+\.\w+)`", file.read_text()):
        assert (ROOT / name).exists(), name
