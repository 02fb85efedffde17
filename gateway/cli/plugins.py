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


@plugins.command()
@click.argument("name")
@leaf
def restart(place: Place, name: str) -> None:
    """Start one again that was given up, or begin it anew: with the code and the settings that the gateway was started with."""
    place.show(place.ask("plugins.restart", name=name), f"{name} begins anew: `plugins list` says how it is doing")
