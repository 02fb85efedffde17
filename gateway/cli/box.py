"""`init`, `version`: the box before anything runs on it."""

import json
import sqlite3
import sys
from pathlib import Path

import click

from gateway import __version__
from gateway.cli.leaf import Place, leaf
from gateway.settings import CONFIGS

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
@click.option("--sbom", is_flag=True, help="Everything that is installed here, as a CycloneDX bill of materials.")
@leaf
def version(place: Place, *, sbom: bool) -> None:
    """The version of this software, or what it is made of."""
    if sbom:
        from gateway.admin import sbom as bill  # noqa: PLC0415 -- for this alone

        click.echo(bill.written(bill.installed()))
        return
    place.show(
        {"version": __version__, "python": sys.version.split()[0], "sqlite": sqlite3.sqlite_version}, __version__
    )
