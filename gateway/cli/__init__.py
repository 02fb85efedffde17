"""The command line: one file for each group of verbs, arguments in, admin.sock or the stopped gateway's data out."""

import click

from gateway.cli.config import asyncapi, config, openapi
from gateway.cli.conflicts import conflicts
from gateway.cli.data import queue, status
from gateway.cli.keys import keys
from gateway.cli.machines import machines
from gateway.cli.serve import demo, doctor, init, run, version
from gateway.cli.tls import tls
from gateway.cli.transfer import export, import_
from gateway.cli.uns import uns


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """The edge gateway for the factory floor."""


for command in (
    *(run, demo, init, status, keys, queue, conflicts, machines, uns, tls),
    *(export, import_, config, doctor, openapi, asyncapi, version),
):
    main.add_command(command)
