"""`ops`, `data`, `logs`: what the operations page does, for who has no browser."""

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


@ops.command()
@leaf
def overview(place: Place) -> None:
    """How it stands: what waits, since when, what needs somebody, every link, the disk."""
    place.show(place.ask("ops.overview"))


@ops.command()
@click.option("--hours", type=click.Choice(["1", "24", "168"]), default="1", show_default=True, help="How far back.")
@leaf
def history(place: Place, hours: str) -> None:
    """How many entries waited, and how many were sent, over time."""
    place.show(place.ask("ops.history", hours=int(hours)))


@ops.command()
@leaf
def actions(place: Place) -> None:
    """What was done on the operations page, by whom, the newest first."""
    place.show(place.ask("ops.actions"))


@ops.command()
@leaf
def about(place: Place) -> None:
    """Versions, and what this gateway is made of, with licences."""
    place.show(place.ask("ops.about"))


@ops.command("test-cloud")
@click.option("--url", help="Another than the configured one.")
@leaf
def test_cloud(place: Place, url: str | None) -> int:
    """Does the cloud answer to the configured key? Exit code 1 when not."""
    cloud = place.settings().cloud
    key = cloud.api_key.get_secret_value()
    return _tried(place, place.ask("cloud.test", url=url or cloud.url, api_key=key))


@ops.command("test-broker")
@click.option("--host", help="Another than the configured one.")
@click.option("--port", type=int, help="Another than the configured one.")
@leaf
def test_broker(place: Place, host: str | None, port: int | None) -> int:
    """Does the broker answer to the configured user? Exit code 1 when not."""
    broker = place.settings().broker
    known = {"username": broker.username, "password": broker.password.get_secret_value()}
    return _tried(place, place.ask("broker.test", host=host or broker.host, port=port or broker.port, **known))


def _tried(place: Place, told: dict[str, Any]) -> int:
    place.show(told, "it answers" if told["ok"] else f"it does not answer: {told['error']}")
    return 0 if told["ok"] else 1


@click.group()
def data() -> None:
    """What is in the database."""


@data.command()
@leaf
def counts(place: Place) -> None:
    """How many rows each table has, deleted ones included."""
    told = place.ask("data.counts")
    place.show(told, "\n".join(f"{rows:>10}  {table}" for table, rows in told.items()))


@data.command()
@click.argument("table")
@click.argument("row_id")
@leaf
def row(place: Place, table: str, row_id: str) -> None:
    """One row as it is, its version, and the newest journal entries that touched it."""
    place.show(place.ask("data.row", table=table, id=row_id))


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
