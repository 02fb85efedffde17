"""`init`, `doctor`, `version`: the box before anything runs on it."""

import json
import os
import shutil
import sqlite3
import sys
from pathlib import Path
from typing import Any

import click

from gateway import __version__
from gateway.cli.leaf import Place, leaf
from gateway.kernel.connection import check
from gateway.kernel.errors import StartupError
from gateway.settings import CONFIGS, Settings, program

DATA_KEY = '# data_dir = "data"'  # a line of the template
_HERE = Path(__file__).parent.parent
TEMPLATES = (_HERE / "gateway.toml", _HERE.parent / "config" / "gateway.toml")  # in a wheel, in a clone


@click.command()
@leaf
def init(place: Place) -> None:
    """Write a commented configuration, make the data folder, a first admin key and the code for /ops/setup."""
    config = place.config or CONFIGS[0]
    if not config.exists():
        config.parent.mkdir(parents=True, exist_ok=True)
        template = next(file for file in TEMPLATES if file.exists()).read_text(encoding="utf-8")
        if place.data:
            template = template.replace(DATA_KEY, f"data_dir = {json.dumps(str(place.data.absolute()))}", 1)
        config.write_text(template, encoding="utf-8")
        config.chmod(0o600)  # it will hold the cloud's key
        click.echo(f"written: {config}", err=True)
    there = Place(config, place.data, place.as_json)
    settings = there.settings()
    if any(key["active"] and key["kind"] == "api" for key in there.ask("keys.list")):
        there.show({"config": str(config), "data": str(settings.data_dir), "key": None}, f"data: {settings.data_dir}")
        return
    made = there.ask("keys.create", name="first admin", scope="admin")
    code = there.ask("ops.code")["code"]
    click.echo(f"data: {settings.data_dir}\nto set the rest up: /ops/setup, with the code {code} (once)", err=True)
    click.echo("the first admin key, shown only now:", err=True)
    there.show({"config": str(config), "data": str(settings.data_dir), "key": made["key"], "code": code}, made["key"])


@click.command()
@leaf
def doctor(place: Place) -> int:
    """Look at everything that could keep the gateway from working; exit code 1 when something would."""
    settings = place.settings()
    findings = [*_python(), *_folder(settings), *_tools(settings), *_database(settings)]
    bad = [one for one in findings if not one["ok"]]
    place.show(
        findings, "\n".join(f"{'ok ' if one['ok'] else 'BAD'}  {one['what']}: {one['found']}" for one in findings)
    )
    return 1 if bad else 0


@click.command()
@leaf
def version(place: Place) -> None:
    """The version of this software."""
    place.show(
        {"version": __version__, "python": sys.version.split()[0], "sqlite": sqlite3.sqlite_version}, __version__
    )


def _python() -> list[dict[str, Any]]:
    return [
        _finding("Python", ok=True, found=sys.version.split()[0]),
        _finding("SQLite", ok=sqlite3.sqlite_version_info >= (3, 38), found=sqlite3.sqlite_version),
    ]


def _folder(settings: Settings) -> list[dict[str, Any]]:
    folder = settings.data_dir
    nearest = next(one for one in (folder, *folder.parents) if one.exists())
    free_mb = shutil.disk_usage(nearest).free // (1024 * 1024)
    return [
        _finding(
            "data folder",
            ok=os.access(nearest, os.W_OK),
            found=str(folder) + ("" if folder.exists() else " (still to be made)"),
        ),
        _finding("free space", ok=free_mb > 256, found=f"{free_mb} MB"),  # noqa: PLR2004 -- four times the ballast
    ]


def _tools(settings: Settings) -> list[dict[str, Any]]:
    mode = settings.broker.mode
    found = program("mosquitto")
    wanted = mode == "managed"
    told = found or ("not found: install it, or set [broker] mode" if wanted else "not found: not needed in this mode")
    cloud = settings.cloud.url if settings.cloud.enabled else "off: nothing is forwarded"
    return [
        _finding(f"Mosquitto (broker mode {mode})", ok=bool(found) or not wanted, found=told),
        _finding("cloud", ok=True, found=cloud),
    ]


def _database(settings: Settings) -> list[dict[str, Any]]:
    file = settings.data_dir / "gateway.sqlite"
    try:
        check(file, after_unclean_stop=True)
    except StartupError as exc:
        return [_finding("database", ok=False, found=exc.message)]
    return [_finding("database", ok=True, found="whole" if file.exists() else "none yet")]


def _finding(what: str, *, ok: bool, found: str) -> dict[str, Any]:
    return {"what": what, "ok": ok, "found": found}
