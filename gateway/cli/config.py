"""`config`, `openapi` and `asyncapi`: what is set, what could be set, what can be called and heard."""

import json

import click

from gateway import __version__
from gateway.cli.leaf import Place, leaf
from gateway.settings import Settings, unused


@click.group()
def config() -> None:
    """What is set."""


@config.command()
@leaf
def check(place: Place) -> None:
    """Read the configuration and say what is wrong with it."""
    from gateway.app import check as checked  # noqa: PLC0415 -- what `run` is made of takes half a second

    settings = place.settings()
    checked(settings)
    warnings = unused(settings)
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    place.show({"ok": True, "gateway": settings.gateway.id, "warnings": warnings}, "the configuration is in order")


@config.command()
@leaf
def show(place: Place) -> None:
    """Everything that is set, defaults included, secrets hidden."""
    place.show(place.settings().shown())


@config.command()
@leaf
def schema(place: Place) -> None:
    """Everything that can be set, as JSON schema."""
    place.show(Settings.model_json_schema())


@click.command()
@leaf
def openapi(place: Place) -> None:
    """The REST API as OpenAPI 3.1."""
    from gateway.api import described  # noqa: PLC0415 -- paid by who asks for it

    document = described()
    place.show(document, json.dumps(document, ensure_ascii=False, indent=2))


@click.command()
@leaf
def asyncapi(place: Place) -> None:
    """The Unified Namespace as AsyncAPI 3.0, with the names that are configured."""
    from gateway.uns import asyncapi as namespace  # noqa: PLC0415 -- paid by who asks for it

    document = namespace.document(place.settings(), version=__version__)
    place.show(document, json.dumps(document, ensure_ascii=False, indent=2))
