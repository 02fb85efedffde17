"""`terminals`: the screens at the stations, and the PINs of those who work at them."""

import secrets
from typing import Any

import click

from gateway.cli.leaf import Place, leaf
from gateway.terminals.rules import PIN_DIGITS_MAX

LANGUAGES = ("en", "nl", "de")
THEMES = ("dark", "light", "auto")


@click.group()
def terminals() -> None:
    """The screens at the stations."""


@terminals.command()
@click.option("--name", required=True, help="For people: where it stands.")
@click.option("--cell", help="Name or id of the cell whose work it shows first.")
@click.option("--language", type=click.Choice(LANGUAGES), help="As long as nobody is signed in.")
@click.option("--theme", type=click.Choice(THEMES), help="How it looks.")
@leaf
def pair(place: Place, name: str, cell: str | None, language: str | None, theme: str | None) -> None:
    """A code that is typed at a new terminal within a quarter of an hour. It is alone on the last line of stdout."""
    made = place.ask("terminals.pair", name=name, cell=cell, language=language, theme=theme)
    click.echo(f'type this at "{name}" before {made["expires_at"]}; it works once:', err=True)
    place.show(made, made["code"])


@terminals.command("list")
@leaf
def list_(place: Place) -> None:
    """All terminals, when each was last seen, and what waits there."""
    found = place.ask("terminals.list")
    place.show(found, "\n".join(map(_line, found)) or "no terminals")


def _line(one: dict[str, Any]) -> str:
    state = "active " if one["active"] else "revoked"
    where, seen = one["cell_name"] or "-", one["last_seen_at"] or "never"
    return f"{one['id']}  {state}  {where}  {one['name']}  seen {seen}  {one['seen'].get('waiting', 0)} waiting"


@terminals.command()
@click.argument("terminal")
@leaf
def revoke(place: Place, terminal: str) -> None:
    """Shut a terminal out, by its name or id, at once."""
    place.show(place.ask("terminals.revoke", terminal=terminal), f"revoked: {terminal}")


@terminals.command()
@click.argument("operator")
@leaf
def pin(place: Place, operator: str) -> None:
    """A new PIN for somebody (id, user name or employee number): made here, alone on the last line of stdout."""
    made = "".join(secrets.choice("0123456789") for _ in range(PIN_DIGITS_MAX))
    told = place.ask("terminals.pin", operator=operator, pin=made)
    click.echo(f"the PIN of {told['name']} is now, shown only now:", err=True)
    place.show({**told, "pin": made}, made)
