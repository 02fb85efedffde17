"""Prints a label when an operation is completed: the example of a plugin that follows the journal."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.plugin_api import Config, Context, Duration, Event, Names, Parts, Plugin, Port
from plugins.label_printer.label import zpl
from plugins.label_printer.printer import printed

ZPL_PORT = 9100


class Settings(Config):
    """`host`: of the printer. `cells`: names; only what is completed there, empty for all. `max_age`: what was completed longer
    ago is not printed any more.
    """

    host: str
    port: Port = ZPL_PORT
    cells: Names = ()
    max_age: Duration = 24 * 3600.0


def build(context: Context[Settings]) -> Parts:
    wanted, link = context.config, context.link
    link.facts |= {"printed": 0, "too_old": 0}

    async def on_events(events: Sequence[Event]) -> None:
        for event in events:
            data = event.data or {}
            if wanted.cells and data.get("cell_name") not in wanted.cells:
                continue
            if context.clock.now() - datetime.fromisoformat(event.occurred_at) > timedelta(seconds=wanted.max_age):
                link.facts["too_old"] += 1
                continue
            await printed(
                wanted.host, wanted.port, zpl(event.id, data)
            )  # Unavailable: the same events come again later
            link.facts["printed"] += 1
        link.up()

    return Parts(on_events=on_events, events=("operation.completed",))


plugin = Plugin(Settings, build)
