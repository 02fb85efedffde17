"""`ops`, `logs`: what the operations page does, for who has no browser."""

import json
from typing import Any

import click

from gateway.cli.leaf import Place, leaf
from gateway.kernel.logs import LEVELS

BESIDE = ("number", "timestamp", "level", "event")  # of a record: what stands in front


@click.group()
def ops() -> None:
    """The operations page."""


@ops.command()
@leaf
def code(place: Place) -> None:
    """A code for /ops/setup, which sets the page's password, once. Alone on the last line of stdout."""
    made = place.ask("ops.code")
    place.show(made, made["code"])


@click.group()
def logs() -> None:
    """What the running gateway has said of late."""


@logs.command("show")
@click.option("--level", type=click.Choice(LEVELS), help="This and worse.")
@click.option("--module", help="As uns, or uns.publisher.")
@click.option("--request-id", help="Of one request.")
@click.option("--limit", default=200, show_default=True, help="The newest so many.")
@leaf
def show_logs(place: Place, level: str | None, module: str | None, request_id: str | None, limit: int) -> None:
    """The newest records that are still in memory."""
    told = place.ask("logs.show", level=level, module=module, request_id=request_id, limit=limit)
    place.show(told, "\n".join(map(_line, told["records"])) or "nothing was logged")


@logs.command("level")
@click.argument("level", type=click.Choice(LEVELS))
@click.option("--minutes", default=30, show_default=True, help="Then it is what is configured.")
@leaf
def set_level(place: Place, level: str, minutes: int) -> None:
    """Log more, or less, for a while."""
    told = place.ask("logs.level", level=level, minutes=minutes)
    place.show(told, f"{told['level']} until {told['until']}")


def _line(record: dict[str, Any]) -> str:
    more = " ".join(
        f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in record.items() if name not in BESIDE
    )
    return f"{record.get('timestamp', '')} {record.get('level', ''):8} {record.get('event', '')} {more}"
