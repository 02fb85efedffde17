"""`uns`: the Unified Namespace."""

import click

from gateway.cli.watch import watch


@click.group()
def uns() -> None:
    """The Unified Namespace on MQTT."""


uns.add_command(watch)
