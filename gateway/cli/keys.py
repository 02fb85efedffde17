"""`keys`: who may use the REST API."""

from collections.abc import Mapping
from typing import Any

import click

from gateway.cli.leaf import Place, leaf
from gateway.mcp_keys.model import ALL, RATE_LIMIT

RATE_MAX = 100_000  # calls a minute
SCOPES = ("read", "operate", "plan", "admin")


@click.group()
def keys() -> None:
    """Who may use the REST API."""


@keys.command()
@click.option("--name", required=True, help="For people: which terminal, which program.")
@click.option("--scope", type=click.Choice(SCOPES), help="Each contains those before it.")
@click.option("--cell", "cells", multiple=True, help="Name or id; only these cells. May be repeated.")
@click.option("--operator", help="Profile that work is booked on when a request names none.")
@click.option("--gateway", help="Id of the only gateway that may forward with it.")
@click.option("--mcp", is_flag=True, help="A key for an agent at /mcp, instead of a scope.")
@click.option("--tools", help="With --mcp: names with commas, * for all; those that only read when not given.")
@click.option(
    "--rate-limit", type=click.IntRange(1, RATE_MAX), help=f"With --mcp: calls a minute, {RATE_LIMIT} when not given."
)
@leaf
def create(  # one option each
    place: Place,
    name: str,
    scope: str | None,
    cells: tuple[str, ...],
    operator: str | None,
    gateway: str | None,
    *,
    mcp: bool,
    tools: str | None,
    rate_limit: int | None,
) -> None:
    """Make a key. It is printed alone on the last line of stdout, only now."""
    if mcp:
        if scope or cells or operator or gateway:
            raise click.UsageError(
                "--mcp goes with --tools and --rate-limit only: what an agent may is which tools it may call"
            )
        names = None if tools is None else [one.strip() for one in tools.split(",") if one.strip()]
        made = place.ask("mcp_keys.create", name=name, tools=names, rate_limit=rate_limit or RATE_LIMIT)
        what = f"{len(made['allowed_tools'])} tools" if ALL not in made["allowed_tools"] else "all tools"
    elif tools is not None or rate_limit is not None:
        raise click.UsageError("--tools and --rate-limit are for keys of agents: add --mcp")
    elif scope is None:
        raise click.UsageError("Missing option '--scope' (or --mcp)")
    else:
        made = place.ask(
            "keys.create", name=name, scope=scope, cells=list(cells) or None, operator=operator, gateway=gateway
        )
        what = scope
    click.echo(f'key "{name}" ({what}), id {made["id"]}; it is shown only now:', err=True)
    place.show(made, made["key"])


@keys.command("list")
@leaf
def list_(place: Place) -> None:
    """All keys, without the secrets."""
    found = place.ask("keys.list")
    place.show(found, "\n".join(map(_line, found)) or "no keys")


def _line(key: Mapping[str, Any]) -> str:
    state = "active " if key["active"] else "revoked"
    return f"{key['id']}  {state}  {key.get('scope', 'mcp'):8}  {key['key_prefix']}...  {key['name']}"


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
