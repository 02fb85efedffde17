"""`keys`: who may use the REST API."""

import click

from gateway.cli.leaf import Place, leaf

SCOPES = ("read", "operate", "plan", "admin")


@click.group()
def keys() -> None:
    """Who may use the REST API."""


@keys.command()
@click.option("--name", required=True, help="For people: which terminal, which program.")
@click.option("--scope", type=click.Choice(SCOPES), required=True, help="Each contains those before it.")
@click.option("--cell", "cells", multiple=True, help="Name or id; only these cells. May be repeated.")
@click.option("--operator", help="Profile that work is booked on when a request names none.")
@click.option("--gateway", help="Id of the only gateway that may forward with it.")
@leaf
def create(
    place: Place, name: str, scope: str, cells: tuple[str, ...], operator: str | None, gateway: str | None
) -> None:
    """Make a key. It is printed alone on the last line of stdout, only now."""
    made = place.ask(
        "keys.create", name=name, scope=scope, cells=list(cells) or None, operator=operator, gateway=gateway
    )
    click.echo(f'key "{name}" ({scope}), id {made["id"]}; it is shown only now:', err=True)
    place.show(made, made["key"])


@keys.command("list")
@leaf
def list_(place: Place) -> None:
    """All keys, without the secrets."""
    found = place.ask("keys.list")
    lines = [
        f"{key['id']}  {'active ' if key['active'] else 'revoked'}  {key['scope']:8}  {key['key_prefix']}...  {key['name']}"
        for key in found
    ]
    place.show(found, "\n".join(lines) or "no keys")


@keys.command()
@click.argument("key")
@leaf
def revoke(place: Place, key: str) -> None:
    """End a key, by its name or id."""
    place.show(place.ask("keys.revoke", key=key), f"revoked: {key}")


@keys.command()
@click.argument("key")
@leaf
def rotate(place: Place, key: str) -> None:
    """A new key with the rights of the one with this name or id, which ends."""
    made = place.ask("keys.rotate", key=key)
    click.echo(f'key "{made["name"]}" replaces {made["replaces"]}; it is shown only now:', err=True)
    place.show(made, made["key"])
