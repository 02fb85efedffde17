"""`config`, `openapi` and `asyncapi`: what is set, what could be set, what can be called and heard."""

import json
from pathlib import Path
from typing import Any

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
@click.option("--origins", is_flag=True, help="Each value with the file or the variable that it comes from.")
@leaf
def show(place: Place, *, origins: bool) -> None:
    """Everything that is set, defaults included, secrets hidden."""
    if not origins:
        place.show(place.settings().shown())
        return
    told = place.ask("config.show")
    lines = [f"{one['key']} = {json.dumps(one['value'])}  ({one['origin']})" for one in told["values"]]
    lines += [f"after a restart: {key}" for key in told["restart"]]
    place.show(told, "\n".join(lines))


@config.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@leaf
def diff(place: Place, file: Path) -> None:
    """What the configuration in FILE would change, secrets hidden."""
    found = place.ask("config.diff", text=file.read_text(encoding="utf-8"))
    lines = [f"{one['key']}: {json.dumps(one['before'])} -> {json.dumps(one['after'])}" for one in found]
    place.show(found, "\n".join(lines) or "nothing")


@config.command("set")
@click.argument("assignments", metavar="KEY=VALUE...", nargs=-1, required=True)
@leaf
def set_(place: Place, assignments: tuple[str, ...]) -> int:
    """Write keys into the configuration file, as cloud.url=https://...; comments stay. In force after a restart."""
    told = place.ask("config.set", changes=dict(map(_assigned, assignments)))
    done = f"written: {told['file']}; it is in force after a restart"
    place.show(told, done if told["written"] else f"{told['why']}\n{told['paste']}")
    return 0 if told["written"] else 1


@config.command()
@leaf
def seal(place: Place) -> int:
    """Seal the secrets that stand in the configuration file in the clear, with the key of this box; comments stay."""
    told = place.ask("config.seal")
    done = (
        f"sealed in {told['file']}: {', '.join(told['keys'])}" if told["keys"] else "nothing stands there in the clear"
    )
    place.show(told, done if told["written"] else f"{told['why']}\n{told['paste']}")
    return 0 if told["written"] else 1


def _assigned(text: str) -> tuple[str, Any]:
    """A value is JSON, or else a text."""
    key, found, value = text.partition("=")
    if not found:
        raise click.UsageError(f'"{text}" is no KEY=VALUE')
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


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
