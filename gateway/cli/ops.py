"""`ops`, `logs`, `repairs`: what the operations page does, for who has no browser."""

import json
from typing import Any

import click

from gateway.cli.leaf import Place, leaf
from gateway.kernel.logs import LEVELS
from gateway.screens.texts import english

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


@click.group()
def repairs() -> None:
    """Problems that the box sees by itself."""


@repairs.command("list")
@leaf
def list_repairs(place: Place) -> None:
    """What is wrong, what it does, how it is mended."""
    found = place.ask("repairs.list")
    place.show(found, "\n\n".join(map(_problem, found)) or "nothing is wrong")


@repairs.command()
@click.argument("problem")
@click.option("--days", default=30, show_default=True, help="0: heed it again.")
@leaf
def ignore(place: Place, problem: str, days: int) -> None:
    """Do not count a problem, by its id, for so many days."""
    told = place.ask("repairs.ignore", id=problem, days=days)
    until = told["ignored_until"]
    place.show(told, f"{problem}: ignored until {until}" if until else f"{problem}: heeded again")


def _line(record: dict[str, Any]) -> str:
    more = " ".join(
        f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in record.items() if name not in BESIDE
    )
    return f"{record.get('timestamp', '')} {record.get('level', ''):8} {record.get('event', '')} {more}"


def _problem(one: dict[str, Any]) -> str:
    texts = [
        english(f"ops.repair.{one['kind']}.{name}", one["values"]) for name in ("title", "cause", "effect", "steps")
    ]
    ignored = f" (ignored until {one['ignored_until']})" if one["ignored_until"] else ""
    return f"{one['severity']}  {one['id']}{ignored}\n" + "\n".join(f"  {text}" for text in texts)
