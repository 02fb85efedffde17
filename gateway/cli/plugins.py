"""`plugins`: what is optional."""

import click

from gateway.cli.leaf import Place, leaf


@click.group()
def plugins() -> None:
    """What is optional."""


@plugins.command("list")
@leaf
def list_(place: Place) -> None:
    """Every plugin, whether it is switched on, how it is doing, and where it lies."""
    found = place.ask("plugins.list")
    lines = [
        f"{one['name']:14}  {'on ' if one['enabled'] else 'off'}  {one['state']:8}  {one['origin'] or 'nowhere'}"
        f"{': ' if one['error'] else ''}{one['error'] or ''}"
        for one in found
    ]
    place.show(found, "\n".join(lines) or "no plugins")
